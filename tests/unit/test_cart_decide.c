#include "cart_story.h"

#include <stdio.h>

TestSuite(cart_decide, .fini = story_end);

#define BIG_CART_LINES 500

/* The texts of many lines, made once per test. */
static char big_skus[BIG_CART_LINES + 1][8];

static void given_many_lines(int count, int32_t quantity, int64_t amount)
{
    given(created("EUR", NULL));
    for (int i = 0; i < count; i++) {
        snprintf(big_skus[i], sizeof(big_skus[i]), "s%d", i);
        given(added(big_skus[i], quantity, amount, quantity));
    }
}

/* Create */

Test(cart_decide, given_nothing_when_created_then_it_exists)
{
    when(create("EUR", NULL));
    then_event_json(EVENT_CART_CREATED, "{\"currency\":\"EUR\",\"customerId\":null}");
    cr_assert_eq(story.cart.status, CART_OPEN);
    cr_assert_str_eq(story.cart.currency, "EUR");
    cr_assert_null(story.cart.customer_id);
}

Test(cart_decide, given_nothing_when_created_for_a_customer_then_it_is_theirs)
{
    when(create("USD", "anna"));
    then_events(created("USD", "anna"));
    cr_assert_str_eq(story.cart.customer_id, "anna");
}

Test(cart_decide, given_a_cart_when_created_the_same_then_nothing_happens)
{
    given(created("EUR", "anna"), added("tea", 1, 100, 1));
    when(create("EUR", "anna"));
    then_nothing();
}

Test(cart_decide, given_a_guests_cart_when_created_the_same_then_nothing_happens)
{
    given(created("EUR", NULL));
    when(create("EUR", NULL));
    then_nothing();
}

Test(cart_decide, given_a_cart_when_created_differently_then_it_exists_already)
{
    given(created("EUR", "anna"));
    when(create("USD", "anna"));
    then_refused(CART_REFUSED_EXISTS);
    when(create("EUR", "bert"));
    then_refused(CART_REFUSED_EXISTS);
    when(create("EUR", NULL));
    then_refused(CART_REFUSED_EXISTS);
}

Test(cart_decide, given_a_customer_assigned_later_when_created_then_the_cart_as_it_is_now_counts)
{
    given(created("EUR", NULL), customer_assigned("anna", NULL));
    when(create("EUR", NULL));
    then_refused(CART_REFUSED_EXISTS);
    when(create("EUR", "anna"));
    then_nothing();
}

Test(cart_decide, given_a_closed_cart_when_created_the_same_then_it_is_closed)
{
    given(created("EUR", NULL), cancelled());
    when(create("EUR", NULL));
    then_refused(CART_REFUSED_CLOSED);
    when(create("USD", NULL));
    then_refused(CART_REFUSED_CLOSED);
}

/* Absent and closed carts */

Test(cart_decide, given_nothing_when_anything_but_create_then_not_found)
{
    const struct cart_command commands[] = {
        add(line("tea", 1, 100)),
        set_quantity("tea", 1),
        set_quantity("tea", 0),
        remove_item("tea", 0),
        clear(),
        assign_customer("anna"),
        apply_percent("TEN", 10),
        remove_coupon("TEN"),
        merge(CART_MERGE_SUM),
        merge_with_itself(),
        check_out(NULL),
        cancel(),
    };
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        when(commands[i]);
        then_refused(CART_REFUSED_NOT_FOUND);
    }
}

static void assert_closed_to_everything(void)
{
    const struct cart_command commands[] = {
        add(line("tea", 1, 100)),
        set_quantity("tea", 1),
        set_quantity("tea", 0),
        remove_item("tea", 0),
        clear(),
        assign_customer("anna"),
        apply_percent("TEN", 10),
        remove_coupon("TEN"),
        merge(CART_MERGE_SUM),
        merge_with_itself(),
        check_out(NULL),
        cancel(),
        create("EUR", NULL),
        add(line_in("USD", "tea")),
    };
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        when(commands[i]);
        then_refused(CART_REFUSED_CLOSED);
    }
}

Test(cart_decide, given_a_cancelled_cart_when_anything_then_closed)
{
    given(created("EUR", NULL), added("tea", 1, 100, 1), cancelled());
    assert_closed_to_everything();
}

Test(cart_decide, given_a_checked_out_cart_when_anything_then_closed)
{
    given(created("EUR", NULL), added("tea", 1, 100, 1));
    when(check_out(NULL));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    story_given(story.decision.events, story.decision.event_count);
    assert_closed_to_everything();
}

Test(cart_decide, given_an_expired_cart_when_anything_then_closed)
{
    given(created("EUR", NULL), (struct event_data){.type = EVENT_CART_EXPIRED});
    assert_closed_to_everything();
}

