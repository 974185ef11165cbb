/* SPDX-License-Identifier: MIT
 * prof_terminal.h - a screen of its own that is left as it was found, and keys as they are typed.
 */
#ifndef CLI_EDGEPROF_PROF_TERMINAL_H
#define CLI_EDGEPROF_PROF_TERMINAL_H

#include <stdbool.h>

/** Whether a view can be drawn: stdout is a terminal that moves its cursor. */
bool prof_terminal_is_there(void);
/** Whether it shows UTF-8, by the environment. */
bool prof_terminal_has_utf8(void);
int prof_terminal_columns(void);
/** Signals that end the view are noted from now on; screen: take the terminal's other screen too. */
void prof_terminal_open(bool screen);
/** Sleep; true when q was typed or a signal came. */
bool prof_terminal_wait(double seconds);
void prof_terminal_close(void);

#endif
