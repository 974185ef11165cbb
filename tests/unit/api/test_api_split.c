/* SPDX-License-Identifier: MIT
 * test_api_split.c - models in several files (H-068): the same model as in one, and every way in which parts can fail
 * to be one, each with the words that say what to do.
 */
#include "tests/unit/api/api_fixture.h"

#include <unistd.h>

#include "tests/support/gguf_shards.h"

enum { N_PARTS = 3 };

/* A runtime, a folder, and a model in one file and in parts. */
typedef struct split_fixture {
    fixture f;
    char *dir, *first; /* path of part 1 */
    uint8_t *whole;
    size_t whole_bytes;
} split_fixture;

static void write_parts(split_fixture *s)
{
    gguf_shards_write(s->whole, s->whole_bytes, s->dir, "m", N_PARTS, true);
}

static void split_begin(split_fixture *s)
{
    memset(s, 0, sizeof *s);
    test_heap_init(&s->f.heap, 0);
    s->f.err = test_error();
    fixture_runtime(&s->f, NULL);
    const model_spec spec = model_preset(MODEL_QWEN2);
    s->whole = model_file(&spec, &s->whole_bytes);
    s->dir = test_temp_dir();
    s->first = gguf_shard_path(s->dir, "m", 0, N_PARTS);
    write_parts(s);
}

static void split_end(split_fixture *s)
{
    s->f.err = test_error();
    assert_ok(einf_model_close(&s->f.m, &s->f.err), &s->f.err);
    assert_ok(einf_runtime_destroy(&s->f.rt, &s->f.err), &s->f.err);
    assert_int_equal(s->f.heap.n_live, 0);
    free(s->first);
    free(s->whole);
    test_temp_remove(&s->dir);
}

/* Part `no` as the splitter writes it, for a test to damage. */
static gguf_build *part(const split_fixture *s, uint32_t no)
{
    return gguf_shard(s->whole, s->whole_bytes, no, N_PARTS, true);
}

static einf_status open_mode(split_fixture *s, const char *path, int32_t mode, uint32_t load)
{
    einf_model_config c = EINF_INIT(einf_model_config);
    c.mode = mode;
    c.load = load;
    s->f.err = test_error();
    return einf_model_open(s->f.rt, path, &c, &s->f.m, &s->f.err);
}

/* The logits of every row of some ids. malloc'd. */
static float *logits_of(split_fixture *s, einf_model *m, size_t *n)
{
    enum { N = 9 };
    int32_t ids[N];
    einf_session *session;
    einf_model_info info = EINF_INIT(einf_model_info);
    assert_ok(einf_model_get_info(m, &info, &s->f.err), &s->f.err);
    for (int i = 0; i < N; i++) ids[i] = (int32_t)((uint32_t)(7 * i + 3) % info.n_vocab);
    assert_ok(einf_session_create(m, NULL, &session, &s->f.err), &s->f.err);
    *n = (size_t)N * info.n_vocab;
    float *out = malloc(*n * sizeof *out);
    assert_non_null(out);
    einf_batch b = EINF_INIT(einf_batch);
    b.ids = ids;
    b.n = b.n_logit_rows = N;
    b.logits = out;
    assert_ok(einf_session_append(session, &b, &s->f.err), &s->f.err);
    assert_ok(einf_session_destroy(&session, &s->f.err), &s->f.err);
    return out;
}

/* Logits and facts of the parts at `first` are those of the whole file. */
static void compare_with_whole(split_fixture *s, const char *first, uint32_t n_parts)
{
    size_t n, n_want;
    einf_model *whole;
    einf_model_info a = EINF_INIT(einf_model_info), b = EINF_INIT(einf_model_info);
    assert_ok(einf_model_open_memory(s->f.rt, s->whole, s->whole_bytes, NULL, &whole, &s->f.err), &s->f.err);
    assert_ok(einf_model_get_info(whole, &a, &s->f.err), &s->f.err);
    float *want = logits_of(s, whole, &n_want);
    assert_ok(einf_model_close(&whole, &s->f.err), &s->f.err);
    for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_HUGE; mode++) {
        assert_ok(open_mode(s, first, mode, 0), &s->f.err);
        assert_ok(einf_model_get_info(s->f.m, &b, &s->f.err), &s->f.err);
        assert_int_equal(b.n_files, n_parts);
        assert_int_equal(b.n_tensors, a.n_tensors);
        assert_int_equal(b.weight_bytes, a.weight_bytes);
        assert_int_equal(b.n_params, a.n_params);
        assert_string_equal(b.tokenizer, a.tokenizer);
        float *got = logits_of(s, s->f.m, &n);
        assert_int_equal(n, n_want);
        assert_memory_equal(got, want, n * sizeof *got);
        free(got);
        assert_ok(einf_model_close(&s->f.m, &s->f.err), &s->f.err);
    }
    free(want);
}

