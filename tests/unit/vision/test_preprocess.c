/* SPDX-License-Identifier: MIT
 * test_preprocess.c - sizes by every rule, against tables of the programs that are to be met; options that contradict
 * each other; numbers that would overflow; and pixels as numbers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test_support.h"
#include "vision/preprocess.h"
#include "vision/resize.h"

/* Qwen2-VL without limits of its own. */
static const einf__preprocess_facts plain = {.patch_size = 14, .merge_size = 2};

static einf_preprocess rule(int32_t which)
{
    einf_preprocess o = EINF_INIT(einf_preprocess);
    o.rule = which;
    return o;
}

static einf_image_sizes sizes_of(const einf_preprocess *o, const einf__preprocess_facts *facts, uint32_t width,
                                 uint32_t height)
{
    einf_image_sizes s;
    einf_error err = test_error();
    assert_ok(einf__preprocess_sizes(o, facts, width, height, &s, &err), &err);
    return s;
}

static void expect_refused(const einf_preprocess *o, uint32_t width, uint32_t height, einf_status status,
                           const char *where, const char *says, const char *says_too)
{
    einf_image_sizes s;
    einf_error err = test_error();
    assert_status(einf__preprocess_sizes(o, &plain, width, height, &s, &err), &err, status);
    assert_string_equal(err.where, where);
    assert_error_says(&err, says);
    assert_error_says(&err, says_too);
}

/* -------------------------------------------------------------------------------------------------- pixels -- */

/* One line of the table. Returns false where the sizes are refused. */
static bool check_smart_resize(const char *line)
{
    unsigned factor, width, height, want_width, want_height;
    unsigned long long low, high;
    assert_int_equal(sscanf(line, "%u %llu %llu %u %u %u %u", &factor, &low, &high, &width, &height, &want_width,
                            &want_height), 7);
    const einf__preprocess_facts facts = {.patch_size = factor / 2, .merge_size = 2, .min_pixels = low,
                                          .max_pixels = high};
    const uint64_t n_tokens = (uint64_t)(want_width / factor) * (want_height / factor);
    const bool fits = n_tokens >= 1 && n_tokens <= EINF__MAX_IMAGE_TOKENS;
    einf_image_sizes s;
    einf_error err = test_error();
    const einf_status status = einf__preprocess_sizes(NULL, &facts, width, height, &s, &err);
    assert_status(status, &err, fits ? EINF_OK : EINF_E_LIMIT);
    if (!fits) return false;
    if (s.width != want_width || s.height != want_height)
        fail_msg("%s: got %u x %u", line, s.width, s.height);
    assert_int_equal(s.n_tokens, n_tokens);
    assert_int_equal(s.n_patches, 4 * n_tokens);
    assert_int_equal(s.n_patches_x * factor / 2, want_width);
    assert_int_equal(s.min_pixels, low);
    assert_int_equal(s.max_pixels, high);
    return true;
}

static void sizes_are_those_of_transformers(void **state)
{
    (void)state;
    char *text = (char *)test_read_file("tests/golden/data/smart_resize.tsv", NULL);
    assert_non_null(text);
    int n_fit = 0, n_refused = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (line[0] == '#') continue;
        if (check_smart_resize(line)) n_fit++;
        else n_refused++;
    }
    free(text);
    assert_int_equal(n_fit, 203);
    assert_int_equal(n_refused, 4);
}

static void every_field_of_a_reduced_picture(void **state)
{
    (void)state;
    const einf_image_sizes s = sizes_of(NULL, &plain, 4032, 3024);
    assert_int_equal(s.struct_size, sizeof s);
    assert_int_equal(s.rule, EINF_RESIZE_PIXELS);
    assert_int_equal(s.filter, EINF_FILTER_BICUBIC);
    assert_int_equal(s.limit_width, 0);
    assert_int_equal(s.limit_height, 0);
    assert_int_equal(s.nominal_width, 4032);
    assert_int_equal(s.nominal_height, 3024);
    assert_int_equal(s.clamped_width, 2069); /* 4032 / sqrt(4032 * 3024 / 3211264), cut off */
    assert_int_equal(s.clamped_height, 1551);
    assert_int_equal(s.width, 2044);
    assert_int_equal(s.height, 1540);
    assert_int_equal(s.n_patches_x, 146);
    assert_int_equal(s.n_patches_y, 110);
    assert_int_equal(s.n_patches, 16060);
    assert_int_equal(s.n_tokens_x, 73);
    assert_int_equal(s.n_tokens_y, 55);
    assert_int_equal(s.n_tokens, 4015);
    assert_int_equal(s.min_pixels, 8 * 784);
    assert_int_equal(s.max_pixels, 4096 * 784);
    assert_near(s.scale_x * 2044, 4032, 1e-15, 0.0);
    assert_near(s.scale_y * 1540, 3024, 1e-15, 0.0);
    assert_int_equal(s.n_macs, 0);
    assert_int_equal(s.encode_bytes, 0);
}

