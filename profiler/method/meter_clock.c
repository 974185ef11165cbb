/* SPDX-License-Identifier: MIT
 * meter_clock.c - puts the samples of a meter with its own clock where they belong in ours. profiling.md 3.7.
 *
 * The meter's watts are laid beside the watts of another meter, where one measures, else beside the machine's busy
 * share. What was found is kept in the channel, so that a log has it and a replay need not look for it again.
 */
#include <stdlib.h>

#include "profiler/method/align.h"
#include "profiler/method/analyse.h"
#include "profiler/method/integrate.h"
#include "profiler/run/profiler.h"

#define RANGE_S 10.0
#define UNALIGNED_SIGMA_S 1.0 /* what clocks set by hand or by network are commonly apart */
enum { SEED = 1, MOST_POINTS = 1 << 20 };

/* A signal that owns its numbers. */
typedef struct curve {
    double *t_s, *value;
    int64_t n;
} curve;

static bool make_room(curve *c, int64_t n)
{
    c->t_s = calloc((size_t)n, sizeof *c->t_s);
    c->value = calloc((size_t)n, sizeof *c->value);
    return c->t_s && c->value;
}

static void release(curve *c)
{
    free(c->t_s);
    free(c->value);
}

static double seconds_since(int64_t t_ns, int64_t start_ns) { return (double)(t_ns - start_ns) * 1e-9; }

/* A channel of ours whose watts are measured: a counter or a sensor of the widest meter. -1: none. */
static int32_t measured_power(const eprof__record *r)
{
    for (int32_t m = 0; m < r->n_meters; m++) {
        const int32_t i = r->meters[m].channels[0];
        const eprof__channel *c = &r->channels[i];
        if (!c->has_own_clock && c->cls != EPROF_CLASS_MODEL && r->samples[i].n > 8) return i;
    }
    return -1;
}

static eprof_status watts_of(const eprof__record *r, int32_t i, curve *out, eprof_error *err)
{
    const eprof__channel *c = &r->channels[i];
    const eprof__samples *s = &r->samples[i];
    int64_t *t_ns = calloc((size_t)s->n + 1, sizeof *t_ns);
    eprof_status status = t_ns && make_room(out, s->n + 1)
                              ? EPROF_OK
                              : eprof__fail(err, EPROF_E_NOMEM, c->name, "", "no memory to lay clocks side by side");
    if (status == EPROF_OK && c->cls == EPROF_CLASS_COUNTER) {
        out->n = eprof__rates(c, s, INT64_MIN / 4, INT64_MAX / 4, t_ns, out->value, s->n);
        for (int64_t k = 0; k < out->n; k++)
            out->t_s[k] = seconds_since(t_ns[k] / 2 + t_ns[k + 1] / 2, r->facts.start_ns);
    } else if (status == EPROF_OK) {
        for (; out->n < s->n; out->n++) {
            out->t_s[out->n] = seconds_since(eprof__sample_at(s, out->n)->t_ns, r->facts.start_ns);
            out->value[out->n] = (double)eprof__sample_at(s, out->n)->raw * c->scale;
        }
    }
    free(t_ns);
    return status;
}

static eprof_status busy_share(const eprof__record *r, curve *out, eprof_error *err)
{
    const int32_t i = eprof__find_channel(r, EPROF__CPU_BUSY);
    const int64_t n = i < 0 ? 0 : r->samples[i].n;
    int64_t *t_ns = calloc((size_t)n + 1, sizeof *t_ns);
    if (!t_ns || !make_room(out, n + 1)) {
        free(t_ns);
        return eprof__fail(err, EPROF_E_NOMEM, "cpu_busy", "", "no memory to lay clocks side by side");
    }
    out->n = eprof__utilisation(r, r->facts.start_ns, r->facts.stop_ns, t_ns, out->value, n);
    const int64_t half_ns = i < 0 ? 0 : r->channels[i].period_ns / 2; /* a share is of the time before its reading */
    for (int64_t k = 0; k < out->n; k++) out->t_s[k] = seconds_since(t_ns[k] - half_ns, r->facts.start_ns);
    free(t_ns);
    return EPROF_OK;
}

static eprof_status curve_of(const eprof__sample *samples, int64_t n, int64_t start_ns, curve *out, eprof_error *err)
{
    if (!make_room(out, n)) return eprof__fail(err, EPROF_E_NOMEM, "meter", "", "no memory for %lld samples",
                                               (long long)n);
    for (; out->n < n; out->n++) {
        out->t_s[out->n] = seconds_since(samples[out->n].t_ns, start_ns);
        out->value[out->n] = (double)samples[out->n].raw;
    }
    return EPROF_OK;
}

eprof_status eprof__set_meter_clock(eprof__record *r, int32_t channel, eprof__sample *samples, int64_t n,
                                    eprof_error *err)
{
    curve ours = { NULL, NULL, 0 }, meters = { NULL, NULL, 0 };
    eprof__alignment found = { .alpha = 1, .sigma_beta_s = UNALIGNED_SIGMA_S };
    const int32_t power = measured_power(r);
    eprof_status status = n > MOST_POINTS ? eprof__fail(err, EPROF_E_LIMIT, r->channels[channel].name, "cut the log",
                                                        "a meter's log has %lld samples, at most %d are read",
                                                        (long long)n, (int)MOST_POINTS)
                          : power >= 0    ? watts_of(r, power, &ours, err)
                                          : busy_share(r, &ours, err);
    if (status == EPROF_OK) status = curve_of(samples, n, r->facts.start_ns, &meters, err);
    if (status == EPROF_OK) {
        const eprof__signal a = { ours.t_s, ours.value, ours.n }, b = { meters.t_s, meters.value, meters.n };
        eprof__alignment best;
        if (eprof__align(&a, &b, RANGE_S, SEED, &best, NULL) == EPROF_OK && best.is_good) found = best;
        for (int64_t i = 0; i < n; i++)
            samples[i].t_ns = r->facts.start_ns + (int64_t)((found.alpha * meters.t_s[i] + found.beta_s) * 1e9);
        r->channels[channel].align_sigma_s = found.sigma_beta_s;
        r->channels[channel].align_quality = found.quality;
    }
    release(&ours);
    release(&meters);
    return status;
}
