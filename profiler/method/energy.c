/* SPDX-License-Identifier: MIT
 * energy.c - one meter's joules over one region: gross, idle, net, what they are uncertain by, and who shares them.
 *
 * A meter's channels add up; it is covered as far as the least of them, and absent where one of them is. Errors with a
 * common cause (edges, clocks, gain, zero) are added across channels, those of each channel alone in squares.
 *
 * gross   Counters read at the region's edges: the exact difference. Everything else loses energy in a tight window,
 *         since a load that begins at the edge is drawn as a ramp: so where idle time lies around the region, the
 *         window is widened by a guard on both sides and the idle power of the guards taken off again (profiling.md
 *         3.7). Else partial intervals at the edges. Regions of the run itself and live results (whose samples end with
 *         the region) have no guards: a live result is provisional, and says so by INCOMPLETE where samples
 *         are missing.
 * idle    The baseline in the middle of the region times the time that is covered; net = gross - idle, absent
 *         together where there was no idle time of 2 s near the region.
 * shared  Time is cut at every begin and end of regions that overlap. In each slice, the energy above idle goes by the
 *         CPU time of the regions' threads, the idle power in equal parts: what regions get adds up to what there was.
 *         A region shares with neither those above nor those below it, and with a tree of others once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "profiler/method/analyse.h"
#include "profiler/method/baseline.h"
#include "profiler/method/budget.h"
#include "profiler/method/integrate.h"

enum { MAX_CHANNELS = 16 };

static double seconds(int64_t ns) { return (double)ns * 1e-9; }

/* ------------------------------------------------------------------------------------------ meters as sums -- */

typedef struct meter_area {
    eprof__area of[MAX_CHANNELS];
    eprof__area sum; /* flags, covered, value, half_s, dt_s, edge_s, still_s, n */
} meter_area;

/* The channels' areas, and their sum. */
static void integrate_meter(const eprof__record *r, const eprof__meter *m, int64_t t0_ns, int64_t t1_ns,
                            meter_area *out)
{
    eprof__area sum = { .value = 0, .covered = 1, .n = INT64_MAX };
    for (int32_t k = 0; k < m->n_channels; k++) {
        const int32_t i = m->channels[k];
        const eprof__area a = out->of[k] = eprof__integrate(&r->channels[i], &r->samples[i], t0_ns, t1_ns);
        sum.value += a.value;
        sum.covered = fmin(sum.covered, a.covered);
        sum.edge_s = fmax(sum.edge_s, a.edge_s);
        sum.still_s = fmax(sum.still_s, a.still_s);
        sum.half_s = fmax(sum.half_s, a.half_s);
        sum.dt_s = fmax(sum.dt_s, a.dt_s);
        if (a.n < sum.n) sum.n = a.n;
        sum.flags |= a.flags;
    }
    if (m->n_channels == 0) sum.value = EPROF_ABSENT;
    out->sum = sum;
}

static double joules(const eprof__record *r, const eprof__meter *m, int64_t t0_ns, int64_t t1_ns)
{
    double sum = 0;
    for (int32_t k = 0; k < m->n_channels; k++) {
        const int32_t i = m->channels[k];
        sum += eprof__integrate(&r->channels[i], &r->samples[i], t0_ns, t1_ns).value;
    }
    return sum;
}

/* ----------------------------------------------------------------------------------------------- the case -- */

/* What is being worked on. */
typedef struct work {
    const eprof__record *r;
    const eprof__meter *m;
    const eprof__region_record *g;
    int64_t t0_ns, t1_ns;
    double elapsed_s;
    meter_area area;
    eprof__baseline baseline;
    double guard_s;
    double gross_j, idle_j; /* before sharing; idle NAN: no baseline */
    double share;           /* of gross that is the region's own */
} work;

static const eprof__channel *channel_of(const work *w, int32_t k) { return &w->r->channels[w->m->channels[k]]; }

/* A counter that stands while the process works is dead or frozen: longer than a second, than its updates, and than its
 * smallest step takes at the mean power that it shows. */
