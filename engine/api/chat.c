/* SPDX-License-Identifier: MIT
 * chat.c - a conversation: copies of its messages, and answers that are added to them.
 *
 * Each answer lays all messages out anew and tokenises them; the session then finds by itself how much of that it has
 * computed already. An earlier answer often becomes the same ids again, but need not: templates drop thoughts, trim,
 * and other tokens may spell the same text. So nothing is assumed about what was sampled; ids are compared.
 * A message is one block, text behind text, that begins with its role; its parts lie in it, too, and its pictures are
 * kept alive. Whatever fails, the list is as it was.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "engine/api/chat_layout.h"
#include "engine/api/generation.h"

struct einf_chat {
    einf_session *s;
    einf__memory *mem;
    einf__layout layout;
    char *config_text;                /* its JSON texts, copied; or NULL */
    uint64_t config_bytes;
    einf__template_message *messages; /* [cap], n of them filled */
    uint64_t n, cap;
    uint64_t n_images;                /* of all messages */
    einf_vision *vision;              /* or NULL */
    einf_preprocess preprocess;
    atomic_flag busy;                 /* an answer is being made */
};

/* ------------------------------------------------------------------------------------------------- copies -- */

/* With its NUL; {NULL, 0} takes no room. */
static uint64_t copy_bytes(einf__bytes text) { return text.p ? text.n + 1 : 0; }

/* Copy a text to *to, and go on behind it. */
static einf__bytes copy_text(char **to, einf__bytes text)
{
    if (!text.p) return text;
    char *at = *to;
    memcpy(at, text.p, (size_t)text.n);
    at[text.n] = '\0';
    *to = at + text.n + 1;
    return (einf__bytes){ at, text.n };
}

/* Where the parts of a message begin in its block. */
static uint64_t parts_offset(const einf__template_message *m)
{
    const uint64_t align = _Alignof(einf_part);
    return (copy_bytes(m->role) + copy_bytes(m->content) + copy_bytes(m->extra_json) + align - 1) / align * align;
}

static einf__bytes part_text(const einf_part *part)
{
    return part->text ? (einf__bytes){ part->text, strlen(part->text) } : (einf__bytes){ NULL, 0 };
}

static uint64_t message_bytes(const einf__template_message *m)
{
    uint64_t n = parts_offset(m) + m->n_parts * sizeof *m->parts;
    for (uint32_t i = 0; i < m->n_parts; i++) n += copy_bytes(part_text(&m->parts[i]));
    return n;
}

static void copy_parts(einf_chat *c, const einf__template_message *from, char *block, einf__template_message *out)
{
    einf_part *parts = (einf_part *)(void *)(block + parts_offset(from));
    char *at = (char *)(parts + from->n_parts);
    for (uint32_t i = 0; i < from->n_parts; i++) {
        parts[i] = from->parts[i];
        parts[i].text = copy_text(&at, part_text(&from->parts[i])).p;
        if (!parts[i].image) continue;
        einf__image_retain(parts[i].image);
        c->n_images++;
    }
    out->parts = from->n_parts ? parts : NULL;
    out->n_parts = from->n_parts;
}

static einf_status copy_message(einf_chat *c, const einf__template_message *from, einf__template_message *out,
                                einf_error *err)
{
    void *block;
    EINF_TRY(einf__alloc_or_fail(c->mem, message_bytes(from), "a message", &block, err));
    char *at = block;
    out->role = copy_text(&at, from->role);
    out->content = copy_text(&at, from->content);
    out->extra_json = copy_text(&at, from->extra_json);
    copy_parts(c, from, block, out);
    return EINF_OK;
}

static void free_message(einf_chat *c, const einf__template_message *m)
{
    const uint64_t n_bytes = message_bytes(m);
    for (uint32_t i = 0; i < m->n_parts; i++) {
        if (!m->parts[i].image) continue;
        einf__image_release(m->parts[i].image);
        c->n_images--;
    }
    einf__free(c->mem, (void *)(uintptr_t)m->role.p, (size_t)n_bytes); /* its block begins there */
}

static einf_status add_message(einf_chat *c, const einf__template_message *message, einf_error *err)
{
    einf__template_message copy;
    EINF_TRY(copy_message(c, message, &copy, err));
    if (c->n == c->cap) {
        const uint64_t cap = c->cap ? 2 * c->cap : 8;
        void *larger = einf__grow(c->mem, c->messages, (size_t)c->cap * sizeof copy, (size_t)cap * sizeof copy);
        if (!larger) {
            free_message(c, &copy);
            return einf__fail_nomem(err, cap * sizeof copy, "the messages of a conversation");
        }
        c->messages = larger;
        c->cap = cap;
    }
    c->messages[c->n++] = copy;
    return EINF_OK;
}

static void truncate(einf_chat *c, uint64_t n)
{
    while (c->n > n) free_message(c, &c->messages[--c->n]);
}

/* ------------------------------------------------------------------------------------------------ life time -- */

