/*
 * idempotency_key.h - the Idempotency-Key field, and what makes two requests the same
 * (docs/guarantees.md).
 */
#pragma once

#include "command_request.h"

#include <jansson.h>

/*
 * Reads 1 to COMMAND_KEY_BYTES_MAX characters of printable ASCII: bare, or quoted as a string of
 * RFC 8941 (3.3.3: a backslash stands before a quote or a backslash). "k" and k are the same key.
 * Writes the key to `buffer`, from which *ret_key borrows. A missing field (none) gives no key
 * (none). False when it is malformed.
 */
MUST_CHECK bool idempotency_key_parse(struct str field, char buffer[COMMAND_KEY_BYTES_MAX],
                                      struct str *ret_key);

/* The id of the cart that POST /v1/carts creates with this key: always the same one. */
struct uuid idempotency_key_cart(struct str key);

/*
 * What must be the same for a request to count as repeated: what it asks for, not how that is
 * spelled. The body counts as JSON (order of members and white space do not matter). The path and
 * the query count as decoded. Headers do not count.
 */
struct request_identity {
    const char *route; /* method and path template */
    struct uuid cart_id;
    struct str path_key; /* the sku or code that ends the path, or none */
    struct str quantity; /* the parameter, or none */
    const json_t *body;  /* or NULL */
};

/* SHA-256 in lower-case hex. False when memory is out. */
MUST_CHECK bool request_identity_hash(const struct request_identity *identity,
                                      char ret_hash[REQUEST_HASH_LENGTH + 1]);
