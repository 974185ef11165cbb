/* SPDX-License-Identifier: MIT
 * model_weights.c - one table of tensors with their shapes as expressions, and the binder that walks it.
 *
 * A new architecture adds rows here for tensors of its own. Nothing else in the engine knows a tensor's name.
 */
#include "engine/model/model_weights.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* What a dimension of a tensor must be, in terms of the configuration. */
typedef enum dim {
    NONE, EMBD, VOCAB, FF, HEAD_K, ROT_HALF,
    Q_WIDTH,   /* n_head * k_dim */
    K_WIDTH,   /* n_head_kv * k_dim */
    V_WIDTH,   /* n_head_kv * v_dim */
    ATTN_WIDTH /* n_head * v_dim */
} dim;

typedef enum tensor_role { MATRIX, VECTOR, BIAS } tensor_role;
#define OPTIONAL_TENSOR (1u << 31)
#define OPTIONAL_LONG_ROPE (OPTIONAL_TENSOR | EINF__LONG_ROPE)

enum { MAX_PARTS = 3 };

/* One tensor. `into`: offset of its field in einf__layer_weights ("blk.N." names) or einf__weights (the others).
 * A MATRIX of several parts is as many matrices on top of each other, which follow each other in the struct as well. A
 * BIAS goes into the matrix at that offset. The tensor is for architectures that have all bits of `with` and none of
 * `without`. */
typedef struct rule {
    const char *suffix;
    tensor_role role;
    size_t into;
    dim n_in, n_out[MAX_PARTS]; /* dims[0]; dims[1] is their sum. n_out NONE: a vector, or no further part */
    unsigned with, without;
} rule;

#define QKV_WIDTHS { Q_WIDTH, K_WIDTH, V_WIDTH }
#define L(field) offsetof(einf__layer_weights, field)
static const rule LAYER_RULES[] = {
    { "attn_norm.weight",           VECTOR, L(attn_norm),      EMBD,       { NONE },    0, 0 },
    { "attn_q.weight",              MATRIX, L(q),              EMBD,       { Q_WIDTH }, 0, EINF__FUSED },
    { "attn_k.weight",              MATRIX, L(k),              EMBD,       { K_WIDTH }, 0, EINF__FUSED },
    { "attn_v.weight",              MATRIX, L(v),              EMBD,       { V_WIDTH }, 0, EINF__FUSED },
    { "attn_qkv.weight",            MATRIX, L(q),              EMBD,       QKV_WIDTHS,  EINF__FUSED, 0 },
    { "attn_q.bias",                BIAS,   L(q),              Q_WIDTH,    { NONE },    EINF__QKV_BIAS, 0 },
    { "attn_k.bias",                BIAS,   L(k),              K_WIDTH,    { NONE },    EINF__QKV_BIAS, 0 },
    { "attn_v.bias",                BIAS,   L(v),              V_WIDTH,    { NONE },    EINF__QKV_BIAS, 0 },
    { "attn_q_norm.weight",         VECTOR, L(q_norm),         HEAD_K,     { NONE },    EINF__QK_NORM, 0 },
    { "attn_k_norm.weight",         VECTOR, L(k_norm),         HEAD_K,     { NONE },    EINF__QK_NORM, 0 },
    { "attn_output.weight",         MATRIX, L(o),              ATTN_WIDTH, { EMBD },    0, 0 },
    { "post_attention_norm.weight", VECTOR, L(attn_post_norm), EMBD,       { NONE },    EINF__POST_NORMS, 0 },
    { "ffn_norm.weight",            VECTOR, L(ffn_norm),       EMBD,       { NONE },    0, 0 },
    { "ffn_gate.weight",            MATRIX, L(gate),           EMBD,       { FF },      0, EINF__FUSED },
    { "ffn_up.weight",              MATRIX, L(up),             EMBD,       { FF },      0, EINF__FUSED },
    { "ffn_up.weight",              MATRIX, L(gate),           EMBD,       { FF, FF },  EINF__FUSED, 0 },
    { "ffn_down.weight",            MATRIX, L(down),           FF,         { EMBD },    0, 0 },
    { "post_ffw_norm.weight",       VECTOR, L(ffn_post_norm),  EMBD,       { NONE },    EINF__POST_NORMS, 0 },
};
_Static_assert(L(k) == L(q) + sizeof(einf__matrix) && L(v) == L(k) + sizeof(einf__matrix) &&
               L(up) == L(gate) + sizeof(einf__matrix), "parts of fused tensors follow each other");
#undef L

