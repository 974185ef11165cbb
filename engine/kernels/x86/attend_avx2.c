/* SPDX-License-Identifier: MIT
 * attend_avx2.c - attention of the queries that share one KV head, with AVX2: softmax online over blocks of keys.
 *
 * The blocks are as in the reference; a block's keys and values are small enough for L1, so queries may come by
 * in pairs. The output row is the running sum and belongs to the largest score so far. What a query gets does not
 * depend on the others of its call.
 */
#include "engine/base/blocks.h"
#include "engine/kernels/x86/kernels_avx2.h"

#define BLOCK_KEYS 64
#define KEYS_AT_ONCE 4
#define VALUES_AT_ONCE 4 /* vectors of 8 */

/* ---------------------------------------------------------------------------------------- elements of a cache -- */

/* Where element i is; of Q8_0 its block, i a multiple of 32. */
INLINE const uint8_t *element_at(einf__dtype type, const void *rows, int64_t i)
{
    const int64_t at = type == EINF__Q8_0  ? i / 32 * (int64_t)sizeof(einf__block_q8_0)
                       : type == EINF__F16 ? 2 * i
                                           : 4 * i;
    return (const uint8_t *)rows + at;
}

/* What the codes of a block are multiplied by; nothing for floats. */
INLINE __m256 block_scale(einf__dtype type, const uint8_t *block)
{
    return type == EINF__Q8_0 ? _mm256_set1_ps(half_to_float(load_u16(block))) : _mm256_setzero_ps();
}

/* Elements [8 u, 8 u + 8) from element_at. A code times its scale is exact. */
INLINE __m256 elements8(einf__dtype type, const uint8_t *p, int u, __m256 scale)
{
    if (type != EINF__Q8_0) return load8(type, element_at(type, p, 8 * u));
    const __m128i codes = _mm_loadl_epi64((const void *)(p + offsetof(einf__block_q8_0, qs) + 8 * u));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)), scale);
}

/* --------------------------------------------------------------------------------------------- q times k -- */

/* Products scores[i][0..n_keys) of n_q queries and n_keys keys, both constants; n_keys 1 or KEYS_AT_ONCE. */
INLINE void score_tile(einf__dtype type, int n_q, int n_keys, float *scores, const einf__attend *a, int i0, int64_t key)
{
    const uint8_t *k = element_at(type, a->k, key * a->k_stride);
    const float *q = a->q + i0 * a->q_stride;
    const int64_t row_bytes = element_at(type, k, a->k_stride) - k, n_whole = a->k_dim & ~7;
    const int n_vec = type == EINF__Q8_0 ? 4 : 1; /* a block, or what divides any dim */
    __m256 acc[2][KEYS_AT_ONCE];
    UNROLL for (int i = 0; i < 2; i++)
        UNROLL for (int p = 0; p < KEYS_AT_ONCE; p++) acc[i][p] = _mm256_setzero_ps();
    for (int64_t e = 0; e < n_whole; e += 8 * n_vec) {
        UNROLL for (int p = 0; p < n_keys; p++) {
            const uint8_t *at = element_at(type, k + p * row_bytes, e);
            const __m256 scale = block_scale(type, at);
            UNROLL for (int u = 0; u < n_vec; u++) {
                const __m256 keys = elements8(type, at, u, scale);
                UNROLL for (int i = 0; i < n_q; i++)
                    acc[i][p] = _mm256_fmadd_ps(_mm256_loadu_ps(q + i * a->q_stride + e + 8 * u), keys, acc[i][p]);
            }
        }
    }
    UNROLL for (int i = 0; i < n_q; i++) {
        float sums[KEYS_AT_ONCE];
        _mm_storeu_ps(sums, sum8x4(acc[i][0], acc[i][1], acc[i][2], acc[i][3]));
        UNROLL for (int p = 0; p < n_keys; p++) {
            for (int64_t e = n_whole; type != EINF__Q8_0 && e < a->k_dim; e++)
                sums[p] += q[i * a->q_stride + e] * load1(type, element_at(type, k + p * row_bytes, e));
            scores[i * BLOCK_KEYS + p] = sums[p];
        }
    }
}

