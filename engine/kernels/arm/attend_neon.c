/* SPDX-License-Identifier: MIT
 * attend_neon.c - attention of the queries that share one KV head, with NEON: softmax online over blocks of keys.
 *
 * The blocks are as in the reference; a block's keys and values are small enough for L1, so queries may come by
 * in pairs. The output row is the running sum and belongs to the largest score so far. What a query gets does not
 * depend on the others of its call.
 */
#include "engine/base/blocks.h"
#include "engine/kernels/arm/kernels_neon.h"

#define BLOCK_KEYS 64
#define KEYS_AT_ONCE 4
#define VALUES_AT_ONCE 4 /* vectors of 4 */

/* ----------------------------------------------------------------------------------- elements of a cache -- */

/* Where element i is; of Q8_0 its block, i a multiple of 32. */
INLINE const uint8_t *element_at(einf__dtype type, const void *rows, int64_t i)
{
    const int64_t at = type == EINF__Q8_0  ? i / 32 * (int64_t)sizeof(einf__block_q8_0)
                       : type == EINF__F16 ? 2 * i
                                           : 4 * i;
    return (const uint8_t *)rows + at;
}

/* n elements, a constant of 4 or 16, from element e on; of Q8_0 16, e a multiple of 16. A code times its scale is
 * exact. */
INLINE void load_elements(float32x4_t out[], einf__dtype type, int n, const uint8_t *row, int64_t e)
{
    if (type != EINF__Q8_0) {
        UNROLL for (int u = 0; u < n / 4; u++) out[u] = load4(type, element_at(type, row, e + 4 * u));
        return;
    }
    const uint8_t *block = element_at(type, row, e & ~(int64_t)31);
    const float scale = half_to_float(load_u16(block));
    const int8x16_t codes = vld1q_s8((const int8_t *)block + offsetof(einf__block_q8_0, qs) + e % 32);
    const int16x8_t low = vmovl_s8(vget_low_s8(codes)), high = vmovl_s8(vget_high_s8(codes));
    out[0] = vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), scale);
    out[1] = vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))), scale);
    out[2] = vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), scale);
    out[3] = vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_high_s16(high))), scale);
}

/* --------------------------------------------------------------------------------------------- q times k -- */

