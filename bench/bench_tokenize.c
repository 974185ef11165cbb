/* SPDX-License-Identifier: MIT
 * bench_tokenize.c - how fast a model's tokenizer reads a text, on one core.
 *
 *     bench-tokenize MODEL.gguf TEXT [REPEATS]
 *
 * Prints the number of ids and the median speed of reading the whole file, no special tokens parsed, none added.
 */
#include "bench/bench_common.h"

#include <stdbool.h>

#define PROGRAM "bench-tokenize"

/* A whole file, malloc'd; NULL when it cannot be read. */
static char *read_file(const char *path, size_t *n_bytes)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    long size = -1;
    if (f && fseek(f, 0, SEEK_END) == 0) size = ftell(f);
    if (size >= 0) text = malloc((size_t)size + 1);
    if (text) {
        rewind(f);
        *n_bytes = fread(text, 1, (size_t)size, f);
    }
    if (f) fclose(f);
    return text;
}

static int measure(const einf_model *m, const char *text, size_t n_bytes, int n, einf_error *err)
{
    double seconds[BENCH_MAX_RUNS];
    uint64_t n_ids = 0;
    int32_t *ids = malloc((n_bytes * 3 + 16) * sizeof *ids); /* more than any text has */
    if (!ids) return 1;
    for (int i = -1; i < n; i++) { /* the first is warm-up */
        const double start = bench_now_s();
        const einf_status status = einf_tokenize(m, text, n_bytes, 0, ids, n_bytes * 3 + 16, &n_ids, err);
        if (status != EINF_OK) {
            free(ids);
            return bench_fail(PROGRAM, err);
        }
        if (i >= 0) seconds[i] = bench_now_s() - start;
    }
    free(ids);
    const bench_spread t = bench_spread_of(seconds, n);
    printf("%llu bytes, %llu ids: %.2f MB/s (median of %d, %.2f ms to %.2f ms)\n", (unsigned long long)n_bytes,
           (unsigned long long)n_ids, (double)n_bytes / t.median / 1e6, n, 1e3 * t.min, 1e3 * t.max);
    return 0;
}

static int run(const char *model, const char *text, size_t n_bytes, int n)
{
    einf_error err = EINF_INIT(einf_error);
    einf_runtime_config runtime = EINF_INIT(einf_runtime_config);
    einf_model_config config = EINF_INIT(einf_model_config);
    einf_runtime *rt = NULL;
    einf_model *m = NULL;
    runtime.n_threads = 1;
    config.load = EINF_LOAD_VOCAB;
    if (einf_runtime_create(&runtime, &rt, &err)) return bench_fail(PROGRAM, &err);
    const bool opened = einf_model_open(rt, model, &config, &m, &err) == EINF_OK;
    int rc = opened ? measure(m, text, n_bytes, n, &err) : bench_fail(PROGRAM, &err);
    if (einf_model_close(&m, &err) || einf_runtime_destroy(&rt, &err)) rc = bench_fail(PROGRAM, &err);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: bench-tokenize MODEL.gguf TEXT [REPEATS]\n");
        return 2;
    }
    const int repeats = argc > 3 ? atoi(argv[3]) : 15;
    if (repeats < 1 || repeats > BENCH_MAX_RUNS) {
        fprintf(stderr, "bench-tokenize: REPEATS must be 1..%d\n", BENCH_MAX_RUNS);
        return 2;
    }
    size_t n_bytes = 0;
    char *text = read_file(argv[2], &n_bytes);
    if (!text) {
        perror(argv[2]);
        return 1;
    }
    const int rc = run(argv[1], text, n_bytes, repeats);
    free(text);
    return rc;
}
