/* SPDX-License-Identifier: MIT
 * source_meters.c - which channels add up to which meter, and which meter is the headline.
 *
 * Of the processor's own counters each scope is read through one way: perf before powercap before MSRs before hwmon,
 * the first that has all of its parts. What shows the same again is left out and says so. Packages and DRAM add up;
 * cores and graphics are parts of a package and stand beside it. psys is believed where it is no less than packages and
 * DRAM while a core works. The headline is the widest scope that is measured at a useful rate: the input of board or
 * wall, then the SoC's rails or psys, then packages with DRAM; then what is slower than 1.5 s; the model where nothing
 * else is.
 * Facts: profiling.md 2.1 "Which domains may be added", 2.10, 2.8. Invariant: no joule is in one meter twice.
 */
#include "profiler/sources/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/run/profiler.h"

enum { N_WAYS = 4, MOST_CANDIDATES = EPROF__MAX_SOURCES + 1, RING_AT_EDGES = 1 << 16, MOST_RING = 1 << 26 };

static const int64_t slow_ns = 1500000000;
static const double fine_j = 0.1;      /* a counter with a coarser step says less than the sensor beside it */

/* A meter in the making. rank: less comes first. */
typedef struct candidate {
    eprof__meter meter;
    int rank;
    int64_t pace_ns;
    double accuracy;
    int32_t n_sources;
    int16_t sources[EPROF__MAX_SOURCES];
} candidate;

/* What one call works on. way[i]: how source i reads the processor's counters, -1: it is no such source. */
typedef struct choice {
    eprof__sources *all;
    int way[EPROF__MAX_SOURCES];
    bool is_replaced[EPROF__MAX_SOURCES]; /* dead, and its twin reads the same */
    int n;
    candidate list[MOST_CANDIDATES];
} choice;

static bool is_energy(const eprof__channel *c)
{
    return c->kind == EPROF__ENERGY || c->kind == EPROF__POWER;
}

static bool is_part(int32_t scope)
{
    return scope == EPROF_SCOPE_CORES || scope == EPROF_SCOPE_UNCORE || scope == EPROF_SCOPE_DRAM;
}

static int way_of(const eprof__source *s)
{
    static const char *const ways[] = { "perf:", "powercap:", "msr:" };
    for (int i = 0; i < 3; i++)
        if (strncmp(s->info.name, ways[i], strlen(ways[i])) == 0) return i;
    return is_part(s->info.scope) || s->info.scope == EPROF_SCOPE_PACKAGE ? N_WAYS - 1 : -1;
}

/* The reason names what is read instead, and what both said while a core worked, as far as that is known. */
static void not_needed(eprof__source *s, const eprof__source *other, const char *what)
{
    const double here = s->info.power_w, there = other->info.power_w;
    if (eprof_has(here) && eprof_has(there) && here < 1e6 && there < 1e6)
        eprof__source_dead(s, NULL, "%s %s (%d mW there, %d mW here)", what, other->info.name, (int)(there * 1e3),
                           (int)(here * 1e3));
    else
        eprof__source_dead(s, NULL, "%s %s", what, other->info.name);
}

/* --------------------------------------------------------------------------------- the processor's counters -- */

/* A zone named NAME@FOLDER is the twin of NAME. */
static void drop_twins(choice *ch)
{
    for (int32_t i = 0; i < ch->all->n; i++) {
        eprof__source *twin = &ch->all->list[i];
        const char *at = strchr(twin->info.name, '@');
        if (ch->way[i] != 1 || !at || !twin->info.live) continue;
        for (int32_t k = 0; k < i; k++) {
            eprof__source *first = &ch->all->list[k];
            const size_t size = (size_t)(at - twin->info.name);
            if (strncmp(first->info.name, twin->info.name, size) != 0) continue;
            if (first->info.name[size] != '\0' && first->info.name[size] != '@') continue;
            if (first->info.live) {
                not_needed(twin, first, "the same counter as");
                break;
            }
            ch->is_replaced[k] = true;
        }
    }
}

static bool is_of(const choice *ch, int32_t i, int32_t scope, int way)
{
    return ch->way[i] >= 0 && (way < 0 || ch->way[i] == way) && ch->all->list[i].info.scope == scope &&
           ch->all->list[i].n_channels > 0;
}

/* The way by which a scope is read: the first whose sources all live, else the first with one that does; -1: none. */
static int choose_way(const choice *ch, int32_t scope)
{
    int partial = -1;
    for (int way = 0; way < N_WAYS; way++) {
        int n_live = 0, n_dead = 0;
        for (int32_t i = 0; i < ch->all->n; i++) {
            if (ch->way[i] != way || ch->all->list[i].info.scope != scope) continue;
            n_live += ch->all->list[i].info.live;
            n_dead += !ch->all->list[i].info.live && !ch->is_replaced[i] && !strchr(ch->all->list[i].info.name, '@');
        }
        if (n_live && !n_dead) return way;
        if (n_live && partial < 0) partial = way;
    }
    return partial;
}

