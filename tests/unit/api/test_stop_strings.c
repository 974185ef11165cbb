/* SPDX-License-Identifier: MIT
 * test_stop_strings.c - texts found across pieces: what is given when, against the definition executed literally.
 */
#include "tests/support/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/stop_strings.h"
#include "tests/support/model_build.h"

enum { MAX_PIECE = 64 };

static einf__memory memory;

static int set_up(void **state)
{
    (void)state;
    einf__memory_init(&memory, NULL, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(atomic_load(&memory.used_bytes), 0);
    return 0;
}

/* Feed pieces until a find or their end; what came out of each call, with '|' between them and '!' behind a find. */
static void stream(const char *const *stops, uint32_t n_stops, const char *const *pieces, char *out)
{
    einf__stops s;
    einf_error err = test_error();
    assert_ok(einf__stops_init(&memory, stops, n_stops, MAX_PIECE, &s, &err), &err);
    *out = '\0';
    for (; *pieces && !s.found; pieces++) {
        const einf__stops_text text = einf__stops_add(&s, *pieces, strlen(*pieces));
        (void)strncat(out, text.p, (size_t)text.n);
        (void)strcat(out, s.found ? "!" : "|");
    }
    const einf__stops_text rest = einf__stops_end(&s, "", 0);
    (void)strncat(out, rest.p, (size_t)rest.n);
    einf__stops_deinit(&s);
}

#define STREAM(want, stops, ...) \
    do { \
        static const char *const stops_[] = { stops }, *const pieces_[] = { __VA_ARGS__, NULL }; \
        char out_[256]; \
        stream(stops_, TEST_COUNT(stops_), pieces_, out_); \
        assert_string_equal(out_, want); \
    } while (0)
#define STOPS(...) __VA_ARGS__

static void test_examples(void **state)
{
    (void)state;
    STREAM("a|b|c|", STOPS("x"), "a", "b", "c");
    STREAM("a!", STOPS("END"), "aEND");
    STREAM("a|!", STOPS("END"), "a", "END");
    STREAM("a|||!", STOPS("END"), "a", "E", "N", "D and more", "never seen");
    STREAM("a|||ENx|y|", STOPS("END"), "a", "E", "N", "x", "y"); /* held back, and given when it could not be */
    STREAM("a||EN", STOPS("END"), "a", "EN"); /* the end of the text releases it */
    STREAM("|E!", STOPS("END"), "E", "END"); /* a beginning inside a beginning */
    STREAM("||a|!", STOPS("aab"), "a", "a", "a", "b"); /* overlapping itself */
    STREAM("\xc3\xa8|", STOPS("\xc3\xa9"), "\xc3\xa8"); /* they share a byte, but not a character */
    STREAM("|\xe6\x97\xa5\xe6\x9c\x88|", STOPS("\xe6\x97\xa5\xe6\x9c\xac"), "\xe6\x97\xa5", "\xe6\x9c\x88");
    STREAM("|\n!", STOPS("\n\n---"), "\n", "\n\n---\n");
}

/* Of those that end together the longest; otherwise the one that ends first. */
static void test_candidates(void **state)
{
    (void)state;
    STREAM("!", STOPS("bc", "abc", "c"), "abc");
    STREAM("!", STOPS("abc", "c"), "abcx");
    STREAM("a!", STOPS("bc", "abcd"), "abcd");
    STREAM("||!", STOPS("abcd", "abc"), "a", "b", "cd");
    STREAM("|||abc|b!", STOPS("abcd", "cd", "bcx"), "a", "b", "c", "bc", "dd");
}

static void test_without_stops(void **state)
{
    (void)state;
    einf__stops s;
    einf_error err = test_error();
    assert_ok(einf__stops_init(&memory, NULL, 0, MAX_PIECE, &s, &err), &err);
    assert_int_equal(atomic_load(&memory.used_bytes), 0);
    const char piece[] = "abc";
    einf__stops_text text = einf__stops_add(&s, piece, 3);
    assert_ptr_equal(text.p, piece);
    assert_int_equal(text.n, 3);
    text = einf__stops_end(&s, piece, 2);
    assert_ptr_equal(text.p, piece);
    assert_int_equal(text.n, 2);
    assert_false(s.found);
    einf__stops_deinit(&s);
}

/* ------------------------------------------------------------------------------------------- the definition -- */

typedef struct definition {
    const char *const *stops;
    uint32_t n_stops;
} definition;

static bool ends_with(const char *text, size_t n, const char *stop, size_t n_stop)
{
    return n >= n_stop && memcmp(text + n - n_stop, stop, n_stop) == 0;
}

/* Length of the longest stop string that text[0, n) ends with, 0 when there is none. */
static size_t found_at(const definition *d, const char *text, size_t n)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < d->n_stops; i++) {
        const size_t length = strlen(d->stops[i]);
        if (length > longest && ends_with(text, n, d->stops[i], length)) longest = length;
    }
    return longest;
}

/* Bytes of text[0, n) that may be given away: all but the longest end that begins a stop string. */
static size_t givable(const definition *d, const char *text, size_t n)
{
    size_t held = 0;
    for (uint32_t i = 0; i < d->n_stops; i++)
        for (size_t k = 1; k < strlen(d->stops[i]); k++)
            if (k > held && ends_with(text, n, d->stops[i], k)) held = k;
    return n - held;
}

/* Text of few characters, so that stop strings are often begun and sometimes found. */
static size_t random_text(uint64_t *random, size_t n_chars, char *out)
{
    static const char *const characters[] = { "a", "b", "\xc3\xa9", "\xc3\xa8" };
    *out = '\0';
    for (size_t i = 0; i < n_chars; i++) (void)strcat(out, characters[model_random(random) % TEST_COUNT(characters)]);
    return strlen(out);
}

