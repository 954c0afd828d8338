/* Given a cart whose events are parked, when they are replayed, then as many as can be are applied.
 */
#include "failing_memory.h"
#include "parked_replay.h"

#include <stdio.h>

enum { DATA_MAX = 1024, BODY_MAX = 1024, CALLS_OF_ONE_REPLAY = 6 };

static const struct uuid cart_id = {{1}};

/* A store with one cart: event n is what makes its version n. */
static struct {
    int32_t version;     /* of the view */
    char body[BODY_MAX]; /* of the view; empty: none */
    int32_t parked_to;   /* the last parked event; those from version + 1 on are parked */
    int32_t broken;      /* cannot be applied */
    int32_t displaced;   /* does not stand where it was parked */
    int32_t long_winded; /* has as long headers as there are */
    bool is_freed_by_another;
    bool is_replaying;
    int commits;
    int calls;
    int failing_call; /* 0: none */
} cart;

static enum status answer(struct error *error)
{
    return ++cart.calls == cart.failing_call ? error_set(error, STATUS_UNAVAILABLE, "gone")
                                             : STATUS_OK;
}

static enum status next_parked_cart(void *self, const struct uuid *after, struct uuid *ret_cart_id,
                                    int16_t *ret_partition, struct error *error)
{
    (void)self;
    if (after != NULL)
        return error_set(error, STATUS_NOT_FOUND, "that was all");
    *ret_cart_id = cart_id;
    *ret_partition = 0;
    return answer(error);
}

static enum status replay_begin(void *self, const struct uuid *id, int16_t partition,
                                struct error *error)
{
    (void)self;
    (void)id;
    (void)partition;
    cr_assert_not(cart.is_replaying);
    if (cart.is_freed_by_another)
        return error_set(error, STATUS_NOT_FOUND, "not parked");
    enum status status = answer(error);
    cart.is_replaying = status == STATUS_OK;
    return status;
}

static enum status load_carts(void *self, const struct uuid *ids, size_t count,
                              stored_cart_fn *visit, void *context, struct error *error)
{
    (void)self;
    cr_assert_eq(count, 1);
    struct stored_cart stored = {.cart_id = ids[0],
                                 .version = cart.version,
                                 .body = cart.body[0] == '\0' ? STR_NONE : str_from(cart.body),
                                 .is_parked = true};
    enum status status = answer(error);
    return status == STATUS_OK ? visit(context, &stored, error) : status;
}

static enum status visit_event(int32_t version, parked_record_fn *visit, void *context,
                               struct error *error)
{
    static const char *const long_headers[] = {"ce_correlationid", "ce_causationid",
                                               "ce_traceparent"};
    static char quotes[CLOUD_EVENT_TEXT_MAX]; /* the longest that are kept, and to be escaped */
    static const struct str long_text = {quotes, sizeof(quotes)};
    static char data[DATA_MAX];
    static struct cloud_event made;
    memset(quotes, '"', sizeof(quotes));
    if (version == 1)
        snprintf(data, sizeof(data), "{\"currency\":\"EUR\",\"customerId\":null}");
    else
        snprintf(
            data, sizeof(data),
            "{\"sku\":\"tea\",\"name\":\"Tea\",\"quantity\":1,\"unitPrice\":{\"amountMinor\":5,"
            "\"currency\":\"EUR\"},\"lineQuantity\":%d}",
            version - 1);
    struct recorded_event event = {.position = version,
                                   .cart_id = cart_id,
                                   .version = version,
                                   .type = version == 1 ? STR_LITERAL("CartCreated")
                                                        : STR_LITERAL("ItemAdded"),
                                   .schema_version = version == cart.broken ? 9 : 1,
                                   .data = str_from(data),
                                   .metadata = STR_LITERAL("{}")};
    cr_assert_eq(cloud_event_from(&event, &made, NULL), STATUS_OK);
    struct parked_record record = {.position = version + (version == cart.displaced),
                                   .has_cart = true,
                                   .cart_id = cart_id,
                                   .key = str_from(made.key),
                                   .value = made.value,
                                   .headers = made.headers,
                                   .header_count = made.header_count};
    for (size_t i = 0; i < ARRAY_SIZE(long_headers) && version == cart.long_winded; i++)
        made.headers[record.header_count++] = (struct cloud_header){long_headers[i], long_text};
    return visit(context, &record, error);
}

static enum status read_parked(void *self, const struct uuid *id, parked_record_fn *visit,
                               void *context, struct error *error)
{
    (void)self;
    (void)id;
    enum status status = answer(error);
    int32_t last = cart.parked_to - cart.version > REPLAY_RECORDS_MAX
                       ? cart.version + REPLAY_RECORDS_MAX
                       : cart.parked_to;
    for (int32_t version = cart.version + 1; status == STATUS_OK && version <= last; version++)
        status = visit_event(version, visit, context, error);
    return status;
}

