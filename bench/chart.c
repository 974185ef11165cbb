/* SPDX-License-Identifier: MIT
 * chart.c - scales, ticks, and what lies on them, from the ground up: grid, bands, lines, points.
 */
#include "bench/chart.h"

#include <math.h>

#include "bench/svg.h"

static const char *const colours[CHART_N_COLOURS] = { "#0b62a8", "#c8501a", "#17805a", "#8a3fa0", "#7a6a12",
                                                      "#444b54" };
const char *chart_colour(int colour) { return colours[colour % CHART_N_COLOURS]; }

static const char *const ink = "#24292f", *const pale = "#57606a", *const grid = "#e4e7eb";
enum { MARKER_PX = 4, TICK_SIZE = 12, MOST_TICKS_Y = 6, LABEL_ROW = 15 };

typedef struct frame {
    FILE *f;
    const chart_panel *p;
    double x0, x1, y0, y1; /* values at the edges; of a logarithmic x their logarithms */
    double step;           /* of y */
} frame;

/* -------------------------------------------------------------------------------------------------- scales -- */

static double x_value(const chart_panel *p, double x) { return p->log_x ? log10(x) : x; }

static double px_x(const frame *f, double x)
{
    return f->p->left + (x_value(f->p, x) - f->x0) / (f->x1 - f->x0) * f->p->width;
}

static double px_y(const frame *f, double y)
{
    return f->p->top + f->p->height - (y - f->y0) / (f->y1 - f->y0) * f->p->height;
}

/* 1, 2 or 5 times a power of ten, so that at most n_most of them make the range. */
static double nice_step(double range, int n_most)
{
    static const double factors[] = { 2, 2.5, 2 };
    const double least = range / n_most;
    double step = pow(10, floor(log10(least)));
    for (int i = 0; i < 3 && step < least * (1 - 1e-9); i++) step *= factors[i];
    return step;
}

static bool has_interval(const chart_point *q) { return isfinite(q->low) && isfinite(q->high) && q->high > q->low; }

/* What the points span. False: there are none. */
static bool extent(const chart_panel *p, frame *f)
{
    double x0 = HUGE_VAL, x1 = -HUGE_VAL, y0 = 0, y1 = -HUGE_VAL;
    for (int i = 0; i < p->n_lines; i++) {
        for (int j = 0; j < p->lines[i].n; j++) {
            const chart_point *q = &p->lines[i].points[j];
            if (!isfinite(q->y)) continue;
            x0 = fmin(x0, x_value(p, q->x)), x1 = fmax(x1, x_value(p, q->x));
            y0 = fmin(y0, has_interval(q) ? q->low : q->y), y1 = fmax(y1, has_interval(q) ? q->high : q->y);
        }
    }
    if (!(y1 >= y0)) return false;
    const double margin = x1 > x0 ? 0.03 * (x1 - x0) : 0.5;
    f->x0 = x0 - margin, f->x1 = x1 + margin;
    if (!(y1 > y0)) y1 = y0 + 1;
    f->step = nice_step(1.06 * (y1 - y0), p->height > 200 ? MOST_TICKS_Y : MOST_TICKS_Y - 2);
    f->y0 = f->step * floor(y0 / f->step), f->y1 = 0.5 * f->step * ceil(1.06 * y1 / (0.5 * f->step) - 1e-9);
    return true;
}

/* --------------------------------------------------------------------------------------------------- axes -- */

static void y_axis(const frame *f)
{
    const chart_panel *p = f->p;
    const int n = (int)floor((f->y1 - f->y0) / f->step + 1e-6);
    const int decimals = f->step >= 1 ? 0 : (int)ceil(-log10(f->step) - 1e-9);
    for (int i = 0; i <= n; i++) {
        char text[32];
        const double v = f->y0 + i * f->step, y = px_y(f, v);
        snprintf(text, sizeof text, "%.*f", decimals, v);
        svg_line(f->f, (svg_pen){ grid, 1, NULL }, p->left, y, p->left + p->width, y);
        svg_text(f->f, (svg_font){ TICK_SIZE, pale, "end", 0 }, p->left - 7, y + 4, text);
    }
}

static void x_tick(const frame *f, double x)
{
    char text[32];
    const double at = px_x(f, x), bottom = f->p->top + f->p->height;
    if (at < f->p->left - 0.1 || at > f->p->left + f->p->width + 0.1) return;
    snprintf(text, sizeof text, "%.6g", x);
    svg_line(f->f, (svg_pen){ grid, 1, NULL }, at, f->p->top, at, bottom);
    svg_line(f->f, (svg_pen){ ink, 1, NULL }, at, bottom, at, bottom + 4);
    svg_text(f->f, (svg_font){ TICK_SIZE, pale, "middle", 0 }, at, bottom + 18, text);
}

