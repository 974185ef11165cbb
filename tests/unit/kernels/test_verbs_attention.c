/* SPDX-License-Identifier: MIT
 * test_verbs_attention.c - attention against softmax in double: grouped heads, windows, capped scores, caches of each
 * type, columns in the middle of a timeline, the same bits from 1, 2 and 3 threads and from one call or many. Rows that
 * no column may see hold NaN.
 */
#include "engine/base/blocks.h"
#include "tests/unit/kernels/verbs_rig.h"

enum { N_RIGS = 3 };

typedef struct attention_case {
    int32_t n_head, n_head_kv, k_dim, v_dim;
    int64_t n_cols, first, window;
} attention_case;

static const attention_case cases[] = {
    { 1, 1, 8, 8, 1, 0, 0 },       /* the first token */
    { 4, 4, 64, 64, 1, 99, 0 },    /* decode, no groups */
    { 4, 1, 256, 256, 1, 70, 0 },  /* one KV head (Gemma 3 270M): its group is cut for the threads */
    { 9, 3, 64, 64, 33, 5, 0 },    /* groups of 3 (SmolLM) */
    { 14, 2, 64, 64, 9, 0, 0 },    /* groups of 7 (Qwen2 0.5B) */
    { 12, 1, 32, 32, 5, 17, 0 },   /* more query heads than a call takes */
    { 32, 2, 16, 16, 3, 40, 0 },   /* the same, twice */
    { 8, 2, 48, 32, 17, 11, 0 },   /* keys wider than values */
    { 4, 2, 32, 32, 1, 50, 7 },    /* windows: narrower than the timeline, */
    { 4, 2, 32, 32, 20, 30, 7 },
    { 4, 2, 32, 32, 20, 0, 7 },    /* reached within the batch, */
    { 4, 2, 32, 32, 20, 3, 1 },    /* of the token itself alone, */
    { 4, 2, 32, 32, 20, 3, 1000 }, /* wider than the timeline */
    { 6, 3, 64, 64, 70, 130, 64 },
};

/* A cache of f16, f32 or q8_0, with the same values as f32 beside it. */
typedef struct cache {
    einf__kv_view view;
    float *k, *v; /* [n_head_kv, n_ctx, dim] */
} cache;

static void fill_cache(rng *r, void *to, float *values, int64_t n, einf__dtype type)
{
    for (int64_t i = 0; i < n; i++) {
        const int code = (int)(64.0f * rng_f32(r));
        const uint16_t h = einf__f32_to_f16((float)code / 64.0f);
        einf__block_q8_0 *block = (einf__block_q8_0 *)to + i / 32;
        values[i] = einf__f16_to_f32(h);
        if (type == EINF__F16) ((uint16_t *)to)[i] = h;
        else if (type == EINF__F32) ((float *)to)[i] = values[i];
        else block->d = einf__f32_to_f16(1.0f / 64.0f), block->qs[i % 32] = (int8_t)code;
    }
}

/* Row p of every head is NaN. */
static void poison_row(cache *c, int64_t p)
{
    for (int64_t i = 0; i < c->view.n_head_kv; i++) { /* all bits set: NaN as f16 and f32, and as scales */
        memset(einf__kv_key(&c->view, i, p), 0xff, (size_t)einf__kv_row_bytes(c->view.type, c->view.k_dim));
        memset(einf__kv_value(&c->view, i, p), 0xff, (size_t)einf__kv_row_bytes(c->view.type, c->view.v_dim));
    }
}

