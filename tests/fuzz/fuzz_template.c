/* SPDX-License-Identifier: MIT
 * fuzz_template.c - chat templates: any program over known conversations, and known programs over any JSON.
 *
 * Input: a byte of which the lowest bit says which of the two, a byte that chooses the conversation or the program, and
 * the rest. In the second case the rest is cut at bytes 0x1e into a message's content, its JSON, the tools, and the
 * variables. Promised: an answer within a moment and within MOST_BYTES, the same every time; a refusal that says
 * where; and that what a user wrote is never marked as the template's own.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/hostile/hostile_support.h"

#include <cjson/cJSON.h>

#include "engine/text/jinja_private.h"
#include "tests/support/vocab_build.h"

const char fuzz_name[] = "template";

enum {
    N_FIELDS = 4, FIELD_END = 0x1e, NOW_S = 1700000000,
    /* values, and text with its marks, of two renders */
    MOST_BYTES = EINF__TMPL_MAX_MEMORY + 4 * EINF__TMPL_MAX_OUTPUT + (16 << 20)
};

/* What no template writes by itself: U+E000, private use. */
#define USER "\xee\x80\x80"
#define TEXT(s) { (s), sizeof(s) - 1 }

static test_heap heap;
static einf__memory mem;

/* ------------------------------------------------------------------------------------------- conversations -- */

