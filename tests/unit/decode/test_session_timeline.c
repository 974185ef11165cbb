/* SPDX-License-Identifier: MIT
 * test_session_timeline.c - what a timeline remembers and forgets: rewinding, checkpoints, prefixes, cancelling, the
 * end of the context, and arguments that are refused without a trace.
 */
#include <limits.h>

#include "tests/unit/decode/decode_fixture.h"

static model_spec spec_of(model_family family)
{
    model_spec s = model_preset(family);
    s.vocab = MODEL_NO_VOCAB;
    return s;
}

/* A fixture with one timeline of forced rows and reference kernels, so that equal means bit for bit. */
typedef struct scene {
    fixture f;
    timeline t;
    int32_t *ids; /* [40] */
} scene;

static void scene_open(scene *s, model_family family, uint32_t n_ctx)
{
    const model_spec spec = spec_of(family);
    einf_session_config c = EINF_INIT(einf_session_config);
    c.force_path = 1;
    c.n_ctx = n_ctx;
    c.n_batch = 8;
    c.n_checkpoints = 3;
    fixture_open(&s->f, &spec, 2, 0);
    timeline_open(&s->t, &s->f, &c);
    s->ids = random_ids(&s->f, 40, 1);
}

static void scene_close(scene *s)
{
    free(s->ids);
    timeline_close(&s->t);
    fixture_close(&s->f);
}

/* A copy of the last logits; malloc'd. */
static float *last_logits(const scene *s)
{
    float *p = logits_room(&s->f, 1);
    memcpy(p, s->t.t.logits, s->f.spec.n_vocab * sizeof *p);
    return p;
}

static void assert_last_logits(const scene *s, const float *want)
{
    assert_true(s->t.t.has_logits);
    assert_memory_equal(s->t.t.logits, want, s->f.spec.n_vocab * sizeof *want);
}

/* ------------------------------------------------------------------------------------------------- rewind -- */

static void test_rewind_and_append_again(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        scene s;
        scene_open(&s, (model_family)i, 0);
        append_ids(&s.t, s.ids, 20, NULL);
        float *want = last_logits(&s);
        for (uint32_t keep = 0; keep < 20; keep += 3) {
            int32_t other = (s.ids[19] + 5) % (int32_t)s.f.spec.n_vocab;
            append_ids(&s.t, &other, 1, NULL); /* something else in between */
            assert_ok(einf__session_rewind(&s.t.t, keep, &s.f.err), &s.f.err);
            assert_false(s.t.t.has_logits);
            assert_int_equal(s.t.t.n_past, keep);
            append_ids(&s.t, s.ids + keep, 20 - keep, NULL);
            assert_last_logits(&s, want);
        }
        free(want);
        scene_close(&s);
    }
}

static void test_rewind_arguments(void **state)
{
    (void)state;
    scene s;
    scene_open(&s, MODEL_LLAMA, 0);
    append_ids(&s.t, s.ids, 5, NULL);
    assert_status(einf__session_rewind(&s.t.t, 6, &s.f.err), &s.f.err, EINF_E_ARG);
    assert_error_says(&s.f.err, "6");
    assert_error_says(&s.f.err, "5 rows");
    s.f.err = test_error();
    assert_ok(einf__session_rewind(&s.t.t, 5, &s.f.err), &s.f.err); /* nothing to forget: the logits stay */
    assert_true(s.t.t.has_logits);
    scene_close(&s);
}

/* --------------------------------------------------------------------------------------------- checkpoints -- */

static void test_checkpoints(void **state)
{
    (void)state;
    scene s;
    int32_t at_5, at_12, at_0;
    scene_open(&s, MODEL_GEMMA3, 0);
    assert_ok(einf__session_checkpoint(&s.t.t, &at_0, &s.f.err), &s.f.err);
    append_ids(&s.t, s.ids, 5, NULL);
    assert_ok(einf__session_checkpoint(&s.t.t, &at_5, &s.f.err), &s.f.err);
    append_ids(&s.t, s.ids + 5, 7, NULL);
    assert_ok(einf__session_checkpoint(&s.t.t, &at_12, &s.f.err), &s.f.err);
    append_ids(&s.t, s.ids + 12, 8, NULL);
    float *want = last_logits(&s);
    assert_true(at_0 != at_5 && at_5 != at_12 && at_0 != at_12);

    assert_ok(einf__session_restore(&s.t.t, at_12, &s.f.err), &s.f.err);
    assert_int_equal(s.t.t.n_past, 12);
    append_ids(&s.t, s.ids + 12, 8, NULL);
    assert_last_logits(&s, want);

    assert_ok(einf__session_restore(&s.t.t, at_5, &s.f.err), &s.f.err); /* stays valid, and drops the one above */
    assert_ok(einf__session_restore(&s.t.t, at_5, &s.f.err), &s.f.err);
    assert_int_equal(s.t.t.n_past, 5);
    assert_status(einf__session_restore(&s.t.t, at_12, &s.f.err), &s.f.err, EINF_E_ARG);
    assert_error_says(&s.f.err, "rewind");
    append_ids(&s.t, s.ids + 5, 15, NULL);
    assert_last_logits(&s, want);
    free(want);
    scene_close(&s);
}

