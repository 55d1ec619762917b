/* commands.c - what may be said on stdin, one command a line; report.c has the answers.
 *
 *   clients N [RATE]   the first N clients are to be in the world: the missing ones log in, RATE a second (0 or left
 *                      out: all at once), those above N log out. Answered by "wave" when that is done.
 *   measure            open a window ("begun");  end  close it ("result")
 *   hz H               moves a second of each client; 0: stand still
 *   circle R           walk within R metres about the middle of the map; 0: anywhere
 *   observers A B      latencies are those that the clients A to B-1 see
 *   attack A           A attacks a second of each client; 0: peace
 *   shout              one public message ("heard" when all have it)
 *   track N            look at every Nth client closely: how late it sees what (before they log in)
 *   stall A B          the clients A to B-1 do not read any more
 *   flood A B H        they make H moves a second
 *   vanish R           R clients a second connect and are gone again; they are the ones above `clients N`
 *   quit               close all connections; so does the end of stdin */
#include "generator.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_CHARS 256
#define WORDS_MAX 4

struct command {
    const char *name;
    unsigned words_min, words_max; /* behind the name */
    void (*run)(const double *values, unsigned count);
};

static void run_clients(const double *values, unsigned count) {
    clients_aim((uint32_t)values[0], count > 1 ? values[1] : 0, now_us);
}

static void run_measure(const double *values, unsigned count) {
    (void)values, (void)count;
    measures_open(now_us);
    worlds_sample();
    report_begun();
}

static void run_end(const double *values, unsigned count) {
    (void)values, (void)count;
    if (!measures.is_open) {
        report_error("end without measure");
        return;
    }
    worlds_sample();
    combat_settle(now_us);
    views_settle(now_us);
    measures.is_open = false;
    report_window(clock_us());
}

static void run_hz(const double *values, unsigned count) {
    (void)count;
    options.hz = values[0];
    walking_pace(options.hz, now_us);
    report_done("hz");
}

static void run_circle(const double *values, unsigned count) {
    (void)count;
    walking_circle(values[0]);
    report_done("circle");
}

static void run_observers(const double *values, unsigned count) {
    (void)count;
    measures.observers_from = (uint32_t)values[0];
    measures.observers_to = (uint32_t)values[1];
    report_done("observers");
}

static void run_attack(const double *values, unsigned count) {
    (void)count;
    combat_pace(values[0], now_us);
    report_done("attack");
}

static void run_shout(const double *values, unsigned count) {
    (void)values, (void)count;
    shouts_begin(now_us);
}

static void run_track(const double *values, unsigned count) {
    (void)count;
    views_track((uint32_t)values[0]);
    report_done("track");
}

static void run_stall(const double *values, unsigned count) {
    (void)count;
    guests_stall((uint32_t)values[0], (uint32_t)values[1]);
    report_done("stall");
}

static void run_flood(const double *values, unsigned count) {
    (void)count;
    guests_flood((uint32_t)values[0], (uint32_t)values[1], values[2], now_us);
    report_done("flood");
}

static void run_vanish(const double *values, unsigned count) {
    (void)count;
    guests_vanish(values[0], now_us);
    report_done("vanish");
}

static void run_quit(const double *values, unsigned count) {
    (void)values, (void)count;
    is_over = true;
}

static const struct command commands[] = {
    {"clients", 1, 2, run_clients}, {"measure", 0, 0, run_measure}, {"end", 0, 0, run_end},
    {"hz", 1, 1, run_hz}, {"circle", 1, 1, run_circle}, {"observers", 2, 2, run_observers},
    {"attack", 1, 1, run_attack}, {"shout", 0, 0, run_shout}, {"track", 1, 1, run_track},
    {"stall", 2, 2, run_stall}, {"flood", 3, 3, run_flood}, {"vanish", 1, 1, run_vanish},
    {"quit", 0, 0, run_quit},
};

static void run(char *line) {
    double values[WORDS_MAX] = {0};
    unsigned count = 0;
    char *rest = NULL, *name = strtok_r(line, " \t\r", &rest);
    if (!name) return;
    for (char *word; (word = strtok_r(NULL, " \t\r", &rest)) && count < WORDS_MAX;) values[count++] = atof(word);
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
        const struct command *command = &commands[i];
        if (strcmp(command->name, name)) continue;
        if (count < command->words_min || count > command->words_max) report_error("a command with too few or too many words");
        else command->run(values, count);
        return;
    }
    report_error("no such command");
}

void commands_readable(void) {
    static char text[LINE_MAX_CHARS];
    static size_t have;
    ssize_t got = read(STDIN_FILENO, text + have, sizeof text - 1 - have);
    if (got <= 0) {
        is_over = true;
        return;
    }
    have += (size_t)got;
    text[have] = 0;
    char *line = text;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        run(line);
    }
    have -= (size_t)(line - text);
    memmove(text, line, have);
    if (have == sizeof text - 1) have = 0; /* no command is that long */
}
