/* SPDX-License-Identifier: MIT
 * pretokenizer_rules.c - the names of tokenizer.ggml.pre and the patterns they stand for.
 *
 * Facts from the tokenizers' own configurations, as llama.cpp reads them: its ids are the measure. The patterns are
 * written for PCRE2 with UTF and UCP, so that matching needs constant stack: a class of letters takes the place of a
 * repeated group, and white space is spelled out, for PCRE2's \s has U+180E besides. A name is listed when its words
 * were compared with llama.cpp's over a corpus of all scripts; others are refused by name.
 */
#include "engine/text/pretokenizer.h"

#include <string.h>

#define W "\\t-\\r \\x{85}\\p{Z}" /* white space, within a class */
#define CONTRACTION "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
#define WORD "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define MARKS " ?[^" W "\\p{L}\\p{N}]+[\\r\\n]*"
#define BLANKS "[" W "]*[\\r\\n]+|[" W "]+(?![^" W "])|[" W "]+"
/* Behind blanks that were found to have no newline after them: not to look again saves quadratic time. */
#define IN_NO_RUN "(?<![\\t\\x{b}\\f \\x{85}\\p{Z}])"
#define GPT2 "'(?:[stmd]|re|ve|ll)| ?\\p{L}+| ?\\p{N}+| ?[^" W "\\p{L}\\p{N}]+|[" W "]+(?![^" W "])"
#define QWEN2 CONTRACTION "|" WORD "|\\p{N}|" MARKS "|" BLANKS
/* Letters but a-z, then letters but A-Z, one of each kind at least once. */
#define CASED(upper, lower, tail) \
    "[^\\r\\n\\p{L}\\p{N}]?" upper "*" lower "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" upper "+" lower "*" tail
#define UPPER "[^\\P{L}a-z]"
#define LOWER "[^\\P{L}A-Z]"
#define UPPER_MARKED "[^\\p{N}\\p{P}\\p{S}\\p{Z}\\p{C}a-z]" /* combining marks, too */
#define LOWER_MARKED "[^\\p{N}\\p{P}\\p{S}\\p{Z}\\p{C}A-Z]"
#define MARKS_SLASH " ?[^" W "\\p{L}\\p{N}]+[\\r\\n/]*"
#define ASCII_PUNCT "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"
#define DEEPSEEK3 ASCII_PUNCT "[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" BLANKS
#define CJK "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{30ff}]+"
/* U+0800..U+4E00 and Hangul, without the white space in between. */
#define DEEPSEEK_CJK \
    "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}" \
    "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+"
#define BLOOM " ?[^" W "(|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}\\x{60c})]+"

/* The letters of deepseek-llm: cased ones of all scripts, as of the Unicode version its makers used. */
#define DEEPSEEK_LETTERS \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}\\x{295}-\\x{2af}" \
    "\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}" \
    "\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}" \
    "\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}" \
    "\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}" \
    "\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}" \
    "\\x{1fbe}\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}" \
    "\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}" \
    "\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}" \
    "\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}" \
    "\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{a771}-\\x{a787}" \
    "\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}" \
    "\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}" \
    "\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}"

enum {
    P_DEFAULT, P_LLAMA3, P_JAIS2, P_DEEPSEEK_LLM, P_DEEPSEEK3, P_SPARK, P_YOUTU, P_DEEPSEEK_CODER, P_FALCON,
    P_STARCODER, P_GPT2, P_QWEN2, P_QWEN35, P_BLOOM, P_VIKING, P_TEKKEN, P_CHAMELEON, P_GPT4O, P_GRANITE_EMB, P_BAILING,
    P_SEED_CODER, P_UFAKZEKA, P_LAGUNA, P_EXAONE_MOE, P_MINICPM5, N_PATTERN_LISTS
};

