#include "query_routes.h"

#include "cart_history_resource.h"
#include "cart_list_resource.h"
#include "cart_resource.h"
#include "http_accept.h"
#include "problem.h"

/* One path of the shared URL space; `{}` is any segment. Paths that only the command service has
 * are listed with the methods it takes. */
struct path {
    const char *pattern;
    const char *allow;
    void (*get)(const struct query_routes *routes, struct http_request *request); /* or NULL */
    const char *label;
};

static const struct path PATHS[] = {
    {"v1/carts", "GET, HEAD, OPTIONS", cart_list_resource_get, "GET /v1/carts"},
    {"v1/carts/{}", "GET, HEAD, OPTIONS", cart_resource_get, "GET /v1/carts/{id}"},
    {"v1/carts/{}/history", "GET, HEAD, OPTIONS", cart_history_resource_get,
     "GET /v1/carts/{id}/history"},
    {"v1/carts/{}/items", "DELETE, OPTIONS, POST", NULL, "/v1/carts/{id}/items"},
    {"v1/carts/{}/items/{}", "DELETE, OPTIONS, PATCH", NULL, "/v1/carts/{id}/items/{sku}"},
    {"v1/carts/{}/customer", "OPTIONS, PUT", NULL, "/v1/carts/{id}/customer"},
    {"v1/carts/{}/coupons", "OPTIONS, POST", NULL, "/v1/carts/{id}/coupons"},
    {"v1/carts/{}/coupons/{}", "DELETE, OPTIONS", NULL, "/v1/carts/{id}/coupons/{code}"},
    {"v1/carts/{}/merge", "OPTIONS, POST", NULL, "/v1/carts/{id}/merge"},
    {"v1/carts/{}/checkout", "OPTIONS, POST", NULL, "/v1/carts/{id}/checkout"},
    {"v1/events", "GET, HEAD, OPTIONS", NULL, "/v1/events"},
    {"v1/events/partitions", "GET, HEAD, OPTIONS", NULL, "/v1/events/partitions"},
};

static bool matches(const char *pattern, const struct http_request *request)
{
    size_t count = http_request_segment_count(request);
    for (size_t i = 0; i < count; i++) {
        struct str wanted = {pattern, strcspn(pattern, "/")};
        if (!str_equal_literal(wanted, "{}") &&
            !str_equal(wanted, http_request_segment(request, i)))
            return false;
        pattern += wanted.length;
        if (*pattern == '\0')
            return i + 1 == count;
        pattern++;
    }
    return false;
}

static const struct path *find_path(const struct http_request *request)
{
    for (size_t i = 0; i < ARRAY_SIZE(PATHS); i++)
        if (matches(PATHS[i].pattern, request))
            return &PATHS[i];
    return NULL;
}

void query_routes_handle(const struct query_routes *routes, struct http_request *request)
{
    const struct path *path = find_path(request);
    if (path == NULL) {
        http_refuse(request, &PROBLEM_NO_SUCH_RESOURCE, "nothing is at this path");
        return;
    }
    http_request_set_route(request, path->label);
    enum http_method method = http_request_method(request);
    if (path->get == NULL || (method != HTTP_GET && method != HTTP_HEAD))
        http_respond_methods(request, path->allow,
                             path->get == NULL
                                 ? STR_LITERAL("this path is the command service's")
                                 : STR_LITERAL("the query service takes GET and HEAD"));
    else if (http_accepts(http_request_header(request, "Accept"), "application/json") ==
             HTTP_NOT_ACCEPTED)
        http_refuse(request, &PROBLEM_NOT_ACCEPTABLE, "the answer would be application/json");
    else
        path->get(routes, request);
}
