#include "fake_projector_ports.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct uuid fake_cart_id(int16_t partition, int n)
{
    struct uuid id = {{0}};
    for (uint32_t i = 0;; i++) {
        memcpy(&id.bytes[8], &i, sizeof(i));
        if (cart_partition(&id, FAKE_PARTITIONS) == partition && n-- == 0)
            return id;
    }
}

/* The n-th cart's event of that version; versions from 2 on add one item. */
static void fake_fill(struct fake_event *made, int16_t partition, int64_t position, int cart,
                      int32_t version)
{
    *made = (struct fake_event){
        .event = {.partition = partition,
                  .position = position,
                  .cart_id = fake_cart_id(partition, cart),
                  .version = version,
                  .event_id = {{1, (uint8_t)partition}},
                  .schema_version = 1,
                  .occurred_at_us = 1000000 * position,
                  .metadata = STR_LITERAL("{}")},
    };
    memcpy(&made->event.event_id.bytes[8], &position, sizeof(position));
    snprintf(made->type, sizeof(made->type), "%s", version == 1 ? "CartCreated" : "ItemAdded");
    if (version == 1)
        snprintf(made->data, sizeof(made->data), "{\"currency\":\"EUR\",\"customerId\":null}");
    else
        snprintf(
            made->data, sizeof(made->data),
            "{\"sku\":\"tea\",\"name\":\"Tea\",\"quantity\":1,\"unitPrice\":{\"amountMinor\":5,"
            "\"currency\":\"EUR\"},\"lineQuantity\":%d}",
            version - 1);
}

/* Pointers into the struct itself, after it has been copied. */
static const struct recorded_event *fake_point(struct fake_event *made)
{
    made->event.type = str_from(made->type);
    made->event.data = str_from(made->data);
    return &made->event;
}

struct fake_event *fake_log(struct fake *fake, int16_t partition, int cart, int32_t version)
{
    struct fake_partition *at = &fake->partitions[partition];
    struct fake_event *made = &at->log[at->log_end++];
    fake_fill(made, partition, at->log_end, cart, version);
    return made;
}

struct fake_record *fake_publish(struct fake *fake, const struct fake_event *event)
{
    struct fake_partition *at = &fake->partitions[event->event.partition];
    struct fake_record *record = &at->topic[at->topic_end++];
    *record = (struct fake_record){.content = *event};
    return record;
}

struct fake_event *fake_happen(struct fake *fake, int16_t partition, int cart, int32_t version)
{
    struct fake_event *made = fake_log(fake, partition, cart, version);
    fake_publish(fake, made);
    return made;
}

/* The feed. */

static enum status fake_poll(void *self, int wait_ms, struct feed_batch *ret_batch,
                             struct error *error)
{
    struct fake *fake = self;
    (void)error;
    (void)wait_ms;
    /* What was borrowed until now is gone. */
    memset(fake->records, 0xff, sizeof(fake->records));
    memset(fake->made, 0xff, sizeof(fake->made));
    static struct feed_change changes[ARRAY_SIZE(fake->changes)];
    memcpy(changes, fake->changes, sizeof(changes));
    *ret_batch = (struct feed_batch){.changes = changes, .change_count = fake->change_count};
    fake->change_count = 0;
    size_t most = fake->feed_max > 0 ? fake->feed_max : FAKE_MAX;
    size_t count = 0;
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++) {
        struct fake_partition *at = &fake->partitions[p];
        while ((at->is_started || at->is_dropped) && at->next_offset < at->topic_end &&
               count < most) {
            struct fake_record *record = &at->topic[at->next_offset];
            struct cloud_event *made = &fake->made[count];
            enum status status = cloud_event_from(fake_point(&record->content), made, NULL);
            assert(status == STATUS_OK);
            fake->records[count++] = (struct feed_record){
                .partition = at->is_dropped ? -1 : p,
                .offset = at->next_offset++,
                .key = str_from(made->key),
                .value = made->value,
                .headers = made->headers,
                .header_count = record->is_unreadable ? 0 : made->header_count,
            };
        }
    }
    ret_batch->records = fake->records;
    ret_batch->record_count = count;
    ret_batch->is_full = count == most;
    return STATUS_OK;
}

