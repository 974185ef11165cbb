/* SPDX-License-Identifier: MIT
 * test_gguf_text.c - metadata as text: numbers as they are, strings that cannot hurt a terminal.
 */
#include "tests/unit/gguf/gguf_fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

static einf__gguf_place place; /* wherever the item before was, of whatever entry of the same file */

static void item(const fixture *f, const char *key, uint64_t j, const char *expected)
{
    einf__gguf_place *places[] = { NULL, &place };
    for (int i = 0; i < 2; i++) {
        char text[256];
        const uint64_t n = einf__gguf_item_text(einf__gguf_find(&f->g, key), j, places[i], text, sizeof text);
        assert_string_equal(text, expected);
        assert_int_equal(n, strlen(expected));
    }
}

static void test_items(void **state)
{
    (void)state;
    fixture f;
    assert_ok(fixture_build(&f, small_file()), &f.err);
    place = (einf__gguf_place){ 0 };
    item(&f, "general.architecture", 0, "llama");
    item(&f, "t.u8", 0, "200");
    item(&f, "t.i8", 0, "-100");
    item(&f, "t.u16", 0, "60000");
    item(&f, "t.i16", 0, "-30000");
    item(&f, "t.u32", 0, "4000000000");
    item(&f, "t.i32", 0, "-2000000000");
    item(&f, "t.f32", 0, "0.5");
    item(&f, "t.bool", 0, "true");
    item(&f, "t.string", 0, "gr\xc3\xbc\xc3\x9f dich");
    item(&f, "t.u64", 0, "18000000000000000000");
    item(&f, "t.i64", 0, "-9000000000000000000");
    item(&f, "t.f64", 0, "1e-10");
    item(&f, "t.strings", 0, "one");
    item(&f, "t.strings", 1, "");
    item(&f, "t.strings", 2, "three");
    item(&f, "t.strings", 2, "three"); /* once more, and then back */
    item(&f, "t.strings", 0, "one");
    item(&f, "t.strings", 2, "three");
    item(&f, "t.ints", 1, "-2");
    item(&f, "t.ints", 3, ""); /* there is none */
    item(&f, "t.u8", 1, "");
    fixture_close(&f);
}

/* Terminal escapes, fake lines, broken UTF-8, text that runs backwards. */
static void test_escapes(void **state)
{
    static const struct { const char *raw; size_t n; const char *text; } cases[] = {
        { "a\nb\tc\rd", 7, "a\\nb\\tc\\rd" },
        { "\x1b[31m", 5, "\\x1b[31m" },
        { "a\0b", 3, "a\\x00b" },
        { "\x7f", 1, "\\x7f" },
        { "\xc2\x9b", 2, "\\u009b" },           /* C1: some terminals take it for ESC [ */
        { "\xe2\x80\xae!", 4, "\\u202e!" },     /* right-to-left override */
        { "\xe2\x80\xa8", 3, "\\u2028" },       /* line separator */
        { "back\\slash", 10, "back\\\\slash" }, /* so that \n in the text stays apart from a new line */
        { "\xff\xc3", 2, "\\xff\\xc3" },
        { "\xc0\x80", 2, "\\xc0\\x80" },
        { "\xed\xa0\x80", 3, "\\xed\\xa0\\x80" }, /* a surrogate */
        { "\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80" },
        { "\xe2\x82\xac\xf0\x9f\x98\x80", 7, "\xe2\x82\xac\xf0\x9f\x98\x80" },
    };
    (void)state;
    gguf_build *b = gguf_build_new();
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char key[16];
        snprintf(key, sizeof key, "k%zu", i);
        gguf_build_str_n(b, key, cases[i].raw, cases[i].n);
    }
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char key[16];
        snprintf(key, sizeof key, "k%zu", i);
        item(&f, key, 0, cases[i].text);
    }
    fixture_close(&f);
}

/* Too little room: whole characters and whole escapes only, and the full length all the same. */
static void test_cut(void **state)
{
    static const struct { uint64_t room; const char *text; } cases[] = {
        { 1, "" }, { 2, "a" }, { 3, "a" }, { 4, "a" }, { 5, "a\xe2\x82\xac" }, { 6, "a\xe2\x82\xac" },
        { 7, "a\xe2\x82\xac\\n" }, { 8, "a\xe2\x82\xac\\nz" }, { 100, "a\xe2\x82\xac\\nz" },
    };
    (void)state;
    gguf_build *b = gguf_build_new();
    gguf_build_str(b, "k", "a\xe2\x82\xac\nz");
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);
    const einf__gguf_kv *kv = einf__gguf_find(&f.g, "k");
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char text[100];
        memset(text, '#', sizeof text);
        assert_int_equal(einf__gguf_item_text(kv, 0, NULL, text, cases[i].room), 7);
        assert_string_equal(text, cases[i].text);
        if (cases[i].room < sizeof text) assert_int_equal(text[cases[i].room], '#');
    }
    assert_int_equal(einf__gguf_item_text(kv, 0, NULL, NULL, 0), 7);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items), cmocka_unit_test(test_escapes), cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
