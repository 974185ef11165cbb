/* SPDX-License-Identifier: MIT
 * vocab_private.h - the insides of a vocabulary, shared by the files of engine/text that build and use it.
 *
 * Token texts stay in the file. A GGUF string array is `u64 length, bytes` over and over, so one offset a token gives
 * both ends of its text: it lies between its own length and the next token's. No length is ever read twice.
 */
#ifndef EINF_TEXT_VOCAB_PRIVATE_H
#define EINF_TEXT_VOCAB_PRIVATE_H

#include "engine/base/arena.h"
#include "engine/text/pretokenizer.h"
#include "engine/text/vocab.h"

typedef enum einf__vocab_kind { EINF__VOCAB_BPE, EINF__VOCAB_SPM, EINF__VOCAB_WORDPIECE } einf__vocab_kind;

/* What a token is. A token of an unused or undefined type has no bit: it prints as nothing. */
enum {
    EINF__TOKEN_NORMAL = 1,
    EINF__TOKEN_UNKNOWN = 2,
    EINF__TOKEN_CONTROL = 4,
    EINF__TOKEN_USER = 8,
    EINF__TOKEN_BYTE = 16,
    EINF__TOKEN_ENDS = 32,   /* ends an answer */
    EINF__TOKEN_LSTRIP = 64, /* takes the blanks before it along when it is found in a text */
    EINF__TOKEN_RSTRIP = 128 /* and those after it */
};

#define EINF__TEXT_PREFIX_BYTES 8u  /* the u64 before each string of an array */
#define EINF__MAX_SPECIAL_BYTES 256 /* longer spellings are not looked for in texts */
#define EINF__MAX_PROSE 16
#define EINF__MAX_PROBES 4096u      /* no honest vocabulary collides this often at half load */
#define EINF__NO_PAIR UINT32_MAX

struct einf__vocab {
    einf__memory *mem;
    uint64_t block_bytes; /* of the block that this struct begins */
    einf__vocab_kind kind;
    uint32_t n_tokens;
    char description[48];

    const char *texts;    /* the value of tokenizer.ggml.tokens, in the file */
    uint64_t texts_offset; /* of it, in the file, for messages */
    uint32_t *text_at;    /* [n_tokens + 1]: text of i is texts[text_at[i] + 8, text_at[i + 1]) */
    uint32_t max_text_bytes;
    uint8_t *attr;        /* [n_tokens] EINF__TOKEN_* */
    uint32_t *priority;   /* [n_tokens], SentencePiece: by descending score */

    uint64_t *slots;      /* text -> id, open addressing: hash >> 32 above id + 1, 0 empty */
    uint64_t slot_mask;

    uint64_t *pairs;      /* BPE (left id, right id) -> rank: key << rank_bits | rank + 1, 0 empty */
    uint64_t pair_mask;
    int32_t pair_shift;   /* of the hash: 64 - log2(slots) */
    int32_t id_bits, rank_bits;
    int32_t *merged;      /* [n_merges]: the token a merge makes, -1 for one that is skipped */
    uint32_t n_merges;

    int32_t *special;     /* [n_special <= special_cap] control, unknown and user-defined tokens, ascending by text */
    uint32_t n_special, special_cap;
    int32_t prose[EINF__MAX_PROSE]; /* normal tokens that are spelled like special ones: listed with them */
    uint32_t n_prose;
    uint32_t special_first[257]; /* those that begin with byte b: [special_first[b], special_first[b + 1]) */
    bool has_user;        /* some are user-defined: looked for in every text */
    bool has_strip;

    uint8_t *longest;     /* [65536], WordPiece: bytes of the longest token that begins with these two */
    uint8_t before_space[256]; /* SentencePiece: some token has this byte before a U+2581 inside */
    uint8_t before_ascii[256][16]; /* and before this ASCII character: bit c & 7 of byte c >> 3 */
    int32_t ascii_ids[128]; /* SentencePiece: the token that is this character, -1 none */
    int32_t byte_ids[256]; /* BPE: the letter of a byte; SentencePiece: its <0xXX>; -1 none */

    einf__special_ids ids;
    bool add_space_prefix, ignore_merges, lowercase, strip_accents;
    einf__pretokenizer *pre; /* BPE */
};