/* scores[i][p], i in [0, n_q): of keys [key, key + n_keys). */
INLINE void score_block(einf__dtype type, int n_q, float *scores, const einf__attend *a, int i0, int64_t key,
                        int n_keys)
{
    int p = 0;
    for (; p + KEYS_AT_ONCE <= n_keys; p += KEYS_AT_ONCE)
        score_tile(type, n_q, KEYS_AT_ONCE, scores + p, a, i0, key + p);
    for (; p < n_keys; p++) score_tile(type, n_q, 1, scores + p, a, i0, key + p);
}

/* ----------------------------------------------------------------------------------------------- softmax -- */

INLINE float exp1(float x)
{
    return _mm256_cvtss_f32(exp_negative(_mm256_set1_ps(x)));
}

static void cap_scores(float *scores, int64_t n, float scale, float softcap)
{
    const __m256 cap = _mm256_set1_ps(softcap), uncapped = _mm256_set1_ps(scale / softcap);
    for (int64_t p = 0; p < n; p += 8) {
        const __m256i lanes = first_lanes(n - p < 8 ? n - p : 8);
        const __m256 capped = tanh8(_mm256_mul_ps(_mm256_maskload_ps(scores + p, lanes), uncapped));
        _mm256_maskstore_ps(scores + p, lanes, _mm256_mul_ps(cap, capped));
    }
}

/* The largest of max and n >= 1 scores: the last vector may begin before the end of the one before it. */
INLINE float max_score(float max, const float *scores, int64_t n)
{
    __m256 most = _mm256_set1_ps(max);
    if (n < 8) {
        const __m256i lanes = first_lanes(n);
        const __m256 part = _mm256_maskload_ps(scores, lanes);
        return max8(_mm256_max_ps(most, _mm256_blendv_ps(most, part, _mm256_castsi256_ps(lanes))));
    }
    for (int64_t p = 0; p + 8 <= n; p += 8) most = _mm256_max_ps(most, _mm256_loadu_ps(scores + p));
    return max8(_mm256_max_ps(most, _mm256_loadu_ps(scores + n - 8)));
}

static float softmax_avx2(einf__softmax *s, float *scores, int64_t n, float scale, float softcap)
{
    if (softcap > 0.0f) {
        cap_scores(scores, n, scale, softcap);
        scale = 1.0f;
    }
    const float old = s->max, most = max_score(-INFINITY, scores, n) * scale;
    s->max = old > most ? old : most;
    const __m256 factor = _mm256_set1_ps(scale), max = _mm256_set1_ps(s->max);
    __m256 sum = _mm256_setzero_ps();
    int64_t p = 0;
    for (; p + 8 <= n; p += 8) {
        const __m256 e = exp_negative(_mm256_sub_ps(_mm256_mul_ps(_mm256_loadu_ps(scores + p), factor), max));
        _mm256_storeu_ps(scores + p, e);
        sum = _mm256_add_ps(sum, e);
    }
    if (p < n) {
        const __m256i lanes = first_lanes(n - p);
        const __m256 part = _mm256_maskload_ps(scores + p, lanes);
        const __m256 e = _mm256_and_ps(exp_negative(_mm256_sub_ps(_mm256_mul_ps(part, factor), max)),
                                       _mm256_castsi256_ps(lanes));
        _mm256_maskstore_ps(scores + p, lanes, e);
        sum = _mm256_add_ps(sum, e);
    }
    const float shrink = s->max == old ? 1.0f : exp1(old - s->max);
    s->sum = s->sum * shrink + sum8(sum);
    return shrink;
}

/* ----------------------------------------------------------------------------------------- weights times v -- */

