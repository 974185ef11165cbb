/* SPDX-License-Identifier: MIT
 * least_squares.c - weighted least squares with up to three columns, HC3 errors, and the case bootstrap.
 *
 * By modified Gram-Schmidt, twice (Bjorck, BIT 7, 1967): leverages are the squared rows of Q, and covariances need R
 * alone. HC3: MacKinnon and White 1985: residuals over 1 - leverage. Case bootstrap: points are drawn with repetition;
 * draws whose columns depend on one another are drawn again.
 */
#include "profiler/run/profiler.h"
#include "profiler/stats/statistics.h"

#include <stdlib.h>
#include <string.h>

static double dot(const double *a, const double *b, int32_t n)
{
    double sum = 0;
    for (int32_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* q: the weighted columns, made orthonormal in place; r: upper triangle. */
static bool orthogonalise(double *q, int32_t n, int32_t n_columns, double r[][EPROF__MAX_COLUMNS])
{
    for (int32_t j = 0; j < n_columns; j++) {
        double *column = q + (size_t)j * (size_t)n;
        const double length = sqrt(dot(column, column, n));
        for (int32_t i = 0; i < j; i++) r[i][j] = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (int32_t i = 0; i < j; i++) {
                const double *before = q + (size_t)i * (size_t)n;
                const double part = dot(before, column, n);
                r[i][j] += part;
                for (int32_t k = 0; k < n; k++) column[k] -= part * before[k];
            }
        }
        r[j][j] = sqrt(dot(column, column, n));
        if (!(r[j][j] > 1e-9 * length)) return false; /* what is left is rounding */
        for (int32_t k = 0; k < n; k++) column[k] /= r[j][j];
    }
    return true;
}

static void invert_upper(double r[][EPROF__MAX_COLUMNS], int32_t n, double inverse[][EPROF__MAX_COLUMNS])
{
    for (int32_t j = 0; j < n; j++) {
        for (int32_t i = n - 1; i >= 0; i--) {
            double sum = i == j;
            for (int32_t k = i + 1; k < n; k++) sum -= r[i][k] * inverse[k][j];
            inverse[i][j] = sum / r[i][i];
        }
    }
}

/* residuals: weighted. Sum over points of v v' with v = R^-1 q e / (1 - h). */
static void add_hc3(const double *q, const double *residuals, int32_t n, int32_t n_columns,
                    double inverse[][EPROF__MAX_COLUMNS], eprof__fit *out)
{
    for (int32_t i = 0; i < n; i++) {
        double row[EPROF__MAX_COLUMNS], v[EPROF__MAX_COLUMNS], leverage = 0;
        for (int32_t j = 0; j < n_columns; j++) {
            row[j] = q[(size_t)j * (size_t)n + (size_t)i];
            leverage += row[j] * row[j];
        }
        const double e = residuals[i] / fmax(1 - leverage, 1e-6); /* at leverage 1 the residual is 0 as well */
        for (int32_t j = 0; j < n_columns; j++) {
            v[j] = 0;
            for (int32_t k = 0; k < n_columns; k++) v[j] += inverse[j][k] * row[k] * e;
        }
        for (int32_t j = 0; j < n_columns; j++)
            for (int32_t k = 0; k < n_columns; k++) out->cov[j][k] += v[j] * v[k];
    }
}

/* Coefficients and sum of squares alone: what a bootstrap needs. scratch then holds Q and the weighted residuals. */
static bool solve(const eprof__design *d, double *scratch, double inverse[][EPROF__MAX_COLUMNS], eprof__fit *out)
{
    const int32_t n = d->n, n_columns = d->n_columns;
    double *q = scratch, *residuals = scratch + (size_t)n * (size_t)n_columns;
    double r[EPROF__MAX_COLUMNS][EPROF__MAX_COLUMNS] = { { 0 } };
    *out = (eprof__fit){ .sse = 0 };
    for (int32_t i = 0; i < n; i++) {
        const double root = d->weights ? sqrt(d->weights[i]) : 1;
        residuals[i] = root * d->y[i];
        for (int32_t j = 0; j < n_columns; j++) q[(size_t)j * (size_t)n + (size_t)i] = root * d->columns[j][i];
    }
    if (!orthogonalise(q, n, n_columns, r)) return false;
    invert_upper(r, n_columns, inverse);
    for (int32_t j = 0; j < n_columns; j++) {
        const double *column = q + (size_t)j * (size_t)n;
        const double part = dot(column, residuals, n);
        for (int32_t k = 0; k < n; k++) residuals[k] -= part * column[k];
        for (int32_t i = 0; i <= j; i++) out->beta[i] += inverse[i][j] * part;
    }
    out->sse = dot(residuals, residuals, n);
    return true;
}

bool eprof__least_squares(const eprof__design *d, double *scratch, eprof__fit *out)
{
    const int32_t n_columns = d->n_columns;
    double inverse[EPROF__MAX_COLUMNS][EPROF__MAX_COLUMNS] = { { 0 } };
    if (!solve(d, scratch, inverse, out)) return false;
    for (int32_t i = 0; i < n_columns; i++)
        for (int32_t j = 0; j < n_columns; j++) out->unscaled[i][j] = dot(inverse[i], inverse[j], n_columns);
    add_hc3(scratch, scratch + (size_t)d->n * (size_t)n_columns, d->n, n_columns, inverse, out);
    return true;
}

double eprof__fitted(const eprof__design *d, const eprof__fit *fit, int32_t i)
{
    double sum = 0;
    for (int32_t j = 0; j < d->n_columns; j++) sum += fit->beta[j] * d->columns[j][i];
    return sum;
}

eprof__goodness eprof__goodness_of(const eprof__design *d, const eprof__fit *fit)
{
    double weights = 0, mean = 0, total = 0, squares = 0, relative = 0;
    for (int32_t i = 0; i < d->n; i++) {
        const double w = d->weights ? d->weights[i] : 1;
        weights += w;
        mean += w * d->y[i];
    }
    mean /= weights;
    for (int32_t i = 0; i < d->n; i++) {
        const double e = d->y[i] - eprof__fitted(d, fit, i), from_mean = d->y[i] - mean;
        total += (d->weights ? d->weights[i] : 1) * from_mean * from_mean;
        squares += e * e;
        relative += d->y[i] == 0 ? EPROF_ABSENT : e / d->y[i] * (e / d->y[i]);
    }
    return (eprof__goodness){ .r2 = total > 0 ? 1 - fit->sse / total : EPROF_ABSENT, .rmse = sqrt(squares / d->n),
                              .relative_rmse = sqrt(relative / d->n) };
}

eprof_interval eprof__wider(eprof_interval a, eprof_interval b)
{
    if (isnan(a.high - a.low)) return b;
    return b.high - b.low > a.high - a.low ? b : a;
}

/* --------------------------------------------------------------------------------------- case bootstrap -- */

typedef struct resampling {
    int32_t *counts;
    double *weights, *scratch;
    double *betas[EPROF__MAX_COLUMNS]; /* EPROF__N_RESAMPLES each, in one block that betas[0] begins */
} resampling;

static void resampling_free(resampling *s)
{
    free(s->counts);
    free(s->weights);
    free(s->scratch);
    free(s->betas[0]);
}

static bool resampling_make(resampling *s, int32_t n, int32_t n_columns)
{
    const size_t points = (size_t)n, columns = (size_t)n_columns;
    *s = (resampling){ .counts = calloc(points, sizeof *s->counts), .weights = calloc(points, sizeof(double)),
                       .scratch = calloc(points * (columns + 1), sizeof(double)) };
    double *block = calloc(columns * EPROF__N_RESAMPLES, sizeof(double));
    for (size_t j = 0; block && j < columns; j++) s->betas[j] = block + j * EPROF__N_RESAMPLES;
    if (s->counts && s->weights && s->scratch && block) return true;
    s->betas[0] = block;
    resampling_free(s);
    return false;
}

/* Number of resamples made: below EPROF__N_RESAMPLES when most draws determine no fit. */
static int32_t resample(const eprof__design *d, eprof__random *random, resampling *s)
{
    int32_t n_made = 0;
    eprof__design drawn = *d;
    drawn.weights = s->weights;
    for (int32_t i = 0; i < 4 * EPROF__N_RESAMPLES && n_made < EPROF__N_RESAMPLES; i++) {
        eprof__fit fit;
        double inverse[EPROF__MAX_COLUMNS][EPROF__MAX_COLUMNS] = { { 0 } };
        eprof__random_counts(random, s->counts, d->n);
        for (int32_t k = 0; k < d->n; k++) s->weights[k] = (d->weights ? d->weights[k] : 1) * s->counts[k];
        if (!solve(&drawn, s->scratch, inverse, &fit)) continue;
        for (int32_t j = 0; j < d->n_columns; j++) s->betas[j][n_made] = fit.beta[j];
        n_made++;
    }
    return n_made;
}

eprof_status eprof__fit_intervals(const eprof__design *d, uint64_t seed, const char *what, eprof__fit *fit,
                                  eprof_interval *coefficients, eprof_error *err)
{
    resampling s;
    if (!resampling_make(&s, d->n, d->n_columns)) return eprof__no_memory(what, err);
    if (!eprof__least_squares(d, s.scratch, fit)) {
        resampling_free(&s);
        return eprof__fail(err, EPROF_E_ARG, what, "vary each of them while the others stay",
                           "the %d columns of %s depend on one another: no coefficient is determined", d->n_columns,
                           what);
    }
    eprof__random random;
    eprof__random_seed(&random, seed);
    const int32_t n_made = resample(d, &random, &s);
    const double t = eprof__t_two_sided(0.95, d->n - d->n_columns);
    for (int32_t j = 0; j < d->n_columns; j++) {
        const double half = t * sqrt(fit->cov[j][j]), value = fit->beta[j];
        coefficients[j] = (eprof_interval){ value, value - half, value + half };
        if (n_made < EPROF__N_RESAMPLES) continue;
        eprof__sort(s.betas[j], n_made);
        const eprof_interval drawn = { value, eprof__quantile(s.betas[j], n_made, 0.025),
                                       eprof__quantile(s.betas[j], n_made, 0.975) };
        coefficients[j] = eprof__wider(coefficients[j], drawn);
    }
    resampling_free(&s);
    return EPROF_OK;
}
