/* SPDX-License-Identifier: MIT
 * cmd_validate.c - the verdict on a file: sound and runnable here, or what is wrong with it and where.
 *
 * The header says what else a file claims to hold; that much is then opened the way run opens it. A fault in the file
 * is an answer and goes to stdout; not being able to look (no such file, no memory, Ctrl-C) is a failure.
 */
#include <stdio.h>
#include <string.h>

#include "cli/open_vision.h"
#include "cli/commands.h"

#define CLAIMS_ENCODER (1u << 16) /* beside EINF_LOAD_*: the file is a vision encoder */

typedef struct verdict {
    const char *path;
    einf_status status;
    uint32_t claims;          /* EINF_LOAD_* that the file has, CLAIMS_ENCODER */
    bool tensors_checked;
    einf_error err;
} verdict;

/* ---------------------------------------------------------------------------------------------- looking -- */

/* True when the string entry `key` has this value; value NULL: whatever its value. */
static bool has_entry(const einf_model *m, const char *key, const char *value)
{
    char text[64];
    uint64_t n;
    einf_kv kv = EINF_INIT(einf_kv);
    for (uint64_t i = 0; einf_model_get_kv(m, i, &kv, NULL) == EINF_OK; i++) {
        if (kv.key_bytes != strlen(key) || memcmp(kv.key, key, kv.key_bytes) != 0) continue;
        if (!value) return true;
        return einf_model_kv_text(m, i, 0, text, sizeof text, &n, NULL) == EINF_OK && strcmp(text, value) == 0;
    }
    return false;
}

/* Vision encoders and adapters are files of their own kind; of the latter the header is what this release can judge. */
static uint32_t claims_of(const einf_model *m)
{
    uint32_t claims = EINF_LOAD_HEADER;
    einf_model_info info = EINF_INIT(einf_model_info);
    if (einf_model_get_info(m, &info, NULL) != EINF_OK) return claims;
    if (has_entry(m, "tokenizer.ggml.model", NULL) && !has_entry(m, "tokenizer.ggml.model", "none"))
        claims |= EINF_LOAD_VOCAB;
    const bool other_kind = strcmp(info.architecture, "clip") == 0 || has_entry(m, "general.type", "mmproj") ||
                            has_entry(m, "general.type", "adapter") || has_entry(m, "general.type", "imatrix");
    if (info.n_tensors > 0 && !other_kind) claims |= EINF_LOAD_WEIGHTS;
    if (info.n_tensors > 0 && strcmp(info.architecture, "clip") == 0) return claims | CLAIMS_ENCODER;
    return claims;
}

static void look(cli_engine *e, verdict *v)
{
    v->claims = EINF_LOAD_HEADER;
    v->status = cli_engine_open(e, v->path, EINF_LOAD_HEADER, false, &v->err);
    if (v->status != EINF_OK) return;
    v->claims = claims_of(e->m);
    cli_engine_close(e);
    if (v->claims == EINF_LOAD_HEADER) return;
    v->tensors_checked = e->options->tensors && (v->claims & (EINF_LOAD_WEIGHTS | CLAIMS_ENCODER));
    if (v->claims & CLAIMS_ENCODER) {
        v->status = cli_vision_open(e, v->path, v->tensors_checked, &v->err);
        cli_vision_close(e);
        return;
    }
    v->status = cli_engine_open(e, v->path, v->claims, v->tensors_checked, &v->err);
    cli_engine_close(e);
}

/* A status that says something about the file. */
static bool is_verdict(einf_status s)
{
    return s == EINF_OK || s == EINF_E_FORMAT || s == EINF_E_UNSUPPORTED || s == EINF_E_LIMIT || s == EINF_E_TEMPLATE;
}

static int exit_of(const verdict *v)
{
    if (v->status == EINF_OK) return EXIT_DONE;
    return is_verdict(v->status) ? EXIT_BAD_FILE : cli_exit_of(v->status);
}

/* ----------------------------------------------------------------------------------------------- telling -- */

