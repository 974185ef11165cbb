/* SPDX-License-Identifier: MIT
 * chat_format.c - the table of conversation layouts, how they are recognised, and how one is turned into ids.
 *
 * A layout is data: what opens and closes a turn of each role, and where a system message goes. Laying out walks the
 * messages once and feeds two things to a writer: special tokens, which become ids at once, and plain text, which
 * gathers until the next special token and is then tokenised in one piece. So the ids are those of the whole rendered
 * text, except that special tokens spelled inside a message stay text.
 * Source of the layouts: the chat templates that the models' makers publish.
 */
#include "engine/text/chat_format.h"

#include <string.h>

/* In the strings of the table: a special token (plain text in vocabularies that lack it), beginning and end of text. */
#define MARK_SPECIAL '\1'
#define MARK_BOS '\2'
#define MARK_EOS '\3'
#define SPECIAL(spelling) "\1" spelling "\1"
#define BOS "\2"
#define EOS "\3"

enum { N_SIGNS = 5 };
enum { TRIM_NONE = 0, TRIM_LEFT = 1, TRIM_RIGHT = 2, TRIM = 3 };

typedef struct turn {
    const char *open, *close;
    int trim;             /* of the content, where the template does */
} turn;

struct einf__chat_format {
    const char *name;
    /* All must occur in the template; one that begins with '!' must not. A quote stands for either quote, a newline
     * for itself or its escape. */
    const char *signs[N_SIGNS];
    turn system;          /* open NULL: the system message is folded into a user's turn, fold_open SYSTEM fold_close */
    turn user, assistant;
    const char *fold_open, *fold_close;
    bool fold_last;       /* into the last user's turn instead of the first */
    bool system_always;   /* a conversation has a system turn, empty if need be */
    bool eats_space;      /* special tokens of these vocabularies swallow the white space behind them */
    const char *preamble; /* before the content of the first system turn */
    const char *default_system_sign; /* in the template, followed by a newline: the system message if there is none */
    const char *answer;   /* opens the assistant's turn */
};

#define HEADER(role) SPECIAL("<|start_header_id|>") role SPECIAL("<|end_header_id|>") "\n\n"
#define EOT SPECIAL("<|eot_id|>")
#define LLAMA3_TURNS \
    .system = { HEADER("system"), EOT, TRIM }, .user = { HEADER("user"), EOT, TRIM }, \
    .assistant = { HEADER("assistant"), EOT, TRIM }, .answer = HEADER("assistant")

#define IM(role) SPECIAL("<|im_start|>") role "\n"
#define IM_END SPECIAL("<|im_end|>") "\n"
#define GEMMA(role) SPECIAL("<start_of_turn>") role "\n"
#define GEMMA_END SPECIAL("<end_of_turn>") "\n"
#define INST SPECIAL("[INST]")
#define INST_END SPECIAL("[/INST]")
#define PHI(role) SPECIAL("<|" role "|>") "\n"
#define PHI_END SPECIAL("<|end|>") "\n"

