/*
 * failing_calls.c - lets one of the calls that a service makes of its libraries fail.
 *
 * The linker leads these calls here (--wrap, see tests/integration/meson.build). A call is known by
 * its path: which calls of ours led to it. The paths that were taken are noted in the file that
 * FAILING_CALLS names; the next call by the path in its field `armed` fails, and none after it
 * unless `always` is set. failing_calls.py has the other end of the file.
 */
#include <curl/curl.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <search.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATHS_MAX = 8192, DEPTH_MAX = 12, FRAMES_MAX = 48, NAME_MAX_BYTES = 40 };

struct path {
    uint64_t id;
    uint64_t frames[DEPTH_MAX]; /* offsets in the program, innermost first */
    char name[NAME_MAX_BYTES];
};

struct record {
    _Atomic uint64_t armed;
    _Atomic uint64_t always;
    _Atomic uint64_t failed;
    _Atomic uint64_t count;
    struct path paths[PATHS_MAX];
};

extern const char __executable_start[], etext[];

static struct record *the_record;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void open_record(void)
{
    const char *file = getenv("FAILING_CALLS");
    void *frames[1];
    backtrace(frames, 1); /* the first call loads a library, which allocates */
    int fd = file == NULL ? -1 : open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        the_record = mapped;
}

__attribute__((noinline)) static struct path path_here(const char *name)
{
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    struct path path = {.id = 14695981039346656037ULL};
    size_t depth = 0;
    for (int i = 3; i < count && depth < DEPTH_MAX; i++) { /* after this, fails() and the wrapper */
        const char *at = frames[i];
        if (at < __executable_start || at >= etext)
            continue;
        path.frames[depth++] = (uint64_t)(at - __executable_start);
    }
    for (size_t i = 0; i < depth; i++)
        path.id = (path.id ^ path.frames[i]) * 1099511628211ULL;
    for (const char *letter = name; *letter != '\0'; letter++)
        path.id = (path.id ^ (unsigned char)*letter) * 1099511628211ULL;
    snprintf(path.name, sizeof(path.name), "%s", name);
    return path;
}

static void note(const struct path *path)
{
    struct record *record = the_record;
    pthread_mutex_lock(&mutex);
    uint64_t count = atomic_load(&record->count), i = 0;
    while (i < count && record->paths[i].id != path->id)
        i++;
    if (i == count && count < PATHS_MAX) {
        record->paths[count] = *path;
        atomic_store(&record->count, count + 1);
    }
    pthread_mutex_unlock(&mutex);
}

__attribute__((noinline)) static bool fails(const char *name)
{
    if (the_record == NULL)
        return false;
    struct path path = path_here(name);
    note(&path);
    uint64_t armed = path.id;
    uint64_t then = atomic_load(&the_record->always) ? armed : 0;
    if (!atomic_compare_exchange_strong(&the_record->armed, &armed, then))
        return false;
    atomic_fetch_add(&the_record->failed, 1);
    errno = ENOMEM;
    return true;
}

#define CALL(type, name, parameters, arguments, failure)                                           \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    __attribute__((noinline)) type __wrap_##name parameters                                        \
    {                                                                                              \
        return fails(#name) ? (failure) : __real_##name arguments;                                 \
    }

CALL(void *, malloc, (size_t size), (size), NULL)
CALL(void *, calloc, (size_t count, size_t size), (count, size), NULL)
CALL(void *, realloc, (void *block, size_t size), (block, size), NULL)
CALL(void *, reallocarray, (void *block, size_t count, size_t size), (block, count, size), NULL)
CALL(char *, strdup, (const char *text), (text), NULL)
CALL(char *, strndup, (const char *text, size_t size), (text, size), NULL)

CALL(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context),
     (thread, attributes, run, context), EAGAIN)
CALL(int, eventfd, (unsigned count, int flags), (count, flags), -1)
CALL(int, epoll_create1, (int flags), (flags), -1)
CALL(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event),
     (epoll, operation, fd, event), -1)
CALL(void *, tsearch, (const void *key, void **root, int (*compare)(const void *, const void *)),
     (key, root, compare), NULL)
