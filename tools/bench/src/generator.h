/* generator.h - what the parts of the load generator share.
 *
 * One thread, one epoll loop, thousands of clients. A client is a struct in one array; what it does is decided by
 * timetables that are fixed beforehand (an open loop), so that a slow server cannot slow the generator down. The parts:
 *
 *   main.c        options, the loop
 *   clients.c     who comes when, who goes, waves of logins and their steps
 *   connection.c  sockets: connect, send, receive, close, all without waiting
 *   websocket.c   the upgrade and the frames
 *   msgpack.c     the little of MessagePack that is needed
 *   zone.c        the client protocol of the project
 *   town.c, colyseus.c   those of the reference servers
 *   worlds.c      lines of maps: who is on them, who is near whom in truth
 *   walking.c     the timetable of moves, and the steps
 *   combat.c, shouts.c, views.c, guests.c   fights, public messages, what is seen how late, those who behave badly
 *   measures.c    histograms, counters, the window, what is wrong with a run
 *   commands.c    what is said on stdin
 *   report.c      what is said on stdout: one JSON object a line
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SECOND_US 1000000ull
#define NEVER UINT64_MAX
#define CODES_MAX 32   /* different codes of refusals that are told apart; the rest counts as the last one */
#define CODE_CHARS 32
#define WORLDS_MAX 256
#define GATES_MAX 64
#define RECEIVE_MAX (1 << 20) /* bytes of one frame, as the protocol says */

/* ---- measures.c ---- */

#define BUCKETS 8192
struct histogram {
    uint32_t width_us; /* of a bucket; the last one holds everything above */
    uint64_t count, total_us, longest_us;
    uint32_t buckets[BUCKETS];
};
void histogram_clear(struct histogram *h, uint32_t width_us);
double histogram_ms(const struct histogram *h, double share); /* 0 when empty */

static inline void histogram_add(struct histogram *h, int64_t us) {
    uint64_t value = us < 0 ? 0 : (uint64_t)us;
    uint64_t bucket = value / h->width_us;
    h->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    h->count++;
    h->total_us += value;
    if (value > h->longest_us) h->longest_us = value;
}

/* Everything that only grows. A window is the difference of two of these. */
struct counts {
    uint64_t moves;           /* sent */
    uint64_t moves_missed;    /* not sent since the generator was more than one period late */
    uint64_t moves_blocked;   /* not sent since the socket took nothing more */
    uint64_t frames;          /* WebSocket frames (or frames of a reference) with movement */
    uint64_t frames_other;
    uint64_t updates;
    uint64_t movement_bytes;  /* of those frames that is movement, with the heads */
    uint64_t bytes_in, bytes_out, receives;
    uint64_t appeared, vanished, corrected, events, acknowledged, transfers, qualities;
    uint64_t closed;          /* connections of players that ended without being asked to */
    uint64_t refused;         /* Denied, PlayDenied and SocialDenied */
    uint64_t checked, wrong;  /* updates whose mover was looked up; of these, those that were out of sight */
};

struct measures {
    struct counts now, window, second;
    struct histogram latency, second_latency; /* mover's stamp -> neighbour, of the observers from..to */
    struct histogram lateness, second_lateness; /* of the timetable of moves */
    bool is_open;
    uint64_t window_us, second_us;
    double window_cpu_s, second_cpu_s;
    double in_view_sum; /* of samples: mean number of players within the radius */
    unsigned in_view_samples, in_view_most;
    uint32_t observers_from, observers_to; /* whose latencies are looked at */
    char codes[CODES_MAX][CODE_CHARS];
    uint64_t code_counts[CODES_MAX];
    unsigned code_count;
};
extern struct measures measures;

void measures_open(uint64_t now);
void count_code(const char *code, size_t length);
double cpu_seconds(void);

/* ---- clients.c ---- */

enum stage {
    OUTSIDE,     /* no connection */
    CONNECTING,  /* TCP */
    UPGRADING,   /* the HTTP request was sent */
    LOGGING_IN,  /* Login was sent */
    JOINING,     /* LoggedIn came, Entered has not */
    INSIDE,
    LEAVING,     /* Logout was sent */
    STAGES
};

