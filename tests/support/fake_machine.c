/* SPDX-License-Identifier: MIT
 * fake_machine.c - the machine of the profiler's tests: an io table over a folder, overlaid files and devices, and a
 * clock that one thread drives.
 *
 * Invariant: of the threads that sleep here, at most one is awake beside the driver, so runs repeat exactly.
 */
#include "tests/support/fake_machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_NODES = 256, MAX_OPEN = 512, MAX_RULES = 64, MAX_SLEEPERS = 32, MAX_PATH = 512 };

/* What lies over the folder at a path. */
typedef struct node {
    char path[MAX_PATH];
    char *text;            /* a file; NULL and no fn or device: the path is gone */
    fake_content_fn fn;
    void *user;
    bool is_device;
    fake_device device;
} node;

typedef struct open_file {
    bool used;
    char path[MAX_PATH];
    const node *over;      /* NULL: a file of the folder */
    int64_t at;            /* where read goes on */
} open_file;

typedef struct rule {
    char pattern[MAX_PATH];
    char op;               /* 'd': a delay */
    int error, times;
    int64_t delay_ns;
} rule;

typedef struct sleeper {
    bool used, awake;
    int64_t until_ns;
    pthread_t thread;
} sleeper;

struct fake_machine {
    char folder[MAX_PATH];
    eprof_io io;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t driver;
    int64_t now_ns, step_ns, realtime_ns, boottime_ns;
    double own_cores, own_ns;
    int64_t waking;        /* number of wake calls */
    int n_nodes, n_rules;
    node nodes[MAX_NODES];
    rule rules[MAX_RULES];
    open_file files[MAX_OPEN];
    sleeper sleepers[MAX_SLEEPERS];
    int64_t n_calls[128];
};

static void copy_path(char *to, const char *path) { (void)snprintf(to, MAX_PATH, "%s", path); }

/* ----------------------------------------------------------------------------------------------- time -- */

static void pass(fake_machine *m, int64_t ns)
{
    m->now_ns += ns;
    m->own_ns += m->own_cores * (double)ns;
}

static sleeper *earliest(fake_machine *m, int64_t until_ns)
{
    sleeper *found = NULL;
    for (int i = 0; i < MAX_SLEEPERS; i++) {
        sleeper *s = &m->sleepers[i];
        if (s->used && !s->awake && s->until_ns <= until_ns && (!found || s->until_ns < found->until_ns)) found = s;
    }
    return found;
}

/* The driver: everybody whose time comes is woken and waited for. Under the lock. */
static void drive(fake_machine *m, int64_t until_ns)
{
    for (sleeper *s; (s = earliest(m, until_ns)) != NULL;) {
        if (s->until_ns > m->now_ns) pass(m, s->until_ns - m->now_ns);
        s->awake = true;
        (void)pthread_cond_broadcast(&m->changed);
        while (s->used && s->awake) (void)pthread_cond_wait(&m->changed, &m->lock);
    }
    if (until_ns > m->now_ns) pass(m, until_ns - m->now_ns);
}

static sleeper *place_of(fake_machine *m, pthread_t self)
{
    sleeper *empty = NULL;
    for (int i = 0; i < MAX_SLEEPERS; i++) {
        if (m->sleepers[i].used && pthread_equal(m->sleepers[i].thread, self)) return &m->sleepers[i];
        if (!m->sleepers[i].used && !empty) empty = &m->sleepers[i];
    }
    if (!empty) abort(); /* a test with more threads than it said */
    *empty = (sleeper){ .used = true, .thread = self };
    return empty;
}

static int io_sleep_until(void *user, int64_t t_ns)
{
    fake_machine *m = user;
    int status = 0;
    (void)pthread_mutex_lock(&m->lock);
    if (pthread_equal(m->driver, pthread_self())) {
        drive(m, t_ns);
    } else {
        sleeper *s = place_of(m, pthread_self());
        const int64_t wakes = m->waking;
        s->until_ns = t_ns;
        s->awake = false;
        (void)pthread_cond_broadcast(&m->changed);
        while (!s->awake && m->waking == wakes) (void)pthread_cond_wait(&m->changed, &m->lock);
        if (m->waking != wakes) {
            s->used = false;
            status = -EINTR;
        }
    }
    (void)pthread_mutex_unlock(&m->lock);
    return status;
}

