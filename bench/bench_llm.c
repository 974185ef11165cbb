/* SPDX-License-Identifier: MIT
 * bench_llm.c - tokens per second of prefill and decode.
 *
 *     bench-llm -m MODEL.gguf [-p 512] [-n 128] [-t THREADS] [-r 5] [--json]
 *
 * A run appends p ids at once to an empty session, then n ids one by one. Sampling, tokenising and loading lie outside
 * the window. Medians over r runs after one warm-up, with the least and the most. Bytes and multiply-adds of a token
 * are those of its matrices: every weight but the embedding, of which one row is read (a tied one is the output too).
 */
#include "bench/bench_common.h"

#include <edgeinfer/lowlevel.h>

#include <cjson/cJSON.h>
#include <getopt.h>
#include <string.h>

#define PROGRAM "bench-llm"

typedef struct options {
    const char *model;
    int n_prefill, n_decode, n_threads, n_runs;
    int json;
} options;

/* Bytes of weights that a decoded token reads. */
static uint64_t bytes_per_token(const einf_model *m)
{
    uint64_t sum = 0, embedding = 0;
    int tied = 1;
    einf_tensor t = EINF_INIT(einf_tensor);
    for (uint64_t i = 0; einf_model_get_tensor(m, i, &t, NULL) == EINF_OK; i++) {
        sum += t.size_bytes;
        if (strcmp(t.name, "token_embd.weight") == 0) embedding = t.size_bytes;
        if (strcmp(t.name, "output.weight") == 0) tied = 0;
    }
    return tied ? sum : sum - embedding;
}

/* One run; rates[0] prefill, rates[1] decode, in tokens per second. */
static einf_status run_once(einf_session *s, const options *o, const int32_t *ids, double rates[2], einf_error *err)
{
    einf_status status = einf_session_rewind(s, 0, err);
    double start = bench_now_s();
    if (status == EINF_OK && o->n_prefill) status = einf_session_append_tokens(s, ids, (uint32_t)o->n_prefill, err);
    rates[0] = o->n_prefill / (bench_now_s() - start);
    start = bench_now_s();
    for (int i = 0; status == EINF_OK && i < o->n_decode; i++) status = einf_session_append_tokens(s, ids + i, 1, err);
    rates[1] = o->n_decode / (bench_now_s() - start);
    return status;
}

static void print_json(const options *o, const einf_runtime_info *rt, const bench_spread rates[2], double gb)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "version", einf_version());
    cJSON_AddStringToObject(j, "model", o->model);
    cJSON_AddNumberToObject(j, "n_threads", rt->n_threads);
    cJSON_AddNumberToObject(j, "cpu_used", rt->cpu_used);
    cJSON_AddNumberToObject(j, "n_prefill", o->n_prefill);
    cJSON_AddNumberToObject(j, "n_decode", o->n_decode);
    cJSON_AddNumberToObject(j, "n_runs", o->n_runs);
    static const char *const keys[2][3] = {
        { "prefill_tok_s", "prefill_tok_s_min", "prefill_tok_s_max" },
        { "decode_tok_s", "decode_tok_s_min", "decode_tok_s_max" },
    };
    const int n[2] = { o->n_prefill, o->n_decode };
    for (int i = 0; i < 2; i++) {
        if (n[i] == 0) continue;
        cJSON_AddNumberToObject(j, keys[i][0], rates[i].median);
        cJSON_AddNumberToObject(j, keys[i][1], rates[i].min);
        cJSON_AddNumberToObject(j, keys[i][2], rates[i].max);
    }
    if (o->n_decode) cJSON_AddNumberToObject(j, "decode_weight_gb_s", rates[1].median * gb);
    char *text = cJSON_Print(j);
    puts(text);
    cJSON_free(text);
    cJSON_Delete(j);
}

