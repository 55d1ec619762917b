/* zone.c - the client protocol of the project (docs/protocol.md), as far as a load needs it.
 *
 * Knows: Login by ticket, LoggedIn, Entered, moves, pieces, acknowledgements, transfers, Quality. Of the other messages
 * only the number is looked at. A client that is told to go to another gate stays where it is until that gate stops;
 * benches do not drain. */
#include "zone.h"
#include <string.h>

#define ACKNOWLEDGE_EVERY 16
#define PIECE_HEAD 8
#define CHECK_EVERY 64 /* frames: of one of so many the movers are looked up, whether they can be seen at all */

enum { CLASS_EVENT = 1, CLASS_UPDATES = 3 };

/* ---- what is said ---- */

void zone_say(struct client *c, const uint8_t *body, size_t size) {
    uint8_t frame[WS_HEAD_MAX + 2048];
    size_t head = websocket_head(frame, WS_BINARY, size);
    memcpy(frame + head, body, size);
    connection_send(c, frame, head + size, false);
    c->said_us = now_us;
}

static void say_number(struct client *c, uint32_t message, bool has_number, uint64_t number) {
    uint8_t body[32] = {TO_GATE};
    struct writer w = {body + 1, body + sizeof body};
    write_array(&w, has_number ? 2 : 1);
    write_number(&w, message);
    if (has_number) write_number(&w, number);
    zone_say(c, body, (size_t)(w.at - body));
}

static void say_login(struct client *c) {
    uint8_t body[1536] = {TO_GATE};
    struct writer w = {body + 1, body + sizeof body};
    write_array(&w, 6);
    write_number(&w, LOGIN);
    write_text(&w, "ticket");
    write_text(&w, "");
    write_text(&w, options.tickets[c->number]);
    write_number(&w, 0);
    write_text(&w, "zonemesh bench");
    zone_say(c, body, (size_t)(w.at - body));
}

uint32_t zone_play(struct client *c, uint32_t message, uint32_t value) {
    uint8_t body[9 + 16] = {TO_SCENE};
    struct writer w = {body + 9, body + sizeof body};
    put32(body + 1, ++c->play_sequence);
    put32(body + 5, c->received);
    c->acknowledged = c->received;
    write_array(&w, 2);
    write_number(&w, message);
    write_number(&w, value);
    zone_say(c, body, (size_t)(w.at - body));
    return c->play_sequence;
}

static void acknowledge(struct client *c) {
    uint8_t body[9] = {TO_SCENE};
    put32(body + 5, c->received);
    zone_say(c, body, sizeof body);
    c->acknowledged = c->received;
    measures.now.acknowledged++;
}

static void zone_connected(struct client *c) { websocket_ask(c, "/"); }
static void zone_leave(struct client *c) { say_number(c, LOGOUT, false, 0); }

static void zone_ping(struct client *c) {
    if (c->stage == INSIDE && c->received != c->acknowledged) acknowledge(c);
    else say_number(c, PING, true, 0);
}

static uint32_t units(float metres, const struct world *w) {
    float value = metres / w->unit_m + 0.5f;
    return value < 0 ? 0 : value > 65535 ? 65535 : (uint32_t)value;
}

static void zone_move(struct client *c, uint64_t now) {
    walking_step(c, now);
    const struct world *w = &worlds[c->world];
    uint8_t frame[WS_HEAD_MAX + 10];
    size_t head = websocket_head(frame, WS_BINARY, 10);
    uint8_t *body = frame + head;
    body[0] = 3;
    body[1] = 1; /* running */
    body[2] = c->heading;
    body[3] = 0;
    put16(body + 4, (uint32_t)(now / 1000));
    put16(body + 6, units(c->x, w));
    put16(body + 8, units(c->y, w));
    if (connection_send(c, frame, head + 10, true)) measures.now.moves++;
    else measures.now.moves_blocked++;
    c->said_us = now;
}

/* ---- what is heard ---- */

