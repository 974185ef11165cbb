/* SPDX-License-Identifier: MIT
 * line_input.c - libedit, reading through a function of ours: it would start a read again that a signal has ended,
 * and Ctrl-C must clear the line.
 */
#include "cli/line_input.h"

#include <errno.h>
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/interrupt.h"

enum { HISTORY_LINES = 500 };

struct cli_line_input {
    EditLine *edit;
    History *history;
    const char *prompt;
    bool interrupted;
};

static cli_line_input *owner(EditLine *edit)
{
    void *data = NULL;
    el_get(edit, EL_CLIENTDATA, &data);
    return data;
}

static char *prompt_of(EditLine *edit) { return (char *)(uintptr_t)owner(edit)->prompt; /* libedit reads it alone */ }

/* One character for libedit: 1, 0 at the end of the input, -1 when a signal came. Bytes that are no UTF-8 are left
 * out. */
static int read_character(EditLine *edit, wchar_t *out)
{
    mbstate_t state;
    memset(&state, 0, sizeof state);
    for (;;) {
        char c;
        const ssize_t n = read(STDIN_FILENO, &c, 1);
        if (cli_interrupted()) {
            owner(edit)->interrupted = true;
            return -1;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0;
        const size_t used = mbrtowc(out, &c, 1, &state);
        if (used <= 1) return 1;
        if (used == (size_t)-1) memset(&state, 0, sizeof state);
    }
}

/* Characters are decoded by the locale; where that is none of UTF-8, by the one that every libc has. */
static void use_utf8(void)
{
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
}

cli_line_input *cli_line_input_open(void)
{
    HistEvent event;
    cli_line_input *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    use_utf8();
    FILE *screen = isatty(STDERR_FILENO) ? stderr : stdout; /* stdout may be a file that gets the answers */
    l->history = history_init();
    l->edit = el_init("edgeinfer", stdin, screen, screen);
    if (!l->history || !l->edit) {
        cli_line_input_close(&l);
        return NULL;
    }
    history(l->history, &event, H_SETSIZE, HISTORY_LINES);
    history(l->history, &event, H_SETUNIQUE, 1);
    el_set(l->edit, EL_CLIENTDATA, l);
    el_set(l->edit, EL_PROMPT, prompt_of);
    el_set(l->edit, EL_EDITOR, "emacs");
    el_set(l->edit, EL_HIST, history, l->history);
    el_set(l->edit, EL_SIGNAL, 1); /* resizing and suspending; ours are called as well */
    el_source(l->edit, NULL);      /* what the person has in .editrc */
    el_set(l->edit, EL_GETCFN, read_character);
    return l;
}

void cli_line_input_close(cli_line_input **l)
{
    if (!*l) return;
    if ((*l)->edit) el_end((*l)->edit);
    if ((*l)->history) history_end((*l)->history);
    free(*l);
    *l = NULL;
}

cli_line_end cli_line_input_read(cli_line_input *l, const char *prompt, cli_bytes *out)
{
    int n = 0;
    out->n = 0;
    l->prompt = prompt;
    l->interrupted = false;
    const char *line = el_gets(l->edit, &n);
    if (l->interrupted) {
        fputs("^C\n", stderr);
        el_set(l->edit, EL_UNBUFFERED, 0);
        return CLI_LINE_CLEARED;
    }
    if (!line || n <= 0) return CLI_LINE_CLOSED;
    size_t length = (size_t)n;
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) length--;
    return cli_bytes_add(out, line, length) ? CLI_LINE : CLI_LINE_CLOSED;
}

void cli_line_input_remember(cli_line_input *l, const char *line)
{
    HistEvent event;
    history(l->history, &event, H_ENTER, line);
}
