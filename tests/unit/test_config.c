#include "config.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct settings {
    char *topic;
    char *url;
    int64_t port;
    bool open;
};

static enum status topic_check(const char *topic, struct error *error)
{
    return strcmp(topic, "wrong") == 0 ? error_set(error, STATUS_INVALID, "is not a topic")
                                       : STATUS_OK;
}

static const struct config_setting table[] = {
    {.name = "T_TOPIC",
     .kind = CONFIG_STRING,
     .offset = offsetof(struct settings, topic),
     .default_value = "cart-events",
     .check = topic_check,
     .meaning = "The topic."},
    {.name = "T_URL",
     .kind = CONFIG_SECRET,
     .offset = offsetof(struct settings, url),
     .meaning = "Where the database is."},
    {.name = "T_PORT",
     .kind = CONFIG_INT,
     .offset = offsetof(struct settings, port),
     .default_value = "8081",
     .minimum = 1,
     .maximum = 65535,
     .meaning = "TCP port"},
    {.name = "T_OPEN",
     .kind = CONFIG_BOOL,
     .offset = offsetof(struct settings, open),
     .default_value = "no",
     .meaning = "Whether it is open."},
};

static char file_name[] = "/tmp/test_config-XXXXXX";

/* Writes a file that lives until the next call. */
static const char *file_with(const char *bytes, size_t length)
{
    static bool made;
    if (!made)
        close(mkstemp(file_name));
    made = true;
    FILE *file = fopen(file_name, "w");
    fwrite(bytes, 1, length, file);
    fclose(file);
    return file_name;
}

static void remove_file(void)
{
    unlink(file_name);
}

static void assert_problems(const char *file, const char *expected)
{
    AUTO(text_done)
    struct text problems = TEXT_INIT(10000);
    struct settings settings;
    enum status status = config_load(table, ARRAY_SIZE(table), file, &settings, &problems);
    cr_assert_eq(status, STATUS_INVALID);
    cr_assert(str_equal_literal(text_str(&problems), expected), "got:\n" STR_FORMAT "expected:\n%s",
              STR_ARGS(text_str(&problems)), expected);
    cr_assert_null(settings.topic);
    cr_assert_null(settings.url);
}

static struct settings load(const char *file)
{
    AUTO(text_done)
    struct text problems = TEXT_INIT(10000);
    struct settings settings;
    enum status status = config_load(table, ARRAY_SIZE(table), file, &settings, &problems);
    cr_assert_eq(status, STATUS_OK, STR_FORMAT, STR_ARGS(text_str(&problems)));
    cr_assert_eq(problems.length, 0);
    return settings;
}

static void done(struct settings *settings)
{
    config_done(table, ARRAY_SIZE(table), settings);
    cr_assert_null(settings->url);
}

TestSuite(config, .fini = remove_file);

Test(config, given_only_what_is_required_then_the_rest_has_its_default)
{
    setenv("T_URL", "postgres://x", 1);
    AUTO(done)
    struct settings settings = load(NULL);
    cr_assert_str_eq(settings.topic, "cart-events");
    cr_assert_str_eq(settings.url, "postgres://x");
    cr_assert_eq(settings.port, 8081);
    cr_assert_not(settings.open);
}

Test(config, given_a_file_and_the_environment_then_the_environment_is_stronger)
{
    static const char text[] =
        "# a comment\n\n  T_URL = postgres://a=b#c \r\nT_PORT=1\nT_TOPIC=x y\n"
        "\t# another\nT_OPEN=YES";
    setenv("T_PORT", "65535", 1);
    AUTO(done)
    struct settings settings = load(file_with(text, sizeof(text) - 1));
    cr_assert_str_eq(settings.url, "postgres://a=b#c");
    cr_assert_str_eq(settings.topic, "x y");
    cr_assert_eq(settings.port, 65535);
    cr_assert(settings.open);
}

