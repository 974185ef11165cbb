/* SPDX-License-Identifier: MIT
 * bench_kernels.c - how fast each slot of the kernel table is on each rung, beside what the machine can do at best.
 *
 *     bench-kernels [--json] [--only TEXT] [--rung NAME] [--threads N] [--compare FILE] [--seconds S]
 *
 * All cases are sampled in turn, round after round, the machine's peaks among them (rounds.h).
 */
#include <stdio.h>
#include <unistd.h>

#include "bench/arguments.h"
#include "bench/bench_common.h"
#include "bench/kern_cases.h"
#include "bench/results.h"

#define PROGRAM "bench-kernels"
#define SCHEMA "edgeinfer-bench-kernels-1"

enum { N_ROUNDS = 15 };

typedef struct options {
    bool json, all;
    const char *only, *rung, *compare;
    int n_threads;
    double seconds; /* of a case, over all rounds */
} options;

/* What a run is made of. */
typedef struct run {
    const options *o;
    bench_machine machine;
    bench_peaks peaks;
    kern_wish wish;
    kern_list cases;
} run;

/* ------------------------------------------------------------------------------------------------ measuring -- */

static int measure(run *r)
{
    const double slice_s = r->o->seconds / N_ROUNDS;
    bench_peaks_warm(&r->peaks);
    for (int i = 0; i < r->cases.n; i++) bench_case_warm(&r->cases.items[i].c);
    for (int round = 0; round < N_ROUNDS; round++) {
        bool ok = bench_peaks_sample(&r->peaks, slice_s);
        for (int i = 0; ok && i < r->cases.n; i++) ok = bench_case_sample(&r->cases.items[i].c, slice_s);
        if (!ok) {
            fprintf(stderr, PROGRAM ": cannot start %d threads\n", r->wish.n_threads);
            return BENCH_EXIT_FAILED;
        }
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r" PROGRAM ": round %d of %d%s", round + 1, N_ROUNDS, round + 1 < N_ROUNDS ? "" : "\n");
    }
    return BENCH_EXIT_DONE;
}

/* -------------------------------------------------------------------------------------------------- shares -- */

static const bench_peak *roof_of(const run *r, const kern_case *k)
{
    switch (k->roof) {
    case KERN_NO_ROOF: return NULL;
    case KERN_ROOF_INT8: return bench_peak_of_arith(&r->peaks, BENCH_INT8, k->rung->cpu);
    case KERN_ROOF_INT16: return bench_peak_of_arith(&r->peaks, BENCH_INT16, k->rung->cpu);
    case KERN_ROOF_F32: return bench_peak_of_arith(&r->peaks, BENCH_F32, k->rung->cpu);
    case KERN_ROOF_F16: return bench_peak_of_arith(&r->peaks, BENCH_F16, k->rung->cpu);
    case KERN_ROOF_L1: return bench_peak_named(&r->peaks, "read L1");
    case KERN_ROOF_MEMORY: return bench_peak_of_memory(&r->peaks, k->c.n_threads, false);
    }
    return NULL;
}

/* The peak in the unit of the case: memory's is known by the second. */
static double roof_height(const run *r, const bench_peak *roof)
{
    const bench_case *clock = &r->peaks.rows[0].c;
    const double height = bench_median(roof->c.samples, roof->c.n);
    return roof->kind == BENCH_PEAK_MEMORY ? height / bench_median(clock->samples, clock->n) : height;
}

/* ------------------------------------------------------------------------------------------------ printing -- */

static void name_of(const kern_case *k, char name[128])
{
    snprintf(name, 128, "%s %s %s", einf__kernel_slot_name(k->slot), k->rung->name, k->shape);
}

