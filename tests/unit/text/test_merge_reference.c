/* SPDX-License-Identifier: MIT
 * test_merge_reference.c - against the definitions: merging by looking through everything for every step, special
 * tokens by searching for one after another. Random vocabularies, random texts.
 */
#include "tests/unit/text/text_fixture.h"

#include "engine/text/merge_queue.h"

enum { MAX_TEXT = 600 };

/* ------------------------------------------------------------------------------------------------- queue -- */

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void test_queue_sorts(void **state)
{
    (void)state;
    enum { N = 5000 };
    static uint64_t keys[N];
    test_heap heap;
    einf__memory mem;
    einf__merge_queue q;
    uint64_t random = 7;
    test_heap_init(&heap, 0);
    einf__memory_init(&mem, &heap.allocator, 0);
    einf__queue_init(&q);
    for (uint32_t shape = 0; shape < 4; shape++) {
        for (uint32_t i = 0; i < N; i++) {
            const uint32_t any = next_random(&random) % 100;
            const uint64_t priority = shape == 0 ? 3 : shape == 1 ? N - i : shape == 2 ? i % 5 : any;
            keys[i] = priority << 32 | i;
            assert_true(einf__queue_push(&mem, &q, keys[i]));
        }
        qsort(keys, N, sizeof *keys, compare_keys);
        for (uint32_t i = 0; i < N; i++) assert_int_equal(einf__queue_pop(&q), keys[i]);
        assert_int_equal(einf__queue_pop(&q), EINF__QUEUE_EMPTY);
    }
    /* Pushing while popping, what is new often being lower. */
    for (uint32_t i = 0; i < N; i++) assert_true(einf__queue_push(&mem, &q, next_random(&random)));
    uint64_t n_left = N;
    for (uint64_t last = 0, step = 0; n_left > 0; step++) {
        const uint64_t key = einf__queue_pop(&q);
        assert_true(key >= last || step % 3 == 1);
        n_left--;
        last = step % 3 == 0 && n_left > 100 ? key / 2 : key;
        if (step % 3 == 0 && n_left > 100) {
            assert_true(einf__queue_push(&mem, &q, last));
            n_left++;
        }
    }
    einf__queue_deinit(&mem, &q);
    assert_int_equal(heap.n_live, 0);
}

/* --------------------------------------------------------------------------------------------- definitions -- */

/* Pieces of a text: boundaries. */
typedef struct pieces { uint32_t at[MAX_TEXT * 3 + 2], n; } pieces;

typedef bool (*rank_fn)(const tokens *t, const char *text, uint32_t begin, uint32_t middle, uint32_t end, double *rank);

/* Merge the pair of lowest rank, leftmost of equals, until there is none. */
static void merge_by_definition(const tokens *t, const char *text, pieces *p, rank_fn rank_of)
{
    for (;;) {
        double best = 0;
        uint32_t at = 0;
        bool any = false;
        for (uint32_t i = 0; i + 1 < p->n; i++) {
            double rank;
            if (!rank_of(t, text, p->at[i], p->at[i + 1], p->at[i + 2], &rank) || (any && rank >= best)) continue;
            any = true;
            best = rank;
            at = i;
        }
        if (!any) return;
        memmove(&p->at[at + 1], &p->at[at + 2], (p->n - at - 1) * sizeof *p->at);
        p->n--;
    }
}

static int32_t find_span(const tokens *t, const char *text, uint32_t begin, uint32_t end)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->lens[i] == end - begin && memcmp(t->texts[i], text + begin, end - begin) == 0) return (int32_t)i;
    return -1;
}

static bool score_rank(const tokens *t, const char *text, uint32_t begin, uint32_t middle, uint32_t end, double *rank)
{
    (void)middle;
    const int32_t id = find_span(t, text, begin, end);
    if (id >= 0) *rank = -(double)t->scores[id];
    return id >= 0;
}

static struct { uint32_t left, right; } merge_list[512];
static uint32_t n_merge_list;

static bool merge_rank(const tokens *t, const char *text, uint32_t begin, uint32_t middle, uint32_t end, double *rank)
{
    const int32_t left = find_span(t, text, begin, middle), right = find_span(t, text, middle, end);
    for (uint32_t i = 0; i < n_merge_list; i++) {
        if ((int32_t)merge_list[i].left != left || (int32_t)merge_list[i].right != right) continue;
        *rank = i;
        return true;
    }
    return false;
}

static void assert_same_ids(fixture *f, const char *text, uint32_t n_bytes, const int32_t *expected,
                            uint32_t n_expected)
{
    assert_ids_n(f, text, n_bytes, 0, expected, n_expected, __FILE__, __LINE__);
}

