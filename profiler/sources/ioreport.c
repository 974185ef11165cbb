/* SPDX-License-Identifier: MIT
 * ioreport.c - Apple silicon: energy counters of IOReport, and the kernel's estimate for this process, ri_energy_nj.
 *
 * Facts: profiling.md 2.9; prototypes as ml-energy/zeus-apple-silicon uses them. IOReport is private, so it is loaded
 * when asked for and missed politely; it goes past the io table, which knows no such call. Some machines publish the
 * counters every 2 s only: a value that has not moved is no new reading, and regions of a second are as coarse as that.
 * Elsewhere than on macOS there is nothing here.
 */
#include "profiler/sources/source.h"

#if defined(__APPLE__)

#include <dlfcn.h>
#include <errno.h>
#include <libproc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "profiler/sources/ioreport_names.h"
#include "profiler/sources/meters.h"

#define PERIOD_NS INT64_C(200000000)
#define BATCH_NS INT64_C(2200000000)
enum { MOST_CHANNELS = 1024, NAME_BYTES = 64, UTF8 = 0x08000100 };

typedef const void *ref;         /* every CoreFoundation type */

/* What is called of CoreFoundation and IOReport. */
typedef struct calls {
    void *cf, *ioreport;
    ref (*string_create)(ref allocator, const char *text, uint32_t encoding);
    unsigned char (*string_get)(ref string, char *out, long n, uint32_t encoding);
    ref (*dictionary_get)(ref dictionary, ref key);
    ref (*dictionary_copy)(ref allocator, long capacity, ref dictionary);
    long (*array_count)(ref array);
    ref (*array_get)(ref array, long i);
    void (*release)(ref object);
    ref (*copy_group)(ref group, ref subgroup, uint64_t a, uint64_t b, uint64_t c);
    ref (*subscribe)(void *a, ref channels, ref *subscribed, uint64_t b, ref c);
    ref (*sample)(ref subscription, ref channels, ref a);
    int64_t (*value)(ref channel, int32_t a);
    ref (*name)(ref channel);
    ref (*unit)(ref channel);
} calls;

typedef struct apple {
    calls c;
    ref channels, subscribed, subscription, list_key;
    eprof__fresh fresh;
    int shown[1 + EPROF__N_APPLE_PARTS]; /* what each channel of the source is: 0, or 1 + part */
    char names[MOST_CHANNELS][NAME_BYTES], units[MOST_CHANNELS][8];
    eprof__apple_channel table[MOST_CHANNELS];
} apple;

