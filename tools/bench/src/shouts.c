/* shouts.c - one public message at a time: who has it when. */
#include "zone.h"
#include <string.h>

#define HEARD_BUCKET_US 500
#define WAIT_US (10 * SECOND_US) /* for the last one */

struct shout shout;

static struct client *next_speaker(void) {
    for (uint32_t i = 0; i < clients_aimed; i++) {
        struct client *c = &clients[(shout.number + i) % clients_aimed]; /* in turn: each may speak only now and then */
        if (c->stage == INSIDE && !c->is_bad) return c;
    }
    return NULL;
}

void shouts_begin(uint64_t now) {
    struct client *c = next_speaker();
    if (!c || shout.is_open) {
        report_error(shout.is_open ? "a shout is still under way" : "nobody is there to shout");
        return;
    }
    uint8_t body[64] = {TO_CENTER};
    struct writer w = {body + 1, body + sizeof body};
    char text[32];
    snprintf(text, sizeof text, "bench %u", ++shout.number);
    write_array(&w, 2);
    write_number(&w, SHOUT);
    write_text(&w, text);
    shout.asked = 0;
    for (uint32_t i = 0; i < clients_max; i++) shout.asked += clients[i].stage == INSIDE && clients[i].is_heard;
    shout.is_open = true;
    shout.at_us = now;
    histogram_clear(&shout.heard, HEARD_BUCKET_US);
    zone_say(c, body, (size_t)(w.at - body));
}

void shouts_hear(struct client *c, struct reader *r) {
    const char *text;
    char wanted[32];
    read_number(r);
    read_number(r);
    read_text(r, &text);
    size_t size = read_text(r, &text);
    snprintf(wanted, sizeof wanted, "bench %u", shout.number);
    if (!shout.is_open || size != strlen(wanted) || memcmp(text, wanted, size) || c->heard == shout.number) return;
    c->heard = shout.number;
    histogram_add(&shout.heard, (int64_t)(now_us - shout.at_us));
}

void shouts_due(uint64_t now) {
    if (!shout.is_open || (shout.heard.count < shout.asked && now - shout.at_us < WAIT_US)) return;
    shout.is_open = false;
    report_shout();
}
