/* SPDX-License-Identifier: MIT
 * vocab_build.h - vocabularies of a few hundred tokens, one of each kind, as files that have nothing else; what is
 * text and what is not.
 */
#ifndef TESTS_VOCAB_BUILD_H
#define TESTS_VOCAB_BUILD_H

#include "tests/support/gguf_build.h"
#include "tests/support/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_USER = 4, TYPE_UNUSED = 5, TYPE_BYTE = 6 };

/* A growing list of tokens, for the arrays of a file. */
typedef struct tokens {
    char *texts[2048];
    size_t lens[2048];
    int32_t types[2048];
    float scores[2048];
    size_t n;
} tokens;

static inline int32_t tokens_add(tokens *t, const char *text, int32_t type, float score)
{
    assert_true(t->n < TEST_COUNT(t->texts));
    t->lens[t->n] = strlen(text);
    t->texts[t->n] = malloc(t->lens[t->n] + 1);
    assert_non_null(t->texts[t->n]);
    memcpy(t->texts[t->n], text, t->lens[t->n] + 1);
    t->types[t->n] = type;
    t->scores[t->n] = score;
    return (int32_t)t->n++;
}

static inline int32_t tokens_find(const tokens *t, const char *text)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->texts[i], text) == 0) return (int32_t)i;
    return -1;
}

static inline void tokens_free(tokens *t)
{
    for (size_t i = 0; i < t->n; i++) free(t->texts[i]);
    t->n = 0;
}

/* The three arrays; frees t. */
static inline void tokens_write(gguf_build *b, tokens *t, bool scores)
{
    gguf_build_strings(b, "tokenizer.ggml.tokens", (const char *const *)t->texts, t->lens, t->n);
    gguf_build_array(b, "tokenizer.ggml.token_type", GGUF_I32, t->types, t->n);
    if (scores) gguf_build_array(b, "tokenizer.ggml.scores", GGUF_F32, t->scores, t->n);
    tokens_free(t);
}

/* The letter of a byte in byte-level BPE, by its definition: the printable bytes of Latin-1 as they are, the others
 * numbered from U+0100. Room for 3 bytes. */
static inline void letter_of(uint32_t byte, char *utf8)
{
    uint32_t cp = 0, n_moved = 0;
    for (uint32_t b = 0; b <= byte; b++) {
        const bool kept = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
        cp = kept ? b : 256 + n_moved++;
    }
    if (cp < 0x80) {
        utf8[0] = (char)cp;
        utf8[1] = '\0';
    } else {
        utf8[0] = (char)(0xc0u | cp >> 6);
        utf8[1] = (char)(0x80u | (cp & 0x3fu));
        utf8[2] = '\0';
    }
}

static inline void add_letters(tokens *t)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        char letter[3];
        letter_of(byte, letter);
        (void)tokens_add(t, letter, TYPE_NORMAL, 0.0f);
    }
}

/* A byte-level BPE: ids 0..255 are the bytes in order, then what the merges make, then special tokens. */
enum { BPE_HELLO = 256 + 3, BPE_SPACE_HE = 256 + 5, BPE_START = 256 + 6, BPE_END, BPE_TOOL, BPE_TOOLS };
static const char *const bpe_merges[] = { "h e", "l l", "he ll", "hell o", "\xc4\xa0 h", "\xc4\xa0h e" };

static inline gguf_build *bpe_file(const char *pre)
{
    static const char *const made[] = { "he", "ll", "hell", "hello", "\xc4\xa0h", "\xc4\xa0he" };
    gguf_build *b = gguf_build_new();
    tokens t = { .n = 0 };
    gguf_build_str(b, "tokenizer.ggml.model", "gpt2");
    if (pre) gguf_build_str(b, "tokenizer.ggml.pre", pre);
    add_letters(&t);
    for (size_t i = 0; i < TEST_COUNT(made); i++) (void)tokens_add(&t, made[i], TYPE_NORMAL, 0.0f);
    (void)tokens_add(&t, "<|im_start|>", TYPE_CONTROL, 0.0f);
    (void)tokens_add(&t, "<|im_end|>", TYPE_CONTROL, 0.0f);
    (void)tokens_add(&t, "<tool>", TYPE_USER, 0.0f);
    (void)tokens_add(&t, "<tool><tool>", TYPE_USER, 0.0f);
    tokens_write(b, &t, false);
    gguf_build_strings(b, "tokenizer.ggml.merges", bpe_merges, NULL, TEST_COUNT(bpe_merges));
    gguf_build_u32(b, "tokenizer.ggml.bos_token_id", BPE_START);
    gguf_build_u32(b, "tokenizer.ggml.eos_token_id", BPE_END);
    return b;
}

