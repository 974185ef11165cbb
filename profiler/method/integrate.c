/* SPDX-License-Identifier: MIT
 * integrate.c - areas of counters, instants and windows; which readings count.
 *
 * Every rule looks at a reading and its neighbours alone, never at where the area begins: so areas add up. Of a counter
 * the rise between two neighbours is exact and edges are linear between readings; where a reading was taken at the edge
 * itself that is exact as well. Of instants the edge's value is interpolated, which gives a load that begins at the
 * edge a part of the idle time before it: budget.c reckons with that, energy.c avoids it where idle time lies around.
 *
 * Not counted: readings that failed, values out of bounds, one reading of a counter that its two neighbours contradict,
 * and all but the largest of readings at the same instant, so that their order means nothing. Rises that cannot be (a
 * reset, a wild jump, a time in which the counter may have wrapped twice) count as nothing and leave their time
 * uncovered. Wraps: profiling.md 2.1; gaps: 3.6.
 */
#include "profiler/method/integrate.h"

static const int64_t longest_bridge_ns = 2000000000;
static const int64_t edge_slack_ns = 100000; /* a region's own read at its edge is this close to it */

static double seconds(int64_t ns) { return (double)ns * 1e-9; }
static double value_of(const eprof__channel *c, const eprof__sample *x) { return (double)x->raw * c->scale; }
static int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most_of(int64_t a, int64_t b) { return a > b ? a : b; }
static bool has_bounds(const eprof__channel *c) { return c->most > c->least; }

/* ------------------------------------------------------------------------------------- which readings count -- */

/* The flag of a reading that cannot be used, 0: it can. */
static uint32_t fault_of(const eprof__channel *c, const eprof__sample *x)
{
    if (x->flags & EPROF_FLAG_READ_ERROR) return EPROF_FLAG_READ_ERROR;
    if (x->flags & EPROF_FLAG_IMPLAUSIBLE) return EPROF_FLAG_IMPLAUSIBLE;
    if (c->cls == EPROF_CLASS_COUNTER)
        return c->wrap && (x->raw < 0 || (uint64_t)x->raw >= c->wrap) ? EPROF_FLAG_IMPLAUSIBLE : 0;
    if (!has_bounds(c)) return 0;
    const double value = value_of(c, x);
    return value >= c->least && value <= c->most ? 0 : EPROF_FLAG_IMPLAUSIBLE;
}

/* Whether another usable reading of the same instant stands for this one. */
static bool is_superseded(const eprof__channel *c, const eprof__samples *s, int64_t i)
{
    const eprof__sample *x = eprof__sample_at(s, i);
    for (int64_t j = i + 1; j < s->n && eprof__sample_at(s, j)->t_ns == x->t_ns; j++)
        if (eprof__sample_at(s, j)->raw >= x->raw && !fault_of(c, eprof__sample_at(s, j))) return true;
    for (int64_t j = i - 1; j >= 0 && eprof__sample_at(s, j)->t_ns == x->t_ns; j--)
        if (eprof__sample_at(s, j)->raw > x->raw && !fault_of(c, eprof__sample_at(s, j))) return true;
    return false;
}

static bool is_usable(const eprof__channel *c, const eprof__samples *s, int64_t i)
{
    return !fault_of(c, eprof__sample_at(s, i)) && !is_superseded(c, s, i);
}

/* What became of a counter between two readings. */
typedef enum rise_kind {
    RISE,
    JITTER,    /* fell by a step or two: two readings of the same moment */
    FALL,      /* was reset */
    WILD,      /* rose by more than it can */
    AMBIGUOUS  /* may have wrapped more than once */
} rise_kind;

/* The rise in raw steps, 0 where it is not known. A short time may show one update of the device more than fell into
 * it. */
