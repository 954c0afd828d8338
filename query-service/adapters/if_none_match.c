#include "if_none_match.h"

#include "entity_tags.h"

bool if_none_match_parse(struct str field, struct if_none_match *ret_condition)
{
    struct if_none_match condition = {0};
    if (!str_is_none(field) && !entity_tags_parse(field, &condition.any))
        return false;
    if (!condition.any)
        condition.tags = field;
    *ret_condition = condition;
    return true;
}

bool if_none_match_has(const struct if_none_match *condition, int32_t version)
{
    return condition->any || entity_tags_have(condition->tags, version, ENTITY_TAGS_WEAKLY);
}
