/*
 * log.h - one JSON line per fact, on standard error.
 *
 *     log_info("relay", "leadership taken", LOG_INT("partitions", 6), LOG_STR("topic", topic));
 *     {"time":"…","level":"info","service":"…","subject":"relay",
 *      "message":"leadership taken","partitions":6,"topic":"…"}
 *
 * A line is written with one write(2), so lines of several threads never mix. A line over
 * LOG_LINE_MAX is cut inside a field, stays valid JSON and says "truncated":true. If stderr blocks
 * for a second, lines are dropped and a later line gives the count. Callers never wait longer.
 * Texts may come from outside: control characters are escaped, invalid UTF-8 becomes U+FFFD. Only
 * main, the request boundary and worker loops log. Safe from any thread. Never pass a secret or a
 * whole connection string.
 */
#pragma once

#include "status.h"
#include "str.h"

#include <stdint.h>

enum { LOG_LINE_MAX = 4096 };

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_field {
    const char *key; /* NULL ends the list */
    bool is_text;    /* a text that is none is written as null */
    struct str text;
    int64_t number; /* when is_text is false */
};

#define LOG_STR(key_, terminated_)                                                                 \
    ((struct log_field){.key = (key_), .is_text = true, .text = str_from(terminated_)})
#define LOG_TEXT(key_, str_) ((struct log_field){.key = (key_), .is_text = true, .text = (str_)})
#define LOG_INT(key_, number_) ((struct log_field){.key = (key_), .number = (int64_t)(number_)})

/* Lines below this level are not written; LOG_INFO by default. Call once, before threads start. */
void log_set_level(enum log_level lowest);
/* Whether a setting (config.h) is "debug", "info", "warning" or "error"; and the level of a setting
 * that is. */
MUST_CHECK enum status log_level_check(const char *setting, struct error *error);
enum log_level log_level_of(const char *setting);
/* Added to every line, e.g. "command-service"; borrowed for ever. */
void log_set_service(const char *name);

/* The fields, struct log_field by value, end with LOG_END; the macros below add it. */
void log_write(enum log_level level, const char *subject, const char *message, ...);

#define LOG_END ((struct log_field){.key = NULL})
#define log_debug(subject, ...) log_write(LOG_DEBUG, subject, __VA_ARGS__, LOG_END)
#define log_info(subject, ...) log_write(LOG_INFO, subject, __VA_ARGS__, LOG_END)
#define log_warning(subject, ...) log_write(LOG_WARNING, subject, __VA_ARGS__, LOG_END)
#define log_error(subject, ...) log_write(LOG_ERROR, subject, __VA_ARGS__, LOG_END)
