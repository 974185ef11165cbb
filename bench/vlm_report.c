/* SPDX-License-Identifier: MIT
 * vlm_report.c - the study of picture sizes as JSON, as tables, and as a picture.
 */
#include "bench/vlm_study.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/chart.h"
#include "bench/results.h"
#include "bench/svg.h"

#define SCHEMA "edgeinfer-bench-vlm-ladder-1"

/* -------------------------------------------------------------------------------------------------- JSON -- */

static void add_interval(cJSON *o, const char *key, const eprof_interval *v)
{
    if (!isfinite(v->value)) return;
    cJSON *i = cJSON_AddObjectToObject(o, key);
    cJSON_AddNumberToObject(i, "value", v->value);
    if (isfinite(v->low)) cJSON_AddNumberToObject(i, "low95", v->low);
    if (isfinite(v->high)) cJSON_AddNumberToObject(i, "high95", v->high);
}

static void add_knee(cJSON *o, const vlm_knee *k)
{
    cJSON_AddStringToObject(o, "law", vlm_knee_model(k));
    add_interval(o, "knee_edge_px", &k->edge);
    add_interval(o, "knee_megapixels", &k->megapixels);
    add_interval(o, "plateau", &k->fit.plateau);
    add_interval(o, "plateau_over_below", &k->fit.ratio);
    if (isfinite(k->fit.p_value)) cJSON_AddNumberToObject(o, "p_value", k->fit.p_value);
    cJSON_AddBoolToObject(o, "is_identified", k->fit.is_identified);
    cJSON_AddBoolToObject(o, "at_clamp", k->at_clamp);
}

static void add_laws(cJSON *j, const vlm_study *s)
{
    cJSON *laws = cJSON_AddArrayToObject(j, "laws");
    for (int c = 0; c < s->ladder.n_clamps; c++) {
        for (int i = 0; i < VLM_N_LAWS; i++) {
            const vlm_law *law = &s->law[c][i];
            if (!law->fitted) continue;
            cJSON *o = cJSON_CreateObject();
            cJSON_AddNumberToObject(o, "clamp_px", s->ladder.clamp[c]);
            cJSON_AddStringToObject(o, "of", vlm_measure_key((int)vlm_law_measures[i]));
            add_knee(o, &law->over_work);
            add_knee(cJSON_AddObjectToObject(o, "over_megapixels"), &law->over_megapixels);
            cJSON_AddItemToArray(laws, o);
        }
    }
}

static cJSON *point_json(const vlm_study *s, int clamp, int size)
{
    const vlm_ladder *l = &s->ladder;
    const einf_image_sizes *p = &l->plan[clamp][size];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "clamp_px", l->clamp[clamp]);
    cJSON_AddNumberToObject(o, "nominal_width", p->nominal_width);
    cJSON_AddNumberToObject(o, "nominal_height", p->nominal_height);
    cJSON_AddNumberToObject(o, "nominal_megapixels", l->megapixels[size]);
    cJSON_AddNumberToObject(o, "clamped_width", p->clamped_width);
    cJSON_AddNumberToObject(o, "clamped_height", p->clamped_height);
    cJSON_AddNumberToObject(o, "width", p->width);
    cJSON_AddNumberToObject(o, "height", p->height);
    cJSON_AddNumberToObject(o, "n_patches", p->n_patches);
    cJSON_AddNumberToObject(o, "n_image_tokens", p->n_tokens);
    cJSON_AddNumberToObject(o, "encode_macs", (double)p->n_macs);
    cJSON_AddNumberToObject(o, "encode_plan_bytes", (double)p->encode_bytes);
    cJSON_AddNumberToObject(o, "gmac", l->gmac[clamp][size]);
    cJSON_AddNumberToObject(o, "gmac_without_clamp", l->free_gmac[size]);
    if (!s->runs) return o;
    const vlm_runs *r = &s->runs[clamp][size];
    if (r->last.n_prompt) cJSON_AddNumberToObject(o, "n_prompt", r->last.n_prompt);
    vlm_runs_json(o, r, true);
    return o;
}

