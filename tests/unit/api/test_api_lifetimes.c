/* SPDX-License-Identifier: MIT
 * test_api_lifetimes.c - three lifetimes under a careless host: wrong order of destruction, calls from callbacks, two
 * threads in one session, a fork, a thousand cycles, a storm of cancels (users.md 4.3, H-085 and H-112).
 */
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/api/api_fixture.h"

static const int32_t IDS[] = { 270, 271, 272, 273, 274, 275, 276, 277 };

/* A session that is deterministic whatever the number of columns: row dots alone. */
static einf_session *plain_session(fixture *f)
{
    einf_session *s = NULL;
    einf_session_config c = EINF_INIT(einf_session_config);
    c.force_path = 1;
    f->err = test_error();
    assert_ok(einf_session_create(f->m, &c, &s, &f->err), &f->err);
    return s;
}

#define refuses_state(f, call, says) \
    do { \
        (f)->err = test_error(); \
        assert_status((call), &(f)->err, EINF_E_STATE); \
        assert_error_says(&(f)->err, (says)); \
    } while (0)

/* -------------------------------------------------------------------------------------------------- orders -- */

static void test_wrong_order(void **state)
{
    (void)state;
    fixture f;
    fixture_session(&f, MODEL_LLAMA, 0);
    einf_session *second = plain_session(&f);
    refuses_state(&f, einf_runtime_destroy(&f.rt, &f.err), "1 open model");
    refuses_state(&f, einf_model_close(&f.m, &f.err), "2 sessions");
    assert_non_null(f.rt);
    assert_non_null(f.m);
    f.err = test_error();
    assert_ok(einf_session_append_tokens(f.s, IDS, 8, &f.err), &f.err); /* nothing happened to them */
    assert_ok(einf_session_destroy(&second, &f.err), &f.err);
    assert_null(second);
    refuses_state(&f, einf_model_close(&f.m, &f.err), "1 session");
    f.err = test_error();
    assert_ok(einf_session_destroy(&f.s, &f.err), &f.err);
    assert_ok(einf_session_destroy(&f.s, &f.err), &f.err); /* twice, of a cleared pointer */
    assert_ok(einf_model_close(&f.m, &f.err), &f.err);
    assert_ok(einf_model_close(&f.m, &f.err), &f.err);
    assert_ok(einf_runtime_destroy(&f.rt, &f.err), &f.err);
    assert_ok(einf_runtime_destroy(&f.rt, &f.err), &f.err);
    fixture_close(&f);
}

/* A model that was refused does not count as open. */
static void test_failed_opens_do_not_count(void **state)
{
    (void)state;
    fixture f;
    const model_spec spec = model_preset(MODEL_LLAMA);
    fixture_open(&f, &spec, NULL);
    assert_ok(einf_model_close(&f.m, &f.err), &f.err);
    for (size_t n = 0; n < f.n_bytes; n += f.n_bytes / 20) {
        f.err = test_error();
        assert_int_not_equal(einf_model_open_memory(f.rt, f.file, n, NULL, &f.m, &f.err), EINF_OK);
        assert_null(f.m);
    }
    fixture_close(&f);
}

/* ----------------------------------------------------------------------------------------------- callbacks -- */

typedef struct caller {
    fixture *f;
    einf_session *other;
    int calls;
} caller;

