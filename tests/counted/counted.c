/*
 * counted.c - what the services compute for a command and for a view, without any I/O, so that its
 * instructions can be counted (test_counted.py).
 *
 *     counted SUBJECT
 *
 * A subject does its work ROUNDS times, each time on the same made-up story: a cart that gets 20
 * lines, has some changed and removed, gets coupons and is checked out. Only work within
 * counted_rounds() counts. The round before it has warmed up the memory allocator and the
 * libraries.
 */
#include "cart.h"
#include "cart_command_json.h"
#include "cart_view.h"
#include "event_store_postgres.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 100, LINES = 20, STEPS_MAX = 64, EVENTS_MAX = 128, TEXT_MAX = 1 << 20 };

#define TIME_US (INT64_C(1780000000) * 1000000)

struct step {
    struct cart_command_source source;
    char body_text[1024];
    char key_text[16];
    struct cart_command_body body;
    struct cart before; /* what the command meets */
};

static struct story {
    struct step steps[STEPS_MAX];
    size_t step_count;
    struct event_data events[EVENTS_MAX];
    struct recorded_event recorded[EVENTS_MAX];
    struct new_event appended[EVENTS_MAX];
    struct text data[EVENTS_MAX];
    size_t event_count;
    struct cart_view open; /* just before the checkout, and after it */
    struct cart_view closed;
    struct text rendered;
} story;

static const struct uuid CART_ID = {{0x01, 0x9a, 0xc5, 0xa5, 0x3c, 0x3a, 0x7d, 0x3b, 0x80, 1}};
static struct cart_decision decision;
static struct cart_limits limits;
static struct text text;
static struct event_store_postgres *store;

/* ---- the story ---- */

static struct step *add_step(enum cart_command_type type, int key)
{
    assert(story.step_count < STEPS_MAX);
    struct step *step = &story.steps[story.step_count++];
    step->source.type = type;
    if (key > 0) {
        snprintf(step->key_text, sizeof(step->key_text), "sku-%d", key);
        step->source.key = str_from(step->key_text);
    }
    return step;
}

static void ask(enum cart_command_type type, int key, const char *body)
{
    struct step *step = add_step(type, key);
    snprintf(step->body_text, sizeof(step->body_text), "%s", body);
    step->source.body = type == CART_REMOVE_ITEM ? STR_NONE : str_from(step->body_text);
}

static void ask_to_add(int number)
{
    struct step *step = add_step(CART_ADD_ITEMS, 0);
    snprintf(step->body_text, sizeof(step->body_text),
             "{\"sku\":\"sku-%d\",\"name\":\"Article \\\"%d\\\", größer\",\"quantity\":1,"
             "\"unitPrice\":{\"amountMinor\":%d,\"currency\":\"EUR\"}}",
             number, number, 100 + number * 37);
    step->source.body = str_from(step->body_text);
}

static void ask_for_all(void)
{
    ask(CART_CREATE, 0, "{\"currency\":\"EUR\",\"customerId\":\"customer-4711\"}");
    for (int number = 1; number <= LINES; number++)
        ask_to_add(number);
    for (int number = 1; number <= LINES; number += 3)
        ask_to_add(number);
    for (int number = 2; number <= LINES; number += 4)
        ask(CART_SET_QUANTITY, number, "{\"quantity\":7}");
    ask(CART_REMOVE_ITEM, 5, "");
    ask(CART_REMOVE_ITEM, 15, "");
    ask(CART_ADD_ITEMS, 0,
        "{\"items\":[{\"sku\":\"tea\",\"name\":\"Tea\",\"quantity\":2,\"unitPrice\":"
        "{\"amountMinor\":499,\"currency\":\"EUR\"}},{\"sku\":\"cup\",\"name\":\"Cup\","
        "\"quantity\":4,\"unitPrice\":{\"amountMinor\":899,\"currency\":\"EUR\"}},"
        "{\"sku\":\"pot\",\"name\":\"Pot\",\"quantity\":1,\"unitPrice\":{\"amountMinor\":2499,"
        "\"currency\":\"EUR\"}}]}");
    ask(CART_APPLY_COUPON, 0, "{\"code\":\"WELCOME10\",\"percentOff\":10}");
    ask(CART_APPLY_COUPON, 0,
        "{\"code\":\"MINUS5\",\"amountOff\":{\"amountMinor\":500,\"currency\":\"EUR\"}}");
    ask(CART_CHECK_OUT, 0, "{\"orderId\":\"order-2026-11-0815\"}");
}

/* ---- what a round does ---- */

static void read_command(struct step *step)
{
    static struct body_problems problems;
    bool is_well_formed = cart_command_read(&step->source, &limits, &step->body, &problems);
    assert(is_well_formed);
    step->body.command.time_us = TIME_US;
}

static void decide(const struct step *step)
{
    enum cart_refusal refusal = cart_decide(&step->before, &step->body.command, &limits, &decision);
    assert(refusal == CART_ACCEPTED && decision.event_count > 0);
}

static void evolve(struct cart *cart, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        struct error error;
        enum status status = cart_evolve(cart, &story.events[i], TIME_US, &error);
        assert(status == STATUS_OK);
    }
}

static void read_event(size_t at, struct event_data *ret_event)
{
    const struct recorded_event *recorded = &story.recorded[at];
    struct error error;
    enum status status = event_data_read(recorded->type, recorded->schema_version, recorded->data,
                                         ret_event, &error);
    assert(status == STATUS_OK);
}

static void apply(struct cart_view *view, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        struct error error;
        enum status status = cart_view_apply(view, &story.events[i], &story.recorded[i], &error);
        assert(status == STATUS_OK);
    }
}

