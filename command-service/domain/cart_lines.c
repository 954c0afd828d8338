#include "cart_lines.h"

#include "cart_memory.h"

#include <assert.h>

enum { LINES_FIRST_CAPACITY = 4 };

static size_t text_bytes(const struct cart_line *line)
{
    return cart_block_bytes(line->sku.length + line->name.length);
}

static size_t array_bytes(size_t count)
{
    return cart_block_bytes(count * sizeof(struct cart_line));
}

/* A mark of the end of the sku, where most differ. Lines with another mark are skipped without
 * reading their texts, each of which is a cache miss: 500 of them took 30 us. */
static uint32_t mark_of(struct str sku)
{
    uint64_t end = 0;
    size_t length = sku.length < sizeof(end) ? sku.length : sizeof(end);
    if (length > 0)
        memcpy(&end, sku.bytes + sku.length - length, length);
    return (uint32_t)((end * UINT64_C(0x9e3779b97f4a7c15)) >> 32) + (uint32_t)sku.length;
}

/* Both texts are kept in one block that starts at line->sku.bytes. */
static bool line_copy(const struct cart_line *line, struct cart_line *ret_copy)
{
    assert(line->sku.length > 0);
    char *texts = malloc(line->sku.length + line->name.length);
    if (texts == NULL)
        return false;
    memcpy(texts, line->sku.bytes, line->sku.length);
    if (line->name.length > 0)
        memcpy(texts + line->sku.length, line->name.bytes, line->name.length);
    *ret_copy = *line;
    ret_copy->sku.bytes = texts;
    ret_copy->name.bytes = texts + line->sku.length;
    ret_copy->sku_mark = mark_of(line->sku);
    return true;
}

struct cart_line *cart_lines_find(const struct cart *cart, struct str sku)
{
    uint32_t mark = mark_of(sku);
    for (size_t i = 0; i < cart->line_count; i++)
        if (cart->lines[i].sku_mark == mark && str_equal(cart->lines[i].sku, sku))
            return &cart->lines[i];
    return NULL;
}

const struct cart_line *cart_find_line(const struct cart *cart, struct str sku)
{
    return cart_lines_find(cart, sku);
}

static bool lines_reserve(struct cart *cart)
{
    if (cart->line_count < cart->line_capacity)
        return true;
    size_t capacity = cart->line_capacity < LINES_FIRST_CAPACITY
                          ? LINES_FIRST_CAPACITY
                          : cart->line_capacity + cart->line_capacity / 2;
    struct cart_line *lines = realloc(cart->lines, capacity * sizeof(*lines));
    if (lines == NULL)
        return false;
    cart->bytes += array_bytes(capacity);
    cart->bytes -= array_bytes(cart->line_capacity);
    cart->lines = lines;
    cart->line_capacity = capacity;
    return true;
}

bool cart_lines_append(struct cart *cart, const struct cart_line *line)
{
    struct cart_line copy;
    if (!line_copy(line, &copy))
        return false;
    if (!lines_reserve(cart)) {
        cart_text_free(copy.sku.bytes);
        return false;
    }
    cart->bytes += text_bytes(&copy);
    cart->lines[cart->line_count++] = copy;
    return true;
}

bool cart_lines_rename(struct cart *cart, struct cart_line *line, struct str name)
{
    if (str_equal(line->name, name))
        return true;
    struct cart_line renamed = *line;
    struct cart_line copy;
    renamed.name = name;
    if (!line_copy(&renamed, &copy))
        return false;
    cart->bytes += text_bytes(&copy);
    cart->bytes -= text_bytes(line);
    cart_text_free(line->sku.bytes);
    *line = copy;
    return true;
}

void cart_lines_remove(struct cart *cart, struct cart_line *line)
{
    size_t index = (size_t)(line - cart->lines);
    assert(index < cart->line_count);
    cart->bytes -= text_bytes(line);
    cart_text_free(line->sku.bytes);
    cart->line_count--;
    memmove(line, line + 1, (cart->line_count - index) * sizeof(*line));
}

static void lines_free(struct cart_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cart_text_free(lines[i].sku.bytes);
    free(lines);
}

bool cart_lines_replace(struct cart *cart, const struct cart_line *lines, size_t count)
{
    struct cart_line *copies = NULL;
    size_t bytes = array_bytes(count);
    if (count > 0 && (copies = malloc(count * sizeof(*copies))) == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!line_copy(&lines[i], &copies[i])) {
            lines_free(copies, i);
            return false;
        }
        bytes += text_bytes(&copies[i]);
    }
    cart_lines_clear(cart);
    cart->lines = copies;
    cart->line_count = count;
    cart->line_capacity = count;
    cart->bytes += bytes;
    return true;
}

void cart_lines_clear(struct cart *cart)
{
    for (size_t i = 0; i < cart->line_count; i++)
        cart->bytes -= text_bytes(&cart->lines[i]);
    cart->bytes -= array_bytes(cart->line_capacity);
    lines_free(cart->lines, cart->line_count);
    cart->lines = NULL;
    cart->line_count = 0;
    cart->line_capacity = 0;
}
