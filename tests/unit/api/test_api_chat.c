/* SPDX-License-Identifier: MIT
 * test_api_chat.c - conversations: what is laid out, what is computed again and what is not, what is left when an
 * answer is cut short or fails.
 */
#include "tests/unit/api/script_model.h"

#define USER(text) "<|im_start|>user\n" text "<|im_end|>\n"
#define ASSISTANT(text) "<|im_start|>assistant\n" text "<|im_end|>\n"
#define OPEN "<|im_start|>assistant\n"

static einf_chat *new_chat(fixture *f, const einf_chat_config *config)
{
    einf_chat *c = NULL;
    f->err = test_error();
    assert_ok(einf_chat_create(f->s, config, &c, &f->err), &f->err);
    return c;
}

static void add(fixture *f, einf_chat *c, const char *role, const char *content)
{
    einf_message m = EINF_INIT(einf_message);
    m.role = role;
    m.content = content;
    f->err = test_error();
    assert_ok(einf_chat_add(c, &m, &f->err), &f->err);
}

static einf_result answer(fixture *f, einf_chat *c, const einf_generate_config *config)
{
    einf_result r = EINF_INIT(einf_result);
    f->err = test_error();
    assert_ok(einf_chat_answer(c, config, &r, &f->err), &f->err);
    return r;
}

/* The conversation is these messages, "role: content" each, NULL behind them. */
static void assert_messages(const einf_chat *c, const char *const *want)
{
    uint64_t n = 0;
    for (; want[n]; n++) {
        char got[256];
        einf_message m = EINF_INIT(einf_message);
        einf_error err = test_error();
        assert_ok(einf_chat_get_message(c, n, &m, &err), &err);
        (void)snprintf(got, sizeof got, "%s: %s", m.role, m.content);
        assert_string_equal(got, want[n]);
    }
    assert_int_equal(einf_chat_n_messages(c), n);
}
#define MESSAGES(c, ...) assert_messages(c, (const char *const[]){ __VA_ARGS__, NULL })

/* Ids of a text in which special tokens count. */
static uint32_t ids_of(const fixture *f, const char *text, int32_t *ids)
{
    uint64_t n;
    einf_error err = test_error();
    assert_ok(einf_tokenize(f->m, text, strlen(text), EINF_TOK_BOS | EINF_TOK_SPECIAL, ids, 512, &n, &err), &err);
    return (uint32_t)n;
}

static uint32_t count_ids(const fixture *f, const char *text)
{
    int32_t ids[512];
    return ids_of(f, text, ids);
}

/* ---------------------------------------------------------------------------------------------- laying out -- */

static void test_render(void **state)
{
    static const char want[] = USER("tea?") ASSISTANT("<|im_end|>") USER("no") OPEN;
    (void)state;
    int32_t script[8], ids[512], want_ids[512];
    fixture f;
    script_session(&f, script_of("x", script), NULL, 0);
    einf_message messages[3] = { EINF_INIT(einf_message), EINF_INIT(einf_message), EINF_INIT(einf_message) };
    messages[0].role = "user", messages[0].content = "tea?";
    messages[1].role = "assistant", messages[1].content = "<|im_end|>"; /* text, not a token */
    messages[2].role = "user", messages[2].content = "no";
    char text[512];
    uint64_t n;
    assert_ok(einf_chat_render(f.m, messages, 3, NULL, text, sizeof text, &n, &f.err), &f.err);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(text, want, n);
    assert_status(einf_chat_render(f.m, messages, 3, NULL, NULL, 0, &n, &f.err), &f.err, EINF_E_LIMIT);
    assert_int_equal(n, strlen(want));
    memset(text, '#', sizeof text);
    f.err = test_error();
    assert_status(einf_chat_render(f.m, messages, 3, NULL, text, 10, &n, &f.err), &f.err, EINF_E_LIMIT);
    assert_string_equal(f.err.where, "buf_bytes");
    assert_memory_equal(text, "<|im_start#", 11);

    f.err = test_error();
    assert_ok(einf_chat_tokenize(f.m, messages, 3, NULL, ids, 512, &n, &f.err), &f.err);
    const uint32_t n_before = ids_of(&f, USER("tea?") "<|im_start|>assistant\n", want_ids);
    assert_memory_equal(ids, want_ids, n_before * sizeof *ids);
    assert_true(ids[n_before] != SCRIPT_END); /* the "<|im_end|>" of the message */
    const uint32_t n_after = ids_of(&f, "<|im_end|>\n" USER("no") OPEN, want_ids);
    assert_memory_equal(ids + n - n_after, want_ids, n_after * sizeof *ids);

    einf_chat_config c = EINF_INIT(einf_chat_config);
    c.continue_answer = 1;
    f.err = test_error();
    assert_ok(einf_chat_render(f.m, messages, 3, &c, text, sizeof text, &n, &f.err), &f.err);
    assert_int_equal(n, strlen(want) - strlen(OPEN));
    fixture_close(&f);
}

