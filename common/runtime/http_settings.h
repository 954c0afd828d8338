/*
 * http_settings.h - the HTTP server settings that both services have (config.h).
 */
#pragma once

#include "http_cors.h"
#include "http_server.h"

struct http_settings {
    int64_t threads;
    int64_t connections_max;
    int64_t connections_per_address_max;
    int64_t head_timeout_s;
    int64_t request_timeout_s;
    char *cors_origins;
};

/* Their entries in a table, for a CONFIG_STRUCT that has them as `http`. */
#define HTTP_SETTINGS                                                                              \
    INT_SETTING("HTTP_THREADS", http.threads, "2", 1, 64, "threads that serve connections"),       \
        INT_SETTING("HTTP_CONNECTIONS_MAX", http.connections_max, "4096", 1, 1000000,              \
                    "connections at a time"),                                                      \
        INT_SETTING("HTTP_CONNECTIONS_PER_ADDRESS_MAX", http.connections_per_address_max, "0", 0,  \
                    1000000, "connections at a time from one address; 0 is no limit"),             \
        INT_SETTING(                                                                               \
            "HTTP_HEAD_TIMEOUT_S", http.head_timeout_s, "10", 1, 3600,                             \
            "seconds in which a request's head must arrive; a connection without a request is "    \
            "closed after as many"),                                                               \
        INT_SETTING("HTTP_REQUEST_TIMEOUT_S", http.request_timeout_s, "30", 1, 3600,               \
                    "seconds in which all of a request must arrive"),                              \
        CHECKED_SETTING(                                                                           \
            "CORS_ORIGINS", http.cors_origins, "", http_cors_check,                                \
            "origins whose pages may use the service from a browser, comma-separated, such as "    \
            "https://shop.example; empty is none")

/* Applies the settings to a server's options; borrows them. */
static inline void http_settings_apply(const struct http_settings *settings,
                                       struct http_server_options *options)
{
    options->threads = (unsigned)settings->threads;
    options->connections_max = (unsigned)settings->connections_max;
    options->connections_per_address_max = (unsigned)settings->connections_per_address_max;
    options->head_timeout_s = (int)settings->head_timeout_s;
    options->request_timeout_s = (int)settings->request_timeout_s;
    options->cors_origins = settings->cors_origins;
}