/* out[i][e ..] = shrink[i] out[i][e ..] + sum over p of weights[i][p] v[p][e ..] for n_vec vectors of 8. */
INLINE void value_tile(einf__dtype type, int n_q, int n_vec, float *out, const float *weights, const float *shrink,
                       const einf__attend *a, int64_t key, int n_keys, int64_t e)
{
    const uint8_t *v = element_at(type, a->v, key * a->v_stride + e);
    const int64_t row_bytes = element_at(type, v, a->v_stride) - v;
    __m256 acc[2][VALUES_AT_ONCE];
    UNROLL for (int i = 0; i < n_q; i++)
        UNROLL for (int u = 0; u < n_vec; u++)
            acc[i][u] = _mm256_mul_ps(_mm256_loadu_ps(out + i * a->out_stride + e + 8 * u), _mm256_set1_ps(shrink[i]));
    for (int p = 0; p < n_keys; p++, v += row_bytes) {
        const __m256 scale = block_scale(type, v);
        UNROLL for (int u = 0; u < n_vec; u++) {
            const __m256 values = elements8(type, v, u, scale);
            UNROLL for (int i = 0; i < n_q; i++)
                acc[i][u] = _mm256_fmadd_ps(values, _mm256_broadcast_ss(weights + i * BLOCK_KEYS + p), acc[i][u]);
        }
    }
    UNROLL for (int i = 0; i < n_q; i++)
        UNROLL for (int u = 0; u < n_vec; u++) _mm256_storeu_ps(out + i * a->out_stride + e + 8 * u, acc[i][u]);
}

INLINE void value_block(einf__dtype type, int n_q, float *out, const float *weights, const float *shrink,
                        const einf__attend *a, int64_t key, int n_keys)
{
    int64_t e = 0;
    for (; e + 8 * VALUES_AT_ONCE <= a->v_dim; e += 8 * VALUES_AT_ONCE)
        value_tile(type, n_q, VALUES_AT_ONCE, out, weights, shrink, a, key, n_keys, e);
    if (type == EINF__Q8_0) return; /* whole blocks */
    for (; e + 8 <= a->v_dim; e += 8) value_tile(type, n_q, 1, out, weights, shrink, a, key, n_keys, e);
    for (; e < a->v_dim; e++) {
        for (int i = 0; i < n_q; i++) {
            float sum = out[i * a->out_stride + e] * shrink[i];
            for (int p = 0; p < n_keys; p++)
                sum += weights[i * BLOCK_KEYS + p]
                       * load1(type, element_at(type, a->v, (key + p) * a->v_stride + e));
            out[i * a->out_stride + e] = sum;
        }
    }
}

/* ------------------------------------------------------------------------------------------------ the slot -- */

/* Queries [i0, i0 + n_q), n_q a constant of 1 or 2, against one block of keys. */
INLINE void attend_block(einf__dtype type, int n_q, const einf__attend *a, int i0, int64_t key, int n_keys)
{
    float scores[2 * BLOCK_KEYS], shrink[2];
    score_block(type, n_q, scores, a, i0, key, n_keys);
    for (int i = 0; i < n_q; i++)
        shrink[i] = softmax_avx2(a->state + i0 + i, scores + i * BLOCK_KEYS, n_keys, a->scale, a->softcap);
    value_block(type, n_q, a->out + i0 * a->out_stride, scores, shrink, a, key, n_keys);
}

INLINE void attend(einf__dtype type, const einf__attend *a)
{
    for (int i = 0; i < a->n_q; i++) {
        a->state[i] = (einf__softmax){-INFINITY, 0.0f};
        memset(a->out + i * a->out_stride, 0, (size_t)a->v_dim * sizeof *a->out);
    }
    for (int64_t key = a->key_begin; key < a->key_end; key += BLOCK_KEYS) {
        const int n_keys = (int)(a->key_end - key < BLOCK_KEYS ? a->key_end - key : BLOCK_KEYS);
        int i = 0;
        for (; i + 2 <= a->n_q; i += 2) attend_block(type, 2, a, i, key, n_keys);
        if (i < a->n_q) attend_block(type, 1, a, i, key, n_keys);
    }
}

static void attend_f16_avx2(const einf__attend *a)
{
    attend(EINF__F16, a);
}

static void attend_f32_avx2(const einf__attend *a)
{
    attend(EINF__F32, a);
}

static void attend_q8_0_avx2(const einf__attend *a)
{
    attend(EINF__Q8_0, a);
}

void einf__install_attend_avx2(einf__kernels *k)
{
    EINF__INSTALL(k, softmax, softmax_avx2);
    EINF__INSTALL(k, attend_f16, attend_f16_avx2);
    EINF__INSTALL(k, attend_f32, attend_f32_avx2);
    EINF__INSTALL(k, attend_q8_0, attend_q8_0_avx2);
}
