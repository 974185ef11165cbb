/* SPDX-License-Identifier: MIT
 * test_vocab_data.c - real vocabularies: llama.cpp's own expectations, BERT's questions, round trips over real texts.
 */
#include "tests/unit/text/text_fixture.h"

#include <cjson/cJSON.h>

static const char *const names[] = { "qwen2", "llama-bpe", "llama-spm", "phi-3", "bert-bge" };

/* NAME.inp: texts between separators; NAME.out: a line of ids for each. */
static uint32_t check_expectations(fixture *f, const char *name)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char path[128];
    uint32_t n_texts = 0;
    snprintf(path, sizeof path, "tokenizers/vocabs/%s.inp", name);
    uint8_t *inputs = test_read_data(path, NULL);
    snprintf(path, sizeof path, "tokenizers/vocabs/%s.out", name);
    uint8_t *outputs = test_read_data(path, NULL);
    assert_non_null(inputs);
    assert_non_null(outputs);
    char *line = (char *)outputs;
    for (char *text = (char *)inputs, *next; text; text = next) {
        next = strstr(text, separator);
        if (!next) break; /* what follows the last separator is no text */
        const size_t n_bytes = (size_t)(next - text);
        next += strlen(separator);
        int32_t expected[1024];
        size_t n_expected = 0;
        while (*line && *line != '\n') {
            expected[n_expected++] = (int32_t)strtol(line, &line, 10);
            while (*line == ' ') line++;
        }
        assert_int_equal(*line, '\n');
        line++;
        assert_ids_n(f, text, n_bytes, 0, expected, n_expected, path, (int)n_texts + 1);
        n_texts++;
    }
    assert_int_equal(*line, '\0');
    free(inputs);
    free(outputs);
    return n_texts;
}

static void test_expectations(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        fixture f;
        if (!fixture_data(&f, names[i])) return;
        assert_int_equal(check_expectations(&f, names[i]), 46);
        assert_int_equal(einf__vocab_bytes(f.v) + f.g.block_bytes, f.mem.used_bytes);
        fixture_close(&f);
    }
}

/* The vocabulary of BERT as converters write it: words get a U+2581, continuations lose their ##. */
static gguf_build *bert_file(char *vocab)
{
    enum { MAX = 40000 };
    const char **texts = malloc(MAX * sizeof *texts);
    int32_t *types = malloc(MAX * sizeof *types);
    char *room = malloc(strlen(vocab) + MAX * 4);
    assert_non_null(texts);
    assert_non_null(types);
    assert_non_null(room);
    gguf_build *b = gguf_build_new();
    size_t n = 0;
    char *to = room;
    for (char *line = strtok(vocab, "\n"); line; line = strtok(NULL, "\n"), n++) {
        const size_t n_bytes = strlen(line);
        const bool bare = line[0] == '[' && line[n_bytes - 1] == ']', rest = strncmp(line, "##", 2) == 0 && n_bytes > 2;
        assert_true(n < MAX);
        texts[n] = to;
        types[n] = bare && strncmp(line, "[unused", 7) != 0 && n_bytes > 3 ? TYPE_CONTROL : TYPE_NORMAL;
        to += sprintf(to, "%s%s", bare || rest ? "" : SP, rest ? line + 2 : line) + 1;
    }
    gguf_build_str(b, "tokenizer.ggml.model", "bert");
    gguf_build_strings(b, "tokenizer.ggml.tokens", texts, NULL, n);
    gguf_build_array(b, "tokenizer.ggml.token_type", GGUF_I32, types, n);
    gguf_build_u32(b, "tokenizer.ggml.unknown_token_id", 100);
    free(texts);
    free(types);
    free(room);
    return b;
}

static void test_bert_questions(void **state)
{
    (void)state;
    uint8_t *vocab = test_read_data("tokenizers/bert/vocab.txt", NULL);
    if (!vocab) return;
    uint8_t *questions = test_read_data("tokenizers/bert/questions.jsonl", NULL);
    assert_non_null(questions);
    fixture f;
    uint32_t n = 0;
    assert_ok(fixture_build(&f, bert_file((char *)vocab)), &f.err);
    for (char *line = strtok((char *)questions, "\n"); line; line = strtok(NULL, "\n"), n++) {
        cJSON *json = cJSON_Parse(line), *ids = cJSON_GetObjectItem(json, "ids");
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(json, "text"));
        int32_t expected[512];
        size_t n_expected = 0;
        assert_non_null(text);
        assert_true(cJSON_GetArraySize(ids) <= (int)TEST_COUNT(expected));
        for (const cJSON *id = ids->child; id; id = id->next) expected[n_expected++] = id->valueint;
        assert_ids_n(&f, text, strlen(text), 0, expected, n_expected, "questions.jsonl", (int)n + 1);
        cJSON_Delete(json);
    }
    assert_int_equal(n, 2114);
    free(vocab);
    free(questions);
    fixture_close(&f);
}

/* ---------------------------------------------------------------------------------------------- round trips -- */

