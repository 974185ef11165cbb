/* SPDX-License-Identifier: MIT
 * sample_loop.c - the threads: one that reads everything fast, one a slow source, one that writes the log.
 *
 * Deadlines are absolute, so a late reading delays no other; what was missed is counted and skipped, and the grid stays
 * (profiling.md 3.2). A reading has the time between two looks at the clock, one before and one after it. A thread that
 * uses more than a thousandth of a core reads half as often from then on, once.
 *
 * Invariant: the samples of a source come in order of time, since one thread at a time reads it and no sample begins
 * before the one before it ended. The log counts on it.
 */
#include "profiler/run/profiler.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#include "profiler/stats/statistics.h"

#define SECOND_NS INT64_C(1000000000)
#define JUDGED_AFTER_NS (5 * SECOND_NS) /* of running, before a thread's own use is held against its limit */
#define USE_LIMIT 0.001                 /* of one core */
enum { STACK_BYTES = 256 * 1024 };

static int64_t now_ns(const struct eprof *p) { return p->io.now_ns(p->io.user, EPROF_CLOCK_MONOTONIC); }

/* --------------------------------------------------------------------------------------------- one reading -- */

static uint32_t flags_of(const eprof__channel *c, const eprof__reading *r, int64_t took_ns)
{
    return r->is_late || (c->period_ns > 0 && took_ns / 2 > c->period_ns / 4) ? EPROF_FLAG_LATE : 0;
}

/* What failed is in the record as well, and counts as no reading. */
static void keep(struct eprof *p, const eprof__source *s, const int64_t raw[], const bool ok[], int64_t begin_ns,
                 int64_t end_ns)
{
    for (int32_t i = 0; i < s->n_channels; i++) {
        const uint32_t flags = flags_of(&s->channels[i], &p->readings[s - p->sources.list], end_ns - begin_ns);
        eprof__record_append(p->record, s->first_channel + i, begin_ns, end_ns, ok[i] ? raw[i] : 0,
                             ok[i] ? flags : flags | EPROF_FLAG_READ_ERROR);
    }
}

void eprof__read_source(struct eprof *p, eprof__source *s)
{
    eprof__reading *r = &p->readings[s - p->sources.list];
    int64_t raw[EPROF__MAX_SOURCE_CHANNELS] = { 0 };
    bool ok[EPROF__MAX_SOURCE_CHANNELS] = { false };
    (void)pthread_mutex_lock(&r->lock);
    const int64_t asked_ns = now_ns(p);
    int64_t begin_ns = asked_ns, end_ns = asked_ns;
    const int status = s->ops->read(s, &p->io, raw, ok, &begin_ns, &end_ns);
    if (end_ns == asked_ns) end_ns = now_ns(p); /* the device did not say better */
    if (begin_ns < r->last_ns) begin_ns = r->last_ns;
    if (end_ns < begin_ns) end_ns = begin_ns;
    if (status != 0) memset(ok, 0, sizeof ok);
    if (status != -EAGAIN) {
        keep(p, s, raw, ok, begin_ns, end_ns);
        r->last_ns = end_ns;
        r->is_late = false;
    }
    (void)pthread_mutex_unlock(&r->lock);
}

static bool is_sampled(const eprof__source *s) { return s->info.live && s->n_channels > 0 && s->period_ns > 0; }

void eprof__read_edges(struct eprof *p)
{
    for (int32_t i = 0; i < p->sources.n; i++) {
        eprof__source *s = &p->sources.list[i];
        if (s->at_edges && s->info.live && s->n_channels > 0) eprof__read_source(p, s);
    }
}

void eprof__read_fast(struct eprof *p)
{
    for (int32_t i = 0; i < p->sources.n; i++) {
        eprof__source *s = &p->sources.list[i];
        if (is_sampled(s) && !s->is_slow) eprof__read_source(p, s);
    }
}

/* The grid was left: the next sample of everything that the thread reads says so. */
static void notice_late(struct eprof *p, const eprof__thread *t)
{
    for (int32_t i = 0; i < t->n_reads; i++) {
        eprof__reading *r = &p->readings[t->reads[i]];
        (void)pthread_mutex_lock(&r->lock);
        r->is_late = true;
        (void)pthread_mutex_unlock(&r->lock);
    }
}

