/* SPDX-License-Identifier: MIT
 * test_state_file.c - saved timelines: they continue bit for bit, fit only where they came from, and whatever else the
 * file holds is refused with the session as it was. H-numbers: the checklist of hostile inputs.
 */
#include "tests/unit/decode/decode_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "engine/base/cancel.h"
#include "engine/decode/state_file.h"
#include "engine/decode/state_io.h"

enum { N = 21, MORE = 6, HEADER = sizeof(einf__state_header) };
static const uint64_t MODEL = 0x1234567890abcdefu; /* the hash of a model, for all this layer knows */

typedef struct bench {
    fixture f;
    char *dir, *path;
    int32_t *ids; /* [N + MORE] */
} bench;

static void bench_open(bench *b, const model_spec *spec)
{
    fixture_open(&b->f, spec, 2, ~0u);
    b->dir = test_temp_dir();
    b->path = test_path(b->dir, "saved.state");
    b->ids = random_ids(&b->f, N + MORE, 41);
}

static void bench_close(bench *b)
{
    free(b->ids);
    free(b->path);
    test_temp_remove(&b->dir);
    fixture_close(&b->f);
}

static model_spec spec_of(model_family family)
{
    model_spec s = model_preset(family);
    s.vocab = MODEL_NO_VOCAB;
    return s;
}

/* One whose states have several pieces. */
static model_spec deep_spec(void)
{
    model_spec s = spec_of(MODEL_QWEN2);
    s.n_layer = 10;
    model_set_heads(&s, 4, 2);
    model_set_ff(&s, 64);
    return s;
}

static einf_session_config config_of(int32_t kv_type, int32_t exact)
{
    einf_session_config c = EINF_INIT(einf_session_config);
    c.kv_type = kv_type;
    c.exact = exact;
    return c;
}

static void save_ok(bench *b, const timeline *t)
{
    b->f.err = test_error();
    assert_ok(einf__state_save(&t->t, MODEL, b->path, &b->f.err), &b->f.err);
}

static void load_ok(bench *b, timeline *t)
{
    b->f.err = test_error();
    assert_ok(einf__state_load(&t->t, MODEL, b->path, &b->f.err), &b->f.err);
}

static einf_status try_load(bench *b, timeline *t)
{
    b->f.err = test_error();
    return einf__state_load(&t->t, MODEL, b->path, &b->f.err);
}

static void set_sampling(bench *b, timeline *t)
{
    einf_sampling s = EINF_INIT(einf_sampling);
    s.temperature = 1.5f;
    s.top_p = 0.95f;
    s.repeat_penalty = 1.1f;
    s.seed = 77;
    assert_ok(einf__sampler_set(&t->t.sampler, &s, &b->f.err), &b->f.err);
}

/* Sample a token and append it, n times. */
static void walk(bench *b, timeline *t, int32_t *out, int n)
{
    for (int i = 0; i < n; i++) {
        assert_ok(einf__session_sample(&t->t, &out[i], &b->f.err), &b->f.err);
        append_ids(t, &out[i], 1, NULL);
    }
}

/* Both go on in the same way, to the last bit. */
static void assert_continue_alike(bench *b, timeline *a, timeline *c)
{
    int32_t tokens[2][MORE];
    const size_t row_bytes = b->f.spec.n_vocab * sizeof(float);
    assert_int_equal(a->t.n_past, c->t.n_past);
    assert_int_equal(a->t.has_logits, c->t.has_logits);
    assert_memory_equal(a->t.ids, c->t.ids, a->t.n_past * sizeof *a->t.ids);
    assert_memory_equal(a->t.positions, c->t.positions, a->t.n_past * sizeof *a->t.positions);
    if (a->t.has_logits) assert_memory_equal(a->t.logits, c->t.logits, row_bytes);
    append_ids(a, b->ids + N, 2, NULL);
    append_ids(c, b->ids + N, 2, NULL);
    assert_memory_equal(a->t.logits, c->t.logits, row_bytes);
    walk(b, a, tokens[0], MORE);
    walk(b, c, tokens[1], MORE);
    assert_memory_equal(tokens[0], tokens[1], sizeof tokens[0]);
    assert_memory_equal(a->t.logits, c->t.logits, row_bytes);
}

