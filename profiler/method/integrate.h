/* SPDX-License-Identifier: MIT
 * integrate.h - areas under the samples of one channel between two instants: counters, instants, windows.
 *
 * Additive: the area of [a, b) plus that of [b, c) is that of [a, c), to the last bits of a double. profiling.md 3.6.
 */
#ifndef EPROF_METHOD_INTEGRATE_H
#define EPROF_METHOD_INTEGRATE_H

#include "profiler/record/record.h"

/* An area and what is known about it. COUNTER: value(t1) - value(t0), in the channel's unit. Others: unit * s. */
typedef struct eprof__area {
    double value;        /* NAN: nothing of [t0, t1] is covered */
    double covered;      /* share of [t0, t1] between samples that are there */
    double gap_u;        /* standard uncertainty from bridged gaps */
    double jump;         /* largest step between neighbours, in the unit (W for energies): the height of edges */
    double rough;        /* what readings inside scatter by from one to the next, as the deviation of white noise; of a
                          * counter 0: its difference misses nothing */
    double peak;         /* largest value inside; of a counter: largest rate. NAN: none */
    double half_s;       /* mean half-width of the readings' own time */
    double dt_s;         /* mean distance of samples */
    double edge_s;       /* sum over both edges of d f (1 - f), d the distance of the readings around the edge, f its
                          * place between them: times the step of power at the edge, what interpolation is wrong by */
    double still_s;      /* of a counter: the longest time without an advance */
    int64_t n;           /* samples inside */
    uint32_t flags;      /* GAP, INCOMPLETE, WRAP_AMBIGUOUS, WENT_BACK, READ_ERROR, IMPLAUSIBLE */
} eprof__area;

/** Area over [t0_ns, t1_ns]. Counters: linear between the readings around each edge, wraps added, a fall that is no
 *  wrap flagged and counted as nothing. Instants: trapezoid on true times with the edges' values interpolated. Windows:
 *  a step over the time before each reading. A gap of more than 2.5 periods is bridged up to 2 s and flagged; longer
 *  ones are left out of `covered`; a counter's gap is flagged alone, since its difference has all of it. */
eprof__area eprof__integrate(const eprof__channel *c, const eprof__samples *s, int64_t t0_ns, int64_t t1_ns);

/** The same of max(value - base, 0): what clipping does (biased by 0.4 sigma; for comparison alone). Not for
 *  counters. */
double eprof__integrate_clipped(const eprof__channel *c, const eprof__samples *s, int64_t t0_ns, int64_t t1_ns,
                                double base);

/** A counter's value at t, unwrapped from its first sample on, in its unit. NAN outside its samples. */
double eprof__counter_at(const eprof__channel *c, const eprof__samples *s, int64_t t_ns, uint32_t *flags);

/** A sampled channel's value at t: linear between the readings around it, the nearest one within 2.5 periods outside of
 *  them. NAN: none. */
double eprof__value_at(const eprof__channel *c, const eprof__samples *s, int64_t t_ns);

/** Rates of a counter between neighbouring readings, as samples would be: out[i] over [t[i], t[i + 1]], so that t has
 *  room for n_most + 1 and one more than what is returned is written. Readings closer than half a period to the last
 *  (those of region edges) are passed over. Two counters (busy and total) give a share: eprof__utilisation. */
int64_t eprof__rates(const eprof__channel *c, const eprof__samples *s, int64_t t0_ns, int64_t t1_ns, int64_t *t_ns,
                     double *out, int64_t n_most);

#endif
