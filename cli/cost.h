/* SPDX-License-Identifier: MIT
 * cost.h - the profiler that --cost and its kin ask for, and what it says of an answer.
 */
#ifndef CLI_COST_H
#define CLI_COST_H

#include <edgeinfer/edgeinfer.h>
#include <edgeprof/edgeprof.h>

#include "cli/options.h"
#include "cli/output.h"

/** A started profiler when an option asks for one, NULL otherwise. EXIT_DONE, or another exit code after a message. */
int cli_profiler_open(const cli_options *o, eprof **out);
/** Stop it and finish its log. Returns code, or the code of what went wrong here. */
int cli_profiler_close(const cli_options *o, eprof **p, int code);

/** Watch the idle machine for --baseline, if it was asked for. Seconds that it took. */
double cli_watch_idle(const cli_options *o, eprof *p);

/** Let the machine rest a little, stop, and put into the result what the last answer cost with all samples and with the
 *  idle time behind it: more than einf_generate could know when it returned. */
void cli_cost_settle(const cli_options *o, eprof *p, einf_result *r);

/** The same for the last region of that name, which is no generation; NAN throughout without a profiler. */
void cli_cost_of_region(const cli_options *o, eprof *p, const char *name, einf_result *out);

/** What the profiler measured, into "cost"; what was not measured is not there. */
void cli_json_cost(cJSON *cost, const einf_result *r);
/** The same for a person, on stderr. n_tokens: generated. */
void cli_print_cost(const einf_result *r);

#endif
