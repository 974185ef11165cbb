/* SPDX-License-Identifier: MIT
 * chat_pipe.c - a conversation with a program: a JSON object a line in, an object a line out.
 *
 * A line is a message, or {"messages": [...]}, which puts a whole conversation in place of the present one. Each line
 * gets one object in return, which says its number; with "stream" pieces of the answer come before it. A line that
 * fails gets an error, changes nothing, and is not the end.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/conversation.h"
#include "cli/interrupt.h"
#include "cli/json_message.h"

enum { MAX_LINE_BYTES = 1 << 26, MAX_STOPS = 64 };

/* A line, read. Strings point into json. */
typedef struct request {
    uint64_t line;
    cJSON *json;
    const cJSON *messages;      /* the whole conversation, or NULL: the object is a message */
    bool stream;
    bool wants_answer;
    einf_generate_config config;
    const char *stop[MAX_STOPS];
    cli_pictures pictures;      /* of its messages */
} request;

typedef struct talk {
    cli_conversation *c;
    cli_bytes input;            /* read and not yet used: from at on */
    size_t at;
    bool at_end;
    uint64_t n_lines, n_failed;
    const request *now;         /* while its answer is made */
    cli_bytes text;
    bool lost;                  /* stdout or memory gave out */
} talk;

/* -------------------------------------------------------------------------------------------------- input -- */

typedef enum line_state { LINE_READ, LINE_TOO_LONG, LINE_END, LINE_INTERRUPTED, LINE_FAILED } line_state;

static line_state read_more(talk *t)
{
    char piece[65536];
    const ssize_t n = read(STDIN_FILENO, piece, sizeof piece);
    if (cli_interrupted()) return LINE_INTERRUPTED;
    if (n < 0 && errno == EINTR) return LINE_READ;
    if (n < 0) return LINE_FAILED;
    if (n == 0) t->at_end = true;
    return cli_bytes_add(&t->input, piece, (size_t)n) ? LINE_READ : LINE_FAILED;
}

/* Drop what was used. */
static void make_room(talk *t)
{
    t->input.n -= t->at;
    if (t->at) memmove(t->input.p, t->input.p + t->at, t->input.n);
    t->at = 0;
}

/* The next line, its end cut off and replaced by a NUL; *n: its bytes. The last one need not be ended. */
static line_state next_line(talk *t, char **line, size_t *n)
{
    bool too_long = false;
    make_room(t);
    for (size_t seen = 0;;) {
        char *begin = t->input.p ? t->input.p : NULL;
        char *end = begin ? memchr(begin + seen, '\n', t->input.n - seen) : NULL;
        if (!end && t->at_end && t->input.n > 0) end = begin + t->input.n;
        if (end) {
            *line = begin;
            *n = (size_t)(end - begin);
            t->at = *n < t->input.n ? *n + 1 : *n;
            *end = '\0';
            t->n_lines++;
            return too_long ? LINE_TOO_LONG : LINE_READ;
        }
        if (t->at_end) return LINE_END;
        seen = t->input.n;
        if (seen > MAX_LINE_BYTES) { /* keep nothing of it but that it was there */
            too_long = true;
            t->input.n = seen = 0;
        }
        const line_state state = read_more(t);
        if (state != LINE_READ) return state;
    }
}

/* ------------------------------------------------------------------------------------------------- output -- */

/* Print an object as one line, and delete it. */
static void print_line(talk *t, cJSON *o)
{
    char *text = o ? cJSON_PrintUnformatted(o) : NULL;
    cJSON_Delete(o);
    if (!text || !cli_write(text, strlen(text)) || !cli_write("\n", 1)) t->lost = true;
    cJSON_free(text);
}

static cJSON *reply(uint64_t line)
{
    cJSON *o = cJSON_CreateObject();
    cli_json_count(o, "line", line);
    return o;
}

static void print_failure(talk *t, const einf_error *err)
{
    cJSON *o = reply(t->n_lines);
    cJSON *e = cJSON_AddObjectToObject(o, "error");
    cJSON_AddStringToObject(e, "status", einf_status_name(err->code));
    cJSON_AddStringToObject(e, "message", err->message[0] ? err->message : einf_status_text(err->code));
    if (err->where[0]) cJSON_AddStringToObject(e, "where", err->where);
    if (err->hint[0]) cJSON_AddStringToObject(e, "hint", err->hint);
    cli_json_count(o, "n_messages", einf_chat_n_messages(t->c->chat));
    print_line(t, o);
    t->n_failed++;
}

static int32_t on_text(void *user, const char *utf8, uint64_t n_bytes, int32_t token_id)
{
    talk *t = user;
    (void)token_id;
    if (n_bytes == 0) return t->lost;
    if (!cli_bytes_add(&t->text, utf8, n_bytes)) t->lost = true;
    if (t->now->stream) {
        cJSON *o = reply(t->now->line);
        cli_json_text(o, "delta", utf8, n_bytes);
        print_line(t, o);
    }
    return t->lost;
}

