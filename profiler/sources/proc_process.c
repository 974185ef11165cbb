/* SPDX-License-Identifier: MIT
 * proc_process.c - CPU time and memory of the profiled processes.
 *
 * This process: its own CPU clock and /proc/self/statm, without state, so that any thread may read them at an edge.
 * Another one: it and its descendants, found through /proc/PID/task/TID/children or, where the kernel lacks these,
 * through the parents in /proc/PID/stat. A process once found stays counted when its parent dies. What a
 * parent has reaped is in its cutime; parents are read before their children, so a child that goes meanwhile is missed
 * for one reading and never counted twice. Invariant: the total does not fall.
 * Facts: proc(5); profiling.md 3.3, 3.4; fork(2) and wait(2) for what cutime holds.
 */
#include "profiler/sources/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CPU_OWN, RAM_ANON, RAM_FILE, MOST_PROCESSES = 4096, MOST_CORES = 65536, MOST_MIB = 1 << 30 };

typedef struct process {
    int64_t pid, parent, start;   /* start: in ticks since boot; tells a number used again */
    int64_t ticks;                /* utime + stime + cutime + cstime */
    bool is_there;
} process;

/* A process and its descendants, parents before children. */
typedef struct tree {
    process *list;
    int32_t n, capacity;
    int64_t scanned_ns;           /* scanned_ns: when new ones were looked for */
    int64_t gone_ticks, most_ticks; /* of those that no parent counts; the total so far */
    bool has_children;            /* the kernel has the children files */
} tree;

typedef struct self {
    int statm;                    /* descriptor, < 0: none */
} self;

/* ------------------------------------------------------------------------------------------------ files -- */

/* Some of the blank-separated words of a line, of which the first has number `at`: fills in [first, first + n). */
static int numbers(const char *text, int at, int first, int n, int64_t *out)
{
    for (; at < first + n; at++) {
        while (*text == ' ') text++;
        if (!*text || *text == '\n') return -EINVAL;
        char word[24];
        const size_t size = strcspn(text, " \n");
        if (at >= first) {
            if (size >= sizeof word || text[size] == '\0') return -EINVAL; /* a line ends in a line end, or was cut */
            memcpy(word, text, size);
            word[size] = '\0';
            const int status = eprof__parse_i64(word, &out[at - first]);
            if (status != 0) return status;
            if (out[at - first] < 0) return -ERANGE;
        }
        text += size;
    }
    return 0;
}

/* Fields of proc(5): 4 ppid, 14-17 the times, 22 the start. The name, field 2, may hold blanks and parentheses. */
static int read_stat(const eprof_io *io, int64_t pid, process *out)
{
    char path[64], text[1024];
    int64_t times[4];
    (void)snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    const int64_t n = eprof__read_text(io, path, text, sizeof text);
    if (n < 0) return (int)n;
    const char *behind = strrchr(text, ')');
    if (!behind || behind[1] != ' ') return -EINVAL;
    int status = numbers(behind + 1, 3, 4, 1, &out->parent);
    if (status == 0) status = numbers(behind + 1, 3, 14, 4, times);
    if (status == 0) status = numbers(behind + 1, 3, 22, 1, &out->start);
    if (status != 0) return status;
    out->ticks = 0;
    for (int i = 0; i < 4; i++) {
        if (times[i] > INT64_MAX - out->ticks) return -ERANGE;
        out->ticks += times[i];
    }
    out->pid = pid;
    return 0;
}

/* Pages of /proc/PID/statm: "size resident shared ...". */
static int pages_of(const char *text, int64_t *anon, int64_t *file)
{
    int64_t pages[2];
    const int status = numbers(text, 0, 1, 2, pages);
    if (status != 0) return status;
    *anon = pages[0] > pages[1] ? pages[0] - pages[1] : 0;
    *file = pages[1];
    return 0;
}

static int read_statm(const eprof_io *io, int64_t pid, int64_t *anon, int64_t *file)
{
    char path[64], text[256];
    (void)snprintf(path, sizeof path, "/proc/%lld/statm", (long long)pid);
    const int64_t n = eprof__read_text(io, path, text, sizeof text);
    return n < 0 ? (int)n : pages_of(text, anon, file);
}

