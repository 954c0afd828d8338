#include "config_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONFIG_NAME_MAX = 128 };

static void clear_and_free(char *bytes, size_t length)
{
    if (bytes != NULL)
        explicit_bzero(bytes, length);
    free(bytes);
}

/* Reads all of a file of at most `most` bytes; *ret_bytes is new. */
static enum status read_file(const char *path, size_t most, char **ret_bytes, size_t *ret_length,
                             struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, STATUS_INVALID, "cannot be opened: %s", strerror(errno));
    char *bytes = malloc(most + 1);
    if (bytes == NULL) {
        close(fd);
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    }
    size_t length = 0;
    ssize_t got;
    do {
        got = read(fd, bytes + length, most + 1 - length);
        if (got > 0)
            length += (size_t)got;
    } while ((got > 0 && length <= most) || (got < 0 && errno == EINTR));
    int failure = got < 0 ? errno : 0;
    close(fd);
    if (failure != 0 || length > most) {
        clear_and_free(bytes, most + 1);
        if (failure != 0)
            return error_set(error, STATUS_INVALID, "cannot be read: %s", strerror(failure));
        return error_set(error, STATUS_INVALID, "has more than %zu bytes", most);
    }
    *ret_bytes = bytes;
    *ret_length = length;
    return STATUS_OK;
}

static struct str trim(struct str s)
{
    while (s.length > 0 && strchr(" \t\r", s.bytes[s.length - 1]) != NULL)
        s.length--;
    while (s.length > 0 && strchr(" \t", s.bytes[0]) != NULL) {
        s.bytes++;
        s.length--;
    }
    return s;
}

/* A line of the file that is neither blank nor a comment. */
struct file_line {
    int number;
    bool is_setting; /* it has an `=` */
    struct str name;
    struct str value;
};

struct file_lines {
    struct str rest;
    int number;
};

static bool next_line(struct file_lines *lines, struct file_line *ret_line)
{
    while (lines->rest.length > 0) {
        const char *newline = memchr(lines->rest.bytes, '\n', lines->rest.length);
        size_t length =
            newline != NULL ? (size_t)(newline - lines->rest.bytes) : lines->rest.length;
        struct str line = trim((struct str){lines->rest.bytes, length});
        size_t taken = newline != NULL ? length + 1 : length;
        lines->rest = (struct str){lines->rest.bytes + taken, lines->rest.length - taken};
        lines->number++;
        if (line.length == 0 || line.bytes[0] == '#')
            continue;
        const char *equals = memchr(line.bytes, '=', line.length);
        size_t name_length = equals != NULL ? (size_t)(equals - line.bytes) : line.length;
        *ret_line = (struct file_line){.number = lines->number, .is_setting = equals != NULL};
        ret_line->name = trim((struct str){line.bytes, name_length});
        if (equals != NULL)
            ret_line->value = trim((struct str){equals + 1, line.length - name_length - 1});
        return true;
    }
    return false;
}

static bool is_known(struct str name, const struct config_setting *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal_literal(name, table[i].name))
            return true;
    return false;
}

static bool is_plain_name(struct str name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    for (size_t i = 0; i < name.length; i++)
        if (memchr(allowed, name.bytes[i], sizeof(allowed) - 1) == NULL)
            return false;
    return name.length > 0 && name.length <= CONFIG_NAME_MAX;
}

static void check_lines(const struct config_file *file, const struct config_setting *table,
                        size_t count, struct text *problems)
{
    struct file_lines lines = {.rest = file->text};
    struct file_line line;
    while (next_line(&lines, &line)) {
        /* A line without a setting may be half of a secret: it is not shown. */
        if (!line.is_setting || !is_plain_name(line.name))
            text_format(problems, "%s, line %d: is not NAME=VALUE\n", file->name, line.number);
        else if (!is_known(line.name, table, count))
            text_format(problems, "%s, line %d: " STR_FORMAT " is not a setting\n", file->name,
                        line.number, STR_ARGS(line.name));
    }
}

void config_file_read(const char *name, const struct config_setting *table, size_t count,
                      struct config_file *ret_file, struct text *problems)
{
    *ret_file = (struct config_file){.name = name};
    if (name == NULL)
        return;
    struct error error;
    char *bytes;
    size_t length;
    if (read_file(name, CONFIG_FILE_MAX, &bytes, &length, &error) != STATUS_OK) {
        text_format(problems, "%s: %s\n", name, error.message);
        return;
    }
    ret_file->text = (struct str){bytes, length};
    check_lines(ret_file, table, count, problems);
}

void config_file_done(struct config_file *file)
{
    clear_and_free((char *)(uintptr_t)file->text.bytes, file->text.length);
    *file = (struct config_file){0};
}

static bool find_in_file(const struct config_setting *setting, const struct config_file *file,
                         struct config_value *value, struct text *problems)
{
    struct file_lines lines = {.rest = file->text};
    struct file_line line;
    int found = 0;
    while (next_line(&lines, &line)) {
        if (!line.is_setting || !str_equal_literal(line.name, setting->name))
            continue;
        if (found != 0) {
            text_format(problems, "%s (%s, line %d): is given in line %d already\n", setting->name,
                        file->name, line.number, found);
            return false;
        }
        found = line.number;
        value->text = line.value;
        snprintf(value->source, sizeof(value->source), "%s, line %d", file->name, found);
    }
    return true;
}

static bool find_in_secret_file(const struct config_setting *setting, const char *path,
                                struct config_value *value, struct text *problems)
{
    struct error error;
    size_t length;
    if (read_file(path, CONFIG_VALUE_MAX, &value->owned, &length, &error) != STATUS_OK) {
        text_format(problems, "%s_FILE (environment): the file %s %s\n", setting->name, path,
                    error.message);
        return false;
    }
    if (length > 0 && value->owned[length - 1] == '\n') {
        length--;
        if (length > 0 && value->owned[length - 1] == '\r')
            length--;
    }
    value->text = (struct str){value->owned, length};
    snprintf(value->source, sizeof(value->source), "file %s", path);
    return true;
}

bool config_value_find(const struct config_setting *setting, const struct config_file *file,
                       struct config_value *ret_value, struct text *problems)
{
    *ret_value = (struct config_value){0};
    char file_name[CONFIG_NAME_MAX + sizeof("_FILE")];
    snprintf(file_name, sizeof(file_name), "%s_FILE", setting->name);
    bool may_be_file = setting->kind == CONFIG_STRING || setting->kind == CONFIG_SECRET;
    const char *direct = getenv(setting->name);
    const char *path = may_be_file ? getenv(file_name) : NULL;
    if (direct != NULL && path != NULL) {
        text_format(problems, "%s (environment): both %s and %s are given, only one may be\n",
                    setting->name, setting->name, file_name);
        return false;
    }
    if (path != NULL)
        return find_in_secret_file(setting, path, ret_value, problems);
    if (direct != NULL) {
        ret_value->text = str_from(direct);
        snprintf(ret_value->source, sizeof(ret_value->source), "environment");
        return true;
    }
    if (!find_in_file(setting, file, ret_value, problems))
        return false;
    if (str_is_none(ret_value->text)) {
        ret_value->text = str_from(setting->default_value);
        snprintf(ret_value->source, sizeof(ret_value->source), "default");
    }
    return true;
}

void config_value_done(struct config_value *value)
{
    clear_and_free(value->owned, value->owned != NULL ? CONFIG_VALUE_MAX + 1 : 0);
    *value = (struct config_value){0};
}
