/* SPDX-License-Identifier: MIT
 * test_storm.c - many threads of a host at once: sessions that generate side by side, models and runtimes that come and
 * go, flags set and cleared in every phase, destroying what is in use, forking in the midst of it.
 *
 * Here the thread sanitizer looks for races (`make check-tsan`). What one thread alone can show is in
 * test_api_lifetimes.c.
 */
#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/api/api_fixture.h"

enum { N_THREADS = 4 };

static const char PROMPT[] = "the tea is here and there in the rain; it is not in the house";

/* A host whose memory any thread may ask for: the counting heap of the fixture is for one. */
typedef struct house {
    einf_runtime *rt;
    einf_model *m;
    uint8_t *file;
    size_t n_bytes;
} house;

static void house_open(house *h, model_family family, int32_t n_threads)
{
    einf_error err = test_error();
    einf_runtime_config c = EINF_INIT(einf_runtime_config);
    const model_spec spec = model_preset(family);
    c.n_threads = n_threads;
    h->file = model_file(&spec, &h->n_bytes);
    assert_ok(einf_runtime_create(&c, &h->rt, &err), &err);
    assert_ok(einf_model_open_memory(h->rt, h->file, h->n_bytes, NULL, &h->m, &err), &err);
}

static void house_close(house *h)
{
    einf_error err = test_error();
    assert_ok(einf_model_close(&h->m, &err), &err);
    assert_int_equal(allocated_bytes(h->rt) < 1 << 20, 1);
    assert_ok(einf_runtime_destroy(&h->rt, &err), &err);
    free(h->file);
}

/* ---------------------------------------------------------------------------------------------- generating -- */

typedef struct answer { char text[512]; size_t n; uint32_t n_tokens; } answer;

static int32_t collect(void *user, const char *utf8, uint64_t n_bytes, int32_t id)
{
    answer *a = user;
    (void)id;
    if (n_bytes > sizeof a->text - a->n) return 1;
    memcpy(a->text + a->n, utf8, (size_t)n_bytes);
    a->n += (size_t)n_bytes;
    a->n_tokens++;
    return 0;
}

/* One long-lived job of a thread. */
typedef struct job {
    house *h;
    einf_session *s;
    einf_cancel *cancel;
    const char *path;
    int which, n_rounds;
    einf_status status; /* the first that was not expected */
    einf_error err;
    answer a;
    int n_done, n_cancelled[3]; /* while opening, before the first token, after it */
} job;

/* Row dots alone, so that the answer does not depend on what the session held before. */
static einf_session *plain_session(house *h)
{
    einf_session *s = NULL;
    einf_error err = test_error();
    einf_session_config c = EINF_INIT(einf_session_config);
    c.force_path = 1;
    assert_ok(einf_session_create(h->m, &c, &s, &err), &err);
    return s;
}

static einf_status generate(job *j)
{
    einf_generate_config c = EINF_INIT(einf_generate_config);
    c.max_tokens = 12;
    c.ignore_eos = 1;
    c.raw = 1;
    c.cancel = j->cancel;
    c.sampling.temperature = 0.7f;
    c.sampling.seed = (uint64_t)j->which + 1;
    c.on_text = collect;
    c.on_text_user = &j->a;
    j->a.n = j->a.n_tokens = 0;
    j->err = test_error();
    return einf_generate(j->s, PROMPT, sizeof PROMPT - 1, &c, NULL, &j->err);
}

static void *generate_often(void *arg)
{
    job *j = arg;
    for (int i = 0; i < j->n_rounds && j->status == EINF_OK; i++) j->status = generate(j);
    return NULL;
}

static void start(pthread_t *thread, void *(*main)(void *), void *arg)
{
    assert_int_equal(pthread_create(thread, NULL, main, arg), 0);
}

/* Sessions of one runtime, and of two, generate at the same time: each says what it says alone. */
static void test_generate_side_by_side(void **state)
{
    (void)state;
    house h[2];
    job jobs[N_THREADS];
    answer alone[N_THREADS];
    pthread_t threads[N_THREADS];
    for (int i = 0; i < 2; i++) house_open(&h[i], i ? MODEL_GEMMA3 : MODEL_QWEN2, 2 + i);
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < N_THREADS; i++) {
        jobs[i].h = &h[i / 3]; /* three of the first */
        jobs[i].s = plain_session(jobs[i].h);
        jobs[i].which = i;
        jobs[i].n_rounds = 20;
        assert_int_equal(generate(&jobs[i]), EINF_OK);
        alone[i] = jobs[i].a;
        assert_int_equal(alone[i].n_tokens, 12);
    }
    for (int i = 0; i < N_THREADS; i++) start(&threads[i], generate_often, &jobs[i]);
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(jobs[i].status, &jobs[i].err);
        assert_int_equal(jobs[i].a.n, alone[i].n);
        assert_memory_equal(jobs[i].a.text, alone[i].text, alone[i].n);
        assert_ok(einf_session_destroy(&jobs[i].s, &jobs[i].err), &jobs[i].err);
    }
    for (int i = 0; i < 2; i++) house_close(&h[i]);
}

