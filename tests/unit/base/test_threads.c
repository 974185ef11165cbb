/* SPDX-License-Identifier: MIT
 * test_threads.c - the pool: every item once, callers in turn, cancel and fork while queueing, and what is left when
 * threads cannot be had. Item counters are plain integers, so that a thread sanitizer sees every missing order.
 */
#include "engine/base/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/test_support.h"

static einf__pool *make_pool(einf__memory *mem, int32_t n_threads)
{
    einf__memory_init(mem, NULL, 0);
    einf__pool *pool = NULL;
    einf_error err = test_error();
    assert_ok(einf__pool_create(mem, n_threads, &pool, &err), &err);
    assert_int_equal(einf__pool_n_threads(pool), n_threads);
    return pool;
}

static void sleep_ms(long ms)
{
    const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    (void)nanosleep(&t, NULL);
}

/* ------------------------------------------------------------------------------------------------- regions -- */

enum { MAX_ITEMS = 2000 };

typedef struct counted {
    int64_t n_items, grain;
    int32_t n_threads;
    int32_t seen[MAX_ITEMS];
    atomic_int n_bad; /* pieces that break the contract */
} counted;

static void count_items(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    counted *c = arg;
    if (begin < 0 || begin >= end || end > c->n_items || end - begin > c->grain || i_thread < 0 ||
        i_thread >= c->n_threads)
        (void)atomic_fetch_add(&c->n_bad, 1);
    for (int64_t i = begin; i < end; i++) c->seen[i]++;
}

static uint32_t next_random(uint32_t *s)
{
    *s = *s * 1664525u + 1013904223u;
    return *s >> 8;
}

static void every_item_exactly_once(void **state)
{
    (void)state;
    static counted c;
    uint32_t seed = 1;
    for (int32_t n_threads = 1; n_threads <= 5; n_threads++) {
        einf__memory mem;
        einf__pool *pool = make_pool(&mem, n_threads);
        assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
        for (int round = 0; round < 2000; round++) {
            const int64_t n = next_random(&seed) % (round % 10 == 0 ? MAX_ITEMS : 20);
            c.grain = 1 + next_random(&seed) % (round % 3 == 0 ? 40 : 3);
            c.n_threads = n_threads;
            c.n_items = n;
            memset(c.seen, 0, (size_t)n * sizeof c.seen[0]);
            einf__pool_run(pool, n, c.grain, count_items, &c);
            for (int64_t i = 0; i < n; i++)
                if (c.seen[i] != 1)
                    fail_msg("%d threads, round %d: item %d of %d ran %d times", (int)n_threads, round, (int)i, (int)n,
                             (int)c.seen[i]);
            if (round % 100 == 0) sleep_ms(1); /* let the workers fall asleep */
        }
        assert_int_equal(atomic_load(&c.n_bad), 0);
        einf__pool_release(pool);
        einf__pool_destroy(&pool);
        assert_null(pool);
        assert_int_equal(atomic_load(&mem.used_bytes), 0);
    }
}

typedef struct whereabouts {
    pthread_t thread;
    int64_t begin, end;
    int32_t i_thread, n_calls;
} whereabouts;

static void note_thread(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    *(whereabouts *)arg = (whereabouts){ pthread_self(), begin, end, i_thread, ((whereabouts *)arg)->n_calls + 1 };
}

static void one_piece_runs_on_the_caller(void **state)
{
    (void)state;
    einf__memory mem;
    einf__pool *pool = make_pool(&mem, 3);
    assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
    whereabouts w = { .n_calls = 0 };
    for (int i = 1; i <= 100; i++) {
        einf__pool_run(pool, 7, 7 + i % 2, note_thread, &w);
        assert_true(pthread_equal(w.thread, pthread_self()));
        assert_int_equal(w.i_thread, 0);
        assert_int_equal(w.begin, 0);
        assert_int_equal(w.end, 7);
        assert_int_equal(w.n_calls, i);
    }
    einf__pool_run(pool, 0, 1, note_thread, &w);
    assert_int_equal(w.n_calls, 100);
    einf__pool_run(pool, 1, INT64_MAX, note_thread, &w);
    assert_int_equal(w.n_calls, 101);
    einf__pool_release(pool);
    einf__pool_destroy(&pool);
}

/* Items that wait for each other, so that each runs on a thread of its own. Gives up after five seconds. */
enum { N_MEET = 3 };
typedef struct meeting {
    atomic_int n_there;
    atomic_int n_alone;
    pthread_t threads[N_MEET];
    int32_t i_threads[N_MEET];
    sigset_t masks[N_MEET];
    size_t stack_bytes[N_MEET];
} meeting;