/* ------------------------------------------------------------------------------------------------- tree -- */

static process *find(tree *t, int64_t pid)
{
    for (int32_t i = 0; i < t->n; i++)
        if (t->list[i].pid == pid) return &t->list[i];
    return NULL;
}

static int add(tree *t, const process *p)
{
    if (t->n == MOST_PROCESSES) return -E2BIG;
    if (t->n == t->capacity) {
        const int32_t capacity = t->capacity ? 2 * t->capacity : 16;
        process *list = realloc(t->list, (size_t)capacity * sizeof *list);
        if (!list) return -ENOMEM;
        t->list = list;
        t->capacity = capacity;
    }
    t->list[t->n++] = *p;
    return 0;
}

static void add_pid(tree *t, const eprof_io *io, int64_t pid)
{
    process p = { .is_there = true };
    if (pid > 0 && !find(t, pid) && read_stat(io, pid, &p) == 0) (void)add(t, &p);
}

/* The children of one thread: "PID PID ", no line end. */
static int add_children_of_thread(tree *t, const eprof_io *io, const char *path)
{
    char *text = malloc(1 << 16);
    const int64_t n = text ? eprof__read_text(io, path, text, 1 << 16) : -ENOMEM;
    char *rest = text;
    while (n > 0 && *rest) {
        char *end = rest + strcspn(rest, " \n");
        const bool is_last = *end == '\0';
        int64_t pid;
        *end = '\0';
        if (eprof__parse_i64(rest, &pid) == 0) add_pid(t, io, pid);
        if (is_last) break;
        rest = end + 1;
    }
    free(text);
    return n < 0 ? (int)n : 0;
}

static void add_children_of(tree *t, const eprof_io *io, int64_t pid)
{
    char folder[64], path[128], *names;
    (void)snprintf(folder, sizeof folder, "/proc/%lld/task", (long long)pid);
    (void)eprof__list_names(io, folder, &names);
    for (const char *name = names; name && *name; name += strlen(name) + 1) {
        (void)snprintf(path, sizeof path, "%s/%.20s/children", folder, name);
        (void)add_children_of_thread(t, io, path);
    }
    free(names);
}

/* Everybody's parent: a process is a descendant once its parent is one, so look until nobody is added. */
static void add_by_parent(tree *t, const eprof_io *io)
{
    char *names;
    tree everybody = { 0 };
    (void)eprof__list_names(io, "/proc", &names);
    for (const char *name = names; name && *name; name += strlen(name) + 1) {
        int64_t pid;
        process p = { .is_there = true };
        if (eprof__parse_i64(name, &pid) == 0 && read_stat(io, pid, &p) == 0) (void)add(&everybody, &p);
    }
    for (bool more = true; more;) {
        more = false;
        for (int32_t i = 0; i < everybody.n; i++) {
            const process *p = &everybody.list[i];
            if (find(t, p->pid) || !find(t, p->parent)) continue;
            more = add(t, p) == 0 || more;
        }
    }
    free(everybody.list);
    free(names);
}

/* Who is new: at every reading where that costs some 10 us, else once a second. A child that comes and goes between two
 * looks is in its parent's cutime. */
static void discover(tree *t, const eprof_io *io)
{
    enum { FEW = 8, SECOND_NS = 1000000000 };
    const int64_t now = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    const bool is_cheap = t->has_children && t->n <= FEW;
    if (!is_cheap && t->scanned_ns && now - t->scanned_ns < SECOND_NS) return;
    t->scanned_ns = now;
    if (!t->has_children) add_by_parent(t, io);
    for (int32_t i = 0; t->has_children && i < t->n; i++) add_children_of(t, io, t->list[i].pid); /* the list grows */
}

