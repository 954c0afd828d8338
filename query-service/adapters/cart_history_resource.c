#include "cart_history_resource.h"

#include "cart_changes.h"
#include "history_cursor.h"
#include "log.h"
#include "past_folds.h"
#include "problem.h"
#include "query_parameters.h"
#include "view_reader.h"
#include "view_refusal.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAGE_TEXT_MAX = HISTORY_BYTES_MAX + 4 * CART_VIEW_BODY_MAX, /* all lines of two carts change */
    HREF_MAX = 80,
};

/* A question in progress, and its answer so far. */
struct history_question {
    struct view_request view; /* first: the reader hands this back */
    struct view_reader *reader;
    struct past_folds *folds;
    struct http_request *http;
    int32_t after; /* the page begins after this version */
    int32_t limit;
    struct text text;
    struct json_out out;
    struct cart_view before; /* one event behind `now` while that event is being written */
    struct past_fold now;
    bool has_next;
    enum status fold_status;
};

static void history_question_free(struct history_question *question)
{
    cart_view_done(&question->before);
    past_fold_done(&question->now);
    text_done(&question->text);
    free(question);
}

/* --- one event ----------------------------------------------------------------------------- */

static void write_member(struct json_out *out, const char *name, const json_t *metadata,
                         struct str otherwise)
{
    const json_t *value = json_object_get(metadata, name);
    struct str text = {json_string_value(value), json_string_length(value)};
    json_out_key(out, name);
    json_out_string(out, json_is_string(value) ? text : otherwise);
}

/* Events read from the topic lack their actor: no header carries it. */
static struct str usual_actor(struct str type)
{
    bool has_expired = str_equal_literal(type, event_type_name(EVENT_CART_EXPIRED));
    return has_expired ? STR_LITERAL(EXPIRY_ACTOR) : STR_NONE;
}

static void write_cause(struct json_out *out, const struct recorded_event *event)
{
    struct str json = event->metadata;
    json_t *metadata = str_is_none(json) ? NULL : json_loadb(json.bytes, json.length, 0, NULL);
    write_member(out, "correlationId", metadata, STR_NONE);
    write_member(out, "causationId", metadata, STR_NONE);
    write_member(out, "actor", metadata, usual_actor(event->type));
    json_decref(metadata);
}

static void write_href(struct json_out *out, const struct recorded_event *event)
{
    char cart_id[UUID_TEXT_LENGTH + 1];
    char href[HREF_MAX];
    uuid_format(&event->cart_id, cart_id);
    snprintf(href, sizeof(href), "/v1/carts/%s?version=%" PRId32, cart_id, event->version);
    json_out_key(out, "href");
    json_out_string(out, str_from(href));
}

static void write_event(struct history_question *question, const struct recorded_event *event)
{
    struct json_out *out = &question->out;
    json_out_object(out);
    json_out_key(out, "version");
    json_out_int(out, event->version);
    json_out_key(out, "eventId");
    json_out_uuid(out, &event->event_id);
    json_out_key(out, "type");
    json_out_string(out, event->type);
    json_out_key(out, "occurredAt");
    json_out_time(out, event->occurred_at_us);
    write_cause(out, event);
    json_out_key(out, "changes");
    cart_changes_write(&question->before, &question->now.view, out);
    write_href(out, event);
    json_out_end_object(out);
}

static enum status take_event(struct history_question *question, const struct recorded_event *event,
                              struct error *error)
{
    AUTO(event_data_done) struct event_data data = {0};
    enum status status =
        event_data_read(event->type, event->schema_version, event->data, &data, error);
    if (status == STATUS_OK)
        status = cart_view_apply(&question->now.view, &data, event, error);
    if (status != STATUS_OK)
        return status;
    question->now.event_id = event->event_id;
    if (event->version > question->after)
        write_event(question, event);
    return cart_view_apply(&question->before, &data, event, error);
}

static bool fold_event(void *context, const struct recorded_event *event)
{
    struct history_question *question = context;
    struct error error = {0};
    if (question->now.is_from_memory)
        return past_fold_confirm(&question->now, event);
    bool is_full = question->text.length >= HISTORY_BYTES_MAX;
    if (is_full || (int64_t)event->version > (int64_t)question->after + question->limit) {
        question->has_next = true;
        return false;
    }
    question->fold_status = take_event(question, event, &error);
    if (question->fold_status != STATUS_OK)
        log_error("view-store", "an event in a cart's past cannot be applied",
                  LOG_STR("reason", error.message), LOG_INT("version", event->version));
    return question->fold_status == STATUS_OK;
}

