/* SPDX-License-Identifier: MIT
 * sampler.h - from logits to a token.
 *
 * Order: repetition penalty (arXiv 1909.05858, 4.1), top-k, softmax, top-p (arXiv 1904.09751), min-p
 * (arXiv 2407.01082), temperature, draw. The filters see the probabilities at temperature 1, as llama.cpp's default
 * chain does. Equal logits are ordered by id, so a choice never depends on how a sort breaks ties.
 */
#ifndef EINF_DECODE_SAMPLER_H
#define EINF_DECODE_SAMPLER_H

#include "engine/base/arena.h"
#include "engine/base/status.h"

typedef struct einf__candidate {
    float logit;
    int32_t id;
} einf__candidate;

typedef struct einf__sampler {
    einf_sampling config;        /* checked, defaults filled in */
    uint64_t random[4];          /* state of xoshiro256** */
    einf__candidate *candidates; /* [n_vocab] scratch */
    float *probabilities;        /* [n_vocab] scratch */
} einf__sampler;

void einf__sampler_lay_out(einf__arena *a, uint32_t n_vocab, einf__sampler *out);
/** Check and set; restarts the random numbers. config NULL: greedy. EINF_E_ARG names the field. */
einf_status einf__sampler_set(einf__sampler *s, const einf_sampling *config, einf_error *err);
/** Choose. logits: [n_vocab]. recent: the last ids of the timeline, newest last, -1 where there is none.
 *  EINF_E_INTERNAL when every logit is NaN or -infinity: neither is ever drawn. */
einf_status einf__sampler_choose(einf__sampler *s, const float *logits, uint32_t n_vocab, const int32_t *recent,
                                 uint32_t n_recent, int32_t *out, einf_error *err);

#endif
