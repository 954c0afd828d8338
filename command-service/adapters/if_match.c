#include "if_match.h"

#include "entity_tags.h"

bool if_match_parse(struct str field, struct cart_condition *ret_condition)
{
    struct cart_condition condition = {.given = !str_is_none(field)};
    if (condition.given && !entity_tags_parse(field, &condition.any))
        return false;
    if (!condition.any)
        condition.tags = field;
    *ret_condition = condition;
    return true;
}
