/* SPDX-License-Identifier: MIT
 * vlm_run.c - opens what a prompt with a picture needs, runs it, and keeps what it took.
 *
 * Private memory is counted where it is allocated: the runtime gets an allocator that remembers the most.
 */
#include "bench/vlm_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench_common.h"
#include "bench/model_work.h"
#include "bench/results.h"

#include <edgeinfer/lowlevel.h>

enum { TEXT_MARGIN = 32 /* tokens that a template may put around a picture */ };

static const struct { const char *key, *text, *unit; } measures[] = {
#define VLM_MEASURE_ROW(name, key, text, unit) { key, text, unit },
    VLM_MEASURE_MAP(VLM_MEASURE_ROW)
#undef VLM_MEASURE_ROW
};
const char *vlm_measure_key(int measure) { return measures[measure].key; }
const char *vlm_measure_text(int measure) { return measures[measure].text; }
const char *vlm_measure_unit(int measure) { return measures[measure].unit; }

/* -------------------------------------------------------------------------------------------------- runs -- */

void vlm_runs_add(vlm_runs *r, const vlm_sample *s)
{
    for (int i = 0; i < VLM_N_MEASURES; i++)
        if (isfinite(s->of[i]) && r->n[i] < BENCH_MAX_SAMPLES) r->of[i][r->n[i]++] = s->of[i];
    r->last = *s;
}

double vlm_median(const vlm_runs *r, int measure)
{
    return r->n[measure] ? bench_median(r->of[measure], r->n[measure]) : EPROF_ABSENT;
}

void vlm_runs_json(cJSON *o, const vlm_runs *r, bool with_samples)
{
    for (int i = 0; i < VLM_N_MEASURES; i++) {
        const double *v = r->of[i];
        if (r->n[i])
            cJSON_AddItemToObject(o, measures[i].key, bench_result_json(bench_estimate_of(v, r->n[i]),
                                                                        with_samples ? v : NULL, r->n[i]));
    }
    if (!r->last.source[0] || !r->n[VLM_GROSS_J]) return;
    const char grade[2] = { (char)r->last.grade, '\0' };
    cJSON_AddStringToObject(o, "source", r->last.source);
    cJSON_AddStringToObject(o, "scope", eprof_scope_name(r->last.scope));
    if (r->last.grade) cJSON_AddStringToObject(o, "grade", grade);
    cJSON_AddBoolToObject(o, "is_estimate", r->last.is_estimate);
}

const char *vlm_energy_text(const vlm_runs *r, char text[160])
{
    if (!r->last.source[0]) snprintf(text, 160, "nothing measures energy here");
    else snprintf(text, 160, "energy by %s, %s%s", r->last.source, eprof_scope_name(r->last.scope),
                  r->last.is_estimate ? ", an estimate" : "");
    return text;
}

static void clear(vlm_sample *s)
{
    *s = (vlm_sample){ 0 };
    for (int i = 0; i < VLM_N_MEASURES; i++) s->of[i] = EPROF_ABSENT;
}

/* ------------------------------------------------------------------------------------------------ memory -- */

static void *count_alloc(void *user, uint64_t size_bytes, uint64_t align)
{
    vlm_memory *m = user;
    void *p = NULL;
    if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size_bytes) != 0) return NULL;
    m->now_bytes += size_bytes;
    if (m->now_bytes > m->most_bytes) m->most_bytes = m->now_bytes;
    return p;
}

static void count_free(void *user, void *p, uint64_t size_bytes)
{
    vlm_memory *m = user;
    if (p) m->now_bytes -= size_bytes;
    free(p);
}

static uint64_t memory_mark(vlm *b) { return b->memory.most_bytes = b->memory.now_bytes; }

/* ----------------------------------------------------------------------------------------------- opening -- */

static bool headline_is_estimate(const eprof *p)
{
    eprof_source_info s = EPROF_INIT(eprof_source_info);
    for (int i = 0; eprof_source(p, i, &s, NULL) == EPROF_OK; i++)
        if (s.headline) return s.cls == EPROF_CLASS_MODEL;
    return false;
}

static einf_status open_runtime(vlm *b, const vlm_setup *setup, einf_error *err)
{
    const einf_allocator counting = { count_alloc, count_free, &b->memory };
    einf_runtime_config config = EINF_INIT(einf_runtime_config);
    einf_runtime_info info = EINF_INIT(einf_runtime_info);
    config.n_threads = setup->n_threads;
    config.cpu_forbid = setup->cpu_forbid;
    config.allocator = &counting;
    config.profiler = setup->profiler;
    b->profiler = setup->profiler;
    b->is_estimate = b->profiler && headline_is_estimate(b->profiler);
    einf_status status = einf_runtime_create(&config, &b->rt, err);
    if (status == EINF_OK) status = einf_runtime_get_info(b->rt, &info, err);
    b->n_threads = info.n_threads;
    b->cpu_used = info.cpu_used;
    return status;
}

