/* SPDX-License-Identifier: MIT
 * html_figure.c - the picture of a run: which curves, regions and baselines go into which panel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/method/analyse.h"
#include "profiler/method/baseline.h"
#include "profiler/report/html_parts.h"
#include "profiler/report/svg_plot.h"
#include "profiler/run/profiler.h"

enum { MAX_POINTS = 2000, MAX_NAMES = 64, N_TINTS = 6 };

/* All that the picture owns. Arrays have an element for each region but the run. */
typedef struct figure {
    const eprof__page *page;
    eprof__plot plot;
    eprof__plot_span *spans;
    double *idle_w, *idle_pct, *idle_mib;
    eprof__number *energy_notes, *cpu_notes, *ram_notes;
} figure;

static void free_figure(figure *f)
{
    for (int32_t i = 0; i < f->plot.n_panels; i++)
        for (int32_t k = 0; k < f->plot.panels[i].n_lines; k++) eprof__curve_free(&f->plot.panels[i].lines[k].curve);
    free(f->spans);
    free(f->idle_w);
    free(f->idle_pct);
    free(f->idle_mib);
    free(f->energy_notes);
    free(f->cpu_notes);
    free(f->ram_notes);
}

static eprof_status make_figure(figure *f, const eprof__page *page, eprof_error *err)
{
    const size_t n = (size_t)page->n_results; /* one too many: never 0 */
    *f = (figure){ .page = page, .spans = calloc(n, sizeof *f->spans), .idle_w = calloc(n, sizeof(double)),
                   .idle_pct = calloc(n, sizeof(double)), .idle_mib = calloc(n, sizeof(double)),
                   .energy_notes = calloc(n, sizeof(eprof__number)), .cpu_notes = calloc(n, sizeof(eprof__number)),
                   .ram_notes = calloc(n, sizeof(eprof__number)) };
    if (f->spans && f->idle_w && f->idle_pct && f->idle_mib && f->energy_notes && f->cpu_notes && f->ram_notes)
        return EPROF_OK;
    return eprof__fail(err, EPROF_E_NOMEM, "report", "", "no memory for a picture of %zu regions", n);
}

/* ------------------------------------------------------------------------------------------------- regions -- */

/* Regions of one name have one tint. */
static int32_t tint_of(const char *names[MAX_NAMES], int32_t *n, const char *name)
{
    for (int32_t i = 0; i < *n; i++)
        if (strcmp(names[i], name) == 0) return i % N_TINTS;
    if (*n == MAX_NAMES) return N_TINTS - 1;
    names[*n] = name;
    return (*n)++ % N_TINTS;
}

static void note_texts(figure *f, int32_t i, const eprof_result *x)
{
    const eprof_energy *e = eprof__headline(x);
    const double own_mib_s = x->ram.auc_anon_mib_s + x->ram.auc_file_mib_s;
    const size_t room = sizeof f->cpu_notes[i].text;
    eprof__number number;
    if (e && isfinite(e->net_j)) eprof__format_pm(&f->energy_notes[i], e->net_j, 2 * e->u_net_j, "J");
    else if (e) eprof__format_si(&f->energy_notes[i], e->gross_j, "J");
    if (isfinite(x->cpu.auc_exact_pct_s))
        (void)snprintf(f->cpu_notes[i].text, room, "%s %%·s", eprof__format_plain(&number, x->cpu.auc_exact_pct_s));
    if (isfinite(own_mib_s)) (void)snprintf(f->ram_notes[i].text, room, "%s·s", eprof__format_mib(&number, own_mib_s));
}

static void gather_regions(figure *f)
{
    const eprof__page *page = f->page;
    const char *names[MAX_NAMES];
    const int32_t ram = eprof__find_channel(page->r, EPROF__RAM_SYSTEM);
    const int64_t start_ns = page->r->facts.start_ns;
    int32_t n_names = 0;
    for (int32_t i = 0; i + 1 < page->n_results; i++) {
        const eprof_result *x = &page->results[i + 1];
        const eprof_energy *e = eprof__headline(x);
        const int32_t depth = eprof__depth_of(page->r, x);
        f->spans[i] = (eprof__plot_span){ .t0_s = (double)(x->begin_ns - start_ns) / 1e9,
                                          .t1_s = (double)(x->begin_ns - start_ns) / 1e9 + x->elapsed_s,
                                          .depth = depth,
                                          .tint = eprof__is_idle(x) ? -1 : tint_of(names, &n_names, x->name),
                                          .name = eprof__is_idle(x) ? "idle" : x->name };
        f->idle_w[i] = e ? e->idle_w : EPROF_ABSENT;
        f->idle_pct[i] = x->cpu.baseline_pct;
        f->idle_mib[i] = EPROF_ABSENT;
        if (depth != 1 || eprof__is_idle(x)) continue;
        if (ram >= 0) f->idle_mib[i] = eprof__baseline_of_channel(page->r, ram, x->begin_ns, x->end_ns).at_middle;
        note_texts(f, i, x);
    }
    f->plot.spans = f->spans;
    f->plot.n_spans = page->n_results - 1;
    f->plot.t1_s = page->results[0].elapsed_s;
}

/* -------------------------------------------------------------------------------------------------- panels -- */

static eprof__plot_panel *new_panel(figure *f, const char *title, double height, eprof__number *notes)
{
    eprof__plot_panel *p = &f->plot.panels[f->plot.n_panels++];
    *p = (eprof__plot_panel){ .scale = 1, .height = height, .notes = notes };
    (void)snprintf(p->title, sizeof p->title, "%s", title);
    return p;
}

