/* SPDX-License-Identifier: MIT
 * pretokenizer.h - cutting a text into the words that byte-level BPE merges within, as the vocabulary's name for its
 * rules (tokenizer.ggml.pre) demands.
 */
#ifndef EINF_TEXT_PRETOKENIZER_H
#define EINF_TEXT_PRETOKENIZER_H

#include "engine/base/memory.h"
#include "engine/gguf/gguf_cursor.h"

/* What a name means besides its patterns. */
enum {
    EINF__PRE_IGNORE_MERGES = 1, /* a word that is a token is that token, whatever the merges would make of it */
    EINF__PRE_ADD_BOS = 2,       /* when the file does not say */
    EINF__PRE_ADD_SEP = 4
};

typedef struct einf__pre_rule {
    const char *name;
    uint8_t patterns; /* index of a pattern list, private to pretokenizer_rules.c */
    uint8_t flags;    /* EINF__PRE_* */
} einf__pre_rule;

/** The rule of a name, NULL when there is none. */
const einf__pre_rule *einf__pre_rule_find(const char *name, uint64_t n_bytes);
/** Rule i, NULL past the last. */
const einf__pre_rule *einf__pre_rule_at(uint32_t i);
#define EINF__PRE_MAX_PATTERNS 6
/** The patterns of a rule, applied one after another, each within the pieces that the one before has made. */
const char *const *einf__pre_rule_patterns(const einf__pre_rule *rule, uint32_t *n);

typedef struct einf__pretokenizer einf__pretokenizer;
/** Compile. Its memory is counted by einf__pretokenizer_bytes, code of the JIT excepted, which PCRE2 maps itself. */
einf_status einf__pretokenizer_create(einf__memory *mem, const einf__pre_rule *rule, einf__pretokenizer **out,
                                      einf_error *err);
void einf__pretokenizer_destroy(einf__pretokenizer **p);
uint64_t einf__pretokenizer_bytes(const einf__pretokenizer *p);

/** A word: bytes [begin, end) of the text. False stops. */
typedef bool (*einf__word_fn)(void *arg, uint32_t begin, uint32_t end);
/** Call fn for every word of a text of valid UTF-8, in order, covering it without gaps. EINF_E_NOMEM also when fn
 *  stopped. Threads: any number at once. */
einf_status einf__pretokenize(const einf__pretokenizer *p, const char *text, uint32_t n_bytes, einf__word_fn fn,
                              void *arg, einf_error *err);

#endif
