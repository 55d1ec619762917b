/* server.c - the town square in C on bare epoll: one thread, TCP, one recv and one send for each client and tick, no
 * sessions, no checks, no log. It is not a game server but the limit of what the kernel of this machine gives, against
 * which the others are held.
 *
 *   server PORT WIDTH_M RADIUS_M HZ
 *
 * The protocol is that of ../../src/town.c behind a u16 length. */
#define _GNU_SOURCE
#include "grid.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 65536
#define SEEN_MAX 2000 /* neighbours in one frame */
#define MOVE_BYTES 26 /* with its length */
#define EVENTS_AT_ONCE 1024
#define HEAD_BYTES 10 /* of a frame: length, type, count, tick */

struct connection {
    int fd, row, kept;
    uint8_t part[64];  /* of a move that has not come whole */
    uint8_t *unsent;
    int unsent_size;
};

static struct connection *rows[CLIENTS_MAX];
static struct entity entities[CLIENTS_MAX];
static uint8_t has_moved[CLIENTS_MAX];
static int count, loop_fd;

static uint64_t clock_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

static void drop(struct connection *c) {
    close(c->fd);
    int row = c->row;
    count--;
    rows[row] = rows[count];
    rows[row]->row = row;
    entities[row] = entities[count];
    has_moved[row] = has_moved[count];
    free(c->unsent);
    free(c);
}

/* Half a frame is finished first; a client that does not read lets ticks go by. */
static void say(struct connection *c, const uint8_t *data, int size) {
    if (c->unsent_size) {
        ssize_t sent = send(c->fd, c->unsent, c->unsent_size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            memmove(c->unsent, c->unsent + sent, c->unsent_size - sent);
            c->unsent_size -= (int)sent;
        }
        if (c->unsent_size) return;
    }
    ssize_t sent = send(c->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 || sent == size) return;
    c->unsent = realloc(c->unsent, size);
    c->unsent_size = size - (int)sent;
    memcpy(c->unsent, data + sent, c->unsent_size);
}

static void take_in(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (count == CLIENTS_MAX) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *c = calloc(1, sizeof *c);
        c->fd = fd;
        c->row = count;
        has_moved[count] = 0;
        rows[count++] = c;
        struct epoll_event wish = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(loop_fd, EPOLL_CTL_ADD, fd, &wish);
    }
}

static void hear(struct connection *c) {
    static uint8_t data[65536];
    memcpy(data, c->part, c->kept);
    ssize_t got = recv(c->fd, data + c->kept, sizeof data - c->kept, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        drop(c);
        return;
    }
    int have = c->kept + (int)got, at = 0;
    for (; have - at >= MOVE_BYTES; at += MOVE_BYTES) {
        memcpy(&entities[c->row], data + at + 2, sizeof(struct entity));
        has_moved[c->row] = 1;
    }
    c->kept = have - at;
    memcpy(c->part, data + at, c->kept);
}

static void tick(struct grid *g, float radius_m, uint32_t number) {
    static uint8_t frame[HEAD_BYTES + SEEN_MAX * sizeof(struct entity)];
    grid_fill(g, entities, has_moved, count);
    for (int i = 0; i < count; i++) {
        if (!has_moved[i]) continue;
        static struct entity seen[SEEN_MAX];
        uint16_t type = 2, found = (uint16_t)grid_near(g, &entities[i], radius_m, seen, SEEN_MAX);
        int length = HEAD_BYTES - 2 + found * (int)sizeof(struct entity);
        frame[0] = (uint8_t)(length >> 8);
        frame[1] = (uint8_t)length;
        memcpy(frame + 2, &type, 2);
        memcpy(frame + 4, &found, 2);
        memcpy(frame + 6, &number, 4);
        memcpy(frame + HEAD_BYTES, seen, found * sizeof(struct entity));
        say(rows[i], frame, length + 2);
    }
}

static int listen_on(int port) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("the port cannot be used");
        exit(1);
    }
    return fd;
}

int main(int words, char **word) {
    if (words != 5) {
        fprintf(stderr, "server PORT WIDTH_M RADIUS_M HZ\n");
        return 2;
    }
    float radius_m = (float)atof(word[3]);
    uint64_t period = (uint64_t)(1e6 / atof(word[4])), next = clock_us() + period;
    struct grid g;
    grid_make(&g, (float)atof(word[2]), radius_m);
    int listener = listen_on(atoi(word[1]));
    loop_fd = epoll_create1(0);
    struct epoll_event wish = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS_AT_ONCE];
    epoll_ctl(loop_fd, EPOLL_CTL_ADD, listener, &wish);
    for (uint32_t number = 1;;) {
        uint64_t now = clock_us();
        int found = epoll_wait(loop_fd, events, EVENTS_AT_ONCE, now >= next ? 0 : (int)((next - now + 999) / 1000));
        for (int i = 0; i < found; i++) {
            if (events[i].data.ptr) hear(events[i].data.ptr);
            else take_in(listener);
        }
        if (clock_us() < next) continue;
        next += period;
        if (clock_us() > next) next = clock_us() + period; /* too much to do: whole ticks are left out */
        tick(&g, radius_m, number++);
    }
}
