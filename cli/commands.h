/* SPDX-License-Identifier: MIT
 * commands.h - what each verb does; every function returns the exit code, after a message if it is not 0.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/options.h"

int cli_run(const cli_options *o);
int cli_chat(const cli_options *o);
int cli_inspect(const cli_options *o);
int cli_validate(const cli_options *o);
int cli_plan(const cli_options *o);
int cli_tokenize(const cli_options *o);
int cli_logits(const cli_options *o);
int cli_perplexity(const cli_options *o);
int cli_doctor(const cli_options *o);
int cli_advise_image(const cli_options *o);
int cli_preprocess(const cli_options *o);
int cli_encode(const cli_options *o);

#endif
