/* SPDX-License-Identifier: MIT
 * test_profiler_faults.c - memory and threads that cannot be had: each allocation and each thread fails once, and what
 * is left is a status, a sentence, no leak, and a profiler that can still be destroyed.
 *
 * The linker leads these calls here first (--wrap; Makefile).
 */
#include "tests/support/profiler_rig.h"

#include <stdlib.h>
#include <unistd.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);

/* The call that fails, counted from 0; -1: none. Threads of the profiler allocate as well. */
static _Atomic int64_t failing_allocation = -1, failing_thread = -1;
static _Atomic int64_t n_failed;

static bool fails(_Atomic int64_t *countdown)
{
    const int64_t before = atomic_load(countdown) < 0 ? -1 : atomic_fetch_sub(countdown, 1);
    if (before == 0) atomic_fetch_add(&n_failed, 1);
    return before == 0;
}

void *__wrap_malloc(size_t n) { return fails(&failing_allocation) ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return fails(&failing_allocation) ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return fails(&failing_allocation) ? NULL : __real_realloc(p, n); }

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    return fails(&failing_thread) ? EAGAIN : __real_pthread_create(t, attr, fn, arg);
}

/* ------------------------------------------------------------------------------------------------- memory -- */

static const char *log_path; /* of the life below */

/* A short life on the real machine; the first status that is not EPROF_OK. */
static eprof_status live(eprof_error *err)
{
    eprof *p = NULL;
    eprof_config config = EPROF_INIT(eprof_config);
    eprof_result cost = EPROF_INIT(eprof_result);
    config.sources = "none";
    config.log_path = log_path;
    config.flags = EPROF_NO_SAMPLER; /* so that the calls are the same each time */
    eprof_status status = eprof_create(&config, &p, err);
    if (status != EPROF_OK) assert_null(p);
    if (status == EPROF_OK) status = eprof_start(p, err);
    for (int i = 0; i < 300 && status == EPROF_OK; i++) {
        const eprof_region a = eprof_begin(p, 0, "a");
        status = a ? eprof_end(p, a, i % 100 ? NULL : &cost, err) : EPROF_E_NOMEM;
        if (a == 0 && err->code == EPROF_OK) (void)snprintf(err->message, sizeof err->message, "begin gave 0");
    }
    if (status == EPROF_OK) status = eprof_stop(p, err);
    eprof_destroy(&p);
    assert_null(p);
    if (status != EPROF_OK) return status;
    status = eprof_replay(log_path, &p, err);
    eprof_destroy(&p);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char path[32];
    FILE *log = tmpfile();
    assert_non_null(log);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(log));
    log_path = path;
    int64_t n = 0, n_noticed = 0;
    for (bool reached = true; reached; n++) {
        eprof_error err = EPROF_INIT(eprof_error);
        atomic_store(&n_failed, 0);
        atomic_store(&failing_allocation, n);
        const eprof_status status = live(&err);
        atomic_store(&failing_allocation, -1);
        reached = atomic_load(&n_failed) > 0;
        if (!reached) assert_int_equal(status, EPROF_OK);
        if (status != EPROF_OK) {
            n_noticed++;
            assert_true(strlen(err.message) > 5);
        }
        assert_true(n < 2000);
    }
    print_message("%lld allocations; %lld failures were statuses, the others did without\n", (long long)n - 1,
                  (long long)n_noticed);
    assert_true(n_noticed >= 10);
    (void)fclose(log);
}

/* ------------------------------------------------------------------------------------------------ threads -- */

