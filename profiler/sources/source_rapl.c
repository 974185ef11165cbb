/* SPDX-License-Identifier: MIT
 * source_rapl.c - names, bounds and accuracy of the energy counters of x86 processors.
 *
 * Bounds are twice what the largest parts sold draw (2025: a package 500 W), since a bound that is too low would drop
 * what is true. Accuracy: Intel's are of measured currents since Haswell, within some per cent of a meter behind the
 * regulators; AMD's are a model of activity; DRAM follows with an offset that differs per machine.
 * Facts: profiling.md 2.1 "Accuracy"; Intel SDM vol. 3B 16.10; Haehnel et al. 2012 (updates come each ms).
 */
#include "profiler/sources/source_rapl.h"

#include <stdio.h>
#include <string.h>

eprof_scope eprof__rapl_scope(const char *domain)
{
    static const struct { const char *name; eprof_scope scope; } known[] = {
        { "package", EPROF_SCOPE_PACKAGE }, { "pkg", EPROF_SCOPE_PACKAGE }, { "cores", EPROF_SCOPE_CORES },
        { "core", EPROF_SCOPE_CORES }, { "uncore", EPROF_SCOPE_UNCORE }, { "gpu", EPROF_SCOPE_UNCORE },
        { "dram", EPROF_SCOPE_DRAM }, { "ram", EPROF_SCOPE_DRAM }, { "psys", EPROF_SCOPE_SOC } };
    if (strncmp(domain, "energy-", 7) == 0) domain += 7;
    const size_t size = strcspn(domain, "-\n");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == size && strncmp(domain, known[i].name, size) == 0) return known[i].scope;
    return EPROF_SCOPE_OTHER;
}

static double most_watts(eprof_scope scope)
{
    switch (scope) {
    case EPROF_SCOPE_PACKAGE:
    case EPROF_SCOPE_CORES: return 1000;
    case EPROF_SCOPE_DRAM: return 400;
    case EPROF_SCOPE_UNCORE: return 500;
    default: return 4000; /* a platform, whole */
    }
}

void eprof__rapl_describe(eprof__source *s, const eprof__sources *all, eprof_scope scope, double scale, uint64_t wrap,
                          double lsb_j, int n_parts)
{
    bool is_intel, is_virtual;
    eprof__channel *c = &s->channels[0];
    (void)eprof__is_x86(all->io, &is_intel, &is_virtual);
    s->period_ns = (int64_t)(1e9 / all->sample_hz); /* at most a second: counters wrap, and the kernel's deltas too */
    if (s->period_ns > 1000000000) s->period_ns = 1000000000;
    s->n_channels = 1;
    *c = (eprof__channel){ .kind = EPROF__ENERGY, .cls = EPROF_CLASS_COUNTER, .scope = scope, .scale = scale,
                           .period_ns = s->period_ns, .update_ns = 1000000, .wrap = wrap,
                           .most = most_watts(scope) * n_parts, .lsb = lsb_j > scale ? lsb_j : scale };
    c->accuracy = !is_intel ? 0.15 : scope == EPROF_SCOPE_DRAM ? 0.10 : 0.05;
    c->offset_w = scope == EPROF_SCOPE_DRAM ? 0.5 * n_parts : 0;
    memcpy(c->name, s->info.name, sizeof c->name);
    s->info.scope = (int32_t)scope;
    s->info.cls = EPROF_CLASS_COUNTER;
    s->info.period_s = (double)s->period_ns * 1e-9;
    s->info.accuracy_pct = 100 * c->accuracy;
    s->info.live = 1;
}
