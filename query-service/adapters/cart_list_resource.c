#include "cart_list_resource.h"

#include "cart_view.h"
#include "json_out.h"
#include "list_cursor.h"
#include "problem.h"
#include "query_parameters.h"
#include "utf8.h"
#include "view_reader.h"
#include "view_refusal.h"

#include <stdlib.h>

enum {
    CUSTOMER_BYTES_MAX = 64,
    PAGE_TEXT_MAX = VIEW_LIST_BYTES_MAX + CART_VIEW_BODY_MAX + 4096,
};

/* A question in progress, and its answer so far. */
struct list_question {
    struct view_request view; /* first: the reader hands this back */
    struct http_request *http;
    struct text text;
    struct json_out out;
    struct view_place last;
};

static void list_question_free(struct list_question *question)
{
    text_done(&question->text);
    free(question);
}

static void add_row(void *context, const struct view_place *place, struct str body)
{
    struct list_question *question = context;
    json_out_raw(&question->out, body);
    question->last = *place;
}

static void answer_page(struct list_question *question, bool more)
{
    struct json_out *out = &question->out;
    json_out_end_array(out);
    json_out_key(out, "next");
    if (more) {
        char cursor[LIST_CURSOR_LENGTH + 1];
        list_cursor_format(&question->view.list, &question->last, cursor);
        json_out_string(out, str_from(cursor));
    } else {
        json_out_null(out);
    }
    json_out_end_object(out);
    http_respond_text(question->http, 200, "application/json", &question->text);
}

static void answer(struct view_request *request, enum view_outcome outcome, int32_t version,
                   struct str body, bool more)
{
    struct list_question *question = (struct list_question *)request;
    (void)version;
    (void)body;
    if (outcome == VIEW_FOUND)
        answer_page(question, more);
    else
        view_refuse(question->http, outcome);
    list_question_free(question);
}

/* False: the request has been refused. */
static bool read_filters(struct http_request *request, struct view_list *list)
{
    enum cart_view_status status;
    if (!str_is_none(list->status) && !cart_view_status_parse(list->status, &status)) {
        query_parameter_refuse(request, "status",
                               "open, checked_out, cancelled, expired or merged");
        return false;
    }
    struct str customer = list->customer_id;
    if (!str_is_none(customer) && (customer.length == 0 || customer.length > CUSTOMER_BYTES_MAX ||
                                   !utf8_is_printable(customer))) {
        query_parameter_refuse(request, "customerId", "1 to 64 bytes of printable UTF-8");
        return false;
    }
    return true;
}

/* False: the request has been refused. */
static bool read_list(struct http_request *request, struct view_list *list)
{
    struct str limit;
    struct str cursor;
    const struct query_parameter known[] = {
        {"customerId", &list->customer_id},
        {"status", &list->status},
        {"limit", &limit},
        {"cursor", &cursor},
    };
    if (!query_parameters_read(request, known, ARRAY_SIZE(known)) || !read_filters(request, list) ||
        !query_parameter_limit(request, limit, LIST_LIMIT_DEFAULT, VIEW_LIST_LIMIT_MAX,
                               &list->limit))
        return false;
    list->is_continued = !str_is_none(cursor);
    if (list->is_continued && !list_cursor_parse(cursor, list, &list->after)) {
        query_parameter_refuse(request, "cursor",
                               "the `next` of a page with the same customerId and status");
        return false;
    }
    return true;
}

void cart_list_resource_get(const struct query_routes *routes, struct http_request *request)
{
    struct list_question *question = malloc(sizeof(*question));
    if (question == NULL) {
        http_refuse_no_memory(request);
        return;
    }
    *question = (struct list_question){.view = {VIEW_PAGE, .answer = answer, .row = add_row},
                                       .http = request,
                                       .text = TEXT_INIT(PAGE_TEXT_MAX)};
    if (!read_list(request, &question->view.list)) {
        list_question_free(question);
        return;
    }
    question->out = json_out_to(&question->text);
    json_out_object(&question->out);
    json_out_key(&question->out, "carts");
    json_out_array(&question->out);
    http_defer(request);
    view_reader_submit(routes->reader, &question->view);
}
