/* SPDX-License-Identifier: MIT
 * system_io.c - the real machine behind an eprof_io: files below a sysroot, devices with time limits, TCP, the clocks,
 * and a sleep that another thread can end. The one file of the profiler that asks the system for files and time.
 *
 * Every call returns what the table promises, a count or -errno, and none is cut short by a signal. Nothing is kept but
 * the sysroot and what sleepers wait on.
 *
 * Facts: perf descriptors refuse pread (fs/read_write.c, FMODE_PREAD), so a read from their beginning is a plain read;
 * a socket that is closed by the other side would raise SIGPIPE without MSG_NOSIGNAL (send(2)).
 */
#include "profiler/run/profiler.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/perf_event.h>
#include <sys/syscall.h>
#endif

#define NS_PER_S INT64_C(1000000000)
#if !defined(MSG_NOSIGNAL)
#define MSG_NOSIGNAL 0
#endif

typedef struct machine {
    pthread_mutex_t lock;
    pthread_cond_t woken;
    int64_t n_wakes;      /* calls of wake; a sleep ends when it changes */
    char sysroot[];
} machine;

/* ------------------------------------------------------------------------------------------------ clocks -- */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t = { 0 };
    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t sys_now_ns(void *user, int32_t clock)
{
    (void)user;
    switch (clock) {
    case EPROF_CLOCK_REALTIME: return clock_ns(CLOCK_REALTIME);
#if defined(CLOCK_BOOTTIME)
    case EPROF_CLOCK_BOOTTIME: return clock_ns(CLOCK_BOOTTIME);
#endif
    case EPROF_CLOCK_PROCESS_CPU: return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    case EPROF_CLOCK_THREAD_CPU: return clock_ns(CLOCK_THREAD_CPUTIME_ID);
    default: return clock_ns(CLOCK_MONOTONIC);
    }
}

static int init_condition(pthread_cond_t *cond)
{
#if defined(__APPLE__)
    return pthread_cond_init(cond, NULL); /* waits relative to now instead */
#else
    pthread_condattr_t attr;
    int failure = pthread_condattr_init(&attr);
    if (failure) return failure;
    failure = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (!failure) failure = pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    return failure;
#endif
}

static int wait_until(machine *m, int64_t t_ns)
{
#if defined(__APPLE__)
    const int64_t left = t_ns - clock_ns(CLOCK_MONOTONIC);
    const struct timespec t = { .tv_sec = left > 0 ? left / NS_PER_S : 0, .tv_nsec = left > 0 ? left % NS_PER_S : 0 };
    return pthread_cond_timedwait_relative_np(&m->woken, &m->lock, &t);
#else
    const struct timespec t = { .tv_sec = (time_t)(t_ns / NS_PER_S), .tv_nsec = (long)(t_ns % NS_PER_S) };
    return pthread_cond_timedwait(&m->woken, &m->lock, &t);
#endif
}

static int sys_sleep_until(void *user, int64_t t_ns)
{
    machine *m = user;
    int failure = 0;
    if (t_ns < 0) t_ns = 0;
    (void)pthread_mutex_lock(&m->lock);
    const int64_t n_wakes = m->n_wakes;
    while (failure == 0 && m->n_wakes == n_wakes) failure = wait_until(m, t_ns);
    const bool woken = m->n_wakes != n_wakes;
    (void)pthread_mutex_unlock(&m->lock);
    return woken ? -EINTR : 0;
}

static void sys_wake(void *user)
{
    machine *m = user;
    (void)pthread_mutex_lock(&m->lock);
    m->n_wakes++;
    (void)pthread_cond_broadcast(&m->woken);
    (void)pthread_mutex_unlock(&m->lock);
}

/* ------------------------------------------------------------------------------------------------- files -- */

/* The path below the sysroot; false: too long. */
static bool real_path(const machine *m, const char *path, char out[PATH_MAX])
{
    const int n = snprintf(out, PATH_MAX, "%s%s", m->sysroot, path);
    return n >= 0 && n < PATH_MAX;
}

