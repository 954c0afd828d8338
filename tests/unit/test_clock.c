#include "clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const int64_t first_us = INT64_C(-62135596800) * 1000000;
static const int64_t last_us = INT64_C(253402300800) * 1000000 - 1;

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t next_random(void) /* xorshift64 */
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void assert_formats(int64_t time_us, const char *expected)
{
    char text[TIME_TEXT_LENGTH + 1];
    time_format(time_us, text);
    cr_assert_str_eq(text, expected);
}

static void assert_parses(const char *text, int64_t expected)
{
    int64_t got = -1;
    cr_assert(time_parse(str_from(text), &got), "%s", text);
    cr_assert_eq(got, expected, "%s is %lld, not %lld", text, (long long)got, (long long)expected);
}

Test(clock, given_known_times_when_formatted_then_they_are_rfc_3339)
{
    assert_formats(0, "1970-01-01T00:00:00.000000Z");
    assert_formats(-1, "1969-12-31T23:59:59.999999Z");
    assert_formats(INT64_C(1795424400123456), "2026-11-23T09:00:00.123456Z");
    assert_formats(INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z");
    assert_formats(first_us, "0001-01-01T00:00:00.000000Z");
    assert_formats(last_us, "9999-12-31T23:59:59.999999Z");
}

Test(clock, given_random_times_then_gmtime_agrees_and_parsing_gives_them_back)
{
    for (int i = 0; i < 20000; i++) {
        uint64_t span = (uint64_t)(last_us - first_us) + 1;
        int64_t time_us = first_us + (int64_t)(next_random() % span);
        int64_t us = ((time_us % 1000000) + 1000000) % 1000000;
        time_t seconds = (time_us - us) / 1000000;
        struct tm parts;
        gmtime_r(&seconds, &parts);
        char expected[64];
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                 parts.tm_sec, (int)us);
        assert_formats(time_us, expected);
        assert_parses(expected, time_us);
    }
}

Test(clock, given_every_day_of_four_centuries_then_gmtime_agrees)
{
    for (int64_t day = -141000; day < 6000; day++) {
        time_t seconds = day * 86400;
        struct tm parts;
        gmtime_r(&seconds, &parts);
        char expected[64];
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT00:00:00.000000Z",
                 parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
        assert_formats(day * 86400 * 1000000, expected);
        assert_parses(expected, day * 86400 * 1000000);
    }
}

Test(clock, given_the_forms_of_rfc_3339_when_parsed_then_they_are_the_same_instant)
{
    const int64_t nine = INT64_C(1795424400000000);
    assert_parses("2026-11-23T09:00:00Z", nine);
    assert_parses("2026-11-23t09:00:00z", nine);
    assert_parses("2026-11-23T09:00:00+00:00", nine);
    assert_parses("2026-11-23T09:00:00-00:00", nine);
    assert_parses("2026-11-23T14:45:00+05:45", nine);
    assert_parses("2026-11-22T23:00:00-10:00", nine);
    assert_parses("2026-11-23T09:00:00.1Z", nine + 100000);
    assert_parses("2026-11-23T09:00:00.123456Z", nine + 123456);
    assert_parses("2026-11-23T09:00:00.123456999Z", nine + 123456);
    assert_parses("1969-12-31T23:59:59.5Z", -500000);
    assert_parses("2016-12-31T23:59:60Z", INT64_C(1483228800000000));
    assert_parses("2016-12-31T15:59:60.25-08:00", INT64_C(1483228800250000));
}

Test(clock, given_anything_else_when_parsed_then_it_is_refused)
{
    static const char *const wrong[] = {
        "",
        "2026-11-23",
        "2026-11-23T09:00Z",
        "2026-11-23T09:00:00",
        "2026-11-23 09:00:00Z",
        "2026-11-23T09:00:00.Z",
        "2026-11-23T09:00:00,5Z",
        "2026-11-23T09:00:00.1234567890Z",
        "2026-11-23T09:00:00ZZ",
        "2026-11-23T09:00:00Z ",
        " 2026-11-23T09:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T09:60:00Z",
        "2026-11-23T09:00:60Z",
        "2026-11-23T09:00:61Z",
        "2026-00-23T09:00:00Z",
        "2026-13-23T09:00:00Z",
        "2026-11-00T09:00:00Z",
        "2026-11-31T09:00:00Z",
        "2026-02-29T09:00:00Z",
        "1900-02-29T09:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
        "2026-11-23T09:00:00+24:00",
        "2026-11-23T09:00:00+01:60",
        "2026-11-23T09:00:00+0100",
        "2026-11-23T09:00:00+01",
        "+026-11-23T09:00:00Z",
        "2026-1-23T09:00:00Z",
        "26-11-23T09:00:00Z",
    };
    int64_t got = 42;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        cr_assert_not(time_parse(str_from(wrong[i]), &got), "%s", wrong[i]);
    cr_assert_not(time_parse(STR_NONE, &got));
    cr_assert_eq(got, 42);
}

Test(clock, given_the_clocks_then_wall_agrees_with_time_and_monotonic_does_not_go_back)
{
    int64_t wall = clock_wall_us();
    cr_assert_lt(llabs(wall / 1000000 - (int64_t)time(NULL)), 2);
    int64_t before = clock_monotonic_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_monotonic_us();
        cr_assert_geq(now, before);
        before = now;
    }
}