static void test_checkpoint_slots(void **state)
{
    (void)state;
    scene s;
    int32_t marks[3], more = 77;
    scene_open(&s, MODEL_LLAMA, 0);
    for (int i = 0; i < 3; i++) {
        append_ids(&s.t, s.ids + i, 1, NULL);
        assert_ok(einf__session_checkpoint(&s.t.t, &marks[i], &s.f.err), &s.f.err);
    }
    assert_status(einf__session_checkpoint(&s.t.t, &more, &s.f.err), &s.f.err, EINF_E_LIMIT);
    assert_error_says(&s.f.err, "3 checkpoints");
    assert_int_equal(more, 77);
    s.f.err = test_error();
    assert_ok(einf__session_release(&s.t.t, marks[1], &s.f.err), &s.f.err);
    assert_ok(einf__session_checkpoint(&s.t.t, &more, &s.f.err), &s.f.err);
    assert_int_equal(more, marks[1]);
    assert_ok(einf__session_release(&s.t.t, marks[1], &s.f.err), &s.f.err);
    assert_status(einf__session_release(&s.t.t, marks[1], &s.f.err), &s.f.err, EINF_E_ARG); /* twice */

    assert_ok(einf__session_rewind(&s.t.t, 1, &s.f.err), &s.f.err); /* drops the mark at 3, keeps the one at 1 */
    s.f.err = test_error();
    assert_status(einf__session_restore(&s.t.t, marks[2], &s.f.err), &s.f.err, EINF_E_ARG);
    s.f.err = test_error();
    assert_ok(einf__session_restore(&s.t.t, marks[0], &s.f.err), &s.f.err);
    static const int32_t no_marks[] = { -1, 3, INT32_MAX, INT32_MIN };
    for (size_t i = 0; i < TEST_COUNT(no_marks); i++) {
        s.f.err = test_error();
        assert_status(einf__session_restore(&s.t.t, no_marks[i], &s.f.err), &s.f.err, EINF_E_ARG);
        s.f.err = test_error();
        assert_status(einf__session_release(&s.t.t, no_marks[i], &s.f.err), &s.f.err, EINF_E_ARG);
    }
    scene_close(&s);
}

/* ------------------------------------------------------------------------------------------------- prefix -- */

static uint32_t reuse(scene *s, const int32_t *ids, uint32_t n)
{
    uint32_t n_reused = 12345;
    s->f.err = test_error();
    assert_ok(einf__session_reuse_prefix(&s->t.t, ids, n, &n_reused, &s->f.err), &s->f.err);
    assert_int_equal(n_reused, s->t.t.n_past);
    return n_reused;
}

static void test_reuse_prefix(void **state)
{
    (void)state;
    scene s;
    scene_open(&s, MODEL_QWEN2, 0);
    assert_int_equal(reuse(&s, s.ids, 10), 0); /* nothing there */
    append_ids(&s.t, s.ids, 10, NULL);
    assert_int_equal(reuse(&s, s.ids, 20), 10);
    assert_int_equal(reuse(&s, s.ids, 10), 9); /* the last is left to be computed */
    append_ids(&s.t, s.ids + 9, 1, NULL);
    float *want = last_logits(&s);
    assert_int_equal(reuse(&s, s.ids, 4), 3);
    append_ids(&s.t, s.ids + 3, 7, NULL);
    assert_last_logits(&s, want);

    int32_t other[20];
    memcpy(other, s.ids, sizeof other);
    other[6] = (other[6] + 1) % (int32_t)s.f.spec.n_vocab;
    assert_int_equal(reuse(&s, other, 20), 6);
    other[0] = (other[0] + 1) % (int32_t)s.f.spec.n_vocab;
    assert_int_equal(reuse(&s, other, 20), 0);
    append_ids(&s.t, s.ids, 10, NULL);
    assert_int_equal(reuse(&s, s.ids, 1), 0);
    append_ids(&s.t, s.ids, 10, NULL);
    assert_int_equal(reuse(&s, s.ids, 0), 0);
    free(want);
    scene_close(&s);
}

