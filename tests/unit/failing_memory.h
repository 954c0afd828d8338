/*
 * failing_memory.h - lets one allocation of the code under test fail: the first, in the next run
 * the second, and so on.
 *
 * The linker redirects here the calls of malloc() and its kin in everything it links (--wrap,
 * meson.build). Shared libraries keep their own, except for Jansson while jansson_shares_memory().
 */
#pragma once

#include "status.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local int allocations_until_failure = -1; /* negative: none fails */
static int blocks_in_use;

static bool allocation_fails(void)
{
    bool fails = allocations_until_failure >= 0 && allocations_until_failure-- == 0;
    errno = fails ? ENOMEM : errno;
    return fails;
}

/* `former` is the block to be replaced, or NULL. */
#define WRAP(type, name, parameters, arguments, former)                                            \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        bool is_new = (former) == NULL;                                                            \
        type block_made = allocation_fails() ? NULL : __real_##name arguments;                     \
        blocks_in_use += block_made != NULL && is_new;                                             \
        return block_made;                                                                         \
    }
WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, realloc, (void *block, size_t size), (block, size), block)
WRAP(void *, reallocarray, (void *block, size_t count, size_t size), (block, count, size), block)
WRAP(char *, strndup, (const char *text, size_t size), (text, size), NULL)
#undef WRAP

void __real_free(void *block);
void __wrap_free(void *block);
void __wrap_free(void *block)
{
    blocks_in_use -= block != NULL;
    __real_free(block);
}

static inline void jansson_shares_memory(void)
{
    json_set_alloc_funcs(malloc, free);
}

/*
 * Runs `scenario` once for each of its allocations, with that one failing, and once more with none
 * failing. The scenario releases what it has, however far it came. It returns STATUS_OK in the last
 * run and a failure in each before: STATUS_NO_MEMORY, or `other`. Returns the number of
 * allocations.
 */
static inline int each_allocation_fails(enum status (*scenario)(struct error *error),
                                        enum status other)
{
    for (int nth = 0;; nth++) {
        struct error error = {0};
        int blocks_before = blocks_in_use;
        allocations_until_failure = nth;
        enum status status = scenario(&error);
        bool all_succeeded = allocations_until_failure >= 0;
        allocations_until_failure = -1;
        cr_assert_eq(blocks_in_use, blocks_before,
                     "%d blocks are left of the run in which allocation %d failed",
                     blocks_in_use - blocks_before, nth);
        if (all_succeeded) {
            cr_assert_eq(status, STATUS_OK, "%s", error.message);
            return nth;
        }
        cr_assert(status == STATUS_NO_MEMORY || status == other,
                  "allocation %d failed and this was the answer: %d %s", nth, (int)status,
                  error.message);
        cr_assert_neq(status, STATUS_OK, "allocation %d failed and nobody noticed", nth);
    }
}
