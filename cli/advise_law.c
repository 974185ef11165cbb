/* SPDX-License-Identifier: MIT
 * advise_law.c - weighted least squares of three parameters that are never negative.
 *
 * Errors are relative, so that each equation is divided by its seconds. With three parameters the best set of those
 * that are above 0 is found by trying all seven. The covariance of the fit goes into the forecasts.
 */
#include "cli/advise_law.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include <edgeprof/laws.h>

/* Half-width of an interval in standard deviations: few points, so Student's t of 5 degrees of freedom, not 1.96. */
static const double n_sigmas = 2.6, least_sigma = 0.03;
static const double assumed_noise = 0.1; /* where nothing was repeated three times */
/* What is believed before anything is measured: of attention's multiply-adds, and that what every run costs is no great
 * part of the smallest one. One or two points alone would let the constant have it all. */
static const double believed_ratio = 1.5, believed_sd = 1.0, believed_constant_sd = 0.25;

enum { N = 3 };

void advise_point_add(advise_point *p, double seconds)
{
    if (p->n_repeats < ADVISE_MAX_REPEATS) p->repeats_s[p->n_repeats++] = seconds;
}

/* ------------------------------------------------------------------------------------------------- spread -- */

/* The median into the point; the spread of its repeats, relative, absent below three of them. */
static double settle_point(advise_point *p)
{
    eprof_summary s = EPROF_INIT(eprof_summary);
    if (eprof_summarise(p->repeats_s, p->n_repeats, 1, &s, NULL) != EPROF_OK) {
        p->seconds = p->n_repeats > 0 ? p->repeats_s[0] : 0;
        return EPROF_ABSENT;
    }
    p->seconds = s.median.value;
    return p->n_repeats >= 3 && p->seconds > 0 ? s.mad / p->seconds : EPROF_ABSENT;
}

static double settle_points(advise_law *law)
{
    double spreads[ADVISE_MAX_POINTS];
    eprof_summary s = EPROF_INIT(eprof_summary);
    int n = 0;
    for (int i = 0; i < law->n_points; i++) {
        const double spread = settle_point(&law->points[i]);
        if (eprof_has(spread)) spreads[n++] = spread;
    }
    return eprof_summarise(spreads, n, 1, &s, NULL) == EPROF_OK ? s.median.value : assumed_noise;
}

/* -------------------------------------------------------------------------------------------- least squares -- */

/* Equations, each divided by what is uncertain about it: rows * parameters = right. */
typedef struct equations {
    double rows[ADVISE_MAX_POINTS + 2][N], right[ADVISE_MAX_POINTS + 2];
    double scale[N];          /* of the parameters, so that numbers of very different size meet as equals */
    int n;
} equations;

static double work_of(const advise_point *p) { return p->linear + p->attention; }

static void make_equations(const advise_law *law, double sigma, equations *e)
{
    double seconds = 0, work = 0, least_s = law->points[0].seconds;
    *e = (equations){ .n = 0 };
    for (int i = 0; i < law->n_points; i++) {
        seconds += law->points[i].seconds;
        work += work_of(&law->points[i]);
        least_s = fmin(least_s, law->points[i].seconds);
    }
    const double rate = work > 0 ? seconds / work : 1;
    e->scale[0] = e->scale[1] = rate;
    e->scale[2] = least_s > 0 ? least_s : 1;
    for (int i = 0; i < law->n_points; i++) {
        const advise_point *p = &law->points[i];
        if (p->seconds <= 0) continue;
        const double weight = 1 / (p->seconds * sigma);
        const double row[N] = { p->linear * e->scale[0] * weight, p->attention * e->scale[1] * weight,
                                e->scale[2] * weight };
        memcpy(e->rows[e->n], row, sizeof row);
        e->right[e->n++] = p->seconds * weight;
    }
    e->rows[e->n][0] = -believed_ratio / believed_sd; /* b = ratio * a +- sd * rate */
    e->rows[e->n][1] = 1 / believed_sd;
    e->right[e->n++] = 0;
    e->rows[e->n][2] = 1 / believed_constant_sd; /* c = 0 +- sd * least */
    e->right[e->n++] = 0;
}

/* Gauss-Jordan on the normal equations of the parameters in use; false when they do not determine them. */
static bool invert(double m[N][N], double inverse[N][N])
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) inverse[i][j] = i == j;
    for (int i = 0; i < N; i++) {
        if (fabs(m[i][i]) < 1e-9) return false;
        const double pivot = m[i][i];
        for (int j = 0; j < N; j++) m[i][j] /= pivot, inverse[i][j] /= pivot;
        for (int k = 0; k < N; k++) {
            const double factor = m[k][i];
            if (k == i) continue;
            for (int j = 0; j < N; j++) m[k][j] -= factor * m[i][j], inverse[k][j] -= factor * inverse[i][j];
        }
    }
    return true;
}

