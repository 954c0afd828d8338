#include "http_stream.h"

#include "http_internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct http_stream {
    pthread_mutex_t lock;
    struct http_stream_source source;
    struct MHD_Connection *mhd;
    struct http_connection *connection;
    char *piece; /* owned; what the source has written and the client has not taken yet */
    size_t length;
    size_t taken;
    bool asked;     /* `more` was called and not answered yet: the source holds its half */
    bool last;      /* the piece is the last one */
    bool broken;    /* no further byte, and no proper end either */
    bool suspended; /* the connection sleeps until there is a piece */
    bool closed;    /* the connection's half was let go */
};

struct http_stream *http_stream_new(const struct http_stream_source *source)
{
    struct http_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return NULL;
    pthread_mutex_init(&stream->lock, NULL);
    stream->source = *source;
    return stream;
}

static void end(struct http_stream *stream)
{
    stream->source.gone(stream->source.context);
    pthread_mutex_destroy(&stream->lock);
    free(stream->piece);
    free(stream);
}

void http_stream_discard(struct http_stream *stream)
{
    end(stream);
}

static void drop_piece(struct http_stream *stream)
{
    free(stream->piece);
    stream->piece = NULL;
    stream->length = stream->taken = 0;
}

/* With the lock held. */
static void wake(struct http_stream *stream)
{
    if (!stream->suspended)
        return;
    stream->suspended = false;
    MHD_resume_connection(stream->mhd);
}

static ssize_t take(struct http_stream *stream, char *buffer, size_t max)
{
    size_t left = stream->length - stream->taken;
    size_t count = left < max ? left : max;
    memcpy(buffer, stream->piece + stream->taken, count);
    stream->taken += count;
    if (stream->taken == stream->length)
        drop_piece(stream);
    return (ssize_t)count;
}

/* Asks the source for a piece, without the lock: the source may write at once. */
static void ask(struct http_stream *stream)
{
    stream->asked = true;
    pthread_mutex_unlock(&stream->lock);
    stream->source.more(stream, stream->source.context);
    pthread_mutex_lock(&stream->lock);
}

static ssize_t next_bytes(struct http_stream *stream, char *buffer, size_t max)
{
    for (;;) {
        if (stream->broken)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (stream->piece != NULL) {
            if (!http_connection_expect_reading(stream->connection, max))
                return MHD_CONTENT_READER_END_WITH_ERROR;
            return take(stream, buffer, max);
        }
        if (stream->last)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (stream->asked)
            break;
        ask(stream);
    }
    if (atomic_load(&stream->connection->server->stopping) ||
        !http_connection_set_deadline(stream->connection, HTTP_NO_DEADLINE))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    stream->suspended = true;
    MHD_suspend_connection(stream->mhd);
    return 0;
}

static ssize_t on_read(void *context, uint64_t position, char *buffer, size_t max)
{
    (void)position;
    struct http_stream *stream = context;
    pthread_mutex_lock(&stream->lock);
    ssize_t count = next_bytes(stream, buffer, max);
    pthread_mutex_unlock(&stream->lock);
    if (count == MHD_CONTENT_READER_END_WITH_ERROR)
        http_connection_reset(stream->connection);
    return count;
}

static void on_sent(void *context)
{
    struct http_stream *stream = context;
    http_guard_set_stream(&stream->connection->server->guard, stream->connection, NULL);
    pthread_mutex_lock(&stream->lock);
    stream->closed = true;
    drop_piece(stream);
    bool held = stream->asked;
    pthread_mutex_unlock(&stream->lock);
    if (!held)
        end(stream);
}

struct MHD_Response *http_stream_response(struct http_stream *stream, struct MHD_Connection *mhd,
                                          struct http_connection *connection)
{
    enum { BLOCK_BYTES = 16384 };
    stream->mhd = mhd;
    stream->connection = connection;
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, stream,
                                             on_sent);
}

void http_stream_break(struct http_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->broken = true;
    wake(stream);
    pthread_mutex_unlock(&stream->lock);
}

static void answer(struct http_stream *stream, char *bytes, size_t length, bool last, bool broken)
{
    pthread_mutex_lock(&stream->lock);
    assert(stream->asked && "each `more` is answered once");
    stream->asked = false;
    if (stream->closed) {
        pthread_mutex_unlock(&stream->lock);
        free(bytes);
        end(stream);
        return;
    }
    stream->last = last;
    stream->broken = stream->broken || broken;
    if (length > 0) {
        stream->piece = bytes;
        stream->length = length;
        bytes = NULL;
    }
    wake(stream);
    pthread_mutex_unlock(&stream->lock);
    free(bytes);
}

void http_stream_write(struct http_stream *stream, char *bytes, size_t length, bool last)
{
    answer(stream, bytes, length, last, false);
}

void http_stream_abort(struct http_stream *stream)
{
    answer(stream, NULL, 0, false, true);
}