/* Rows match their keys, each its own; text behind them goes on at the largest position + 1, and matches there. */
static void test_reuse_of_keyed_rows(void **state)
{
    static const int32_t keys[3] = { -7, INT32_MIN, -9 };
    static const int32_t positions[3][4] = { { 2, 2, 2, 2 }, { 2, 2, 3, 2 }, { 2, 3, 2, 2 } };
    (void)state;
    scene s;
    scene_open(&s, MODEL_QWEN2VL, 0);
    int32_t ids[8];
    memcpy(ids, s.ids, sizeof ids);
    memcpy(ids + 2, keys, sizeof keys);
    float *rows = calloc(3 * s.f.spec.n_embd, sizeof *rows);
    for (uint32_t i = 0; i < 3; i++) rows[i * s.f.spec.n_embd + i] = 1;
    einf_batch b = EINF_INIT(einf_batch);
    b.rows = rows;
    b.row_width = s.f.spec.n_embd;
    b.n = 3;
    b.row_keys = keys;
    b.positions = positions;
    append_ids(&s.t, ids, 2, NULL);
    assert_ok(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err);
    append_ids(&s.t, ids + 5, 2, NULL);
    assert_int_equal(s.t.t.positions[5][0], 4);
    assert_int_equal(s.t.t.positions[6][2], 5);
    assert_int_equal(reuse(&s, ids, 8), 7);
    ids[3]++;
    assert_int_equal(reuse(&s, ids, 8), 3); /* in the middle of the rows */

    const int32_t wrong[3] = { -2, -1, -3 };
    b.row_keys = wrong;
    assert_status(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err, EINF_E_ARG);
    assert_error_says(&s.f.err, "the key of row 1 is -1");
    b = (einf_batch)EINF_INIT(einf_batch);
    b.ids = s.ids;
    b.n = 3;
    b.row_keys = keys;
    s.f.err = test_error();
    assert_status(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err, EINF_E_ARG);
    free(rows);
    scene_close(&s);
}

/* Rows of an image match no id, and neither does a token whose position is not the plain one. */
static void test_reuse_stops_at_images(void **state)
{
    (void)state;
    scene s;
    scene_open(&s, MODEL_QWEN2VL, 0);
    append_ids(&s.t, s.ids, 4, NULL);
    float *row = calloc(s.f.spec.n_embd, sizeof *row);
    row[0] = 1;
    einf_batch b = EINF_INIT(einf_batch);
    b.rows = row;
    b.row_width = s.f.spec.n_embd;
    b.n = 1;
    assert_ok(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err);
    append_ids(&s.t, s.ids + 5, 3, NULL);
    assert_int_equal(reuse(&s, s.ids, 9), 4);
    append_ids(&s.t, s.ids + 4, 1, NULL);
    b = (einf_batch)EINF_INIT(einf_batch);
    b.ids = s.ids + 5;
    b.n = 1;
    b.positions = (const int32_t[1][4]){ { 5, 5, 6, 5 } };
    assert_ok(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err);
    assert_int_equal(reuse(&s, s.ids, 9), 5);
    free(row);
    scene_close(&s);
}

/* ------------------------------------------------------------------------------------------------- cancel -- */

typedef struct watcher { int calls, stop_at; uint64_t done[16]; einf_cancel *set; } watcher;

static int32_t watch(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    watcher *w = user;
    assert_int_equal(phase, EINF_PHASE_PREFILL);
    assert_true(done <= total);
    if (w->calls < 16) w->done[w->calls] = done;
    w->calls++;
    if (w->set && w->calls == w->stop_at) atomic_store(&w->set->set, 1);
    return !w->set && w->calls == w->stop_at;
}

static void expect_cancelled(scene *s, const einf_batch *b, uint32_t n_past, const float *logits_before)
{
    s->f.err = test_error();
    assert_status(einf__session_append(&s->t.t, b, &s->f.err), &s->f.err, EINF_E_CANCELLED);
    assert_int_equal(s->t.t.n_past, n_past);
    if (logits_before) assert_last_logits(s, logits_before);
}

