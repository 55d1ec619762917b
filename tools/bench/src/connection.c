/* connection.c - sockets: nothing here waits.
 *
 * Owns the descriptors of clients and the one large buffer into which all of them receive. A client keeps memory of
 * its own only while half a frame is on the way, or while its socket takes nothing more. */
#define _GNU_SOURCE
#include "generator.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_AT_ONCE (256 * 1024)
#define UNSENT_MAX (64 * 1024)     /* what is above it is dropped and counted: the server does not read */
#define CLIENTS_PER_ADDRESS 20000u /* of one loopback address: less than the ports that the system hands out */

int loop_fd = -1;
uint64_t now_us;
static uint8_t *buffer;

uint64_t clock_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND_US + (uint64_t)t.tv_nsec / 1000;
}

void connection_listen(struct client *c) {
    struct epoll_event wish = {.data.ptr = c};
    wish.events = (c->is_heard ? EPOLLIN : 0) | (c->wants_write || c->stage == CONNECTING ? EPOLLOUT : 0);
    epoll_ctl(loop_fd, EPOLL_CTL_MOD, c->fd, &wish);
}

/* Many clients of one machine need more source ports than one address has. */
static void bind_source(int fd, const struct client *c) {
    if (c->number < CLIENTS_PER_ADDRESS) return;
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(0x7f000001u + c->number / CLIENTS_PER_ADDRESS);
    bind(fd, (struct sockaddr *)&from, sizeof from);
}

bool connection_begin(struct client *c) {
    const struct gate *gate = &options.gates[c->number % options.gate_count];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(gate->port)};
    inet_pton(AF_INET, gate->host, &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) {
        count_code(errno == EMFILE || errno == ENFILE ? "no_descriptor" : "no_socket", 13);
        return false;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (ntohl(to.sin_addr.s_addr) >> 24 == 127) bind_source(fd, c);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
        count_code(errno == EADDRNOTAVAIL ? "no_port" : "no_connection", errno == EADDRNOTAVAIL ? 7 : 13);
        close(fd);
        return false;
    }
    c->fd = fd;
    c->stage = CONNECTING;
    c->is_heard = true;
    c->wants_write = false;
    c->kept_size = c->unsent_size = 0;
    struct epoll_event wish = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    epoll_ctl(loop_fd, EPOLL_CTL_ADD, fd, &wish);
    return true;
}

void connection_close(struct client *c) {
    if (c->fd < 0) return;
    close(c->fd);
    c->fd = -1;
    free(c->kept);
    free(c->unsent);
    c->kept = c->unsent = NULL;
    c->kept_size = c->kept_room = c->unsent_size = c->unsent_room = 0;
}

static bool grow(uint8_t **memory, uint32_t *room, size_t needed) {
    if (needed <= *room) return true;
    size_t wanted = needed < 256 ? 256 : needed * 2;
    uint8_t *larger = realloc(*memory, wanted);
    if (!larger) return false;
    *memory = larger;
    *room = (uint32_t)wanted;
    return true;
}

static bool keep_unsent(struct client *c, const uint8_t *data, size_t size) {
    if (c->unsent_size + size > UNSENT_MAX || !grow(&c->unsent, &c->unsent_room, c->unsent_size + size)) return false;
    memcpy(c->unsent + c->unsent_size, data, size);
    c->unsent_size += (uint32_t)size;
    if (!c->wants_write) {
        c->wants_write = true;
        connection_listen(c);
    }
    return true;
}

bool connection_send(struct client *c, const uint8_t *data, size_t size, bool may_drop) {
    if (c->fd < 0) return false;
    if (c->unsent_size) return !may_drop && keep_unsent(c, data, size);
    ssize_t sent = send(c->fd, data, size, MSG_NOSIGNAL);
    if (sent == (ssize_t)size) {
        measures.now.bytes_out += size;
        return true;
    }
    if (sent < 0) {
        if (errno != EAGAIN) return false; /* the loop is told of the end of the connection by epoll */
        if (may_drop) return false;
        sent = 0;
    }
    measures.now.bytes_out += (uint64_t)sent;
    return keep_unsent(c, data + sent, size - (size_t)sent); /* half a frame must be finished, whatever it was */
}

void connection_writable(struct client *c) {
    if (c->stage == CONNECTING) {
        int problem = 0;
        socklen_t size = sizeof problem;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &problem, &size);
        if (problem) {
            count_code(problem == EADDRNOTAVAIL ? "no_port" : "no_connection", problem == EADDRNOTAVAIL ? 7 : 13);
            client_ended(c, now_us, true);
            return;
        }
        c->stage = UPGRADING;
        client_stepped(c, CONNECTED, now_us);
        protocol->connected(c);
        if (c->fd >= 0) connection_listen(c);
        return;
    }
    ssize_t sent = c->unsent_size ? send(c->fd, c->unsent, c->unsent_size, MSG_NOSIGNAL) : 0;
    if (sent > 0) {
        measures.now.bytes_out += (uint64_t)sent;
        memmove(c->unsent, c->unsent + sent, c->unsent_size - (size_t)sent);
        c->unsent_size -= (uint32_t)sent;
    }
    if (!c->unsent_size) {
        c->wants_write = false;
        connection_listen(c);
    }
}

void connection_readable(struct client *c) {
    if (!buffer) buffer = malloc(RECEIVE_MAX + RECEIVE_AT_ONCE + WS_HEAD_MAX);
    if (c->kept_size) memcpy(buffer, c->kept, c->kept_size);
    ssize_t got = recv(c->fd, buffer + c->kept_size, RECEIVE_AT_ONCE, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) return;
        client_ended(c, now_us, true);
        return;
    }
    measures.now.receives++;
    measures.now.bytes_in += (uint64_t)got;
    size_t have = c->kept_size + (size_t)got;
    size_t used = protocol->receive(c, buffer, have);
    if (c->fd < 0) return; /* what was heard ended the connection */
    size_t left = have - used;
    if (left > RECEIVE_MAX || !grow(&c->kept, &c->kept_room, left)) {
        count_code("frame_too_long", 14);
        client_ended(c, now_us, false);
        return;
    }
    if (left) memcpy(c->kept, buffer + used, left);
    c->kept_size = (uint32_t)left;
}
