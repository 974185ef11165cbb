/* SPDX-License-Identifier: MIT
 * vocab.h - a tokenizer made from a GGUF file's metadata: text to ids and ids to text.
 *
 * Three models: byte-level BPE ("gpt2": pre-tokenizer by name, then merges by rank), SentencePiece BPE ("llama":
 * merges by score, byte fallback), WordPiece ("bert"). Ids agree with llama.cpp's, odd cases included.
 * Token texts stay in the file; the vocabulary owns its indexes, whose bytes are known before they are taken.
 * Threads: immutable after create; tokenise from any number of threads. Working memory comes from einf__memory, is
 * proportional to the text, and is freed before return.
 */
#ifndef EINF_TEXT_VOCAB_H
#define EINF_TEXT_VOCAB_H

#include "engine/gguf/gguf.h"

typedef struct einf__vocab einf__vocab;

typedef struct einf__vocab_options {
    bool any_pretokenizer;  /* unknown tokenizer.ggml.pre: use "default" and report through *warning */
} einf__vocab_options;

/** Build from g, which must outlive it. EINF_E_FORMAT, EINF_E_UNSUPPORTED (tokenizer or pre-tokenizer by name),
 *  EINF_E_NOMEM, EINF_E_LIMIT. warning: a static string or NULL, may be NULL itself. */
einf_status einf__vocab_create(einf__memory *mem, const einf__gguf *g, const einf__vocab_options *o, einf__vocab **out,
                               const char **warning, einf_error *err);
void einf__vocab_destroy(einf__vocab **v);

uint32_t einf__vocab_n_tokens(const einf__vocab *v);
/** Bytes taken from einf__memory. */
uint64_t einf__vocab_bytes(const einf__vocab *v);
/** "bpe qwen2", "spm", "wordpiece"; owned by v. */
const char *einf__vocab_describe(const einf__vocab *v);

/** The text stored for a token, not decoded. id in range. */
einf__bytes einf__vocab_token_text(const einf__vocab *v, int32_t id);
/** The id of an exact token text (any attribute), or -1. */
int32_t einf__vocab_find(const einf__vocab *v, const char *text, uint64_t n_bytes);
/** Control or user-defined token: one whose spelling einf__tokenize recognises with EINF_TOK_SPECIAL. */
bool einf__vocab_is_special(const einf__vocab *v, int32_t id);
/** Control token: prints as nothing. */
bool einf__vocab_is_control(const einf__vocab *v, int32_t id);
/** Ends an answer: EOS, EOT and the tokens known by their spelling (<|im_end|>, <|eot_id|>, <end_of_turn>, ...). */
bool einf__vocab_ends_answer(const einf__vocab *v, int32_t id);

typedef struct einf__special_ids {
    int32_t bos, eos, eot, unk, sep, pad, cls, mask; /* -1: none */
    bool add_bos, add_eos, add_sep;
} einf__special_ids;
const einf__special_ids *einf__vocab_special_ids(const einf__vocab *v);

/* A growing list of ids on einf__memory, or a counter over a caller's array. */
typedef struct einf__ids {
    int32_t *ids;
    uint64_t n;      /* how many there are, also beyond cap when not growing */
    uint64_t cap;
    einf__memory *mem; /* NULL: fixed; what does not fit is counted and dropped */
} einf__ids;
/** False only when growing failed for want of memory. */
bool einf__ids_push(einf__ids *list, int32_t id);
void einf__ids_deinit(einf__ids *list);

/** Append the ids of a text. flags: EINF_TOK_*. EINF_E_NOMEM; EINF_E_LIMIT for texts of 2^31 bytes and more. */
einf_status einf__tokenize(const einf__vocab *v, const char *text, uint64_t n_bytes, uint32_t flags, einf__ids *out,
                           einf_error *err);

/* Streaming detokenisation. A token may hold half a character; bytes wait here until it is whole. */
typedef struct einf__detok {
    const einf__vocab *v;
    uint8_t pending[8];
    int32_t n_pending;
    bool special;      /* print control tokens by their text */
    bool at_start;     /* SentencePiece drops the space before the first word of a text */
} einf__detok;
void einf__detok_init(einf__detok *d, const einf__vocab *v, bool special, bool at_start);
/** The longest whole-character text that id completes, into buf; returns its bytes. buf_bytes must be at least
 *  einf__detok_max_bytes(v). Bytes that can belong to no character come out as U+FFFD. */
uint64_t einf__detok_next(einf__detok *d, int32_t id, char *buf, uint64_t buf_bytes);
/** What is left at the end of a text (an unfinished character): U+FFFD for each byte sequence. */
uint64_t einf__detok_flush(einf__detok *d, char *buf, uint64_t buf_bytes);
/** Most bytes a single step can give. */
uint64_t einf__detok_max_bytes(const einf__vocab *v);

/** The raw bytes of ids as one text, n_ids of them: whole text decoding without U+FFFD repair. Writes at most
 *  buf_bytes and returns the full length. */
uint64_t einf__detokenize(const einf__vocab *v, const int32_t *ids, uint64_t n_ids, bool special, char *buf,
                          uint64_t buf_bytes);

#endif