/* ----------------------------------------------------------------------------------------------- requests -- */

static einf_status take_flag(cJSON *object, const char *name, bool *out, einf_error *err)
{
    cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(object, name);
    const bool is_flag = !item || cJSON_IsBool(item);
    if (item && is_flag) *out = cJSON_IsTrue(item);
    cJSON_Delete(item);
    return is_flag ? EINF_OK : cli_refuse(err, name, "", "expected true or false");
}

/* A number from min to max, whole unless max is small. */
static einf_status take_number(cJSON *object, const char *name, double min, double max, bool whole, double *out,
                               einf_error *err)
{
    cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(object, name);
    if (!item) return EINF_OK;
    const double v = cJSON_IsNumber(item) ? item->valuedouble : -1; /* below every min */
    cJSON_Delete(item);
    if (v >= min && v <= max && (!whole || v == floor(v))) {
        *out = v;
        return EINF_OK;
    }
    char message[96];
    snprintf(message, sizeof message, "expected a %snumber from %.0f to %.0f", whole ? "whole " : "", min, max);
    return cli_refuse(err, name, "", message);
}

/* "stop" stays in the object that owns its strings until the request is done. */
static einf_status read_stop(request *r, einf_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(r->json, "stop"), *item;
    if (!list) return EINF_OK;
    r->config.n_stop = 0;
    r->config.stop = r->stop;
    if (!cJSON_IsArray(list)) return cli_refuse(err, "stop", "", "expected an array of texts");
    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsString(item)) return cli_refuse(err, "stop", "", "expected an array of texts");
        if (r->config.n_stop == MAX_STOPS) return cli_refuse(err, "stop", "", "at most 64 texts are possible");
        r->stop[r->config.n_stop++] = item->valuestring;
    }
    return EINF_OK;
}

/* What a line may ask for besides its messages; taken out, so that the rest is the message. */
static einf_status read_settings(request *r, einf_error *err)
{
    double max_tokens = r->config.max_tokens, temp = (double)r->config.sampling.temperature,
           seed = (double)r->config.sampling.seed;
    einf_status status = take_flag(r->json, "stream", &r->stream, err);
    if (status == EINF_OK) status = take_number(r->json, "max_tokens", 1, 2147483647, true, &max_tokens, err);
    if (status == EINF_OK) status = take_number(r->json, "temp", 0, 100, false, &temp, err);
    if (status == EINF_OK) status = take_number(r->json, "seed", 0, 9007199254740992.0, true, &seed, err);
    if (status == EINF_OK) status = read_stop(r, err);
    r->config.max_tokens = (uint32_t)max_tokens;
    r->config.sampling.temperature = (float)temp;
    r->config.sampling.seed = (uint64_t)seed;
    return status;
}

/* A message that somebody answers. */
static bool asks(const cJSON *message)
{
    const char *role = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "role"));
    return !role || (strcmp(role, "system") != 0 && strcmp(role, "assistant") != 0);
}

