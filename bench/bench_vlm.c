/* SPDX-License-Identifier: MIT
 * bench_vlm.c - what a prompt with a picture costs: preparing, encoding, prefill, decode, beside what the machine can
 * do at best; and the study of picture sizes.
 *
 *     bench-vlm -m MODEL.gguf --mmproj V [--image F | --size WxH] [-p TEXT] [-n N] [-t T] [-r R] [--cost] [--json]
 *     bench-vlm --encode-only --mmproj V --size WxH
 *     bench-vlm --ladder [-m MODEL.gguf] --mmproj V [--clamps 1024,854,714] [--scale F] [-o OUT.svg] [--dry]
 *
 * Every run starts from an empty session, and no picture is remembered. Opening files lies outside of the window, and
 * so does making the picture.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/arguments.h"
#include "bench/bench_common.h"
#include "bench/joules.h"
#include "bench/peaks.h"
#include "bench/picture.h"
#include "bench/results.h"
#include "bench/rungs.h"
#include "bench/vlm_study.h"

#define PROGRAM "bench-vlm"
#define SCHEMA "edgeinfer-bench-vlm-1"
#define PEAK_SLICE_S 0.006

enum { MAX_SIDE = 16384, WARM_SIDE = 112 };

typedef struct options {
    const char *model, *mmproj, *image, *size, *prompt, *rung, *output;
    bench_counts clamps, widths;
    int n_decode, n_threads, n_runs, float_sum, mode, seed, longest_edge, max_tokens;
    double scale, idle_s, pause_s;
    bool encode_only, ladder, dry, json, cost;
} options;

/* One picture, measured. */
typedef struct one {
    const options *o;
    uint32_t width, height;  /* of a scene */
    bench_machine machine;
    bench_peaks peaks;
    einf_image *image;
    einf_preprocess how;
    einf_image_sizes sizes;
    vlm_sample samples[BENCH_MAX_SAMPLES];
    vlm_runs runs;
    uint64_t rss_peak_bytes;
} one;

/* ------------------------------------------------------------------------------------------------ opening -- */

static einf_status open_all(vlm *b, const options *o, einf_error *err)
{
    vlm_setup setup = { .model = o->encode_only ? NULL : o->model, .mmproj = o->mmproj, .n_threads = o->n_threads,
                        .mode = o->mode, .float_sum = o->float_sum };
    memset(b, 0, sizeof *b);
    if (o->rung) setup.cpu_forbid = ~bench_rung_named(o->rung)->cpu;
    if (o->cost || (o->ladder && !o->dry)) {
        setup.profiler = bench_profiler_open(o->idle_s, err);
        if (!setup.profiler) return err->code;
    }
    return vlm_open(b, &setup, err);
}

static void close_all(vlm *b)
{
    eprof *profiler = b->profiler;
    vlm_close(b);
    eprof_destroy(&profiler);
}

static int finish(einf_status status, einf_error *err)
{
    if (status == EINF_OK) return BENCH_EXIT_DONE;
    if (err->code == EINF_OK) err->code = status;
    return bench_fail(PROGRAM, err);
}

/* ------------------------------------------------------------------------------------------- one picture -- */

static einf_status open_scene(vlm *b, uint32_t width, uint32_t height, uint64_t seed, einf_image **out,
                              einf_error *err)
{
    bench_picture p;
    if (!bench_picture_scene(&p, width, height, seed)) return EINF_E_NOMEM;
    const einf_status status = einf_image_from_pixels(b->rt, p.rgb, 3 * (uint64_t)width * height, EINF_PIXELS_RGB,
                                                      width, height, 0, NULL, out, err);
    bench_picture_free(&p);
    return status;
}

