/* SPDX-License-Identifier: MIT
 * image_fixture.h - decoding for the tests of this folder, with every promise checked that holds for any file.
 */
#ifndef TESTS_IMAGE_FIXTURE_H
#define TESTS_IMAGE_FIXTURE_H

#include "tests/support/picture_build.h"
#include "tests/support/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vision/image.h"

typedef struct fixture {
    test_heap heap;
    einf__memory mem;
    einf__decode_options options;
    einf__image image;
    einf_error err;
} fixture;

static inline void fixture_init(fixture *f)
{
    memset(f, 0, sizeof *f);
    test_heap_init(&f->heap, 0);
    einf__memory_init(&f->mem, &f->heap.allocator, 0);
    f->options.max_pixels = EINF__IMAGE_MAX_PIXELS;
    f->err = test_error();
}

/* A probe says of a picture what decoding it says, and needs no memory of ours. */
static inline void check_probe(fixture *f, const uint8_t *data, size_t n)
{
    einf__image facts;
    einf_error err = test_error();
    assert_ok(einf__image_probe(data, n, &f->options, &facts, &err), &err);
    assert_null(facts.rgb);
    assert_int_equal(facts.width, f->image.width);
    assert_int_equal(facts.height, f->image.height);
    assert_int_equal(facts.full_width, f->image.full_width);
    assert_int_equal(facts.full_height, f->image.full_height);
    assert_int_equal(facts.orientation, f->image.orientation);
    assert_int_equal(facts.reduced_by, f->image.reduced_by);
    assert_int_equal(facts.format, f->image.format);
}

static inline einf_status fixture_decode(fixture *f, const void *data, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1); /* exact: a sanitizer sees one byte too far */
    assert_non_null(copy);
    if (n) memcpy(copy, data, n);
    f->err = test_error();
    const einf_status status = einf__image_decode(&f->mem, copy, n, &f->options, &f->image, &f->err);
    if (status == EINF_OK) {
        assert_non_null(f->image.rgb);
        assert_true(f->image.width > 0 && f->image.height > 0);
        assert_true((uint64_t)f->image.width * f->image.height <= f->options.max_pixels);
        assert_int_equal(f->heap.n_live, 1);
        assert_int_equal(f->mem.used_bytes, einf__image_bytes(&f->image));
        check_probe(f, copy, n);
    } else {
        static const einf__image nothing;
        assert_memory_equal(&f->image, &nothing, sizeof nothing);
        assert_int_equal(f->err.code, status);
        assert_true(f->err.message[0] != '\0');
        assert_true(f->err.offset <= n || f->err.offset == EINF_NO_OFFSET);
        assert_int_equal(f->heap.n_live, 0);
        assert_int_equal(f->mem.used_bytes, 0);
    }
    free(copy);
    return status;
}

static inline void fixture_close(fixture *f)
{
    einf__image_deinit(&f->image);
    assert_int_equal(f->heap.n_live, 0);
    assert_int_equal(f->mem.used_bytes, 0);
}

/* The file is refused so, and the message or the hint says that. */
static inline void expect_refused(const void *data, size_t n, einf_status expected, const char *says)
{
    fixture f;
    fixture_init(&f);
    assert_status(fixture_decode(&f, data, n), &f.err, expected);
    assert_error_says(&f.err, says);
    fixture_close(&f);
}

/* The same of a picture that was built, which is freed. */
static inline void expect_built_refused(picture *p, einf_status expected, const char *says)
{
    expect_refused(p->data, p->n, expected, says);
    picture_free(p);
}

static inline const uint8_t *pixel_at(const einf__image *image, uint32_t x, uint32_t y)
{
    return image->rgb + ((size_t)y * image->width + x) * 3;
}

/* Where EXIF puts the pixel (x, y) of an upright picture of width x height in what is stored. */
static inline void stored_place(int32_t o, uint32_t width, uint32_t height, uint32_t x, uint32_t y, uint32_t *sx,
                                uint32_t *sy)
{
    const uint32_t rx = width - 1 - x, ry = height - 1 - y;
    const uint32_t places[9][2] = { { 0, 0 }, { x, y }, { rx, y }, { rx, ry }, { x, ry },
                                    { y, x }, { y, rx }, { ry, rx }, { ry, x } };
    *sx = places[o][0];
    *sy = places[o][1];
}

#endif