static void free_chat(einf_chat *c)
{
    truncate(c, 0);
    if (c->vision) einf__vision_release(c->vision);
    einf__free(c->mem, c->messages, (size_t)c->cap * sizeof *c->messages);
    einf__layout_deinit(&c->layout);
    einf__free(c->mem, c->config_text, (size_t)c->config_bytes);
    einf__free(c->mem, c, sizeof *c);
}

/* What looks at its pictures. */
static einf_status init_vision(einf_chat *c, const einf_chat_config *config, einf_error *err)
{
    c->preprocess = (einf_preprocess)EINF_INIT(einf_preprocess);
    if (config && config->preprocess) {
        EINF__NEED_STRUCT(config->preprocess, einf_preprocess, err);
        c->preprocess = *config->preprocess;
        c->preprocess.struct_size = sizeof c->preprocess;
    }
    if (!config || !config->vision) return EINF_OK;
    EINF_TRY(einf_vision_check_model(config->vision, c->s->model, err));
    einf__vision_retain(config->vision);
    c->vision = config->vision;
    return EINF_OK;
}

/* The layout, with texts of its own. */
static einf_status init_chat(einf_chat *c, const einf_chat_config *config, einf_error *err)
{
    EINF_TRY(einf__layout_init(c->s->model, config, &c->layout, err));
    EINF_TRY(init_vision(c, config, err));
    einf__layout *l = &c->layout;
    c->config_bytes = copy_bytes(l->tools_json) + copy_bytes(l->vars_json);
    if (c->config_bytes == 0) return EINF_OK;
    void *block;
    const einf_status status = einf__alloc_or_fail(c->mem, c->config_bytes, "the tools of a conversation", &block, err);
    if (status != EINF_OK) c->config_bytes = 0;
    if (status != EINF_OK) return status;
    char *at = c->config_text = block;
    l->tools_json = copy_text(&at, l->tools_json);
    l->vars_json = copy_text(&at, l->vars_json);
    return EINF_OK;
}

einf_status einf_chat_create(einf_session *s, const einf_chat_config *config, einf_chat **out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED(out, err);
    *out = NULL;
    EINF__NEED(s, err);
    EINF_TRY(einf__need_vocab(s->model, err));
    void *block;
    einf__memory *mem = &s->model->rt->memory;
    EINF_TRY(einf__alloc_or_fail(mem, sizeof(einf_chat), "a conversation", &block, err));
    einf_chat *c = block;
    memset(c, 0, sizeof *c);
    c->s = s;
    c->mem = mem;
    atomic_flag_clear(&c->busy);
    const einf_status status = init_chat(c, config, err);
    if (status == EINF_OK) *out = c;
    else free_chat(c);
    return status;
}

static einf_status enter(einf_chat *c, einf_error *err)
{
    EINF__NEED(c, err);
    if (!atomic_flag_test_and_set(&c->busy)) return EINF_OK;
    return einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "c", "use it again when the answer is there",
                      "the conversation is in use by another call");
}

static void leave(einf_chat *c) { atomic_flag_clear(&c->busy); }

void einf_chat_destroy(einf_chat **c)
{
    if (!c || !*c || enter(*c, NULL) != EINF_OK) return;
    free_chat(*c);
    *c = NULL;
}

/* ------------------------------------------------------------------------------------------------ messages -- */

einf_status einf_chat_add(einf_chat *c, const einf_message *message, einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(enter(c, err));
    einf__template_message view;
    einf_status status = message ? einf__message_view(message, c->n, &view, err)
                                 : einf__fail_arg(err, "message", "message is NULL");
    if (status == EINF_OK) status = add_message(c, &view, err);
    leave(c);
    return status;
}

uint64_t einf_chat_n_messages(const einf_chat *c) { return c ? c->n : 0; }

static einf_status check_index(const einf_chat *c, uint64_t i, uint64_t end, const char *name, einf_error *err)
{
    EINF__NEED(c, err);
    if (i < end) return EINF_OK;
    return einf__fail_arg(err, name, "%s is %llu, the conversation has %llu messages", name, (unsigned long long)i,
                          (unsigned long long)c->n);
}

einf_status einf_chat_get_message(const einf_chat *c, uint64_t i, einf_message *out, einf_error *err)
{
    EINF__BEGIN(err);
    EINF__NEED_STRUCT(out, einf_message, err);
    EINF_TRY(check_index(c, i, c ? c->n : 0, "i", err));
    const einf__template_message *m = &c->messages[i];
    *out = (einf_message){ .struct_size = out->struct_size, .role = m->role.p, .content = m->content.p,
                           .extra_json = m->extra_json.p, .parts = m->parts, .n_parts = m->n_parts };
    return EINF_OK;
}

einf_status einf_chat_truncate(einf_chat *c, uint64_t n, einf_error *err)
{
    EINF__BEGIN(err);
    EINF_TRY(enter(c, err));
    const einf_status status = check_index(c, n, c->n + 1, "n", err);
    if (status == EINF_OK) truncate(c, n);
    leave(c);
    return status;
}

/* ------------------------------------------------------------------------------------------------- answer -- */