/* dlsym gives an object pointer for a function; POSIX says that copying its bits is the way. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = library ? dlsym(library, name) : NULL;
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static bool load(calls *c)
{
    c->cf = dlopen("/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation", RTLD_LAZY);
    c->ioreport = dlopen("/usr/lib/libIOReport.dylib", RTLD_LAZY);
    return find(c->cf, "CFStringCreateWithCString", &c->string_create) &&
           find(c->cf, "CFStringGetCString", &c->string_get) &&
           find(c->cf, "CFDictionaryGetValue", &c->dictionary_get) &&
           find(c->cf, "CFDictionaryCreateMutableCopy", &c->dictionary_copy) &&
           find(c->cf, "CFArrayGetCount", &c->array_count) && find(c->cf, "CFArrayGetValueAtIndex", &c->array_get) &&
           find(c->cf, "CFRelease", &c->release) && find(c->ioreport, "IOReportCopyChannelsInGroup", &c->copy_group) &&
           find(c->ioreport, "IOReportCreateSubscription", &c->subscribe) &&
           find(c->ioreport, "IOReportCreateSamples", &c->sample) &&
           find(c->ioreport, "IOReportSimpleGetIntegerValue", &c->value) &&
           find(c->ioreport, "IOReportChannelGetChannelName", &c->name) &&
           find(c->ioreport, "IOReportChannelGetUnitLabel", &c->unit);
}

static void copy_string(const calls *c, ref string, char *out, long n)
{
    if (!string || !c->string_get(string, out, n, UTF8)) out[0] = '\0';
}

/* nanojoules[0]: all parts; [1 + part]: each. seen: which there are. 0 or -errno. */
static int take_sample(apple *m, int64_t nanojoules[1 + EPROF__N_APPLE_PARTS], bool seen[1 + EPROF__N_APPLE_PARTS])
{
    const calls *c = &m->c;
    ref sample = c->sample(m->subscription, m->subscribed, NULL);
    ref list = sample ? c->dictionary_get(sample, m->list_key) : NULL;
    int32_t n = 0;
    memset(nanojoules, 0, (1 + EPROF__N_APPLE_PARTS) * sizeof *nanojoules);
    memset(seen, 0, (1 + EPROF__N_APPLE_PARTS) * sizeof *seen);
    for (long i = 0; list && i < c->array_count(list) && n < MOST_CHANNELS; i++, n++) {
        ref channel = c->array_get(list, i);
        copy_string(c, c->name(channel), m->names[n], NAME_BYTES);
        copy_string(c, c->unit(channel), m->units[n], 8);
        m->table[n] = (eprof__apple_channel){ .name = m->names[n], .unit = m->units[n] };
    }
    eprof__apple_choose(m->table, n);
    for (int32_t i = 0; i < n; i++) {
        const eprof__apple_part part = m->table[i].part;
        if (part == EPROF__APPLE_NONE) continue;
        const int64_t nj = eprof__apple_nanojoules(&m->table[i], c->value(c->array_get(list, i), 0));
        if (nj < 0 || nj > INT64_MAX - nanojoules[0]) continue;
        nanojoules[0] += nj;
        nanojoules[1 + part] += nj;
        seen[0] = seen[1 + part] = true;
    }
    if (sample) c->release(sample);
    return seen[0] ? 0 : -ENODATA;
}

static int read_ioreport(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                         int64_t *end_ns)
{
    apple *m = s->state;
    int64_t nanojoules[1 + EPROF__N_APPLE_PARTS];
    bool seen[1 + EPROF__N_APPLE_PARTS];
    (void)begin_ns, (void)end_ns;
    const int status = take_sample(m, nanojoules, seen);
    const int64_t now_ns = io->now_ns(io->user, EPROF_CLOCK_MONOTONIC);
    if (status != 0) return status;
    for (int i = 0; i < s->n_channels; i++) {
        raw[i] = nanojoules[m->shown[i]];
        ok[i] = seen[m->shown[i]];
    }
    return eprof__fresh_take(&m->fresh, nanojoules[0], now_ns, BATCH_NS) ? 0 : -EAGAIN;
}

static void close_ioreport(eprof__source *s, const eprof_io *io)
{
    (void)io;
    apple *m = s->state;
    if (!m) return;
    ref held[] = { m->subscription, m->subscribed, m->channels, m->list_key };
    for (int i = 0; i < 4; i++)
        if (held[i]) m->c.release(held[i]);
    if (m->c.ioreport) (void)dlclose(m->c.ioreport);
    if (m->c.cf) (void)dlclose(m->c.cf);
    free(m);
    s->state = NULL;
}

static const eprof__source_ops ops = { read_ioreport, close_ioreport };

static bool subscribe(apple *m)
{
    const calls *c = &m->c;
    ref group = c->string_create(NULL, "Energy Model", UTF8);
    ref found = group ? c->copy_group(group, NULL, 0, 0, 0) : NULL;
    m->list_key = c->string_create(NULL, "IOReportChannels", UTF8);
    m->channels = found ? c->dictionary_copy(NULL, 0, found) : NULL;
    if (m->channels && m->list_key) m->subscription = c->subscribe(NULL, m->channels, &m->subscribed, 0, NULL);
    if (found) c->release(found);
    if (group) c->release(group);
    return m->subscription && m->subscribed;
}

static void describe(eprof__source *s)
{
    s->ops = &ops;
    s->is_slow = true;
    s->period_ns = PERIOD_NS;
    s->info.scope = EPROF_SCOPE_SOC;
    s->info.cls = EPROF_CLASS_COUNTER;
    s->info.period_s = 0.2;
    s->info.accuracy_pct = 10; /* a model of Apple's, never specified */
    (void)snprintf(s->info.what, sizeof s->info.what, "Apple silicon's energy counters, through IOReport");
}

