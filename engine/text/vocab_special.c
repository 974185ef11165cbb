/* SPDX-License-Identifier: MIT
 * vocab_special.c - tokens with a part to play: their ids, which of them end an answer, which are looked for in texts.
 *
 * Ids come from keys of the file, then from defaults of the tokenizer, then from spellings, for files name few of
 * them. A token that everybody spells <|im_end|> ends an answer whatever type the file gives it. Spellings that may
 * stand in honest prose (</s>) count only when the file does not call the token normal; llama.cpp hides such tokens
 * and stops at them. Looked for in texts they are in both.
 */
#include "engine/text/vocab_private.h"

enum { EOT, EOM, FIM_PRE, FIM_SUF, FIM_MID, FIM_PAD, FIM_REP, FIM_SEP, N_ROLES, NO_ROLE = N_ROLES };
enum { ENDS = 1, WEAK = 2 }; /* ends an answer; not when the token is a normal one */

static const struct { const char *text; uint8_t role, flags; } spellings[] = {
    /* in order of preference within a role */
    { "<|eot_id|>", EOT, ENDS }, { "<|im_end|>", EOT, ENDS }, { "<|end|>", EOT, ENDS },
    { "<end_of_turn>", EOT, ENDS }, { "<|endoftext|>", EOT, ENDS }, { "<|end_of_text|>", EOT, ENDS },
    { "<EOT>", EOT, ENDS | WEAK }, { "_<EOT>", EOT, ENDS | WEAK }, { "[EOT]", EOT, ENDS | WEAK },
    { "<\xef\xbd\x9c" "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>", EOT, ENDS },
    { "<end_of_utterance>", EOT, ENDS },
    { "<|eom_id|>", EOM, ENDS },
    { "<|return|>", NO_ROLE, ENDS }, { "<|call|>", NO_ROLE, ENDS }, { "<|calls|>", NO_ROLE, ENDS },
    { "<|flush|>", NO_ROLE, ENDS }, { "<turn|>", NO_ROLE, ENDS }, { "<|tool_response>", NO_ROLE, ENDS },
    { "</s>", NO_ROLE, ENDS | WEAK }, { "<eos>", NO_ROLE, ENDS | WEAK }, { "[EOS]", NO_ROLE, ENDS | WEAK },
    { "[e~[", NO_ROLE, ENDS | WEAK },
    { "<|fim_prefix|>", FIM_PRE, 0 }, { "<fim-prefix>", FIM_PRE, 0 }, { "<fim_prefix>", FIM_PRE, 0 },
    { "<\xef\xbd\x9c" "fim\xe2\x96\x81" "begin\xef\xbd\x9c>", FIM_PRE, 0 }, { "<PRE>", FIM_PRE, WEAK },
    { "\xe2\x96\x81<PRE>", FIM_PRE, WEAK }, { "<|code_prefix|>", FIM_PRE, 0 }, { "<|prefix|>", FIM_PRE, 0 },
    { "<|fim_suffix|>", FIM_SUF, 0 }, { "<fim-suffix>", FIM_SUF, 0 }, { "<fim_suffix>", FIM_SUF, 0 },
    { "<\xef\xbd\x9c" "fim\xe2\x96\x81hole\xef\xbd\x9c>", FIM_SUF, 0 }, { "<SUF>", FIM_SUF, WEAK },
    { "\xe2\x96\x81<SUF>", FIM_SUF, WEAK }, { "<|code_suffix|>", FIM_SUF, 0 }, { "<|suffix|>", FIM_SUF, 0 },
    { "<|fim_middle|>", FIM_MID, 0 }, { "<fim-middle>", FIM_MID, 0 }, { "<fim_middle>", FIM_MID, 0 },
    { "<\xef\xbd\x9c" "fim\xe2\x96\x81" "end\xef\xbd\x9c>", FIM_MID, 0 }, { "<MID>", FIM_MID, WEAK },
    { "\xe2\x96\x81<MID>", FIM_MID, WEAK }, { "<|code_middle|>", FIM_MID, 0 }, { "<|middle|>", FIM_MID, 0 },
    { "<|fim_pad|>", FIM_PAD, 0 }, { "<fim-pad>", FIM_PAD, 0 }, { "<fim_pad>", FIM_PAD, 0 },
    { "<PAD>", FIM_PAD, WEAK }, { "[PAD]", FIM_PAD, WEAK },
    { "<|fim_repo|>", FIM_REP, 0 }, { "<|repo_name|>", FIM_REP, 0 }, { "<fim-repo>", FIM_REP, 0 },
    { "<REPO>", FIM_REP, WEAK }, { "<reponame>", FIM_REP, WEAK },
    { "<|file_sep|>", FIM_SEP, 0 },
};

