/* websocket.c - the client's half of RFC 6455, as far as the project's servers need it.
 *
 * Frames go out masked with a key of four zeros: the RFC asks for a mask, the server's work is the same for every
 * key, and the generator has not to touch each byte. The answer to the upgrade is not checked beyond its status:
 * this is a generator, and a server that gets the key wrong is found by the tests of the project. */
#define _GNU_SOURCE
#include "generator.h"
#include <string.h>

#define PONG_MAX 125

void websocket_ask(struct client *c, const char *path) {
    const struct gate *gate = &options.gates[c->number % options.gate_count];
    char text[768];
    int size = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                        path, gate->host, gate->port);
    connection_send(c, (uint8_t *)text, (size_t)size, false);
}

size_t websocket_upgrade(struct client *c, uint8_t *data, size_t size, bool *is_refused) {
    (void)c;
    *is_refused = false;
    uint8_t *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) return 0;
    if (size < 12 || memcmp(data, "HTTP/1.1 101", 12)) *is_refused = true;
    return (size_t)(end - data) + 4;
}

size_t websocket_head(uint8_t *out, int opcode, size_t length) {
    size_t at = 0;
    out[at++] = (uint8_t)(0x80 | opcode);
    if (length < 126) {
        out[at++] = (uint8_t)(0x80 | length);
    } else {
        out[at++] = 0x80 | 126; /* nothing that a client says is longer than 65535 bytes */
        out[at++] = (uint8_t)(length >> 8);
        out[at++] = (uint8_t)length;
    }
    memset(out + at, 0, 4);
    return at + 4;
}

static void answer_ping(struct client *c, const uint8_t *body, size_t size) {
    uint8_t frame[WS_HEAD_MAX + PONG_MAX];
    if (size > PONG_MAX) return;
    size_t head = websocket_head(frame, WS_PONG, size);
    memcpy(frame + head, body, size);
    connection_send(c, frame, head + size, false);
}

size_t websocket_frames(struct client *c, uint8_t *data, size_t size,
                        void (*heard)(struct client *c, uint8_t *body, size_t size, size_t head)) {
    size_t at = 0;
    while (size - at >= 2 && c->fd >= 0) {
        int opcode = data[at] & 15;
        size_t head = 2;
        uint64_t length = data[at + 1] & 127;
        if (length == 126) {
            if (size - at < 4) break;
            length = (uint64_t)data[at + 2] << 8 | data[at + 3];
            head = 4;
        } else if (length == 127) {
            if (size - at < 10) break;
            length = 0;
            for (int i = 0; i < 8; i++) length = length << 8 | data[at + 2 + i];
            head = 10;
        }
        if (size - at - head < length) break;
        uint8_t *body = data + at + head;
        if (opcode == WS_BINARY || opcode == WS_TEXT) heard(c, body, length, head);
        else if (opcode == WS_PING) answer_ping(c, body, length);
        at += head + length;
    }
    return at;
}
