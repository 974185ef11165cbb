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

static void layer_norm_in_float(float *y, const float *x, const float *w, const float *b, int64_t n, float eps)
{
    float sum = 0.0f, squares = 0.0f;
    for (int64_t i = 0; i < n; i++) sum += x[i], squares += x[i] * x[i];
    const float mean = sum / (float)n, scale = 1.0f / sqrtf(fmaxf(squares / (float)n - mean * mean, 0.0f) + eps);
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * scale * w[i] + b[i];
}

static void gelu_by_tanh(float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] *= 0.5f * (1.0f + tanhf(0.7978845608f * (y[i] + 0.044715f * y[i] * y[i] * y[i])));
}

static void silu_overflows(float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] *= expf(y[i]) / (1.0f + expf(y[i]));
}

static void quick_gelu_without_tail(float *y, int64_t n)
{
    if (n >= 8) right.quick_gelu(y, n / 8 * 8);
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

static void pack_f32_leaves_rows(float *panel, const float *a, int64_t lda, int32_t n_rows, int32_t depth)
{
    for (int32_t k = 0; k < depth; k++)
        for (int32_t i = 0; i < n_rows; i++) panel[k * right.float_mr + i] = a[i * lda + k];
}

static void mul_f32_always_stores(float *c, int64_t ldc, const float *panel, int32_t depth, const float *b, int64_t ldb,
                                  int32_t n_cols, bool add)
{
    (void)add;
    right.mul_f32(c, ldc, panel, depth, b, ldb, n_cols, false);
}

static void mul_f32_columns_differ(float *c, int64_t ldc, const float *panel, int32_t depth, const float *b,
                                   int64_t ldb, int32_t n_cols, bool add)
{
    right.mul_f32(c, ldc, panel, depth, b, ldb, n_cols, add);
    if (n_cols == 2) c[ldc] = nextafterf(c[ldc], 1e9f);
}

static void quantize_f16_truncates(uint16_t *y, float *scale, const float *x, int64_t n)
{
    right.quantize_f16(y, scale, x, n);
    y[0] = (uint16_t)((y[0] & 0x7fffu) > 0 ? y[0] - 1 : y[0]);
}

static void quantize_f16_overflows(uint16_t *y, float *scale, const float *x, int64_t n)
{
    for (int64_t g = 0; g < (n + EINF__NARROW_GROUP - 1) / EINF__NARROW_GROUP; g++) scale[g] = 1.0f;
    for (int64_t i = 0; i < n; i++) y[i] = einf__f32_to_f16(x[i]);
}

static void pack_f16_leaves_rows(uint16_t *panel, float *scale, const float *a, int64_t lda, int32_t n_rows,
                                 int32_t depth)
{
    right.pack_f16(panel, scale, a, lda, n_rows, depth);
    if (n_rows < right.narrow_mr[EINF__SUM_F16]) panel[n_rows] = 1;
}

/* Sums in f32. */
static void mul_f16_is_too_good(float *c, int64_t ldc, const uint16_t *panel, const float *scale, int32_t depth,
                                const einf__narrow_cols *b, int32_t n_cols, bool add)
{
    const int64_t mr = right.narrow_mr[EINF__SUM_F16];
    for (int64_t j = 0; j < n_cols; j++) {
        for (int64_t i = 0; i < mr; i++) {
            float sum = add ? c[j * ldc + i] : 0.0f;
            for (int64_t k = 0; k < depth; k++)
                sum += scale[i] * b->scale[j * b->scale_stride + k / EINF__NARROW_GROUP] *
                       einf__f16_to_f32(panel[k * mr + i]) * einf__f16_to_f32(b->x[j * b->stride + k]);
            c[j * ldc + i] = sum;
        }
    }
}

static void mul_f16_always_stores(float *c, int64_t ldc, const uint16_t *panel, const float *scale, int32_t depth,
                                  const einf__narrow_cols *b, int32_t n_cols, bool add)
{
    (void)add;
    right.mul_f16(c, ldc, panel, scale, depth, b, n_cols, false);
}

static void quantize_i16_truncates(uint16_t *y, float *scale, const float *x, int64_t n)
{
    right.quantize_i16(y, scale, x, n);
    for (int64_t i = 0; i < n; i++)
        if (scale[i / EINF__NARROW_GROUP] > 0.0f) y[i] = (uint16_t)(int16_t)(x[i] / scale[i / EINF__NARROW_GROUP]);
}

static void quantize_i16_leaves_odd(uint16_t *y, float *scale, const float *x, int64_t n)
{
    right.quantize_i16(y, scale, x, n);
    if (n % 2 != 0) y[n] = 1;
}

static void pack_i16_leaves_rows(uint16_t *panel, float *scale, const float *a, int64_t lda, int32_t n_rows,
                                 int32_t depth)
{
    right.pack_i16(panel, scale, a, lda, n_rows, depth);
    if (n_rows < right.narrow_mr[EINF__SUM_I16]) panel[2 * n_rows] = 1;
}

/* A group longer than the sum of whose products fits into 32 bits: the next group's scale is never read. */
static void mul_i16_takes_long_groups(float *c, int64_t ldc, const uint16_t *panel, const float *scale, int32_t depth,
                                      const einf__narrow_cols *b, int32_t n_cols, bool add)
{
    einf__narrow_cols first = *b;
    float same[8];
    right.mul_i16(c, ldc, panel, scale, depth, b, n_cols, add);
    if (depth <= EINF__NARROW_GROUP || n_cols > 1) return;
    for (size_t g = 0; g < COUNT(same); g++) same[g] = b->scale[0];
    first.scale = same;
    right.mul_i16(c, ldc, panel, scale, depth, &first, n_cols, false);
}

static void mul_i16_always_stores(float *c, int64_t ldc, const uint16_t *panel, const float *scale, int32_t depth,
                                  const einf__narrow_cols *b, int32_t n_cols, bool add)
{
    (void)add;
    right.mul_i16(c, ldc, panel, scale, depth, b, n_cols, false);
}

static float softmax_forgets_cap(einf__softmax *s, float *scores, int64_t n, float scale, float softcap)
{
    (void)softcap;
    return right.softmax(s, scores, n, scale, 0.0f);
}

static float softmax_keeps_sum(einf__softmax *s, float *scores, int64_t n, float scale, float softcap)
{
    const float shrink = right.softmax(s, scores, n, scale, softcap);
    return shrink < 1.0f && shrink > 0.0f ? 1.0f : shrink;
}

static void pack_rounds_what_fits(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w,
                                  size_t row_bytes, int32_t n_rows, int64_t n_in)
{
    right.pack[EINF__Q4_0](k, s, form, w, row_bytes, n_rows, n_in);
    if (form != EINF__PANEL_32) return;
    for (int e = 0; e < 32; e++) { /* twice the code, half the scale: the same weights, not the file's codes */
        uint8_t *code = s->codes + e / 4 * 32 + e % 4;
        *code = (uint8_t)(128 + 2 * (*code - 128));
    }
    s->scale[0] *= 0.5f;
}

static void pack_forgets_min(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w,
                             size_t row_bytes, int32_t n_rows, int64_t n_in)
{
    right.pack[EINF__Q4_K](k, s, form, w, row_bytes, n_rows, n_in);
    if (form == EINF__PANEL_32M) s->min[8 * (n_in / 32) - 8] += 1.0f;
}

static void pack_rounds_badly(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w,
                              size_t row_bytes, int32_t n_rows, int64_t n_in)
{
    right.pack[EINF__Q6_K](k, s, form, w, row_bytes, n_rows, n_in);
    if (form == EINF__PANEL_128) s->codes[8 * n_in - 8 * 4] ^= 1;
}

static void pack_changes_factor(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w,
                                size_t row_bytes, int32_t n_rows, int64_t n_in)
{
    right.pack[EINF__Q3_K](k, s, form, w, row_bytes, n_rows, n_in);
    if (form == EINF__PANEL_16) s->factor[2 * (8 * (n_in / 32) - 8) + 1] ^= 1;
}

static void pack_fills_absent_rows(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w,
                                   size_t row_bytes, int32_t n_rows, int64_t n_in)
{
    right.pack[EINF__Q8_0](k, s, form, w, row_bytes, n_rows, n_in);
    if (n_rows < 8) s->scale[7] = 1.0f, s->codes[7 * 4] = 129;
}

static void pack_reads_on(const einf__kernels *k, const einf__strip *s, einf__panel_form form, const void *w,
                          size_t row_bytes, int32_t n_rows, int64_t n_in)
{
    right.pack[EINF__Q5_K](k, s, form, w, row_bytes, n_rows, n_in);
    const volatile uint8_t *beyond = (const uint8_t *)w + (size_t)(n_rows - 1) * row_bytes + (size_t)n_in / 256 * 176;
    (void)*beyond;
}

static void tile_truncates(const einf__tile *t, const float *x, int64_t x_stride, int32_t n_cols, int64_t n,
                           int32_t group)
{
    right.quantize_tile(t, x, x_stride, n_cols, n, group);
    for (int64_t e = 0; e < n; e++) {
        int8_t *q = t->q + e / 4 * 4 * t->n_cols + e % 4;
        const float exact = t->d[e / group * t->n_cols] > 0.0f ? x[e] / t->d[e / group * t->n_cols] : 0.0f;
        if (*q > 0 && (float)*q > exact) --*q;
    }
}

static void tile_loses_start(const einf__tile *t, const float *x, int64_t x_stride, int32_t n_cols, int64_t n,
                             int32_t group)
{
    right.quantize_tile(t, x, x_stride, n_cols, n, group);
    for (int64_t i = 0; group == 128 && i < n / group * t->n_cols; i++) t->start[i] = 0;
}

static void product_saturates(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in)
{
    for (int32_t j = 0; j < t->n_cols; j++) {
        for (int i = 0; i < 8; i++) {
            float sum = 0.0f;
            for (int64_t g = 0; g < n_in / 64; g++) { /* pairs of products in 16 bits, as vpmaddubsw sums them */
                int32_t products = t->start[g * t->n_cols + j];
                for (int64_t e = 64 * g; e < 64 * g + 64; e += 2) {
                    const uint8_t *w = s->codes + (e / 4 * 8 + i) * 4 + e % 4;
                    const int8_t *q = t->q + (e / 4 * t->n_cols + j) * 4 + e % 4;
                    const int32_t pair = w[0] * q[0] + w[1] * q[1];
                    products += pair > 32767 ? 32767 : pair < -32768 ? -32768 : pair;
                }
                sum += s->scale[g * 8 + i] * t->d[g * t->n_cols + j] * (float)products;
            }
            c[j * 8 + i] = sum;
        }
    }
}

static void product_without_min(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in)
{
    const einf__tile none = {t->q, t->d, t->start, (float[8 * 80]){0.0f}, t->n_cols};
    right.panel_mul[EINF__PANEL_32M](c, s, &none, n_in);
}

static void product_of_one_factor(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in)
{
    int16_t factor[2 * 8 * 80];
    einf__strip one = *s;
    one.factor = factor;
    for (int64_t i = 0; i < 2 * 8 * (n_in / 32); i++) factor[i] = s->factor[i / 2 * 2];
    right.panel_mul[EINF__PANEL_16](c, &one, t, n_in);
}

static void product_columns_differ(float *c, const einf__strip *s, const einf__tile *t, int64_t n_in)
{
    right.panel_mul[EINF__PANEL_32](c, s, t, n_in);
    if (t->n_cols == 3) c[2 * 8 + 5] = nextafterf(c[2 * 8 + 5], 1e9f);
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

static void rows_read_on(uint8_t *dst, int64_t dst_stride, const uint8_t *src, int64_t src_stride, int32_t n_rows,
                         int64_t n_in, const einf__taps *taps)
{
    right.resample_rows(dst, dst_stride, src, src_stride, n_rows, n_in, taps);
    const volatile uint8_t *beyond = src + (n_rows - 1) * src_stride + 3 * n_in;
    (void)*beyond;
}

static void rows_write_four_bytes(uint8_t *dst, int64_t dst_stride, const uint8_t *src, int64_t src_stride,
                                  int32_t n_rows, int64_t n_in, const einf__taps *taps)
{
    right.resample_rows(dst, dst_stride, src, src_stride, n_rows, n_in, taps);
    if (n_rows > 1) dst[3 * taps->n_out] = 0;
}

/* Without the carry from the lower half of a weight to the upper. */
static void cols_lose_carry(uint8_t *dst, const uint8_t *src, int64_t src_stride, const int32_t *weights,
                            int64_t n_taps, int64_t n)
{
    int32_t wrong[64];
    for (int64_t t = 0; t < n_taps; t++) wrong[t] = (weights[t] >> 16) * 65536 + (int16_t)(weights[t] & 0xffff);
    right.resample_cols(dst, src, src_stride, wrong, n_taps, n);
}

static void cols_cut_off(uint8_t *dst, const uint8_t *src, int64_t src_stride, const int32_t *weights, int64_t n_taps,
                         int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t sum = 0;
        for (int64_t t = 0; t < n_taps; t++) sum += (int64_t)weights[t] * src[t * src_stride + i];
        const int64_t value = sum >> EINF__RESAMPLE_BITS;
        dst[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
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
/* A strip, whose form the message names. */
#define FIND_PACK(type, wrong_fn, form, message) \
    FIND_TYPED(pack, type, wrong_fn, "form panel_mul[" form, message)

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
    FIND(layer_norm, layer_norm_in_float, "n 2, scale 1 around 0", "element at ");
    FIND(gelu, gelu_by_tanh, "n ", "element at ");
    FIND(silu, silu_overflows, "up to 120", "element at ");
    FIND(quick_gelu, quick_gelu_without_tail, "n 1, up to 1", "element at 0");
    FIND(swiglu, swiglu_loses_nan, "gates from -130", "NaN from a NaN gate at 0");
    FIND(rope_norm, rope_turns_back, "1 pairs", "first of pair at 0");
    FIND(gemm_f32, gemm_without_last, "depth 257", "row at 0");
    FIND(attend_f32, attend_without_cap, "softcap 0.5", "element at ");
    FIND(attend_f16, attend_queries_differ, "queries 2", "element of a query alone at 0");
    FIND(resample_rows, rows_read_on, "1 rows of 1", "touched memory outside");
    FIND(resample_rows, rows_write_four_bytes, "2 rows of 1 to 1 pixels", "byte behind a row at 0: got 0, want 165");
    FIND(resample_cols, cols_lose_carry, "rows of ", "byte at ");
    FIND(resample_cols, cols_cut_off, "rows of ", "byte at ");
    FIND_TYPED(to_f32, Q4_K, to_f32_last_bit, "n 256", "element at 255");
    FIND_TYPED(dot, Q6_K, dot_inexact, "n_in 256, columns 1", "row against double at 0");
    FIND_TYPED(dot, Q8_0, dot_columns_differ, "columns 3", "row 0, column 2 of 3");
    FIND_TYPED(dot, F16, dot_between_columns, "columns 2", "behind a row, was written");
}

static void mistakes_of_panels_are_found(void **state)
{
    (void)state;
    einf__kernels_init(&right, 0, NULL);
    FIND(pack_f32, pack_f32_leaves_rows, "rows 1, depth 1", "depth at 0");
    FIND(mul_f32, mul_f32_always_stores, "added", "row at 0");
    FIND(mul_f32, mul_f32_columns_differ, "columns 2", "column alone at 0");
    FIND(quantize_f16, quantize_f16_truncates, "n 1, numbers to 1", "half at 0");
    FIND(quantize_f16, quantize_f16_overflows, "n 1, numbers to 1", "a scale is too large");
    FIND(pack_f16, pack_f16_leaves_rows, "rows 1, depth 1", "half of a row that is not there at 0");
    FIND(mul_f16, mul_f16_is_too_good, "kind 4, depth 1", "row as the reference's at 0");
    FIND(mul_f16, mul_f16_always_stores, "added", "row at 0");
    FIND(quantize_i16, quantize_i16_truncates, "n 2, numbers to 1", "code at ");
    FIND(quantize_i16, quantize_i16_leaves_odd, "n 1, numbers to 1", "behind an odd number at 1");
    FIND(pack_i16, pack_i16_leaves_rows, "rows 1, depth 1", "code of a row that is not there at 0");
    FIND(mul_i16, mul_i16_takes_long_groups, "depth 65, columns 1", "row at 0");
    FIND(mul_i16, mul_i16_always_stores, "added", "row at 0");
    FIND(softmax, softmax_forgets_cap, "softcap 0.5", "of at");
    FIND(softmax, softmax_keeps_sum, "around 50", "shrink of at");
    FIND(quantize_tile, tile_truncates, "groups of 32", "code at ");
    FIND(quantize_tile, tile_loses_start, "groups of 128", "start of group at 0");
    FIND_PACK(Q4_0, pack_rounds_what_fits, "32]", "row 0, group 0 has not the file's codes");
    FIND_PACK(Q4_K, pack_forgets_min, "32m]", "row 0, group 7 has not the file's codes");
    FIND_PACK(Q6_K, pack_rounds_badly, "128]", "weight at ");
    FIND_PACK(Q3_K, pack_changes_factor, "16]", "row 0, group 7 has not the file's codes");
    FIND_PACK(Q8_0, pack_fills_absent_rows, "32], rows 1", "weight of a row that is not there at 0");
    FIND_PACK(Q5_K, pack_reads_on, "32m], rows 1", "touched memory outside");
    FIND_TYPED(panel_mul, PANEL_64, product_saturates, "columns 1", "row at 0");
    FIND_TYPED(panel_mul, PANEL_32M, product_without_min, "columns 1", "row at 0");
    FIND_TYPED(panel_mul, PANEL_16, product_of_one_factor, "columns 1", "row at 0");
    FIND_TYPED(panel_mul, PANEL_32, product_columns_differ, "columns 3", "columns alone at 5");
}

/* The reference packs into any shape, for rungs that leave types to it; and the checks read any. */
static void strips_have_any_shape(void **state)
{
    (void)state;
    static const einf__panel_shape shapes[] = {{.mr = 64, .k_unit = 8, .code_bias = 0},
                                               {.mr = 16, .k_unit = 4, .code_bias = 128},
                                               {.mr = 24, .k_unit = 8, .code_bias = 128}};
    static const einf__dtype types[] = {EINF__Q4_K, EINF__Q6_K, EINF__Q8_0, EINF__IQ2_XS, EINF__MXFP4};
    einf__kernels_init(&right, 0, NULL);
    for (size_t i = 0; i < TEST_COUNT(shapes); i++) {
        einf__kernels k = right;
        k.panel_shape = shapes[i];
        for (size_t t = 0; t < TEST_COUNT(types); t++) {
            const check c = {&k, &right, EINF__SLOT_pack + (int)types[t]};
            if (!check_slot(&c, 1)) fail_msg("mr %d: %s: %s", shapes[i].mr, check_shape, check_message);
        }
    }
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
        cmocka_unit_test(mistakes_of_panels_are_found),
        cmocka_unit_test(strips_have_any_shape),
        cmocka_unit_test(right_kernels_pass_after_wrong_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
