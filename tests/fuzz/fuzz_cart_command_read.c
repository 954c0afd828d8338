/*
 * Input: a line `ROUTE[ SKU-OR-CODE[ QUANTITY]]`, the body. If a command is read, it is well formed
 * as cart_command.h says, its body is JSON, and its decision on a cart can happen. If none is read,
 * there is a reason.
 */
#include "cart_command_json.h"
#include "fuzz.h"
#include "utf8.h"

static const struct cart_limits LIMITS = {.lines_max = 4, .quantity_max = 20};

static const struct {
    const char *name;
    enum cart_command_type type;
    bool may_name_cart;
} ROUTES[] = {
    {"post", CART_CREATE, true},
    {"put", CART_CREATE, false},
    {"add", CART_ADD_ITEMS, false},
    {"set", CART_SET_QUANTITY, false},
    {"remove", CART_REMOVE_ITEM, false},
    {"clear", CART_CLEAR, false},
    {"checkout", CART_CHECK_OUT, false},
    {"cancel", CART_CANCEL, false},
    {"customer", CART_ASSIGN_CUSTOMER, false},
    {"coupon", CART_APPLY_COUPON, false},
    {"uncoupon", CART_REMOVE_COUPON, false},
    {"merge", CART_MERGE, false},
};

/* Takes the first word off `rest`; none when there is none. */
static struct str take_word(struct str *rest)
{
    if (rest->length == 0)
        return STR_NONE;
    const char *space = memchr(rest->bytes, ' ', rest->length);
    struct str word = *rest;
    if (space != NULL)
        word.length = (size_t)(space - rest->bytes);
    size_t taken = word.length + (space != NULL ? 1 : 0);
    *rest = (struct str){rest->bytes + taken, rest->length - taken};
    return word;
}

static bool read_source(struct str input, struct cart_command_source *ret_source)
{
    struct str line = take_line(&input);
    struct str route = take_word(&line);
    for (size_t i = 0; i < ARRAY_SIZE(ROUTES); i++) {
        if (!str_equal_literal(route, ROUTES[i].name))
            continue;
        bool has_key = ROUTES[i].type == CART_SET_QUANTITY || ROUTES[i].type == CART_REMOVE_ITEM ||
                       ROUTES[i].type == CART_REMOVE_COUPON;
        struct str key = take_word(&line);
        *ret_source = (struct cart_command_source){
            .type = ROUTES[i].type,
            .body = input,
            .may_name_cart = ROUTES[i].may_name_cart,
            .key = !has_key           ? STR_NONE
                   : str_is_none(key) ? STR_LITERAL("")
                                      : key,
            .quantity = ROUTES[i].type == CART_REMOVE_ITEM ? take_word(&line) : STR_NONE,
        };
        return true;
    }
    return false;
}

static void require_text(struct str text, size_t bytes_min, size_t bytes_max)
{
    REQUIRE(!str_is_none(text));
    REQUIRE(text.length >= bytes_min && text.length <= bytes_max);
    REQUIRE(utf8_is_printable(text));
}

static void require_currency(const char *currency)
{
    char same[CURRENCY_LENGTH + 1];
    REQUIRE(currency_parse(str_from(currency), same));
}

static void require_money(const struct money *money)
{
    REQUIRE(money->amount_minor >= 0 && money->amount_minor <= MONEY_AMOUNT_MAX);
    require_currency(money->currency);
}

static void require_coupon(const struct cart_coupon *coupon)
{
    require_text(coupon->code, 1, COUPON_CODE_BYTES_MAX);
    REQUIRE(coupon->percent_off >= 0 && coupon->percent_off <= 100);
    if (coupon->percent_off == 0)
        require_money(&coupon->amount_off);
    else
        REQUIRE(coupon->amount_off.amount_minor == 0);
}

