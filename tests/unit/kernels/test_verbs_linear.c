/* SPDX-License-Identifier: MIT
 * test_verbs_linear.c - linear and linear_glu against sums in double: types, odd sizes, both paths, exact mode, bias,
 * residual, several matrices in one region, and the same bits from 1, 2 and 3 threads.
 */
#include "tests/unit/kernels/verbs_rig.h"

/* ------------------------------------------------------------------------------------ what is multiplied -- */

/* Columns as a matrix sees them that meets them so: x itself, or what is left of it as int8. forms: of the columns. */
static float *columns_seen(const einf__compute *c, const einf__matrix *w, unsigned forms, const float *x,
                           int64_t n_cols)
{
    const einf__how how = einf__how_of(c, w->type, n_cols);
    const int64_t n = w->n_in;
    float *seen = get_floats(n * n_cols);
    memcpy(seen, x, (size_t)(n * n_cols) * sizeof(float));
    if (einf__form_read(c, w, n_cols) == EINF__ACTS_F32) return seen;
    const int group = how == EINF__BY_STRIPS ? einf__tiles_group(forms) : 32;
    for (int64_t i = 0; i < n * n_cols; i += group) {
        float max = 0.0f;
        for (int e = 0; e < group; e++) max = fmaxf(max, fabsf(x[i + e]));
        const float d = max / 127.0f, inverse = d > 0.0f ? 1.0f / d : 0.0f;
        for (int e = 0; e < group; e++) seen[i + e] = d * (float)lrintf(x[i + e] * inverse);
    }
    return seen;
}

/* Weights likewise: the file's, or what a strip holds of them. What is packed right is checkkern's affair. */
static float *weights_seen(const einf__compute *c, const weights *w, unsigned forms, int64_t n_cols)
{
    const einf__panel_shape *s = &c->kernels->panel_shape;
    const int64_t n_in = w->m.n_in;
    float *seen = get_floats(w->m.n_out * n_in);
    memcpy(seen, w->dense, (size_t)(w->m.n_out * n_in) * sizeof(float));
    if (einf__how_of(c, w->m.type, n_cols) != EINF__BY_STRIPS) return seen;
    const einf__panel_form form = einf__strip_form(c->kernels, w->m.type, einf__tiles_group(forms));
    const int group = einf__panel_group(form);
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, EINF__PANEL_ALIGN, (size_t)einf__strip_bytes(s, n_in)), 0);
    const einf__strip strip = einf__strip_over(s, memory, n_in);
    for (int64_t first = 0; first < w->m.n_out; first += s->mr) {
        const int64_t n_rows = w->m.n_out - first < s->mr ? w->m.n_out - first : s->mr;
        c->kernels->pack[w->m.type](c->kernels, &strip, form,
                                    (const uint8_t *)w->m.data + (size_t)first * w->m.row_bytes, w->m.row_bytes,
                                    (int32_t)n_rows, n_in);
        for (int64_t i = 0; i < n_rows * n_in; i++) {
            const int64_t row = i / n_in, e = i % n_in, at = e / group * s->mr + row;
            const uint8_t byte = strip.codes[(e / s->k_unit * s->mr + row) * s->k_unit + e % s->k_unit];
            const int bias = einf__code_bias(s, form);
            const int factor = form == EINF__PANEL_16 ? strip.factor[2 * at + e / 16 % 2] : 1;
            const int code = bias != 0 || einf__panel_has_minima(form) ? byte - bias : (int8_t)byte;
            seen[first * n_in + i] = strip.scale[at] * (float)(factor * code) -
                                     (einf__panel_has_minima(form) ? strip.min[at] : 0.0f);
        }
    }
    free(memory);
    return seen;
}

/* y [n_cols, n_out] is W x + bias (+ before). */
static void check_product(const weights *w, const float *seen, int64_t n_cols, const float *y, const float *before,
                          const char *what)
{
    const int64_t n_out = w->m.n_out;
    for (int64_t j = 0; j < n_cols; j++) {
        for (int64_t i = 0; i < n_out; i++) {
            double sum_abs;
            double expected = dot_naive(w, i, seen + j * w->m.n_in, &sum_abs);
            if (w->bias) expected += (double)w->bias[i], sum_abs += fabs((double)w->bias[i]);
            if (before) expected += (double)before[j * n_out + i], sum_abs += fabs((double)before[j * n_out + i]);
            const double error = fabs((double)y[j * n_out + i] - expected);
            if (!(error <= (double)EINF__TOL_REORDER(w->m.n_in) * sum_abs + 1e-12))
                fail_msg("%s: %s, row %d of %d, column %d of %d, n_in %d: %.9g, expected %.9g", what,
                         einf__dtype_get(w->m.type)->name, (int)i, (int)n_out, (int)j, (int)n_cols, (int)w->m.n_in,
                         (double)y[j * n_out + i], expected);
        }
    }
}