static void one_stream(uint64_t seed, int *n_found, int *n_held)
{
    uint64_t random = seed;
    char stops[4][64], text[512] = "", given[1024] = "", piece[64];
    const char *views[4] = { stops[0], stops[1], stops[2], stops[3] };
    const definition d = { views, (uint32_t)(1 + model_random(&random) % 4) };
    for (int i = 0; i < 4; i++) (void)random_text(&random, 1 + model_random(&random) % (1 + seed % 9), stops[i]);
    einf__stops s;
    einf_error err = test_error();
    assert_ok(einf__stops_init(&memory, views, d.n_stops, MAX_PIECE, &s, &err), &err);
    size_t n = 0, n_given = 0, end = 0;
    for (int i = 0; i < 20 && !end; i++) {
        const size_t n_piece = random_text(&random, model_random(&random) % 6, piece);
        memcpy(text + n, piece, n_piece + 1);
        size_t length = 0;
        for (size_t at = n + 1; at <= n + n_piece && !length; at++)
            if ((length = found_at(&d, text, at)) != 0) end = at - length + 1; /* + 1: 0 is "not found" */
        n += n_piece;
        const einf__stops_text out = einf__stops_add(&s, piece, n_piece);
        memcpy(given + n_given, out.p, (size_t)out.n);
        n_given += (size_t)out.n;
        const size_t want = end ? end - 1 : givable(&d, text, n);
        assert_int_equal(s.found, end != 0);
        assert_int_equal(n_given, want);
        assert_memory_equal(given, text, want);
        *n_held += want < n;
    }
    const einf__stops_text rest = einf__stops_end(&s, "", 0);
    assert_int_equal(n_given + rest.n, end ? end - 1 : n);
    assert_memory_equal(rest.p, text + n_given, (size_t)rest.n);
    *n_found += end != 0;
    einf__stops_deinit(&s);
}

static void test_definition(void **state)
{
    (void)state;
    int n_found = 0, n_held = 0;
    for (uint64_t seed = 0; seed < 20000; seed++) one_stream(seed, &n_found, &n_held);
    assert_true(n_found > 5000 && n_found < 19000 && n_held > 5000);
}

/* The longest strings, most of them, and text that begins them at every byte: quick, and nothing overflows. */
static void test_largest(void **state)
{
    (void)state;
    char *longest = malloc(EINF__MAX_STOP_BYTES + 1), piece[MAX_PIECE];
    const char *stops[EINF__MAX_STOPS];
    memset(longest, 'a', EINF__MAX_STOP_BYTES);
    longest[EINF__MAX_STOP_BYTES - 1] = 'b';
    longest[EINF__MAX_STOP_BYTES] = '\0';
    for (int i = 0; i < EINF__MAX_STOPS; i++) stops[i] = longest + i; /* a...ab, shorter and shorter */
    memset(piece, 'a', sizeof piece);
    einf__stops s;
    einf_error err = test_error();
    assert_ok(einf__stops_init(&memory, stops, EINF__MAX_STOPS, MAX_PIECE, &s, &err), &err);
    uint64_t n = 0, n_given = 0;
    for (int i = 0; i < 100; i++, n += sizeof piece) n_given += einf__stops_add(&s, piece, sizeof piece).n;
    assert_int_equal(n_given, n - (EINF__MAX_STOP_BYTES - 1));
    assert_int_equal(einf__stops_add(&s, "b", 1).n, 0);
    assert_true(s.found);
    einf__stops_deinit(&s);
    free(longest);
}

/* ------------------------------------------------------------------------------------------------ refusals -- */

static void refuses(const char *const *texts, uint32_t n, const char *where, const char *says)
{
    einf__stops s;
    einf_error err = test_error();
    assert_status(einf__stops_init(&memory, texts, n, MAX_PIECE, &s, &err), &err, EINF_E_ARG);
    assert_string_equal(err.where, where);
    assert_error_says(&err, says);
}

static void test_refusals(void **state)
{
    (void)state;
    char too_long[EINF__MAX_STOP_BYTES + 2];
    memset(too_long, 'a', sizeof too_long);
    too_long[sizeof too_long - 1] = '\0';
    const char *many[EINF__MAX_STOPS + 1];
    for (size_t i = 0; i < TEST_COUNT(many); i++) many[i] = "a";
    refuses(NULL, 1, "stop", "stop is NULL, n_stop is 1");
    refuses(many, EINF__MAX_STOPS + 1, "n_stop", "n_stop is 65, at most 64");
    refuses((const char *const[]){ "a", NULL }, 2, "stop", "stop[1] is NULL");
    refuses((const char *const[]){ "a", "b", "" }, 3, "stop", "stop[2] is empty");
    refuses((const char *const[]){ too_long }, 1, "stop", "stop[0] is longer than 4096 bytes");
    refuses((const char *const[]){ "\xc3" }, 1, "stop", "stop[0] is not UTF-8");
    refuses((const char *const[]){ "\xa9" "a" }, 1, "stop", "stop[0] is not UTF-8");
}

static void test_no_memory(void **state)
{
    (void)state;
    test_heap heap;
    test_heap_init(&heap, 1);
    einf__memory small;
    einf__memory_init(&small, &heap.allocator, 0);
    einf__stops s;
    einf_error err = test_error();
    assert_status(einf__stops_init(&small, (const char *const[]){ "a" }, 1, MAX_PIECE, &s, &err), &err, EINF_E_NOMEM);
    assert_error_says(&err, "stop strings");
    assert_int_equal(heap.n_live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),   cmocka_unit_test(test_candidates), cmocka_unit_test(test_without_stops),
        cmocka_unit_test(test_definition), cmocka_unit_test(test_largest),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("stop_strings", tests, set_up, tear_down);
}
