/* SPDX-License-Identifier: MIT
 * svg.h - the few shapes that a chart needs, as SVG that a browser and a text editor can read.
 *
 * A picture stands alone: white ground, colours and fonts in its attributes, no style sheet, no script. Texts are
 * escaped.
 */
#ifndef BENCH_SVG_H
#define BENCH_SVG_H

#include <stdio.h>

typedef struct svg_pen {
    const char *colour;
    double width;
    const char *dash; /* NULL: none */
} svg_pen;

typedef struct svg_font {
    double size;
    const char *colour, *anchor; /* "start", "middle", "end" */
    int bold;
} svg_font;

/** title: what a screen reader says. */
void svg_open(FILE *f, int width, int height, const char *title);
void svg_close(FILE *f);
void svg_line(FILE *f, svg_pen pen, double x0, double y0, double x1, double y1);
/** Filled; opacity in 0..1. */
void svg_rect(FILE *f, const char *colour, double opacity, double x, double y, double width, double height);
void svg_text(FILE *f, svg_font font, double x, double y, const char *text);
/** The same, from bottom to top. */
void svg_text_upwards(FILE *f, svg_font font, double x, double y, const char *text);
/** Through points that are finite; what is not parts it. */
void svg_path(FILE *f, svg_pen pen, const double *x, const double *y, int n);
/** A disc, square, triangle, diamond, cross or ring by number, about 2 * radius wide. */
void svg_marker(FILE *f, const char *colour, int shape, double x, double y, double radius);
/** How wide a text is at most in the fonts that a picture asks for. */
double svg_text_px(const char *text, double size);

#endif