enum step { CONNECTED, UPGRADED, LOGGED_IN, ENTERED, STEPS };

struct client {
    int fd;
    uint32_t number;
    uint8_t stage;
    bool is_wanted;       /* is to be in the world: comes again when it was told to try later */
    bool is_heard;        /* false: does not read */
    bool is_dead;
    bool is_bad;          /* behaves badly on purpose: does not count among the players */
    bool wants_write;     /* EPOLLOUT is asked for */
    uint8_t heading;
    uint8_t tries;
    uint8_t level;        /* of quality, as the servers said it; 0: full */
    uint16_t world;       /* index; valid while INSIDE */
    uint32_t entity;
    float x, y;           /* metres */
    float way_x, way_y;   /* direction, of length 1 */
    float dilation;       /* game seconds in a second */
    float moves_hz_max;   /* what Quality said; 0: no limit */
    uint32_t received;    /* highest control sequence */
    uint32_t acknowledged;
    uint32_t play_sequence;
    uint32_t heard;           /* the shout that it heard last */
    uint32_t movement_bytes;  /* in this window */
    uint64_t moved_us, said_us, again_us;
    uint64_t began_us, step_us[STEPS];
    uint8_t *kept;        /* part of a frame that has not come whole, or NULL */
    uint32_t kept_size, kept_room;
    char *path;           /* of the WebSocket, where a matchmaker chooses it, or NULL */
    uint8_t *unsent;      /* what the socket did not take, or NULL */
    uint32_t unsent_size, unsent_room;
};

extern struct client *clients;
extern uint32_t clients_max;  /* rows */
extern uint32_t clients_aimed; /* the first so many are wanted */

void clients_make(uint32_t count);
void clients_aim(uint32_t count, double rate, uint64_t now); /* rate 0: all at once */
void clients_due(uint64_t now);      /* start and end those who are due */
void clients_watch(uint64_t now);    /* once a second: keep silent ones alive, end waves */
bool client_begin(struct client *c, uint64_t now); /* connect and log in */
void client_stepped(struct client *c, enum step step, uint64_t now);
void client_ended(struct client *c, uint64_t now, bool may_try_again);
uint32_t clients_inside(void);

/* ---- connection.c ---- */

extern int loop_fd;
extern uint64_t now_us; /* of this turn of the loop, renewed within long ones */

uint64_t clock_us(void);
bool connection_begin(struct client *c);
void connection_writable(struct client *c);
void connection_readable(struct client *c);
void connection_close(struct client *c);
void connection_listen(struct client *c); /* asks epoll for what the client wants now */
bool connection_send(struct client *c, const uint8_t *data, size_t size, bool may_drop);

/* ---- protocols: what is spoken over a connection ---- */

struct protocol {
    const char *name;
    void (*connected)(struct client *c);                                /* TCP stands */
    size_t (*receive)(struct client *c, uint8_t *data, size_t size);    /* the bytes that were used */
    void (*move)(struct client *c, uint64_t now);                       /* say where it is */
    void (*leave)(struct client *c);
    void (*ping)(struct client *c);                                     /* or NULL */
};
extern const struct protocol *protocol;
extern const struct protocol zone_protocol, tcp_protocol, ws_protocol, colyseus_protocol;

struct gate {
    char host[64];
    uint16_t port;
};

struct options {
    struct gate gates[GATES_MAX];
    unsigned gate_count;
    char **tickets;
    uint32_t ticket_count, clients;
    double hz, pace, login_s, side_m;
    unsigned seed;
};
extern struct options options;

/* ---- websocket.c ---- */

enum { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };
#define WS_HEAD_MAX 14

void websocket_ask(struct client *c, const char *path);
size_t websocket_upgrade(struct client *c, uint8_t *data, size_t size, bool *is_refused); /* 0: not whole yet */
size_t websocket_head(uint8_t *out, int opcode, size_t length); /* masked with a key of zeros */
size_t websocket_frames(struct client *c, uint8_t *data, size_t size,
                        void (*heard)(struct client *c, uint8_t *body, size_t size, size_t head));

