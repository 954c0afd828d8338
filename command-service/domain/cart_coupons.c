#include "cart_coupons.h"

#include "cart_memory.h"

#include <assert.h>

struct cart_coupon *cart_coupons_find(const struct cart *cart, struct str code)
{
    for (size_t i = 0; i < cart->coupon_count; i++)
        if (str_equal(cart->coupons[i].code, code))
            return &cart->coupons[i];
    return NULL;
}

const struct cart_coupon *cart_find_coupon(const struct cart *cart, struct str code)
{
    return cart_coupons_find(cart, code);
}

static size_t array_bytes(size_t count)
{
    return cart_block_bytes(count * sizeof(struct cart_coupon));
}

bool cart_coupons_put(struct cart *cart, const struct cart_coupon *coupon)
{
    struct cart_coupon *known = cart_coupons_find(cart, coupon->code);
    if (known != NULL) {
        known->percent_off = coupon->percent_off;
        known->amount_off = coupon->amount_off;
        return true;
    }
    size_t count = cart->coupon_count + 1;
    char *code = malloc(coupon->code.length);
    struct cart_coupon *coupons = realloc(cart->coupons, count * sizeof(*coupons));
    if (coupons != NULL)
        cart->coupons = coupons;
    if (code == NULL || coupons == NULL) {
        free(code);
        return false;
    }
    memcpy(code, coupon->code.bytes, coupon->code.length);
    coupons[count - 1] = *coupon;
    coupons[count - 1].code.bytes = code;
    cart->bytes += array_bytes(count) - array_bytes(cart->coupon_count);
    cart->bytes += cart_block_bytes(coupon->code.length);
    cart->coupon_count = count;
    return true;
}

void cart_coupons_remove(struct cart *cart, struct cart_coupon *coupon)
{
    size_t index = (size_t)(coupon - cart->coupons);
    assert(index < cart->coupon_count);
    if (cart->coupon_count == 1) {
        cart_coupons_clear(cart);
        return;
    }
    cart->bytes -= cart_block_bytes(coupon->code.length);
    cart->bytes -= array_bytes(cart->coupon_count) - array_bytes(cart->coupon_count - 1);
    cart_text_free(coupon->code.bytes);
    cart->coupon_count--;
    memmove(coupon, coupon + 1, (cart->coupon_count - index) * sizeof(*coupon));
}

void cart_coupons_clear(struct cart *cart)
{
    for (size_t i = 0; i < cart->coupon_count; i++) {
        cart->bytes -= cart_block_bytes(cart->coupons[i].code.length);
        cart_text_free(cart->coupons[i].code.bytes);
    }
    cart->bytes -= array_bytes(cart->coupon_count);
    free(cart->coupons);
    cart->coupons = NULL;
    cart->coupon_count = 0;
}
