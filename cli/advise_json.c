/* SPDX-License-Identifier: MIT
 * advise_json.c - the same as one JSON object, units in its keys; what was not measured is not there.
 */
#include <math.h>

#include "cli/advise_report.h"

/* Six digits: more than any of it is known to. */
static double rounded(double x)
{
    if (x == 0 || !isfinite(x)) return x;
    const double unit = pow(10, 5 - floor(log10(fabs(x))));
    return round(x * unit) / unit;
}

static void add_number(cJSON *o, const char *key, double x)
{
    if (eprof_has(x)) cJSON_AddNumberToObject(o, key, rounded(x));
}

static void add_interval(cJSON *o, const char *key, advise_interval x)
{
    if (!eprof_has(x.value)) return;
    cJSON *interval = cJSON_AddObjectToObject(o, key);
    add_number(interval, "value", x.value);
    add_number(interval, "low", x.low);
    add_number(interval, "high", x.high);
}

/* ------------------------------------------------------------------------------------------------ settings -- */

static void add_option(cJSON *o, const advise_setting *s)
{
    cJSON_AddStringToObject(o, "option", s->option);
    if (s->max_tokens) cli_json_count(o, "max_tokens", s->max_tokens);
    else cli_json_count(o, "longest_edge", s->preprocess.longest_edge);
}

static void add_sizes(cJSON *o, const einf_image_sizes *s)
{
    cli_json_count(o, "width", s->width);
    cli_json_count(o, "height", s->height);
    cli_json_count(o, "n_patches", s->n_patches);
    cli_json_count(o, "n_tokens", s->n_tokens);
    cli_json_count(o, "n_macs", s->n_macs);
    cli_json_mib(o, "encode_mib", s->encode_bytes);
}

static void add_forecast(cJSON *o, const advise_forecast *f)
{
    add_interval(o, "total_s", f->total_s);
    add_interval(o, "preprocess_s", f->preprocess_s);
    add_interval(o, "encode_s", f->encode_s);
    add_interval(o, "prefill_s", f->prefill_s);
    add_interval(o, "decode_s", f->decode_s);
    add_interval(o, "cpu_core_s", f->cpu_core_s);
    add_interval(o, "gross_j", f->gross_j);
}