static void test_cancel(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        scene s;
        scene_open(&s, (model_family)i, 0);
        append_ids(&s.t, s.ids, 30, NULL);
        float *want = last_logits(&s);
        assert_ok(einf__session_rewind(&s.t.t, 5, &s.f.err), &s.f.err);
        int32_t *probe = s.ids + 31;
        append_ids(&s.t, probe, 1, NULL);
        float *before = last_logits(&s);

        einf_cancel cancel = { .set = 1 };
        einf_batch b = EINF_INIT(einf_batch);
        b.ids = s.ids + 5;
        b.n = 25;
        b.cancel = &cancel;
        expect_cancelled(&s, &b, 6, before); /* set before the call */

        cancel.set = 0;
        watcher w = { .stop_at = 2, .set = &cancel };
        b.progress = watch;
        b.progress_user = &w;
        expect_cancelled(&s, &b, 6, before); /* set between two pieces */
        assert_int_equal(w.calls, 2);
        assert_int_equal(w.done[0], 8);
        assert_int_equal(w.done[1], 16);

        b.cancel = NULL;
        w = (watcher){ .stop_at = 1 };
        expect_cancelled(&s, &b, 6, before); /* the callback says so */
        assert_int_equal(w.calls, 1);
        assert_error_says(&s.f.err, "8 of 25");

        cancel.set = 1; /* the session's own flag */
        s.t.t.cancel = &cancel;
        b.progress = NULL;
        expect_cancelled(&s, &b, 6, before);
        cancel.set = 0;

        assert_ok(einf__session_rewind(&s.t.t, 5, &s.f.err), &s.f.err); /* and afterwards all is as ever */
        append_ids(&s.t, s.ids + 5, 25, NULL);
        assert_last_logits(&s, want);
        free(want);
        free(before);
        scene_close(&s);
    }
}

/* Asking to stop when everything is done is too late. */
static void test_cancel_at_the_end(void **state)
{
    (void)state;
    scene s;
    scene_open(&s, MODEL_LLAMA, 0);
    watcher w = { .stop_at = 3 };
    einf_batch b = EINF_INIT(einf_batch);
    b.ids = s.ids;
    b.n = 20;
    b.progress = watch;
    b.progress_user = &w;
    assert_ok(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err);
    assert_int_equal(w.calls, 3);
    assert_int_equal(w.done[2], 20);
    assert_int_equal(s.t.t.n_past, 20);
    scene_close(&s);
}

/* ------------------------------------------------------------------------------------------------ capacity -- */

static void test_context_full(void **state)
{
    (void)state;
    scene s;
    scene_open(&s, MODEL_GEMMA3, 12);
    einf_batch b = EINF_INIT(einf_batch);
    b.ids = s.ids;
    b.n = 13;
    assert_status(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err, EINF_E_CTX_FULL);
    assert_error_says(&s.f.err, "13 rows");
    assert_error_says(&s.f.err, "0 of 12");
    assert_int_equal(s.t.t.n_past, 0);
    append_ids(&s.t, s.ids, 9, NULL);
    float *before = last_logits(&s);
    b.n = 4;
    s.f.err = test_error();
    assert_status(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err, EINF_E_CTX_FULL);
    assert_error_says(&s.f.err, "9 of 12");
    assert_error_says(&s.f.err, "3 free");
    assert_int_equal(s.t.t.n_past, 9);
    assert_last_logits(&s, before);
    b.n = UINT32_MAX;
    s.f.err = test_error();
    assert_status(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err, EINF_E_CTX_FULL);
    append_ids(&s.t, s.ids + 9, 3, NULL); /* to the last row */
    assert_int_equal(s.t.t.n_past, 12);
    float *full = last_logits(&s);
    b.n = 1;
    s.f.err = test_error();
    assert_status(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err, EINF_E_CTX_FULL);
    assert_last_logits(&s, full);
    free(before);
    free(full);
    scene_close(&s);
}

