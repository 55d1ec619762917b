/* grid.h - who is within the radius of whom: a grid of cells, entities copied in the order of their cells.
 *
 * A counting sort puts all of a row's neighbouring cells side by side, so that a query walks three contiguous runs. */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct entity { /* 24 bytes: as it travels */
    uint32_t flags, id;
    float x, y;
    uint64_t stamp;
};

struct grid {
    int side;
    float cell_m;
    int *starts; /* of each cell's run in `sorted`; the last one is the end */
    int *cells;  /* of each entity, -1 for none */
    struct entity *sorted;
    int room;
};

static inline void grid_make(struct grid *g, float width_m, float radius_m) {
    memset(g, 0, sizeof *g);
    g->side = width_m < radius_m ? 1 : (int)(width_m / radius_m);
    g->cell_m = width_m / g->side;
    g->starts = calloc((size_t)g->side * g->side + 2, sizeof *g->starts);
}

static inline int grid_cell(const struct grid *g, float metres) {
    int cell = (int)(metres / g->cell_m);
    return cell < 0 ? 0 : cell >= g->side ? g->side - 1 : cell;
}

static inline void grid_fill(struct grid *g, const struct entity *entities, const uint8_t *is_there, int count) {
    if (count > g->room) {
        g->room = count * 2;
        g->sorted = realloc(g->sorted, g->room * sizeof *g->sorted);
        g->cells = realloc(g->cells, g->room * sizeof *g->cells);
    }
    int cells = g->side * g->side;
    memset(g->starts, 0, sizeof *g->starts * (cells + 2));
    for (int i = 0; i < count; i++) {
        g->cells[i] = is_there[i] ? grid_cell(g, entities[i].y) * g->side + grid_cell(g, entities[i].x) : -1;
        if (is_there[i]) g->starts[g->cells[i] + 2]++;
    }
    for (int cell = 2; cell <= cells + 1; cell++) g->starts[cell] += g->starts[cell - 1];
    for (int i = 0; i < count; i++) /* one place behind its own: filling moves each start to where it belongs */
        if (g->cells[i] >= 0) g->sorted[g->starts[g->cells[i] + 1]++] = entities[i];
}

/* Writes those within the radius, without `me`; how many they are. */
static inline int grid_near(const struct grid *g, const struct entity *me, float radius_m, struct entity *out, int most) {
    int column = grid_cell(g, me->x), row = grid_cell(g, me->y), found = 0;
    int first = column > 0 ? column - 1 : 0, last = column + 1 < g->side ? column + 1 : column;
    for (int y = row > 0 ? row - 1 : 0; y <= row + 1 && y < g->side; y++) {
        const struct entity *at = g->sorted + g->starts[y * g->side + first];
        const struct entity *end = g->sorted + g->starts[y * g->side + last + 1];
        for (; at < end; at++) {
            float dx = at->x - me->x, dy = at->y - me->y;
            if (dx * dx + dy * dy <= radius_m * radius_m && at->id != me->id && found < most) out[found++] = *at;
        }
    }
    return found;
}