typedef struct mode {
    const char *name;
    einf__path path;
    bool exact;
} mode;

static const mode modes[] = {
    { "auto", EINF__PATH_AUTO, false },
    { "rows", EINF__PATH_ROWS, false },
    { "panels", EINF__PATH_PANELS, false },
    { "panels of 32", EINF__PATH_PANELS_32, false },
    { "panels of 64", EINF__PATH_PANELS_64, false },
    { "panels of 128", EINF__PATH_PANELS_128, false },
    { "floats", EINF__PATH_FLOATS, false },
    { "exact rows", EINF__PATH_ROWS, true },
    { "exact panels", EINF__PATH_PANELS, true },
    { "exact auto", EINF__PATH_AUTO, true },
};

enum { MAX_COLS = 33, N_RIGS = 3 };

/* The same compute with 1, 2 and 3 threads. */
static void make_rigs(rig *rigs, uint32_t cpu, int64_t max_cols)
{
    for (int t = 0; t < N_RIGS; t++) rig_init(&rigs[t], t + 1, cpu, max_cols);
}

static void set_mode(rig *rigs, const mode *m)
{
    for (int t = 0; t < N_RIGS; t++) {
        rigs[t].c.path = m->path;
        rigs[t].c.exact = m->exact;
    }
}

/* One linear over n matrices with all thread counts: checked against the sums, and bitwise against each other. */
static void check_linear(rig *rigs, rng *r, const weights *w, int n, int64_t n_cols, bool add, const char *what)
{
    const int64_t n_in = w[0].m.n_in;
    void *block;
    einf__acts *acts = rig_acts(n_in, n_cols, &block);
    float *x = get_floats(n_in * n_cols);
    fill_random(r, x, n_in * n_cols);
    float *y[N_RIGS][3], *before[3];
    for (int i = 0; i < n; i++) {
        before[i] = get_floats(w[i].m.n_out * n_cols);
        fill_random(r, before[i], w[i].m.n_out * n_cols);
    }
    for (int t = 0; t < N_RIGS; t++) {
        const einf__matrix *list[3];
        einf__linear_out out[3];
        for (int i = 0; i < n; i++) {
            const size_t bytes = (size_t)(w[i].m.n_out * n_cols) * sizeof(float);
            y[t][i] = get_guarded(w[i].m.n_out * n_cols);
            if (add) memcpy(y[t][i], before[i], bytes);
            list[i] = &w[i].m;
            out[i] = (einf__linear_out){ &w[i].m, y[t][i], add };
        }
        const unsigned forms = einf__acts_forms(&rigs[t].c, list, n, n_cols);
        einf__norm(&rigs[t].c, acts, x, n_cols, n_in, NULL, 0.0f, forms);
        einf__linear(&rigs[t].c, out, n, acts);
        for (int i = 0; t > 0 && i < n; i++)
            assert_memory_equal(y[t][i], y[0][i], (size_t)(w[i].m.n_out * n_cols) * sizeof(float));
    }
    for (int i = 0; i < n; i++) {
        weights as_seen = w[i];
        float *seen = columns_seen(&rigs[0].c, &w[i].m, acts->forms, x, n_cols);
        as_seen.dense = weights_seen(&rigs[0].c, &w[i], acts->forms, n_cols);
        check_product(&as_seen, seen, n_cols, y[0][i], add ? before[i] : NULL, what);
        free(seen);
        free(as_seen.dense);
        free(before[i]);
        for (int t = 0; t < N_RIGS; t++) put_guarded(y[t][i], w[i].m.n_out * n_cols);
    }
    free(x);
    free(block);
}

typedef struct shape {
    einf__dtype type;
    int64_t n_out, n_in;
} shape;

/* Odd numbers of rows; depths of one, one and a bit, and several panel slices; the width 172 of stories260K. */
static const shape shapes[] = {
    { EINF__F32, 1, 64 },    { EINF__F32, 7, 172 },   { EINF__F32, 172, 64 },  { EINF__F32, 33, 640 },
    { EINF__F16, 7, 172 },   { EINF__F16, 33, 256 },  { EINF__F16, 172, 640 }, { EINF__Q8_0, 1, 64 },
    { EINF__Q8_0, 33, 640 }, { EINF__Q8_0, 172, 256 }, { EINF__Q4_K, 1, 256 }, { EINF__Q4_K, 7, 1280 },
    { EINF__Q4_K, 33, 256 }, { EINF__Q4_K, 172, 512 }, { EINF__Q6_K, 33, 768 },
};