static const eprof__source *first_live(const choice *ch, int32_t scope, int way)
{
    for (int32_t i = 0; i < ch->all->n; i++)
        if (is_of(ch, i, scope, way) && ch->all->list[i].info.live) return &ch->all->list[i];
    return NULL;
}

/* One way a scope; the other ways' sources are left out. */
static void choose_ways(choice *ch)
{
    static const eprof_scope scopes[] = { EPROF_SCOPE_PACKAGE, EPROF_SCOPE_DRAM, EPROF_SCOPE_CORES, EPROF_SCOPE_UNCORE,
                                          EPROF_SCOPE_SOC };
    for (size_t k = 0; k < sizeof scopes / sizeof *scopes; k++) {
        const int32_t scope = (int32_t)scopes[k];
        const int way = choose_way(ch, scope);
        const eprof__source *chosen = way < 0 ? NULL : first_live(ch, scope, way);
        for (int32_t i = 0; i < ch->all->n && chosen; i++)
            if (is_of(ch, i, scope, -1) && ch->way[i] != way && ch->all->list[i].info.live)
                not_needed(&ch->all->list[i], chosen, "measures the same as");
    }
}

/* Watts while a core worked; false: of one it is not known, or there is none. */
static bool add_power(const choice *ch, int32_t scope, double *sum)
{
    bool any = false;
    for (int32_t i = 0; i < ch->all->n; i++) {
        if (!is_of(ch, i, scope, -1) || !ch->all->list[i].info.live) continue;
        if (!eprof_has(ch->all->list[i].info.power_w)) return false;
        *sum += ch->all->list[i].info.power_w;
        any = true;
    }
    return any;
}

/* A platform that draws less than its processor is none. 2 %: two counters that update at different times. */
static void judge_psys(choice *ch)
{
    double parts = 0, platform = 0;
    if (!add_power(ch, EPROF_SCOPE_PACKAGE, &parts)) return;
    (void)add_power(ch, EPROF_SCOPE_DRAM, &parts);
    if (!add_power(ch, EPROF_SCOPE_SOC, &platform) || platform >= 0.98 * parts) return;
    for (int32_t i = 0; i < ch->all->n; i++)
        if (is_of(ch, i, EPROF_SCOPE_SOC, -1) && ch->all->list[i].info.live)
            eprof__source_dead(&ch->all->list[i], NULL,
                               "%d mW while a core worked, less than the %d mW of its packages and DRAM",
                               (int)(platform * 1e3), (int)(parts * 1e3));
}

/* ------------------------------------------------------------------------------------------------ candidates -- */

static int rank_of(int32_t scope, bool is_slow)
{
    enum { SLOW = 4, OWN_SHARE = 8, PARTS = 10 };
    switch (scope) {
    case EPROF_SCOPE_WALL_AC:
    case EPROF_SCOPE_BOARD_DC: return is_slow ? SLOW : 0;
    case EPROF_SCOPE_SOC: return is_slow ? SLOW + 1 : 1;
    case EPROF_SCOPE_PACKAGE_DRAM: return 2;
    case EPROF_SCOPE_PACKAGE: return 3;
    case EPROF_SCOPE_PROCESS: return OWN_SHARE;
    default: return PARTS + scope;
    }
}

enum { RANK_MODEL = 9, RANK_OTHER = 10 + EPROF_SCOPE_OTHER };

/* The kind of a source's channels that add up; EPROF__N_KINDS: it has no energies. */
static eprof__kind kind_of(const eprof__source *s)
{
    eprof__kind found = EPROF__N_KINDS;
    for (int32_t i = 0; i < s->n_channels; i++) {
        const eprof__channel *c = &s->channels[i];
        if (!is_energy(c) || (int32_t)c->scope != s->info.scope) continue;
        if (c->kind == EPROF__ENERGY && c->lsb <= fine_j) return EPROF__ENERGY;
        if (c->kind == EPROF__POWER || found == EPROF__N_KINDS) found = c->kind;
    }
    return found;
}

static int64_t longest(const eprof__channel *c)
{
    const int64_t a = c->period_ns > c->update_ns ? c->period_ns : c->update_ns;
    return a > c->window_ns ? a : c->window_ns;
}

/* Add a source's channels to a meter, by source and place in it for now: `resolve` makes them the record's. False: no
 * room. */
