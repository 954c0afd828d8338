/*
 * query_config.h - the settings of the query service. docs/configuration.md lists the same names
 * (tested).
 */
#pragma once

#include "config.h"
#include "http_settings.h"

struct query_config {
    char *bind;
    int64_t port;
    char *database_url; /* secret */
    char *command_url;
    int64_t partitions;
    char *kafka_servers;
    char *kafka_topic;
    char *kafka_dead_letter_topic;
    char *kafka_group;
    char *kafka_security; /* secret */
    int64_t kafka_session_timeout_ms;
    int64_t view_cache_mib;
    int64_t hot_views_mib;
    int64_t readers;
    int64_t queue_max;
    int64_t list_queue_max;
    int64_t waiters_max;
    struct http_settings http;
    char *log_level;
};

extern const struct config_setting QUERY_SETTINGS[];
extern const size_t QUERY_SETTING_COUNT;
