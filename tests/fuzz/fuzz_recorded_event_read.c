/* Input: the JSON of one event. What is read is written with the same bytes in data and metadata.
 */
#include "fuzz.h"
#include "recorded_event.h"

static void require_stable(const struct recorded_event *event, size_t size)
{
    AUTO(text_done) struct text text = TEXT_INIT(8 * size + 1024);
    struct json_out out = json_out_to(&text);
    recorded_event_write(event, &out);
    REQUIRE(text_ok(&text));
    struct recorded_event back;
    void *source;
    enum status status = recorded_event_read(text_str(&text), &back, &source, NULL);
    REQUIRE(status == STATUS_OK);
    REQUIRE(back.partition == event->partition && back.position == event->position);
    REQUIRE(back.version == event->version && back.schema_version == event->schema_version);
    REQUIRE(back.occurred_at_us == event->occurred_at_us);
    REQUIRE(uuid_equal(&back.cart_id, &event->cart_id));
    REQUIRE(uuid_equal(&back.event_id, &event->event_id));
    REQUIRE(str_equal(back.type, event->type));
    REQUIRE(str_equal(back.data, event->data));
    REQUIRE(str_equal(back.metadata, event->metadata));
    free(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct recorded_event event;
    struct error error;
    void *source;
    if (recorded_event_read(input_of(bytes, size), &event, &source, &error) == STATUS_OK) {
        require_stable(&event, size);
        free(source);
    }
    return 0;
}
