/* SPDX-License-Identifier: MIT
 * image_raw.c - pixels that the host has already: a frame of a camera.
 *
 * Every size is checked before the first pixel is read; a buffer may be longer than needed, since capture devices pad.
 * The last row need not be followed by its gap.
 */
#include "vision/image_private.h"

#include "engine/base/checked_math.h"

/* Bytes a pixel, where red, green and blue are, and alpha (0: there is none). By EINF_PIXELS_*. */
typedef struct layout { const char *name; uint8_t n_bytes, r, g, b, a; } layout;
static const layout LAYOUTS[] = {
    { "RGB", 3, 0, 1, 2, 0 }, { "RGBA", 4, 0, 1, 2, 3 }, { "GRAY", 1, 0, 0, 0, 0 },
    { "BGR", 3, 2, 1, 0, 0 }, { "BGRA", 4, 2, 1, 0, 3 },
};

static void convert_row(const layout *l, const uint8_t *from, uint8_t *to, uint32_t width)
{
    if (l->a == 0) {
        for (uint32_t x = 0; x < width; x++, from += l->n_bytes, to += 3) {
            to[0] = from[l->r];
            to[1] = from[l->g];
            to[2] = from[l->b];
        }
        return;
    }
    for (uint32_t x = 0; x < width; x++, from += l->n_bytes, to += 3) {
        to[0] = einf__over_white(from[l->r], from[l->a]);
        to[1] = einf__over_white(from[l->g], from[l->a]);
        to[2] = einf__over_white(from[l->b], from[l->a]);
    }
}

static einf_status check_room(uint64_t size_bytes, const layout *l, uint32_t width, uint32_t height,
                              uint64_t *stride_bytes, einf_error *err)
{
    const uint64_t row_bytes = (uint64_t)width * l->n_bytes;
    uint64_t needed;
    if (*stride_bytes == 0) *stride_bytes = row_bytes;
    if (*stride_bytes < row_bytes)
        return einf__fail_arg(err, "stride_bytes", "a stride of %llu bytes is below the %llu of a row of %u %s pixels",
                              (unsigned long long)*stride_bytes, (unsigned long long)row_bytes, width, l->name);
    if (!einf__mul_u64(*stride_bytes, height - 1, &needed) || !einf__add_u64(needed, row_bytes, &needed))
        return einf__fail_arg(err, "stride_bytes", "%u rows that are %llu bytes apart pass the end of memory", height,
                              (unsigned long long)*stride_bytes);
    if (size_bytes < needed)
        return einf__fail_arg(err, "size_bytes", "%llu bytes are below the %llu of %u x %u %s pixels, rows %llu apart",
                              (unsigned long long)size_bytes, (unsigned long long)needed, width, height, l->name,
                              (unsigned long long)*stride_bytes);
    return EINF_OK;
}

einf_status einf__image_from_pixels(einf__memory *mem, const uint8_t *pixels, uint64_t size_bytes, int32_t format,
                                    uint32_t width, uint32_t height, uint64_t stride_bytes,
                                    const einf__decode_options *options, einf__image *out, einf_error *err)
{
    *out = (einf__image){ .mem = NULL };
    if (!pixels) return einf__fail_arg(err, "pixels", "is NULL");
    if (format < 0 || format >= (int32_t)(sizeof LAYOUTS / sizeof LAYOUTS[0]))
        return einf__fail_arg(err, "format", "%d is none of EINF_PIXELS_*", (int)format);
    if (width == 0 || height == 0)
        return einf__fail_arg(err, "width, height", "a picture of %u x %u pixels has none", width, height);
    const layout *l = &LAYOUTS[format];
    EINF_TRY(einf__image_check_size(options, width, height, EINF_NO_OFFSET, "width, height", err));
    EINF_TRY(check_room(size_bytes, l, width, height, &stride_bytes, err));

    einf__image image = { .mem = mem, .format = EINF__IMAGE_RAW };
    einf__image_job job = { .options = options, .image = &image, .err = err };
    EINF_TRY(einf__image_begin(&job, &(einf__image_stored){ width, height, width, height, 1, 1 }));
    for (uint32_t y = 0; y < height; y++) {
        const einf_status status = einf__image_go_on(&job, EINF_NO_OFFSET);
        if (status != EINF_OK) {
            einf__image_deinit(&image);
            return status;
        }
        convert_row(l, pixels + stride_bytes * y, image.rgb + (size_t)y * width * 3, width);
    }
    *out = image;
    return EINF_OK;
}
