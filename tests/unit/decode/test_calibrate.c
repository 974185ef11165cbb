/* SPDX-License-Identifier: MIT
 * test_calibrate.c - the threads of decoding: the choice on machines made of a clock and a table of rates, small
 * models, and the reading of real matrices.
 */
#include "engine/decode/calibrate.h"

#include "tests/unit/decode/decode_fixture.h"

/* A machine that reads rate[n] bytes a nanosecond with n threads; while the clock is below slow_until_ns, a tenth, but
 * in every quiet_every-th trial, if that is not 0. */
typedef struct machine {
    double rate[257];
    uint64_t trial_bytes;
    int64_t now_ns, slow_until_ns;
    int n_trials, quiet_every, n_of[257];
} machine;

static uint64_t fake_read(void *user, int32_t n_threads)
{
    machine *m = user;
    assert_in_range(n_threads, 1, 256);
    const bool quiet = m->now_ns >= m->slow_until_ns || (m->quiet_every && m->n_trials % m->quiet_every == 0);
    const double rate = m->rate[n_threads] * (quiet ? 1.0 : 0.1);
    m->now_ns += (int64_t)((double)m->trial_bytes / rate);
    m->n_trials++;
    m->n_of[n_threads]++;
    return m->trial_bytes;
}

static int64_t fake_now(void *user) { return ((machine *)user)->now_ns; }

static einf__thread_choice choose(machine *m, int32_t n_max)
{
    if (m->trial_bytes == 0) m->trial_bytes = 8 << 20;
    m->n_trials = 0;
    memset(m->n_of, 0, sizeof m->n_of);
    return einf__choose_threads(&(einf__meter){ fake_read, fake_now, m }, n_max);
}

static void test_fewest_within_three_percent(void **state)
{
    static const struct { double rate[5]; int32_t n_max, want; } cases[] = {
        { { 9.3, 13.2, 12.9, 11.6 }, 4, 2 },    /* a Raspberry Pi 5, as published */
        { { 10, 20, 30, 40 }, 4, 4 },           /* never enough */
        { { 10, 10.3, 10.2, 10.1 }, 4, 1 },     /* 2.9 % below the best */
        { { 10, 10.4, 10.2, 10.1 }, 4, 2 },     /* 3.8 % */
        { { 40, 30, 20, 10 }, 4, 1 },
        { { 10, 12, 14, 14.3 }, 4, 3 },
        { { 22.9, 23.1 }, 2, 1 },
        { { 7, 7 }, 1, 1 },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        machine m = { .now_ns = 5 };
        for (int n = 1; n <= 4; n++) m.rate[n] = cases[i].rate[n - 1];
        const einf__thread_choice c = choose(&m, cases[i].n_max);
        assert_int_equal(c.n_threads, cases[i].want);
        assert_near(c.bytes_per_s, 1e9 * cases[i].rate[c.n_threads - 1], 1e-3, 0);
    }
}

/* Somebody else uses the machine for a while: the best time of each number counts. All the time: none does. */
static void test_disturbed(void **state)
{
    (void)state;
    machine m = { .rate = { 0, 10, 20 } };
    m.slow_until_ns = 10 * 1000 * 1000; /* the whole of the first round's first trial, and into the second's */
    assert_int_equal(choose(&m, 2).n_threads, 2);
    assert_true(m.n_of[1] >= 2 && m.n_of[2] >= 2);
    m = (machine){ .rate = { 0, 10, 20 }, .slow_until_ns = INT64_MAX, .quiet_every = 5 };
    assert_int_equal(choose(&m, 2).n_threads, 0);
}

static void test_time_is_bounded(void **state)
{
    (void)state;
    machine m = { .rate = { 0, 1, 2, 3, 4 } }; /* 8.4 ms a trial of one thread, 2.1 of four */
    assert_int_equal(choose(&m, 4).n_threads, 4);
    assert_true(m.now_ns < 60 * 1000 * 1000);
    m = (machine){ .rate = { 0, 0.1, 0.2, 0.3, 0.4 } }; /* 84 ms a trial: there is no time for the others */
    assert_int_equal(choose(&m, 4).n_threads, 0);
    assert_int_equal(m.n_trials, 1);
    m = (machine){ .rate = { 0, 1e6, 1e6 } }; /* a clock that hardly moves ends it as well */
    assert_int_equal(choose(&m, 2).n_threads, 1);
    assert_int_equal(m.n_trials, 32);
    m = (machine){ .trial_bytes = 1, .rate = { 0, 1e6, 1e6 } }; /* or that stands still */
    assert_int_equal(choose(&m, 2).n_threads, 1);
}

/* Many threads are not tried one by one, but the last of them always is. */
static void test_many_threads(void **state)
{
    (void)state;
    for (int32_t n_max = 1; n_max <= 256; n_max++) {
        machine m = { .trial_bytes = 1 << 20 };
        for (int n = 1; n <= 256; n++) m.rate[n] = n == n_max ? 2 * n : n;
        const einf__thread_choice c = choose(&m, n_max);
        assert_int_equal(c.n_threads, n_max);
        assert_true(m.n_of[n_max] > 0);
        for (int n = 1; n <= 8 && n <= n_max; n++) assert_true(m.n_of[n] > 0);
        for (int n = n_max + 1; n <= 256; n++) assert_int_equal(m.n_of[n], 0);
    }
}

