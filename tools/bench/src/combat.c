/* combat.c - everybody attacks somebody, so many times a second, and every blow is looked for at both ends.
 *
 * The sides are the even and the odd numbers. A target is the nearest one of the other side within reach, by where
 * everybody truly is. Each attack is kept until the attacker and the target have heard of the blow, or the attacker that
 * it was refused; what is neither after a while is missing. The two ends tell the same number of points left, or the
 * order of one of them was changed. */
#include "zone.h"
#include <stdlib.h>
#include <string.h>

#define KEPT 8               /* attacks of one client: at one a second the answer has so many seconds */
#define REACH_M 2.4f         /* of the scene's 3: it knows where both were a moment ago */
#define OVERDUE_US (2 * SECOND_US)
#define GRID_US (SECOND_US / 4)
#define CELL_M 3.0f
#define SIDE_MAX 512
#define EARLY 0.98           /* of the pause between two attacks of one client */
#define HIT_BUCKET_US 500

enum end { AT_ATTACKER, AT_TARGET, ENDS };

struct attack {
    uint32_t sequence, target; /* sequence 0: this place is free */
    uint64_t at_us;
    bool is_heard[ENDS];
    uint32_t hp;
};

struct fighter {
    struct attack attacks[KEPT];
    uint64_t attacked_us;
    unsigned next;
};

struct combat combat;
static struct fighter *fighters;
static double rate;
static uint64_t started_us, turn;

/* A grid of one world's living clients, renewed a few times a second. */
static int32_t heads[SIDE_MAX * SIDE_MAX], *next_in_cell;
static uint16_t grid_world;
static uint64_t grid_us;

void combat_pace(double attacks_s, uint64_t now) {
    if (!fighters) {
        fighters = calloc(clients_max, sizeof *fighters);
        next_in_cell = malloc(clients_max * sizeof *next_in_cell);
    }
    rate = attacks_s;
    started_us = now;
    turn = 0;
}

void combat_open(void) {
    memset(&combat, 0, sizeof combat);
    histogram_clear(&combat.second_hits, HIT_BUCKET_US);
    for (unsigned end = 0; end < ENDS; end++) histogram_clear(&combat.hits[end], HIT_BUCKET_US);
}

static void forget(struct attack *a) {
    for (unsigned end = 0; end < ENDS; end++) combat.missing[end] += !a->is_heard[end];
    a->sequence = 0;
}

void combat_settle(uint64_t now) {
    for (uint32_t i = 0; fighters && i < clients_max; i++)
        for (struct attack *a = fighters[i].attacks; a < fighters[i].attacks + KEPT; a++)
            if (a->sequence && now - a->at_us > OVERDUE_US) forget(a);
}

static int cell_of(float metres) {
    int cell = (int)(metres / CELL_M);
    return cell < 0 ? 0 : cell >= SIDE_MAX ? SIDE_MAX - 1 : cell;
}

static void fill_grid(uint16_t world, uint64_t now) {
    if (world == grid_world && now - grid_us < GRID_US) return;
    grid_world = world;
    grid_us = now;
    memset(heads, 0xff, sizeof heads);
    for (uint32_t i = 0; i < clients_aimed; i++) {
        if (clients[i].stage != INSIDE || clients[i].is_dead || clients[i].world != world) continue;
        int32_t *head = &heads[cell_of(clients[i].y) * SIDE_MAX + cell_of(clients[i].x)];
        next_in_cell[i] = *head;
        *head = (int32_t)i;
    }
}

static bool may_be_hit(const struct client *by, const struct client *c) {
    return c->stage == INSIDE && !c->is_dead && (by->number ^ c->number) & 1;
}

