/* SPDX-License-Identifier: MIT
 * image.h - a picture file, or a camera's pixels, as 8-bit RGB.
 *
 * What a file says of its size is checked against the limits before anything is allocated for it. A damaged file gives
 * an error and no pixels. Pixels and libpng's memory are einf__memory's; libjpeg's is the C library's, but bounded and
 * counted in while it lasts. Threads: any number, each with pictures of its own.
 */
#ifndef EINF_VISION_IMAGE_H
#define EINF_VISION_IMAGE_H

#include <edgeinfer/vision.h>

#include "engine/base/cancel.h"
#include "engine/base/memory.h"
#include "engine/base/status.h"

typedef enum einf__image_format {
    EINF__IMAGE_JPEG,
    EINF__IMAGE_PNG,
    EINF__IMAGE_PPM, /* P3, P6 */
    EINF__IMAGE_PGM, /* P2, P5 */
    EINF__IMAGE_RAW
} einf__image_format;

/* Defaults of einf_image_config. */
#define EINF__IMAGE_MAX_PIXELS (UINT64_C(64) << 20)
#define EINF__IMAGE_MAX_FILE_BYTES (UINT64_C(256) << 20)

/* einf_image_config with the defaults filled in. */
typedef struct einf__decode_options {
    uint64_t max_pixels;
    uint32_t reduce_width, reduce_height; /* as the picture is looked at; both 0: whole */
    const einf_cancel *cancel;            /* may be NULL; looked at between rows and between a JPEG's scans */
} einf__decode_options;

/* A picture, or with rgb NULL the facts about one. */
typedef struct einf__image {
    einf__memory *mem;
    uint8_t *rgb;                     /* [height, width, 3], owned */
    uint32_t width, height;           /* after orientation */
    uint32_t full_width, full_height; /* the same before a reduced decode */
    int32_t orientation;              /* 1..8, applied */
    int32_t reduced_by;               /* 1, 2, 4, 8 */
    einf__image_format format;
} einf__image;

/** Format, size, orientation, and how much a reduced decode would take away. Errors as those of decode. */
einf_status einf__image_probe(const uint8_t *data, uint64_t size_bytes, const einf__decode_options *options,
                              einf__image *out, einf_error *err);
/** Decode. *out is zeroed on failure. EINF_E_FORMAT: damaged, with the byte; EINF_E_UNSUPPORTED: another format, by
 *  name; EINF_E_LIMIT; EINF_E_NOMEM; EINF_E_CANCELLED. */
einf_status einf__image_decode(einf__memory *mem, const uint8_t *data, uint64_t size_bytes,
                               const einf__decode_options *options, einf__image *out, einf_error *err);
/** Copy pixels of one of EINF_PIXELS_*; arguments as those of einf_image_from_pixels, not yet checked. */
einf_status einf__image_from_pixels(einf__memory *mem, const uint8_t *pixels, uint64_t size_bytes, int32_t format,
                                    uint32_t width, uint32_t height, uint64_t stride_bytes,
                                    const einf__decode_options *options, einf__image *out, einf_error *err);
void einf__image_deinit(einf__image *image);

/** "jpeg", "png", "ppm", "pgm", "raw": static string. */
const char *einf__image_format_name(einf__image_format format);
/** Bytes of the pixels; width and height have been checked against limits. */
static inline uint64_t einf__image_bytes(const einf__image *image)
{
    return (uint64_t)image->width * image->height * 3;
}

#endif
