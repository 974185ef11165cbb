/* SPDX-License-Identifier: MIT
 * test_template_limits.c - hostile templates and variables: each ends soon, with a status, and leaves nothing.
 */
#include "tests/unit/text/template_fixture.h"

#include <pthread.h>

/* Of the running test: it tells all that is wrong before it fails. */
static unsigned n_wrong;
static int begin_test(void **state)
{
    (void)state;
    n_wrong = 0;
    return 0;
}

static void check(bool ok, const char *source, const outcome *o, einf_status expected, const char *says)
{
    if (ok) return;
    n_wrong++;
    print_error("%.70s\n  expected status %d and \"%s\", got %d: %s%.70s\n", source, (int)expected, says,
                (int)o->status, o->err.message, o->text);
}

static void check_says(const char *source, const char *vars, einf_status status, const char *says)
{
    const double begin = seconds_now();
    outcome o = render_text(source, vars);
    check(o.status == status && o.err.code == status && strstr(o.err.message, says), source, &o, status, says);
    outcome_free(&o);
    if (seconds_now() - begin <= test_patience_s()) return;
    n_wrong++;
    print_error("%.70s took %.1f s\n", source, seconds_now() - begin);
}

/* n times a text, malloc'd. */
static char *repeated(const char *head, const char *text, size_t n, const char *tail)
{
    const size_t n_text = strlen(text), n_head = strlen(head);
    char *all = malloc(n_head + n * n_text + strlen(tail) + 1);
    assert_non_null(all);
    memcpy(all, head, n_head);
    for (size_t i = 0; i < n; i++) memcpy(all + n_head + i * n_text, text, n_text);
    strcpy(all + n_head + n * n_text, tail);
    return all;
}

/* ------------------------------------------------------------------------------------------------- limits -- */