static rise_kind rise_between(const eprof__channel *c, const eprof__sample *a, const eprof__sample *b, double *steps)
{
    *steps = 0;
    const double dt_s = seconds(b->t_ns - a->t_ns);
    if (c->wrap && has_bounds(c) && dt_s * c->most > 0.5 * (double)c->wrap * c->scale) return AMBIGUOUS;
    uint64_t up = (uint64_t)b->raw - (uint64_t)a->raw;
    const bool fell = b->raw < a->raw;
    if (fell) {
        const uint64_t fall = (uint64_t)a->raw - (uint64_t)b->raw;
        if ((double)fall * c->scale <= 2 * (c->lsb > c->scale ? c->lsb : c->scale)) return JITTER;
        if (!c->wrap || fall >= c->wrap) return FALL;
        up = c->wrap - fall;
    }
    if (has_bounds(c)) {
        const double time_s = dt_s + seconds(c->update_ns + a->half_ns + b->half_ns);
        if ((double)up * c->scale > c->most * time_s + 2 * c->lsb) return fell ? FALL : WILD;
    }
    *steps = (double)up;
    return RISE;
}

static bool is_bad(rise_kind k) { return k == FALL || k == WILD; }

static int64_t next_usable(const eprof__channel *c, const eprof__samples *s, int64_t i, int64_t by)
{
    for (i += by; i >= 0 && i < s->n; i += by)
        if (is_usable(c, s, i)) return i;
    return -1;
}

/* A counter's reading that does not fit between its neighbours, which fit each other. */
static bool is_spike(const eprof__channel *c, const eprof__samples *s, int64_t i)
{
    const int64_t before = next_usable(c, s, i, -1);
    if (before < 0) return false;
    double steps;
    const eprof__sample *a = eprof__sample_at(s, before);
    if (!is_bad(rise_between(c, a, eprof__sample_at(s, i), &steps))) return false;
    const int64_t after = next_usable(c, s, i, 1);
    return after >= 0 && rise_between(c, a, eprof__sample_at(s, after), &steps) == RISE;
}

/* The nearest reading from i on, i included, that counts; -1: none. */
static int64_t seek(const eprof__channel *c, const eprof__samples *s, int64_t i, int64_t by)
{
    for (; i >= 0 && i < s->n; i += by)
        if (is_usable(c, s, i) && !(c->cls == EPROF_CLASS_COUNTER && is_spike(c, s, i))) return i;
    return -1;
}

/* The last reading that counts at or before t, else the first of all; -1: none. */
static int64_t first_around(const eprof__channel *c, const eprof__samples *s, int64_t t_ns)
{
    const int64_t n_before = eprof__samples_before(s, t_ns < INT64_MAX ? t_ns + 1 : t_ns);
    const int64_t i = seek(c, s, n_before - 1, -1);
    return i >= 0 ? i : seek(c, s, n_before, 1);
}

/* Flags that came with readings of [t0, t1], used or not. */
static uint32_t flags_inside(const eprof__channel *c, const eprof__samples *s, int64_t t0_ns, int64_t t1_ns)
{
    uint32_t flags = 0;
    for (int64_t i = eprof__samples_before(s, t0_ns); i < s->n && eprof__sample_at(s, i)->t_ns <= t1_ns; i++) {
        const eprof__sample *x = eprof__sample_at(s, i);
        flags |= x->flags | fault_of(c, x);
        if (c->cls == EPROF_CLASS_COUNTER && !fault_of(c, x) && is_spike(c, s, i)) flags |= EPROF_FLAG_IMPLAUSIBLE;
    }
    return flags;
}

/* ---------------------------------------------------------------------------------------- one piece of time -- */

/* Two neighbouring readings and the part [lo, hi] of the time between them that is asked for. */
typedef struct piece {
    const eprof__channel *c;
    const eprof__sample *a, *b;
    int64_t lo_ns, hi_ns;
} piece;

static double line_at(const piece *p, int64_t t_ns, int64_t end_ns)
{
    const double va = value_of(p->c, p->a), vb = value_of(p->c, p->b);
    return va + (vb - va) * ((double)(t_ns - p->a->t_ns) / (double)(end_ns - p->a->t_ns));
}

static double above(double value, const double *base)
{
    return !base ? value : value > *base ? value - *base : 0;
}

