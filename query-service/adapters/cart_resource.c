#include "cart_resource.h"

#include "cart_view.h"
#include "clock.h"
#include "hot_views.h"
#include "if_none_match.h"
#include "log.h"
#include "number.h"
#include "past_folds.h"
#include "prefer.h"
#include "problem.h"
#include "query_parameters.h"
#include "view_reader.h"
#include "view_refusal.h"
#include "view_waiters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ETAG_MAX = 16, PREFERENCE_MAX = 16, NOT_ASKED = -1, NEWEST = 0 };

/* A question in progress, and what answering it needs. */
struct cart_question {
    struct view_request view; /* first: the readers hand this back */
    struct view_reader *reader;
    struct http_request *http;
    struct if_none_match condition;
    int wait_s;      /* as the client preferred, or NOT_ASKED */
    int32_t version; /* the requested version, or NEWEST */
    struct hot_views *hot;
    struct hot_ticket ticket;
    struct past_folds *folds;
    struct past_fold past; /* of the events that have been read */
    enum status fold_status;
};

static void cart_question_free(struct cart_question *question)
{
    past_fold_done(&question->past);
    free(question);
}

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

static bool fold_event(void *context, const struct recorded_event *event)
{
    struct cart_question *question = context;
    struct error error = {0};
    if (question->past.is_from_memory)
        return past_fold_confirm(&question->past, event);
    question->fold_status = cart_view_apply_event(&question->past.view, event, &error);
    question->past.event_id = event->event_id;
    if (question->fold_status != STATUS_OK)
        log_error("view-store", "an event in a cart's past cannot be applied",
                  LOG_STR("reason", error.message), LOG_INT("version", event->version));
    return question->fold_status == STATUS_OK;
}

static const struct problem_type NO_SUCH_VERSION = {404, "no-such-version", "No such version"};

static void refuse_version(const struct cart_question *question)
{
    http_refuse(question->http, &NO_SUCH_VERSION, "the cart %s",
                question->version > NEWEST ? "has not had this version"
                                           : "did not exist at this time");
}

static void answer_past(const struct cart_question *question)
{
    if (question->fold_status == STATUS_NO_MEMORY) {
        http_refuse_no_memory(question->http);
        return;
    }
    if (question->fold_status != STATUS_OK) {
        view_refuse(question->http, VIEW_FAILED);
        return;
    }
    if (question->past.view.version != question->version) { /* the views are being made again */
        refuse_version(question);
        return;
    }
    AUTO(text_done) struct text body = TEXT_INIT(CART_VIEW_BODY_MAX);
    past_folds_keep(question->folds, &question->past);
    cart_view_render(&question->past.view, &body);
    if (text_ok(&body))
        answer_found(question, question->version, text_str(&body));
    else
        http_refuse_no_memory(question->http);
}

/* Asks again; the question belongs to the readers once more. */
static void ask_for_version(struct cart_question *question, int32_t version)
{
    question->version = version;
    question->view.question = VIEW_CART;
    view_reader_submit(question->reader, &question->view);
}

static void ask_for_past(struct cart_question *question)
{
    const struct uuid *cart_id = &question->view.lookup.cart_id;
    past_fold_done(&question->past);
    int32_t after = past_fold_begin(question->folds, cart_id, question->version, &question->past);
    question->view.question = VIEW_EVENTS;
    question->view.events = (struct view_events){.cart_id = *cart_id,
                                                 .after = after,
                                                 .until = question->version,
                                                 .metadata_after = question->version};
    view_reader_submit(question->reader, &question->view);
}

static void answer(struct view_request *request, enum view_outcome outcome, int32_t version,
                   struct str body, bool more)
{
    struct cart_question *question = (struct cart_question *)request;
    (void)more;
    if (outcome != VIEW_FOUND) {
        /* A client that asks again continues from there */
        past_folds_keep(question->folds, &question->past);
        view_refuse(question->http, outcome);
    } else if (request->question == VIEW_EVENTS && question->past.is_from_memory) {
        past_folds_drop(question->folds, &request->lookup.cart_id);
        ask_for_past(question);
        return;
    } else if (request->question == VIEW_EVENTS) {
        answer_past(question);
    } else if (request->question == VIEW_VERSION_AT && version > 0) {
        ask_for_version(question, version);
        return;
    } else if (request->question == VIEW_VERSION_AT || version < question->version) {
        refuse_version(question);
    } else if (question->version == NEWEST) {
        hot_views_put(question->hot, &request->lookup.cart_id, &question->ticket, version, body);
        answer_found(question, version, body);
    } else if (version == question->version) {
        answer_found(question, version, body);
    } else {
        ask_for_past(question);
        return;
    }
    cart_question_free(question);
}

