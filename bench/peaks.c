/* SPDX-License-Identifier: MIT
 * peaks.c - which peaks this machine has, and the memory that they read.
 */
#include "bench/peaks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/results.h"

enum {
    STREAM_BYTES = 256 << 20,
    LEAST_STREAM_BYTES = 8 << 20,
    HUGE_PAGE_BYTES = 2 << 20,
    PIECE_BYTES = 64 << 10,  /* of a stream, to one thread */
    TURNS_PER_CALL = 256,
    STEPS_PER_CALL = 20000,
    L1_BYTES = 16 << 10,     /* half of the smallest L1 there is */
    L2_BYTES = 256 << 10,    /* half of the smallest L2 that is worth the name */
};

/* ----------------------------------------------------------------------------------------------- streams -- */

/* xorshift32 in every even byte; the odd ones make of each pair a half of 0.03 to 0.5, and of each four a float far
 * from 0 and infinity: any weight format can read such bytes, and none of its numbers is slow. */
static void fill(unsigned char *bytes, size_t n_bytes)
{
    uint32_t x = 2463534242u;
    for (size_t i = 0; i + 1 < n_bytes; i += 2) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        bytes[i] = (unsigned char)(x >> 8);
        bytes[i + 1] = (unsigned char)(0x28 + (x >> 20 & 15));
    }
}

/* Bytes of this process that lie in huge pages. */
static uint64_t huge_bytes_now(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    unsigned long long kib = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "AnonHugePages: %llu kB", &kib) == 1) break;
    if (f) fclose(f);
    return kib * 1024;
}

static bool stream_init(bench_stream *s, size_t size_bytes, bool huge)
{
    void *map = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return false;
    (void)madvise(map, size_bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE); /* what came of it is looked at */
    fill(map, size_bytes);
    s->bytes = map;
    s->size_bytes = size_bytes;
    return true;
}

static void stream_deinit(bench_stream *s)
{
    if (s->bytes) munmap(s->bytes, s->size_bytes);
    s->bytes = NULL;
}

const unsigned char *bench_stream_take(bench_stream *s, size_t n_bytes)
{
    const size_t at = atomic_fetch_add_explicit(&s->next, n_bytes, memory_order_relaxed) % s->size_bytes;
    return at + n_bytes <= s->size_bytes ? s->bytes + at : s->bytes;
}

