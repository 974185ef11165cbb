/* SPDX-License-Identifier: MIT
 * model_config.c - from "<arch>.key" metadata to einf__config.
 *
 * Reads the file in the order of the struct. Anything a file asks for that would silently change the arithmetic and
 * that we do not do (experts, YaRN) is refused by name rather than ignored.
 */
#include "engine/model/model_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_LAYERS = 512,
    MAX_EMBD = 1 << 20,
    MAX_HEADS = 4096,
    MAX_HEAD_DIM = 1024,
    MAX_FF = 1 << 24,
    MAX_VOCAB = (1 << 24) - 1,
};

/* The architecture's prefix before each key: "llama" + ".block_count". */
typedef struct keys {
    const einf__gguf *g;
    const char *arch;
    char text[96];
} keys;

static const char *key(keys *k, const char *suffix)
{
    (void)snprintf(k->text, sizeof k->text, "%s.%s", k->arch, suffix);
    return k->text;
}

static einf_status get_u32(keys *k, const char *suffix, einf__need need, uint32_t fallback, uint32_t min, uint32_t max,
                           uint32_t *out, einf_error *err)
{
    return einf__gguf_get_u32(k->g, key(k, suffix), need, fallback, min, max, out, err);
}

static einf_status get_f32(keys *k, const char *suffix, einf__need need, float fallback, float min, float max,
                           float *out, einf_error *err)
{
    return einf__gguf_get_f32(k->g, key(k, suffix), need, fallback, min, max, out, err);
}

/* Byte offset of a key's value, for messages about combinations of keys. */
static uint64_t offset_of(keys *k, const char *suffix)
{
    const einf__gguf_kv *kv = einf__gguf_find(k->g, key(k, suffix));
    return kv ? (uint64_t)(kv->value - k->g->source->data) : EINF_NO_OFFSET;
}

static einf_status find_arch(const einf__gguf *g, const einf__arch **out, einf_error *err)
{
    einf__bytes name;
    EINF_TRY(einf__gguf_get_string(g, "general.architecture", EINF__REQUIRED, (einf__bytes){ NULL, 0 }, &name, err));
    *out = einf__arch_find(name);
    if (*out) return EINF_OK;
    char hint[160];
    (void)snprintf(hint, sizeof hint, "supported architectures: %s", einf__arch_names());
    return einf__fail(err, EINF_E_UNSUPPORTED, EINF_NO_OFFSET, "general.architecture", hint,
                      "architecture '%.*s' is not supported", (int)(name.n < 64 ? name.n : 64), name.p);
}

static einf_status refuse_experts(keys *k, einf_error *err)
{
    uint32_t n_expert, n_used;
    EINF_TRY(get_u32(k, "expert_count", EINF__OPTIONAL, 0, 0, UINT32_MAX, &n_expert, err));
    EINF_TRY(get_u32(k, "expert_used_count", EINF__OPTIONAL, 0, 0, UINT32_MAX, &n_used, err));
    if (n_used > n_expert)
        return einf__fail(err, EINF_E_FORMAT, offset_of(k, "expert_used_count"), key(k, "expert_used_count"), NULL,
                          "%u experts are used of %u", n_used, n_expert);
    if (n_expert == 0) return EINF_OK;
    return einf__fail(err, EINF_E_UNSUPPORTED, offset_of(k, "expert_count"), key(k, "expert_count"),
                      "use a dense model of this family",
                      "mixture of experts is not supported: the file has %u experts", n_expert);
}

/* *n_head_0: heads of layer 0, from which the default head width follows. */
static einf_status read_layers(keys *k, einf__arena *arena, einf__config *c, uint32_t *n_head_0, einf_error *err)
{
    const uint32_t n = c->n_layer;
    uint32_t n_head[MAX_LAYERS], n_head_kv[MAX_LAYERS], n_ff[MAX_LAYERS];
    EINF_TRY(einf__gguf_get_layers_u32(k->g, key(k, "attention.head_count"), EINF__REQUIRED, 0, 1, MAX_HEADS, n, n_head,
                                       err));
    EINF_TRY(einf__gguf_get_layers_u32(k->g, key(k, "attention.head_count_kv"), EINF__OPTIONAL, 0, 1, MAX_HEADS, n,
                                       n_head_kv, err));
    const bool has_kv = einf__gguf_find(k->g, k->text) != NULL;
    EINF_TRY(einf__gguf_get_layers_u32(k->g, key(k, "feed_forward_length"), EINF__REQUIRED, 0, 1, MAX_FF, n, n_ff,
                                       err));
    c->layers = EINF__CARVE(arena, einf__layer_config, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!has_kv) n_head_kv[i] = n_head[i];
        if (n_head[i] % n_head_kv[i] != 0)
            return einf__fail(err, EINF_E_FORMAT, offset_of(k, "attention.head_count_kv"),
                              key(k, "attention.head_count_kv"), NULL,
                              "layer %u has %u heads, not a multiple of its %u key/value heads", i, n_head[i],
                              n_head_kv[i]);
        if (c->layers) c->layers[i] = (einf__layer_config){ .n_head = n_head[i], .n_head_kv = n_head_kv[i],
                                                            .n_ff = n_ff[i] };
    }
    *n_head_0 = n_head[0];
    return EINF_OK;
}

