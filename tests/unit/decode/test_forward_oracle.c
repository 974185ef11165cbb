/* SPDX-License-Identifier: MIT
 * test_forward_oracle.c - the forward pass against naive_model, an independent one in double precision: all families,
 * odd shapes, tokens and embedding rows, exact and default arithmetic.
 */
#include "tests/unit/decode/decode_fixture.h"

/* |a - b| / |b| of exact logits: f32 sums of at most 2^9 terms through a few layers. */
#define EXACT_TOLERANCE 2e-5
/* F16 keys and values: 2^-11 each, averaged by attention. */
#define F16_KV_TOLERANCE 2e-3
/* Q8_0 keys and values: half a step of 127 each. Measured: 7e-3, and 1.9e-2 for Gemma, whose normed queries and keys
 * make sharp scores. */
#define Q8_0_KV_TOLERANCE 4e-2
/* int8 activations (data/README.md: at most 3e-2 on random weights). */
#define INT8_TOLERANCE 3e-2

static model_spec spec_of(model_family family)
{
    model_spec s = model_preset(family);
    s.vocab = MODEL_NO_VOCAB;
    return s;
}

/* Logits of n random ids, all rows, by the library and by the oracle; their relative error. */
static double error_of_ids(const model_spec *s, const einf_session_config *config, uint32_t n, int32_t n_threads)
{
    fixture f;
    timeline t;
    fixture_open(&f, s, n_threads, ~0u);
    timeline_open(&t, &f, config);
    naive_set_ctx(f.naive, t.t.params.n_ctx);
    int32_t *ids = random_ids(&f, n, 7);
    float *got = logits_room(&f, n);
    append_ids(&t, ids, n, got);
    double *want = naive_of_ids(&f, ids, n);
    const double e = relative_error(got, want, (size_t)n * s->n_vocab);
    assert_memory_equal(t.t.logits, got + (size_t)(n - 1) * s->n_vocab, s->n_vocab * sizeof *got);
    free(want);
    free(got);
    free(ids);
    timeline_close(&t);
    fixture_close(&f);
    return e;
}

/* n_ctx 0: as trained. */
static void assert_exact_in(const model_spec *s, uint32_t n, uint32_t n_ctx)
{
    for (int32_t path = 1; path <= 2; path++) {
        einf_session_config c = EINF_INIT(einf_session_config);
        c.exact = 1;
        c.force_path = path;
        c.n_ctx = n_ctx;
        const double e = error_of_ids(s, &c, n, 2);
        if (!(e < EXACT_TOLERANCE)) print_error("%s, path %d: error %.3g\n", model_arch(s), path, e);
        assert_true(e < EXACT_TOLERANCE);
    }
}

static void assert_exact(const model_spec *s, uint32_t n) { assert_exact_in(s, n, 0); }

static void test_families(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec s = spec_of((model_family)i);
        assert_exact(&s, 23); /* more than Gemma's window of 5, more than the columns of one tile */
        assert_exact(&s, 1);
    }
}

/* Layers that differ in heads and width, shapes that nothing divides, keys and values of different widths. */
static void test_odd_shapes(void **state)
{
    static const uint32_t head[3] = { 6, 3, 9 }, head_kv[3] = { 2, 3, 1 }, ff[3] = { 31, 1, 77 };
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        model_spec s = spec_of((model_family)i);
        s.n_layer = 3;
        s.n_embd = 78;
        s.n_vocab = 131;
        s.k_dim = 22;
        s.v_dim = 9;
        s.n_rot = 16;
        memcpy(s.n_head, head, sizeof head);
        memcpy(s.n_head_kv, head_kv, sizeof head_kv);
        memcpy(s.n_ff, ff, sizeof ff);
        assert_exact(&s, 17);
    }
}

/* One head for everything; as many KV heads as heads; more query heads a KV head than the kernel takes at once. */
static void test_head_groups(void **state)
{
    static const uint32_t groups[][2] = { { 1, 1 }, { 4, 4 }, { 8, 1 }, { 11, 1 }, { 20, 2 }, { 16, 8 } };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(groups); i++) {
        model_spec s = spec_of(MODEL_QWEN2);
        s.k_dim = s.v_dim = s.n_rot = 8;
        model_set_heads(&s, groups[i][0], groups[i][1]);
        assert_exact(&s, 9);
    }
}

