/* SPDX-License-Identifier: MIT
 * battery.c - what a laptop draws, as its batteries' own gauges say while nothing charges them.
 *
 * All batteries of the system are one source: they are emptied one after the other, or together, and the sum is what
 * the machine draws. It measures only while at least one is discharging and no charger is online; a reading that fails
 * in one battery fails as a whole, since the rest would look like a smaller load.
 * A gauge renews its values every few seconds. A reading counts where its value changed, and at the latest after
 * REFRESH_NS, so that a steady load is not a gap. What the batteries hold is a counter beside the power: ten milliwatt
 * hours a step are too coarse for a prompt, but tell over minutes whether the power was right. It is the source's own
 * energy only where no gauge tells power.
 * Facts: profiling.md 2.8; kernel Documentation/power/power_supply_class.rst (uW, uA, uV, uWh).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/sources/sensor_files.h"

#define SUPPLIES "/sys/class/power_supply"
#define POLL_NS INT64_C(500000000)
#define REFRESH_NS INT64_C(10000000000)
#define MOST_W 500
#define LEAST_STEP_J 36 /* gauges count 10 mWh */

enum { MAX_BATTERIES = 4, MAX_CHARGERS = 8, WORD_BYTES = 32 };

typedef struct battery {
    int status_fd;          /* -1: it does not say */
    eprof__sensor power;    /* power_now in uW, or current times voltage in uA uV; fd -1: none */
    bool is_product;
    eprof__sensor energy;   /* energy_now in uWh; fd -1: none */
} battery;

/* The last reading that counted. */
typedef struct latest {
    int64_t uw, uwh, t_ns;
    bool has_value;
} latest;

typedef struct battery_state {
    int32_t n, n_chargers;
    battery list[MAX_BATTERIES];
    int charger_fd[MAX_CHARGERS];
    int32_t power, energy;  /* channels; -1: not there */
    int64_t start_uwh;      /* the batteries' energy when they were found */
    latest seen;
} battery_state;

/* --------------------------------------------------------------------------------------------------- reading -- */

static int read_word(const eprof_io *io, int fd, char word[WORD_BYTES])
{
    const int64_t n = eprof__reread_text(io, fd, word, WORD_BYTES);
    if (n < 0) return (int)n;
    word[strcspn(word, "\n")] = '\0';
    return 0;
}

/* A charger that is connected, as far as it says. */
static bool is_charger_online(const eprof_io *io, const battery_state *b)
{
    char word[WORD_BYTES];
    for (int32_t i = 0; i < b->n_chargers; i++)
        if (read_word(io, b->charger_fd[i], word) == 0 && word[0] == '1') return true;
    return false;
}

/* 1: it is emptied. 0: it rests. -ENODATA: it is charged. */
static int is_discharging(const eprof_io *io, const battery *b)
{
    char word[WORD_BYTES];
    if (b->status_fd < 0) return 1;
    const int status = read_word(io, b->status_fd, word);
    if (status != 0) return status;
    if (strcmp(word, "Charging") == 0) return -ENODATA;
    return strcmp(word, "Discharging") == 0;
}

/* Microwatts of one battery, as a magnitude. */
static int read_power(const eprof_io *io, const battery *b, int64_t *out)
{
    if (b->power.fd[0] < 0) return -ENODATA;
    const int status = eprof__sensor_read(io, &b->power, out);
    if (status != 0) return status;
    if (b->is_product) *out = (*out + 500000) / 1000000;
    /* The controller has not measured yet: nothing runs on nothing. */
    return *out > 0 ? 0 : -ENODATA;
}

/* Microwatts of all that are emptied. */
static int read_total(const eprof_io *io, const battery_state *b, int64_t *out)
{
    int32_t n_discharging = 0;
    *out = 0;
    for (int32_t i = 0; i < b->n; i++) {
        int64_t uw = 0;
        int status = is_discharging(io, &b->list[i]);
        if (status == 0) continue;
        n_discharging++;
        if (status > 0) status = b->power >= 0 ? read_power(io, &b->list[i], &uw) : 0;
        if (status != 0) return status;
        if (uw > INT64_MAX - *out) return -ERANGE;
        *out += uw;
    }
    return n_discharging > 0 ? 0 : -ENODATA;
}

/* Microwatt hours in all of them. */
static int read_content(const eprof_io *io, const battery_state *b, int64_t *out)
{
    *out = 0;
    for (int32_t i = 0; i < b->n; i++) {
        int64_t uwh;
        const int status = eprof__sensor_read(io, &b->list[i].energy, &uwh);
        if (status != 0) return status;
        if (uwh < 0 || uwh > INT64_C(1000000000000)) return -ERANGE;
        *out += uwh;
    }
    return 0;
}

/* Whether a reading counts: something changed, or the last one is old. */
static bool is_new(battery_state *b, int64_t uw, int64_t uwh, int64_t now_ns)
{
    const latest *l = &b->seen;
    if (l->has_value && l->uw == uw && l->uwh == uwh && now_ns - l->t_ns < REFRESH_NS) return false;
    b->seen = (latest){ uw, uwh, now_ns, true };
    return true;
}