/* Products scores[i][0..n_keys) of n_q queries and n_keys keys, both constants; n_keys 1 or KEYS_AT_ONCE. */
INLINE void score_tile(einf__dtype type, int n_q, int n_keys, float *scores, const einf__attend *a, int i0, int64_t key)
{
    const uint8_t *k = element_at(type, a->k, key * a->k_stride);
    const float *q = a->q + i0 * a->q_stride;
    const int64_t row_bytes = element_at(type, k, a->k_stride) - k, n_whole = a->k_dim & ~3;
    const int n_vec = type == EINF__Q8_0 ? 4 : 1; /* half a block, or what divides most dims */
    float32x4_t acc[2][KEYS_AT_ONCE];
    UNROLL for (int i = 0; i < n_q; i++)
        UNROLL for (int p = 0; p < n_keys; p++) acc[i][p] = vdupq_n_f32(0.0f);
    for (int64_t e = 0; e < n_whole; e += 4 * n_vec) {
        UNROLL for (int p = 0; p < n_keys; p++) {
            float32x4_t keys[4];
            load_elements(keys, type, 4 * n_vec, k + p * row_bytes, e);
            UNROLL for (int u = 0; u < n_vec; u++)
                UNROLL for (int i = 0; i < n_q; i++)
                    acc[i][p] = vfmaq_f32(acc[i][p], vld1q_f32(q + i * a->q_stride + e + 4 * u), keys[u]);
        }
    }
    UNROLL for (int i = 0; i < n_q; i++) {
        UNROLL for (int p = 0; p < n_keys; p++) {
            float sum = vaddvq_f32(acc[i][p]);
            for (int64_t e = n_whole; type != EINF__Q8_0 && e < a->k_dim; e++)
                sum += q[i * a->q_stride + e] * load1(type, element_at(type, k + p * row_bytes, e));
            scores[i * BLOCK_KEYS + p] = sum;
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
    return vgetq_lane_f32(exp_negative(vdupq_n_f32(x)), 0);
}

static void cap_scores(float *scores, int64_t n, float scale, float softcap)
{
    const float uncapped = scale / softcap;
    int64_t p = 0;
    for (; p + 4 <= n; p += 4)
        vst1q_f32(scores + p, vmulq_n_f32(tanh4(vmulq_n_f32(vld1q_f32(scores + p), uncapped)), softcap));
    if (p < n)
        store_first(scores + p, vmulq_n_f32(tanh4(vmulq_n_f32(load_first(scores + p, n - p), uncapped)), softcap),
                    n - p);
}

/* The largest of n >= 1 scores. */
INLINE float max_score(const float *scores, int64_t n)
{
    float32x4_t most = vdupq_n_f32(scores[0]);
    int64_t p = 0;
    for (; p + 4 <= n; p += 4) most = vmaxq_f32(most, vld1q_f32(scores + p));
    float max = vmaxvq_f32(most);
    for (; p < n; p++) max = scores[p] > max ? scores[p] : max;
    return max;
}

static float softmax_neon(einf__softmax *s, float *scores, int64_t n, float scale, float softcap)
{
    if (softcap > 0.0f) {
        cap_scores(scores, n, scale, softcap);
        scale = 1.0f;
    }
    const float old = s->max, most = max_score(scores, n) * scale;
    s->max = old > most ? old : most;
    const float32x4_t max = vdupq_n_f32(s->max);
    float32x4_t sum = vdupq_n_f32(0.0f);
    int64_t p = 0;
    for (; p + 4 <= n; p += 4) {
        const float32x4_t e = exp_negative(vsubq_f32(vmulq_n_f32(vld1q_f32(scores + p), scale), max));
        vst1q_f32(scores + p, e);
        sum = vaddq_f32(sum, e);
    }
    float total = vaddvq_f32(sum);
    if (p < n) {
        const float32x4_t e = exp_negative(vsubq_f32(vmulq_n_f32(load_first(scores + p, n - p), scale), max));
        store_first(scores + p, e, n - p);
        for (; p < n; p++) total += scores[p];
    }
    const float shrink = s->max == old ? 1.0f : exp1(old - s->max);
    s->sum = s->sum * shrink + total;
    return shrink;
}

/* ----------------------------------------------------------------------------------------- weights times v -- */

/* out[i][e ..] = shrink[i] out[i][e ..] + sum over p of weights[i][p] v[p][e ..] for n_vec vectors of 4. */
INLINE void value_tile(einf__dtype type, int n_q, int n_vec, float *out, const float *weights, const float *shrink,
                       const einf__attend *a, int64_t key, int n_keys, int64_t e)
{
    const uint8_t *v = element_at(type, a->v, key * a->v_stride);
    const int64_t row_bytes = element_at(type, v, a->v_stride) - v;
    float32x4_t acc[2][VALUES_AT_ONCE];
    UNROLL for (int i = 0; i < n_q; i++)
        UNROLL for (int u = 0; u < n_vec; u++)
            acc[i][u] = vmulq_n_f32(vld1q_f32(out + i * a->out_stride + e + 4 * u), shrink[i]);
    for (int p = 0; p < n_keys; p++, v += row_bytes) {
        float32x4_t values[VALUES_AT_ONCE];
        load_elements(values, type, 4 * n_vec, v, e);
        UNROLL for (int u = 0; u < n_vec; u++)
            UNROLL for (int i = 0; i < n_q; i++)
                acc[i][u] = vfmaq_n_f32(acc[i][u], values[u], weights[i * BLOCK_KEYS + p]);
    }
    UNROLL for (int i = 0; i < n_q; i++)
        UNROLL for (int u = 0; u < n_vec; u++) vst1q_f32(out + i * a->out_stride + e + 4 * u, acc[i][u]);
}

INLINE void value_block(einf__dtype type, int n_q, float *out, const float *weights, const float *shrink,
                        const einf__attend *a, int64_t key, int n_keys)
{
    int64_t e = 0;
    for (; e + 4 * VALUES_AT_ONCE <= a->v_dim; e += 4 * VALUES_AT_ONCE)
        value_tile(type, n_q, VALUES_AT_ONCE, out, weights, shrink, a, key, n_keys, e);
    if (type == EINF__Q8_0) return; /* whole blocks */
    for (; e + 4 <= a->v_dim; e += 4) value_tile(type, n_q, 1, out, weights, shrink, a, key, n_keys, e);
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
        shrink[i] = softmax_neon(a->state + i0 + i, scores + i * BLOCK_KEYS, n_keys, a->scale, a->softcap);
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

static void attend_f16_neon(const einf__attend *a)
{
    attend(EINF__F16, a);
}

static void attend_f32_neon(const einf__attend *a)
{
    attend(EINF__F32, a);
}

static void attend_q8_0_neon(const einf__attend *a)
{
    attend(EINF__Q8_0, a);
}

void einf__install_attend_neon(einf__kernels *k)
{
    EINF__INSTALL(k, softmax, softmax_neon);
    EINF__INSTALL(k, attend_f16, attend_f16_neon);
    EINF__INSTALL(k, attend_f32, attend_f32_neon);
    EINF__INSTALL(k, attend_q8_0, attend_q8_0_neon);
}
