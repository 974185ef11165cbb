/* SPDX-License-Identifier: MIT
 * text_api.c - text to ids and back, over a model's vocabulary. Any number of threads may be here at once.
 */
#include <string.h>

#include "engine/api/api_internal.h"

enum { MAX_MESSAGES = 65536 };

static einf_status need_vocab(const einf_model *m, einf_error *err)
{
    EINF__NEED(m, err);
    if (m->vocab) return EINF_OK;
    return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "m", "open it with EINF_LOAD_VOCAB",
                      "the model was opened without its vocabulary");
}

static einf_status report_count(uint64_t n, uint64_t room, uint64_t *n_out, const char *what, einf_error *err)
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
    EINF_TRY(need_vocab(m, err));
    EINF__NEED(n_ids, err);
    if (n_bytes) EINF__NEED(text, err);
    if (max_ids) EINF__NEED(ids, err);
    if (flags & ~(uint32_t)(EINF_TOK_SPECIAL | EINF_TOK_BOS))
        return einf__fail_arg(err, "flags", "flags are 0x%x, known bits are 0x%x", flags,
                              (unsigned)(EINF_TOK_SPECIAL | EINF_TOK_BOS));
    einf__ids list = { .ids = ids, .cap = max_ids };
    EINF_TRY(einf__tokenize(m->vocab, n_bytes ? text : "", n_bytes, flags, &list, err));
    return report_count(list.n, max_ids, n_ids, "max_ids", err);
}

einf_status einf_detokenize(const einf_model *m, const int32_t *ids, uint64_t n_ids, uint32_t flags, char *buf,
                            uint64_t buf_bytes, uint64_t *n_bytes, einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(need_vocab(m, err));
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
    return report_count(n, buf_bytes, n_bytes, "buf_bytes", err);
}

einf_status einf_model_special_tokens(const einf_model *m, einf_special_tokens *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(need_vocab(m, err));
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

static einf_status check_messages(const einf_message *messages, uint64_t n_messages, einf_error *err)
{
    EINF__NEED(messages, err);
    for (uint64_t i = 0; i < n_messages; i++) {
        if (messages[i].struct_size != sizeof *messages) /* they lie in an array, so the size is the stride */
            return einf__fail(err, EINF_E_ARG, EINF_NO_OFFSET, "messages",
                              "initialise each with EINF_INIT(einf_message)",
                              "messages[%llu].struct_size is %u, expected %u", (unsigned long long)i,
                              messages[i].struct_size, (unsigned)sizeof *messages);
        if (!messages[i].role || !messages[i].content)
            return einf__fail_arg(err, "messages", "message %llu has no role or no content", (unsigned long long)i);
    }
    return EINF_OK;
}

static einf__bytes bytes_of(const char *text) { return (einf__bytes){ text, strlen(text) }; }

einf_status einf__chat_ids(const einf_model *m, const einf_message *messages, uint64_t n_messages, einf__ids *out,
                           einf_error *err)
{
    if (!m->chat_format)
        return einf__fail(err, EINF_E_TEMPLATE, EINF_NO_OFFSET, "tokenizer.chat_template",
                          "give a raw prompt in the format the model was trained on", "%s",
                          m->chat_template.p ? "the file's chat template is none of those this build knows"
                                             : "the file has no chat template");
    if (n_messages == 0 || n_messages > MAX_MESSAGES)
        return einf__fail_arg(err, "n_messages", "there are %llu messages, allowed are 1 to %d",
                              (unsigned long long)n_messages, (int)MAX_MESSAGES);
    einf__memory *mem = &m->rt->memory;
    const size_t views_bytes = (size_t)n_messages * sizeof(einf__chat_message);
    void *block;
    EINF_TRY(einf__alloc_or_fail(mem, views_bytes, "a conversation", &block, err));
    einf__chat_message *views = block;
    for (uint64_t i = 0; i < n_messages; i++)
        views[i] = (einf__chat_message){ bytes_of(messages[i].role), bytes_of(messages[i].content) };
    const einf_status status = einf__chat_format_tokenize(mem, m->chat_format, m->chat_template, m->vocab, views,
                                                          n_messages, out, err);
    einf__free(mem, block, views_bytes);
    return status;
}

einf_status einf_chat_tokenize(const einf_model *m, const einf_message *messages, uint64_t n_messages,
                               const einf_chat_config *config, int32_t *ids, uint64_t max_ids, uint64_t *n_ids,
                               einf_error *err)
{
    (void)config;
    EINF__BEGIN(err);
    EINF_TRY(need_vocab(m, err));
    EINF__NEED(n_ids, err);
    if (max_ids) EINF__NEED(ids, err);
    EINF_TRY(check_messages(messages, n_messages, err));
    einf__ids list = { .ids = ids, .cap = max_ids };
    EINF_TRY(einf__chat_ids(m, messages, n_messages, &list, err));
    return report_count(list.n, max_ids, n_ids, "max_ids", err);
}
