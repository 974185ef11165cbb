/* SPDX-License-Identifier: MIT
 * test_image_png.c - PNG: every picture of PngSuite and of libpng's own set against an independent reading of its
 * samples, which CRCs made by another decoder vouch for; and what the suites leave out.
 *
 * The CRCs (image-rs) are of the samples as 8 or 16 bits, big-endian, as RGBA or grey and alpha. The reading here asks
 * libpng for just that, whole and de-interlaced by itself, and goes on in floating point.
 */
#include "tests/unit/vision/image_fixture.h"

#include <dirent.h>
#include <math.h>

#include <png.h>

#include "vision/image_private.h"

/* ----------------------------------------------------------------------------------- an independent reading -- */

/* Samples with alpha, as the CRCs mean them. */
typedef struct samples { uint8_t *data; size_t n, width, height, n_channels, n_bytes; } samples;
typedef struct reading { const uint8_t *data; size_t n, at; } reading;

static void read_bytes(png_structp png, png_bytep to, size_t n)
{
    reading *r = png_get_io_ptr(png);
    if (n > r->n - r->at) png_error(png, "end");
    memcpy(to, r->data + r->at, n);
    r->at += n;
}

static void be_silent(png_structp png, png_const_charp text) { (void)png, (void)text; }

/* Fails the test for a file that libpng refuses. */
static samples read_samples(const uint8_t *file, size_t n_bytes)
{
    reading r = { file, n_bytes, 0 };
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, be_silent);
    png_infop info = png_create_info_struct(png);
    if (setjmp(png_jmpbuf(png))) fail_msg("libpng refuses a good file");
    png_set_read_fn(png, &r, read_bytes);
    png_read_info(png, info);
    png_set_expand(png);
    png_set_add_alpha(png, png_get_bit_depth(png, info) == 16 ? 0xffff : 0xff, PNG_FILLER_AFTER);
    (void)png_set_interlace_handling(png);
    png_read_update_info(png, info);
    samples s = { NULL, 0, png_get_image_width(png, info), png_get_image_height(png, info),
                  png_get_channels(png, info), png_get_bit_depth(png, info) / 8u };
    const size_t row = png_get_rowbytes(png, info);
    s.n = row * s.height;
    s.data = malloc(s.n);
    png_bytepp rows = malloc(s.height * sizeof *rows);
    assert_true(s.data && rows);
    for (size_t y = 0; y < s.height; y++) rows[y] = s.data + y * row;
    png_read_image(png, rows);
    free(rows);
    png_destroy_read_struct(&png, &info, NULL);
    return s;
}

/* Channel c of a pixel, in 8 bits: the 16 bits rounded. */
static double sample_at(const samples *s, size_t pixel, size_t c)
{
    const uint8_t *p = s->data + (pixel * s->n_channels + c) * s->n_bytes;
    return s->n_bytes == 1 ? p[0] : floor((p[0] * 256.0 + p[1]) * 255 / 65535 + 0.5);
}

static void check_pixels(const char *name, const samples *s, const einf__image *image)
{
    assert_int_equal(image->width, s->width);
    assert_int_equal(image->height, s->height);
    for (size_t i = 0; i < s->width * s->height; i++) {
        const double alpha = sample_at(s, i, s->n_channels - 1);
        for (size_t c = 0; c < 3; c++) {
            const double v = sample_at(s, i, s->n_channels == 2 ? 0 : c);
            const double expected = floor((v * alpha + 255 * (255 - alpha)) / 255 + 0.5);
            if (image->rgb[i * 3 + c] != expected)
                fail_msg("%s: pixel %zu, channel %zu is %u, not %g", name, i, c, image->rgb[i * 3 + c], expected);
        }
    }
}

/* -------------------------------------------------------------------------------------------- whole suites -- */

/* The value behind "NAME: " in a list of CRCs; NULL without. */
static const char *expectation(const char *list, const char *name)
{
    for (const char *at = list; (at = strstr(at, name)) != NULL; at++) {
        const char *end = at + strlen(name);
        if (end[0] == ':' && at > list && at[-1] == '/') return end + 2;
    }
    return NULL;
}