/* False: the request has been refused. */
static bool read_past(struct http_request *request, struct cart_question *question,
                      struct str version, struct str at)
{
    int64_t number;
    if (!str_is_none(version)) {
        if (!number_parse(version, 1, INT32_MAX, &number)) {
            query_parameter_refuse(request, "version", "a number from 1 to 2147483647");
            return false;
        }
        question->version = (int32_t)number;
    }
    if (str_is_none(at))
        return true;
    if (!http_time_parse(at, &question->view.time_us)) {
        query_parameter_refuse(request, "at", "an RFC 3339 time");
        return false;
    }
    question->view.question = VIEW_VERSION_AT;
    return true;
}

/* False: the request has been refused. */
static bool read_question(struct http_request *request, struct cart_question *question,
                          bool *ret_waits)
{
    struct str least_version;
    struct str past_version;
    struct str at;
    const struct query_parameter known[] = {
        {"minVersion", &least_version}, {"version", &past_version}, {"at", &at}};
    if (!uuid_parse(http_request_segment(request, 2), &question->view.lookup.cart_id)) {
        http_refuse(request, &PROBLEM_MALFORMED_REQUEST, "the cart's id must be a UUID");
        return false;
    }
    if (!query_parameters_read(request, known, ARRAY_SIZE(known)))
        return false;
    if (!str_is_none(least_version) + !str_is_none(past_version) + !str_is_none(at) > 1) {
        http_refuse(request, &PROBLEM_MALFORMED_REQUEST,
                    "minVersion, version and at exclude each other");
        return false;
    }
    if (!read_past(request, question, past_version, at))
        return false;
    int64_t version = 1;
    *ret_waits = !str_is_none(least_version);
    if (*ret_waits && !number_parse(least_version, 1, INT32_MAX, &version)) {
        query_parameter_refuse(request, "minVersion", "a version: a number from 1 to 2147483647");
        return false;
    }
    question->view.lookup.least_version = (int32_t)version;
    if (!if_none_match_parse(http_request_header(request, "If-None-Match"), &question->condition)) {
        http_refuse(request, &PROBLEM_INVALID_HEADER, "If-None-Match must be * or entity tags");
        return false;
    }
    int wait_s = WAIT_DEFAULT_S;
    if (*ret_waits && prefer_wait(http_request_header(request, "Prefer"), WAIT_MAX_S, &wait_s))
        question->wait_s = wait_s;
    question->view.wait_us = (int64_t)wait_s * MICROSECONDS_PER_SECOND;
    return true;
}

/* False: the cart has to be read. */
static bool answer_hot(struct cart_question *question)
{
    if (question->version != NEWEST || question->view.question != VIEW_CART)
        return false;
    const struct view_lookup *lookup = &question->view.lookup;
    const struct hot_view *view =
        hot_views_find(question->hot, &lookup->cart_id, lookup->least_version, &question->ticket);
    if (view == NULL)
        return false;
    answer_found(question, view->version, view->body);
    hot_view_done(view);
    return true;
}

void cart_resource_get(const struct query_routes *routes, struct http_request *request)
{
    struct cart_question *question = malloc(sizeof(*question));
    if (question == NULL) {
        http_refuse_no_memory(request);
        return;
    }
    *question = (struct cart_question){.view = {VIEW_CART, .event = fold_event, .answer = answer},
                                       .reader = routes->reader,
                                       .hot = routes->hot,
                                       .folds = routes->folds,
                                       .http = request,
                                       .wait_s = NOT_ASKED};
    bool waits;
    if (!read_question(request, question, &waits) || answer_hot(question)) {
        cart_question_free(question);
        return;
    }
    http_defer(request);
    if (waits)
        view_waiters_submit(routes->waiters, &question->view);
    else
        view_reader_submit(routes->reader, &question->view);
}
