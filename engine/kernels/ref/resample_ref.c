/* SPDX-License-Identifier: MIT
 * resample_ref.c - reference of resampling 8-bit pictures: weighted sums along a row, and of rows, in fixed point.
 */
#include "engine/kernels/ref/kernels_ref.h"

/* The contract of the weights keeps sums, the half included, within 32 bits. */
static uint8_t round_sum(int32_t sum)
{
    const int32_t value = sum >> EINF__RESAMPLE_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void resample_row(uint8_t *dst, const uint8_t *src, const einf__taps *taps)
{
    for (int64_t i = 0; i < taps->n_out; i++) {
        const int32_t *weights = taps->weights + i * taps->stride;
        for (int c = 0; c < 3; c++) {
            const uint8_t *x = src + 3 * (int64_t)taps->first[i] + c;
            int32_t sum = EINF__RESAMPLE_HALF;
            for (int64_t t = 0; t < taps->count[i]; t++) sum += weights[t] * x[3 * t];
            dst[3 * i + c] = round_sum(sum);
        }
    }
}

static void resample_rows_ref(uint8_t *dst, int64_t dst_stride, const uint8_t *src, int64_t src_stride, int32_t n_rows,
                              int64_t n_in, const einf__taps *taps)
{
    (void)n_in; /* only what reads ahead has to know where a row ends */
    for (int32_t r = 0; r < n_rows; r++) resample_row(dst + r * dst_stride, src + r * src_stride, taps);
}

static void resample_cols_ref(uint8_t *dst, const uint8_t *src, int64_t src_stride, const int32_t *weights,
                              int64_t n_taps, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t sum = EINF__RESAMPLE_HALF;
        for (int64_t t = 0; t < n_taps; t++) sum += weights[t] * src[t * src_stride + i];
        dst[i] = round_sum(sum);
    }
}

void einf__install_resample_ref(einf__kernels *k)
{
    EINF__INSTALL(k, resample_rows, resample_rows_ref);
    EINF__INSTALL(k, resample_cols, resample_cols_ref);
}
