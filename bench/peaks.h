/* SPDX-License-Identifier: MIT
 * peaks.h - what this machine can do at best, measured in the same run as what is compared with it: its clock,
 * multiply-adds of each instruction set, reading from caches, and from memory by threads and kind of page.
 *
 * Peaks are cases like any other (rounds.h): the caller samples them in turn with its own.
 */
#ifndef BENCH_PEAKS_H
#define BENCH_PEAKS_H

#include <stdatomic.h>
#include <stddef.h>

#include "bench/machine.h"
#include "bench/peak_loops.h"
#include "bench/rounds.h"

typedef enum bench_peak_kind { BENCH_PEAK_CLOCK, BENCH_PEAK_ARITH, BENCH_PEAK_CACHE, BENCH_PEAK_MEMORY }
    bench_peak_kind;

/* Memory that no cache holds, read as one endless stream by as many threads as there are: each takes the next piece. */
typedef struct bench_stream {
    unsigned char *bytes;
    size_t size_bytes;
    atomic_size_t next;
} bench_stream;

/** The next n_bytes, all of one piece; n_bytes at most size_bytes. */
const unsigned char *bench_stream_take(bench_stream *s, size_t n_bytes);

typedef struct bench_peak {
    bench_peak_kind kind;
    char name[64];         /* "vpdpbusd zmm", "read L2", "read memory, 4 KiB pages, 2 threads" */
    const char *unit;      /* "ghz", "mac_per_cycle", "bytes_per_cycle", "gb_s" */
    const bench_peak_loop *loop; /* of arithmetic */
    bench_stream *stream;  /* of memory */
    bool huge;
    bench_read_fn read;
    size_t cache_bytes;    /* of caches: what is read over and over */
    const unsigned char *operands;
    bench_case c;
} bench_peak;

enum { BENCH_MAX_PEAKS = 64 };

typedef struct bench_peaks {
    bench_peak rows[BENCH_MAX_PEAKS];
    int n;
    bench_stream small_pages, huge_pages; /* bytes NULL: there are none */
    const char *why_no_huge_pages, *why_no_f16;
} bench_peaks;

/** Allocates and fills the streams; n_threads is the most that read together. False: no memory. */
bool bench_peaks_init(bench_peaks *p, const bench_machine *m, int n_threads);
/** Clock and multiply-adds alone, with next to no memory: beside what is held against nothing else. */
bool bench_peaks_init_arith(bench_peaks *p, const bench_machine *m);
void bench_peaks_deinit(bench_peaks *p);
/** Warm up, or add a sample to, every one. False: a thread could not be started. */
void bench_peaks_warm(bench_peaks *p);
bool bench_peaks_sample(bench_peaks *p, double seconds);

/** The arithmetic of EINF_FLOAT_SUM_*, and its name among options: "f32", "f16", "i16". */
bench_arith bench_arith_of_sum(int32_t float_sum);
const char *bench_sum_name(int32_t float_sum);
/** The best so far of a kind of arithmetic with these EINF_CPU_* bits; NULL: the machine lacks it. */
const bench_peak *bench_peak_of_arith(const bench_peaks *p, bench_arith arith, uint32_t cpu);
/** The best way of reading from memory with that many threads. */
const bench_peak *bench_peak_of_memory(const bench_peaks *p, int n_threads, bool huge);
const bench_peak *bench_peak_named(const bench_peaks *p, const char *name);

cJSON *bench_peaks_json(const bench_peaks *p);
void bench_peaks_print(const bench_peaks *p);

#endif
