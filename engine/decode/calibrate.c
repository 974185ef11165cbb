/* SPDX-License-Identifier: MIT
 * calibrate.c - choosing the threads of decoding: the choice, and the reading that it goes by.
 *
 * The choice sees a clock and a reader and nothing of the machine. The reader walks through a sample of the layers'
 * matrices in a circle, a stretch for each trial, so that no trial finds in a cache what the one before has left there;
 * and in strides, so that each meets every kind of matrix: rows of one length may be read at another speed than others.
 */
#include "engine/decode/calibrate.h"

#include <stdatomic.h>
#include <time.h>

/* ---------------------------------------------------------------------------------------------- the choice -- */

enum {
    MAX_CANDIDATES = 32,  /* 1 to 8, then a quarter more each, up to 256 */
    MAX_ROUNDS = 16,
    BUDGET_NS = 50 * 1000 * 1000,
    WITHIN_PERCENT = 3,
    STEADY_PERCENT = 75
};

static int list_candidates(int32_t n_max, int32_t *out)
{
    int n = 0;
    for (int32_t t = 1; t < n_max; t += t < 8 ? 1 : t / 4) out[n++] = t;
    out[n++] = n_max;
    return n;
}

/* The trials of one number of threads, in bytes a nanosecond. */
typedef struct trials {
    int32_t n_threads;
    int n;
    double rate[MAX_ROUNDS], best;
} trials;

static void add_trial(trials *t, double rate)
{
    t->rate[t->n++] = rate;
    if (rate > t->best) t->best = rate;
}

/* Most trials came near the best. Otherwise the best may be luck: somebody else takes the machine's time by turns. */
static bool is_steady(const trials *t)
{
    int n_near = 0;
    for (int i = 0; i < t->n; i++) n_near += t->rate[i] * 100 >= t->best * STEADY_PERCENT;
    return 2 * n_near >= t->n;
}

/* Rounds of trials, one of each number, until there are enough or the time is over. False: not even one round. */
static bool run_trials(const einf__meter *meter, trials *all, int n)
{
    const int64_t start_ns = meter->now_ns(meter->user);
    for (int i = 0; i < MAX_ROUNDS * n; i++) {
        const int64_t before_ns = meter->now_ns(meter->user);
        if (before_ns - start_ns > BUDGET_NS) return i >= n;
        const double n_bytes = (double)meter->read(meter->user, all[i % n].n_threads);
        const int64_t ns = meter->now_ns(meter->user) - before_ns;
        add_trial(&all[i % n], n_bytes / (double)(ns > 0 ? ns : 1));
    }
    return true;
}

einf__thread_choice einf__choose_threads(const einf__meter *meter, int32_t n_max)
{
    trials all[MAX_CANDIDATES] = { { 0, 0, { 0 }, 0 } };
    int32_t threads[MAX_CANDIDATES];
    const int n = list_candidates(n_max, threads);
    for (int i = 0; i < n; i++) all[i].n_threads = threads[i];
    if (!run_trials(meter, all, n)) return (einf__thread_choice){ 0, 0 };
    double most = 0;
    for (int i = 0; i < n; i++) {
        if (!is_steady(&all[i])) return (einf__thread_choice){ 0, 0 };
        if (all[i].best > most) most = all[i].best;
    }
    int chosen = 0;
    while (all[chosen].best * 100 < most * (100 - WITHIN_PERCENT)) chosen++;
    return (einf__thread_choice){ threads[chosen], (uint64_t)(all[chosen].best * 1e9) };
}

/* A thread that wakes for less than a tenth of a millisecond of reading costs more than it brings. */
#define BYTES_WORTH_A_THREAD (UINT64_C(1) << 20)

int32_t einf__threads_for_small(uint64_t weight_bytes, int32_t n_max)
{
    const uint64_t n = weight_bytes / BYTES_WORTH_A_THREAD;
    return n < 1 ? 1 : n < (uint64_t)n_max ? (int32_t)n : n_max;
}

