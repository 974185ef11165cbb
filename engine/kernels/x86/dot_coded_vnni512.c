/* SPDX-License-Identifier: MIT
 * dot_coded_vnni512.c - row dots with AVX-512 VNNI for every type of nibbles, bytes and K-quants.
 *
 * A unit of 256 elements of a row and a column costs four byte products, which end as 16 integers, two for each sub of
 * 32; these become floats once and meet the scales of both sides. Unpacking is paid once for all columns of a call. To
 * that end the activations of a call are first put in the codes' order, with their scales spread over lanes: a window
 * of them, in L1, for all rows of the call.
 *
 * One row at a time: it comes from memory as one stream, which the hardware prefetches; two rows side by side come at
 * half the speed (Zen 4), and gain nothing from L2.
 *
 * Invariant: an element is the sum of slices of SLICE units, in order, whatever the window holds; each is summed in one
 * order. What is less than a unit at a row's end is a slice of its own.
 */
#include "engine/kernels/x86/dot_vnni512.h"
#include "engine/kernels/x86/unpack_avx512.h"

enum {
    SLICE = 8,   /* units whose sums stay in registers */
    WINDOW = 32, /* units of activations held, of all columns together: 14 KiB */
    /* Rows of units up to this size are asked for in advance: Q4_K gains 8 % from memory (Zen 4). Q8_0 and Q6_K would
     * lose 5 to 10: fewer instructions a byte leave the hardware's prefetcher far enough ahead. */
    PREFETCHED = 144
};

/* ------------------------------------------------------------------------------------------- activations -- */

/* A unit of a column, in the order of the codes of its type. */
typedef struct act_unit {
    __m512i q[4];
    __m512 d;             /* lane i: of sub order[i / 2] */
    union {
        __m512 dsum;      /* lane i: scale times sum of half i, in the row's order: what lacks of the codes meets it */
        __m512i start[2]; /* wide codes: -128 times the activations of each lane, for codes[0..1] and [2..3] */
    } more;
} act_unit;

/* Lane p of q[0], q[1]: the halves of sub order[2 p]; of q[2], q[3]: of sub order[2 p + 1]. */
INLINE void order_acts(einf__dtype type, __m512i q[4], const __m512i rows[4])
{
    if (type == EINF__Q6_K) {
        q[0] = even_lanes(rows[0], rows[2]), q[1] = odd_lanes(rows[0], rows[2]);
        q[2] = even_lanes(rows[1], rows[3]), q[3] = odd_lanes(rows[1], rows[3]);
        return;
    }
    const __m512i a = _mm512_shuffle_i32x4(rows[0], rows[1], 0x44), b = _mm512_shuffle_i32x4(rows[2], rows[3], 0x44);
    const __m512i c = _mm512_shuffle_i32x4(rows[0], rows[1], 0xee), d = _mm512_shuffle_i32x4(rows[2], rows[3], 0xee);
    q[0] = even_lanes(a, b), q[1] = odd_lanes(a, b);
    q[2] = even_lanes(c, d), q[3] = odd_lanes(c, d);
}

/* The unit of column c at element i; zeros behind the last of n_in. */
INLINE void prepare_unit(einf__dtype type, act_unit *u, const einf__cols *x, int c, int64_t i, int64_t n_in)
{
    const int n_subs = n_in - i >= UNIT ? UNIT_SUBS : (int)(n_in - i) / 32;
    const int8_t *q = x->q + c * x->q_stride + i;
    const int64_t sub = c * x->d_stride + i / 32;
    __m512i rows[4];
    UNROLL for (int r = 0; r < 4; r++) {
        const uint64_t inside = 2 * r + 2 <= n_subs ? ~0ull : 2 * r + 1 == n_subs ? 0xffffffffu : 0;
        rows[r] = _mm512_maskz_loadu_epi8(inside, q + 64 * r);
    }
    order_acts(type, u->q, rows);
    const __m256 d = _mm256_maskz_loadu_ps((__mmask8)((1u << n_subs) - 1), x->d + sub);
    if (type == EINF__Q6_K)
        u->d = _mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 2, 2, 1, 1, 3, 3, 4, 4, 6, 6, 5, 5, 7, 7),
                                     _mm512_castps256_ps512(d));
    else u->d = twice(d);
    if (has_wide_codes(type)) {
        const __m512i high = _mm512_set1_epi8((char)0x80), zero = _mm512_setzero_si512();
        UNROLL for (int h = 0; h < 2; h++)
            u->more.start[h] = _mm512_sub_epi32(
                zero, _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(zero, high, u->q[2 * h]), high, u->q[2 * h + 1]));
    } else {
        const __m256i sums = _mm256_maskz_loadu_epi16((__mmask16)((1u << 2 * n_subs) - 1), x->sum16 + 2 * sub);
        u->more.dsum = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(sums)), twice(d));
    }
}

