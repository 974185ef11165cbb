/* SPDX-License-Identifier: MIT
 * test_gguf_source.c - where bytes come from: every way in, what is no file, changes underfoot, progress and cancel.
 * Failures of system calls are in test_gguf_source_faults.c. H-numbers: the checklist of hostile inputs.
 */
#include "tests/unit/gguf/gguf_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/base/cpu.h"

static const int32_t modes[] = { EINF_MODE_MAP, EINF_MODE_READ, EINF_MODE_HUGE };

typedef struct folder {
    char *dir, *path; /* path: of "m.gguf" in it */
    test_heap heap;
    einf__memory mem;
    einf__source source;
    einf_error err;
} folder;

static void folder_begin(folder *f)
{
    memset(f, 0, sizeof *f);
    f->dir = test_temp_dir();
    f->path = test_path(f->dir, "m.gguf");
    test_heap_init(&f->heap, 0);
    einf__memory_init(&f->mem, &f->heap.allocator, 0);
    f->err = test_error();
}

static void folder_end(folder *f)
{
    einf__source_close(&f->source);
    einf__source_close(&f->source); /* accepts a zeroed one */
    assert_int_equal(f->heap.n_live, 0);
    assert_int_equal(f->mem.used_bytes, 0);
    free(f->path);
    test_temp_remove(&f->dir);
}

static einf_status open_path(folder *f, const char *path, int32_t mode)
{
    const einf__source_options o = { .mode = mode };
    f->err = test_error();
    return einf__source_open_path(&f->mem, path, &o, &f->source, &f->err);
}

/* The lowest free descriptor: unchanged when nothing leaked. */
static int next_fd(void)
{
    const int fd = open("/dev/null", O_RDONLY);
    close(fd);
    return fd;
}

static uint8_t *pattern(size_t n)
{
    uint8_t *p = malloc(n);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(i * 31 + i / 251);
    return p;
}

/* --------------------------------------------------------------------------------------------------- ways in -- */

static void test_path_and_modes(void **state)
{
    (void)state;
    enum { N = 3 * 1024 * 1024 + 17 }; /* several pieces, the last a partial one */
    folder f;
    folder_begin(&f);
    uint8_t *bytes = pattern(N);
    test_write_file(f.path, bytes, N);
    for (size_t m = 0; m < TEST_COUNT(modes); m++) {
        const int fd = next_fd();
        assert_ok(open_path(&f, f.path, modes[m]), &f.err);
        assert_int_equal(next_fd(), fd);
        assert_int_equal(f.source.size_bytes, N);
        assert_memory_equal(f.source.data, bytes, N);
        assert_int_equal(f.heap.live_bytes, modes[m] == EINF_MODE_READ ? N : 0);
        assert_int_equal(f.mem.used_bytes, modes[m] == EINF_MODE_MAP ? 0 : N); /* counted, whoever gave it */
        assert_int_equal(einf__source_is_copy(&f.source), modes[m] != EINF_MODE_MAP);
        einf__source_close(&f.source);
        assert_null(f.source.data);
        assert_int_equal(f.mem.used_bytes, 0);
    }
    assert_status(open_path(&f, f.path, 3), &f.err, EINF_E_ARG);
    assert_error_says(&f.err, "mode is 3");
    assert_error_says(&f.err, "2 (huge)");
    assert_status(open_path(&f, NULL, 0), &f.err, EINF_E_ARG);
    free(bytes);
    folder_end(&f);
}

