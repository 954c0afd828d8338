#include "log.h"

#include "clock.h"
#include "utf8.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char ending[] = "}\n";
static const char truncated_ending[] = ",\"truncated\":true}\n";

enum {
    /* Room kept for closing a cut string and ending the line. */
    ENDING_RESERVE = 1 + sizeof(truncated_ending),
    PUT_MAX = LOG_LINE_MAX - ENDING_RESERVE,
    ESCAPED_MAX = 6, /* \u00XX */
    /* For a reader of the lines, once. Until one reads again, lines are dropped without waiting. */
    WAIT_MS = 1000,
};

static enum log_level lowest_level = LOG_INFO;
static const char *service_name;

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static bool is_stuck;
static int64_t lost_lines;

struct line {
    char bytes[LOG_LINE_MAX];
    size_t length;
    bool truncated;
};

static bool put(struct line *line, const char *bytes, size_t length)
{
    if (line->truncated || line->length + length > PUT_MAX) {
        line->truncated = true;
        return false;
    }
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
    return true;
}

static size_t escape(struct str text, size_t at, size_t *ret_taken, char ret_bytes[ESCAPED_MAX + 1])
{
    uint32_t code_point;
    *ret_taken = utf8_decode(text, at, &code_point);
    if (*ret_taken == 0) {
        *ret_taken = 1;
        memcpy(ret_bytes, "\xef\xbf\xbd", 3); /* U+FFFD */
        return 3;
    }
    if (code_point == '"' || code_point == '\\') {
        ret_bytes[0] = '\\';
        ret_bytes[1] = (char)code_point;
        return 2;
    }
    if (code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f)) {
        int written = snprintf(ret_bytes, ESCAPED_MAX + 1, "\\u%04" PRIx32, code_point);
        return (size_t)written;
    }
    memcpy(ret_bytes, text.bytes + at, *ret_taken);
    return *ret_taken;
}

static void put_quoted(struct line *line, struct str text)
{
    if (!put(line, "\"", 1))
        return;
    for (size_t at = 0; at < text.length;) {
        char bytes[ESCAPED_MAX + 1];
        size_t taken;
        size_t length = escape(text, at, &taken, bytes);
        if (!put(line, bytes, length))
            break;
        at += taken;
    }
    line->bytes[line->length++] = '"'; /* room for it is in the reserve, once */
}

static void put_value(struct line *line, const struct log_field *field)
{
    if (!str_is_none(field->text)) {
        put_quoted(line, field->text);
    } else if (field->is_text) {
        put(line, "null", 4);
    } else {
        char digits[24];
        int length = snprintf(digits, sizeof(digits), "%" PRId64, field->number);
        put(line, digits, (size_t)length);
    }
}

/* Writes the key and at least the start of the value, or nothing of the field. */
static void put_field(struct line *line, const struct log_field *field)
{
    size_t before = line->length;
    if (before > 1)
        put(line, ",", 1);
    put_quoted(line, str_from(field->key));
    put(line, ":", 1);
    size_t value = line->length;
    if (!line->truncated)
        put_value(line, field);
    if (line->length == value)
        line->length = before;
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return names[level];
}

void log_set_level(enum log_level lowest)
{
    lowest_level = lowest;
}

/* A value beyond LOG_ERROR: the setting is not a level. */
static enum log_level find_level(const char *setting)
{
    enum log_level level = LOG_DEBUG;
    while (level <= LOG_ERROR && strcmp(setting, level_name(level)) != 0)
        level++;
    return level;
}

enum status log_level_check(const char *setting, struct error *error)
{
    return find_level(setting) <= LOG_ERROR
               ? STATUS_OK
               : error_set(error, STATUS_INVALID, "is none of debug, info, warning, error");
}

enum log_level log_level_of(const char *setting)
{
    enum log_level level = find_level(setting);
    assert(level <= LOG_ERROR && "the configuration was checked");
    return level;
}

void log_set_service(const char *name)
{
    service_name = name;
}

/* A pipe or socket with room takes a line without blocking; writing to a broken one fails at
 * once. */
static bool has_room(void)
{
    struct pollfd wait = {.fd = STDERR_FILENO, .events = POLLOUT};
    is_stuck = poll(&wait, 1, is_stuck ? 0 : WAIT_MS) <= 0;
    return !is_stuck;
}

static void write_line(struct line *line)
{
    const char *last = line->truncated ? truncated_ending : ending;
    size_t length = strlen(last);
    memcpy(line->bytes + line->length, last, length);
    line->length += length;
    int saved = errno;
    int64_t lost = 0;
    pthread_mutex_lock(&writing); /* otherwise another thread could take the room */
    if (has_room()) {
        while (write(STDERR_FILENO, line->bytes, line->length) < 0 && errno == EINTR)
            ;
        lost = lost_lines;
        lost_lines = 0;
    } else {
        lost_lines++;
    }
    pthread_mutex_unlock(&writing);
    if (lost > 0)
        log_warning("log", "lines were lost while nobody read them", LOG_INT("lines", lost));
    errno = saved;
}

void log_write(enum log_level level, const char *subject, const char *message, ...)
{
    if (level < lowest_level)
        return;
    char time[TIME_TEXT_LENGTH + 1];
    time_format(clock_wall_us(), time);
    struct log_field head[] = {
        LOG_STR("time", time),
        LOG_STR("level", level_name(level)),
        LOG_STR("service", service_name),
        LOG_STR("subject", subject),
        LOG_STR("message", message),
    };
    struct line line;
    line.length = 0;
    line.truncated = false;
    put(&line, "{", 1);
    for (size_t i = 0; i < ARRAY_SIZE(head); i++)
        if (!str_is_none(head[i].text))
            put_field(&line, &head[i]);
    va_list fields;
    va_start(fields, message);
    for (;;) {
        struct log_field field = va_arg(fields, struct log_field);
        if (field.key == NULL || line.truncated)
            break;
        put_field(&line, &field);
    }
    va_end(fields);
    write_line(&line);
}
