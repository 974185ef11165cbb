/* SPDX-License-Identifier: MIT
 * test_support.c - see the header. Uses no symbol of the library, so that the tests of every layer can link it.
 */
#include "tests/support/test_support.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------------------------- asserts -- */

einf_error test_error(void)
{
    einf_error err = EINF_INIT(einf_error);
    err.offset = EINF_NO_OFFSET;
    return err;
}

static const char *status_name(einf_status s)
{
    switch (s) {
#define CASE(name, value, text) case value: return "EINF_" #name;
        EINF_STATUS_MAP(CASE)
#undef CASE
    default: return "(no status)";
    }
}

static void show(const einf_error *err)
{
    if (!err) return;
    print_error("  code    %s\n  message %s\n  where   %s\n  hint    %s\n", status_name(err->code), err->message,
                err->where, err->hint);
    if (err->offset != EINF_NO_OFFSET) print_error("  offset  %llu\n", (unsigned long long)err->offset);
}

void test_assert_status(einf_status status, const einf_error *err, einf_status expected, const char *what,
                        const char *file, int line)
{
    const bool told = !err || expected == EINF_OK || (err->code == expected && err->message[0] != '\0');
    if (status == expected && told) return;
    print_error("%s\n  returned %s, expected %s%s\n", what, status_name(status), status_name(expected),
                told ? "" : "; the error struct does not say so");
    show(err);
    _fail(file, line);
}

void test_assert_error_says(const einf_error *err, const char *text, const char *file, int line)
{
    if (strstr(err->message, text) || strstr(err->hint, text)) return;
    print_error("neither message nor hint contains \"%s\"\n", text);
    show(err);
    _fail(file, line);
}

void test_assert_near(double a, double b, double rel, double abs, const char *what, const char *file, int line)
{
    if (fabs(a - b) <= abs + rel * fabs(b)) return; /* false for NaN */
    print_error("%s is %.9g, expected %.9g (difference %.3g)\n", what, a, b, a - b);
    _fail(file, line);
}

/* --------------------------------------------------------------------------------------------------- files -- */

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "test_support: out of memory\n");
        exit(99);
    }
    return p;
}

char *test_path(const char *dir, const char *name)
{
    const size_t n = strlen(dir) + strlen(name) + 2;
    char *path = must(malloc(n));
    snprintf(path, n, "%s/%s", dir, name);
    return path;
}

char *test_data_path(const char *relative)
{
    const char *root = getenv("EINF_TEST_DATA");
    if (!root || !*root) {
        printf("SKIP: EINF_TEST_DATA is not set; %s is needed\n", relative);
        return NULL;
    }
    char *path = test_path(root, relative);
    if (access(path, R_OK) == 0) return path;
    printf("SKIP: no %s in EINF_TEST_DATA\n", relative);
    free(path);
    return NULL;
}

uint8_t *test_read_file(const char *path, size_t *n_bytes)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    size_t n = 0, cap = 1 << 16;
    uint8_t *p = must(malloc(cap));
    for (size_t got; (got = fread(p + n, 1, cap - n - 1, f)) > 0;) {
        n += got;
        if (n == cap - 1) p = must(realloc(p, cap *= 2));
    }
    const bool bad = ferror(f) != 0;
    fclose(f);
    if (bad) {
        free(p);
        return NULL;
    }
    p[n] = 0;
    if (n_bytes) *n_bytes = n;
    return must(realloc(p, n + 1)); /* exact, for the sanitizer */
}

uint8_t *test_read_data(const char *relative, size_t *n_bytes)
{
    char *path = test_data_path(relative);
    if (!path) return NULL;
    uint8_t *p = test_read_file(path, n_bytes);
    if (!p) printf("SKIP: %s cannot be read\n", path);
    free(path);
    return p;
}

