/* SPDX-License-Identifier: MIT
 * test_vocab_load.c - vocabularies that are odd, broken or hostile: what loads, what is refused, and in which words.
 */
#include "tests/unit/text/text_fixture.h"

/* Refused with this status, at the value of `key` (the first item of an array), in a message with both texts. */
static void assert_refused(gguf_build *b, einf_status expected, const char *key, const char *says, const char *says_too)
{
    fixture f;
    const size_t at = key ? gguf_build_value_at(b, key) : 0;
    assert_status(fixture_build(&f, b), &f.err, expected);
    assert_null(f.v);
    assert_error_says(&f.err, says);
    assert_error_says(&f.err, says_too);
    if (key) {
        assert_string_equal(f.err.where, key);
        const einf__gguf_kv *kv = einf__gguf_find(&f.g, key);
        assert_int_equal(f.err.offset, at + (kv->type == EINF__GGUF_ARRAY ? 4 + 8 : 0)); /* item type, count */
    }
    fixture_close(&f);
}

static void assert_loads(gguf_build *b)
{
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);
    fixture_close(&f);
}

static void test_describe(void **state)
{
    (void)state;
    fixture f;
    assert_ok(fixture_build(&f, bpe_file("qwen2")), &f.err);
    assert_string_equal(einf__vocab_describe(f.v), "bpe qwen2");
    assert_int_equal(einf__vocab_n_tokens(f.v), 256 + 10);
    assert_null(f.warning);
    assert_int_equal(einf__vocab_bytes(f.v) + f.g.block_bytes, f.mem.used_bytes);
    assert_int_equal(einf__vocab_find(f.v, "hello", 5), BPE_HELLO);
    assert_int_equal(einf__vocab_find(f.v, "hellO", 5), -1);
    assert_int_equal(einf__vocab_find(f.v, "", 0), -1);
    const einf__bytes text = einf__vocab_token_text(f.v, BPE_HELLO);
    assert_int_equal(text.n, 5);
    assert_memory_equal(text.p, "hello", 5);
    assert_true(einf__vocab_is_special(f.v, BPE_START));
    assert_true(einf__vocab_is_control(f.v, BPE_START));
    assert_true(einf__vocab_is_special(f.v, BPE_TOOL));
    assert_false(einf__vocab_is_control(f.v, BPE_TOOL));
    assert_false(einf__vocab_is_special(f.v, BPE_HELLO));
    fixture_close(&f);
    assert_ok(fixture_build(&f, spm_file()), &f.err);
    assert_string_equal(einf__vocab_describe(f.v), "spm");
    fixture_close(&f);
    assert_ok(fixture_build(&f, wordpiece_file()), &f.err);
    assert_string_equal(einf__vocab_describe(f.v), "wordpiece");
    fixture_close(&f);
}

static void test_unknown_tokenizer(void **state)
{
    (void)state;
    gguf_build *b = spm_file();
    gguf_build_drop_kv(b, "tokenizer.ggml.model");
    gguf_build_str(b, "tokenizer.ggml.model", "t5");
    assert_refused(b, EINF_E_UNSUPPORTED, "tokenizer.ggml.model", "'t5'", "gpt2, llama, bert");
    b = spm_file();
    gguf_build_drop_kv(b, "tokenizer.ggml.model");
    assert_refused(b, EINF_E_FORMAT, NULL, "tokenizer.ggml.model", "lacks");
}

/* H-069 */
static void test_tokens_missing_empty_one(void **state)
{
    (void)state;
    gguf_build *b = gguf_build_new();
    gguf_build_str(b, "tokenizer.ggml.model", "llama");
    assert_refused(b, EINF_E_FORMAT, NULL, "tokenizer.ggml.tokens", "lacks");
    b = gguf_build_new();
    gguf_build_str(b, "tokenizer.ggml.model", "llama");
    gguf_build_strings(b, "tokenizer.ggml.tokens", NULL, NULL, 0);
    assert_refused(b, EINF_E_FORMAT, "tokenizer.ggml.tokens", "0 tokens", "at least 1");
    b = gguf_build_new();
    gguf_build_str(b, "tokenizer.ggml.model", "llama");
    gguf_build_strings(b, "tokenizer.ggml.tokens", (const char *const[]){ "a" }, NULL, 1);
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);
    assert_ids(&f, "aa", EINF_TOK_BOS, 0, 0, 0, 0, 0); /* <unk> is id 0 unless the file says otherwise */
    assert_int_equal(einf__vocab_special_ids(f.v)->bos, -1); /* 1 is no token here */
    assert_false(einf__vocab_special_ids(f.v)->add_bos);
    fixture_close(&f);
}