#define W(field) offsetof(einf__weights, field)
static const rule GLOBAL_RULES[] = {
    { "token_embd.weight",         MATRIX, W(token_embd),         EMBD,     { VOCAB }, 0, 0 },
    { "output_norm.weight",        VECTOR, W(output_norm),        EMBD,     { NONE },  0, 0 },
    { "output.weight",             MATRIX, W(output),             EMBD,     { VOCAB }, OPTIONAL_TENSOR, 0 },
    { "rope_freqs.weight",         VECTOR, W(rope_factors),       ROT_HALF, { NONE },  OPTIONAL_TENSOR, 0 },
    { "rope_factors_short.weight", VECTOR, W(rope_factors_short), ROT_HALF, { NONE },  OPTIONAL_LONG_ROPE, 0 },
    { "rope_factors_long.weight",  VECTOR, W(rope_factors_long),  ROT_HALF, { NONE },  OPTIONAL_LONG_ROPE, 0 },
};
#undef W

typedef struct binder {
    const einf__gguf *g;
    const einf__config *c;
    einf__arena *arena;
    const einf__kernels *kernels;
    einf__weights *weights;
    uint64_t n_bound;
    einf_error *err;
} binder;

static uint64_t dim_value(const einf__config *c, const einf__layer_config *l, dim d)
{
    switch (d) {
    case EMBD: return c->n_embd;
    case VOCAB: return c->n_vocab;
    case FF: return l->n_ff;
    case HEAD_K: return c->k_dim;
    case ROT_HALF: return c->n_rot / 2;
    case Q_WIDTH: return (uint64_t)l->n_head * c->k_dim;
    case K_WIDTH: return (uint64_t)l->n_head_kv * c->k_dim;
    case V_WIDTH: return (uint64_t)l->n_head_kv * c->v_dim;
    case ATTN_WIDTH: return (uint64_t)l->n_head * c->v_dim;
    case NONE: break;
    }
    return 1;
}

/* Rows of a rule's tensor: 1 for a vector. */
static uint64_t row_count(const binder *b, const rule *r, const einf__layer_config *l)
{
    uint64_t n = dim_value(b->c, l, r->n_out[0]);
    for (int i = 1; i < MAX_PARTS && r->n_out[i] != NONE; i++) n += dim_value(b->c, l, r->n_out[i]);
    return n;
}

static einf_status check_shape(const binder *b, const einf__gguf_tensor *t, uint64_t n_in, uint64_t n_out)
{
    if (t->dims[0] == n_in && t->dims[1] == n_out && t->dims[2] == 1 && t->dims[3] == 1) return EINF_OK;
    return einf__fail(b->err, EINF_E_FORMAT, t->offset, t->name,
                      "tensors and hyper-parameters of this file disagree; convert the model again",
                      "tensor %s has shape [%llu, %llu, %llu, %llu], expected [%llu, %llu]", t->name,
                      (unsigned long long)t->dims[0], (unsigned long long)t->dims[1], (unsigned long long)t->dims[2],
                      (unsigned long long)t->dims[3], (unsigned long long)n_in, (unsigned long long)n_out);
}

static einf_status check_type(const binder *b, const einf__gguf_tensor *t, tensor_role role)
{
    if (!t->computable)
        return einf__fail(b->err, EINF_E_UNSUPPORTED, t->offset, t->name,
                          "use a file quantised to Q4_K_M, Q6_K, Q8_0 or F16",
                          "tensor %s has type %s (%u), which this build cannot compute with", t->name,
                          einf__dtype_file_name(t->file_type), t->file_type);
    const bool is_float = einf__dtype_get(t->dtype)->block_elems == 1;
    if (role != MATRIX && !is_float)
        return einf__fail(b->err, EINF_E_FORMAT, t->offset, t->name, NULL,
                          "tensor %s has type %s, expected F32, F16 or BF16", t->name,
                          einf__dtype_get(t->dtype)->name);
    return EINF_OK;
}

static einf__matrix matrix_of(const binder *b, const einf__gguf_tensor *t)
{
    return (einf__matrix){
        .data = einf__gguf_tensor_data(b->g, t),
        .type = t->dtype,
        .n_in = (int64_t)t->dims[0],
        .n_out = (int64_t)t->dims[1],
        .row_bytes = (size_t)einf__dtype_row_bytes(t->dtype, t->dims[0]),
    };
}

/* Copy a vector of the file to f32, or only count it. */
static float *carve_vector(const binder *b, const einf__gguf_tensor *t)
{
    float *v = EINF__CARVE(b->arena, float, t->dims[0]);
    if (v) b->kernels->to_f32[t->dtype](v, einf__gguf_tensor_data(b->g, t), (int64_t)t->dims[0]);
    return v;
}

