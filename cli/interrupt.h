/* SPDX-License-Identifier: MIT
 * interrupt.h - Ctrl-C and its like: the first asks the engine to stop, the second ends the process; in a
 * conversation each stops one answer.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdbool.h>

#include <edgeinfer/edgeinfer.h>

/** Make a cancel flag and connect SIGINT, SIGTERM and SIGHUP to it; ignore SIGPIPE. Once, at the start; the flag lives
 *  as long as the process. NULL: out of memory. */
einf_cancel *cli_interrupt_install(void);
/** A signal has come. */
bool cli_interrupted(void);
/** From now on Ctrl-C asks every time, instead of ending the process the second time. */
void cli_interrupt_keep(void);
/** Forget a Ctrl-C and clear the flag, for the next piece of work. SIGTERM and SIGHUP are not forgotten. */
void cli_interrupt_forget(void);
/** SIGTERM or SIGHUP has come. */
bool cli_must_end(void);

#endif
