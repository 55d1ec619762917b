/* neighbour.c - somebody else on the same core: uses a share of it that is said on stdin, before everybody else.
 *
 * A line with a number from 0 to 0.94 is the new share. It works for that part of every 5 ms, at real-time priority, so
 * that what is left for the others is known, and they notice it as what it is: less of a processor. Ends with stdin, or
 * says on stdout, once, why it cannot. */
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS 5000000ll
#define SHARE_MAX 0.94 /* the kernel keeps 5 % from real-time work, in longer pieces than would be fair here */

static int64_t clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void sleep_until(int64_t at) {
    struct timespec t = {at / 1000000000ll, at % 1000000000ll};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

int main(void) {
    struct sched_param priority = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &priority)) {
        puts("refused");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    double share = 0;
    char line[64];
    for (int64_t due = clock_ns();; due += PERIOD_NS) {
        struct pollfd wish = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&wish, 1, 0) > 0) {
            ssize_t got = read(STDIN_FILENO, line, sizeof line - 1);
            if (got <= 0) return 0;
            line[got] = 0;
            share = atof(line);
            share = share < 0 ? 0 : share > SHARE_MAX ? SHARE_MAX : share;
        }
        int64_t until = due + (int64_t)(share * PERIOD_NS);
        while (clock_ns() < until) {
        }
        sleep_until(due + PERIOD_NS);
        if (clock_ns() > due + 4 * PERIOD_NS) due = clock_ns(); /* it was kept away itself */
    }
}
