/* SPDX-License-Identifier: MIT
 * dequant_neon.c - to_f32 with NEON: rows of weights as floats, for the panels of many columns.
 *
 * Bit-exact with the reference: a scale times a code is exact in f32, so the fused multiply-add rounds as it does.
 */
#include "engine/kernels/arm/unpack_neon.h"

/* 16 codes with one scale and offset. */
INLINE void store_codes(float *y, int8x16_t codes, float scale, float offset)
{
    const int16x8_t half[2] = {vmovl_s8(vget_low_s8(codes)), vmovl_s8(vget_high_s8(codes))};
    const float32x4_t offsets = vdupq_n_f32(offset);
    UNROLL for (int h = 0; h < 2; h++) {
        const float32x4_t low = vcvtq_f32_s32(vmovl_s16(vget_low_s16(half[h])));
        const float32x4_t high = vcvtq_f32_s32(vmovl_s16(vget_high_s16(half[h])));
        vst1q_f32(y + 8 * h, vfmaq_n_f32(offsets, low, scale));
        vst1q_f32(y + 8 * h + 4, vfmaq_n_f32(offsets, high, scale));
    }
}

INLINE void small_to_f32(einf__dtype type, float *y, const uint8_t *block, int64_t n)
{
    for (int64_t i = 0; i < n; i += 32, block += small_bytes(type)) {
        const codes32 codes = small_codes(type, block);
        const float d = half_to_float(load_u16(block));
        const float m = small_has_min(type) ? half_to_float(load_u16(block + 2)) : 0.0f;
        store_codes(y + i, codes.half[0], d, m);
        store_codes(y + i + 16, codes.half[1], d, m);
    }
}

INLINE void super_to_f32(einf__dtype type, float *y, const uint8_t *block, int64_t n)
{
    for (int64_t i = 0; i < n; i += 256, block += super_bytes(type)) {
        const super s = super_open(type, block);
        UNROLL for (int j = 0; j < 8; j++) {
            const codes32 codes = super_codes(type, block, j);
            UNROLL for (int h = 0; h < 2; h++) {
                const int group = super_by_16(type) ? 2 * j + h : j;
                const float scale = s.d * (float)s.scales[group / 8][group % 8];
                const float offset = super_has_mins(type) ? s.min_factor * (float)s.mins[group / 8][group % 8] : 0.0f;
                store_codes(y + i + 32 * j + 16 * h, codes.half[h], scale, offset);
            }
        }
    }
}

INLINE void halves_to_f32(einf__dtype type, float *y, const uint8_t *w, int64_t n)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) vst1q_f32(y + i, load4(type, w + 2 * i));
    for (; i < n; i++) y[i] = load1(type, w + 2 * i);
}

/* X(family, enum, lower-case name). F32 is a copy, which the reference does well. */
#define TYPES(X) \
    X(halves, F16, f16) X(halves, BF16, bf16) \
    X(small, Q4_0, q4_0) X(small, Q4_1, q4_1) X(small, Q5_0, q5_0) X(small, Q5_1, q5_1) X(small, Q8_0, q8_0) \
    X(small, IQ4_NL, iq4_nl) \
    X(super, Q2_K, q2_k) X(super, Q3_K, q3_k) X(super, Q4_K, q4_k) X(super, Q5_K, q5_k) X(super, Q6_K, q6_k) \
    X(super, IQ4_XS, iq4_xs)

#define TO_F32(family, type, name) \
    static void to_f32_##name##_neon(float *y, const void *w, int64_t n) \
    { \
        family##_to_f32(EINF__##type, y, w, n); \
    }
TYPES(TO_F32)

void einf__install_dequant_neon(einf__kernels *k)
{
#define INSTALL(family, type, name) EINF__INSTALL_TYPED(k, to_f32, EINF__##type, to_f32_##name##_neon);
    TYPES(INSTALL)
#undef INSTALL
}
