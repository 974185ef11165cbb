/* SPDX-License-Identifier: MIT
 * vision_weights.c - one table of tensors with their shapes as expressions, and the binder that walks it.
 *
 * Two things differ from file to file and not from model to model: some hold queries, keys and values in one tensor,
 * and files of the first converters have ffn_up and ffn_down exchanged. Nothing else knows a tensor's name.
 */
#include "vision/vision_weights.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* What a dimension of a tensor must be, in terms of the configuration. */
typedef enum dim { NONE, EMBD, FF, MERGED, ROW } dim;

/* PATCHES: a matrix whose rows are the [3, patch_size, patch_size] of a convolution. */
typedef enum tensor_role { MATRIX, VECTOR, BIAS, PATCHES } tensor_role;

/* Which files have a tensor; bits of what holds for a layer. */
enum { QKV_SPLIT = 1, QKV_FUSED = 2, FFN_NAMED = 4, FFN_EXCHANGED = 8 };

/* One tensor. `into`: offset of its field in einf__vision_layer ("v.blk.N." names) or einf__vision_weights. A MATRIX
 * or BIAS of `parts` is as many on top of each other, of n_out each, for matrices that follow each other in the struct.
 * A BIAS goes into the matrix at that offset. */
typedef struct rule {
    const char *suffix;
    tensor_role role;
    size_t into;
    dim n_in, n_out;
    int parts;
    unsigned when; /* 0: always */
} rule;

#define L(field) offsetof(einf__vision_layer, field)
static const rule LAYER_RULES[] = {
    { "ln1.weight",      VECTOR, L(ln1.weight), NONE, EMBD, 1, 0 },
    { "ln1.bias",        VECTOR, L(ln1.bias),   NONE, EMBD, 1, 0 },
    { "attn_q.weight",   MATRIX, L(q),          EMBD, EMBD, 1, QKV_SPLIT },
    { "attn_q.bias",     BIAS,   L(q),          NONE, EMBD, 1, QKV_SPLIT },
    { "attn_k.weight",   MATRIX, L(k),          EMBD, EMBD, 1, QKV_SPLIT },
    { "attn_k.bias",     BIAS,   L(k),          NONE, EMBD, 1, QKV_SPLIT },
    { "attn_v.weight",   MATRIX, L(v),          EMBD, EMBD, 1, QKV_SPLIT },
    { "attn_v.bias",     BIAS,   L(v),          NONE, EMBD, 1, QKV_SPLIT },
    { "attn_qkv.weight", MATRIX, L(q),          EMBD, EMBD, 3, QKV_FUSED },
    { "attn_qkv.bias",   BIAS,   L(q),          NONE, EMBD, 3, QKV_FUSED },
    { "attn_out.weight", MATRIX, L(o),          EMBD, EMBD, 1, 0 },
    { "attn_out.bias",   BIAS,   L(o),          NONE, EMBD, 1, 0 },
    { "ln2.weight",      VECTOR, L(ln2.weight), NONE, EMBD, 1, 0 },
    { "ln2.bias",        VECTOR, L(ln2.bias),   NONE, EMBD, 1, 0 },
    { "ffn_up.weight",   MATRIX, L(up),         EMBD, FF,   1, FFN_NAMED },
    { "ffn_up.bias",     BIAS,   L(up),         NONE, FF,   1, FFN_NAMED },
    { "ffn_down.weight", MATRIX, L(down),       FF,   EMBD, 1, FFN_NAMED },
    { "ffn_down.bias",   BIAS,   L(down),       NONE, EMBD, 1, FFN_NAMED },
    { "ffn_down.weight", MATRIX, L(up),         EMBD, FF,   1, FFN_EXCHANGED },
    { "ffn_down.bias",   BIAS,   L(up),         NONE, FF,   1, FFN_EXCHANGED },
    { "ffn_up.weight",   MATRIX, L(down),       FF,   EMBD, 1, FFN_EXCHANGED },
    { "ffn_up.bias",     BIAS,   L(down),       NONE, EMBD, 1, FFN_EXCHANGED },
};
_Static_assert(L(k) == L(q) + sizeof(einf__matrix) && L(v) == L(k) + sizeof(einf__matrix),
               "parts of a fused tensor follow each other");
#undef L

#define W(field) offsetof(einf__vision_weights, field)
static const rule GLOBAL_RULES[] = {
    { "v.patch_embd.weight",   PATCHES, W(patch[0]),       NONE,   EMBD,   1, 0 },
    { "v.patch_embd.weight.1", PATCHES, W(patch[1]),       NONE,   EMBD,   1, 0 },
    { "v.post_ln.weight",      VECTOR,  W(post_ln.weight), NONE,   EMBD,   1, 0 },
    { "v.post_ln.bias",        VECTOR,  W(post_ln.bias),   NONE,   EMBD,   1, 0 },
    { "mm.0.weight",           MATRIX,  W(merge[0]),       MERGED, MERGED, 1, 0 },
    { "mm.0.bias",             BIAS,    W(merge[0]),       NONE,   MERGED, 1, 0 },
    { "mm.2.weight",           MATRIX,  W(merge[1]),       MERGED, ROW,    1, 0 },
    { "mm.2.bias",             BIAS,    W(merge[1]),       NONE,   ROW,    1, 0 },
};
#undef W

