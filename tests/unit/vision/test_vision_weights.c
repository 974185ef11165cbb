/* SPDX-License-Identifier: MIT
 * test_vision_weights.c - every tensor of an encoder: found, missing, of another shape, of another type, cut off.
 */
#include "tests/unit/vision/vision_fixture.h"

static const uint8_t *data_of(const fixture *f, const char *name)
{
    const einf__gguf_tensor *t = einf__gguf_find_tensor(&f->g, name);
    assert_non_null(t);
    return f->file + t->offset;
}

static void check_matrix(const fixture *f, const einf__matrix *m, const char *name, int64_t n_in, int64_t n_out)
{
    assert_ptr_equal(m->data, data_of(f, name));
    assert_int_equal(m->n_in, n_in);
    assert_int_equal(m->n_out, n_out);
    assert_int_equal(m->row_bytes, einf__dtype_row_bytes(m->type, (uint64_t)n_in));
}

/* An f32 tensor of the file, copied. */
static void check_vector(const fixture *f, const float *v, const char *name, size_t n)
{
    assert_int_equal((uintptr_t)v % EINF__ARENA_ALIGN, 0);
    assert_memory_equal(v, data_of(f, name), n * sizeof *v);
}

static void test_every_tensor_is_bound(void **state)
{
    (void)state;
    const vision_spec s = vision_preset();
    fixture f;
    assert_ok(fixture_load_build(&f, vision_build(&s)), &f.err);
    const einf__vision_weights *w = &f.weights;
    assert_int_equal(f.n_unused, 0);
    check_matrix(&f, &w->patch[0], "v.patch_embd.weight", 588, 32);
    check_matrix(&f, &w->patch[1], "v.patch_embd.weight.1", 588, 32);
    assert_null(w->patch[0].bias);
    check_vector(&f, w->post_ln.weight, "v.post_ln.weight", 32);
    check_vector(&f, w->post_ln.bias, "v.post_ln.bias", 32);
    check_matrix(&f, &w->merge[0], "mm.0.weight", 128, 128);
    check_vector(&f, w->merge[0].bias, "mm.0.bias", 128);
    check_matrix(&f, &w->merge[1], "mm.2.weight", 128, 24);
    check_vector(&f, w->merge[1].bias, "mm.2.bias", 24);
    const einf__vision_layer *l = &w->layers[1];
    check_vector(&f, l->ln1.weight, "v.blk.1.ln1.weight", 32);
    check_vector(&f, l->ln1.bias, "v.blk.1.ln1.bias", 32);
    check_vector(&f, l->ln2.weight, "v.blk.1.ln2.weight", 32);
    check_vector(&f, l->ln2.bias, "v.blk.1.ln2.bias", 32);
    check_matrix(&f, &l->q, "v.blk.1.attn_q.weight", 32, 32);
    check_vector(&f, l->q.bias, "v.blk.1.attn_q.bias", 32);
    check_matrix(&f, &l->k, "v.blk.1.attn_k.weight", 32, 32);
    check_vector(&f, l->k.bias, "v.blk.1.attn_k.bias", 32);
    check_matrix(&f, &l->v, "v.blk.1.attn_v.weight", 32, 32);
    check_vector(&f, l->v.bias, "v.blk.1.attn_v.bias", 32);
    check_matrix(&f, &l->o, "v.blk.1.attn_out.weight", 32, 32);
    check_vector(&f, l->o.bias, "v.blk.1.attn_out.bias", 32);
    check_matrix(&f, &l->up, "v.blk.1.ffn_up.weight", 32, 48);
    check_vector(&f, l->up.bias, "v.blk.1.ffn_up.bias", 48);
    check_matrix(&f, &l->down, "v.blk.1.ffn_down.weight", 48, 32);
    check_vector(&f, l->down.bias, "v.blk.1.ffn_down.bias", 32);
    fixture_close(&f);
}

static void test_exchanged_names(void **state)
{
    (void)state;
    vision_spec s = vision_preset();
    s.first_converter = true;
    fixture f;
    assert_ok(fixture_load_build(&f, vision_build(&s)), &f.err);
    assert_int_equal(f.n_unused, 0);
    const einf__vision_layer *l = &f.weights.layers[0];
    check_matrix(&f, &l->up, "v.blk.0.ffn_down.weight", 32, 48);
    check_vector(&f, l->up.bias, "v.blk.0.ffn_down.bias", 48);
    check_matrix(&f, &l->down, "v.blk.0.ffn_up.weight", 48, 32);
    check_vector(&f, l->down.bias, "v.blk.0.ffn_up.bias", 32);
    fixture_close(&f);
}

