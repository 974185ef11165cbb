/* SPDX-License-Identifier: MIT
 * html_tables.c - the tables of the page: regions, other sources, audit, overhead, sources. An absent number is a dash.
 */
#include <stdio.h>
#include <string.h>

#include "profiler/report/html_parts.h"
#include "profiler/report/number_text.h"
#include "profiler/run/profiler.h"

enum { MAX_ROWS = 500 };
#define DASH "<span class=\"soft\">–</span>"

static void cell(eprof__out *o, const char *text)
{
    eprof__out_text(o, "<td>");
    if (*text) eprof__out_html(o, text);
    else eprof__out_text(o, DASH);
    eprof__out_text(o, "</td>");
}

static void text_cell(eprof__out *o, const char *class, const char *text)
{
    eprof__out_format(o, "<td class=\"%s\">", class);
    eprof__out_html(o, text);
    eprof__out_text(o, "</td>");
}

/* Two numbers, the second smaller beneath the first. */
static void double_cell(eprof__out *o, double first, double second)
{
    eprof__number number;
    eprof__out_text(o, "<td>");
    eprof__out_text(o, isfinite(first) ? eprof__format_plain(&number, first) : DASH);
    if (isfinite(second)) {
        eprof__out_text(o, "<br><span class=\"soft\">");
        eprof__out_text(o, eprof__format_plain(&number, second));
        eprof__out_text(o, "</span>");
    }
    eprof__out_text(o, "</td>");
}

static void grade_cell(eprof__out *o, int32_t grade)
{
    if (grade >= 'A' && grade <= 'E')
        eprof__out_format(o, "<td class=\"t\"><span class=\"grade\">%c</span></td>", (char)grade);
    else eprof__out_text(o, "<td class=\"t\">" DASH "</td>");
}

static void begin_table(eprof__out *o, const char *head)
{
    eprof__out_text(o, "<div class=\"wide\"><table><thead><tr>");
    eprof__out_text(o, head);
    eprof__out_text(o, "</tr></thead><tbody>\n");
}

static void end_table(eprof__out *o) { eprof__out_text(o, "</tbody></table></div>\n"); }

/* ------------------------------------------------------------------------------------------------- regions -- */

static bool counts_tokens(const char *key) { return strstr(key, "token") || strcmp(key, "n_generated") == 0; }

/* "tokens 128 (0.52 J each)". */
static void notes_of(eprof__out *o, const eprof_result *x)
{
    const eprof_energy *e = eprof__headline(x);
    const double joules = !e ? EPROF_ABSENT : isfinite(e->net_j) ? e->net_j : e->gross_j;
    eprof__number number;
    for (int32_t i = 0; i < x->n_notes && i < EPROF_MAX_NOTES; i++) {
        const eprof_note *note = &x->notes[i];
        eprof__out_text(o, i == 0 ? "<br><span class=\"soft\">" : ", ");
        eprof__out_html(o, note->key);
        eprof__out_text(o, " ");
        eprof__out_text(o, eprof__format_double(&number, note->value, 9));
        if (!counts_tokens(note->key) || !(note->value > 0) || !isfinite(joules)) continue;
        eprof__out_format(o, " (%s each)", eprof__format_si(&number, joules / note->value, "J"));
    }
    if (x->n_notes > 0) eprof__out_text(o, "</span>");
}

static void name_cell(const eprof__page *page, const eprof_result *x)
{
    eprof__out *o = page->o;
    const int32_t depth = eprof__depth_of(page->r, x);
    eprof__out_format(o, "<td class=\"t n\" style=\"padding-left:%dpx\">", 2 + 14 * (int)(depth > 6 ? 6 : depth));
    eprof__out_html(o, x->id == 0 ? "the whole run" : eprof__is_idle(x) ? "idle (baseline)" : x->name);
    notes_of(o, x);
    eprof__out_text(o, "</td>");
}

