#include "log_reader.h"

#include "log.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct reader_thread {
    struct log_reader *reader;
    struct postgres *postgres;
    pthread_t thread;
};

struct log_reader {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct log_task *first;
    struct log_task **end;
    struct log_reader_use use;
    int waiting_max;
    bool stopping;
    bool is_down; /* as last logged */
    int thread_count;
    struct reader_thread threads[LOG_READER_THREADS_MAX];
};

bool log_reader_submit(struct log_reader *reader, struct log_task *task)
{
    task->next = NULL;
    task->queued_at_us = clock_monotonic_us();
    pthread_mutex_lock(&reader->lock);
    bool has_room = reader->use.waiting < reader->waiting_max && !reader->stopping;
    if (has_room) {
        *reader->end = task;
        reader->end = &task->next;
        reader->use.waiting++;
        pthread_cond_signal(&reader->changed);
    }
    pthread_mutex_unlock(&reader->lock);
    return has_room;
}

/* The next task, or NULL: stop. */
static struct log_task *take(struct log_reader *reader, bool *ret_stopping)
{
    pthread_mutex_lock(&reader->lock);
    while (reader->first == NULL && !reader->stopping)
        pthread_cond_wait(&reader->changed, &reader->lock);
    struct log_task *task = reader->first;
    if (task != NULL) {
        reader->first = task->next;
        if (reader->first == NULL)
            reader->end = &reader->first;
        reader->use.waiting--;
        reader->use.busy++;
    }
    *ret_stopping = reader->stopping;
    pthread_mutex_unlock(&reader->lock);
    return task;
}

static void end_task(struct log_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    reader->use.busy--;
    pthread_mutex_unlock(&reader->lock);
}

struct log_reader_use log_reader_use(struct log_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    struct log_reader_use use = reader->use;
    pthread_mutex_unlock(&reader->lock);
    return use;
}

/* Logs a change once, whichever thread sees it first. */
static void note_state(struct log_reader *reader, bool is_down, const char *why)
{
    pthread_mutex_lock(&reader->lock);
    bool is_news = reader->is_down != is_down;
    reader->is_down = is_down;
    pthread_mutex_unlock(&reader->lock);
    if (is_news && is_down)
        log_warning("log-reader", "event store unavailable", LOG_STR("error", why));
    else if (is_news)
        log_info("log-reader", "event store available again");
}

/* Nobody waits long for a store that is known to be away; one that is not may be slow. */
static int64_t connect_deadline(struct log_reader *reader, const struct log_task *task)
{
    pthread_mutex_lock(&reader->lock);
    bool is_down = reader->is_down;
    pthread_mutex_unlock(&reader->lock);
    return is_down ? clock_deadline_us(LOG_CONNECT_DOWN_MS)
                   : task->queued_at_us + LOG_ANSWER_MS * MICROSECONDS_PER_MILLISECOND;
}

static void work_on(struct log_reader *reader, struct log_task *task, struct postgres *postgres)
{
    if (clock_monotonic_us() - task->queued_at_us >
        LOG_TASK_WAIT_MS * MICROSECONDS_PER_MILLISECOND) {
        task->refuse(task, STATUS_UNAVAILABLE, "waited too long for a reader");
        return;
    }
    struct error error;
    if (postgres_connect(postgres, connect_deadline(reader, task), &error) != STATUS_OK) {
        note_state(reader, true, error.message);
        task->refuse(task, STATUS_UNAVAILABLE, "no connection to the event store");
        return;
    }
    note_state(reader, false, NULL);
    task->run(task, postgres);
}

static void *run(void *context)
{
    const struct reader_thread *self = context;
    struct log_reader *reader = self->reader;
    struct log_task *task;
    bool stopping;
    while ((task = take(reader, &stopping)) != NULL) {
        if (stopping)
            task->refuse(task, STATUS_UNAVAILABLE, "the service is stopping");
        else
            work_on(reader, task, self->postgres);
        end_task(reader);
    }
    return NULL;
}

static enum status start_thread(struct log_reader *reader, const char *url, struct error *error)
{
    struct reader_thread *thread = &reader->threads[reader->thread_count];
    *thread = (struct reader_thread){
        .reader = reader,
        .postgres = postgres_new(&(struct postgres_options){
            .url = url,
            .application_name = "cartledger-log-reader",
            .statement_timeout_ms = LOG_STATEMENT_TIMEOUT_MS,
            .lock_timeout_ms = LOG_STATEMENT_TIMEOUT_MS,
            .client_check_ms = LOG_CLIENT_CHECK_MS,
            .must_write = true, /* a standby may lack events that the log has */
        }),
    };
    if (thread->postgres == NULL)
        return error_set(error, STATUS_NO_MEMORY, "log reader: no memory");
    if (pthread_create(&thread->thread, NULL, run, thread) != 0) {
        postgres_free(thread->postgres);
        return error_set(error, STATUS_UNAVAILABLE, "log reader: no thread");
    }
    reader->thread_count++;
    return STATUS_OK;
}

enum status log_reader_start(const char *url, int threads, int queue_max,
                             struct log_reader **ret_reader, struct error *error)
{
    assert(threads > 0 && threads <= LOG_READER_THREADS_MAX);
    struct log_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return error_set(error, STATUS_NO_MEMORY, "log reader: no memory");
    reader->waiting_max = queue_max;
    reader->end = &reader->first;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->changed, NULL);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && reader->thread_count < threads)
        status = start_thread(reader, url, error);
    if (status != STATUS_OK) {
        log_reader_stop(reader);
        log_reader_free(reader);
        return status;
    }
    *ret_reader = reader;
    return STATUS_OK;
}

void log_reader_stop(struct log_reader *reader)
{
    if (reader == NULL)
        return;
    pthread_mutex_lock(&reader->lock);
    reader->stopping = true;
    pthread_cond_broadcast(&reader->changed);
    pthread_mutex_unlock(&reader->lock);
    for (int i = 0; i < reader->thread_count; i++)
        pthread_join(reader->threads[i].thread, NULL);
    for (int i = 0; i < reader->thread_count; i++)
        postgres_free(reader->threads[i].postgres);
    reader->thread_count = 0;
}

void log_reader_free(struct log_reader *reader)
{
    if (reader == NULL)
        return;
    pthread_cond_destroy(&reader->changed);
    pthread_mutex_destroy(&reader->lock);
    free(reader);
}
