/* SPDX-License-Identifier: MIT
 * test_storm_vision.c - many threads of a host that look at pictures at once: one encoder and its memory shared by all,
 * handles of pictures shared, conversations side by side, flags set in the midst of encoding, memory that is short.
 *
 * Whatever the others do, rows and answers are those that one thread gets alone, bit for bit. Here the thread sanitizer
 * looks for races (`make check-tsan`).
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <edgeinfer/lowlevel.h>
#include <edgeinfer/vision.h>

#include "tests/support/model_build.h"
#include "tests/support/test_support.h"

#define TRAFFIC "models/traffic-vl/"

enum { N_THREADS = 4, N_IMAGES = 4, WIDTH = 256, MAX_ROWS = 32, ROWS_FLOATS = MAX_ROWS * WIDTH };

/* ------------------------------------------------------------------------------------------------ the house -- */

/* An encoder and its pictures, and what one thread alone made of them. */
typedef struct house {
    einf_runtime *rt;
    einf_vision *v;
    einf_model *m; /* optional */
    einf_image *images[N_IMAGES];
    uint32_t n_tokens[N_IMAGES];
    float alone[N_IMAGES][ROWS_FLOATS];
} house;

static einf_image *picture_of(einf_runtime *rt, uint32_t i)
{
    const uint32_t width = 90 + 30 * (i % 3), height = 100 - 15 * (i % 4);
    einf_error err = test_error();
    einf_image *image;
    uint8_t *rgb = malloc((size_t)width * height * 3);
    assert_non_null(rgb);
    for (uint32_t j = 0; j < width * height * 3; j++) rgb[j] = (uint8_t)(j * (5 + i) ^ j >> (4 + i));
    assert_ok(einf_image_from_pixels(rt, rgb, (uint64_t)width * height * 3, EINF_PIXELS_RGB, width, height, 0, NULL,
                                     &image, &err), &err);
    free(rgb);
    return image;
}

static einf_status encode(const house *h, uint32_t i, const einf_encode_config *c, float *rows, int32_t *cached,
                          einf_error *err)
{
    einf_encode_result result = EINF_INIT(einf_encode_result);
    const einf_status status = einf_vision_encode(h->v, h->images[i], c, rows, ROWS_FLOATS, &result, err);
    if (cached) *cached = result.cached;
    return status;
}

static void house_open(house *h, uint64_t ram_limit_bytes, uint64_t cache_bytes)
{
    einf_error err = test_error();
    einf_runtime_config rc = EINF_INIT(einf_runtime_config);
    einf_vision_config vc = EINF_INIT(einf_vision_config);
    memset(h, 0, sizeof *h);
    rc.n_threads = 3;
    rc.ram_limit_bytes = ram_limit_bytes;
    vc.cache_bytes = cache_bytes;
    assert_ok(einf_runtime_create(&rc, &h->rt, &err), &err);
    assert_ok(einf_vision_open(h->rt, TRAFFIC "mmproj-traffic-vl-F16.gguf", &vc, &h->v, &err), &err);
    for (uint32_t i = 0; i < N_IMAGES; i++) {
        einf_image_sizes sizes = EINF_INIT(einf_image_sizes);
        einf_image_info info = EINF_INIT(einf_image_info);
        h->images[i] = picture_of(h->rt, i);
        assert_ok(einf_image_get_info(h->images[i], &info, &err), &err);
        assert_ok(einf_vision_plan(h->v, info.width, info.height, NULL, &sizes, &err), &err);
        h->n_tokens[i] = sizes.n_tokens;
        assert_ok(encode(h, i, NULL, h->alone[i], NULL, &err), &err);
    }
}

static void house_close(house *h)
{
    einf_error err = test_error();
    for (int i = 0; i < N_IMAGES; i++) einf_image_close(&h->images[i]);
    assert_ok(einf_vision_close(&h->v, &err), &err);
    assert_ok(einf_model_close(&h->m, &err), &err);
    assert_ok(einf_runtime_destroy(&h->rt, &err), &err);
}

