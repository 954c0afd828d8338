#include "log_client_http.h"

#include "cart_partition.h"
#include "text.h"

#include <assert.h>
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum { URL_MAX = 2048, BASE_URL_MAX = 1024, STATE_BYTES_MAX = 256 * 1024 };

struct log_client_http {
    struct log_client port;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    char base_url[BASE_URL_MAX];
    char address[BASE_URL_MAX]; /* the same, without a password: for messages */
    char url[URL_MAX];
    char curl_error[CURL_ERROR_SIZE];
    bool is_under_way;
    struct log_request request;
    struct text body;

    /* The last answer, until the next request. */
    size_t event_count;
    struct recorded_event events[LOG_PAGE_EVENTS];
    void *sources[LOG_PAGE_EVENTS];
    int64_t last_positions[PARTITION_COUNT_MAX];
};

static void forget_answer(struct log_client_http *client)
{
    for (size_t i = 0; i < client->event_count; i++)
        free(client->sources[i]);
    client->event_count = 0;
    text_done(&client->body);
    client->body = TEXT_INIT(LOG_HTTP_BYTES_MAX);
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct log_client_http *client = context;
    text_append(&client->body, bytes, size * count);
    return text_ok(&client->body) ? size * count : 0;
}

static void end_request(struct log_client_http *client)
{
    if (client->is_under_way)
        curl_multi_remove_handle(client->multi, client->easy);
    client->is_under_way = false;
}

static void ask(void *self, const struct log_request *request)
{
    struct log_client_http *client = self;
    assert(!client->is_under_way && request->limit <= LOG_PAGE_EVENTS);
    forget_answer(client);
    client->request = *request;
    if (request->kind == LOG_READ_STATE)
        snprintf(client->url, sizeof(client->url), "%s/v1/events/partitions", client->base_url);
    else
        snprintf(client->url, sizeof(client->url), "%s/v1/events?partition=%d&after=%lld&limit=%d",
                 client->base_url, request->partition, (long long)request->after, request->limit);
    client->curl_error[0] = '\0';
    client->is_under_way = curl_easy_setopt(client->easy, CURLOPT_URL, client->url) == CURLE_OK &&
                           curl_multi_add_handle(client->multi, client->easy) == CURLM_OK;
}

static enum status no_sense(struct error *error, const char *what)
{
    return error_set(error, STATUS_INVALID, "the log's answer makes no sense: %s", what);
}

/* One event a line. A line that was cut off has no end. */
static enum status read_events(struct log_client_http *client, struct error *error)
{
    struct str rest = text_str(&client->body);
    while (rest.length > 0 && client->event_count < (size_t)client->request.limit) {
        const char *end = memchr(rest.bytes, '\n', rest.length);
        if (end == NULL)
            return no_sense(error, "a line without an end");
        struct str line = {rest.bytes, (size_t)(end - rest.bytes)};
        size_t index = client->event_count;
        enum status status =
            recorded_event_read(line, &client->events[index], &client->sources[index], error);
        if (status != STATUS_OK)
            return status;
        client->event_count++;
        if (client->events[index].partition != client->request.partition)
            return no_sense(error, "an event of another partition");
        rest = (struct str){end + 1, rest.length - line.length - 1};
    }
    return STATUS_OK;
}

static bool read_last_position(struct log_client_http *client, size_t count, const json_t *entry)
{
    const json_t *partition = json_object_get(entry, "partition");
    const json_t *last = json_object_get(entry, "lastPosition");
    json_int_t number = json_integer_value(partition);
    if (!json_is_integer(partition) || !json_is_integer(last) || number < 0 ||
        number >= (json_int_t)count || json_integer_value(last) < 0 ||
        client->last_positions[number] >= 0)
        return false;
    client->last_positions[number] = json_integer_value(last);
    return true;
}

static enum status read_state_object(struct log_client_http *client, const json_t *state,
                                     struct log_reply *ret_reply, struct error *error)
{
    const json_t *partitions = json_object_get(state, "partitions");
    const char *log_id = json_string_value(json_object_get(state, "logId"));
    size_t count = json_array_size(partitions);
    if (!uuid_parse(str_from(log_id), &ret_reply->log_id))
        return no_sense(error, "no logId");
    if (count == 0 || count > PARTITION_COUNT_MAX)
        return no_sense(error, "no partitions");
    for (size_t i = 0; i < count; i++)
        client->last_positions[i] = -1;
    for (size_t i = 0; i < count; i++)
        if (!read_last_position(client, count, json_array_get(partitions, i)))
            return no_sense(error, "a partition without its last position");
    ret_reply->last_positions = client->last_positions;
    ret_reply->partition_count = (int)count;
    return STATUS_OK;
}

static enum status read_state(struct log_client_http *client, struct log_reply *ret_reply,
                              struct error *error)
{
    struct str body = text_str(&client->body);
    if (body.length > STATE_BYTES_MAX)
        return no_sense(error, "too long");
    json_t *state = json_loadb(body.bytes, body.length, JSON_REJECT_DUPLICATES, NULL);
    enum status status = read_state_object(client, state, ret_reply, error);
    json_decref(state);
    return status;
}

