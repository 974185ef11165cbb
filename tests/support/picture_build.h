/* SPDX-License-Identifier: MIT
 * picture_build.h - picture files for tests, right ones and wrong ones: PNG chunk by chunk, JPEG through libjpeg's
 * compressor with markers put in afterwards.
 *
 * Bytes are malloc'd; running out of memory ends the test program.
 */
#ifndef TESTS_PICTURE_BUILD_H
#define TESTS_PICTURE_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct picture { uint8_t *data; size_t n, room; } picture;

void picture_put(picture *p, const void *data, size_t n);
void picture_put_u8(picture *p, uint32_t v);
void picture_put_u16(picture *p, uint32_t v, bool big);
void picture_put_u32(picture *p, uint32_t v, bool big);
/** n bytes in place of n_old at `at`. */
void picture_splice(picture *p, size_t at, size_t n_old, const void *data, size_t n);
void picture_free(picture *p);
/** The CRC of PNG and of zlib, begun with crc 0. */
uint32_t picture_crc(uint32_t crc, const uint8_t *data, size_t n);

/* ------------------------------------------------------------------------------------------------------ PNG -- */

enum { PNG_GRAY = 0, PNG_RGB = 2, PNG_PALETTE = 3, PNG_GRAY_ALPHA = 4, PNG_RGBA = 6 };
/** The signature and IHDR. */
void png_begin(picture *p, uint32_t width, uint32_t height, uint32_t depth, uint32_t colour, uint32_t interlace);
/** type: four letters. */
void png_chunk(picture *p, const char *type, const void *data, size_t n);
/** IDAT of raw rows (each begins with its filter byte), stored in zlib's form without compression. */
void png_data(picture *p, const uint8_t *raw, size_t n);
/** The same stream alone, to be damaged. */
void png_zlib(picture *p, const uint8_t *raw, size_t n);
void png_end(picture *p);
/** Make the CRC of the chunk at this offset right again. */
void png_fix_crc(picture *p, size_t chunk_at);
/** Where the n-th (from 0) chunk of that type begins; the test fails when there is none. */
size_t png_find(const picture *p, const char *type, size_t n);
/** A whole picture of pseudo-random samples, for palettes with as many entries as indexes. */
void png_make(picture *p, uint32_t width, uint32_t height, uint32_t depth, uint32_t colour, uint32_t interlace);

/* ----------------------------------------------------------------------------------------------------- JPEG -- */

typedef enum jpeg_colours { JPEG_GRAY, JPEG_YCC, JPEG_RGB, JPEG_CMYK, JPEG_YCCK } jpeg_colours;
typedef struct jpeg_options {
    uint32_t width, height;
    jpeg_colours colours;
    bool progressive, arithmetic;
    bool fine;     /* chroma is not sub-sampled */
    bool separate; /* a scan for each of three components */
    uint32_t restart_rows;
    const uint8_t *samples; /* [height, width, components], NULL: a picture of gradients */
} jpeg_options;
void jpeg_make(picture *p, const jpeg_options *o);
/** Where the n-th marker of that kind begins (its 0xff), scan data included. */
size_t jpeg_find(const picture *p, uint32_t marker, size_t n);
/** A segment behind SOI. */
void jpeg_insert(picture *p, uint32_t marker, const void *data, size_t n);
/** An Exif segment with this orientation, either byte order. */
void jpeg_insert_orientation(picture *p, uint32_t orientation, bool big);
/** The TIFF structure of it alone. */
void tiff_make(picture *p, uint32_t orientation, bool big);

#endif
