/*
 * json_body.h - the bytes of a request's body as a JSON document.
 */
#pragma once

#include "status.h"
#include "str.h"

#include <jansson.h>

/*
 * Parses one JSON value of any type; json_decref() *ret_document. STATUS_INVALID, with a message
 * for the client: not JSON, something after it, nested deeper than JSON_DEPTH_MAX, or an object
 * with a member that is there twice. STATUS_NO_MEMORY.
 *
 * A number that is too large for 64 bits is JSON: it comes out as the largest or smallest integer
 * of 64 bits (or as some real, when it was written as one), so that whoever checks the range can
 * say which member it was.
 */
MUST_CHECK enum status json_body_parse(struct str body, json_t **ret_document, struct error *error);
