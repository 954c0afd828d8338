#include "service.h"

#include "clock.h"
#include "health_probe.h"
#include "http_server.h"
#include "log.h"
#include "notify.h"
#include "problem.h"

#include <assert.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Read by jemalloc, if the program is linked with it (docs/adr/0017): what is freed goes back to
 * the kernel after a second instead of ten. Source: jemalloc(3), "TUNING". */
extern const char *malloc_conf;
const char *malloc_conf = "dirty_decay_ms:1000";

enum {
    EXIT_TERMINATED = 128 + SIGTERM,
    VERBS_MAX = 8,
    HELP_TEXT_MAX = 65536,
    METRICS_TEXT_MAX = 4 * 1024 * 1024,
    HEALTH_TEXT_MAX = 16384,
    HEALTHCHECK_MS = 2000,
    ANSWER_POLL_MS = 10,
};

static void print_help(const struct service_program *program)
{
    printf("%s - %s\n\nUsage: %s [--config FILE] [--check-config]\n\n"
           "  --help           show this and exit\n"
           "  --version        show the version and exit\n"
           "  --config FILE    read NAME=VALUE lines; the environment wins over the file\n"
           "  --check-config   check the configuration, report every error, exit 0 or 2\n",
           program->name, program->summary, program->name);
    for (size_t i = 0; i < program->verb_count; i++) {
        const struct service_verb *verb = &program->verbs[i];
        printf("  --%s%s%s\n                   %s\n", verb->name, verb->argument == NULL ? "" : " ",
               verb->argument == NULL ? "" : verb->argument, verb->meaning);
    }
    AUTO(text_done)
    struct text text = TEXT_INIT(HELP_TEXT_MAX);
    config_describe(program->settings, program->setting_count, &text);
    printf("\nConfiguration, from the environment or the file (texts also as "
           "NAME_FILE):\n\n" STR_FORMAT,
           STR_ARGS(text_str(&text)));
}

/* Standard error may be closed: then a socket would get its number, and with it our log lines. */
static void fill_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", O_RDWR); /* gets the lowest number that is free */
}

/* Long options: ours first, then the program's verbs, numbered from VERB_BASE. */
enum option_code { OPTION_HELP = 1, OPTION_VERSION, OPTION_CONFIG, OPTION_CHECK, VERB_BASE = 100 };

static void fill_options(const struct service_program *program, struct option options[])
{
    size_t count = 0;
    options[count++] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    options[count++] = (struct option){"version", no_argument, NULL, OPTION_VERSION};
    options[count++] = (struct option){"config", required_argument, NULL, OPTION_CONFIG};
    options[count++] = (struct option){"check-config", no_argument, NULL, OPTION_CHECK};
    assert(program->verb_count <= VERBS_MAX);
    for (size_t i = 0; i < program->verb_count; i++) {
        const struct service_verb *verb = &program->verbs[i];
        options[count++] =
            (struct option){verb->name, verb->argument == NULL ? no_argument : required_argument,
                            NULL, VERB_BASE + (int)i};
    }
    options[count] = (struct option){0};
}

static enum service_action leave(struct service_arguments *arguments, int exit_code)
{
    arguments->exit_code = exit_code;
    return SERVICE_EXIT;
}

static enum service_action load_config(const struct service_program *program, const char *file,
                                       bool only_check, void *config,
                                       struct service_arguments *arguments)
{
    AUTO(text_done)
    struct text problems = TEXT_INIT(HELP_TEXT_MAX);
    if (config_load(program->settings, program->setting_count, file, config, &problems) !=
        STATUS_OK) {
        fprintf(stderr, STR_FORMAT, STR_ARGS(text_str(&problems)));
        return leave(arguments, EXIT_USAGE);
    }
    if (!only_check)
        return SERVICE_RUN;
    printf("the configuration is valid\n");
    return leave(arguments, EXIT_SUCCESS);
}

static sigset_t stop_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

static void end_at_once(int signal_number)
{
    (void)signal_number;
    _exit(EXIT_TERMINATED);
}