static const char *const pattern_lists[N_PATTERN_LISTS][EINF__PRE_MAX_PATTERNS + 1] = {
    [P_DEFAULT] = { "[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]" },
    [P_LLAMA3] = { CONTRACTION "|" WORD "|\\p{N}{1,3}|" MARKS "|" BLANKS },
    [P_JAIS2] = { CONTRACTION "|" WORD "|\\p{N}{1,3}|" MARKS "|" IN_NO_RUN "[" W "]*[\\r\\n]+|[" W "]{512}(?![^" W
                  "])|[" W "]{256}(?![^" W "])|[" W "]{128}(?![^" W "])|[" W "]{64}(?![^" W "])|[" W "]{32}(?![^" W
                  "])|[" W "]{16}(?![^" W "])|[" W "]{8}(?![^" W "])|[" W "]{4}(?![^" W "])|[" W "]{1,2}(?![^" W
                  "])|[" W "]" },
    [P_DEEPSEEK_LLM] = { "[\\r\\n]", "[" W "]?[" DEEPSEEK_LETTERS "]+",
                         "[" W "]?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}"
                         "\\x{3001}-\\x{3002}]+",
                         "(?<![" W "])[" W "]++\\z", DEEPSEEK_CJK, "\\p{N}+" },
    [P_DEEPSEEK3] = { "\\p{N}{1,3}", CJK, DEEPSEEK3 },
    [P_SPARK] = { "\\p{N}{1,3}", CJK,
                  ASCII_PUNCT "[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+|[\\r\\n]|[" W
                  "]+(?![^" W "])|[" W "]+", "\\p{N}" },
    [P_YOUTU] = { "[\\x{ac00}-\\x{d7a3}\\x{3131}-\\x{318e}]+|[\\x{ff01}\\x{2026}\\x{201c}\\x{201d}\\x{2018}\\x{2019}"
                  "\\x{2014}\\x{ff1a}\\x{ff1b}\\x{ff0c}\\x{3001}-\\x{303f}\\x{fe30}-\\x{fe4f}]+|"
                  "[\\x{3105}-\\x{312f}]+|" CJK,
                  "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+(?:" CONTRACTION ")?|\\p{N}|" MARKS_SLASH "|" BLANKS },
    [P_DEEPSEEK_CODER] = { "[\\r\\n]", "[" W "]?\\p{L}+", "[" W "]?\\p{P}+", DEEPSEEK_CJK, "\\p{N}" },
    [P_FALCON] = { "[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]" },
    [P_STARCODER] = { "\\p{N}", GPT2 },
    [P_GPT2] = { GPT2 },
    [P_QWEN2] = { QWEN2 },
    [P_QWEN35] = { CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^" W "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|"
                   BLANKS },
    [P_BLOOM] = { BLOOM },
    [P_VIKING] = { BLOOM, "\\p{N}" },
    [P_TEKKEN] = { CASED(UPPER, LOWER, "") "|\\p{N}|" MARKS_SLASH "|" BLANKS },
    [P_CHAMELEON] = { "<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", "[\\t\\n]|    |  ", "\\p{N}", "[\\p{P}!-/:-@\\[-`{-~]",
                      GPT2 },
    [P_GPT4O] = { CASED(UPPER, LOWER, "(?:" CONTRACTION ")?") "|\\p{N}{1,3}|" MARKS_SLASH "|" BLANKS },
    [P_GRANITE_EMB] = { CASED(UPPER_MARKED, LOWER_MARKED, "(?:" CONTRACTION ")?") "|\\p{N}{1,3}|" MARKS_SLASH "|"
                        BLANKS },
    [P_BAILING] = { CONTRACTION "|" WORD "|\\p{N}|" MARKS "|[" W "]*[\\r\\n]|[" W "]+(?![^" W "])|[" W "]+" },
    [P_SEED_CODER] = { CONTRACTION "|" WORD "|\\p{N}| ?[^" W "\\p{L}\\p{N}]+|" BLANKS },
    [P_UFAKZEKA] = { WORD "|\\p{N}|" MARKS "|" BLANKS },
    [P_LAGUNA] = { "[^\\n]+|\\n+", QWEN2 },
    [P_EXAONE_MOE] = { CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}[\\p{L}\\p{M}]*+(?: \\p{L}[\\p{L}\\p{M}]*+)*+|\\p{N}"
                       "| ?[^" W "\\p{L}\\p{N}]+[\\r\\n/]?|[" W "]*[\\r\\n]|[" W "]+(?![^" W "])|[" W "]+" },
    [P_MINICPM5] = { "\\p{N}{1,3}", CONTRACTION "|" WORD "|\\p{N}+|" MARKS "|" BLANKS },
};

enum { IGNORE = EINF__PRE_IGNORE_MERGES, BOS = EINF__PRE_ADD_BOS, SEP = EINF__PRE_ADD_SEP };