/* Times of all that are there. A process that is not: its parent has its time when we read that parent too. */
static void read_times(tree *t, const eprof_io *io)
{
    for (int32_t i = 0; i < t->n; i++) {
        process now = { .is_there = true };
        process *p = &t->list[i];
        const int status = read_stat(io, p->pid, &now);
        p->is_there = status == 0 ? now.start == p->start : status != -ENOENT && status != -ESRCH;
        if (status == 0 && p->is_there) *p = now;
    }
    for (int32_t i = 0; i < t->n; i++)
        if (!t->list[i].is_there && !find(t, t->list[i].parent) && t->list[i].ticks <= INT64_MAX - t->gone_ticks)
            t->gone_ticks += t->list[i].ticks;
    int32_t n = 0;
    for (int32_t i = 0; i < t->n; i++)
        if (t->list[i].is_there) t->list[n++] = t->list[i];
    t->n = n;
}

static int64_t total_ticks(tree *t)
{
    int64_t sum = t->gone_ticks;
    for (int32_t i = 0; i < t->n; i++) {
        if (t->list[i].ticks > INT64_MAX - sum) break;
        sum += t->list[i].ticks;
    }
    if (sum > t->most_ticks) t->most_ticks = sum;
    return t->most_ticks;
}

static bool children_files(const eprof_io *io, int64_t pid)
{
    char path[96];
    (void)snprintf(path, sizeof path, "/proc/%lld/task/%lld/children", (long long)pid, (long long)pid);
    const int fd = io->open(io->user, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) io->close(io->user, fd);
    return fd >= 0;
}

/* ---------------------------------------------------------------------------------------------- sources -- */

static int read_self(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    const self *me = s->state;
    char text[256];
    (void)begin_ns, (void)end_ns;
    raw[CPU_OWN] = io->now_ns(io->user, EPROF_CLOCK_PROCESS_CPU);
    ok[CPU_OWN] = raw[CPU_OWN] >= 0;
    if (s->n_channels == 1) return ok[CPU_OWN] ? 0 : -EIO;
    ok[RAM_ANON] = ok[RAM_FILE] = eprof__reread_text(io, me->statm, text, sizeof text) > 0 &&
                                  pages_of(text, &raw[RAM_ANON], &raw[RAM_FILE]) == 0;
    return 0;
}

static void close_self(eprof__source *s, const eprof_io *io)
{
    self *me = s->state;
    if (me && me->statm >= 0) io->close(io->user, me->statm);
    free(me);
    s->state = NULL;
}

static int read_tree(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns, int64_t *end_ns)
{
    tree *t = s->state;
    (void)begin_ns, (void)end_ns;
    discover(t, io);
    read_times(t, io);
    raw[CPU_OWN] = total_ticks(t);
    ok[CPU_OWN] = true;
    raw[RAM_ANON] = raw[RAM_FILE] = 0;
    ok[RAM_ANON] = ok[RAM_FILE] = false;
    for (int32_t i = 0; i < t->n; i++) {
        int64_t anon, file;
        if (read_statm(io, t->list[i].pid, &anon, &file) != 0) continue;
        if (anon > INT64_MAX - raw[RAM_ANON] || file > INT64_MAX - raw[RAM_FILE]) return -ERANGE;
        raw[RAM_ANON] += anon;
        raw[RAM_FILE] += file;
        ok[RAM_ANON] = ok[RAM_FILE] = true;
    }
    return 0;
}

static void close_tree(eprof__source *s, const eprof_io *io)
{
    tree *t = s->state;
    (void)io;
    if (t) free(t->list);
    free(t);
    s->state = NULL;
}

