/* SPDX-License-Identifier: MIT
 * source_alive.c - whether energy sources measure: looked at while the machine idles, and while one core works.
 *
 * A counter must rise, at a rate that can be; a sensor must be finite, in its bounds and, where it is fast, move with
 * the load. What fails is demoted and says what was seen: a counter that opens and stands at 0 (psys of virtual
 * machines, and of servers whose firmware has it off) would otherwise report 0 J. What a source cannot show in that
 * time (a step coarser than its energy, an update slower than the work) is not held against it.
 * Facts: profiling.md 2.11, 2.1. Invariant: without a source to check, no time is spent.
 */
#include "profiler/sources/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_LOOKS = 2, WORK_LOOKS = 4, N_LOOKS = IDLE_LOOKS + WORK_LOOKS };

static const int64_t look_ns = 50000000;    /* between looks */
static const double least_w = 0.05;         /* of anything that feeds a core at work */
static const double fine_j = 0.01;          /* a step that this work shows for sure */

/* What one source said, look by look; the last idle look is where the work begins. */
typedef struct looks {
    bool taken[N_LOOKS];
    int status[N_LOOKS];
    int64_t t_ns[N_LOOKS];
    int64_t raw[N_LOOKS][EPROF__MAX_SOURCE_CHANNELS];
    bool ok[N_LOOKS][EPROF__MAX_SOURCE_CHANNELS];
} looks;

static bool is_energy(const eprof__channel *c)
{
    return (c->kind == EPROF__ENERGY || c->kind == EPROF__POWER) && c->cls != EPROF_CLASS_MODEL;
}

static bool is_main(const eprof__source *s, int32_t i)
{
    return is_energy(&s->channels[i]) && (int32_t)s->channels[i].scope == s->info.scope;
}

static bool is_checked(const eprof__source *s)
{
    for (int32_t i = 0; s->info.live && i < s->n_channels; i++)
        if (is_main(s, i)) return true;
    return false;
}

/* ----------------------------------------------------------------------------------------------- looking -- */

static void take_look(eprof__source *s, const eprof_io *io, looks *l, int at)
{
    int64_t begin = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC), end = begin;
    const int64_t asked = begin;
    memset(l->ok[at], 0, sizeof l->ok[at]);
    l->taken[at] = true;
    l->status[at] = s->ops->read(s, io, l->raw[at], l->ok[at], &begin, &end);
    if (end == asked) end = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    l->t_ns[at] = begin + (end - begin) / 2;
    if (l->status[at] != 0) memset(l->ok[at], 0, sizeof l->ok[at]);
}

/* Slow ones are looked at where idling and work begin and end: their readings take as long as the work. */
static void look_at_all(eprof__sources *all, looks *l, int at)
{
    const bool is_border = at == 0 || at == IDLE_LOOKS - 1 || at == N_LOOKS - 1;
    for (int32_t i = 0; i < all->n; i++)
        if (is_checked(&all->list[i]) && (is_border || !all->list[i].is_slow))
            take_look(&all->list[i], all->io, &l[i], at);
}

/* One core works. A clock that stands (a test's) is slept forward. */
static void work(const eprof_io *io, int64_t until_ns)
{
    int64_t last = INT64_MIN;
    for (int n_same = 0; n_same < 1000; n_same++) {
        const int64_t now = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
        if (now >= until_ns) return;
        if (now != last) n_same = 0;
        last = now;
    }
    (void)io->sleep_until(io->user, until_ns);
}

static void look(eprof__sources *all, looks *l)
{
    const eprof_io *io = all->io;
    for (int at = 0; at < N_LOOKS; at++) {
        const int64_t until = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC) + look_ns;
        if (at >= IDLE_LOOKS)
            work(io, until);
        else if (at > 0)
            (void)io->sleep_until(io->user, until);
        look_at_all(all, l, at);
    }
}

/* ----------------------------------------------------------------------------------------------- judging -- */

