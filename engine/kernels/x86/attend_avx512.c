/* SPDX-License-Identifier: MIT
 * attend_avx512.c - attention of the queries that share one KV head, with AVX-512: softmax online over blocks of keys.
 *
 * Keys and values are converted once for up to four queries: products of queries and keys come as sixteen accumulators
 * whose lanes are summed together. Every sum has one order, whatever queries and keys share a tile, so what a query
 * gets does not depend on the others of its call. Dimensions that 16 does not divide end in a masked vector.
 */
#include "engine/base/blocks.h"
#include "engine/kernels/x86/kernels_avx512.h"

#define BLOCK_KEYS 64
#define TILE_SUMS 16     /* queries times keys */
#define MAX_TILE_Q 4
#define VALUES_AT_ONCE 4 /* vectors of 16 */
#define ALL_LANES 0xffff
#define WIDE_ROW_BYTES 128 /* rows beyond this are prefetched */

/* The lanes of n > 0 elements, of which a vector takes at most 16. */
INLINE __mmask16 lanes_left(int64_t n)
{
    return first_mask16(n < 16 ? n : 16);
}

/* ---------------------------------------------------------------------------------------- elements of a cache -- */

/* Where element i is; of Q8_0 its block, i a multiple of 32. */
INLINE const uint8_t *element_at(einf__dtype type, const void *rows, int64_t i)
{
    const int64_t at = type == EINF__Q8_0  ? i / 32 * (int64_t)sizeof(einf__block_q8_0)
                       : type == EINF__F16 ? 2 * i
                                           : 4 * i;
    return (const uint8_t *)rows + at;
}

/* n_vec vectors of 16 elements, from element_at on; of Q8_0 an even number, of others the last one masked. A code times
 * its scale is exact. */
INLINE void load_elements(__m512 out[], einf__dtype type, int n_vec, const uint8_t *p, __mmask16 lanes)
{
    UNROLL for (int u = 0; u < n_vec; u++) {
        if (type == EINF__F32) out[u] = _mm512_maskz_loadu_ps(lanes, p + 64 * u);
        if (type == EINF__F16) out[u] = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, p + 32 * u));
        if (type == EINF__Q8_0) {
            const uint8_t *block = p + u / 2 * (int64_t)sizeof(einf__block_q8_0);
            const __m512 scale = _mm512_set1_ps(half_to_float(load_u16(block)));
            const __m128i codes = load128(block + offsetof(einf__block_q8_0, qs) + u % 2 * 16);
            out[u] = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes)), scale);
        }
    }
}

/* --------------------------------------------------------------------------------------------- q times k -- */

/* The sum of each of 16 vectors, in order. The tree is the same for each. */
INLINE __m512 sum16x16(const __m512 v[16])
{
    __m512 a[8], b[4], c[2];
    UNROLL for (int i = 0; i < 8; i++)
        a[i] = _mm512_add_ps(_mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]), _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]));
    UNROLL for (int i = 0; i < 4; i++) {
        const __m512d x = _mm512_castps_pd(a[2 * i]), y = _mm512_castps_pd(a[2 * i + 1]);
        b[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
    }
    UNROLL for (int i = 0; i < 2; i++)
        c[i] = _mm512_add_ps(_mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0x44),
                             _mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0xee));
    return _mm512_add_ps(_mm512_shuffle_f32x4(c[0], c[1], 0x88), _mm512_shuffle_f32x4(c[0], c[1], 0xdd));
}

