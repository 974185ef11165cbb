/* SPDX-License-Identifier: MIT
 * line.c - cost against tokens: y = a + b x, and what speaks against a line.
 *
 * x is shifted to its weighted mean and scaled for the fit of curves. The exponent is that of y = a + b x^p, all three
 * fitted together: taking a from the straight line would pull p towards 1. Interval of p: profile likelihood, or HC3 of
 * the linearised model where that is wider.
 */
#include "profiler/run/profiler.h"
#include "profiler/stats/statistics.h"

#include <stdlib.h>

static const double least_exponent = 0.1, most_exponent = 6;

/* Columns that the fits of one call need. */
typedef struct line_data {
    int32_t n;
    double *ones, *x, *log_x, *power, *slope, *square, *weights, *scratch; /* x: over its largest; scratch: 4 n */
    const double *y;
    double x_scale;
    double floor; /* a sum of squares that is rounding */
} line_data;

static bool line_data_make(line_data *d, const double *x, const double *y, const double *u, int32_t n)
{
    double *block = calloc((size_t)n * 11, sizeof *block);
    if (!block) return false;
    double x_scale = 0, u_least = HUGE_VAL, total = 0;
    for (int32_t i = 0; i < n; i++) {
        x_scale = fmax(x_scale, fabs(x[i]));
        if (u) u_least = fmin(u_least, u[i]);
    }
    if (x_scale == 0) x_scale = 1; /* refused later, with what is wrong */
    *d = (line_data){ .n = n, .ones = block, .x = block + n, .log_x = block + 2 * n, .power = block + 3 * n,
                      .slope = block + 4 * n, .square = block + 5 * n, .weights = block + 6 * n,
                      .scratch = block + 7 * n, .y = y, .x_scale = x_scale };
    for (int32_t i = 0; i < n; i++) {
        d->ones[i] = 1;
        d->x[i] = x[i] / x_scale;
        d->log_x[i] = d->x[i] > 0 ? log(d->x[i]) : 0;
        d->square[i] = d->x[i] * d->x[i];
        d->weights[i] = u ? u_least / u[i] * (u_least / u[i]) : 1;
        total += d->weights[i] * y[i] * y[i];
    }
    d->floor = 1e-24 * total + 1e-300;
    return true;
}

static eprof__design design_of(const line_data *d, int32_t n_columns, const double *third)
{
    return (eprof__design){ .columns = { d->ones, d->x, third }, .y = d->y, .weights = d->weights,
                            .n_columns = n_columns, .n = d->n };
}

static eprof_status theil_sen(const double *x, const double *y, int32_t n, double *out, eprof_error *err)
{
    double *slopes = calloc((size_t)n * (size_t)(n - 1) / 2, sizeof *slopes);
    if (!slopes) return eprof__no_memory("eprof_fit_line", err);
    int64_t n_slopes = 0;
    for (int32_t i = 0; i < n; i++)
        for (int32_t j = 0; j < i; j++)
            if (x[i] != x[j]) slopes[n_slopes++] = (y[i] - y[j]) / (x[i] - x[j]);
    eprof__sort(slopes, n_slopes);
    *out = eprof__median(slopes, n_slopes);
    free(slopes);
    return EPROF_OK;
}

/* ----------------------------------------------------------------------------------------------- curves -- */

static void test_square(const line_data *d, double line_sse, eprof_line *out)
{
    const eprof__design quadratic = design_of(d, 3, d->square);
    eprof__fit fit;
    out->quadratic_p = out->delta_bic = EPROF_ABSENT;
    if (d->n < 4 || !eprof__least_squares(&quadratic, d->scratch, &fit)) return;
    const double ratio = (line_sse + d->floor) / (fit.sse + d->floor), n_left = d->n - 3;
    out->quadratic_p = eprof__f_tail((ratio - 1) * n_left, 1, n_left);
    out->delta_bic = d->n * log(ratio) - log(d->n);
}

/* The weighted sum of squares of the best y = a + b x^p, and its b. Closed: this is what searches repeat. */
static double power_sse(const line_data *d, double p, double *b)
{
    double w = 0, x = 0, y = 0, xx = 0, xy = 0, sse = 0;
    for (int32_t i = 0; i < d->n; i++) {
        d->power[i] = d->x[i] > 0 ? exp(p * d->log_x[i]) : 0;
        w += d->weights[i];
        x += d->weights[i] * d->power[i];
        y += d->weights[i] * d->y[i];
    }
    x /= w, y /= w;
    for (int32_t i = 0; i < d->n; i++) {
        xx += d->weights[i] * (d->power[i] - x) * (d->power[i] - x);
        xy += d->weights[i] * (d->power[i] - x) * (d->y[i] - y);
    }
    *b = xx > 0 ? xy / xx : 0;
    for (int32_t i = 0; i < d->n; i++) {
        const double e = d->y[i] - y - *b * (d->power[i] - x);
        sse += d->weights[i] * e * e;
    }
    return sse;
}

/* A coarse scan in the exponent's logarithm, since far from 1 there may be other minima, then golden section. */
static double best_exponent(const line_data *d)
{
    enum { N_COARSE = 24 };
    static const double golden = 0.6180339887498949;
    const double step = log(most_exponent / least_exponent) / N_COARSE;
    double best = least_exponent, best_sse = HUGE_VAL, b;
    for (int i = 0; i <= N_COARSE; i++) {
        const double p = least_exponent * exp(i * step), sse = power_sse(d, p, &b);
        if (sse < best_sse) best = p, best_sse = sse;
    }
    double low = best * exp(-step), high = best * exp(step);
    double p1 = high - golden * (high - low), p2 = low + golden * (high - low);
    double s1 = power_sse(d, p1, &b), s2 = power_sse(d, p2, &b);
    for (int i = 0; i < 40; i++) {
        if (s1 <= s2) {
            high = p2, p2 = p1, s2 = s1, p1 = high - golden * (high - low), s1 = power_sse(d, p1, &b);
        } else {
            low = p1, p1 = p2, s1 = s2, p2 = low + golden * (high - low), s2 = power_sse(d, p2, &b);
        }
    }
    return 0.5 * (low + high);
}

