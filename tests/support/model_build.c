/* SPDX-License-Identifier: MIT
 * model_build.c - names, shapes and entries of tiny models, as the converters of these families write them.
 *
 * Knows nothing of the library: the lists here and the tables of engine/model can disagree, and then a test fails.
 */
#include "tests/support/model_build.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, const char *name)
{
    fprintf(stderr, "model_build: %s %s\n", what, name);
    exit(99);
}

static void *must(void *p)
{
    if (!p) die("out of memory", "");
    return p;
}

/* ------------------------------------------------------------------------------------------ random weights -- */

uint64_t model_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The sum of four 16-bit uniforms: exact in f32, so the same on every machine. */
float model_normal(uint64_t *state)
{
    const uint64_t r = model_random(state);
    const int32_t sum = (int32_t)(r & 0xffff) + (int32_t)(r >> 16 & 0xffff) + (int32_t)(r >> 32 & 0xffff) +
                        (int32_t)(r >> 48);
    return (float)(sum - 2 * 65535) * (1.0f / 37837.2f); /* deviation of the sum: 65536 * sqrt(4 / 12) */
}

uint64_t model_name_seed(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (; *name; name++) h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return h;
}

/* Geometry of a block, where its scales are (f16; -1: none, or put_scale knows), and what the scale d multiplies: the
 * deviation of the rest of the block when its bits are random. shift: multiple of d that the second scale is, to
 * centre the block. */
typedef struct block_type {
    uint32_t type, elems, bytes;
    int d_at, m_at;
    float spread, shift;
} block_type;

static const block_type BLOCKS[] = {
    { 2, 32, 18, 0, -1, 4.6f, 0 },          { 3, 32, 20, 0, 2, 4.6f, -7.5f },     /* Q4_0, Q4_1 */
    { 6, 32, 22, 0, -1, 9.2f, 0 },          { 7, 32, 24, 0, 2, 9.2f, -15.5f },    /* Q5_0, Q5_1 */
    { 8, 32, 34, 0, -1, 74.0f, 0 },         { 9, 32, 36, -1, -1, 1, 0 },          /* Q8_0, Q8_1 */
    { 10, 256, 84, 80, 82, 11.0f, 1.5f },   { 11, 256, 110, 108, -1, 43.0f, 0 },  /* Q2_K, Q3_K */
    { 12, 256, 144, 0, 2, 169.0f, 7.5f },   { 13, 256, 176, 0, 2, 340.0f, 15.5f }, /* Q4_K, Q5_K */
    { 14, 256, 210, 208, -1, 1369.0f, 0 },  { 15, 256, 292, -1, -1, 1, 0 },       /* Q6_K, Q8_K */
    { 16, 256, 66, 0, -1, 53.0f, 0 },       { 17, 256, 74, 0, -1, 56.0f, 0 },     /* IQ2_XXS, IQ2_XS */
    { 18, 256, 98, 0, -1, 143.0f, 0 },      { 19, 256, 50, 0, -1, 7.2f, 0 },      /* IQ3_XXS, IQ1_S */
    { 20, 32, 18, 0, -1, 70.0f, 0 },        { 21, 256, 110, 0, -1, 141.0f, 0 },   /* IQ4_NL, IQ3_S */
    { 22, 256, 82, 0, -1, 57.0f, 0 },       { 23, 256, 136, 0, -1, 1295.0f, 0 },  /* IQ2_S, IQ4_XS */
    { 24, 1, 1, -1, -1, 1, 0 },             { 25, 1, 2, -1, -1, 1, 0 },           /* I8, I16 */
    { 26, 1, 4, -1, -1, 1, 0 },             { 27, 1, 8, -1, -1, 1, 0 },           /* I32, I64 */
    { 28, 1, 8, -1, -1, 1, 0 },             { 29, 256, 56, -1, -1, 7.2f, 0 },     /* F64, IQ1_M */
    { 34, 256, 54, 52, -1, 0.82f, 0 },      { 35, 256, 66, 64, -1, 1.1f, 0 },     /* TQ1_0, TQ2_0 */
    { 39, 32, 17, -1, -1, 2.9f, 0 },        { 40, 64, 36, -1, -1, 1, 0 },         /* MXFP4, NVFP4 */
    { 41, 128, 18, -1, -1, 1, 0 },          { 42, 64, 18, -1, -1, 1, 0 },         /* Q1_0, Q2_0 */
};

