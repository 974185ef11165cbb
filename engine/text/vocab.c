/* SPDX-License-Identifier: MIT
 * vocab.c - making a vocabulary from the metadata of a file, and what it says of itself.
 *
 * Refuses arrays of another length or element type than the tokens demand, ids out of range, and tokenizers and
 * pre-tokenizers it does not know. What is odd but harmless loads: equal texts, empty ones, merges without a meaning,
 * byte tokens that name no byte. One block holds everything; its plan and its carving are one function, run twice.
 */
#include "engine/text/vocab_private.h"

#include <stdio.h>

#include "engine/base/checked_math.h"
#include "engine/base/half.h"

/* Eight times what is in use. A hostile file can make the tables at most some 30 times as large as an entry. */
#define MAX_TOKENS (1u << 21)
#define MAX_MERGES (1u << 22)

/* What the file has, checked, before any memory is taken. */
typedef struct inputs {
    einf__vocab_kind kind;
    const einf__gguf_kv *tokens, *scores, *types, *merges;
    const einf__pre_rule *rule;
    uint32_t n_tokens, n_special;
    int32_t id_bits;
} inputs;

static uint64_t value_offset(const einf__gguf *g, const einf__gguf_kv *kv)
{
    return (uint64_t)(kv->value - g->source->data);
}

/* ------------------------------------------------------------------------------------------------- reading -- */

static bool equals(einf__bytes text, const char *word)
{
    return text.n == strlen(word) && memcmp(text.p, word, (size_t)text.n) == 0;
}

static einf_status read_kind(const einf__gguf *g, einf__vocab_kind *kind, einf_error *err)
{
    einf__bytes model;
    EINF_TRY(einf__gguf_get_string(g, "tokenizer.ggml.model", EINF__REQUIRED, (einf__bytes){ NULL, 0 }, &model, err));
    if (equals(model, "gpt2")) *kind = EINF__VOCAB_BPE;
    else if (equals(model, "llama")) *kind = EINF__VOCAB_SPM;
    else if (equals(model, "bert")) *kind = EINF__VOCAB_WORDPIECE;
    else
        return einf__fail(err, EINF_E_UNSUPPORTED, value_offset(g, einf__gguf_find(g, "tokenizer.ggml.model")),
                          "tokenizer.ggml.model", "use a model with a gpt2, llama or bert tokenizer",
                          "tokenizer '%.*s' is not one of gpt2, llama, bert", (int)(model.n < 64 ? model.n : 64),
                          model.p);
    return EINF_OK;
}

static einf_status check_length(const einf__gguf *g, const char *key, const einf__gguf_kv *kv, uint64_t n_tokens,
                                einf_error *err)
{
    if (!kv || kv->n_items == n_tokens) return EINF_OK;
    return einf__fail(err, EINF_E_FORMAT, value_offset(g, kv), key, "convert the model again",
                      "%llu items for a vocabulary of %llu tokens", (unsigned long long)kv->n_items,
                      (unsigned long long)n_tokens);
}

static einf_status read_tokens(const einf__gguf *g, inputs *in, einf_error *err)
{
    EINF_TRY(einf__gguf_get_strings(g, "tokenizer.ggml.tokens", EINF__REQUIRED, &in->tokens, err));
    const uint64_t n = in->tokens->n_items;
    if (n == 0)
        return einf__fail(err, EINF_E_FORMAT, value_offset(g, in->tokens), "tokenizer.ggml.tokens",
                          "convert the model again", "the vocabulary has 0 tokens, at least 1 is needed");
    if (n > MAX_TOKENS || in->tokens->value_bytes > UINT32_MAX - 16)
        return einf__fail(err, EINF_E_LIMIT, value_offset(g, in->tokens), "tokenizer.ggml.tokens", NULL,
                          "%llu tokens of %llu bytes exceed the limits of %u tokens and 4 GiB", (unsigned long long)n,
                          (unsigned long long)in->tokens->value_bytes, MAX_TOKENS);
    in->n_tokens = (uint32_t)n;
    EINF_TRY(einf__gguf_get_floats(g, "tokenizer.ggml.scores", EINF__OPTIONAL, &in->scores, err));
    EINF_TRY(check_length(g, "tokenizer.ggml.scores", in->scores, n, err));
    EINF_TRY(einf__gguf_get_ints(g, "tokenizer.ggml.token_type", EINF__OPTIONAL, &in->types, err));
    EINF_TRY(check_length(g, "tokenizer.ggml.token_type", in->types, n, err));
    for (uint64_t i = 0; in->types && i < n; i++) {
        const int64_t type = einf__gguf_int_item(in->types, i);
        in->n_special += type >= 2 && type <= 4;
    }
    return EINF_OK;
}

