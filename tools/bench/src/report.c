/* report.c - what the generator says: one JSON object a line on stdout, each with "line" saying what it is.
 *
 *   second   once a second: where things stand
 *   wave     what `clients N` asked for is done
 *   begun    a window is open
 *   result   a window is over
 *   heard    everybody has the shout, or the time for that is over
 *   done     a command that has no other answer was carried out
 *   error    a command that was not understood, or that cannot be
 *
 * A result says itself whether it is worth anything: "invalid" is the list of what the generator found wrong with
 * itself. */
#include "clients.h"
#include <string.h>
#include <sys/resource.h>

#define LATE_P99_MS_MAX 50.0
#define CPU_MAX 0.95
#define MISSED_MAX 0.01

static void say_codes(void) {
    printf("\"codes\":{");
    for (unsigned i = 0; i < measures.code_count; i++)
        printf("%s\"%s\":%llu", i ? "," : "", measures.codes[i], (unsigned long long)measures.code_counts[i]);
    printf("}");
}

static void say_distribution(const char *name, const struct histogram *h) {
    printf("\"%s\":{\"count\":%llu,\"p50_ms\":%.2f,\"p90_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}", name,
           (unsigned long long)h->count, histogram_ms(h, 0.5), histogram_ms(h, 0.9), histogram_ms(h, 0.99),
           (double)h->longest_us / 1000.0);
}

void report_error(const char *text) {
    printf("{\"line\":\"error\",\"text\":\"%s\"}\n", text); /* only texts of our own, without quotes */
    fflush(stdout);
}

void report_done(const char *what) {
    printf("{\"line\":\"done\",\"what\":\"%s\"}\n", what);
    fflush(stdout);
}

void report_begun(void) {
    printf("{\"line\":\"begun\",\"inside\":%u}\n", clients_inside());
    fflush(stdout);
}

/* What the servers told the players of their quality. */
static void say_quality(void) {
    uint32_t degraded = 0, inside = 0;
    unsigned most = 0;
    double dilation = 0;
    for (uint32_t i = 0; i < clients_max; i++) {
        if (clients[i].stage != INSIDE || clients[i].is_bad) continue;
        inside++;
        dilation += clients[i].dilation;
        degraded += clients[i].level > 0;
        if (clients[i].level > most) most = clients[i].level;
    }
    printf("\"degraded\":%u,\"level_most\":%u,\"dilation\":%.3f", degraded, most, inside ? dilation / inside : 1.0);
}

void report_second(uint64_t now) {
    const struct counts *a = &measures.second, *b = &measures.now;
    double seconds = (double)(now - measures.second_us) / (double)SECOND_US, cpu = cpu_seconds();
    printf("{\"line\":\"second\",\"at_s\":%.1f,\"aimed\":%u,\"inside\":%u,\"moves_s\":%.0f,\"frames_s\":%.0f,"
           "\"updates_s\":%.0f,\"bytes_s\":%.0f,\"p50_ms\":%.1f,\"p99_ms\":%.1f,\"late_p99_ms\":%.1f,\"cpu\":%.3f,"
           "\"closed\":%llu,\"hits\":%llu,\"hit_p50_ms\":%.1f,\"hit_p99_ms\":%.1f,",
           (double)now / 1e6, clients_aimed, clients_inside(), (double)(b->moves - a->moves) / seconds,
           (double)(b->frames - a->frames) / seconds, (double)(b->updates - a->updates) / seconds,
           (double)(b->bytes_in - a->bytes_in) / seconds, histogram_ms(&measures.second_latency, 0.5),
           histogram_ms(&measures.second_latency, 0.99), histogram_ms(&measures.second_lateness, 0.99),
           (cpu - measures.second_cpu_s) / seconds, (unsigned long long)(b->closed - a->closed),
           (unsigned long long)combat.second_hits.count, histogram_ms(&combat.second_hits, 0.5),
           histogram_ms(&combat.second_hits, 0.99));
    say_quality();
    printf("}\n");
    fflush(stdout);
    measures.second = measures.now;
    measures.second_us = now;
    measures.second_cpu_s = cpu;
    histogram_clear(&measures.second_latency, measures.latency.width_us);
    histogram_clear(&combat.second_hits, combat.second_hits.width_us);
    histogram_clear(&measures.second_lateness, measures.lateness.width_us);
}

void report_wave(const struct wave *w, uint64_t now) {
    static const char *const names[] = {"connect", "upgrade", "login", "enter", "all"};
    uint64_t last = w->last_us ? w->last_us : now;
    double seconds = (double)(last - w->began_us) / (double)SECOND_US;
    printf("{\"line\":\"wave\",\"asked\":%u,\"inside\":%u,\"left\":%u,\"failed\":%u,\"retries\":%u,\"seconds\":%.3f,"
           "\"logins_s\":%.1f,",
           w->to - w->from, w->inside, w->left, w->failed, w->retries, seconds, seconds > 0 ? w->inside / seconds : 0.0);
    for (unsigned i = 0; i <= STEPS; i++) {
        say_distribution(names[i], &w->steps[i]);
        printf(",");
    }
    say_codes();
    printf("}\n");
    fflush(stdout);
}

