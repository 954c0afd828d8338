#include "relay_story.h"

struct fake *fake;
struct relay_log log_port;
struct relay_publisher publisher_port;
struct relay_options options;
struct relay *relay;

void set_up(void)
{
    fake = fake_new();
    log_port = fake_log_port(fake);
    publisher_port = fake_publisher_port(fake);
    options = (struct relay_options){
        .log = &log_port, .publisher = &publisher_port, .partition_count = FAKE_PARTITIONS};
}

int64_t deadline(int wait_ms)
{
    return clock_monotonic_us() + (int64_t)wait_ms * MICROSECONDS_PER_MILLISECOND;
}

void start(void)
{
    relay = relay_new(&options);
    cr_assert_not_null(relay);
    struct error error;
    cr_assert_eq(relay_start(relay, &error), STATUS_OK);
}

void stop(void)
{
    relay_stop(relay, deadline(1000));
    relay_free(relay);
    relay = NULL;
}

void tear_down(void)
{
    if (relay != NULL)
        stop();
    fake_free(fake);
}

void append(int partition, int64_t count)
{
    fake_lock(fake);
    fake->log_end[partition] += count;
    fake_unlock(fake);
}

void wait_published(int partition, int64_t position)
{
    WAIT_UNTIL(relay_published_position(relay, partition) == position,
               "partition %d is at %ld, not %ld", partition,
               (long)relay_published_position(relay, partition), (long)position);
}

void wait_state(enum relay_state state)
{
    WAIT_UNTIL(atomic_load(&relay_stats(relay)->state) == (int64_t)state, "never %s",
               relay_state_name(state));
}

void wait_delivered(int64_t total)
{
    WAIT_UNTIL(atomic_load(&relay_stats(relay)->delivered_total) == total, "not %ld deliveries",
               (long)total);
}

void wait_in_flight(int64_t count)
{
    WAIT_UNTIL(atomic_load(&relay_stats(relay)->in_flight) == count, "not %ld in flight",
               (long)count);
}

void hold_deliveries(bool hold)
{
    fake_lock(fake);
    fake->hold = hold;
    fake_unlock(fake);
}

void wait_restart(void)
{
    WAIT_UNTIL(atomic_load(&relay_stats(relay)->restarts_total) > 0,
               "the wiped topic went unnoticed");
}

int see_int(const int *value)
{
    fake_lock(fake);
    int seen = *value;
    fake_unlock(fake);
    return seen;
}

int64_t see_int64(const int64_t *value)
{
    fake_lock(fake);
    int64_t seen = *value;
    fake_unlock(fake);
    return seen;
}

bool see_bool(const bool *value)
{
    fake_lock(fake);
    bool seen = *value;
    fake_unlock(fake);
    return seen;
}

int64_t record_count(int partition)
{
    return see(fake->record_count[partition]);
}

void expect_records(int partition, int64_t offset, int64_t first, int64_t count)
{
    cr_assert_eq(record_count(partition), offset + count, "%ld records, not %ld",
                 (long)record_count(partition), (long)(offset + count));
    for (int64_t i = 0; i < count; i++)
        cr_assert_eq(fake->records[partition][offset + i].position, first + i);
}
