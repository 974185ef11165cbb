/* SPDX-License-Identifier: MIT
 * fake_machine.h - a machine for the profiler's tests: files of a folder, files made when they are read, devices,
 * errors and a clock that stands until it is told to go.
 *
 * Time: now_ns(MONOTONIC) begins at 1000 s, goes on by step_ns with every question, and otherwise when the thread that
 * made the machine sleeps or calls fake_sleep. Other threads' sleeps end when that time reaches them, one after the
 * other, and time waits until each sleeps again: what they do is the same in every run.
 */
#ifndef TESTS_SUPPORT_FAKE_MACHINE_H
#define TESTS_SUPPORT_FAKE_MACHINE_H

#include <stddef.h>

#include <edgeprof/edgeprof.h>

typedef struct fake_machine fake_machine;

/** folder: the root of the machine's files, NULL: none. A file `errors` in it has lines "EACCES PATTERN": opening such
 *  paths (fnmatch) fails. */
fake_machine *fake_machine_open(const char *folder);
void fake_machine_close(fake_machine *m);
const eprof_io *fake_io(const fake_machine *m);

/** A file with this content from now on; NULL: gone. */
void fake_file(fake_machine *m, const char *path, const char *text);

/** What a read gives: up to n bytes written, their number or -errno. */
typedef int64_t (*fake_content_fn)(void *user, int64_t now_ns, char *out, size_t n);
void fake_content(fake_machine *m, const char *path, fake_content_fn fn, void *user);

/** A device or a server ("HOST:PORT"): any function may be NULL (-ENOSYS). Reads may return -ETIMEDOUT: the
 *  timeout passes on the clock, and the device is asked again every 5 ms of it. pread is read, once. */
typedef struct fake_device {
    void *user;
    int64_t (*read)(void *user, int64_t now_ns, void *out, size_t n);
    int64_t (*write)(void *user, int64_t now_ns, const void *bytes, size_t n);
    int (*ioctl)(void *user, int64_t now_ns, unsigned long request, void *arg);
} fake_device;
void fake_attach(fake_machine *m, const char *path, const fake_device *d);

/** perf_open(type, config, cpu) gives a descriptor whose 8 bytes are fn's; without this it fails with -EACCES. */
void fake_perf(fake_machine *m, uint32_t type, uint64_t config, int32_t cpu, fake_content_fn fn, void *user);

/** The next `times` calls of `op` ('o' open, 'r' read or pread, 'w' write, 'i' ioctl, 'l' list) on paths that match
 *  fail with -error; times < 0: always; error 0: reads come one byte short. */
void fake_error(fake_machine *m, const char *pattern, char op, int error, int times);

/** Nanoseconds that a read of the paths takes on the clock. */
void fake_delay(fake_machine *m, const char *pattern, int64_t ns);

int64_t fake_now(const fake_machine *m);
void fake_sleep(fake_machine *m, int64_t ns);    /* on the thread that made the machine */
void fake_await_sleepers(fake_machine *m, int n); /* until so many other threads sleep: after eprof_start */
void fake_step(fake_machine *m, int64_t step_ns); /* what a look at the clock takes; 1000 */
/** From now on the process uses this many cores: PROCESS_CPU goes by it. */
void fake_own_cores(fake_machine *m, double cores);
/** REALTIME and BOOTTIME jump by so much against MONOTONIC. */
void fake_jump(fake_machine *m, int64_t realtime_ns, int64_t boottime_ns);
/** Bytes written and calls made, for what a test counts. */
int64_t fake_calls(const fake_machine *m, char op);

#endif
