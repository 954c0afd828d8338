/*
 * health.h - what /readyz says: named checks that worker threads keep up to date.
 *
 * A *required* check that is not ok makes the service not ready (503); the others only show in the
 * details.
 */
#pragma once

#include "text.h"

enum { HEALTH_CHECKS_MAX = 16, HEALTH_DETAIL_MAX = 256 };

struct health;
struct health_check;

MUST_CHECK struct health *health_new(void);
void health_free(struct health *health);

/* Starts as not ok, "starting". Before threads run. */
struct health_check *health_register(struct health *health, const char *name, bool required);
/* From any thread. The detail is one line of UTF-8, cut at HEALTH_DETAIL_MAX - 1 bytes or just
 * before. */
void health_set(struct health_check *check, bool ok, const char *detail_format, ...)
    PRINTF_LIKE(3, 4);

/* From now on the service is not ready, whatever the checks say: it drains. */
void health_drain(struct health *health);

/* Writes one line for `systemctl status`, cut at `size` - 1 bytes: "ready" or "not ready", and the
 * details of the checks that are not ok. */
void health_summary(struct health *health, char *ret_line, size_t size);

/* True when ready; appends {"status":"ready"|"not-ready","draining":false,
 * "checks":{"event-store":{"ok":true,"required":true,"detail":"…"},…}}. */
bool health_write(struct health *health, struct text *text);