Test(cart_decide, given_a_merged_cart_when_anything_then_closed)
{
    given(created("EUR", NULL), (struct event_data){.type = EVENT_CART_MERGED_AWAY});
    assert_closed_to_everything();
}

/* Add */

Test(cart_decide, given_an_empty_cart_when_added_then_the_event_says_all)
{
    given(created("EUR", NULL));
    when(add(line_named("tea-01", "Green \"tea\"", 2, 1999)));
    then_event_json(EVENT_ITEM_ADDED,
                    "{\"sku\":\"tea-01\",\"name\":\"Green \\\"tea\\\"\",\"quantity\":2,"
                    "\"unitPrice\":{\"amountMinor\":1999,\"currency\":\"EUR\"},"
                    "\"lineQuantity\":2}");
    then_lines("tea-01 2");
}

Test(cart_decide, given_a_line_when_its_sku_is_added_then_it_adds_up)
{
    given(created("EUR", NULL), added("tea", 2, 100, 2), added("jam", 1, 300, 1));
    when(add(line("tea", 3, 100)));
    then_events(added("tea", 3, 100, 5));
    then_lines("tea 5, jam 1");
}

Test(cart_decide, given_a_line_when_added_dearer_then_newest_price_and_name_hold_for_the_line)
{
    given(created("EUR", NULL), added("tea", 2, 100, 2));
    when(add(line_named("tea", "a longer name than before", 1, 120)));
    then_events(added_line(line_named("tea", "a longer name than before", 1, 120), 3));
    const struct cart_line *tea = cart_find_line(&story.cart, STR_LITERAL("tea"));
    cr_assert_eq(tea->unit_price.amount_minor, 120);
    cr_assert(str_equal_literal(tea->name, "a longer name than before"));

    when(add(line_named("tea", "", 1, 0)));
    then_events(added_line(line_named("tea", "", 1, 0), 4));
    tea = cart_find_line(&story.cart, STR_LITERAL("tea"));
    cr_assert_eq(tea->unit_price.amount_minor, 0);
    cr_assert_eq(tea->name.length, 0);
    cr_assert_not(str_is_none(tea->name));
}

Test(cart_decide, given_one_list_when_a_sku_comes_twice_then_two_events_in_order)
{
    given(created("EUR", NULL), added("tea", 1, 100, 1));
    when(add(line("tea", 2, 110), line("jam", 1, 300), line("tea", 3, 120), line("jam", 4, 310)));
    then_events(added("tea", 2, 110, 3), added("jam", 1, 300, 1), added("tea", 3, 120, 6),
                added("jam", 4, 310, 5));
    then_lines("tea 6, jam 5");
}

Test(cart_decide, given_skus_that_look_alike_when_added_then_they_are_different)
{
    given(created("EUR", NULL), added("tea", 1, 100, 1));
    when(add(line("Tea", 1, 100), line("te", 1, 100), line("tea ", 1, 100)));
    then_events(added("Tea", 1, 100, 1), added("te", 1, 100, 1), added("tea ", 1, 100, 1));
    then_lines("tea 1, Tea 1, te 1, tea  1");
}

Test(cart_decide, given_another_currency_when_added_then_mismatch_and_nothing_happens)
{
    given(created("EUR", NULL));
    when(add(line_in("USD", "tea")));
    then_refused(CART_REFUSED_CURRENCY_MISMATCH);
    when(add(line("jam", 1, 100), line_in("EUS", "tea")));
    then_refused(CART_REFUSED_CURRENCY_MISMATCH);
    then_lines("");
}

Test(cart_decide, given_a_list_that_breaks_two_rules_when_added_then_the_currency_is_named_first)
{
    story.limits = (struct cart_limits){.lines_max = 1, .quantity_max = 5};
    given(created("EUR", NULL), added("tea", 5, 100, 5));
    when(add(line("tea", 1, 100), line("jam", 1, 100), line_in("USD", "tea")));
    then_refused(CART_REFUSED_CURRENCY_MISMATCH);
}

Test(cart_decide, given_rules_broken_by_two_lines_when_added_then_the_first_line_is_named)
{
    story.limits = (struct cart_limits){.lines_max = 1, .quantity_max = 5};
    given(created("EUR", NULL), added("tea", 5, 100, 5));
    when(add(line("tea", 1, 100), line("jam", 1, 100)));
    then_refused(CART_REFUSED_QUANTITY_LIMIT);
    when(add(line("jam", 1, 100), line("tea", 1, 100)));
    then_refused(CART_REFUSED_TOO_MANY_LINES);
}

