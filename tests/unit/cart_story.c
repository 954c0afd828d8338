#include "cart_story.h"

#include <stdio.h>
#include <stdlib.h>

struct cart_story story = {.limits = {.lines_max = 500, .quantity_max = 999}, .now_us = 1000000};

/* Events */

struct money euro(int64_t amount)
{
    return (struct money){amount, "EUR"};
}

struct cart_line line_named(const char *sku, const char *name, int32_t quantity, int64_t amount)
{
    return (struct cart_line){.sku = str_from(sku),
                              .name = str_from(name),
                              .quantity = quantity,
                              .unit_price = euro(amount)};
}

struct cart_line line(const char *sku, int32_t quantity, int64_t amount)
{
    return line_named(sku, "a name", quantity, amount);
}

struct cart_line line_in(const char *currency, const char *sku)
{
    struct cart_line foreign = line(sku, 1, 100);
    memcpy(foreign.unit_price.currency, currency, CURRENCY_LENGTH + 1);
    return foreign;
}

struct event_data created(const char *currency, const char *customer_id)
{
    struct event_data event = {.type = EVENT_CART_CREATED};
    memcpy(event.cart_created.currency, currency, CURRENCY_LENGTH + 1);
    event.cart_created.customer_id = str_from(customer_id);
    return event;
}

struct event_data added_line(struct cart_line added, int32_t line_quantity)
{
    return (struct event_data){.type = EVENT_ITEM_ADDED, .item_added = {added, line_quantity}};
}

struct event_data added(const char *sku, int32_t quantity, int64_t amount, int32_t line_quantity)
{
    return added_line(line(sku, quantity, amount), line_quantity);
}

struct event_data quantity_changed(const char *sku, int32_t quantity, int32_t previous)
{
    return (struct event_data){.type = EVENT_ITEM_QUANTITY_CHANGED,
                               .item_quantity_changed = {str_from(sku), quantity, previous}};
}

struct event_data removed(const char *sku, int32_t quantity, int32_t line_quantity)
{
    return (struct event_data){.type = EVENT_ITEM_REMOVED,
                               .item_removed = {str_from(sku), quantity, line_quantity}};
}

struct event_data cleared(int32_t line_count)
{
    return (struct event_data){.type = EVENT_CART_CLEARED, .cart_cleared = {line_count}};
}

struct event_data customer_assigned(const char *customer_id, const char *previous)
{
    return (struct event_data){.type = EVENT_CUSTOMER_ASSIGNED,
                               .customer_assigned = {str_from(customer_id), str_from(previous)}};
}

struct event_data percent_coupon(const char *code, int32_t percent)
{
    return (struct event_data){
        .type = EVENT_COUPON_APPLIED,
        .coupon_applied = {{.code = str_from(code), .percent_off = percent}}};
}

struct event_data amount_coupon(const char *code, struct money amount)
{
    return (struct event_data){.type = EVENT_COUPON_APPLIED,
                               .coupon_applied = {{.code = str_from(code), .amount_off = amount}}};
}

struct event_data coupon_removed(const char *code)
{
    return (struct event_data){.type = EVENT_COUPON_REMOVED, .coupon_removed = {str_from(code)}};
}

struct event_data cancelled(void)
{
    return (struct event_data){.type = EVENT_CART_CANCELLED};
}

struct event_data checked_out(const struct cart_line *lines, size_t count)
{
    return (struct event_data){
        .type = EVENT_CART_CHECKED_OUT,
        .cart_checked_out = {.items = lines, .item_count = count, .currency = "EUR"}};
}

/* Commands */

struct cart_command create(const char *currency, const char *customer_id)
{
    struct cart_command command = {.type = CART_CREATE};
    memcpy(command.create.currency, currency, CURRENCY_LENGTH + 1);
    command.create.customer_id = str_from(customer_id);
    return command;
}

struct cart_command add_lines(const struct cart_line *lines, size_t count)
{
    return (struct cart_command){.type = CART_ADD_ITEMS, .add_items = {lines, count}};
}

struct cart_command set_quantity(const char *sku, int32_t quantity)
{
    return (struct cart_command){.type = CART_SET_QUANTITY,
                                 .set_quantity = {str_from(sku), quantity}};
}

struct cart_command remove_item(const char *sku, int32_t quantity)
{
    return (struct cart_command){.type = CART_REMOVE_ITEM,
                                 .remove_item = {str_from(sku), quantity}};
}

struct cart_command clear(void)
{
    return (struct cart_command){.type = CART_CLEAR};
}

struct cart_command assign_customer(const char *customer_id)
{
    return (struct cart_command){.type = CART_ASSIGN_CUSTOMER,
                                 .assign_customer = {str_from(customer_id)}};
}

struct cart_command apply_percent(const char *code, int32_t percent)
{
    return (struct cart_command){
        .type = CART_APPLY_COUPON,
        .apply_coupon = {{.code = str_from(code), .percent_off = percent}}};
}

