/* SPDX-License-Identifier: MIT
 * check_weights.h - checks of the slots that read weights: to_f32[] must equal the oracle bit for bit, dot[] keep to
 * EINF__TOL_REORDER around both the oracle in double and the reference.
 */
#ifndef TESTS_CHECK_WEIGHTS_H
#define TESTS_CHECK_WEIGHTS_H

#include "tests/checkkern/check_support.h"
#include "tests/checkkern/format_oracle.h"

/* How the bytes of blocks are drawn: at random, or all the same, which reaches the extreme codes and scales. */
enum { BYTES_RANDOM = -1 };
static const int byte_patterns[] = {BYTES_RANDOM, BYTES_RANDOM, 0x00, 0xff, 0x0f, 0xf0, 0x7f, 0x80};

/* Halves are overwritten with finite ones: subnormal, tiny, usual and, for to_f32, up to the largest. */
static void put_half(uint8_t *p, int max_exponent)
{
    uint32_t h = random_u32() & 0xffff;
    if ((h >> 10 & 31u) > (unsigned)max_exponent) h = (h & 0x83ff) | (uint32_t)max_exponent << 10;
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}

static void fill_blocks(uint8_t *w, einf__dtype type, int64_t n_blocks, int pattern, int max_exponent)
{
    const int block_bytes = einf__dtype_get(type)->block_bytes;
    int at[2];
    const int n_halves = oracle_halves(type, at);
    for (int64_t b = 0; b < n_blocks; b++, w += block_bytes) {
        for (int i = 0; i < block_bytes; i++)
            w[i] = (uint8_t)(pattern == BYTES_RANDOM ? random_u32() : (unsigned)pattern);
        for (int i = 0; i < n_halves; i++) put_half(w + at[i], max_exponent);
        if (type == EINF__IQ1_M) w[55] &= 0xbf; /* a half in four nibbles: below 2 */
        if (type == EINF__MXFP4) w[0] = (uint8_t)(100 + w[0] % (14 + max_exponent)); /* an exponent, biased by 127 */
        if (type == EINF__F32 || type == EINF__BF16) { /* finite, at most 2^(max_exponent - 15) or so */
            const float f = random_unit() * ldexpf(1.0f, max_exponent - 15);
            uint8_t bytes[4];
            memcpy(bytes, &f, sizeof bytes);
            memcpy(w, bytes + 4 - block_bytes, (size_t)block_bytes);
        }
    }
}

static void check_to_f32(const check *c)
{
    const einf__dtype type = (einf__dtype)(c->slot - EINF__SLOT_to_f32);
    const einf__dtype_info *info = einf__dtype_get(type);
    static const int counts[] = {1, 2, 3, 7, 8, 9, 31, 33};
    for (size_t i_count = 0; i_count < COUNT(counts); i_count++) {
        for (size_t i_pattern = 0; i_pattern < COUNT(byte_patterns); i_pattern++) {
            const int n_blocks = counts[i_count];
            const int64_t n = (int64_t)n_blocks * info->block_elems;
            note_shape("n %lld, bytes %d", (long long)n, byte_patterns[i_pattern]);
            guarded w = guard_alloc((size_t)n_blocks * info->block_bytes, i_pattern % 2), y = guard_floats(n);
            fill_blocks(w.data, type, n_blocks, byte_patterns[i_pattern], 30);
            c->k->to_f32[type](floats(&y), w.data, n);
            for (int64_t i = 0; i < n; i++) {
                const uint8_t *block = w.data + i / info->block_elems * info->block_bytes;
                const float want = (float)oracle_element(type, block, (int)(i % info->block_elems)).value;
                expect_within((double)floats(&y)[i], (double)want, 0.0, "element", i);
            }
            guard_free(&w);
            guard_free(&y);
        }
    }
}

/* ------------------------------------------------------------------------------------------------------ dots -- */

/* Columns in both forms, each array ending at a guard page or, for q, an odd number of bytes before it. */
typedef struct columns {
    guarded f32, q, d, sum16;
    einf__cols cols;
} columns;