einf_status vlm_open(vlm *b, const vlm_setup *setup, einf_error *err)
{
    einf_vision_config vision = EINF_INIT(einf_vision_config);
    einf_model_config model = EINF_INIT(einf_model_config);
    memset(b, 0, sizeof *b);
    vision.mode = model.mode = setup->mode;
    vision.float_sum = setup->float_sum;
    vision.cache_bytes = EINF_CACHE_NONE;
    b->eye = (einf_vision_info)EINF_INIT(einf_vision_info);
    einf_status status = open_runtime(b, setup, err);
    if (status == EINF_OK) status = einf_vision_open(b->rt, setup->mmproj, &vision, &b->vision, err);
    if (status == EINF_OK) status = einf_vision_get_info(b->vision, &b->eye, err);
    if (status != EINF_OK || !setup->model) return status;
    status = einf_model_open(b->rt, setup->model, &model, &b->model, err);
    if (status == EINF_OK) status = einf_vision_check_model(b->vision, b->model, err);
    if (status == EINF_OK) b->macs_per_token = bench_model_work_of(b->model).layer_macs;
    return status;
}

/* Tokens of the prompt without its picture, as a chat lays it out; a file without a template is given the text. */
static uint64_t text_tokens(const vlm *b, const char *prompt)
{
    einf_message message = EINF_INIT(einf_message);
    uint64_t n = 0;
    message.role = "user";
    message.content = prompt;
    const einf_status status = einf_chat_tokenize(b->model, &message, 1, NULL, NULL, 0, &n, NULL);
    return status == EINF_OK || status == EINF_E_LIMIT ? n : strlen(prompt);
}

einf_status vlm_make_room(vlm *b, const char *prompt, uint32_t n_image_tokens, uint32_t n_decode, einf_error *err)
{
    b->prompt = prompt;
    if (!b->model) {
        b->n_row_floats = (uint64_t)n_image_tokens * b->eye.row_width;
        b->rows = malloc(b->n_row_floats * sizeof *b->rows);
        return b->rows ? EINF_OK : EINF_E_NOMEM;
    }
    einf_session_config config = EINF_INIT(einf_session_config);
    config.n_ctx = n_image_tokens + n_decode + (uint32_t)text_tokens(b, prompt) + TEXT_MARGIN;
    return einf_session_create(b->model, &config, &b->session, err);
}

void vlm_close(vlm *b)
{
    free(b->rows);
    (void)einf_session_destroy(&b->session, NULL);
    (void)einf_model_close(&b->model, NULL);
    (void)einf_vision_close(&b->vision, NULL);
    (void)einf_runtime_destroy(&b->rt, NULL);
}

/* ------------------------------------------------------------------------------------------------ encode -- */

static void keep_region(vlm_sample *out, const eprof_result *r)
{
    out->of[VLM_CPU_S] = r->cpu.own_core_s;
    out->of[VLM_CPU_AUC] = r->cpu.auc_exact_pct_s;
    out->of[VLM_CPU_SAMPLED] = r->cpu.auc_sampled_pct_s;
    out->of[VLM_FOREIGN] = r->cpu.foreign_pct;
    out->of[VLM_RAM_AUC] = r->ram.auc_anon_mib_s;
    out->of[VLM_RAM_FILE] = r->ram.auc_file_mib_s;
    if (r->n_energies < 1) return;
    const eprof_energy *e = &r->energy[0];
    out->of[VLM_GROSS_J] = e->gross_j;
    out->of[VLM_NET_J] = e->net_j;
    out->of[VLM_U95_J] = 2 * (eprof_has(e->net_j) ? e->u_net_j : e->u_gross_j);
    memcpy(out->source, e->source, sizeof out->source);
    out->scope = e->scope;
    out->grade = e->grade;
}

void vlm_settle(vlm *b, double idle_s, vlm_sample *samples, int n)
{
    const char *name = b->model ? "generate" : "encode"; /* the library's own region, and that of vlm_encode */
    int at = -1;                                         /* the first warmed up */
    if (!b->profiler) return;
    if (idle_s > 0) (void)eprof_baseline(b->profiler, idle_s, NULL);
    if (eprof_stop(b->profiler, NULL) != EPROF_OK) return;
    eprof_result r = EPROF_INIT(eprof_result);
    for (int i = 0; at < n && eprof_result_of(b->profiler, i, &r, NULL) == EPROF_OK; i++) {
        if (strcmp(r.name, name) != 0) continue;
        if (at >= 0 && !(r.flags & EPROF_FLAG_HISTORY)) keep_region(&samples[at], &r);
        at++;
    }
}