Test(config, given_a_secret_file_then_its_content_without_one_line_break_is_the_value)
{
    setenv("T_URL_FILE", file_with("s3cret\n", 7), 1);
    AUTO(done)
    struct settings settings = load(NULL);
    cr_assert_str_eq(settings.url, "s3cret");
    setenv("T_TOPIC_FILE", file_with(" two \n\r\n", 8), 1);
    AUTO(done)
    struct settings again = load(NULL);
    cr_assert_str_eq(again.topic, " two \n");
}

Test(config, given_many_mistakes_then_all_are_told_at_once)
{
    static const char text[] = "T_PORT=70000\nT_PROT=1\njust words\nT_OPEN=maybe\n=x\n";
    const char *file = file_with(text, sizeof(text) - 1);
    char expected[1000];
    snprintf(expected, sizeof(expected),
             "%s, line 2: T_PROT is not a setting\n"
             "%s, line 3: is not NAME=VALUE\n"
             "%s, line 5: is not NAME=VALUE\n"
             "T_URL: is not set and has no default (Where the database is.)\n"
             "T_PORT (%s, line 1): \"70000\" is not a whole number from 1 to 65535\n"
             "T_OPEN (%s, line 4): \"maybe\" is none of true, false, yes, no, on, off, 1, 0\n",
             file, file, file, file, file);
    assert_problems(file, expected);
}

Test(config, given_a_name_twice_in_the_file_then_it_is_an_error)
{
    const char *file = file_with("T_URL=a\nT_PORT=2\nT_PORT=2\n", 26);
    char expected[200];
    snprintf(expected, sizeof(expected), "T_PORT (%s, line 3): is given in line 2 already\n", file);
    assert_problems(file, expected);
}

Test(config, given_a_value_and_its_file_form_then_it_is_an_error)
{
    setenv("T_URL", "hidden", 1);
    setenv("T_URL_FILE", "/nowhere", 1);
    assert_problems(NULL,
                    "T_URL (environment): both T_URL and T_URL_FILE are given, only one may be\n");
}

Test(config, given_files_that_are_not_there_then_it_says_which)
{
    setenv("T_URL_FILE", "/nonexistent/secret", 1);
    assert_problems("/nonexistent/conf",
                    "/nonexistent/conf: cannot be opened: No such file or directory\n"
                    "T_URL_FILE (environment): the file /nonexistent/secret cannot be opened: No "
                    "such file or directory\n");
}

Test(config, given_a_folder_for_a_file_then_it_is_refused)
{
    setenv("T_URL_FILE", "/tmp", 1);
    assert_problems(NULL,
                    "T_URL_FILE (environment): the file /tmp cannot be read: Is a directory\n");
}

Test(config, given_secret_files_with_nothing_in_them_then_they_are_refused)
{
    static const char *const nothing[] = {"", "\n", "\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(nothing); i++) {
        setenv("T_URL_FILE", file_with(nothing[i], strlen(nothing[i])), 1);
        char expected[200];
        snprintf(expected, sizeof(expected), "T_URL (file %s): its value must not be empty\n",
                 file_name);
        assert_problems(NULL, expected);
    }
}

Test(config, given_a_value_that_is_too_long_then_it_is_refused_and_only_its_beginning_shown)
{
    char *long_value = malloc(CONFIG_VALUE_MAX + 2);
    memset(long_value, 'x', CONFIG_VALUE_MAX + 1);
    long_value[CONFIG_VALUE_MAX + 1] = '\0';
    setenv("T_URL", "x", 1);
    setenv("T_TOPIC", long_value, 1);
    char expected[200];
    snprintf(expected, sizeof(expected),
             "T_TOPIC (environment): \"%.60s...\" is too long or holds a NUL\n", long_value);
    assert_problems(NULL, expected);
    free(long_value);
}

Test(config, given_a_wrong_secret_then_its_value_is_not_shown)
{
    setenv("T_URL_FILE", file_with("pass\0word", 9), 1);
    char expected[200];
    snprintf(expected, sizeof(expected), "T_URL (file %s): its value is too long or holds a NUL\n",
             file_name);
    assert_problems(NULL, expected);
    unsetenv("T_URL_FILE");
    setenv("T_URL", "", 1);
    assert_problems(NULL, "T_URL (environment): its value must not be empty\n");
}

