/* SPDX-License-Identifier: MIT
 * test_api_open.c - opening: from a path, a part of an open file, memory, mapped and read, all the same model; what is
 * loaded and what is said of it; progress, cancelling, trace hooks and the log.
 */
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "tests/unit/api/api_fixture.h"

static const int32_t IDS[] = { 270, 271, 272, 273, 274, 275, 276, 277 };

/* Logits after IDS in a fresh session; malloc'd. */
static float *logits_of(fixture *f, einf_model *m)
{
    einf_session *s = NULL;
    float *logits = malloc(320 * sizeof *logits);
    assert_non_null(logits);
    f->err = test_error();
    assert_ok(einf_session_create(m, NULL, &s, &f->err), &f->err);
    assert_ok(einf_session_append_tokens(s, IDS, 8, &f->err), &f->err);
    memcpy(logits, einf_session_logits(s), 320 * sizeof *logits);
    assert_ok(einf_session_destroy(&s, &f->err), &f->err);
    return logits;
}

/* ------------------------------------------------------------------------------------------------- sources -- */

static void assert_same_model(fixture *f, einf_status status, einf_model **m, const float *want)
{
    assert_ok(status, &f->err);
    float *got = logits_of(f, *m);
    assert_memory_equal(got, want, 320 * sizeof *got);
    free(got);
    assert_ok(einf_model_close(m, &f->err), &f->err);
}

static void test_every_source(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        fixture f;
        model_spec spec = model_preset(i ? MODEL_QWEN2 : MODEL_GEMMA3);
        spec.type = i ? MODEL_Q8_0 : MODEL_F32;
        fixture_open(&f, &spec, NULL);
        float *want = logits_of(&f, f.m);
        char *dir = test_temp_dir(), *whole = test_path(dir, "whole.gguf"), *inside = test_path(dir, "archive");
        test_write_file(whole, f.file, f.n_bytes);
        static const size_t offsets[] = { 1, 32, 4096, 5000, 65536 + 17 };
        einf_model *m = NULL;
        for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_HUGE; mode++) {
            einf_model_config c = EINF_INIT(einf_model_config);
            c.mode = mode;
            c.check_tensors = 1;
            assert_same_model(&f, einf_model_open(f.rt, whole, &c, &m, &f.err), &m, want);
            for (size_t j = 0; j < TEST_COUNT(offsets); j++) {
                uint8_t *archive = malloc(offsets[j] + f.n_bytes + 100);
                memset(archive, 0xee, offsets[j] + f.n_bytes + 100);
                memcpy(archive + offsets[j], f.file, f.n_bytes);
                test_write_file(inside, archive, offsets[j] + f.n_bytes + 100);
                free(archive);
                const int fd = open(inside, O_RDONLY);
                assert_int_equal(lseek(fd, 7, SEEK_SET), 7);
                const einf_status status = einf_model_open_fd(f.rt, fd, offsets[j], f.n_bytes, &c, &m, &f.err);
                assert_int_equal(lseek(fd, 0, SEEK_CUR), 7); /* not moved, and open: */
                assert_int_equal(close(fd), 0);
                assert_same_model(&f, status, &m, want); /* after the close */
            }
            const int fd = open(whole, O_RDONLY);
            assert_same_model(&f, einf_model_open_fd(f.rt, fd, 0, 0, &c, &m, &f.err), &m, want); /* 0: to the end */
            assert_int_equal(close(fd), 0);
        }
        uint8_t *odd = malloc(f.n_bytes + 1); /* memory at an odd address */
        memcpy(odd + 1, f.file, f.n_bytes);
        assert_same_model(&f, einf_model_open_memory(f.rt, odd + 1, f.n_bytes, NULL, &m, &f.err), &m, want);
        free(odd);
        free(want);
        free(whole);
        free(inside);
        test_temp_remove(&dir);
        fixture_close(&f);
    }
}

/* H-009, H-010: what happens to a file that was read does not matter any more. */
static void test_read_is_immune(void **state)
{
    (void)state;
    fixture f;
    const model_spec spec = model_preset(MODEL_LLAMA);
    fixture_open(&f, &spec, NULL);
    float *want = logits_of(&f, f.m);
    char *dir = test_temp_dir(), *path = test_path(dir, "m.gguf");
    test_write_file(path, f.file, f.n_bytes);
    einf_model_config c = EINF_INIT(einf_model_config);
    c.mode = EINF_MODE_READ;
    einf_model *m = NULL;
    assert_ok(einf_model_open(f.rt, path, &c, &m, &f.err), &f.err);
    test_write_file(path, "gone", 4);
    assert_same_model(&f, EINF_OK, &m, want);
    free(want);
    free(path);
    test_temp_remove(&dir);
    fixture_close(&f);
}