/* ------------------------------------------------------------------------------------------------ the loop -- */

static void count_lateness(eprof__lateness *l, int64_t late_ns)
{
    int bin = 0;
    for (int64_t us = (late_ns > 0 ? late_ns : 0) / 1000; us > 1 && bin < EPROF__LATE_BINS - 1; us >>= 1) bin++;
    atomic_fetch_add_explicit(&l->bins[bin], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->n_ticks, 1, memory_order_relaxed);
    if (late_ns > atomic_load_explicit(&l->max_ns, memory_order_relaxed))
        atomic_store_explicit(&l->max_ns, late_ns, memory_order_relaxed); /* the sampler is the one writer */
}

/* Off the grid by up to a quarter of a period, the same in every run. */
static int64_t dither(eprof__thread *t, int64_t period_ns)
{
    if (!(t->p->flags & EPROF_DITHER) || t->is_log) return 0;
    return (int64_t)(eprof__splitmix64(&t->random) % (uint64_t)(period_ns / 2 + 1)) - period_ns / 4;
}

/* Everything that is due at this place of the grid. */
static void read_due(eprof__thread *t, int64_t grid_ns)
{
    struct eprof *p = t->p;
    const int64_t tick_ns = atomic_load_explicit(&t->period_ns, memory_order_relaxed);
    for (int32_t i = 0; i < t->n_reads && !atomic_load_explicit(&p->stop, memory_order_relaxed); i++) {
        eprof__source *s = &p->sources.list[t->reads[i]];
        if (t->due_ns[i] > grid_ns + tick_ns / 2) continue; /* its own period is longer */
        eprof__read_source(p, s);
        const int64_t period_ns = s->period_ns > tick_ns ? s->period_ns : tick_ns;
        t->due_ns[i] += period_ns;
        if (t->due_ns[i] <= grid_ns) t->due_ns[i] = grid_ns + period_ns;
    }
}

/* What the thread has used; above its limit, it goes on at half the rate. */
static void account(eprof__thread *t, int64_t running_ns)
{
    const int64_t cpu_ns = t->p->io.now_ns(t->p->io.user, EPROF_CLOCK_THREAD_CPU);
    atomic_store_explicit(&t->cpu_ns, cpu_ns, memory_order_relaxed);
    const int64_t period_ns = atomic_load_explicit(&t->period_ns, memory_order_relaxed);
    if (t->is_log || period_ns != t->asked_ns || running_ns < JUDGED_AFTER_NS) return;
    if ((double)cpu_ns > USE_LIMIT * (double)running_ns)
        atomic_store_explicit(&t->period_ns, 2 * period_ns, memory_order_relaxed);
}

/* The next place of the grid that lies ahead; what lies between was missed. */
static int64_t advance(eprof__thread *t, int64_t grid_ns)
{
    const int64_t period_ns = atomic_load_explicit(&t->period_ns, memory_order_relaxed);
    const int64_t now = now_ns(t->p);
    grid_ns += period_ns;
    if (now <= grid_ns) return grid_ns;
    const int64_t n_missed = (now - grid_ns + period_ns - 1) / period_ns;
    if (t->is_sampler) atomic_fetch_add_explicit(&t->p->lateness.n_missed, n_missed, memory_order_relaxed);
    if (!t->is_log) notice_late(t->p, t);
    return grid_ns + n_missed * period_ns;
}

static void name_thread(const eprof__thread *t)
{
    const char *name = t->is_log ? "edgeprof-log" : t->is_sampler ? "edgeprof" : "edgeprof-meter";
#if defined(__APPLE__)
    (void)pthread_setname_np(name);
#else
    (void)pthread_setname_np(pthread_self(), name);
#endif
#if defined(__linux__)
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* of this thread alone: 50 us otherwise */
#endif
}