static int sys_open(void *user, const char *path, int flags)
{
    char real[PATH_MAX];
    if (!real_path(user, path, real)) return -ENAMETOOLONG;
    int fd;
    do
        fd = open(real, flags | O_CLOEXEC | O_NOCTTY, 0644);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static void sys_close(void *user, int fd)
{
    (void)user;
    (void)close(fd);
}

static int64_t sys_pread(void *user, int fd, void *buf, uint64_t n_bytes, uint64_t offset)
{
    (void)user;
    if (n_bytes > SSIZE_MAX || offset > INT64_MAX) return -EINVAL;
    ssize_t n;
    do
        n = pread(fd, buf, (size_t)n_bytes, (off_t)offset);
    while (n < 0 && errno == EINTR);
    while (n < 0 && offset == 0 && (errno == ESPIPE || errno == EINTR)) n = read(fd, buf, (size_t)n_bytes);
    return n < 0 ? -errno : n;
}

/* Until fd is ready for `events` or the deadline is there: 0, or -errno. A negative time limit is none. */
static int await(int fd, short events, int32_t timeout_ms, int64_t deadline_ns)
{
    for (;;) {
        const int64_t left_ns = deadline_ns - clock_ns(CLOCK_MONOTONIC);
        const int left_ms = timeout_ms < 0 ? -1 : left_ns <= 0 ? 0 : (int)((left_ns + 999999) / 1000000);
        struct pollfd p = { .fd = fd, .events = events };
        const int n = poll(&p, 1, left_ms);
        if (n > 0) return p.revents & POLLNVAL ? -EBADF : 0; /* errors and hang-ups: the call itself says which */
        if (n == 0) return -ETIMEDOUT;
        if (errno != EINTR) return -errno;
    }
}

static int64_t deadline_of(int32_t timeout_ms)
{
    return clock_ns(CLOCK_MONOTONIC) + (int64_t)timeout_ms * 1000000;
}

static int64_t sys_read(void *user, int fd, void *buf, uint64_t n_bytes, int32_t timeout_ms)
{
    (void)user;
    if (n_bytes > SSIZE_MAX) return -EINVAL;
    const int64_t deadline_ns = deadline_of(timeout_ms);
    for (;;) {
        const int status = await(fd, POLLIN, timeout_ms, deadline_ns);
        if (status != 0) return status;
        const ssize_t n = read(fd, buf, (size_t)n_bytes);
        if (n >= 0) return n;
        if (errno != EINTR && errno != EAGAIN) return -errno;
    }
}

static ssize_t write_once(int fd, const void *buf, size_t n_bytes)
{
    const ssize_t n = send(fd, buf, n_bytes, MSG_NOSIGNAL);
    return n < 0 && errno == ENOTSOCK ? write(fd, buf, n_bytes) : n;
}

static int64_t sys_write(void *user, int fd, const void *buf, uint64_t n_bytes, int32_t timeout_ms)
{
    (void)user;
    if (n_bytes > SSIZE_MAX) return -EINVAL;
    const int64_t deadline_ns = deadline_of(timeout_ms);
    for (;;) {
        const int status = await(fd, POLLOUT, timeout_ms, deadline_ns);
        if (status != 0) return status;
        const ssize_t n = write_once(fd, buf, (size_t)n_bytes);
        if (n >= 0) return n;
        if (errno != EINTR && errno != EAGAIN) return -errno;
    }
}

static int sys_ioctl(void *user, int fd, unsigned long request, void *arg)
{
    (void)user;
    int status;
    do
        status = ioctl(fd, request, arg);
    while (status < 0 && errno == EINTR);
    return status < 0 ? -errno : status;
}

/* ----------------------------------------------------------------------------------------------- folders -- */

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* n names that lie one behind the other in n_bytes, in order. */
static int sort_names(char *names, size_t n_bytes, size_t n)
{
    if (n < 2) return 0;
    char *copy = malloc(n_bytes), **at = calloc(n, sizeof *at);
    if (copy && at) {
        memcpy(copy, names, n_bytes);
        for (size_t i = 0, from = 0; i < n; i++, from += strlen(copy + from) + 1) at[i] = copy + from;
        qsort(at, n, sizeof *at, by_bytes);
        for (size_t i = 0; i < n; i++) {
            const size_t size = strlen(at[i]) + 1;
            memcpy(names, at[i], size);
            names += size;
        }
    }
    const int status = copy && at ? 0 : -ENOMEM;
    free(copy);
    free(at);
    return status;
}

static int64_t sys_list(void *user, const char *folder, char *names, uint64_t n_bytes)
{
    char real[PATH_MAX];
    if (!real_path(user, folder, real)) return -ENAMETOOLONG;
    DIR *d = opendir(real);
    if (!d) return -errno;
    uint64_t used = 0, n = 0;
    int status = 0;
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e) {
            status = -errno;
            break;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        const size_t size = strlen(e->d_name) + 1;
        if (size > n_bytes - used) {
            status = -ENOSPC;
            break;
        }
        memcpy(names + used, e->d_name, size);
        used += size;
        n++;
    }
    (void)closedir(d);
    if (status == 0) status = sort_names(names, (size_t)used, (size_t)n);
    return status < 0 ? status : (int64_t)used;
}

