/* SPDX-License-Identifier: MIT
 * chat_layout.c - which template lays a conversation out and what it sees, and the two public functions that do it
 * without a session.
 *
 * The template of a file was compiled when the model was opened; a template_text is compiled here.
 */
#include "engine/api/chat_layout.h"

#include <string.h>
#include <time.h>

enum { MAX_MESSAGES = 65536 };

static einf__bytes bytes_of(const char *text) { return (einf__bytes){ text, text ? strlen(text) : 0 }; }

/* ------------------------------------------------------------------------------------------ the template -- */

/* Where a byte of the template lies in the file. Only the first part of a split model holds metadata. */
static uint64_t offset_in_file(const einf_model *m, uint64_t offset)
{
    if (offset == EINF_NO_OFFSET) return offset;
    return (uint64_t)((const uint8_t *)m->chat_template.p - m->source.data) + offset;
}

static einf_status choose_file_template(const einf_model *m, const einf__template **out, einf_error *err)
{
    *out = m->compiled_template;
    if (*out) return EINF_OK;
    const einf_error *why = &m->template_error;
    if (m->chat_template.p)
        return einf__fail(err, EINF_E_TEMPLATE, offset_in_file(m, why->offset), "tokenizer.chat_template",
                          "give another template, or a raw prompt in the format the model was trained on", "%s",
                          why->message);
    return einf__fail(err, EINF_E_TEMPLATE, EINF_NO_OFFSET, "tokenizer.chat_template",
                      "give a template, or a raw prompt in the format the model was trained on",
                      "the file has no chat template");
}

einf_status einf__layout_init(const einf_model *m, const einf_chat_config *config, einf__layout *out, einf_error *err)
{
    const einf_chat_config defaults = EINF_INIT(einf_chat_config);
    if (!config) config = &defaults;
    EINF__NEED_STRUCT(config, einf_chat_config, err);
    if (config->continue_answer < 0 || config->continue_answer > 1)
        return einf__fail_arg(err, "continue_answer", "continue_answer is %d, expected 0 or 1",
                              config->continue_answer);
    *out = (einf__layout){ .m = m, .tools_json = bytes_of(config->tools_json), .vars_json = bytes_of(config->vars_json),
                           .continue_answer = config->continue_answer != 0,
                           .now_s = config->now_s ? config->now_s : (int64_t)time(NULL) };
    if (!config->template_text) return choose_file_template(m, &out->compiled, err);
    EINF_TRY(einf__template_compile(&m->rt->memory, bytes_of(config->template_text), &out->own, err));
    out->compiled = out->own;
    return EINF_OK;
}

void einf__layout_deinit(einf__layout *l) { einf__template_free(&l->own); }

/* --------------------------------------------------------------------------------------------- messages -- */

static einf_status check_parts(const einf_message *message, unsigned long long at, einf_error *err)
{
    if (message->n_parts && !message->parts)
        return einf__fail_arg(err, "messages", "message %llu has n_parts %u, and parts is NULL", at, message->n_parts);
    for (uint32_t i = 0; i < message->n_parts; i++) {
        const einf_part *part = &message->parts[i];
        if (part->struct_size != sizeof *part)
            return einf__fail(err, EINF_E_ARG, EINF_NO_OFFSET, "messages", "initialise each with EINF_INIT(einf_part)",
                              "part %u of message %llu has struct_size %u, expected %u", i, at, part->struct_size,
                              (unsigned)sizeof *part);
        if (!part->text == !part->image)
            return einf__fail_arg(err, "messages", "part %u of message %llu must have either a text or an image", i,
                                  at);
    }
    return EINF_OK;
}

einf_status einf__message_view(const einf_message *message, uint64_t i, einf__template_message *out, einf_error *err)
{
    const unsigned long long at = i;
    if (message->struct_size != sizeof *message) /* they lie in arrays, so the size is the stride */
        return einf__fail(err, EINF_E_ARG, EINF_NO_OFFSET, "messages", "initialise each with EINF_INIT(einf_message)",
                          "messages[%llu].struct_size is %u, expected %u", at, message->struct_size,
                          (unsigned)sizeof *message);
    if (!message->role) return einf__fail_arg(err, "messages", "message %llu has no role", at);
    if (!message->content && !message->extra_json && !message->n_parts)
        return einf__fail_arg(err, "messages", "message %llu has no content, and no parts or extra_json instead", at);
    if (message->content && message->n_parts)
        return einf__fail_arg(err, "messages", "message %llu has both content and parts", at);
    EINF_TRY(check_parts(message, at, err));
    *out = (einf__template_message){ .role = bytes_of(message->role), .content = bytes_of(message->content),
                                     .extra_json = bytes_of(message->extra_json), .parts = message->parts,
                                     .n_parts = message->n_parts };
    return EINF_OK;
}

