/* SPDX-License-Identifier: MIT
 * test_hostile_truncation.c - a complete model, cut off at every byte of its header and at a hundred places of its data
 * (users.md 4.3, H-005): refused each time, at a place within what is there.
 */
#include "tests/hostile/hostile_support.h"

static model_spec spec_of(model_family family)
{
    model_spec s = model_preset(family);
    s.n_layer = 1;
    s.type = MODEL_Q8_0;
    return s;
}

static void refuse_first_bytes(host *h, const uint8_t *file, size_t n, uint32_t load)
{
    einf_error err;
    uint8_t *part = malloc(n ? n : 1); /* the sanitizer sees the first byte read behind it */
    assert_non_null(part);
    memcpy(part, file, n);
    if (survive(h, part, n, load, &err)) fail_msg("the first %zu bytes were taken for a model", n);
    assert_true(err.code == EINF_E_FORMAT || (n == 0 && err.code == EINF_E_ARG));
    free(part);
}

static void test_every_length(void **state)
{
    static const model_family families[] = { MODEL_LLAMA, MODEL_QWEN2VL };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(families); i++) {
        const model_spec spec = spec_of(families[i]);
        gguf_build *b = model_build(&spec);
        size_t n_bytes;
        uint8_t *file = gguf_build_finish(b, &n_bytes);
        const size_t data_at = gguf_build_data_at(b);
        gguf_build_free(&b);
        host h;
        host_open(&h);
        einf_error err;
        assert_true(survive(&h, file, n_bytes, 0, &err));
        assert_int_equal(h.n_answered, 1);
        for (size_t n = 0; n < data_at; n++) refuse_first_bytes(&h, file, n, n % 2 ? EINF_LOAD_HEADER : 0);
        for (size_t j = 0; j < 100; j++) /* data, its first and its last byte among the places */
            refuse_first_bytes(&h, file, data_at + j * (n_bytes - 1 - data_at) / 99, j % 2 ? EINF_LOAD_HEADER : 0);
        assert_int_equal(h.n_refused, data_at + 100);
        host_close(&h);
        free(file);
    }
}

/* From a file, mapped and read: fewer places, the same answer. */
static void test_on_disk(void **state)
{
    (void)state;
    const model_spec spec = spec_of(MODEL_GEMMA3);
    size_t n_bytes;
    uint8_t *file = model_file(&spec, &n_bytes);
    char *dir = test_temp_dir(), *path = test_path(dir, "part.gguf");
    host h;
    host_open(&h);
    for (size_t n = 0; n < n_bytes; n += 1 + n_bytes / 150) {
        test_write_file(path, file, n);
        for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_READ; mode++) {
            einf_model *m = NULL;
            einf_error err = test_error();
            einf_model_config c = EINF_INIT(einf_model_config);
            c.mode = mode;
            const einf_status status = einf_model_open(h.rt, path, &c, &m, &err);
            assert_int_equal(status, EINF_E_FORMAT);
            assert_good_refusal(status, &err);
            assert_int_equal(h.heap.live_bytes, h.empty_bytes);
        }
    }
    host_close(&h);
    free(file);
    free(path);
    test_temp_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_on_disk),
    };
    return cmocka_run_group_tests_name("hostile_truncation", tests, NULL, NULL);
}
