/*
 * uuid_lru.h - what is found by a UUID, in the order of last use: the core of a cache.
 *
 * A hash table with chains, and a list of all entries from the most to the least recently used. An
 * entry is a member of what is found (CONTAINER_OF in macros.h leads back to it). The table owns
 * its slots, never the entries; whoever has it decides what stays and what goes. One thread at a
 * time.
 */
#pragma once

#include "uuid.h"

struct uuid_lru_entry {
    struct uuid id; /* set before uuid_lru_add() */
    struct uuid_lru_entry *same_slot;
    struct uuid_lru_entry *newer;
    struct uuid_lru_entry *older;
};

/* Read `newest`, `oldest` and `count` freely, and an entry's `newer` and `older`; the rest is the
 * table's own. */
struct uuid_lru {
    struct uuid_lru_entry *newest; /* NULL: empty */
    struct uuid_lru_entry *oldest;
    size_t count;
    struct uuid_lru_entry **slots; /* owned */
    size_t slot_count;             /* a power of two; grows with the entries */
    uint64_t seed;
};

/* An empty table. False: memory is out. */
MUST_CHECK bool uuid_lru_init(struct uuid_lru *lru);
/* Releases the slots of an empty table; takes a zeroed one. */
void uuid_lru_done(struct uuid_lru *lru);

/* Borrowed; NULL: there is none. Does not count as a use. */
struct uuid_lru_entry *uuid_lru_find(const struct uuid_lru *lru, const struct uuid *id);
/* Makes it the newest. */
void uuid_lru_use(struct uuid_lru *lru, struct uuid_lru_entry *entry);
/* Adds an entry as the newest. No other may have its id, which stays unchanged while it is here. */
void uuid_lru_add(struct uuid_lru *lru, struct uuid_lru_entry *entry);
void uuid_lru_remove(struct uuid_lru *lru, struct uuid_lru_entry *entry);

/* Heap memory held. */
size_t uuid_lru_memory(const struct uuid_lru *lru);
