/* SPDX-License-Identifier: MIT
 * svg_plot.c - one SVG picture: lanes of regions on top, panels beneath, one time axis at the bottom.
 *
 * Colours are classes that the page's style sheet fills in, so that the same picture is light, dark or printed. Widths
 * of texts are estimated (an SVG cannot measure them without a script): a label that might not fit is left out, and its
 * name is there as a tooltip.
 */
#include "profiler/report/svg_plot.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 960, LEFT = 58, RIGHT = 14, LANE = 20, HEAD = 30, LEGEND_ROW = 17, AXIS = 40 }; /* px */
enum { MAX_RECTS = 3000, MAX_BANDS = 150 }; /* more bands would be a grey ground: lanes alone show them */
#define CHAR_PX 7.0 /* a character of 12 px in DejaVu Sans, the widest of the fonts that the page asks for */

typedef struct frame {
    eprof__out *o;
    const eprof__plot *plot;
    int32_t n_lanes, n_bands;
    double x_per_s, bottom;  /* of the lowest panel */
} frame;

static double x_of(const frame *f, double t_s)
{
    const double t = t_s < 0 ? 0 : t_s > f->plot->t1_s ? f->plot->t1_s : t_s;
    return LEFT + t * f->x_per_s;
}

/* Coordinates to a tenth of a pixel. */
static void put(eprof__out *o, const char *before, double v)
{
    eprof__number number;
    eprof__out_text(o, before);
    eprof__out_text(o, eprof__format_fixed(&number, v, 1));
}

static void attribute(eprof__out *o, const char *name, double v)
{
    eprof__out_format(o, " %s=\"", name);
    put(o, "", v);
    eprof__out_text(o, "\"");
}

static void open_text(eprof__out *o, const char *class, double x, double y, const char *anchor)
{
    eprof__out_format(o, "<text class=\"%s\" text-anchor=\"%s\"", class, anchor);
    attribute(o, "x", x);
    attribute(o, "y", y);
    eprof__out_text(o, ">");
}

static void write_text(eprof__out *o, const char *class, double x, double y, const char *anchor, const char *text)
{
    open_text(o, class, x, y, anchor);
    eprof__out_html(o, text);
    eprof__out_text(o, "</text>\n");
}

static void line(eprof__out *o, const char *class, double x0, double y0, double x1, double y1)
{
    eprof__out_format(o, "<line class=\"%s\"", class);
    attribute(o, "x1", x0);
    attribute(o, "y1", y0);
    attribute(o, "x2", x1);
    attribute(o, "y2", y1);
    eprof__out_text(o, "/>\n");
}

static void open_rect(eprof__out *o, double x, double y, double w, double h)
{
    eprof__out_text(o, "<rect");
    attribute(o, "x", x);
    attribute(o, "y", y);
    attribute(o, "width", w);
    attribute(o, "height", h);
}

/* Characters, not bytes. */
static double text_px(const char *text, double size)
{
    int n = 0;
    for (; *text; text++) n += (*text & 0xc0) != 0x80;
    return n * CHAR_PX * size / 12;
}

double eprof__nice_step(double range, int32_t n_most)
{
    const double least = range / n_most;
    double step = least > 0 ? pow(10, floor(log10(least))) : 1;
    static const double factors[] = { 2, 2.5, 2 }; /* 1, 2, 5, 10 */
    for (int i = 0; i < 3 && step < least * (1 - 1e-9); i++) step *= factors[i];
    return step;
}

/* ------------------------------------------------------------------------------------------- time, regions -- */

typedef struct time_unit {
    double s;
    const char *axis;
} time_unit;

static time_unit unit_for(double t1_s)
{
    if (t1_s < 0.5) return (time_unit){ 1e-3, "time, ms" };
    return t1_s < 240 ? (time_unit){ 1, "time, s" } : t1_s < 3 * 3600 ? (time_unit){ 60, "time, min" }
                                                                      : (time_unit){ 3600, "time, h" };
}

static int decimals_of(double step) { return step >= 1 ? 0 : step >= 0.0999 ? 1 : step >= 0.00999 ? 2 : 3; }

