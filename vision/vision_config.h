/* SPDX-License-Identifier: MIT
 * vision_config.h - hyper-parameters of a vision encoder, checked before any tensor is looked at.
 *
 * Keys are those of llama.cpp's clip files ("clip.vision.*"); what a file asks for that would change the arithmetic
 * and that we do not do (window attention, other projectors) is refused by name.
 */
#ifndef EINF_VISION_CONFIG_H
#define EINF_VISION_CONFIG_H

#include "engine/gguf/gguf.h"
#include "engine/kernels/verbs.h"
#include "vision/preprocess.h"

typedef struct einf__vision_config {
    char projector[32];       /* "qwen2vl_merger" */
    uint32_t n_layer, n_embd, n_head, head_dim, n_ff;
    uint32_t patch_size, merge_size;
    uint32_t row_width;       /* projection_dim: what the merger puts out */
    uint32_t n_merged;        /* n_embd * merge_size^2: what it takes */
    uint32_t image_size;      /* as the file has it; nothing depends on it */
    float layer_norm_eps;
    float rope_freq_base;     /* 10000 */
    einf__act act;            /* of the feed-forward blocks: quick-GELU unless the file says otherwise */
    bool has_limits;
    einf__preprocess_facts facts;
} einf__vision_config;

/** Read and check. EINF_E_FORMAT with key, byte and both values; EINF_E_UNSUPPORTED: a file without a vision encoder
 *  (a language model: says so), or of a projector we have not. */
einf_status einf__vision_config_read(const einf__gguf *g, einf__vision_config *out, einf_error *err);
/** "quick_gelu", "gelu", "silu": static string. */
const char *einf__act_name(einf__act act);

#endif
