#include "cart_line.h"

void cart_line_write(const struct cart_line *line, bool with_total, struct json_out *out)
{
    json_out_object(out);
    json_out_key(out, "sku");
    json_out_string(out, line->sku);
    json_out_key(out, "name");
    json_out_string(out, line->name);
    json_out_key(out, "quantity");
    json_out_int(out, line->quantity);
    json_out_key(out, "unitPrice");
    json_out_money(out, line->unit_price);
    if (with_total) {
        struct money total = line->unit_price;
        if (!money_multiply(total.amount_minor, line->quantity, &total.amount_minor))
            text_fail(out->text);
        json_out_key(out, "lineTotal");
        json_out_money(out, total);
    }
    json_out_end_object(out);
}

void cart_coupon_write(const struct cart_coupon *coupon, struct json_out *out)
{
    json_out_object(out);
    cart_coupon_write_members(coupon, out);
    json_out_end_object(out);
}

void cart_coupon_write_members(const struct cart_coupon *coupon, struct json_out *out)
{
    json_out_key(out, "code");
    json_out_string(out, coupon->code);
    if (coupon->percent_off != 0) {
        json_out_key(out, "percentOff");
        json_out_int(out, coupon->percent_off);
    } else {
        json_out_key(out, "amountOff");
        json_out_money(out, coupon->amount_off);
    }
}
