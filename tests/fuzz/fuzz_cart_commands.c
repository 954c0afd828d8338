/*
 * Input: what a shop's callers ask: a byte that chooses the limits, then records of RECORD_BYTES.
 * Every input is a valid sequence of commands on a few carts. Each event that is decided happens to
 * the cart itself, to a twin that reads it from its JSON, and to the query service's view.
 * Afterwards all three say the same, within the limits, with totals that match wide arithmetic.
 */
#include "cart.h"
#include "cart_view.h"
#include "fuzz.h"

enum {
    CARTS = 3,
    RECORD_BYTES = 8,
    RECORDS_MAX = 256,
    TEXT_BYTES = 80,
    LINES_MAX = CART_COMMAND_ITEMS_MAX,
};

/* One record, byte by byte. */
struct record {
    uint8_t command;
    uint8_t cart;
    uint8_t sku;
    uint8_t text;
    uint8_t amount;
    uint8_t count;
    uint8_t quantity_low;
    uint8_t quantity_high;
};
_Static_assert(sizeof(struct record) == RECORD_BYTES, "a record is its bytes");

struct trio {
    struct uuid id;
    struct cart cart;
    struct cart twin;
    struct cart_view view;
};

static struct {
    struct trio trios[CARTS];
    struct cart_limits limits;
    int64_t now_us;
    struct cart_decision decision;
} shop;

/* Where the texts and lines of one command are. */
struct command_memory {
    char sku[TEXT_BYTES];
    char text[TEXT_BYTES];
    char line_skus[LINES_MAX][TEXT_BYTES];
    struct cart_line lines[LINES_MAX];
};

/* Texts that JSON has to escape, that look alike, and that are as long as may be. */
static struct str text_of(uint8_t choice, char buffer[TEXT_BYTES])
{
    static const char *const texts[] = {"a", "A", "\"", "\\", "\\\"", "/", "~1",  "{}",
                                        " ", "ä", "茶", "😀",  "null", "0", "a\tb"};
    if (choice < ARRAY_SIZE(texts) - 1)
        return str_from(texts[choice]);
    if (choice == UINT8_MAX) {
        memset(buffer, '"', SKU_BYTES_MAX);
        return (struct str){buffer, SKU_BYTES_MAX};
    }
    return (struct str){buffer, (size_t)snprintf(buffer, TEXT_BYTES, "t%d", choice)};
}

static struct money amount_of(uint8_t choice, const char *currency)
{
    static const int64_t amounts[] = {0, 1, 2, 49, 50, 51, 99, 1999, MONEY_AMOUNT_MAX};
    struct money amount = {.amount_minor = choice % 16 < ARRAY_SIZE(amounts)
                                               ? amounts[choice % 16]
                                               : choice * INT64_C(7919)};
    memcpy(amount.currency, choice >= 250 ? "JPY" : currency, CURRENCY_LENGTH + 1);
    return amount;
}

static int32_t quantity_of(const struct record *record)
{
    return (record->quantity_low | record->quantity_high << 8) % (shop.limits.quantity_max + 1);
}

static size_t make_lines(const struct record *record, const char *currency,
                         struct command_memory *memory)
{
    size_t count = 1 + record->count % LINES_MAX;
    for (size_t i = 0; i < count; i++) {
        int32_t quantity = quantity_of(record);
        uint8_t choice = (uint8_t)(record->sku + i * (1 + record->quantity_high % 3));
        memory->lines[i] =
            (struct cart_line){.sku = text_of(choice, memory->line_skus[i]),
                               .name = text_of(record->text, memory->text),
                               .quantity = quantity > 0 ? quantity : 1,
                               .unit_price = amount_of((uint8_t)(record->amount + i), currency)};
    }
    return count;
}

static struct cart_coupon make_coupon(const struct record *record, struct str code,
                                      const char *currency)
{
    if (record->count % 2 == 0)
        return (struct cart_coupon){.code = code, .percent_off = 1 + record->quantity_low % 100};
    return (struct cart_coupon){.code = code, .amount_off = amount_of(record->amount, currency)};
}