/* A part of a larger file, at offsets around the page size; the descriptor is neither moved nor needed afterwards. */
static void test_part_of_descriptor(void **state)
{
    (void)state;
    const size_t page = (size_t)einf__page_bytes();
    const size_t offsets[] = { 0, 1, 100, page - 1, page, page + 1, 3 * page + 7, 70001 };
    size_t model_bytes;
    gguf_build *b = small_file();
    uint8_t *model = gguf_build_finish(b, &model_bytes);
    gguf_build_free(&b);
    for (size_t i = 0; i < TEST_COUNT(offsets); i++) {
        for (size_t k = 0; k < 4; k++) {
            const bool to_end = k >= 2; /* length 0 */
            const size_t n_bytes = offsets[i] + model_bytes + (to_end ? 0 : 999);
            folder f;
            folder_begin(&f);
            uint8_t *bytes = pattern(n_bytes);
            memcpy(bytes + offsets[i], model, model_bytes);
            test_write_file(f.path, bytes, n_bytes);
            free(bytes);

            const int fd = open(f.path, O_RDONLY);
            assert_true(fd >= 0);
            assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
            const einf__source_options o = { .mode = modes[k % 2] };
            assert_ok(einf__source_open_fd(&f.mem, fd, offsets[i], to_end ? 0 : model_bytes, &o, &f.source, &f.err),
                      &f.err);
            assert_int_equal(lseek(fd, 0, SEEK_CUR), 5);
            close(fd);
            assert_int_equal(f.source.size_bytes, model_bytes);
            assert_memory_equal(f.source.data, model, model_bytes);
            einf__gguf g;
            assert_ok(einf__gguf_parse(&f.mem, &f.source, &g, &f.err), &f.err);
            assert_int_equal(g.n_tensors, 3);
            einf__gguf_deinit(&g);
            folder_end(&f);
        }
    }
    free(model);
}

static void test_part_out_of_range(void **state)
{
    static const struct { uint64_t offset, length; einf_status status; const char *where, *text; } cases[] = {
        { 1000, 0, EINF_E_ARG, "offset_bytes", "offset 1000 is not inside the file of 1000 bytes" },
        { 1001, 0, EINF_E_ARG, "offset_bytes", "offset 1001" },
        { UINT64_MAX, 1, EINF_E_ARG, "offset_bytes", "offset 18446744073709551615" },
        { 0, 1001, EINF_E_ARG, "length_bytes", "1001 bytes from offset 0 go beyond the file of 1000 bytes" },
        { 999, 2, EINF_E_ARG, "length_bytes", "2 bytes from offset 999" },
        { 1, UINT64_MAX, EINF_E_ARG, "length_bytes", "18446744073709551615 bytes from offset 1" },
    };
    (void)state;
    folder f;
    folder_begin(&f);
    uint8_t *bytes = pattern(1000);
    test_write_file(f.path, bytes, 1000);
    free(bytes);
    const int fd = open(f.path, O_RDONLY);
    for (size_t i = 0; i < TEST_COUNT(cases) * 2; i++) {
        const einf__source_options o = { .mode = modes[i % 2] };
        f.err = test_error();
        assert_status(einf__source_open_fd(&f.mem, fd, cases[i / 2].offset, cases[i / 2].length, &o, &f.source, &f.err),
                      &f.err, cases[i / 2].status);
        assert_string_equal(f.err.where, cases[i / 2].where);
        assert_error_says(&f.err, cases[i / 2].text);
        assert_null(f.source.data);
    }
    close(fd);
    folder_end(&f);
}

static void test_memory(void **state)
{
    (void)state;
    static const uint8_t bytes[10] = { 1 };
    einf_error err = test_error();
    einf__source s;
    assert_ok(einf__source_open_memory(bytes, 10, &s, &err), &err);
    assert_ptr_equal(s.data, bytes);
    assert_int_equal(s.size_bytes, 10);
    einf__source_close(&s);
    assert_status(einf__source_open_memory(NULL, 10, &s, &err), &err, EINF_E_ARG);
    err = test_error();
    assert_status(einf__source_open_memory(bytes, 0, &s, &err), &err, EINF_E_FORMAT); /* H-001 */
    assert_error_says(&err, "empty");
}

/* ----------------------------------------------------------------------------------------------- what is no file -- */

static void expect_no_file(folder *f, const char *path, einf_status status, const char *text)
{
    for (size_t m = 0; m < TEST_COUNT(modes); m++) {
        const int fd = next_fd();
        assert_status(open_path(f, path, modes[m]), &f->err, status);
        assert_error_says(&f->err, text);
        assert_null(f->source.data);
        assert_int_equal(next_fd(), fd);
    }
}