static void check_good(const char *name, const uint8_t *file, size_t n_bytes, const char *crc)
{
    fixture f;
    fixture_init(&f);
    const samples s = read_samples(file, n_bytes);
    if (crc) assert_int_equal(picture_crc(0, s.data, s.n), strtoul(crc, NULL, 10));
    assert_ok(fixture_decode(&f, file, n_bytes), &f.err);
    assert_int_equal(f.image.format, EINF__IMAGE_PNG);
    check_pixels(name, &s, &f.image);
    free(s.data);
    fixture_close(&f);
}

static void test_pngsuite(void **state)
{
    (void)state;
    char *list = (char *)test_read_data("images/pngsuite-results/results_alpha.txt", NULL);
    char *dir = test_data_path("images/pngsuite");
    if (!list || !dir) return;
    size_t n_good = 0, n_corrupt = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d)) != NULL;) {
        const char *crc = expectation(list, e->d_name);
        if (!strstr(e->d_name, ".png")) continue;
        assert_non_null(crc);
        size_t n_bytes;
        char *path = test_path(dir, e->d_name);
        uint8_t *file = test_read_file(path, &n_bytes);
        assert_non_null(file);
        if (strncmp(crc, "Expected failure", 16) == 0) {
            expect_refused(file, n_bytes, EINF_E_FORMAT, "damaged PNG: ");
            n_corrupt++;
        } else {
            check_good(e->d_name, file, n_bytes, crc);
            n_good++;
        }
        free(file);
        free(path);
    }
    closedir(d);
    assert_int_equal(n_good, 161);
    assert_int_equal(n_corrupt, 14);
    free(dir);
    free(list);
}

static void test_pngsuite_says_what_is_wrong(void **state)
{
    static const struct { const char *name, *says; uint64_t offset; } cases[] = {
        { "xc1n0g08", "Invalid color type in IHDR", 33 }, { "xc9n2c08", "Invalid color type in IHDR", 33 },
        { "xd0n2c08", "bit depth combination in IHDR", 33 }, { "xd3n2c08", "bit depth combination in IHDR", 33 },
        { "xd9n2c08", "Invalid bit depth in IHDR", 33 }, { "xhdn0g08", "IHDR: CRC error", 33 },
        { "xcsn0g01", "IDAT: CRC error", 152 }, { "xdtn0g01", "IEND: out of place", 57 },
        { "xcrn0g04", "signature", 0 }, { "xlfn0g04", "signature", 0 }, { "xs1n0g01", "signature", 0 },
        { "xs2n0g01", "signature", 0 }, { "xs4n0g01", "signature", 0 }, { "xs7n0g01", "signature", 0 },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char path[64];
        size_t n_bytes;
        fixture f;
        (void)snprintf(path, sizeof path, "images/pngsuite/%s.png", cases[i].name);
        uint8_t *file = test_read_data(path, &n_bytes);
        if (!file) return;
        fixture_init(&f);
        assert_status(fixture_decode(&f, file, n_bytes), &f.err, EINF_E_FORMAT);
        assert_error_says(&f.err, cases[i].says);
        assert_int_equal(f.err.offset, cases[i].offset);
        fixture_close(&f);
        free(file);
    }
}

/* Every file of a folder; how many were decoded, which check_good compares, and refused with what `says`. */
static void run_folder(const char *relative, const char *says, size_t *n_good, size_t *n_refused)
{
    char *dir = test_data_path(relative);
    *n_good = *n_refused = 0;
    DIR *d = dir ? opendir(dir) : NULL;
    for (const struct dirent *e; d && (e = readdir(d)) != NULL;) {
        size_t n_bytes;
        char *path = test_path(dir, e->d_name);
        uint8_t *file = strstr(e->d_name, ".png") ? test_read_file(path, &n_bytes) : NULL;
        if (file) {
            fixture f;
            fixture_init(&f);
            if (fixture_decode(&f, file, n_bytes) == EINF_OK) {
                check_good(e->d_name, file, n_bytes, NULL);
                ++*n_good;
            } else {
                assert_status(f.err.code, &f.err, EINF_E_FORMAT);
                assert_error_says(&f.err, says);
                ++*n_refused;
            }
            fixture_close(&f);
        }
        free(file);
        free(path);
    }
    if (d) closedir(d);
    free(dir);
}

