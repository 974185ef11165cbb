/* SPDX-License-Identifier: MIT
 * test_vlm_pictures.c - what the picture bench draws: scenes and smaller copies of them, and the chart of a study with
 * made-up figures, which must be XML that any reader takes.
 */
#include "tests/support/test_support.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/chart.h"
#include "bench/picture.h"
#include "bench/svg.h"
#include "bench/vlm_study.h"

/* ---------------------------------------------------------------------------------------------- pictures -- */

static void shrink(const uint8_t *rgb, uint32_t width, uint32_t height, uint32_t to_width, uint32_t to_height,
                   const uint8_t *expected)
{
    bench_picture p;
    assert_true(bench_picture_shrink(&p, rgb, width, height, to_width, to_height));
    assert_true(p.width == to_width && p.height == to_height);
    assert_memory_equal(p.rgb, expected, 3 * (size_t)to_width * to_height);
    bench_picture_free(&p);
    assert_null(p.rgb);
}

static void test_areas_are_averaged(void **state)
{
    (void)state;
    const uint8_t row[] = { 0, 0, 255, 90, 10, 255, 180, 20, 255 };
    shrink(row, 3, 1, 3, 1, row);
    shrink(row, 3, 1, 1, 1, (const uint8_t[]){ 90, 10, 255 });
    shrink(row, 3, 1, 2, 1, (const uint8_t[]){ 30, 3, 255, 150, 17, 255 }); /* (0 + 90 / 2) / 1.5, 10 / 2 / 1.5 */
    const uint8_t square[] = { 0, 0, 0, 100, 0, 0, 0, 200, 0, 100, 200, 255 };
    shrink(square, 2, 2, 1, 1, (const uint8_t[]){ 50, 100, 64 });
    shrink(square, 2, 2, 1, 2, (const uint8_t[]){ 50, 0, 0, 50, 200, 128 });
    shrink(square, 1, 2, 1, 1, (const uint8_t[]){ 50, 0, 0 });
}

/* The mean of a channel. */
static double mean_of(const bench_picture *p, int channel)
{
    double sum = 0;
    for (size_t i = 0; i < (size_t)p->width * p->height; i++) sum += p->rgb[3 * i + (size_t)channel];
    return sum / ((double)p->width * p->height);
}

static void test_scene_follows_from_its_seed(void **state)
{
    (void)state;
    bench_picture a, b, other, small;
    assert_true(bench_picture_scene(&a, 320, 222, 5) && bench_picture_scene(&b, 320, 222, 5));
    assert_true(bench_picture_scene(&other, 320, 222, 6));
    assert_memory_equal(a.rgb, b.rgb, 3 * 320 * 222);
    assert_memory_not_equal(a.rgb, other.rgb, 3 * 320 * 222);
    assert_true(bench_picture_shrink(&small, a.rgb, 320, 222, 100, 69));
    for (int c = 0; c < 3; c++) {
        assert_true(fabs(mean_of(&a, c) - mean_of(&small, c)) < 0.6); /* kept, but for rounding */
        assert_true(mean_of(&a, c) > 60 && mean_of(&a, c) < 200);
    }
    bench_picture_free(&a), bench_picture_free(&b), bench_picture_free(&other), bench_picture_free(&small);
    assert_true(bench_picture_scene(&a, 1, 1, 1)); /* nothing is drawn outside of the smallest picture */
    bench_picture_free(&a);
}

/* --------------------------------------------------------------------------------------------------- XML -- */