/* H-001, H-007: none of these may block. */
static void test_no_regular_file(void **state)
{
    (void)state;
    folder f;
    folder_begin(&f);
    test_write_file(f.path, "", 0);
    expect_no_file(&f, f.path, EINF_E_FORMAT, "the file is empty");
    expect_no_file(&f, f.dir, EINF_E_FORMAT, "a directory");
    expect_no_file(&f, "/dev/zero", EINF_E_FORMAT, "a character device: /dev/zero");
    expect_no_file(&f, "/dev/random", EINF_E_FORMAT, "a character device");

    char *path = test_path(f.dir, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_no_file(&f, path, EINF_E_FORMAT, "a pipe");
    free(path);

    path = test_path(f.dir, "link");
    assert_int_equal(symlink("nowhere", path), 0);
    expect_no_file(&f, path, EINF_E_IO, "leads nowhere");
    free(path);

    path = test_path(f.dir, "loop");
    assert_int_equal(symlink("loop", path), 0);
    expect_no_file(&f, path, EINF_E_IO, "too many symbolic links");
    free(path);

    path = test_path(f.dir, "socket");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(s >= 0 && strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(s, (const struct sockaddr *)&address, sizeof address), 0);
    expect_no_file(&f, path, EINF_E_FORMAT, "a socket");
    close(s);
    free(path);

    path = test_path(f.dir, "missing.gguf");
    expect_no_file(&f, path, EINF_E_IO, "no such file or directory");
    assert_error_says(&f.err, "missing.gguf");
    assert_string_equal(f.err.where, "path");
    free(path);
    path = test_path(f.path, "below-a-file");
    expect_no_file(&f, path, EINF_E_IO, "no directory");
    free(path);
    expect_no_file(&f, "", EINF_E_IO, "no such file or directory");

    char *long_path = malloc(5001);
    assert_non_null(long_path);
    memset(long_path, 'x', 5000);
    long_path[5000] = '\0';
    expect_no_file(&f, long_path, EINF_E_IO, "the path is too long");
    free(long_path);
    folder_end(&f);
}

static void test_descriptors_that_are_no_file(void **state)
{
    (void)state;
    folder f;
    folder_begin(&f);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const int zero = open("/dev/zero", O_RDONLY), dir = open(f.dir, O_RDONLY), bad = 1000000;
    const struct { int fd; einf_status status; const char *text; } cases[] = {
        { ends[0], EINF_E_FORMAT, "a pipe" },
        { zero, EINF_E_FORMAT, "a character device" },
        { dir, EINF_E_FORMAT, "a directory" },
        { bad, EINF_E_IO, "not a descriptor" },
        { -1, EINF_E_IO, "not a descriptor" },
    };
    for (size_t i = 0; i < TEST_COUNT(cases) * 2; i++) {
        const einf__source_options o = { .mode = modes[i % 2] };
        f.err = test_error();
        assert_status(einf__source_open_fd(&f.mem, cases[i / 2].fd, 0, 0, &o, &f.source, &f.err), &f.err,
                      cases[i / 2].status);
        assert_error_says(&f.err, cases[i / 2].text);
        assert_string_equal(f.err.where, "fd");
    }
    close(ends[0]);
    close(ends[1]);
    close(zero);
    close(dir);
    folder_end(&f);
}

/* A descriptor that may only write. */
static void test_write_only_descriptor(void **state)
{
    (void)state;
    folder f;
    folder_begin(&f);
    test_write_file(f.path, "some text", 9);
    const int fd = open(f.path, O_WRONLY);
    for (size_t m = 0; m < TEST_COUNT(modes); m++) {
        const einf__source_options o = { .mode = modes[m] };
        f.err = test_error();
        assert_status(einf__source_open_fd(&f.mem, fd, 0, 0, &o, &f.source, &f.err), &f.err, EINF_E_IO);
        assert_error_says(&f.err, modes[m] == EINF_MODE_MAP ? "permission" : "not a descriptor open for reading");
    }
    close(fd);
    folder_end(&f);
}

/* --------------------------------------------------------------------------------------------------- limits -- */

/* H-008, H-111: 1 TiB, nearly all of it a hole, behind a right header. 64 GiB under QEMU, which notes every page. */
static void test_sparse_file(void **state)
{
    (void)state;
    size_t n_bytes;
    folder f;
    folder_begin(&f);
    gguf_build *b = small_file();
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    test_write_file(f.path, file, n_bytes);
    free(file);
    const off_t size = (off_t)1 << (test_is_emulated() ? 36 : 40);
    char decimal[32];
    snprintf(decimal, sizeof decimal, "%lld", (long long)size);
    if (truncate(f.path, size) != 0) {
        printf("SKIP: the temporary folder cannot hold a sparse file of %s bytes\n", decimal);
        folder_end(&f);
        return;
    }
    const einf_status status = open_path(&f, f.path, EINF_MODE_MAP);
    if (status == EINF_OK) {
        einf__gguf g;
        assert_ok(einf__gguf_parse(&f.mem, &f.source, &g, &f.err), &f.err);
        assert_int_equal(g.n_tensors, 3);
        einf__gguf_deinit(&g);
        einf__source_close(&f.source);
    } else {
        assert_status(status, &f.err, EINF_E_NOMEM);
    }
    einf__memory_init(&f.mem, &f.heap.allocator, (uint64_t)64 << 20);
    assert_status(open_path(&f, f.path, EINF_MODE_READ), &f.err, EINF_E_LIMIT);
    assert_error_says(&f.err, decimal);
    assert_int_equal(f.heap.peak_bytes < (uint64_t)1 << 20, true);
    folder_end(&f);
}

/* The ceiling holds for pages that come from the system, and nothing is read beyond it. */
static void test_huge_under_a_ceiling(void **state)
{
    (void)state;
    enum { N = 5 * 1024 * 1024 };
    folder f;
    folder_begin(&f);
    uint8_t *bytes = pattern(N);
    test_write_file(f.path, bytes, N);
    free(bytes);
    einf__memory_init(&f.mem, &f.heap.allocator, N - 1);
    assert_status(open_path(&f, f.path, EINF_MODE_HUGE), &f.err, EINF_E_LIMIT);
    assert_error_says(&f.err, "mode=huge) needs 5242880 bytes");
    assert_error_says(&f.err, "of the limit of 5242879");
    assert_int_equal(f.mem.used_bytes, 0);
    einf__memory_init(&f.mem, &f.heap.allocator, N);
    assert_ok(open_path(&f, f.path, EINF_MODE_HUGE), &f.err);
    assert_int_equal(f.mem.peak_bytes, N);
    assert_null(einf__alloc(&f.mem, 1)); /* all of it is in use */
    einf__source_close(&f.source);
    einf__source_close(&f.source);
    assert_int_equal(f.mem.used_bytes, 0);
    assert_int_equal(f.heap.n_calls, 0);
    folder_end(&f);
}

/* Kilobytes of huge pages in the mapping that holds p; -1 when the system does not tell. */
static long huge_kib_at(const void *p)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool here = false;
    long kib = -1;
    if (!smaps) return -1;
    while (kib < 0 && fgets(line, sizeof line, smaps)) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2) here = (uintptr_t)p >= begin && (uintptr_t)p < end;
        else if (here && strncmp(line, "AnonHugePages:", 14) == 0) kib = strtol(line + 14, NULL, 10);
    }
    (void)fclose(smaps);
    return kib;
}

