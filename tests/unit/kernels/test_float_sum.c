/* SPDX-License-Identifier: MIT
 * test_float_sum.c - linears whose numbers have 16 bits, halves or integers: close to sums in double but not those in
 * f32, whatever the size of the numbers, the same bits from 1, 2 and 3 threads; and which matrices meet their columns
 * so.
 *
 * With plain C, which computes as a CPU would, and with what this machine has.
 */
#include "tests/unit/kernels/verbs_rig.h"

enum { N_RIGS = 3, MAX_COLS = 300 };

/* Random signs are the worst case: the sums are small beside what was added. Measured: halves 2e-3, integers 2.5e-4. */
static const struct kind {
    einf__float_sum sum;
    unsigned form;
    double max_error;
} kinds[] = { { EINF__SUM_F16, EINF__ACTS_F16, 2.5e-3 }, { EINF__SUM_I16, EINF__ACTS_I16, 4e-4 } };

static void make_rigs(rig *rigs, uint32_t cpu, einf__float_sum sum)
{
    for (int t = 0; t < N_RIGS; t++) {
        rig_init(&rigs[t], t + 1, cpu, MAX_COLS);
        rigs[t].c.float_sum = sum;
    }
}

static void drop_rigs(rig *rigs)
{
    for (int t = 0; t < N_RIGS; t++) rig_deinit(&rigs[t]);
}

/* y = W x, or y += W x. */
static void multiply(const rig *g, const weights *w, const float *x, int64_t n_cols, float *y, bool add)
{
    const einf__matrix *list[] = { &w->m };
    void *block;
    einf__acts *acts = rig_acts(w->m.n_in, n_cols, &block);
    einf__norm(&g->c, acts, x, n_cols, w->m.n_in, NULL, 0.0f, einf__acts_forms(&g->c, list, 1, n_cols));
    einf__linear(&g->c, &(einf__linear_out){ &w->m, y, add }, 1, acts);
    free(block);
}

/* |y - expected| / |expected| over all elements. */
static double relative_error(const weights *w, const float *x, int64_t n_cols, const float *y, const float *before)
{
    double error = 0, size = 0;
    for (int64_t j = 0; j < n_cols; j++) {
        for (int64_t i = 0; i < w->m.n_out; i++) {
            double sum = w->bias ? (double)w->bias[i] : 0.0, product = 0;
            for (int64_t k = 0; k < w->m.n_in; k++)
                product += (double)w->dense[i * w->m.n_in + k] * (double)x[j * w->m.n_in + k];
            sum += product + (before ? (double)before[j * w->m.n_out + i] : 0.0);
            const double d = (double)y[j * w->m.n_out + i] - sum;
            error += d * d;
            size += product * product;
        }
    }
    return sqrt(error / size);
}

/* ------------------------------------------------------------------------------------------------ products -- */

static void check_products(rig *rigs, const struct kind *kind, rng *r, const weights *w, int64_t n_cols, bool add)
{
    const int64_t n = w->m.n_out * n_cols;
    float *x = get_floats(w->m.n_in * n_cols), *before = get_floats(n), *y[N_RIGS];
    fill_random(r, x, w->m.n_in * n_cols);
    fill_random(r, before, n);
    for (int t = 0; t < N_RIGS; t++) {
        y[t] = get_guarded(n);
        if (add) memcpy(y[t], before, (size_t)n * sizeof(float));
        multiply(&rigs[t], w, x, n_cols, y[t], add);
        assert_memory_equal(y[t], y[0], (size_t)n * sizeof(float));
    }
    const double error = relative_error(w, x, n_cols, y[0], add ? before : NULL);
    if (!(error < kind->max_error))
        fail_msg("%s, sums %d, %d rows of %d, %d columns: error %.3g", einf__dtype_get(w->m.type)->name, (int)kind->sum,
                 (int)w->m.n_out, (int)w->m.n_in, (int)n_cols, error);
    assert_true(error > 1e-5 || w->m.n_in < 64); /* f32 is nearer */
    for (int t = 0; t < N_RIGS; t++) put_guarded(y[t], n);
    free(x);
    free(before);
}

