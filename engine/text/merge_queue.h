/* SPDX-License-Identifier: MIT
 * merge_queue.h - the pairs waiting to be merged, lowest key first.
 *
 * Keys are priority << 32 | position. Pairs of equal priority are mostly pushed from left to right, so keys come in
 * few ascending runs: a key that continues a run is appended to it, and only the others go into a heap. A megabyte of
 * one letter never touches the heap; anything else costs at most what the heap costs.
 */
#ifndef EINF_TEXT_MERGE_QUEUE_H
#define EINF_TEXT_MERGE_QUEUE_H

#include "engine/base/memory.h"

#include <stdbool.h>

#define EINF__QUEUE_LANES 8
#define EINF__QUEUE_EMPTY UINT64_MAX /* never a key */

typedef struct einf__lane {
    uint64_t *keys;
    uint32_t begin, end, cap; /* waiting: [begin, end) */
} einf__lane;

typedef struct einf__merge_queue {
    einf__lane lanes[EINF__QUEUE_LANES];
    uint64_t first[EINF__QUEUE_LANES]; /* lowest key of each lane, EINF__QUEUE_EMPTY when there is none */
    uint64_t last[EINF__QUEUE_LANES];  /* highest, 0 when the lane is empty */
    einf__lane heap;                   /* begin is 0 */
} einf__merge_queue;

/** An empty queue. */
void einf__queue_init(einf__merge_queue *q);
void einf__queue_deinit(einf__memory *mem, einf__merge_queue *q);
/** False for want of memory. key below EINF__QUEUE_EMPTY. */
bool einf__queue_push(einf__memory *mem, einf__merge_queue *q, uint64_t key);
/** Take the lowest key, EINF__QUEUE_EMPTY when there is none. */
uint64_t einf__queue_pop(einf__merge_queue *q);

#endif
