#include "log_question.h"

#include "cart_partition.h"
#include "event_types.h"
#include "log_routes.h"
#include "number.h"

#include <stdarg.h>
#include <stdio.h>

enum parameter { PARTITION, AFTER, LIMIT, CURSOR, CART_ID, TYPE, FROM, TO, PARAMETER_COUNT };

enum { SHOWN_NAME_MAX = 64 };

/* As contracts/ has it. */
static const int64_t AFTER_MAX = INT64_C(999999999999999999);

static const char *const NAMES[PARAMETER_COUNT] = {"partition", "after", "limit", "cursor",
                                                   "cartId",    "type",  "from",  "to"};

static bool wrong(char *ret_problem, const char *format, ...) PRINTF_LIKE(2, 3);

static bool wrong(char *ret_problem, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ret_problem, LOG_PROBLEM_MAX, format, arguments);
    va_end(arguments);
    return false;
}

/* Sorts the request's parameters into `values`, none where one was not given. */
static bool collect(const struct http_request *request, struct str values[PARAMETER_COUNT],
                    char *ret_problem)
{
    for (int name = 0; name < PARAMETER_COUNT; name++)
        values[name] = STR_NONE;
    for (size_t i = 0; i < http_request_parameter_count(request); i++) {
        struct http_parameter parameter = http_request_parameter(request, i);
        int name = 0;
        while (name < PARAMETER_COUNT && !str_equal_literal(parameter.name, NAMES[name]))
            name++;
        if (name == PARAMETER_COUNT)
            return wrong(ret_problem, "unknown parameter '" STR_FORMAT "'",
                         STR_ARGS(parameter.name.length <= SHOWN_NAME_MAX ? parameter.name
                                                                          : STR_LITERAL("...")));
        if (!str_is_none(values[name]))
            return wrong(ret_problem, "parameter '%s' is given twice", NAMES[name]);
        values[name] = parameter.value;
    }
    return true;
}

static bool read_filter(const struct str values[PARAMETER_COUNT], int partition_count,
                        struct log_filter *filter, char *ret_problem)
{
    *filter = (struct log_filter){.last_partition = (int16_t)(partition_count - 1),
                                  .type = STR_NONE,
                                  .from_us = INT64_MIN,
                                  .before_us = INT64_MAX};
    if (!str_is_none(values[CART_ID])) {
        if (!uuid_parse(values[CART_ID], &filter->cart_id))
            return wrong(ret_problem, "cartId must be a UUID");
        filter->has_cart = true;
        filter->first_partition = cart_partition(&filter->cart_id, partition_count);
        filter->last_partition = filter->first_partition;
    }
    if (!str_is_none(values[PARTITION])) {
        int64_t partition;
        if (!number_parse(values[PARTITION], 0, partition_count - 1, &partition))
            return wrong(ret_problem, "partition must be 0 to %d", partition_count - 1);
        filter->first_partition = (int16_t)partition;
        filter->last_partition = (int16_t)partition;
    }
    if (!str_is_none(values[TYPE])) {
        enum event_type type;
        if (!event_type_parse(values[TYPE], &type))
            return wrong(ret_problem, "type must be an event type such as ItemAdded");
        filter->type = str_from(event_type_name(type));
    }
    if (!str_is_none(values[FROM]) && !http_time_parse(values[FROM], &filter->from_us))
        return wrong(ret_problem, "from must be an RFC 3339 time");
    if (!str_is_none(values[TO]) && !http_time_parse(values[TO], &filter->before_us))
        return wrong(ret_problem, "to must be an RFC 3339 time");
    return true;
}

static bool read_place(const struct str values[PARAMETER_COUNT], const struct log_filter *filter,
                       struct scan_place *place, char *ret_problem)
{
    *place = (struct scan_place){filter->first_partition, 0, 0};
    if (!str_is_none(values[CURSOR]) && !log_cursor_read(values[CURSOR], filter, place))
        return wrong(ret_problem, "cursor is not one that these parameters gave");
    if (str_is_none(values[AFTER]))
        return true;
    if (str_is_none(values[PARTITION]) || !str_is_none(values[CURSOR]))
        return wrong(ret_problem, "after needs partition and excludes cursor");
    if (!number_parse(values[AFTER], 0, AFTER_MAX, &place->position))
        return wrong(ret_problem, "after must be a position, 0 or more");
    return true;
}

bool log_question_read(const struct http_request *request, int partition_count,
                       struct log_question *ret_question, char ret_problem[LOG_PROBLEM_MAX])
{
    struct str values[PARAMETER_COUNT];
    struct log_question question = {0};
    int64_t limit = 0;
    if (!collect(request, values, ret_problem) ||
        !read_filter(values, partition_count, &question.filter, ret_problem) ||
        !read_place(values, &question.filter, &question.place, ret_problem))
        return false;
    if (!str_is_none(values[LIMIT]) && !number_parse(values[LIMIT], 1, LOG_LIMIT_MAX, &limit))
        return wrong(ret_problem, "limit must be 1 to %d", LOG_LIMIT_MAX);
    question.limit = (int)limit;
    *ret_question = question;
    return true;
}
