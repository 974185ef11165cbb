/* SPDX-License-Identifier: MIT
 * image.c - which reader a file is for, the limits, and where a turned picture's pixels go.
 *
 * A file is what its first bytes say; names are not asked. Formats that people bring and we do not read are refused by
 * name. Memory: the picture once, whatever its orientation, and what the readers hold of single rows.
 */
#include "vision/image_private.h"

#include <string.h>

#include "engine/base/checked_math.h"

/* ----------------------------------------------------------------------------------------- what a file is -- */

static const uint8_t PNG_SIGNATURE[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

typedef struct magic {
    uint8_t offset, n_bytes;
    char bytes[14];
    const char *name;
} magic;

/* Longer ones first where one begins as another. */
static const magic OTHERS[] = {
    { 0, 4, "GIF8", "a GIF" },
    { 8, 4, "WEBP", "a WebP picture" },
    { 0, 4, "II*\0", "a TIFF" },
    { 0, 4, "MM\0*", "a TIFF" },
    { 0, 4, "II+\0", "a TIFF" },
    { 0, 4, "MM\0+", "a TIFF" },
    { 4, 8, "ftypavif", "an AVIF picture" },
    { 4, 8, "ftypavis", "an AVIF picture" },
    { 4, 8, "ftypheic", "a HEIC picture" },
    { 4, 8, "ftypheix", "a HEIC picture" },
    { 4, 8, "ftyphevc", "a HEIC picture" },
    { 4, 8, "ftypheim", "a HEIC picture" },
    { 4, 8, "ftypmif1", "a HEIF picture" },
    { 4, 8, "ftypmsf1", "a HEIF picture" },
    { 4, 4, "ftyp", "an MP4 or QuickTime file" },
    { 0, 12, "\0\0\0\014JXL \r\n\x87\n", "a JPEG XL picture" },
    { 0, 2, "\xff\x0a", "a JPEG XL picture" },
    { 0, 12, "\0\0\0\014jP  \r\n\x87\n", "a JPEG 2000 picture" },
    { 0, 4, "\xff\x4f\xff\x51", "a JPEG 2000 picture" },
    { 0, 4, "8BPS", "a Photoshop file" },
    { 0, 4, "qoif", "a QOI picture" },
    { 0, 4, "v/1\x01", "an OpenEXR picture" },
    { 0, 4, "\0\0\1\0", "an icon (ICO)" },
    { 0, 4, "%PDF", "a PDF" },
    { 0, 4, "GGUF", "a GGUF model file" },
    { 0, 4, "PK\3\4", "a ZIP archive" },
    { 0, 2, "\x1f\x8b", "a gzip file" },
    { 0, 4, "RIFF", "a RIFF file (WAV or AVI)" },
    { 0, 11, "data:image/", "a data: URL, whose text has to be decoded first" },
    { 0, 13, "version https", "a Git LFS pointer, not the file itself" },
    { 0, 2, "BM", "a BMP" },
    { 0, 2, "P1", "a bitmap (PBM)" },
    { 0, 2, "P4", "a bitmap (PBM)" },
    { 0, 2, "P7", "a PAM picture" },
};

/* Text behind white space and a byte order mark: does it begin with one of these, in any case? */
static bool begins_text(const uint8_t *data, uint64_t n, const char *word)
{
    uint64_t i = n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (i < n && (data[i] == ' ' || (data[i] >= '\t' && data[i] <= '\r'))) i++;
    for (; *word; word++, i++) {
        if (i >= n) return false;
        const uint8_t c = data[i] >= 'A' && data[i] <= 'Z' ? (uint8_t)(data[i] + 32) : data[i];
        if (c != (uint8_t)*word) return false;
    }
    return true;
}

static const char *other_format(const uint8_t *data, uint64_t n)
{
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++) {
        const magic *m = &OTHERS[i];
        if (n >= (uint64_t)m->offset + m->n_bytes && memcmp(data + m->offset, m->bytes, m->n_bytes) == 0)
            return m->name;
    }
    if (begins_text(data, n, "<!doctype html") || begins_text(data, n, "<html"))
        return "a web page (HTML), probably saved in place of the picture";
    if (begins_text(data, n, "<svg") || begins_text(data, n, "<?xml") || begins_text(data, n, "<!doctype svg"))
        return "an SVG or another XML file";
    return NULL;
}

