/* SPDX-License-Identifier: MIT
 * laws.h - what repeated measurements say: medians with intervals, the linear law of cost in tokens, the knee of cost
 * in pixels. Pure functions of their arguments; no state, no clock, no allocation that outlives a call.
 *
 * Intervals are of 95 %. Values that are not finite are refused (E_ARG), more than 4096 points of a fit too (E_LIMIT).
 * Bootstraps draw from a generator of their own, seeded by the caller: the same data and seed give
 * the same bits. Methods: profiling.md 3.10-3.12; BCa: Efron 1987, JASA 82(397); Theil-Sen: Sen 1968, JASA 63(324);
 * HC3: MacKinnon and White 1985, J. Econometrics 29(3); breakpoints: Muggeo 2003, Stat. Med. 22(19).
 */
#ifndef EDGEPROF_LAWS_H
#define EDGEPROF_LAWS_H

#include <edgeprof/edgeprof.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eprof_interval {
    double value, low, high;
} eprof_interval;

/** Repeats of one thing, in the order in which they were made. */
typedef struct eprof_summary {
    uint32_t struct_size;
    int32_t n;
    eprof_interval median;      /* order statistics; BCa bootstrap (10..2000 repeats) where wider; below 5 NAN ends */
    double mad;                 /* median absolute deviation * 1.4826 */
    double mean, sd, least, most;
    int32_t n_outliers;         /* modified z above 3.5: counted, never removed */
    int32_t first_is_slow;      /* the first repeat is such an outlier above the rest */
    double trend_p;             /* Kendall's test of value against order: small means it drifted; NAN below 3 */
} eprof_summary;
/** n >= 1 finite values. */
EPROF_API eprof_status eprof_summarise(const double *x, int32_t n, uint64_t seed, eprof_summary *out, eprof_error *err);

/** Median of a[i] / b[i] of n pairs, with its interval as above: two builds, run in turn. b above 0. */
EPROF_API eprof_status eprof_compare(const double *a, const double *b, int32_t n, uint64_t seed, eprof_interval *out,
                                     eprof_error *err);

/** y = a + b x over configurations. */
typedef struct eprof_line {
    uint32_t struct_size;
    int32_t n;
    eprof_interval a, b;        /* weighted least squares, HC3; case bootstrap where it is wider */
    double theil_sen_b;
    double r2, rmse;
    double relative_rmse;       /* root of the mean of (residual / y)^2; NAN where a y is 0 */
    eprof_interval exponent;    /* p of y = a + b x^p, fitted together: does it contain 1? Profile likelihood or HC3,
                                 * the wider. NAN where an x < 0, below 4 points, and where no p in 0.1..6 is best */
    double quadratic_p;         /* F test of a quadratic term; NAN below 4 points, as the next */
    double delta_bic;           /* BIC(line) - BIC(quadratic): above 6 speaks against a line */
    int32_t is_linear;          /* delta_bic < 6, and the exponent's interval contains 1 where there is one */
    int32_t pad_;
} eprof_line;
/** n >= 3 points with at least 3 different x. u: standard uncertainties of y, NULL: equal weights. */
EPROF_API eprof_status eprof_fit_line(const double *x, const double *y, const double *u, int32_t n, uint64_t seed,
                                      eprof_line *out, eprof_error *err);

/** y = a + b1 x1 + b2 x2: prompt and generated tokens cost differently. n >= 6, both x varied independently. */
typedef struct eprof_plane {
    uint32_t struct_size;
    int32_t n;
    eprof_interval a, b1, b2;
    double r2, rmse, relative_rmse;
} eprof_plane;
EPROF_API eprof_status eprof_fit_plane(const double *x1, const double *x2, const double *y, const double *u, int32_t n,
                                       uint64_t seed, eprof_plane *out, eprof_error *err);

enum { EPROF_KNEE_CONSTANT, EPROF_KNEE_LINE, EPROF_KNEE_HINGE, EPROF_KNEE_STEP };
/** Models of cost over size: constant; line; hinge c - m max(0, k - x), flat above k; step: a line below k, flat above,
 *  with a jump. */
typedef struct eprof_knee {
    uint32_t struct_size;
    int32_t model;              /* EPROF_KNEE_*: lowest BIC, by a margin of 6 over simpler ones; a knee has p <= 0.05 */
    double bic[4];
    eprof_interval k;           /* what profile likelihood and case bootstrap span together; NAN when model has none */
    int32_t is_identified;      /* 0: the interval reaches the ends of the data */
    int32_t n;
    double p_value;             /* parametric bootstrap of F: the better knee against the better of constant and line */
    eprof_interval plateau, below, ratio; /* level above k; fitted at the largest x below k; plateau / below: what the
                                           * linearised model and case bootstrap span together */
    eprof_interval slope_above; /* of a line through what is above k: does it contain 0? NAN below 3 points */
} eprof_knee;
/** n >= 6 points with at least 4 different x. k is looked for between the second x and the last but one (hinge), or the
 *  last (step); intervals that need one are NAN when the model has no knee. */
EPROF_API eprof_status eprof_fit_knee(const double *x, const double *y, int32_t n, uint64_t seed, eprof_knee *out,
                                      eprof_error *err);

/** Begin and end of periods of work in a log without marks, from the CPU signal's gradient, as arXiv 2512.16531 finds
 *  them: t_s rising, busy in %. Pairs of times; number of them, at most n_most, or a status. Work shorter than two
 *  samples, or cut off by the log's ends, is not found; pauses below a second do not part it. */
EPROF_API int32_t eprof_find_windows(const double *t_s, const double *busy_pct, int32_t n, double *begin_s,
                                     double *end_s, int32_t n_most);

#ifdef __cplusplus
}
#endif

#endif
