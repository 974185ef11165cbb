/* SPDX-License-Identifier: MIT
 * test_detokenize.c - ids back to text: whole, and as a stream of whole characters.
 */
#include "tests/unit/text/text_fixture.h"

#define assert_text(f, special, expected, ...) \
    assert_text_n((f), (special), (expected), sizeof(expected) - 1, (const int32_t[]){ __VA_ARGS__ }, \
                  sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t), __FILE__, __LINE__)

static void assert_text_n(fixture *f, bool special, const char *expected, size_t n_expected, const int32_t *ids,
                          size_t n_ids, const char *file, int line)
{
    char buf[256], part[4] = { 0, 0, 0, 77 };
    const uint64_t n = einf__detokenize(f->v, ids, n_ids, special, buf, sizeof buf);
    if (n != n_expected || memcmp(buf, expected, n_expected) != 0) {
        print_error("text is \"%.*s\" (%llu bytes), expected \"%s\"\n", (int)n, buf, (unsigned long long)n, expected);
        _fail(file, line);
    }
    assert_int_equal(einf__detokenize(f->v, ids, n_ids, special, NULL, 0), n);
    assert_int_equal(einf__detokenize(f->v, ids, n_ids, special, part, 3), n);
    assert_memory_equal(part, expected, n < 3 ? n : 3);
    assert_int_equal(part[3], 77);
}

/* The same as a stream; the chunks of every step, each closed by a bar. */
static void assert_stream(fixture *f, bool special, const char *expected, const int32_t *ids, size_t n_ids)
{
    char chunks[512];
    size_t n = 0;
    einf__detok d;
    const uint64_t max = einf__detok_max_bytes(f->v);
    char *buf = malloc(max);
    assert_non_null(buf);
    einf__detok_init(&d, f->v, special, true);
    for (size_t i = 0; i <= n_ids; i++) {
        const uint64_t step = i < n_ids ? einf__detok_next(&d, ids[i], buf, max) : einf__detok_flush(&d, buf, max);
        assert_true(step <= max);
        memcpy(chunks + n, buf, (size_t)step);
        n += (size_t)step;
        chunks[n++] = '|';
    }
    chunks[n] = '\0';
    free(buf);
    assert_string_equal(chunks, expected);
}
#define STREAM(f, special, expected, ...) \
    assert_stream((f), (special), (expected), (const int32_t[]){ __VA_ARGS__ }, \
                  sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t))

static void test_bpe(void **state)
{
    (void)state;
    fixture f;
    assert_ok(fixture_build(&f, bpe_file("gpt-2")), &f.err);
    assert_text(&f, false, "hello he", BPE_HELLO, BPE_SPACE_HE);
    assert_text(&f, false, "a\0\n\xff", 'a', 0, '\n', 0xff);
    assert_text(&f, false, "a<tool>b", BPE_START, 'a', BPE_TOOL, 'b', BPE_END);
    assert_text(&f, true, "<|im_start|>a<tool>b<|im_end|>", BPE_START, 'a', BPE_TOOL, 'b', BPE_END);
    assert_text(&f, false, "ab", 'a', -1, 100000, 'b'); /* no such tokens: nothing */
    for (int32_t byte = 0; byte < 256; byte++) {
        char out[4];
        assert_int_equal(einf__detokenize(f.v, &byte, 1, false, out, sizeof out), 1);
        assert_int_equal((uint8_t)out[0], byte);
    }
    fixture_close(&f);
}

static void test_spm(void **state)
{
    (void)state;
    fixture f;
    assert_ok(fixture_build(&f, spm_file()), &f.err);
    assert_text(&f, false, "hello hello", SPM_SP_HELLO, SPM_SP_HELLO);
    assert_text(&f, false, "hello", 1, SPM_SP_HELLO, 2); /* hidden tokens do not begin a text */
    assert_text(&f, true, "<s> hello</s>", 1, SPM_SP_HELLO, 2);
    assert_text(&f, false, " he", SPM_SPACE, SPM_SP_HE);
    assert_text(&f, false, "\xc3\xa9\n", SPM_BYTE + 0xc3, SPM_BYTE + 0xa9, SPM_BYTE + '\n');
    assert_text(&f, false, "h he", SPM_H, SPM_SP_HE);
    fixture_close(&f);
    gguf_build *b = spm_file();
    gguf_build_bool(b, "tokenizer.ggml.add_space_prefix", false);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_text(&f, false, " hello hello", SPM_SP_HELLO, SPM_SP_HELLO);
    fixture_close(&f);
}

static void test_wordpiece(void **state)
{
    (void)state;
    fixture f;
    assert_ok(fixture_build(&f, wordpiece_file()), &f.err);
    assert_text(&f, false, " hellos he ,", WPM_CLS, WPM_HELLO, WPM_S, WPM_HE, WPM_COMMA, WPM_SEP);
    assert_text(&f, true, "[CLS] he", WPM_CLS, WPM_HE);
    fixture_close(&f);
}

