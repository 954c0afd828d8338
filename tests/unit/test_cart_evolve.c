#include "cart_story.h"

#include <stdio.h>

TestSuite(cart_evolve, .fini = story_end);

static void then_cannot_happen(struct event_data event)
{
    struct error error = {0};
    cr_assert_eq(story_evolve(&event, &error), STATUS_INVALID, "%s was taken",
                 event_type_name(event.type));
    cr_assert_eq(error.status, STATUS_INVALID);
    cr_assert_not_null(strstr(error.message, event_type_name(event.type)), "%s", error.message);
}

static struct event_data merged(const struct cart_line *lines, size_t count)
{
    return (struct event_data){.type = EVENT_CART_MERGED,
                               .cart_merged = {.source_version = 1,
                                               .strategy = STR_LITERAL("sum"),
                                               .items = lines,
                                               .item_count = count}};
}

/* One event of every type but CartCreated, each fit for a cart with one `tea`. */
static struct event_data any_later_event(enum event_type type)
{
    static struct cart_line tea;
    tea = line("tea", 1, 100);
    switch (type) {
    case EVENT_ITEM_ADDED:
        return added("jam", 1, 100, 1);
    case EVENT_ITEM_QUANTITY_CHANGED:
        return quantity_changed("tea", 2, 1);
    case EVENT_ITEM_REMOVED:
        return removed("tea", 1, 0);
    case EVENT_CART_CLEARED:
        return cleared(1);
    case EVENT_CUSTOMER_ASSIGNED:
        return customer_assigned("anna", NULL);
    case EVENT_COUPON_APPLIED:
        return percent_coupon("TEN", 10);
    case EVENT_COUPON_REMOVED:
        return coupon_removed("TWENTY");
    case EVENT_CART_MERGED:
        return merged(&tea, 1);
    case EVENT_CART_CHECKED_OUT: {
        struct event_data event = checked_out(&tea, 1);
        event.cart_checked_out.coupons = story.cart.coupons;
        event.cart_checked_out.coupon_count = story.cart.coupon_count;
        return event;
    }
    default:
        return (struct event_data){.type = type};
    }
}

static void given_a_cart_with_one_tea_and_a_coupon(void)
{
    given(created("EUR", NULL), added("tea", 1, 100, 1), percent_coupon("TWENTY", 20));
}

Test(cart_evolve, given_a_cart_when_any_event_happens_then_version_and_time_move)
{
    for (int type = EVENT_CART_CREATED + 1; type < EVENT_TYPE_COUNT; type++) {
        struct error error = {0};
        given_a_cart_with_one_tea_and_a_coupon();
        struct event_data event = any_later_event((enum event_type)type);
        cr_assert_eq(cart_evolve(&story.cart, &event, 77, &error), STATUS_OK, "%s", error.message);
        cr_assert_eq(story.cart.version, 4);
        cr_assert_eq(story.cart.last_changed_at_us, 77);
        cr_assert_eq(story.cart.bytes, cart_bytes_held(&story.cart));
        cart_done(&story.cart);
    }
}

Test(cart_evolve, given_nothing_when_anything_but_created_happens_then_invalid)
{
    for (int type = EVENT_CART_CREATED + 1; type < EVENT_TYPE_COUNT; type++)
        then_cannot_happen(any_later_event((enum event_type)type));
    cr_assert_eq(story.cart.version, 0);
}

Test(cart_evolve, given_a_cart_when_created_again_then_invalid)
{
    given(created("EUR", NULL));
    then_cannot_happen(created("EUR", NULL));
}

Test(cart_evolve, given_a_closed_cart_when_anything_happens_then_invalid)
{
    const enum event_type ends[] = {EVENT_CART_CHECKED_OUT, EVENT_CART_CANCELLED,
                                    EVENT_CART_EXPIRED, EVENT_CART_MERGED_AWAY};
    const enum cart_status statuses[] = {CART_CHECKED_OUT, CART_CANCELLED, CART_EXPIRED,
                                         CART_MERGED};
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        given_a_cart_with_one_tea_and_a_coupon();
        given(any_later_event(ends[i]));
        cr_assert_eq(story.cart.status, statuses[i]);
        cr_assert_eq(story.cart.bytes, 0, "a closed cart keeps no lines");
        then_cannot_happen(created("EUR", NULL));
        for (int type = EVENT_CART_CREATED + 1; type < EVENT_TYPE_COUNT; type++)
            then_cannot_happen(any_later_event((enum event_type)type));
        cart_done(&story.cart);
    }
}

Test(cart_evolve, given_line_quantities_that_do_not_add_up_when_added_then_invalid)
{
    given(created("EUR", NULL), added("tea", 2, 100, 2));
    then_cannot_happen(added("tea", 1, 100, 2));
    then_cannot_happen(added("tea", 1, 100, 4));
    then_cannot_happen(added("jam", 1, 100, 2));
    then_cannot_happen(added("jam", 0, 100, 0));
    then_cannot_happen(added("tea", -1, 100, 1));
    then_cannot_happen(added("tea", INT32_MAX, 100, INT32_MIN + 1));
}