static einf_status make_ids(void *user, einf__ids *out, einf_error *err)
{
    const einf_chat *c = user;
    return einf__layout_ids(&c->layout, c->messages, c->n, out, err);
}

/* Does the answer belong to the conversation? One that came to its end does, even if it says nothing. */
static bool is_answer(einf_status status, const einf_result *r, const einf__answer *answer)
{
    if (status == EINF_OK && (r->stop_reason == EINF_STOP_EOS || r->stop_reason == EINF_STOP_STRING)) return true;
    return answer->n_bytes > 0 && (status == EINF_OK || status == EINF_E_CANCELLED);
}

/* Messages end at a NUL, so one in an answer becomes U+FFFD: room for that, and the NUL behind. */
static einf_status without_nul(einf_chat *c, const char *text, uint64_t n, einf__bytes *out, uint64_t *out_bytes,
                               einf_error *err)
{
    void *block;
    uint64_t n_nul = 0;
    for (uint64_t i = 0; i < n; i++) n_nul += text[i] == '\0';
    *out_bytes = n + 2 * n_nul + 1;
    EINF_TRY(einf__alloc_or_fail(c->mem, *out_bytes, "an answer", &block, err));
    char *at = block;
    for (uint64_t i = 0; i < n; i++) {
        if (text[i]) *at++ = text[i];
        else memcpy(at, "\xef\xbf\xbd", 3), at += 3;
    }
    *out = (einf__bytes){ block, (uint64_t)(at - (char *)block) };
    return EINF_OK;
}

static einf_status add_answer(einf_chat *c, const einf__answer *answer, einf_error *err)
{
    char *text;
    uint64_t text_bytes, content_bytes;
    einf__template_message m = { .role = { "assistant", 9 } };
    EINF_TRY(einf__answer_text(c->s, answer, &text, &text_bytes, err));
    einf_status status = without_nul(c, text, answer->n_bytes, &m.content, &content_bytes, err);
    einf__free(c->mem, text, (size_t)text_bytes);
    if (status != EINF_OK) return status;
    status = add_message(c, &m, err);
    einf__free(c->mem, (void *)(uintptr_t)m.content.p, (size_t)content_bytes);
    return status;
}

/* The pictures of all messages, in their order. */
static void collect_images(const einf_chat *c, const einf_image **out)
{
    for (uint64_t i = 0; i < c->n; i++)
        for (uint32_t j = 0; j < c->messages[i].n_parts; j++)
            if (c->messages[i].parts[j].image) *out++ = c->messages[i].parts[j].image;
}

/* The session has been entered. images: [c->n_images]. */
static einf_status answer_with(einf_chat *c, const einf_image *const *images, const einf_generate_config *config,
                               einf_result *result, einf_error *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "the conversation of %llu message%s", (unsigned long long)c->n,
                   c->n == 1 ? "" : "s");
    const einf__prompt prompt = { .make_ids = make_ids, .user = c, .name = name,
                                  .hint = "forget messages (einf_chat_truncate), or take a session of larger n_ctx",
                                  .sights = { .vision = c->vision, .preprocess = &c->preprocess, .images = images,
                                              .n_images = c->n_images } };
    einf__answer answer;
    einf_status status = einf__generate(c->s, &prompt, config, result, &answer, err);
    if (!is_answer(status, result, &answer)) return status;
    const einf_status added = add_answer(c, &answer, err);
    return status == EINF_OK ? added : status;
}

static einf_status answer_in_session(einf_chat *c, const einf_generate_config *config, einf_result *result,
                                     einf_error *err)
{
    if (c->n_images == 0) return answer_with(c, NULL, config, result, err);
    const uint64_t n_bytes = c->n_images * sizeof(einf_image *);
    void *images;
    EINF_TRY(einf__alloc_or_fail(c->mem, n_bytes, "the pictures of a conversation", &images, err));
    collect_images(c, images);
    const einf_status status = answer_with(c, images, config, result, err);
    einf__free(c->mem, images, (size_t)n_bytes);
    return status;
}

einf_status einf_chat_answer(einf_chat *c, const einf_generate_config *config, einf_result *result, einf_error *err)
{
    EINF__BEGIN(err);
    einf_result unused = EINF_INIT(einf_result);
    EINF_TRY(einf__generate_begin(&config, &result, &unused, err));
    if (config->raw) return einf__fail_arg(err, "raw", "raw is %d, but conversations are laid out", config->raw);
    if (config->n_images)
        return einf__fail_arg(err, "n_images", "n_images is %u, but pictures of a conversation are parts of messages",
                              config->n_images);
    EINF_TRY(enter(c, err));
    einf_status status = EINF_OK;
    if (c->n == 0)
        status = einf__fail(err, EINF_E_STATE, EINF_NO_OFFSET, "c", "add a message first: einf_chat_add",
                            "the conversation has no message to answer");
    if (status == EINF_OK) status = einf__session_enter(c->s, err);
    if (status == EINF_OK) {
        status = answer_in_session(c, config, result, err);
        einf__session_leave(c->s);
    }
    leave(c);
    return status;
}
