/*
 * log_client_http.h - the log over HTTP: GET /v1/events and /v1/events/partitions of a command
 * service.
 */
#pragma once

#include "log_client.h"

enum {
    LOG_HTTP_CONNECT_MS = 1000,
    LOG_HTTP_REQUEST_MS = 5000,            /* the whole request; a longer page is cut short */
    LOG_HTTP_BYTES_MAX = 16 * 1024 * 1024, /* one answer; a larger page is cut short too */
};

/* Checks a setting (config.h) that becomes `base_url`. */
MUST_CHECK enum status log_client_url_check(const char *url, struct error *error);

struct log_client_http;

/* *New*: log_client_http_free(). `base_url` ("http://host:8081") is copied; a user and a password
 * in it are in no message. STATUS_INVALID: not an http or https URL. */
MUST_CHECK enum status
log_client_http_new(const char *base_url, struct log_client_http **ret_client, struct error *error);
/* Aborts a request under way. Takes NULL. */
void log_client_http_free(struct log_client_http *client);

/* The port; borrowed from the client. */
const struct log_client *log_client_http_port(struct log_client_http *client);