/* Instants: a line from a to b. Windows: b's value over its window, and the line, if any, before. */
static double area_between(const piece *p, const double *base)
{
    int64_t line_end = p->b->t_ns;
    double area = 0;
    if (p->c->cls == EPROF_CLASS_WINDOW) {
        line_end = most_of(p->a->t_ns, p->b->t_ns - p->c->window_ns);
        const int64_t from = most_of(line_end, p->lo_ns);
        if (p->hi_ns > from) area += above(value_of(p->c, p->b), base) * seconds(p->hi_ns - from);
    }
    const int64_t to = least_of(line_end, p->hi_ns);
    if (to > p->lo_ns) {
        const double v0 = above(line_at(p, p->lo_ns, line_end), base), v1 = above(line_at(p, to, line_end), base);
        area += 0.5 * (v0 + v1) * seconds(to - p->lo_ns);
    }
    return area;
}

/* What is reasonable between readings: 2.5 of the slowest thing that goes on. INT64_MAX: read at edges alone. */
static int64_t gap_limit_ns(const eprof__channel *c)
{
    if (c->period_ns <= 0) return INT64_MAX;
    const int64_t slowest = most_of(most_of(c->period_ns, c->update_ns), c->window_ns);
    return slowest < INT64_MAX / 5 ? slowest / 2 * 5 : INT64_MAX;
}

/* ------------------------------------------------------------------------------------------------ the area -- */

typedef struct sums {
    eprof__area out;
    double steps;                /* of a counter, raw */
    double area;
    double gap2, gap_dt2;        /* (|dP| dt)^2 and dt^2 of bridged gaps */
    double diff2;                /* of neighbours inside */
    int64_t n_diffs, covered_ns, still_ns;
    double last_rate;
    double half_ns;
    int64_t n_points, first_ns, last_ns;
} sums;

static void add_point(sums *u, const eprof__channel *c, const eprof__sample *x, int64_t t0_ns, int64_t t1_ns)
{
    if (u->n_points++ == 0) u->first_ns = x->t_ns;
    u->last_ns = x->t_ns;
    u->half_ns += x->half_ns;
    if (x->t_ns < t0_ns || x->t_ns > t1_ns) return;
    u->out.n++;
    const double value = value_of(c, x);
    if (c->cls != EPROF_CLASS_COUNTER && !(value <= u->out.peak)) u->out.peak = value;
}

/* Rates over less than a quarter of the period say more about the device's updates than about power. */
static void add_rate(sums *u, const eprof__channel *c, double rate, int64_t dt_ns)
{
    if (dt_ns < c->period_ns / 4 || dt_ns < 5 * c->update_ns) return;
    if (!(rate <= u->out.peak)) u->out.peak = rate;
    const double step = fabs(rate - u->last_rate);
    if (step > u->out.jump) u->out.jump = step; /* NAN, of the first rate, is not above */
    u->last_rate = rate;
}

static void add_rise(sums *u, const piece *p, double part, double part_ns)
{
    static const uint32_t flag_of[] = {
        [RISE] = 0, [JITTER] = EPROF_FLAG_WENT_BACK, [FALL] = EPROF_FLAG_WENT_BACK | EPROF_FLAG_INCOMPLETE,
        [WILD] = EPROF_FLAG_IMPLAUSIBLE | EPROF_FLAG_INCOMPLETE,
        [AMBIGUOUS] = EPROF_FLAG_WRAP_AMBIGUOUS | EPROF_FLAG_INCOMPLETE
    };
    double steps;
    const rise_kind kind = rise_between(p->c, p->a, p->b, &steps);
    u->out.flags |= flag_of[kind];
    if (kind != RISE && kind != JITTER) return;
    u->covered_ns += p->hi_ns - p->lo_ns;
    u->steps += steps * part;
    u->still_ns = steps > 0 ? 0 : u->still_ns + (int64_t)part_ns;
    if (seconds(u->still_ns) > u->out.still_s) u->out.still_s = seconds(u->still_ns);
    const int64_t dt_ns = p->b->t_ns - p->a->t_ns;
    add_rate(u, p->c, steps * p->c->scale / seconds(dt_ns), dt_ns);
}

