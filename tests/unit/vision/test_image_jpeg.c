/* SPDX-License-Identifier: MIT
 * test_image_jpeg.c - JPEG: Pillow's pixels by CRC, colours, orientation, smaller decoding, what is tolerated and what
 * is refused, H-104, and the crash corpus.
 */
#include "tests/unit/vision/image_fixture.h"

#include <dirent.h>

static void decode_good(fixture *f, const picture *p)
{
    fixture_init(f);
    assert_ok(fixture_decode(f, p->data, p->n), &f->err);
    assert_int_equal(f->image.format, EINF__IMAGE_JPEG);
}

static void expect_same_pixels(const picture *p, const einf__image *expected)
{
    fixture f;
    decode_good(&f, p);
    assert_int_equal(f.image.width, expected->width);
    assert_int_equal(f.image.height, expected->height);
    assert_memory_equal(f.image.rgb, expected->rgb, einf__image_bytes(expected));
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------- pixels -- */

/* CRCs of what Pillow 13 (libjpeg-turbo 3.2) makes of the files: exif_transpose, convert("RGB"). */
static void test_pixels_are_pillows(void **state)
{
    static const struct { const char *name; uint32_t width, height, crc; } cases[] = {
        { "photos-udacity/advanced/straight_lines1.jpg", 1280, 720, 0x02df8709u },
        { "photos-udacity/advanced/straight_lines2.jpg", 1280, 720, 0x6e73723eu },
        { "photos-udacity/advanced/test1.jpg", 1280, 720, 0x05d4f8acu },
        { "photos-udacity/advanced/test2.jpg", 1280, 720, 0x1497b070u },
        { "photos-udacity/advanced/test3.jpg", 1280, 720, 0xc463d6c8u },
        { "photos-udacity/advanced/test4.jpg", 1280, 720, 0xf1c53f8bu },
        { "photos-udacity/advanced/test5.jpg", 1280, 720, 0x091b1e1bu },
        { "photos-udacity/advanced/test6.jpg", 1280, 720, 0xd9d8ba0eu },
        { "photos-udacity/lanelines/solidWhiteCurve.jpg", 960, 540, 0xe6c026ebu },
        { "photos-udacity/lanelines/solidWhiteRight.jpg", 960, 540, 0x1f81200au },
        { "photos-udacity/lanelines/solidYellowCurve.jpg", 960, 540, 0x680a08c7u },
        { "photos-udacity/lanelines/solidYellowCurve2.jpg", 960, 540, 0xd549255cu },
        { "photos-udacity/lanelines/solidYellowLeft.jpg", 960, 540, 0xd702261bu },
        { "photos-udacity/lanelines/whiteCarLaneSwitch.jpg", 960, 540, 0xcde46efeu },
        { "vlm-preproc/processor/australia.jpg", 1300, 876, 0x51d2536au },
        { "vlm-preproc/processor/standard_s.jpg", 1344, 1344, 0x7aede0d1u },
        { "resize-imaging/branches.jpg", 600, 400, 0x10f16e7du },
        { "orientation/hopper.jpg", 128, 128, 0x9a292e3eu },
        { "orientation/hopper_orientation_2.jpg", 128, 128, 0x466388f7u },
        { "orientation/hopper_orientation_3.jpg", 128, 128, 0x466388f7u },
        { "orientation/hopper_orientation_4.jpg", 128, 128, 0x69f0078eu },
        { "orientation/hopper_orientation_5.jpg", 128, 128, 0x2e705e79u },
        { "orientation/hopper_orientation_6.jpg", 128, 128, 0x2e705e79u },
        { "orientation/hopper_orientation_7.jpg", 128, 128, 0xca5eb7a9u },
        { "orientation/hopper_orientation_8.jpg", 128, 128, 0xca5eb7a9u },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char path[96];
        picture p = { NULL, 0, 0 };
        fixture f;
        (void)snprintf(path, sizeof path, "images/%s", cases[i].name);
        p.data = test_read_data(path, &p.n);
        if (!p.data) return;
        decode_good(&f, &p);
        assert_int_equal(f.image.width, cases[i].width);
        assert_int_equal(f.image.height, cases[i].height);
        assert_int_equal(picture_crc(0, f.image.rgb, (size_t)einf__image_bytes(&f.image)), cases[i].crc);
        fixture_close(&f);
        picture_free(&p);
    }
}

/* The eight of one picture, which were compressed one by one: alike on average. */
static void test_orientation_folder(void **state)
{
    (void)state;
    fixture upright;
    picture p = { NULL, 0, 0 };
    p.data = test_read_data("images/orientation/hopper.jpg", &p.n);
    if (!p.data) return;
    decode_good(&upright, &p);
    picture_free(&p);
    for (int32_t o = 2; o <= 8; o++) {
        char path[64];
        fixture f;
        double sum = 0;
        (void)snprintf(path, sizeof path, "images/orientation/hopper_orientation_%d.jpg", (int)o);
        p.data = test_read_data(path, &p.n);
        assert_non_null(p.data);
        decode_good(&f, &p);
        assert_int_equal(f.image.orientation, o);
        const size_t n = (size_t)einf__image_bytes(&f.image);
        for (size_t i = 0; i < n; i++) sum += abs(f.image.rgb[i] - upright.image.rgb[i]);
        assert_true(sum / (double)n < 5);
        fixture_close(&f);
        picture_free(&p);
    }
    fixture_close(&upright);
}

/* A flat colour of each colour space comes out as it should look. CMYK here is as in the file: 255 is no ink. */
static void test_colours(void **state)
{
    static const struct { jpeg_colours colours; uint8_t in[4], n, out[3]; } cases[] = {
        { JPEG_GRAY, { 77 }, 1, { 77, 77, 77 } },
        { JPEG_YCC, { 200, 30, 90 }, 3, { 200, 30, 90 } },
        { JPEG_RGB, { 200, 30, 90 }, 3, { 200, 30, 90 } },
        { JPEG_CMYK, { 200, 30, 90, 255 }, 4, { 200, 30, 90 } },
        { JPEG_CMYK, { 200, 30, 90, 128 }, 4, { 100, 15, 45 } },
        { JPEG_YCCK, { 200, 30, 90, 255 }, 4, { 200, 30, 90 } },
        { JPEG_YCCK, { 255, 255, 255, 128 }, 4, { 128, 128, 128 } },
        { JPEG_YCCK, { 255, 0, 255, 0 }, 4, { 0, 0, 0 } },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        for (int progressive = 0; progressive < 2; progressive++) {
            uint8_t samples[24 * 9 * 4];
            fixture f;
            picture p = { NULL, 0, 0 };
            for (size_t k = 0; k < 24 * 9; k++) memcpy(samples + k * cases[i].n, cases[i].in, cases[i].n);
            jpeg_make(&p, &(jpeg_options){ .width = 24, .height = 9, .colours = cases[i].colours, .samples = samples,
                                           .progressive = progressive });
            decode_good(&f, &p);
            for (uint32_t x = 0; x < 24; x++)
                for (int c = 0; c < 3; c++) assert_true(abs(pixel_at(&f.image, x, x % 9)[c] - cases[i].out[c]) <= 3);
            fixture_close(&f);
            picture_free(&p);
        }
}

/* The coefficients are the same in one scan, in three, in ten, with restarts, and as arithmetic code. */
static void test_scans_do_not_matter(void **state)
{
    (void)state;
    fixture f;
    picture p = { NULL, 0, 0 };
    const jpeg_options base = { .width = 75, .height = 43, .colours = JPEG_YCC };
    jpeg_options o[] = { base, base, base, base };
    o[0].progressive = true;
    o[1].separate = true;
    o[2].restart_rows = 1;
    o[3].arithmetic = true;
    jpeg_make(&p, &base);
    decode_good(&f, &p);
    for (size_t i = 0; i < TEST_COUNT(o); i++) {
        picture other = { NULL, 0, 0 };
        jpeg_make(&other, &o[i]);
        expect_same_pixels(&other, &f.image);
        picture_free(&other);
    }
    fixture_close(&f);
    picture_free(&p);
}

/* --------------------------------------------------------------------------------------------- orientation -- */

static void check_turned(const picture *turned, int32_t o, const einf__image *plain)
{
    fixture f;
    decode_good(&f, turned);
    assert_int_equal(f.image.orientation, o);
    assert_int_equal(f.image.width, o >= 5 ? plain->height : plain->width);
    for (uint32_t y = 0; y < f.image.height; y++)
        for (uint32_t x = 0; x < f.image.width; x++) {
            uint32_t sx, sy;
            stored_place(o, f.image.width, f.image.height, x, y, &sx, &sy);
            assert_memory_equal(pixel_at(&f.image, x, y), pixel_at(plain, sx, sy), 3);
        }
    fixture_close(&f);
}

/* Either byte order; heights below and above a band of rows and not a multiple of it; behind a segment like it. */
static void test_orientation(void **state)
{
    static const uint32_t sizes[][2] = { { 37, 41 }, { 37, 3 }, { 1, 50 }, { 50, 1 }, { 16, 16 } };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        fixture plain;
        picture p = { NULL, 0, 0 };
        jpeg_make(&p, &(jpeg_options){ .width = sizes[i][0], .height = sizes[i][1], .progressive = i & 1,
                                       .colours = i == 4 ? JPEG_CMYK : JPEG_YCC });
        decode_good(&plain, &p);
        for (int32_t o = 1; o <= 8; o++)
            for (int big = 0; big < 2; big++) {
                picture turned = { NULL, 0, 0 };
                picture_put(&turned, p.data, p.n);
                jpeg_insert_orientation(&turned, (uint32_t)o, big);
                jpeg_insert(&turned, 0xe1, "http://ns.adobe.com/xap/1.0/", 29);
                check_turned(&turned, o, &plain.image);
                picture_free(&turned);
            }
        fixture_close(&plain);
        picture_free(&p);
    }
}

/* Broken Exif is no orientation, and no reason to refuse. n: bytes of the structure; at: 0, or where a byte is set. */
static void test_broken_exif(void **state)
{
    static const struct { uint32_t orientation, n, at; uint8_t to; int32_t expected; } cases[] = {
        { 6, 38, 0, 0, 6 },     /* none: the others are of this one */
        { 0, 38, 0, 0, 1 },  { 9, 38, 0, 0, 1 }, { 0x106, 38, 0, 0, 1 },
        { 6, 0, 0, 0, 1 },   { 6, 4, 0, 0, 1 },  { 6, 8, 0, 0, 1 }, { 6, 9, 0, 0, 1 }, { 6, 33, 0, 0, 1 },
        { 6, 34, 0, 0, 6 },     /* the last field of the directory is not needed */
        { 6, 38, 1, 'M', 1 },   /* "IM" */
        { 6, 38, 2, 43, 1 },    /* not 42 */
        { 6, 38, 4, 7, 1 },     /* the directory inside the header, */
        { 6, 38, 4, 37, 1 },    /* on the last byte, */
        { 6, 38, 7, 0xff, 1 },  /* far away */
        { 6, 38, 8, 1, 1 },     /* one entry, which is another */
        { 6, 38, 9, 0xff, 6 },  /* thousands of entries */
        { 6, 38, 24, 4, 6 },    /* a LONG will do, */
        { 6, 38, 24, 2, 1 },    /* a text will not */
        { 6, 38, 26, 2, 1 },    /* nor two values */
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        fixture f;
        picture p = { NULL, 0, 0 }, segment = { NULL, 0, 0 };
        jpeg_make(&p, &(jpeg_options){ .width = 20, .height = 10, .colours = JPEG_YCC });
        picture_put(&segment, "Exif\0", 6);
        tiff_make(&segment, cases[i].orientation, false);
        if (cases[i].at) segment.data[6 + cases[i].at] = cases[i].to;
        jpeg_insert(&p, 0xe1, segment.data, 6 + cases[i].n);
        decode_good(&f, &p);
        if (f.image.orientation != cases[i].expected)
            fail_msg("case %zu: orientation %d, not %d", i, f.image.orientation, cases[i].expected);
        fixture_close(&f);
        picture_free(&segment);
        picture_free(&p);
    }
}

/* --------------------------------------------------------------------------------------- smaller decoding -- */

static void test_reduced(void **state)
{
    static const struct { uint32_t least_x, least_y; int32_t orientation, by; } cases[] = {
        { 0, 0, 1, 1 },  { 100, 60, 1, 2 }, { 101, 60, 1, 2 }, { 102, 60, 1, 1 }, { 51, 31, 1, 4 }, { 26, 16, 1, 8 },
        { 26, 17, 1, 4 }, { 1, 1, 1, 8 },  { 0, 61, 1, 2 },   { 50, 0, 1, 4 },   { 4000, 1, 1, 1 },
        { 60, 100, 6, 2 }, { 100, 60, 6, 1 }, { 16, 26, 8, 8 }, { 101, 61, 3, 2 },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        fixture f, whole;
        picture p = { NULL, 0, 0 };
        jpeg_make(&p, &(jpeg_options){ .width = 201, .height = 121, .colours = JPEG_GRAY, .progressive = i & 1 });
        jpeg_insert_orientation(&p, (uint32_t)cases[i].orientation, true);
        decode_good(&whole, &p);
        fixture_init(&f);
        f.options.reduce_width = cases[i].least_x;
        f.options.reduce_height = cases[i].least_y;
        assert_ok(fixture_decode(&f, p.data, p.n), &f.err);
        const uint32_t by = (uint32_t)cases[i].by;
        assert_int_equal(f.image.reduced_by, by);
        assert_int_equal(f.image.full_width, whole.image.width);
        assert_int_equal(f.image.full_height, whole.image.height);
        assert_int_equal(f.image.width, (whole.image.width + by - 1) / by);
        assert_int_equal(f.image.height, (whole.image.height + by - 1) / by);
        /* A slope: its average is its middle; counted from the other side that lies up to 7 pixels elsewhere. */
        for (uint32_t y = 2; y + 2 < f.image.height; y++)
            for (uint32_t x = 2; x + 2 < f.image.width; x++)
                assert_true(abs(pixel_at(&f.image, x, y)[0] -
                                pixel_at(&whole.image, x * by + by / 2, y * by + by / 2)[0]) <= 10);
        fixture_close(&f);
        fixture_close(&whole);
        picture_free(&p);
    }
}

/* -------------------------------------------------------------------------------------- tolerated, refused -- */

/* n bytes of `value` before the first marker of that kind. */
static void insert_stray(picture *p, uint32_t marker, size_t n, uint8_t value)
{
    uint8_t bytes[300];
    memset(bytes, value, sizeof bytes);
    picture_splice(p, jpeg_find(p, marker, 0), 0, bytes, n);
}

static void test_stray_bytes(void **state)
{
    static const struct { uint32_t marker; size_t n; uint8_t value; bool fine; } cases[] = {
        { 0xdb, 300, 0, true }, { 0xda, 300, 0x55, true }, /* in the header */
        { 0xd9, 1, 0, true }, { 0xd9, 64, 0x55, true }, { 0xd9, 80, 0x55, false }, { 0xd9, 300, 0xff, true }, /* fill */
        { 0xd0, 40, 0x55, false }, { 0xd1, 20, 0, false },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        fixture f;
        picture p = { NULL, 0, 0 };
        jpeg_make(&p, &(jpeg_options){ .width = 40, .height = 40, .colours = JPEG_GRAY, .restart_rows = 1 });
        decode_good(&f, &p);
        insert_stray(&p, cases[i].marker, cases[i].n, cases[i].value);
        if (cases[i].fine) expect_same_pixels(&p, &f.image);
        else expect_refused(p.data, p.n, EINF_E_FORMAT, "extraneous bytes before marker");
        picture_free(&p);
        fixture_close(&f);
    }
}

static void test_oddities_are_tolerated(void **state)
{
    (void)state;
    fixture f;
    picture p = { NULL, 0, 0 };
    jpeg_make(&p, &(jpeg_options){ .width = 30, .height = 20, .colours = JPEG_YCC });
    decode_good(&f, &p);
    p.data[11] = 9; /* revision of JFIF */
    expect_same_pixels(&p, &f.image);
    p.data[jpeg_find(&p, 0xda, 0) + 12] = 0; /* the last coefficient of a sequential scan */
    expect_same_pixels(&p, &f.image);
    picture_put(&p, "\xff\xd8 and another picture", 23);
    expect_same_pixels(&p, &f.image);
    fixture_close(&f);
    picture_free(&p);

    jpeg_make(&p, &(jpeg_options){ .width = 30, .height = 20, .colours = JPEG_YCCK });
    decode_good(&f, &p);
    p.data[jpeg_find(&p, 0xee, 0) + 15] = 7; /* Adobe's transform */
    expect_same_pixels(&p, &f.image);
    fixture_close(&f);
    picture_free(&p);
}

/* --------------------------------------------------------------------------------------------------- H-104 -- */

/* The first scan of one component, again and again: more scans than anybody makes cost no more than the limit. */
static void test_h104_many_scans(void **state)
{
    (void)state;
    picture p = { NULL, 0, 0 }, bomb = { NULL, 0, 0 };
    jpeg_make(&p, &(jpeg_options){ .width = 16, .height = 16, .colours = JPEG_YCC, .separate = true });
    const size_t begin = jpeg_find(&p, 0xda, 0), n = jpeg_find(&p, 0xda, 1) - begin;
    picture_put(&bomb, p.data, begin);
    for (int i = 0; i < 100000; i++) picture_put(&bomb, p.data + begin, n);
    picture_put(&bomb, p.data + begin, p.n - begin);
    expect_built_refused(&bomb, EINF_E_LIMIT, "a JPEG of more than 100 scans");
    picture_put(&bomb, p.data, begin);
    for (int i = 0; i < 97; i++) picture_put(&bomb, p.data + begin, n);
    picture_put(&bomb, p.data + begin, p.n - begin);
    fixture f;
    decode_good(&f, &p);
    expect_same_pixels(&bomb, &f.image);
    fixture_close(&f);
    picture_free(&bomb);
    picture_free(&p);
}

static void test_h104_missing_scans(void **state)
{
    (void)state;
    picture p = { NULL, 0, 0 };
    jpeg_make(&p, &(jpeg_options){ .width = 40, .height = 40, .colours = JPEG_YCC, .separate = true });
    const size_t second = jpeg_find(&p, 0xda, 1), third = jpeg_find(&p, 0xda, 2);
    picture_splice(&p, second, third - second, NULL, 0);
    expect_built_refused(&p, EINF_E_FORMAT, "after 2 scans component 2 of 3 is in none of them");
    jpeg_make(&p, &(jpeg_options){ .width = 40, .height = 40, .colours = JPEG_YCC, .progressive = true });
    size_t n = 0;
    while (jpeg_find(&p, 0xc4, n) < jpeg_find(&p, 0xda, 0)) n++;
    const size_t after_dc = jpeg_find(&p, 0xc4, n); /* tables of the second scan */
    picture_splice(&p, after_dc, p.n - 2 - after_dc, NULL, 0);
    expect_built_refused(&p, EINF_E_FORMAT, "lacks bits of its mean");
}

static void test_h104_markers(void **state)
{
    (void)state;
    const jpeg_options o = { .width = 40, .height = 40, .colours = JPEG_YCC };
    picture p = { NULL, 0, 0 };
    jpeg_make(&p, &o); /* no SOI */
    expect_refused(p.data + 2, p.n - 2, EINF_E_FORMAT, "no picture");
    expect_refused(p.data, p.n - 2, EINF_E_FORMAT, "Premature end of JPEG file"); /* no EOI */
    const size_t sof = jpeg_find(&p, 0xc0, 0);
    picture twice = { NULL, 0, 0 };
    picture_put(&twice, p.data, p.n);
    picture_splice(&twice, sof, 0, p.data + sof, 19);
    expect_built_refused(&twice, EINF_E_FORMAT, "two SOF markers");
    picture_splice(&p, jpeg_find(&p, 0xda, 0) + 40, 0, "\xff\xd0", 2); /* a restart inside a unit */
    expect_built_refused(&p, EINF_E_FORMAT, "Corrupt JPEG data");
}

/* A byte of the header, which marker it is behind, and what becomes of the file. */
static void test_h104_header(void **state)
{
    static const struct { uint32_t marker, at; uint8_t to; einf_status status; const char *says; } cases[] = {
        { 0xc4, 5, 9, EINF_E_FORMAT, "Bogus Huffman table definition" }, /* nine codes of one bit */
        { 0xc4, 4, 0x24, EINF_E_FORMAT, "Bogus DHT index" },
        { 0xdb, 4, 7, EINF_E_FORMAT, "Bogus DQT index" },
        { 0xdb, 3, 3, EINF_E_FORMAT, "damaged JPEG" },
        { 0xc0, 4, 12, EINF_E_UNSUPPORTED, "Unsupported JPEG data precision 12" },
        { 0xc0, 1, 0xc3, EINF_E_UNSUPPORTED, "Unsupported JPEG process" },
        { 0xc0, 1, 0xcb, EINF_E_UNSUPPORTED, "Unsupported JPEG process" },
        { 0xc0, 6, 0, EINF_E_FORMAT, "Empty JPEG image" }, /* of 40 rows: none */
        { 0xc0, 8, 0, EINF_E_FORMAT, "Empty JPEG image" },
        { 0xc0, 11, 0x00, EINF_E_FORMAT, "Bogus sampling factors" },
        { 0xc0, 11, 0x55, EINF_E_FORMAT, "Bogus sampling factors" },
        { 0xc0, 11, 0x44, EINF_E_FORMAT, "Sampling factors too large" },
        { 0xc0, 12, 3, EINF_E_FORMAT, "Quantization table 0x03 was not defined" },
        { 0xda, 6, 0x33, EINF_E_FORMAT, "Huffman table 0x03 was not defined" },
        { 0xda, 5, 9, EINF_E_FORMAT, "Invalid component ID 9" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        picture p = { NULL, 0, 0 };
        jpeg_make(&p, &(jpeg_options){ .width = 40, .height = 40, .colours = JPEG_YCC });
        p.data[jpeg_find(&p, cases[i].marker, 0) + cases[i].at] = cases[i].to;
        expect_built_refused(&p, cases[i].status, cases[i].says);
    }
}

/* Quantisation tables of 16 bits are in order. */
static void test_h104_wide_tables(void **state)
{
    (void)state;
    fixture f;
    picture p = { NULL, 0, 0 }, wide = { NULL, 0, 0 };
    jpeg_make(&p, &(jpeg_options){ .width = 40, .height = 40, .colours = JPEG_GRAY });
    decode_good(&f, &p);
    const size_t at = jpeg_find(&p, 0xdb, 0);
    picture_put_u16(&wide, 0xffdb, true);
    picture_put_u16(&wide, 2 + 1 + 128, true);
    picture_put_u8(&wide, 0x10);
    for (size_t i = 0; i < 64; i++) picture_put_u16(&wide, p.data[at + 5 + i], true);
    picture_splice(&p, at, 69, wide.data, wide.n);
    expect_same_pixels(&p, &f.image);
    picture_free(&wide);
    picture_free(&p);
    fixture_close(&f);
}

static void test_h104_sizes(void **state)
{
    static const struct { const char *bytes; uint64_t max_pixels; einf_status status; const char *says; } cases[] = {
        { "\xff\xff\xff\xff", EINF__IMAGE_MAX_PIXELS, EINF_E_LIMIT, "65535 x 65535 pixels are more than the limit" },
        { "\xff\xff\xff\xff", UINT64_MAX, EINF_E_LIMIT, "65535 x 65535 pixels: sides of up to 65500 are read" },
        { "\x27\x10\x27\x10", EINF__IMAGE_MAX_PIXELS, EINF_E_LIMIT,
          "10000 x 10000 pixels are more than the limit of 67108864" },
        { "\x1f\x40\x1f\x40", EINF__IMAGE_MAX_PIXELS, EINF_E_FORMAT, "8000 x 8000 pixels cannot be in a file of" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        fixture f;
        picture p = { NULL, 0, 0 };
        jpeg_make(&p, &(jpeg_options){ .width = 40, .height = 40, .colours = JPEG_GRAY, .progressive = i & 1 });
        memcpy(p.data + jpeg_find(&p, i & 1 ? 0xc2 : 0xc0, 0) + 5, cases[i].bytes, 4);
        fixture_init(&f);
        f.options.max_pixels = cases[i].max_pixels;
        assert_status(fixture_decode(&f, p.data, p.n), &f.err, cases[i].status);
        assert_error_says(&f.err, cases[i].says);
        assert_int_equal(f.mem.peak_bytes, 0);
        fixture_close(&f);
        picture_free(&p);
    }
}

/* A thousand segments of 64 KiB, and an orientation behind them. */
static void test_h104_large_segments(void **state)
{
    (void)state;
    fixture f;
    picture p = { NULL, 0, 0 }, segments = { NULL, 0, 0 };
    static uint8_t body[65533];
    memcpy(body, "Exif\1", 6);
    for (int i = 0; i < 1000; i++) {
        picture_put_u16(&segments, i & 1 ? 0xffe1 : 0xffe2, true);
        picture_put_u16(&segments, 65535, true);
        picture_put(&segments, body, sizeof body);
    }
    jpeg_make(&p, &(jpeg_options){ .width = 40, .height = 20, .colours = JPEG_YCC });
    jpeg_insert_orientation(&p, 6, true);
    picture_splice(&p, 2, 0, segments.data, segments.n);
    const clock_t start = clock();
    decode_good(&f, &p);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < test_patience_s());
    assert_int_equal(f.image.width, 20);
    assert_true(f.mem.peak_bytes < 2u << 20);
    fixture_close(&f);
    picture_free(&segments);
    picture_free(&p);
}

/* libjpeg's own memory counts: under a ceiling one byte too low nothing is decoded. */
static void test_memory_is_counted(void **state)
{
    (void)state;
    fixture f;
    picture p = { NULL, 0, 0 };
    jpeg_make(&p, &(jpeg_options){ .width = 1000, .height = 700, .colours = JPEG_YCC, .progressive = true,
                                   .fine = true });
    decode_good(&f, &p);
    const uint64_t peak = f.mem.peak_bytes;
    assert_true(peak > 1000 * 700 * (3 + 3 * 2)); /* pixels and coefficients */
    fixture_close(&f);
    f.mem.limit_bytes = peak - 1;
    assert_status(fixture_decode(&f, p.data, p.n), &f.err, EINF_E_LIMIT);
    assert_error_says(&f.err, "decoding a JPEG needs");
    f.mem.limit_bytes = peak;
    assert_ok(fixture_decode(&f, p.data, p.n), &f.err);
    fixture_close(&f);
    picture_free(&p);
}

/* ------------------------------------------------------------------------------------------- crash corpora -- */

static void run_corpus(const char *relative, size_t *n_refused, size_t *n_good)
{
    char *dir = test_data_path(relative);
    DIR *d = dir ? opendir(dir) : NULL;
    for (const struct dirent *e; d && (e = readdir(d)) != NULL;) {
        size_t n_bytes;
        char *path = test_path(dir, e->d_name);
        uint8_t *file = strstr(e->d_name, ".jp") ? test_read_file(path, &n_bytes) : NULL;
        if (file) {
            fixture f;
            fixture_init(&f);
            const clock_t start = clock();
            const einf_status status = fixture_decode(&f, file, n_bytes);
            if ((double)(clock() - start) / CLOCKS_PER_SEC > test_patience_s()) fail_msg("%s: too slow", e->d_name);
            assert_true(f.mem.peak_bytes < (64u << 20) + n_bytes);
            if (status == EINF_OK) ++*n_good;
            else ++*n_refused;
            assert_true(status == EINF_OK || status == EINF_E_FORMAT || status == EINF_E_UNSUPPORTED ||
                        status == EINF_E_LIMIT);
            fixture_close(&f);
        }
        free(file);
        free(path);
    }
    if (d) closedir(d);
    free(dir);
}

static void test_crash_corpus(void **state)
{
    (void)state;
    size_t n_refused = 0, n_good = 0;
    run_corpus("images/jpeg-decoder-crashtest/images", &n_refused, &n_good);
    run_corpus("images/jpeg-decoder-crashtest/images/imagetestsuite", &n_refused, &n_good);
    if (n_refused + n_good == 0) return;
    assert_int_equal(n_refused, 105);
    assert_int_equal(n_good, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels_are_pillows), cmocka_unit_test(test_orientation_folder),
        cmocka_unit_test(test_colours), cmocka_unit_test(test_scans_do_not_matter),
        cmocka_unit_test(test_orientation), cmocka_unit_test(test_broken_exif), cmocka_unit_test(test_reduced),
        cmocka_unit_test(test_stray_bytes), cmocka_unit_test(test_oddities_are_tolerated),
        cmocka_unit_test(test_h104_many_scans), cmocka_unit_test(test_h104_missing_scans),
        cmocka_unit_test(test_h104_markers), cmocka_unit_test(test_h104_header),
        cmocka_unit_test(test_h104_wide_tables), cmocka_unit_test(test_h104_sizes),
        cmocka_unit_test(test_h104_large_segments), cmocka_unit_test(test_memory_is_counted),
        cmocka_unit_test(test_crash_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
