/* SPDX-License-Identifier: MIT
 * dot_ref.c - reference of the dot slots: rows of weights times up to four columns of activations.
 *
 * Float types multiply floats. Coded types multiply the int8 form of the activations: within a group of 16 the sum of
 * products is an exact integer (at most 16 * 128 * 127), and a constant offset meets the group's exact sum16.
 */
#include <string.h>

#include "engine/base/half.h"
#include "engine/kernels/ref/kernels_ref.h"

/* ------------------------------------------------------------------------------------------- float types -- */

static float load_f32(const uint8_t *w)
{
    float f;
    memcpy(&f, w, sizeof f);
    return f;
}

static uint16_t load_u16(const uint8_t *w)
{
    uint16_t h;
    memcpy(&h, w, sizeof h);
    return h;
}

static float element_f32(const uint8_t *row, int64_t i)
{
    return load_f32(row + 4 * i);
}

static float element_f16(const uint8_t *row, int64_t i)
{
    return einf__f16_to_f32(load_u16(row + 2 * i));
}

static float element_bf16(const uint8_t *row, int64_t i)
{
    return einf__bf16_to_f32(load_u16(row + 2 * i));
}

#define DOT_FLOATS(name) \
    static void dot_##name##_ref(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows, \
                                 int64_t n_in, const einf__cols *x, int n_cols) \
    { \
        for (int64_t r = 0; r < n_rows; r++) { \
            const uint8_t *row = (const uint8_t *)w + (size_t)r * row_bytes; \
            for (int c = 0; c < n_cols; c++) { \
                const float *col = x->f32 + c * x->f32_stride; \
                float sum = 0.0f; \
                for (int64_t i = 0; i < n_in; i++) sum += element_##name(row, i) * col[i]; \
                y[c * y_stride + r] = sum; \
            } \
        } \
    }
DOT_FLOATS(f32)
DOT_FLOATS(f16)
DOT_FLOATS(bf16)

/* ------------------------------------------------------------------------------------------- coded types -- */

typedef void (*unpack_fn)(einf__codes *c, const void *block);

/* Product of one unpacked block with elements [i0, i0 + n) of column c. */
static float dot_block(const einf__codes *w, const einf__cols *x, int c, int64_t i0, int n)
{
    const int8_t *q = x->q + c * x->q_stride + i0;
    const float *d = x->d + c * x->d_stride + i0 / 32;
    const int16_t *sum16 = x->sum16 + 2 * c * x->d_stride + i0 / 16;
    float sum = 0.0f;
    for (int g = 0; g < n / 16; g++) {
        int32_t products = 0;
        for (int e = 16 * g; e < 16 * g + 16; e++) products += w->q[e] * q[e];
        sum += d[g / 2] * (w->scale[g] * (float)products + w->offset[g] * (float)sum16[g]);
    }
    return sum;
}

static void dot_codes(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows, int64_t n_in,
                      const einf__cols *x, int n_cols, einf__dtype type, unpack_fn unpack)
{
    const einf__dtype_info *info = einf__dtype_get(type);
    einf__codes codes;
    for (int64_t r = 0; r < n_rows; r++) {
        const uint8_t *block = (const uint8_t *)w + (size_t)r * row_bytes;
        float sum[EINF__MAX_DOT_COLS] = {0.0f};
        for (int64_t i = 0; i < n_in; i += info->block_elems, block += info->block_bytes) {
            unpack(&codes, block);
            for (int c = 0; c < n_cols; c++) sum[c] += dot_block(&codes, x, c, i, info->block_elems);
        }
        for (int c = 0; c < n_cols; c++) y[c * y_stride + r] = sum[c];
    }
}

#define DOT_CODES(type, name) \
    static void dot_##name##_ref(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows, \
                                 int64_t n_in, const einf__cols *x, int n_cols) \
    { \
        dot_codes(y, y_stride, w, row_bytes, n_rows, n_in, x, n_cols, EINF__##type, einf__unpack_##name); \
    }
EINF__CODED_TYPES(DOT_CODES)

void einf__install_dot_ref(einf__kernels *k)
{
    EINF__INSTALL_TYPED(k, dot, EINF__F32, dot_f32_ref);
    EINF__INSTALL_TYPED(k, dot, EINF__F16, dot_f16_ref);
    EINF__INSTALL_TYPED(k, dot, EINF__BF16, dot_bf16_ref);
#define INSTALL(type, name) EINF__INSTALL_TYPED(k, dot, EINF__##type, dot_##name##_ref);
    EINF__CODED_TYPES(INSTALL)
#undef INSTALL
}