static void test_huge_pages_are_had(void **state)
{
    (void)state;
    enum { N = 33 * 1024 * 1024 };
    folder f;
    if (test_has_asan() || test_has_tsan() || test_is_emulated() || einf__page_bytes() != 4096) {
        printf("SKIP: huge pages are looked for on a plain system with pages of 4 KiB\n");
        return;
    }
    folder_begin(&f);
    uint8_t *bytes = pattern(N);
    test_write_file(f.path, bytes, N);
    assert_ok(open_path(&f, f.path, EINF_MODE_HUGE), &f.err);
    assert_memory_equal(f.source.data, bytes, N);
    assert_int_equal((uintptr_t)f.source.data % (2 << 20), 0);
    const long kib = huge_kib_at(f.source.data);
    if (f.source.huge_refused || kib <= 0)
        printf("SKIP: this system %s huge pages\n", f.source.huge_refused ? "refuses" : "promises and has no");
    else assert_true(kib <= 32 * 1024); /* the last MiB lies in small pages */
    free(bytes);
    folder_end(&f);
}

static void test_address_space(void **state)
{
    (void)state;
    if (test_has_asan() || test_has_tsan()) return; /* shadow memory is larger than any limit worth setting */
    if (test_is_emulated()) {
        printf("SKIP: no limit on address space holds under QEMU\n");
        return;
    }
    folder f;
    folder_begin(&f);
    test_write_file(f.path, "GGUF", 4);
    assert_int_equal(truncate(f.path, (off_t)1 << 30), 0);
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)256 << 20;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    const einf_status mapped = open_path(&f, f.path, EINF_MODE_MAP);
    const einf_error map_err = f.err;
    const einf_status read = open_path(&f, f.path, EINF_MODE_READ);
    const einf_error read_err = f.err;
    const einf_status huge = open_path(&f, f.path, EINF_MODE_HUGE);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_status(mapped, &map_err, EINF_E_NOMEM);
    assert_error_says(&map_err, "no address space to map 1073741824 bytes");
    assert_status(read, &read_err, EINF_E_NOMEM);
    assert_error_says(&read_err, "1073741824");
    assert_status(huge, &f.err, EINF_E_NOMEM);
    assert_error_says(&f.err, "mode=huge");
    folder_end(&f);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    folder f;
    folder_begin(&f);
    uint8_t *bytes = pattern(5000);
    test_write_file(f.path, bytes, 5000);
    free(bytes);
    f.heap.fail_at = 1;
    const int fd = next_fd();
    assert_status(open_path(&f, f.path, EINF_MODE_READ), &f.err, EINF_E_NOMEM);
    assert_int_equal(next_fd(), fd);
    assert_ok(open_path(&f, f.path, EINF_MODE_READ), &f.err); /* the second call succeeds: that was the only one */
    einf__source_close(&f.source);
    f.heap.fail_at = f.heap.n_calls + 1;
    assert_ok(open_path(&f, f.path, EINF_MODE_MAP), &f.err); /* which allocates nothing */
    folder_end(&f);
}

