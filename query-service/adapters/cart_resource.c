#include "cart_resource.h"

#include "clock.h"
#include "if_none_match.h"
#include "prefer.h"
#include "problem.h"
#include "query_number.h"
#include "query_parameters.h"
#include "view_reader.h"
#include "view_refusal.h"
#include "view_waiters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ETAG_MAX = 16, PREFERENCE_MAX = 16, NOT_ASKED = -1 };

/* A question on its way, and what is needed to answer it. */
struct cart_question {
    struct view_request view; /* first: the readers hand this back */
    struct http_request *http;
    struct if_none_match condition;
    int wait_s; /* as the client preferred, or NOT_ASKED */
};

static void answer_found(const struct cart_question *question, int32_t version, struct str body)
{
    char etag[ETAG_MAX];
    char preference[PREFERENCE_MAX];
    snprintf(etag, sizeof(etag), "\"%" PRId32 "\"", version);
    struct http_response response = {
        .status = 200,
        .content_type = "application/json",
        .body = body,
        .headers = {{"ETag", str_from(etag)}, {"Cache-Control", STR_LITERAL("no-cache")}},
        .header_count = 2,
    };
    if (if_none_match_has(&question->condition, version)) {
        response.status = 304; /* the server sends only the length of the body */
        response.content_type = NULL;
    }
    if (question->wait_s != NOT_ASKED) {
        snprintf(preference, sizeof(preference), "wait=%d", question->wait_s);
        response.headers[response.header_count++] =
            (struct http_header){"Preference-Applied", str_from(preference)};
    }
    http_respond(question->http, &response);
}

static void answer(struct view_request *request, enum view_outcome outcome, int32_t version,
                   struct str body, bool more)
{
    struct cart_question *question = (struct cart_question *)request;
    (void)more;
    if (outcome == VIEW_FOUND)
        answer_found(question, version, body);
    else
        view_refuse(question->http, outcome);
    free(question);
}

/* False after the refusal. */
static bool read_question(struct http_request *request, struct cart_question *question,
                          bool *ret_waits)
{
    struct str least_version;
    const struct query_parameter known[] = {{"minVersion", &least_version}};
    if (!uuid_parse(http_request_segment(request, 2), &question->view.lookup.cart_id)) {
        http_refuse(request, 400, "malformed-request", "Malformed request",
                    "the cart's id must be a UUID");
        return false;
    }
    if (!query_parameters_read(request, known, ARRAY_SIZE(known)))
        return false;
    int64_t version = 1;
    *ret_waits = !str_is_none(least_version);
    if (*ret_waits && !query_number_parse(least_version, INT32_MAX, &version)) {
        query_parameter_refuse(request, "minVersion", "a version: a number from 1 to 2147483647");
        return false;
    }
    question->view.lookup.least_version = (int32_t)version;
    if (!if_none_match_parse(http_request_header(request, "If-None-Match"), &question->condition)) {
        http_refuse(request, 400, "invalid-header", "Invalid header",
                    "If-None-Match must be * or entity tags");
        return false;
    }
    int wait_s = WAIT_DEFAULT_S;
    if (*ret_waits && prefer_wait(http_request_header(request, "Prefer"), WAIT_MAX_S, &wait_s))
        question->wait_s = wait_s;
    question->view.wait_us = (int64_t)wait_s * MICROSECONDS_PER_SECOND;
    return true;
}

void cart_resource_get(const struct query_routes *routes, struct http_request *request)
{
    struct cart_question *question = malloc(sizeof(*question));
    if (question == NULL) {
        http_refuse(request, 500, "internal", "Internal error", "no memory");
        return;
    }
    *question =
        (struct cart_question){.view = {.answer = answer}, .http = request, .wait_s = NOT_ASKED};
    bool waits;
    if (!read_question(request, question, &waits)) {
        free(question);
        return;
    }
    http_defer(request);
    if (waits)
        view_waiters_submit(routes->waiters, &question->view);
    else
        view_reader_submit(routes->reader, &question->view);
}
