/* SPDX-License-Identifier: MIT
 * cpu_area.c - CPU time as areas: exact from counters, and as the study samples it, with the difference explained.
 *
 * profiling.md 3.3. The integral of a utilisation is a cumulative CPU time: exact for regions of any length. The
 * study's series is the machine's busy share over each interval, drawn at the interval's end: its trapezoid comes half
 * an interval late, so of n intervals it has half of the first and the last. What is subtracted is of the same kind as
 * what it is subtracted from: from the process's time its own share while idle (spinning threads; nothing where no idle
 * time was seen), from the machine's share the machine's, without which the sampled areas are absent. Nothing is
 * clipped but auc_clipped.
 */
#include "profiler/method/analyse.h"
#include "profiler/method/baseline.h"
#include "profiler/method/integrate.h"

enum { CHUNK = 256 };

static double seconds(int64_t ns) { return (double)ns * 1e-9; }

int64_t eprof__utilisation(const eprof__record *r, int64_t t0_ns, int64_t t1_ns, int64_t *t_ns, double *u,
                           int64_t n_most)
{
    const int32_t busy = eprof__find_channel(r, EPROF__CPU_BUSY), total = eprof__find_channel(r, EPROF__CPU_TOTAL);
    if (busy < 0 || total < 0) return 0;
    int64_t edges[CHUNK + 1], n = 0, from = t0_ns;
    double rates[CHUNK];
    while (n < n_most) {
        const int64_t want = n_most - n < CHUNK ? n_most - n : CHUNK;
        const int64_t got = eprof__rates(&r->channels[busy], &r->samples[busy], from, t1_ns, edges, rates, want);
        for (int64_t i = 0; i < got; i++) {
            const eprof__area all = eprof__integrate(&r->channels[total], &r->samples[total], edges[i], edges[i + 1]);
            t_ns[n] = edges[i + 1];
            u[n++] = all.value > 0 ? 100 * rates[i] * seconds(edges[i + 1] - edges[i]) / all.value : EPROF_ABSENT;
        }
        if (got < want) break;
        from = edges[got];
    }
    return n;
}

/* The trapezoid of a series over [t0, t1], plain and clipped; the ends are held where the series does not reach. */
typedef struct trapezoid {
    int64_t t0_ns, t1_ns, last_ns, reach_ns;
    double base, last, area, clipped, edge_heights; /* heights: |u - base| at both ends */
    bool has_last, is_whole;
} trapezoid;

static double positive(double x) { return x > 0 ? x : 0; }

static void add_stretch(trapezoid *z, int64_t a_ns, double ua, int64_t b_ns, double ub)
{
    const int64_t lo = a_ns > z->t0_ns ? a_ns : z->t0_ns, hi = b_ns < z->t1_ns ? b_ns : z->t1_ns;
    if (hi <= lo) return;
    const double slope = (ub - ua) / (double)(b_ns - a_ns);
    const double v0 = ua + slope * (double)(lo - a_ns) - z->base, v1 = ua + slope * (double)(hi - a_ns) - z->base;
    z->area += 0.5 * (v0 + v1) * seconds(hi - lo);
    z->clipped += 0.5 * (positive(v0) + positive(v1)) * seconds(hi - lo);
    if (lo == z->t0_ns) z->edge_heights += fabs(v0);
    if (hi == z->t1_ns) z->edge_heights += fabs(v1);
    if (hi - lo > z->reach_ns) z->is_whole = false;
}

static void add_point(trapezoid *z, int64_t t_ns, double u)
{
    if (isnan(u)) return;
    if (z->has_last)
        add_stretch(z, z->last_ns, z->last, t_ns, u);
    else if (t_ns > z->t0_ns)
        add_stretch(z, z->t0_ns, u, t_ns, u);
    z->last_ns = t_ns;
    z->last = u;
    z->has_last = true;
}

static void end_series(trapezoid *z)
{
    if (z->has_last && z->last_ns < z->t1_ns) add_stretch(z, z->last_ns, z->last, z->t1_ns, z->last);
    z->is_whole = z->is_whole && z->has_last;
}