static enum status fake_start(void *self, int16_t partition, int64_t offset, struct error *error)
{
    struct fake *fake = self;
    struct fake_partition *at = &fake->partitions[partition];
    fake->starts++;
    if (fake->start_answer != STATUS_OK)
        return error_set(error, fake->start_answer, "not now");
    at->is_started = true;
    at->next_offset = offset < 0 || offset > at->topic_end ? 0 : offset;
    return STATUS_OK;
}

static void fake_stop(void *self, int16_t partition)
{
    struct fake *fake = self;
    fake->partitions[partition].is_started = false;
}

static void fake_commit(void *self, int16_t partition, int64_t next_offset)
{
    struct fake *fake = self;
    fake->partitions[partition].committed_offset = next_offset;
}

static int64_t fake_end_offset(void *self, int16_t partition)
{
    struct fake *fake = self;
    return fake->partitions[partition].topic_end;
}

void fake_change(struct fake *fake, enum feed_change_kind kind, int16_t partition)
{
    fake->partitions[partition].is_started = false;
    fake->changes[fake->change_count++] = (struct feed_change){kind, partition};
}

/* The store. */

static struct fake_cart *fake_find_among(struct fake_cart *carts, size_t count,
                                         const struct uuid *cart_id)
{
    for (size_t i = 0; i < count; i++)
        if (uuid_equal(&carts[i].cart_id, cart_id))
            return &carts[i];
    return NULL;
}

struct fake_cart *fake_find(struct fake *fake, const struct uuid *cart_id)
{
    return fake_find_among(fake->carts, fake->cart_count, cart_id);
}

static struct fake_cart *fake_find_or_add(struct fake *fake, const struct uuid *cart_id,
                                          int16_t partition)
{
    struct fake_cart *cart = fake_find(fake, cart_id);
    if (cart != NULL)
        return cart;
    cart = &fake->carts[fake->cart_count++];
    *cart = (struct fake_cart){.cart_id = *cart_id, .partition = partition};
    return cart;
}

int32_t fake_version(struct fake *fake, int16_t partition, int cart)
{
    struct uuid id = fake_cart_id(partition, cart);
    const struct fake_cart *found =
        fake->is_in_transaction ? fake_find_among(fake->before.carts, fake->before.cart_count, &id)
                                : fake_find(fake, &id);
    return found != NULL ? found->version : 0;
}

int64_t fake_position(const struct fake *fake, int16_t partition)
{
    return fake->is_in_transaction ? fake->before.stored[partition].position
                                   : fake->partitions[partition].stored.position;
}

static void fake_begin_transaction(struct fake *fake)
{
    struct fake_before *before = &fake->before;
    fake->is_in_transaction = true;
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++) {
        before->stored[p] = fake->partitions[p].stored;
        before->write_counts[p] = fake->partitions[p].write_count;
    }
    memcpy(before->carts, fake->carts, fake->cart_count * sizeof(fake->carts[0]));
    before->cart_count = fake->cart_count;
    for (size_t i = 0; i < fake->cart_count; i++)
        before->carts[i].body = fake->carts[i].body != NULL ? strdup(fake->carts[i].body) : NULL;
    before->timeline_count = fake->timeline_count;
    before->parked_count = fake->parked_count;
    before->next_record_id = fake->next_record_id;
}

static void fake_free_bodies(struct fake_cart *carts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(carts[i].body);
}

static void fake_commit_transaction(struct fake *fake)
{
    fake->is_in_transaction = false;
    fake_free_bodies(fake->before.carts, fake->before.cart_count);
}

static void fake_roll_back(struct fake *fake)
{
    const struct fake_before *before = &fake->before;
    fake->is_in_transaction = fake->is_doomed = false;
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++) {
        fake->partitions[p].stored = before->stored[p];
        fake->partitions[p].write_count = before->write_counts[p];
    }
    fake_free_bodies(fake->carts, fake->cart_count);
    memcpy(fake->carts, before->carts, before->cart_count * sizeof(fake->carts[0]));
    fake->cart_count = before->cart_count;
    fake->timeline_count = before->timeline_count;
    fake->parked_count = before->parked_count;
    fake->next_record_id = before->next_record_id;
}

