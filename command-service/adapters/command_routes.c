#include "command_routes.h"

#include "cart_command_json.h"
#include "cart_partition.h"
#include "clock.h"
#include "command_answer.h"
#include "idempotency_key.h"
#include "if_match.h"
#include "problem.h"
#include "request_metadata.h"

#include <stdlib.h>

enum { SEGMENTS_MAX = 5 };

/* A command in progress: what the lane works on, and what answering its HTTP request needs. */
struct cart_call {
    struct command_request request; /* first: the lane hands this back */
    struct http_request *http;
    struct cart_command_body body;
    struct text metadata;
    struct str correlation_id; /* in `correlation`, or none */
    char correlation[CORRELATION_ID_BYTES_MAX];
    char key[COMMAND_KEY_BYTES_MAX];
};

static void cart_call_free(struct cart_call *call)
{
    cart_command_body_done(&call->body);
    text_done(&call->metadata);
    free(call->request.outcome.events);
    free(call);
}

/* On the lane's thread, which others wait for: the answer is made elsewhere. */
static void wake(struct command_request *request)
{
    http_wake(((struct cart_call *)request)->http);
}

static void answer_and_free(void *context)
{
    struct cart_call *call = context;
    command_answer(call->http, &call->request, call->correlation_id);
    cart_call_free(call);
}

/* One line of the URL space: the first `segments` of /v1/carts/{id}/THIRD/{key}. */
struct route {
    enum http_method method;
    size_t segments;
    const char *third; /* or NULL where there is none */
    enum cart_command_type type;
    const char *label;
};

static const struct route ROUTES[] = {
    {HTTP_POST, 2, NULL, CART_CREATE, "POST /v1/carts"},
    {HTTP_PUT, 3, NULL, CART_CREATE, "PUT /v1/carts/{id}"},
    {HTTP_DELETE, 3, NULL, CART_CANCEL, "DELETE /v1/carts/{id}"},
    {HTTP_POST, 4, "items", CART_ADD_ITEMS, "POST /v1/carts/{id}/items"},
    {HTTP_DELETE, 4, "items", CART_CLEAR, "DELETE /v1/carts/{id}/items"},
    {HTTP_PATCH, 5, "items", CART_SET_QUANTITY, "PATCH /v1/carts/{id}/items/{sku}"},
    {HTTP_DELETE, 5, "items", CART_REMOVE_ITEM, "DELETE /v1/carts/{id}/items/{sku}"},
    {HTTP_PUT, 4, "customer", CART_ASSIGN_CUSTOMER, "PUT /v1/carts/{id}/customer"},
    {HTTP_POST, 4, "coupons", CART_APPLY_COUPON, "POST /v1/carts/{id}/coupons"},
    {HTTP_DELETE, 5, "coupons", CART_REMOVE_COUPON, "DELETE /v1/carts/{id}/coupons/{code}"},
    {HTTP_POST, 4, "merge", CART_MERGE, "POST /v1/carts/{id}/merge"},
    {HTTP_POST, 4, "checkout", CART_CHECK_OUT, "POST /v1/carts/{id}/checkout"},
};

/* The Allow header of each path. The history belongs to the query service. It is listed because a
 * gateway that makes one URL space of both services sends OPTIONS here. */
static const struct {
    size_t segments;
    const char *third;
    const char *allow;
} PATHS[] = {
    {2, NULL, "OPTIONS, POST"},
    {3, NULL, "DELETE, OPTIONS, PUT"},
    {4, "items", "DELETE, OPTIONS, POST"},
    {5, "items", "DELETE, OPTIONS, PATCH"},
    {4, "customer", "OPTIONS, PUT"},
    {4, "coupons", "OPTIONS, POST"},
    {5, "coupons", "DELETE, OPTIONS"},
    {4, "merge", "OPTIONS, POST"},
    {4, "checkout", "OPTIONS, POST"},
    {4, "history", "GET, HEAD, OPTIONS"},
};