/* Next look from `at` on in which the channel gave a value; N_LOOKS: none. */
static int next_ok(const looks *l, int32_t channel, int at)
{
    while (at < N_LOOKS && !(l->taken[at] && l->ok[at][channel])) at++;
    return at;
}

/* No look gave a value: why. A slow source may have had nothing new in this time. */
static bool judge_silence(eprof__source *s, const looks *l)
{
    int status = 0;
    for (int at = 0; at < N_LOOKS; at++)
        if (l->taken[at] && l->status[at] != -EAGAIN) status = l->status[at] ? l->status[at] : -ENODATA;
    if (status == 0 && s->is_slow) return true;
    eprof__source_dead(s, NULL, "no reading in %d ms: %s", (int)(look_ns * (N_LOOKS - 1) / 1000000),
                       eprof__errno_text(status ? status : -EAGAIN));
    return false;
}

/* Rise in raw units; false: it fell, and not by wrapping. Two readings of one moment may differ by a step or two. */
static bool rise_of(const eprof__channel *c, int64_t a, int64_t b, double *rise)
{
    *rise = (double)(int64_t)((uint64_t)b - (uint64_t)a);
    if (b >= a) return true;
    const double fall = -*rise * c->scale;
    *rise = 0;
    if (fall <= 2 * c->lsb) return true;
    if (!c->wrap || (uint64_t)a >= c->wrap || (uint64_t)b >= c->wrap) return false;
    *rise = (double)(c->wrap - ((uint64_t)a - (uint64_t)b));
    return true;
}

static bool may_rest(const eprof__channel *c)
{
    return c->scope == EPROF_SCOPE_UNCORE || c->scope == EPROF_SCOPE_OTHER || c->update_ns > look_ns * WORK_LOOKS;
}

/* Joules that a counter rose from the first look in `from` on, and in what time; false: dead. */
static bool count(eprof__source *s, const eprof__channel *c, const looks *l, int32_t i, int from, double *joules,
                  double *time_s)
{
    *joules = *time_s = 0;
    for (int a = next_ok(l, i, from), b; a < N_LOOKS; a = b) {
        double rise;
        b = next_ok(l, i, a + 1);
        if (b == N_LOOKS) break;
        if (!rise_of(c, l->raw[a][i], l->raw[b][i], &rise)) {
            eprof__source_dead(s, NULL, "fell from %lld to %lld without wrapping", (long long)l->raw[a][i],
                               (long long)l->raw[b][i]);
            return false;
        }
        *joules += rise * c->scale;
        *time_s += (double)(l->t_ns[b] - l->t_ns[a]) * 1e-9;
    }
    return true;
}

/* A number for a text, without decimals. */
static long long rounded(double x)
{
    return x > 9e15 ? INT64_C(9000000000000000) : x > 0 ? (long long)(x + 0.5) : 0;
}

/* watts: while the core worked; NAN where that cannot be said. */
static bool judge_counter(eprof__source *s, const eprof__channel *c, const looks *l, int32_t i, double *watts)
{
    double all_j, all_s, work_j, work_s;
    const int first = next_ok(l, i, 0);
    if (first == N_LOOKS) return judge_silence(s, l);
    if (!count(s, c, l, i, 0, &all_j, &all_s) || !count(s, c, l, i, IDLE_LOOKS - 1, &work_j, &work_s)) return false;
    if (work_s <= 0) return may_rest(c) || s->is_slow || judge_silence(s, l);
    const bool is_coarse = c->lsb > fine_j || may_rest(c);
    *watts = work_j / work_s;
    if (all_j <= 0 && !may_rest(c) && (!is_coarse || l->raw[first][i] == 0)) {
        eprof__source_dead(s, NULL, "stood at %lld through %d ms of work on one core", (long long)l->raw[first][i],
                           (int)(look_ns * WORK_LOOKS / 1000000));
        return false;
    }
    if (work_j > c->most * (work_s + (double)c->update_ns * 1e-9) + 2 * c->lsb) {
        eprof__source_dead(s, NULL, "rose by what would be %lld W; more than %lld W it cannot be", rounded(*watts),
                           rounded(c->most));
        return false;
    }
    if (*watts < least_w && !is_coarse && c->scope != EPROF_SCOPE_DRAM) {
        eprof__source_dead(s, NULL, "rose by what would be %lld mW, less than a core at work draws",
                           rounded(*watts * 1e3));
        return false;
    }
    return true;
}