/* The first row whose signs match is taken, so the particular stands before the general. */
static const einf__chat_format formats[] = {
    /* Llama 3.1, 3.2, 3.3. Their template asks for today's date, and names this one where there is no clock; a library
     * that looks at no clock answers the same prompt the same way tomorrow. */
    { .name = "llama3.1",
      .signs = { "<|start_header_id|>", "<|eot_id|>", "Cutting Knowledge Date: December 2023\n", "Today Date: " },
      LLAMA3_TURNS, .system_always = true,
      .preamble = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n" },
    { .name = "llama3", .signs = { "<|start_header_id|>", "<|eot_id|>", "!Cutting Knowledge" }, LLAMA3_TURNS },
    /* Not the templates that open the answer with a thought. */
    { .name = "chatml",
      .signs = { "<|im_start|>", "<|im_end|>", "!<|im_sep|>", "!'<think>\n'", "!assistant\n<think>\n" },
      .system = { IM("system"), IM_END, TRIM_NONE }, .user = { IM("user"), IM_END, TRIM_NONE },
      .assistant = { IM("assistant"), IM_END, TRIM_NONE }, .answer = IM("assistant"),
      .default_system_sign = "<|im_start|>system\n" },
    { .name = "gemma", .signs = { "<start_of_turn>", "<end_of_turn>" },
      .user = { GEMMA("user"), GEMMA_END, TRIM }, .assistant = { GEMMA("model"), GEMMA_END, TRIM },
      .fold_open = "", .fold_close = "\n\n", .answer = GEMMA("model") },
    { .name = "llama2", .signs = { "'<<SYS>>\n' + system_message", "bos_token + '[INST] '" },
      .user = { BOS "[INST] ", " [/INST]", TRIM }, .assistant = { " ", " " EOS, TRIM },
      .fold_open = "<<SYS>>\n", .fold_close = "\n<</SYS>>\n\n", .answer = "" },
    { .name = "mistral-v3-tekken", .signs = { "'[INST]'", "'[/INST]'", "!<<SYS>>", "![SYSTEM_PROMPT]" },
      .user = { INST, INST_END, TRIM_NONE }, .assistant = { "", EOS, TRIM_NONE },
      .fold_open = "", .fold_close = "\n\n", .fold_last = true, .answer = "" },
    { .name = "mistral-v3", .signs = { "'[INST] '", "'[/INST]'", "!<<SYS>>", "![SYSTEM_PROMPT]" },
      .user = { INST " ", INST_END, TRIM_NONE }, .assistant = { " ", EOS, TRIM },
      .fold_open = "", .fold_close = "\n\n", .fold_last = true, .answer = "" },
    { .name = "mistral-v1", .signs = { "' [INST] '", "' [/INST]'", "!<<SYS>>" },
      .user = { " " INST " ", " " INST_END, TRIM_NONE }, .assistant = { " ", EOS, TRIM_NONE },
      .fold_open = "", .fold_close = "\n\n", .answer = "" },
    { .name = "mistral", .signs = { "'[INST] '", "' [/INST]'", "!<<SYS>>" },
      .user = { INST " ", " " INST_END, TRIM_NONE }, .assistant = { "", EOS, TRIM_NONE },
      .fold_open = "", .fold_close = "\n\n", .answer = "" },
    { .name = "phi3", .signs = { "<|assistant|>", "<|end|>", "!tool" },
      .system = { PHI("system"), PHI_END, TRIM_NONE }, .user = { PHI("user"), PHI_END, TRIM_NONE },
      .assistant = { PHI("assistant"), PHI_END, TRIM_NONE }, .eats_space = true, .answer = PHI("assistant") },
    /* Zephyr, TinyLlama, StableLM 2 */
    { .name = "zephyr", .signs = { "'<|user|>\n' + message['content'] + eos_token", "<|assistant|>", "!<|end|>" },
      .system = { PHI("system"), EOS "\n", TRIM_NONE }, .user = { PHI("user"), EOS "\n", TRIM_NONE },
      .assistant = { PHI("assistant"), EOS "\n", TRIM_NONE }, .answer = PHI("assistant") },
};

/* ------------------------------------------------------------------------------------------- recognition -- */

/* Length of the sign at the start of text, 0 when it is not there. */
static uint64_t match_sign(einf__bytes text, const char *sign)
{
    uint64_t at = 0;
    for (; *sign; sign++, at++) {
        if (at == text.n) return 0;
        const char c = text.p[at];
        if (*sign == '\'' && c == '"') continue;
        if (*sign == '\n' && c == '\\' && text.n - at >= 2 && text.p[at + 1] == 'n') {
            at++;
            continue;
        }
        if (c != *sign) return 0;
    }
    return at;
}

/* Behind the first occurrence of the sign; a NULL view when there is none. */
static einf__bytes find_sign(einf__bytes text, const char *sign)
{
    for (; text.n > 0; text.p++, text.n--) {
        const uint64_t n = match_sign(text, sign);
        if (n > 0) return (einf__bytes){ text.p + n, text.n - n };
    }
    return (einf__bytes){ NULL, 0 };
}

static bool has_signs(const einf__chat_format *f, einf__bytes chat_template)
{
    for (int i = 0; i < N_SIGNS && f->signs[i]; i++) {
        const bool unwanted = f->signs[i][0] == '!';
        if ((find_sign(chat_template, f->signs[i] + unwanted).p != NULL) == unwanted) return false;
    }
    return true;
}

const einf__chat_format *einf__chat_format_recognise(einf__bytes chat_template)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (has_signs(&formats[i], chat_template)) return &formats[i];
    return NULL;
}

const char *einf__chat_format_name(const einf__chat_format *f) { return f->name; }

/* The system message that the template writes when the conversation has none: a literal behind the sign, up to the end
 * of the turn. Places where the template goes on with an expression are passed over. Empty when there is none. */
static einf__bytes default_system(const einf__chat_format *f, einf__bytes chat_template)
{
    static const char end[] = "<|im_end|>";
    const einf__bytes none = { NULL, 0 };
    if (!f->default_system_sign) return none;
    einf__bytes at = find_sign(chat_template, f->default_system_sign);
    for (; at.p; at = find_sign(at, f->default_system_sign)) {
        uint64_t n = 0;
        while (n < at.n && !strchr("'\"{}\\<", at.p[n])) n++;
        if (at.n - n >= sizeof end - 1 && memcmp(at.p + n, end, sizeof end - 1) == 0)
            return (einf__bytes){ at.p, n };
    }
    return none;
}

/* ------------------------------------------------------------------------------------------- the writer -- */