cJSON *vlm_study_json(const vlm_study *s)
{
    const vlm_study_config *c = s->config;
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "schema", SCHEMA);
    cJSON_AddStringToObject(j, "version", einf_version());
    cJSON_AddItemToObject(j, "machine", bench_machine_json(&s->machine));
    if (c->model) cJSON_AddStringToObject(j, "model", c->model);
    cJSON_AddStringToObject(j, "mmproj", c->mmproj);
    cJSON_AddStringToObject(j, "picture", c->image ? c->image : "a scene drawn from the seed");
    cJSON_AddNumberToObject(j, "source_width", s->source_width);
    cJSON_AddNumberToObject(j, "source_height", s->source_height);
    cJSON_AddStringToObject(j, "shrunk_by", "averaging areas");
    cJSON_AddNumberToObject(j, "n_threads", s->n_threads);
    cJSON_AddNumberToObject(j, "seed", (double)c->seed);
    cJSON_AddNumberToObject(j, "scale", c->scale);
    if (!c->dry) {
        cJSON_AddNumberToObject(j, "n_runs", c->n_runs);
        if (c->model) cJSON_AddStringToObject(j, "prompt", c->prompt);
        if (c->model) cJSON_AddNumberToObject(j, "n_decode", c->n_decode);
    }
    cJSON *points = cJSON_AddArrayToObject(j, "points");
    for (int k = 0; k < s->ladder.n_clamps; k++)
        for (int i = 0; i < s->ladder.n_sizes; i++) cJSON_AddItemToArray(points, point_json(s, k, i));
    if (!c->dry) add_laws(j, s);
    return j;
}

/* ------------------------------------------------------------------------------------------------ tables -- */

static void print_figures(const vlm_runs *r)
{
    static const vlm_measure shown[] = { VLM_TOTAL_S, VLM_ENCODE_S, VLM_PREFILL_S, VLM_DECODE_S, VLM_CPU_AUC,
                                         VLM_RAM_AUC, VLM_GROSS_J };
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        const double v = vlm_median(r, (int)shown[i]);
        if (isfinite(v)) printf(" %10.4g", v);
        else printf(" %10s", "-");
    }
}

static void print_clamp(const vlm_study *s, int clamp)
{
    const vlm_ladder *l = &s->ladder;
    printf("\nlongest edge %u:\n%11s %11s %8s %7s %9s", l->clamp[clamp], "nominal", "encoded", "patches", "tokens",
           "GMAC");
    if (s->runs) printf(" %10s %10s %10s %10s %10s %10s %10s", "prompt, s", "encode, s", "prefill, s", "decode, s",
                        "CPU, % s", "RAM, MiB s", "energy, J");
    printf("\n");
    for (int i = 0; i < l->n_sizes; i++) {
        const einf_image_sizes *p = &l->plan[clamp][i];
        printf("%6ux%-4u %6ux%-4u %8u %7u %9.2f", p->nominal_width, p->nominal_height, p->width, p->height,
               p->n_patches, p->n_tokens, l->gmac[clamp][i]);
        if (s->runs) print_figures(&s->runs[clamp][i]);
        printf("\n");
    }
}

/* The mean of all sizes, in %. */
static double load_of_others(const vlm_study *s)
{
    double sum = 0;
    const int n = s->ladder.n_clamps * s->ladder.n_sizes;
    for (int i = 0; i < n; i++) {
        const double v = vlm_median(&s->runs[i / s->ladder.n_sizes][i % s->ladder.n_sizes], VLM_FOREIGN);
        sum += isfinite(v) ? v : 0;
    }
    return sum / n;
}

static void print_law(const vlm_study *s, int clamp, int law)
{
    const vlm_law *of = &s->law[clamp][law];
    const vlm_knee *k = &of->over_work, *plain = &of->over_megapixels;
    if (!of->fitted) return;
    printf("  longest edge %4u, %-10s ", s->ladder.clamp[clamp], vlm_measure_text((int)vlm_law_measures[law]));
    if (k->found) {
        printf("%s at %.0f px (%.0f to %.0f), %s", vlm_knee_model(k), k->edge.value, k->edge.low, k->edge.high,
               k->at_clamp ? "where the clamp is" : k->fit.is_identified ? "NOT at the clamp" : "which says nothing");
    } else {
        printf("%s: no knee", vlm_knee_model(k));
    }
    if (plain->found) printf("; over megapixels %s at %.0f (%.0f to %.0f)", vlm_knee_model(plain), plain->edge.value,
                             plain->edge.low, plain->edge.high);
    printf("\n");
}

void vlm_study_print(const vlm_study *s)
{
    const vlm_study_config *c = s->config;
    bench_machine_print(&s->machine);
    printf("%s%s%s, %d threads", c->model ? c->model : "", c->model ? " with " : "", c->mmproj, s->n_threads);
    if (!c->dry) printf(", medians of %d runs in random order", c->n_runs);
    printf("\n%s, %ux%u, made smaller by averaging areas\n", c->image ? c->image : "a scene drawn from the seed",
           s->source_width, s->source_height);
    for (int k = 0; k < s->ladder.n_clamps; k++) print_clamp(s, k);
    if (c->dry) return;
    char text[160];
    printf("\n%s", vlm_energy_text(&s->runs[0][0], text));
    if (load_of_others(s) > 1) printf("; others used %.0f %% of the machine", load_of_others(s));
    printf("\nthe law of cost over the picture's longest edge (95 %% intervals; docs/MEASURING.md):\n");
    for (int k = 0; k < s->ladder.n_clamps; k++)
        for (int i = 0; i < VLM_N_LAWS; i++) print_law(s, k, i);
}