/* Every tag is closed in its order, attributes are quoted, and < and & stand only where they mean something. */
static void assert_well_formed(const char *text)
{
    char open[16][16];
    int depth = 0, n_roots = 0;
    for (const char *at = text; *at; at++) {
        if (*at == '&') assert_true(!strncmp(at, "&amp;", 5) || !strncmp(at, "&lt;", 4) || !strncmp(at, "&gt;", 4) ||
                                    !strncmp(at, "&quot;", 6));
        if (*at != '<') continue;
        const bool closing = at[1] == '/';
        at += closing ? 2 : 1;
        const size_t n = strcspn(at, " />\n");
        assert_true(n > 0 && n < sizeof open[0]);
        if (closing) {
            assert_true(depth > 0 && at[n] == '>');
            assert_memory_equal(open[--depth], at, n);
            assert_int_equal(open[depth][n], '\0');
            at += n;
            continue;
        }
        n_roots += depth == 0;
        const char *name = at;
        bool quoted = false;
        for (at += n; quoted || *at != '>'; at++) {
            assert_true(*at != '\0' && *at != '<');
            quoted ^= *at == '"';
        }
        if (at[-1] == '/') continue;
        assert_true(depth < 16);
        snprintf(open[depth++], sizeof open[0], "%.*s", (int)n, name);
    }
    assert_int_equal(depth, 0);
    assert_int_equal(n_roots, 1);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) n++;
    return n;
}

/* ------------------------------------------------------------------------------------------------- chart -- */

typedef struct figures {
    vlm_study_config config;
    vlm_study study;
} figures;

/* Seconds as the sizes' areas under each clamp, five runs, with energy where asked for. */
static void make_figures(figures *f, bool with_energy)
{
    *f = (figures){ .config = { .model = "models/a<b>&\"c\".gguf", .mmproj = "v\x01.gguf", .n_runs = 5, .scale = 1 } };
    f->study.config = &f->config;
    f->study.n_threads = 2;
    snprintf(f->study.machine.cpu, sizeof f->study.machine.cpu, "a CPU <tm> & more");
    vlm_ladder_make(&f->study.ladder, &vlm_study_widths, &vlm_study_clamps, VLM_ASPECT, 1);
    f->study.runs = calloc(3, sizeof *f->study.runs);
    assert_non_null(f->study.runs);
    for (int i = 0; i < 3 * 20 * 5; i++) {
        const int clamp = i / 100, size = i / 5 % 20;
        const vlm_ladder *l = &f->study.ladder;
        const double side = fmin(l->width[size], l->clamp[clamp]), seconds = 1e-6 * side * side * (1 + 0.01 * (i % 5));
        vlm_sample s = { .n_prompt = 10 };
        for (int m = 0; m < VLM_N_MEASURES; m++) s.of[m] = EPROF_ABSENT;
        s.of[VLM_TOTAL_S] = seconds;
        s.of[VLM_CPU_AUC] = 100 * seconds;
        if (with_energy) s.of[VLM_GROSS_J] = 3 * seconds;
        vlm_runs_add(&f->study.runs[clamp][size], &s);
    }
}

static char *drawn(const vlm_study *s)
{
    char *folder = test_temp_dir(), path[512];
    snprintf(path, sizeof path, "%s/ladder.svg", folder);
    assert_true(vlm_study_draw(s, path));
    char *text = (char *)test_read_file(path, NULL);
    assert_non_null(text);
    test_temp_remove(&folder);
    return text;
}

static void test_chart_is_xml(void **state)
{
    (void)state;
    static figures f;
    make_figures(&f, true);
    char *text = drawn(&f.study);
    assert_well_formed(text);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_non_null(strstr(text, "a&lt;b&gt;&amp;&quot;c&quot;.gguf"));
    assert_non_null(strstr(text, "a CPU &lt;tm&gt; &amp; more"));
    for (const char *at = text; *at; at++) assert_true(*at == '\n' || (unsigned char)*at >= ' ');
    /* a white ground, three lines in each of three panels, their clamps marked, titles with units */
    assert_non_null(strstr(text, "<rect x=\"0.0\" y=\"0.0\" width=\"900.0\" height=\"600.0\" fill=\"#ffffff\"/>"));
    assert_int_equal(count(text, "<path fill=\"none\""), 9);
    assert_int_equal(count(text, ">clamp 1024<") + count(text, ">clamp 854<") + count(text, ">clamp 714<"), 3);
    assert_int_equal(count(text, "stroke-dasharray"), 9);
    assert_int_equal(count(text, ">seconds<") + count(text, ">% s<") + count(text, ">J<"), 3);
    assert_int_equal(count(text, "longest edge"), 3);
    assert_non_null(strstr(text, "nominal size of the picture, megapixels"));
    free(text);
    vlm_study_deinit(&f.study);
}

