#include "lane_batch.h"

#include "log.h"

#include <assert.h>
#include <stdlib.h>

struct lane_batch *lane_batch_new(void)
{
    struct lane_batch *batch = calloc(1, sizeof(*batch));
    if (batch != NULL)
        batch->data = TEXT_INIT((size_t)LANE_BATCH_BYTES_MAX + EVENT_DATA_MAX);
    return batch;
}

void lane_batch_free(struct lane_batch *batch)
{
    if (batch == NULL)
        return;
    text_done(&batch->data);
    free(batch);
}

void lane_batch_begin(struct lane_batch *batch)
{
    batch->number++;
    batch->limit_us = INT64_MAX;
    batch->is_full = false;
    batch->is_held = false;
    batch->command_count = 0;
    batch->cart_count = 0;
    batch->event_count = 0;
    text_clear(&batch->data);
}

static uint32_t index_of(struct lane_batch *batch, struct cached_cart *cached)
{
    if (cached->batch != batch->number) {
        cached->batch = batch->number;
        cached->batch_index = (uint32_t)batch->cart_count;
        batch->carts[batch->cart_count++] = (struct batch_cart){.cached = cached};
    }
    return cached->batch_index;
}

void lane_batch_add(struct lane_batch *batch, struct command_request *request,
                    struct cached_cart *cached, struct cached_cart *source)
{
    assert(batch->command_count < LANE_BATCH_COMMANDS_MAX);
    batch->commands[batch->command_count++] = (struct batch_command){
        .request = request,
        .state = COMMAND_DECIDED,
        .cart = index_of(batch, cached),
        .source = index_of(batch, source),
    };
    if (request->deadline_us < batch->limit_us)
        batch->limit_us = request->deadline_us;
}

static void reset_outcome(struct command_request *request, enum status status)
{
    free(request->outcome.events);
    request->outcome = (struct command_outcome){.status = status};
}

static void log_cart(enum log_level level, const struct cached_cart *cached, const char *message,
                     const char *detail)
{
    char cart_id[UUID_TEXT_LENGTH + 1];
    uuid_format(&cached->entry.id, cart_id);
    log_write(level, "cart", message, LOG_STR("cartId", cart_id), LOG_STR("error", detail),
              LOG_END);
}

/* CartMergedAway happens to the source of a merge. Every other event happens to the command's own
 * cart. */
static struct batch_cart *cart_of_event(struct lane_batch *batch,
                                        const struct batch_command *command, enum event_type type)
{
    return &batch->carts[type == EVENT_CART_MERGED_AWAY ? command->source : command->cart];
}

/* All texts are written out before the first event changes the cart that they may point into. The
 * memory for the answer is allocated before anything is durable. */
static bool write_events(struct lane_batch *batch, const struct batch_command *command)
{
    struct command_request *request = command->request;
    size_t length_before = batch->data.length;
    size_t count = batch->decision.event_count;
    request->outcome.events = calloc(count, sizeof(struct committed_event));
    if (request->outcome.events == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct event_data *data = &batch->decision.events[i];
        const struct cached_cart *cached = cart_of_event(batch, command, data->type)->cached;
        int32_t ahead = data->type == EVENT_CART_MERGED_AWAY ? 1 : (int32_t)i + 1;
        size_t at = batch->event_count + i;
        batch->event_offsets[at] = batch->data.length;
        event_data_write(data, &batch->data);
        batch->events[at] = (struct new_event){
            .cart = cached_cart_key(cached),
            .version = cached->cart.version + ahead,
            .event_id = uuid_v7_now(),
            .type = data->type,
            .occurred_at_us = request->command.time_us,
            .data = {NULL, batch->data.length - batch->event_offsets[at]},
            .metadata = request->metadata,
        };
        request->outcome.events[i] = (struct committed_event){
            .event_id = batch->events[at].event_id,
            .version = batch->events[at].version,
            .type = data->type,
            .occurred_at_us = request->command.time_us,
        };
    }
    if (text_ok(&batch->data))
        return true;
    batch->data.failed = false;
    batch->data.length = length_before;
    return false;
}

