/* SPDX-License-Identifier: MIT
 * chat_terminal.c - a conversation with a person: messages, commands, and answers that Ctrl-C stops.
 *
 * Answers go to stdout; the prompt, what commands say and all remarks go to stderr, so that a redirected stdout holds
 * the answers alone. A message whose answer never began is taken back: most templates refuse two questions in a row.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <edgeinfer/lowlevel.h>

#include "cli/conversation.h"
#include "cli/interrupt.h"
#include "cli/line_input.h"
#include "cli/nearest.h"
#include "cli/picture_part.h"
#include "cli/saved_chat.h"

typedef struct terminal {
    cli_conversation *c;
    const cli_options *options;
    cli_line_input *input;
    cli_bytes line, message;
    einf_result last;         /* of the last answer */
    uint32_t n_answers, n_retries;
    double all_s, all_cpu_s;
    uint64_t n_generated;
    bool ends_line, lost;
} terminal;

typedef enum next { GO_ON, QUIT } next;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* ------------------------------------------------------------------------------------------------- answer -- */

static int32_t on_text(void *user, const char *utf8, uint64_t n_bytes, int32_t token_id)
{
    terminal *t = user;
    (void)token_id;
    cli_progress_clear(&t->c->engine->progress);
    if (n_bytes == 0) return t->lost;
    t->ends_line = utf8[n_bytes - 1] == '\n';
    if (!cli_write(utf8, n_bytes)) t->lost = true;
    return t->lost;
}

static void count(terminal *t, const einf_result *r, double elapsed_s)
{
    t->last = *r;
    t->n_answers++;
    t->n_generated += r->n_generated;
    t->all_s += elapsed_s;
    t->all_cpu_s += r->cpu_core_s;
}

/* Why there is no more of the answer, where that is not plain. */
static void explain_end(const terminal *t, const einf_result *r, einf_status status)
{
    const unsigned n_ctx = (unsigned)einf_session_n_ctx(t->c->s);
    if (status == EINF_E_CANCELLED)
        say("(stopped; what there is stays in the conversation, /undo takes it back, /retry asks again)");
    else if (r->stop_reason == EINF_STOP_LENGTH)
        say("(stopped after %u tokens, as --max-tokens says)", (unsigned)r->n_generated);
    else if (r->stop_reason == EINF_STOP_CONTEXT)
        say("(stopped: the context of %u tokens is full; /undo or /clear makes room, -c %u would start with more)",
            n_ctx, 2 * n_ctx);
    else if (cli_budget_reached(r))
        say("(stopped: %s)", cli_budget_name(r));
}

static void explain_failure(const terminal *t, const einf_result *r, const einf_error *err, einf_status status)
{
    const unsigned n_ctx = (unsigned)einf_session_n_ctx(t->c->s);
    if (cli_budget_reached(r)) {
        say("(%s, before the answer began; the message was taken back)", cli_budget_name(r));
    } else if (status == EINF_E_CANCELLED) {
        say("(stopped before the answer began; the message was taken back)");
    } else if (status == EINF_E_CTX_FULL) {
        say("edgeinfer: %s", err->message);
        say("  The message was taken back. /undo forgets the last question and its answer, /clear all of them;");
        say("  a larger context: start with -c %u", 2 * n_ctx);
    } else {
        cli_print_error(err, NULL);
        say("  The message was taken back.");
    }
}

/* Answer what was asked last. */
static void answer(terminal *t)
{
    einf_chat *chat = t->c->chat;
    const uint64_t n_before = einf_chat_n_messages(chat);
    const double start_s = cli_now_s();
    einf_error err = EINF_INIT(einf_error);
    einf_result r = EINF_INIT(einf_result);
    einf_generate_config c = cli_generate_config(t->c->engine);
    c.on_text = on_text;
    c.on_text_user = t;
    c.sampling.seed += t->n_retries;
    t->ends_line = true;
    cli_interrupt_forget();
    const einf_status status = einf_chat_answer(chat, &c, &r, &err);
    cli_progress_clear(&t->c->engine->progress);
    if (!t->ends_line) cli_write("\n", 1);
    if (r.n_generated > 0) count(t, &r, cli_now_s() - start_s);
    if (t->c->engine->options->cost) cli_print_cost(&r);
    if (einf_chat_n_messages(chat) > n_before) {
        explain_end(t, &r, status);
        return;
    }
    if (!cli_must_end()) explain_failure(t, &r, &err, status);
    einf_chat_truncate(chat, n_before - 1, NULL); /* the question */
}

