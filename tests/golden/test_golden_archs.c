/* SPDX-License-Identifier: MIT
 * test_golden_archs.c - a tiny random model of each architecture against logits that Hugging Face transformers computed
 * in f32 (make_archs.py): at 32 ids, at 64 and 65, between which phi3 changes to its long factors, and at 160, beyond
 * every window.
 *
 * Exact mode must agree to 1e-4. Default arithmetic, whose one loss on F16 files is the F16 cache, may lie at most 1.10
 * times as far from the golden rows as llama.cpp's does (tests/golden/README.md has its table).
 */
#include "tests/golden/golden_support.h"

#include <stdio.h>
#include <stdlib.h>

enum { N_VOCAB = 288, N_RUNS = 4, MAX_IDS = 160, MAX_ROWS = 32 };

/* make_archs.py's RUNS. Each runs in a context of just its size. */
static const struct run { uint32_t n, n_rows; int32_t rows[9]; } RUNS[N_RUNS] = {
    { 32, 32, { 0 } }, /* all of them */
    { 64, 3, { 0, 32, 63 } },
    { 65, 3, { 0, 32, 64 } },
    { 160, 9, { 0, 20, 40, 60, 80, 100, 120, 140, 159 } },
};
enum { N_ALL_ROWS = 32 + 3 + 3 + 9 };

typedef struct bound {
    const char *name;
    double error[N_RUNS]; /* of llama.cpp's default arithmetic */
} bound;

static const bound BOUNDS[] = {
    { "qwen3-F16",       { 6.4e-4,  3.8e-4,  4.1e-4,  4.2e-4 } },
    { "gemma2-F16",      { 1.46e-3, 6.3e-4,  5.8e-4,  7.2e-4 } },
    { "phi3-F16",        { 2.07e-3, 1.56e-3, 1.43e-3, 2.30e-3 } },
    { "phi3-window-F16", { 1.78e-3, 2.21e-3, 2.10e-3, 2.62e-3 } },
    { "smollm3-F16",     { 1.02e-3, 1.55e-3, 9.9e-4,  1.47e-3 } },
};

static const char *const PATHS[] = { "auto", "few columns", "many columns" };

/* One run by one setting against its golden rows. */
static void compare(const golden *g, const bound *b, int i_run, const float *expected, int path, bool exact)
{
    const struct run *run = &RUNS[i_run];
    int32_t ids[MAX_IDS], all[MAX_ROWS];
    for (int i = 0; i < (int)run->n; i++) ids[i] = (7 * i * i + 13 * i + 5) % N_VOCAB;
    for (int i = 0; i < MAX_ROWS; i++) all[i] = i;
    einf_session_config config = EINF_INIT(einf_session_config);
    config.n_ctx = run->n;
    config.exact = exact;
    config.force_path = path;
    const int32_t *rows = run->n_rows == run->n ? all : run->rows;
    float *got = golden_logits(g, &config, ids, run->n, rows, run->n_rows);
    const double error = golden_relative_error(got, expected, (size_t)run->n_rows * N_VOCAB);
    free(got);

    const double allowed = exact ? 1e-4 : 1.10 * b->error[i_run];
    printf("%-16s %3u ids, %-12s %-7s error %.2e (allowed %.2e)\n", b->name, run->n, PATHS[path],
           exact ? "exact" : "default", error, allowed);
    assert_true(error <= allowed);
}

static void test_model(void **state)
{
    const bound *b = *state;
    char name[64];
    (void)snprintf(name, sizeof name, "%s.gguf", b->name);
    char *path = golden_path(name);
    (void)snprintf(name, sizeof name, "%s.logits.f32", b->name);
    float *expected = golden_floats(name, (size_t)N_ALL_ROWS * N_VOCAB);
    assert_true(path && expected); /* they are in the tree */
    golden g = golden_open(path, 0);
    assert_int_equal(g.info.n_vocab, N_VOCAB);
    const float *at = expected;
    for (int i = 0; i < N_RUNS; i++) {
        for (int p = 0; p < 3; p++) {
            compare(&g, b, i, at, p, true);
            compare(&g, b, i, at, p, false);
        }
        at += (size_t)RUNS[i].n_rows * N_VOCAB;
    }
    golden_close(&g);
    free(path);
    free(expected);
}

int main(void)
{
    enum { N_BOUNDS = sizeof BOUNDS / sizeof BOUNDS[0] };
    struct CMUnitTest tests[N_BOUNDS];
    for (size_t i = 0; i < N_BOUNDS; i++)
        tests[i] = (struct CMUnitTest){ BOUNDS[i].name, test_model, NULL, NULL, (void *)(uintptr_t)&BOUNDS[i] };
    return cmocka_run_group_tests_name("golden architectures", tests, NULL, NULL);
}
