/* SPDX-License-Identifier: MIT
 * test_tokenize.c - ids of small vocabularies by hand: merges, special tokens, odd texts, limits.
 */
#include "tests/unit/text/text_fixture.h"

static void open_bpe(fixture *f, const char *pre) { assert_ok(fixture_build(f, bpe_file(pre)), &f->err); }
static void open_spm(fixture *f) { assert_ok(fixture_build(f, spm_file()), &f->err); }

static void test_bpe(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, "gpt-2");
    assert_ids_n(&f, "", 0, 0, NULL, 0, __FILE__, __LINE__);
    assert_ids(&f, "hello", 0, BPE_HELLO);
    assert_ids(&f, "hello hello", 0, BPE_HELLO, ' ', BPE_HELLO); /* "h e" comes before "_ h" */
    assert_ids(&f, "hell", 0, 258);
    assert_ids(&f, "lll", 0, 257, 'l'); /* of equals the leftmost */
    assert_ids(&f, "he\nhe", 0, 256, '\n', 256);
    assert_ids(&f, "h\xc3\xa9", 0, 'h', 0xc3, 0xa9);
    assert_ids_n(&f, "a\0b", 3, 0, (const int32_t[]){ 'a', 0, 'b' }, 3, __FILE__, __LINE__);
    fixture_close(&f);
}

static void test_ignored_merges(void **state)
{
    (void)state;
    fixture f;
    gguf_build *b = bpe_file("llama-bpe"); /* a whole word needs no merges */
    gguf_build_drop_kv(b, "tokenizer.ggml.merges");
    gguf_build_strings(b, "tokenizer.ggml.merges", (const char *const[]){ "l l" }, NULL, 1);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_ids(&f, "hello", 0, BPE_HELLO);
    assert_ids(&f, "hellob", 0, 'h', 'e', 257, 'o', 'b');
    fixture_close(&f);
}

static void test_bpe_without_a_letter(void **state)
{
    (void)state;
    gguf_build *b = gguf_build_new();
    fixture f;
    gguf_build_str(b, "tokenizer.ggml.model", "gpt2");
    gguf_build_str(b, "tokenizer.ggml.pre", "gpt-2");
    gguf_build_strings(b, "tokenizer.ggml.tokens", (const char *const[]){ "a", "b" }, NULL, 2);
    gguf_build_strings(b, "tokenizer.ggml.merges", NULL, NULL, 0);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_ids(&f, "axb", 0, 0, 1);
    fixture_close(&f);
}

/* As llama.cpp reads it. */
static void test_invalid_utf8_bpe(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, "gpt-2");
    assert_ids(&f, "a\xff" "b", 0, 'a', 0xef, 0xbf, 0xbd, 'b');
    assert_ids(&f, "\xc3", 0, 0xef, 0xbf, 0xbd);
    assert_ids(&f, "\xe2\x82", 0, 0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd); /* one for each byte */
    assert_ids(&f, "\xc1\x81", 0, 'A');                                /* overlong: the number it spells */
    assert_ids(&f, "\xed\xa0\x80", 0, 0xed, 0xa0, 0x80);               /* a surrogate keeps its bytes */
    assert_ids(&f, "h\xed\xb0\x80" "he", 0, 'h', 0xed, 0xb0, 0x80, 256);
    assert_ids(&f, "\xf4\x90\x80\x80", 0, 0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd, 0xef, 0xbf, 0xbd);
    fixture_close(&f);
}

static void test_special_tokens(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, "gpt-2");
    /* Control tokens only when asked; user-defined ones always, the longest first wherever it stands. */
    assert_ids(&f, "he<|im_end|>he", EINF_TOK_SPECIAL, 256, BPE_END, 256);
    assert_ids(&f, "he<|im_end|>", 0, 256, '<', '|', 'i', 'm', '_', 'e', 'n', 'd', '|', '>');
    assert_ids(&f, "he<tool>he", 0, 256, BPE_TOOL, 256);
    assert_ids(&f, "<tool><tool><tool>", 0, BPE_TOOLS, BPE_TOOL);
    assert_ids(&f, "<<tool>", 0, '<', BPE_TOOL);
    assert_ids(&f, "<tool", 0, '<', 't', 'o', 'o', 'l');
    assert_ids(&f, "<|im_start|><|im_end|>", EINF_TOK_SPECIAL, BPE_START, BPE_END);
    assert_ids_n(&f, "", 0, EINF_TOK_BOS, NULL, 0, __FILE__, __LINE__); /* this vocabulary adds none */
    fixture_close(&f);
    gguf_build *b = bpe_file("gpt-2");
    gguf_build_bool(b, "tokenizer.ggml.add_bos_token", true);
    gguf_build_bool(b, "tokenizer.ggml.add_eos_token", true);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_ids(&f, "he", EINF_TOK_BOS, BPE_START, 256, BPE_END);
    assert_ids(&f, "he", 0, 256);
    fixture_close(&f);
}