static void test_same_as_whole(void **state)
{
    split_fixture s;
    (void)state;
    split_begin(&s);
    compare_with_whole(&s, s.first, N_PARTS);
    for (uint32_t count = 2; count <= 5; count++) { /* also with all tensors behind a first part of metadata alone */
        char *first = gguf_shard_path(s.dir, "other", 0, count);
        gguf_shards_write(s.whole, s.whole_bytes, s.dir, "other", count, count % 2 == 0);
        compare_with_whole(&s, first, count);
        free(first);
    }
    split_end(&s);
}

/* A trained model, whose logits are not noise. */
static void test_small_world(void **state)
{
    split_fixture s;
    (void)state;
    split_begin(&s);
    free(s.whole);
    s.whole = test_read_file("models/small-world/small-world-Q4_K_M.gguf", &s.whole_bytes);
    assert_non_null(s.whole);
    write_parts(&s);
    compare_with_whole(&s, s.first, N_PARTS);
    split_end(&s);
}

/* File bytes are the sum; what is read is what the plan says, and what the allocator gave. */
static void test_bytes(void **state)
{
    split_fixture s;
    uint64_t sum = 0;
    (void)state;
    split_begin(&s);
    for (uint32_t no = 0; no < N_PARTS; no++) {
        size_t n;
        char *path = gguf_shard_path(s.dir, "m", no, N_PARTS);
        free(test_read_file(path, &n));
        free(path);
        sum += n;
    }
    for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_HUGE; mode++) {
        einf_model_info info = EINF_INIT(einf_model_info);
        einf_plan plan = EINF_INIT(einf_plan);
        const uint64_t before = allocated_bytes(s.f.rt);
        assert_ok(open_mode(&s, s.first, mode, 0), &s.f.err);
        assert_ok(einf_model_get_info(s.f.m, &info, &s.f.err), &s.f.err);
        assert_int_equal(info.file_bytes, sum);
        assert_ok(einf_session_plan(s.f.m, NULL, &plan, &s.f.err), &s.f.err);
        assert_int_equal(plan.weights_mapped_bytes, mode == EINF_MODE_MAP ? sum : 0);
        assert_int_equal(plan.weights_private_bytes, mode == EINF_MODE_MAP ? 0 : sum);
        assert_int_equal(allocated_bytes(s.f.rt) - before,
                         plan.weights_private_bytes + plan.model_bytes + plan.vocab_bytes);
        assert_ok(einf_model_close(&s.f.m, &s.f.err), &s.f.err);
        assert_int_equal(allocated_bytes(s.f.rt), before);
    }
    split_end(&s);
}

/* ------------------------------------------------------------------------------------------------ refusals -- */

static void refuse(split_fixture *s, const char *path, einf_status status, const char *where, const char *says,
                   const char *hint)
{
    for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_HUGE; mode++) {
        const uint64_t before = allocated_bytes(s->f.rt);
        assert_status(open_mode(s, path, mode, EINF_LOAD_HEADER), &s->f.err, status);
        assert_null(s->f.m);
        if (where) assert_string_equal(s->f.err.where, where);
        assert_error_says(&s->f.err, says);
        if (hint) assert_error_says(&s->f.err, hint);
        assert_int_equal(allocated_bytes(s->f.rt), before);
    }
}

/* Write part `no` as b, see what opening the first says, and put the right one back. */
static void refuse_part(split_fixture *s, uint32_t no, gguf_build *b, einf_status status, const char *where,
                        const char *says)
{
    gguf_shard_write(b, s->dir, "m", no, N_PARTS);
    refuse(s, s->first, status, where, says, NULL);
    gguf_shard_write(part(s, no), s->dir, "m", no, N_PARTS);
}

