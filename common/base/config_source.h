/*
 * config_source.h - finds the text of a setting; a part of config.c.
 *
 * Errors on the way become lines of `problems`.
 */
#pragma once

#include "config.h"

/* A file of NAME=VALUE lines in memory. */
struct config_file {
    const char *name; /* borrowed, for messages; NULL: there is no file */
    struct str text;  /* owned */
};

/* Reads the file and reports lines that have no `=` or an unknown name. */
void config_file_read(const char *name, const struct config_setting *table, size_t count,
                      struct config_file *ret_file, struct text *problems);
/* Clears the memory, which may hold secrets, and frees it. Works on a zeroed struct. */
void config_file_done(struct config_file *file);

enum { CONFIG_SOURCE_MAX = 200 };

struct config_value {
    struct str text;                /* none: not given, or its problem has been written already */
    char *owned;                    /* what a NAME_FILE held, or NULL */
    char source[CONFIG_SOURCE_MAX]; /* "environment", "service.conf, line 3", "default" */
};

/* False when a problem was written. The caller owes config_value_done() in any case. */
MUST_CHECK bool config_value_find(const struct config_setting *setting,
                                  const struct config_file *file, struct config_value *ret_value,
                                  struct text *problems);
void config_value_done(struct config_value *value);