static inline const char *einf__token_text(const einf__vocab *v, uint32_t id)
{
    return v->texts + v->text_at[id] + EINF__TEXT_PREFIX_BYTES;
}

static inline uint32_t einf__token_bytes(const einf__vocab *v, uint32_t id)
{
    return v->text_at[id + 1] - v->text_at[id] - EINF__TEXT_PREFIX_BYTES;
}

/* vocab_index.c */

static inline uint64_t einf__load_u64(const char *p) { uint64_t u; memcpy(&u, p, sizeof u); return u; }
static inline uint64_t einf__load_u32(const char *p) { uint32_t u; memcpy(&u, p, sizeof u); return u; }

/* Of a short string: its bytes, loaded overlapping, through two multiplications. Both halves are good. */
static inline uint64_t einf__hash_text(const char *p, uint64_t n)
{
    uint64_t a = 0, b = 0;
    for (; n > 16; p += 8, n -= 8) {
        a = (a ^ einf__load_u64(p)) * UINT64_C(0x9e3779b97f4a7c15);
        a ^= a >> 29;
    }
    if (n >= 8) {
        a ^= einf__load_u64(p);
        b = einf__load_u64(p + n - 8);
    } else if (n >= 4) {
        a ^= einf__load_u32(p);
        b = einf__load_u32(p + n - 4);
    } else if (n > 0) {
        a ^= (uint64_t)(uint8_t)p[0] | (uint64_t)(uint8_t)p[n / 2] << 8 | (uint64_t)(uint8_t)p[n - 1] << 16;
    }
    uint64_t h = (a + n) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= (b ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
    h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 29;
}

/** -1: no such token. Of equal texts the first id is the one. */
int32_t einf__token_find(const einf__vocab *v, const char *text, uint64_t n_bytes);
/** Fill v->slots from the texts. EINF_E_FORMAT for texts made to collide. */
einf_status einf__token_index_build(einf__vocab *v, einf_error *err);
/** Slots that einf__vocab.slots needs for n entries: a power of two, at most two thirds full. */
uint64_t einf__table_slots(uint64_t n);
/** Fill v->pairs and v->merged from tokenizer.ggml.merges; *n_skipped counts those without a meaning: no blank inside,
 *  or pieces that are no tokens. */
einf_status einf__merges_build(einf__vocab *v, const einf__gguf_kv *merges, uint32_t *n_skipped, einf_error *err);
/** Rank of merging two tokens, EINF__NO_PAIR when they do not merge. */
uint32_t einf__pair_rank(const einf__vocab *v, int32_t left, int32_t right);

/* vocab_special.c */

/** Special ids by key, by default and by spelling; which tokens end an answer; strip attributes. */
einf_status einf__special_ids_read(einf__vocab *v, const einf__gguf *g, einf_error *err);
/** How many tokens spellings may make special, at most. */
uint32_t einf__special_spellings(void);
/** Fill and sort v->special, which has room for every token of a special type and einf__special_spellings() more. */
einf_status einf__special_list_build(einf__vocab *v, einf_error *err);

/* The letter of byte-level BPE that stands for a byte: printable ones stand for themselves, the others are moved to
 * U+0100 and up, in order. */
static inline uint32_t einf__byte_letter(uint8_t byte)
{
    if (byte <= 0x20) return 0x100u + byte;
    if (byte >= 0x7f && byte <= 0xa0) return 0x121u + (byte - 0x7fu);
    return byte == 0xad ? 0x143u : byte;
}

/* The byte of a letter, or -1. */
static inline int32_t einf__letter_byte(uint32_t letter)
{
    if (letter >= 0x100) {
        if (letter <= 0x120) return (int32_t)(letter - 0x100);
        if (letter <= 0x142) return (int32_t)(letter - 0x121 + 0x7f);
        return letter == 0x143 ? 0xad : -1;
    }
    return einf__byte_letter((uint8_t)letter) == letter ? (int32_t)letter : -1;
}

/** The byte that the spelling <0xXX> names, or -1. */
int32_t einf__byte_spelling(const char *text, uint64_t n_bytes);

#endif
