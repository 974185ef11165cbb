/* SPDX-License-Identifier: MIT
 * doctor.h - findings about a machine, and the parts of the examination that make them.
 *
 * A finding is a line: ok, note (worth knowing) or warning (something is slower or smaller than it need be), with what
 * to do about it. Beside the findings, --json carries facts: numbers with their unit in the key. What a machine does
 * not tell is absent from both, and never an error.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/open_model.h"

typedef enum doctor_level { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_WARNING } doctor_level;

typedef struct doctor {
    cli_engine *engine;
    const char *root;         /* put before /proc, /sys and /dev; "" for this machine */
    bool is_raspberry, is_raspberry5, is_virtual;
    uint32_t n_cpus;          /* online */
    uint64_t room_bytes;      /* of memory that a process could still take, UINT64_MAX when nobody says */
    cJSON *findings, *facts;  /* NULL without --json */
} doctor;

/** Report a finding; hint may be NULL. topic: one word, of at most 10 letters. */
void doctor_say(doctor *d, doctor_level level, const char *topic, const char *hint, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/** Facts for --json; nothing without it. */
void doctor_fact_number(doctor *d, const char *key, double value);
void doctor_fact_text(doctor *d, const char *key, const char *value);
void doctor_fact_item(doctor *d, const char *key, cJSON *item);

void doctor_look_at_machine(doctor *d);  /* board, processor, cores, memory */
void doctor_look_at_clocks(doctor *d);   /* frequencies, heat, throttling */
void doctor_look_at_energy(doctor *d);   /* energy sources, and what unlocks them */
void doctor_look_at_library(doctor *d);  /* instruction sets, kernels, executable memory */
/** Whether the open model fits, and how fast it can decode. An exit code; not 0 after a message. */
int doctor_look_at_model(doctor *d);

#endif