static void test_libpng_pictures(void **state)
{
    (void)state;
    size_t n_good, n_refused;
    run_folder("images/libpng-testpngs", "", &n_good, &n_refused);
    if (n_good + n_refused == 0) return;
    assert_int_equal(n_refused, 0);
    assert_true(n_good > 80);
    run_folder("images/libpng-testpngs/badpal", "palette index", &n_good, &n_refused);
    assert_int_equal(n_good, 0);
    assert_int_equal(n_refused, 9);
    run_folder("images/libpng-testpngs/crashers", "damaged PNG: ", &n_good, &n_refused);
    assert_int_equal(n_good, 1); /* empty_ancillary_chunks: they touch no pixel */
    assert_int_equal(n_refused, 22);
}

/* ------------------------------------------------------------------------------------ what the suites leave out -- */

static void test_every_kind(void **state)
{
    static const uint8_t kinds[][2] = { { 0, 1 }, { 0, 2 }, { 0, 4 }, { 0, 8 }, { 0, 16 }, { 2, 8 }, { 2, 16 },
        { 3, 1 }, { 3, 2 }, { 3, 4 }, { 3, 8 }, { 4, 8 }, { 4, 16 }, { 6, 8 }, { 6, 16 } };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(kinds); i++)
        for (uint32_t side = 1; side <= 18; side += side < 9 ? 1 : 9)
            for (uint32_t interlace = 0; interlace < 2; interlace++) {
                picture p = { NULL, 0, 0 };
                png_make(&p, side, 19 - side, kinds[i][1], kinds[i][0], interlace);
                check_good("made", p.data, p.n, NULL);
                picture_free(&p);
            }
}

static void test_alpha_on_white(void **state)
{
    (void)state;
    for (uint32_t v = 0; v < 256; v++)
        for (uint32_t a = 0; a < 256; a++)
            assert_int_equal(einf__over_white((uint8_t)v, (uint8_t)a),
                             (int)floor((v * a + 255.0 * (255 - a)) / 255 + 0.5));
}

/* A picture of one row, 16 bits of grey, that holds all roundings. */
static void test_16_bits(void **state)
{
    (void)state;
    uint8_t raw[1 + 1024 * 2] = { 0 };
    picture p = { NULL, 0, 0 };
    for (uint32_t x = 0; x < 1024; x++) {
        const uint32_t v = x * 64 + (x & 63);
        raw[1 + x * 2] = (uint8_t)(v >> 8);
        raw[2 + x * 2] = (uint8_t)v;
    }
    png_begin(&p, 1024, 1, 16, PNG_GRAY, 0);
    png_data(&p, raw, sizeof raw);
    png_end(&p);
    fixture f;
    fixture_init(&f);
    assert_ok(fixture_decode(&f, p.data, p.n), &f.err);
    for (uint32_t x = 0; x < 1024; x++)
        assert_int_equal(pixel_at(&f.image, x, 0)[1], (int)floor((x * 64 + (x & 63)) / 257.0 + 0.5));
    fixture_close(&f);
    picture_free(&p);
}

