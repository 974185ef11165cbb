/* SPDX-License-Identifier: MIT
 * html_trust.c - how far the numbers can be trusted: the budget of each region, what each source is, what was noticed.
 */
#include <stdlib.h>
#include <string.h>

#include "profiler/report/html_parts.h"
#include "profiler/report/number_text.h"

enum { MAX_BUDGETS = 6 };

/* ------------------------------------------------------------------------------------------------- budgets -- */

static double energy_j(const eprof_energy *e) { return isfinite(e->net_j) ? e->net_j : e->gross_j; }

static double variance_of(const eprof_energy *e)
{
    double sum = 0;
    for (int32_t i = 0; i < EPROF_N_TERMS; i++)
        if (isfinite(e->budget_j[i])) sum += e->budget_j[i] * e->budget_j[i];
    return sum;
}

/* The terms, largest first; those below a thousandth of the sum are not worth a line. */
static void bars(eprof__out *o, const eprof_energy *e)
{
    const double variance = variance_of(e);
    uint32_t shown = 0;
    eprof__number number;
    eprof__out_text(o, "<div class=\"bars\">");
    for (int32_t round = 0; round < EPROF_N_TERMS; round++) {
        int32_t largest = -1;
        for (int32_t i = 0; i < EPROF_N_TERMS; i++) {
            const double u = e->budget_j[i];
            if (!isfinite(u) || (shown >> i & 1) || u * u < variance / 1000 || u <= 0) continue;
            if (largest < 0 || u > e->budget_j[largest]) largest = i;
        }
        if (largest < 0) break;
        shown |= 1u << largest;
        const double u = e->budget_j[largest];
        eprof__out_format(o, "<span title=\"%s\">%s</span>", eprof__explain_term(largest), eprof_term_name(largest));
        eprof__out_text(o, "<div class=\"bar\" style=\"width:");
        eprof__out_text(o, eprof__format_fixed(&number, 100 * u / sqrt(variance), 1));
        eprof__out_format(o, "%%\"></div><span>%s</span>", eprof__format_si(&number, u, "J"));
    }
    eprof__out_text(o, "</div>");
}

static void budget_card(eprof__out *o, const eprof_result *x, const eprof_energy *e)
{
    eprof__number number;
    const bool has_net = isfinite(e->net_j);
    eprof__out_text(o, "<div class=\"card\"><h3>");
    eprof__out_html(o, x->id == 0 ? "the whole run" : x->name);
    eprof__out_format(o, "</h3><p class=\"small\">%s", has_net ? "net " : "gross ");
    eprof__out_html(o, eprof__format_pm(&number, energy_j(e), 2 * (has_net ? e->u_net_j : e->u_gross_j), "J"));
    const double u = has_net ? e->u_net_j : e->u_gross_j;
    if (isfinite(u) && energy_j(e) > u / 5) /* above 1000 % it says nothing */
        eprof__out_format(o, " <span class=\"soft\">(%s %%)</span>",
                          eprof__format_plain(&number, 200 * u / energy_j(e)));
    eprof__out_text(o, "</p>");
    bars(o, e);
    eprof__out_text(o, "</div>\n");
}

static bool has_budget(const eprof_result *x)
{
    const eprof_energy *e = eprof__headline(x);
    return e && !eprof__is_idle(x) && isfinite(energy_j(e)) && variance_of(e) > 0;
}

/* The terms that stand in any of the cards, explained once. */
static void explain_terms(eprof__out *o, uint32_t terms)
{
    const char *between = "";
    eprof__out_text(o, "<p class=\"soft small\">Standard uncertainties, combined as the root of their squares' sum; "
                       "U95 is twice that. ");
    for (int32_t i = 0; i < EPROF_N_TERMS; i++) {
        if (!(terms >> i & 1)) continue;
        eprof__out_format(o, "%s<b>%s</b>: %s", between, eprof_term_name(i), eprof__explain_term(i));
        between = "; ";
    }
    eprof__out_text(o, ".</p>\n");
}

/* The regions of the most energy, in order of time. Their number. */
static int32_t choose_budgets(const eprof__page *page, const eprof_result *chosen[MAX_BUDGETS])
{
    int32_t n = 0;
    for (int32_t i = 0; i < page->n_results; i++) {
        const eprof_result *x = &page->results[i];
        if (!has_budget(x)) continue;
        if (n < MAX_BUDGETS) {
            chosen[n++] = x;
            continue;
        }
        int32_t least = 0;
        for (int32_t k = 1; k < n; k++)
            if (energy_j(eprof__headline(chosen[k])) < energy_j(eprof__headline(chosen[least]))) least = k;
        if (energy_j(eprof__headline(x)) <= energy_j(eprof__headline(chosen[least]))) continue;
        for (int32_t k = least; k + 1 < n; k++) chosen[k] = chosen[k + 1];
        chosen[n - 1] = x;
    }
    return n;
}

void eprof__html_budgets(const eprof__page *page)
{
    eprof__out *o = page->o;
    const eprof_result *chosen[MAX_BUDGETS];
    const int32_t n = choose_budgets(page, chosen);
    uint32_t terms = 0;
    if (n == 0) return;
    eprof__out_text(o, "<h2>Where the uncertainty comes from</h2>\n<div class=\"cards wider\">\n");
    for (int32_t i = 0; i < n; i++) {
        const eprof_energy *e = eprof__headline(chosen[i]);
        for (int32_t k = 0; k < EPROF_N_TERMS; k++)
            if (e->budget_j[k] * e->budget_j[k] >= variance_of(e) / 1000 && e->budget_j[k] > 0) terms |= 1u << k;
        budget_card(o, chosen[i], e);
    }
    eprof__out_text(o, "</div>\n");
    explain_terms(o, terms);
}

