/* SPDX-License-Identifier: MIT
 * cpu_probe.h - the parts of cpu.c that tests feed with machines we do not have: register values in, features out;
 * small text files in, a number of cores out. For cpu.c and its test alone.
 */
#ifndef EINF_BASE_CPU_PROBE_H
#define EINF_BASE_CPU_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What CPUID and XGETBV said; a leaf the CPU lacks is all zero. */
typedef struct einf__x86_regs {
    uint32_t leaf1_ecx;
    uint32_t leaf7_ebx, leaf7_ecx;
    uint32_t leaf7_1_eax; /* leaf 7, sub-leaf 1 */
    uint64_t xcr0;        /* 0 without OSXSAVE */
} einf__x86_regs;

uint32_t einf__cpu_features_x86(const einf__x86_regs *r);
uint32_t einf__cpu_features_aarch64(uint64_t hwcap, uint64_t hwcap2);

#define EINF__MAX_CPUS 8192 /* the most that Linux supports */

typedef struct einf__cpu_source {
    /** The beginning of a text file, at most size - 1 bytes and a NUL; false when it cannot be read. */
    bool (*read_text)(void *user, const char *path, char *text, size_t size);
    void *user;
    uint8_t allowed[EINF__MAX_CPUS / 8]; /* affinity: bit c % 8 of byte c / 8 */
} einf__cpu_source;

/** einf__cpu_performance_cores of that machine. */
int32_t einf__cpu_count_cores(const einf__cpu_source *s);

#endif
