#include "event_types.h"

#include <assert.h>

static const struct {
    const char *name;
    int schema_version;
} types[] = {
#define X(upper, lower, name, schema_version) [EVENT_##upper] = {name, schema_version},
    EVENT_TYPES(X)
#undef X
};

const char *event_type_name(enum event_type type)
{
    assert(type < EVENT_TYPE_COUNT);
    return types[type].name;
}

int event_type_schema_version(enum event_type type)
{
    assert(type < EVENT_TYPE_COUNT);
    return types[type].schema_version;
}

bool event_type_parse(struct str name, enum event_type *ret_type)
{
    for (enum event_type type = 0; type < EVENT_TYPE_COUNT; type++) {
        if (str_equal_literal(name, types[type].name)) {
            *ret_type = type;
            return true;
        }
    }
    return false;
}
