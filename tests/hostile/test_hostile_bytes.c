/* SPDX-License-Identifier: MIT
 * test_hostile_bytes.c - a complete model with one byte of its header changed, every byte in turn, and with every eight
 * bytes in turn made a number that wraps whatever is computed from it; then its data as random bits. Each file is
 * refused, or loads and answers or says why it cannot.
 */
#include "tests/hostile/hostile_support.h"

static model_spec spec_of(model_family family)
{
    model_spec s = model_preset(family);
    s.n_layer = 1;
    s.n_vocab = 290; /* about as small as these vocabularies get */
    return s;
}

typedef struct victim {
    host h;
    uint8_t *file;
    size_t n_bytes, data_at;
    bool spm;
} victim;

static void victim_open(victim *v, model_family family)
{
    const model_spec spec = spec_of(family);
    gguf_build *b = model_build(&spec);
    v->file = gguf_build_finish(b, &v->n_bytes);
    v->data_at = gguf_build_data_at(b);
    v->spm = spec.vocab == MODEL_SPM;
    gguf_build_free(&b);
    host_open(&v->h);
    einf_error err;
    assert_true(survive(&v->h, v->file, v->n_bytes, 0, &err));
    assert_int_equal(v->h.n_answered, 1);
}

static void victim_close(victim *v)
{
    print_message("%d loads opened, %d refused, %d answered\n", v->h.n_opened, v->h.n_refused, v->h.n_answered);
    host_close(&v->h);
    free(v->file);
}

/* Change n bytes at `at` to those of v, try, and change them back. */
static void with_bytes(victim *v, size_t at, const void *bytes, size_t n)
{
    uint8_t before[8];
    einf_error err;
    memcpy(before, v->file + at, n);
    memcpy(v->file + at, bytes, n);
    (void)survive(&v->h, v->file, v->n_bytes, 0, &err);
    memcpy(v->file + at, before, n);
}

/* Byte-level BPE compiles its patterns at every load, so it gets fewer tries. */
static void every_byte(model_family family, size_t step)
{
    victim v;
    victim_open(&v, family);
    for (size_t at = 0; at < v.data_at; at += step) {
        const uint8_t b = v.file[at];
        const uint8_t values[] = { (uint8_t)(b ^ 1), (uint8_t)(b ^ 0x80), 0xff, 0, (uint8_t)(b + 1) };
        for (size_t i = 0; i < TEST_COUNT(values); i++)
            if (values[i] != b && (step == 1 || i == at / step % TEST_COUNT(values))) with_bytes(&v, at, &values[i], 1);
    }
    assert_true(v.h.n_refused > 100 && v.h.n_opened > 100);
    victim_close(&v);
}

static void test_one_byte_llama(void **state)
{
    (void)state;
    every_byte(MODEL_LLAMA, 1);
}

static void test_one_byte_gemma3(void **state)
{
    (void)state;
    every_byte(MODEL_GEMMA3, 3);
}

static void test_one_byte_qwen2vl(void **state)
{
    (void)state;
    every_byte(MODEL_QWEN2VL, 3);
}

static void test_evil_numbers(void **state)
{
    static const uint64_t evil[] = { UINT64_MAX, UINT64_C(1) << 63, UINT64_C(0x7fffffffffffffff), UINT64_MAX - 7,
                                     UINT64_C(1) << 60, UINT32_MAX, UINT64_C(0x80000000), UINT64_C(1) << 32, 0 };
    (void)state;
    victim v;
    victim_open(&v, MODEL_LLAMA);
    for (size_t at = 0; at + 8 <= v.data_at; at++) {
        with_bytes(&v, at, &evil[at % TEST_COUNT(evil)], 8);
        const uint32_t narrow = (uint32_t)evil[(at + 4) % TEST_COUNT(evil)];
        with_bytes(&v, at, &narrow, 4);
    }
    victim_close(&v);
}

/* Several changes at once, anywhere, with a seed that a failure can be repeated by. */
static void test_many_bytes(void **state)
{
    (void)state;
    victim v;
    victim_open(&v, MODEL_LLAMA);
    uint8_t *whole = malloc(v.n_bytes);
    assert_non_null(whole);
    memcpy(whole, v.file, v.n_bytes);
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        uint64_t s = seed;
        einf_error err;
        for (uint64_t n = 1 + model_random(&s) % 8; n > 0; n--)
            v.file[model_random(&s) % v.data_at] = (uint8_t)model_random(&s);
        (void)survive(&v.h, v.file, v.n_bytes, seed % 2 ? 0 : EINF_LOAD_VOCAB, &err);
        memcpy(v.file, whole, v.n_bytes);
    }
    free(whole);
    victim_close(&v);
}

/* Weights that are any bits at all, NaN and infinities among them: memory safety does not depend on values. */
static void test_random_data(void **state)
{
    static const uint32_t types[] = { MODEL_F32, MODEL_F16, MODEL_BF16, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23 };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(types); i++) {
        host h;
        host_open(&h);
        for (uint64_t seed = 1; seed <= 4; seed++) {
            model_spec spec = spec_of(seed % 2 ? MODEL_GEMMA3 : MODEL_LLAMA);
            spec.n_embd = 256;
            model_set_ff(&spec, 256);
            spec.rope_freqs = false; /* whose values are checked */
            spec.type = types[i];
            gguf_build *b = model_build(&spec);
            size_t n_bytes;
            uint8_t *file = gguf_build_finish(b, &n_bytes);
            uint64_t s = seed;
            for (size_t at = gguf_build_data_at(b); at + 8 <= n_bytes; at += 8)
                gguf_put_u64(file, at, model_random(&s));
            gguf_build_free(&b);
            einf_error err;
            assert_true(survive(&h, file, n_bytes, 0, &err));
            free(file);
        }
        host_close(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_byte_llama),
        cmocka_unit_test(test_one_byte_gemma3),
        cmocka_unit_test(test_one_byte_qwen2vl),
        cmocka_unit_test(test_evil_numbers),
        cmocka_unit_test(test_many_bytes),
        cmocka_unit_test(test_random_data),
    };
    return cmocka_run_group_tests_name("hostile_bytes", tests, NULL, NULL);
}
