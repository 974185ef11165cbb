/* SPDX-License-Identifier: MIT
 * cpu.h - what the machine is: instruction sets that both CPU and kernel support, cores worth using, page size.
 */
#ifndef EINF_BASE_CPU_H
#define EINF_BASE_CPU_H

#include <stdint.h>

/** EINF_CPU_* bits. x86: CPUID leaves, each vector set only when XCR0 says the kernel saves its registers.
 *  aarch64: AT_HWCAP and AT_HWCAP2. */
uint32_t einf__cpu_features(void);

/** Performance cores in this process's affinity mask, capped by the cgroup's CPU quota (rounded up). At least 1.
 *  On big.LITTLE and hybrids: cores with 3/4 of the highest cpu_capacity or more. SMT siblings count once. */
int32_t einf__cpu_performance_cores(void);

/** sysconf(_SC_PAGESIZE): 4, 16 or 64 KiB. Never assumed. */
uint64_t einf__page_bytes(void);

#endif
