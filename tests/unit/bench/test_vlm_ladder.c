/* SPDX-License-Identifier: MIT
 * test_vlm_ladder.c - the study of picture sizes without a clock: sizes, patches, tokens and multiply-adds of the
 * model that ships, flat above each clamp and falling below; the order of runs; and whether a knee is found where one
 * was put.
 */
#include "tests/support/test_support.h"

#include <math.h>
#include <string.h>

#include "bench/stats.h"
#include "bench/vlm_knee.h"

enum { N_SIZES = 20, N_CLAMPS = 3 };

/* ------------------------------------------------------------------------------------------------- sizes -- */

static void test_sizes_of_the_study(void **state)
{
    (void)state;
    static const uint32_t heights[N_SIZES] = { 1424, 1264, 1122, 996, 884, 784, 712, 653, 594, 545,
                                               497,  458,  419,  380, 341, 302, 263, 224, 185, 146 };
    vlm_ladder l;
    vlm_ladder_make(&l, &vlm_study_widths, &vlm_study_clamps, VLM_ASPECT, 1);
    assert_int_equal(l.n_sizes, N_SIZES);
    assert_int_equal(l.n_clamps, N_CLAMPS);
    for (int i = 0; i < N_SIZES; i++) {
        assert_int_equal(l.width[i], vlm_study_widths.items[i]);
        assert_int_equal(l.height[i], heights[i]);
        assert_true(fabs(l.megapixels[i] - 1e-6 * l.width[i] * l.height[i]) < 1e-12);
    }
    assert_true(l.clamp[0] == 1024 && l.clamp[1] == 854 && l.clamp[2] == 714);
}

static void test_sizes_are_scaled_sorted_and_kept_once(void **state)
{
    (void)state;
    const bench_counts widths = { { 100, 400, 101, 3, 400 }, 5 }, clamps = { { 60, 200 }, 2 };
    vlm_ladder l;
    vlm_ladder_make(&l, &widths, &clamps, 2, 0.5);
    assert_int_equal(l.n_sizes, 4);
    assert_true(l.width[0] == 200 && l.width[1] == 51 && l.width[2] == 50 && l.width[3] == 2);
    assert_true(l.height[0] == 100 && l.height[3] == 1);
    assert_true(l.n_clamps == 2 && l.clamp[0] == 100 && l.clamp[1] == 30);
    vlm_ladder_make(&l, &widths, &clamps, 200, 0.1);
    assert_int_equal(l.width[l.n_sizes - 1], 1); /* a side is never 0 */
    assert_int_equal(l.height[l.n_sizes - 1], 1);
}

/* -------------------------------------------------------------------------------------------------- plan -- */

typedef struct eye {
    einf_runtime *rt;
    einf_vision *vision;
} eye;

static eye open_eye(void)
{
    eye e = { NULL, NULL };
    einf_error err = EINF_INIT(einf_error);
    assert_int_equal(einf_runtime_create(NULL, &e.rt, &err), EINF_OK);
    assert_int_equal(einf_vision_open(e.rt, "models/traffic-vl/mmproj-traffic-vl-F16.gguf", NULL, &e.vision, &err),
                     EINF_OK);
    return e;
}

static void close_eye(eye *e)
{
    assert_int_equal(einf_vision_close(&e->vision, NULL), EINF_OK);
    assert_int_equal(einf_runtime_destroy(&e->rt, NULL), EINF_OK);
}

static void plan_study(vlm_ladder *l, double macs_per_token)
{
    eye e = open_eye();
    einf_error err = EINF_INIT(einf_error);
    vlm_ladder_make(l, &vlm_study_widths, &vlm_study_clamps, VLM_ASPECT, 1);
    assert_int_equal(vlm_ladder_plan(l, e.vision, macs_per_token, &err), EINF_OK);
    close_eye(&e);
}