static void test_limits_of_a_render(void **state)
{
    (void)state;
    static const struct { const char *source, *says; } cases[] = {
        { "{% for i in range(10**9) %}{% endfor %}", "the template" },
        { "{% for i in range(10**6) %}{% for j in range(10**6) %}{% endfor %}{% endfor %}", "the template" },
        { "{% for i in range(9000) %}{% for j in range(9000) %}{% set x = i * j %}{% endfor %}{% endfor %}",
          "the template" },
        { "{{ range(10**18)|list|length }}", "the template" },
        { "{{ 'a' * 10**9 }}", "steps" },
        { "{{ '' * 10**18 }}", "steps" },
        { "{{ [1] * 10**9 }}", "the template" },
        { "{{ [] * 10**18 }}", "steps" },
        { "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
          "the template" },
        { "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
          "the template" },
        { "{% set l = [1] %}{% for i in range(99) %}{% set x = l.extend(l) %}{% endfor %}", "the template" },
        { "{% for i in range(10**6) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}"
          "{% endfor %}", "the template" },
        { "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", "deeper than 200 levels" },
        { "{% macro f(x) %}{{ g(x) }}{% endmacro %}{% macro g(x) %}{{ f(x) }}{% endmacro %}{{ g(1) }}",
          "deeper than 200 levels" },
        { "{% macro f() %}{% call f() %}{{ caller is defined }}{% endcall %}{{ caller is defined }}"
          "{% endmacro %}{{ f() }}",
          "deeper than 200 levels" },
        { "{% set l = [] %}{% set x = l.append(l) %}{{ l }}", "deeper than 200 levels" },
        { "{% set l = [] %}{% set x = l.append(l) %}{{ l|tojson }}", "deeper than 200 levels" },
        { "{% set m = {} %}{% set x = m.update({'m': m}) %}{{ m|tojson }}", "deeper than 200 levels" },
        { "{% set l = [] %}{% set x = l.append(l) %}{% set k = [] %}{% set x = k.append(k) %}{{ l == k }}",
          "deeper than 200 levels" },
        { "{% set l = [] %}{% set x = l.append(l) %}{% set k = [] %}{% set x = k.append(k) %}{{ l < k }}",
          "deeper than 200 levels" },
        { "{{ range(9000)|unique|list|length }}", "steps" },
        { "{{ range(99999)|sort(reverse=true)|length }}", "steps" },
        { "{{ [1]|batch(10**12, 0)|list|length }}", "the template" },
        { "{{ 'a\\na'|indent(10**12) }}", "MiB of text" },
        { "{{ ('ab' * 7000000).split('a')|length }}", "the template" },
        { "{% set s = 'a' * 1000000 %}{{ s.rfind('a' * 500000 ~ 'b') }}{{ s.rfind('b' ~ 'a' * 500000) }}"
          "{% for i in range(99) %}{{ s.rfind('a' * 400000 ~ 'b' ~ 'a' * 10) }}{% endfor %}", "" },
        { "{% set s = 'a' * 1000000 %}{% for i in range(10**6) %}{{ ('a' * 500 ~ 'b') in s }}{% endfor %}", "" },
        { "{% set s = 'a' * 1000000 %}{% for i in range(10**6) %}{{ s.count('ab') }}{{ s.strip('bcda') }}{% endfor %}",
          "" },
        { "{% set m = {} %}{% for i in range(10**6) %}{% set x = m.update({i: i}) %}{% endfor %}", "steps" },
        { "{% set s = '%s' * 1000 %}{% for i in range(10**6) %}{{ s|replace('%', '%%%%') }}{% endfor %}", "" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) check_says(cases[i].source, NULL, EINF_E_LIMIT, cases[i].says);
    assert_int_equal(n_wrong, 0);
}

static void test_limits_of_a_source(void **state)
{
    (void)state;
    static const struct { const char *head, *open, *close, *tail; size_t n; } cases[] = {
        { "{{ ", "(", ")", " }}", 100000 }, { "{{ ", "[", "]", " }}", 100000 }, { "{{ ", "{1:", "}", " }}", 100000 },
        { "{{ ", "not ", "", " }}", 100000 }, { "{{ ", "-", "", " }}", 100000 }, { "{{ f", "(f", ")", " }}", 100000 },
        { "{{ 1", " if 1 else 1", "", " }}", 50000 }, { "", "{% if 1 %}", "{% endif %}", "", 40000 },
        { "", "{% for i in l %}", "{% endfor %}", "", 30000 }, { "{% set ", "(", ")", " = 1 %}", 100000 },
        { "{{ x", "[x", "]", " }}", 100000 }, { "{{ x", "|default(x", ")", " }}", 50000 },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char *half = repeated(cases[i].head, cases[i].open, cases[i].n, "");
        char *source = repeated(half, cases[i].close, cases[i].n, cases[i].tail);
        check_says(source, NULL, EINF_E_LIMIT, "deeper than");
        free(source);
        free(half);
    }
    char *long_source = repeated("", "x", (1 << 20) + 1, "");
    check_says(long_source, NULL, EINF_E_LIMIT, "1048577 bytes, at most 1048576");
    long_source[1 << 20] = '\0';
    outcome o = render_text(long_source, NULL);
    assert_int_equal(o.status, EINF_OK);
    assert_int_equal(o.n_bytes, 1 << 20);
    outcome_free(&o);
    free(long_source);

    /* What is long and not deep: chains to the left, many statements. */
    static const struct { const char *head, *text, *tail; size_t n; } wide[] = {
        { "{{ 1", " + 1", " }}", 100000 }, { "{{ x", "|upper", " }}", 100000 }, { "{{ x", ".y", " }}", 100000 },
        { "{{ x", "[0]", " }}", 100000 }, { "{{ 1", " and 1", " }}", 100000 }, { "", "{% set x = 1 %}", "", 60000 },
        { "{% if 0 %}", "{% elif 0 %}", "{% endif %}", 60000 }, { "{{ [", "1,", "]|length }}", 300000 },
        { "{{ 'a", "\\n", "' }}", 400000 }, { "", "{{", "", 100000 }, { "", "{% raw %}", "", 100000 },
        { "", "{#", "", 100000 }, { "{{ 1", "()", " }}", 100000 }, { "{{ ", "1 < ", "1 }}", 100000 },
        { "", "{%", "", 400000 }, { "", "{% raw %}{% endraw", "", 50000 },
    };
    for (size_t i = 0; i < TEST_COUNT(wide); i++) {
        char *source = repeated(wide[i].head, wide[i].text, wide[i].n, wide[i].tail);
        const double begin = seconds_now();
        outcome any = render_text(source, NULL);
        if (any.status != EINF_OK && any.status != EINF_E_LIMIT && any.status != EINF_E_TEMPLATE) {
            print_error("%s%s...: %s\n", wide[i].head, wide[i].text, any.err.message);
            n_wrong++;
        }
        if (seconds_now() - begin > test_patience_s()) {
            print_error("%s%s... took %.1f s\n", wide[i].head, wide[i].text, seconds_now() - begin);
            n_wrong++;
        }
        outcome_free(&any);
        free(source);
    }
    assert_int_equal(n_wrong, 0);
}

/* A prompt of a megabyte, put together piece by piece, costs its length; older pieces stay as they were. */
static void test_long_prompt(void **state)
{
    (void)state;
    outcome o = render_text("{% set ns = namespace(s='', kept='') %}"
                            "{% for i in range(2000) %}{% set ns.s = ns.s ~ 'x' * 500 ~ '\\n' %}"
                            "{% if i == 0 %}{% set ns.kept = ns.s %}{% set other = ns.kept ~ 'y' %}{% endif %}"
                            "{% endfor %}{{ ns.s|length }} {{ ns.kept|length }} "
                            "{{ (ns.kept ~ 'z')[-2:]|tojson }} {{ ns.s[501] }}", "{}");
    assert_int_equal(o.status, EINF_OK);
    assert_string_equal(o.text, "1002000 501 \"\\nz\" x");
    outcome_free(&o);
}

static void test_empty(void **state)
{
    (void)state;
    outcome o = render_bytes((einf__bytes){ NULL, 0 }, (einf__bytes){ NULL, 0 });
    assert_int_equal(o.status, EINF_OK);
    assert_int_equal(o.n_bytes, 0);
    outcome_free(&o);
    assert_int_equal(einf__template_bytes(NULL), 0);
    einf__template *none = NULL;
    einf__template_free(&none);
}

/* -------------------------------------------------------------------------------------------------- errors -- */

/* Where an error is: line, column and the byte of the source. */
static void test_places(void **state)
{
    (void)state;
    static const struct { const char *source, *place; uint64_t offset; const char *says; } cases[] = {
        { "{{ 1 / 0 }}", "line 1, column 6: ", 5, "division by zero" },
        { "a\n\n  {{ 1 + x }}", "line 3, column 8: ", 10, "\"x\" is undefined" },
        { "\xc3\xa9\xe6\x97\xa5 {{ 'a' + 1 }}", "line 1, column 11: ", 13, "str + int" },
        { "a\r\nb\r\n{{ 1 / 0 }}", "line 3, column 6: ", 11, "division by zero" },
        { "{% if x %}", "line 1, column 11: ", 10, "endif" },
        { "abc\n{% nosuch %}", "line 2, column 1: ", 4, "nosuch" },
        { "{{ 1 }} {{ 'a }}", "line 1, column 12: ", 11, "a string has no end" },
        { "{{ a b }}", "line 1, column 6: ", 5, "\"b\"" },
        { "{% for i in [1] %}\n{{ i.x.y }}\n{% endfor %}", "line 2, column 7: ", 25, "is undefined" },
        { "{{ 'a'|upper|nosuch }}", "line 1, column ", 13, "no filter \"nosuch\"" },
        { "{{ 1 is nosuch }}", "line 1, column ", 8, "no test \"nosuch\"" },
        { "{# \n", "line 1, column 1: ", 0, "comment" },
        { "{{ 9223372036854775808 }}", "line 1, column 4: ", 3, "beyond 64 bits" },
        { "{{ 9223372036854775807 + 1 }}", "line 1, column 24: ", 23, "beyond 64 bits" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        outcome o = render_text(cases[i].source, NULL);
        const bool placed = strncmp(o.err.message, cases[i].place, strlen(cases[i].place)) == 0;
        check(o.status == EINF_E_TEMPLATE && placed && strstr(o.err.message, cases[i].says), cases[i].source, &o,
              EINF_E_TEMPLATE, cases[i].place);
        if (o.err.offset != cases[i].offset) {
            n_wrong++;
            print_error("%s\n  expected offset %llu, got %llu\n", cases[i].source, (unsigned long long)cases[i].offset,
                        (unsigned long long)o.err.offset);
        }
        outcome_free(&o);
    }
    assert_int_equal(n_wrong, 0);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct { const char *source, *says; } cases[] = {
        { "{% include 'x' %}", "include" }, { "{% import 'x' as y %}", "import" },
        { "{% from 'x' import y %}", "from" }, { "{% extends 'x' %}", "extends" },
        { "{% block a %}{% endblock %}", "block" }, { "{% if 0 %}{% include 'x' %}{% endif %}", "include" },
        { "{{ ''.__class__ + '' }}", "private" }, { "{{ ''.__class__.__mro__ }}", "private" },
        { "{{ ''['__class__']['x'] }}", "undefined" }, { "{{ {}.__init__.__globals__ }}", "private" },
        { "{{ range.__self__.x }}", "private" }, { "{{ messages.__len__() }}", "private" },
        { "{{ [['']|map(attribute='__class__')|first][0].x }}", "undefined" },
        { "{{ ''|attr('__class__') }}", "no filter \"attr\"" }, { "{{ self.x }}", "\"self\" is undefined" },
        { "{{ config.x }}", "\"config\" is undefined" }, { "{{ cycler(1) }}", "\"cycler\" is undefined" },
        { "{{ open('x') }}", "\"open\" is undefined" }, { "{{ raise_exception('own words') }}", "own words" },
        { "{{ raise_exception('a' ~ 1 ~ [2]) }}", "a1[2]" }, { "{{ raise_exception() }}", "" },
        { "{{ strftime_now() }}", "strftime_now" }, { "{{ strftime_now('%Q') }}", "%Q" },
        { "{{ 10**19 }}", "beyond 64 bits" }, { "{{ 2**63 }}", "beyond 64 bits" },
        { "{{ 4611686018427387904 * 2 }}", "beyond 64 bits" }, { "{{ -9223372036854775807 - 2 }}", "beyond 64 bits" },
        { "{{ ((-2)**63)|abs }}", "beyond 64 bits" }, { "{{ -((-2)**63) }}", "beyond 64 bits" },
        { "{{ (-2)**63 // -1 }}", "beyond 64 bits" }, { "{{ {[]: 1} }}", "cannot be a key" },
        { "{{ [1, 2] < [1, 'a'] }}", "no order" }, { "{{ [1, [2]] < [1, 2] }}", "no order" },
        { "{{ {'a': 1}['a']() }}", "cannot be called" }, { "{{ ('x'|map('upper')|join).x.y }}", "undefined" },
        { "{% set range.x = 1 %}", "namespace" }, { "{% set a.b.c = 1 %}", "" },
        { "{{ [range]|tojson }}", "cannot be written as JSON" },
        { "{% for i in 1 %}{% endfor %}", "cannot be gone through" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) check_says(cases[i].source, NULL, EINF_E_TEMPLATE, cases[i].says);
    assert_int_equal(n_wrong, 0);
}

/* Unknown filters and tests: at once where they are sure to run, else when they do. */
static void test_unknown_builtins(void **state)
{
    (void)state;
    static const char sure[] = "{{ x|nosuch }}", maybe[] = "{% if x %}{{ x|nosuch }}{{ x is nosuch }}{% endif %}fine";
    einf__memory mem;
    einf__template *t = NULL;
    einf_error err = test_error();
    einf__memory_init(&mem, NULL, 0);
    assert_status(einf__template_compile(&mem, bytes_of(sure), &t, &err), &err, EINF_E_TEMPLATE);
    assert_null(t);
    outcome o = render_text(maybe, "{\"x\": false}");
    assert_string_equal(o.text, "fine");
    outcome_free(&o);
    check_says(maybe, "{\"x\": true}", EINF_E_TEMPLATE, "no filter \"nosuch\"");
    assert_int_equal(n_wrong, 0);
    assert_int_equal(mem.used_bytes, 0);
}

/* ---------------------------------------------------------------------------------------------------- JSON -- */

static void test_json(void **state)
{
    (void)state;
    static const struct { const char *json; uint64_t offset; const char *says; } cases[] = {
        { "{\"a\" 1}", 5, "" }, { "{\"a\": 1 \"b\": 2}", 1, "a member is not" }, { "[1 2]", 3, "comma" },
        { "{} {}", 2, "more than one value" }, { "{}x", 2, "" }, { "1 2", 0, "" }, { "", 0, "" }, { " ", 0, "" },
        { "{", 0, "" }, { "[", 0, "" }, { "{\"a\"", 0, "" }, { "{\"a\":", 0, "" },
        { "{\"a\": }", 1, "a member is not" },
        { "{\"a\": 1,}", 7, "" }, { "[1,]", 2, "" }, { "[,1]", 1, "" }, { "{,}", 1, "" }, { "]", 0, "" },
        { "{\"a\": 1]", 0, "" }, { "[1}", 0, "" }, { "\"abc", 0, "" }, { "{'a': 1}", 1, "" }, { "{a: 1}", 1, "" },
        { "{\"a\": tru}", 6, "" }, { "{\"a\": True}", 6, "" }, { "{\"a\": nul}", 6, "" }, { "{\"a\": NaN}", 6, "" },
        { "{\"a\": 01}", 6, "" }, { "{\"a\": +1}", 6, "" }, { "{\"a\": .5}", 6, "" }, { "{\"a\": 1.}", 6, "" },
        { "{\"a\": 1e}", 6, "" }, { "{\"a\": -}", 6, "" }, { "{\"a\": 0x1}", 6, "" }, { "{\"a\": 1e+}", 6, "" },
        { "{\"a\": \"\\x41\"}", 6, "" }, { "{\"a\": \"\\u12\"}", 6, "" }, { "{\"a\": \"\\u12g4\"}", 6, "" },
        { "{\"a\": \"\n\"}", 7, "control character" }, { "{\"a\": \"\t\"}", 7, "control character" },
        { "{\"a\": \"\x01\"}", 7, "control character" }, { "{1: 2}", 1, "" }, { "{\"a\"}", 1, "" },
        { "{\"a\": \"\xff\"}", 0, "UTF-8" }, { "{\"a\": \"\xed\xa0\x80\"}", 0, "UTF-8" },
        { "{\"a\": \"\xc0\x80\"}", 0, "UTF-8" }, { "// c\n{}", 0, "" }, { "{\"a\": 1 /* c */}", 8, "" },
        { "{\"a\": 1:2}", 6, "" }, { "[\"a\":1]", 4, "" },
        { "{\"a\": {\"b\" 1}}", 11, "" }, { "[[1, 2] [3]]", 8, "comma" }, { "{\"a\":: 1}", 5, "" },
        { "{\"a\",: 1}", 4, "" }, { "\xef\xbb\xbf{}", 0, "" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        einf__memory mem;
        einf__template *t = NULL;
        einf_error err = test_error();
        einf__memory_init(&mem, NULL, 0);
        assert_ok(einf__template_compile(&mem, bytes_of("{{ tools }}"), &t, &err), &err);
        const einf__template_var var = { .name = "tools", .kind = EINF__VAR_JSON, .text = bytes_of(cases[i].json) };
        const einf__template_input in = { .vars = &var, .n_vars = 1 };
        einf__rendered r = { .mem = &mem };
        const einf_status status = einf__template_render(t, &in, &r, &err);
        const bool placed = cases[i].offset == 0 || err.offset == cases[i].offset;
        if (status != EINF_E_ARG || !placed || !strstr(err.message, cases[i].says) || strcmp(err.where, "tools") != 0) {
            n_wrong++;
            print_error("%s\n  expected offset %llu and \"%s\", got %llu, %s: %s%.*s\n", cases[i].json,
                        (unsigned long long)cases[i].offset, cases[i].says, (unsigned long long)err.offset, err.where,
                        err.message, (int)r.n_bytes, r.text ? r.text : "");
        }
        einf__rendered_deinit(&r);
        einf__template_free(&t);
        assert_int_equal(mem.used_bytes, 0);
    }
    assert_int_equal(n_wrong, 0);
}

static void test_json_values(void **state)
{
    (void)state;
    static const struct { const char *json, *text; } cases[] = {
        { "{\"x\": [1, -2, 0, -0, 1.5, 1e2, 1E-2, true, false, null]}",
          "[1, -2, 0, 0, 1.5, 100.0, 0.01, True, False, None]" },
        { "{\"x\": \"\\u00e9\\ud83d\\ude00\\n\\\"\\\\\\/\\b\\f\\r\\t\"}", "\xc3\xa9\xf0\x9f\x98\x80\n\"\\/\b\f\r\t" },
        { "{\"x\": \"\\ud800a\\udc00\"}", "\xef\xbf\xbd" "a\xef\xbf\xbd" }, /* half a pair */
        { "{\"x\": 1, \"x\": 2}", "2" },                                    /* the last of a name counts */
        { " { \"x\" : [ ] } ", "[]" }, { "{\"x\": {}}", "{}" }, { "{\"x\": \"\"}", "" },
        { "{\"x\": -9223372036854775808}", "-9223372036854775808" },
        { "{\"x\": 18446744073709551615}", "1.8446744073709552e+19" }, /* beyond 64 bits: a float */
        { "{\"y\": 1}", "" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        outcome o = render_text("{{ x }}", cases[i].json);
        assert_int_equal(o.status, EINF_OK);
        assert_string_equal(o.text, cases[i].text);
        for (size_t j = 0; j < o.n_bytes && cases[i].text[0] != '['; j++)
            if (o.text[0] != '{') assert_int_equal(o.markup[j], 0);
        outcome_free(&o);
    }
    char *deep = repeated("{\"x\": ", "[", 10000, "");
    outcome o = render_text("{{ x }}", deep);
    assert_int_equal(o.status, EINF_E_ARG);
    outcome_free(&o);
    free(deep);
    deep = repeated("{\"x\": 1}", "]", 10000, "");
    o = render_text("{{ x }}", deep);
    assert_int_equal(o.status, EINF_E_ARG);
    outcome_free(&o);
    free(deep);
    static const char open[] = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[";
    static const char close[] = "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";
    char fine[128];
    snprintf(fine, sizeof fine, "{\"x\": %s%s}", open, close);
    o = render_text("{{ x }}", fine);
    assert_int_equal(o.n_bytes, 80);
    outcome_free(&o);
    char *whole = repeated("{\"x\": ", "[", 10000, "1");
    char *both = repeated(whole, "]", 10000, "}");
    o = render_text("{{ x }}", both);
    assert_int_equal(o.status, EINF_E_ARG);
    assert_non_null(strstr(o.err.message, "deep"));
    outcome_free(&o);
    free(both);
    free(whole);
}

/* The other two doors for JSON take objects alone, and say which they are. */
static void test_json_objects(void **state)
{
    (void)state;
    check_says("x", "[1]", EINF_E_ARG, "expected a JSON object, found list");
    check_says("x", "null", EINF_E_ARG, "expected a JSON object, found None");
    static const char *const bad[] = { "[]", "1", "{\"tool_calls\": [}", "\"x\"" };
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        einf__memory mem;
        einf__template *t = NULL;
        einf_error err = test_error();
        einf__memory_init(&mem, NULL, 0);
        assert_ok(einf__template_compile(&mem, bytes_of("x"), &t, &err), &err);
        const einf__template_message m = { bytes_of("user"), bytes_of("x"), bytes_of(bad[i]), NULL, 0 };
        const einf__template_input in = { .messages = &m, .n_messages = 1 };
        einf__rendered r = { .mem = &mem };
        assert_status(einf__template_render(t, &in, &r, &err), &err, EINF_E_ARG);
        assert_string_equal(err.where, "extra_json");
        einf__template_free(&t);
    }
}

/* ---------------------------------------------------------------------------------------- memory and threads -- */

static const char busy[] =
    "{%- macro show(m, n=1) %}{% set x %}[{{ m.role|upper }}]{% endset %}{{ x ~ (m.content or '')|trim }}"
    "{% endmacro %}\n"
    "{%- set ns = namespace(count=0, all=[]) %}\n"
    "{%- for m in messages if m.role != 'x' %}\n"
    "{%- set ns.count = ns.count + m.content|length %}{% set y = ns.all.append(m.role) %}\n"
    "{{ mark }}{{ show(m) }}{{ loop.index }}/{{ loop.length }} {{ m|tojson(indent=2) }}{{ '%s-%s' % (1, 'a') }}\n"
    "{%- if m.tool_calls %}{% for c in m.tool_calls %}{{ c.name }}({{ c.arguments|items|list }}){% endfor %}"
    "{% endif %}\n"
    "{%- endfor %}{{ ns.all|unique|sort|join(',') }} {{ strftime_now('%d %B %Y') }} {{ 1.5 * ns.count }}\n"
    "{%- filter upper %}{% with a = 'b' %}{{ a.split('b') }}{% endwith %}{% endfilter %}";

static const einf__template_message some[] = {
    { { "system", 6 }, { " Be brief. ", 11 }, { NULL, 0 }, NULL, 0 },
    { { "user", 4 }, { "H\xc3\xa9llo\n\"you\"", 12 }, { "{\"n\": [1, 2.5, null]}", 21 }, NULL, 0 },
    { { "assistant", 9 }, { "", 0 }, { "{\"tool_calls\": [{\"name\": \"f\", \"arguments\": {\"a\": 1}}]}", 54 },
      NULL, 0 },
};

static einf_status render_some(const einf__template *t, einf__rendered *r, einf_error *err)
{
    const einf__template_var mark = { .name = "mark", .kind = EINF__VAR_TEXT, .text = { "<s>", 3 }, .markup = true };
    const einf__template_input in = { .messages = some, .n_messages = TEST_COUNT(some), .vars = &mark, .n_vars = 1,
                                      .now_s = TEST_NOW_S };
    return einf__template_render(t, &in, r, err);
}

/* Every allocation fails once, and the first of all the rest. */
static void test_without_memory(void **state)
{
    (void)state;
    test_heap heap;
    einf__memory mem;
    einf__template *whole = NULL;
    einf_error err = test_error();
    test_heap_init(&heap, 0);
    einf__memory_init(&mem, &heap.allocator, 0);
    assert_ok(einf__template_compile(&mem, bytes_of(busy), &whole, &err), &err);
    const uint64_t n_compile = heap.n_calls;
    einf__rendered expected = { .mem = &mem };
    assert_ok(render_some(whole, &expected, &err), &err);
    const uint64_t n_render = heap.n_calls - n_compile, n_live = heap.n_live;
    assert_true(n_compile > 1 && n_render > 2);
    for (uint64_t i = 1; i <= n_compile + 1; i++) {
        einf__template *t = NULL;
        err = test_error();
        heap.fail_at = heap.n_calls + i;
        const einf_status status = einf__template_compile(&mem, bytes_of(busy), &t, &err);
        assert_status(status, &err, i <= n_compile ? EINF_E_NOMEM : EINF_OK);
        assert_true((t == NULL) == (i <= n_compile));
        einf__template_free(&t);
        assert_int_equal(heap.n_live, n_live);
    }
    for (uint64_t i = 1; i <= n_render + 1; i++) {
        einf__rendered r = { .mem = &mem };
        err = test_error();
        heap.fail_at = heap.n_calls + i;
        const einf_status status = render_some(whole, &r, &err);
        assert_status(status, &err, i <= n_render ? EINF_E_NOMEM : EINF_OK);
        if (i <= n_render) assert_true(!r.text && !r.markup && r.n_bytes == 0);
        else assert_int_equal(r.n_bytes, expected.n_bytes);
        if (i > n_render) assert_memory_equal(r.text, expected.text, (size_t)expected.n_bytes);
        if (i > n_render) assert_memory_equal(r.markup, expected.markup, (size_t)expected.n_bytes);
        einf__rendered_deinit(&r);
        assert_int_equal(heap.n_live, n_live);
    }
    einf__rendered_deinit(&expected);
    einf__template_free(&whole);
    assert_int_equal(heap.n_live, 0);
    assert_int_equal(mem.used_bytes, 0);
}

typedef struct worker {
    const einf__template *t;
    const einf__rendered *expected;
    bool same;
} worker;

static void *render_often(void *arg)
{
    worker *w = arg;
    einf__memory mem;
    einf_error err = test_error();
    einf__memory_init(&mem, NULL, 0);
    w->same = true;
    for (int i = 0; i < 50 && w->same; i++) {
        einf__rendered r = { .mem = &mem };
        w->same = render_some(w->t, &r, &err) == EINF_OK && r.n_bytes == w->expected->n_bytes &&
                  memcmp(r.text, w->expected->text, (size_t)r.n_bytes) == 0 &&
                  memcmp(r.markup, w->expected->markup, (size_t)r.n_bytes) == 0;
        einf__rendered_deinit(&r);
    }
    w->same = w->same && mem.used_bytes == 0;
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    einf__memory mem;
    einf__template *t = NULL;
    einf_error err = test_error();
    einf__memory_init(&mem, NULL, 0);
    assert_ok(einf__template_compile(&mem, bytes_of(busy), &t, &err), &err);
    einf__rendered expected = { .mem = &mem };
    assert_ok(render_some(t, &expected, &err), &err);
    pthread_t threads[4];
    worker workers[4];
    for (int i = 0; i < 4; i++) {
        workers[i] = (worker){ t, &expected, false };
        assert_int_equal(pthread_create(&threads[i], NULL, render_often, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 4; i++) assert_true(workers[i].same);
    einf__rendered_deinit(&expected);
    einf__template_free(&t);
}

/* A long conversation costs milliseconds. */
static void test_time(void **state)
{
    (void)state;
    enum { N = 200 };
    static const char chatml[] =
        "{%- set ns = namespace(last=-1) %}{%- for m in messages[::-1] %}{%- if ns.last < 0 and m.role == 'user' %}"
        "{%- set ns.last = messages|length - 1 - loop.index0 %}{%- endif %}{%- endfor %}"
        "{%- for m in messages %}{%- set c = m.content|trim if m.content is string else '' %}"
        "{{- '<|im_start|>' + m.role + '\\n' + c.split('</think>')[-1] + '<|im_end|>' + '\\n' }}{%- endfor %}";
    static char content[1000];
    static einf__template_message messages[N];
    memset(content, 'x', sizeof content);
    for (int i = 0; i < N; i++)
        messages[i] = (einf__template_message){ i % 2 ? bytes_of("assistant") : bytes_of("user"),
                                                { content, sizeof content }, { NULL, 0 }, NULL, 0 };
    einf__memory mem;
    einf__template *t = NULL;
    einf_error err = test_error();
    einf__memory_init(&mem, NULL, 0);
    assert_ok(einf__template_compile(&mem, bytes_of(chatml), &t, &err), &err);
    const einf__template_input in = { .messages = messages, .n_messages = N };
    einf__rendered r = { .mem = &mem };
    const double begin = seconds_now();
    assert_ok(einf__template_render(t, &in, &r, &err), &err);
    const double took_s = seconds_now() - begin;
    print_message("%d messages, %llu bytes: %.2f ms\n", N, (unsigned long long)r.n_bytes, 1e3 * took_s);
    assert_true(took_s < 0.02 * test_patience_s());
    einf__rendered_deinit(&r);
    einf__template_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_limits_of_a_render, begin_test),
        cmocka_unit_test_setup(test_limits_of_a_source, begin_test),
        cmocka_unit_test_setup(test_long_prompt, begin_test), cmocka_unit_test_setup(test_empty, begin_test),
        cmocka_unit_test_setup(test_places, begin_test),
        cmocka_unit_test_setup(test_refusals, begin_test),
        cmocka_unit_test_setup(test_unknown_builtins, begin_test),
        cmocka_unit_test_setup(test_json, begin_test),
        cmocka_unit_test_setup(test_json_values, begin_test),
        cmocka_unit_test_setup(test_json_objects, begin_test),
        cmocka_unit_test_setup(test_without_memory, begin_test),
        cmocka_unit_test_setup(test_threads, begin_test),
        cmocka_unit_test_setup(test_time, begin_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
