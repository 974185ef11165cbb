/* SPDX-License-Identifier: MIT
 * analyse.c - one region's result, the run's, the audit; what happened to the machine meanwhile.
 *
 * The first meter is the headline; a meter that measured nothing in a region comes behind those that did. Gross
 * energies of regions add up with what is outside of them to the whole: exactly for counters, and for sampled meters
 * but for what guards moved over edges (energy.c), which is what the audit shows.
 */
#include "profiler/method/analyse.h"

#include <stdio.h>
#include <string.h>

#include "profiler/method/baseline.h"
#include "profiler/method/integrate.h"
#include "profiler/run/profiler.h"

static double seconds(int64_t ns) { return (double)ns * 1e-9; }

/* ---------------------------------------------------------------------------------------------- the record -- */

int32_t eprof__find_channel(const eprof__record *r, eprof__kind kind)
{
    for (int32_t i = 0; i < r->n_channels; i++)
        if (r->channels[i].kind == kind) return i;
    return -1;
}

double eprof__area_of_kind(const eprof__record *r, eprof__kind kind, int64_t t0_ns, int64_t t1_ns)
{
    const int32_t i = eprof__find_channel(r, kind);
    return i < 0 ? EPROF_ABSENT : eprof__integrate(&r->channels[i], &r->samples[i], t0_ns, t1_ns).value;
}

int64_t eprof__first_known_ns(const eprof__record *r)
{
    int64_t first = INT64_MAX;
    if (r->facts.start_ns > 0) return r->facts.start_ns;
    for (int32_t i = 0; i < r->n_channels; i++)
        if (r->samples[i].n > 0 && eprof__sample_at(&r->samples[i], 0)->t_ns < first)
            first = eprof__sample_at(&r->samples[i], 0)->t_ns;
    return first < INT64_MAX ? first : 0;
}

int64_t eprof__last_known_ns(const eprof__record *r)
{
    int64_t last = eprof__first_known_ns(r);
    if (r->facts.stop_ns > 0) return r->facts.stop_ns;
    for (int32_t i = 0; i < r->n_channels; i++) {
        const eprof__samples *s = &r->samples[i];
        if (s->n > 0 && eprof__sample_at(s, s->n - 1)->t_ns > last) last = eprof__sample_at(s, s->n - 1)->t_ns;
    }
    return last;
}

bool eprof__is_within(const eprof__record *r, const eprof__region_record *b, eprof_region a)
{
    while (b && b->id != a) {
        if (b->parent >= b->id) return false;
        b = eprof__record_region(r, b->parent);
    }
    return b != NULL;
}

/* --------------------------------------------------------------------------------------------- the machine -- */

/* The machine's CPU time is read on the sampler's grid alone, the process's at region edges as well: both are compared
 * over the grid's times around the region, where neither is drawn as a line across an edge. */
double eprof__foreign_pct(const eprof__record *r, int64_t t0_ns, int64_t t1_ns)
{
    const int32_t busy = eprof__find_channel(r, EPROF__CPU_BUSY);
    if (busy < 0 || r->facts.n_cpus < 1) return EPROF_ABSENT;
    const eprof__samples *s = &r->samples[busy];
    const int64_t before = eprof__samples_before(s, t0_ns + 1) - 1, after = eprof__samples_before(s, t1_ns);
    if (s->n == 0) return EPROF_ABSENT;
    if (before >= 0) t0_ns = eprof__sample_at(s, before)->t_ns;
    t1_ns = eprof__sample_at(s, after < s->n ? after : s->n - 1)->t_ns;
    if (t1_ns <= t0_ns) return EPROF_ABSENT;
    const double others_s = eprof__area_of_kind(r, EPROF__CPU_BUSY, t0_ns, t1_ns) -
                            eprof__area_of_kind(r, EPROF__CPU_OWN, t0_ns, t1_ns);
    return others_s * 100 / (r->facts.n_cpus * seconds(t1_ns - t0_ns));
}

/* Bits that were set in a reading of [t0, t1], or in the last one before. */
static bool was_throttled(const eprof__record *r, int64_t t0_ns, int64_t t1_ns)
{
    const int32_t c = eprof__find_channel(r, EPROF__THROTTLED);
    if (c < 0) return false;
    const eprof__samples *s = &r->samples[c];
    const int64_t from = eprof__samples_before(s, t0_ns);
    for (int64_t i = from > 0 ? from - 1 : 0; i < s->n && eprof__sample_at(s, i)->t_ns <= t1_ns; i++)
        if (eprof__sample_at(s, i)->raw != 0 && !(eprof__sample_at(s, i)->flags & EPROF_FLAG_READ_ERROR)) return true;
    return false;
}

