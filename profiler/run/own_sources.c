/* SPDX-License-Identifier: MIT
 * own_sources.c - what the profiler knows by itself: the other clocks, what its own threads use, and, at region ends
 * where it was asked for, the exact share of memory.
 *
 * The clocks beside CLOCK_MONOTONIC show a suspended machine (BOOTTIME runs on) and steps of the calendar (REALTIME
 * jumps), profiling.md 3.1. They are added behind the probes and are always alive.
 */
#include "profiler/run/profiler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND_NS INT64_C(1000000000)

/* --------------------------------------------------------------------------------------------- readings -- */

static int read_clocks(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                       int64_t *end_ns)
{
    (void)s, (void)begin_ns, (void)end_ns;
    raw[0] = io->now_ns(io->user, EPROF_CLOCK_REALTIME);
    raw[1] = io->now_ns(io->user, EPROF_CLOCK_BOOTTIME);
    ok[0] = ok[1] = true;
    return 0;
}

static int read_self(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    (void)io, (void)begin_ns, (void)end_ns;
    raw[0] = eprof__own_cpu_ns(s->state);
    ok[0] = true;
    return 0;
}

static int read_pss(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    const struct eprof *p = s->state;
    (void)begin_ns, (void)end_ns;
    const int status = eprof__read_pss(io, p->sources.pid, &raw[0]);
    ok[0] = status == 0;
    return status;
}

static void close_nothing(eprof__source *s, const eprof_io *io)
{
    (void)s, (void)io;
}

static const eprof__source_ops clock_ops = { read_clocks, close_nothing };
static const eprof__source_ops self_ops = { read_self, close_nothing };
static const eprof__source_ops pss_ops = { read_pss, close_nothing };

int64_t eprof__own_cpu_ns(const struct eprof *p)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < p->n_threads; i++)
        sum += atomic_load_explicit(&p->threads[i].cpu_ns, memory_order_relaxed);
    return sum;
}

/* --------------------------------------------------------------------------------------------- the list -- */

static eprof__channel channel_of(const char *name, eprof__kind kind, eprof_class cls, double scale, int64_t period_ns)
{
    eprof__channel c = { .kind = kind, .cls = cls, .scope = EPROF_SCOPE_OTHER, .scale = scale, .period_ns = period_ns,
                         .least = 0, .most = 1e12, .lsb = scale };
    (void)snprintf(c.name, sizeof c.name, "%s", name);
    return c;
}

static eprof__source *add(struct eprof *p, const char *name, const eprof__source_ops *ops, int64_t period_ns,
                          eprof_error *err)
{
    eprof__source *s = eprof__sources_add(&p->sources, name);
    if (!s) {
        (void)eprof__fail(err, EPROF_E_LIMIT, "sources", "name fewer sources", "there are more than %d sources",
                          EPROF__MAX_SOURCES);
        return NULL;
    }
    s->ops = ops;
    s->state = p;
    s->period_ns = period_ns;
    s->info.live = 1;
    s->info.scope = EPROF_SCOPE_OTHER;
    s->info.cls = EPROF_CLASS_COUNTER;
    s->info.period_s = (double)period_ns / 1e9;
    return s;
}

eprof_status eprof__add_own_sources(struct eprof *p, eprof_error *err)
{
    const int64_t tick_ns = (int64_t)(1e9 / p->sources.sample_hz);
    eprof__source *clocks = add(p, "clock", &clock_ops, SECOND_NS, err);
    if (!clocks) return EPROF_E_LIMIT;
    clocks->n_channels = 2;
    clocks->channels[0] = channel_of("clock:realtime", EPROF__REALTIME, EPROF_CLASS_SAMPLE, 1e-9, SECOND_NS);
    clocks->channels[1] = channel_of("clock:boottime", EPROF__BOOTTIME, EPROF_CLASS_SAMPLE, 1e-9, SECOND_NS);
    eprof__source *self = add(p, "self", &self_ops, tick_ns, err);
    if (!self) return EPROF_E_LIMIT;
    self->n_channels = 1;
    self->channels[0] = channel_of("self", EPROF__SELF, EPROF_CLASS_COUNTER, 1e-9, tick_ns);
    if (!(p->flags & EPROF_PSS)) return EPROF_OK;
    eprof__source *pss = add(p, "pss", &pss_ops, 0, err);
    if (!pss) return EPROF_E_LIMIT;
    pss->n_channels = 1;
    pss->channels[0] = channel_of("pss", EPROF__RAM_PSS, EPROF_CLASS_SAMPLE, 1.0 / 1024, 0);
    return EPROF_OK;
}

eprof__source *eprof__pss_source(struct eprof *p)
{
    for (int32_t i = 0; i < p->sources.n; i++)
        if (p->sources.list[i].ops == &pss_ops) return &p->sources.list[i];
    return NULL;
}
