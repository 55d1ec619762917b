/* clients.c - who comes when, who goes, and how a wave of logins went.
 *
 * A wave is what one command asked for: these clients, at this rate (or all at once). Every client is due at a fixed
 * time; how long its login took counts from when it really began, tries included. */
#include "clients.h"
#include <stdlib.h>
#include <string.h>

#define STEP_BUCKET_US 4000
#define TRIES_MAX 20
#define AGAIN_US_MIN 300000
#define SILENT_US (10 * SECOND_US) /* then Ping: a gate ends what says nothing for 30 s */

struct client *clients;
uint32_t clients_max, clients_aimed;
struct wave wave;
static uint32_t inside;

void clients_make(uint32_t count) {
    clients = calloc(count, sizeof *clients);
    clients_max = count;
    for (uint32_t i = 0; i < count; i++) {
        clients[i].number = i;
        clients[i].fd = -1;
        clients[i].again_us = NEVER;
        clients[i].dilation = 1;
    }
}

uint32_t clients_inside(void) { return inside; }

bool client_begin(struct client *c, uint64_t now) {
    c->again_us = NEVER;
    c->world = 0;
    c->received = c->acknowledged = c->play_sequence = 0;
    c->is_dead = false;
    c->heard = 0;
    c->level = 0;
    c->dilation = 1;
    c->moves_hz_max = 0;
    c->said_us = now;
    if (connection_begin(c)) return true;
    client_ended(c, now, true);
    return false;
}

void clients_aim(uint32_t count, double rate, uint64_t now) {
    if (count > clients_max) count = clients_max;
    memset(&wave, 0, sizeof wave);
    for (unsigned i = 0; i <= STEPS; i++) histogram_clear(&wave.steps[i], STEP_BUCKET_US);
    wave.from = clients_aimed < count ? clients_aimed : count;
    wave.to = clients_aimed < count ? count : clients_aimed;
    wave.is_leaving = count < clients_aimed;
    wave.next = wave.from;
    wave.rate = rate;
    wave.began_us = now;
    wave.is_running = wave.to > wave.from;
    clients_aimed = count;
    walking_pace(options.hz, now);
    if (!wave.is_running) report_wave(&wave, now);
}

static void leave(struct client *c) {
    c->is_wanted = c->is_bad = false;
    c->again_us = NEVER;
    if (c->stage == INSIDE) {
        inside--;
        c->stage = LEAVING;
        c->is_heard = true; /* for the answer */
        connection_listen(c);
        protocol->leave(c);
    } else if (c->stage != LEAVING) {
        connection_close(c);
        c->stage = OUTSIDE;
        wave.left++;
    }
}

static void start_next(uint64_t now) {
    struct client *c = &clients[wave.next++];
    if (wave.is_leaving) {
        leave(c);
        return;
    }
    c->is_wanted = true;
    c->tries = 0;
    c->began_us = now;
    client_begin(c, now);
}

void clients_due(uint64_t now) {
    if (!wave.is_running) return;
    uint64_t due = wave.to;
    if (wave.rate > 0) {
        due = wave.from + (uint64_t)((double)(now - wave.began_us) / (double)SECOND_US * wave.rate) + 1;
        if (due > wave.to) due = wave.to;
    }
    while (wave.next < due) start_next(now);
    if (wave.waiting_again)
        for (uint32_t i = wave.from; i < wave.next; i++)
            if (clients[i].again_us <= now) {
                wave.waiting_again--;
                client_begin(&clients[i], now);
            }
    bool is_done = wave.inside + wave.left + wave.failed >= wave.to - wave.from;
    if (is_done || now - wave.began_us > (uint64_t)(options.login_s * (double)SECOND_US)) {
        wave.is_running = false;
        report_wave(&wave, now);
    }
}

void client_stepped(struct client *c, enum step step, uint64_t now) {
    c->step_us[step] = now;
    if (step == ENTERED) {
        inside++;
        guest_entered(c);
    }
    if (!wave.is_running || c->number < wave.from || c->number >= wave.to) return;
    histogram_add(&wave.steps[step], (int64_t)(now - (step ? c->step_us[step - 1] : c->began_us)));
    if (step != ENTERED) return;
    histogram_add(&wave.steps[STEPS], (int64_t)(now - c->began_us));
    wave.inside++;
    wave.last_us = now;
}

static void end_outside(struct client *c, uint64_t now, bool may_try_again) {
    if (!c->is_wanted) return;
    if (may_try_again && c->tries < TRIES_MAX) {
        c->tries++;
        wave.retries++;
        wave.waiting_again++;
        c->again_us = now + AGAIN_US_MIN + (uint64_t)(random_share() * (double)SECOND_US);
        return;
    }
    c->is_wanted = false;
    wave.failed++;
}

void client_ended(struct client *c, uint64_t now, bool may_try_again) {
    enum stage before = c->stage;
    connection_close(c);
    free(c->path);
    c->path = NULL;
    c->stage = OUTSIDE;
    if (before == INSIDE) inside--;
    if (c->is_bad) {
        guest_ended(c, now);
    } else if (before == LEAVING) {
        wave.left++;
    } else if (before == INSIDE) {
        measures.now.closed++;
        c->is_wanted = false;
    } else {
        end_outside(c, now, may_try_again);
    }
}

void clients_watch(uint64_t now) {
    for (uint32_t i = 0; i < clients_max; i++) {
        struct client *c = &clients[i];
        if (c->stage >= LOGGING_IN && c->stage <= INSIDE && now - c->said_us > SILENT_US) {
            c->said_us = now;
            if (protocol->ping) protocol->ping(c);
        }
    }
}