/* BOOTTIME runs on while the machine sleeps and CLOCK_MONOTONIC does not: a jump of 1 ms between them, beyond what the
 * readings themselves took. */
static bool was_suspended(const eprof__record *r, int64_t t0_ns, int64_t t1_ns)
{
    const int32_t c = eprof__find_channel(r, EPROF__BOOTTIME);
    if (c < 0) return false;
    const eprof__samples *s = &r->samples[c];
    int64_t i = eprof__samples_before(s, t0_ns);
    for (i = i > 0 ? i : 1; i < s->n && eprof__sample_at(s, i - 1)->t_ns < t1_ns; i++) {
        const eprof__sample *a = eprof__sample_at(s, i - 1), *b = eprof__sample_at(s, i);
        const double boot_s = ((double)b->raw - (double)a->raw) * r->channels[c].scale;
        const double slack_s = 0.001 + seconds((int64_t)a->half_ns + b->half_ns);
        if (boot_s - seconds(b->t_ns - a->t_ns) > slack_s) return true;
    }
    return false;
}

uint32_t eprof__machine_flags(const eprof__record *r, int64_t t0_ns, int64_t t1_ns)
{
    uint32_t flags = 0;
    if (eprof__foreign_pct(r, t0_ns, t1_ns) > 5) flags |= EPROF_FLAG_FOREIGN_LOAD;
    if (was_throttled(r, t0_ns, t1_ns)) flags |= EPROF_FLAG_THROTTLED;
    if (was_suspended(r, t0_ns, t1_ns)) flags |= EPROF_FLAG_SUSPENDED;
    return flags;
}

static double value_of_kind(const eprof__record *r, eprof__kind kind, int64_t t_ns)
{
    const int32_t i = eprof__find_channel(r, kind);
    return i < 0 ? EPROF_ABSENT : eprof__value_at(&r->channels[i], &r->samples[i], t_ns);
}

static double mean_of_kind(const eprof__record *r, eprof__kind kind, int64_t t0_ns, int64_t t1_ns)
{
    const int32_t i = eprof__find_channel(r, kind);
    if (i < 0) return EPROF_ABSENT;
    const eprof__area a = eprof__integrate(&r->channels[i], &r->samples[i], t0_ns, t1_ns);
    return a.value / (a.covered * seconds(t1_ns - t0_ns));
}

/* ------------------------------------------------------------------------------------------------- regions -- */

static void fill_energies(const eprof__record *r, const eprof__region_record *g, int64_t t1_ns, eprof_result *out)
{
    eprof_energy absent[EPROF_MAX_ENERGIES];
    int32_t n_absent = 0;
    for (int32_t i = 0; i < r->n_meters && i < EPROF_MAX_ENERGIES; i++) {
        eprof_energy e;
        eprof__analyse_energy(r, &r->meters[i], g, t1_ns, &e);
        if (eprof_has(e.gross_j))
            out->energy[out->n_energies++] = e;
        else
            absent[n_absent++] = e;
    }
    for (int32_t i = 0; i < n_absent; i++) out->energy[out->n_energies++] = absent[i];
}

void eprof__analyse_region(const eprof__record *r, const eprof__region_record *g, int64_t t1_ns, eprof_result *out)
{
    const uint32_t struct_size = out->struct_size;
    memset(out, 0, sizeof *out);
    out->struct_size = struct_size;
    (void)snprintf(out->name, sizeof out->name, "%s", g->name);
    out->id = g->id;
    out->parent = g->parent;
    out->begin_ns = g->begin_ns;
    out->end_ns = t1_ns;
    out->elapsed_s = seconds(t1_ns - g->begin_ns);
    out->n_notes = g->n_notes;
    memcpy(out->notes, g->notes, sizeof out->notes);
    out->flags = eprof__machine_flags(r, g->begin_ns, t1_ns);
    if (g->end_ns > t1_ns) out->flags |= EPROF_FLAG_INCOMPLETE;
    eprof__analyse_cpu(r, g, t1_ns, out);
    eprof__analyse_ram(r, g, t1_ns, out);
    out->temp_begin_c = value_of_kind(r, EPROF__TEMP, g->begin_ns);
    out->temp_end_c = value_of_kind(r, EPROF__TEMP, t1_ns);
    out->freq_mean_mhz = mean_of_kind(r, EPROF__FREQ, g->begin_ns, t1_ns);
    out->profiler_core_s = eprof__area_of_kind(r, EPROF__SELF, g->begin_ns, t1_ns);
    fill_energies(r, g, t1_ns, out);
    if (out->n_energies > 0)
        out->flags |= out->energy[0].flags & (EPROF_FLAG_HISTORY | EPROF_FLAG_SHARED | EPROF_FLAG_LATE);
}

