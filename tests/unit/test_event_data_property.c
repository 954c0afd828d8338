/* Properties over random events: what is written is read back equal, and damaged JSON is refused
 * or read, never worse. */
#include "event_data.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { ROUNDS = 300, MUTATIONS = 400, LINES_MAX = 6, COUPONS_MAX = 4, TEXT_MAX = 24 };

static uint64_t random_state = 0x2545f4914f6cdd1d;

static uint64_t next_random(void) /* xorshift64 */
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static int64_t between(int64_t lowest, int64_t highest)
{
    return lowest + (int64_t)(next_random() % ((uint64_t)(highest - lowest) + 1));
}

/* The memory of one random event. */
static struct {
    char texts[64][TEXT_MAX * 4];
    size_t text_count;
    struct cart_line lines[LINES_MAX];
    struct cart_coupon coupons[COUPONS_MAX];
} memory;

static struct str random_text(int64_t least)
{
    static const char *const pieces[] = {"a",
                                         "Z",
                                         "7",
                                         " ",
                                         "\"",
                                         "\\",
                                         "/",
                                         "{",
                                         "]",
                                         ",",
                                         "\xc3\xa9",
                                         "\xe7\xb7\x91",
                                         "\xf0\x9f\x8d\xb5",
                                         "\n"};
    char *bytes = memory.texts[memory.text_count++];
    size_t length = 0;
    for (int64_t left = between(least, TEXT_MAX); left > 0; left--) {
        const char *piece = pieces[next_random() % ARRAY_SIZE(pieces)];
        memcpy(bytes + length, piece, strlen(piece));
        length += strlen(piece);
    }
    return (struct str){bytes, length};
}

static struct str random_text_or_none(void)
{
    return next_random() % 2 == 0 ? STR_NONE : random_text(1);
}

static int32_t random_quantity(void)
{
    return (int32_t)between(0, next_random() % 8 == 0 ? INT32_MAX : 999);
}

static struct money random_money(int64_t most)
{
    return (struct money){between(0, most), "EUR"};
}

static struct uuid random_uuid(void)
{
    struct uuid uuid;
    for (size_t i = 0; i < sizeof(uuid.bytes); i++)
        uuid.bytes[i] = (uint8_t)next_random();
    return uuid;
}

static struct cart_line random_line(int32_t most)
{
    return (struct cart_line){.sku = random_text(1),
                              .name = random_text(0),
                              .quantity = (int32_t)between(0, most),
                              .unit_price = random_money(MONEY_AMOUNT_MAX)};
}

static size_t random_lines(void)
{
    size_t count = (size_t)between(0, LINES_MAX);
    for (size_t i = 0; i < count; i++)
        memory.lines[i] = random_line(999);
    return count;
}

static struct cart_coupon random_coupon(void)
{
    struct cart_coupon coupon = {.code = random_text(1)};
    if (next_random() % 2 == 0)
        coupon.percent_off = (int32_t)between(1, 100);
    else
        coupon.amount_off = random_money(MONEY_AMOUNT_MAX);
    return coupon;
}

static void random_checkout(struct cart_checked_out *event)
{
    *event = (struct cart_checked_out){.order_id = random_text_or_none(),
                                       .customer_id = random_text_or_none(),
                                       .currency = "EUR",
                                       .items = memory.lines,
                                       .item_count = random_lines(),
                                       .coupons = memory.coupons,
                                       .coupon_count = (size_t)between(0, COUPONS_MAX)};
    for (size_t i = 0; i < event->coupon_count; i++)
        memory.coupons[i] = random_coupon();
    cr_assert(cart_totals_of(event->items, event->item_count, event->coupons, event->coupon_count,
                             &event->totals));
}