Test(cart_evolve, given_a_line_of_another_currency_when_added_then_invalid)
{
    given(created("EUR", NULL));
    then_cannot_happen(added_line(line_in("USD", "tea"), 1));
    then_cannot_happen(added("tea", 1, -1, 1));
    then_cannot_happen(added("", 1, 1, 1));
}

Test(cart_evolve, given_another_quantity_when_changed_then_invalid)
{
    given(created("EUR", NULL), added("tea", 2, 100, 2));
    then_cannot_happen(quantity_changed("tea", 5, 3));
    then_cannot_happen(quantity_changed("jam", 5, 2));
    then_cannot_happen(quantity_changed("tea", 0, 2));
    then_cannot_happen(quantity_changed("tea", -1, 2));
    given(quantity_changed("tea", 5, 2));
    then_lines("tea 5");
}

Test(cart_evolve, given_skus_that_end_alike_then_each_is_a_line_of_its_own)
{
    given(created("EUR", NULL), added("small-12345678", 1, 100, 1),
          added("large-12345678", 2, 100, 2), added("12345678", 3, 100, 3), added("8", 4, 100, 4));
    given(quantity_changed("large-12345678", 5, 2), removed("small-12345678", 1, 0),
          quantity_changed("8", 6, 4));
    then_lines("large-12345678 5, 12345678 3, 8 6");
}

Test(cart_evolve, given_a_line_when_wrongly_removed_then_invalid)
{
    given(created("EUR", NULL), added("tea", 3, 100, 3));
    then_cannot_happen(removed("jam", 1, 0));
    then_cannot_happen(removed("tea", 3, 1));
    then_cannot_happen(removed("tea", 2, 0));
    then_cannot_happen(removed("tea", 4, 0));
    then_cannot_happen(removed("tea", 4, -1));
    then_cannot_happen(removed("tea", 0, 3));
    then_cannot_happen(removed("tea", -1, 4));
    given(removed("tea", 2, 1), removed("tea", 1, 0));
    then_lines("");
}

Test(cart_evolve, given_lines_when_cleared_with_another_count_then_invalid)
{
    given(created("EUR", NULL));
    then_cannot_happen(cleared(0));
    given(added("tea", 3, 100, 3));
    then_cannot_happen(cleared(3));
    then_cannot_happen(cleared(0));
    then_cannot_happen(cleared(-1));
    given(cleared(1));
    then_lines("");
    cr_assert_eq(story.cart.bytes, 0, "a cleared cart gives its memory back");
}

Test(cart_evolve, given_a_guest_when_assigned_then_the_cart_has_a_customer)
{
    given(created("EUR", NULL));
    then_cannot_happen(customer_assigned(NULL, NULL));
    then_cannot_happen(customer_assigned("anna", "bert"));
    given(customer_assigned("anna", NULL));
    cr_assert_str_eq(story.cart.customer_id, "anna");
    then_cannot_happen(customer_assigned("bert", NULL));
    given(customer_assigned("bertram", "anna"));
    cr_assert_str_eq(story.cart.customer_id, "bertram");
    cr_assert_eq(story.cart.bytes, cart_bytes_held(&story.cart));
}

Test(cart_evolve, given_coupons_when_applied_again_and_removed_then_each_keeps_its_place)
{
    given(created("EUR", NULL), percent_coupon("A", 10), amount_coupon("B", euro(500)),
          percent_coupon("C", 100), percent_coupon("B", 5));
    cr_assert_eq(story.cart.coupon_count, 3);
    cr_assert(str_equal_literal(story.cart.coupons[1].code, "B"));
    cr_assert_eq(story.cart.coupons[1].percent_off, 5);
    given(coupon_removed("A"));
    cr_assert_eq(story.cart.coupon_count, 2);
    cr_assert(str_equal_literal(story.cart.coupons[0].code, "B"));
    cr_assert_eq(story.cart.bytes, cart_bytes_held(&story.cart));
    given(coupon_removed("C"), coupon_removed("B"));
    cr_assert_eq(story.cart.bytes, 0);
    given(percent_coupon("ONE", 1), amount_coupon("FREE", euro(0)));
}

Test(cart_evolve, given_coupons_that_make_no_sense_when_applied_then_invalid)
{
    given(created("EUR", NULL));
    then_cannot_happen(percent_coupon("A", 101));
    then_cannot_happen(percent_coupon("A", -1));
    then_cannot_happen(percent_coupon("", 10));
    then_cannot_happen(amount_coupon("A", (struct money){1, "USD"}));
    then_cannot_happen(amount_coupon("A", euro(-1)));
    then_cannot_happen(coupon_removed("A"));
}

