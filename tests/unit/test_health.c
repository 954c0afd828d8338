/* What a person reads in one line; /readyz itself is looked at by the tests of the services. */
#include "health.h"
#include "utf8.h"

#include <criterion/criterion.h>

static struct health *health;
static struct health_check *store;
static struct health_check *relay;

static void set_up(void)
{
    health = health_new();
    cr_assert_not_null(health);
    store = health_register(health, "event-store", true);
    relay = health_register(health, "relay", false);
    health_set(store, true, "connected");
    health_set(relay, true, "publishing");
}

static void tear_down(void)
{
    health_free(health);
}

TestSuite(health, .init = set_up, .fini = tear_down);

static void expect_summary(const char *expected)
{
    char line[HEALTH_DETAIL_MAX];
    health_summary(health, line, sizeof(line));
    cr_expect_str_eq(line, expected);
}

Test(health, given_all_is_well_then_the_summary_is_one_word)
{
    expect_summary("ready");
}

Test(health, given_a_check_that_is_not_required_then_the_summary_names_it)
{
    health_set(relay, false, "topic-unreachable: %s", "no broker");
    expect_summary("ready; relay: topic-unreachable: no broker");
}

Test(health, given_a_required_check_or_a_drain_then_it_is_not_ready)
{
    health_set(store, false, "connection refused");
    expect_summary("not ready; event-store: connection refused");
    health_set(store, true, "connected");
    health_drain(health);
    expect_summary("not ready");
}

Test(health, given_more_than_there_is_room_for_then_the_summary_is_cut)
{
    health_set(store, false, "connection refused");
    health_set(relay, false, "unreachable");
    char line[24];
    health_summary(health, line, sizeof(line));
    cr_expect_str_eq(line, "not ready; event-store:");
    cr_expect_eq(strlen(line), sizeof(line) - 1);
}

Test(health, given_more_than_there_is_room_for_then_no_character_is_cut)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(4 * HEALTH_DETAIL_MAX);
    health_set(store, false, "%*s\u00e9", HEALTH_DETAIL_MAX - 2, "a PostgreSQL that speaks French");
    cr_expect_not(health_write(health, &text));
    cr_expect(utf8_is_printable(text_str(&text)));

    health_set(store, false, "\u00e9t\u00e9");
    char line[sizeof("not ready; event-store: \u00e9t\u00e9") - 1];
    health_summary(health, line, sizeof(line));
    cr_expect_str_eq(line, "not ready; event-store: \u00e9t");
}
