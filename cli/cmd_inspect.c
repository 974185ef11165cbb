/* SPDX-License-Identifier: MIT
 * cmd_inspect.c - what a file is: facts, metadata, tensors, and the sum of each tensor type.
 *
 * As much is opened as the file allows: all of it, or header and vocabulary, or the header alone. What stood in the
 * way is told, and is no failure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/numbers.h"
#include "cli/open_vision.h"
#include "cli/commands.h"

enum { MAX_TYPES = 64, SHORT_ITEMS = 6, SHORT_TEXT = 90 };

typedef struct type_sum {
    const char *type;         /* static */
    uint64_t n_tensors, size_bytes;
} type_sum;

typedef struct report {
    cli_engine *engine;
    const einf_model *m;
    einf_model_info info;
    einf_error limit;         /* why no more was opened; code EINF_OK when all was */
    einf_vision_info eye;     /* n_layer is 0 for what is no vision encoder */
    type_sum types[MAX_TYPES];
    int n_types;
    bool all;
} report;

/* ---------------------------------------------------------------------------------------------- gathering -- */

/* Opens the most that the file allows. */
static einf_status open_most(cli_engine *e, einf_error *limit, einf_error *err)
{
    static const uint32_t loads[] = { EINF_LOAD_HEADER | EINF_LOAD_VOCAB | EINF_LOAD_WEIGHTS,
                                      EINF_LOAD_HEADER | EINF_LOAD_VOCAB, EINF_LOAD_HEADER | EINF_LOAD_WEIGHTS,
                                      EINF_LOAD_HEADER };
    einf_status status = EINF_OK;
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        *err = (einf_error)EINF_INIT(einf_error);
        status = cli_engine_open(e, e->options->model, loads[i], false, err);
        if (status == EINF_OK) return status;
        /* Of the reasons the one that no other vocabulary or template would take away. */
        if (i == 0 || (loads[i] & EINF_LOAD_WEIGHTS && status == EINF_E_UNSUPPORTED)) *limit = *err;
        if (status != EINF_E_FORMAT && status != EINF_E_UNSUPPORTED && status != EINF_E_LIMIT) return status;
    }
    return status;
}

/* A vision encoder is opened as one, and for its metadata and tensors as a header. */
static einf_status open_encoder(cli_engine *e, einf_vision_info *out, einf_error *limit, einf_error *err)
{
    if (cli_vision_open(e, e->options->model, false, limit) == EINF_OK) {
        *limit = (einf_error)EINF_INIT(einf_error);
        (void)einf_vision_get_info(e->v, out, NULL); /* the handle is good */
    } else if (limit->code != EINF_E_FORMAT && limit->code != EINF_E_UNSUPPORTED && limit->code != EINF_E_LIMIT) {
        *err = *limit;
        return limit->code;
    }
    return cli_engine_open(e, e->options->model, EINF_LOAD_HEADER, false, err);
}

static einf_status open_file(report *r, einf_error *err)
{
    char architecture[32];
    if (cli_file_architecture(r->engine, r->engine->options->model, architecture) && strcmp(architecture, "clip") == 0)
        return open_encoder(r->engine, &r->eye, &r->limit, err);
    return open_most(r->engine, &r->limit, err);
}

static void add_type(report *r, const einf_tensor *t)
{
    int i = 0;
    while (i < r->n_types && strcmp(r->types[i].type, t->type) != 0) i++;
    if (i == MAX_TYPES) return;
    if (i == r->n_types) r->types[r->n_types++] = (type_sum){ t->type, 0, 0 };
    r->types[i].n_tensors++;
    r->types[i].size_bytes += t->size_bytes;
}

static void sum_types(report *r)
{
    einf_tensor t = EINF_INIT(einf_tensor);
    for (uint64_t i = 0; einf_model_get_tensor(r->m, i, &t, NULL) == EINF_OK; i++) add_type(r, &t);
}

/* Item j of entry i as text, malloc'd; whole, or cut to max_bytes with "..." behind. NULL: no memory. */
static char *item_text(const report *r, uint64_t i, uint64_t j, uint64_t max_bytes)
{
    char little[256];
    uint64_t n = 0;
    if (einf_model_kv_text(r->m, i, j, little, sizeof little, &n, NULL) != EINF_OK) return NULL;
    const uint64_t room = n > max_bytes && !r->all ? max_bytes : n;
    char *text = malloc((size_t)room + 8);
    if (!text || einf_model_kv_text(r->m, i, j, text, room + 1, &n, NULL) != EINF_OK) {
        free(text);
        return NULL;
    }
    if (room < n) strcat(text, "...");
    return text;
}

