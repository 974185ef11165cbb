/* SPDX-License-Identifier: MIT
 * chat_layout.h - how conversations become prompts: an einf_chat_config, checked, with its template at hand.
 */
#ifndef EINF_API_CHAT_LAYOUT_H
#define EINF_API_CHAT_LAYOUT_H

#include "engine/api/api_internal.h"
#include "engine/text/chat_prompt.h"

typedef struct einf__layout {
    const einf_model *m;
    const einf__template *compiled;
    einf__template *own;      /* compiled from a template_text, or NULL: the file's is used */
    einf__bytes tools_json, vars_json; /* borrowed */
    bool continue_answer;
    int64_t now_s;
} einf__layout;

/** config may be NULL; its JSON texts must outlive *out. EINF_E_TEMPLATE: there is no template that compiles.
 *  *out needs no deinit after a failure. */
einf_status einf__layout_init(const einf_model *m, const einf_chat_config *config, einf__layout *out, einf_error *err);
void einf__layout_deinit(einf__layout *l);

/** A message as templates see it: views. The caller's struct is checked; i is its place in the list, for errors. */
einf_status einf__message_view(const einf_message *message, uint64_t i, einf__template_message *out, einf_error *err);

/** Append the ids of a conversation to *out. */
einf_status einf__layout_ids(const einf__layout *l, const einf__template_message *messages, uint64_t n_messages,
                             einf__ids *out, einf_error *err);
/** Its text. *out: zero but for mem. */
einf_status einf__layout_render(const einf__layout *l, const einf__template_message *messages, uint64_t n_messages,
                                einf__rendered *out, einf_error *err);

#endif