/* The solution with the parameters of the mask (a bit each), the others 0; the sum of squares, or HUGE_VAL when it is
 * none: not determined, or below 0. */
static double solve(const equations *e, unsigned mask, double parameters[N], double covariance[N][N])
{
    double normal[N][N] = { { 0 } }, right[N] = { 0 }, squares = 0;
    for (int k = 0; k < e->n; k++)
        for (int i = 0; i < N; i++) {
            if (!(mask >> i & 1)) continue;
            right[i] += e->rows[k][i] * e->right[k];
            for (int j = 0; j < N; j++)
                if (mask >> j & 1) normal[i][j] += e->rows[k][i] * e->rows[k][j];
        }
    for (int i = 0; i < N; i++)
        if (!(mask >> i & 1)) normal[i][i] = 1;
    if (!invert(normal, covariance)) return HUGE_VAL;
    for (int i = 0; i < N; i++) {
        parameters[i] = 0;
        for (int j = 0; j < N; j++) {
            if ((mask >> i & 1) && (mask >> j & 1)) parameters[i] += covariance[i][j] * right[j];
            else covariance[i][j] = 0;
        }
        if (parameters[i] < 0) return HUGE_VAL;
    }
    for (int k = 0; k < e->n; k++) {
        double rest = -e->right[k];
        for (int i = 0; i < N; i++) rest += e->rows[k][i] * parameters[i];
        squares += rest * rest;
    }
    return squares;
}

static void fit_with(advise_law *law, double sigma)
{
    equations e;
    double least = HUGE_VAL, parameters[N], covariance[N][N];
    make_equations(law, sigma, &e);
    for (unsigned mask = 1; mask < 1u << N; mask++) {
        const double squares = solve(&e, mask, parameters, covariance);
        if (squares >= least) continue;
        least = squares;
        for (int i = 0; i < N; i++) {
            law->parameters[i] = parameters[i] * e.scale[i];
            for (int j = 0; j < N; j++) law->covariance[i][j] = covariance[i][j] * e.scale[i] * e.scale[j];
        }
    }
}

static double value_at(const advise_law *law, const double x[N])
{
    double value = 0;
    for (int i = 0; i < N; i++) value += law->parameters[i] * x[i];
    return value;
}

void advise_law_fit(advise_law *law)
{
    double squares = 0;
    law->noise = settle_points(law);
    law->residual = 0;
    law->sigma = fmax(law->noise, least_sigma);
    fit_with(law, law->sigma);
    for (int i = 0; i < law->n_points; i++) {
        const advise_point *p = &law->points[i];
        const double x[N] = { p->linear, p->attention, 1 };
        const double off = p->seconds > 0 ? value_at(law, x) / p->seconds - 1 : 0;
        squares += off * off;
    }
    law->residual = law->n_points > 0 ? sqrt(squares / law->n_points) : 0;
    if (law->residual <= law->sigma) return;
    law->sigma = law->residual;
    fit_with(law, law->sigma);
}

/* ---------------------------------------------------------------------------------------------- forecasts -- */

/* By a factor rather than a difference, so that no time is below 0. */
static advise_interval around(double value, double relative)
{
    const double factor = 1 + n_sigmas * relative;
    return (advise_interval){ value, value / factor, value * factor };
}

/* One standard deviation, relative. */
static double relative_of(advise_interval x) { return x.value > 0 ? (x.high / x.value - 1) / n_sigmas : 0; }

advise_interval advise_law_at(const advise_law *law, double linear, double attention)
{
    const double x[N] = { linear, attention, 1 }, value = value_at(law, x);
    double variance = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) variance += x[i] * law->covariance[i][j] * x[j];
    return around(value, value > 0 ? sqrt(fmax(variance, 0) / (value * value) + law->sigma * law->sigma) : 0);
}

advise_interval advise_sum(const advise_interval *parts, int n)
{
    double value = 0, variance = 0;
    for (int i = 0; i < n; i++) {
        const double sd = relative_of(parts[i]) * parts[i].value;
        value += parts[i].value;
        variance += sd * sd;
    }
    return around(value, value > 0 ? sqrt(variance) / value : 0);
}

advise_interval advise_times(advise_interval x, double y, double u95)
{
    const double own = relative_of(x), other = y > 0 ? u95 / y / 2 : 0;
    return around(x.value * y, sqrt(own * own + other * other));
}
