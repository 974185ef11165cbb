/* SPDX-License-Identifier: MIT
 * machine.h - what a result has to say about where it was made.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <edgeinfer/edgeinfer.h>

typedef struct bench_machine {
    char cpu[96], kernel[80], compiler[80];
    char flags[4096];       /* those of /proc/cpuinfo, each between blanks */
    uint32_t cpu_found;     /* EINF_CPU_* */
    int n_cores;            /* worth a thread: what the library takes by default */
    uint64_t available_bytes, last_cache_bytes; /* 0: not told */
    double load;            /* of the last minute, before we began */
} bench_machine;

/** False: *err says why the library gives no runtime. */
bool bench_machine_look(bench_machine *m, einf_error *err);
bool bench_machine_has_flag(const bench_machine *m, const char *flag);
cJSON *bench_machine_json(const bench_machine *m);
/** A line of /proc/self/status, as "VmHWM", in bytes; 0 when it is not there. */
uint64_t bench_status_bytes(const char *field);
/** Two lines on stdout. */
void bench_machine_print(const bench_machine *m);

#endif
