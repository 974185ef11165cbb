/* SPDX-License-Identifier: MIT
 * test_model_config.c - hyper-parameters: what right files mean, and that every wrong number is refused by its key,
 * its place in the file and both values (users.md 4.3, H-030 to H-034 and H-055 to H-068).
 */
#include <math.h>
#include <stdio.h>

#include "tests/unit/model/model_fixture.h"

static model_spec small(model_family family)
{
    model_spec s = model_preset(family);
    s.vocab = MODEL_NO_VOCAB;
    return s;
}

/* ---------------------------------------------------------------------------------------------- right files -- */

/* What the presets say of a layer's window, and by which angles it turns. */
static uint32_t preset_window(int family, uint32_t layer)
{
    if (family == MODEL_GEMMA3) return layer != 5 ? 5 : 0;
    if (family == MODEL_GEMMA2) return layer != 1 ? 5 : 0;
    return family == MODEL_PHI3 ? 20 : 0;
}

static einf__rope_kind preset_rope(int family, uint32_t layer)
{
    if (family == MODEL_GEMMA3 && layer != 5) return EINF__ROPE_LOCAL;
    return family == MODEL_SMOLLM3 && layer == 3 ? EINF__ROPE_NONE : EINF__ROPE_GLOBAL;
}

static void test_presets(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec s = small((model_family)i);
        fixture f;
        assert_ok(fixture_load_config(&f, model_build(&s)), &f.err);
        const einf__config *c = &f.config;
        assert_string_equal(c->arch->name, model_arch(&s));
        assert_int_equal(c->n_layer, s.n_layer);
        assert_int_equal(c->n_embd, 64);
        assert_int_equal(c->n_vocab, 320);
        assert_int_equal(c->n_ctx_train, 120);
        assert_int_equal(c->k_dim, s.k_dim);
        assert_int_equal(c->v_dim, s.v_dim);
        assert_int_equal(c->n_rot, s.n_rot);
        assert_near(c->rms_norm_eps, s.rms_norm_eps, 0, 0);
        assert_near(c->rope_freq_base, s.rope_freq_base, 0, 0);
        assert_near(c->rope_freq_scale, 1, 0, 0);
        assert_near(c->attn_scale, 1 / sqrt(s.k_dim), 1e-6, 0);
        assert_near(c->attn_softcap, i == MODEL_GEMMA2 ? 2 : 0, 0, 0);
        assert_near(c->final_softcap, i == MODEL_GEMMA2 ? 3 : 0, 0, 0);
        assert_near(c->embed_scale, i == MODEL_GEMMA2 || i == MODEL_GEMMA3 ? 8 : 1, 0, 0);
        assert_near(c->rope_freq_base_local, i == MODEL_GEMMA3 ? 10000.0f : 0.0f, 0, 0);
        assert_near(c->rope_magnitude, i == MODEL_PHI3 ? sqrt(1 + log(4) / log(30)) : 1, 1e-6, 0);
        assert_int_equal(c->rope_original_ctx, i == MODEL_PHI3 ? 30 : 120);
        for (uint32_t j = 0; j < s.n_layer; j++) {
            assert_int_equal(c->layers[j].n_head, 4);
            assert_int_equal(c->layers[j].n_head_kv, 2);
            assert_int_equal(c->layers[j].n_ff, 96);
            assert_int_equal(c->layers[j].window, preset_window(i, j));
            assert_int_equal(c->layers[j].rope, preset_rope(i, j));
        }
        for (int j = 0; j < 4; j++) assert_int_equal(c->rope_sections[j], s.sections[j]);
        fixture_close(&f);
    }
}

static void test_per_layer_counts(void **state)
{
    static const uint32_t head[3] = { 4, 2, 6 }, head_kv[3] = { 2, 1, 6 }, ff[3] = { 96, 1, 50 };
    (void)state;
    model_spec s = small(MODEL_LLAMA);
    s.n_layer = 3;
    memcpy(s.n_head, head, sizeof head);
    memcpy(s.n_head_kv, head_kv, sizeof head_kv);
    memcpy(s.n_ff, ff, sizeof ff);
    fixture f;
    assert_ok(fixture_load(&f, model_build(&s)), &f.err);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f.config.layers[i].n_head, head[i]);
        assert_int_equal(f.config.layers[i].n_head_kv, head_kv[i]);
        assert_int_equal(f.config.layers[i].n_ff, ff[i]);
        assert_int_equal(f.weights.layers[i].q.n_out, head[i] * 16);
        assert_int_equal(f.weights.layers[i].v.n_out, head_kv[i] * 16);
        assert_int_equal(f.weights.layers[i].down.n_in, ff[i]);
    }
    fixture_close(&f);
}

