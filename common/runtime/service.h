/*
 * service.h - the life of a process: arguments, signals, draining, and the routes that both
 * services have.
 */
#pragma once

#include "config.h"
#include "health.h"
#include "http.h"
#include "metrics.h"
#include "openapi_document.h"

struct http_server;

enum { EXIT_USAGE = 2 }; /* an argument or a setting that is wrong */

/* Something other than serving that the program can do: `--rebuild`, `--republish all`. */
struct service_verb {
    const char *name;     /* "rebuild" */
    const char *argument; /* "PARTITION:POSITION" for --help; NULL when it takes none */
    const char *meaning;  /* one sentence */
    int (*run)(void *context, const char *argument); /* answers the exit code; for main to call */
};

struct service_program {
    const char *name;    /* "command-service" */
    const char *summary; /* one line for --help */
    const struct config_setting *settings;
    size_t setting_count;
    const struct service_verb *verbs;
    size_t verb_count;
};

enum service_action { SERVICE_RUN, SERVICE_EXIT };

struct service_arguments {
    const struct service_verb *verb; /* NULL: serve */
    const char *verb_argument;       /* borrowed from argv, or NULL */
    int exit_code; /* for SERVICE_EXIT: 0, or EXIT_USAGE after every error has been printed */
};

/*
 * Handles --help, --version, --check-config and --config FILE, and loads the configuration into
 * `config` (then the caller owes config_done()). SIGTERM or SIGINT ends a verb at once, status 143.
 */
MUST_CHECK enum service_action service_start(const struct service_program *program, int argc,
                                             char **argv, void *config,
                                             struct service_arguments *ret_arguments);

/* Blocks SIGTERM and SIGINT in this thread and those it will create, and ignores SIGPIPE. Call it
 * first in main, since libpq and librdkafka start threads. */
void service_block_signals(void);

/* What `--healthcheck` does: health_probe(), with its verdict on stderr. Returns the exit code: 0
 * when the service that listens there is ready, else 1. */
MUST_CHECK int service_healthcheck(const char *bind_address, int64_t port);

/* A service at work. */
struct service_watch {
    const char *service; /* "command-service", for the log */
    const char *address; /* that `server` listens on */
    const struct http_server *server;
    struct health *health;
    /* Called every SERVICE_ROUND_MS by the main thread. Brings metrics up to date; returns when the
     * slowest of the threads that must not hang began its turn (notify_watchdog_turn()). */
    int64_t (*round)(void *context);
    void *context;
};

enum { SERVICE_ROUND_MS = 500 };

/* Tells the log and the service manager that the service is ready, and how it is, until SIGTERM or
 * SIGINT comes. The next signal ends the process at once, status 143. */
void service_watch(const struct service_watch *watch);

/* The steps of the end, which together take less than ten seconds. */
enum {
    SERVICE_NOTICE_MS = 300,  /* for load balancers to see /readyz say no */
    SERVICE_ANSWER_MS = 3000, /* for what was accepted to be answered */
};

/* The end begins: /readyz says no, and SERVICE_NOTICE_MS later no connection is accepted. */
void service_drain(struct health *health, struct http_server *server);

/* Waits until every request has its answer, SERVICE_ANSWER_MS at most. */
void service_await_answers(const struct http_server *server);

/* Answers /livez, /readyz, /metrics and /openapi.json (GET and HEAD). False: the path is none of
 * them. The document has an entity tag: a client that already has it gets 304. */
MUST_CHECK bool service_handle_common(struct http_request *request, struct health *health,
                                      struct metrics *metrics,
                                      const struct openapi_document *document);
