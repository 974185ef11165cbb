/* SPDX-License-Identifier: MIT
 * test_support.h - what every cmocka program here shares: asserts that show the library's own message, files, data
 * from outside the tree, and an allocator that counts and fails on demand. Includes cmocka.
 *
 * Messages go to stdout. A test without its data prints "SKIP: reason" and passes; tests/run.sh counts these.
 */
#ifndef TESTS_TEST_SUPPORT_H
#define TESTS_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <edgeinfer/edgeinfer.h>

#define TEST_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------------------------------------------- asserts -- */

/** A cleared error. */
einf_error test_error(void);

/* status: what the call returned; err: const einf_error *, may be NULL. On mismatch the test fails and shows both
 * names, message, where, offset and hint. A failure must also have filled err with the same code and a message. */
#define assert_status(status, err, expected) \
    test_assert_status((status), (err), (expected), #status, __FILE__, __LINE__)
#define assert_ok(status, err) assert_status(status, err, EINF_OK)
void test_assert_status(einf_status status, const einf_error *err, einf_status expected, const char *what,
                        const char *file, int line);

/* The message or the hint contains the text. */
#define assert_error_says(err, text) test_assert_error_says((err), (text), __FILE__, __LINE__)
void test_assert_error_says(const einf_error *err, const char *text, const char *file, int line);

/* |a - b| <= abs + rel * |b|; NaN fails. */
#define assert_near(a, b, rel, abs) \
    test_assert_near((double)(a), (double)(b), (double)(rel), (double)(abs), #a, __FILE__, __LINE__)
void test_assert_near(double a, double b, double rel, double abs, const char *what, const char *file, int line);

/* --------------------------------------------------------------------------------------------------- files -- */

/** Path of a file under EINF_TEST_DATA, malloc'd. NULL, with a SKIP line, when the variable is unset or the file is
 *  not there: the test returns at once. */
char *test_data_path(const char *relative);
/** A whole file, malloc'd, with a NUL behind it. NULL when it cannot be read. n_bytes may be NULL. */
uint8_t *test_read_file(const char *path, size_t *n_bytes);
/** test_data_path and test_read_file. */
uint8_t *test_read_data(const char *relative, size_t *n_bytes);
/** A new folder for this test below TMPDIR or the system's temporary folder, malloc'd; test_temp_remove empties and
 *  removes it and frees the string. Files in it must lie directly in it. */
char *test_temp_dir(void);
void test_temp_remove(char **dir);
/** "DIR/NAME", malloc'd. */
char *test_path(const char *dir, const char *name);
/** Write a file; failure ends the test. */
void test_write_file(const char *path, const void *data, size_t n_bytes);

/** True under AddressSanitizer, and under ThreadSanitizer: their shadow memory breaks limits on address space. */
bool test_has_asan(void);
bool test_has_tsan(void);
/** True under QEMU's user mode, where limits on address space do not hold and each mapped page costs time. */
bool test_is_emulated(void);
/** Seconds that a step of moments may take on a busy machine before it counts as hanging: more under sanitizers and
 *  emulators. */
double test_patience_s(void);

/* --------------------------------------------------------------------------------------------------- memory -- */

/* An allocator that counts and fails at the n-th call. Blocks come filled with rubbish; a free whose size differs from
 * the alloc ends the test program. */
typedef struct test_heap {
    einf_allocator allocator; /* pass &h.allocator */
    uint64_t n_calls;         /* allocations asked for */
    uint64_t fail_at;         /* this call, counted from 1, fails; 0: none */
    bool fail_after;          /* every later call fails, too */
    uint64_t n_live;          /* blocks not freed */
    uint64_t live_bytes, peak_bytes;
} test_heap;
/** The heap must stay where it is while in use. */
void test_heap_init(test_heap *h, uint64_t fail_at);

#endif
