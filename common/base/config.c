#include "config.h"

#include "config_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_VALUE_MAX = 60 };

/* A problem is one line: a character that could break it is shown as `?`. Secrets are never
 * shown. */
static void show_value(struct text *problems, const struct config_setting *setting,
                       struct str value)
{
    if (setting->kind == CONFIG_SECRET) {
        text_append_terminated(problems, "its value");
        return;
    }
    text_append_char(problems, '"');
    for (size_t i = 0; i < value.length && i < SHOWN_VALUE_MAX; i++) {
        unsigned char c = (unsigned char)value.bytes[i];
        text_append_char(problems, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
    if (value.length > SHOWN_VALUE_MAX)
        text_append_terminated(problems, "...");
    text_append_char(problems, '"');
}

static void add_problem(struct text *problems, const struct config_setting *setting,
                        const struct config_value *value, const char *what)
{
    text_format(problems, "%s (%s): ", setting->name, value->source);
    show_value(problems, setting, value->text);
    text_format(problems, " %s\n", what);
}

static bool parse_int(struct str text, int64_t *ret_number)
{
    size_t at = text.length > 0 && text.bytes[0] == '-' ? 1 : 0;
    bool negative = at == 1;
    if (at == text.length)
        return false;
    int64_t number = 0;
    for (; at < text.length; at++) {
        char c = text.bytes[at];
        if (c < '0' || c > '9')
            return false;
        int64_t digit = negative ? '0' - c : c - '0';
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return false;
    }
    *ret_number = number;
    return true;
}

static bool parse_bool(struct str text, bool *ret_answer)
{
    static const struct {
        const char *text;
        bool answer;
    } words[] = {{"true", true},   {"yes", true}, {"on", true},   {"1", true},
                 {"false", false}, {"no", false}, {"off", false}, {"0", false}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t length = strlen(words[i].text);
        if (text.length == length && strncasecmp(text.bytes, words[i].text, length) == 0) {
            *ret_answer = words[i].answer;
            return true;
        }
    }
    return false;
}

static enum status set_string(const struct config_setting *setting,
                              const struct config_value *value, char *target, struct text *problems)
{
    struct str text = value->text;
    if (text.length > CONFIG_VALUE_MAX || memchr(text.bytes, '\0', text.length) != NULL) {
        add_problem(problems, setting, value, "is too long or holds a NUL");
        return STATUS_INVALID;
    }
    bool may_be_empty = setting->default_value != NULL && setting->default_value[0] == '\0';
    if (text.length == 0 && !may_be_empty) {
        add_problem(problems, setting, value, "must not be empty");
        return STATUS_INVALID;
    }
    char *copy = strndup(text.bytes, text.length);
    if (copy == NULL) {
        add_problem(problems, setting, value, "has no memory to be kept in");
        return STATUS_NO_MEMORY;
    }
    struct error error;
    enum status status = setting->check == NULL ? STATUS_OK : setting->check(copy, &error);
    if (status == STATUS_OK) {
        memcpy(target + setting->offset, &copy, sizeof(copy));
        return STATUS_OK;
    }
    add_problem(problems, setting, value, error.message);
    explicit_bzero(copy, text.length);
    free(copy);
    return status;
}

static enum status set_int(const struct config_setting *setting, const struct config_value *value,
                           char *target, struct text *problems)
{
    int64_t number;
    if (!parse_int(value->text, &number) || number < setting->minimum ||
        number > setting->maximum) {
        char what[100];
        snprintf(what, sizeof(what), "is not a whole number from %" PRId64 " to %" PRId64,
                 setting->minimum, setting->maximum);
        add_problem(problems, setting, value, what);
        return STATUS_INVALID;
    }
    memcpy(target + setting->offset, &number, sizeof(number));
    return STATUS_OK;
}

static enum status set_bool(const struct config_setting *setting, const struct config_value *value,
                            char *target, struct text *problems)
{
    bool answer;
    if (!parse_bool(value->text, &answer)) {
        add_problem(problems, setting, value, "is none of true, false, yes, no, on, off, 1, 0");
        return STATUS_INVALID;
    }
    memcpy(target + setting->offset, &answer, sizeof(answer));
    return STATUS_OK;
}

static enum status load_setting(const struct config_setting *setting,
                                const struct config_file *file, char *target, struct text *problems)
{
    AUTO(config_value_done)
    struct config_value value;
    if (!config_value_find(setting, file, &value, problems))
        return STATUS_INVALID;
    if (str_is_none(value.text)) {
        text_format(problems, "%s: is not set and has no default (%s)\n", setting->name,
                    setting->meaning);
        return STATUS_INVALID;
    }
    switch (setting->kind) {
    case CONFIG_STRING:
    case CONFIG_SECRET:
        return set_string(setting, &value, target, problems);
    case CONFIG_INT:
        return set_int(setting, &value, target, problems);
    case CONFIG_BOOL:
        return set_bool(setting, &value, target, problems);
    }
    return STATUS_INTERNAL;
}

static bool owns_string(const struct config_setting *setting)
{
    return setting->kind == CONFIG_STRING || setting->kind == CONFIG_SECRET;
}

static void forget_strings(const struct config_setting *table, size_t count, char *target)
{
    char *none = NULL;
    for (size_t i = 0; i < count; i++)
        if (owns_string(&table[i]))
            memcpy(target + table[i].offset, &none, sizeof(none));
}

enum status config_load(const struct config_setting *table, size_t count, const char *file,
                        void *target, struct text *ret_problems)
{
    forget_strings(table, count, target);
    AUTO(config_file_done)
    struct config_file lines;
    size_t before = ret_problems->length;
    config_file_read(file, table, count, &lines, ret_problems);
    enum status worst = STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        enum status status = load_setting(&table[i], &lines, target, ret_problems);
        if (status != STATUS_OK)
            worst = status;
    }
    /* A line of the file can be wrong although no setting is. */
    if (worst == STATUS_OK && (ret_problems->length != before || !text_ok(ret_problems)))
        worst = STATUS_INVALID;
    if (worst != STATUS_OK)
        config_done(table, count, target);
    return worst;
}

void config_done(const struct config_setting *table, size_t count, void *target)
{
    for (size_t i = 0; i < count; i++) {
        if (!owns_string(&table[i]))
            continue;
        char *value;
        memcpy(&value, (char *)target + table[i].offset, sizeof(value));
        if (value != NULL && table[i].kind == CONFIG_SECRET)
            explicit_bzero(value, strlen(value));
        free(value);
    }
    forget_strings(table, count, target);
}

void config_describe(const struct config_setting *table, size_t count, struct text *text)
{
    for (size_t i = 0; i < count; i++) {
        const struct config_setting *setting = &table[i];
        text_format(text, "  %s", setting->name);
        if (setting->default_value == NULL)
            text_append_terminated(text, " (required)");
        else if (setting->kind != CONFIG_SECRET && setting->default_value[0] != '\0')
            text_format(text, " (default %s)", setting->default_value);
        text_format(text, "\n      %s", setting->meaning);
        if (setting->kind == CONFIG_INT)
            text_format(text, " (%" PRId64 " to %" PRId64 ")", setting->minimum, setting->maximum);
        text_append_char(text, '\n');
    }
}
