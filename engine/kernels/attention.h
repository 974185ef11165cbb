/* SPDX-License-Identifier: MIT
 * attention.h - what the two ways to compute attention share: which keys a column sees, and the type's slot. Private to
 * attention.c and attention_tiles.c.
 */
#ifndef EINF_KERNELS_ATTENTION_H
#define EINF_KERNELS_ATTENTION_H

#include "engine/kernels/acts.h"

/* Keys [begin, end) of the timeline. */
typedef struct einf__keys {
    int64_t begin, end;
} einf__keys;

/** What column j of the job sees: itself and what came before, as far as the window reaches; or everything. */
static inline einf__keys einf__keys_seen(const einf__attention_job *job, int64_t j)
{
    if (job->n_keys > 0) return (einf__keys){ 0, job->n_keys };
    const int64_t end = job->first + j + 1;
    return (einf__keys){ job->window > 0 ? einf__max_i64(0, end - job->window) : 0, end };
}

/** Query heads a KV head. */
static inline int32_t einf__attention_group(const einf__attention_job *job)
{
    return job->n_head / job->kv->n_head_kv;
}

/** Floats of a thread's scratch for heads of these sizes. */
int64_t einf__attention_tile_floats(int64_t k_dim, int64_t v_dim);
/** The job as tiles: many columns against blocks of keys, packed once for all of them. */
void einf__attention_by_tiles(const einf__compute *c, const einf__attention_job *job);

#endif