static void io_wake(void *user)
{
    fake_machine *m = user;
    (void)pthread_mutex_lock(&m->lock);
    m->waking++;
    for (int i = 0; i < MAX_SLEEPERS; i++) m->sleepers[i].used = false;
    (void)pthread_cond_broadcast(&m->changed);
    (void)pthread_mutex_unlock(&m->lock);
}

static int64_t io_now_ns(void *user, int32_t clock)
{
    fake_machine *m = user;
    (void)pthread_mutex_lock(&m->lock);
    if (clock == EPROF_CLOCK_MONOTONIC) pass(m, m->step_ns);
    const int64_t now = clock == EPROF_CLOCK_MONOTONIC     ? m->now_ns
                        : clock == EPROF_CLOCK_REALTIME    ? m->now_ns + m->realtime_ns
                        : clock == EPROF_CLOCK_BOOTTIME    ? m->now_ns + m->boottime_ns
                        : clock == EPROF_CLOCK_PROCESS_CPU ? (int64_t)m->own_ns
                                                           : 0;
    (void)pthread_mutex_unlock(&m->lock);
    return now;
}

/* ----------------------------------------------------------------------------------------------- files -- */

/* The error that a rule gives this call; 1: none. A rule of error 0 gives 0: short. Under the lock. */
static int ruled(fake_machine *m, const char *path, char op)
{
    int found = 1;
    m->n_calls[(unsigned char)op & 127]++;
    for (int i = 0; i < m->n_rules; i++) {
        rule *r = &m->rules[i];
        if (fnmatch(r->pattern, path, 0) != 0) continue;
        if (r->op == 'd' && (op == 'r' || op == 'i')) pass(m, r->delay_ns);
        if (r->op != op || r->times == 0 || found != 1) continue;
        if (r->times > 0) r->times--;
        found = -r->error;
    }
    return found;
}

static node *find_node(fake_machine *m, const char *path)
{
    for (int i = m->n_nodes - 1; i >= 0; i--)
        if (strcmp(m->nodes[i].path, path) == 0) return &m->nodes[i];
    return NULL;
}

static void full_path(const fake_machine *m, const char *path, char *out)
{
    (void)snprintf(out, 2 * MAX_PATH, "%s%s", m->folder, path);
}

static int take_descriptor(fake_machine *m, const char *path, const node *over)
{
    for (int i = 0; i < MAX_OPEN; i++) {
        if (m->files[i].used) continue;
        m->files[i] = (open_file){ .used = true, .over = over };
        copy_path(m->files[i].path, path);
        return i;
    }
    return -EMFILE;
}

static int open_path(fake_machine *m, const char *path)
{
    const int error = ruled(m, path, 'o');
    if (error < 1) return error;
    const node *over = find_node(m, path);
    if (over) return over->text || over->fn || over->is_device ? take_descriptor(m, path, over) : -ENOENT;
    char full[2 * MAX_PATH];
    struct stat st;
    full_path(m, path, full);
    if (!m->folder[0] || stat(full, &st) != 0) return -ENOENT;
    return S_ISREG(st.st_mode) ? take_descriptor(m, path, NULL) : -EISDIR;
}

static int io_open(void *user, const char *path, int flags)
{
    fake_machine *m = user;
    (void)flags;
    (void)pthread_mutex_lock(&m->lock);
    const int fd = open_path(m, path);
    (void)pthread_mutex_unlock(&m->lock);
    return fd;
}

static void io_close(void *user, int fd)
{
    fake_machine *m = user;
    (void)pthread_mutex_lock(&m->lock);
    if (fd >= 0 && fd < MAX_OPEN) m->files[fd].used = false;
    (void)pthread_mutex_unlock(&m->lock);
}

/* The bytes of a file or a content function from `offset` on. */
static int64_t content(fake_machine *m, const open_file *f, void *buf, uint64_t n, uint64_t offset)
{
    static char whole[1 << 18]; /* under the lock */
    int64_t size = 0;
    const node *over = f->over ? f->over : find_node(m, f->path); /* laid over the folder's file since it was opened */
    if (over && over->fn) {
        size = over->fn(over->user, m->now_ns, whole, sizeof whole);
    } else if (over && over->text) {
        size = (int64_t)strlen(over->text);
        memcpy(whole, over->text, (size_t)size + 1);
    } else if (over) {
        return -ENODEV; /* it went while it was open */
    } else {
        char full[2 * MAX_PATH];
        full_path(m, f->path, full);
        FILE *in = fopen(full, "rb");
        if (!in) return -ENODEV;
        size = (int64_t)fread(whole, 1, sizeof whole, in);
        (void)fclose(in);
    }
    if (size < 0) return size;
    if (offset >= (uint64_t)size) return 0;
    const uint64_t left = (uint64_t)size - offset, got = n < left ? n : left;
    memcpy(buf, whole + offset, got);
    return (int64_t)got;
}

