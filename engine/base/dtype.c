/* SPDX-License-Identifier: MIT
 * dtype.c - the one table of weight types: names and block geometry of every type number a GGUF file may carry.
 *
 * The numbers are ggml's. Those it gave out and took back keep their name, marked as removed, so that a message can
 * say what the file holds; so do those of a known fork, whose blocks we do not describe. Geometry is only given for
 * types whose rows are plain sequences of blocks.
 */
#include "engine/base/dtype.h"

#include <stddef.h>

static const einf__dtype_info infos[EINF__N_DTYPES] = {
#define INFO(name, id, text, elems, bytes, acts) [EINF__##name] = {text, id, elems, bytes, EINF__ACTS_##acts},
    EINF__DTYPE_MAP(INFO)
#undef INFO
};

/* Types with a number but without a kernel in this build. block_elems 0: nothing to say about its blocks. */
typedef struct foreign {
    const char *name;
    uint16_t file_id, block_elems, block_bytes;
} foreign;

static const foreign foreigns[] = {
    {"Q4_2 (removed)", 4, 0, 0},
    {"Q4_3 (removed)", 5, 0, 0},
    {"Q8_1", 9, 32, 36},
    {"Q8_K", 15, 256, 292},
    {"I8", 24, 1, 1},
    {"I16", 25, 1, 2},
    {"I32", 26, 1, 4},
    {"I64", 27, 1, 8},
    {"F64", 28, 1, 8},
    {"Q4_0_4_4 (removed)", 31, 0, 0},
    {"Q4_0_4_8 (removed)", 32, 0, 0},
    {"Q4_0_8_8 (removed)", 33, 0, 0},
    {"IQ4_NL_4_4 (removed)", 36, 0, 0},
    {"IQ4_NL_4_8 (removed)", 37, 0, 0},
    {"IQ4_NL_8_8 (removed)", 38, 0, 0},
    {"NVFP4", 40, 64, 36}, /* its files scale each matrix once more, by tensors of their own (".scale") */
    {"Q1_0", 41, 128, 18},
    {"Q2_0", 42, 64, 18},
    /* ik_llama.cpp. Some of these prefix a row with its own scale: no block geometry fits. */
    {"Q6_0 (ik_llama.cpp)", 133, 0, 0},
    {"IQ1_BN (ik_llama.cpp)", 134, 0, 0},
    {"IQ2_BN (ik_llama.cpp)", 135, 0, 0},
    {"IQ2_K (ik_llama.cpp)", 137, 0, 0},
    {"IQ3_K (ik_llama.cpp)", 138, 0, 0},
    {"IQ4_K (ik_llama.cpp)", 139, 0, 0},
    {"IQ5_K (ik_llama.cpp)", 140, 0, 0},
    {"IQ6_K (ik_llama.cpp)", 141, 0, 0},
    {"IQ4_KS (ik_llama.cpp)", 144, 0, 0},
    {"IQ2_KS (ik_llama.cpp)", 145, 0, 0},
    {"IQ4_KSS (ik_llama.cpp)", 146, 0, 0},
    {"IQ5_KS (ik_llama.cpp)", 152, 0, 0},
    {"IQ2_KT (ik_llama.cpp)", 153, 0, 0},
    {"IQ3_KT (ik_llama.cpp)", 154, 0, 0},
    {"IQ4_KT (ik_llama.cpp)", 155, 0, 0},
    {"IQ3_KS (ik_llama.cpp)", 156, 0, 0},
    {"IQ2_KL (ik_llama.cpp)", 157, 0, 0},
    {"IQ1_KT (ik_llama.cpp)", 158, 0, 0},
};

static const foreign *find_foreign(uint32_t file_id)
{
    for (size_t i = 0; i < sizeof foreigns / sizeof foreigns[0]; i++)
        if (foreigns[i].file_id == file_id) return &foreigns[i];
    return NULL;
}

const einf__dtype_info *einf__dtype_get(einf__dtype t)
{
    return &infos[t];
}

bool einf__dtype_from_file_id(uint32_t file_id, einf__dtype *out)
{
    for (int t = 0; t < EINF__N_DTYPES; t++) {
        if (infos[t].file_id != file_id) continue;
        *out = (einf__dtype)t;
        return true;
    }
    return false;
}

const char *einf__dtype_file_name(uint32_t file_id)
{
    einf__dtype t;
    if (einf__dtype_from_file_id(file_id, &t)) return infos[t].name;
    const foreign *f = find_foreign(file_id);
    return f ? f->name : "unknown";
}

bool einf__dtype_file_geometry(uint32_t file_id, uint32_t *block_elems, uint32_t *block_bytes)
{
    einf__dtype t;
    if (einf__dtype_from_file_id(file_id, &t)) {
        *block_elems = infos[t].block_elems;
        *block_bytes = infos[t].block_bytes;
        return true;
    }
    const foreign *f = find_foreign(file_id);
    if (!f || f->block_elems == 0) return false;
    *block_elems = f->block_elems;
    *block_bytes = f->block_bytes;
    return true;
}

uint64_t einf__dtype_row_bytes(einf__dtype t, uint64_t n_elems)
{
    const einf__dtype_info *info = &infos[t];
    if (n_elems % info->block_elems != 0) return 0;
    return n_elems / info->block_elems * info->block_bytes; /* at most 4 bytes an element: below 2^50 */
}
