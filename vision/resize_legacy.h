/* SPDX-License-Identifier: MIT
 * resize_legacy.h - private to the resizer: the 4 x 4 interpolation of llama.cpp's builds of May to November 2025, with
 * which the study was made that the project repeats (papers.md 1.4).
 */
#ifndef EINF_VISION_RESIZE_LEGACY_H
#define EINF_VISION_RESIZE_LEGACY_H

#include "vision/resize.h"

/** Row y of the result. */
void einf__resize_legacy_row(const einf__resize *r, uint32_t y);

#endif
