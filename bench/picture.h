/* SPDX-License-Identifier: MIT
 * picture.h - pictures that a bench makes itself: a street scene at any size, and smaller copies of one picture.
 *
 * Both depend on their arguments alone, so that a study can be repeated without shipping a photo.
 */
#ifndef BENCH_PICTURE_H
#define BENCH_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct bench_picture {
    uint32_t width, height;
    uint8_t *rgb; /* [height, width, 3] */
} bench_picture;

/** A street with houses, vehicles, people and lights, drawn from a seed, with noise of the same seed over it: nothing
 *  in it is easy to compress or to skip. Sides in 1..16384. False: no memory. */
bool bench_picture_scene(bench_picture *out, uint32_t width, uint32_t height, uint64_t seed);
/** Another size of [height, width, 3]: each pixel is the mean of the area that it covers. False: no memory. */
bool bench_picture_shrink(bench_picture *out, const uint8_t *rgb, uint32_t width, uint32_t height, uint32_t to_width,
                          uint32_t to_height);
void bench_picture_free(bench_picture *p);

#endif
