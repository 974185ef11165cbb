/* SPDX-License-Identifier: MIT
 * budget.c - the terms of profiling.md 3.9, their sum, and the grade of 3.13.
 *
 * Where the simulations of tests/unit/profiler/test_coverage.c showed a term of 3.9 to be wrong, it is another one
 * here:
 *
 * sampling   3.9 has the two edges of a box alone. Power that fluctuates faster than it is read adds rough * sqrt(T
 *            dt): the samples are then a random choice, and each stands for dt. And a counter that updates every U
 *            shows the past at both edges: an error of U (P0 f0 - P1 f1) with f in [0, 1], not of step * U / sqrt(6);
 *            the difference of their means, step * U / 2, loses energy always.
 * baseline   3.9 has the error of the windows' mean alone; but what the machine would have drawn during the region has
 *            noise of its own, which windows of length W show: se^2 W / T in the mean over T. And that error is known
 *            from few batches: widened by Student's factor (in baseline.c).
 * drift      3.9 divides |after - before| by sqrt(12): idle power somewhere between the two. Right for a steady drift,
 *            whose line is then right as well; but idle power that wanders is not bound by what it was before and
 *            after, and two windows are one draw of it: within |after - before| of the line to both sides, sqrt(3).
 *            With sqrt(12) intervals of 25 Hz meters held the truth 89 % of the time, and 82 % where the load was
 *            steady.
 *
 * A tight window (no guard) loses dP dt / 3 of a sampled box on the average, with a deviation of 0.21 dP dt: 0.394 dP
 * dt in the root of squares, which dP dt / sqrt(6) covers. A step of unknown place in a window's or slow counter's
 * interval is wrong by dP d f (1 - f), where f is known: area.edge_s.
 */
#include "profiler/method/budget.h"

static const double root_2 = 1.4142135623730951, root_3 = 1.7320508075688772, root_6 = 2.449489742783178,
                    root_12 = 3.4641016151377544;

static double seconds(int64_t ns) { return (double)ns * 1e-9; }
static bool is_net(const eprof__evidence *e) { return eprof_has(e->net_j); }

/* Readings closer than the device's updates repeat what they showed. */
static double step_between_s(const eprof__evidence *e)
{
    return fmax(e->area.dt_s, seconds(e->channel->update_ns));
}

static double idle_w_of(const eprof__evidence *e)
{
    const double mean_w = e->elapsed_s > 0 ? e->gross_j / e->elapsed_s : 0;
    return fmax(mean_w - e->step_w, 0);
}

static double counter_edges(const eprof__evidence *e)
{
    const double update_s = seconds(e->channel->update_ns), low = idle_w_of(e);
    if (e->guard_s > 0) return low * update_s / root_6; /* both edges lie in idle time */
    const double high = low + e->step_w;
    const double spread = update_s * eprof__in_squares(low, high) / root_12, loss = update_s * e->step_w / 2;
    return eprof__in_squares(eprof__in_squares(spread, loss), e->step_w * e->area.edge_s);
}

/* Of windows that leave holes, the holes' share is sampled. */
static double instants(const eprof__evidence *e)
{
    const double dt = step_between_s(e);
    double hole = 1;
    if (e->channel->cls == EPROF_CLASS_WINDOW) hole = dt > 0 ? fmax(1 - seconds(e->channel->window_ns) / dt, 0) : 0;
    const double edges = hole * e->step_w * dt / root_6;
    const double inside = hole * e->area.rough * sqrt(e->elapsed_s * dt);
    const double idle_rough = e->baseline && isfinite(e->baseline->rough) ? e->baseline->rough : 0;
    const double outside = hole * idle_rough * sqrt(2 * e->guard_s * dt);
    const double straddling = e->guard_s > 0 ? 0 : (1 - hole) * e->step_w * e->area.edge_s;
    return eprof__in_squares(eprof__in_squares(edges, inside), eprof__in_squares(outside, straddling));
}

static double quantisation(const eprof__evidence *e)
{
    if (e->channel->cls == EPROF_CLASS_COUNTER) return e->channel->lsb / root_6;
    return e->channel->lsb * sqrt(step_between_s(e) * (e->elapsed_s + 2 * e->guard_s)) / root_12;
}

/* The idle power under the load and in the guards has noise of its own; what of it sampling saw as roughness is
 * reckoned there. */
static double idle_noise(const eprof__evidence *e)
{
    const bool is_counter = e->channel->cls == EPROF_CLASS_COUNTER;
    const double seen = is_counter ? 0 : e->baseline->rough * e->baseline->rough * step_between_s(e);
    return sqrt(fmax(e->baseline->wander * e->baseline->wander - seen, 0) * (e->elapsed_s + 2 * e->guard_s));
}

/* One meter's gain error scales the baseline as well, and so the difference. A model's does not: it errs by another
 * amount at idle than under load, and where others keep the machine busy its difference is near 0 whatever was used. */
