/* SPDX-License-Identifier: MIT
 * model_weights.h - the tensors of a model, bound by name and checked against the shapes its configuration implies.
 *
 * Matrices stay in the file's own blocks, wherever the source lies. Vectors (norms, biases, rope factors) are copied
 * to f32 into the model's block: they are small, and the file may hold them unaligned or as f16.
 */
#ifndef EINF_MODEL_WEIGHTS_H
#define EINF_MODEL_WEIGHTS_H

#include "engine/model/model_config.h"

typedef struct einf__layer_weights {
    float *attn_norm;                 /* [n_embd] */
    einf__matrix q, k, v;             /* [n_head * k_dim, n_embd], [n_head_kv * k_dim, ..], [n_head_kv * v_dim, ..];
                                       * where the file has them as one tensor: ranges of its rows, as gate and up */
    float *q_norm, *k_norm;           /* [k_dim], or NULL */
    einf__matrix o;                   /* [n_embd, n_head * v_dim] */
    float *attn_post_norm;            /* [n_embd], or NULL */
    float *ffn_norm;                  /* [n_embd] */
    einf__matrix gate, up;            /* [n_ff, n_embd] */
    einf__matrix down;                /* [n_embd, n_ff] */
    float *ffn_post_norm;             /* [n_embd], or NULL */
} einf__layer_weights;

typedef struct einf__weights {
    einf__matrix token_embd;          /* [n_vocab, n_embd] */
    einf__layer_weights *layers;      /* [n_layer] */
    float *output_norm;               /* [n_embd] */
    einf__matrix output;              /* [n_vocab, n_embd]; the embedding itself when tied */
    float *rope_factors;              /* [n_rot / 2] divisors of the frequencies, or NULL */
    float *rope_factors_short;        /* [n_rot / 2] the same for sessions of up to rope_original_ctx rows, or NULL */
    float *rope_factors_long;         /* [n_rot / 2] and for longer ones; NULL when the other is */
    uint64_t weight_bytes;            /* of all tensors bound */
    uint64_t n_params;
} einf__weights;

/** Bind every tensor the configuration calls for. Run once over a counting arena (checks and counts) and once over a
 *  block (fills). k: for de-quantising vectors; unused while counting.
 *  EINF_E_FORMAT: missing, wrong shape; EINF_E_UNSUPPORTED: a type this build cannot compute with, by name.
 *  *n_unused: tensors of the file that the architecture has no use for. */
einf_status einf__weights_bind(const einf__gguf *g, const einf__config *c, einf__arena *arena, const einf__kernels *k,
                               einf__weights *out, uint64_t *n_unused, einf_error *err);

/** Look at every scale and float of the bound tensors for NaN and infinities: EINF_E_FORMAT names the first. Reads all
 *  bytes. */
einf_status einf__weights_check_values(const einf__gguf *g, const einf__kernels *k, const einf_cancel *cancel,
                                       einf_error *err);

#endif
