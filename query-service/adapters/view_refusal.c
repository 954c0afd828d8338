#include "view_refusal.h"

#include "problem.h"

#include <assert.h>

static const struct {
    struct problem_type type;
    const char *detail;
} REFUSALS[] = {
    [VIEW_ABSENT] = {{404, "cart-not-found", "Cart not found"}, "there is no such cart"},
    [VIEW_NOT_YET] = {{503, "not-yet-visible", "Not yet visible"},
                      "the view has not reached minVersion in time; it may do so soon"},
    [VIEW_STORE_UNAVAILABLE] = {{503, "view-store-unavailable", "View store unavailable"},
                                "the database of the views does not answer"},
    [VIEW_OVERLOADED] = {{503, "overloaded", "Overloaded"},
                         "too many requests are waiting; try again later"},
    [VIEW_FAILED] = {{500, "internal", "Internal error"}, "the view could not be read"},
};

void view_refuse(struct http_request *request, enum view_outcome outcome)
{
    assert(outcome != VIEW_FOUND);
    http_refuse(request, &REFUSALS[outcome].type, "%s", REFUSALS[outcome].detail);
}
