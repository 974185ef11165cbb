/* SPDX-License-Identifier: MIT
 * rope_angles.h - cosines and sines of the rotary embedding for the rows of a batch.
 *
 * Pair p of n_rot / 2 turns by position * base^(-2p / n_rot) * scale / factor[p] (RoPE, arXiv 2104.09864; the factors
 * are Llama 3's rope_freqs, or LongRoPE's, arXiv 2402.13753, which also makes cosines and sines larger). With M-RoPE,
 * which of a row's positions a pair sees goes by sections: the first sections[0] pairs see time, the next sections[1]
 * height, the next sections[2] width (arXiv 2409.12191, 2.1).
 */
#ifndef EINF_DECODE_ROPE_ANGLES_H
#define EINF_DECODE_ROPE_ANGLES_H

#include "engine/base/arena.h"
#include "engine/model/model_weights.h"

typedef struct einf__rope_table {
    double *freq;       /* [n_rot / 2] radians per position */
    float *cos, *sin;   /* [n_batch, n_rot / 2] of the batch at hand */
} einf__rope_table;

void einf__rope_lay_out(einf__arena *a, const einf__config *c, int64_t n_batch, einf__rope_table *out);
/** Whether a session of n_ctx rows divides by the long factors: always or never, so that all its keys agree with each
 *  other, and with those of a state that is loaded into it only when the answer is the same for both. */
bool einf__rope_is_long(const einf__config *c, const einf__weights *w, uint32_t n_ctx);
/** Frequencies, once. factors: [n_rot / 2] or NULL. */
void einf__rope_init(einf__rope_table *t, const einf__config *c, float base, float scale, const float *factors);
/** Angles of n rows. */
void einf__rope_fill(einf__rope_table *t, const einf__config *c, const int32_t (*positions)[4], int64_t n);

#endif
