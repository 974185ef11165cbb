/* SPDX-License-Identifier: MIT
 * dtype.h - the weight types: what a file calls them, how large their blocks are, what activations they multiply.
 *
 * einf__dtype is dense and holds the types this build can compute with. Files use the type numbers of ggml, of which
 * many more have names: a type we know but cannot load is refused by its name.
 */
#ifndef EINF_BASE_DTYPE_H
#define EINF_BASE_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

/* X(enum, file id, name, elements a block, bytes a block, activations) */
#define EINF__DTYPE_MAP(X) \
    X(F32,     0, "F32",      1,   4, F32) \
    X(F16,     1, "F16",      1,   2, F32) \
    X(BF16,   30, "BF16",     1,   2, F32) \
    X(Q4_0,    2, "Q4_0",    32,  18, Q8) \
    X(Q4_1,    3, "Q4_1",    32,  20, Q8) \
    X(Q5_0,    6, "Q5_0",    32,  22, Q8) \
    X(Q5_1,    7, "Q5_1",    32,  24, Q8) \
    X(Q8_0,    8, "Q8_0",    32,  34, Q8) \
    X(Q2_K,   10, "Q2_K",   256,  84, Q8) \
    X(Q3_K,   11, "Q3_K",   256, 110, Q8) \
    X(Q4_K,   12, "Q4_K",   256, 144, Q8) \
    X(Q5_K,   13, "Q5_K",   256, 176, Q8) \
    X(Q6_K,   14, "Q6_K",   256, 210, Q8) \
    X(IQ4_NL, 20, "IQ4_NL",  32,  18, Q8) \
    X(IQ4_XS, 23, "IQ4_XS", 256, 136, Q8) \
    X(IQ1_S,  19, "IQ1_S",  256,  50, Q8) \
    X(IQ1_M,  29, "IQ1_M",  256,  56, Q8) \
    X(IQ2_XXS,16, "IQ2_XXS",256,  66, Q8) \
    X(IQ2_XS, 17, "IQ2_XS", 256,  74, Q8) \
    X(IQ2_S,  22, "IQ2_S",  256,  82, Q8) \
    X(IQ3_XXS,18, "IQ3_XXS",256,  98, Q8) \
    X(IQ3_S,  21, "IQ3_S",  256, 110, Q8) \
    X(TQ1_0,  34, "TQ1_0",  256,  54, Q8) \
    X(TQ2_0,  35, "TQ2_0",  256,  66, Q8) \
    X(MXFP4,  39, "MXFP4",   32,  17, Q8)

typedef enum einf__dtype {
#define EINF__DTYPE_ENUM(name, id, text, elems, bytes, acts) EINF__##name,
    EINF__DTYPE_MAP(EINF__DTYPE_ENUM)
#undef EINF__DTYPE_ENUM
    EINF__N_DTYPES
} einf__dtype;

/* Activations a row dot of the type reads: f32, or int8 in groups of 32. Bits, so that a buffer can hold both. */
enum { EINF__ACTS_F32 = 1, EINF__ACTS_Q8 = 2 };

typedef struct einf__dtype_info {
    const char *name;
    uint32_t file_id;
    uint16_t block_elems;
    uint16_t block_bytes;
    uint16_t acts; /* EINF__ACTS_* */
} einf__dtype_info;

/** t must be in range. */
const einf__dtype_info *einf__dtype_get(einf__dtype t);
/** True and *out when this build computes with the type of that number. */
bool einf__dtype_from_file_id(uint32_t file_id, einf__dtype *out);
/** The name of any type number ggml or its forks ever assigned, "unknown" for the rest. For messages. */
const char *einf__dtype_file_name(uint32_t file_id);
/** Block geometry of any named type, also those we cannot compute with; false for unknown, removed and
 *  fork-only ones. */
bool einf__dtype_file_geometry(uint32_t file_id, uint32_t *block_elems, uint32_t *block_bytes);

/** Bytes of a row of n_elems; 0 when no whole number of blocks. Cannot overflow for n_elems < 2^48. */
uint64_t einf__dtype_row_bytes(einf__dtype t, uint64_t n_elems);

#endif
