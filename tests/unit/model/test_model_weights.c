/* SPDX-License-Identifier: MIT
 * test_model_weights.c - tensors: what binding makes of right files, and that a wrong shape, type or value of any
 * tensor is refused by its name, its place and both values (users.md 4.3, H-050 to H-053).
 */
#include <math.h>
#include <stdio.h>

#include "tests/unit/model/model_fixture.h"

static model_spec small(model_family family)
{
    model_spec s = model_preset(family);
    s.vocab = MODEL_NO_VOCAB;
    s.n_layer = 2;
    return s;
}

/* A builder of the specification and the list of its tensors, for tests that spoil one. */
static size_t list_of(const model_spec *s, model_tensor **list)
{
    *list = malloc(MODEL_MAX_TENSORS * sizeof **list);
    assert_non_null(*list);
    return model_list(s, *list);
}

static const uint8_t *data_of(const fixture *f, const char *name)
{
    const einf__gguf_tensor *t = einf__gguf_find_tensor(&f->g, name);
    assert_non_null(t);
    return einf__gguf_tensor_data(&f->g, t);
}

/* Rows [first, first + n_out) of a tensor. */
static void assert_rows(const fixture *f, const einf__matrix *m, const char *name, int64_t first, int64_t n_in,
                        int64_t n_out)
{
    assert_ptr_equal(m->data, data_of(f, name) + first * n_in * 4);
    assert_int_equal(m->type, EINF__F32);
    assert_int_equal(m->n_in, n_in);
    assert_int_equal(m->n_out, n_out);
    assert_int_equal(m->row_bytes, n_in * 4);
}

static void assert_matrix(const fixture *f, const einf__matrix *m, const char *name, int64_t n_in, int64_t n_out)
{
    assert_rows(f, m, name, 0, n_in, n_out);
}

static void assert_vector(const fixture *f, const float *v, const char *name, size_t n)
{
    assert_non_null(v);
    assert_memory_equal(v, data_of(f, name), n * sizeof *v);
}

/* ---------------------------------------------------------------------------------------------- right files -- */

static void test_every_tensor_is_bound(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec s = small((model_family)i);
        const bool bias = i == MODEL_QWEN2 || i == MODEL_QWEN2VL, fused = i == MODEL_PHI3;
        const bool qk_norms = i == MODEL_GEMMA3 || i == MODEL_QWEN3;
        const bool post_norms = i == MODEL_GEMMA2 || i == MODEL_GEMMA3;
        const int64_t q = 4 * s.k_dim, k = 2 * s.k_dim;
        fixture f;
        assert_ok(fixture_load(&f, model_build(&s)), &f.err);
        const einf__weights *w = &f.weights;
        assert_matrix(&f, &w->token_embd, "token_embd.weight", 64, 320);
        assert_matrix(&f, &w->output, s.tied ? "token_embd.weight" : "output.weight", 64, 320);
        assert_vector(&f, w->output_norm, "output_norm.weight", 64);
        if (s.rope_freqs) assert_vector(&f, w->rope_factors, "rope_freqs.weight", s.n_rot / 2);
        else assert_null(w->rope_factors);
        if (s.original_ctx) {
            assert_vector(&f, w->rope_factors_long, "rope_factors_long.weight", s.n_rot / 2);
            assert_vector(&f, w->rope_factors_short, "rope_factors_short.weight", s.n_rot / 2);
        } else {
            assert_null(w->rope_factors_long);
            assert_null(w->rope_factors_short);
        }

        const einf__layer_weights *l = &w->layers[1];
        assert_vector(&f, l->attn_norm, "blk.1.attn_norm.weight", 64);
        assert_rows(&f, &l->q, fused ? "blk.1.attn_qkv.weight" : "blk.1.attn_q.weight", 0, 64, q);
        assert_rows(&f, &l->k, fused ? "blk.1.attn_qkv.weight" : "blk.1.attn_k.weight", fused ? q : 0, 64, k);
        assert_rows(&f, &l->v, fused ? "blk.1.attn_qkv.weight" : "blk.1.attn_v.weight", fused ? q + k : 0, 64, k);
        assert_matrix(&f, &l->o, "blk.1.attn_output.weight", q, 64);
        assert_vector(&f, l->ffn_norm, "blk.1.ffn_norm.weight", 64);
        assert_rows(&f, &l->gate, fused ? "blk.1.ffn_up.weight" : "blk.1.ffn_gate.weight", 0, 64, 96);
        assert_rows(&f, &l->up, "blk.1.ffn_up.weight", fused ? 96 : 0, 64, 96);
        assert_matrix(&f, &l->down, "blk.1.ffn_down.weight", 96, 64);
        if (bias) {
            assert_vector(&f, l->q.bias, "blk.1.attn_q.bias", (size_t)q);
            assert_vector(&f, l->k.bias, "blk.1.attn_k.bias", (size_t)k);
            assert_vector(&f, l->v.bias, "blk.1.attn_v.bias", (size_t)k);
        } else {
            assert_null(l->q.bias);
            assert_null(l->k.bias);
            assert_null(l->v.bias);
        }
        assert_null(l->o.bias);
        if (qk_norms) {
            assert_vector(&f, l->q_norm, "blk.1.attn_q_norm.weight", s.k_dim);
            assert_vector(&f, l->k_norm, "blk.1.attn_k_norm.weight", s.k_dim);
        } else {
            assert_null(l->q_norm);
            assert_null(l->k_norm);
        }
        if (post_norms) {
            assert_vector(&f, l->attn_post_norm, "blk.1.post_attention_norm.weight", 64);
            assert_vector(&f, l->ffn_post_norm, "blk.1.post_ffw_norm.weight", 64);
        } else {
            assert_null(l->attn_post_norm);
            assert_null(l->ffn_post_norm);
        }
        assert_int_equal(f.n_unused, 0);
        fixture_close(&f);
    }
}

