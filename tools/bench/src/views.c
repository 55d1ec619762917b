/* views.c - what some clients see, entity by entity: how old the oldest thing is that they believe.
 *
 * For every entity in the view of a client that is looked at closely it keeps when that was last told. The gap between
 * two of those times is how long it was believed to stand where it did not; it means something while everybody moves
 * all the time. The longest gap of one entity in one view, from its appearance to its vanishing, is what is reported. */
#include "zone.h"
#include <stdlib.h>
#include <string.h>

#define GAP_BUCKET_US 4000
#define ROOM_FIRST 64

struct sight {
    uint32_t entity; /* 0: free */
    uint32_t longest_ms;
    uint64_t told_us;
};

struct view {
    struct sight *sights; /* open addressing; `room` is a power of two */
    uint32_t room, used;
};

struct sightings sightings;
static struct view *views;
static uint32_t step; /* of every so many clients one is looked at; 0: none */

void views_track(uint32_t every) {
    if (!views) views = calloc(clients_max, sizeof *views);
    step = every;
}

static struct view *view_of(const struct client *c) {
    return step && c->number % step == 0 ? &views[c->number] : NULL;
}

static uint32_t hash(uint32_t entity) { return entity * 2654435761u >> 7; }

static struct sight *find(const struct view *v, uint32_t entity) {
    if (!v->room) return NULL;
    uint32_t at = hash(entity) & (v->room - 1);
    while (v->sights[at].entity && v->sights[at].entity != entity) at = (at + 1) & (v->room - 1);
    return &v->sights[at];
}

static void put(struct view *v, struct sight sight) {
    if (2 * (v->used + 1) > v->room) {
        struct view old = *v;
        v->room = old.room ? old.room * 2 : ROOM_FIRST;
        v->sights = calloc(v->room, sizeof *v->sights);
        v->used = 0;
        for (uint32_t i = 0; i < old.room; i++)
            if (old.sights[i].entity) put(v, old.sights[i]);
        free(old.sights);
    }
    struct sight *place = find(v, sight.entity);
    v->used += !place->entity;
    *place = sight;
}

static void note_gap(struct sight *s, uint64_t now) {
    uint64_t gap_us = now - s->told_us;
    if (gap_us / 1000 > s->longest_ms) s->longest_ms = (uint32_t)(gap_us / 1000);
    s->told_us = now;
}

static void end_sight(struct sight *s, uint64_t now) {
    note_gap(s, now);
    if (!measures.is_open) return;
    histogram_add(&sightings.longest, (int64_t)s->longest_ms * 1000);
    sightings.starved += s->longest_ms > STARVED_MS;
}

/* Taking one out of open addressing: what stands behind it in the same run is put again. */
static void take_out(struct view *v, struct sight *s) {
    uint32_t at = (uint32_t)(s - v->sights);
    v->sights[at].entity = 0;
    v->used--;
    for (at = (at + 1) & (v->room - 1); v->sights[at].entity; at = (at + 1) & (v->room - 1)) {
        struct sight moved = v->sights[at];
        v->sights[at].entity = 0;
        v->used--;
        put(v, moved);
    }
}

static void forget_all(struct view *v) {
    if (v->room) memset(v->sights, 0, v->room * sizeof *v->sights);
    v->used = 0;
}

static void hear_entities(struct view *v, struct reader *r, uint32_t count) {
    for (; count && !r->is_broken; count--) {
        uint32_t fields = read_array(r);
        struct sight seen = {.entity = (uint32_t)read_number(r), .told_us = now_us};
        read_skip(r, fields ? fields - 1 : 0);
        if (seen.entity) put(v, seen);
    }
}

void views_hear_entered(struct client *c, struct reader *r) {
    struct view *v = view_of(c);
    if (!v) return;
    forget_all(v);
    hear_entities(v, r, read_array(r));
}

void views_hear_appeared(struct client *c, struct reader *r) {
    struct view *v = view_of(c);
    uint32_t count = read_array(r);
    measures.now.appeared += count;
    if (v) hear_entities(v, r, count);
}

void views_hear_vanished(struct client *c, struct reader *r) {
    struct view *v = view_of(c);
    uint32_t count = read_array(r);
    measures.now.vanished += count;
    for (; v && count && !r->is_broken; count--) {
        struct sight *s = find(v, (uint32_t)read_number(r));
        if (!s || !s->entity) continue;
        end_sight(s, now_us);
        take_out(v, s);
    }
}

void views_hear_updates(struct client *c, const uint8_t *records, size_t count) {
    struct view *v = view_of(c);
    if (!v) return;
    for (size_t i = 0; i < count; i++, records += UPDATE_BYTES) {
        struct sight *s = find(v, u32(records));
        if (s && s->entity) note_gap(s, now_us);
        else sightings.unknown++;
    }
}

/* Gaps count from the beginning of the window on. */
void views_open(uint64_t now) {
    memset(&sightings, 0, sizeof sightings);
    histogram_clear(&sightings.longest, GAP_BUCKET_US);
    for (uint32_t i = 0; views && i < clients_max; i++)
        for (uint32_t at = 0; at < views[i].room; at++) {
            views[i].sights[at].longest_ms = 0;
            views[i].sights[at].told_us = now;
        }
}

void views_settle(uint64_t now) {
    uint64_t seen = 0, looking = 0;
    for (uint32_t i = 0; step && i < clients_max; i += step) {
        if (clients[i].stage != INSIDE) continue;
        looking++;
        seen += views[i].used;
        for (uint32_t at = 0; at < views[i].room; at++)
            if (views[i].sights[at].entity) end_sight(&views[i].sights[at], now);
    }
    sightings.seen = looking ? (double)seen / (double)looking : 0;
}