/* --- the page ------------------------------------------------------------------------------ */

static void answer_page(struct history_question *question)
{
    struct json_out *out = &question->out;
    json_out_end_array(out);
    json_out_key(out, "next");
    if (question->has_next) {
        char cursor[HISTORY_CURSOR_LENGTH + 1];
        history_cursor_format(&question->now.view.cart_id, question->now.view.version, cursor);
        past_folds_keep(question->folds, &question->now);
        json_out_string(out, str_from(cursor));
    } else {
        json_out_null(out);
    }
    json_out_end_object(out);
    http_respond_text(question->http, 200, "application/json", &question->text);
}

/* The page continues from a kept fold of the cart, if there is one; the first page never does. */
static void ask_for_events(struct history_question *question)
{
    AUTO(text_done) struct text copy = TEXT_INIT(CART_VIEW_BODY_MAX);
    struct error error = {0};
    struct view_events *events = &question->view.events;
    cart_view_done(&question->before);
    past_fold_done(&question->now);
    events->after =
        past_fold_begin(question->folds, &events->cart_id, question->after, &question->now);
    if (events->after > 0) {
        cart_view_render(&question->now.view, &copy);
        question->fold_status = text_ok(&copy)
                                    ? cart_view_read(text_str(&copy), &question->before, &error)
                                    : STATUS_NO_MEMORY;
    }
    view_reader_submit(question->reader, &question->view);
}

/* A client that asks again continues from there. */
static void refuse(const struct history_question *question, enum view_outcome outcome)
{
    if (question->fold_status == STATUS_OK)
        past_folds_keep(question->folds, &question->now);
    view_refuse(question->http, outcome);
}

static void answer(struct view_request *request, enum view_outcome outcome, int32_t version,
                   struct str body, bool more)
{
    struct history_question *question = (struct history_question *)request;
    (void)version;
    (void)body;
    (void)more;
    if (outcome == VIEW_FOUND && question->now.is_from_memory) {
        past_folds_drop(question->folds, &request->events.cart_id);
        ask_for_events(question);
        return;
    }
    if (outcome == VIEW_FOUND && question->fold_status != STATUS_OK)
        outcome = VIEW_FAILED;
    if (question->fold_status == STATUS_NO_MEMORY)
        http_refuse_no_memory(question->http);
    else if (outcome == VIEW_FOUND)
        answer_page(question);
    else
        refuse(question, outcome);
    history_question_free(question);
}

/* False: the request has been refused. */
static bool read_question(struct http_request *request, struct history_question *question)
{
    struct view_events *events = &question->view.events;
    struct str limit;
    struct str cursor;
    const struct query_parameter known[] = {{"limit", &limit}, {"cursor", &cursor}};
    if (!uuid_parse(http_request_segment(request, 2), &events->cart_id)) {
        http_refuse(request, &PROBLEM_MALFORMED_REQUEST, "the cart's id must be a UUID");
        return false;
    }
    if (!query_parameters_read(request, known, ARRAY_SIZE(known)) ||
        !query_parameter_limit(request, limit, HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX,
                               &question->limit))
        return false;
    if (!str_is_none(cursor) && !history_cursor_parse(cursor, &events->cart_id, &question->after)) {
        query_parameter_refuse(request, "cursor",
                               "the `next` of a page of the same cart's history");
        return false;
    }
    /* One more than the page holds, to know whether there is a next page. */
    int64_t until = (int64_t)question->after + question->limit + 1;
    events->until = until < INT32_MAX ? (int32_t)until : INT32_MAX;
    events->metadata_after = question->after;
    return true;
}

void cart_history_resource_get(const struct query_routes *routes, struct http_request *request)
{
    struct history_question *question = malloc(sizeof(*question));
    if (question == NULL) {
        http_refuse_no_memory(request);
        return;
    }
    *question =
        (struct history_question){.view = {VIEW_EVENTS, .event = fold_event, .answer = answer},
                                  .reader = routes->reader,
                                  .folds = routes->folds,
                                  .http = request,
                                  .text = TEXT_INIT(PAGE_TEXT_MAX)};
    if (!read_question(request, question)) {
        history_question_free(question);
        return;
    }
    question->out = json_out_to(&question->text);
    json_out_object(&question->out);
    json_out_key(&question->out, "events");
    json_out_array(&question->out);
    http_defer(request);
    ask_for_events(question);
}
