/* SPDX-License-Identifier: MIT
 * fuzz_tokenize.c - any text with any vocabulary, and back.
 *
 * Input: a byte that names the vocabulary, a byte of flags, the text. Promised: ids in range, the same every time and
 * for any room given; the stream's text whole characters, and where the raw bytes are UTF-8 these same bytes; for
 * byte-level BPE the bytes that went in.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/support/vocab_build.h"
#include "engine/text/vocab.h"

const char fuzz_name[] = "tokenize";

enum { MAX_VOCABS = 16, N_OWN = 6, MAX_TEXT = 1 << 16 };

typedef struct vocabulary {
    einf__source source;
    einf__gguf g;
    einf__vocab *v;
    bool reversible; /* byte-level: every byte is a token */
} vocabulary;

static test_heap heap;
static einf__memory mem;
static vocabulary vocabs[MAX_VOCABS];
static size_t n_vocabs;

static void add(uint8_t *file, size_t n_bytes, bool reversible)
{
    vocabulary *new = &vocabs[n_vocabs++];
    einf_error err = test_error();
    assert_ok(einf__source_open_memory(file, n_bytes, &new->source, &err), &err);
    assert_ok(einf__gguf_parse(&mem, &new->source, &new->g, &err), &err);
    assert_ok(einf__vocab_create(&mem, &new->g, NULL, &new->v, NULL, &err), &err);
    new->reversible = reversible;
}

static void add_built(gguf_build *b, bool reversible)
{
    size_t n_bytes;
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    add(file, n_bytes, reversible);
}

/* Ours come first, so that an input means the same with and without the data of others. */
static void make_vocabs(void)
{
    static const char *const data[] = { "bert-bge", "llama-bpe", "llama-spm", "phi-3", "qwen2" };
    test_heap_init(&heap, 0);
    einf__memory_init(&mem, &heap.allocator, 0);
    add_built(bpe_file("gpt-2"), true);
    add_built(bpe_file("default"), true);
    add_built(bpe_file("llama-bpe"), true);
    add_built(bpe_file("qwen2"), true);
    add_built(spm_file(), false);
    add_built(wordpiece_file(), false);
    assert_int_equal(n_vocabs, N_OWN);
    for (size_t i = 0; i < TEST_COUNT(data) && getenv("EINF_TEST_DATA"); i++) {
        char path[64];
        size_t n_bytes;
        (void)snprintf(path, sizeof path, "tokenizers/vocabs/%s.gguf", data[i]);
        uint8_t *file = test_read_data(path, &n_bytes);
        if (file) add(file, n_bytes, strcmp(data[i], "llama-bpe") == 0 || strcmp(data[i], "qwen2") == 0);
    }
}

/* The stream gives whole characters; all of them together are the raw text where that is UTF-8. */
static void check_stream(const vocabulary *v, const einf__ids *ids, bool special, const char *raw, size_t n_raw)
{
    static char buf[1 << 16], all[1 << 20];
    einf__detok d;
    size_t n_all = 0;
    const uint64_t room = einf__detok_max_bytes(v->v);
    assert_true(room <= sizeof buf);
    einf__detok_init(&d, v->v, special, true);
    for (uint64_t i = 0; i <= ids->n; i++) {
        const uint64_t n = i < ids->n ? einf__detok_next(&d, ids->ids[i], buf, room) : einf__detok_flush(&d, buf, room);
        assert_true(n <= room && n_all + n <= sizeof all);
        assert_true(is_utf8((const uint8_t *)buf, (size_t)n));
        memcpy(all + n_all, buf, (size_t)n);
        n_all += (size_t)n;
    }
    if (!is_utf8((const uint8_t *)raw, n_raw)) return;
    assert_int_equal(n_all, n_raw);
    assert_memory_equal(all, raw, n_raw);
}

static void check_back(const vocabulary *v, const einf__ids *ids, const uint8_t *text, size_t n_bytes, uint32_t flags)
{
    static char raw[1 << 20];
    for (int special = 0; special < 2; special++) {
        const uint64_t n = einf__detokenize(v->v, ids->ids, ids->n, special != 0, raw, sizeof raw);
        assert_true(n <= sizeof raw);
        char part[8];
        assert_int_equal(einf__detokenize(v->v, ids->ids, ids->n, special != 0, part, sizeof part), n);
        assert_memory_equal(part, raw, n < sizeof part ? (size_t)n : sizeof part);
        check_stream(v, ids, special != 0, raw, (size_t)n);
        if (special && v->reversible && !(flags & EINF_TOK_BOS) && is_utf8(text, n_bytes)) {
            assert_int_equal(n, n_bytes);
            if (n) assert_memory_equal(raw, text, (size_t)n);
        }
    }
}