enum { ACTS_RANDOM, ACTS_HIGH, ACTS_LOW, ACTS_ALTERNATING, ACTS_ZERO, ACTS_TINY, ACTS_HUGE, N_ACTS };

static int act_code(int kind, int64_t i)
{
    switch (kind) {
    case ACTS_HIGH: return 127;
    case ACTS_LOW: return -127;
    case ACTS_ALTERNATING: return i % 2 ? 127 : -127;
    case ACTS_ZERO: return 0;
    default: return (int)(random_u32() % 255) - 127;
    }
}

static float act_scale(int kind)
{
    const float size = kind == ACTS_ZERO ? 0.0f : kind == ACTS_TINY ? 1e-25f : kind == ACTS_HUGE ? 1e20f : 0.01f;
    return size * (1.0f + 0.5f * random_unit());
}

static columns make_columns(int n_cols, int64_t n_in, int kind)
{
    columns x;
    const int64_t f32_stride = n_in + 3, q_stride = n_in + 32, d_stride = n_in / 32 + 1;
    x.f32 = guard_floats((n_cols - 1) * f32_stride + n_in);
    x.q = guard_alloc((size_t)((n_cols - 1) * q_stride + n_in), kind % 2 ? 3 : 0);
    x.d = guard_floats((n_cols - 1) * d_stride + n_in / 32);
    x.sum16 = guard_alloc((size_t)((n_cols - 1) * 2 * d_stride + n_in / 16) * sizeof(int16_t), 0);
    int8_t *q = (int8_t *)x.q.data;
    int16_t *sum16 = (int16_t *)(void *)x.sum16.data;
    for (int c = 0; c < n_cols; c++) {
        fill_random(floats(&x.f32) + c * f32_stride, n_in, 200.0f * act_scale(kind));
        for (int64_t g = 0; g < n_in / 32; g++) floats(&x.d)[c * d_stride + g] = act_scale(kind);
        for (int64_t h = 0; h < n_in / 16; h++) {
            int sum = 0;
            for (int64_t i = 16 * h; i < 16 * h + 16; i++) sum += q[c * q_stride + i] = (int8_t)act_code(kind, i);
            sum16[2 * c * d_stride + h] = (int16_t)sum;
        }
    }
    x.cols = (einf__cols){floats(&x.f32), q, floats(&x.d), sum16, f32_stride, q_stride, d_stride};
    return x;
}

static void free_columns(columns *x)
{
    munmap(x->f32.map, x->f32.map_bytes);
    munmap(x->q.map, x->q.map_bytes);
    munmap(x->d.map, x->d.map_bytes);
    munmap(x->sum16.map, x->sum16.map_bytes);
}

/* Exact product of one row and column, and the sum of magnitudes of its parts. */
static element oracle_dot(einf__dtype type, const uint8_t *row, const einf__cols *x, int col, int64_t n_in)
{
    const einf__dtype_info *info = einf__dtype_get(type);
    element sum = {0.0, 0.0};
    for (int64_t i = 0; i < n_in; i++) {
        const element w = oracle_element(type, row + i / info->block_elems * info->block_bytes,
                                         (int)(i % info->block_elems));
        const double a = info->acts == EINF__ACTS_F32
                             ? (double)x->f32[col * x->f32_stride + i]
                             : (double)x->d[col * x->d_stride + i / 32] * x->q[col * x->q_stride + i];
        sum.value += w.value * a;
        sum.magnitude += w.magnitude * fabs(a);
    }
    return sum;
}

/* Each element alone, bit for bit: y, as computed with all rows and columns, has what one row and one column give. */
static void check_dot_alone(const check *c, einf__dtype type, const float *y, int64_t y_stride, const uint8_t *w,
                            size_t row_bytes, int64_t n_rows, int64_t n_in, const einf__cols *x, int n_cols)
{
    for (int col = 0; col < n_cols; col++) {
        einf__cols one = *x;
        one.f32 += col * x->f32_stride;
        one.q += col * x->q_stride;
        one.d += col * x->d_stride;
        one.sum16 += 2 * col * x->d_stride;
        for (int64_t r = 0; r < n_rows; r++) {
            float alone;
            c->k->dot[type](&alone, 1, w + (size_t)r * row_bytes, row_bytes, 1, n_in, &one, 1);
            if (memcmp(&alone, y + col * y_stride + r, sizeof alone) == 0) continue;
            check_fail("row %lld, column %d of %d: %.9g, alone %.9g", (long long)r, col, n_cols,
                       (double)y[col * y_stride + r], (double)alone);
        }
    }
}

