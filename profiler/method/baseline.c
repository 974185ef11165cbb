/* SPDX-License-Identifier: MIT
 * baseline.c - idle spans of the record, and what a quantity was in them.
 *
 * A window is cut into equal parts of a channel's period or longer, and each part is a mean by integrate.c: so
 * counters, instants and windows are one thing, and the channels of a meter add up part by part. Idle power is skewed
 * and energy adds like a mean: the trimmed mean is what is charged, and the median's distance goes into the budget. The
 * parts are correlated: the error of their mean comes from batches longer than the correlation time (batch means: Law
 * and Kelton, Simulation Modeling and Analysis, 9.5), and is widened by Student's factor because there are few.
 * profiling.md 3.5.
 */
#include "profiler/method/baseline.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/method/analyse.h"
#include "profiler/method/budget.h"
#include "profiler/method/integrate.h"

enum { MAX_PARTS = 256, MAX_SLOPE_POINTS = 48, MAX_TRIED = 4 };
static const int64_t settle_ns = 500000000, longest_ns = 60000000000, shortest_ns = 2000000000;

static double seconds(int64_t ns) { return (double)ns * 1e-9; }
static int64_t most_of(int64_t a, int64_t b) { return a > b ? a : b; }

/* --------------------------------------------------------------------------------------------------- spans -- */

bool eprof__is_idle_region(const eprof__region_record *g) { return strcmp(g->name, "(idle)") == 0; }

/* Goes through the spans in order of begin. */
typedef struct sweep {
    const eprof__record *r;
    int64_t i;          /* next region */
    int64_t open_until; /* regions so far end by then */
    int64_t end_ns;     /* of the record */
    bool settles;       /* whether what ended at open_until was work */
} sweep;

static sweep begin_sweep(const eprof__record *r)
{
    return (sweep){ r, 0, eprof__first_known_ns(r), eprof__last_known_ns(r), false };
}

typedef struct span {
    int64_t t0_ns, t1_ns;
    bool is_asked;
} span;

static bool gap_until(sweep *w, int64_t t_ns, span *out)
{
    *out = (span){ w->open_until + (w->settles ? settle_ns : 0), t_ns, false };
    return out->t1_ns > out->t0_ns;
}

/* The region's own span, where it asks for idle time; the time between regions comes first, and lets it come again. */
static bool next_span(sweep *w, span *out)
{
    while (w->i < w->r->n_regions) {
        const eprof__region_record *g = &w->r->regions[w->i];
        const bool is_gap = g->begin_ns > w->open_until && gap_until(w, g->begin_ns, out);
        if (g->begin_ns > w->open_until) w->open_until = g->begin_ns;
        w->settles = is_gap ? false : w->settles;
        if (is_gap) return true;
        w->i++;
        const bool is_idle = eprof__is_idle_region(g);
        if (g->end_ns > w->open_until) {
            w->open_until = g->end_ns;
            w->settles = !is_idle;
        }
        if (!is_idle) continue;
        *out = (span){ g->begin_ns, g->end_ns < w->end_ns ? g->end_ns : w->end_ns, true };
        if (out->t1_ns > out->t0_ns) return true;
    }
    const bool is_gap = w->end_ns > w->open_until && gap_until(w, w->end_ns, out);
    w->open_until = INT64_MAX;
    return is_gap;
}

int64_t eprof__idle_spans(const eprof__record *r, int64_t *t0_ns, int64_t *t1_ns, int64_t n_most)
{
    sweep w = begin_sweep(r);
    span s;
    int64_t n = 0;
    while (n < n_most && next_span(&w, &s)) {
        t0_ns[n] = s.t0_ns;
        t1_ns[n++] = s.t1_ns;
    }
    return n;
}

/* ---------------------------------------------------------------------------------------- one idle window -- */

/* What is looked at: a meter, or a channel, EPROF__MACHINE_BUSY, EPROF__OWN_BUSY. */
typedef struct quantity {
    const eprof__record *r;
    const eprof__meter *meter;
    int32_t channel;
} quantity;

static double channel_mean(const eprof__record *r, int32_t i, int64_t t0, int64_t t1, uint32_t *flags)
{
    const eprof__area a = eprof__integrate(&r->channels[i], &r->samples[i], t0, t1);
    *flags |= a.flags;
    const bool is_counter = r->channels[i].cls == EPROF_CLASS_COUNTER;
    return a.value / (seconds(t1 - t0) * (is_counter ? 1 : a.covered));
}