static void decide_round(void)
{
    for (size_t i = 0; i < story.step_count; i++)
        decide(&story.steps[i]);
}

static void evolve_round(void)
{
    struct cart cart = {.status = CART_ABSENT};
    evolve(&cart, 0, story.event_count);
    cart_done(&cart);
}

static void command_json_in_round(void)
{
    for (size_t i = 0; i < story.step_count; i++) {
        cart_command_body_done(&story.steps[i].body);
        read_command(&story.steps[i]);
    }
}

static void event_json_out_round(void)
{
    for (size_t i = 0; i < story.event_count; i++) {
        text_clear(&text);
        event_data_write(&story.events[i], &text);
    }
    assert(text_ok(&text));
}

static void event_json_in_round(void)
{
    for (size_t i = 0; i < story.event_count; i++) {
        AUTO(event_data_done) struct event_data event = {.source = NULL};
        read_event(i, &event);
    }
}

/* Without a connection an append gets as far as its parameters. */
static void batch_encoding_round(void)
{
    struct error error;
    struct event_store port = event_store_postgres_port(store);
    enum status status = port.append(port.context, story.appended, story.event_count, 0, &error);
    assert(status == STATUS_UNAVAILABLE);
}

static void view_apply_round(void)
{
    struct cart_view view = {.status = CART_VIEW_ABSENT};
    apply(&view, 0, story.event_count);
    cart_view_done(&view);
}

static void view_render_round(void)
{
    text_clear(&text);
    cart_view_render(&story.open, &text);
    cart_view_render(&story.closed, &text);
    assert(text_ok(&text));
}

static void view_json_in_round(void)
{
    struct cart_view view;
    struct error error;
    enum status status = cart_view_read(text_str(&story.rendered), &view, &error);
    assert(status == STATUS_OK);
    cart_view_done(&view);
}

/* ---- before the first round ---- */

static void record_decision(void)
{
    for (size_t i = 0; i < decision.event_count; i++) {
        assert(story.event_count < EVENTS_MAX);
        size_t at = story.event_count++;
        const struct event_data *event = &decision.events[i];
        story.data[at] = TEXT_INIT(TEXT_MAX);
        event_data_write(event, &story.data[at]);
        int16_t schema_version = (int16_t)event_type_schema_version(event->type);
        story.recorded[at] = (struct recorded_event){
            .position = (int64_t)at + 1,
            .cart_id = CART_ID,
            .version = (int32_t)at + 1,
            .type = str_from(event_type_name(event->type)),
            .schema_version = schema_version,
            .occurred_at_us = TIME_US,
            .data = text_str(&story.data[at]),
            .metadata = STR_LITERAL("{\"correlationId\":\"0198c5a5-3c3a-7d3b-8000-00000000000f\"}"),
        };
        story.appended[at] = (struct new_event){
            .cart = {.partition = (int16_t)(at % 6), .cart_id = CART_ID},
            .version = (int32_t)at + 1,
            .type = event->type,
            .occurred_at_us = TIME_US,
            .data = story.recorded[at].data,
            .metadata = story.recorded[at].metadata,
        };
        read_event(at, &story.events[at]);
    }
}

static void tell_story(void)
{
    json_object_seed(1); /* otherwise jansson's hash tables are filled differently each time */
    limits = CART_LIMITS_DEFAULT;
    text = TEXT_INIT(TEXT_MAX);
    ask_for_all();
    for (size_t i = 0; i < story.step_count; i++) {
        struct step *step = &story.steps[i];
        read_command(step);
        evolve(&step->before, 0, story.event_count);
        if (i + 1 == story.step_count)
            apply(&story.open, 0, story.event_count);
        decide(step);
        record_decision();
    }
    apply(&story.closed, 0, story.event_count);
    story.rendered = TEXT_INIT(TEXT_MAX);
    cart_view_render(&story.open, &story.rendered);
    store = event_store_postgres_new("postgresql://", 6);
    assert(store != NULL);
}

static void end_story(void)
{
    for (size_t i = 0; i < story.step_count; i++) {
        cart_command_body_done(&story.steps[i].body);
        cart_done(&story.steps[i].before);
    }
    for (size_t i = 0; i < story.event_count; i++) {
        event_data_done(&story.events[i]);
        text_done(&story.data[i]);
    }
    cart_view_done(&story.open);
    cart_view_done(&story.closed);
    text_done(&story.rendered);
    text_done(&text);
    event_store_postgres_free(store);
}

static const struct subject {
    const char *name;
    void (*round)(void);
} SUBJECTS[] = {
    {"decide", decide_round},
    {"evolve", evolve_round},
    {"command-json-in", command_json_in_round},
    {"event-json-out", event_json_out_round},
    {"event-json-in", event_json_in_round},
    {"batch-encoding", batch_encoding_round},
    {"view-apply", view_apply_round},
    {"view-render", view_render_round},
    {"view-json-in", view_json_in_round},
};

/* The counter finds it by its name, so it must be a function of its own. */
__attribute__((noinline)) void counted_rounds(void (*round)(void));
void counted_rounds(void (*round)(void))
{
    for (int i = 0; i < ROUNDS; i++)
        round();
}

int main(int argument_count, char **arguments)
{
    for (size_t i = 0; i < ARRAY_SIZE(SUBJECTS); i++) {
        if (argument_count != 2 || strcmp(arguments[1], SUBJECTS[i].name) != 0)
            continue;
        tell_story();
        SUBJECTS[i].round();
        counted_rounds(SUBJECTS[i].round);
        end_story();
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < ARRAY_SIZE(SUBJECTS); i++)
        fprintf(stderr, "counted %s\n", SUBJECTS[i].name);
    return 2;
}
