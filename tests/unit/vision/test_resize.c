/* SPDX-License-Identifier: MIT
 * test_resize.c - the resizer against hashes of what Pillow makes of random pictures (tests/golden/make_resize.py), on
 * every set of kernels and any number of threads; its memory to the byte, its refusals, and cancelling.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <edgeinfer/vision.h>

#include "engine/base/cpu.h"
#include "tests/support/test_support.h"
#include "vision/resize.h"

/* ---------------------------------------------------------------------------------------------------- bench -- */

/* A picture on its way, with every allocation counted. */
typedef struct rig {
    test_heap heap;
    einf__memory mem;
    einf__pool *pool;
    einf__kernels kernels;
    einf__resize resize;
    uint8_t *src;
    einf_error err;
} rig;

static void rig_open(rig *r, uint32_t cpu, int32_t n_threads)
{
    memset(r, 0, sizeof *r);
    test_heap_init(&r->heap, 0);
    einf__memory_init(&r->mem, &r->heap.allocator, 0);
    r->err = test_error();
    einf__kernels_init(&r->kernels, einf__cpu_features() & cpu, NULL);
    assert_ok(einf__pool_create(&r->mem, n_threads, &r->pool, &r->err), &r->err);
    assert_ok(einf__pool_acquire(r->pool, NULL, NULL, &r->err), &r->err);
}

/* Pictures of these sizes: bytes of splitmix64 by seed, or 0 and 255 alone by their highest bit. */
static void rig_pictures(rig *r, const uint32_t sizes[4], int32_t filter, uint64_t seed, bool is_extreme)
{
    free(r->src);
    free(r->resize.dst);
    const size_t n = (size_t)sizes[0] * sizes[1] * 3;
    r->src = malloc(n);
    r->resize = (einf__resize){r->src, malloc((size_t)sizes[2] * sizes[3] * 3), sizes[0], sizes[1], sizes[2], sizes[3],
                               filter, &r->kernels, r->pool, NULL, NULL};
    assert_true(r->src && r->resize.dst);
    for (size_t i = 0; i < n; i++) {
        const uint64_t state = seed + (i / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = (state ^ state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        const uint8_t byte = (uint8_t)((z ^ z >> 31) >> (i % 8 * 8));
        r->src[i] = is_extreme ? (uint8_t)(byte >> 7) * 255 : byte;
    }
}

static void rig_close(rig *r)
{
    einf__pool_release(r->pool);
    einf__pool_destroy(&r->pool);
    assert_int_equal(r->heap.n_live, 0);
    free(r->src);
    free(r->resize.dst);
}

static uint64_t planned_bytes(const rig *r)
{
    const einf__resize *s = &r->resize;
    return einf__resize_bytes(s->src_width, s->src_height, s->dst_width, s->dst_height, s->filter);
}

/* Resize; what was planned is what was taken, in one block, and nothing is left. */
static void run(rig *r)
{
    const uint64_t before = r->mem.used_bytes, calls = r->heap.n_calls;
    r->mem.peak_bytes = before;
    assert_ok(einf__resize_run(&r->resize, &r->mem, &r->err), &r->err);
    assert_int_equal(r->mem.used_bytes, before);
    assert_int_equal(r->mem.peak_bytes - before, planned_bytes(r));
    assert_int_equal(r->heap.n_calls - calls, planned_bytes(r) > 0);
}

/* --------------------------------------------------------------------------------------------------- golden -- */

static int32_t filter_of(const char *name)
{
    static const char *const names[] = {[EINF_FILTER_BICUBIC] = "bicubic", [EINF_FILTER_BILINEAR] = "bilinear",
                                        [EINF_FILTER_LANCZOS] = "lanczos", [EINF_FILTER_BOX] = "box",
                                        [EINF_FILTER_LEGACY_BICUBIC] = "legacy"};
    for (int32_t i = 0; i < (int32_t)TEST_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) return i;
    fail_msg("no filter is called %s", name);
    return -1;
}

static uint64_t fnv1a(const uint8_t *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* Returns how many lines held. */
static int check_golden(rig *r)
{
    char *text = (char *)test_read_file("tests/golden/data/resize.tsv", NULL);
    assert_non_null(text);
    int n_lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (line[0] == '#') continue;
        char filter[16];
        unsigned long long seed, hash;
        int is_extreme;
        uint32_t s[4];
        assert_int_equal(sscanf(line, "%15s %llu %d %u %u %u %u %llx", filter, &seed, &is_extreme, s, s + 1, s + 2,
                                s + 3, &hash), 8);
        rig_pictures(r, s, filter_of(filter), seed, is_extreme != 0);
        run(r);
        if (fnv1a(r->resize.dst, (size_t)s[2] * s[3] * 3) != hash) fail_msg("another picture than Pillow's: %s", line);
        n_lines++;
    }
    free(text);
    return n_lines;
}

static void pixels_are_pillows(void **state)
{
    static const struct {
        uint32_t cpu;
        int32_t n_threads;
    } ways[] = {{0, 1}, {0, 3}, {UINT32_MAX, 1}, {UINT32_MAX, 2}, {UINT32_MAX, 5}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(ways); i++) {
        rig r;
        rig_open(&r, ways[i].cpu, ways[i].n_threads);
        assert_int_equal(check_golden(&r), 175);
        rig_close(&r);
    }
}

/* ----------------------------------------------------------------------------------------------- properties -- */

static void same_size_is_a_copy(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, UINT32_MAX, 1);
    for (int32_t filter = EINF_FILTER_BICUBIC; filter <= EINF_FILTER_LEGACY_BICUBIC; filter++) {
        rig_pictures(&r, (uint32_t[4]){37, 41, 37, 41}, filter, 1, false);
        run(&r);
        assert_memory_equal(r.resize.dst, r.src, 37 * 41 * 3);
    }
    assert_int_equal(einf__resize_bytes(37, 41, 37, 41, EINF_FILTER_LANCZOS), 0);
    rig_close(&r);
}

/* Weights add up to one, to within their rounding: a grey wall stays the grey that it was. */
static void one_colour_stays(void **state)
{
    static const uint32_t sizes[][4] = {{100, 80, 28, 56}, {3, 2, 140, 84}, {1, 1, 28, 28}, {1000, 3, 28, 112}};
    (void)state;
    rig r;
    rig_open(&r, UINT32_MAX, 2);
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        for (int32_t filter = EINF_FILTER_BICUBIC; filter <= EINF_FILTER_LEGACY_BICUBIC; filter++) {
            rig_pictures(&r, sizes[i], filter, 1, false);
            for (size_t p = 0; p < (size_t)sizes[i][0] * sizes[i][1] * 3; p++) r.src[p] = (uint8_t)(50 + 77 * (p % 3));
            run(&r);
            for (size_t p = 0; p < (size_t)sizes[i][2] * sizes[i][3] * 3; p++)
                assert_int_equal(r.resize.dst[p], 50 + 77 * (p % 3));
        }
    }
    rig_close(&r);
}

