/* SPDX-License-Identifier: MIT
 * advise_cases.c - which questions are asked of which pictures: those of the options, or a file's lines.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/advise_answers.h"

int advise_cases_of_options(const cli_options *o, advise_cases *out)
{
    const uint32_t n_questions = o->question.n ? o->question.n : 1;
    *out = (advise_cases){ .n_pictures = o->image.n };
    out->items = malloc(((size_t)o->image.n * n_questions + 1) * sizeof *out->items);
    if (!out->items) return cli_fail_nomem();
    for (uint32_t i = 0; i < o->image.n; i++)
        for (uint32_t k = 0; k < n_questions; k++)
            out->items[out->n++] = (advise_case){ o->image.items[i],
                                                  o->question.n ? o->question.items[k] : ADVISE_QUESTION, NULL };
    return EXIT_DONE;
}

void advise_cases_free(advise_cases *c)
{
    free(c->items);
    free(c->paths);
    cli_bytes_free(&c->text);
    *c = (advise_cases){ .items = NULL };
}

/* ------------------------------------------------------------------------------------------ lines of a file -- */

static size_t count_lines(const cli_bytes *b)
{
    size_t n = 1;
    for (size_t i = 0; i < b->n; i++) n += b->p[i] == '\n';
    return n;
}

/* Cuts a line at its tabs. */
static bool split(char *line, char *fields[3])
{
    for (int i = 0; i < 3; i++) {
        fields[i] = line;
        line += strcspn(line, "\t");
        if (i < 2 && *line == '\0') return false;
        *line++ = '\0';
    }
    return fields[0][0] && fields[1][0] && fields[2][0];
}

/* The picture's path, as seen from here, behind the others. */
static const char *put_path(const char *folder, size_t n_folder, const char *name, char **at)
{
    char *path = *at;
    const size_t n_name = strlen(name) + 1;
    if (name[0] == '/') n_folder = 0;
    memcpy(path, folder, n_folder);
    memcpy(path + n_folder, name, n_name);
    *at += n_folder + n_name;
    return path;
}

static int read_lines(const char *path, advise_cases *out)
{
    const char *slash = strrchr(path, '/');
    const size_t n_folder = slash ? (size_t)(slash - path) + 1 : 0;
    char *at = out->paths, *line = out->text.p;
    for (size_t number = 1; *line; number++) {
        char *fields[3], *next = line + strcspn(line, "\n");
        if (*next) *next++ = '\0';
        line[strcspn(line, "\r")] = '\0';
        if (line[0] && !split(line, fields))
            return cli_fail(EXIT_USAGE, "a line is a picture, a question and an answer, with tabs between",
                            "%s: line %zu has no three parts", path, number);
        if (line[0]) {
            const char *picture = put_path(path, n_folder, fields[0], &at);
            const bool is_next = out->n > 0 && strcmp(picture, out->items[out->n - 1].picture) == 0;
            out->n_pictures += !is_next;
            out->items[out->n++] = (advise_case){ picture, fields[1], fields[2] };
        }
        line = next;
    }
    if (out->n > 0) return EXIT_DONE;
    return cli_fail(EXIT_USAGE, "a line is a picture, a question and an answer, with tabs between",
                    "%s holds no questions", path);
}

int advise_cases_of_file(const char *path, advise_cases *out)
{
    *out = (advise_cases){ .n = 0 };
    const int code = cli_read_input(path, &out->text);
    if (code) return code;
    const size_t n_lines = count_lines(&out->text), n_path = strlen(path) + 1;
    if (out->text.p && strlen(out->text.p) != out->text.n)
        return cli_fail(EXIT_USAGE, NULL, "%s holds a NUL byte", path);
    out->items = malloc(n_lines * sizeof *out->items);
    out->paths = malloc(n_lines * n_path + out->text.n + 1);
    if (!out->text.p || !out->items || !out->paths) return cli_fail_nomem();
    return read_lines(path, out);
}
