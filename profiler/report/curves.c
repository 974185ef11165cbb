/* SPDX-License-Identifier: MIT
 * curves.c - from channels to curves, and thinning that keeps every peak.
 */
#include "profiler/report/curves.h"

#include <stdlib.h>

#include "profiler/method/analyse.h"
#include "profiler/method/integrate.h"
#include "profiler/run/profiler.h"

void eprof__curve_free(eprof__curve *c)
{
    free(c->t_s);
    *c = (eprof__curve){ 0 };
}

/* Room for `capacity` points; t_s owns both arrays. */
static eprof_status make(eprof__curve *c, int64_t capacity, eprof_error *err)
{
    const size_t n = capacity > 0 ? (size_t)capacity : 1;
    *c = (eprof__curve){ .t_s = calloc(2 * n, sizeof *c->t_s) };
    if (!c->t_s) return eprof__fail(err, EPROF_E_NOMEM, "report", "", "no memory for a curve of %zu points", n);
    c->value = c->t_s + n;
    return EPROF_OK;
}

static void add(eprof__curve *c, double t_s, double value)
{
    c->t_s[c->n] = t_s;
    c->value[c->n++] = value;
}

static double seconds_of(const eprof__record *r, int64_t t_ns) { return (double)(t_ns - r->facts.start_ns) / 1e9; }

/* Stretches [t[i], t[i + 1]] with the mean value[i] become points in their middles, after those shorter than least_ns
 * are joined with the next. */
static void join_stretches(const eprof__record *r, const int64_t *t_ns, const double *value, int64_t n,
                           int64_t least_ns, eprof__curve *out)
{
    int64_t from_ns = n > 0 ? t_ns[0] : 0;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += value[i] * (double)(t_ns[i + 1] - t_ns[i]);
        const int64_t length_ns = t_ns[i + 1] - from_ns;
        if (length_ns < least_ns || length_ns <= 0) continue;
        add(out, seconds_of(r, from_ns + length_ns / 2), sum / (double)length_ns);
        from_ns = t_ns[i + 1];
        sum = 0;
    }
}

typedef struct stretches {
    int64_t *t_ns;           /* n + 1 */
    double *value;
    int64_t n, capacity;
} stretches;

static eprof_status stretches_make(stretches *s, int64_t capacity, eprof_error *err)
{
    *s = (stretches){ .capacity = capacity };
    s->t_ns = calloc((size_t)capacity + 2, sizeof *s->t_ns);
    s->value = calloc((size_t)capacity + 2, sizeof *s->value);
    if (s->t_ns && s->value) return EPROF_OK;
    free(s->t_ns);
    free(s->value);
    return eprof__fail(err, EPROF_E_NOMEM, "report", "", "no memory for %lld readings", (long long)capacity);
}

static eprof_status finish_stretches(const eprof__record *r, stretches *s, int64_t least_ns, eprof__curve *out,
                                     eprof_error *err)
{
    const eprof_status status = make(out, s->n, err);
    if (status == EPROF_OK) join_stretches(r, s->t_ns, s->value, s->n, least_ns, out);
    free(s->t_ns);
    free(s->value);
    return status;
}

static eprof_status curve_of_counter(const eprof__record *r, int32_t channel, eprof__curve *out, eprof_error *err)
{
    const eprof__channel *c = &r->channels[channel];
    stretches s;
    eprof_status status = stretches_make(&s, r->samples[channel].n, err);
    if (status != EPROF_OK) return status;
    s.n = eprof__rates(c, &r->samples[channel], r->facts.start_ns, r->facts.stop_ns, s.t_ns, s.value, s.capacity);
    return finish_stretches(r, &s, c->period_ns / 2, out, err);
}

static eprof_status curve_of_samples(const eprof__record *r, int32_t channel, eprof__curve *out, eprof_error *err)
{
    const eprof__channel *c = &r->channels[channel];
    const eprof__samples *s = &r->samples[channel];
    const eprof_status status = make(out, 2 * s->n, err); /* each may have a break before it */
    if (status != EPROF_OK) return status;
    for (int64_t i = 0, last_ns = 0; i < s->n; i++) {
        const eprof__sample *x = eprof__sample_at(s, i);
        const double value = (double)x->raw * c->scale;
        const int64_t t_ns = x->t_ns - c->window_ns / 2;
        const double t_s = seconds_of(r, t_ns);
        if (!(value >= c->least && value <= c->most) || (x->flags & EPROF_FLAG_READ_ERROR)) continue;
        if (out->n > 0 && t_s <= out->t_s[out->n - 1]) continue;
        if (out->n > 0 && c->period_ns > 0 && t_ns - last_ns > c->period_ns / 2 * 5)
            add(out, seconds_of(r, last_ns + (t_ns - last_ns) / 2), EPROF_ABSENT);
        add(out, t_s, value);
        last_ns = t_ns;
    }
    return EPROF_OK;
}

static eprof_status curve_of_channel(const eprof__record *r, int32_t channel, eprof__curve *out, eprof_error *err)
{
    return r->channels[channel].cls == EPROF_CLASS_COUNTER ? curve_of_counter(r, channel, out, err)
                                                           : curve_of_samples(r, channel, out, err);
}