/* What lies between the passes is a band, not the picture: 36 MB in, 2.4 MB out, less than one between. */
static void memory_is_small(void **state)
{
    (void)state;
    const uint64_t bytes = einf__resize_bytes(4032, 3024, 1036, 784, EINF_FILTER_BICUBIC);
    assert_true(bytes > 400000 && bytes < 1000000);
    assert_int_equal(einf__resize_bytes(4032, 3024, 1036, 784, EINF_FILTER_LEGACY_BICUBIC), 0);
    const uint32_t most = EINF__RESIZE_MAX_SIDE;
    assert_true(einf__resize_bytes(most, 1, 28, 28, EINF_FILTER_LANCZOS) < 64 << 20);
    assert_true(einf__resize_bytes(most, 1, most - 1, 28, EINF_FILTER_LANCZOS) < 64 << 20);
}

/* ------------------------------------------------------------------------------------------------- refusals -- */

static void no_memory(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, UINT32_MAX, 1);
    rig_pictures(&r, (uint32_t[4]){50, 60, 28, 84}, EINF_FILTER_BICUBIC, 1, false);
    r.heap.fail_at = r.heap.n_calls + 1;
    assert_status(einf__resize_run(&r.resize, &r.mem, &r.err), &r.err, EINF_E_NOMEM);
    assert_error_says(&r.err, "resizer");
    rig_close(&r);
}

static void too_long_sides(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, UINT32_MAX, 1);
    rig_pictures(&r, (uint32_t[4]){4, 4, 28, 28}, EINF_FILTER_BICUBIC, 1, false);
    uint32_t *const sides[] = {&r.resize.src_width, &r.resize.src_height, &r.resize.dst_width, &r.resize.dst_height};
    for (size_t i = 0; i < TEST_COUNT(sides); i++) {
        const uint32_t side = *sides[i];
        *sides[i] = EINF__RESIZE_MAX_SIDE + 1;
        r.err = test_error();
        assert_status(einf__resize_run(&r.resize, &r.mem, &r.err), &r.err, EINF_E_LIMIT);
        assert_error_says(&r.err, "1048577");
        assert_error_says(&r.err, "longer than 1048576");
        assert_true(planned_bytes(&r) == UINT64_MAX);
        *sides[i] = side;
    }
    rig_close(&r);
}

/* Sets the flag after some calls of a kernel. */
static struct {
    einf_cancel flag;
    int n_left;
    einf__resample_cols_fn real;
} cancelling;

static void cols_until_cancelled(uint8_t *dst, const uint8_t *src, int64_t src_stride, const int32_t *weights,
                                 int64_t n_taps, int64_t n)
{
    if (--cancelling.n_left == 0) atomic_store(&cancelling.flag.set, 1);
    cancelling.real(dst, src, src_stride, weights, n_taps, n);
}

static void check_cancelled(rig *r, int n_calls_left)
{
    cancelling.n_left = n_calls_left;
    r->err = test_error();
    assert_status(einf__resize_run(&r->resize, &r->mem, &r->err), &r->err, EINF_E_CANCELLED);
    assert_error_says(&r->err, "resized");
}

/* Before it begins, and between bands: the second of the four, of 32 rows each, is the last. */
static void cancel_stops(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, UINT32_MAX, 1);
    cancelling.real = r.kernels.resample_cols;
    r.kernels.resample_cols = cols_until_cancelled;
    for (uint32_t width = 50; width <= 51; width++) { /* one pass, and two */
        rig_pictures(&r, (uint32_t[4]){width, 60, 50, 128}, EINF_FILTER_BICUBIC, 1, false);
        r.resize.cancel_a = &cancelling.flag;
        atomic_store(&cancelling.flag.set, 0);
        check_cancelled(&r, 40);
        assert_int_equal(cancelling.n_left, 40 - 64);
        check_cancelled(&r, 1); /* still set: nothing begins */
        assert_int_equal(cancelling.n_left, 1);
    }
    r.resize.filter = EINF_FILTER_LEGACY_BICUBIC;
    check_cancelled(&r, 1);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_pillows), cmocka_unit_test(same_size_is_a_copy), cmocka_unit_test(one_colour_stays),
        cmocka_unit_test(memory_is_small), cmocka_unit_test(no_memory), cmocka_unit_test(too_long_sides),
        cmocka_unit_test(cancel_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
