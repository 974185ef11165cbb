/* SPDX-License-Identifier: MIT
 * calibration.c - reads the lines of a calibration file: each is whole and in range, or the file is refused.
 *
 * A file with one bad line is not used at all: which board the bad line meant cannot be known.
 * Layout: docs/MEASURING.md; the terms of the fit: profiling.md 2.2, pitfall (a), and 3.9.
 */
#include "profiler/sources/calibration.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 256, MAX_FILE = 1 << 18 };

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static char *skip_blanks(char *p)
{
    while (is_blank(*p)) p++;
    return p;
}

/* The next word, cut off; *rest is behind it. */
static char *next_word(char **rest)
{
    char *word = skip_blanks(*rest), *end = word;
    while (*end && !is_blank(*end)) end++;
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

/* What is left, without blanks at both ends. */
static char *last_words(char *rest)
{
    char *words = skip_blanks(rest);
    size_t n = strlen(words);
    while (n > 0 && is_blank(words[n - 1])) n--;
    words[n] = '\0';
    return words;
}

static bool read_number(const char *word, double least, double most, double *out)
{
    const char *end = eprof__parse_double(word, out);
    return end && !*end && *out >= least && *out <= most;
}

static void copy(char *to, size_t n_bytes, const char *from)
{
    const size_t n = strnlen(from, n_bytes - 1);
    memcpy(to, from, n);
    to[n] = '\0';
}

/* One line, which is cut up: 1 if it is the board's, 0 if it is another's or a remark, -EBADMSG. */
static int parse_line(char *line, const char *serial, eprof__calibration *out)
{
    eprof__calibration c = { .gain = 0 };
    char *rest = line;
    const char *board = next_word(&rest);
    if (!*board || *board == '#') return 0;
    if (!read_number(next_word(&rest), 0.2, 5, &c.gain) || !read_number(next_word(&rest), -20, 20, &c.offset_w) ||
        !read_number(next_word(&rest), 1e-3, 100, &c.u95))
        return -EBADMSG;
    const char *date = next_word(&rest), *meter = last_words(rest);
    if (!*date || !*meter) return -EBADMSG;
    if (strcmp(board, serial) != 0) return 0;
    c.u95 /= 100;
    copy(c.date, sizeof c.date, date);
    copy(c.meter, sizeof c.meter, meter);
    *out = c;
    return 1;
}

int eprof__calibration_parse(const char *text, uint64_t n_bytes, const char *serial, eprof__calibration *out,
                             int32_t *line)
{
    int found = 0;
    const char *p = text, *end = text + n_bytes;
    for (*line = 1; p < end; ++*line) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const size_t n = (size_t)((newline ? newline : end) - p);
        char copied[MAX_LINE];
        if (n >= sizeof copied || memchr(p, '\0', n)) return -EBADMSG;
        memcpy(copied, p, n);
        copied[n] = '\0';
        const int status = parse_line(copied, serial, out);
        if (status < 0) return status;
        if (status > 0) found = 1;
        p += n + 1;
    }
    return found;
}

int eprof__calibration_find(const eprof_io *io, const char *path, const char *serial, eprof__calibration *out,
                            int32_t *line)
{
    *line = 0;
    char *text = malloc(MAX_FILE);
    if (!text) return -ENOMEM;
    const int64_t n = eprof__read_text(io, path, text, MAX_FILE);
    const int status = n < 0 ? (int)n : eprof__calibration_parse(text, (uint64_t)n, serial, out, line);
    free(text);
    return status;
}

double eprof__calibration_accuracy(const eprof__calibration *c) { return c->u95 * sqrt(3) / 2; }
