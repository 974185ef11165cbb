/* SPDX-License-Identifier: MIT
 * doctor_bandwidth.c - threads that read a buffer that no cache holds.
 *
 * Each thread reads its own slice until the time is over. The threads are the command's own: the library's pool has
 * no public way to run foreign work.
 */
#include "cli/doctor_bandwidth.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/interrupt.h"
#include "cli/output.h"

enum { BUFFER_BYTES = 256 << 20, LEAST_BUFFER_BYTES = 32 << 20, PIECE_WORDS = 1 << 13, MAX_THREADS = 256 };
#define MEASURE_S 0.5

typedef struct reader {
    pthread_t thread;
    const uint64_t *words;    /* [n_words] */
    size_t n_words;
    double until_s;
    uint64_t n_read;          /* words */
    uint64_t sum;             /* so that the reads are not left out */
} reader;

static uint64_t sum_piece(const uint64_t *words)
{
    uint64_t sum[8] = { 0 };
    for (size_t i = 0; i < PIECE_WORDS; i += 8)
        for (size_t j = 0; j < 8; j++) sum[j] += words[i + j];
    return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

static void *read_slice(void *user)
{
    enum { PIECES_BETWEEN_LOOKS_AT_THE_CLOCK = 64 };
    reader *r = user;
    size_t at = 0;
    while (cli_now_s() < r->until_s && !cli_interrupted()) {
        for (int i = 0; i < PIECES_BETWEEN_LOOKS_AT_THE_CLOCK; i++) {
            r->sum += sum_piece(r->words + at);
            at = at + 2 * PIECE_WORDS <= r->n_words ? at + PIECE_WORDS : 0;
        }
        r->n_read += (uint64_t)PIECES_BETWEEN_LOOKS_AT_THE_CLOCK * PIECE_WORDS;
    }
    return NULL;
}

/* Bytes a second with n threads; 0 when a thread could not be started. */
static double measure(const uint64_t *words, size_t n_words, uint32_t n, double seconds)
{
    reader readers[MAX_THREADS];
    uint64_t n_read = 0;
    uint32_t n_started = 1;
    memset(readers, 0, sizeof readers);
    const double start_s = cli_now_s();
    for (uint32_t i = 0; i < n; i++)
        readers[i] = (reader){ .words = words + i * (n_words / n), .n_words = n_words / n,
                               .until_s = start_s + seconds };
    while (n_started < n && pthread_create(&readers[n_started].thread, NULL, read_slice, &readers[n_started]) == 0)
        n_started++;
    read_slice(&readers[0]);
    for (uint32_t i = 1; i < n_started; i++) pthread_join(readers[i].thread, NULL);
    const double elapsed_s = cli_now_s() - start_s;
    for (uint32_t i = 0; i < n_started; i++) n_read += readers[i].n_read;
    return n_started == n ? (double)n_read * sizeof *words / elapsed_s : 0;
}

bool doctor_measure_bandwidth(uint32_t n_threads, uint64_t room_bytes, doctor_bandwidth *out)
{
    const uint64_t quarter = room_bytes / 4;
    const size_t size = quarter < BUFFER_BYTES ? (size_t)quarter : BUFFER_BYTES;
    *out = (doctor_bandwidth){ .buffer_bytes = size };
    if (size < LEAST_BUFFER_BYTES) return false;
    uint64_t *words = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED) return false;
    memset(words, 1, size); /* else all its pages would be the one page of zeros */
    if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
    for (uint32_t n = 1; n < n_threads; n *= 2) out->threads[out->n_steps++] = n;
    out->threads[out->n_steps++] = n_threads;
    for (int i = 0; i < out->n_steps; i++)
        out->bytes_per_s[i] = measure(words, size / sizeof *words, out->threads[i], MEASURE_S / out->n_steps);
    munmap(words, size);
    return !cli_interrupted();
}
