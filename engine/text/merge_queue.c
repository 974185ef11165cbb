/* SPDX-License-Identifier: MIT
 * merge_queue.c - lanes of ascending keys and a binary heap for the rest.
 */
#include "engine/text/merge_queue.h"

void einf__queue_init(einf__merge_queue *q)
{
    *q = (einf__merge_queue){ 0 };
    for (uint32_t i = 0; i < EINF__QUEUE_LANES; i++) q->first[i] = EINF__QUEUE_EMPTY;
}

void einf__queue_deinit(einf__memory *mem, einf__merge_queue *q)
{
    for (uint32_t i = 0; i < EINF__QUEUE_LANES; i++)
        einf__free(mem, q->lanes[i].keys, q->lanes[i].cap * sizeof(uint64_t));
    einf__free(mem, q->heap.keys, q->heap.cap * sizeof(uint64_t));
    einf__queue_init(q);
}

static bool append(einf__memory *mem, einf__lane *lane, uint64_t key)
{
    if (lane->end == lane->cap) {
        const uint32_t cap = lane->cap ? lane->cap * 2 : 512;
        if (cap < lane->cap) return false;
        uint64_t *keys = einf__grow(mem, lane->keys, lane->cap * sizeof *keys, cap * sizeof *keys);
        if (!keys) return false;
        lane->keys = keys;
        lane->cap = cap;
    }
    lane->keys[lane->end++] = key;
    return true;
}

static bool heap_push(einf__memory *mem, einf__lane *heap, uint64_t key)
{
    if (!append(mem, heap, key)) return false;
    uint32_t i = heap->end - 1;
    for (; i > 0 && heap->keys[(i - 1) / 2] > key; i = (i - 1) / 2) heap->keys[i] = heap->keys[(i - 1) / 2];
    heap->keys[i] = key;
    return true;
}

static uint64_t heap_pop(einf__lane *heap)
{
    const uint64_t top = heap->keys[0], key = heap->keys[--heap->end];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= heap->end) break;
        if (child + 1 < heap->end && heap->keys[child + 1] < heap->keys[child]) child++;
        if (heap->keys[child] >= key) break;
        heap->keys[i] = heap->keys[child];
        i = child;
    }
    heap->keys[i] = key;
    return top;
}

bool einf__queue_push(einf__memory *mem, einf__merge_queue *q, uint64_t key)
{
    /* The lane whose last key is the highest one not above this: an empty lane only when no other fits. */
    uint32_t best = EINF__QUEUE_LANES;
    for (uint32_t i = 0; i < EINF__QUEUE_LANES; i++)
        if (q->last[i] <= key && (best == EINF__QUEUE_LANES || q->last[i] > q->last[best])) best = i;
    if (best == EINF__QUEUE_LANES) return heap_push(mem, &q->heap, key);
    if (!append(mem, &q->lanes[best], key)) return false;
    if (q->first[best] == EINF__QUEUE_EMPTY) q->first[best] = key;
    q->last[best] = key;
    return true;
}

uint64_t einf__queue_pop(einf__merge_queue *q)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < EINF__QUEUE_LANES; i++)
        if (q->first[i] < q->first[best]) best = i;
    const uint64_t key = q->first[best];
    if (q->heap.end > 0 && q->heap.keys[0] < key) return heap_pop(&q->heap);
    if (key == EINF__QUEUE_EMPTY) return key;
    einf__lane *lane = &q->lanes[best];
    if (++lane->begin == lane->end) {
        lane->begin = lane->end = 0;
        q->first[best] = EINF__QUEUE_EMPTY;
        q->last[best] = 0;
    } else {
        q->first[best] = lane->keys[lane->begin];
    }
    return key;
}
