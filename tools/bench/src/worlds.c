/* worlds.c - the lines of maps that clients are on, which entity is which client, and who is near whom in truth.
 *
 * The expected number of updates comes from here and not from what a server says: each move should reach everybody on
 * the same line within the radius of sight, so a window should bring moves * (mean number of neighbours). */
#include "generator.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CELLS_MAX 1024 /* of the grid, on one side */

struct world worlds[WORLDS_MAX];
unsigned world_count;

static bool is_named(const char *name, const char *text, size_t size) {
    return strlen(name) == size && !memcmp(name, text, size);
}

static void copy_name(char *to, size_t room, const char *text, size_t size) {
    if (size >= room) size = room - 1;
    memcpy(to, text, size);
    to[size] = 0;
}

uint16_t world_find(const char *scene, size_t scene_size, const char *map, size_t map_size, uint16_t line) {
    for (unsigned i = 0; i < world_count; i++) {
        const struct world *w = &worlds[i];
        if (w->line == line && is_named(w->map, map, map_size) && is_named(w->scene, scene, scene_size)) return (uint16_t)i;
    }
    unsigned i = world_count < WORLDS_MAX ? world_count++ : WORLDS_MAX - 1; /* so many lines no bench has */
    copy_name(worlds[i].scene, sizeof worlds[i].scene, scene, scene_size);
    copy_name(worlds[i].map, sizeof worlds[i].map, map, map_size);
    worlds[i].line = line;
    return (uint16_t)i;
}

static uint32_t place_of(const struct world *w, uint32_t entity) {
    uint32_t at = (entity * 2654435761u) & (w->room - 1);
    while (w->keys[at] && w->keys[at] != entity) at = (at + 1) & (w->room - 1);
    return at;
}

void world_put(struct world *w, uint32_t entity, uint32_t client) {
    if (2 * (w->used + 1) > w->room) {
        struct world old = *w;
        w->room = old.room ? old.room * 2 : 1024;
        w->keys = calloc(w->room, sizeof *w->keys);
        w->values = calloc(w->room, sizeof *w->values);
        w->used = 0;
        for (uint32_t i = 0; i < old.room; i++)
            if (old.keys[i]) world_put(w, old.keys[i], old.values[i]);
        free(old.keys);
        free(old.values);
    }
    uint32_t at = place_of(w, entity);
    if (!w->keys[at]) w->used++;
    w->keys[at] = entity;
    w->values[at] = client;
}

struct client *world_client(const struct world *w, uint32_t entity) {
    if (!w->room) return NULL;
    uint32_t at = place_of(w, entity);
    if (!w->keys[at]) return NULL;
    struct client *c = &clients[w->values[at]];
    return c->stage == INSIDE && c->entity == entity && &worlds[c->world] == w ? c : NULL;
}

/* A grid of cells as wide as the radius: all neighbours are in the nine cells about one. */
struct grid {
    int side;
    float cell_m;
    int32_t *heads, *next;
};

static int cell_of(const struct grid *g, float metres) {
    int cell = (int)(metres / g->cell_m);
    return cell < 0 ? 0 : cell >= g->side ? g->side - 1 : cell;
}

static uint64_t count_in_cell(const struct client *c, const struct grid *g, int32_t head, float radius_m) {
    uint64_t near = 0;
    for (int32_t i = head; i >= 0; i = g->next[i]) {
        float dx = clients[i].x - c->x, dy = clients[i].y - c->y;
        near += (clients + i != c) & (dx * dx + dy * dy <= radius_m * radius_m);
    }
    return near;
}

static uint64_t count_neighbours(const struct client *c, const struct grid *g, float radius_m) {
    uint64_t near = 0;
    int column = cell_of(g, c->x), row = cell_of(g, c->y);
    for (int y = row > 0 ? row - 1 : 0; y <= row + 1 && y < g->side; y++)
        for (int x = column > 0 ? column - 1 : 0; x <= column + 1 && x < g->side; x++)
            near += count_in_cell(c, g, g->heads[y * g->side + x], radius_m);
    return near;
}

static void fill(struct grid *g, unsigned world) {
    memset(g->heads, 0xff, sizeof *g->heads * (size_t)g->side * (size_t)g->side);
    for (uint32_t i = 0; i < clients_max; i++) {
        if (clients[i].stage != INSIDE || clients[i].world != world) continue;
        int32_t *head = &g->heads[cell_of(g, clients[i].y) * g->side + cell_of(g, clients[i].x)];
        g->next[i] = *head;
        *head = (int32_t)i;
    }
}

void worlds_sample(void) {
    static struct grid g;
    if (!g.heads) g.heads = malloc(sizeof *g.heads * CELLS_MAX * CELLS_MAX);
    if (!g.next) g.next = malloc(sizeof *g.next * clients_max);
    uint64_t total = 0, inside = 0, most = 0;
    for (unsigned world = 0; world < world_count; world++) {
        const struct world *w = &worlds[world];
        g.side = (int)(w->size_m / w->aoi_m);
        g.side = g.side < 1 ? 1 : g.side > CELLS_MAX ? CELLS_MAX : g.side;
        g.cell_m = w->size_m / (float)g.side;
        fill(&g, world);
        for (uint32_t i = 0; i < clients_max; i++) {
            if (clients[i].stage != INSIDE || clients[i].world != world) continue;
            uint64_t near = count_neighbours(&clients[i], &g, w->aoi_m);
            if (!clients[i].is_bad) total += near; /* of what the others hear nothing is expected */
            inside++;
            if (near > most) most = near;
        }
    }
    if (!inside) return;
    measures.in_view_sum += (double)total / (double)inside;
    measures.in_view_samples++;
    if (most > measures.in_view_most) measures.in_view_most = (unsigned)most;
}