/* Keys with a default: the file without them loads, and means the default. */
static void test_optional_keys(void **state)
{
    (void)state;
    fixture f;
    model_spec s = small(MODEL_LLAMA);
    gguf_build *b = model_build(&s);
    assert_int_equal(gguf_build_drop_kv(b, "llama.attention.head_count_kv"), 1);
    assert_ok(fixture_load_config(&f, b), &f.err);
    assert_int_equal(f.config.layers[1].n_head_kv, 4); /* as many as query heads */
    fixture_close(&f);

    b = model_build(&s);
    assert_int_equal(gguf_build_drop_kv(b, "llama.rope.dimension_count"), 1);
    assert_int_equal(gguf_build_drop_kv(b, "llama.rope.freq_base"), 1);
    assert_ok(fixture_load_config(&f, b), &f.err);
    assert_int_equal(f.config.n_rot, 16);
    assert_near(f.config.rope_freq_base, 10000, 0, 0);
    fixture_close(&f);

    s = small(MODEL_GEMMA3);
    b = model_build(&s);
    assert_int_equal(gguf_build_drop_kv(b, "gemma3.attention.value_length"), 1);
    assert_ok(fixture_load_config(&f, b), &f.err);
    assert_int_equal(f.config.v_dim, 32); /* as wide as keys */
    fixture_close(&f);
}

static void test_linear_scaling(void **state)
{
    (void)state;
    fixture f;
    model_spec s = small(MODEL_GEMMA3);
    s.rope_scale_factor = 8;
    assert_ok(fixture_load_config(&f, model_build(&s)), &f.err);
    assert_near(f.config.rope_freq_scale, 0.125, 0, 0);
    fixture_close(&f);

    gguf_build *b = model_build(&s); /* a factor that nothing asks to apply */
    gguf_build_drop_kv(b, "gemma3.rope.scaling.type");
    gguf_build_str(b, "gemma3.rope.scaling.type", "none");
    assert_ok(fixture_load_config(&f, b), &f.err);
    assert_near(f.config.rope_freq_scale, 1, 0, 0);
    fixture_close(&f);

    b = model_build(&s); /* a factor from before there were types */
    gguf_build_drop_kv(b, "gemma3.rope.scaling.type");
    assert_ok(fixture_load_config(&f, b), &f.err);
    assert_near(f.config.rope_freq_scale, 0.125, 0, 0);
    fixture_close(&f);
}

/* The 27B of Gemma 2 and 3 alone scale queries by the width of a head as n_embd / n_head has it. */
static void test_gemma_27b_scale(void **state)
{
    static const struct { model_family family; uint32_t n_layer; double width; } cases[] = {
        { MODEL_GEMMA3, 62, 16 }, { MODEL_GEMMA3, 46, 32 }, { MODEL_GEMMA2, 46, 16 }, { MODEL_GEMMA2, 62, 32 },
        { MODEL_GEMMA2, 42, 32 }, { MODEL_QWEN3, 62, 32 },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        model_spec s = small(cases[i].family);
        s.n_layer = cases[i].n_layer;
        fixture f;
        assert_ok(fixture_load_config(&f, model_build(&s)), &f.err);
        assert_near(f.config.attn_scale, 1 / sqrt(cases[i].width), 1e-6, 0);
        fixture_close(&f);
    }
}

/* Early files of Gemma 2 lack what the report says of all sizes. */
static void test_gemma2_defaults(void **state)
{
    (void)state;
    const model_spec s = small(MODEL_GEMMA2);
    gguf_build *b = model_build(&s);
    assert_int_equal(gguf_build_drop_kv(b, "gemma2.attention.sliding_window"), 1);
    assert_int_equal(gguf_build_drop_kv(b, "gemma2.attn_logit_softcapping"), 1);
    assert_int_equal(gguf_build_drop_kv(b, "gemma2.final_logit_softcapping"), 1);
    fixture f;
    assert_ok(fixture_load_config(&f, b), &f.err);
    assert_int_equal(f.config.layers[0].window, 4096);
    assert_int_equal(f.config.layers[1].window, 0);
    assert_near(f.config.attn_softcap, 50, 0, 0);
    assert_near(f.config.final_softcap, 30, 0, 0);
    fixture_close(&f);
}

/* A cap is a number of the file, whatever the family; 0 is none. */
static void test_soft_caps(void **state)
{
    static const model_family families[] = { MODEL_LLAMA, MODEL_GEMMA3, MODEL_GEMMA2 };
    static const float caps[][2] = { { 30, 0 }, { 0, 50 }, { 0, 0 } };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(families) * TEST_COUNT(caps); i++) {
        const model_spec s = small(families[i / TEST_COUNT(caps)]);
        const float *cap = caps[i % TEST_COUNT(caps)];
        gguf_build *b = model_build(&s);
        gguf_build_drop_kv(b, arch_key(&s, "attn_logit_softcapping"));
        gguf_build_f32(b, arch_key(&s, "attn_logit_softcapping"), cap[0]);
        gguf_build_drop_kv(b, arch_key(&s, "final_logit_softcapping"));
        gguf_build_f32(b, arch_key(&s, "final_logit_softcapping"), cap[1]);
        fixture f;
        assert_ok(fixture_load(&f, b), &f.err);
        assert_near(f.config.attn_softcap, cap[0], 0, 0);
        assert_near(f.config.final_softcap, cap[1], 0, 0);
        fixture_close(&f);
    }
}

/* ------------------------------------------------------------------------------------------------- windows -- */

