/* SPDX-License-Identifier: MIT
 * text_api.c - text to ids and back, over a model's vocabulary. Any number of threads may be here at once.
 */
#include "engine/api/api_internal.h"

einf_status einf__need_vocab(const einf_model *m, einf_error *err)
{
    EINF__NEED(m, err);
    if (m->vocab) return EINF_OK;
    return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "m", "open it with EINF_LOAD_VOCAB",
                      "the model was opened without its vocabulary");
}

einf_status einf__report_count(uint64_t n, uint64_t room, uint64_t *n_out, const char *what, einf_error *err)
{
    *n_out = n;
    if (n <= room) return EINF_OK;
    return einf__fail(err, EINF_E_LIMIT, EINF_NO_OFFSET, what, "call again with room for all",
                      "the result has %llu items, there is room for %llu", (unsigned long long)n,
                      (unsigned long long)room);
}

einf_status einf_tokenize(const einf_model *m, const char *text, uint64_t n_bytes, uint32_t flags, int32_t *ids,
                          uint64_t max_ids, uint64_t *n_ids, einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(einf__need_vocab(m, err));
    EINF__NEED(n_ids, err);
    if (n_bytes) EINF__NEED(text, err);
    if (max_ids) EINF__NEED(ids, err);
    if (flags & ~(uint32_t)(EINF_TOK_SPECIAL | EINF_TOK_BOS))
        return einf__fail_arg(err, "flags", "flags are 0x%x, known bits are 0x%x", flags,
                              (unsigned)(EINF_TOK_SPECIAL | EINF_TOK_BOS));
    einf__ids list = { .ids = ids, .cap = max_ids };
    EINF_TRY(einf__tokenize(m->vocab, n_bytes ? text : "", n_bytes, flags, &list, err));
    return einf__report_count(list.n, max_ids, n_ids, "max_ids", err);
}

einf_status einf_detokenize(const einf_model *m, const int32_t *ids, uint64_t n_ids, uint32_t flags, char *buf,
                            uint64_t buf_bytes, uint64_t *n_bytes, einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(einf__need_vocab(m, err));
    EINF__NEED(n_bytes, err);
    if (n_ids) EINF__NEED(ids, err);
    if (buf_bytes) EINF__NEED(buf, err);
    if (flags & ~(uint32_t)EINF_DETOK_SPECIAL)
        return einf__fail_arg(err, "flags", "flags are 0x%x, the known bit is 0x%x", flags,
                              (unsigned)EINF_DETOK_SPECIAL);
    for (uint64_t i = 0; i < n_ids; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= einf__vocab_n_tokens(m->vocab))
            return einf__fail_arg(err, "ids", "token id %d at index %llu is not in [0, %u)", ids[i],
                                  (unsigned long long)i, einf__vocab_n_tokens(m->vocab));
    const uint64_t n = einf__detokenize(m->vocab, ids, n_ids, (flags & EINF_DETOK_SPECIAL) != 0, buf, buf_bytes);
    return einf__report_count(n, buf_bytes, n_bytes, "buf_bytes", err);
}

einf_status einf_model_special_tokens(const einf_model *m, einf_special_tokens *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(einf__need_vocab(m, err));
    EINF__NEED_STRUCT(out, einf_special_tokens, err);
    const einf__special_ids *s = einf__vocab_special_ids(m->vocab);
    out->bos = s->bos;
    out->eos = s->eos;
    out->eot = s->eot;
    out->unk = s->unk;
    out->pad = s->pad;
    out->add_bos = s->add_bos;
    out->add_eos = s->add_eos;
    return EINF_OK;
}

int32_t einf_token_ends_answer(const einf_model *m, int32_t token_id)
{
    if (!m || !m->vocab || token_id < 0 || (uint32_t)token_id >= einf__vocab_n_tokens(m->vocab)) return 0;
    return einf__vocab_ends_answer(m->vocab, token_id);
}