/* --------------------------------------------------------------------------------------------------- sums -- */

/* Codes times activations: two lanes for each sub, scaled by what is an integer. Ranges: four products in int16 of
 * codes up to 63: 4 * 63 * 127 = 32004; eight of codes up to 31: 8 * 31 * 127 = 31496. */
INLINE __m512i products(einf__dtype type, const unit *w, const act_unit *x)
{
    const __m512i zero = _mm512_setzero_si512();
    if (has_half_scales(type)) {
        const __m512i first = _mm512_packs_epi32(_mm512_dpbusd_epi32(zero, w->codes[0], x->q[0]),
                                                 _mm512_dpbusd_epi32(zero, w->codes[2], x->q[2]));
        const __m512i second = _mm512_packs_epi32(_mm512_dpbusd_epi32(zero, w->codes[1], x->q[1]),
                                                  _mm512_dpbusd_epi32(zero, w->codes[3], x->q[3]));
        return _mm512_dpwssd_epi32(_mm512_madd_epi16(first, w->scale[0]), second, w->scale[1]);
    }
    const __m512i even = has_wide_codes(type) ? x->more.start[0] : zero;
    const __m512i odd = has_wide_codes(type) ? x->more.start[1] : zero;
    const __m512i a = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(even, w->codes[0], x->q[0]), w->codes[1], x->q[1]);
    const __m512i b = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(odd, w->codes[2], x->q[2]), w->codes[3], x->q[3]);
    if (!has_wide_codes(type)) return _mm512_madd_epi16(_mm512_packs_epi32(a, b), w->scale[0]);
    /* a0 + a2, a1 + a3, b0 + b2, b1 + b3 of each lane */
    const __m512i crossed = _mm512_castpd_si512(
        _mm512_shuffle_pd(_mm512_castsi512_pd(a), _mm512_castsi512_pd(b), 0x55));
    return _mm512_add_epi32(_mm512_mask_blend_epi64(0xaa, a, b), crossed);
}

/* acc[c] += unit of a row times unit of each column. */
INLINE void add_unit(einf__dtype type, int n_cols, __m512 *acc, const uint8_t *block, const act_unit *x)
{
    unit w;
    unit_open(type, &w, block);
    UNROLL for (int c = 0; c < n_cols; c++) {
        const __m512 sums = _mm512_mul_ps(_mm512_cvtepi32_ps(products(type, &w, &x[c])), x[c].d);
        acc[c] = _mm512_fmadd_ps(sums, w.factor, acc[c]);
        if (!has_wide_codes(type)) acc[c] = _mm512_fmadd_ps(w.lack, x[c].more.dsum, acc[c]);
    }
}

INLINE __m256 fold(__m512 v)
{
    return _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
}

/* --------------------------------------------------------------------------------------------------- rows -- */

/* y[c * y_stride] = (add: +=) n_units of a row times columns, whose units begin at x. */
INLINE void multiply_slice(einf__dtype type, int n_cols, float *y, int64_t y_stride, const uint8_t *block,
                           int64_t n_units, const act_unit *x, bool add, size_t ahead)
{
    __m512 acc[EINF__MAX_DOT_COLS];
    UNROLL for (int c = 0; c < EINF__MAX_DOT_COLS; c++) acc[c] = _mm512_setzero_ps();
    for (int64_t u = 0; u < n_units; u++, x += n_cols, block += unit_bytes(type)) {
        ask_ahead(block, ahead, (int)unit_bytes(type));
        add_unit(type, n_cols, acc, block, x);
    }
    float sums[EINF__MAX_DOT_COLS];
    _mm_storeu_ps(sums, sum8x4(fold(acc[0]), fold(acc[1]), fold(acc[2]), fold(acc[3])));
    UNROLL for (int c = 0; c < n_cols; c++) y[c * y_stride] = add ? y[c * y_stride] + sums[c] : sums[c];
}