static void say_invalid(double cpu, uint64_t moves, uint64_t missed) {
    const char *between = "";
    double late = histogram_ms(&measures.lateness, 0.99);
    printf("\"invalid\":[");
    if (cpu > CPU_MAX) printf("%s\"the generator used %.0f %% of a core\"", between, cpu * 100), between = ",";
    if (late > LATE_P99_MS_MAX) printf("%s\"moves were sent late, p99 %.0f ms\"", between, late), between = ",";
    if ((double)missed > MISSED_MAX * (double)(moves + missed))
        printf("%s\"%llu moves were not sent in time\"", between, (unsigned long long)missed), between = ",";
    for (unsigned i = 0; i < measures.code_count; i++) {
        if (!strcmp(measures.codes[i], "no_port")) printf("%s\"not enough ports\"", between), between = ",";
        if (!strcmp(measures.codes[i], "no_descriptor")) printf("%s\"not enough descriptors\"", between), between = ",";
    }
    printf("]");
}

void report_shout(void) {
    printf("{\"line\":\"heard\",\"asked\":%u,", shout.asked);
    say_distribution("delay", &shout.heard);
    printf("}\n");
    fflush(stdout);
}

static void say_combat(void) {
    printf(",\"combat\":{\"attacks\":%llu,\"denied\":%llu,\"missing_at_attacker\":%llu,\"missing_at_target\":%llu,"
           "\"disordered\":%llu,\"unexpected\":%llu,\"looked_on\":%llu,\"alone\":%llu,\"deaths\":%llu,",
           (unsigned long long)combat.attacks, (unsigned long long)combat.denied, (unsigned long long)combat.missing[0],
           (unsigned long long)combat.missing[1], (unsigned long long)combat.disordered,
           (unsigned long long)combat.unexpected, (unsigned long long)combat.looked_on, (unsigned long long)combat.alone,
           (unsigned long long)combat.deaths);
    say_distribution("at_attacker", &combat.hits[0]);
    printf(",");
    say_distribution("at_target", &combat.hits[1]);
    printf("}");
}

static void say_views(void) {
    printf(",\"views\":{\"seen\":%.1f,\"starved\":%llu,\"unknown\":%llu,", sightings.seen,
           (unsigned long long)sightings.starved, (unsigned long long)sightings.unknown);
    say_distribution("longest", &sightings.longest);
    printf("}");
}

/* Bytes of movement a second, of the players. */
static void say_client_bytes(double seconds) {
    uint32_t inside = 0, most = 0;
    double total = 0;
    for (uint32_t i = 0; i < clients_max; i++) {
        if (clients[i].stage != INSIDE || clients[i].is_bad) continue;
        inside++;
        total += clients[i].movement_bytes;
        if (clients[i].movement_bytes > most) most = clients[i].movement_bytes;
    }
    printf(",\"client_bytes_s\":%.0f,\"client_bytes_s_most\":%.0f", inside ? total / inside / seconds : 0, most / seconds);
    printf(",\"guests\":{\"flooded\":%llu,\"vanished\":%llu,\"ended\":%llu}", (unsigned long long)guests_counts.flooded,
           (unsigned long long)guests_counts.vanished, (unsigned long long)guests_counts.ended);
}

void report_window(uint64_t now) {
    const struct counts *a = &measures.window, *b = &measures.now;
    double seconds = (double)(now - measures.window_us) / (double)SECOND_US;
    double cpu = (cpu_seconds() - measures.window_cpu_s) / seconds;
    double in_view = measures.in_view_samples ? measures.in_view_sum / measures.in_view_samples : 0;
    double updates = (double)(b->updates - a->updates), expected = (double)(b->moves - a->moves) * in_view;
    printf("{\"line\":\"result\",\"inside\":%u,\"seconds\":%.3f,\"moves_s\":%.1f,\"frames_s\":%.1f,\"updates_s\":%.1f,"
           "\"expected_s\":%.1f,\"ratio\":%.4f,\"in_view\":%.2f,\"in_view_most\":%u,",
           clients_inside(), seconds, (double)(b->moves - a->moves) / seconds, (double)(b->frames - a->frames) / seconds,
           updates / seconds, expected / seconds, expected > 0 ? updates / expected : 0, in_view, measures.in_view_most);
    printf("\"bytes_in_s\":%.0f,\"bytes_out_s\":%.0f,\"bytes_per_update\":%.3f,",
           (double)(b->bytes_in - a->bytes_in) / seconds, (double)(b->bytes_out - a->bytes_out) / seconds,
           updates > 0 ? (double)(b->movement_bytes - a->movement_bytes) / updates : 0);
    say_distribution("latency", &measures.latency);
    printf(",");
    say_distribution("late", &measures.lateness);
    const struct { const char *name; uint64_t value; } counts[] = {
        {"moves_missed", b->moves_missed - a->moves_missed}, {"moves_blocked", b->moves_blocked - a->moves_blocked},
        {"frames_other", b->frames_other - a->frames_other}, {"receives", b->receives - a->receives},
        {"appeared", b->appeared - a->appeared}, {"vanished", b->vanished - a->vanished},
        {"corrected", b->corrected - a->corrected}, {"events", b->events - a->events},
        {"qualities", b->qualities - a->qualities}, {"transfers", b->transfers - a->transfers},
        {"refused", b->refused - a->refused}, {"closed", b->closed - a->closed},
        {"checked", b->checked - a->checked}, {"wrong", b->wrong - a->wrong},
    };
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++)
        printf(",\"%s\":%llu", counts[i].name, (unsigned long long)counts[i].value);
    say_combat();
    say_views();
    say_client_bytes(seconds);
    printf(",\"cpu\":%.4f,", cpu);
    say_codes();
    printf(",");
    say_invalid(cpu, b->moves - a->moves, b->moves_missed - a->moves_missed);
    printf("}\n");
    fflush(stdout);
}
