#include "lane_internal.h"

#include "log.h"

#include <assert.h>

enum { ANSWER_MARGIN_US = 50 * MICROSECONDS_PER_MILLISECOND }; /* to answer in time after a wait */

static void answer(struct command_request *request, enum status status)
{
    request->outcome.status = status;
    request->done(request);
}

struct taken {
    struct request_queue queue;
    int64_t begin_before_us; /* the deadline for stopping */
};

/* The commands to be decided again: those that have clashed too often, or else all. Of one cart's
 * commands an older one has clashed at least as often as a newer one, so that none is overtaken. */
static void take_again(struct command_lane *lane, struct request_queue *taken)
{
    struct request_queue again = lane->again;
    struct command_request *request;
    bool is_held = false;
    for (request = again.first; request != NULL; request = request->next)
        is_held = is_held || request->attempts >= LANE_CLASHES_MAX;
    lane->again = (struct request_queue){.first = NULL};
    while ((request = request_queue_take(&again)) != NULL)
        request_queue_add(is_held && request->attempts < LANE_CLASHES_MAX ? &lane->again : taken,
                          request);
    lane->batch->is_held = is_held;
}

static struct taken take(struct command_lane *lane)
{
    struct taken taken = {.queue = {.first = NULL}};
    take_again(lane, &taken.queue);
    pthread_mutex_lock(&lane->lock);
    size_t depth = lane->queue.count;
    while (!lane->batch->is_held && taken.queue.count < LANE_BATCH_COMMANDS_MAX &&
           lane->queue.count > 0)
        request_queue_add(&taken.queue, request_queue_take(&lane->queue));
    taken.begin_before_us = lane->is_stopping ? lane->stop_deadline_us : INT64_MAX;
    pthread_mutex_unlock(&lane->lock);
    lane_observe(lane, LANE_QUEUE_DEPTH, (double)depth);
    return taken;
}

static struct cached_cart *cart_of(struct command_lane *lane, const struct cart_key *key)
{
    struct cached_cart *cached = cart_cache_find(lane->cache, &key->cart_id);
    bool is_hit = cached != NULL && cached->is_complete;
    lane_observe(lane, is_hit ? LANE_CACHE_HITS : LANE_CACHE_MISSES, 1);
    if (cached != NULL)
        return cached;
    return cart_cache_add(lane->cache, key);
}

/* Whether to take a cart that is not in memory as absent without asking the log, because this
 * command creates it. If the log has it after all, the append clashes and the cart is read
 * (docs/adr/0020). */
static bool is_likely_new(const struct command_lane *lane, const struct command_request *request,
                          const struct cached_cart *cached)
{
    return request->command.type == CART_CREATE && !request->condition.given &&
           cached->cart.version == 0 && !cached->is_complete && lane->batches_in_doubt == 0;
}

/* Adds the command with its cart and, of a merge, the source. False: memory is out. */
static bool add_to_batch(struct command_lane *lane, struct command_request *request)
{
    const struct cart_key key = {.partition = request->partition, .cart_id = request->cart_id};
    struct cached_cart *cached = cart_of(lane, &key);
    struct cached_cart *source = cached;
    if (request->command.type == CART_MERGE) {
        const struct cart_key source_key = {.partition = request->source_partition,
                                            .cart_id = request->command.merge.source_cart_id};
        source = cart_of(lane, &source_key);
    }
    if (cached == NULL || source == NULL)
        return false;
    if (is_likely_new(lane, request, cached))
        cached->is_complete = true;
    lane_batch_add(lane->batch, request, cached, source);
    return true;
}

static void fill_batch(struct command_lane *lane, struct taken *taken, bool may_begin)
{
    struct command_request *request;
    while ((request = request_queue_take(&taken->queue)) != NULL) {
        int64_t latest_us = request->deadline_us - LANE_MINIMUM_MS * MICROSECONDS_PER_MILLISECOND;
        int64_t now_us = clock_monotonic_us();
        bool is_late = now_us > latest_us || now_us > taken->begin_before_us;
        if (may_begin && is_late)
            lane_observe(lane, LANE_COMMANDS_REFUSED_BUSY, 1);
        if (!may_begin || is_late || !add_to_batch(lane, request))
            answer(request, STATUS_UNAVAILABLE);
    }
}

