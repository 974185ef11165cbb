/* SPDX-License-Identifier: MIT
 * stats.c - medians and bootstrap intervals, deterministic and without memory of its own.
 */
#include "bench/stats.h"

#include <stdlib.h>
#include <string.h>

enum { DRAWS = 1000, DRAWS_BELOW = 25 /* 2.5 % of them on either side */ };

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_in_place(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

double bench_median(const double *v, int n)
{
    double copy[BENCH_MAX_SAMPLES];
    memcpy(copy, v, (size_t)n * sizeof *v);
    return median_in_place(copy, n);
}

uint64_t bench_next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The median of n samples drawn from v with replacement. */
static double median_of_draw(const double *v, int n, uint64_t *state)
{
    double drawn[BENCH_MAX_SAMPLES];
    for (int i = 0; i < n; i++) drawn[i] = v[bench_next_random(state) % (uint64_t)n];
    return median_in_place(drawn, n);
}

/* medians: of DRAWS draws, which this sorts. */
static bench_estimate estimate_from(double median, double *medians, int n)
{
    qsort(medians, DRAWS, sizeof *medians, by_value);
    return (bench_estimate){ median, medians[DRAWS_BELOW], medians[DRAWS - 1 - DRAWS_BELOW], n };
}

bench_estimate bench_estimate_of(const double *v, int n)
{
    double medians[DRAWS];
    uint64_t state = 1;
    for (int i = 0; i < DRAWS; i++) medians[i] = median_of_draw(v, n, &state);
    return estimate_from(bench_median(v, n), medians, n);
}

bench_estimate bench_ratio_of(const double *a, int n_a, const double *b, int n_b)
{
    double ratios[DRAWS];
    uint64_t state = 1;
    for (int i = 0; i < DRAWS; i++) {
        const double of_a = median_of_draw(a, n_a, &state);
        ratios[i] = of_a / median_of_draw(b, n_b, &state);
    }
    return estimate_from(bench_median(a, n_a) / bench_median(b, n_b), ratios, n_a < n_b ? n_a : n_b);
}

bool bench_differs(bench_estimate ratio)
{
    return ratio.n >= BENCH_LEAST_SAMPLES && (ratio.low95 > 1.0 || ratio.high95 < 1.0);
}