/* Of a write or a load, which alone may be part of a transaction. */
static enum status fake_store_answer_within(const struct fake *fake, struct error *error)
{
    assert(!fake->is_writing && !fake->is_doomed);
    return fake->store_answer == STATUS_OK
               ? STATUS_OK
               : error_set(error, fake->store_answer, "the database is gone");
}

/* Of anything else. */
static enum status fake_store_answer(const struct fake *fake, struct error *error)
{
    assert(!fake->is_in_transaction);
    return fake_store_answer_within(fake, error);
}

static enum status fake_read_log(void *self, int partition_count, struct known_log *ret_log,
                                 struct error *error)
{
    struct fake *fake = self;
    *ret_log = (struct known_log){fake->is_log_known, fake->known_log, partition_count};
    return fake_store_answer(fake, error);
}

static enum status fake_adopt_log(void *self, const struct uuid *log_id, struct error *error)
{
    struct fake *fake = self;
    if (fake->store_answer == STATUS_OK && !fake->is_log_known) {
        fake->is_log_known = true;
        fake->known_log = *log_id;
    }
    return fake_store_answer(fake, error);
}

static enum status fake_load_checkpoints(void *self, const int16_t *partitions, size_t count,
                                         struct checkpoint *ret_checkpoints, struct error *error)
{
    struct fake *fake = self;
    for (size_t i = 0; i < count; i++)
        ret_checkpoints[i] = fake->partitions[partitions[i]].stored;
    return fake_store_answer(fake, error);
}

static enum status fake_store_answer_in_time(struct fake *fake, size_t rows, struct error *error)
{
    if (fake->rows_max > 0 && rows > fake->rows_max)
        return error_set(error, STATUS_UNAVAILABLE, "it takes too long");
    return fake_store_answer_within(fake, error);
}

static enum status fake_load_carts(void *self, const struct uuid *cart_ids, size_t count,
                                   stored_cart_fn *visit, void *context, struct error *error)
{
    struct fake *fake = self;
    enum status status = fake_store_answer_in_time(fake, count, error);
    fake->loads++;
    usleep(fake->load_us);
    if (fake->load_max > 0 && count > fake->load_max)
        count = fake->load_max;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        struct stored_cart stored = {.cart_id = cart_ids[i]};
        const struct fake_cart *cart = fake_find(fake, &cart_ids[i]);
        if (cart != NULL) {
            stored.version = cart->version;
            stored.body = str_from(cart->body);
            stored.is_parked = cart->is_parked;
        }
        status = visit(context, &stored, error);
    }
    return status;
}

static void fake_put_view(struct fake *fake, const struct view_row *view)
{
    struct fake_cart *cart = fake_find_or_add(fake, &view->cart_id, view->partition);
    assert(cart->version < view->version);
    cart->version = view->version;
    free(cart->body);
    cart->body = strndup(view->body.bytes, view->body.length);
}

static void fake_park(struct fake *fake, const struct parked_record *record)
{
    for (size_t i = 0; i < fake->parked_count; i++)
        if (fake->parked[i].partition == record->partition && record->position == 0 &&
            fake->parked[i].offset == record->kafka_offset)
            return;
    struct fake_parked *parked = &fake->parked[fake->parked_count++];
    *parked = (struct fake_parked){.id = ++fake->next_record_id,
                                   .partition = record->partition,
                                   .position = record->position,
                                   .offset = record->kafka_offset,
                                   .has_cart = record->has_cart,
                                   .cart_id = record->cart_id};
    snprintf(parked->reason, sizeof(parked->reason), "%s", record->reason);
    if (!record->has_cart)
        return;
    struct text metadata = TEXT_INIT(4096);
    struct recorded_event event;
    enum status status =
        cloud_event_read(record->partition, record->key, record->value, record->headers,
                         record->header_count, &metadata, &event, NULL);
    text_done(&metadata);
    parked->is_record = status == STATUS_OK;
    if (!parked->is_record)
        return;
    parked->content.event = event;
    parked->content.event.metadata = STR_LITERAL("{}");
    snprintf(parked->content.type, sizeof(parked->content.type), STR_FORMAT, STR_ARGS(event.type));
    snprintf(parked->content.data, sizeof(parked->content.data), STR_FORMAT, STR_ARGS(event.data));
}