static cJSON *case_json(const run *r, const kern_case *k)
{
    cJSON *j = cJSON_CreateObject();
    char name[128];
    const bench_estimate e = bench_estimate_of(k->c.samples, k->c.n);
    const bench_peak *roof = roof_of(r, k);
    name_of(k, name);
    cJSON_AddStringToObject(j, "name", name);
    cJSON_AddStringToObject(j, "slot", einf__kernel_slot_name(k->slot));
    cJSON_AddStringToObject(j, "rung", k->rung->name);
    cJSON_AddStringToObject(j, "implementation", k->k->impl[k->slot]);
    cJSON_AddStringToObject(j, "shape", k->shape);
    if (k->n_cols) cJSON_AddNumberToObject(j, "n_cols", k->n_cols);
    cJSON_AddNumberToObject(j, "n_threads", k->c.n_threads > 1 ? k->c.n_threads : 1);
    cJSON_AddItemToObject(j, k->unit, bench_result_json(e, k->c.samples, k->c.n));
    if (roof) {
        cJSON_AddStringToObject(j, "peak", roof->name);
        cJSON_AddNumberToObject(j, "share_of_peak", e.median / roof_height(r, roof));
    }
    return j;
}

static cJSON *run_json(const run *r)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "schema", SCHEMA);
    cJSON_AddStringToObject(j, "version", einf_version());
    cJSON_AddItemToObject(j, "machine", bench_machine_json(&r->machine));
    cJSON_AddNumberToObject(j, "n_threads", r->wish.n_threads);
    cJSON_AddNumberToObject(j, "n_rounds", N_ROUNDS);
    cJSON_AddNumberToObject(j, "seconds_per_case", r->o->seconds);
    cJSON_AddItemToObject(j, "peaks", bench_peaks_json(&r->peaks));
    cJSON *results = cJSON_AddArrayToObject(j, "results");
    for (int i = 0; i < r->cases.n; i++) cJSON_AddItemToArray(results, case_json(r, &r->cases.items[i]));
    return j;
}

static const char *unit_text(const char *unit)
{
    return unit[0] == 'm' ? "MAC/cycle" : unit[0] == 'b' ? "bytes/cycle" : "weights/cycle";
}

static void print_table(const run *r)
{
    bench_machine_print(&r->machine);
    printf("\npeaks of this run, medians of %d rounds (95 %% intervals):\n", N_ROUNDS);
    bench_peaks_print(&r->peaks);
    printf("\nkernels:\n");
    for (int i = 0; i < r->cases.n; i++) {
        const kern_case *k = &r->cases.items[i];
        const bench_estimate e = bench_estimate_of(k->c.samples, k->c.n);
        const bench_peak *roof = roof_of(r, k);
        printf("  %-15s %-8s %-28s %8.3f %-13s (%.3f to %.3f)", einf__kernel_slot_name(k->slot), k->rung->name,
               k->shape, e.median, unit_text(k->unit), e.low95, e.high95);
        if (roof) printf("  %5.1f %% of %s", 100 * e.median / roof_height(r, roof), roof->name);
        printf("\n");
    }
}

static const cJSON *result_named(const cJSON *file, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(file, "results")) {
        const char *other = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));
        if (other && strcmp(other, name) == 0) return item;
    }
    return NULL;
}

/* New over old, by the cycle: a clock that differs is no difference. */
static void print_comparison(const run *r, const cJSON *file)
{
    bench_comparison total = { 0 };
    printf("\nthis run over %s, ratios of medians (95 %% intervals):\n", r->o->compare);
    for (int i = 0; i < r->cases.n; i++) {
        const kern_case *k = &r->cases.items[i];
        char name[128];
        double old[BENCH_MAX_SAMPLES];
        name_of(k, name);
        const cJSON *result = cJSON_GetObjectItemCaseSensitive(result_named(file, name), k->unit);
        bench_compare_line(&total, name, k->c.samples, k->c.n, old, bench_result_samples(result, old),
                           unit_text(k->unit));
    }
    bench_compare_end(&total);
}

/* ------------------------------------------------------------------------------------------------- running -- */

static int fail_nomem(void)
{
    fprintf(stderr, PROGRAM ": out of memory\n");
    return BENCH_EXIT_NO_FIT;
}

static int show(run *r, const cJSON *earlier)
{
    if (r->o->json) return bench_print_json(PROGRAM, run_json(r)) ? BENCH_EXIT_DONE : BENCH_EXIT_FAILED;
    print_table(r);
    if (earlier) print_comparison(r, earlier);
    return BENCH_EXIT_DONE;
}

