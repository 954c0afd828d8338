#include "fake_event_store.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct cart_key fake_cart(uint8_t number)
{
    struct cart_key key = {.cart_id = {{number, 1, 2, 3, 4, 5, 0x70, 7, 0x80, 9}}};
    key.partition = cart_partition(&key.cart_id, FAKE_PARTITIONS);
    return key;
}

bool is_same_cart(const struct cart_key *a, const struct cart_key *b)
{
    return a->partition == b->partition && uuid_equal(&a->cart_id, &b->cart_id);
}

struct fake_event *fake_find(struct fake_store *fake, const struct cart_key *cart, int32_t version)
{
    for (size_t i = 0; i < fake->event_count; i++)
        if (fake->events[i].event.version == version &&
            is_same_cart(&fake->events[i].event.cart, cart))
            return &fake->events[i];
    return NULL;
}

int32_t fake_version(struct fake_store *fake, const struct cart_key *cart)
{
    int32_t version = 0;
    for (size_t i = 0; i < fake->event_count; i++)
        if (is_same_cart(&fake->events[i].event.cart, cart) &&
            fake->events[i].event.version > version)
            version = fake->events[i].event.version;
    return version;
}

int64_t fake_put(struct fake_store *fake, const struct new_event *event)
{
    assert(fake->event_count < FAKE_EVENTS_MAX);
    struct fake_event *put = &fake->events[fake->event_count++];
    assert(event->data.length < sizeof(put->data));
    put->event = *event;
    memcpy(put->data, event->data.bytes, event->data.length);
    put->event.data.bytes = put->data;
    put->event.position = ++fake->positions[event->cart.partition];
    return put->event.position;
}

void fake_elsewhere(struct fake_store *fake, struct cart_key cart, enum event_type type,
                    const char *json)
{
    if (fake->held[cart.partition])
        return;
    fake_put(fake, &(struct new_event){.cart = cart,
                                       .version = fake_version(fake, &cart) + 1,
                                       .event_id = uuid_v7_now(),
                                       .type = type,
                                       .occurred_at_us = 1000000,
                                       .data = str_from(json),
                                       .metadata = STR_LITERAL("{}")});
}

void fake_created(struct fake_store *fake, struct cart_key cart)
{
    fake_elsewhere(fake, cart, EVENT_CART_CREATED, "{\"currency\":\"EUR\",\"customerId\":null}");
}

void fake_added(struct fake_store *fake, struct cart_key cart)
{
    fake_elsewhere(fake, cart, EVENT_ITEM_ADDED,
                   "{\"sku\":\"cup\",\"name\":\"A cup\",\"quantity\":1,\"unitPrice\":"
                   "{\"amountMinor\":500,\"currency\":\"EUR\"},\"lineQuantity\":1}");
}

/* A text in the event's metadata, or none. */
static struct str fake_metadata_text(const struct new_event *event, const char *name)
{
    char begin[32];
    int length = snprintf(begin, sizeof(begin), "\"%s\":\"", name);
    const char *found =
        memmem(event->metadata.bytes, event->metadata.length, begin, (size_t)length);
    return found == NULL ? STR_NONE : (struct str){found + length, strcspn(found + length, "\"")};
}

/* The port */

static bool is_reachable(struct fake_store *fake)
{
    if (fake->is_gone)
        fake->is_connected = false;
    return fake->is_connected;
}

static enum status fake_connect(void *context, int64_t deadline_us, bool *ret_is_new,
                                struct error *error)
{
    struct fake_store *fake = context;
    (void)deadline_us;
    *ret_is_new = false;
    if (is_reachable(fake))
        return STATUS_OK;
    if (fake->on_connect != NULL)
        fake->on_connect(fake, fake->connect_calls);
    fake->connect_calls++;
    if (fake->is_gone)
        return error_set(error, STATUS_UNAVAILABLE, "nobody there");
    fake->is_connected = true;
    *ret_is_new = true;
    return STATUS_OK;
}

static enum status fake_ping(void *context, int64_t deadline_us, struct error *error)
{
    struct fake_store *fake = context;
    (void)deadline_us;
    return is_reachable(fake) ? STATUS_OK : error_set(error, STATUS_UNAVAILABLE, "gone");
}

static enum status fail_read(struct fake_store *fake, struct error *error)
{
    if (fake->reads_failing > 0) {
        fake->reads_failing--;
        fake->is_connected = false;
        return error_set(error, STATUS_UNCERTAIN, "connection lost");
    }
    if (!is_reachable(fake))
        return error_set(error, STATUS_UNAVAILABLE, "not connected");
    return STATUS_OK;
}

static enum status fake_load(void *context, const struct cart_tail *carts, size_t count,
                             int64_t deadline_us, stored_event_fn *sink, void *sink_context,
                             bool *ret_complete, struct error *error)
{
    struct fake_store *fake = context;
    (void)deadline_us;
    if (fake->before_load != NULL)
        fake->before_load(fake, fake->load_calls);
    fake->load_calls++;
    enum status status = fail_read(fake, error);
    if (status != STATUS_OK)
        return status;
    size_t rows_max = fake->cart_rows_max > 0 ? fake->cart_rows_max : EVENT_STORE_CART_ROWS_MAX;
    size_t left = fake->load_rows_max > 0 ? fake->load_rows_max : EVENT_STORE_LOAD_ROWS_MAX;
    for (size_t cart = 0; cart < count; cart++) {
        size_t rows = 0;
        for (size_t i = 0; i < fake->event_count && rows < rows_max && left > 0; i++) {
            const struct new_event *event = &fake->events[i].event;
            if (!is_same_cart(&event->cart, &carts[cart].cart) ||
                event->version <= carts[cart].after_version)
                continue;
            rows++;
            left--;
            const struct stored_event stored = {
                .event_id = event->event_id,
                .version = event->version,
                .type = event->type < EVENT_TYPE_COUNT ? str_from(event_type_name(event->type))
                                                       : STR_LITERAL("CartPainted"),
                .schema_version = 1,
                .occurred_at_us = event->occurred_at_us,
                .data = event->data,
                .command_key = fake_metadata_text(event, "key"),
            };
            sink(sink_context, cart, &stored);
        }
        ret_complete[cart] = rows < rows_max && left > 0;
    }
    return STATUS_OK;
}