/* An eighth of what is free; at least what the last cache does not hold. */
static bool make_streams(bench_peaks *p, const bench_machine *m)
{
    size_t size = STREAM_BYTES;
    while (size < 4 * m->last_cache_bytes) size *= 2;
    while (m->available_bytes && size > m->available_bytes / 8 && size > LEAST_STREAM_BYTES) size /= 2;
    if (!stream_init(&p->small_pages, size, false)) return false;
    const uint64_t before = huge_bytes_now();
    if (stream_init(&p->huge_pages, size, true) && huge_bytes_now() - before < size / 2) {
        stream_deinit(&p->huge_pages);
        p->why_no_huge_pages = "the kernel gave none (see /sys/kernel/mm/transparent_hugepage/enabled)";
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------- calls -- */

static void call_clock(void *user, int i_thread)
{
    (void)user, (void)i_thread;
    bench_clock_chain(STEPS_PER_CALL);
}

static void call_loop(void *user, int i_thread)
{
    const bench_peak *p = user;
    (void)i_thread;
    p->loop->turn(TURNS_PER_CALL, p->operands);
}

static void call_cache(void *user, int i_thread)
{
    const bench_peak *p = user;
    (void)i_thread;
    p->read(p->stream->bytes, p->cache_bytes);
}

static void call_memory(void *user, int i_thread)
{
    const bench_peak *p = user;
    (void)i_thread;
    p->read(bench_stream_take(p->stream, PIECE_BYTES), PIECE_BYTES);
}

/* -------------------------------------------------------------------------------------------------- rows -- */

static bench_peak *add_row(bench_peaks *p, bench_peak_kind kind, const char *unit, bench_call_fn call, double work)
{
    bench_peak *row = &p->rows[p->n++];
    row->kind = kind;
    row->unit = unit;
    row->operands = p->small_pages.bytes;
    row->stream = &p->small_pages;
    row->c = (bench_case){ .call = call, .user = row, .work = work };
    return row;
}

static void add_arith(bench_peaks *p, const bench_machine *m, const bench_peak_loop *loops)
{
    for (; loops->name; loops++) {
        if ((m->cpu_found & loops->cpu) != loops->cpu) continue;
        if (loops->flag && !bench_machine_has_flag(m, loops->flag)) continue;
        bench_peak *row = add_row(p, BENCH_PEAK_ARITH, "mac_per_cycle", call_loop,
                                  (double)TURNS_PER_CALL * loops->mac_per_turn);
        row->loop = loops;
        snprintf(row->name, sizeof row->name, "%s", loops->name);
    }
}

static void add_all_arith(bench_peaks *p, const bench_machine *m)
{
#if defined(__x86_64__)
    add_arith(p, m, bench_loops_vnni512);
    add_arith(p, m, bench_loops_avxvnni);
    add_arith(p, m, bench_loops_avx512);
    add_arith(p, m, bench_loops_avx2);
    add_arith(p, m, bench_loops_avx512fp16);
#elif defined(__aarch64__)
    add_arith(p, m, bench_loops_i8mm);
    add_arith(p, m, bench_loops_dotprod);
    add_arith(p, m, bench_loops_neon);
    add_arith(p, m, bench_loops_fp16);
#else
    (void)p, (void)m;
#endif
}

/* Straight on, and in parts: a prefetcher that stops at the end of a page has other pages to go on with meanwhile. */
typedef struct readers {
    bench_read_fn straight, parts;
} readers;

static readers widest_readers(const bench_machine *m)
{
#if defined(__x86_64__)
    if (m->cpu_found & EINF_CPU_AVX512) return (readers){ bench_read_avx512, bench_read_parts_avx512 };
    if (m->cpu_found & EINF_CPU_AVX2) return (readers){ bench_read_avx2, bench_read_parts_avx2 };
    return (readers){ bench_read_sse2, bench_read_parts_sse2 };
#else
    (void)m;
    return (readers){ bench_read_neon, bench_read_parts_neon };
#endif
}

static void add_cache(bench_peaks *p, bench_read_fn read, const char *name, size_t n_bytes)
{
    bench_peak *row = add_row(p, BENCH_PEAK_CACHE, "bytes_per_cycle", call_cache, (double)n_bytes);
    row->read = read;
    row->cache_bytes = n_bytes;
    snprintf(row->name, sizeof row->name, "%s", name);
}

static void add_memory_row(bench_peaks *p, bench_read_fn read, const char *how, int n_threads, bool huge)
{
    bench_peak *row = add_row(p, BENCH_PEAK_MEMORY, "gb_s", call_memory, 1e-9 * PIECE_BYTES);
    row->read = read;
    row->stream = huge ? &p->huge_pages : &p->small_pages;
    row->huge = huge;
    row->c.n_threads = n_threads;
    row->c.per_second = true;
    char pages[32] = "huge";
    if (!huge) snprintf(pages, sizeof pages, "%ld KiB", sysconf(_SC_PAGESIZE) / 1024);
    snprintf(row->name, sizeof row->name, "read memory, %s pages%s, %d thread%s", pages, how, n_threads,
             n_threads > 1 ? "s" : "");
}

static void add_memory(bench_peaks *p, const readers *r, int n_threads, bool huge)
{
    add_memory_row(p, r->straight, "", n_threads, huge);
    add_memory_row(p, r->parts, " in parts", n_threads, huge);
}

static void add_clock_and_arith(bench_peaks *p, const bench_machine *m)
{
    bench_peak *clock = add_row(p, BENCH_PEAK_CLOCK, "ghz", call_clock,
                                1e-9 * STEPS_PER_CALL * bench_clock_cycles_per_step);
    snprintf(clock->name, sizeof clock->name, "clock");
    clock->c.per_second = true;
    add_all_arith(p, m);
    if (!bench_peak_of_arith(p, BENCH_F16, m->cpu_found))
        p->why_no_f16 = "this CPU has no arithmetic on halves; weights of F16 are multiplied as f32";
}

bool bench_peaks_init_arith(bench_peaks *p, const bench_machine *m)
{
    memset(p, 0, sizeof *p);
    if (!stream_init(&p->small_pages, PIECE_BYTES, false)) return false;
    add_clock_and_arith(p, m);
    return true;
}

bool bench_peaks_init(bench_peaks *p, const bench_machine *m, int n_threads)
{
    memset(p, 0, sizeof *p);
    if (!make_streams(p, m)) return false;
    add_clock_and_arith(p, m);
    const readers r = widest_readers(m);
    add_cache(p, r.straight, "read L1", L1_BYTES);
    add_cache(p, r.straight, "read L2", L2_BYTES);
    for (int huge = 0; huge < (p->huge_pages.bytes ? 2 : 1); huge++) {
        for (int n = 1; n < n_threads; n *= 2) add_memory(p, &r, n, huge);
        add_memory(p, &r, n_threads, huge);
    }
    return true;
}

void bench_peaks_deinit(bench_peaks *p)
{
    stream_deinit(&p->small_pages);
    stream_deinit(&p->huge_pages);
}

void bench_peaks_warm(bench_peaks *p)
{
    for (int i = 0; i < p->n; i++) bench_case_warm(&p->rows[i].c);
}

bool bench_peaks_sample(bench_peaks *p, double seconds)
{
    for (int i = 0; i < p->n; i++)
        if (!bench_case_sample(&p->rows[i].c, seconds)) return false;
    return true;
}

/* ----------------------------------------------------------------------------------------------- finding -- */

/* Rows that differ by less are the same peak: the first of them is it, in this run and in the next. */
#define SAME 0.02

static double height_of(const bench_peak *row) { return bench_median(row->c.samples, row->c.n); }

bench_arith bench_arith_of_sum(int32_t float_sum)
{
    return float_sum == EINF_FLOAT_SUM_F16 ? BENCH_F16 : float_sum == EINF_FLOAT_SUM_I16 ? BENCH_INT16 : BENCH_F32;
}

const char *bench_sum_name(int32_t float_sum)
{
    return float_sum == EINF_FLOAT_SUM_F16 ? "f16" : float_sum == EINF_FLOAT_SUM_I16 ? "i16" : "f32";
}

const bench_peak *bench_peak_of_arith(const bench_peaks *p, bench_arith arith, uint32_t cpu)
{
    const bench_peak *best = NULL;
    for (int i = 0; i < p->n; i++) {
        const bench_peak *row = &p->rows[i];
        if (row->kind != BENCH_PEAK_ARITH || row->loop->arith != arith || (row->loop->cpu & ~cpu) != 0) continue;
        if (!best || (row->c.n > 0 && height_of(row) > (1.0 + SAME) * height_of(best))) best = row;
    }
    return best;
}

const bench_peak *bench_peak_of_memory(const bench_peaks *p, int n_threads, bool huge)
{
    const bench_peak *best = NULL;
    for (int i = 0; i < p->n; i++) {
        const bench_peak *row = &p->rows[i];
        if (row->kind != BENCH_PEAK_MEMORY || row->huge != huge || row->c.n_threads != n_threads) continue;
        if (!best || (row->c.n > 0 && height_of(row) > height_of(best))) best = row;
    }
    return best;
}

const bench_peak *bench_peak_named(const bench_peaks *p, const char *name)
{
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->rows[i].name, name) == 0) return &p->rows[i];
    return NULL;
}

