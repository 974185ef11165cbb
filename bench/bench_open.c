/* SPDX-License-Identifier: MIT
 * bench_open.c - what opening a model costs, and whether the plan of its memory holds.
 *
 *     bench-open MODEL.gguf [REPEATS]
 *
 * Times are medians of warm opens (the page cache holds the file); each includes closing. The private memory is what
 * the process gained (VmRSS less the file's pages, from /proc/self/status) after a session's whole context was filled,
 * beside what einf_session_plan said before. One thread fills, so that stacks are what the plan counts.
 */
#include "bench/bench_common.h"
#include "bench/machine.h"

#include <edgeinfer/lowlevel.h>

#define PROGRAM "bench-open"

enum { N_CTX = 1024 };

static int time_open(einf_runtime *rt, const char *path, uint32_t load, const char *what, int n, einf_error *err)
{
    double seconds[BENCH_MAX_RUNS];
    for (int i = -1; i < n; i++) { /* the first is warm-up */
        einf_model_config config = EINF_INIT(einf_model_config);
        config.load = load;
        einf_model *m = NULL;
        const double start = bench_now_s();
        if (einf_model_open(rt, path, &config, &m, err) || einf_model_close(&m, err)) return bench_fail(PROGRAM, err);
        if (i >= 0) seconds[i] = bench_now_s() - start;
    }
    const bench_spread t = bench_spread_of(seconds, n);
    printf("open %-28s median %7.2f ms  (%.2f to %.2f, %d runs)\n", what, 1e3 * t.median, 1e3 * t.min, 1e3 * t.max, n);
    return 0;
}

static int fill(einf_session *s, uint32_t n_ctx, einf_error *err)
{
    int32_t ids[N_CTX];
    for (uint32_t i = 0; i < n_ctx; i++) ids[i] = (int32_t)(i % 256);
    return einf_session_append_tokens(s, ids, n_ctx, err) ? bench_fail(PROGRAM, err) : 0;
}

/* Sampling with a temperature needs memory of its own, which is part of the plan. */
static int draw(einf_session *s, einf_error *err)
{
    einf_sampling sampling = EINF_INIT(einf_sampling);
    int32_t id;
    sampling.temperature = 1;
    if (einf_session_set_sampling(s, &sampling, err) || einf_session_sample(s, &id, err))
        return bench_fail(PROGRAM, err);
    return 0;
}

static int compare_plan(einf_runtime *rt, const char *path, uint64_t anon_before, einf_error *err)
{
    einf_model *m = NULL;
    einf_session *s = NULL;
    einf_session_config config = EINF_INIT(einf_session_config);
    einf_plan plan = EINF_INIT(einf_plan);
    config.n_ctx = N_CTX;
    if (einf_model_open(rt, path, NULL, &m, err)) return bench_fail(PROGRAM, err);
    if (einf_session_plan(m, &config, &plan, err) || einf_session_create(m, &config, &s, err))
        return bench_fail(PROGRAM, err);
    if (fill(s, N_CTX, err) || draw(s, err)) return 1;
    const double measured = (double)(bench_status_bytes("RssAnon") - anon_before);
    printf("private memory, n_ctx %d filled: planned %.2f MiB, measured %.2f MiB, ratio %.3f\n", N_CTX,
           (double)plan.private_bytes / 1048576, measured / 1048576, measured / (double)plan.private_bytes);
    einf_session_destroy(&s, NULL);
    return einf_model_close(&m, err) ? bench_fail(PROGRAM, err) : 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench-open MODEL.gguf [REPEATS]\n");
        return 2;
    }
    int n = argc > 2 ? atoi(argv[2]) : 21;
    if (n < 1 || n > BENCH_MAX_RUNS) n = 21;
    einf_error err = EINF_INIT(einf_error);
    einf_runtime *rt = NULL;
    einf_runtime_config config = EINF_INIT(einf_runtime_config);
    const uint64_t anon_before = bench_status_bytes("RssAnon");
    config.n_threads = 1;
    if (einf_runtime_create(&config, &rt, &err)) return bench_fail(PROGRAM, &err);
    const int rc = compare_plan(rt, argv[1], anon_before, &err) ||
                   time_open(rt, argv[1], EINF_LOAD_WEIGHTS, "without the vocabulary index", n, &err) ||
                   time_open(rt, argv[1], 0, "with the vocabulary index", n, &err);
    return einf_runtime_destroy(&rt, &err) ? bench_fail(PROGRAM, &err) : rc;
}