/* Elements [e, e + 16 n_vec) of n_q queries times those of n_keys rows, added to acc[i * n_keys + p]. */
INLINE void multiply_keys(__m512 acc[TILE_SUMS], einf__dtype type, int n_q, int n_vec, const float *q, int64_t q_stride,
                          const uint8_t *const rows[TILE_SUMS], int64_t e, __mmask16 lanes)
{
    const int n_keys = TILE_SUMS / n_q;
    __m512 queries[MAX_TILE_Q][2];
    UNROLL for (int i = 0; i < n_q; i++)
        UNROLL for (int u = 0; u < n_vec; u++)
            queries[i][u] = _mm512_maskz_loadu_ps(lanes, q + i * q_stride + e + 16 * u);
    UNROLL for (int p = 0; p < n_keys; p++) {
        __m512 keys[2];
        load_elements(keys, type, n_vec, element_at(type, rows[p], e), lanes);
        UNROLL for (int u = 0; u < n_vec; u++)
            UNROLL for (int i = 0; i < n_q; i++)
                acc[i * n_keys + p] = _mm512_fmadd_ps(queries[i][u], keys[u], acc[i * n_keys + p]);
    }
}

/* Products scores[i][0..TILE_SUMS / n_q) of n_q queries, a constant, and n_keys keys; keys that are not there count as
 * the last one again. */
INLINE void score_tile(einf__dtype type, int n_q, float *scores, const einf__attend *a, int i0, int64_t key, int n_keys)
{
    const float *q = a->q + i0 * a->q_stride;
    const int64_t n_whole = a->k_dim & ~15;
    const uint8_t *rows[TILE_SUMS];
    __m512 acc[TILE_SUMS];
    for (int p = 0; p < TILE_SUMS / n_q; p++)
        rows[p] = element_at(type, a->k, (key + (p < n_keys ? p : n_keys - 1)) * a->k_stride);
    UNROLL for (int s = 0; s < TILE_SUMS; s++) acc[s] = _mm512_setzero_ps();
    if (type == EINF__Q8_0) {
        for (int64_t e = 0; e < n_whole; e += 32)
            multiply_keys(acc, type, n_q, 2, q, a->q_stride, rows, e, ALL_LANES);
    } else {
        for (int64_t e = 0; e < n_whole; e += 16)
            multiply_keys(acc, type, n_q, 1, q, a->q_stride, rows, e, ALL_LANES);
        if (n_whole < a->k_dim)
            multiply_keys(acc, type, n_q, 1, q, a->q_stride, rows, n_whole, lanes_left(a->k_dim - n_whole));
    }
    const __m512 sums = sum16x16(acc);
    if (n_q == 1) _mm512_storeu_ps(scores, sums);
    if (n_q == 2) {
        _mm256_storeu_ps(scores, _mm512_castps512_ps256(sums));
        _mm256_storeu_ps(scores + BLOCK_KEYS, _mm512_extractf32x8_ps(sums, 1));
    }
    if (n_q == 4) {
        _mm_storeu_ps(scores, _mm512_castps512_ps128(sums));
        _mm_storeu_ps(scores + BLOCK_KEYS, _mm512_extractf32x4_ps(sums, 1));
        _mm_storeu_ps(scores + 2 * BLOCK_KEYS, _mm512_extractf32x4_ps(sums, 2));
        _mm_storeu_ps(scores + 3 * BLOCK_KEYS, _mm512_extractf32x4_ps(sums, 3));
    }
}

/* ----------------------------------------------------------------------------------------------- softmax -- */

INLINE float exp1(float x)
{
    return _mm512_cvtss_f32(exp_negative16(_mm512_set1_ps(x)));
}

static void cap_scores(float *scores, int64_t n, float scale, float softcap)
{
    const __m512 cap = _mm512_set1_ps(softcap), uncapped = _mm512_set1_ps(scale / softcap);
    for (int64_t p = 0; p < n; p += 16) {
        const __mmask16 lanes = lanes_left(n - p);
        const __m512 capped = tanh16(_mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, scores + p), uncapped));
        _mm512_mask_storeu_ps(scores + p, lanes, _mm512_mul_ps(cap, capped));
    }
}

