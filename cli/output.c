/* SPDX-License-Identifier: MIT
 * output.c - errors, JSON, progress and the end of stdout.
 *
 * SIGPIPE is ignored (interrupt.c), so that a closed pipe shows as a failed write and temporary files are removed.
 */
#include "cli/output.h"

#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int cli_exit_of(einf_status status)
{
    switch (status) {
    case EINF_OK: return EXIT_DONE;
    case EINF_E_ARG: return EXIT_USAGE;
    case EINF_E_FORMAT:
    case EINF_E_UNSUPPORTED:
    case EINF_E_TEMPLATE: return EXIT_BAD_FILE;
    case EINF_E_NOMEM:
    case EINF_E_LIMIT:
    case EINF_E_CTX_FULL: return EXIT_NO_FIT;
    case EINF_E_CANCELLED: return EXIT_CANCELLED;
    default: return EXIT_FAILED;
    }
}

int cli_print_error(const einf_error *err, const char *path)
{
    const bool has_offset = err->offset != EINF_NO_OFFSET;
    fprintf(stderr, "edgeinfer: %s%s%s\n", path ? path : "", path ? ": " : "",
            err->message[0] ? err->message : einf_status_text(err->code));
    if (err->where[0] || has_offset) {
        fprintf(stderr, "  where: %s", err->where);
        if (has_offset) fprintf(stderr, "%sbyte %llu", err->where[0] ? ", " : "", (unsigned long long)err->offset);
        fputc('\n', stderr);
    }
    if (err->hint[0]) fprintf(stderr, "  hint: %s\n", err->hint);
    return cli_exit_of(err->code);
}

int cli_fail(int code, const char *hint, const char *format, ...)
{
    va_list args;
    fputs("edgeinfer: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (hint) fprintf(stderr, "  hint: %s\n", hint);
    return code;
}

int cli_fail_nomem(void) { return cli_fail(EXIT_NO_FIT, NULL, "out of memory"); }

/* -------------------------------------------------------------------------------------------------- JSON -- */

int cli_print_json(cJSON *object)
{
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    if (!text) return cli_fail_nomem();
    fputs(text, stdout);
    fputc('\n', stdout);
    cJSON_free(text);
    return EXIT_DONE;
}

void cli_json_seconds(cJSON *object, const char *key, double seconds)
{
    cJSON_AddNumberToObject(object, key, round(seconds * 1e6) / 1e6);
}

void cli_json_mib(cJSON *object, const char *key, uint64_t size_bytes)
{
    cJSON_AddNumberToObject(object, key, round((double)size_bytes / 1024) / 1024);
}

void cli_json_count(cJSON *object, const char *key, uint64_t n) { cJSON_AddNumberToObject(object, key, (double)n); }

/* cJSON's strings end at a NUL; an answer need not. */
void cli_json_text(cJSON *object, const char *key, const char *text, size_t n)
{
    char *json = n < SIZE_MAX / 8 ? malloc(n * 6 + 3) : NULL; /* "\u001f" */
    if (!json) return;
    char *at = json;
    *at++ = '"';
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') *at++ = '\\', *at++ = (char)c;
        else if (c == '\n') *at++ = '\\', *at++ = 'n';
        else if (c < 0x20 || c == 0x7f) at += sprintf(at, "\\u%04x", (unsigned)c);
        else *at++ = (char)c;
    }
    *at++ = '"';
    *at = '\0';
    cJSON_AddRawToObject(object, key, json);
    free(json);
}

/* As text: a node for each of a million ids would take a hundred bytes an id. */
void cli_json_ids(cJSON *object, const char *key, const int32_t *ids, size_t n)
{
    char *text = n < SIZE_MAX / 16 ? malloc(n * 12 + 3) : NULL; /* "-2147483648," */
    if (!text) return;
    char *at = text;
    *at++ = '[';
    for (size_t i = 0; i < n; i++) at += sprintf(at, i ? ",%d" : "%d", ids[i]);
    *at++ = ']';
    *at = '\0';
    cJSON_AddRawToObject(object, key, text);
    free(text);
}

/* ------------------------------------------------------------------------------------------------ stdout -- */

/* The reader of stdout closed its end: it has what it wanted. */
static bool reader_is_gone(void)
{
    struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)) != 0 && (p.revents & POLLNVAL) == 0;
}

int cli_finish_stdout(int code)
{
    const bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (!lost || reader_is_gone()) return code;
    cli_fail(EXIT_FAILED, NULL, "cannot write all of the output to stdout");
    return code == EXIT_DONE ? EXIT_FAILED : code;
}

bool cli_write(const void *bytes, size_t n)
{
    return (n == 0 || fwrite(bytes, 1, n, stdout) == n) && fflush(stdout) == 0;
}

double cli_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---------------------------------------------------------------------------------------------- progress -- */

void cli_progress_init(cli_progress *p, bool quiet)
{
    *p = (cli_progress){ .on = !quiet && isatty(STDERR_FILENO), .keeps_quiet_in_decode = isatty(STDOUT_FILENO) };
}

int32_t cli_progress_step(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    static const char *const names[] = { "loading", "reading the prompt", "answering", "looking at the picture" };
    cli_progress *p = user;
    if (!p->on || phase < 0 || phase > 3 || (phase == EINF_PHASE_DECODE && p->keeps_quiet_in_decode)) return 0;
    const double now_s = cli_now_s();
    if (now_s - p->last_s < 0.1) return 0; /* 10 Hz */
    p->last_s = now_s;
    p->shown = true;
    if (total) fprintf(stderr, "\r%s: %3.0f %%\033[K", names[phase], 100.0 * (double)done / (double)total);
    else fprintf(stderr, "\r%s: %llu\033[K", names[phase], (unsigned long long)done);
    fflush(stderr);
    return 0;
}

void cli_progress_clear(cli_progress *p)
{
    if (p->shown) fputs("\r\033[K", stderr);
    p->shown = false;
}

void cli_log(void *user, int32_t level, const char *line)
{
    const bool verbose = *(const bool *)user;
    if (level >= EINF_LOG_WARNING) fprintf(stderr, "warning: %s\n", line);
    else if (verbose) fprintf(stderr, "%s\n", line);
}
