/* SPDX-License-Identifier: MIT
 * bench_llm.c - tokens per second of prefill and decode, beside what the machine can do at best.
 *
 *     bench-llm -m MODEL.gguf [-p 16,512] [-n 128] [-t T] [-r 5] [--depth D] [--json] [--compare FILE]
 *
 * A run appends p ids at once behind `depth` others, then n ids one by one. Sampling, tokenising and loading lie
 * outside the window. All points are measured in turn, run after run, the machine's peaks among them, after one
 * warm-up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <edgeinfer/lowlevel.h>

#include "bench/arguments.h"
#include "bench/bench_common.h"
#include "bench/joules.h"
#include "bench/model_work.h"
#include "bench/peaks.h"
#include "bench/results.h"
#include "bench/rungs.h"

#define PROGRAM "bench-llm"
#define SCHEMA "edgeinfer-bench-llm-1"
#define PEAK_SLICE_S 0.006
#define IDLE_S 5

typedef struct options {
    const char *model, *rung, *compare;
    bench_counts prefill;
    int n_decode, n_threads, n_threads_decode, n_runs, depth, path, float_sum, mode;
    bool json, cost;
} options;

/* A length of prefill, or decoding. */
typedef struct point {
    bool is_decode;
    int n_tokens;
    double tok_s[BENCH_MAX_SAMPLES];
    int n;
    bench_joules joules;     /* with --cost */
} point;

typedef struct run {
    const options *o;
    bench_machine machine;
    bench_peaks peaks;
    uint32_t cpu_used;
    int n_threads;
    int32_t float_sum; /* EINF_FLOAT_SUM_*, as the session has it, whatever was asked for */
    eprof *profiler;         /* with --cost */
    einf_runtime *rt;
    einf_model *model;
    einf_session *session;
    bench_model_work work;
    int32_t *ids;
    point points[BENCH_MAX_COUNTS + 1];
    int n_points;
} run;

/* ------------------------------------------------------------------------------------------------ measuring -- */

static const char *phase_of(const point *p) { return p->is_decode ? "decode" : "prefill"; }

/* Behind `depth` rows: one append of n, or n of one. *seconds: what they took. */
static einf_status run_point(run *r, const point *p, double *seconds, einf_error *err)
{
    const uint32_t depth = (uint32_t)r->o->depth, n = (uint32_t)p->n_tokens;
    einf_status status = einf_session_rewind(r->session, depth, err);
    const double start = bench_now_s();
    if (!p->is_decode && status == EINF_OK) status = einf_session_append_tokens(r->session, r->ids + depth, n, err);
    for (uint32_t i = 0; p->is_decode && status == EINF_OK && i < n; i++)
        status = einf_session_append_tokens(r->session, r->ids + depth + i, 1, err);
    *seconds = bench_now_s() - start;
    return status;
}

static einf_status measure(run *r, einf_error *err)
{
    einf_status status = EINF_OK;
    if (r->o->depth) status = einf_session_append_tokens(r->session, r->ids, (uint32_t)r->o->depth, err);
    bench_peaks_warm(&r->peaks);
    for (int i = -1; i < r->o->n_runs; i++) { /* the first is warm-up */
        for (int j = 0; status == EINF_OK && j < r->n_points; j++) {
            point *p = &r->points[j];
            double seconds = 1;
            const eprof_region region = i >= 0 && r->profiler ? eprof_begin(r->profiler, 0, phase_of(p)) : 0;
            status = run_point(r, p, &seconds, err);
            if (region) bench_joules_add(&p->joules, r->profiler, region, p->n_tokens);
            if (i >= 0) p->tok_s[p->n++] = p->n_tokens / seconds;
        }
        if (status != EINF_OK) return status;
        if (i >= 0 && !bench_peaks_sample(&r->peaks, PEAK_SLICE_S)) return EINF_E_NOMEM;
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r" PROGRAM ": run %d of %d%s", i + 1, r->o->n_runs, i + 1 < r->o->n_runs ? "" : "\n");
    }
    return status;
}

/* -------------------------------------------------------------------------------------------------- figures -- */

