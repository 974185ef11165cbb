/* SPDX-License-Identifier: MIT
 * arch.h - what distinguishes one decoder architecture from another, as data.
 *
 * All of them are the same pre-norm transformer: norm, attention, residual, norm, gated feed-forward, residual. An
 * entry of the table says which of the optional parts a family has; model_config.c reads its numbers from the file,
 * model_weights.c its tensors, and forward.c asks for nothing else.
 */
#ifndef EINF_MODEL_ARCH_H
#define EINF_MODEL_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/gguf/gguf_cursor.h"
#include "engine/kernels/verbs.h"

enum {
    EINF__QKV_BIAS = 1 << 0,   /* biases on q, k, v; required */
    EINF__QK_NORM = 1 << 1,    /* RMS norm of each query and key head before rotation */
    EINF__POST_NORMS = 1 << 2, /* RMS norm of each block's output before the residual is added */
    EINF__EMBED_SCALE = 1 << 3, /* token embeddings times sqrt(n_embd) */
    EINF__M_ROPE = 1 << 4,     /* rotation by three positions: time, height, width (arXiv 2409.12191, 2.1) */
    EINF__LONG_ROPE = 1 << 5,  /* frequency divisors for short and for long contexts, where the file has them */
    EINF__FUSED = 1 << 6,      /* q, k and v are rows of one tensor, gate and up of another */
    EINF__WINDOW_OPTIONAL = 1 << 7 /* a file without attention.sliding_window, or with 0, has no windows */
};
#define EINF__NO_FULL_LAYER UINT32_MAX /* a window_period beyond all layers */

typedef struct einf__arch {
    const char *name;          /* general.architecture */
    unsigned features;
    bool rope_neox;            /* pairs (p, p + n/2); otherwise (2p, 2p + 1) */
    einf__glu glu;
    uint32_t nope_period;      /* every n-th layer does not rotate; 0: all do */
    uint32_t window_period;    /* with a sliding window, every n-th layer sees everything; 0: no windows */
    uint32_t window;           /* where the file does not say; 0: it must, or see EINF__WINDOW_OPTIONAL */
    float rope_freq_base_local; /* of windowed layers; 0: that of the others */
    float attn_softcap, final_softcap; /* where the file does not say; 0: none */
    uint32_t n_layer_wide;     /* the one size whose scores are scaled by n_embd / n_head, not by the head's width */
} einf__arch;

/** The entry of that name, or NULL. */
const einf__arch *einf__arch_find(einf__bytes name);
/** "llama, qwen2, ...": for messages. */
const char *einf__arch_names(void);

#endif