/* Beyond the trained context the engine goes on, and still agrees with the oracle. */
static void test_beyond_the_trained_context(void **state)
{
    (void)state;
    model_spec spec = spec_of(MODEL_LLAMA);
    spec.n_ctx_train = 6;
    fixture f;
    timeline t;
    einf_session_config c = EINF_INIT(einf_session_config);
    c.exact = 1;
    fixture_open(&f, &spec, 2, ~0u);
    timeline_open(&t, &f, &c);
    assert_int_equal(t.t.params.n_ctx, 6); /* the default */
    timeline_close(&t);
    c.n_ctx = 20;
    timeline_open(&t, &f, &c);
    int32_t *ids = random_ids(&f, 20, 2);
    float *got = logits_room(&f, 20);
    append_ids(&t, ids, 20, got);
    double *want = naive_of_ids(&f, ids, 20);
    assert_true(relative_error(got, want, (size_t)20 * spec.n_vocab) < 2e-5);
    free(want);
    free(got);
    free(ids);
    timeline_close(&t);
    fixture_close(&f);
}

/* ----------------------------------------------------------------------------------------------- arguments -- */

static void refuses(scene *s, const einf_batch *b, const char *where, const char *says)
{
    const uint32_t n_past = s->t.t.n_past;
    s->f.err = test_error();
    assert_status(einf__session_append(&s->t.t, b, &s->f.err), &s->f.err, EINF_E_ARG);
    assert_string_equal(s->f.err.where, where);
    assert_error_says(&s->f.err, says);
    assert_int_equal(s->t.t.n_past, n_past);
}

static einf_batch batch_of(const int32_t *ids, uint32_t n)
{
    einf_batch b = EINF_INIT(einf_batch);
    b.ids = ids;
    b.n = n;
    return b;
}

static void test_wrong_ids(void **state)
{
    static const int32_t wrong[] = { -1, 320, INT32_MAX, INT32_MIN };
    (void)state;
    scene s;
    scene_open(&s, MODEL_LLAMA, 0);
    append_ids(&s.t, s.ids, 3, NULL);
    float *before = last_logits(&s);
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", wrong[i]);
        const int32_t ids[3] = { 0, 319, wrong[i] };
        einf_batch b = batch_of(ids, 3);
        refuses(&s, &b, "ids", number);
        assert_error_says(&s.f.err, "index 2");
        assert_error_says(&s.f.err, "320");
    }
    einf_batch b = batch_of(s.ids, 0);
    refuses(&s, &b, "n", "nothing");
    b = batch_of(NULL, 2);
    refuses(&s, &b, "ids", "exactly one");
    float row[64] = { 0 };
    b = batch_of(s.ids, 1);
    b.rows = row;
    b.row_width = 64;
    refuses(&s, &b, "ids", "exactly one");
    assert_last_logits(&s, before);
    free(before);
    scene_close(&s);
}

static void test_wrong_rows(void **state)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    (void)state;
    scene s;
    scene_open(&s, MODEL_QWEN2VL, 0);
    float rows[2 * 64] = { 0 };
    einf_batch b = batch_of(NULL, 2);
    b.rows = rows;
    static const uint32_t widths[] = { 0, 63, 65, UINT32_MAX };
    for (size_t i = 0; i < TEST_COUNT(widths); i++) {
        b.row_width = widths[i];
        refuses(&s, &b, "row_width", "64");
    }
    b.row_width = 64;
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        rows[64 + 7] = bad[i];
        refuses(&s, &b, "rows", "element 7 of row 1");
        rows[64 + 7] = 0;
    }
    static const int32_t positions[] = { -1, INT32_MAX, INT32_MIN, (1 << 30) + 1 };
    for (size_t i = 0; i < TEST_COUNT(positions); i++) {
        int32_t p[2][4] = { { 0, 0, 0, 0 }, { 1, 1, positions[i], 1 } };
        b.positions = (const int32_t (*)[4])p;
        refuses(&s, &b, "positions", "position 2 of row 1");
    }
    scene_close(&s);
}

static void test_wrong_logit_rows(void **state)
{
    static const struct { int32_t rows[3]; const char *says; } cases[] = {
        { { 0, 1, 3 }, "row 3 at index 2" }, { { -1, 0, 1 }, "row -1 at index 0" }, { { 0, 0, 1 }, "row 0 at index 1" },
        { { 2, 1, 0 }, "row 1 at index 1" }, { { 0, 1, INT32_MAX }, "row 2147483647" },
    };
    (void)state;
    scene s;
    scene_open(&s, MODEL_LLAMA, 0);
    float *room = logits_room(&s.f, 3);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        einf_batch b = batch_of(s.ids, 3);
        b.logit_rows = cases[i].rows;
        b.n_logit_rows = 3;
        b.logits = room;
        refuses(&s, &b, "logit_rows", cases[i].says);
    }
    einf_batch b = batch_of(s.ids, 3);
    b.n_logit_rows = 2;
    b.logits = room;
    refuses(&s, &b, "logit_rows", "must be 0 or 3");
    b.n_logit_rows = 3;
    b.logits = NULL;
    refuses(&s, &b, "logits", "NULL");
    b.n_logit_rows = UINT32_MAX;
    b.logits = room;
    b.logit_rows = cases[0].rows;
    refuses(&s, &b, "logit_rows", "row 3");
    free(room);
    scene_close(&s);
}

