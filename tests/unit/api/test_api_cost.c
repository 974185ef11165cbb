/* SPDX-License-Identifier: MIT
 * test_api_cost.c - a runtime with a profiler: loads, prefills and decodes become its regions, a generation says what
 * it cost, and budgets end it. The machine is one of fixtures, whose package draws 20 W by a clock that the test
 * drives.
 */
#include "tests/unit/api/eyes_fixture.h"

#include <math.h>

#include <edgeprof/edgeprof.h>

#include "tests/support/fake_machine.h"

enum { WATTS = 20, TOKEN_MS = 100 };

typedef struct bench {
    fixture f;
    fake_machine *machine;
    eprof *profiler;
} bench;

static int64_t package_uj(void *user, int64_t now_ns, char *out, size_t n)
{
    (void)user;
    return snprintf(out, n, "%lld\n", (long long)(now_ns / 1000) * WATTS);
}

/* A profiler of the machine's package alone, without threads. */
static eprof *open_profiler(fake_machine *m, const char *sources)
{
    eprof *p = NULL;
    eprof_error err = EPROF_INIT(eprof_error);
    eprof_config c = EPROF_INIT(eprof_config);
    c.io = fake_io(m);
    c.flags = EPROF_NO_SAMPLER;
    c.sources = sources;
    if (eprof_create(&c, &p, &err) != EPROF_OK || eprof_start(p, &err) != EPROF_OK) fail_msg("%s", err.message);
    return p;
}

static void open_bench(bench *b, const char *sources)
{
    const model_spec spec = model_preset(MODEL_LLAMA);
    einf_runtime_config rc = EINF_INIT(einf_runtime_config);
    einf_session_config sc = EINF_INIT(einf_session_config);
    b->machine = fake_machine_open("tests/machines/intel-laptop");
    fake_content(b->machine, "/sys/class/powercap/intel-rapl:0/energy_uj", package_uj, NULL);
    b->profiler = open_profiler(b->machine, sources);
    rc.n_threads = 2;
    rc.profiler = b->profiler;
    fixture_open(&b->f, &spec, &rc);
    sc.n_ctx = 64;
    assert_ok(einf_session_create(b->f.m, &sc, &b->f.s, &b->f.err), &b->f.err);
}

static void close_bench(bench *b)
{
    fixture_close(&b->f);
    eprof_destroy(&b->profiler);
    fake_machine_close(b->machine);
}

static int32_t take_time(void *user, const char *utf8, uint64_t n_bytes, int32_t token_id)
{
    (void)utf8;
    (void)n_bytes;
    if (token_id >= 0) fake_sleep(user, INT64_C(1000000) * TOKEN_MS);
    return 0;
}

static einf_generate_config slow_tokens(const bench *b, uint32_t n)
{
    einf_generate_config c = EINF_INIT(einf_generate_config);
    c.max_tokens = n;
    c.raw = 1;
    c.ignore_eos = 1;
    c.on_text = take_time;
    c.on_text_user = b->machine;
    return c;
}

/* The i-th region that has the name; fails when there is none. */
static eprof_result region_named(const eprof *p, const char *name)
{
    eprof_result r = EPROF_INIT(eprof_result);
    for (int32_t i = 0; eprof_result_of(p, i, &r, NULL) == EPROF_OK; i++)
        if (strcmp(r.name, name) == 0) return r;
    fail_msg("there is no region %s", name);
    return r;
}

static double note_of(const eprof_result *r, const char *key)
{
    for (int32_t i = 0; i < r->n_notes; i++)
        if (strcmp(r->notes[i].key, key) == 0) return r->notes[i].value;
    return -1;
}

static void test_generation_is_billed(void **state)
{
    (void)state;
    bench b;
    einf_result r = EINF_INIT(einf_result);
    open_bench(&b, "powercap");
    const einf_generate_config c = slow_tokens(&b, 5);
    assert_ok(einf_generate(b.f.s, "abc", 3, &c, &r, &b.f.err), &b.f.err);
    assert_int_equal(r.n_generated, 5);
    assert_int_equal(r.has_energy, 1);
    assert_true(r.energy_j == r.cost.gross_j);
    assert_near(r.cost.gross_j, 5 * TOKEN_MS * 1e-3 * WATTS, 0.1, 0);
    assert_near(r.cost.decode_j, r.cost.gross_j, 0.1, 0);
    assert_true(r.cost.prefill_j >= 0 && r.cost.prefill_j < 0.1);
    assert_true(isnan(r.cost.net_j)); /* no idle time was seen */
    assert_true(strstr(r.cost.source, "powercap") != NULL);
    assert_int_equal(r.cost.scope, EPROF_SCOPE_PACKAGE);
    assert_true(!isnan(r.cost.cpu_auc_pct_s));
    close_bench(&b);
}