static einf_status read_head_dims(keys *k, einf__config *c, uint32_t n_head, einf_error *err)
{
    const uint32_t even = c->n_embd % n_head == 0 ? c->n_embd / n_head : 0;
    const bool fits = even >= 1 && even <= MAX_HEAD_DIM;
    const einf__need need = fits ? EINF__OPTIONAL : EINF__REQUIRED;
    if (!fits && !einf__gguf_find(k->g, key(k, "attention.key_length")))
        return einf__fail(err, EINF_E_FORMAT, offset_of(k, "attention.head_count"), key(k, "attention.head_count"),
                          NULL, "embedding_length %u cannot be split over %u heads", c->n_embd, n_head);
    EINF_TRY(get_u32(k, "attention.key_length", need, even, 1, MAX_HEAD_DIM, &c->k_dim, err));
    EINF_TRY(get_u32(k, "attention.value_length", EINF__OPTIONAL, c->k_dim, 1, MAX_HEAD_DIM, &c->v_dim, err));
    EINF_TRY(get_u32(k, "rope.dimension_count", EINF__OPTIONAL, c->k_dim, 2, c->k_dim, &c->n_rot, err));
    if (c->n_rot % 2 != 0)
        return einf__fail(err, EINF_E_FORMAT, offset_of(k, "rope.dimension_count"), key(k, "rope.dimension_count"),
                          NULL, "%u dimensions are rotated, which must be an even number", c->n_rot);
    return EINF_OK;
}

static bool is_text(einf__bytes b, const char *text) { return b.n == strlen(text) && memcmp(b.p, text, b.n) == 0; }

/* Llama 3's rope_freqs, LongRoPE where the architecture has it, linear scaling and no scaling are what we do. */
static einf_status read_rope_scaling(keys *k, einf__config *c, einf_error *err)
{
    einf__bytes type;
    float factor;
    EINF_TRY(einf__gguf_get_string(k->g, key(k, "rope.scaling.type"), EINF__OPTIONAL, (einf__bytes){ "linear", 6 },
                                   &type, err)); /* a factor alone is of the time when there was one type */
    const bool linear = is_text(type, "linear");
    const bool longrope = (c->arch->features & EINF__LONG_ROPE) && is_text(type, "longrope");
    if (!linear && !longrope && !is_text(type, "none"))
        return einf__fail(err, EINF_E_UNSUPPORTED, offset_of(k, "rope.scaling.type"), key(k, "rope.scaling.type"),
                          "supported: none, linear, and rope_freqs.weight",
                          "rope scaling '%.*s' is not supported", (int)(type.n < 32 ? type.n : 32), type.p);
    if (longrope && !einf__gguf_find_tensor(k->g, "rope_factors_long.weight"))
        return einf__fail(err, EINF_E_FORMAT, offset_of(k, "rope.scaling.type"), key(k, "rope.scaling.type"),
                          "the file is incomplete; fetch or convert it again",
                          "rope scaling 'longrope' needs tensor rope_factors_long.weight, which is missing");
    EINF_TRY(get_f32(k, "rope.scaling.factor", EINF__OPTIONAL, 1.0f, 0x1p-10f, 0x1p20f, &factor, err));
    c->rope_freq_scale = linear ? 1.0f / factor : 1.0f;
    return EINF_OK;
}

/* LongRoPE (arXiv 2402.13753): the more the context was stretched, the larger are cosines and sines, in short contexts
 * as in long ones. The file may give the factor itself. */
