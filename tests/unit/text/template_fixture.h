/* SPDX-License-Identifier: MIT
 * template_fixture.h - what the tests of templates share: render a template of a C string, and say how it ended.
 *
 * Every allocation is counted; after each render nothing is left.
 */
#ifndef TESTS_TEMPLATE_FIXTURE_H
#define TESTS_TEMPLATE_FIXTURE_H

#include "tests/support/test_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/text/template.h"

enum { TEST_NOW_S = 1700000000 }; /* Tuesday, 14 November 2023, 22:13:20 UTC */

/* What came of a template: its text, or the status and error. */
typedef struct outcome {
    einf_status status;
    einf_error err;
    char *text;      /* malloc'd, with a NUL behind it */
    uint8_t *markup; /* malloc'd */
    size_t n_bytes;
} outcome;

static inline einf__bytes bytes_of(const char *text) { return (einf__bytes){ text, text ? strlen(text) : 0 }; }

/* With the variables of a JSON object (NULL: none), and `mark` as a variable of markup. */
static inline outcome render_bytes(einf__bytes source, einf__bytes vars)
{
    outcome o = { .err = test_error() };
    test_heap heap;
    einf__memory mem;
    einf__template *t = NULL;
    test_heap_init(&heap, 0);
    einf__memory_init(&mem, &heap.allocator, 0);
    const einf__template_var mark = { .name = "mark", .kind = EINF__VAR_TEXT, .text = { "<s>", 3 }, .markup = true };
    const einf__template_input in = { .vars = &mark, .n_vars = 1, .more_vars_json = vars, .now_s = TEST_NOW_S };
    einf__rendered r = { .mem = &mem };
    o.status = einf__template_compile(&mem, source, &t, &o.err);
    if (o.status == EINF_OK) assert_int_equal(einf__template_bytes(t), mem.used_bytes);
    else assert_null(t);
    if (o.status == EINF_OK) o.status = einf__template_render(t, &in, &r, &o.err);
    if (o.status != EINF_OK) {
        assert_null(r.text);
        assert_null(r.markup);
        assert_int_equal(r.n_bytes, 0);
    }
    o.n_bytes = (size_t)r.n_bytes;
    o.text = malloc(o.n_bytes + 1);
    o.markup = malloc(o.n_bytes + 1);
    assert_true(o.text && o.markup);
    if (o.n_bytes) memcpy(o.text, r.text, o.n_bytes), memcpy(o.markup, r.markup, o.n_bytes);
    o.text[o.n_bytes] = '\0';
    einf__rendered_deinit(&r);
    einf__template_free(&t);
    assert_int_equal(heap.n_live, 0);
    assert_int_equal(mem.used_bytes, 0);
    return o;
}

static inline outcome render_text(const char *source, const char *vars)
{
    return render_bytes(bytes_of(source), bytes_of(vars));
}

static inline void outcome_free(outcome *o)
{
    free(o->text);
    free(o->markup);
}

static inline double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
