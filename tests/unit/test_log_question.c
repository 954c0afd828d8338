/* The parameters of GET /v1/events, and the cursor that a page gives. */
#include "cart_partition.h"
#include "http_request.h"
#include "log_question.h"
#include "log_routes.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { PARTITIONS = 6 };

#define CART "01980000-0000-7000-8000-00000000abcd"

static struct log_question question;
static char problem[LOG_PROBLEM_MAX];

static bool ask(const char *query)
{
    char target[4096];
    int length =
        snprintf(target, sizeof(target), "/v1/events%s%s", query[0] == '\0' ? "" : "?", query);
    struct http_request *request = http_request_new(target, (size_t)length);
    cr_assert_not_null(request);
    cr_assert_eq(request->uri_result, HTTP_URI_OK, "%s", query);
    bool understood = log_question_read(request, PARTITIONS, &question, problem);
    http_request_free(request);
    return understood;
}

static void when_asked(const char *query)
{
    cr_assert(ask(query), "%s: %s", query, problem);
}

static void then_refused(const char *query, const char *why)
{
    problem[0] = '\0';
    cr_assert_not(ask(query), "taken: %s", query);
    cr_assert_not_null(strstr(problem, why), "%s: '%s' has no '%s'", query, problem, why);
}

Test(log_question, given_nothing_when_asked_then_the_whole_log_from_its_beginning)
{
    when_asked("");
    cr_assert_eq(question.filter.first_partition, 0);
    cr_assert_eq(question.filter.last_partition, PARTITIONS - 1);
    cr_assert_not(question.filter.has_cart);
    cr_assert(str_is_none(question.filter.type));
    cr_assert_eq(question.filter.from_us, INT64_MIN);
    cr_assert_eq(question.filter.before_us, INT64_MAX);
    cr_assert_eq(question.place.partition, 0);
    cr_assert_eq(question.place.position, 0);
    cr_assert_eq(question.limit, 0);
}

Test(log_question, given_each_parameter_when_asked_then_it_is_taken)
{
    when_asked("partition=3&after=18000&limit=1000&type=ItemAdded&from=2026-11-23T09:00:00Z"
               "&to=2026-11-23T10:00:00.5%2B01:00");
    cr_assert_eq(question.filter.first_partition, 3);
    cr_assert_eq(question.filter.last_partition, 3);
    cr_assert_eq(question.place.partition, 3);
    cr_assert_eq(question.place.position, 18000);
    cr_assert_eq(question.limit, 1000);
    cr_assert(str_equal_literal(question.filter.type, "ItemAdded"));
    cr_assert_eq(question.filter.from_us, INT64_C(1795424400000000));
    cr_assert_eq(question.filter.before_us, question.filter.from_us + 500000);
    when_asked("to=2026-11-23T10:00:00.5+01:00"); /* a + that nobody escaped */
    cr_assert_eq(question.filter.before_us, INT64_C(1795424400500000));
    when_asked("partition=0&after=0&limit=1");
    cr_assert_eq(question.place.position, 0);
    cr_assert_eq(question.limit, 1);
}

Test(log_question, given_a_cart_when_asked_then_only_its_partition_is_read)
{
    struct uuid cart;
    cr_assert(uuid_parse(STR_LITERAL(CART), &cart));
    int16_t partition = cart_partition(&cart, PARTITIONS);
    when_asked("cartId=" CART);
    cr_assert(question.filter.has_cart);
    cr_assert(uuid_equal(&question.filter.cart_id, &cart));
    cr_assert_eq(question.filter.first_partition, partition);
    cr_assert_eq(question.filter.last_partition, partition);
    cr_assert_eq(question.place.partition, partition);
    /* Another partition has none of its events: that one is asked, and finds nothing. */
    char query[128];
    snprintf(query, sizeof(query), "cartId=" CART "&partition=%d", (partition + 1) % PARTITIONS);
    when_asked(query);
    cr_assert_eq(question.filter.first_partition, (partition + 1) % PARTITIONS);
    when_asked("cartId=01980000-0000-7000-8000-00000000ABCD");
    cr_assert(uuid_equal(&question.filter.cart_id, &cart));
}

