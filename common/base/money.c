#include "money.h"

#include <assert.h>

bool currency_parse(struct str text, char ret_currency[CURRENCY_LENGTH + 1])
{
    if (text.length != CURRENCY_LENGTH)
        return false;
    for (size_t i = 0; i < CURRENCY_LENGTH; i++)
        if (text.bytes[i] < 'A' || text.bytes[i] > 'Z')
            return false;
    memcpy(ret_currency, text.bytes, CURRENCY_LENGTH);
    ret_currency[CURRENCY_LENGTH] = '\0';
    return true;
}

bool money_add(int64_t a, int64_t b, int64_t *ret_sum)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *ret_sum = sum;
    return true;
}

bool money_multiply(int64_t amount, int64_t times, int64_t *ret_product)
{
    int64_t product;
    if (__builtin_mul_overflow(amount, times, &product))
        return false;
    *ret_product = product;
    return true;
}

int64_t money_percent(int64_t amount, int percent)
{
    assert(amount >= 0 && percent >= 0 && percent <= 100);
    /* amount * percent may not fit, whole hundreds times percent do. */
    return amount / 100 * percent + (amount % 100 * percent + 50) / 100;
}