/* 1, 2 and 5 of each power of ten; the 2s and 5s only where they have room. */
static void x_axis(const frame *f)
{
    const chart_panel *p = f->p;
    if (p->log_x) {
        const bool wide = p->width / (f->x1 - f->x0) > 110;
        for (int e = (int)floor(f->x0); e <= (int)ceil(f->x1); e++) {
            x_tick(f, pow(10, e));
            if (wide) x_tick(f, 2 * pow(10, e)), x_tick(f, 5 * pow(10, e));
        }
    } else {
        const double step = nice_step(f->x1 - f->x0, (int)(p->width / 60) + 1);
        for (int i = (int)ceil(f->x0 / step); i * step <= f->x1; i++) x_tick(f, i * step);
    }
    svg_line(f->f, (svg_pen){ ink, 1, NULL }, p->left, p->top + p->height, p->left + p->width, p->top + p->height);
    if (p->x_title)
        svg_text(f->f, (svg_font){ 13, ink, "middle", 0 }, p->left + p->width / 2, p->top + p->height + 38, p->x_title);
}

static void titles(FILE *f, const chart_panel *p)
{
    svg_text(f, (svg_font){ 14, ink, "start", 1 }, p->left, p->top - 10, p->title);
    svg_text_upwards(f, (svg_font){ 13, ink, "middle", 0 }, p->left - 48, p->top + p->height / 2, p->y_title);
}

/* -------------------------------------------------------------------------------------------------- data -- */

static void marks(const frame *f)
{
    const chart_panel *p = f->p;
    for (int i = 0; i < p->n_marks; i++) {
        const chart_mark *m = &p->marks[i];
        if (!(m->from < m->to)) continue;
        const double from = fmax(px_x(f, m->from), p->left), to = fmin(px_x(f, m->to), p->left + p->width);
        if (to > from) svg_rect(f->f, chart_colour(m->colour), 0.16, from, p->top, to - from, p->height);
    }
    for (int i = 0; i < p->n_marks; i++) {
        const chart_mark *m = &p->marks[i];
        const double x = px_x(f, m->x);
        if (!isfinite(m->x) || x < p->left || x > p->left + p->width) continue;
        svg_line(f->f, (svg_pen){ chart_colour(m->colour), 1.2, "5 4" }, x, p->top, x, p->top + p->height);
    }
}

/* On ground of their own. Those of neighbours would lie on one another: each takes a row of its own. */
static void labels(const frame *f)
{
    const chart_panel *p = f->p;
    for (int i = 0; i < p->n_marks; i++) {
        const chart_mark *m = &p->marks[i];
        const double x = px_x(f, m->x) + 5, y = p->top + p->height - 8 - LABEL_ROW * i;
        if (!m->label || !isfinite(m->x) || x < p->left || x > p->left + p->width) continue;
        svg_rect(f->f, "#ffffff", 0.9, x - 2, y - 11, svg_text_px(m->label, TICK_SIZE) + 8, LABEL_ROW);
        svg_text(f->f, (svg_font){ TICK_SIZE, chart_colour(m->colour), "start", 1 }, x, y, m->label);
    }
}

static void line(const frame *f, const chart_line *l)
{
    double x[CHART_MAX_POINTS] = { 0 }, y[CHART_MAX_POINTS] = { 0 };
    const int n = l->n < CHART_MAX_POINTS ? l->n : CHART_MAX_POINTS;
    const char *colour = chart_colour(l->colour);
    for (int i = 0; i < n; i++) x[i] = px_x(f, l->points[i].x), y[i] = px_y(f, l->points[i].y);
    svg_path(f->f, (svg_pen){ colour, 1.8, NULL }, x, y, n);
    for (int i = 0; i < n; i++) {
        const chart_point *q = &l->points[i];
        if (!isfinite(q->y)) continue;
        if (has_interval(q))
            svg_line(f->f, (svg_pen){ colour, 1.2, NULL }, x[i], px_y(f, q->low), x[i], px_y(f, q->high));
        svg_marker(f->f, colour, l->colour, x[i], y[i], f->p->height > 200 ? MARKER_PX : MARKER_PX - 1);
    }
}

void chart_draw(FILE *out, const chart_panel *p)
{
    frame f = { .f = out, .p = p };
    titles(out, p);
    if (!extent(p, &f)) {
        svg_text(out, (svg_font){ 13, pale, "middle", 0 }, p->left + p->width / 2, p->top + p->height / 2,
                 "not measured here");
        return;
    }
    y_axis(&f);
    x_axis(&f);
    marks(&f);
    for (int i = 0; i < p->n_lines; i++) line(&f, &p->lines[i]);
    labels(&f);
}

void chart_key(FILE *f, int colour, double x, double y)
{
    svg_line(f, (svg_pen){ chart_colour(colour), 1.8, NULL }, x, y, x + 26, y);
    svg_marker(f, chart_colour(colour), colour, x + 13, y, MARKER_PX);
}