/* H-070 */
static void test_token_texts(void **state)
{
    (void)state;
    static char huge[1 << 20];
    memset(huge, 'a', sizeof huge);
    const char *texts[] = { "", "a", "b\0c", "\xff\xfe", huge, "" };
    const size_t lens[] = { 0, 1, 3, 2, sizeof huge, 0 };
    const char *models[] = { "llama", "bert", "gpt2" };
    for (size_t i = 0; i < TEST_COUNT(models); i++) {
        gguf_build *b = gguf_build_new();
        fixture f;
        gguf_build_str(b, "tokenizer.ggml.model", models[i]);
        gguf_build_strings(b, "tokenizer.ggml.tokens", texts, lens, TEST_COUNT(texts));
        gguf_build_strings(b, "tokenizer.ggml.merges", NULL, NULL, 0);
        assert_ok(fixture_build(&f, b), &f.err);
        assert_int_equal(einf__vocab_find(f.v, "b\0c", 3), 2);
        assert_int_equal(einf__vocab_find(f.v, "b", 1), -1);
        assert_int_equal(einf__vocab_find(f.v, "\xff\xfe", 2), 3);
        assert_int_equal(einf__vocab_find(f.v, huge, sizeof huge), 4);
        assert_int_equal(einf__vocab_find(f.v, huge, sizeof huge - 1), -1);
        assert_int_equal(einf__vocab_find(f.v, "", 0), -1);
        char buf[8];
        assert_int_equal(einf__detokenize(f.v, (const int32_t[]){ 0, 1, 5 }, 3, false, buf, sizeof buf), 1);
        einf__ids ids = ids_of_n(&f, huge, sizeof huge, 0);
        assert_int_equal(ids.n > 0, i != 1); /* BERT's: neither the word nor an unknown token */
        einf__ids_deinit(&ids);
        fixture_close(&f);
    }
}

/* H-071: as in an official Gemma file */
static void test_duplicate_texts_load(void **state)
{
    (void)state;
    gguf_build *b = spm_file();
    fixture f;
    tokens t = { .n = 0 };
    gguf_build_drop_kv(b, "tokenizer.ggml.tokens");
    gguf_build_drop_kv(b, "tokenizer.ggml.token_type");
    gguf_build_drop_kv(b, "tokenizer.ggml.scores");
    add_bytes(&t);
    const int32_t first = tokens_add(&t, "x", TYPE_NORMAL, -1);
    (void)tokens_add(&t, "x", TYPE_NORMAL, -1);
    (void)tokens_add(&t, "<s>", TYPE_CONTROL, 0);
    tokens_write(b, &t, true);
    gguf_build_bool(b, "tokenizer.ggml.add_space_prefix", false);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_int_equal(einf__vocab_find(f.v, "x", 1), first);
    assert_ids(&f, "xx<s>", EINF_TOK_SPECIAL, first, first, 1);
    fixture_close(&f);
}

static gguf_build *with_array(const char *key, uint32_t type, const void *items, size_t n)
{
    gguf_build *b = spm_file();
    gguf_build_drop_kv(b, key);
    gguf_build_array(b, key, type, items, n);
    return b;
}

