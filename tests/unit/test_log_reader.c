/* Tasks of a reader that has no log: what it refuses, and with which words. */
#include "log_reader.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

static struct log_reader *reader;

struct task {
    struct log_task task;    /* first */
    const char *_Atomic why; /* it was refused */
    _Atomic bool is_held;    /* the reader refuses it, */
    int holds_ms;            /* and has to do with it for so long, */
    _Atomic bool is_let_go;  /* and until then */
    bool submits_again;      /* itself, when it is refused */
    bool was_taken_again;
};

static void wait_until(const _Atomic bool *flag)
{
    for (int waited_ms = 0; !*flag; waited_ms++) {
        cr_assert_lt(waited_ms, PATIENCE_MS);
        usleep(1000);
    }
}

static void run(struct log_task *task, struct postgres *postgres)
{
    (void)task, (void)postgres;
    cr_assert_fail("nobody is there to be asked");
}

static void refuse(struct log_task *task, enum status status, const char *why)
{
    struct task *ours = (struct task *)task;
    cr_assert_eq(status, STATUS_UNAVAILABLE);
    ours->is_held = true;
    usleep((useconds_t)ours->holds_ms * 1000);
    wait_until(&ours->is_let_go);
    if (ours->submits_again)
        ours->was_taken_again = log_reader_submit(reader, task);
    ours->why = why;
}

static struct task a_task(int holds_ms)
{
    return (struct task){
        .task = {.run = run, .refuse = refuse}, .holds_ms = holds_ms, .is_let_go = true};
}

static void begin(int queue_max)
{
    cr_assert_eq(log_reader_start("postgresql://127.0.0.1:1/none", 1, queue_max, &reader, NULL),
                 STATUS_OK);
}

static void end(void)
{
    log_reader_stop(reader);
    log_reader_free(reader);
}

static void then_refused(struct task *task, const char *why)
{
    for (int waited_ms = 0; task->why == NULL; waited_ms++) {
        cr_assert_lt(waited_ms, PATIENCE_MS);
        usleep(1000);
    }
    cr_assert_str_eq(task->why, why);
}

static void then_used(int waiting, int busy)
{
    struct log_reader_use use = log_reader_use(reader);
    cr_assert_eq(use.waiting, waiting);
    cr_assert_eq(use.busy, busy);
}

Test(log_reader, given_a_full_queue_then_refused_at_once)
{
    struct task task = a_task(0);
    begin(0);
    cr_assert_not(log_reader_submit(reader, &task.task));
    end();
    cr_assert_null(task.why);
}

Test(log_reader, given_no_log_then_a_task_is_refused)
{
    struct task task = a_task(0);
    begin(1);
    cr_assert(log_reader_submit(reader, &task.task));
    then_refused(&task, "no connection to the event store");
    end();
}

Test(log_reader, given_a_task_that_waited_too_long_then_it_is_refused)
{
    struct task first = a_task(0);
    struct task second = a_task(0);
    first.is_let_go = false;
    begin(2);
    cr_assert(log_reader_submit(reader, &first.task));
    wait_until(&first.is_held);
    cr_assert(log_reader_submit(reader, &second.task));
    then_used(1, 1);
    usleep((LOG_TASK_WAIT_MS + 1) * 1000);
    first.is_let_go = true;
    then_refused(&second, "waited too long for a reader");
    log_reader_stop(reader);
    then_used(0, 0);
    log_reader_free(reader);
}

Test(log_reader, given_a_reader_that_stops_then_what_waits_is_refused_and_nothing_taken)
{
    struct task first = a_task(200);
    struct task second = a_task(0);
    first.submits_again = true;
    first.was_taken_again = true;
    begin(2);
    cr_assert(log_reader_submit(reader, &first.task));
    wait_until(&first.is_held);
    cr_assert(log_reader_submit(reader, &second.task));
    log_reader_stop(reader);
    cr_assert_not_null(first.why);
    cr_assert_not(first.was_taken_again);
    then_refused(&second, "the service is stopping");
    struct task late = a_task(0); /* clients are still there when it has stopped */
    cr_assert_not(log_reader_submit(reader, &late.task));
    log_reader_free(reader);
}