static void print_line(const verdict *v)
{
    if (v->status == EINF_OK) {
        printf("ok    %s: header%s%s%s%s\n", v->path, v->claims & EINF_LOAD_VOCAB ? ", vocabulary" : "",
               v->claims & EINF_LOAD_WEIGHTS ? ", weights" : "", v->claims & CLAIMS_ENCODER ? ", vision encoder" : "",
               v->tensors_checked ? ", every value" : "");
        return;
    }
    printf("bad   %s: %s", v->path, v->err.message);
    if (v->err.where[0] || v->err.offset != EINF_NO_OFFSET) {
        printf(" (%s", v->err.where);
        if (v->err.offset != EINF_NO_OFFSET)
            printf("%sbyte %llu", v->err.where[0] ? ", " : "", (unsigned long long)v->err.offset);
        putchar(')');
    }
    if (v->err.hint[0]) printf("; %s", v->err.hint);
    putchar('\n');
}

static cJSON *json_of(const verdict *v)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "path", v->path);
    cJSON_AddBoolToObject(o, "valid", v->status == EINF_OK);
    cJSON_AddStringToObject(o, "status", einf_status_name(v->status));
    if (v->status != EINF_OK) {
        cJSON_AddStringToObject(o, "message", v->err.message);
        if (v->err.offset != EINF_NO_OFFSET) cli_json_count(o, "offset_bytes", v->err.offset);
        cJSON_AddStringToObject(o, "where", v->err.where);
        cJSON_AddStringToObject(o, "hint", v->err.hint);
        return o;
    }
    cJSON *checked = cJSON_AddArrayToObject(o, "checked");
    cJSON_AddItemToArray(checked, cJSON_CreateString("header"));
    if (v->claims & EINF_LOAD_VOCAB) cJSON_AddItemToArray(checked, cJSON_CreateString("vocabulary"));
    if (v->claims & EINF_LOAD_WEIGHTS) cJSON_AddItemToArray(checked, cJSON_CreateString("weights"));
    if (v->claims & CLAIMS_ENCODER) cJSON_AddItemToArray(checked, cJSON_CreateString("vision encoder"));
    if (v->tensors_checked) cJSON_AddItemToArray(checked, cJSON_CreateString("values"));
    return o;
}

/* One file gives its verdict; several a list of them. */
static int print_json(cJSON *list, int n_files)
{
    cJSON *o = n_files == 1 ? cJSON_DetachItemFromArray(list, 0) : cJSON_CreateObject();
    if (n_files > 1) {
        bool valid = true;
        const cJSON *item;
        cJSON_ArrayForEach(item, list) valid = valid && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "valid"));
        cJSON_AddBoolToObject(o, "valid", valid);
        cJSON_AddItemToObject(o, "files", list);
    } else {
        cJSON_Delete(list);
    }
    return cli_print_json(o);
}

/* Of two exit codes the one that matters more: being stopped, a bad file, anything else. */
static int worse(int a, int b)
{
    if (a == EXIT_CANCELLED || b == EXIT_CANCELLED) return EXIT_CANCELLED;
    if (a == EXIT_BAD_FILE || b == EXIT_BAD_FILE) return EXIT_BAD_FILE;
    return a ? a : b;
}

static int validate(cli_engine *e, const char *path, cJSON *list)
{
    verdict v = { .path = path, .err = EINF_INIT(einf_error) };
    look(e, &v);
    if (!is_verdict(v.status)) cli_print_error(&v.err, path);
    if (list) cJSON_AddItemToArray(list, json_of(&v));
    else if (is_verdict(v.status)) print_line(&v);
    return exit_of(&v);
}

int cli_validate(const cli_options *o)
{
    cli_engine engine;
    cJSON *list = o->json ? cJSON_CreateArray() : NULL;
    int code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) {
        if (o->model) code = validate(&engine, o->model, list);
        for (int i = 0; i < o->n_operands && code != EXIT_CANCELLED; i++)
            if (o->operands[i] != o->model) code = worse(code, validate(&engine, o->operands[i], list));
    }
    const int n_files = list ? cJSON_GetArraySize(list) : 0;
    /* A single file that could not be looked at has no verdict to print. */
    if (n_files > 1 || (n_files == 1 && (code == EXIT_DONE || code == EXIT_BAD_FILE))) {
        const int printed = print_json(list, n_files);
        if (printed) code = printed;
    } else {
        cJSON_Delete(list);
    }
    return cli_engine_stop(&engine, code);
}