Test(cart_decide, given_998_pieces_when_one_is_added_then_999_and_no_more)
{
    given(created("EUR", NULL), added("tea", 998, 100, 998));
    when(add(line("tea", 2, 100)));
    then_refused(CART_REFUSED_QUANTITY_LIMIT);
    when(add(line("tea", 1, 100)));
    then_events(added("tea", 1, 100, 999));
    when(add(line("tea", 1, 100)));
    then_refused(CART_REFUSED_QUANTITY_LIMIT);
}

Test(cart_decide, given_one_list_when_its_own_sum_is_too_large_then_nothing_happens)
{
    given(created("EUR", NULL));
    when(add(line("jam", 1, 100), line("tea", 500, 100), line("tea", 500, 100)));
    then_refused(CART_REFUSED_QUANTITY_LIMIT);
    then_lines("");
    when(add(line("jam", 1, 100), line("tea", 500, 100), line("tea", 499, 100)));
    then_events(added("jam", 1, 100, 1), added("tea", 500, 100, 500), added("tea", 499, 100, 999));
}

Test(cart_decide, given_huge_quantities_when_added_then_the_sum_does_not_overflow)
{
    story.limits.quantity_max = INT32_MAX;
    given(created("EUR", NULL));
    when(add(line("tea", INT32_MAX, 0), line("tea", INT32_MAX, 0)));
    then_refused(CART_REFUSED_QUANTITY_LIMIT);
}

Test(cart_decide, given_499_lines_when_one_is_added_then_500_and_no_more)
{
    given_many_lines(499, 1, 100);
    when(add(line("a", 1, 100), line("b", 1, 100)));
    then_refused(CART_REFUSED_TOO_MANY_LINES);
    when(add(line("a", 1, 100)));
    then_events(added("a", 1, 100, 1));
    cr_assert_eq(story.cart.line_count, 500);
    when(add(line("b", 1, 100)));
    then_refused(CART_REFUSED_TOO_MANY_LINES);
    when(add(line("a", 1, 100), line("s0", 1, 100)));
    then_events(added("a", 1, 100, 2), added("s0", 1, 100, 2));
}

Test(cart_decide, given_499_lines_when_one_new_sku_comes_twice_then_it_is_one_line)
{
    given_many_lines(499, 1, 100);
    when(add(line("a", 1, 100), line("a", 1, 100)));
    then_events(added("a", 1, 100, 1), added("a", 1, 100, 2));
    cr_assert_eq(story.cart.line_count, 500);
}

Test(cart_decide, given_limits_that_were_lowered_when_a_known_sku_is_added_then_lines_do_not_count)
{
    given(created("EUR", NULL), added("tea", 9, 100, 9), added("jam", 1, 100, 1));
    story.limits = (struct cart_limits){.lines_max = 1, .quantity_max = 5};
    when(add(line("jam", 1, 100)));
    then_events(added("jam", 1, 100, 2));
    when(add(line("tea", 1, 100)));
    then_refused(CART_REFUSED_QUANTITY_LIMIT);
    when(add(line("ham", 1, 100)));
    then_refused(CART_REFUSED_TOO_MANY_LINES);
}

Test(cart_decide, given_a_sku_that_went_when_it_comes_back_then_it_stands_at_the_end)
{
    given(created("EUR", NULL), added("tea", 1, 100, 1), added("jam", 1, 100, 1),
          removed("tea", 1, 0));
    when(add(line("tea", 1, 100)));
    then_events(added("tea", 1, 100, 1));
    then_lines("jam 1, tea 1");
}

Test(cart_decide, given_a_full_command_on_a_full_cart_when_added_then_it_is_decided)
{
    struct cart_line lines[CART_COMMAND_ITEMS_MAX];
    given_many_lines(500, 1, 100);
    for (int i = 0; i < CART_COMMAND_ITEMS_MAX; i++)
        lines[i] = line(big_skus[499 - i / 2], 1, 200);
    when(add_lines(lines, CART_COMMAND_ITEMS_MAX));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    cr_assert_eq(story.decision.event_count, 100);
    cr_assert_eq(story.decision.events[98].item_added.line_quantity, 2);
    cr_assert_eq(story.decision.events[99].item_added.line_quantity, 3);
}

/* Set the quantity */

Test(cart_decide, given_a_line_when_its_quantity_is_set_then_it_changes)
{
    given(created("EUR", NULL), added("tea", 2, 100, 2));
    when(set_quantity("tea", 5));
    then_event_json(EVENT_ITEM_QUANTITY_CHANGED,
                    "{\"sku\":\"tea\",\"quantity\":5,\"previousQuantity\":2}");
    when(set_quantity("tea", 1));
    then_events(quantity_changed("tea", 1, 5));
    when(set_quantity("tea", 999));
    then_events(quantity_changed("tea", 999, 1));
}

