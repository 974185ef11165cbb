/* SPDX-License-Identifier: MIT
 * prof_child.h - a command as a child that waits at the start until it is told to go.
 *
 * It is made before the profiler, so that the profiler can be told its number and threads never are forked. Signals
 * that are sent to us while it runs are sent on to it; those of the terminal reach it by themselves.
 */
#ifndef CLI_EDGEPROF_PROF_CHILD_H
#define CLI_EDGEPROF_PROF_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct prof_child {
    pid_t pid;
    int go_fd;               /* a byte lets it go; closing it ends it */
    int failure_fd;          /* gives errno when the command could not be run, its end when it could */
    int exec_errno;          /* 0: it runs */
} prof_child;

/* What the kernel knows of a command that has ended. */
typedef struct prof_end {
    int exit_code;           /* 0..255, 128 + N when signal N ended it */
    double cpu_core_s;       /* of it and of all descendants that were waited for */
    double rss_peak_mib;     /* of the largest of them */
} prof_end;

/** Fork. to_stderr: the command's stdout goes there. False: errno says why. */
bool prof_child_start(prof_child *c, char **command, bool to_stderr);
/** Let it go, and learn whether the command could be run: c->exec_errno. */
void prof_child_go(prof_child *c);
/** Wait until it has ended, and leave it there to be looked at. */
void prof_child_await(const prof_child *c);
/** Take it away. */
prof_end prof_child_reap(prof_child *c);
/** End a child that never was let go. */
void prof_child_drop(prof_child *c);

#endif
