/* SPDX-License-Identifier: MIT
 * fault_calls.h - system calls that fail when a test says so. The Makefile's FAULT_CALLS names them to the linker
 * (--wrap), which leads the library's calls here first.
 *
 * One plan at a time; without one, calls go through. Counting is atomic, planning is for one thread.
 */
#ifndef TESTS_FAULT_CALLS_H
#define TESTS_FAULT_CALLS_H

#include <stdint.h>

#define FAULT_CALL_MAP(X) \
    X(open) X(stat) X(fstat) X(pread) X(read) X(mmap) X(write) X(close) X(fsync) X(rename) X(unlink) \
    X(pthread_create) X(pthread_mutex_init) X(pthread_cond_init) X(pthread_condattr_init) \
    X(pthread_condattr_setclock) X(pthread_attr_init) X(pthread_attr_setstacksize) X(pthread_sigmask)

typedef enum fault_call {
#define FAULT_ENUM(name) FAULT_##name,
    FAULT_CALL_MAP(FAULT_ENUM)
#undef FAULT_ENUM
    FAULT_N_CALLS
} fault_call;

/** The name of a call. */
const char *fault_name(fault_call call);
/** The n-th call from now on, counted from 1, fails with an errno. EINTR: it alone; any other: the later ones, too,
 *  unless `once`. close does what it should and reports the failure all the same. */
void fault_plan(fault_call call, uint64_t n, int code, int once);
/** From the n-th on, a pread, read or write moves at most n_bytes. */
void fault_plan_short(fault_call call, uint64_t n, uint64_t n_bytes);
/** How often the planned call was made since; ends the plan. */
uint64_t fault_end(void);

#endif