static bool is_stuck(const work *w)
{
    const double worked_s = eprof__area_of_kind(w->r, EPROF__CPU_OWN, w->t0_ns, w->t1_ns);
    if (!(worked_s > 0.1 * w->elapsed_s)) return false;
    for (int32_t k = 0; k < w->m->n_channels; k++) {
        const eprof__channel *c = channel_of(w, k);
        const eprof__area *a = &w->area.of[k];
        if (c->cls != EPROF_CLASS_COUNTER || c->scope == EPROF_SCOPE_DRAM) continue;
        const double step_s = a->value > 0 ? 4 * c->lsb * w->elapsed_s / a->value : 0;
        const double limit_s = fmax(fmax(1, 10 * seconds(c->update_ns)), fmax(step_s, 2 * seconds(c->period_ns)));
        if (a->still_s > limit_s) return true;
    }
    return false;
}

static bool has_lost_history(const work *w)
{
    for (int32_t k = 0; k < w->m->n_channels; k++) {
        const eprof__samples *s = &w->r->samples[w->m->channels[k]];
        if (s->n_ever > s->n && s->n > 0 && eprof__sample_at(s, 0)->t_ns > w->t0_ns) return true;
    }
    return false;
}

static uint32_t flags_of(const work *w)
{
    uint32_t flags = w->area.sum.flags | eprof__machine_flags(w->r, w->t0_ns, w->t1_ns);
    if (w->m->scope != EPROF_SCOPE_BOARD_DC && w->m->scope != EPROF_SCOPE_WALL_AC) flags |= EPROF_FLAG_PARTIAL_SCOPE;
    for (int32_t k = 0; k < w->m->n_channels; k++) {
        const eprof__channel *c = channel_of(w, k);
        if (!c->is_calibrated) flags |= EPROF_FLAG_UNCALIBRATED;
        if (c->period_ns > 0 && w->area.of[k].half_s > 0.25 * seconds(c->period_ns)) flags |= EPROF_FLAG_LATE;
    }
    if (has_lost_history(w)) flags |= EPROF_FLAG_HISTORY;
    return flags;
}

/* -------------------------------------------------------------------------------------------------- guards -- */

/* Time on each side in which no other region but those within this one is open; the less of both. */
static int64_t free_around(const work *w)
{
    int64_t before = w->t0_ns - eprof__first_known_ns(w->r), after = eprof__last_known_ns(w->r) - w->t1_ns;
    for (int64_t i = 0; i < w->r->n_regions; i++) {
        const eprof__region_record *x = &w->r->regions[i];
        if (eprof__is_idle_region(x) || eprof__is_within(w->r, x, w->g->id)) continue;
        if (x->begin_ns < w->t1_ns && x->end_ns > w->t0_ns) return 0;
        if (x->end_ns <= w->t0_ns && w->t0_ns - x->end_ns < before) before = w->t0_ns - x->end_ns;
        if (x->begin_ns >= w->t1_ns && x->begin_ns - w->t1_ns < after) after = x->begin_ns - w->t1_ns;
    }
    return before < after ? before : after;
}

/* Two samples more than what the device shows late; and more where its delay is not known: a log of another clock,
 * meters slower than 0.5 s. */
static double wanted_guard_s(const work *w)
{
    double wanted = 0;
    for (int32_t k = 0; k < w->m->n_channels; k++) {
        const eprof__channel *c = channel_of(w, k);
        const bool is_counter = c->cls == EPROF_CLASS_COUNTER;
        if (is_counter && w->area.of[k].edge_s <= 0.001 + seconds(c->update_ns) / 4) continue; /* read at the edges */
        const double dt = fmax(w->area.of[k].dt_s, seconds(c->period_ns));
        const double delay = seconds(c->update_ns + c->window_ns);
        wanted = fmax(wanted, fmax(2 * dt + delay, c->has_own_clock || dt >= 0.5 ? 5 : 1));
    }
    return wanted;
}