static uint64_t used_bytes(const house *h)
{
    einf_error err = test_error();
    einf_runtime_info info = EINF_INIT(einf_runtime_info);
    assert_ok(einf_runtime_get_info(h->rt, &info, &err), &err);
    return info.allocated_bytes;
}

/* ------------------------------------------------------------------------------------------------- the jobs -- */

typedef struct answer { char text[256]; size_t n; } answer;

/* What a thread does, and how that ended. */
typedef struct job {
    house *h;
    einf_session *s;
    einf_cancel *cancel;
    uint32_t which;
    int n_rounds;
    einf_status status; /* the first that was not expected */
    einf_error err;
    int n_done, n_cached, n_cancelled, n_refused, n_other; /* n_other: rows that are not those of alone */
    answer a;
} job;

static void start(pthread_t *thread, void *(*main)(void *), void *arg)
{
    assert_int_equal(pthread_create(thread, NULL, main, arg), 0);
}

/* Run `main` in every thread; each job's status was as expected. */
static void run_jobs(job *jobs, void *(*main)(void *))
{
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) start(&threads[i], main, &jobs[i]);
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(jobs[i].status, &jobs[i].err);
        assert_int_equal(jobs[i].n_other, 0);
    }
}

static void make_jobs(job *jobs, house *h, int n_rounds)
{
    memset(jobs, 0, N_THREADS * sizeof *jobs);
    for (uint32_t i = 0; i < N_THREADS; i++) jobs[i] = (job){ .h = h, .which = i, .n_rounds = n_rounds };
}

/* One encoding whose end may be any that its circumstances allow. */
static void encode_once(job *j, uint32_t i)
{
    float *rows = malloc(ROWS_FLOATS * sizeof *rows);
    int32_t cached = 0;
    einf_encode_config c = EINF_INIT(einf_encode_config);
    c.cancel = j->cancel;
    j->err = test_error();
    const einf_status status = rows ? encode(j->h, i, &c, rows, &cached, &j->err) : EINF_E_NOMEM;
    if (status == EINF_OK) {
        j->n_done++;
        j->n_cached += cached;
        j->n_other += memcmp(rows, j->h->alone[i], (size_t)j->h->n_tokens[i] * WIDTH * sizeof *rows) != 0;
    } else if (status == EINF_E_CANCELLED && j->cancel) {
        j->n_cancelled++;
    } else if (status == EINF_E_LIMIT) {
        j->n_refused++;
        (void)nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
    } else {
        j->status = status;
    }
    free(rows);
}

/* ------------------------------------------------------------------------------------------------- encoding -- */

/* Different pictures and the same ones, and questions about the encoder meanwhile. */
static void *encode_often(void *arg)
{
    job *j = arg;
    for (int i = 0; i < j->n_rounds && j->status == EINF_OK; i++) {
        einf_vision_info info = EINF_INIT(einf_vision_info);
        encode_once(j, ((uint32_t)i / 2 + (i % 2 ? j->which : 0)) % N_IMAGES);
        if (j->status == EINF_OK) j->status = einf_vision_get_info(j->h->v, &info, &j->err);
    }
    return NULL;
}

static int sum_cached(const job *jobs)
{
    int n = 0;
    for (int i = 0; i < N_THREADS; i++) n += jobs[i].n_cached;
    return n;
}

static void check_encode(uint64_t cache_bytes, int n_rounds, bool some_cached, bool all_cached)
{
    house h;
    job jobs[N_THREADS];
    house_open(&h, 0, cache_bytes);
    const uint64_t before = used_bytes(&h);
    make_jobs(jobs, &h, n_rounds);
    run_jobs(jobs, encode_often);
    const int n_cached = sum_cached(jobs);
    print_message("%d of %d remembered\n", n_cached, N_THREADS * n_rounds);
    assert_true(some_cached ? n_cached > 0 : n_cached == 0);
    assert_true(all_cached ? n_cached > N_THREADS * n_rounds / 2 : n_cached < N_THREADS * n_rounds);
    for (int i = 0; i < N_THREADS; i++) assert_int_equal(jobs[i].n_done, n_rounds);
    if (cache_bytes == EINF_CACHE_NONE) assert_int_equal(used_bytes(&h), before);
    house_close(&h);
}

