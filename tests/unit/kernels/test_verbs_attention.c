/* SPDX-License-Identifier: MIT
 * test_verbs_attention.c - attention against softmax in double: by rows and by tiles, grouped heads, windows, capped
 * scores, caches of each type, columns in the middle of a timeline, keys in parts; the same bits from 1, 2 and 3
 * threads, and by rows from one call or many. Rows that no column may see hold NaN.
 */
#include <stdio.h>

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
    { 5, 1, 72, 72, 30, 100, 0 },  /* dims that vectors and panels do not divide */
    { 6, 2, 80, 80, 40, 61, 0 },
    { 4, 4, 96, 96, 12, 127, 0 },
    { 4, 2, 128, 128, 11, 250, 90 },
    { 2, 1, 5, 3, 37, 90, 0 },
    { 16, 1, 64, 64, 13, 64, 0 },  /* groups of 16, 11 and 40: more than a call, or a tile, takes */
    { 22, 2, 32, 32, 3, 70, 0 },
    { 40, 1, 32, 32, 10, 126, 0 },
    { 4, 2, 16, 16, 200, 0, 0 },   /* many columns: several tiles */
    { 3, 1, 32, 32, 200, 129, 100 },
    { 8, 4, 16, 16, 2, 255, 0 },   /* keys in a part, and one more */
    { 8, 4, 32, 32, 1, 900, 0 },   /* several parts; in windows, too */
    { 8, 4, 32, 32, 2, 900, 700 },
    { 2, 1, 16, 16, 1, 1030, 0 },  /* more than the most parts: longer ones */
    { 4, 4, 8, 8, 2, 4095, 0 },
};

enum { MAX_KEYS = 4100 };

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
    static double scores[MAX_KEYS];
    double max = -(double)INFINITY, total = 0;
    const int64_t begin = t->window > 0 && at - t->window + 1 > 0 ? at - t->window + 1 : 0;
    assert_true(at < MAX_KEYS);
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

/* [n_cols, n_head, v_dim] in double. */
static double *expected_output(const attention_case *t, const cache *c, const einf__attention_job *job)
{
    double *out = get_bytes((size_t)(t->n_cols * t->n_head * t->v_dim) * sizeof *out);
    for (int64_t i = 0; i < t->n_cols * t->n_head; i++)
        attend_naive(out + i * t->v_dim, t, c, job->q + i * t->k_dim, t->first + i / t->n_head,
                     i % t->n_head / (t->n_head / t->n_head_kv), (double)job->scale, (double)job->softcap);
    return out;
}

static void check_output(const attention_case *t, const float *out, const double *expected, const char *what)
{
    for (int64_t i = 0; i < t->n_cols * t->n_head * t->v_dim; i++)
        if (!(fabs((double)out[i] - expected[i]) <= 1e-5))
            fail_msg("%s, case %d heads / %d, first %d, window %d: column %d, head %d, element %d: %.8g, expected %.8g",
                     what, (int)t->n_head, (int)t->n_head_kv, (int)t->first, (int)t->window,
                     (int)(i / t->v_dim / t->n_head), (int)(i / t->v_dim % t->n_head), (int)(i % t->v_dim),
                     (double)out[i], expected[i]);
}

/* Each column by itself gives the same bits. */
static void check_singles(rig *g, const attention_case *t, const einf__attention_job *all)
{
    const int64_t n_out = t->n_cols * t->n_head * t->v_dim;
    float *single = get_guarded(n_out);
    einf__attention_job job = *all;
    job.n_cols = 1;
    for (int64_t j = 0; j < t->n_cols; j++) {
        job.out = single + j * t->n_head * t->v_dim;
        job.q = all->q + j * t->n_head * t->k_dim;
        job.first = t->first + j;
        einf__attention(&g->c, &job);
    }
    assert_memory_equal(single, all->out, (size_t)n_out * sizeof(float));
    put_guarded(single, n_out);
}

static void check_path(rig *rigs, einf__path path, const attention_case *t, const double *expected,
                       const einf__attention_job *base)
{
    const int64_t n_out = t->n_cols * t->n_head * t->v_dim;
    float *out[N_RIGS];
    char what[64];
    einf__attention_job job = *base;
    for (int i = 0; i < N_RIGS; i++) {
        rigs[i].c.path = path;
        out[i] = job.out = get_guarded(n_out);
        einf__attention(&rigs[i].c, &job);
        assert_memory_equal(out[i], out[0], (size_t)n_out * sizeof(float));
    }
    (void)snprintf(what, sizeof what, "%s, path %d", einf__dtype_get(job.kv->type)->name, (int)path);
    check_output(t, out[0], expected, what);
    if (path == EINF__PATH_ROWS) check_singles(&rigs[1], t, &job);
    for (int i = 0; i < N_RIGS; i++) put_guarded(out[i], n_out);
}

