/* SPDX-License-Identifier: MIT
 * generation.h - what a single prompt and a conversation share: ids in, text given away, a result filled.
 */
#ifndef EINF_API_GENERATION_H
#define EINF_API_GENERATION_H

#include "engine/api/prompt_rows.h"

/* Where the ids of a prompt come from, and how to speak of it. */
typedef struct einf__prompt {
    einf_status (*make_ids)(void *user, einf__ids *out, einf_error *err);
    void *user;
    const char *name;       /* "the prompt" */
    const char *hint;       /* what to do when it is longer than the context */
    bool at_start;          /* nothing stands before the answer */
    einf__sights sights;    /* pictures, whose placeholders are among the ids */
} einf__prompt;

/* What became of it. */
typedef struct einf__answer {
    uint64_t n_bytes;       /* of text that was given away, in whole characters that the model finished */
    uint32_t n_prompt;      /* rows of the prompt; those behind are of the answer */
    int32_t last_id;        /* the token sampled last, when it has text and is not on the timeline; or -1 */
} einf__answer;

/** config NULL: the defaults, which are put there; result NULL: *unused is taken. Both checked, *result cleared. */
einf_status einf__generate_begin(const einf_generate_config **config, einf_result **result, einf_result *unused,
                                 einf_error *err);
/** Generate; the session has been entered, config and result begun. *answer is filled whatever the status. */
einf_status einf__generate(einf_session *s, const einf__prompt *prompt, const einf_generate_config *config,
                           einf_result *result, einf__answer *answer, einf_error *err);
/** The text of the answer again, from the timeline, which has not changed since. It is answer->n_bytes long; *out, of
 *  *out_bytes, is to be freed; NULL when there is none. EINF_E_NOMEM, EINF_E_LIMIT. */
einf_status einf__answer_text(const einf_session *s, const einf__answer *answer, char **out, uint64_t *out_bytes,
                              einf_error *err);

#endif