static bool add_to(candidate *m, const eprof__sources *all, int32_t i)
{
    const eprof__source *s = &all->list[i];
    const eprof__kind kind = kind_of(s);
    const int32_t room = (int32_t)(sizeof m->meter.channels / sizeof m->meter.channels[0]) - m->meter.n_channels;
    int32_t n = 0;
    for (int32_t k = 0; k < s->n_channels; k++)
        n += s->channels[k].kind == kind && (int32_t)s->channels[k].scope == s->info.scope;
    if (n > room) return false;
    for (int32_t k = 0; k < s->n_channels; k++) {
        const eprof__channel *c = &s->channels[k];
        if (c->kind != kind || (int32_t)c->scope != s->info.scope) continue;
        m->meter.channels[m->meter.n_channels++] = (int16_t)(EPROF__MAX_SOURCE_CHANNELS * i + k);
        if (longest(c) > m->pace_ns) m->pace_ns = longest(c);
        if (c->accuracy > m->accuracy) m->accuracy = c->accuracy;
    }
    m->sources[m->n_sources++] = (int16_t)i;
    return true;
}

static void finish(choice *ch, candidate *m, int32_t scope, const char *part)
{
    if (m->n_sources == 0) return;
    const eprof_source_info *first = &ch->all->list[m->sources[0]].info;
    m->meter.scope = (eprof_scope)scope;
    m->rank = first->cls == EPROF_CLASS_MODEL ? RANK_MODEL : rank_of(scope, m->pace_ns > slow_ns);
    if (m->n_sources == 1)
        (void)snprintf(m->meter.name, sizeof m->meter.name, "%s", first->name);
    else
        (void)snprintf(m->meter.name, sizeof m->meter.name, "%.*s:%s", (int)strcspn(first->name, ":"), first->name,
                       part);
    ch->n++;
}

static void add_scope(choice *ch, candidate *m, int32_t scope)
{
    for (int32_t i = 0; i < ch->all->n; i++)
        if (is_of(ch, i, scope, -1) && ch->all->list[i].info.live && !add_to(m, ch->all, i))
            eprof__source_dead(&ch->all->list[i], NULL, "more zones than a meter can have; perf sums them up");
}

/* The processor's meters: packages with their DRAM, and apart from that psys, cores and graphics. */
static void add_processor(choice *ch)
{
    static const struct { eprof_scope scope; const char *name; } apart[] = {
        { EPROF_SCOPE_SOC, "psys" }, { EPROF_SCOPE_CORES, "cores" }, { EPROF_SCOPE_UNCORE, "uncore" } };
    candidate *m = &ch->list[ch->n];
    *m = (candidate){ 0 };
    add_scope(ch, m, EPROF_SCOPE_PACKAGE);
    const int32_t n_packages = m->n_sources;
    add_scope(ch, m, EPROF_SCOPE_DRAM);
    if (n_packages == 0)
        finish(ch, m, EPROF_SCOPE_DRAM, "dram");
    else if (m->n_sources == n_packages)
        finish(ch, m, EPROF_SCOPE_PACKAGE, "package");
    else
        finish(ch, m, EPROF_SCOPE_PACKAGE_DRAM, "package+dram");
    for (size_t k = 0; k < sizeof apart / sizeof *apart; k++) {
        m = &ch->list[ch->n];
        *m = (candidate){ 0 };
        add_scope(ch, m, (int32_t)apart[k].scope);
        finish(ch, m, (int32_t)apart[k].scope, apart[k].name);
    }
}

/* Every other source that measures is a meter of its own. */
static void add_others(choice *ch)
{
    for (int32_t i = 0; i < ch->all->n; i++) {
        const eprof__source *s = &ch->all->list[i];
        if (!s->info.live || ch->way[i] >= 0 || kind_of(s) == EPROF__N_KINDS) continue;
        candidate *m = &ch->list[ch->n];
        *m = (candidate){ 0 };
        (void)add_to(m, ch->all, i);
        finish(ch, m, s->info.scope, "");
    }
}

static bool comes_before(const candidate *a, const candidate *b)
{
    if (a->rank != b->rank) return a->rank < b->rank;
    if (a->pace_ns != b->pace_ns) return a->pace_ns < b->pace_ns;
    return a->accuracy < b->accuracy;
}

static void sort(choice *ch)
{
    for (int i = 1; i < ch->n; i++) {
        const candidate moved = ch->list[i];
        int k = i;
        for (; k > 0 && comes_before(&moved, &ch->list[k - 1]); k--) ch->list[k] = ch->list[k - 1];
        ch->list[k] = moved;
    }
}

/* The model goes where something measures; what is one rail alone is no headline. */
static void settle(choice *ch)
{
    if (ch->n > 0 && ch->list[0].rank == RANK_OTHER) ch->n = 0;
    if (ch->n == 0 || ch->list[0].rank >= RANK_MODEL) return;
    int n = 0;
    for (int i = 0; i < ch->n; i++) {
        if (ch->list[i].rank == RANK_MODEL)
            eprof__source_dead(&ch->all->list[ch->list[i].sources[0]], NULL, "an estimate is not needed beside %s",
                               ch->list[0].meter.name);
        else
            ch->list[n++] = ch->list[i];
    }
    ch->n = n;
}

