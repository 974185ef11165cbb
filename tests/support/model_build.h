/* SPDX-License-Identifier: MIT
 * model_build.h - tiny but complete models for tests: a specification in, a GGUF file out.
 *
 * A preset is right; a test changes numbers of the specification before model_build, or entries and tensors of the
 * builder after it (gguf_build_drop_kv, model_put_tensor, ...). Weights are random but the same in every run: they
 * depend on the seed and the tensor's name alone, so replacing one tensor leaves the others as they were.
 *
 *   model_spec s = model_preset(MODEL_QWEN2);
 *   s.n_layer = 3;
 *   size_t n;
 *   uint8_t *file = model_file(&s, &n);   (free() it)
 */
#ifndef TESTS_MODEL_BUILD_H
#define TESTS_MODEL_BUILD_H

#include "tests/support/gguf_build.h"

typedef enum model_family {
    MODEL_LLAMA, MODEL_QWEN2, MODEL_QWEN2VL, MODEL_GEMMA3, MODEL_QWEN3, MODEL_GEMMA2, MODEL_PHI3, MODEL_SMOLLM3,
    MODEL_N_FAMILIES
} model_family;
typedef enum model_vocab { MODEL_NO_VOCAB, MODEL_BPE, MODEL_SPM } model_vocab;

/* Weight types as numbered in the file; more are in the table of model_build.c. */
enum {
    MODEL_F32 = 0, MODEL_F16 = 1, MODEL_Q4_0 = 2, MODEL_Q8_0 = 8, MODEL_Q4_K = 12, MODEL_Q6_K = 14, MODEL_BF16 = 30
};

enum { MODEL_MAX_LAYERS = 64 };

typedef struct model_spec {
    model_family family;
    uint32_t n_layer;             /* at most MODEL_MAX_LAYERS */
    uint32_t n_embd, n_vocab, n_ctx_train;
    uint32_t n_head[MODEL_MAX_LAYERS], n_head_kv[MODEL_MAX_LAYERS], n_ff[MODEL_MAX_LAYERS]; /* unequal: arrays */
    uint32_t k_dim, v_dim, n_rot; /* key_length, value_length are written where they differ from n_embd / n_head */
    float rms_norm_eps;
    float rope_freq_base;
    float rope_scale_factor;      /* > 0: linear scaling by it */
    int32_t sections[4];          /* qwen2vl */
    uint32_t window;              /* gemma2, gemma3; phi3: may be 0 */
    float attn_softcap, final_softcap; /* gemma2 */
    uint32_t original_ctx;        /* phi3: > 0: with long and short factors, of which sessions choose by it */
    float rope_attn_factor;       /* phi3: > 0: as an entry; otherwise the formula holds */
    bool tied;                    /* no output.weight */
    bool rope_freqs;              /* with rope_freqs.weight */
    uint32_t type;                /* of matrices; those whose rows it does not divide are F32 */
    model_vocab vocab;
    const char *chat_template;    /* NULL: none */
    uint64_t seed;
} model_spec;

/** 2 layers (gemma3: 7, of which the sixth sees everything; gemma2: 3, of which the second does; smollm3: 5, of which
 *  the fourth does not rotate), width 64, F32, a vocabulary of 320. llama: untied, rope_freqs, SPM; all others tied:
 *  qwen2, qwen3, smollm3 with BPE and ChatML; qwen2vl with sections, too; gemma2, gemma3 with SPM and wide heads; phi3
 *  with SPM, a window, long and short factors, and heads that rotate in part. */
model_spec model_preset(model_family family);
/** The same number for every layer. */
void model_set_heads(model_spec *s, uint32_t n_head, uint32_t n_head_kv);
void model_set_ff(model_spec *s, uint32_t n_ff);
/** "llama", "qwen2", ... */
const char *model_arch(const model_spec *s);

/** Entries and tensors of the specification. */
gguf_build *model_build(const model_spec *s);
/** model_build, finished. malloc'd. */
uint8_t *model_file(const model_spec *s, size_t *n_bytes);

/* A tensor that the family has. */
typedef struct model_tensor {
    char name[64];
    uint32_t type, n_dims;
    uint64_t dims[2];             /* dims[1] is 1 for vectors */
    float mean, std;              /* of its weights */
} model_tensor;
enum { MODEL_MAX_TENSORS = 6 + 16 * MODEL_MAX_LAYERS };
/** All of them in file order, into list [MODEL_MAX_TENSORS]; how many. */
size_t model_list(const model_spec *s, model_tensor *list);
/** Its entry in a list; a missing name ends the program. */
model_tensor *model_find(model_tensor *list, size_t n, const char *name);
/** Add a tensor with its random weights; one of that name that is there already is removed. Works for any type of the
 *  table, also those that the library refuses. */
void model_put_tensor(gguf_build *b, const model_spec *s, const model_tensor *t);

/** n_elems weights of a type, malloc'd. Blocks of quantised types are random bits under scales that give about the
 *  mean and standard deviation; NULL when n_elems is no whole number of blocks. */
uint8_t *model_weights(uint32_t type, uint64_t n_elems, float mean, float std, uint64_t seed, size_t *n_bytes);

/** What a tensor's name adds to a seed. */
uint64_t model_name_seed(const char *name);
/** Random numbers that are the same on every machine: uniform bits, and about normal with mean 0 and deviation 1. */
uint64_t model_random(uint64_t *state);
float model_normal(uint64_t *state);

#endif
