/* SPDX-License-Identifier: MIT
 * saved_chat.c - messages by cJSON, the state by the library.
 */
#include "cli/saved_chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/json_message.h"
#include "cli/out_file.h"

/* "NAME.state", malloc'd. */
static char *state_path(const char *path)
{
    const size_t n = strlen(path) + sizeof ".state";
    char *state = malloc(n);
    if (state) snprintf(state, n, "%s.state", path);
    return state;
}

static int write_messages(const cli_conversation *c, const char *path)
{
    cli_out_file file;
    cJSON *o = cJSON_CreateObject(), *list = cli_json_messages(c->chat, &c->pictures);
    char *text = o && list && cJSON_AddItemToObject(o, "messages", list) ? cJSON_PrintUnformatted(o) : NULL;
    cJSON_Delete(o);
    if (!text) return cli_fail_nomem();
    int code = cli_out_open(&file, path);
    if (code == EXIT_DONE) {
        if (!cli_out_write(&file, text, strlen(text)) || !cli_out_write(&file, "\n", 1)) code = EXIT_FAILED;
        if (code) cli_fail(code, NULL, "cannot write all of %s", path);
        code = cli_out_close(&file, code);
    }
    cJSON_free(text);
    return code;
}

int cli_chat_save(const cli_conversation *c, const char *path)
{
    einf_error err = EINF_INIT(einf_error);
    char *state = state_path(path);
    if (!state) return cli_fail_nomem();
    int code = write_messages(c, path);
    if (code == EXIT_DONE && einf_session_save(c->s, state, &err) != EINF_OK) code = cli_print_error(&err, state);
    free(state);
    return code;
}

/* A conversation of the messages in a file. */
static einf_status parse_messages(cli_conversation *c, const cli_bytes *file, einf_chat **out, cli_pictures *pictures,
                                  einf_error *err)
{
    const bool is_text = file->p && strlen(file->p) == file->n && !cli_json_has_nul(file->p);
    cJSON *o = is_text ? cJSON_Parse(file->p) : NULL;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "messages"), *item;
    einf_status status = cJSON_IsArray(list)
                             ? cli_conversation_fresh(c, out, err)
                             : cli_refuse(err, "", "", "not a saved conversation: no {\"messages\": [...]}");
    cJSON_ArrayForEach(item, list)
        if (status == EINF_OK) status = cli_json_add_message(c->engine, *out, item, true, pictures, err);
    cJSON_Delete(o);
    return status;
}

int cli_chat_load(cli_conversation *c, const char *path, bool *is_computed)
{
    cli_bytes file = { NULL, 0, 0 };
    cli_pictures pictures = { NULL, 0, 0 };
    einf_chat *fresh = NULL;
    einf_error err = EINF_INIT(einf_error);
    int code = cli_read_input(path, &file);
    if (code == EXIT_DONE && parse_messages(c, &file, &fresh, &pictures, &err) != EINF_OK)
        code = cli_print_error(&err, path);
    if (code == EXIT_DONE) {
        cli_conversation_replace(c, &fresh);
        cli_pictures_give(&pictures, 0);
        cli_pictures_free(&c->pictures);
        c->pictures = pictures;
        c->n_given = pictures.n;
    } else {
        cli_pictures_free(&pictures);
    }
    einf_chat_destroy(&fresh);
    cli_bytes_free(&file);
    if (code) return code;
    char *state = state_path(path);
    *is_computed = state && access(state, R_OK) == 0 && einf_session_load(c->s, state, NULL) == EINF_OK;
    free(state);
    return EXIT_DONE;
}
