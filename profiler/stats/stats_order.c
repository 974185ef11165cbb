/* SPDX-License-Identifier: MIT
 * stats_order.c - sorting, quantiles, deviations, and Kendall's test of values against their order.
 *
 * Kendall, "A new measure of rank correlation", Biometrika 30, 1938; discordant pairs by merge sort as Knight, JASA
 * 61(314), 1966; the exact distribution is that of inversions of permutations (Mahonian numbers).
 */
#include "profiler/stats/statistics.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void eprof__sort(double *x, int64_t n)
{
    qsort(x, (size_t)n, sizeof *x, compare);
}

double eprof__quantile(const double *x, int64_t n, double p)
{
    const double rank = p * (double)(n - 1);
    const int64_t i = (int64_t)rank;
    if (i >= n - 1) return x[n - 1];
    return x[i] + (rank - (double)i) * (x[i + 1] - x[i]);
}

double eprof__median(const double *x, int64_t n)
{
    return 0.5 * (x[(n - 1) / 2] + x[n / 2]);
}

double eprof__absolute_deviation(const double *x, int64_t n, double center, double *scratch)
{
    for (int64_t i = 0; i < n; i++) scratch[i] = fabs(x[i] - center);
    eprof__sort(scratch, n);
    return eprof__median(scratch, n);
}

/* Sort x and count the pairs that were the wrong way round. other: as long as x. */
static double sort_and_count(double *x, int32_t n, double *other)
{
    double n_inverted = 0;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t at = 0; at < n; at += 2 * width) {
            const int64_t middle = at + width < n ? at + width : n, end = at + 2 * width < n ? at + 2 * width : n;
            int64_t a = at, b = middle;
            for (int64_t k = at; k < end; k++) {
                const bool take_left = a < middle && (b >= end || x[a] <= x[b]);
                if (!take_left) n_inverted += (double)(middle - a);
                other[k] = take_left ? x[a++] : x[b++];
            }
        }
        memcpy(x, other, (size_t)n * sizeof *x);
    }
    return n_inverted;
}

enum { EXACT_KENDALL = 60, MAX_INVERSIONS = EXACT_KENDALL * (EXACT_KENDALL - 1) / 2 };

/* Probability of at most `most` inversions in a random permutation of n. */
static double inversions_cdf(int32_t n, int32_t most)
{
    double p[MAX_INVERSIONS + 1] = { 1 }, next[MAX_INVERSIONS + 1];
    for (int32_t size = 2; size <= n; size++) {
        for (int32_t i = 0; i <= most; i++) { /* a size-th element adds 0..size-1 inversions, each as likely */
            double window = 0;
            for (int32_t j = i < size ? 0 : i - size + 1; j <= i; j++) window += p[j];
            next[i] = window / size;
        }
        memcpy(p, next, ((size_t)most + 1) * sizeof *p);
    }
    double sum = 0;
    for (int32_t i = 0; i <= most; i++) sum += p[i];
    return sum;
}

/* Variance of (concordant - discordant) when x has ties and the order has none; x sorted. */
static double kendall_variance(const double *x, int32_t n)
{
    const double m = n;
    double v = m * (m - 1) * (2 * m + 5);
    for (int32_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && x[j] == x[i];) j++;
        const double t = j - i;
        v -= t * (t - 1) * (2 * t + 5);
    }
    return v / 18;
}

double eprof__kendall_p(const double *x, int32_t n, double *scratch)
{
    if (n < 3) return EPROF_ABSENT;
    double *sorted = scratch, *other = scratch + n;
    memcpy(sorted, x, (size_t)n * sizeof *x);
    const double n_discordant = sort_and_count(sorted, n, other);
    double n_tied = 0;
    for (int32_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && sorted[j] == sorted[i];) j++;
        n_tied += 0.5 * (double)(j - i) * (double)(j - i - 1);
    }
    const double n_pairs = 0.5 * (double)n * (double)(n - 1);
    if (n_tied >= n_pairs) return EPROF_ABSENT;
    if (n_tied == 0 && n <= EXACT_KENDALL) {
        const double fewer = fmin(n_discordant, n_pairs - n_discordant);
        return fmin(1, 2 * inversions_cdf(n, (int32_t)fewer));
    }
    const double s = n_pairs - n_tied - 2 * n_discordant;
    return 2 * eprof__normal_cdf(-fabs(s) / sqrt(kendall_variance(sorted, n)));
}