/* Nothing remembered; two pictures at a time; all, which is found most of the time: not while another thread looks. */
static void test_encode_side_by_side(void **state)
{
    (void)state;
    check_encode(EINF_CACHE_NONE, 6, false, false);
    check_encode(2 * (12 * WIDTH * sizeof(float) + 64), 12, true, false);
    check_encode(0, 400, true, true);
}

static void check_short_of_memory(uint64_t cache_bytes)
{
    house h;
    job jobs[N_THREADS];
    int n_refused = 0, n_done = 0;
    einf_error err = test_error();
    einf_image_sizes sizes = EINF_INIT(einf_image_sizes);
    house_open(&h, 0, EINF_CACHE_NONE);
    assert_ok(einf_vision_plan(h.v, 150, 85, NULL, &sizes, &err), &err);
    const uint64_t limit = used_bytes(&h) + 2 * sizes.encode_bytes;
    house_close(&h);
    house_open(&h, limit, cache_bytes);
    make_jobs(jobs, &h, 20);
    run_jobs(jobs, encode_often);
    for (int i = 0; i < N_THREADS; i++) {
        n_done += jobs[i].n_done;
        n_refused += jobs[i].n_refused;
    }
    print_message("%d done, %d refused\n", n_done, n_refused);
    assert_int_equal(n_done + n_refused, N_THREADS * 20);
    assert_true(n_done >= 20);
    assert_true(used_bytes(&h) <= limit);
    house_close(&h);
}

/* One runtime's ceiling lets two encode, not four: each call gets its rows or is told why not. */
static void test_short_of_memory(void **state)
{
    (void)state;
    check_short_of_memory(EINF_CACHE_NONE);
    check_short_of_memory(2 * (12 * WIDTH * sizeof(float) + 64));
}

/* --------------------------------------------------------------------------------------------------- cancel -- */

typedef struct storm { einf_cancel *flags[N_THREADS]; atomic_bool over; uint64_t seed, pause_ns; } storm;

/* Sets and clears the flags in no order. */
static void *blow(void *arg)
{
    storm *w = arg;
    while (!atomic_load(&w->over)) {
        const uint64_t r = model_random(&w->seed);
        (void)nanosleep(&(struct timespec){ 0, (long)(r % w->pause_ns) }, NULL);
        if (r >> 60 & 1) einf_cancel_set(w->flags[(r >> 40) % N_THREADS]);
        else einf_cancel_clear(w->flags[(r >> 40) % N_THREADS]);
    }
    return NULL;
}

static void *encode_in_storm(void *arg)
{
    job *j = arg;
    for (int i = 0; i < j->n_rounds && j->status == EINF_OK; i++) {
        if (i % 2) einf_cancel_clear(j->cancel); /* else as the wind left it */
        encode_once(j, (uint32_t)i % N_IMAGES);
    }
    return NULL;
}

/* Between two gusts, so that some encodings come to their end and some do not: twice what one takes, at the most. */
static uint64_t pause_of(const house *h)
{
    einf_error err = test_error();
    einf_encode_result result = EINF_INIT(einf_encode_result);
    static float rows[ROWS_FLOATS];
    assert_ok(einf_vision_encode(h->v, h->images[1], NULL, rows, ROWS_FLOATS, &result, &err), &err);
    const double ns = 2e9 * (result.preprocess_s + result.encode_s);
    return ns < 1e6 ? 1000000 : ns > 5e8 ? 500000000 : (uint64_t)ns;
}

