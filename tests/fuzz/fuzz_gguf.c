/* SPDX-License-Identifier: MIT
 * fuzz_gguf.c - the loader: any bytes at every load level; what opens tells all it knows, plans, and answers.
 *
 * Promised: a refusal that names a place within the file, no more memory than the file and MOST_MEMORY, nothing left
 * over, and that who loads more of a file has loaded less of it.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/gguf_mutate.h"
#include "tests/hostile/hostile_support.h"
#include "tests/support/vocab_build.h"

const char fuzz_name[] = "gguf";

static host h;

/* A few rows without a vocabulary; whether that can be done is the file's affair. */
static void append_rows(einf_model *m)
{
    einf_error err = test_error();
    einf_session *s = NULL;
    einf_plan plan = EINF_INIT(einf_plan);
    einf_session_config c = EINF_INIT(einf_session_config);
    c.n_ctx = 8;
    c.n_batch = 4;
    const einf_status planned = einf_session_plan(m, &c, &plan, &err);
    if (planned != EINF_OK) assert_good_refusal(planned, &err);
    if (planned != EINF_OK || plan.kv_bytes + plan.scratch_bytes > MOST_MEMORY / 2) return;
    const uint64_t before = h.heap.live_bytes;
    err = test_error();
    assert_ok(einf_session_create(m, &c, &s, &err), &err);
    assert_int_equal(h.heap.live_bytes - before, plan.kv_bytes + plan.scratch_bytes);
    const int32_t ids[5] = { 0, 1, 2, 1, 0 };
    int32_t id;
    if (einf_session_append_tokens(s, ids, 5, &err) == EINF_OK) {
        err = test_error();
        assert_int_equal(einf_session_n_past(s), 5);
        if (einf_session_sample(s, &id, &err) != EINF_OK) assert_good_refusal(err.code, &err);
    } else {
        assert_good_refusal(err.code, &err);
        assert_int_equal(einf_session_n_past(s), 0);
    }
    assert_int_equal(einf_session_destroy(&s, NULL), EINF_OK);
}

static void open_weights(const uint8_t *data, size_t n_bytes)
{
    einf_model *m = NULL;
    einf_error err = test_error();
    einf_model_config c = EINF_INIT(einf_model_config);
    c.load = EINF_LOAD_WEIGHTS;
    c.check_tensors = 1;
    const einf_status status = einf_model_open_memory(h.rt, data, n_bytes, &c, &m, &err);
    if (status != EINF_OK) assert_good_refusal(status, &err);
    else append_rows(m);
    assert_int_equal(einf_model_close(&m, NULL), EINF_OK);
    assert_int_equal(h.heap.live_bytes, h.empty_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (!h.rt) host_open(&h);
    einf_error err;
    if (n_bytes == 0) return 0;
    const bool header = survive(&h, data, n_bytes, EINF_LOAD_HEADER, &err);
    if (!header) {
        assert_false(survive(&h, data, n_bytes, 0, &err));
        return 0;
    }
    const bool vocab = survive(&h, data, n_bytes, EINF_LOAD_VOCAB, &err);
    const bool weights = survive(&h, data, n_bytes, EINF_LOAD_WEIGHTS, &err);
    if (survive(&h, data, n_bytes, 0, &err)) assert_true(vocab && weights);
    if (weights) open_weights(data, n_bytes);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned int seed)
{
    return gguf_mutate(data, n_bytes, max_bytes, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes, uint8_t *out,
                                 size_t max_bytes, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes, uint8_t *out,
                                 size_t max_bytes, unsigned int seed)
{
    return gguf_cross(a, a_bytes, b, b_bytes, out, max_bytes, seed);
}

/* Small: libFuzzer's speed is that of copying its inputs. */
static void put_model(fuzz_put_fn put, void *user, model_family family, uint32_t type)
{
    char name[64];
    size_t n_bytes;
    model_spec s = model_preset(family);
    s.type = type;
    s.n_layer = family == MODEL_GEMMA3 ? 6 : 1;
    uint8_t *file = model_file(&s, &n_bytes);
    (void)snprintf(name, sizeof name, "%s-%u", model_arch(&s), type);
    put(user, name, file, n_bytes);
    free(file);
}

static void put_vocab(fuzz_put_fn put, void *user, const char *name, gguf_build *b)
{
    size_t n_bytes;
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    put(user, name, file, n_bytes);
    free(file);
}

void fuzz_seeds(fuzz_put_fn put, void *user)
{
    for (int family = 0; family < MODEL_N_FAMILIES; family++) {
        put_model(put, user, (model_family)family, MODEL_Q4_0);
        put_model(put, user, (model_family)family, MODEL_Q8_0);
    }
    put_vocab(put, user, "vocab-bpe", bpe_file("gpt-2"));
    put_vocab(put, user, "vocab-spm", spm_file());
    put_vocab(put, user, "vocab-wordpiece", wordpiece_file());
    gguf_build *b = gguf_build_new();
    gguf_build_str(b, "general.architecture", "none");
    put_vocab(put, user, "nothing", b);
}