static enum status read_answer(struct log_client_http *client, struct log_reply *ret_reply,
                               struct error *error)
{
    long code = 0;
    curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &code);
    if (code != 200)
        return error_set(error, STATUS_UNAVAILABLE, "the log at %s answers %ld", client->address,
                         code);
    struct log_reply reply = {.events = client->events};
    enum status status = client->request.kind == LOG_READ_STATE ? read_state(client, &reply, error)
                                                                : read_events(client, error);
    if (status != STATUS_OK)
        return status;
    reply.event_count = client->event_count;
    *ret_reply = reply;
    return STATUS_OK;
}

/* A page may be too large, or may not come in time. The events that did come count as the answer;
 * otherwise the same page would be asked for again and again. */
static enum status read_failure(struct log_client_http *client, CURLcode code,
                                struct log_reply *ret_reply, struct error *error)
{
    long answer = 0;
    curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &answer);
    if (answer == 200 && client->request.kind == LOG_READ_EVENTS) {
        struct error ignored;
        client->body.failed = false;
        enum status status = read_events(client, &ignored);
        if ((status == STATUS_OK || status == STATUS_INVALID) && client->event_count > 0) {
            *ret_reply =
                (struct log_reply){.events = client->events, .event_count = client->event_count};
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_UNAVAILABLE, "the log at %s: %s", client->address,
                     client->curl_error[0] != '\0' ? client->curl_error : curl_easy_strerror(code));
}

static enum status reply(void *self, struct log_reply *ret_reply, struct error *error)
{
    struct log_client_http *client = self;
    if (!client->is_under_way)
        return error_set(error, STATUS_UNAVAILABLE, "the log cannot be asked");
    int running = 0;
    curl_multi_perform(client->multi, &running);
    int left;
    const CURLMsg *message = curl_multi_info_read(client->multi, &left);
    if (message == NULL)
        return error_set(error, STATUS_CONFLICT, "the log has not answered yet");
    assert(message->msg == CURLMSG_DONE && "libcurl has no other");
    CURLcode code = message->data.result;
    end_request(client);
    return code == CURLE_OK ? read_answer(client, ret_reply, error)
                            : read_failure(client, code, ret_reply, error);
}

static bool configure(struct log_client_http *client)
{
    /* Events come as a stream; the partitions' positions only as one object. */
    client->headers =
        curl_slist_append(NULL, "Accept: application/x-ndjson, application/json;q=0.5");
    return client->headers != NULL &&
           curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, client->headers) == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, take_bytes) == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, client) == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_ERRORBUFFER, client->curl_error) == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)LOG_HTTP_CONNECT_MS) ==
               CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, (long)LOG_HTTP_REQUEST_MS) ==
               CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_USERAGENT,
                            "cartledger-query/" CARTLEDGER_VERSION) == CURLE_OK;
}

static size_t length_without_slashes(const char *url)
{
    size_t length = strlen(url);
    while (length > 0 && url[length - 1] == '/')
        length--;
    return length;
}

enum status log_client_url_check(const char *url, struct error *error)
{
    size_t length = length_without_slashes(url);
    bool is_http_url = (strncmp(url, "http://", 7) == 0 && length > 7) ||
                       (strncmp(url, "https://", 8) == 0 && length > 8);
    if (is_http_url && length < BASE_URL_MAX)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID, "is not an http or https URL");
}

static void copy_without_user(const char *url, char ret_address[BASE_URL_MAX])
{
    const char *host = strstr(url, "//") + 2;
    const char *user_end = memrchr(host, '@', strcspn(host, "/?#"));
    snprintf(ret_address, BASE_URL_MAX, "%.*s%s", (int)(host - url), url,
             user_end != NULL ? user_end + 1 : host);
}

enum status log_client_http_new(const char *base_url, struct log_client_http **ret_client,
                                struct error *error)
{
    if (log_client_url_check(base_url, NULL) != STATUS_OK)
        return error_set(error, STATUS_INVALID, "the log's address is not an http or https URL");
    struct log_client_http *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    client->port = (struct log_client){client, ask, reply};
    memcpy(client->base_url, base_url, length_without_slashes(base_url));
    copy_without_user(client->base_url, client->address);
    client->body = TEXT_INIT(LOG_HTTP_BYTES_MAX);
    client->multi = curl_multi_init();
    client->easy = curl_easy_init();
    if (client->multi == NULL || client->easy == NULL || !configure(client)) {
        log_client_http_free(client);
        return error_set(error, STATUS_NO_MEMORY, "no HTTP client to be had");
    }
    *ret_client = client;
    return STATUS_OK;
}

void log_client_http_free(struct log_client_http *client)
{
    if (client == NULL)
        return;
    end_request(client);
    curl_easy_cleanup(client->easy);
    curl_multi_cleanup(client->multi);
    curl_slist_free_all(client->headers);
    forget_answer(client);
    free(client);
}

const struct log_client *log_client_http_port(struct log_client_http *client)
{
    return &client->port;
}
