/* SPDX-License-Identifier: MIT
 * image_api.c - pictures as handles: opened from files, memory or pixels, counted, and closed when nobody needs them.
 *
 * Files are read whole before they are decoded, so that nobody can change one meanwhile.
 */
#include <string.h>

#include <xxhash.h>

#include "engine/api/vision_internal.h"

/* ------------------------------------------------------------------------------------------------ owners -- */

void einf__image_retain(const einf_image *image)
{
    atomic_fetch_add(&((einf_image *)(uintptr_t)image)->n_owners, 1);
}

void einf__image_release(const einf_image *image)
{
    einf_image *i = (einf_image *)(uintptr_t)image; /* of its counter alone an image is not const */
    if (atomic_fetch_sub(&i->n_owners, 1) > 1) return;
    einf_runtime *rt = i->rt;
    einf__image_deinit(&i->pixels);
    einf__free(&rt->memory, i, sizeof *i);
    atomic_fetch_sub(&rt->n_handles, 1);
}

void einf_image_close(einf_image **image)
{
    if (!image || !*image) return;
    einf__image_release(*image);
    *image = NULL;
}

/* ------------------------------------------------------------------------------------------------- opening -- */

static einf_status read_config(const einf_image_config *c, einf__decode_options *out, uint64_t *max_file_bytes,
                               einf_error *err)
{
    const einf_image_config defaults = EINF_INIT(einf_image_config);
    if (!c) c = &defaults;
    EINF__NEED_STRUCT(c, einf_image_config, err);
    *out = (einf__decode_options){ .max_pixels = c->max_pixels ? c->max_pixels : EINF__IMAGE_MAX_PIXELS,
                                   .reduce_width = c->reduce_width, .reduce_height = c->reduce_height,
                                   .cancel = c->cancel };
    *max_file_bytes = c->max_file_bytes ? c->max_file_bytes : EINF__IMAGE_MAX_FILE_BYTES;
    if (!c->reduce_width == !c->reduce_height) return EINF_OK;
    return einf__fail_arg(err, "reduce_width", "reduce_width is %u and reduce_height %u: give both, or neither",
                          c->reduce_width, c->reduce_height);
}

static einf_status check_file_bytes(uint64_t n_bytes, uint64_t max_bytes, einf_error *err)
{
    if (n_bytes <= max_bytes) return EINF_OK;
    return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "max_file_bytes", "raise the limit if the file is trusted",
                      "the file has %llu bytes, allowed are %llu", (unsigned long long)n_bytes,
                      (unsigned long long)max_bytes);
}

/* Where a picture comes from: a file (data NULL), memory, or pixels (is_raw). */
typedef struct picture_source {
    const char *path;
    const void *data;
    uint64_t size_bytes;
    bool is_raw;
    int32_t format;
    uint32_t width, height;
    uint64_t stride_bytes;
} picture_source;

static einf_status decode_file(einf__memory *mem, const char *path, const einf__decode_options *options,
                               uint64_t max_bytes, bool probe, einf__image *out, einf_error *err)
{
    const einf__source_options file = { .mode = EINF_MODE_READ, .cancel = options->cancel, .max_bytes = max_bytes };
    einf__source source;
    EINF_TRY(einf__source_open_path(mem, path, &file, &source, err));
    const einf_status status = probe ? einf__image_probe(source.data, source.size_bytes, options, out, err)
                                     : einf__image_decode(mem, source.data, source.size_bytes, options, out, err);
    einf__source_close(&source);
    return status;
}

static einf_status decode(einf__memory *mem, const picture_source *from, const einf_image_config *config,
                          einf__image *out, einf_error *err)
{
    einf__decode_options options;
    uint64_t max_bytes;
    EINF_TRY(read_config(config, &options, &max_bytes, err));
    if (from->path) return decode_file(mem, from->path, &options, max_bytes, false, out, err);
    if (from->is_raw)
        return einf__image_from_pixels(mem, from->data, from->size_bytes, from->format, from->width, from->height,
                                       from->stride_bytes, &options, out, err);
    EINF_TRY(check_file_bytes(from->size_bytes, max_bytes, err));
    return einf__image_decode(mem, from->data, from->size_bytes, &options, out, err);
}