Test(cart_evolve, given_lines_and_a_coupon_when_merged_then_the_event_says_the_lines)
{
    const struct cart_line lines[] = {line("jam", 4, 200), line("tea", 3, 100)};
    given(created("EUR", NULL), added("tea", 1, 100, 1), percent_coupon("TEN", 10),
          merged(lines, 2));
    then_lines("jam 4, tea 3");
    cr_assert_eq(story.cart.coupon_count, 1);
    cr_assert_eq(story.cart.bytes, cart_bytes_held(&story.cart));

    const struct cart_line twice[] = {line("jam", 4, 200), line("jam", 3, 100)};
    const struct cart_line none[] = {line("jam", 0, 200)};
    const struct cart_line foreign[] = {line_in("USD", "jam")};
    const struct cart_line nameless[] = {line("", 1, 200)};
    then_cannot_happen(merged(twice, 2));
    then_cannot_happen(merged(none, 1));
    then_cannot_happen(merged(foreign, 1));
    then_cannot_happen(merged(nameless, 1));
    then_lines("jam 4, tea 3");

    given(merged(lines, 1), added("tea", 1, 100, 1));
    then_lines("jam 4, tea 1");
    given(merged(NULL, 0));
    then_lines("");
}

Test(cart_evolve, given_lines_when_checked_out_with_others_then_invalid)
{
    const struct cart_line right[] = {line("tea", 2, 100), line("jam", 1, 100)};
    const struct cart_line fewer[] = {line("tea", 2, 100)};
    const struct cart_line other[] = {line("tea", 2, 100), line("ham", 1, 100)};
    const struct cart_line more[] = {line("tea", 3, 100), line("jam", 1, 100)};
    given(created("EUR", NULL));
    then_cannot_happen(checked_out(NULL, 0));
    given(added("tea", 2, 100, 2), added("jam", 1, 100, 1));
    then_cannot_happen(checked_out(fewer, 1));
    then_cannot_happen(checked_out(other, 2));
    then_cannot_happen(checked_out(more, 2));
    then_cannot_happen(checked_out(NULL, 0));
    given(checked_out(right, 2));
}

Test(cart_evolve, given_a_coupon_when_checked_out_without_it_then_invalid)
{
    given_a_cart_with_one_tea_and_a_coupon();
    struct cart_line tea = line("tea", 1, 100);
    then_cannot_happen(checked_out(&tea, 1));
}

Test(cart_evolve, given_texts_when_their_memory_changes_then_the_cart_has_its_own)
{
    char customer[] = "anna", sku[] = "tea", name[] = "Green tea", code[] = "TEN";
    given(created("EUR", customer), added_line(line_named(sku, name, 2, 100), 2),
          percent_coupon(code, 10));
    customer[0] = sku[0] = name[0] = code[0] = '#';
    cr_assert_str_eq(story.cart.customer_id, "anna");
    then_lines("tea 2");
    cr_assert(str_equal_literal(story.cart.lines[0].name, "Green tea"));
    cr_assert(str_equal_literal(story.cart.coupons[0].code, "TEN"));
}

Test(cart_evolve, given_many_carts_when_grown_and_shrunk_then_the_size_is_known)
{
    char skus[600][8];
    given(created("EUR", NULL));
    for (int i = 0; i < 600; i++) {
        snprintf(skus[i], sizeof(skus[i]), "s%d", i);
        given(added(skus[i], 1, 100, 1));
        cr_assert_eq(story.cart.bytes, cart_bytes_held(&story.cart));
    }
    for (int i = 0; i < 600; i += 2)
        given(removed(skus[i], 1, 0));
    cr_assert_eq(story.cart.bytes, cart_bytes_held(&story.cart));
    cr_assert_eq(story.cart.line_count, 300);
    for (int i = 0; i < 600; i++)
        cr_assert_eq(cart_find_line(&story.cart, str_from(skus[i])) != NULL, i % 2 == 1);
}

Test(cart_evolve, given_a_cart_when_done_then_it_does_not_exist)
{
    given_a_cart_with_one_tea_and_a_coupon();
    cart_done(&story.cart);
    const struct cart absent = {0};
    cr_assert_arr_eq(&story.cart, &absent, sizeof(absent));
    cart_done(&story.cart);
}

Test(cart_evolve, given_each_status_when_named_then_as_the_api_says_it)
{
    cr_assert_str_eq(cart_status_name(CART_ABSENT), "absent");
    cr_assert_str_eq(cart_status_name(CART_OPEN), "open");
    cr_assert_str_eq(cart_status_name(CART_CHECKED_OUT), "checked_out");
    cr_assert_str_eq(cart_status_name(CART_CANCELLED), "cancelled");
    cr_assert_str_eq(cart_status_name(CART_EXPIRED), "expired");
    cr_assert_str_eq(cart_status_name(CART_MERGED), "merged");
}

Test(cart_evolve, given_a_line_without_a_name_then_invalid)
{
    given(created("EUR", NULL));
    then_cannot_happen(added_line(line_named("tea", NULL, 1, 100), 1));
    struct cart_line nameless = line_named("tea", NULL, 1, 100);
    then_cannot_happen(merged(&nameless, 1));
}

Test(cart_evolve, given_a_cart_at_its_last_version_when_anything_happens_then_invalid)
{
    given_a_cart_with_one_tea_and_a_coupon();
    story.cart.version = INT32_MAX;
    then_cannot_happen(cancelled());
    cr_assert_eq(story.cart.version, INT32_MAX);
}