static struct event_data random_event(enum event_type type)
{
    memory.text_count = 0;
    struct event_data data = {.type = type};
    switch (type) {
    case EVENT_CART_CREATED:
        data.cart_created = (struct cart_created){"EUR", random_text_or_none()};
        break;
    case EVENT_ITEM_ADDED:
        data.item_added = (struct item_added){random_line(INT32_MAX), random_quantity()};
        break;
    case EVENT_ITEM_QUANTITY_CHANGED:
        data.item_quantity_changed =
            (struct item_quantity_changed){random_text(1), random_quantity(), random_quantity()};
        break;
    case EVENT_ITEM_REMOVED:
        data.item_removed =
            (struct item_removed){random_text(1), random_quantity(), random_quantity()};
        break;
    case EVENT_CART_CLEARED:
        data.cart_cleared.line_count = random_quantity();
        break;
    case EVENT_CUSTOMER_ASSIGNED:
        data.customer_assigned = (struct customer_assigned){random_text(1), random_text_or_none()};
        break;
    case EVENT_COUPON_APPLIED:
        data.coupon_applied.coupon = random_coupon();
        break;
    case EVENT_COUPON_REMOVED:
        data.coupon_removed.code = random_text(1);
        break;
    case EVENT_CART_MERGED:
        data.cart_merged = (struct cart_merged){random_uuid(), (int32_t)between(1, INT32_MAX),
                                                random_text(1), memory.lines, random_lines()};
        break;
    case EVENT_CART_MERGED_AWAY:
        data.cart_merged_away.target_cart_id = random_uuid();
        break;
    case EVENT_CART_CHECKED_OUT:
        random_checkout(&data.cart_checked_out);
        break;
    case EVENT_CART_EXPIRED:
        data.cart_expired.last_changed_at_us = between(-62135596800000000, 253402300799999999);
        data.cart_expired.policy = (enum expiry_policy)between(0, EXPIRY_POLICY_COUNT - 1);
        break;
    case EVENT_CART_CANCELLED:
    case EVENT_TYPE_COUNT:
        break;
    }
    return data;
}

static bool same_money(struct money a, struct money b)
{
    return a.amount_minor == b.amount_minor && strcmp(a.currency, b.currency) == 0;
}

static bool same_line(const struct cart_line *a, const struct cart_line *b)
{
    return str_equal(a->sku, b->sku) && str_equal(a->name, b->name) && a->quantity == b->quantity &&
           same_money(a->unit_price, b->unit_price);
}

static bool same_lines(const struct cart_line *a, size_t a_count, const struct cart_line *b,
                       size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; same && i < a_count; i++)
        same = same_line(&a[i], &b[i]);
    return same;
}

static bool same_coupon(const struct cart_coupon *a, const struct cart_coupon *b)
{
    return str_equal(a->code, b->code) && a->percent_off == b->percent_off &&
           same_money(a->amount_off, b->amount_off);
}

static bool same_checkout(const struct cart_checked_out *a, const struct cart_checked_out *b)
{
    bool same = str_equal(a->order_id, b->order_id) && str_equal(a->customer_id, b->customer_id) &&
                strcmp(a->currency, b->currency) == 0 &&
                same_lines(a->items, a->item_count, b->items, b->item_count) &&
                a->coupon_count == b->coupon_count &&
                memcmp(&a->totals, &b->totals, sizeof(a->totals)) == 0;
    for (size_t i = 0; same && i < a->coupon_count; i++)
        same = same_coupon(&a->coupons[i], &b->coupons[i]);
    return same;
}

