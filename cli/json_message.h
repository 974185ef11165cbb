/* SPDX-License-Identifier: MIT
 * json_message.h - messages as JSON: {"role": "user", "content": "...", more that the template knows}.
 */
#ifndef CLI_JSON_MESSAGE_H
#define CLI_JSON_MESSAGE_H

#include "cli/conversation.h"

/** Fill *err with EINF_E_ARG, and return it. */
einf_status cli_refuse(einf_error *err, const char *where, const char *hint, const char *message);
/** Is a NUL spelled in the text of a JSON value? cJSON would end a string there without a word. */
bool cli_json_has_nul(const char *json);

/** Add a message to a conversation. What is no role and no content of it goes to the template as it is, "stop"
 *  excepted; so does content that is a list without pictures. Pictures are read, and told of at the end of `pictures`.
 */
einf_status cli_json_add_message(cli_engine *e, einf_chat *chat, const cJSON *message, bool needs_role,
                                 cli_pictures *pictures, einf_error *err);
/** All messages, an array. NULL: out of memory, or a picture that is not among `pictures`. */
cJSON *cli_json_messages(const einf_chat *chat, const cli_pictures *pictures);

#endif