static void test_no_model_there(void **state)
{
    static const struct { const char *path; einf_status status; const char *says; } cases[] = {
        { "/no/such/file.gguf", EINF_E_IO, "no such file" }, { "", EINF_E_IO, "" }, { "/", EINF_E_FORMAT, "" },
        { "/dev/zero", EINF_E_FORMAT, "" },
    };
    (void)state;
    fixture f;
    const model_spec spec = model_preset(MODEL_LLAMA);
    fixture_open(&f, &spec, NULL);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        einf_model *m = NULL;
        f.err = test_error();
        assert_status(einf_model_open(f.rt, cases[i].path, NULL, &m, &f.err), &f.err, cases[i].status);
        assert_error_says(&f.err, cases[i].says);
        assert_null(m);
    }
    fixture_close(&f);
}

/* --------------------------------------------------------------------------------------------------- facts -- */

static void test_facts(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        fixture f;
        const model_spec spec = model_preset((model_family)i);
        fixture_open(&f, &spec, NULL);
        model_tensor *list = malloc(MODEL_MAX_TENSORS * sizeof *list);
        const size_t n = model_list(&spec, list);
        uint64_t n_params = 0;
        for (size_t j = 0; j < n; j++) n_params += list[j].dims[0] * list[j].dims[1];
        einf_model_info info = EINF_INIT(einf_model_info);
        assert_ok(einf_model_get_info(f.m, &info, &f.err), &f.err);
        assert_int_equal(info.loaded, EINF_LOAD_HEADER | EINF_LOAD_VOCAB | EINF_LOAD_WEIGHTS);
        assert_string_equal(info.architecture, model_arch(&spec));
        assert_string_equal(info.name, "a tiny model for tests");
        assert_string_equal(info.file_type, "F32");
        assert_string_equal(info.tokenizer, spec.vocab == MODEL_SPM ? "spm" : "bpe qwen2");
        assert_int_equal(info.has_chat_template, spec.chat_template ? 1 : 0);
        assert_int_equal(info.gguf_version, 3);
        assert_int_equal(info.n_vocab, 320);
        assert_int_equal(info.file_bytes, f.n_bytes);
        assert_int_equal(info.n_params, n_params);
        assert_int_equal(info.weight_bytes, n_params * 4);
        assert_int_equal(info.n_tensors, n);
        assert_int_equal(info.n_ctx_train, 120);
        assert_int_equal(info.n_embd, 64);
        assert_int_equal(info.n_layer, spec.n_layer);
        assert_int_equal(info.n_head, 4);
        assert_int_equal(info.n_head_kv, 2);
        assert_int_equal(info.head_dim, spec.k_dim);
        assert_int_equal(info.n_ff, 96);
        for (size_t j = 0; j < n; j++) {
            einf_tensor t = EINF_INIT(einf_tensor);
            assert_ok(einf_model_get_tensor(f.m, j, &t, &f.err), &f.err);
            assert_string_equal(t.name, list[j].name);
            assert_string_equal(t.type, "F32");
            assert_int_equal(t.n_dims, list[j].n_dims);
            assert_int_equal(t.dims[0], list[j].dims[0]);
            assert_int_equal(t.dims[1], list[j].dims[1]);
            assert_int_equal(t.dims[2], 1);
            assert_int_equal(t.size_bytes, list[j].dims[0] * list[j].dims[1] * 4);
            assert_true(t.offset % 32 == 0 && t.offset + t.size_bytes <= f.n_bytes);
        }
        free(list);
        einf_special_tokens special = EINF_INIT(einf_special_tokens);
        assert_ok(einf_model_special_tokens(f.m, &special, &f.err), &f.err);
        assert_int_equal(special.bos, spec.vocab == MODEL_SPM ? 1 : 317);
        assert_int_equal(special.eos, spec.vocab == MODEL_SPM ? 2 : 319);
        assert_int_equal(special.add_bos, spec.vocab == MODEL_SPM);
        assert_int_equal(einf_token_ends_answer(f.m, special.eos), 1);
        assert_int_equal(einf_token_ends_answer(f.m, 100), 0);
        fixture_close(&f);
    }
}

