/* SPDX-License-Identifier: MIT
 * test_image_damage.c - what no format escapes: files of another kind (H-101), sizes (H-102), cuts after any byte
 * (H-109), damaged bytes, memory that runs out, cancelling. Nothing may crash, hang, leak, or give a partial picture.
 */
#include "tests/unit/vision/image_fixture.h"

#include "tests/support/model_build.h"

/* ------------------------------------------------------------------------------------------------------ H-101 -- */

#define BYTES(text) (text), sizeof(text) - 1

static void test_h101_other_formats(void **state)
{
    static const struct { const char *bytes; size_t n; const char *says; } cases[] = {
        { BYTES("GIF89a\1\0\1\0"), "this is a GIF" },
        { BYTES("RIFF\x24\0\0\0WEBPVP8 "), "this is a WebP picture" },
        { BYTES("RIFF\x24\0\0\0WAVEfmt "), "this is a RIFF file" },
        { BYTES("BM\x46\0\0\0"), "this is a BMP" },
        { BYTES("II*\0\x08\0\0\0"), "this is a TIFF" },
        { BYTES("MM\0*\0\0\0\x08"), "this is a TIFF" },
        { BYTES("\0\0\0\x18" "ftypheic\0\0\0\0"), "this is a HEIC picture" },
        { BYTES("\0\0\0\x18" "ftypmif1\0\0\0\0"), "this is a HEIF picture" },
        { BYTES("\0\0\0\x1c" "ftypavif\0\0\0\0"), "this is an AVIF picture" },
        { BYTES("\0\0\0\x1c" "ftypisom\0\0\0\0"), "this is an MP4" },
        { BYTES("\xff\x0a\xfa\x1f"), "this is a JPEG XL picture" },
        { BYTES("\0\0\0\x0cJXL \r\n\x87\n"), "this is a JPEG XL picture" },
        { BYTES("\0\0\0\x0cjP  \r\n\x87\n"), "this is a JPEG 2000 picture" },
        { BYTES("<svg xmlns='http://www.w3.org/2000/svg'/>"), "this is an SVG" },
        { BYTES("\xef\xbb\xbf <?xml version='1.0'?><svg/>"), "this is an SVG or another XML file" },
        { BYTES("\n<!DOCTYPE HTML><title>403"), "a web page (HTML), probably saved in place of the picture" },
        { BYTES("<Html>"), "a web page" },
        { BYTES("%PDF-1.7"), "this is a PDF" },
        { BYTES("GGUF\3\0\0\0"), "this is a GGUF model file" },
        { BYTES("version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer" },
        { BYTES("data:image/png;base64,iVBOR"), "a data: URL" },
        { BYTES("P4 8 1\n\xff"), "a bitmap (PBM)" },
        { BYTES("P7\nWIDTH 1\n"), "a PAM picture" },
        { BYTES("PK\3\4"), "a ZIP archive" },
        { BYTES("\x1f\x8b\x08"), "a gzip file" },
        { BYTES("8BPS\0\1"), "a Photoshop file" },
        { BYTES("\0\0\1\0\1\0"), "an icon" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        expect_refused(cases[i].bytes, cases[i].n, EINF_E_UNSUPPORTED, cases[i].says);
        expect_refused(cases[i].bytes, cases[i].n, EINF_E_UNSUPPORTED, "JPEG, PNG, PPM and PGM are read");
    }
}

static void test_h101_no_format(void **state)
{
    (void)state;
    expect_refused("", 0, EINF_E_FORMAT, "the file is empty");
    expect_refused("x", 1, EINF_E_FORMAT, "no picture: 1 bytes that begin with 78 00 00 00");
    expect_refused("<sv", 3, EINF_E_FORMAT, "no picture: 3 bytes that begin with 3c 73 76 00");
    expect_refused("\xff\xd8", 2, EINF_E_FORMAT, "no picture: 2 bytes that begin with ff d8 00 00");
    uint64_t random = 5;
    for (int i = 0; i < 2000; i++) {
        uint8_t bytes[64];
        for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (uint8_t)(model_random(&random) >> 16);
        fixture f;
        fixture_init(&f);
        assert_true(fixture_decode(&f, bytes, (size_t)i % 65) != EINF_OK);
        fixture_close(&f);
    }
}

/* The right beginning, and noise; one format inside another. */
static void test_h101_magic_and_noise(void **state)
{
    static const struct { const char *bytes; size_t n; } magics[] = {
        { BYTES("\xff\xd8\xff") }, { BYTES("\xff\xd8\xff\xe0\0\x10JFIF\0\1") }, { BYTES("\x89PNG\r\n\x1a\n") },
        { BYTES("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0") },
        { BYTES("P6") }, { BYTES("P2 5 5 255 ") },
    };
    (void)state;
    uint64_t random = 6;
    for (size_t i = 0; i < 3000; i++) {
        uint8_t bytes[256];
        const size_t n = magics[i % TEST_COUNT(magics)].n;
        for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (uint8_t)(model_random(&random) >> 16);
        memcpy(bytes, magics[i % TEST_COUNT(magics)].bytes, n);
        fixture f;
        fixture_init(&f);
        assert_true(fixture_decode(&f, bytes, n + (i / 7) % (sizeof bytes - n)) != EINF_OK);
        fixture_close(&f);
    }
    expect_refused(BYTES("\xff\xd8\xff\x89PNG\r\n\x1a\n"), EINF_E_FORMAT, "damaged JPEG");
}

/* ------------------------------------------------------------------------------------------------- the files -- */

/* A small good file of each kind; what follows the last byte that is needed is not part of it. */
enum { N_FILES = 9 };
static void make_file(size_t which, picture *p)
{
    const jpeg_options jpeg = { .width = 21, .height = 18, .colours = JPEG_YCC, .progressive = which == 1,
                                .restart_rows = which == 2, .separate = which == 3 };
    const jpeg_options cmyk = { .width = 9, .height = 9, .colours = JPEG_CMYK };
    *p = (picture){ NULL, 0, 0 };
    if (which < 4) jpeg_make(p, &jpeg);
    else if (which == 4) jpeg_make(p, &cmyk);
    else if (which == 5) png_make(p, 7, 5, 8, PNG_RGBA, 0);
    else if (which == 6) png_make(p, 9, 6, 4, PNG_PALETTE, 1);
    else if (which == 7) picture_put(p, "P6 2 2 255\n123456789abc", 23);
    else picture_put(p, "P2 2 2 255\n12 34 56 7", 21);
    if (which == 0) jpeg_insert_orientation(p, 6, true);
}

/* ------------------------------------------------------------------------------------------------------ H-102 -- */

static void test_h102_smallest(void **state)
{
    (void)state;
    for (int png = 0; png < 2; png++) {
        fixture f;
        picture p = { NULL, 0, 0 };
        if (png) png_make(&p, 1, 1, 1, PNG_GRAY, 1);
        else jpeg_make(&p, &(jpeg_options){ .width = 1, .height = 1, .colours = JPEG_YCC });
        fixture_init(&f);
        f.options.max_pixels = 1;
        assert_ok(fixture_decode(&f, p.data, p.n), &f.err);
        assert_int_equal(f.image.width, 1);
        assert_int_equal(f.image.height, 1);
        fixture_close(&f);
        f.options.max_pixels = 0;
        assert_status(fixture_decode(&f, p.data, p.n), &f.err, EINF_E_LIMIT);
        assert_error_says(&f.err, "1 x 1 pixels are more than the limit of 0");
        fixture_close(&f);
        picture_free(&p);
    }
}

static void test_h102_long_and_empty(void **state)
{
    (void)state;
    fixture f;
    picture p = { NULL, 0, 0 };
    for (int tall = 0; tall < 2; tall++) {
        png_make(&p, tall ? 1 : 100000, tall ? 100000 : 1, 8, PNG_GRAY, 0);
        fixture_init(&f);
        assert_ok(fixture_decode(&f, p.data, p.n), &f.err);
        assert_int_equal(f.image.width, tall ? 1 : 100000);
        assert_int_equal(f.image.height, tall ? 100000 : 1);
        fixture_close(&f);
        picture_free(&p);
    }
    png_begin(&p, 0, 5, 8, PNG_GRAY, 0);
    expect_built_refused(&p, EINF_E_FORMAT, "Image width is zero in IHDR");
    png_begin(&p, 5, 0, 8, PNG_GRAY, 0);
    expect_built_refused(&p, EINF_E_FORMAT, "Image height is zero in IHDR");
    png_make(&p, 3, 3, 8, PNG_GRAY, 0);
    memcpy(p.data + 16, "\0\0\xff\xff\0\0\xff\xff", 8);
    png_fix_crc(&p, 8);
    expect_refused(p.data, p.n, EINF_E_LIMIT, "65535 x 65535 pixels are more than the limit of 67108864");
    memcpy(p.data + 16, "\x7f\xff\xff\xff\x7f\xff\xff\xff", 8);
    png_fix_crc(&p, 8);
    expect_refused(p.data, p.n, EINF_E_LIMIT, "2147483647 x 2147483647 pixels are more than the limit");
    memcpy(p.data + 16, "\x80\0\0\0\0\0\0\1", 8);
    png_fix_crc(&p, 8);
    expect_built_refused(&p, EINF_E_FORMAT, "damaged PNG");
}

/* ------------------------------------------------------------------------------------------------------ H-109 -- */

static void test_h109_cut_after_any_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        picture p;
        make_file(i, &p);
        for (size_t n = 0; n < p.n; n++) {
            fixture f;
            fixture_init(&f);
            if (fixture_decode(&f, p.data, n) == EINF_OK) fail_msg("file %zu is decoded from %zu bytes", i, n);
            assert_status(f.err.code, &f.err, EINF_E_FORMAT);
            fixture_close(&f);
        }
        fixture f;
        fixture_init(&f);
        assert_ok(fixture_decode(&f, p.data, p.n), &f.err);
        fixture_close(&f);
        picture_free(&p);
    }
}