static void meet(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    meeting *m = arg;
    (void)end;
    (void)atomic_fetch_add(&m->n_there, 1);
    for (int i = 0; i < 5000 && atomic_load(&m->n_there) < N_MEET; i++) sleep_ms(1);
    if (atomic_load(&m->n_there) < N_MEET) (void)atomic_fetch_add(&m->n_alone, 1);
    m->threads[begin] = pthread_self();
    m->i_threads[begin] = i_thread;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &m->masks[begin]);
    pthread_attr_t attr;
    void *stack;
    if (pthread_getattr_np(pthread_self(), &attr) != 0) return;
    (void)pthread_attr_getstack(&attr, &stack, &m->stack_bytes[begin]);
    (void)pthread_attr_destroy(&attr);
}

static void workers_are_woken_have_small_stacks_and_no_signals(void **state)
{
    (void)state;
    einf__memory mem;
    einf__pool *pool = make_pool(&mem, N_MEET);
    assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
    for (int round = 0; round < 20; round++) {
        meeting m;
        memset(&m, 0, sizeof m);
        if (round % 2 == 0) sleep_ms(2);
        einf__pool_run(pool, N_MEET, 1, meet, &m);
        assert_int_equal(atomic_load(&m.n_alone), 0);
        uint32_t found = 0;
        for (int i = 0; i < N_MEET; i++) {
            found |= 1u << m.i_threads[i];
            const bool is_caller = pthread_equal(m.threads[i], pthread_self()) != 0;
            assert_int_equal(is_caller, m.i_threads[i] == 0);
            if (is_caller) continue;
            assert_true(sigismember(&m.masks[i], SIGINT) == 1 && sigismember(&m.masks[i], SIGTERM) == 1 &&
                        sigismember(&m.masks[i], SIGPROF) == 1);
            assert_true(m.stack_bytes[i] >= EINF__THREAD_STACK_BYTES / 2);
            if (!test_has_asan() && !test_has_tsan()) assert_true(m.stack_bytes[i] <= EINF__THREAD_STACK_BYTES * 5 / 4);
        }
        assert_int_equal(found, (1u << N_MEET) - 1);
    }
    sigset_t mine;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
    assert_int_equal(sigismember(&mine, SIGINT), 0); /* the caller's own mask is as it was */
    einf__pool_release(pool);
    einf__pool_destroy(&pool);
}

/* CPU seconds of this process. */
static double cpu_s(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void idle_workers_use_no_cpu(void **state)
{
    (void)state;
    static counted c;
    einf__memory mem;
    einf__pool *pool = make_pool(&mem, 4);
    c.grain = 1;
    c.n_items = 100;
    c.n_threads = 4;
    assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
    einf__pool_run(pool, 100, 1, count_items, &c);
    sleep_ms(5);
    double before = cpu_s();
    sleep_ms(200);
    assert_true(cpu_s() - before < 0.05); /* acquired, but nothing to do: asleep after the spin */
    einf__pool_run(pool, 100, 1, count_items, &c);
    einf__pool_release(pool);
    sleep_ms(5);
    before = cpu_s();
    sleep_ms(200);
    assert_true(cpu_s() - before < 0.05);
    einf__pool_destroy(&pool);
}

/* Which threads worked, and whether every item ran once, under a limit. Items take long enough for all to come. */
typedef struct limited {
    atomic_int n_by_thread[8];
    atomic_int n_runs[64];
} limited;

static void note_limited(void *arg, int64_t begin, int64_t end, int32_t i_thread)
{
    limited *l = arg;
    for (int64_t i = begin; i < end; i++) (void)atomic_fetch_add(&l->n_runs[i], 1);
    (void)atomic_fetch_add(&l->n_by_thread[i_thread], 1);
    sleep_ms(1);
}

static int32_t threads_at_work(einf__pool *pool)
{
    limited l;
    int32_t n = 0;
    memset(&l, 0, sizeof l);
    einf__pool_run(pool, 64, 1, note_limited, &l);
    for (int i = 0; i < 64; i++) assert_int_equal(atomic_load(&l.n_runs[i]), 1);
    for (int i = 0; i < 8; i++) {
        if (atomic_load(&l.n_by_thread[i]) == 0) continue;
        assert_int_equal(i, n); /* the first ones, and no others */
        n++;
    }
    return n;
}

static void a_limit_holds_until_the_release(void **state)
{
    static const int32_t all[] = { 0, -1, 4, 5, INT32_MAX };
    (void)state;
    einf__memory mem;
    einf__pool *pool = make_pool(&mem, 4);
    assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
    assert_int_equal(threads_at_work(pool), 4);
    for (int round = 0; round < 3; round++) {
        for (int32_t n = 1; n <= 4; n++) {
            einf__pool_limit(pool, n);
            if (round == 1) sleep_ms(2); /* those that are needed are asleep as well */
            assert_int_equal(threads_at_work(pool), n);
        }
    }
    for (size_t i = 0; i < TEST_COUNT(all); i++) {
        einf__pool_limit(pool, 1);
        einf__pool_limit(pool, all[i]);
        assert_int_equal(threads_at_work(pool), 4);
    }
    einf__pool_limit(pool, 2);
    einf__pool_release(pool);
    assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
    assert_int_equal(threads_at_work(pool), 4);
    assert_int_equal(einf__pool_n_threads(pool), 4);
    einf__pool_release(pool);
    einf__pool_destroy(&pool);
}

/* Limits that change between regions of a few items each, and threads that fall asleep in between. */
static void limits_change_between_small_regions(void **state)
{
    (void)state;
    static counted c;
    einf__memory mem;
    einf__pool *pool = make_pool(&mem, 5);
    uint32_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
        for (int i = 0; i < 4; i++) {
            c.n_threads = 1 + (int32_t)(next_random(&seed) % 5);
            c.n_items = 1 + next_random(&seed) % 12;
            c.grain = 1;
            memset(c.seen, 0, sizeof c.seen[0] * (size_t)c.n_items);
            einf__pool_limit(pool, c.n_threads);
            einf__pool_run(pool, c.n_items, 1, count_items, &c);
            for (int64_t j = 0; j < c.n_items; j++) assert_int_equal(c.seen[j], 1);
        }
        einf__pool_release(pool);
        if (round % 100 == 0) sleep_ms(1);
    }
    assert_int_equal(atomic_load(&c.n_bad), 0);
    einf__pool_destroy(&pool);
}