/* Random text of an alphabet, with runs and repeats in it. */
static uint32_t random_text(uint64_t *random, const char *alphabet, char *text, uint32_t max)
{
    const uint32_t n = 1 + next_random(random) % max, n_letters = (uint32_t)strlen(alphabet);
    const uint32_t shape = next_random(random) % 3;
    for (uint32_t i = 0; i < n; i++) {
        const char c = alphabet[next_random(random) % n_letters];
        text[i] = i > 8 && shape == 1 ? text[i - 1 - next_random(random) % 2] : i > 8 && shape == 2 ? text[i - 5] : c;
    }
    return n;
}

/* ------------------------------------------------------------------------------------------------- models -- */

static void add_merge(tokens *t, uint32_t left, uint32_t right)
{
    char made[64];
    snprintf(made, sizeof made, "%s%s", t->texts[left], t->texts[right]);
    if (tokens_find(t, made) < 0) (void)tokens_add(t, made, TYPE_NORMAL, 0);
    merge_list[n_merge_list].left = left;
    merge_list[n_merge_list++].right = right;
}

/* Merges of random pieces, the letters a to d among them. */
static void add_some_merges(uint64_t *random, tokens *t)
{
    while (n_merge_list < 60) {
        uint32_t pair[2];
        for (uint32_t i = 0; i < 2; i++) {
            const uint32_t piece = next_random(random) % (4 + (uint32_t)t->n - 256);
            pair[i] = piece < 4 ? 'a' + piece : 256 + piece - 4;
        }
        if (t->lens[pair[0]] + t->lens[pair[1]] <= 16) add_merge(t, pair[0], pair[1]);
    }
}

/* All there can be over a to c up to four letters: what a pair becomes can nearly always be merged on. */
static void add_all_merges(tokens *t)
{
    for (uint32_t len = 2; len <= 4; len++) {
        const uint32_t n = (uint32_t)t->n;
        for (uint32_t left = 'a'; left < n; left = left == 'c' ? 256 : left + 1)
            for (uint32_t right = 'a'; right < n; right = right == 'c' ? 256 : right + 1)
                if (t->lens[left] + t->lens[right] == len) add_merge(t, left, right);
    }
}

/* The merges in an order that often puts what is built on before what builds it. */
static gguf_build *random_bpe(uint64_t *random, tokens *t, bool all)
{
    gguf_build *b = gguf_build_new();
    char text[512][64];
    const char *list[512];
    add_letters(t);
    n_merge_list = 0;
    if (all) add_all_merges(t);
    else add_some_merges(random, t);
    for (uint32_t i = n_merge_list - 1; i > 0; i--) {
        const uint32_t j = next_random(random) % (i + 1), left = merge_list[i].left, right = merge_list[i].right;
        merge_list[i] = merge_list[j];
        merge_list[j].left = left;
        merge_list[j].right = right;
    }
    for (uint32_t i = 0; i < n_merge_list; i++) {
        snprintf(text[i], sizeof text[i], "%s %s", t->texts[merge_list[i].left], t->texts[merge_list[i].right]);
        list[i] = text[i];
    }
    gguf_build_str(b, "tokenizer.ggml.model", "gpt2");
    gguf_build_str(b, "tokenizer.ggml.pre", "gpt-2");
    gguf_build_strings(b, "tokenizer.ggml.tokens", (const char *const *)t->texts, t->lens, t->n);
    gguf_build_strings(b, "tokenizer.ggml.merges", list, NULL, n_merge_list);
    return b;
}

static void test_bpe_by_definition(void **state)
{
    (void)state;
    static tokens t;
    static pieces p;
    uint64_t random = 11;
    for (uint32_t round = 0; round < 24; round++) {
        const char *alphabet = round % 2 ? "abc" : "abcd";
        fixture f;
        assert_ok(fixture_build(&f, random_bpe(&random, &t, round % 2)), &f.err);
        for (uint32_t i = 0; i < 9; i++) {
            char text[MAX_TEXT];
            int32_t expected[MAX_TEXT];
            const uint32_t n = random_text(&random, alphabet, text, i % 3 ? 40 : round % 2 ? 300 : MAX_TEXT);
            for (p.n = 0; p.n < n; p.n++) p.at[p.n] = p.n;
            p.at[n] = n;
            merge_by_definition(&t, text, &p, merge_rank);
            for (uint32_t k = 0; k < p.n; k++) expected[k] = find_span(&t, text, p.at[k], p.at[k + 1]);
            assert_same_ids(&f, text, n, expected, p.n);
        }
        tokens_free(&t);
        fixture_close(&f);
    }
}