struct cart_command apply_amount(const char *code, struct money amount)
{
    return (struct cart_command){.type = CART_APPLY_COUPON,
                                 .apply_coupon = {{.code = str_from(code), .amount_off = amount}}};
}

struct cart_command remove_coupon(const char *code)
{
    return (struct cart_command){.type = CART_REMOVE_COUPON, .remove_coupon = {str_from(code)}};
}

struct cart_command merge(enum cart_merge_strategy strategy)
{
    return (struct cart_command){.type = CART_MERGE,
                                 .merge = {STORY_TARGET_ID, STORY_SOURCE_ID, strategy}};
}

struct cart_command merge_with_itself(void)
{
    return (struct cart_command){.type = CART_MERGE,
                                 .merge = {STORY_TARGET_ID, STORY_TARGET_ID, CART_MERGE_SUM}};
}

struct cart_command check_out(const char *order_id)
{
    return (struct cart_command){.type = CART_CHECK_OUT, .check_out = {str_from(order_id)}};
}

struct cart_command cancel(void)
{
    return (struct cart_command){.type = CART_CANCEL};
}

void cart_describe(const struct cart *cart, struct text *text)
{
    struct json_out out = json_out_to(text);

    text_format(text, "%s version %d in %s for ", cart_status_name(cart->status),
                (int)cart->version, cart->currency);
    json_out_string(&out, str_from(cart->customer_id));
    text_format(text, " at %lld:", (long long)cart->last_changed_at_us);
    for (size_t i = 0; i < cart->line_count; i++) {
        text_append_terminated(text, "\n    ");
        out.needs_comma = false;
        cart_line_write(&cart->lines[i], false, &out);
    }
    for (size_t i = 0; i < cart->coupon_count; i++) {
        text_append_terminated(text, "\n    ");
        out.needs_comma = false;
        cart_coupon_write(&cart->coupons[i], &out);
    }
    cr_assert(text_ok(text));
}

size_t cart_bytes_held(const struct cart *cart)
{
    enum { OVERHEAD = 16 };
    size_t bytes = 0;

    if (cart->customer_id != NULL)
        bytes += strlen(cart->customer_id) + 1 + OVERHEAD;
    if (cart->line_capacity > 0)
        bytes += cart->line_capacity * sizeof(*cart->lines) + OVERHEAD;
    for (size_t i = 0; i < cart->line_count; i++)
        bytes += cart->lines[i].sku.length + cart->lines[i].name.length + OVERHEAD;
    if (cart->coupon_count > 0)
        bytes += cart->coupon_count * sizeof(*cart->coupons) + OVERHEAD;
    for (size_t i = 0; i < cart->coupon_count; i++)
        bytes += cart->coupons[i].code.length + OVERHEAD;
    return bytes;
}

void assert_same_text(const struct text *actual, const struct text *expected, const char *what)
{
    cr_assert(str_equal(text_str(actual), text_str(expected)),
              "%s:\n" STR_FORMAT "\ninstead of:\n" STR_FORMAT, what, STR_ARGS(text_str(actual)),
              STR_ARGS(text_str(expected)));
}

/* The story itself */

void story_end(void)
{
    cart_done(&story.cart);
    cart_done(&story.source);
}

enum status story_evolve(const struct event_data *event, struct error *error)
{
    story.now_us++;
    return cart_evolve(&story.cart, event, story.now_us, error);
}

void story_given(const struct event_data *events, size_t count)
{
    struct error error = {0};
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(story_evolve(&events[i], &error), STATUS_OK, "%s", error.message);
}

void story_given_source(const struct event_data *events, size_t count)
{
    struct error error = {0};
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(cart_evolve(&story.source, &events[i], ++story.now_us, &error), STATUS_OK,
                     "%s", error.message);
}

void story_happen(void)
{
    for (size_t i = 0; i < story.decision.event_count; i++) {
        const struct event_data *event = &story.decision.events[i];
        if (event->type == EVENT_CART_MERGED_AWAY)
            story_given_source(event, 1);
        else
            story_given(event, 1);
    }
}

void when(struct cart_command command)
{
    AUTO(text_done)
    struct text before = TEXT_INIT(STORY_TEXT_MAX);
    AUTO(text_done)
    struct text after = TEXT_INIT(STORY_TEXT_MAX);

    cart_describe(&story.cart, &before);
    cart_describe(&story.source, &before);
    memset(&story.decision, 0x5a, sizeof(story.decision));
    if (command.type == CART_MERGE)
        story.refusal =
            cart_decide_merge(&story.cart, &story.source, &command, &story.limits, &story.decision);
    else
        story.refusal = cart_decide(&story.cart, &command, &story.limits, &story.decision);
    cart_describe(&story.cart, &after);
    cart_describe(&story.source, &after);
    assert_same_text(&after, &before, "deciding changed the cart");
}