static bool fake_is_at(const struct fake *fake, const struct checkpoint_move *move)
{
    const struct checkpoint *stored = &fake->partitions[move->partition].stored;
    return stored->position == move->from.position && stored->epoch == move->from.epoch &&
           uuid_equal(&stored->event_id, &move->from.event_id);
}

static bool fake_refuses(const struct fake *fake, const struct recorded_event *const *timeline,
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (int16_t p = 0; p < FAKE_PARTITIONS; p++)
            if (uuid_equal(&timeline[i]->event_id, &fake->refused_events[p]))
                return true;
    return false;
}

/* Written at once; the caller hears of it at the end. */
static enum status fake_write(struct fake *fake, const struct view_write *write, bool *ret_moved,
                              struct error *error)
{
    enum status status = fake_store_answer_in_time(fake, write->timeline_count, error);
    if (fake_refuses(fake, write->timeline, write->timeline_count))
        return error_set(error, STATUS_INVALID, "such data cannot be stored");
    if (status != STATUS_OK ||
        (fake->write_answer != STATUS_OK && fake->write_answer != STATUS_UNCERTAIN))
        return status != STATUS_OK ? status : error_set(error, fake->write_answer, "no");
    bool moved[FAKE_PARTITIONS] = {false};
    for (size_t i = 0; i < write->move_count; i++) {
        const struct checkpoint_move *move = &write->moves[i];
        assert(i == 0 || write->moves[i - 1].partition < move->partition);
        ret_moved[i] = moved[move->partition] = fake_is_at(fake, move);
        if (ret_moved[i]) {
            int64_t epoch = fake->partitions[move->partition].stored.epoch;
            fake->partitions[move->partition].stored = move->to;
            fake->partitions[move->partition].stored.epoch = epoch;
            fake->partitions[move->partition].write_count++;
        }
    }
    for (size_t i = 0; i < write->view_count; i++)
        if (moved[write->views[i].partition])
            fake_put_view(fake, &write->views[i]);
    for (size_t i = 0; i < write->timeline_count; i++)
        fake->timeline_count += moved[write->timeline[i]->partition] ? 1 : 0;
    for (size_t i = 0; i < write->parked_cart_count; i++)
        if (moved[write->parked_carts[i].partition])
            fake_find_or_add(fake, &write->parked_carts[i].cart_id,
                             write->parked_carts[i].partition)
                ->is_parked = true;
    for (size_t i = 0; i < write->parked_record_count; i++)
        if (moved[write->parked_records[i].partition])
            fake_park(fake, &write->parked_records[i]);
    return fake->write_answer == STATUS_OK ? STATUS_OK
                                           : error_set(error, fake->write_answer, "who knows");
}

static enum status fake_begin_write(void *self, const struct view_write *write, struct error *error)
{
    struct fake *fake = self;
    assert(!fake->is_writing && !fake->is_doomed);
    if (write->stays_open && !fake->is_in_transaction)
        fake_begin_transaction(fake);
    fake->is_doomed = fake->is_in_transaction && fake->begin_answer != STATUS_OK;
    if (fake->begin_answer != STATUS_OK)
        return error_set(error, fake->begin_answer, "not sent");
    fake->written = fake_write(fake, write, fake->moved, &fake->write_error);
    fake->is_writing = true;
    return STATUS_OK;
}

/* What a write that is part of a transaction, or its last one, did to it. When nobody knows, it was
 * the commit. */
static void fake_go_on_with_transaction(struct fake *fake, const struct view_write *write)
{
    for (size_t i = 0; i < write->move_count; i++)
        fake->is_doomed = fake->is_doomed || !fake->moved[i];
    fake->is_doomed = fake->is_doomed || (fake->written != STATUS_OK &&
                                          (fake->written != STATUS_UNCERTAIN || write->stays_open));
    if (!write->stays_open && !fake->is_doomed)
        fake_commit_transaction(fake);
}

