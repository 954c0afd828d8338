/* Folds of carts' pasts in memory: which one is found, what is bounded, when one must not be
 * continued from. */
#include "past_folds.h"

#include <criterion/criterion.h>

static struct past_folds *folds;

static void begin(void)
{
    folds = past_folds_new();
    cr_assert_not_null(folds);
}

static void end(void)
{
    past_folds_free(folds);
}

TestSuite(past_folds, .init = begin, .fini = end);

static struct uuid uuid_of(int number)
{
    return (struct uuid){{(uint8_t)(number >> 8), (uint8_t)number}};
}

/* A fold of `cart` after `version` events, the last of which is number `event`. */
static void given_kept(int cart, int32_t version, int event, struct str customer_id)
{
    const struct past_fold fold = {.view = {.cart_id = uuid_of(cart),
                                            .status = CART_VIEW_OPEN,
                                            .version = version,
                                            .currency = "EUR",
                                            .customer_id = customer_id,
                                            .created_at_us = 1000000,
                                            .updated_at_us = 2000000},
                                   .event_id = uuid_of(event)};
    past_folds_keep(folds, &fold);
}

/* When `cart` is asked for at `version`: the fold has `expected` events, 0 for none. */
static void then_found(int cart, int32_t version, int32_t expected)
{
    struct past_fold fold;
    struct uuid cart_id = uuid_of(cart);
    int32_t after = past_fold_begin(folds, &cart_id, version, &fold);
    cr_assert_eq(fold.is_from_memory, expected > 0);
    cr_assert_eq(fold.view.version, expected, "%d instead of %d", (int)fold.view.version,
                 (int)expected);
    cr_assert_eq(after, expected > 0 ? expected - 1 : 0, "its last event is to be seen again");
    cr_assert(expected == 0 || uuid_equal(&fold.view.cart_id, &cart_id));
    past_fold_done(&fold);
}

Test(past_folds, given_folds_when_a_version_is_asked_for_then_the_newest_up_to_it_is_found)
{
    then_found(1, INT32_MAX, 0);
    given_kept(1, 200, 1, STR_NONE);
    given_kept(1, 400, 2, STR_NONE);
    given_kept(2, 300, 3, STR_NONE);
    then_found(1, 199, 0);
    then_found(1, 200, 200);
    then_found(1, 399, 200);
    then_found(1, 10000, 400);
    then_found(2, 10000, 300);
    then_found(3, 10000, 0);
    past_folds_drop(folds, &(struct uuid){{0, 1}});
    then_found(1, 10000, 0);
    then_found(2, 10000, 300);
}

Test(past_folds, given_a_short_past_then_it_is_not_kept)
{
    given_kept(1, PAST_FOLD_VERSION_MIN - 1, 1, STR_NONE);
    then_found(1, INT32_MAX, 0);
    given_kept(1, PAST_FOLD_VERSION_MIN, 1, STR_NONE);
    then_found(1, INT32_MAX, PAST_FOLD_VERSION_MIN);
}

Test(past_folds, given_a_fold_that_was_not_gone_on_from_then_it_is_not_kept_again)
{
    struct past_fold fold;
    const struct uuid cart_id = uuid_of(1);
    given_kept(1, 200, 1, STR_NONE);
    cr_assert_eq(past_fold_begin(folds, &cart_id, 300, &fold), 199);
    past_folds_drop(folds, &cart_id);
    past_folds_keep(folds, &fold);
    past_fold_done(&fold);
    then_found(1, INT32_MAX, 0);
}

Test(past_folds, given_a_fold_when_its_last_event_comes_again_then_only_that_one_confirms_it)
{
    given_kept(1, 200, 7, STR_LITERAL("anna"));
    struct past_fold fold;
    struct uuid cart_id = uuid_of(1);
    cr_assert_eq(past_fold_begin(folds, &cart_id, 250, &fold), 199);
    cr_assert(str_equal_literal(fold.view.customer_id, "anna"));
    struct recorded_event event = {.version = 200, .event_id = uuid_of(8)};
    cr_assert_not(past_fold_confirm(&fold, &event), "another event");
    event = (struct recorded_event){.version = 201, .event_id = uuid_of(7)};
    cr_assert_not(past_fold_confirm(&fold, &event), "another version");
    cr_assert(fold.is_from_memory);
    event.version = 200;
    cr_assert(past_fold_confirm(&fold, &event));
    cr_assert_not(fold.is_from_memory);
    cr_assert_not(past_fold_confirm(&fold, &event), "once");
    past_fold_done(&fold);
}

Test(past_folds, given_the_same_version_again_then_the_later_one_is_kept_in_its_place)
{
    given_kept(1, 200, 7, STR_LITERAL("anna"));
    given_kept(1, 200, 8, STR_LITERAL("bert"));
    struct past_fold fold;
    struct uuid cart_id = uuid_of(1);
    (void)!past_fold_begin(folds, &cart_id, 200, &fold);
    cr_assert(str_equal_literal(fold.view.customer_id, "bert"));
    past_fold_done(&fold);
    past_folds_drop(folds, &cart_id);
    then_found(1, 200, 0);
}

Test(past_folds, given_more_folds_than_fit_then_the_one_used_longest_ago_goes)
{
    for (int i = 0; i < PAST_FOLDS_MAX; i++)
        given_kept(i, 200, i, STR_NONE);
    then_found(0, 200, 200); /* used: 1 is the oldest now */
    given_kept(1000, 200, 1, STR_NONE);
    then_found(1, 200, 0);
    then_found(0, 200, 200);
    then_found(2, 200, 200);
    then_found(1000, 200, 200);
}

Test(past_folds, given_more_bytes_than_may_be_then_the_oldest_go)
{
    static char customer_id[CART_VIEW_BODY_MAX / 2];
    memset(customer_id, 'c', sizeof(customer_id));
    const struct str large = {customer_id, sizeof(customer_id)};
    int fit = PAST_FOLDS_BYTES_MAX / (int)sizeof(customer_id) - 1;
    for (int i = 0; i < fit; i++)
        given_kept(i, 200, i, large);
    then_found(0, 200, 200);
    given_kept(1000, 200, 1, large);
    given_kept(1001, 200, 1, large);
    then_found(1, 200, 0);
    then_found(1000, 200, 200);
    then_found(1001, 200, 200);
}