/* The matrices of a tensor: all of it, or one range of its rows after the other. */
static void bind_matrices(const binder *b, const rule *r, const einf__layer_config *l, const einf__gguf_tensor *t,
                          uint8_t *into)
{
    einf__matrix m = matrix_of(b, t);
    for (int i = 0; i < MAX_PARTS && r->n_out[i] != NONE; i++) {
        m.n_out = (int64_t)dim_value(b->c, l, r->n_out[i]);
        memcpy(into + (size_t)i * sizeof m, &m, sizeof m);
        m.data = (const uint8_t *)m.data + (size_t)m.n_out * m.row_bytes;
    }
}

/* Bind one rule. base: the struct its `into` is an offset in; NULL while counting. */
static einf_status bind_rule(binder *b, const rule *r, const einf__layer_config *l, const char *name, uint8_t *base)
{
    const unsigned features = b->c->arch->features, with = r->with & ~OPTIONAL_TENSOR;
    if ((features & with) != with || (features & r->without)) return EINF_OK;
    const einf__gguf_tensor *t = einf__gguf_find_tensor(b->g, name);
    if (!t && (r->with & OPTIONAL_TENSOR)) return EINF_OK;
    if (!t)
        return einf__fail(b->err, EINF_E_FORMAT, EINF_NO_OFFSET, name,
                          "the file is incomplete; fetch or convert it again",
                          "tensor %s is missing, which architecture %s requires", name, b->c->arch->name);
    EINF_TRY(check_shape(b, t, dim_value(b->c, l, r->n_in), row_count(b, r, l)));
    EINF_TRY(check_type(b, t, r->role));
    b->n_bound++;
    b->weights->weight_bytes += t->size_bytes;
    b->weights->n_params += t->dims[0] * t->dims[1];

    if (r->role == MATRIX) {
        if (base) bind_matrices(b, r, l, t, base + r->into);
        return EINF_OK;
    }
    float *v = carve_vector(b, t);
    const size_t at = r->into + (r->role == BIAS ? offsetof(einf__matrix, bias) : 0);
    if (base) memcpy(base + at, &v, sizeof v);
    return EINF_OK;
}

/* Frequencies are divided by these: one that is no positive number would spoil every answer. */
static einf_status check_factors(const binder *b, const float *factors, const char *name)
{
    for (uint32_t i = 0; factors && i < b->c->n_rot / 2; i++) {
        if (isfinite(factors[i]) && factors[i] > 0) continue;
        return einf__fail(b->err, EINF_E_FORMAT, einf__gguf_find_tensor(b->g, name)->offset, name,
                          "convert the model again", "element %u of tensor %s is not a positive number", i, name);
    }
    return EINF_OK;
}

static einf_status check_rope_factors(const binder *b)
{
    static const char SHORT[] = "rope_factors_short.weight", LONG[] = "rope_factors_long.weight";
    EINF_TRY(check_factors(b, b->weights->rope_factors, "rope_freqs.weight"));
    EINF_TRY(check_factors(b, b->weights->rope_factors_short, SHORT));
    EINF_TRY(check_factors(b, b->weights->rope_factors_long, LONG));
    const bool has_short = einf__gguf_find_tensor(b->g, SHORT), has_long = einf__gguf_find_tensor(b->g, LONG);
    if (has_short == has_long) return EINF_OK;
    const char *there = has_short ? SHORT : LONG, *missing = has_short ? LONG : SHORT;
    return einf__fail(b->err, EINF_E_FORMAT, EINF_NO_OFFSET, missing,
                      "the file is incomplete; fetch or convert it again",
                      "tensor %s is there, but tensor %s is missing", there, missing);
}

static einf_status bind_layer(binder *b, uint32_t i)
{
    for (size_t j = 0; j < sizeof LAYER_RULES / sizeof LAYER_RULES[0]; j++) {
        char name[64];
        (void)snprintf(name, sizeof name, "blk.%u.%s", i, LAYER_RULES[j].suffix);
        uint8_t *base = b->weights->layers ? (uint8_t *)&b->weights->layers[i] : NULL;
        EINF_TRY(bind_rule(b, &LAYER_RULES[j], &b->c->layers[i], name, base));
    }
    return EINF_OK;
}

/* Tensors that other models have, and that would change every answer if they were left out, with the feature that an
 * architecture binds them by (0: none does). What is neither bound nor here is warned about and harmless. */