Test(config, given_an_empty_text_where_the_default_is_none_then_it_is_refused)
{
    setenv("T_URL", "x", 1);
    setenv("T_TOPIC", "", 1);
    assert_problems(NULL, "T_TOPIC (environment): \"\" must not be empty\n");
}

Test(config, given_a_text_that_its_setting_complains_about_then_it_is_refused)
{
    setenv("T_URL", "x", 1);
    setenv("T_TOPIC", "wrong", 1);
    assert_problems(NULL, "T_TOPIC (environment): \"wrong\" is not a topic\n");
}

Test(config, given_numbers_that_are_none_then_they_are_refused)
{
    static const char *const wrong[] = {"",    " 1",  "1 ",   "+1", "0x10",
                                        "1.0", "-",   "0",    "-1", "99999999999999999999",
                                        "1k",  "1_0", "65536"};
    setenv("T_URL", "x", 1);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char expected[200];
        setenv("T_PORT", wrong[i], 1);
        snprintf(expected, sizeof(expected),
                 "T_PORT (environment): \"%s\" is not a whole number from 1 to 65535\n", wrong[i]);
        assert_problems(NULL, expected);
    }
}

Test(config, given_a_value_with_a_line_break_then_the_problem_stays_one_line)
{
    setenv("T_URL", "x", 1);
    setenv("T_PORT", "1\nT_URL: hacked", 1);
    assert_problems(
        NULL, "T_PORT (environment): \"1?T_URL: hacked\" is not a whole number from 1 to 65535\n");
}

Test(config, given_int64_limits_then_they_can_be_reached)
{
    struct {
        int64_t number;
    } target;
    const struct config_setting wide[] = {{.name = "T_WIDE",
                                           .kind = CONFIG_INT,
                                           .offset = 0,
                                           .minimum = INT64_MIN,
                                           .maximum = INT64_MAX,
                                           .meaning = "x"}};
    AUTO(text_done)
    struct text problems = TEXT_INIT(1000);
    setenv("T_WIDE", "-9223372036854775808", 1);
    cr_assert_eq(config_load(wide, 1, NULL, &target, &problems), STATUS_OK);
    cr_assert_eq(target.number, INT64_MIN);
    setenv("T_WIDE", "9223372036854775807", 1);
    cr_assert_eq(config_load(wide, 1, NULL, &target, &problems), STATUS_OK);
    cr_assert_eq(target.number, INT64_MAX);
    setenv("T_WIDE", "9223372036854775808", 1);
    cr_assert_eq(config_load(wide, 1, NULL, &target, &problems), STATUS_INVALID);
}

Test(config, given_a_file_that_is_too_large_then_it_is_refused)
{
    size_t length = CONFIG_FILE_MAX + 1;
    char *bytes = malloc(length);
    memset(bytes, '\n', length);
    setenv("T_URL", "x", 1);
    const char *file = file_with(bytes, length);
    char expected[200];
    snprintf(expected, sizeof(expected), "%s: has more than %d bytes\n", file, CONFIG_FILE_MAX);
    assert_problems(file, expected);
    AUTO(done)
    struct settings settings = load(file_with(bytes, length - 1));
    cr_assert_str_eq(settings.url, "x");
    free(bytes);
}

Test(config, given_a_table_when_described_then_names_defaults_and_meanings_show)
{
    AUTO(text_done)
    struct text text = TEXT_INIT(10000);
    config_describe(table, ARRAY_SIZE(table), &text);
    cr_assert(str_equal_literal(text_str(&text), "  T_TOPIC (default cart-events)\n"
                                                 "      The topic.\n"
                                                 "  T_URL (required)\n"
                                                 "      Where the database is.\n"
                                                 "  T_PORT (default 8081)\n"
                                                 "      TCP port (1 to 65535)\n"
                                                 "  T_OPEN (default no)\n"
                                                 "      Whether it is open.\n"),
              STR_FORMAT, STR_ARGS(text_str(&text)));
}

Test(config, given_a_zeroed_target_when_done_then_nothing_happens)
{
    struct settings settings = {0};
    config_done(table, ARRAY_SIZE(table), &settings);
}