/* ---------------------------------------------------------------------------------------------- round trips -- */

/* Saved in the middle of a sampled answer, loaded into a session of another context and batch. */
static void round_trip(bench *b, int32_t kv_type, int32_t exact)
{
    timeline a, c;
    int32_t tokens[4];
    einf_session_config config = config_of(kv_type, exact);
    timeline_open(&a, &b->f, &config);
    set_sampling(b, &a);
    append_ids(&a, b->ids, N - 4, NULL);
    walk(b, &a, tokens, 4);
    save_ok(b, &a);

    config.n_ctx = N + 2 * MORE;
    timeline_open(&c, &b->f, &config);
    append_ids(&c, b->ids + 3, 5, NULL); /* what is there goes, its checkpoint too */
    int32_t mark;
    assert_ok(einf__session_checkpoint(&c.t, &mark, &b->f.err), &b->f.err);
    load_ok(b, &c);
    assert_status(einf__session_restore(&c.t, mark, &b->f.err), &b->f.err, EINF_E_ARG);
    assert_int_equal(c.t.n_past, N);
    assert_continue_alike(b, &a, &c);
    timeline_close(&a);
    timeline_close(&c);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        bench b;
        const model_spec s = spec_of((model_family)i);
        bench_open(&b, &s);
        round_trip(&b, EINF_KV_F16, 0);
        round_trip(&b, EINF_KV_F32, 0);
        round_trip(&b, EINF_KV_F32, 1);
        if (s.k_dim % 32 == 0 && s.v_dim % 32 == 0) round_trip(&b, EINF_KV_Q8_0, 0);
        bench_close(&b);
    }
}

static void test_wide_heads_in_q8_0(void **state)
{
    bench b;
    (void)state;
    model_spec s = spec_of(MODEL_LLAMA);
    model_set_heads(&s, 2, 1);
    s.k_dim = s.v_dim = s.n_rot = 32;
    bench_open(&b, &s);
    round_trip(&b, EINF_KV_Q8_0, 0);
    bench_close(&b);
}

/* Rows of an image among the tokens: no ids, positions of their own, which do not rise. */
static void test_embedding_rows(void **state)
{
    enum { N_ROWS = 4 };
    bench b;
    (void)state;
    const model_spec s = spec_of(MODEL_QWEN2VL);
    bench_open(&b, &s);
    timeline a, c;
    einf_session_config config = config_of(EINF_KV_F16, 0);
    timeline_open(&a, &b.f, &config);
    timeline_open(&c, &b.f, &config);
    append_ids(&a, b.ids, 3, NULL);
    float *rows = malloc(N_ROWS * s.n_embd * sizeof *rows);
    assert_non_null(rows);
    uint64_t seed = 5;
    for (size_t i = 0; i < N_ROWS * s.n_embd; i++) rows[i] = model_normal(&seed);
    const int32_t positions[N_ROWS][4] = { { 3, 3, 3, 0 }, { 3, 3, 4, 0 }, { 3, 4, 3, 0 }, { 3, 4, 4, 0 } };
    einf_batch batch = EINF_INIT(einf_batch);
    batch.rows = rows;
    batch.n = N_ROWS;
    batch.row_width = s.n_embd;
    batch.positions = positions;
    assert_ok(einf__session_append(&a.t, &batch, &b.f.err), &b.f.err);
    save_ok(&b, &a);
    load_ok(&b, &c);
    assert_int_equal(c.t.ids[3], -1);
    assert_int_equal(c.t.positions[5][1], 4);
    assert_continue_alike(&b, &a, &c);
    free(rows);
    timeline_close(&a);
    timeline_close(&c);
    bench_close(&b);
}