static einf_status read_merges(const einf__gguf *g, inputs *in, einf_error *err)
{
    EINF_TRY(einf__gguf_get_strings(g, "tokenizer.ggml.merges", EINF__REQUIRED, &in->merges, err));
    in->id_bits = 1;
    while (UINT64_C(1) << in->id_bits < in->n_tokens) in->id_bits++;
    const uint64_t most = (UINT64_C(1) << (64 - 2 * in->id_bits)) - 2; /* what is left of an entry for the rank */
    const uint64_t limit = most < MAX_MERGES ? most : MAX_MERGES;
    if (in->merges->n_items > limit)
        return einf__fail(err, EINF_E_LIMIT, value_offset(g, in->merges), "tokenizer.ggml.merges", NULL,
                          "%llu merges exceed the limit of %llu", (unsigned long long)in->merges->n_items,
                          (unsigned long long)limit);
    return EINF_OK;
}

static einf_status read_rule(const einf__gguf *g, const einf__vocab_options *o, inputs *in, const char **warning,
                             einf_error *err)
{
    einf__bytes pre;
    EINF_TRY(einf__gguf_get_string(g, "tokenizer.ggml.pre", EINF__OPTIONAL, (einf__bytes){ "", 0 }, &pre, err));
    in->rule = einf__pre_rule_find(pre.p, pre.n);
    if (in->rule) return EINF_OK;
    if (pre.n > 0 && !(o && o->any_pretokenizer))
        return einf__fail(err, EINF_E_UNSUPPORTED, value_offset(g, einf__gguf_find(g, "tokenizer.ggml.pre")),
                          "tokenizer.ggml.pre", "set any_pretokenizer to go on with the default rules",
                          "pre-tokenizer '%.*s' is not known", (int)(pre.n < 64 ? pre.n : 64), pre.p);
    *warning = pre.n > 0 ? "the pre-tokenizer of this model is not known: its texts are cut by the default rules"
                         : "the file names no pre-tokenizer: texts are cut by the default rules";
    in->rule = einf__pre_rule_find("default", 7);
    return EINF_OK;
}

static einf_status read_inputs(const einf__gguf *g, const einf__vocab_options *o, inputs *in, const char **warning,
                               einf_error *err)
{
    EINF_TRY(read_kind(g, &in->kind, err));
    EINF_TRY(read_tokens(g, in, err));
    if (in->kind != EINF__VOCAB_BPE) return EINF_OK;
    EINF_TRY(read_merges(g, in, err));
    return read_rule(g, o, in, warning, err);
}

/* ------------------------------------------------------------------------------------------------ the block -- */

