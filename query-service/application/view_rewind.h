/*
 * view_rewind.h - takes a partition's views back to before a position, so that projectors make them
 * again from there: after a fault of the projection that did not touch what came before.
 *
 * What is applied again is as if it had never been applied. Carts that only it had changed are gone
 * until then; those that it had changed are the fold of their events before it; all others, their
 * rows too, stay as they are. Which ones it had changed is told by the timeline and the views'
 * versions. It begins earlier when an event before the position is missing, or the last one is
 * parked.
 */
#pragma once

#include "view_store.h"

enum { REWIND_BODIES_MAX = 64 * 1024 * 1024 }; /* of the views that end within one answer */

/*
 * One transaction; safe while projectors run, which go on from there by themselves.
 *
 * STATUS_NOT_FOUND: no event of the partition has been applied from `position` on. STATUS_INVALID:
 * one before it cannot be applied. Else the store has failed. Whatever comes back but STATUS_OK,
 * nothing has changed (or, with STATUS_UNCERTAIN, all).
 */
MUST_CHECK enum status view_rewind(const struct view_store *store, int16_t partition,
                                   int64_t position, struct rewound *ret_rewound,
                                   struct error *error);
