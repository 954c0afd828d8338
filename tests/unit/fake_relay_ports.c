#include "fake_relay_ports.h"

#include <stdlib.h>
#include <unistd.h>

struct uuid fake_id(uint8_t course, int partition, int64_t position)
{
    struct uuid id = {{course, (uint8_t)partition}};
    memcpy(&id.bytes[8], &position, sizeof(position));
    return id;
}

void fake_lock(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
}

void fake_unlock(struct fake *fake)
{
    pthread_mutex_unlock(&fake->lock);
}

struct fake *fake_new(void)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    fake->queue = calloc(FAKE_RECORDS_MAX, sizeof(*fake->queue));
    fake->served = calloc(FAKE_RECORDS_MAX, sizeof(*fake->served));
    fake->queue_ids = calloc(FAKE_RECORDS_MAX, sizeof(*fake->queue_ids));
    pthread_mutex_init(&fake->lock, NULL);
    return fake;
}

void fake_free(struct fake *fake)
{
    free(fake->queue);
    free(fake->served);
    free(fake->queue_ids);
    free(fake);
}

void fake_write(struct fake *fake, int partition, int64_t position, struct uuid id)
{
    fake->records[partition][fake->record_count[partition]++] = (struct fake_record){position, id};
}

void fake_wipe(struct fake *fake)
{
    memset(fake->record_count, 0, sizeof(fake->record_count));
}

static enum status fake_lead(void *self, int64_t deadline_us, struct error *error)
{
    (void)deadline_us;
    struct fake *fake = self;
    fake_lock(fake);
    enum status status = fake->lead_answer;
    fake->session = status == STATUS_OK || status == STATUS_CONFLICT;
    fake->leads++;
    fake_unlock(fake);
    return status == STATUS_OK ? status : error_set(error, status, "not leading");
}

static enum status fake_connect(void *self, int64_t deadline_us, struct error *error)
{
    (void)deadline_us;
    struct fake *fake = self;
    enum status status =
        ++fake->connects < fake->refused_connects_from ? STATUS_OK : fake->connect_answer;
    fake->session = status == STATUS_OK;
    return status == STATUS_OK ? status : error_set(error, status, "no session");
}

static void fake_resign(void *self)
{
    struct fake *fake = self;
    fake_lock(fake);
    fake->session = false;
    fake_unlock(fake);
}

static enum status fake_ends(void *self, int64_t deadline_us, int64_t *ret_positions,
                             struct error *error)
{
    (void)deadline_us;
    struct fake *fake = self;
    fake_lock(fake);
    bool session = fake->session && fake->ends_answer == STATUS_OK;
    memcpy(ret_positions, fake->log_end, sizeof(fake->log_end));
    fake_unlock(fake);
    return session ? STATUS_OK : error_set(error, STATUS_UNAVAILABLE, "session lost");
}

static enum status fake_event_id(void *self, int16_t partition, int64_t position,
                                 int64_t deadline_us, struct uuid *ret_id, struct error *error)
{
    (void)deadline_us, (void)error;
    struct fake *fake = self;
    *ret_id = fake_id(fake->course, partition, position);
    return STATUS_OK;
}

static enum status fake_read(void *self, const int64_t *after, const int32_t *limits,
                             int64_t deadline_us,
                             bool (*visit)(void *context, const struct recorded_event *event),
                             void *context, bool *ret_more, struct error *error)
{
    (void)deadline_us;
    struct fake *fake = self;
    int64_t ends[FAKE_PARTITIONS];
    if (fake_ends(self, 0, ends, error) != STATUS_OK || fake->reads_failing)
        return error_set(error, STATUS_UNAVAILABLE, "session lost");
    *ret_more = false;
    bool has_events = false;
    for (int p = 0; p < FAKE_PARTITIONS; p++) {
        has_events = has_events || after[p] < ends[p];
        int64_t until = after[p] + limits[p] < ends[p] ? after[p] + limits[p] : ends[p];
        *ret_more = *ret_more || until < ends[p];
        for (int64_t position = after[p] + 1; position <= until; position++) {
            if (position == fake->hole[p])
                continue;
            struct recorded_event event = {
                .partition = (int16_t)p,
                .position = position,
                .event_id = fake_id(fake->course, p, position),
                .data = {"", fake->event_bytes[p]}, /* nobody looks at it */
            };
            if (!visit(context, &event))
                return STATUS_OK;
        }
    }
    fake_lock(fake);
    fake->pages += has_events ? 1 : 0;
    fake_unlock(fake);
    return STATUS_OK;
}

static enum status fake_find_ends(void *self, int64_t deadline_us, struct relay_topic_end *ret_ends,
                                  struct error *error)
{
    (void)deadline_us;
    struct fake *fake = self;
    fake_lock(fake);
    enum status status = fake->topic_answer;
    for (int p = 0; p < FAKE_PARTITIONS; p++) {
        int64_t count = fake->record_count[p];
        ret_ends[p] = (struct relay_topic_end){.next_offset = count};
        ret_ends[p].late_until = fake->late_until[p];
        if (count > 0 && fake->late_until[p] != RELAY_LATE_AND_NO_BEGINNING) {
            ret_ends[p].position = fake->records[p][count - 1].position;
            ret_ends[p].event_id = fake->records[p][count - 1].id;
        }
    }
    fake_unlock(fake);
    return status == STATUS_OK ? status : error_set(error, status, "the topic is not fine");
}

