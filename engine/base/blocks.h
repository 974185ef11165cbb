/* SPDX-License-Identifier: MIT
 * blocks.h - the blocks of the quantised types, as they lie in a GGUF file (little-endian, no padding).
 *
 * Source: the GGUF specification and the type descriptions of ggml. Halves are raw binary16 bits. Rows of blocks have
 * the alignment of their members only (2 bytes at best): read multi-byte fields through these structs, which the
 * compiler knows to be packed to 1, never through a cast to a wider type.
 */
#ifndef EINF_BASE_BLOCKS_H
#define EINF_BASE_BLOCKS_H

#include <stdint.h>

#pragma pack(push, 1)
/* 32 elements. Code of element j: low nibble of qs[j], of element j + 16: high nibble (j in 0..15). */
typedef struct { uint16_t d; uint8_t qs[16]; } einf__block_q4_0;               /* (q - 8) * d            */
typedef struct { uint16_t d, m; uint8_t qs[16]; } einf__block_q4_1;            /* q * d + m              */
typedef struct { uint16_t d; uint8_t qh[4]; uint8_t qs[16]; } einf__block_q5_0;    /* (q - 16) * d; qh: fifth bits */
typedef struct { uint16_t d, m; uint8_t qh[4]; uint8_t qs[16]; } einf__block_q5_1; /* q * d + m              */
typedef struct { uint16_t d; int8_t qs[32]; } einf__block_q8_0;                /* q * d                  */
typedef struct { uint16_t d; uint8_t qs[16]; } einf__block_iq4_nl;             /* codebook[q] * d        */
/* 256 elements in 8 sub-blocks of 32 or 16 of 16. */
typedef struct { uint8_t scales[16]; uint8_t qs[64]; uint16_t d, dmin; } einf__block_q2_k;
typedef struct { uint8_t hmask[32]; uint8_t qs[64]; uint8_t scales[12]; uint16_t d; } einf__block_q3_k;
typedef struct { uint16_t d, dmin; uint8_t scales[12]; uint8_t qs[128]; } einf__block_q4_k;
typedef struct { uint16_t d, dmin; uint8_t scales[12]; uint8_t qh[32]; uint8_t qs[128]; } einf__block_q5_k;
typedef struct { uint8_t ql[128]; uint8_t qh[64]; int8_t scales[16]; uint16_t d; } einf__block_q6_k;
typedef struct { uint16_t d; uint16_t scales_h; uint8_t scales_l[4]; uint8_t qs[128]; } einf__block_iq4_xs;
/* 256 elements by grids: eight or four at once by an index (8 to 11 bits), signs apart. unpack_ref.c has the bits. */
typedef struct { uint16_t d; uint8_t qs[32]; uint16_t qh[8]; } einf__block_iq1_s;
typedef struct { uint8_t qs[32]; uint8_t qh[16]; uint16_t scales[4]; } einf__block_iq1_m;
typedef struct { uint16_t d; struct { uint8_t id[4]; uint32_t signs; } sub[8]; } einf__block_iq2_xxs;
typedef struct { uint16_t d; uint16_t qs[32]; uint8_t scales[8]; } einf__block_iq2_xs;
typedef struct { uint16_t d; uint8_t qs[32]; uint8_t signs[32]; uint8_t qh[8]; uint8_t scales[8]; } einf__block_iq2_s;
typedef struct { uint16_t d; uint8_t qs[64]; uint32_t signs[8]; } einf__block_iq3_xxs;
typedef struct { uint16_t d; uint8_t qs[64]; uint8_t qh[8]; uint8_t signs[32]; uint8_t scales[4]; } einf__block_iq3_s;
/* 256 elements of -1, 0, 1: five or four to a byte in base 3, or two bits each. */
typedef struct { uint8_t qs[48]; uint8_t qh[4]; uint16_t d; } einf__block_tq1_0;
typedef struct { uint8_t qs[64]; uint16_t d; } einf__block_tq2_0;
/* 32 elements of four bits (E2M1), as Q4_0 orders them, with a power of two: OCP Microscaling Formats 1.0. */
typedef struct { uint8_t e; uint8_t qs[16]; } einf__block_mxfp4;
#pragma pack(pop)

/* The 16 levels of IQ4_NL and IQ4_XS: constants of the format. */
#define EINF__IQ4_LEVELS { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 }
/* Twice the values of E2M1, so that they are whole. */
#define EINF__FP4_LEVELS { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 }

_Static_assert(sizeof(einf__block_q4_0) == 18, "Q4_0");
_Static_assert(sizeof(einf__block_q4_1) == 20, "Q4_1");
_Static_assert(sizeof(einf__block_q5_0) == 22, "Q5_0");
_Static_assert(sizeof(einf__block_q5_1) == 24, "Q5_1");
_Static_assert(sizeof(einf__block_q8_0) == 34, "Q8_0");
_Static_assert(sizeof(einf__block_iq4_nl) == 18, "IQ4_NL");
_Static_assert(sizeof(einf__block_q2_k) == 84, "Q2_K");
_Static_assert(sizeof(einf__block_q3_k) == 110, "Q3_K");
_Static_assert(sizeof(einf__block_q4_k) == 144, "Q4_K");
_Static_assert(sizeof(einf__block_q5_k) == 176, "Q5_K");
_Static_assert(sizeof(einf__block_q6_k) == 210, "Q6_K");
_Static_assert(sizeof(einf__block_iq4_xs) == 136, "IQ4_XS");
_Static_assert(sizeof(einf__block_iq1_s) == 50, "IQ1_S");
_Static_assert(sizeof(einf__block_iq1_m) == 56, "IQ1_M");
_Static_assert(sizeof(einf__block_iq2_xxs) == 66, "IQ2_XXS");
_Static_assert(sizeof(einf__block_iq2_xs) == 74, "IQ2_XS");
_Static_assert(sizeof(einf__block_iq2_s) == 82, "IQ2_S");
_Static_assert(sizeof(einf__block_iq3_xxs) == 98, "IQ3_XXS");
_Static_assert(sizeof(einf__block_iq3_s) == 110, "IQ3_S");
_Static_assert(sizeof(einf__block_tq1_0) == 54, "TQ1_0");
_Static_assert(sizeof(einf__block_tq2_0) == 66, "TQ2_0");
_Static_assert(sizeof(einf__block_mxfp4) == 17, "MXFP4");

#endif