static int64_t io_pread(void *user, int fd, void *buf, uint64_t n_bytes, uint64_t offset)
{
    fake_machine *m = user;
    if (fd < 0 || fd >= MAX_OPEN || !m->files[fd].used) return -EBADF;
    (void)pthread_mutex_lock(&m->lock);
    const int error = ruled(m, m->files[fd].path, 'r');
    const node *over = m->files[fd].over;
    int64_t n = error;
    if (error >= 0 && over && over->is_device)
        n = over->device.read ? over->device.read(over->device.user, m->now_ns, buf, n_bytes) : -ENOSYS;
    else if (error >= 0)
        n = content(m, &m->files[fd], buf, n_bytes, offset);
    if (error == 0 && n > 0) n--;
    (void)pthread_mutex_unlock(&m->lock);
    return n;
}

static int64_t io_read(void *user, int fd, void *buf, uint64_t n_bytes, int32_t timeout_ms)
{
    fake_machine *m = user;
    if (fd < 0 || fd >= MAX_OPEN || !m->files[fd].used) return -EBADF;
    (void)pthread_mutex_lock(&m->lock);
    open_file *f = &m->files[fd];
    const int error = ruled(m, f->path, 'r');
    int64_t n = error;
    if (error > 0) {
        if (f->over && f->over->is_device)
            n = f->over->device.read ? f->over->device.read(f->over->device.user, m->now_ns, buf, n_bytes) : -ENOSYS;
        else
            n = content(m, f, buf, n_bytes, (uint64_t)f->at);
        /* Whoever waits is served when there is something, to 5 ms. */
        for (int64_t left_ns = (int64_t)timeout_ms * 1000000; n == -ETIMEDOUT && left_ns > 0;) {
            const int64_t slice_ns = left_ns < 5000000 ? left_ns : 5000000;
            pass(m, slice_ns);
            left_ns -= slice_ns;
            n = f->over->device.read(f->over->device.user, m->now_ns, buf, n_bytes);
        }
        if (n > 0) f->at += n;
    }
    (void)pthread_mutex_unlock(&m->lock);
    return n;
}

static int64_t io_write(void *user, int fd, const void *buf, uint64_t n_bytes, int32_t timeout_ms)
{
    fake_machine *m = user;
    (void)timeout_ms;
    if (fd < 0 || fd >= MAX_OPEN || !m->files[fd].used) return -EBADF;
    (void)pthread_mutex_lock(&m->lock);
    const node *over = m->files[fd].over;
    int64_t n = ruled(m, m->files[fd].path, 'w');
    if (n > 0)
        n = over && over->is_device && over->device.write
                ? over->device.write(over->device.user, m->now_ns, buf, n_bytes)
                : -ENOSYS;
    (void)pthread_mutex_unlock(&m->lock);
    return n;
}