static struct cart_command make_command(const struct record *record, const struct trio *trio,
                                        struct command_memory *memory)
{
    struct cart_command command = {
        .type = (enum cart_command_type)(record->command % CART_COMMAND_TYPE_COUNT),
        .time_us = shop.now_us};
    const char *currency = trio->cart.status == CART_ABSENT ? "EUR" : trio->cart.currency;
    struct str sku = text_of(record->sku, memory->sku);
    struct str text = text_of(record->text, memory->text);
    switch (command.type) {
    case CART_CREATE:
        memcpy(command.create.currency, record->amount % 4 == 0 ? "JPY" : "EUR", 4);
        command.create.customer_id = record->text % 4 == 0 ? STR_NONE : text;
        break;
    case CART_ADD_ITEMS:
        command.add_items.count = make_lines(record, currency, memory);
        command.add_items.lines = memory->lines;
        break;
    case CART_SET_QUANTITY:
        command.set_quantity.sku = sku;
        command.set_quantity.quantity = quantity_of(record);
        break;
    case CART_REMOVE_ITEM:
        command.remove_item.sku = sku;
        command.remove_item.quantity = quantity_of(record);
        break;
    case CART_ASSIGN_CUSTOMER:
        command.assign_customer.customer_id = text;
        break;
    case CART_APPLY_COUPON:
        command.apply_coupon.coupon = make_coupon(record, text, currency);
        break;
    case CART_REMOVE_COUPON:
        command.remove_coupon.code = text;
        break;
    case CART_MERGE:
        command.merge.target_cart_id = trio->id;
        command.merge.source_cart_id = shop.trios[record->count % CARTS].id;
        command.merge.strategy =
            (enum cart_merge_strategy)(record->amount % CART_MERGE_STRATEGY_COUNT);
        break;
    case CART_CHECK_OUT:
        command.check_out.order_id = record->text % 4 == 0 ? STR_NONE : text;
        break;
    case CART_EXPIRE:
        command.expire.guest_before_us = shop.now_us - record->quantity_low;
        command.expire.customer_before_us = shop.now_us - record->quantity_high;
        break;
    case CART_CLEAR:
    case CART_CANCEL:
    case CART_COMMAND_TYPE_COUNT:
        break;
    }
    return command;
}

/* ---- what has to hold ---- */

static bool is_same_line(const struct cart_line *a, const struct cart_line *b)
{
    return str_equal(a->sku, b->sku) && str_equal(a->name, b->name) && a->quantity == b->quantity &&
           a->unit_price.amount_minor == b->unit_price.amount_minor &&
           strcmp(a->unit_price.currency, b->unit_price.currency) == 0;
}

static bool is_same_coupon(const struct cart_coupon *a, const struct cart_coupon *b)
{
    return str_equal(a->code, b->code) && a->percent_off == b->percent_off &&
           (a->percent_off != 0 || (a->amount_off.amount_minor == b->amount_off.amount_minor &&
                                    strcmp(a->amount_off.currency, b->amount_off.currency) == 0));
}

static void require_same_contents(const struct cart *cart, const struct cart_line *lines,
                                  size_t line_count, const struct cart_coupon *coupons,
                                  size_t coupon_count)
{
    REQUIRE(cart->line_count == line_count);
    for (size_t i = 0; i < line_count; i++)
        REQUIRE(is_same_line(&cart->lines[i], &lines[i]));
    REQUIRE(cart->coupon_count == coupon_count);
    for (size_t i = 0; i < coupon_count; i++)
        REQUIRE(is_same_coupon(&cart->coupons[i], &coupons[i]));
}

static void require_same(const struct trio *trio)
{
    const struct cart *cart = &trio->cart;
    const struct cart *twin = &trio->twin;
    const struct cart_view *view = &trio->view;
    REQUIRE(cart->status == twin->status && cart->version == twin->version);
    REQUIRE(str_equal(str_from(cart->customer_id), str_from(twin->customer_id)));
    REQUIRE(strcmp(cart->currency, twin->currency) == 0);
    REQUIRE(cart->last_changed_at_us == twin->last_changed_at_us && cart->bytes == twin->bytes);
    require_same_contents(cart, twin->lines, twin->line_count, twin->coupons, twin->coupon_count);
    REQUIRE(view->version == cart->version);
    if (cart->status == CART_ABSENT)
        return;
    REQUIRE(strcmp(cart_status_name(cart->status), cart_view_status_name(view->status)) == 0);
    REQUIRE(view->updated_at_us == cart->last_changed_at_us);
    if (cart->status != CART_OPEN)
        return; /* a closed cart keeps its lines in the view only */
    REQUIRE(strcmp(cart->currency, view->currency) == 0);
    REQUIRE(str_equal(str_from(cart->customer_id), view->customer_id));
    require_same_contents(cart, view->lines, view->line_count, view->coupons, view->coupon_count);
}

static void require_within_limits(const struct cart *cart)
{
    REQUIRE(cart->line_count <= (size_t)shop.limits.lines_max);
    REQUIRE(cart->coupon_count <= CART_COUPONS_MAX);
    for (size_t i = 0; i < cart->line_count; i++) {
        const struct cart_line *line = &cart->lines[i];
        REQUIRE(line->quantity >= 1 && line->quantity <= shop.limits.quantity_max);
        REQUIRE(strcmp(line->unit_price.currency, cart->currency) == 0);
        REQUIRE(cart_find_line(cart, line->sku) == line);
    }
    for (size_t i = 0; i < cart->coupon_count; i++)
        REQUIRE(cart_find_coupon(cart, cart->coupons[i].code) == &cart->coupons[i]);
}

