/* SPDX-License-Identifier: MIT
 * chart.h - one panel of a picture: lines of points with intervals over a logarithmic or linear x, marks and bands.
 */
#ifndef BENCH_CHART_H
#define BENCH_CHART_H

#include <stdbool.h>
#include <stdio.h>

enum { CHART_N_COLOURS = 6, CHART_MAX_POINTS = 64 };

/* low and high: the interval of y; NAN or equal to y: none is drawn. */
typedef struct chart_point {
    double x, y, low, high;
} chart_point;

/* Points by rising or falling x; colour and shape of marker by the number. */
typedef struct chart_line {
    const chart_point *points;
    int n, colour;
} chart_line;

/* Something at an x: a dashed line with a label at its top (may be NULL), and a band where from < to. */
typedef struct chart_mark {
    double x, from, to;
    int colour;
    const char *label;
} chart_mark;

typedef struct chart_panel {
    double left, top, width, height; /* of the ground that is drawn on; axes and titles lie outside */
    const char *title;
    const char *x_title, *y_title;   /* with units; y_title is above the axis, x_title may be NULL */
    bool log_x;
    const chart_line *lines;
    int n_lines;
    const chart_mark *marks;
    int n_marks;
} chart_panel;

/** y begins at 0 unless something lies below. A panel without a finite point says so. */
void chart_draw(FILE *f, const chart_panel *p);
/** Of a line or a mark; dark enough for white ground, apart for those who see few colours. */
const char *chart_colour(int colour);
/** The sign of a line in a legend, 26 px wide. */
void chart_key(FILE *f, int colour, double x, double y);

#endif