/* Multiply-adds of matrices to a token: logits are made for the last of a prefill alone. */
static double macs_per_token(const run *r, const point *p)
{
    return r->work.layer_macs + (p->is_decode ? r->work.output_macs : r->work.output_macs / p->n_tokens);
}

static double clock_hz(const run *r)
{
    const bench_case *clock = &r->peaks.rows[0].c;
    return 1e9 * bench_median(clock->samples, clock->n);
}

/* By the cycle of one of the threads. */
static double mac_per_cycle(const run *r, const point *p)
{
    return bench_median(p->tok_s, p->n) * macs_per_token(r, p) / (clock_hz(r) * r->n_threads);
}

static double weight_gb_s(const run *r, const point *p)
{
    return bench_median(p->tok_s, p->n) * r->work.read_bytes * 1e-9;
}

static const bench_peak *arith_peak(const run *r)
{
    const bench_arith arith = r->work.is_float ? bench_arith_of_sum(r->float_sum) : BENCH_INT8;
    return bench_peak_of_arith(&r->peaks, arith, r->cpu_used);
}

/* The best that any number of threads and kind of page gave. */
static const bench_peak *memory_peak(const run *r)
{
    const bench_peak *best = NULL;
    for (int i = 0; i < r->peaks.n; i++) {
        const bench_peak *p = &r->peaks.rows[i];
        if (p->kind != BENCH_PEAK_MEMORY) continue;
        if (!best || bench_median(p->c.samples, p->c.n) > bench_median(best->c.samples, best->c.n)) best = p;
    }
    return best;
}

/* What a point is bound by, and its share of that; NULL: nothing here was measured that binds it. */
static const bench_peak *share_of(const run *r, const point *p, double *share)
{
    const bench_peak *peak = p->is_decode ? memory_peak(r) : arith_peak(r);
    if (!peak) return NULL;
    *share = (p->is_decode ? weight_gb_s(r, p) : mac_per_cycle(r, p)) / bench_median(peak->c.samples, peak->c.n);
    return peak;
}

/* ------------------------------------------------------------------------------------------------- printing -- */

static void name_of(const run *r, const point *p, char name[64])
{
    snprintf(name, 64, "%s %d, depth %d", phase_of(p), p->n_tokens, r->o->depth);
}

static cJSON *point_json(const run *r, const point *p)
{
    cJSON *j = cJSON_CreateObject();
    char name[64];
    double share;
    const bench_peak *peak = share_of(r, p, &share);
    name_of(r, p, name);
    cJSON_AddStringToObject(j, "name", name);
    cJSON_AddStringToObject(j, "phase", phase_of(p));
    cJSON_AddNumberToObject(j, "n_tokens", p->n_tokens);
    cJSON_AddNumberToObject(j, "depth", r->o->depth);
    cJSON_AddItemToObject(j, "tok_s", bench_result_json(bench_estimate_of(p->tok_s, p->n), p->tok_s, p->n));
    cJSON_AddNumberToObject(j, "mac_per_cycle_per_thread", mac_per_cycle(r, p));
    if (p->is_decode) cJSON_AddNumberToObject(j, "weight_gb_s", weight_gb_s(r, p));
    if (peak) {
        cJSON_AddStringToObject(j, "peak", peak->name);
        cJSON_AddNumberToObject(j, "share_of_peak", share);
    }
    if (r->profiler) cJSON_AddItemToObject(j, "cost", bench_joules_json(&p->joules));
    return j;
}

/* The first prefill and the decode once more, under names that scripts can rely on. */
static void add_flat_figures(cJSON *j, const run *r, const point *p)
{
    static const char *const keys[2][4] = {
        { "prefill_tok_s", "prefill_tok_s_low95", "prefill_tok_s_high95", "prefill_mac_per_cycle_per_thread" },
        { "decode_tok_s", "decode_tok_s_low95", "decode_tok_s_high95", "decode_mac_per_cycle_per_thread" },
    };
    const bench_estimate e = bench_estimate_of(p->tok_s, p->n);
    if (cJSON_HasObjectItem(j, keys[p->is_decode][0])) return;
    cJSON_AddNumberToObject(j, keys[p->is_decode][0], e.median);
    cJSON_AddNumberToObject(j, keys[p->is_decode][1], e.low95);
    cJSON_AddNumberToObject(j, keys[p->is_decode][2], e.high95);
    cJSON_AddNumberToObject(j, keys[p->is_decode][3], mac_per_cycle(r, p));
    if (p->is_decode) cJSON_AddNumberToObject(j, "decode_weight_gb_s", weight_gb_s(r, p));
}

