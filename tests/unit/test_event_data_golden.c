/* The golden files in contracts/events are the data of every event type and schema version that
 * was ever stored. They stay readable for ever. NAME.vN.json or NAME.vN.VARIANT.json; beside them
 * lie their schemas, NAME.vN.schema.json. */
#include "event_data.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static const char folder[] = SOURCE_ROOT "/contracts/events";

struct golden {
    enum event_type type;
    int schema_version;
    char bytes[65536];
    struct str json;
};

static bool is_golden(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return strstr(entry->d_name, ".v") != NULL && length > 5 &&
           strcmp(entry->d_name + length - 5, ".json") == 0 &&
           strstr(entry->d_name, ".schema.") == NULL;
}

static void load(const char *name, struct golden *golden)
{
    const char *dot = strstr(name, ".v");
    struct str type = {name, (size_t)(dot - name)};
    cr_assert(event_type_parse(type, &golden->type), "%s: no such type", name);
    golden->schema_version = (int)strtol(dot + 2, NULL, 10);
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    size_t length = fread(golden->bytes, 1, sizeof(golden->bytes), file);
    fclose(file);
    cr_assert(length > 1 && length < sizeof(golden->bytes) && golden->bytes[length - 1] == '\n',
              "%s: one line", name);
    golden->json = (struct str){golden->bytes, length - 1};
}

/* The newest version is written as it was read; older ones must be readable. */
static void check(const char *name, const struct golden *golden)
{
    struct error error = {0};
    AUTO(event_data_done) struct event_data data = {0};
    enum status status = event_data_read(str_from(event_type_name(golden->type)),
                                         golden->schema_version, golden->json, &data, &error);
    cr_assert_eq(status, STATUS_OK, "%s: %s", name, error.message);
    cr_assert_eq(data.type, golden->type);
    if (golden->schema_version != event_type_schema_version(golden->type))
        return;
    AUTO(text_done) struct text text = TEXT_INIT(EVENT_DATA_MAX);
    event_data_write(&data, &text);
    cr_assert(text_ok(&text));
    cr_assert(str_equal(text_str(&text), golden->json), "%s: got " STR_FORMAT, name,
              STR_ARGS(text_str(&text)));
}

Test(event_data_golden, given_each_golden_file_then_it_is_read_and_written_byte_for_byte)
{
    static struct golden golden;
    static bool seen[EVENT_TYPE_COUNT][100];
    DIR *directory = opendir(folder);
    cr_assert_not_null(directory, "%s", folder);
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (!is_golden(entry))
            continue;
        load(entry->d_name, &golden);
        cr_assert(golden.schema_version >= 1 && golden.schema_version < 100);
        check(entry->d_name, &golden);
        seen[golden.type][golden.schema_version] = true;
    }
    closedir(directory);
    for (enum event_type type = 0; type < EVENT_TYPE_COUNT; type++)
        for (int version = 1; version <= event_type_schema_version(type); version++)
            cr_assert(seen[type][version], "no golden file for %s.v%d", event_type_name(type),
                      version);
}