static einf_status open_picture(one *x, vlm *b, einf_error *err)
{
    einf_image_info info = EINF_INIT(einf_image_info);
    einf_status status = x->o->image ? einf_image_open(b->rt, x->o->image, NULL, &x->image, err)
                                     : open_scene(b, x->width, x->height, (uint64_t)x->o->seed, &x->image, err);
    if (status == EINF_OK) status = einf_image_get_info(x->image, &info, err);
    if (status == EINF_OK)
        status = einf_vision_plan(b->vision, info.width, info.height, &x->how, &x->sizes, err);
    return status;
}

static einf_status run_once(one *x, vlm *b, const einf_image *image, vlm_sample *out, einf_error *err)
{
    return b->model ? vlm_prompt(b, image, &x->how, (uint32_t)x->o->n_decode, out, err)
                    : vlm_encode(b, image, &x->how, out, err);
}

/* A small picture: weights are read, threads run, and no minute is lost. */
static einf_status warm_up(one *x, vlm *b, einf_error *err)
{
    einf_image *small = NULL;
    vlm_sample sample;
    einf_status status = open_scene(b, WARM_SIDE, WARM_SIDE, 1, &small, err);
    if (status == EINF_OK) status = run_once(x, b, small, &sample, err);
    einf_image_close(&small);
    return status;
}

static einf_status measure(one *x, vlm *b, einf_error *err)
{
    einf_image_sizes small = EINF_INIT(einf_image_sizes);
    einf_status status = einf_vision_plan(b->vision, WARM_SIDE, WARM_SIDE, &x->how, &small, err);
    const uint32_t n_tokens = small.n_tokens > x->sizes.n_tokens ? small.n_tokens : x->sizes.n_tokens;
    if (status == EINF_OK) status = vlm_make_room(b, x->o->prompt, n_tokens, (uint32_t)x->o->n_decode, err);
    if (status == EINF_OK) status = warm_up(x, b, err);
    if (status != EINF_OK) return status;
    if (!bench_peaks_init_arith(&x->peaks, &x->machine)) return EINF_E_NOMEM;
    bench_peaks_warm(&x->peaks);
    for (int i = 0; status == EINF_OK && i < x->o->n_runs; i++) {
        status = run_once(x, b, x->image, &x->samples[i], err);
        if (!bench_peaks_sample(&x->peaks, PEAK_SLICE_S)) return EINF_E_NOMEM;
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r" PROGRAM ": run %d of %d%s", i + 1, x->o->n_runs, i + 1 < x->o->n_runs ? "" : "\n");
    }
    x->rss_peak_bytes = bench_status_bytes("VmHWM");
    vlm_settle(b, x->o->idle_s / 2, x->samples, x->o->n_runs);
    for (int i = 0; status == EINF_OK && i < x->o->n_runs; i++) vlm_runs_add(&x->runs, &x->samples[i]);
    return status;
}

/* ------------------------------------------------------------------------------------- figures of a picture -- */

static double macs_per_s(const one *x) { return (double)x->sizes.n_macs / vlm_median(&x->runs, VLM_ENCODE_S); }

/* By the cycle of one of the threads. */
static double mac_per_cycle(const one *x, const vlm *b)
{
    const bench_case *clock = &x->peaks.rows[0].c;
    return macs_per_s(x) / (1e9 * bench_median(clock->samples, clock->n) * b->n_threads);
}

/* Pictures are encoded in floats, unless the weights have codes. */
static const bench_peak *peak_of(const one *x, const vlm *b)
{
    const char *type = b->eye.file_type;
    const bool is_float = strcmp(type, "F32") == 0 || strcmp(type, "F16") == 0 || strcmp(type, "BF16") == 0;
    return bench_peak_of_arith(&x->peaks, is_float ? bench_arith_of_sum(b->eye.float_sum) : BENCH_INT8, b->cpu_used);
}

static double share_of(const one *x, const vlm *b, const bench_peak *peak)
{
    return mac_per_cycle(x, b) / bench_median(peak->c.samples, peak->c.n);
}