static bool in_bounds(const eprof__channel *c, double value)
{
    return isfinite(value) && (c->most <= c->least || (value >= c->least && value <= c->most));
}

/* watts: the mean while the core worked, of what is in bounds. */
static bool judge_sensor(eprof__source *s, const eprof__channel *c, const looks *l, int32_t i, double *watts)
{
    double sum = 0, last = 0;
    int n = 0, n_good = 0, n_work = 0;
    bool is_same = true;
    const int first = next_ok(l, i, 0);
    if (first == N_LOOKS) return judge_silence(s, l);
    for (int at = first; at < N_LOOKS; at = next_ok(l, i, at + 1), n++) {
        last = (double)l->raw[at][i] * c->scale;
        is_same = is_same && l->raw[at][i] == l->raw[first][i];
        n_good += in_bounds(c, last);
        if (at < IDLE_LOOKS || !in_bounds(c, last)) continue;
        sum += last;
        n_work++;
    }
    if (n_work > 0) *watts = sum / n_work;
    if (n_good == 0) {
        eprof__source_dead(s, NULL, "says %s%lld W; %lld to %lld W it can be", last < 0 ? "-" : "", rounded(fabs(last)),
                           rounded(c->least), rounded(c->most));
        return false;
    }
    if (is_same && n == N_LOOKS && c->cls == EPROF_CLASS_SAMPLE && c->scope != EPROF_SCOPE_OTHER &&
        c->update_ns <= look_ns) {
        eprof__source_dead(s, NULL, "stood at %lld mW through %d ms of work on one core", rounded(last * 1e3),
                           (int)(look_ns * WORK_LOOKS / 1000000));
        return false;
    }
    return true;
}

/* A source lives when one of the channels of its scope does. Its power is its sensors', else its counters'. */
static void judge(eprof__source *s, const looks *l)
{
    double sums[2] = { 0, 0 };
    bool is_alive = false, has_watts[2] = { false, false };
    for (int32_t i = 0; i < s->n_channels; i++) {
        const eprof__channel *c = &s->channels[i];
        const bool is_counter = c->kind == EPROF__ENERGY;
        double watts = EPROF_ABSENT;
        if (!is_main(s, i)) continue;
        if (!(is_counter ? judge_counter(s, c, l, i, &watts) : judge_sensor(s, c, l, i, &watts))) continue;
        is_alive = true;
        if (!eprof_has(watts)) continue;
        sums[is_counter] += watts;
        has_watts[is_counter] = true;
    }
    if (has_watts[0] || has_watts[1]) s->info.power_w = sums[!has_watts[0]];
    if (is_alive) {
        s->info.live = 1;
        s->info.why_not[0] = s->info.unlock[0] = '\0';
    }
}

void eprof__check_alive(eprof__sources *all)
{
    bool any = false;
    for (int32_t i = 0; i < all->n; i++) any = any || is_checked(&all->list[i]);
    looks *l = any ? calloc(EPROF__MAX_SOURCES, sizeof *l) : NULL;
    if (!l) return;
    bool checked[EPROF__MAX_SOURCES];
    for (int32_t i = 0; i < all->n; i++) checked[i] = is_checked(&all->list[i]);
    look(all, l);
    for (int32_t i = 0; i < all->n; i++)
        if (checked[i]) judge(&all->list[i], &l[i]);
    free(l);
}