static enum status fake_end_write(void *self, const struct view_write *write, bool *ret_moved,
                                  struct error *error)
{
    struct fake *fake = self;
    assert(fake->is_writing);
    fake->is_writing = false;
    memcpy(fake->was_held, fake->is_held, sizeof(fake->was_held));
    memcpy(ret_moved, fake->moved, write->move_count * sizeof(*ret_moved));
    fake->commits += fake->written == STATUS_OK && !write->stays_open ? 1 : 0;
    if (fake->is_in_transaction)
        fake_go_on_with_transaction(fake, write);
    *error = fake->write_error;
    return fake->written;
}

static bool fake_is_among(const int16_t *partitions, size_t count, int16_t partition)
{
    for (size_t i = 0; i < count; i++)
        if (partitions[i] == partition)
            return true;
    return false;
}

static enum status fake_count_parked(void *self, const int16_t *partitions, size_t count,
                                     int64_t *ret_carts, int64_t *ret_pending, struct error *error)
{
    struct fake *fake = self;
    *ret_carts = 0;
    *ret_pending = 0;
    for (size_t i = 0; i < fake->cart_count; i++)
        if (fake->carts[i].is_parked && fake_is_among(partitions, count, fake->carts[i].partition))
            *ret_carts += 1;
    for (size_t i = 0; i < fake->parked_count; i++)
        if (!fake->parked[i].is_dead_lettered &&
            fake_is_among(partitions, count, fake->parked[i].partition))
            *ret_pending += 1;
    return fake_store_answer(fake, error);
}

static enum status fake_visit_parked(struct fake_parked *parked, parked_record_fn *visit,
                                     void *context, struct error *error)
{
    struct parked_record record = {.record_id = parked->id,
                                   .partition = parked->partition,
                                   .position = parked->position,
                                   .kafka_offset = parked->offset,
                                   .has_cart = parked->has_cart,
                                   .cart_id = parked->cart_id,
                                   .reason = parked->reason};
    if (parked->is_record) {
        enum status status = cloud_event_from(fake_point(&parked->content), &parked->record, error);
        assert(status == STATUS_OK);
        record.key = str_from(parked->record.key);
        record.value = parked->record.value;
        record.headers = parked->record.headers;
        record.header_count = parked->record.header_count;
    }
    return visit(context, &record, error);
}

static enum status fake_read_dead_letters(void *self, const int16_t *partitions, size_t count,
                                          int64_t after, parked_record_fn *visit, void *context,
                                          struct error *error)
{
    struct fake *fake = self;
    (void)partitions;
    (void)count;
    enum status status = fake_store_answer(fake, error);
    size_t left = DEAD_LETTERS_MAX;
    for (size_t i = 0; status == STATUS_OK && i < fake->parked_count && left > 0; i++)
        if (!fake->parked[i].is_dead_lettered && fake->parked[i].id > after) {
            left--;
            status = fake_visit_parked(&fake->parked[i], visit, context, error);
        }
    return status;
}

static enum status fake_mark_dead_lettered(void *self, const int64_t *record_ids, size_t count,
                                           struct error *error)
{
    struct fake *fake = self;
    if (fake->mark_answer != STATUS_OK)
        return error_set(error, fake->mark_answer, "not now");
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < fake->parked_count; j++)
            if (fake->parked[j].id == record_ids[i])
                fake->parked[j].is_dead_lettered = true;
    return fake_store_answer(fake, error);
}

static enum status fake_next_parked_cart(void *self, const struct uuid *after,
                                         struct uuid *ret_cart_id, int16_t *ret_partition,
                                         struct error *error)
{
    struct fake *fake = self;
    enum status status = fake_store_answer(fake, error);
    if (status != STATUS_OK)
        return status;
    const struct fake_cart *next = NULL;
    for (size_t i = 0; i < fake->cart_count; i++) {
        const struct fake_cart *cart = &fake->carts[i];
        if (cart->is_parked && (after == NULL || memcmp(&cart->cart_id, after, 16) > 0) &&
            (next == NULL || memcmp(&cart->cart_id, &next->cart_id, 16) < 0))
            next = cart;
    }
    if (next == NULL)
        return error_set(error, STATUS_NOT_FOUND, "none");
    *ret_cart_id = next->cart_id;
    *ret_partition = next->partition;
    return STATUS_OK;
}

