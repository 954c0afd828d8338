/*
 * view_rewind.h - takes a partition's views back to before a position; projectors make them again
 * from there. For a fault of the projection that did not touch earlier events.
 *
 * Events from the position on count as never applied. A cart that only they had changed is gone
 * until they are applied again. A cart that had earlier events is the fold of those. All other
 * carts, and their rows, stay as they are. The timeline and the views' versions tell which carts
 * had changed. The rewind begins earlier when an event before the position is missing, or the last
 * one before it is parked.
 */
#pragma once

#include "view_store.h"

enum { REWIND_BODIES_MAX = 64 * 1024 * 1024 }; /* of the views that end within one answer */

/*
 * One transaction; safe while projectors run, which go on from there by themselves.
 *
 * STATUS_NOT_FOUND: no event of the partition has been applied from `position` on. STATUS_INVALID:
 * an earlier event cannot be applied. Any other failure is the store's. Nothing has changed unless
 * it returns STATUS_OK; after STATUS_UNCERTAIN, nothing or everything has.
 */
MUST_CHECK enum status view_rewind(const struct view_store *store, int16_t partition,
                                   int64_t position, struct rewound *ret_rewound,
                                   struct error *error);
