/* Input: the event type, a line break, the JSON, which is read as each schema version there was.
 * Data that was read is written in the newest version, and reads the same. */
#include "event_data.h"
#include "fuzz.h"

enum { SCHEMA_VERSION_MAX = 2 };

static void require_stable(const struct event_data *data)
{
    AUTO(text_done) struct text first = TEXT_INIT(8 * EVENT_DATA_MAX);
    AUTO(text_done) struct text second = TEXT_INIT(8 * EVENT_DATA_MAX);
    event_data_write(data, &first);
    REQUIRE(text_ok(&first));
    if (first.length > EVENT_DATA_MAX)
        return;
    AUTO(event_data_done) struct event_data back = {0};
    enum status status =
        event_data_read(str_from(event_type_name(data->type)),
                        event_type_schema_version(data->type), text_str(&first), &back, NULL);
    REQUIRE(status == STATUS_OK);
    event_data_write(&back, &second);
    REQUIRE(str_equal(text_str(&first), text_str(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str json = input_of(bytes, size);
    struct str type = take_line(&json);
    for (int version = 0; version <= SCHEMA_VERSION_MAX + 1; version++) {
        struct error error;
        AUTO(event_data_done) struct event_data data = {0};
        if (event_data_read(type, version, json, &data, &error) == STATUS_OK)
            require_stable(&data);
    }
    return 0;
}