CALL(ssize_t, getrandom, (void *bytes, size_t size, unsigned flags), (bytes, size, flags), -1)
CALL(ssize_t, read, (int fd, void *bytes, size_t size), (fd, bytes, size), -1)
CALL(int, getrlimit64, (int resource, struct rlimit *limit), (resource, limit), -1)
CALL(int, setrlimit64, (int resource, const struct rlimit *limit), (resource, limit), -1)
CALL(int, fcntl64, (int fd, int command, long argument), (fd, command, argument), -1)
CALL(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1)
CALL(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t length),
     (fd, level, name, value, length), -1)
CALL(int, bind, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length),
     -1)
CALL(int, listen, (int fd, int backlog), (fd, backlog), -1)
CALL(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags),
     (fd, address, length, flags), -1)
CALL(int, connect, (int fd, const struct sockaddr *address, socklen_t length),
     (fd, address, length), -1)
CALL(ssize_t, send, (int fd, const void *bytes, size_t size, int flags), (fd, bytes, size, flags),
     -1)
CALL(ssize_t, recv, (int fd, void *bytes, size_t size, int flags), (fd, bytes, size, flags), -1)

/* As Jansson's own when it has no memory to begin with: it tells nothing. */
static json_t *say_nothing(json_error_t *error)
{
    if (error != NULL)
        *error = (json_error_t){.line = -1};
    return NULL;
}

CALL(json_t *, json_loadb, (const char *text, size_t size, size_t flags, json_error_t *error),
     (text, size, flags, error), say_nothing(error))
CALL(int, json_dump_callback,
     (const json_t *json, json_dump_callback_t callback, void *context, size_t flags),
     (json, callback, context, flags), -1)

CALL(PQconninfoOption *, PQconninfoParse, (const char *text, char **message), (text, message), NULL)
CALL(PGconn *, PQconnectStartParams,
     (const char *const *keywords, const char *const *values, int expand),
     (keywords, values, expand), NULL)
CALL(PostgresPollingStatusType, PQconnectPoll, (PGconn * connection), (connection),
     PGRES_POLLING_FAILED)
CALL(int, PQsetnonblocking, (PGconn * connection, int on), (connection, on), -1)
CALL(int, PQsendPrepare,
     (PGconn * connection, const char *name, const char *sql, int count, const Oid *types),
     (connection, name, sql, count, types), 0)
CALL(int, PQsendQueryPrepared,
     (PGconn * connection, const char *name, int count, const char *const *values,
      const int *lengths, const int *formats, int format),
     (connection, name, count, values, lengths, formats, format), 0)
CALL(int, PQflush, (PGconn * connection), (connection), -1)
CALL(int, PQconsumeInput, (PGconn * connection), (connection), 0)

/* As libmicrohttpd's own: it closes what it does not take. */
static enum MHD_Result close_instead(int fd)
{
    close(fd);
    return MHD_NO;
}

CALL(enum MHD_Result, MHD_add_connection,
     (struct MHD_Daemon * daemon, int fd, const struct sockaddr *address, socklen_t length),
     (daemon, fd, address, length), close_instead(fd))
CALL(struct MHD_Response *, MHD_create_response_from_buffer,
     (size_t size, void *bytes, enum MHD_ResponseMemoryMode mode), (size, bytes, mode), NULL)
CALL(struct MHD_Response *, MHD_create_response_from_callback,
     (uint64_t size, size_t block, MHD_ContentReaderCallback read, void *context,
      MHD_ContentReaderFreeCallback done),
     (size, block, read, context, done), NULL)
CALL(enum MHD_Result, MHD_add_response_header,
     (struct MHD_Response * response, const char *name, const char *value), (response, name, value),
     MHD_NO)
CALL(enum MHD_Result, MHD_queue_response,
     (struct MHD_Connection * connection, unsigned status, struct MHD_Response *response),
     (connection, status, response), MHD_NO)

CALL(CURL *, curl_easy_init, (void), (), NULL)
CALL(CURLM *, curl_multi_init, (void), (), NULL)
CALL(struct curl_slist *, curl_slist_append, (struct curl_slist * list, const char *text),
     (list, text), NULL)
