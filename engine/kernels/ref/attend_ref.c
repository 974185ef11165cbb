/* SPDX-License-Identifier: MIT
 * attend_ref.c - reference of the attention slots: softmax(q k) v, online over blocks of keys.
 *
 * The output row is the running sum. It belongs to the largest score seen so far; a block with a larger one shrinks
 * sum and weights by exp(old - new) first (arXiv 1805.02867), so no exponential exceeds 1.
 */
#include <math.h>

#include "engine/base/blocks.h"
#include "engine/base/half.h"
#include "engine/kernels/ref/kernels_ref.h"

#define BLOCK_KEYS 64

static float cap_score(float score, float softcap)
{
    return softcap > 0.0f ? softcap * tanhf(score / softcap) : score;
}

static float element_f16(const void *rows, int64_t i)
{
    return einf__f16_to_f32(((const uint16_t *)rows)[i]);
}

static float element_f32(const void *rows, int64_t i)
{
    return ((const float *)rows)[i];
}

static float element_q8_0(const void *rows, int64_t i)
{
    const einf__block_q8_0 *b = (const einf__block_q8_0 *)rows + i / 32;
    return einf__f16_to_f32(b->d) * (float)b->qs[i % 32];
}

static float softmax_ref(einf__softmax *s, float *scores, int64_t n, float scale, float softcap)
{
    const float old = s->max;
    for (int64_t p = 0; p < n; p++) {
        scores[p] = cap_score(scores[p] * scale, softcap);
        s->max = fmaxf(s->max, scores[p]);
    }
    const float shrink = expf(old - s->max);
    s->sum *= shrink;
    for (int64_t p = 0; p < n; p++) {
        scores[p] = expf(scores[p] - s->max);
        s->sum += scores[p];
    }
    return shrink;
}

#define ATTEND(type) \
    /* Products of query i with keys [key, key + n). */ \
    static void score_keys_##type(float *scores, const einf__attend *a, int i, int64_t key, int n) \
    { \
        const float *q = a->q + i * a->q_stride; \
        for (int p = 0; p < n; p++) { \
            float sum = 0.0f; \
            for (int e = 0; e < a->k_dim; e++) sum += q[e] * element_##type(a->k, (key + p) * a->k_stride + e); \
            scores[p] = sum; \
        } \
    } \
    static void add_values_##type(float *out, const float *weights, const einf__attend *a, int64_t key, int n) \
    { \
        for (int p = 0; p < n; p++) \
            for (int e = 0; e < a->v_dim; e++) \
                out[e] += weights[p] * element_##type(a->v, (key + p) * a->v_stride + e); \
    } \
    static void attend_##type##_ref(const einf__attend *a) \
    { \
        for (int i = 0; i < a->n_q; i++) { \
            float *out = a->out + i * a->out_stride; \
            float scores[BLOCK_KEYS]; \
            einf__softmax s = {-INFINITY, 0.0f}; \
            for (int e = 0; e < a->v_dim; e++) out[e] = 0.0f; \
            for (int64_t key = a->key_begin; key < a->key_end; key += BLOCK_KEYS) { \
                const int n = (int)(a->key_end - key < BLOCK_KEYS ? a->key_end - key : BLOCK_KEYS); \
                score_keys_##type(scores, a, i, key, n); \
                const float shrink = softmax_ref(&s, scores, n, a->scale, a->softcap); \
                for (int e = 0; e < a->v_dim; e++) out[e] *= shrink; \
                add_values_##type(out, scores, a, key, n); \
            } \
            a->state[i] = s; \
        } \
    }
ATTEND(f16)
ATTEND(f32)
ATTEND(q8_0)

void einf__install_attend_ref(einf__kernels *k)
{
    EINF__INSTALL(k, softmax, softmax_ref);
    EINF__INSTALL(k, attend_f16, attend_f16_ref);
    EINF__INSTALL(k, attend_f32, attend_f32_ref);
    EINF__INSTALL(k, attend_q8_0, attend_q8_0_ref);
}
