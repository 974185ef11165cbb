/* SPDX-License-Identifier: MIT
 * test_gguf_source_faults.c - system calls that fail, are interrupted, or give less than was asked for (H-011, H-012).
 *
 * The source file is compiled here a second time with these calls replaced; the linker then leaves the library's own
 * copy aside.
 */
#include "tests/unit/gguf/gguf_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of FILE_BYTES that exists only here. */
enum { FILE_BYTES = 3000000, THE_FD = 77, SETTING_FD = 78 };

static struct {
    int open_errno, stat_errno, fstat_errno, mmap_errno, madvise_errno;
    const char *huge_setting; /* what the system says of huge pages; NULL: nothing */
    size_t advised_bytes, dropped_bytes;
    int n_open_eintr;      /* so many opens are interrupted first */
    size_t most_at_once;   /* a pread gives no more; 0: all */
    int eintr_every;       /* every n-th pread is interrupted */
    off_t fail_from;       /* a pread from there on fails with read_errno; 0: none */
    int read_errno;
    off_t second_size;     /* of the second fstat; 0: the same */
    int n_reads, n_fstats, n_open, n_closed, n_mapped, n_unmapped;
} sys;

static uint8_t content(off_t i) { return (uint8_t)(i * 7 + i / 1000); }

static int answer(int code)
{
    errno = code;
    return code ? -1 : 0;
}

static int fake_stat(const char *path, struct stat *st)
{
    (void)path;
    memset(st, 0, sizeof *st);
    st->st_mode = S_IFREG | 0600;
    st->st_size = FILE_BYTES;
    return answer(sys.stat_errno);
}

static int fake_fstat(int fd, struct stat *st)
{
    assert_int_equal(fd, THE_FD);
    fake_stat("", st);
    if (++sys.n_fstats == 2 && sys.second_size) st->st_size = sys.second_size;
    return answer(sys.fstat_errno);
}

static int fake_open(const char *path, int flags)
{
    if (strncmp(path, "/sys/", 5) == 0) return sys.huge_setting ? SETTING_FD : answer(ENOENT);
    assert_true((flags & O_NONBLOCK) && (flags & O_CLOEXEC));
    if (sys.n_open_eintr-- > 0) return answer(EINTR);
    if (sys.open_errno) return answer(sys.open_errno);
    sys.n_open++;
    return THE_FD;
}

static int fake_close(int fd)
{
    if (fd == SETTING_FD) return 0;
    assert_int_equal(fd, THE_FD);
    sys.n_closed++;
    return 0;
}

static ssize_t fake_pread(int fd, void *to, size_t n, off_t at)
{
    if (fd == SETTING_FD) {
        assert_true(strlen(sys.huge_setting) <= n);
        memcpy(to, sys.huge_setting, strlen(sys.huge_setting));
        return (ssize_t)strlen(sys.huge_setting);
    }
    assert_int_equal(fd, THE_FD);
    sys.n_reads++;
    if (sys.eintr_every && sys.n_reads % sys.eintr_every == 0) return answer(EINTR);
    if (sys.fail_from && at + (off_t)n > sys.fail_from) {
        if (at >= sys.fail_from) return answer(sys.read_errno);
        n = (size_t)(sys.fail_from - at); /* what lies before comes through */
    }
    if (sys.most_at_once && n > sys.most_at_once) n = sys.most_at_once;
    for (size_t i = 0; i < n; i++) ((uint8_t *)to)[i] = content(at + (off_t)i);
    return (ssize_t)n;
}

static uint8_t mapped[FILE_BYTES];
static _Alignas(64) uint8_t pages[(FILE_BYTES) + (2 << 20)];

