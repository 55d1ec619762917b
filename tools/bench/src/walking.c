/* walking.c - the timetable of moves, and the steps: straight lines that turn at the borders of the map.
 *
 * The moves of all clients are spread evenly over the period, each at a fixed time: move number k of the run is due at
 * start + k * period / clients. Who is not in the world, or was told to speak less often, lets its turn pass. */
#include "generator.h"
#include <math.h>
#include <stdlib.h>

#define MOVES_AT_ONCE 256    /* then receive again, so that latencies are not those of the generator */
#define STEP_S_MAX 1.0f      /* who was away for longer does not jump: the scene allows one second's way */
#define MISSED_PERIODS 1.0   /* more than that late: the moves are left out and counted */
#define FULL_TURN 6.2831853f

static double hz, circle_m;
static uint64_t started_us;
static uint64_t turn; /* moves of the timetable that were due */

double random_share(void) { return rand() / (RAND_MAX + 1.0); }

void walking_pace(double moves_hz, uint64_t now) {
    hz = moves_hz;
    started_us = now;
    turn = 0;
}

void walking_circle(double radius_m) { circle_m = radius_m; }

void walking_turn(struct client *c, float angle) {
    c->way_x = cosf(angle);
    c->way_y = sinf(angle);
    c->heading = (uint8_t)lrintf(angle * (256 / FULL_TURN));
}

void walking_place(struct client *c, float x, float y) {
    c->x = x;
    c->y = y;
    c->moved_us = now_us;
}

static void seek_circle(struct client *c, float size_m) {
    float dx = size_m / 2 - c->x, dy = size_m / 2 - c->y;
    if (dx * dx + dy * dy <= circle_m * circle_m) return;
    float angle = (float)random_share() * FULL_TURN, radius = (float)(circle_m * sqrt(random_share()));
    walking_turn(c, atan2f(dy + radius * sinf(angle), dx + radius * cosf(angle)));
}

void walking_step(struct client *c, uint64_t now) {
    const struct world *w = &worlds[c->world];
    float seconds = (float)(now - c->moved_us) / (float)SECOND_US;
    if (seconds > STEP_S_MAX) seconds = STEP_S_MAX;
    c->moved_us = now;
    float way = w->speed_mps * (float)options.pace * c->dilation * seconds;
    if (circle_m > 0) seek_circle(c, w->size_m);
    c->x += c->way_x * way;
    c->y += c->way_y * way;
    bool turned_x = c->x < 0 || c->x > w->size_m, turned_y = c->y < 0 || c->y > w->size_m;
    if (!turned_x && !turned_y) return;
    c->x = c->x < 0 ? -c->x : c->x > w->size_m ? 2 * w->size_m - c->x : c->x;
    c->y = c->y < 0 ? -c->y : c->y > w->size_m ? 2 * w->size_m - c->y : c->y;
    walking_turn(c, atan2f(turned_y ? -c->way_y : c->way_y, turned_x ? -c->way_x : c->way_x));
}

static bool may_move(const struct client *c, uint64_t now) {
    if (c->stage != INSIDE || c->is_dead) return false;
    /* A tenth less than the pause that was asked for: the timetable comes by only now and then. */
    return c->moves_hz_max <= 0 || (float)(now - c->moved_us) >= 0.9f * (float)SECOND_US / c->moves_hz_max;
}

static void leave_out(uint64_t due) {
    measures.now.moves_missed += due - turn;
    turn = due;
}

int walking_due(uint64_t now) {
    uint32_t rows = clients_aimed;
    if (hz <= 0 || !rows) return 20;
    double pause_us = (double)SECOND_US / (hz * rows);
    uint64_t due = (uint64_t)((double)(now - started_us) / pause_us);
    if (due > turn + (uint64_t)(MISSED_PERIODS * rows)) leave_out(due);
    for (int made = 0; turn < due; turn++) {
        struct client *c = &clients[turn % rows];
        if (!may_move(c, now)) continue;
        if ((made & 15) == 0) {
            int64_t late = (int64_t)now - (int64_t)(started_us + (uint64_t)((double)turn * pause_us));
            histogram_add(&measures.lateness, late);
            histogram_add(&measures.second_lateness, late);
        }
        if ((made & 7) == 7) now = now_us = clock_us();
        protocol->move(c, now);
        if (++made >= MOVES_AT_ONCE) {
            turn++;
            break;
        }
    }
    return turn < due ? 0 : 1;
}
