/*
 * macros.h - the few macros that the whole project uses.
 */
#pragma once

#include <stddef.h>

/* The result says whether the call worked: ignoring it is an error. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Calls release_fn(&variable) when the variable goes out of scope. */
#define AUTO(release_fn) __attribute__((cleanup(release_fn)))

#define PRINTF_LIKE(format_index, first_argument)                                                  \
    __attribute__((format(printf, format_index, first_argument)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of that type whose `member` this points to. */
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
