/* Random commands, always the same ones: what holds after every step, whatever was asked. */
#include "cart_story.h"

enum {
    STEPS = 40000,
    SKUS = 14,
    NAMES = 4,
    CUSTOMERS = 3,
    CODES = 13, /* more than a cart may have coupons */
};

static const char *const SKU[SKUS] = {"a",  "b",  "c",    "d",   "e", "tea-01", "tea-02",
                                      "\"", "\\", "a\"b", "ä/~", "g", "h",      "茶"};
static const char *const NAME[NAMES] = {"", "x", "Grüner Tee \"fein\" \\o/", "a name"};
static const char *const CUSTOMER[CUSTOMERS] = {NULL, "anna", "bert"};

static const char *const CODE[CODES] = {"TEN", "ten", "a", "b", "c", "\"", "\\",
                                        "ä/~", "d",   "e", "f", "g", "h"};

static uint64_t random_state;

static int32_t random_below(int32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int32_t)(random_state % (uint64_t)bound);
}

static struct cart_line random_line(void)
{
    static const int64_t amounts[] = {0, 1, 1999, MONEY_AMOUNT_MAX};
    struct cart_line random =
        line_named(SKU[random_below(SKUS)], NAME[random_below(NAMES)],
                   1 + random_below(story.limits.quantity_max), amounts[random_below(4)]);
    if (random_below(4) != 0)
        random.quantity = 1 + random_below(3);
    if (random_below(40) == 0)
        memcpy(random.unit_price.currency, "USD", CURRENCY_LENGTH + 1);
    return random;
}

static struct cart_command random_coupon(void)
{
    static const int64_t amounts[] = {0, 1, 500, MONEY_AMOUNT_MAX};
    const char *code = CODE[random_below(CODES)];
    struct money amount = euro(amounts[random_below(4)]);
    if (random_below(8) == 0)
        return remove_coupon(code);
    if (random_below(2) == 0)
        return apply_percent(code, 1 + random_below(3) * 49);
    if (random_below(20) == 0)
        memcpy(amount.currency, "USD", CURRENCY_LENGTH + 1);
    return apply_amount(code, amount);
}

static struct cart_command random_command(struct cart_line *lines)
{
    const char *sku = SKU[random_below(SKUS)];
    switch (random_below(34)) {
    case 0:
        return create(random_below(8) == 0 ? "USD" : "EUR", CUSTOMER[random_below(CUSTOMERS)]);
    case 1:
        return clear();
    case 2:
        return random_below(4) == 0 ? cancel() : clear();
    case 3:
        return random_below(4) == 0 ? check_out("o-1") : set_quantity(sku, 0);
    case 4:
    case 5:
    case 6:
    case 7:
        return set_quantity(sku, random_below(story.limits.quantity_max + 2));
    case 8:
    case 9:
    case 10:
    case 11:
        return remove_item(sku, random_below(6));
    case 12:
        return assign_customer(CUSTOMER[1 + random_below(CUSTOMERS - 1)]);
    case 13:
    case 14:
    case 15:
    case 16:
    case 17:
    case 18:
        return random_coupon();
    case 19:
    case 20:
        return random_below(10) == 0
                   ? merge_with_itself()
                   : merge((enum cart_merge_strategy)random_below(CART_MERGE_STRATEGY_COUNT));
    default: {
        size_t count = 1 + (size_t)random_below(random_below(10) == 0 ? 100 : 4);
        for (size_t i = 0; i < count; i++)
            lines[i] = random_line();
        return add_lines(lines, count);
    }
    }
}

/* The event as a reader of the log gets it: written as JSON and read again. */
static void evolve_from_json(struct cart *cart, const struct event_data *event, int64_t time_us)
{
    AUTO(text_done) struct text json = TEXT_INIT(EVENT_DATA_MAX);
    AUTO(event_data_done) struct event_data read = {0};
    struct error error = {0};

    event_data_write(event, &json);
    cr_assert(text_ok(&json));
    cr_assert_eq(event_data_read(str_from(event_type_name(event->type)),
                                 event_type_schema_version(event->type), text_str(&json), &read,
                                 &error),
                 STATUS_OK, "%s", error.message);
    cr_assert_eq(cart_evolve(cart, &read, time_us, &error), STATUS_OK, "%s", error.message);
}