static void products_are_near(uint32_t cpu, const struct kind *kind)
{
    static const struct { einf__dtype type; int64_t n_out, n_in; } shapes[] = {
        { EINF__F32, 1, 64 },  { EINF__F32, 7, 172 },  { EINF__F32, 33, 640 }, { EINF__F16, 7, 1 },
        { EINF__F16, 33, 256 }, { EINF__F16, 70, 1153 }, { EINF__F16, 172, 127 },
    };
    static const int64_t column_counts[] = { 16, 17, 33, 140 };
    rig rigs[N_RIGS];
    rng r = { 31 };
    make_rigs(rigs, cpu, kind->sum);
    for (size_t s = 0; s < TEST_COUNT(shapes); s++) {
        weights w = make_weights(&r, shapes[s].type, shapes[s].n_out, shapes[s].n_in, s % 2, s % 4);
        for (size_t i = 0; i < TEST_COUNT(column_counts) - 2 * test_is_emulated(); i++)
            check_products(rigs, kind, &r, &w, column_counts[i], (s + i) % 2);
        free_weights(&w);
    }
    drop_rigs(rigs);
}

static void products_are_near_ref(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(kinds); i++) products_are_near(0, &kinds[i]);
}

static void products_are_near_isa(void **state)
{
    (void)state;
    for (size_t i = 0; einf__cpu_features() && i < TEST_COUNT(kinds); i++)
        products_are_near(einf__cpu_features(), &kinds[i]);
}

/* Sizes of which no half could hold a square, nor its inverse. Of halves one element in 100 is 1000 times the others,
 * which costs the others 10 bits as integers. */
static void no_size_overflows_in(const struct kind *kind)
{
    static const int powers[] = { 20, 60, -20, -60 };
    enum { N_COLS = 20, N_IN = 640, N_OUT = 40 };
    const float outlier = kind->sum == EINF__SUM_F16 ? 1e6f : 1e3f;
    rig g;
    rng r = { 32 };
    rig_init(&g, 1, einf__cpu_features(), MAX_COLS);
    g.c.float_sum = kind->sum;
    weights w = make_weights(&r, EINF__F32, N_OUT, N_IN, false, 0);
    float *x = get_floats(N_IN * N_COLS), *scaled = get_floats(N_IN * N_COLS);
    float *y = get_floats(N_OUT * N_COLS), *y_scaled = get_floats(N_OUT * N_COLS);
    fill_random(&r, x, N_IN * N_COLS);
    for (int i = 0; i < N_IN * N_COLS; i++) x[i] *= i % 100 == 7 ? outlier : 1e3f;
    multiply(&g, &w, x, N_COLS, y, false);
    assert_true(relative_error(&w, x, N_COLS, y, NULL) < kind->max_error);
    for (size_t p = 0; p < TEST_COUNT(powers); p++) { /* nothing but the exponents changes */
        for (int i = 0; i < N_IN * N_COLS; i++) scaled[i] = ldexpf(x[i], powers[p]);
        multiply(&g, &w, scaled, N_COLS, y_scaled, false);
        for (int i = 0; i < N_OUT * N_COLS; i++) assert_true(y_scaled[i] == ldexpf(y[i], powers[p]));
    }
    free(x);
    free(scaled);
    free(y);
    free(y_scaled);
    free_weights(&w);
    rig_deinit(&g);
}

static void no_size_overflows(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(kinds); i++) no_size_overflows_in(&kinds[i]);
}

/* An outlier of L times what is typical costs the rest of its group log2(L) bits as integers, and nobody else. */
static void outliers_cost_their_group(void **state)
{
    enum { N_COLS = 20, N_IN = 640, N_OUT = 40, AT = 70 };
    (void)state;
    rig g;
    rng r = { 36 };
    rig_init(&g, 1, einf__cpu_features(), MAX_COLS);
    g.c.float_sum = EINF__SUM_I16;
    weights w = make_weights(&r, EINF__F32, N_OUT, N_IN, false, 0);
    for (int64_t i = 0; i < N_OUT; i++) { /* the product does not see the outlier itself */
        w.dense[i * N_IN + AT] = 0.0f;
        memset(w.bytes + (i * N_IN + AT) * (int64_t)sizeof(float), 0, sizeof(float));
    }
    float *x = get_floats(N_IN * N_COLS), *y = get_floats(N_OUT * N_COLS);
    double error[3];
    for (int k = 0; k < 3; k++) {
        fill_random(&r, x, N_IN * N_COLS);
        for (int64_t j = 0; j < N_COLS; j++) x[j * N_IN + AT] = ldexpf(1.0f, 5 * k);
        multiply(&g, &w, x, N_COLS, y, false);
        error[k] = relative_error(&w, x, N_COLS, y, NULL);
    }
    /* One group of ten is 32 times worse, and weights are as they were: sqrt((1 + (9 + 32^2) / 10) / 2) = 7.2. */
    assert_true(error[1] > 4 * error[0] && error[1] < 12 * error[0]);
    assert_true(error[2] > 16 * error[1] && error[2] < 64 * error[1]);
    free(x);
    free(y);
    free_weights(&w);
    rig_deinit(&g);
}

