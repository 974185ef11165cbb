/* SPDX-License-Identifier: MIT
 * test_state_faults.c - saving and loading when system calls fail, are interrupted, give less than was asked for, or
 * when the file changes between the two passes (H-090).
 *
 * state_io.c is compiled here a second time with its system calls led through counters; the linker then leaves the
 * library's own copy aside. The files are real.
 */
#include "tests/unit/decode/decode_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum call { OPEN, WRITE, FSYNC, CLOSE, RENAME, READ, FSTAT, N_CALLS };

static struct {
    int n[N_CALLS];
    int fail_at[N_CALLS]; /* this call, from 1, fails with the code; 0: none */
    int code;
    int eintr_every;      /* every so manieth write, read and open of a part is interrupted */
    size_t most_at_once;  /* of a write or read; 0: all */
    int n_open;           /* descriptors open now */
    int change_at;        /* before this read the file is another */
    const char *change_path;
    off_t change_offset;  /* -1: it is cut to half */
} sys;

static bool fails(enum call c)
{
    const int n = ++sys.n[c];
    if (sys.eintr_every && (c == OPEN || c == WRITE || c == READ) && n % sys.eintr_every == 0) {
        errno = EINTR;
        return true;
    }
    errno = sys.code;
    return n == sys.fail_at[c];
}

static int fake_open(const char *path, int flags, mode_t mode)
{
    if (fails(OPEN)) return -1;
    const int fd = open(path, flags, mode);
    sys.n_open += fd >= 0;
    return fd;
}

static int fake_close(int fd)
{
    sys.n_open--;
    const int result = close(fd);
    return fails(CLOSE) ? -1 : result;
}

static ssize_t fake_write(int fd, const void *p, size_t n)
{
    if (fails(WRITE)) return -1;
    return write(fd, p, sys.most_at_once && n > sys.most_at_once ? sys.most_at_once : n);
}

static void change_file(void)
{
    struct stat st;
    uint8_t byte;
    const int fd = open(sys.change_path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    if (sys.change_offset < 0) {
        assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
    } else {
        assert_int_equal(pread(fd, &byte, 1, sys.change_offset), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, sys.change_offset), 1);
    }
    (void)close(fd);
}

static ssize_t fake_pread(int fd, void *p, size_t n, off_t at)
{
    if (fails(READ)) return -1;
    if (sys.n[READ] == sys.change_at) change_file();
    return pread(fd, p, sys.most_at_once && n > sys.most_at_once ? sys.most_at_once : n, at);
}

static int fake_fsync(int fd) { return fails(FSYNC) ? -1 : fsync(fd); }
static int fake_rename(const char *from, const char *to) { return fails(RENAME) ? -1 : rename(from, to); }
static int fake_fstat(int fd, struct stat *st) { return fails(FSTAT) ? -1 : fstat(fd, st); }

#define FIRST_OF_3(a, b, c, ...) a, b, c
#define open(...) fake_open(FIRST_OF_3(__VA_ARGS__, 0, 0))
#define close(fd) fake_close(fd)
#define write(fd, p, n) fake_write(fd, p, n)
#define pread(fd, p, n, at) fake_pread(fd, p, n, at)
#define fsync(fd) fake_fsync(fd)
#define rename(from, to) fake_rename(from, to)
#define fstat(fd, st) fake_fstat(fd, st)
#include "engine/decode/state_io.c"
#undef open
#undef close
#undef write
#undef pread
#undef fsync
#undef rename
#undef fstat

#include "engine/decode/state_file.h"

enum { N = 30, MODEL = 7 };

static struct {
    fixture f;
    timeline a, b; /* b is loaded into */
    char *dir, *path;
    int32_t *ids;
    uint8_t *older;
    size_t n_older;
} w;