/* As cart_totals_of() has it, in arithmetic that nothing can overflow. */
static struct cart_totals wide_totals(const struct cart_line *lines, size_t line_count,
                                      const struct cart_coupon *coupons, size_t coupon_count)
{
    __extension__ typedef __int128 wide;
    wide subtotal = 0;
    for (size_t i = 0; i < line_count; i++)
        subtotal += (wide)lines[i].unit_price.amount_minor * lines[i].quantity;
    wide left = subtotal;
    for (size_t i = 0; i < coupon_count; i++)
        left -= (left * coupons[i].percent_off + 50) / 100;
    for (size_t i = 0; i < coupon_count; i++)
        if (coupons[i].percent_off == 0)
            left -= coupons[i].amount_off.amount_minor;
    if (left < 0)
        left = 0;
    REQUIRE(subtotal <= INT64_MAX);
    return (struct cart_totals){(int64_t)subtotal, (int64_t)(subtotal - left), (int64_t)left};
}

static bool is_same_totals(struct cart_totals a, struct cart_totals b)
{
    return a.subtotal == b.subtotal && a.discount == b.discount && a.total == b.total;
}

static void require_right_totals(const struct cart_line *lines, size_t line_count,
                                 const struct cart_coupon *coupons, size_t coupon_count)
{
    struct cart_totals totals;
    REQUIRE(cart_totals_of(lines, line_count, coupons, coupon_count, &totals));
    REQUIRE(is_same_totals(totals, wide_totals(lines, line_count, coupons, coupon_count)));
}

/* ---- what happens ---- */

static void happen(struct trio *trio, const struct event_data *event)
{
    struct error error;
    AUTO(text_done) struct text json = TEXT_INIT(EVENT_DATA_MAX);
    AUTO(event_data_done) struct event_data read = {0};
    int32_t version = trio->cart.version;
    bool was_closed = trio->cart.status > CART_OPEN;
    int64_t time_us = shop.now_us++;

    REQUIRE(!was_closed);
    event_data_write(event, &json);
    REQUIRE(text_ok(&json));
    int schema_version = event_type_schema_version(event->type);
    struct str type = str_from(event_type_name(event->type));
    REQUIRE(event_data_read(type, schema_version, text_str(&json), &read, &error) == STATUS_OK);
    if (event->type == EVENT_CART_CHECKED_OUT)
        REQUIRE(is_same_totals(event->cart_checked_out.totals,
                               wide_totals(trio->cart.lines, trio->cart.line_count,
                                           trio->cart.coupons, trio->cart.coupon_count)));
    struct recorded_event recorded = {
        .cart_id = trio->id, .version = version + 1, .occurred_at_us = time_us};
    REQUIRE(cart_evolve(&trio->twin, &read, time_us, &error) == STATUS_OK);
    REQUIRE(cart_view_apply(&trio->view, &read, &recorded, &error) == STATUS_OK);
    REQUIRE(cart_evolve(&trio->cart, event, time_us, &error) == STATUS_OK);
    REQUIRE(trio->cart.version == version + 1);
}

static enum cart_refusal decide(const struct trio *trio, const struct cart_command *command,
                                const struct trio *source)
{
    shop.decision.event_count = SIZE_MAX;
    enum cart_refusal refusal =
        command->type == CART_MERGE
            ? cart_decide_merge(&trio->cart, &source->cart, command, &shop.limits, &shop.decision)
            : cart_decide(&trio->cart, command, &shop.limits, &shop.decision);
    REQUIRE((refusal == CART_ACCEPTED) == (shop.decision.event_count != SIZE_MAX));
    REQUIRE(refusal < CART_REFUSED_VERSION_MISMATCH);
    return refusal;
}

/* A command whose effect is already there makes no event, however often it is asked for. */
static void require_already_so(const struct trio *trio, const struct cart_command *command)
{
    switch (command->type) {
    case CART_CREATE:
    case CART_SET_QUANTITY:
    case CART_CLEAR:
    case CART_ASSIGN_CUSTOMER:
    case CART_APPLY_COUPON:
        REQUIRE(decide(trio, command, NULL) == CART_ACCEPTED && shop.decision.event_count == 0);
        break;
    default:
        break;
    }
}

