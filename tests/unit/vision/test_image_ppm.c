/* SPDX-License-Identifier: MIT
 * test_image_ppm.c - PPM and PGM in their four kinds (H-107), and pixels of a camera (H-110).
 */
#include "tests/unit/vision/image_fixture.h"

#include <math.h>

#define PPM(text) (text), sizeof(text) - 1

static void expect_pixels(const char *file, size_t n, uint32_t width, uint32_t height, einf__image_format format,
                          const char *rgb)
{
    fixture f;
    fixture_init(&f);
    assert_ok(fixture_decode(&f, file, n), &f.err);
    assert_int_equal(f.image.width, width);
    assert_int_equal(f.image.height, height);
    assert_int_equal(f.image.format, format);
    assert_int_equal(f.image.orientation, 1);
    assert_int_equal(f.image.reduced_by, 1);
    assert_memory_equal(f.image.rgb, rgb, (size_t)width * height * 3);
    fixture_close(&f);
}

static void test_kinds(void **state)
{
    (void)state;
    expect_pixels(PPM("P6 2 1 255\n\1\2\3\4\5\6"), 2, 1, EINF__IMAGE_PPM, "\1\2\3\4\5\6");
    expect_pixels(PPM("P5\n1 2\n255\r\7\377"), 1, 2, EINF__IMAGE_PGM, "\7\7\7\377\377\377");
    expect_pixels(PPM("P3 2 1 15  0 1 2\n15 14\t13"), 2, 1, EINF__IMAGE_PPM, "\0\021\042\377\356\335");
    expect_pixels(PPM("P2 3 1 1 0 1 1"), 3, 1, EINF__IMAGE_PGM, "\0\0\0\377\377\377\377\377\377");
    expect_pixels(PPM("P6 1 1 65535\n\377\377\177\377\0\200"), 1, 1, EINF__IMAGE_PPM, "\377\177\0");
    expect_pixels(PPM("P5 1 1 300 \1\54P5 more"), 1, 1, EINF__IMAGE_PGM, "\377\377\377");
    assert_string_equal(einf__image_format_name(EINF__IMAGE_PPM), "ppm");
    assert_string_equal(einf__image_format_name(EINF__IMAGE_PGM), "pgm");
}

static void test_comments(void **state)
{
    (void)state;
    expect_pixels(PPM("P5# a\n#\n 2 # 9 9\r1#\n255# and #\n\1\2"), 2, 1, EINF__IMAGE_PGM, "\1\1\1\2\2\2");
    expect_pixels(PPM("P2 2 1 9 0#x\n9#y\n"), 2, 1, EINF__IMAGE_PGM, "\0\0\0\377\377\377");
    expect_refused(PPM("P5 1 1 # no line end"), EINF_E_FORMAT, "the file ends after 20 bytes, inside a comment");
    expect_refused(PPM("P5 1 1 255#"), EINF_E_FORMAT, "inside a comment");
    expect_refused(PPM("P2 1 1 255 #1"), EINF_E_FORMAT, "inside a comment");
}

/* Every value of every kind of maxval is v * 255 / maxval, rounded. */
static void test_scaling(void **state)
{
    static const uint32_t maxima[] = { 1, 2, 3, 7, 100, 254, 255, 256, 1000, 4095, 65534, 65535 };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(maxima); i++) {
        char head[64];
        fixture f;
        picture p = { NULL, 0, 0 };
        const uint32_t max = maxima[i];
        const int n = snprintf(head, sizeof head, "P5 %u 1 %u\n", max + 1, max);
        picture_put(&p, head, (size_t)n);
        for (uint32_t v = 0; v <= max; v++) {
            if (max > 255) picture_put_u8(&p, v >> 8);
            picture_put_u8(&p, v);
        }
        fixture_init(&f);
        assert_ok(fixture_decode(&f, p.data, p.n), &f.err);
        for (uint32_t v = 0; v <= max; v++)
            assert_int_equal(pixel_at(&f.image, v, 0)[1], (int)floor(v * 255.0 / max + 0.5));
        fixture_close(&f);
        picture_free(&p);
    }
}