static cJSON *sizes_json(const einf_image_sizes *s)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "nominal_width", s->nominal_width);
    cJSON_AddNumberToObject(o, "nominal_height", s->nominal_height);
    cJSON_AddNumberToObject(o, "clamped_width", s->clamped_width);
    cJSON_AddNumberToObject(o, "clamped_height", s->clamped_height);
    cJSON_AddNumberToObject(o, "width", s->width);
    cJSON_AddNumberToObject(o, "height", s->height);
    cJSON_AddNumberToObject(o, "n_patches", s->n_patches);
    cJSON_AddNumberToObject(o, "n_image_tokens", s->n_tokens);
    cJSON_AddNumberToObject(o, "encode_macs", (double)s->n_macs);
    cJSON_AddNumberToObject(o, "encode_plan_bytes", (double)s->encode_bytes);
    return o;
}

static void add_setup(cJSON *j, const one *x, const vlm *b)
{
    const options *o = x->o;
    cJSON_AddStringToObject(j, "schema", SCHEMA);
    cJSON_AddStringToObject(j, "version", einf_version());
    cJSON_AddItemToObject(j, "machine", bench_machine_json(&x->machine));
    if (b->model) cJSON_AddStringToObject(j, "model", o->model);
    cJSON_AddStringToObject(j, "mmproj", o->mmproj);
    cJSON_AddStringToObject(j, "image", o->image ? o->image : "a scene drawn from the seed");
    cJSON_AddNumberToObject(j, "seed", o->seed);
    cJSON_AddNumberToObject(j, "n_threads", b->n_threads);
    cJSON_AddNumberToObject(j, "cpu_used", b->cpu_used);
    cJSON_AddStringToObject(j, "float_sum", bench_sum_name(b->eye.float_sum));
    cJSON_AddNumberToObject(j, "n_runs", o->n_runs);
    cJSON_AddItemToObject(j, "sizes", sizes_json(&x->sizes));
}

static cJSON *one_json(const one *x, const vlm *b)
{
    cJSON *j = cJSON_CreateObject();
    const bench_peak *peak = peak_of(x, b);
    add_setup(j, x, b);
    if (b->model) {
        cJSON_AddStringToObject(j, "prompt", x->o->prompt);
        cJSON_AddNumberToObject(j, "n_prompt", x->runs.last.n_prompt);
        cJSON_AddNumberToObject(j, "n_decode", x->runs.last.n_generated);
    }
    cJSON_AddNumberToObject(j, "encode_ms", 1e3 * vlm_median(&x->runs, VLM_ENCODE_S));
    cJSON_AddNumberToObject(j, "encode_gmac_s", 1e-9 * macs_per_s(x));
    cJSON_AddNumberToObject(j, "encode_mac_per_cycle_per_thread", mac_per_cycle(x, b));
    if (peak) {
        cJSON_AddStringToObject(j, "peak", peak->name);
        cJSON_AddNumberToObject(j, "encode_share_of_peak", share_of(x, b, peak));
    }
    cJSON_AddNumberToObject(j, "rss_peak_bytes", (double)x->rss_peak_bytes);
    vlm_runs_json(cJSON_AddObjectToObject(j, "figures"), &x->runs, true);
    cJSON_AddItemToObject(j, "peaks", bench_peaks_json(&x->peaks));
    return j;
}

static void print_figures(const one *x, int from, int to)
{
    for (int i = from; i <= to; i++) {
        const vlm_runs *r = &x->runs;
        if (i == VLM_PRIVATE || !r->n[i]) continue;
        const bench_estimate e = bench_estimate_of(r->of[i], r->n[i]);
        printf("  %-20s %10.4g %-7s (%.4g to %.4g)\n", vlm_measure_text(i), e.median, vlm_measure_unit(i), e.low95,
               e.high95);
    }
}

static void print_sizes(const one *x, const vlm *b)
{
    const einf_image_sizes *s = &x->sizes;
    printf("%ux%u, encoded as %ux%u: %u patches, %u tokens, %.2f GMAC", s->nominal_width, s->nominal_height, s->width,
           s->height, s->n_patches, s->n_tokens, 1e-9 * (double)s->n_macs);
    if (b->model) printf("; prompt of %u tokens, %u of answer", x->runs.last.n_prompt, x->runs.last.n_generated);
    printf("\n");
}