/* Over a counting arena *v stays NULL, and only sizes matter. */
static void carve(einf__arena *a, const inputs *in, einf__vocab **v)
{
    einf__vocab lost; /* what a counting run writes to */
    *v = EINF__CARVE(a, einf__vocab, 1);
    einf__vocab *to = *v ? *v : &lost;
    memset(to, 0, sizeof *to);
    const uint64_t n_slots = einf__table_slots(in->n_tokens);
    const uint64_t n_merges = in->merges ? in->merges->n_items : 0;
    const uint64_t n_pairs = in->merges ? einf__table_slots(n_merges) : 0;
    to->special_cap = in->n_special + einf__special_spellings();
    to->text_at = EINF__CARVE(a, uint32_t, (uint64_t)in->n_tokens + 1);
    to->attr = EINF__CARVE(a, uint8_t, in->n_tokens);
    to->slots = EINF__CARVE(a, uint64_t, n_slots);
    to->pairs = EINF__CARVE(a, uint64_t, n_pairs);
    to->merged = EINF__CARVE(a, int32_t, n_merges);
    to->special = EINF__CARVE(a, int32_t, to->special_cap);
    to->priority = EINF__CARVE(a, uint32_t, in->kind == EINF__VOCAB_SPM ? in->n_tokens : 0);
    to->longest = EINF__CARVE(a, uint8_t, in->kind == EINF__VOCAB_WORDPIECE ? 65536u : 0);
    to->slot_mask = n_slots - 1;
    to->pair_mask = n_pairs - 1;
    to->n_merges = (uint32_t)n_merges;
    to->n_tokens = in->n_tokens;
    to->kind = in->kind;
    to->id_bits = in->id_bits;
    to->rank_bits = 64 - 2 * in->id_bits;
    to->pair_shift = 64;
    for (uint64_t slots = n_pairs; slots > 1; slots /= 2) to->pair_shift--;
}

static einf_status create_block(einf__memory *mem, const inputs *in, einf__vocab **v, einf_error *err)
{
    einf__arena count = einf__arena_counting();
    void *block;
    carve(&count, in, v);
    if (count.failed)
        return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, "tokenizer.ggml.tokens", NULL,
                          "a vocabulary of %u tokens does not fit the address space", in->n_tokens);
    EINF_TRY(einf__alloc_or_fail(mem, count.used_bytes, "the vocabulary", &block, err));
    einf__arena a = einf__arena_over(block, count.used_bytes);
    carve(&a, in, v);
    (*v)->mem = mem;
    (*v)->block_bytes = count.used_bytes;
    memset((*v)->slots, 0, ((*v)->slot_mask + 1) * sizeof *(*v)->slots);
    if ((*v)->pairs) memset((*v)->pairs, 0, ((*v)->pair_mask + 1) * sizeof *(*v)->pairs);
    return EINF_OK;
}

/* ------------------------------------------------------------------------------------------------- filling -- */

static void fill_texts(einf__vocab *v, const einf__gguf *g, const einf__gguf_kv *tokens)
{
    v->texts = (const char *)tokens->value;
    v->texts_offset = value_offset(g, tokens);
    einf__cursor c = einf__gguf_strings_begin(tokens);
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        v->text_at[i] = (uint32_t)einf__cursor_offset(&c);
        const einf__bytes text = einf__gguf_strings_next(&c);
        if (text.n > v->max_text_bytes) v->max_text_bytes = (uint32_t)text.n;
    }
    v->text_at[v->n_tokens] = (uint32_t)einf__cursor_offset(&c);
}

static void fill_attributes(einf__vocab *v, const einf__gguf_kv *types)
{
    static const uint8_t of_type[7] = {
        0, EINF__TOKEN_NORMAL, EINF__TOKEN_UNKNOWN, EINF__TOKEN_CONTROL, EINF__TOKEN_USER, 0, EINF__TOKEN_BYTE
    };
    if (!types) memset(v->attr, EINF__TOKEN_NORMAL, v->n_tokens);
    for (uint32_t i = 0; types && i < v->n_tokens; i++) {
        const int64_t type = einf__gguf_int_item(types, i);
        v->attr[i] = type >= 0 && type < 7 ? of_type[type] : 0;
    }
}

/* The best score first, as an ordered integer; NaN last. EINF__NO_PAIR stays free. */
static uint32_t score_priority(float score)
{
    if (score != score) return EINF__NO_PAIR - 1;
    const uint32_t bits = einf__f32_bits(score + 0.0f); /* makes -0 and 0 equal */
    return bits & 0x80000000u ? bits : ~bits & 0x7fffffffu;
}