static enum status fake_replay_begin(void *self, const struct uuid *cart_id, int16_t partition,
                                     struct error *error)
{
    struct fake *fake = self;
    (void)cart_id;
    (void)partition;
    assert(!fake->is_replaying);
    fake->is_replaying = fake->store_answer == STATUS_OK;
    return fake_store_answer(fake, error);
}

static enum status fake_read_parked(void *self, const struct uuid *cart_id, parked_record_fn *visit,
                                    void *context, struct error *error)
{
    struct fake *fake = self;
    size_t visited = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < fake->parked_count; i++)
        if (fake->parked[i].has_cart && uuid_equal(&fake->parked[i].cart_id, cart_id) &&
            visited++ < REPLAY_RECORDS_MAX)
            status = fake_visit_parked(&fake->parked[i], visit, context, error);
    return status;
}

static enum status fake_replay_commit(void *self, const struct uuid *cart_id,
                                      const struct view_row *view,
                                      const struct recorded_event *const *timeline,
                                      size_t timeline_count, bool *ret_is_free, int64_t *ret_epoch,
                                      struct error *error)
{
    struct fake *fake = self;
    assert(fake->is_replaying);
    if (fake->replay_answer != STATUS_OK)
        return error_set(error, fake->replay_answer, "not now");
    if (fake_refuses(fake, timeline, timeline_count))
        return error_set(error, STATUS_INVALID, "such data cannot be stored");
    fake->is_replaying = false;
    if (view != NULL)
        fake_put_view(fake, view);
    fake->timeline_count += timeline_count;
    size_t kept = 0;
    bool is_left = false;
    for (size_t i = 0; i < fake->parked_count; i++) {
        bool is_applied = false;
        for (size_t j = 0; j < timeline_count; j++)
            is_applied = is_applied || uuid_equal(&timeline[j]->event_id,
                                                  &fake->parked[i].content.event.event_id);
        is_left = is_left || (!is_applied && uuid_equal(&fake->parked[i].cart_id, cart_id));
        if (!is_applied)
            fake->parked[kept++] = fake->parked[i];
    }
    fake->parked_count = kept;
    struct fake_cart *cart = fake_find(fake, cart_id);
    cart->is_parked = is_left;
    *ret_epoch = ++fake->partitions[cart->partition].stored.epoch;
    *ret_is_free = !is_left;
    return STATUS_OK;
}

static void fake_abandon(void *self)
{
    struct fake *fake = self;
    fake->is_replaying = false;
    if (fake->is_in_transaction)
        fake_roll_back(fake);
}

enum status fake_forget_everything(void *self, struct error *error)
{
    struct fake *fake = self;
    (void)error;
    fake_free_bodies(fake->carts, fake->cart_count);
    fake->cart_count = 0;
    fake->timeline_count = 0;
    fake->parked_count = 0;
    fake->is_log_known = false;
    for (int p = 0; p < FAKE_PARTITIONS; p++)
        fake->partitions[p].stored = (struct checkpoint){
            .kafka_offset = KAFKA_OFFSET_UNKNOWN, .epoch = fake->partitions[p].stored.epoch + 1};
    return STATUS_OK;
}

static void fake_forget_partition(struct fake *fake, int16_t partition)
{
    struct fake_partition *at = &fake->partitions[partition];
    size_t kept = 0;
    int64_t parked = 0;
    for (size_t i = 0; i < fake->parked_count; i++) {
        bool goes = fake->parked[i].partition == partition && fake->parked[i].has_cart;
        parked += goes ? 1 : 0;
        if (!goes)
            fake->parked[kept++] = fake->parked[i];
    }
    fake->parked_count = kept;
    fake->timeline_count -= (size_t)(at->stored.position - parked);
    for (size_t i = 0; i < fake->cart_count; i++) {
        if (fake->carts[i].partition != partition)
            continue;
        free(fake->carts[i].body);
        fake->carts[i] = fake->carts[--fake->cart_count];
        i--;
    }
    at->stored =
        (struct checkpoint){.kafka_offset = KAFKA_OFFSET_UNKNOWN, .epoch = at->stored.epoch + 1};
}