static bool same_event(const struct event_data *a, const struct event_data *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case EVENT_CART_CREATED:
        return strcmp(a->cart_created.currency, b->cart_created.currency) == 0 &&
               str_equal(a->cart_created.customer_id, b->cart_created.customer_id);
    case EVENT_ITEM_ADDED:
        return same_line(&a->item_added.line, &b->item_added.line) &&
               a->item_added.line_quantity == b->item_added.line_quantity;
    case EVENT_ITEM_QUANTITY_CHANGED:
        return str_equal(a->item_quantity_changed.sku, b->item_quantity_changed.sku) &&
               a->item_quantity_changed.quantity == b->item_quantity_changed.quantity &&
               a->item_quantity_changed.previous_quantity ==
                   b->item_quantity_changed.previous_quantity;
    case EVENT_ITEM_REMOVED:
        return str_equal(a->item_removed.sku, b->item_removed.sku) &&
               a->item_removed.quantity == b->item_removed.quantity &&
               a->item_removed.line_quantity == b->item_removed.line_quantity;
    case EVENT_CART_CLEARED:
        return a->cart_cleared.line_count == b->cart_cleared.line_count;
    case EVENT_CUSTOMER_ASSIGNED:
        return str_equal(a->customer_assigned.customer_id, b->customer_assigned.customer_id) &&
               str_equal(a->customer_assigned.previous_customer_id,
                         b->customer_assigned.previous_customer_id);
    case EVENT_COUPON_APPLIED:
        return same_coupon(&a->coupon_applied.coupon, &b->coupon_applied.coupon);
    case EVENT_COUPON_REMOVED:
        return str_equal(a->coupon_removed.code, b->coupon_removed.code);
    case EVENT_CART_MERGED:
        return uuid_equal(&a->cart_merged.source_cart_id, &b->cart_merged.source_cart_id) &&
               a->cart_merged.source_version == b->cart_merged.source_version &&
               str_equal(a->cart_merged.strategy, b->cart_merged.strategy) &&
               same_lines(a->cart_merged.items, a->cart_merged.item_count, b->cart_merged.items,
                          b->cart_merged.item_count);
    case EVENT_CART_MERGED_AWAY:
        return uuid_equal(&a->cart_merged_away.target_cart_id, &b->cart_merged_away.target_cart_id);
    case EVENT_CART_CHECKED_OUT:
        return same_checkout(&a->cart_checked_out, &b->cart_checked_out);
    case EVENT_CART_EXPIRED:
        return a->cart_expired.last_changed_at_us == b->cart_expired.last_changed_at_us &&
               a->cart_expired.policy == b->cart_expired.policy;
    case EVENT_CART_CANCELLED:
        return true;
    case EVENT_TYPE_COUNT:
        break;
    }
    return false;
}

Test(event_data_property, given_any_event_when_written_and_read_then_it_is_equal)
{
    AUTO(text_done) struct text text = TEXT_INIT(EVENT_DATA_MAX);
    for (enum event_type type = 0; type < EVENT_TYPE_COUNT; type++) {
        for (int round = 0; round < ROUNDS; round++) {
            struct event_data data = random_event(type);
            text_clear(&text);
            event_data_write(&data, &text);
            cr_assert(text_ok(&text));
            struct error error = {0};
            AUTO(event_data_done) struct event_data back = {0};
            enum status status =
                event_data_read(str_from(event_type_name(type)), event_type_schema_version(type),
                                text_str(&text), &back, &error);
            cr_assert_eq(status, STATUS_OK, "%s: " STR_FORMAT, error.message,
                         STR_ARGS(text_str(&text)));
            cr_assert(same_event(&data, &back), STR_FORMAT, STR_ARGS(text_str(&text)));
        }
    }
}

static void mutate(char *bytes, size_t *length)
{
    static const char likely[] = "\"\\{}[]:,0123456789.eE-+untrfalsi \n\x00\xff\xc3";
    for (int64_t times = between(1, 3); times > 0 && *length > 0; times--) {
        size_t at = next_random() % *length;
        switch (next_random() % 4) {
        case 0:
            bytes[at] = likely[next_random() % sizeof(likely)];
            break;
        case 1:
            bytes[at] = (char)next_random();
            break;
        case 2:
            memmove(bytes + at, bytes + at + 1, *length - at - 1);
            --*length;
            break;
        default:
            *length = at;
            break;
        }
    }
}

Test(event_data_property, given_damaged_json_when_read_then_it_is_refused_or_an_event)
{
    AUTO(text_done) struct text text = TEXT_INIT(EVENT_DATA_MAX);
    int refused = 0;
    for (enum event_type type = 0; type < EVENT_TYPE_COUNT; type++) {
        struct event_data data = random_event(type);
        text_clear(&text);
        event_data_write(&data, &text);
        for (int i = 0; i < MUTATIONS; i++) {
            size_t length = text.length;
            char *bytes = malloc(length); /* exact, for AddressSanitizer */
            memcpy(bytes, text.bytes, length);
            mutate(bytes, &length);
            AUTO(event_data_done) struct event_data back = {0};
            struct error error;
            enum status status =
                event_data_read(str_from(event_type_name(type)), event_type_schema_version(type),
                                (struct str){bytes, length}, &back, &error);
            free(bytes);
            cr_assert(status == STATUS_OK || status == STATUS_INVALID);
            refused += status == STATUS_INVALID ? 1 : 0;
        }
    }
    cr_assert_gt(refused, EVENT_TYPE_COUNT * MUTATIONS / 2);
}