/* What stands before what inside a token: between two that never do, no merge can reach across. */
static void note_neighbours(einf__vocab *v, const uint8_t *text, uint32_t n)
{
    for (uint32_t j = 1; j < n; j++) {
        const uint8_t c = text[j];
        if (c < 0x80) v->before_ascii[text[j - 1]][c >> 3] |= (uint8_t)(1u << (c & 7));
        else if (n - j >= 3 && memcmp(text + j, "\xe2\x96\x81", 3) == 0) v->before_space[text[j - 1]] = 1;
    }
}

static void fill_spm(einf__vocab *v, const einf__gguf_kv *scores)
{
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        v->priority[i] = score_priority(scores ? einf__gguf_float_item(scores, i) : 0.0f);
        note_neighbours(v, (const uint8_t *)einf__token_text(v, i), einf__token_bytes(v, i));
    }
    for (uint32_t c = 0; c < 128; c++) {
        const char itself = (char)c;
        v->ascii_ids[c] = einf__token_find(v, &itself, 1);
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        const char hex[] = "0123456789ABCDEF";
        const char spelling[] = { '<', '0', 'x', hex[byte >> 4], hex[byte & 15], '>' };
        const char itself = (char)byte;
        v->byte_ids[byte] = einf__token_find(v, spelling, sizeof spelling);
        if (v->byte_ids[byte] < 0) v->byte_ids[byte] = einf__token_find(v, &itself, 1);
    }
}

static void fill_bpe_letters(einf__vocab *v)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        const uint32_t letter = einf__byte_letter((uint8_t)byte);
        const char utf8[] = { (char)(letter < 0x80 ? letter : 0xc0u | letter >> 6), (char)(0x80u | (letter & 0x3fu)) };
        v->byte_ids[byte] = einf__token_find(v, utf8, letter < 0x80 ? 1 : 2);
    }
}

static einf_status fill_wordpiece(einf__vocab *v, const einf__gguf *g, einf_error *err)
{
    memset(v->longest, 0, 65536);
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        const uint32_t n = einf__token_bytes(v, i);
        if (n < 2) continue;
        const uint8_t *text = (const uint8_t *)einf__token_text(v, i);
        uint8_t *longest = &v->longest[text[0] << 8 | text[1]];
        const uint8_t bytes = n < 255 ? (uint8_t)n : 255; /* longer ones are never matched */
        if (bytes > *longest) *longest = bytes;
    }
    EINF_TRY(einf__gguf_get_bool(g, "tokenizer.ggml.normalizer.lowercase", EINF__OPTIONAL, true, &v->lowercase, err));
    return einf__gguf_get_bool(g, "tokenizer.ggml.normalizer.strip_accents", EINF__OPTIONAL, v->lowercase,
                               &v->strip_accents, err);
}

/* What the tokenizer does unless the file says otherwise. */
static void set_defaults(einf__vocab *v, const einf__pre_rule *rule)
{
    const uint8_t flags = rule ? rule->flags : 0;
    v->ids.add_bos = v->kind != EINF__VOCAB_BPE || (flags & EINF__PRE_ADD_BOS);
    v->ids.add_sep = v->kind == EINF__VOCAB_WORDPIECE || (flags & EINF__PRE_ADD_SEP);
    v->ignore_merges = flags & EINF__PRE_IGNORE_MERGES;
    v->add_space_prefix = v->kind == EINF__VOCAB_SPM;
    if (rule) (void)snprintf(v->description, sizeof v->description, "bpe %s", rule->name);
    else memcpy(v->description, v->kind == EINF__VOCAB_SPM ? "spm" : "wordpiece", v->kind == EINF__VOCAB_SPM ? 4 : 10);
}