static trapezoid sampled_area(const eprof__record *r, const eprof__channel *busy, int64_t t0_ns, int64_t t1_ns,
                              double base)
{
    trapezoid z = { .t0_ns = t0_ns, .t1_ns = t1_ns, .reach_ns = busy->period_ns / 2 * 5, .base = base,
                    .is_whole = true };
    int64_t t_ns[CHUNK], from = t0_ns - 2 * busy->period_ns, n;
    double u[CHUNK];
    do {
        n = eprof__utilisation(r, from, t1_ns, t_ns, u, CHUNK);
        for (int64_t i = 0; i < n; i++) add_point(&z, t_ns[i], u[i]);
        if (n > 0) from = t_ns[n - 1];
    } while (n == CHUNK);
    end_series(&z);
    return z;
}

/* Half of the first and last interval, and some ticks: more than that between the series and the counter means that
 * the series lost something on the way. */
static bool is_explained(const trapezoid *z, const eprof__channel *busy, int32_t n_cpus, double lag_pct_s)
{
    const double tick_pct_s = 100 * busy->lsb / n_cpus, interval_s = seconds(busy->period_ns);
    return fabs(lag_pct_s) <= z->edge_heights * interval_s + 100 * 0.02 * interval_s + 4 * tick_pct_s;
}

static void compare(const eprof__record *r, int64_t t0_ns, int64_t t1_ns, double own_idle_pct, eprof_result *out)
{
    eprof_cpu *cpu = &out->cpu;
    const int32_t i = eprof__find_channel(r, EPROF__CPU_BUSY);
    if (i < 0 || isnan(cpu->baseline_pct)) return;
    const trapezoid z = sampled_area(r, &r->channels[i], t0_ns, t1_ns, cpu->baseline_pct);
    if (!z.is_whole) return;
    const double elapsed_s = seconds(t1_ns - t0_ns), to_pct = 100.0 / cpu->n_cpus;
    const double machine = cpu->machine_core_s * to_pct - cpu->baseline_pct * elapsed_s;
    cpu->auc_sampled_pct_s = z.area;
    cpu->auc_clipped_pct_s = z.clipped;
    cpu->auc_lag_pct_s = z.area - machine;
    cpu->auc_foreign_pct_s = machine - (cpu->own_core_s * to_pct - own_idle_pct * elapsed_s);
    if (!is_explained(&z, &r->channels[i], cpu->n_cpus, cpu->auc_lag_pct_s)) out->flags |= EPROF_FLAG_LATE;
}

void eprof__analyse_cpu(const eprof__record *r, const eprof__region_record *g, int64_t t1_ns, eprof_result *out)
{
    const int64_t t0_ns = g->begin_ns;
    eprof_cpu *cpu = &out->cpu;
    *cpu = (eprof_cpu){ .auc_exact_pct_s = EPROF_ABSENT, .auc_sampled_pct_s = EPROF_ABSENT,
                        .auc_clipped_pct_s = EPROF_ABSENT, .auc_foreign_pct_s = EPROF_ABSENT,
                        .auc_lag_pct_s = EPROF_ABSENT, .baseline_pct = EPROF_ABSENT, .n_cpus = r->facts.n_cpus };
    cpu->own_core_s = eprof__area_of_kind(r, EPROF__CPU_OWN, t0_ns, t1_ns);
    cpu->foreign_pct = eprof__foreign_pct(r, t0_ns, t1_ns);
    cpu->machine_core_s = cpu->own_core_s + cpu->foreign_pct / 100 * cpu->n_cpus * seconds(t1_ns - t0_ns);
    if (isnan(cpu->machine_core_s)) cpu->machine_core_s = eprof__area_of_kind(r, EPROF__CPU_BUSY, t0_ns, t1_ns);
    if (cpu->n_cpus < 1) return;
    cpu->baseline_pct = eprof__baseline_of_channel(r, EPROF__MACHINE_BUSY, t0_ns, t1_ns).at_middle;
    const double own_idle = eprof__baseline_of_channel(r, EPROF__OWN_BUSY, t0_ns, t1_ns).at_middle;
    const double own_idle_pct = isnan(own_idle) ? 0 : own_idle;
    cpu->auc_exact_pct_s = cpu->own_core_s * 100 / cpu->n_cpus - own_idle_pct * seconds(t1_ns - t0_ns);
    compare(r, t0_ns, t1_ns, own_idle_pct, out);
}
