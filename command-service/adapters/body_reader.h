/*
 * body_reader.h - reads a JSON request body and collects everything that is wrong with it.
 *
 * Two kinds of wrong. A body is *malformed* (400) when it is not JSON, is nested too deeply, or has
 * a member that is unknown or given twice. A value is *invalid* (422) when it is missing, of the
 * wrong type or out of range. All invalid values are reported at once, each with its JSON pointer.
 */
#pragma once

#include "cart_command.h"
#include "money.h"
#include "problem.h"
#include "str.h"
#include "uuid.h"

#include <jansson.h>

/* The most invalid values that a body can have: five in each line of the longest list. */
enum { BODY_ERRORS_MAX = 5 * CART_COMMAND_ITEMS_MAX, BODY_DETAIL_MAX = 160 };

struct body_problems {
    bool has_no_memory; /* the body could not be read, so it may be right or wrong */
    bool is_malformed;
    char malformed[BODY_DETAIL_MAX]; /* why it is malformed: the first reason found */
    size_t error_count;              /* all invalid values */
    struct problem_error errors[BODY_ERRORS_MAX];
};

/* Notes what makes it malformed, unless something did before. */
void body_malformed(struct body_problems *problems, const char *format, ...) PRINTF_LIKE(2, 3);

/* A place in the body: an object and its JSON pointer. */
struct body_object {
    const json_t *json; /* NULL: not an object. That has been reported; reading from it silently
                           gives zeros. */
    char pointer[32];
    struct body_problems *problems;
};

/* Parses `body` into *ret_document; the caller json_decref()s it. NULL when the body is malformed
 * or memory is out. */
struct body_object body_parse(struct str body, json_t **ret_document,
                              struct body_problems *problems);

/* Members other than these are malformed. NULL ends the list. */
void body_allow(const struct body_object *object, const char *const *members);

/* Each of these reports what is wrong and then returns zero or none. */
struct str body_text(const struct body_object *object, const char *member, size_t bytes_min,
                     size_t bytes_max);
/* None when it is absent or null. */
struct str body_optional_text(const struct body_object *object, const char *member,
                              size_t bytes_min, size_t bytes_max);
int64_t body_int(const struct body_object *object, const char *member, int64_t minimum,
                 int64_t maximum);
void body_currency(const struct body_object *object, const char *member,
                   char ret_currency[CURRENCY_LENGTH + 1]);
/* False when it is absent or null. */
bool body_optional_uuid(const struct body_object *object, const char *member,
                        struct uuid *ret_uuid);
bool body_uuid(const struct body_object *object, const char *member, struct uuid *ret_uuid);
struct body_object body_member(const struct body_object *object, const char *member);
/* The array's length, checked; its elements by body_element(). */
size_t body_array(const struct body_object *object, const char *member, size_t minimum,
                  size_t maximum);
struct body_object body_element(const struct body_object *object, const char *member, size_t index);
/* Reports another problem of a member ("": of the object). */
void body_invalid(const struct body_object *object, const char *member, const char *detail);
bool body_has(const struct body_object *object, const char *member);