/* Round towards zero; normal numbers alone. Exactness does not matter here: the file is what is tested. */
static uint16_t to_f16(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    const uint32_t sign = u >> 16 & 0x8000u;
    const int32_t exponent = (int32_t)(u >> 23 & 0xff) - 127 + 15;
    if (exponent <= 0) return (uint16_t)sign;
    if (exponent >= 31) return (uint16_t)(sign | 0x7bffu);
    return (uint16_t)(sign | (uint32_t)exponent << 10 | (u >> 13 & 0x3ffu));
}

static uint16_t to_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return (uint16_t)(u >> 16);
}

static void put_u16(uint8_t *p, uint16_t v) { memcpy(p, &v, sizeof v); }

/* IQ1_M has a nibble of d at the top of each of four words, MXFP4 an exponent. */
static void put_scale(const block_type *t, uint8_t *block, float d)
{
    const uint16_t half = to_f16(d);
    if (t->d_at >= 0) put_u16(block + t->d_at, half);
    if (t->m_at >= 0) put_u16(block + t->m_at, to_f16(d * t->shift));
    for (int i = 0; t->type == 29 && i < 4; i++)
        block[49 + 2 * i] = (uint8_t)((block[49 + 2 * i] & 15) | (half >> 4 * i & 15) << 4);
    if (t->type == 39) block[0] = (uint8_t)(127 + ilogbf(d));
}

static uint8_t *float_weights(uint32_t type, uint64_t n, float mean, float std, uint64_t seed, size_t *n_bytes)
{
    const size_t size = type == MODEL_F32 ? 4 : 2;
    uint8_t *data = must(malloc((size_t)n * size));
    for (uint64_t i = 0; i < n; i++) {
        const float v = mean + std * model_normal(&seed);
        if (type == MODEL_F32) memcpy(data + i * 4, &v, 4);
        else put_u16(data + i * 2, type == MODEL_F16 ? to_f16(v) : to_bf16(v));
    }
    *n_bytes = (size_t)n * size;
    return data;
}

uint8_t *model_weights(uint32_t type, uint64_t n_elems, float mean, float std, uint64_t seed, size_t *n_bytes)
{
    if (type == MODEL_F32 || type == MODEL_F16 || type == MODEL_BF16)
        return float_weights(type, n_elems, mean, std, seed, n_bytes);
    const block_type *t = NULL;
    for (size_t i = 0; i < sizeof BLOCKS / sizeof BLOCKS[0]; i++)
        if (BLOCKS[i].type == type) t = &BLOCKS[i];
    if (!t || n_elems % t->elems != 0) return NULL;
    const size_t n_blocks = (size_t)(n_elems / t->elems);
    *n_bytes = n_blocks * t->bytes;
    uint8_t *data = must(malloc(*n_bytes));
    for (size_t i = 0; i < *n_bytes; i++) data[i] = (uint8_t)(model_random(&seed) >> 40);
    const float d = std / t->spread;
    for (size_t i = 0; i < n_blocks; i++) put_scale(t, data + i * t->bytes, d);
    return data;
}

/* ------------------------------------------------------------------------------------------------- presets -- */

