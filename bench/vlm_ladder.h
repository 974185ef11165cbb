/* SPDX-License-Identifier: MIT
 * vlm_ladder.h - the study of picture sizes (arXiv 2512.16531): the same picture at many sizes under several clamps,
 * and what each costs before it is run.
 *
 * The sizes are those of the reproduction: twenty widths from 2048 to 210, aspect 1.438, seven of them on the flat part
 * of a clamp of 1024, the three clamps of the study among them, steps of 28 pixels or two of them below.
 */
#ifndef BENCH_VLM_LADDER_H
#define BENCH_VLM_LADDER_H

#include <edgeinfer/vision.h>

#include "bench/arguments.h"

enum { VLM_MAX_SIZES = BENCH_MAX_COUNTS, VLM_MAX_CLAMPS = 6 };
#define VLM_ASPECT 1.438

extern const bench_counts vlm_study_widths, vlm_study_clamps;

typedef struct vlm_ladder {
    double aspect;                        /* width / height */
    int n_sizes, n_clamps;
    uint32_t width[VLM_MAX_SIZES], height[VLM_MAX_SIZES]; /* nominal, the largest first */
    double megapixels[VLM_MAX_SIZES];     /* nominal */
    double free_gmac[VLM_MAX_SIZES];      /* of the prompt if nothing limited the picture: see vlm_knee.h */
    uint32_t clamp[VLM_MAX_CLAMPS];       /* longest edge */
    einf_image_sizes plan[VLM_MAX_CLAMPS][VLM_MAX_SIZES];
    double gmac[VLM_MAX_CLAMPS][VLM_MAX_SIZES]; /* encoding, and the language model's matrices for its rows */
} vlm_ladder;

/** Sizes and clamps, both times scale, sorted, each once. Sides are at least 1. */
void vlm_ladder_make(vlm_ladder *l, const bench_counts *widths, const bench_counts *clamps, double aspect,
                     double scale);
/** The options of a clamp: rule longest-edge. */
einf_preprocess vlm_clamp(uint32_t longest_edge);
/** Fill plan and multiply-adds; macs_per_token: of the language model's layers, 0: none. */
einf_status vlm_ladder_plan(vlm_ladder *l, const einf_vision *v, double macs_per_token, einf_error *err);

/** A random order of n things, from a state of bench_next_random. */
void vlm_shuffle(int *order, int n, uint64_t *state);

#endif
