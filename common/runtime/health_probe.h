/*
 * health_probe.h - asks a running service on this machine whether it is ready: what
 * `--healthcheck` does, for container engines and scripts that have no HTTP client.
 */
#pragma once

#include "status.h"

#include <stdint.h>

/*
 * GET /readyz at the address that a service was told to listen on (any address stands for
 * loopback). OK: it is ready. UNAVAILABLE, with what is wrong: it is not, or nothing answered
 * within `timeout_ms`.
 */
MUST_CHECK enum status health_probe(const char *bind_address, uint16_t port, int timeout_ms,
                                    struct error *error);