static const char CHATML[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

void model_set_heads(model_spec *s, uint32_t n_head, uint32_t n_head_kv)
{
    for (int i = 0; i < MODEL_MAX_LAYERS; i++) {
        s->n_head[i] = n_head;
        s->n_head_kv[i] = n_head_kv;
    }
}

void model_set_ff(model_spec *s, uint32_t n_ff)
{
    for (int i = 0; i < MODEL_MAX_LAYERS; i++) s->n_ff[i] = n_ff;
}

model_spec model_preset(model_family family)
{
    model_spec s = { .family = family, .n_layer = 2, .n_embd = 64, .n_vocab = 320, .n_ctx_train = 120, .k_dim = 16,
                     .v_dim = 16, .n_rot = 16, .rms_norm_eps = 1e-5f, .rope_freq_base = 10000.0f, .tied = true,
                     .type = MODEL_F32, .vocab = MODEL_BPE, .seed = 1 };
    model_set_heads(&s, 4, 2);
    model_set_ff(&s, 96);
    switch (family) {
    case MODEL_LLAMA:
        s.tied = false;
        s.rope_freqs = true;
        s.vocab = MODEL_SPM;
        break;
    case MODEL_QWEN2:
        s.rope_freq_base = 1e6f;
        s.chat_template = CHATML;
        break;
    case MODEL_QWEN2VL:
        s.rope_freq_base = 1e6f;
        memcpy(s.sections, (int32_t[4]){ 2, 3, 3, 0 }, sizeof s.sections);
        s.chat_template = CHATML;
        break;
    case MODEL_GEMMA3:
        s.n_layer = 7;
        s.k_dim = s.v_dim = s.n_rot = 32; /* wider than n_embd / n_head, as in the 270M */
        s.rms_norm_eps = 1e-6f;
        s.rope_freq_base = 1e6f;
        s.window = 5;
        s.vocab = MODEL_SPM;
        break;
    case MODEL_QWEN3:
        s.k_dim = s.v_dim = s.n_rot = 32; /* wider than n_embd / n_head, as in the 0.6B */
        s.rope_freq_base = 1e6f;
        s.chat_template = CHATML;
        break;
    case MODEL_GEMMA2:
        s.n_layer = 3;
        s.k_dim = s.v_dim = s.n_rot = 32;
        s.rms_norm_eps = 1e-6f;
        s.window = 5;
        s.attn_softcap = 2.0f; /* near the scores and logits there are */
        s.final_softcap = 3.0f;
        s.vocab = MODEL_SPM;
        break;
    case MODEL_PHI3:
        s.n_rot = 12;
        s.window = 20;
        s.original_ctx = 30; /* n_ctx_train rows divide by the long factors */
        s.vocab = MODEL_SPM;
        break;
    case MODEL_SMOLLM3:
        s.n_layer = 5;
        s.rope_freq_base = 5e6f;
        s.chat_template = CHATML;
        break;
    case MODEL_N_FAMILIES: die("no such family", "");
    }
    return s;
}

const char *model_arch(const model_spec *s)
{
    static const char *const NAMES[MODEL_N_FAMILIES] = { "llama", "qwen2", "qwen2vl", "gemma3",
                                                          "qwen3", "gemma2", "phi3",    "smollm3" };
    return NAMES[s->family];
}

/* ------------------------------------------------------------------------------------------------- tensors -- */

typedef struct lister {
    const model_spec *s;
    model_tensor *list;
    size_t n;
    int layer; /* -1: of the whole model */
} lister;

static model_tensor *list_tensor(lister *l, const char *name)
{
    model_tensor *t = &l->list[l->n++];
    memset(t, 0, sizeof *t);
    if (l->layer < 0) snprintf(t->name, sizeof t->name, "%s", name);
    else snprintf(t->name, sizeof t->name, "blk.%d.%s", l->layer, name);
    return t;
}

static void list_matrix(lister *l, const char *name, uint64_t n_in, uint64_t n_out, float std)
{
    model_tensor *t = list_tensor(l, name);
    size_t n_bytes;
    uint8_t *row = model_weights(l->s->type, n_in, 0, 1, 1, &n_bytes); /* does the type divide a row? */
    t->type = row ? l->s->type : MODEL_F32;
    free(row);
    t->n_dims = 2;
    t->dims[0] = n_in;
    t->dims[1] = n_out;
    t->std = std;
}

static void list_vector(lister *l, const char *name, uint64_t n, float mean, float std)
{
    model_tensor *t = list_tensor(l, name);
    t->type = MODEL_F32;
    t->n_dims = 1;
    t->dims[0] = n;
    t->dims[1] = 1;
    t->mean = mean;
    t->std = std;
}

static float inverse_sqrt(uint64_t n) { return 1.0f / sqrtf((float)n); }

static bool is_gemma(const model_spec *s) { return s->family == MODEL_GEMMA2 || s->family == MODEL_GEMMA3; }

static void list_layer(lister *l)
{
    const model_spec *s = l->s;
    const bool gemma = is_gemma(s), fused = s->family == MODEL_PHI3;
    const uint64_t d = s->n_embd, n_ff = s->n_ff[l->layer];
    const uint64_t q = (uint64_t)s->n_head[l->layer] * s->k_dim, k = (uint64_t)s->n_head_kv[l->layer] * s->k_dim;
    const uint64_t v = (uint64_t)s->n_head_kv[l->layer] * s->v_dim, o = (uint64_t)s->n_head[l->layer] * s->v_dim;
    list_vector(l, "attn_norm.weight", d, 1, 0.1f);
    if (fused) {
        list_matrix(l, "attn_qkv.weight", d, q + k + v, inverse_sqrt(d));
    } else {
        list_matrix(l, "attn_q.weight", d, q, inverse_sqrt(d));
        list_matrix(l, "attn_k.weight", d, k, inverse_sqrt(d));
        list_matrix(l, "attn_v.weight", d, v, inverse_sqrt(d));
    }
    if (s->family == MODEL_QWEN2 || s->family == MODEL_QWEN2VL) {
        list_vector(l, "attn_q.bias", q, 0, 0.3f);
        list_vector(l, "attn_k.bias", k, 0, 0.3f);
        list_vector(l, "attn_v.bias", v, 0, 0.3f);
    }
    if (s->family == MODEL_GEMMA3 || s->family == MODEL_QWEN3) {
        list_vector(l, "attn_q_norm.weight", s->k_dim, 1, 0.1f);
        list_vector(l, "attn_k_norm.weight", s->k_dim, 1, 0.1f);
    }
    list_matrix(l, "attn_output.weight", o, d, inverse_sqrt(o));
    if (gemma) list_vector(l, "post_attention_norm.weight", d, 0.7f, 0.1f);
    list_vector(l, "ffn_norm.weight", d, 1, 0.1f);
    if (!fused) list_matrix(l, "ffn_gate.weight", d, n_ff, inverse_sqrt(d));
    list_matrix(l, "ffn_up.weight", d, fused ? 2 * n_ff : n_ff, inverse_sqrt(d));
    list_matrix(l, "ffn_down.weight", n_ff, d, inverse_sqrt(n_ff));
    if (gemma) list_vector(l, "post_ffw_norm.weight", d, 0.7f, 0.1f);
}

size_t model_list(const model_spec *s, model_tensor *list)
{
    lister l = { .s = s, .list = list, .layer = -1 };
    /* embeddings of deviation 0.5 after the scale that Gemma applies */
    const float embed_std = is_gemma(s) ? 0.5f * inverse_sqrt(s->n_embd) : 0.5f;
    list_matrix(&l, "token_embd.weight", s->n_embd, s->n_vocab, embed_std);
    list_vector(&l, "output_norm.weight", s->n_embd, is_gemma(s) ? 4.0f : 1.0f, 0.1f);
    if (!s->tied) list_matrix(&l, "output.weight", s->n_embd, s->n_vocab, inverse_sqrt(s->n_embd));
    if (s->rope_freqs) list_vector(&l, "rope_freqs.weight", s->n_rot / 2, 3.0f, 0.7f);
    if (s->family == MODEL_PHI3 && s->original_ctx > 0) {
        list_vector(&l, "rope_factors_long.weight", s->n_rot / 2, 3.0f, 0.7f);
        list_vector(&l, "rope_factors_short.weight", s->n_rot / 2, 1.2f, 0.1f);
    }
    for (uint32_t i = 0; i < s->n_layer; i++) {
        l.layer = (int)i;
        list_layer(&l);
    }
    return l.n;
}

model_tensor *model_find(model_tensor *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0) return &list[i];
    die("no tensor", name);
    return NULL;
}