void fake_rewind(struct fake *fake, int16_t partition, int64_t position)
{
    struct fake_partition *at = &fake->partitions[partition];
    fake_forget_partition(fake, partition);
    for (int64_t i = 0; i < position; i++) {
        const struct recorded_event *event = fake_point(&at->log[i]);
        struct cart_view view = {0};
        struct text body = TEXT_INIT(CART_VIEW_BODY_MAX);
        struct fake_cart *cart = fake_find(fake, &event->cart_id);
        enum status status =
            cart != NULL ? cart_view_read(str_from(cart->body), &view, NULL) : STATUS_OK;
        assert(status == STATUS_OK);
        status = cart_view_apply_event(&view, event, NULL);
        assert(status == STATUS_OK);
        cart_view_render(&view, &body);
        struct view_row row = view_row_of(&view, partition, text_str(&body));
        fake_put_view(fake, &row);
        text_done(&body);
        cart_view_done(&view);
        at->stored.position = event->position;
        at->stored.event_id = event->event_id;
    }
    fake->timeline_count += (size_t)position;
}

/* The log. */

static void fake_ask(void *self, const struct log_request *request)
{
    struct fake *fake = self;
    fake->request = *request;
    for (int p = 0; p < FAKE_PARTITIONS; p++)
        fake->ends[p] = fake->partitions[p].log_end;
    if (request->kind == LOG_READ_EVENTS) {
        fake->event_requests++;
        fake->last_after = request->after;
        fake->last_limit = request->limit;
    }
}

static enum status fake_reply(void *self, struct log_reply *ret_reply, struct error *error)
{
    struct fake *fake = self;
    bool is_events = fake->request.kind == LOG_READ_EVENTS;
    if (fake->log_answer != STATUS_OK ||
        (is_events && fake->request.partition == fake->silent_partition))
        return error_set(error,
                         fake->log_answer != STATUS_OK ? fake->log_answer : STATUS_UNAVAILABLE,
                         "no answer");
    *ret_reply = (struct log_reply){.log_id = fake->log_id,
                                    .last_positions = fake->ends,
                                    .partition_count = fake->log_partitions,
                                    .events = fake->answer};
    if (!is_events)
        return STATUS_OK;
    struct fake_partition *at = &fake->partitions[fake->request.partition];
    for (int64_t i = fake->request.after;
         i < at->log_end && ret_reply->event_count < (size_t)fake->request.limit; i++)
        fake->answer[ret_reply->event_count++] = *fake_point(&at->log[i]);
    return STATUS_OK;
}

/* The dead-letter topic, and what is heard. */

static enum status fake_send(void *self, const struct parked_record *record, struct error *error)
{
    struct fake *fake = self;
    if (fake->is_dead_topic_down)
        return error_set(error, STATUS_UNAVAILABLE, "full");
    if (record->record_id <= fake->never_taken_until)
        return error_set(error, STATUS_INVALID, "too large");
    fake->delivered[fake->delivered_count++] = record->record_id;
    return STATUS_OK;
}

static size_t fake_delivered(void *self, int64_t *ret_record_ids, size_t capacity,
                             size_t *ret_in_flight)
{
    struct fake *fake = self;
    size_t count =
        fake->is_dead_topic_slow || fake->is_dead_topic_losing ? 0 : fake->delivered_count;
    assert(count <= capacity);
    memcpy(ret_record_ids, fake->delivered, count * sizeof(*ret_record_ids));
    *ret_in_flight = fake->is_dead_topic_slow ? fake->delivered_count : 0;
    fake->delivered_count = *ret_in_flight;
    return count;
}

