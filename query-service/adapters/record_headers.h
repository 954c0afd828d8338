/*
 * record_headers.h - the headers of a Kafka record as JSON, for the dead-letter table, and back.
 *
 *     [["ce_id","0198…"],["odd",{"hex":"ff00"}],["nothing",null]]
 *
 * In order; names may repeat. Values that are not printable UTF-8 are written in hex.
 */
#pragma once

#include "cloud_event.h"

enum { RECORD_HEADERS_MAX = 64 };

void record_headers_write(const struct cloud_header *headers, size_t count, struct text *text);

struct record_headers {
    size_t count;
    struct cloud_header headers[RECORD_HEADERS_MAX];
    void *source; /* the texts are borrowed from this */
};

/* Headers after the first RECORD_HEADERS_MAX are left out, and so are headers with odd names. */
MUST_CHECK enum status record_headers_read(struct str json, struct record_headers *ret_headers,
                                           struct error *error);
/* Works on a zeroed struct. */
void record_headers_done(struct record_headers *headers);
