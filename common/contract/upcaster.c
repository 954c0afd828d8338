#include "upcaster.h"

#include "event_data.h"

/* Turns the data of one schema version into that of the next: may change *data or replace it. */
typedef enum status upcast_step(json_t **data, struct error *error);

/* Version 2 says whose lifetime was over; version 1 did not. */
static enum status cart_expired_from_1(json_t **data, struct error *error)
{
    json_t *policy = json_string(expiry_policy_name(EXPIRY_POLICY_UNKNOWN));
    if (json_object_set_new(*data, "policy", policy) != 0)
        return error_set(error, STATUS_NO_MEMORY, "out of memory");
    return STATUS_OK;
}

/* One line per step that was ever needed. Never remove one: the events that need it stay in the log
 * for ever. */
static const struct {
    enum event_type type;
    int from; /* schema version */
    upcast_step *step;
} steps[] = {
    {EVENT_CART_EXPIRED, 1, cart_expired_from_1},
};

static upcast_step *find_step(enum event_type type, int from)
{
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
        if (steps[i].type == type && steps[i].from == from)
            return steps[i].step;
    return NULL;
}

enum status event_upcast(enum event_type type, int schema_version, json_t **data,
                         struct error *error)
{
    int newest = event_type_schema_version(type);
    if (schema_version < 1 || schema_version > newest)
        return error_set(error, STATUS_INVALID, "schema version %d of %s: known are 1 to %d",
                         schema_version, event_type_name(type), newest);
    for (int version = schema_version; version < newest; version++) {
        upcast_step *step = find_step(type, version);
        if (step == NULL)
            return error_set(error, STATUS_INVALID, "%s: no step leads from schema version %d",
                             event_type_name(type), version);
        enum status status = step(data, error);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}
