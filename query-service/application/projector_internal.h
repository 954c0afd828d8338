/*
 * projector_internal.h - what the files of the projector share.
 */
#pragma once

#include "projector_state.h"

static inline void stat_add(_Atomic int64_t *stat, int64_t amount)
{
    atomic_fetch_add_explicit(stat, amount, memory_order_relaxed);
}

static inline void stat_set(_Atomic int64_t *stat, int64_t value)
{
    atomic_store_explicit(stat, value, memory_order_relaxed);
}

static inline bool backoff_is_over(const struct backoff *backoff, int64_t now_us)
{
    return now_us >= backoff->retry_at_us;
}
void backoff_fail(struct backoff *backoff, int64_t now_us, int least_ms, int most_ms);
static inline void backoff_reset(struct backoff *backoff)
{
    *backoff = (struct backoff){0};
}

/* NULL: not ours. */
struct projector_partition *projector_find(struct projector *projector, int partition);
/* Lists our partitions, all or those in that phase, in projector->numbers. Returns how many. */
size_t projector_list_ours(struct projector *projector);
size_t projector_list_in_phase(struct projector *projector, enum progress_phase phase);

/* projector.c: reads the partition's place from the store again, and forgets its carts. */
void projector_reload(struct projector *projector, struct projector_partition *partition);
/* All that are being followed or asked about. */
void projector_reload_all(struct projector *projector);
/* Reads the topic on from an offset. If that is not possible now, the partition is loaded again. */
void projector_start_feed(struct projector *projector, struct projector_partition *partition,
                          int64_t offset);
void projector_stop_partition(struct projector *projector, struct projector_partition *partition);
/* The store has failed: everything waits for it. */
void projector_store_failed(struct projector *projector, enum status status,
                            const struct error *error);
void projector_store_worked(struct projector *projector);

/* projector_project.c: afterwards the last batch may still be being written. `goes_on`: more
 * records will follow, or projector_finish_writing(). */
void projector_project_records(struct projector *projector, const struct feed_record *records,
                               size_t count, bool goes_on);
/* Events that the log gave in answer to a partition's question. They are written on return. */
void projector_project_events(struct projector *projector, const struct recorded_event *events,
                              size_t count);

/* projector_write.c: sends what the batch in hand has made, and takes the other batch in hand. What
 * failed, now or before, is read again. `goes_on`: views may be held for the next batch, to be
 * written once, in the same transaction. */
void projector_begin_write(struct projector *projector, bool goes_on);
/* Waits for the write under way, if there is one. False: not all of it was written, so what was
 * made of later events must be thrown away. */
bool projector_end_write(struct projector *projector);
/* Ends the transaction, too, if one is open. */
void projector_finish_writing(struct projector *projector);
/* The same, but what belongs to an open transaction is thrown away and read again. */
void projector_drop_open(struct projector *projector);
/* Throws the batch in hand away, after a failure of the store or of memory. The write before it
 * ends first; when that fails, too, both count. */
void projector_give_up(struct projector *projector, const struct error *error);
/* Why the item must be parked untried, or NULL. */
const char *projector_reason_to_refuse(const struct projector_partition *partition,
                                       const struct batch_item *item);

/* projector_replay.c: one step of replaying parked events. Only one per turn, so that it does not
 * hold up new records. */
void projector_replay_parked(struct projector *projector);

/* projector_log.c */
void projector_ask_log(struct projector *projector);

/* projector_tend.c */
void projector_tend(struct projector *projector);
void projector_say(struct projector *projector);