Test(cart_decide, given_n_when_set_to_n_then_nothing_happens)
{
    given(created("EUR", NULL), added("tea", 2, 100, 2));
    when(set_quantity("tea", 2));
    then_nothing();
}

Test(cart_decide, given_a_line_when_set_to_zero_then_it_is_removed)
{
    given(created("EUR", NULL), added("tea", 2, 100, 2), added("jam", 1, 100, 1));
    when(set_quantity("tea", 0));
    then_event_json(EVENT_ITEM_REMOVED, "{\"sku\":\"tea\",\"quantity\":2,\"lineQuantity\":0}");
    then_lines("jam 1");
}

Test(cart_decide, given_no_such_line_when_set_then_it_is_not_in_the_cart_but_zero_is_already_so)
{
    given(created("EUR", NULL), added("tea", 2, 100, 2));
    when(set_quantity("jam", 1));
    then_refused(CART_REFUSED_ITEM_NOT_IN_CART);
    when(set_quantity("jam", 0));
    then_nothing();
}

Test(cart_decide, given_a_line_when_set_above_the_limit_then_refused)
{
    given(created("EUR", NULL), added("tea", 2, 100, 2));
    when(set_quantity("tea", 1000));
    then_refused(CART_REFUSED_QUANTITY_LIMIT);
}

/* Remove */

Test(cart_decide, given_a_line_when_some_are_removed_then_the_rest_stays)
{
    given(created("EUR", NULL), added("tea", 5, 100, 5));
    when(remove_item("tea", 2));
    then_event_json(EVENT_ITEM_REMOVED, "{\"sku\":\"tea\",\"quantity\":2,\"lineQuantity\":3}");
    then_lines("tea 3");
    when(remove_item("tea", 2));
    then_events(removed("tea", 2, 1));
}

Test(cart_decide, given_a_line_when_all_or_more_are_removed_then_the_line_is_gone)
{
    given(created("EUR", NULL), added("a", 5, 100, 5), added("b", 5, 100, 5), added("c", 5, 100, 5),
          added("d", 5, 100, 5));
    when(remove_item("a", 5));
    then_events(removed("a", 5, 0));
    when(remove_item("b", 6));
    then_events(removed("b", 5, 0));
    when(remove_item("c", INT32_MAX));
    then_events(removed("c", 5, 0));
    when(remove_item("d", 0));
    then_events(removed("d", 5, 0));
    then_lines("");
}

Test(cart_decide, given_no_such_line_when_removed_then_it_is_not_in_the_cart)
{
    given(created("EUR", NULL), added("tea", 5, 100, 5), removed("tea", 5, 0));
    when(remove_item("tea", 0));
    then_refused(CART_REFUSED_ITEM_NOT_IN_CART);
    when(remove_item("jam", 1));
    then_refused(CART_REFUSED_ITEM_NOT_IN_CART);
}

/* Clear */

Test(cart_decide, given_lines_when_cleared_then_the_event_counts_lines)
{
    given(created("EUR", NULL), added("tea", 5, 100, 5), added("jam", 7, 100, 7));
    when(clear());
    then_event_json(EVENT_CART_CLEARED, "{\"lineCount\":2}");
    then_lines("");
}

Test(cart_decide, given_an_empty_cart_when_cleared_then_nothing_happens)
{
    given(created("EUR", NULL));
    when(clear());
    then_nothing();
    given(added("tea", 1, 100, 1), cleared(1));
    when(clear());
    then_nothing();
}

/* The customer */

Test(cart_decide, given_a_guest_when_assigned_then_the_cart_is_the_customers)
{
    given(created("EUR", NULL), added("tea", 1, 100, 1));
    when(assign_customer("anna"));
    then_event_json(EVENT_CUSTOMER_ASSIGNED,
                    "{\"customerId\":\"anna\",\"previousCustomerId\":null}");
    cr_assert_str_eq(story.cart.customer_id, "anna");
}

Test(cart_decide, given_a_customer_when_another_is_assigned_then_the_event_names_both)
{
    given(created("EUR", "anna"));
    when(assign_customer("bert"));
    then_event_json(EVENT_CUSTOMER_ASSIGNED,
                    "{\"customerId\":\"bert\",\"previousCustomerId\":\"anna\"}");
}

Test(cart_decide, given_a_customer_when_the_same_is_assigned_then_nothing_happens)
{
    given(created("EUR", NULL), customer_assigned("anna", NULL));
    when(assign_customer("anna"));
    then_nothing();
    when(assign_customer("Anna"));
    then_events(customer_assigned("Anna", "anna"));
}

/* Coupons */