/* Gamma, background, profile, time and comments behind IHDR change nothing; neither do the frames of an APNG. */
static void test_other_chunks_change_nothing(void **state)
{
    static const uint8_t gamma[4] = { 0, 0, 0x27, 0x10 }, grey[2] = { 0, 9 }, anything[40] = { 7, 0, 0 };
    static const char *const types[] = { "iCCP", "tEXt", "zTXt", "pHYs", "sBIT", "cHRM", "tIME", "acTL", "fcTL",
                                         "fdAT", "prVt" };
    (void)state;
    fixture plain, f;
    picture p = { NULL, 0, 0 };
    png_make(&p, 9, 7, 8, PNG_GRAY_ALPHA, 0);
    fixture_init(&plain);
    assert_ok(fixture_decode(&plain, p.data, p.n), &plain.err);
    picture chunks = { NULL, 0, 0 };
    png_chunk(&chunks, "gAMA", gamma, sizeof gamma);
    png_chunk(&chunks, "bKGD", grey, sizeof grey);
    for (size_t i = 0; i < TEST_COUNT(types); i++) png_chunk(&chunks, types[i], anything, sizeof anything);
    picture_splice(&p, png_find(&p, "IDAT", 0), 0, chunks.data, chunks.n);
    picture_splice(&p, png_find(&p, "IEND", 0), 0, chunks.data + 30, chunks.n - 30); /* from iCCP on */
    fixture_init(&f);
    assert_ok(fixture_decode(&f, p.data, p.n), &f.err);
    assert_memory_equal(f.image.rgb, plain.image.rgb, einf__image_bytes(&plain.image));
    fixture_close(&f);
    fixture_close(&plain);
    picture_free(&chunks);
    picture_free(&p);
}

/* Each orientation, before the data and behind them, interlaced and not: the same pixels elsewhere. */
static void test_orientation(void **state)
{
    (void)state;
    for (uint32_t interlace = 0; interlace < 2; interlace++) {
        fixture plain;
        picture p = { NULL, 0, 0 };
        png_make(&p, 13, 6, 8, PNG_RGB, interlace);
        fixture_init(&plain);
        assert_ok(fixture_decode(&plain, p.data, p.n), &plain.err);
        for (uint32_t i = 2; i < 36; i++) {
            const int32_t o = 1 + (int32_t)i / 4;
            fixture f;
            picture tiff = { NULL, 0, 0 }, chunk = { NULL, 0, 0 }, turned = { NULL, 0, 0 };
            tiff_make(&tiff, (uint32_t)o, i & 1);
            png_chunk(&chunk, "eXIf", tiff.data, tiff.n);
            picture_put(&turned, p.data, p.n);
            picture_splice(&turned, png_find(&p, i & 2 ? "IEND" : "IDAT", 0), 0, chunk.data, chunk.n);
            fixture_init(&f);
            assert_ok(fixture_decode(&f, turned.data, turned.n), &f.err);
            assert_int_equal(f.image.orientation, o == 9 ? 1 : o);
            assert_int_equal(f.image.width, o >= 5 && o < 9 ? 6 : 13);
            for (uint32_t y = 0; y < f.image.height; y++)
                for (uint32_t x = 0; x < f.image.width; x++) {
                    uint32_t sx, sy;
                    stored_place(f.image.orientation, f.image.width, f.image.height, x, y, &sx, &sy);
                    assert_memory_equal(pixel_at(&f.image, x, y), pixel_at(&plain.image, sx, sy), 3);
                }
            fixture_close(&f);
            picture_free(&turned);
            picture_free(&chunk);
            picture_free(&tiff);
        }
        fixture_close(&plain);
        picture_free(&p);
    }
}

/* Behind the compressed data may lie a few bytes more; a checksum must be right all the same. */
static void test_bytes_behind_the_data(void **state)
{
    (void)state;
    static const uint8_t raw[6] = { 0, 1, 2, 3, 4, 5 };
    for (int wrong = 0; wrong < 2; wrong++) {
        picture stream = { NULL, 0, 0 }, p = { NULL, 0, 0 };
        png_zlib(&stream, raw, sizeof raw);
        stream.data[stream.n - 1] ^= (uint8_t)wrong;
        picture_put(&stream, "more", 4);
        png_begin(&p, 5, 1, 8, PNG_GRAY, 0);
        png_chunk(&p, "IDAT", stream.data, stream.n);
        png_end(&p);
        picture_put(&p, "and a polyglot", 14);
        if (wrong) {
            expect_refused(p.data, p.n, EINF_E_FORMAT, "IDAT: incorrect data check");
        } else {
            fixture f;
            fixture_init(&f);
            assert_ok(fixture_decode(&f, p.data, p.n), &f.err);
            assert_int_equal(pixel_at(&f.image, 4, 0)[2], 5);
            fixture_close(&f);
        }
        picture_free(&p);
        picture_free(&stream);
    }
}