static einf_status read_rope_magnitude(keys *k, einf__config *c, einf_error *err)
{
    float by_stretch = 1.0f;
    c->rope_original_ctx = c->n_ctx_train;
    if (c->arch->features & EINF__LONG_ROPE) {
        EINF_TRY(get_u32(k, "rope.scaling.original_context_length", EINF__OPTIONAL, c->n_ctx_train, 1, INT32_MAX,
                         &c->rope_original_ctx, err));
        const double original = c->rope_original_ctx;
        const bool stretched = c->n_ctx_train > c->rope_original_ctx && c->rope_original_ctx > 1;
        if (stretched && einf__gguf_find_tensor(k->g, "rope_factors_long.weight"))
            by_stretch = (float)sqrt(1 + log(c->n_ctx_train / original) / log(original));
    }
    return get_f32(k, "rope.scaling.attn_factor", EINF__OPTIONAL, by_stretch, 0x1p-10f, 0x1p10f, &c->rope_magnitude,
                   err);
}

static einf_status read_rope_sections(keys *k, einf__config *c, einf_error *err)
{
    if (!(c->arch->features & EINF__M_ROPE)) return EINF_OK;
    const einf__gguf_kv *kv;
    EINF_TRY(einf__gguf_get_ints(k->g, key(k, "rope.dimension_sections"), EINF__REQUIRED, &kv, err));
    const uint64_t offset = offset_of(k, "rope.dimension_sections");
    if (kv->n_items < 3 || kv->n_items > 4)
        return einf__fail(err, EINF_E_FORMAT, offset, key(k, "rope.dimension_sections"), NULL,
                          "%llu sections, expected 3 or 4", (unsigned long long)kv->n_items);
    int64_t sum = 0;
    for (uint64_t i = 0; i < kv->n_items; i++) {
        const int64_t v = einf__gguf_int_item(kv, i);
        if (v < 0 || v > MAX_HEAD_DIM)
            return einf__fail(err, EINF_E_FORMAT, offset, key(k, "rope.dimension_sections"), NULL,
                              "section %llu is %lld, allowed are 0 to %d", (unsigned long long)i, (long long)v,
                              (int)MAX_HEAD_DIM);
        c->rope_sections[i] = (uint32_t)v;
        sum += v;
    }
    if (sum != c->n_rot / 2)
        return einf__fail(err, EINF_E_FORMAT, offset, key(k, "rope.dimension_sections"), NULL,
                          "sections sum to %lld, expected half of the %u rotated dimensions", (long long)sum, c->n_rot);
    return EINF_OK;
}

/* Which layers have a window: all but every n-th, or those that an array with an entry a layer names. */
static einf_status read_window_pattern(keys *k, const einf__config *c, bool has_window[MAX_LAYERS], einf_error *err)
{
    static const char PATTERN[] = "attention.sliding_window_pattern";
    const einf__gguf_kv *kv = einf__gguf_find(k->g, key(k, PATTERN));
    if (kv && kv->type == EINF__GGUF_ARRAY && kv->item_type == EINF__GGUF_BOOL) {
        if (kv->n_items != c->n_layer)
            return einf__fail(err, EINF_E_FORMAT, offset_of(k, PATTERN), key(k, PATTERN), NULL,
                              "the pattern has %llu entries, expected one for each of %u layers",
                              (unsigned long long)kv->n_items, c->n_layer);
        for (uint32_t i = 0; i < c->n_layer; i++) has_window[i] = kv->value[i] != 0;
        return EINF_OK;
    }
    uint32_t period;
    EINF_TRY(get_u32(k, PATTERN, EINF__OPTIONAL, c->arch->window_period, 1, EINF__NO_FULL_LAYER, &period, err));
    for (uint32_t i = 0; i < c->n_layer; i++) has_window[i] = (i + 1) % period != 0;
    return EINF_OK;
}

static einf_status read_windows(keys *k, einf__config *c, einf_error *err)
{
    const einf__arch *arch = c->arch;
    if (arch->window_period == 0) return EINF_OK;
    const bool optional = arch->features & EINF__WINDOW_OPTIONAL;
    const einf__need need = optional || arch->window ? EINF__OPTIONAL : EINF__REQUIRED;
    uint32_t window;
    bool has_window[MAX_LAYERS];
    EINF_TRY(get_u32(k, "attention.sliding_window", need, arch->window, optional ? 0 : 1, INT32_MAX, &window, err));
    EINF_TRY(read_window_pattern(k, c, has_window, err));
    for (uint32_t i = 0; c->layers && i < c->n_layer; i++) c->layers[i].window = has_window[i] ? window : 0;
    return EINF_OK;
}

