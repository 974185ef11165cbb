/* SPDX-License-Identifier: MIT
 * id_list.c - splitting, checking, and saying which word was wrong.
 */
#include "cli/id_list.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/numbers.h"
#include "cli/output.h"

static const char separators[] = ", \t\r\n";

/* The next word of *at, which moves behind it; cut to 31 characters. False at the end of the text. */
static bool next_word(const char **at, char word[32])
{
    *at += strspn(*at, separators);
    const size_t n = strcspn(*at, separators);
    if (n == 0) return false;
    snprintf(word, 32, "%.*s", n < 31 ? (int)n : 31, *at);
    *at += n;
    return true;
}

/* Room for every word of a text: each takes a character and a separator. */
static int make_room(const char *text, cli_id_list *out)
{
    out->n = 0;
    out->items = malloc((strlen(text) / 2 + 1) * sizeof *out->items);
    return out->items ? EXIT_DONE : cli_fail_nomem();
}

static int parse_ids(const char *text, cli_id_list *out)
{
    char word[32];
    int code = make_room(text, out);
    while (code == EXIT_DONE && next_word(&text, word)) {
        uint64_t id;
        if (!cli_parse_u64(word, &id) || id > INT_MAX)
            return cli_fail(EXIT_USAGE, NULL, "token id %zu is \"%s\", expected a whole number from 0 to %d", out->n,
                            word, INT_MAX);
        out->items[out->n++] = (int32_t)id;
    }
    if (code == EXIT_DONE && out->n == 0) return cli_fail(EXIT_USAGE, NULL, "the list of token ids is empty");
    return code;
}

int cli_read_ids(const char *option, cli_id_list *out)
{
    cli_bytes text = { NULL, 0, 0 };
    *out = (cli_id_list){ NULL, 0 };
    if (option[0] != '@') return parse_ids(option, out);
    int code = cli_read_input(option + 1, &text);
    if (code == EXIT_DONE && memchr(text.p, '\0', text.n))
        code = cli_fail(EXIT_USAGE, NULL, "%s holds a NUL byte; expected token ids as text", option + 1);
    if (code == EXIT_DONE) code = parse_ids(text.p, out);
    cli_bytes_free(&text);
    return code;
}

static int all_rows(size_t n, cli_id_list *out)
{
    out->items = malloc(n * sizeof *out->items);
    if (!out->items) return cli_fail_nomem();
    for (size_t i = 0; i < n; i++) out->items[i] = (int32_t)i;
    out->n = n;
    return EXIT_DONE;
}

int cli_read_rows(const char *option, size_t n, cli_id_list *out)
{
    char word[32];
    *out = (cli_id_list){ NULL, 0 };
    if (!option) return all_rows(n, out);
    int code = make_room(option, out);
    while (code == EXIT_DONE && next_word(&option, word)) {
        int64_t row;
        if (!cli_parse_i64(word, &row) || row >= (int64_t)n || row < -(int64_t)n)
            return cli_fail(EXIT_USAGE, NULL, "row \"%s\" is none of %zu: expected 0 to %zu, or -%zu to -1", word, n,
                            n - 1, n);
        if (row < 0) row += (int64_t)n;
        if (out->n > 0 && row < out->items[out->n - 1])
            return cli_fail(EXIT_USAGE, "name the rows in ascending order", "row %lld stands behind row %d",
                            (long long)row, out->items[out->n - 1]);
        out->items[out->n++] = (int32_t)row;
    }
    if (code == EXIT_DONE && out->n == 0) return cli_fail(EXIT_USAGE, NULL, "the list of rows is empty");
    return code;
}

/* Room for an id a byte is nearly always enough; when it is not, the library says how many there are. */
einf_status cli_ids_of_text(const einf_model *m, const cli_bytes *text, uint32_t flags, cli_id_list *out,
                            einf_error *err)
{
    uint64_t room = text->n + 16;
    for (;;) {
        uint64_t n = 0;
        free(out->items);
        out->items = room <= SIZE_MAX / sizeof *out->items ? malloc((size_t)room * sizeof *out->items) : NULL;
        if (!out->items) {
            *err = (einf_error){ .code = EINF_E_NOMEM, .offset = EINF_NO_OFFSET };
            return EINF_E_NOMEM;
        }
        einf_error attempt = EINF_INIT(einf_error);
        const einf_status status = einf_tokenize(m, text->p, text->n, flags, out->items, room, &n, &attempt);
        if (status == EINF_E_LIMIT && n > room) {
            room = n;
            continue;
        }
        *err = attempt;
        out->n = status == EINF_OK ? (size_t)n : 0;
        return status;
    }
}

void cli_id_list_free(cli_id_list *list)
{
    free(list->items);
    *list = (cli_id_list){ NULL, 0 };
}
