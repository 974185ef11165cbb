/* SPDX-License-Identifier: MIT
 * output.h - what the command says and where: the answer on stdout, everything else on stderr, and an exit code.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <edgeinfer/edgeinfer.h>

/* What a script can branch on. */
enum cli_exit {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_BAD_FILE = 3,
    EXIT_NO_FIT = 4,
    EXIT_CANCELLED = 5,
    EXIT_BUDGET = 6
    /* 6: budget reached; no verb has a budget yet */
};

/** The exit code for a status. */
int cli_exit_of(einf_status status);

/** "edgeinfer: MESSAGE", and below it where and hint, as far as there are. Returns the exit code of err->code.
 *  path: of the file it is about, put before the message; may be NULL. */
int cli_print_error(const einf_error *err, const char *path);
/** "edgeinfer: MESSAGE" and, when not NULL, "  hint: HINT". Returns code. */
int cli_fail(int code, const char *hint, const char *format, ...) __attribute__((format(printf, 3, 4)));
int cli_fail_nomem(void);

/** Print an object on one line and delete it. object may be NULL, or incomplete for want of memory: EXIT_FAILED. */
int cli_print_json(cJSON *object);
/** Seconds, to the microsecond, and MiB, to the KiB: what was measured has no more digits. */
void cli_json_seconds(cJSON *object, const char *key, double seconds);
void cli_json_mib(cJSON *object, const char *key, uint64_t size_bytes);
void cli_json_count(cJSON *object, const char *key, uint64_t n);
/** n bytes of UTF-8, NUL characters among them. */
void cli_json_text(cJSON *object, const char *key, const char *text, size_t n);
/** An array of ids. */
void cli_json_ids(cJSON *object, const char *key, const int32_t *ids, size_t n);

/** Flush stdout; the exit code of a verb that so far ended with code. A reader that went away is no failure. */
int cli_finish_stdout(int code);
/** Write now. False when stdout takes no more. */
bool cli_write(const void *bytes, size_t n);

double cli_now_s(void);

/* A line on a terminal that says how far a phase is; silent elsewhere. */
typedef struct cli_progress {
    bool on, shown;
    bool keeps_quiet_in_decode; /* the answer is being written to the same terminal */
    double last_s;
} cli_progress;
void cli_progress_init(cli_progress *p, bool quiet);
/** An einf_progress_fn; user is a cli_progress. */
int32_t cli_progress_step(void *user, int32_t phase, uint64_t done, uint64_t total);
/** Remove the line. */
void cli_progress_clear(cli_progress *p);

/** An einf_log_fn: warnings always, everything when *(const bool *)user. */
void cli_log(void *user, int32_t level, const char *line);

#endif
