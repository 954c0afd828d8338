/*
 * log_query.h - reads the events of the log that a filter selects, in pages.
 *
 * The order is partition, then position. A cursor is the place of the last event seen and a
 * fingerprint of the filter, so that it cannot be used with another filter.
 */
#pragma once

#include "postgres.h"
#include "recorded_event.h"
#include "text.h"

enum {
    LOG_CURSOR_LENGTH = 28, /* 4 + 16 + 8 hexadecimal digits */
    LOG_CHUNK_ROWS = 250,   /* rows of one statement */
    /* Bytes of data, by POSTGRES_SIZE(): a chunk ends after the row that reaches this. */
    LOG_CHUNK_BYTES = 1 << 20,
};

struct log_filter {
    int16_t first_partition; /* inclusive; the same for a question about one partition */
    int16_t last_partition;
    bool has_cart;
    struct uuid cart_id;
    struct str type;   /* or none; static */
    int64_t from_us;   /* inclusive; INT64_MIN: open */
    int64_t before_us; /* exclusive; INT64_MAX: open */
};

/* After this event; position 0 is before the first one. */
struct scan_place {
    int16_t partition;
    int64_t position;
    int64_t stride; /* log_query_chunk's own: how far it looks ahead; 0: it reads */
};

void log_cursor_write(const struct log_filter *filter, const struct scan_place *place,
                      char ret_cursor[LOG_CURSOR_LENGTH + 1]);
/* False when it is not a cursor, or one of another filter. */
MUST_CHECK bool log_cursor_read(struct str cursor, const struct log_filter *filter,
                                struct scan_place *ret_place);

/* Called once per event; its texts are borrowed for the call. */
typedef void log_visitor(const struct recorded_event *event, void *context);

/*
 * Visits at most `rows` events after *place, in order, and moves *place to the last one visited.
 * When events are large or far away, it may visit fewer than LOG_CHUNK_ROWS, or none, although
 * there are more: *ret_more says whether to ask again. Failures are those of postgres_execute(),
 * but none is uncertain, since reading writes nothing.
 */
MUST_CHECK enum status log_query_chunk(struct postgres *postgres, const struct log_filter *filter,
                                       int rows, int64_t deadline_us, struct scan_place *place,
                                       log_visitor *visit, void *context, bool *ret_more,
                                       struct error *error);

/* Appends {"logId","partitions":[{"partition","lastPosition","publishedPosition"}]}. */
MUST_CHECK enum status
log_query_partitions(struct postgres *postgres, int64_t deadline_us, int partition_count,
                     int64_t (*published_position)(void *context, int partition), void *context,
                     struct text *text, struct error *error);
