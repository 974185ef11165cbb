/* SPDX-License-Identifier: MIT
 * calibrate.h - how many threads a pass of one token is worth.
 *
 * Such a pass reads every weight once, and on most machines fewer threads than there are cores read as fast as memory
 * gives: the others would only burn energy, and on some boards slow the reading down. So a sample of
 * the weights is read, with the row dots of decoding, by 1 to all threads. The number changes no result.
 */
#ifndef EINF_DECODE_CALIBRATE_H
#define EINF_DECODE_CALIBRATE_H

#include "engine/base/threads.h"
#include "engine/model/model_weights.h"

/* Weights from which measuring is worth its time, and tells something: smaller ones may lie in a cache. */
#define EINF__CALIBRATE_MIN_BYTES (UINT64_C(64) << 20)

/* What measures. */
typedef struct einf__meter {
    uint64_t (*read)(void *user, int32_t n_threads); /* returns the bytes that it has read */
    int64_t (*now_ns)(void *user);
    void *user;
} einf__meter;

typedef struct einf__thread_choice {
    int32_t n_threads;     /* 0: there was no time to try all, or no quiet */
    uint64_t bytes_per_s;  /* read by so many threads, at best */
} einf__thread_choice;

/** The fewest threads, of 1..n_max, that read within 3 % of the best rate. Each number is tried several times within
 *  50 ms, and its best time counts, for others may use the machine in between; but where more than half of its trials
 *  stay below three quarters of it, nothing is chosen. */
einf__thread_choice einf__choose_threads(const einf__meter *meter, int32_t n_max);

/** Threads for weights that are too few to measure: no more than have something to do. */
int32_t einf__threads_for_small(uint64_t weight_bytes, int32_t n_max);

/** Choose by reading up to 100 MB of the model's weights in the pool, which is acquired and of n_max threads. What is
 *  not in memory is read from the file for 20 ms at most; n_threads is 0 when that was too little to go by, when
 *  others used the machine meanwhile, or when there is no memory for a row of zeros. */
einf__thread_choice einf__calibrate_decode(einf__memory *mem, einf__pool *pool, const einf__kernels *kernels,
                                           const einf__config *config, const einf__weights *weights);

#endif
