/* SPDX-License-Identifier: MIT
 * answer.h - what run and chat share: from options to what the library is asked, from its result to JSON.
 */
#ifndef CLI_ANSWER_H
#define CLI_ANSWER_H

#include "cli/pictures.h"
#include "cli/read_input.h"

/** The generation that the options ask for, with cancel flag and progress; the caller adds on_text. */
einf_generate_config cli_generate_config(cli_engine *e);

/* How the options want conversations laid out, and the texts that config points to. */
typedef struct cli_layout {
    einf_chat_config config;
    cli_bytes tools, template_text, vars;
    bool is_default;          /* no option says anything */
    einf_preprocess preprocess;
} cli_layout;
/** Read and check --tools, --template and --var. EXIT_DONE, or another exit code after a message. Free it in any
 *  case. */
int cli_layout_read(const cli_options *o, cli_layout *out);
/** Pictures of its messages go to the encoder that is open, if there is one. The layout must stay where it is. */
void cli_layout_see(cli_layout *l, const cli_engine *e);
void cli_layout_free(cli_layout *l);

/** "eos", "length", ... */
const char *cli_stop_name(const einf_result *r, einf_status status);
/** A limit of the options ended the answer: EXIT_BUDGET. */
bool cli_budget_reached(const einf_result *r);
/** "--max-seconds is reached", or of the other. */
const char *cli_budget_name(const einf_result *r);
/** Tokens a second, decoding alone; 0 when there is nothing to measure. */
double cli_decode_rate(const einf_result *r);
double cli_prefill_rate(const einf_result *r);
/** A line on stderr, if there were any. */
void cli_print_images(const einf_result *r);
/** n_prompt, n_cached, n_generated, stop_reason, elapsed_s and cost. load_s below 0: not part of it. */
void cli_json_result(cJSON *o, const einf_result *r, einf_status status, double load_s, double total_s);

#endif
