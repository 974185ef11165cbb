/* SPDX-License-Identifier: MIT
 * check_resample.h - checks of the slots that resample pictures, against sums in 64 bits: all of them are exact.
 */
#ifndef TESTS_CHECK_RESAMPLE_H
#define TESTS_CHECK_RESAMPLE_H

#include "tests/checkkern/check_support.h"

/* Weights that try the edges: of halves of 16 bits, of the largest sum, of rounding. Kinds beyond are random. */
enum { N_WEIGHT_KINDS = 6 };

static void fill_taps(int32_t *weights, int64_t n, int kind)
{
    static const int32_t edges[8] = {0x7fff, -0x7fff, 0x8000, -0x8000, 0x8001, -0x8001, 0xffff, -0x10000};
    const int32_t most = (1 << (EINF__RESAMPLE_BITS + 1)) - 1; /* what the weights' sizes add up to, at most */
    for (int64_t t = 0; t < n; t++) {
        if (kind == 0) weights[t] = edges[(uint64_t)(t + n) % 8];
        else if (kind == 1) weights[t] = most / (int32_t)n;
        else if (kind == 2) weights[t] = -(most / (int32_t)n);
        else if (kind == 3) weights[t] = (t % 2 ? -1 : 1) * (most / (int32_t)n);
        else if (kind == 4) weights[t] = t == n - 1 ? 1 << EINF__RESAMPLE_BITS : 0; /* one pixel, as it is */
        else weights[t] = (int32_t)(random_unit() * (float)(most / (int32_t)n));
    }
}

static void fill_bytes(uint8_t *x, int64_t n, int kind)
{
    for (int64_t i = 0; i < n; i++) x[i] = kind >= 1 && kind <= 3 ? 255 : (uint8_t)(random_u32() >> 24);
}

/* One byte of the result: weights times every step-th byte of x. */
static int64_t resampled(const int32_t *weights, int64_t n_taps, const uint8_t *x, int64_t step)
{
    int64_t sum = EINF__RESAMPLE_HALF;
    for (int64_t t = 0; t < n_taps; t++) sum += (int64_t)weights[t] * x[t * step];
    const int64_t value = sum >> EINF__RESAMPLE_BITS;
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

/* ---------------------------------------------------------------------------------------------- along a row -- */

enum { ROW_GAP = 5 }; /* bytes between rows, which are not pixels */

/* Windows anywhere in the row, of 1 to max_taps pixels. */
static void fill_windows(int32_t *first, int32_t *count, int32_t *weights, int n_out, int stride, int n_in, int kind)
{
    memset(weights, 0, (size_t)n_out * (size_t)stride * sizeof *weights);
    const int max_taps = n_in < stride ? n_in : stride;
    for (int i = 0; i < n_out; i++) {
        count[i] = i == 0 ? max_taps : 1 + (int32_t)(random_u32() % (uint32_t)max_taps);
        first[i] = i == n_out - 1 ? n_in - count[i] : (int32_t)(random_u32() % (uint32_t)(n_in - count[i] + 1));
        fill_taps(weights + i * stride, count[i], kind);
    }
}

static void check_rows_of(const check *c, int n_rows, int n_in, int n_out, int stride, int kind)
{
    note_shape("%d rows of %d to %d pixels, %d taps, weights of kind %d", n_rows, n_in, n_out, stride, kind);
    const int64_t src_stride = 3 * n_in + ROW_GAP, dst_stride = 3 * n_out + ROW_GAP;
    guarded src = guard_alloc((size_t)(src_stride * n_rows - ROW_GAP), 0);
    guarded dst = guard_alloc((size_t)(dst_stride * n_rows - ROW_GAP), 0);
    guarded first = guard_alloc((size_t)n_out * 4, 0), count = guard_alloc((size_t)n_out * 4, 0);
    guarded weights = guard_alloc((size_t)n_out * (size_t)stride * 4, 0);
    fill_bytes(src.data, src_stride * n_rows - ROW_GAP, kind);
    const einf__taps taps = {(int32_t *)(void *)first.data, (int32_t *)(void *)count.data,
                             (int32_t *)(void *)weights.data, n_out, stride};
    fill_windows((int32_t *)(void *)first.data, (int32_t *)(void *)count.data, (int32_t *)(void *)weights.data, n_out,
                 stride, n_in, kind);
    c->k->resample_rows(dst.data, dst_stride, src.data, src_stride, n_rows, n_in, &taps);
    for (int r = 0; r < n_rows; r++) {
        const uint8_t *from = src.data + r * src_stride, *to = dst.data + r * dst_stride;
        for (int i = 0; i < 3 * n_out; i++)
            expect_equal(to[i], resampled(taps.weights + i / 3 * stride, taps.count[i / 3],
                                          from + 3 * taps.first[i / 3] + i % 3, 3), "byte of a row", i);
        for (int i = 0; i < ROW_GAP && r + 1 < n_rows; i++)
            expect_equal(to[3 * n_out + i], CANARY, "byte behind a row", i);
    }
    guard_free(&src);
    guard_free(&dst);
    guard_free(&first);
    guard_free(&count);
    guard_free(&weights);
}

static void check_resample_rows(const check *c)
{
    static const int n_ins[] = {1, 2, 3, 4, 5, 6, 7, 9, 13, 40}, n_outs[] = {1, 2, 3, 9}, strides[] = {4, 8, 20};
    for (size_t a = 0; a < COUNT(n_ins); a++)
        for (size_t b = 0; b < COUNT(n_outs); b++)
            for (size_t s = 0; s < COUNT(strides); s++)
                for (int i = 0; i < 2 * N_WEIGHT_KINDS; i++)
                    check_rows_of(c, 1 + (i + (int)b) % EINF__RESAMPLE_MAX_ROWS, n_ins[a], n_outs[b], strides[s], i);
}

/* ------------------------------------------------------------------------------------------------- of rows -- */

static void check_cols_of(const check *c, int n_taps, int n, int kind)
{
    note_shape("%d rows of %d bytes, weights of kind %d", n_taps, n, kind);
    const int64_t stride = n + ROW_GAP;
    guarded src = guard_alloc((size_t)(stride * n_taps - ROW_GAP), 0), dst = guard_alloc((size_t)n, 0);
    guarded weights = guard_alloc((size_t)n_taps * 4, 0);
    fill_bytes(src.data, stride * n_taps - ROW_GAP, kind);
    const int32_t *k = (int32_t *)(void *)weights.data;
    fill_taps((int32_t *)(void *)weights.data, n_taps, kind);
    c->k->resample_cols(dst.data, src.data, stride, k, n_taps, n);
    for (int i = 0; i < n; i++) expect_equal(dst.data[i], resampled(k, n_taps, src.data + i, stride), "byte", i);
    guard_free(&src);
    guard_free(&dst);
    guard_free(&weights);
}

static void check_resample_cols(const check *c)
{
    static const int n_taps[] = {1, 2, 3, 4, 7, 16, 33}, ns[] = {1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 100};
    for (size_t t = 0; t < COUNT(n_taps); t++)
        for (size_t i = 0; i < COUNT(ns); i++)
            for (int kind = 0; kind < 2 * N_WEIGHT_KINDS; kind++) check_cols_of(c, n_taps[t], ns[i], kind);
}

#endif
