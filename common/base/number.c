#include "number.h"

bool number_parse(struct str text, int64_t least, int64_t most, int64_t *ret_number)
{
    if (text.length == 0 || (text.length > 1 && text.bytes[0] == '0'))
        return false;
    int64_t number = 0;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, c - '0', &number))
            return false;
    }
    if (number < least || number > most)
        return false;
    *ret_number = number;
    return true;
}