static einf_status read_request(const talk *t, char *line, size_t n, request *r, einf_error *err)
{
    static const char hint[] = "a line is an object, as {\"content\": \"Hello\"}";
    const char *end = NULL;
    *r = (request){ .line = t->n_lines, .config = cli_generate_config(t->c->engine) };
    if (strlen(line) != n || cli_json_has_nul(line))
        return cli_refuse(err, "", "", "a message may not hold a NUL character");
    r->json = cJSON_ParseWithOpts(line, &end, 1);
    if (!r->json) {
        char message[96];
        snprintf(message, sizeof message, "not JSON at byte %zu of the line", end ? (size_t)(end - line) : (size_t)0);
        return cli_refuse(err, "", hint, message);
    }
    if (!cJSON_IsObject(r->json)) return cli_refuse(err, "", hint, "the line is JSON, but not an object");
    einf_status status = read_settings(r, err);
    if (status != EINF_OK) return status;
    r->messages = cJSON_GetObjectItemCaseSensitive(r->json, "messages");
    if (r->messages && (!cJSON_IsArray(r->messages) || cJSON_GetArraySize(r->messages) == 0))
        return cli_refuse(err, "messages", hint, "expected an array of at least one message");
    const int last = cJSON_GetArraySize(r->messages) - 1;
    r->wants_answer = asks(r->messages ? cJSON_GetArrayItem(r->messages, last) : r->json);
    status = take_flag(r->json, "answer", &r->wants_answer, err);
    if (status != EINF_OK || !r->messages) return status;
    const cJSON *item;
    cJSON_ArrayForEach(item, r->json)
        if (item != r->messages && strcmp(item->string, "stop") != 0)
            return cli_refuse(err, item->string, "settings are stream, answer, max_tokens, temp, seed, stop",
                          "not a member that goes with \"messages\"");
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------ answers -- */

static einf_status answer(talk *t, einf_chat *chat, request *r, double start_s, einf_error *err)
{
    einf_result result = EINF_INIT(einf_result);
    t->text.n = 0;
    t->now = r;
    r->config.on_text = on_text;
    r->config.on_text_user = t;
    const einf_status status = einf_chat_answer(chat, &r->config, &result, err);
    if (status == EINF_E_CTX_FULL)
        snprintf(err->hint, sizeof err->hint, "%s",
                 "send {\"messages\": [...]} with fewer of them, or start with a larger -c");
    cli_progress_clear(&t->c->engine->progress);
    if (status != EINF_OK && status != EINF_E_CANCELLED) return status;
    cJSON *o = reply(r->line);
    cli_json_text(o, "text", t->text.p ? t->text.p : "", t->text.n);
    cli_json_count(o, "n_messages", einf_chat_n_messages(chat));
    cli_json_pictures(o, &r->pictures);
    cli_json_result(o, &result, status, -1, cli_now_s() - start_s);
    print_line(t, o);
    return EINF_OK;
}

/* Answer, or say that the messages are there. */
static einf_status respond(talk *t, einf_chat *chat, request *r, double start_s, einf_error *err)
{
    if (r->wants_answer) return answer(t, chat, r, start_s, err);
    cJSON *o = reply(r->line);
    cli_json_count(o, "n_messages", einf_chat_n_messages(chat));
    cli_json_pictures(o, &r->pictures);
    print_line(t, o);
    return EINF_OK;
}

static einf_status take_conversation(talk *t, request *r, double start_s, einf_error *err)
{
    const cJSON *item;
    einf_chat *fresh = NULL;
    einf_status status = cli_conversation_fresh(t->c, &fresh, err);
    cJSON_ArrayForEach(item, r->messages)
        if (status == EINF_OK) status = cli_json_add_message(t->c->engine, fresh, item, true, &r->pictures, err);
    if (status == EINF_OK) status = respond(t, fresh, r, start_s, err);
    if (status == EINF_OK) cli_conversation_replace(t->c, &fresh);
    einf_chat_destroy(&fresh);
    return status;
}

static einf_status take_message(talk *t, request *r, double start_s, einf_error *err)
{
    einf_chat *chat = t->c->chat;
    const uint64_t n_before = einf_chat_n_messages(chat);
    einf_status status = cli_json_add_message(t->c->engine, chat, r->json, false, &r->pictures, err);
    if (status == EINF_OK) status = respond(t, chat, r, start_s, err);
    if (status != EINF_OK) einf_chat_truncate(chat, n_before, NULL);
    return status;
}

static void take_line(talk *t, char *line, size_t n)
{
    request r;
    einf_error err = EINF_INIT(einf_error);
    const double start_s = cli_now_s();
    if (line[strspn(line, " \t\r")] == '\0' && strlen(line) == n) return; /* an empty line asks for nothing */
    einf_status status = read_request(t, line, n, &r, &err);
    if (status == EINF_OK)
        status = r.messages ? take_conversation(t, &r, start_s, &err) : take_message(t, &r, start_s, &err);
    if (status != EINF_OK) print_failure(t, &err);
    cli_pictures_free(&r.pictures); /* the conversation holds what it needs */
    cJSON_Delete(r.json);
}

static line_state talk_on(talk *t)
{
    line_state state;
    do {
        char *line;
        size_t n;
        state = next_line(t, &line, &n);
        if (state == LINE_READ) {
            take_line(t, line, n);
        } else if (state == LINE_TOO_LONG) {
            einf_error err = EINF_INIT(einf_error);
            cli_refuse(&err, "", "cut it into parts", "the line is longer than 64 MiB");
            print_failure(t, &err);
        }
        if (cli_interrupted()) return LINE_INTERRUPTED;
    } while ((state == LINE_READ || state == LINE_TOO_LONG) && !t->lost);
    return state;
}

int cli_chat_pipe(cli_conversation *c)
{
    talk t = { .c = c };
    const line_state state = talk_on(&t);
    const int error = errno;
    cli_bytes_free(&t.input);
    cli_bytes_free(&t.text);
    if (state == LINE_INTERRUPTED) return cli_fail(EXIT_CANCELLED, NULL, "cancelled");
    if (state == LINE_FAILED) return cli_fail(EXIT_FAILED, NULL, "cannot read stdin: %s", strerror(error));
    return t.n_failed ? EXIT_FAILED : EXIT_DONE;
}
