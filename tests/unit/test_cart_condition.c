#include "cart_condition.h"
#include "cart_story.h"

TestSuite(cart_condition, .fini = story_end);

static const struct cart_condition NONE = {.given = false};
static const struct cart_condition ANY = {.given = true, .any = true};
static const struct cart_condition NO_NUMBERS = {.given = true};
static const struct cart_condition TWO_OR_THREE = {.given = true,
                                                   .tags = {"\"2\", W/\"4\",\"3\"", 14}};

Test(cart_condition, given_an_absent_cart_when_any_condition_then_not_found_comes_first)
{
    cr_assert_eq(cart_condition_holds(&NONE, &story.cart), CART_ACCEPTED);
    cr_assert_eq(cart_condition_holds(&ANY, &story.cart), CART_REFUSED_NOT_FOUND);
    cr_assert_eq(cart_condition_holds(&NO_NUMBERS, &story.cart), CART_REFUSED_NOT_FOUND);
    cr_assert_eq(cart_condition_holds(&TWO_OR_THREE, &story.cart), CART_REFUSED_NOT_FOUND);
}

Test(cart_condition, given_a_cart_when_its_version_is_listed_then_it_holds)
{
    given(created("EUR", NULL));
    cr_assert_eq(cart_condition_holds(&TWO_OR_THREE, &story.cart), CART_REFUSED_VERSION_MISMATCH);
    given(added("tea", 1, 100, 1));
    cr_assert_eq(cart_condition_holds(&TWO_OR_THREE, &story.cart), CART_ACCEPTED);
    given(added("tea", 1, 100, 2));
    cr_assert_eq(cart_condition_holds(&TWO_OR_THREE, &story.cart), CART_ACCEPTED);
    given(cancelled());
    cr_assert_eq(cart_condition_holds(&TWO_OR_THREE, &story.cart), CART_REFUSED_VERSION_MISMATCH,
                 "a weak tag");
    cr_assert_eq(cart_condition_holds(&ANY, &story.cart), CART_ACCEPTED);
    cr_assert_eq(cart_condition_holds(&NO_NUMBERS, &story.cart), CART_REFUSED_VERSION_MISMATCH);
    cr_assert_eq(cart_condition_holds(&NONE, &story.cart), CART_ACCEPTED);
}