static void perform(const struct record *record)
{
    static struct command_memory memory;
    struct trio *trio = &shop.trios[record->cart % CARTS];
    struct trio *source = &shop.trios[record->count % CARTS];
    struct cart_command command = make_command(record, trio, &memory);
    enum cart_refusal refusal = decide(trio, &command, source);

    require_same(trio); /* deciding changes nothing */
    if (refusal != CART_ACCEPTED)
        return;
    size_t count = shop.decision.event_count;
    for (size_t i = 0; i < count; i++) {
        const struct event_data *event = &shop.decision.events[i];
        happen(event->type == EVENT_CART_MERGED_AWAY ? source : trio, event);
    }
    if (command.type == CART_MERGE)
        require_same(source);
    require_same(trio);
    require_within_limits(&trio->cart);

    /* With the cart's coupons, and with one that has to be rounded every other time. */
    static const struct cart_coupon half = {.code = {"half", 4}, .percent_off = 50};
    const struct cart *cart = &trio->cart;
    require_right_totals(cart->lines, cart->line_count, cart->coupons, cart->coupon_count);
    require_right_totals(cart->lines, cart->line_count, &half, 1);
    require_already_so(trio, &command);
}

/* The projection continues from the JSON that GET sends. */
static void require_view_survives(const struct cart_view *view)
{
    struct error error;
    AUTO(text_done) struct text body = TEXT_INIT(CART_VIEW_BODY_MAX);
    AUTO(text_done) struct text again = TEXT_INIT(CART_VIEW_BODY_MAX);
    AUTO(cart_view_done) struct cart_view read = {0};
    if (view->status == CART_VIEW_ABSENT)
        return;
    cart_view_render(view, &body);
    REQUIRE(text_ok(&body));
    REQUIRE(cart_view_read(text_str(&body), &read, &error) == STATUS_OK);
    cart_view_render(&read, &again);
    REQUIRE(str_equal(text_str(&body), text_str(&again)));
}

static void choose_limits(uint8_t choice)
{
    static const int32_t lines[] = {CART_LINES_MAX, 1, 4, 40};
    static const int32_t quantities[] = {999, 1, 12, 100};
    shop.limits = (struct cart_limits){.lines_max = lines[choice & 3],
                                       .quantity_max = quantities[choice >> 2 & 3]};
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    choose_limits(bytes[0]);
    shop.now_us = 1000;
    for (size_t i = 0; i < CARTS; i++)
        shop.trios[i] = (struct trio){.id = {{(uint8_t)(i + 1)}}};
    size_t count = (size - 1) / RECORD_BYTES;
    for (size_t i = 0; i < count && i < RECORDS_MAX; i++) {
        struct record record;
        memcpy(&record, bytes + 1 + i * RECORD_BYTES, RECORD_BYTES);
        perform(&record);
    }
    for (size_t i = 0; i < CARTS; i++) {
        require_view_survives(&shop.trios[i].view);
        cart_done(&shop.trios[i].cart);
        cart_done(&shop.trios[i].twin);
        cart_view_done(&shop.trios[i].view);
    }
    return 0;
}

#ifdef FUZZER

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t size_max, unsigned seed);

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

/* Works on whole records, so that the records after a change keep their meaning. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t size_max, unsigned seed)
{
    size_t count = size > 0 ? (size - 1) / RECORD_BYTES : 0;
    unsigned kind = next_random(&seed) % 8;
    if (count == 0 || kind == 0 || size_max < size + RECORD_BYTES)
        return LLVMFuzzerMutate(bytes, size, size_max);
    uint8_t *one = bytes + 1 + next_random(&seed) % count * RECORD_BYTES;
    uint8_t *other = bytes + 1 + next_random(&seed) % count * RECORD_BYTES;
    uint8_t *end = bytes + 1 + count * RECORD_BYTES;
    uint8_t kept[RECORD_BYTES];
    memcpy(kept, one, RECORD_BYTES);
    switch (kind) {
    case 1: /* a record goes */
        memmove(one, one + RECORD_BYTES, (size_t)(end - one) - RECORD_BYTES);
        return size - RECORD_BYTES;
    case 2: /* two change places */
        memcpy(one, other, RECORD_BYTES);
        memcpy(other, kept, RECORD_BYTES);
        return size;
    case 3: /* one comes again, elsewhere */
    case 4:
        memmove(other + RECORD_BYTES, other, (size_t)(end - other));
        memcpy(other, kept, RECORD_BYTES);
        return size + RECORD_BYTES;
    case 5: /* another command, or for another cart */
        one[next_random(&seed) % 2] = (uint8_t)next_random(&seed);
        return size;
    default: /* one field */
        LLVMFuzzerMutate(one + next_random(&seed) % RECORD_BYTES, 1, 1);
        return size;
    }
}

#endif