static void net_cell(eprof__out *o, const eprof_energy *e)
{
    eprof__number number;
    if (!e || !isfinite(e->net_j)) {
        cell(o, "");
        return;
    }
    eprof__out_text(o, "<td>");
    eprof__out_html(o, eprof__format_pm(&number, e->net_j, 2 * e->u_net_j, "J"));
    eprof__out_text(o, "<br><span class=\"soft\">");
    eprof__out_html(o, eprof__format_pm(&number, e->net_j / 3600, 2 * e->u_net_j / 3600, "Wh"));
    eprof__out_text(o, "</span></td>");
}

/* Joules, and watt-hours beneath. */
static void gross_cell(eprof__out *o, const eprof_energy *e)
{
    eprof__number number;
    if (!e || !isfinite(e->gross_j)) {
        cell(o, "");
        return;
    }
    eprof__out_format(o, "<td>%s", eprof__format_si(&number, e->gross_j, "J"));
    eprof__out_format(o, "<br><span class=\"soft\">%s</span></td>", eprof__format_si(&number, e->gross_j / 3600, "Wh"));
}

static void region_row(const eprof__page *page, const eprof_result *x)
{
    eprof__out *o = page->o;
    const eprof_energy *e = eprof__headline(x);
    eprof__number number;
    eprof__out_text(o, x->id == 0 ? "<tr class=\"whole\">" : "<tr>");
    name_cell(page, x);
    cell(o, eprof__format_seconds(&number, x->elapsed_s));
    cell(o, eprof__format_plain(&number, x->cpu.own_core_s));
    double_cell(o, x->cpu.auc_exact_pct_s, x->cpu.auc_sampled_pct_s);
    double_cell(o, x->ram.auc_anon_mib_s + x->ram.auc_file_mib_s, x->ram.auc_system_mib_s);
    double_cell(o, x->ram.anon_peak_mib, x->ram.file_peak_mib);
    gross_cell(o, e);
    net_cell(o, e);
    grade_cell(o, e ? e->grade : 0);
    eprof__out_text(o, "</tr>\n");
}

/* "sampled 98.1 = exact 95.2 + others' 3.4 - lag 0.5", of the region that used most CPU time. */
static void compare_areas(const eprof__page *page)
{
    eprof__out *o = page->o;
    const eprof_result *most = NULL;
    eprof__number number;
    for (int32_t i = 1; i < page->n_results; i++) {
        const eprof_result *x = &page->results[i];
        if (!isfinite(x->cpu.auc_foreign_pct_s) || !isfinite(x->cpu.auc_lag_pct_s) || eprof__is_idle(x)) continue;
        if (!most || x->cpu.own_core_s > most->cpu.own_core_s) most = x;
    }
    if (!most || !isfinite(most->cpu.auc_sampled_pct_s)) return;
    eprof__out_text(o, "Of ");
    eprof__out_html(o, most->name);
    eprof__out_format(o, ": sampled %s", eprof__format_plain(&number, most->cpu.auc_sampled_pct_s));
    eprof__out_format(o, " = exact %s", eprof__format_plain(&number, most->cpu.auc_exact_pct_s));
    eprof__out_format(o, " + other programs %s", eprof__format_plain(&number, most->cpu.auc_foreign_pct_s));
    eprof__out_format(o, " + what a series of samples misses, %s. ",
                      eprof__format_plain(&number, most->cpu.auc_lag_pct_s));
}

static void how_to_read(const eprof__page *page)
{
    eprof__out *o = page->o;
    const eprof_energy *e = eprof__headline(&page->results[0]);
    eprof__out_text(o, "<p class=\"soft small\">");
    if (e) {
        eprof__out_text(o, "Energy is that of ");
        eprof__out_html(o, e->source);
        eprof__out_format(o, ": %s. Net is gross less what the idle machine would have drawn; ",
                          eprof__explain_scope(e->scope));
        eprof__out_text(o, "U95 is the half of the 95 % interval. ");
    } else {
        eprof__out_text(o, "Nothing here measured energy; edgeprof sources says why. ");
    }
    eprof__out_text(o, "The exact CPU AUC is of the process's own CPU time; the sampled one is of the whole machine, "
                       "as in arXiv 2512.16531. ");
    compare_areas(page);
    eprof__out_text(o, "A dash is a number that was not measured.</p>\n");
}