static void test_overlapping_special_tokens(void **state)
{
    (void)state;
    gguf_build *b = gguf_build_new();
    tokens t = { .n = 0 };
    fixture f;
    gguf_build_str(b, "tokenizer.ggml.model", "gpt2");
    gguf_build_str(b, "tokenizer.ggml.pre", "gpt-2");
    add_letters(&t);
    const int32_t abc = tokens_add(&t, "abc", TYPE_USER, 0), cdef = tokens_add(&t, "cdef", TYPE_USER, 0);
    const int32_t ab = tokens_add(&t, "ab", TYPE_USER, 0), fg = tokens_add(&t, "fg", TYPE_USER, 0);
    tokens_write(b, &t, false);
    gguf_build_strings(b, "tokenizer.ggml.merges", NULL, NULL, 0);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_ids(&f, "abcdefg", 0, ab, cdef, 'g'); /* not abc, which begins first */
    assert_ids(&f, "abcfg", 0, abc, fg);
    assert_ids(&f, "ababcdeabc", 0, ab, abc, 'd', 'e', abc);
    fixture_close(&f);
}

/* Phi-3 drops the blanks after its special tokens. */
static void test_stripped_blanks(void **state)
{
    (void)state;
    gguf_build *b = bpe_file("gpt-2");
    fixture f;
    gguf_build_str(b, "general.name", "My Phi-3 mini");
    assert_ok(fixture_build(&f, b), &f.err);
    assert_ids(&f, "he <|im_end|> \n he", EINF_TOK_SPECIAL, 256, ' ', BPE_END, 256);
    assert_ids(&f, "<tool>  <tool>\t", EINF_TOK_SPECIAL, BPE_TOOL, BPE_TOOL);
    fixture_close(&f);
}

static void test_spm(void **state)
{
    (void)state;
    fixture f;
    open_spm(&f);
    assert_ids(&f, "hello", 0, SPM_SP_HELLO);
    assert_ids(&f, "hello hello", 0, SPM_SP_HELLO, SPM_SP_HELLO);
    assert_ids(&f, "hehe", 0, SPM_SP_HE, SPM_HE);
    assert_ids(&f, " he", 0, SPM_SPACE, SPM_SP_HE);
    assert_ids(&f, "x\n", 0, SPM_SPACE, SPM_BYTE + 'x', SPM_BYTE + '\n');
    assert_ids(&f, "\xff", 0, SPM_SPACE, SPM_BYTE + 0xff); /* bytes as they are */
    assert_ids(&f, "\xe2\x82\xac", 0, SPM_SPACE, SPM_BYTE + 0xe2, SPM_BYTE + 0x82, SPM_BYTE + 0xac);
    assert_ids(&f, "\xf0 he", 0, SPM_SPACE, SPM_BYTE + 0xf0, SPM_BYTE + 0xe2, SPM_BYTE + 0x96, SPM_BYTE + 0x81, SPM_HE);
    assert_ids_n(&f, "h\0e", 3, 0, (const int32_t[]){ SPM_SPACE, SPM_H, SPM_BYTE, SPM_E }, 4, __FILE__, __LINE__);
    assert_ids(&f, "he", EINF_TOK_BOS, 1, SPM_SP_HE);
    assert_ids(&f, "", EINF_TOK_BOS, 1);
    assert_ids_n(&f, "", 0, 0, NULL, 0, __FILE__, __LINE__);
    /* The blank in front comes back after each special token. */
    assert_ids(&f, "<s>he</s>he", EINF_TOK_SPECIAL, 1, SPM_SP_HE, 2, SPM_SP_HE);
    fixture_close(&f);
    gguf_build *b = spm_file();
    gguf_build_bool(b, "tokenizer.ggml.add_space_prefix", false);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_ids(&f, "hehello", 0, SPM_HE, SPM_HELL, SPM_O);
    fixture_close(&f);
}

