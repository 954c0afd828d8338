/* Given what a store has left of a partition's carts, when it is rewound, then each of them has the
 * view that its events make. */
#include "failing_memory.h"
#include "view_rewind.h"

#include <stdio.h>

enum { CARTS = 3, PAGE = 2, BODY_MAX = 1024, CALLS_OF_ONE_REWIND = 9 };

/* Cart n has n events; the pages do not end where carts do. */
static struct {
    int next; /* of the events */
    int views;
    char bodies[CARTS][BODY_MAX];
    int broken; /* this event cannot be applied; 0: none */
    bool is_rewinding;
    bool is_committed;
    int calls;
    int failing_call; /* 0: none */
} fake;

static enum status answer(struct error *error)
{
    return ++fake.calls == fake.failing_call ? error_set(error, STATUS_UNAVAILABLE, "gone")
                                             : STATUS_OK;
}

static enum status rewind_begin(void *self, int16_t partition, int64_t position,
                                struct rewound *ret_rewound, struct error *error)
{
    (void)self;
    cr_assert_eq(partition, 3);
    cr_assert_eq(position, 41);
    cr_assert_not(fake.is_rewinding);
    enum status status = answer(error);
    fake.is_rewinding = status == STATUS_OK;
    *ret_rewound = (struct rewound){position - 1, CARTS + 2};
    return status;
}

static enum status visit_event(int cart, int version, stored_event_fn *visit, void *context,
                               struct error *error)
{
    char data[BODY_MAX] = "{\"currency\":\"EUR\",\"customerId\":null}";
    if (version > 1)
        snprintf(data, sizeof(data),
                 "{\"sku\":\"tea\",\"name\":\"Tea\",\"quantity\":1,\"unitPrice\":{\"amountMinor\":"
                 "5,\"currency\":\"EUR\"},\"lineQuantity\":%d}",
                 version - 1);
    return visit(context,
                 &(struct recorded_event){.position = fake.next,
                                          .cart_id = {{(unsigned char)cart}},
                                          .version = version,
                                          .type = version == 1 ? STR_LITERAL("CartCreated")
                                                               : STR_LITERAL("ItemAdded"),
                                          .schema_version = fake.next == fake.broken ? 9 : 1,
                                          .data = str_from(data)},
                 error);
}

static enum status rewind_read(void *self, stored_event_fn *visit, void *context, bool *ret_more,
                               struct error *error)
{
    (void)self;
    static const int carts[] = {1, 2, 2, 3, 3, 3};
    static const int versions[] = {1, 1, 2, 1, 2, 3};
    enum status status = answer(error);
    int last = fake.next + PAGE;
    while (status == STATUS_OK && fake.next < last && fake.next < (int)ARRAY_SIZE(carts)) {
        int n = fake.next++;
        status = visit_event(carts[n], versions[n], visit, context, error);
    }
    *ret_more = fake.next == last;
    return status;
}

static enum status rewind_put(void *self, const struct view_row *views, size_t count,
                              struct error *error)
{
    (void)self;
    enum status status = answer(error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct view_row *view = &views[i];
        cr_assert_eq(view->partition, 3);
        cr_assert_eq(view->cart_id.bytes[0], fake.views + 1);
        cr_assert_eq(view->version, fake.views + 1);
        snprintf(fake.bodies[fake.views++], BODY_MAX, STR_FORMAT, STR_ARGS(view->body));
    }
    return status;
}

static enum status rewind_commit(void *self, struct error *error)
{
    (void)self;
    enum status status = answer(error);
    if (status != STATUS_OK)
        return status;
    fake.is_committed = true;
    fake.is_rewinding = false;
    return STATUS_OK;
}

static void abandon(void *self)
{
    (void)self;
    cr_assert(fake.is_rewinding);
    fake.is_rewinding = false;
}

static const struct view_store store = {.rewind_begin = rewind_begin,
                                        .rewind_read = rewind_read,
                                        .rewind_put = rewind_put,
                                        .rewind_commit = rewind_commit,
                                        .abandon = abandon};

static enum status rewind_it(struct error *error)
{
    struct rewound rewound = {0};
    fake.next = 0;
    fake.views = 0;
    fake.calls = 0;
    fake.is_committed = false;
    enum status status = view_rewind(&store, 3, 41, &rewound, error);
    cr_assert_not(fake.is_rewinding);
    cr_assert_eq(fake.is_committed, status == STATUS_OK);
    cr_assert_eq(rewound.position, status == STATUS_OK ? 40 : 0);
    cr_assert_eq(rewound.carts, status == STATUS_OK ? CARTS + 2 : 0);
    return status;
}

Test(view_rewind, given_carts_with_events_left_then_each_has_the_view_that_they_make)
{
    struct error error = {0};
    cr_assert_eq(rewind_it(&error), STATUS_OK, "%s", error.message);
    cr_assert_eq(fake.views, CARTS);
    cr_assert(strstr(fake.bodies[0], "\"items\":[]") != NULL, "%s", fake.bodies[0]);
    cr_assert(strstr(fake.bodies[2], "\"quantity\":2") != NULL, "%s", fake.bodies[2]);
    cr_assert_eq(fake.calls, CALLS_OF_ONE_REWIND);
}

Test(view_rewind, given_an_event_that_cannot_be_applied_then_it_is_said_where_and_nothing_is_done)
{
    struct error error;
    fake.broken = 4;
    cr_assert_eq(rewind_it(&error), STATUS_INVALID);
    cr_assert(strncmp(error.message, "position 4 before it: ", 22) == 0, "%s", error.message);
}

Test(view_rewind, given_a_store_that_fails_then_nothing_is_done)
{
    for (fake.failing_call = 1; fake.failing_call <= CALLS_OF_ONE_REWIND; fake.failing_call++)
        cr_assert_eq(rewind_it(NULL), STATUS_UNAVAILABLE, "call %d", fake.failing_call);
    cr_assert_eq(rewind_it(NULL), STATUS_OK);
}

Test(view_rewind, given_no_memory_then_nothing_is_done)
{
    cr_assert_gt(each_allocation_fails(rewind_it, STATUS_NO_MEMORY), 5);
}