static void time_axis(const frame *f, double top)
{
    const time_unit unit = unit_for(f->plot->t1_s);
    const double range = f->plot->t1_s / unit.s, step = eprof__nice_step(range, 12);
    eprof__number number;
    for (int i = 0; i * step <= range * (1 + 1e-9); i++) {
        const double x = x_of(f, i * step * unit.s);
        line(f->o, "grid", x, top, x, f->bottom + 4);
        write_text(f->o, "tick", x, f->bottom + 17, "middle",
                   eprof__format_fixed(&number, i * step, decimals_of(step)));
    }
    write_text(f->o, "tick", (LEFT + WIDTH - RIGHT) / 2.0, f->bottom + 34, "middle", unit.axis);
}

static void bands(const frame *f, double top)
{
    for (int32_t i = 0; i < f->plot->n_spans && f->n_bands <= MAX_BANDS; i++) {
        const eprof__plot_span *s = &f->plot->spans[i];
        if (s->depth != 1) continue;
        const double x0 = x_of(f, s->t0_s), x1 = x_of(f, s->t1_s);
        if (s->tint < 0) eprof__out_text(f->o, "<g class=\"band idle\">");
        else eprof__out_format(f->o, "<g class=\"band r%d\">", (int)s->tint);
        open_rect(f->o, x0, top, x1 - x0 > 0.5 ? x1 - x0 : 0.5, f->bottom - top);
        eprof__out_text(f->o, "/></g>\n");
        if (f->n_bands <= 40 && s->tint >= 0) {
            line(f->o, "edge", x0, top, x0, f->bottom);
            line(f->o, "edge", x1, top, x1, f->bottom);
        }
    }
}

/* Regions of one depth. One that begins where the last drawn one covered its pixels is left out. */
static void lane(const frame *f, int32_t depth, int32_t *n_rects)
{
    const double y = (depth - 1) * LANE;
    double covered_to = -1;
    for (int32_t i = 0; i < f->plot->n_spans && *n_rects < MAX_RECTS; i++) {
        const eprof__plot_span *s = &f->plot->spans[i];
        const double x0 = x_of(f, s->t0_s), x1 = x_of(f, s->t1_s), w = x1 - x0 > 1 ? x1 - x0 : 1;
        if (s->depth != depth || x0 + w <= covered_to + 0.25) continue;
        if (s->tint < 0) eprof__out_text(f->o, "<g class=\"lane idle\">");
        else eprof__out_format(f->o, "<g class=\"lane r%d\">", (int)s->tint);
        open_rect(f->o, x0 + (w > 3 ? 0.5 : 0), y + 1, w > 3 ? w - 1 : w, LANE - 3);
        eprof__out_text(f->o, " rx=\"2\"><title>");
        eprof__out_html(f->o, s->name);
        eprof__out_text(f->o, "</title></rect>");
        if (text_px(s->name, 11) + 6 <= w) write_text(f->o, "label", x0 + w / 2, y + LANE - 6, "middle", s->name);
        eprof__out_text(f->o, "</g>\n");
        covered_to = x0 + w;
        (*n_rects)++;
    }
}

/* -------------------------------------------------------------------------------------------------- panels -- */

/* Where a panel's values lie. */
typedef struct scale {
    double top, bottom;      /* px */
    double least, most;      /* values there */
} scale;

static double y_of(const scale *s, double v)
{
    const double share = (v - s->least) / (s->most - s->least);
    return s->bottom - (share < 0 ? 0 : share > 1 ? 1 : share) * (s->bottom - s->top);
}

static void polyline(const frame *f, const scale *s, const eprof__plot_line *l, double factor)
{
    const eprof__curve *c = &l->curve;
    bool pen = false;
    eprof__out_format(f->o, "<path class=\"curve c%d%s\" d=\"", (int)l->colour, l->is_estimate ? " est" : "");
    for (int64_t i = 0; i < c->n; i++) {
        if (!isfinite(c->value[i])) {
            pen = false;
            continue;
        }
        put(f->o, pen ? "L" : "M", x_of(f, c->t_s[i]));
        put(f->o, " ", y_of(s, c->value[i] * factor));
        pen = true;
    }
    eprof__out_text(f->o, "\"/>\n");
}