static int io_ioctl(void *user, int fd, unsigned long request, void *arg)
{
    fake_machine *m = user;
    if (fd < 0 || fd >= MAX_OPEN || !m->files[fd].used) return -EBADF;
    (void)pthread_mutex_lock(&m->lock);
    const node *over = m->files[fd].over;
    int status = ruled(m, m->files[fd].path, 'i');
    if (status > 0)
        status = over && over->is_device && over->device.ioctl
                     ? over->device.ioctl(over->device.user, m->now_ns, request, arg)
                     : -ENOTTY;
    (void)pthread_mutex_unlock(&m->lock);
    return status;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Without the names of files that are gone. */
static int drop_gone(fake_machine *m, const char *folder, char **names, int n)
{
    int n_left = 0;
    for (int i = 0; i < n; i++) {
        char path[2 * MAX_PATH];
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        const node *over = find_node(m, path);
        if (over && !over->text && !over->fn && !over->is_device)
            free(names[i]);
        else
            names[n_left++] = names[i];
    }
    return n_left;
}

/* Names of the folder's own entries and of what is laid over it, each once. */
static int collect(fake_machine *m, const char *folder, char **names, int most)
{
    int n = 0;
    char full[2 * MAX_PATH];
    full_path(m, folder, full);
    DIR *d = m->folder[0] ? opendir(full) : NULL;
    for (const struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && n < most) names[n++] = strdup(e->d_name);
    if (d) (void)closedir(d);
    const size_t length = strlen(folder);
    for (int i = 0; i < m->n_nodes; i++) {
        const char *path = m->nodes[i].path;
        if (strncmp(path, folder, length) != 0 || path[length] != '/') continue;
        char *name = strndup(path + length + 1, strcspn(path + length + 1, "/"));
        bool known = n >= most;
        for (int j = 0; j < n && !known; j++) known = strcmp(names[j], name) == 0;
        if (known)
            free(name);
        else
            names[n++] = name;
    }
    n = drop_gone(m, folder, names, n);
    qsort(names, (size_t)n, sizeof *names, by_name);
    return n;
}

static int64_t io_list(void *user, const char *folder, char *names, uint64_t n_bytes)
{
    enum { MOST = 1024 };
    fake_machine *m = user;
    char *found[MOST];
    (void)pthread_mutex_lock(&m->lock);
    const int error = ruled(m, folder, 'l');
    const int n = error < 0 ? 0 : collect(m, folder, found, MOST);
    int64_t used = error < 0 ? error : n == 0 ? -ENOENT : 0;
    for (int i = 0; i < n; i++) {
        const size_t size = strlen(found[i]) + 1;
        if (used >= 0 && (uint64_t)used + size <= n_bytes) {
            memcpy(names + used, found[i], size);
            used += (int64_t)size;
        } else {
            used = -ENOSPC;
        }
        free(found[i]);
    }
    (void)pthread_mutex_unlock(&m->lock);
    return used;
}

static int open_named(fake_machine *m, const char *path, int missing)
{
    (void)pthread_mutex_lock(&m->lock);
    const int error = ruled(m, path, 'o');
    const node *over = find_node(m, path);
    const int fd = error < 1 ? error : over ? take_descriptor(m, path, over) : missing;
    (void)pthread_mutex_unlock(&m->lock);
    return fd;
}

static void perf_path(char *path, uint32_t type, uint64_t config, int32_t cpu)
{
    (void)snprintf(path, MAX_PATH, "perf/%u/%llu/%d", type, (unsigned long long)config, cpu);
}

static int io_perf_open(void *user, uint32_t type, uint64_t config, int32_t cpu)
{
    char path[MAX_PATH];
    perf_path(path, type, config, cpu);
    return open_named(user, path, -EACCES);
}

static int io_connect(void *user, const char *host, uint16_t port, int32_t timeout_ms)
{
    char path[MAX_PATH];
    (void)timeout_ms;
    (void)snprintf(path, sizeof path, "%s:%u", host, port);
    return open_named(user, path, -ECONNREFUSED);
}

/* ------------------------------------------------------------------------------------------------ tests -- */

static void read_errors(fake_machine *m)
{
    static const struct { const char *name; int error; } known[] = {
        { "EACCES", EACCES }, { "EPERM", EPERM }, { "ENODEV", ENODEV }, { "ENODATA", ENODATA }, { "EIO", EIO } };
    char full[2 * MAX_PATH], name[32], pattern[MAX_PATH];
    full_path(m, "/errors", full);
    FILE *in = fopen(full, "r");
    while (in && fscanf(in, "%31s %511s", name, pattern) == 2)
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (strcmp(known[i].name, name) == 0) fake_error(m, pattern, 'o', known[i].error, -1);
    if (in) (void)fclose(in);
}

fake_machine *fake_machine_open(const char *folder)
{
    fake_machine *m = calloc(1, sizeof *m);
    if (!m) abort();
    if (folder) copy_path(m->folder, folder);
    (void)pthread_mutex_init(&m->lock, NULL);
    (void)pthread_cond_init(&m->changed, NULL);
    m->driver = pthread_self();
    m->now_ns = INT64_C(1000) * 1000000000;
    m->step_ns = 1000;
    m->realtime_ns = INT64_C(1700000000) * 1000000000;
    m->io = (eprof_io){ (uint32_t)sizeof(eprof_io), m, io_open, io_close, io_pread, io_read, io_write, io_ioctl,
                        io_list, io_perf_open, io_connect, io_now_ns, io_sleep_until, io_wake };
    if (folder) read_errors(m);
    return m;
}

void fake_machine_close(fake_machine *m)
{
    if (!m) return;
    for (int i = 0; i < m->n_nodes; i++) free(m->nodes[i].text);
    (void)pthread_cond_destroy(&m->changed);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

const eprof_io *fake_io(const fake_machine *m) { return &m->io; }

/* The node of a path, new or as it was, emptied. Open descriptors of it see what it becomes. */
static node *renew(fake_machine *m, const char *path)
{
    node *n = find_node(m, path);
    if (!n) {
        if (m->n_nodes == MAX_NODES) abort();
        n = &m->nodes[m->n_nodes++];
        copy_path(n->path, path);
    }
    free(n->text);
    n->text = NULL;
    n->fn = NULL;
    n->is_device = false;
    return n;
}

void fake_file(fake_machine *m, const char *path, const char *text)
{
    (void)pthread_mutex_lock(&m->lock);
    node *n = renew(m, path);
    n->text = text ? strdup(text) : NULL;
    (void)pthread_mutex_unlock(&m->lock);
}

void fake_content(fake_machine *m, const char *path, fake_content_fn fn, void *user)
{
    (void)pthread_mutex_lock(&m->lock);
    node *n = renew(m, path);
    n->fn = fn;
    n->user = user;
    (void)pthread_mutex_unlock(&m->lock);
}

void fake_attach(fake_machine *m, const char *path, const fake_device *d)
{
    (void)pthread_mutex_lock(&m->lock);
    node *n = renew(m, path);
    n->is_device = true;
    n->device = *d;
    (void)pthread_mutex_unlock(&m->lock);
}

void fake_perf(fake_machine *m, uint32_t type, uint64_t config, int32_t cpu, fake_content_fn fn, void *user)
{
    char path[MAX_PATH];
    perf_path(path, type, config, cpu);
    fake_content(m, path, fn, user);
}

static rule *add_rule(fake_machine *m, const char *pattern, char op)
{
    if (m->n_rules == MAX_RULES) abort();
    rule *r = &m->rules[m->n_rules++];
    *r = (rule){ .op = op };
    copy_path(r->pattern, pattern);
    return r;
}

void fake_error(fake_machine *m, const char *pattern, char op, int error, int times)
{
    (void)pthread_mutex_lock(&m->lock);
    rule *r = add_rule(m, pattern, op);
    r->error = error;
    r->times = times;
    (void)pthread_mutex_unlock(&m->lock);
}

void fake_delay(fake_machine *m, const char *pattern, int64_t ns)
{
    (void)pthread_mutex_lock(&m->lock);
    add_rule(m, pattern, 'd')->delay_ns = ns;
    (void)pthread_mutex_unlock(&m->lock);
}

int64_t fake_now(const fake_machine *m) { return m->now_ns; }

void fake_sleep(fake_machine *m, int64_t ns)
{
    (void)pthread_mutex_lock(&m->lock);
    drive(m, m->now_ns + ns);
    (void)pthread_mutex_unlock(&m->lock);
}

static int count_sleepers(const fake_machine *m)
{
    int n = 0;
    for (int i = 0; i < MAX_SLEEPERS; i++) n += m->sleepers[i].used && !m->sleepers[i].awake;
    return n;
}

void fake_await_sleepers(fake_machine *m, int n)
{
    (void)pthread_mutex_lock(&m->lock);
    while (count_sleepers(m) < n) (void)pthread_cond_wait(&m->changed, &m->lock);
    (void)pthread_mutex_unlock(&m->lock);
}

void fake_step(fake_machine *m, int64_t step_ns) { m->step_ns = step_ns; }

void fake_own_cores(fake_machine *m, double cores)
{
    (void)pthread_mutex_lock(&m->lock);
    m->own_cores = cores;
    (void)pthread_mutex_unlock(&m->lock);
}

void fake_jump(fake_machine *m, int64_t realtime_ns, int64_t boottime_ns)
{
    (void)pthread_mutex_lock(&m->lock);
    m->realtime_ns += realtime_ns;
    m->boottime_ns += boottime_ns;
    (void)pthread_mutex_unlock(&m->lock);
}

int64_t fake_calls(const fake_machine *m, char op) { return m->n_calls[(unsigned char)op & 127]; }