static void test_counts(void **state)
{
    (void)state;
    const model_spec s = small(MODEL_LLAMA);
    model_tensor *list;
    const size_t n = list_of(&s, &list);
    uint64_t n_params = 0;
    for (size_t i = 0; i < n; i++) n_params += list[i].dims[0] * list[i].dims[1];
    free(list);
    fixture f;
    assert_ok(fixture_load(&f, model_build(&s)), &f.err);
    assert_int_equal(f.weights.n_params, n_params);
    assert_int_equal(f.weights.weight_bytes, n_params * 4);
    fixture_close(&f);
}

/* Every weight type that is computed with; rows that no block divides stay F32. */
static void test_weight_types(void **state)
{
    static const struct { uint32_t type; einf__dtype dtype; } types[] = {
#define ROW(name, id, text, elems, bytes, acts) { id, EINF__##name },
        EINF__DTYPE_MAP(ROW)
#undef ROW
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(types); i++) {
        model_spec s = small(MODEL_QWEN2);
        s.n_embd = 256;
        s.k_dim = s.v_dim = s.n_rot = 64;
        model_set_ff(&s, 288); /* whole blocks of 32, not of 256 */
        s.type = types[i].type;
        fixture f;
        assert_ok(fixture_load(&f, model_build(&s)), &f.err);
        const einf__dtype_info *info = einf__dtype_get(types[i].dtype);
        assert_int_equal(f.weights.layers[0].q.type, types[i].dtype);
        assert_int_equal(f.weights.layers[0].q.row_bytes, 256 / info->block_elems * info->block_bytes);
        assert_int_equal(f.weights.layers[0].down.type, info->block_elems == 256 ? EINF__F32 : types[i].dtype);
        assert_ok(einf__weights_check_values(&f.g, &f.kernels, NULL, &f.err), &f.err);
        fixture_close(&f);
    }
}

/* Norms and biases may be half floats: they come out as f32. */
static void test_half_vectors(void **state)
{
    static const uint32_t types[] = { MODEL_F16, MODEL_BF16 };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(types); i++) {
        const model_spec s = small(MODEL_QWEN2);
        model_tensor *list;
        const size_t n = list_of(&s, &list);
        gguf_build *b = model_build(&s);
        for (size_t j = 0; j < n; j++) {
            if (list[j].n_dims != 1) continue;
            list[j].type = types[i];
            model_put_tensor(b, &s, &list[j]);
        }
        free(list);
        fixture f;
        assert_ok(fixture_load(&f, b), &f.err);
        const uint8_t *norm = data_of(&f, "blk.0.attn_norm.weight"), *bias = data_of(&f, "blk.1.attn_k.bias");
        for (size_t j = 0; j < 32; j++) {
            uint16_t a, c;
            memcpy(&a, norm + 2 * j, 2);
            memcpy(&c, bias + 2 * j, 2);
            float want_a, want_c;
            f.kernels.to_f32[i == 0 ? EINF__F16 : EINF__BF16](&want_a, &a, 1);
            f.kernels.to_f32[i == 0 ? EINF__F16 : EINF__BF16](&want_c, &c, 1);
            assert_near(f.weights.layers[0].attn_norm[j], want_a, 0, 0);
            assert_near(f.weights.layers[1].k.bias[j], want_c, 0, 0);
            assert_true(f.weights.layers[0].attn_norm[j] > 0.5f && f.weights.layers[0].attn_norm[j] < 1.5f);
        }
        fixture_close(&f);
    }
}

