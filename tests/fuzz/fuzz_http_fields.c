/* Input: the value of a header field, read as each of the fields that have a meaning here. */
#include "fuzz.h"
#include "http_accept.h"
#include "http_cors.h"
#include "idempotency_key.h"
#include "if_none_match.h"
#include "prefer.h"
#include "request_metadata.h"
#include "utf8.h"

#include <jansson.h>

enum { WAIT_MAX_S = 10, QUOTED_MAX = 2 * COMMAND_KEY_BYTES_MAX + 2 };

/* A key that was read is read again from its quoted form. */
static void check_idempotency_key(struct str field)
{
    char buffer[COMMAND_KEY_BYTES_MAX];
    char again_buffer[COMMAND_KEY_BYTES_MAX];
    char quoted[QUOTED_MAX];
    size_t length = 0;
    struct str key;
    struct str again;
    if (!idempotency_key_parse(field, buffer, &key))
        return;
    REQUIRE(!str_is_none(key) && key.length >= 1 && key.length <= COMMAND_KEY_BYTES_MAX);
    quoted[length++] = '"';
    for (size_t i = 0; i < key.length; i++) {
        REQUIRE(key.bytes[i] >= ' ' && key.bytes[i] <= '~');
        if (key.bytes[i] == '"' || key.bytes[i] == '\\')
            quoted[length++] = '\\';
        quoted[length++] = key.bytes[i];
    }
    quoted[length++] = '"';
    REQUIRE(idempotency_key_parse((struct str){quoted, length}, again_buffer, &again));
    REQUIRE(str_equal(key, again));
    struct uuid cart = idempotency_key_cart(key);
    struct uuid same = idempotency_key_cart(again);
    REQUIRE(uuid_equal(&cart, &same));
}

static void check_if_none_match(struct str field)
{
    struct if_none_match condition;
    if (!if_none_match_parse(field, &condition))
        return;
    if (if_none_match_has(&condition, 7))
        REQUIRE(condition.any || memmem(field.bytes, field.length, "\"7\"", 3) != NULL);
}

/* Whatever came, the metadata stored with an event is JSON. */
static void check_metadata(struct str field)
{
    AUTO(text_done) struct text text = TEXT_INIT(METADATA_BYTES_MAX);
    struct str correlation_id = correlation_id_is_valid(field) ? field : STR_NONE;
    REQUIRE(str_is_none(correlation_id) || field.length <= CORRELATION_ID_BYTES_MAX);
    request_metadata_write(correlation_id, field, &(struct command_key){.key = STR_NONE}, &text);
    REQUIRE(text_ok(&text));
    json_t *json = json_loadb(text_str(&text).bytes, text_str(&text).length, 0, NULL);
    REQUIRE(json != NULL);
    REQUIRE(str_is_none(correlation_id) == (json_object_get(json, "correlationId") == NULL));
    REQUIRE(traceparent_is_valid(field) == (json_object_get(json, "traceparent") != NULL));
    json_decref(json);
}

/* Every origin of a valid list is found, and nothing longer. */
static void check_cors(struct str field)
{
    char setting[1024];
    struct http_cors cors;
    struct error error;
    if (field.length >= sizeof(setting))
        return;
    memcpy(setting, field.bytes, field.length);
    setting[field.length] = '\0';
    enum status checked = http_cors_check(setting, &error);
    REQUIRE(http_cors_init(setting, &cors, &error) == checked);
    if (checked != STATUS_OK)
        return;
    for (size_t i = 0; i < cors.count; i++) {
        struct str origin = str_from(cors.origins[i]);
        REQUIRE(strstr(setting, cors.origins[i]) != NULL && strstr(origin.bytes, "://") != NULL);
        REQUIRE(strcspn(origin.bytes, " ,*/\r\n\"") ==
                (size_t)(strchr(origin.bytes, '/') - origin.bytes));
        REQUIRE(http_cors_find(&cors, origin) != NULL);
        REQUIRE(http_cors_find(&cors, (struct str){origin.bytes, origin.length - 1}) !=
                cors.origins[i]);
    }
    http_cors_done(&cors);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str field = input_of(bytes, size);
    int seconds = -1;
    check_idempotency_key(field);
    check_if_none_match(field);
    check_metadata(field);
    check_cors(field);
    if (prefer_wait(field, WAIT_MAX_S, &seconds))
        REQUIRE(seconds >= 0 && seconds <= WAIT_MAX_S);
    enum http_preference json = http_accepts(field, "application/json");
    REQUIRE(json != HTTP_ACCEPTED_BY_NAME || memmem(field.bytes, field.length, "/", 1) != NULL);
    return 0;
}
