/* Given a cart and its view, when any one allocation fails, then the caller is told so, and nothing
 * is leaked. */
#include "cart.h"
#include "cart_changes.h"
#include "cart_command_json.h"
#include "cloud_event.h"
#include "failing_memory.h"

static const struct uuid cart_id = {{1}};

#define PRICE "{\"amountMinor\":5,\"currency\":\"EUR\"}"
#define LINE(sku) "{\"sku\":\"" sku "\",\"name\":\"A name\",\"quantity\":1,\"unitPrice\":" PRICE
#define TOTAL(name, amount) "\"" name "\":{\"amountMinor\":" amount ",\"currency\":\"EUR\"}"

/* Enough of everything that the arrays grow. */
static const char *const story[][2] = {
    {"CartCreated", "{\"currency\":\"EUR\",\"customerId\":\"c-1\"}"},
    {"ItemAdded", LINE("a") ",\"lineQuantity\":1}"},
    {"ItemAdded", LINE("b") ",\"lineQuantity\":1}"},
    {"ItemAdded", LINE("c") ",\"lineQuantity\":1}"},
    {"ItemAdded", LINE("d") ",\"lineQuantity\":1}"},
    {"ItemAdded", LINE("e") ",\"lineQuantity\":1}"},
    {"ItemAdded", "{\"sku\":\"a\",\"name\":\"Another\",\"quantity\":1,\"unitPrice\":" PRICE
                  ",\"lineQuantity\":2}"},
    {"CouponApplied", "{\"code\":\"A\",\"percentOff\":10}"},
    {"CouponApplied", "{\"code\":\"B\",\"amountOff\":" PRICE "}"},
    {"CustomerAssigned", "{\"customerId\":\"c-2\",\"previousCustomerId\":\"c-1\"}"},
    {"CartMerged", "{\"sourceCartId\":\"0198f3a2-7c4d-7e00-8123-456789abcdef\",\"sourceVersion\":1,"
                   "\"strategy\":\"sum\",\"items\":[" LINE("x") "}," LINE("y") "}]}"},
    {"CartCheckedOut",
     "{\"orderId\":\"o-1\",\"customerId\":\"c-2\",\"items\":[" LINE(
         "x") ",\"lineTotal\":" PRICE
              "}," LINE("y") ",\"lineTotal\":" PRICE "}],"
                             "\"coupons\":[{\"code\":\"A\",\"percentOff\":10},{\"code\":\"B\","
                             "\"amountOff\":" PRICE "}]," TOTAL("subtotal", "10") "," TOTAL(
                                 "discountTotal", "6") "," TOTAL("total", "4") "}"},
};

static struct recorded_event event_of(size_t index)
{
    return (struct recorded_event){.cart_id = cart_id,
                                   .position = (int64_t)index + 1,
                                   .version = (int32_t)index + 1,
                                   .type = str_from(story[index][0]),
                                   .schema_version = 1,
                                   .data = str_from(story[index][1]),
                                   .metadata = STR_LITERAL("{\"correlationId\":\"x\"}")};
}

static enum status a_cart_evolves(struct error *error)
{
    struct cart cart = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < ARRAY_SIZE(story) && status == STATUS_OK; i++) {
        AUTO(event_data_done) struct event_data data = {0};
        status = event_data_read(str_from(story[i][0]), 1, str_from(story[i][1]), &data, error);
        if (status == STATUS_OK)
            status = cart_evolve(&cart, &data, 0, error);
    }
    cart_done(&cart);
    return status;
}