/* Positions of appended ids go on from the largest of the row before, and cannot leave the range. */
static void test_positions_go_on(void **state)
{
    (void)state;
    scene s;
    scene_open(&s, MODEL_QWEN2VL, 0);
    const int32_t p[1][4] = { { 2, 9, 4, 0 } };
    einf_batch b = batch_of(s.ids, 1);
    b.positions = p;
    assert_ok(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err);
    append_ids(&s.t, s.ids, 2, NULL);
    for (int j = 0; j < 4; j++) {
        assert_int_equal(s.t.t.positions[1][j], 10);
        assert_int_equal(s.t.t.positions[2][j], 11);
    }
    const int32_t far[1][4] = { { 1 << 30, 0, 0, 0 } };
    b.positions = far;
    assert_ok(einf__session_append(&s.t.t, &b, &s.f.err), &s.f.err);
    b.positions = NULL;
    refuses(&s, &b, "positions", "1073741824");
    scene_close(&s);
}

/* ------------------------------------------------------------------------------------------------- sampling -- */

static void test_sample_needs_logits(void **state)
{
    (void)state;
    scene s;
    int32_t id = 55;
    scene_open(&s, MODEL_LLAMA, 0);
    assert_status(einf__session_sample(&s.t.t, &id, &s.f.err), &s.f.err, EINF_E_STATE);
    append_ids(&s.t, s.ids, 3, NULL);
    s.f.err = test_error();
    assert_ok(einf__session_sample(&s.t.t, &id, &s.f.err), &s.f.err);
    for (uint32_t i = 0; i < s.f.spec.n_vocab; i++) assert_true(s.t.t.logits[i] <= s.t.t.logits[id]);
    assert_ok(einf__session_rewind(&s.t.t, 1, &s.f.err), &s.f.err);
    assert_status(einf__session_sample(&s.t.t, &id, &s.f.err), &s.f.err, EINF_E_STATE);
    scene_close(&s);
}

/* The penalty sees the newest repeat_last_n ids of the timeline and no others. */
static void test_sample_penalty_window(void **state)
{
    (void)state;
    scene s;
    scene_open(&s, MODEL_LLAMA, 0);
    append_ids(&s.t, s.ids, 6, NULL);
    int32_t best, id;
    assert_ok(einf__session_sample(&s.t.t, &best, &s.f.err), &s.f.err);
    assert_true(s.t.t.logits[best] > 0);
    einf_sampling c = EINF_INIT(einf_sampling);
    c.repeat_penalty = 100;
    for (uint32_t back = 0; back < 6; back++) { /* pretend that the best token stands there */
        memcpy(s.t.t.ids, s.ids, 6 * sizeof *s.ids);
        for (int i = 0; i < 6; i++) s.t.t.ids[i] = (best + 1) % (int32_t)s.f.spec.n_vocab;
        s.t.t.ids[5 - back] = best;
        for (c.repeat_last_n = 1; c.repeat_last_n < 7; c.repeat_last_n++) {
            assert_ok(einf__sampler_set(&s.t.t.sampler, &c, &s.f.err), &s.f.err);
            assert_ok(einf__session_sample(&s.t.t, &id, &s.f.err), &s.f.err);
            assert_int_equal(id != best, back < c.repeat_last_n);
        }
    }
    scene_close(&s);
}

/* --------------------------------------------------------------------------------------------- parameters -- */

