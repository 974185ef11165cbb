/* SPDX-License-Identifier: MIT
 * cmd_tokenize.c - the ids of a text, byte for byte as it was given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/open_model.h"
#include "cli/read_input.h"
#include "cli/commands.h"

static int get_text(const cli_options *o, cli_bytes *out)
{
    if (o->prompt && o->file) return cli_fail(EXIT_USAGE, NULL, "-p and -f exclude each other");
    if (!o->prompt) return cli_read_input(o->file, out);
    return cli_bytes_add(out, o->prompt, strlen(o->prompt)) ? EXIT_DONE : cli_fail_nomem();
}

/* Room for an id a byte is nearly always enough; when it is not, the library says how many there are. */
static einf_status get_ids(const einf_model *m, const cli_bytes *text, uint32_t flags, int32_t **ids, uint64_t *n,
                           einf_error *err)
{
    uint64_t room = text->n + 16;
    for (;;) {
        *n = 0;
        *ids = malloc((size_t)room * sizeof **ids);
        if (!*ids) return EINF_E_NOMEM;
        const einf_status status = einf_tokenize(m, text->p, text->n, flags, *ids, room, n, err);
        if (status != EINF_E_LIMIT || *n <= room) return status;
        free(*ids);
        *ids = NULL;
        room = *n;
    }
}

static int print_ids(const cli_options *o, const int32_t *ids, uint64_t n, uint64_t n_bytes)
{
    if (!o->json) {
        for (uint64_t i = 0; i < n; i++)
            if (printf("%d\n", ids[i]) < 0) break; /* finish_stdout says why */
        return EXIT_DONE;
    }
    cJSON *object = cJSON_CreateObject();
    if (!object) return cli_fail_nomem();
    cli_json_count(object, "n_bytes", n_bytes);
    cli_json_count(object, "n_tokens", n);
    cli_json_ids(object, "ids", ids, (size_t)n);
    return cli_print_json(object);
}

static int tokenize(cli_engine *e, const cli_bytes *text)
{
    const cli_options *o = e->options;
    einf_error err = EINF_INIT(einf_error);
    if (cli_engine_open(e, o->model, EINF_LOAD_HEADER | EINF_LOAD_VOCAB, false, &err) != EINF_OK)
        return cli_print_error(&err, o->model);
    const uint32_t flags = (o->special ? (uint32_t)EINF_TOK_SPECIAL : 0u) | (o->bos ? (uint32_t)EINF_TOK_BOS : 0u);
    int32_t *ids;
    uint64_t n;
    const einf_status status = get_ids(e->m, text, flags, &ids, &n, &err);
    int code = EXIT_DONE;
    if (status == EINF_OK) code = print_ids(o, ids, n, text->n);
    else code = ids ? cli_print_error(&err, NULL) : cli_fail_nomem();
    free(ids);
    return code;
}

int cli_tokenize(const cli_options *o)
{
    cli_engine engine;
    cli_bytes text = { NULL, 0, 0 };
    int code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) code = get_text(o, &text);
    if (code == EXIT_DONE) code = tokenize(&engine, &text);
    cli_engine_stop(&engine);
    cli_bytes_free(&text);
    return code;
}