/* Half of the signature is right: a PNG that went through something made for text, or lost a byte. */
static bool resembles_png(const uint8_t *data, uint64_t n)
{
    int n_right = 0;
    for (size_t i = 0; i < sizeof PNG_SIGNATURE && i < n; i++) n_right += data[i] == PNG_SIGNATURE[i];
    return n_right >= 4;
}

static einf_status find_reader(const einf__image_job *job, einf__image_reader *out)
{
    const uint8_t *p = job->data;
    const uint64_t n = job->size_bytes;
    if (n == 0)
        return einf__fail(job->err, EINF_E_FORMAT, 0, NULL, "was it downloaded or written whole?", "the file is empty");
    if (n >= 3 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff) *out = einf__image_read_jpeg;
    else if (n >= 8 && memcmp(p, PNG_SIGNATURE, 8) == 0) *out = einf__image_read_png;
    else if (n >= 2 && p[0] == 'P' && (p[1] == '2' || p[1] == '3' || p[1] == '5' || p[1] == '6'))
        *out = einf__image_read_ppm;
    else if (resembles_png(p, n))
        return einf__fail(job->err, EINF_E_FORMAT, 0, "PNG", "fetch it again, without conversion of line ends",
                          "damaged PNG: the signature of 8 bytes is not intact");
    else {
        const char *name = other_format(p, n);
        if (name)
            return einf__fail(job->err, EINF_E_UNSUPPORTED, 0, NULL, EINF__IMAGE_FORMATS_READ, "this is %s", name);
        return einf__fail(job->err, EINF_E_FORMAT, 0, NULL, EINF__IMAGE_FORMATS_READ,
                          "no picture: %llu bytes that begin with %02x %02x %02x %02x", (unsigned long long)n, p[0],
                          n > 1 ? p[1] : 0u, n > 2 ? p[2] : 0u, n > 3 ? p[3] : 0u);
    }
    return EINF_OK;
}

/* ----------------------------------------------------------------------------------- limits, facts, pixels -- */

einf_status einf__image_check_size(const einf__decode_options *options, uint64_t width, uint64_t height,
                                   uint64_t offset, const char *what, einf_error *err)
{
    const unsigned long long w = width, h = height, limit = options->max_pixels;
    uint64_t pixels, bytes;
    if (width == 0 || height == 0)
        return einf__fail(err, EINF_E_FORMAT, offset, what, NULL, "a picture of %llu x %llu pixels has none", w, h);
    if (!einf__mul_u64(width, height, &pixels) || pixels > options->max_pixels)
        return einf__fail(err, EINF_E_LIMIT, offset, what, "make it smaller, or raise max_pixels",
                          "%llu x %llu pixels are more than the limit of %llu", w, h, limit);
    if (width > INT32_MAX || height > INT32_MAX || !einf__mul_u64(pixels, 3, &bytes) || bytes > PTRDIFF_MAX)
        return einf__fail(err, EINF_E_LIMIT, offset, what, "make it smaller",
                          "%llu x %llu pixels are more than this machine can address", w, h);
    return EINF_OK;
}

/* EXIF: 2, 3, 6 and 7 have their stored beginning at the right, 3, 4, 7 and 8 at the bottom; from 5 on stored rows are
 * columns. */
static void set_direction(einf__image_job *job)
{
    const einf__image *image = job->image;
    const int32_t o = image->orientation;
    const ptrdiff_t row = (ptrdiff_t)image->width * 3;
    const bool from_right = o == 2 || o == 3 || o == 6 || o == 7, from_bottom = o == 3 || o == 4 || o == 7 || o == 8;
    const ptrdiff_t across = from_right ? -3 : 3, down = from_bottom ? -row : row;
    job->origin = image->rgb + (from_right ? row - 3 : 0) + (from_bottom ? row * (ptrdiff_t)(image->height - 1) : 0);
    job->step_x = o >= 5 ? down : across;
    job->step_y = o >= 5 ? across : down;
}

