/* SPDX-License-Identifier: MIT
 * picture_build.c - picture files for tests: see picture_build.h.
 */
#include "tests/support/picture_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "tests/support/model_build.h"
#include "tests/support/test_support.h"

/* --------------------------------------------------------------------------------------------------- bytes -- */

static void reserve(picture *p, size_t n)
{
    if (p->n + n <= p->room) return;
    p->room = (p->n + n) * 2;
    p->data = realloc(p->data, p->room);
    if (!p->data) exit(99);
}

void picture_put(picture *p, const void *data, size_t n)
{
    reserve(p, n);
    if (n) memcpy(p->data + p->n, data, n);
    p->n += n;
}

void picture_put_u8(picture *p, uint32_t v)
{
    const uint8_t byte = (uint8_t)v;
    picture_put(p, &byte, 1);
}

void picture_put_u16(picture *p, uint32_t v, bool big)
{
    picture_put_u8(p, big ? v >> 8 : v);
    picture_put_u8(p, big ? v : v >> 8);
}

void picture_put_u32(picture *p, uint32_t v, bool big)
{
    picture_put_u16(p, big ? v >> 16 : v, big);
    picture_put_u16(p, big ? v : v >> 16, big);
}

void picture_splice(picture *p, size_t at, size_t n_old, const void *data, size_t n)
{
    assert_true(at + n_old <= p->n);
    reserve(p, n);
    memmove(p->data + at + n, p->data + at + n_old, p->n - at - n_old);
    if (n) memcpy(p->data + at, data, n);
    p->n += n - n_old;
}

void picture_free(picture *p)
{
    free(p->data);
    *p = (picture){ NULL, 0, 0 };
}

uint32_t picture_crc(uint32_t crc, const uint8_t *data, size_t n)
{
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
    }
    crc = ~crc;
    for (size_t i = 0; i < n; i++) crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xff];
    return ~crc;
}

/* ----------------------------------------------------------------------------------------------------- PNG -- */

static const uint8_t SIGNATURE[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

void png_chunk(picture *p, const char *type, const void *data, size_t n)
{
    const size_t at = p->n;
    picture_put_u32(p, (uint32_t)n, true);
    picture_put(p, type, 4);
    picture_put(p, data, n);
    picture_put_u32(p, 0, true);
    png_fix_crc(p, at);
}

static uint32_t chunk_bytes(const picture *p, size_t at)
{
    const uint8_t *d = p->data + at;
    return (uint32_t)d[0] << 24 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 8 | d[3];
}

void png_fix_crc(picture *p, size_t chunk_at)
{
    const size_t n = chunk_bytes(p, chunk_at);
    const uint32_t crc = picture_crc(0, p->data + chunk_at + 4, n + 4);
    for (size_t i = 0; i < 4; i++) p->data[chunk_at + 8 + n + i] = (uint8_t)(crc >> (24 - 8 * i));
}

size_t png_find(const picture *p, const char *type, size_t n)
{
    for (size_t at = sizeof SIGNATURE; at + 12 <= p->n; at += chunk_bytes(p, at) + 12)
        if (memcmp(p->data + at + 4, type, 4) == 0 && n-- == 0) return at;
    fail_msg("no chunk %s", type);
    return 0;
}

void png_begin(picture *p, uint32_t width, uint32_t height, uint32_t depth, uint32_t colour, uint32_t interlace)
{
    picture header = { NULL, 0, 0 };
    picture_put(p, SIGNATURE, sizeof SIGNATURE);
    picture_put_u32(&header, width, true);
    picture_put_u32(&header, height, true);
    const uint8_t rest[5] = { (uint8_t)depth, (uint8_t)colour, 0, 0, (uint8_t)interlace };
    picture_put(&header, rest, sizeof rest);
    png_chunk(p, "IHDR", header.data, header.n);
    picture_free(&header);
}

void png_zlib(picture *p, const uint8_t *raw, size_t n)
{
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < n; i++) a = (a + raw[i]) % 65521, b = (b + a) % 65521;
    picture_put_u16(p, 0x7801, true);
    do {
        const size_t piece = n < 65535 ? n : 65535;
        picture_put_u8(p, piece == n);
        picture_put_u16(p, (uint32_t)piece, false);
        picture_put_u16(p, ~(uint32_t)piece, false);
        picture_put(p, raw, piece);
        raw += piece;
        n -= piece;
    } while (n > 0);
    picture_put_u32(p, b << 16 | a, true);
}