static void test_stream(void **state)
{
    (void)state;
    fixture f;
    assert_ok(fixture_build(&f, bpe_file("gpt-2")), &f.err);
    STREAM(&f, false, "hello| he||", BPE_HELLO, BPE_SPACE_HE);
    STREAM(&f, false, "|\xc3\xa9||", 0xc3, 0xa9);                                  /* held back until whole */
    STREAM(&f, false, "|||\xf0\x9f\x98\x80|x||", 0xf0, 0x9f, 0x98, 0x80, 'x');
    STREAM(&f, false, "|\xef\xbf\xbdx||", 0xc3, 'x');                              /* what cannot be whole any more */
    STREAM(&f, false, "||\xef\xbf\xbd|\xef\xbf\xbd|", 0xe2, 0x82, 0xe2);           /* at the end of the text, too */
    STREAM(&f, false, "\xef\xbf\xbd|\xef\xbf\xbd||", 0x80, 0xff);
    STREAM(&f, false, "|\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd||", 0xed, 0xa0, 0x80); /* no surrogates */
    STREAM(&f, false, "|\xef\xbf\xbd|\xef\xbf\xbd|", 0xc3, 0xc3);
    STREAM(&f, true, "<|im_start|>||\xef\xbf\xbd<|im_end|>||", BPE_START, 0xc3, BPE_END);
    STREAM(&f, false, "||\xc3\xa9||", BPE_START, 0xc3, 0xa9);
    fixture_close(&f);
    assert_ok(fixture_build(&f, spm_file()), &f.err);
    STREAM(&f, false, "|hello| hello||", 1, SPM_SP_HELLO, SPM_SP_HELLO);
    STREAM(&f, false, "|\xc3\xa9||", SPM_BYTE + 0xc3, SPM_BYTE + 0xa9);
    einf__detok d;
    char buf[256];
    einf__detok_init(&d, f.v, false, false); /* in the middle of a text the blank stays */
    assert_true(einf__detok_max_bytes(f.v) <= sizeof buf);
    assert_int_equal(einf__detok_next(&d, SPM_SP_HE, buf, sizeof buf), 3);
    assert_memory_equal(buf, " he", 3);
    fixture_close(&f);
}

/* Random ids: every chunk is whole characters, and a valid text comes out the same either way. */
static void test_random_streams(void **state)
{
    (void)state;
    uint64_t random = 1;
    fixture f;
    assert_ok(fixture_build(&f, bpe_file("gpt-2")), &f.err);
    static const uint8_t bytes[] = { 'a', 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xff, ' ' };
    for (uint32_t round = 0; round < 3000; round++) {
        int32_t ids[40];
        char whole[256], streamed[512], buf[128];
        size_t n_ids = 0, n = 0;
        while (n_ids < 30) {
            const uint32_t pick = next_random(&random) % 4;
            if (pick == 0 || round % 2) ids[n_ids++] = bytes[next_random(&random) % sizeof bytes];
            else if (pick == 1) ids[n_ids++] = BPE_HELLO;
            else for (size_t i = 3; i < 6; i++) ids[n_ids++] = bytes[i]; /* a euro sign */
        }
        einf__detok d;
        einf__detok_init(&d, f.v, false, true);
        assert_true(einf__detok_max_bytes(f.v) <= sizeof buf);
        for (size_t i = 0; i <= n_ids; i++) {
            const uint64_t step = i < n_ids ? einf__detok_next(&d, ids[i], buf, sizeof buf)
                                            : einf__detok_flush(&d, buf, sizeof buf);
            assert_true(is_utf8((const uint8_t *)buf, (size_t)step));
            memcpy(streamed + n, buf, (size_t)step);
            n += (size_t)step;
        }
        const uint64_t n_whole = einf__detokenize(f.v, ids, n_ids, false, whole, sizeof whole);
        if (!is_utf8((const uint8_t *)whole, (size_t)n_whole)) continue;
        assert_int_equal(n, n_whole);
        assert_memory_equal(streamed, whole, n);
    }
    fixture_close(&f);
}

/* The longest token, all of it bytes that are no characters, behind a character half seen. */
static void test_longest_step(void **state)
{
    (void)state;
    static char text[4000];
    fixture f;
    gguf_build *b = gguf_build_new();
    memset(text, 0xff, sizeof text - 1);
    gguf_build_str(b, "tokenizer.ggml.model", "llama");
    gguf_build_strings(b, "tokenizer.ggml.tokens", (const char *const[]){ text, "\xf0\x9f\x98" }, NULL, 2);
    assert_ok(fixture_build(&f, b), &f.err);
    const uint64_t max = einf__detok_max_bytes(f.v);
    char *buf = malloc(max);
    assert_non_null(buf);
    einf__detok d;
    einf__detok_init(&d, f.v, false, true);
    assert_int_equal(einf__detok_next(&d, 1, buf, max), 0);
    const uint64_t n = einf__detok_next(&d, 0, buf, max);
    assert_int_equal(n, 3 + 3 * (sizeof text - 1));
    for (uint64_t i = 0; i < n; i += 3) assert_memory_equal(buf + i, "\xef\xbf\xbd", 3);
    free(buf);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bpe),
        cmocka_unit_test(test_spm),
        cmocka_unit_test(test_wordpiece),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_random_streams),
        cmocka_unit_test(test_longest_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