static enum status replay_commit(void *self, const struct uuid *id, const struct view_row *view,
                                 const struct recorded_event *const *timeline, size_t count,
                                 bool *ret_is_free, int64_t *ret_epoch, struct error *error)
{
    (void)self;
    (void)id;
    cr_assert(cart.is_replaying);
    enum status status = answer(error);
    if (status != STATUS_OK)
        return status;
    cart.is_replaying = false;
    cart.commits++;
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(timeline[i]->version, cart.version + (int32_t)i + 1);
    if (view != NULL) {
        cr_assert_eq(view->version, cart.version + (int32_t)count);
        cart.version = view->version;
        cr_assert_lt(view->body.length, BODY_MAX);
        snprintf(cart.body, BODY_MAX, STR_FORMAT, STR_ARGS(view->body));
    }
    *ret_is_free = cart.version == cart.parked_to;
    *ret_epoch = cart.commits;
    return STATUS_OK;
}

static void abandon(void *self)
{
    (void)self;
    cr_assert(cart.is_replaying);
    cart.is_replaying = false;
}

static const struct view_store store = {.next_parked_cart = next_parked_cart,
                                        .replay_begin = replay_begin,
                                        .load_carts = load_carts,
                                        .read_parked = read_parked,
                                        .replay_commit = replay_commit,
                                        .abandon = abandon};

static void done(void)
{
    cr_assert_not(cart.is_replaying);
}

TestSuite(parked_replay, .fini = done);

static void then(int64_t freed, int64_t left, int64_t applied)
{
    struct replay_result result;
    struct error error = {0};
    cr_assert_eq(parked_replay(&store, &result, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(result.carts_freed, freed);
    cr_assert_eq(result.carts_left, left);
    cr_assert_eq(result.events_applied, applied);
    cr_assert_eq(cart.version, applied);
}

Test(parked_replay, given_more_events_than_one_transaction_takes_then_it_takes_several)
{
    cart.parked_to = 2 * REPLAY_RECORDS_MAX + 1;
    then(1, 0, cart.parked_to);
    cr_assert_eq(cart.commits, 3);
}

Test(parked_replay, given_an_event_that_cannot_be_applied_then_those_before_it_are)
{
    cart.parked_to = 9;
    cart.broken = 4;
    then(0, 1, 3);
    cr_assert_eq(cart.commits, 1);
}

Test(parked_replay, given_a_record_that_does_not_stand_where_it_was_parked_then_it_is_not_applied)
{
    cart.parked_to = 9;
    cart.displaced = 1;
    then(0, 1, 0);
    cr_assert_eq(cart.commits, 0);
}

Test(parked_replay, given_a_record_with_the_longest_headers_then_it_is_applied)
{
    cart.parked_to = 3;
    cart.long_winded = 2;
    then(1, 0, 3);
}

Test(parked_replay, given_a_cart_that_somebody_else_frees_then_it_is_free)
{
    cart.parked_to = 9;
    cart.is_freed_by_another = true;
    then(1, 0, 0);
}

/* Everything of it was applied; only its parked mark was left. */
Test(parked_replay, given_a_cart_without_parked_events_then_it_is_freed)
{
    then(1, 0, 0);
    cr_assert_eq(cart.commits, 1);
}

Test(parked_replay, given_a_store_that_fails_then_so_does_the_replay_and_the_next_one_does_all)
{
    struct replay_result result;
    cart.parked_to = 3;
    for (cart.failing_call = 1; cart.failing_call < CALLS_OF_ONE_REPLAY; cart.failing_call++) {
        cart.calls = 0;
        cr_assert_eq(parked_replay(&store, &result, NULL), STATUS_UNAVAILABLE, "call %d",
                     cart.failing_call);
        cr_assert_eq(cart.version, 0);
        cr_assert_not(cart.is_replaying);
    }
    cart.calls = 0;
    then(1, 0, 3);
}

Test(parked_replay, given_a_stored_view_that_cannot_be_read_then_nothing_is_applied)
{
    cart.parked_to = 3;
    snprintf(cart.body, BODY_MAX, "{}");
    then(0, 1, 0);
    cr_assert_eq(cart.commits, 0);
}

static enum status three_events_are_replayed(struct error *error)
{
    struct replay_result result;
    cart.version = 0;
    cart.body[0] = '\0';
    cart.parked_to = 3;
    return parked_replay(&store, &result, error);
}

Test(parked_replay, given_no_memory_then_it_is_told)
{
    cr_assert_gt(each_allocation_fails(three_events_are_replayed, STATUS_NO_MEMORY), 5);
}