static void describe(eprof__source *s, double cpu_scale)
{
    static const struct { const char *name; eprof__kind kind; eprof_class cls; } words[] = {
        { "cpu_own", EPROF__CPU_OWN, EPROF_CLASS_COUNTER },
        { "ram_anon", EPROF__RAM_ANON, EPROF_CLASS_SAMPLE },
        { "ram_file", EPROF__RAM_FILE, EPROF_CLASS_SAMPLE } };
    const double page_mib = (double)sysconf(_SC_PAGESIZE) / (1 << 20);
    for (int i = 0; i < 3; i++) {
        eprof__channel *c = &s->channels[i];
        *c = (eprof__channel){ .kind = words[i].kind, .cls = words[i].cls, .scope = EPROF_SCOPE_PROCESS,
                               .scale = i == CPU_OWN ? cpu_scale : page_mib, .period_ns = s->period_ns,
                               .most = i == CPU_OWN ? MOST_CORES : MOST_MIB };
        c->lsb = c->scale;
        (void)snprintf(c->name, sizeof c->name, "%s", words[i].name);
    }
    s->n_channels = 3;
    s->info.scope = EPROF_SCOPE_PROCESS;
    s->info.cls = EPROF_CLASS_COUNTER;
    s->info.period_s = (double)s->period_ns * 1e-9;
    s->info.live = 1;
}

static void probe_self(eprof__sources *all, eprof__source *s)
{
    static const eprof__source_ops ops = { read_self, close_self };
    const eprof_io *io = all->io;
    self *me = calloc(1, sizeof *me);
    describe(s, 1e-9);
    s->ops = &ops;
    if (!me) {
        eprof__source_dead(s, NULL, "no memory");
        return;
    }
    s->state = me;
    s->at_edges = true;
    me->statm = io->open(io->user, "/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (me->statm < 0) s->n_channels = 1;
    (void)snprintf(s->info.what, sizeof s->info.what, "this process: CPU time%s",
                   me->statm < 0 ? ", no memory (/proc/self/statm is not there)" : " and memory");
}

static void probe_tree(eprof__sources *all, eprof__source *s)
{
    static const eprof__source_ops ops = { read_tree, close_tree };
    tree *t = calloc(1, sizeof *t);
    process root = { .is_there = true };
    describe(s, 1.0 / (double)sysconf(_SC_CLK_TCK));
    s->ops = &ops;
    s->state = t;
    s->at_edges = true; /* its regions are the beginning and the end of a command */
    (void)snprintf(s->info.what, sizeof s->info.what, "process %lld and its descendants: CPU time and memory",
                   (long long)all->pid);
    const int status = t ? read_stat(all->io, all->pid, &root) : -ENOMEM;
    if (status != 0 || add(t, &root) != 0) {
        eprof__source_dead(s, NULL, "/proc/%lld/stat: %s", (long long)all->pid, eprof__errno_text(status));
        return;
    }
    t->has_children = children_files(all->io, all->pid);
}

void eprof__probe_process(eprof__sources *all)
{
    eprof__source *s = eprof__sources_add(all, "process");
    if (!s) return;
    s->period_ns = (int64_t)(1e9 / all->sample_hz);
    if (all->pid == 0)
        probe_self(all, s);
    else
        probe_tree(all, s);
}

/* ------------------------------------------------------------------------------------------------- PSS -- */

/* "Pss:   123 kB" of /proc/PID/smaps_rollup. */
static int read_rollup(const eprof_io *io, const char *path, int64_t *kib)
{
    char text[4096];
    int64_t n = eprof__read_text(io, path, text, sizeof text);
    const char *line = n < 0 ? NULL : strstr(text, "\nPss:");
    if (!line) return n < 0 ? (int)n : -EINVAL;
    return numbers(line + 5, 0, 0, 1, kib);
}

int eprof__read_pss(const eprof_io *io, int64_t pid, int64_t *kib)
{
    if (pid == 0) return read_rollup(io, "/proc/self/smaps_rollup", kib);
    tree t = { .has_children = children_files(io, pid) };
    int status = -ENOENT;
    *kib = 0;
    add_pid(&t, io, pid);
    discover(&t, io);
    for (int32_t i = 0; i < t.n; i++) {
        char path[64];
        int64_t one;
        (void)snprintf(path, sizeof path, "/proc/%lld/smaps_rollup", (long long)t.list[i].pid);
        const int read = read_rollup(io, path, &one);
        if (read != 0 && i == 0) status = read;
        if (read != 0 || one > INT64_MAX - *kib) continue;
        *kib += one;
        status = 0;
    }
    free(t.list);
    return status;
}
