/* SPDX-License-Identifier: MIT
 * svg_plot.h - panels over one time axis: curves, the spans of regions above and behind them, what lies over a baseline
 * filled.
 */
#ifndef EPROF_REPORT_SVG_PLOT_H
#define EPROF_REPORT_SVG_PLOT_H

#include "profiler/report/curves.h"
#include "profiler/report/number_text.h"
#include "profiler/report/text_out.h"

enum { EPROF__MAX_LINES = 10, EPROF__MAX_PANELS = 4, EPROF__MAX_LANES = 5 };

typedef struct eprof__plot_span {
    double t0_s, t1_s;
    int32_t depth;           /* 1: shaded through all panels; from 2 on only in a lane of its own */
    int32_t tint;            /* 0..5; -1: idle */
    const char *name;
} eprof__plot_span;

typedef struct eprof__plot_line {
    eprof__curve curve;
    char label[64];
    int32_t colour;          /* 0..7 */
    bool is_estimate;        /* dashed */
    const double *base;      /* a level for each span, NAN: none; the area above it is filled. NULL: no filling */
} eprof__plot_line;

typedef struct eprof__plot_panel {
    char title[80];          /* "Power, W" */
    double scale;            /* of the values: 1000 for mW */
    double least_top;        /* the axis reaches at least so far, unscaled */
    bool from_least;         /* the axis begins below the least value and not at 0, where that shows more */
    double height;           /* px */
    int32_t n_lines;
    eprof__plot_line lines[EPROF__MAX_LINES];
    eprof__number *notes;    /* a text for each span, inside the panel; NULL: none */
} eprof__plot_panel;

typedef struct eprof__plot {
    double t1_s;             /* times run from 0 to here */
    const eprof__plot_span *spans; /* in order of begin */
    int32_t n_spans, n_panels;
    eprof__plot_panel panels[EPROF__MAX_PANELS];
} eprof__plot;

void eprof__plot_write(eprof__out *o, const eprof__plot *plot);

/** 1, 2 or 5 times a power of ten: the step that divides `range` into at most n_most parts. */
double eprof__nice_step(double range, int32_t n_most);

#endif
