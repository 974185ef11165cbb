/* SPDX-License-Identifier: MIT
 * threads.c - the pool: who may use it (a queue of callers), and how one region is shared out among its threads.
 *
 * A region lives in one atomic word: its generation, for how many threads it is, whether it is open, and how many
 * workers are inside. Workers enter an open region by adding themselves to the word and leave by subtracting; the
 * caller closes it when the pieces have run out, and returns when nobody is inside. So a worker that sleeps, or whose
 * CPU was taken away by the host, delays nothing: it comes too late, finds the region closed, and never touches it.
 * That is why generation and arrivals share a word, and why there is no barrier that counts to n.
 *
 * Waiting is always bounded spinning first, then a condition variable: on a small shared machine a spinning thread
 * takes the core that the thread it waits for needs. Workers are woken by number, so that a region for two threads
 * leaves the others asleep.
 */
#include "engine/base/threads.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_THREADS = 256,
    /* Between two regions of a pass the caller norms a column or rotates a few heads, 1 to 10 us; a sleeping worker
     * needs 5 to 50 us to come back, and waking it costs the caller 6. Longer gaps are the tail of somebody's piece, or
     * the end of the pass. */
    SPIN_NS = 50 * 1000,
    PAUSE_NS = 3 * 1000, /* of these without offering the core to others */
    POLL_NS = 10 * 1000 * 1000 /* between looks at the cancel flags while queueing */
};

/* The region's word: generation << 32 | bits below. */
#define INSIDE_MASK UINT64_C(0xfff)        /* workers inside */
#define OPEN_BIT UINT64_C(0x1000)          /* workers may enter, */
#define CALLER_SLEEPS_BIT UINT64_C(0x2000) /* the last one out wakes the caller */
#define ONE_THREAD UINT64_C(0x10000)       /* those numbered below this 16-bit count of threads */
#define THREADS_MASK UINT64_C(0xffff)
#define ONE_GENERATION (UINT64_C(1) << 32)

/* A caller in the queue for the pool, on that caller's stack. */
typedef struct ticket {
    struct ticket *next;
    bool granted;
} ticket;

typedef struct worker {
    einf__pool *pool;
    pthread_t thread;
    int32_t i_thread;
    atomic_bool sleeps;  /* in, or on the way into, a wait on `work` */
    pthread_cond_t work; /* a region for this worker opened, or stop */
} worker;

struct einf__pool {
    /* Read by all, written by the caller between regions. */
    einf__region_fn fn;
    void *arg;
    int64_t n_items, grain;
    int32_t n_active; /* threads that the next regions are for */

    _Alignas(64) _Atomic uint64_t region;
    _Alignas(64) _Atomic int64_t next_piece;

    /* Spinning is worth while: the pool is acquired. */
    _Alignas(64) atomic_bool busy_hint;
    atomic_bool stop;
    pthread_mutex_t sleep_lock;
    pthread_cond_t left; /* the last worker left a closed region */

    pthread_mutex_t queue_lock; /* the rest, up to first */
    pthread_cond_t granted;
    bool taken;
    ticket *first;

    einf__memory *mem;
    size_t size_bytes;
    pid_t owner;
    int32_t n_threads, n_started;
    worker workers[];
};

/* ------------------------------------------------------------------------------------------------- waiting -- */

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* waits tens of cycles; "yield" is a no-op on most cores */
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* One round of spinning, 0.1 to 0.5 us; false once SPIN_NS are over. By the clock, because a pause takes 40 cycles on
 * one CPU and 140 on another. *deadline_ns starts as 0. The first moments are pauses alone; after them the thread
 * offers its core each round, since what it waits for may be queueing for that very core. */
static bool spin_on(int64_t *deadline_ns)
{
    for (int i = 0; i < 4; i++) cpu_relax();
    const int64_t now = now_ns();
    if (*deadline_ns == 0) *deadline_ns = now + SPIN_NS;
    if (now > *deadline_ns - SPIN_NS + PAUSE_NS) (void)sched_yield();
    return now < *deadline_ns;
}

/* ------------------------------------------------------------------------------------------------- regions -- */

static void do_pieces(einf__pool *p, int32_t i_thread)
{
    const int64_t n_items = p->n_items, grain = p->grain;
    const int64_t n_pieces = (n_items - 1) / grain + 1;
    for (;;) {
        const int64_t i = atomic_fetch_add_explicit(&p->next_piece, 1, memory_order_relaxed);
        if (i >= n_pieces) return;
        const int64_t begin = i * grain;
        p->fn(p->arg, begin, n_items - begin > grain ? begin + grain : n_items, i_thread);
    }
}

