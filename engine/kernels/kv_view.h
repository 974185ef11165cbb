/* SPDX-License-Identifier: MIT
 * kv_view.h - one layer of the KV cache, as the cache hands it to the verbs that store in it and attend to it. These
 * alone know the layout.
 *
 * Head-major: K [n_head_kv, n_ctx, k_dim], V [n_head_kv, n_ctx, v_dim], elements f16 or f32, so that the keys of one
 * head are one stream. Rows of Q8_0 are its blocks as in a file, scales among the codes: still one stream, and a row
 * is one run of bytes in every type.
 */
#ifndef EINF_KERNELS_KV_VIEW_H
#define EINF_KERNELS_KV_VIEW_H

#include "engine/base/dtype.h"

typedef struct einf__kv_view {
    void *k, *v;
    einf__dtype type;      /* EINF__F16, EINF__F32 or EINF__Q8_0 */
    int32_t n_head_kv;
    int32_t k_dim, v_dim;  /* multiples of 32 for EINF__Q8_0 */
    int64_t n_ctx;
} einf__kv_view;

/** Bytes of one head's key or value of one row. */
static inline int64_t einf__kv_row_bytes(einf__dtype type, int64_t dim)
{
    return (int64_t)einf__dtype_row_bytes(type, (uint64_t)dim);
}

static inline void *einf__kv_key(const einf__kv_view *kv, int64_t head, int64_t row)
{
    return (uint8_t *)kv->k + (head * kv->n_ctx + row) * einf__kv_row_bytes(kv->type, kv->k_dim);
}

static inline void *einf__kv_value(const einf__kv_view *kv, int64_t head, int64_t row)
{
    return (uint8_t *)kv->v + (head * kv->n_ctx + row) * einf__kv_row_bytes(kv->type, kv->v_dim);
}

#endif
