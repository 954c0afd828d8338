/*
 * view_row.h - a view as the store writes it.
 */
#pragma once

#include "cart_view.h"
#include "view_store.h"

/* Borrows the view and its rendered body. */
static inline struct view_row view_row_of(const struct cart_view *view, int16_t partition,
                                          struct str body)
{
    return (struct view_row){
        .cart_id = view->cart_id,
        .partition = partition,
        .version = view->version,
        .status = cart_view_status_name(view->status),
        .customer_id = view->customer_id,
        .updated_at_us = view->updated_at_us,
        .body = body,
    };
}
