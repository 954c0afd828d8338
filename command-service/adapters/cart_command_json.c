#include "cart_command_json.h"

#include "number.h"
#include "utf8.h"

#include <stdlib.h>

enum { KEY_BYTES_MAX = SKU_BYTES_MAX };
_Static_assert((int)KEY_BYTES_MAX == (int)COUPON_CODE_BYTES_MAX, "one limit for both");

#define MEMBERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct money read_money(const struct body_object *object, const char *member)
{
    struct money money = {0};
    struct body_object at = body_member(object, member);
    body_allow(&at, MEMBERS("amountMinor", "currency"));
    money.amount_minor = body_int(&at, "amountMinor", 0, MONEY_AMOUNT_MAX);
    body_currency(&at, "currency", money.currency);
    return money;
}

static struct cart_line read_line(const struct body_object *object,
                                  const struct cart_limits *limits)
{
    struct cart_line line = {0};
    line.sku = body_text(object, "sku", 1, SKU_BYTES_MAX);
    line.name = body_text(object, "name", 0, NAME_BYTES_MAX);
    line.quantity = (int32_t)body_int(object, "quantity", 1, limits->quantity_max);
    line.unit_price = read_money(object, "unitPrice");
    return line;
}

/* Either one line, or {"items":[line,...]}. */
static void read_add_items(const struct body_object *root, const struct cart_limits *limits,
                           struct cart_command_body *body)
{
    bool is_list = body_has(root, "items");
    size_t count = 1;
    if (is_list) {
        body_allow(root, MEMBERS("items"));
        count = body_array(root, "items", 1, CART_COMMAND_ITEMS_MAX);
    }
    body->lines = calloc(count > 0 ? count : 1, sizeof(*body->lines));
    if (body->lines == NULL) {
        root->problems->has_no_memory = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct body_object element = is_list ? body_element(root, "items", i) : *root;
        body_allow(&element, MEMBERS("sku", "name", "quantity", "unitPrice"));
        body->lines[i] = read_line(&element, limits);
    }
    body->command.add_items.lines = body->lines;
    body->command.add_items.count = count;
}

static void read_create(const struct body_object *root, const struct cart_command_source *source,
                        struct cart_command_body *body)
{
    struct cart_command *command = &body->command;
    if (source->may_name_cart) {
        body_allow(root, MEMBERS("currency", "customerId", "cartId"));
        body->names_cart = body_optional_uuid(root, "cartId", &body->cart_id);
    } else {
        body_allow(root, MEMBERS("currency", "customerId"));
    }
    body_currency(root, "currency", command->create.currency);
    command->create.customer_id = body_optional_text(root, "customerId", 1, CUSTOMER_ID_BYTES_MAX);
}

static void read_coupon(const struct body_object *root, struct cart_coupon *coupon)
{
    body_allow(root, MEMBERS("code", "percentOff", "amountOff"));
    coupon->code = body_text(root, "code", 1, COUPON_CODE_BYTES_MAX);
    bool takes_percentage = body_has(root, "percentOff");
    if (takes_percentage == body_has(root, "amountOff"))
        body_invalid(root, "", "must have either percentOff or amountOff");
    else if (takes_percentage)
        coupon->percent_off = (int32_t)body_int(root, "percentOff", 1, 100);
    else
        coupon->amount_off = read_money(root, "amountOff");
}

static void read_merge(const struct body_object *root, struct cart_command *command)
{
    body_allow(root, MEMBERS("sourceCartId", "strategy"));
    (void)body_uuid(root, "sourceCartId", &command->merge.source_cart_id);
    struct str name = body_text(root, "strategy", 0, NAME_BYTES_MAX);
    if (str_is_none(name))
        return;
    for (int i = 0; i < CART_MERGE_STRATEGY_COUNT; i++) {
        command->merge.strategy = (enum cart_merge_strategy)i;
        if (str_equal_literal(name, cart_merge_strategy_name(command->merge.strategy)))
            return;
    }
    body_invalid(root, "strategy", "must be sum, max, replace or keep");
}