static void test_cancel_storm(void **state)
{
    house h;
    job jobs[N_THREADS];
    storm wind = { .seed = 1 };
    pthread_t blowing;
    int n_done = 0, n_cancelled = 0;
    einf_error err = test_error();
    (void)state;
    house_open(&h, 0, EINF_CACHE_NONE);
    const uint64_t before = used_bytes(&h);
    wind.pause_ns = pause_of(&h);
    atomic_init(&wind.over, false);
    make_jobs(jobs, &h, 24);
    for (int i = 0; i < N_THREADS; i++) {
        assert_ok(einf_cancel_create(&wind.flags[i], &err), &err);
        jobs[i].cancel = wind.flags[i];
    }
    start(&blowing, blow, &wind);
    run_jobs(jobs, encode_in_storm);
    atomic_store(&wind.over, true);
    assert_int_equal(pthread_join(blowing, NULL), 0);
    for (int i = 0; i < N_THREADS; i++) {
        n_done += jobs[i].n_done;
        n_cancelled += jobs[i].n_cancelled;
        einf_cancel_destroy(&wind.flags[i]);
    }
    print_message("%d done, %d cancelled\n", n_done, n_cancelled);
    assert_int_equal(n_done + n_cancelled, N_THREADS * 24);
    assert_true(n_cancelled > 2);
    assert_int_equal(used_bytes(&h), before);
    house_close(&h);
}

/* ----------------------------------------------------------------------------------------------- conversing -- */

static int32_t collect(void *user, const char *utf8, uint64_t n_bytes, int32_t id)
{
    answer *a = user;
    (void)id;
    if (n_bytes > sizeof a->text - a->n) return 1;
    memcpy(a->text + a->n, utf8, (size_t)n_bytes);
    a->n += (size_t)n_bytes;
    return 0;
}

/* A picture's handle of its own, that the host gives away at once; then one that all share. */
static einf_status add_question(job *j, einf_chat *chat, uint32_t round)
{
    einf_image *own = round == 0 ? picture_of(j->h->rt, j->which) : NULL;
    einf_part parts[2] = { EINF_INIT(einf_part), EINF_INIT(einf_part) };
    einf_message m = EINF_INIT(einf_message);
    parts[0].image = own ? own : j->h->images[(j->which + round) % N_IMAGES];
    parts[1].text = round ? "Is it day or night?" : "How many vehicles are there?";
    m.role = "user";
    m.parts = parts;
    m.n_parts = 2;
    const einf_status status = einf_chat_add(chat, &m, &j->err);
    einf_image_close(&own);
    return status;
}

static einf_status converse(job *j)
{
    einf_chat *chat = NULL;
    einf_chat_config how = EINF_INIT(einf_chat_config);
    einf_generate_config g = EINF_INIT(einf_generate_config);
    how.vision = j->h->v;
    g.max_tokens = 4;
    g.on_text = collect;
    g.on_text_user = &j->a;
    j->a.n = 0;
    j->err = test_error();
    einf_status status = einf_session_rewind(j->s, 0, &j->err);
    if (status == EINF_OK) status = einf_chat_create(j->s, &how, &chat, &j->err);
    for (uint32_t i = 0; i < 2 && status == EINF_OK; i++) {
        status = add_question(j, chat, i);
        if (status == EINF_OK) status = einf_chat_answer(chat, &g, NULL, &j->err);
    }
    einf_chat_destroy(&chat);
    return status;
}

static void *converse_often(void *arg)
{
    job *j = arg;
    const answer alone = j->a;
    for (int i = 0; i < j->n_rounds && j->status == EINF_OK; i++) {
        j->status = converse(j);
        j->n_other += j->a.n != alone.n || memcmp(j->a.text, alone.text, alone.n) != 0;
    }
    return NULL;
}