static enum status fake_watch(void *self, int64_t deadline_us, int64_t *ret_positions,
                              struct error *error)
{
    struct relay_topic_end ends[FAKE_PARTITIONS];
    enum status status = fake_find_ends(self, deadline_us, ends, error);
    for (int p = 0; p < FAKE_PARTITIONS; p++)
        ret_positions[p] = ends[p].position;
    return status;
}

static enum status fake_next_offsets(void *self, int64_t deadline_us, int64_t *ret_offsets,
                                     struct error *error)
{
    struct relay_topic_end ends[FAKE_PARTITIONS];
    enum status status = fake_find_ends(self, deadline_us, ends, error);
    for (int p = 0; p < FAKE_PARTITIONS; p++)
        ret_offsets[p] = ends[p].next_offset;
    return status;
}

static enum status fake_trim(void *self, const int64_t *offsets, int64_t deadline_us,
                             struct error *error)
{
    (void)deadline_us;
    struct fake *fake = self;
    fake_lock(fake);
    memcpy(fake->trimmed, offsets, sizeof(fake->trimmed));
    fake->trims++;
    enum status status = fake->trim_answer;
    fake_unlock(fake);
    return status == STATUS_OK ? status : error_set(error, status, "not allowed");
}

static enum status fake_open(void *self, int notify_fd, relay_delivered_fn *delivered,
                             void *context, struct error *error)
{
    (void)error;
    struct fake *fake = self;
    fake_lock(fake);
    fake->notify_fd = notify_fd;
    fake->open = true;
    fake->opens++;
    fake->queue_count = 0;
    fake->queue_bytes = 0;
    fake->delivered = delivered;
    fake->context = context;
    fake_unlock(fake);
    return STATUS_OK;
}

static enum status fake_send(void *self, const struct recorded_event *event, struct error *error)
{
    struct fake *fake = self;
    fake_lock(fake);
    bool full = (fake->queue_max > 0 && fake->queue_count >= fake->queue_max) ||
                fake->queue_bytes >= (size_t)RELAY_IN_FLIGHT_KIB_MAX * 1024;
    if (!full) {
        fake->queue_bytes += event->data.length;
        fake->queue[fake->queue_count] =
            (struct relay_delivery){event->partition, event->position, -1, event->data.length};
        fake->queue_ids[fake->queue_count++] = event->event_id;
        if (fake->queue_count > fake->in_flight_max)
            fake->in_flight_max = fake->queue_count;
    }
    bool tell = !full && !fake->hold && fake->notify_fd >= 0;
    enum status answer = fake->send_answer;
    fake_unlock(fake);
    if (answer != STATUS_OK)
        return error_set(error, answer, "never");
    const uint64_t one = 1;
    if (tell && write(fake->notify_fd, &one, sizeof(one)) < 0)
        return error_set(error, STATUS_INTERNAL, "notify");
    return full ? error_set(error, STATUS_UNAVAILABLE, "queue full") : STATUS_OK;
}

static enum status fake_serve(void *self, struct error *error)
{
    struct fake *fake = self;
    fake_lock(fake);
    enum status answer = fake->serve_answer;
    int64_t count = fake->hold || answer != STATUS_OK ? 0 : fake->queue_count;
    int64_t served = 0;
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        struct relay_delivery delivery = fake->queue[i];
        if (fake->is_partition_held[delivery.partition]) {
            fake->queue[kept] = delivery;
            fake->queue_ids[kept++] = fake->queue_ids[i];
            continue;
        }
        delivery.offset = fake->hide_offsets ? -1 : fake->record_count[delivery.partition];
        fake_write(fake, delivery.partition, delivery.position, fake->queue_ids[i]);
        if (delivery.position == fake->skewed_position)
            delivery.position++;
        fake->queue_bytes -= delivery.bytes;
        fake->served[served++] = delivery;
    }
    fake->queue_count -= served;
    fake_unlock(fake);
    for (int64_t i = 0; i < served; i++)
        fake->delivered(fake->context, &fake->served[i]);
    return answer == STATUS_OK ? STATUS_OK : error_set(error, answer, "the producer has given up");
}

static enum status fake_flush(void *self, int64_t deadline_us, struct error *error)
{
    (void)deadline_us;
    struct fake *fake = self;
    fake->hold = false;
    if (fake->flush_ends_session)
        fake_resign(fake);
    return fake_serve(self, error);
}

static void fake_close(void *self, int64_t deadline_us)
{
    (void)deadline_us;
    struct fake *fake = self;
    fake_lock(fake);
    fake->open = false;
    fake->queue_count = 0;
    fake_unlock(fake);
}

static const char *fake_complaint(void *self)
{
    (void)self;
    return "";
}

struct relay_log fake_log_port(struct fake *fake)
{
    return (struct relay_log){fake,      fake_connect,  fake_lead, fake_resign,
                              fake_ends, fake_event_id, fake_read};
}

struct relay_publisher fake_publisher_port(struct fake *fake)
{
    return (struct relay_publisher){fake,       fake_find_ends, fake_watch,    fake_next_offsets,
                                    fake_trim,  fake_open,      fake_send,     fake_serve,
                                    fake_flush, fake_close,     fake_complaint};
}