static void hear_entered(struct client *c, struct reader *r) {
    const char *scene, *map;
    size_t scene_size = read_text(r, &scene), map_size = read_text(r, &map);
    uint16_t line = (uint16_t)read_number(r);
    uint16_t number = world_find(scene, scene_size, map, map_size, line);
    struct world *w = &worlds[number];
    w->size_m = (float)read_float(r);
    w->unit_m = (float)read_float(r);
    w->tick_hz = (float)read_float(r);
    w->aoi_m = (float)read_float(r);
    w->speed_mps = (float)read_float(r);
    float x = (float)read_number(r) * w->unit_m, y = (float)read_number(r) * w->unit_m;
    uint32_t fields = read_array(r);
    c->entity = (uint32_t)read_number(r);
    read_skip(r, 3);
    c->is_dead = !read_number(r);
    read_skip(r, fields > 5 ? fields - 5 : 0);
    views_hear_entered(c, r);
    if (r->is_broken) {
        count_code("broken_message", 14);
        return;
    }
    c->world = number;
    world_put(w, c->entity, c->number);
    c->level = 0; /* Quality follows when it is not full */
    c->dilation = 1;
    c->moves_hz_max = 0;
    walking_place(c, x, y);
    if (c->stage != JOINING) return;
    walking_turn(c, (float)(random_share() * 6.2831853));
    c->stage = INSIDE;
    client_stepped(c, ENTERED, now_us);
}

static void hear_corrected(struct client *c, struct reader *r) {
    const struct world *w = &worlds[c->world];
    float x = (float)read_number(r) * w->unit_m, y = (float)read_number(r) * w->unit_m;
    walking_place(c, x, y);
    measures.now.corrected++;
}

static void hear_quality(struct client *c, struct reader *r) {
    const char *name;
    c->level = (uint8_t)read_number(r);
    read_text(r, &name);
    c->dilation = (float)read_float(r);
    c->moves_hz_max = (float)read_float(r);
    measures.now.qualities++;
}

/* Denied answers the Login before LoggedIn came, and refuses one message afterwards. */
static void hear_denied(struct client *c, struct reader *r) {
    const char *code;
    size_t size = read_text(r, &code);
    count_code(code, size);
    measures.now.refused++;
    if (c->stage != LOGGING_IN) return;
    static const char *const later[] = {"unavailable", "shutdown", "too_many", "zone_full"};
    bool may_try_again = false;
    for (unsigned i = 0; i < sizeof later / sizeof *later; i++)
        may_try_again |= size == strlen(later[i]) && !memcmp(code, later[i], size);
    client_ended(c, now_us, may_try_again);
}

static void hear_play_denied(struct client *c, struct reader *r) {
    const char *code;
    combat_hear_denied(c, (uint32_t)read_number(r));
    size_t size = read_text(r, &code);
    count_code(code, size);
    measures.now.refused++;
}

static void hear_social_denied(struct reader *r) {
    const char *code;
    size_t size = read_text(r, &code);
    count_code(code, size);
    measures.now.refused++;
}

static void hear_goodbye(struct client *c, struct reader *r) {
    const char *code;
    size_t size = read_text(r, &code);
    if (c->stage != LEAVING) count_code(code, size);
    client_ended(c, now_us, true);
}

static void hear_message(struct client *c, const uint8_t *body, size_t size) {
    struct reader r = {body, body + size, false};
    uint32_t fields = read_array(&r);
    uint32_t number = fields ? (uint32_t)read_number(&r) : 0;
    switch (number) {
    case LOGGED_IN_SAID:
        if (c->stage != LOGGING_IN) return;
        c->stage = JOINING;
        client_stepped(c, LOGGED_IN, now_us);
        return;
    case ENTERED_SAID: hear_entered(c, &r); return;
    case APPEARED: views_hear_appeared(c, &r); return;
    case VANISHED: views_hear_vanished(c, &r); return;
    case HIT: combat_hear_hit(c, &r); return;
    case DIED: combat_hear_died(c, &r); return;
    case RESPAWNED: combat_hear_respawned(c, &r); return;
    case SHOUTED: shouts_hear(c, &r); return;
    case CORRECTED: hear_corrected(c, &r); return;
    case QUALITY: hear_quality(c, &r); return;
    case DENIED: hear_denied(c, &r); return;
    case PLAY_DENIED: hear_play_denied(c, &r); return;
    case SOCIAL_DENIED: hear_social_denied(&r); return;
    case GOODBYE: hear_goodbye(c, &r); return;
    case TRANSFER_BEGUN:
        say_number(c, TRANSFER_HEARD, true, read_number(&r));
        measures.now.transfers++;
        return;
    default: return;
    }
}