/* What tells pictures apart: size and pixels. */
static einf__image_key key_of(const einf__image *pixels)
{
    const uint64_t seed = (uint64_t)pixels->width << 32 | pixels->height;
    const XXH128_hash_t hash = XXH3_128bits_withSeed(pixels->rgb, (size_t)einf__image_bytes(pixels), seed);
    return (einf__image_key){ hash.low64, hash.high64 };
}

static einf_status open_picture(einf_runtime *rt, const picture_source *from, const einf_image_config *config,
                                einf_image **out, einf_error *err)
{
    void *block;
    EINF_TRY(einf__alloc_or_fail(&rt->memory, sizeof(einf_image), "a picture", &block, err));
    einf_image *image = block;
    memset(image, 0, sizeof *image);
    image->rt = rt;
    const einf_status status = decode(&rt->memory, from, config, &image->pixels, err);
    if (status != EINF_OK) {
        einf__free(&rt->memory, image, sizeof *image);
        return status;
    }
    image->key = key_of(&image->pixels);
    atomic_init(&image->n_owners, 1);
    atomic_fetch_add(&rt->n_handles, 1);
    *out = image;
    return EINF_OK;
}

einf_status einf_image_open(einf_runtime *rt, const char *path, const einf_image_config *config, einf_image **out,
                            einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(out, err);
    *out = NULL;
    EINF__NEED(rt, err);
    EINF__NEED(path, err);
    return open_picture(rt, &(picture_source){ .path = path }, config, out, err);
}

einf_status einf_image_open_memory(einf_runtime *rt, const void *data, uint64_t size_bytes,
                                   const einf_image_config *config, einf_image **out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(out, err);
    *out = NULL;
    EINF__NEED(rt, err);
    EINF__NEED(data, err);
    return open_picture(rt, &(picture_source){ .data = data, .size_bytes = size_bytes }, config, out, err);
}

einf_status einf_image_from_pixels(einf_runtime *rt, const void *pixels, uint64_t size_bytes, int32_t format,
                                   uint32_t width, uint32_t height, uint64_t stride_bytes,
                                   const einf_image_config *config, einf_image **out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(out, err);
    *out = NULL;
    EINF__NEED(rt, err);
    EINF__NEED(pixels, err);
    const picture_source from = { .data = pixels, .size_bytes = size_bytes, .is_raw = true, .format = format,
                                  .width = width, .height = height, .stride_bytes = stride_bytes };
    return open_picture(rt, &from, config, out, err);
}

/* --------------------------------------------------------------------------------------------------- facts -- */

static void fill_info(const einf__image *i, einf_image_info *out)
{
    *out = (einf_image_info){ .struct_size = out->struct_size, .width = i->width, .height = i->height,
                              .full_width = i->full_width, .full_height = i->full_height,
                              .orientation = i->orientation, .reduced_by = i->reduced_by,
                              .size_bytes = einf__image_bytes(i) + sizeof(einf_image) };
    const char *format = einf__image_format_name(i->format);
    memcpy(out->format, format, strlen(format) + 1);
}

einf_status einf_image_probe(einf_runtime *rt, const char *path, const einf_image_config *config, einf_image_info *out,
                             einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(rt, err);
    EINF__NEED(path, err);
    EINF__NEED_STRUCT(out, einf_image_info, err);
    einf__decode_options options;
    einf__image facts;
    uint64_t max_bytes;
    EINF_TRY(read_config(config, &options, &max_bytes, err));
    EINF_TRY(decode_file(&rt->memory, path, &options, max_bytes, true, &facts, err));
    fill_info(&facts, out);
    return EINF_OK;
}

einf_status einf_image_get_info(const einf_image *image, einf_image_info *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(image, err);
    EINF__NEED_STRUCT(out, einf_image_info, err);
    fill_info(&image->pixels, out);
    return EINF_OK;
}

const uint8_t *einf_image_pixels(const einf_image *image) { return image ? image->pixels.rgb : NULL; }
