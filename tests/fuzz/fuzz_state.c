/* SPDX-License-Identifier: MIT
 * fuzz_state.c - loading a session's state from any file.
 *
 * Promised: refused, and the session goes on as if nothing had been; or loaded, and it goes on from there, with rows
 * and positions in range. Mostly a file's hashes are made right again after it was damaged, so that what is behind them
 * is reached; now and then not, so that it is seen that somebody looks at them.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/hostile/hostile_support.h"

#include <sys/mman.h>
#include <unistd.h>

#include <xxhash.h>

#include "engine/decode/state_file.h"
#include "engine/decode/state_io.h"

const char fuzz_name[] = "state";

enum { N_SESSIONS = 4, N_VOCAB = 320, N_CTX = 24, N_ROWS = 3 };

static const int32_t IDS[] = { 270, 271, 272, 273, 274, 275, 276, 277, 278, 279 };

static host h;
static uint8_t *model;
static einf_model *m;
static einf_session *sessions[N_SESSIONS];
static float before[N_SESSIONS][N_VOCAB], after[N_SESSIONS][N_VOCAB]; /* logits of three rows, and of four */
static int fd;
static char path[64];

/* ------------------------------------------------------------------------------------------------ sessions -- */

static void begin(int i)
{
    assert_int_equal(einf_session_rewind(sessions[i], 0, NULL), EINF_OK);
    assert_int_equal(einf_session_set_sampling(sessions[i], NULL, NULL), EINF_OK);
    assert_int_equal(einf_session_append_tokens(sessions[i], IDS, N_ROWS, NULL), EINF_OK);
}

