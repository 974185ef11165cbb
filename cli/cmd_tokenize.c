/* SPDX-License-Identifier: MIT
 * cmd_tokenize.c - the ids of a text, byte for byte as it was given.
 */
#include <stdio.h>
#include <string.h>

#include "cli/id_list.h"
#include "cli/open_model.h"
#include "cli/read_input.h"
#include "cli/commands.h"

static int get_text(const cli_options *o, cli_bytes *out)
{
    if (o->prompt && o->file) return cli_fail(EXIT_USAGE, NULL, "-p and -f exclude each other");
    if (!o->prompt) return cli_read_input(o->file, out);
    return cli_bytes_add(out, o->prompt, strlen(o->prompt)) ? EXIT_DONE : cli_fail_nomem();
}

static int print_ids(const cli_options *o, const cli_id_list *ids, uint64_t n_bytes)
{
    if (!o->json) {
        for (size_t i = 0; i < ids->n; i++)
            if (printf("%d\n", ids->items[i]) < 0) break; /* finish_stdout says why */
        return EXIT_DONE;
    }
    cJSON *object = cJSON_CreateObject();
    if (!object) return cli_fail_nomem();
    cli_json_count(object, "n_bytes", n_bytes);
    cli_json_count(object, "n_tokens", ids->n);
    cli_json_ids(object, "ids", ids->items, ids->n);
    return cli_print_json(object);
}

static int tokenize(cli_engine *e, const cli_bytes *text)
{
    const cli_options *o = e->options;
    einf_error err = EINF_INIT(einf_error);
    if (cli_engine_open(e, o->model, EINF_LOAD_HEADER | EINF_LOAD_VOCAB, false, &err) != EINF_OK)
        return cli_print_error(&err, o->model);
    const uint32_t flags = (o->special ? (uint32_t)EINF_TOK_SPECIAL : 0u) | (o->bos ? (uint32_t)EINF_TOK_BOS : 0u);
    cli_id_list ids = { NULL, 0 };
    int code;
    if (cli_ids_of_text(e->m, text, flags, &ids, &err) == EINF_OK) code = print_ids(o, &ids, text->n);
    else code = cli_print_error(&err, NULL);
    cli_id_list_free(&ids);
    return code;
}

int cli_tokenize(const cli_options *o)
{
    cli_engine engine;
    cli_bytes text = { NULL, 0, 0 };
    int code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) code = get_text(o, &text);
    if (code == EXIT_DONE) code = tokenize(&engine, &text);
    code = cli_engine_stop(&engine, code);
    cli_bytes_free(&text);
    return code;
}