static void test_options(void **state)
{
    (void)state;
    model_spec s = spec_of(MODEL_GEMMA3);
    s.rope_scale_factor = 8; /* of layers that see everything */
    s.window = 1;            /* a row sees itself alone */
    assert_exact(&s, 12);
    s.window = 1000;
    assert_exact(&s, 12);
    s = spec_of(MODEL_LLAMA);
    s.tied = true;
    s.rope_freqs = false;
    s.rope_scale_factor = 4;
    s.n_rot = 6; /* of 16: the rest of a head does not turn */
    assert_exact(&s, 12);
    s = spec_of(MODEL_QWEN2);
    s.tied = false;
    s.rope_freqs = true;
    s.n_rot = 10;
    assert_exact(&s, 12);
}

/* Each cap without the other, near the values it caps, far above them, and so low that it is all there is. */
static void test_soft_caps(void **state)
{
    static const float caps[][2] = { { 0, 3 }, { 2, 0 }, { 0, 0 }, { 50, 30 }, { 1e9f, 1e9f }, { 0.1f, 0.1f } };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(caps); i++) {
        model_spec s = spec_of(MODEL_GEMMA2);
        s.attn_softcap = caps[i][0];
        s.final_softcap = caps[i][1];
        assert_exact(&s, 12);
    }
}

/* One row less in the context and the short factors hold, for the same rows. */
static void test_long_rope(void **state)
{
    (void)state;
    model_spec s = spec_of(MODEL_PHI3);
    assert_exact_in(&s, 28, s.original_ctx);
    assert_exact_in(&s, 28, s.original_ctx + 1);
    s.n_rot = 16;
    s.rope_attn_factor = 1.5f;
    s.rope_scale_factor = 2;
    assert_exact_in(&s, 28, s.original_ctx);
    s.original_ctx = 0; /* no factors: Phi-3-mini-4k, Phi-4 */
    s.rope_attn_factor = 0;
    s.window = 0;
    s.tied = false;
    assert_exact(&s, 28);
    s.original_ctx = s.n_ctx_train + 10; /* nothing was stretched: cosines and sines stay as they are */
    assert_exact(&s, 28);
}

/* A context takes the same factors whatever it holds, and says which. */
static void test_long_rope_is_of_the_session(void **state)
{
    (void)state;
    const model_spec s = spec_of(MODEL_PHI3);
    fixture f;
    fixture_open(&f, &s, 1, ~0u);
    assert_false(einf__rope_is_long(&f.config, &f.weights, 1));
    assert_false(einf__rope_is_long(&f.config, &f.weights, 30));
    assert_true(einf__rope_is_long(&f.config, &f.weights, 31));
    assert_true(einf__rope_is_long(&f.config, &f.weights, UINT32_MAX));
    fixture_close(&f);
    model_spec plain = s;
    plain.original_ctx = 0;
    fixture_open(&f, &plain, 1, ~0u);
    assert_false(einf__rope_is_long(&f.config, &f.weights, UINT32_MAX));
    fixture_close(&f);
}

/* Exact mode de-quantises: its answer is that of the oracle on the same blocks. */
static void test_exact_q8_0(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        model_spec s = spec_of((model_family)i);
        s.type = MODEL_Q8_0;
        assert_exact(&s, 14);
    }
}

/* Default arithmetic: F16 keys and values, int8 activations for blocks. Both paths. */
static void test_default_arithmetic(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        for (int32_t path = 0; path <= 2; path++) {
            model_spec s = spec_of((model_family)i);
            einf_session_config c = EINF_INIT(einf_session_config);
            c.force_path = path;
            const double f32 = error_of_ids(&s, &c, 19, 2);
            c.kv_type = EINF_KV_F32;
            const double f32_kv32 = error_of_ids(&s, &c, 19, 2);
            s.type = MODEL_Q8_0;
            const double q8 = error_of_ids(&s, &c, 19, 2);
            if (!(f32 < F16_KV_TOLERANCE && f32_kv32 < EXACT_TOLERANCE && q8 < INT8_TOLERANCE))
                print_error("%s, path %d: %.3g with F16 KV, %.3g with F32, %.3g in Q8_0\n", model_arch(&s), path, f32,
                            f32_kv32, q8);
            assert_true(f32 < F16_KV_TOLERANCE);
            assert_true(f32 > f32_kv32); /* F16 is not F32 by mistake */
            assert_true(f32_kv32 < EXACT_TOLERANCE);
            assert_true(q8 < INT8_TOLERANCE);
        }
    }
}