void eprof__html_regions(const eprof__page *page)
{
    eprof__out *o = page->o;
    eprof__out_text(o, "<h2>Regions</h2>\n");
    begin_table(
        o, "<th class=\"t\">region</th><th>elapsed</th><th>own CPU,<br>core·s</th>"
           "<th>CPU AUC, %·s<br>exact<br>sampled</th>"
           "<th>RAM AUC, MiB·s<br>process<br>machine</th><th>peak, MiB<br>anonymous<br>file-backed</th><th>gross</th>"
           "<th>net ± U95</th><th class=\"t\">grade</th>");
    for (int32_t i = 0; i < page->n_results && i < MAX_ROWS; i++) region_row(page, &page->results[i]);
    end_table(o);
    if (page->n_results > MAX_ROWS)
        eprof__out_format(o, "<p class=\"soft\">%d more regions are in the JSON and CSV of the same log.</p>\n",
                          (int)(page->n_results - MAX_ROWS));
    how_to_read(page);
}

/* -------------------------------------------------------------------------------- sources beside the first -- */

void eprof__html_sources_of_regions(const eprof__page *page)
{
    eprof__out *o = page->o;
    eprof__number number;
    if (page->results[0].n_energies < 2) return;
    eprof__out_text(o, "<h2>Energy by source</h2>\n<p class=\"soft small\">Of the run and the regions of the first "
                       "level; scopes contain one another and are never added.</p>\n");
    begin_table(o, "<th class=\"t\">region</th><th class=\"t\">source</th><th class=\"t\">scope</th>"
                   "<th>gross</th><th>idle power</th>"
                   "<th>net ± U95</th><th>covered, %</th><th class=\"t\">grade</th>");
    int32_t rows = 0;
    for (int32_t i = 0; i < page->n_results && rows < MAX_ROWS; i++) {
        const eprof_result *x = &page->results[i];
        if (eprof__is_idle(x) || x->parent != 0) continue;
        for (int32_t k = 0; k < x->n_energies; k++, rows++) {
            const eprof_energy *e = &x->energy[k];
            eprof__out_text(o, x->id == 0 ? "<tr class=\"whole\">" : "<tr>");
            text_cell(o, "t", k > 0 ? "" : x->id == 0 ? "the whole run" : x->name);
            text_cell(o, "t", e->source);
            text_cell(o, "t", eprof_scope_name(e->scope));
            gross_cell(o, e);
            cell(o, eprof__format_si(&number, e->idle_w, "W"));
            net_cell(o, e);
            cell(o, isfinite(e->covered) ? eprof__format_plain(&number, 100 * e->covered) : "");
            grade_cell(o, e->grade);
            eprof__out_text(o, "</tr>\n");
        }
    }
    end_table(o);
}

/* ------------------------------------------------------------------------------- audit, overhead, sources -- */

static void term(eprof__out *o, const char *name, const char *value)
{
    eprof__out_format(o, "<dt>%s</dt><dd>", name);
    if (*value) eprof__out_html(o, value);
    else eprof__out_text(o, DASH);
    eprof__out_text(o, "</dd>");
}