void model_put_tensor(gguf_build *b, const model_spec *s, const model_tensor *t)
{
    uint64_t n_elems = t->dims[0];
    if (t->n_dims > 1) n_elems *= t->dims[1];
    size_t n_bytes;
    uint8_t *data = model_weights(t->type, n_elems, t->mean, t->std, s->seed ^ model_name_seed(t->name), &n_bytes);
    if (!data) die("no whole number of blocks in", t->name);
    gguf_build_drop_tensor(b, t->name);
    gguf_build_tensor(b, t->name, t->type, t->n_dims, t->dims, data, n_bytes);
    free(data);
}

/* ------------------------------------------------------------------------------------------------- entries -- */

typedef struct writer {
    gguf_build *b;
    const model_spec *s;
    char key[96];
} writer;

static const char *key(writer *w, const char *suffix)
{
    snprintf(w->key, sizeof w->key, "%s.%s", model_arch(w->s), suffix);
    return w->key;
}

static void put_u32(writer *w, const char *suffix, uint32_t v) { gguf_build_u32(w->b, key(w, suffix), v); }
static void put_f32(writer *w, const char *suffix, float v) { gguf_build_f32(w->b, key(w, suffix), v); }

static void put_layers(writer *w, const char *suffix, const uint32_t *v)
{
    bool equal = true;
    for (uint32_t i = 1; i < w->s->n_layer; i++) equal = equal && v[i] == v[0];
    if (equal) put_u32(w, suffix, v[0]);
    else gguf_build_array(w->b, key(w, suffix), GGUF_U32, v, w->s->n_layer);
}