static void test_merge_that_comes_between(void **state)
{
    (void)state;
    /* "a b" is merged first for want of others, but what it makes must be merged on before the next "a b". */
    static const char *const merges[] = { "c ab", "cab a", "a b" };
    static tokens t;
    static char text[5 * 40];
    int32_t expected[2 * 40];
    gguf_build *b = gguf_build_new();
    fixture f;
    add_letters(&t);
    (void)tokens_add(&t, "ab", TYPE_NORMAL, 0);
    (void)tokens_add(&t, "cab", TYPE_NORMAL, 0);
    const int32_t caba = tokens_add(&t, "caba", TYPE_NORMAL, 0);
    gguf_build_str(b, "tokenizer.ggml.model", "gpt2");
    gguf_build_str(b, "tokenizer.ggml.pre", "gpt-2");
    tokens_write(b, &t, false);
    gguf_build_strings(b, "tokenizer.ggml.merges", merges, NULL, TEST_COUNT(merges));
    assert_ok(fixture_build(&f, b), &f.err);
    for (uint32_t i = 0; i < 40; i++) {
        memcpy(text + 5 * i, "cabab", 5);
        expected[2 * i] = caba;
        expected[2 * i + 1] = 'b';
    }
    assert_same_ids(&f, text, 5, expected, 2);
    assert_same_ids(&f, text, sizeof text, expected, 80);
    fixture_close(&f);
}

/* Pieces with blanks at either end and inside, and few different scores. */
static gguf_build *random_spm(uint64_t *random, tokens *t)
{
    static const char *const letters[] = { SP, "a", "b", "c", "\xc3\xa9" };
    gguf_build *b = gguf_build_new();
    add_bytes(t);
    for (size_t i = 0; i < 4; i++) (void)tokens_add(t, letters[i], TYPE_NORMAL, -9); /* the e acute is no token */
    while (t->n < SPM_PIECES + 60) {
        char made[64] = "";
        for (uint32_t n = 2 + next_random(random) % 5; n > 0; n--)
            strcat(made, letters[next_random(random) % (n == 1 ? 5 : 4) % (next_random(random) % 4 ? 5 : 4)]);
        if (tokens_find(t, made) < 0) (void)tokens_add(t, made, TYPE_NORMAL, 3 - (float)(next_random(random) % 8));
    }
    gguf_build_str(b, "tokenizer.ggml.model", "llama");
    gguf_build_strings(b, "tokenizer.ggml.tokens", (const char *const *)t->texts, t->lens, t->n);
    gguf_build_array(b, "tokenizer.ggml.token_type", GGUF_I32, t->types, t->n);
    gguf_build_array(b, "tokenizer.ggml.scores", GGUF_F32, t->scores, t->n);
    return b;
}

/* The whole text, prefixed and with U+2581 for its blanks, as one word. */
static uint32_t spm_by_definition(const tokens *t, const char *text, uint32_t n, pieces *p, int32_t *expected)
{
    static char escaped[MAX_TEXT * 3 + 4];
    uint32_t n_escaped = 0, n_ids = 0;
    for (uint32_t i = 0; i <= n; i++) {
        const char *from = i == 0 || text[i - 1] == ' ' ? SP : text + i - 1;
        const uint32_t n_from = i == 0 || text[i - 1] == ' ' ? 3 : 1;
        memcpy(escaped + n_escaped, from, n_from);
        n_escaped += n_from;
    }
    p->n = 0;
    for (uint32_t i = 0; i < n_escaped;) {
        const uint8_t c = (uint8_t)escaped[i];
        p->at[p->n++] = i;
        i += c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (i > n_escaped) i = n_escaped;
    }
    p->at[p->n] = n_escaped;
    merge_by_definition(t, escaped, p, score_rank);
    for (uint32_t k = 0; k < p->n; k++) {
        const int32_t id = find_span(t, escaped, p->at[k], p->at[k + 1]);
        if (id >= 0) expected[n_ids++] = id;
        for (uint32_t i = p->at[k]; id < 0 && i < p->at[k + 1]; i++) expected[n_ids++] = SPM_BYTE + (uint8_t)escaped[i];
    }
    return n_ids;
}