/* What a worker knows of regions. */
typedef struct lookout {
    uint64_t entered; /* generation of the last one entered */
    uint64_t noticed; /* of the last one seen, entered or not */
    int64_t deadline_ns;
} lookout;

static bool is_for(const worker *w, uint64_t region, uint64_t entered)
{
    return (region & OPEN_BIT) != 0 && region / ONE_GENERATION != entered &&
           (uint64_t)w->i_thread < (region / ONE_THREAD & THREADS_MASK);
}

/* Enter the region if it is open, for this worker, and not the one entered last. A region that came and went unentered
 * is a sign of life: spinning begins anew. */
static bool enter(const worker *w, lookout *l)
{
    einf__pool *p = w->pool;
    uint64_t r = atomic_load_explicit(&p->region, memory_order_acquire);
    while (is_for(w, r, l->entered)) {
        if (!atomic_compare_exchange_weak_explicit(&p->region, &r, r + 1, memory_order_acquire, memory_order_acquire))
            continue;
        l->entered = r / ONE_GENERATION;
        return true;
    }
    if (r / ONE_GENERATION != l->noticed && (uint64_t)w->i_thread < (r / ONE_THREAD & THREADS_MASK)) l->deadline_ns = 0;
    l->noticed = r / ONE_GENERATION;
    return false;
}

static void leave(einf__pool *p)
{
    const uint64_t before = atomic_fetch_sub_explicit(&p->region, 1, memory_order_release);
    if ((before & INSIDE_MASK) != 1 || !(before & CALLER_SLEEPS_BIT)) return;
    (void)pthread_mutex_lock(&p->sleep_lock); /* the caller is in its wait, or has yet to look */
    (void)pthread_mutex_unlock(&p->sleep_lock);
    (void)pthread_cond_signal(&p->left);
}

/* Sleep until there is a new region, or stop. The flag goes up before the last look at the region, and the caller
 * opens the region before it looks at the flag (both sequentially consistent): one of the two sees the other. */
static void sleep_for_work(worker *w, const lookout *l)
{
    einf__pool *p = w->pool;
    (void)pthread_mutex_lock(&p->sleep_lock);
    atomic_store(&w->sleeps, true);
    while (!atomic_load(&p->stop) && !is_for(w, atomic_load(&p->region), l->entered))
        (void)pthread_cond_wait(&w->work, &p->sleep_lock);
    atomic_store(&w->sleeps, false);
    (void)pthread_mutex_unlock(&p->sleep_lock);
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    einf__pool *p = w->pool;
    lookout l = { 0, 0, 0 };
    while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
        if (enter(w, &l)) {
            do_pieces(p, w->i_thread);
            leave(p);
            l.deadline_ns = 0;
        } else if (!atomic_load_explicit(&p->busy_hint, memory_order_relaxed) || !spin_on(&l.deadline_ns)) {
            sleep_for_work(w, &l);
            l.deadline_ns = 0;
        }
    }
    return NULL;
}

/* Wake those of the first n_wanted workers that sleep. */
static void wake_workers(einf__pool *p, int64_t n_wanted)
{
    bool locked = false;
    for (int64_t i = 0; i < n_wanted; i++) {
        worker *w = &p->workers[i];
        if (!atomic_load(&w->sleeps)) continue;
        if (!locked) { /* whoever put up his flag is in his wait then */
            (void)pthread_mutex_lock(&p->sleep_lock);
            (void)pthread_mutex_unlock(&p->sleep_lock);
            locked = true;
        }
        (void)pthread_cond_signal(&w->work);
    }
}

/* Close the region, then wait until the workers inside have finished their last pieces. */
static void close_region(einf__pool *p)
{
    int64_t deadline_ns = 0;
    uint64_t r = atomic_fetch_and_explicit(&p->region, ~OPEN_BIT, memory_order_acquire);
    while ((r & INSIDE_MASK) != 0) {
        if (!spin_on(&deadline_ns)) {
            (void)pthread_mutex_lock(&p->sleep_lock);
            r = atomic_fetch_or_explicit(&p->region, CALLER_SLEEPS_BIT, memory_order_acquire);
            while ((r & INSIDE_MASK) != 0) {
                (void)pthread_cond_wait(&p->left, &p->sleep_lock);
                r = atomic_load_explicit(&p->region, memory_order_acquire);
            }
            (void)pthread_mutex_unlock(&p->sleep_lock);
            return;
        }
        r = atomic_load_explicit(&p->region, memory_order_acquire);
    }
}