static void fold(void *context, size_t index, const struct stored_event *event)
{
    struct command_lane *lane = context;
    struct cached_cart *cached = lane->batch->carts[lane->tail_carts[index]].cached;
    AUTO(event_data_done) struct event_data data = {.source = NULL};
    struct error error = {.message = "a version is missing"};
    if (cached->is_damaged)
        return;
    enum status status = event->version == cached->cart.version + 1 ? STATUS_OK : STATUS_INVALID;
    if (status == STATUS_OK)
        status = event_data_read(event->type, event->schema_version, event->data, &data, &error);
    if (status == STATUS_OK)
        status = cart_evolve(&cached->cart, &data, event->occurred_at_us, &error);
    /* A merge was a command on its target. */
    struct str key = data.type == EVENT_CART_MERGED_AWAY ? STR_NONE : event->command_key;
    if (status == STATUS_OK && !cart_keys_add(&cached->keys, key, event->version))
        status = error_set(&error, STATUS_NO_MEMORY, "its keys: out of memory");
    cached->last_event_id = event->event_id;
    if (status == STATUS_OK)
        return;
    cached->is_damaged = true;
    /* Without memory it may work next time. */
    lane->batch->carts[lane->tail_carts[index]].evict = status == STATUS_NO_MEMORY;
    char cart_id[UUID_TEXT_LENGTH + 1];
    uuid_format(&cached->entry.id, cart_id);
    log_error("cart", "its log cannot be read, so it takes no command", LOG_STR("cartId", cart_id),
              LOG_INT("version", event->version), LOG_STR("error", error.message));
}

/* Commands that lost a race are decided while nobody else can win one. */
static enum status hold(struct command_lane *lane, int64_t limit_us, struct error *error)
{
    const struct event_store *store = &lane->options.store;
    struct lane_batch *batch = lane->batch;
    int16_t partitions[LANE_BATCH_CARTS_MAX];
    if (!batch->is_held || batch->cart_count == 0)
        return STATUS_OK;
    for (size_t i = 0; i < batch->cart_count; i++) {
        partitions[i] = batch->carts[i].cached->partition;
        batch->carts[i].cached->is_complete = false; /* read what has come since */
    }
    int failures = 0;
    enum status status;
    do
        status = store->hold(store->context, partitions, batch->cart_count,
                             lane_read_deadline(limit_us), error);
    while (status != STATUS_OK && lane_may_retry(lane, status, &failures, limit_us));
    return status;
}

/* Chooses carts to read, of which nothing or something has been read; those for which there is no
 * room wait for the next batch. */
static size_t list_incomplete_carts(struct command_lane *lane, bool have_begun, size_t count)
{
    struct lane_batch *batch = lane->batch;
    for (uint32_t i = 0; i < batch->cart_count; i++) {
        struct cached_cart *cached = batch->carts[i].cached;
        if (cached->is_complete || cached->is_damaged || (cached->cart.version > 0) != have_begun)
            continue;
        if (count == EVENT_STORE_LOAD_CARTS_MAX) {
            batch->carts[i].again = true;
            continue;
        }
        lane->tails[count] = (struct cart_tail){.cart = cached_cart_key(cached),
                                                .after_version = cached->cart.version};
        lane->tail_carts[count++] = i;
    }
    return count;
}

/* A cart that is too long for one batch is folded as far as it came, and goes on in the next,
 * behind those of which nothing has been read: a long past keeps nobody else waiting. */
static enum status load(struct command_lane *lane, int64_t limit_us, struct error *error)
{
    const struct event_store *store = &lane->options.store;
    size_t count = list_incomplete_carts(lane, false, 0);
    count = list_incomplete_carts(lane, true, count);
    if (count == 0)
        return STATUS_OK;
    int failures = 0;
    enum status status;
    do
        status = store->load(store->context, lane->tails, count, lane_read_deadline(limit_us), fold,
                             lane, lane->tail_complete, error);
    while (status != STATUS_OK && lane_may_retry(lane, status, &failures, limit_us));
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        struct batch_cart *cart = &lane->batch->carts[lane->tail_carts[i]];
        cart->cached->is_complete = lane->tail_complete[i] && !cart->cached->is_damaged;
        cart->is_proven = cart->cached->is_complete;
        cart->again = !cart->cached->is_complete && !cart->cached->is_damaged;
        if (cart->cached->is_damaged) {
            cart_done(&cart->cached->cart);
            cart_keys_done(&cart->cached->keys);
        }
        cart_cache_account(lane->cache, cart->cached);
    }
    return STATUS_OK;
}

enum status lane_ask_versions(struct command_lane *lane, size_t count, int64_t limit_us,
                              struct error *error)
{
    const struct event_store *store = &lane->options.store;
    for (size_t i = 0; i < count; i++)
        lane->keys[i] = cached_cart_key(lane->batch->carts[lane->key_carts[i]].cached);
    return store->versions(store->context, lane->keys, count, lane_read_deadline(limit_us),
                           lane->versions, error);
}