/* Biases and norms that a family of ours does not have: without them every answer would be wrong. */
static void test_refused_tensors(void **state)
{
    static const struct { model_family family; const char *name; } cases[] = {
        { MODEL_LLAMA, "blk.0.attn_q.bias" }, { MODEL_LLAMA, "blk.0.attn_output.bias" },
        { MODEL_LLAMA, "blk.0.ffn_up.bias" }, { MODEL_QWEN2, "blk.0.attn_output.bias" },
        { MODEL_GEMMA3, "output.bias" },      { MODEL_QWEN3, "blk.0.attn_q.bias" },
        { MODEL_PHI3, "blk.0.attn_qkv.bias" }, { MODEL_PHI3, "blk.0.ffn_gate_inp.weight" },
        { MODEL_LLAMA, "blk.0.attn_qkv.weight" }, { MODEL_QWEN2, "blk.0.attn_q_norm.weight" },
        { MODEL_GEMMA2, "blk.0.attn_k_norm.weight" }, { MODEL_QWEN3, "blk.0.post_ffw_norm.weight" },
        { MODEL_LLAMA, "blk.0.post_attention_norm.weight" }, { MODEL_LLAMA, "rope_factors_long.weight" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        const model_spec s = small(cases[i].family);
        gguf_build *b = model_build(&s);
        gguf_build_tensor(b, cases[i].name, 0, 1, (const uint64_t[]){ 64 }, NULL, 64 * sizeof(float));
        fixture f;
        assert_status(fixture_load(&f, b), &f.err, EINF_E_UNSUPPORTED);
        assert_string_equal(f.err.where, cases[i].name);
        assert_error_says(&f.err, "is not supported for architecture");
        fixture_close(&f);
    }
}

/* H-051: tensors of no use are counted, whatever their type, and stop nothing. */
static void test_unused_tensors(void **state)
{
    (void)state;
    const model_spec s = small(MODEL_GEMMA3);
    gguf_build *b = model_build(&s);
    gguf_build_tensor(b, "blk.2.attn_q.weight", 0, 2, (uint64_t[]){ 4, 4 }, NULL, 64); /* a layer too many */
    gguf_build_tensor(b, "blk.0.attn_sinks", 0, 1, (uint64_t[]){ 4 }, NULL, 16);       /* of another family */
    gguf_build_tensor(b, "strange", 24, 3, (uint64_t[]){ 3, 3, 3 }, NULL, 27);         /* I8 */
    fixture f;
    assert_ok(fixture_load(&f, b), &f.err);
    assert_int_equal(f.n_unused, 3);
    assert_null(f.weights.layers[0].q.bias);
    fixture_close(&f);
}

static void test_output_of_its_own(void **state)
{
    (void)state;
    model_spec s = small(MODEL_QWEN2); /* a family whose small models are tied */
    s.tied = false;
    fixture f;
    assert_ok(fixture_load(&f, model_build(&s)), &f.err);
    assert_ptr_equal(f.weights.output.data, data_of(&f, "output.weight"));
    fixture_close(&f);
    gguf_build *b = model_build(&s);
    gguf_build_drop_tensor(b, "output.weight");
    assert_ok(fixture_load(&f, b), &f.err); /* and then it is tied */
    assert_ptr_equal(f.weights.output.data, data_of(&f, "token_embd.weight"));
    fixture_close(&f);
}

/* Widths and vocabularies that no block and no vector register divides. */
static void test_odd_shapes(void **state)
{
    (void)state;
    model_spec s = small(MODEL_LLAMA);
    s.n_embd = 78;
    s.n_vocab = 7;
    s.k_dim = 26;
    s.v_dim = 5;
    s.n_rot = 14;
    model_set_heads(&s, 3, 1);
    model_set_ff(&s, 1);
    fixture f;
    assert_ok(fixture_load(&f, model_build(&s)), &f.err);
    assert_int_equal(f.weights.layers[0].o.n_in, 15);
    assert_int_equal(f.weights.layers[0].v.n_out, 5);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------- missing -- */

static void test_missing_tensors(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec s = small((model_family)i);
        model_tensor *list;
        const size_t n = list_of(&s, &list);
        for (size_t j = 0; j < n; j++) {
            const bool optional = strcmp(list[j].name, "output.weight") == 0 ||
                                  strcmp(list[j].name, "rope_freqs.weight") == 0;
            gguf_build *b = model_build(&s);
            assert_int_equal(gguf_build_drop_tensor(b, list[j].name), 1);
            fixture f;
            const einf_status status = fixture_load(&f, b);
            if (optional) {
                assert_ok(status, &f.err);
            } else {
                assert_status(status, &f.err, EINF_E_FORMAT);
                assert_string_equal(f.err.where, list[j].name);
                if (strcmp(list[j].name, "token_embd.weight") != 0) assert_error_says(&f.err, "missing");
                assert_true(f.err.hint[0] != '\0' || strcmp(list[j].name, "token_embd.weight") == 0);
            }
            fixture_close(&f);
        }
        free(list);
    }
}

/* A name that is nearly right is another name. */
static void test_renamed_tensor(void **state)
{
    static const char *const names[] = { "blk.1.attn_q.weigh", "blk.1.attn_q.weight2", "blk.01.attn_q.weight",
                                         "Blk.1.attn_q.weight" };
    (void)state;
    const model_spec s = small(MODEL_LLAMA);
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        gguf_build *b = model_build(&s);
        gguf_build_drop_tensor(b, "blk.1.attn_q.weight");
        gguf_build_tensor(b, names[i], 0, 2, (uint64_t[]){ 64, 64 }, NULL, 64 * 64 * 4);
        fixture f;
        assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, "blk.1.attn_q.weight");
        fixture_close(&f);
    }
}