static void fake_said(void *context, enum projector_subject subject, bool ok, const char *detail)
{
    struct fake *fake = context;
    fake->said_ok[subject] = ok;
    snprintf(fake->said[subject], sizeof(fake->said[subject]), "%s", detail);
}

static void fake_changed(void *context, const struct cart_change *changes, size_t count)
{
    struct fake *fake = context;
    fake->changed += count;
    fake->changed_version = changes[count - 1].version;
}

static void fake_held(void *context, int16_t partition)
{
    struct fake *fake = context;
    fake->is_held[partition] = true;
}

static void fake_lost(void *context, int16_t partition)
{
    struct fake *fake = context;
    fake->is_held[partition] = false;
}

static void fake_writing(void *context, const struct view_row *views, size_t count)
{
    struct fake *fake = context;
    for (size_t i = 0; i < count; i++)
        assert(fake->is_held[views[i].partition] && "who writes holds");
    fake->open_writes++;
    fake->announced_carts += count;
}

static void fake_wrote(void *context)
{
    struct fake *fake = context;
    assert(!fake->is_in_transaction && "until its end, others read what was there before");
    fake->open_writes = 0;
}

static struct fake *fake_clock_source; /* the clock has no context */

static int64_t fake_now(void)
{
    return fake_clock_source->now_us;
}

struct fake *fake_new(void)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    fake->log_id = (struct uuid){{7}};
    fake->log_partitions = FAKE_PARTITIONS;
    fake->silent_partition = -1;
    fake->now_us = 1000000;
    for (int p = 0; p < FAKE_PARTITIONS; p++)
        fake->partitions[p].stored.kafka_offset = KAFKA_OFFSET_UNKNOWN;
    fake->feed_port =
        (struct event_feed){fake, fake_poll, fake_start, fake_stop, fake_commit, fake_end_offset};
    fake->store_port = (struct view_store){
        .self = fake,
        .read_log = fake_read_log,
        .adopt_log = fake_adopt_log,
        .load_checkpoints = fake_load_checkpoints,
        .load_carts = fake_load_carts,
        .begin_write = fake_begin_write,
        .end_write = fake_end_write,
        .count_parked = fake_count_parked,
        .read_dead_letters = fake_read_dead_letters,
        .mark_dead_lettered = fake_mark_dead_lettered,
        .next_parked_cart = fake_next_parked_cart,
        .replay_begin = fake_replay_begin,
        .read_parked = fake_read_parked,
        .replay_commit = fake_replay_commit,
        .abandon = fake_abandon,
        .forget_everything = fake_forget_everything,
    };
    fake->log_port = (struct log_client){fake, fake_ask, fake_reply};
    fake->dead_port = (struct dead_letter_topic){fake, fake_send, fake_delivered};
    return fake;
}

void fake_projector(struct fake *fake, size_t cache_bytes)
{
    fake_clock_source = fake;
    projector_free(fake->projector);
    fake_abandon(fake);
    fake->projector = projector_new(&(struct projector_options){
        .feed = &fake->feed_port,
        .store = &fake->store_port,
        .log = &fake->log_port,
        .dead_letters = &fake->dead_port,
        .observer = {.context = fake,
                     .said = fake_said,
                     .held = fake_held,
                     .lost = fake_lost,
                     .writing = fake_writing,
                     .wrote = fake_wrote,
                     .changed = fake_changed},
        .partition_count = FAKE_PARTITIONS,
        .cache_bytes_max = cache_bytes,
        .now_us = fake_now,
    });
    assert(fake->projector != NULL);
    fake->change_count = 0;
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++)
        fake_change(fake, FEED_ASSIGNED, p);
}

void fake_free(struct fake *fake)
{
    projector_free(fake->projector);
    fake_abandon(fake);
    fake_free_bodies(fake->carts, fake->cart_count);
    free(fake);
}

void fake_turns(struct fake *fake, int count)
{
    for (int i = 0; i < count; i++) {
        fake->now_us += 20000;
        projector_turn(fake->projector);
    }
}

void fake_pass_time(struct fake *fake)
{
    fake->now_us += 10000000;
    fake_turns(fake, 20);
}
