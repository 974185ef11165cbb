/* SPDX-License-Identifier: MIT
 * prof_watch.c - edgeprof watch: each look is a region, and what it cost is what is shown.
 *
 * At a terminal it is drawn in place, with the last looks as small bars; elsewhere each look is a line.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/edgeprof/prof_options.h"
#include "cli/edgeprof/prof_output.h"
#include "cli/edgeprof/prof_terminal.h"

enum { N_PAST = 200, MAX_ROWS = EPROF_MAX_ENERGIES + 2 };

/* One quantity and its latest values, the newest last. */
typedef struct track {
    char label[48];
    double past[N_PAST];
    int n;
    double top;              /* of the bars; 0: as high as the highest */
    double sum_j;            /* of energies: all that was seen; NAN */
} track;

typedef struct view {
    track tracks[MAX_ROWS];
    int n_tracks;
    double elapsed_s;
    double ram_total_mib;
    bool utf8;
} view;

static track *track_of(view *v, const char *label)
{
    for (int i = 0; i < v->n_tracks; i++)
        if (strcmp(v->tracks[i].label, label) == 0) return &v->tracks[i];
    if (v->n_tracks == MAX_ROWS) return NULL;
    track *t = &v->tracks[v->n_tracks++];
    *t = (track){ .sum_j = EPROF_ABSENT };
    snprintf(t->label, sizeof t->label, "%s", label);
    return t;
}

static void add(track *t, double value)
{
    if (!t) return;
    if (t->n == N_PAST) memmove(t->past, t->past + 1, (N_PAST - 1) * sizeof t->past[0]);
    else t->n++;
    t->past[t->n - 1] = value;
}

static void take(view *v, const eprof_result *r)
{
    const double busy = 100 * r->cpu.machine_core_s / (r->elapsed_s * r->cpu.n_cpus);
    track *cpu = track_of(v, "CPU"), *ram = track_of(v, "RAM");
    cpu->top = 100;
    ram->top = v->ram_total_mib;
    add(cpu, busy);
    add(ram, r->ram.system_peak_mib);
    for (int32_t i = 0; i < r->n_energies; i++) {
        track *t = track_of(v, r->energy[i].source);
        if (!t) continue;
        add(t, r->energy[i].gross_j / r->elapsed_s);
        if (!eprof_has(r->energy[i].gross_j)) continue;
        t->sum_j = (eprof_has(t->sum_j) ? t->sum_j : 0) + r->energy[i].gross_j;
    }
    v->elapsed_s += r->elapsed_s;
}

static double latest(const track *t) { return t->n > 0 ? t->past[t->n - 1] : EPROF_ABSENT; }

static const char *value_text(const view *v, int i, char buf[PROF_NUMBER])
{
    const double x = latest(&v->tracks[i]);
    if (i == 0 && eprof_has(x)) snprintf(buf, PROF_NUMBER, "%.1f %%", x);
    else if (i == 0) snprintf(buf, PROF_NUMBER, "-");
    else if (i == 1) prof_mib(x, buf);
    else prof_si(x, "W", buf);
    return buf;
}

static void print_bars(const view *v, const track *t, int width)
{
    static const char *const blocks[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    static const char *const marks[] = { " ", ".", ":", "-", "=", "+", "*", "#", "@" };
    double top = t->top;
    const int from = t->n > width ? t->n - width : 0;
    for (int i = from; t->top <= 0 && i < t->n; i++) top = fmax(top, t->past[i]);
    for (int i = from; i < t->n; i++) {
        const double share = top > 0 && eprof_has(t->past[i]) ? t->past[i] / top : 0;
        const int step = share <= 0 ? 0 : share >= 1 ? 8 : 1 + (int)(share * 7.999);
        fputs(v->utf8 ? blocks[step > 8 ? 8 : step] : marks[step > 8 ? 8 : step], stdout);
    }
}

/* Each line ends by clearing what an earlier, longer one left. */
static void draw(const view *v)
{
    char a[PROF_NUMBER], b[PROF_NUMBER];
    const int columns = prof_terminal_columns(), width = columns > 60 ? columns - 50 : 10;
    printf("\033[Hedgeprof watch, %s; q ends\033[K\n\033[K\n", prof_plain(v->elapsed_s, "s", a));
    for (int i = 0; i < v->n_tracks; i++) {
        const track *t = &v->tracks[i];
        if (i == 2) printf("\033[K\n");
        printf("%-22.22s %10s  ", t->label, value_text(v, i, a));
        printf("%10s  ", i >= 2 ? prof_si(t->sum_j, "J", b) : "");
        print_bars(v, t, width < N_PAST ? width : N_PAST);
        printf("\033[K\n");
    }
    if (v->n_tracks == 2) printf("\033[K\nNo energy: edgeprof sources says why.\033[K\n");
    printf("\033[J");
    (void)fflush(stdout);
}

static void print_line(const view *v)
{
    char a[PROF_NUMBER];
    printf("%.1f s", v->elapsed_s);
    for (int i = 0; i < v->n_tracks; i++) printf("  %s %s", v->tracks[i].label, value_text(v, i, a));
    printf("\n");
    (void)fflush(stdout);
}

static int look(eprof *p, const prof_options *o, view *v, bool screen)
{
    const double interval_s = o->interval_s > 0 ? o->interval_s : 1;
    for (uint64_t n = 0; o->count == 0 || n < o->count; n++) {
        eprof_error err = EPROF_INIT(eprof_error);
        eprof_result r = EPROF_INIT(eprof_result);
        const eprof_region region = eprof_begin(p, 0, "look");
        const bool ends = prof_terminal_wait(interval_s);
        if (eprof_end(p, region, &r, &err) != EPROF_OK) return prof_print_error(PROF_FAILED, &err);
        if (ends) break;
        take(v, &r);
        if (screen) draw(v);
        else print_line(v);
        if (ferror(stdout)) break;
    }
    return PROF_DONE;
}

int prof_watch(const prof_options *o)
{
    static view v; /* 17 KB */
    const bool screen = prof_terminal_is_there();
    const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    eprof_error err = EPROF_INIT(eprof_error);
    eprof_config c = EPROF_INIT(eprof_config);
    eprof *p = NULL;
    c.sources = o->sources;
    c.history_s = 120 + 2 * o->interval_s;
    v = (view){ .ram_total_mib = (double)pages * (double)page_bytes / (1024 * 1024), .utf8 = prof_terminal_has_utf8() };
    if (eprof_create(&c, &p, &err) != EPROF_OK || eprof_start(p, &err) != EPROF_OK) {
        eprof_destroy(&p);
        return prof_print_error(PROF_FAILED, &err);
    }
    prof_terminal_open(screen);
    const int code = look(p, o, &v, screen);
    prof_terminal_close();
    eprof_destroy(&p);
    return code;
}