static void check_round_trip(fixture *f, const char *text, size_t n_bytes)
{
    einf__ids ids = ids_of_n(f, text, n_bytes, 0);
    const uint64_t max = einf__detok_max_bytes(f->v);
    char *back = malloc(n_bytes + max + 1), *streamed = malloc(n_bytes + 4 * max);
    assert_non_null(back);
    assert_non_null(streamed);
    assert_int_equal(einf__detokenize(f->v, ids.ids, ids.n, false, back, n_bytes + 1), n_bytes);
    assert_memory_equal(back, text, n_bytes);
    einf__detok d;
    uint64_t n = 0;
    einf__detok_init(&d, f->v, false, true);
    for (uint64_t i = 0; i < ids.n; i++) {
        n += einf__detok_next(&d, ids.ids[i], streamed + n, max);
        assert_true(n <= n_bytes);
    }
    n += einf__detok_flush(&d, streamed + n, max);
    assert_int_equal(n, n_bytes);
    assert_memory_equal(streamed, text, n_bytes);
    free(back);
    free(streamed);
    einf__ids_deinit(&ids);
}

/* The lines of a file that are UTF-8. */
static void check_file(fixture *f, const char *path)
{
    size_t n_bytes, kept = 0;
    uint8_t *text = test_read_data(path, &n_bytes);
    assert_non_null(text);
    for (size_t begin = 0, end; begin < n_bytes; begin = end) {
        const uint8_t *newline = memchr(text + begin, '\n', n_bytes - begin);
        end = newline ? (size_t)(newline - text) + 1 : n_bytes;
        if (!is_utf8(text + begin, end - begin)) continue;
        memmove(text + kept, text + begin, end - begin);
        kept += end - begin;
    }
    assert_true(kept > n_bytes / 2);
    check_round_trip(f, (const char *)text, kept);
    free(text);
}

static void test_round_trips(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "text/wikitext-2/test.txt", "text/tinyshakespeare.txt", "text/blns.txt", "text/utf8tests/utf8tests.txt",
        "text/cs336/german.txt",
    };
    for (size_t i = 0; i < 3; i++) { /* SentencePiece's words are cut where it changes nothing, too */
        fixture f;
        if (!fixture_data(&f, names[i])) return;
        for (size_t k = 0; k < TEST_COUNT(paths); k++) check_file(&f, paths[k]);
        fixture_close(&f);
    }
}

/* What is cached may change nothing: lines, which are independent in WordPiece, are too short to have a cache. */
static void test_cache_changes_nothing(void **state)
{
    (void)state;
    fixture f;
    size_t n_bytes;
    if (!fixture_data(&f, "bert-bge")) return;
    char *text = (char *)test_read_data("text/blns.txt", &n_bytes);
    assert_non_null(text);
    einf__ids all = ids_of_n(&f, text, n_bytes, 0);
    uint64_t n = 0;
    for (size_t begin = 0, end; begin < n_bytes; begin = end + 1) {
        const char *newline = memchr(text + begin, '\n', n_bytes - begin);
        end = newline ? (size_t)(newline - text) : n_bytes;
        einf__ids line = ids_of_n(&f, text + begin, end - begin, 0);
        assert_true(n + line.n <= all.n);
        if (line.n > 0) assert_memory_equal(line.ids, all.ids + n, (size_t)line.n * sizeof *line.ids);
        n += line.n;
        einf__ids_deinit(&line);
    }
    assert_int_equal(n, all.n);
    einf__ids_deinit(&all);
    free(text);
    fixture_close(&f);
}

static void test_real_special_tokens(void **state)
{
    (void)state;
    fixture f;
    if (!fixture_data(&f, "qwen2")) return;
    const int32_t end = einf__vocab_find(f.v, "<|im_end|>", 10);
    assert_int_equal(end, 151645);
    assert_true(einf__vocab_ends_answer(f.v, end));
    assert_true(einf__vocab_ends_answer(f.v, 151643));
    assert_int_equal(einf__vocab_special_ids(f.v)->eot, end);
    assert_false(einf__vocab_special_ids(f.v)->add_bos);
    fixture_close(&f);
    if (!fixture_data(&f, "phi-3")) return;
    assert_true(einf__vocab_ends_answer(f.v, 32000));
    assert_true(einf__vocab_ends_answer(f.v, 32007)); /* <|end|> */
    assert_ids(&f, "<|end|> \n<|user|>\n", EINF_TOK_SPECIAL, 32007, 32010); /* takes blanks along */
    fixture_close(&f);
    if (!fixture_data(&f, "bert-bge")) return;
    assert_ids(&f, "", EINF_TOK_BOS, 101, 102);
    fixture_close(&f);
}

static void test_no_letter_is_slow(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        fixture f;
        if (!fixture_data(&f, names[i])) return;
        size_t n_bytes;
        uint8_t *prose = test_read_data("text/wikitext-2/test.txt", &n_bytes);
        assert_non_null(prose);
        assert_true(n_bytes >= N);
        const double begin = seconds();
        einf__ids ids = ids_of_n(&f, (const char *)prose, N, 0);
        const double took = seconds() - begin;
        einf__ids_deinit(&ids);
        memset(prose, 'A', N);
        const double begin_letters = seconds();
        ids = ids_of_n(&f, (const char *)prose, N, 0);
        const double took_letters = seconds() - begin_letters;
        if (took_letters > 3 * took + 0.5)
            print_error("%s: a megabyte of A takes %.3f s, of prose %.3f s\n", names[i], took_letters, took);
        assert_true(took_letters <= 3 * took + 0.5);
        einf__ids_deinit(&ids);
        free(prose);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_bert_questions),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_cache_changes_nothing),
        cmocka_unit_test(test_real_special_tokens),
        cmocka_unit_test(test_no_letter_is_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