/* -------------------------------------------------------------------------------------------------- shapes -- */

/* Replace a tensor by one of another shape, F32; the load must fail and name it (or `blames`) with both shapes. */
static void refuses_shape(const model_spec *s, const char *name, uint32_t n_dims, const uint64_t *dims,
                          const char *blames)
{
    size_t n_bytes = 4;
    char shape[96];
    for (uint32_t i = 0; i < n_dims; i++) n_bytes *= (size_t)dims[i];
    gguf_build *b = model_build(s);
    gguf_build_drop_tensor(b, name);
    gguf_build_tensor(b, name, 0, n_dims, dims, NULL, n_bytes);
    fixture f;
    const einf_status status = fixture_load(&f, b);
    if (status == EINF_OK) print_error("%s with %u dimensions was taken\n", name, n_dims);
    assert_status(status, &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, blames);
    if (strcmp(name, blames) == 0) {
        (void)snprintf(shape, sizeof shape, "[%llu, %llu, %llu", (unsigned long long)dims[0],
                       (unsigned long long)(n_dims > 1 ? dims[1] : 1), (unsigned long long)(n_dims > 2 ? dims[2] : 1));
        assert_error_says(&f.err, shape);
        assert_int_equal(f.err.offset, einf__gguf_find_tensor(&f.g, name)->offset);
    }
    assert_error_says(&f.err, "expected [");
    fixture_close(&f);
}

static void spoil_shape(const model_spec *s, const model_tensor *t)
{
    const uint64_t a = t->dims[0], c = t->dims[1];
    const bool embd = strcmp(t->name, "token_embd.weight") == 0;
    /* rows of the embedding are the vocabulary: another number contradicts the output, if there is one */
    const char *const rows_blame = embd ? "output.weight" : t->name;
    const bool rows_matter = !embd || !s->tied;
    refuses_shape(s, t->name, t->n_dims, (uint64_t[]){ a + 1, c }, t->name);
    refuses_shape(s, t->name, t->n_dims, (uint64_t[]){ a - 1, c }, t->name);
    refuses_shape(s, t->name, 3, (uint64_t[]){ a, c, 2 }, t->name);
    refuses_shape(s, t->name, 4, (uint64_t[]){ a, c, 1, 2 }, t->name);
    if (t->n_dims == 1) {
        refuses_shape(s, t->name, 2, (uint64_t[]){ a, 2 }, t->name);
        refuses_shape(s, t->name, 2, (uint64_t[]){ 1, a }, t->name); /* a column */
        return;
    }
    if (rows_matter) {
        refuses_shape(s, t->name, 2, (uint64_t[]){ a, c + 1 }, rows_blame);
        refuses_shape(s, t->name, 2, (uint64_t[]){ a, c - 1 }, rows_blame);
        refuses_shape(s, t->name, 1, (uint64_t[]){ a }, rows_blame);
    }
    if (a != c) refuses_shape(s, t->name, 2, (uint64_t[]){ c, a }, t->name);
    refuses_shape(s, t->name, 1, (uint64_t[]){ a * c }, t->name);
}