/* Each byte in turn is another one: a picture or a refusal, both whole. PNG notices every one of them. */
static void test_damaged_bytes(void **state)
{
    static const uint8_t changes[] = { 0x01, 0x80, 0xff };
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        picture p;
        make_file(i, &p);
        for (size_t k = 0; k < p.n * TEST_COUNT(changes); k++) {
            fixture f;
            const uint8_t change = changes[k % TEST_COUNT(changes)];
            p.data[k / TEST_COUNT(changes)] ^= change;
            fixture_init(&f);
            f.options.max_pixels = 1 << 20;
            const einf_status status = fixture_decode(&f, p.data, p.n);
            if (status == EINF_OK && (i == 5 || i == 6)) fail_msg("byte %zu is not noticed", k / TEST_COUNT(changes));
            assert_true(f.mem.peak_bytes < 32u << 20);
            fixture_close(&f);
            p.data[k / TEST_COUNT(changes)] ^= change;
        }
        picture_free(&p);
    }
}

/* -------------------------------------------------------------------------------------- memory, cancelling -- */

static void test_every_allocation_fails_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILES; i++)
        for (int after = 0; after < 2; after++) {
            picture p;
            make_file(i, &p);
            uint64_t n_failed = 0;
            for (bool done = false; !done; n_failed++) {
                fixture f;
                fixture_init(&f);
                f.heap.fail_at = n_failed + 1;
                f.heap.fail_after = after;
                const einf_status status = fixture_decode(&f, p.data, p.n);
                done = status == EINF_OK;
                if (!done) assert_status(status, &f.err, EINF_E_NOMEM);
                fixture_close(&f);
            }
            assert_true(n_failed >= 2);
            if (i == 5 || i == 6) assert_true(n_failed > 6); /* libpng's are among them */
            picture_free(&p);
        }
}

