/* clients.h - a wave of logins or logouts, as it is reported. */
#pragma once
#include "generator.h"

struct wave {
    uint32_t from, to, next; /* client numbers */
    double rate;             /* a second; 0: all at once */
    bool is_running, is_leaving;
    uint64_t began_us, last_us;
    uint32_t inside, left, failed, retries, waiting_again;
    struct histogram steps[STEPS + 1]; /* the last one: from the beginning to the end */
};
extern struct wave wave;
