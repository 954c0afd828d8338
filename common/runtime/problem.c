#include "problem.h"

#include "json_out.h"
#include "log.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>

enum { PROBLEM_TEXT_MAX = 262144, DETAIL_MAX = 512, RETRY_DEFAULT_S = 1 };

const struct problem_type PROBLEM_MALFORMED_REQUEST = {400, "malformed-request",
                                                       "Malformed request"};
const struct problem_type PROBLEM_INVALID_HEADER = {400, "invalid-header", "Invalid header"};
const struct problem_type PROBLEM_NO_SUCH_RESOURCE = {404, "no-such-resource", "No such resource"};
const struct problem_type PROBLEM_NOT_ACCEPTABLE = {406, "not-acceptable", "Not acceptable"};
const struct problem_type PROBLEM_BODY_TOO_LARGE = {413, "body-too-large", "Body too large"};
const struct problem_type PROBLEM_INTERNAL = {500, "internal", "Internal error"};
const struct problem_type PROBLEM_OVERLOADED = {503, "overloaded", "Overloaded"};

static void write_errors(struct json_out *out, const struct problem *problem)
{
    json_out_key(out, "errors");
    json_out_array(out);
    for (size_t i = 0; i < problem->error_count; i++) {
        json_out_object(out);
        json_out_key(out, "pointer");
        json_out_string(out, str_from(problem->errors[i].pointer));
        json_out_key(out, "detail");
        json_out_string(out, str_from(problem->errors[i].detail));
        json_out_end_object(out);
    }
    json_out_end_array(out);
}

void problem_write(const struct problem *problem, struct str request_id, struct text *text)
{
    struct json_out out = json_out_to(text);
    json_out_object(&out);
    json_out_key(&out, "type");
    char type[128];
    int length = snprintf(type, sizeof(type), "%s%s", PROBLEM_TYPE_PREFIX, problem->type->name);
    json_out_string(&out, (struct str){type, (size_t)length});
    json_out_key(&out, "title");
    json_out_string(&out, str_from(problem->type->title));
    json_out_key(&out, "status");
    json_out_int(&out, problem->type->status);
    if (!str_is_none(problem->detail)) {
        json_out_key(&out, "detail");
        json_out_string(&out, problem->detail);
    }
    if (problem->cart_status != NULL) {
        json_out_key(&out, "cartStatus");
        json_out_string(&out, str_from(problem->cart_status));
    }
    if (problem->current_version > 0) {
        json_out_key(&out, "currentVersion");
        json_out_int(&out, problem->current_version);
    }
    if (problem->error_count > 0)
        write_errors(&out, problem);
    if (problem->type->status == 500) {
        json_out_key(&out, "requestId");
        json_out_string(&out, request_id);
    }
    json_out_end_object(&out);
}

static void add_header(struct http_response *response, const char *name, struct str value)
{
    response->headers[response->header_count++] = (struct http_header){name, value};
}

void http_respond_problem(struct http_request *request, const struct problem *problem)
{
    struct str id = http_request_id(request);
    if (problem->type->status == 500)
        log_error("request", "failed", LOG_TEXT("requestId", id),
                  LOG_TEXT("correlationId", http_request_correlation_id(request)),
                  LOG_STR("type", problem->type->name), LOG_TEXT("detail", problem->detail));

    AUTO(text_done)
    struct text text = TEXT_INIT(PROBLEM_TEXT_MAX);
    problem_write(problem, id, &text);
    size_t length;
    char *body = text_steal(&text, &length);
    if (body == NULL) {
        http_drop(request);
        return;
    }
    struct http_response response = {.status = problem->type->status,
                                     .content_type = "application/problem+json",
                                     .body = {body, length},
                                     .free_body = true};
    char retry_after[16];
    if (problem->retry_after_s > 0) {
        snprintf(retry_after, sizeof(retry_after), "%d", problem->retry_after_s);
        add_header(&response, "Retry-After", str_from(retry_after));
    }
    if (problem->allow != NULL)
        add_header(&response, "Allow", str_from(problem->allow));
    http_respond(request, &response);
}

static const struct problem_type METHOD_NOT_ALLOWED = {405, "method-not-allowed",
                                                       "Method not allowed"};

void http_respond_methods(struct http_request *request, const char *allow, struct str detail)
{
    if (http_request_method(request) == HTTP_OPTIONS)
        http_respond(request, &(struct http_response){.status = 204,
                                                      .headers = {{"Allow", str_from(allow)}},
                                                      .header_count = 1});
    else
        http_respond_problem(
            request,
            &(struct problem){.type = &METHOD_NOT_ALLOWED, .detail = detail, .allow = allow});
}

void http_refuse(struct http_request *request, const struct problem_type *type,
                 const char *detail_format, ...)
{
    char detail[DETAIL_MAX];
    va_list arguments;
    va_start(arguments, detail_format);
    int wanted = vsnprintf(detail, sizeof(detail), detail_format, arguments);
    va_end(arguments);
    if (wanted >= (int)sizeof(detail))
        utf8_drop_cut(detail);
    http_respond_problem(
        request, &(struct problem){.type = type,
                                   .detail = str_from(detail),
                                   .retry_after_s = type->status == 503 ? RETRY_DEFAULT_S : 0});
}

void http_refuse_no_memory(struct http_request *request)
{
    http_refuse(request, &PROBLEM_OVERLOADED, "memory is short; try again");
}

void http_respond_text(struct http_request *request, int status, const char *content_type,
                       struct text *text)
{
    size_t length;
    char *body = text_steal(text, &length);
    if (body == NULL) {
        http_refuse_no_memory(request);
        return;
    }
    http_respond(request, &(struct http_response){.status = status,
                                                  .content_type = content_type,
                                                  .body = {body, length},
                                                  .free_body = true});
}