/* Escape codes of a file do not reach whoever prints its facts. */
static void test_evil_facts(void **state)
{
    (void)state;
    const model_spec spec = model_preset(MODEL_LLAMA);
    gguf_build *b = model_build(&spec);
    gguf_build_drop_kv(b, "general.name");
    gguf_build_drop_kv(b, "general.architecture");
    char name[400];
    memset(name, '\xc3', sizeof name);
    memcpy(name, "\x1b[31m%s\n", 8);
    gguf_build_str_n(b, "general.name", name, sizeof name);
    gguf_build_str(b, "general.architecture", "\x1b]0;owned\x07%n");
    fixture f;
    memset(&f, 0, sizeof f);
    test_heap_init(&f.heap, 0);
    f.err = test_error();
    f.file = gguf_build_finish(b, &f.n_bytes);
    gguf_build_free(&b);
    fixture_runtime(&f, NULL);
    einf_model_config c = EINF_INIT(einf_model_config);
    c.load = EINF_LOAD_HEADER | EINF_LOAD_VOCAB; /* of any architecture */
    assert_ok(einf_model_open_memory(f.rt, f.file, f.n_bytes, &c, &f.m, &f.err), &f.err);
    einf_model_info info = EINF_INIT(einf_model_info);
    assert_ok(einf_model_get_info(f.m, &info, &f.err), &f.err);
    assert_string_equal(info.architecture, "?]0;owned?%n");
    assert_true(strlen(info.name) < sizeof info.name);
    assert_memory_equal(info.name, "?[31m%s?", 8);
    for (const char *p = info.name; *p; p++) assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
    assert_int_equal(info.n_vocab, 320);
    assert_int_equal(info.n_embd, 0);
    einf_session *s = NULL;
    assert_status(einf_session_create(f.m, NULL, &s, &f.err), &f.err, EINF_E_STATE);
    fixture_close(&f);
}

/* A vocabulary without a single tensor tokenises; asked for weights, it says what it is. */
static void test_vocabulary_alone(void **state)
{
    (void)state;
    const model_spec spec = model_preset(MODEL_QWEN2);
    gguf_build *b = model_build(&spec);
    model_tensor *list = malloc(MODEL_MAX_TENSORS * sizeof *list);
    const size_t n_tensors = model_list(&spec, list);
    for (size_t i = 0; i < n_tensors; i++) gguf_build_drop_tensor(b, list[i].name);
    free(list);
    fixture f;
    memset(&f, 0, sizeof f);
    test_heap_init(&f.heap, 0);
    f.err = test_error();
    f.file = gguf_build_finish(b, &f.n_bytes);
    gguf_build_free(&b);
    fixture_runtime(&f, NULL);
    assert_status(einf_model_open_memory(f.rt, f.file, f.n_bytes, NULL, &f.m, &f.err), &f.err, EINF_E_FORMAT);
    assert_error_says(&f.err, "EINF_LOAD_VOCAB");
    einf_model_config c = EINF_INIT(einf_model_config);
    c.load = EINF_LOAD_VOCAB;
    f.err = test_error();
    assert_ok(einf_model_open_memory(f.rt, f.file, f.n_bytes, &c, &f.m, &f.err), &f.err);
    int32_t ids[8];
    uint64_t n;
    assert_ok(einf_tokenize(f.m, "the", 3, 0, ids, 8, &n, &f.err), &f.err);
    assert_in_range(n, 1, 3);
    fixture_close(&f);
}

/* H-079 */
static void test_vocabulary_of_another_model(void **state)
{
    static const uint32_t rows[] = { 319, 321 };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(rows); i++) {
        model_spec spec = model_preset(MODEL_QWEN2);
        gguf_build *b = model_build(&spec);
        spec.n_vocab = rows[i];
        model_tensor *list = malloc(MODEL_MAX_TENSORS * sizeof *list);
        const size_t n = model_list(&spec, list);
        model_put_tensor(b, &spec, model_find(list, n, "token_embd.weight"));
        free(list);
        const size_t at = gguf_build_value_at(b, "tokenizer.ggml.tokens");
        fixture f;
        memset(&f, 0, sizeof f);
        test_heap_init(&f.heap, 0);
        f.err = test_error();
        f.file = gguf_build_finish(b, &f.n_bytes);
        gguf_build_free(&b);
        fixture_runtime(&f, NULL);
        assert_status(einf_model_open_memory(f.rt, f.file, f.n_bytes, NULL, &f.m, &f.err), &f.err, EINF_E_FORMAT);
        assert_string_equal(f.err.where, "tokenizer.ggml.tokens");
        assert_error_says(&f.err, "320");
        assert_error_says(&f.err, i ? "321" : "319");
        assert_int_equal(f.err.offset, at + 12);
        fixture_close(&f);
    }
}

