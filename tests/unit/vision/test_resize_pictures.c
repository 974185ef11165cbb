/* SPDX-License-Identifier: MIT
 * test_resize_pictures.c - real pictures: a photograph against its resizes by another program (disintegration/imaging),
 * and the pixel values that the reference preprocessor of Qwen2.5-VL makes of a JPEG.
 */
#include <edgeinfer/vision.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/cpu.h"
#include "tests/support/test_support.h"
#include "vision/image.h"
#include "vision/preprocess.h"
#include "vision/resize.h"

/* False, with a SKIP line, where the file is not. */
static bool open_picture(einf__memory *mem, const char *name, einf__image *out)
{
    size_t n_bytes;
    uint8_t *data = test_read_data(name, &n_bytes);
    if (!data) return false;
    const einf__decode_options options = {.max_pixels = EINF__IMAGE_MAX_PIXELS};
    einf_error err = test_error();
    assert_ok(einf__image_decode(mem, data, n_bytes, &options, out, &err), &err);
    free(data);
    return true;
}

/* rgb [height, width, 3], malloc'd. */
static uint8_t *resized(einf__memory *mem, const einf__image *src, uint32_t width, uint32_t height, int32_t filter)
{
    einf_error err = test_error();
    einf__kernels kernels;
    einf__kernels_init(&kernels, einf__cpu_features(), NULL);
    einf__pool *pool;
    assert_ok(einf__pool_create(mem, 2, &pool, &err), &err);
    assert_ok(einf__pool_acquire(pool, NULL, NULL, &err), &err);
    uint8_t *dst = malloc((size_t)width * height * 3);
    assert_non_null(dst);
    const einf__resize r = {src->rgb, dst, src->width, src->height, width, height, filter, &kernels, pool, NULL, NULL};
    assert_ok(einf__resize_run(&r, mem, &err), &err);
    einf__pool_release(pool);
    einf__pool_destroy(&pool);
    return dst;
}

/* Another implementation, with weights of its own: to within 1. */
static void photograph_by_another_program(void **state)
{
    static const struct {
        const char *name;
        int32_t filter;
    } cases[] = {{"images/resize-imaging/out_resize_linear.png", EINF_FILTER_BILINEAR},
                 {"images/resize-imaging/out_resize_catrom.png", EINF_FILTER_BICUBIC},
                 {"images/resize-imaging/out_resize_lanczos.png", EINF_FILTER_LANCZOS}};
    (void)state;
    einf__memory mem;
    einf__memory_init(&mem, NULL, 0);
    einf__image src;
    if (!open_picture(&mem, "images/resize-imaging/branches.png", &src)) return;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        einf__image want;
        assert_true(open_picture(&mem, cases[i].name, &want));
        uint8_t *got = resized(&mem, &src, want.width, want.height, cases[i].filter);
        for (size_t p = 0; p < (size_t)want.width * want.height * 3; p++)
            if (abs(got[p] - want.rgb[p]) > 1) fail_msg("%s at %zu: %d, not %d", cases[i].name, p, got[p], want.rgb[p]);
        free(got);
        einf__image_deinit(&want);
    }
    einf__image_deinit(&src);
    assert_int_equal(mem.used_bytes, 0);
}

enum { N_VALUES = 1000, PATCH = 14 };

/* The first values of patch (0, 0), [channel, moment, row, column]: both moments see the same. */
static void qwen_pixel_values(void **state)
{
    (void)state;
    einf__memory mem;
    einf__memory_init(&mem, NULL, 0);
    einf__image src;
    char *text = (char *)test_read_data("images/vlm-preproc/qwen2.5vl/pixel_values_reference.txt", NULL);
    if (!text) return;
    assert_true(open_picture(&mem, "images/vlm-preproc/processor/australia.jpg", &src));
    const einf__preprocess_facts facts = {14, 2, 3136, 12845056, {0.48145466f, 0.4578275f, 0.40821073f},
                                          {0.26862954f, 0.26130258f, 0.27577711f}};
    einf_image_sizes sizes;
    einf_error err = test_error();
    assert_ok(einf__preprocess_sizes(NULL, &facts, 540, 360, &sizes, &err), &err); /* as its configuration says */
    assert_int_equal(sizes.width, 532);
    assert_int_equal(sizes.height, 364);
    uint8_t *rgb = resized(&mem, &src, sizes.width, sizes.height, EINF_FILTER_BICUBIC);
    float *pixels = malloc((size_t)sizes.width * sizes.height * 3 * sizeof *pixels);
    einf__pixel_values values;
    einf__pixel_values_init(&values, facts.mean, facts.std);
    einf__normalize(&values, rgb, sizes.width, sizes.height, pixels);
    const char *at = text;
    for (int i = 0; i < N_VALUES; i++) {
        char *end;
        const double want = strtod(at, &end);
        assert_true(end != at);
        at = end;
        const int channel = i / (2 * PATCH * PATCH), y = i / PATCH % PATCH, x = i % PATCH;
        const double byte = (want * (double)facts.std[channel] + (double)facts.mean[channel]) * 255.0;
        const size_t place = (size_t)y * sizes.width + (size_t)x;
        assert_int_equal(rgb[3 * place + (size_t)channel], lround(byte));
        assert_near(pixels[(size_t)channel * sizes.width * sizes.height + place], want, 0.0, 1e-6);
    }
    free(text);
    free(rgb);
    free(pixels);
    einf__image_deinit(&src);
    assert_int_equal(mem.used_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(photograph_by_another_program), cmocka_unit_test(qwen_pixel_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