eprof_status eprof__curve_of_meter(const eprof__record *r, const eprof__meter *m, eprof__curve *out, eprof_error *err)
{
    *out = (eprof__curve){ 0 };
    if (m->n_channels < 1) return EPROF_OK;
    eprof_status status = curve_of_channel(r, m->channels[0], out, err);
    for (int32_t k = 1; k < m->n_channels && status == EPROF_OK; k++) {
        eprof__curve part;
        status = curve_of_channel(r, m->channels[k], &part, err);
        if (status != EPROF_OK) break;
        for (int64_t i = 0; i < out->n; i++) out->value[i] += eprof__curve_at(&part, out->t_s[i]);
        eprof__curve_free(&part);
    }
    if (status != EPROF_OK) eprof__curve_free(out);
    return status;
}

eprof_status eprof__curve_of_busy(const eprof__record *r, eprof__curve *out, eprof_error *err)
{
    *out = (eprof__curve){ 0 };
    const int32_t channel = eprof__find_channel(r, EPROF__CPU_BUSY);
    if (channel < 0) return EPROF_OK;
    stretches s;
    eprof_status status = stretches_make(&s, r->samples[channel].n, err);
    if (status != EPROF_OK) return status;
    const int64_t n = eprof__utilisation(r, r->facts.start_ns, r->facts.stop_ns, s.t_ns, s.value, s.capacity);
    for (int64_t i = 0; i + 1 < n; i++) s.value[i] = s.value[i + 1]; /* each is of the time before it, */
    s.n = n > 0 ? n - 1 : 0;                                         /* and the first's begin is not known */
    return finish_stretches(r, &s, r->channels[channel].period_ns / 2, out, err);
}

eprof_status eprof__curve_of_own(const eprof__record *r, eprof__curve *out, eprof_error *err)
{
    *out = (eprof__curve){ 0 };
    const int32_t channel = eprof__find_channel(r, EPROF__CPU_OWN);
    if (channel < 0 || r->facts.n_cpus < 1) return EPROF_OK;
    const eprof_status status = curve_of_counter(r, channel, out, err);
    for (int64_t i = 0; i < out->n; i++) out->value[i] *= 100.0 / r->facts.n_cpus;
    return status;
}

eprof_status eprof__curve_of_kind(const eprof__record *r, eprof__kind kind, eprof__curve *out, eprof_error *err)
{
    *out = (eprof__curve){ 0 };
    const int32_t channel = eprof__find_channel(r, kind);
    return channel < 0 ? EPROF_OK : curve_of_channel(r, channel, out, err);
}

/* -------------------------------------------------------------------------------------- points of a curve -- */

/* The points [from, to) as at most three: a break if there is one, the least and the greatest, in order of time. */
static int64_t thin_stretch(eprof__curve *c, int64_t from, int64_t to, int64_t at)
{
    int64_t least = -1, greatest = -1, gap = -1;
    for (int64_t i = from; i < to; i++) {
        const double v = c->value[i];
        if (isnan(v)) gap = i;
        else if (least < 0) least = greatest = i;
        else if (v < c->value[least]) least = i;
        else if (v > c->value[greatest]) greatest = i;
    }
    int64_t kept[3] = { gap, least, greatest == least ? -1 : greatest };
    for (int i = 0; i < 2; i++) /* three numbers in order */
        for (int k = 0; k < 2; k++)
            if (kept[k] > kept[k + 1]) {
                const int64_t other = kept[k];
                kept[k] = kept[k + 1];
                kept[k + 1] = other;
            }
    for (int i = 0; i < 3; i++) {
        if (kept[i] < 0) continue;
        c->t_s[at] = c->t_s[kept[i]];
        c->value[at++] = c->value[kept[i]];
    }
    return at;
}

void eprof__curve_thin(eprof__curve *c, int64_t n_most)
{
    if (c->n <= n_most) return;
    const int64_t last = c->n - 1, n_bins = (n_most - 2) / 3 > 0 ? (n_most - 2) / 3 : 1;
    const double end_s = c->t_s[last], end_value = c->value[last], t0 = c->t_s[0];
    const double width = (end_s - t0) / (double)n_bins;
    int64_t at = 1, from = 1; /* a stretch is read wholly before less is written over its beginning */
    for (int64_t bin = 0; bin < n_bins && from < last; bin++) {
        int64_t to = from;
        while (to < last && (c->t_s[to] < t0 + width * (double)(bin + 1) || bin == n_bins - 1)) to++;
        at = thin_stretch(c, from, to, at);
        from = to;
    }
    c->t_s[at] = end_s;
    c->value[at++] = end_value;
    c->n = at;
}

int64_t eprof__curve_from(const eprof__curve *c, double t_s)
{
    int64_t low = 0, high = c->n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (c->t_s[middle] < t_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

double eprof__curve_at(const eprof__curve *c, double t_s)
{
    const int64_t i = eprof__curve_from(c, t_s);
    if (i == c->n) return EPROF_ABSENT;
    if (c->t_s[i] == t_s) return c->value[i];
    if (i == 0) return EPROF_ABSENT;
    const double share = (t_s - c->t_s[i - 1]) / (c->t_s[i] - c->t_s[i - 1]);
    return c->value[i - 1] + share * (c->value[i] - c->value[i - 1]);
}

double eprof__curve_top(const eprof__curve *c)
{
    double top = 0;
    for (int64_t i = 0; i < c->n; i++)
        if (c->value[i] > top) top = c->value[i];
    return top;
}

double eprof__curve_least(const eprof__curve *c)
{
    double least = HUGE_VAL;
    for (int64_t i = 0; i < c->n; i++)
        if (c->value[i] < least) least = c->value[i];
    return least;
}