static void test_wordpiece(void **state)
{
    (void)state;
    fixture f;
    assert_ok(fixture_build(&f, wordpiece_file()), &f.err);
    assert_ids(&f, "Hello, HELLO", 0, WPM_HELLO, WPM_COMMA, WPM_HELLO);
    assert_ids(&f, "hellos hes", 0, WPM_HELLO, WPM_S, WPM_HE, WPM_S);
    assert_ids(&f, "h\xc3\xa9llo h\xc3\x89LLO he\xcc\x81llo", 0, WPM_HELLO, WPM_HELLO, WPM_HELLO); /* accents */
    assert_ids(&f, "hello\xe4\xb8\xad" "a", 0, WPM_HELLO, WPM_ZHONG, WPM_A); /* Chinese stands alone */
    assert_ids(&f, "hellox", 0, WPM_UNK);                                   /* a part is no token: all of it */
    assert_ids(&f, "x, he", 0, WPM_UNK, WPM_COMMA, WPM_HE);
    assert_ids(&f, "he\xc2\xa0he\xe3\x80\x80he\xc2\x85he", 0, WPM_HE, WPM_HE, WPM_HE, WPM_HE); /* wide blanks */
    assert_ids(&f, "h\xff" "e\x01\xe2\x80\x8b\xef\xbf\xbd", 0, WPM_HE); /* dropped */
    assert_ids_n(&f, "h\0e", 3, 0, (const int32_t[]){ WPM_HE }, 1, __FILE__, __LINE__);
    assert_ids(&f, "he", EINF_TOK_BOS, WPM_CLS, WPM_HE, WPM_SEP);
    assert_ids(&f, "he[SEP]he", EINF_TOK_SPECIAL, WPM_HE, WPM_SEP, WPM_HE);
    fixture_close(&f);
    gguf_build *b = wordpiece_file();
    gguf_build_bool(b, "tokenizer.ggml.normalizer.lowercase", false);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_ids(&f, "he Hello h\xc3\xa9", 0, WPM_HE, WPM_UNK, WPM_UNK);
    fixture_close(&f);
}

static void test_fixed_list_counts(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, "gpt-2");
    static char text[2000];
    memset(text, 0, sizeof text);
    for (size_t i = 0; i + 6 < sizeof text; i += 6) memcpy(text + i, "hello ", 6);
    einf__ids all = ids_of_n(&f, text, strlen(text), 0);
    for (uint64_t cap = 0; cap < 40; cap++) {
        int32_t room[41];
        room[cap] = -7;
        einf__ids ids = { room, 0, cap, NULL };
        assert_ok(einf__tokenize(f.v, text, strlen(text), 0, &ids, &f.err), &f.err);
        assert_int_equal(ids.n, all.n);
        assert_memory_equal(room, all.ids, cap * sizeof *room);
        assert_int_equal(room[cap], -7);
    }
    einf__ids none = { NULL, 0, 0, NULL };
    assert_ok(einf__tokenize(f.v, text, strlen(text), 0, &none, &f.err), &f.err);
    assert_int_equal(none.n, all.n);
    einf__ids_deinit(&all);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------- H-080 -- */

static void test_text_limit(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, "gpt-2");
    einf__ids ids = { NULL, 0, 0, &f.mem };
    assert_status(einf__tokenize(f.v, "x", UINT64_C(1) << 31, 0, &ids, &f.err), &f.err, EINF_E_LIMIT);
    assert_error_says(&f.err, "2147483648");
    assert_error_says(&f.err, "2147483647");
    assert_error_says(&f.err, "in parts");
    assert_int_equal(ids.n, 0);
    fixture_close(&f);
}

