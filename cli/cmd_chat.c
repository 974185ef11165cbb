/* SPDX-License-Identifier: MIT
 * cmd_chat.c - a conversation: with a person at a terminal, or with a program on a pipe.
 */
#include "cli/conversation.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/interrupt.h"

einf_status cli_conversation_fresh(cli_conversation *c, einf_chat **out, einf_error *err)
{
    return einf_chat_create(c->s, &c->layout.config, out, err);
}

void cli_conversation_replace(cli_conversation *c, einf_chat **fresh)
{
    einf_chat_destroy(&c->chat);
    c->chat = *fresh;
    *fresh = NULL;
}

einf_status cli_chat_add(einf_chat *chat, const char *role, const char *content, const char *extra_json,
                         einf_error *err)
{
    einf_message m = EINF_INIT(einf_message);
    m.role = role;
    m.content = content;
    m.extra_json = extra_json;
    return einf_chat_add(chat, &m, err);
}

const char *cli_chat_role(const einf_chat *chat, uint64_t i)
{
    einf_message m = EINF_INIT(einf_message);
    return einf_chat_get_message(chat, i, &m, NULL) == EINF_OK ? m.role : "";
}

/* Model, session and conversation. EXIT_DONE, or another exit code after a message. */
static int open_conversation(cli_conversation *c)
{
    cli_engine *e = c->engine;
    const cli_options *o = e->options;
    einf_error err = EINF_INIT(einf_error);
    if (cli_engine_open(e, o->model, 0, false, &err) != EINF_OK) return cli_print_error(&err, o->model);
    const int code = cli_vision_open_beside(e);
    if (code) return code;
    cli_layout_see(&c->layout, e);
    const double session_s = cli_now_s();
    const einf_session_config sc = cli_session_config(e);
    if (einf_session_create(e->m, &sc, &c->s, &err) != EINF_OK) return cli_print_error(&err, o->model);
    e->load_s += cli_now_s() - session_s;
    if (cli_conversation_fresh(c, &c->chat, &err) != EINF_OK) {
        if (err.code == EINF_E_TEMPLATE && !o->template_file)
            snprintf(err.hint, sizeof err.hint, "give one with --template FILE, or use edgeinfer run --raw");
        return cli_print_error(&err, o->template_file && err.code == EINF_E_TEMPLATE ? o->template_file : o->model);
    }
    if (o->system && cli_chat_add(c->chat, "system", o->system, NULL, &err) != EINF_OK)
        return cli_print_error(&err, NULL);
    (void)cli_watch_idle(o, e->profiler);
    return EXIT_DONE;
}

int cli_chat(const cli_options *o)
{
    cli_engine engine;
    cli_conversation c = { .engine = &engine };
    int code = cli_preprocess_check(o);
    if (code) return code;
    code = cli_engine_start(&engine, o);
    if (code == EXIT_DONE) code = cli_layout_read(o, &c.layout);
    if (code == EXIT_DONE) code = open_conversation(&c);
    if (code == EXIT_DONE) code = isatty(STDIN_FILENO) && !o->json ? cli_chat_terminal(&c) : cli_chat_pipe(&c);
    einf_chat_destroy(&c.chat);
    einf_session_destroy(&c.s, NULL);
    cli_pictures_free(&c.pictures);
    code = cli_engine_stop(&engine, code);
    cli_layout_free(&c.layout);
    return code;
}