/* Everything a callback of a session must not do with it, and some that it may with others. */
static void call_everything(caller *c)
{
    fixture *f = c->f;
    int32_t id, mark;
    uint32_t n;
    uint64_t n_ids;
    const float row[64] = { 0 };
    einf_model_info info = EINF_INIT(einf_model_info);
    einf_batch batch = EINF_INIT(einf_batch);
    batch.ids = IDS;
    batch.n = 1;
    c->calls++;
    refuses_state(f, einf_session_append(f->s, &batch, &f->err), "in use");
    refuses_state(f, einf_session_append_tokens(f->s, IDS, 1, &f->err), "in use");
    refuses_state(f, einf_session_append_rows(f->s, row, 1, NULL, 64, &f->err), "in use");
    refuses_state(f, einf_session_rewind(f->s, 0, &f->err), "in use");
    refuses_state(f, einf_session_checkpoint(f->s, &mark, &f->err), "in use");
    refuses_state(f, einf_session_restore(f->s, 0, &f->err), "in use");
    refuses_state(f, einf_session_release(f->s, 0, &f->err), "in use");
    refuses_state(f, einf_session_reuse_prefix(f->s, IDS, 1, &n, &f->err), "in use");
    refuses_state(f, einf_session_set_sampling(f->s, NULL, &f->err), "in use");
    refuses_state(f, einf_session_sample(f->s, &id, &f->err), "in use");
    refuses_state(f, einf_generate(f->s, "a", 1, NULL, NULL, &f->err), "in use");
    refuses_state(f, einf_session_destroy(&f->s, &f->err), "in use");
    refuses_state(f, einf_model_close(&f->m, &f->err), "session");
    refuses_state(f, einf_runtime_destroy(&f->rt, &f->err), "open model");
    f->err = test_error();
    assert_ok(einf_model_get_info(f->m, &info, &f->err), &f->err);
    assert_int_equal(einf_tokenize(f->m, "the", 3, 0, NULL, 0, &n_ids, NULL), EINF_E_LIMIT); /* there are some */
    if (!c->other) return;
    assert_ok(einf_session_append_tokens(c->other, IDS, 1, &f->err), &f->err);
    assert_ok(einf_session_sample(c->other, &id, &f->err), &f->err);
}

static int32_t call_from_text(void *user, const char *utf8, uint64_t n_bytes, int32_t id)
{
    (void)utf8, (void)n_bytes, (void)id;
    call_everything(user);
    return 0;
}

static int32_t call_from_progress(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    (void)phase, (void)done, (void)total;
    call_everything(user);
    return 0;
}

static void test_calls_from_callbacks(void **state)
{
    (void)state;
    fixture f;
    fixture_session(&f, MODEL_QWEN2, 0);
    caller c = { .f = &f, .other = plain_session(&f) };
    einf_generate_config gc = EINF_INIT(einf_generate_config);
    gc.max_tokens = 5;
    gc.ignore_eos = 1;
    einf_result want = EINF_INIT(einf_result), got = EINF_INIT(einf_result);
    assert_ok(einf_generate(f.s, "the tea", 7, &gc, &want, &f.err), &f.err);
    int32_t id, id_after;
    assert_ok(einf_session_sample(f.s, &id, &f.err), &f.err);
    gc.on_text = call_from_text;
    gc.progress = call_from_progress;
    gc.on_text_user = gc.progress_user = &c;
    f.err = test_error();
    einf_error err = test_error(); /* the callbacks fill the fixture's */
    assert_ok(einf_generate(f.s, "the tea", 7, &gc, &got, &err), &err);
    assert_int_equal(got.n_generated, want.n_generated);
    assert_true(c.calls >= 10);
    f.err = test_error();
    assert_ok(einf_session_sample(f.s, &id_after, &f.err), &f.err);
    assert_int_equal(id_after, id);
    assert_ok(einf_session_destroy(&c.other, &f.err), &f.err);
    fixture_close(&f);
}

/* Trace hooks and the log are callbacks, too. */
static void destroy_from_hook(void *user, int32_t phase, uint64_t n_units)
{
    fixture *f = user;
    einf_error err = test_error();
    (void)n_units;
    if (phase != EINF_PHASE_LOAD) assert_status(einf_session_destroy(&f->s, &err), &err, EINF_E_STATE);
    err = test_error();
    if (f->rt) assert_status(einf_runtime_destroy(&f->rt, &err), &err, EINF_E_STATE);
    f->log[0] = '!';
}

