/* Input: the key on a line, headers as `name:value` lines, an empty line, the value. An event that
 * was read makes a record that reads the same. */
#include "cloud_event.h"
#include "fuzz.h"

enum { HEADERS_MAX = 24, NAME_MAX_BYTES = 32 };

struct headers {
    struct cloud_header list[HEADERS_MAX];
    char names[HEADERS_MAX][NAME_MAX_BYTES + 1];
    size_t count;
};

static void take_headers(struct str *rest, struct headers *headers)
{
    headers->count = 0;
    while (headers->count < HEADERS_MAX) {
        struct str line = take_line(rest);
        const char *colon = line.length > 0 ? memchr(line.bytes, ':', line.length) : NULL;
        if (colon == NULL || colon - line.bytes > NAME_MAX_BYTES)
            return;
        size_t length = (size_t)(colon - line.bytes);
        char *name = headers->names[headers->count];
        memcpy(name, line.bytes, length);
        name[length] = '\0';
        headers->list[headers->count++] =
            (struct cloud_header){name, {colon + 1, line.length - length - 1}};
    }
}

static void require_stable(const struct recorded_event *event)
{
    static struct cloud_event record;
    if (cloud_event_from(event, &record, NULL) != STATUS_OK)
        return; /* the texts do not fit into a record of ours */
    AUTO(text_done) struct text metadata = TEXT_INIT(CLOUD_EVENT_METADATA_MAX);
    struct recorded_event back;
    enum status status =
        cloud_event_read(event->partition, str_from(record.key), record.value, record.headers,
                         record.header_count, &metadata, &back, NULL);
    REQUIRE(status == STATUS_OK);
    REQUIRE(back.position == event->position && back.version == event->version);
    REQUIRE(back.schema_version == event->schema_version);
    REQUIRE(back.occurred_at_us == event->occurred_at_us);
    REQUIRE(uuid_equal(&back.cart_id, &event->cart_id));
    REQUIRE(uuid_equal(&back.event_id, &event->event_id));
    REQUIRE(str_equal(back.type, event->type));
    REQUIRE(str_equal(back.data, event->data));
    REQUIRE(str_equal(back.metadata, event->metadata));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct headers headers;
    struct str rest = input_of(bytes, size);
    struct str key = take_line(&rest);
    take_headers(&rest, &headers);
    AUTO(text_done) struct text metadata = TEXT_INIT(CLOUD_EVENT_METADATA_MAX);
    struct recorded_event event;
    struct error error;
    if (cloud_event_read(0, key, rest, headers.list, headers.count, &metadata, &event, &error) ==
        STATUS_OK)
        require_stable(&event);
    return 0;
}