void einf__pool_run(einf__pool *p, int64_t n_items, int64_t grain, einf__region_fn fn, void *arg)
{
    if (n_items <= 0) return;
    if (grain < 1) grain = 1;
    if (n_items <= grain) {
        fn(arg, 0, n_items, 0);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->n_items = n_items;
    p->grain = grain;
    atomic_store_explicit(&p->next_piece, 0, memory_order_relaxed);
    if (p->n_active == 1) {
        do_pieces(p, 0);
        return;
    }
    const int64_t n_helpers = p->n_active - 1, n_more_pieces = (n_items - 1) / grain;
    const uint64_t r = atomic_load_explicit(&p->region, memory_order_relaxed);
    atomic_store(&p->region, (r / ONE_GENERATION + 1) * ONE_GENERATION | (uint64_t)p->n_active * ONE_THREAD | OPEN_BIT);
    wake_workers(p, n_more_pieces < n_helpers ? n_more_pieces : n_helpers);
    do_pieces(p, 0);
    close_region(p);
}

/* ------------------------------------------------------------------------------------- creating, destroying -- */

/* A condition variable whose timed wait follows the clock of now_ns, which nobody sets back. */
static int init_monotonic_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int failure = pthread_condattr_init(&attr);
    if (failure) return failure;
    failure = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (!failure) failure = pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    return failure;
}

/* 0 or an errno; nothing is left behind on failure. */
static int init_locks(einf__pool *p)
{
    int failure = pthread_mutex_init(&p->sleep_lock, NULL);
    if (failure) return failure;
    failure = pthread_mutex_init(&p->queue_lock, NULL);
    if (failure) goto no_queue_lock;
    failure = pthread_cond_init(&p->left, NULL);
    if (failure) goto no_left;
    failure = init_monotonic_cond(&p->granted);
    if (!failure) return 0;
    (void)pthread_cond_destroy(&p->left);
no_left:
    (void)pthread_mutex_destroy(&p->queue_lock);
no_queue_lock:
    (void)pthread_mutex_destroy(&p->sleep_lock);
    return failure;
}

static void deinit_locks(einf__pool *p)
{
    (void)pthread_cond_destroy(&p->granted);
    (void)pthread_cond_destroy(&p->left);
    (void)pthread_mutex_destroy(&p->queue_lock);
    (void)pthread_mutex_destroy(&p->sleep_lock);
}

/* 0 or an errno. */
static int start_worker(einf__pool *p, const pthread_attr_t *attr, int32_t i_thread)
{
    worker *w = &p->workers[i_thread - 1];
    *w = (worker){ .pool = p, .i_thread = i_thread };
    int failure = pthread_cond_init(&w->work, NULL);
    if (failure) return failure;
    failure = pthread_create(&w->thread, attr, worker_main, w);
    if (failure) (void)pthread_cond_destroy(&w->work);
    return failure;
}

/* Start workers until all run or one fails: 0 or an errno. */
static int start_workers(einf__pool *p)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int failure = pthread_attr_init(&attr);
    if (failure) return failure;
    failure = pthread_attr_setstacksize(&attr, (size_t)EINF__THREAD_STACK_BYTES);
    /* Threads inherit the mask: the host's handlers run on the host's threads. */
    (void)sigfillset(&all);
    if (!failure) failure = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!failure) {
        while (!failure && p->n_started < p->n_threads - 1) {
            failure = start_worker(p, &attr, p->n_started + 1);
            if (!failure) p->n_started++;
        }
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    (void)pthread_attr_destroy(&attr);
    return failure;
}

static void stop_workers(einf__pool *p)
{
    atomic_store(&p->stop, true);
    (void)pthread_mutex_lock(&p->sleep_lock);
    (void)pthread_mutex_unlock(&p->sleep_lock);
    for (int32_t i = 0; i < p->n_started; i++) {
        worker *w = &p->workers[i];
        (void)pthread_cond_signal(&w->work);
        (void)pthread_join(w->thread, NULL);
        (void)pthread_cond_destroy(&w->work);
    }
}

static einf_status fail_system(einf_error *err, int failure, const char *what, int32_t i, int32_t n)
{
    const einf_status code = failure == EAGAIN || failure == ENOMEM ? EINF_E_NOMEM : EINF_E_IO;
    return einf__fail(err, code, EINF_NO_OFFSET, "n_threads", "use fewer threads, or raise the limits on processes "
                      "and memory", "%s %d of %d could not be made: the system says errno %d", what, (int)i, (int)n,
                      failure);
}