/* What the code of llama.cpp between May and November 2025 makes of these sizes. */
static void test_tokens_row_by_row(void **state)
{
    (void)state;
    static const uint32_t tokens[N_CLAMPS][N_SIZES] = {
        { 962, 962, 962, 962, 962, 962, 962, 816, 682, 560, 468, 408, 330, 280, 234, 176, 140, 96, 70, 48 },
        { 682, 682, 682, 682, 682, 682, 682, 682, 682, 560, 468, 408, 330, 280, 234, 176, 140, 96, 70, 48 },
        { 468, 468, 468, 468, 468, 468, 468, 468, 468, 468, 468, 408, 330, 280, 234, 176, 140, 96, 70, 48 },
    };
    static const uint32_t width[N_CLAMPS] = { 1036, 868, 728 }, height[N_CLAMPS] = { 728, 616, 504 };
    vlm_ladder l;
    plan_study(&l, 0);
    for (int c = 0; c < N_CLAMPS; c++) {
        assert_int_equal(l.plan[c][0].width, width[c]);
        assert_int_equal(l.plan[c][0].height, height[c]);
        for (int i = 0; i < N_SIZES; i++) {
            assert_int_equal(l.plan[c][i].n_tokens, tokens[c][i]);
            assert_int_equal(l.plan[c][i].n_patches, 4 * tokens[c][i]);
        }
    }
}

static void test_cost_is_flat_above_the_clamp_and_falls_below(void **state)
{
    (void)state;
    vlm_ladder l;
    plan_study(&l, 0);
    for (int c = 0; c < N_CLAMPS; c++) {
        for (int i = 1; i < N_SIZES; i++) {
            const bool above = l.width[i] >= l.clamp[c];
            assert_true(above ? l.plan[c][i].n_macs == l.plan[c][0].n_macs : l.gmac[c][i] < l.gmac[c][i - 1]);
        }
        for (int i = 0; i < N_SIZES; i++) {
            if (l.width[i] <= l.clamp[c]) assert_true(l.gmac[c][i] == l.free_gmac[i]);
            else assert_true(l.gmac[c][i] < l.free_gmac[i]);
        }
    }
    /* twice the patches take more than twice the multiply-adds: attention */
    assert_true(l.gmac[0][0] / l.gmac[2][0] > 1.05 * 962 / 468);
}

static void test_tokens_of_the_language_model_count(void **state)
{
    (void)state;
    vlm_ladder eye_alone, both;
    plan_study(&eye_alone, 0);
    plan_study(&both, 3e6);
    for (int i = 0; i < N_SIZES; i++)
        assert_true(fabs(both.gmac[1][i] - eye_alone.gmac[1][i] - 3e-3 * both.plan[1][i].n_tokens) < 1e-9);
}

/* A picture that only a clamp makes small enough: the plan without one refuses it, and says so. */
static void test_a_picture_beyond_all_limits(void **state)
{
    (void)state;
    const bench_counts widths = { { 16000, 500 }, 2 };
    vlm_ladder l;
    eye e = open_eye();
    einf_error err = EINF_INIT(einf_error);
    vlm_ladder_make(&l, &widths, &vlm_study_clamps, 1, 1);
    assert_int_equal(vlm_ladder_plan(&l, e.vision, 0, &err), EINF_E_LIMIT);
    assert_non_null(strstr(err.message, "16384"));
    close_eye(&e);
}

/* ------------------------------------------------------------------------------------------------- order -- */

static void test_shuffle_is_an_order_of_all(void **state)
{
    (void)state;
    int a[60], b[60], seen[60] = { 0 }, moved = 0;
    uint64_t one = 1, same = 1;
    vlm_shuffle(a, 60, &one);
    vlm_shuffle(b, 60, &same);
    assert_memory_equal(a, b, sizeof a);
    for (int i = 0; i < 60; i++) seen[a[i]]++, moved += a[i] != i;
    for (int i = 0; i < 60; i++) assert_int_equal(seen[i], 1);
    assert_true(moved > 40);
    vlm_shuffle(b, 60, &same); /* the next round has another order */
    assert_memory_not_equal(a, b, sizeof a);
    vlm_shuffle(a, 1, &one);
    assert_int_equal(a[0], 0);
}

/* ------------------------------------------------------------------------------------------------- knees -- */

/* Seconds that follow the multiply-adds under clamp c, with noise of +- 2 %. */
static void make_cost(const vlm_ladder *l, const double *gmac, double *cost)
{
    uint64_t state = 7;
    for (int i = 0; i < l->n_sizes; i++) {
        const double noise = (double)(bench_next_random(&state) >> 11) * 0x1p-53 - 0.5;
        cost[i] = (0.02 + 0.013 * gmac[i]) * (1 + 0.04 * noise);
    }
}