static void test_h107_headers(void **state)
{
    static const struct { const char *text; einf_status status; const char *says; uint64_t offset; } cases[] = {
        { "P6 99999999999 1 255\n123", EINF_E_LIMIT, "99999999999 x 1 pixels are more than the limit of 67108864", 2 },
        { "P6 999999999999999999999 1 255\n", EINF_E_FORMAT, "more than 18 digits in the width", 3 },
        { "P6 999999999999999999 999999999999999999 255\n", EINF_E_LIMIT, "more than the limit", 2 },
        { "P6 0 5 255\n", EINF_E_FORMAT, "a picture of 0 x 5 pixels has none", 2 },
        { "P6 5 0 255\n", EINF_E_FORMAT, "a picture of 5 x 0 pixels has none", 2 },
        { "P6 -1 1 255\n", EINF_E_FORMAT, "byte 0x2d where the width should have a number", 3 },
        { "P6 1 1 0\n123", EINF_E_FORMAT, "a largest value of 0 is not within 1..65535", 8 },
        { "P6 1 1 65536\n123456", EINF_E_FORMAT, "a largest value of 65536 is not within", 12 },
        { "P6 1 1 255", EINF_E_FORMAT, "the file ends after 10 bytes, inside the header", 10 },
        { "P6 1 1 ", EINF_E_FORMAT, "inside the largest value", 7 },
        { "P6 1 1 255x123", EINF_E_FORMAT, "byte 0x78 where white space should end the header", 10 },
        { "P6 2 1 255\n12345", EINF_E_FORMAT, "5 bytes of pixels, but 2 x 1 ask for 6", 16 },
        { "P6 1 1 256\n12345", EINF_E_FORMAT, "5 bytes of pixels, but 1 x 1 ask for 6", 16 },
        { "P5 8000 8000 255\n", EINF_E_FORMAT, "0 bytes of pixels, but 8000 x 8000 ask for 64000000", 17 },
        { "P2 8000 8000 255\n1 2", EINF_E_FORMAT, "but 8000 x 8000 ask for 127999999", 20 },
        { "P2 2 1 255 12 ", EINF_E_FORMAT, "the file ends after 14 bytes, inside the pixels", 14 },
        { "P2 2 1 255 12,13", EINF_E_FORMAT, "byte 0x2c where the pixels should have a number", 13 },
        { "P2 1 1 9 10", EINF_E_FORMAT, "a sample of 10 is above the largest value, 9", 9 },
        { "P5 1 1 9 \n", EINF_E_FORMAT, "a sample of 10 is above the largest value, 9", 9 },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        fixture f;
        fixture_init(&f);
        assert_status(fixture_decode(&f, cases[i].text, strlen(cases[i].text)), &f.err, cases[i].status);
        assert_error_says(&f.err, cases[i].says);
        assert_int_equal(f.err.offset, cases[i].offset);
        assert_true(f.mem.peak_bytes < 64);
        fixture_close(&f);
    }
}

/* ------------------------------------------------------------------------------------------------------ H-110 -- */

static einf_status from_pixels(fixture *f, const void *pixels, uint64_t n, int32_t format, uint32_t width,
                               uint32_t height, uint64_t stride)
{
    f->err = test_error();
    return einf__image_from_pixels(&f->mem, pixels, n, format, width, height, stride, &f->options, &f->image, &f->err);
}

static void test_layouts(void **state)
{
    static const uint8_t bytes[] = { 10, 20, 30, 128, 40, 50, 60, 0, 9, 9, 70, 80, 90, 255, 0, 0, 0, 200 };
    static const struct { int32_t format; uint64_t stride; uint8_t expected[12]; } cases[] = {
        { EINF_PIXELS_RGB, 9, { 10, 20, 30, 128, 40, 50, 9, 70, 80, 90, 255, 0 } },
        { EINF_PIXELS_BGR, 9, { 30, 20, 10, 50, 40, 128, 80, 70, 9, 0, 255, 90 } },
        { EINF_PIXELS_GRAY, 4, { 10, 10, 10, 20, 20, 20, 40, 40, 40, 50, 50, 50 } },
        { EINF_PIXELS_RGBA, 10, { 132, 137, 142, 255, 255, 255, 70, 80, 90, 55, 55, 55 } },
        { EINF_PIXELS_BGRA, 10, { 142, 137, 132, 255, 255, 255, 90, 80, 70, 55, 55, 55 } },
        { EINF_PIXELS_GRAY, 0, { 10, 10, 10, 20, 20, 20, 30, 30, 30, 128, 128, 128 } },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        fixture f;
        fixture_init(&f);
        assert_ok(from_pixels(&f, bytes, sizeof bytes, cases[i].format, 2, 2, cases[i].stride), &f.err);
        assert_memory_equal(f.image.rgb, cases[i].expected, 12);
        assert_int_equal(f.image.format, EINF__IMAGE_RAW);
        assert_int_equal(f.image.full_width, 2);
        assert_int_equal(f.image.orientation, 1);
        fixture_close(&f);
    }
    assert_string_equal(einf__image_format_name(EINF__IMAGE_RAW), "raw");
}