static void test_phases_are_regions(void **state)
{
    (void)state;
    bench b;
    einf_result r = EINF_INIT(einf_result);
    open_bench(&b, "powercap");
    const einf_generate_config c = slow_tokens(&b, 3);
    assert_ok(einf_generate(b.f.s, "abc", 3, &c, &r, &b.f.err), &b.f.err);
    const eprof_result load = region_named(b.profiler, "load"), all = region_named(b.profiler, "generate");
    const eprof_result prefill = region_named(b.profiler, "prefill"), decode = region_named(b.profiler, "decode");
    assert_true(note_of(&load, "bytes") == (double)b.f.n_bytes);
    assert_int_equal(load.parent, 0);
    assert_int_equal(prefill.parent, all.id);
    assert_int_equal(decode.parent, all.id);
    assert_true(note_of(&prefill, "tokens") == r.n_prompt);
    assert_true(note_of(&decode, "tokens") == 3 && note_of(&all, "generated") == 3);
    assert_near(decode.elapsed_s, 3 * TOKEN_MS * 1e-3, 0.01, 0);
    const int32_t ids[2] = { 1, 2 }; /* the token level has regions of its own */
    assert_ok(einf_session_append_tokens(b.f.s, ids, 2, &b.f.err), &b.f.err);
    eprof_result last = EPROF_INIT(eprof_result);
    for (int32_t i = 0; eprof_result_of(b.profiler, i, &last, NULL) == EPROF_OK; i++) continue;
    assert_string_equal(last.name, "prefill");
    close_bench(&b);
}

static void test_joules_end_it(void **state)
{
    (void)state;
    bench b;
    einf_result r = EINF_INIT(einf_result);
    open_bench(&b, "powercap");
    einf_generate_config c = slow_tokens(&b, 20);
    c.max_joules = 5.5 * TOKEN_MS * 1e-3 * WATTS;
    assert_ok(einf_generate(b.f.s, "abc", 3, &c, &r, &b.f.err), &b.f.err);
    assert_int_equal(r.stop_reason, EINF_STOP_JOULES);
    assert_int_equal(r.n_generated, 6);
    assert_true(r.energy_j >= c.max_joules);
    close_bench(&b);
}

static void test_seconds_end_it(void **state)
{
    (void)state;
    bench b;
    einf_result r = EINF_INIT(einf_result);
    open_bench(&b, "none");
    einf_generate_config c = slow_tokens(&b, 20);
    c.max_seconds = 1e-9;
    assert_ok(einf_generate(b.f.s, "abc", 3, &c, &r, &b.f.err), &b.f.err);
    assert_int_equal(r.stop_reason, EINF_STOP_SECONDS);
    assert_true(r.n_generated <= 1);
    c.max_seconds = 1000;
    assert_ok(einf_generate(b.f.s, "abc", 3, &c, &r, &b.f.err), &b.f.err);
    assert_int_equal(r.stop_reason, EINF_STOP_LENGTH);
    close_bench(&b);
}

static void test_limits_that_are_none(void **state)
{
    (void)state;
    bench b;
    einf_result r = EINF_INIT(einf_result);
    open_bench(&b, "none");
    einf_generate_config c = slow_tokens(&b, 2);
    c.max_joules = 1; /* nothing counts */
    assert_int_equal(einf_generate(b.f.s, "abc", 3, &c, &r, &b.f.err), EINF_E_STATE);
    assert_string_equal(b.f.err.where, "max_joules");
    assert_true(strstr(b.f.err.hint, "edgeprof sources") != NULL);
    assert_int_equal(r.n_generated, 0);
    static const double bad[] = { -1, (double)NAN, (double)INFINITY };
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        b.f.err = test_error();
        c.max_joules = 0;
        c.max_seconds = bad[i];
        assert_int_equal(einf_generate(b.f.s, "abc", 3, &c, &r, &b.f.err), EINF_E_ARG);
        assert_string_equal(b.f.err.where, "max_seconds");
        b.f.err = test_error();
        c.max_seconds = 0;
        c.max_joules = bad[i];
        assert_int_equal(einf_generate(b.f.s, "abc", 3, &c, &r, &b.f.err), EINF_E_ARG);
        assert_string_equal(b.f.err.where, "max_joules");
    }
    close_bench(&b);
}

