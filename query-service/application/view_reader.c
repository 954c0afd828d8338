#include "view_reader.h"

#include "clock.h"
#include "log.h"
#include "view_link.h"
#include "view_queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* A thread and its current work. */
struct reader_thread {
    struct view_reader *reader;
    pthread_t thread;
    struct view_link link;
    bool counts_as_up; /* in the reader's up_count */
    size_t group_size;
    struct view_request *group[VIEW_GROUP_MAX]; /* NULL: answered */
    struct view_lookup lookups[VIEW_GROUP_MAX];
    struct view_request *page;
    bool wants_more; /* of the page's events */
};

struct view_reader {
    struct view_observer observer;
    pthread_mutex_t lock;
    pthread_cond_t work;  /* for threads whose database answers */
    pthread_cond_t retry; /* for the other threads; only signalled to stop */
    struct view_queue carts;
    struct view_queue pages;
    size_t idle_count; /* threads that wait for work */
    size_t up_count;   /* threads whose database answers */
    bool is_page_in_hand;
    bool has_spoken; /* about the database, since the start */
    bool is_stopping;
    size_t started_count;
    size_t thread_count;
    struct reader_thread *threads;
};

struct view_reader *view_reader_new(const struct view_reader_options *options)
{
    assert(options->thread_count >= 1 && options->thread_count <= VIEW_READERS_MAX);
    struct view_reader *reader = calloc(1, sizeof(*reader));
    struct reader_thread *threads = calloc(options->thread_count, sizeof(*threads));
    if (reader == NULL || threads == NULL) {
        free(reader);
        free(threads);
        return NULL;
    }
    reader->observer = options->observer;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->work, NULL);
    pthread_cond_init(&reader->retry, NULL);
    view_queue_init(&reader->carts, options->queue_max);
    view_queue_init(&reader->pages, options->list_queue_max);
    reader->threads = threads;
    reader->thread_count = options->thread_count;
    for (size_t i = 0; i < options->thread_count; i++) {
        threads[i].reader = reader;
        threads[i].link =
            (struct view_link){.source = options->sources[i], .observer = &reader->observer};
    }
    return reader;
}

void view_reader_free(struct view_reader *reader)
{
    if (reader == NULL)
        return;
    pthread_cond_destroy(&reader->work);
    pthread_cond_destroy(&reader->retry);
    pthread_mutex_destroy(&reader->lock);
    free(reader->threads);
    free(reader);
}

static void tell_queued(struct view_reader *reader, size_t count)
{
    if (reader->observer.queued != NULL)
        reader->observer.queued(reader->observer.context, count);
}

void view_reader_submit(struct view_reader *reader, struct view_request *request)
{
    request->submitted_us = clock_monotonic_us();
    request->queued_us = request->submitted_us;
    enum view_outcome refusal = VIEW_FOUND;
    pthread_mutex_lock(&reader->lock);
    if (reader->up_count == 0 || reader->is_stopping)
        refusal = VIEW_STORE_UNAVAILABLE;
    else if (!view_queue_put(request->question == VIEW_CART ? &reader->carts : &reader->pages,
                             request))
        refusal = VIEW_OVERLOADED;
    else if (reader->idle_count > 0)
        pthread_cond_signal(&reader->work);
    pthread_mutex_unlock(&reader->lock);
    if (refusal != VIEW_FOUND)
        view_request_end(request, refusal);
}

/* --- what a thread takes ------------------------------------------------------------------- */

static bool has_work(const struct view_reader *reader)
{
    return reader->carts.count > 0 || (reader->pages.count > 0 && !reader->is_page_in_hand);
}

static void take(struct view_reader *reader, struct reader_thread *thread)
{
    size_t count = 0;
    while (count < VIEW_GROUP_MAX && reader->carts.count > 0) {
        struct view_request *request = view_queue_take(&reader->carts);
        thread->group[count] = request;
        thread->lookups[count++] = request->lookup;
    }
    thread->group_size = count;
    thread->page = NULL;
    if (!reader->is_page_in_hand)
        thread->page = view_queue_take(&reader->pages);
    reader->is_page_in_hand = reader->is_page_in_hand || thread->page != NULL;
}

/* The lock is held. */
static void wait_for_work(struct view_reader *reader)
{
    reader->idle_count++;
    clock_cond_wait(&reader->work, &reader->lock, clock_deadline_us(VIEW_PING_MS));
    reader->idle_count--;
}

/* --- the state of the database ------------------------------------------------------------- */

