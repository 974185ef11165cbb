/* SPDX-License-Identifier: MIT
 * bench_common.h - what the benches share: a clock, the spread of a few runs, and how they fail.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <edgeinfer/edgeinfer.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BENCH_MAX_RUNS = 101 };

typedef struct bench_spread {
    double median, min, max;
} bench_spread;

static inline double bench_now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int bench_by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts v; n >= 1. */
static inline bench_spread bench_spread_of(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, bench_by_value);
    return (bench_spread){ n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]), v[0], v[n - 1] };
}

static inline int bench_fail(const char *program, const einf_error *e)
{
    fprintf(stderr, "%s: %s: %s\n", program, einf_status_text(e->code), e->message);
    return 1;
}

#endif