/* -------------------------------------------------------------------------------------- while others write to it -- */

/* H-009: a copy does not mind. */
static void test_truncated_after_reading(void **state)
{
    (void)state;
    size_t n_bytes;
    folder f;
    folder_begin(&f);
    gguf_build *b = small_file();
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    test_write_file(f.path, file, n_bytes);
    assert_ok(open_path(&f, f.path, EINF_MODE_READ), &f.err);
    assert_int_equal(truncate(f.path, 0), 0);
    assert_memory_equal(f.source.data, file, n_bytes);
    einf__gguf g;
    assert_ok(einf__gguf_parse(&f.mem, &f.source, &g, &f.err), &f.err);
    einf__gguf_deinit(&g);
    free(file);
    folder_end(&f);
}

/* H-010: another file takes the name; the mapping keeps the one it has. */
static void test_replaced_while_mapped(void **state)
{
    (void)state;
    size_t n_bytes;
    folder f;
    folder_begin(&f);
    gguf_build *b = small_file();
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    test_write_file(f.path, file, n_bytes);
    assert_ok(open_path(&f, f.path, EINF_MODE_MAP), &f.err);
    char *other = test_path(f.dir, "other");
    test_write_file(other, "short", 5);
    assert_int_equal(rename(other, f.path), 0);
    free(other);
    assert_memory_equal(f.source.data, file, n_bytes);
    free(file);
    folder_end(&f);
}

typedef struct watch {
    const char *truncate_path; /* shorten the file at the second call */
    einf_cancel *cancel;       /* set at the second call */
    int stop_at;               /* answer "cancel" at this call */
    int n_calls;
    uint64_t last, total;
} watch;