/* ----------------------------------------------------------------------------------------------- the log -- */

static void test_log(void **state)
{
    (void)state;
    model_spec spec = model_preset(MODEL_QWEN2);
    gguf_build *b = model_build(&spec);
    gguf_build_tensor(b, "extra\x1b[2J", 0, 1, (uint64_t[]){ 4 }, NULL, 16);
    gguf_build_tensor(b, "more", 0, 1, (uint64_t[]){ 4 }, NULL, 16);
    gguf_build_drop_kv(b, "tokenizer.ggml.pre");
    gguf_build_str(b, "tokenizer.ggml.pre", "of-tomorrow");
    fixture f;
    memset(&f, 0, sizeof f);
    test_heap_init(&f.heap, 0);
    f.err = test_error();
    f.file = gguf_build_finish(b, &f.n_bytes);
    gguf_build_free(&b);
    fixture_runtime(&f, NULL);
    assert_status(einf_model_open_memory(f.rt, f.file, f.n_bytes, NULL, &f.m, &f.err), &f.err, EINF_E_UNSUPPORTED);
    assert_string_equal(f.err.where, "tokenizer.ggml.pre");
    assert_error_says(&f.err, "of-tomorrow");
    assert_string_equal(f.log, "");
    einf_model_config c = EINF_INIT(einf_model_config);
    c.any_pretokenizer = 1;
    f.err = test_error();
    assert_ok(einf_model_open_memory(f.rt, f.file, f.n_bytes, &c, &f.m, &f.err), &f.err);
    assert_non_null(strstr(f.log, "2 ")); /* warnings: of the pre-tokenizer, */
    assert_non_null(strstr(f.log, "tokenizer"));
    assert_non_null(strstr(f.log, "2 tensors of the file are not used by architecture qwen2"));
    f.log[0] = '\0';
    einf_session_config sc = EINF_INIT(einf_session_config);
    sc.n_ctx = 120;
    assert_ok(einf_session_create(f.m, &sc, &f.s, &f.err), &f.err);
    assert_string_equal(f.log, "");
    assert_ok(einf_session_destroy(&f.s, &f.err), &f.err);
    sc.n_ctx = 121;
    assert_ok(einf_session_create(f.m, &sc, &f.s, &f.err), &f.err);
    assert_non_null(strstr(f.log, "121"));
    assert_non_null(strstr(f.log, "120"));
    assert_true(f.log[0] == '2' && strchr(f.log, '\n') == f.log + strlen(f.log) - 1); /* one warning */
    fixture_close(&f);
}

/* ---------------------------------------------------------------------------------------- progress, cancel -- */

typedef struct watcher { int calls, stop_at; uint64_t last, total; einf_cancel *set; } watcher;

static int32_t watch(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    watcher *w = user;
    assert_int_equal(phase, EINF_PHASE_LOAD);
    assert_true(done <= total && done >= w->last);
    w->last = done;
    w->total = total;
    w->calls++;
    if (w->set) einf_cancel_set(w->set);
    return !w->set && w->calls == w->stop_at;
}