/* Workers that a limit leaves out sleep, however long the pass; a worker that is in it does not. */
static void threads_beyond_the_limit_use_no_cpu(void **state)
{
    (void)state;
    einf__memory mem;
    einf__pool *pool = make_pool(&mem, 4);
    assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
    (void)threads_at_work(pool);
    einf__pool_limit(pool, 1);
    sleep_ms(5);
    const double before = cpu_s();
    for (int i = 0; i < 3; i++) assert_int_equal(threads_at_work(pool), 1); /* 64 ms each, asleep */
    assert_true(cpu_s() - before < 0.05);
    einf__pool_release(pool);
    einf__pool_destroy(&pool);
}

static void trying_never_waits(void **state)
{
    (void)state;
    einf__memory mem;
    einf__pool *pool = make_pool(&mem, 2);
    assert_true(einf__pool_try_acquire(pool));
    assert_false(einf__pool_try_acquire(pool));
    assert_int_equal(threads_at_work(pool), 2);
    einf__pool_release(pool);
    assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
    assert_false(einf__pool_try_acquire(pool));
    einf__pool_release(pool);
    assert_true(einf__pool_try_acquire(pool));
    einf__pool_release(pool);
    einf__pool_destroy(&pool);
}

/* ------------------------------------------------------------------------------------- creating, destroying -- */

static void create_and_destroy_often(void **state)
{
    (void)state;
    test_heap heap;
    test_heap_init(&heap, 0);
    einf__memory mem;
    einf__memory_init(&mem, &heap.allocator, 0);
    for (int i = 0; i < 200; i++) {
        einf__pool *pool = NULL;
        einf_error err = test_error();
        assert_ok(einf__pool_create(&mem, 1 + i % 4, &pool, &err), &err);
        if (i % 3 == 0) {
            static counted c;
            c.grain = 1;
            c.n_items = 10;
            c.n_threads = 4;
            assert_ok(einf__pool_acquire(pool, NULL, NULL, &err), &err);
            einf__pool_run(pool, 10, 1, count_items, &c);
            einf__pool_release(pool);
        }
        einf__pool_destroy(&pool);
        assert_null(pool);
        assert_int_equal(heap.n_live, 0);
    }
    assert_int_equal(heap.n_calls, 200);
    einf__pool *none = NULL;
    einf__pool_destroy(&none);
}

static void refuses_odd_thread_counts(void **state)
{
    (void)state;
    einf__memory mem;
    einf__memory_init(&mem, NULL, 0);
    const int32_t odd[] = { 0, -1, 257, INT32_MIN, INT32_MAX };
    for (size_t i = 0; i < TEST_COUNT(odd); i++) {
        einf__pool *pool = NULL;
        einf_error err = test_error();
        assert_status(einf__pool_create(&mem, odd[i], &pool, &err), &err, EINF_E_ARG);
        assert_error_says(&err, "expected 1 to 256");
        assert_string_equal(err.where, "n_threads");
        assert_null(pool);
    }
}