static void print_text(const options *o, const einf_runtime_info *rt, const bench_spread rates[2], double gb)
{
    printf("%s, %d threads, %d runs\n", o->model, rt->n_threads, o->n_runs);
    if (o->n_prefill)
        printf("prefill %5d: median %8.2f tok/s  (%.2f to %.2f)\n", o->n_prefill, rates[0].median, rates[0].min,
               rates[0].max);
    if (o->n_decode)
        printf("decode  %5d: median %8.2f tok/s  (%.2f to %.2f), %.2f GB/s of weights\n", o->n_decode, rates[1].median,
               rates[1].min, rates[1].max, rates[1].median * gb);
}

static int bench(const options *o, einf_runtime *rt, einf_model *m, einf_error *err)
{
    const int n_ctx = o->n_prefill + o->n_decode;
    einf_session *s = NULL;
    einf_session_config config = EINF_INIT(einf_session_config);
    config.n_ctx = (uint32_t)n_ctx;
    if (einf_session_create(m, &config, &s, err)) return bench_fail(PROGRAM, err);
    einf_model_info info = EINF_INIT(einf_model_info);
    (void)einf_model_get_info(m, &info, NULL);

    int32_t *ids = malloc((size_t)n_ctx * sizeof *ids);
    double v[2][BENCH_MAX_RUNS];
    einf_status status = ids ? EINF_OK : EINF_E_NOMEM;
    for (uint32_t i = 0; ids && i < (uint32_t)n_ctx; i++) ids[i] = (int32_t)((7 * i * i + 13 * i + 5) % info.n_vocab);
    for (int i = -1; status == EINF_OK && i < o->n_runs; i++) { /* the first is warm-up */
        double rates[2];
        status = run_once(s, o, ids, rates, err);
        if (i >= 0) v[0][i] = rates[0], v[1][i] = rates[1];
    }
    free(ids);
    einf_session_destroy(&s, NULL);
    if (status != EINF_OK) return bench_fail(PROGRAM, err);

    const bench_spread rates[2] = { bench_spread_of(v[0], o->n_runs), bench_spread_of(v[1], o->n_runs) };
    einf_runtime_info rt_info = EINF_INIT(einf_runtime_info);
    (void)einf_runtime_get_info(rt, &rt_info, NULL);
    (o->json ? print_json : print_text)(o, &rt_info, rates, 1e-9 * (double)bytes_per_token(m));
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: bench-llm -m MODEL.gguf [-p PREFILL] [-n DECODE] [-t THREADS] [-r RUNS] [--json]\n");
    return 2;
}

int main(int argc, char **argv)
{
    options o = { .n_prefill = 512, .n_decode = 128, .n_runs = 5 };
    static const struct option longs[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
    for (int c; (c = getopt_long(argc, argv, "m:p:n:t:r:", longs, NULL)) != -1;) {
        switch (c) {
        case 'm': o.model = optarg; break;
        case 'p': o.n_prefill = atoi(optarg); break;
        case 'n': o.n_decode = atoi(optarg); break;
        case 't': o.n_threads = atoi(optarg); break;
        case 'r': o.n_runs = atoi(optarg); break;
        case 'j': o.json = 1; break;
        default: return usage();
        }
    }
    if (!o.model || o.n_prefill < 0 || o.n_decode < 0 || o.n_prefill + o.n_decode < 1 || o.n_runs < 1 ||
        o.n_runs > BENCH_MAX_RUNS)
        return usage();
    einf_error err = EINF_INIT(einf_error);
    einf_runtime *rt = NULL;
    einf_model *m = NULL;
    einf_runtime_config config = EINF_INIT(einf_runtime_config);
    config.n_threads = o.n_threads;
    if (einf_runtime_create(&config, &rt, &err)) return bench_fail(PROGRAM, &err);
    einf_model_config model_config = EINF_INIT(einf_model_config);
    model_config.load = EINF_LOAD_WEIGHTS;
    int rc = einf_model_open(rt, o.model, &model_config, &m, &err) ? bench_fail(PROGRAM, &err) : bench(&o, rt, m, &err);
    if (einf_model_close(&m, &err) || einf_runtime_destroy(&rt, &err)) rc = bench_fail(PROGRAM, &err);
    return rc;
}
