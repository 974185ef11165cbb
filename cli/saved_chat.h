/* SPDX-License-Identifier: MIT
 * saved_chat.h - a conversation as two files: NAME, its messages, which is also a line for the pipe; and NAME.state,
 * what was computed for them, without which they are computed again.
 *
 * Of a picture NAME has the path, and NAME.state the rows. On loading its file is read again; where it changed, or
 * pictures are resized otherwise, what was computed from it on does not count any more.
 */
#ifndef CLI_SAVED_CHAT_H
#define CLI_SAVED_CHAT_H

#include "cli/conversation.h"

/** An exit code; a message if it is not 0. */
int cli_chat_save(const cli_conversation *c, const char *path);
/** The same; after a failure the conversation is as it was. *is_computed: the state was there and fits. */
int cli_chat_load(cli_conversation *c, const char *path, bool *is_computed);

#endif
