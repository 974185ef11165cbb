/* SPDX-License-Identifier: MIT
 * test_gguf_hash.c - what the hash of a model tells apart, and what it does not.
 */
#include "tests/unit/gguf/gguf_fixture.h"

#include "engine/gguf/gguf_hash.h"

enum { BIG_BYTES = 64 * 1024 };

/* small_file with a tensor of more than the samples. */
static gguf_build *model(const uint8_t *big)
{
    gguf_build *b = small_file();
    gguf_build_tensor(b, "big.weight", 0, 2, (uint64_t[]){ 128, BIG_BYTES / 512 }, big, BIG_BYTES);
    return b;
}

/* Takes b over. */
static uint64_t hash_of(gguf_build *b)
{
    fixture f;
    assert_ok(fixture_build(&f, b), &f.err);
    const uint64_t hash = einf__gguf_hash(&f.g);
    fixture_close(&f);
    return hash;
}

static void test_metadata(void **state)
{
    (void)state;
    const uint64_t hash = hash_of(model(NULL));
    assert_int_equal(hash_of(model(NULL)), hash);
    gguf_build *b = model(NULL);
    gguf_build_drop_kv(b, "t.string");
    assert_true(hash_of(b) != hash);
    b = model(NULL);
    gguf_build_drop_kv(b, "t.f32");
    gguf_build_f32(b, "t.f32", 0.5f); /* the same, elsewhere */
    assert_true(hash_of(b) != hash);
    b = model(NULL);
    gguf_build_drop_kv(b, "t.f64");
    gguf_build_u64(b, "t.f64", 0x3ddb7cdfd9d7bdbbu); /* the same bits, of another type */
    assert_true(hash_of(b) != hash);
    b = model(NULL);
    gguf_build_u16(b, "split.count", 0);
    gguf_build_u16(b, "split.no", 0);
    assert_int_equal(hash_of(b), hash);
    b = model(NULL);
    gguf_build_u16(b, "splitter", 0);
    assert_true(hash_of(b) != hash);
}

static void test_tensors(void **state)
{
    (void)state;
    const uint64_t hash = hash_of(model(NULL));
    gguf_build *b = small_file();
    gguf_build_tensor(b, "bug.weight", 0, 2, (uint64_t[]){ 128, BIG_BYTES / 512 }, NULL, BIG_BYTES);
    assert_true(hash_of(b) != hash);
    b = small_file();
    gguf_build_tensor(b, "big.weight", 0, 2, (uint64_t[]){ 256, BIG_BYTES / 1024 }, NULL, BIG_BYTES);
    assert_true(hash_of(b) != hash);
    b = small_file();
    gguf_build_tensor(b, "big.weight", 26, 2, (uint64_t[]){ 128, BIG_BYTES / 512 }, NULL, BIG_BYTES); /* i32 */
    assert_true(hash_of(b) != hash);
}

/* Samples lie at both ends and in between; the header says that the rest goes unseen. */
static void test_samples(void **state)
{
    static uint8_t data[BIG_BYTES];
    size_t n_seen = 0;
    (void)state;
    const uint64_t hash = hash_of(model(data));
    for (size_t at = 0; at < BIG_BYTES; at += 1021) {
        data[at] = 1;
        n_seen += hash_of(model(data)) != hash;
        data[at] = 0;
    }
    assert_in_range(n_seen, 4, 5);
    data[0] = 1;
    const uint64_t first = hash_of(model(data));
    data[0] = 0;
    data[BIG_BYTES - 1] = 1;
    const uint64_t last = hash_of(model(data));
    data[BIG_BYTES - 1] = 0;
    assert_true(first != hash && last != hash && first != last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_samples),
    };
    return cmocka_run_group_tests_name("gguf_hash", tests, NULL, NULL);
}