void png_data(picture *p, const uint8_t *raw, size_t n)
{
    picture stream = { NULL, 0, 0 };
    png_zlib(&stream, raw, n);
    png_chunk(p, "IDAT", stream.data, stream.n);
    picture_free(&stream);
}

void png_end(picture *p) { png_chunk(p, "IEND", NULL, 0); }

static size_t row_bytes(uint32_t width, uint32_t depth, uint32_t colour)
{
    static const uint32_t channels[7] = { 1, 0, 3, 1, 2, 0, 4 };
    return ((size_t)width * depth * channels[colour] + 7) / 8;
}

/* Rows of random samples behind filter byte 0. */
static void put_rows(picture *raw, size_t n_bytes, size_t n_rows, uint64_t *random)
{
    for (size_t y = 0; n_bytes > 0 && y < n_rows; y++) {
        picture_put_u8(raw, 0);
        for (size_t i = 0; i < n_bytes; i++) picture_put_u8(raw, (uint32_t)(model_random(random) >> 16));
    }
}

void png_make(picture *p, uint32_t width, uint32_t height, uint32_t depth, uint32_t colour, uint32_t interlace)
{
    static const uint32_t first[7][2] = { { 0, 0 }, { 4, 0 }, { 0, 4 }, { 2, 0 }, { 0, 2 }, { 1, 0 }, { 0, 1 } };
    static const uint32_t every[7][2] = { { 8, 8 }, { 8, 8 }, { 4, 8 }, { 4, 4 }, { 2, 4 }, { 2, 2 }, { 1, 2 } };
    uint64_t random = width * 31 + height * 7 + depth * 5 + colour;
    picture raw = { NULL, 0, 0 };
    png_begin(p, width, height, depth, colour, interlace);
    if (colour == PNG_PALETTE) {
        picture palette = { NULL, 0, 0 };
        for (uint32_t i = 0; i < 3u << depth; i++) picture_put_u8(&palette, (uint32_t)(model_random(&random) >> 16));
        png_chunk(p, "PLTE", palette.data, palette.n);
        picture_free(&palette);
    }
    if (!interlace) put_rows(&raw, row_bytes(width, depth, colour), height, &random);
    for (int i = 0; interlace && i < 7; i++) {
        const uint32_t n_x = (width + every[i][0] - 1 - first[i][0]) / every[i][0];
        const uint32_t n_y = (height + every[i][1] - 1 - first[i][1]) / every[i][1];
        put_rows(&raw, row_bytes(n_x, depth, colour), n_y, &random);
    }
    png_data(p, raw.data, raw.n);
    png_end(p);
    picture_free(&raw);
}

/* ---------------------------------------------------------------------------------------------------- JPEG -- */

static void gradients(uint8_t *samples, const jpeg_options *o, uint32_t n_channels)
{
    for (uint32_t y = 0; y < o->height; y++)
        for (uint32_t x = 0; x < o->width; x++)
            for (uint32_t c = 0; c < n_channels; c++)
                *samples++ = (uint8_t)(c == 0 ? x * 255 / o->width : c == 1 ? y * 255 / o->height : (x + y) * c * 3);
}