static void evolve(struct lane_batch *batch, struct batch_command *command,
                   struct cart_cache *cache)
{
    struct batch_cart *cart = &batch->carts[command->cart];
    struct batch_cart *source = &batch->carts[command->source];
    struct command_request *request = command->request;
    size_t count = batch->decision.event_count;
    struct error error;
    for (size_t i = 0; i < count; i++) {
        const struct event_data *data = &batch->decision.events[i];
        struct cached_cart *cached = cart_of_event(batch, command, data->type)->cached;
        enum status status = cart_evolve(&cached->cart, data, request->command.time_us, &error);
        if (status == STATUS_OK)
            continue;
        /* Events of earlier commands stay. The carts must be read again before the next command. */
        log_cart(LOG_ERROR, cached, "the cart cannot take what was decided", error.message);
        reset_outcome(request, status == STATUS_NO_MEMORY ? STATUS_UNAVAILABLE : STATUS_INTERNAL);
        cart->again = cart->evict = true;
        source->again = source->evict = true;
        return;
    }
    cart_cache_account(cache, cart->cached);
    cart_cache_account(cache, source->cached);
    for (size_t i = 0; i < count; i++)
        cart_of_event(batch, command, batch->decision.events[i].type)->event_count++;
    command->first_event = (uint32_t)batch->event_count;
    command->event_count = (uint32_t)count;
    batch->event_count += count;
    request->outcome.event_count = request->command.type == CART_MERGE ? 1 : count;
    request->outcome.version = cart->cached->cart.version;
}

static enum cart_refusal judge(struct lane_batch *batch, const struct batch_command *command,
                               const struct cart_limits *limits)
{
    const struct command_request *request = command->request;
    const struct cart *cart = &batch->carts[command->cart].cached->cart;
    const struct cart *source = &batch->carts[command->source].cached->cart;
    enum cart_refusal refusal = cart_condition_holds(&request->condition, cart);
    if (refusal != CART_ACCEPTED)
        return refusal;
    if (request->command.type == CART_MERGE)
        return cart_decide_merge(cart, source, &request->command, limits, &batch->decision);
    return cart_decide(cart, &request->command, limits, &batch->decision);
}

static void decide(struct lane_batch *batch, struct batch_command *command,
                   struct cart_cache *cache, const struct cart_limits *limits)
{
    struct batch_cart *cart = &batch->carts[command->cart];
    struct batch_cart *source = &batch->carts[command->source];
    struct command_request *request = command->request;
    struct command_outcome *outcome = &request->outcome;
    const struct cart *state = &cart->cached->cart;
    if (command->state != COMMAND_DECIDED)
        return;
    reset_outcome(request, STATUS_OK);
    if (cart->again || source->again || batch->is_full) {
        /* A later command on these carts must not overtake this one. */
        cart->again = source->again = true;
        command->state = COMMAND_AGAIN;
        return;
    }
    if (cart->cached->is_damaged || source->cached->is_damaged) {
        const struct batch_cart *damaged = cart->cached->is_damaged ? cart : source;
        /* A cart that will be evicted was only short of memory. */
        reset_outcome(request, damaged->evict ? STATUS_UNAVAILABLE : STATUS_INTERNAL);
        return;
    }
    if (cart_keys_find(&cart->cached->keys, request->key.key) > cart->base_version) {
        /* The same command is already in this batch. Once that one is durable, this one can be
         * answered from the log. */
        command->state = COMMAND_AGAIN;
        return;
    }
    outcome->cart_status = state->status;
    outcome->version = state->version;
    outcome->refusal = judge(batch, command, limits);
    if (outcome->refusal == CART_REFUSED_CLOSED && state->status == CART_OPEN)
        outcome->cart_status = source->cached->cart.status;
    if (outcome->refusal != CART_ACCEPTED || batch->decision.event_count == 0)
        return;
    if (!write_events(batch, command) ||
        !cart_keys_add(&cart->cached->keys, request->key.key, state->version + 1)) {
        reset_outcome(request, STATUS_UNAVAILABLE);
        return;
    }
    evolve(batch, command, cache);
    batch->is_full =
        batch->event_count >= LANE_BATCH_EVENTS_MAX || batch->data.length >= LANE_BATCH_BYTES_MAX;
}