/* ------------------------------------------------------------------------------------------------------ H-103 -- */

static void test_h103_crc(void **state)
{
    static const char *const chunks[] = { "IHDR", "PLTE", "tEXt", "IDAT", "IEND" };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(chunks); i++) {
        char says[32];
        picture p = { NULL, 0, 0 }, text = { NULL, 0, 0 };
        png_make(&p, 4, 4, 2, PNG_PALETTE, 0);
        png_chunk(&text, "tEXt", "a\0b", 3);
        picture_splice(&p, png_find(&p, "IDAT", 0), 0, text.data, text.n);
        const size_t at = png_find(&p, chunks[i], 0);
        p.data[at + 8 + p.data[at + 3] + 2] ^= 1; /* all are shorter than 256 bytes */
        (void)snprintf(says, sizeof says, "%s: CRC error", chunks[i]);
        expect_built_refused(&p, EINF_E_FORMAT, says);
        picture_free(&text);
    }
}

/* A stream that inflates to a thousand times its size: no more of it is inflated than a few rows, whatever it holds. */
static void test_h103_bomb(void **state)
{
    (void)state;
    enum { SIDE = 8192 };
    png_image out = { .version = PNG_IMAGE_VERSION, .width = SIDE, .height = SIDE, .format = PNG_FORMAT_GRAY };
    uint8_t *zeros = calloc(SIDE, SIDE);
    png_alloc_size_t n_bytes = SIDE * SIDE;
    assert_non_null(zeros);
    uint8_t *file = malloc(n_bytes);
    assert_non_null(file);
    assert_true(png_image_write_to_memory(&out, file, &n_bytes, 0, zeros, 0, NULL));
    assert_true(n_bytes < SIDE * SIDE / 900);
    picture p = { NULL, 0, 0 };
    picture_put(&p, file, n_bytes);
    free(file);
    free(zeros);

    fixture f;
    fixture_init(&f);
    f.options.max_pixels = SIDE * SIDE - 1;
    assert_status(fixture_decode(&f, p.data, p.n), &f.err, EINF_E_LIMIT);
    assert_error_says(&f.err, "8192 x 8192 pixels are more than the limit of 67108863");
    assert_true(f.heap.peak_bytes < 4096);
    memcpy(p.data + 16, "\0\0\0\x10\0\0\0\x10", 8); /* 16 x 16 */
    png_fix_crc(&p, 8);
    assert_status(fixture_decode(&f, p.data, p.n), &f.err, EINF_E_FORMAT);
    assert_error_says(&f.err, "IDAT goes on after the last pixel");
    assert_true(f.err.offset < 40000);
    assert_true(f.heap.peak_bytes < 100000);
    fixture_close(&f);
    picture_free(&p);
}

/* A size that no stream of the file's length can fill is refused before the pixels are allocated. */
static void test_h103_too_short_for_its_size(void **state)
{
    (void)state;
    fixture f;
    picture p = { NULL, 0, 0 };
    png_make(&p, 4, 4, 8, PNG_RGB, 0);
    memcpy(p.data + 16, "\0\0\x1f\xff\0\0\x1f\xff", 8);
    png_fix_crc(&p, 8);
    fixture_init(&f);
    assert_status(fixture_decode(&f, p.data, p.n), &f.err, EINF_E_FORMAT);
    assert_error_says(&f.err, "8191 x 8191 pixels cannot be in a file of");
    assert_true(f.heap.peak_bytes < 4096);
    fixture_close(&f);
    picture_free(&p);
}

static void test_h103_chunk_lengths(void **state)
{
    static const char *const chunks[] = { "IHDR", "PLTE", "IDAT", "IEND" };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(chunks); i++)
        for (uint32_t high = 0x7f; high <= 0xff; high += 0x80) { /* 2^31 - x, 2^32 - x */
            picture p = { NULL, 0, 0 };
            png_make(&p, 4, 4, 2, PNG_PALETTE, 0);
            memset(p.data + png_find(&p, chunks[i], 0), (int)high, 4);
            expect_built_refused(&p, EINF_E_FORMAT, "damaged PNG: ");
        }
}

