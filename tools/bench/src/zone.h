/* zone.h - the client protocol of the project: what its parts share. */
#pragma once
#include "generator.h"

enum { TO_GATE = 1, TO_SCENE = 2, TO_CENTER = 4 }; /* the first byte of a frame */
enum {
    LOGIN = 300, LOGGED_IN_SAID = 301, DENIED = 303, PING = 304, LOGOUT = 306, GOODBYE = 307,
    TRANSFER_BEGUN = 308, TRANSFER_HEARD = 309, SHOUT = 340, SHOUTED = 341, SOCIAL_DENIED = 352,
    ENTERED_SAID = 400, APPEARED = 401, VANISHED = 402, CORRECTED = 403, ATTACK = 404, HIT = 405, DIED = 406,
    RESPAWNED = 407, PLAY_DENIED = 430, QUALITY = 431,
};

#define UPDATE_BYTES 12

static inline uint16_t u16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }
static inline uint32_t u32(const uint8_t *at) { return (uint32_t)u16(at) | (uint32_t)u16(at + 2) << 16; }
static inline void put16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}
static inline void put32(uint8_t *at, uint32_t value) {
    put16(at, value);
    put16(at + 2, value >> 16);
}

void zone_say(struct client *c, const uint8_t *body, size_t size); /* one frame: its first byte says for whom */
uint32_t zone_play(struct client *c, uint32_t message, uint32_t value); /* [message, value] for the scene; its sequence */

/* ---- combat.c ---- */
void combat_hear_hit(struct client *c, struct reader *r);
void combat_hear_died(struct client *c, struct reader *r);
void combat_hear_respawned(struct client *c, struct reader *r);
void combat_hear_denied(struct client *c, uint32_t sequence);

/* ---- shouts.c ---- */
void shouts_hear(struct client *c, struct reader *r);

/* ---- views.c: what those clients see that are looked at closely ---- */
void views_hear_entered(struct client *c, struct reader *r); /* at the list of entities */
void views_hear_appeared(struct client *c, struct reader *r);
void views_hear_vanished(struct client *c, struct reader *r);
void views_hear_updates(struct client *c, const uint8_t *records, size_t count);