static void put_hyper_parameters(writer *w)
{
    const model_spec *s = w->s;
    put_u32(w, "block_count", s->n_layer);
    put_u32(w, "context_length", s->n_ctx_train);
    put_u32(w, "embedding_length", s->n_embd);
    put_layers(w, "feed_forward_length", s->n_ff);
    put_layers(w, "attention.head_count", s->n_head);
    put_layers(w, "attention.head_count_kv", s->n_head_kv);
    put_f32(w, "attention.layer_norm_rms_epsilon", s->rms_norm_eps);
    if (s->k_dim * s->n_head[0] != s->n_embd || s->v_dim != s->k_dim) {
        put_u32(w, "attention.key_length", s->k_dim);
        put_u32(w, "attention.value_length", s->v_dim);
    }
    put_u32(w, "rope.dimension_count", s->n_rot);
    put_f32(w, "rope.freq_base", s->rope_freq_base);
    if (s->rope_scale_factor > 0) {
        gguf_build_str(w->b, key(w, "rope.scaling.type"), "linear");
        put_f32(w, "rope.scaling.factor", s->rope_scale_factor);
    }
    if (s->family == MODEL_QWEN2VL)
        gguf_build_array(w->b, key(w, "rope.dimension_sections"), GGUF_I32, s->sections, 4);
    if (is_gemma(s) || s->family == MODEL_PHI3) put_u32(w, "attention.sliding_window", s->window);
    if (s->family == MODEL_GEMMA2) {
        put_f32(w, "attn_logit_softcapping", s->attn_softcap);
        put_f32(w, "final_logit_softcapping", s->final_softcap);
    }
    if (s->family == MODEL_PHI3 && s->original_ctx > 0)
        put_u32(w, "rope.scaling.original_context_length", s->original_ctx);
    if (s->family == MODEL_PHI3 && s->rope_attn_factor > 0)
        put_f32(w, "rope.scaling.attn_factor", s->rope_attn_factor);
}

/* ---------------------------------------------------------------------------------------------- vocabulary -- */

enum { MAX_TOKEN_BYTES = 32, TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_BYTE = 6 };

typedef struct token_list {
    size_t n, cap;
    char (*text)[MAX_TOKEN_BYTES];
    int32_t *type;
    float *score;
    size_t n_merges;
    char (*merge)[2 * MAX_TOKEN_BYTES];
} token_list;

static token_list token_list_new(size_t cap)
{
    token_list l = { .cap = cap };
    l.text = must(calloc(cap, sizeof *l.text));
    l.type = must(calloc(cap, sizeof *l.type));
    l.score = must(calloc(cap, sizeof *l.score));
    l.merge = must(calloc(cap, sizeof *l.merge));
    return l;
}

static void token_list_free(token_list *l)
{
    free(l->text);
    free(l->type);
    free(l->score);
    free(l->merge);
}

static void add_token(token_list *l, const char *text, int32_t type, float score)
{
    if (l->n == l->cap) die("more tokens than n_vocab at", text);
    snprintf(l->text[l->n], MAX_TOKEN_BYTES, "%s", text);
    l->type[l->n] = type;
    l->score[l->n++] = score;
}

/* The character that stands for a byte in byte-level vocabularies: itself when printable, else from U+0100 on. */
static void byte_char(int byte, char out[4])
{
    int c = byte, n_before = 0;
    for (int b = 0; b < 256; b++) {
        const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        if (b == byte && !printable) c = 256 + n_before;
        if (!printable) n_before++;
    }
    memset(out, 0, 4);
    if (c < 128) {
        out[0] = (char)c;
        return;
    }
    out[0] = (char)(0xc0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3f));
}

/* Pairs of letters, those with a space in front first: merges of byte-level BPE, pieces of SentencePiece. */
static void add_pairs(token_list *l, size_t n_until, const char *space, bool merges)
{
    static const char letters[] = "etaoinshrdlucmwfgypbvkjxqz";
    for (size_t i = 0; l->n < n_until; i++) {
        char left[8], text[16];
        if (i >= 27 * 26) die("no more pairs", "");
        if (i < 26) snprintf(left, sizeof left, "%s", space);
        else snprintf(left, sizeof left, "%c", letters[i / 26 - 1]);
        const char right = letters[i % 26];
        snprintf(text, sizeof text, "%s%c", left, right);
        if (merges) snprintf(l->merge[l->n_merges++], 2 * MAX_TOKEN_BYTES, "%s %c", left, right);
        add_token(l, text, TYPE_NORMAL, -(float)i);
    }
}