/* An answer that appends nothing and rests on the cache alone is compared with the log: another
 * instance may have written. Where something is appended, the append itself compares. */
static enum status prove(struct command_lane *lane, int64_t limit_us, struct error *error)
{
    struct lane_batch *batch = lane->batch;
    size_t count = 0;
    for (uint32_t i = 0; i < batch->cart_count; i++)
        if (batch->carts[i].event_count == 0 && !batch->carts[i].is_proven &&
            batch->carts[i].cached->is_complete)
            lane->key_carts[count++] = i;
    if (count == 0)
        return STATUS_OK;
    int failures = 0;
    enum status status;
    do
        status = lane_ask_versions(lane, count, limit_us, error);
    while (status != STATUS_OK && lane_may_retry(lane, status, &failures, limit_us));
    size_t outdated = 0;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        int32_t version = batch->carts[lane->key_carts[i]].cached->cart.version;
        if (lane->versions[i] == version)
            continue;
        lane_doubt_absence(lane, version);
        lane_batch_postpone_cart(batch, lane->key_carts[i], false);
        outdated++;
    }
    if (outdated > 0)
        lane_batch_compact(batch); /* a merge may tie carts with events to one without */
    return status;
}

static void postpone_all(struct command_lane *lane)
{
    for (uint32_t i = 0; i < lane->batch->cart_count; i++)
        lane_batch_postpone_cart(lane->batch, i, false);
    lane_batch_compact(lane->batch);
}

static void finish(struct command_lane *lane)
{
    struct lane_batch *batch = lane->batch;
    size_t answered = 0;
    for (size_t i = 0; i < batch->command_count; i++) {
        struct command_request *request = batch->commands[i].request;
        if (batch->commands[i].state == COMMAND_AGAIN) {
            request_queue_add(&lane->again, request);
            continue;
        }
        answered++;
        request->done(request);
    }
    const struct command_lane_observer *observer = &lane->options.observer;
    if (lane->has_news && observer->committed != NULL)
        observer->committed(observer->context, answered);
    lane->has_news = false;
    for (size_t i = 0; i < batch->cart_count; i++)
        if (batch->carts[i].evict)
            cart_cache_remove(lane->cache, batch->carts[i].cached);
    if (lane->is_cache_suspect)
        cart_cache_clear(lane->cache);
    lane->is_cache_suspect = false;
    cart_cache_trim(lane->cache, batch->number);
    const struct event_store *store = &lane->options.store;
    store->release(store->context, lane_read_deadline(INT64_MAX));
    lane->last_contact_us = clock_monotonic_us();
    lane_observe(lane, LANE_BATCH_COMMANDS, (double)answered);
    lane_observe(lane, LANE_CACHE_BYTES, (double)cart_cache_bytes(lane->cache));
    lane_observe(lane, LANE_CACHE_CARTS, (double)cart_cache_count(lane->cache));
}

void lane_round(struct command_lane *lane)
{
    struct lane_batch *batch = lane->batch;
    struct error error = {.status = STATUS_OK};
    lane_batch_begin(batch);
    struct taken taken = take(lane);
    assert(taken.queue.first != NULL && "a round is begun when there is work");
    bool is_reached = lane_reach_store(lane, taken.queue.first->deadline_us - ANSWER_MARGIN_US);
    if (lane->is_cache_suspect)
        cart_cache_clear(lane->cache);
    lane->is_cache_suspect = false;
    fill_batch(lane, &taken, is_reached);
    lane->batches_in_doubt -= lane->batches_in_doubt > 0;
    int64_t limit_us = batch->limit_us - ANSWER_MARGIN_US;

    enum status status = hold(lane, limit_us, &error);
    if (status == STATUS_OK)
        status = load(lane, limit_us, &error);
    if (status == STATUS_OK)
        status = lane_recall(lane, limit_us, &error);
    if (status == STATUS_OK) {
        lane_batch_decide(batch, lane->cache, &lane->options.limits);
        status = prove(lane, limit_us, &error);
    }
    if (status != STATUS_OK) {
        lane_log_failure(lane, "carts could not be read", &error);
        lane_batch_refuse(batch, status == STATUS_INTERNAL ? status : STATUS_UNAVAILABLE);
    } else if (lane->is_cache_suspect) {
        postpone_all(lane);
    } else {
        lane_commit(lane, limit_us);
    }
    finish(lane);
}