Test(log_question, given_numbers_when_out_of_range_or_no_numbers_then_refused)
{
    static const char *const numbers[] = {"",
                                          "-1",
                                          "+1",
                                          "1.0",
                                          "x",
                                          "%20",
                                          "1e1",
                                          "0x1",
                                          "00",
                                          "01",
                                          "99999999999999999999",
                                          "18446744073709551616",
                                          "%D9%A1"};
    char query[128];
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        snprintf(query, sizeof(query), "partition=%s", numbers[i]);
        then_refused(query, "partition must be 0 to 5");
        snprintf(query, sizeof(query), "limit=%s", numbers[i]);
        then_refused(query, "limit must be 1 to 1000");
        snprintf(query, sizeof(query), "partition=1&after=%s", numbers[i]);
        then_refused(query, "after must be a position");
    }
    then_refused("partition=6", "partition must be 0 to 5");
    then_refused("limit=0", "limit must be 1 to 1000");
    then_refused("limit=1001", "limit must be 1 to 1000");
    then_refused("limit", "limit must be 1 to 1000");
}

Test(log_question, given_other_values_when_wrong_then_refused)
{
    then_refused("cartId=", "cartId must be a UUID");
    then_refused("cartId=x", "cartId must be a UUID");
    then_refused("cartId=" CART "0", "cartId must be a UUID");
    then_refused("type=", "type must be");
    then_refused("type=itemAdded", "type must be");
    then_refused("type=ItemAdded,CartCreated", "type must be");
    then_refused("from=", "from must be");
    then_refused("from=yesterday", "from must be");
    then_refused("from=2026-11-23", "from must be");
    then_refused("to=2026-13-01T00:00:00Z", "to must be");
    then_refused("to=2026-11-23T10:00:00", "to must be");
}

Test(log_question, given_parameters_when_unknown_or_twice_then_refused)
{
    then_refused("colour=red", "unknown parameter 'colour'");
    then_refused("Limit=1", "unknown parameter 'Limit'");
    then_refused("limit=1&limit=1", "'limit' is given twice");
    then_refused("limit=&limit=1", "'limit' is given twice");
    then_refused("limit&limit=1", "'limit' is given twice");
    then_refused("type=ItemAdded&%74ype=ItemAdded", "'type' is given twice");
}

Test(log_question, given_an_unknown_parameter_when_its_name_is_long_then_it_is_not_repeated)
{
    char query[1024];
    size_t length = 0;
    /* Cutting this anywhere but between two of its letters would not be UTF-8. */
    query[length++] = 'x';
    while (length + 6 < sizeof(query)) {
        memcpy(query + length, "%C3%A4", 7);
        length += 6;
    }
    then_refused(query, "unknown parameter '...'");
}

Test(log_question, given_after_when_without_partition_or_with_a_cursor_then_refused)
{
    char cursor[LOG_CURSOR_LENGTH + 1];
    char query[256];
    then_refused("after=1", "after needs partition");
    then_refused("after=1&cartId=" CART, "after needs partition");
    when_asked("partition=1");
    log_cursor_write(&question.filter, &question.place, cursor);
    snprintf(query, sizeof(query), "partition=1&after=0&cursor=%s", cursor);
    then_refused(query, "excludes cursor");
}

/* A cursor behind partition 4, position 1234567890123, of the question. */
static void make_cursor(const char *query, char ret_cursor[LOG_CURSOR_LENGTH + 1])
{
    when_asked(query);
    log_cursor_write(&question.filter, &(struct scan_place){4, INT64_C(1234567890123), 0},
                     ret_cursor);
    cr_assert_eq(strlen(ret_cursor), (size_t)LOG_CURSOR_LENGTH);
}