/* By which angles each layer turns, now that its window is known. */
static void choose_ropes(einf__config *c)
{
    const uint32_t nope_period = c->arch->nope_period;
    c->rope_freq_base_local = c->arch->rope_freq_base_local;
    for (uint32_t i = 0; c->layers && i < c->n_layer; i++) {
        einf__layer_config *l = &c->layers[i];
        if (nope_period && (i + 1) % nope_period == 0) l->rope = EINF__ROPE_NONE;
        else if (l->window && c->rope_freq_base_local > 0) l->rope = EINF__ROPE_LOCAL;
        else l->rope = EINF__ROPE_GLOBAL;
    }
}

/* 1/sqrt(k_dim), but the 27B of Gemma 2 and 3, known by their layers, were trained with 1/sqrt(n_embd / n_head). */
static einf_status read_scores(keys *k, einf__config *c, uint32_t n_head, einf_error *err)
{
    const einf__arch *arch = c->arch;
    const bool wide = c->n_layer == arch->n_layer_wide;
    c->attn_scale = 1.0f / sqrtf(wide ? (float)c->n_embd / (float)n_head : (float)c->k_dim);
    EINF_TRY(get_f32(k, "attn_logit_softcapping", EINF__OPTIONAL, arch->attn_softcap, 0, 1e9f, &c->attn_softcap, err));
    return get_f32(k, "final_logit_softcapping", EINF__OPTIONAL, arch->final_softcap, 0, 1e9f, &c->final_softcap, err);
}

static einf_status read_vocab_size(const einf__gguf *g, einf__config *c, einf_error *err)
{
    const einf__gguf_tensor *embed = einf__gguf_find_tensor(g, "token_embd.weight");
    if (!embed)
        return einf__fail(err, EINF_E_FORMAT, EINF_NO_OFFSET, "token_embd.weight",
                          g->n_tensors ? NULL : "the file holds a vocabulary alone: open it with EINF_LOAD_VOCAB",
                          "the file has %llu tensors, but not the token embedding", (unsigned long long)g->n_tensors);
    if (embed->dims[1] < 1 || embed->dims[1] > MAX_VOCAB)
        return einf__fail(err, EINF_E_FORMAT, EINF_NO_OFFSET, "token_embd.weight", NULL,
                          "the embedding has %llu rows, allowed are 1 to %d", (unsigned long long)embed->dims[1],
                          (int)MAX_VOCAB);
    c->n_vocab = (uint32_t)embed->dims[1];
    return EINF_OK;
}

einf_status einf__config_read(const einf__gguf *g, einf__arena *arena, einf__config *out, einf_error *err)
{
    einf__config c = { 0 };
    EINF_TRY(find_arch(g, &c.arch, err));
    keys k = { .g = g, .arch = c.arch->name };

    EINF_TRY(refuse_experts(&k, err));
    EINF_TRY(get_u32(&k, "block_count", EINF__REQUIRED, 0, 1, MAX_LAYERS, &c.n_layer, err));
    EINF_TRY(get_u32(&k, "embedding_length", EINF__REQUIRED, 0, 1, MAX_EMBD, &c.n_embd, err));
    EINF_TRY(get_u32(&k, "context_length", EINF__REQUIRED, 0, 1, INT32_MAX, &c.n_ctx_train, err));
    EINF_TRY(get_f32(&k, "attention.layer_norm_rms_epsilon", EINF__REQUIRED, 0, 0.0f, 1.0f, &c.rms_norm_eps, err));

    uint32_t n_head;
    EINF_TRY(read_layers(&k, arena, &c, &n_head, err));
    EINF_TRY(read_head_dims(&k, &c, n_head, err));
    EINF_TRY(read_windows(&k, &c, err));
    choose_ropes(&c);

    EINF_TRY(get_f32(&k, "rope.freq_base", EINF__OPTIONAL, 10000.0f, 1.0f, 1e12f, &c.rope_freq_base, err));
    EINF_TRY(read_rope_scaling(&k, &c, err));
    EINF_TRY(read_rope_magnitude(&k, &c, err));
    EINF_TRY(read_rope_sections(&k, &c, err));

    EINF_TRY(read_scores(&k, &c, n_head, err));
    c.embed_scale = c.arch->features & EINF__EMBED_SCALE ? sqrtf((float)c.n_embd) : 1.0f;
    EINF_TRY(read_vocab_size(g, &c, err));
    *out = c;
    return EINF_OK;
}
