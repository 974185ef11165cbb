/* SPDX-License-Identifier: MIT
 * columns.c - verbs that treat each column by itself: norms in place, rotation, storing keys and values, embedding
 * rows, and the soft cap, which treats each element so. Few columns stay on the caller, many are shared out.
 */
#include "engine/kernels/acts.h"

#include <math.h>
#include <string.h>

#include "engine/base/blocks.h"

/* Columns of heads; `y` is where norm_add finds what to norm. */
typedef struct column_job {
    const einf__kernels *k;
    float *x, *y;
    const float *weight, *bias; /* bias: of a LayerNorm */
    float eps;
    int64_t n_head, width; /* width: of a head, or of the column */
} column_job;

static void norm_add_columns(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const column_job *job = arg;
    (void)i_thread;
    for (int64_t j = begin; j < end; j++) {
        float *y = job->y + j * job->width;
        job->k->rms_norm(y, y, job->weight, job->width, job->eps);
        job->k->add(job->x + j * job->width, y, job->width);
    }
}

void einf__norm_add(const einf__compute *c, float *x, float *y, int64_t n_cols, int64_t width, const float *weight,
                    float eps)
{
    column_job job = { .k = c->kernels, .x = x, .y = y, .weight = weight, .eps = eps, .width = width };
    einf__pool_run(c->pool, n_cols, einf__column_grain(2 * width), norm_add_columns, &job);
}

static void norm_head_columns(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const column_job *job = arg;
    (void)i_thread;
    for (int64_t i = begin * job->n_head; i < end * job->n_head; i++) {
        float *head = job->x + i * job->width;
        job->k->rms_norm(head, head, job->weight, job->width, job->eps);
    }
}

void einf__norm_heads(const einf__compute *c, float *x, int64_t n_cols, int64_t n_head, int64_t head_dim,
                      const float *weight, float eps)
{
    column_job job = {
        .k = c->kernels, .x = x, .weight = weight, .eps = eps, .n_head = n_head, .width = head_dim
    };
    einf__pool_run(c->pool, n_cols, einf__column_grain(n_head * head_dim), norm_head_columns, &job);
}

static void layer_norm_columns(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const column_job *job = arg;
    (void)i_thread;
    for (int64_t j = begin; j < end; j++) {
        float *x = job->x + j * job->width;
        job->k->layer_norm(x, x, job->weight, job->bias, job->width, job->eps);
    }
}

void einf__layer_norm_columns(const einf__compute *c, float *x, int64_t n_cols, int64_t width, const float *weight,
                              const float *bias, float eps)
{
    column_job job = { .k = c->kernels, .x = x, .weight = weight, .bias = bias, .eps = eps, .width = width };
    einf__pool_run(c->pool, n_cols, einf__column_grain(width), layer_norm_columns, &job);
}

typedef struct rope_job {
    einf__rope_fn rotate;
    float *x;
    const float *cos, *sin; /* [n_cols, n_pairs] */
    int64_t n_head, head_dim, n_pairs;
} rope_job;

static void rotate_columns(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const rope_job *job = arg;
    (void)i_thread;
    for (int64_t j = begin; j < end; j++)
        for (int64_t h = 0; h < job->n_head; h++)
            job->rotate(job->x + (j * job->n_head + h) * job->head_dim, job->cos + j * job->n_pairs,
                        job->sin + j * job->n_pairs, job->n_pairs);
}

void einf__rope(const einf__compute *c, bool neox, float *x, int64_t n_cols, int64_t n_head, int64_t head_dim,
                const float *cos, const float *sin, int64_t n_pairs)
{
    assert(2 * n_pairs <= head_dim);
    rope_job job = {
        neox ? c->kernels->rope_neox : c->kernels->rope_norm, x, cos, sin, n_head, head_dim, n_pairs
    };
    if (n_pairs > 0) einf__pool_run(c->pool, n_cols, einf__column_grain(n_head * head_dim), rotate_columns, &job);
}

typedef struct store_job {
    const einf__kernels *kernels;
    const einf__kv_view *kv;
    const float *k, *v; /* [n_cols, n_head_kv * dim] */
    int64_t first;
} store_job;

/* The int8 form of activations, its scales rounded to halves: what ggml stores. */
static void store_q8_0(const einf__kernels *kernels, einf__block_q8_0 *to, const float *from, int32_t n)
{
    for (int32_t i = 0; i < n; i += 32, to++) {
        float d;
        uint16_t half;
        int16_t sum16[2];
        kernels->quantize_q8(to->qs, &d, sum16, from + i, 32);
        kernels->to_f16(&half, &d, 1);
        to->d = half;
    }
}

static void store(const einf__kernels *kernels, einf__dtype type, void *to, const float *from, int32_t n)
{
    if (type == EINF__F16)
        kernels->to_f16(to, from, n);
    else if (type == EINF__F32)
        memcpy(to, from, (size_t)n * sizeof *from);
    else
        store_q8_0(kernels, to, from, n);
}

static void store_columns(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const store_job *job = arg;
    const einf__kv_view *kv = job->kv;
    (void)i_thread;
    for (int64_t j = begin; j < end; j++) {
        for (int32_t h = 0; h < kv->n_head_kv; h++) {
            const int64_t head = j * kv->n_head_kv + h;
            store(job->kernels, kv->type, einf__kv_key(kv, h, job->first + j), job->k + head * kv->k_dim, kv->k_dim);
            store(job->kernels, kv->type, einf__kv_value(kv, h, job->first + j), job->v + head * kv->v_dim, kv->v_dim);
        }
    }
}

void einf__kv_store(const einf__compute *c, const einf__kv_view *kv, int64_t first, int64_t n_cols, const float *k,
                    const float *v)
{
    store_job job = { .kernels = c->kernels, .kv = kv, .k = k, .v = v, .first = first };
    einf__pool_run(c->pool, n_cols, einf__column_grain(kv->n_head_kv * (kv->k_dim + kv->v_dim)), store_columns, &job);
}

typedef struct embed_job {
    einf__to_f32_fn to_f32;
    float *y;
    const einf__matrix *table;
    const int32_t *ids;
    float scale;
} embed_job;

static void embed_columns(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const embed_job *job = arg;
    const int64_t width = job->table->n_in;
    (void)i_thread;
    for (int64_t j = begin; j < end; j++) {
        float *y = job->y + j * width;
        job->to_f32(y, (const uint8_t *)job->table->data + (size_t)job->ids[j] * job->table->row_bytes, width);
        if (job->scale == 1.0f) continue;
        for (int64_t i = 0; i < width; i++) y[i] *= job->scale;
    }
}

void einf__embed(const einf__compute *c, float *y, const einf__matrix *table, const int32_t *ids, int64_t n_cols,
                 float scale)
{
    embed_job job = { c->kernels->to_f32[table->type], y, table, ids, scale };
    einf__pool_run(c->pool, n_cols, einf__column_grain(table->n_in), embed_columns, &job);
}

/* What a tanh counts in multiply-adds: a vocabulary of 256,000 is worth sharing out even for one column. */
enum { TANH_WORK = 64 };

typedef struct softcap_job {
    float *x;
    float cap;
} softcap_job;

static void cap_elements(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    const softcap_job *job = arg;
    (void)i_thread;
    for (int64_t i = begin; i < end; i++) job->x[i] = job->cap * tanhf(job->x[i] / job->cap);
}

void einf__softcap(const einf__compute *c, float *x, int64_t n, float cap)
{
    softcap_job job = { x, cap };
    einf__pool_run(c->pool, n, einf__grain(TANH_WORK), cap_elements, &job);
}