/* The area between curve and base over one span, and the base as a dashed line. */
static void area(const frame *f, const scale *s, const eprof__plot_line *l, const eprof__plot_span *span, double base,
                 double factor)
{
    const eprof__curve *c = &l->curve;
    const double y0 = y_of(s, base * factor);
    const double at_begin = eprof__curve_at(c, span->t0_s), at_end = eprof__curve_at(c, span->t1_s);
    eprof__out_format(f->o, "<path class=\"area c%d\" d=\"", (int)l->colour);
    put(f->o, "M", x_of(f, span->t0_s));
    put(f->o, " ", y0);
    if (isfinite(at_begin)) {
        put(f->o, "L", x_of(f, span->t0_s));
        put(f->o, " ", y_of(s, at_begin * factor));
    }
    for (int64_t i = eprof__curve_from(c, span->t0_s); i < c->n && c->t_s[i] < span->t1_s; i++) {
        put(f->o, "L", x_of(f, c->t_s[i]));
        put(f->o, " ", isfinite(c->value[i]) ? y_of(s, c->value[i] * factor) : y0);
    }
    if (isfinite(at_end)) {
        put(f->o, "L", x_of(f, span->t1_s));
        put(f->o, " ", y_of(s, at_end * factor));
    }
    put(f->o, "L", x_of(f, span->t1_s));
    put(f->o, " ", y0);
    eprof__out_text(f->o, "Z\"/>\n");
    eprof__out_format(f->o, "<g class=\"c%d\">", (int)l->colour);
    line(f->o, "base", x_of(f, span->t0_s), y0, x_of(f, span->t1_s), y0);
    eprof__out_text(f->o, "</g>\n");
}

static void areas(const frame *f, const scale *s, const eprof__plot_line *l, double factor)
{
    if (!l->base || l->curve.n < 2 || f->n_bands > MAX_BANDS) return;
    for (int32_t i = 0; i < f->plot->n_spans; i++) {
        const eprof__plot_span *span = &f->plot->spans[i];
        if (span->depth == 1 && span->tint >= 0 && isfinite(l->base[i])) area(f, s, l, span, l->base[i], factor);
    }
}

static void value_axis(const frame *f, const scale *s, double step)
{
    eprof__number number;
    for (int i = 0; s->least + i * step <= s->most + step * 1e-6; i++) {
        const double v = s->least + i * step, y = y_of(s, v);
        line(f->o, i == 0 ? "axis" : "grid", LEFT, y, WIDTH - RIGHT, y);
        write_text(f->o, "tick", LEFT - 6, y + 4, "end", eprof__format_fixed(&number, v, decimals_of(step)));
    }
}

static double entry_px(const eprof__plot_line *l) { return 26 + text_px(l->label, 12) + 14; }

/* Rows that the labels of a panel take beside its title, on as many lines as need be. write: draw them, the first row's
 * base line at y. */
static int32_t legend(const frame *f, const eprof__plot_panel *p, double y, bool write)
{
    const double from = LEFT + text_px(p->title, 14.5) + 20;
    double x = from;
    int32_t rows = 1;
    for (int32_t i = 0; i < p->n_lines; i++) {
        const eprof__plot_line *l = &p->lines[i];
        if (x + entry_px(l) > WIDTH - RIGHT + 10 && x > from) {
            x = from;
            rows++;
        }
        if (write) {
            const double at = y + (rows - 1) * LEGEND_ROW;
            eprof__out_format(f->o, "<g class=\"c%d\">", (int)l->colour);
            line(f->o, l->is_estimate ? "key est" : "key", x, at - 4, x + 20, at - 4);
            eprof__out_text(f->o, "</g>");
            write_text(f->o, "legend", x + 26, at, "start", l->label);
        }
        x += entry_px(l);
    }
    return rows;
}

static void notes(const frame *f, const eprof__plot_panel *p, const scale *s)
{
    for (int32_t i = 0; p->notes && i < f->plot->n_spans; i++) {
        const eprof__plot_span *span = &f->plot->spans[i];
        const double x0 = x_of(f, span->t0_s), x1 = x_of(f, span->t1_s);
        if (span->depth != 1 || span->tint < 0 || !*p->notes[i].text) continue;
        if (text_px(p->notes[i].text, 11) + 4 > x1 - x0) continue;
        write_text(f->o, "note", (x0 + x1) / 2, s->top + 13, "middle", p->notes[i].text);
    }
}