/* ----------------------------------------------------------------------------------------------- picture -- */

enum { WIDTH = 900, HEIGHT = 600, LEGEND_TOP = 76, LEGEND_ROW = 19, MAIN_WIDTH = 500, SIDE_LEFT = 655, SIDE_WIDTH = 225,
       SIDE_GAP = 54, LEFT = 72, BOTTOM = 524, FORECAST_GMAC = -1, FORECAST_TOKENS = -2 };
static const char *const ink = "#24292f", *const pale = "#57606a";

typedef struct drawing {
    const vlm_study *s;
    FILE *f;
    chart_point points[VLM_MAX_CLAMPS][VLM_MAX_SIZES];
    chart_line lines[VLM_MAX_CLAMPS];
    chart_mark marks[VLM_MAX_CLAMPS];
    char labels[VLM_MAX_CLAMPS][32];
} drawing;

/* measure: of the runs, or FORECAST_*. */
static chart_point point_of(const vlm_study *s, int clamp, int size, int measure)
{
    chart_point q = { s->ladder.megapixels[size], EPROF_ABSENT, EPROF_ABSENT, EPROF_ABSENT };
    if (measure == FORECAST_GMAC) q.y = s->ladder.gmac[clamp][size];
    else if (measure == FORECAST_TOKENS) q.y = s->ladder.plan[clamp][size].n_tokens;
    else {
        const vlm_runs *r = &s->runs[clamp][size];
        if (!r->n[measure]) return q;
        const bench_estimate e = bench_estimate_of(r->of[measure], r->n[measure]);
        const double u95 = vlm_median(r, VLM_U95_J);
        q.y = e.median;
        if (e.n >= BENCH_LEAST_SAMPLES) q.low = e.low95, q.high = e.high95;
        if (measure == VLM_GROSS_J && isfinite(u95))
            q.low = fmax(0, fmin(e.low95, q.y - u95)), q.high = fmax(e.high95, q.y + u95);
    }
    return q;
}

/* The knee of what a panel shows; NULL: none was looked for, or none that the data hold. */
static const vlm_knee *knee_of(const vlm_study *s, int clamp, int measure)
{
    for (int i = 0; i < VLM_N_LAWS; i++) {
        const vlm_law *law = &s->law[clamp][i];
        if ((int)vlm_law_measures[i] == measure && law->fitted && law->over_work.found &&
            law->over_work.fit.is_identified)
            return &law->over_work;
    }
    return NULL;
}

static void draw_panel(drawing *d, int measure, const char *title, const char *unit, chart_panel p)
{
    const vlm_ladder *l = &d->s->ladder;
    for (int c = 0; c < l->n_clamps; c++) {
        const vlm_knee *k = knee_of(d->s, c, measure);
        for (int i = 0; i < l->n_sizes; i++) d->points[c][i] = point_of(d->s, c, i, measure);
        d->lines[c] = (chart_line){ d->points[c], l->n_sizes, c };
        d->marks[c] = (chart_mark){ .x = vlm_clamp_megapixels(l, l->clamp[c]), .colour = c,
                                    .label = p.width > SIDE_WIDTH ? d->labels[c] : NULL };
        if (k) d->marks[c].from = k->megapixels.low, d->marks[c].to = k->megapixels.high;
        snprintf(d->labels[c], sizeof d->labels[c], "clamp %u", l->clamp[c]);
    }
    p.title = title;
    p.y_title = unit;
    p.log_x = true;
    p.lines = d->lines, p.n_lines = l->n_clamps;
    p.marks = d->marks, p.n_marks = l->n_clamps;
    chart_draw(d->f, &p);
}

