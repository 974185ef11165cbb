/* SPDX-License-Identifier: MIT
 * statistics.h - what the laws (edgeprof/laws.h) are made of: a generator, order statistics, distributions, least
 * squares, and checks of arguments.
 *
 * No state: a generator is the caller's. Counts are checked by the public functions, so sizes here fit.
 */
#ifndef EPROF_STATS_STATISTICS_H
#define EPROF_STATS_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>

#include <edgeprof/laws.h>

/* ------------------------------------------------------------------------------------------------- random -- */

/** xoshiro256** of Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47(4), 2021. */
typedef struct eprof__random {
    uint64_t s[4];
} eprof__random;

/** The next number of splitmix64: what needs few of them. */
uint64_t eprof__splitmix64(uint64_t *state);
/** Any seed will do, 0 too: splitmix64 (Steele, Lea, Flood, OOPSLA 2014) makes the state of it. */
void eprof__random_seed(eprof__random *r, uint64_t seed);
uint64_t eprof__random_next(eprof__random *r);
/** In [0, 1), 53 bits. */
double eprof__random_unit(eprof__random *r);
/** In [0, n), n >= 1; by multiplication, whose bias of n / 2^32 no bootstrap sees. */
int32_t eprof__random_below(eprof__random *r, int32_t n);
/** Of the standard normal distribution: one by inversion for each number drawn. */
double eprof__random_normal(eprof__random *r);
/** counts[i]: how often i came in n draws of 0..n-1. A resample. */
void eprof__random_counts(eprof__random *r, int32_t *counts, int32_t n);

/* --------------------------------------------------------------------------------------- order statistics -- */

void eprof__sort(double *x, int64_t n);
/** x ascending, n >= 1; p in [0, 1]: interpolated between the values whose ranks surround p (n - 1). */
double eprof__quantile(const double *x, int64_t n, double p);
double eprof__median(const double *x, int64_t n);
/** Median of |x - center|; scratch: n. */
double eprof__absolute_deviation(const double *x, int64_t n, double center, double *scratch);
/** Two-sided p of Kendall's tau of x against its order: exact without ties up to 60 values, else the normal
 *  approximation with ties. scratch: 2 n. NAN below 3 values or when all are equal. */
double eprof__kendall_p(const double *x, int32_t n, double *scratch);

/* ----------------------------------------------------------------------------------------- distributions -- */

double eprof__normal_cdf(double z);
/** p in (0, 1). */
double eprof__normal_quantile(double p);
/** Probability that F of d1 and d2 degrees of freedom is above f. */
double eprof__f_tail(double f, double d1, double d2);
/** The f whose tail is `tail`, in (0, 1). */
double eprof__f_quantile(double tail, double d1, double d2);
/** What |t| is above with probability 1 - confidence. */
double eprof__t_two_sided(double confidence, double d);

/* ------------------------------------------------------------------------------------------ least squares -- */

enum { EPROF__MAX_COLUMNS = 3, EPROF__MAX_POINTS = 4096 };

/** n points: y against n_columns columns. */
typedef struct eprof__design {
    const double *columns[EPROF__MAX_COLUMNS];
    const double *y;
    const double *weights; /* NULL: all 1 */
    int32_t n_columns, n;
} eprof__design;

typedef struct eprof__fit {
    double beta[EPROF__MAX_COLUMNS];
    double cov[EPROF__MAX_COLUMNS][EPROF__MAX_COLUMNS];      /* HC3 */
    double unscaled[EPROF__MAX_COLUMNS][EPROF__MAX_COLUMNS]; /* of equal errors, of variance 1 */
    double sse;                                              /* weighted */
} eprof__fit;

/** scratch: n (n_columns + 1). false: the columns depend on one another, and no numbers. */
bool eprof__least_squares(const eprof__design *d, double *scratch, eprof__fit *out);

/** The same, and for each coefficient an interval of 95 %: HC3 with t of n - n_columns, or the case bootstrap where
 *  that is wider. E_ARG (where: `what`) when the columns depend on one another. */
eprof_status eprof__fit_intervals(const eprof__design *d, uint64_t seed, const char *what, eprof__fit *fit,
                                  eprof_interval *coefficients, eprof_error *err);

typedef struct eprof__goodness {
    double r2, rmse, relative_rmse;
} eprof__goodness;
/** Of fitted values; r2 weighted. What cannot be said is NAN. */
eprof__goodness eprof__goodness_of(const eprof__design *d, const eprof__fit *fit);
double eprof__fitted(const eprof__design *d, const eprof__fit *fit, int32_t i);

/** The interval of the larger width; one without ends counts as none. */
eprof_interval eprof__wider(eprof_interval a, eprof_interval b);

/* Resamples of the case bootstraps. */
enum { EPROF__N_RESAMPLES = 1000 };

/* ---------------------------------------------------------------------------------------------- arguments -- */

/** Every x[i] is 0, or finite with a size of 1e-100 to 1e100, so that squares and quotients are numbers too. */
eprof_status eprof__check_values(const char *name, const double *x, int32_t n, eprof_error *err);
/** Every x[i], checked as above, is above 0. */
eprof_status eprof__check_positive(const char *name, const double *x, int32_t n, eprof_error *err);
eprof_status eprof__check_count(int32_t n, int32_t least, int32_t most, eprof_error *err);
/** out is there and was begun with EPROF_INIT. */
eprof_status eprof__check_out(const char *type, const void *out, size_t size, eprof_error *err);
/** How many different values x has; sorts a copy in scratch (n). */
int32_t eprof__n_different(const double *x, int32_t n, double *scratch);
eprof_status eprof__no_memory(const char *where, eprof_error *err);

#endif