/* -------------------------------------------------------------------------------------------------- cancel -- */

typedef struct storm { einf_cancel *flags[N_THREADS]; atomic_bool over; uint64_t seed; } storm;

/* Sets and clears the flags in no order. */
static void *blow(void *arg)
{
    storm *w = arg;
    while (!atomic_load(&w->over)) {
        const uint64_t r = model_random(&w->seed);
        (void)nanosleep(&(struct timespec){ 0, (long)(r % 2000000) }, NULL);
        if (r >> 60 & 1) einf_cancel_set(w->flags[(r >> 40) % N_THREADS]);
        else einf_cancel_clear(w->flags[(r >> 40) % N_THREADS]);
    }
    return NULL;
}

/* The whole life of a model with one flag in all of it; *stage is how far it came. */
static einf_status one_life(job *j, int *stage)
{
    einf_model *m = NULL;
    einf_session *s = NULL;
    einf_model_config mc = EINF_INIT(einf_model_config);
    mc.mode = EINF_MODE_READ;
    mc.cancel = j->cancel;
    mc.check_tensors = 1;
    einf_session_config sc = EINF_INIT(einf_session_config);
    sc.cancel = j->cancel;
    j->err = test_error();
    *stage = 0;
    einf_status status = einf_model_open(j->h->rt, j->path, &mc, &m, &j->err);
    if (status == EINF_OK) status = einf_session_create(m, &sc, &s, &j->err);
    if (status == EINF_OK) {
        j->s = s;
        status = generate(j);
        *stage = j->a.n_tokens ? 2 : 1;
    }
    if (einf_session_destroy(&s, NULL) != EINF_OK || einf_model_close(&m, NULL) != EINF_OK) return EINF_E_INTERNAL;
    return status;
}

static void *live_often(void *arg)
{
    job *j = arg;
    for (int i = 0; i < j->n_rounds && j->status == EINF_OK; i++) {
        int stage;
        if (i % 2) einf_cancel_clear(j->cancel); /* else as the wind left it */
        const einf_status status = one_life(j, &stage);
        if (status == EINF_OK) j->n_done++;
        else if (status == EINF_E_CANCELLED) j->n_cancelled[stage]++;
        else j->status = status;
    }
    return NULL;
}

static void test_cancel_in_every_phase(void **state)
{
    (void)state;
    house h;
    house_open(&h, MODEL_LLAMA, 3);
    char *dir = test_temp_dir(), *path = test_path(dir, "m.gguf");
    test_write_file(path, h.file, h.n_bytes);
    einf_error err = test_error();
    storm winds[2];
    job jobs[N_THREADS];
    pthread_t threads[N_THREADS], blowing[2];
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < 2; i++) {
        winds[i].seed = (uint64_t)i + 1;
        atomic_init(&winds[i].over, false);
    }
    for (int i = 0; i < N_THREADS; i++) {
        assert_ok(einf_cancel_create(&winds[0].flags[i], &err), &err);
        winds[1].flags[i] = winds[0].flags[i];
        jobs[i] = (job){ .h = &h, .cancel = winds[0].flags[i], .path = path, .which = i, .n_rounds = 100 };
    }
    for (int i = 0; i < 2; i++) start(&blowing[i], blow, &winds[i]);
    for (int i = 0; i < N_THREADS; i++) start(&threads[i], live_often, &jobs[i]);
    int n_done = 0, n_cancelled[3] = { 0 };
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(jobs[i].status, &jobs[i].err);
        n_done += jobs[i].n_done;
        for (int k = 0; k < 3; k++) n_cancelled[k] += jobs[i].n_cancelled[k];
    }
    for (int i = 0; i < 2; i++) {
        atomic_store(&winds[i].over, true);
        assert_int_equal(pthread_join(blowing[i], NULL), 0);
    }
    print_message("%d done, cancelled: %d opening, %d before a token, %d after\n", n_done, n_cancelled[0],
                  n_cancelled[1], n_cancelled[2]);
    assert_int_equal(n_done + n_cancelled[0] + n_cancelled[1] + n_cancelled[2], N_THREADS * 100);
    assert_true(N_THREADS * 100 - n_done > 20);
    for (int i = 0; i < N_THREADS; i++) einf_cancel_destroy(&winds[0].flags[i]);
    house_close(&h);
    free(path);
    test_temp_remove(&dir);
}

