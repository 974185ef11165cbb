/* SPDX-License-Identifier: MIT
 * stats.h - the median of a few samples, and how far it may be off: 95 % bootstrap intervals.
 *
 * An interval is that of Efron's percentile bootstrap (Annals of Statistics 7, 1979): samples are drawn anew with
 * replacement, and the middle 95 % of the medians of such draws are kept. The draws come from a fixed seed, so that
 * the same samples always give the same interval. It knows nothing of what happens between two runs.
 */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stdbool.h>
#include <stdint.h>

enum { BENCH_MAX_SAMPLES = 101, BENCH_LEAST_SAMPLES = 5 /* below which an interval says nothing */ };

typedef struct bench_estimate {
    double median, low95, high95;
    int n; /* samples; of a ratio the smaller number of both */
} bench_estimate;

/** splitmix64: the next number of a state that began with any seed. */
uint64_t bench_next_random(uint64_t *state);

/** n in 1..BENCH_MAX_SAMPLES here and below. */
double bench_median(const double *v, int n);
bench_estimate bench_estimate_of(const double *v, int n);
/** median(a) / median(b): two runs whose samples have nothing to do with one another. Samples of b are positive. */
bench_estimate bench_ratio_of(const double *a, int n_a, const double *b, int n_b);
/** Whether a ratio's interval leaves out 1, and there were enough samples to say so. */
bool bench_differs(bench_estimate ratio);

#endif
