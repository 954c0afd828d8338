/*
 * cart_command_json.h - turns a request's body, path and parameters into a well-formed cart command
 * (docs/api.md).
 */
#pragma once

#include "body_reader.h"
#include "cart.h"

/* What the request holds. The kind of command comes from its route. Borrowed. */
struct cart_command_source {
    enum cart_command_type type;
    struct str body;
    bool may_name_cart;  /* POST /v1/carts: `cartId` is a known member */
    struct str key;      /* the sku or the coupon's code in the path; none where it has none */
    struct str quantity; /* the parameter, or none */
};

/* A command and the memory that it borrows from. */
struct cart_command_body {
    struct cart_command command; /* time_us is still to be set */
    bool names_cart;
    struct uuid cart_id; /* when names_cart */

    json_t *document;        /* owned */
    struct cart_line *lines; /* owned */
};

/*
 * True when the command is well formed. The caller then owes cart_command_body_done(), and the
 * texts of `source` must live until that call. Otherwise nothing is owed, and *ret_problems lists
 * everything that is wrong, or says that memory is out.
 */
MUST_CHECK bool cart_command_read(const struct cart_command_source *source,
                                  const struct cart_limits *limits,
                                  struct cart_command_body *ret_body,
                                  struct body_problems *ret_problems);

/* Works on a zeroed struct. */
void cart_command_body_done(struct cart_command_body *body);