static void small_pictures_grow_and_middling_ones_stay(void **state)
{
    (void)state;
    const einf_image_sizes dot = sizes_of(NULL, &plain, 1, 1), photo = sizes_of(NULL, &plain, 640, 480);
    assert_int_equal(dot.width, 84); /* 8 tokens in a square are 79.2 pixels to a side */
    assert_int_equal(dot.height, 84);
    assert_int_equal(dot.clamped_width, 80);
    assert_int_equal(photo.clamped_width, 640);
    assert_int_equal(photo.clamped_height, 480);
    assert_int_equal(photo.width, 644);
    assert_int_equal(photo.height, 476);
}

/* The options' limits, the file's, ours; and a default that gives way to a limit that was given. */
static void limits_resolve(void **state)
{
    einf__preprocess_facts file = plain;
    file.min_pixels = 3136;
    file.max_pixels = 1003520;
    static const struct {
        uint32_t min_tokens, max_tokens;
        uint64_t min_pixels, max_pixels;
        bool has_file;
        uint64_t min, max;
    } cases[] = {
        {0, 0, 0, 0, false, 8 * 784, 4096 * 784},
        {0, 0, 0, 0, true, 3136, 1003520},
        {16, 64, 0, 0, true, 16 * 784, 64 * 784},
        {0, 0, 5000, 90000, true, 5000, 90000},
        {16, 0, 0, 90000, true, 16 * 784, 90000},
        {0, 3, 0, 0, true, 3 * 784, 3 * 784},
        {2000, 0, 0, 0, true, 2000 * 784, 2000 * 784},
        {0, UINT32_MAX, 0, 0, true, 3136, (uint64_t)UINT32_MAX * 784},
        {0, 0, 0, UINT64_MAX, true, 3136, UINT64_MAX},
        {EINF__MAX_IMAGE_TOKENS, 0, 0, 0, false, (uint64_t)EINF__MAX_IMAGE_TOKENS * 784,
         (uint64_t)EINF__MAX_IMAGE_TOKENS * 784},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        einf_preprocess o = rule(EINF_RESIZE_DEFAULT);
        o.min_tokens = cases[i].min_tokens;
        o.max_tokens = cases[i].max_tokens;
        o.min_pixels = cases[i].min_pixels;
        o.max_pixels = cases[i].max_pixels;
        const einf_image_sizes s = sizes_of(&o, cases[i].has_file ? &file : &plain, 28 * 128, 28 * 128);
        assert_true(s.min_pixels == cases[i].min && s.max_pixels == cases[i].max);
    }
}

/* ----------------------------------------------------------------------------------------- the other rules -- */

static void boxes_edges_and_none(void **state)
{
    static const struct {
        int32_t rule;
        uint32_t a, b, width, height, limit_width, limit_height, clamped_width, clamped_height, to_width, to_height;
    } cases[] = {
        {EINF_RESIZE_LONGEST_EDGE, 0, 0, 4032, 3024, 1024, 1024, 1024, 768, 1036, 784},
        {EINF_RESIZE_LONGEST_EDGE, 854, 0, 4032, 3024, 854, 854, 854, 640, 868, 644},
        {EINF_RESIZE_LONGEST_EDGE, 0, 0, 640, 480, 1024, 1024, 640, 480, 644, 504},
        {EINF_RESIZE_LONGEST_EDGE, 0, 0, 1, 1, 1024, 1024, 1, 1, 28, 28},
        {EINF_RESIZE_LONGEST_EDGE, 1, 0, 640, 480, 1, 1, 1, 1, 28, 28},
        {EINF_RESIZE_LONGEST_EDGE, 0, 0, 1, 100000, 1024, 1024, 1, 1024, 28, 1036}, /* H-108 */
        {EINF_RESIZE_LONGEST_EDGE, 1 << 20, 0, 56, 28, 1 << 20, 1 << 20, 56, 28, 56, 28},
        {EINF_RESIZE_BOX, 500, 300, 4032, 3024, 500, 300, 400, 300, 420, 308},
        {EINF_RESIZE_BOX, 300, 1000, 600, 3000, 300, 1000, 200, 1000, 224, 1008},
        {EINF_RESIZE_BOX, 1, 1 << 20, 2, 56, 1, 1 << 20, 1, 28, 28, 28},
        {EINF_RESIZE_NONE, 0, 0, 640, 480, 0, 0, 640, 480, 644, 504},
        {EINF_RESIZE_NONE, 0, 0, 1, 100000, 0, 0, 1, 100000, 28, 100016},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        einf_preprocess o = rule(cases[i].rule);
        if (o.rule == EINF_RESIZE_LONGEST_EDGE) o.longest_edge = cases[i].a;
        if (o.rule == EINF_RESIZE_BOX) o.box_width = cases[i].a, o.box_height = cases[i].b;
        const einf_image_sizes s = sizes_of(&o, &plain, cases[i].width, cases[i].height);
        assert_int_equal(s.rule, cases[i].rule);
        assert_int_equal(s.limit_width, cases[i].limit_width);
        assert_int_equal(s.limit_height, cases[i].limit_height);
        assert_int_equal(s.clamped_width, cases[i].clamped_width);
        assert_int_equal(s.clamped_height, cases[i].clamped_height);
        assert_int_equal(s.width, cases[i].to_width);
        assert_int_equal(s.height, cases[i].to_height);
        assert_int_equal(s.min_pixels, 0);
        assert_int_equal(s.max_pixels, 0);
    }
}

