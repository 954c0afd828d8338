#include "log.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static int pipe_ends[2];

static void catch_standard_error(void)
{
    cr_assert_eq(pipe(pipe_ends), 0);
    cr_assert_eq(dup2(pipe_ends[1], STDERR_FILENO), STDERR_FILENO);
    close(pipe_ends[1]);
}

/* One read(2) gives what one write(2) wrote, as long as nothing else was. */
static size_t read_line(char line[LOG_LINE_MAX + 1])
{
    ssize_t got = read(pipe_ends[0], line, LOG_LINE_MAX);
    cr_assert_gt(got, 0);
    line[got] = '\0';
    cr_assert_eq(line[got - 1], '\n');
    cr_assert_eq(strchr(line, '\n'), line + got - 1, "one line only");
    return (size_t)got;
}

static json_t *read_json(void)
{
    char line[LOG_LINE_MAX + 1];
    size_t length = read_line(line);
    json_error_t error;
    json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    cr_assert_not_null(json, "%s: %s", line, error.text);
    return json;
}

static const char *text_of(json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

Test(log, given_fields_when_logged_then_one_json_line_is_written, .init = catch_standard_error)
{
    log_set_service("command-service");
    log_info("relay", "leadership taken", LOG_INT("partitions", 6), LOG_STR("topic", "cart-events"),
             LOG_TEXT("part", ((struct str){"abcdef", 3})), LOG_STR("owner", NULL),
             LOG_INT("lowest", INT64_MIN));
    char line[LOG_LINE_MAX + 1];
    read_line(line);
    char *rest = strstr(line, "Z\",");
    cr_assert_not_null(rest);
    cr_assert_eq(rest - line, (long)strlen("{\"time\":\"2026-11-23T09:00:00.123456"));
    cr_assert_str_eq(rest,
                     "Z\",\"level\":\"info\",\"service\":\"command-service\",\"subject\":\"relay\","
                     "\"message\":\"leadership taken\",\"partitions\":6,\"topic\":\"cart-events\","
                     "\"part\":\"abc\",\"owner\":null,\"lowest\":-9223372036854775808}\n");
}

Test(log, given_no_fields_and_no_service_when_logged_then_the_line_is_complete,
     .init = catch_standard_error)
{
    log_error("main", "gone");
    json_t *json = read_json();
    cr_assert_str_eq(text_of(json, "level"), "error");
    cr_assert_eq(json_object_size(json), 4);
    json_decref(json);
}

Test(log, given_a_lowest_level_then_lines_below_are_not_written, .init = catch_standard_error)
{
    log_debug("main", "not shown by default");
    log_set_level(LOG_WARNING);
    log_info("main", "not shown");
    log_warning("main", "shown");
    json_t *json = read_json();
    cr_assert_str_eq(text_of(json, "message"), "shown");
    json_decref(json);
}

Test(log, given_hostile_text_when_logged_then_the_line_is_valid_json, .init = catch_standard_error)
{
    log_info(
        "http", "refused",
        LOG_TEXT("text", ((struct str){"a\"\\\n\0\x01\x7f\xc2\x85\xff\xe2\x82z\xed\xa0\x80", 16})));
    json_t *json = read_json();
    const json_t *text = json_object_get(json, "text");
    static const char expected[] = "a\"\\\n\0\x01\x7f\xc2\x85\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"
                                   "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd";
    cr_assert_eq(json_string_length(text), sizeof(expected) - 1);
    cr_assert_eq(memcmp(json_string_value(text), expected, sizeof(expected) - 1), 0);
    json_decref(json);
}

Test(log, given_texts_of_every_length_around_the_limit_then_lines_stay_valid_and_say_so,
     .init = catch_standard_error)
{
    char *long_text = malloc(LOG_LINE_MAX + 100);
    memset(long_text, 'x', LOG_LINE_MAX + 100);
    int truncated = 0;
    for (size_t length = LOG_LINE_MAX - 300; length < LOG_LINE_MAX + 100; length++) {
        long_text[length - 1] = '\n'; /* ends in an escape, which must not be cut in two */
        log_info("http", "long", LOG_TEXT("text", ((struct str){long_text, length})),
                 LOG_INT("after", 123456), LOG_STR("last", "value"));
        long_text[length - 1] = 'x';
        json_t *json = read_json();
        const char *text = text_of(json, "text");
        cr_assert_not_null(text);
        bool complete = strlen(text) == length && text_of(json, "last") != NULL &&
                        strcmp(text_of(json, "last"), "value") == 0;
        cr_assert_neq(json_is_true(json_object_get(json, "truncated")), complete, "length %zu",
                      length);
        truncated += complete ? 0 : 1;
        json_decref(json);
    }
    cr_assert_gt(truncated, 100);
    cr_assert_lt(truncated, 400, "short ones are complete");
    free(long_text);
}

Test(log, given_a_long_text_of_multibyte_characters_then_none_is_cut_in_two,
     .init = catch_standard_error)
{
    char *long_text = malloc(LOG_LINE_MAX * 2);
    for (size_t i = 0; i < LOG_LINE_MAX * 2; i += 4)
        memcpy(long_text + i, "\xf0\x9f\x8d\xb5", 4);
    for (size_t shift = 0; shift < 4; shift++) {
        char filler[5] = "aaaa";
        filler[shift] = '\0';
        log_info("http", filler, LOG_TEXT("text", ((struct str){long_text, LOG_LINE_MAX * 2})));
        json_decref(read_json());
    }
    free(long_text);
}

static void *log_many(void *argument)
{
    for (int i = 0; i < 200; i++)
        log_info("thread", "a line", LOG_STR("which", argument), LOG_INT("number", i));
    return NULL;
}

static void *collect(void *argument)
{
    char *all = argument;
    size_t length = 0;
    ssize_t got;
    while ((got = read(pipe_ends[0], all + length, 65536)) > 0)
        length += (size_t)got;
    all[length] = '\0';
    return NULL;
}

Test(log, given_several_threads_then_their_lines_do_not_mix, .init = catch_standard_error)
{
    static char all[1 << 20];
    pthread_t reader, writers[4];
    static char names[4][2] = {"a", "b", "c", "d"};
    pthread_create(&reader, NULL, collect, all);
    for (size_t i = 0; i < 4; i++)
        pthread_create(&writers[i], NULL, log_many, names[i]);
    for (size_t i = 0; i < 4; i++)
        pthread_join(writers[i], NULL);
    close(STDERR_FILENO);
    pthread_join(reader, NULL);
    int lines = 0;
    char *rest = all;
    for (char *line = strtok_r(all, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *json = json_loads(line, 0, NULL);
        if (json == NULL)
            cr_assert(false, "%s", line);
        json_decref(json);
        lines++;
    }
    cr_assert_eq(lines, 800);
}

Test(log, given_level_names_when_parsed_then_they_are_known_and_others_are_not)
{
    struct error error;
    cr_assert_eq(log_level_check("debug", &error), STATUS_OK);
    cr_assert_eq(log_level_of("debug"), LOG_DEBUG);
    cr_assert_eq(log_level_check("error", &error), STATUS_OK);
    cr_assert_eq(log_level_of("error"), LOG_ERROR);
    cr_assert_eq(log_level_check("Error", &error), STATUS_INVALID);
    cr_assert_eq(log_level_check("verbose", &error), STATUS_INVALID);
    cr_assert_str_eq(error.message, "is none of debug, info, warning, error");
}
