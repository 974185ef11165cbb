/* SPDX-License-Identifier: MIT
 * advise_forecast.c - the calibration, and forecasts from its laws.
 *
 * Each series begins with a run that is thrown away (it brings the weights into memory; a slow one counts), goes up by
 * factors of two as long as two runs of the next size fit its share of the time, and is then repeated in turn, so that
 * a change of the machine's load meets all sizes alike.
 */
#include "cli/advise_forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <edgeinfer/lowlevel.h>

enum { FIRST_IMAGE_TOKENS = 16, FIRST_PROMPT = 32, MAX_DECODED = 64 };
enum { LEAST_SIZES = 2 }; /* whatever the budget: one size says nothing of another */
/* Shares of the budget; encoding is what differs most between machines and sizes. */
static const double encode_share = 0.55, prefill_share = 0.3, decode_share = 0.15;
static const double growth = 2.5; /* of the seconds, when tokens double */
static const double discard_below = 0.2; /* of the share: a first run that takes more must count */
static const double noisy_from = 0.15;

typedef struct calibration {
    cli_engine *e;
    einf_vision *v;
    einf_session *s;
    const einf_image *image;
    const advise_ladder *ladder;
    uint32_t row_width, n_vocab;
    uint32_t image_tokens[ADVISE_MAX_POINTS], prompt_tokens[ADVISE_MAX_POINTS]; /* limits to try; 0 behind the last */
    float *rows;              /* [largest of image_tokens, row_width] */
    uint64_t n_floats;
    int32_t *ids;             /* [largest of prompt_tokens] */
    advise_machine *out;
} calibration;

/* Measures size i into a point of out's laws, which have room for it. */
typedef einf_status measure_fn(calibration *c, int i, einf_error *err);

/* ----------------------------------------------------------------------------------------------- measures -- */

static einf_preprocess limited_to(const calibration *c, uint32_t n_tokens)
{
    einf_preprocess p = c->ladder->items[c->ladder->top].preprocess;
    p.rule = EINF_RESIZE_PIXELS;
    p.min_tokens = 1;
    p.max_tokens = n_tokens;
    return p;
}

static void set_image_work(const advise_machine *m, const einf_image_sizes *s, advise_point *preprocess,
                           advise_point *encode)
{
    const double n = s->n_patches;
    preprocess->linear = (double)s->width * s->height;
    encode->attention = m->image_attention_per_pair * n * n;
    encode->linear = fmax((double)s->n_macs - encode->attention, 0);
    preprocess->n_tokens = encode->n_tokens = s->n_tokens;
}

static einf_status measure_encode(calibration *c, int i, einf_error *err)
{
    const einf_preprocess p = limited_to(c, c->image_tokens[i]);
    einf_encode_config config = EINF_INIT(einf_encode_config);
    einf_encode_result r = EINF_INIT(einf_encode_result);
    config.preprocess = &p;
    config.cancel = c->e->cancel;
    config.progress = cli_progress_step;
    config.progress_user = &c->e->progress;
    const einf_status status = einf_vision_encode(c->v, c->image, &config, c->rows, c->n_floats, &r, err);
    if (status != EINF_OK) return status;
    advise_point *preprocess = &c->out->preprocess.points[i], *encode = &c->out->encode.points[i];
    set_image_work(c->out, &r.sizes, preprocess, encode);
    advise_point_add(preprocess, r.preprocess_s);
    advise_point_add(encode, r.encode_s);
    return EINF_OK;
}

static double prompt_attention(const advise_machine *m, double n) { return m->attention_per_pair * n * (n + 1) / 2; }