/* ------------------------------------------------------------------------------------------------- refusals -- */

static void pictures_that_cannot_be(void **state)
{
    (void)state;
    const einf_preprocess none = rule(EINF_RESIZE_NONE);
    expect_refused(NULL, 0, 5, EINF_E_ARG, "width", "0 x 5", "empty");
    expect_refused(&none, 5, 0, EINF_E_ARG, "height", "5 x 0", "empty");
    expect_refused(NULL, 1, 100000, EINF_E_LIMIT, "aspect", "1 x 100000", "200"); /* H-108 */
    expect_refused(NULL, 2001, 10, EINF_E_LIMIT, "aspect", "2001 x 10", "200");
    assert_int_equal(sizes_of(NULL, &plain, 2000, 10).height, 28);
    expect_refused(&none, 8000, 8000, EINF_E_LIMIT, "tokens", "286 x 286", "16384");
    expect_refused(&none, 65535, 65535, EINF_E_LIMIT, "tokens", "2341 x 2341", "16384"); /* H-102 */
    assert_int_equal(sizes_of(&none, &plain, 128 * 28, 128 * 28).n_tokens, 16384);
    expect_refused(&none, 128 * 28 + 1, 128 * 28, EINF_E_LIMIT, "tokens", "129 x 128", "16384");
    const uint32_t most = EINF__RESIZE_MAX_SIDE;
    expect_refused(&none, most + 1, 1, EINF_E_LIMIT, "width", "1048577", "1048576");
    expect_refused(NULL, UINT32_MAX, UINT32_MAX, EINF_E_LIMIT, "width", "4294967295", "1048576");
    expect_refused(NULL, 1, UINT32_MAX, EINF_E_LIMIT, "height", "4294967295", "1048576");
}

