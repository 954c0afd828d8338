/*
 * cloud_event.h - a recorded event as a Kafka record: CloudEvents 1.0, binary mode
 * (docs/events.md).
 *
 * The key is the cart id, the value is `data`, everything else is in headers.
 */
#pragma once

#include "recorded_event.h"
#include "text.h"

enum {
    CLOUD_EVENT_HEADERS_MAX = 16,         /* headers that one event can have */
    CLOUD_EVENT_TEXT_MAX = 4096,          /* bytes of all header values together */
    CLOUD_EVENT_METADATA_MAX = 32 * 1024, /* of metadata read: three such values, escaped */
};

struct cloud_header {
    const char *name; /* terminated; static when made by cloud_event_from() */
    struct str value;
};

struct cloud_event {
    char key[UUID_TEXT_LENGTH + 1];
    struct str value; /* borrowed: the event's data */
    struct cloud_header headers[CLOUD_EVENT_HEADERS_MAX];
    size_t header_count;
    char text[CLOUD_EVENT_TEXT_MAX]; /* what the header values point into */
};

/* The record of an event. ce_correlationid, ce_causationid, ce_traceparent and traceparent are
 * taken from its metadata, if they are there and the metadata can be read. STATUS_INVALID when they
 * do not fit: *ret_record is then meaningless. The values point into the struct itself, so it must
 * not be copied. */
MUST_CHECK enum status cloud_event_from(const struct recorded_event *event,
                                        struct cloud_event *ret_record, struct error *error);

/*
 * The event of a record. `partition` is the Kafka partition. Texts are borrowed from the arguments,
 * except for the metadata. That is written into `metadata`, which is cleared first and has the
 * limit CLOUD_EVENT_METADATA_MAX. It holds correlation, causation and trace as far as the headers
 * have them; a value that is not printable is left out.
 *
 * STATUS_INVALID: the record has no value, or does not say where it belongs: ce_position, ce_id,
 * ce_cartversion, ce_type, ce_time or a key that is a UUID is missing, malformed or given twice, or
 * ce_subject is another cart.
 */
MUST_CHECK enum status cloud_event_read(int16_t partition, struct str key, struct str value,
                                        const struct cloud_header *headers, size_t header_count,
                                        struct text *metadata, struct recorded_event *ret_event,
                                        struct error *error);
