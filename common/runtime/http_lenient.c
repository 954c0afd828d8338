#include "http_internal.h"

#include "log.h"

#include <stdio.h>

/* Refuses only if the head has come, libmicrohttpd is looking at it, and the handler was not called
 * yet. */
static void refuse_unreadable_length(struct http_connection *connection)
{
    struct http_request *request = connection->request;
    if (request == NULL || request->head_seen ||
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE) == NULL)
        return;
    http_answer_now(request, &(struct problem){.type = &PROBLEM_MALFORMED_REQUEST,
                                               .detail = STR_LITERAL("Content-Length is not a "
                                                                     "number")});
}

/*
 * libmicrohttpd 0.9.75 refuses a Content-Length that it cannot read before the handler is called,
 * and sends the head of that answer twice: what follows looks like the answer to another request.
 * Its log callback is the only one that comes early enough to answer first.
 */
void http_on_message(void *context, const char *format, va_list arguments)
{
    struct http_server *server = context;
    char message[256];
    vsnprintf(message, sizeof(message), format, arguments);
    message[strcspn(message, "\n")] = '\0';
    log_debug("http", "libmicrohttpd", LOG_STR("detail", message));
    if (server->lenient_library && strstr(format, "Content-Length") != NULL)
        http_guard_visit_mine(&server->guard, refuse_unreadable_length);
}