/* Later keys of a role are older names for it. */
static const struct { const char *key; uint8_t role; } role_keys[] = {
    { "tokenizer.ggml.eot_token_id", EOT },         { "tokenizer.ggml.eom_token_id", EOM },
    { "tokenizer.ggml.fim_pre_token_id", FIM_PRE }, { "tokenizer.ggml.fim_suf_token_id", FIM_SUF },
    { "tokenizer.ggml.fim_mid_token_id", FIM_MID }, { "tokenizer.ggml.fim_pad_token_id", FIM_PAD },
    { "tokenizer.ggml.fim_rep_token_id", FIM_REP }, { "tokenizer.ggml.fim_sep_token_id", FIM_SEP },
    { "tokenizer.ggml.prefix_token_id", FIM_PRE },  { "tokenizer.ggml.suffix_token_id", FIM_SUF },
    { "tokenizer.ggml.middle_token_id", FIM_MID },
};

static int32_t find(const einf__vocab *v, const char *text) { return einf__token_find(v, text, strlen(text)); }

/* ---------------------------------------------------------------------------------------------------- ids -- */

static einf_status read_id(const einf__vocab *v, const einf__gguf *g, const char *key, int32_t fallback, int32_t *out,
                           einf_error *err)
{
    EINF_TRY(einf__gguf_get_token_id(g, key, v->n_tokens, out, err));
    if (*out < 0 && fallback >= 0 && (uint32_t)fallback < v->n_tokens) *out = fallback;
    return EINF_OK;
}

static einf_status read_ids(einf__vocab *v, const einf__gguf *g, einf_error *err)
{
    const bool spm = v->kind == EINF__VOCAB_SPM, bert = v->kind == EINF__VOCAB_WORDPIECE;
    einf__special_ids *s = &v->ids;
    EINF_TRY(read_id(v, g, "tokenizer.ggml.cls_token_id", bert ? 101 : -1, &s->cls, err));
    EINF_TRY(read_id(v, g, "tokenizer.ggml.bos_token_id", spm ? 1 : bert ? s->cls : -1, &s->bos, err));
    EINF_TRY(read_id(v, g, "tokenizer.ggml.eos_token_id", spm ? 2 : -1, &s->eos, err));
    EINF_TRY(read_id(v, g, "tokenizer.ggml.unknown_token_id", spm ? 0 : bert ? 100 : -1, &s->unk, err));
    EINF_TRY(read_id(v, g, "tokenizer.ggml.seperator_token_id", bert ? 102 : -1, &s->sep, err));
    EINF_TRY(read_id(v, g, "tokenizer.ggml.padding_token_id", bert ? 0 : -1, &s->pad, err));
    return read_id(v, g, "tokenizer.ggml.mask_token_id", bert ? 103 : -1, &s->mask, err);
}

/* Adding a token that there is not: an error when the file asks for it, no matter when only its kind would. */
static einf_status read_adding(const einf__gguf *g, const char *key, const char *id_key, int32_t id, bool fallback,
                               bool *out, einf_error *err)
{
    EINF_TRY(einf__gguf_get_bool(g, key, EINF__OPTIONAL, fallback, out, err));
    const einf__gguf_kv *kv = einf__gguf_find(g, key);
    if (*out && id < 0 && kv)
        return einf__fail(err, EINF_E_FORMAT, (uint64_t)(kv->value - g->source->data), key,
                          "convert the model again with its special tokens", "it is true, but %s names no token",
                          id_key);
    *out = *out && id >= 0;
    return EINF_OK;
}

/* ---------------------------------------------------------------------------------------------- spellings -- */

static void end_with(einf__vocab *v, int32_t id)
{
    if (id >= 0) v->attr[id] |= EINF__TOKEN_ENDS;
}

static void apply_spellings(einf__vocab *v, int32_t roles[N_ROLES])
{
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        const int32_t id = find(v, spellings[i].text);
        if (id < 0) continue;
        if ((spellings[i].flags & WEAK) && v->attr[id] == EINF__TOKEN_NORMAL) {
            if (v->n_prose < EINF__MAX_PROSE) v->prose[v->n_prose++] = id;
            continue;
        }
        const uint8_t role = spellings[i].role;
        if (role != NO_ROLE && roles[role] < 0) {
            roles[role] = id;
            v->attr[id] |= EINF__TOKEN_CONTROL;
        }
        if (spellings[i].flags & ENDS) v->attr[id] |= EINF__TOKEN_CONTROL | EINF__TOKEN_ENDS;
    }
}

