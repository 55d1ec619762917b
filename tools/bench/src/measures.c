/* measures.c - histograms, counters, and the window between `measure` and `end`. Owns the numbers; says nothing. */
#include "generator.h"
#include <string.h>
#include <sys/resource.h>

#define LATENCY_BUCKET_US 500

struct measures measures;

void histogram_clear(struct histogram *h, uint32_t width_us) {
    memset(h, 0, sizeof *h);
    h->width_us = width_us;
}

double histogram_ms(const struct histogram *h, double share) {
    uint64_t below = 0, wanted = (uint64_t)(share * (double)h->count);
    if (!h->count) return 0;
    for (unsigned i = 0; i < BUCKETS - 1; i++) {
        below += h->buckets[i];
        if (below > wanted || below == h->count) {
            double middle_us = (i + 0.5) * h->width_us; /* of the bucket; none is greater than the longest */
            return (middle_us < (double)h->longest_us ? middle_us : (double)h->longest_us) / 1000.0;
        }
    }
    return (double)h->longest_us / 1000.0;
}

double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

void measures_open(uint64_t now) {
    measures.window = measures.now;
    histogram_clear(&measures.latency, LATENCY_BUCKET_US);
    histogram_clear(&measures.lateness, LATENCY_BUCKET_US);
    measures.in_view_sum = 0;
    measures.in_view_samples = measures.in_view_most = 0;
    measures.window_us = now;
    measures.window_cpu_s = cpu_seconds();
    for (uint32_t i = 0; i < clients_max; i++) clients[i].movement_bytes = 0;
    combat_open();
    views_open(now);
    measures.is_open = true;
}

void count_code(const char *code, size_t length) {
    if (length >= CODE_CHARS) length = CODE_CHARS - 1;
    for (unsigned i = 0; i < measures.code_count; i++)
        if (strlen(measures.codes[i]) == length && !memcmp(measures.codes[i], code, length)) {
            measures.code_counts[i]++;
            return;
        }
    unsigned i = measures.code_count < CODES_MAX ? measures.code_count++ : CODES_MAX - 1;
    memcpy(measures.codes[i], code, length);
    measures.codes[i][length] = 0;
    measures.code_counts[i]++;
}