static enum status fake_versions(void *context, const struct cart_key *carts, size_t count,
                                 int64_t deadline_us, int32_t *ret_versions, struct error *error)
{
    struct fake_store *fake = context;
    (void)deadline_us;
    fake->versions_calls++;
    enum status status = fail_read(fake, error);
    if (status == STATUS_OK && fake->versions_answer != STATUS_OK)
        status = error_set(error, fake->versions_answer, "no right to do that");
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        ret_versions[i] = fake_version(fake, &carts[i]);
    return status;
}

static enum status fake_recall(void *context, const struct past_command *commands, size_t count,
                               int64_t deadline_us, recalled_event_fn *sink, void *sink_context,
                               struct error *error)
{
    struct fake_store *fake = context;
    (void)deadline_us;
    fake->recall_calls++;
    enum status status = fail_read(fake, error);
    for (size_t command = 0; status == STATUS_OK && command < count; command++)
        for (size_t i = 0; i < fake->event_count; i++) {
            const struct new_event *event = &fake->events[i].event;
            if (!is_same_cart(&event->cart, &commands[command].cart) ||
                event->version < commands[command].first_version ||
                !str_equal(fake_metadata_text(event, "key"), commands[command].key))
                continue;
            sink(sink_context, command,
                 &(struct recalled_event){
                     .event = {event->event_id, event->version, event->type, event->occurred_at_us},
                     .position = event->position,
                     .request_hash = fake_metadata_text(event, "requestHash")});
        }
    return status;
}

static enum status fake_hold(void *context, const int16_t *partitions, size_t count,
                             int64_t deadline_us, struct error *error)
{
    struct fake_store *fake = context;
    (void)deadline_us;
    fake->hold_calls++;
    enum status status = fail_read(fake, error);
    if (status == STATUS_OK && fake->hold_answer != STATUS_OK)
        status = error_set(error, fake->hold_answer, "no right to do that");
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        fake->held[partitions[i]] = true;
    return status;
}

static void fake_release(void *context, int64_t deadline_us)
{
    struct fake_store *fake = context;
    (void)deadline_us;
    memset(fake->held, 0, sizeof(fake->held));
}

static enum status put_all(struct fake_store *fake, struct new_event *events, size_t count,
                           struct error *error)
{
    for (size_t i = 0; i < count; i++)
        if (fake_find(fake, &events[i].cart, events[i].version) != NULL)
            return error_set(error, STATUS_CONFLICT, "taken");
    for (size_t i = 0; i < count; i++)
        events[i].position = fake_put(fake, &events[i]);
    return STATUS_OK;
}

static enum status fake_append(void *context, struct new_event *events, size_t count,
                               int64_t deadline_us, struct error *error)
{
    struct fake_store *fake = context;
    (void)deadline_us;
    size_t call = fake->append_calls++;
    assert(call < FAKE_CALLS_MAX);
    fake->append_sizes[call] = count;
    fake->append_first_ids[call] = events[0].event_id;
    if (fake->before_append != NULL)
        fake->before_append(fake, call);
    memset(fake->held, 0, sizeof(fake->held));
    if (!is_reachable(fake))
        return error_set(error, STATUS_UNAVAILABLE, "not connected");
    switch (fake->appends[call]) {
    case FAKE_UNAVAILABLE:
        return error_set(error, STATUS_UNAVAILABLE, "deadlock");
    case FAKE_INTERNAL:
        return error_set(error, STATUS_INTERNAL, "no right to do that");
    case FAKE_CONFLICTS:
        return error_set(error, STATUS_CONFLICT, "taken");
    case FAKE_DONE_UNKNOWN:
        assert(put_all(fake, events, count, error) == STATUS_OK);
        fake->is_connected = false;
        return error_set(error, STATUS_UNCERTAIN, "connection lost");
    case FAKE_UNDONE_UNKNOWN:
        fake->is_connected = false;
        return error_set(error, STATUS_UNCERTAIN, "connection lost");
    case FAKE_WORKS:
        break;
    }
    return put_all(fake, events, count, error);
}

static enum status fake_standing(void *context, const struct new_event *events, size_t count,
                                 int64_t deadline_us, struct standing_event *ret_standing,
                                 struct error *error)
{
    struct fake_store *fake = context;
    (void)deadline_us;
    fake->find_calls++;
    enum status status = fail_read(fake, error);
    if (status == STATUS_OK && fake->find_answer != STATUS_OK)
        status = error_set(error, fake->find_answer, "no right to do that");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct fake_event *found = fake_find(fake, &events[i].cart, events[i].version);
        ret_standing[i] = (struct standing_event){.exists = found != NULL};
        if (found != NULL) {
            ret_standing[i].event_id = found->event.event_id;
            ret_standing[i].position = found->event.position;
        }
    }
    return status;
}

struct event_store fake_port(struct fake_store *fake)
{
    return (struct event_store){
        .context = fake,
        .connect = fake_connect,
        .ping = fake_ping,
        .load = fake_load,
        .versions = fake_versions,
        .recall = fake_recall,
        .hold = fake_hold,
        .release = fake_release,
        .append = fake_append,
        .find = fake_standing,
    };
}