static bool ends(const einf__vocab *v, const char *text)
{
    const int32_t id = find(v, text);
    return id >= 0 && (v->attr[id] & EINF__TOKEN_ENDS);
}

/* Where one family's spellings mean something else in another. */
static void apply_exceptions(einf__vocab *v)
{
    static const char *const always_shown[] = { "<|channel|>", "<|message|>", "<|start|>", "<|constrain|>" };
    for (size_t i = 0; i < sizeof always_shown / sizeof always_shown[0]; i++) {
        const int32_t id = find(v, always_shown[i]);
        if (id >= 0) v->attr[id] = EINF__TOKEN_USER; /* gpt-oss speaks in channels */
    }
    const bool calls = ends(v, "<|call|>") || ends(v, "<|calls|>");
    if (calls && (ends(v, "<|return|>") || ends(v, "<|flush|>")) && ends(v, "<|end|>"))
        v->attr[find(v, "<|end|>")] = EINF__TOKEN_USER; /* there it ends a part of an answer */
    if ((ends(v, "<|tool_response>") || ends(v, "<|plamo:eos|>")) && ends(v, "</s>"))
        v->attr[find(v, "</s>")] = EINF__TOKEN_NORMAL;
}

/* ------------------------------------------------------------------------------------------------- blanks -- */

/* Case does not matter. */
static bool contains(einf__bytes text, const char *part)
{
    const uint64_t n = strlen(part);
    for (uint64_t i = 0; i + n <= text.n; i++) {
        uint64_t j = 0;
        while (j < n) {
            const char c = text.p[i + j];
            if ((c >= 'A' && c <= 'Z' ? (char)(c + 32) : c) != part[j]) break;
            j++;
        }
        if (j == n) return true;
    }
    return false;
}

static void set_strip(einf__vocab *v, const char *text, uint8_t bit)
{
    const int32_t id = find(v, text);
    if (id < 0) return;
    v->attr[id] |= bit;
    v->has_strip = true;
}

/* Some tokens take blanks beside them along. No key says so; the models are known by name. */
static einf_status apply_strips(einf__vocab *v, const einf__gguf *g, einf_error *err)
{
    const einf__bytes none = { "", 0 };
    einf__bytes name, pre, arch;
    EINF_TRY(einf__gguf_get_string(g, "general.name", EINF__OPTIONAL, none, &name, err));
    EINF_TRY(einf__gguf_get_string(g, "tokenizer.ggml.pre", EINF__OPTIONAL, none, &pre, err));
    EINF_TRY(einf__gguf_get_string(g, "general.architecture", EINF__OPTIONAL, none, &arch, err));
    if (contains(pre, "jina-v2-de") || contains(pre, "jina-v2-es") || contains(pre, "jina-v2-code") ||
        contains(arch, "nomic-bert-moe") || contains(arch, "jina-bert-v3")) {
        set_strip(v, "<mask>", EINF__TOKEN_LSTRIP);
    } else if (contains(name, "phi-3") || contains(name, "phi3")) {
        static const char *const without[] = { "<unk>", "<s>", "<|endoftext|>" };
        const uint8_t special = EINF__TOKEN_CONTROL | EINF__TOKEN_USER | EINF__TOKEN_UNKNOWN;
        for (uint32_t id = 0; id < v->n_tokens; id++)
            if (v->attr[id] & special) v->attr[id] |= EINF__TOKEN_RSTRIP;
        set_strip(v, "</s>", EINF__TOKEN_RSTRIP);
        for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
            const int32_t id = find(v, without[i]);
            if (id >= 0) v->attr[id] &= (uint8_t)~EINF__TOKEN_RSTRIP;
        }
        v->has_strip = true;
    } else if (contains(name, "modern-bert")) {
        set_strip(v, "[MASK]", EINF__TOKEN_LSTRIP);
    }
    return EINF_OK;
}

