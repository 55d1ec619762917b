/* colyseus.c - the town square as a client of a Colyseus 0.17 room plays it.
 *
 * First POST /matchmake/joinOrCreate/square, on a connection of its own; its answer names the room and a session, to
 * which a WebSocket goes. The room says JOIN_ROOM (10), which is answered with the same byte. From then on messages are
 * ROOM_DATA_BYTES (17), a MessagePack string of one letter ("m" up, "s" down), and the bytes of town.c. */
#define _GNU_SOURCE
#include "town.h"
#include <stdlib.h>
#include <string.h>

#define JOIN_ROOM 10
#define ROOM_DATA_BYTES 17
#define ONE_LETTER 0xa1
#define MESSAGE_HEAD 3

static void connected(struct client *c) {
    if (c->path) {
        websocket_ask(c, c->path);
        return;
    }
    const struct gate *gate = &options.gates[c->number % options.gate_count];
    char text[512];
    int size = snprintf(text, sizeof text,
                        "POST /matchmake/joinOrCreate/square HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\n"
                        "Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: 2\r\n\r\n{}",
                        gate->host, gate->port);
    connection_send(c, (uint8_t *)text, (size_t)size, false);
}

/* The text behind "key":" up to the next quote; false when it is not there (yet). */
static bool find_text(const char *json, const char *key, char *out, size_t room) {
    char pattern[32];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
    const char *from = strstr(json, pattern), *to = from ? strchr(from + strlen(pattern), '"') : NULL;
    if (!to) return false;
    from += strlen(pattern);
    snprintf(out, room, "%.*s", (int)(to - from), from);
    return true;
}

/* A room with a process id is reached through that; whether there is one is known when the object has ended. */
static void hear_seat(struct client *c, uint8_t *data, size_t size) {
    char text[4096], room[64], session[64], process[64];
    snprintf(text, sizeof text, "%.*s", (int)size, (const char *)data);
    if (!find_text(text, "sessionId", session, sizeof session) || !find_text(text, "roomId", room, sizeof room)) return;
    if (!strchr(strstr(text, "\"sessionId\""), '}')) return;
    c->path = malloc(256);
    if (find_text(text, "processId", process, sizeof process))
        snprintf(c->path, 256, "/%s/%s?sessionId=%s", process, room, session);
    else
        snprintf(c->path, 256, "/%s?sessionId=%s", room, session);
}

static void frame(struct client *c, uint8_t *body, size_t size, size_t head) {
    if (c->stage == JOINING && size && body[0] == JOIN_ROOM) {
        uint8_t answer[WS_HEAD_MAX + 1];
        size_t at = websocket_head(answer, WS_BINARY, 1);
        answer[at] = JOIN_ROOM;
        connection_send(c, answer, at + 1, false);
        town_enter(c);
    } else if (size > MESSAGE_HEAD && body[0] == ROOM_DATA_BYTES && body[1] == ONE_LETTER && body[2] == 's') {
        town_hear(c, body + MESSAGE_HEAD, size - MESSAGE_HEAD, head + MESSAGE_HEAD);
    } else {
        measures.now.frames_other++;
    }
}

static size_t receive(struct client *c, uint8_t *data, size_t size) {
    size_t used = 0;
    if (!c->path) { /* this is the answer of the matchmaker */
        hear_seat(c, data, size);
        if (!c->path) return 0;
        connection_close(c);
        if (!connection_begin(c)) client_ended(c, now_us, true);
        return size;
    }
    if (c->stage == UPGRADING) {
        bool is_refused;
        used = websocket_upgrade(c, data, size, &is_refused);
        if (!used) return 0;
        if (is_refused) {
            client_ended(c, now_us, true);
            return size;
        }
        c->stage = JOINING;
    }
    return used + websocket_frames(c, data + used, size - used, frame);
}

static void move(struct client *c, uint64_t now) {
    uint8_t out[WS_HEAD_MAX + MESSAGE_HEAD + TOWN_MOVE_BYTES];
    size_t head = websocket_head(out, WS_BINARY, MESSAGE_HEAD + TOWN_MOVE_BYTES);
    out[head] = ROOM_DATA_BYTES;
    out[head + 1] = ONE_LETTER;
    out[head + 2] = 'm';
    town_move(c, out + head + MESSAGE_HEAD, now);
    town_sent(c, out, head + MESSAGE_HEAD + TOWN_MOVE_BYTES, now);
}

const struct protocol colyseus_protocol = {
    .name = "colyseus", .connected = connected, .receive = receive, .move = move, .leave = town_leave,
};