/* Whether the process rests in [t0, t1]: 5 % of the machine is no rest. */
static bool rests(const work *w, int64_t t0_ns, int64_t t1_ns)
{
    const double own_s = eprof__area_of_kind(w->r, EPROF__CPU_OWN, t0_ns, t1_ns);
    return !(own_s > 0.05 * seconds(t1_ns - t0_ns) * w->r->facts.n_cpus);
}

/* Gross with guards: false where there is no room for them, or nothing to take the idle power from. */
static bool widen(work *w)
{
    const double wanted_s = wanted_guard_s(w);
    if (w->g->id == 0 || !(wanted_s > 0) || isnan(w->baseline.at_middle)) return false;
    int64_t guard_ns = (int64_t)(wanted_s * 1e9);
    const int64_t room_ns = free_around(w);
    if (guard_ns > room_ns) guard_ns = room_ns;
    if (seconds(guard_ns) < 2 * w->area.sum.dt_s || guard_ns <= 0) return false;
    const int64_t t0_ns = w->t0_ns - guard_ns, t1_ns = w->t1_ns + guard_ns;
    if (!rests(w, t0_ns, w->t0_ns) || !rests(w, w->t1_ns, t1_ns)) return false;
    meter_area wide;
    integrate_meter(w->r, w->m, t0_ns, t1_ns, &wide);
    if (isnan(wide.sum.value) || wide.sum.covered < 1 || w->area.sum.covered < 1) return false;
    w->guard_s = seconds(guard_ns);
    w->gross_j = wide.sum.value - w->baseline.at_middle * 2 * w->guard_s;
    return true;
}

/* ------------------------------------------------------------------------------------------------- sharing -- */

/* Another region in the same time, which this one shares with. */
typedef struct rival {
    int64_t begin_ns, end_ns;
    double cores; /* of its thread while it was open; NAN: not known */
} rival;

static double cores_of(const eprof__region_record *x)
{
    if (x->end_cpu_ns < 0 || x->end_ns <= x->begin_ns) return EPROF_ABSENT;
    return (double)(x->end_cpu_ns - x->begin_cpu_ns) / (double)(x->end_ns - x->begin_ns);
}

static bool is_rival(const work *w, const eprof__region_record *x)
{
    if (x->begin_ns >= w->t1_ns || x->end_ns <= w->t0_ns || x->end_ns <= x->begin_ns) return false;
    return !eprof__is_idle_region(x) && !eprof__is_within(w->r, x, w->g->id) && !eprof__is_within(w->r, w->g, x->id);
}

/* Of a tree of rivals the top counts. */
static bool has_rival_above(const work *w, const eprof__region_record *x)
{
    for (const eprof__region_record *p = x; p && p->parent < p->id;) {
        p = eprof__record_region(w->r, p->parent);
        if (p && is_rival(w, p)) return true;
    }
    return false;
}

/* Rivals in order of begin; their number, -1: no memory. */
static int64_t find_rivals(const work *w, rival **out)
{
    *out = NULL;
    int64_t n = 0;
    const bool is_alone = w->g->id == 0 || eprof__is_idle_region(w->g);
    for (int64_t i = 0; !is_alone && i < w->r->n_regions && w->r->regions[i].begin_ns < w->t1_ns; i++)
        n += is_rival(w, &w->r->regions[i]);
    if (n == 0) return 0;
    rival *all = calloc((size_t)n, sizeof *all);
    if (!all) return -1;
    int64_t k = 0;
    for (int64_t i = 0; i < w->r->n_regions && w->r->regions[i].begin_ns < w->t1_ns; i++) {
        const eprof__region_record *x = &w->r->regions[i];
        if (is_rival(w, x) && !has_rival_above(w, x)) all[k++] = (rival){ x->begin_ns, x->end_ns, cores_of(x) };
    }
    *out = all;
    return k;
}

/* Rivals that are open at t, in a list of their numbers; when the next of them begins or ends. */
typedef struct open_list {
    int64_t open[EPROF_MAX_REGIONS];
    int64_t n, next;
} open_list;