einf_status einf__pool_create(einf__memory *mem, int32_t n_threads, einf__pool **out, einf_error *err)
{
    if (n_threads < 1 || n_threads > MAX_THREADS)
        return einf__fail_arg(err, "n_threads", "n_threads is %d, expected 1 to %d", (int)n_threads, (int)MAX_THREADS);
    const size_t size_bytes = sizeof(einf__pool) + sizeof(worker) * (size_t)(n_threads - 1);
    void *block;
    EINF_TRY(einf__alloc_or_fail(mem, size_bytes, "the thread pool", &block, err));
    einf__pool *p = block;
    memset(p, 0, size_bytes);
    p->mem = mem;
    p->size_bytes = size_bytes;
    p->owner = getpid();
    p->n_threads = p->n_active = n_threads;
    int failure = init_locks(p);
    if (failure) {
        einf__free(mem, p, size_bytes);
        return fail_system(err, failure, "lock set", 1, 1);
    }
    failure = start_workers(p);
    if (failure) {
        const int32_t i_failed = p->n_started + 2; /* the caller is thread 1 */
        einf__pool_destroy(&p);
        return fail_system(err, failure, "thread", i_failed, n_threads);
    }
    *out = p;
    return EINF_OK;
}

void einf__pool_destroy(einf__pool **pool)
{
    einf__pool *p = *pool;
    if (!p) return;
    *pool = NULL;
    if (getpid() == p->owner) { /* a forked child has neither the threads nor locks in a known state */
        stop_workers(p);
        deinit_locks(p);
    }
    einf__free(p->mem, p, p->size_bytes);
}

int32_t einf__pool_n_threads(const einf__pool *p) { return p->n_threads; }

/* --------------------------------------------------------------------------------------------------- queue -- */

static void wait_a_moment(einf__pool *p)
{
    const int64_t at_ns = now_ns() + POLL_NS;
    const struct timespec until = { .tv_sec = (time_t)(at_ns / 1000000000), .tv_nsec = (long)(at_ns % 1000000000) };
    (void)pthread_cond_timedwait(&p->granted, &p->queue_lock, &until);
}

static void forget_ticket(einf__pool *p, const ticket *t)
{
    ticket **at = &p->first;
    while (*at != t) at = &(*at)->next;
    *at = t->next;
}

/* Queue for a taken pool. The one who releases it hands it to the first in the queue, so nobody who comes back at once,
 * as a decode loop does for every token, overtakes those who wait. False when cancelled. */
static bool queue_for_pool(einf__pool *p, const einf_cancel *a, const einf_cancel *b)
{
    ticket mine = { NULL, false };
    ticket **last = &p->first;
    while (*last) last = &(*last)->next;
    *last = &mine;
    while (!mine.granted) {
        if (einf__is_cancelled(a) || einf__is_cancelled(b)) {
            forget_ticket(p, &mine);
            return false;
        }
        wait_a_moment(p);
    }
    return true;
}

static void begin_pass(einf__pool *p)
{
    p->n_active = p->n_threads;
    atomic_store_explicit(&p->busy_hint, true, memory_order_relaxed);
}

einf_status einf__pool_acquire(einf__pool *p, const einf_cancel *a, const einf_cancel *b, einf_error *err)
{
    const pid_t here = getpid();
    if (here != p->owner)
        return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, NULL, "create the runtime after fork(), in the child",
                          "the runtime belongs to process %ld; its threads do not exist in the forked child %ld",
                          (long)p->owner, (long)here);
    (void)pthread_mutex_lock(&p->queue_lock);
    const bool mine = !p->taken || queue_for_pool(p, a, b);
    p->taken = true;
    (void)pthread_mutex_unlock(&p->queue_lock);
    if (!mine)
        return einf__fail(err, EINF_E_CANCELLED, EINF_NO_OFFSET, NULL, NULL,
                          "cancelled while another session was using the runtime's threads");
    begin_pass(p);
    return EINF_OK;
}

bool einf__pool_try_acquire(einf__pool *p)
{
    if (getpid() != p->owner) return false;
    (void)pthread_mutex_lock(&p->queue_lock);
    const bool mine = !p->taken;
    p->taken = true;
    (void)pthread_mutex_unlock(&p->queue_lock);
    if (mine) begin_pass(p);
    return mine;
}

void einf__pool_limit(einf__pool *p, int32_t n_threads)
{
    p->n_active = n_threads < 1 || n_threads > p->n_threads ? p->n_threads : n_threads;
}

void einf__pool_release(einf__pool *p)
{
    (void)pthread_mutex_lock(&p->queue_lock);
    ticket *heir = p->first;
    if (heir) {
        p->first = heir->next;
        heir->granted = true;
    } else {
        p->taken = false;
        atomic_store_explicit(&p->busy_hint, false, memory_order_relaxed); /* workers stop spinning */
    }
    (void)pthread_mutex_unlock(&p->queue_lock);
    if (heir) (void)pthread_cond_broadcast(&p->granted);
}
