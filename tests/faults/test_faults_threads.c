/* SPDX-License-Identifier: MIT
 * test_faults_threads.c - the k-th thread or lock of a runtime cannot be made, for every k: a status, no thread, lock
 * or byte left over, the caller's signal mask as it was, and a runtime right behind it that works.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "tests/faults/fault_calls.h"
#include "tests/unit/api/api_fixture.h"

static int n_threads(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static einf_status make(test_heap *heap, int32_t n, einf_runtime **rt, einf_error *err)
{
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    c.n_threads = n;
    c.allocator = &heap->allocator;
    *err = test_error();
    return einf_runtime_create(&c, rt, err);
}

/* A runtime that can compute. */
static void use(test_heap *heap, int32_t n)
{
    einf_error err;
    einf_runtime *rt = NULL;
    einf_model *m = NULL;
    einf_session *s = NULL;
    size_t n_bytes;
    const model_spec spec = model_preset(MODEL_LLAMA);
    uint8_t *file = model_file(&spec, &n_bytes);
    const int32_t ids[] = { 270, 271 };
    assert_ok(make(heap, n, &rt, &err), &err);
    assert_ok(einf_model_open_memory(rt, file, n_bytes, NULL, &m, &err), &err);
    assert_ok(einf_session_create(m, NULL, &s, &err), &err);
    assert_ok(einf_session_append_tokens(s, ids, 2, &err), &err);
    assert_ok(einf_session_destroy(&s, &err), &err);
    assert_ok(einf_model_close(&m, &err), &err);
    assert_ok(einf_runtime_destroy(&rt, &err), &err);
    free(file);
}

/* The k-th call of its kind fails; false when there are fewer. */
static bool fail_kth(fault_call call, uint64_t k, int32_t n, int code, einf_status expected)
{
    test_heap heap;
    test_heap_init(&heap, 0);
    einf_error err;
    einf_runtime *rt = NULL;
    sigset_t before, after;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    const int n_before = n_threads();
    fault_plan(call, k, code, 1);
    const einf_status status = make(&heap, n, &rt, &err);
    if (fault_end() < k) {
        assert_ok(status, &err);
        assert_ok(einf_runtime_destroy(&rt, &err), &err);
        return false;
    }
    if (status != expected) print_message("%s, call %d of %d threads\n", fault_name(call), (int)k, n);
    assert_status(status, &err, expected);
    assert_true(err.hint[0] != '\0');
    assert_null(rt);
    assert_int_equal(heap.n_live, 0);
    const bool counts = !test_is_emulated(); /* an emulator has threads of its own */
    for (int i = 0; counts && i < 2000 && n_threads() != n_before; i++) /* a joined thread lingers for a moment */
        (void)nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    if (counts) assert_int_equal(n_threads(), n_before);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (int s = 1; s < 32; s++) assert_int_equal(sigismember(&before, s), sigismember(&after, s));
    use(&heap, n);
    assert_int_equal(heap.n_live, 0);
    return true;
}

static void test_threads(void **state)
{
    static const int32_t counts[] = { 1, 2, 3, 5, 8 };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(counts); i++) {
        uint64_t k = 1;
        while (fail_kth(FAULT_pthread_create, k, counts[i], EAGAIN, EINF_E_NOMEM)) k++;
        assert_int_equal(k - 1, counts[i] - 1); /* one for each but the caller */
    }
    assert_true(fail_kth(FAULT_pthread_create, 1, 2, EPERM, EINF_E_IO));
}

static void test_locks(void **state)
{
    static const fault_call calls[] = { FAULT_pthread_mutex_init, FAULT_pthread_cond_init, FAULT_pthread_condattr_init,
                                        FAULT_pthread_condattr_setclock, FAULT_pthread_attr_init,
                                        FAULT_pthread_attr_setstacksize };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(calls); i++) {
        uint64_t k = 1;
        while (fail_kth(calls[i], k, 3, ENOMEM, EINF_E_NOMEM)) k++;
        print_message("%s: %d calls\n", fault_name(calls[i]), (int)k - 1);
        assert_true(k > 1);
    }
}

/* Threads that are there, but whose signals could not be masked, are no threads to have. */
static void test_signal_mask(void **state)
{
    (void)state;
    assert_true(fail_kth(FAULT_pthread_sigmask, 1, 3, EINVAL, EINF_E_IO));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_signal_mask),
    };
    return cmocka_run_group_tests_name("faults_threads", tests, NULL, NULL);
}
