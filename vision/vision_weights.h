/* SPDX-License-Identifier: MIT
 * vision_weights.h - the tensors of a vision encoder, each checked against the shape that the hyper-parameters ask for.
 * Matrices stay in the file; vectors are copied to f32.
 */
#ifndef EINF_VISION_WEIGHTS_H
#define EINF_VISION_WEIGHTS_H

#include "engine/base/arena.h"
#include "vision/vision_config.h"

/* LayerNorm: both [n_embd], f32 and aligned. */
typedef struct einf__layer_norm_weights {
    const float *weight, *bias;
} einf__layer_norm_weights;

typedef struct einf__vision_layer {
    einf__layer_norm_weights ln1, ln2;
    einf__matrix q, k, v, o;   /* n_embd to n_embd, with biases */
    einf__matrix up, down;     /* n_embd to n_ff and back, with biases */
} einf__vision_layer;

typedef struct einf__vision_weights {
    einf__matrix patch[2];     /* n_embd rows of 3 * patch_size^2, channel by channel, row by row: the two moments of a
                                  patch convolution, which see a still picture both */
    einf__layer_norm_weights post_ln;
    einf__matrix merge[2];     /* n_merged to n_merged, n_merged to row_width, with biases */
    einf__vision_layer *layers; /* [n_layer] */
} einf__vision_weights;

/** Bind: run once counting and once over the block, as einf__weights_bind. *n_unused: tensors nobody asked for. */
einf_status einf__vision_weights_bind(const einf__gguf *g, const einf__vision_config *c, einf__arena *arena,
                                      const einf__kernels *kernels, einf__vision_weights *out, uint64_t *n_unused,
                                      einf_error *err);

#endif
