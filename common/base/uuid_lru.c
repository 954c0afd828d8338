#include "uuid_lru.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 256 };

bool uuid_lru_init(struct uuid_lru *lru)
{
    struct uuid_lru_entry **slots = calloc(FIRST_SLOTS, sizeof(struct uuid_lru_entry *));
    if (slots == NULL)
        return false;
    *lru = (struct uuid_lru){.slots = slots, .slot_count = FIRST_SLOTS, .seed = uuid_hash_seed()};
    return true;
}

void uuid_lru_done(struct uuid_lru *lru)
{
    assert(lru->count == 0);
    free(lru->slots);
    *lru = (struct uuid_lru){0};
}

static struct uuid_lru_entry **slot_of(const struct uuid_lru *lru, const struct uuid *id)
{
    return &lru->slots[uuid_hash(id, lru->seed) & (lru->slot_count - 1)];
}

static void put(struct uuid_lru *lru, struct uuid_lru_entry *entry)
{
    struct uuid_lru_entry **slot = slot_of(lru, &entry->id);
    entry->same_slot = *slot;
    *slot = entry;
}

/* Without memory for more slots, the chains just get longer. */
static void grow(struct uuid_lru *lru)
{
    struct uuid_lru_entry **slots = calloc(lru->slot_count * 2, sizeof(struct uuid_lru_entry *));
    if (slots == NULL)
        return;
    free(lru->slots);
    lru->slots = slots;
    lru->slot_count *= 2;
    for (struct uuid_lru_entry *entry = lru->newest; entry != NULL; entry = entry->older)
        put(lru, entry);
}

static void link_newest(struct uuid_lru *lru, struct uuid_lru_entry *entry)
{
    entry->newer = NULL;
    entry->older = lru->newest;
    *(lru->newest != NULL ? &lru->newest->newer : &lru->oldest) = entry;
    lru->newest = entry;
}

static void unlink_entry(struct uuid_lru *lru, struct uuid_lru_entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &lru->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &lru->oldest) = entry->newer;
}

struct uuid_lru_entry *uuid_lru_find(const struct uuid_lru *lru, const struct uuid *id)
{
    struct uuid_lru_entry *entry = *slot_of(lru, id);
    while (entry != NULL && !uuid_equal(&entry->id, id))
        entry = entry->same_slot;
    return entry;
}

void uuid_lru_use(struct uuid_lru *lru, struct uuid_lru_entry *entry)
{
    if (entry == lru->newest)
        return;
    unlink_entry(lru, entry);
    link_newest(lru, entry);
}

void uuid_lru_add(struct uuid_lru *lru, struct uuid_lru_entry *entry)
{
    assert(uuid_lru_find(lru, &entry->id) == NULL);
    if (lru->count >= lru->slot_count)
        grow(lru);
    put(lru, entry);
    link_newest(lru, entry);
    lru->count++;
}

void uuid_lru_remove(struct uuid_lru *lru, struct uuid_lru_entry *entry)
{
    struct uuid_lru_entry **at = slot_of(lru, &entry->id);
    while (*at != entry)
        at = &(*at)->same_slot;
    *at = entry->same_slot;
    unlink_entry(lru, entry);
    lru->count--;
}

size_t uuid_lru_memory(const struct uuid_lru *lru)
{
    return lru->slot_count * sizeof(struct uuid_lru_entry *);
}
