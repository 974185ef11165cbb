/* SPDX-License-Identifier: MIT
 * vision_internal.h - what the handles of <edgeinfer/vision.h> hold, and a picture on its way to rows, as the public
 * functions and conversations share it.
 */
#ifndef EINF_API_VISION_INTERNAL_H
#define EINF_API_VISION_INTERNAL_H

#include <edgeinfer/vision.h>

#include "engine/api/bill.h"
#include "engine/api/image_cache.h"
#include "vision/encoder.h"
#include "vision/image.h"

struct einf_image {
    einf_runtime *rt;
    einf__image pixels;
    einf__image_key key;   /* of the pixels */
    atomic_uint n_owners;  /* the host, and conversations */
};

struct einf_vision {
    einf_runtime *rt;
    einf__source source;
    einf__gguf gguf;
    uint64_t hash;         /* of the file: einf__gguf_hash */
    einf__vision_config config;
    einf__vision_weights weights;
    void *weights_block;
    uint64_t weights_bytes;
    einf__pixel_values values;
    einf__encoder_params params;
    einf__image_cache cache;
    atomic_int n_users;    /* calls and conversations */
};

/** Another owner. */
void einf__image_retain(const einf_image *image);
/** One owner less; the last one frees it. */
void einf__image_release(const einf_image *image);

/** Keep a vision open. */
void einf__vision_retain(einf_vision *v);
void einf__vision_release(einf_vision *v);

/* A picture whose way is known. */
typedef struct einf__picture {
    const einf_image *image;
    einf_image_sizes sizes;
    einf__image_key key;   /* of pixels, options and encoder */
} einf__picture;

/** Sizes, with n_macs and encode_bytes. Errors as those of einf_vision_plan. */
einf_status einf__vision_sizes(const einf_vision *v, uint32_t width, uint32_t height, const einf_preprocess *preprocess,
                               einf_image_sizes *out, einf_error *err);
/** Plan a picture; its image and v are checked: of one runtime. */
einf_status einf__picture_plan(const einf_vision *v, const einf_image *image, const einf_preprocess *preprocess,
                               einf__picture *out, einf_error *err);
/** Floats of its rows. */
static inline uint64_t einf__picture_floats(const einf_vision *v, const einf__picture *p)
{
    return (uint64_t)p->sizes.n_tokens * v->config.row_width;
}

/* How an encoding is watched. */
typedef struct einf__encode_watch {
    einf__encode_hooks hooks;
    eprof_region parent;   /* of the phase, or 0 */
    double *gross_j;       /* may be NULL */
} einf__encode_watch;
/** The rows, remembered or computed. *result is filled but for struct_size. */
einf_status einf__picture_rows(einf_vision *v, const einf__picture *p, const einf__encode_watch *watch, float *rows,
                               einf_encode_result *result, einf_error *err);

/** Keys of rows [0, n_tokens) of a picture, for a timeline: below -1. out: [n_tokens]. */
void einf__picture_row_keys(const einf__picture *p, int32_t *out);
/** Positions of its rows, from where text would go on. out: [n_tokens]. Returns where text goes on behind it. */
int32_t einf__picture_positions(const einf__picture *p, int32_t start, int32_t (*out)[4]);

#endif