static void test_phi3_without_window(void **state)
{
    (void)state;
    model_spec s = small(MODEL_PHI3);
    s.window = 0;
    for (int i = 0; i < 2; i++) {
        gguf_build *b = model_build(&s);
        if (i) assert_int_equal(gguf_build_drop_kv(b, "phi3.attention.sliding_window"), 1);
        fixture f;
        assert_ok(fixture_load_config(&f, b), &f.err);
        for (uint32_t j = 0; j < s.n_layer; j++) assert_int_equal(f.config.layers[j].window, 0);
        fixture_close(&f);
    }
}

static void assert_windows(const model_spec *s, gguf_build *b, const char *expected)
{
    fixture f;
    assert_ok(fixture_load_config(&f, b), &f.err);
    for (uint32_t j = 0; j < s->n_layer; j++)
        assert_int_equal(f.config.layers[j].window, expected[j] == 'w' ? s->window : 0);
    fixture_close(&f);
}

/* The file's own pattern: a period, or an entry a layer. */
static void test_window_pattern(void **state)
{
    static const char key[] = "gemma3.attention.sliding_window_pattern";
    static const struct { uint32_t period; const char *windows; } periods[] = {
        { 1, "......." }, { 2, "w.w.w.w" }, { 3, "ww.ww.w" }, { 8, "wwwwwww" }, { UINT32_MAX, "wwwwwww" },
    };
    static const bool each[8] = { false, true, true, false, false, false, true, true };
    (void)state;
    const model_spec s = small(MODEL_GEMMA3);
    for (size_t i = 0; i < TEST_COUNT(periods); i++) {
        gguf_build *b = model_build(&s);
        gguf_build_u32(b, key, periods[i].period);
        assert_windows(&s, b, periods[i].windows);
    }
    gguf_build *b = model_build(&s);
    gguf_build_array(b, key, GGUF_BOOL, each, 7);
    assert_windows(&s, b, ".ww...w");

    static const size_t lengths[] = { 0, 6, 8 };
    for (size_t i = 0; i < TEST_COUNT(lengths); i++) {
        char says[64];
        b = model_build(&s);
        gguf_build_array(b, key, GGUF_BOOL, each, lengths[i]);
        const size_t items_at = gguf_build_value_at(b, key) + 12;
        fixture f;
        assert_status(fixture_load_config(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, key);
        assert_int_equal(f.err.offset, items_at);
        (void)snprintf(says, sizeof says, "%zu entries, expected one for each of 7 layers", lengths[i]);
        assert_error_says(&f.err, says);
        fixture_close(&f);
    }
    b = model_build(&s); /* layers by number are no pattern */
    gguf_build_array(b, key, GGUF_U32, (uint32_t[]){ 1, 0, 1, 0, 1, 0, 1 }, 7);
    fixture f;
    assert_status(fixture_load_config(&f, b), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, key);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------ LongRoPE -- */

/* Cosines and sines grow with the stretch, where there are factors, or by what the file says. */
static void test_rope_magnitude(void **state)
{
    static const struct { uint32_t original, n_ctx_train; float in_file; double expected; } cases[] = {
        { 4096, 131072, 0, 1.1902380714 }, /* Phi-3-mini-128k, 3.5, 4-mini */
        { 30, 120, 1.25f, 1.25 },  { 120, 120, 0, 1 }, { 500, 120, 0, 1 }, { 1, 120, 0, 1 },
        { 0, 120, 0, 1 },          { 0, 120, 1.25f, 1.25 },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        model_spec s = small(MODEL_PHI3);
        s.original_ctx = cases[i].original;
        s.n_ctx_train = cases[i].n_ctx_train;
        s.rope_attn_factor = cases[i].in_file;
        fixture f;
        assert_ok(fixture_load(&f, model_build(&s)), &f.err);
        assert_near(f.config.rope_magnitude, cases[i].expected, 1e-6, 0);
        assert_int_equal(f.config.rope_original_ctx, s.original_ctx ? s.original_ctx : 120);
        assert_int_equal(f.weights.rope_factors_long != NULL, s.original_ctx > 0);
        fixture_close(&f);
    }
}

static void test_longrope_type(void **state)
{
    (void)state;
    model_spec s = small(MODEL_PHI3);
    gguf_build *b = model_build(&s);
    gguf_build_str(b, "phi3.rope.scaling.type", "longrope");
    gguf_build_f32(b, "phi3.rope.scaling.factor", 32); /* says how far, and scales nothing */
    fixture f;
    assert_ok(fixture_load(&f, b), &f.err);
    assert_near(f.config.rope_freq_scale, 1, 0, 0);
    fixture_close(&f);

    s.original_ctx = 0;
    b = model_build(&s);
    gguf_build_str(b, "phi3.rope.scaling.type", "longrope");
    assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, "phi3.rope.scaling.type");
    assert_error_says(&f.err, "rope_factors_long.weight");
    assert_error_says(&f.err, "missing");
    fixture_close(&f);
}

static void test_three_sections(void **state)
{
    (void)state;
    model_spec s = small(MODEL_QWEN2VL);
    gguf_build *b = model_build(&s);
    gguf_build_drop_kv(b, "qwen2vl.rope.dimension_sections");
    gguf_build_array(b, "qwen2vl.rope.dimension_sections", GGUF_I64, (int64_t[]){ 1, 3, 4 }, 3);
    fixture f;
    assert_ok(fixture_load_config(&f, b), &f.err);
    for (int j = 0; j < 4; j++) assert_int_equal(f.config.rope_sections[j], ((uint32_t[]){ 1, 3, 4, 0 })[j]);
    fixture_close(&f);
}

/* Nonsense that changes nothing does not stop a file: H-067, and keys of nobody. */
static void test_harmless_nonsense(void **state)
{
    (void)state;
    model_spec s = small(MODEL_QWEN2);
    gguf_build *b = model_build(&s);
    gguf_build_u32(b, "general.file_type", 4000000000u);
    gguf_build_str(b, "general.quantization_version", "two");
    gguf_build_f32(b, "qwen2.attention.causal", NAN);
    gguf_build_u32(b, "llama.block_count", 77);
    gguf_build_u16(b, "split.count", 1);
    gguf_build_u16(b, "split.no", 0);
    gguf_build_u32(b, "qwen2.expert_count", 0);
    fixture f;
    assert_ok(fixture_load(&f, b), &f.err);
    assert_int_equal(f.config.n_layer, 2);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------ missing, types -- */

static const char *const REQUIRED[] = { "general.architecture", "block_count", "embedding_length", "context_length",
                                        "feed_forward_length", "attention.head_count",
                                        "attention.layer_norm_rms_epsilon" };

static void refuses_without(const model_spec *s, const char *suffix)
{
    const char *key = arch_key(s, suffix);
    gguf_build *b = model_build(s);
    assert_int_equal(gguf_build_drop_kv(b, key), 1);
    fixture f;
    assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, key);
    assert_error_says(&f.err, key);
    assert_true(f.err.hint[0] != '\0');
    assert_true(f.err.offset == EINF_NO_OFFSET);
    fixture_close(&f);
}

static void test_required_keys(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec s = small((model_family)i);
        for (size_t j = 0; j < TEST_COUNT(REQUIRED); j++) refuses_without(&s, REQUIRED[j]);
    }
    const model_spec vl = small(MODEL_QWEN2VL), gemma = small(MODEL_GEMMA3);
    refuses_without(&vl, "rope.dimension_sections");
    refuses_without(&gemma, "attention.sliding_window");
}