typedef struct binder {
    const einf__gguf *g;
    const einf__vision_config *c;
    einf__arena *arena;
    const einf__kernels *kernels;
    einf__vision_weights *weights;
    uint64_t n_bound;
    einf_error *err;
} binder;

static uint64_t dim_value(const einf__vision_config *c, dim d)
{
    switch (d) {
    case EMBD: return c->n_embd;
    case FF: return c->n_ff;
    case MERGED: return c->n_merged;
    case ROW: return c->row_width;
    case NONE: break;
    }
    return 1;
}

/* ------------------------------------------------------------------------------------------------- checking -- */

/* The dims that a rule's tensor must have. */
static void expected_dims(const binder *b, const rule *r, uint64_t dims[4])
{
    const uint64_t n_out = dim_value(b->c, r->n_out) * (uint64_t)r->parts, patch = b->c->patch_size;
    dims[0] = dims[1] = dims[2] = dims[3] = 1;
    if (r->role == PATCHES) {
        dims[0] = dims[1] = patch;
        dims[2] = 3;
        dims[3] = n_out;
    } else if (r->role == MATRIX) {
        dims[0] = dim_value(b->c, r->n_in);
        dims[1] = n_out;
    } else {
        dims[0] = n_out;
    }
}

static einf_status check_shape(const binder *b, const rule *r, const einf__gguf_tensor *t)
{
    uint64_t e[4];
    expected_dims(b, r, e);
    if (memcmp(t->dims, e, sizeof e) == 0) return EINF_OK;
    return einf__fail(b->err, EINF_E_FORMAT, t->offset, t->name,
                      "tensors and hyper-parameters of this file disagree; convert the model again",
                      "tensor %s has shape [%llu, %llu, %llu, %llu], expected [%llu, %llu, %llu, %llu]", t->name,
                      (unsigned long long)t->dims[0], (unsigned long long)t->dims[1], (unsigned long long)t->dims[2],
                      (unsigned long long)t->dims[3], (unsigned long long)e[0], (unsigned long long)e[1],
                      (unsigned long long)e[2], (unsigned long long)e[3]);
}

static einf_status check_type(const binder *b, const rule *r, const einf__gguf_tensor *t)
{
    if (!t->computable)
        return einf__fail(b->err, EINF_E_UNSUPPORTED, t->offset, t->name, "use a file of F16 or Q8_0",
                          "tensor %s has type %s (%u), which this build cannot compute with", t->name,
                          einf__dtype_file_name(t->file_type), t->file_type);
    if ((r->role == VECTOR || r->role == BIAS) && einf__dtype_get(t->dtype)->block_elems != 1)
        return einf__fail(b->err, EINF_E_FORMAT, t->offset, t->name, NULL,
                          "tensor %s has type %s, expected F32, F16 or BF16", t->name,
                          einf__dtype_get(t->dtype)->name);
    return EINF_OK;
}

/* -------------------------------------------------------------------------------------------------- binding -- */

/* base: the struct that r->into is an offset in. */
static void bind_matrices(const binder *b, const rule *r, const einf__gguf_tensor *t, uint8_t *base)
{
    const uint64_t patch_elems = (uint64_t)3 * b->c->patch_size * b->c->patch_size;
    const uint64_t n_in = r->role == PATCHES ? patch_elems : dim_value(b->c, r->n_in);
    einf__matrix m = {
        .data = einf__gguf_tensor_data(b->g, t),
        .type = t->dtype,
        .n_in = (int64_t)n_in,
        .n_out = (int64_t)dim_value(b->c, r->n_out),
        .row_bytes = (size_t)einf__dtype_row_bytes(t->dtype, n_in),
    };
    for (int i = 0; i < r->parts; i++) {
        memcpy(base + r->into + (size_t)i * sizeof m, &m, sizeof m);
        m.data = (const uint8_t *)m.data + (size_t)m.n_out * m.row_bytes;
    }
}

/* Copy a vector of the file to f32, or only count it. base NULL: counting. */
static void bind_vector(const binder *b, const rule *r, const einf__gguf_tensor *t, uint8_t *base)
{
    float *v = EINF__CARVE(b->arena, float, t->dims[0]);
    if (!v || !base) return;
    b->kernels->to_f32[t->dtype](v, einf__gguf_tensor_data(b->g, t), (int64_t)t->dims[0]);
    if (r->role == VECTOR) {
        memcpy(base + r->into, &v, sizeof v);
        return;
    }
    for (int i = 0; i < r->parts; i++) {
        const float *bias = v + (uint64_t)i * dim_value(b->c, r->n_out);
        memcpy(base + r->into + (size_t)i * sizeof(einf__matrix) + offsetof(einf__matrix, bias), &bias, sizeof bias);
    }
}

