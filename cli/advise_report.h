/* SPDX-License-Identifier: MIT
 * advise_report.h - everything that advise-image found, as a table with a line of advice, or as JSON.
 */
#ifndef CLI_ADVISE_REPORT_H
#define CLI_ADVISE_REPORT_H

#include "cli/advise_answers.h"
#include "cli/advise_forecast.h"

typedef struct advise_findings {
    cli_engine *engine;
    const char *picture;      /* a path; NULL: a size alone */
    const advise_cases *cases;
    advise_request request;
    uint32_t n_ctx;
    advise_ladder ladder;     /* of the largest picture */
    advise_machine machine;
    advise_forecast forecasts[ADVISE_MAX_SETTINGS]; /* of the ladder's items */
    advise_agreement agreements[ADVISE_MAX_SETTINGS]; /* [n_agreements], 0: nobody asked */
    int n_agreements, smallest; /* index into agreements */
    double tolerance;         /* share */
} advise_findings;

/** The setting that the advice is about. */
const advise_setting *advise_choice(const advise_findings *f);
void advise_print(const advise_findings *f);
/** An exit code. */
int advise_print_json(const advise_findings *f);

#endif