/* Variadic, with one argument always. */
#undef curl_easy_setopt
CALL(CURLcode, curl_easy_setopt, (CURL * curl, CURLoption option, void *value),
     (curl, option, value), CURLE_OUT_OF_MEMORY)
CALL(CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL *curl), (multi, curl),
     CURLM_OUT_OF_MEMORY)

static rd_kafka_conf_res_t explain(char *reason, size_t size)
{
    snprintf(reason, size, "a test wants it so");
    return RD_KAFKA_CONF_INVALID;
}

CALL(rd_kafka_conf_res_t, rd_kafka_conf_set,
     (rd_kafka_conf_t * conf, const char *name, const char *value, char *reason, size_t size),
     (conf, name, value, reason, size), explain(reason, size))
CALL(rd_kafka_t *, rd_kafka_new,
     (rd_kafka_type_t type, rd_kafka_conf_t *conf, char *reason, size_t size),
     (type, conf, reason, size), (explain(reason, size), NULL))
CALL(rd_kafka_topic_t *, rd_kafka_topic_new,
     (rd_kafka_t * client, const char *topic, rd_kafka_topic_conf_t *conf), (client, topic, conf),
     __real_rd_kafka_topic_new(client, NULL, conf)) /* rd_kafka_last_error() is set */
CALL(rd_kafka_resp_err_t, rd_kafka_subscribe,
     (rd_kafka_t * client, const rd_kafka_topic_partition_list_t *topics), (client, topics),
     RD_KAFKA_RESP_ERR__FAIL)
CALL(rd_kafka_error_t *, rd_kafka_consumer_close_queue,
     (rd_kafka_t * client, rd_kafka_queue_t *queue), (client, queue),
     rd_kafka_error_new(RD_KAFKA_RESP_ERR__FAIL, "a test wants it so"))
CALL(rd_kafka_error_t *, rd_kafka_seek_partitions,
     (rd_kafka_t * client, rd_kafka_topic_partition_list_t *list, int wait_ms),
     (client, list, wait_ms), rd_kafka_error_new(RD_KAFKA_RESP_ERR__FAIL, "a test wants it so"))
CALL(rd_kafka_resp_err_t, rd_kafka_resume_partitions,
     (rd_kafka_t * client, rd_kafka_topic_partition_list_t *list), (client, list),
     RD_KAFKA_RESP_ERR__FAIL)
CALL(rd_kafka_resp_err_t, rd_kafka_poll_set_consumer, (rd_kafka_t * client), (client),
     RD_KAFKA_RESP_ERR__FAIL)
CALL(rd_kafka_resp_err_t, rd_kafka_get_watermark_offsets,
     (rd_kafka_t * client, const char *topic, int32_t partition, int64_t *low, int64_t *high),
     (client, topic, partition, low, high), RD_KAFKA_RESP_ERR__FAIL)
CALL(rd_kafka_resp_err_t, rd_kafka_metadata,
     (rd_kafka_t * client, int all, rd_kafka_topic_t *topic, const rd_kafka_metadata_t **metadata,
      int wait_ms),
     (client, all, topic, metadata, wait_ms), RD_KAFKA_RESP_ERR__TRANSPORT)
CALL(rd_kafka_resp_err_t, rd_kafka_offsets_for_times,
     (rd_kafka_t * client, rd_kafka_topic_partition_list_t *list, int wait_ms),
     (client, list, wait_ms), RD_KAFKA_RESP_ERR__TRANSPORT)
CALL(int, rd_kafka_consume_start, (rd_kafka_topic_t * topic, int32_t partition, int64_t offset),
     (topic, partition, offset), __real_rd_kafka_consume_start(topic, -1, offset))
CALL(rd_kafka_error_t *, rd_kafka_produceva,
     (rd_kafka_t * client, const rd_kafka_vu_t *parts, size_t count), (client, parts, count),
     rd_kafka_error_new(RD_KAFKA_RESP_ERR__QUEUE_FULL, "a test wants it so"))