/* The last part of a path. */
static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void head(const drawing *d)
{
    const vlm_study *s = d->s;
    const vlm_study_config *c = s->config;
    char text[400];
    svg_text(d->f, (svg_font){ 19, ink, "start", 1 }, LEFT - 48, 32,
             c->dry ? "What a picture will cost, by its size" : "What a picture costs, by its size");
    snprintf(text, sizeof text, "%s%s%s, %d threads of %s", c->model ? name_of(c->model) : "", c->model ? " with " : "",
             name_of(c->mmproj), s->n_threads, s->machine.cpu);
    svg_text(d->f, (svg_font){ 12.5, pale, "start", 0 }, LEFT - 48, 53, text);
    for (int k = 0; k < s->ladder.n_clamps; k++) {
        const vlm_knee *knee = knee_of(s, k, VLM_TOTAL_S);
        int n = snprintf(text, sizeof text, "longest edge %u", s->ladder.clamp[k]);
        if (knee)
            snprintf(text + n, sizeof text - (size_t)n, ": seconds stop growing at %.0f pixels (%.0f to %.0f)",
                     knee->edge.value, knee->edge.low, knee->edge.high);
        else if (s->law[k][0].fitted)
            snprintf(text + n, sizeof text - (size_t)n, ": no clear knee");
        chart_key(d->f, k, LEFT - 48, LEGEND_TOP + LEGEND_ROW * k - 4);
        svg_text(d->f, (svg_font){ 13, ink, "start", 0 }, LEFT - 12, LEGEND_TOP + LEGEND_ROW * k, text);
    }
}

static bool measured_everywhere(const vlm_study *s, int measure)
{
    for (int i = 0; s->runs && i < s->ladder.n_clamps * s->ladder.n_sizes; i++)
        if (!s->runs[i / s->ladder.n_sizes][i % s->ladder.n_sizes].n[measure]) return false;
    return s->runs != NULL;
}

/* One to three panels at the side, one above the other. */
static void sides(drawing *d, double top)
{
    const bool is_estimate = d->s->runs && d->s->runs[0][0].last.is_estimate;
    const struct { int measure; const char *title, *unit; } of[] = {
        { VLM_CPU_AUC, "CPU, area under the curve", "% s" }, { VLM_RAM_AUC, "Own memory, area", "MiB s" },
        { VLM_GROSS_J, is_estimate ? "Energy, an estimate" : "Energy, gross", "J" },
    };
    int there[3], n = 0;
    for (int i = 0; i < 3; i++)
        if (measured_everywhere(d->s, of[i].measure)) there[n++] = i;
    const double height = n ? (BOTTOM - top - (n - 1) * SIDE_GAP) / n : 0;
    for (int i = 0; i < n; i++)
        draw_panel(d, of[there[i]].measure, of[there[i]].title, of[there[i]].unit,
                   (chart_panel){ .left = SIDE_LEFT, .top = top + (height + SIDE_GAP) * i, .width = SIDE_WIDTH,
                                  .height = height, .x_title = i == n - 1 ? "megapixels" : NULL });
    if (n == 0)
        draw_panel(d, FORECAST_TOKENS, "Image tokens", "tokens",
                   (chart_panel){ .left = SIDE_LEFT, .top = top, .width = SIDE_WIDTH, .height = BOTTOM - top,
                                  .x_title = "megapixels" });
}

static void draw(drawing *d)
{
    const vlm_study_config *c = d->s->config;
    const double top = LEGEND_TOP + LEGEND_ROW * d->s->ladder.n_clamps + 24;
    const chart_panel large = { .left = LEFT, .top = top, .width = MAIN_WIDTH, .height = BOTTOM - top,
                               .x_title = "nominal size of the picture, megapixels" };
    char text[200];
    svg_open(d->f, WIDTH, HEIGHT, "Cost of a prompt with a picture over the size of the picture");
    head(d);
    if (c->dry) draw_panel(d, FORECAST_GMAC, "Multiply-adds, by counting", "10⁹ multiply-adds", large);
    else draw_panel(d, VLM_TOTAL_S, c->model ? "Seconds of the prompt" : "Seconds of encoding", "seconds", large);
    sides(d, top);
    int n = snprintf(text, sizeof text, "Dashed: the clamp.");
    if (!c->dry)
        snprintf(text + n, sizeof text - (size_t)n, " Shaded: where the knee is, 95 %%. Medians of %d run%s%s.",
                 c->n_runs, c->n_runs > 1 ? "s in random order" : "",
                 c->n_runs >= BENCH_LEAST_SAMPLES ? ", bars: 95 % intervals" : "");
    n = (int)strlen(text);
    if (!c->dry && load_of_others(d->s) > 5)
        snprintf(text + n, sizeof text - (size_t)n, " Others used %.0f %% of the machine.", load_of_others(d->s));
    svg_text(d->f, (svg_font){ 11.5, pale, "start", 0 }, LEFT - 48, HEIGHT - 12, text);
    svg_close(d->f);
}

bool vlm_study_draw(const vlm_study *s, const char *path)
{
    drawing d = { .s = s, .f = fopen(path, "w") };
    if (!d.f) return false;
    draw(&d);
    const bool wrote = !ferror(d.f);
    return fclose(d.f) == 0 && wrote;
}