/* ------------------------------------------------------------------------------------------------ come and go -- */

/* Sessions on the shared model. */
static void *cycle_sessions(void *arg)
{
    job *j = arg;
    const int32_t ids[] = { 270, 271, 272 };
    for (int i = 0; i < 250 && j->status == EINF_OK; i++) {
        einf_session *s = NULL;
        einf_session_config c = EINF_INIT(einf_session_config);
        c.n_ctx = 4 + (uint32_t)i % 60;
        j->err = test_error();
        j->status = einf_session_create(j->h->m, &c, &s, &j->err);
        if (j->status == EINF_OK && i % 4 == 0) j->status = einf_session_append_tokens(s, ids, 3, &j->err);
        if (einf_session_destroy(&s, NULL) != EINF_OK) j->status = EINF_E_INTERNAL;
    }
    return NULL;
}

/* Models on the shared runtime, and runtimes. */
static void *cycle_models(void *arg)
{
    job *j = arg;
    for (int i = 0; i < 25 && j->status == EINF_OK; i++) {
        house own = { .rt = i % 2 ? j->h->rt : NULL };
        einf_runtime_config c = EINF_INIT(einf_runtime_config);
        c.n_threads = 1 + i % 3;
        j->err = test_error();
        if (!own.rt) j->status = einf_runtime_create(&c, &own.rt, &j->err);
        if (j->status == EINF_OK)
            j->status = einf_model_open_memory(own.rt, j->h->file, j->h->n_bytes, NULL, &own.m, &j->err);
        if (einf_model_close(&own.m, NULL) != EINF_OK) j->status = EINF_E_INTERNAL;
        if (own.rt != j->h->rt && einf_runtime_destroy(&own.rt, NULL) != EINF_OK) j->status = EINF_E_INTERNAL;
    }
    return NULL;
}

static long count(const char *path)
{
    long n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

/* Pages in memory. */
static long resident(void)
{
    long total = 0, here = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &total, &here), 2);
    (void)fclose(f);
    return here;
}

static void cycle_once(house *h)
{
    job jobs[N_THREADS];
    pthread_t threads[N_THREADS];
    for (int kind = 0; kind < 2; kind++) {
        memset(jobs, 0, sizeof jobs);
        for (int i = 0; i < N_THREADS; i++) {
            jobs[i].h = h;
            start(&threads[i], kind ? cycle_models : cycle_sessions, &jobs[i]);
        }
        for (int i = 0; i < N_THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_ok(jobs[i].status, &jobs[i].err);
        }
    }
}

/* 1,000 sessions, 50 models and 50 runtimes a round, from four threads. */
static void test_come_and_go(void **state)
{
    (void)state;
    house h;
    house_open(&h, MODEL_LLAMA, 2);
    cycle_once(&h); /* what libraries keep for later they take now */
    const long n_fds = count("/proc/self/fd"), n_tasks = count("/proc/self/task"), n_pages = resident();
    const uint64_t n_bytes = allocated_bytes(h.rt);
    for (int round = 0; round < 2; round++) cycle_once(&h);
    assert_int_equal(count("/proc/self/fd"), n_fds);
    for (int i = 0; i < 2000 && count("/proc/self/task") > n_tasks; i++) /* joined, but still in the list, as some */
        (void)nanosleep(&(struct timespec){ 0, 1000000 }, NULL);             /* may have been when we first counted */
    assert_true(count("/proc/self/task") <= n_tasks);
    assert_int_equal(allocated_bytes(h.rt), n_bytes);
    const bool ours_alone = !test_has_asan() && !test_has_tsan() && !test_is_emulated();
    if (ours_alone) assert_true(resident() - n_pages < 1024); /* 4 MiB: arenas of malloc */
    house_close(&h);
}

/* ------------------------------------------------------------------------------------------------ text -- */

/* Ids of the prompt as it is, or laid out as a message by the one template of the model. */
static einf_status ids_of(job *j, bool as_message, int32_t *ids, uint64_t *n)
{
    einf_message message = EINF_INIT(einf_message);
    message.role = "user";
    message.content = PROMPT;
    j->err = test_error();
    if (as_message) return einf_chat_tokenize(j->h->m, &message, 1, NULL, ids, 256, n, &j->err);
    return einf_tokenize(j->h->m, PROMPT, sizeof PROMPT - 1, 0, ids, 256, n, &j->err);
}

