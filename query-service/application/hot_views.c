#include "hot_views.h"

#include "cart_partition.h"
#include "uuid_lru.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    STRIPES = 64,      /* locks */
    STRIPE_GATES = 64, /* closing a gate closes all carts that share it */
};

struct kept_view {
    struct hot_view view; /* first: holders give the view back by this address */
    struct uuid_lru_entry entry;
    atomic_uint holders;
    int16_t partition;
    int64_t asked_us;
    char body[];
};

struct stripe {
    pthread_mutex_t lock;
    struct uuid_lru kept;
    size_t bytes;
    uint32_t gates[STRIPE_GATES]; /* each changes when it is closed or opened; odd: closed */
};

struct hot_views {
    struct hot_views_stats stats;
    int64_t (*now_us)(void);
    size_t stripe_bytes_max;
    uint64_t seed;
    int partition_count;
    _Atomic uint32_t *epochs; /* by partition: changes when it is held or released; odd: held */
    struct stripe stripes[STRIPES];
};

struct hot_views *hot_views_new(size_t bytes_max, int partition_count, int64_t (*now_us)(void))
{
    assert(partition_count >= 1 && partition_count <= PARTITION_COUNT_MAX);
    struct hot_views *views = calloc(1, sizeof(*views));
    if (views == NULL)
        return NULL;
    views->now_us = now_us;
    views->stripe_bytes_max = bytes_max / STRIPES;
    views->seed = uuid_hash_seed();
    views->partition_count = partition_count;
    views->epochs = calloc((size_t)partition_count, sizeof(*views->epochs));
    bool is_complete = views->epochs != NULL;
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&views->stripes[i].lock, NULL);
        is_complete = uuid_lru_init(&views->stripes[i].kept) && is_complete;
    }
    if (is_complete)
        return views;
    hot_views_free(views);
    return NULL;
}

/* --- where a cart is ------------------------------------------------------------------------- */

struct spot {
    struct stripe *stripe;
    uint32_t *gate;
};

static struct spot spot_of(struct hot_views *views, const struct uuid *cart_id)
{
    uint64_t hash = uuid_hash(cart_id, views->seed);
    struct stripe *stripe = &views->stripes[hash % STRIPES];
    return (struct spot){stripe, &stripe->gates[hash / STRIPES % STRIPE_GATES]};
}

static struct kept_view *kept_of(struct uuid_lru_entry *entry)
{
    return CONTAINER_OF(entry, struct kept_view, entry);
}

static struct kept_view *find(const struct stripe *stripe, const struct uuid *cart_id)
{
    struct uuid_lru_entry *entry = uuid_lru_find(&stripe->kept, cart_id);
    return entry != NULL ? kept_of(entry) : NULL;
}

/* --- what is kept; the stripe's lock is held ------------------------------------------------- */

static size_t size_of(const struct kept_view *kept)
{
    return sizeof(*kept) + kept->view.body.length;
}

static void charge(struct hot_views *views, struct stripe *stripe, size_t added, size_t removed)
{
    stripe->bytes += added - removed;
    atomic_fetch_add_explicit(&views->stats.bytes, (int64_t)added - (int64_t)removed,
                              memory_order_relaxed);
}

static void keep(struct hot_views *views, struct stripe *stripe, struct kept_view *kept)
{
    uuid_lru_add(&stripe->kept, &kept->entry);
    charge(views, stripe, size_of(kept), 0);
}

static void forget(struct hot_views *views, struct stripe *stripe, struct kept_view *kept)
{
    uuid_lru_remove(&stripe->kept, &kept->entry);
    charge(views, stripe, 0, size_of(kept));
    hot_view_done(&kept->view);
}

static bool is_fresh(const struct kept_view *kept, int64_t now_us)
{
    return now_us - kept->asked_us < HOT_VIEW_US;
}

void hot_views_free(struct hot_views *views)
{
    if (views == NULL)
        return;
    for (size_t i = 0; i < STRIPES; i++) {
        struct stripe *stripe = &views->stripes[i];
        while (stripe->kept.oldest != NULL)
            forget(views, stripe, kept_of(stripe->kept.oldest));
        uuid_lru_done(&stripe->kept);
        pthread_mutex_destroy(&stripe->lock);
    }
    free(views->epochs);
    free(views);
}

/* --- reading --------------------------------------------------------------------------------- */

static _Atomic uint32_t *epoch_of(struct hot_views *views, const struct uuid *cart_id)
{
    return &views->epochs[cart_partition(cart_id, views->partition_count)];
}

const struct hot_view *hot_views_find(struct hot_views *views, const struct uuid *cart_id,
                                      int32_t least_version, struct hot_ticket *ret_ticket)
{
    struct spot spot = spot_of(views, cart_id);
    int64_t now_us = views->now_us();
    pthread_mutex_lock(&spot.stripe->lock);
    struct kept_view *kept = find(spot.stripe, cart_id);
    if (kept != NULL && (!is_fresh(kept, now_us) || kept->view.version < least_version))
        kept = NULL;
    if (kept != NULL)
        atomic_fetch_add_explicit(&kept->holders, 1, memory_order_relaxed);
    uint32_t gate = *spot.gate;
    pthread_mutex_unlock(&spot.stripe->lock);
    atomic_fetch_add_explicit(kept != NULL ? &views->stats.hits_total : &views->stats.misses_total,
                              1, memory_order_relaxed);
    if (kept != NULL)
        return &kept->view;
    uint32_t epoch = atomic_load(epoch_of(views, cart_id));
    bool is_good = gate % 2 == 0 && epoch % 2 == 1;
    *ret_ticket = (struct hot_ticket){is_good ? now_us : 0, gate, epoch};
    return NULL;
}