static void print_one(const one *x, const vlm *b)
{
    const bench_peak *peak = peak_of(x, b);
    bench_machine_print(&x->machine);
    printf("%s%s%s, %d threads, medians of %d run%s (95 %% intervals)\n", b->model ? x->o->model : "",
           b->model ? " with " : "", x->o->mmproj, b->n_threads, x->o->n_runs, x->o->n_runs > 1 ? "s" : "");
    print_sizes(x, b);
    print_figures(x, VLM_TOTAL_S, VLM_DECODE_S);
    printf("image encoded in %.1f ms: %.2f GMAC/s, %.2f MAC/cycle/thread", 1e3 * vlm_median(&x->runs, VLM_ENCODE_S),
           1e-9 * macs_per_s(x), mac_per_cycle(x, b));
    if (peak) printf(", %.1f %% of %s", 100 * share_of(x, b, peak), peak->name);
    printf("\nprivate memory while it ran %.2f MiB, planned for encoding %.2f MiB; process at most %.2f MiB\n",
           vlm_median(&x->runs, VLM_PRIVATE) / 1048576, (double)x->sizes.encode_bytes / 1048576,
           (double)x->rss_peak_bytes / 1048576);
    if (!x->o->cost) return;
    char text[160];
    print_figures(x, VLM_CPU_S, VLM_U95_J);
    printf("  %s\n", vlm_energy_text(&x->runs, text));
}

static int run_one(const options *o, uint32_t width, uint32_t height)
{
    static one x;
    vlm b = { 0 };
    einf_error err = EINF_INIT(einf_error);
    x = (one){ .o = o, .width = width, .height = height, .how = EINF_INIT(einf_preprocess),
               .sizes = EINF_INIT(einf_image_sizes) };
    if (o->longest_edge) x.how = vlm_clamp((uint32_t)o->longest_edge);
    x.how.max_tokens = (uint32_t)o->max_tokens;
    einf_status status = bench_machine_look(&x.machine, &err) ? EINF_OK : err.code;
    if (status == EINF_OK) status = open_all(&b, o, &err);
    if (status == EINF_OK) status = open_picture(&x, &b, &err);
    if (status == EINF_OK) status = measure(&x, &b, &err);
    int rc = finish(status, &err);
    if (rc == BENCH_EXIT_DONE && o->json) rc = bench_print_json(PROGRAM, one_json(&x, &b)) ? rc : BENCH_EXIT_FAILED;
    else if (rc == BENCH_EXIT_DONE) print_one(&x, &b);
    bench_peaks_deinit(&x.peaks);
    einf_image_close(&x.image);
    close_all(&b);
    return rc;
}

/* ------------------------------------------------------------------------------------------------ ladder -- */

static int report_study(const vlm_study *s, const options *o)
{
    if (o->output && !vlm_study_draw(s, o->output)) {
        fprintf(stderr, PROGRAM ": %s: %s\n", o->output, strerror(errno));
        return BENCH_EXIT_FAILED;
    }
    if (o->json) return bench_print_json(PROGRAM, vlm_study_json(s)) ? BENCH_EXIT_DONE : BENCH_EXIT_FAILED;
    vlm_study_print(s);
    return BENCH_EXIT_DONE;
}