/* Rows of queries, keys and values on top of each other, each part beginning where a row does. */
static void test_fused(void **state)
{
    static const struct { uint32_t type; size_t row_bytes; } cases[] = { { MODEL_F32, 256 }, { MODEL_F16, 128 },
                                                                        { MODEL_Q8_0, 68 }, { MODEL_Q4_0, 36 } };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        vision_spec s = vision_preset();
        s.n_embd = 64;
        s.type = cases[i].type;
        s.fused_qkv = true;
        fixture f;
        assert_ok(fixture_load_build(&f, vision_build(&s)), &f.err);
        assert_int_equal(f.n_unused, 0);
        const einf__vision_layer *l = &f.weights.layers[1];
        const uint8_t *rows = data_of(&f, "v.blk.1.attn_qkv.weight");
        const einf__matrix *m[3] = { &l->q, &l->k, &l->v };
        for (size_t j = 0; j < 3; j++) {
            assert_ptr_equal(m[j]->data, rows + j * 64 * cases[i].row_bytes);
            assert_int_equal(m[j]->row_bytes, cases[i].row_bytes);
            assert_int_equal(m[j]->n_out, 64);
            assert_memory_equal(m[j]->bias, data_of(&f, "v.blk.1.attn_qkv.bias") + j * 256, 256);
        }
        fixture_close(&f);
    }
}

/* Vectors of halves are widened. */
static void test_half_vectors(void **state)
{
    (void)state;
    vision_spec s = vision_preset();
    s.vector_type = MODEL_F16;
    fixture f;
    assert_ok(fixture_load_build(&f, vision_build(&s)), &f.err);
    const uint8_t *halves = data_of(&f, "v.blk.0.attn_q.bias");
    float wide[32];
    f.kernels.to_f32[EINF__F16](wide, halves, 32);
    assert_memory_equal(f.weights.layers[0].q.bias, wide, sizeof wide);
    fixture_close(&f);
}

/* ---------------------------------------------------------------------------------------------------- wrong -- */

static size_t list_of(const vision_spec *s, vision_tensor **list)
{
    *list = calloc(VISION_MAX_TENSORS, sizeof **list);
    assert_non_null(*list);
    return vision_list(s, *list);
}

static void test_missing_tensors(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        vision_spec s = vision_preset();
        s.fused_qkv = kind == 1;
        s.first_converter = kind == 2;
        vision_tensor *list;
        const size_t n = list_of(&s, &list);
        for (size_t i = 0; i < n; i++) {
            gguf_build *b = vision_build(&s);
            assert_int_equal(gguf_build_drop_tensor(b, list[i].name), 1);
            fixture f;
            assert_status(fixture_load_build(&f, b), &f.err, EINF_E_FORMAT);
            /* without one of them nobody knows whether the names are exchanged, or the width */
            const bool guess = kind == 2 && strstr(list[i].name, "ffn_") && strstr(list[i].name, "weight");
            const bool fused = kind == 1 && strstr(list[i].name, "attn_qkv.weight");
            if (!guess && !fused) {
                assert_string_equal(f.err.where, list[i].name);
                assert_error_says(&f.err, "is missing");
            }
            fixture_close(&f);
        }
        free(list);
    }
}

/* Each dimension of each tensor, one more and one less, and one dimension too many. */
static void test_wrong_shapes(void **state)
{
    (void)state;
    const vision_spec s = vision_preset();
    vision_tensor *list;
    const size_t n = list_of(&s, &list);
    for (size_t i = 0; i < n; i++)
        for (uint32_t d = 0; d < 4; d++)
            for (int by = -1; by <= 1; by += 2) {
                vision_tensor t = list[i];
                if (t.dims[d] == 1 && by < 0) continue;
                t.dims[d] += (uint64_t)by;
                if (d >= t.n_dims) t.n_dims = d + 1;
                gguf_build *b = vision_build(&s);
                vision_put_tensor(b, &s, &t);
                fixture f;
                assert_status(fixture_load_build(&f, b), &f.err, EINF_E_FORMAT);
                assert_string_equal(f.err.where, t.name);
                assert_error_says(&f.err, "expected [");
                assert_int_equal(f.err.offset, einf__gguf_find_tensor(&f.g, t.name)->offset);
                fixture_close(&f);
            }
    free(list);
}