static void test_spm_by_definition(void **state)
{
    (void)state;
    static tokens t;
    static pieces p;
    static int32_t expected[MAX_TEXT * 3 + 4];
    uint64_t random = 5;
    for (uint32_t round = 0; round < 12; round++) {
        fixture f;
        assert_ok(fixture_build(&f, random_spm(&random, &t)), &f.err);
        for (uint32_t i = 0; i < 12; i++) {
            char text[MAX_TEXT];
            /* \xc3 and \xa9 make an e acute, or broken text, \xf0 swallows what follows */
            const char *alphabet = i % 4 == 0 ? "abc  \xc3\xa9\xf0" : i % 4 == 1 ? "ab " : "aabbcc   ";
            const uint32_t n = random_text(&random, alphabet, text, i % 3 ? 60 : 300);
            const uint32_t n_ids = spm_by_definition(&t, text, n, &p, expected);
            assert_same_ids(&f, text, n, expected, n_ids);
        }
        tokens_free(&t);
        fixture_close(&f);
    }
}

/* ----------------------------------------------------------------------------------------- special tokens -- */

typedef struct part { uint32_t begin, end; int32_t id; } part;

/* One length after another, from the longest; within a length from the left, in all text that is left. */
static uint32_t split_by_definition(const tokens *t, const char *text, uint32_t n, bool strip, part *parts)
{
    static part next[MAX_TEXT * 2];
    uint32_t n_parts = n > 0;
    parts[0] = (part){ 0, n, -1 };
    for (uint32_t len = 16; len > 0; len--) {
        uint32_t n_next = 0;
        for (uint32_t k = 0; k < n_parts; k++) {
            uint32_t begin = parts[k].begin;
            for (uint32_t i = begin; parts[k].id < 0 && i + len <= parts[k].end;) {
                const int32_t id = find_span(t, text, i, i + len);
                if (id < 0 || t->types[id] != TYPE_USER) {
                    i++;
                    continue;
                }
                if (i > begin) next[n_next++] = (part){ begin, i, -1 };
                next[n_next++] = (part){ i, i + len, id };
                begin = i + len;
                while (strip && begin < parts[k].end && text[begin] == ' ') begin++;
                i = begin;
            }
            if (begin < parts[k].end || parts[k].id >= 0) next[n_next++] = (part){ begin, parts[k].end, parts[k].id };
        }
        memcpy(parts, next, n_next * sizeof *parts);
        n_parts = n_next;
    }
    return n_parts;
}

static void test_special_split_by_definition(void **state)
{
    (void)state;
    static tokens t;
    static part parts[MAX_TEXT * 2];
    uint64_t random = 3;
    for (uint32_t round = 0; round < 60; round++) {
        gguf_build *b = gguf_build_new();
        fixture f;
        add_letters(&t);
        while (t.n < 256 + 8 + round % 3 * 12) {
            char made[16] = "";
            for (uint32_t n = 1 + next_random(&random) % 6; n > 0; n--)
                strcat(made, next_random(&random) % 5 ? (next_random(&random) % 2 ? "a" : "b") : " ");
            if (strlen(made) > 1 && tokens_find(&t, made) < 0) (void)tokens_add(&t, made, TYPE_USER, 0);
        }
        gguf_build_str(b, "tokenizer.ggml.model", "gpt2");
        gguf_build_str(b, "tokenizer.ggml.pre", "gpt-2");
        gguf_build_str(b, "general.name", round % 2 ? "phi-3" : "other");
        gguf_build_strings(b, "tokenizer.ggml.tokens", (const char *const *)t.texts, t.lens, t.n);
        gguf_build_array(b, "tokenizer.ggml.token_type", GGUF_I32, t.types, t.n);
        gguf_build_strings(b, "tokenizer.ggml.merges", NULL, NULL, 0);
        assert_ok(fixture_build(&f, b), &f.err);
        for (uint32_t i = 0; i < 20; i++) {
            char text[MAX_TEXT];
            int32_t expected[MAX_TEXT];
            uint32_t n_ids = 0;
            const uint32_t n = random_text(&random, "abab c", text, i % 2 ? 20 : MAX_TEXT);
            const uint32_t n_parts = split_by_definition(&t, text, n, round % 2, parts);
            for (uint32_t k = 0; k < n_parts; k++) {
                if (parts[k].id >= 0) expected[n_ids++] = parts[k].id;
                for (uint32_t j = parts[k].begin; parts[k].id < 0 && j < parts[k].end; j++)
                    expected[n_ids++] = (uint8_t)text[j];
            }
            assert_same_ids(&f, text, n, expected, n_ids);
        }
        tokens_free(&t);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_sorts),
        cmocka_unit_test(test_bpe_by_definition),
        cmocka_unit_test(test_merge_that_comes_between),
        cmocka_unit_test(test_spm_by_definition),
        cmocka_unit_test(test_special_split_by_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
