/* SPDX-License-Identifier: MIT
 * image_exif.h - which way up a picture is looked at.
 */
#ifndef EINF_VISION_IMAGE_EXIF_H
#define EINF_VISION_IMAGE_EXIF_H

#include <stdint.h>

/** Orientation 1..8 of a TIFF structure: what follows "Exif\0\0" in a JPEG, all of a PNG's eXIf chunk. Anything
 *  missing, out of range or broken: 1. */
int32_t einf__exif_orientation(const uint8_t *tiff, uint64_t size_bytes);

#endif
