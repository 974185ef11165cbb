/* SPDX-License-Identifier: MIT
 * curves.h - what a plot draws: times in seconds since the start, values, NAN where the line breaks.
 */
#ifndef EPROF_REPORT_CURVES_H
#define EPROF_REPORT_CURVES_H

#include "profiler/record/record.h"

typedef struct eprof__curve {
    double *t_s, *value;     /* of malloc, together; times rise */
    int64_t n;
} eprof__curve;

void eprof__curve_free(eprof__curve *c);

/* Each gives n = 0 where the record has nothing to draw, and E_NOMEM. Counters become rates: neighbouring readings
 * closer than half a period, as regions cause, are taken together. */
eprof_status eprof__curve_of_meter(const eprof__record *r, const eprof__meter *m, eprof__curve *out, eprof_error *err);
/** Busy share of the machine, %. */
eprof_status eprof__curve_of_busy(const eprof__record *r, eprof__curve *out, eprof_error *err);
/** Own CPU time as a share of the machine, %. */
eprof_status eprof__curve_of_own(const eprof__record *r, eprof__curve *out, eprof_error *err);
/** Samples of the first channel of a kind. */
eprof_status eprof__curve_of_kind(const eprof__record *r, eprof__kind kind, eprof__curve *out, eprof_error *err);

/** At most n_most points (>= 4), the least and the greatest of each stretch of time among them, first and last too. */
void eprof__curve_thin(eprof__curve *c, int64_t n_most);
/** Linear between points; NAN outside and in breaks. */
double eprof__curve_at(const eprof__curve *c, double t_s);
/** Index of the first point at or after t. */
int64_t eprof__curve_from(const eprof__curve *c, double t_s);
/** The greatest value, 0 at least. */
double eprof__curve_top(const eprof__curve *c);
/** The least value, INFINITY where there is none. */
double eprof__curve_least(const eprof__curve *c);

#endif