/* ---------------------------------------------------------------------------------------------- printing -- */

cJSON *bench_peaks_json(const bench_peaks *p)
{
    static const char *const ariths[] = { "int8", "f32", "f16" };
    cJSON *j = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(j, "measured");
    for (int i = 0; i < p->n; i++) {
        const bench_peak *row = &p->rows[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", row->name);
        if (row->kind == BENCH_PEAK_ARITH) cJSON_AddStringToObject(o, "arithmetic", ariths[row->loop->arith]);
        if (row->kind == BENCH_PEAK_MEMORY) {
            cJSON_AddNumberToObject(o, "n_threads", row->c.n_threads);
            cJSON_AddStringToObject(o, "pages", row->huge ? "huge" : "small");
        }
        cJSON_AddItemToObject(o, row->unit, bench_result_json(bench_estimate_of(row->c.samples, row->c.n), NULL, 0));
        cJSON_AddItemToArray(rows, o);
    }
    cJSON_AddNumberToObject(j, "stream_bytes", (double)p->small_pages.size_bytes);
    cJSON_AddNumberToObject(j, "page_bytes", (double)sysconf(_SC_PAGESIZE));
    if (p->why_no_f16) cJSON_AddStringToObject(j, "f16_lacks", p->why_no_f16);
    if (p->why_no_huge_pages) cJSON_AddStringToObject(j, "huge_pages_lack", p->why_no_huge_pages);
    return j;
}

void bench_peaks_print(const bench_peaks *p)
{
    static const struct { const char *key, *text; } units[] = {
        { "ghz", "GHz" }, { "mac_per_cycle", "MAC/cycle" }, { "bytes_per_cycle", "bytes/cycle" }, { "gb_s", "GB/s" },
    };
    for (int i = 0; i < p->n; i++) {
        const bench_peak *row = &p->rows[i];
        const bench_estimate e = bench_estimate_of(row->c.samples, row->c.n);
        int u = 0;
        while (strcmp(units[u].key, row->unit) != 0) u++;
        printf("  %-46s %8.2f %-11s (%.2f to %.2f)\n", row->name, e.median, units[u].text, e.low95, e.high95);
    }
    if (p->why_no_f16) printf("  f16: %s\n", p->why_no_f16);
    if (p->why_no_huge_pages) printf("  huge pages: %s\n", p->why_no_huge_pages);
}
