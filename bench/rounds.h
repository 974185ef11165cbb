/* SPDX-License-Identifier: MIT
 * rounds.h - how a rate is measured: many short samples of each case, all cases in turn, round after round.
 *
 * What disturbs a machine for a second disturbs one sample of each case then, and not all samples of one. A sample is
 * the best of a few pieces of a millisecond: others can only take time away. Rates by the cycle are divided by the
 * clock of the same moment, so that a case is compared with a peak measured at another clock.
 */
#ifndef BENCH_ROUNDS_H
#define BENCH_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/stats.h"

/* One call; threads are numbered from 0 and share user. */
typedef void (*bench_call_fn)(void *user, int i_thread);

enum { BENCH_MAX_THREADS = 256 };

typedef struct bench_case {
    bench_call_fn call;
    void *user;
    double work;       /* of one call, in whatever is counted */
    int n_threads;     /* that call at the same time; 0 is 1 */
    bool per_second;   /* else by the cycle; all threads together */
    int64_t n_batch;   /* calls between two looks at the time; set by warm */
    double samples[BENCH_MAX_SAMPLES];
    int n;
} bench_case;

/** Run a case once or more, and see how long a call takes. */
void bench_case_warm(bench_case *c);
/** Add a sample that takes about so long, unless there are BENCH_MAX_SAMPLES. False: a thread could not be started. */
bool bench_case_sample(bench_case *c, double seconds);

/** Cycles a second of this thread's core, now. Takes about 0.2 ms. */
double bench_clock_hz(void);

#endif