static void *run(void *arg)
{
    eprof__thread *t = arg;
    struct eprof *p = t->p;
    name_thread(t);
    const int64_t began_ns = p->record->facts.start_ns;
    int64_t grid_ns = began_ns + (t->is_sampler || t->is_log ? atomic_load(&t->period_ns) : 0);
    for (int32_t i = 0; i < t->n_reads; i++) t->due_ns[i] = grid_ns;
    while (!atomic_load(&p->stop)) {
        const int64_t until_ns = grid_ns + dither(t, atomic_load_explicit(&t->period_ns, memory_order_relaxed));
        if (p->io.sleep_until(p->io.user, until_ns) != 0) continue; /* woken: to stop, or for nothing */
        const int64_t now = now_ns(p);
        if (t->is_sampler) count_lateness(&p->lateness, now - until_ns);
        if (t->is_log)
            eprof__log_write(p->log, p->record);
        else
            read_due(t, grid_ns);
        account(t, now - began_ns);
        grid_ns = advance(t, grid_ns);
    }
    atomic_fetch_sub(&p->n_running, 1);
    return NULL;
}

/* -------------------------------------------------------------------------------------------- all threads -- */

static eprof__thread *add_thread(struct eprof *p, int64_t period_ns)
{
    eprof__thread *t = &p->threads[p->n_threads];
    *t = (eprof__thread){ .p = p, .asked_ns = period_ns, .random = (uint64_t)p->n_threads };
    atomic_store(&t->period_ns, period_ns);
    p->n_threads++;
    return t;
}

/* Which thread reads what. The last one takes the slow sources that are left, where there are more than threads. */
static void share_out(struct eprof *p)
{
    const int64_t tick_ns = (int64_t)(1e9 / p->sources.sample_hz);
    p->n_threads = 0;
    eprof__thread *sampler = add_thread(p, tick_ns), *slow = NULL;
    sampler->is_sampler = true;
    for (int16_t i = 0; i < p->sources.n; i++) {
        const eprof__source *s = &p->sources.list[i];
        if (!is_sampled(s)) continue;
        if (s->is_slow && (!slow || p->n_threads < EPROF__MAX_THREADS - 1)) slow = add_thread(p, s->period_ns);
        eprof__thread *t = s->is_slow ? slow : sampler;
        t->reads[t->n_reads++] = i;
        if (s->is_slow && s->period_ns < t->asked_ns) {
            t->asked_ns = s->period_ns;
            atomic_store(&t->period_ns, s->period_ns);
        }
    }
    if (p->log) add_thread(p, SECOND_NS)->is_log = true;
}

/* Threads inherit the mask: no signal of the host is ever taken by one of them. */
static int start_threads(struct eprof *p, const pthread_attr_t *attr)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    int failure = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (failure) return failure;
    for (int32_t i = 0; i < p->n_threads && !failure; i++) {
        atomic_fetch_add(&p->n_running, 1);
        failure = pthread_create(&p->threads[i].thread, attr, run, &p->threads[i]);
        if (failure) atomic_fetch_sub(&p->n_running, 1);
        p->threads[i].is_started = failure == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

eprof_status eprof__sampler_start(struct eprof *p, eprof_error *err)
{
    pthread_attr_t attr;
    atomic_store(&p->stop, false);
    if (p->flags & EPROF_NO_SAMPLER) return EPROF_OK;
    share_out(p);
    int failure = pthread_attr_init(&attr);
    if (!failure) {
        (void)pthread_attr_setstacksize(&attr, STACK_BYTES); /* refused: the system's default will do */
        failure = start_threads(p, &attr);
        (void)pthread_attr_destroy(&attr);
    }
    if (!failure) return EPROF_OK;
    const int32_t n_wanted = p->n_threads;
    eprof__sampler_stop(p);
    p->n_threads = 0;
    return eprof__fail(err, EPROF_E_NOMEM, "threads", "raise the limit of threads (ulimit -u), or set EPROF_NO_SAMPLER",
                       "not all of %d threads could be started: %s", (int)n_wanted, eprof__errno_text(failure));
}

void eprof__sampler_stop(struct eprof *p)
{
    atomic_store(&p->stop, true);
    /* A thread that has looked at `stop` and is not yet asleep misses a wake: hence again and again. */
    while (atomic_load(&p->n_running) > 0) {
        p->io.wake(p->io.user);
        eprof__pause();
    }
    for (int32_t i = 0; i < p->n_threads; i++)
        if (p->threads[i].is_started) (void)pthread_join(p->threads[i].thread, NULL);
}