static void close_from_log(void *user, int32_t level, const char *line)
{
    fixture *f = user;
    einf_error err = test_error();
    (void)level;
    if (strstr(line, "n_ctx")) assert_status(einf_model_close(&f->m, &err), &err, EINF_E_STATE);
}

static int32_t destroy_from_load(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    fixture *f = user;
    einf_error err = test_error();
    assert_int_equal(phase, EINF_PHASE_LOAD);
    assert_true(done <= total);
    assert_status(einf_runtime_destroy(&f->rt, &err), &err, EINF_E_STATE);
    return 0;
}

static void test_hooks_cannot_destroy(void **state)
{
    (void)state;
    fixture f;
    memset(&f, 0, sizeof f);
    test_heap_init(&f.heap, 0);
    f.err = test_error();
    const model_spec spec = model_preset(MODEL_LLAMA);
    f.file = model_file(&spec, &f.n_bytes);
    einf_trace_hooks hooks = EINF_INIT(einf_trace_hooks);
    hooks.begin = destroy_from_hook;
    hooks.user = &f;
    einf_runtime_config rc = EINF_INIT(einf_runtime_config);
    rc.n_threads = 2;
    rc.trace = &hooks;
    rc.allocator = &f.heap.allocator;
    rc.log = close_from_log;
    rc.log_user = &f;
    assert_ok(einf_runtime_create(&rc, &f.rt, &f.err), &f.err);
    einf_model_config mc = EINF_INIT(einf_model_config);
    mc.progress = destroy_from_load;
    mc.progress_user = &f;
    assert_ok(einf_model_open_memory(f.rt, f.file, f.n_bytes, &mc, &f.m, &f.err), &f.err);
    assert_int_equal(f.log[0], '!');
    einf_session_config sc = EINF_INIT(einf_session_config);
    sc.n_ctx = 500; /* more than trained: a line in the log */
    assert_ok(einf_session_create(f.m, &sc, &f.s, &f.err), &f.err);
    assert_ok(einf_session_append_tokens(f.s, IDS, 8, &f.err), &f.err);
    assert_ok(einf_session_append_tokens(f.s, IDS, 1, &f.err), &f.err);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------------- threads -- */

typedef struct guest { fixture *f; sem_t inside, go_on; bool was_inside; einf_status status; } guest;

static int32_t wait_inside(void *user, const char *utf8, uint64_t n_bytes, int32_t id)
{
    guest *g = user;
    (void)utf8, (void)n_bytes, (void)id;
    if (g->was_inside) return 0;
    g->was_inside = true;
    sem_post(&g->inside);
    sem_wait(&g->go_on);
    return 0;
}

static void *generate_and_wait(void *arg)
{
    guest *g = arg;
    einf_generate_config gc = EINF_INIT(einf_generate_config);
    gc.max_tokens = 1;
    gc.on_text = wait_inside;
    gc.on_text_user = g;
    g->status = einf_generate(g->f->s, "the", 3, &gc, NULL, NULL);
    return NULL;
}

static void test_two_threads_one_session(void **state)
{
    (void)state;
    fixture f;
    fixture_session(&f, MODEL_LLAMA, 0);
    guest g = { .f = &f };
    sem_init(&g.inside, 0, 0);
    sem_init(&g.go_on, 0, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, generate_and_wait, &g), 0);
    sem_wait(&g.inside);
    refuses_state(&f, einf_session_append_tokens(f.s, IDS, 8, &f.err), "in use");
    refuses_state(&f, einf_session_destroy(&f.s, &f.err), "in use");
    assert_non_null(f.s);
    sem_post(&g.go_on);
    pthread_join(thread, NULL);
    assert_int_equal(g.status, EINF_OK);
    f.err = test_error();
    assert_ok(einf_session_append_tokens(f.s, IDS, 8, &f.err), &f.err);
    sem_destroy(&g.inside);
    sem_destroy(&g.go_on);
    fixture_close(&f);
}

enum { N_GUESTS = 3, N_ROUNDS = 6 };