static void test_progress_and_cancel(void **state)
{
    (void)state;
    fixture f;
    const model_spec spec = model_preset(MODEL_LLAMA);
    fixture_open(&f, &spec, NULL);
    assert_ok(einf_model_close(&f.m, &f.err), &f.err);
    const uint64_t empty = f.heap.live_bytes;
    char *dir = test_temp_dir(), *path = test_path(dir, "m.gguf");
    test_write_file(path, f.file, f.n_bytes);
    einf_cancel *cancel = NULL;
    assert_ok(einf_cancel_create(&cancel, &f.err), &f.err);
    for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_HUGE; mode++) {
        watcher w = { .calls = 0 };
        einf_model_config c = EINF_INIT(einf_model_config);
        c.mode = mode;
        c.progress = watch;
        c.progress_user = &w;
        assert_ok(einf_model_open(f.rt, path, &c, &f.m, &f.err), &f.err);
        assert_true(w.calls >= 1);
        assert_int_equal(w.last, f.n_bytes);
        assert_int_equal(w.total, f.n_bytes);
        assert_ok(einf_model_close(&f.m, &f.err), &f.err);
        const int n_calls = w.calls;
        for (int at = 1; at <= n_calls; at++) {
            w = (watcher){ .stop_at = at };
            f.err = test_error();
            assert_status(einf_model_open(f.rt, path, &c, &f.m, &f.err), &f.err, EINF_E_CANCELLED);
            assert_null(f.m);
            assert_int_equal(f.heap.live_bytes, empty);
        }
        c.progress = NULL;
        c.cancel = cancel;
        einf_cancel_set(cancel);
        f.err = test_error();
        assert_status(einf_model_open(f.rt, path, &c, &f.m, &f.err), &f.err, EINF_E_CANCELLED);
        assert_int_equal(f.heap.live_bytes, empty);
        einf_cancel_clear(cancel);
        f.err = test_error();
        assert_ok(einf_model_open(f.rt, path, &c, &f.m, &f.err), &f.err);
        assert_ok(einf_model_close(&f.m, &f.err), &f.err);
        if (mode == EINF_MODE_MAP) continue;
        w = (watcher){ .set = cancel }; /* the flag, set while the file is read */
        c.progress = watch;
        f.err = test_error();
        assert_status(einf_model_open(f.rt, path, &c, &f.m, &f.err), &f.err, EINF_E_CANCELLED);
        assert_int_equal(f.heap.live_bytes, empty);
        einf_cancel_clear(cancel);
    }
    einf_cancel_destroy(&cancel);
    free(path);
    test_temp_remove(&dir);
    fixture_close(&f);
}

static void test_check_tensors(void **state)
{
    (void)state;
    fixture f;
    const model_spec spec = model_preset(MODEL_LLAMA);
    fixture_open(&f, &spec, NULL);
    einf_tensor t = EINF_INIT(einf_tensor);
    uint64_t i = 0;
    do assert_ok(einf_model_get_tensor(f.m, i++, &t, &f.err), &f.err);
    while (strcmp(t.name, "blk.1.ffn_up.weight") != 0);
    assert_ok(einf_model_close(&f.m, &f.err), &f.err);
    const float nan = NAN;
    memcpy(f.file + t.offset + 40, &nan, 4);
    einf_model_config c = EINF_INIT(einf_model_config);
    c.check_tensors = 1;
    assert_status(einf_model_open_memory(f.rt, f.file, f.n_bytes, &c, &f.m, &f.err), &f.err, EINF_E_FORMAT);
    assert_string_equal(f.err.where, "blk.1.ffn_up.weight");
    assert_error_says(&f.err, "element 10 ");
    assert_int_equal(f.err.offset, t.offset + 40);

    f.err = test_error(); /* unchecked it loads, spoils every logit, and sampling says where to look */
    assert_ok(einf_model_open_memory(f.rt, f.file, f.n_bytes, NULL, &f.m, &f.err), &f.err);
    assert_ok(einf_session_create(f.m, NULL, &f.s, &f.err), &f.err);
    assert_ok(einf_session_append_tokens(f.s, IDS, 8, &f.err), &f.err);
    int32_t id = -7;
    assert_status(einf_session_sample(f.s, &id, &f.err), &f.err, EINF_E_INTERNAL);
    assert_error_says(&f.err, "check_tensors");
    assert_int_equal(id, -7);
    fixture_close(&f);
}

/* --------------------------------------------------------------------------------------------------- trace -- */

typedef struct event { int32_t begin, phase; uint64_t n_units; einf_status status; } event;
typedef struct trace { event e[64]; int n, depth; } trace;

static void on_begin(void *user, int32_t phase, uint64_t n_units)
{
    trace *t = user;
    assert_int_equal(t->depth++, 0);
    if (t->n < 64) t->e[t->n++] = (event){ 1, phase, n_units, 0 };
}

static void on_end(void *user, int32_t phase, uint64_t n_units, einf_status status)
{
    trace *t = user;
    assert_int_equal(--t->depth, 0);
    assert_int_equal(t->e[t->n - 1].phase, phase); /* of what began */
    if (t->n < 64) t->e[t->n++] = (event){ 0, phase, n_units, status };
}

/* The last pair of events; forgets them all. */
static void expect_pair(trace *t, int32_t phase, uint64_t n_units, einf_status status)
{
    assert_int_equal(t->depth, 0);
    assert_true(t->n >= 2);
    assert_int_equal(t->e[t->n - 2].begin, 1);
    assert_int_equal(t->e[t->n - 1].phase, phase);
    assert_int_equal(t->e[t->n - 1].n_units, n_units);
    assert_int_equal(t->e[t->n - 1].status, status);
    t->n = 0;
}

