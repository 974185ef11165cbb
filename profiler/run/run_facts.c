/* SPDX-License-Identifier: MIT
 * run_facts.c - what a profiler says of itself: its sources, and what it costs.
 *
 * Invariant: nothing here changes the profiler; numbers of its threads may be a tick old.
 */
#include "profiler/run/profiler.h"

#include <string.h>

#define STATE_BIT(state) (1u << (state))

/* ----------------------------------------------------------------------------------------------- sources -- */

/* One that gives energy, or would; not CPU time, memory and clocks. */
static bool is_of_energy(const eprof__source *s)
{
    for (int32_t i = 0; i < s->n_channels; i++)
        if (s->channels[i].kind == EPROF__ENERGY || s->channels[i].kind == EPROF__POWER) return true;
    return s->n_channels == 0;
}

/* The sum of its sensors' latest values. Counters and silent sensors give none. */
static double latest_power_w(const struct eprof *p, const eprof__source *s)
{
    double sum = EPROF_ABSENT;
    (void)pthread_mutex_lock(&p->record->lock);
    for (int32_t i = 0; i < s->n_channels && s->info.live; i++) {
        const eprof__samples *samples = &p->record->samples[s->first_channel + i];
        const bool is_part = s->channels[i].kind == EPROF__POWER && (int32_t)s->channels[i].scope == s->info.scope;
        if (!is_part || samples->n == 0) continue;
        const double w = (double)eprof__sample_at(samples, samples->n - 1)->raw * s->channels[i].scale;
        sum = eprof_has(sum) ? sum + w : w;
    }
    (void)pthread_mutex_unlock(&p->record->lock);
    return sum;
}

eprof_status eprof_source(const eprof *p, int32_t i, eprof_source_info *out, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(p, err);
    EPROF__NEED_STRUCT(out, eprof_source_info, err);
    EPROF__TRY(eprof__need_state(p, ~0u, err));
    int32_t n = -1, at = 0;
    for (; i >= 0 && at < p->sources.n; at++)
        if (is_of_energy(&p->sources.list[at]) && ++n == i) break;
    if (i < 0 || at == p->sources.n)
        return eprof__fail(err, EPROF_E_ARG, "source", "", "there is no source %d; there are %d", (int)i, (int)n + 1);
    eprof_source_info info = p->sources.list[at].info;
    const double power_w = latest_power_w(p, &p->sources.list[at]);
    if (eprof_has(power_w)) info.power_w = power_w;
    info.struct_size = out->struct_size;
    memcpy(out, &info, sizeof info);
    return EPROF_OK;
}

/* ---------------------------------------------------------------------------------------------- overhead -- */

/* The upper edge of the bin in which the share q of the ticks ends, at most the largest. */
static double lateness_us(const eprof__lateness *l, double q)
{
    const int64_t n = atomic_load(&l->n_ticks);
    const double most_us = (double)atomic_load(&l->max_ns) / 1e3;
    int64_t sum = 0;
    if (n == 0) return EPROF_ABSENT;
    for (int i = 0; i < EPROF__LATE_BINS; i++) {
        sum += atomic_load(&l->bins[i]);
        const double edge_us = (double)(INT64_C(2) << i);
        if ((double)sum >= q * (double)n) return edge_us < most_us ? edge_us : most_us;
    }
    return most_us;
}

eprof_status eprof_overhead_of(const eprof *p, eprof_overhead *out, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(p, err);
    EPROF__NEED_STRUCT(out, eprof_overhead, err);
    EPROF__TRY(eprof__need_state(p, STATE_BIT(EPROF__STARTED) | STATE_BIT(EPROF__STOPPED), err));
    const eprof__facts *f = &p->record->facts;
    const bool runs = atomic_load(&p->state) == EPROF__STARTED;
    const int64_t end_ns = runs ? p->io.now_ns(p->io.user, EPROF_CLOCK_MONOTONIC) : f->stop_ns;
    const double core_s = (double)eprof__own_cpu_ns(p) / 1e9;
    const eprof_overhead overhead = {
        .struct_size = out->struct_size,
        .n_threads = p->n_threads,
        .core_s = core_s,
        .share_of_core = end_ns > f->start_ns ? core_s * 1e9 / (double)(end_ns - f->start_ns) : 0,
        .late_p50_us = lateness_us(&p->lateness, 0.5),
        .late_p99_us = lateness_us(&p->lateness, 0.99),
        .late_max_us = lateness_us(&p->lateness, 2), /* behind every tick */
        .n_ticks = atomic_load(&p->lateness.n_ticks),
        .n_missed = atomic_load(&p->lateness.n_missed),
        .sample_hz = p->n_threads ? 1e9 / (double)atomic_load(&p->threads[0].period_ns) : EPROF_ABSENT,
    };
    memcpy(out, &overhead, sizeof overhead);
    return EPROF_OK;
}