static int run_cases(run *r, const bench_program *program, const cJSON *earlier)
{
    if (!bench_peaks_init(&r->peaks, &r->machine, r->wish.n_threads)) return fail_nomem();
    kern_list_make(&r->cases, &r->wish, &r->peaks);
    int rc;
    if (r->cases.failed) rc = fail_nomem();
    else if (r->cases.n == 0)
        rc = bench_usage(program, "no such slot in that rung", r->o->only ? r->o->only : r->o->rung);
    else {
        rc = measure(r);
        if (rc == BENCH_EXIT_DONE) rc = show(r, earlier);
    }
    kern_list_free(&r->cases);
    bench_peaks_deinit(&r->peaks);
    return rc;
}

/* What was asked for, against what the machine is. */
static int make_wish(run *r, const bench_program *program)
{
    einf_error err = EINF_INIT(einf_error);
    const options *o = r->o;
    if (!bench_machine_look(&r->machine, &err)) return bench_fail(PROGRAM, &err);
    r->wish = (kern_wish){ .only = o->only, .all_types = o->all, .cpu = r->machine.cpu_found,
                           .n_threads = o->n_threads ? o->n_threads : r->machine.n_cores };
    if (!o->rung) return BENCH_EXIT_DONE;
    r->wish.rung = bench_rung_named(o->rung);
    if (!r->wish.rung) return bench_usage(program, "--rung takes " BENCH_RUNG_NAMES ", not", o->rung);
    if (r->wish.rung->cpu & ~r->machine.cpu_found) return bench_usage(program, "this machine lacks", o->rung);
    return BENCH_EXIT_DONE;
}

int main(int argc, char **argv)
{
    static options o = { .seconds = 0.2 };
    static const bench_arg args[] = {
        { "--only", NULL, "TEXT", BENCH_TEXT, &o.only, 0, 0, "slots whose name has TEXT in it, as dot[Q4_K]" },
        { "--rung", NULL, "NAME", BENCH_TEXT, &o.rung, 0, 0, "one rung, as avx2; ref, plain C, only when named" },
        { "--all", NULL, NULL, BENCH_FLAG, &o.all, 0, 0, "all weight types; default: F16, BF16, Q4_0, Q8_0, Q4..Q6_K" },
        { "--threads", "-t", "N", BENCH_COUNT, &o.n_threads, 1, BENCH_MAX_THREADS,
          "that read memory together; default: all cores" },
        { "--seconds", NULL, "S", BENCH_SECONDS, &o.seconds, 0.001, 60, "for each case, in 15 rounds; default: 0.2" },
        { "--compare", NULL, "FILE", BENCH_TEXT, &o.compare, 0, 0, "with what --json wrote earlier" },
        { "--json", NULL, NULL, BENCH_FLAG, &o.json, 0, 0, "one JSON object on stdout, with all samples" },
    };
    static const bench_program program = {
        PROGRAM,
        "How fast each slot of the kernel table is, beside this machine's own peaks, measured in the same run.\n",
        "examples:\n"
        "  bench-kernels                            everything, in about a minute\n"
        "  bench-kernels --only dot[Q4_K]           one slot\n"
        "  bench-kernels --json >before.json        then change a kernel, and\n"
        "  bench-kernels --compare before.json      ratios, with those marked that are no noise\n"
        "Nothing else should run meanwhile. docs/MEASURING.md says how to read the figures.\n"
        "exit codes: 0 done, 1 failed, 2 usage, 3 the file to compare with is none, 4 no memory\n",
        args, sizeof args / sizeof args[0],
    };
    static run r;
    int rc = bench_parse(&program, argc, argv);
    if (rc != BENCH_GO_ON) return rc;
    if (o.json && o.compare) return bench_usage(&program, "--compare prints a table: without --json", NULL);
    r.o = &o;
    rc = make_wish(&r, &program);
    if (rc != BENCH_EXIT_DONE) return rc;
    cJSON *earlier = o.compare ? bench_results_load(PROGRAM, o.compare, SCHEMA, &rc) : NULL;
    if (!o.compare || earlier) rc = run_cases(&r, &program, earlier);
    cJSON_Delete(earlier);
    return rc;
}