/* ------------------------------------------------------------------------------------------------ the record -- */

static int64_t ring_size(const eprof__source *s, const eprof__channel *c, double history_s)
{
    const double n = c->period_ns > 0 ? history_s * 1e9 / (double)c->period_ns * 1.25 + 64 : 0;
    const double sum = n + (s->at_edges || c->period_ns <= 0 ? RING_AT_EDGES : 0);
    return sum < MOST_RING ? (int64_t)sum : MOST_RING;
}

/* The channels of one live source; one for which there is no room any more is left out and says so. */
static eprof_status add_channels(eprof__source *s, eprof__record *r, double history_s, eprof_error *err)
{
    if (s->n_channels > EPROF__MAX_CHANNELS - r->n_channels) {
        eprof__source_dead(s, NULL, "a record has room for %d channels; name fewer sources", EPROF__MAX_CHANNELS);
        return EPROF_OK;
    }
    s->first_channel = r->n_channels;
    for (int32_t k = 0; k < s->n_channels; k++) {
        const int32_t channel =
            eprof__record_add_channel(r, &s->channels[k], ring_size(s, &s->channels[k], history_s), err);
        if (channel < 0) return channel;
    }
    return EPROF_OK;
}

static bool has_energy(const eprof__source *s)
{
    for (int32_t k = 0; k < s->n_channels; k++)
        if (is_energy(&s->channels[k])) return true;
    return false;
}

/* Clocks, CPU and memory first: without them a result says little. Then energies as they rank. */
static eprof_status add_all_channels(choice *ch, eprof__record *r, double history_s, eprof_error *err)
{
    bool is_added[EPROF__MAX_SOURCES] = { false };
    eprof_status status = EPROF_OK;
    for (int32_t i = 0; i < ch->all->n && status == EPROF_OK; i++) {
        eprof__source *s = &ch->all->list[i];
        is_added[i] = !s->info.live || !has_energy(s);
        if (s->info.live && is_added[i]) status = add_channels(s, r, history_s, err);
    }
    for (int i = 0; i < ch->n; i++)
        for (int32_t k = 0; k < ch->list[i].n_sources && status == EPROF_OK; k++) {
            is_added[ch->list[i].sources[k]] = true;
            status = add_channels(&ch->all->list[ch->list[i].sources[k]], r, history_s, err);
        }
    for (int32_t i = 0; i < ch->all->n && status == EPROF_OK; i++)
        if (!is_added[i]) status = add_channels(&ch->all->list[i], r, history_s, err);
    return status;
}

/* False: one of its sources found no room. */
static bool resolve(const choice *ch, candidate *m)
{
    for (int32_t k = 0; k < m->n_sources; k++)
        if (!ch->all->list[m->sources[k]].info.live) return false;
    for (int32_t k = 0; k < m->meter.n_channels; k++) {
        const int32_t at = m->meter.channels[k];
        m->meter.channels[k] = (int16_t)(ch->all->list[at / EPROF__MAX_SOURCE_CHANNELS].first_channel +
                                         at % EPROF__MAX_SOURCE_CHANNELS);
    }
    return true;
}

static eprof_status add_meters(choice *ch, eprof__record *r, eprof_error *err)
{
    eprof_status status = EPROF_OK;
    for (int i = 0; i < ch->n && r->n_meters < EPROF__MAX_METERS && status == EPROF_OK; i++) {
        candidate *m = &ch->list[i];
        if (!resolve(ch, m)) continue;
        for (int32_t k = 0; k < m->n_sources && r->n_meters == 0; k++) ch->all->list[m->sources[k]].info.headline = 1;
        status = eprof__record_add_meter(r, &m->meter, err);
    }
    return status;
}

eprof_status eprof__choose_meters(eprof__sources *all, eprof__record *r, double history_s, eprof_error *err)
{
    choice *ch = calloc(1, sizeof *ch);
    if (!ch) return eprof__fail(err, EPROF_E_NOMEM, "sources", "", "no memory for %zu bytes", sizeof *ch);
    ch->all = all;
    for (int32_t i = 0; i < all->n; i++) ch->way[i] = way_of(&all->list[i]);
    drop_twins(ch);
    choose_ways(ch);
    judge_psys(ch);
    add_processor(ch);
    add_others(ch);
    sort(ch);
    settle(ch);
    eprof_status status = add_all_channels(ch, r, history_s, err);
    if (status == EPROF_OK) status = add_meters(ch, r, err);
    free(ch);
    return status;
}