typedef struct worker { einf_session *s; float *logits; uint32_t n_vocab; einf_status status; uint64_t seed; } worker;

/* Prefill and decode, over and over; the last logits stay. */
static void *work(void *arg)
{
    worker *w = arg;
    int32_t ids[24];
    uint64_t seed = w->seed;
    for (int i = 0; i < 24; i++) ids[i] = (int32_t)(model_random(&seed) % w->n_vocab);
    w->status = EINF_OK;
    for (int round = 0; round < N_ROUNDS && w->status == EINF_OK; round++) {
        int32_t id;
        w->status = einf_session_append_tokens(w->s, ids, 24, NULL);
        for (int i = 0; i < 10 && w->status == EINF_OK; i++) {
            w->status = einf_session_sample(w->s, &id, NULL);
            if (w->status == EINF_OK) w->status = einf_session_append_tokens(w->s, &id, 1, NULL);
        }
        memcpy(w->logits, einf_session_logits(w->s), w->n_vocab * sizeof *w->logits);
        if (w->status == EINF_OK) w->status = einf_session_rewind(w->s, 0, NULL);
    }
    return NULL;
}

/* Sessions of one runtime in as many threads take turns, and none sees another. */
static void test_sessions_in_threads(void **state)
{
    (void)state;
    fixture f;
    const model_spec spec = model_preset(MODEL_GEMMA3);
    fixture_open(&f, &spec, NULL);
    worker alone[N_GUESTS], together[N_GUESTS];
    pthread_t threads[N_GUESTS];
    for (int i = 0; i < N_GUESTS; i++) {
        alone[i] = (worker){ .s = plain_session(&f), .n_vocab = 320, .seed = (uint64_t)i };
        alone[i].logits = malloc(320 * sizeof(float));
        together[i] = (worker){ .s = plain_session(&f), .n_vocab = 320, .seed = (uint64_t)i };
        together[i].logits = malloc(320 * sizeof(float));
        (void)work(&alone[i]);
        assert_int_equal(alone[i].status, EINF_OK);
    }
    for (int i = 0; i < N_GUESTS; i++) assert_int_equal(pthread_create(&threads[i], NULL, work, &together[i]), 0);
    for (int i = 0; i < N_GUESTS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < N_GUESTS; i++) {
        assert_int_equal(together[i].status, EINF_OK);
        assert_memory_equal(together[i].logits, alone[i].logits, 320 * sizeof(float));
        free(alone[i].logits);
        free(together[i].logits);
        assert_ok(einf_session_destroy(&alone[i].s, &f.err), &f.err);
        assert_ok(einf_session_destroy(&together[i].s, &f.err), &f.err);
    }
    fixture_close(&f);
}

/* Two runtimes in one process, one of plain C and one of all that the machine has. */
static void test_two_runtimes(void **state)
{
    (void)state;
    const model_spec spec = model_preset(MODEL_QWEN2);
    fixture f[2];
    einf_session *s[2];
    float *logits[2];
    for (int i = 0; i < 2; i++) {
        einf_runtime_config c = EINF_INIT(einf_runtime_config);
        c.n_threads = 1 + i;
        c.cpu_forbid = i ? 0 : ~0u;
        fixture_open(&f[i], &spec, &c);
        s[i] = plain_session(&f[i]);
    }
    for (int i = 0; i < 2; i++) { /* both alive */
        einf_runtime_info info = EINF_INIT(einf_runtime_info);
        assert_ok(einf_runtime_get_info(f[i].rt, &info, &f[i].err), &f[i].err);
        assert_int_equal(info.n_threads, 1 + i);
        assert_int_equal(info.cpu_used, i ? info.cpu_found : 0);
        logits[i] = malloc(8 * 320 * sizeof(float));
        einf_batch b = EINF_INIT(einf_batch);
        b.ids = IDS;
        b.n = b.n_logit_rows = 8;
        b.logits = logits[i];
        assert_ok(einf_session_append(s[i], &b, &f[i].err), &f[i].err);
    }
    double difference = 0, norm = 0;
    for (int i = 0; i < 8 * 320; i++) {
        difference += pow((double)logits[0][i] - (double)logits[1][i], 2);
        norm += pow((double)logits[0][i], 2);
    }
    assert_true(norm > 1);
    assert_true(sqrt(difference / norm) < 1e-3); /* F16 keys may round the other way */
    for (int i = 0; i < 2; i++) {
        free(logits[i]);
        assert_ok(einf_session_destroy(&s[i], &f[i].err), &f[i].err);
        fixture_close(&f[i]);
    }
}