static const struct { const char *name; unsigned feature; } MEANINGFUL[] = {
    { "blk.0.attn_q.bias", EINF__QKV_BIAS },
    { "blk.0.attn_k.bias", EINF__QKV_BIAS },
    { "blk.0.attn_v.bias", EINF__QKV_BIAS },
    { "blk.0.attn_qkv.weight", EINF__FUSED },
    { "blk.0.attn_qkv.bias", 0 },
    { "blk.0.attn_q_norm.weight", EINF__QK_NORM },
    { "blk.0.attn_k_norm.weight", EINF__QK_NORM },
    { "blk.0.attn_q.scale", 0 }, /* of weights whose blocks hold only part of the scale */
    { "blk.0.ffn_up.scale", 0 },
    { "blk.0.attn_output.bias", 0 },
    { "blk.0.attn_norm.bias", 0 },
    { "blk.0.post_attention_norm.weight", EINF__POST_NORMS },
    { "blk.0.ffn_gate_inp.weight", 0 },
    { "blk.0.ffn_up.bias", 0 },
    { "blk.0.ffn_gate.bias", 0 },
    { "blk.0.ffn_down.bias", 0 },
    { "blk.0.post_ffw_norm.weight", EINF__POST_NORMS },
    { "rope_factors_short.weight", EINF__LONG_ROPE },
    { "rope_factors_long.weight", EINF__LONG_ROPE },
    { "output_norm.bias", 0 },
    { "output.bias", 0 },
};

static einf_status refuse_unbound(const binder *b)
{
    for (size_t i = 0; i < sizeof MEANINGFUL / sizeof MEANINGFUL[0]; i++) {
        const einf__gguf_tensor *t = einf__gguf_find_tensor(b->g, MEANINGFUL[i].name);
        if (t && !(b->c->arch->features & MEANINGFUL[i].feature))
            return einf__fail(b->err, EINF_E_UNSUPPORTED, t->offset, t->name, NULL,
                              "tensor %s is not supported for architecture %s", t->name, b->c->arch->name);
    }
    return EINF_OK;
}

einf_status einf__weights_bind(const einf__gguf *g, const einf__config *c, einf__arena *arena, const einf__kernels *k,
                               einf__weights *out, uint64_t *n_unused, einf_error *err)
{
    *out = (einf__weights){ 0 };
    binder b = { .g = g, .c = c, .arena = arena, .kernels = k, .weights = out, .err = err };
    EINF_TRY(refuse_unbound(&b));
    out->layers = EINF__CARVE(arena, einf__layer_weights, c->n_layer);
    if (out->layers) memset(out->layers, 0, c->n_layer * sizeof *out->layers);

    for (size_t j = 0; j < sizeof GLOBAL_RULES / sizeof GLOBAL_RULES[0]; j++)
        EINF_TRY(bind_rule(&b, &GLOBAL_RULES[j], &c->layers[0], GLOBAL_RULES[j].suffix, (uint8_t *)out));
    EINF_TRY(check_rope_factors(&b));
    for (uint32_t i = 0; i < c->n_layer; i++) EINF_TRY(bind_layer(&b, i));

    if (!out->output.data) out->output = out->token_embd; /* tied */
    *n_unused = g->n_tensors - b.n_bound;
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------- values -- */

enum { CHECK_ELEMS = 4096 }; /* a multiple of every block size */

/* Look at all of a tensor. Every scale takes part in some element, so looking at the elements is enough. */
static einf_status check_values(const einf__kernels *k, const einf__gguf_tensor *t, const uint8_t *data,
                                const einf_cancel *cancel, einf_error *err)
{
    float buffer[CHECK_ELEMS];
    const uint32_t block_elems = einf__dtype_get(t->dtype)->block_elems;
    const uint64_t n = t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
    for (uint64_t i = 0; i < n; i += CHECK_ELEMS) {
        if (einf__is_cancelled(cancel))
            return einf__fail(err, EINF_E_CANCELLED, EINF_NO_OFFSET, t->name, NULL, "cancelled while checking tensors");
        const uint64_t m = n - i < CHECK_ELEMS ? n - i : CHECK_ELEMS;
        k->to_f32[t->dtype](buffer, data + einf__dtype_row_bytes(t->dtype, i), (int64_t)m);
        for (uint64_t j = 0; j < m; j++) {
            if (isfinite(buffer[j])) continue;
            const uint64_t block = (i + j) / block_elems * block_elems;
            return einf__fail(err, EINF_E_FORMAT, t->offset + einf__dtype_row_bytes(t->dtype, block), t->name,
                              "the file is damaged, or was written by a faulty quantiser",
                              "element %llu of tensor %s is not a finite number", (unsigned long long)(i + j), t->name);
        }
    }
    return EINF_OK;
}

einf_status einf__weights_check_values(const einf__gguf *g, const einf__kernels *k, const einf_cancel *cancel,
                                       einf_error *err)
{
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        const einf__gguf_tensor *t = &g->tensors[i];
        if (t->computable) EINF_TRY(check_values(k, t, einf__gguf_tensor_data(g, t), cancel, err));
    }
    return EINF_OK;
}
