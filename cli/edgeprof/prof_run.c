/* SPDX-License-Identifier: MIT
 * prof_run.c - edgeprof run: a command, a profiler around it, and what it cost.
 *
 * The order of things: fork; find sources; sample; idle time; begin; let the command go; wait; end, while the dead
 * command's last CPU time can still be read; idle time; stop; say. CPU time and peak memory are the kernel's own
 * (wait4), which miss nothing; the sampled ones stand beside them.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/edgeprof/prof_child.h"
#include "cli/edgeprof/prof_options.h"
#include "cli/edgeprof/prof_output.h"

typedef struct run {
    const prof_options *o;
    prof_child child;
    prof_end end;
    eprof *p;
    eprof_region region;
    eprof_result cost;
} run;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static int start_profiler(run *r)
{
    eprof_error err = EPROF_INIT(eprof_error);
    eprof_config c = EPROF_INIT(eprof_config);
    c.pid = (int64_t)r->child.pid;
    c.sample_hz = r->o->hz;
    c.sources = r->o->sources;
    c.log_path = r->o->output;
    if (eprof_create(&c, &r->p, &err) != EPROF_OK || eprof_start(r->p, &err) != EPROF_OK)
        return prof_print_error(PROF_OWN_FAILURE, &err);
    return PROF_DONE;
}

static int idle(run *r)
{
    eprof_error err = EPROF_INIT(eprof_error);
    if (r->o->baseline_s <= 0) return PROF_DONE;
    if (!r->o->quiet) fprintf(stderr, "edgeprof: idle for %g s\n", r->o->baseline_s);
    if (eprof_baseline(r->p, r->o->baseline_s, &err) == EPROF_OK) return PROF_DONE;
    return prof_print_error(PROF_OWN_FAILURE, &err);
}

/* Sampled sources are known from their first sample to their last: one of each is to lie before and behind. */
static void outlast_a_period(const prof_options *o)
{
    const double seconds = 1.25 / (o->hz > 0 ? o->hz : 5);
    struct timespec left = { (time_t)seconds, (long)((seconds - floor(seconds)) * 1e9) };
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

/* The region's index in the record: 0 is the run, then all in order of begin. */
static int final_cost(run *r)
{
    eprof_error err = EPROF_INIT(eprof_error);
    for (int32_t i = 1;; i++) {
        if (eprof_result_of(r->p, i, &r->cost, &err) != EPROF_OK) return prof_print_error(PROF_OWN_FAILURE, &err);
        if (r->cost.id == r->region) return PROF_DONE;
    }
}

/* The kernel's peak of the largest process, or the sampled sum over all of them where that is more. */
static double ram_peak_mib(const run *r)
{
    const double sampled = r->cost.ram.anon_peak_mib;
    return sampled > r->end.rss_peak_mib ? sampled : r->end.rss_peak_mib;
}

static int print_json(run *r)
{
    prof_text text = { NULL, 0, 0 };
    eprof_error err = EPROF_INIT(eprof_error);
    if (eprof_write_result(&r->cost, prof_text_add, &text, &err) != EPROF_OK) {
        prof_text_free(&text);
        return prof_print_error(PROF_OWN_FAILURE, &err);
    }
    cJSON *object = cJSON_Parse(text.bytes);
    prof_text_free(&text);
    cJSON *command = object ? cJSON_AddArrayToObject(object, "command") : NULL;
    for (char **word = r->o->command; command && *word; word++)
        cJSON_AddItemToArray(command, cJSON_CreateString(*word));
    cJSON_AddNumberToObject(object, "exit_status", r->end.exit_code);
    cJSON_AddNumberToObject(object, "cpu_core_s", r->end.cpu_core_s);
    cJSON_AddNumberToObject(object, "ram_peak_mib", ram_peak_mib(r));
    if (r->o->output) cJSON_AddStringToObject(object, "log", r->o->output);
    return prof_print_json(command ? object : NULL, PROF_OWN_FAILURE);
}

/* What the samples missed of the CPU time: descendants that nobody waited for, or that lived and died between two. */
static void compare_cpu(const run *r)
{
    const double sampled = r->cost.cpu.own_core_s, whole = r->end.cpu_core_s;
    if (!isfinite(sampled) || fabs(sampled - whole) < 0.02 + 0.02 * whole) return;
    fprintf(stderr,
            "  note      the samples saw %.3g s of CPU time, the kernel counted %.3g s for the command and those it "
            "waited for\n",
            sampled, whole);
}

static void print_text(const run *r)
{
    char number[PROF_NUMBER];
    eprof_result cost = r->cost;
    cost.cpu.own_core_s = r->end.cpu_core_s;
    fprintf(stderr, "edgeprof: %s\n", cost.name);
    prof_print_cost(stderr, &cost);
    fprintf(stderr, "  largest   %s, the peak of one process by the kernel\n", prof_mib(r->end.rss_peak_mib, number));
    compare_cpu(r);
}

static int say(run *r)
{
    int code = final_cost(r);
    if (code == PROF_DONE && r->o->json) code = print_json(r);
    else if (code == PROF_DONE && !r->o->quiet) print_text(r);
    if (code == PROF_DONE && r->o->report) code = prof_write_report(r->p, EPROF_HTML, r->o->report, PROF_OWN_FAILURE);
    return code;
}

/* From here on the command runs: its exit status is ours, unless measuring fails. */
static int measure(run *r)
{
    eprof_error err = EPROF_INIT(eprof_error);
    r->region = eprof_begin(r->p, 0, base_name(r->o->command[0]));
    prof_child_go(&r->child);
    prof_child_await(&r->child);
    const eprof_status ended = eprof_end(r->p, r->region, NULL, &err);
    outlast_a_period(r->o);
    r->end = prof_child_reap(&r->child);
    if (r->child.exec_errno)
        return prof_fail(r->child.exec_errno == ENOENT ? 127 : 126, NULL, "cannot run %s: %s", r->o->command[0],
                         strerror(r->child.exec_errno));
    if (ended != EPROF_OK) return prof_print_error(PROF_OWN_FAILURE, &err);
    int code = idle(r);
    if (code == PROF_DONE && eprof_stop(r->p, &err) != EPROF_OK) code = prof_print_error(PROF_OWN_FAILURE, &err);
    if (code == PROF_DONE) code = say(r);
    return code == PROF_DONE ? r->end.exit_code : code;
}

int prof_run(const prof_options *o)
{
    run r = { .o = o, .cost = EPROF_INIT(eprof_result) };
    if (!prof_child_start(&r.child, o->command, o->json))
        return prof_fail(PROF_OWN_FAILURE, NULL, "cannot start a process: %s", strerror(errno));
    int code = start_profiler(&r);
    if (code == PROF_DONE) outlast_a_period(o);
    if (code == PROF_DONE) code = idle(&r);
    if (code == PROF_DONE) code = measure(&r);
    else prof_child_drop(&r.child);
    eprof_destroy(&r.p);
    return code;
}
