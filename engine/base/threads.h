/* SPDX-License-Identifier: MIT
 * threads.h - the runtime's own pool. One job at a time; the caller works too.
 *
 * A session takes the pool for a whole forward pass and then runs many small parallel regions in it. Workers spin
 * briefly between regions and sleep in the kernel between passes. Results never depend on the number of threads:
 * a region's items are independent, and which thread computes an item is invisible in its result.
 */
#ifndef EINF_BASE_THREADS_H
#define EINF_BASE_THREADS_H

#include <stdbool.h>

#include "engine/base/cancel.h"
#include "engine/base/memory.h"

typedef struct einf__pool einf__pool;

#define EINF__THREAD_STACK_BYTES ((uint64_t)256 * 1024)

/** n_threads counts the caller: n_threads - 1 are started, all signals blocked in them. */
einf_status einf__pool_create(einf__memory *mem, int32_t n_threads, einf__pool **out, einf_error *err);
/** No job may be running. */
void einf__pool_destroy(einf__pool **pool);
int32_t einf__pool_n_threads(const einf__pool *pool);

/** Wait for the pool, first come first served as the system schedules. EINF_E_CANCELLED when either flag is set while
 *  waiting; EINF_E_STATE in a forked child. */
einf_status einf__pool_acquire(einf__pool *pool, const einf_cancel *a, const einf_cancel *b, einf_error *err);
/** The same without waiting: false when somebody has it, or in a forked child. */
bool einf__pool_try_acquire(einf__pool *pool);
void einf__pool_release(einf__pool *pool);
/** From now until the release, regions are for the caller and the first n_threads - 1 workers; the others sleep. 0, or
 *  more than there are: all, which is what a pool begins with when it is acquired. The pool must be acquired. */
void einf__pool_limit(einf__pool *pool, int32_t n_threads);

/** Items [begin, end) of a region, on thread i_thread in [0, n_threads). */
typedef void (*einf__region_fn)(void *arg, int64_t begin, int64_t end, int32_t i_thread);
/** Call fn for all items of [0, n_items) in pieces of at most grain >= 1, handed out dynamically, and return when all
 *  are done. The pool must be acquired by the caller. A region of one piece runs on the caller at once. */
void einf__pool_run(einf__pool *pool, int64_t n_items, int64_t grain, einf__region_fn fn, void *arg);

#endif
