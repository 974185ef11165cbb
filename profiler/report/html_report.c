/* SPDX-License-Identifier: MIT
 * html_report.c - the page: one file without scripts, fonts or pictures of others, that says what a run cost and how
 * that is known.
 *
 * Everything that comes from a record (names, notes, sources) goes through eprof__out_html.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/method/analyse.h"
#include "profiler/report/html_parts.h"
#include "profiler/report/number_text.h"

bool eprof__is_idle(const eprof_result *region) { return region->id != 0 && strcmp(region->name, "(idle)") == 0; }

const eprof_energy *eprof__headline(const eprof_result *region)
{
    return region->n_energies > 0 ? &region->energy[0] : NULL;
}

/* Days since 1970 as a date (Howard Hinnant's civil_from_days). */
static void date_of(int64_t days, int *year, int *month, int *day)
{
    const int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

/* When the run began, by the other clock; nothing where that was not read. */
static void begin_time(const eprof__page *page)
{
    const int32_t channel = eprof__find_channel(page->r, EPROF__REALTIME);
    if (channel < 0 || page->r->samples[channel].n == 0) return;
    const eprof__sample *x = eprof__sample_at(&page->r->samples[channel], 0);
    const double t =
        (double)x->raw * page->r->channels[channel].scale - (double)(x->t_ns - page->r->facts.start_ns) / 1e9;
    if (!(t > 0 && t < 4e9)) return;
    const int64_t s = (int64_t)t;
    int year, month, day;
    date_of(s / 86400, &year, &month, &day);
    eprof__out_format(page->o, "%04d-%02d-%02d %02d:%02d UTC · ", year, month, day, (int)(s / 3600 % 24),
                      (int)(s / 60 % 60));
}

static void fact(eprof__out *o, const char *before, const char *text)
{
    if (!*text) return;
    eprof__out_text(o, before);
    eprof__out_html(o, text);
}

/* The work: the one region of the first level, else the run. */
static const eprof_result *subject_of(const eprof__page *page)
{
    const eprof_result *only = NULL;
    for (int32_t i = 1; i < page->n_results; i++) {
        const eprof_result *x = &page->results[i];
        if (x->parent != 0 || eprof__is_idle(x)) continue;
        if (only) return &page->results[0];
        only = x;
    }
    return only ? only : &page->results[0];
}

static void heading(const eprof__page *page)
{
    eprof__out *o = page->o;
    const eprof__facts *f = &page->r->facts;
    const eprof_result *x = subject_of(page);
    eprof__number number;
    eprof__out_text(o, "<h1>What ");
    eprof__out_html(o, x->id == 0 ? "the run" : x->name);
    eprof__out_text(o, " cost</h1>\n<p class=\"soft\">");
    begin_time(page);
    fact(o, "", *f->machine ? f->machine : f->host);
    fact(o, " · ", f->cpu);
    if (f->n_cpus > 0) eprof__out_format(o, " · %d core%s", (int)f->n_cpus, f->n_cpus == 1 ? "" : "s");
    if (isfinite(f->ram_total_mib)) eprof__out_format(o, " · %s", eprof__format_mib(&number, f->ram_total_mib));
    fact(o, " · ", f->kernel);
    if (f->sample_hz > 0) eprof__out_format(o, " · sampled at %s Hz", eprof__format_double(&number, f->sample_hz, 4));
    fact(o, " · edgeprof ", f->version);
    eprof__out_text(o, "</p>\n");
}

static void card(eprof__out *o, const char *name, const char *big, const char *soft)
{
    if (!*big) return;
    eprof__out_format(o, "<div class=\"card\"><div class=\"name\">%s</div><div class=\"big\">", name);
    eprof__out_html(o, big);
    eprof__out_text(o, "</div><div class=\"soft small\">");
    eprof__out_html(o, soft);
    eprof__out_text(o, "</div></div>\n");
}

static void energy_card(eprof__out *o, const eprof_energy *e)
{
    char soft[160];
    eprof__number big, gross, wh;
    if (!e) return;
    eprof__format_si(&gross, e->gross_j, "J");
    if (isfinite(e->net_j)) {
        eprof__format_pm(&wh, e->net_j / 3600, 2 * e->u_net_j / 3600, "Wh");
        (void)snprintf(soft, sizeof soft, "%s; gross %s; %.40s, grade %c", wh.text, gross.text, e->source,
                       e->grade ? (char)e->grade : '-');
        card(o, "net energy", eprof__format_pm(&big, e->net_j, 2 * e->u_net_j, "J"), soft);
        return;
    }
    eprof__format_si(&wh, e->gross_j / 3600, "Wh");
    (void)snprintf(soft, sizeof soft, "%s, idle power included; %.40s", wh.text, e->source);
    card(o, "gross energy", eprof__format_pm(&big, e->gross_j, 2 * e->u_gross_j, "J"), soft);
}

static void cards(const eprof__page *page)
{
    const eprof_result *x = subject_of(page);
    eprof__out *o = page->o;
    eprof__number big, part;
    char soft[160] = "";
    eprof__out_text(o, "<div class=\"cards\">\n");
    energy_card(o, eprof__headline(x));
    if (x->id != 0)
        (void)snprintf(soft, sizeof soft, "of %s sampled", eprof__format_seconds(&part, page->results[0].elapsed_s));
    card(o, "elapsed", eprof__format_seconds(&big, x->elapsed_s), soft);
    soft[0] = '\0';
    if (isfinite(x->cpu.auc_exact_pct_s))
        (void)snprintf(soft, sizeof soft, "AUC %s %%·s, exact", eprof__format_plain(&part, x->cpu.auc_exact_pct_s));
    if (isfinite(x->cpu.own_core_s)) {
        eprof__format_plain(&big, x->cpu.own_core_s);
        const size_t n = strlen(big.text);
        (void)snprintf(big.text + n, sizeof big.text - n, " core·s");
        card(o, "CPU time", big.text, soft);
    }
    soft[0] = '\0';
    if (isfinite(x->ram.file_peak_mib))
        (void)snprintf(soft, sizeof soft, "and %s of mapped files", eprof__format_mib(&part, x->ram.file_peak_mib));
    card(o, "memory, peak", eprof__format_mib(&big, x->ram.anon_peak_mib), soft);
    eprof__out_text(o, "</div>\n");
}

static void head(eprof__out *o)
{
    eprof__out_text(
        o, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>edgeprof report</title>\n");
    eprof__html_style(o);
    eprof__out_text(o, "</head>\n<body>\n");
}

static eprof_status body(const eprof__page *page, eprof_error *err)
{
    heading(page);
    cards(page);
    const eprof_status status = eprof__html_figure(page, err);
    if (status != EPROF_OK) return status;
    eprof__html_regions(page);
    eprof__html_sources_of_regions(page);
    eprof__html_budgets(page);
    eprof__html_provenance(page);
    eprof__out_text(page->o, "<div class=\"cards wider\">\n");
    eprof__html_audit(page);
    eprof__html_overhead(page);
    eprof__out_text(page->o, "</div>\n");
    eprof__html_sources(page);
    return EPROF_OK;
}

eprof_status eprof__write_html(const eprof *p, eprof__out *o, eprof_error *err)
{
    eprof_result *results;
    int32_t n;
    eprof_status status = eprof__results_of(p, &results, &n, err);
    if (status != EPROF_OK) return status;
    const eprof__page page = { o, p, eprof__record_of(p), results, n };
    head(o);
    status = body(&page, err);
    eprof__out_text(o, "</body>\n</html>\n");
    free(results);
    return status;
}