static cache make_cache(rng *r, const attention_case *t, einf__dtype type)
{
    const int64_t n_ctx = t->first + t->n_cols + 3;
    const int64_t n_k = n_ctx * t->n_head_kv * t->k_dim, n_v = n_ctx * t->n_head_kv * t->v_dim;
    cache c = { .view = { .k = get_bytes((size_t)einf__kv_row_bytes(type, n_k)),
                          .v = get_bytes((size_t)einf__kv_row_bytes(type, n_v)), .type = type,
                          .n_head_kv = t->n_head_kv, .k_dim = t->k_dim, .v_dim = t->v_dim, .n_ctx = n_ctx },
                .k = get_floats(n_k), .v = get_floats(n_v) };
    fill_cache(r, c.view.k, c.k, n_k, type);
    fill_cache(r, c.view.v, c.v, n_v, type);
    for (int64_t p = 0; p < n_ctx; p++)
        if (p >= t->first + t->n_cols || (t->window > 0 && p <= t->first - t->window)) poison_row(&c, p);
    return c;
}

static void free_cache(cache *c)
{
    free(c->view.k);
    free(c->view.v);
    free(c->k);
    free(c->v);
}

/* out [v_dim] of one query head at timeline index `at`. */
static void attend_naive(double *out, const attention_case *t, const cache *c, const float *q, int64_t at,
                         int64_t i_kv, double scale, double softcap)
{
    double scores[512], max = -(double)INFINITY, total = 0;
    const int64_t begin = t->window > 0 && at - t->window + 1 > 0 ? at - t->window + 1 : 0;
    assert_true(at < 512);
    for (int64_t p = begin; p <= at; p++) {
        scores[p] = 0;
        for (int64_t e = 0; e < t->k_dim; e++)
            scores[p] += (double)q[e] * (double)c->k[(i_kv * c->view.n_ctx + p) * t->k_dim + e];
        scores[p] *= scale;
        if (softcap > 0) scores[p] = softcap * tanh(scores[p] / softcap);
        if (scores[p] > max) max = scores[p];
    }
    for (int64_t e = 0; e < t->v_dim; e++) out[e] = 0;
    for (int64_t p = begin; p <= at; p++) {
        const double w = exp(scores[p] - max);
        total += w;
        for (int64_t e = 0; e < t->v_dim; e++)
            out[e] += w * (double)c->v[(i_kv * c->view.n_ctx + p) * t->v_dim + e];
    }
    for (int64_t e = 0; e < t->v_dim; e++) out[e] /= total;
}

static void check_output(const attention_case *t, const cache *c, const float *q, const float *out, float scale,
                         float softcap, const char *what)
{
    double expected[256];
    for (int64_t j = 0; j < t->n_cols; j++) {
        for (int64_t h = 0; h < t->n_head; h++) {
            const int64_t i_kv = h / (t->n_head / t->n_head_kv);
            attend_naive(expected, t, c, q + (j * t->n_head + h) * t->k_dim, t->first + j, i_kv, (double)scale,
                         (double)softcap);
            for (int64_t e = 0; e < t->v_dim; e++) {
                const double got = (double)out[(j * t->n_head + h) * t->v_dim + e];
                if (!(fabs(got - expected[e]) <= 1e-5))
                    fail_msg("%s, case %d heads / %d, first %d, window %d: column %d, head %d, element %d: %.8g, "
                             "expected %.8g", what, (int)t->n_head, (int)t->n_head_kv, (int)t->first, (int)t->window,
                             (int)j, (int)h, (int)e, got, expected[e]);
            }
        }
    }
}

static void check_attention(rig *rigs, rng *r, const attention_case *t, einf__dtype type, float softcap)
{
    const char *what = einf__dtype_get(type)->name;
    const int64_t n_out = t->n_cols * t->n_head * t->v_dim, n_q = t->n_cols * t->n_head * t->k_dim;
    cache c = make_cache(r, t, type);
    float *q = get_floats(n_q), *out[N_RIGS], *single = get_guarded(n_out);
    fill_random(r, q, n_q);
    einf__attention_job job = { .q = q, .kv = &c.view, .n_cols = t->n_cols, .first = t->first, .window = t->window,
                                .n_head = t->n_head, .scale = 0.5f, .softcap = softcap };
    for (int i = 0; i < N_RIGS; i++) {
        out[i] = job.out = get_guarded(n_out);
        einf__attention(&rigs[i].c, &job);
        assert_memory_equal(out[i], out[0], (size_t)n_out * sizeof(float));
    }
    check_output(t, &c, q, out[0], 0.5f, softcap, what);
    job.n_cols = 1;
    for (int64_t j = 0; j < t->n_cols; j++) {
        job.out = single + j * t->n_head * t->v_dim;
        job.q = q + j * t->n_head * t->k_dim;
        job.first = t->first + j;
        einf__attention(&rigs[1].c, &job);
    }
    assert_memory_equal(single, out[0], (size_t)n_out * sizeof(float));
    put_guarded(single, n_out);
    for (int i = 0; i < N_RIGS; i++) put_guarded(out[i], n_out);
    free(q);
    free_cache(&c);
}

