#include "command_answer.h"

#include "json_out.h"
#include "problem.h"

#include <inttypes.h>
#include <stdio.h>

enum { ANSWER_MAX = 64 * 1024 };

struct refusal_text {
    struct problem_type type;
    const char *detail;
};

static const struct refusal_text REFUSALS[CART_REFUSAL_COUNT] = {
    [CART_REFUSED_NOT_FOUND] = {{404, "cart-not-found", "Cart not found"}, "there is no such cart"},
    [CART_REFUSED_EXISTS] = {{409, "cart-exists", "Cart exists"},
                             "the cart exists with another currency or customer"},
    [CART_REFUSED_CLOSED] = {{409, "cart-closed", "Cart is closed"},
                             "a closed cart never changes again"},
    [CART_REFUSED_EMPTY] = {{409, "cart-empty", "Cart is empty"},
                            "an empty cart cannot be checked out"},
    [CART_REFUSED_CURRENCY_MISMATCH] = {{409, "currency-mismatch", "Currency mismatch"},
                                        "an amount is not in the cart's currency"},
    [CART_REFUSED_TOO_MANY_LINES] = {{409, "too-many-lines", "Too many lines"},
                                     "the cart would have more lines than a cart may have"},
    [CART_REFUSED_QUANTITY_LIMIT] = {{409, "quantity-limit", "Quantity limit"},
                                     "the line would have more pieces than a line may have"},
    [CART_REFUSED_ITEM_NOT_IN_CART] = {{404, "item-not-in-cart", "Item not in cart"},
                                       "the cart has no line with that sku"},
    [CART_REFUSED_TOO_MANY_COUPONS] = {{409, "too-many-coupons", "Too many coupons"},
                                       "the cart has as many coupons as a cart may have"},
    [CART_REFUSED_COUPON_NOT_IN_CART] = {{404, "coupon-not-in-cart", "Coupon not in cart"},
                                         "the cart has no coupon with that code"},
    [CART_REFUSED_MERGE_WITH_ITSELF] = {{409, "merge-with-itself", "Merge with itself"},
                                        "a cart cannot be merged into itself"},
    [CART_REFUSED_VERSION_MISMATCH] = {{412, "version-mismatch", "Version mismatch"},
                                       "the cart is not at a version that If-Match names"},
    [CART_REFUSED_KEY_REUSED] = {{422, "idempotency-key-reused", "Idempotency key reused"},
                                 "the Idempotency-Key stands for another request on this cart"},
};

static void answer_refusal(struct http_request *http, const struct command_outcome *outcome)
{
    const struct refusal_text *text = &REFUSALS[outcome->refusal];
    struct problem problem = {.type = &text->type, .detail = str_from(text->detail)};
    if (outcome->refusal == CART_REFUSED_CLOSED)
        problem.cart_status = cart_status_name(outcome->cart_status);
    if (outcome->refusal == CART_REFUSED_VERSION_MISMATCH)
        problem.current_version = outcome->version;
    http_respond_problem(http, &problem);
}

const struct problem_type EVENT_STORE_UNAVAILABLE = {503, "event-store-unavailable",
                                                     "Event store unavailable"};
static const struct problem_type OUTCOME_UNKNOWN = {503, "outcome-unknown", "Outcome unknown"};

static void answer_failure(struct http_request *http, enum status status)
{
    if (status == STATUS_UNAVAILABLE)
        http_refuse(http, &EVENT_STORE_UNAVAILABLE, "nothing was done; try again");
    else if (status == STATUS_UNCERTAIN)
        http_refuse(http, &OUTCOME_UNKNOWN,
                    "the command may or may not have happened; read the cart before trying again");
    else
        http_refuse(http, &PROBLEM_INTERNAL, "nothing was done");
}

static void write_events(const struct command_outcome *outcome, struct json_out *out)
{
    json_out_array(out);
    for (size_t i = 0; i < outcome->event_count; i++) {
        const struct committed_event *event = &outcome->events[i];
        json_out_object(out);
        json_out_key(out, "eventId");
        json_out_uuid(out, &event->event_id);
        json_out_key(out, "version");
        json_out_int(out, event->version);
        json_out_key(out, "type");
        json_out_string(out, str_from(event_type_name(event->type)));
        json_out_key(out, "occurredAt");
        json_out_time(out, event->occurred_at_us);
        json_out_end_object(out);
    }
    json_out_end_array(out);
}

static void write_accepted(const struct command_request *request, struct text *text)
{
    const struct command_outcome *outcome = &request->outcome;
    struct json_out out = json_out_to(text);
    json_out_object(&out);
    json_out_key(&out, "cartId");
    json_out_uuid(&out, &request->cart_id);
    json_out_key(&out, "version");
    json_out_int(&out, outcome->version);
    json_out_key(&out, "partition");
    json_out_int(&out, request->partition);
    json_out_key(&out, "position");
    if (outcome->event_count > 0)
        json_out_int(&out, outcome->position);
    else
        json_out_null(&out);
    json_out_key(&out, "events");
    write_events(outcome, &out);
    json_out_key(&out, "replayed");
    json_out_bool(&out, outcome->is_replayed);
    json_out_end_object(&out);
}

static void add_header(struct http_response *response, const char *name, struct str value)
{
    response->headers[response->header_count++] = (struct http_header){name, value};
}

static void answer_accepted(struct http_request *http, const struct command_request *request,
                            struct str correlation_id)
{
    AUTO(text_done) struct text body = TEXT_INIT(ANSWER_MAX);
    write_accepted(request, &body);
    if (!text_ok(&body)) {
        answer_failure(http, STATUS_UNCERTAIN);
        return;
    }
    size_t length;
    const char *bytes = text_steal(&body, &length);
    bool created = request->command.type == CART_CREATE && request->outcome.event_count > 0;
    struct http_response response = {.status = created ? 201 : 200,
                                     .content_type = "application/json",
                                     .body = {bytes, length},
                                     .free_body = true};

    char etag[16];
    snprintf(etag, sizeof(etag), "\"%" PRId32 "\"", request->outcome.version);
    add_header(&response, "ETag", str_from(etag));
    char location[sizeof("/v1/carts/") + UUID_TEXT_LENGTH] = "/v1/carts/";
    if (created) {
        uuid_format(&request->cart_id, location + strlen("/v1/carts/"));
        add_header(&response, "Location", str_from(location));
    }
    if (!str_is_none(correlation_id))
        add_header(&response, "X-Correlation-Id", correlation_id);
    http_respond(http, &response);
}

void command_answer(struct http_request *http, const struct command_request *request,
                    struct str correlation_id)
{
    const struct command_outcome *outcome = &request->outcome;
    if (outcome->status != STATUS_OK)
        answer_failure(http, outcome->status);
    else if (outcome->refusal != CART_ACCEPTED)
        answer_refusal(http, outcome);
    else
        answer_accepted(http, request, correlation_id);
}

void command_answer_overloaded(struct http_request *http)
{
    http_refuse(http, &PROBLEM_OVERLOADED, "nothing was done; try again");
}