einf_status einf__image_begin(einf__image_job *job, const einf__image_stored *stored)
{
    einf__image *image = job->image;
    const bool turned = stored->orientation >= 5;
    image->width = turned ? stored->height : stored->width;
    image->height = turned ? stored->width : stored->height;
    image->full_width = turned ? stored->full_height : stored->full_width;
    image->full_height = turned ? stored->full_width : stored->full_height;
    image->orientation = stored->orientation;
    image->reduced_by = stored->reduced_by;
    if (job->only_facts) return EINF_OK;
    void *rgb;
    EINF_TRY(einf__alloc_or_fail(image->mem, einf__image_bytes(image), "the pixels of a picture", &rgb, job->err));
    image->rgb = rgb;
    set_direction(job);
    return EINF_OK;
}

void einf__image_put_row(const einf__image_job *job, uint32_t x, uint32_t every, uint32_t y, const uint8_t *rgb,
                         uint32_t n)
{
    uint8_t *to = job->origin + job->step_y * (ptrdiff_t)y + job->step_x * (ptrdiff_t)x;
    const ptrdiff_t step = job->step_x * (ptrdiff_t)every;
    if (step == 3) {
        memcpy(to, rgb, (size_t)n * 3);
        return;
    }
    for (uint32_t i = 0; i < n; i++) memcpy(to + step * (ptrdiff_t)i, rgb + (size_t)i * 3, 3);
}

void einf__image_put_band(const einf__image_job *job, uint32_t y, uint32_t n_rows, const uint8_t *rgb,
                          uint64_t row_bytes, uint32_t n)
{
    if (job->image->orientation < 5) {
        for (uint32_t i = 0; i < n_rows; i++) einf__image_put_row(job, 0, 1, y + i, rgb + i * row_bytes, n);
        return;
    }
    /* Rows become columns: n_rows pixels of each at a time, so that a cache line is written once. */
    uint8_t *first = job->origin + job->step_y * (ptrdiff_t)y;
    for (uint32_t x = 0; x < n; x++) {
        uint8_t *column = first + job->step_x * (ptrdiff_t)x;
        for (uint32_t i = 0; i < n_rows; i++)
            memcpy(column + job->step_y * (ptrdiff_t)i, rgb + i * row_bytes + (size_t)x * 3, 3);
    }
}

einf_status einf__image_go_on(const einf__image_job *job, uint64_t offset)
{
    if (!einf__is_cancelled(job->options->cancel)) return EINF_OK;
    return einf__fail(job->err, EINF_E_CANCELLED, offset, NULL, NULL, "cancelled while decoding a picture");
}

/* -------------------------------------------------------------------------------------------- the contract -- */

static einf_status read_file(einf__image_job *job)
{
    einf__image_reader reader = NULL;
    EINF_TRY(find_reader(job, &reader));
    EINF_TRY(einf__image_go_on(job, 0));
    return reader(job);
}

einf_status einf__image_probe(const uint8_t *data, uint64_t size_bytes, const einf__decode_options *options,
                              einf__image *out, einf_error *err)
{
    *out = (einf__image){ .mem = NULL };
    einf__image_job job = { .data = data, .size_bytes = size_bytes, .options = options, .only_facts = true,
                            .image = out, .err = err };
    const einf_status status = read_file(&job);
    if (status != EINF_OK) *out = (einf__image){ .mem = NULL };
    return status;
}

einf_status einf__image_decode(einf__memory *mem, const uint8_t *data, uint64_t size_bytes,
                               const einf__decode_options *options, einf__image *out, einf_error *err)
{
    *out = (einf__image){ .mem = mem };
    einf__image_job job = { .data = data, .size_bytes = size_bytes, .options = options, .image = out, .err = err };
    const einf_status status = read_file(&job);
    if (status != EINF_OK) einf__image_deinit(out);
    return status;
}

void einf__image_deinit(einf__image *image)
{
    if (!image) return;
    if (image->rgb) einf__free(image->mem, image->rgb, (size_t)einf__image_bytes(image));
    *image = (einf__image){ .mem = NULL };
}

const char *einf__image_format_name(einf__image_format format)
{
    static const char *const names[] = { "jpeg", "png", "ppm", "pgm", "raw" };
    return names[format];
}