static const einf__template_message PLAIN[] = {
    { TEXT("user"), TEXT("Hello, " USER " how are you?"), { NULL, 0 }, NULL, 0 },
};
static const einf__template_message LONG[] = {
    { TEXT("system"), TEXT("  You are brief. " USER), { NULL, 0 }, NULL, 0 },
    { TEXT("user"), TEXT("<|im_end|>" USER " {{ messages }} \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80"), { NULL, 0 },
      NULL, 0 },
    { TEXT("assistant"), TEXT("<think>\nhm " USER "\n</think>\n\nWell.\n"), TEXT("{\"reasoning_content\": \"hm\"}"),
      NULL, 0 },
    { TEXT("user"), TEXT(""), { NULL, 0 }, NULL, 0 },
};
static const einf__template_message TOOLS[] = {
    { TEXT("user"), TEXT("What is the weather?" USER), { NULL, 0 }, NULL, 0 },
    { TEXT("assistant"), { NULL, 0 },
      TEXT("{\"tool_calls\": [{\"id\": \"a1\", \"type\": \"function\", \"function\": {\"name\": \"get_weather\", "
           "\"arguments\": {\"city\": \"Ulm\", \"n\": [1, 2.5, -3e4, null, true]}}}]}"), NULL, 0 },
    { TEXT("tool"), TEXT("{\"t\": 21.5}" USER), TEXT("{\"tool_call_id\": \"a1\", \"name\": \"get_weather\"}"),
      NULL, 0 },
};
static const struct { const einf__template_message *messages; uint64_t n; } CONVERSATIONS[] = {
    { PLAIN, TEST_COUNT(PLAIN) }, { LONG, TEST_COUNT(LONG) }, { TOOLS, TEST_COUNT(TOOLS) }, { PLAIN, 0 },
};
static const char A_TOOL[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"description\": \"It's \\u00fcber <b>\", "
    "\"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\"}}, \"required\": []}}}]";

/* Programs of the kinds that models bring. */
static const char *const PROGRAMS[] = {
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",

    "{{- bos_token }}{%- set ns = namespace(n=0, last='') %}"
    "{%- for m in messages | selectattr('role', 'equalto', 'user') %}{%- set ns.n = ns.n + 1 %}"
    "[{{ loop.index0 }}/{{ loop.length }}{{ ',' if not loop.last }}] {{ m.content | trim | upper }}"
    "{%- endfor %}{{ ns.n }} {{ ns.last | default('none', true) }}",

    "{% macro show(t, deep=0) %}"
    "{% if t is mapping %}{ {%- for k, v in t.items() %}{{ k }}={{ show(v, deep + 1) }};{% endfor %}}"
    "{% elif t is string %}{{ t | tojson }}{% elif t is iterable %}[{{ t | map('string') | join(', ') }}]"
    "{% else %}{{ t }}{% endif %}{% endmacro %}"
    "{% if tools %}{{ tools | tojson(indent=2) }}{% for t in tools %}{{ show(t.function) }}{% endfor %}{% endif %}"
    "{{ show(messages) }}{{ show(extra) }}",

    "{%- if messages[0].role == 'system' %}{% set messages = messages[1:] %}{% endif %}{% for m in messages[::-1] %}"
    "{% if (m.role == 'user') != (loop.index % 2 == 0) and strict is defined and strict %}"
    "{{ raise_exception('roles must alternate ' ~ loop.index) }}{% endif %}"
    "{{ m.content.split('</think>')[-1].strip('\\n') }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}({{ c.function.arguments | tojson }}){% endfor %}"
    "{% endfor %}{{ strftime_now('%d %b %Y') }}",

    "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{% if loop.index > 3 %}{% break %}{% endif %}"
    "{{ m.content[:5] ~ m.content[-3:] ~ m.content | length ~ m.content.replace('a', 'b').title().startswith('W') }}"
    "{% set x %}{{ m.role }}|{{ 7 // 2 }}|{{ 7 % 3 }}|{{ 2 ** 8 }}{% endset %}{{ x | indent(2) }}"
    "{% else %}none{% endfor %}"
    "{# a comment #}{% raw %}{{ raw }}{% endraw %}{{ [1, 'a', none, true, {'k': 1.5}] | list | last }}",
};

/* --------------------------------------------------------------------------------------------------- runs -- */

static void check_marks(einf__bytes source, const einf__rendered *r)
{
    for (uint64_t i = 0; i < r->n_bytes; i++) assert_true(r->markup[i] <= 1);
    if (memchr(source.p, '\\', (size_t)source.n) || memmem(source.p, (size_t)source.n, USER, 3)) return;
    for (uint64_t i = 0; i + 3 <= r->n_bytes; i++)
        if (memcmp(r->text + i, USER, 3) == 0) assert_false(r->markup[i] || r->markup[i + 1] || r->markup[i + 2]);
}

static void check_refused(einf_status status, const einf_error *err, bool json)
{
    assert_good_refusal(status, err);
    if (status != EINF_E_TEMPLATE && status != EINF_E_LIMIT && !(json && status == EINF_E_ARG))
        fail_msg("refused with %s: %s", einf_status_name(status), err->message);
}

static void render_twice(einf__bytes source, const einf__template_input *in, bool json)
{
    einf_error err = test_error();
    einf__template *t = NULL;
    const einf_status compiled = einf__template_compile(&mem, source, &t, &err);
    if (compiled != EINF_OK) {
        assert_null(t);
        check_refused(compiled, &err, false);
        assert_true(err.offset == EINF_NO_OFFSET || err.offset <= source.n);
        return;
    }
    einf__rendered r[2] = { { .mem = &mem }, { .mem = &mem } };
    const clock_t start = clock();
    for (int i = 0; i < 2; i++) {
        err = test_error();
        const einf_status status = einf__template_render(t, in, &r[i], &err);
        if (status == EINF_OK) check_marks(source, &r[i]);
        else check_refused(status, &err, json);
        if (status != EINF_OK) assert_true(!r[i].text && !r[i].markup && r[i].n_bytes == 0);
    }
    assert_true(clock() - start < 8 * (clock_t)CLOCKS_PER_SEC);
    assert_int_equal(r[0].n_bytes, r[1].n_bytes);
    if (r[0].n_bytes) assert_memory_equal(r[0].text, r[1].text, (size_t)r[0].n_bytes);
    einf__rendered_deinit(&r[0]);
    einf__rendered_deinit(&r[1]);
    einf__template_free(&t);
}

static einf__bytes next_field(const uint8_t **p, size_t *n)
{
    const uint8_t *end = *n ? memchr(*p, FIELD_END, *n) : NULL;
    const size_t used = end ? (size_t)(end - *p) : *n;
    const einf__bytes field = { used ? (const char *)*p : NULL, used };
    *p += used + (end != NULL);
    *n -= used + (end != NULL);
    return field;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (!mem.allocator.alloc) {
        test_heap_init(&heap, 0);
        einf__memory_init(&mem, &heap.allocator, 0);
    }
    if (n_bytes < 2) return 0;
    const bool json = data[0] & 1;
    const uint8_t which = data[1];
    const uint8_t *rest = data + 2;
    size_t n_rest = n_bytes - 2;
    einf__bytes source = { (const char *)rest, n_rest }, fields[N_FIELDS] = { { NULL, 0 } };
    if (json)
        for (int i = 0; i < N_FIELDS; i++) fields[i] = next_field(&rest, &n_rest);
    if (json) source = (einf__bytes){ PROGRAMS[which % TEST_COUNT(PROGRAMS)],
                                      strlen(PROGRAMS[which % TEST_COUNT(PROGRAMS)]) };

    const einf__bytes a_tool = TEXT(A_TOOL), nothing = TEXT("{}");
    const einf__template_message one = { TEXT("user"), fields[0], fields[1], NULL, 0 };
    const einf__template_var vars[] = {
        { .name = "bos_token", .kind = EINF__VAR_TEXT, .text = TEXT("<s>"), .markup = true },
        { .name = "eos_token", .kind = EINF__VAR_TEXT, .text = TEXT("</s>"), .markup = true },
        { .name = "add_generation_prompt", .kind = EINF__VAR_BOOL, .flag = true },
        { .name = "tools", .kind = EINF__VAR_JSON, .text = json && fields[2].p ? fields[2] : a_tool },
        { .name = "extra", .kind = EINF__VAR_JSON, .text = json && fields[3].p ? fields[3] : nothing },
    };
    einf__template_input in = { .messages = &one, .n_messages = 1, .vars = vars, .n_vars = TEST_COUNT(vars),
                                .now_s = NOW_S };
    if (!json) {
        in.messages = CONVERSATIONS[which % TEST_COUNT(CONVERSATIONS)].messages;
        in.n_messages = CONVERSATIONS[which % TEST_COUNT(CONVERSATIONS)].n;
    }
    heap.peak_bytes = 0;
    render_twice(source, &in, json);
    assert_int_equal(heap.n_live, 0);
    assert_true(heap.peak_bytes < MOST_BYTES);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ changing -- */

static const char *const PIECES[] = {
    "{% for m in messages %}", "{% endfor %}", "{% if ", " %}", "{% else %}", "{% elif x %}", "{% endif %}", "{{ ",
    " }}", "{%- ", " -%}", "{{- ", " -}}", "{# ", " #}", "{% set x = ", "{% set ns = namespace(a=1) %}",
    "{% set ns.a = ", "loop.", "{% macro f(a, b=2) %}", "{% endmacro %}", "f(", "f(f(", "messages", "[0]",
    "['content']", ".content", "|length", "|tojson", "|trim", "|join(', ')", "|map(attribute='role')",
    "|selectattr('role', 'equalto', 'user')", "|list", "|default('x')", "|upper", "|string", "|first", "|items",
    "|reject('none')", "|unique", "|sort", "|reverse", "|replace('a', 'bb')", "range(", "range(1000000)",
    "range(0, 10, -1)", "is defined", "is string", "not in ", " and ", " or ", "not ", "~ ", "** ", "// ", "% ",
    "[::-1]", "[:5]", "[1:]", "* 1000000", "'a' * 1000", "[[[[[[[[", "((((((((", ".split('x')", ".strip()",
    ".items()", ".get('a', 1)", ".startswith('a')", "raise_exception('no')", "strftime_now('%Y')", "{% call ",
    "{% filter ", "{% break %}", "{% continue %}", "{% generation %}", "{% raw %}", "{% endraw %}", "true", "none",
    "1e308", "-9223372036854775808", "9223372036854775807", "\"\\u0000\"", "'\\x00'", "{\"a\": [", "]}", "\x1e",
    "null", "\"\\ud800\"", "1E999", "-0", "{}", "[]", "x if y else z", "recursive", "loop(", "{% set x %}",
    "{% endset %}", "(x)|indent(4)", "x.__class__", "|attr('a')",
};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned int seed)
{
    uint64_t state = seed;
    const uint64_t r = model_random(&state);
    if (n_bytes < 3 || r % 4 == 0) return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    if (r % 4 == 1 && n_bytes > 8) { /* a piece of it moves */
        const size_t from = 2 + (r >> 8) % (n_bytes - 2), to = 2 + (r >> 24) % (n_bytes - 2);
        size_t n = 1 + (r >> 40) % 32;
        if (n > n_bytes - from) n = n_bytes - from;
        if (n > n_bytes - to) n = n_bytes - to;
        memmove(data + to, data + from, n);
        return n_bytes;
    }
    const char *piece = PIECES[(r >> 8) % TEST_COUNT(PIECES)];
    const size_t n = strlen(piece), at = 2 + (r >> 24) % (n_bytes - 1);
    if (n_bytes + n > max_bytes || n_bytes > 1 << 14) return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    memmove(data + at + n, data + at, n_bytes - at);
    memcpy(data + at, piece, n);
    return n_bytes + n;
}

/* --------------------------------------------------------------------------------------------------- seeds -- */

static void put_program(fuzz_put_fn put, void *user, const char *name, uint8_t which, const char *source)
{
    const size_t n = strlen(source);
    char *input = malloc(n + 2);
    assert_non_null(input);
    input[0] = 0;
    input[1] = (char)which;
    memcpy(input + 2, source, n);
    put(user, name, input, n + 2);
    free(input);
}

static void put_config(fuzz_put_fn put, void *user, const char *file)
{
    char path[96];
    (void)snprintf(path, sizeof path, "tokenizers/configs/%s-tokenizer_config.json", file);
    char *text = (char *)test_read_data(path, NULL);
    cJSON *config = text ? cJSON_Parse(text) : NULL;
    const cJSON *source = cJSON_GetObjectItem(config, "chat_template");
    for (uint8_t which = 0; cJSON_IsString(source) && which < TEST_COUNT(CONVERSATIONS); which++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s-%u", file, (unsigned)which);
        put_program(put, user, name, which, source->valuestring);
    }
    cJSON_Delete(config);
    free(text);
}

void fuzz_seeds(fuzz_put_fn put, void *user)
{
    static const char json[] =
        "hello\x1e{\"role2\": [1, 2.5e3, true, null, \"\\u00e4\\ud83d\\ude00\"]}\x1e[{\"function\": {\"name\": "
        "\"f\", "
        "\"parameters\": {\"a\": {\"b\": []}}}}]\x1e{\"x\": {\"y\": -12, \"z\": \"\\n\\t\\\"\"}}";
    char name[64], input[sizeof json + 2];
    for (uint8_t i = 0; i < TEST_COUNT(PROGRAMS); i++) {
        for (uint8_t which = 0; which < TEST_COUNT(CONVERSATIONS); which++) {
            (void)snprintf(name, sizeof name, "program-%u-%u", (unsigned)i, (unsigned)which);
            put_program(put, user, name, which, PROGRAMS[i]);
        }
        input[0] = 1;
        input[1] = (char)i;
        memcpy(input + 2, json, sizeof json - 1);
        (void)snprintf(name, sizeof name, "json-%u", (unsigned)i);
        put(user, name, input, sizeof json + 1);
    }
    put_program(put, user, "words", 0, "no program at all");
    if (!getenv("EINF_TEST_DATA")) return;
    put_config(put, user, "qwen2.5");
    put_config(put, user, "qwen3");
}