/* Keys and values in Q8_0, of different widths, windows included: an error of its own, larger than that of F16. */
static void test_q8_0_kv(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        model_spec s = spec_of((model_family)i);
        s.k_dim = 64;
        s.v_dim = 32;
        einf_session_config c = EINF_INIT(einf_session_config);
        c.kv_type = EINF_KV_F16;
        const double f16 = error_of_ids(&s, &c, 40, 2);
        c.kv_type = EINF_KV_Q8_0;
        const double q8_0 = error_of_ids(&s, &c, 40, 2);
        if (!(q8_0 < Q8_0_KV_TOLERANCE && q8_0 > f16))
            print_error("%s: %.3g with Q8_0 KV, %.3g with F16\n", model_arch(&s), q8_0, f16);
        assert_true(q8_0 < Q8_0_KV_TOLERANCE);
        assert_true(q8_0 > f16); /* Q8_0 is not F16 by mistake */
    }
}

/* Every block type runs, both paths, and agrees with exact mode. */
static void test_block_types(void **state)
{
    static const uint32_t types[] = { 1,  30, 2,  3,  6,  7,  8,  10, 11, 12, 13, 14,
                                      20, 23, 19, 29, 16, 17, 22, 18, 21, 34, 35, 39 };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(types); i++) {
        model_spec s = spec_of(MODEL_QWEN2);
        s.n_embd = 256;
        s.k_dim = s.v_dim = s.n_rot = 64;
        s.n_layer = 1;
        s.type = types[i];
        model_set_ff(&s, 256);
        fixture f;
        fixture_open(&f, &s, 2, ~0u);
        float *want = logits_room(&f, 14), *got = logits_room(&f, 14);
        int32_t *ids = random_ids(&f, 14, 3);
        timeline t;
        timeline_open(&t, &f, NULL);
        append_ids(&t, ids, 14, want);
        timeline_close(&t);
        for (int32_t path = 1; path <= 2; path++) {
            einf_session_config c = EINF_INIT(einf_session_config);
            c.force_path = path;
            timeline_open(&t, &f, &c);
            append_ids(&t, ids, 14, got);
            timeline_close(&t);
            const double e = relative_error_f32(got, want, (size_t)14 * s.n_vocab);
            if (!(e < INT8_TOLERANCE)) print_error("type %u, path %d: error %.3g\n", types[i], path, e);
            assert_true(e < INT8_TOLERANCE);
        }
        free(ids);
        free(want);
        free(got);
        fixture_close(&f);
    }
}

/* --------------------------------------------------------------------------------------------------- rows -- */

/* Random rows with their own four-number positions between tokens, as an image puts them there. */
static void test_rows_with_positions(void **state)
{
    enum { N_BEFORE = 3, N_IMAGE = 12, N_AFTER = 4, N = N_BEFORE + N_IMAGE + N_AFTER };
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec s = spec_of((model_family)i);
        fixture f;
        timeline t;
        fixture_open(&f, &s, 2, ~0u);
        timeline_open(&t, &f, NULL);
        uint64_t seed = 99;
        float *image = malloc(N_IMAGE * s.n_embd * sizeof *image);
        for (size_t j = 0; j < (size_t)N_IMAGE * s.n_embd; j++) image[j] = 0.7f * model_normal(&seed);
        int32_t *ids = random_ids(&f, N, 11);
        int32_t positions[N_IMAGE][4];
        naive_row rows[N] = { { .id = 0 } };
        for (int32_t j = 0; j < N; j++) {
            const bool is_image = j >= N_BEFORE && j < N_BEFORE + N_IMAGE;
            const int32_t k = j - N_BEFORE; /* a grid of 3 by 4 patches, from position 3; the text goes on at 7 */
            const int32_t grid[4] = { 3, 3 + k / 4, 3 + k % 4, 5 };
            for (int d = 0; d < 4; d++) rows[j].position[d] = is_image ? grid[d] : j < N_BEFORE ? j : j - 15 + 7;
            if (is_image) memcpy(positions[k], grid, sizeof grid);
            rows[j].id = is_image ? -1 : ids[j];
            rows[j].embedding = is_image ? image + k * (int32_t)s.n_embd : NULL;
        }
        float *got = logits_room(&f, N);
        append_ids(&t, ids, N_BEFORE, got);
        einf_batch b = EINF_INIT(einf_batch);
        b.rows = image;
        b.row_width = s.n_embd;
        b.n = b.n_logit_rows = N_IMAGE;
        b.positions = (const int32_t (*)[4])positions;
        b.logits = got + (size_t)N_BEFORE * s.n_vocab;
        assert_ok(einf__session_append(&t.t, &b, &f.err), &f.err);
        append_ids(&t, ids + N_BEFORE + N_IMAGE, N_AFTER, got + (size_t)(N_BEFORE + N_IMAGE) * s.n_vocab);

        double *want = naive_logits(f.naive, rows, N);
        for (size_t j = 0; j < N; j++) {
            const double e = relative_error(got + j * s.n_vocab, want + j * s.n_vocab, s.n_vocab);
            if (!(e < EXACT_TOLERANCE)) print_error("%s row %zu: error %.3g\n", model_arch(&s), j, e);
            assert_true(e < EXACT_TOLERANCE);
        }
        free(want);
        free(got);
        free(ids);
        free(image);
        timeline_close(&t);
        fixture_close(&f);
    }
}

