/*
 * cart_command.h - what can be asked of a cart.
 *
 * A command is well formed before the domain sees it (cart_command_json.h checks and reports):
 * texts are valid and within their byte limits, quantities and amounts are in range, currencies
 * have the right shape.
 */
#pragma once

#include "cart_line.h"
#include "uuid.h"

#include <stdint.h>

enum {
    CART_COMMAND_ITEMS_MAX = 100,
    SKU_BYTES_MAX = 64,
    NAME_BYTES_MAX = 256,
    CUSTOMER_ID_BYTES_MAX = 64,
    ORDER_ID_BYTES_MAX = 64,
    COUPON_CODE_BYTES_MAX = 64,
};

enum cart_command_type {
    CART_CREATE,
    CART_ADD_ITEMS,
    CART_SET_QUANTITY,
    CART_REMOVE_ITEM,
    CART_CLEAR,
    CART_ASSIGN_CUSTOMER,
    CART_APPLY_COUPON,
    CART_REMOVE_COUPON,
    CART_MERGE,
    CART_CHECK_OUT,
    CART_CANCEL,
    CART_EXPIRE, /* not from a caller: see expiry_sweep.h */
    CART_COMMAND_TYPE_COUNT,
};

/* What becomes of the lines when a source is merged into a target. */
enum cart_merge_strategy {
    CART_MERGE_SUM,     /* for a sku that both have: the sum of both quantities */
    CART_MERGE_MAX,     /* ... the larger quantity */
    CART_MERGE_REPLACE, /* the source's lines and no others */
    CART_MERGE_KEEP,    /* ... the target's quantity */
    CART_MERGE_STRATEGY_COUNT,
};

/* "sum", ...: as in the API and the event. */
const char *cart_merge_strategy_name(enum cart_merge_strategy strategy);

/* Texts and lines are borrowed from the maker of the command. */
struct cart_command {
    enum cart_command_type type;
    int64_t time_us; /* when it happens: becomes the events' occurred_at */
    union {
        struct {
            char currency[CURRENCY_LENGTH + 1];
            struct str customer_id; /* or none */
        } create;
        struct {
            const struct cart_line *lines; /* 1 to CART_COMMAND_ITEMS_MAX; a sku may come twice */
            size_t count;
        } add_items;
        struct {
            struct str sku;
            int32_t quantity; /* 0 removes the line */
        } set_quantity;
        struct {
            struct str sku;
            int32_t quantity; /* 0: the whole line */
        } remove_item;
        struct {
            struct str customer_id;
        } assign_customer;
        struct {
            struct cart_coupon coupon; /* takes a percentage or an amount, never both */
        } apply_coupon;
        struct {
            struct str code;
        } remove_coupon;
        struct {
            struct uuid target_cart_id; /* the cart that the command is for */
            struct uuid source_cart_id;
            enum cart_merge_strategy strategy;
        } merge;
        struct {
            struct str order_id; /* or none */
        } check_out;
        struct {
            int64_t guest_before_us; /* a guest's cart last changed then or earlier expires */
            int64_t customer_before_us;
        } expire;
    };
};