static cJSON *run_json(const run *r)
{
    const options *o = r->o;
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "schema", SCHEMA);
    cJSON_AddStringToObject(j, "version", einf_version());
    cJSON_AddStringToObject(j, "model", o->model);
    cJSON_AddItemToObject(j, "machine", bench_machine_json(&r->machine));
    cJSON_AddNumberToObject(j, "n_threads", r->n_threads);
    cJSON_AddNumberToObject(j, "cpu_used", r->cpu_used);
    cJSON_AddNumberToObject(j, "n_runs", o->n_runs);
    cJSON_AddNumberToObject(j, "depth", o->depth);
    cJSON_AddNumberToObject(j, "force_path", o->path);
    cJSON_AddStringToObject(j, "float_sum", bench_sum_name(r->float_sum));
    cJSON_AddNumberToObject(j, "weight_read_bytes", r->work.read_bytes);
    cJSON_AddNumberToObject(j, "layer_macs", r->work.layer_macs);
    cJSON_AddNumberToObject(j, "output_macs", r->work.output_macs);
    cJSON *points = cJSON_CreateArray();
    for (int i = 0; i < r->n_points; i++) {
        add_flat_figures(j, r, &r->points[i]);
        cJSON_AddItemToArray(points, point_json(r, &r->points[i]));
    }
    cJSON_AddItemToObject(j, "points", points);
    cJSON_AddItemToObject(j, "peaks", bench_peaks_json(&r->peaks));
    return j;
}

static void print_table(const run *r)
{
    bench_machine_print(&r->machine);
    printf("\npeaks of this run, medians of %d (95 %% intervals):\n", r->o->n_runs);
    bench_peaks_print(&r->peaks);
    printf("\n%s, %d threads, %d runs, float sums %s%s:\n", r->o->model, r->n_threads, r->o->n_runs,
           bench_sum_name(r->float_sum), r->o->float_sum != r->float_sum ? ": this CPU has no others" : "");
    for (int i = 0; i < r->n_points; i++) {
        const point *p = &r->points[i];
        const bench_estimate e = bench_estimate_of(p->tok_s, p->n);
        char name[64];
        double share;
        const bench_peak *peak = share_of(r, p, &share);
        name_of(r, p, name);
        printf("  %-26s %9.2f tok/s  (%.2f to %.2f)  %7.2f MAC/cycle/thread", name, e.median, e.low95, e.high95,
               mac_per_cycle(r, p));
        if (p->is_decode) printf("  %.2f GB/s of weights", weight_gb_s(r, p));
        if (peak) printf("  %.1f %% of %s", 100 * share, peak->name);
        printf("\n");
        if (r->profiler) bench_joules_print(&p->joules);
    }
}

static void print_comparison(const run *r, const cJSON *file)
{
    bench_comparison total = { 0 };
    printf("\nthis run over %s, ratios of medians (95 %% intervals):\n", r->o->compare);
    for (int i = 0; i < r->n_points; i++) {
        const point *p = &r->points[i];
        double old[BENCH_MAX_SAMPLES];
        int n_old = 0;
        char name[64];
        const cJSON *item;
        name_of(r, p, name);
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(file, "points")) {
            const char *other = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));
            if (other && strcmp(other, name) == 0)
                n_old = bench_result_samples(cJSON_GetObjectItemCaseSensitive(item, "tok_s"), old);
        }
        bench_compare_line(&total, name, p->tok_s, p->n, old, n_old, "tok/s");
    }
    bench_compare_end(&total);
}

/* -------------------------------------------------------------------------------------------------- running -- */