/* -------------------------------------------------------------------------------------------------- cancel -- */

typedef struct storm { einf_cancel *cancel; atomic_bool over; } storm;

static void *blow(void *arg)
{
    storm *w = arg;
    uint64_t seed = 5;
    while (!atomic_load(&w->over)) {
        const struct timespec pause = { 0, (long)(model_random(&seed) % 400000) };
        nanosleep(&pause, NULL);
        einf_cancel_set(w->cancel);
    }
    return NULL;
}

static void test_cancel_storm(void **state)
{
    (void)state;
    fixture f;
    const model_spec spec = model_preset(MODEL_GEMMA3);
    fixture_open(&f, &spec, NULL);
    einf_session *s = plain_session(&f);
    storm w = { .cancel = NULL };
    assert_ok(einf_cancel_create(&w.cancel, &f.err), &f.err);
    einf_generate_config gc = EINF_INIT(einf_generate_config);
    gc.max_tokens = 12;
    gc.ignore_eos = 1;
    gc.cancel = w.cancel;
    static const char prompt[] = "the tea is here and there in the rain";
    einf_result r = EINF_INIT(einf_result);
    float want[320];
    assert_ok(einf_generate(s, prompt, sizeof prompt - 1, &gc, &r, &f.err), &f.err);
    memcpy(want, einf_session_logits(s), sizeof want);

    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, blow, &w), 0);
    int n_cancelled = 0, n_done = 0;
    for (int i = 0; i < 400; i++) {
        einf_cancel_clear(w.cancel);
        if (i % 3 == 0) assert_ok(einf_session_rewind(s, 0, &f.err), &f.err);
        f.err = test_error();
        const einf_status status = einf_generate(s, prompt, sizeof prompt - 1, &gc, &r, &f.err);
        if (status == EINF_OK) {
            assert_int_equal(r.n_generated, 12);
            n_done++;
        } else {
            assert_status(status, &f.err, EINF_E_CANCELLED);
            assert_int_equal(r.stop_reason, EINF_STOP_CANCELLED);
            n_cancelled++;
        }
    }
    atomic_store(&w.over, true);
    pthread_join(thread, NULL);
    assert_true(n_cancelled > 10);
    einf_cancel_clear(w.cancel);
    f.err = test_error();
    assert_ok(einf_generate(s, prompt, sizeof prompt - 1, &gc, &r, &f.err), &f.err);
    assert_memory_equal(einf_session_logits(s), want, sizeof want);
    assert_ok(einf_session_destroy(&s, &f.err), &f.err);
    einf_cancel_destroy(&w.cancel);
    assert_null(w.cancel);
    fixture_close(&f);
}

/* --------------------------------------------------------------------------------------------------- fork -- */

