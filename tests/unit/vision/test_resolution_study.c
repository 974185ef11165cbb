/* SPDX-License-Identifier: MIT
 * test_resolution_study.c - the resolution study of arXiv 2512.16531 in small: one scene of aspect 1.438 in 20 sizes,
 * under the clamps that the study used. What is encoded is flat above the clamp and falls strictly below it, in pixels,
 * patches, tokens and multiply-adds; seconds are bench-vlm's to measure.
 */
#include <math.h>

#include "tests/support/test_support.h"
#include "vision/encoder.h"

enum { N_CLAMPS = 3, N_WIDTHS = 20 };
static const uint32_t clamps[N_CLAMPS] = {1024, 854, 714};

/* papers.md 1.4: nominal size, and what the encoder sees under each clamp. */
static const struct ladder {
    uint32_t width, height, seen[N_CLAMPS][2];
} ladder[N_WIDTHS] = {
    {2048, 1424, {{1036, 728}, {868, 616}, {728, 504}}}, {1818, 1264, {{1036, 728}, {868, 616}, {728, 504}}},
    {1614, 1122, {{1036, 728}, {868, 616}, {728, 504}}}, {1432, 996, {{1036, 728}, {868, 616}, {728, 504}}},
    {1271, 884, {{1036, 728}, {868, 616}, {728, 504}}},  {1128, 784, {{1036, 728}, {868, 616}, {728, 504}}},
    {1024, 712, {{1036, 728}, {868, 616}, {728, 504}}},  {939, 653, {{952, 672}, {868, 616}, {728, 504}}},
    {854, 594, {{868, 616}, {868, 616}, {728, 504}}},    {784, 545, {{784, 560}, {784, 560}, {728, 504}}},
    {714, 497, {{728, 504}, {728, 504}, {728, 504}}},    {658, 458, {{672, 476}, {672, 476}, {672, 476}}},
    {602, 419, {{616, 420}, {616, 420}, {616, 420}}},    {546, 380, {{560, 392}, {560, 392}, {560, 392}}},
    {490, 341, {{504, 364}, {504, 364}, {504, 364}}},    {434, 302, {{448, 308}, {448, 308}, {448, 308}}},
    {378, 263, {{392, 280}, {392, 280}, {392, 280}}},    {322, 224, {{336, 224}, {336, 224}, {336, 224}}},
    {266, 185, {{280, 196}, {280, 196}, {280, 196}}},    {210, 146, {{224, 168}, {224, 168}, {224, 168}}},
};
/* Tokens of the plateau under each clamp, and of the last ten sizes, as that table has them. */
static const uint32_t plateau_tokens[N_CLAMPS] = {962, 682, 468};
static const uint32_t falling_tokens[] = {408, 330, 280, 234, 176, 140, 96, 70, 48};

/* The encoder of Qwen2-VL-2B, 675 million parameters. */
static const einf__vision_config qwen2_vl_2b = {
    .n_layer = 32, .n_embd = 1280, .n_head = 16, .head_dim = 80, .n_ff = 5120, .patch_size = 14, .merge_size = 2,
    .row_width = 1536, .n_merged = 5120, .facts = {.patch_size = 14, .merge_size = 2},
};

static einf_image_sizes sizes_of(int i_width, int i_clamp)
{
    einf_preprocess o = EINF_INIT(einf_preprocess);
    o.rule = EINF_RESIZE_LONGEST_EDGE;
    o.longest_edge = clamps[i_clamp];
    einf_image_sizes s;
    einf_error err = test_error();
    assert_ok(einf__preprocess_sizes(&o, &qwen2_vl_2b.facts, ladder[i_width].width, ladder[i_width].height, &s, &err),
              &err);
    s.n_macs = einf__encoder_macs(&qwen2_vl_2b, s.n_patches_x, s.n_patches_y);
    return s;
}

static void sizes_row_by_row(void **state)
{
    (void)state;
    for (int i = 0; i < N_WIDTHS; i++) {
        assert_int_equal(ladder[i].height, lround(ladder[i].width / 1.438));
        for (int c = 0; c < N_CLAMPS; c++) {
            const einf_image_sizes s = sizes_of(i, c);
            const uint32_t width = ladder[i].seen[c][0], height = ladder[i].seen[c][1];
            if (s.width != width || s.height != height)
                fail_msg("%u under %u: got %u x %u, not %u x %u", ladder[i].width, clamps[c], s.width, s.height, width,
                         height);
            assert_int_equal(s.n_patches, width / 14 * (height / 14));
            assert_int_equal(s.n_tokens, width / 28 * (height / 28));
            if (ladder[i].width >= clamps[c]) assert_int_equal(s.n_tokens, plateau_tokens[c]);
            if (i >= 11) assert_int_equal(s.n_tokens, falling_tokens[i - 11]);
        }
    }
}

static void flat_above_the_clamp_and_falling_below(void **state)
{
    (void)state;
    for (int c = 0; c < N_CLAMPS; c++) {
        einf_image_sizes larger = sizes_of(0, c);
        int n_flat = 1, n_falls = 0;
        for (int i = 1; i < N_WIDTHS; i++) {
            const einf_image_sizes s = sizes_of(i, c);
            if (ladder[i].width >= clamps[c]) {
                assert_int_equal(s.n_macs, larger.n_macs);
                assert_int_equal(s.n_tokens, larger.n_tokens);
                n_flat++;
            } else {
                assert_true(s.n_macs < larger.n_macs);
                assert_true(s.n_patches < larger.n_patches);
                n_falls++;
            }
            larger = s;
        }
        assert_int_equal(n_flat, 7 + 2 * c); /* 1024, 939 and 854, 784 and 714 */
        assert_int_equal(n_flat + n_falls, N_WIDTHS);
    }
}

/* 3848 patches to 1872 saves more than half: attention is quadratic. */
static void the_lowest_clamp_halves_the_work(void **state)
{
    (void)state;
    const einf_image_sizes high = sizes_of(0, 0), low = sizes_of(0, 2);
    assert_int_equal(high.n_patches, 3848);
    assert_int_equal(low.n_patches, 1872);
    const double per_patch = (double)high.n_macs / high.n_patches / ((double)low.n_macs / low.n_patches);
    assert_true(high.n_macs > 2 * low.n_macs);
    assert_true(per_patch > 1.1 && per_patch < 2.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_row_by_row), cmocka_unit_test(flat_above_the_clamp_and_falling_below),
        cmocka_unit_test(the_lowest_clamp_halves_the_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