static void add_values(sums *u, const piece *p, int64_t dt_ns, bool is_gap, bool is_inside)
{
    if (is_gap && dt_ns > longest_bridge_ns) {
        u->out.flags |= EPROF_FLAG_INCOMPLETE;
        return;
    }
    u->covered_ns += p->hi_ns - p->lo_ns;
    u->area += area_between(p, NULL);
    const double step = fabs(value_of(p->c, p->b) - value_of(p->c, p->a));
    if (step > u->out.jump) u->out.jump = step;
    if (is_gap) {
        u->gap2 += step * step * seconds(dt_ns) * seconds(dt_ns);
        u->gap_dt2 += seconds(dt_ns) * seconds(dt_ns);
    } else if (is_inside) {
        u->diff2 += step * step;
        u->n_diffs++;
    }
}

static double edge_part_s(const piece *p, int64_t t_ns)
{
    if (t_ns <= p->a->t_ns || t_ns >= p->b->t_ns) return 0;
    const double d = seconds(p->b->t_ns - p->a->t_ns), f = seconds(t_ns - p->a->t_ns) / d;
    return d * f * (1 - f);
}

static void add_piece(sums *u, const piece *p, int64_t t0_ns, int64_t t1_ns)
{
    const int64_t dt_ns = p->b->t_ns - p->a->t_ns;
    const bool is_gap = dt_ns > gap_limit_ns(p->c);
    if (is_gap) u->out.flags |= EPROF_FLAG_GAP;
    u->out.edge_s += edge_part_s(p, t0_ns) + edge_part_s(p, t1_ns);
    const double part_ns = (double)(p->hi_ns - p->lo_ns);
    if (p->c->cls == EPROF_CLASS_COUNTER)
        add_rise(u, p, p->hi_ns - p->lo_ns == dt_ns ? 1 : part_ns / (double)dt_ns, part_ns);
    else
        add_values(u, p, dt_ns, is_gap, p->a->t_ns >= t0_ns && p->b->t_ns <= t1_ns);
}

static eprof__area finish(sums *u, const eprof__channel *c, int64_t t0_ns, int64_t t1_ns)
{
    eprof__area *out = &u->out;
    out->rough = u->n_diffs ? sqrt(u->diff2 / (2 * (double)u->n_diffs)) : 0;
    out->gap_u = sqrt(u->gap2 / 12 + out->rough * out->rough * u->gap_dt2 / 2);
    out->half_s = u->n_points ? u->half_ns * 1e-9 / (double)u->n_points : 0;
    out->dt_s = u->n_points > 1 ? seconds(u->last_ns - u->first_ns) / (double)(u->n_points - 1) : 0;
    const int64_t asked_ns = t1_ns - t0_ns, missing_ns = asked_ns - u->covered_ns;
    /* Within an update of the device, or the time a region's own read takes, the edge is as good as reached. */
    const bool is_whole = missing_ns <= c->update_ns + edge_slack_ns && 2 * missing_ns <= asked_ns;
    out->covered = is_whole ? 1 : (double)u->covered_ns / (double)asked_ns;
    if (!is_whole) out->flags |= EPROF_FLAG_INCOMPLETE;
    if (u->covered_ns > 0) out->value = c->cls == EPROF_CLASS_COUNTER ? u->steps * c->scale : u->area;
    return *out;
}

eprof__area eprof__integrate(const eprof__channel *c, const eprof__samples *s, int64_t t0_ns, int64_t t1_ns)
{
    sums u = { .out = { .value = EPROF_ABSENT, .peak = EPROF_ABSENT }, .last_rate = EPROF_ABSENT };
    if (t1_ns <= t0_ns) return u.out;
    u.out.flags = flags_inside(c, s, t0_ns, t1_ns);
    int64_t i = first_around(c, s, t0_ns);
    if (i >= 0) add_point(&u, c, eprof__sample_at(s, i), t0_ns, t1_ns);
    while (i >= 0 && eprof__sample_at(s, i)->t_ns < t1_ns) {
        const int64_t next = seek(c, s, i + 1, 1);
        if (next < 0) break;
        const eprof__sample *a = eprof__sample_at(s, i), *b = eprof__sample_at(s, next);
        const piece p = { c, a, b, most_of(a->t_ns, t0_ns), least_of(b->t_ns, t1_ns) };
        add_point(&u, c, b, t0_ns, t1_ns);
        if (p.hi_ns > p.lo_ns) add_piece(&u, &p, t0_ns, t1_ns);
        i = next;
    }
    return finish(&u, c, t0_ns, t1_ns);
}

