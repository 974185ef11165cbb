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

/* Says what went wrong; the exit code, as docs/edgeinfer.1 has them. */
static inline int bench_fail(const char *program, const einf_error *e)
{
    fprintf(stderr, "%s: %s\n", program, e->message[0] ? e->message : einf_status_text(e->code));
    if (e->hint[0]) fprintf(stderr, "  hint: %s\n", e->hint);
    const int is_file = e->code == EINF_E_FORMAT || e->code == EINF_E_UNSUPPORTED;
    const int is_room = e->code == EINF_E_NOMEM || e->code == EINF_E_LIMIT || e->code == EINF_E_CTX_FULL;
    return is_file ? 3 : is_room ? 4 : 1;
}

#endif