/* H-089: a session without rows, and one that was rewound, have no logits; both are states. */
static void test_without_logits(void **state)
{
    bench b;
    (void)state;
    const model_spec s = spec_of(MODEL_LLAMA);
    bench_open(&b, &s);
    timeline a, c;
    einf_session_config config = config_of(EINF_KV_F16, 0);
    timeline_open(&a, &b.f, &config);
    timeline_open(&c, &b.f, &config);
    append_ids(&c, b.ids, 2, NULL);
    save_ok(&b, &a);
    load_ok(&b, &c);
    assert_int_equal(c.t.n_past, 0);
    assert_false(c.t.has_logits);
    append_ids(&a, b.ids, N, NULL);
    assert_ok(einf__session_rewind(&a.t, 7, &b.f.err), &b.f.err);
    save_ok(&b, &a);
    load_ok(&b, &c);
    assert_int_equal(c.t.n_past, 7);
    assert_false(c.t.has_logits);
    assert_continue_alike(&b, &a, &c);
    timeline_close(&a);
    timeline_close(&c);
    bench_close(&b);
}

/* The file is what state_file.h says, of several pieces. */
static void test_format(void **state)
{
    bench b;
    timeline a;
    size_t n_bytes;
    einf__state_header h;
    (void)state;
    const model_spec s = deep_spec();
    bench_open(&b, &s);
    einf_session_config config = config_of(EINF_KV_F32, 1);
    timeline_open(&a, &b.f, &config);
    set_sampling(&b, &a);
    append_ids(&a, b.ids, N, NULL);
    save_ok(&b, &a);
    uint8_t *file = test_read_file(b.path, &n_bytes);
    memcpy(&h, file, HEADER);
    const uint64_t row_bytes = (uint64_t)s.n_layer * s.n_head_kv[0] * (s.k_dim + s.v_dim) * sizeof(float);
    assert_memory_equal(file, "EINFSTAT\1\0\0\0\x90\0\0\0", 16);
    assert_int_equal(h.file_bytes, n_bytes);
    assert_int_equal(n_bytes, HEADER + N * (20 + row_bytes) + s.n_vocab * sizeof(float) + 8);
    assert_true(n_bytes > 2 * 16384);
    assert_int_equal(h.model_hash, MODEL);
    assert_int_equal(h.kv_type, EINF_KV_F32);
    assert_int_equal(h.arithmetic, EINF__STATE_EXACT);
    assert_int_equal(h.kv_row_bytes, row_bytes);
    assert_int_equal(h.n_past, N);
    assert_int_equal(h.seed, 77);
    assert_memory_equal(file + HEADER, b.ids, N * sizeof *b.ids);
    for (int i = 0; i < 4 * N; i++) {
        int32_t position;
        memcpy(&position, file + HEADER + 4 * N + 4 * i, 4);
        assert_int_equal(position, i / 4);
    }
    const size_t cache_at = HEADER + N * 20;
    assert_memory_equal(file + cache_at, einf__kv_key(&a.t.kv.layers[0], 0, 0), N * s.k_dim * sizeof(float));
    assert_memory_equal(file + n_bytes - 8 - s.n_vocab * sizeof(float), a.t.logits, s.n_vocab * sizeof(float));
    uint64_t hash = 0, said;
    for (size_t at = 0; at < n_bytes - 8; at += 16384)
        hash = XXH3_64bits_withSeed(file + at, n_bytes - 8 - at < 16384 ? n_bytes - 8 - at : 16384, hash);
    memcpy(&said, file + n_bytes - 8, 8);
    assert_int_equal(said, hash);
    free(file);
    timeline_close(&a);
    bench_close(&b);
}

/* --------------------------------------------------------------------------------------------- wrong files -- */

/* A small state in memory, to be changed and written again; and a session that must survive every attempt. */
typedef struct victim {
    bench b;
    timeline saved, t;
    uint8_t *file; /* one piece */
    size_t n_bytes;
} victim;