static void make_sessions(void)
{
    size_t n_bytes;
    einf_error err = test_error();
    model_spec spec = model_preset(MODEL_LLAMA);
    spec.n_layer = 1;
    spec.k_dim = spec.v_dim = spec.n_rot = 32; /* a block of Q8_0 */
    host_open(&h);
    model = model_file(&spec, &n_bytes);
    assert_ok(einf_model_open_memory(h.rt, model, n_bytes, NULL, &m, &err), &err);
    for (int i = 0; i < N_SESSIONS; i++) {
        einf_session_config c = EINF_INIT(einf_session_config);
        c.n_ctx = N_CTX;
        c.kv_type = i == 3 ? EINF_KV_Q8_0 : EINF_KV_F16;
        c.exact = i == 1;
        c.deterministic = i == 2;
        c.force_path = i == 0;
        assert_ok(einf_session_create(m, &c, &sessions[i], &err), &err);
        begin(i);
        memcpy(before[i], einf_session_logits(sessions[i]), sizeof before[i]);
        assert_ok(einf_session_append_tokens(sessions[i], IDS + N_ROWS, 1, &err), &err);
        memcpy(after[i], einf_session_logits(sessions[i]), sizeof after[i]);
        begin(i);
    }
    fd = memfd_create("state", MFD_CLOEXEC);
    assert_true(fd >= 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
}

/* ------------------------------------------------------------------------------------------------- one run -- */

/* As it was; going on is the dear part, and done now and then. */
static void check_untouched(int i, bool goes_on)
{
    assert_int_equal(einf_session_n_past(sessions[i]), N_ROWS);
    assert_memory_equal(einf_session_logits(sessions[i]), before[i], sizeof before[i]);
    if (!goes_on) return;
    assert_int_equal(einf_session_append_tokens(sessions[i], IDS + N_ROWS, 1, NULL), EINF_OK);
    assert_memory_equal(einf_session_logits(sessions[i]), after[i], sizeof after[i]);
    begin(i);
}

/* What a loaded session can be asked; values may be any, so what is sampled may be refused. */
static void check_usable(int i)
{
    einf_session *s = sessions[i];
    int32_t id = 0;
    uint32_t n_reused = 0;
    const uint32_t n_past = einf_session_n_past(s);
    assert_true(n_past <= N_CTX);
    if (einf_session_logits(s) && einf_session_sample(s, &id, NULL) == EINF_OK) assert_true(id >= 0 && id < N_VOCAB);
    const einf_status status = einf_session_append_tokens(s, &id, 1, NULL);
    assert_int_equal(einf_session_n_past(s), n_past + (status == EINF_OK));
    assert_int_equal(einf_session_reuse_prefix(s, IDS, N_ROWS, &n_reused, NULL), EINF_OK);
    assert_true(n_reused < N_ROWS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (!h.rt) make_sessions();
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, data, n_bytes, 0), n_bytes);
    for (int i = 0; i < N_SESSIONS; i++) {
        einf_error err = test_error();
        const uint64_t live = h.heap.live_bytes;
        const einf_status status = einf_session_load(sessions[i], path, &err);
        assert_int_equal(h.heap.live_bytes, live);
        if (status == EINF_OK) {
            check_usable(i);
            begin(i);
        } else {
            assert_int_equal(err.code, status);
            assert_true(status == EINF_E_FORMAT || status == EINF_E_STATE || status == EINF_E_CTX_FULL ||
                        status == EINF_E_UNSUPPORTED);
            assert_true(strlen(err.message) >= 10);
            assert_true(err.offset == EINF_NO_OFFSET || err.offset <= n_bytes);
            check_untouched(i, (n_bytes + (n_bytes ? data[n_bytes - 1] : 0)) % 8 == (size_t)i);
        }
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ changing -- */

/* Make the hashes right, as state_io.h describes them. */
static void seal(uint8_t *data, size_t n_bytes)
{
    if (n_bytes < sizeof(einf__state_header) + 8) return;
    const size_t at = offsetof(einf__state_header, header_hash);
    const uint64_t header_hash = XXH3_64bits_withSeed(data, at, 0);
    memcpy(data + at, &header_hash, 8);
    uint64_t hash = 0;
    for (size_t i = 0; i < n_bytes - 8; i += EINF__STATE_PIECE) {
        const size_t left = n_bytes - 8 - i;
        hash = XXH3_64bits_withSeed(data + i, left < EINF__STATE_PIECE ? left : EINF__STATE_PIECE, hash);
    }
    memcpy(data + n_bytes - 8, &hash, 8);
}

/* Another number of rows, with a file of the size for it: everything behind them moves, and their ids and positions
 * are right again. */
static size_t change_rows(uint8_t *data, size_t n_bytes, size_t max_bytes, uint64_t r)
{
    einf__state_header head;
    memcpy(&head, data, sizeof head);
    head.n_past = (uint32_t)(r % (N_CTX + 3));
    head.has_logits = (uint32_t)(r >> 32 & 1);
    if (head.kv_row_bytes > 1 << 16 || head.n_vocab > 1 << 16) return n_bytes;
    const size_t n = sizeof head + head.n_past * (20 + (size_t)head.kv_row_bytes) +
                     (head.has_logits ? (size_t)head.n_vocab * 4 : 0) + 8;
    if (n > max_bytes) return n_bytes;
    head.file_bytes = n;
    if (n > n_bytes) memset(data + n_bytes, 0, n - n_bytes);
    memcpy(data, &head, sizeof head);
    for (int32_t i = 0; i < (int32_t)head.n_past; i++) {
        const int32_t id = (i * 7 + 1) % N_VOCAB, position[4] = { i, i, i, i };
        memcpy(data + sizeof head + 4 * (size_t)i, &id, sizeof id);
        memcpy(data + sizeof head + 4 * (size_t)head.n_past + 16 * (size_t)i, position, sizeof position);
    }
    return n;
}

static void change_field(uint8_t *data, uint64_t r)
{
    static const uint32_t odd[] = { 0, 1, 2, 3, 4, 24, 25, 319, 320, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fc00000,
                                    0x7f800000, 0x00000001, 0x3f800000 };
    const size_t at = r % (sizeof(einf__state_header) / 4) * 4;
    memcpy(data + at, &odd[(r >> 32) % TEST_COUNT(odd)], 4);
}

/* An id, a position, or a value of the cache is odd. */
static void change_number(uint8_t *data, size_t n_bytes, uint64_t r)
{
    static const uint32_t odd[] = { 0xffffffff, 0xfffffffe, 320, 319, 0x7fffffff, 0x80000000, 0x7c007e00, 0x7f800000,
                                    0x7fc00000, 0, 1 << 30 };
    const size_t first = sizeof(einf__state_header), span = r >> 60 & 1 ? 240 : n_bytes - first;
    const size_t at = first + r % (span / 4) * 4;
    if (at + 4 <= n_bytes) memcpy(data + at, &odd[(r >> 32) % TEST_COUNT(odd)], 4);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned int seed)
{
    uint64_t state = seed;
    uint64_t r = model_random(&state);
    if (n_bytes < sizeof(einf__state_header) + 64 || r % 16 == 0) return LLVMFuzzerMutate(data, n_bytes, max_bytes);
    do {
        r = model_random(&state);
        const uint64_t more = model_random(&state);
        if (r % 8 < 2) n_bytes = change_rows(data, n_bytes, max_bytes, more);
        else if (r % 8 < 4) change_field(data, more);
        else if (r % 8 < 7) change_number(data, n_bytes, more);
        else (void)LLVMFuzzerMutate(data + sizeof(einf__state_header), n_bytes - sizeof(einf__state_header),
                                    n_bytes - sizeof(einf__state_header));
    } while (r >> 60 < 6 && n_bytes >= sizeof(einf__state_header) + 64);
    seal(data, n_bytes);
    return n_bytes;
}

/* --------------------------------------------------------------------------------------------------- seeds -- */

static void put_state(fuzz_put_fn put, void *user, int i, uint32_t n_rows, const char *file)
{
    char name[32];
    size_t n_bytes;
    einf_error err = test_error();
    einf_sampling sampling = EINF_INIT(einf_sampling);
    sampling.temperature = 0.8f;
    sampling.top_k = 40;
    sampling.repeat_penalty = 1.1f; /* looks at the ids */
    sampling.seed = n_rows;
    assert_ok(einf_session_rewind(sessions[i], 0, &err), &err);
    if (n_rows > 2) assert_ok(einf_session_set_sampling(sessions[i], &sampling, &err), &err);
    if (n_rows) assert_ok(einf_session_append_tokens(sessions[i], IDS, n_rows, &err), &err);
    assert_ok(einf_session_save(sessions[i], file, &err), &err);
    uint8_t *state = test_read_file(file, &n_bytes);
    assert_non_null(state);
    (void)snprintf(name, sizeof name, "state-%d-%u", i, n_rows);
    put(user, name, state, n_bytes);
    free(state);
    begin(i);
}

void fuzz_seeds(fuzz_put_fn put, void *user)
{
    static const uint32_t rows[] = { 0, 1, 3, 10 };
    if (!h.rt) make_sessions();
    char *dir = test_temp_dir(), *file = test_path(dir, "state");
    for (int i = 0; i < N_SESSIONS; i++)
        for (size_t j = 0; j < TEST_COUNT(rows); j++) put_state(put, user, i, rows[j], file);
    free(file);
    test_temp_remove(&dir);
}