static void linear_is_the_product(uint32_t cpu)
{
    static const int64_t column_counts[] = { 1, 2, 3, 5, 8, 9, 16, 33 };
    rig rigs[N_RIGS];
    rng r = { 7 };
    make_rigs(rigs, cpu, MAX_COLS);
    for (size_t s = 0; s < TEST_COUNT(shapes); s++) {
        weights plain = make_weights(&r, shapes[s].type, shapes[s].n_out, shapes[s].n_in, false, 0);
        weights biased = make_weights(&r, shapes[s].type, shapes[s].n_out, shapes[s].n_in, true, s % 4);
        for (size_t m = 0; m < TEST_COUNT(modes); m++) {
            set_mode(rigs, &modes[m]);
            for (size_t i = test_is_emulated() ? 5 : 0; i < TEST_COUNT(column_counts); i++) {
                const bool add = (s + m + i) % 2 == 0;
                check_linear(rigs, &r, (s + i) % 3 == 0 ? &biased : &plain, 1, column_counts[i], add, modes[m].name);
            }
        }
        free_weights(&plain);
        free_weights(&biased);
    }
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

static void linear_is_the_product_ref(void **state)
{
    (void)state;
    linear_is_the_product(0);
}

static void linear_is_the_product_isa(void **state)
{
    (void)state;
    if (einf__cpu_features()) linear_is_the_product(einf__cpu_features());
}

/* Bias and residual together and apart, in every mode. */
static void bias_and_residual_add_up(void **state)
{
    (void)state;
    rig rigs[N_RIGS];
    rng r = { 8 };
    make_rigs(rigs, 0, MAX_COLS);
    weights w[2] = { make_weights(&r, EINF__Q8_0, 40, 544, false, 0), make_weights(&r, EINF__Q8_0, 40, 544, true, 0) };
    for (size_t m = 0; m < TEST_COUNT(modes); m++) {
        set_mode(rigs, &modes[m]);
        for (int which = 0; which < 4; which++) check_linear(rigs, &r, &w[which / 2], 1, 5, which % 2, modes[m].name);
    }
    for (int i = 0; i < 2; i++) free_weights(&w[i]);
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

/* q, k, v of different types and sizes in one region; then with one of them missing. */
static void several_matrices_in_one_region(void **state)
{
    (void)state;
    rig rigs[N_RIGS];
    rng r = { 9 };
    make_rigs(rigs, 0, MAX_COLS);
    weights w[3] = { make_weights(&r, EINF__Q4_K, 172, 512, true, 0), make_weights(&r, EINF__F16, 33, 512, false, 0),
                     make_weights(&r, EINF__Q6_K, 1, 512, true, 0) };
    for (size_t m = 0; m < TEST_COUNT(modes); m++) {
        set_mode(rigs, &modes[m]);
        for (int64_t n_cols = 1; n_cols <= 33; n_cols += 16)
            for (int add = 0; add < 2; add++) check_linear(rigs, &r, w, 3, n_cols, add, modes[m].name);
    }

    const einf__matrix absent = { .data = NULL };
    float *x = get_floats(512), *y = get_guarded(33), *alone = get_guarded(33);
    void *block;
    einf__acts *acts = rig_acts(512, 1, &block);
    fill_random(&r, x, 512);
    set_mode(rigs, &modes[0]);
    einf__norm(&rigs[1].c, acts, x, 1, 512, NULL, 0.0f, EINF__ACTS_F32 | EINF__ACTS_Q8);
    const einf__linear_out holes[] = { { &absent, NULL, false }, { &w[1].m, y, false }, { NULL, NULL, false } };
    einf__linear(&rigs[1].c, holes, 3, acts);
    einf__linear(&rigs[1].c, &(einf__linear_out){ &w[1].m, alone, false }, 1, acts);
    assert_memory_equal(y, alone, 33 * sizeof(float));
    einf__linear(&rigs[1].c, holes, 1, acts); /* nothing to do */
    put_guarded(y, 33);
    put_guarded(alone, 33);
    free(x);
    free(block);
    for (int i = 0; i < 3; i++) free_weights(&w[i]);
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

/* More columns than a tile or a gated block holds, more rows than the limit for half chunks. */
static void many_columns_and_rows(void **state)
{
    (void)state;
    rig rigs[N_RIGS];
    rng r = { 10 };
    make_rigs(rigs, einf__cpu_features(), 300);
    weights wide = make_weights(&r, EINF__F16, 70, 544, true, 0);
    weights tall = make_weights(&r, EINF__Q8_0, 1100, 64, false, 0);
    for (size_t m = 0; m < TEST_COUNT(modes); m++) {
        set_mode(rigs, &modes[m]);
        check_linear(rigs, &r, &wide, 1, 300, m % 2, modes[m].name);
        check_linear(rigs, &r, &tall, 1, 70, m % 2, modes[m].name);
    }
    free_weights(&wide);
    free_weights(&tall);
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

/* Every mode at decode's width, a short question's, a batch's and a whole one's, with tiles that are full and not. */
static void every_mode_at_every_width(void **state)
{
    (void)state;
    static const shape wide[] = { { EINF__Q4_K, 70, 256 }, { EINF__Q6_K, 33, 256 }, { EINF__Q8_0, 70, 288 },
                                  { EINF__F16, 33, 256 } };
    static const int64_t column_counts[] = { 1, 8, 32, 200, 512 };
    rig rigs[N_RIGS];
    rng r = { 18 };
    make_rigs(rigs, einf__cpu_features(), 512);
    for (size_t s = 0; s < TEST_COUNT(wide); s++) {
        weights w = make_weights(&r, wide[s].type, wide[s].n_out, wide[s].n_in, true, s);
        for (size_t m = 0; m < TEST_COUNT(modes); m++) {
            set_mode(rigs, &modes[m]);
            const size_t n_counts = test_is_emulated() ? 2 : TEST_COUNT(column_counts); /* minutes otherwise */
            for (size_t i = 0; i < n_counts; i++)
                check_linear(rigs, &r, &w, 1, column_counts[i], i % 2, modes[m].name);
        }
        free_weights(&w);
    }
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

/* int8 activations are an approximation, and a good one. */
static void int8_rows_are_close_to_exact(void **state)
{
    (void)state;
    rig g;
    rng r = { 11 };
    rig_init(&g, 1, einf__cpu_features(), 2);
    weights w = make_weights(&r, EINF__Q4_K, 172, 1024, false, 0);
    float *x = get_floats(2 * 1024), *exact = get_floats(2 * 172), *fast = get_floats(2 * 172);
    void *block;
    einf__acts *acts = rig_acts(1024, 2, &block);
    fill_random(&r, x, 2 * 1024);
    einf__norm(&g.c, acts, x, 2, 1024, NULL, 0.0f, EINF__ACTS_F32 | EINF__ACTS_Q8);
    g.c.path = EINF__PATH_ROWS;
    einf__linear(&g.c, &(einf__linear_out){ &w.m, fast, false }, 1, acts);
    g.c.exact = true;
    einf__linear(&g.c, &(einf__linear_out){ &w.m, exact, false }, 1, acts);
    double error = 0, size = 0;
    for (int i = 0; i < 2 * 172; i++) {
        error += pow((double)fast[i] - (double)exact[i], 2);
        size += pow((double)exact[i], 2);
    }
    assert_true(error > 0); /* it is another computation */
    assert_true(sqrt(error / size) < 0.02);
    free(x);
    free(exact);
    free(fast);
    free(block);
    free_weights(&w);
    rig_deinit(&g);
}

/* -------------------------------------------------------------------------------- which slots are called -- */

static atomic_int n_dot_q8, n_dot_f32, n_gemm, n_to_f32;
static einf__kernels real;

static void spy_dot_q8_0(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows, int64_t n_in,
                         const einf__cols *x, int n_cols)
{
    assert_true(n_cols >= 1 && n_cols <= EINF__MAX_DOT_COLS && n_rows >= 1 && x->f32 == NULL);
    (void)atomic_fetch_add(&n_dot_q8, 1);
    real.dot[EINF__Q8_0](y, y_stride, w, row_bytes, n_rows, n_in, x, n_cols);
}

static void spy_dot_f32(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows, int64_t n_in,
                        const einf__cols *x, int n_cols)
{
    assert_true(n_cols >= 1 && n_cols <= EINF__MAX_DOT_COLS && n_rows >= 1 && x->f32 != NULL);
    (void)atomic_fetch_add(&n_dot_f32, 1);
    real.dot[EINF__F32](y, y_stride, w, row_bytes, n_rows, n_in, x, n_cols);
}

static void spy_gemm(void *user, int32_t m, int32_t n, int32_t depth, const float *a, int64_t lda, const float *b,
                     int64_t ldb, float *c, int64_t ldc)
{
    assert_ptr_equal(user, &n_gemm);
    (void)atomic_fetch_add(&n_gemm, 1);
    real.gemm_f32(real.gemm_user, m, n, depth, a, lda, b, ldb, c, ldc);
}

static void spy_to_f32(float *y, const void *w, int64_t n)
{
    (void)atomic_fetch_add(&n_to_f32, 1);
    real.to_f32[EINF__F32](y, w, n);
}

static void clear_spies(void)
{
    atomic_store(&n_dot_q8, 0);
    atomic_store(&n_dot_f32, 0);
    atomic_store(&n_gemm, 0);
    atomic_store(&n_to_f32, 0);
}

/* Run w over n_cols columns in a mode; the forms that were asked for. */
static unsigned run_spied(rig *g, const mode *m, const weights *w, int64_t n_cols)
{
    float *x = get_floats(w->m.n_in * n_cols), *y = get_floats(w->m.n_out * n_cols);
    const einf__matrix *list[] = { &w->m, NULL };
    void *block;
    einf__acts *acts = rig_acts(w->m.n_in, n_cols, &block);
    rng r = { 3 };
    fill_random(&r, x, w->m.n_in * n_cols);
    g->c.path = m->path;
    g->c.exact = m->exact;
    const unsigned forms = einf__acts_forms(&g->c, list, 2, n_cols);
    clear_spies();
    einf__norm(&g->c, acts, x, n_cols, w->m.n_in, NULL, 0.0f, forms);
    einf__linear(&g->c, &(einf__linear_out){ &w->m, y, false }, 1, acts);
    free(x);
    free(y);
    free(block);
    return forms;
}

static void install_spies(rig *g)
{
    einf__kernels_init(&real, 0, NULL);
    g->k.dot[EINF__Q8_0] = spy_dot_q8_0;
    g->k.dot[EINF__F32] = spy_dot_f32;
    g->k.to_f32[EINF__F32] = spy_to_f32;
    g->k.gemm_f32 = spy_gemm;
    g->k.gemm_user = &n_gemm;
}

static void paths_call_their_slots_and_ask_for_their_forms(void **state)
{
    (void)state;
    rig g;
    rng r = { 12 };
    rig_init(&g, 2, 0, 80);
    install_spies(&g);
    weights w = make_weights(&r, EINF__Q8_0, 100, 640, false, 0);
    const mode rows = { "", EINF__PATH_ROWS, false }, panels = { "", EINF__PATH_PANELS, false };
    const mode exact_rows = { "", EINF__PATH_ROWS, true }, exact_panels = { "", EINF__PATH_PANELS, true };
    const mode automatic = { "", EINF__PATH_AUTO, false }, floats = { "", EINF__PATH_FLOATS, false };

    assert_int_equal(run_spied(&g, &rows, &w, 33), EINF__ACTS_Q8);
    assert_true(n_dot_q8 > 0 && n_dot_f32 == 0 && n_gemm == 0);
    assert_int_equal(run_spied(&g, &panels, &w, 1), EINF__ACTS_TILES_32);
    assert_true(n_dot_q8 == 0 && n_dot_f32 == 0 && n_gemm == 0);
    assert_int_equal(run_spied(&g, &floats, &w, 1), EINF__ACTS_F32);
    assert_true(n_dot_q8 == 0 && n_dot_f32 == 0 && n_gemm > 0);
    assert_int_equal(run_spied(&g, &exact_rows, &w, 33), EINF__ACTS_F32);
    assert_true(n_dot_q8 == 0 && n_dot_f32 > 0 && n_gemm == 0);
    assert_int_equal(run_spied(&g, &exact_panels, &w, 1), EINF__ACTS_F32);
    assert_true(n_dot_q8 == 0 && n_dot_f32 == 0 && n_gemm > 0);
    assert_int_equal(run_spied(&g, &automatic, &w, 1), EINF__ACTS_Q8);
    assert_true(n_dot_q8 > 0 && n_dot_f32 == 0 && n_gemm == 0);
    assert_int_equal(run_spied(&g, &automatic, &w, 33), EINF__ACTS_F32);
    assert_true(n_dot_q8 == 0 && n_dot_f32 == 0 && n_gemm > 0);
    weights k = make_weights(&r, EINF__Q4_K, 100, 256, false, 0);
    assert_int_equal(run_spied(&g, &automatic, &k, 33), EINF__ACTS_Q8); /* their dots keep up with the GEMM for long */
    assert_true(n_gemm == 0);
    assert_int_equal(run_spied(&g, &automatic, &k, 80), EINF__ACTS_F32);
    assert_true(n_gemm > 0);
    free_weights(&k);
    weights f = make_weights(&r, EINF__F32, 100, 640, false, 0);
    assert_int_equal(run_spied(&g, &automatic, &f, 8), EINF__ACTS_F32);
    assert_true(n_dot_q8 == 0 && n_dot_f32 > 0 && n_gemm == 0);
    assert_int_equal(run_spied(&g, &automatic, &f, 16), EINF__ACTS_F32);
    assert_true(n_dot_q8 == 0 && n_dot_f32 == 0 && n_gemm > 0);
    free_weights(&f);
    free_weights(&w);
    rig_deinit(&g);
}

static void forms_are_the_union_of_what_is_read(void **state)
{
    (void)state;
    rig g;
    rng r = { 13 };
    rig_init(&g, 1, 0, MAX_COLS);
    g.c.path = EINF__PATH_ROWS;
    weights q = make_weights(&r, EINF__Q8_0, 4, 64, false, 0), f = make_weights(&r, EINF__F16, 4, 64, false, 0);
    const einf__matrix absent = { .data = NULL };
    assert_int_equal(einf__acts_forms(&g.c, (const einf__matrix *const[]){ &q.m, &f.m }, 2, 1),
                     EINF__ACTS_Q8 | EINF__ACTS_F32);
    assert_int_equal(einf__acts_forms(&g.c, (const einf__matrix *const[]){ &f.m }, 1, 1), EINF__ACTS_F32);
    assert_int_equal(einf__acts_forms(&g.c, (const einf__matrix *const[]){ &q.m, &absent, NULL }, 3, 1), EINF__ACTS_Q8);
    free_weights(&q);
    free_weights(&f);
    rig_deinit(&g);
}

/* f32 weights are multiplied where they lie, unless they lie crooked. */
static void aligned_f32_weights_are_not_copied(void **state)
{
    (void)state;
    rig g;
    rng r = { 14 };
    rig_init(&g, 1, 0, MAX_COLS);
    install_spies(&g);
    const mode panels = { "", EINF__PATH_PANELS, false };
    weights straight = make_weights(&r, EINF__F32, 70, 640, false, 0);
    weights crooked = make_weights(&r, EINF__F32, 70, 640, false, 2);
    (void)run_spied(&g, &panels, &straight, 16);
    assert_true(n_gemm > 0 && n_to_f32 == 0);
    (void)run_spied(&g, &panels, &crooked, 16);
    assert_true(n_gemm > 0 && n_to_f32 > 0);
    free_weights(&straight);
    free_weights(&crooked);
    rig_deinit(&g);
}

/* --------------------------------------------------------------------------------------------------- gated -- */

static double act_naive(einf__glu kind, double x)
{
    if (kind == EINF__SWIGLU) return x / (1 + exp(-x));
    return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

/* hidden's f32 against the formula; its int8 form is the quantised f32 form, exactly. */
static void check_hidden(const rig *g, const einf__acts *hidden, const weights *gate, const weights *up,
                         const float *gate_x, const float *up_x, einf__glu kind, const char *what)
{
    const int64_t n = hidden->width;
    for (int64_t j = 0; j < hidden->n_cols; j++) {
        for (int64_t i = 0; i < n; i++) {
            double size_g, size_u;
            const double tol = (double)EINF__TOL_REORDER(gate->m.n_in);
            double a = dot_naive(gate, i, gate_x + j * gate->m.n_in, &size_g);
            double b = dot_naive(up, i, up_x + j * up->m.n_in, &size_u);
            if (gate->bias) a += (double)gate->bias[i], size_g += fabs((double)gate->bias[i]);
            if (up->bias) b += (double)up->bias[i], size_u += fabs((double)up->bias[i]);
            const double expected = act_naive(kind, a) * b;
            /* |act'| <= 1.13; the slot itself may be off by 1e-5 */
            const double bound = 1.2 * tol * size_g * fabs(b) + tol * size_u * fabs(act_naive(kind, a)) +
                                 1e-5 * fabs(expected) + 1e-9;
            const double got = (double)hidden->f32[j * n + i];
            if (!(fabs(got - expected) <= bound))
                fail_msg("%s: row %d of %d, column %d: %.9g, expected %.9g", what, (int)i, (int)n, (int)j, got,
                         expected);
        }
        for (int64_t i = 0; (hidden->forms & EINF__ACTS_Q8) && i < n; i += 32) {
            int8_t q[32];
            int16_t sum16[2];
            float d;
            const int64_t at = j * n + i;
            g->k.quantize_q8(q, &d, sum16, hidden->f32 + at, 32);
            assert_memory_equal(q, hidden->q + at, 32);
            assert_memory_equal(&d, hidden->d + at / 32, sizeof d);
            assert_memory_equal(sum16, hidden->sum16 + at / 16, sizeof sum16);
        }
    }
}

/* Tiles that were made chunk by chunk are those of the whole columns. */
static void check_tiles(const rig *g, const einf__acts *hidden)
{
    const int group = einf__tiles_group(hidden->forms);
    if (group == 0) return;
    void *block;
    einf__acts *whole = rig_acts(hidden->width, hidden->n_cols, &block);
    einf__norm(&g->c, whole, hidden->f32, hidden->n_cols, hidden->width, NULL, 0.0f, hidden->forms);
    for (int64_t j = 0; j < hidden->n_cols; j += g->k.panel_shape.nr) {
        const einf__tile a = einf__acts_tile(hidden, &g->k.panel_shape, j, 0);
        const einf__tile b = einf__acts_tile(whole, &g->k.panel_shape, j, 0);
        const size_t n_groups = (size_t)(hidden->width / group * a.n_cols);
        assert_int_equal(a.n_cols, b.n_cols);
        assert_memory_equal(a.q, b.q, (size_t)(hidden->width * a.n_cols));
        assert_memory_equal(a.d, b.d, n_groups * sizeof *a.d);
        assert_memory_equal(a.start, b.start, n_groups * sizeof *a.start);
        assert_memory_equal(a.dsum, b.dsum, n_groups * sizeof *a.dsum);
    }
    free(block);
}

static void check_glu(rig *rigs, rng *r, const weights *gate, const weights *up, int64_t n_cols, einf__glu kind,
                      unsigned forms, const char *what)
{
    const int64_t n_in = gate->m.n_in, n = gate->m.n_out;
    void *blocks[N_RIGS], *block;
    einf__acts *acts = rig_acts(n_in, n_cols, &block), *hidden[N_RIGS];
    float *x = get_floats(n_in * n_cols);
    fill_random(r, x, n_in * n_cols);
    for (int64_t i = 0; i < n_in * n_cols; i++) x[i] *= 4;
    for (int t = 0; t < N_RIGS; t++) {
        const einf__matrix *list[] = { &gate->m, &up->m };
        hidden[t] = rig_acts(n + 40, n_cols + 1, &blocks[t]); /* room for wider layers, which this one leaves unused */
        einf__norm(&rigs[t].c, acts, x, n_cols, n_in, NULL, 0.0f, einf__acts_forms(&rigs[t].c, list, 2, n_cols));
        einf__linear_glu(&rigs[t].c, hidden[t], &gate->m, &up->m, kind, forms, acts);
        assert_int_equal(hidden[t]->width, n);
        assert_int_equal(hidden[t]->n_cols, n_cols);
        assert_int_equal(hidden[t]->forms, forms);
        assert_memory_equal(hidden[t]->f32, hidden[0]->f32, (size_t)(n * n_cols) * sizeof(float));
    }
    float *gate_x = columns_seen(&rigs[0].c, &gate->m, acts->forms, x, n_cols);
    float *up_x = columns_seen(&rigs[0].c, &up->m, acts->forms, x, n_cols);
    weights gate_seen = *gate, up_seen = *up;
    gate_seen.dense = weights_seen(&rigs[0].c, gate, acts->forms, n_cols);
    up_seen.dense = weights_seen(&rigs[0].c, up, acts->forms, n_cols);
    for (int t = 0; t < N_RIGS; t++) {
        check_hidden(&rigs[t], hidden[t], &gate_seen, &up_seen, gate_x, up_x, kind, what);
        check_tiles(&rigs[t], hidden[t]);
        free(blocks[t]);
    }
    free(gate_seen.dense);
    free(up_seen.dense);
    free(gate_x);
    free(up_x);
    free(x);
    free(block);
}

static void glu_is_the_formula(uint32_t cpu)
{
    static const shape glu_shapes[] = { { EINF__Q8_0, 64, 64 }, { EINF__Q8_0, 160, 640 }, { EINF__F32, 172, 64 },
                                        { EINF__Q4_K, 96, 256 }, { EINF__F16, 33, 172 }, { EINF__Q4_K, 384, 512 } };
    static const int64_t column_counts[] = { 1, 2, 5, 9, 33 };
    rig rigs[N_RIGS];
    rng r = { 15 };
    make_rigs(rigs, cpu, MAX_COLS);
    for (size_t s = 0; s < TEST_COUNT(glu_shapes); s++) {
        const shape *sh = &glu_shapes[s];
        weights gate = make_weights(&r, sh->type, sh->n_out, sh->n_in, s % 2, 0);
        weights up = make_weights(&r, sh->type, sh->n_out, sh->n_in, s % 2, 0);
        for (size_t m = 0; m < TEST_COUNT(modes); m++) {
            set_mode(rigs, &modes[m]);
            for (size_t i = 0; i < TEST_COUNT(column_counts); i++) {
                unsigned forms = sh->n_out % 32 == 0 ? 1 + (unsigned)(i + m) % 3 : EINF__ACTS_F32;
                if (sh->n_out % 32 == 0 && i % 2) forms |= EINF__ACTS_TILES_32;
                if (sh->n_out % 128 == 0 && i % 2 == 0) forms |= EINF__ACTS_TILES_128;
                check_glu(rigs, &r, &gate, &up, column_counts[i], (i + m) % 2 ? EINF__SWIGLU : EINF__GEGLU, forms,
                          modes[m].name);
            }
        }
        free_weights(&gate);
        free_weights(&up);
    }
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

static void glu_is_the_formula_ref(void **state)
{
    (void)state;
    glu_is_the_formula(0);
}

static void glu_is_the_formula_isa(void **state)
{
    (void)state;
    if (einf__cpu_features()) glu_is_the_formula(einf__cpu_features());
}

/* Two types that take different paths for the same columns. */
static void glu_of_two_types(void **state)
{
    (void)state;
    rig rigs[N_RIGS];
    rng r = { 17 };
    make_rigs(rigs, einf__cpu_features(), MAX_COLS);
    weights q = make_weights(&r, EINF__Q8_0, 96, 544, true, 0), f = make_weights(&r, EINF__F16, 96, 544, false, 0);
    for (size_t m = 0; m < TEST_COUNT(modes); m++) {
        set_mode(rigs, &modes[m]);
        for (int64_t n_cols = 1; n_cols <= 33; n_cols += 16) {
            check_glu(rigs, &r, &q, &f, n_cols, EINF__SWIGLU, EINF__ACTS_Q8, modes[m].name);
            check_glu(rigs, &r, &f, &q, n_cols, EINF__GEGLU, EINF__ACTS_Q8, modes[m].name);
        }
    }
    free_weights(&q);
    free_weights(&f);
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

/* More columns than the panel buffer was laid out for at once: they go through it in blocks. */
static void glu_in_blocks_of_columns(void **state)
{
    (void)state;
    rig rigs[N_RIGS];
    rng r = { 16 };
    make_rigs(rigs, 0, 7);
    weights gate = make_weights(&r, EINF__Q8_0, 96, 64, true, 0), up = make_weights(&r, EINF__Q8_0, 96, 64, false, 0);
    for (size_t m = 0; m < TEST_COUNT(modes); m++) {
        set_mode(rigs, &modes[m]);
        check_glu(rigs, &r, &gate, &up, 17, EINF__SWIGLU, EINF__ACTS_Q8 | EINF__ACTS_F32, modes[m].name);
    }
    free_weights(&gate);
    free_weights(&up);
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_is_the_product_ref),
        cmocka_unit_test(linear_is_the_product_isa),
        cmocka_unit_test(bias_and_residual_add_up),
        cmocka_unit_test(several_matrices_in_one_region),
        cmocka_unit_test(many_columns_and_rows),
        cmocka_unit_test(every_mode_at_every_width),
        cmocka_unit_test(int8_rows_are_close_to_exact),
        cmocka_unit_test(paths_call_their_slots_and_ask_for_their_forms),
        cmocka_unit_test(forms_are_the_union_of_what_is_read),
        cmocka_unit_test(aligned_f32_weights_are_not_copied),
        cmocka_unit_test(glu_is_the_formula_ref),
        cmocka_unit_test(glu_is_the_formula_isa),
        cmocka_unit_test(glu_of_two_types),
        cmocka_unit_test(glu_in_blocks_of_columns),
    };
    return cmocka_run_group_tests_name("verbs: linear", tests, NULL, NULL);
}