static einf_status fill_kind(einf__vocab *v, const einf__gguf *g, const inputs *in, const char **warning,
                             einf_error *err)
{
    uint32_t n_skipped = 0;
    switch (v->kind) {
    case EINF__VOCAB_BPE:
        fill_bpe_letters(v);
        EINF_TRY(einf__merges_build(v, in->merges, &n_skipped, err));
        if (n_skipped > 0 && !*warning) *warning = "some merges of the vocabulary have no meaning and were skipped";
        return einf__pretokenizer_create(v->mem, in->rule, &v->pre, err);
    case EINF__VOCAB_SPM:
        fill_spm(v, in->scores);
        return EINF_OK;
    default:
        return fill_wordpiece(v, g, err);
    }
}

static einf_status fill(einf__vocab *v, const einf__gguf *g, const inputs *in, const char **warning, einf_error *err)
{
    set_defaults(v, in->rule);
    fill_texts(v, g, in->tokens);
    fill_attributes(v, in->types);
    EINF_TRY(einf__token_index_build(v, err));
    if (v->kind == EINF__VOCAB_SPM)
        EINF_TRY(einf__gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", EINF__OPTIONAL, true, &v->add_space_prefix,
                                     err));
    EINF_TRY(einf__special_ids_read(v, g, err));
    EINF_TRY(einf__special_list_build(v, err));
    return fill_kind(v, g, in, warning, err);
}

einf_status einf__vocab_create(einf__memory *mem, const einf__gguf *g, const einf__vocab_options *o, einf__vocab **out,
                               const char **warning, einf_error *err)
{
    inputs in = { 0 };
    const char *said = NULL;
    einf__vocab *v;
    *out = NULL;
    EINF_TRY(read_inputs(g, o, &in, &said, err));
    EINF_TRY(create_block(mem, &in, &v, err));
    const einf_status status = fill(v, g, &in, &said, err);
    if (status != EINF_OK) {
        einf__vocab_destroy(&v);
        return status;
    }
    if (warning) *warning = said;
    *out = v;
    return EINF_OK;
}

void einf__vocab_destroy(einf__vocab **v)
{
    if (!v || !*v) return;
    einf__pretokenizer_destroy(&(*v)->pre);
    einf__free((*v)->mem, *v, (size_t)(*v)->block_bytes);
    *v = NULL;
}

/* ------------------------------------------------------------------------------------------------- asking -- */

uint32_t einf__vocab_n_tokens(const einf__vocab *v) { return v->n_tokens; }

uint64_t einf__vocab_bytes(const einf__vocab *v)
{
    return v->block_bytes + (v->pre ? einf__pretokenizer_bytes(v->pre) : 0);
}

const char *einf__vocab_describe(const einf__vocab *v) { return v->description; }

einf__bytes einf__vocab_token_text(const einf__vocab *v, int32_t id)
{
    return (einf__bytes){ einf__token_text(v, (uint32_t)id), einf__token_bytes(v, (uint32_t)id) };
}

int32_t einf__vocab_find(const einf__vocab *v, const char *text, uint64_t n_bytes)
{
    return einf__token_find(v, text, n_bytes);
}

static bool has_attr(const einf__vocab *v, int32_t id, uint8_t bits)
{
    return id >= 0 && (uint32_t)id < v->n_tokens && (v->attr[id] & bits);
}

bool einf__vocab_is_special(const einf__vocab *v, int32_t id)
{
    return has_attr(v, id, EINF__TOKEN_CONTROL | EINF__TOKEN_USER | EINF__TOKEN_UNKNOWN);
}

bool einf__vocab_is_control(const einf__vocab *v, int32_t id)
{
    return has_attr(v, id, EINF__TOKEN_CONTROL | EINF__TOKEN_UNKNOWN);
}

bool einf__vocab_ends_answer(const einf__vocab *v, int32_t id) { return has_attr(v, id, EINF__TOKEN_ENDS); }

const einf__special_ids *einf__vocab_special_ids(const einf__vocab *v) { return &v->ids; }