static void ask(terminal *t, const char *text)
{
    einf_error err = EINF_INIT(einf_error);
    cli_conversation *c = t->c;
    t->n_retries = 0;
    if (cli_pictures_ask(c->chat, &c->pictures, c->n_given, text, &err) != EINF_OK) {
        cli_print_error(&err, NULL);
        return;
    }
    cli_pictures_give(&c->pictures, c->n_given);
    c->n_given = c->pictures.n;
    answer(t);
}

/* ----------------------------------------------------------------------------------------------- commands -- */

/* Place of the last question, or of the end when there is none. */
static uint64_t last_question(const terminal *t)
{
    const uint64_t n = einf_chat_n_messages(t->c->chat);
    for (uint64_t i = n; i > 0; i--)
        if (strcmp(cli_chat_role(t->c->chat, i - 1), "user") == 0) return i - 1;
    return n;
}

static bool has_system(const terminal *t) { return strcmp(cli_chat_role(t->c->chat, 0), "system") == 0; }

static next do_help(terminal *t, const char *text)
{
    (void)t, (void)text;
    say("A line is a message. A line that ends in \\ goes on in the next; \"\"\" begins and ends a message of many\n"
        "lines; // begins a message with a slash.\n"
        "  /image FILE    show a picture with the next message; without FILE, list those that wait for it\n"
        "  /undo          take back the last question and its answer\n"
        "  /retry         ask the last question again\n"
        "  /clear         forget the conversation, but not the system message\n"
        "  /system TEXT   change the system message; without TEXT, show it\n"
        "  /save FILE     keep the conversation in FILE, and what was computed for it in FILE.state\n"
        "  /load FILE     go on with a conversation that was saved\n"
        "  /cost          context in use, tokens, time and memory\n"
        "  /help          this text\n"
        "  /quit          end, as Ctrl-D does\n"
        "Ctrl-C stops an answer, and at the prompt clears the line.");
    return GO_ON;
}

static next do_quit(terminal *t, const char *text)
{
    (void)t, (void)text;
    return QUIT;
}

static next do_clear(terminal *t, const char *text)
{
    (void)text;
    einf_chat_truncate(t->c->chat, has_system(t) ? 1 : 0, NULL);
    cli_pictures_cut(&t->c->pictures, t->c->n_given);
    say(has_system(t) ? "(forgotten; the system message stays)" : "(forgotten)");
    return GO_ON;
}

/* The beginning of a text, on one line. */
static void quote(const char *text, char *out, size_t size)
{
    size_t n = strcspn(text, "\n");
    const bool cut = text[n] != '\0' || n > size - 4;
    if (n > size - 4) n = size - 4;
    while (cut && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) n--; /* not within a character */
    snprintf(out, size, "%.*s%s", (int)n, text, cut ? "..." : "");
}

/* What is shown of a message: its text, or that of its last part. */
static const char *text_of(const einf_message *m)
{
    const char *text = m->n_parts > 0 ? m->parts[m->n_parts - 1].text : m->content;
    return text ? text : "";
}

static next do_undo(terminal *t, const char *text)
{
    (void)text;
    einf_message m = EINF_INIT(einf_message);
    char beginning[72];
    const uint64_t at = last_question(t);
    if (einf_chat_get_message(t->c->chat, at, &m, NULL) != EINF_OK) {
        say("(there is no question to take back)");
        return GO_ON;
    }
    quote(text_of(&m), beginning, sizeof beginning);
    say("(took back: %s)", beginning);
    einf_chat_truncate(t->c->chat, at, NULL);
    return GO_ON;
}

static next do_retry(terminal *t, const char *text)
{
    (void)text;
    const uint64_t at = last_question(t);
    if (at == einf_chat_n_messages(t->c->chat)) {
        say("(there is no question to ask again)");
        return GO_ON;
    }
    einf_chat_truncate(t->c->chat, at + 1, NULL);
    t->n_retries++;
    if (!(t->options->temp > 0)) say("(at temperature 0 the answer is the same; --temp 0.8 would vary it)");
    answer(t);
    return GO_ON;
}

/* A conversation with this system message, or none, and the other messages of the present one. */
static einf_status with_system(const terminal *t, const char *text, einf_chat **out, einf_error *err)
{
    einf_message m = EINF_INIT(einf_message);
    einf_status status = cli_conversation_fresh(t->c, out, err);
    if (status == EINF_OK) status = cli_chat_add(*out, "system", text, NULL, err);
    for (uint64_t i = has_system(t) ? 1 : 0; status == EINF_OK && i < einf_chat_n_messages(t->c->chat); i++) {
        einf_chat_get_message(t->c->chat, i, &m, NULL);
        status = einf_chat_add(*out, &m, err);
    }
    return status;
}