static void limits_that_contradict(void **state)
{
    static const struct {
        uint32_t min_tokens, max_tokens;
        uint64_t min_pixels, max_pixels;
        einf_status status;
        const char *where, *says, *says_too;
    } cases[] = { /* H-096 among them */
        {0, 0, 90001, 90000, EINF_E_ARG, "min_pixels", "90001", "90000"},
        {9, 8, 0, 0, EINF_E_ARG, "min_tokens", "7056", "6272"},
        {64, 0, 0, 784, EINF_E_ARG, "min_tokens", "50176", "784"},
        {8, 0, 6272, 0, EINF_E_ARG, "min_tokens", "8", "6272"},
        {0, 8, 0, 6272, EINF_E_ARG, "max_tokens", "8", "6272"},
        {0, 0, 0, 783, EINF_E_ARG, "max_pixels", "783", "784"},
        {0, 0, 46340 * UINT64_C(46340), 46340 * UINT64_C(46340), EINF_E_LIMIT, "min_pixels", "2147395600", "16384"},
        {0, 0, UINT64_C(1) << 63, UINT64_C(1) << 63, EINF_E_LIMIT, "min_pixels", "9223372036854775808", "12845056"},
        {0, 0, UINT64_MAX, 0, EINF_E_LIMIT, "min_pixels", "18446744073709551615", "12845056"},
        {UINT32_MAX, UINT32_MAX, 0, 0, EINF_E_LIMIT, "min_tokens", "3367254359280", "12845056"},
        {16385, 0, 0, 0, EINF_E_LIMIT, "min_tokens", "12845840", "12845056"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        einf_preprocess o = rule(EINF_RESIZE_PIXELS);
        o.min_tokens = cases[i].min_tokens;
        o.max_tokens = cases[i].max_tokens;
        o.min_pixels = cases[i].min_pixels;
        o.max_pixels = cases[i].max_pixels;
        expect_refused(&o, 640, 480, cases[i].status, cases[i].where, cases[i].says, cases[i].says_too);
    }
    einf_preprocess o = rule(EINF_RESIZE_PIXELS);
    o.max_pixels = UINT64_C(1) << 63; /* no limit, that is */
    assert_int_equal(sizes_of(&o, &plain, 128 * 28, 128 * 28).n_tokens, 16384);
    expect_refused(&o, 8000, 8000, EINF_E_LIMIT, "tokens", "286 x 286", "16384");
}

static void options_that_cannot_be(void **state)
{
    (void)state;
    einf_preprocess o = rule(5);
    expect_refused(&o, 8, 8, EINF_E_ARG, "rule", "5", "4");
    o = rule(-1);
    expect_refused(&o, 8, 8, EINF_E_ARG, "rule", "-1", "4");
    o = rule(EINF_RESIZE_DEFAULT);
    o.filter = 5;
    expect_refused(&o, 8, 8, EINF_E_ARG, "filter", "5", "4");
    o = rule(EINF_RESIZE_LONGEST_EDGE);
    o.longest_edge = (1 << 20) + 1;
    expect_refused(&o, 8, 8, EINF_E_ARG, "longest_edge", "1048577", "1048576");
    o = rule(EINF_RESIZE_BOX);
    o.box_width = 100;
    expect_refused(&o, 8, 8, EINF_E_ARG, "box_height", "0 pixels", "1048576");
    o.box_height = UINT32_MAX;
    expect_refused(&o, 8, 8, EINF_E_ARG, "box_height", "4294967295", "1048576");
    o.box_width = 0;
    expect_refused(&o, 8, 8, EINF_E_ARG, "box_width", "0 pixels", "1048576");
    o = rule(EINF_RESIZE_DEFAULT);
    o.longest_edge = 854;
    expect_refused(&o, 8, 8, EINF_E_ARG, "longest_edge", "854", "pixels");
    o = rule(EINF_RESIZE_NONE);
    o.max_tokens = 77;
    expect_refused(&o, 8, 8, EINF_E_ARG, "max_tokens", "77", "none");
    o = rule(EINF_RESIZE_LONGEST_EDGE);
    o.box_width = 78;
    expect_refused(&o, 8, 8, EINF_E_ARG, "box_width", "78", "longest-edge");
    o = rule(EINF_RESIZE_BOX);
    o.min_pixels = UINT64_MAX;
    expect_refused(&o, 8, 8, EINF_E_ARG, "min_pixels", "18446744073709551615", "box");
}

static void facts_that_cannot_be(void **state)
{
    static const uint32_t cases[][2] = {{0, 2}, {14, 0}, {1, 65}, {65537, 1}, {UINT32_MAX, UINT32_MAX}, {32768, 4}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const einf__preprocess_facts facts = {.patch_size = cases[i][0], .merge_size = cases[i][1]};
        einf_error err = test_error();
        assert_status(einf__preprocess_check(NULL, &facts, &err), &err, EINF_E_ARG);
        assert_string_equal(err.where, "patch_size");
    }
    einf__preprocess_facts facts = plain;
    facts.min_pixels = 5000;
    facts.max_pixels = 4000;
    einf_error err = test_error();
    assert_status(einf__preprocess_check(NULL, &facts, &err), &err, EINF_E_ARG);
    assert_error_says(&err, "5000");
    assert_error_says(&err, "4000");
}

/* --------------------------------------------------------------------------------------------------- values -- */

static void bytes_become_numbers(void **state)
{
    (void)state;
    const float mean[3] = {0.5f, 0.0f, 0.25f}, std[3] = {0.5f, 1.0f, 2.0f};
    einf__pixel_values v;
    einf__pixel_values_init(&v, mean, std);
    for (int byte = 0; byte < 256; byte++) {
        assert_near(v.of[0][byte], byte / 127.5 - 1.0, 0.0, 1.2e-7);
        assert_true(v.of[1][byte] == (float)byte / 255.0f);
        assert_near(v.of[2][byte], (byte / 255.0 - 0.25) / 2.0, 0.0, 1e-7);
    }
    const uint8_t rgb[2 * 3 * 3] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 250, 251, 252, 253, 254, 255, 9, 10, 11};
    float out[3 * 2 * 3];
    einf__normalize(&v, rgb, 3, 2, out);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 6; i++) assert_true(out[6 * c + i] == v.of[c][rgb[3 * i + c]]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_of_transformers), cmocka_unit_test(every_field_of_a_reduced_picture),
        cmocka_unit_test(small_pictures_grow_and_middling_ones_stay), cmocka_unit_test(limits_resolve),
        cmocka_unit_test(boxes_edges_and_none), cmocka_unit_test(pictures_that_cannot_be),
        cmocka_unit_test(limits_that_contradict), cmocka_unit_test(options_that_cannot_be),
        cmocka_unit_test(facts_that_cannot_be), cmocka_unit_test(bytes_become_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