static void test_small(void **state)
{
    (void)state;
    assert_int_equal(einf__threads_for_small(0, 8), 1);
    assert_int_equal(einf__threads_for_small(UINT64_C(64) << 20, 8), 8);
    assert_int_equal(einf__threads_for_small(UINT64_C(64) << 20, 1), 1);
    int32_t before = 1;
    for (uint64_t n_bytes = 1000; n_bytes < EINF__CALIBRATE_MIN_BYTES; n_bytes = n_bytes * 5 / 4) {
        const int32_t n = einf__threads_for_small(n_bytes, 4);
        assert_in_range(n, 1, 4);
        assert_true(n >= before);
        before = n;
    }
    assert_int_equal(before, 4);
}

/* ------------------------------------------------------------------------------------------------ reading -- */

static model_spec large_spec(uint32_t type)
{
    model_spec spec = model_preset(MODEL_LLAMA);
    spec.n_embd = 1024;
    model_set_heads(&spec, 8, 8);
    spec.k_dim = spec.v_dim = spec.n_rot = 128;
    model_set_ff(&spec, 1536);
    spec.type = type;
    return spec;
}

/* 2 layers of 9 million weights: 38 MB as F16. */
static void test_reads_matrices(void **state)
{
    (void)state;
    const model_spec spec = large_spec(MODEL_F16);
    fixture f;
    fixture_open(&f, &spec, 3, ~0u);
    const uint64_t n_live = f.heap.n_live;
    assert_ok(einf__pool_acquire(f.pool, NULL, NULL, NULL), NULL);
    const einf__thread_choice c = einf__calibrate_decode(&f.mem, f.pool, &f.kernels, &f.config, &f.weights);
    einf__pool_release(f.pool);
    assert_in_range(c.n_threads, 0, 3); /* 0: a machine so busy that there was no time */
    if (c.n_threads) assert_in_range(c.bytes_per_s, 1000000, UINT64_C(1000000000000));
    assert_int_equal(f.heap.n_live, n_live);
    f.heap.fail_at = f.heap.n_calls + 1;
    assert_ok(einf__pool_acquire(f.pool, NULL, NULL, NULL), NULL);
    assert_int_equal(einf__calibrate_decode(&f.mem, f.pool, &f.kernels, &f.config, &f.weights).n_threads, 0);
    einf__pool_release(f.pool);
    fixture_close(&f);
}

static void test_too_little_to_read(void **state)
{
    (void)state;
    const model_spec spec = model_preset(MODEL_QWEN2);
    for (int32_t n = 1; n <= 2; n++) {
        fixture f;
        fixture_open(&f, &spec, n, ~0u);
        const uint64_t n_calls = f.heap.n_calls;
        assert_ok(einf__pool_acquire(f.pool, NULL, NULL, NULL), NULL);
        assert_int_equal(einf__calibrate_decode(&f.mem, f.pool, &f.kernels, &f.config, &f.weights).n_threads,
                         n == 1 ? 1 : 0);
        einf__pool_release(f.pool);
        assert_int_equal(f.heap.n_calls, n_calls);
        fixture_close(&f);
    }
}

/* The same logits on any number of threads: one row alone is what the limit is for. */
static void test_no_number_changes_a_bit(void **state)
{
    (void)state;
    model_spec spec = model_preset(MODEL_LLAMA);
    spec.n_embd = 256;
    model_set_heads(&spec, 4, 2);
    spec.k_dim = spec.v_dim = spec.n_rot = 64;
    model_set_ff(&spec, 1024);
    spec.type = MODEL_Q8_0;
    fixture f;
    fixture_open(&f, &spec, 4, ~0u);
    einf_session_config config = EINF_INIT(einf_session_config);
    const int32_t ids[] = { 5, 17, 3, 99, 12, 40 };
    float *want = logits_room(&f, 1), *got = logits_room(&f, 1);
    for (int32_t n = 0; n <= 5; n++) {
        timeline t;
        timeline_open(&t, &f, &config);
        t.t.n_threads_decode = n;
        append_ids(&t, ids, 4, NULL);
        append_ids(&t, ids + 4, 1, NULL);
        append_ids(&t, ids + 5, 1, n ? got : want);
        if (n) assert_memory_equal(got, want, f.spec.n_vocab * sizeof *got);
        timeline_close(&t);
    }
    free(want);
    free(got);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fewest_within_three_percent),
        cmocka_unit_test(test_disturbed),
        cmocka_unit_test(test_time_is_bounded),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_reads_matrices),
        cmocka_unit_test(test_too_little_to_read),
        cmocka_unit_test(test_no_number_changes_a_bit),
    };
    return cmocka_run_group_tests_name("calibrate", tests, NULL, NULL);
}