static int run_ladder(const options *o)
{
    const vlm_study_config config = { .model = o->encode_only ? NULL : o->model, .mmproj = o->mmproj,
                                      .image = o->image, .prompt = o->prompt, .n_runs = o->n_runs,
                                      .n_decode = o->n_decode, .seed = (uint64_t)o->seed, .scale = o->scale,
                                      .idle_s = o->idle_s / 2, .pause_s = o->pause_s, .dry = o->dry };
    static vlm_study s;
    vlm b = { 0 };
    einf_error err = EINF_INIT(einf_error);
    s.config = &config;
    einf_status status = bench_machine_look(&s.machine, &err) ? EINF_OK : err.code;
    if (status == EINF_OK) status = open_all(&b, o, &err);
    if (status == EINF_OK) status = vlm_study_run(&s, &b, &o->widths, &o->clamps, &err);
    int rc = finish(status, &err);
    if (rc == BENCH_EXIT_DONE) rc = report_study(&s, o);
    vlm_study_deinit(&s);
    close_all(&b);
    return rc;
}

/* ----------------------------------------------------------------------------------------------- options -- */

/* "1024x712" */
static bool parse_size(const char *text, uint32_t *width, uint32_t *height)
{
    unsigned w = 0, h = 0;
    int n = 0;
    if (strlen(text) > 11 || strspn(text, "0123456789x") != strlen(text)) return false;
    if (sscanf(text, "%ux%u%n", &w, &h, &n) != 2 || text[n] || w < 1 || h < 1 || w > MAX_SIDE || h > MAX_SIDE)
        return false;
    *width = w;
    *height = h;
    return true;
}

static int refuse_options(const options *o, const bench_program *program, uint32_t *width, uint32_t *height)
{
    if (!o->mmproj) return bench_usage(program, "needs a vision encoder: --mmproj FILE", NULL);
    if (!o->model && !o->encode_only && !o->ladder)
        return bench_usage(program, "needs a model: -m FILE, or --encode-only", NULL);
    if (o->image && o->size) return bench_usage(program, "--image and --size: one of them", NULL);
    if (o->ladder && o->size) return bench_usage(program, "--ladder has sizes of its own: --widths, --scale", NULL);
    if (!o->ladder && (o->output || o->dry)) return bench_usage(program, "-o and --dry are of --ladder", NULL);
    if (o->ladder && (o->longest_edge || o->max_tokens))
        return bench_usage(program, "--ladder takes --clamps, not --longest-edge or --max-tokens", NULL);
    if (o->longest_edge && o->max_tokens)
        return bench_usage(program, "--longest-edge and --max-tokens: one of them", NULL);
    if (o->clamps.n > VLM_MAX_CLAMPS) return bench_usage(program, "--clamps takes at most six", NULL);
    if (o->rung && !bench_rung_named(o->rung))
        return bench_usage(program, "--rung takes " BENCH_RUNG_NAMES ", not", o->rung);
    if (o->size && !parse_size(o->size, width, height))
        return bench_usage(program, "--size takes WIDTHxHEIGHT, 1 to 16384, not", o->size);
    return BENCH_GO_ON;
}

