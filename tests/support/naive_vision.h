/* SPDX-License-Identifier: MIT
 * naive_vision.h - Qwen2-VL's vision encoder again, in double precision, as the paper has it (arXiv 2409.12191, 2.1):
 * patches in the order of the picture, every one against all, neighbours found by their coordinates when they are
 * merged. The oracle of vision/encoder.c. Shares no code with the library.
 */
#ifndef TESTS_NAIVE_VISION_H
#define TESTS_NAIVE_VISION_H

#include "tests/support/vision_build.h"

/** Image rows [n_y * n_x / merge_size^2, row_width] of rgb [n_y * patch_size, n_x * patch_size, 3], malloc'd. The file
 *  must be one of vision_file. */
double *naive_vision_rows(const vision_spec *s, const uint8_t *file, const uint8_t *rgb, uint32_t n_x, uint32_t n_y);

#endif