static void *tokenize_often(void *arg)
{
    job *j = arg;
    int32_t ids[256], first[2][256];
    uint64_t n = 0, n_first[2] = { 0 };
    for (int i = 0; i < j->n_rounds && j->status == EINF_OK; i++) {
        const bool as_message = j->which && i % 2;
        char back[1024];
        uint64_t n_back;
        j->status = ids_of(j, as_message, ids, &n);
        if (j->status != EINF_OK) break;
        if (i < 2) memcpy(first[as_message], ids, sizeof ids), n_first[as_message] = n;
        if (n != n_first[as_message] || memcmp(first[as_message], ids, (size_t)n * sizeof *ids) != 0)
            j->status = EINF_E_INTERNAL;
        else j->status = einf_detokenize(j->h->m, ids, n, 0, back, sizeof back, &n_back, &j->err);
    }
    return NULL;
}

static void test_tokenize_in_threads(void **state)
{
    (void)state;
    for (int family = 0; family < MODEL_N_FAMILIES; family++) {
        house h;
        job jobs[N_THREADS];
        pthread_t threads[N_THREADS];
        house_open(&h, (model_family)family, 1);
        memset(jobs, 0, sizeof jobs);
        for (int i = 0; i < N_THREADS; i++) {
            jobs[i].h = &h;
            jobs[i].which = model_preset((model_family)family).chat_template != NULL;
            jobs[i].n_rounds = 100;
            start(&threads[i], tokenize_often, &jobs[i]);
        }
        for (int i = 0; i < N_THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_ok(jobs[i].status, &jobs[i].err);
        }
        house_close(&h);
    }
}

/* ---------------------------------------------------------------------------------------------- in the midst -- */

typedef struct midst { job j; sem_t inside, go; bool waited; } midst;

static int32_t stop_here(void *user, const char *utf8, uint64_t n_bytes, int32_t id)
{
    midst *w = user;
    (void)utf8, (void)n_bytes, (void)id;
    if (w->waited) return 0;
    w->waited = true;
    (void)sem_post(&w->inside);
    (void)sem_wait(&w->go);
    return 0;
}

static void *generate_and_stop(void *arg)
{
    midst *w = arg;
    einf_generate_config c = EINF_INIT(einf_generate_config);
    c.max_tokens = 6;
    c.ignore_eos = 1;
    c.on_text = stop_here;
    c.on_text_user = w;
    w->j.err = test_error();
    w->j.status = einf_generate(w->j.s, PROMPT, sizeof PROMPT - 1, &c, NULL, &w->j.err);
    if (!w->waited) (void)sem_post(&w->inside); /* it failed before: let the test say so */
    return NULL;
}

static int child(midst *w)
{
    const int32_t id = 270;
    uint64_t n;
    einf_session *s = NULL;
    int wrong = 0;
    if (einf_session_append_tokens(w->j.s, &id, 1, NULL) != EINF_E_STATE) wrong |= 1;
    if (einf_session_create(w->j.h->m, NULL, &s, NULL) != EINF_E_STATE || s) wrong |= 2;
    if (einf_tokenize(w->j.h->m, "the", 3, 0, NULL, 0, &n, NULL) != EINF_E_LIMIT || n == 0) wrong |= 4;
    return wrong;
}

/* While another thread generates: nothing of it can be destroyed, and a forked child is told. */
static void test_in_the_midst(void **state)
{
    (void)state;
    house h;
    midst w;
    pthread_t thread;
    const int32_t id = 270;
    house_open(&h, MODEL_LLAMA, 3);
    memset(&w, 0, sizeof w);
    w.j.h = &h;
    w.j.s = plain_session(&h);
    einf_session *kept = w.j.s;
    assert_int_equal(sem_init(&w.inside, 0, 0) | sem_init(&w.go, 0, 0), 0);
    start(&thread, generate_and_stop, &w);
    assert_int_equal(sem_wait(&w.inside), 0);
    assert_ok(w.j.status, &w.j.err);
    einf_error err = test_error();
    assert_status(einf_session_destroy(&kept, &err), &err, EINF_E_STATE);
    assert_ptr_equal(kept, w.j.s);
    err = test_error();
    assert_status(einf_session_append_tokens(kept, &id, 1, &err), &err, EINF_E_STATE);
    err = test_error();
    assert_status(einf_model_close(&h.m, &err), &err, EINF_E_STATE);
    err = test_error();
    assert_status(einf_runtime_destroy(&h.rt, &err), &err, EINF_E_STATE);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(child(&w));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    (void)sem_post(&w.go);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(w.j.status, &w.j.err);
    assert_ok(einf_session_destroy(&kept, &err), &err);
    (void)sem_destroy(&w.inside);
    (void)sem_destroy(&w.go);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generate_side_by_side), cmocka_unit_test(test_cancel_in_every_phase),
        cmocka_unit_test(test_come_and_go),           cmocka_unit_test(test_tokenize_in_threads),
        cmocka_unit_test(test_in_the_midst),
    };
    return cmocka_run_group_tests_name("storm", tests, NULL, NULL);
}
