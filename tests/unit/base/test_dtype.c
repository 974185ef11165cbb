/* SPDX-License-Identifier: MIT
 * test_dtype.c - type numbers, names and block geometry, against a table written down from the format's description.
 */
#include "engine/base/dtype.h"

#include <string.h>

#include "engine/base/blocks.h"
#include "engine/base/half.h"
#include "tests/support/test_support.h"

/* ggml's numbers. elems 0: a type without geometry. */
static const struct {
    uint32_t file_id;
    const char *name;
    uint32_t elems, bytes;
    bool computes;
} known[] = {
    {0, "F32", 1, 4, true},        {1, "F16", 1, 2, true},         {2, "Q4_0", 32, 18, true},
    {3, "Q4_1", 32, 20, true},     {6, "Q5_0", 32, 22, true},      {7, "Q5_1", 32, 24, true},
    {8, "Q8_0", 32, 34, true},     {9, "Q8_1", 32, 36, false},     {10, "Q2_K", 256, 84, true},
    {11, "Q3_K", 256, 110, true},  {12, "Q4_K", 256, 144, true},   {13, "Q5_K", 256, 176, true},
    {14, "Q6_K", 256, 210, true},  {15, "Q8_K", 256, 292, false},  {16, "IQ2_XXS", 256, 66, true},
    {17, "IQ2_XS", 256, 74, true}, {18, "IQ3_XXS", 256, 98, true}, {19, "IQ1_S", 256, 50, true},
    {20, "IQ4_NL", 32, 18, true},  {21, "IQ3_S", 256, 110, true}, {22, "IQ2_S", 256, 82, true},
    {23, "IQ4_XS", 256, 136, true}, {24, "I8", 1, 1, false},       {25, "I16", 1, 2, false},
    {26, "I32", 1, 4, false},      {27, "I64", 1, 8, false},       {28, "F64", 1, 8, false},
    {29, "IQ1_M", 256, 56, true}, {30, "BF16", 1, 2, true},       {34, "TQ1_0", 256, 54, true},
    {35, "TQ2_0", 256, 66, true}, {39, "MXFP4", 32, 17, true},   {40, "NVFP4", 64, 36, false},
    {41, "Q1_0", 128, 18, false},  {42, "Q2_0", 64, 18, false},
    {4, "Q4_2 (removed)", 0, 0, false}, {5, "Q4_3 (removed)", 0, 0, false},
    {31, "Q4_0_4_4 (removed)", 0, 0, false}, {33, "Q4_0_8_8 (removed)", 0, 0, false},
    {36, "IQ4_NL_4_4 (removed)", 0, 0, false}, {38, "IQ4_NL_8_8 (removed)", 0, 0, false},
    {139, "IQ4_K (ik_llama.cpp)", 0, 0, false}, {43, "unknown", 0, 0, false}, {UINT32_MAX, "unknown", 0, 0, false},
};

static void names_and_geometry(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(known); i++) {
        const uint32_t id = known[i].file_id;
        uint32_t elems = 7, bytes = 7;
        einf__dtype t = EINF__N_DTYPES;
        assert_string_equal(einf__dtype_file_name(id), known[i].name);
        assert_int_equal(einf__dtype_file_geometry(id, &elems, &bytes), known[i].elems != 0);
        assert_int_equal(elems, known[i].elems ? known[i].elems : 7); /* untouched on failure */
        assert_int_equal(bytes, known[i].elems ? known[i].bytes : 7);
        assert_int_equal(einf__dtype_from_file_id(id, &t), known[i].computes);
        if (!known[i].computes) continue;
        const einf__dtype_info *info = einf__dtype_get(t);
        assert_int_equal(info->file_id, id);
        assert_string_equal(info->name, known[i].name);
        assert_int_equal(info->block_elems, known[i].elems);
        assert_int_equal(info->block_bytes, known[i].bytes);
    }
}

static void every_number_once(void **state)
{
    (void)state;
    int n_computable = 0;
    for (uint32_t a = 0; a < 400; a++) {
        einf__dtype t;
        n_computable += einf__dtype_from_file_id(a, &t);
        const char *name = einf__dtype_file_name(a);
        if (strcmp(name, "unknown") == 0) continue;
        for (uint32_t b = 0; b < a; b++) assert_string_not_equal(name, einf__dtype_file_name(b));
    }
    assert_int_equal(n_computable, EINF__N_DTYPES);
    assert_int_equal(EINF__N_DTYPES, 25);
}

static void activations(void **state)
{
    (void)state;
    for (int t = 0; t < EINF__N_DTYPES; t++) {
        const bool is_float = t == EINF__F32 || t == EINF__F16 || t == EINF__BF16;
        assert_int_equal(einf__dtype_get((einf__dtype)t)->acts, is_float ? EINF__ACTS_F32 : EINF__ACTS_Q8);
    }
}

static void row_bytes(void **state)
{
    (void)state;
    assert_int_equal(einf__dtype_row_bytes(EINF__Q4_K, 2048), 8 * 144);
    assert_int_equal(einf__dtype_row_bytes(EINF__Q4_K, 2048 + 32), 0);
    assert_int_equal(einf__dtype_row_bytes(EINF__Q8_0, 96), 3 * 34);
    assert_int_equal(einf__dtype_row_bytes(EINF__Q8_0, 95), 0);
    assert_int_equal(einf__dtype_row_bytes(EINF__F16, 3), 6);
    assert_int_equal(einf__dtype_row_bytes(EINF__F32, 0), 0);
    assert_true(einf__dtype_row_bytes(EINF__F32, (UINT64_C(1) << 48) - 1) == ((UINT64_C(1) << 48) - 1) * 4);
}

static uint16_t narrow_by_search(double x)
{
    /* Nearest of all finite halves, ties to the even code: slow and obviously right, for positive x below 65520. */
    uint16_t best = 0;
    for (uint16_t h = 0; h < 0x7c00; h++) {
        const double error = (double)einf__f16_to_f32(h) - x, old = (double)einf__f16_to_f32(best) - x;
        const double a = error < 0 ? -error : error, b = old < 0 ? -old : old;
        if (a < b || (a == b && h % 2 == 0)) best = h;
    }
    return best;
}

static void halves(void **state)
{
    (void)state;
    assert_true(einf__f16_to_f32(0x3c00) == 1.0f && einf__f16_to_f32(0xc000) == -2.0f);
    assert_true(einf__f16_to_f32(0x0001) == 0x1p-24f && einf__f16_to_f32(0x7bff) == 65504.0f);
    assert_true(einf__bf16_to_f32(0x3fc0) == 1.5f);
    for (uint32_t h = 0; h < 0x10000; h++) {
        const float f = einf__f16_to_f32((uint16_t)h);
        if (f == f) assert_int_equal(einf__f32_to_f16(f), h);
        else assert_true((einf__f32_to_f16(f) & 0x7fffu) > 0x7c00u);
    }
    static const float samples[] = {1e-9f, 2.98e-8f, 0x1p-25f, 0x1.8p-24f, 6.1e-5f, 6.0975e-5f, 0.1f, 1.00048828125f,
                                    1.00146484375f, 3.14159f, 1000.25f, 65503.9f, 65519.9f};
    for (size_t i = 0; i < TEST_COUNT(samples); i++)
        assert_int_equal(einf__f32_to_f16(samples[i]), narrow_by_search((double)samples[i]));
    assert_int_equal(einf__f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(einf__f32_to_f16(-1e9f), 0xfc00);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_geometry), cmocka_unit_test(every_number_once), cmocka_unit_test(activations),
        cmocka_unit_test(row_bytes),          cmocka_unit_test(halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