static float softmax_avx512(einf__softmax *s, float *scores, int64_t n, float scale, float softcap)
{
    if (softcap > 0.0f) {
        cap_scores(scores, n, scale, softcap);
        scale = 1.0f;
    }
    const int64_t n_whole = n & ~15;
    const __mmask16 rest = first_mask16(n - n_whole);
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (int64_t p = 0; p < n_whole; p += 16) most = _mm512_max_ps(most, _mm512_loadu_ps(scores + p));
    most = _mm512_mask_max_ps(most, rest, most, _mm512_maskz_loadu_ps(rest, scores + n_whole));
    const float old = s->max, new_max = max16(most) * scale;
    s->max = old > new_max ? old : new_max;
    const __m512 factor = _mm512_set1_ps(scale), max = _mm512_set1_ps(s->max);
    for (int64_t p = 0; p < n_whole; p += 16) {
        const __m512 e = exp_negative16(_mm512_sub_ps(_mm512_mul_ps(_mm512_loadu_ps(scores + p), factor), max));
        _mm512_storeu_ps(scores + p, e);
        sum = _mm512_add_ps(sum, e);
    }
    if (rest) {
        const __m512 part = _mm512_maskz_loadu_ps(rest, scores + n_whole);
        const __m512 e = exp_negative16(_mm512_sub_ps(_mm512_mul_ps(part, factor), max));
        _mm512_mask_storeu_ps(scores + n_whole, rest, e);
        sum = _mm512_mask_add_ps(sum, rest, sum, e);
    }
    const float shrink = s->max == old ? 1.0f : exp1(old - s->max);
    s->sum = s->sum * shrink + sum16(sum);
    return shrink;
}

/* ----------------------------------------------------------------------------------------- weights times v -- */

/* out[i][e ..] = shrink[i] out[i][e ..] + sum over p of weights[i][p] v[p][e ..] for n_vec vectors of 16, of which
 * `lanes` are there. */
INLINE void value_tile(einf__dtype type, int n_q, int n_vec, float *out, const float *weights, const float *shrink,
                       const einf__attend *a, int64_t key, int n_keys, int64_t e, __mmask16 lanes)
{
    const uint8_t *v = element_at(type, a->v, key * a->v_stride + e);
    const int64_t row_bytes = element_at(type, v, a->v_stride) - v;
    __m512 acc[MAX_TILE_Q][VALUES_AT_ONCE];
    UNROLL for (int i = 0; i < n_q; i++)
        UNROLL for (int u = 0; u < n_vec; u++)
            acc[i][u] = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, out + i * a->out_stride + e + 16 * u),
                                      _mm512_set1_ps(shrink[i]));
    for (int p = 0; p < n_keys; p++, v += row_bytes) {
        __m512 values[VALUES_AT_ONCE];
        load_elements(values, type, n_vec, v, lanes);
        UNROLL for (int i = 0; i < n_q; i++)
            UNROLL for (int u = 0; u < n_vec; u++)
                acc[i][u] = _mm512_fmadd_ps(values[u], _mm512_set1_ps(weights[i * BLOCK_KEYS + p]), acc[i][u]);
    }
    UNROLL for (int i = 0; i < n_q; i++)
        UNROLL for (int u = 0; u < n_vec; u++)
            _mm512_mask_storeu_ps(out + i * a->out_stride + e + 16 * u, lanes, acc[i][u]);
}

INLINE void value_block(einf__dtype type, int n_q, float *out, const float *weights, const float *shrink,
                        const einf__attend *a, int64_t key, int n_keys)
{
    int64_t e = 0;
    for (; e + 16 * VALUES_AT_ONCE <= a->v_dim; e += 16 * VALUES_AT_ONCE)
        value_tile(type, n_q, VALUES_AT_ONCE, out, weights, shrink, a, key, n_keys, e, ALL_LANES);
    if (type == EINF__Q8_0) { /* whole blocks: at most one is left */
        if (e < a->v_dim) value_tile(type, n_q, 2, out, weights, shrink, a, key, n_keys, e, ALL_LANES);
        return;
    }
    for (; e < a->v_dim; e += 16)
        value_tile(type, n_q, 1, out, weights, shrink, a, key, n_keys, e, lanes_left(a->v_dim - e));
}

/* ------------------------------------------------------------------------------------------------ the slot -- */

