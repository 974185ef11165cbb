/* SPDX-License-Identifier: MIT
 * prompt_rows.h - a prompt as rows of a timeline: tokens, and where its placeholders stood, the rows of its pictures.
 *
 * What a picture will take is known from its size, so a prompt that is too long is refused before anything is encoded;
 * and rows have keys, so what the session holds already is found before, too, and not encoded again.
 */
#ifndef EINF_API_PROMPT_ROWS_H
#define EINF_API_PROMPT_ROWS_H

#include "engine/api/vision_internal.h"

/* The pictures of a prompt, and what looks at them. */
typedef struct einf__sights {
    einf_vision *vision;               /* or NULL */
    const einf_preprocess *preprocess; /* or NULL: the defaults */
    const einf_image *const *images;   /* [n_images] in the order of their placeholders */
    uint64_t n_images;
} einf__sights;

/* A picture among the rows. */
typedef struct einf__sight {
    einf__picture picture;
    uint64_t first;   /* its rows are [first, first + n_tokens) */
    float *rows;      /* once encoded, or NULL */
} einf__sight;

typedef struct einf__prompt_rows {
    const einf_model *m;
    einf_vision *vision;
    const int32_t *ids;       /* [n] of tokens, and keys of image rows */
    const int32_t (*positions)[4]; /* [n]; NULL without pictures: as they come */
    uint64_t n;
    einf__sight *sights;      /* [n_sights] */
    uint64_t n_sights;
    uint64_t n_image_tokens;
    void *block;              /* of ids, positions and sights, when there are pictures */
    uint64_t block_bytes;
} einf__prompt_rows;

/** From ids, which must outlive it. EINF_E_STATE: pictures without an encoder; EINF_E_TEMPLATE: not as many
 *  placeholders as pictures; errors of the plan. *out is to be given to deinit whatever the status. */
einf_status einf__prompt_rows_init(const einf_model *m, const einf__ids *ids, const einf__sights *sights,
                                   einf__prompt_rows *out, einf_error *err);
void einf__prompt_rows_deinit(einf__prompt_rows *r);

/* What encoding the pictures of a prompt took. */
typedef struct einf__sights_cost {
    uint32_t n_encoded;
    double seconds;
    double gross_j;       /* absent when nothing measures */
} einf__sights_cost;
/** Encode the pictures that are not wholly among the first n_cached rows. watch->gross_j is not used. */
einf_status einf__prompt_rows_encode(einf__prompt_rows *r, uint64_t n_cached, const einf__encode_watch *watch,
                                     einf__sights_cost *cost, einf_error *err);
/** Append rows [n_cached, n). batch: cancel and progress; progress counts all of these rows. After a failure the
 *  timeline has n_cached rows. */
einf_status einf__prompt_rows_append(const einf__prompt_rows *r, einf__timeline *t, uint32_t n_cached,
                                     const einf_batch *batch, einf_error *err);

#endif
