/* SPDX-License-Identifier: MIT
 * test_session_splits.c - the same tokens give the same logits however they are cut into calls and batches, on any
 * number of threads, and whichever rows are asked for.
 */
#include "tests/unit/decode/decode_fixture.h"

enum { N = 37 };

static model_spec spec_of(model_family family)
{
    model_spec s = model_preset(family);
    s.vocab = MODEL_NO_VOCAB;
    return s;
}

/* Logits of all rows of ids, cut into calls of these lengths (0 ends; the rest goes in one call). [N, n_vocab] */
static float *logits_in_calls(fixture *f, const einf_session_config *c, const int32_t *ids, const uint32_t *lengths)
{
    timeline t;
    float *out = logits_room(f, N);
    timeline_open(&t, f, c);
    for (uint32_t at = 0, i = 0; at < N;) {
        const uint32_t n = lengths && lengths[i] ? lengths[i++] : N - at;
        append_ids(&t, ids + at, n, out + (size_t)at * f->spec.n_vocab);
        at += n;
    }
    assert_int_equal(t.t.n_past, N);
    timeline_close(&t);
    return out;
}

static const uint32_t ONE_BY_ONE[N] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                        1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
static const uint32_t UNEVEN[] = { 2, 5, 1, 11, 3, 0 };
static const uint32_t HALVES[] = { 18, 0 };

static const uint32_t *const SPLITS[] = { ONE_BY_ONE, UNEVEN, HALVES };
static const uint32_t BATCHES[] = { 1, 4, 13, 36 };

/* Logits of every split and batch size against those of one call, at most `tolerance` apart; 0: bit for bit. */
static void compare_splits(fixture *f, einf_session_config c, double tolerance)
{
    const size_t n = (size_t)N * f->spec.n_vocab;
    int32_t *ids = random_ids(f, N, 17);
    float *want = logits_in_calls(f, &c, ids, NULL);
    const size_t n_batches = test_is_emulated() ? 1 : TEST_COUNT(BATCHES); /* minutes otherwise */
    for (size_t i = 0; i < TEST_COUNT(SPLITS) + n_batches; i++) {
        const size_t i_batch = i - TEST_COUNT(SPLITS); /* wraps for splits */
        if (i >= TEST_COUNT(SPLITS)) c.n_batch = BATCHES[i_batch];
        float *got = logits_in_calls(f, &c, ids, i < TEST_COUNT(SPLITS) ? SPLITS[i] : i % 2 ? UNEVEN : NULL);
        if (tolerance == 0) assert_memory_equal(got, want, n * sizeof *got);
        const double e = relative_error_f32(got, want, n);
        if (!(e <= tolerance)) print_error("%s, way %zu: error %.3g\n", model_arch(&f->spec), i, e);
        assert_true(e <= tolerance);
        free(got);
    }
    free(want);
    free(ids);
}

static void each_family(uint32_t cpu, int32_t force_path, double exact_tolerance, double int8_tolerance)
{
    for (int i = 0; i < 2 * MODEL_N_FAMILIES; i++) {
        model_spec s = spec_of((model_family)(i % MODEL_N_FAMILIES));
        if (i >= MODEL_N_FAMILIES) s.type = MODEL_Q8_0;
        fixture f;
        fixture_open(&f, &s, 2, cpu);
        for (int exact = 0; exact < 2; exact++) {
            einf_session_config c = EINF_INIT(einf_session_config);
            c.exact = exact;
            c.force_path = force_path;
            compare_splits(&f, c, exact ? exact_tolerance : int8_tolerance);
        }
        fixture_close(&f);
    }
}

/* A column's sums do not depend on the columns beside it: bit for bit on the row path, whatever the kernels. */
static void test_any_split_is_bitwise(void **state)
{
    (void)state;
    each_family(0, 1, 0, 0);
    each_family(~0u, 1, 0, 0);
}

/* The automatic choice of path changes the order of sums. So much for exact mode; else panels round no activations,
 * while dots round them to int8. */
static void test_any_split_is_near(void **state)
{
    (void)state;
    each_family(~0u, 0, 2e-6, 3e-2);
    each_family(0, 0, 2e-6, 3e-2);
}

static void test_threads_are_bitwise(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * MODEL_N_FAMILIES; i++) {
        model_spec s = spec_of((model_family)(i % MODEL_N_FAMILIES));
        if (i >= MODEL_N_FAMILIES) s.type = MODEL_Q8_0;
        for (int32_t path = 0; path <= 2; path++) {
            float *want = NULL;
            for (int32_t n_threads = 1; n_threads <= 3; n_threads++) {
                fixture f;
                fixture_open(&f, &s, n_threads, ~0u);
                int32_t *ids = random_ids(&f, N, 23);
                einf_session_config c = EINF_INIT(einf_session_config);
                c.force_path = path;
                float *got = logits_in_calls(&f, &c, ids, HALVES);
                if (want) assert_memory_equal(got, want, (size_t)N * s.n_vocab * sizeof *got);
                else want = got;
                if (want != got) free(got);
                free(ids);
                fixture_close(&f);
            }
            free(want);
        }
    }
}