static int64_t advance(open_list *l, const rival *all, int64_t n_all, int64_t t_ns, int64_t end_ns)
{
    int64_t kept = 0, until = end_ns;
    for (int64_t i = 0; i < l->n; i++)
        if (all[l->open[i]].end_ns > t_ns) l->open[kept++] = l->open[i];
    l->n = kept;
    for (; l->next < n_all && all[l->next].begin_ns <= t_ns; l->next++)
        if (all[l->next].end_ns > t_ns && l->n < EPROF_MAX_REGIONS) l->open[l->n++] = l->next;
    if (l->next < n_all && all[l->next].begin_ns < until) until = all[l->next].begin_ns;
    for (int64_t i = 0; i < l->n; i++)
        if (all[l->open[i]].end_ns < until) until = all[l->open[i]].end_ns;
    return until;
}

/* The region's part of what is above idle, by CPU time; by heads where one of them is not known or none worked. */
static double weight(const open_list *l, const rival *all, double own_cores)
{
    double sum = own_cores;
    for (int64_t i = 0; i < l->n; i++) sum += all[l->open[i]].cores;
    return sum > 0 ? own_cores / sum : 1.0 / (double)(l->n + 1);
}

/* Goes through the slices and leaves in gross and idle what is the region's own. */
static void share_out(work *w, const rival *all, int64_t n_all)
{
    double gross = 0, idle = 0;
    const double own = cores_of(w->g), idle_w = w->baseline.at_middle, whole_j = w->gross_j;
    open_list l = { .n = 0 };
    for (int64_t t = w->t0_ns; t < w->t1_ns;) {
        const int64_t until = advance(&l, all, n_all, t, w->t1_ns);
        const double energy = joules(w->r, w->m, t, until), part = weight(&l, all, own);
        const double idle_energy = isnan(idle_w) ? 0 : idle_w * seconds(until - t), heads = (double)(l.n + 1);
        if (!isnan(energy)) {
            gross += (energy - idle_energy) * part + idle_energy / heads;
            idle += idle_energy / heads;
        }
        t = until;
    }
    w->gross_j = gross;
    w->idle_j = isnan(idle_w) ? EPROF_ABSENT : idle;
    w->share = whole_j != 0 ? fabs(gross / whole_j) : 1;
}

/* -------------------------------------------------------------------------------------------------- budget -- */

static bool adds_across_channels(int term)
{
    return term != EPROF_TERM_QUANTISATION && term != EPROF_TERM_GAPS;
}

/* Terms of each channel by its part of the energy; those of the baseline are the meter's. */
static void budget_of(const work *w, double net_j, double terms_j[EPROF_N_TERMS])
{
    double whole = 0;
    for (int32_t k = 0; k < w->m->n_channels; k++) whole += w->area.of[k].value;
    const double step_w = eprof_has(w->idle_j) ? (w->gross_j - w->idle_j) / w->elapsed_s : w->gross_j / w->elapsed_s;
    double one[EPROF_N_TERMS];
    for (int i = 0; i < EPROF_N_TERMS; i++) terms_j[i] = 0;
    for (int32_t k = 0; k < w->m->n_channels; k++) {
        const double part = whole != 0 ? w->area.of[k].value / whole : 1.0 / w->m->n_channels;
        const eprof__evidence e = { .channel = channel_of(w, k), .area = w->area.of[k], .elapsed_s = w->elapsed_s,
                                    .guard_s = w->guard_s, .gross_j = w->gross_j * part, .net_j = net_j * part,
                                    .step_w = step_w * part, .align_sigma_s = channel_of(w, k)->align_sigma_s,
                                    .baseline = &w->baseline };
        eprof__budget(&e, one);
        for (int i = 0; i < EPROF_N_TERMS; i++) {
            if (i == EPROF_TERM_BASELINE || i == EPROF_TERM_DRIFT || i == EPROF_TERM_MEAN_MEDIAN)
                terms_j[i] = one[i]; /* the meter's, whichever the channel */
            else
                terms_j[i] = adds_across_channels(i) ? terms_j[i] + one[i] : eprof__in_squares(terms_j[i], one[i]);
        }
    }
}