static void read_body(const struct cart_command_source *source, const struct cart_limits *limits,
                      struct cart_command_body *body, struct body_problems *problems)
{
    struct cart_command *command = &body->command;
    struct str json = source->body;
    if (source->type == CART_CHECK_OUT && json.length == 0)
        json = STR_LITERAL("{}");
    struct body_object root = body_parse(json, &body->document, problems);
    if (root.json == NULL)
        return;
    switch (source->type) {
    case CART_CREATE:
        read_create(&root, source, body);
        break;
    case CART_ADD_ITEMS:
        read_add_items(&root, limits, body);
        break;
    case CART_SET_QUANTITY:
        body_allow(&root, MEMBERS("quantity"));
        command->set_quantity.quantity =
            (int32_t)body_int(&root, "quantity", 0, limits->quantity_max);
        break;
    case CART_ASSIGN_CUSTOMER:
        body_allow(&root, MEMBERS("customerId"));
        command->assign_customer.customer_id =
            body_text(&root, "customerId", 1, CUSTOMER_ID_BYTES_MAX);
        break;
    case CART_APPLY_COUPON:
        read_coupon(&root, &command->apply_coupon.coupon);
        break;
    case CART_MERGE:
        read_merge(&root, command);
        break;
    case CART_CHECK_OUT:
        body_allow(&root, MEMBERS("orderId"));
        command->check_out.order_id = body_optional_text(&root, "orderId", 1, ORDER_ID_BYTES_MAX);
        break;
    case CART_REMOVE_ITEM:
    case CART_CLEAR:
    case CART_REMOVE_COUPON:
    case CART_CANCEL:
    case CART_EXPIRE:
    case CART_COMMAND_TYPE_COUNT:
        break; /* has_body() */
    }
}

static bool has_body(enum cart_command_type type)
{
    switch (type) {
    case CART_CREATE:
    case CART_ADD_ITEMS:
    case CART_SET_QUANTITY:
    case CART_ASSIGN_CUSTOMER:
    case CART_APPLY_COUPON:
    case CART_MERGE:
    case CART_CHECK_OUT:
        return true;
    case CART_REMOVE_ITEM:
    case CART_CLEAR:
    case CART_REMOVE_COUPON:
    case CART_CANCEL:
    case CART_EXPIRE:
    case CART_COMMAND_TYPE_COUNT:
        break;
    }
    return false;
}

static void read_path(const struct cart_command_source *source, struct cart_command *command,
                      struct body_problems *problems)
{
    if (str_is_none(source->key))
        return;
    bool is_code = source->type == CART_REMOVE_COUPON;
    if (source->key.length == 0 || source->key.length > KEY_BYTES_MAX ||
        !utf8_is_printable(source->key))
        body_malformed(problems, "the %s in the path must be 1 to %d bytes of printable UTF-8",
                       is_code ? "code" : "sku", KEY_BYTES_MAX);
    if (is_code)
        command->remove_coupon.code = source->key;
    else if (source->type == CART_SET_QUANTITY)
        command->set_quantity.sku = source->key;
    else
        command->remove_item.sku = source->key;
    if (str_is_none(source->quantity))
        return;
    int64_t quantity = 0;
    if (!number_parse(source->quantity, 1, INT32_MAX, &quantity))
        body_malformed(problems, "quantity must be a positive 32-bit integer");
    command->remove_item.quantity = (int32_t)quantity;
}

bool cart_command_read(const struct cart_command_source *source, const struct cart_limits *limits,
                       struct cart_command_body *ret_body, struct body_problems *ret_problems)
{
    struct cart_command_body body = {.command = {.type = source->type}};
    ret_problems->has_no_memory = false;
    ret_problems->is_malformed = false;
    ret_problems->error_count = 0;
    read_path(source, &body.command, ret_problems);
    if (has_body(source->type))
        read_body(source, limits, &body, ret_problems);
    if (ret_problems->has_no_memory || ret_problems->is_malformed ||
        ret_problems->error_count > 0) {
        cart_command_body_done(&body);
        return false;
    }
    *ret_body = body;
    return true;
}

void cart_command_body_done(struct cart_command_body *body)
{
    json_decref(body->document);
    free(body->lines);
    *body = (struct cart_command_body){0};
}
