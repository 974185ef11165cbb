/* SPDX-License-Identifier: MIT
 * hwmon_power.h - power sensors that Linux drivers know, by the name of the chip: what each one measures, and how well.
 */
#ifndef EPROF_SOURCES_HWMON_POWER_H
#define EPROF_SOURCES_HWMON_POWER_H

#include "profiler/sources/source.h"

/* Where a chip without a power file has its voltage and its current. */
typedef enum eprof__pairing {
    EPROF__NO_PAIRS,    /* unknown: equal numbers may mean different things */
    EPROF__PAIR_RAILS,  /* inN with currN, N = 1..3 */
    EPROF__PAIR_IN0,    /* in0 with curr1: powerz */
    EPROF__PAIR_IN1     /* in1 with curr1: the ina2xx driver, whose in0 is the shunt */
} eprof__pairing;

typedef struct eprof__chip {
    const char *name;
    const char *what;
    eprof_scope scope;      /* of a chip that is alone of its kind: BOARD_DC for inline meters */
    eprof__pairing pairing;
    double accuracy;        /* limit of the gain error; with a shunt of 1 % where the board chooses it */
    double lsb_w;           /* smallest step of power... */
    double lsb_w_ohm;       /* ...or that step times the shunt in ohms */
    double most_w;          /* plausible */
    bool is_quick;          /* a register of the CPU: read at region edges, too */
} eprof__chip;

/** What is known of a chip; of one that is not known, careful values. Never NULL. */
const eprof__chip *eprof__chip_named(const char *name);

#endif