static enum status view_of_the_story(size_t events, struct cart_view *view, struct error *error)
{
    for (size_t i = 0; i < events; i++) {
        struct recorded_event event = event_of(i);
        enum status status = cart_view_apply_event(view, &event, error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status a_view_follows(struct error *error)
{
    struct cart_view view = {0};
    enum status status = view_of_the_story(ARRAY_SIZE(story), &view, error);
    cart_view_done(&view);
    return status;
}

static enum status written(const struct text *text, struct error *error)
{
    return text_ok(text) ? STATUS_OK : error_set(error, STATUS_NO_MEMORY, "not written");
}

static struct {
    struct cart_view before;
    struct cart_view after;
    char *json;
} given;

static void a_view(void)
{
    struct text text = TEXT_INIT(CART_VIEW_BODY_MAX);
    cr_assert_eq(view_of_the_story(9, &given.before, NULL), STATUS_OK);
    cr_assert_eq(view_of_the_story(10, &given.after, NULL), STATUS_OK);
    cart_view_render(&given.after, &text);
    given.json = text_steal(&text, NULL);
}

static void no_view(void)
{
    cart_view_done(&given.before);
    cart_view_done(&given.after);
    free(given.json);
}

static enum status a_view_is_rendered(struct error *error)
{
    AUTO(text_done) struct text text = TEXT_INIT(CART_VIEW_BODY_MAX);
    cart_view_render(&given.after, &text);
    return written(&text, error);
}

static enum status changes_are_told(struct error *error)
{
    AUTO(text_done) struct text text = TEXT_INIT(CART_VIEW_BODY_MAX);
    struct json_out out = json_out_to(&text);
    cart_changes_write(&given.before, &given.after, &out);
    return written(&text, error);
}

static enum status a_stored_view_is_read(struct error *error)
{
    struct cart_view view;
    enum status status = cart_view_read(str_from(given.json), &view, error);
    if (status == STATUS_OK)
        cart_view_done(&view);
    return status;
}

static enum status an_event_is_copied(struct error *error)
{
    struct recorded_event event = event_of(0);
    struct recorded_event *copy = recorded_event_copy(&event);
    free(copy);
    return copy != NULL ? STATUS_OK : error_set(error, STATUS_NO_MEMORY, "not copied");
}

static enum status a_recorded_event_is_read(struct error *error)
{
    static const char json[] =
        "{\"partition\":0,\"position\":1,\"cartId\":\"0198f3a2-7c4d-7e00-8123-456789abcdef\","
        "\"version\":1,"
        "\"eventId\":\"0198f3a2-7c4d-7e00-8123-456789abcdef\",\"type\":\"X\",\"schemaVersion\":1,"
        "\"occurredAt\":\"2026-11-23T09:00:00Z\",\"data\":{},\"metadata\":{}}";
    struct recorded_event event;
    void *source = NULL;
    enum status status = recorded_event_read(str_from(json), &event, &source, error);
    free(source);
    return status;
}

static enum status an_event_goes_through_kafka(struct error *error)
{
    static struct cloud_event record;
    AUTO(text_done) struct text metadata = TEXT_INIT(32768);
    struct recorded_event event = event_of(0), back;
    event.event_id = cart_id;
    enum status status = cloud_event_from(&event, &record, error);
    return status != STATUS_OK
               ? status
               : cloud_event_read(0, str_from(record.key), record.value, record.headers,
                                  record.header_count, &metadata, &back, error);
}

static enum status an_old_event_is_read(struct error *error)
{
    AUTO(event_data_done) struct event_data data = {0};
    return event_data_read(STR_LITERAL("CartExpired"), 1,
                           STR_LITERAL("{\"lastChangedAt\":\"2026-11-23T09:00:00Z\"}"), &data,
                           error);
}

static enum status a_body_is_read(struct error *error)
{
    static const struct cart_limits limits = {.lines_max = 500, .quantity_max = 999};
    struct cart_command_source source = {.type = CART_ADD_ITEMS,
                                         .body = STR_LITERAL("{\"items\":[" LINE("a") "}]}")};
    struct cart_command_body body = {0};
    struct body_problems problems;
    bool is_read = cart_command_read(&source, &limits, &body, &problems);
    cart_command_body_done(&body);
    if (is_read)
        return STATUS_OK;
    return problems.has_no_memory ? error_set(error, STATUS_NO_MEMORY, "no memory")
                                  : error_set(error, STATUS_INVALID, "%s", problems.malformed);
}

TestSuite(out_of_memory, .init = a_view, .fini = no_view);

Test(out_of_memory, each_of_our_allocations_that_fails_is_told)
{
    cr_expect_gt(each_allocation_fails(a_cart_evolves, STATUS_NO_MEMORY), 20);
    cr_expect_gt(each_allocation_fails(a_view_follows, STATUS_NO_MEMORY), 30);
    cr_expect_gt(each_allocation_fails(a_view_is_rendered, STATUS_NO_MEMORY), 0);
    cr_expect_gt(each_allocation_fails(changes_are_told, STATUS_NO_MEMORY), 1);
    cr_expect_gt(each_allocation_fails(a_stored_view_is_read, STATUS_NO_MEMORY), 10);
    cr_expect_eq(each_allocation_fails(an_event_is_copied, STATUS_NO_MEMORY), 1);
    cr_expect_eq(each_allocation_fails(a_recorded_event_is_read, STATUS_NO_MEMORY), 2);
    cr_expect_eq(each_allocation_fails(an_event_goes_through_kafka, STATUS_NO_MEMORY), 1);
}

/* Jansson reports a syntax error for a text that it has no memory for. */
Test(out_of_memory, each_of_janssons_allocations_that_fails_is_noticed)
{
    jansson_shares_memory();
    cr_expect_gt(each_allocation_fails(a_cart_evolves, STATUS_INVALID), 100);
    cr_expect_gt(each_allocation_fails(a_stored_view_is_read, STATUS_INVALID), 50);
    cr_expect_gt(each_allocation_fails(a_recorded_event_is_read, STATUS_INVALID), 10);
    cr_expect_gt(each_allocation_fails(an_event_goes_through_kafka, STATUS_INVALID), 2);
    cr_expect_gt(each_allocation_fails(an_old_event_is_read, STATUS_INVALID), 5);
}

Test(out_of_memory, a_body_is_not_blamed_for_it)
{
    jansson_shares_memory();
    cr_expect_gt(each_allocation_fails(a_body_is_read, STATUS_NO_MEMORY), 20);
}

Test(out_of_memory, a_parser_that_has_none_does_not_blame_the_event)
{
    struct event_data data;
    jansson_shares_memory();
    allocations_until_failure = 1; /* the first is ours */
    cr_assert_eq(event_data_read(STR_LITERAL("CartCancelled"), 1, STR_LITERAL("{}"), &data, NULL),
                 STATUS_NO_MEMORY);
}