/* ---------------------------------------------------------------------------------------------- provenance -- */

static void entry(eprof__out *o, const char *name, const char *text)
{
    eprof__out_format(o, "<dt>%s</dt><dd>", name);
    eprof__out_html(o, text);
    eprof__out_text(o, "</dd>");
}

static void meter_card(const eprof__page *page, const eprof__meter *m)
{
    eprof__out *o = page->o;
    const eprof__channel *c = &page->r->channels[m->channels[0]];
    eprof__number number;
    eprof__out_text(o, "<div class=\"card\"><h3>");
    eprof__out_html(o, m->name);
    eprof__out_text(o, "</h3><dl>");
    entry(o, "sees", eprof__explain_scope((int32_t)m->scope));
    entry(o, "counts as", eprof__explain_class((int32_t)c->cls));
    if (m->n_channels > 1) {
        eprof__out_text(o, "<dt>sum of</dt><dd>");
        for (int32_t i = 0; i < m->n_channels; i++) {
            if (i > 0) eprof__out_text(o, ", ");
            eprof__out_html(o, page->r->channels[m->channels[i]].name);
        }
        eprof__out_text(o, "</dd>");
    }
    if (c->period_ns > 0) entry(o, "read every", eprof__format_seconds(&number, (double)c->period_ns / 1e9));
    if (c->accuracy > 0) {
        eprof__out_format(o, "<dt>accuracy</dt><dd>within %s %%%s</dd>",
                          eprof__format_plain(&number, 100 * c->accuracy),
                          c->is_calibrated ? ", calibrated" : ", as its maker or our study says");
    }
    if (c->lsb > 0) entry(o, "smallest step", eprof__format_si(&number, c->lsb, c->kind == EPROF__ENERGY ? "J" : "W"));
    eprof__out_text(o, "</dl></div>\n");
}

/* Which regions a flag stands at, the first few by name. */
static void regions_with(const eprof__page *page, int32_t flag)
{
    eprof__out *o = page->o;
    int32_t n = 0;
    for (int32_t i = 0; i < page->n_results; i++) {
        const eprof_result *x = &page->results[i];
        uint32_t flags = x->flags;
        for (int32_t k = 0; k < x->n_energies; k++) flags |= x->energy[k].flags;
        if (!(flags >> flag & 1)) continue;
        if (n < 4) {
            eprof__out_text(o, n == 0 ? " <span class=\"soft\">At: " : ", ");
            eprof__out_html(o, x->id == 0 ? "the whole run" : eprof__is_idle(x) ? "idle" : x->name);
        }
        n++;
    }
    if (n > 4) eprof__out_format(o, " and %d more", (int)(n - 4));
    if (n > 0) eprof__out_text(o, ".</span>");
}

static void flags_list(const eprof__page *page)
{
    eprof__out *o = page->o;
    uint32_t flags = 0;
    for (int32_t i = 0; i < page->n_results; i++) {
        flags |= page->results[i].flags;
        for (int32_t k = 0; k < page->results[i].n_energies; k++) flags |= page->results[i].energy[k].flags;
    }
    if (flags == 0) {
        eprof__out_text(o, "<p>Nothing was noticed that speaks against these numbers.</p>\n");
        return;
    }
    eprof__out_text(o, "<p>What was noticed:</p><ul>\n");
    for (int32_t i = 0; i < EPROF_N_FLAGS; i++) {
        if (!(flags >> i & 1)) continue;
        eprof__out_format(o, "<li><span class=\"flag\">%s</span> %s", eprof_flag_name(i), eprof__explain_flag(i));
        regions_with(page, i);
        eprof__out_text(o, "</li>\n");
    }
    eprof__out_text(o, "</ul>\n");
}

static void grades_line(const eprof__page *page)
{
    eprof__out *o = page->o;
    uint32_t grades = 0;
    for (int32_t i = 0; i < page->n_results; i++) {
        const eprof_energy *e = eprof__headline(&page->results[i]);
        if (e && e->grade >= 'A' && e->grade <= 'E') grades |= 1u << (e->grade - 'A');
    }
    if (grades == 0) return;
    const char *between = "<p class=\"soft small\">Grades: ";
    for (int32_t i = 0; i < 5; i++) {
        if (!(grades >> i & 1)) continue;
        eprof__out_format(o, "%s<b>%c</b> %s", between, (char)('A' + i), eprof__explain_grade('A' + i));
        between = "; ";
    }
    eprof__out_text(o, ".</p>\n");
}

void eprof__html_provenance(const eprof__page *page)
{
    eprof__out_text(page->o, "<h2>How each number came about</h2>\n");
    if (page->r->n_meters > 0) {
        eprof__out_text(page->o, "<div class=\"cards wider\">\n");
        for (int32_t i = 0; i < page->r->n_meters; i++)
            if (page->r->meters[i].n_channels > 0) meter_card(page, &page->r->meters[i]);
        eprof__out_text(page->o, "</div>\n");
    }
    grades_line(page);
    flags_list(page);
}