static einf_status render(fixture *f, const char *template_text, const char *tools, const char *vars, int64_t now_s,
                          const char *extra_json, char *text)
{
    einf_chat_config c = EINF_INIT(einf_chat_config);
    einf_message m = EINF_INIT(einf_message);
    uint64_t n = 0;
    m.role = "user";
    m.content = extra_json ? NULL : "hi";
    m.extra_json = extra_json;
    c.template_text = template_text;
    c.tools_json = tools;
    c.vars_json = vars;
    c.now_s = now_s;
    f->err = test_error();
    const einf_status status = einf_chat_render(f->m, &m, 1, &c, text, 255, &n, &f->err);
    text[n] = '\0';
    return status;
}

static void test_config(void **state)
{
    (void)state;
    int32_t script[8];
    char text[256];
    fixture f;
    script_session(&f, script_of("x", script), NULL, 0);
    assert_ok(render(&f, "[{{ messages[0].content }}]", NULL, NULL, 0, NULL, text), &f.err);
    assert_string_equal(text, "[hi]");
    assert_ok(render(&f, "{{ tools[0].name }} {{ thinking }}", "[{\"name\": \"clock\"}]", "{\"thinking\": 7}", 0, NULL,
                     text), &f.err);
    assert_string_equal(text, "clock 7");
    assert_ok(render(&f, "{{ strftime_now('%d %b %Y') }}", NULL, NULL, 86400 * 365, NULL, text), &f.err);
    assert_string_equal(text, "01 Jan 1971");
    assert_ok(render(&f, "{{ messages[0].tool_calls | length }}{{ messages[0].content is none }}", NULL, NULL, 0,
                     "{\"tool_calls\": [1, 2]}", text), &f.err);
    assert_string_equal(text, "2True");
    assert_status(render(&f, "{{ raise_exception('only users may speak') }}", NULL, NULL, 0, NULL, text), &f.err,
                  EINF_E_TEMPLATE);
    assert_error_says(&f.err, "only users may speak");
    assert_status(render(&f, "{% if %}", NULL, NULL, 0, NULL, text), &f.err, EINF_E_TEMPLATE);
    assert_status(render(&f, "x", "{", NULL, 0, NULL, text), &f.err, EINF_E_ARG);
    assert_status(render(&f, "x", NULL, "[", 0, NULL, text), &f.err, EINF_E_ARG);
    assert_status(render(&f, "{{ messages }}", NULL, NULL, 0, "nonsense", text), &f.err, EINF_E_ARG);
    einf_chat_config c = EINF_INIT(einf_chat_config);
    einf_chat *chat = NULL;
    c.continue_answer = 2;
    f.err = test_error();
    assert_status(einf_chat_create(f.s, &c, &chat, &f.err), &f.err, EINF_E_ARG);
    assert_string_equal(f.err.where, "continue_answer");
    c.continue_answer = 0;
    c.template_text = "{% for %}";
    f.err = test_error();
    assert_status(einf_chat_create(f.s, &c, &chat, &f.err), &f.err, EINF_E_TEMPLATE);
    assert_null(chat);
    fixture_close(&f);
}