static void victim_open(victim *v)
{
    model_spec s = spec_of(MODEL_LLAMA);
    s.n_vocab = 40;
    memset(v, 0, sizeof *v);
    bench_open(&v->b, &s);
    einf_session_config config = config_of(EINF_KV_F16, 0);
    config.n_ctx = N + 2 * MORE;
    timeline_open(&v->saved, &v->b.f, &config);
    timeline_open(&v->t, &v->b.f, &config);
    append_ids(&v->saved, v->b.ids, 3, NULL);
    save_ok(&v->b, &v->saved);
    v->file = test_read_file(v->b.path, &v->n_bytes);
    assert_non_null(v->file);
    assert_true(v->n_bytes < 16384);
    append_ids(&v->t, v->b.ids + 5, 9, NULL);
}

/* The session is as if nobody had tried. */
static void victim_close(victim *v)
{
    timeline fresh;
    einf_session_config config = config_of(EINF_KV_F16, 0);
    config.n_ctx = N + 2 * MORE;
    timeline_open(&fresh, &v->b.f, &config);
    append_ids(&fresh, v->b.ids + 5, 9, NULL);
    assert_continue_alike(&v->b, &fresh, &v->t);
    timeline_close(&fresh);
    timeline_close(&v->saved);
    timeline_close(&v->t);
    free(v->file);
    bench_close(&v->b);
}

static void refuse_file(victim *v, const void *file, size_t n_bytes, einf_status status, const char *where,
                        const char *says)
{
    test_write_file(v->b.path, file, n_bytes);
    assert_status(try_load(&v->b, &v->t), &v->b.f.err, status);
    if (where) assert_string_equal(v->b.f.err.where, where);
    if (says) assert_error_says(&v->b.f.err, says);
    assert_int_equal(v->t.t.n_past, 9);
    assert_true(v->t.t.has_logits);
}

/* H-088: cut anywhere, or longer than it was. */
static void test_truncated(void **state)
{
    victim v;
    (void)state;
    victim_open(&v);
    for (size_t n = 0; n < v.n_bytes; n++) {
        refuse_file(&v, v.file, n, EINF_E_FORMAT, NULL, n == 0 ? "the file is empty" : NULL);
        if (n >= HEADER + 8) assert_error_says(&v.b.f.err, "were saved");
    }
    uint8_t *longer = calloc(1, v.n_bytes + 1);
    assert_non_null(longer);
    memcpy(longer, v.file, v.n_bytes);
    refuse_file(&v, longer, v.n_bytes + 1, EINF_E_FORMAT, "file_bytes", "were saved");
    free(longer);
    victim_close(&v);
}

