/* SPDX-License-Identifier: MIT
 * analyse.h - from the record to results: the only way to a number, for live regions and for replays.
 *
 * Every function is of the record's content alone. Times of a record are in [0, 2^62] ns: who reads logs sees to that.
 */
#ifndef EPROF_METHOD_ANALYSE_H
#define EPROF_METHOD_ANALYSE_H

#include "profiler/record/record.h"

/** All of one region. t1_ns: where it ends, or how far it has come. The record is locked or at rest. */
void eprof__analyse_region(const eprof__record *r, const eprof__region_record *g, int64_t t1_ns, eprof_result *out);
/** The run as a whole, from start to stop: region id 0, named "run". */
void eprof__analyse_run(const eprof__record *r, eprof_result *out);
/** Regions of the first level, what is outside of them, and the sum of both beside the whole (profiling.md 3.8). */
eprof_status eprof__audit(const eprof__record *r, eprof_audit *out, eprof_error *err);

/** CPU of a region: cpu_area.c. RAM: ram_area.c. One meter's energy: energy.c, which splits what overlapping regions
 *  share by the CPU time of their threads, idle power by time. */
void eprof__analyse_cpu(const eprof__record *r, const eprof__region_record *g, int64_t t1_ns, eprof_result *out);
void eprof__analyse_ram(const eprof__record *r, const eprof__region_record *g, int64_t t1_ns, eprof_result *out);
void eprof__analyse_energy(const eprof__record *r, const eprof__meter *m, const eprof__region_record *g, int64_t t1_ns,
                           eprof_energy *out);

/** The machine's busy share in % between neighbouring readings of /proc/stat, as psutil defines it: u[i] over the time
 *  that ends at t_ns[i]. Number written. */
int64_t eprof__utilisation(const eprof__record *r, int64_t t0_ns, int64_t t1_ns, int64_t *t_ns, double *u,
                           int64_t n_most);

/** The first channel of a kind, -1: none. */
int32_t eprof__find_channel(const eprof__record *r, eprof__kind kind);
/** Area of the first channel of a kind, NAN where there is none. */
double eprof__area_of_kind(const eprof__record *r, eprof__kind kind, int64_t t0_ns, int64_t t1_ns);
/** What happened to the machine in [t0, t1]: THROTTLED, SUSPENDED, FOREIGN_LOAD. */
uint32_t eprof__machine_flags(const eprof__record *r, int64_t t0_ns, int64_t t1_ns);
/** The machine's mean load in % that was not the process's; NAN: not known. */
double eprof__foreign_pct(const eprof__record *r, int64_t t0_ns, int64_t t1_ns);
/** Start of the record, or its first reading; stop, or its last reading. */
int64_t eprof__first_known_ns(const eprof__record *r);
int64_t eprof__last_known_ns(const eprof__record *r);

/** Whether `a` is `b`, or above it. Ids of parents are below those of their children. */
bool eprof__is_within(const eprof__record *r, const eprof__region_record *b, eprof_region a);

#endif