/* A file, or memory with room to begin at a huge page. */
static void *fake_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    const bool is_file = fd == THE_FD;
    assert_null(at);
    assert_int_equal(protection, is_file ? PROT_READ : PROT_READ | PROT_WRITE);
    assert_int_equal(flags, is_file ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS);
    assert_int_equal(offset, 0);
    assert_int_equal(n, is_file ? FILE_BYTES : sizeof pages);
    if (sys.mmap_errno) {
        errno = sys.mmap_errno;
        return MAP_FAILED;
    }
    sys.n_mapped++;
    return is_file ? mapped : pages;
}

static int fake_munmap(void *at, size_t n)
{
    assert_true(at == mapped || at == pages);
    assert_int_equal(n, at == mapped ? FILE_BYTES : sizeof pages);
    sys.n_unmapped++;
    return 0;
}

static int fake_madvise(void *at, size_t n, int advice)
{
    assert_int_equal(advice, MADV_HUGEPAGE);
    assert_int_equal((uintptr_t)at % (2 << 20), 0);
    sys.advised_bytes += n;
    return answer(sys.madvise_errno);
}

static int fake_fadvise(int fd, off_t at, off_t n, int advice)
{
    assert_int_equal(fd, THE_FD);
    assert_int_equal(advice, POSIX_FADV_DONTNEED);
    assert_int_equal(at, sys.dropped_bytes); /* one piece behind the other */
    sys.dropped_bytes += (size_t)n;
    return EINVAL; /* whose failure matters to nobody */
}

#define stat(path, st) fake_stat(path, st)
#define lstat(path, st) (-1)
#define fstat(fd, st) fake_fstat(fd, st)
#define open(path, flags) fake_open(path, flags)
#define close(fd) fake_close(fd)
#define pread(fd, to, n, at) fake_pread(fd, to, n, at)
#define mmap(at, n, protection, flags, fd, offset) fake_mmap(at, n, protection, flags, fd, offset)
#define munmap(at, n) fake_munmap(at, n)
#define madvise(at, n, advice) fake_madvise(at, n, advice)
#define posix_fadvise(fd, at, n, advice) fake_fadvise(fd, at, n, advice)
#include "engine/gguf/gguf_source.c"

static test_heap heap;
static einf__memory mem;
static einf__source source;
static einf_error err;

static einf_status try_open(int32_t mode)
{
    test_heap_init(&heap, 0);
    einf__memory_init(&mem, &heap.allocator, 0);
    err = test_error();
    const einf__source_options o = { .mode = mode };
    return einf__source_open_path(&mem, "some.gguf", &o, &source, &err);
}

static int set_up(void **state)
{
    (void)state;
    memset(&sys, 0, sizeof sys);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    einf__source_close(&source);
    return sys.n_open != sys.n_closed || sys.n_mapped != sys.n_unmapped || heap.n_live != 0;
}

static void check_contents(void)
{
    assert_int_equal(source.size_bytes, FILE_BYTES);
    for (off_t i = 0; i < FILE_BYTES; i++)
        if (source.data[i] != content(i)) fail_msg("byte %lld differs", (long long)i);
}

static void test_short_reads(void **state)
{
    (void)state;
    sys.most_at_once = 4099;
    assert_ok(try_open(EINF_MODE_READ), &err);
    check_contents();
    assert_true(sys.n_reads >= FILE_BYTES / 4099);
}

static void test_interruptions(void **state)
{
    (void)state;
    sys.n_open_eintr = 3;
    sys.most_at_once = 10007;
    sys.eintr_every = 2;
    assert_ok(try_open(EINF_MODE_READ), &err);
    check_contents();
}

/* H-012 */
static void test_read_error(void **state)
{
    (void)state;
    sys.fail_from = 1234567;
    sys.read_errno = EIO;
    assert_status(try_open(EINF_MODE_READ), &err, EINF_E_IO);
    assert_error_says(&err, "cannot read the file: the device reports an input/output error");
    assert_int_equal(err.offset, 1234567);
    assert_null(source.data);
}