static int set_up(void **state)
{
    (void)state;
    model_spec s = model_preset(MODEL_QWEN2);
    s.vocab = MODEL_NO_VOCAB;
    s.n_layer = 10; /* states of several pieces */
    model_set_heads(&s, 4, 2);
    model_set_ff(&s, 64);
    einf_session_config c = EINF_INIT(einf_session_config);
    c.kv_type = EINF_KV_F32;
    memset(&sys, 0, sizeof sys);
    fixture_open(&w.f, &s, 1, ~0u);
    timeline_open(&w.a, &w.f, &c);
    timeline_open(&w.b, &w.f, &c);
    w.dir = test_temp_dir();
    w.path = test_path(w.dir, "saved");
    w.ids = random_ids(&w.f, N + 8, 3);
    append_ids(&w.a, w.ids, 3, NULL);
    assert_ok(einf__state_save(&w.a.t, MODEL, w.path, &w.f.err), &w.f.err);
    w.older = test_read_file(w.path, &w.n_older);
    append_ids(&w.a, w.ids + 3, N - 3, NULL);
    append_ids(&w.b, w.ids + 5, 9, NULL);
    memset(&sys, 0, sizeof sys);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(w.ids);
    free(w.older);
    free(w.path);
    test_temp_remove(&w.dir);
    timeline_close(&w.a);
    timeline_close(&w.b);
    fixture_close(&w.f);
    return sys.n_open != 0;
}

static einf_status save(void)
{
    w.f.err = test_error();
    return einf__state_save(&w.a.t, MODEL, w.path, &w.f.err);
}

static einf_status load(void)
{
    w.f.err = test_error();
    return einf__state_load(&w.b.t, MODEL, w.path, &w.f.err);
}

