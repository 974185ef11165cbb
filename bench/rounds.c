/* SPDX-License-Identifier: MIT
 * rounds.c - samples of a case, on one thread or several. The one place of the benches that starts threads: the
 * library's pool has no public way to run foreign work.
 *
 * Each thread counts its own calls by its own time, so that what starting and joining take is in no figure.
 */
#include "bench/rounds.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "bench/bench_common.h"
#include "bench/peak_loops.h"

enum { CHAIN_STEPS = 40000, CHAINS = 4, LEAST_PIECES = 3, LEAST_BATCH_US = 20, MAX_BATCH = 1 << 20 };
/* Shorter than the slices in which a kernel shares a core out, so that one of a few pieces has the core to itself. */
#define PIECE_S 0.001

/* ----------------------------------------------------------------------------------------------- the clock -- */

double bench_clock_hz(void)
{
    double best_s = 1.0;
    for (int i = 0; i < CHAINS; i++) {
        const double start_s = bench_now_s();
        bench_clock_chain(CHAIN_STEPS);
        const double elapsed_s = bench_now_s() - start_s;
        if (elapsed_s < best_s) best_s = elapsed_s;
    }
    return CHAIN_STEPS * bench_clock_cycles_per_step / best_s;
}

/* ------------------------------------------------------------------------------------------------- threads -- */

/* Threads that wait for one another: what they read together they begin together. */
typedef struct gate {
    atomic_int n_waiting;
    atomic_bool open;
} gate;

typedef struct caller {
    const bench_case *c;
    gate *gate;
    int i_thread;
    double seconds;
    double calls_per_s; /* the result */
    pthread_t thread;
} caller;

static void *call_for_a_while(void *user)
{
    caller *by = user;
    int64_t n_calls = 0;
    double elapsed_s;
    atomic_fetch_add(&by->gate->n_waiting, 1);
    while (!atomic_load(&by->gate->open)) (void)sched_yield();
    const double start_s = bench_now_s();
    do {
        for (int64_t i = 0; i < by->c->n_batch; i++) by->c->call(by->c->user, by->i_thread);
        n_calls += by->c->n_batch;
        elapsed_s = bench_now_s() - start_s;
    } while (elapsed_s < by->seconds);
    by->calls_per_s = (double)n_calls / elapsed_s;
    return NULL;
}

/* Calls a second of all threads; 0 when one could not be started. */
static double measure_piece(const bench_case *c, double seconds)
{
    caller callers[BENCH_MAX_THREADS];
    gate g = { 0 };
    const int n_threads = c->n_threads > 1 ? c->n_threads : 1;
    int n_started = 1;
    double sum = 0;
    for (int i = 0; i < n_threads; i++)
        callers[i] = (caller){ .c = c, .gate = &g, .i_thread = i, .seconds = seconds };
    while (n_started < n_threads &&
           pthread_create(&callers[n_started].thread, NULL, call_for_a_while, &callers[n_started]) == 0)
        n_started++;
    while (atomic_load(&g.n_waiting) < n_started - 1) (void)sched_yield();
    atomic_store(&g.open, true);
    call_for_a_while(&callers[0]);
    for (int i = 1; i < n_started; i++) pthread_join(callers[i].thread, NULL);
    for (int i = 0; i < n_started; i++) sum += callers[i].calls_per_s;
    return n_started == n_threads ? sum : 0;
}

/* ------------------------------------------------------------------------------------------------- samples -- */

void bench_case_warm(bench_case *c)
{
    double elapsed_s = 0;
    for (c->n_batch = 1;; c->n_batch *= 2) {
        const double start_s = bench_now_s();
        for (int64_t i = 0; i < c->n_batch; i++) c->call(c->user, 0);
        elapsed_s = bench_now_s() - start_s;
        if (elapsed_s >= 1e-6 * LEAST_BATCH_US || c->n_batch >= MAX_BATCH) return;
    }
}

bool bench_case_sample(bench_case *c, double seconds)
{
    if (c->n == BENCH_MAX_SAMPLES) return true;
    double best = 0;
    const int n_pieces = seconds < LEAST_PIECES * PIECE_S ? LEAST_PIECES : (int)(seconds / PIECE_S);
    const double clock_before = c->per_second ? 1 : bench_clock_hz();
    for (int i = 0; i < n_pieces; i++) {
        const double calls_per_s = measure_piece(c, seconds / n_pieces);
        if (calls_per_s > best) best = calls_per_s;
    }
    const double clock_after = c->per_second ? 1 : bench_clock_hz();
    c->samples[c->n++] = best * c->work / (clock_before > clock_after ? clock_before : clock_after);
    return best > 0;
}