/* What is no number stays none among halves, and is 0 among integers; in either case other columns do not see it. */
static void nan_stays_in_its_column(const struct kind *kind)
{
    enum { N_COLS = 20, N_IN = 200, N_OUT = 20, COL = 11 };
    rig g;
    rng r = { 33 };
    rig_init(&g, 1, einf__cpu_features(), MAX_COLS);
    g.c.float_sum = kind->sum;
    weights w = make_weights(&r, EINF__F32, N_OUT, N_IN, false, 0);
    float *x = get_floats(N_IN * N_COLS), *y = get_floats(N_OUT * N_COLS);
    fill_random(&r, x, N_IN * N_COLS);
    x[COL * N_IN + 150] = NAN;
    multiply(&g, &w, x, N_COLS, y, false);
    const bool stays = kind->sum == EINF__SUM_F16;
    for (int i = 0; i < N_OUT * N_COLS; i++) assert_int_equal(isnan(y[i]) != 0, stays && i / N_OUT == COL);
    x[COL * N_IN + 150] = 0.0f;
    if (!stays) assert_true(relative_error(&w, x, N_COLS, y, NULL) < kind->max_error);
    free(x);
    free(y);
    free_weights(&w);
    rig_deinit(&g);
}

static void nan_stays_where_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(kinds); i++) nan_stays_in_its_column(&kinds[i]);
}

/* --------------------------------------------------------------------------------------------------- which -- */

static void floats_alone_become_narrow(void **state)
{
    static const einf__dtype floats[] = { EINF__F32, EINF__F16, EINF__BF16 };
    (void)state;
    rig g;
    rig_init(&g, 1, 0, MAX_COLS);
    for (int sum = 0; sum < EINF__N_SUMS; sum++) {
        const einf__how panels = sum != EINF__SUM_F32 ? EINF__BY_NARROW : EINF__BY_FLOATS;
        g.c.float_sum = (einf__float_sum)sum;
        for (size_t i = 0; i < TEST_COUNT(floats); i++) {
            g.c.path = EINF__PATH_AUTO;
            assert_int_equal(einf__how_of(&g.c, floats[i], 1), EINF__BY_DOTS);
            assert_int_equal(einf__how_of(&g.c, floats[i], 64), panels);
            g.c.path = EINF__PATH_PANELS;
            assert_int_equal(einf__how_of(&g.c, floats[i], 1), panels);
            g.c.exact = true;
            assert_int_equal(einf__how_of(&g.c, floats[i], 64), EINF__BY_FLOATS);
            g.c.exact = false;
        }
        g.c.path = EINF__PATH_FLOATS;
        assert_int_equal(einf__how_of(&g.c, EINF__Q8_0, 64), EINF__BY_FLOATS);
        g.c.path = EINF__PATH_AUTO;
        assert_int_not_equal(einf__how_of(&g.c, EINF__Q4_K, 200), EINF__BY_NARROW);
    }
    assert_int_equal(einf__acts_room_of(&g.c, 40).narrow_cols, 40);
    g.c.path = EINF__PATH_ROWS;
    assert_int_equal(einf__acts_room_of(&g.c, 40).narrow_cols, 0);
    rig_deinit(&g);
}

