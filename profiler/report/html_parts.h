/* SPDX-License-Identifier: MIT
 * html_parts.h - the parts of the page: style sheet, figure, tables.
 */
#ifndef EPROF_REPORT_HTML_PARTS_H
#define EPROF_REPORT_HTML_PARTS_H

#include "profiler/report/report.h"

/* What every part is made from. */
typedef struct eprof__page {
    eprof__out *o;
    const eprof *p;
    const eprof__record *r;
    const eprof_result *results; /* the run first */
    int32_t n_results;
} eprof__page;

void eprof__html_style(eprof__out *o);                                     /* html_style.c */
eprof_status eprof__html_figure(const eprof__page *page, eprof_error *err); /* html_figure.c */

/* html_tables.c */
void eprof__html_regions(const eprof__page *page);
void eprof__html_sources_of_regions(const eprof__page *page);
void eprof__html_audit(const eprof__page *page);
void eprof__html_overhead(const eprof__page *page);
void eprof__html_sources(const eprof__page *page);

/* html_trust.c: how far the numbers can be trusted, and why */
void eprof__html_budgets(const eprof__page *page);
void eprof__html_provenance(const eprof__page *page);

/** What eprof_baseline records is a region of this name. */
bool eprof__is_idle(const eprof_result *region);
/** The headline of a result; NULL: no source measured. */
const eprof_energy *eprof__headline(const eprof_result *region);

#endif