/* A template that does not compile: the model opens, with a warning; who needs the template is told why. */
static void test_broken_template(void **state)
{
    static const char broken[] = "{% for m in messages %}\n{{ m.content }}\n{% endfi %}";
    (void)state;
    int32_t script[8];
    fixture f;
    script_session(&f, script_of("xyz.", script), broken, 0);
    einf_model_info info = EINF_INIT(einf_model_info);
    assert_ok(einf_model_get_info(f.m, &info, &f.err), &f.err);
    assert_int_equal(info.has_chat_template, -1);
    assert_non_null(strstr(f.log, "2 the chat template cannot be used: "));
    assert_non_null(strstr(f.log, "line 3"));
    einf_result r = EINF_INIT(einf_result);
    assert_status(einf_generate(f.s, "tea", 3, NULL, &r, &f.err), &f.err, EINF_E_TEMPLATE);
    assert_string_equal(f.err.where, "tokenizer.chat_template");
    assert_error_says(&f.err, "line 3");
    assert_true(f.err.hint[0] != '\0');
    const uint8_t *template_at = memmem(f.file, f.n_bytes, broken, strlen(broken)); /* the place is the file's */
    const uint64_t at = (uint64_t)(template_at - f.file);
    assert_in_range(f.err.offset, at + (uint64_t)(strstr(broken, "{% endfi") - broken), at + strlen(broken));
    einf_chat *chat = NULL;
    f.err = test_error();
    assert_status(einf_chat_create(f.s, NULL, &chat, &f.err), &f.err, EINF_E_TEMPLATE);
    assert_error_says(&f.err, "line 3");
    einf_chat_config c = EINF_INIT(einf_chat_config);
    c.template_text = "{{ messages[0].content }}\n\n"; /* Jinja drops the last line end */
    chat = new_chat(&f, &c);
    add(&f, chat, "user", "tea");
    (void)answer(&f, chat, NULL);
    MESSAGES(chat, "user: tea", "assistant: xyz.");
    einf_chat_destroy(&chat);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------- turns -- */

/* What a second turn computes is what came since: when the answer reads back as the ids that were sampled, all but
 * the new part is known. */
static void test_second_turn(void **state)
{
    (void)state;
    int32_t script[16];
    fixture f;
    script_session(&f, script_of("xyz.", script), NULL, 0);
    einf_chat *c = new_chat(&f, NULL);
    hearing h = { .n_calls = 0 };
    einf_generate_config config = hearing_config(&h);
    add(&f, c, "user", "one");
    const uint32_t n_first = count_ids(&f, USER("one") OPEN);
    einf_result r = answer(&f, c, &config);
    assert_string_equal(h.calls, "x|y|z|.||");
    assert_int_equal(r.stop_reason, EINF_STOP_EOS);
    assert_int_equal(r.n_prompt, n_first);
    assert_int_equal(r.n_cached, 0);
    assert_int_equal(r.n_generated, 5);
    MESSAGES(c, "user: one", "assistant: xyz.");

    add(&f, c, "user", "two");
    h = (hearing){ .n_calls = 0 };
    r = answer(&f, c, &config);
    assert_int_equal(r.n_prompt, count_ids(&f, USER("one") ASSISTANT("xyz.") USER("two") OPEN));
    assert_int_equal(r.n_cached, n_first + 4); /* the end of the answer was never appended */
    assert_int_equal(r.n_prompt - r.n_cached, count_ids(&f, "<|im_end|>\n" USER("two") OPEN));
    assert_int_equal(h.n_progress[EINF_PHASE_PREFILL], (r.n_prompt - r.n_cached + 3) / 4);
    MESSAGES(c, "user: one", "assistant: xyz.", "user: two", "assistant: xyz.");

    /* asked again: only the last token of the prompt is computed, because its logits are needed */
    assert_ok(einf_chat_truncate(c, 3, &f.err), &f.err);
    const einf_result again = answer(&f, c, &config);
    assert_int_equal(again.n_prompt, r.n_prompt);
    assert_int_equal(again.n_cached, r.n_prompt - 1);
    /* taken back: the timeline is shared as far as the first answer */
    assert_ok(einf_chat_truncate(c, 2, &f.err), &f.err);
    add(&f, c, "user", "be");
    r = answer(&f, c, &config);
    assert_int_equal(r.n_cached, count_ids(&f, USER("one") ASSISTANT("xyz.") "<|im_start|>user\n"));
    einf_chat_destroy(&c);
    assert_null(c);
    fixture_close(&f);
}

/* "tea" is said as t, e, a, and reads back as t, ea: what is known ends there, and no further. */
static void test_other_tokens_same_text(void **state)
{
    (void)state;
    int32_t script[16], pair[8];
    fixture f;
    script_session(&f, script_of("tea.", script), NULL, 0);
    assert_int_equal(ids_of(&f, "tea.", pair), 3);
    assert_int_equal(pair[0], 't');
    einf_chat *c = new_chat(&f, NULL);
    add(&f, c, "user", "one");
    const einf_result first = answer(&f, c, NULL);
    assert_int_equal(first.n_generated, 5);
    MESSAGES(c, "user: one", "assistant: tea.");
    add(&f, c, "user", "two");
    const einf_result r = answer(&f, c, NULL);
    assert_int_equal(r.n_prompt, count_ids(&f, USER("one") ASSISTANT("tea.") USER("two") OPEN));
    assert_int_equal(r.n_cached, first.n_prompt + 1);
    einf_chat_destroy(&c);
    fixture_close(&f);
}

/* A template that forgets the thoughts of earlier answers, as Qwen3's: nothing behind the cut is taken for known. */
static void test_thoughts(void **state)
{
    static const char forgetful[] =
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('#')[-1] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    (void)state;
    int32_t script[16];
    fixture f;
    script_session(&f, script_of("xy#z.", script), forgetful, 0);
    einf_chat *c = new_chat(&f, NULL);
    add(&f, c, "user", "one");
    const einf_result first = answer(&f, c, NULL);
    MESSAGES(c, "user: one", "assistant: xy#z.");
    add(&f, c, "user", "two");
    const einf_result r = answer(&f, c, NULL);
    assert_int_equal(r.n_prompt, count_ids(&f, USER("one") ASSISTANT("z.") USER("two") OPEN));
    assert_int_equal(r.n_cached, first.n_prompt);
    einf_chat_destroy(&c);
    fixture_close(&f);
}

/* The session may be used in between: the next answer finds out. Two conversations may share one. */
static void test_shared_session(void **state)
{
    (void)state;
    int32_t script[16];
    fixture f;
    script_session(&f, script_of("xyz.", script), NULL, 0);
    einf_chat *a = new_chat(&f, NULL), *b = new_chat(&f, NULL);
    add(&f, a, "user", "one");
    add(&f, b, "system", "be brief");
    add(&f, b, "user", "one");
    (void)answer(&f, a, NULL);
    assert_int_equal(answer(&f, b, NULL).n_cached, 1); /* <|im_start|> */
    add(&f, a, "user", "two");
    assert_int_equal(answer(&f, a, NULL).n_cached, 1);
    assert_ok(einf_session_rewind(f.s, 0, &f.err), &f.err);
    add(&f, a, "user", "three");
    assert_int_equal(answer(&f, a, NULL).n_cached, 0);
    MESSAGES(a, "user: one", "assistant: xyz.", "user: two", "assistant: xyz.", "user: three", "assistant: xyz.");
    MESSAGES(b, "system: be brief", "user: one", "assistant: xyz.");
    einf_chat_destroy(&a);
    einf_chat_destroy(&b);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------- stop strings -- */

static void test_stop_strings(void **state)
{
    static const struct { const char *stops[3], *calls, *text; int32_t reason; uint32_t n_generated; } cases[] = {
        { { "yz" }, "x|||", "x", EINF_STOP_STRING, 3 },          /* within a token's reach, given to nobody */
        { { "x" }, "|", "", EINF_STOP_STRING, 1 },               /* an answer of nothing */
        { { "zq" }, "x|y||z.||", "xyz.", EINF_STOP_EOS, 5 },     /* held back until it could not be */
        { { "z.q" }, "x|y||||z.$", "xyz.", EINF_STOP_EOS, 5 },   /* or until the end */
        { { "z.", "yz.", "." }, "x||||", "x", EINF_STOP_STRING, 4 }, /* the longest of those that end together */
        { { "xyzq", "y" }, "||", "x", EINF_STOP_STRING, 2 },     /* the first to end; what was held for another comes */
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        int32_t script[16];
        fixture f;
        script_session(&f, script_of("xyz.", script), NULL, 0);
        hearing h = { .n_calls = 0 };
        einf_generate_config config = hearing_config(&h);
        config.stop = cases[i].stops;
        while (config.n_stop < 3 && cases[i].stops[config.n_stop]) config.n_stop++;
        einf_chat *c = new_chat(&f, NULL);
        add(&f, c, "user", "one");
        const einf_result r = answer(&f, c, &config);
        if (i < 5) assert_string_equal(h.calls, cases[i].calls);
        assert_string_equal(h.text, cases[i].text);
        assert_int_equal(r.stop_reason, cases[i].reason);
        assert_int_equal(r.n_generated, cases[i].n_generated);
        char said[64];
        (void)snprintf(said, sizeof said, "assistant: %s", cases[i].text);
        MESSAGES(c, "user: one", said);
        einf_chat_destroy(&c);

        h = (hearing){ .n_calls = 0 }; /* a single prompt has them, too */
        einf_result single = EINF_INIT(einf_result);
        assert_ok(einf_generate(f.s, "one", 3, &config, &single, &f.err), &f.err);
        assert_string_equal(h.text, cases[i].text);
        assert_int_equal(single.stop_reason, cases[i].reason);
        config.stop = NULL;
        assert_status(einf_generate(f.s, "one", 3, &config, &single, &f.err), &f.err, EINF_E_ARG);
        assert_string_equal(f.err.where, "stop");
        fixture_close(&f);
    }
}

/* ------------------------------------------------------------------------------------------- cut short -- */

/* A limit, a callback, the context: what was said is kept, in whole characters. */
static void test_partial_answers(void **state)
{
    (void)state;
    int32_t script[16];
    fixture f;
    script_session(&f, script_of("x\xc3\xa9.", script), NULL, 0);
    const char *const kept[] = { NULL, "assistant: x", "assistant: x", "assistant: x\xc3\xa9",
                                 "assistant: x\xc3\xa9." };
    for (uint32_t n = 1; n <= 4; n++) {
        hearing h = { .n_calls = 0 };
        einf_generate_config config = hearing_config(&h);
        config.max_tokens = n;
        einf_chat *c = new_chat(&f, NULL);
        add(&f, c, "user", "one");
        einf_result r = answer(&f, c, &config);
        assert_int_equal(r.stop_reason, EINF_STOP_LENGTH);
        MESSAGES(c, "user: one", kept[n]);
        if (n == 2) assert_string_equal(h.calls, "x||\xef\xbf\xbd$"); /* the rest of no character is only told */

        assert_ok(einf_chat_truncate(c, 1, &f.err), &f.err);
        h = (hearing){ .stop_at = (int)n };
        config.max_tokens = 0;
        r = answer(&f, c, &config);
        assert_int_equal(r.stop_reason, EINF_STOP_CALLBACK);
        assert_int_equal(r.n_generated, n);
        MESSAGES(c, "user: one", kept[n]);
        einf_chat_destroy(&c);
    }
    fixture_close(&f);

    /* a first token that is no character yet: nothing to keep */
    script_session(&f, script_of("\xc3\xa9.", script), NULL, 0);
    einf_generate_config config = EINF_INIT(einf_generate_config);
    config.max_tokens = 1;
    einf_chat *c = new_chat(&f, NULL);
    add(&f, c, "user", "one");
    assert_int_equal(answer(&f, c, &config).stop_reason, EINF_STOP_LENGTH);
    MESSAGES(c, "user: one");
    einf_chat_destroy(&c);
    fixture_close(&f);
}

static void expect_cancelled(fixture *f, einf_chat *c, const einf_generate_config *config, uint32_t n_generated)
{
    einf_result r = EINF_INIT(einf_result);
    f->err = test_error();
    assert_status(einf_chat_answer(c, config, &r, &f->err), &f->err, EINF_E_CANCELLED);
    assert_int_equal(r.stop_reason, EINF_STOP_CANCELLED);
    assert_int_equal(r.n_generated, n_generated);
}

static void test_cancel(void **state)
{
    (void)state;
    int32_t script[16];
    fixture f;
    einf_cancel *cancel = NULL;
    script_session(&f, script_of("xyz.", script), NULL, 0);
    assert_ok(einf_cancel_create(&cancel, &f.err), &f.err);
    einf_chat *c = new_chat(&f, NULL);
    add(&f, c, "user", "one and two and three");
    hearing h = { .cancel_phase = EINF_PHASE_PREFILL, .cancel_at = 2 }; /* in the prompt, by progress */
    einf_generate_config config = hearing_config(&h);
    config.cancel = cancel;
    expect_cancelled(&f, c, &config, 0);
    MESSAGES(c, "user: one and two and three");
    einf_cancel_set(cancel); /* by the flag */
    expect_cancelled(&f, c, &config, 0);
    MESSAGES(c, "user: one and two and three");
    einf_cancel_clear(cancel);
    h = (hearing){ .set = cancel, .stop_at = 2 }; /* in the answer, by the flag: the token given is not appended */
    expect_cancelled(&f, c, &config, 2);
    einf_cancel_clear(cancel);
    MESSAGES(c, "user: one and two and three", "assistant: xy");
    assert_string_equal(h.text, "xy");

    /* the conversation goes on from there, and knows the half answer */
    add(&f, c, "user", "go on");
    h = (hearing){ .cancel_phase = EINF_PHASE_DECODE, .cancel_at = 1 };
    config.cancel = NULL;
    einf_result r = EINF_INIT(einf_result);
    f.err = test_error();
    assert_status(einf_chat_answer(c, &config, &r, &f.err), &f.err, EINF_E_CANCELLED);
    assert_int_equal(r.n_generated, 1);
    assert_int_equal(r.n_cached, count_ids(&f, USER("one and two and three") OPEN "x"));
    MESSAGES(c, "user: one and two and three", "assistant: xy", "user: go on", "assistant: x");
    einf_chat_destroy(&c);
    einf_cancel_destroy(&cancel);
    fixture_close(&f);
}

static void test_full_context(void **state)
{
    (void)state;
    int32_t script[16];
    fixture f;
    script_session(&f, script_of("xyz.", script), NULL, 24);
    einf_chat *c = new_chat(&f, NULL);
    add(&f, c, "user", "qqqqqq");
    const uint32_t n_prompt = count_ids(&f, USER("qqqqqq") OPEN);
    assert_in_range(n_prompt, 22, 24); /* or the test means nothing */
    einf_result r = answer(&f, c, NULL);
    assert_int_equal(r.stop_reason, EINF_STOP_CONTEXT);
    assert_int_equal(r.n_generated, 24 - n_prompt + 1);
    assert_int_equal(einf_chat_n_messages(c), 2);

    add(&f, c, "user", "more");
    const uint32_t n_past = einf_session_n_past(f.s);
    char numbers[64];
    f.err = test_error();
    assert_status(einf_chat_answer(c, NULL, &r, &f.err), &f.err, EINF_E_CTX_FULL);
    (void)snprintf(numbers, sizeof numbers, "of 3 messages has %u tokens, the context 24", r.n_prompt);
    assert_error_says(&f.err, numbers);
    assert_error_says(&f.err, "einf_chat_truncate");
    assert_int_equal(einf_session_n_past(f.s), n_past); /* nothing is cut or forgotten */
    assert_int_equal(einf_chat_n_messages(c), 3);
    assert_ok(einf_chat_truncate(c, 0, &f.err), &f.err);
    add(&f, c, "user", "q");
    f.err = test_error();
    assert_int_equal(answer(&f, c, NULL).stop_reason, EINF_STOP_EOS);
    einf_chat_destroy(&c);
    fixture_close(&f);
}

/* Messages end at a NUL: one that a model says is kept as U+FFFD. */
static void test_nul_in_an_answer(void **state)
{
    (void)state;
    const int32_t script[] = { '\n', 'x', 0, 'y', SCRIPT_END, -1 };
    fixture f;
    script_session(&f, script, NULL, 0);
    einf_chat *c = new_chat(&f, NULL);
    add(&f, c, "user", "one");
    (void)answer(&f, c, NULL);
    MESSAGES(c, "user: one", "assistant: x\xef\xbf\xbdy");
    einf_chat_destroy(&c);
    fixture_close(&f);
}

/* --------------------------------------------------------------------------------------- arguments, memory -- */

typedef struct meddler { fixture *f; einf_chat *c; int n; } meddler;

/* A callback that uses the conversation while it is being answered. */
static int32_t meddle(void *user, const char *utf8, uint64_t n_bytes, int32_t id)
{
    meddler *m = user;
    (void)utf8, (void)n_bytes, (void)id;
    einf_message message = EINF_INIT(einf_message);
    message.role = message.content = "user";
    einf_error err = test_error();
    assert_status(einf_chat_add(m->c, &message, &err), &err, EINF_E_STATE);
    err = test_error();
    assert_status(einf_chat_truncate(m->c, 0, &err), &err, EINF_E_STATE);
    err = test_error();
    assert_status(einf_chat_answer(m->c, NULL, NULL, &err), &err, EINF_E_STATE);
    einf_chat *same = m->c;
    einf_chat_destroy(&same);
    assert_ptr_equal(same, m->c);
    assert_ok(einf_chat_get_message(m->c, 0, &message, &err), NULL); /* looking is allowed */
    assert_string_equal(message.content, "one");
    m->n++;
    return 0;
}

static void test_arguments(void **state)
{
    (void)state;
    int32_t script[16];
    fixture f;
    script_session(&f, script_of("xyz.", script), NULL, 0);
    einf_chat *c = NULL;
    assert_status(einf_chat_create(NULL, NULL, &c, &f.err), &f.err, EINF_E_ARG);
    f.err = test_error();
    assert_status(einf_chat_create(f.s, NULL, NULL, &f.err), &f.err, EINF_E_ARG);
    c = new_chat(&f, NULL);
    assert_status(einf_chat_answer(c, NULL, NULL, &f.err), &f.err, EINF_E_STATE);
    assert_error_says(&f.err, "no message");
    f.err = test_error();
    assert_status(einf_chat_add(c, NULL, &f.err), &f.err, EINF_E_ARG);
    einf_message m = EINF_INIT(einf_message);
    f.err = test_error();
    assert_status(einf_chat_add(c, &m, &f.err), &f.err, EINF_E_ARG);
    assert_error_says(&f.err, "message 0 has no role");
    m.role = "user";
    f.err = test_error();
    assert_status(einf_chat_add(c, &m, &f.err), &f.err, EINF_E_ARG);
    assert_error_says(&f.err, "no content");
    add(&f, c, "user", "one");
    assert_status(einf_chat_get_message(c, 1, &m, &f.err), &f.err, EINF_E_ARG);
    assert_error_says(&f.err, "i is 1, the conversation has 1 messages");
    f.err = test_error();
    assert_status(einf_chat_truncate(c, 2, &f.err), &f.err, EINF_E_ARG);
    einf_generate_config config = EINF_INIT(einf_generate_config);
    config.raw = 1;
    f.err = test_error();
    assert_status(einf_chat_answer(c, &config, NULL, &f.err), &f.err, EINF_E_ARG);
    assert_string_equal(f.err.where, "raw");
    assert_int_equal(einf_chat_n_messages(NULL), 0);
    einf_chat *none = NULL;
    einf_chat_destroy(&none);
    einf_chat_destroy(NULL);

    meddler meddling = { &f, c, 0 };
    config.raw = 0;
    config.on_text = meddle;
    config.on_text_user = &meddling;
    (void)answer(&f, c, &config);
    assert_int_equal(meddling.n, 5);
    MESSAGES(c, "user: one", "assistant: xyz.");
    einf_chat_destroy(&c);
    fixture_close(&f);
}

/* Everything is taken before the first token or behind the last. */
static int32_t watch_heap(void *user, const char *utf8, uint64_t n_bytes, int32_t id)
{
    uint64_t *calls = user; /* heap's, first, last */
    (void)utf8, (void)n_bytes, (void)id;
    calls[2] = ((const test_heap *)(uintptr_t)calls[0])->n_calls;
    if (!calls[1]) calls[1] = calls[2];
    return 0;
}

static void test_answering_allocates_nothing(void **state)
{
    static const char *const stops[] = { "qq", "z.q" };
    (void)state;
    int32_t script[16];
    fixture f;
    script_session(&f, script_of("xyz.", script), NULL, 0);
    uint64_t calls[3] = { (uint64_t)(uintptr_t)&f.heap, 0, 0 };
    einf_generate_config config = EINF_INIT(einf_generate_config);
    config.stop = stops;
    config.n_stop = 2;
    config.on_text = watch_heap;
    config.on_text_user = calls;
    einf_chat *c = new_chat(&f, NULL);
    add(&f, c, "user", "one");
    (void)answer(&f, c, &config);
    assert_true(calls[1] > 0);
    assert_int_equal(calls[1], calls[2]);
    einf_chat_destroy(&c);
    fixture_close(&f);
}

/* Create, add, answer, with allocation n failing, and all after it or none. Whatever fails, the messages are as they
 * were, and the same call then succeeds. */
static bool faulty_life(fixture *f, uint64_t n, bool all_after)
{
    static const char *const stops[] = { "q" };
    einf_chat_config cc = EINF_INIT(einf_chat_config);
    cc.tools_json = "[]";
    cc.vars_json = "{}";
    cc.template_text = "{{ messages | length }} {{ messages[-1].content }}\n\n";
    einf_generate_config gc = EINF_INIT(einf_generate_config);
    gc.stop = stops;
    gc.n_stop = 1;
    einf_message m = EINF_INIT(einf_message);
    m.role = "user";
    m.content = "one";
    m.extra_json = "{\"name\": \"Ada\"}";
    einf_chat *c = NULL;
    const uint64_t before = f->heap.n_calls;
    f->heap.fail_at = before + n;
    f->heap.fail_after = all_after;
    int n_failed = 0;
#define RETRY(call) \
    do { \
        const uint64_t n_messages = einf_chat_n_messages(c); \
        f->err = test_error(); \
        if ((call) == EINF_OK) break; \
        assert_int_equal(f->err.code, EINF_E_NOMEM); \
        assert_int_equal(einf_chat_n_messages(c), n_messages); \
        f->heap.fail_at = 0; \
        n_failed++; \
    } while (1)
    RETRY(einf_chat_create(f->s, &cc, &c, &f->err));
    for (int i = 0; i < 5; i++) { /* so that the list of messages grows */
        RETRY(einf_chat_add(c, &m, &f->err));
        RETRY(einf_chat_answer(c, &gc, NULL, &f->err));
    }
#undef RETRY
    f->heap.fail_at = 0;
    assert_in_range(n_failed, 0, 1);
    MESSAGES(c, "user: one", "assistant: xyz.", "user: one", "assistant: xyz.", "user: one", "assistant: xyz.",
             "user: one", "assistant: xyz.", "user: one", "assistant: xyz.");
    einf_chat_destroy(&c);
    return n_failed > 0;
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    int32_t script[16];
    for (int all_after = 0; all_after < 2; all_after++) {
        fixture f;
        script_session(&f, script_of("xyz.", script), NULL, 0);
        const uint64_t n_live = f.heap.n_live;
        uint64_t n = 1;
        while (faulty_life(&f, n, all_after)) {
            assert_int_equal(f.heap.n_live, n_live);
            assert_true(++n < 5000);
        }
        assert_true(n > 40);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_render),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_broken_template),
        cmocka_unit_test(test_second_turn),
        cmocka_unit_test(test_other_tokens_same_text),
        cmocka_unit_test(test_thoughts),
        cmocka_unit_test(test_shared_session),
        cmocka_unit_test(test_stop_strings),
        cmocka_unit_test(test_partial_answers),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_full_context),
        cmocka_unit_test(test_nul_in_an_answer),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_answering_allocates_nothing),
        cmocka_unit_test(test_every_allocation_fails),
    };
    return cmocka_run_group_tests_name("api_chat", tests, NULL, NULL);
}
