/*
 * event_data_test_driver.c - reads event data as the services do, for tests/integration.
 *
 *     event_data_test_driver
 *
 * First prints the list of event types, `TYPE VERSION` a line with the newest schema version, and
 * an empty line. Then answers each line `TYPE VERSION JSON` of its standard input with one line:
 * what it writes for it in the newest schema version, or `invalid: WHY`.
 */
#include "event_data.h"

#include <stdio.h>
#include <stdlib.h>

static void print_types(void)
{
    for (enum event_type type = 0; type < EVENT_TYPE_COUNT; type++)
        printf("%s %d\n", event_type_name(type), event_type_schema_version(type));
    printf("\n");
    fflush(stdout);
}

static struct str take_word(struct str *rest)
{
    const char *space = memchr(rest->bytes, ' ', rest->length);
    size_t length = space == NULL ? rest->length : (size_t)(space - rest->bytes);
    struct str word = {rest->bytes, length};
    size_t skipped = space == NULL ? length : length + 1;
    *rest = (struct str){rest->bytes + skipped, rest->length - skipped};
    return word;
}

static void answer(struct str line)
{
    struct str type = take_word(&line);
    int schema_version = (int)strtol(take_word(&line).bytes, NULL, 10);
    AUTO(event_data_done) struct event_data data = {0};
    AUTO(text_done) struct text text = TEXT_INIT(EVENT_DATA_MAX);
    struct error error = {0};
    if (event_data_read(type, schema_version, line, &data, &error) != STATUS_OK) {
        printf("invalid: %s\n", error.message);
    } else {
        event_data_write(&data, &text);
        printf(STR_FORMAT "\n", STR_ARGS(text_str(&text)));
    }
    fflush(stdout);
}

int main(void)
{
    print_types();
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) > 0)
        answer((struct str){line, (size_t)length - 1});
    free(line);
    return EXIT_SUCCESS;
}
