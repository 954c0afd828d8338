/*
 * request_metadata.h - where a request comes from: the events' metadata (docs/api.md, Metadata).
 */
#pragma once

#include "command_request.h"
#include "text.h"

enum { CORRELATION_ID_BYTES_MAX = 255, METADATA_BYTES_MAX = 2048 };

/* W3C Trace Context, level 1: version-traceid-parentid-flags in lower-case hex, neither id all
 * zeros. */
MUST_CHECK bool traceparent_is_valid(struct str header);

/* 1 to CORRELATION_ID_BYTES_MAX bytes of printable UTF-8. */
MUST_CHECK bool correlation_id_is_valid(struct str header);

/* Appends {"correlationId":…,"traceparent":…,"commandKey":{"key":…,"requestHash":…}}. A member that
 * was not given is left out, and so is an invalid traceparent. */
void request_metadata_write(struct str correlation_id, struct str traceparent,
                            const struct command_key *key, struct text *text);
