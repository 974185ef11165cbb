/* SPDX-License-Identifier: MIT
 * template.h - the chat templates that come with models: a sandboxed interpreter of the Jinja they use.
 *
 * A template is a program from a file nobody vouches for. It sees the values it is given and nothing else: no files, no
 * attributes of the host, no calls but its own macros and the built-in filters, tests and methods. Steps, nesting,
 * memory and output are bounded, so every render ends.
 *
 * Semantics are those of Jinja 3.1 as Hugging Face sets it up: trim_blocks, lstrip_blocks, break and continue,
 * raise_exception(text), strftime_now(format), tojson that does not escape non-ASCII, {% generation %} ignored.
 *
 * Marks: every byte of every string knows whether it came from the template's own text (markup) or from a value of the
 * conversation (input), and keeps that through concatenation, slices, filters and methods. A tokenizer makes special
 * tokens of markup alone, so what a user types cannot become one.
 * Threads: a compiled template is immutable, and any number may render it at once.
 */
#ifndef EINF_TEXT_TEMPLATE_H
#define EINF_TEXT_TEMPLATE_H

#include <stdbool.h>

#include "engine/base/memory.h"
#include "engine/base/status.h"
#include "engine/gguf/gguf_cursor.h"

typedef struct einf__template einf__template;

/** Compile. source is copied. EINF_E_TEMPLATE with the line and column in the message, the byte of source as offset;
 *  EINF_E_LIMIT: more than 1 MiB of source, or nested too deep; EINF_E_NOMEM. */
einf_status einf__template_compile(einf__memory *mem, einf__bytes source, einf__template **out, einf_error *err);
void einf__template_free(einf__template **t);
/** Bytes taken from einf__memory, for the plan of a model. t may be NULL: 0. */
uint64_t einf__template_bytes(const einf__template *t);

/* A variable that a template sees at its top level. Views; they outlive the render. */
typedef enum einf__var_kind {
    EINF__VAR_TEXT,   /* a string */
    EINF__VAR_JSON,   /* any JSON value; objects and arrays become mappings and lists, null becomes none */
    EINF__VAR_BOOL
} einf__var_kind;
typedef struct einf__template_var {
    const char *name;
    einf__var_kind kind;
    einf__bytes text;  /* of TEXT and JSON */
    bool flag;         /* of BOOL */
    bool markup;       /* TEXT: trusted, as bos_token; everything else is input */
} einf__template_var;

/* One message: role (markup when it is a word, for templates that write '<|' + role + '|>'), content ({NULL, 0}: none)
 * and the members of a JSON object (or {NULL, 0}) beside them, which come last and so may replace them. With parts the
 * content is a list, as templates of models that see expect it: {"type": "text", "text": ...} and {"type": "image"}. */
typedef struct einf__template_message {
    einf__bytes role, content, extra_json;
    const einf_part *parts; /* [n_parts] */
    uint32_t n_parts;
} einf__template_message;

typedef struct einf__template_input {
    const einf__template_message *messages; /* become the variable "messages" */
    uint64_t n_messages;
    const einf__template_var *vars;
    uint64_t n_vars;
    einf__bytes more_vars_json; /* a JSON object of further variables, which may hide the others; {NULL, 0}: none */
    int64_t now_s;     /* Unix time that strftime_now shows, in UTC, with English names */
} einf__template_input;

/* What a render wrote: text, and which of its bytes are markup. */
typedef struct einf__rendered {
    einf__memory *mem;
    char *text;        /* [n_bytes], owned; not NUL-terminated */
    uint8_t *markup;   /* [n_bytes] 1: from the template, 0: from a value; owned */
    uint64_t n_bytes, cap_bytes;
} einf__rendered;
void einf__rendered_deinit(einf__rendered *r);

/** Render. *out must be zero but for mem. EINF_E_TEMPLATE: raise_exception (its text is the message), a name, type or
 *  call that Jinja would refuse too, with line and column; EINF_E_ARG: JSON that is none, with its byte;
 *  EINF_E_LIMIT: steps, depth, memory or output. Nothing is left in *out after a failure. */
einf_status einf__template_render(const einf__template *t, const einf__template_input *in, einf__rendered *out,
                                  einf_error *err);

#endif
