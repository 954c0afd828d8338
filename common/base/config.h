/*
 * config.h - configuration as one table per service.
 *
 * Every setting has a name, a parser, a default and a meaning. Its value is the first of these:
 *
 *     1. the environment
 *     2. the environment as NAME_FILE: a file that holds the value, for secrets and other strings
 *     3. a file of NAME=VALUE lines (# comments; no quoting; white space around name and value is
 *        not part of them)
 *     4. the default
 *
 * NAME and NAME_FILE together are an error. One line break at the end of a NAME_FILE is not part of
 * the value. All errors are reported at once.
 */
#pragma once

#include "status.h"
#include "text.h"

#include <stdint.h>

enum { CONFIG_VALUE_MAX = 4096, CONFIG_FILE_MAX = 65536 };

enum config_kind {
    CONFIG_STRING, /* char *, owned by the config struct; free with config_done */
    CONFIG_SECRET, /* the same, never printed */
    CONFIG_INT,    /* int64_t within minimum .. maximum, in the unit that the meaning names */
    CONFIG_BOOL,   /* bool: true false yes no on off 1 0 */
};

struct config_setting {
    const char *name; /* "COMMAND_PORT" */
    enum config_kind kind;
    size_t offset;             /* of the member in the service's config struct */
    const char *default_value; /* NULL: must be given. A text may be empty only where this is */
    int64_t minimum;           /* CONFIG_INT only, inclusive */
    int64_t maximum;
    /* Strings only, or NULL. STATUS_INVALID: `error` completes a sentence that begins with the
     * value. It never contains any part of a secret. */
    enum status (*check)(const char *value, struct error *error);
    const char *meaning; /* one sentence with its unit; --help and docs/configuration.md show it */
};

/*
 * Entries of a table, for members of CONFIG_STRUCT, which the file with the table defines:
 *
 *     #define CONFIG_STRUCT struct command_config
 *     INT_SETTING("COMMAND_PORT", port, "8081", 0, 65535, "TCP port to listen on"),
 */
#define CONFIG_ENTRY(kind_, name_, member, default_, meaning_)                                     \
    .name = (name_), .kind = (kind_), .offset = offsetof(CONFIG_STRUCT, member),                   \
    .default_value = (default_), .meaning = (meaning_)
#define TEXT_SETTING(name, member, default_value, meaning)                                         \
    {                                                                                              \
        CONFIG_ENTRY(CONFIG_STRING, name, member, default_value, meaning)                          \
    }
#define CHECKED_SETTING(name, member, default_value, check_, meaning)                              \
    {                                                                                              \
        CONFIG_ENTRY(CONFIG_STRING, name, member, default_value, meaning), .check = (check_)       \
    }
#define SECRET_SETTING(name, member, default_value, check_, meaning)                               \
    {                                                                                              \
        CONFIG_ENTRY(CONFIG_SECRET, name, member, default_value, meaning), .check = (check_)       \
    }
#define BOOL_SETTING(name, member, default_value, meaning)                                         \
    {                                                                                              \
        CONFIG_ENTRY(CONFIG_BOOL, name, member, default_value, meaning)                            \
    }
#define INT_SETTING(name, member, default_value, minimum_, maximum_, meaning)                      \
    {                                                                                              \
        CONFIG_ENTRY(CONFIG_INT, name, member, default_value, meaning), .minimum = (minimum_),     \
                                                                        .maximum = (maximum_)      \
    }

/* Fills `target` by the table. `file` may be NULL. STATUS_INVALID: `ret_problems` has one line per
 * error. Unknown names in the file are errors too; the environment may hold anything. Never puts a
 * secret's value in a message. After a failure the caller owes nothing. */
MUST_CHECK enum status config_load(const struct config_setting *table, size_t count,
                                   const char *file, void *target, struct text *ret_problems);

/* Frees the strings and clears the secrets' memory. Works on a zeroed target. */
void config_done(const struct config_setting *table, size_t count, void *target);

/* The table for --help: name, default, meaning. */
void config_describe(const struct config_setting *table, size_t count, struct text *text);