/* Put v as the given type of the file: a number as it is, a string of digits, an array of one i32. */
static void put_as(gguf_build *b, const char *key, uint32_t type, int64_t v)
{
    char digits[32];
    switch (type) {
    case GGUF_U8: gguf_build_u8(b, key, (uint8_t)v); return;
    case GGUF_I8: gguf_build_i8(b, key, (int8_t)v); return;
    case GGUF_U16: gguf_build_u16(b, key, (uint16_t)v); return;
    case GGUF_I16: gguf_build_i16(b, key, (int16_t)v); return;
    case GGUF_U32: gguf_build_u32(b, key, (uint32_t)v); return;
    case GGUF_I32: gguf_build_i32(b, key, (int32_t)v); return;
    case GGUF_U64: gguf_build_u64(b, key, (uint64_t)v); return;
    case GGUF_I64: gguf_build_i64(b, key, v); return;
    case GGUF_F32: gguf_build_f32(b, key, (float)v); return;
    case GGUF_F64: gguf_build_f64(b, key, (double)v); return;
    case GGUF_BOOL: gguf_build_bool(b, key, true); return;
    case GGUF_ARRAY: gguf_build_array(b, key, GGUF_I32, (int32_t[]){ (int32_t)v }, 1); return;
    default:
        (void)snprintf(digits, sizeof digits, "%lld", (long long)v);
        gguf_build_str(b, key, digits);
    }
}

enum { INTS = 1, FLOATS = 2, STRINGS = 4 };

static bool belongs(uint32_t type, int kinds)
{
    if (type == GGUF_STRING) return kinds & STRINGS;
    if (type == GGUF_F32 || type == GGUF_F64) return kinds & FLOATS;
    return type != GGUF_BOOL && type != GGUF_ARRAY && (kinds & INTS);
}

