/* SPDX-License-Identifier: MIT
 * test_format_goldens.c - every coded type against ggml itself: the values of a thousand random blocks and of a row
 * that ggml quantised, bit for bit, in the reference and in what this machine runs.
 *
 * checkkern's oracle says where a value is wrong; these hashes say that oracle, grids and kernels mean what ggml means.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/cpu.h"
#include "engine/base/half.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/ref/kernels_ref.h"
#include "tests/support/test_support.h"
#include "tests/unit/kernels/format_goldens.h"

/* A slot reads exactly this: the address sanitizer sees a byte more. */
static uint8_t *exactly(size_t n)
{
    uint8_t *p = malloc(n);
    assert_non_null(p);
    return p;
}

/* splitmix64, eight bytes a step, as format_goldens.py. */
static void random_bytes(uint8_t *p, size_t n, uint64_t seed)
{
    uint64_t z = 0;
    for (size_t i = 0; i < n; i++, z >>= 8) {
        if (i % 8 == 0) {
            z = seed += UINT64_C(0x9e3779b97f4a7c15);
            z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
            z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
            z ^= z >> 31;
        }
        p[i] = (uint8_t)z;
    }
}

/* FNV-1a by words; zeros have no sign. */
static uint64_t hash_floats(const float *x, int64_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (int64_t i = 0; i < n; i++) {
        const float positive_zero = x[i] + 0.0f;
        uint32_t bits;
        memcpy(&bits, &positive_zero, sizeof bits);
        h = (h ^ bits) * UINT64_C(0x100000001b3);
    }
    return h;
}

static uint64_t hash_values(const einf__kernels *k, einf__dtype type, const uint8_t *w, int64_t n)
{
    float *y = (float *)(void *)exactly((size_t)n * sizeof *y);
    k->to_f32[type](y, w, n);
    const uint64_t h = hash_floats(y, n);
    free(y);
    return h;
}

static void assert_hash(const einf__kernels *k, einf__dtype type, const char *what, uint64_t got, uint64_t want)
{
    if (got == want) return;
    printf("%s (%s): values of %s hash to %016llx, ggml's to %016llx\n", einf__dtype_get(type)->name,
           k->impl[EINF__SLOT_to_f32 + type], what, (unsigned long long)got, (unsigned long long)want);
    fail();
}

static uint8_t *unhex(const char *text, size_t n)
{
    uint8_t *bytes = exactly(n);
    assert_int_equal(strlen(text), 2 * n);
    for (size_t i = 0; i < n; i++) {
        const char digits[3] = {text[2 * i], text[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return bytes;
}

static void check_goldens(const einf__kernels *k)
{
    for (size_t i = 0; i < TEST_COUNT(goldens); i++) {
        einf__dtype type = EINF__N_DTYPES;
        assert_true(einf__dtype_from_file_id(goldens[i].file_id, &type));
        const einf__dtype_info *info = einf__dtype_get(type);
        const size_t n_bytes = (size_t)GOLDEN_BLOCKS * info->block_bytes;

        uint8_t *w = exactly(n_bytes);
        random_bytes(w, n_bytes, goldens[i].file_id);
        for (int b = 0; b < GOLDEN_BLOCKS; b++)
            for (int h = 0; h < goldens[i].n_halves; h++) w[b * info->block_bytes + goldens[i].at[h] + 1] &= 0xbf;
        assert_hash(k, type, "random blocks",
                    hash_values(k, type, w, (int64_t)GOLDEN_BLOCKS * info->block_elems), goldens[i].random_hash);
        free(w);

        w = unhex(goldens[i].row, (size_t)einf__dtype_row_bytes(type, GOLDEN_ROW));
        assert_hash(k, type, "a quantised row", hash_values(k, type, w, GOLDEN_ROW), goldens[i].row_hash);
        free(w);
    }
}

static void reference(void **state)
{
    (void)state;
    einf__kernels k;
    einf__kernels_init(&k, 0, NULL);
    check_goldens(&k);
    assert_int_equal(TEST_COUNT(goldens), EINF__N_DTYPES - 3); /* all but the float types */
}

static void this_machine(void **state)
{
    (void)state;
    einf__kernels k;
    einf__kernels_init(&k, einf__cpu_features(), NULL);
    check_goldens(&k);
}

/* Indices cannot leave the grids, nor level numbers the levels, whatever the bytes are. */
static void grids_hold_levels(void **state)
{
    static const struct { const uint16_t *grid; size_t n; } grids[] = {
        {einf__grid_iq1, TEST_COUNT(einf__grid_iq1)},
        {einf__grid_iq2_xxs, TEST_COUNT(einf__grid_iq2_xxs)},
        {einf__grid_iq2_xs, TEST_COUNT(einf__grid_iq2_xs)},
        {einf__grid_iq2_s, TEST_COUNT(einf__grid_iq2_s)},
    };
    (void)state;
    for (size_t g = 0; g < TEST_COUNT(grids); g++)
        for (size_t i = 0; i < grids[g].n; i++)
            assert_int_equal(grids[g].grid[i] & grids[g].grid[i] >> 1 & 0x5555, 0); /* no two bits are 3 */
    for (size_t i = 0; i < TEST_COUNT(einf__grid_iq3_xxs); i++) assert_true(einf__grid_iq3_xxs[i] < 4096);
    for (size_t i = 0; i < TEST_COUNT(einf__grid_iq3_s); i++) assert_true(einf__grid_iq3_s[i] < 4096);
}

/* Any bytes at all, scales that are infinite or not numbers included: read without a step outside, alike by all. */
static void any_bytes(void **state)
{
    (void)state;
    einf__kernels ref, k;
    einf__kernels_init(&ref, 0, NULL);
    einf__kernels_init(&k, einf__cpu_features(), NULL);
    for (int t = 0; t < EINF__N_DTYPES; t++) {
        const einf__dtype_info *info = einf__dtype_get((einf__dtype)t);
        enum { N = 256 };
        const int64_t n = (int64_t)N * info->block_elems;
        uint8_t *w = exactly((size_t)N * info->block_bytes);
        float *a = (float *)(void *)exactly((size_t)n * sizeof *a);
        float *b = (float *)(void *)exactly((size_t)n * sizeof *b);
        random_bytes(w, (size_t)N * info->block_bytes, 1000 + (uint64_t)t);
        ref.to_f32[t](a, w, n);
        k.to_f32[t](b, w, n);
        for (int64_t i = 0; i < n; i++) assert_true(a[i] == b[i] || (a[i] != a[i] && b[i] != b[i]));
        free(w);
        free(a);
        free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference),
        cmocka_unit_test(this_machine),
        cmocka_unit_test(grids_hold_levels),
        cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