/* H-072 */
static void test_array_types_and_lengths(void **state)
{
    (void)state;
    enum { N = SPM_PIECES + 11 };
    static const uint8_t zeros[(N + 1) * 8];
    static int64_t wide[N];
    static uint8_t narrow[N];
    for (size_t i = 0; i < N; i++) narrow[i] = 1, wide[i] = 1;
    static const char scores[] = "tokenizer.ggml.scores", types[] = "tokenizer.ggml.token_type";
    assert_refused(with_array(scores, GGUF_U8, zeros, N), EINF_E_FORMAT, scores, "array of u8", "f32");
    assert_refused(with_array(scores, GGUF_I8, zeros, N), EINF_E_FORMAT, scores, "array of i8", "f32");
    assert_refused(with_array(scores, GGUF_F32, zeros, N - 1), EINF_E_FORMAT, scores, "269 items", "270 tokens");
    assert_refused(with_array(scores, GGUF_F32, zeros, N + 1), EINF_E_FORMAT, scores, "271 items", "270 tokens");
    assert_refused(with_array(types, GGUF_F32, zeros, N), EINF_E_FORMAT, types, "array of f32", "integer");
    assert_refused(with_array(types, GGUF_I32, zeros, N - 1), EINF_E_FORMAT, types, "269 items", "270 tokens");
    assert_refused(with_array(types, GGUF_I32, zeros, N + 1), EINF_E_FORMAT, types, "271 items", "270 tokens");
    assert_loads(with_array(types, GGUF_U8, narrow, N));
    assert_loads(with_array(types, GGUF_I64, wide, N));
    assert_loads(with_array(scores, GGUF_F64, zeros, N));

    gguf_build *b = bpe_file("gpt-2");
    gguf_build_drop_kv(b, "tokenizer.ggml.merges");
    gguf_build_array(b, "tokenizer.ggml.merges", GGUF_U32, zeros, 4);
    assert_refused(b, EINF_E_FORMAT, "tokenizer.ggml.merges", "array of u32", "string");
    b = bpe_file("gpt-2");
    gguf_build_drop_kv(b, "tokenizer.ggml.merges");
    assert_refused(b, EINF_E_FORMAT, NULL, "tokenizer.ggml.merges", "lacks");
}

/* H-073 */
static void test_special_ids(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.unknown_token_id",
        "tokenizer.ggml.padding_token_id", "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.mask_token_id",
        "tokenizer.ggml.cls_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id",
        "tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.prefix_token_id",
    };
    for (size_t i = 0; i < TEST_COUNT(keys); i++) {
        gguf_build *b = spm_file();
        gguf_build_u32(b, keys[i], 270);
        assert_refused(b, EINF_E_FORMAT, keys[i], "270", "vocabulary of 270");
        b = spm_file();
        gguf_build_u32(b, keys[i], 1u << 31);
        assert_refused(b, EINF_E_FORMAT, keys[i], "2147483648", "vocabulary of 270");
        b = spm_file();
        gguf_build_i32(b, keys[i], -2);
        assert_refused(b, EINF_E_FORMAT, keys[i], "-2", "vocabulary of 270");
        b = spm_file();
        gguf_build_i32(b, keys[i], -1); /* none */
        assert_loads(b);
        b = spm_file();
        gguf_build_u32(b, keys[i], UINT32_MAX);
        assert_loads(b);
    }
    fixture f;
    gguf_build *b = spm_file();
    gguf_build_u16(b, "tokenizer.ggml.bos_token_id", 2);
    gguf_build_i64(b, "tokenizer.ggml.padding_token_id", 7);
    assert_ok(fixture_build(&f, b), &f.err);
    const einf__special_ids *s = einf__vocab_special_ids(f.v);
    assert_int_equal(s->bos, 2);
    assert_int_equal(s->eos, 2); /* by default */
    assert_int_equal(s->unk, 0);
    assert_int_equal(s->pad, 7);
    assert_int_equal(s->eot, -1);
    assert_true(s->add_bos);
    assert_false(s->add_eos);
    fixture_close(&f);
}

/* H-074 */
static void test_add_bos_without_bos(void **state)
{
    (void)state;
    gguf_build *b = bpe_file("gpt-2");
    gguf_build_drop_kv(b, "tokenizer.ggml.bos_token_id");
    gguf_build_bool(b, "tokenizer.ggml.add_bos_token", true);
    assert_refused(b, EINF_E_FORMAT, "tokenizer.ggml.add_bos_token", "true", "tokenizer.ggml.bos_token_id");
    b = bpe_file("gpt-2");
    gguf_build_drop_kv(b, "tokenizer.ggml.eos_token_id");
    gguf_build_bool(b, "tokenizer.ggml.add_eos_token", true);
    assert_refused(b, EINF_E_FORMAT, "tokenizer.ggml.add_eos_token", "true", "tokenizer.ggml.eos_token_id");
    fixture f;
    b = bpe_file("llama-bpe"); /* which would add one */
    gguf_build_drop_kv(b, "tokenizer.ggml.bos_token_id");
    assert_ok(fixture_build(&f, b), &f.err);
    assert_ids(&f, "he", EINF_TOK_BOS, 256);
    fixture_close(&f);
}

