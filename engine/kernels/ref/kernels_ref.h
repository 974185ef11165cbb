/* SPDX-License-Identifier: MIT
 * kernels_ref.h - private to ref/: the parts of the reference table, and the one description of every block format
 * that its kernels share.
 */
#ifndef EINF_KERNELS_REF_H
#define EINF_KERNELS_REF_H

#include <float.h>

#include "engine/kernels/kernels.h"

/** What is quantised is a number: NaN is 0, and infinities are the largest floats. */
static inline float einf__clamp_finite(float x)
{
    if (x != x) return 0.0f;
    return x > FLT_MAX ? FLT_MAX : x < -FLT_MAX ? -FLT_MAX : x;
}

/* A block taken apart: element e is scale[e / 16] * q[e] + offset[e / 16]. Formats with groups of 32 repeat the pair.
 * scale * q is exact in f32 for every format (at most 11 + 7 + 7 bits less one), so the sum rounds once. */
typedef struct einf__codes {
    int8_t q[256];
    float scale[16];
    float offset[16];
} einf__codes;

/* X(enum, lower-case name) for the types made of codes. */
#define EINF__CODED_TYPES(X) \
    X(Q4_0, q4_0) X(Q4_1, q4_1) X(Q5_0, q5_0) X(Q5_1, q5_1) X(Q8_0, q8_0) X(IQ4_NL, iq4_nl) \
    X(Q2_K, q2_k) X(Q3_K, q3_k) X(Q4_K, q4_k) X(Q5_K, q5_k) X(Q6_K, q6_k) X(IQ4_XS, iq4_xs) \
    X(IQ1_S, iq1_s) X(IQ1_M, iq1_m) X(IQ2_XXS, iq2_xxs) X(IQ2_XS, iq2_xs) X(IQ2_S, iq2_s) \
    X(IQ3_XXS, iq3_xxs) X(IQ3_S, iq3_s) X(TQ1_0, tq1_0) X(TQ2_0, tq2_0) X(MXFP4, mxfp4)

/** Fill the first block_elems codes, and a scale and an offset for each 16 of them. */
#define EINF__DECLARE_UNPACK(type, name) void einf__unpack_##name(einf__codes *c, const void *block);
EINF__CODED_TYPES(EINF__DECLARE_UNPACK)
#undef EINF__DECLARE_UNPACK
/** The same of whole blocks that are n elements of a row, n <= 256, for any of these types. */
void einf__unpack_row(einf__codes *c, einf__dtype type, const void *blocks, int n);

/* Levels of the elements that an index stands for (iq_grids.c): of IQ1 and IQ2 eight of two bits, of IQ3 four of
 * three, from the lowest bits on. */
extern const uint16_t einf__grid_iq1[2048], einf__grid_iq2_xxs[256], einf__grid_iq2_xs[512], einf__grid_iq2_s[1024];
extern const uint16_t einf__grid_iq3_xxs[256], einf__grid_iq3_s[512];

/* Each fills the slots that its file implements. */
void einf__install_dequant_ref(einf__kernels *k);
void einf__install_dot_ref(einf__kernels *k);
void einf__install_rows_ref(einf__kernels *k);
void einf__install_gemm_ref(einf__kernels *k);
void einf__install_halves_ref(einf__kernels *k);
void einf__install_fixed16_ref(einf__kernels *k);
void einf__install_panel_ref(einf__kernels *k);
void einf__install_attend_ref(einf__kernels *k);
void einf__install_resample_ref(einf__kernels *k);

#endif
