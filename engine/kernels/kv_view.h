/* SPDX-License-Identifier: MIT
 * kv_view.h - one layer of the KV cache, as the cache hands it to attention. These two alone know the layout.
 *
 * Head-major: K [n_head_kv, n_ctx, k_dim], V [n_head_kv, n_ctx, v_dim], elements f16 or f32, so that the keys of one
 * head are one stream.
 */
#ifndef EINF_KERNELS_KV_VIEW_H
#define EINF_KERNELS_KV_VIEW_H

#include "engine/base/dtype.h"

typedef struct einf__kv_view {
    void *k, *v;
    einf__dtype type;      /* EINF__F16 or EINF__F32 */
    int32_t n_head_kv;
    int32_t k_dim, v_dim;
    int64_t n_ctx;
} einf__kv_view;

static inline void *einf__kv_key(const einf__kv_view *kv, int64_t head, int64_t row)
{
    const int64_t elem = (head * kv->n_ctx + row) * kv->k_dim;
    return (uint8_t *)kv->k + elem * (kv->type == EINF__F16 ? 2 : 4);
}

static inline void *einf__kv_value(const einf__kv_view *kv, int64_t head, int64_t row)
{
    const int64_t elem = (head * kv->n_ctx + row) * kv->v_dim;
    return (uint8_t *)kv->v + elem * (kv->type == EINF__F16 ? 2 : 4);
}

#endif
