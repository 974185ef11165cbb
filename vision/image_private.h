/* SPDX-License-Identifier: MIT
 * image_private.h - what the readers of picture files and image.c tell one another.
 *
 * A reader hands over rows as its file stores them. Where a stored pixel lands is an affine map, one of eight, so that
 * turning a picture upright costs neither a second picture nor a pass over it.
 */
#ifndef EINF_VISION_IMAGE_PRIVATE_H
#define EINF_VISION_IMAGE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "vision/image.h"

#define EINF__IMAGE_FORMATS_READ "JPEG, PNG, PPM and PGM are read: convert it to one of these"

/* One file being read. */
typedef struct einf__image_job {
    const uint8_t *data;
    uint64_t size_bytes;
    const einf__decode_options *options;
    bool only_facts;                /* a probe: facts alone, no pixels */
    einf__image *image;             /* facts, then pixels */
    einf_error *err;
    uint8_t *origin;                /* where the stored pixel (0, 0) lands, */
    ptrdiff_t step_x, step_y;       /* and how far its neighbours lie from there, bytes */
} einf__image_job;

/* A reader: fills image with facts by einf__image_begin and, unless only_facts, with pixels. Leaves image->rgb to its
 * caller, on failure too. */
typedef einf_status (*einf__image_reader)(einf__image_job *job);
einf_status einf__image_read_jpeg(einf__image_job *job);
einf_status einf__image_read_png(einf__image_job *job);
/** P2, P3, P5 and P6. */
einf_status einf__image_read_ppm(einf__image_job *job);

/** EINF_E_FORMAT for a side of 0, EINF_E_LIMIT for more pixels than options allow. what: "PNG"; offset: of the size. */
einf_status einf__image_check_size(const einf__decode_options *options, uint64_t width, uint64_t height,
                                   uint64_t offset, const char *what, einf_error *err);
/* Stored sizes: of the pixels to come, and of the whole picture, already checked. */
typedef struct einf__image_stored {
    uint32_t width, height, full_width, full_height;
    int32_t orientation, reduced_by; /* 1..8; 1, 2, 4, 8 */
} einf__image_stored;
/** Set the facts and, unless only_facts, allocate the pixels. */
einf_status einf__image_begin(einf__image_job *job, const einf__image_stored *stored);
/** Pixels of the stored row y: n of them, at x, x + every, ... */
void einf__image_put_row(const einf__image_job *job, uint32_t x, uint32_t every, uint32_t y, const uint8_t *rgb,
                         uint32_t n);
/** n_rows rows of n pixels each, row_bytes apart, to the stored rows from y on. */
void einf__image_put_band(const einf__image_job *job, uint32_t y, uint32_t n_rows, const uint8_t *rgb,
                          uint64_t row_bytes, uint32_t n);
/** EINF_E_CANCELLED when the caller wants it. offset: how far the file was read. */
einf_status einf__image_go_on(const einf__image_job *job, uint64_t offset);

/* v with this alpha on white, rounded to nearest. The sum is at most 255^2 + 128: exact. */
static inline uint8_t einf__over_white(uint8_t v, uint8_t alpha)
{
    const uint32_t t = (uint32_t)v * alpha + 255u * (255u - alpha) + 128u;
    return (uint8_t)((t + (t >> 8)) >> 8);
}

#endif