static einf_status measure_prefill(calibration *c, int i, einf_error *err)
{
    const uint32_t n = c->prompt_tokens[i];
    advise_point *p = &c->out->prefill.points[i];
    einf_status status = einf_session_rewind(c->s, 0, err);
    const double start_s = cli_now_s();
    if (status == EINF_OK) status = einf_session_append_tokens(c->s, c->ids, n, err);
    if (status != EINF_OK) return status;
    p->n_tokens = n;
    p->linear = n * c->out->n_params;
    p->attention = prompt_attention(c->out, n);
    advise_point_add(p, cli_now_s() - start_s);
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------- series -- */

static einf_status run_series(calibration *c, advise_law *law, const uint32_t *sizes, measure_fn *measure,
                              double budget_s, einf_error *err)
{
    const double end_s = cli_now_s() + budget_s;
    double seconds[ADVISE_MAX_POINTS] = { 0 }; /* of the last run */
    double start_s = cli_now_s();
    einf_status status = measure(c, 0, err);
    seconds[0] = cli_now_s() - start_s;
    if (seconds[0] < budget_s * discard_below) law->points[0].n_repeats = 0;
    for (int i = 0; status == EINF_OK && i < ADVISE_MAX_POINTS && sizes[i]; i++) {
        if (i >= LEAST_SIZES && cli_now_s() + 2 * growth * seconds[i - 1] > end_s) break;
        law->n_points = i + 1;
        if (law->points[i].n_repeats > 0) continue;
        start_s = cli_now_s();
        status = measure(c, i, err);
        seconds[i] = cli_now_s() - start_s;
    }
    for (int round = 1; round < ADVISE_MAX_REPEATS; round++)
        for (int i = 0; i < law->n_points; i++) {
            if (status != EINF_OK || cli_now_s() + seconds[i] > end_s) return status;
            status = measure(c, i, err);
        }
    return status;
}

/* Tokens one at a time. The first is thrown away. */
static einf_status run_decode(calibration *c, double budget_s, einf_error *err)
{
    advise_machine *m = c->out;
    advise_law *law = &m->decode;
    const uint32_t n_before = c->prompt_tokens[0];
    einf_status status = measure_prefill(c, 0, err);
    const double end_s = cli_now_s() + budget_s;
    double all_s[MAX_DECODED];
    int n = 0;
    for (int i = 0; status == EINF_OK && i <= MAX_DECODED && (i < 2 || cli_now_s() < end_s); i++) {
        if (einf_session_n_past(c->s) == einf_session_n_ctx(c->s)) break;
        const double start_s = cli_now_s();
        status = einf_session_append_tokens(c->s, c->ids, 1, err);
        if (i > 0) all_s[n++] = cli_now_s() - start_s;
    }
    if (n == 0) return status;
    advise_point *p = &law->points[0];
    for (int i = 0; i < ADVISE_MAX_REPEATS && i < n; i++) /* spread over all that there are */
        advise_point_add(p, all_s[n <= ADVISE_MAX_REPEATS ? i : i * n / ADVISE_MAX_REPEATS]);
    p->n_tokens = 1;
    p->linear = m->weight_bytes + m->kv_row_bytes * (n_before + n / 2.0);
    law->n_points = 1;
    return status;
}

/* -------------------------------------------------------------------------------------------------- power -- */

/* The profiler's run so far, up to its last sample. Its single regions are mostly shorter than what lies between two
 * samples. */
typedef struct power_mark {
    double elapsed_s, core_s, gross_j;
} power_mark;

static power_mark mark_power(const eprof *p, eprof_result *r)
{
    *r = (eprof_result)EPROF_INIT(eprof_result);
    if (!p || eprof_result_of(p, 0, r, NULL) != EPROF_OK)
        return (power_mark){ EPROF_ABSENT, EPROF_ABSENT, EPROF_ABSENT };
    return (power_mark){ r->elapsed_s, r->cpu.own_core_s, r->n_energies > 0 ? r->energy[0].gross_j : EPROF_ABSENT };
}

/* Between two marks; r: the run at the second. Absent where they are too close. */
static advise_power power_between(const power_mark *from, const power_mark *to, const eprof_result *r)
{
    enum { SAMPLES_PER_S = 5 }; /* of sources that do not count: an edge may be off by one */
    const double seconds = to->elapsed_s - from->elapsed_s, watts = (to->gross_j - from->gross_j) / seconds;
    if (!(seconds > 2.0 / SAMPLES_PER_S)) return (advise_power){ EPROF_ABSENT, EPROF_ABSENT, EPROF_ABSENT };
    const eprof_energy *e = &r->energy[0];
    const double gain = r->n_energies > 0 && e->gross_j > 0 ? 2 * e->u_gross_j / e->gross_j : 0;
    const double edges = r->n_energies > 0 && e->cls != EPROF_CLASS_COUNTER ? 2.0 / SAMPLES_PER_S / seconds : 0;
    return (advise_power){ watts, watts * sqrt(gain * gain + edges * edges), (to->core_s - from->core_s) / seconds };
}

static void name_source(const eprof_result *r, advise_machine *m)
{
    if (r->n_energies < 1) return;
    memcpy(m->source, r->energy[0].source, sizeof m->source);
    m->scope = r->energy[0].scope;
    m->cls = r->energy[0].cls;
}

/* -------------------------------------------------------------------------------------------- calibration -- */

/* Doubling from the first to what will be asked for. */
static void fill_sizes(uint32_t first, uint32_t last, uint32_t sizes[ADVISE_MAX_POINTS])
{
    int n = 0;
    for (uint32_t size = first < last ? first : last; n < ADVISE_MAX_POINTS - 1; size *= 2) {
        sizes[n++] = size < last ? size : last;
        if (size >= last) break;
    }
}

static uint32_t most_tokens(const advise_ladder *l)
{
    uint32_t most = 1;
    for (int i = 0; i < l->n; i++)
        if (l->items[i].sizes.n_tokens > most) most = l->items[i].sizes.n_tokens;
    return most;
}

static einf_status read_model(calibration *c, einf_error *err)
{
    advise_machine *m = c->out;
    einf_model_info model = EINF_INIT(einf_model_info);
    einf_vision_info vision = EINF_INIT(einf_vision_info);
    einf_plan plan = EINF_INIT(einf_plan);
    const einf_session_config sc = cli_session_config(c->e);
    einf_status status = einf_model_get_info(c->e->m, &model, err);
    if (status == EINF_OK) status = einf_vision_get_info(c->v, &vision, err);
    if (status == EINF_OK) status = einf_session_plan(c->e->m, &sc, &plan, err);
    if (status != EINF_OK) return status;
    c->row_width = vision.row_width;
    c->n_vocab = model.n_vocab;
    const double n_embedding = (double)model.n_vocab * model.n_embd;
    m->n_params = fmax((double)model.n_params - n_embedding, 1);
    m->attention_per_pair = 2.0 * model.n_layer * model.n_head * model.head_dim;
    m->image_attention_per_pair = 2.0 * vision.n_layer * vision.n_embd;
    m->weight_bytes = (double)model.weight_bytes;
    m->kv_row_bytes = plan.n_ctx ? (double)plan.kv_bytes / plan.n_ctx : 0;
    return EINF_OK;
}

static einf_status allocate(calibration *c, const advise_request *request, einf_error *err)
{
    const uint32_t most = most_tokens(c->ladder), n_ctx = einf_session_n_ctx(c->s);
    uint32_t last = most + request->n_text, n_ids = 0;
    if (last > n_ctx - n_ctx / 4) last = n_ctx - n_ctx / 4; /* decoding wants room behind the first */
    fill_sizes(FIRST_IMAGE_TOKENS, most, c->image_tokens);
    fill_sizes(FIRST_PROMPT, last, c->prompt_tokens);
    for (int i = 0; i < ADVISE_MAX_POINTS && c->prompt_tokens[i]; i++) n_ids = c->prompt_tokens[i];
    c->n_floats = (uint64_t)most * c->row_width;
    c->rows = malloc(c->n_floats * sizeof *c->rows);
    c->ids = malloc(n_ids * sizeof *c->ids);
    if (!c->rows || !c->ids) {
        err->code = EINF_E_NOMEM;
        return EINF_E_NOMEM;
    }
    for (uint32_t i = 0; i < n_ids; i++) c->ids[i] = (int32_t)((i * 7919u) % c->n_vocab); /* any text will do */
    return EINF_OK;
}

/* How far off the calibration is, by the share that each phase has of the model's own setting. */
static void weigh_errors(advise_machine *m, const einf_image_sizes *sizes, const advise_request *request)
{
    const advise_law *const laws[] = { &m->preprocess, &m->encode, &m->prefill, &m->decode };
    advise_forecast f;
    advise_forecast_of(m, sizes, request, &f);
    const double seconds[] = { f.preprocess_s.value, f.encode_s.value, f.prefill_s.value, f.decode_s.value };
    for (int i = 0; i < 4 && f.total_s.value > 0; i++) {
        m->noise += laws[i]->noise * seconds[i] / f.total_s.value;
        m->residual += laws[i]->residual * seconds[i] / f.total_s.value;
    }
}

static void fit_laws(calibration *c, const advise_request *request)
{
    advise_machine *m = c->out;
    advise_law *const laws[] = { &m->preprocess, &m->encode, &m->prefill, &m->decode };
    m->preprocess.n_points = m->encode.n_points;
    for (int i = 0; i < 4; i++) advise_law_fit(laws[i]);
    weigh_errors(m, &c->ladder->items[c->ladder->top].sizes, request);
}

/* The series, and what they draw. */
static einf_status run_all(calibration *c, double budget_s, einf_error *err)
{
    advise_machine *m = c->out;
    eprof *p = c->e->profiler;
    eprof_result r;
    power_mark mark[4];
    if (p) (void)eprof_baseline(p, 0.5, NULL); /* no mark before there are samples */
    mark[0] = mark_power(p, &r);
    einf_status status = run_series(c, &m->encode, c->image_tokens, measure_encode, budget_s * encode_share, err);
    mark[1] = mark_power(p, &r);
    m->image_power = power_between(&mark[0], &mark[1], &r);
    if (status == EINF_OK)
        status = run_series(c, &m->prefill, c->prompt_tokens, measure_prefill, budget_s * prefill_share, err);
    mark[2] = mark_power(p, &r);
    m->prefill_power = power_between(&mark[1], &mark[2], &r);
    if (status == EINF_OK) status = run_decode(c, budget_s * decode_share, err);
    mark[3] = mark_power(p, &r);
    m->decode_power = power_between(&mark[2], &mark[3], &r);
    name_source(&r, m);
    /* Small models are through with a phase before a sample is taken: they get the mean of all. */
    const advise_power mean = power_between(&mark[0], &mark[3], &r);
    advise_power *const phases[] = { &m->image_power, &m->prefill_power, &m->decode_power };
    for (int i = 0; i < 3; i++)
        if (!eprof_has(phases[i]->cores)) *phases[i] = mean;
    return status;
}

einf_status advise_calibrate(cli_engine *e, einf_vision *v, einf_session *s, const einf_image *image,
                             const advise_ladder *ladder, const advise_request *request, double budget_s,
                             advise_machine *out, einf_error *err)
{
    calibration c = { .e = e, .v = v, .s = s, .image = image, .ladder = ladder, .out = out };
    *out = (advise_machine){ .budget_s = budget_s };
    const double start_s = cli_now_s();
    einf_status status = read_model(&c, err);
    if (status == EINF_OK) status = allocate(&c, request, err);
    if (status == EINF_OK) status = run_all(&c, budget_s, err);
    if (status == EINF_OK) status = einf_session_rewind(s, 0, err);
    if (status == EINF_OK) fit_laws(&c, request);
    out->elapsed_s = cli_now_s() - start_s;
    cli_progress_clear(&e->progress);
    free(c.rows);
    free(c.ids);
    return status;
}

bool advise_is_noisy(const advise_machine *m) { return m->noise > noisy_from || m->residual > noisy_from; }

/* ---------------------------------------------------------------------------------------------- forecasts -- */

/* n tokens of an answer, the first of which comes out of the prefill; each reads the weights and all rows before it. */
static advise_interval decode_seconds(const advise_machine *m, double n_before, double n_answer)
{
    const double n = fmax(n_answer - 1, 0);
    const double mean_bytes = m->weight_bytes + m->kv_row_bytes * (n_before + n / 2);
    return advise_times(advise_law_at(&m->decode, mean_bytes, 0), n, 0);
}

void advise_forecast_of(const advise_machine *m, const einf_image_sizes *sizes, const advise_request *request,
                        advise_forecast *out)
{
    advise_point preprocess = { .n_tokens = 0 }, encode = { .n_tokens = 0 };
    const double n_prompt = (double)sizes->n_tokens + request->n_text;
    set_image_work(m, sizes, &preprocess, &encode);
    out->preprocess_s = advise_law_at(&m->preprocess, preprocess.linear, 0);
    out->encode_s = advise_law_at(&m->encode, encode.linear, encode.attention);
    out->prefill_s = advise_law_at(&m->prefill, n_prompt * m->n_params, prompt_attention(m, n_prompt));
    out->decode_s = decode_seconds(m, n_prompt, request->n_answer);
    const advise_interval seconds[] = { out->preprocess_s, out->encode_s, out->prefill_s, out->decode_s };
    out->total_s = advise_sum(seconds, 4);

    const advise_power *const powers[] = { &m->image_power, &m->image_power, &m->prefill_power, &m->decode_power };
    advise_interval cores[4], joules[4];
    for (int i = 0; i < 4; i++) {
        cores[i] = advise_times(seconds[i], powers[i]->cores, 0);
        joules[i] = advise_times(seconds[i], powers[i]->watts, powers[i]->u95_watts);
    }
    out->cpu_core_s = advise_sum(cores, 4);
    out->gross_j = advise_sum(joules, 4);
}
