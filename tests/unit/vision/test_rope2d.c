/* SPDX-License-Identifier: MIT
 * test_rope2d.c - the order of patches and their angles, against places and numbers written down by hand.
 */
#include "tests/support/test_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vision/rope2d.h"

/* A picture of 6 x 4 patches, in squares of 2: the number of each patch where it lies. */
static void test_order_of_patches(void **state)
{
    static const int number[4][6] = {
        { 0, 1, 4, 5, 8, 9 },
        { 2, 3, 6, 7, 10, 11 },
        { 12, 13, 16, 17, 20, 21 },
        { 14, 15, 18, 19, 22, 23 },
    };
    (void)state;
    for (uint32_t y = 0; y < 4; y++)
        for (uint32_t x = 0; x < 6; x++) {
            const einf__patch_at at = einf__patch_of(number[y][x], 6, 2);
            assert_int_equal(at.y, y);
            assert_int_equal(at.x, x);
        }
}

static void test_order_of_other_merges(void **state)
{
    (void)state;
    for (uint32_t merge = 1; merge <= 8; merge++) {
        const uint32_t n_x = 3 * merge, n_y = 2 * merge;
        bool seen[16 * 24] = { false };
        for (uint32_t i = 0; i < n_x * n_y; i++) {
            const einf__patch_at at = einf__patch_of(i, n_x, merge);
            assert_true(at.x < n_x && at.y < n_y);
            assert_false(seen[at.y * n_x + at.x]);
            seen[at.y * n_x + at.x] = true;
            /* all of a run of merge^2 lie in one square, squares in the order of the picture */
            assert_int_equal(at.y / merge * 3 + at.x / merge, i / (merge * merge));
        }
        const einf__patch_at second = einf__patch_of(1, n_x, merge);
        assert_int_equal(second.x, 1);
        assert_int_equal(second.y, 0);
    }
}

typedef struct table {
    einf__rope2d r;
    void *block;
} table;

static table make(uint32_t n_x, uint32_t n_y, uint32_t merge, uint32_t head_dim, float base)
{
    table t;
    const int64_t n = (int64_t)n_x * n_y;
    einf__arena a = einf__arena_counting();
    einf__rope2d_lay_out(&a, n, head_dim, &t.r);
    assert_null(t.r.cos);
    t.block = aligned_alloc(EINF__ARENA_ALIGN, (size_t)(a.used_bytes + 63) / 64 * 64);
    const uint64_t counted = a.used_bytes;
    a = einf__arena_over(t.block, counted);
    einf__rope2d_lay_out(&a, n, head_dim, &t.r);
    assert_false(a.failed);
    assert_int_equal(a.used_bytes, counted);
    einf__rope2d_init(&t.r, n_x, n_y, merge, head_dim, base);
    return t;
}

/* Heads of 8: pairs 0 and 1 see the row, 2 and 3 the column, at frequencies 1 and 100^(-1/2) = 0.1. */
static void test_angles(void **state)
{
    (void)state;
    table t = make(6, 4, 2, 8, 100.0f);
    const int i = 23; /* the last: row 3, column 5 */
    static const double angle[4] = { 3.0, 0.3, 5.0, 0.5 };
    for (int p = 0; p < 4; p++) {
        assert_near(t.r.cos[i * 4 + p], cos(angle[p]), 0, 1e-6);
        assert_near(t.r.sin[i * 4 + p], sin(angle[p]), 0, 1e-6);
        assert_true(t.r.cos[p] == 1.0f && t.r.sin[p] == 0.0f); /* the first patch does not turn */
    }
    /* patch 6: row 1, column 2 */
    assert_near(t.r.sin[6 * 4 + 0], sin(1.0), 0, 1e-6);
    assert_near(t.r.sin[6 * 4 + 2], sin(2.0), 0, 1e-6);
    assert_near(t.r.sin[6 * 4 + 3], sin(0.2), 0, 1e-6);
    free(t.block);
}

/* Qwen2-VL's: heads of 80, base 10000: frequency 10000^(-j / 20), j in [0, 20). */
static void test_angles_of_qwen2vl(void **state)
{
    (void)state;
    table t = make(2, 200, 2, 80, 10000.0f);
    const int i = 399; /* row 199, column 1 */
    for (int j = 0; j < 20; j++) {
        const double frequency = exp(-log(10000.0) * j / 20);
        assert_near(t.r.cos[i * 40 + j], cos(199 * frequency), 0, 1e-6);
        assert_near(t.r.sin[i * 40 + j], sin(199 * frequency), 0, 1e-6);
        assert_near(t.r.cos[i * 40 + 20 + j], cos(frequency), 0, 1e-6);
        assert_near(t.r.sin[i * 40 + 20 + j], sin(frequency), 0, 1e-6);
    }
    free(t.block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_patches),
        cmocka_unit_test(test_order_of_other_merges),
        cmocka_unit_test(test_angles),
        cmocka_unit_test(test_angles_of_qwen2vl),
    };
    return cmocka_run_group_tests_name("rope2d", tests, NULL, NULL);
}