Test(cart_decide, given_a_cart_when_coupons_are_applied_then_the_events_say_what_they_take_off)
{
    given(created("EUR", NULL));
    when(apply_percent("TEN", 10));
    then_event_json(EVENT_COUPON_APPLIED, "{\"code\":\"TEN\",\"percentOff\":10}");
    when(apply_amount("FIVE", euro(500)));
    then_event_json(EVENT_COUPON_APPLIED, "{\"code\":\"FIVE\",\"amountOff\":"
                                          "{\"amountMinor\":500,\"currency\":\"EUR\"}}");
    then_coupons("TEN 10%, FIVE 500");
}

Test(cart_decide, given_a_coupon_when_the_identical_one_is_applied_then_nothing_happens)
{
    given(created("EUR", NULL), percent_coupon("TEN", 10), amount_coupon("FREE", euro(0)));
    when(apply_percent("TEN", 10));
    then_nothing();
    when(apply_amount("FREE", euro(0)));
    then_nothing();
}

Test(cart_decide, given_a_coupon_when_its_code_comes_with_something_else_then_it_keeps_its_place)
{
    given(created("EUR", NULL), percent_coupon("A", 10), amount_coupon("B", euro(500)));
    when(apply_amount("A", euro(10)));
    then_events(amount_coupon("A", euro(10)));
    when(apply_amount("A", euro(11)));
    then_events(amount_coupon("A", euro(11)));
    when(apply_percent("A", 20));
    then_events(percent_coupon("A", 20));
    then_coupons("A 20%, B 500");
}

Test(cart_decide, given_codes_that_differ_in_case_when_applied_then_they_are_two)
{
    given(created("EUR", NULL), percent_coupon("ten", 10));
    when(apply_percent("TEN", 10));
    then_events(percent_coupon("TEN", 10));
    then_coupons("ten 10%, TEN 10%");
}

Test(cart_decide, given_an_amount_in_another_currency_when_applied_then_refused)
{
    given(created("EUR", NULL), amount_coupon("A", euro(1)));
    when(apply_amount("A", (struct money){1, "USD"}));
    then_refused(CART_REFUSED_CURRENCY_MISMATCH);
    when(apply_amount("B", (struct money){0, "USD"}));
    then_refused(CART_REFUSED_CURRENCY_MISMATCH);
}

Test(cart_decide, given_ten_coupons_when_one_more_is_applied_then_refused_but_a_known_code_is_not)
{
    static const char *const codes[CART_COUPONS_MAX] = {"0", "1", "2", "3", "4",
                                                        "5", "6", "7", "8", "9"};
    given(created("EUR", NULL));
    for (size_t i = 0; i < CART_COUPONS_MAX; i++) {
        when(apply_percent(codes[i], 10));
        then_events(percent_coupon(codes[i], 10));
    }
    when(apply_percent("10", 10));
    then_refused(CART_REFUSED_TOO_MANY_COUPONS);
    when(apply_percent("9", 10));
    then_nothing();
    when(apply_percent("9", 11));
    then_events(percent_coupon("9", 11));
    when(remove_coupon("0"));
    then_events(coupon_removed("0"));
    when(apply_percent("10", 10));
    then_events(percent_coupon("10", 10));
    then_coupons("1 10%, 2 10%, 3 10%, 4 10%, 5 10%, 6 10%, 7 10%, 8 10%, 9 11%, 10 10%");
}

Test(cart_decide, given_no_such_coupon_when_removed_then_it_is_not_in_the_cart)
{
    given(created("EUR", NULL), percent_coupon("TEN", 10));
    when(remove_coupon("ten"));
    then_refused(CART_REFUSED_COUPON_NOT_IN_CART);
    when(remove_coupon("TEN"));
    then_event_json(EVENT_COUPON_REMOVED, "{\"code\":\"TEN\"}");
    when(remove_coupon("TEN"));
    then_refused(CART_REFUSED_COUPON_NOT_IN_CART);
}

Test(cart_decide, given_a_coupon_when_the_cart_is_cleared_then_it_stays)
{
    given(created("EUR", NULL), added("tea", 1, 100, 1), percent_coupon("TEN", 10));
    when(clear());
    then_events(cleared(1));
    then_coupons("TEN 10%");
}

static void then_checked_out_for(int64_t subtotal, int64_t discount)
{
    when(check_out(NULL));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    const struct cart_totals *totals = &story.decision.events[0].cart_checked_out.totals;
    cr_assert_eq(totals->subtotal, subtotal);
    cr_assert_eq(totals->discount, discount, "discount %lld", (long long)totals->discount);
    cr_assert_eq(totals->total, subtotal - discount);
}