static int32_t on_progress(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    watch *w = user;
    w->n_calls++;
    assert_int_equal(phase, EINF_PHASE_LOAD);
    assert_true(done > w->last && done <= total);
    w->last = done;
    w->total = total;
    if (w->n_calls == 2 && w->truncate_path) assert_int_equal(truncate(w->truncate_path, 2500000), 0);
    if (w->n_calls == 2 && w->cancel) atomic_store(&w->cancel->set, 1);
    return w->n_calls == w->stop_at;
}

enum { WATCHED_BYTES = 5 * 1024 * 1024 + 1 };

static einf_status open_watched(folder *f, watch *w)
{
    const einf__source_options o = { .mode = EINF_MODE_READ, .cancel = w->cancel, .progress = on_progress,
                                     .progress_user = w };
    f->err = test_error();
    return einf__source_open_path(&f->mem, f->path, &o, &f->source, &f->err);
}

static void test_progress_and_cancel(void **state)
{
    (void)state;
    folder f;
    folder_begin(&f);
    uint8_t *bytes = pattern(WATCHED_BYTES);
    test_write_file(f.path, bytes, WATCHED_BYTES);
    free(bytes);

    watch w = { 0 };
    assert_ok(open_watched(&f, &w), &f.err);
    assert_int_equal(w.last, WATCHED_BYTES);
    assert_int_equal(w.total, WATCHED_BYTES);
    assert_true(w.n_calls >= 5); /* pieces of at most a MiB */
    einf__source_close(&f.source);

    const int n_pieces = w.n_calls;
    for (int stop_at = 1; stop_at <= n_pieces; stop_at++) {
        w = (watch){ .stop_at = stop_at };
        assert_status(open_watched(&f, &w), &f.err, EINF_E_CANCELLED);
        assert_int_equal(w.n_calls, stop_at);
        assert_int_equal(f.err.offset, w.last);
        assert_int_equal(f.heap.n_live, 0);
        assert_null(f.source.data);
    }

    einf_cancel cancel = { 0 };
    w = (watch){ .cancel = &cancel };
    assert_status(open_watched(&f, &w), &f.err, EINF_E_CANCELLED);
    assert_int_equal(w.n_calls, 2);
    assert_error_says(&f.err, "of 5242881 bytes");

    /* Set before: both modes notice, and nothing is read. */
    for (size_t m = 0; m < TEST_COUNT(modes); m++) {
        w = (watch){ 0 };
        const einf__source_options o = { .mode = modes[m], .cancel = &cancel, .progress = on_progress,
                                         .progress_user = &w };
        f.err = test_error();
        assert_status(einf__source_open_path(&f.mem, f.path, &o, &f.source, &f.err), &f.err, EINF_E_CANCELLED);
        assert_int_equal(w.n_calls, 0);
    }
    folder_end(&f);
}

static void test_shrinks_while_read(void **state)
{
    (void)state;
    folder f;
    folder_begin(&f);
    uint8_t *bytes = pattern(WATCHED_BYTES);
    test_write_file(f.path, bytes, WATCHED_BYTES);
    free(bytes);
    watch w = { .truncate_path = f.path };
    assert_status(open_watched(&f, &w), &f.err, EINF_E_IO);
    assert_error_says(&f.err, "the file shrank while it was read: it ends at 2500000");
    assert_int_equal(f.err.offset, 2500000);
    folder_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_and_modes),
        cmocka_unit_test(test_part_of_descriptor),
        cmocka_unit_test(test_part_out_of_range),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_no_regular_file),
        cmocka_unit_test(test_descriptors_that_are_no_file),
        cmocka_unit_test(test_write_only_descriptor),
        cmocka_unit_test(test_sparse_file),
        cmocka_unit_test(test_huge_under_a_ceiling),
        cmocka_unit_test(test_huge_pages_are_had),
        cmocka_unit_test(test_address_space),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_truncated_after_reading),
        cmocka_unit_test(test_replaced_while_mapped),
        cmocka_unit_test(test_progress_and_cancel),
        cmocka_unit_test(test_shrinks_while_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