static void test_what_was_not_measured_is_not_drawn(void **state)
{
    (void)state;
    static figures f;
    make_figures(&f, false);
    char *text = drawn(&f.study);
    assert_well_formed(text);
    assert_null(strstr(text, "Energy"));
    assert_int_equal(count(text, "<path fill=\"none\""), 6);
    free(text);
    errno = 0;
    assert_false(vlm_study_draw(&f.study, "no-such-folder/ladder.svg"));
    assert_int_equal(errno, ENOENT);
    vlm_study_deinit(&f.study);
}

/* Where a point comes to lie: the axis of y begins at 0, that of x is logarithmic with a margin of 3 %. */
static void test_points_lie_where_their_values_are(void **state)
{
    (void)state;
    char *folder = test_temp_dir(), path[512];
    snprintf(path, sizeof path, "%s/chart.svg", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    const chart_point points[] = { { 0.1, 0, EPROF_ABSENT, EPROF_ABSENT }, { 1, 50, 40, 60 },
                                   { 10, 100, EPROF_ABSENT, EPROF_ABSENT } };
    const chart_line line = { points, 3, 0 };
    const chart_panel p = { .left = 100, .top = 50, .width = 212, .height = 300, .title = "t", .y_title = "y",
                            .log_x = true, .lines = &line, .n_lines = 1 };
    svg_open(f, 400, 400, "a chart");
    chart_draw(f, &p);
    svg_close(f);
    assert_int_equal(fclose(f), 0);
    char *text = (char *)test_read_file(path, NULL);
    assert_non_null(text);
    assert_well_formed(text);
    /* 2 decades and 3 % of them on either side on 212 px: 106 is the middle. y: 0 to 110 (1.06 * 100, in half steps) */
    assert_non_null(strstr(text, "M106.0 350.0L206.0 213.6L306.0 77.3"));
    assert_non_null(strstr(text, "<line x1=\"206.0\" y1=\"240.9\" x2=\"206.0\" y2=\"186.4\"")); /* 40 to 60 */
    assert_int_equal(count(text, ">100<"), 1);
    assert_int_equal(count(text, ">0.1<") + count(text, ">1<") + count(text, ">10<"), 3);
    free(text);
    test_temp_remove(&folder);
}

/* -------------------------------------------------------------------------------------------------- runs -- */

static void test_absent_figures_are_left_out(void **state)
{
    (void)state;
    static vlm_runs r;
    vlm_sample s = { .n_prompt = 3 };
    for (int i = 0; i < VLM_N_MEASURES; i++) s.of[i] = EPROF_ABSENT;
    for (int i = 0; i < 3; i++) {
        s.of[VLM_TOTAL_S] = 1 + i;
        s.of[VLM_GROSS_J] = i == 1 ? 7 : EPROF_ABSENT;
        vlm_runs_add(&r, &s);
    }
    assert_true(vlm_median(&r, VLM_TOTAL_S) == 2 && vlm_median(&r, VLM_GROSS_J) == 7);
    assert_true(isnan(vlm_median(&r, VLM_NET_J)));
    assert_int_equal(r.n[VLM_TOTAL_S], 3);
    assert_int_equal(r.n[VLM_GROSS_J], 1);
    cJSON *j = cJSON_CreateObject();
    vlm_runs_json(j, &r, false);
    assert_int_equal(cJSON_GetArraySize(j), 2);
    assert_true(cJSON_HasObjectItem(j, "total_s") && cJSON_HasObjectItem(j, "gross_j"));
    cJSON_Delete(j);
    char text[160];
    assert_string_equal(vlm_energy_text(&r, text), "nothing measures energy here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_areas_are_averaged),
        cmocka_unit_test(test_scene_follows_from_its_seed),
        cmocka_unit_test(test_chart_is_xml),
        cmocka_unit_test(test_what_was_not_measured_is_not_drawn),
        cmocka_unit_test(test_points_lie_where_their_values_are),
        cmocka_unit_test(test_absent_figures_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