void then_refused(enum cart_refusal expected)
{
    static struct cart_decision untouched;

    cr_assert_eq(story.refusal, expected, "refusal %d instead of %d", (int)story.refusal,
                 (int)expected);
    memset(&untouched, 0x5a, sizeof(untouched));
    cr_assert_arr_eq(&story.decision, &untouched, sizeof(untouched), "a refusal wrote a decision");
}

static void describe_events(const struct event_data *events, size_t count, struct text *text)
{
    for (size_t i = 0; i < count; i++) {
        text_format(text, "    %s ", event_type_name(events[i].type));
        event_data_write(&events[i], text);
        text_append_char(text, '\n');
    }
    cr_assert(text_ok(text));
}

void story_then_events(const struct event_data *events, size_t count)
{
    AUTO(text_done)
    struct text actual = TEXT_INIT(STORY_TEXT_MAX);
    AUTO(text_done)
    struct text expected = TEXT_INIT(STORY_TEXT_MAX);
    int32_t version = story.cart.version;

    cr_assert_eq(story.refusal, CART_ACCEPTED, "refused: %d", (int)story.refusal);
    describe_events(story.decision.events, story.decision.event_count, &actual);
    describe_events(events, count, &expected);
    assert_same_text(&actual, &expected, "the events were");
    story_happen();
    cr_assert_eq(story.cart.version, version + (int32_t)count);
    cr_assert_eq(story.cart.bytes, cart_bytes_held(&story.cart));
}

void then_event_json(enum event_type type, const char *json)
{
    AUTO(text_done)
    struct text actual = TEXT_INIT(STORY_TEXT_MAX);

    cr_assert_eq(story.refusal, CART_ACCEPTED, "refused: %d", (int)story.refusal);
    cr_assert_eq(story.decision.event_count, 1);
    cr_assert_eq(story.decision.events[0].type, type);
    event_data_write(&story.decision.events[0], &actual);
    cr_assert(text_ok(&actual));
    cr_assert(str_equal_literal(text_str(&actual), json), STR_FORMAT "\ninstead of:\n%s",
              STR_ARGS(text_str(&actual)), json);
    story_given(story.decision.events, 1);
}

void then_merged(const char *json)
{
    AUTO(text_done)
    struct text actual = TEXT_INIT(STORY_TEXT_MAX);
    int32_t version = story.cart.version;
    int32_t source_version = story.source.version;

    cr_assert_eq(story.refusal, CART_ACCEPTED, "refused: %d", (int)story.refusal);
    cr_assert_eq(story.decision.event_count, 2);
    cr_assert_eq(story.decision.events[0].type, EVENT_CART_MERGED);
    cr_assert_eq(story.decision.events[1].type, EVENT_CART_MERGED_AWAY);
    cr_assert(
        uuid_equal(&story.decision.events[1].cart_merged_away.target_cart_id, &STORY_TARGET_ID));
    event_data_write(&story.decision.events[0], &actual);
    cr_assert(text_ok(&actual));
    cr_assert(str_equal_literal(text_str(&actual), json), STR_FORMAT "\ninstead of:\n%s",
              STR_ARGS(text_str(&actual)), json);
    story_happen();
    cr_assert_eq(story.cart.version, version + 1);
    cr_assert_eq(story.cart.status, CART_OPEN);
    cr_assert_eq(story.cart.bytes, cart_bytes_held(&story.cart));
    cr_assert_eq(story.source.version, source_version + 1);
    cr_assert_eq(story.source.status, CART_MERGED);
}

void then_coupons(const char *expected)
{
    AUTO(text_done)
    struct text actual = TEXT_INIT(STORY_TEXT_MAX);

    for (size_t i = 0; i < story.cart.coupon_count; i++) {
        const struct cart_coupon *coupon = &story.cart.coupons[i];
        text_format(&actual, "%s" STR_FORMAT, i == 0 ? "" : ", ", STR_ARGS(coupon->code));
        if (coupon->percent_off != 0)
            text_format(&actual, " %d%%", (int)coupon->percent_off);
        else
            text_format(&actual, " %lld", (long long)coupon->amount_off.amount_minor);
    }
    cr_assert(text_ok(&actual));
    cr_assert(str_equal_literal(text_str(&actual), expected),
              "coupons " STR_FORMAT " instead of %s", STR_ARGS(text_str(&actual)), expected);
}

void then_lines(const char *expected)
{
    AUTO(text_done)
    struct text actual = TEXT_INIT(STORY_TEXT_MAX);

    for (size_t i = 0; i < story.cart.line_count; i++)
        text_format(&actual, "%s" STR_FORMAT " %d", i == 0 ? "" : ", ",
                    STR_ARGS(story.cart.lines[i].sku), (int)story.cart.lines[i].quantity);
    cr_assert(text_ok(&actual));
    cr_assert(str_equal_literal(text_str(&actual), expected), "lines " STR_FORMAT " instead of %s",
              STR_ARGS(text_str(&actual)), expected);
}