static int read_batteries(eprof__source *s, const eprof_io *io, int64_t raw[], bool ok[], int64_t *begin_ns,
                          int64_t *end_ns)
{
    battery_state *b = s->state;
    int64_t uw, uwh = 0;
    (void)end_ns;
    for (int32_t i = 0; i < s->n_channels; i++) ok[i] = false;
    if (is_charger_online(io, b)) return -ENODATA;
    int status = read_total(io, b, &uw);
    if (status == 0 && b->energy >= 0) status = read_content(io, b, &uwh);
    if (status != 0) return status;
    if (!is_new(b, uw, uwh, *begin_ns)) return -EAGAIN;
    if (b->power >= 0) raw[b->power] = uw;
    if (b->energy >= 0) raw[b->energy] = b->start_uwh - uwh;
    for (int32_t i = 0; i < s->n_channels; i++) ok[i] = true;
    return 0;
}

static void close_state(const eprof_io *io, battery_state *b)
{
    for (int32_t i = 0; i < b->n; i++) {
        if (b->list[i].status_fd >= 0) io->close(io->user, b->list[i].status_fd);
        eprof__sensor_close(io, &b->list[i].power);
        eprof__sensor_close(io, &b->list[i].energy);
    }
    for (int32_t i = 0; i < b->n_chargers; i++) io->close(io->user, b->charger_fd[i]);
    free(b);
}

static void close_batteries(eprof__source *s, const eprof_io *io)
{
    if (s->state) close_state(io, s->state);
    s->state = NULL;
}

static const eprof__source_ops battery_ops = { read_batteries, close_batteries };

/* ---------------------------------------------------------------------------------------------------- finding -- */

/* What was found, before it is a source. */
typedef struct found {
    const eprof_io *io;
    battery_state *state;
    int32_t n_batteries, n_absent;  /* of the system; without a cell */
    char names[40];                 /* "BAT0+BAT1" */
} found;

static int open_file(const eprof_io *io, const char *folder, const char *name)
{
    char path[EPROF__MAX_PATH];
    eprof__path(path, folder, "%s", name);
    return io->open(io->user, path, O_RDONLY | O_CLOEXEC);
}

static bool reads(const eprof_io *io, const battery *b)
{
    int64_t uw;
    return read_power(io, b, &uw) == 0;
}

/* power_now where it gives a value; else current times voltage where that does; else what there is, for later. */
static void open_power(const eprof_io *io, const char *folder, battery *b)
{
    char power[EPROF__MAX_PATH], current[EPROF__MAX_PATH], voltage[EPROF__MAX_PATH];
    eprof__path(power, folder, "power_now");
    eprof__path(current, folder, "current_now");
    eprof__path(voltage, folder, "voltage_now");
    const bool has_power = eprof__sensor_open(io, power, NULL, &b->power) == 0;
    b->power.is_magnitude = true;
    if (has_power && reads(io, b)) return;
    battery other = { .is_product = true };
    const bool has_product = eprof__sensor_open(io, current, voltage, &other.power) == 0;
    other.power.is_magnitude = true;
    if (has_product && (!has_power || reads(io, &other))) {
        eprof__sensor_close(io, &b->power);
        b->power = other.power;
        b->is_product = true;
        return;
    }
    eprof__sensor_close(io, &other.power);
}

static void add_battery(found *f, const char *folder, const char *name)
{
    char path[EPROF__MAX_PATH], word[WORD_BYTES];
    int64_t present = 1;
    battery_state *b = f->state;
    eprof__path(path, folder, "scope");
    if (eprof__read_word(f->io, path, word, sizeof word) == 0 && strcmp(word, "Device") == 0) return; /* a mouse's */
    f->n_batteries++;
    const size_t used = strlen(f->names);
    (void)snprintf(f->names + used, sizeof f->names - used, used > 0 ? "+%.8s" : "%.8s", name);
    eprof__path(path, folder, "present");
    if (eprof__read_integer(f->io, path, &present) == 0 && present == 0) {
        f->n_absent++;
        return;
    }
    if (b->n == MAX_BATTERIES) return;
    battery *new = &b->list[b->n++];
    *new = (battery){ .status_fd = open_file(f->io, folder, "status") };
    open_power(f->io, folder, new);
    eprof__path(path, folder, "energy_now");
    (void)eprof__sensor_open(f->io, path, NULL, &new->energy);
}

static void add_charger(found *f, const char *folder)
{
    const int fd = open_file(f->io, folder, "online");
    if (fd < 0) return;
    if (f->state->n_chargers < MAX_CHARGERS) f->state->charger_fd[f->state->n_chargers++] = fd;
    else f->io->close(f->io->user, fd);
}