static void test_trace(void **state)
{
    (void)state;
    trace t = { .n = 0 };
    einf_trace_hooks hooks = EINF_INIT(einf_trace_hooks);
    hooks.begin = on_begin;
    hooks.end = on_end;
    hooks.user = &t;
    einf_runtime_config rc = EINF_INIT(einf_runtime_config);
    rc.n_threads = 2;
    rc.trace = &hooks;
    const model_spec spec = model_preset(MODEL_LLAMA);
    fixture f;
    fixture_open(&f, &spec, &rc);
    memset(&hooks, 0x5a, sizeof hooks); /* they were copied */
    expect_pair(&t, EINF_PHASE_LOAD, f.n_bytes, EINF_OK);
    einf_model *m = NULL;
    assert_status(einf_model_open_memory(f.rt, f.file, 500, NULL, &m, &f.err), &f.err, EINF_E_FORMAT);
    expect_pair(&t, EINF_PHASE_LOAD, 500, EINF_E_FORMAT);
    f.err = test_error();
    assert_status(einf_model_open(f.rt, "/no/such/file", NULL, &m, &f.err), &f.err, EINF_E_IO);
    expect_pair(&t, EINF_PHASE_LOAD, 0, EINF_E_IO);

    einf_session_config sc = EINF_INIT(einf_session_config);
    sc.n_ctx = 20;
    f.err = test_error();
    assert_ok(einf_session_create(f.m, &sc, &f.s, &f.err), &f.err);
    assert_ok(einf_session_append_tokens(f.s, IDS, 8, &f.err), &f.err);
    expect_pair(&t, EINF_PHASE_PREFILL, 8, EINF_OK);
    assert_ok(einf_session_append_tokens(f.s, IDS, 1, &f.err), &f.err);
    expect_pair(&t, EINF_PHASE_DECODE, 1, EINF_OK);
    const int32_t wrong[2] = { 1, -1 };
    assert_status(einf_session_append_tokens(f.s, wrong, 2, &f.err), &f.err, EINF_E_ARG);
    expect_pair(&t, EINF_PHASE_PREFILL, 2, EINF_E_ARG);
    f.err = test_error();
    assert_ok(einf_session_append_tokens(f.s, IDS, 8, &f.err), &f.err);
    assert_status(einf_session_append_tokens(f.s, IDS, 8, &f.err), &f.err, EINF_E_CTX_FULL);
    expect_pair(&t, EINF_PHASE_PREFILL, 8, EINF_E_CTX_FULL);

    einf_cancel *cancel = NULL;
    f.err = test_error();
    assert_ok(einf_cancel_create(&cancel, &f.err), &f.err);
    einf_cancel_set(cancel);
    assert_ok(einf_session_rewind(f.s, 0, &f.err), &f.err);
    einf_generate_config gc = EINF_INIT(einf_generate_config);
    gc.max_tokens = 3;
    gc.ignore_eos = 1;
    gc.cancel = cancel;
    assert_status(einf_generate(f.s, "the tea", 7, &gc, NULL, &f.err), &f.err, EINF_E_CANCELLED);
    assert_int_equal(t.e[t.n - 1].status, EINF_E_CANCELLED);
    assert_int_equal(t.e[t.n - 1].phase, EINF_PHASE_PREFILL);
    einf_cancel_destroy(&cancel);
    t.n = 0;
    gc.cancel = NULL;
    f.err = test_error();
    einf_result r = EINF_INIT(einf_result);
    assert_ok(einf_generate(f.s, "the tea", 7, &gc, &r, &f.err), &f.err);
    assert_int_equal(t.n, 4); /* prefill, decode */
    assert_int_equal(t.e[0].phase, EINF_PHASE_PREFILL);
    assert_int_equal(t.e[0].n_units, r.n_prompt - r.n_cached);
    expect_pair(&t, EINF_PHASE_DECODE, 3, EINF_OK);
    fixture_close(&f);
    assert_int_equal(t.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_source),
        cmocka_unit_test(test_read_is_immune),
        cmocka_unit_test(test_no_model_there),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_evil_facts),
        cmocka_unit_test(test_vocabulary_alone),
        cmocka_unit_test(test_vocabulary_of_another_model),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_progress_and_cancel),
        cmocka_unit_test(test_check_tensors),
        cmocka_unit_test(test_trace),
    };
    return cmocka_run_group_tests_name("api_open", tests, NULL, NULL);
}