/* A SentencePiece vocabulary: <unk>, <s>, </s>, the 256 bytes from id 3, then pieces. */
#define SP "\xe2\x96\x81"
enum { SPM_BYTE = 3, SPM_PIECES = 3 + 256 };

static inline void add_bytes(tokens *t)
{
    (void)tokens_add(t, "<unk>", TYPE_UNKNOWN, 0.0f);
    (void)tokens_add(t, "<s>", TYPE_CONTROL, 0.0f);
    (void)tokens_add(t, "</s>", TYPE_CONTROL, 0.0f);
    for (uint32_t byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        (void)tokens_add(t, text, TYPE_BYTE, 0.0f);
    }
}

/* Pieces in order: "_", h, e, l, o, "he", "ll", "_he", "hell", "_hello", "o_h" */
enum { SPM_SPACE = SPM_PIECES, SPM_H, SPM_E, SPM_L, SPM_O, SPM_HE, SPM_LL, SPM_SP_HE, SPM_HELL, SPM_SP_HELLO };

static inline gguf_build *spm_file(void)
{
    static const struct { const char *text; float score; } pieces[] = {
        { SP, -10 }, { "h", -11 }, { "e", -12 }, { "l", -13 }, { "o", -14 }, { "he", -2 }, { "ll", -1 },
        { SP "he", -3 }, { "hell", -4 }, { SP "hello", -5 }, { SP "hell", -6 },
    };
    gguf_build *b = gguf_build_new();
    tokens t = { .n = 0 };
    gguf_build_str(b, "tokenizer.ggml.model", "llama");
    add_bytes(&t);
    for (size_t i = 0; i < TEST_COUNT(pieces); i++) (void)tokens_add(&t, pieces[i].text, TYPE_NORMAL, pieces[i].score);
    tokens_write(b, &t, true);
    return b;
}

/* WordPiece: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, then words ("_" in front) and continuations. */
enum { WPM_UNK = 1, WPM_CLS, WPM_SEP, WPM_HELLO, WPM_HE, WPM_LLO, WPM_COMMA, WPM_ZHONG, WPM_S, WPM_A };

static inline gguf_build *wordpiece_file(void)
{
    static const char *const words[] = { SP "hello", SP "he", "llo", SP ",", SP "\xe4\xb8\xad", "s", SP "a" };
    gguf_build *b = gguf_build_new();
    tokens t = { .n = 0 };
    gguf_build_str(b, "tokenizer.ggml.model", "bert");
    (void)tokens_add(&t, "[PAD]", TYPE_CONTROL, 0.0f);
    (void)tokens_add(&t, "[UNK]", TYPE_CONTROL, 0.0f);
    (void)tokens_add(&t, "[CLS]", TYPE_CONTROL, 0.0f);
    (void)tokens_add(&t, "[SEP]", TYPE_CONTROL, 0.0f);
    for (size_t i = 0; i < TEST_COUNT(words); i++) (void)tokens_add(&t, words[i], TYPE_NORMAL, 0.0f);
    tokens_write(b, &t, false);
    gguf_build_u32(b, "tokenizer.ggml.unknown_token_id", WPM_UNK);
    gguf_build_u32(b, "tokenizer.ggml.cls_token_id", WPM_CLS);
    gguf_build_u32(b, "tokenizer.ggml.seperator_token_id", WPM_SEP);
    gguf_build_u32(b, "tokenizer.ggml.padding_token_id", 0);
    return b;
}

/* Strictly UTF-8, by the table of the standard? */
static inline bool is_utf8(const uint8_t *p, size_t n)
{
    while (n > 0) {
        const uint8_t b = p[0];
        const size_t len = b < 0x80 ? 1 : b < 0xc2 || b > 0xf4 ? 0 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
        if (len == 0 || len > n) return false;
        for (size_t i = 1; i < len; i++)
            if ((p[i] & 0xc0u) != 0x80) return false;
        if ((b == 0xe0 && p[1] < 0xa0) || (b == 0xed && p[1] > 0x9f) || (b == 0xf0 && p[1] < 0x90) ||
            (b == 0xf4 && p[1] > 0x8f))
            return false;
        p += len;
        n -= len;
    }
    return true;
}

#endif