void hot_view_done(const struct hot_view *view)
{
    struct kept_view *kept = (struct kept_view *)(uintptr_t)view;
    if (atomic_fetch_sub_explicit(&kept->holders, 1, memory_order_acq_rel) == 1)
        free(kept);
}

static struct kept_view *new_view(const struct uuid *cart_id, int16_t partition, int64_t asked_us,
                                  int32_t version, struct str body)
{
    struct kept_view *kept = malloc(sizeof(*kept) + body.length);
    if (kept == NULL)
        return NULL;
    *kept = (struct kept_view){.view = {version, {kept->body, body.length}},
                               .entry = {.id = *cart_id},
                               .holders = 1,
                               .partition = partition,
                               .asked_us = asked_us};
    memcpy(kept->body, body.bytes, body.length);
    return kept;
}

/* Makes room by removing expired views. Fresh ones stay, however many other carts are asked for. */
static bool has_room(struct hot_views *views, struct stripe *stripe, size_t bytes)
{
    int64_t now_us = views->now_us();
    while (stripe->kept.oldest != NULL && !is_fresh(kept_of(stripe->kept.oldest), now_us))
        forget(views, stripe, kept_of(stripe->kept.oldest));
    return stripe->bytes + bytes <= views->stripe_bytes_max;
}

void hot_views_put(struct hot_views *views, const struct uuid *cart_id,
                   const struct hot_ticket *ticket, int32_t version, struct str body)
{
    if (ticket->asked_us == 0 || body.length > HOT_VIEW_BYTES_MAX)
        return;
    int16_t partition = cart_partition(cart_id, views->partition_count);
    struct kept_view *kept = new_view(cart_id, partition, ticket->asked_us, version, body);
    if (kept == NULL)
        return;
    struct spot spot = spot_of(views, cart_id);
    pthread_mutex_lock(&spot.stripe->lock);
    bool is_kept =
        ticket->gate == *spot.gate && ticket->epoch == atomic_load(&views->epochs[partition]);
    struct kept_view *other = is_kept ? find(spot.stripe, cart_id) : NULL;
    if (other != NULL)
        forget(views, spot.stripe, other);
    is_kept = is_kept && has_room(views, spot.stripe, size_of(kept));
    if (is_kept)
        keep(views, spot.stripe, kept);
    pthread_mutex_unlock(&spot.stripe->lock);
    if (!is_kept)
        free(kept);
}

const struct hot_views_stats *hot_views_stats(const struct hot_views *views)
{
    return &views->stats;
}

/* --- writing --------------------------------------------------------------------------------- */

void hot_views_hold(struct hot_views *views, int16_t partition)
{
    assert(partition >= 0 && partition < views->partition_count);
    hot_views_release(views, partition);
    atomic_fetch_add(&views->epochs[partition], 1);
}

static void forget_partition(struct hot_views *views, struct stripe *stripe, int16_t partition)
{
    struct uuid_lru_entry *newer;
    for (struct uuid_lru_entry *entry = stripe->kept.oldest; entry != NULL; entry = newer) {
        newer = entry->newer;
        if (kept_of(entry)->partition == partition)
            forget(views, stripe, kept_of(entry));
    }
}

/* The epoch changes first. A view put before its stripe is swept is removed, and none can be put
 * afterwards. */
void hot_views_release(struct hot_views *views, int16_t partition)
{
    assert(partition >= 0 && partition < views->partition_count);
    if (atomic_load(&views->epochs[partition]) % 2 == 0)
        return;
    atomic_fetch_add(&views->epochs[partition], 1);
    for (size_t i = 0; i < STRIPES; i++) {
        pthread_mutex_lock(&views->stripes[i].lock);
        forget_partition(views, &views->stripes[i], partition);
        pthread_mutex_unlock(&views->stripes[i].lock);
    }
}

void hot_views_close(struct hot_views *views, const struct uuid *cart_id)
{
    struct spot spot = spot_of(views, cart_id);
    pthread_mutex_lock(&spot.stripe->lock);
    struct kept_view *kept = find(spot.stripe, cart_id);
    if (kept != NULL)
        forget(views, spot.stripe, kept);
    *spot.gate |= 1;
    pthread_mutex_unlock(&spot.stripe->lock);
}

void hot_views_open(struct hot_views *views)
{
    for (size_t i = 0; i < STRIPES; i++) {
        struct stripe *stripe = &views->stripes[i];
        pthread_mutex_lock(&stripe->lock);
        for (size_t gate = 0; gate < STRIPE_GATES; gate++)
            stripe->gates[gate] += stripe->gates[gate] % 2;
        pthread_mutex_unlock(&stripe->lock);
    }
}
