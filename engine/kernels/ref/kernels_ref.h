/* SPDX-License-Identifier: MIT
 * kernels_ref.h - private to ref/: the parts of the reference table, and the one description of every block format
 * that its kernels share.
 */
#ifndef EINF_KERNELS_REF_H
#define EINF_KERNELS_REF_H

#include "engine/kernels/kernels.h"

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
    X(Q2_K, q2_k) X(Q3_K, q3_k) X(Q4_K, q4_k) X(Q5_K, q5_k) X(Q6_K, q6_k) X(IQ4_XS, iq4_xs)

/** Fill the first block_elems codes, and a scale and an offset for each 16 of them. */
#define EINF__DECLARE_UNPACK(type, name) void einf__unpack_##name(einf__codes *c, const void *block);
EINF__CODED_TYPES(EINF__DECLARE_UNPACK)
#undef EINF__DECLARE_UNPACK

/* Each fills the slots that its file implements. */
void einf__install_dequant_ref(einf__kernels *k);
void einf__install_dot_ref(einf__kernels *k);
void einf__install_rows_ref(einf__kernels *k);
void einf__install_gemm_ref(einf__kernels *k);
void einf__install_attend_ref(einf__kernels *k);

#endif
