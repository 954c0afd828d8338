/*
 * http_stream.h - the server's side of an answer in pieces; the routes' side is in http.h.
 *
 * A stream has two owners. One is the connection that sends it, until libmicrohttpd is done with
 * the response. The other is the source, from each `more` until it has answered that. The owner
 * that lets go last calls `gone` and frees the stream.
 */
#pragma once

#include "http.h"

#include <microhttpd.h>

struct http_connection;

MUST_CHECK struct http_stream *http_stream_new(const struct http_stream_source *source);
/* Nobody has asked for a piece yet: tells the source that the stream is gone. */
void http_stream_discard(struct http_stream *stream);

/* The response that sends it. From here on libmicrohttpd owns the connection's half. NULL: memory
 * is out, and the half is still the caller's. */
MUST_CHECK struct MHD_Response *http_stream_response(struct http_stream *stream,
                                                     struct MHD_Connection *mhd,
                                                     struct http_connection *connection);

/* The client has left or the server ends. Closes the connection if it waits for a piece, or as soon
 * as it would. From any thread, while the connection's half lives. */
void http_stream_break(struct http_stream *stream);