/* Rows that are the embeddings of tokens are those tokens: the same bits, in F32. */
static void test_rows_that_are_tokens(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        model_spec s = spec_of((model_family)i);
        fixture f;
        timeline t;
        fixture_open(&f, &s, 2, ~0u);
        int32_t *ids = random_ids(&f, 9, 21);
        float *a = logits_room(&f, 9), *c = logits_room(&f, 9), *rows = malloc(9 * s.n_embd * sizeof *rows);
        for (size_t j = 0; j < 9; j++) naive_embedding(f.naive, ids[j], rows + j * s.n_embd);
        timeline_open(&t, &f, NULL);
        append_ids(&t, ids, 9, a);
        assert_ok(einf__session_rewind(&t.t, 0, &f.err), &f.err);
        einf_batch b = EINF_INIT(einf_batch);
        b.rows = rows;
        b.row_width = s.n_embd;
        b.n = b.n_logit_rows = 9;
        b.logits = c;
        assert_ok(einf__session_append(&t.t, &b, &f.err), &f.err);
        assert_memory_equal(a, c, 9 * s.n_vocab * sizeof *a);
        free(a);
        free(c);
        free(rows);
        free(ids);
        timeline_close(&t);
        fixture_close(&f);
    }
}

/* Positions far out: the angle is computed in double, so a shift of all positions changes nothing. */
static void test_far_positions(void **state)
{
    (void)state;
    const model_spec s = spec_of(MODEL_QWEN2); /* no rope factors: attention sees differences alone */
    fixture f;
    timeline t;
    fixture_open(&f, &s, 1, ~0u);
    int32_t *ids = random_ids(&f, 10, 5), positions[10][4];
    float *a = logits_room(&f, 10), *c = logits_room(&f, 10);
    timeline_open(&t, &f, NULL);
    append_ids(&t, ids, 10, a);
    assert_ok(einf__session_rewind(&t.t, 0, &f.err), &f.err);
    for (int32_t i = 0; i < 10; i++)
        for (int j = 0; j < 4; j++) positions[i][j] = 1000000 + i;
    einf_batch b = EINF_INIT(einf_batch);
    b.ids = ids;
    b.n = b.n_logit_rows = 10;
    b.positions = (const int32_t (*)[4])positions;
    b.logits = c;
    assert_ok(einf__session_append(&t.t, &b, &f.err), &f.err);
    assert_true(relative_error_f32(c, a, 10 * s.n_vocab) < 1e-4);
    free(a);
    free(c);
    free(ids);
    timeline_close(&t);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_odd_shapes),
        cmocka_unit_test(test_head_groups),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_soft_caps),
        cmocka_unit_test(test_long_rope),
        cmocka_unit_test(test_long_rope_is_of_the_session),
        cmocka_unit_test(test_exact_q8_0),
        cmocka_unit_test(test_default_arithmetic),
        cmocka_unit_test(test_q8_0_kv),
        cmocka_unit_test(test_block_types),
        cmocka_unit_test(test_rows_with_positions),
        cmocka_unit_test(test_rows_that_are_tokens),
        cmocka_unit_test(test_far_positions),
    };
    return cmocka_run_group_tests_name("forward_oracle", tests, NULL, NULL);
}