static void attention_is_softmax(uint32_t cpu)
{
    rig rigs[N_RIGS];
    rng r = { 31 };
    for (int t = 0; t < N_RIGS; t++) rig_init(&rigs[t], t + 1, cpu, 80);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        check_attention(rigs, &r, &cases[i], EINF__F32, 0.0f);
        check_attention(rigs, &r, &cases[i], EINF__F16, 0.0f);
        check_attention(rigs, &r, &cases[i], EINF__F16, 0.4f);
        if (cases[i].k_dim % 32 == 0 && cases[i].v_dim % 32 == 0)
            check_attention(rigs, &r, &cases[i], EINF__Q8_0, i % 2 ? 0.0f : 1.5f);
    }
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

static void attention_is_softmax_ref(void **state)
{
    (void)state;
    attention_is_softmax(0);
}

static void attention_is_softmax_isa(void **state)
{
    (void)state;
    if (einf__cpu_features()) attention_is_softmax(einf__cpu_features());
}

/* What calls are made: heads in parts of at most EINF__ATTEND_MAX_Q, every query head of every column once. */
static atomic_int n_heads_seen, n_calls, n_too_many;

static void spy_attend(const einf__attend *a)
{
    (void)atomic_fetch_add(&n_calls, 1);
    (void)atomic_fetch_add(&n_heads_seen, a->n_q);
    if (a->n_q < 1 || a->n_q > EINF__ATTEND_MAX_Q || a->key_begin >= a->key_end) (void)atomic_fetch_add(&n_too_many, 1);
}

static void groups_are_cut_by_the_shape_alone(void **state)
{
    (void)state;
    static const struct {
        int32_t n_head, n_head_kv, n_calls;
    } groups[] = { { 32, 8, 8 }, { 4, 1, 2 }, { 9, 3, 6 }, { 14, 2, 4 }, { 12, 1, 3 }, { 32, 2, 4 }, { 17, 1, 3 },
                   { 1, 1, 1 },  { 5, 1, 3 }, { 64, 4, 8 }, { 3, 3, 3 } };
    rng r = { 32 };
    for (int32_t n_threads = 1; n_threads <= 3; n_threads++) {
        rig g;
        rig_init(&g, n_threads, 0, 1);
        g.k.attend_f32 = spy_attend;
        for (size_t i = 0; i < TEST_COUNT(groups); i++) {
            const attention_case t = { groups[i].n_head, groups[i].n_head_kv, 8, 8, 1, 20, 0 };
            cache c = make_cache(&r, &t, EINF__F32);
            const einf__attention_job job = { .kv = &c.view, .n_cols = 1, .first = 20, .n_head = t.n_head, .scale = 1 };
            atomic_store(&n_calls, 0);
            atomic_store(&n_heads_seen, 0);
            einf__attention(&g.c, &job);
            assert_int_equal(atomic_load(&n_calls), groups[i].n_calls);
            assert_int_equal(atomic_load(&n_heads_seen), t.n_head);
            free_cache(&c);
        }
        rig_deinit(&g);
    }
    assert_int_equal(atomic_load(&n_too_many), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_is_softmax_ref),
        cmocka_unit_test(attention_is_softmax_isa),
        cmocka_unit_test(groups_are_cut_by_the_shape_alone),
    };
    return cmocka_run_group_tests_name("verbs: attention", tests, NULL, NULL);
}