/* The scale of a panel: room for its notes above the highest curve, and the axis begins and ends at half steps. */
static scale scale_of(const eprof__plot_panel *p, double top, double *step)
{
    double least = HUGE_VAL, most = p->least_top;
    for (int32_t i = 0; i < p->n_lines; i++) {
        most = fmax(most, eprof__curve_top(&p->lines[i].curve));
        least = fmin(least, eprof__curve_least(&p->lines[i].curve));
    }
    if (!p->from_least || !(least > 0) || least < most / 2) least = 0;
    least *= p->scale;
    most = most > 0 ? most * p->scale : 1;
    double range = most - least > most / 50 ? most - least : most / 50;
    if (p->notes) range *= p->height / (p->height - 22);
    *step = eprof__nice_step(range, p->height > 120 ? 5 : 4);
    least = floor(least / *step) * *step;
    const double half = *step / 2, end = fmax(most, least) + (p->notes ? range - (most - least) : 0);
    return (scale){ top, top + p->height, least, fmax(ceil(end / half - 1e-9) * half, least + *step) };
}

static void panel(const frame *f, const eprof__plot_panel *p, double top)
{
    double step;
    const scale s = scale_of(p, top, &step);
    value_axis(f, &s, step);
    for (int32_t i = 0; i < p->n_lines; i++) areas(f, &s, &p->lines[i], p->scale);
    for (int32_t i = p->n_lines - 1; i >= 0; i--) polyline(f, &s, &p->lines[i], p->scale);
    notes(f, p, &s);
}

static double head_of(const frame *f, const eprof__plot_panel *p)
{
    return HEAD + (legend(f, p, 0, false) - 1) * LEGEND_ROW;
}

/* Titles and legends, on ground of their own: bands and time lines are in the panels alone. */
static void heads(const frame *f, double y)
{
    for (int32_t i = 0; i < f->plot->n_panels; i++) {
        const eprof__plot_panel *p = &f->plot->panels[i];
        open_rect(f->o, 0, y, WIDTH, head_of(f, p));
        eprof__out_text(f->o, " class=\"head\"/>\n");
        write_text(f->o, "title", LEFT, y + 20, "start", p->title);
        (void)legend(f, p, y + 20, true);
        y += head_of(f, p) + p->height;
    }
}

/* ------------------------------------------------------------------------------------------------- picture -- */

static frame frame_of(eprof__out *o, const eprof__plot *plot)
{
    frame f = { .o = o, .plot = plot, .x_per_s = plot->t1_s > 0 ? (WIDTH - LEFT - RIGHT) / plot->t1_s : 1 };
    for (int32_t i = 0; i < plot->n_spans; i++) {
        const int32_t depth = plot->spans[i].depth;
        if (depth > f.n_lanes) f.n_lanes = depth < EPROF__MAX_LANES ? depth : EPROF__MAX_LANES;
        if (depth == 1) f.n_bands++;
    }
    f.bottom = f.n_lanes * LANE;
    for (int32_t i = 0; i < plot->n_panels; i++) f.bottom += head_of(&f, &plot->panels[i]) + plot->panels[i].height;
    return f;
}

void eprof__plot_write(eprof__out *o, const eprof__plot *plot)
{
    const frame f = frame_of(o, plot);
    const double top = f.n_lanes * LANE;
    int32_t n_rects = 0;
    eprof__out_format(o, "<svg viewBox=\"0 0 %d %d\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">\n"
                      "<title>Power, CPU and memory over time</title>\n", WIDTH, (int)(f.bottom + AXIS));
    bands(&f, top);
    time_axis(&f, top);
    for (int32_t depth = 1; depth <= f.n_lanes; depth++) lane(&f, depth, &n_rects);
    heads(&f, top);
    double y = top;
    for (int32_t i = 0; i < plot->n_panels; i++) {
        y += head_of(&f, &plot->panels[i]);
        panel(&f, &plot->panels[i], y);
        y += plot->panels[i].height;
    }
    eprof__out_text(o, "</svg>\n");
}