static void fill_uncertainty(const work *w, eprof_energy *out)
{
    const double whole_net = w->gross_j - w->idle_j;
    budget_of(w, EPROF_ABSENT, out->budget_j);
    for (int i = 0; i < EPROF_N_TERMS; i++) out->budget_j[i] *= w->share;
    out->u_gross_j = eprof__combine(out->budget_j);
    if (isnan(whole_net)) return;
    budget_of(w, whole_net, out->budget_j);
    for (int i = 0; i < EPROF_N_TERMS; i++) out->budget_j[i] *= w->share;
    out->u_net_j = eprof__combine(out->budget_j);
}

/* --------------------------------------------------------------------------------------------------- whole -- */

static void fill_absent(const eprof__record *r, const eprof__meter *m, eprof_energy *out)
{
    *out = (eprof_energy){ .scope = (int32_t)m->scope, .gross_j = EPROF_ABSENT, .idle_j = EPROF_ABSENT,
                           .net_j = EPROF_ABSENT, .u_gross_j = EPROF_ABSENT, .u_net_j = EPROF_ABSENT,
                           .idle_w = EPROF_ABSENT, .idle_median_w = EPROF_ABSENT };
    (void)snprintf(out->source, sizeof out->source, "%s", m->name);
    for (int i = 0; i < EPROF_N_TERMS; i++) out->budget_j[i] = EPROF_ABSENT;
    if (m->n_channels > 0) out->cls = (int32_t)r->channels[m->channels[0]].cls;
}

static void fill_joules(work *w, eprof_energy *out)
{
    rival *rivals;
    const int64_t n_rivals = find_rivals(w, &rivals);
    w->idle_j = w->baseline.at_middle * w->elapsed_s * w->area.sum.covered;
    if (n_rivals == 0) (void)widen(w);
    work whole = *w; /* uncertainties are of the whole, and shared as it is */
    if (n_rivals > 0) {
        out->flags |= EPROF_FLAG_SHARED;
        share_out(w, rivals, n_rivals);
        whole.share = w->share;
    }
    free(rivals);
    if (n_rivals < 0) return;
    out->gross_j = w->gross_j;
    out->idle_j = w->idle_j;
    out->net_j = w->gross_j - w->idle_j;
    fill_uncertainty(&whole, out);
}

void eprof__analyse_energy(const eprof__record *r, const eprof__meter *m, const eprof__region_record *g, int64_t t1_ns,
                           eprof_energy *out)
{
    work w = { .r = r, .m = m, .g = g, .t0_ns = g->begin_ns, .t1_ns = t1_ns, .elapsed_s = seconds(t1_ns - g->begin_ns),
               .share = 1 };
    fill_absent(r, m, out);
    if (t1_ns <= g->begin_ns || m->n_channels == 0) return;
    integrate_meter(r, m, w.t0_ns, t1_ns, &w.area);
    out->flags = flags_of(&w);
    out->covered = w.area.sum.covered;
    out->n_samples = w.area.sum.n;
    if (isnan(w.area.sum.value)) return;
    w.gross_j = w.area.sum.value;
    if (is_stuck(&w)) {
        out->flags |= EPROF_FLAG_STUCK;
        if (!(w.gross_j > 0)) return; /* nothing was measured: absent, not 0 */
    }
    w.baseline = eprof__baseline_of_meter(r, m, w.t0_ns, t1_ns);
    out->flags |= w.baseline.flags;
    out->idle_w = w.baseline.at_middle;
    out->idle_median_w = w.baseline.median_at_middle;
    fill_joules(&w, out);
    if (eprof_has(out->net_j) && fabs(out->net_j) < 3 * out->u_net_j) out->flags |= EPROF_FLAG_BELOW_RESOLUTION;
    out->grade = eprof__grade(channel_of(&w, 0), m->scope, out->net_j, out->u_net_j, out->flags);
}
