/* SPDX-License-Identifier: MIT
 * model_config.h - the hyper-parameters of a model, read from its metadata and checked before any tensor is looked at.
 *
 * Every number has been through a getter with a range, so the products formed from them below cannot overflow:
 * n_embd <= 2^20, n_head * head dims <= 2^22, n_ff <= 2^24, n_layer <= 512, n_vocab < 2^24.
 */
#ifndef EINF_MODEL_CONFIG_H
#define EINF_MODEL_CONFIG_H

#include "engine/base/arena.h"
#include "engine/gguf/gguf.h"
#include "engine/model/arch.h"

/* By which table of angles a layer's queries and keys turn. */
typedef enum einf__rope_kind { EINF__ROPE_GLOBAL, EINF__ROPE_LOCAL, EINF__ROPE_NONE } einf__rope_kind;

/* What a layer has of its own. */
typedef struct einf__layer_config {
    uint32_t n_head, n_head_kv; /* n_head is a multiple of n_head_kv */
    uint32_t n_ff;
    uint32_t window;            /* keys a query may look back at, itself included; 0: all */
    einf__rope_kind rope;
} einf__layer_config;

typedef struct einf__config {
    const einf__arch *arch;
    uint32_t n_layer;
    uint32_t n_embd;
    uint32_t n_vocab;           /* rows of the embedding */
    uint32_t n_ctx_train;
    uint32_t k_dim, v_dim;      /* of a head */
    uint32_t n_rot;             /* rotated dimensions of a head: even, <= k_dim */
    float rms_norm_eps;
    float attn_scale;           /* of q.k */
    float attn_softcap, final_softcap; /* of scores, of logits: x becomes cap * tanh(x / cap); 0: not capped */
    float embed_scale;
    float rope_freq_base;
    float rope_freq_base_local; /* of layers with EINF__ROPE_LOCAL; 0: there are none */
    float rope_freq_scale;      /* 1 / rope.scaling.factor; local layers are not scaled */
    float rope_magnitude;       /* of cosines and sines */
    uint32_t rope_original_ctx; /* a session with more rows divides by the long factors, where there are such */
    uint32_t rope_sections[4];  /* M-RoPE: pairs rotated by time, height, width, spare; all 0 otherwise */
    einf__layer_config *layers; /* [n_layer] */
} einf__config;

/** Read from g. layers are carved from the arena: call once counting, once over a block. EINF_E_FORMAT: missing, wrong
 *  type or range; EINF_E_UNSUPPORTED: an architecture or feature this build lacks, by name. */
einf_status einf__config_read(const einf__gguf *g, einf__arena *arena, einf__config *out, einf_error *err);

#endif
