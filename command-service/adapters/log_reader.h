/*
 * log_reader.h - threads that read the log for GET /v1/events, apart from the writer lanes.
 *
 * A bounded queue of tasks; each thread has a database connection of its own. HTTP threads never
 * wait for the database.
 */
#pragma once

#include "postgres.h"

/* Something to read. The submitter owns it again once `run` or `refuse` is called. */
struct log_task {
    /* On a reader thread, with a connection. */
    void (*run)(struct log_task *task, struct postgres *postgres);
    /* On a reader thread, instead of `run`: no connection, waited too long, or stopping. */
    void (*refuse)(struct log_task *task, enum status status, const char *why);

    /* The reader's own. */
    struct log_task *next;
    int64_t queued_at_us;
};

enum {
    LOG_READER_THREADS_MAX = 64,
    LOG_TASK_WAIT_MS = 1000,   /* in the queue; then it is refused */
    LOG_ANSWER_MS = 1400,      /* from queueing a task until there must be a connection */
    LOG_CONNECT_DOWN_MS = 400, /* the same, from taking a task, while the event store is away */
    LOG_STATEMENT_TIMEOUT_MS = 5000,
    LOG_CLIENT_CHECK_MS = 250, /* a session that a reader has given up lasts that much longer */
};

struct log_reader;

/* *New*: log_reader_free(). `url` is borrowed until log_reader_stop(), `threads` is 1 to
 * LOG_READER_THREADS_MAX. STATUS_NO_MEMORY; STATUS_UNAVAILABLE: no thread to be had. */
MUST_CHECK enum status log_reader_start(const char *url, int threads, int queue_max,
                                        struct log_reader **ret_reader, struct error *error);
/* False when the queue is full or the reader was stopped. */
MUST_CHECK bool log_reader_submit(struct log_reader *reader, struct log_task *task);

/* The current load. */
struct log_reader_use {
    int waiting; /* tasks in the queue */
    int busy;    /* threads that have one in hand */
};
struct log_reader_use log_reader_use(struct log_reader *reader);

/* Refuses what waits, finishes what runs, joins the threads. Takes NULL. */
void log_reader_stop(struct log_reader *reader);
void log_reader_free(struct log_reader *reader); /* stopped; takes NULL */