static next do_system(terminal *t, const char *text)
{
    einf_message m = EINF_INIT(einf_message);
    if (*text == '\0') {
        einf_chat_get_message(t->c->chat, 0, &m, NULL);
        say("%s", has_system(t) ? m.content : "(there is no system message)");
        return GO_ON;
    }
    einf_chat *fresh = NULL;
    einf_error err = EINF_INIT(einf_error);
    if (with_system(t, text, &fresh, &err) == EINF_OK) {
        cli_conversation_replace(t->c, &fresh);
        say("(the system message is changed%s)",
            einf_chat_n_messages(t->c->chat) > 1 ? "; the conversation goes on under it" : "");
    } else {
        cli_print_error(&err, NULL);
    }
    einf_chat_destroy(&fresh);
    return GO_ON;
}

static void list_pictures(const cli_conversation *c)
{
    char sizes[160];
    if (c->n_given == c->pictures.n) say("(as /image FILE; no picture waits for the next message)");
    for (uint32_t i = c->n_given; i < c->pictures.n; i++)
        say("(with the next message: %s %s)", c->pictures.items[i].name,
            cli_sizes_text(&c->pictures.items[i].sizes, sizes, sizeof sizes));
}

static next do_image(terminal *t, const char *text)
{
    cli_conversation *c = t->c;
    einf_error err = EINF_INIT(einf_error);
    char path[4096];
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t')) n--;
    if (!c->engine->v) {
        say("(there is no vision encoder: start with --mmproj FILE)");
        return GO_ON;
    }
    snprintf(path, sizeof path, "%.*s", (int)n, text);
    cli_interrupt_forget();
    if (n > 0 && cli_picture_file_add(c->engine, &c->pictures, path, &err) != EINF_OK) cli_print_error(&err, NULL);
    else list_pictures(c);
    return GO_ON;
}

static next do_save(terminal *t, const char *text)
{
    if (*text == '\0') say("(as /save FILE)");
    else if (cli_chat_save(t->c, text) == EXIT_DONE) say("(saved: %s and %s.state)", text, text);
    return GO_ON;
}

static next do_load(terminal *t, const char *text)
{
    bool is_computed = false;
    if (*text == '\0')
        say("(as /load FILE)");
    else if (cli_chat_load(t->c, text, &is_computed) == EXIT_DONE)
        say("(loaded: %llu messages%s)", (unsigned long long)einf_chat_n_messages(t->c->chat),
            is_computed ? "" : "; there is no state that fits, so the next answer takes longer");
    return GO_ON;
}

static next do_cost(terminal *t, const char *text)
{
    (void)text;
    const einf_result *r = &t->last;
    const unsigned n_past = (unsigned)einf_session_n_past(t->c->s), n_ctx = (unsigned)einf_session_n_ctx(t->c->s);
    say("context   %u of %u tokens (%.0f %%), %llu messages", n_past, n_ctx, 100.0 * n_past / n_ctx,
        (unsigned long long)einf_chat_n_messages(t->c->chat));
    if (t->n_answers == 0) return GO_ON;
    say("last      %u tokens at %.1f tok/s; prompt of %u tokens, %u of them known from before, at %.1f tok/s",
        (unsigned)r->n_generated, cli_decode_rate(r), (unsigned)r->n_prompt, (unsigned)r->n_cached,
        cli_prefill_rate(r));
    say("all       %u answers, %llu tokens, %.2f s, %.2f s of CPU cores", (unsigned)t->n_answers,
        (unsigned long long)t->n_generated, t->all_s, t->all_cpu_s);
    if (r->has_rss)
        say("memory    peak %.0f MiB, of that %.0f MiB for the session", (double)r->rss_peak_bytes / 1048576,
            (double)r->session_bytes / 1048576);
    cli_print_images(r);
    cli_print_cost(r);
    return GO_ON;
}