Test(cart_decide,
     given_amounts_and_percents_when_checked_out_then_percents_go_first_each_on_the_rest)
{
    given(created("EUR", NULL), added("tea", 1, 1005, 1), amount_coupon("A", euro(100)),
          percent_coupon("B", 10), percent_coupon("C", 50));
    /* 10% of 1005 is 100.5: 101; half of 904 is 452; 100 of 452. */
    then_checked_out_for(1005, 101 + 452 + 100);
}

Test(cart_decide, given_more_off_than_there_is_when_checked_out_then_nothing_is_left_to_pay)
{
    given(created("EUR", NULL), added("tea", 2, 300, 2), amount_coupon("A", euro(400)),
          amount_coupon("B", euro(MONEY_AMOUNT_MAX)), percent_coupon("C", 1));
    then_checked_out_for(600, 600);
}

/* Merge */

#define MERGED(strategy, items)                                                                    \
    "{\"sourceCartId\":\"02000000-0000-0000-0000-000000000000\",\"sourceVersion\":4,"              \
    "\"strategy\":\"" strategy "\",\"items\":[" items "]}"
#define ITEM(sku, name, quantity, amount)                                                          \
    "{\"sku\":\"" sku "\",\"name\":\"" name "\",\"quantity\":" quantity                            \
    ",\"unitPrice\":{\"amountMinor\":" amount ",\"currency\":\"EUR\"}}"

/* Both have `tea` at another price and under another name; each has one of its own. */
static void given_two_carts(void)
{
    given(created("EUR", "anna"), added_line(line_named("tea", "Our tea", 2, 100), 2),
          added_line(line_named("jam", "Jam", 1, 300), 1));
    given_source(created("EUR", NULL), added_line(line_named("ham", "Ham", 3, 400), 3),
                 added_line(line_named("tea", "Their tea", 5, 150), 5),
                 percent_coupon("THEIRS", 10));
}

Test(cart_decide, given_two_carts_when_merged_by_sum_then_quantities_add_up)
{
    given_two_carts();
    when(merge(CART_MERGE_SUM));
    then_merged(MERGED("sum", ITEM("tea", "Our tea", "7", "100") "," ITEM(
                                  "jam", "Jam", "1", "300") "," ITEM("ham", "Ham", "3", "400")));
    then_lines("tea 7, jam 1, ham 3");
}

Test(cart_decide, given_two_carts_when_merged_by_max_then_the_larger_quantity_holds)
{
    given_two_carts();
    when(merge(CART_MERGE_MAX));
    then_merged(MERGED("max", ITEM("tea", "Our tea", "5", "100") "," ITEM(
                                  "jam", "Jam", "1", "300") "," ITEM("ham", "Ham", "3", "400")));
    given(quantity_changed("tea", 9, 5));
    cart_done(&story.source);
    given_source(created("EUR", NULL), added("tea", 5, 1, 5));
    when(merge(CART_MERGE_MAX));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    story_happen();
    then_lines("tea 9, jam 1, ham 3");
}

Test(cart_decide, given_two_carts_when_merged_by_replace_then_the_sources_lines_and_prices_hold)
{
    given_two_carts();
    when(merge(CART_MERGE_REPLACE));
    then_merged(
        MERGED("replace", ITEM("ham", "Ham", "3", "400") "," ITEM("tea", "Their tea", "5", "150")));
    then_lines("ham 3, tea 5");
}

Test(cart_decide, given_two_carts_when_merged_by_keep_then_the_targets_line_holds)
{
    given_two_carts();
    when(merge(CART_MERGE_KEEP));
    then_merged(MERGED("keep", ITEM("tea", "Our tea", "2", "100") "," ITEM(
                                   "jam", "Jam", "1", "300") "," ITEM("ham", "Ham", "3", "400")));
    then_lines("tea 2, jam 1, ham 3");
}

Test(cart_decide, given_coupons_and_customers_when_merged_then_the_targets_stay)
{
    given_two_carts();
    given(amount_coupon("OURS", euro(5)));
    when(merge(CART_MERGE_REPLACE));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    story_happen();
    then_coupons("OURS 5");
    cr_assert_str_eq(story.cart.customer_id, "anna");
    cr_assert_eq(story.source.bytes, cart_bytes_held(&story.source));
}

Test(cart_decide, given_an_empty_source_when_merged_then_only_replace_takes_the_lines)
{
    for (int i = 0; i < CART_MERGE_STRATEGY_COUNT; i++) {
        story_end();
        given(created("EUR", NULL), added("tea", 2, 100, 2));
        given_source(created("EUR", NULL));
        when(merge((enum cart_merge_strategy)i));
        cr_assert_eq(story.refusal, CART_ACCEPTED);
        story_happen();
        then_lines(i == CART_MERGE_REPLACE ? "" : "tea 2");
    }
}