static void test_converse_side_by_side(void **state)
{
    house h;
    job jobs[N_THREADS];
    einf_error err = test_error();
    einf_session_config c = EINF_INIT(einf_session_config);
    (void)state;
    house_open(&h, 0, 3 * (12 * WIDTH * sizeof(float) + 64)); /* some are remembered, and some are not */
    assert_ok(einf_model_open(h.rt, TRAFFIC "traffic-vl-Q8_0.gguf", NULL, &h.m, &err), &err);
    c.n_ctx = 160;
    c.force_path = 1; /* so that the answer does not depend on what the session held before */
    make_jobs(jobs, &h, 3);
    for (int i = 0; i < N_THREADS; i++) {
        assert_ok(einf_session_create(h.m, &c, &jobs[i].s, &err), &err);
        assert_ok(converse(&jobs[i]), &jobs[i].err);
        assert_true(jobs[i].a.n > 0);
    }
    run_jobs(jobs, converse_often);
    for (int i = 0; i < N_THREADS; i++) assert_ok(einf_session_destroy(&jobs[i].s, &err), &err);
    house_close(&h);
}

/* ---------------------------------------------------------------------------------------------- in the midst -- */

typedef struct midst { job j; sem_t inside, go; bool waited; } midst;

static int32_t stop_here(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    midst *w = user;
    (void)phase, (void)done, (void)total;
    if (w->waited) return 0;
    w->waited = true;
    (void)sem_post(&w->inside);
    (void)sem_wait(&w->go);
    return 0;
}

static void *encode_and_stop(void *arg)
{
    midst *w = arg;
    static float rows[ROWS_FLOATS];
    einf_encode_config c = EINF_INIT(einf_encode_config);
    c.progress = stop_here;
    c.progress_user = w;
    w->j.err = test_error();
    w->j.status = encode(w->j.h, 0, &c, rows, NULL, &w->j.err);
    w->j.n_other = memcmp(rows, w->j.h->alone[0], (size_t)w->j.h->n_tokens[0] * WIDTH * sizeof *rows) != 0;
    if (!w->waited) (void)sem_post(&w->inside); /* it failed before: let the test say so */
    return NULL;
}

/* While another thread is between two layers: the encoder cannot be closed, and others use it and the pool. */
static void test_in_the_midst(void **state)
{
    house h;
    midst w;
    pthread_t thread;
    static float rows[ROWS_FLOATS];
    einf_error err = test_error();
    (void)state;
    house_open(&h, 0, EINF_CACHE_NONE);
    memset(&w, 0, sizeof w);
    w.j.h = &h;
    assert_int_equal(sem_init(&w.inside, 0, 0) | sem_init(&w.go, 0, 0), 0);
    start(&thread, encode_and_stop, &w);
    assert_int_equal(sem_wait(&w.inside), 0);
    assert_true(w.waited);
    einf_vision *kept = h.v;
    assert_status(einf_vision_close(&kept, &err), &err, EINF_E_STATE);
    assert_ptr_equal(kept, h.v);
    err = test_error();
    assert_status(einf_runtime_destroy(&h.rt, &err), &err, EINF_E_STATE);
    err = test_error();
    assert_ok(encode(&h, 1, NULL, rows, NULL, &err), &err);
    assert_memory_equal(rows, h.alone[1], (size_t)h.n_tokens[1] * WIDTH * sizeof *rows);
    (void)sem_post(&w.go);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(w.j.status, &w.j.err);
    assert_int_equal(w.j.n_other, 0);
    (void)sem_destroy(&w.inside);
    (void)sem_destroy(&w.go);
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode_side_by_side),   cmocka_unit_test(test_short_of_memory),
        cmocka_unit_test(test_cancel_storm),          cmocka_unit_test(test_converse_side_by_side),
        cmocka_unit_test(test_in_the_midst),
    };
    if (test_is_emulated()) { /* QEMU runs threads in the order of the machine it runs on */
        printf("SKIP: an emulator takes four minutes, and shows nothing of another CPU's memory order\n");
        return 0;
    }
    return cmocka_run_group_tests_name("storm_vision", tests, NULL, NULL);
}