static void put_tokens(gguf_build *b, const token_list *l, bool with_scores)
{
    const char **views = must(malloc(l->cap * sizeof *views));
    for (size_t i = 0; i < l->n; i++) views[i] = l->text[i];
    gguf_build_strings(b, "tokenizer.ggml.tokens", views, NULL, l->n);
    gguf_build_array(b, "tokenizer.ggml.token_type", GGUF_I32, l->type, l->n);
    if (with_scores) gguf_build_array(b, "tokenizer.ggml.scores", GGUF_F32, l->score, l->n);
    for (size_t i = 0; i < l->n_merges; i++) views[i] = l->merge[i];
    if (l->n_merges) gguf_build_strings(b, "tokenizer.ggml.merges", views, NULL, l->n_merges);
    free(views);
}

static void put_bpe(gguf_build *b, const model_spec *s)
{
    static const char *const specials[] = { "<|endoftext|>", "<|im_start|>", "<|im_end|>" };
    token_list l = token_list_new(s->n_vocab);
    char space[4], text[4];
    byte_char(' ', space);
    for (int i = 0; i < 256; i++) {
        byte_char(i, text);
        add_token(&l, text, TYPE_NORMAL, 0);
    }
    add_pairs(&l, s->n_vocab - 3, space, true);
    for (int i = 0; i < 3; i++) add_token(&l, specials[i], TYPE_CONTROL, 0);
    gguf_build_str(b, "tokenizer.ggml.model", "gpt2");
    gguf_build_str(b, "tokenizer.ggml.pre", "qwen2");
    put_tokens(b, &l, false);
    gguf_build_u32(b, "tokenizer.ggml.bos_token_id", s->n_vocab - 3);
    gguf_build_u32(b, "tokenizer.ggml.eos_token_id", s->n_vocab - 1);
    gguf_build_bool(b, "tokenizer.ggml.add_bos_token", false);
    token_list_free(&l);
}

static void put_spm(gguf_build *b, const model_spec *s)
{
    static const char *const specials[] = { "<unk>", "<s>", "</s>" };
    token_list l = token_list_new(s->n_vocab);
    for (int i = 0; i < 3; i++) add_token(&l, specials[i], i == 0 ? TYPE_UNKNOWN : TYPE_CONTROL, 0);
    for (int i = 0; i < 256; i++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", i);
        add_token(&l, text, TYPE_BYTE, 0);
    }
    add_token(&l, "\xe2\x96\x81", TYPE_NORMAL, -1000); /* U+2581, the space */
    for (char c = 'a'; c <= 'z'; c++) add_token(&l, (char[2]){ c, 0 }, TYPE_NORMAL, -1000);
    add_pairs(&l, s->n_vocab, "\xe2\x96\x81", false);
    gguf_build_str(b, "tokenizer.ggml.model", "llama");
    put_tokens(b, &l, true);
    gguf_build_u32(b, "tokenizer.ggml.unknown_token_id", 0);
    gguf_build_u32(b, "tokenizer.ggml.bos_token_id", 1);
    gguf_build_u32(b, "tokenizer.ggml.eos_token_id", 2);
    gguf_build_bool(b, "tokenizer.ggml.add_bos_token", true);
    token_list_free(&l);
}

/* ------------------------------------------------------------------------------------------------ the file -- */

gguf_build *model_build(const model_spec *s)
{
    gguf_build *b = gguf_build_new();
    writer w = { .b = b, .s = s };
    gguf_build_str(b, "general.architecture", model_arch(s));
    gguf_build_str(b, "general.name", "a tiny model for tests");
    put_hyper_parameters(&w);
    if (s->vocab == MODEL_BPE) put_bpe(b, s);
    if (s->vocab == MODEL_SPM) put_spm(b, s);
    if (s->chat_template) gguf_build_str(b, "tokenizer.chat_template", s->chat_template);

    model_tensor *list = must(malloc(MODEL_MAX_TENSORS * sizeof *list));
    const size_t n = model_list(s, list);
    for (size_t i = 0; i < n; i++) model_put_tensor(b, s, &list[i]);
    free(list);
    return b;
}

uint8_t *model_file(const model_spec *s, size_t *n_bytes)
{
    gguf_build *b = model_build(s);
    uint8_t *file = gguf_build_finish(b, n_bytes);
    gguf_build_free(&b);
    return file;
}
