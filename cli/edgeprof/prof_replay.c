/* SPDX-License-Identifier: MIT
 * prof_replay.c - edgeprof replay and report: a log, and the numbers and the page it gives.
 */
#include <stdio.h>

#include "cli/edgeprof/prof_options.h"
#include "cli/edgeprof/prof_output.h"

static int open_log(const prof_options *o, eprof **p)
{
    eprof_error err = EPROF_INIT(eprof_error);
    const eprof_status status = eprof_replay(o->log, p, &err);
    if (status == EPROF_OK) return PROF_DONE;
    return prof_print_error(status == EPROF_E_FORMAT ? PROF_BAD_LOG : PROF_FAILED, &err);
}

static void print_regions(const eprof *p)
{
    eprof_result r = EPROF_INIT(eprof_result);
    for (int32_t i = 0; eprof_result_of(p, i, &r, NULL) == EPROF_OK; i++) {
        printf("%s%s\n", i > 0 ? "\n" : "", i == 0 ? "the whole run" : r.name);
        prof_print_cost(stdout, &r);
        for (int32_t k = 0; k < r.n_notes; k++) printf("  %-9s %.9g\n", r.notes[k].key, r.notes[k].value);
    }
}

int prof_replay(const prof_options *o)
{
    eprof *p = NULL;
    if (o->json && o->csv) return prof_fail(PROF_USAGE, NULL, "--json and --csv exclude each other");
    int code = open_log(o, &p);
    if (code == PROF_DONE && (o->json || o->csv))
        code = prof_write_report(p, o->json ? EPROF_JSON : EPROF_CSV, "-", PROF_FAILED);
    else if (code == PROF_DONE)
        print_regions(p);
    eprof_destroy(&p);
    return code;
}

int prof_report(const prof_options *o)
{
    eprof *p = NULL;
    if (!o->output) return prof_fail(PROF_USAGE, "as in edgeprof report LOG -o report.html", "report needs -o FILE");
    int code = open_log(o, &p);
    if (code == PROF_DONE) code = prof_write_report(p, EPROF_HTML, o->output, PROF_FAILED);
    eprof_destroy(&p);
    return code;
}