/* PLTE and tRNS missing, too long, too short, where they do not belong, and twice. */
static void test_h103_palettes(void **state)
{
    static const uint8_t bytes[1200] = { 1 };
    static const struct { const char *type; uint32_t colour, depth, n_plte, n; const char *says; } cases[] = {
        { "tRNS", PNG_PALETTE, 2, 0, 1, "tRNS: out of place" },
        { NULL, PNG_PALETTE, 2, 0, 0, "Missing PLTE" },
        { "tRNS", PNG_PALETTE, 2, 12, 5, "tRNS: invalid" },
        { "tRNS", PNG_PALETTE, 2, 12, 1200, "tRNS: invalid" },
        { "tRNS", PNG_GRAY, 8, 0, 1, "tRNS: invalid" },
        { "tRNS", PNG_RGB, 8, 0, 5, "tRNS: invalid" },
        { "tRNS", PNG_RGBA, 8, 0, 6, "tRNS: invalid with alpha" },
        { "PLTE", PNG_PALETTE, 8, 12, 12, "PLTE: duplicate" },
        { NULL, PNG_PALETTE, 8, 11, 0, "PLTE: invalid" },
        { NULL, PNG_PALETTE, 8, 771, 0, "PLTE: invalid" },
        { NULL, PNG_GRAY, 8, 12, 0, "PLTE: ignored in grayscale" },
        { NULL, PNG_PALETTE, 16, 12, 0, "bit depth combination" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        static const uint8_t raw[1 + 8] = { 0 };
        picture p = { NULL, 0, 0 };
        png_begin(&p, 2, 1, cases[i].depth, cases[i].colour, 0);
        if (cases[i].n_plte) png_chunk(&p, "PLTE", bytes, cases[i].n_plte);
        if (cases[i].type) png_chunk(&p, cases[i].type, bytes, cases[i].n);
        png_data(&p, raw, sizeof raw);
        png_end(&p);
        expect_built_refused(&p, EINF_E_FORMAT, cases[i].says);
    }
}

static void test_h103_streams(void **state)
{
    (void)state;
    static const uint8_t raw[15] = { 0, 1, 2, 3, 4, 0, 5, 6, 7, 8 };
    static const struct { size_t n_raw, at; uint8_t to; uint32_t interlace; const char *says; } cases[] = {
        { 10, 1, 0x20, 0, "IDAT: missing LZ dictionary" },
        { 10, 1, 0x3c, 0, "IDAT: incorrect header check" },
        { 10, 0, 0x79, 0, "IDAT: incorrect header check" },
        { 9, 1, 0x01, 0, "Not enough image data" },
        { 9, 1, 0x01, 1, "Not enough image data" }, /* of an interlaced one */
        { 15, 1, 0x01, 0, "Too much image data" },
        { 10, 7, 0x05, 0, "bad adaptive filter value" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        picture stream = { NULL, 0, 0 }, p = { NULL, 0, 0 };
        png_zlib(&stream, raw, cases[i].n_raw);
        stream.data[cases[i].at] = cases[i].to;
        png_begin(&p, 4, 2, 8, PNG_GRAY, cases[i].interlace);
        png_chunk(&p, "IDAT", stream.data, stream.n);
        png_end(&p);
        expect_built_refused(&p, EINF_E_FORMAT, cases[i].says);
        picture_free(&stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pngsuite), cmocka_unit_test(test_pngsuite_says_what_is_wrong),
        cmocka_unit_test(test_libpng_pictures), cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_alpha_on_white), cmocka_unit_test(test_16_bits),
        cmocka_unit_test(test_other_chunks_change_nothing), cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_bytes_behind_the_data), cmocka_unit_test(test_h103_crc),
        cmocka_unit_test(test_h103_bomb), cmocka_unit_test(test_h103_too_short_for_its_size),
        cmocka_unit_test(test_h103_chunk_lengths), cmocka_unit_test(test_h103_palettes),
        cmocka_unit_test(test_h103_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