/* Every key with a value that would be right, stored as each of the 13 types. */
static void test_stored_types(void **state)
{
    static const struct { model_family family; const char *suffix; int64_t v; int kinds; } keys[] = {
        { MODEL_LLAMA, "block_count", 2, INTS },
        { MODEL_LLAMA, "embedding_length", 64, INTS },
        { MODEL_LLAMA, "context_length", 120, INTS },
        { MODEL_LLAMA, "feed_forward_length", 96, INTS },
        { MODEL_LLAMA, "attention.head_count", 4, INTS },
        { MODEL_LLAMA, "attention.head_count_kv", 2, INTS },
        { MODEL_LLAMA, "attention.key_length", 16, INTS },
        { MODEL_LLAMA, "attention.value_length", 16, INTS },
        { MODEL_LLAMA, "rope.dimension_count", 16, INTS },
        { MODEL_LLAMA, "expert_count", 0, INTS },
        { MODEL_LLAMA, "expert_used_count", 0, INTS },
        { MODEL_LLAMA, "attention.layer_norm_rms_epsilon", 1, FLOATS },
        { MODEL_LLAMA, "rope.freq_base", 100, FLOATS },
        { MODEL_LLAMA, "rope.scaling.factor", 2, FLOATS },
        { MODEL_LLAMA, "rope.scaling.attn_factor", 1, FLOATS },
        { MODEL_GEMMA2, "attn_logit_softcapping", 3, FLOATS },
        { MODEL_GEMMA3, "final_logit_softcapping", 0, FLOATS },
        { MODEL_GEMMA3, "attention.sliding_window", 5, INTS },
        { MODEL_GEMMA2, "attention.sliding_window", 5, INTS },
        { MODEL_GEMMA2, "attention.sliding_window_pattern", 2, INTS },
        { MODEL_PHI3, "attention.sliding_window", 5, INTS },
        { MODEL_PHI3, "rope.scaling.original_context_length", 30, INTS },
        { MODEL_QWEN2VL, "rope.dimension_sections", 8, 0 },
        { MODEL_LLAMA, "rope.scaling.type", 0, 0 },
        { MODEL_LLAMA, "general.architecture", 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(keys); i++) {
        const model_spec s = small(keys[i].family);
        for (uint32_t type = 0; type <= GGUF_F64; type++) {
            const char *key = arch_key(&s, keys[i].suffix);
            gguf_build *b = model_build(&s);
            gguf_build_drop_kv(b, key);
            put_as(b, key, type, keys[i].v);
            const size_t value_at = gguf_build_value_at(b, key);
            fixture f;
            const einf_status status = fixture_load(&f, b);
            if (belongs(type, keys[i].kinds)) {
                assert_ok(status, &f.err);
            } else if (type == GGUF_STRING) {
                assert_int_not_equal(status, EINF_OK); /* of the right type and no right value, for the last two */
                assert_string_equal(f.err.where, key);
            } else {
                assert_status(status, &f.err, EINF_E_FORMAT);
                assert_string_equal(f.err.where, key);
                /* of an array: behind its count */
                assert_true(f.err.offset >= value_at && f.err.offset <= value_at + 12);
            }
            fixture_close(&f);
        }
    }
}

/* The refusal of a type names the type that is there. */
static void test_type_named(void **state)
{
    (void)state;
    const model_spec s = small(MODEL_LLAMA);
    gguf_build *b = model_build(&s);
    gguf_build_drop_kv(b, "llama.block_count");
    gguf_build_f32(b, "llama.block_count", 2);
    const size_t at = gguf_build_value_at(b, "llama.block_count");
    fixture f;
    assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
    assert_error_says(&f.err, "f32");
    assert_error_says(&f.err, "integer");
    assert_int_equal(f.err.offset, at);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------- integers -- */

typedef struct int_case {
    model_family family;
    const char *suffix;
    uint32_t type;
    int64_t v;
    const char *says[2]; /* in message or hint */
} int_case;

static const int_case INT_CASES[] = {
    { MODEL_LLAMA, "block_count", GGUF_U32, 0, { "0", "1..512" } },                      /* H-055 */
    { MODEL_LLAMA, "block_count", GGUF_U32, 513, { "513", "1..512" } },
    { MODEL_LLAMA, "block_count", GGUF_U32, 0x80000000, { "2147483648", "1..512" } },
    { MODEL_LLAMA, "block_count", GGUF_U32, 0xffffffff, { "4294967295", "1..512" } },
    { MODEL_LLAMA, "block_count", GGUF_I32, -1, { "-1", "1..512" } },                    /* H-033 */
    { MODEL_LLAMA, "block_count", GGUF_I8, -1, { "-1", "1..512" } },
    { MODEL_LLAMA, "block_count", GGUF_I64, INT64_MIN, { "-9223372036854775808", NULL } },
    { MODEL_LLAMA, "block_count", GGUF_U64, 0x100000002, { "4294967298", NULL } },       /* H-034: 2 when cut to u32 */
    { MODEL_LLAMA, "block_count", GGUF_U64, -1, { "18446744073709551615", NULL } },
    { MODEL_LLAMA, "embedding_length", GGUF_U32, 0, { "0", "1..1048576" } },             /* H-056 */
    { MODEL_LLAMA, "embedding_length", GGUF_U32, 1 << 21, { "2097152", "1048576" } },
    { MODEL_LLAMA, "context_length", GGUF_U32, 0, { "0", "1..2147483647" } },            /* H-058 */
    { MODEL_LLAMA, "context_length", GGUF_U32, 0xffffffff, { "4294967295", "2147483647" } },
    { MODEL_LLAMA, "feed_forward_length", GGUF_U32, 0, { "0", "1..16777216" } },         /* H-059 */
    { MODEL_LLAMA, "feed_forward_length", GGUF_U32, 0x80000000, { "2147483648", "16777216" } },
    { MODEL_LLAMA, "attention.head_count", GGUF_U32, 0, { "0", "1..4096" } },            /* H-057 */
    { MODEL_LLAMA, "attention.head_count", GGUF_U32, 4097, { "4097", "1..4096" } },
    { MODEL_LLAMA, "attention.head_count_kv", GGUF_U32, 0, { "0", "1..4096" } },
    { MODEL_LLAMA, "attention.head_count_kv", GGUF_U32, 8, { "4 heads", "8 key/value" } },
    { MODEL_LLAMA, "attention.head_count_kv", GGUF_U32, 3, { "4 heads", "3 key/value" } },
    { MODEL_LLAMA, "attention.key_length", GGUF_U32, 0, { "0", "1..1024" } },
    { MODEL_LLAMA, "attention.key_length", GGUF_U32, 1025, { "1025", "1..1024" } },
    { MODEL_LLAMA, "attention.value_length", GGUF_U32, 0, { "0", "1..1024" } },
    { MODEL_LLAMA, "attention.value_length", GGUF_I32, -16, { "-16", "1..1024" } },
    { MODEL_LLAMA, "rope.dimension_count", GGUF_U32, 0, { "0", "2..16" } },              /* H-060 */
    { MODEL_LLAMA, "rope.dimension_count", GGUF_U32, 15, { "15", "even" } },
    { MODEL_LLAMA, "rope.dimension_count", GGUF_U32, 17, { "17", "2..16" } },
    { MODEL_LLAMA, "rope.dimension_count", GGUF_U32, 18, { "18", "2..16" } },
    { MODEL_GEMMA3, "attention.sliding_window", GGUF_U32, 0, { "0", "1..2147483647" } }, /* H-064 */
    { MODEL_GEMMA3, "attention.sliding_window", GGUF_U32, 0xffffffff, { "4294967295", NULL } },
    { MODEL_GEMMA2, "attention.sliding_window", GGUF_U32, 0, { "0", "1..2147483647" } },
    { MODEL_PHI3, "attention.sliding_window", GGUF_I32, -1, { "-1", "0..2147483647" } },
    { MODEL_GEMMA2, "attention.sliding_window_pattern", GGUF_U32, 0, { "0", "1..4294967295" } },
    { MODEL_GEMMA3, "attention.sliding_window_pattern", GGUF_I32, -6, { "-6", "1..4294967295" } },
    { MODEL_PHI3, "rope.scaling.original_context_length", GGUF_U32, 0, { "0", "1..2147483647" } },
    { MODEL_PHI3, "rope.scaling.original_context_length", GGUF_U64, -1, { "18446744073709551615", NULL } },
    { MODEL_LLAMA, "expert_used_count", GGUF_U32, 2, { "2", "0" } },                     /* H-062 */
};

static void test_integers_out_of_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(INT_CASES); i++) {
        const int_case *c = &INT_CASES[i];
        const model_spec s = small(c->family);
        const char *key = arch_key(&s, c->suffix);
        gguf_build *b = model_build(&s);
        gguf_build_drop_kv(b, key);
        put_as(b, key, c->type, c->v);
        const size_t value_at = gguf_build_value_at(b, key);
        fixture f;
        const einf_status status = fixture_load(&f, b);
        if (status == EINF_OK) print_error("%s = %lld was taken\n", key, (long long)c->v);
        assert_status(status, &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, key);
        assert_int_equal(f.err.offset, value_at);
        for (int j = 0; j < 2 && c->says[j]; j++) assert_error_says(&f.err, c->says[j]);
        fixture_close(&f);
    }
}