einf_status einf__special_ids_read(einf__vocab *v, const einf__gguf *g, einf_error *err)
{
    int32_t roles[N_ROLES];
    for (int32_t i = 0; i < N_ROLES; i++) roles[i] = -1;
    EINF_TRY(read_ids(v, g, err));
    for (size_t i = 0; i < sizeof role_keys / sizeof role_keys[0]; i++) {
        int32_t id;
        EINF_TRY(read_id(v, g, role_keys[i].key, -1, &id, err));
        if (id >= 0 && roles[role_keys[i].role] < 0) roles[role_keys[i].role] = id;
    }
    einf__special_ids *s = &v->ids;
    const bool add_bos = s->add_bos, add_eos = s->add_eos, add_sep = s->add_sep; /* what the tokenizer does unasked */
    EINF_TRY(read_adding(g, "tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", s->bos, add_bos,
                         &s->add_bos, err));
    EINF_TRY(read_adding(g, "tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", s->eos, add_eos,
                         &s->add_eos, err));
    EINF_TRY(einf__gguf_get_bool(g, "tokenizer.ggml.add_sep_token", EINF__OPTIONAL, add_sep, &s->add_sep, err));
    apply_spellings(v, roles);
    end_with(v, roles[FIM_PAD]);
    end_with(v, roles[FIM_REP]);
    end_with(v, roles[FIM_SEP]);
    end_with(v, s->eos);
    end_with(v, roles[EOT]);
    end_with(v, roles[EOM]);
    s->eot = roles[EOT];
    apply_exceptions(v);
    return apply_strips(v, g, err);
}

/* --------------------------------------------------------------------------------------------------- list -- */

static bool is_listed(const einf__vocab *v, uint32_t id)
{
    const uint8_t special = EINF__TOKEN_CONTROL | EINF__TOKEN_USER | EINF__TOKEN_UNKNOWN;
    const uint32_t n = einf__token_bytes(v, id);
    bool wanted = (v->attr[id] & special) != 0;
    for (uint32_t i = 0; i < v->n_prose && !wanted; i++) wanted = v->prose[i] == (int32_t)id;
    return wanted && n > 0 && n <= EINF__MAX_SPECIAL_BYTES &&
           einf__token_find(v, einf__token_text(v, id), n) == (int32_t)id; /* of equal texts the first */
}

uint32_t einf__special_spellings(void) { return (uint32_t)(sizeof spellings / sizeof spellings[0]) + 4; }

static int compare_texts(const einf__vocab *v, int32_t a, int32_t b)
{
    const uint32_t n_a = einf__token_bytes(v, (uint32_t)a), n_b = einf__token_bytes(v, (uint32_t)b);
    const int order = memcmp(einf__token_text(v, (uint32_t)a), einf__token_text(v, (uint32_t)b), n_a < n_b ? n_a : n_b);
    return order ? order : n_a < n_b ? -1 : n_a > n_b;
}

/* Merge sort of [n] ids by text, bottom up; other: [n]. */
static void sort_by_text(const einf__vocab *v, int32_t *ids, int32_t *other, uint32_t n)
{
    int32_t *from = ids, *to = other;
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t begin = 0; begin < n; begin += 2 * width) {
            const uint64_t middle = begin + width < n ? begin + width : n;
            const uint64_t end = middle + width < n ? middle + width : n;
            uint64_t i = begin, j = middle;
            for (uint64_t k = begin; k < end; k++)
                to[k] = i < middle && (j == end || compare_texts(v, from[i], from[j]) <= 0) ? from[i++] : from[j++];
        }
        int32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != ids) memcpy(ids, from, n * sizeof *ids);
}

einf_status einf__special_list_build(einf__vocab *v, einf_error *err)
{
    const uint64_t room_bytes = v->special_cap * sizeof(int32_t);
    uint32_t n = 0;
    void *other;
    EINF_TRY(einf__alloc_or_fail(v->mem, room_bytes, "sorting special tokens", &other, err));
    for (uint32_t id = 0; id < v->n_tokens && n < v->special_cap; id++) {
        if (!is_listed(v, id)) continue;
        v->special[n++] = (int32_t)id;
        if ((v->attr[id] & EINF__TOKEN_USER) && !(v->attr[id] & (EINF__TOKEN_CONTROL | EINF__TOKEN_UNKNOWN)))
            v->has_user = true;
    }
    sort_by_text(v, v->special, other, n);
    einf__free(v->mem, other, (size_t)room_bytes);
    v->n_special = n;
    uint32_t i = 0;
    for (uint32_t byte = 0; byte < 256; byte++) {
        v->special_first[byte] = i;
        while (i < n && (uint8_t)einf__token_text(v, (uint32_t)v->special[i])[0] == byte) i++;
    }
    v->special_first[256] = i;
    return EINF_OK;
}