static void test_wrong_shapes(void **state) /* H-050, H-052 */
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        model_spec s = small((model_family)i);
        s.n_layer = 1;
        s.n_vocab = 40; /* small, for speed */
        model_tensor *list;
        const size_t n = list_of(&s, &list);
        for (size_t j = 0; j < n; j++) spoil_shape(&s, &list[j]);
        free(list);
    }
}

/* Trailing dimensions of 1 are no dimensions. */
static void test_trailing_ones(void **state)
{
    (void)state;
    const model_spec s = small(MODEL_LLAMA);
    gguf_build *b = model_build(&s);
    gguf_build_drop_tensor(b, "blk.0.attn_norm.weight");
    gguf_build_tensor(b, "blk.0.attn_norm.weight", 0, 4, (uint64_t[]){ 64, 1, 1, 1 }, NULL, 256);
    fixture f;
    assert_ok(fixture_load(&f, b), &f.err);
    fixture_close(&f);
}

/* Hyper-parameters that contradict right tensors: the tensor is named, and the rope factors follow n_rot. */
static void test_contradictions(void **state)
{
    static const struct { const char *key; uint32_t v; const char *blames; } cases[] = {
        { "llama.embedding_length", 68, "token_embd.weight" },
        { "llama.feed_forward_length", 95, "blk.0.ffn_gate.weight" },
        { "llama.attention.head_count", 8, "rope_freqs.weight" }, /* heads of 8, so rotated dimensions of 8 */
        { "llama.attention.head_count_kv", 4, "blk.0.attn_k.weight" },
        { "llama.attention.key_length", 32, "blk.0.attn_q.weight" },
        { "llama.attention.value_length", 32, "blk.0.attn_v.weight" },
        { "llama.rope.dimension_count", 8, "rope_freqs.weight" },
        { "llama.block_count", 3, "blk.2.attn_norm.weight" },
    };
    (void)state;
    const model_spec s = small(MODEL_LLAMA);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        gguf_build *b = model_build(&s);
        gguf_build_drop_kv(b, cases[i].key);
        gguf_build_u32(b, cases[i].key, cases[i].v);
        if (i == 2) gguf_build_drop_kv(b, "llama.rope.dimension_count");
        fixture f;
        assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, cases[i].blames);
        fixture_close(&f);
    }
}

/* The same of fused tensors, whose rows are those of several matrices. */
static void test_contradictions_of_fused(void **state)
{
    static const struct { const char *key; uint32_t v; const char *blames, *says; } cases[] = {
        { "phi3.attention.head_count_kv", 1, "blk.0.attn_qkv.weight", "expected [64, 96]" },
        { "phi3.attention.head_count_kv", 4, "blk.0.attn_qkv.weight", "expected [64, 192]" },
        { "phi3.feed_forward_length", 48, "blk.0.ffn_up.weight", "expected [64, 96]" },
        { "phi3.feed_forward_length", 192, "blk.0.ffn_up.weight", "expected [64, 384]" },
        { "phi3.rope.dimension_count", 14, "rope_factors_short.weight", "expected [7, 1]" },
    };
    (void)state;
    const model_spec s = small(MODEL_PHI3);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        gguf_build *b = model_build(&s);
        gguf_build_drop_kv(b, cases[i].key);
        gguf_build_u32(b, cases[i].key, cases[i].v);
        fixture f;
        assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, cases[i].blames);
        assert_error_says(&f.err, cases[i].says);
        fixture_close(&f);
    }
}

