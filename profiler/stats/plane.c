/* SPDX-License-Identifier: MIT
 * plane.c - cost against prompt and generated tokens: y = a + b1 x1 + b2 x2.
 *
 * Refuses columns that were not varied independently: two slopes could be exchanged then, and both would be noise.
 */
#include "profiler/run/profiler.h"
#include "profiler/stats/statistics.h"

#include <stdlib.h>

static eprof_status check(const double *x1, const double *x2, const double *y, const double *u, int32_t n,
                          const eprof_plane *out, eprof_error *err)
{
    eprof_status s = eprof__check_out("eprof_plane", out, sizeof *out, err);
    if (!s) s = eprof__check_count(n, 6, EPROF__MAX_POINTS, err);
    if (!s) s = eprof__check_values("x1", x1, n, err);
    if (!s) s = eprof__check_values("x2", x2, n, err);
    if (!s) s = eprof__check_values("y", y, n, err);
    if (!s && u) s = eprof__check_values("u", u, n, err);
    if (!s && u) s = eprof__check_positive("u", u, n, err);
    return s;
}

static double largest(const double *x, int32_t n)
{
    double most = 0;
    for (int32_t i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
    return most > 0 ? most : 1;
}

static eprof_interval divided(eprof_interval x, double by)
{
    return (eprof_interval){ x.value / by, x.low / by, x.high / by };
}

eprof_status eprof_fit_plane(const double *x1, const double *x2, const double *y, const double *u, int32_t n,
                             uint64_t seed, eprof_plane *out, eprof_error *err)
{
    eprof_status s = check(x1, x2, y, u, n, out, err);
    if (s) return s;
    double *block = calloc((size_t)n * 4, sizeof *block);
    if (!block) return eprof__no_memory("eprof_fit_plane", err);
    double *ones = block, *first = block + n, *second = block + 2 * n, *weights = block + 3 * n;
    const double scale1 = largest(x1, n), scale2 = largest(x2, n);
    double u_least = HUGE_VAL;
    for (int32_t i = 0; u && i < n; i++) u_least = fmin(u_least, u[i]);
    for (int32_t i = 0; i < n; i++) {
        ones[i] = 1;
        first[i] = x1[i] / scale1;
        second[i] = x2[i] / scale2;
        weights[i] = u ? u_least / u[i] * (u_least / u[i]) : 1;
    }
    const eprof__design d = { .columns = { ones, first, second }, .y = y, .weights = weights, .n_columns = 3, .n = n };
    eprof__fit fit;
    eprof_interval c[3];
    s = eprof__fit_intervals(&d, seed, "x1 and x2", &fit, c, err);
    if (!s) {
        const eprof__goodness g = eprof__goodness_of(&d, &fit);
        *out = (eprof_plane){ .struct_size = out->struct_size, .n = n, .a = c[0], .b1 = divided(c[1], scale1),
                              .b2 = divided(c[2], scale2), .r2 = g.r2, .rmse = g.rmse,
                              .relative_rmse = g.relative_rmse };
    }
    free(block);
    return s;
}
