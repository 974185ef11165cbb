/* SPDX-License-Identifier: MIT
 * ram_area.c - memory as areas: what a region held above what was held before, and its peaks.
 *
 * profiling.md 3.4. Memory is not given back when a region ends, so the idle time around a region is no baseline for
 * it: what was there before the first region is (a prompt's cost, where loading was no region), and, for deployment
 * with the load in it, what the machine held before eprof_start. The mean of the second before, since memory moves in
 * steps that stay; where there are no readings, the one next to it.
 */
#include "profiler/method/analyse.h"
#include "profiler/method/baseline.h"
#include "profiler/method/integrate.h"

static double seconds(int64_t ns) { return (double)ns * 1e-9; }

/* The mean of the second before t1, but not before t0; else the value at t1. */
static double level(const eprof__record *r, int32_t i, int64_t t0_ns, int64_t t1_ns)
{
    if (t1_ns - t0_ns > 1000000000) t0_ns = t1_ns - 1000000000;
    const eprof__area a = eprof__integrate(&r->channels[i], &r->samples[i], t0_ns, t1_ns);
    if (eprof_has(a.value)) return a.value / (a.covered * seconds(t1_ns - t0_ns));
    return eprof__value_at(&r->channels[i], &r->samples[i], t1_ns);
}

static int64_t first_region_ns(const eprof__record *r)
{
    for (int64_t i = 0; i < r->n_regions; i++)
        if (!eprof__is_idle_region(&r->regions[i])) return r->regions[i].begin_ns;
    return eprof__last_known_ns(r);
}

static double before_regions(const eprof__record *r, int32_t i)
{
    return level(r, i, eprof__first_known_ns(r), first_region_ns(r));
}

static double before_start(const eprof__record *r, int32_t i)
{
    const eprof__samples *s = &r->samples[i];
    if (s->n == 0) return EPROF_ABSENT;
    return level(r, i, eprof__sample_at(s, 0)->t_ns, r->facts.start_ns);
}

/* The highest reading of the region, its ends included; NAN: no such channel. */
static double peak(const eprof__record *r, int32_t i, int64_t t0_ns, int64_t t1_ns)
{
    if (i < 0) return EPROF_ABSENT;
    const double inside = eprof__integrate(&r->channels[i], &r->samples[i], t0_ns, t1_ns).peak;
    if (eprof_has(inside)) return inside;
    const double begin = eprof__value_at(&r->channels[i], &r->samples[i], t0_ns);
    return fmax(begin, eprof__value_at(&r->channels[i], &r->samples[i], t1_ns));
}

static double area_above(const eprof__record *r, int32_t i, int64_t t0_ns, int64_t t1_ns, double base)
{
    const eprof__area a = eprof__integrate(&r->channels[i], &r->samples[i], t0_ns, t1_ns);
    return a.value - base * a.covered * seconds(t1_ns - t0_ns);
}

/* The reading that was taken when the region had ended: within a second of it. */
static double pss_at_end(const eprof__record *r, int64_t t0_ns, int64_t t1_ns)
{
    const int32_t i = eprof__find_channel(r, EPROF__RAM_PSS);
    if (i < 0) return EPROF_ABSENT;
    const eprof__samples *s = &r->samples[i];
    const int64_t after = eprof__samples_before(s, t1_ns);
    for (int64_t k = after; k < s->n && eprof__sample_at(s, k)->t_ns - t1_ns < 1000000000; k++)
        if (!(eprof__sample_at(s, k)->flags & EPROF_FLAG_READ_ERROR))
            return (double)eprof__sample_at(s, k)->raw * r->channels[i].scale;
    if (after == 0 || eprof__sample_at(s, after - 1)->t_ns < t0_ns) return EPROF_ABSENT;
    return (double)eprof__sample_at(s, after - 1)->raw * r->channels[i].scale;
}

void eprof__analyse_ram(const eprof__record *r, const eprof__region_record *g, int64_t t1_ns, eprof_result *out)
{
    const int64_t t0_ns = g->begin_ns;
    const int32_t anon = eprof__find_channel(r, EPROF__RAM_ANON), file = eprof__find_channel(r, EPROF__RAM_FILE);
    const int32_t system = eprof__find_channel(r, EPROF__RAM_SYSTEM);
    eprof_ram *ram = &out->ram;
    *ram = (eprof_ram){ .auc_anon_mib_s = EPROF_ABSENT, .auc_file_mib_s = EPROF_ABSENT,
                        .auc_system_mib_s = EPROF_ABSENT, .auc_system_pct_s = EPROF_ABSENT,
                        .auc_system_before_mib_s = EPROF_ABSENT };
    ram->anon_peak_mib = peak(r, anon, t0_ns, t1_ns);
    ram->file_peak_mib = peak(r, file, t0_ns, t1_ns);
    ram->system_peak_mib = peak(r, system, t0_ns, t1_ns);
    ram->pss_mib = pss_at_end(r, t0_ns, t1_ns);
    if (anon >= 0) ram->auc_anon_mib_s = area_above(r, anon, t0_ns, t1_ns, before_regions(r, anon));
    if (file >= 0) ram->auc_file_mib_s = area_above(r, file, t0_ns, t1_ns, before_regions(r, file));
    if (system < 0) return;
    ram->auc_system_mib_s = area_above(r, system, t0_ns, t1_ns, before_regions(r, system));
    ram->auc_system_before_mib_s = area_above(r, system, t0_ns, t1_ns, before_start(r, system));
    if (r->facts.ram_total_mib > 0) ram->auc_system_pct_s = ram->auc_system_mib_s * 100 / r->facts.ram_total_mib;
}