/* Hyper-parameters that the tensors contradict. */
static void test_contradictions(void **state)
{
    static const struct { const char *key; uint32_t v; const char *blames; } cases[] = {
        { "clip.vision.embedding_length", 40, "v.patch_embd.weight" },
        { "clip.vision.patch_size", 16, "v.patch_embd.weight" },
        { "clip.vision.feed_forward_length", 52, "v.blk.0.ffn_up.weight" },
        { "clip.vision.projection_dim", 32, "mm.2.weight" },
        { "clip.vision.spatial_merge_size", 4, "mm.0.weight" },
        { "clip.vision.block_count", 3, "v.blk.2.ln1.weight" },
    };
    (void)state;
    const vision_spec s = vision_preset();
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        gguf_build *b = vision_build(&s);
        gguf_build_drop_kv(b, cases[i].key);
        gguf_build_u32(b, cases[i].key, cases[i].v);
        fixture f;
        assert_status(fixture_load_build(&f, b), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, cases[i].blames);
        fixture_close(&f);
    }
}

/* Fewer layers than there are tensors is odd and harmless: they are counted. */
static void test_unused(void **state)
{
    (void)state;
    const vision_spec s = vision_preset();
    gguf_build *b = vision_build(&s);
    gguf_build_drop_kv(b, "clip.vision.block_count");
    gguf_build_u32(b, "clip.vision.block_count", 1);
    fixture f;
    assert_ok(fixture_load_build(&f, b), &f.err);
    assert_int_equal(f.n_unused, 16);
    fixture_close(&f);
}

static void test_refused_tensors(void **state)
{
    static const char *const names[] = {
        "v.patch_embd.bias", "v.position_embd.weight", "v.class_embd", "v.pre_ln.weight", "v.pre_ln.bias",
        "v.blk.0.attn_q_norm.weight", "v.blk.0.attn_k_norm.weight", "v.blk.0.ffn_gate.weight", "v.blk.0.ls1.weight",
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        const vision_spec s = vision_preset();
        gguf_build *b = vision_build(&s);
        gguf_build_tensor(b, names[i], MODEL_F32, 1, (uint64_t[]){ 32 }, NULL, 128);
        fixture f;
        assert_status(fixture_load_build(&f, b), &f.err, EINF_E_UNSUPPORTED);
        assert_string_equal(f.err.where, names[i]);
        fixture_close(&f);
    }
}

static void test_types(void **state)
{
    (void)state;
    vision_spec s = vision_preset();
    s.n_embd = 256;
    s.n_head = 4;
    vision_tensor *list;
    const size_t n = list_of(&s, &list);
    for (size_t i = 0; i < n; i++) {
        vision_tensor t = list[i];
        const bool vector = t.n_dims == 1;
        if (t.n_dims == 4 || t.dims[0] % 256 != 0) continue;
        t.type = vector ? MODEL_Q8_0 : 15; /* Q8_K: named, and not computed with */
        gguf_build *b = vision_build(&s);
        vision_put_tensor(b, &s, &t);
        fixture f;
        assert_status(fixture_load_build(&f, b), &f.err, vector ? EINF_E_FORMAT : EINF_E_UNSUPPORTED);
        assert_string_equal(f.err.where, t.name);
        assert_error_says(&f.err, vector ? "Q8_0" : "Q8_K");
        fixture_close(&f);
    }
    free(list);
}

/* A file cut off anywhere is refused, and read no farther than it goes. */
static void test_truncated(void **state)
{
    (void)state;
    const vision_spec s = vision_preset();
    size_t n_bytes;
    uint8_t *file = vision_file(&s, &n_bytes);
    for (size_t n = 0; n < n_bytes; n += n < 4096 ? 7 : 1013) {
        uint8_t *cut = malloc(n ? n : 1);
        assert_non_null(cut);
        memcpy(cut, file, n);
        fixture f;
        einf_status status = fixture_read(&f, cut, n, 0);
        if (status == EINF_OK) status = fixture_bind(&f);
        assert_status(status, &f.err, EINF_E_FORMAT);
        fixture_close(&f);
    }
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_tensor_is_bound),
        cmocka_unit_test(test_exchanged_names),
        cmocka_unit_test(test_fused),
        cmocka_unit_test(test_half_vectors),
        cmocka_unit_test(test_missing_tensors),
        cmocka_unit_test(test_wrong_shapes),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_unused),
        cmocka_unit_test(test_refused_tensors),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_truncated),
    };
    return cmocka_run_group_tests_name("vision_weights", tests, NULL, NULL);
}
