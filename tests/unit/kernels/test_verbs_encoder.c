/* SPDX-License-Identifier: MIT
 * test_verbs_encoder.c - what a picture's encoder asks for beyond a language model: layer norm, linears with an
 * activation, and attention of all columns to all keys, against formulas in double, in every form and on every path;
 * and the same bits from 1, 2 and 3 threads.
 */
#include "tests/unit/kernels/verbs_rig.h"

enum { N_RIGS = 3, MAX_COLS = 150 };

static void make_rigs(rig *rigs, uint32_t cpu)
{
    for (int t = 0; t < N_RIGS; t++) rig_init(&rigs[t], t + 1, cpu, MAX_COLS);
}

static void drop_rigs(rig *rigs)
{
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

/* Forms that a consumer may ask for; a width has those that its groups divide. */
static const unsigned all_forms[] = {
    EINF__ACTS_F32, EINF__ACTS_Q8, EINF__ACTS_TILES_32, EINF__ACTS_TILES_64, EINF__ACTS_TILES_128, EINF__ACTS_F16,
    EINF__ACTS_I16, EINF__ACTS_F32 | EINF__ACTS_Q8 | EINF__ACTS_TILES_64 | EINF__ACTS_F16,
};

static bool fits(unsigned forms, int64_t width)
{
    if ((forms & EINF__ACTS_Q8) && width % 32 != 0) return false;
    return !(forms & EINF__ACTS_TILES) || width % einf__tiles_group(forms) == 0;
}

/* Whatever forms were asked for beside f32 are what the f32 columns become by themselves. */
static void check_forms(const rig *g, const einf__acts *a, const char *what)
{
    const int64_t w = a->width, n = a->n_cols;
    const einf__panel_shape *shape = &g->k.panel_shape;
    void *block;
    einf__acts *same = rig_acts(w, n, &block);
    bool ok = true;
    einf__norm(&g->c, same, a->f32, n, w, NULL, 0.0f, a->forms);
    if (a->forms & EINF__ACTS_Q8)
        ok = memcmp(a->q, same->q, (size_t)(w * n)) == 0 && memcmp(a->d, same->d, (size_t)(w / 32 * n) * 4) == 0 &&
             memcmp(a->sum16, same->sum16, (size_t)(w / 16 * n) * 2) == 0;
    for (int64_t j = 0; ok && (a->forms & EINF__ACTS_TILES) && j < n; j += shape->nr) {
        const einf__tile got = einf__acts_tile(a, shape, j, 0), want = einf__acts_tile(same, shape, j, 0);
        const size_t groups = (size_t)(w / einf__tiles_group(a->forms) * got.n_cols);
        ok = memcmp(got.q, want.q, (size_t)(w * got.n_cols)) == 0 && memcmp(got.d, want.d, groups * 4) == 0 &&
             memcmp(got.start, want.start, groups * 4) == 0 && memcmp(got.dsum, want.dsum, groups * 4) == 0;
    }
    for (int64_t j = 0; ok && (a->forms & EINF__ACTS_NARROW) && j < n; j++) {
        const einf__narrow_cols got = einf__acts_narrow(a, j, 0), want = einf__acts_narrow(same, j, 0);
        ok = memcmp(got.x, want.x, (size_t)w * 2) == 0 &&
             memcmp(got.scale, want.scale, (size_t)einf__narrow_groups(w) * 4) == 0;
    }
    if (!ok) fail_msg("%s: forms 0x%x of %d columns of %d are not what their floats become", what, a->forms, (int)n,
                      (int)w);
    free(block);
}

/* ---------------------------------------------------------------------------------------------- layer norm -- */

static void check_layer_norm(rig *rigs, rng *r, int64_t width, int64_t n_cols, unsigned forms)
{
    const float eps = 1e-6f;
    const int64_t n = width * n_cols;
    float *x = get_floats(n), *w = get_floats(width), *b = get_floats(width), *first = get_floats(n);
    fill_random(r, x, n);
    fill_random(r, w, width);
    fill_random(r, b, width);
    for (int64_t i = 0; i < n; i++) x[i] += 3.0f * (float)(i / width); /* columns differ in their mean */
    for (int t = 0; t < N_RIGS; t++) {
        void *block;
        einf__acts *a = rig_acts(width + 40, n_cols + 1, &block);
        einf__layer_norm(&rigs[t].c, a, x, n_cols, width, w, b, eps, forms);
        assert_true(a->width == width && a->n_cols == n_cols && a->forms == forms);
        if (t == 0) memcpy(first, a->f32, (size_t)n * sizeof(float));
        assert_memory_equal(a->f32, first, (size_t)n * sizeof(float));
        check_forms(&rigs[t], a, "layer norm");
        free(block);
    }
    for (int64_t j = 0; j < n_cols; j++) {
        double mean = 0, squares = 0;
        for (int64_t i = 0; i < width; i++) mean += (double)x[j * width + i] / (double)width;
        for (int64_t i = 0; i < width; i++) squares += pow((double)x[j * width + i] - mean, 2.0);
        const double scale = 1.0 / sqrt(squares / (double)width + (double)eps);
        for (int64_t i = 0; i < width; i++) {
            const double want = ((double)x[j * width + i] - mean) * scale * (double)w[i] + (double)b[i];
            if (!(fabs((double)first[j * width + i] - want) <= 1e-6 * (fabs(want) + 1.0)))
                fail_msg("layer norm, width %d, column %d of %d, element %d: %.9g, expected %.9g", (int)width, (int)j,
                         (int)n_cols, (int)i, (double)first[j * width + i], want);
        }
    }
    free(x);
    free(w);
    free(b);
    free(first);
}

static void layer_norm_is_the_formula(uint32_t cpu)
{
    static const int64_t widths[] = { 33, 64, 128, 1280 }, column_counts[] = { 1, 3, 17, 33 };
    rig rigs[N_RIGS];
    rng r = { 51 };
    make_rigs(rigs, cpu);
    for (size_t i = 0; i < TEST_COUNT(widths); i++)
        for (size_t f = 0; f < TEST_COUNT(all_forms); f++)
            for (size_t j = 0; j < TEST_COUNT(column_counts); j++)
                if (fits(all_forms[f], widths[i]))
                    check_layer_norm(rigs, &r, widths[i], column_counts[j], all_forms[f]);
    drop_rigs(rigs);
}

static void layer_norm_is_the_formula_ref(void **state)
{
    (void)state;
    layer_norm_is_the_formula(0);
}

static void layer_norm_is_the_formula_isa(void **state)
{
    (void)state;
    if (einf__cpu_features()) layer_norm_is_the_formula(einf__cpu_features());
}

/* ---------------------------------------------------------------------------------------------- activations -- */

static double act_naive(einf__act act, double x)
{
    if (act == EINF__ACT_GELU) return 0.5 * x * erfc(-x * sqrt(0.5));
    return x / (1.0 + exp(act == EINF__ACT_SILU ? -x : -1.702 * x));
}

typedef struct mode {
    einf__path path;
    bool exact;
    einf__float_sum float_sum;
} mode;

static const mode modes[] = {
    { EINF__PATH_AUTO, false, 0 },        { EINF__PATH_ROWS, false, 0 },
    { EINF__PATH_PANELS, false, 0 },      { EINF__PATH_PANELS_32, false, 0 },
    { EINF__PATH_PANELS_64, false, 0 },   { EINF__PATH_PANELS_128, false, 0 },
    { EINF__PATH_FLOATS, false, 0 },      { EINF__PATH_ROWS, true, 0 },
    { EINF__PATH_PANELS, true, 0 },       { EINF__PATH_PANELS, false, EINF__SUM_F16 },
    { EINF__PATH_PANELS, false, EINF__SUM_I16 },
};

static void set_mode(rig *rigs, const mode *m)
{
    for (int t = 0; t < N_RIGS; t++) {
        rigs[t].c.path = m->path;
        rigs[t].c.exact = m->exact;
        rigs[t].c.float_sum = m->float_sum;
    }
}

/* Columns of 1 to 4 times random numbers, in the forms that w reads. */
static einf__acts *fill_acts(const rig *g, const weights *w, const float *x, int64_t n_cols, void **block)
{
    const einf__matrix *list[] = { &w->m };
    einf__acts *a = rig_acts(w->m.n_in, n_cols, block);
    einf__norm(&g->c, a, x, n_cols, w->m.n_in, NULL, 0.0f, einf__acts_forms(&g->c, list, 1, n_cols));
    return a;
}

/* hidden against the activation in double of sums in double, where the matrix is multiplied as it is in floats; in
 * int8 and halves, against those of the linear itself, which other tests hold against double. */
static void check_activated(const rig *g, const weights *w, const float *x, int64_t n_cols, einf__act act,
                            const float *hidden, const float *plain)
{
    const bool floats = einf__form_read(&g->c, &w->m, n_cols) == EINF__ACTS_F32;
    for (int64_t j = 0; j < n_cols; j++) {
        for (int64_t i = 0; i < w->m.n_out; i++) {
            const double got = (double)hidden[j * w->m.n_out + i], y = (double)plain[j * w->m.n_out + i];
            double sum_abs, bound = 1e-6 * fabs(act_naive(act, y)) + 1e-6 * fabs(y) + 1e-30;
            if (!(fabs(got - act_naive(act, y)) <= bound))
                fail_msg("%s, activation %d, path %d, row %d of %d, column %d: %.9g of %.9g",
                         einf__dtype_get(w->m.type)->name, (int)act, (int)g->c.path, (int)i, (int)w->m.n_out, (int)j,
                         got, y);
            if (!floats) continue;
            double sum = dot_naive(w, i, x + j * w->m.n_in, &sum_abs);
            if (w->bias) sum += (double)w->bias[i], sum_abs += fabs((double)w->bias[i]);
            bound += 1.13 * (double)EINF__TOL_REORDER(w->m.n_in) * sum_abs; /* 1.13: the steepest that they are */
            if (!(fabs(got - act_naive(act, sum)) <= bound))
                fail_msg("%s, activation %d, path %d, row %d of %d, column %d: %.9g, expected %.9g",
                         einf__dtype_get(w->m.type)->name, (int)act, (int)g->c.path, (int)i, (int)w->m.n_out, (int)j,
                         got, act_naive(act, sum));
        }
    }
}

static void check_linear_act(rig *rigs, rng *r, const weights *w, int64_t n_cols, einf__act act, unsigned forms)
{
    const int64_t n_out = w->m.n_out, n = n_out * n_cols;
    float *x = get_floats(w->m.n_in * n_cols), *plain = get_floats(n), *first = get_floats(n);
    fill_random(r, x, w->m.n_in * n_cols);
    for (int64_t i = 0; i < w->m.n_in * n_cols; i++) x[i] *= 4;
    for (int t = 0; t < N_RIGS; t++) {
        void *block, *hidden_block;
        einf__acts *acts = fill_acts(&rigs[t], w, x, n_cols, &block);
        einf__acts *hidden = rig_acts(n_out + 40, n_cols + 1, &hidden_block); /* room for wider layers */
        einf__linear_act(&rigs[t].c, hidden, &w->m, act, forms, acts);
        assert_true(hidden->width == n_out && hidden->n_cols == n_cols && hidden->forms == forms);
        check_forms(&rigs[t], hidden, "linear_act");
        if (t == 0) {
            memcpy(first, hidden->f32, (size_t)n * sizeof(float));
            einf__linear(&rigs[0].c, &(einf__linear_out){ &w->m, plain, false }, 1, acts);
        }
        assert_memory_equal(hidden->f32, first, (size_t)n * sizeof(float));
        free(hidden_block);
        free(block);
    }
    check_activated(&rigs[0], w, x, n_cols, act, first, plain);
    free(x);
    free(plain);
    free(first);
}

static void linear_act_is_the_formula(uint32_t cpu)
{
    static const struct { einf__dtype type; int64_t n_out, n_in; } shapes[] = {
        { EINF__F32, 7, 33 },     { EINF__F32, 172, 64 },  { EINF__F16, 384, 172 }, { EINF__F16, 256, 1100 },
        { EINF__Q8_0, 384, 128 }, { EINF__Q4_K, 128, 512 }, { EINF__Q6_K, 160, 256 },
    };
    static const int64_t column_counts[] = { 1, 5, 33, 140 };
    rig rigs[N_RIGS];
    rng r = { 52 };
    int turn = 0;
    make_rigs(rigs, cpu);
    for (size_t s = 0; s < TEST_COUNT(shapes); s++) {
        weights w = make_weights(&r, shapes[s].type, shapes[s].n_out, shapes[s].n_in, s % 3 != 0, s % 2);
        for (size_t m = 0; m < TEST_COUNT(modes); m++) {
            set_mode(rigs, &modes[m]);
            for (size_t i = 0; i < TEST_COUNT(column_counts) - (test_is_emulated() || cpu == 0); i++) {
                const unsigned forms = all_forms[(size_t)turn++ % TEST_COUNT(all_forms)];
                check_linear_act(rigs, &r, &w, column_counts[i], (einf__act)(turn % EINF__N_ACTS),
                                 fits(forms, w.m.n_out) ? forms : EINF__ACTS_F32 | EINF__ACTS_F16);
            }
        }
        free_weights(&w);
    }
    drop_rigs(rigs);
}

static void linear_act_is_the_formula_ref(void **state)
{
    (void)state;
    linear_act_is_the_formula(0);
}

static void linear_act_is_the_formula_isa(void **state)
{
    (void)state;
    if (einf__cpu_features()) linear_act_is_the_formula(einf__cpu_features());
}

/* A feed-forward layer whose sums are narrow: so are its hidden columns, and the result is near, but not f32's. */
static void feed_forward_in_16_bits(einf__float_sum sum, unsigned form, double max_error)
{
    enum { WIDTH = 160, HIDDEN = 448, N_COLS = 37 };
    rng r = { 53 };
    rig g;
    rig_init(&g, 2, einf__cpu_features(), MAX_COLS);
    weights up = make_weights(&r, EINF__F16, HIDDEN, WIDTH, true, 0);
    weights down = make_weights(&r, EINF__F16, WIDTH, HIDDEN, true, 0);
    const einf__matrix *reader[] = { &down.m };
    float *x = get_floats(WIDTH * N_COLS), *y[2];
    fill_random(&r, x, WIDTH * N_COLS);
    for (int narrow = 0; narrow < 2; narrow++) {
        void *block, *hidden_block;
        g.c.float_sum = narrow ? sum : EINF__SUM_F32;
        einf__acts *acts = fill_acts(&g, &up, x, N_COLS, &block), *hidden = rig_acts(HIDDEN, N_COLS, &hidden_block);
        const unsigned forms = einf__acts_forms(&g.c, reader, 1, N_COLS);
        assert_int_equal(forms, narrow ? form : EINF__ACTS_F32);
        einf__linear_act(&g.c, hidden, &up.m, EINF__ACT_QUICK_GELU, forms, acts);
        y[narrow] = get_guarded(WIDTH * N_COLS);
        einf__linear(&g.c, &(einf__linear_out){ &down.m, y[narrow], false }, 1, hidden);
        free(block);
        free(hidden_block);
    }
    double error = 0, size = 0;
    for (int64_t i = 0; i < WIDTH * N_COLS; i++) {
        error += pow((double)y[1][i] - (double)y[0][i], 2.0);
        size += pow((double)y[0][i], 2.0);
    }
    assert_true(sqrt(error / size) < max_error && sqrt(error / size) > 1e-5);
    for (int i = 0; i < 2; i++) put_guarded(y[i], WIDTH * N_COLS);
    free(x);
    free_weights(&up);
    free_weights(&down);
    rig_deinit(&g);
}

static void feed_forward_in_halves(void **state)
{
    (void)state;
    feed_forward_in_16_bits(EINF__SUM_F16, EINF__ACTS_F16, 2.5e-3);
}

static void feed_forward_in_integers(void **state)
{
    (void)state;
    feed_forward_in_16_bits(EINF__SUM_I16, EINF__ACTS_I16, 4e-4);
}

/* ------------------------------------------------------------------------------------------- full attention -- */

typedef struct full_case {
    int32_t n_head, n_head_kv, k_dim, v_dim;
    int64_t n_keys, n_cols;
} full_case;

static const full_case full_cases[] = {
    { 2, 2, 80, 80, 1, 1 },      { 2, 2, 64, 64, 1, 9 },    { 3, 3, 72, 72, 7, 7 },    { 2, 2, 80, 80, 7, 3 },
    { 2, 2, 80, 80, 128, 128 },  { 2, 2, 64, 64, 129, 129 }, { 1, 1, 72, 72, 129, 40 }, { 4, 2, 80, 80, 129, 70 },
    { 1, 1, 80, 80, 864, 30 },   { 2, 1, 64, 64, 864, 1 },  { 2, 2, 72, 72, 864, 5 },  { 2, 2, 5, 3, 140, 140 },
    { 16, 16, 16, 16, 129, 260 }, /* a tile of the most columns, and what is left */
};

/* A cache whose rows behind n_keys are NaN; keys [n_head_kv, n_ctx, k_dim] and values as floats beside it. */
static einf__kv_view make_cache(rng *r, const full_case *t, einf__dtype type, float **keys, float **values)
{
    const int64_t n_ctx = (t->n_keys > t->n_cols ? t->n_keys : t->n_cols) + 3;
    const int64_t dims[2] = { t->k_dim, t->v_dim };
    float *dense[2];
    void *rows[2];
    for (int i = 0; i < 2; i++) {
        const int64_t n = t->n_head_kv * n_ctx * dims[i];
        dense[i] = get_floats(n);
        rows[i] = get_bytes((size_t)einf__kv_row_bytes(type, n));
        for (int64_t e = 0; e < n; e++) {
            const bool seen = e / dims[i] % n_ctx < t->n_keys;
            const uint16_t half = seen ? einf__f32_to_f16(rng_f32(r)) : UINT16_C(0xffff);
            dense[i][e] = seen ? einf__f16_to_f32(half) : NAN;
            if (type == EINF__F16) ((uint16_t *)rows[i])[e] = half;
            else ((float *)rows[i])[e] = dense[i][e];
        }
    }
    *keys = dense[0];
    *values = dense[1];
    return (einf__kv_view){ .k = rows[0], .v = rows[1], .type = type, .n_head_kv = t->n_head_kv, .k_dim = t->k_dim,
                            .v_dim = t->v_dim, .n_ctx = n_ctx };
}

/* out [v_dim] of query q. */
static void attend_naive(double *out, const full_case *t, const float *q, const float *keys, const float *values,
                         double scale)
{
    double *weight = get_bytes((size_t)t->n_keys * sizeof *weight), max = -(double)INFINITY, total = 0;
    for (int64_t p = 0; p < t->n_keys; p++) {
        weight[p] = 0;
        for (int64_t e = 0; e < t->k_dim; e++) weight[p] += scale * (double)q[e] * (double)keys[p * t->k_dim + e];
        max = fmax(max, weight[p]);
    }
    for (int64_t p = 0; p < t->n_keys; p++) total += weight[p] = exp(weight[p] - max);
    for (int64_t e = 0; e < t->v_dim; e++) {
        out[e] = 0;
        for (int64_t p = 0; p < t->n_keys; p++) out[e] += weight[p] / total * (double)values[p * t->v_dim + e];
    }
    free(weight);
}

static double *expected_output(const full_case *t, const einf__attention_job *job, const float *keys,
                               const float *values)
{
    const int64_t n_ctx = job->kv->n_ctx;
    double *out = get_bytes((size_t)(t->n_cols * t->n_head * t->v_dim) * sizeof *out);
    for (int64_t i = 0; i < t->n_cols * t->n_head; i++) {
        const int64_t i_kv = i % t->n_head / (t->n_head / t->n_head_kv);
        attend_naive(out + i * t->v_dim, t, job->q + i * t->k_dim, keys + i_kv * n_ctx * t->k_dim,
                     values + i_kv * n_ctx * t->v_dim, (double)job->scale);
    }
    return out;
}

static void check_full_attention(rig *rigs, rng *r, const full_case *t, einf__dtype type)
{
    static const einf__path paths[] = { EINF__PATH_AUTO, EINF__PATH_ROWS, EINF__PATH_PANELS };
    const int64_t n_out = t->n_cols * t->n_head * t->v_dim, n_q = t->n_cols * t->n_head * t->k_dim;
    float *keys, *values, *q = get_floats(n_q);
    const einf__kv_view kv = make_cache(r, t, type, &keys, &values);
    fill_random(r, q, n_q);
    einf__attention_job job = { .q = q, .kv = &kv, .n_cols = t->n_cols, .n_keys = t->n_keys, .n_head = t->n_head,
                                .scale = 1.0f };
    double *expected = expected_output(t, &job, keys, values);
    for (size_t p = 0; p < TEST_COUNT(paths); p++) {
        float *out[N_RIGS];
        for (int i = 0; i < N_RIGS; i++) {
            rigs[i].c.path = paths[p];
            out[i] = job.out = get_guarded(n_out);
            einf__attention(&rigs[i].c, &job);
            assert_memory_equal(out[i], out[0], (size_t)n_out * sizeof(float));
        }
        for (int64_t i = 0; i < n_out; i++)
            if (!(fabs((double)out[0][i] - expected[i]) <= 1e-5))
                fail_msg("%s, path %d, heads of %d, %d keys, column %d of %d: %.8g, expected %.8g",
                         einf__dtype_get(type)->name, (int)paths[p], (int)t->k_dim, (int)t->n_keys,
                         (int)(i / t->v_dim / t->n_head), (int)t->n_cols, (double)out[0][i], expected[i]);
        for (int i = 0; i < N_RIGS; i++) put_guarded(out[i], n_out);
    }
    free(expected);
    free(kv.k);
    free(kv.v);
    free(keys);
    free(values);
    free(q);
}

static void full_attention_is_softmax(uint32_t cpu)
{
    rig rigs[N_RIGS];
    rng r = { 54 };
    make_rigs(rigs, cpu);
    for (size_t i = 0; i < TEST_COUNT(full_cases); i++) {
        check_full_attention(rigs, &r, &full_cases[i], EINF__F32);
        check_full_attention(rigs, &r, &full_cases[i], EINF__F16);
    }
    drop_rigs(rigs);
}

static void full_attention_is_softmax_ref(void **state)
{
    (void)state;
    full_attention_is_softmax(0);
}

static void full_attention_is_softmax_isa(void **state)
{
    (void)state;
    if (einf__cpu_features()) full_attention_is_softmax(einf__cpu_features());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layer_norm_is_the_formula_ref), cmocka_unit_test(layer_norm_is_the_formula_isa),
        cmocka_unit_test(linear_act_is_the_formula_ref), cmocka_unit_test(linear_act_is_the_formula_isa),
        cmocka_unit_test(feed_forward_in_halves),        cmocka_unit_test(feed_forward_in_integers),
        cmocka_unit_test(full_attention_is_softmax_ref),
        cmocka_unit_test(full_attention_is_softmax_isa),
    };
    return cmocka_run_group_tests_name("verbs: a picture's encoder", tests, NULL, NULL);
}