static double busy_pct(const eprof__record *r, eprof__kind kind, int64_t t0, int64_t t1)
{
    const int32_t i = eprof__find_channel(r, kind);
    uint32_t flags = 0;
    if (i < 0 || r->facts.n_cpus < 1) return EPROF_ABSENT;
    return channel_mean(r, i, t0, t1, &flags) * 100 / r->facts.n_cpus;
}

static double mean_of(const quantity *q, int64_t t0, int64_t t1, uint32_t *flags)
{
    if (!q->meter && q->channel >= 0) return channel_mean(q->r, q->channel, t0, t1, flags);
    if (!q->meter) return busy_pct(q->r, q->channel == EPROF__OWN_BUSY ? EPROF__CPU_OWN : EPROF__CPU_BUSY, t0, t1);
    double sum = 0;
    for (int32_t k = 0; k < q->meter->n_channels; k++) sum += channel_mean(q->r, q->meter->channels[k], t0, t1, flags);
    return sum;
}

static int64_t slowest_ns(const eprof__record *r, int32_t i)
{
    if (i < 0) return 200000000;
    const eprof__channel *c = &r->channels[i];
    return most_of(most_of(c->period_ns, c->update_ns), most_of(c->window_ns, 20000000));
}

/* Of a quantity that is no meter; -1: there is none. */
static int32_t channel_of(const quantity *q)
{
    if (q->channel >= 0) return q->channel;
    return eprof__find_channel(q->r, q->channel == EPROF__OWN_BUSY ? EPROF__CPU_OWN : EPROF__CPU_BUSY);
}

static int64_t part_ns(const quantity *q)
{
    if (!q->meter) return slowest_ns(q->r, channel_of(q));
    int64_t slowest = 0;
    for (int32_t k = 0; k < q->meter->n_channels; k++)
        slowest = most_of(slowest, slowest_ns(q->r, q->meter->channels[k]));
    return slowest;
}

