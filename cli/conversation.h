/* SPDX-License-Identifier: MIT
 * conversation.h - what a terminal and a pipe share of `edgeinfer chat`.
 */
#ifndef CLI_CONVERSATION_H
#define CLI_CONVERSATION_H

#include "cli/answer.h"

typedef struct cli_conversation {
    cli_engine *engine;
    einf_session *s;
    einf_chat *chat;
    cli_layout layout;
    cli_pictures pictures;    /* at a terminal: of the conversation, and from n_given on of the next message */
    uint32_t n_given;
} cli_conversation;

/** A new, empty conversation over the same session. */
einf_status cli_conversation_fresh(cli_conversation *c, einf_chat **out, einf_error *err);
/** Put it in place of the present one, which is destroyed. */
void cli_conversation_replace(cli_conversation *c, einf_chat **fresh);
/** einf_chat_add. content, extra_json: may be NULL. */
einf_status cli_chat_add(einf_chat *chat, const char *role, const char *content, const char *extra_json,
                         einf_error *err);
/** Role of message i; "" when there is none. */
const char *cli_chat_role(const einf_chat *chat, uint64_t i);

/** Talk until the input ends. The exit code. */
int cli_chat_terminal(cli_conversation *c);
int cli_chat_pipe(cli_conversation *c);

#endif