/* ---- msgpack.c ---- */

struct reader {
    const uint8_t *at, *end;
    bool is_broken;
};
uint32_t read_array(struct reader *r);
uint64_t read_number(struct reader *r);
double read_float(struct reader *r);
size_t read_text(struct reader *r, const char **text);
bool read_bool(struct reader *r);
void read_skip(struct reader *r, uint32_t values);

struct writer {
    uint8_t *at, *end;
};
void write_array(struct writer *w, uint32_t count);
void write_number(struct writer *w, uint64_t value);
void write_text(struct writer *w, const char *text);

/* ---- worlds.c ---- */

struct world {
    char scene[64], map[64];
    uint16_t line;
    float size_m, unit_m, aoi_m, speed_mps, tick_hz;
    uint32_t *keys, *values; /* entity -> client number, open addressing; key 0 is free */
    uint32_t room, used;
};
extern struct world worlds[WORLDS_MAX];
extern unsigned world_count;

uint16_t world_find(const char *scene, size_t scene_size, const char *map, size_t map_size, uint16_t line);
void world_put(struct world *w, uint32_t entity, uint32_t client);
struct client *world_client(const struct world *w, uint32_t entity); /* NULL: none of ours */
void worlds_sample(void); /* count who is near whom, for the expected updates */

/* ---- walking.c ---- */

void walking_pace(double hz, uint64_t now);  /* moves a second of each client; 0: stand still */
void walking_circle(double radius_m);        /* walk in this circle about the middle of the map; 0: anywhere */
int walking_due(uint64_t now);               /* make the moves that are due; ms until the next one */
void walking_place(struct client *c, float x, float y);
void walking_turn(struct client *c, float angle);
void walking_step(struct client *c, uint64_t now);
double random_share(void); /* 0 to 1 */

/* ---- combat.c ---- */

struct combat { /* in this window */
    uint64_t attacks, denied, missing[2], disordered, unexpected, looked_on, alone, deaths;
    struct histogram second_hits; /* of the last second, both ends */
    struct histogram hits[2]; /* from the attack to the Hit, at the attacker and at the target */
};
extern struct combat combat;
void combat_pace(double attacks_s, uint64_t now); /* of each client; 0: peace */
void combat_open(void);
void combat_settle(uint64_t now); /* what should have been heard by now is missing */
void combat_due(uint64_t now);

/* ---- shouts.c ---- */

struct shout {
    bool is_open;
    uint32_t number, asked; /* asked: who should hear it */
    uint64_t at_us;
    struct histogram heard;
};
extern struct shout shout;
void shouts_begin(uint64_t now);
void shouts_due(uint64_t now);

/* ---- views.c ---- */

#define STARVED_MS 2000
struct sightings { /* in this window */
    struct histogram longest; /* gap of each entity in each view */
    uint64_t starved;         /* those above STARVED_MS */
    uint64_t unknown;         /* updates of what was not in view */
    double seen;              /* mean number of entities in view, as the server has it */
};
extern struct sightings sightings;
void views_track(uint32_t every); /* look at one of so many closely; to be said before they log in; 0: none */
void views_open(uint64_t now);
void views_settle(uint64_t now);

/* ---- guests.c ---- */

struct guests_counts {
    uint64_t flooded, vanished, ended;
};
extern struct guests_counts guests_counts; /* since the start */
void guests_stall(uint32_t from, uint32_t to);
void guests_flood(uint32_t from, uint32_t to, double hz, uint64_t now);
void guests_vanish(double rate, uint64_t now);
void guests_due(uint64_t now);
void guest_entered(struct client *c);
void guest_ended(struct client *c, uint64_t now);

/* ---- commands.c and report.c ---- */

extern bool is_over;
void commands_readable(void);
void report_second(uint64_t now);
void report_begun(void);
void report_window(uint64_t now);
struct wave;
void report_wave(const struct wave *w, uint64_t now);
void report_error(const char *text);
void report_done(const char *what);
void report_shout(void);
