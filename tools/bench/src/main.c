/* main.c - the options and the loop.
 *
 *   generator --gates 127.0.0.1:7700[,HOST:PORT...] --tickets FILE [--hz 10] [--pace 0.9] [--login-s 60] [--seed 1]
 *             [--protocol zone|tcp|ws|colyseus --side METRES] [--clients N]
 *
 * There are as many clients as the file has tickets, one a line, or as --clients says. What they do is said on stdin: commands.c. */
#define _GNU_SOURCE
#include "generator.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 512
#define TICKET_CHARS 1024
#define DESCRIPTORS_SPARE 32

struct options options = {.hz = 10, .pace = 0.9, .login_s = 60, .seed = 1};
const struct protocol *protocol = &zone_protocol;
static const struct protocol *const protocols[] = {&zone_protocol, &tcp_protocol, &ws_protocol, &colyseus_protocol};
bool is_over;
static char commands_tag; /* what epoll hands back for stdin */

static void fail(const char *text) {
    report_error(text);
    exit(2);
}

static void read_gates(char *text) {
    char *rest = NULL;
    for (char *one = strtok_r(text, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
        char *colon = strrchr(one, ':');
        if (!colon || options.gate_count == GATES_MAX) fail("--gates takes HOST:PORT,... with numeric addresses, at most 64");
        struct gate *gate = &options.gates[options.gate_count++];
        *colon = 0;
        snprintf(gate->host, sizeof gate->host, "%s", one);
        gate->port = (uint16_t)atoi(colon + 1);
    }
}

static void read_tickets(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) fail("the file of tickets cannot be read");
    char line[TICKET_CHARS + 2];
    uint32_t room = 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        if (!*line) continue;
        if (options.ticket_count == room) {
            room = room ? room * 2 : 1024;
            options.tickets = realloc(options.tickets, room * sizeof *options.tickets);
        }
        options.tickets[options.ticket_count++] = strdup(line);
    }
    fclose(file);
}

static void read_protocol(const char *name) {
    for (unsigned i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (strcmp(protocols[i]->name, name)) continue;
        protocol = protocols[i];
        return;
    }
    fail("--protocol takes zone, tcp, ws or colyseus");
}

static void read_options(int count, char **words) {
    for (int i = 1; i + 1 < count; i += 2) {
        const char *name = words[i];
        char *value = words[i + 1];
        if (!strcmp(name, "--gates")) read_gates(value);
        else if (!strcmp(name, "--tickets")) read_tickets(value);
        else if (!strcmp(name, "--hz")) options.hz = atof(value);
        else if (!strcmp(name, "--pace")) options.pace = atof(value);
        else if (!strcmp(name, "--login-s")) options.login_s = atof(value);
        else if (!strcmp(name, "--clients")) options.clients = (uint32_t)atoi(value);
        else if (!strcmp(name, "--side")) options.side_m = atof(value);
        else if (!strcmp(name, "--protocol")) read_protocol(value);
        else if (!strcmp(name, "--seed")) options.seed = (unsigned)atoi(value);
        else fail("an option that there is not");
    }
    if (!options.clients) options.clients = options.ticket_count;
    if (!options.gate_count || !options.clients) fail("--gates and --tickets must be given");
    if (protocol == &zone_protocol && options.ticket_count < options.clients) fail("there are fewer tickets than clients");
}

static void raise_descriptors(uint32_t wanted) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted + DESCRIPTORS_SPARE) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void handle(const struct epoll_event *event) {
    if (event->data.ptr == &commands_tag) {
        commands_readable();
        return;
    }
    struct client *c = event->data.ptr;
    if (c->fd < 0) return; /* ended earlier in this turn */
    if (c->stage == CONNECTING || event->events & EPOLLOUT) connection_writable(c);
    if (c->fd < 0 || c->stage == CONNECTING) return;
    if (event->events & (EPOLLIN | (c->is_heard ? EPOLLHUP | EPOLLERR : 0))) connection_readable(c);
    else if (event->events & (EPOLLHUP | EPOLLERR)) client_ended(c, now_us, true);
}

static void each_second(uint64_t now) {
    clients_watch(now);
    if (measures.is_open) worlds_sample();
    report_second(now);
}

static void loop(void) {
    struct epoll_event events[EVENTS_AT_ONCE];
    uint64_t second_due = clock_us() + SECOND_US;
    measures.second_us = second_due - SECOND_US;
    while (!is_over) {
        now_us = clock_us();
        clients_due(now_us);
        combat_due(now_us);
        shouts_due(now_us);
        guests_due(now_us);
        int wait_ms = walking_due(now_us);
        if (now_us >= second_due) {
            each_second(now_us);
            second_due += SECOND_US;
        }
        int count = epoll_wait(loop_fd, events, EVENTS_AT_ONCE, wait_ms);
        now_us = clock_us();
        for (int i = 0; i < count; i++) {
            if ((i & 7) == 7) now_us = clock_us();
            handle(&events[i]);
        }
    }
}

int main(int count, char **words) {
    read_options(count, words);
    signal(SIGPIPE, SIG_IGN);
    srand(options.seed);
    raise_descriptors(options.clients);
    clients_make(options.clients);
    measures.observers_to = UINT32_MAX;
    measures_open(clock_us());
    measures.is_open = false;
    histogram_clear(&measures.second_latency, measures.latency.width_us);
    histogram_clear(&measures.second_lateness, measures.lateness.width_us);
    loop_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wish = {.events = EPOLLIN, .data.ptr = &commands_tag};
    epoll_ctl(loop_fd, EPOLL_CTL_ADD, STDIN_FILENO, &wish);
    loop();
    return 0;
}
