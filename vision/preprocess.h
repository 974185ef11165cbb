/* SPDX-License-Identifier: MIT
 * preprocess.h - which size a picture gets, and its pixels as numbers.
 *
 * Sizes follow from rules alone (EINF_RESIZE_* of <edgeinfer/vision.h>), before a pixel is touched: a table of clamps
 * and tokens can be printed without a picture. papers.md 1.4 has the rules' history.
 */
#ifndef EINF_VISION_PREPROCESS_H
#define EINF_VISION_PREPROCESS_H

#include <edgeinfer/vision.h>

#include "engine/base/status.h"

/* What the rules need of an encoder's file. */
typedef struct einf__preprocess_facts {
    uint32_t patch_size, merge_size;
    uint64_t min_pixels, max_pixels; /* limits of PIXELS unless the options have some; 0: 8 and 4096 tokens */
    float mean[3], std[3];
} einf__preprocess_facts;

/* More tokens than that are refused whatever the options: the residual stream alone would pass 300 MiB. */
enum { EINF__MAX_IMAGE_TOKENS = 16384 };

/** Check options on their own and against the facts. EINF_E_ARG names the field and both values. */
einf_status einf__preprocess_check(const einf_preprocess *options, const einf__preprocess_facts *facts,
                                   einf_error *err);
/** Sizes of a picture of width x height pixels; n_macs and encode_bytes are left 0. options NULL: the defaults.
 *  EINF_E_ARG: an empty picture, or as above; EINF_E_LIMIT: aspect beyond 200:1 for PIXELS, too many tokens. */
einf_status einf__preprocess_sizes(const einf_preprocess *options, const einf__preprocess_facts *facts, uint32_t width,
                                   uint32_t height, einf_image_sizes *out, einf_error *err);

/* The normalised value of each byte in each channel: (byte / 255 - mean) / std, computed as the reference does, in f32:
 * rescaled first, then normalised. */
typedef struct einf__pixel_values {
    float of[3][256];
} einf__pixel_values;
void einf__pixel_values_init(einf__pixel_values *v, const float mean[3], const float std[3]);
/** rgb [height, width, 3] to out [3, height, width]. */
void einf__normalize(const einf__pixel_values *v, const uint8_t *rgb, uint32_t width, uint32_t height, float *out);

#endif