/* Ranges of rows in blocks: each begins where a row does. */
static void test_fused_blocks(void **state)
{
    static const uint32_t types[] = { MODEL_Q4_0, MODEL_Q8_0, MODEL_Q4_K, MODEL_Q6_K };
    static const size_t row_bytes[] = { 144, 272, 144, 210 };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(types); i++) {
        model_spec s = small(MODEL_PHI3);
        s.n_embd = 256;
        s.type = types[i];
        fixture f;
        assert_ok(fixture_load(&f, model_build(&s)), &f.err);
        const einf__layer_weights *l = &f.weights.layers[1];
        const uint8_t *qkv = data_of(&f, "blk.1.attn_qkv.weight"), *up = data_of(&f, "blk.1.ffn_up.weight");
        assert_int_equal(l->q.row_bytes, row_bytes[i]);
        assert_ptr_equal(l->q.data, qkv);
        assert_ptr_equal(l->k.data, qkv + 64 * row_bytes[i]);
        assert_ptr_equal(l->v.data, qkv + 96 * row_bytes[i]);
        assert_ptr_equal(l->gate.data, up);
        assert_ptr_equal(l->up.data, up + 96 * row_bytes[i]);
        assert_int_equal(l->v.n_out, 32);
        assert_int_equal(l->up.n_out, 96);
        fixture_close(&f);
    }
}

/* --------------------------------------------------------------------------------------------------- types -- */

/* Types that ggml knows and this build does not compute with. */
static const struct { uint32_t type; const char *name; } UNSUPPORTED[] = {
    { 9, "Q8_1" }, { 15, "Q8_K" }, { 24, "I8" },    { 25, "I16" },  { 26, "I32" },
    { 27, "I64" }, { 28, "F64" },  { 40, "NVFP4" }, { 41, "Q1_0" }, { 42, "Q2_0" },
};

static void test_unsupported_types(void **state)
{
    (void)state;
    model_spec s = small(MODEL_QWEN2);
    s.n_embd = 256;
    s.k_dim = s.v_dim = s.n_rot = 64;
    model_tensor *list;
    const size_t n = list_of(&s, &list);
    for (size_t i = 0; i < TEST_COUNT(UNSUPPORTED); i++) {
        static const char *const names[] = { "blk.1.ffn_gate.weight", "token_embd.weight", "blk.0.attn_norm.weight" };
        for (size_t j = 0; j < TEST_COUNT(names); j++) {
            model_tensor t = *model_find(list, n, names[j]);
            t.type = UNSUPPORTED[i].type;
            gguf_build *b = model_build(&s);
            model_put_tensor(b, &s, &t);
            fixture f;
            assert_status(fixture_load(&f, b), &f.err, EINF_E_UNSUPPORTED);
            assert_string_equal(f.err.where, t.name);
            assert_error_says(&f.err, UNSUPPORTED[i].name);
            assert_error_says(&f.err, "Q4_K_M"); /* what to do instead */
            assert_int_equal(f.err.offset, einf__gguf_find_tensor(&f.g, t.name)->offset);
            fixture_close(&f);
        }
    }
    free(list);
}

/* H-050: blocks where a float vector must be. */
static void test_quantised_vectors(void **state)
{
    (void)state;
    model_spec s = small(MODEL_QWEN2);
    model_tensor *list;
    const size_t n = list_of(&s, &list);
    for (size_t j = 0; j < n; j++) {
        if (list[j].n_dims != 1 || list[j].dims[0] % 32 != 0) continue;
        model_tensor t = list[j];
        t.type = MODEL_Q8_0;
        gguf_build *b = model_build(&s);
        model_put_tensor(b, &s, &t);
        fixture f;
        assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, t.name);
        assert_error_says(&f.err, "Q8_0");
        assert_error_says(&f.err, "F32");
        fixture_close(&f);
    }
    free(list);
}

/* -------------------------------------------------------------------------------------------------- values -- */