/* H-075 */
static void test_bad_byte_tokens(void **state)
{
    (void)state;
    static const char *const bad[] = { "<0x-1>", "<0xZZ>", "<0x>", "<0x", "<0x-f>", "<0x1>", "<0x123>" };
    gguf_build *b = gguf_build_new();
    tokens t = { .n = 0 };
    fixture f;
    gguf_build_str(b, "tokenizer.ggml.model", "llama");
    (void)tokens_add(&t, "<unk>", TYPE_UNKNOWN, 0);
    for (size_t i = 0; i < TEST_COUNT(bad); i++) (void)tokens_add(&t, bad[i], TYPE_BYTE, 0);
    const int32_t good = tokens_add(&t, "<0xC3>", TYPE_BYTE, 0), bare = tokens_add(&t, "\xa9", TYPE_NORMAL, 0);
    tokens_write(b, &t, true);
    gguf_build_bool(b, "tokenizer.ggml.add_space_prefix", false);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_ids(&f, "\xc3\xa9z", 0, good, bare, 0); /* a byte as <0xXX>, as itself, and one that is missing */
    char buf[64];
    for (int32_t id = 1; id <= (int32_t)TEST_COUNT(bad); id++)
        assert_int_equal(einf__detokenize(f.v, &id, 1, true, buf, sizeof buf), 0);
    assert_int_equal(einf__detokenize(f.v, &good, 1, false, buf, sizeof buf), 1);
    assert_int_equal((uint8_t)buf[0], 0xc3);
    fixture_close(&f);
}

/* H-076 */
static void test_bad_merges_are_skipped(void **state)
{
    (void)state;
    static const char *const merges[] = {
        "he", "h  e", "h e", "zz y", "h zz", "", " ", "h ", " h", "l l", "h l", "h e",
    };
    fixture f;
    gguf_build *b = bpe_file("gpt-2");
    gguf_build_drop_kv(b, "tokenizer.ggml.merges");
    gguf_build_strings(b, "tokenizer.ggml.merges", merges, NULL, TEST_COUNT(merges));
    assert_ok(fixture_build(&f, b), &f.err);
    assert_non_null(f.warning);
    assert_non_null(strstr(f.warning, "skipped"));
    assert_ids(&f, "hehllh", 0, 256, 'h', 257, 'h');
    fixture_close(&f);
}

static void test_too_many_merges(void **state)
{
    (void)state;
    enum { N = (1 << 22) + 1 };
    size_t *lens = calloc(N, sizeof *lens);
    const char **texts = malloc(N * sizeof *texts);
    assert_non_null(lens);
    assert_non_null(texts);
    for (size_t i = 0; i < N; i++) texts[i] = "";
    gguf_build *b = bpe_file("gpt-2");
    gguf_build_drop_kv(b, "tokenizer.ggml.merges");
    gguf_build_strings(b, "tokenizer.ggml.merges", texts, lens, N);
    free(texts);
    free(lens);
    assert_refused(b, EINF_E_LIMIT, "tokenizer.ggml.merges", "4194305", "4194304");
}

/* H-078 */
static void test_unknown_pretokenizer(void **state)
{
    (void)state;
    fixture f;
    size_t n_bytes;
    static const char pre[] = "tokenizer.ggml.pre";
    assert_refused(bpe_file("no-such-one"), EINF_E_UNSUPPORTED, pre, "'no-such-one'", "any_pretokenizer");
    assert_refused(bpe_file("%s%n\n"), EINF_E_UNSUPPORTED, pre, "'%s%n?'", "any_pretokenizer");
    gguf_build *b = bpe_file("no-such-one");
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    assert_ok(fixture_open(&f, file, n_bytes, &(einf__vocab_options){ .any_pretokenizer = true }), &f.err);
    assert_string_equal(einf__vocab_describe(f.v), "bpe default");
    assert_non_null(f.warning);
    assert_non_null(strstr(f.warning, "default"));
    fixture_close(&f);
    assert_ok(fixture_build(&f, bpe_file(NULL)), &f.err);
    assert_string_equal(einf__vocab_describe(f.v), "bpe default");
    assert_non_null(f.warning);
    fixture_close(&f);
}