/* ---------------------------------------------------------------------------------------------- the reader -- */

enum {
    MAX_MATRICES = 64,
    MAX_PIECE_ROWS = 64,
    PIECE_BYTES = 32 * 1024,         /* as decoding hands out rows */
    SAMPLE_BYTES = 100 * 1000 * 1000,
    LEAST_SAMPLE_BYTES = 16 << 20,   /* readable in time, or nothing is chosen */
    TRIAL_BYTES = 8 << 20,           /* at least, */
    TRIAL_BYTES_A_THREAD = 2 << 20,  /* and of these more where there are many threads: a tenth of a millisecond each */
    TOUCH_NS = 20 * 1000 * 1000,
    PAGE_STEP = 4096                 /* the smallest page */
};

/* Pieces of rows of matrices: matrix i has pieces [first[i], first[i + 1]). */
typedef struct sample {
    const einf__matrix *matrices[MAX_MATRICES];
    int64_t first[MAX_MATRICES + 1];
    int64_t piece_rows[MAX_MATRICES];
    int n_matrices;
    uint64_t size_bytes;
    int64_t max_in;
} sample;

typedef struct reading {
    sample s;
    const einf__kernels *kernels;
    einf__pool *pool;
    const void *zeros;        /* a column of the longest row, in any form */
    int64_t n_pieces;         /* of the sample, as far as it is in memory */
    int64_t stride;           /* from one piece of the walk to the next; no divisor in common with n_pieces */
    int64_t n_pieces_a_trial;
    int64_t at;               /* where the next trial begins */
    int64_t touch_until_ns;
    _Atomic int64_t n_touched;
    _Atomic uint64_t n_bytes; /* read in this trial */
} reading;

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t now_ns(void *user)
{
    (void)user;
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void add_matrix(sample *s, const einf__matrix *w)
{
    if (!w->data || s->n_matrices == MAX_MATRICES || s->size_bytes >= SAMPLE_BYTES) return;
    const int64_t fitting = PIECE_BYTES / (int64_t)w->row_bytes;
    const int64_t rows = fitting < 1 ? 1 : min_i64(fitting, MAX_PIECE_ROWS);
    const int i = s->n_matrices++;
    s->matrices[i] = w;
    s->piece_rows[i] = rows;
    s->first[i + 1] = s->first[i] + (w->n_out + rows - 1) / rows;
    s->size_bytes += (uint64_t)w->n_out * w->row_bytes;
    if (w->n_in > s->max_in) s->max_in = w->n_in;
}

static void take_sample(const einf__config *config, const einf__weights *weights, sample *s)
{
    *s = (sample){ .n_matrices = 0 };
    for (uint32_t i = 0; i < config->n_layer; i++) {
        const einf__layer_weights *l = &weights->layers[i];
        const einf__matrix *const in_order[] = { &l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down };
        for (size_t j = 0; j < sizeof in_order / sizeof in_order[0]; j++) add_matrix(s, in_order[j]);
    }
}

/* Rows of a piece. */
typedef struct piece {
    const einf__matrix *w;
    const uint8_t *rows;
    int64_t n_rows;
    size_t size_bytes;
} piece;

static piece find_piece(const sample *s, int64_t i)
{
    int m = 0;
    while (i >= s->first[m + 1]) m++;
    const einf__matrix *w = s->matrices[m];
    const int64_t row = (i - s->first[m]) * s->piece_rows[m];
    const int64_t n_rows = min_i64(w->n_out - row, s->piece_rows[m]);
    return (piece){ w, (const uint8_t *)w->data + (size_t)row * w->row_bytes, n_rows, (size_t)n_rows * w->row_bytes };
}

/* Until the time is over: pages of a file are brought in, and mapped. */
static void touch_pieces(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    reading *r = arg;
    (void)i_thread;
    for (int64_t i = begin; i < end; i++) {
        if (now_ns(NULL) > r->touch_until_ns) return;
        const piece p = find_piece(&r->s, i);
        for (size_t at = 0; at < p.size_bytes; at += PAGE_STEP) (void)*(const volatile uint8_t *)(p.rows + at);
        (void)atomic_fetch_add_explicit(&r->n_touched, 1, memory_order_relaxed);
    }
}

static void read_pieces(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    reading *r = arg;
    float y[MAX_PIECE_ROWS];
    (void)i_thread;
    for (int64_t i = begin; i < end; i++) {
        const piece p = find_piece(&r->s, (r->at + i) % r->n_pieces * r->stride % r->n_pieces);
        const einf__cols x = { .f32 = r->zeros, .q = r->zeros, .d = r->zeros, .sum16 = r->zeros };
        r->kernels->dot[p.w->type](y, p.n_rows, p.rows, p.w->row_bytes, p.n_rows, p.w->n_in, &x, 1);
        (void)atomic_fetch_add_explicit(&r->n_bytes, p.size_bytes, memory_order_relaxed);
    }
}

static int64_t greatest_divisor(int64_t a, int64_t b)
{
    while (b > 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static uint64_t read_with(void *user, int32_t n_threads)
{
    reading *r = user;
    atomic_store_explicit(&r->n_bytes, 0, memory_order_relaxed);
    einf__pool_limit(r->pool, n_threads);
    einf__pool_run(r->pool, r->n_pieces_a_trial, 1, read_pieces, r);
    r->at = (r->at + r->n_pieces_a_trial) % r->n_pieces;
    return atomic_load_explicit(&r->n_bytes, memory_order_relaxed);
}

/* A stride that comes by each of n pieces once, and soon by all parts of them: about the golden section of n. */
static int64_t stride_of(int64_t n)
{
    int64_t stride = n * 5 / 8;
    while (stride > 1 && greatest_divisor(n, stride) > 1) stride--;
    return stride < 1 ? 1 : stride;
}

/* How much of the sample can be read without waiting for the file. False: too little. */
static bool bring_in(reading *r, int32_t n_max)
{
    const int64_t n_all = r->s.first[r->s.n_matrices];
    if (n_all == 0) return false;
    const uint64_t piece_bytes = r->s.size_bytes / (uint64_t)n_all + 1; /* in the mean */
    r->touch_until_ns = now_ns(NULL) + TOUCH_NS;
    einf__pool_run(r->pool, n_all, 8, touch_pieces, r);
    r->n_pieces = atomic_load_explicit(&r->n_touched, memory_order_relaxed);
    r->stride = stride_of(r->n_pieces);
    const uint64_t for_all = (uint64_t)n_max * TRIAL_BYTES_A_THREAD;
    const uint64_t trial_bytes = for_all > TRIAL_BYTES ? for_all : TRIAL_BYTES;
    r->n_pieces_a_trial = min_i64((int64_t)(trial_bytes / piece_bytes) + 1, r->n_pieces);
    return (uint64_t)r->n_pieces * piece_bytes >= LEAST_SAMPLE_BYTES;
}

einf__thread_choice einf__calibrate_decode(einf__memory *mem, einf__pool *pool, const einf__kernels *kernels,
                                           const einf__config *config, const einf__weights *weights)
{
    const int32_t n_max = einf__pool_n_threads(pool);
    if (n_max == 1) return (einf__thread_choice){ 1, 0 };
    reading r = { .kernels = kernels, .pool = pool };
    take_sample(config, weights, &r.s);
    if (!bring_in(&r, n_max)) return (einf__thread_choice){ 0, 0 };
    const size_t zeros_bytes = (size_t)r.s.max_in * sizeof(float);
    void *zeros = einf__alloc_zero(mem, zeros_bytes);
    if (!zeros) return (einf__thread_choice){ 0, 0 };
    r.zeros = zeros;
    const einf__thread_choice choice = einf__choose_threads(&(einf__meter){ read_with, now_ns, &r }, n_max);
    einf__free(mem, zeros, zeros_bytes);
    return choice;
}
