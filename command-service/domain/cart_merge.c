#include "cart.h"

#include <assert.h>

const char *cart_merge_strategy_name(enum cart_merge_strategy strategy)
{
    static const char *const names[CART_MERGE_STRATEGY_COUNT] = {
        [CART_MERGE_SUM] = "sum",
        [CART_MERGE_MAX] = "max",
        [CART_MERGE_REPLACE] = "replace",
        [CART_MERGE_KEEP] = "keep",
    };
    assert(strategy < CART_MERGE_STRATEGY_COUNT);
    return names[strategy];
}

/* Of a sku that both carts have. */
static int32_t merged_quantity(enum cart_merge_strategy strategy, int32_t targets, int32_t sources,
                               int32_t quantity_max)
{
    int64_t sum = (int64_t)targets + sources;

    switch (strategy) {
    case CART_MERGE_SUM:
        return sum < quantity_max ? (int32_t)sum : quantity_max;
    case CART_MERGE_MAX:
        return targets > sources ? targets : sources;
    default:
        return targets;
    }
}

static size_t count_new_lines(const struct cart *target, const struct cart *source)
{
    size_t count = 0;

    for (size_t i = 0; i < source->line_count; i++)
        count += cart_find_line(target, source->lines[i].sku) == NULL;
    return count;
}

/* The target's lines, then those that only the source has. A line keeps its own cart's name and
 * price. */
static void merge_lines(const struct cart *target, const struct cart *source,
                        enum cart_merge_strategy strategy, int32_t quantity_max,
                        struct cart_line *ret_lines)
{
    size_t count = 0;

    for (size_t i = 0; i < target->line_count; i++) {
        struct cart_line *line = &ret_lines[count++];
        const struct cart_line *theirs = cart_find_line(source, target->lines[i].sku);
        *line = target->lines[i];
        if (theirs != NULL)
            line->quantity =
                merged_quantity(strategy, line->quantity, theirs->quantity, quantity_max);
    }
    for (size_t i = 0; i < source->line_count; i++)
        if (cart_find_line(target, source->lines[i].sku) == NULL)
            ret_lines[count++] = source->lines[i];
}

static enum cart_refusal may_merge(const struct cart *target, const struct cart *source,
                                   const struct cart_command *command)
{
    enum cart_refusal refusal = cart_takes_commands(target);

    if (refusal != CART_ACCEPTED)
        return refusal;
    if (uuid_equal(&command->merge.source_cart_id, &command->merge.target_cart_id))
        return CART_REFUSED_MERGE_WITH_ITSELF;
    refusal = cart_takes_commands(source);
    if (refusal == CART_ACCEPTED && strcmp(source->currency, target->currency) != 0)
        return CART_REFUSED_CURRENCY_MISMATCH;
    return refusal;
}

enum cart_refusal cart_decide_merge(const struct cart *target, const struct cart *source,
                                    const struct cart_command *command,
                                    const struct cart_limits *limits,
                                    struct cart_decision *ret_decision)
{
    enum cart_merge_strategy strategy = command->merge.strategy;
    bool replaces = strategy == CART_MERGE_REPLACE;
    enum cart_refusal refusal = may_merge(target, source, command);

    assert(command->type == CART_MERGE && limits->lines_max <= CART_LINES_MAX);
    if (refusal != CART_ACCEPTED)
        return refusal;
    size_t count =
        replaces ? source->line_count : target->line_count + count_new_lines(target, source);
    if (count > (size_t)limits->lines_max)
        return CART_REFUSED_TOO_MANY_LINES;
    if (!replaces)
        merge_lines(target, source, strategy, limits->quantity_max, ret_decision->merged_lines);

    ret_decision->event_count = 2;
    ret_decision->events[0] = (struct event_data){
        .type = EVENT_CART_MERGED,
        .cart_merged = {.source_cart_id = command->merge.source_cart_id,
                        .source_version = source->version,
                        .strategy = str_from(cart_merge_strategy_name(strategy)),
                        .items = replaces ? source->lines : ret_decision->merged_lines,
                        .item_count = count},
    };
    ret_decision->events[1] = (struct event_data){
        .type = EVENT_CART_MERGED_AWAY,
        .cart_merged_away = {.target_cart_id = command->merge.target_cart_id},
    };
    return CART_ACCEPTED;
}