static void say_once(struct view_reader *reader, bool answers, const char *detail)
{
    if (answers)
        log_info("view-store", "the view store answers");
    else
        log_warning("view-store", "the view store does not answer", LOG_STR("reason", detail));
    reader->has_spoken = true;
}

/* Everything that is queued, as a list by `next`; the lock is held. */
static struct view_request *take_all(struct view_reader *reader)
{
    struct view_request *all = NULL;
    struct view_request *request;
    while ((request = view_queue_take(&reader->carts)) != NULL ||
           (request = view_queue_take(&reader->pages)) != NULL) {
        request->next = all;
        all = request;
    }
    return all;
}

static void refuse_all(struct view_request *request)
{
    while (request != NULL) {
        struct view_request *next = request->next;
        view_request_end(request, VIEW_STORE_UNAVAILABLE);
        request = next;
    }
}

/* Records whether this thread's database answers. If none is left that does, refuses everything
 * queued. */
static void note_state(struct reader_thread *thread, const struct error *error)
{
    struct view_reader *reader = thread->reader;
    const char *detail = thread->link.is_up ? "answers" : error->message;

    pthread_mutex_lock(&reader->lock);
    size_t before = reader->up_count;
    if (thread->counts_as_up != thread->link.is_up)
        reader->up_count = thread->link.is_up ? before + 1 : before - 1;
    thread->counts_as_up = thread->link.is_up;
    bool answers = reader->up_count > 0;
    if (answers != (before > 0) || (!answers && !reader->has_spoken))
        say_once(reader, answers, detail);
    if (reader->observer.store != NULL && (!answers || before == 0))
        reader->observer.store(reader->observer.context, answers, detail);
    struct view_request *refused = answers ? NULL : take_all(reader);
    pthread_mutex_unlock(&reader->lock);
    refuse_all(refused);
}

static enum view_outcome outcome_of(enum status status)
{
    if (status == STATUS_OK || status == STATUS_NOT_FOUND)
        return VIEW_ABSENT;
    return status == STATUS_INTERNAL ? VIEW_FAILED : VIEW_STORE_UNAVAILABLE;
}

/* --- the work ------------------------------------------------------------------------------ */

static void answer_found(void *context, size_t index, int32_t version, struct str body)
{
    struct reader_thread *thread = context;
    struct view_request *request = thread->group[index];
    thread->group[index] = NULL;
    request->answer(request, VIEW_FOUND, version, body, false);
}

static void log_bug(enum status status, const struct error *error)
{
    if (status == STATUS_INTERNAL)
        log_error("view-store", "a read has failed", LOG_STR("reason", error->message));
}

static void answer_group(struct reader_thread *thread)
{
    struct view_reader *reader = thread->reader;
    struct error error = {0};
    int64_t start_us = clock_monotonic_us();
    enum status status = view_link_find(&thread->link, thread->lookups, thread->group_size,
                                        answer_found, thread, &error);
    if (status == STATUS_OK && reader->observer.looked_up != NULL)
        reader->observer.looked_up(reader->observer.context, thread->group_size,
                                   clock_monotonic_us() - start_us);
    log_bug(status, &error);
    for (size_t i = 0; i < thread->group_size; i++)
        if (thread->group[i] != NULL)
            view_request_end(thread->group[i], outcome_of(status));
    if (!thread->link.is_up)
        note_state(thread, &error);
}

static bool pass_event(void *context, const struct recorded_event *event)
{
    struct reader_thread *thread = context;
    struct view_request *page = thread->page;
    page->events.after = event->version;
    thread->wants_more = page->event(page, event);
    return thread->wants_more;
}

static enum status read_page(struct reader_thread *thread, int32_t *ret_version, bool *ret_more,
                             struct error *error)
{
    struct view_request *page = thread->page;
    enum status status = STATUS_UNAVAILABLE;
    thread->wants_more = false;
    if (!thread->link.is_up)
        return status;
    if (page->question == VIEW_PAGE)
        return view_link_list(&thread->link, &page->list, page->row, page, ret_more, error);
    if (page->question == VIEW_VERSION_AT)
        return view_link_version_at(&thread->link, &page->lookup.cart_id, page->time_us,
                                    ret_version, error);
    status = view_link_events(&thread->link, &page->events, pass_event, thread, ret_more, error);
    *ret_version = page->events.after;
    if (status == STATUS_OK && *ret_version == 0) /* not even a first event */
        return STATUS_NOT_FOUND;
    return status;
}