void eprof__html_audit(const eprof__page *page)
{
    eprof_audit a = EPROF_INIT(eprof_audit);
    eprof__number number;
    eprof__out *o = page->o;
    if (eprof_audit_of(page->p, &a, NULL) != EPROF_OK) return;
    eprof__out_text(o, "<div class=\"card\"><h3>Does it add up?</h3><dl>");
    term(o, "whole run", eprof__format_si(&number, a.total_j, "J"));
    term(o, "its regions", eprof__format_si(&number, a.regions_j, "J"));
    term(o, "outside of regions", eprof__format_si(&number, a.outside_j, "J"));
    term(o, "missing", eprof__format_si(&number, a.residual_j, "J"));
    term(o, "source's resolution", eprof__format_si(&number, a.resolution_j, "J"));
    eprof__out_text(
        o, "</dl><p class=\"soft small\">Gross energy of the first source. What is missing should be below the "
           "resolution.</p></div>\n");
}

void eprof__html_overhead(const eprof__page *page)
{
    eprof_overhead v = EPROF_INIT(eprof_overhead);
    eprof__number number;
    eprof__out *o = page->o;
    if (eprof_overhead_of(page->p, &v, NULL) != EPROF_OK) return;
    eprof__out_text(o, "<div class=\"card\"><h3>What the profiler took</h3><dl>");
    if (isfinite(v.core_s)) term(o, "CPU time", eprof__format_si(&number, v.core_s, "s"));
    if (isfinite(v.share_of_core)) {
        eprof__format_plain(&number, 100 * v.share_of_core);
        const size_t n = strlen(number.text);
        (void)snprintf(number.text + n, sizeof number.text - n, " %%");
        term(o, "of one core", number.text);
    }
    if (v.n_threads > 0) term(o, "threads", eprof__format_fixed(&number, v.n_threads, 0));
    if (v.n_ticks > 0) {
        term(o, "ticks", eprof__format_fixed(&number, (double)v.n_ticks, 0));
        term(o, "ticks missed", eprof__format_fixed(&number, (double)v.n_missed, 0));
    }
    if (isfinite(v.late_p50_us)) term(o, "lateness, median", eprof__format_si(&number, v.late_p50_us / 1e6, "s"));
    if (isfinite(v.late_p99_us)) term(o, "lateness, 99 %", eprof__format_si(&number, v.late_p99_us / 1e6, "s"));
    if (isfinite(v.late_max_us)) term(o, "lateness, greatest", eprof__format_si(&number, v.late_max_us / 1e6, "s"));
    eprof__out_text(o, "</dl></div>\n");
}

static void source_row(eprof__out *o, const eprof_source_info *s)
{
    eprof__out_text(o, "<tr>");
    text_cell(o, "t", s->name);
    text_cell(o, "t w", s->what);
    text_cell(o, "t", eprof_scope_name(s->scope));
    text_cell(o, "t", eprof_class_name(s->cls));
    eprof__out_format(o, "<td class=\"t\"><span class=\"%s\">%s</span></td><td class=\"t w\">", s->live ? "yes" : "no",
                      !s->live ? "no" : s->headline ? "first" : "live");
    if (!s->live) eprof__out_html(o, s->why_not);
    if (!s->live && *s->unlock) {
        eprof__out_text(o, "<br><code>");
        eprof__out_html(o, s->unlock);
        eprof__out_text(o, "</code>");
    }
    eprof__out_text(o, "</td></tr>\n");
}

void eprof__html_sources(const eprof__page *page)
{
    eprof_source_info s = EPROF_INIT(eprof_source_info);
    eprof__out *o = page->o;
    if (eprof_source(page->p, 0, &s, NULL) != EPROF_OK) return; /* a replay has none */
    eprof__out_text(o, "<h2>Sources of this machine</h2>\n");
    begin_table(
        o, "<th class=\"t\">source</th><th class=\"t\">what</th><th class=\"t\">scope</th><th class=\"t\">class</th>"
           "<th class=\"t\">live</th><th class=\"t\">why not, and what would change that</th>");
    for (int32_t i = 0; eprof_source(page->p, i, &s, NULL) == EPROF_OK; i++) source_row(o, &s);
    end_table(o);
}