/* ------------------------------------------------------------------------------------------------- text -- */

static void print_eye(const einf_vision_info *f)
{
    const unsigned side = (unsigned)(f->patch_size * f->merge_size);
    printf("  sees          as %s: %u layers, width %u, %u heads, FFN %u, %s\n", f->projector, (unsigned)f->n_layer,
           (unsigned)f->n_embd, (unsigned)f->n_head, (unsigned)f->n_ff, f->activation);
    printf("  tokens        of %u x %u pixels (%u x %u patches of %u), rows of %u for the language model\n", side, side,
           (unsigned)f->merge_size, (unsigned)f->merge_size, (unsigned)f->patch_size, (unsigned)f->row_width);
    printf("  limits        %llu to %llu pixels a picture, %s\n", (unsigned long long)f->min_pixels,
           (unsigned long long)f->max_pixels, f->has_limits ? "as the file says" : "since the file has none");
    printf("  pixels        mean %.4g %.4g %.4g, deviation %.4g %.4g %.4g\n", (double)f->mean[0], (double)f->mean[1],
           (double)f->mean[2], (double)f->std[0], (double)f->std[1], (double)f->std[2]);
}

static void print_facts(const report *r)
{
    char size[32], parts[32] = "";
    const einf_model_info *f = &r->info;
    if (f->n_files > 1) snprintf(parts, sizeof parts, " in %u files", (unsigned)f->n_files);
    printf("%s\n", r->engine->options->model);
    printf("  architecture  %s\n", f->architecture[0] ? f->architecture : "(none)");
    if (f->name[0]) printf("  name          %s\n", f->name);
    printf("  file          GGUF v%u, %s%s, %llu metadata entries, %llu tensors\n", (unsigned)f->gguf_version,
           cli_size_text(f->file_bytes, size, sizeof size), parts, (unsigned long long)f->n_kv,
           (unsigned long long)f->n_tensors);
    if (f->n_tensors)
        printf("  weights       %s, mostly %s, %.2f million parameters\n",
               cli_size_text(f->weight_bytes, size, sizeof size), f->file_type, (double)f->n_params / 1e6);
    if (f->loaded & EINF_LOAD_VOCAB) printf("  vocabulary    %u tokens, %s\n", (unsigned)f->n_vocab, f->tokenizer);
    if (f->has_chat_template)
        printf("  chat          %s\n", f->has_chat_template > 0 ? "a template" : "a template that this build refuses");
    if (f->loaded & EINF_LOAD_WEIGHTS) {
        printf("  context       %u tokens in training\n", (unsigned)f->n_ctx_train);
        printf("  shape         %u layers, width %u, %u heads on %u KV heads of %u, FFN %u\n", (unsigned)f->n_layer,
               (unsigned)f->n_embd, (unsigned)f->n_head, (unsigned)f->n_head_kv, (unsigned)f->head_dim,
               (unsigned)f->n_ff);
    }
    if (r->eye.n_layer) print_eye(&r->eye);
    if (r->limit.code != EINF_OK) printf("  cannot run    %s\n", r->limit.message);
}

static void print_entry(const report *r, uint64_t i, const einf_kv *kv)
{
    const bool is_array = strncmp(kv->type, "array", 5) == 0;
    const uint64_t n_shown = !r->all && kv->n_items > SHORT_ITEMS ? SHORT_ITEMS : kv->n_items;
    printf("  %-44.*s %-15s ", (int)kv->key_bytes, kv->key, kv->type);
    if (is_array) printf("%llu: [", (unsigned long long)kv->n_items);
    for (uint64_t j = 0; j < n_shown; j++) {
        char *text = item_text(r, i, j, is_array ? 24 : SHORT_TEXT);
        printf("%s%s", j ? ", " : "", text ? text : "?");
        free(text);
    }
    puts(!is_array ? "" : n_shown < kv->n_items ? ", ...]" : "]");
}

static void print_tensor(const einf_tensor *t)
{
    char dims[96];
    int at = 0;
    for (int i = 0; i < t->n_dims && i < 4; i++)
        at += snprintf(dims + at, sizeof dims - (size_t)at, "%s%llu", i ? " x " : "", (unsigned long long)t->dims[i]);
    printf("  %-32s %-7s %-22s %14llu %14llu\n", t->name, t->type, dims, (unsigned long long)t->offset,
           (unsigned long long)t->size_bytes);
}