typedef struct writer {
    einf__memory *mem;
    const einf__vocab *v;
    const einf__special_ids *ids;
    einf__ids *out;
    einf_error *err;
    char *text;             /* plain text since the last special token */
    uint64_t n_text, cap_text;
    int32_t last_id;        /* of the special token before it, -1 at the beginning */
    bool eats_space, eating;
} writer;

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static einf_status reserve(writer *w, uint64_t n)
{
    if (n > ((uint64_t)1 << 31) - w->n_text)
        return einf__fail(w->err, EINF_E_LIMIT, EINF_NO_OFFSET, "messages", "split the text into several messages",
                          "a message of %llu bytes is longer than the limit of 2147483648",
                          (unsigned long long)n);
    const uint64_t need = w->n_text + n;
    if (need <= w->cap_text) return EINF_OK;
    uint64_t cap = w->cap_text ? w->cap_text : 256;
    while (cap < need) cap *= 2; /* need is at most 2^31 */
    char *text = einf__grow(w->mem, w->text, (size_t)w->cap_text, (size_t)cap);
    if (!text) return einf__fail_nomem(w->err, cap, "the text of a conversation");
    w->text = text;
    w->cap_text = cap;
    return EINF_OK;
}

static einf_status put_text(writer *w, const char *p, uint64_t n)
{
    while (w->eating && n > 0 && is_space(*p)) p++, n--;
    if (n == 0) return EINF_OK;
    w->eating = false;
    EINF_TRY(reserve(w, n));
    memcpy(w->text + w->n_text, p, (size_t)n);
    w->n_text += n;
    return EINF_OK;
}

static einf_status flush_text(writer *w)
{
    if (w->n_text == 0) return EINF_OK;
    EINF_TRY(einf__tokenize(w->v, w->text, w->n_text, 0, w->out, w->err));
    w->n_text = 0;
    return EINF_OK;
}

static einf_status put_id(writer *w, int32_t id)
{
    EINF_TRY(flush_text(w));
    if (!einf__ids_push(w->out, id)) return einf__fail_nomem(w->err, sizeof id, "the tokens of a conversation");
    w->last_id = id;
    return EINF_OK;
}

/* A turn may begin with BOS: at the beginning of the conversation it is there already. */
static einf_status put_bos(writer *w)
{
    const int32_t bos = w->ids->bos;
    if (bos < 0 || (w->n_text == 0 && w->last_id == bos)) return EINF_OK;
    return put_id(w, bos);
}

static einf_status put_special(writer *w, const char *spelling, uint64_t n)
{
    const int32_t id = einf__vocab_find(w->v, spelling, n);
    if (id < 0 || !einf__vocab_is_special(w->v, id)) return put_text(w, spelling, n);
    EINF_TRY(put_id(w, id));
    w->eating = w->eats_space;
    return EINF_OK;
}

static einf_status put_markup(writer *w, const char *markup)
{
    while (*markup) {
        const size_t n = strcspn(markup, "\1\2\3");
        EINF_TRY(put_text(w, markup, n));
        markup += n;
        if (*markup == MARK_SPECIAL) {
            const char *end = strchr(++markup, MARK_SPECIAL);
            EINF_TRY(put_special(w, markup, (uint64_t)(end - markup)));
            markup = end + 1;
        } else if (*markup == MARK_BOS) {
            EINF_TRY(put_bos(w));
            markup++;
        } else if (*markup == MARK_EOS) {
            if (w->ids->eos >= 0) EINF_TRY(put_id(w, w->ids->eos));
            markup++;
        }
    }
    return EINF_OK;
}

/* White space as ASCII has it: what is trimmed is a matter of form, not of the world's scripts. */
static einf_status put_content(writer *w, einf__bytes s, int trim)
{
    if (trim & TRIM_LEFT)
        while (s.n > 0 && is_space(s.p[0])) s.p++, s.n--;
    if (trim & TRIM_RIGHT)
        while (s.n > 0 && is_space(s.p[s.n - 1])) s.n--;
    return put_text(w, s.p, s.n);
}

/* ------------------------------------------------------------------------------------------- laying out -- */

typedef enum role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_UNKNOWN } role;

static bool bytes_are(einf__bytes s, const char *text)
{
    return s.n == strlen(text) && (s.n == 0 || memcmp(s.p, text, (size_t)s.n) == 0);
}

static role role_of(const einf__chat_message *m)
{
    if (bytes_are(m->role, "system")) return ROLE_SYSTEM;
    if (bytes_are(m->role, "user")) return ROLE_USER;
    return bytes_are(m->role, "assistant") ? ROLE_ASSISTANT : ROLE_UNKNOWN;
}