static void test_knee_is_found_at_each_clamp(void **state)
{
    (void)state;
    vlm_ladder l;
    plan_study(&l, 3e6);
    for (int c = 0; c < N_CLAMPS; c++) {
        double cost[VLM_MAX_SIZES];
        vlm_knee k;
        make_cost(&l, l.gmac[c], cost);
        assert_int_equal(vlm_knee_find(&l, l.clamp[c], l.free_gmac, cost, &k, NULL), EPROF_OK);
        assert_true(k.found && k.at_clamp);
        assert_true(fabs(k.edge.value - l.clamp[c]) < 20);
        assert_true(k.edge.low < k.edge.value && k.edge.value < k.edge.high);
        assert_true(k.edge.high - k.edge.low < 60);
        assert_true(fabs(1e6 * k.megapixels.value * VLM_ASPECT - k.edge.value * k.edge.value) < 1);
        assert_true(k.fit.is_identified && k.fit.p_value < 0.05);
        assert_true(fabs(vlm_clamp_megapixels(&l, l.clamp[c]) - 1e-6 * l.clamp[c] * l.clamp[c] / VLM_ASPECT) < 1e-9);
        /* the same knee is at no other clamp */
        for (int other = 0; other < N_CLAMPS; other++) {
            assert_int_equal(vlm_knee_find(&l, l.clamp[other], l.free_gmac, cost, &k, NULL), EPROF_OK);
            assert_true(k.at_clamp == (other == c));
        }
    }
}

/* A picture that is higher than wide: the clamp is on its height. */
static void test_knee_of_an_upright_picture(void **state)
{
    (void)state;
    vlm_ladder l;
    vlm_knee k;
    double cost[VLM_MAX_SIZES];
    vlm_ladder_make(&l, &vlm_study_widths, &vlm_study_clamps, 0.5, 1);
    for (int i = 0; i < l.n_sizes; i++) cost[i] = fmin(l.megapixels[i], 0.5 * 1.024 * 1.024) + 0.001 * (i % 3);
    assert_int_equal(vlm_knee_find(&l, 1024, l.megapixels, cost, &k, NULL), EPROF_OK);
    assert_true(k.found && k.at_clamp && fabs(k.edge.value - 1024) < 10);
    assert_true(fabs(vlm_clamp_megapixels(&l, 1024) - 0.5 * 1.024 * 1.024) < 1e-9);
}

static void test_no_clamp_no_knee(void **state)
{
    (void)state;
    vlm_ladder l;
    double cost[VLM_MAX_SIZES];
    vlm_knee k;
    plan_study(&l, 3e6);
    make_cost(&l, l.free_gmac, cost);
    assert_int_equal(vlm_knee_find(&l, 1024, l.free_gmac, cost, &k, NULL), EPROF_OK);
    assert_false(k.found || k.at_clamp);
    assert_string_equal(vlm_knee_model(&k), "line");
    assert_true(isnan(k.edge.value) && isnan(k.megapixels.low));
    for (int i = 0; i < l.n_sizes; i++) cost[i] = 3 + 0.01 * (i % 2);
    assert_int_equal(vlm_knee_find(&l, 1024, l.free_gmac, cost, &k, NULL), EPROF_OK);
    assert_false(k.found);
    assert_string_equal(vlm_knee_model(&k), "constant");
}

static void test_too_few_sizes_are_refused(void **state)
{
    (void)state;
    const bench_counts widths = { { 500, 400, 300, 200, 100 }, 5 };
    const double cost[] = { 5, 4, 3, 2, 1 };
    vlm_ladder l;
    vlm_knee k;
    eprof_error err = EPROF_INIT(eprof_error);
    vlm_ladder_make(&l, &widths, &vlm_study_clamps, 1, 1);
    assert_int_equal(vlm_knee_find(&l, 300, l.megapixels, cost, &k, &err), EPROF_E_ARG);
    assert_false(k.found || k.at_clamp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_of_the_study),
        cmocka_unit_test(test_sizes_are_scaled_sorted_and_kept_once),
        cmocka_unit_test(test_tokens_row_by_row),
        cmocka_unit_test(test_cost_is_flat_above_the_clamp_and_falls_below),
        cmocka_unit_test(test_tokens_of_the_language_model_count),
        cmocka_unit_test(test_a_picture_beyond_all_limits),
        cmocka_unit_test(test_shuffle_is_an_order_of_all),
        cmocka_unit_test(test_knee_is_found_at_each_clamp),
        cmocka_unit_test(test_knee_of_an_upright_picture),
        cmocka_unit_test(test_no_clamp_no_knee),
        cmocka_unit_test(test_too_few_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
