/* SPDX-License-Identifier: MIT
 * forward.h - one pass of a batch of rows through the transformer. READ forward.c FIRST: it is what the engine does.
 */
#ifndef EINF_DECODE_FORWARD_H
#define EINF_DECODE_FORWARD_H

#include "engine/base/cancel.h"
#include "engine/decode/kv_cache.h"
#include "engine/decode/rope_angles.h"
#include "engine/kernels/verbs.h"
#include "engine/model/model_weights.h"

/* Scratch of a pass, for batches of at most n_batch rows. Widths that differ by layer have the largest. */
typedef struct einf__buffers {
    float *x;                    /* [n_batch, n_embd] the residual stream */
    float *y;                    /* [n_batch, n_embd] a block's output before its post-norm; NULL without such norms */
    float *q, *k, *v;            /* [n_batch, n_head * k_dim], [.., n_head_kv * k_dim], [.., n_head_kv * v_dim] */
    float *attended;             /* [n_batch, n_head * v_dim] */
    einf__acts *normed;          /* n_embd wide */
    einf__acts *attended_acts;   /* n_head * v_dim wide */
    einf__acts *hidden;          /* n_ff wide */
    einf__rope_table rope;       /* of layers with EINF__ROPE_GLOBAL */
    einf__rope_table rope_local; /* of those with EINF__ROPE_LOCAL; angles only where there are such */
} einf__buffers;

/* What a pass works on. */
typedef struct einf__forward {
    const einf__config *config;
    const einf__weights *weights;
    const einf__compute *compute;
    const einf__kv_cache *kv;
    const einf__buffers *buffers;
} einf__forward;

/* The rows of a pass: either ids or embedding rows. */
typedef struct einf__rows {
    const int32_t *ids;          /* [n], in range; or NULL */
    const float *embeddings;     /* [n, n_embd]; or NULL */
    const int32_t (*positions)[4]; /* [n] */
    int64_t n;                   /* 1..n_batch */
    int64_t first;               /* timeline index of row 0 */
} einf__rows;

/** room: for batches of n_batch = room->cols rows. */
void einf__buffers_lay_out(einf__arena *a, const einf__config *c, const einf__acts_room *room, einf__buffers *out);
/** Fill what does not change between passes: the frequencies of the rotations, for a session of n_ctx rows. */
void einf__buffers_init(einf__buffers *b, const einf__config *c, const einf__weights *w, uint32_t n_ctx);

/** Run rows through all layers: their keys and values are stored at [first, first + n), their last hidden states stay
 *  in buffers->x. The pool is acquired. EINF_E_CANCELLED between two layers: what was stored is then to be ignored. */
einf_status einf__forward_rows(const einf__forward *f, const einf__rows *rows, const einf_cancel *cancel_a,
                               const einf_cancel *cancel_b, einf_error *err);

/** Logits of n chosen rows of the last pass. which: [n] ascending row indices. out: [n, n_vocab].
 *  Moves the chosen rows to the front of buffers->x: afterwards only rows behind which[n - 1] are still in place. */
void einf__forward_logits(const einf__forward *f, const int32_t *which, int64_t n, float *out);

#endif