/* Any ceiling: all that is needed, or nothing. */
static void test_every_ceiling(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        fixture f;
        picture p;
        make_file(i, &p);
        fixture_init(&f);
        assert_ok(fixture_decode(&f, p.data, p.n), &f.err);
        const uint64_t peak = f.mem.peak_bytes;
        fixture_close(&f);
        for (uint64_t limit = 1; limit < peak; limit += 1 + peak / 97) {
            f.mem.limit_bytes = limit;
            assert_status(fixture_decode(&f, p.data, p.n), &f.err, EINF_E_LIMIT);
        }
        f.mem.limit_bytes = peak;
        assert_ok(fixture_decode(&f, p.data, p.n), &f.err);
        fixture_close(&f);
        picture_free(&p);
    }
}

static void test_cancel(void **state)
{
    (void)state;
    const einf_cancel cancel = { 1 };
    for (size_t i = 0; i < N_FILES; i++) {
        fixture f;
        picture p;
        make_file(i, &p);
        fixture_init(&f);
        f.options.cancel = &cancel;
        assert_status(fixture_decode(&f, p.data, p.n), &f.err, EINF_E_CANCELLED);
        assert_error_says(&f.err, "cancelled while decoding a picture");
        fixture_close(&f);
        picture_free(&p);
    }
}

/* An allocator that cancels when it gives the n-th block: the flag is seen from inside a reader. */
typedef struct canceller { test_heap *heap; einf_cancel *cancel; uint64_t at; } canceller;
static void *cancelling_alloc(void *user, uint64_t n_bytes, uint64_t align)
{
    const canceller *c = user;
    if (c->heap->n_calls + 1 == c->at) atomic_store(&c->cancel->set, 1);
    return c->heap->allocator.alloc(c->heap->allocator.user, n_bytes, align);
}
static void passing_free(void *user, void *p, uint64_t n_bytes)
{
    const canceller *c = user;
    c->heap->allocator.free(c->heap->allocator.user, p, n_bytes);
}

static void test_cancel_inside(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        fixture f;
        picture p;
        make_file(i, &p);
        fixture_init(&f);
        einf_cancel cancel = { 0 };
        canceller c = { &f.heap, &cancel, 1 }; /* JPEG, PPM: the pixels; PNG: libpng's first block */
        einf_allocator allocator = f.heap.allocator;
        allocator.user = &c;
        allocator.alloc = cancelling_alloc;
        allocator.free = passing_free;
        einf__memory_init(&f.mem, &allocator, 0);
        f.options.cancel = &cancel;
        assert_status(fixture_decode(&f, p.data, p.n), &f.err, EINF_E_CANCELLED);
        assert_int_equal(atomic_load(&cancel.set), 1);
        fixture_close(&f);
        picture_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_h101_other_formats), cmocka_unit_test(test_h101_no_format),
        cmocka_unit_test(test_h101_magic_and_noise), cmocka_unit_test(test_h102_smallest),
        cmocka_unit_test(test_h102_long_and_empty), cmocka_unit_test(test_h109_cut_after_any_byte),
        cmocka_unit_test(test_damaged_bytes), cmocka_unit_test(test_every_allocation_fails_once),
        cmocka_unit_test(test_every_ceiling), cmocka_unit_test(test_cancel), cmocka_unit_test(test_cancel_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
