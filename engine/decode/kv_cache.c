/* SPDX-License-Identifier: MIT
 * kv_cache.c - carving the cache. Windowed layers keep the full cache; their window is a loop bound of attention.
 */
#include "engine/decode/kv_cache.h"

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

einf__kv_run einf__kv_run_of(const einf__kv_view *kv, int32_t head, bool values)
{
    void *rows = values ? einf__kv_value(kv, head, 0) : einf__kv_key(kv, head, 0);
    return (einf__kv_run){ rows, (uint64_t)einf__kv_row_bytes(kv->type, values ? kv->v_dim : kv->k_dim) };
}