/* H-057: arrays of another length than there are layers, or with one wrong item, whose own place is reported. */
static void test_layer_arrays(void **state)
{
    static const struct { uint32_t v[3]; size_t n; size_t bad; const char *says; } cases[] = {
        { { 4 }, 1, 0, "1" }, { { 4, 4, 4 }, 3, 0, "3" }, { { 0 }, 0, 0, "0" },
        { { 4, 0 }, 2, 1, "[1] is 0" }, { { 4, 5000 }, 2, 1, "[1] is 5000" },
    };
    (void)state;
    const model_spec s = small(MODEL_LLAMA);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        gguf_build *b = model_build(&s);
        gguf_build_drop_kv(b, "llama.attention.head_count");
        gguf_build_array(b, "llama.attention.head_count", GGUF_U32, cases[i].v, cases[i].n);
        const size_t items_at = gguf_build_value_at(b, "llama.attention.head_count") + 12;
        fixture f;
        assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, "llama.attention.head_count");
        assert_error_says(&f.err, cases[i].says);
        if (cases[i].bad) assert_int_equal(f.err.offset, items_at + 4 * cases[i].bad);
        else assert_error_says(&f.err, "2");
        fixture_close(&f);
    }
    gguf_build *b = model_build(&s); /* one layer whose heads do not divide */
    gguf_build_drop_kv(b, "llama.attention.head_count_kv");
    gguf_build_array(b, "llama.attention.head_count_kv", GGUF_I16, (int16_t[]){ 2, 3 }, 2);
    fixture f;
    assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
    assert_error_says(&f.err, "layer 1 has 4 heads");
    fixture_close(&f);
}