static void require_well_formed(const struct cart_command *command)
{
    switch (command->type) {
    case CART_CREATE:
        require_currency(command->create.currency);
        if (!str_is_none(command->create.customer_id))
            require_text(command->create.customer_id, 1, CUSTOMER_ID_BYTES_MAX);
        break;
    case CART_ADD_ITEMS:
        REQUIRE(command->add_items.count >= 1);
        REQUIRE(command->add_items.count <= CART_COMMAND_ITEMS_MAX);
        for (size_t i = 0; i < command->add_items.count; i++) {
            const struct cart_line *line = &command->add_items.lines[i];
            require_text(line->sku, 1, SKU_BYTES_MAX);
            require_text(line->name, 0, NAME_BYTES_MAX);
            REQUIRE(line->quantity >= 1 && line->quantity <= LIMITS.quantity_max);
            require_money(&line->unit_price);
        }
        break;
    case CART_SET_QUANTITY:
        require_text(command->set_quantity.sku, 1, SKU_BYTES_MAX);
        REQUIRE(command->set_quantity.quantity >= 0);
        REQUIRE(command->set_quantity.quantity <= LIMITS.quantity_max);
        break;
    case CART_REMOVE_ITEM:
        require_text(command->remove_item.sku, 1, SKU_BYTES_MAX);
        REQUIRE(command->remove_item.quantity >= 0);
        break;
    case CART_ASSIGN_CUSTOMER:
        require_text(command->assign_customer.customer_id, 1, CUSTOMER_ID_BYTES_MAX);
        break;
    case CART_APPLY_COUPON:
        require_coupon(&command->apply_coupon.coupon);
        break;
    case CART_REMOVE_COUPON:
        require_text(command->remove_coupon.code, 1, COUPON_CODE_BYTES_MAX);
        break;
    case CART_MERGE:
        REQUIRE(command->merge.strategy < CART_MERGE_STRATEGY_COUNT);
        break;
    case CART_CHECK_OUT:
        if (!str_is_none(command->check_out.order_id))
            require_text(command->check_out.order_id, 1, ORDER_ID_BYTES_MAX);
        break;
    default:
        break;
    }
}

/* jansson by itself must accept the body too. */
static void require_json(const struct cart_command_source *source)
{
    bool has_no_body = source->type == CART_REMOVE_ITEM || source->type == CART_CLEAR ||
                       source->type == CART_REMOVE_COUPON || source->type == CART_CANCEL;
    if (has_no_body || (source->type == CART_CHECK_OUT && source->body.length == 0))
        return;
    json_t *document =
        json_loadb(source->body.bytes, source->body.length, JSON_REJECT_DUPLICATES, NULL);
    REQUIRE(json_is_object(document));
    json_decref(document);
}

static void require_reason(const struct body_problems *problems)
{
    REQUIRE(problems->is_malformed || problems->error_count > 0);
    REQUIRE(problems->error_count <= BODY_ERRORS_MAX);
    if (problems->is_malformed)
        REQUIRE(problems->malformed[0] != '\0' && utf8_is_printable(str_from(problems->malformed)));
    for (size_t i = 0; i < problems->error_count; i++) {
        const struct problem_error *error = &problems->errors[i];
        REQUIRE(error->pointer[0] == '\0' || error->pointer[0] == '/');
        REQUIRE(utf8_is_printable(str_from(error->pointer)));
        REQUIRE(error->detail[0] != '\0' && utf8_is_printable(str_from(error->detail)));
    }
}

static void happen(struct cart *cart, struct cart *source, const struct cart_command *command)
{
    static struct cart_decision decision;
    enum cart_refusal refusal = command->type == CART_MERGE
                                    ? cart_decide_merge(cart, source, command, &LIMITS, &decision)
                                    : cart_decide(cart, command, &LIMITS, &decision);
    if (refusal != CART_ACCEPTED)
        return;
    REQUIRE(decision.event_count <= CART_DECISION_EVENTS_MAX);
    for (size_t i = 0; i < decision.event_count; i++) {
        bool is_sources = decision.events[i].type == EVENT_CART_MERGED_AWAY;
        REQUIRE(cart_evolve(is_sources ? source : cart, &decision.events[i], (int64_t)i, NULL) ==
                STATUS_OK);
    }
}

/* A cart, and another one to merge, with three of the sku in question, or of "tea". */
static void decide_on_a_cart(const struct cart_command *command, struct str sku)
{
    struct cart cart = {0};
    struct cart source = {0};
    struct cart_line line = {.sku = str_is_none(sku) ? STR_LITERAL("tea") : sku,
                             .name = STR_LITERAL("a name"),
                             .quantity = 3,
                             .unit_price = {100, "EUR"}};
    struct cart_command create = {.type = CART_CREATE, .create = {.currency = "EUR"}};
    struct cart_command add = {.type = CART_ADD_ITEMS, .add_items = {&line, 1}};
    happen(&cart, &source, command);
    happen(&cart, &source, &create);
    happen(&cart, &source, &add);
    happen(&source, &cart, &create);
    happen(&source, &cart, &add);
    happen(&cart, &source, command);
    happen(&cart, &source, command);
    cart_done(&cart);
    cart_done(&source);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct body_problems problems;
    struct cart_command_source source;
    struct cart_command_body body = {0};
    if (!read_source(input_of(bytes, size), &source))
        return 0;
    if (cart_command_read(&source, &LIMITS, &body, &problems)) {
        require_well_formed(&body.command);
        require_json(&source);
        decide_on_a_cart(&body.command, source.key);
        cart_command_body_done(&body);
    } else {
        require_reason(&problems);
    }
    return 0;
}
