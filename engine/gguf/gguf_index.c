/* SPDX-License-Identifier: MIT
 * gguf_index.c - names to entries: one open-addressing table for keys, one for tensors.
 *
 * The names come from strangers, who could choose 65,536 of them that share a slot of any hash they can compute.
 * So the hash is keyed (SipHash-1-3, Aumasson and Bernstein) by addresses of this process, which no file knows.
 * The key decides the order of probing alone, never a result. Load is at most one half.
 */
#include "engine/gguf/gguf_private.h"

static inline uint64_t rotate_left(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1]; v[2] += v[3];
    v[1] = rotate_left(v[1], 13) ^ v[0]; v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[1]; v[0] += v[3];
    v[1] = rotate_left(v[1], 17) ^ v[2]; v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] = rotate_left(v[2], 32);
}

static uint64_t hash(einf__bytes name, uint64_t key0, uint64_t key1)
{
    /* The initial state is the text "somepseudorandomlygeneratedbytes". */
    uint64_t v[4] = { key0 ^ 0x736f6d6570736575u, key1 ^ 0x646f72616e646f6du, key0 ^ 0x6c7967656e657261u,
                      key1 ^ 0x7465646279746573u };
    const char *p = name.p;
    uint64_t word, left = name.n;
    for (; left >= sizeof word; p += sizeof word, left -= sizeof word) {
        memcpy(&word, p, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = 0;
    memcpy(&word, p, (size_t)left);
    word |= name.n << 56;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t einf__gguf_index_slots(uint64_t n_names)
{
    uint64_t n = n_names ? 2 : 0;
    while (n < n_names * 2) n *= 2; /* n_names is at most EINF__GGUF_MAX_KV */
    return n;
}

static bool has_name(const einf__gguf *g, einf__gguf_list list, uint32_t i, einf__bytes name)
{
    if (list == EINF__GGUF_KVS) return g->kv[i].key.n == name.n && memcmp(g->kv[i].key.p, name.p, (size_t)name.n) == 0;
    const char *t = g->tensors[i].name;
    return name.n < sizeof g->tensors[i].name && memcmp(t, name.p, (size_t)name.n) == 0 && t[name.n] == '\0';
}

uint32_t *einf__gguf_slot(const einf__gguf *g, einf__gguf_list list, einf__bytes name)
{
    uint32_t *index = list == EINF__GGUF_KVS ? g->kv_index : g->tensor_index;
    const uint64_t mask = list == EINF__GGUF_KVS ? g->kv_index_mask : g->tensor_index_mask;
    uint64_t s = hash(name, (uint64_t)(uintptr_t)g->block, (uint64_t)(uintptr_t)g->source->data) & mask;
    while (index[s] != 0 && !has_name(g, list, index[s] - 1, name)) s = (s + 1) & mask;
    return &index[s];
}

const einf__gguf_kv *einf__gguf_find(const einf__gguf *g, const char *key)
{
    if (g->n_kv == 0) return NULL;
    const uint32_t found = *einf__gguf_slot(g, EINF__GGUF_KVS, (einf__bytes){ key, strlen(key) });
    return found ? &g->kv[found - 1] : NULL;
}

const einf__gguf_tensor *einf__gguf_find_tensor(const einf__gguf *g, const char *name)
{
    if (g->n_tensors == 0) return NULL;
    const uint32_t found = *einf__gguf_slot(g, EINF__GGUF_TENSORS, (einf__bytes){ name, strlen(name) });
    return found ? &g->tensors[found - 1] : NULL;
}