static einf_status bind_rule(binder *b, const rule *r, const char *name, uint8_t *base)
{
    const einf__gguf_tensor *t = einf__gguf_find_tensor(b->g, name);
    if (!t)
        return einf__fail(b->err, EINF_E_FORMAT, EINF_NO_OFFSET, name,
                          "the file is incomplete; fetch or convert it again",
                          "tensor %s is missing, which projector %s requires", name, b->c->projector);
    EINF_TRY(check_shape(b, r, t));
    EINF_TRY(check_type(b, r, t));
    b->n_bound++;
    if (r->role == VECTOR || r->role == BIAS) bind_vector(b, r, t, base);
    else if (base) bind_matrices(b, r, t, base);
    return EINF_OK;
}

static const einf__gguf_tensor *find_of_layer(const binder *b, uint32_t i, const char *suffix)
{
    char name[64];
    (void)snprintf(name, sizeof name, "v.blk.%u.%s", i, suffix);
    return einf__gguf_find_tensor(b->g, name);
}

/* What holds for a layer: which of the rules are for it. ffn_down of the shape that ffn_up should have is how the first
 * converters wrote LLaVA's "fc1", and llama.cpp exchanges the two likewise. */
static unsigned kind_of_layer(const binder *b, uint32_t i)
{
    const einf__gguf_tensor *down = find_of_layer(b, i, "ffn_down.weight");
    const bool exchanged = down && b->c->n_ff != b->c->n_embd && down->dims[0] == b->c->n_embd;
    return (find_of_layer(b, i, "attn_qkv.weight") ? QKV_FUSED : QKV_SPLIT) | (exchanged ? FFN_EXCHANGED : FFN_NAMED);
}

static einf_status bind_layer(binder *b, uint32_t i)
{
    const unsigned kind = kind_of_layer(b, i);
    uint8_t *base = b->weights->layers ? (uint8_t *)&b->weights->layers[i] : NULL;
    for (size_t j = 0; j < sizeof LAYER_RULES / sizeof LAYER_RULES[0]; j++) {
        const rule *r = &LAYER_RULES[j];
        if (r->when && !(r->when & kind)) continue;
        char name[64];
        (void)snprintf(name, sizeof name, "v.blk.%u.%s", i, r->suffix);
        EINF_TRY(bind_rule(b, r, name, base));
    }
    return EINF_OK;
}

/* Tensors that other encoders have, and that would change every row if they were left out. */
static einf_status refuse_unbound(const binder *b)
{
    static const char *const MEANINGFUL[] = {
        "v.patch_embd.bias", "v.position_embd.weight", "v.class_embd", "v.pre_ln.weight", "v.pre_ln.bias",
        "v.blk.0.attn_q_norm.weight", "v.blk.0.attn_k_norm.weight", "v.blk.0.ffn_gate.weight",
        "v.blk.0.ffn_gate.bias", "v.blk.0.ls1.weight", "v.blk.0.ls2.weight", "v.blk.0.attn_post_norm.weight",
        "v.blk.0.ffn_post_norm.weight", "mm.1.weight", "mm.input_norm.weight",
    };
    for (size_t i = 0; i < sizeof MEANINGFUL / sizeof MEANINGFUL[0]; i++) {
        const einf__gguf_tensor *t = einf__gguf_find_tensor(b->g, MEANINGFUL[i]);
        if (t)
            return einf__fail(b->err, EINF_E_UNSUPPORTED, t->offset, t->name, NULL,
                              "tensor %s is not supported for projector %s", t->name, b->c->projector);
    }
    return EINF_OK;
}

einf_status einf__vision_weights_bind(const einf__gguf *g, const einf__vision_config *c, einf__arena *arena,
                                      const einf__kernels *kernels, einf__vision_weights *out, uint64_t *n_unused,
                                      einf_error *err)
{
    *out = (einf__vision_weights){ 0 };
    binder b = { .g = g, .c = c, .arena = arena, .kernels = kernels, .weights = out, .err = err };
    EINF_TRY(refuse_unbound(&b));
    out->layers = EINF__CARVE(arena, einf__vision_layer, c->n_layer);
    if (out->layers) memset(out->layers, 0, c->n_layer * sizeof *out->layers);

    for (size_t j = 0; j < sizeof GLOBAL_RULES / sizeof GLOBAL_RULES[0]; j++)
        EINF_TRY(bind_rule(&b, &GLOBAL_RULES[j], GLOBAL_RULES[j].suffix, (uint8_t *)out));
    for (uint32_t i = 0; i < c->n_layer; i++) EINF_TRY(bind_layer(&b, i));
    *n_unused = g->n_tensors - b.n_bound;
    return EINF_OK;
}