static void print_text(const report *r)
{
    einf_kv kv = EINF_INIT(einf_kv);
    einf_tensor t = EINF_INIT(einf_tensor);
    print_facts(r);
    if (r->info.n_kv) puts("\nmetadata");
    for (uint64_t i = 0; einf_model_get_kv(r->m, i, &kv, NULL) == EINF_OK; i++) print_entry(r, i, &kv);
    if (!r->info.n_tensors) return;
    printf("\ntensors (name, type, dims, offset in bytes, size in bytes)\n");
    for (uint64_t i = 0; einf_model_get_tensor(r->m, i, &t, NULL) == EINF_OK; i++) print_tensor(&t);
    puts("\ntypes");
    for (int i = 0; i < r->n_types; i++) {
        char size[32];
        printf("  %-7s %6llu tensors %12s\n", r->types[i].type, (unsigned long long)r->types[i].n_tensors,
               cli_size_text(r->types[i].size_bytes, size, sizeof size));
    }
}

/* ------------------------------------------------------------------------------------------------- JSON -- */

/* A number as JSON writes it: nan, inf and the like are not. */
static bool is_json_number(const char *text)
{
    double v;
    const char *digits = text + (*text == '-');
    if (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9') return false;
    return *digits >= '0' && *digits <= '9' && text[strlen(text) - 1] != '.' && cli_parse_real(text, &v);
}

/* The value as its type: numbers digit for digit, so that 64-bit ones survive. */
static cJSON *json_item(const report *r, const einf_kv *kv, uint64_t i, uint64_t j)
{
    char *text = item_text(r, i, j, UINT64_MAX);
    if (!text) return NULL;
    cJSON *item;
    if (strstr(kv->type, "string")) item = cJSON_CreateString(text);
    else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) item = cJSON_CreateBool(text[0] == 't');
    else item = is_json_number(text) ? cJSON_CreateRaw(text) : cJSON_CreateString(text);
    free(text);
    return item;
}

static cJSON *json_entry(const report *r, const einf_kv *kv, uint64_t i)
{
    cJSON *o = cJSON_CreateObject();
    cli_json_text(o, "key", kv->key, kv->key_bytes);
    cJSON_AddStringToObject(o, "type", kv->type);
    cli_json_count(o, "offset_bytes", kv->offset);
    if (strncmp(kv->type, "array", 5) != 0) {
        cJSON_AddItemToObject(o, "value", json_item(r, kv, i, 0));
        return o;
    }
    cli_json_count(o, "n_items", kv->n_items);
    cJSON *items = cJSON_AddArrayToObject(o, "items");
    const uint64_t n_shown = !r->all && kv->n_items > SHORT_ITEMS ? SHORT_ITEMS : kv->n_items;
    for (uint64_t j = 0; j < n_shown; j++) cJSON_AddItemToArray(items, json_item(r, kv, i, j));
    return o;
}

static cJSON *json_tensor(const einf_tensor *t)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", t->name);
    cJSON_AddStringToObject(o, "type", t->type);
    cJSON *dims = cJSON_AddArrayToObject(o, "dims");
    for (int i = 0; i < t->n_dims && i < 4; i++) cJSON_AddItemToArray(dims, cJSON_CreateNumber((double)t->dims[i]));
    cli_json_count(o, "offset_bytes", t->offset);
    cli_json_count(o, "size_bytes", t->size_bytes);
    return o;
}

static void add_floats(cJSON *o, const char *key, const float *v)
{
    cJSON *list = cJSON_AddArrayToObject(o, key);
    for (int i = 0; i < 3; i++) cJSON_AddItemToArray(list, cJSON_CreateNumber((double)v[i]));
}

static void json_eye(cJSON *o, const einf_vision_info *f)
{
    cJSON *eye = cJSON_AddObjectToObject(o, "vision");
    cJSON_AddStringToObject(eye, "projector", f->projector);
    cJSON_AddStringToObject(eye, "activation", f->activation);
    cli_json_count(eye, "n_layer", f->n_layer);
    cli_json_count(eye, "n_embd", f->n_embd);
    cli_json_count(eye, "n_head", f->n_head);
    cli_json_count(eye, "n_ff", f->n_ff);
    cli_json_count(eye, "patch_size", f->patch_size);
    cli_json_count(eye, "merge_size", f->merge_size);
    cli_json_count(eye, "row_width", f->row_width);
    cli_json_count(eye, "min_pixels", f->min_pixels);
    cli_json_count(eye, "max_pixels", f->max_pixels);
    cJSON_AddBoolToObject(eye, "file_has_limits", f->has_limits);
    add_floats(eye, "mean", f->mean);
    add_floats(eye, "std", f->std);
}