static void fails_without_memory(void **state)
{
    (void)state;
    test_heap heap;
    test_heap_init(&heap, 1);
    einf__memory mem;
    einf__memory_init(&mem, &heap.allocator, 0);
    einf__pool *pool = NULL;
    einf_error err = test_error();
    assert_status(einf__pool_create(&mem, 4, &pool, &err), &err, EINF_E_NOMEM);
    assert_error_says(&err, "thread pool");
    assert_null(pool);
    assert_int_equal(atomic_load(&mem.used_bytes), 0);
}

static uint64_t address_space_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%lu", &pages) != 1) pages = 0;
    (void)fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* With room for a few stacks only, the k-th thread cannot be made: the first ones are stopped again. */
static void fails_cleanly_when_a_thread_cannot_be_made(void **state)
{
    (void)state;
    const uint64_t now_bytes = address_space_bytes();
    struct rlimit before;
    if (test_has_asan() || test_has_tsan() || now_bytes == 0 || getrlimit(RLIMIT_AS, &before) != 0) {
        print_message("not under a sanitizer: shadow memory defeats a limit on address space\n");
        return;
    }
    if (test_is_emulated()) {
        printf("SKIP: no limit on address space holds under QEMU\n");
        return;
    }
    test_heap heap;
    test_heap_init(&heap, 0);
    einf__memory mem;
    einf__memory_init(&mem, &heap.allocator, 0);
    const struct rlimit tight = { .rlim_cur = now_bytes + 8 * EINF__THREAD_STACK_BYTES, .rlim_max = before.rlim_max };
    einf_error err = test_error();
    einf__pool *pool = NULL;
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    const einf_status status = einf__pool_create(&mem, 256, &pool, &err); /* more than any cache of stacks holds */
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_status(status, &err, EINF_E_NOMEM);
    assert_error_says(&err, "of 256 could not be made");
    assert_error_says(&err, "use fewer threads");
    assert_null(pool);
    assert_int_equal(heap.n_live, 0);
    assert_ok(einf__pool_create(&mem, 3, &pool, NULL), NULL);
    einf__pool_destroy(&pool);
}

/* --------------------------------------------------------------------------------------------------- queue -- */

typedef struct guest {
    einf__pool *pool;
    int *n_held;         /* plain: the pool orders the accesses */
    atomic_int *n_inside, *n_overlaps;
    einf_cancel *a, *b;
    einf_status status;
    einf_error err;
    atomic_int done;
} guest;

static void use_pool_often(guest *g)
{
    static counted shared; /* only one job at a time may be in it */
    for (int i = 0; i < 500; i++) {
        g->status = einf__pool_acquire(g->pool, g->a, g->b, &g->err);
        if (g->status != EINF_OK) return;
        if (atomic_fetch_add(g->n_inside, 1) != 0) (void)atomic_fetch_add(g->n_overlaps, 1);
        (*g->n_held)++;
        shared.grain = 2;
        shared.n_items = 9;
        shared.n_threads = einf__pool_n_threads(g->pool);
        einf__pool_run(g->pool, 9, 2, count_items, &shared);
        (void)atomic_fetch_sub(g->n_inside, 1);
        einf__pool_release(g->pool);
    }
}

static void *guest_main(void *arg)
{
    use_pool_often(arg);
    return NULL;
}

static void callers_take_turns(void **state)
{
    (void)state;
    einf__memory mem;
    einf__pool *pool = make_pool(&mem, 2);
    int n_held = 0;
    atomic_int n_inside = 0, n_overlaps = 0;
    guest guests[3];
    pthread_t threads[2];
    for (int i = 0; i < 3; i++)
        guests[i] = (guest){ .pool = pool, .n_held = &n_held, .n_inside = &n_inside, .n_overlaps = &n_overlaps,
                             .err = test_error() };
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, guest_main, &guests[i]), 0);
    use_pool_often(&guests[2]);
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 3; i++) assert_ok(guests[i].status, &guests[i].err);
    assert_int_equal(n_held, 1500);
    assert_int_equal(atomic_load(&n_overlaps), 0);
    einf__pool_destroy(&pool);
}

static void *wait_for_pool(void *arg)
{
    guest *g = arg;
    g->status = einf__pool_acquire(g->pool, g->a, g->b, &g->err);
    if (g->status == EINF_OK) einf__pool_release(g->pool);
    atomic_store(&g->done, 1);
    return NULL;
}