/* Matrices of both kinds read one buffer, each in its own form. */
static void codes_keep_their_bits_beside(const struct kind *kind)
{
    enum { N_COLS = 40, N_IN = 544, N_OUT = 50 };
    rig g;
    rng r = { 34 };
    float *y[2][2];
    rig_init(&g, 2, einf__cpu_features(), MAX_COLS);
    weights q = make_weights(&r, EINF__Q8_0, N_OUT, N_IN, true, 0);
    weights f = make_weights(&r, EINF__F16, N_OUT, N_IN, true, 0);
    const einf__matrix *list[] = { &q.m, &f.m };
    float *x = get_floats(N_IN * N_COLS);
    fill_random(&r, x, N_IN * N_COLS);
    for (int sums = 0; sums < 2; sums++) {
        void *block;
        einf__acts *acts = rig_acts(N_IN, N_COLS, &block);
        g.c.float_sum = sums ? kind->sum : EINF__SUM_F32;
        const unsigned forms = einf__acts_forms(&g.c, list, 2, N_COLS);
        assert_int_equal((forms & EINF__ACTS_NARROW) == kind->form, sums);
        einf__norm(&g.c, acts, x, N_COLS, N_IN, NULL, 0.0f, forms);
        for (int i = 0; i < 2; i++) y[sums][i] = get_guarded(N_OUT * N_COLS);
        einf__linear(&g.c, (einf__linear_out[]){ { &q.m, y[sums][0], false }, { &f.m, y[sums][1], false } }, 2, acts);
        free(block);
    }
    assert_memory_equal(y[0][0], y[1][0], N_OUT * N_COLS * sizeof(float));
    assert_memory_not_equal(y[0][1], y[1][1], N_OUT * N_COLS * sizeof(float));
    assert_true(relative_error(&f, x, N_COLS, y[1][1], NULL) < kind->max_error);
    for (int i = 0; i < 4; i++) put_guarded(y[i / 2][i % 2], N_OUT * N_COLS);
    free(x);
    free_weights(&q);
    free_weights(&f);
    rig_deinit(&g);
}

static void codes_keep_their_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(kinds); i++) codes_keep_their_bits_beside(&kinds[i]);
}

/* --------------------------------------------------------------------------------------------------- gated -- */

/* Gated columns, made chunk by chunk by up to 3 threads: their 16 bits are those of whole columns. */
static void gated_columns_become(const struct kind *kind)
{
    enum { N_COLS = 37, N_IN = 300, N_OUT = 333 };
    static const einf__dtype types[] = { EINF__F16, EINF__F32 };
    rig rigs[N_RIGS];
    rng r = { 35 };
    make_rigs(rigs, einf__cpu_features(), kind->sum);
    weights gate = make_weights(&r, types[0], N_OUT, N_IN, true, 0);
    weights up = make_weights(&r, types[1], N_OUT, N_IN, false, 0);
    float *x = get_floats(N_IN * N_COLS), *first = get_floats(N_OUT * N_COLS);
    fill_random(&r, x, N_IN * N_COLS);
    for (int t = 0; t < N_RIGS; t++) {
        void *block, *hidden_block, *whole_block;
        einf__acts *acts = rig_acts(N_IN, N_COLS, &block), *hidden = rig_acts(N_OUT, N_COLS, &hidden_block);
        einf__acts *whole = rig_acts(N_OUT, N_COLS, &whole_block);
        einf__norm(&rigs[t].c, acts, x, N_COLS, N_IN, NULL, 0.0f, kind->form);
        einf__linear_glu(&rigs[t].c, hidden, &gate.m, &up.m, EINF__SWIGLU, kind->form, acts);
        if (t == 0) memcpy(first, hidden->f32, N_OUT * N_COLS * sizeof(float));
        assert_memory_equal(hidden->f32, first, N_OUT * N_COLS * sizeof(float));
        einf__norm(&rigs[t].c, whole, first, N_COLS, N_OUT, NULL, 0.0f, kind->form);
        const einf__narrow_cols a = einf__acts_narrow(hidden, 0, 0), b = einf__acts_narrow(whole, 0, 0);
        for (int64_t j = 0; j < N_COLS; j++) assert_memory_equal(a.x + j * a.stride, b.x + j * b.stride, 2 * N_OUT);
        assert_memory_equal(a.scale, b.scale, (size_t)(N_COLS * a.scale_stride) * sizeof(float));
        free(block);
        free(hidden_block);
        free(whole_block);
    }
    free(x);
    free(first);
    free_weights(&gate);
    free_weights(&up);
    drop_rigs(rigs);
}

static void gated_columns_become_narrow(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(kinds); i++) gated_columns_become(&kinds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_near_ref),      cmocka_unit_test(products_are_near_isa),
        cmocka_unit_test(no_size_overflows),          cmocka_unit_test(outliers_cost_their_group),
        cmocka_unit_test(nan_stays_where_it_is),      cmocka_unit_test(floats_alone_become_narrow),
        cmocka_unit_test(codes_keep_their_bits),      cmocka_unit_test(gated_columns_become_narrow),
    };
    return cmocka_run_group_tests_name("sums in 16 bits", tests, NULL, NULL);
}
