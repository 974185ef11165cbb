/* SPDX-License-Identifier: MIT
 * line_input.h - lines that a person types at a terminal: editing, history, and what Ctrl-C and Ctrl-D mean.
 *
 * The one place that knows libedit. Lines are UTF-8, whatever the locale says.
 */
#ifndef CLI_LINE_INPUT_H
#define CLI_LINE_INPUT_H

#include "cli/read_input.h"

typedef struct cli_line_input cli_line_input;

typedef enum cli_line_end {
    CLI_LINE,        /* a line */
    CLI_LINE_CLEARED, /* Ctrl-C, or another signal: look at cli_must_end() */
    CLI_LINE_CLOSED  /* Ctrl-D on an empty line, or the terminal is gone */
} cli_line_end;

/** stdin must be a terminal. NULL: out of memory, or libedit cannot use the terminal. */
cli_line_input *cli_line_input_open(void);
void cli_line_input_close(cli_line_input **l);
/** Show the prompt and read a line into *out, which is emptied first, without its line end. */
cli_line_end cli_line_input_read(cli_line_input *l, const char *prompt, cli_bytes *out);
/** Make a line the last of the history; line ends in it are kept. */
void cli_line_input_remember(cli_line_input *l, const char *line);

#endif