static void json_facts(cJSON *o, const report *r)
{
    const einf_model_info *f = &r->info;
    cJSON_AddStringToObject(o, "path", r->engine->options->model);
    cJSON_AddStringToObject(o, "architecture", f->architecture);
    cJSON_AddStringToObject(o, "name", f->name);
    cli_json_count(o, "gguf_version", f->gguf_version);
    cli_json_count(o, "file_bytes", f->file_bytes);
    cli_json_count(o, "n_files", f->n_files);
    cli_json_count(o, "n_kv", f->n_kv);
    cli_json_count(o, "n_tensors", f->n_tensors);
    cli_json_count(o, "weight_bytes", f->weight_bytes);
    cli_json_count(o, "n_params", f->n_params);
    cJSON_AddStringToObject(o, "file_type", f->file_type);
    cJSON_AddBoolToObject(o, "runs", r->limit.code == EINF_OK);
    if (r->limit.code != EINF_OK) cJSON_AddStringToObject(o, "reason", r->limit.message);
    if (f->loaded & EINF_LOAD_VOCAB) {
        cli_json_count(o, "n_vocab", f->n_vocab);
        cJSON_AddStringToObject(o, "tokenizer", f->tokenizer);
        cJSON_AddBoolToObject(o, "has_chat_template", f->has_chat_template > 0);
    }
    if (r->eye.n_layer) json_eye(o, &r->eye);
    if (!(f->loaded & EINF_LOAD_WEIGHTS)) return;
    cli_json_count(o, "n_ctx_train", f->n_ctx_train);
    cli_json_count(o, "n_embd", f->n_embd);
    cli_json_count(o, "n_layer", f->n_layer);
    cli_json_count(o, "n_head", f->n_head);
    cli_json_count(o, "n_head_kv", f->n_head_kv);
    cli_json_count(o, "head_dim", f->head_dim);
    cli_json_count(o, "n_ff", f->n_ff);
}

static int print_json(const report *r)
{
    einf_kv kv = EINF_INIT(einf_kv);
    einf_tensor t = EINF_INIT(einf_tensor);
    cJSON *o = cJSON_CreateObject();
    if (!o) return cli_fail_nomem();
    json_facts(o, r);
    cJSON *types = cJSON_AddArrayToObject(o, "types");
    for (int i = 0; i < r->n_types; i++) {
        cJSON *type = cJSON_CreateObject();
        cJSON_AddStringToObject(type, "type", r->types[i].type);
        cli_json_count(type, "n_tensors", r->types[i].n_tensors);
        cli_json_count(type, "size_bytes", r->types[i].size_bytes);
        cJSON_AddItemToArray(types, type);
    }
    cJSON *metadata = cJSON_AddArrayToObject(o, "metadata");
    for (uint64_t i = 0; einf_model_get_kv(r->m, i, &kv, NULL) == EINF_OK; i++)
        cJSON_AddItemToArray(metadata, json_entry(r, &kv, i));
    cJSON *tensors = cJSON_AddArrayToObject(o, "tensors");
    for (uint64_t i = 0; einf_model_get_tensor(r->m, i, &t, NULL) == EINF_OK; i++)
        cJSON_AddItemToArray(tensors, json_tensor(&t));
    return cli_print_json(o);
}

/* ----------------------------------------------------------------------------------------------- the verb -- */

static int inspect(cli_engine *e)
{
    einf_error err = EINF_INIT(einf_error);
    report r = { .engine = e, .info = EINF_INIT(einf_model_info), .limit = EINF_INIT(einf_error),
                 .eye = EINF_INIT(einf_vision_info), .all = e->options->all };
    if (open_file(&r, &err) != EINF_OK) return cli_print_error(&err, e->options->model);
    r.m = e->m;
    if (einf_model_get_info(r.m, &r.info, &err) != EINF_OK) return cli_print_error(&err, e->options->model);
    sum_types(&r);
    if (e->options->json) return print_json(&r);
    print_text(&r);
    return EXIT_DONE;
}

int cli_inspect(const cli_options *o)
{
    cli_engine engine;
    int code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) code = inspect(&engine);
    return cli_engine_stop(&engine, code);
}
