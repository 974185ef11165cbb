/* SPDX-License-Identifier: MIT
 * test_model_work.c - bytes and multiply-adds of the models that ship, counted from their shapes by hand.
 */
#include "tests/support/test_support.h"

#include "bench/model_work.h"

/* small-world: 4 layers, 256 wide, 4 heads and 2 KV heads of 64, feed-forward 768, 512 tokens, output tied. */
#define LAYER_MACS (4.0 * (2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 768))

static bench_model_work work_of(const char *path, double *all_bytes)
{
    einf_runtime *rt = NULL;
    einf_model *m = NULL;
    einf_error err = EINF_INIT(einf_error);
    einf_model_info info = EINF_INIT(einf_model_info);
    assert_int_equal(einf_runtime_create(NULL, &rt, &err), EINF_OK);
    assert_int_equal(einf_model_open(rt, path, NULL, &m, &err), EINF_OK);
    const bench_model_work w = bench_model_work_of(m);
    assert_int_equal(einf_model_get_info(m, &info, NULL), EINF_OK);
    *all_bytes = (double)info.weight_bytes;
    assert_int_equal(einf_model_close(&m, &err), EINF_OK);
    assert_int_equal(einf_runtime_destroy(&rt, &err), EINF_OK);
    return w;
}

static void test_coded_model(void **state)
{
    double all_bytes;
    (void)state;
    const bench_model_work w = work_of("models/small-world/small-world-Q4_K_M.gguf", &all_bytes);
    assert_true(w.layer_macs == LAYER_MACS);
    assert_true(w.output_macs == 512.0 * 256);
    assert_true(w.read_bytes == all_bytes); /* the tied embedding is read as the output */
    assert_false(w.is_float);
}

static void test_float_model(void **state)
{
    double all_bytes;
    (void)state;
    const bench_model_work w = work_of("models/small-world/small-world-F16.gguf", &all_bytes);
    assert_true(w.layer_macs == LAYER_MACS);
    assert_true(w.read_bytes == all_bytes);
    assert_true(w.is_float);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coded_model),
        cmocka_unit_test(test_float_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