static const struct { const char *name; next (*run)(terminal *t, const char *text); } commands[] = {
    { "help", do_help }, { "undo", do_undo }, { "retry", do_retry }, { "clear", do_clear },
    { "system", do_system }, { "image", do_image }, { "save", do_save }, { "load", do_load }, { "cost", do_cost },
    { "quit", do_quit },
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

/* text: behind the slash. */
static next run_command(terminal *t, const char *text)
{
    const char *names[N_COMMANDS];
    char typed[32];
    const size_t n = strcspn(text, " \t\n");
    snprintf(typed, sizeof typed, "%.*s", (int)n, text);
    for (int i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(typed, commands[i].name) == 0) return commands[i].run(t, text + n + strspn(text + n, " \t\n"));
    }
    const char *near = cli_nearest(typed, names, N_COMMANDS);
    if (near) say("(there is no command /%s; did you mean /%s?)", typed, near);
    else say("(there is no command /%s; /help lists them, and // begins a message with a slash)", typed);
    return GO_ON;
}

/* -------------------------------------------------------------------------------------------------- lines -- */

static cli_line_end read_line(terminal *t, const char *prompt)
{
    cli_interrupt_forget();
    const cli_line_end end = cli_line_input_read(t->input, prompt, &t->line);
    if (end == CLI_LINE && t->line.n > 0) cli_line_input_remember(t->input, t->line.p);
    return end;
}

static bool add_line(terminal *t, const char *text, size_t n)
{
    return (t->message.n == 0 || cli_bytes_add(&t->message, "\n", 1)) && cli_bytes_add(&t->message, text, n);
}

/* Does the line end with this? */
static bool ends_with(const cli_bytes *line, const char *end)
{
    const size_t n = strlen(end);
    return line->n >= n && memcmp(line->p + line->n - n, end, n) == 0;
}

/* The lines up to the one that ends with """; the first was read. */
static cli_line_end read_block(terminal *t)
{
    size_t skip = 3; /* the opening */
    for (;;) {
        const bool closes = t->line.n >= skip + 3 && ends_with(&t->line, "\"\"\"");
        const size_t n = t->line.n - skip - (closes ? 3 : 0);
        if ((skip == 0 || n > 0) && !(closes && n == 0) && !add_line(t, t->line.p + skip, n)) return CLI_LINE_CLOSED;
        if (closes) return CLI_LINE;
        skip = 0;
        const cli_line_end end = read_line(t, "... ");
        if (end != CLI_LINE) return end;
    }
}

/* A message of one or more lines into t->message. */
static cli_line_end read_message(terminal *t)
{
    t->message.n = 0;
    cli_line_end end = read_line(t, "> ");
    if (end == CLI_LINE && t->line.n >= 3 && memcmp(t->line.p, "\"\"\"", 3) == 0) return read_block(t);
    while (end == CLI_LINE) {
        const bool goes_on = ends_with(&t->line, "\\");
        if (!add_line(t, t->line.p ? t->line.p : "", t->line.n - goes_on)) return CLI_LINE_CLOSED;
        if (!goes_on) break;
        end = read_line(t, "... ");
    }
    return end;
}

static next take_message(terminal *t)
{
    const char *text = t->message.p;
    if (t->message.n == 0 || text[strspn(text, " \t\n")] == '\0') return GO_ON;
    if (text[0] == '/' && text[1] != '/') return run_command(t, text + 1);
    ask(t, text[0] == '/' ? text + 1 : text);
    return t->lost ? QUIT : GO_ON;
}

static int talk(terminal *t)
{
    for (;;) {
        const cli_line_end end = read_message(t);
        if (end == CLI_LINE && take_message(t) == QUIT) return EXIT_DONE;
        if (cli_must_end()) return cli_fail(EXIT_CANCELLED, NULL, "cancelled");
        if (end == CLI_LINE_CLOSED) {
            fputc('\n', stderr);
            return EXIT_DONE;
        }
    }
}

static void greet(const terminal *t)
{
    einf_model_info info = EINF_INIT(einf_model_info);
    if (t->options->quiet || einf_model_get_info(t->c->engine->m, &info, NULL) != EINF_OK) return;
    say("%s, context of %u tokens. /help lists the commands; Ctrl-C stops an answer, Ctrl-D ends.",
        info.name[0] ? info.name : info.architecture, (unsigned)einf_session_n_ctx(t->c->s));
}

int cli_chat_terminal(cli_conversation *c)
{
    terminal t = { .c = c, .options = c->engine->options, .input = cli_line_input_open() };
    if (!t.input) return cli_fail(EXIT_FAILED, NULL, "the terminal cannot be used");
    cli_interrupt_keep();
    greet(&t);
    const int code = talk(&t);
    cli_line_input_close(&t.input);
    cli_bytes_free(&t.line);
    cli_bytes_free(&t.message);
    return code;
}