static void add_settings(cJSON *o, const advise_findings *f)
{
    cJSON *list = cJSON_AddArrayToObject(o, "settings");
    for (int i = 0; list && i < f->ladder.n; i++) {
        const advise_setting *s = &f->ladder.items[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddItemToArray(list, item);
        add_option(item, s);
        cJSON_AddBoolToObject(item, "is_beyond_limit", s->is_beyond);
        cJSON_AddBoolToObject(item, "is_refused", s->is_refused);
        if (s->is_refused) continue;
        cJSON_AddBoolToObject(item, "fits_context", s->fits_context);
        add_sizes(item, &s->sizes);
        add_forecast(item, &f->forecasts[i]);
    }
}

/* --------------------------------------------------------------------------------------------- calibration -- */

static void add_law(cJSON *o, const char *key, const advise_law *law)
{
    cJSON *object = cJSON_AddObjectToObject(o, key);
    add_number(object, "residual_pct", 100 * law->residual);
    add_number(object, "noise_pct", 100 * law->noise);
    cJSON *list = cJSON_AddArrayToObject(object, "points");
    for (int i = 0; list && i < law->n_points; i++) {
        const advise_point *p = &law->points[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddItemToArray(list, item);
        add_number(item, "n_tokens", p->n_tokens);
        cli_json_count(item, "n_repeats", (uint64_t)p->n_repeats);
        add_number(item, "median_s", p->seconds);
        add_number(item, "forecast_s", advise_law_at(law, p->linear, p->attention).value);
    }
}

static void add_power(cJSON *o, const char *key, const advise_power *p)
{
    if (!eprof_has(p->cores) && !eprof_has(p->watts)) return;
    cJSON *object = cJSON_AddObjectToObject(o, key);
    add_number(object, "cores", p->cores);
    add_number(object, "gross_w", p->watts);
    add_number(object, "u95_w", p->u95_watts);
}

static void add_calibration(cJSON *o, const advise_machine *m)
{
    cJSON *object = cJSON_AddObjectToObject(o, "calibration");
    cli_json_seconds(object, "elapsed_s", m->elapsed_s);
    add_number(object, "budget_s", m->budget_s);
    add_number(object, "residual_pct", 100 * m->residual);
    add_number(object, "noise_pct", 100 * m->noise);
    cJSON_AddBoolToObject(object, "is_noisy", advise_is_noisy(m));
    add_law(object, "encode", &m->encode);
    add_law(object, "prefill", &m->prefill);
    add_law(object, "decode", &m->decode);
    add_power(object, "image_power", &m->image_power);
    add_power(object, "prefill_power", &m->prefill_power);
    add_power(object, "decode_power", &m->decode_power);
    if (!m->source[0]) return;
    cJSON_AddStringToObject(object, "energy_source", m->source);
    cJSON_AddStringToObject(object, "energy_scope", eprof_scope_name(m->scope));
    cJSON_AddStringToObject(object, "energy_class", eprof_class_name(m->cls));
}

/* ----------------------------------------------------------------------------------------------- agreement -- */

static void add_agreements(cJSON *o, const advise_findings *f)
{
    if (f->n_agreements == 0) return;
    cJSON *object = cJSON_AddObjectToObject(o, "comparison");
    cJSON_AddStringToObject(object, "reference", f->agreements[0].setting->option);
    cli_json_count(object, "n_pictures", f->agreements[0].n_pictures);
    cli_json_count(object, "n_answers", f->agreements[0].n_cases);
    add_number(object, "tolerance_pct", 100 * f->tolerance);
    cJSON *list = cJSON_AddArrayToObject(object, "settings");
    for (int i = 0; list && i < f->n_agreements; i++) {
        const advise_agreement *a = &f->agreements[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddItemToArray(list, item);
        add_option(item, a->setting);
        cli_json_count(item, "n_equal", a->n_equal);
        cli_json_count(item, "n_stable", a->n_stable);
        cli_json_count(item, "n_stable_pictures", a->n_stable_pictures);
        add_number(item, "leading_tokens_share", a->leading_share);
        add_number(item, "word_distance", a->word_distance);
        add_number(item, "mean_answer_tokens", a->mean_tokens);
        add_number(item, "mean_image_tokens", a->mean_image_tokens);
        add_number(item, "mean_answer_s", a->mean_seconds);
        if (a->n_expected == 0) continue;
        cli_json_count(item, "n_expected", a->n_expected);
        cli_json_count(item, "n_right", a->n_right);
        cli_json_count(item, "n_lost", a->n_lost);
        cli_json_count(item, "n_won", a->n_won);
    }
}

/* ------------------------------------------------------------------------------------------------- the whole -- */

static void add_advice(cJSON *o, const advise_findings *f)
{
    const advise_setting *s = advise_choice(f), *reference = &f->ladder.items[f->ladder.top];
    cJSON *object = cJSON_AddObjectToObject(o, "advice");
    if (f->n_agreements > 0) reference = f->agreements[0].setting;
    add_option(object, s);
    cJSON_AddStringToObject(object, "by", f->n_agreements == 0           ? "forecast"
                                          : f->agreements[0].n_expected ? "expected_answers" : "agreement");
    cli_json_count(object, "n_tokens", s->sizes.n_tokens);
    add_interval(object, "total_s", f->forecasts[s - f->ladder.items].total_s);
    cJSON_AddStringToObject(object, "reference", reference->option);
    cli_json_count(object, "reference_n_tokens", reference->sizes.n_tokens);
    add_interval(object, "reference_total_s", f->forecasts[reference - f->ladder.items].total_s);
}

int advise_print_json(const advise_findings *f)
{
    const advise_ladder *l = &f->ladder;
    cJSON *o = cJSON_CreateObject();
    if (!o) return cli_fail_nomem();
    if (f->picture) cJSON_AddStringToObject(o, "picture", f->picture);
    cli_json_count(o, "width", l->width);
    cli_json_count(o, "height", l->height);
    cli_json_count(o, "own_tokens", l->own_tokens);
    cli_json_count(o, "min_tokens", l->min_tokens);
    cli_json_count(o, "limit_tokens", l->limit_tokens);
    cJSON_AddStringToObject(o, "limit_of", l->limit_is_options ? "options" : l->limit_is_files ? "file" : "default");
    cli_json_count(o, "n_text_tokens", f->request.n_text);
    cli_json_count(o, "n_answer_tokens", f->request.n_answer);
    cli_json_count(o, "n_ctx", f->n_ctx);
    const cli_threads threads = cli_engine_threads(f->engine);
    cli_json_threads(o, &threads);
    add_calibration(o, &f->machine);
    add_settings(o, f);
    cJSON *knee = cJSON_AddObjectToObject(o, "knee");
    add_option(knee, &l->items[l->knee]);
    cli_json_count(knee, "n_tokens", l->items[l->knee].sizes.n_tokens);
    cJSON_AddBoolToObject(knee, "is_own_size", l->own_tokens <= l->items[l->knee].sizes.n_tokens);
    add_agreements(o, f);
    add_advice(o, f);
    return cli_print_json(o);
}