/* Words of a few letters, as prose has them. */
static void fill_prose(char *text, size_t n)
{
    static const char *const words[] = { "hello", "he", "lo", "hell", "oh", "shell", "ole", "all", "hole", "to" };
    uint64_t random = 1;
    for (size_t i = 0; i < n;) {
        const char *word = words[next_random(&random) % TEST_COUNT(words)];
        for (; *word && i < n; word++) text[i++] = *word;
        if (i < n) text[i++] = next_random(&random) % 12 == 0 ? '\n' : ' ';
    }
}

static double time_of(fixture *f, const char *text, size_t n, uint32_t flags, uint64_t *n_ids)
{
    const double begin = seconds();
    einf__ids ids = ids_of_n(f, text, n, flags);
    const double took = seconds() - begin;
    *n_ids = ids.n;
    einf__ids_deinit(&ids);
    return took;
}

static void assert_no_text_is_slow(fixture *f)
{
    static const char *const units[] = {
        "A", "l", " ", "\n", "\xcc\x81", "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9", "\xed\xa0\x80", "\xff", "he",
        "\t",
        "\xe2\x96\x81", "1", "'", "<|im_end|>", "<|im_", "<tool>", "\xe4\xb8\xad", "    \n", "\n    ", "\xc2\xa0", "l ",
    };
    enum { N = 1 << 20 };
    static char text[N];
    uint64_t n_ids;
    fill_prose(text, N);
    const double prose = time_of(f, text, N, 0, &n_ids);
    for (size_t i = 0; i < TEST_COUNT(units); i++) {
        const size_t n_unit = strlen(units[i]), n = N / n_unit * n_unit;
        for (size_t j = 0; j < n; j++) text[j] = units[i][j % n_unit];
        for (uint32_t flags = 0; flags < 2; flags++) {
            const double took = time_of(f, text, n, flags, &n_ids);
            if (took > 3 * prose + test_patience_s() / 5) {
                print_error("a megabyte of unit %u takes %.2f s, of prose %.2f s\n", (unsigned)i, took, prose);
                fail();
            }
            assert_true(n_ids <= N + 1 + 3 * N);
        }
    }
    assert_true(f->mem.peak_bytes < f->mem.used_bytes + (UINT64_C(96) << 20));
}

static void test_megabytes_bpe(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, "qwen2");
    assert_no_text_is_slow(&f);
    fixture_close(&f);
}

static void test_megabytes_spm(void **state)
{
    (void)state;
    fixture f;
    open_spm(&f);
    assert_no_text_is_slow(&f);
    fixture_close(&f);
}

static void test_megabytes_wordpiece(void **state)
{
    (void)state;
    fixture f;
    assert_ok(fixture_build(&f, wordpiece_file()), &f.err);
    assert_no_text_is_slow(&f);
    fixture_close(&f);
}

/* A text of nothing but spellings stays text unless asked. */
static void test_spellings_stay_text(void **state)
{
    (void)state;
    fixture f;
    open_bpe(&f, "qwen2");
    static const char text[] = "<|im_start|>system<|im_end|><|im_start|>";
    einf__ids ids = ids_of_n(&f, text, strlen(text), 0);
    for (uint64_t i = 0; i < ids.n; i++) assert_false(einf__vocab_is_control(f.v, ids.ids[i]));
    einf__ids_deinit(&ids);
    ids = ids_of_n(&f, text, strlen(text), EINF_TOK_SPECIAL);
    assert_int_equal(ids.n, 3 + 6);
    einf__ids_deinit(&ids);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bpe),
        cmocka_unit_test(test_ignored_merges),
        cmocka_unit_test(test_bpe_without_a_letter),
        cmocka_unit_test(test_invalid_utf8_bpe),
        cmocka_unit_test(test_special_tokens),
        cmocka_unit_test(test_overlapping_special_tokens),
        cmocka_unit_test(test_stripped_blanks),
        cmocka_unit_test(test_spm),
        cmocka_unit_test(test_wordpiece),
        cmocka_unit_test(test_fixed_list_counts),
        cmocka_unit_test(test_text_limit),
        cmocka_unit_test(test_megabytes_bpe),
        cmocka_unit_test(test_megabytes_spm),
        cmocka_unit_test(test_megabytes_wordpiece),
        cmocka_unit_test(test_spellings_stay_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
