/*
 * hello - the least that an HTTP service on libmicrohttpd does: what GETs are compared with.
 *
 *     hello PORT THREADS
 *
 * Runs until SIGTERM or SIGINT. It is set up as the services are (a pool of threads that poll, see
 * common/runtime/http_server.c), and does nothing else.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECTIONS_MAX = 4096 };

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_length, void **state)
{
    (void)url, (void)method, (void)version, (void)body, (void)body_length;
    static int seen;
    if (*state == NULL) { /* an answer before the end of the request would close the connection */
        *state = &seen;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, context);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "hello PORT THREADS\n");
        return 2;
    }
    static char text[] = "hello\n";
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);
    unsigned threads = (unsigned)strtoul(argv[2], NULL, 10);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, response, MHD_OPTION_SOCK_ADDR,
        &address, MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX * threads, MHD_OPTION_END);
    if (response == NULL || daemon == NULL) {
        fprintf(stderr, "hello: libmicrohttpd did not start\n");
        return 1;
    }
    int number;
    sigwait(&stop, &number);
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return 0;
}