static einf_status create_session(run *r, einf_error *err)
{
    int longest = 0;
    einf_session_config config = EINF_INIT(einf_session_config);
    einf_model_info info = EINF_INIT(einf_model_info);
    for (int i = 0; i < r->n_points; i++)
        if (r->points[i].n_tokens > longest) longest = r->points[i].n_tokens;
    const uint32_t n_ctx = (uint32_t)(r->o->depth + longest);
    config.n_ctx = n_ctx;
    config.force_path = r->o->path;
    config.float_sum = r->o->float_sum;
    einf_plan plan = EINF_INIT(einf_plan);
    if (einf_session_plan(r->model, &config, &plan, NULL) == EINF_OK)
        r->float_sum = plan.float_sum;
    const einf_status status = einf_session_create(r->model, &config, &r->session, err);
    if (status != EINF_OK) return status;
    (void)einf_model_get_info(r->model, &info, NULL);
    r->ids = malloc(n_ctx * sizeof *r->ids);
    if (!r->ids) return EINF_E_NOMEM;
    for (uint32_t i = 0; i < n_ctx; i++) r->ids[i] = (int32_t)((7 * i * i + 13 * i + 5) % info.n_vocab);
    return EINF_OK;
}

static einf_status open_all(run *r, einf_error *err)
{
    const options *o = r->o;
    einf_runtime_config config = EINF_INIT(einf_runtime_config);
    einf_model_config model_config = EINF_INIT(einf_model_config);
    einf_runtime_info info = EINF_INIT(einf_runtime_info);
    config.n_threads = o->n_threads;
    config.n_threads_decode = o->n_threads_decode;
    if (o->rung) config.cpu_forbid = ~bench_rung_named(o->rung)->cpu;
    if (o->cost) r->profiler = bench_profiler_open(IDLE_S, err);
    if (o->cost && !r->profiler) return err->code;
    config.profiler = r->profiler;
    model_config.load = EINF_LOAD_WEIGHTS;
    model_config.mode = o->mode;
    einf_status status = einf_runtime_create(&config, &r->rt, err);
    if (status == EINF_OK) status = einf_model_open(r->rt, o->model, &model_config, &r->model, err);
    if (status == EINF_OK) status = create_session(r, err);
    if (status != EINF_OK) return status;
    (void)einf_runtime_get_info(r->rt, &info, NULL);
    r->cpu_used = info.cpu_used;
    r->n_threads = info.n_threads;
    r->work = bench_model_work_of(r->model);
    return bench_peaks_init(&r->peaks, &r->machine, r->n_threads) ? EINF_OK : EINF_E_NOMEM;
}

static void close_all(run *r)
{
    bench_peaks_deinit(&r->peaks);
    free(r->ids);
    einf_session_destroy(&r->session, NULL);
    (void)einf_model_close(&r->model, NULL);
    (void)einf_runtime_destroy(&r->rt, NULL);
    eprof_destroy(&r->profiler);
}

static int run_all(run *r, const cJSON *earlier)
{
    einf_error err = EINF_INIT(einf_error);
    einf_status status = bench_machine_look(&r->machine, &err) ? EINF_OK : err.code;
    if (status == EINF_OK) status = open_all(r, &err);
    if (status == EINF_OK) status = measure(r, &err);
    int rc = BENCH_EXIT_DONE;
    if (status != EINF_OK) {
        if (err.code == EINF_OK) err.code = status;
        rc = bench_fail(PROGRAM, &err);
    } else if (r->o->json) {
        rc = bench_print_json(PROGRAM, run_json(r)) ? BENCH_EXIT_DONE : BENCH_EXIT_FAILED;
    } else {
        print_table(r);
        if (earlier) print_comparison(r, earlier);
    }
    close_all(r);
    return rc;
}

static void make_points(run *r)
{
    for (int i = 0; i < r->o->prefill.n; i++)
        if (r->o->prefill.items[i]) r->points[r->n_points++].n_tokens = r->o->prefill.items[i];
    if (r->o->n_decode) r->points[r->n_points++] = (point){ .is_decode = true, .n_tokens = r->o->n_decode };
}

