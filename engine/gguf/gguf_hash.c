/* SPDX-License-Identifier: MIT
 * gguf_hash.c - XXH3 over what the entries say and samples of what the tensors hold; each piece is seeded with the hash
 * of those before it, so that order counts and no state is kept.
 */
#include "engine/gguf/gguf_hash.h"

#include <xxhash.h>

enum { N_SAMPLES = 4, SAMPLE_BYTES = 1024 };

static uint64_t add(uint64_t hash, const void *p, uint64_t n_bytes)
{
    return XXH3_64bits_withSeed(p, (size_t)n_bytes, hash);
}

static uint64_t add_entry(uint64_t hash, const einf__gguf_kv *kv)
{
    static const char layout[] = "split."; /* how the model lies in files, not what it is */
    const uint64_t shape[] = { (uint64_t)kv->type, (uint64_t)kv->item_type, kv->n_items };
    if (kv->key.n >= sizeof layout - 1 && memcmp(kv->key.p, layout, sizeof layout - 1) == 0) return hash;
    hash = add(hash, kv->key.p, kv->key.n);
    hash = add(hash, shape, sizeof shape);
    return add(hash, kv->value, kv->value_bytes);
}

static uint64_t add_tensor(uint64_t hash, const einf__gguf *g, const einf__gguf_tensor *t)
{
    const uint8_t *data = einf__gguf_tensor_data(g, t);
    const uint64_t shape[] = { t->file_type, t->dims[0], t->dims[1], t->dims[2], t->dims[3] };
    hash = add(hash, t->name, sizeof t->name); /* zeros behind the name */
    hash = add(hash, shape, sizeof shape);
    if (t->size_bytes <= N_SAMPLES * SAMPLE_BYTES) return add(hash, data, t->size_bytes);
    const uint64_t step = (t->size_bytes - SAMPLE_BYTES) / (N_SAMPLES - 1);
    for (uint64_t i = 0; i < N_SAMPLES; i++) hash = add(hash, data + i * step, SAMPLE_BYTES);
    return hash;
}

uint64_t einf__gguf_hash(const einf__gguf *g)
{
    uint64_t hash = 0;
    for (uint64_t i = 0; i < g->n_kv; i++) hash = add_entry(hash, &g->kv[i]);
    for (uint64_t i = 0; i < g->n_tensors; i++) hash = add_tensor(hash, g, &g->tensors[i]);
    return hash;
}
