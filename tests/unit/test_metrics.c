#include "metrics.h"

#include <criterion/criterion.h>

Test(metrics, given_a_name_and_labels_again_then_it_is_the_same_series)
{
    struct metrics *metrics = metrics_new();
    struct metric *labelled = metrics_register(metrics, METRIC_COUNTER, "a_total", "A.", "b=\"c\"");
    struct metric *bare = metrics_register(metrics, METRIC_COUNTER, "a_total", "A.", NULL);
    cr_assert_neq(bare, labelled);
    cr_assert_eq(metrics_register(metrics, METRIC_COUNTER, "a_total", "A.", NULL), bare);
    cr_assert_eq(metrics_register(metrics, METRIC_COUNTER, "a_total", "A.", "b=\"c\""), labelled);
    cr_assert_neq(metrics_register(metrics, METRIC_COUNTER, "a_total", "A.", "b=\"d\""), labelled);
    metric_add(bare, 1);
    metric_add(labelled, 2);
    AUTO(text_done) struct text text = TEXT_INIT(4096);
    metrics_write(metrics, &text);
    cr_assert(text_ok(&text));
    text_append_char(&text, '\0');
    cr_assert_not_null(strstr(text.bytes, "\na_total 1\n"));
    cr_assert_not_null(strstr(text.bytes, "\na_total{b=\"c\"} 2\n"));
    metrics_free(metrics);
}

Test(metrics, given_observations_at_and_beyond_the_bounds_then_each_is_in_its_bucket)
{
    struct metrics *metrics = metrics_new();
    const double bounds[] = {1, 2};
    struct metric *seconds =
        metrics_register_histogram(metrics, "a_seconds", "A.", NULL, bounds, ARRAY_SIZE(bounds));
    metric_observe(seconds, 1);
    metric_observe(seconds, 1.5);
    metric_observe(seconds, 2.5);
    AUTO(text_done) struct text text = TEXT_INIT(4096);
    metrics_write(metrics, &text);
    cr_assert(text_ok(&text));
    text_append_char(&text, '\0');
    cr_assert_not_null(strstr(text.bytes, "\na_seconds_bucket{le=\"1\"} 1\n"));
    cr_assert_not_null(strstr(text.bytes, "\na_seconds_bucket{le=\"2\"} 2\n"));
    cr_assert_not_null(strstr(text.bytes, "\na_seconds_bucket{le=\"+Inf\"} 3\n"));
    cr_assert_not_null(strstr(text.bytes, "\na_seconds_sum 5\n"));
    cr_assert_not_null(strstr(text.bytes, "\na_seconds_count 3\n"));
    metrics_free(metrics);
}