/* Takes the curve over, if it shows anything. */
static eprof__plot_line *new_line(eprof__plot_panel *p, eprof__curve *curve, int32_t colour, const char *label)
{
    if (curve->n < 2 || p->n_lines == EPROF__MAX_LINES) {
        eprof__curve_free(curve);
        return NULL;
    }
    eprof__curve_thin(curve, MAX_POINTS);
    eprof__plot_line *l = &p->lines[p->n_lines++];
    *l = (eprof__plot_line){ .curve = *curve, .colour = colour };
    (void)snprintf(l->label, sizeof l->label, "%s", label);
    return l;
}

/* A panel that nothing was drawn in is no panel. */
static void drop_empty(figure *f, const eprof__plot_panel *p)
{
    if (p->n_lines == 0) f->plot.n_panels--;
}

static double top_of(const eprof__plot_panel *p)
{
    double top = 0;
    for (int32_t i = 0; i < p->n_lines; i++) top = fmax(top, eprof__curve_top(&p->lines[i].curve));
    return top;
}

static eprof_status power_panel(figure *f, eprof_error *err)
{
    const eprof__record *r = f->page->r;
    eprof__plot_panel *p = new_panel(f, "Power, W", 190, f->energy_notes);
    for (int32_t i = 0; i < r->n_meters; i++) {
        const eprof__meter *m = &r->meters[i];
        char label[64];
        eprof__curve curve;
        EPROF__TRY(eprof__curve_of_meter(r, m, &curve, err));
        const bool is_estimate = m->n_channels > 0 && r->channels[m->channels[0]].cls == EPROF_CLASS_MODEL;
        (void)snprintf(label, sizeof label, "%.40s%s", m->name, is_estimate ? " (estimate)" : "");
        eprof__plot_line *l = new_line(p, &curve, i % 8, label);
        if (!l) continue;
        l->is_estimate = is_estimate;
        if (i == 0) l->base = f->idle_w;
    }
    if (top_of(p) < 0.5) {
        p->scale = 1000;
        (void)snprintf(p->title, sizeof p->title, "Power, mW");
    }
    drop_empty(f, p);
    return EPROF_OK;
}

static eprof_status cpu_panel(figure *f, eprof_error *err)
{
    const int32_t n_cpus = f->page->r->facts.n_cpus;
    eprof__plot_panel *p = new_panel(f, "CPU, % of the machine", 130, f->cpu_notes);
    eprof__curve curve;
    if (n_cpus > 0)
        (void)snprintf(p->title, sizeof p->title, "CPU, %% of %d core%s", (int)n_cpus, n_cpus == 1 ? "" : "s");
    EPROF__TRY(eprof__curve_of_busy(f->page->r, &curve, err));
    eprof__plot_line *busy = new_line(p, &curve, 4, "machine, busy");
    if (busy) busy->base = f->idle_pct;
    EPROF__TRY(eprof__curve_of_own(f->page->r, &curve, err));
    eprof__plot_line *own = new_line(p, &curve, 6, "own");
    if (own && !busy) own->base = f->idle_pct;
    drop_empty(f, p);
    return EPROF_OK;
}

static void memory_unit(eprof__plot_panel *p, const char *title)
{
    const bool is_gib = top_of(p) >= 4096;
    p->scale = is_gib ? 1.0 / 1024 : 1;
    (void)snprintf(p->title, sizeof p->title, "%s, %s", title, is_gib ? "GiB" : "MiB");
}

static eprof_status memory_panels(figure *f, eprof_error *err)
{
    eprof__curve curve;
    eprof__plot_panel *p = new_panel(f, "", 110, f->ram_notes);
    EPROF__TRY(eprof__curve_of_kind(f->page->r, EPROF__RAM_ANON, &curve, err));
    (void)new_line(p, &curve, 1, "anonymous");
    EPROF__TRY(eprof__curve_of_kind(f->page->r, EPROF__RAM_FILE, &curve, err));
    (void)new_line(p, &curve, 2, "file-backed");
    memory_unit(p, "Memory of the process");
    drop_empty(f, p);
    p = new_panel(f, "", 80, NULL);
    EPROF__TRY(eprof__curve_of_kind(f->page->r, EPROF__RAM_SYSTEM, &curve, err));
    eprof__plot_line *system = new_line(p, &curve, 3, "total − available");
    if (system) system->base = f->idle_mib;
    p->from_least = true;
    memory_unit(p, "Memory of the machine");
    drop_empty(f, p);
    return EPROF_OK;
}

static void caption(const figure *f)
{
    eprof__out *o = f->page->o;
    eprof__out_text(o, "<figcaption>");
    if (f->plot.n_spans > 0)
        eprof__out_text(
            o,
            "Top: regions, those within others beneath them. Shaded: what lies above the idle baseline (dashed), the "
            "area that net energy and CPU AUC are. Figures inside: net energy with its 95 % interval (gross without "
            "a baseline), exact CPU AUC, memory AUC of the process. ");
    eprof__out_format(
        o,
        "A curve has at most %d points; where there were more, the least and the greatest of each stretch of time "
        "are kept.</figcaption>\n",
        MAX_POINTS);
}

eprof_status eprof__html_figure(const eprof__page *page, eprof_error *err)
{
    figure f;
    eprof_status status = make_figure(&f, page, err);
    if (status == EPROF_OK) {
        gather_regions(&f);
        status = power_panel(&f, err);
    }
    if (status == EPROF_OK) status = cpu_panel(&f, err);
    if (status == EPROF_OK) status = memory_panels(&f, err);
    if (status == EPROF_OK && f.plot.n_panels > 0) {
        eprof__out_text(page->o, "<figure><div class=\"wide\">\n");
        eprof__plot_write(page->o, &f.plot);
        eprof__out_text(page->o, "</div>\n");
        caption(&f);
        eprof__out_text(page->o, "</figure>\n");
    }
    free_figure(&f);
    return status;
}