/* One shape: rows with a gap between them, so that row_bytes is odd, and columns of y with a gap. */
static void check_dot_shape(const check *c, einf__dtype type, int64_t n_rows, int64_t n_in, int n_cols, int pattern,
                            int kind)
{
    const einf__dtype_info *info = einf__dtype_get(type);
    const size_t packed = (size_t)(n_in / info->block_elems) * info->block_bytes, row_bytes = packed + 1;
    const int64_t y_stride = n_rows + 2;
    note_shape("rows %lld, n_in %lld, columns %d, bytes %d, activations of kind %d", (long long)n_rows, (long long)n_in,
               n_cols, pattern, kind);
    guarded w = guard_alloc((size_t)(n_rows - 1) * row_bytes + packed, 0);
    guarded y = guard_floats((n_cols - 1) * y_stride + n_rows), y_ref = guard_floats((n_cols - 1) * y_stride + n_rows);
    columns x = make_columns(n_cols, n_in, kind);
    for (int64_t r = 0; r < n_rows; r++)
        fill_blocks(w.data + (size_t)r * row_bytes, type, n_in / info->block_elems, pattern, 16);

    c->k->dot[type](floats(&y), y_stride, w.data, row_bytes, n_rows, n_in, &x.cols, n_cols);
    c->ref->dot[type](floats(&y_ref), y_stride, w.data, row_bytes, n_rows, n_in, &x.cols, n_cols);

    for (int col = 0; col < n_cols; col++) {
        for (int64_t r = 0; r < n_rows; r++) {
            const element want = oracle_dot(type, w.data + (size_t)r * row_bytes, &x.cols, col, n_in);
            const double bound = (double)EINF__TOL_REORDER(n_in) * want.magnitude;
            const double got = (double)floats(&y)[col * y_stride + r];
            expect_within(got, want.value, bound, "row against double", r);
            expect_within(got, (double)floats(&y_ref)[col * y_stride + r], bound, "row against reference", r);
        }
        for (int64_t r = n_rows; r < y_stride && col + 1 < n_cols; r++)
            expect_canary(floats(&y) + col * y_stride + r, r);
    }
    check_dot_alone(c, type, floats(&y), y_stride, w.data, row_bytes, n_rows, n_in, &x.cols, n_cols);
    guard_free(&w);
    guard_free(&y);
    guard_free(&y_ref);
    free_columns(&x);
}

static void check_dot(const check *c)
{
    const einf__dtype type = (einf__dtype)(c->slot - EINF__SLOT_dot);
    const einf__dtype_info *info = einf__dtype_get(type);
    static const int block_counts[] = {1, 2, 3, 5, 8, 9}; /* kernels take up to 8 at once */
    static const int float_lengths[] = {1, 7, 8, 15, 16, 31, 32, 33, 63, 65, 100};
    const bool is_float = info->acts == EINF__ACTS_F32;
    const size_t n_lengths = is_float ? COUNT(float_lengths) : COUNT(block_counts);
    for (size_t i = 0; i < n_lengths; i++) {
        const int64_t n_in = is_float ? float_lengths[i] : block_counts[i] * info->block_elems;
        for (int n_cols = 1; n_cols <= EINF__MAX_DOT_COLS; n_cols++) {
            for (size_t p = 0; p < COUNT(byte_patterns); p++)
                check_dot_shape(c, type, 1 + (int64_t)p % 3, n_in, n_cols, byte_patterns[p], (int)p % N_ACTS);
            for (int kind = 0; kind < N_ACTS; kind++) check_dot_shape(c, type, 2, n_in, n_cols, 0xff, kind);
        }
    }
}

#endif