/* Without a profiler nothing is said, and a limit of energy is refused. */
static void test_without(void **state)
{
    (void)state;
    fixture f;
    einf_result r = EINF_INIT(einf_result);
    einf_generate_config c = EINF_INIT(einf_generate_config);
    fixture_session(&f, MODEL_LLAMA, 64);
    c.max_tokens = 2;
    c.raw = 1;
    assert_ok(einf_generate(f.s, "abc", 3, &c, &r, &f.err), &f.err);
    assert_int_equal(r.has_energy, 0);
    assert_true(isnan(r.cost.gross_j) && isnan(r.cost.net_j) && isnan(r.cost.u95_j) && isnan(r.cost.cpu_auc_pct_s));
    assert_string_equal(r.cost.source, "");
    c.max_joules = 1;
    assert_int_equal(einf_generate(f.s, "abc", 3, &c, &r, &f.err), EINF_E_STATE);
    assert_true(strstr(f.err.hint, "profiler") != NULL);
    fixture_close(&f);
}

static int32_t slow_layers(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    if (phase == EINF_PHASE_IMAGE) fake_sleep(user, INT64_C(1000000) * TOKEN_MS);
    return 0;
}

/* Four layers and a merger that take their time; a picture that is remembered costs nothing. */
static void test_pictures_are_billed(void **state)
{
    (void)state;
    eyes e;
    einf_result r = EINF_INIT(einf_result);
    einf_runtime_config rc = EINF_INIT(einf_runtime_config);
    fake_machine *machine = fake_machine_open("tests/machines/intel-laptop");
    fake_content(machine, "/sys/class/powercap/intel-rapl:0/energy_uj", package_uj, NULL);
    eprof *profiler = open_profiler(machine, "powercap");
    rc.n_threads = 2;
    rc.profiler = profiler;
    eyes_open_with(&e, &rc, NULL);
    eyes_session(&e, 256);
    einf_image *image = eyes_picture(&e, 112, 84, 1);
    const einf_image *const images[] = { image };
    einf_generate_config c = EINF_INIT(einf_generate_config);
    c.vision = e.v;
    c.images = images;
    c.n_images = 1;
    c.max_tokens = 1;
    c.progress = slow_layers;
    c.progress_user = machine;
    assert_ok(einf_generate(e.f.s, "x", 1, &c, &r, &e.f.err), &e.f.err);
    assert_near(r.cost.image_j, 5 * TOKEN_MS * 1e-3 * WATTS, 0.1, 0);
    assert_true(r.cost.prefill_j >= 0 && r.cost.prefill_j < 0.1);
    assert_true(r.cost.gross_j >= r.cost.image_j);
    const eprof_result region = region_named(profiler, "image"), all = region_named(profiler, "generate");
    assert_int_equal(region.parent, all.id);
    assert_true(note_of(&region, "tokens") == 12);
    assert_true(note_of(&all, "image") == 12);

    assert_ok(einf_session_rewind(e.f.s, 0, &e.f.err), &e.f.err);
    assert_ok(einf_generate(e.f.s, "x", 1, &c, &r, &e.f.err), &e.f.err);
    assert_int_equal(r.n_images_encoded, 0);
    assert_true(r.cost.image_j == 0);
    einf_image_close(&image);
    eyes_close(&e);
    eprof_destroy(&profiler);
    fake_machine_close(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generation_is_billed), cmocka_unit_test(test_phases_are_regions),
        cmocka_unit_test(test_joules_end_it),        cmocka_unit_test(test_seconds_end_it),
        cmocka_unit_test(test_limits_that_are_none), cmocka_unit_test(test_without),
        cmocka_unit_test(test_pictures_are_billed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