static void test_wrong_entry(void **state)
{
    split_fixture s;
    (void)state;
    split_begin(&s);
    char *second = gguf_shard_path(s.dir, "m", 1, N_PARTS), *odd = test_path(s.dir, "odd.gguf");
    refuse(&s, second, EINF_E_UNSUPPORTED, "split.no", "part 2 of 3", "open the first part, m-00001-of-00003.gguf");
    gguf_shard_write(part(&s, 1), s.dir, "x", 0, 1);
    char *renamed = gguf_shard_path(s.dir, "x", 0, 1);
    refuse(&s, renamed, EINF_E_UNSUPPORTED, "split.no", "part 2 of 3", "NAME-00001-of-00003.gguf");

    size_t n;
    uint8_t *bytes = test_read_file(s.first, &n);
    test_write_file(odd, bytes, n);
    refuse(&s, odd, EINF_E_FORMAT, "split.count", "part 1 of 3, but its name does not end with -00001-of-00003.gguf",
           "give all parts the names");

    /* by descriptor, and from memory: there is no name to find the others by */
    s.f.err = test_error();
    assert_status(einf_model_open_memory(s.f.rt, bytes, n, NULL, &s.f.m, &s.f.err), &s.f.err, EINF_E_UNSUPPORTED);
    assert_error_says(&s.f.err, "part 1 of 3");
    assert_error_says(&s.f.err, "by its path");
    FILE *file = fopen(s.first, "rb");
    assert_non_null(file);
    s.f.err = test_error();
    assert_status(einf_model_open_fd(s.f.rt, fileno(file), 0, 0, NULL, &s.f.m, &s.f.err), &s.f.err,
                  EINF_E_UNSUPPORTED);
    assert_error_says(&s.f.err, "by its path");
    fclose(file);
    free(bytes);
    free(second);
    free(renamed);
    free(odd);
    split_end(&s);
}

static void test_missing_part(void **state)
{
    split_fixture s;
    (void)state;
    split_begin(&s);
    char *third = gguf_shard_path(s.dir, "m", 2, N_PARTS);
    assert_int_equal(unlink(third), 0);
    refuse(&s, s.first, EINF_E_IO, "path", "part 3 of 3: cannot open the file: no such file", "one folder");
    assert_error_says(&s.f.err, "m-00003-of-00003.gguf");
    test_write_file(third, "", 0);
    refuse(&s, s.first, EINF_E_FORMAT, NULL, "part 3 of 3: the file is empty", NULL);
    test_write_file(third, "GGUF\3\0\0", 7);
    refuse(&s, s.first, EINF_E_FORMAT, NULL, "part 3 of 3: the file of 7 bytes ends within the version", NULL);
    free(third);
    split_end(&s);
}

static void test_wrong_places(void **state)
{
    static const struct { uint16_t count, no; einf_status status; const char *where, *says; } firsts[] = {
        { 65535, 0, EINF_E_LIMIT, "split.count", "split.count is 65535, the limit is 1024" },
        { 65535, 65534, EINF_E_UNSUPPORTED, "split.no", "part 65535 of 65535" },
        { 3, 3, EINF_E_FORMAT, "split.no", "'split.no' is 3, allowed are 0..2" },
        { 4, 0, EINF_E_FORMAT, "split.count", "does not end with -00001-of-00004.gguf" },
    };
    split_fixture s;
    (void)state;
    split_begin(&s);
    for (size_t i = 0; i < TEST_COUNT(firsts); i++) {
        gguf_build *b = part(&s, 0);
        gguf_build_drop_kv(b, "split.count");
        gguf_build_drop_kv(b, "split.no");
        gguf_build_u16(b, "split.count", firsts[i].count);
        gguf_build_u16(b, "split.no", firsts[i].no);
        refuse_part(&s, 0, b, firsts[i].status, firsts[i].where, firsts[i].says);
    }
    static const struct { const char *key; uint16_t v; const char *says; } others[] = {
        { "split.no", 2, "part 2 of 3: split.no is 2, by its name the file should have 1" },
        { "split.no", 9, "part 2 of 3: 'split.no' is 9, allowed are 0..2" },
        { "split.count", 2, "part 2 of 3: split.count is 2, that of the first part is 3" },
        { "split.count", 0, "part 2 of 3: split.count is 0, that of the first part is 3" },
        { "split.tensors.count", 7, "part 2 of 3: split.tensors.count is 7, that of the first part is" },
    };
    for (size_t i = 0; i < TEST_COUNT(others); i++) {
        gguf_build *b = part(&s, 1);
        gguf_build_drop_kv(b, others[i].key);
        gguf_build_u16(b, others[i].key, others[i].v);
        refuse_part(&s, 1, b, EINF_E_FORMAT, others[i].key, others[i].says);
    }
    gguf_build *b = part(&s, 1);
    gguf_build_drop_kv(b, "split.no");
    refuse_part(&s, 1, b, EINF_E_FORMAT, "split.no", "part 2 of 3: the metadata lacks 'split.no'");
    b = part(&s, 1);
    gguf_build_drop_kv(b, "split.no");
    gguf_build_str(b, "split.no", "../../etc/passwd"); /* nothing in a file steers where the others are looked for */
    refuse_part(&s, 1, b, EINF_E_FORMAT, "split.no", "part 2 of 3: 'split.no' has type string");
    split_end(&s);
}