static bool is_path(size_t segments, const char *third, const struct http_request *request)
{
    return http_request_segment_count(request) == segments &&
           (third == NULL || str_equal_literal(http_request_segment(request, 3), third));
}

static const struct route *find_route(const struct http_request *request)
{
    for (size_t i = 0; i < ARRAY_SIZE(ROUTES); i++)
        if (ROUTES[i].method == http_request_method(request) &&
            is_path(ROUTES[i].segments, ROUTES[i].third, request))
            return &ROUTES[i];
    return NULL;
}

static void answer_other_method(struct http_request *http)
{
    for (size_t i = 0; i < ARRAY_SIZE(PATHS); i++) {
        if (!is_path(PATHS[i].segments, PATHS[i].third, http))
            continue;
        bool is_read =
            http_request_method(http) == HTTP_GET || http_request_method(http) == HTTP_HEAD;
        http_respond_methods(http, PATHS[i].allow,
                             is_read ? STR_LITERAL("reading carts is the query service's")
                                     : STR_NONE);
        return;
    }
    http_refuse(http, &PROBLEM_NO_SUCH_RESOURCE, "nothing is at this path");
}

static const struct problem_type INVALID_VALUE = {422, "invalid-value", "Invalid value"};

static void refuse_body(struct http_request *http, const struct body_problems *problems)
{
    if (problems->has_no_memory) {
        command_answer_overloaded(http);
        return;
    }
    if (problems->is_malformed) {
        http_refuse(http, &PROBLEM_MALFORMED_REQUEST, "%s", problems->malformed);
        return;
    }
    http_respond_problem(http, &(struct problem){.type = &INVALID_VALUE,
                                                 .detail = STR_LITERAL("see errors"),
                                                 .errors = problems->errors,
                                                 .error_count = problems->error_count});
}

/* Only DELETE of a line takes a parameter: quantity. False: the request has been refused. */
static bool read_parameters(struct http_request *http, const struct route *route,
                            struct str *ret_quantity)
{
    *ret_quantity = STR_NONE;
    for (size_t i = 0; i < http_request_parameter_count(http); i++) {
        struct http_parameter parameter = http_request_parameter(http, i);
        bool is_quantity =
            route->type == CART_REMOVE_ITEM && str_equal_literal(parameter.name, "quantity");
        if (!is_quantity || !str_is_none(*ret_quantity)) {
            http_refuse(http, &PROBLEM_MALFORMED_REQUEST, "parameter '" STR_FORMAT "' is %s",
                        STR_ARGS(parameter.name), is_quantity ? "given twice" : "not known here");
            return false;
        }
        *ret_quantity = parameter.value;
    }
    return true;
}

/* Reads the condition, the key and the correlation id. False: the request has been refused. */
static bool read_headers(struct http_request *http, struct cart_call *call)
{
    if (!if_match_parse(http_request_header(http, "If-Match"), &call->request.condition)) {
        http_refuse(http, &PROBLEM_INVALID_HEADER, "If-Match must be * or entity tags");
        return false;
    }
    if (!idempotency_key_parse(http_request_header(http, "Idempotency-Key"), call->key,
                               &call->request.key.key)) {
        http_refuse(http, &PROBLEM_INVALID_HEADER,
                    "Idempotency-Key must be 1 to %d characters of printable ASCII",
                    COMMAND_KEY_BYTES_MAX);
        return false;
    }
    struct str correlation = http_request_header(http, "X-Correlation-Id");
    if (!str_is_none(correlation)) {
        if (!correlation_id_is_valid(correlation)) {
            http_refuse(http, &PROBLEM_INVALID_HEADER,
                        "X-Correlation-Id must be 1 to %d bytes of printable UTF-8",
                        CORRELATION_ID_BYTES_MAX);
            return false;
        }
        memcpy(call->correlation, correlation.bytes, correlation.length);
        call->correlation_id = (struct str){call->correlation, correlation.length};
    }
    return true;
}

