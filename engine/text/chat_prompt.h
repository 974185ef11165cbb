/* SPDX-License-Identifier: MIT
 * chat_prompt.h - a conversation as the model was trained to see it: template, variables, and the cut into ids.
 *
 * The variables are Hugging Face's: messages, tools, add_generation_prompt, bos_token, eos_token, and what the caller
 * adds. Markup may become special tokens; contents never do, whatever is spelled in them: they are cut into ids
 * together with the plain markup around them, as one text. The beginning-of-text token stands first, once, where the
 * vocabulary asks for it, whether or not the template writes it.
 * Threads: any number on one template and vocabulary.
 */
#ifndef EINF_TEXT_CHAT_PROMPT_H
#define EINF_TEXT_CHAT_PROMPT_H

#include "engine/text/template.h"
#include "engine/text/vocab.h"

typedef struct einf__chat_prompt {
    const einf__template_message *messages;
    uint64_t n_messages;
    einf__bytes tools_json;   /* a JSON array, or {NULL, 0}: none */
    einf__bytes vars_json;    /* a JSON object of further variables, or {NULL, 0} */
    bool continue_answer;     /* no opening of an assistant's turn at the end */
    int64_t now_s;
} einf__chat_prompt;

/** Render. Errors as einf__template_render. */
einf_status einf__chat_prompt_render(const einf__template *t, const einf__vocab *v, const einf__chat_prompt *p,
                                     einf__rendered *out, einf_error *err);
/** Render and append the ids to *out. Errors besides: those of einf__tokenize. */
einf_status einf__chat_prompt_ids(einf__memory *mem, const einf__template *t, const einf__vocab *v,
                                  const einf__chat_prompt *p, einf__ids *out, einf_error *err);

#endif