static void test_params(void **state)
{
    static const struct { einf_session_config c; const char *where; } wrong[] = {
        { { .n_ctx = UINT32_MAX }, "n_ctx" },      { { .n_ctx = (1u << 27) + 1 }, "n_ctx" },
        { { .n_batch = UINT32_MAX }, "n_batch" },  { { .n_batch = 65537 }, "n_batch" },
        { { .kv_type = 3 }, "kv_type" },           { { .kv_type = -1 }, "kv_type" },
        { { .exact = 2 }, "exact" },               { { .exact = -1 }, "exact" },
        { { .force_path = 7 }, "force_path" },     { { .force_path = INT32_MIN }, "force_path" },
        { { .n_checkpoints = 1025 }, "n_checkpoints" },
        { { .float_sum = 3 }, "float_sum" },       { { .float_sum = -1 }, "float_sum" },
    };
    (void)state;
    einf__config model = { .n_ctx_train = 100 };
    einf__session_params p;
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        einf_error err = test_error();
        assert_status(einf__session_params_resolve(&wrong[i].c, &model, 2, &p, &err), &err, EINF_E_ARG);
        assert_string_equal(err.where, wrong[i].where);
    }
    einf_error err = test_error();
    assert_ok(einf__session_params_resolve(NULL, &model, 2, &p, &err), &err);
    assert_int_equal(p.n_ctx, 100);
    assert_int_equal(p.n_batch, 100);
    assert_int_equal(p.n_checkpoints, 8);
    assert_int_equal(p.kv_type, EINF__F16);
    model.n_ctx_train = 1 << 20;
    assert_ok(einf__session_params_resolve(NULL, &model, 2, &p, &err), &err);
    assert_int_equal(p.n_ctx, 4096);
    assert_int_equal(p.n_batch, 512);
    const einf_session_config exact = { .exact = 1, .kv_type = EINF_KV_F16, .n_ctx = 1 << 27, .n_batch = 65536 };
    assert_ok(einf__session_params_resolve(&exact, &model, 2, &p, &err), &err);
    assert_int_equal(p.kv_type, EINF__F32);
    assert_int_equal(p.n_ctx, 1 << 27);
}

/* Keys and values in Q8_0 are blocks of 32: heads that are none are refused with both their dimensions. */
static void test_q8_0_kv_needs_blocks(void **state)
{
    static const struct { uint32_t k_dim, v_dim; const char *k, *v; } odd[] = {
        { 16, 64, "keys have 16 ", "values 64" }, { 128, 80, "keys have 128 ", "values 80" },
        { 33, 31, "keys have 33 ", "values 31" },
    };
    (void)state;
    einf_session_config c = { .kv_type = EINF_KV_Q8_0 };
    einf__session_params p;
    for (size_t i = 0; i < TEST_COUNT(odd); i++) {
        const einf__config model = { .n_ctx_train = 100, .k_dim = odd[i].k_dim, .v_dim = odd[i].v_dim };
        einf_error err = test_error();
        c.exact = 0;
        assert_status(einf__session_params_resolve(&c, &model, 2, &p, &err), &err, EINF_E_UNSUPPORTED);
        assert_string_equal(err.where, "kv_type");
        assert_error_says(&err, odd[i].k);
        assert_error_says(&err, odd[i].v);
        assert_error_says(&err, "F16"); /* what to do instead */
        c.exact = 1; /* which has F32 whatever is asked */
        assert_ok(einf__session_params_resolve(&c, &model, 2, &p, &err), &err);
        assert_int_equal(p.kv_type, EINF__F32);
    }
    const einf__config model = { .n_ctx_train = 100, .k_dim = 96, .v_dim = 32 };
    einf_error err = test_error();
    c.exact = 0;
    assert_ok(einf__session_params_resolve(&c, &model, 2, &p, &err), &err);
    assert_int_equal(p.kv_type, EINF__Q8_0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rewind_and_append_again),
        cmocka_unit_test(test_rewind_arguments),
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_checkpoint_slots),
        cmocka_unit_test(test_reuse_prefix),
        cmocka_unit_test(test_reuse_stops_at_images),
        cmocka_unit_test(test_reuse_of_keyed_rows),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_at_the_end),
        cmocka_unit_test(test_context_full),
        cmocka_unit_test(test_beyond_the_trained_context),
        cmocka_unit_test(test_wrong_ids),
        cmocka_unit_test(test_wrong_rows),
        cmocka_unit_test(test_wrong_logit_rows),
        cmocka_unit_test(test_positions_go_on),
        cmocka_unit_test(test_sample_needs_logits),
        cmocka_unit_test(test_sample_penalty_window),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_q8_0_kv_needs_blocks),
    };
    return cmocka_run_group_tests_name("session_timeline", tests, NULL, NULL);
}
