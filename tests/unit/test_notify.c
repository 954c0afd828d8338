/* What the service manager hears, at a socket of the test's own. */
#include "notify.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SECOND = 1000000 };

static int manager = -1;
static char folder[] = "/tmp/cartledger-notify-XXXXXX";
static char name[64];

static void listen_at(const char *path_or_abstract)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path_or_abstract);
    cr_assert_lt(length, sizeof(address.sun_path));
    memcpy(address.sun_path, path_or_abstract, length);
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    cr_assert_geq(manager, 0);
    cr_assert_eq(bind(manager, (const struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                 0);
    setenv("NOTIFY_SOCKET", path_or_abstract, 1);
}

static void listen_at_a_path(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(name, sizeof(name), "%s/socket", folder);
    listen_at(name);
}

static void tear_down(void)
{
    if (manager >= 0)
        close(manager);
    if (name[0] == '/')
        unlink(name);
    rmdir(folder);
}

TestSuite(notify, .fini = tear_down, .timeout = 20);

static void expect_heard(const char *expected)
{
    char heard[2 * NOTIFY_MESSAGE_MAX] = "";
    ssize_t length = recv(manager, heard, sizeof(heard) - 1, 0);
    cr_assert_geq(length, 0, "nothing was heard instead of %s", expected);
    cr_expect_str_eq(heard, expected);
}

static void expect_silence(void)
{
    char heard[2 * NOTIFY_MESSAGE_MAX] = "";
    cr_expect_lt(recv(manager, heard, sizeof(heard) - 1, 0), 0, "heard: %s", heard);
}

Test(notify, given_a_path_then_each_message_is_one_datagram)
{
    listen_at_a_path();
    cr_expect(notify_send("READY=1\nSTATUS=%d of %s", 2, "three"));
    cr_expect(notify_send("STOPPING=1"));
    expect_heard("READY=1\nSTATUS=2 of three");
    expect_heard("STOPPING=1");
    expect_silence();
}

Test(notify, given_an_abstract_name_then_it_is_found_without_a_file)
{
    snprintf(name, sizeof(name), "@cartledger-notify-%d", (int)getpid());
    listen_at(name);
    cr_expect(notify_send("READY=1"));
    expect_heard("READY=1");
}

Test(notify, given_no_manager_then_nothing_happens)
{
    const char *const names[] = {NULL, "", "/", "@", "relative", "vsock:2:1", "/nobody/is/here"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i] == NULL)
            unsetenv("NOTIFY_SOCKET");
        else
            setenv("NOTIFY_SOCKET", names[i], 1);
        cr_expect_not(notify_send("READY=1"), "%s", names[i]);
    }
    char longer_than_any_address[200] = "/";
    memset(longer_than_any_address + 1, 'x', sizeof(longer_than_any_address) - 2);
    setenv("NOTIFY_SOCKET", longer_than_any_address, 1);
    cr_expect_not(notify_send("READY=1"));
}

Test(notify, given_a_manager_that_does_not_listen_then_it_is_not_waited_for)
{
    listen_at_a_path();
    int taken = 0;
    while (notify_send("STATUS=%d", taken))
        cr_assert_lt(++taken, 100000);
    expect_heard("STATUS=0");
    cr_expect(notify_send("STOPPING=1"), "there is room again");
}

Test(notify, given_a_long_status_then_it_is_cut)
{
    listen_at_a_path();
    char words[2 * NOTIFY_MESSAGE_MAX];
    memset(words, 'w', sizeof(words));
    words[sizeof(words) - 1] = '\0';
    cr_expect(notify_send("STATUS=%s", words));
    words[NOTIFY_MESSAGE_MAX - 1 - strlen("STATUS=")] = '\0';
    char expected[2 * NOTIFY_MESSAGE_MAX];
    snprintf(expected, sizeof(expected), "STATUS=%.600s", words);
    expect_heard(expected);
}

Test(notify, given_the_same_status_then_it_is_said_once)
{
    listen_at_a_path();
    struct notify_manager told = {0};
    notify_status(&told, "ready");
    notify_status(&told, "ready");
    notify_status(&told, "not ready");
    expect_heard("STATUS=ready");
    expect_heard("STATUS=not ready");
    expect_silence();
}

static struct notify_manager watched(const char *microseconds)
{
    setenv("WATCHDOG_USEC", microseconds, 1);
    struct notify_manager watchdog;
    notify_manager_begin(&watchdog);
    return watchdog;
}

Test(notify, given_a_watchdog_when_all_turn_then_it_hears_from_us_every_half)
{
    listen_at_a_path();
    struct notify_manager watchdog = watched("30000000");
    int64_t begin = 1000 * (int64_t)SECOND;
    int heard = 0;
    for (int64_t now = begin; now < begin + 60 * (int64_t)SECOND; now += SECOND / 2)
        heard += notify_watchdog_turn(&watchdog, now, now - SECOND) ? 1 : 0;
    cr_expect_eq(heard, 4);
    for (int i = 0; i < heard; i++)
        expect_heard("WATCHDOG=1");
    expect_silence();
}

Test(notify, given_a_watchdog_when_a_thread_hangs_then_it_hears_nothing_until_it_goes_on)
{
    listen_at_a_path();
    struct notify_manager watchdog = watched("30000000");
    int64_t hangs_since = 1000 * (int64_t)SECOND;
    cr_expect(notify_watchdog_turn(&watchdog, hangs_since + SECOND, hangs_since));
    for (int64_t now = hangs_since + 16 * (int64_t)SECOND; now < hangs_since + 90 * (int64_t)SECOND;
         now += SECOND)
        cr_expect_not(notify_watchdog_turn(&watchdog, now, hangs_since));
    expect_heard("WATCHDOG=1");
    expect_silence();
    int64_t back = hangs_since + 91 * (int64_t)SECOND;
    cr_expect(notify_watchdog_turn(&watchdog, back, back));
}

Test(notify, given_a_watchdog_of_somebody_else_or_none_then_it_is_left_alone)
{
    listen_at_a_path();
    const char *const times[] = {"0", "", "-5", "soon", "30000000s", "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        struct notify_manager watchdog = watched(times[i]);
        cr_expect_not(notify_watchdog_turn(&watchdog, SECOND, SECOND), "%s", times[i]);
    }
    setenv("WATCHDOG_PID", "1", 1);
    struct notify_manager another = watched("30000000");
    cr_expect_not(notify_watchdog_turn(&another, SECOND, SECOND));
    char own[16];
    snprintf(own, sizeof(own), "%d", (int)getpid());
    setenv("WATCHDOG_PID", own, 1);
    struct notify_manager ours = watched("30000000");
    cr_expect(notify_watchdog_turn(&ours, SECOND, SECOND));
    expect_heard("WATCHDOG=1");
    expect_silence();
}