static double gain(const eprof__evidence *e)
{
    const bool scales_net = is_net(e) && e->channel->cls != EPROF_CLASS_MODEL;
    return fabs(scales_net ? e->net_j : e->gross_j) * e->channel->accuracy / root_3;
}

void eprof__budget(const eprof__evidence *e, double terms_j[EPROF_N_TERMS])
{
    for (int i = 0; i < EPROF_N_TERMS; i++) terms_j[i] = 0;
    const bool is_counter = e->channel->cls == EPROF_CLASS_COUNTER;
    const double step = fabs(e->step_w);
    terms_j[EPROF_TERM_SAMPLING] = is_counter ? counter_edges(e) : instants(e);
    terms_j[EPROF_TERM_TIMESTAMPS] = step * root_2 * e->area.half_s / root_3;
    terms_j[EPROF_TERM_ALIGNMENT] = e->guard_s > 0 ? 0 : step * root_2 * e->align_sigma_s;
    terms_j[EPROF_TERM_GAIN] = gain(e);
    terms_j[EPROF_TERM_OFFSET] = is_net(e) ? 0 : e->elapsed_s * e->channel->offset_w / root_3;
    terms_j[EPROF_TERM_QUANTISATION] = quantisation(e);
    terms_j[EPROF_TERM_GAPS] = e->area.gap_u;
    if (!e->baseline || !eprof_has(e->baseline->at_middle)) return;
    /* Time for which the baseline was subtracted: of gross, the guard's alone. */
    const double idle_s = (is_net(e) ? e->elapsed_s : 0) + 2 * e->guard_s;
    terms_j[EPROF_TERM_BASELINE] = eprof__in_squares(idle_s * e->baseline->se, is_net(e) ? idle_noise(e) : 0);
    terms_j[EPROF_TERM_DRIFT] = idle_s * e->baseline->drift / root_3;
    terms_j[EPROF_TERM_MEAN_MEDIAN] = idle_s * fabs(e->baseline->at_middle - e->baseline->median_at_middle) / root_3;
}

double eprof__combine(const double terms_j[EPROF_N_TERMS])
{
    double sum = 0;
    for (int i = 0; i < EPROF_N_TERMS; i++) sum += terms_j[i] * terms_j[i];
    return sqrt(sum);
}

/* Cornish and Fisher's expansion of t's quantile in powers of 1 / dof (Abramowitz and Stegun, 26.7.5), and t itself
 * where that is too coarse. */
double eprof__student_factor(double dof)
{
    const double z = 1.959963984540054;
    if (!(dof >= 1)) dof = 1;
    if (dof < 2) return 12.706 / z;
    if (dof < 3) return 4.3027 / z;
    const double z2 = z * z, g1 = z * (z2 + 1) / 4, g2 = z * ((5 * z2 + 16) * z2 + 3) / 96;
    const double g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
    return (z + (g1 + (g2 + g3 / dof) / dof) / dof) / z;
}

/* --------------------------------------------------------------------------------------------------- grade -- */

static int32_t worse(int32_t a, int32_t b) { return a > b ? a : b; }

static int32_t grade_of_flags(uint32_t flags)
{
    static const uint32_t invalid = EPROF_FLAG_WRAP_AMBIGUOUS | EPROF_FLAG_STUCK | EPROF_FLAG_SUSPENDED;
    static const uint32_t poor = EPROF_FLAG_INCOMPLETE | EPROF_FLAG_BASELINE_UNSTABLE | EPROF_FLAG_HISTORY;
    static const uint32_t partial = EPROF_FLAG_PARTIAL_SCOPE | EPROF_FLAG_FOREIGN_LOAD | EPROF_FLAG_SHARED;
    return flags & invalid ? 'E' : flags & poor ? 'D' : flags & partial ? 'C' : flags ? 'B' : 'A';
}

static int32_t grade_of_source(const eprof__channel *c, eprof_scope scope)
{
    if (c->cls == EPROF_CLASS_MODEL) return 'E';
    const int64_t slowest = c->period_ns > c->update_ns ? c->period_ns : c->update_ns;
    const bool is_counter = c->cls == EPROF_CLASS_COUNTER;
    if (!is_counter && slowest > 2000000000) return 'D';
    if (scope != EPROF_SCOPE_BOARD_DC && scope != EPROF_SCOPE_WALL_AC) return 'C';
    return c->is_calibrated && (is_counter || (slowest > 0 && slowest <= 50000000)) ? 'A' : 'B';
}

int32_t eprof__grade(const eprof__channel *c, eprof_scope scope, double net_j, double u_net_j, uint32_t flags)
{
    if (!eprof_has(net_j) || !eprof_has(u_net_j)) return 0;
    const double u95 = 2 * u_net_j / fabs(net_j); /* of nothing: NAN or infinite, which is an E */
    const int32_t by_u = u95 <= 0.03 ? 'A' : u95 <= 0.07 ? 'B' : u95 <= 0.15 ? 'C' : u95 <= 0.30 ? 'D' : 'E';
    return worse(by_u, worse(grade_of_source(c, scope), grade_of_flags(flags)));
}
