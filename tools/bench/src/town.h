/* town.h - what the reference protocols share. */
#pragma once
#include "generator.h"

#define TOWN_MOVE_BYTES 24

void town_enter(struct client *c);                                      /* it is on the square from now on */
size_t town_move(struct client *c, uint8_t *out, uint64_t now);         /* takes a step and writes where it is */
void town_sent(struct client *c, const uint8_t *frame, size_t size, uint64_t now); /* sends and counts a move */
void town_hear(struct client *c, const uint8_t *body, size_t size, size_t head);
void town_leave(struct client *c);
