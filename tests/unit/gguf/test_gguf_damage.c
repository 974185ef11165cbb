/* SPDX-License-Identifier: MIT
 * test_gguf_damage.c - right files gone wrong: cut after any byte (H-005), damaged at random, and what the fuzzers of
 * other readers found. Nothing may crash, hang, leak or be refused without a word.
 */
#include "tests/unit/gguf/gguf_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DATA_BYTES = 288 }; /* of small_file: 128, 108 padded to 128, 32 */

static double cpu_s(void) { return (double)clock() / CLOCKS_PER_SEC; }

/* -------------------------------------------------------------------------------------------------- truncation -- */

static void expect_cut(const uint8_t *file, size_t n)
{
    fixture f;
    uint8_t *copy = malloc(n ? n : 1); /* exact: a sanitizer sees one byte too far */
    assert_non_null(copy);
    memcpy(copy, file, n);
    const einf_status status = fixture_parse(&f, copy, n, 0);
    if (status != EINF_E_FORMAT) print_error("cut after %zu bytes\n", n);
    assert_status(status, &f.err, EINF_E_FORMAT);
    assert_true(f.err.offset <= n);
    fixture_close(&f);
}

/* H-005: after every byte of the header, and of the data. */
static void test_truncated_memory(void **state)
{
    (void)state;
    size_t n_bytes;
    gguf_build *b = small_file();
    const size_t end = gguf_build_data_at(b) + DATA_BYTES;
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    assert_int_equal(n_bytes, end);
    for (size_t n = 0; n < end; n++) expect_cut(file, n);
    free(file);
}

static void test_truncated_file(void **state)
{
    (void)state;
    size_t n_bytes;
    gguf_build *b = small_file();
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    char *dir = test_temp_dir(), *path = test_path(dir, "cut.gguf");
    test_write_file(path, file, n_bytes);
    for (size_t n = n_bytes; n-- > 0;) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_HUGE; mode++) {
            test_heap heap;
            einf__memory mem;
            einf__source source;
            einf__gguf g;
            einf_error err = test_error();
            const einf__source_options o = { .mode = mode };
            test_heap_init(&heap, 0);
            einf__memory_init(&mem, &heap.allocator, 0);
            einf_status status = einf__source_open_path(&mem, path, &o, &source, &err);
            if (status == EINF_OK) {
                status = einf__gguf_parse(&mem, &source, &g, &err);
                einf__source_close(&source);
            }
            assert_status(status, &err, EINF_E_FORMAT);
            assert_int_equal(heap.n_live, 0);
        }
    }
    free(path);
    test_temp_remove(&dir);
    free(file);
}

/* ------------------------------------------------------------------------------------------------------------------ */

/* Use everything an accepted file offers; a sanitizer watches. Returns a number that depends on it all. */
static uint64_t use_all(const einf__gguf *g)
{
    uint64_t sum = 0;
    char text[64], key[64];
    for (uint64_t i = 0; i < g->n_kv; i++) {
        const einf__gguf_kv *kv = &g->kv[i];
        for (uint64_t j = 0; j < kv->n_items && j < 3; j++) sum += einf__gguf_item_text(kv, j, NULL, text, sizeof text);
        if (kv->item_type == EINF__GGUF_STRING) {
            einf__cursor c = einf__gguf_strings_begin(kv);
            for (uint64_t j = 0; j < kv->n_items; j++) {
                const einf__bytes s = einf__gguf_strings_next(&c);
                for (uint64_t k = 0; k < s.n; k++) sum += (uint8_t)s.p[k];
            }
        }
        if (kv->key.n < sizeof key) {
            memcpy(key, kv->key.p, (size_t)kv->key.n);
            key[kv->key.n] = '\0';
            assert_ptr_equal(einf__gguf_find(g, key), kv);
        }
    }
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        const uint8_t *data = einf__gguf_tensor_data(g, &g->tensors[i]);
        for (uint64_t k = 0; k < g->tensors[i].size_bytes; k++) sum += data[k];
        assert_ptr_equal(einf__gguf_find_tensor(g, g->tensors[i].name), &g->tensors[i]);
    }
    return sum;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void test_random_damage(void **state)
{
    static const uint8_t likely[] = { 0, 1, 0x7f, 0x80, 0xff, 9, 8, 32 };
    (void)state;
    size_t n_bytes, n_accepted = 0;
    uint32_t seed = 1;
    gguf_build *b = small_file();
    const size_t header_bytes = gguf_build_header_bytes(b);
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        fixture f;
        uint8_t *copy = malloc(n_bytes);
        assert_non_null(copy);
        memcpy(copy, file, n_bytes);
        const uint32_t n_changes = 1 + next_random(&seed) % 4;
        for (uint32_t k = 0; k < n_changes; k++) {
            const size_t at = next_random(&seed) % header_bytes;
            const uint8_t any = (uint8_t)next_random(&seed);
            copy[at] = next_random(&seed) % 2 ? likely[any % sizeof likely] : any;
        }
        if (fixture_parse(&f, copy, n_bytes, 0) == EINF_OK) {
            n_accepted++;
            use_all(&f.g);
        } else {
            assert_true(f.err.message[0] != '\0');
        }
        fixture_close(&f);
    }
    print_message("%zu of %d damaged files are still well-formed\n", n_accepted, N);
    assert_true(n_accepted > N / 20 && n_accepted < N); /* the damage reaches values as well as structure */
    free(file);
}

/* ------------------------------------------------------------------------------------------------------- corpus -- */

typedef struct tally { unsigned accepted, refused; } tally;

static void parse_corpus_file(const char *path, tally *t)
{
    size_t n_bytes;
    fixture f;
    uint8_t *file = test_read_file(path, &n_bytes);
    assert_non_null(file);
    const double begin = cpu_s();
    const einf_status status = fixture_parse(&f, file, n_bytes, 0);
    assert_true(cpu_s() - begin < 1);
    if (status == EINF_OK) {
        t->accepted++;
        use_all(&f.g);
    } else {
        t->refused++;
        assert_true(status == EINF_E_FORMAT || status == EINF_E_LIMIT);
        assert_true(f.err.message[0] != '\0' && f.err.hint[0] != '\0');
    }
    if (getenv("VERBOSE"))
        print_message("%s: %s\n", path, status == EINF_OK ? "accepted" : f.err.message);
    fixture_close(&f);
}

static void walk(const char *dir, tally *t)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, "LICENSE") == 0) continue;
        char *path = test_path(dir, e->d_name);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        if (S_ISDIR(st.st_mode)) walk(path, t);
        else parse_corpus_file(path, t);
        free(path);
    }
    closedir(d);
}

/* Inputs that fuzzers of other readers found interesting. The counts change only when the parser's mind does. */
static void test_corpus(void **state)
{
    static const struct { const char *dir; tally expected; } corpora[] = {
        { "hostile-gguf/bitnet-rs", { 23, 222 } },
        { "hostile-gguf/emel", { 0, 6 } },
        { "hostile-gguf/oss-sydr-fuzz", { 0, 1 } },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(corpora); i++) {
        char *dir = test_data_path(corpora[i].dir);
        if (!dir) return;
        tally t = { 0, 0 };
        walk(dir, &t);
        free(dir);
        print_message("%s: %u accepted, %u refused\n", corpora[i].dir, t.accepted, t.refused);
        assert_int_equal(t.accepted, corpora[i].expected.accepted);
        assert_int_equal(t.refused, corpora[i].expected.refused);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated_memory),
        cmocka_unit_test(test_truncated_file),
        cmocka_unit_test(test_random_damage),
        cmocka_unit_test(test_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
