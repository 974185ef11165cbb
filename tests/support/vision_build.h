/* SPDX-License-Identifier: MIT
 * vision_build.h - tiny but complete vision encoders for tests, as model_build.h has models: a specification in, a GGUF
 * file out. What a converter of Qwen2-VL writes; a test changes the specification before vision_build, or entries and
 * tensors of the builder after it.
 */
#ifndef TESTS_VISION_BUILD_H
#define TESTS_VISION_BUILD_H

#include "tests/support/model_build.h"

typedef enum vision_act { VISION_QUICK_GELU, VISION_GELU, VISION_SILU, VISION_N_ACTS } vision_act;

typedef struct vision_spec {
    uint32_t n_layer, n_embd, n_head, n_ff;
    uint32_t patch_size, merge_size, row_width;
    float eps, mean[3], std[3];
    vision_act act;
    uint32_t type;                /* of matrices, MODEL_*; those whose rows it does not divide are F32 */
    uint32_t patch_type;          /* of the kernels: a type without blocks */
    uint32_t vector_type;
    bool fused_qkv;               /* attn_qkv instead of attn_q, attn_k, attn_v */
    bool first_converter;         /* feed_forward_length 0, and ffn_up and ffn_down exchanged */
    uint32_t min_pixels, max_pixels; /* 0: no such entry */
    uint64_t seed;
} vision_spec;

/** 2 layers of 2 heads, width 32, n_ff 48, patches of 14, merged by 2, rows of 24; F32, quick-GELU. */
vision_spec vision_preset(void);

/* A tensor of the encoder. */
typedef struct vision_tensor {
    char name[64];
    uint32_t type, n_dims;
    uint64_t dims[4];
    float mean, std;
} vision_tensor;
enum { VISION_MAX_TENSORS = 8 + 16 * MODEL_MAX_LAYERS };
/** All of them in file order, into list [VISION_MAX_TENSORS]; how many. */
size_t vision_list(const vision_spec *s, vision_tensor *list);
/** Add a tensor with its random weights; one of that name that is there already is removed. */
void vision_put_tensor(gguf_build *b, const vision_spec *s, const vision_tensor *t);

/** Entries and tensors of the specification. */
gguf_build *vision_build(const vision_spec *s);
/** vision_build, finished. malloc'd. */
uint8_t *vision_file(const vision_spec *s, size_t *n_bytes);

#endif