char *test_temp_dir(void)
{
    const char *root = getenv("TMPDIR");
    char *dir = test_path(root && *root ? root : P_tmpdir, "einf-test-XXXXXX");
    if (!mkdtemp(dir)) fail_msg("cannot make a temporary folder %s", dir);
    return dir;
}

void test_temp_remove(char **dir)
{
    DIR *d = *dir ? opendir(*dir) : NULL;
    if (d) {
        for (const struct dirent *e; (e = readdir(d)) != NULL;) {
            if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
            char *path = test_path(*dir, e->d_name);
            if (remove(path) != 0) print_message("cannot remove %s\n", path);
            free(path);
        }
        closedir(d);
        rmdir(*dir);
    }
    free(*dir);
    *dir = NULL;
}

void test_write_file(const char *path, const void *data, size_t n_bytes)
{
    FILE *f = fopen(path, "wb");
    if (!f) fail_msg("cannot write %s", path);
    const bool ok = fwrite(data, 1, n_bytes, f) == n_bytes;
    if (fclose(f) != 0 || !ok) fail_msg("cannot write %s", path);
}

bool test_has_asan(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

bool test_is_emulated(void)
{
    const size_t n_bytes = (size_t)64 << 20;
    struct rlimit before, low;
    if (getrlimit(RLIMIT_AS, &before) != 0) return false;
    low = before;
    low.rlim_cur = n_bytes / 64;
    if (setrlimit(RLIMIT_AS, &low) != 0) return false;
    void *beyond = mmap(NULL, n_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)setrlimit(RLIMIT_AS, &before);
    if (beyond == MAP_FAILED) return false; /* as it should */
    munmap(beyond, n_bytes);
    return true;
}

bool test_has_tsan(void)
{
#if defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

double test_patience_s(void)
{
    return test_is_emulated() ? 300 : test_has_asan() || test_has_tsan() ? 60 : 5;
}

/* --------------------------------------------------------------------------------------------------- memory -- */

enum { FRONT_BYTES = 64, FILL_BYTES = 16 << 20 };

static void *heap_alloc(void *user, uint64_t size_bytes, uint64_t align)
{
    test_heap *h = user;
    h->n_calls++;
    const bool fails = h->fail_at && (h->fail_after ? h->n_calls >= h->fail_at : h->n_calls == h->fail_at);
    if (fails || align > FRONT_BYTES || size_bytes > SIZE_MAX - FRONT_BYTES) return NULL;
    void *base = NULL;
    if (posix_memalign(&base, FRONT_BYTES, (size_t)size_bytes + FRONT_BYTES) != 0) return NULL;
    /* In front lies the size, which free checks. Only the beginning of a huge block is filled: it may be sparse. */
    uint8_t *p = (uint8_t *)base + FRONT_BYTES;
    memset(p, 0xa5, size_bytes < FILL_BYTES ? (size_t)size_bytes : FILL_BYTES);
    memcpy(base, &size_bytes, sizeof size_bytes);
    h->n_live++;
    h->live_bytes += size_bytes;
    if (h->peak_bytes < h->live_bytes) h->peak_bytes = h->live_bytes;
    return p;
}

static void heap_free(void *user, void *p, uint64_t size_bytes)
{
    test_heap *h = user;
    if (!p) return;
    uint8_t *base = (uint8_t *)p - FRONT_BYTES;
    uint64_t allocated;
    memcpy(&allocated, base, sizeof allocated);
    if (allocated != size_bytes) {
        fprintf(stderr, "test_heap: freed with %llu bytes, allocated with %llu\n", (unsigned long long)size_bytes,
                (unsigned long long)allocated);
        exit(99);
    }
    h->n_live--;
    h->live_bytes -= size_bytes;
    free(base);
}

void test_heap_init(test_heap *h, uint64_t fail_at)
{
    memset(h, 0, sizeof *h);
    h->allocator = (einf_allocator){ heap_alloc, heap_free, h };
    h->fail_at = fail_at;
}
