/* SPDX-License-Identifier: MIT
 * kv_cache.h - keys and values of every row on a timeline. Its layout (kv_view.h) is known here and in attention alone.
 */
#ifndef EINF_DECODE_KV_CACHE_H
#define EINF_DECODE_KV_CACHE_H

#include <stdbool.h>

#include "engine/base/arena.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/kv_view.h"
#include "engine/model/model_config.h"

typedef struct einf__kv_cache {
    einf__kv_view *layers; /* [n_layer] */
} einf__kv_cache;

/** Carve room for n_ctx rows. type: EINF__F16, EINF__F32, or EINF__Q8_0 where k_dim and v_dim are multiples of 32. */
void einf__kv_lay_out(einf__arena *a, const einf__config *c, uint32_t n_ctx, einf__dtype type, einf__kv_cache *out);

/* Rows [0, n) of one KV head, keys or values, are one run of n * row_bytes bytes: what a saved session is made of. */
typedef struct einf__kv_run {
    void *rows;
    uint64_t row_bytes;
} einf__kv_run;
/** head in [0, n_head_kv). */
einf__kv_run einf__kv_run_of(const einf__kv_view *kv, int32_t head, bool values);

#endif
