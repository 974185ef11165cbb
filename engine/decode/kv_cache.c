/* SPDX-License-Identifier: MIT
 * kv_cache.c - carving the cache and storing rows in it. Windowed layers keep the full cache; their window is a loop
 * bound of attention.
 */
#include "engine/decode/kv_cache.h"

#include <string.h>

#include "engine/base/blocks.h"

void einf__kv_lay_out(einf__arena *a, const einf__config *c, uint32_t n_ctx, einf__dtype type, einf__kv_cache *out)
{
    out->layers = EINF__CARVE(a, einf__kv_view, c->n_layer);
    for (uint32_t i = 0; i < c->n_layer; i++) {
        const uint64_t rows = (uint64_t)c->layers[i].n_head_kv * n_ctx; /* <= 2^12 * 2^31 */
        void *k = einf__arena_take(a, rows, (uint64_t)einf__kv_row_bytes(type, c->k_dim));
        void *v = einf__arena_take(a, rows, (uint64_t)einf__kv_row_bytes(type, c->v_dim));
        if (!out->layers) continue;
        out->layers[i] = (einf__kv_view){ .k = k, .v = v, .type = type, .n_head_kv = (int32_t)c->layers[i].n_head_kv,
                                          .k_dim = (int32_t)c->k_dim, .v_dim = (int32_t)c->v_dim, .n_ctx = n_ctx };
    }
}

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

void einf__kv_store(const einf__kernels *kernels, const einf__kv_view *kv, int64_t first, int64_t n, const float *k,
                    const float *v)
{
    for (int64_t row = 0; row < n; row++) {
        for (int32_t h = 0; h < kv->n_head_kv; h++) {
            store(kernels, kv->type, einf__kv_key(kv, h, first + row), k, kv->k_dim);
            store(kernels, kv->type, einf__kv_value(kv, h, first + row), v, kv->v_dim);
            k += kv->k_dim;
            v += kv->v_dim;
        }
    }
}

einf__kv_run einf__kv_run_of(const einf__kv_view *kv, int32_t head, bool values)
{
    void *rows = values ? einf__kv_value(kv, head, 0) : einf__kv_key(kv, head, 0);
    return (einf__kv_run){ rows, (uint64_t)einf__kv_row_bytes(kv->type, values ? kv->v_dim : kv->k_dim) };
}