Test(cart_decide, given_an_empty_target_when_merged_then_it_has_the_sources_lines)
{
    for (int i = 0; i < CART_MERGE_STRATEGY_COUNT; i++) {
        story_end();
        given(created("EUR", NULL));
        given_source(created("EUR", NULL), added("b", 2, 100, 2), added("a", 1, 100, 1));
        when(merge((enum cart_merge_strategy)i));
        cr_assert_eq(story.refusal, CART_ACCEPTED);
        story_happen();
        then_lines("b 2, a 1");
    }
}

Test(cart_decide, given_a_sum_above_the_limit_when_merged_then_it_is_capped)
{
    given(created("EUR", NULL), added("tea", 600, 100, 600), added("jam", 999, 100, 999));
    given_source(created("EUR", NULL), added("tea", 399, 100, 399), added("jam", 1, 100, 1));
    when(merge(CART_MERGE_SUM));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    story_happen();
    then_lines("tea 999, jam 999");
    cart_done(&story.source);
    given_source(created("EUR", NULL), added("tea", 1, 100, 1));
    when(merge(CART_MERGE_SUM));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    story_happen();
    then_lines("tea 999, jam 999");
}

Test(cart_decide, given_huge_quantities_when_merged_then_the_sum_does_not_overflow)
{
    story.limits.quantity_max = INT32_MAX;
    given(created("EUR", NULL), added("tea", INT32_MAX, 0, INT32_MAX));
    given_source(created("EUR", NULL), added("tea", INT32_MAX, 0, INT32_MAX));
    when(merge(CART_MERGE_SUM));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    cr_assert_eq(story.decision.events[0].cart_merged.items[0].quantity, INT32_MAX);
}

Test(cart_decide, given_more_lines_together_than_a_cart_may_have_when_merged_then_refused)
{
    given_many_lines(499, 1, 100);
    given_source(created("EUR", NULL), added("s0", 1, 100, 1), added("x", 1, 100, 1),
                 added("y", 1, 100, 1));
    when(merge(CART_MERGE_KEEP));
    then_refused(CART_REFUSED_TOO_MANY_LINES);
    when(merge(CART_MERGE_SUM));
    then_refused(CART_REFUSED_TOO_MANY_LINES);
    given_source(removed("y", 1, 0));
    when(merge(CART_MERGE_SUM));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    cr_assert_eq(story.decision.events[0].cart_merged.item_count, 500);
    when(merge(CART_MERGE_REPLACE));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    story_happen();
    then_lines("s0 1, x 1");
}

Test(cart_decide, given_limits_that_were_lowered_when_replaced_by_more_lines_then_refused)
{
    given(created("EUR", NULL));
    given_source(created("EUR", NULL), added("a", 1, 100, 1), added("b", 1, 100, 1));
    story.limits.lines_max = 1;
    when(merge(CART_MERGE_REPLACE));
    then_refused(CART_REFUSED_TOO_MANY_LINES);
}

Test(cart_decide, given_another_currency_when_merged_then_refused_even_when_empty)
{
    given(created("EUR", NULL));
    given_source(created("USD", NULL));
    when(merge(CART_MERGE_SUM));
    then_refused(CART_REFUSED_CURRENCY_MISMATCH);
}

Test(cart_decide, given_a_cart_when_merged_with_itself_then_refused)
{
    given(created("EUR", NULL));
    when(merge_with_itself());
    then_refused(CART_REFUSED_MERGE_WITH_ITSELF);
}

Test(cart_decide, given_no_source_when_merged_then_not_found)
{
    given(created("EUR", NULL));
    when(merge(CART_MERGE_SUM));
    then_refused(CART_REFUSED_NOT_FOUND);
}

Test(cart_decide, given_a_closed_source_when_merged_then_closed)
{
    given(created("EUR", NULL));
    given_source(created("EUR", NULL), cancelled());
    when(merge(CART_MERGE_SUM));
    then_refused(CART_REFUSED_CLOSED);
    cart_done(&story.source);
    given_source(created("EUR", NULL), added("tea", 1, 100, 1));
    when(merge(CART_MERGE_SUM));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    story_happen();
    when(merge(CART_MERGE_SUM));
    then_refused(CART_REFUSED_CLOSED);
}

/* Check out and cancel */

Test(cart_decide, given_an_empty_cart_when_checked_out_then_refused)
{
    given(created("EUR", NULL));
    when(check_out("o-1"));
    then_refused(CART_REFUSED_EMPTY);
    given(added("tea", 1, 100, 1), removed("tea", 1, 0));
    when(check_out("o-1"));
    then_refused(CART_REFUSED_EMPTY);
}