static void test_h110_sizes(void **state)
{
    static const uint8_t bytes[64];
    static const struct {
        uint64_t n;
        int32_t format;
        uint32_t w, h;
        uint64_t stride;
        const char *where, *says;
    } cases[] = {
        { 64, EINF_PIXELS_RGB, 4, 4, 11, "stride_bytes", "a stride of 11 bytes is below the 12 of a row" },
        { 47, EINF_PIXELS_RGB, 4, 4, 0, "size_bytes", "47 bytes are below the 48 of 4 x 4 RGB pixels, rows 12 apart" },
        { 60, EINF_PIXELS_BGRA, 4, 4, 15, "stride_bytes", "a stride of 15 bytes is below the 16" },
        { 63, EINF_PIXELS_BGRA, 4, 4, 16, "size_bytes", "63 bytes are below the 64 of 4 x 4 BGRA pixels" },
        { 64, EINF_PIXELS_GRAY, 1, 4, UINT64_MAX, "stride_bytes", "4 rows that are 18446744073709551615 bytes apart" },
        { 64, EINF_PIXELS_GRAY, 2, 2, UINT64_MAX - 1, "stride_bytes", "2 rows that are 18446744073709551614 bytes" },
        { 64, EINF_PIXELS_GRAY, 0, 4, 0, "width, height", "a picture of 0 x 4 pixels has none" },
        { 64, EINF_PIXELS_GRAY, 4, 0, 0, "width, height", "a picture of 4 x 0 pixels has none" },
        { 64, 5, 4, 4, 0, "format", "5 is none of EINF_PIXELS_*" },
        { 64, -1, 4, 4, 0, "format", "-1 is none of EINF_PIXELS_*" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        fixture f;
        fixture_init(&f);
        assert_status(from_pixels(&f, bytes, cases[i].n, cases[i].format, cases[i].w, cases[i].h, cases[i].stride),
                      &f.err, EINF_E_ARG);
        assert_error_says(&f.err, cases[i].says);
        assert_string_equal(f.err.where, cases[i].where);
        assert_null(f.image.rgb);
        assert_int_equal(f.heap.n_calls, 0);
        fixture_close(&f);
    }
}

static void test_h110_bounds(void **state)
{
    (void)state;
    static const uint8_t bytes[64];
    fixture f;
    fixture_init(&f);
    assert_status(from_pixels(&f, NULL, 64, 0, 4, 4, 0), &f.err, EINF_E_ARG);
    assert_status(from_pixels(&f, bytes, UINT64_MAX, 0, UINT32_MAX, UINT32_MAX, 0), &f.err, EINF_E_LIMIT);
    assert_error_says(&f.err, "4294967295 x 4294967295 pixels are more than the limit of 67108864");
    f.options.max_pixels = 15;
    assert_status(from_pixels(&f, bytes, 64, 0, 4, 4, 0), &f.err, EINF_E_LIMIT);
    assert_error_says(&f.err, "4 x 4 pixels are more than the limit of 15");
    f.options.max_pixels = 16;
    assert_ok(from_pixels(&f, bytes, 3 * 17 + 12, EINF_PIXELS_RGB, 4, 4, 17), &f.err); /* no gap behind the last row */
    fixture_close(&f);
    assert_status(from_pixels(&f, bytes, 3 * 17 + 11, EINF_PIXELS_RGB, 4, 4, 17), &f.err, EINF_E_ARG);
    f.heap.fail_at = f.heap.n_calls + 1;
    assert_status(from_pixels(&f, bytes, 64, 0, 4, 4, 0), &f.err, EINF_E_NOMEM);
    f.heap.fail_at = 0;
    const einf_cancel cancel = { 1 };
    f.options.cancel = &cancel;
    assert_status(from_pixels(&f, bytes, 64, 0, 4, 4, 0), &f.err, EINF_E_CANCELLED);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds), cmocka_unit_test(test_comments), cmocka_unit_test(test_scaling),
        cmocka_unit_test(test_h107_headers), cmocka_unit_test(test_layouts), cmocka_unit_test(test_h110_sizes),
        cmocka_unit_test(test_h110_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