/* A channel for the sum, and one for each part that there is. */
static void add_channels(eprof__source *s, const bool seen[1 + EPROF__N_APPLE_PARTS])
{
    static const struct { const char *part; eprof_scope scope; } parts[] = {
        { "", EPROF_SCOPE_SOC }, { "/cpu", EPROF_SCOPE_CORES }, { "/gpu", EPROF_SCOPE_UNCORE },
        { "/ane", EPROF_SCOPE_OTHER }, { "/dram", EPROF_SCOPE_DRAM }, { "/gpu-sram", EPROF_SCOPE_OTHER } };
    apple *m = s->state;
    for (int i = 0; i < 1 + EPROF__N_APPLE_PARTS; i++) {
        if (!seen[i]) continue;
        m->shown[s->n_channels] = i;
        eprof__channel *c = eprof__meter_channel(s, parts[i].part, EPROF__ENERGY, EPROF_CLASS_COUNTER, 1e-9);
        c->scope = parts[i].scope;
        c->period_ns = c->update_ns = BATCH_NS;
        c->most = 1000;
        c->lsb = 1e-3;
    }
}

static void probe_counters(eprof__sources *all)
{
    eprof__source *s = eprof__sources_add(all, "ioreport");
    if (!s) return;
    describe(s);
    apple *m = s->state = calloc(1, sizeof *m);
    int64_t nanojoules[1 + EPROF__N_APPLE_PARTS];
    bool seen[1 + EPROF__N_APPLE_PARTS];
    if (m && load(&m->c) && subscribe(m) && take_sample(m, nanojoules, seen) == 0) {
        add_channels(s, seen);
        s->info.live = 1;
        return;
    }
    eprof__source_dead(s, NULL, m ? "IOReport has no energy channels here" : "out of memory");
    close_ioreport(s, all->io);
}

/* ----------------------------------------------------------------------------------------------- process -- */

static int read_process(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                        int64_t *end_ns)
{
    struct rusage_info_v6 usage;
    (void)io, (void)begin_ns, (void)end_ns;
    memset(&usage, 0, sizeof usage);
    if (proc_pid_rusage((int)(intptr_t)s->state, RUSAGE_INFO_V6, (rusage_info_t *)&usage) != 0) return -errno;
    raw[0] = (int64_t)usage.ri_energy_nj;
    ok[0] = true;
    return 0;
}

static void close_process(eprof__source *s, const eprof_io *io) { (void)s, (void)io; }

static const eprof__source_ops process_ops = { read_process, close_process };

static void probe_own(eprof__sources *all)
{
    int64_t raw = 0, begin_ns, end_ns;
    bool ok = false;
    eprof__source *s = eprof__sources_add(all, "ri_energy");
    if (!s) return;
    s->ops = &process_ops;
    s->state = (void *)(intptr_t)(all->pid ? all->pid : getpid());
    s->at_edges = true;
    s->period_ns = PERIOD_NS;
    s->info.scope = EPROF_SCOPE_PROCESS;
    s->info.cls = EPROF_CLASS_COUNTER;
    s->info.period_s = 0.2;
    s->info.accuracy_pct = 20; /* the kernel's estimate */
    (void)snprintf(s->info.what, sizeof s->info.what, "macOS's estimate for this process (ri_energy_nj)");
    eprof__channel *c = eprof__meter_channel(s, "", EPROF__ENERGY, EPROF_CLASS_COUNTER, 1e-9);
    c->update_ns = 20000000;
    c->most = 1000;
    const int status = read_process(s, all->io, &raw, &ok, &begin_ns, &end_ns);
    s->info.live = status == 0 && raw > 0;
    if (!s->info.live) eprof__source_dead(s, NULL, "the kernel does not count this process's energy");
}

void eprof__probe_ioreport(eprof__sources *all)
{
    probe_counters(all);
    probe_own(all);
}

#else

void eprof__probe_ioreport(eprof__sources *all) { (void)all; }

#endif