void lane_batch_decide(struct lane_batch *batch, struct cart_cache *cache,
                       const struct cart_limits *limits)
{
    for (size_t i = 0; i < batch->cart_count; i++)
        batch->carts[i].base_version = batch->carts[i].cached->cart.version;
    for (size_t i = 0; i < batch->command_count; i++)
        decide(batch, &batch->commands[i], cache, limits);
    for (size_t i = 0; i < batch->event_count; i++)
        batch->events[i].data.bytes = batch->data.bytes + batch->event_offsets[i];
}

static void postpone(struct batch_cart *cart)
{
    cart->is_postponed = true;
    cart->again = true;
    cart->evict = true;
}

/* If one cart of a merge is postponed, so is the other. */
static void postpone_tied_carts(struct lane_batch *batch)
{
    bool has_spread = true;
    while (has_spread) {
        has_spread = false;
        for (size_t i = 0; i < batch->command_count; i++) {
            struct batch_cart *cart = &batch->carts[batch->commands[i].cart];
            struct batch_cart *source = &batch->carts[batch->commands[i].source];
            if (cart->is_postponed == source->is_postponed)
                continue;
            postpone(cart);
            postpone(source);
            has_spread = true;
        }
    }
}

void lane_batch_postpone_cart(struct lane_batch *batch, uint32_t index, bool has_clashed)
{
    postpone(&batch->carts[index]);
    postpone_tied_carts(batch);
    for (size_t i = 0; i < batch->command_count; i++) {
        struct batch_command *command = &batch->commands[i];
        if (!batch->carts[command->cart].is_postponed || command->state != COMMAND_DECIDED)
            continue;
        command->state = COMMAND_AGAIN;
        command->event_count = 0;
        command->request->attempts += has_clashed;
        reset_outcome(command->request, STATUS_OK);
    }
}

void lane_batch_compact(struct lane_batch *batch)
{
    size_t kept = 0;
    for (size_t i = 0; i < batch->cart_count; i++)
        batch->carts[i].event_count = 0;
    for (size_t i = 0; i < batch->command_count; i++) {
        struct batch_command *command = &batch->commands[i];
        size_t count = command->event_count;
        if (count == 0)
            continue;
        memmove(&batch->events[kept], &batch->events[command->first_event],
                count * sizeof(batch->events[0]));
        command->first_event = (uint32_t)kept;
        for (size_t end = kept + count; kept < end; kept++)
            cart_of_event(batch, command, batch->events[kept].type)->event_count++;
    }
    batch->event_count = kept;
}

void lane_batch_committed(struct lane_batch *batch)
{
    for (size_t i = 0; i < batch->command_count; i++) {
        const struct batch_command *command = &batch->commands[i];
        struct command_outcome *outcome = &command->request->outcome;
        if (command->state != COMMAND_DECIDED || outcome->event_count == 0)
            continue;
        outcome->position = batch->events[command->first_event + outcome->event_count - 1].position;
        for (size_t e = command->first_event; e < command->first_event + command->event_count; e++)
            cart_of_event(batch, command, batch->events[e].type)->cached->last_event_id =
                batch->events[e].event_id;
    }
}

void lane_batch_failed(struct lane_batch *batch, enum status status)
{
    for (size_t i = 0; i < batch->command_count; i++) {
        const struct batch_command *command = &batch->commands[i];
        struct batch_cart *cart = &batch->carts[command->cart];
        struct batch_cart *source = &batch->carts[command->source];
        if (command->state != COMMAND_DECIDED || cart->event_count + source->event_count == 0)
            continue;
        /* A command without events of its own has certainly done nothing. */
        bool did_nothing = command->request->outcome.event_count == 0;
        reset_outcome(command->request,
                      status == STATUS_UNCERTAIN && did_nothing ? STATUS_UNAVAILABLE : status);
        cart->evict = true;
        source->evict = true;
    }
    batch->event_count = 0;
}

void lane_batch_refuse(struct lane_batch *batch, enum status status)
{
    for (size_t i = 0; i < batch->command_count; i++) {
        batch->commands[i].state = COMMAND_DECIDED;
        reset_outcome(batch->commands[i].request, status);
    }
    for (size_t i = 0; i < batch->cart_count; i++)
        batch->carts[i].evict = true;
    batch->event_count = 0;
}
