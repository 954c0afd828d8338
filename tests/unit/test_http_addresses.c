#include "http_addresses.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>

static union http_address address_of(const char *text)
{
    union http_address address = {.v4.sin_family = AF_INET};
    if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1)
        return address;
    address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
    cr_assert_eq(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
    return address;
}

static bool enter(struct http_addresses *addresses, const char *text)
{
    union http_address address = address_of(text);
    return http_addresses_enter(addresses, &address);
}

static void leave(struct http_addresses *addresses, const char *text)
{
    union http_address address = address_of(text);
    http_addresses_leave(addresses, &address);
}

Test(http_addresses, given_as_many_as_may_be_when_another_comes_then_only_other_addresses_enter)
{
    struct http_addresses addresses;
    http_addresses_init(&addresses, 2);
    cr_assert(enter(&addresses, "192.0.2.1"));
    cr_assert(enter(&addresses, "192.0.2.1"));
    cr_assert_not(enter(&addresses, "192.0.2.1"));
    cr_assert(enter(&addresses, "192.0.2.2"));
    cr_assert(enter(&addresses, "2001:db8::1"));

    leave(&addresses, "192.0.2.1");
    cr_assert(enter(&addresses, "192.0.2.1"));
    cr_assert_not(enter(&addresses, "192.0.2.1"));

    leave(&addresses, "192.0.2.1");
    leave(&addresses, "192.0.2.1");
    leave(&addresses, "192.0.2.2");
    leave(&addresses, "2001:db8::1");
    http_addresses_done(&addresses);
}

Test(http_addresses, given_a_listener_of_both_families_then_an_ipv4_client_has_one_count)
{
    struct http_addresses addresses;
    http_addresses_init(&addresses, 1);
    cr_assert(enter(&addresses, "192.0.2.1"));
    cr_assert_not(enter(&addresses, "::ffff:192.0.2.1"));
    leave(&addresses, "::ffff:192.0.2.1");
    http_addresses_done(&addresses);
}

Test(http_addresses, given_no_limit_then_all_enter)
{
    struct http_addresses addresses;
    http_addresses_init(&addresses, 0);
    for (int i = 0; i < 1000; i++)
        cr_assert(enter(&addresses, "192.0.2.1"));
    leave(&addresses, "192.0.2.1");
    http_addresses_done(&addresses);
}