/* H-011 and its kin. */
static void test_open_errors(void **state)
{
    static const struct { int code; const char *text; } cases[] = {
        { EACCES, "permission denied: some.gguf" },
        { EMFILE, "too many open files in this process" },
        { ENFILE, "too many open files in the system" },
        { EIO, "input/output error" },
        { ENOENT, "no such file" }, /* removed since we looked */
        { 12345, "system error 12345" },
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        sys.open_errno = cases[i].code;
        sys.stat_errno = 0;
        assert_status(try_open(EINF_MODE_MAP), &err, EINF_E_IO);
        assert_error_says(&err, cases[i].text);
        sys.stat_errno = cases[i].code;
        assert_status(try_open(EINF_MODE_MAP), &err, EINF_E_IO);
        assert_error_says(&err, cases[i].text);
    }
    sys.open_errno = sys.stat_errno = 0;
    sys.fstat_errno = ESTALE;
    assert_status(try_open(EINF_MODE_MAP), &err, EINF_E_IO);
    assert_error_says(&err, "network file system");
}

static void test_map_errors(void **state)
{
    (void)state;
    sys.mmap_errno = ENODEV;
    assert_status(try_open(EINF_MODE_MAP), &err, EINF_E_IO);
    assert_error_says(&err, "mode=read");
    sys.mmap_errno = ENOMEM;
    assert_status(try_open(EINF_MODE_MAP), &err, EINF_E_NOMEM);
    assert_error_says(&err, "map 3000000 bytes");
}

/* Pages of 4 KiB alone: with others a huge page is larger than the file. */
static void test_huge_pages_refused(void **state)
{
    static const struct { int madvise_errno; const char *setting; bool refused; } cases[] = {
        { 0, "always [madvise] never\n", false }, { 0, "[always] madvise never\n", false }, { 0, NULL, false },
        { 0, "always madvise [never]\n", true }, { EINVAL, NULL, true }, { EINVAL, "[always] madvise never\n", true },
    };
    (void)state;
    if (einf__page_bytes() != 4096) {
        printf("SKIP: the numbers are those of pages of 4 KiB\n");
        return;
    }
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        sys.madvise_errno = cases[i].madvise_errno;
        sys.huge_setting = cases[i].setting;
        sys.advised_bytes = sys.dropped_bytes = 0;
        assert_ok(try_open(EINF_MODE_HUGE), &err);
        check_contents();
        assert_int_equal(source.huge_refused, cases[i].refused);
        assert_int_equal(sys.advised_bytes, 2 << 20); /* of 2.86 MiB: no page is larger than what is counted */
        assert_int_equal(sys.dropped_bytes, FILE_BYTES);
        einf__source_close(&source);
    }
}

static void test_huge_errors(void **state)
{
    (void)state;
    if (einf__page_bytes() != 4096) return;
    sys.mmap_errno = ENOMEM;
    assert_status(try_open(EINF_MODE_HUGE), &err, EINF_E_NOMEM);
    assert_error_says(&err, "mode=huge");
    assert_int_equal(mem.used_bytes, 0);
    sys.mmap_errno = 0;
    sys.fail_from = 1234567;
    sys.read_errno = EIO;
    assert_status(try_open(EINF_MODE_HUGE), &err, EINF_E_IO);
    assert_int_equal(err.offset, 1234567);
    assert_int_equal(mem.used_bytes, 0);
    assert_int_equal(sys.n_unmapped, 1);
}

/* Between looking and mapping the file lost its end: the mapping is given back untouched. */
static void test_shrinks_before_mapped(void **state)
{
    (void)state;
    sys.second_size = 100;
    assert_status(try_open(EINF_MODE_MAP), &err, EINF_E_IO);
    assert_error_says(&err, "shrank from 3000000 to 100 bytes");
    assert_int_equal(sys.n_unmapped, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_short_reads), TEST(test_interruptions), TEST(test_read_error),
        TEST(test_open_errors), TEST(test_map_errors), TEST(test_shrinks_before_mapped),
        TEST(test_huge_pages_refused), TEST(test_huge_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
