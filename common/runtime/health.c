#include "health.h"

#include "json_out.h"
#include "utf8.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct health_check {
    struct health *health;
    const char *name;
    bool required;
    bool ok;
    char detail[HEALTH_DETAIL_MAX];
};

struct health {
    pthread_mutex_t lock;
    bool draining;
    size_t count;
    struct health_check checks[HEALTH_CHECKS_MAX];
};

struct health *health_new(void)
{
    struct health *health = calloc(1, sizeof(*health));
    if (health != NULL)
        pthread_mutex_init(&health->lock, NULL);
    return health;
}

void health_free(struct health *health)
{
    if (health == NULL)
        return;
    pthread_mutex_destroy(&health->lock);
    free(health);
}

struct health_check *health_register(struct health *health, const char *name, bool required)
{
    assert(health->count < HEALTH_CHECKS_MAX);
    struct health_check *check = &health->checks[health->count++];
    *check = (struct health_check){health, name, required, false, "starting"};
    return check;
}

void health_set(struct health_check *check, bool ok, const char *detail_format, ...)
{
    va_list arguments;
    va_start(arguments, detail_format);
    pthread_mutex_lock(&check->health->lock);
    check->ok = ok;
    if (vsnprintf(check->detail, sizeof(check->detail), detail_format, arguments) >=
        HEALTH_DETAIL_MAX)
        utf8_drop_cut(check->detail);
    pthread_mutex_unlock(&check->health->lock);
    va_end(arguments);
}

void health_drain(struct health *health)
{
    pthread_mutex_lock(&health->lock);
    health->draining = true;
    pthread_mutex_unlock(&health->lock);
}

static bool is_ready(const struct health *health)
{
    bool ready = !health->draining;
    for (size_t i = 0; i < health->count; i++)
        ready = ready && (health->checks[i].ok || !health->checks[i].required);
    return ready;
}

void health_summary(struct health *health, char *ret_line, size_t size)
{
    pthread_mutex_lock(&health->lock);
    int length = snprintf(ret_line, size, "%s", is_ready(health) ? "ready" : "not ready");
    for (size_t i = 0; i < health->count && (size_t)length < size; i++) {
        const struct health_check *check = &health->checks[i];
        if (!check->ok)
            length += snprintf(ret_line + length, size - (size_t)length, "; %s: %s", check->name,
                               check->detail);
    }
    if ((size_t)length >= size)
        utf8_drop_cut(ret_line);
    pthread_mutex_unlock(&health->lock);
}

bool health_write(struct health *health, struct text *text)
{
    pthread_mutex_lock(&health->lock);
    bool ready = is_ready(health);

    struct json_out out = json_out_to(text);
    json_out_object(&out);
    json_out_key(&out, "status");
    json_out_string(&out, str_from(ready ? "ready" : "not-ready"));
    json_out_key(&out, "draining");
    json_out_bool(&out, health->draining);
    json_out_key(&out, "checks");
    json_out_object(&out);
    for (size_t i = 0; i < health->count; i++) {
        const struct health_check *check = &health->checks[i];
        json_out_key(&out, check->name);
        json_out_object(&out);
        json_out_key(&out, "ok");
        json_out_bool(&out, check->ok);
        json_out_key(&out, "required");
        json_out_bool(&out, check->required);
        json_out_key(&out, "detail");
        json_out_string(&out, str_from(check->detail));
        json_out_end_object(&out);
    }
    json_out_end_object(&out);
    json_out_end_object(&out);
    pthread_mutex_unlock(&health->lock);
    return ready;
}
