/* SPDX-License-Identifier: MIT
 * fuzz_image.c - any bytes as a picture file, under a limit of one million pixels.
 *
 * Promised: a picture within the limit or a refusal with words, the same every time; memory bounded, libjpeg's with it;
 * nothing left over; what a probe says is what decoding says; a reduced decoding fails only where a whole one may.
 * The mutator makes CRCs right again, or nothing behind a PNG's header would be seen.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/support/picture_build.h"
#include "vision/image.h"

const char fuzz_name[] = "image";

enum { MAX_PIXELS = 1 << 20, MAX_BYTES = 64 << 20 };

/* ------------------------------------------------------------------------------------------------- an input -- */

static einf_status decode(const uint8_t *data, size_t n, uint32_t least_side, uint32_t *crc)
{
    test_heap heap;
    einf__memory mem;
    einf__image image, facts;
    einf_error err = test_error(), probe_err = test_error();
    const einf__decode_options o = { .max_pixels = MAX_PIXELS, .reduce_width = least_side,
                                     .reduce_height = least_side };
    test_heap_init(&heap, 0);
    einf__memory_init(&mem, &heap.allocator, 0);
    const einf_status status = einf__image_decode(&mem, data, n, &o, &image, &err);
    assert_int_equal(err.code, status);
    if (status == EINF_OK) {
        assert_true((uint64_t)image.full_width * image.full_height <= MAX_PIXELS);
        assert_true(image.width <= image.full_width && image.height <= image.full_height);
        assert_ok(einf__image_probe(data, n, &o, &facts, &probe_err), &probe_err);
        assert_true(facts.width == image.width && facts.height == image.height &&
                    facts.orientation == image.orientation && facts.reduced_by == image.reduced_by);
        *crc = picture_crc(0, image.rgb, (size_t)einf__image_bytes(&image)); /* reads every pixel */
    } else {
        assert_true(status == EINF_E_FORMAT || status == EINF_E_UNSUPPORTED || status == EINF_E_LIMIT);
        assert_true(err.message[0] != '\0' && (err.offset <= n || err.offset == EINF_NO_OFFSET));
        assert_null(image.rgb);
        *crc = 0;
    }
    einf__image_deinit(&image);
    assert_true(mem.peak_bytes < MAX_BYTES);
    assert_int_equal(mem.used_bytes, 0);
    assert_int_equal(heap.n_live, 0);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    uint32_t crc, again, smaller;
    const einf_status status = decode(data, n_bytes, 0, &crc);
    assert_int_equal(decode(data, n_bytes, 0, &again), status);
    assert_int_equal(crc, again);
    if (n_bytes > 2 && data[0] == 0xff) (void)decode(data, n_bytes, 8, &smaller);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- changing -- */

static void fix_crcs(uint8_t *data, size_t n_bytes)
{
    picture p = { data, n_bytes, n_bytes };
    size_t at = 8;
    while (n_bytes - at >= 12) {
        const size_t n = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        if (n > n_bytes - at - 12) return;
        png_fix_crc(&p, at);
        at += n + 12;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned int seed)
{
    const size_t n = LLVMFuzzerMutate(data, n_bytes, max_bytes);
    if (seed % 8 != 0 && n > 8 && memcmp(data, "\x89PNG", 4) == 0) fix_crcs(data, n);
    return n;
}

/* ---------------------------------------------------------------------------------------------------- seeds -- */

static void put_jpeg(fuzz_put_fn put, void *user, const char *kind, const jpeg_options *o, uint32_t orientation)
{
    char name[64];
    picture p = { NULL, 0, 0 };
    (void)snprintf(name, sizeof name, "jpeg-%s-%u", kind, (unsigned)o->colours);
    jpeg_make(&p, o);
    if (orientation) jpeg_insert_orientation(&p, orientation, orientation & 1);
    put(user, name, p.data, p.n);
    picture_free(&p);
}

static void put_png(fuzz_put_fn put, void *user, uint32_t depth, uint32_t colour, uint32_t interlace)
{
    static const uint8_t levels[6] = { 0, 200, 0, 100, 0, 7 };
    char name[64];
    picture p = { NULL, 0, 0 }, chunks = { NULL, 0, 0 }, tiff = { NULL, 0, 0 };
    png_make(&p, 11, 6, depth, colour, interlace);
    tiff_make(&tiff, 2 + depth % 7, interlace != 0);
    if (colour < PNG_GRAY_ALPHA) png_chunk(&chunks, "tRNS", levels, colour == PNG_RGB ? 6 : 2);
    png_chunk(&chunks, "eXIf", tiff.data, tiff.n);
    picture_splice(&p, png_find(&p, "IDAT", 0), 0, chunks.data, chunks.n);
    (void)snprintf(name, sizeof name, "png-%u-%u-%u", colour, depth, interlace);
    put(user, name, p.data, p.n);
    picture_free(&p);
    picture_free(&chunks);
    picture_free(&tiff);
}

void fuzz_seeds(fuzz_put_fn put, void *user)
{
    static const uint8_t kinds[][2] = { { 0, 1 }, { 0, 4 }, { 0, 8 }, { 0, 16 }, { 2, 8 }, { 2, 16 }, { 3, 1 },
                                        { 3, 2 }, { 3, 4 }, { 3, 8 }, { 4, 8 }, { 4, 16 }, { 6, 8 }, { 6, 16 } };
    static const char *const texts[] = { "P6 2 2 255\n123456789abc", "P5 # c\n3 1 300\nabcdef", "P3 2 1 9 1 2 3 4 5 6",
                                         "P2 1 2 65535\n77 # c\n 65535\n", "GIF89a", "RIFF....WEBP", "<svg>" };
    for (size_t i = 0; i < TEST_COUNT(kinds); i++) {
        put_png(put, user, kinds[i][1], kinds[i][0], 0);
        put_png(put, user, kinds[i][1], kinds[i][0], 1);
    }
    for (size_t i = 0; i < TEST_COUNT(texts); i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "text-%zu", i);
        put(user, name, texts[i], strlen(texts[i]));
    }
    for (uint32_t colours = JPEG_GRAY; colours <= JPEG_YCCK; colours++) {
        jpeg_options o = { .width = 18, .height = 19, .colours = (jpeg_colours)colours };
        put_jpeg(put, user, "baseline", &o, colours + 4);
        o.progressive = true;
        put_jpeg(put, user, "progressive", &o, 0);
        o.arithmetic = true;
        put_jpeg(put, user, "arithmetic", &o, 0);
    }
    put_jpeg(put, user, "separate", &(jpeg_options){ .width = 18, .height = 9, .colours = JPEG_YCC,
                                                          .separate = true }, 0);
    put_jpeg(put, user, "restarts", &(jpeg_options){ .width = 18, .height = 40, .colours = JPEG_YCC, .fine = true,
                                                          .restart_rows = 1 }, 6);
}
