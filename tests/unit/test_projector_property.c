/*
 * Whatever fails, and in whatever order: once all is well again, each event is in the views, or set
 * aside, exactly once.
 */
#include "clock.h"
#include "fake_projector_ports.h"
#include "log.h"

#include <criterion/criterion.h>

enum {
    STORIES = 200,
    STEPS = 120,
    PATIENCE = 100,
    TURNS_APART = 80, /* of 20 ms: until a refused event is found, less than PROJECTOR_APART_MS */
    CARTS = 4,
    EVENTS_MAX = FAKE_MAX - 10,
    RECORDS_MAX = FAKE_MAX - 60
};

static struct fake *fake;
static uint64_t random_state;
static bool is_ours[FAKE_PARTITIONS];
static int32_t versions[FAKE_PARTITIONS][CARTS];
static size_t event_count;
static bool is_any_refused; /* an event that the store does not take, of this cart: */
static struct uuid refused_cart;

/* xorshift64: 0 to limit - 1. */
static int pick(int limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int)(random_state % (uint64_t)limit);
}

static struct fake_event *append(int16_t partition, int cart, bool is_published)
{
    event_count++;
    int32_t version = ++versions[partition][cart];
    return is_published ? fake_happen(fake, partition, cart, version)
                        : fake_log(fake, partition, cart, version);
}

/* Now and then the topic loses something, and the store rejects something. */
static void append_some(int16_t partition)
{
    const struct fake_partition *at = &fake->partitions[partition];
    for (int n = pick(4); n >= 0 && at->log_end < EVENTS_MAX && at->topic_end < RECORDS_MAX; n--) {
        bool is_lost = pick(12) == 0;
        const struct fake_event *made = append(partition, pick(CARTS), !is_lost);
        if (is_lost || is_any_refused || pick(60) > 0)
            continue;
        is_any_refused = true;
        fake->refused_events[partition] = made->event.event_id;
        refused_cart = made->event.cart_id;
    }
}

static bool is_refused(const struct uuid *cart_id)
{
    return is_any_refused && uuid_equal(cart_id, &refused_cart);
}

static void publish_again(int16_t partition)
{
    struct fake_partition *at = &fake->partitions[partition];
    if (at->log_end > 0 && at->topic_end < RECORDS_MAX)
        fake_publish(fake, &at->log[pick((int)at->log_end)]);
}

/* Records of another log, at positions that ours has not reached yet. */
static void publish_aliens(int16_t partition)
{
    struct fake_partition *at = &fake->partitions[partition];
    int64_t position = at->log_end + 2 + pick(4);
    for (int n = pick(4); n >= 0 && at->log_end > 0 && at->topic_end < RECORDS_MAX; n--) {
        struct fake_record *alien = fake_publish(fake, &at->log[pick((int)at->log_end)]);
        alien->content.event.event_id.bytes[0] = 99;
        alien->content.event.position = position++;
    }
}

/* Somebody else's replay from a position; before an event that the store refuses. */
static void rewind_partition(int16_t partition)
{
    struct fake_partition *at = &fake->partitions[partition];
    int64_t position = pick((int)fake_position(fake, partition) + 1);
    for (int64_t i = 0; i < position; i++)
        if (uuid_equal(&at->log[i].event.event_id, &fake->refused_events[partition]))
            position = i;
    fake_rewind(fake, partition, position);
}

static void assign_or_revoke(int16_t partition)
{
    is_ours[partition] = !is_ours[partition];
    fake_change(fake, is_ours[partition] ? FEED_ASSIGNED : FEED_REVOKED, partition);
}

/* What somebody else does to a partition waits for the transaction. */
static void end_transaction(void)
{
    fake->now_us += (int64_t)PROJECTOR_REST_MS * MICROSECONDS_PER_MILLISECOND;
    while (fake->is_in_transaction)
        projector_turn(fake->projector);
}

static void step(void)
{
    int16_t partition = (int16_t)pick(FAKE_PARTITIONS);
    int kind = pick(14);
    if (kind == 4 || kind == 10)
        end_transaction();
    switch (kind) {
    case 0:
        fake->write_answer = pick(2) == 0 ? STATUS_UNCERTAIN : STATUS_UNAVAILABLE;
        break;
    case 1:
        fake->write_answer = STATUS_OK;
        break;
    case 2:
        fake->begin_answer = pick(2) == 0 ? STATUS_OK : STATUS_UNAVAILABLE;
        break;
    case 3:
        fake->store_answer = pick(3) > 0 ? STATUS_OK : STATUS_UNAVAILABLE;
        break;
    case 4:
        fake->partitions[partition].stored.epoch++; /* somebody else's replay */
        break;
    case 5:
        assign_or_revoke(partition);
        break;
    case 6:
        fake->load_max = (size_t)pick(3);
        break;
    case 7:
        fake->now_us += 1000 * pick(400);
        break;
    case 8:
        publish_again(partition);
        break;
    case 9:
        publish_aliens(partition);
        break;
    case 10:
        rewind_partition(partition);
        break;
    default:
        append_some(partition);
    }
    fake_turns(fake, 1);
}

static bool is_all_applied(void)
{
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++)
        if (fake_position(fake, p) != fake->partitions[p].log_end)
            return false;
    return true;
}

static void recover(void)
{
    fake->write_answer = fake->begin_answer = fake->store_answer = STATUS_OK;
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++) {
        if (!is_ours[p])
            assign_or_revoke(p);
        append(p, 0, true); /* what the topic has lost last shows now */
    }
    for (int i = 0; i < PATIENCE && !is_all_applied(); i++) {
        fake_pass_time(fake);
        fake_turns(fake, TURNS_APART);
    }
    fake_pass_time(fake);
}

static void expect_everything(int story)
{
    for (int16_t p = 0; p < FAKE_PARTITIONS; p++) {
        cr_assert_eq(fake_position(fake, p), fake->partitions[p].log_end, "story %d: %s", story,
                     fake->said[PROJECTOR_PROGRESS]);
        for (int cart = 0; cart < CARTS; cart++) {
            struct uuid id = fake_cart_id(p, cart);
            cr_assert(is_refused(&id) || fake_version(fake, p, cart) == versions[p][cart],
                      "story %d: cart %d of partition %d", story, cart, p);
        }
    }
    size_t parked_events = 0;
    for (size_t i = 0; i < fake->parked_count; i++) {
        parked_events += fake->parked[i].has_cart ? 1 : 0;
        cr_assert(!fake->parked[i].has_cart || is_refused(&fake->parked[i].cart_id), "story %d",
                  story);
    }
    cr_assert_eq(fake->timeline_count + parked_events, event_count, "story %d", story);
    cr_assert_eq(fake->open_writes, 0);
}

static void tell(int story)
{
    random_state = UINT64_C(0x9E3779B97F4A7C15) * (uint64_t)(story + 1);
    fake = fake_new();
    event_count = 0;
    is_any_refused = false;
    memset(versions, 0, sizeof(versions));
    memset(is_ours, true, sizeof(is_ours));
    fake_projector(fake, (size_t[]){0, 3000, 1 << 20}[pick(3)]);
    fake->feed_max = 1 + (size_t)pick(5);
    for (int i = 0; i < STEPS; i++)
        step();
    recover();
    expect_everything(story);
    fake_free(fake);
}

Test(projector_property, given_any_failures_then_each_event_is_in_the_views_exactly_once,
     .timeout = 120)
{
    log_set_level(LOG_ERROR + 1);
    for (int story = 0; story < STORIES; story++)
        tell(story);
}
