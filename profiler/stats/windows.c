/* SPDX-License-Identifier: MIT
 * windows.c - periods of work in a log without marks, from the gradient of the CPU signal (arXiv 2512.16531).
 *
 * The study names the idea and no thresholds; ours: idle is the lower of two classes where the values fall into two
 * (Otsu, IEEE Trans. SMC 9(1), 1979), with a median and a robust sigma. A window opens where the mean of three samples
 * rises faster than sigma a sample to above idle + 5 sigma, and closes where it falls as fast and stays below for a
 * second. Its edge is the centre of the gradient's mass, which a step between two samples puts half-way.
 *
 * A period that the log's begin or end cuts off has no edge there, and is not reported.
 */
#include "profiler/run/profiler.h"
#include "profiler/stats/statistics.h"

#include <stdlib.h>
#include <string.h>

static const double quiet_s = 1, least_height_pct = 1, two_classes = 4;

typedef struct busy_signal {
    int32_t n;
    const double *t;
    double *smooth, *gradient;
    double level;    /* work is above */
    double steepest; /* of idle noise, % a second */
} busy_signal;

/* Number of the lower class of sorted x; n when there is one class. */
static int32_t lower_class(const double *x, int32_t n)
{
    double total = 0, squares = 0, sum = 0, best = 0, low_mean = 0, high_mean = 0;
    for (int32_t i = 0; i < n; i++) total += x[i];
    int32_t n_lower = n;
    for (int32_t i = 1; i < n; i++) {
        sum += x[i - 1];
        const double low = sum / i, high = (total - sum) / (n - i);
        const double between = (double)i * (n - i) * (high - low) * (high - low);
        if (between > best) best = between, n_lower = i, low_mean = low, high_mean = high;
    }
    for (int32_t i = 0; i < n; i++) {
        const double d = x[i] - (i < n_lower ? low_mean : high_mean);
        squares += d * d;
    }
    /* Halves of one normal class are 2.6 of their deviations apart, of a uniform one 3.5. */
    return high_mean - low_mean > two_classes * sqrt(squares / n) ? n_lower : n;
}

/* scratch: 2 n. */
static void set_thresholds(busy_signal *s, const double *x, double *scratch)
{
    double *sorted = scratch, *other = scratch + s->n;
    memcpy(sorted, x, (size_t)s->n * sizeof *x);
    eprof__sort(sorted, s->n);
    const int32_t n_idle = lower_class(sorted, s->n);
    const double base = eprof__median(sorted, n_idle);
    const double sigma = fmax(1.4826 * eprof__absolute_deviation(sorted, n_idle, base, other), least_height_pct / 5);
    for (int32_t i = 1; i < s->n; i++) other[i - 1] = s->t[i] - s->t[i - 1];
    eprof__sort(other, s->n - 1);
    s->level = base + 5 * sigma;
    s->steepest = sigma / eprof__median(other, s->n - 1);
}

static void differentiate(busy_signal *s, const double *x)
{
    const int32_t n = s->n;
    for (int32_t i = 0; i < n; i++) {
        const int32_t before = i > 0 ? i - 1 : 0, after = i + 1 < n ? i + 1 : n - 1;
        s->smooth[i] = (x[before] + x[i] + x[after]) / 3;
    }
    for (int32_t i = 0; i < n; i++) {
        const int32_t before = i > 0 ? i - 1 : 0, after = i + 1 < n ? i + 1 : n - 1;
        s->gradient[i] = (s->smooth[after] - s->smooth[before]) / (s->t[after] - s->t[before]);
    }
}

/* Centre of the steep stretch around i, the gradient's sign being `sign`. */
static double edge_at(const busy_signal *s, int32_t i, double sign)
{
    int32_t first = i, last = i;
    while (first > 0 && sign * s->gradient[first - 1] > s->steepest) first--;
    while (last + 1 < s->n && sign * s->gradient[last + 1] > s->steepest) last++;
    double mass = 0, moment = 0;
    for (int32_t k = first; k <= last; k++) {
        mass += s->gradient[k];
        moment += s->gradient[k] * (s->t[k] - s->t[i]);
    }
    return s->t[i] + moment / mass;
}

static bool stays_below(const busy_signal *s, int32_t i)
{
    const double until = s->t[i] + quiet_s;
    for (; i < s->n && s->t[i] < until; i++)
        if (s->smooth[i] >= s->level) return false;
    return true;
}

/* The steepest fall near i, the first quiet sample: at most three samples back, as far as smoothing spreads an edge. */
static int32_t fall_before(const busy_signal *s, int32_t i)
{
    int32_t steepest = i;
    for (int32_t k = i > 3 ? i - 3 : 0; k <= i; k++)
        if (s->gradient[k] < s->gradient[steepest]) steepest = k;
    return steepest;
}

static int32_t find(const busy_signal *s, double *begin_s, double *end_s, int32_t n_most)
{
    int32_t n_found = 0, i = 0;
    while (i < s->n && s->smooth[i] >= s->level) i++; /* at work when the log begins */
    for (; i < s->n && n_found < n_most; i++) {
        if (s->smooth[i] < s->level || s->gradient[i] <= s->steepest) continue;
        const double begin = edge_at(s, i, 1);
        while (i < s->n && (s->smooth[i] >= s->level || !stays_below(s, i))) i++;
        if (i >= s->n) break;
        const int32_t fall = fall_before(s, i);
        if (-s->gradient[fall] <= s->steepest) continue; /* it crept away: no edge */
        begin_s[n_found] = begin;
        end_s[n_found] = edge_at(s, fall, -1);
        n_found++;
    }
    return n_found;
}

int32_t eprof_find_windows(const double *t_s, const double *busy_pct, int32_t n, double *begin_s, double *end_s,
                           int32_t n_most)
{
    if (!begin_s || !end_s || n_most < 0 || n < 0) return EPROF_E_ARG;
    if (eprof__check_values("t_s", t_s, n, NULL) || eprof__check_values("busy_pct", busy_pct, n, NULL))
        return EPROF_E_ARG;
    for (int32_t i = 1; i < n; i++)
        if (!(t_s[i] > t_s[i - 1])) return EPROF_E_ARG;
    if (n < 8) return 0; /* no edge with idle time beside it */
    double *block = calloc((size_t)n, 4 * sizeof *block);
    if (!block) return EPROF_E_NOMEM;
    busy_signal s = { .n = n, .t = t_s, .smooth = block, .gradient = block + n };
    set_thresholds(&s, busy_pct, block + 2 * (size_t)n);
    differentiate(&s, busy_pct);
    const int32_t n_found = find(&s, begin_s, end_s, n_most);
    free(block);
    return n_found;
}
