/* SPDX-License-Identifier: MIT
 * attention.c - causal attention as independent calls of the attend slot: which heads, which columns, which keys.
 *
 * Causality and window are the loop bounds of each call; there is no mask. The query heads of one KV head share a
 * call, so that each key is loaded once for all of them; columns do not, because each sees a range of its own.
 */
#include "engine/kernels/acts.h"

enum {
    TILE_COLS = 8,        /* columns an item: neighbours share the keys that are in the cache */
    MIN_ITEMS_A_COLUMN = 4 /* decode has one column: groups of few KV heads are cut until there are so many items */
};

typedef struct attend_job {
    const einf__attention_job *job;
    einf__attend_fn attend;
    int64_t n_tiles;
    int32_t group;     /* query heads a KV head */
    int32_t n_parts;   /* parts a group is cut into, */
    int32_t part_size; /* of that many query heads, the last one of fewer */
} attend_job;

/* Column j of the job, query heads [head, head + n_q) of KV head i_kv. */
static void attend_column(const attend_job *a, int64_t j, int64_t i_kv, int64_t head, int32_t n_q)
{
    const einf__attention_job *job = a->job;
    const einf__kv_view *kv = job->kv;
    const int64_t end = job->first + j + 1;
    const int64_t begin = job->window > 0 ? einf__max_i64(0, end - job->window) : 0;
    const einf__attend call = {
        .out = job->out + (j * job->n_head + head) * kv->v_dim,
        .q = job->q + (j * job->n_head + head) * kv->k_dim,
        .k = einf__kv_key(kv, i_kv, 0),
        .v = einf__kv_value(kv, i_kv, 0),
        .q_stride = kv->k_dim,
        .out_stride = kv->v_dim,
        .k_stride = kv->k_dim,
        .v_stride = kv->v_dim,
        .key_begin = begin,
        .key_end = end,
        .n_q = n_q,
        .k_dim = kv->k_dim,
        .v_dim = kv->v_dim,
        .scale = job->scale,
        .softcap = job->softcap,
    };
    a->attend(&call);
}

/* Items run over column tiles, the last and longest first, and within a tile over KV heads and parts. */
static void attend_items(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const attend_job *a = arg;
    (void)i_thread;
    for (int64_t i = begin; i < end; i++) {
        const int64_t i_part = i % a->n_parts;
        const int64_t i_kv = i / a->n_parts % a->job->kv->n_head_kv;
        const int64_t tile = a->n_tiles - 1 - i / a->n_parts / a->job->kv->n_head_kv;
        const int64_t first_q = i_part * a->part_size;
        const int32_t n_q = (int32_t)einf__min_i64(a->group - first_q, a->part_size);
        const int64_t col_end = einf__min_i64(a->job->n_cols, (tile + 1) * TILE_COLS);
        for (int64_t j = tile * TILE_COLS; j < col_end; j++)
            attend_column(a, j, i_kv, i_kv * a->group + first_q, n_q);
    }
}

/* Query heads a part of a group: at most EINF__ATTEND_MAX_Q, and fewer where the KV heads alone would leave threads
 * without work. Always even: the AVX2 slot loads a key for two heads at a time, so that parts of two cost no more in
 * all than one of four, while an odd part costs as much as the next even one. By the model's shape only, so that a
 * column is computed the same way whatever call it comes in. */
static int32_t part_of_group(int32_t group, int32_t n_head_kv)
{
    const int64_t n_parts = einf__div_up_i64(MIN_ITEMS_A_COLUMN, n_head_kv);
    const int64_t even = einf__div_up_i64(einf__div_up_i64(group, n_parts), 2) * 2;
    return (int32_t)einf__min_i64(even, EINF__ATTEND_MAX_Q);
}

void einf__attention(const einf__compute *c, const einf__attention_job *job)
{
    const einf__kv_view *kv = job->kv;
    attend_job a = { .job = job, .group = job->n_head / kv->n_head_kv };
    assert(job->n_head % kv->n_head_kv == 0 && job->first + job->n_cols <= kv->n_ctx);
    a.attend = kv->type == EINF__F16   ? c->kernels->attend_f16
               : kv->type == EINF__F32 ? c->kernels->attend_f32
                                       : c->kernels->attend_q8_0;
    a.n_tiles = einf__div_up_i64(job->n_cols, TILE_COLS);
    a.part_size = part_of_group(a.group, kv->n_head_kv);
    a.n_parts = (int32_t)einf__div_up_i64(a.group, a.part_size);

    int64_t n_keys = job->first + job->n_cols;
    if (job->window > 0) n_keys = einf__min_i64(n_keys, job->window);
    const int64_t n_cols = einf__min_i64(job->n_cols, TILE_COLS);
    const int64_t work = n_keys * n_cols * einf__min_i64(a.part_size, a.group) * (kv->k_dim + kv->v_dim);
    einf__pool_run(c->pool, a.n_tiles * kv->n_head_kv * a.n_parts, einf__grain(work), attend_items, &a);
}
