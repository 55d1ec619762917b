/* msgpack.c - reading and writing the MessagePack that the client protocol uses. A broken text is noted in the reader,
 * which then says 0 to everything: the caller looks once, at the end. */
#include "generator.h"
#include <string.h>

static uint64_t big_endian(struct reader *r, unsigned size) {
    if ((size_t)(r->end - r->at) < size) {
        r->is_broken = true;
        r->at = r->end;
        return 0;
    }
    uint64_t value = 0;
    while (size--) value = value << 8 | *r->at++;
    return value;
}

static uint8_t kind_of(struct reader *r) { return (uint8_t)big_endian(r, 1); }

uint32_t read_array(struct reader *r) {
    uint8_t kind = kind_of(r);
    if ((kind & 0xf0) == 0x90) return kind & 15;
    if (kind == 0xdc) return (uint32_t)big_endian(r, 2);
    if (kind == 0xdd) return (uint32_t)big_endian(r, 4);
    r->is_broken = true;
    return 0;
}

uint64_t read_number(struct reader *r) {
    uint8_t kind = kind_of(r);
    if (kind < 0x80) return kind;
    if (kind >= 0xe0) return (uint64_t)(int64_t)(int8_t)kind;
    if (kind >= 0xcc && kind <= 0xcf) return big_endian(r, 1u << (kind - 0xcc));
    if (kind >= 0xd0 && kind <= 0xd3) return big_endian(r, 1u << (kind - 0xd0));
    r->is_broken = true;
    return 0;
}

double read_float(struct reader *r) {
    if (r->at < r->end && *r->at == 0xcb) {
        r->at++;
        uint64_t bits = big_endian(r, 8);
        double value;
        memcpy(&value, &bits, 8);
        return value;
    }
    if (r->at < r->end && *r->at == 0xca) {
        r->at++;
        uint32_t bits = (uint32_t)big_endian(r, 4);
        float value;
        memcpy(&value, &bits, 4);
        return value;
    }
    return (double)(int64_t)read_number(r);
}

static size_t take(struct reader *r, uint64_t size) {
    if (size > (uint64_t)(r->end - r->at)) {
        r->is_broken = true;
        size = 0;
    }
    r->at += size;
    return (size_t)size;
}

size_t read_text(struct reader *r, const char **text) {
    uint8_t kind = kind_of(r);
    uint64_t size = 0;
    if ((kind & 0xe0) == 0xa0) size = kind & 31;
    else if (kind >= 0xd9 && kind <= 0xdb) size = big_endian(r, 1u << (kind - 0xd9));
    else r->is_broken = true;
    *text = (const char *)r->at;
    return take(r, size);
}

bool read_bool(struct reader *r) { return kind_of(r) == 0xc3; }

/* How many values stand inside this one; what is not a container is stepped over. */
static uint32_t step_over(struct reader *r) {
    uint8_t kind = kind_of(r);
    if (kind < 0x80 || kind >= 0xe0 || kind == 0xc0 || kind == 0xc2 || kind == 0xc3) return 0;
    if ((kind & 0xf0) == 0x80) return 2u * (kind & 15);
    if ((kind & 0xf0) == 0x90) return kind & 15;
    if ((kind & 0xe0) == 0xa0) return (uint32_t)(take(r, kind & 31), 0);
    if (kind >= 0xc4 && kind <= 0xc6) return (uint32_t)(take(r, big_endian(r, 1u << (kind - 0xc4))), 0);
    if (kind == 0xca) return (uint32_t)(take(r, 4), 0);
    if (kind == 0xcb) return (uint32_t)(take(r, 8), 0);
    if (kind >= 0xcc && kind <= 0xcf) return (uint32_t)(take(r, 1u << (kind - 0xcc)), 0);
    if (kind >= 0xd0 && kind <= 0xd3) return (uint32_t)(take(r, 1u << (kind - 0xd0)), 0);
    if (kind >= 0xd9 && kind <= 0xdb) return (uint32_t)(take(r, big_endian(r, 1u << (kind - 0xd9))), 0);
    if (kind == 0xdc || kind == 0xdd) return (uint32_t)big_endian(r, kind == 0xdc ? 2 : 4);
    if (kind == 0xde || kind == 0xdf) return 2u * (uint32_t)big_endian(r, kind == 0xde ? 2 : 4);
    r->is_broken = true;
    return 0;
}

void read_skip(struct reader *r, uint32_t values) {
    uint64_t open = values;
    while (open && !r->is_broken) open = open - 1 + step_over(r);
}

static void put(struct writer *w, uint64_t value, unsigned size) {
    if ((size_t)(w->end - w->at) < size) return;
    while (size--) *w->at++ = (uint8_t)(value >> (8 * size));
}

void write_array(struct writer *w, uint32_t count) { put(w, 0x90 | count, 1); } /* never more than 15 */

void write_number(struct writer *w, uint64_t value) {
    if (value < 0x80) {
        put(w, value, 1);
    } else if (value <= 0xffff) {
        put(w, 0xcd, 1);
        put(w, value, 2);
    } else if (value <= 0xffffffffu) {
        put(w, 0xce, 1);
        put(w, value, 4);
    } else {
        put(w, 0xcf, 1);
        put(w, value, 8);
    }
}

void write_text(struct writer *w, const char *text) {
    size_t size = strlen(text);
    if (size < 32) {
        put(w, 0xa0 | size, 1);
    } else if (size < 256) {
        put(w, 0xd9, 1);
        put(w, size, 1);
    } else {
        put(w, 0xda, 1);
        put(w, size, 2);
    }
    if ((size_t)(w->end - w->at) < size) return;
    memcpy(w->at, text, size);
    w->at += size;
}