/* Units [begin, end) of a row of n_in elements, slice by slice. Blocks that are not a whole unit become one, with zeros
 * behind them, and a slice of their own. */
INLINE void multiply_row(einf__dtype type, int n_cols, float *y, int64_t y_stride, const uint8_t *row, int64_t n_in,
                         const act_unit *x, int64_t begin, int64_t end, size_t ahead)
{
    uint8_t rest[UNIT_SUBS * sizeof(einf__block_q8_0)];
    for (int64_t u = begin, n = SLICE; u < end; u += n) {
        const uint8_t *block = row + u * unit_bytes(type);
        if (u + n > n_in / UNIT) n = n_in / UNIT - u;
        if (is_small(type) && n == 0) {
            memset(rest, 0, sizeof rest);
            memcpy(rest, block, (size_t)(n_in % UNIT / 32 * block_bytes(type)));
            block = rest;
            n = 1;
        }
        multiply_slice(type, n_cols, y, y_stride, block, n, x + (u - begin) * n_cols, u > 0, ahead);
    }
}

/* A row that is cut by windows is no stream to the hardware, which brings it at half the speed (14336 elements, Zen 4):
 * while a piece of one row is multiplied, that of the next is asked for. */
INLINE void coded_rows(einf__dtype type, int n_cols, float *y, int64_t y_stride, const void *w, size_t row_bytes,
                       int64_t n_rows, int64_t n_in, const einf__cols *x)
{
    const int64_t window = WINDOW / n_cols / SLICE * SLICE, n_units = (n_in + UNIT - 1) / UNIT;
    const size_t ahead = n_units > window ? row_bytes : unit_bytes(type) <= PREFETCHED ? AHEAD : 0;
    const einf__cols cols = *x; /* in registers: the stores to y cannot change it */
    act_unit acts[WINDOW];      /* [units of the window, n_cols] */
    for (int64_t begin = 0; begin < n_units; begin += window) {
        const int64_t end = begin + window < n_units ? begin + window : n_units;
        for (int64_t u = begin; u < end; u++)
            UNROLL for (int c = 0; c < n_cols; c++)
                prepare_unit(type, &acts[(u - begin) * n_cols + c], &cols, c, u * UNIT, n_in);
        for (int64_t r = 0; r < n_rows; r++)
            multiply_row(type, n_cols, y + r, y_stride, (const uint8_t *)w + (size_t)r * row_bytes, n_in, acts, begin,
                         end, ahead);
    }
}

#define TYPES(X) \
    X(Q4_0, q4_0) X(Q4_1, q4_1) X(Q5_0, q5_0) X(Q5_1, q5_1) X(Q8_0, q8_0) X(IQ4_NL, iq4_nl) \
    X(Q2_K, q2_k) X(Q3_K, q3_k) X(Q4_K, q4_k) X(Q5_K, q5_k) X(Q6_K, q6_k) X(IQ4_XS, iq4_xs)

#define DOT(type, name) \
    static void dot_##name##_vnni512(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows, \
                                     int64_t n_in, const einf__cols *x, int n_cols) \
    { \
        switch (n_cols) { \
        case 1: coded_rows(EINF__##type, 1, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        case 2: coded_rows(EINF__##type, 2, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        case 3: coded_rows(EINF__##type, 3, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        default: coded_rows(EINF__##type, 4, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        } \
    }

TYPES(DOT)

void einf__install_dot_vnni512(einf__kernels *k)
{
#define INSTALL(type, name) EINF__INSTALL_TYPED(k, dot, EINF__##type, dot_##name##_vnni512);
    TYPES(INSTALL)
#undef INSTALL
}