/* What a child of fork() is told; 0 when all is as promised. */
static int child(fixture *f)
{
    einf_model *m = NULL;
    einf_session *s = NULL;
    int32_t id;
    uint64_t n;
    int wrong = 0;
    einf_error err = EINF_INIT(einf_error);
    if (einf_session_append_tokens(f->s, IDS, 8, &err) != EINF_E_STATE || !strstr(err.message, "process")) wrong |= 1;
    if (einf_generate(f->s, "a", 1, NULL, NULL, NULL) != EINF_E_STATE) wrong |= 2;
    if (einf_model_open_memory(f->rt, f->file, f->n_bytes, NULL, &m, NULL) != EINF_E_STATE || m) wrong |= 4;
    if (einf_session_create(f->m, NULL, &s, NULL) != EINF_E_STATE || s) wrong |= 8;
    if (einf_session_sample(f->s, &id, NULL) != EINF_E_STATE) wrong |= 16;
    if (einf_runtime_destroy(&f->rt, NULL) != EINF_E_STATE || !f->rt) wrong |= 32;
    /* tokenizing needs no thread */
    if (einf_tokenize(f->m, "the", 3, 0, NULL, 0, &n, NULL) != EINF_E_LIMIT || n == 0) wrong |= 64;
    return wrong;
}

static void test_fork(void **state)
{
    (void)state;
    fixture f;
    fixture_session(&f, MODEL_LLAMA, 0);
    assert_ok(einf_session_append_tokens(f.s, IDS, 8, &f.err), &f.err);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(child(&f));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_ok(einf_session_append_tokens(f.s, IDS, 8, &f.err), &f.err); /* the parent goes on */
    fixture_close(&f);
}

/* -------------------------------------------------------------------------------------------------- cycles -- */

static size_t n_entries(const char *path)
{
    size_t n = 0;
    DIR *d = opendir(path);
    if (!d) return 0;
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static void test_a_thousand_cycles(void **state)
{
    (void)state;
    const model_spec spec = model_preset(MODEL_LLAMA);
    size_t n_bytes;
    uint8_t *file = model_file(&spec, &n_bytes);
    char *dir = test_temp_dir(), *path = test_path(dir, "m.gguf");
    test_write_file(path, file, n_bytes);
    test_heap heap;
    test_heap_init(&heap, 0);
    const size_t n_fds = n_entries("/proc/self/fd"), n_tasks = n_entries("/proc/self/task");
    for (int i = 0; i < 1000; i++) {
        einf_error err = test_error();
        einf_runtime *rt = NULL;
        einf_model *m = NULL;
        einf_session *s = NULL;
        einf_cancel *cancel = NULL;
        einf_runtime_config rc = EINF_INIT(einf_runtime_config);
        rc.n_threads = 1 + i % 3;
        rc.allocator = &heap.allocator;
        einf_model_config mc = EINF_INIT(einf_model_config);
        mc.mode = i % 2;
        assert_ok(einf_cancel_create(&cancel, &err), &err);
        assert_ok(einf_runtime_create(&rc, &rt, &err), &err);
        assert_ok(einf_model_open(rt, path, &mc, &m, &err), &err);
        assert_ok(einf_session_create(m, NULL, &s, &err), &err);
        assert_ok(einf_session_append_tokens(s, IDS, 2, &err), &err);
        assert_ok(einf_session_destroy(&s, &err), &err);
        assert_ok(einf_model_close(&m, &err), &err);
        assert_ok(einf_runtime_destroy(&rt, &err), &err);
        einf_cancel_destroy(&cancel);
        assert_int_equal(heap.n_live, 0);
        assert_int_equal(heap.live_bytes, 0);
    }
    assert_int_equal(n_entries("/proc/self/fd"), n_fds);
    for (int i = 0; i < 2000 && n_entries("/proc/self/task") > n_tasks; i++) /* joined, but still in the list */
        (void)nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    assert_true(n_entries("/proc/self/task") <= n_tasks);
    free(file);
    free(path);
    test_temp_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_order),
        cmocka_unit_test(test_failed_opens_do_not_count),
        cmocka_unit_test(test_calls_from_callbacks),
        cmocka_unit_test(test_hooks_cannot_destroy),
        cmocka_unit_test(test_two_threads_one_session),
        cmocka_unit_test(test_sessions_in_threads),
        cmocka_unit_test(test_two_runtimes),
        cmocka_unit_test(test_cancel_storm),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_a_thousand_cycles),
    };
    return cmocka_run_group_tests_name("api_lifetimes", tests, NULL, NULL);
}