static const char *const FILTERS[] = {
    "",
    "partition=4",
    "type=ItemAdded",
    "type=ItemRemoved",
    "from=2026-11-23T09:00:00Z",
    "to=2026-11-23T09:00:00Z",
    "from=2026-11-23T09:00:00.000001Z",
    ("cartId=" CART),
    "partition=4&type=ItemAdded&from=2026-11-23T09:00:00Z&to=2026-11-24T09:00:00Z",
};

Test(log_question, given_a_cursor_when_used_with_its_own_question_then_it_goes_on_there)
{
    for (size_t i = 0; i < ARRAY_SIZE(FILTERS); i++) {
        char cursor[LOG_CURSOR_LENGTH + 1];
        char query[512];
        make_cursor(FILTERS[i], cursor);
        snprintf(query, sizeof(query), "limit=7&cursor=%s&%s", cursor, FILTERS[i]);
        when_asked(query);
        cr_assert_eq(question.place.partition, 4);
        cr_assert_eq(question.place.position, INT64_C(1234567890123));
        cr_assert_eq(question.limit, 7);
    }
}

Test(log_question, given_a_cursor_of_a_search_when_nothing_is_near_then_it_goes_on_further_away)
{
    char cursor[LOG_CURSOR_LENGTH + 1];
    char query[256];
    when_asked("type=ItemAdded");
    log_cursor_write(&question.filter, &(struct scan_place){4, 7, 16384}, cursor);
    snprintf(query, sizeof(query), "type=ItemAdded&cursor=%s", cursor);
    when_asked(query);
    cr_assert_eq(question.place.partition, 4);
    cr_assert_eq(question.place.position, 7);
    cr_assert_gt(question.place.stride, 0);
    when_asked(""); /* where every event is meant, looking ahead would pass some over */
    log_cursor_write(&question.filter, &(struct scan_place){4, 7, 16384}, cursor);
    snprintf(query, sizeof(query), "cursor=%s", cursor);
    then_refused(query, "cursor is not one");
}

Test(log_question, given_a_cursor_when_used_with_another_question_then_refused)
{
    for (size_t i = 0; i < ARRAY_SIZE(FILTERS); i++) {
        char cursor[LOG_CURSOR_LENGTH + 1];
        make_cursor(FILTERS[i], cursor);
        for (size_t other = 0; other < ARRAY_SIZE(FILTERS); other++) {
            char query[512];
            snprintf(query, sizeof(query), "cursor=%s&%s", cursor, FILTERS[other]);
            if (other != i)
                then_refused(query, "cursor is not one");
        }
    }
}

Test(log_question, given_a_cursor_when_it_is_none_of_ours_then_refused)
{
    char cursor[LOG_CURSOR_LENGTH + 2];
    char query[256];
    make_cursor("", cursor);
    then_refused("cursor=", "cursor is not one");
    then_refused("cursor=x", "cursor is not one");
    then_refused("cursor=0000000000000000000000000000", "cursor is not one");
    for (size_t i = 0; i < LOG_CURSOR_LENGTH; i++) {
        char changed[LOG_CURSOR_LENGTH + 1];
        memcpy(changed, cursor, sizeof(changed));
        changed[i] = "Gg-"[i % 3];
        snprintf(query, sizeof(query), "cursor=%s", changed);
        then_refused(query, "cursor is not one");
    }
    snprintf(query, sizeof(query), "cursor=%s0", cursor);
    then_refused(query, "cursor is not one");
    snprintf(query, sizeof(query), "cursor=%.*s", LOG_CURSOR_LENGTH - 1, cursor);
    then_refused(query, "cursor is not one");
    /* A negative position, and a partition that no log has. */
    snprintf(query, sizeof(query), "cursor=0000ffffffffffffffff%s", cursor + 20);
    then_refused(query, "cursor is not one");
    snprintf(query, sizeof(query), "cursor=ffff%s", cursor + 4);
    then_refused(query, "cursor is not one");
}