static void test_other_model(void **state)
{
    static const char *const keys[] = { "general.architecture", "general.uuid", "general.name" };
    split_fixture s;
    (void)state;
    split_begin(&s);
    for (size_t i = 0; i < TEST_COUNT(keys); i++) {
        char says[96];
        gguf_build *first = part(&s, 0), *b = part(&s, 1);
        gguf_build_drop_kv(first, keys[i]);
        gguf_build_str(first, keys[i], "mine");
        gguf_shard_write(first, s.dir, "m", 0, N_PARTS);
        gguf_build_str(b, keys[i], "yours");
        snprintf(says, sizeof says, "part 2 of 3: %s is 'yours', that of the first part is 'mine'", keys[i]);
        refuse_part(&s, 1, b, EINF_E_FORMAT, keys[i], says);
        gguf_shard_write(part(&s, 0), s.dir, "m", 0, N_PARTS);
    }
    split_end(&s);
}

static void test_wrong_tensors(void **state)
{
    char says[96];
    split_fixture s;
    (void)state;
    split_begin(&s);
    einf_model_info info = EINF_INIT(einf_model_info);
    assert_ok(open_mode(&s, s.first, 0, EINF_LOAD_HEADER), &s.f.err);
    assert_ok(einf_model_get_info(s.f.m, &info, &s.f.err), &s.f.err);
    einf_tensor t = EINF_INIT(einf_tensor);
    assert_ok(einf_model_get_tensor(s.f.m, info.n_tensors - 1, &t, &s.f.err), &s.f.err);
    assert_ok(einf_model_close(&s.f.m, &s.f.err), &s.f.err);

    gguf_build *b = part(&s, 1); /* one too many */
    gguf_build_tensor(b, "extra.weight", 0, 1, (uint64_t[]){ 8 }, NULL, 32);
    snprintf(says, sizeof says, "split.tensors.count is %d, but the 3 parts have %d tensors", (int)info.n_tensors,
             (int)info.n_tensors + 1);
    refuse_part(&s, 1, b, EINF_E_FORMAT, "split.tensors.count", says);

    b = part(&s, 2); /* one too few */
    assert_int_equal(gguf_build_drop_tensor(b, t.name), 1);
    snprintf(says, sizeof says, "split.tensors.count is %d, but the 3 parts have %d tensors", (int)info.n_tensors,
             (int)info.n_tensors - 1);
    refuse_part(&s, 2, b, EINF_E_FORMAT, "split.tensors.count", says);

    gguf_build *more = part(&s, 1); /* the last one twice, the sum right */
    gguf_build_tensor(more, t.name, 0, 1, (uint64_t[]){ 8 }, NULL, 32);
    for (uint32_t no = 0; no < N_PARTS; no++) {
        gguf_build *p = no == 1 ? more : part(&s, no);
        gguf_build_drop_kv(p, "split.tensors.count");
        gguf_build_i32(p, "split.tensors.count", (int32_t)info.n_tensors + 1);
        gguf_shard_write(p, s.dir, "m", no, N_PARTS);
    }
    refuse(&s, s.first, EINF_E_FORMAT, t.name, "part 2 and part 3 of 3 both have the tensor", NULL);
    split_end(&s);
}

/* ---------------------------------------------------------------------------------- what is taken all the same -- */