static void test_rope_factors_must_divide(void **state)
{
    static const float bad[] = { 0.0f, -1.0f, NAN, INFINITY };
    static const struct { model_family family; const char *name; uint64_t n; } tensors[] = {
        { MODEL_LLAMA, "rope_freqs.weight", 8 },
        { MODEL_PHI3, "rope_factors_long.weight", 6 },
        { MODEL_PHI3, "rope_factors_short.weight", 6 },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bad) * TEST_COUNT(tensors); i++) {
        const model_spec s = small(tensors[i % 3].family);
        const char *name = tensors[i % 3].name;
        const uint64_t n = tensors[i % 3].n;
        float factors[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
        factors[5] = bad[i / 3];
        gguf_build *b = model_build(&s);
        gguf_build_drop_tensor(b, name);
        gguf_build_tensor(b, name, 0, 1, &n, factors, n * sizeof *factors);
        fixture f;
        assert_status(fixture_load(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, name);
        assert_error_says(&f.err, "element 5");
        assert_int_equal(f.err.offset, einf__gguf_find_tensor(&f.g, name)->offset);
        fixture_close(&f);
    }
}

/* Overwrite n_bytes at `at` in the data of a tensor and look for it; NULL to expect nothing. */
static void check_finds(fixture *f, const char *name, size_t at, const void *bytes, size_t n_bytes, uint64_t element)
{
    char says[64];
    const einf__gguf_tensor *t = einf__gguf_find_tensor(&f->g, name);
    uint8_t *data = f->file + t->offset, before[4];
    memcpy(before, data + at, n_bytes);
    memcpy(data + at, bytes, n_bytes);
    f->err = test_error();
    assert_status(einf__weights_check_values(&f->g, &f->kernels, NULL, &f->err), &f->err, EINF_E_FORMAT);
    assert_string_equal(f->err.where, name);
    (void)snprintf(says, sizeof says, "element %llu of tensor %s", (unsigned long long)element, name);
    assert_error_says(&f->err, says);
    assert_int_equal(f->err.offset, t->offset + at);
    memcpy(data + at, before, n_bytes);
    f->err = test_error();
    assert_ok(einf__weights_check_values(&f->g, &f->kernels, NULL, &f->err), &f->err);
}

static void test_values_f32(void **state) /* H-053 */
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    (void)state;
    const model_spec s = small(MODEL_LLAMA);
    fixture f;
    assert_ok(fixture_load(&f, model_build(&s)), &f.err);
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        check_finds(&f, "token_embd.weight", 0, &bad[i], 4, 0);
        check_finds(&f, "token_embd.weight", 4 * 4097, &bad[i], 4, 4097); /* beyond the first piece */
        check_finds(&f, "token_embd.weight", 4 * (64 * 320 - 1), &bad[i], 4, 64 * 320 - 1);
        check_finds(&f, "blk.1.ffn_norm.weight", 4 * 63, &bad[i], 4, 63);
    }
    fixture_close(&f);
}

/* A scale that is no number spoils its whole block; the offset is that of the block. */
static void test_values_q8_0(void **state)
{
    static const uint16_t bad[] = { 0x7c00, 0xfc00, 0x7e00 };
    (void)state;
    model_spec s = small(MODEL_QWEN2);
    s.type = MODEL_Q8_0;
    fixture f;
    assert_ok(fixture_load(&f, model_build(&s)), &f.err);
    uint8_t *data = f.file + einf__gguf_find_tensor(&f.g, "token_embd.weight")->offset;
    data[34 * 200 + 2] = 1; /* infinity times 0 is found, too, but let the first element be found */
    data[2] = 1;
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        check_finds(&f, "token_embd.weight", 0, &bad[i], 2, 0);
        check_finds(&f, "token_embd.weight", 34 * 200, &bad[i], 2, 32 * 200);
    }
    fixture_close(&f);
}

static void test_values_cancel(void **state)
{
    (void)state;
    const model_spec s = small(MODEL_LLAMA);
    fixture f;
    assert_ok(fixture_load(&f, model_build(&s)), &f.err);
    einf_cancel cancel = { .set = 1 };
    assert_status(einf__weights_check_values(&f.g, &f.kernels, &cancel, &f.err), &f.err, EINF_E_CANCELLED);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_tensor_is_bound),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_weight_types),
        cmocka_unit_test(test_half_vectors),
        cmocka_unit_test(test_refused_tensors),
        cmocka_unit_test(test_unused_tensors),
        cmocka_unit_test(test_output_of_its_own),
        cmocka_unit_test(test_odd_shapes),
        cmocka_unit_test(test_missing_tensors),
        cmocka_unit_test(test_renamed_tensor),
        cmocka_unit_test(test_wrong_shapes),
        cmocka_unit_test(test_trailing_ones),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_contradictions_of_fused),
        cmocka_unit_test(test_fused_blocks),
        cmocka_unit_test(test_unsupported_types),
        cmocka_unit_test(test_quantised_vectors),
        cmocka_unit_test(test_rope_factors_must_divide),
        cmocka_unit_test(test_values_f32),
        cmocka_unit_test(test_values_q8_0),
        cmocka_unit_test(test_values_cancel),
    };
    return cmocka_run_group_tests_name("model_weights", tests, NULL, NULL);
}
