/* guests.c - those who behave badly: who does not read, who sends too much, who connects and vanishes.
 *
 * The first two are some of the clients (`stall`, `flood`): they log in like everybody, and come again when they were
 * thrown out. The third kind are the rows behind the clients that are aimed at: each comes, and is gone without a word
 * within a tenth of a second, wherever in the login it is by then. None of them counts among the players. */
#include "generator.h"
#include <stdlib.h>

#define STAY_US (SECOND_US / 10)
#define AGAIN_US SECOND_US
#define FLOOD_AT_ONCE 64

struct guests_counts guests_counts;
static uint32_t stall_from, stall_to, flood_from, flood_to;
static double flood_hz, vanish_rate;
static uint64_t vanish_started_us, vanished, flood_started_us, flooded;
static uint32_t vanish_next;

static void mark(uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to && i < clients_max; i++) clients[i].is_bad = true;
}

static void stop_reading(struct client *c) {
    c->is_heard = false;
    connection_listen(c);
}

void guests_stall(uint32_t from, uint32_t to) {
    stall_from = from;
    stall_to = to < clients_max ? to : clients_max;
    mark(from, to);
    for (uint32_t i = stall_from; i < stall_to; i++)
        if (clients[i].stage == INSIDE) stop_reading(&clients[i]);
}

void guests_flood(uint32_t from, uint32_t to, double hz, uint64_t now) {
    flood_from = from;
    flood_to = to < clients_max ? to : clients_max;
    flood_hz = hz;
    flood_started_us = now;
    flooded = 0;
    mark(from, to);
}

void guests_vanish(double rate, uint64_t now) {
    vanish_rate = rate;
    vanish_started_us = now;
    vanished = 0;
    mark(clients_aimed, clients_max);
}

void guest_entered(struct client *c) {
    if (c->number >= stall_from && c->number < stall_to) stop_reading(c);
}

void guest_ended(struct client *c, uint64_t now) {
    guests_counts.ended++;
    c->again_us = c->number < clients_aimed ? now + AGAIN_US : NEVER;
}

static void flood(uint64_t now) {
    if (flood_hz <= 0 || flood_to <= flood_from) return;
    uint32_t rows = flood_to - flood_from;
    uint64_t due = (uint64_t)((double)(now - flood_started_us) / (double)SECOND_US * flood_hz * rows);
    if (due > flooded + FLOOD_AT_ONCE * rows) flooded = due - FLOOD_AT_ONCE * rows;
    for (; flooded < due; flooded++) {
        struct client *c = &clients[flood_from + flooded % rows];
        if (c->stage != INSIDE) continue;
        uint64_t moves = measures.now.moves, blocked = measures.now.moves_blocked;
        protocol->move(c, now);
        guests_counts.flooded++;
        measures.now.moves = moves; /* not those of players */
        measures.now.moves_blocked = blocked;
    }
}

static void vanish(uint64_t now) {
    uint32_t rows = clients_max - clients_aimed;
    for (uint32_t i = clients_aimed; i < clients_max; i++)
        if (clients[i].stage != OUTSIDE && now >= clients[i].again_us) client_ended(&clients[i], now, false);
    if (vanish_rate <= 0 || !rows) return;
    uint64_t due = (uint64_t)((double)(now - vanish_started_us) / (double)SECOND_US * vanish_rate);
    for (; vanished < due; vanished++) {
        struct client *c = &clients[clients_aimed + vanish_next++ % rows];
        if (c->stage != OUTSIDE || !client_begin(c, now)) continue;
        c->again_us = now + (uint64_t)(random_share() * (double)STAY_US);
        guests_counts.vanished++;
    }
}

void guests_due(uint64_t now) {
    flood(now);
    if (vanish_started_us) vanish(now);
    for (uint32_t i = stall_from; i < stall_to; i++)
        if (clients[i].stage == OUTSIDE && clients[i].again_us <= now) client_begin(&clients[i], now);
    for (uint32_t i = flood_from; i < flood_to; i++)
        if (clients[i].stage == OUTSIDE && clients[i].again_us <= now) client_begin(&clients[i], now);
}