/* The same ids once more, into room for a part of them. */
static void check_room(const vocabulary *v, const einf__ids *whole, const char *text, size_t n_bytes, uint32_t flags)
{
    static int32_t room[MAX_TEXT];
    einf__ids part = { .ids = room, .cap = whole->n / 2 };
    assert_ok(einf__tokenize(v->v, text, n_bytes, flags, &part, NULL), NULL);
    assert_int_equal(part.n, whole->n);
    if (part.cap) assert_memory_equal(part.ids, whole->ids, (size_t)part.cap * sizeof *room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_vocabs == 0) make_vocabs();
    if (n_bytes < 2 || n_bytes > MAX_TEXT / 2) return 0;
    const size_t which = data[0] % MAX_VOCABS;
    const vocabulary *v = &vocabs[which < n_vocabs ? which : which % N_OWN];
    const uint32_t flags = data[1] & (EINF_TOK_SPECIAL | EINF_TOK_BOS);
    const uint64_t n_live = heap.n_live;
    const char *text = (const char *)data + 2;
    n_bytes -= 2;

    einf__ids ids = { .mem = &mem };
    einf_error err = test_error();
    assert_ok(einf__tokenize(v->v, text, n_bytes, flags, &ids, &err), &err);
    for (uint64_t i = 0; i < ids.n; i++)
        assert_true(ids.ids[i] >= 0 && (uint32_t)ids.ids[i] < einf__vocab_n_tokens(v->v));
    check_room(v, &ids, text, n_bytes, flags);
    check_back(v, &ids, data + 2, n_bytes, flags);
    einf__ids_deinit(&ids);
    assert_int_equal(heap.n_live, n_live);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned int seed)
{
    static const char *const pieces[] = {
        "<|im_start|>", "<|im_end|>", "<tool>", "<s>", "</s>", "[SEP]", "<0x41>", "\xe2\x96\x81", "\xc4\xa0", "hello",
        " he", "\xef\xbf\xbd", "\xf0\x9f\x98\x80", "\xcc\x81", "\xe0\xa5\x8d", "\xed\xa0\x80", "\xff", "\r\n",
        "\xc2\xa0", "'s", "'LL", "123456", "\xe4\xb8\xad", "\xe3\x81\x82", "   ", "\xd8\xa7", "\xf4\x90\x80\x80",
        "\n\n \n", "_x",
};
    if (seed % 3 || n_bytes < 2) return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    const char *piece = pieces[seed / 3 % TEST_COUNT(pieces)];
    const size_t n = strlen(piece), at = 2 + seed / 128 % (n_bytes - 1);
    if (n_bytes + n > max_bytes) return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    memmove(data + at + n, data + at, n_bytes - at);
    memcpy(data + at, piece, n);
    return n_bytes + n;
}

void fuzz_seeds(fuzz_put_fn put, void *user)
{
    static const char *const texts[] = {
        "", "hello he hell <tool>hello<tool><tool> \n\nhehe",
        "h\xc3\xa9llo \xe4\xb8\xad\xe4\xb8\xad, it's 12345 o'clock",
        "<|im_start|>user\nhello<|im_end|>\n<s>he</s>[SEP]", "\xff\xed\xa0\x80 \xf0\x9f\x98\x80\xf0\x9f \xe3\x80\x80oh",
        "tabs\tand\r\nlines \xc2\xa0 \xd8\xa7\xd9\x84 \xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7 e\xcc\x81",
    };
    for (size_t i = 0; i < TEST_COUNT(texts); i++)
        for (uint8_t which = 0; which < MAX_VOCABS; which++) {
            char name[32];
            uint8_t input[256] = { which, (uint8_t)((i + which) % 4) };
            memcpy(input + 2, texts[i], strlen(texts[i]));
            (void)snprintf(name, sizeof name, "text-%zu-%u", i, (unsigned)which);
            put(user, name, input, 2 + strlen(texts[i]));
        }
}