static void test_answers_end(void **state)
{
    (void)state;
    gguf_build *b = gguf_build_new();
    tokens t = { .n = 0 };
    fixture f;
    gguf_build_str(b, "tokenizer.ggml.model", "gpt2");
    gguf_build_str(b, "tokenizer.ggml.pre", "gpt-2");
    add_letters(&t);
    const int32_t prose = tokens_add(&t, "</s>", TYPE_NORMAL, 0), end = tokens_add(&t, "<|im_end|>", TYPE_NORMAL, 0);
    const int32_t turn = tokens_add(&t, "<end_of_turn>", TYPE_USER, 0);
    const int32_t pad = tokens_add(&t, "<|fim_pad|>", TYPE_CONTROL, 0);
    const int32_t middle = tokens_add(&t, "<|fim_middle|>", TYPE_USER, 0);
    tokens_write(b, &t, false);
    gguf_build_strings(b, "tokenizer.ggml.merges", NULL, NULL, 0);
    gguf_build_u32(b, "tokenizer.ggml.eos_token_id", 'E');
    assert_ok(fixture_build(&f, b), &f.err);
    assert_false(einf__vocab_ends_answer(f.v, prose));
    assert_false(einf__vocab_is_control(f.v, prose));
    assert_true(einf__vocab_ends_answer(f.v, end)); /* whatever type the file gives it */
    assert_true(einf__vocab_is_control(f.v, end));
    assert_true(einf__vocab_ends_answer(f.v, turn));
    assert_true(einf__vocab_ends_answer(f.v, pad));
    assert_false(einf__vocab_ends_answer(f.v, middle));
    assert_true(einf__vocab_is_control(f.v, middle));
    assert_true(einf__vocab_ends_answer(f.v, 'E'));
    assert_false(einf__vocab_ends_answer(f.v, 'F'));
    assert_false(einf__vocab_ends_answer(f.v, -1));
    assert_false(einf__vocab_ends_answer(f.v, INT32_MAX));
    assert_int_equal(einf__vocab_special_ids(f.v)->eot, end);
    fixture_close(&f);
}

static void test_harmony_exceptions(void **state)
{
    (void)state;
    gguf_build *b = gguf_build_new();
    tokens t = { .n = 0 };
    fixture f;
    gguf_build_str(b, "tokenizer.ggml.model", "gpt2");
    gguf_build_str(b, "tokenizer.ggml.pre", "gpt-4o");
    const int32_t end = tokens_add(&t, "<|end|>", TYPE_CONTROL, 0);
    const int32_t channel = tokens_add(&t, "<|channel|>", TYPE_CONTROL, 0);
    const int32_t back = tokens_add(&t, "<|return|>", TYPE_CONTROL, 0);
    const int32_t call = tokens_add(&t, "<|call|>", TYPE_CONTROL, 0);
    tokens_write(b, &t, false);
    gguf_build_strings(b, "tokenizer.ggml.merges", NULL, NULL, 0);
    assert_ok(fixture_build(&f, b), &f.err);
    assert_false(einf__vocab_ends_answer(f.v, end));
    assert_true(einf__vocab_ends_answer(f.v, back));
    assert_true(einf__vocab_ends_answer(f.v, call));
    assert_false(einf__vocab_is_control(f.v, channel));
    fixture_close(&f);
}

/* Texts made to fall into one place of the hash table would make building quadratic; here all are distinct in the
 * half of the hash that is compared, so only their number can stop it. A small vocabulary may not be refused. */
static void test_many_tokens_build_fast(void **state)
{
    (void)state;
    enum { N = 100000 };
    static char texts[N][8];
    const char **list = malloc(N * sizeof *list);
    assert_non_null(list);
    for (uint32_t i = 0; i < N; i++) {
        snprintf(texts[i], sizeof texts[i], "%x", i);
        list[i] = texts[i];
    }
    gguf_build *b = gguf_build_new();
    fixture f;
    gguf_build_str(b, "tokenizer.ggml.model", "llama");
    gguf_build_strings(b, "tokenizer.ggml.tokens", list, NULL, N);
    free(list);
    const double begin = seconds();
    assert_ok(fixture_build(&f, b), &f.err);
    assert_true(seconds() - begin < test_patience_s());
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(einf__vocab_find(f.v, texts[i], strlen(texts[i])), i);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_unknown_tokenizer),
        cmocka_unit_test(test_tokens_missing_empty_one),
        cmocka_unit_test(test_token_texts),
        cmocka_unit_test(test_duplicate_texts_load),
        cmocka_unit_test(test_array_types_and_lengths),
        cmocka_unit_test(test_special_ids),
        cmocka_unit_test(test_add_bos_without_bos),
        cmocka_unit_test(test_bad_byte_tokens),
        cmocka_unit_test(test_bad_merges_are_skipped),
        cmocka_unit_test(test_too_many_merges),
        cmocka_unit_test(test_unknown_pretokenizer),
        cmocka_unit_test(test_answers_end),
        cmocka_unit_test(test_harmony_exceptions),
        cmocka_unit_test(test_many_tokens_build_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