/* Without key_length the width must follow from the heads of layer 0. */
static void test_head_width(void **state)
{
    (void)state;
    model_spec s = small(MODEL_LLAMA);
    gguf_build *b = model_build(&s);
    gguf_build_drop_kv(b, "llama.attention.head_count");
    gguf_build_u32(b, "llama.attention.head_count", 6);
    fixture f;
    assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, "llama.attention.head_count");
    assert_error_says(&f.err, "64");
    assert_error_says(&f.err, "6 heads");
    fixture_close(&f);

    b = model_build(&s);
    gguf_build_drop_kv(b, "llama.embedding_length");
    gguf_build_u32(b, "llama.embedding_length", 63);
    assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
    assert_error_says(&f.err, "63");
    fixture_close(&f);

    b = model_build(&s); /* more than 1024 wide */
    gguf_build_drop_kv(b, "llama.embedding_length");
    gguf_build_u32(b, "llama.embedding_length", 1 << 20);
    assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
    assert_error_says(&f.err, "1048576");
    fixture_close(&f);
}

static void test_sections(void **state)
{
    static const struct { int32_t v[5]; size_t n; const char *says[2]; } cases[] = {
        { { 0 }, 0, { "0 sections", "3 or 4" } },
        { { 4, 4 }, 2, { "2 sections", "3 or 4" } },
        { { 2, 2, 2, 2, 0 }, 5, { "5 sections", "3 or 4" } },
        { { 2, 3, 2, 0 }, 4, { "7", "16" } },
        { { 2, 3, 4, 0 }, 4, { "9", "16" } },
        { { 10, -2, 0, 0 }, 4, { "section 1 is -2", "0 to 1024" } },
        { { INT32_MAX, INT32_MAX, 10, 0 }, 4, { "section 0 is 2147483647", NULL } },
    };
    (void)state;
    static const char key[] = "qwen2vl.rope.dimension_sections";
    const model_spec s = small(MODEL_QWEN2VL);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        gguf_build *b = model_build(&s);
        gguf_build_drop_kv(b, key);
        gguf_build_array(b, key, GGUF_I32, cases[i].v, cases[i].n);
        const size_t at = gguf_build_value_at(b, key) + 12;
        fixture f;
        assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, key);
        assert_int_equal(f.err.offset, at);
        for (int j = 0; j < 2 && cases[i].says[j]; j++) assert_error_says(&f.err, cases[i].says[j]);
        fixture_close(&f);
    }
    gguf_build *b = model_build(&s); /* items that no i64 holds: saturated, not wrapped */
    gguf_build_drop_kv(b, key);
    gguf_build_array(b, key, GGUF_U64, (uint64_t[]){ UINT64_MAX, 4, 5 }, 3);
    fixture f;
    assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, key);
    fixture_close(&f);
}

/* --------------------------------------------------------------------------------------------------- floats -- */

static void refuses_float(const char *suffix, double v, bool as_f64, const char *says)
{
    const model_spec s = small(MODEL_LLAMA);
    const char *key = arch_key(&s, suffix);
    gguf_build *b = model_build(&s);
    gguf_build_drop_kv(b, key);
    if (as_f64) gguf_build_f64(b, key, v);
    else gguf_build_f32(b, key, (float)v);
    const size_t at = gguf_build_value_at(b, key);
    fixture f;
    assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, key);
    assert_int_equal(f.err.offset, at);
    if (says) assert_error_says(&f.err, says);
    fixture_close(&f);
}

static void test_floats(void **state) /* H-030 */
{
    static const char *const keys[] = { "attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.scaling.factor",
                                        "rope.scaling.attn_factor", "attn_logit_softcapping",
                                        "final_logit_softcapping" };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(keys); i++) {
        for (int f64 = 0; f64 < 2; f64++) {
            refuses_float(keys[i], (double)NAN, f64, "nan");
            refuses_float(keys[i], (double)INFINITY, f64, "inf");
            refuses_float(keys[i], -(double)INFINITY, f64, "-inf");
            refuses_float(keys[i], -1, f64, "-1");
        }
        refuses_float(keys[i], 1e300, true, "e+300");
    }
    refuses_float("rope.freq_base", 0, false, "is 0,");
    refuses_float("rope.freq_base", 0.5, false, "0.5");
    refuses_float("rope.scaling.factor", 0, false, "is 0,");
    refuses_float("rope.scaling.factor", 1e-45, false, NULL);
    refuses_float("rope.scaling.attn_factor", 0, false, "is 0,");
    refuses_float("rope.scaling.attn_factor", 2000, false, "is 2000,");
    refuses_float("final_logit_softcapping", 2e9, false, "0..1e+09");
    refuses_float("attention.layer_norm_rms_epsilon", 2, false, "is 2,");
}

/* ------------------------------------------------------------------------------------------------- features -- */