static const einf__pre_rule rules[] = {
    { "default", P_DEFAULT, 0 },
    { "llama-bpe", P_LLAMA3, IGNORE | BOS },   { "llama3", P_LLAMA3, IGNORE | BOS },
    { "llama-v3", P_LLAMA3, IGNORE | BOS },    { "falcon3", P_LLAMA3, IGNORE | BOS },
    { "falcon-h1", P_LLAMA3, IGNORE | BOS },   { "pixtral", P_LLAMA3, IGNORE | BOS },
    { "midm-2.0", P_LLAMA3, IGNORE | BOS },    { "lfm2", P_LLAMA3, IGNORE | BOS },
    { "jina-v5-nano", P_LLAMA3, IGNORE | BOS },
    { "dbrx", P_LLAMA3, 0 },                   { "smaug-bpe", P_LLAMA3, 0 },
    { "chatglm-bpe", P_LLAMA3, 0 },            { "glm4", P_LLAMA3, IGNORE },
    { "glm5", P_LLAMA3, IGNORE },
    { "qwen2", P_QWEN2, 0 },                   { "deepseek-r1-qwen", P_QWEN2, 0 },
    { "kormo", P_QWEN2, 0 },                   { "f2llmv2", P_QWEN2, 0 },
    { "megrez", P_QWEN2, 0 },                  { "stablelm2", P_QWEN2, 0 },
    { "hunyuan", P_QWEN2, 0 },                 { "solar-open", P_QWEN2, 0 },
    { "grok-2", P_QWEN2, 0 },                  { "qwen35", P_QWEN35, 0 },
    { "gpt-2", P_GPT2, 0 },                    { "phi-2", P_GPT2, 0 },
    { "jina-es", P_GPT2, 0 },                  { "jina-de", P_GPT2, 0 },
    { "jina-v2-es", P_GPT2, 0 },               { "jina-v2-de", P_GPT2, 0 },
    { "gigachat", P_GPT2, 0 },                 { "a.x-4.0", P_GPT2, 0 },
    { "mellum", P_GPT2, 0 },                   { "modern-bert", P_GPT2, 0 },
    { "exaone4", P_GPT2, 0 },                  { "mpt", P_GPT2, 0 },
    { "olmo", P_GPT2, 0 },                     { "jais", P_GPT2, 0 },
    { "trillion", P_GPT2, 0 },                 { "granite-docling", P_GPT2, 0 },
    { "jina-v1-en", P_GPT2, SEP },             { "jina-v2-code", P_GPT2, SEP },
    { "roberta-bpe", P_GPT2, SEP },
    { "starcoder", P_STARCODER, 0 },           { "refact", P_STARCODER, 0 },
    { "command-r", P_STARCODER, 0 },           { "smollm", P_STARCODER, 0 },
    { "codeshell", P_STARCODER, 0 },           { "exaone", P_STARCODER, 0 },
    { "minerva-7b", P_STARCODER, 0 },          { "mellum2", P_STARCODER, 0 },
    { "falcon", P_FALCON, 0 },                 { "jais-2", P_JAIS2, 0 },
    { "deepseek-llm", P_DEEPSEEK_LLM, 0 },     { "deepseek-coder", P_DEEPSEEK_CODER, 0 },
    { "deepseek-v3", P_DEEPSEEK3, 0 },         { "hunyuan-dense", P_DEEPSEEK3, 0 },
    { "joyai-llm", P_DEEPSEEK3, 0 },           { "hy_v4", P_DEEPSEEK3, 0 },
    { "spark2_5", P_SPARK, 0 },                { "youtu", P_YOUTU, IGNORE },
    { "bloom", P_BLOOM, 0 },                   { "poro-chat", P_BLOOM, 0 },
    { "gpt3-finnish", P_BLOOM, 0 },            { "viking", P_VIKING, 0 },
    { "tekken", P_TEKKEN, IGNORE | BOS },      { "chameleon", P_CHAMELEON, BOS },
    { "gpt-4o", P_GPT4O, 0 },                  { "llama4", P_GPT4O, 0 },
    { "kanana2", P_GPT4O, 0 },                 { "talkie", P_GPT4O, 0 },
    { "minimax-m2", P_GPT4O, 0 },              { "granite-embed-multi-97m", P_GRANITE_EMB, IGNORE },
    { "bailingmoe", P_BAILING, 0 },            { "bailingmoe2", P_BAILING, 0 },
    { "llada-moe", P_BAILING, 0 },             { "seed-coder", P_SEED_CODER, 0 },
    { "ufakzeka", P_UFAKZEKA, 0 },             { "laguna", P_LAGUNA, 0 },
    { "exaone-moe", P_EXAONE_MOE, 0 },         { "minicpm5", P_MINICPM5, IGNORE },
};

const einf__pre_rule *einf__pre_rule_at(uint32_t i)
{
    return i < sizeof rules / sizeof rules[0] ? &rules[i] : NULL;
}

const einf__pre_rule *einf__pre_rule_find(const char *name, uint64_t n_bytes)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strlen(rules[i].name) == n_bytes && memcmp(rules[i].name, name, (size_t)n_bytes) == 0) return &rules[i];
    return NULL;
}

const char *const *einf__pre_rule_patterns(const einf__pre_rule *rule, uint32_t *n)
{
    const char *const *list = pattern_lists[rule->patterns];
    *n = 0;
    while (list[*n]) ++*n;
    return list;
}