static void check_updates(const struct client *c, const uint8_t *records, size_t count) {
    const struct world *w = &worlds[c->world];
    for (size_t i = 0; i < count; i++, records += UPDATE_BYTES) {
        const struct client *mover = world_client(w, u32(records));
        float dx = (float)u16(records + 4) * w->unit_m - c->x, dy = (float)u16(records + 6) * w->unit_m - c->y;
        float limit = 1.1f * w->aoi_m + 2 * w->speed_mps; /* seen until 1.1 times the radius; both went on for a second */
        measures.now.checked++;
        measures.now.wrong += !mover || mover == c || dx * dx + dy * dy > limit * limit;
    }
}

static void hear_updates(struct client *c, const uint8_t *body, size_t size) {
    if (size < 4) return;
    const uint8_t *records = body + 4;
    size_t count = (size - 4) / UPDATE_BYTES;
    measures.now.updates += count;
    measures.now.movement_bytes += PIECE_HEAD + size;
    c->movement_bytes += PIECE_HEAD + (uint32_t)size;
    views_hear_updates(c, records, count);
    if (c->number < measures.observers_from || c->number >= measures.observers_to) return;
    uint32_t now_ms = (uint32_t)(now_us / 1000), rest_us = (uint32_t)(now_us % 1000);
    for (size_t i = 0; i < count; i++) {
        /* One process, one clock: the stamp is its ms. Half a ms was cut off from it on average. */
        uint16_t age_ms = (uint16_t)(now_ms - u16(records + i * UPDATE_BYTES + 10));
        int64_t us = (int64_t)age_ms * 1000 + rest_us - 500;
        if (age_ms > 65000) us = 0; /* stamped later in this ms than `now_us` was read */
        histogram_add(&measures.latency, us);
        histogram_add(&measures.second_latency, us);
    }
    if (measures.now.frames % CHECK_EVERY == 0) check_updates(c, records, count);
}

static void zone_frame(struct client *c, uint8_t *frame, size_t size, size_t head) {
    bool has_movement = false;
    for (size_t at = 0; size - at >= PIECE_HEAD;) {
        uint8_t class = frame[at + 1];
        size_t length = u16(frame + at + 2);
        uint32_t sequence = u32(frame + at + 4);
        const uint8_t *body = frame + at + PIECE_HEAD;
        at += PIECE_HEAD;
        if (size - at < length) break;
        at += length;
        if (class == CLASS_UPDATES) {
            hear_updates(c, body, length);
            has_movement = true;
            continue;
        }
        if (class == CLASS_EVENT) {
            if (sequence <= c->received) continue;
            c->received = sequence;
            measures.now.events++;
        }
        hear_message(c, body, length);
        if (c->fd < 0) return;
    }
    if (c->stage == INSIDE && c->received - c->acknowledged >= ACKNOWLEDGE_EVERY) acknowledge(c);
    if (has_movement) {
        measures.now.frames++;
        measures.now.movement_bytes += head;
    } else {
        measures.now.frames_other++;
    }
}

static size_t zone_receive(struct client *c, uint8_t *data, size_t size) {
    size_t used = 0;
    if (c->stage == UPGRADING) {
        bool is_refused;
        used = websocket_upgrade(c, data, size, &is_refused);
        if (!used) return 0;
        if (is_refused) {
            count_code("upgrade_refused", 15);
            client_ended(c, now_us, true);
            return used;
        }
        c->stage = LOGGING_IN;
        client_stepped(c, UPGRADED, now_us);
        say_login(c);
    }
    return used + websocket_frames(c, data + used, size - used, zone_frame);
}

const struct protocol zone_protocol = {
    .name = "zone",
    .connected = zone_connected,
    .receive = zone_receive,
    .move = zone_move,
    .leave = zone_leave,
    .ping = zone_ping,
};
