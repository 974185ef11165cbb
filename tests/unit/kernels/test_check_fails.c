/* SPDX-License-Identifier: MIT
 * test_check_fails.c - the kernel checks can fail: each kind of mistake is made once, in a kernel that is right
 * otherwise, and the check of its slot must find it and say where.
 */
#include "tests/checkkern/check_slots.h"
#include "tests/support/test_support.h"

static einf__kernels right;

/* ------------------------------------------------------------------------------------------------ wrong kernels -- */

static void add_without_tail(float *y, const float *x, int64_t n)
{
    right.add(y, x, n & ~(int64_t)7); /* n of 0 to the reference does nothing */
}

static void add_reads_on(float *y, const float *x, int64_t n)
{
    const volatile float *beyond = x + n;
    right.add(y, x, n);
    (void)*beyond;
}

static void add_writes_before(float *y, const float *x, int64_t n)
{
    right.add(y, x, n);
    y[-1] = 0.0f;
}

static void quantize_wrong_sum(int8_t *q, float *d, int16_t *sum16, const float *x, int64_t n)
{
    right.quantize_q8(q, d, sum16, x, n);
    sum16[n / 16 - 1]++;
}

static void to_f16_truncates(uint16_t *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        right.to_f16(y + i, x + i, 1);
        if (fabsf(einf__f16_to_f32(y[i])) > fabsf(x[i]) && x[i] == x[i]) y[i]--;
    }
}

static void rms_norm_without_eps(float *y, const float *x, const float *w, int64_t n, float eps)
{
    (void)eps;
    right.rms_norm(y, x, w, n, 0.0f);
}

static void swiglu_loses_nan(float *y, const float *gate, const float *up, int64_t n)
{
    right.swiglu(y, gate, up, n);
    for (int64_t i = 0; i < n; i++)
        if (y[i] != y[i]) y[i] = 0.0f;
}

static void rope_turns_back(float *x, const float *cos, const float *sin, int64_t n_pairs)
{
    for (int64_t p = 0; p < n_pairs; p++) {
        const float minus = -sin[p];
        right.rope_norm(x + 2 * p, cos + p, &minus, 1);
    }
}

static void gemm_without_last(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda,
                              const float *b, int64_t ldb, float *c, int64_t ldc)
{
    right.gemm_f32(user, m, n, depth > 256 ? depth - 1 : depth, a, lda, b, ldb, c, ldc);
}

static void attend_without_cap(const einf__attend *a)
{
    einf__attend uncapped = *a;
    uncapped.softcap = 0.0f;
    right.attend_f32(&uncapped);
}

static void attend_queries_differ(const einf__attend *a)
{
    right.attend_f16(a);
    if (a->n_q > 1) a->out[0] = nextafterf(a->out[0], 2.0f);
}

static void to_f32_last_bit(float *y, const void *w, int64_t n)
{
    right.to_f32[EINF__Q4_K](y, w, n);
    y[n - 1] = nextafterf(y[n - 1], 1e9f);
}

static void dot_inexact(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows, int64_t n_in,
                        const einf__cols *x, int n_cols)
{
    right.dot[EINF__Q6_K](y, y_stride, w, row_bytes, n_rows, n_in, x, n_cols);
    for (int c = 0; c < n_cols; c++)
        for (int64_t r = 0; r < n_rows; r++) y[c * y_stride + r] *= 1.001f;
}

static void dot_columns_differ(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows,
                               int64_t n_in, const einf__cols *x, int n_cols)
{
    right.dot[EINF__Q8_0](y, y_stride, w, row_bytes, n_rows, n_in, x, n_cols);
    if (n_cols == 3) y[2 * y_stride] = nextafterf(y[2 * y_stride], 1e9f);
}

static void dot_between_columns(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows,
                                int64_t n_in, const einf__cols *x, int n_cols)
{
    right.dot[EINF__F16](y, y_stride, w, row_bytes, n_rows, n_in, x, n_cols);
    if (n_cols > 1) y[n_rows] = 0.0f;
}

/* --------------------------------------------------------------------------------------------------------- test -- */

/* Runs the check of a slot on `wrong`, which differs from the reference in that slot: it must say this. */
static void assert_found(const einf__kernels *wrong, int slot, const char *shape, const char *message)
{
    const check c = {wrong, &right, slot};
    if (check_slot(&c, 1)) fail_msg("%s: the mistake was not found", einf__kernel_slot_name(slot));
    if (!strstr(check_shape, shape) || !strstr(check_message, message))
        fail_msg("%s: said \"%s: %s\", expected \"%s: %s\"", einf__kernel_slot_name(slot), check_shape, check_message,
                 shape, message);
}

#define FIND(field, wrong_fn, shape, message) \
    do { \
        einf__kernels k = right; \
        k.field = wrong_fn; \
        assert_found(&k, EINF__SLOT_##field, shape, message); \
    } while (0)
#define FIND_TYPED(array, type, wrong_fn, shape, message) \
    do { \
        einf__kernels k = right; \
        k.array[EINF__##type] = wrong_fn; \
        assert_found(&k, EINF__SLOT_##array + EINF__##type, shape, message); \
    } while (0)

static void mistakes_are_found(void **state)
{
    (void)state;
    einf__kernels_init(&right, 0, NULL);
    FIND(add, add_without_tail, "n 1", "element at 0: got ");
    FIND(add, add_reads_on, "n 1", "touched memory outside");
    FIND(add, add_writes_before, "n 1", "byte outside a buffer at -4: got 0, want 165");
    FIND(quantize_q8, quantize_wrong_sum, "1 groups", "sum16 at 1: got ");
    FIND(to_f16, to_f16_truncates, "n ", "half at ");
    FIND(rms_norm, rms_norm_without_eps, "n 1", "element at 0");
    FIND(swiglu, swiglu_loses_nan, "gates from -130", "NaN from a NaN gate at 0");
    FIND(rope_norm, rope_turns_back, "1 pairs", "first of pair at 0");
    FIND(gemm_f32, gemm_without_last, "depth 257", "row at 0");
    FIND(attend_f32, attend_without_cap, "softcap 0.5", "element at ");
    FIND(attend_f16, attend_queries_differ, "queries 2", "element of a query alone at 0");
    FIND_TYPED(to_f32, Q4_K, to_f32_last_bit, "n 256", "element at 255");
    FIND_TYPED(dot, Q6_K, dot_inexact, "n_in 256, columns 1", "row against double at 0");
    FIND_TYPED(dot, Q8_0, dot_columns_differ, "columns 3", "row 0, column 2 of 3");
    FIND_TYPED(dot, F16, dot_between_columns, "columns 2", "behind a row, was written");
}

/* The way a mistake is found leaves nothing behind that would make the next check fail, or pass. */
static void right_kernels_pass_after_wrong_ones(void **state)
{
    (void)state;
    einf__kernels_init(&right, 0, NULL);
    const check c = {&right, &right, EINF__SLOT_add};
    FIND(add, add_reads_on, "n 1", "touched memory outside");
    assert_true(check_slot(&c, 1));
    FIND(add, add_reads_on, "n 1", "touched memory outside");
    assert_string_equal(einf__kernel_slot_name(c.slot), "add");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_found),
        cmocka_unit_test(right_kernels_pass_after_wrong_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
