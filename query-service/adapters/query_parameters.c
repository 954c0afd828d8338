#include "query_parameters.h"

#include "number.h"
#include "problem.h"

bool query_parameters_read(struct http_request *request, const struct query_parameter *known,
                           size_t count)
{
    for (size_t i = 0; i < count; i++)
        *known[i].ret_value = STR_NONE;
    for (size_t i = 0; i < http_request_parameter_count(request); i++) {
        struct http_parameter parameter = http_request_parameter(request, i);
        size_t k = 0;
        while (k < count && !str_equal_literal(parameter.name, known[k].name))
            k++;
        bool is_known = k < count;
        if (is_known && str_is_none(*known[k].ret_value)) {
            *known[k].ret_value = parameter.value;
            continue;
        }
        http_refuse(request, &PROBLEM_MALFORMED_REQUEST, "parameter '" STR_FORMAT "' is %s",
                    STR_ARGS(parameter.name), is_known ? "given twice" : "not known here");
        return false;
    }
    return true;
}

void query_parameter_refuse(struct http_request *request, const char *name, const char *must_be)
{
    http_refuse(request, &PROBLEM_MALFORMED_REQUEST, "parameter '%s' must be %s", name, must_be);
}

bool query_parameter_limit(struct http_request *request, struct str limit, int default_limit,
                           int most, int *ret_limit)
{
    int64_t number = default_limit;
    if (!str_is_none(limit) && !number_parse(limit, 1, most, &number)) {
        http_refuse(request, &PROBLEM_MALFORMED_REQUEST,
                    "parameter 'limit' must be a number from 1 to %d", most);
        return false;
    }
    *ret_limit = (int)number;
    return true;
}