/* Plain C and SIMD kernels agree, up to the order of sums, on any path; which one AUTO takes is theirs to say. */
static void test_instruction_sets(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        model_spec s = spec_of((model_family)i);
        s.type = i % 2 ? MODEL_Q8_0 : MODEL_F32;
        einf_session_config c = EINF_INIT(einf_session_config);
        c.force_path = (int32_t[]){ EINF__PATH_ROWS, EINF__PATH_PANELS_32, EINF__PATH_FLOATS }[i % 3];
        fixture f;
        fixture_open(&f, &s, 2, 0);
        int32_t *ids = random_ids(&f, N, 29);
        float *want = logits_in_calls(&f, &c, ids, NULL);
        fixture_close(&f);
        fixture_open(&f, &s, 2, ~0u);
        float *got = logits_in_calls(&f, &c, ids, NULL);
        assert_true(relative_error_f32(got, want, (size_t)N * s.n_vocab) < 1e-2); /* int8 may round the other way */
        free(want);
        free(got);
        free(ids);
        fixture_close(&f);
    }
}

/* Some rows of a call have the same logits as when all are asked for, and the last row is always kept. */
static void test_chosen_rows(void **state)
{
    static const struct { int32_t rows[5]; uint32_t n; } choices[] = {
        { { 0 }, 1 }, { { 36 }, 1 }, { { 0, 36 }, 2 }, { { 3, 4, 5, 20, 35 }, 5 }, { { 7, 8 }, 2 }, { { 0 }, 0 },
    };
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec s = spec_of((model_family)i);
        const size_t row_bytes = s.n_vocab * sizeof(float);
        fixture f;
        fixture_open(&f, &s, 2, 0);
        int32_t *ids = random_ids(&f, N, 31);
        einf_session_config c = EINF_INIT(einf_session_config);
        c.force_path = 1;
        c.n_batch = 8; /* so that rows fall into several pieces, and into none */
        float *want = logits_in_calls(&f, &c, ids, NULL), *got = logits_room(&f, 5);
        for (size_t j = 0; j < TEST_COUNT(choices); j++) {
            timeline t;
            timeline_open(&t, &f, &c);
            einf_batch b = EINF_INIT(einf_batch);
            b.ids = ids;
            b.n = N;
            b.logit_rows = choices[j].rows;
            b.n_logit_rows = choices[j].n;
            b.logits = choices[j].n ? got : NULL;
            assert_ok(einf__session_append(&t.t, &b, &f.err), &f.err);
            for (uint32_t k = 0; k < choices[j].n; k++)
                assert_memory_equal(got + (size_t)k * s.n_vocab, want + (size_t)choices[j].rows[k] * s.n_vocab,
                                    row_bytes);
            assert_memory_equal(t.t.logits, want + (size_t)(N - 1) * s.n_vocab, row_bytes);
            timeline_close(&t);
        }
        free(want);
        free(got);
        free(ids);
        fixture_close(&f);
    }
}

/* Rows before a given one do not depend on what comes after. */
static void test_causality(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec s = spec_of((model_family)i);
        fixture f;
        fixture_open(&f, &s, 2, ~0u);
        int32_t *ids = random_ids(&f, N, 37);
        einf_session_config c = EINF_INIT(einf_session_config);
        c.force_path = 1;
        float *a = logits_in_calls(&f, &c, ids, NULL);
        ids[20] = (ids[20] + 1) % (int32_t)s.n_vocab;
        float *b = logits_in_calls(&f, &c, ids, NULL);
        assert_memory_equal(a, b, (size_t)20 * s.n_vocab * sizeof *a);
        for (size_t j = 20; j < N; j++) { /* and everything after does, if it is within reach */
            const bool same = memcmp(a + j * s.n_vocab, b + j * s.n_vocab, s.n_vocab * sizeof *a) == 0;
            assert_false(same);
        }
        free(a);
        free(b);
        free(ids);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_split_is_bitwise),
        cmocka_unit_test(test_any_split_is_near),
        cmocka_unit_test(test_threads_are_bitwise),
        cmocka_unit_test(test_instruction_sets),
        cmocka_unit_test(test_chosen_rows),
        cmocka_unit_test(test_causality),
    };
    return cmocka_run_group_tests_name("session_splits", tests, NULL, NULL);
}