static void find_supplies(found *f)
{
    char *names;
    const int64_t n = eprof__list_names(f->io, SUPPLIES, &names);
    for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
        char folder[EPROF__MAX_PATH], path[EPROF__MAX_PATH], type[WORD_BYTES];
        eprof__path(folder, SUPPLIES, "%s", p);
        eprof__path(path, folder, "type");
        if (eprof__read_word(f->io, path, type, sizeof type) != 0) continue;
        if (strcmp(type, "Battery") == 0) add_battery(f, folder, p);
        else if (strcmp(type, "Mains") == 0 || strcmp(type, "Wireless") == 0 || strncmp(type, "USB", 3) == 0)
            add_charger(f, folder);
    }
    free(names);
}

/* ---------------------------------------------------------------------------------------------------- the probe -- */

static eprof__channel describe(eprof__kind kind, eprof_class cls, eprof_scope scope, const char *names,
                               const char *part)
{
    /* Its period is the gauge's: polls between its values give no samples. */
    eprof__channel c = { .kind = kind, .cls = cls, .scope = scope, .period_ns = REFRESH_NS, .update_ns = REFRESH_NS,
                         .most = MOST_W, .accuracy = 0.05 };
    (void)snprintf(c.name, sizeof c.name, "battery:%s%s", names, part);
    return c;
}

static void make_channels(eprof__source *s, const eprof_io *io, battery_state *b, const char *names)
{
    bool all_power = true, all_energy = true;
    for (int32_t i = 0; i < b->n; i++) {
        all_power = all_power && b->list[i].power.fd[0] >= 0;
        all_energy = all_energy && b->list[i].energy.fd[0] >= 0;
    }
    b->power = b->energy = -1;
    if (all_power) {
        b->power = s->n_channels++;
        s->channels[b->power] = describe(EPROF__POWER, EPROF_CLASS_SAMPLE, EPROF_SCOPE_BOARD_DC, names, "");
        s->channels[b->power].scale = 1e-6;
        s->channels[b->power].lsb = 0.01;
    }
    if (!all_energy || read_content(io, b, &b->start_uwh) != 0) return;
    b->energy = s->n_channels++;
    s->channels[b->energy] = describe(EPROF__ENERGY, EPROF_CLASS_COUNTER,
                                      all_power ? EPROF_SCOPE_OTHER : EPROF_SCOPE_BOARD_DC, names, ":content");
    s->channels[b->energy].scale = 3.6e-3; /* microwatt hours */
    s->channels[b->energy].lsb = LEAST_STEP_J;
}

static void explain_rest(eprof__source *s, const eprof_io *io, const battery_state *b)
{
    char word[WORD_BYTES] = "not discharging";
    if (b->n > 0 && b->list[0].status_fd >= 0) (void)read_word(io, b->list[0].status_fd, word);
    eprof__source_dead(s, "unplug the charger   (and wait three minutes)",
                       "status \"%s\": a battery tells the machine's power only while it is emptied", word);
}

/* What a first reading says. A controller that is not ready now may be later. */
static void judge(eprof__source *s, const found *f)
{
    const battery_state *b = f->state;
    int64_t uw = 0;
    int32_t n_emptied = 0;
    for (int32_t i = 0; i < b->n; i++) n_emptied += is_discharging(f->io, &b->list[i]) == 1;
    const int status = read_total(f->io, b, &uw);
    if (f->n_absent == f->n_batteries)
        eprof__source_dead(s, NULL, "there is no battery in the slot");
    else if (is_charger_online(f->io, b))
        eprof__source_dead(s, "unplug the charger   (and wait three minutes)",
                           "the charger is connected: a battery tells the machine's power only without it");
    else if (n_emptied == 0)
        explain_rest(s, f->io, b);
    else if (s->n_channels == 0)
        eprof__source_dead(s, NULL, "the battery tells neither power, nor current and voltage, nor energy");
    else if (status == 0 && uw > INT64_C(1000000) * MOST_W)
        eprof__source_dead(s, NULL, "the battery says %lld W, which cannot be", (long long)(uw / 1000000));
    else
        s->info.live = 1;
    if (s->info.live && status == 0 && b->power >= 0) s->info.power_w = (double)uw * 1e-6;
}

void eprof__probe_battery(eprof__sources *all)
{
    char name[48];
    found f = { .io = all->io, .state = calloc(1, sizeof *f.state) };
    if (!f.state) return;
    find_supplies(&f);
    (void)snprintf(name, sizeof name, "battery:%s", f.names);
    eprof__source *s = f.n_batteries > 0 ? eprof__sources_add(all, name) : NULL;
    if (!s) {
        close_state(all->io, f.state);
        return;
    }
    s->ops = &battery_ops;
    s->state = f.state;
    s->is_slow = true;
    s->period_ns = POLL_NS;
    s->info.period_s = (double)REFRESH_NS * 1e-9;
    s->info.scope = EPROF_SCOPE_BOARD_DC;
    s->info.accuracy_pct = 5;
    (void)snprintf(s->info.what, sizeof s->info.what, "battery %s, its own gauge; renewed every few seconds", f.names);
    make_channels(s, all->io, f.state, f.names);
    s->info.cls = f.state->power >= 0 || f.state->energy < 0 ? EPROF_CLASS_SAMPLE : EPROF_CLASS_COUNTER;
    judge(s, &f);
    if (!s->info.live) s->n_channels = 0;
}