static einf_status check_count(uint64_t n_messages, einf_error *err)
{
    if (n_messages > 0 && n_messages <= MAX_MESSAGES) return EINF_OK;
    return einf__fail_arg(err, "n_messages", "there are %llu messages, allowed are 1 to %d",
                          (unsigned long long)n_messages, (int)MAX_MESSAGES);
}

/* Views of the caller's messages, in a block of n_messages of them. */
static einf_status make_views(const einf_model *m, const einf_message *messages, uint64_t n_messages,
                              einf__template_message **out, einf_error *err)
{
    void *block;
    EINF__NEED(messages, err);
    EINF_TRY(check_count(n_messages, err));
    EINF_TRY(einf__alloc_or_fail(&m->rt->memory, n_messages * sizeof **out, "a conversation", &block, err));
    einf_status status = EINF_OK;
    *out = block;
    for (uint64_t i = 0; i < n_messages && status == EINF_OK; i++)
        status = einf__message_view(&messages[i], i, &(*out)[i], err);
    if (status != EINF_OK) einf__free(&m->rt->memory, block, (size_t)n_messages * sizeof **out);
    return status;
}

/* -------------------------------------------------------------------------------------------- laying out -- */

static einf__chat_prompt prompt_of(const einf__layout *l, const einf__template_message *messages, uint64_t n_messages)
{
    return (einf__chat_prompt){ .messages = messages, .n_messages = n_messages, .tools_json = l->tools_json,
                                .vars_json = l->vars_json, .continue_answer = l->continue_answer, .now_s = l->now_s };
}

einf_status einf__layout_ids(const einf__layout *l, const einf__template_message *messages, uint64_t n_messages,
                             einf__ids *out, einf_error *err)
{
    EINF_TRY(check_count(n_messages, err));
    const einf__chat_prompt prompt = prompt_of(l, messages, n_messages);
    return einf__chat_prompt_ids(&l->m->rt->memory, l->compiled, l->m->vocab, &prompt, out, err);
}

einf_status einf__layout_render(const einf__layout *l, const einf__template_message *messages, uint64_t n_messages,
                                einf__rendered *out, einf_error *err)
{
    EINF_TRY(check_count(n_messages, err));
    const einf__chat_prompt prompt = prompt_of(l, messages, n_messages);
    return einf__chat_prompt_render(l->compiled, l->m->vocab, &prompt, out, err);
}

/* Ids into a caller's array, or text into *rendered: whichever is asked for. */
static einf_status lay_out(const einf_model *m, const einf_message *messages, uint64_t n_messages,
                           const einf_chat_config *config, einf__ids *ids, einf__rendered *rendered, einf_error *err)
{
    einf__template_message *views = NULL;
    einf__layout layout;
    EINF_TRY(make_views(m, messages, n_messages, &views, err));
    einf_status status = einf__layout_init(m, config, &layout, err);
    if (status == EINF_OK) {
        status = ids ? einf__layout_ids(&layout, views, n_messages, ids, err)
                     : einf__layout_render(&layout, views, n_messages, rendered, err);
        einf__layout_deinit(&layout);
    }
    einf__free(&m->rt->memory, views, (size_t)n_messages * sizeof *views);
    return status;
}

einf_status einf_chat_tokenize(const einf_model *m, const einf_message *messages, uint64_t n_messages,
                               const einf_chat_config *config, int32_t *ids, uint64_t max_ids, uint64_t *n_ids,
                               einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(einf__need_vocab(m, err));
    EINF__NEED(n_ids, err);
    if (max_ids) EINF__NEED(ids, err);
    einf__ids list = { .ids = ids, .cap = max_ids };
    EINF_TRY(lay_out(m, messages, n_messages, config, &list, NULL, err));
    return einf__report_count(list.n, max_ids, n_ids, "max_ids", err);
}

einf_status einf_chat_render(const einf_model *m, const einf_message *messages, uint64_t n_messages,
                             const einf_chat_config *config, char *buf, uint64_t buf_bytes, uint64_t *n_bytes,
                             einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(einf__need_vocab(m, err));
    EINF__NEED(n_bytes, err);
    if (buf_bytes) EINF__NEED(buf, err);
    einf__rendered text = { .mem = &m->rt->memory };
    EINF_TRY(lay_out(m, messages, n_messages, config, NULL, &text, err));
    const uint64_t n = text.n_bytes;
    if (n && buf_bytes) memcpy(buf, text.text, (size_t)(n < buf_bytes ? n : buf_bytes));
    einf__rendered_deinit(&text);
    return einf__report_count(n, buf_bytes, n_bytes, "buf_bytes", err);
}