static void check_attention(rig *rigs, rng *r, const attention_case *t, einf__dtype type, float softcap)
{
    cache c = make_cache(r, t, type);
    const int64_t n_q = t->n_cols * t->n_head * t->k_dim;
    float *q = get_floats(n_q);
    fill_random(r, q, n_q);
    const einf__attention_job job = { .q = q, .kv = &c.view, .n_cols = t->n_cols, .first = t->first,
                                      .window = t->window, .n_head = t->n_head, .scale = 0.5f, .softcap = softcap };
    double *expected = expected_output(t, &c, &job);
    check_path(rigs, EINF__PATH_ROWS, t, expected, &job);
    check_path(rigs, EINF__PATH_PANELS, t, expected, &job);
    check_path(rigs, EINF__PATH_AUTO, t, expected, &job);
    free(expected);
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

/* What calls are made: heads in sets of at most EINF__ATTEND_MAX_Q, keys in parts, every key of every head once. */
static atomic_int n_calls, n_wrong;
static atomic_long n_keys_seen;

static void spy_attend(const einf__attend *a)
{
    (void)atomic_fetch_add(&n_calls, 1);
    (void)atomic_fetch_add(&n_keys_seen, (long)(a->n_q * (a->key_end - a->key_begin)));
    if (a->n_q < 1 || a->n_q > EINF__ATTEND_MAX_Q || a->key_begin >= a->key_end) (void)atomic_fetch_add(&n_wrong, 1);
    for (int32_t i = 0; i < a->n_q; i++) {
        a->state[i] = (einf__softmax){ 0.0f, 1.0f };
        for (int64_t e = 0; e < a->v_dim; e++) a->out[i * a->out_stride + e] = 1.0f;
    }
}

static void parts_follow_from_the_shape_alone(void **state)
{
    (void)state;
    static const struct {
        int32_t n_head, n_head_kv;
        int64_t n_keys, window;
        int32_t n_calls;
    } shapes[] = { { 32, 8, 21, 0, 8 },    { 32, 8, 256, 0, 8 },   { 32, 8, 257, 0, 16 },   { 32, 8, 4096, 0, 128 },
                   { 32, 8, 4097, 0, 72 }, { 64, 4, 100, 0, 8 },   { 4, 1, 64, 0, 1 },      { 4, 1, 65, 0, 2 },
                   { 12, 1, 21, 0, 2 },    { 17, 1, 21, 0, 3 },    { 14, 2, 1024, 0, 32 },  { 14, 2, 1025, 0, 18 },
                   { 3, 3, 130, 0, 9 },    { 32, 8, 900, 256, 8 }, { 32, 8, 9000, 600, 24 } };
    rng r = { 32 };
    float out[64 * 8], q[64 * 8];
    fill_random(&r, q, 64 * 8);
    for (int32_t n_threads = 1; n_threads <= 3; n_threads++) {
        rig g;
        rig_init(&g, n_threads, 0, 1);
        g.k.attend_f32 = spy_attend;
        for (size_t i = 0; i < TEST_COUNT(shapes); i++) {
            const einf__kv_view kv = { .type = EINF__F32, .n_head_kv = shapes[i].n_head_kv, .k_dim = 8, .v_dim = 8,
                                       .n_ctx = shapes[i].n_keys };
            const einf__attention_job job = { .out = out, .q = q, .kv = &kv, .n_cols = 1,
                                              .first = shapes[i].n_keys - 1, .window = shapes[i].window,
                                              .n_head = shapes[i].n_head, .scale = 1 };
            const int64_t n_keys = shapes[i].window ? shapes[i].window : shapes[i].n_keys;
            atomic_store(&n_calls, 0);
            atomic_store(&n_keys_seen, 0);
            einf__attention(&g.c, &job);
            assert_int_equal(atomic_load(&n_calls), shapes[i].n_calls);
            assert_int_equal(atomic_load(&n_keys_seen), n_keys * shapes[i].n_head);
            for (int32_t e = 0; e < shapes[i].n_head * 8; e++) assert_true(out[e] == 1.0f);
        }
        rig_deinit(&g);
    }
    assert_int_equal(atomic_load(&n_wrong), 0);
}

/* The slot serves few columns, all columns where rows are asked for, and none where panels are. */
static void many_columns_take_tiles(void **state)
{
    (void)state;
    static const struct {
        einf__path path;
        int64_t n_cols;
        bool tiles;
    } paths[] = { { EINF__PATH_AUTO, 1, false },  { EINF__PATH_AUTO, 40, true }, { EINF__PATH_ROWS, 40, false },
                  { EINF__PATH_PANELS, 1, true }, { EINF__PATH_FLOATS, 1, true } };
    const attention_case t = { 4, 2, 16, 16, 40, 20, 0 };
    rng r = { 33 };
    rig g;
    rig_init(&g, 2, 0, 40);
    g.k.attend_f32 = spy_attend;
    cache c = make_cache(&r, &t, EINF__F32);
    float *out = get_floats(40 * 64), *q = get_floats(40 * 64);
    fill_random(&r, q, 40 * 64);
    for (size_t i = 0; i < TEST_COUNT(paths); i++) {
        const einf__attention_job job = { .out = out, .q = q, .kv = &c.view, .n_cols = paths[i].n_cols, .first = 20,
                                          .n_head = 4, .scale = 1 };
        g.c.path = paths[i].path;
        atomic_store(&n_calls, 0);
        einf__attention(&g.c, &job);
        assert_int_equal(atomic_load(&n_calls) == 0, paths[i].tiles);
    }
    free(out);
    free(q);
    free_cache(&c);
    rig_deinit(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_is_softmax_ref),
        cmocka_unit_test(attention_is_softmax_isa),
        cmocka_unit_test(parts_follow_from_the_shape_alone),
        cmocka_unit_test(many_columns_take_tiles),
    };
    return cmocka_run_group_tests_name("verbs: attention", tests, NULL, NULL);
}