/* What the format cannot hold is refused before anything is written. */
static einf_status check_messages(const einf__chat_format *f, const einf__chat_message *messages, uint64_t n,
                                  einf_error *err)
{
    bool has_user = false;
    if (n == 0) return einf__fail_arg(err, "messages", "a conversation needs at least one message, and has none");
    for (uint64_t i = 0; i < n; i++) {
        const role r = role_of(&messages[i]);
        has_user = has_user || r == ROLE_USER;
        if (r == ROLE_UNKNOWN)
            return einf__fail(err, EINF_E_ARG, EINF_NO_OFFSET, "role", "use \"system\", \"user\" or \"assistant\"",
                              "message %llu has the role \"%.*s\", which chat format %s does not know",
                              (unsigned long long)i, messages[i].role.n < 40 ? (int)messages[i].role.n : 40,
                              messages[i].role.n ? messages[i].role.p : "", f->name);
        if (r == ROLE_SYSTEM && i > 0 && !f->system.open)
            return einf__fail(err, EINF_E_ARG, EINF_NO_OFFSET, "role", "put the system message first",
                              "message %llu is a system message; chat format %s has a place for one only as message 0",
                              (unsigned long long)i, f->name);
    }
    if (!f->system.open && !has_user)
        return einf__fail(err, EINF_E_ARG, EINF_NO_OFFSET, "role", "add a user's message",
                          "chat format %s puts the system message into a user's turn, and there is none", f->name);
    return EINF_OK;
}

static einf_status put_turn(writer *w, const turn *t, einf__bytes content, const char *preamble)
{
    EINF_TRY(put_markup(w, t->open));
    if (preamble) EINF_TRY(put_text(w, preamble, strlen(preamble)));
    EINF_TRY(put_content(w, content, t->trim));
    return put_markup(w, t->close);
}

/* A user's turn that begins with the system message. Templates trim the sum of both, or each user's text alone. */
static einf_status put_folded(writer *w, const einf__chat_format *f, einf__bytes system, einf__bytes content)
{
    const bool trims_sum = f->fold_open[0] != '\0';
    EINF_TRY(put_markup(w, f->user.open));
    EINF_TRY(put_markup(w, f->fold_open));
    EINF_TRY(put_content(w, system, TRIM_NONE));
    EINF_TRY(put_markup(w, f->fold_close));
    EINF_TRY(put_content(w, content, trims_sum ? f->user.trim & TRIM_RIGHT : f->user.trim));
    return put_markup(w, f->user.close);
}

/* Index of the user's message that takes a folded system message; there is one. */
static uint64_t fold_target(const einf__chat_format *f, const einf__chat_message *messages, uint64_t n)
{
    uint64_t target = n;
    for (uint64_t i = 0; i < n && (target == n || f->fold_last); i++)
        if (role_of(&messages[i]) == ROLE_USER) target = i;
    return target;
}

static einf_status put_messages(writer *w, const einf__chat_format *f, einf__bytes chat_template,
                                const einf__chat_message *messages, uint64_t n)
{
    const bool has_system = role_of(&messages[0]) == ROLE_SYSTEM;
    const bool folds = has_system && !f->system.open;
    const uint64_t fold_at = folds ? fold_target(f, messages, n) : n;

    if (!has_system) {
        const einf__bytes system = default_system(f, chat_template);
        if (system.n > 0 || f->system_always) EINF_TRY(put_turn(w, &f->system, system, f->preamble));
    }
    for (uint64_t i = folds ? 1 : 0; i < n; i++) {
        const role r = role_of(&messages[i]);
        if (i == fold_at)
            EINF_TRY(put_folded(w, f, messages[0].content, messages[i].content));
        else if (r == ROLE_SYSTEM)
            EINF_TRY(put_turn(w, &f->system, messages[i].content, i == 0 ? f->preamble : NULL));
        else
            EINF_TRY(put_turn(w, r == ROLE_USER ? &f->user : &f->assistant, messages[i].content, NULL));
    }
    return put_markup(w, f->answer);
}

einf_status einf__chat_format_tokenize(einf__memory *mem, const einf__chat_format *f, einf__bytes chat_template,
                                       const einf__vocab *v, const einf__chat_message *messages, uint64_t n_messages,
                                       einf__ids *out, einf_error *err)
{
    EINF_TRY(check_messages(f, messages, n_messages, err));
    writer w = { .mem = mem, .v = v, .ids = einf__vocab_special_ids(v), .out = out, .err = err, .last_id = -1,
                 .eats_space = f->eats_space };
    einf_status status = EINF_OK;
    if (w.ids->add_bos || find_sign(chat_template, "bos_token").p) status = put_bos(&w);
    if (status == EINF_OK) status = put_messages(&w, f, chat_template, messages, n_messages);
    if (status == EINF_OK) status = flush_text(&w);
    einf__free(mem, w.text, (size_t)w.cap_text);
    return status;
}