static int n_files(void)
{
    int n = 0;
    DIR *d = opendir(w.dir);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void assert_older_stays(void)
{
    size_t n;
    uint8_t *now = test_read_file(w.path, &n);
    assert_int_equal(n, w.n_older);
    assert_memory_equal(now, w.older, n);
    free(now);
    assert_int_equal(n_files(), 1);
    assert_int_equal(sys.n_open, 0);
}

static void test_every_call_of_saving_fails(void **state)
{
    static const struct { enum call call; const char *says; } calls[] = {
        { OPEN, "cannot create a file beside: the disk is full" }, { WRITE, "cannot write the file: the disk is full" },
        { FSYNC, "cannot bring the file to the disk: the disk is full" },
        { CLOSE, "cannot close the file: the disk is full" },
        { RENAME, "cannot put the file in its place: the disk is full" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(calls); i++) {
        const enum call c = calls[i].call;
        int n = 0;
        for (int at = 1;; at++) {
            memset(&sys, 0, sizeof sys);
            sys.code = ENOSPC;
            sys.fail_at[c] = at;
            /* the second fsync and close, and the third of open, are of the folder, behind the rename */
            if ((c == FSYNC || c == CLOSE || c == OPEN) && at == 2) break;
            const einf_status status = save();
            if (status == EINF_OK) break;
            assert_status(status, &w.f.err, EINF_E_IO);
            assert_error_says(&w.f.err, calls[i].says);
            assert_older_stays();
            n++;
        }
        assert_true(n >= (c == WRITE ? 4 : 1));
        test_write_file(w.path, w.older, w.n_older);
    }
}

/* The file is whole and in its place; only what a power cut would do to its name is unknown. */
static void test_folder_is_not_synced(void **state)
{
    (void)state;
    sys.code = EIO;
    sys.fail_at[FSYNC] = 2;
    assert_status(save(), &w.f.err, EINF_E_IO);
    assert_error_says(&w.f.err, "the finished file's name");
    assert_int_equal(n_files(), 1);
    memset(&sys, 0, sizeof sys);
    assert_ok(load(), &w.f.err);
    assert_int_equal(w.b.t.n_past, N);
    sys.code = EINVAL; /* a file system that has no such thing */
    sys.fail_at[FSYNC] = sys.n[FSYNC] + 2;
    assert_ok(save(), &w.f.err);
}

static void test_interrupted_and_short(void **state)
{
    (void)state;
    sys.eintr_every = 3;
    sys.most_at_once = 1000;
    assert_ok(save(), &w.f.err);
    assert_ok(load(), &w.f.err);
    assert_int_equal(w.b.t.n_past, N);
    assert_memory_equal(w.b.t.logits, w.a.t.logits, w.f.spec.n_vocab * sizeof(float));
    assert_true(sys.n[READ] > 60 && sys.n[WRITE] > 30);
}

/* The session holds what it held, as its next logits show. */
static void assert_b_is_as_it_was(void)
{
    timeline fresh;
    einf_session_config c = EINF_INIT(einf_session_config);
    c.kv_type = EINF_KV_F32;
    assert_int_equal(w.b.t.n_past, 9);
    assert_true(w.b.t.has_logits);
    timeline_open(&fresh, &w.f, &c);
    append_ids(&fresh, w.ids + 5, 9, NULL);
    assert_memory_equal(w.b.t.logits, fresh.t.logits, w.f.spec.n_vocab * sizeof(float));
    append_ids(&fresh, w.ids, 1, NULL);
    append_ids(&w.b, w.ids, 1, NULL);
    assert_memory_equal(w.b.t.logits, fresh.t.logits, w.f.spec.n_vocab * sizeof(float));
    assert_ok(einf__session_rewind(&w.b.t, 0, &w.f.err), &w.f.err);
    append_ids(&w.b, w.ids + 5, 9, NULL);
    timeline_close(&fresh);
}

/* Reads of the first pass fail without trace; those of the second leave an empty session, and say so. */
static void test_every_read_fails(void **state)
{
    (void)state;
    assert_ok(save(), &w.f.err);
    int n_first = 0, n_second = 0;
    for (int at = 1;; at++) {
        memset(&sys, 0, sizeof sys);
        sys.code = EIO;
        sys.fail_at[READ] = at;
        const einf_status status = load();
        if (status == EINF_OK) break;
        assert_status(status, &w.f.err, EINF_E_IO);
        assert_error_says(&w.f.err, "cannot read the file: the device reports an input/output error");
        assert_int_equal(sys.n_open, 0);
        if (w.b.t.n_past == 9) {
            assert_int_equal(n_second, 0);
            n_first++;
            assert_b_is_as_it_was();
            continue;
        }
        assert_int_equal(w.b.t.n_past, 0);
        assert_false(w.b.t.has_logits);
        assert_error_says(&w.f.err, "the session is empty now");
        n_second++;
        append_ids(&w.b, w.ids + 5, 9, NULL);
    }
    assert_true(n_first >= 4 && n_second >= 3);
    assert_int_equal(w.b.t.n_past, N);
}

/* Somebody writes into the file while it is loaded: before the hash is known, or after. */
static void test_file_changes(void **state)
{
    size_t n_bytes;
    (void)state;
    assert_ok(save(), &w.f.err);
    uint8_t *file = test_read_file(w.path, &n_bytes);
    memset(&sys, 0, sizeof sys);
    assert_ok(load(), &w.f.err);
    const int n_reads = sys.n[READ];
    const off_t offsets[] = { -1, 150, (off_t)n_bytes - 100 };
    int n_kept = 0, n_emptied = 0;
    for (size_t i = 0; i < TEST_COUNT(offsets); i++) {
        for (int at = 1; at <= n_reads; at++) {
            assert_ok(einf__session_rewind(&w.b.t, 0, &w.f.err), &w.f.err);
            append_ids(&w.b, w.ids + 5, 9, NULL);
            test_write_file(w.path, file, n_bytes);
            memset(&sys, 0, sizeof sys);
            sys.change_at = at;
            sys.change_path = w.path;
            sys.change_offset = offsets[i];
            const einf_status status = load();
            if (status == EINF_OK) { /* too late to matter */
                assert_int_equal(w.b.t.n_past, N);
                assert_memory_equal(w.b.t.logits, w.a.t.logits, w.f.spec.n_vocab * sizeof(float));
                continue;
            }
            assert_true(w.b.t.n_past == 9 || w.b.t.n_past == 0);
            n_kept += w.b.t.n_past == 9;
            n_emptied += w.b.t.n_past == 0;
            if (w.b.t.n_past == 0) assert_error_says(&w.f.err, "the session is empty now");
        }
    }
    assert_true(n_kept > 5 && n_emptied > 2);
    free(file);
}

static void test_open_and_examine_fail(void **state)
{
    (void)state;
    sys.code = EMFILE;
    sys.fail_at[OPEN] = 1;
    assert_status(load(), &w.f.err, EINF_E_IO);
    assert_error_says(&w.f.err, "too many open files");
    sys.fail_at[FSTAT] = 1;
    sys.code = EIO;
    assert_status(load(), &w.f.err, EINF_E_IO);
    assert_error_says(&w.f.err, "cannot examine the file");
    assert_b_is_as_it_was();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_call_of_saving_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folder_is_not_synced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupted_and_short, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_read_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_and_examine_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("state_faults", tests, NULL, NULL);
}