static eprof__region_record run_of(const eprof__record *r)
{
    const int64_t t0_ns = eprof__first_known_ns(r), t1_ns = eprof__last_known_ns(r);
    return (eprof__region_record){ .name = "run", .begin_ns = t0_ns, .end_ns = t1_ns, .end_cpu_ns = -1 };
}

void eprof__analyse_run(const eprof__record *r, eprof_result *out)
{
    const eprof__region_record run = run_of(r);
    eprof__analyse_region(r, &run, run.end_ns, out);
}

/* --------------------------------------------------------------------------------------------------- audit -- */

/* What eprof_baseline asked for is outside of all regions. */
static bool is_first_level(const eprof__region_record *g) { return g->parent == 0 && !eprof__is_idle_region(g); }

/* Gross energy of the spans that no region of the first level covers. */
static double outside_of(const eprof__record *r, const eprof__meter *m, const eprof__region_record *run)
{
    double sum = 0;
    int64_t covered_until = run->begin_ns;
    for (int64_t i = 0; i <= r->n_regions; i++) {
        const eprof__region_record *g = i < r->n_regions ? &r->regions[i] : NULL;
        if (g && !is_first_level(g)) continue;
        const int64_t until = g && g->begin_ns < run->end_ns ? g->begin_ns : run->end_ns;
        for (int32_t k = 0; until > covered_until && k < m->n_channels; k++) {
            const int32_t c = m->channels[k];
            const double joules = eprof__integrate(&r->channels[c], &r->samples[c], covered_until, until).value;
            sum += isnan(joules) ? 0 : joules;
        }
        if (g && g->end_ns > covered_until) covered_until = g->end_ns;
    }
    return sum;
}

/* What an edge may move from one side to the other: its sampling, its time, the counter's smallest step. */
static double resolution_of(const eprof_energy *e)
{
    const double a = e->budget_j[EPROF_TERM_SAMPLING], b = e->budget_j[EPROF_TERM_TIMESTAMPS];
    const double c = e->budget_j[EPROF_TERM_QUANTISATION], sum = a * a + b * b + c * c;
    return isnan(sum) ? 0 : sum;
}

eprof_status eprof__audit(const eprof__record *r, eprof_audit *out, eprof_error *err)
{
    if (r->n_meters == 0)
        return eprof__fail(err, EPROF_E_UNSUPPORTED, "energy", "run `edgeprof sources`: it says what would unlock one",
                           "nothing measured energy in this record");
    const eprof__meter *m = &r->meters[0];
    const eprof__region_record run = run_of(r);
    eprof_energy whole;
    eprof__analyse_energy(r, m, &run, run.end_ns, &whole);
    const uint32_t struct_size = out->struct_size;
    *out = (eprof_audit){ .struct_size = struct_size, .total_j = whole.gross_j };
    double resolution2 = resolution_of(&whole);
    for (int64_t i = 0; i < r->n_regions; i++) {
        const eprof__region_record *g = &r->regions[i];
        if (!is_first_level(g)) continue;
        eprof_energy one;
        eprof__analyse_energy(r, m, g, g->end_ns < run.end_ns ? g->end_ns : run.end_ns, &one);
        out->n_regions++;
        out->regions_j += isnan(one.gross_j) ? 0 : one.gross_j;
        resolution2 += resolution_of(&one);
    }
    out->outside_j = outside_of(r, m, &run);
    out->residual_j = out->total_j - out->regions_j - out->outside_j;
    out->resolution_j = sqrt(resolution2);
    return EPROF_OK;
}
