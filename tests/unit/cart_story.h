/*
 * cart_story.h - tests of the cart that read as *given events, when command, then events*.
 *
 *     given(created("EUR", NULL), added("tea", 2, 100, 2));
 *     when(set_quantity("tea", 5));
 *     then_events(quantity_changed("tea", 5, 2));
 *
 * A merge takes its lines from a second cart, the source, which given_source() makes.
 *
 * Each then_... also checks what holds for every command: deciding changes nothing, and what was
 * decided can happen. There is one story at a time, as in the process of one test.
 */
#pragma once

#include "cart.h"

#include <criterion/criterion.h>

enum { STORY_TEXT_MAX = 4 * 1024 * 1024 };

extern struct cart_story {
    struct cart cart;
    struct cart source; /* of a merge */
    struct cart_limits limits;
    int64_t now_us;
    enum cart_refusal refusal;
    struct cart_decision decision;
} story;

/* Events */

struct money euro(int64_t amount);
struct cart_line line_named(const char *sku, const char *name, int32_t quantity, int64_t amount);
struct cart_line line(const char *sku, int32_t quantity, int64_t amount);
struct cart_line line_in(const char *currency, const char *sku);
struct event_data created(const char *currency, const char *customer_id);
struct event_data added_line(struct cart_line added, int32_t line_quantity);
struct event_data added(const char *sku, int32_t quantity, int64_t amount, int32_t line_quantity);
struct event_data quantity_changed(const char *sku, int32_t quantity, int32_t previous);
struct event_data removed(const char *sku, int32_t quantity, int32_t line_quantity);
struct event_data cleared(int32_t line_count);
struct event_data customer_assigned(const char *customer_id, const char *previous);
struct event_data percent_coupon(const char *code, int32_t percent);
struct event_data amount_coupon(const char *code, struct money amount);
struct event_data coupon_removed(const char *code);
struct event_data cancelled(void);

/* A check-out of exactly these lines, without coupons and with totals of 0. */
struct event_data checked_out(const struct cart_line *lines, size_t count);

/* Commands */

struct cart_command create(const char *currency, const char *customer_id);
struct cart_command add_lines(const struct cart_line *lines, size_t count);

/* One or more struct cart_line. */
#define add(...)                                                                                   \
    add_lines((const struct cart_line[]){__VA_ARGS__},                                             \
              sizeof((const struct cart_line[]){__VA_ARGS__}) / sizeof(struct cart_line))

struct cart_command set_quantity(const char *sku, int32_t quantity);
struct cart_command remove_item(const char *sku, int32_t quantity);
struct cart_command clear(void);
struct cart_command assign_customer(const char *customer_id);
struct cart_command apply_percent(const char *code, int32_t percent);
struct cart_command apply_amount(const char *code, struct money amount);
struct cart_command remove_coupon(const char *code);

static const struct uuid STORY_TARGET_ID = {{1}};
static const struct uuid STORY_SOURCE_ID = {{2}};

struct cart_command merge(enum cart_merge_strategy strategy);
struct cart_command merge_with_itself(void);
struct cart_command check_out(const char *order_id);
struct cart_command cancel(void);

/* Everything that there is to know about a cart, as text. */
void cart_describe(const struct cart *cart, struct text *text);

/* The bytes that cart->bytes should be. */
size_t cart_bytes_held(const struct cart *cart);

void assert_same_text(const struct text *actual, const struct text *expected, const char *what);

/* The story itself */

void story_end(void);
enum status story_evolve(const struct event_data *event, struct error *error);
void story_given(const struct event_data *events, size_t count);
void story_given_source(const struct event_data *events, size_t count);

/* What was decided happens: CartMergedAway to the source, everything else to the cart. */
void story_happen(void);

void when(struct cart_command command);
void then_refused(enum cart_refusal expected);
void story_then_events(const struct event_data *events, size_t count);

#define given(...)                                                                                 \
    story_given((const struct event_data[]){__VA_ARGS__},                                          \
                sizeof((const struct event_data[]){__VA_ARGS__}) / sizeof(struct event_data))
#define given_source(...)                                                                          \
    story_given_source((const struct event_data[]){__VA_ARGS__},                                   \
                       sizeof((const struct event_data[]){__VA_ARGS__}) /                          \
                           sizeof(struct event_data))
#define then_events(...)                                                                           \
    story_then_events((const struct event_data[]){__VA_ARGS__},                                    \
                      sizeof((const struct event_data[]){__VA_ARGS__}) /                           \
                          sizeof(struct event_data))
#define then_nothing() story_then_events(NULL, 0)

/* The one event, by its type and its data as JSON. */
void then_event_json(enum event_type type, const char *json);

/* Both events of a merge, the first by its data as JSON; the source is closed. */
void then_merged(const char *json);

/* The cart's coupons are these, in this order: code and percentage, or amount. */
void then_coupons(const char *expected);

/* The cart's lines are these, in this order: sku and quantity. */
void then_lines(const char *expected);