/* ---------------------------------------------------------------------------------------- perf and TCP -- */

static int sys_perf_open(void *user, uint32_t type, uint64_t config, int32_t cpu)
{
    (void)user;
#if defined(__linux__)
    struct perf_event_attr attr = { .type = type, .size = sizeof attr, .config = config };
    const long fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : (int)fd;
#else
    (void)type, (void)config, (void)cpu;
    return -ENOSYS;
#endif
}

static int connect_within(int fd, const struct sockaddr *a, socklen_t size, int32_t timeout_ms)
{
    if (connect(fd, a, size) == 0) return 0;
    if (errno != EINPROGRESS && errno != EINTR) return -errno;
    const int status = await(fd, POLLOUT, timeout_ms, deadline_of(timeout_ms));
    if (status != 0) return status;
    int error = 0;
    socklen_t error_size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) != 0) return -errno;
    return -error;
}

/* Addresses in numbers alone: looking names up needs more of the C library than a static program may have. */
static socklen_t parse_address(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(out, &v4, sizeof v4);
        return sizeof v4;
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) return 0;
    memcpy(out, &v6, sizeof v6);
    return sizeof v6;
}

static int sys_connect(void *user, const char *host, uint16_t port, int32_t timeout_ms)
{
    (void)user;
    struct sockaddr_storage address;
    const socklen_t size = parse_address(host, port, &address);
    if (size == 0) return -EADDRNOTAVAIL;
    const int fd = socket(address.ss_family, SOCK_STREAM, 0);
    if (fd < 0) return -errno;
    int status = -EIO;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
        status = connect_within(fd, (const struct sockaddr *)&address, size, timeout_ms);
    if (status == 0) return fd;
    (void)close(fd);
    return status;
}

/* ---------------------------------------------------------------------------------------------- the table -- */

eprof_status eprof__system_io(const char *sysroot, eprof_io *out, eprof_error *err)
{
    const size_t n = sysroot ? strlen(sysroot) : 0;
    machine *m = calloc(1, sizeof *m + n + 1);
    if (!m) return eprof__fail(err, EPROF_E_NOMEM, "io", "", "no memory for %zu bytes", sizeof *m + n + 1);
    if (n) memcpy(m->sysroot, sysroot, n);
    if (pthread_mutex_init(&m->lock, NULL) != 0) {
        free(m);
        return eprof__fail(err, EPROF_E_NOMEM, "io", "", "a mutex could not be made");
    }
    if (init_condition(&m->woken) != 0) {
        (void)pthread_mutex_destroy(&m->lock);
        free(m);
        return eprof__fail(err, EPROF_E_NOMEM, "io", "", "a condition variable could not be made");
    }
    *out = (eprof_io){ (uint32_t)sizeof(eprof_io), m, sys_open, sys_close, sys_pread, sys_read, sys_write, sys_ioctl,
                       sys_list, sys_perf_open, sys_connect, sys_now_ns, sys_sleep_until, sys_wake };
    return EPROF_OK;
}

void eprof__system_io_free(eprof_io *io, bool is_fork)
{
    machine *m = io->user;
    if (!m) return;
    if (!is_fork) { /* whose condition variable would wait for sleepers that are not there */
        (void)pthread_cond_destroy(&m->woken);
        (void)pthread_mutex_destroy(&m->lock);
    }
    free(m);
    io->user = NULL;
}

int64_t eprof__thread_number(void)
{
#if defined(__linux__)
    return (int64_t)syscall(SYS_gettid);
#elif defined(__APPLE__)
    uint64_t id = 0;
    (void)pthread_threadid_np(NULL, &id);
    return (int64_t)id;
#else
    return (int64_t)(intptr_t)pthread_self();
#endif
}

int64_t eprof__process_number(void) { return (int64_t)getpid(); }

void eprof__pause(void)
{
    const struct timespec t = { .tv_nsec = 200000 };
    (void)nanosleep(&t, NULL);
}