Test(cart_decide, given_lines_when_checked_out_then_the_event_carries_lines_and_totals)
{
    given(created("EUR", "anna"), added_line(line_named("tea", "Green tea", 2, 1999), 2),
          added_line(line_named("jam", "", 1, 0), 1));
    when(check_out("o-1"));
    then_event_json(EVENT_CART_CHECKED_OUT,
                    "{\"orderId\":\"o-1\",\"customerId\":\"anna\",\"items\":["
                    "{\"sku\":\"tea\",\"name\":\"Green tea\",\"quantity\":2,"
                    "\"unitPrice\":{\"amountMinor\":1999,\"currency\":\"EUR\"},"
                    "\"lineTotal\":{\"amountMinor\":3998,\"currency\":\"EUR\"}},"
                    "{\"sku\":\"jam\",\"name\":\"\",\"quantity\":1,"
                    "\"unitPrice\":{\"amountMinor\":0,\"currency\":\"EUR\"},"
                    "\"lineTotal\":{\"amountMinor\":0,\"currency\":\"EUR\"}}],"
                    "\"coupons\":[],"
                    "\"subtotal\":{\"amountMinor\":3998,\"currency\":\"EUR\"},"
                    "\"discountTotal\":{\"amountMinor\":0,\"currency\":\"EUR\"},"
                    "\"total\":{\"amountMinor\":3998,\"currency\":\"EUR\"}}");
    cr_assert_eq(story.cart.status, CART_CHECKED_OUT);
}

Test(cart_decide, given_a_coupon_when_checked_out_then_the_totals_know_it)
{
    given(created("EUR", NULL), added("tea", 1, 999, 1), percent_coupon("TEN", 10));
    when(check_out(NULL));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    const struct cart_checked_out *event = &story.decision.events[0].cart_checked_out;
    cr_assert_eq(event->coupon_count, 1);
    cr_assert(str_equal_literal(event->coupons[0].code, "TEN"));
    cr_assert_eq(event->totals.subtotal, 999);
    cr_assert_eq(event->totals.discount, 100);
    cr_assert_eq(event->totals.total, 899);
    cr_assert(str_is_none(event->order_id));
}

Test(cart_decide, given_the_largest_cart_when_checked_out_then_its_total_is_exact)
{
    given_many_lines(500, 999, MONEY_AMOUNT_MAX);
    when(check_out(NULL));
    cr_assert_eq(story.refusal, CART_ACCEPTED);
    cr_assert_eq(story.decision.events[0].cart_checked_out.totals.total,
                 INT64_C(499500000000000000));
}

Test(cart_decide, given_a_cart_when_cancelled_then_it_is_closed)
{
    given(created("EUR", NULL), added("tea", 1, 100, 1));
    when(cancel());
    then_event_json(EVENT_CART_CANCELLED, "{}");
    cr_assert_eq(story.cart.status, CART_CANCELLED);
}

/* Expire */

static struct cart_command expire(int64_t guest_before_us, int64_t customer_before_us)
{
    return (struct cart_command){.type = CART_EXPIRE,
                                 .expire = {guest_before_us, customer_before_us}};
}

Test(cart_decide, given_a_guests_cart_when_last_changed_long_ago_then_it_expires)
{
    given(created("EUR", NULL), added("tea", 1, 100, 1));
    int64_t changed_us = story.cart.last_changed_at_us;
    when(expire(changed_us - 1, INT64_MAX));
    then_nothing();
    when(expire(changed_us, INT64_MIN));
    then_event_json(EVENT_CART_EXPIRED,
                    "{\"lastChangedAt\":\"1970-01-01T00:00:01.000002Z\",\"policy\":\"guest\"}");
    cr_assert_eq(story.cart.status, CART_EXPIRED);
}

Test(cart_decide, given_a_customers_cart_when_last_changed_long_ago_then_it_expires)
{
    given(created("EUR", "anna"));
    int64_t changed_us = story.cart.last_changed_at_us;
    when(expire(INT64_MAX, changed_us - 1));
    then_nothing();
    when(expire(INT64_MIN, changed_us));
    then_event_json(EVENT_CART_EXPIRED,
                    "{\"lastChangedAt\":\"1970-01-01T00:00:01.000001Z\",\"policy\":\"customer\"}");
}

Test(cart_decide, given_no_cart_or_a_closed_one_then_it_does_not_expire)
{
    when(expire(INT64_MAX, INT64_MAX));
    then_refused(CART_REFUSED_NOT_FOUND);
    given(created("EUR", NULL), cancelled());
    when(expire(INT64_MAX, INT64_MAX));
    then_refused(CART_REFUSED_CLOSED);
}
