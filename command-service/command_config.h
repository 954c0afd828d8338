/*
 * command_config.h - the settings of the command service. docs/configuration.md lists the same
 * names (tested).
 */
#pragma once

#include "config.h"
#include "http_settings.h"

struct command_config {
    char *bind;
    int64_t port;
    char *database_url; /* secret */
    int64_t partitions;
    char *kafka_servers;
    char *kafka_topic;
    char *kafka_security; /* secret */
    bool relay_enabled;
    int64_t lanes;
    int64_t queue_max;
    int64_t cache_mib;
    int64_t log_readers;
    int64_t log_queue_max;
    int64_t cart_lines_max;
    int64_t line_quantity_max;
    int64_t guest_lifetime_s;
    int64_t customer_lifetime_s;
    int64_t body_max;
    struct http_settings http;
    char *log_level;
};

extern const struct config_setting COMMAND_SETTINGS[];
extern const size_t COMMAND_SETTING_COUNT;