INLINE void prefetch_row(einf__dtype type, const void *rows, int64_t row, int64_t stride, int64_t dim)
{
    const uint8_t *p = element_at(type, rows, row * stride), *end = element_at(type, p, dim);
    for (; p < end; p += 64) _mm_prefetch((const char *)p, _MM_HINT_T1);
}

/* While keys from `key` on are multiplied: their values, and the keys that come a block later. Rows of one or two lines
 * are a stream that the hardware prefetches by itself, faster than when it is helped; of wider ones values are read in
 * strips, and it does not: 1.3 to 1.7 times slower (Zen 4, from memory). */
INLINE void prefetch_rows(einf__dtype type, const einf__attend *a, int64_t key, int n)
{
    for (int p = 0; p < n; p++) {
        if (key + p < a->key_end) prefetch_row(type, a->v, key + p, a->v_stride, a->v_dim);
        if (key + p + BLOCK_KEYS < a->key_end)
            prefetch_row(type, a->k, key + p + BLOCK_KEYS, a->k_stride, a->k_dim);
    }
}

/* Queries [i0, i0 + n_q), n_q a constant of 1, 2 or 4, against one block of keys. */
INLINE void attend_block(einf__dtype type, int n_q, const einf__attend *a, int i0, int64_t key, int n_keys)
{
    float scores[MAX_TILE_Q * BLOCK_KEYS], shrink[MAX_TILE_Q];
    const bool wide = element_at(type, a->k, a->k_dim) - (const uint8_t *)a->k > WIDE_ROW_BYTES;
    for (int p = 0; p < n_keys; p += TILE_SUMS / n_q) {
        if (wide && i0 == 0) prefetch_rows(type, a, key + p, TILE_SUMS / n_q);
        score_tile(type, n_q, scores + p, a, i0, key + p, n_keys - p);
    }
    for (int i = 0; i < n_q; i++)
        shrink[i] = softmax_avx512(a->state + i0 + i, scores + i * BLOCK_KEYS, n_keys, a->scale, a->softcap);
    value_block(type, n_q, a->out + i0 * a->out_stride, scores, shrink, a, key, n_keys);
}

static void begin(const einf__attend *a)
{
    for (int i = 0; i < a->n_q; i++) {
        a->state[i] = (einf__softmax){-INFINITY, 0.0f};
        memset(a->out + i * a->out_stride, 0, (size_t)a->v_dim * sizeof *a->out);
    }
}

/* Blocks stay functions of their own: all in one takes compilers minutes under a sanitizer. */
#define BLOCK_OF(name, type, n_q) \
    __attribute__((noinline)) static void name(const einf__attend *a, int i0, int64_t key, int n_keys) \
    { \
        attend_block(type, n_q, a, i0, key, n_keys); \
    }
#define ATTEND(name, type) \
    BLOCK_OF(name##_block4, type, 4) \
    BLOCK_OF(name##_block2, type, 2) \
    BLOCK_OF(name##_block1, type, 1) \
    static void name(const einf__attend *a) \
    { \
        begin(a); \
        for (int64_t key = a->key_begin; key < a->key_end; key += BLOCK_KEYS) { \
            const int n_keys = (int)(a->key_end - key < BLOCK_KEYS ? a->key_end - key : BLOCK_KEYS); \
            int i = 0; \
            for (; i + 4 <= a->n_q; i += 4) name##_block4(a, i, key, n_keys); \
            for (; i + 2 <= a->n_q; i += 2) name##_block2(a, i, key, n_keys); \
            if (i < a->n_q) name##_block1(a, i, key, n_keys); \
        } \
    }
ATTEND(attend_f16_avx512, EINF__F16)
ATTEND(attend_f32_avx512, EINF__F32)
ATTEND(attend_q8_0_avx512, EINF__Q8_0)

void einf__install_attend_avx512(einf__kernels *k)
{
    EINF__INSTALL(k, softmax, softmax_avx512);
    EINF__INSTALL(k, attend_f16, attend_f16_avx512);
    EINF__INSTALL(k, attend_f32, attend_f32_avx512);
    EINF__INSTALL(k, attend_q8_0, attend_q8_0_avx512);
}
