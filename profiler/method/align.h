/* SPDX-License-Identifier: MIT
 * align.h - a meter with its own clock beside ours: t_host = alpha * t_meter + beta. profiling.md 3.7.
 *
 * Passive: the z-scored meter is correlated with a signal of ours (another meter's power, else the busy share) on a
 * grid of 20 ms; the peak is refined by a parabola, judged by the highest side lobe, and given an interval by a block
 * bootstrap. Active: a known pattern of load, Barker's code of 13 chips, before and after the run.
 */
#ifndef EPROF_METHOD_ALIGN_H
#define EPROF_METHOD_ALIGN_H

#include "profiler/record/record.h"

typedef struct eprof__alignment {
    double alpha;           /* clock rate, 1 unless two anchors are far apart */
    double beta_s;          /* add to the meter's time */
    double sigma_beta_s;    /* standard uncertainty, from the bootstrap; with a rate, at the ends of the record */
    double quality;         /* peak over the highest side lobe, 10 at most; above 1.5 is good */
    bool is_good;
} eprof__alignment;

typedef struct eprof__signal {
    const double *t_s, *value; /* times rise */
    int64_t n;
} eprof__signal;

/** The lag in [-range_s, range_s] that fits best. E_UNSUPPORTED: too little in common (fewer than 8 samples, or one of
 *  the two is constant). */
eprof_status eprof__align(const eprof__signal *ours, const eprof__signal *meters, double range_s, uint64_t seed,
                          eprof__alignment *out, eprof_error *err);

/** Move n samples of a channel with its own clock, in order of time and placed roughly, to where they belong, and note
 *  in the channel how well that is known: +-1 s where nothing of ours looks alike. meter_clock.c. After the run. */
eprof_status eprof__set_meter_clock(eprof__record *r, int32_t channel, eprof__sample *samples, int64_t n,
                                    eprof_error *err);

/** Barker's 13 chips as load: 1 works, 0 sleeps. chip i in 0..12. */
int eprof__preamble_chip(int i);
/** Where the pattern begins in the meter's time, chip_s a chip; as eprof__align. Two patterns in one signal are each
 *  other's side lobe: pass the part that has one. Chips a little longer than a whole number of the meter's samples
 *  (4.13 s at 1 Hz) halve the error: their edges do not all lie alike between two samples. */
eprof_status eprof__find_preamble(const eprof__signal *meters, double chip_s, double *t_s, double *quality,
                                  eprof_error *err);

/** Read "t,W" or "t,V,A" lines (a head line names the columns: time, power or watts, voltage, current, in any order;
 *  times in seconds, milliseconds or ISO 8601; decimal point, comma, semicolon or tab between fields) into a channel of
 *  kind POWER with its own clock. Bad lines are counted and skipped, up to one in ten. */
eprof_status eprof__read_meter_csv(const char *text, uint64_t n_bytes, eprof__channel *c, eprof__sample **samples,
                                   int64_t *n, eprof_error *err);

#endif