/* A handler is needed: for process 1, as in a container, the default is to ignore the signal. */
static void let_the_next_signal_end_us(void)
{
    struct sigaction action = {.sa_handler = end_at_once};
    sigset_t signals = stop_signals();
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

enum service_action service_start(const struct service_program *program, int argc, char **argv,
                                  void *config, struct service_arguments *ret_arguments)
{
    fill_standard_files();
    struct option options[4 + VERBS_MAX + 1];
    fill_options(program, options);
    struct service_arguments arguments = {0};
    const char *file = NULL;
    bool only_check = false;

    int code;
    while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (code == OPTION_HELP) {
            print_help(program);
            return leave(ret_arguments, EXIT_SUCCESS);
        }
        if (code == OPTION_VERSION) {
            printf("%s %s\n", program->name, CARTLEDGER_VERSION);
            return leave(ret_arguments, EXIT_SUCCESS);
        }
        if (code == OPTION_CONFIG) {
            file = optarg;
        } else if (code == OPTION_CHECK) {
            only_check = true;
        } else if (code >= VERB_BASE) {
            arguments.verb = &program->verbs[code - VERB_BASE];
            arguments.verb_argument = optarg;
        } else {
            return leave(ret_arguments, EXIT_USAGE);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s', see --help\n", program->name, argv[optind]);
        return leave(ret_arguments, EXIT_USAGE);
    }
    if (arguments.verb != NULL)
        let_the_next_signal_end_us();
    *ret_arguments = arguments;
    return load_config(program, file, only_check, config, ret_arguments);
}

int service_healthcheck(const char *bind_address, int64_t port)
{
    struct error error;
    if (health_probe(bind_address, (uint16_t)port, HEALTHCHECK_MS, &error) == STATUS_OK)
        return EXIT_SUCCESS;
    fprintf(stderr, "%s\n", error.message);
    return EXIT_FAILURE;
}

void service_block_signals(void)
{
    sigset_t signals = stop_signals();
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Waits up to `wait_ms` for SIGTERM or SIGINT; true when one came. */
static bool is_stop_requested(int wait_ms)
{
    sigset_t signals = stop_signals();
    struct timespec wait = {wait_ms / 1000, (wait_ms % 1000) * 1000000L};
    if (sigtimedwait(&signals, NULL, &wait) < 0)
        return false;
    let_the_next_signal_end_us();
    return true;
}

void service_watch(const struct service_watch *watch)
{
    log_info(watch->service, "listening", LOG_STR("address", watch->address),
             LOG_INT("port", http_server_port(watch->server)),
             LOG_STR("version", CARTLEDGER_VERSION));
    struct notify_manager manager;
    notify_manager_begin(&manager);
    notify_send("READY=1");
    do {
        int64_t oldest_turn_us = watch->round(watch->context);
        char status[HEALTH_DETAIL_MAX];
        health_summary(watch->health, status, sizeof(status));
        notify_status(&manager, status);
        notify_watchdog_turn(&manager, clock_monotonic_us(), oldest_turn_us);
    } while (!is_stop_requested(SERVICE_ROUND_MS));
    notify_send("STOPPING=1");
    log_info(watch->service, "stopping");
}

void service_drain(struct health *health, struct http_server *server)
{
    health_drain(health);
    usleep(SERVICE_NOTICE_MS * MICROSECONDS_PER_MILLISECOND);
    http_server_quiesce(server);
}

void service_await_answers(const struct http_server *server)
{
    int64_t deadline_us = clock_deadline_us(SERVICE_ANSWER_MS);
    while (http_server_pending(server) > 0 && clock_monotonic_us() < deadline_us)
        usleep(ANSWER_POLL_MS * MICROSECONDS_PER_MILLISECOND);
}

static void answer_metrics(struct http_request *request, struct metrics *metrics)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(METRICS_TEXT_MAX);
    metrics_write(metrics, &text);
    http_respond_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

static void answer_ready(struct http_request *request, struct health *health)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(HEALTH_TEXT_MAX);
    bool ready = health_write(health, &text);
    http_respond_text(request, ready ? 200 : 503, "application/json", &text);
}

/* Compares weakly (RFC 9110, 13.1.2). The tag is quoted, and a quoted tag cannot contain a quote.
 * So finding it anywhere means that it is in the list. */
static bool is_known(struct str if_none_match, const char *etag)
{
    return str_equal_literal(if_none_match, "*") ||
           (!str_is_none(if_none_match) &&
            memmem(if_none_match.bytes, if_none_match.length, etag, strlen(etag)) != NULL);
}

static void answer_document(struct http_request *request, const struct openapi_document *document)
{
    bool known = is_known(http_request_header(request, "If-None-Match"), document->etag);
    http_respond(request, &(struct http_response){
                              .status = known ? 304 : 200,
                              .content_type = known ? NULL : "application/json",
                              .body = document->json,
                              .headers = {{"ETag", str_from(document->etag)},
                                          {"Cache-Control", STR_LITERAL("no-cache")}},
                              .header_count = 2,
                          });
}

enum common_route { LIVE, READY, METRICS, DOCUMENT, COMMON_ROUTE_COUNT };

static const char *const ROUTES[COMMON_ROUTE_COUNT] = {
    [LIVE] = "/livez", [READY] = "/readyz", [METRICS] = "/metrics", [DOCUMENT] = "/openapi.json"};

static enum common_route find_route(const struct http_request *request)
{
    enum common_route route = LIVE;
    while (route < COMMON_ROUTE_COUNT &&
           !str_equal_literal(http_request_segment(request, 0), ROUTES[route] + 1))
        route++;
    return route;
}

bool service_handle_common(struct http_request *request, struct health *health,
                           struct metrics *metrics, const struct openapi_document *document)
{
    if (http_request_segment_count(request) != 1)
        return false;
    enum common_route route = find_route(request);
    if (route == COMMON_ROUTE_COUNT)
        return false;

    http_request_set_route(request, ROUTES[route]);
    enum http_method method = http_request_method(request);
    if (method != HTTP_GET && method != HTTP_HEAD)
        http_respond_methods(request, "GET, HEAD, OPTIONS", STR_NONE);
    else if (http_request_parameter_count(request) > 0)
        http_refuse(request, &PROBLEM_MALFORMED_REQUEST, "no parameter is known here");
    else if (route == LIVE)
        http_respond(request,
                     &(struct http_response){.status = 200,
                                             .content_type = "application/json",
                                             .body = STR_LITERAL("{\"status\":\"alive\"}")});
    else if (route == READY)
        answer_ready(request, health);
    else if (route == METRICS)
        answer_metrics(request, metrics);
    else
        answer_document(request, document);
    return true;
}