int main(int argc, char **argv)
{
    static options o = { .prompt = "Describe the scene.", .n_decode = 16, .n_runs = 5, .seed = 1, .scale = 1,
                         .idle_s = 5 };
    static const bench_arg args[] = {
        { "--model", "-m", "FILE", BENCH_TEXT, &o.model, 0, 0, "the language model" },
        { "--mmproj", NULL, "FILE", BENCH_TEXT, &o.mmproj, 0, 0, "the vision encoder" },
        { "--image", NULL, "FILE", BENCH_TEXT, &o.image, 0, 0, "a JPEG, PNG or PPM; default: a street that is drawn" },
        { "--size", NULL, "WxH", BENCH_TEXT, &o.size, 0, 0, "of the drawn picture; default: 1024x712" },
        { "--longest-edge", NULL, "N", BENCH_COUNT, &o.longest_edge, 28, MAX_SIDE,
          "clamp as llama.cpp's of 2025; default: the file's limits" },
        { "--max-tokens", NULL, "N", BENCH_COUNT, &o.max_tokens, 1, MAX_SIDE, "limit in image tokens" },
        { "--prompt", "-p", "TEXT", BENCH_TEXT, &o.prompt, 0, 0, "the question" },
        { "--decode", "-n", "N", BENCH_COUNT, &o.n_decode, 1, 1 << 20, "tokens of answer; default: 16" },
        { "--threads", "-t", "T", BENCH_COUNT, &o.n_threads, 1, BENCH_MAX_THREADS, "default: all performance cores" },
        { "--runs", "-r", "R", BENCH_COUNT, &o.n_runs, 1, BENCH_MAX_SAMPLES, "default: 5" },
        { "--encode-only", NULL, NULL, BENCH_FLAG, &o.encode_only, 0, 0, "the encoder alone, without a model" },
        { "--float-sum", NULL, "f32|f16|i16", BENCH_CHOICE, &o.float_sum, 0, 0, "of float weights; default: f32" },
        { "--rung", NULL, "NAME", BENCH_TEXT, &o.rung, 0, 0, "no instruction set above this one, as avx2" },
        { "--mode", NULL, "map|read|huge", BENCH_CHOICE, &o.mode, 0, 0, "where the weights are; default: map" },
        { "--cost", NULL, NULL, BENCH_FLAG, &o.cost, 0, 0, "areas and energy of a run, behind some idling" },
        { "--idle", NULL, "S", BENCH_SECONDS, &o.idle_s, 0, 3600, "of it before, half of that after; default: 5" },
        { "--pause", NULL, "S", BENCH_SECONDS, &o.pause_s, 0, 3600,
          "between the ladder's runs, for slow meters; default: 0" },
        { "--ladder", NULL, NULL, BENCH_FLAG, &o.ladder, 0, 0, "the study: one picture at 20 sizes under each clamp" },
        { "--clamps", NULL, "LIST", BENCH_COUNTS, &o.clamps, 28, MAX_SIDE, "longest edges; default: 1024,854,714" },
        { "--widths", NULL, "LIST", BENCH_COUNTS, &o.widths, 1, MAX_SIDE, "sizes; default: 2048 down to 210" },
        { "--scale", NULL, "F", BENCH_NUMBER, &o.scale, 0.01, 8, "times all clamps and widths; default: 1" },
        { "--seed", NULL, "N", BENCH_COUNT, &o.seed, 0, 1 << 30, "of the drawing and of the order; default: 1" },
        { "--dry", NULL, NULL, BENCH_FLAG, &o.dry, 0, 0, "the ladder's sizes and multiply-adds alone; nothing is run" },
        { "--output", "-o", "FILE", BENCH_TEXT, &o.output, 0, 0, "the ladder as a picture (SVG)" },
        { "--json", NULL, NULL, BENCH_FLAG, &o.json, 0, 0, "one JSON object on stdout, with all samples" },
    };
    static const bench_program program = {
        PROGRAM,
        "What a prompt with a picture costs, by phase, and how that follows from the picture's size.\n",
        "examples:\n"
        "  bench-vlm -m model.gguf --mmproj mmproj.gguf --image street.jpg\n"
        "  bench-vlm --encode-only --mmproj mmproj.gguf --size 504x336 -r 1 --json\n"
        "  bench-vlm --ladder -m model.gguf --mmproj mmproj.gguf -o ladder.svg\n"
        "  bench-vlm --ladder --dry --mmproj mmproj.gguf        what the ladder would be\n"
        "Nothing else should run meanwhile. docs/MEASURING.md says how to read the figures.\n"
        "exit codes: 0 done, 1 failed, 2 usage, 3 bad or unsupported file, 4 does not fit\n",
        args, sizeof args / sizeof args[0],
    };
    uint32_t width = 1024, height = 712;
    int rc = bench_parse(&program, argc, argv);
    if (rc != BENCH_GO_ON) return rc;
    if (!o.clamps.n) o.clamps = vlm_study_clamps;
    if (!o.widths.n) o.widths = vlm_study_widths;
    rc = refuse_options(&o, &program, &width, &height);
    if (rc != BENCH_GO_ON) return rc;
    return o.ladder ? run_ladder(&o) : run_one(&o, width, height);
}
