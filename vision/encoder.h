/* SPDX-License-Identifier: MIT
 * encoder.h - a picture's pixels to image rows: Qwen2-VL's vision transformer and its merger (arXiv 2409.12191, 2.1).
 * READ encoder.c with forward.c beside it: the same verbs, another order.
 *
 * Patches are laid out so that the merge_size^2 patches of one image row follow each other: a merged row is a run of
 * the residual stream, and no copy is needed. Columns run in pieces, so that what is as wide as n_ff is held for a
 * piece alone.
 */
#ifndef EINF_VISION_ENCODER_H
#define EINF_VISION_ENCODER_H

#include "engine/base/cancel.h"
#include "vision/rope2d.h"
#include "vision/vision_weights.h"

/* How an encoder computes, as sessions do. */
typedef struct einf__encoder_params {
    einf__path path;
    bool exact;
    einf__float_sum float_sum;
    int32_t n_threads;
} einf__encoder_params;

/* One encoding at work: scratch for a picture of one size. */
typedef struct einf__encoder {
    const einf__vision_config *config;
    const einf__vision_weights *weights; /* set by the caller */
    einf__compute compute;
    int32_t n_threads;
    uint32_t n_x, n_y;             /* patches */
    int64_t n_patches;
    int64_t piece_cols;            /* patches a piece: a multiple of merge_size^2 */
    float *x;                      /* [n_patches, n_embd] the residual stream */
    float *q;                      /* [n_patches, n_embd], and afterwards what was attended */
    float *k, *v;                  /* [piece_cols, n_embd] before they are stored */
    float *pixels;                 /* [piece_cols, 3 * patch_size^2]; in the place of k */
    einf__kv_view kv;              /* keys and values of one layer, f32 */
    einf__acts *patches, *normed, *hidden, *merged;
    einf__rope2d rope;
} einf__encoder;

/** Carve for a picture of n_x by n_y patches, multiples of merge_size: once counting and once over the block. Four
 *  floats a patch and element of n_embd, the angles, and what a piece of some 500 patches needs. */
void einf__encoder_lay_out(einf__arena *a, const einf__kernels *kernels, const einf__vision_config *c,
                           const einf__encoder_params *p, uint32_t n_x, uint32_t n_y, einf__encoder *out);
/** Multiply-adds of an encoding: patches, linears, attention (scores and sums), merger. */
uint64_t einf__encoder_macs(const einf__vision_config *c, uint32_t n_x, uint32_t n_y);

/* What is asked between two layers, with the pool released. done of n_layer + 1 (the merger); the patches go with the
 * first layer. Non-zero stops, unless all is done. */
typedef struct einf__encode_hooks {
    const einf_cancel *cancel_a, *cancel_b; /* may be NULL; looked at between pieces, too */
    einf_progress_fn progress;
    void *progress_user;
    bool (*stop)(void *user);               /* may be NULL; a budget, asked between pieces with the pool held: true
                                               stops as a cancel does */
    void *stop_user;
} einf__encode_hooks;

/** rgb [n_y * patch_size, n_x * patch_size, 3] to rows [n_patches / merge_size^2, row_width]. Acquires the pool layer
 *  by layer, and of it n_threads of the params. EINF_E_CANCELLED: rows are then to be ignored. */
einf_status einf__encode(einf__encoder *e, einf__pool *pool, const uint8_t *rgb, const einf__pixel_values *values,
                         const einf__encode_hooks *hooks, float *rows, einf_error *err);

#endif