/* H-088: no bit may be another. */
static void test_every_bit(void **state)
{
    victim v;
    (void)state;
    victim_open(&v);
    test_write_file(v.b.path, v.file, v.n_bytes);
    FILE *file = fopen(v.b.path, "r+b");
    assert_non_null(file);
    for (size_t bit = 0; bit < 8 * v.n_bytes; bit++) {
        uint8_t byte = (uint8_t)(v.file[bit / 8] ^ 1u << bit % 8);
        assert_int_equal(pwrite(fileno(file), &byte, 1, (off_t)(bit / 8)), 1);
        const einf_status status = try_load(&v.b, &v.t);
        if (status == EINF_OK || v.t.t.n_past != 9) fail_msg("bit %zu of byte %zu passed", bit % 8, bit / 8);
        assert_true(status == EINF_E_FORMAT || status == EINF_E_UNSUPPORTED);
        assert_int_equal(pwrite(fileno(file), &v.file[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    fclose(file);
    load_ok(&v.b, &v.saved); /* and the file as it was is good */
    victim_close(&v);
}

static void seal(uint8_t *file, size_t n_bytes)
{
    const uint64_t header = einf__state_hash(file, offsetof(einf__state_header, header_hash));
    memcpy(file + offsetof(einf__state_header, header_hash), &header, 8);
    const uint64_t all = einf__state_hash(file, n_bytes - 8);
    memcpy(file + n_bytes - 8, &all, 8);
}

/* A file whose hashes are right and whose bytes at `at` are not. */
static void refuse_value(victim *v, size_t at, const void *value, size_t n, einf_status status, const char *where,
                         const char *says)
{
    uint8_t *copy = malloc(v->n_bytes);
    assert_non_null(copy);
    memcpy(copy, v->file, v->n_bytes);
    memcpy(copy + at, value, n);
    seal(copy, v->n_bytes);
    refuse_file(v, copy, v->n_bytes, status, where, says);
    free(copy);
}

#define AT(field) offsetof(einf__state_header, field)

/* H-086: each with what was saved and what is here. */
static void test_other_origin(void **state)
{
    static const struct { size_t at; uint32_t v; einf_status status; const char *where, *says; } cases[] = {
        { AT(version), 2, EINF_E_UNSUPPORTED, "version", "version 2, this library reads 1" },
        { AT(version), 0, EINF_E_UNSUPPORTED, "version", "version 0, this library reads 1" },
        { AT(header_bytes), 152, EINF_E_FORMAT, "header_hash", NULL },
        { AT(model_hash), 7, EINF_E_STATE, "model_hash", "its hash is 1234567800000007, this one's 1234567890abcdef" },
        { AT(kv_type), EINF_KV_F32, EINF_E_STATE, "kv_type", "saved with KV type f32, this session has f16" },
        { AT(kv_type), EINF_KV_Q8_0, EINF_E_STATE, "kv_type", "saved with KV type q8_0, this session has f16" },
        { AT(kv_type), 9, EINF_E_STATE, "kv_type", "saved with KV type unknown" },
        { AT(arithmetic), 1, EINF_E_STATE, "arithmetic", "saved with exact, this session computes with the default" },
        { AT(arithmetic), 2, EINF_E_STATE, "arithmetic", "saved with deterministic" },
        { AT(arithmetic), 4, EINF_E_STATE, "n_ctx", "factors of long contexts, this session has those of short ones" },
        { AT(arithmetic), 77, EINF_E_STATE, "arithmetic", "an unknown arithmetic" },
        { AT(n_layer), 3, EINF_E_STATE, "n_layer", "saved with n_layer 3, this session has 2" },
        { AT(k_dim), 0, EINF_E_STATE, "k_dim", "saved with k_dim 0" },
        { AT(v_dim), 8, EINF_E_STATE, "v_dim", "saved with v_dim 8" },
        { AT(n_vocab), 41, EINF_E_STATE, "n_vocab", "saved with n_vocab 41, this session has 40" },
        { AT(kv_row_bytes), 1, EINF_E_STATE, "kv_row_bytes", "saved with kv_row_bytes 1" },
    };
    victim v;
    (void)state;
    victim_open(&v);
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        refuse_value(&v, cases[i].at, &cases[i].v, 4, cases[i].status, cases[i].where, cases[i].says);
    refuse_value(&v, 0, "einfstat", 8, EINF_E_FORMAT, "magic", "not a state file");
    refuse_file(&v, "GGUF", 4, EINF_E_FORMAT, "path", "4 bytes are fewer than the smallest has, 152");
    victim_close(&v);
}

/* H-087: counts, ids, positions and settings that nobody could have saved. */
static void test_impossible_values(void **state)
{
    static const struct { size_t at; uint32_t v; einf_status status; const char *where, *says; } cases[] = {
        { AT(n_past), N + 2 * MORE + 1, EINF_E_CTX_FULL, "n_ctx", "the state has 34 rows, the context 33" },
        { AT(n_past), UINT32_MAX, EINF_E_CTX_FULL, "n_ctx", "the state has 4294967295 rows" },
        { AT(n_past), 4, EINF_E_FORMAT, "file_bytes", "4 rows need a file of" },
        { AT(n_past), 0, EINF_E_FORMAT, "has_logits", "has_logits is 1 with 0 rows" },
        { AT(has_logits), 2, EINF_E_FORMAT, "has_logits", "has_logits is 2" },
        { AT(has_logits), 0, EINF_E_FORMAT, "file_bytes", "3 rows need a file of" },
        { AT(file_bytes), 5, EINF_E_FORMAT, "file_bytes", "5 were saved" },
        { AT(temperature), 0x7fc00000, EINF_E_FORMAT, "sampler", "temperature is nan" },
        { AT(top_p), 0x40000000, EINF_E_FORMAT, "sampler", "top_p is 2, allowed are 0 to 1" },
        { HEADER, 40, EINF_E_FORMAT, "ids", "the id of row 0 is 40, no token of a vocabulary of 40" },
        { HEADER + 8, 0x7fffffff, EINF_E_FORMAT, "ids", "the id of row 2 is 2147483647" },
        { HEADER + 12, 0xffffffff, EINF_E_FORMAT, "positions", "position 0 of row 0 is -1" },
        { HEADER + 12 + 44, (1u << 30) + 1, EINF_E_FORMAT, "positions", "position 3 of row 2 is 1073741825" },
    };
    victim v;
    (void)state;
    victim_open(&v);
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        refuse_value(&v, cases[i].at, &cases[i].v, 4, cases[i].status, cases[i].where, cases[i].says);
    refuse_value(&v, AT(random), (uint64_t[4]){ 0 }, 32, EINF_E_FORMAT, "sampler", "random numbers");
    victim_close(&v);
}

/* What is no file, or cannot be read. */
static void test_no_file(void **state)
{
    victim v;
    (void)state;
    victim_open(&v);
    const struct { const char *path; einf_status status; const char *says; } cases[] = {
        { v.b.dir, EINF_E_FORMAT, "not a regular file but a directory" },
        { "/dev/null", EINF_E_FORMAT, "not a regular file but a device" },
        { "/nowhere/at/all", EINF_E_IO, "no such file or directory: /nowhere/at/all" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        v.b.f.err = test_error();
        assert_status(einf__state_load(&v.t.t, MODEL, cases[i].path, &v.b.f.err), &v.b.f.err, cases[i].status);
        assert_error_says(&v.b.f.err, cases[i].says);
    }
    assert_int_equal(unlink(v.b.path), 0);
    assert_int_equal(mkfifo(v.b.path, 0600), 0);
    assert_status(try_load(&v.b, &v.t), &v.b.f.err, EINF_E_FORMAT); /* and does not wait */
    victim_close(&v);
}

/* ------------------------------------------------------------------------------------------------- writing -- */

static int n_files(const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void refuse_save(bench *b, const timeline *t, const char *path, einf_status status, const char *says)
{
    b->f.err = test_error();
    assert_status(einf__state_save(&t->t, MODEL, path, &b->f.err), &b->f.err, status);
    assert_error_says(&b->f.err, says);
}

/* The file that was there is still there, and nothing beside it. */
static void assert_only(const bench *b, const void *file, size_t n_bytes)
{
    size_t n;
    uint8_t *now = test_read_file(b->path, &n);
    assert_non_null(now);
    assert_int_equal(n, n_bytes);
    assert_memory_equal(now, file, n);
    free(now);
    assert_int_equal(n_files(b->dir), 1);
}

/* H-090: no room, in the first write and later. */
static void test_no_room(void **state)
{
    bench b;
    timeline a;
    size_t n_bytes;
    (void)state;
    const model_spec s = deep_spec();
    bench_open(&b, &s);
    einf_session_config config = config_of(EINF_KV_F32, 0);
    timeline_open(&a, &b.f, &config);
    append_ids(&a, b.ids, 5, NULL);
    save_ok(&b, &a);
    uint8_t *older = test_read_file(b.path, &n_bytes);
    append_ids(&a, b.ids, N, NULL);
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 0; limit <= 40000; limit += 10000) {
        low = (struct rlimit){ limit, before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
        b.f.err = test_error();
        const einf_status status = einf__state_save(&a.t, MODEL, b.path, &b.f.err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_status(status, &b.f.err, EINF_E_IO);
        assert_error_says(&b.f.err, "cannot write the file: the file would be larger than this process may write");
        assert_true(b.f.err.offset <= limit);
        assert_only(&b, older, n_bytes);
    }
    signal(SIGXFSZ, handler);
    save_ok(&b, &a);
    assert_int_equal(n_files(b.dir), 1);
    free(older);
    timeline_close(&a);
    bench_close(&b);
}

static void test_wrong_places(void **state)
{
    bench b;
    timeline a;
    struct stat st;
    char long_path[5000];
    (void)state;
    const model_spec s = spec_of(MODEL_LLAMA);
    bench_open(&b, &s);
    einf_session_config config = config_of(EINF_KV_F16, 0);
    timeline_open(&a, &b.f, &config);
    append_ids(&a, b.ids, 5, NULL);
    refuse_save(&b, &a, "/nowhere/at/all", EINF_E_IO, "no such file or directory: /nowhere/at/all");
    refuse_save(&b, &a, b.dir, EINF_E_IO, "not a regular file but a directory");
    refuse_save(&b, &a, "/dev/null", EINF_E_IO, "not a regular file but a device");
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    refuse_save(&b, &a, long_path, EINF_E_IO, "the path is too long");

    /* a link would be replaced, not followed */
    char *target = test_path(b.dir, "target");
    test_write_file(target, "kept", 4);
    assert_int_equal(symlink(target, b.path), 0);
    refuse_save(&b, &a, b.path, EINF_E_IO, "not a regular file but a symbolic link");
    assert_int_equal(unlink(b.path), 0);
    assert_int_equal(unlink(target), 0);
    assert_int_equal(n_files(b.dir), 0);
    free(target);

    /* what another process left does not stand in the way; nobody else may read what is written */
    char left[512];
    (void)snprintf(left, sizeof left, "%s.part-%ld-0", b.path, (long)getpid());
    test_write_file(left, "left", 4);
    save_ok(&b, &a);
    assert_int_equal(stat(b.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(n_files(b.dir), 2);
    timeline_close(&a);
    bench_close(&b);
}

static void test_cancel(void **state)
{
    bench b;
    timeline a;
    struct einf_cancel flag;
    size_t n_bytes;
    (void)state;
    atomic_init(&flag.set, 0);
    const model_spec s = spec_of(MODEL_LLAMA);
    bench_open(&b, &s);
    einf_session_config config = config_of(EINF_KV_F16, 0);
    config.cancel = &flag;
    timeline_open(&a, &b.f, &config);
    append_ids(&a, b.ids, N, NULL);
    save_ok(&b, &a);
    uint8_t *older = test_read_file(b.path, &n_bytes);
    append_ids(&a, b.ids, 2, NULL);
    atomic_store(&flag.set, 1);
    refuse_save(&b, &a, b.path, EINF_E_CANCELLED, "saving the state was cancelled");
    assert_only(&b, older, n_bytes);
    assert_status(try_load(&b, &a), &b.f.err, EINF_E_CANCELLED);
    assert_int_equal(a.t.n_past, N + 2);
    atomic_store(&flag.set, 0);
    load_ok(&b, &a);
    assert_int_equal(a.t.n_past, N);
    free(older);
    timeline_close(&a);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_wide_heads_in_q8_0),
        cmocka_unit_test(test_embedding_rows),
        cmocka_unit_test(test_without_logits),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_other_origin),
        cmocka_unit_test(test_impossible_values),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_wrong_places),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests_name("state_file", tests, NULL, NULL);
}