static void assert_within_limits(const struct cart *cart)
{
    cr_assert_leq(cart->line_count, (size_t)story.limits.lines_max);
    cr_assert_leq(cart->coupon_count, CART_COUPONS_MAX);
    cr_assert_eq(cart->bytes, cart_bytes_held(cart));
    for (size_t i = 0; i < cart->coupon_count; i++)
        cr_assert_eq(cart_find_coupon(cart, cart->coupons[i].code), &cart->coupons[i],
                     "a code has two coupons");
    for (size_t i = 0; i < cart->line_count; i++) {
        const struct cart_line *at = &cart->lines[i];
        cr_assert(at->quantity >= 1 && at->quantity <= story.limits.quantity_max);
        cr_assert_str_eq(at->unit_price.currency, cart->currency);
        cr_assert_eq(cart_find_line(cart, at->sku), at, "a sku has two lines");
    }
}

/* Carts that get the events of the story's carts by way of JSON, and are then the same. */
static struct cart twin;
static struct cart source_twin;

static void assert_same_cart(const struct cart *actual, const struct cart *expected)
{
    AUTO(text_done) struct text expected_text = TEXT_INIT(STORY_TEXT_MAX);
    AUTO(text_done) struct text actual_text = TEXT_INIT(STORY_TEXT_MAX);

    cart_describe(expected, &expected_text);
    cart_describe(actual, &actual_text);
    assert_same_text(&actual_text, &expected_text, "the fold of the written events is");
    assert_within_limits(expected);
}

/* What was decided happens to the carts and to their twins. */
static void happen(void)
{
    int32_t versions = story.cart.version + story.source.version;
    size_t count = story.decision.event_count;

    for (size_t i = 0; i < count; i++) {
        const struct event_data *event = &story.decision.events[i];
        evolve_from_json(event->type == EVENT_CART_MERGED_AWAY ? &source_twin : &twin, event,
                         story.now_us + 1 + (int64_t)i);
    }
    story_happen();
    cr_assert_eq(story.cart.version + story.source.version, versions + (int32_t)count);
    assert_same_cart(&twin, &story.cart);
    if (story.decision.events[0].type == EVENT_CART_MERGED)
        assert_same_cart(&source_twin, &story.source);
}

static void swap(struct cart *a, struct cart *b)
{
    struct cart other = *a;
    *a = *b;
    *b = other;
}

static void walk(uint64_t seed, struct cart_limits limits)
{
    struct cart_line lines[CART_COMMAND_ITEMS_MAX];
    unsigned refusals[CART_REFUSAL_COUNT] = {0};
    unsigned nothing = 0;

    random_state = seed;
    story.limits = limits;
    for (int step = 0; step < STEPS; step++) {
        struct cart_command command = random_command(lines);
        when(command);
        refusals[story.refusal]++;
        if (story.refusal != CART_ACCEPTED) {
            then_refused(story.refusal);
        } else if (story.decision.event_count == 0) {
            nothing++;
            when(command);
            then_nothing();
        } else {
            happen();
        }
        if (story.cart.status != CART_ABSENT &&
            random_below(story.cart.status == CART_OPEN ? 400 : 10) == 0) {
            cart_done(&story.cart);
            cart_done(&twin);
        }
        if (random_below(8) == 0) {
            swap(&story.cart, &story.source);
            swap(&twin, &source_twin);
        }
    }
    cart_done(&twin);
    cart_done(&source_twin);
    cr_assert_gt(nothing, 20, "the walk never asked for what is already so");
    for (int i = CART_ACCEPTED; i < CART_REFUSED_VERSION_MISMATCH; i++)
        cr_assert_gt(refusals[i], 0, "the walk never met refusal %d", i);
}

TestSuite(cart_properties, .fini = story_end, .timeout = 100);

Test(cart_properties, given_narrow_limits_when_commands_are_random_then_the_rules_hold)
{
    walk(20261123, (struct cart_limits){.lines_max = 8, .quantity_max = 12});
}

Test(cart_properties, given_limits_of_the_api_when_commands_are_random_then_the_rules_hold)
{
    walk(7, (struct cart_limits){.lines_max = 12, .quantity_max = 999});
}