static int refuse_options(const run *r, const bench_program *program)
{
    const options *o = r->o;
    if (!o->model) return bench_usage(program, "needs a model: -m FILE", NULL);
    if (r->n_points == 0) return bench_usage(program, "nothing to measure: -p and -n are 0", NULL);
    if (o->rung && !bench_rung_named(o->rung))
        return bench_usage(program, "--rung takes " BENCH_RUNG_NAMES ", not", o->rung);
    if (o->json && o->compare) return bench_usage(program, "--compare prints a table: without --json", NULL);
    return BENCH_GO_ON;
}

int main(int argc, char **argv)
{
    enum { MAX_TOKENS = 1 << 20 };
    static options o = { .prefill = { { 512 }, 1 }, .n_decode = 128, .n_runs = 5 };
    static const bench_arg args[] = {
        { "--model", "-m", "FILE", BENCH_TEXT, &o.model, 0, 0, "the GGUF file" },
        { "--prefill", "-p", "LIST", BENCH_COUNTS, &o.prefill, 0, MAX_TOKENS, "tokens at once; default: 512; 0: none" },
        { "--decode", "-n", "N", BENCH_COUNT, &o.n_decode, 0, MAX_TOKENS, "tokens one by one; default: 128; 0: none" },
        { "--depth", "-d", "D", BENCH_COUNT, &o.depth, 0, MAX_TOKENS, "tokens already there before; default: 0" },
        { "--threads", "-t", "T", BENCH_COUNT, &o.n_threads, 1, BENCH_MAX_THREADS, "default: all performance cores" },
        { "--threads-decode", NULL, "T", BENCH_COUNT, &o.n_threads_decode, 1, BENCH_MAX_THREADS,
          "for one token; default: as many as help" },
        { "--runs", "-r", "R", BENCH_COUNT, &o.n_runs, 1, BENCH_MAX_SAMPLES, "default: 5, after one to warm up" },
        { "--path", NULL, "auto|rows|panels|panels-32|panels-64|panels-128|floats", BENCH_CHOICE, &o.path, 0, 0,
          "how matrices are multiplied; default: auto, by the number of tokens" },
        { "--float-sum", NULL, "f32|f16|i16", BENCH_CHOICE, &o.float_sum, 0, 0,
          "of float weights in prefill; default: f32" },
        { "--rung", NULL, "NAME", BENCH_TEXT, &o.rung, 0, 0, "no instruction set above this one, as avx2" },
        { "--mode", NULL, "map|read|huge", BENCH_CHOICE, &o.mode, 0, 0, "where the weights are; default: map" },
        { "--cost", NULL, NULL, BENCH_FLAG, &o.cost, 0, 0, "energy and CPU time a token, behind 5 s of idling" },
        { "--compare", NULL, "FILE", BENCH_TEXT, &o.compare, 0, 0, "with what --json wrote earlier" },
        { "--json", NULL, NULL, BENCH_FLAG, &o.json, 0, 0, "one JSON object on stdout, with all samples" },
    };
    static const bench_program program = {
        PROGRAM,
        "Tokens per second of a model, and the share that they are of what this machine can do at best.\n",
        "examples:\n"
        "  bench-llm -m model.gguf                                prefill 512, decode 128\n"
        "  bench-llm -m model.gguf -p 16,32,128,512,2048 -n 0     prefill by length\n"
        "  bench-llm -m model.gguf -p 0 -n 64 --depth 4096        decode behind a long context\n"
        "  bench-llm -m model.gguf --json >before.json            then, after a change,\n"
        "  bench-llm -m model.gguf --compare before.json          ratios, with those marked that are no noise\n"
        "Nothing else should run meanwhile. docs/MEASURING.md says how to read the figures.\n"
        "exit codes: 0 done, 1 failed, 2 usage, 3 bad or unsupported file, 4 does not fit\n",
        args, sizeof args / sizeof args[0],
    };
    static run r;
    int rc = bench_parse(&program, argc, argv);
    if (rc != BENCH_GO_ON) return rc;
    r.o = &o;
    make_points(&r);
    rc = refuse_options(&r, &program);
    if (rc != BENCH_GO_ON) return rc;
    cJSON *earlier = o.compare ? bench_results_load(PROGRAM, o.compare, SCHEMA, &rc) : NULL;
    if (!o.compare || earlier) rc = run_all(&r, earlier);
    cJSON_Delete(earlier);
    return rc;
}