static struct client *find_target(const struct client *by) {
    struct client *best = NULL;
    float best_square = REACH_M * REACH_M;
    int column = cell_of(by->x), row = cell_of(by->y);
    for (int y = row > 0 ? row - 1 : 0; y <= row + 1 && y < SIDE_MAX; y++)
        for (int x = column > 0 ? column - 1 : 0; x <= column + 1 && x < SIDE_MAX; x++)
            for (int32_t i = heads[y * SIDE_MAX + x]; i >= 0; i = next_in_cell[i]) {
                float dx = clients[i].x - by->x, dy = clients[i].y - by->y, square = dx * dx + dy * dy;
                if (square > best_square || !may_be_hit(by, &clients[i])) continue;
                best = &clients[i];
                best_square = square;
            }
    return best;
}

static void attack(struct client *c, uint64_t now) {
    struct fighter *f = &fighters[c->number];
    if (c->stage != INSIDE || c->is_dead || c->is_bad) return;
    if ((double)(now - f->attacked_us) < EARLY * (double)SECOND_US / (rate * (double)c->dilation)) return;
    fill_grid(c->world, now);
    struct client *target = find_target(c);
    if (!target) {
        combat.alone++;
        return;
    }
    struct attack *a = &f->attacks[f->next++ % KEPT];
    if (a->sequence) forget(a);
    memset(a, 0, sizeof *a);
    a->target = target->entity;
    a->at_us = f->attacked_us = now;
    a->sequence = zone_play(c, ATTACK, target->entity);
    combat.attacks++;
}

void combat_due(uint64_t now) {
    if (rate <= 0 || !clients_aimed) return;
    uint64_t due = (uint64_t)((double)(now - started_us) / (double)SECOND_US * rate * clients_aimed);
    if (due > turn + clients_aimed) turn = due - clients_aimed;
    for (; turn < due; turn++) attack(&clients[turn % clients_aimed], now);
}

/* ---- what is heard ---- */

static void hear_at(enum end end, const struct client *attacker, uint32_t target, uint32_t hp) {
    struct fighter *f = &fighters[attacker->number];
    bool is_passed_over = false; /* an older one at the same end, still open */
    for (unsigned i = 0; i < KEPT; i++) {
        struct attack *a = &f->attacks[(f->next + i) % KEPT]; /* the oldest first */
        if (!a->sequence || a->is_heard[end]) continue;
        if (a->target != target) {
            is_passed_over = true;
            continue;
        }
        combat.disordered += end == AT_ATTACKER && is_passed_over;
        combat.disordered += a->is_heard[!end] && a->hp != hp;
        a->hp = hp;
        a->is_heard[end] = true;
        histogram_add(&combat.hits[end], (int64_t)(now_us - a->at_us));
        histogram_add(&combat.second_hits, (int64_t)(now_us - a->at_us));
        if (a->is_heard[!end]) a->sequence = 0;
        return;
    }
    combat.unexpected++;
}

void combat_hear_hit(struct client *c, struct reader *r) {
    if (!fighters) return;
    uint32_t by = (uint32_t)read_number(r), target = (uint32_t)read_number(r);
    read_number(r);
    uint32_t hp = (uint32_t)read_number(r);
    if (by == c->entity) {
        hear_at(AT_ATTACKER, c, target, hp);
    } else if (target == c->entity) {
        const struct client *attacker = world_client(&worlds[c->world], by);
        if (attacker) hear_at(AT_TARGET, attacker, target, hp);
    } else {
        combat.looked_on++;
    }
}

void combat_hear_died(struct client *c, struct reader *r) {
    if ((uint32_t)read_number(r) != c->entity) return;
    c->is_dead = true;
    combat.deaths++;
}

void combat_hear_respawned(struct client *c, struct reader *r) {
    if ((uint32_t)read_number(r) != c->entity) return;
    const struct world *w = &worlds[c->world];
    float x = (float)read_number(r) * w->unit_m, y = (float)read_number(r) * w->unit_m;
    walking_place(c, x, y);
    c->is_dead = false;
}

void combat_hear_denied(struct client *c, uint32_t sequence) {
    if (!fighters) return;
    for (struct attack *a = fighters[c->number].attacks; a < fighters[c->number].attacks + KEPT; a++) {
        if (a->sequence != sequence || !sequence) continue;
        a->sequence = 0;
        combat.denied++;
    }
}