einf_status vlm_encode(vlm *b, const einf_image *image, const einf_preprocess *how, vlm_sample *out, einf_error *err)
{
    einf_encode_config config = EINF_INIT(einf_encode_config);
    einf_encode_result result = EINF_INIT(einf_encode_result);
    eprof_result cost = EPROF_INIT(eprof_result);
    config.preprocess = how;
    clear(out);
    const uint64_t before = memory_mark(b);
    const eprof_region region = b->profiler ? eprof_begin(b->profiler, 0, "encode") : 0;
    const double start = bench_now_s();
    const einf_status status = einf_vision_encode(b->vision, image, &config, b->rows, b->n_row_floats, &result, err);
    out->of[VLM_TOTAL_S] = bench_now_s() - start;
    if (region && eprof_end(b->profiler, region, &cost, NULL) == EPROF_OK) keep_region(out, &cost);
    out->is_estimate = b->is_estimate;
    out->of[VLM_PREPARE_S] = result.preprocess_s;
    out->of[VLM_ENCODE_S] = result.encode_s;
    out->of[VLM_PRIVATE] = (double)(b->memory.most_bytes - before);
    out->n_image_tokens = result.sizes.n_tokens;
    return status;
}

/* ------------------------------------------------------------------------------------------------ prompt -- */

/* As far as it is known when the prompt ends; vlm_settle knows more. */
static void keep_cost(vlm_sample *out, const einf_cost *c)
{
    out->of[VLM_CPU_AUC] = c->cpu_auc_pct_s;
    out->of[VLM_CPU_SAMPLED] = c->cpu_auc_sampled_pct_s;
    out->of[VLM_FOREIGN] = c->foreign_cpu_pct;
    out->of[VLM_RAM_AUC] = c->ram_auc_mib_s;
    out->of[VLM_RAM_FILE] = c->ram_auc_file_mib_s;
    out->of[VLM_GROSS_J] = c->gross_j;
    out->of[VLM_NET_J] = c->net_j;
    out->of[VLM_U95_J] = c->u95_j;
    memcpy(out->source, c->source, sizeof out->source);
    out->scope = c->scope;
    out->grade = c->grade;
}

/* What it takes to make the picture ready, by itself. */
static einf_status time_preparing(vlm *b, const einf_image *image, const einf_preprocess *how, double *seconds,
                                  einf_error *err)
{
    einf_image_info info = EINF_INIT(einf_image_info);
    einf_image_sizes sizes = EINF_INIT(einf_image_sizes);
    einf_status status = einf_image_get_info(image, &info, err);
    if (status == EINF_OK) status = einf_vision_plan(b->vision, info.width, info.height, how, &sizes, err);
    if (status != EINF_OK) return status;
    const uint64_t n_floats = 3 * (uint64_t)sizes.width * sizes.height;
    float *pixels = malloc(n_floats * sizeof *pixels);
    if (!pixels) return EINF_E_NOMEM;
    const double start = bench_now_s();
    status = einf_vision_preprocess(b->vision, image, how, pixels, n_floats, NULL, err);
    *seconds = bench_now_s() - start;
    free(pixels);
    return status;
}

einf_status vlm_prompt(vlm *b, const einf_image *image, const einf_preprocess *how, uint32_t n_decode,
                       vlm_sample *out, einf_error *err)
{
    einf_generate_config config = EINF_INIT(einf_generate_config);
    einf_result result = EINF_INIT(einf_result);
    const einf_image *images[1] = { image };
    config.max_tokens = n_decode;
    config.ignore_eos = 1;
    config.vision = b->vision;
    config.preprocess = how;
    config.images = images;
    config.n_images = 1;
    clear(out);
    einf_status status = time_preparing(b, image, how, &out->of[VLM_PREPARE_S], err);
    if (status == EINF_OK) status = einf_session_rewind(b->session, 0, err);
    if (status != EINF_OK) return status;
    const uint64_t before = memory_mark(b);
    const double start = bench_now_s();
    status = einf_generate(b->session, b->prompt, strlen(b->prompt), &config, &result, err);
    out->of[VLM_TOTAL_S] = bench_now_s() - start;
    keep_cost(out, &result.cost);
    out->is_estimate = b->is_estimate;
    out->of[VLM_ENCODE_S] = result.image_s - out->of[VLM_PREPARE_S];
    out->of[VLM_PREFILL_S] = result.prefill_s;
    out->of[VLM_DECODE_S] = result.decode_s;
    if (result.has_cpu) out->of[VLM_CPU_S] = result.cpu_core_s;
    out->of[VLM_PRIVATE] = (double)(b->memory.most_bytes - before);
    out->n_prompt = result.n_prompt;
    out->n_image_tokens = result.n_image_tokens;
    out->n_generated = result.n_generated;
    return status;
}
