/* SPDX-License-Identifier: MIT
 * test_deterministic.c - with deterministic=1 the same tokens give the same bits: on any number of threads, cut into
 * calls and batches in any way, for every weight type, cache type, exact or not.
 */
#include "tests/unit/decode/decode_fixture.h"

enum { N = 70 }; /* beyond the columns from which panels would be taken, 64 at most */

static model_spec spec_of(model_family family)
{
    model_spec s = model_preset(family);
    s.vocab = MODEL_NO_VOCAB;
    return s;
}

/* Wide enough for blocks of 256, otherwise small. */
static model_spec wide_spec(model_family family, uint32_t type)
{
    model_spec s = spec_of(family);
    s.type = type;
    s.n_embd = 256;
    s.n_vocab = 64;
    s.n_layer = s.family == MODEL_GEMMA3 ? 6 : 1; /* gemma3's sixth sees everything */
    model_set_heads(&s, 4, 2);
    model_set_ff(&s, 256);
    if (s.family != MODEL_GEMMA3) s.k_dim = s.v_dim = s.n_rot = 64;
    return s;
}

/* One way to bring N tokens into a session. */
typedef struct way {
    uint32_t n_batch;
    uint32_t chunk;  /* tokens a call; 0: as a random number says */
} way;

static const way WAYS[] = {
    { 512, N }, { 512, 1 }, { 3, N }, { 10, 0 }, { 65, N }, { 512, 2 }, { 1, N }, { 16, N }, { 64, N }, { 7, 5 },
    { 512, 63 }, { 512, 0 },
};
enum { SOME = 4, ALL = sizeof WAYS / sizeof WAYS[0] };

/* Logits of all rows, [N, n_vocab]. malloc'd. */
static float *logits_by(fixture *f, einf_session_config c, const int32_t *ids, const way *w)
{
    timeline t;
    uint64_t seed = w->n_batch;
    float *out = logits_room(f, N);
    c.n_batch = w->n_batch;
    timeline_open(&t, f, &c);
    for (uint32_t at = 0; at < N;) {
        uint32_t n = w->chunk ? w->chunk : 1 + (uint32_t)(model_random(&seed) % 40);
        if (n > N - at) n = N - at;
        append_ids(&t, ids + at, n, out + (size_t)at * f->spec.n_vocab);
        at += n;
    }
    timeline_close(&t);
    return out;
}

/* Every way on n_threads against *want, which is set by the first. */
static void compare_ways(const model_spec *s, uint32_t cpu, int32_t n_threads, const einf_session_config *c,
                         const way *ways, size_t n_ways, float **want)
{
    fixture f;
    fixture_open(&f, s, n_threads, cpu);
    int32_t *ids = random_ids(&f, N, 53);
    for (size_t i = 0; i < n_ways; i++) {
        float *got = logits_by(&f, *c, ids, &ways[i]);
        for (size_t j = 0; j < (size_t)N && *want; j++)
            if (memcmp(got + j * s->n_vocab, *want + j * s->n_vocab, s->n_vocab * sizeof *got) != 0)
                fail_msg("%s type %u kv %d exact %d: row %zu differs with %d threads, batches of %u, calls of %u",
                         model_arch(s), s->type, c->kv_type, c->exact, j, n_threads, ways[i].n_batch, ways[i].chunk);
        if (*want) free(got);
        else *want = got;
    }
    free(ids);
    fixture_close(&f);
}

static einf_session_config config_of(int32_t kv_type, int32_t exact)
{
    einf_session_config c = EINF_INIT(einf_session_config);
    c.deterministic = 1;
    c.kv_type = kv_type;
    c.exact = exact;
    return c;
}

/* n_ways on one thread, three of them on others. Under QEMU, twenty times as slow, two of them and five threads. */
static void check(const model_spec *s, uint32_t cpu, int32_t kv_type, int32_t exact, size_t n_ways)
{
    if (test_is_emulated() && n_ways > 2) n_ways = 2;
    const einf_session_config c = config_of(kv_type, exact);
    float *want = NULL;
    compare_ways(s, cpu, 1, &c, WAYS, n_ways, &want);
    for (int32_t n_threads = n_ways == ALL ? 2 : 5; n_threads <= 5; n_threads++)
        compare_ways(s, cpu, n_threads, &c, WAYS + n_threads - 2, 3, &want);
    free(want);
}

static void test_every_family(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec s = spec_of((model_family)i);
        check(&s, ~0u, EINF_KV_F16, 0, ALL);
        check(&s, ~0u, EINF_KV_F16, 1, SOME);
        check(&s, 0, EINF_KV_F16, 0, 2);
    }
}

static void test_every_weight_type(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < 64; id++) {
        einf__dtype type;
        if (!einf__dtype_from_file_id(id, &type)) continue;
        const model_spec s = wide_spec(MODEL_LLAMA, id);
        check(&s, ~0u, EINF_KV_F16, 0, SOME);
        if (id == MODEL_F16 || id == MODEL_Q4_0 || id == MODEL_Q4_K) /* exact mode makes f32 of all */
            check(&s, ~0u, EINF_KV_F16, 1, SOME);
    }
}

/* In plain C, of each size of block one. */
static void test_reference_kernels(void **state)
{
    static const uint32_t types[] = { MODEL_F16, MODEL_Q4_0, MODEL_Q4_K };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(types); i++) {
        const model_spec s = wide_spec(MODEL_QWEN2, types[i]);
        check(&s, 0, EINF_KV_F16, 0, 2);
    }
}

static void test_every_cache_type(void **state)
{
    static const int32_t kv_types[] = { EINF_KV_F16, EINF_KV_F32, EINF_KV_Q8_0 };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(kv_types); i++) {
        const model_spec llama = wide_spec(MODEL_LLAMA, MODEL_Q8_0), gemma = spec_of(MODEL_GEMMA3);
        check(&llama, ~0u, kv_types[i], 0, SOME);
        check(&gemma, ~0u, kv_types[i], 0, SOME);
        check(&gemma, 0, kv_types[i], 0, SOME);
    }
}

static void test_settings(void **state)
{
    (void)state;
    const model_spec s = spec_of(MODEL_LLAMA);
    fixture f;
    fixture_open(&f, &s, 1, 0);
    einf__session_params p;
    einf_session_config c = config_of(EINF_KV_F16, 0);
    assert_ok(einf__session_params_resolve(&c, &f.config, 1, &p, &f.err), &f.err);
    assert_true(p.deterministic);
    assert_int_equal(p.path, EINF__PATH_ROWS);
    c.force_path = 1;
    assert_ok(einf__session_params_resolve(&c, &f.config, 1, &p, &f.err), &f.err);
    c.force_path = 2;
    assert_status(einf__session_params_resolve(&c, &f.config, 1, &p, &f.err), &f.err, EINF_E_ARG);
    assert_error_says(&f.err, "force_path 2 and deterministic exclude each other");
    c.force_path = 0;
    c.deterministic = 2;
    f.err = test_error();
    assert_status(einf__session_params_resolve(&c, &f.config, 1, &p, &f.err), &f.err, EINF_E_ARG);
    assert_error_says(&f.err, "deterministic is 2, expected 0 or 1");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_every_family),
        cmocka_unit_test(test_every_weight_type),
        cmocka_unit_test(test_reference_kernels),
        cmocka_unit_test(test_every_cache_type),
    };
    return cmocka_run_group_tests_name("deterministic", tests, NULL, NULL);
}
