/* SPDX-License-Identifier: MIT
 * chat_format.h - how a model was trained to see a conversation, for the templates in common use.
 *
 * A table of layouts, recognised by what is written in tokenizer.chat_template; the template itself is not run. What
 * the table does not know is refused, never guessed. Markup may become special tokens; the contents of messages never
 * do, whatever is spelled in them: they are cut into ids together with the plain markup around them, as one text.
 * Threads: everything here is constant.
 */
#ifndef EINF_TEXT_CHAT_FORMAT_H
#define EINF_TEXT_CHAT_FORMAT_H

#include "engine/text/vocab.h"

typedef struct einf__chat_format einf__chat_format;

typedef struct einf__chat_message {
    einf__bytes role;    /* "system", "user" or "assistant" */
    einf__bytes content; /* any bytes */
} einf__chat_message;

/** The format of a template, or NULL when it is none of ours. Static. */
const einf__chat_format *einf__chat_format_recognise(einf__bytes chat_template);
/** "llama3", "chatml", "gemma", ...: static string. */
const char *einf__chat_format_name(const einf__chat_format *f);

/** Append the ids of a conversation and of the opening of the assistant's turn to *out. The beginning-of-text token
 *  comes first where the vocabulary or the template asks for it, once. A conversation that has no system message gets
 *  the one that chat_template (which was recognised as f) gives it, if any.
 *  EINF_E_ARG: no message, a role that is none of the three, a system message where the format has no place for one.
 *  EINF_E_NOMEM, EINF_E_LIMIT as einf__tokenize. Working memory of the size of the longest turn comes from mem. */
einf_status einf__chat_format_tokenize(einf__memory *mem, const einf__chat_format *f, einf__bytes chat_template,
                                       const einf__vocab *v, const einf__chat_message *messages, uint64_t n_messages,
                                       einf__ids *out, einf_error *err);

#endif
