/*
 * json_body.h - the bytes of a request's body as a JSON document.
 */
#pragma once

#include "status.h"
#include "str.h"

#include <jansson.h>

/*
 * Parses one JSON value of any type; json_decref() *ret_document. STATUS_INVALID, with a message
 * for the client: not JSON, something after the value, nested deeper than JSON_DEPTH_MAX, or an
 * object with the same member twice. STATUS_NO_MEMORY.
 *
 * A number too large for 64 bits is valid JSON. It is read as the largest or smallest 64-bit
 * integer (as some real, when it was written as one), so that the check of its range can name the
 * member.
 */
MUST_CHECK enum status json_body_parse(struct str body, json_t **ret_document, struct error *error);