static void set_colours(struct jpeg_compress_struct *c, jpeg_colours colours)
{
    static const struct { int n; J_COLOR_SPACE in, file; } kinds[] = {
        { 1, JCS_GRAYSCALE, JCS_GRAYSCALE }, { 3, JCS_RGB, JCS_YCbCr }, { 3, JCS_RGB, JCS_RGB },
        { 4, JCS_CMYK, JCS_CMYK }, { 4, JCS_CMYK, JCS_YCCK },
    };
    c->input_components = kinds[colours].n;
    c->in_color_space = kinds[colours].in;
    jpeg_set_defaults(c);
    jpeg_set_colorspace(c, kinds[colours].file);
}

static const jpeg_scan_info SEPARATE_SCANS[3] = {
    { 1, { 0 }, 0, 63, 0, 0 }, { 1, { 1 }, 0, 63, 0, 0 }, { 1, { 2 }, 0, 63, 0, 0 },
};

void jpeg_make(picture *p, const jpeg_options *o)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *file = NULL;
    unsigned long n_bytes = 0;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &file, &n_bytes);
    c.image_width = o->width;
    c.image_height = o->height;
    set_colours(&c, o->colours);
    jpeg_set_quality(&c, 100, TRUE);
    if (o->progressive) jpeg_simple_progression(&c);
    c.arith_code = o->arithmetic;
    if (o->fine) c.comp_info[0].h_samp_factor = c.comp_info[0].v_samp_factor = 1;
    if (o->separate) c.scan_info = SEPARATE_SCANS, c.num_scans = 3;
    c.restart_in_rows = (int)o->restart_rows;
    const size_t row = (size_t)o->width * (size_t)c.input_components;
    uint8_t *samples = malloc(row * o->height);
    if (!samples) exit(99);
    if (o->samples) memcpy(samples, o->samples, row * o->height);
    else gradients(samples, o, (uint32_t)c.input_components);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        JSAMPROW line = samples + c.next_scanline * row;
        (void)jpeg_write_scanlines(&c, &line, 1);
    }
    jpeg_finish_compress(&c);
    picture_put(p, file, n_bytes);
    jpeg_destroy_compress(&c);
    free(samples);
    free(file);
}

size_t jpeg_find(const picture *p, uint32_t marker, size_t n)
{
    for (size_t at = 0; at + 2 <= p->n; at++) /* markers stand out in scan data: an 0xff there is followed by 0 */
        if (p->data[at] == 0xff && p->data[at + 1] == marker && n-- == 0) return at;
    fail_msg("no marker 0x%02x", marker);
    return 0;
}

void jpeg_insert(picture *p, uint32_t marker, const void *data, size_t n)
{
    picture segment = { NULL, 0, 0 };
    picture_put_u8(&segment, 0xff);
    picture_put_u8(&segment, marker);
    picture_put_u16(&segment, (uint32_t)n + 2, true);
    picture_put(&segment, data, n);
    picture_splice(p, 2, 0, segment.data, segment.n);
    picture_free(&segment);
}

void tiff_make(picture *p, uint32_t orientation, bool big)
{
    picture_put(p, big ? "MM" : "II", 2);
    picture_put_u16(p, 42, big);
    picture_put_u32(p, 8, big);
    picture_put_u16(p, 2, big);      /* two entries: the width of something, */
    picture_put_u16(p, 0x0100, big);
    picture_put_u16(p, 4, big);
    picture_put_u32(p, 1, big);
    picture_put_u32(p, 7, big);
    picture_put_u16(p, 0x0112, big); /* and the orientation, a SHORT at the beginning of its field */
    picture_put_u16(p, 3, big);
    picture_put_u32(p, 1, big);
    picture_put_u16(p, orientation, big);
    picture_put_u16(p, 0, big);
    picture_put_u32(p, 0, big);
}

void jpeg_insert_orientation(picture *p, uint32_t orientation, bool big)
{
    picture segment = { NULL, 0, 0 };
    picture_put(&segment, "Exif\0", 6);
    tiff_make(&segment, orientation, big);
    jpeg_insert(p, 0xe1, segment.data, segment.n);
    picture_free(&segment);
}
