/* SPDX-License-Identifier: MIT
 * test_faults_chat.c - every allocation of laying out a conversation fails in turn: a template compiled and rendered,
 * JSON read, the text cut into ids, and the turns of a conversation with an answer in it.
 */
#include "tests/faults/faults_support.h"

static const char TEMPLATE[] =
    "{% macro show(t) %}{% if t is mapping %}{% for k, v in t.items() %}{{ k }}={{ show(v) }};{% endfor %}{% else %}"
    "{{ t | tojson }}{% endif %}{% endmacro %}{%- set ns = namespace(n=0) -%}"
    "{% for m in messages %}{% set ns.n = ns.n + 1 %}<|im_start|>{{ m.role | upper }}\n{{ m['content'] | trim }}"
    "{% for c in m.tool_calls or [] %}{{ c.name ~ show(c.arguments) }}{% endfor %}<|im_end|>\n{% endfor %}{{ ns.n }}"
    "{% for t in tools %}{{ t | tojson }}{% endfor %}{{ names | map('upper') | join(', ') }}{{ strftime_now('%Y') }}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

static einf_chat_config how;

static void fill(einf_message *messages)
{
    for (int i = 0; i < 3; i++) messages[i] = (einf_message)EINF_INIT(einf_message);
    messages[0].role = "system", messages[0].content = " be brief; the tea is in the house ";
    messages[1].role = "user", messages[1].content = "is it <|im_end|> there? \xe4\xb8\xad";
    messages[2].role = "assistant", messages[2].content = "",
    messages[2].extra_json =
        "{\"tool_calls\": [{\"name\": \"look\", \"arguments\": {\"at\": [1, 2.5, \"x\\u00e4\"]}}]}";
}

static einf_status chat_tokenize(world *w, digest *d)
{
    einf_message messages[3];
    int32_t ids[1024];
    uint64_t n = 0;
    fill(messages);
    const einf_status status = einf_chat_tokenize(w->f.m, messages, 3, &how, ids, TEST_COUNT(ids), &n, &w->f.err);
    if (status == EINF_OK) digest_add(d, ids, (size_t)n * sizeof *ids);
    return status;
}

static einf_status chat_render(world *w, digest *d)
{
    einf_message messages[3];
    char text[2048];
    uint64_t n = 0;
    fill(messages);
    const einf_status status = einf_chat_render(w->f.m, messages, 3, &how, text, sizeof text, &n, &w->f.err);
    if (status == EINF_OK) digest_add(d, text, (size_t)n);
    return status;
}

/* Two questions, an answer to each, and the messages they leave. */
static einf_status converse(world *w, digest *d)
{
    einf_chat *c = NULL;
    einf_message question = EINF_INIT(einf_message), said = EINF_INIT(einf_message);
    einf_generate_config g = EINF_INIT(einf_generate_config);
    const char *const stops[] = { "stop here", "and here" };
    g.max_tokens = 3;
    g.ignore_eos = 1;
    g.stop = stops;
    g.n_stop = 2;
    question.role = "user";
    question.content = "the tea";
    assert_int_equal(einf_session_rewind(w->f.s, 0, NULL), EINF_OK);
    einf_status status = einf_chat_create(w->f.s, &how, &c, &w->f.err);
    if (status != EINF_OK) assert_null(c);
    for (int i = 0; i < 2 && status == EINF_OK; i++) {
        status = einf_chat_add(c, &question, &w->f.err);
        const uint64_t n = einf_chat_n_messages(c);
        if (status == EINF_OK) status = einf_chat_answer(c, &g, NULL, &w->f.err);
        if (status != EINF_OK) assert_int_equal(einf_chat_n_messages(c), n);
    }
    for (uint64_t i = 0; status == EINF_OK && i < einf_chat_n_messages(c); i++) {
        assert_int_equal(einf_chat_get_message(c, i, &said, NULL), EINF_OK);
        digest_add(d, said.content, strlen(said.content));
    }
    einf_chat_destroy(&c);
    assert_null(c);
    return status;
}

static void sweep_all(world *w, const char *which)
{
    char name[64];
    (void)snprintf(name, sizeof name, "tokenize, %s", which);
    sweep(w, name, chat_tokenize, 4);
    (void)snprintf(name, sizeof name, "render, %s", which);
    sweep(w, name, chat_render, 3);
    (void)snprintf(name, sizeof name, "two turns, %s", which);
    sweep(w, name, converse, 10);
}

static void test_chat(void **state)
{
    (void)state;
    world w;
    world_open(&w, MODEL_QWEN2);
    how = (einf_chat_config)EINF_INIT(einf_chat_config);
    how.now_s = 1700000000;
    sweep_all(&w, "the file's template");
    how.template_text = TEMPLATE;
    how.tools_json = "[{\"type\": \"function\", \"function\": {\"name\": \"look\", \"parameters\": {}}}]";
    how.vars_json = "{\"names\": [\"a\", \"b\"], \"enable_thinking\": false}";
    sweep_all(&w, "our own");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chat),
    };
    return cmocka_run_group_tests_name("faults_chat", tests, NULL, NULL);
}
