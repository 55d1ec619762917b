/* town.c - the client protocols of the reference servers: the same town square in the plainest way there is.
 *
 *   move  (client -> server)  u32 1, u32 number, f32 x, f32 y, u64 stamp in us: 24 bytes
 *   frame (server -> client)  u16 2, u16 count, u32 tick, count times the 24 bytes of a neighbour
 *
 * behind a u16 length (big-endian) over bare TCP, or as one WebSocket frame. Nobody logs in: whoever has moved once is
 * there. Where a client starts is its own choice. */
#include "town.h"
#include <string.h>

#define HEAD_BYTES 8
#define CHECK_EVERY 64

void town_enter(struct client *c) {
    struct world *w = &worlds[0];
    world_count = 1;
    w->size_m = (float)options.side_m;
    w->aoi_m = 50;
    w->speed_mps = 6;
    c->entity = c->number + 1; /* 0 is no key in the table */
    c->world = 0;
    world_put(w, c->entity, c->number);
    walking_place(c, (float)random_share() * w->size_m, (float)random_share() * w->size_m);
    walking_turn(c, (float)(random_share() * 6.2831853));
    c->stage = INSIDE;
    for (enum step step = UPGRADED; step < STEPS; step++) client_stepped(c, step, now_us);
}

size_t town_move(struct client *c, uint8_t *out, uint64_t now) {
    walking_step(c, now);
    uint32_t one = 1;
    memcpy(out, &one, 4);
    memcpy(out + 4, &c->entity, 4);
    memcpy(out + 8, &c->x, 4);
    memcpy(out + 12, &c->y, 4);
    memcpy(out + 16, &now, 8);
    return TOWN_MOVE_BYTES;
}

void town_sent(struct client *c, const uint8_t *frame, size_t size, uint64_t now) {
    if (connection_send(c, frame, size, true)) measures.now.moves++;
    else measures.now.moves_blocked++;
    c->said_us = now;
}

static void check(const struct client *c, const uint8_t *entry, unsigned count) {
    const struct world *w = &worlds[0];
    for (unsigned i = 0; i < count; i++, entry += TOWN_MOVE_BYTES) {
        uint32_t entity;
        float x, y, limit = w->aoi_m + 2 * w->speed_mps;
        memcpy(&entity, entry + 4, 4);
        memcpy(&x, entry + 8, 4);
        memcpy(&y, entry + 12, 4);
        float dx = x - c->x, dy = y - c->y;
        measures.now.checked++;
        measures.now.wrong += entity == c->entity || dx * dx + dy * dy > limit * limit;
    }
}

void town_hear(struct client *c, const uint8_t *body, size_t size, size_t head) {
    uint16_t type = 0, count = 0;
    if (size >= HEAD_BYTES) {
        memcpy(&type, body, 2);
        memcpy(&count, body + 2, 2);
    }
    if (type != 2 || size != HEAD_BYTES + (size_t)count * TOWN_MOVE_BYTES) {
        measures.now.frames_other++;
        return;
    }
    measures.now.frames++;
    measures.now.updates += count;
    measures.now.movement_bytes += head + size;
    const uint8_t *entry = body + HEAD_BYTES;
    for (unsigned i = 0; i < count; i++) {
        uint64_t stamp;
        memcpy(&stamp, entry + i * TOWN_MOVE_BYTES + 16, 8);
        histogram_add(&measures.latency, (int64_t)(now_us - stamp));
        histogram_add(&measures.second_latency, (int64_t)(now_us - stamp));
    }
    if (measures.now.frames % CHECK_EVERY == 0) check(c, entry, count);
}

void town_leave(struct client *c) { client_ended(c, now_us, false); }

/* ---- bare TCP ---- */

static void tcp_move(struct client *c, uint64_t now) {
    uint8_t frame[2 + TOWN_MOVE_BYTES] = {0, TOWN_MOVE_BYTES};
    town_move(c, frame + 2, now);
    town_sent(c, frame, sizeof frame, now);
}

static size_t tcp_receive(struct client *c, uint8_t *data, size_t size) {
    size_t at = 0;
    while (size - at >= 2) {
        size_t length = (size_t)data[at] << 8 | data[at + 1];
        if (size - at - 2 < length) break;
        town_hear(c, data + at + 2, length, 2);
        at += 2 + length;
    }
    return at;
}

const struct protocol tcp_protocol = {
    .name = "tcp", .connected = town_enter, .receive = tcp_receive, .move = tcp_move, .leave = town_leave,
};

/* ---- WebSocket ---- */

static void ws_connected(struct client *c) { websocket_ask(c, "/"); }

static void ws_frame(struct client *c, uint8_t *body, size_t size, size_t head) { town_hear(c, body, size, head); }

static void ws_move(struct client *c, uint64_t now) {
    uint8_t frame[WS_HEAD_MAX + TOWN_MOVE_BYTES];
    size_t head = websocket_head(frame, WS_BINARY, TOWN_MOVE_BYTES);
    town_move(c, frame + head, now);
    town_sent(c, frame, head + TOWN_MOVE_BYTES, now);
}

static size_t ws_receive(struct client *c, uint8_t *data, size_t size) {
    size_t used = 0;
    if (c->stage == UPGRADING) {
        bool is_refused;
        used = websocket_upgrade(c, data, size, &is_refused);
        if (!used) return 0;
        if (is_refused) {
            client_ended(c, now_us, true);
            return size;
        }
        town_enter(c);
    }
    return used + websocket_frames(c, data + used, size - used, ws_frame);
}

const struct protocol ws_protocol = {
    .name = "ws", .connected = ws_connected, .receive = ws_receive, .move = ws_move, .leave = town_leave,
};