/* A count of 1 is one file; a count of 0 is what gguf-split --merge leaves behind. */
static void test_single_counts(void **state)
{
    split_fixture s;
    (void)state;
    split_begin(&s);
    for (uint16_t count = 0; count <= 1; count++) {
        size_t n;
        einf_model_info info = EINF_INIT(einf_model_info);
        gguf_build *b = gguf_shard(s.whole, s.whole_bytes, 0, 1, true);
        gguf_build_drop_kv(b, "split.count");
        gguf_build_u16(b, "split.count", count);
        uint8_t *file = gguf_build_finish(b, &n);
        gguf_build_free(&b);
        s.f.err = test_error();
        assert_ok(einf_model_open_memory(s.f.rt, file, n, NULL, &s.f.m, &s.f.err), &s.f.err);
        assert_ok(einf_model_get_info(s.f.m, &info, &s.f.err), &s.f.err);
        assert_int_equal(info.n_files, 1);
        assert_ok(einf_model_close(&s.f.m, &s.f.err), &s.f.err);
        free(file);
    }
    split_end(&s);
}

/* Other widths of the numbers, no count of tensors, a path with turns in it. */
static void test_lenient(void **state)
{
    split_fixture s;
    char turns[512];
    (void)state;
    split_begin(&s);
    for (uint32_t no = 0; no < N_PARTS; no++) {
        gguf_build *b = part(&s, no);
        gguf_build_drop_kv(b, "split.tensors.count");
        gguf_build_drop_kv(b, "split.no");
        gguf_build_u64(b, "split.no", no);
        gguf_shard_write(b, s.dir, "m", no, N_PARTS);
    }
    (void)snprintf(turns, sizeof turns, "%s/../%s/./m-00001-of-00003.gguf", s.dir, strrchr(s.dir, '/') + 1);
    assert_ok(open_mode(&s, turns, 0, 0), &s.f.err);
    split_end(&s);
}

/* ----------------------------------------------------------------------------------- progress, cancel, memory -- */

typedef struct watch {
    uint64_t last, total;
    int n_calls, stop_at; /* the call that cancels, 0: none */
} watch;

static int32_t on_progress(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    watch *w = user;
    assert_int_equal(phase, EINF_PHASE_LOAD);
    assert_true(done >= w->last && done <= total);
    assert_true(w->total == 0 || w->total == total);
    w->last = done;
    w->total = total;
    return ++w->n_calls == w->stop_at;
}

static void test_progress_and_cancel(void **state)
{
    split_fixture s;
    (void)state;
    split_begin(&s);
    einf_model_config c = EINF_INIT(einf_model_config);
    watch w = { 0 };
    c.mode = EINF_MODE_READ;
    c.progress = on_progress;
    c.progress_user = &w;
    assert_ok(einf_model_open(s.f.rt, s.first, &c, &s.f.m, &s.f.err), &s.f.err);
    assert_int_equal(w.n_calls, N_PARTS + 1);
    assert_int_equal(w.last, w.total);
    assert_ok(einf_model_close(&s.f.m, &s.f.err), &s.f.err);
    for (int stop_at = 1; stop_at <= N_PARTS + 1; stop_at++) {
        w = (watch){ .stop_at = stop_at };
        s.f.err = test_error();
        assert_status(einf_model_open(s.f.rt, s.first, &c, &s.f.m, &s.f.err), &s.f.err, EINF_E_CANCELLED);
        assert_int_equal(w.n_calls, stop_at);
    }
    assert_error_says(&s.f.err, "cancel");
    split_end(&s);
}

static void test_each_allocation_fails(void **state)
{
    split_fixture s;
    (void)state;
    split_begin(&s);
    for (uint64_t n = 1;; n++) {
        const uint64_t n_live = s.f.heap.n_live;
        s.f.heap.fail_at = s.f.heap.n_calls + n;
        const einf_status status = open_mode(&s, s.first, EINF_MODE_READ, 0);
        s.f.heap.fail_at = 0;
        if (status == EINF_OK) {
            assert_true(n > 10);
            break;
        }
        assert_status(status, &s.f.err, EINF_E_NOMEM);
        assert_int_equal(s.f.heap.n_live, n_live);
    }
    split_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_whole),
        cmocka_unit_test(test_small_world),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_wrong_entry),
        cmocka_unit_test(test_missing_part),
        cmocka_unit_test(test_wrong_places),
        cmocka_unit_test(test_other_model),
        cmocka_unit_test(test_wrong_tensors),
        cmocka_unit_test(test_single_counts),
        cmocka_unit_test(test_lenient),
        cmocka_unit_test(test_progress_and_cancel),
        cmocka_unit_test(test_each_allocation_fails),
    };
    return cmocka_run_group_tests_name("api_split", tests, NULL, NULL);
}
