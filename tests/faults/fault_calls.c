/* SPDX-License-Identifier: MIT
 * fault_calls.c - see the header. __wrap_X is what the library reaches when it calls X, __real_X the C library's.
 */
#include "tests/faults/fault_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    _Atomic int call; /* fault_call + 1; 0: no plan */
    _Atomic uint64_t n_seen;
    uint64_t n, n_bytes; /* n_bytes > 0: short instead of failing */
    int code;
    bool once;
} plan;

static const char *const NAMES[] = {
#define FAULT_NAME(name) #name,
    FAULT_CALL_MAP(FAULT_NAME)
#undef FAULT_NAME
};

const char *fault_name(fault_call call) { return NAMES[call]; }

static void set_plan(fault_call call, uint64_t n, int code, bool once, uint64_t n_bytes)
{
    plan.n = n;
    plan.code = code;
    plan.once = once;
    plan.n_bytes = n_bytes;
    atomic_store(&plan.n_seen, 0);
    atomic_store(&plan.call, (int)call + 1);
}

void fault_plan(fault_call call, uint64_t n, int code, int once)
{
    set_plan(call, n, code, once != 0 || code == EINTR, 0);
}

void fault_plan_short(fault_call call, uint64_t n, uint64_t n_bytes) { set_plan(call, n, 0, false, n_bytes); }

uint64_t fault_end(void)
{
    atomic_store(&plan.call, 0);
    return atomic_load(&plan.n_seen);
}

/* Is it this call's turn? */
static bool is_due(fault_call call)
{
    if (atomic_load(&plan.call) != (int)call + 1) return false;
    const uint64_t seen = atomic_fetch_add(&plan.n_seen, 1) + 1;
    return plan.once ? seen == plan.n : seen >= plan.n;
}

static bool fails(fault_call call)
{
    if (!is_due(call)) return false;
    errno = plan.code;
    return true;
}

/* For calls that move bytes: false when it fails; else *n may be less. */
static bool moves(fault_call call, size_t *n)
{
    if (!is_due(call)) return true;
    if (plan.n_bytes == 0) {
        errno = plan.code;
        return false;
    }
    if (*n > plan.n_bytes) *n = (size_t)plan.n_bytes;
    return true;
}

/* A call with its arguments, twice: the C library's, and ours. */
#define WRAP(type, name, failed, arguments, passed) \
    type __real_##name arguments; \
    type __wrap_##name arguments; \
    type __wrap_##name arguments { return fails(FAULT_##name) ? (failed) : __real_##name passed; }
#define WRAP_PTHREAD(name, arguments, passed) WRAP(int, name, plan.code, arguments, passed)

WRAP(int, stat, -1, (const char *path, struct stat *st), (path, st))
WRAP(int, fstat, -1, (int fd, struct stat *st), (fd, st))
WRAP(void *, mmap, MAP_FAILED, (void *at, size_t n, int prot, int flags, int fd, off_t from),
     (at, n, prot, flags, fd, from))
WRAP(int, fsync, -1, (int fd), (fd))
WRAP(int, rename, -1, (const char *from, const char *to), (from, to))
WRAP(int, unlink, -1, (const char *path), (path))
WRAP_PTHREAD(pthread_create, (pthread_t *t, const pthread_attr_t *attr, void *(*main)(void *), void *arg),
             (t, attr, main, arg))
WRAP_PTHREAD(pthread_mutex_init, (pthread_mutex_t *m, const pthread_mutexattr_t *attr), (m, attr))
WRAP_PTHREAD(pthread_cond_init, (pthread_cond_t *c, const pthread_condattr_t *attr), (c, attr))
WRAP_PTHREAD(pthread_condattr_init, (pthread_condattr_t *attr), (attr))
WRAP_PTHREAD(pthread_condattr_setclock, (pthread_condattr_t *attr, clockid_t clock), (attr, clock))
WRAP_PTHREAD(pthread_attr_init, (pthread_attr_t *attr), (attr))
WRAP_PTHREAD(pthread_attr_setstacksize, (pthread_attr_t *attr, size_t n), (attr, n))
WRAP_PTHREAD(pthread_sigmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;
    va_start(args, flags);
    if (flags & O_CREAT) mode = va_arg(args, mode_t);
    va_end(args);
    return fails(FAULT_open) ? -1 : __real_open(path, flags, mode);
}

/* The descriptor is gone either way, as on Linux. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
    const int result = __real_close(fd);
    return fails(FAULT_close) ? -1 : result;
}

ssize_t __real_pread(int fd, void *to, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t n, off_t at)
{
    return moves(FAULT_pread, &n) ? __real_pread(fd, to, n, at) : -1;
}

ssize_t __real_read(int fd, void *to, size_t n);
ssize_t __wrap_read(int fd, void *to, size_t n);
ssize_t __wrap_read(int fd, void *to, size_t n) { return moves(FAULT_read, &n) ? __real_read(fd, to, n) : -1; }

ssize_t __real_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n);
ssize_t __wrap_write(int fd, const void *from, size_t n)
{
    return moves(FAULT_write, &n) ? __real_write(fd, from, n) : -1;
}
