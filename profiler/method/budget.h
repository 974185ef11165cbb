/* SPDX-License-Identifier: MIT
 * budget.h - the uncertainty of a joule, term by term, and the letter that sums up how far it can be trusted.
 * profiling.md 3.9, 3.13; the terms are combined as the GUM says (JCGM 100:2008, 5.1.2).
 */
#ifndef EPROF_METHOD_BUDGET_H
#define EPROF_METHOD_BUDGET_H

#include "profiler/method/baseline.h"
#include "profiler/method/integrate.h"

/* What the budget of one channel over one region reckons with. */
typedef struct eprof__evidence {
    const eprof__channel *channel;
    eprof__area area;              /* of the region itself */
    double elapsed_s, guard_s;     /* guard: idle time on each side that was integrated with it, 0: none */
    double gross_j, net_j;         /* net NAN: the budget of gross */
    double step_w;                 /* power above idle, the height of the region's edges */
    double align_sigma_s;          /* of a meter with its own clock; 0 */
    const eprof__baseline *baseline; /* of the meter; NULL: none */
} eprof__evidence;

/** Standard uncertainties in joules, for net energy (has a baseline) or gross. */
void eprof__budget(const eprof__evidence *e, double terms_j[EPROF_N_TERMS]);
/** Of two independent errors. Not hypot, nor log or exp anywhere: C libraries round those differently, and a replay
 *  gives the same bits on any machine; sqrt is exact everywhere (IEEE 754). */
static inline double eprof__in_squares(double a, double b) { return sqrt(a * a + b * b); }

/** Root of the sum of squares. */
double eprof__combine(const double terms_j[EPROF_N_TERMS]);

/** What a standard deviation of `dof` degrees of freedom is multiplied by so that twice it is 95 %: t(dof) /
 * t(infinity). */
double eprof__student_factor(double dof);

/** 'A'..'E' by class, scope, calibration, U95 = 2 u / net, and flags. */
int32_t eprof__grade(const eprof__channel *c, eprof_scope scope, double net_j, double u_net_j, uint32_t flags);

#endif