static void threads_that_cannot_be_had(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        char path[32];
        FILE *log = tmpfile();
        assert_non_null(log);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(log));
        rig r;
        rig_open(&r);
        r.config.log_path = path;
        rig_create(&r);
        fake_file(r.m, "/rig/slow", "1\n");
        (void)rig_add(&r, "/rig/slow", EPROF__POWER, RIG_SECOND, 100);
        rig_source(&r)->is_slow = true;
        atomic_store(&failing_thread, i); /* the sampler, the meter's, the log's */
        assert_int_equal(eprof_start(r.p, &r.err), EPROF_E_NOMEM);
        assert_non_null(strstr(r.err.message, "not all of 3 threads could be started"));
        assert_non_null(strstr(r.err.hint, "EPROF_NO_SAMPLER"));
        assert_int_equal(atomic_load(&r.p->n_running), 0);
        assert_int_equal(eprof_begin(r.p, 0, "a"), 0);
        atomic_store(&failing_thread, -1);
        rig_start(&r); /* as if nothing had been */
        assert_int_equal(r.p->n_threads, 3);
        assert_ok(eprof_stop(r.p, &r.err), &r.err);
        rig_close(&r);
        (void)fclose(log);
    }
}

/* ------------------------------------------------------------------------------------------------- config -- */

static void check_config(const eprof_config *config, eprof_status status, const char *message)
{
    eprof *p = NULL;
    eprof_error err = EPROF_INIT(eprof_error);
    assert_int_equal(eprof_create(config, &p, &err), status);
    assert_null(p);
    assert_int_equal(err.code, status);
    assert_string_equal(err.message, message);
}

static void configs_are_checked(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    eprof_config c = r.config;
    c.sample_hz = 0.5;
    check_config(&c, EPROF_E_ARG, "sample_hz is 500 thousandths, expected 1..100 Hz");
    c = r.config;
    c.sample_hz = EPROF_ABSENT;
    check_config(&c, EPROF_E_ARG, "sample_hz is -1 thousandths, expected 1..100 Hz");
    c = r.config;
    c.history_s = 1e8;
    check_config(&c, EPROF_E_ARG, "history_s is outside of 1..10000000 s");
    c = r.config;
    c.flags = 1u << 9 | EPROF_PSS;
    check_config(&c, EPROF_E_ARG, "flags 0x201 has bits that mean nothing");
    c = r.config;
    c.pid = -3;
    check_config(&c, EPROF_E_ARG, "pid -3 is negative");
    c = r.config;
    c.model_max_w = -1;
    check_config(&c, EPROF_E_ARG, "the model's watts are negative or not numbers");
    c = r.config;
    c.sysroot = "/somewhere";
    check_config(&c, EPROF_E_ARG, "an io table and a sysroot were given");
    c = r.config;
    c.sources = "auto,geiger:5";
    check_config(&c, EPROF_E_ARG, "there is no source called \"geiger:5\"");
    c.sources = "-geiger";
    check_config(&c, EPROF_E_ARG, "there is no source called \"-geiger\"");
    eprof_io io = *r.config.io;
    io.list = NULL;
    c = r.config;
    c.io = &io;
    check_config(&c, EPROF_E_ARG, "a function of the io table is NULL");
    c = r.config;
    c.struct_size = 8;
    eprof *p = NULL;
    assert_int_equal(eprof_create(&c, &p, &r.err), EPROF_E_ARG);
    assert_string_equal(r.err.hint, "initialise it with EPROF_INIT(eprof_config)");
    assert_int_equal(eprof_create(&r.config, NULL, &r.err), EPROF_E_ARG);
    fake_machine_close(r.m);
}

static void a_log_that_cannot_be_made_is_an_error_of_start(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    r.config.log_path = "/proc/self/nowhere/log";
    rig_create(&r);
    assert_int_equal(eprof_start(r.p, &r.err), EPROF_E_IO);
    assert_string_equal(r.err.where, "/proc/self/nowhere/log");
    assert_non_null(strstr(r.err.message, "cannot create the log"));
    rig_close(&r);
    rig_open(&r);
    r.config.log_path = "/dev/full";
    rig_create(&r);
    rig_start(&r);
    assert_int_equal(eprof_stop(r.p, &r.err), EPROF_E_IO);
    assert_non_null(strstr(r.err.message, "cannot write the log"));
    eprof_result run = EPROF_INIT(eprof_result);
    assert_ok(eprof_result_of(r.p, 0, &run, &r.err), &r.err); /* the numbers are there */
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(threads_that_cannot_be_had),
        cmocka_unit_test(configs_are_checked),
        cmocka_unit_test(a_log_that_cannot_be_made_is_an_error_of_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
