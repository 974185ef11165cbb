/* SPDX-License-Identifier: MIT
 * advise_ladder.h - the settings that advise-image tries, and what each makes of a picture.
 *
 * Steps are limits in image tokens, from what the model allows or the picture asks for down to the least, roughly by
 * a third each time; beside them stand the three clamps of arXiv 2512.16531. Where a larger limit changes nothing the
 * ladder is flat, and its knee, the least limit that still changes nothing, is a step of its own.
 */
#ifndef CLI_ADVISE_LADDER_H
#define CLI_ADVISE_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include <edgeinfer/vision.h>

enum { ADVISE_MAX_SETTINGS = 64 };

typedef struct advise_setting {
    char option[40];          /* as the command line takes it: "--image-max-tokens 96" */
    einf_preprocess preprocess;
    uint32_t max_tokens;      /* 0: one of the clamps, which are no steps */
    einf_image_sizes sizes;
    bool is_beyond;           /* more tokens than the model's limit */
    bool is_refused;          /* this encoder does not take so many; sizes are 0 */
    bool fits_context;        /* with question and answer */
} advise_setting;

typedef struct advise_ladder {
    uint32_t width, height;
    uint32_t min_tokens, limit_tokens; /* of the model's preprocessor, or as the options have them */
    bool limit_is_options;    /* rather than the file's or the default */
    bool limit_is_files;
    uint32_t own_tokens;      /* of the picture at its own size */
    int n, n_steps;           /* items[0..n_steps) are the steps, largest first; the rest are clamps */
    int top;                  /* the step that is the model's limit; larger ones are before it */
    int knee;                 /* the last step with as many tokens as top */
    advise_setting items[ADVISE_MAX_SETTINGS];
} advise_ladder;

/** Tokens that a number of pixels makes with this encoder, rounded down. */
uint32_t advise_tokens_of(const einf_vision_info *v, uint64_t pixels);

/** The ladder of a picture; base: filter and limits that the options ask for. limits: [n_limits] steps to take instead
 *  of our own, largest first; n_limits 0: our own. */
einf_status advise_ladder_make(const einf_vision *v, const einf_preprocess *base, uint32_t width, uint32_t height,
                               const int32_t *limits, int n_limits, advise_ladder *out, einf_error *err);

#endif