/* The cart of a request whose path names none. */
static struct uuid choose_cart(const struct cart_call *call)
{
    if (call->body.names_cart)
        return call->body.cart_id;
    struct str key = call->request.key.key;
    return str_is_none(key) ? uuid_v7_now() : idempotency_key_cart(key);
}

/* Reads the command itself. False: the request has been refused. */
static bool read_command(const struct command_routes *routes, struct http_request *http,
                         const struct route *route, struct cart_call *call)
{
    bool has_id = route->segments > 2;
    if (has_id && !uuid_parse(http_request_segment(http, 2), &call->request.cart_id)) {
        http_refuse(http, &PROBLEM_MALFORMED_REQUEST, "the cart's id must be a UUID");
        return false;
    }
    struct cart_command_source source = {.type = route->type,
                                         .body = http_request_body(http),
                                         .may_name_cart = !has_id,
                                         .key = STR_NONE};
    if (!read_parameters(http, route, &source.quantity))
        return false;
    if (route->segments == SEGMENTS_MAX)
        source.key = http_request_segment(http, SEGMENTS_MAX - 1);
    struct body_problems problems;
    if (!cart_command_read(&source, &routes->limits, &call->body, &problems)) {
        refuse_body(http, &problems);
        return false;
    }
    if (!has_id)
        call->request.cart_id = choose_cart(call);
    call->request.command = call->body.command;
    if (route->type == CART_MERGE)
        call->request.command.merge.target_cart_id = call->request.cart_id;
    call->request.command.time_us = clock_wall_us();
    const struct request_identity identity = {.route = route->label,
                                              .cart_id = call->request.cart_id,
                                              .path_key = source.key,
                                              .quantity = source.quantity,
                                              .body = call->body.document};
    if (!str_is_none(call->request.key.key) &&
        !request_identity_hash(&identity, call->request.key.request_hash)) {
        command_answer_overloaded(http);
        return false;
    }
    return true;
}

/* False: the request has been refused. */
static bool write_metadata(struct cart_call *call)
{
    request_metadata_write(call->correlation_id, http_request_header(call->http, "traceparent"),
                           &call->request.key, &call->metadata);
    call->request.metadata = text_str(&call->metadata);
    if (!text_ok(&call->metadata))
        command_answer_overloaded(call->http);
    return text_ok(&call->metadata);
}

static void submit(const struct command_routes *routes, struct cart_call *call)
{
    struct command_request *request = &call->request;
    request->partition = cart_partition(&request->cart_id, routes->partition_count);
    if (request->command.type == CART_MERGE)
        request->source_partition =
            cart_partition(&request->command.merge.source_cart_id, routes->partition_count);
    request->deadline_us = clock_deadline_us(LANE_DEADLINE_MS);
    request->done = wake;

    struct http_request *http = call->http;
    http_defer_until_woken(http, answer_and_free, call);
    if (!command_lanes_submit(routes->lanes, request)) {
        command_answer_overloaded(http);
        cart_call_free(call);
    }
}

bool command_routes_handle(const struct command_routes *routes, struct http_request *request)
{
    if (http_request_segment_count(request) < 2 ||
        !str_equal_literal(http_request_segment(request, 0), "v1") ||
        !str_equal_literal(http_request_segment(request, 1), "carts"))
        return false;
    const struct route *route = find_route(request);
    if (route == NULL) {
        answer_other_method(request);
        return true;
    }
    http_request_set_route(request, route->label);
    struct cart_call *call = calloc(1, sizeof(*call));
    if (call == NULL) {
        command_answer_overloaded(request);
        return true;
    }
    call->http = request;
    call->metadata = TEXT_INIT(METADATA_BYTES_MAX);
    if (read_headers(request, call) && read_command(routes, request, route, call) &&
        write_metadata(call))
        submit(routes, call);
    else
        cart_call_free(call);
    return true;
}