static bool is_done_within_ms(guest *g, int ms)
{
    for (int i = 0; i < ms && !atomic_load(&g->done); i++) sleep_ms(1);
    return atomic_load(&g->done) != 0;
}

static void either_flag_cancels_the_wait(void **state)
{
    (void)state;
    einf__memory mem;
    einf__pool *pool = make_pool(&mem, 2);
    for (int which = 0; which < 2; which++) {
        assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
        struct einf_cancel flags[2];
        memset(flags, 0, sizeof flags);
        guest first = { .pool = pool, .a = &flags[0], .b = &flags[1], .err = test_error() };
        guest second = { .pool = pool, .err = test_error() };
        pthread_t threads[2];
        assert_int_equal(pthread_create(&threads[0], NULL, wait_for_pool, &first), 0);
        assert_int_equal(pthread_create(&threads[1], NULL, wait_for_pool, &second), 0);
        assert_false(is_done_within_ms(&first, 30));
        atomic_store(&flags[which].set, 1);
        assert_true(is_done_within_ms(&first, 2000));
        assert_status(first.status, &first.err, EINF_E_CANCELLED);
        assert_error_says(&first.err, "another session");
        assert_false(is_done_within_ms(&second, 5)); /* the other one still queues */
        einf__pool_release(pool);
        assert_true(is_done_within_ms(&second, 2000));
        assert_ok(second.status, &second.err);
        for (int i = 0; i < 2; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    /* A free pool is had at once, flag or not: the work itself looks at the flag. */
    struct einf_cancel set;
    memset(&set, 0, sizeof set);
    atomic_store(&set.set, 1);
    assert_ok(einf__pool_acquire(pool, &set, NULL, NULL), NULL);
    einf__pool_release(pool);
    einf__pool_destroy(&pool);
}

/* One who comes back at once must not overtake one who waits. */
static void the_queue_is_fair(void **state)
{
    (void)state;
    einf__memory mem;
    einf__pool *pool = make_pool(&mem, 1);
    assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
    guest waiting = { .pool = pool, .err = test_error() };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_pool, &waiting), 0);
    assert_false(is_done_within_ms(&waiting, 50)); /* it queues by now */
    einf__pool_release(pool);
    assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL); /* only after the other has had it */
    assert_true(is_done_within_ms(&waiting, 2000));
    assert_ok(waiting.status, &waiting.err);
    einf__pool_release(pool);
    assert_int_equal(pthread_join(thread, NULL), 0);
    einf__pool_destroy(&pool);
}

static int child_of_fork(einf__pool *pool)
{
    einf_error err = test_error();
    if (einf__pool_acquire(pool, NULL, NULL, &err) != EINF_E_STATE) return 1;
    if (einf__pool_try_acquire(pool)) return 4;
    if (err.code != EINF_E_STATE || !strstr(err.message, "forked child") || err.hint[0] == '\0') return 2;
    einf__pool_destroy(&pool); /* returns, although the threads are not there */
    return pool ? 3 : 0;
}

static void a_forked_child_is_refused(void **state)
{
    (void)state;
    einf__memory mem;
    einf__pool *pool = make_pool(&mem, 3);
    for (int taken = 0; taken < 2; taken++) {
        if (taken) assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) _exit(child_of_fork(pool));
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    einf__pool_release(pool); /* the parent's pool still works */
    assert_ok(einf__pool_acquire(pool, NULL, NULL, NULL), NULL);
    einf__pool_release(pool);
    einf__pool_destroy(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_exactly_once),
        cmocka_unit_test(one_piece_runs_on_the_caller),
        cmocka_unit_test(workers_are_woken_have_small_stacks_and_no_signals),
        cmocka_unit_test(idle_workers_use_no_cpu),
        cmocka_unit_test(a_limit_holds_until_the_release),
        cmocka_unit_test(limits_change_between_small_regions),
        cmocka_unit_test(threads_beyond_the_limit_use_no_cpu),
        cmocka_unit_test(trying_never_waits),
        cmocka_unit_test(create_and_destroy_often),
        cmocka_unit_test(refuses_odd_thread_counts),
        cmocka_unit_test(fails_without_memory),
        cmocka_unit_test(fails_cleanly_when_a_thread_cannot_be_made),
        cmocka_unit_test(callers_take_turns),
        cmocka_unit_test(either_flag_cancels_the_wait),
        cmocka_unit_test(the_queue_is_fair),
        cmocka_unit_test(a_forked_child_is_refused),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