double eprof__integrate_clipped(const eprof__channel *c, const eprof__samples *s, int64_t t0_ns, int64_t t1_ns,
                                double base)
{
    double area = EPROF_ABSENT;
    int64_t i = first_around(c, s, t0_ns);
    while (i >= 0 && eprof__sample_at(s, i)->t_ns < t1_ns) {
        const int64_t next = seek(c, s, i + 1, 1);
        if (next < 0) break;
        const eprof__sample *a = eprof__sample_at(s, i), *b = eprof__sample_at(s, next);
        const piece p = { c, a, b, most_of(a->t_ns, t0_ns), least_of(b->t_ns, t1_ns) };
        const int64_t dt_ns = b->t_ns - a->t_ns;
        const bool is_left_out = dt_ns > gap_limit_ns(c) && dt_ns > longest_bridge_ns;
        if (p.hi_ns > p.lo_ns && !is_left_out) area = (isnan(area) ? 0 : area) + area_between(&p, &base);
        i = next;
    }
    return area;
}

/* --------------------------------------------------------------------------------------- values and rates -- */

double eprof__counter_at(const eprof__channel *c, const eprof__samples *s, int64_t t_ns, uint32_t *flags)
{
    const int64_t first = seek(c, s, 0, 1), last = seek(c, s, s->n - 1, -1);
    if (first < 0) return EPROF_ABSENT;
    const int64_t from = eprof__sample_at(s, first)->t_ns;
    if (t_ns < from || t_ns > eprof__sample_at(s, last)->t_ns) return EPROF_ABSENT;
    if (t_ns == from) return 0;
    const eprof__area area = eprof__integrate(c, s, from, t_ns);
    if (flags) *flags |= area.flags;
    return area.value;
}

double eprof__value_at(const eprof__channel *c, const eprof__samples *s, int64_t t_ns)
{
    const int64_t i = first_around(c, s, t_ns);
    if (i < 0) return EPROF_ABSENT;
    const eprof__sample *a = eprof__sample_at(s, i);
    const int64_t next = seek(c, s, i + 1, 1);
    if (a->t_ns > t_ns || next < 0) {
        const int64_t away = a->t_ns > t_ns ? a->t_ns - t_ns : t_ns - a->t_ns;
        return away <= gap_limit_ns(c) ? value_of(c, a) : EPROF_ABSENT;
    }
    const piece p = { c, a, eprof__sample_at(s, next), t_ns, t_ns };
    return line_at(&p, t_ns, p.b->t_ns);
}

int64_t eprof__rates(const eprof__channel *c, const eprof__samples *s, int64_t t0_ns, int64_t t1_ns, int64_t *t_ns,
                     double *out, int64_t n_most)
{
    int64_t n = 0, i = first_around(c, s, t0_ns);
    if (i >= 0 && n_most > 0) t_ns[0] = eprof__sample_at(s, i)->t_ns;
    while (i >= 0 && n < n_most && t_ns[n] < t1_ns) {
        int64_t next = seek(c, s, i + 1, 1);
        while (next >= 0 && eprof__sample_at(s, next)->t_ns - t_ns[n] < c->period_ns / 2)
            next = seek(c, s, next + 1, 1);
        if (next < 0) break;
        const int64_t end_ns = eprof__sample_at(s, next)->t_ns;
        const eprof__area area = eprof__integrate(c, s, t_ns[n], end_ns);
        out[n] = area.covered == 1 ? area.value / seconds(end_ns - t_ns[n]) : EPROF_ABSENT;
        t_ns[++n] = end_ns;
        i = next;
    }
    return n;
}