/* Lets go of the page, so that the next one may be taken. `again`: this one is queued again. */
static void let_go_of_page(struct reader_thread *thread, bool again)
{
    struct view_reader *reader = thread->reader;
    pthread_mutex_lock(&reader->lock);
    reader->is_page_in_hand = false;
    if (again)
        view_queue_put_back(&reader->pages, thread->page);
    if (reader->pages.count > 0 && reader->idle_count > 0)
        pthread_cond_signal(&reader->work);
    pthread_mutex_unlock(&reader->lock);
}

static void answer_page(struct reader_thread *thread)
{
    struct view_request *page = thread->page;
    struct error error = {0};
    int32_t version = 0;
    bool more = false;
    enum status status = read_page(thread, &version, &more, &error);
    log_bug(status, &error);
    bool again = status == STATUS_OK && more && thread->wants_more;
    page->queued_us = clock_monotonic_us();
    let_go_of_page(thread, again);
    if (status == STATUS_OK && !again)
        page->answer(page, VIEW_FOUND, version, STR_NONE, more);
    else if (status != STATUS_OK)
        view_request_end(page, outcome_of(status));
    if (!thread->link.is_up && thread->counts_as_up)
        note_state(thread, &error);
}

/* Pages that waited too long behind slow ones are refused: nobody waits for them any more. */
static bool is_too_late(const struct view_request *request)
{
    int64_t now_us = clock_monotonic_us();
    return now_us - request->queued_us >
               (VIEW_ANSWER_MS - VIEW_CALL_MS) * MICROSECONDS_PER_MILLISECOND ||
           now_us - request->submitted_us > VIEW_EVENTS_MS * MICROSECONDS_PER_MILLISECOND;
}

static void work(struct reader_thread *thread)
{
    if (thread->group_size > 0)
        answer_group(thread);
    if (thread->page == NULL)
        return;
    if (is_too_late(thread->page)) {
        let_go_of_page(thread, false);
        view_request_end(thread->page, VIEW_OVERLOADED);
        return;
    }
    answer_page(thread);
}

/* Not connected: the other threads may still answer; this one keeps trying. */
static void reconnect(struct reader_thread *thread)
{
    struct view_reader *reader = thread->reader;
    struct error error = {0};
    if (view_link_connect(&thread->link, &error) != STATUS_OK) {
        note_state(thread, &error);
        pthread_mutex_lock(&reader->lock);
        if (!reader->is_stopping)
            clock_cond_wait(&reader->retry, &reader->lock, clock_deadline_us(VIEW_RETRY_MS));
        pthread_mutex_unlock(&reader->lock);
        return;
    }
    note_state(thread, &error);
}

static void ping(struct reader_thread *thread)
{
    struct error error = {0};
    if (view_link_ping(&thread->link, &error) != STATUS_OK && !thread->link.is_up)
        note_state(thread, &error);
}

static void *thread_main(void *argument)
{
    struct reader_thread *thread = argument;
    struct view_reader *reader = thread->reader;
    for (;;) {
        if (!thread->link.is_up)
            reconnect(thread);
        pthread_mutex_lock(&reader->lock);
        bool is_up = thread->link.is_up;
        if (is_up && !has_work(reader) && !reader->is_stopping)
            wait_for_work(reader);
        bool found_work = is_up && has_work(reader);
        if (found_work)
            take(reader, thread);
        bool ends = !found_work && reader->is_stopping;
        size_t queued = reader->carts.count;
        pthread_mutex_unlock(&reader->lock);
        if (ends)
            return NULL;
        tell_queued(reader, found_work ? queued + thread->group_size : queued);
        if (found_work)
            work(thread);
        else if (is_up)
            ping(thread);
    }
}

enum status view_reader_start(struct view_reader *reader, struct error *error)
{
    for (size_t i = 0; i < reader->thread_count; i++) {
        if (pthread_create(&reader->threads[i].thread, NULL, thread_main, &reader->threads[i]) != 0)
            return error_set(error, STATUS_UNAVAILABLE, "no thread for a view reader");
        reader->started_count++;
    }
    return STATUS_OK;
}

void view_reader_stop(struct view_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    reader->is_stopping = true;
    pthread_cond_broadcast(&reader->work);
    pthread_cond_broadcast(&reader->retry);
    pthread_mutex_unlock(&reader->lock);
    for (size_t i = 0; i < reader->started_count; i++)
        pthread_join(reader->threads[i].thread, NULL);
    reader->started_count = 0;
    refuse_all(take_all(reader)); /* left by threads that lost their database while they ended */
}