static void test_refused_features(void **state)
{
    static const struct { const char *key, *text; uint32_t n; const char *says[2]; } cases[] = {
        { "llama.expert_count", NULL, 8, { "8 experts", "dense" } },
        { "llama.rope.scaling.type", "yarn", 0, { "'yarn'", "linear" } },
        { "llama.rope.scaling.type", "", 0, { "''", "none" } },
        { "llama.rope.scaling.type", "longrope", 0, { "'longrope'", "rope_freqs.weight" } },
        { "llama.rope.scaling.type", "linear\n\x1b[2J", 0, { "'linear??[2J'", NULL } },
    };
    (void)state;
    const model_spec s = small(MODEL_LLAMA);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        gguf_build *b = model_build(&s);
        if (cases[i].text) gguf_build_str(b, cases[i].key, cases[i].text);
        else gguf_build_u32(b, cases[i].key, cases[i].n);
        fixture f;
        assert_status(fixture_load(&f, b), &f.err, EINF_E_UNSUPPORTED);
        assert_string_equal(f.err.where, cases[i].key);
        for (int j = 0; j < 2 && cases[i].says[j]; j++) assert_error_says(&f.err, cases[i].says[j]);
        assert_printable(f.err.message);
        fixture_close(&f);
    }
    gguf_build *b = model_build(&s); /* H-062: more used than there are */
    gguf_build_u32(b, "llama.expert_count", 4);
    gguf_build_u32(b, "llama.expert_used_count", 5);
    fixture f;
    assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
    assert_error_says(&f.err, "5 experts are used of 4");
    fixture_close(&f);
}

static void test_architectures(void **state) /* H-066 */
{
    static const struct { const char *name; size_t n; const char *says; } cases[] = {
        { "mamba", 5, "'mamba'" },
        { "qwen3moe", 8, "'qwen3moe'" },
        { "phimoe", 6, "'phimoe'" },
        { "", 0, "''" },
        { "LLAMA", 5, "'LLAMA'" },
        { "llama ", 6, "'llama '" },
        { "llama\0", 6, "architecture" },
        { "llam", 4, "'llam'" },
        { "%s%n%s%d", 8, "'%s%n%s%d'" },
        { "\x1b[31mred\n\r\t\x7f", 12, "'?[31mred" },
        { "\xc2\x9b" "31m", 5, "'??31m'" },              /* C1 control sequence introducer */
        { "\xff\xfe\xc3", 3, "'?" "?" "?'" },                  /* no UTF-8 */
        { "f\xc3\xbcnf", 5, "'f\xc3\xbcnf'" },
    };
    (void)state;
    const model_spec s = small(MODEL_LLAMA);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        gguf_build *b = model_build(&s);
        gguf_build_drop_kv(b, "general.architecture");
        gguf_build_str_n(b, "general.architecture", cases[i].name, cases[i].n);
        fixture f;
        assert_status(fixture_load(&f, b), &f.err, EINF_E_UNSUPPORTED);
        assert_string_equal(f.err.where, "general.architecture");
        assert_error_says(&f.err, cases[i].says);
        assert_error_says(&f.err, "llama, qwen2, qwen2vl, qwen3, gemma2, gemma3, phi3, smollm3");
        assert_printable(f.err.message);
        fixture_close(&f);
    }
    const size_t n = 1 << 20;
    char *huge = malloc(n);
    assert_non_null(huge);
    for (size_t i = 0; i < n; i++) huge[i] = i % 2 ? '\xbc' : '\xc3'; /* cut through a character */
    gguf_build *b = model_build(&s);
    gguf_build_drop_kv(b, "general.architecture");
    gguf_build_str_n(b, "general.architecture", huge, n);
    free(huge);
    fixture f;
    assert_status(fixture_load(&f, b), &f.err, EINF_E_UNSUPPORTED);
    assert_error_says(&f.err, "\xc3\xbc\xc3\xbc");
    assert_true(strlen(f.err.message) < 200);
    fixture_close(&f);
}

/* A file of a vocabulary alone says so, instead of naming a tensor that nobody expected. */
static void test_no_tensors(void **state)
{
    (void)state;
    const model_spec s = small(MODEL_LLAMA);
    gguf_build *b = model_build(&s);
    model_tensor *list = malloc(MODEL_MAX_TENSORS * sizeof *list);
    const size_t n = model_list(&s, list);
    for (size_t i = 0; i < n; i++) gguf_build_drop_tensor(b, list[i].name);
    free(list);
    fixture f;
    assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, "token_embd.weight");
    assert_error_says(&f.err, "EINF_LOAD_VOCAB");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_per_layer_counts),
        cmocka_unit_test(test_optional_keys),
        cmocka_unit_test(test_linear_scaling),
        cmocka_unit_test(test_gemma_27b_scale),
        cmocka_unit_test(test_gemma2_defaults),
        cmocka_unit_test(test_soft_caps),
        cmocka_unit_test(test_phi3_without_window),
        cmocka_unit_test(test_window_pattern),
        cmocka_unit_test(test_rope_magnitude),
        cmocka_unit_test(test_longrope_type),
        cmocka_unit_test(test_three_sections),
        cmocka_unit_test(test_harmless_nonsense),
        cmocka_unit_test(test_required_keys),
        cmocka_unit_test(test_stored_types),
        cmocka_unit_test(test_type_named),
        cmocka_unit_test(test_integers_out_of_range),
        cmocka_unit_test(test_layer_arrays),
        cmocka_unit_test(test_head_width),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_refused_features),
        cmocka_unit_test(test_architectures),
        cmocka_unit_test(test_no_tensors),
    };
    return cmocka_run_group_tests_name("model_config", tests, NULL, NULL);
}