static int by_value(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static double median_of_sorted(const double *x, int64_t n) { return 0.5 * (x[(n - 1) / 2] + x[n / 2]); }

static double mean_of_array(const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

static double deviation(const double *x, int64_t n, double mean)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : 0;
}

/* Parts in one batch: three correlation times, by the correlation of neighbours; at most a fifth of all. */
static int64_t batch_length(const double *x, int64_t n, double mean)
{
    double c0 = 0, c1 = 0;
    for (int64_t i = 0; i < n; i++) c0 += (x[i] - mean) * (x[i] - mean);
    for (int64_t i = 0; i + 1 < n; i++) c1 += (x[i] - mean) * (x[i + 1] - mean);
    const double rho = c0 > 0 ? c1 / c0 : 0;
    int64_t length = 1;
    for (double left = rho; left > 0.05 && length < n / 5; left *= rho) length++; /* exp(-3) = 0.05 */
    return length;
}

static double standard_error(const double *x, int64_t n)
{
    const double mean = mean_of_array(x, n);
    const int64_t length = batch_length(x, n, mean), n_batches = n / length;
    double batch[MAX_PARTS];
    for (int64_t i = 0; i < n_batches; i++) batch[i] = mean_of_array(x + i * length, length);
    if (n_batches < 2) return 0;
    const double sd = deviation(batch, n_batches, mean_of_array(batch, n_batches));
    return sd / sqrt((double)n_batches) * eprof__student_factor((double)(n_batches - 1));
}

/* Theil and Sen's median of all slopes, of means of neighbours when there are many. */
static double slope_of(const double *x, int64_t n, double part_s)
{
    double point[MAX_SLOPE_POINTS], slopes[MAX_SLOPE_POINTS * (MAX_SLOPE_POINTS - 1) / 2];
    const int64_t each = (n + MAX_SLOPE_POINTS - 1) / MAX_SLOPE_POINTS, n_points = n / each;
    for (int64_t i = 0; i < n_points; i++) point[i] = mean_of_array(x + i * each, each);
    int64_t n_slopes = 0;
    for (int64_t i = 0; i < n_points; i++)
        for (int64_t j = i + 1; j < n_points; j++)
            slopes[n_slopes++] = (point[j] - point[i]) / ((double)(j - i) * (double)each * part_s);
    if (n_slopes == 0) return 0;
    qsort(slopes, (size_t)n_slopes, sizeof *slopes, by_value);
    return median_of_sorted(slopes, n_slopes);
}

/* Median, trimmed mean and median absolute deviation; x is sorted on return. */
static double centre(double *x, int64_t n, eprof__idle *out)
{
    qsort(x, (size_t)n, sizeof *x, by_value);
    out->median = median_of_sorted(x, n);
    const int64_t cut = n / 10;
    out->mean = mean_of_array(x + cut, n - 2 * cut);
    for (int64_t i = 0; i < n; i++) x[i] = fabs(x[i] - out->median);
    qsort(x, (size_t)n, sizeof *x, by_value);
    return median_of_sorted(x, n);
}

/* --------------------------------------------------------------------------------------------------- gates -- */

static bool is_quiet(const eprof__record *r, const span *s)
{
    const double busy = busy_pct(r, EPROF__CPU_BUSY, s->t0_ns, s->t1_ns);
    const double own = busy_pct(r, EPROF__CPU_OWN, s->t0_ns, s->t1_ns);
    const bool others_rest = isnan(busy) || busy - (isnan(own) ? 0 : own) < 2;
    return others_rest && (s->is_asked || isnan(own) || own < 2);
}

static bool is_cool(const eprof__record *r, const span *s)
{
    const uint32_t spoilt = EPROF_FLAG_THROTTLED | EPROF_FLAG_SUSPENDED;
    if (eprof__machine_flags(r, s->t0_ns, s->t1_ns) & spoilt) return false;
    const int32_t i = eprof__find_channel(r, EPROF__TEMP);
    if (i < 0) return true;
    const double from = eprof__value_at(&r->channels[i], &r->samples[i], s->t0_ns);
    const double to = eprof__value_at(&r->channels[i], &r->samples[i], s->t1_ns);
    return !(fabs(to - from) >= 0.2 * seconds(s->t1_ns - s->t0_ns));
}

static bool is_level(const eprof__idle *w, double mad, double length_s)
{
    return fabs(w->slope) * length_s <= fmax(0.02 * fabs(w->mean), 2 * mad);
}

/* ----------------------------------------------------------------------------------------- windows, lines -- */

/* To the time between the first and last readings of a channel. */
static void clip_to_channel(const eprof__record *r, int32_t i, span *s)
{
    const eprof__samples *all = i >= 0 ? &r->samples[i] : NULL;
    if (!all || all->n == 0) return;
    const int64_t first = eprof__sample_at(all, 0)->t_ns, last = eprof__sample_at(all, all->n - 1)->t_ns;
    if (first > s->t0_ns) s->t0_ns = first;
    if (last < s->t1_ns) s->t1_ns = last;
}

static span clipped(const quantity *q, span s)
{
    const int32_t n = q->meter ? q->meter->n_channels : 1;
    for (int32_t k = 0; k < n; k++) clip_to_channel(q->r, q->meter ? q->meter->channels[k] : channel_of(q), &s);
    return s;
}

static bool measure(const quantity *q, const span *asked, eprof__idle *out)
{
    const span cut = clipped(q, *asked), *s = &cut;
    if (s->t1_ns - s->t0_ns < shortest_ns) return false;
    double x[MAX_PARTS];
    int64_t n = 0, n_parts = (s->t1_ns - s->t0_ns) / part_ns(q);
    n_parts = n_parts < 2 ? 2 : n_parts > MAX_PARTS ? MAX_PARTS : n_parts;
    const int64_t each_ns = (s->t1_ns - s->t0_ns) / n_parts;
    uint32_t flags = 0;
    for (int64_t i = 0; i < n_parts; i++) {
        const double mean = mean_of(q, s->t0_ns + i * each_ns, s->t0_ns + (i + 1) * each_ns, &flags);
        if (isfinite(mean)) x[n++] = mean;
    }
    if (n < 2) return false;
    *out = (eprof__idle){ .t0_ns = s->t0_ns, .t1_ns = s->t1_ns, .n = n };
    double diff2 = 0;
    for (int64_t i = 0; i + 1 < n; i++) diff2 += (x[i + 1] - x[i]) * (x[i + 1] - x[i]);
    out->rough = sqrt(diff2 / (2 * (double)(n - 1)));
    out->se = standard_error(x, n);
    out->slope = slope_of(x, n, seconds(each_ns));
    const double mad = centre(x, n, out), length_s = seconds(s->t1_ns - s->t0_ns);
    const uint32_t spoilt = EPROF_FLAG_GAP | EPROF_FLAG_INCOMPLETE | EPROF_FLAG_WRAP_AMBIGUOUS;
    out->is_quiet = is_quiet(q->r, s);
    out->is_stable = (n >= 50 || length_s >= 10) && !(flags & spoilt) && is_level(out, mad, length_s) &&
                     out->is_quiet && is_cool(q->r, s);
    return true;
}

/* The first of the candidates, nearest first, that passes the gates; else the nearest that could be measured. */
static bool choose(const quantity *q, const span *candidates, int32_t n, eprof__idle *out)
{
    bool is_found = false;
    for (int32_t i = 0; i < n; i++) {
        eprof__idle one;
        if (!measure(q, &candidates[i], &one)) continue;
        if (!is_found || one.is_stable) *out = one;
        is_found = true;
        if (one.is_stable) break;
    }
    return is_found;
}

static void insert_nearest(span *candidates, int32_t *n, span s)
{
    memmove(candidates + 1, candidates, sizeof *candidates * (MAX_TRIED - 1));
    candidates[0] = s;
    if (*n < MAX_TRIED) (*n)++;
}

typedef struct candidates {
    span before[MAX_TRIED], after[MAX_TRIED], first_inside, last_inside;
    int32_t n_before, n_after, n_inside;
} candidates;

static candidates find_candidates(const eprof__record *r, int64_t t0_ns, int64_t t1_ns)
{
    candidates c = { .n_before = 0 };
    sweep w = begin_sweep(r);
    span s;
    while (c.n_after < MAX_TRIED && next_span(&w, &s)) {
        if (s.t1_ns - s.t0_ns < shortest_ns) continue;
        if (s.t1_ns <= t0_ns) {
            s.t0_ns = most_of(s.t0_ns, s.t1_ns - longest_ns);
            insert_nearest(c.before, &c.n_before, s);
        } else if (s.t0_ns >= t1_ns) {
            if (s.t1_ns - s.t0_ns > longest_ns) s.t1_ns = s.t0_ns + longest_ns;
            c.after[c.n_after++] = s;
        } else if (s.t0_ns >= t0_ns && s.t1_ns <= t1_ns) {
            c.last_inside = s;
            if (c.n_inside++ == 0) c.first_inside = s;
        }
    }
    return c;
}

static double middle_of(const eprof__idle *w) { return 0.5 * ((double)w->t0_ns + (double)w->t1_ns); }

static double wander_of(const eprof__idle *w) { return w->se * sqrt(seconds(w->t1_ns - w->t0_ns)); }

/* at_middle on the line between the two windows' centres; a window in which somebody worked has no weight beside one
 * in which nobody did. */
static void draw_line(eprof__baseline *b, double middle_ns)
{
    const double c0 = middle_of(&b->before), c1 = middle_of(&b->after);
    double w = b->has_before ? 0 : 1; /* the weight of `after` */
    if (b->has_before && b->has_after) {
        b->drift = fabs(b->after.mean - b->before.mean);
        w = b->before.is_quiet != b->after.is_quiet ? (b->after.is_quiet ? 1 : 0) :
            c1 > c0 ? fmin(fmax((middle_ns - c0) / (c1 - c0), 0), 1) : 0.5;
    }
    b->at_middle = (1 - w) * b->before.mean + w * b->after.mean;
    b->median_at_middle = (1 - w) * b->before.median + w * b->after.median;
    b->se = eprof__in_squares((1 - w) * b->before.se, w * b->after.se);
    b->rough = (1 - w) * b->before.rough + w * b->after.rough;
    b->wander = (1 - w) * wander_of(&b->before) + w * wander_of(&b->after);
    const bool is_stable = (w < 1 && b->before.is_stable) || (w > 0 && b->after.is_stable);
    if (!is_stable) b->flags |= EPROF_FLAG_BASELINE_UNSTABLE;
}

static eprof__baseline baseline_of(const quantity *q, int64_t t0_ns, int64_t t1_ns)
{
    eprof__baseline b = { .at_middle = EPROF_ABSENT, .median_at_middle = EPROF_ABSENT, .se = EPROF_ABSENT };
    const candidates c = find_candidates(q->r, t0_ns, t1_ns);
    b.has_before = choose(q, c.before, c.n_before, &b.before);
    b.has_after = choose(q, c.after, c.n_after, &b.after);
    if (!b.has_before && !b.has_after) {
        b.has_before = c.n_inside > 0 && choose(q, &c.first_inside, 1, &b.before);
        b.has_after = c.n_inside > 1 && choose(q, &c.last_inside, 1, &b.after);
    }
    if (b.has_before || b.has_after) draw_line(&b, 0.5 * ((double)t0_ns + (double)t1_ns));
    return b;
}

eprof__baseline eprof__baseline_of_meter(const eprof__record *r, const eprof__meter *m, int64_t t0_ns, int64_t t1_ns)
{
    const quantity q = { r, m, 0 };
    return baseline_of(&q, t0_ns, t1_ns);
}

eprof__baseline eprof__baseline_of_channel(const eprof__record *r, int32_t channel, int64_t t0_ns, int64_t t1_ns)
{
    const quantity q = { r, NULL, channel };
    return baseline_of(&q, t0_ns, t1_ns);
}