/* Where the sum of squares passes `limit` between p and the end of the range. */
static double profile_end(const line_data *d, double p, double end, double limit)
{
    double inside = p, outside = p, b;
    const double factor = end > p ? 1.25 : 0.8;
    while (outside != end && power_sse(d, outside, &b) <= limit) {
        inside = outside;
        outside = end > p ? fmin(outside * factor, end) : fmax(outside * factor, end);
    }
    if (power_sse(d, outside, &b) <= limit) return end;
    for (int i = 0; i < 30; i++) {
        const double middle = 0.5 * (inside + outside);
        if (power_sse(d, middle, &b) <= limit)
            inside = middle;
        else
            outside = middle;
    }
    return 0.5 * (inside + outside);
}

/* HC3 of the model linearised at p: columns 1, x^p, b x^p log x. */
static eprof_interval sandwich(const line_data *d, double p, double b)
{
    for (int32_t i = 0; i < d->n; i++) d->slope[i] = b * d->power[i] * d->log_x[i];
    const eprof__design design = { .columns = { d->ones, d->power, d->slope }, .y = d->y, .weights = d->weights,
                                   .n_columns = 3, .n = d->n };
    eprof__fit fit;
    if (!eprof__least_squares(&design, d->scratch, &fit)) return (eprof_interval){ p, EPROF_ABSENT, EPROF_ABSENT };
    const double half = eprof__t_two_sided(0.95, d->n - 3) * sqrt(fit.cov[2][2]);
    return (eprof_interval){ p, p - half, p + half };
}

static eprof_interval exponent_of(const line_data *d)
{
    const eprof_interval absent = { EPROF_ABSENT, EPROF_ABSENT, EPROF_ABSENT };
    if (d->n < 4) return absent;
    for (int32_t i = 0; i < d->n; i++)
        if (d->x[i] < 0) return absent;
    const double p = best_exponent(d);
    double b;
    const double sse = power_sse(d, p, &b) + d->floor;
    if (p <= least_exponent * 1.01 || p >= most_exponent * 0.99) return absent; /* a jump, or no slope at all */
    const eprof_interval robust = sandwich(d, p, b);
    const double f = eprof__f_quantile(0.05, 1, d->n - 3), limit = sse * (1 + f / (d->n - 3));
    const eprof_interval profile = { p, profile_end(d, p, least_exponent, limit),
                                     profile_end(d, p, most_exponent, limit) };
    return eprof__wider(profile, robust);
}

/* ------------------------------------------------------------------------------------------------- line -- */

static eprof_status fit_line(const line_data *d, uint64_t seed, eprof_line *out, eprof_error *err)
{
    const eprof__design line = design_of(d, 2, NULL);
    eprof__fit fit;
    eprof_interval c[2];
    const eprof_status s = eprof__fit_intervals(&line, seed, "x", &fit, c, err);
    if (s) return s;
    const eprof__goodness g = eprof__goodness_of(&line, &fit);
    out->a = c[0];
    out->b = (eprof_interval){ c[1].value / d->x_scale, c[1].low / d->x_scale, c[1].high / d->x_scale };
    out->r2 = g.r2;
    out->rmse = g.rmse;
    out->relative_rmse = g.relative_rmse;
    test_square(d, fit.sse, out);
    out->exponent = exponent_of(d);
    const bool contains_1 = isnan(out->exponent.value) || (out->exponent.low <= 1 && out->exponent.high >= 1);
    out->is_linear = contains_1 && out->delta_bic < 6;
    return EPROF_OK;
}

static eprof_status check(const double *x, const double *y, const double *u, int32_t n, const eprof_line *out,
                          eprof_error *err)
{
    eprof_status s = eprof__check_out("eprof_line", out, sizeof *out, err);
    if (!s) s = eprof__check_count(n, 3, EPROF__MAX_POINTS, err);
    if (!s) s = eprof__check_values("x", x, n, err);
    if (!s) s = eprof__check_values("y", y, n, err);
    if (!s && u) s = eprof__check_values("u", u, n, err);
    if (!s && u) s = eprof__check_positive("u", u, n, err);
    return s;
}

eprof_status eprof_fit_line(const double *x, const double *y, const double *u, int32_t n, uint64_t seed,
                            eprof_line *out, eprof_error *err)
{
    eprof_status s = check(x, y, u, n, out, err);
    if (s) return s;
    line_data d;
    if (!line_data_make(&d, x, y, u, n)) return eprof__no_memory("eprof_fit_line", err);
    const int32_t n_different = eprof__n_different(x, n, d.scratch);
    eprof_line line = { .struct_size = out->struct_size, .n = n };
    if (n_different < 3)
        s = eprof__fail(err, EPROF_E_ARG, "x", "measure more sizes: six, over a range of 8 to 1",
                        "x has %d different values, a line needs 3", n_different);
    if (!s) s = theil_sen(x, y, n, &line.theil_sen_b, err);
    if (!s) s = fit_line(&d, seed, &line, err);
    free(d.ones);
    if (!s) *out = line;
    return s;
}
