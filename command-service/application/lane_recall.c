#include "lane_internal.h"

#include <stdlib.h>

/* Lists the commands that their carts have had before. Commands for which there is no room wait for
 * the next batch. */
static size_t list_past_commands(struct command_lane *lane)
{
    struct lane_batch *batch = lane->batch;
    size_t count = 0;
    for (uint32_t i = 0; i < batch->command_count; i++) {
        struct batch_command *command = &batch->commands[i];
        const struct cached_cart *cached = batch->carts[command->cart].cached;
        struct str key = command->request->key.key;
        if (str_is_none(key) || !cached->is_complete)
            continue;
        int32_t version = cart_keys_find(&cached->keys, key);
        if (version == 0)
            continue;
        if (count == EVENT_STORE_RECALL_COMMANDS_MAX) {
            command->state = COMMAND_AGAIN;
            continue;
        }
        lane->past[count] = (struct past_command){
            .cart = cached_cart_key(cached), .first_version = version, .key = key};
        lane->past_commands[count++] = i;
    }
    return count;
}

static void add_event(struct command_outcome *outcome, const struct recalled_event *event)
{
    struct committed_event *events =
        realloc(outcome->events, (outcome->event_count + 1) * sizeof(*events));
    if (events == NULL) {
        outcome->status = STATUS_UNAVAILABLE;
        return;
    }
    events[outcome->event_count++] = event->event;
    outcome->events = events;
    outcome->version = event->event.version;
    outcome->position = event->position;
}

static void recalled(void *context, size_t index, const struct recalled_event *event)
{
    struct command_lane *lane = context;
    struct batch_command *command = &lane->batch->commands[lane->past_commands[index]];
    struct command_request *request = command->request;
    struct command_outcome *outcome = &request->outcome;
    bool is_ours = str_equal_literal(event->request_hash, request->key.request_hash);
    if (command->state != COMMAND_RECALLED) {
        command->state = COMMAND_RECALLED;
        outcome->is_replayed = is_ours;
        if (!is_ours)
            outcome->refusal = CART_REFUSED_KEY_REUSED;
    }
    /* A source's CartMergedAway carries the merge's key. A command on the source may have the same
     * key: the merge is not that command, since it was a command on another cart. */
    if (outcome->is_replayed && is_ours && outcome->status == STATUS_OK)
        add_event(outcome, event);
}

enum status lane_recall(struct command_lane *lane, int64_t limit_us, struct error *error)
{
    const struct event_store *store = &lane->options.store;
    size_t count = list_past_commands(lane);
    if (count == 0)
        return STATUS_OK;
    int failures = 0;
    enum status status;
    do
        status = store->recall(store->context, lane->past, count, lane_read_deadline(limit_us),
                               recalled, lane, error);
    while (status != STATUS_OK && lane_may_retry(lane, status, &failures, limit_us));
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        if (lane->batch->commands[lane->past_commands[i]].request->outcome.is_replayed)
            lane_observe(lane, LANE_COMMANDS_REPLAYED, 1);
    return status;
}
