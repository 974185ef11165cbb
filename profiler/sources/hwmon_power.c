/* SPDX-License-Identifier: MIT
 * hwmon_power.c - energies and powers of /sys/class/hwmon, by the chip's name: numbers of folders are not stable.
 *
 * Of what a chip offers the best is taken: its energy counter, its power, the mean that it forms, or voltage times
 * current where it is known which belong together. Where it counts energy its power is kept beside, and is not the
 * headline. Left out: channels that are not connected (NC), sums of shunt voltages, batteries (battery.c reads these),
 * and values that cannot be. Read errors of one channel leave the others.
 * Facts: profiling.md 2.3; kernel Documentation/hwmon/{sysfs-interface,ina2xx,ina238,ina3221,powerz,acpi_power_meter,
 * amd_energy}.rst; data sheets of TI for steps and gain errors.
 */
#include "profiler/sources/hwmon_power.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/sources/sensor_files.h"

#define PERIOD_NS INT64_C(100000000)    /* of a chip on a bus */
#define MEAN_NS INT64_C(1000000000)     /* of a mean whose interval is not said */
#define DEFAULT_SHUNT_UOHM 10000        /* what the ina2xx drivers assume until they are told */

enum { LABEL_BYTES = 24 };

static const eprof__chip chips[] = {
    /* name, what, scope, pairing, accuracy, lsb, lsb * shunt, most, quick */
    { "ina219", "INA219 meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN1, 0.015, 0, 200e-6, 500, false },
    { "ina220", "INA220 meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN1, 0.015, 0, 200e-6, 500, false },
    { "ina226", "INA226 meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN1, 0.011, 0, 62.5e-6, 500, false },
    { "ina230", "INA230 meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN1, 0.015, 0, 62.5e-6, 500, false },
    { "ina231", "INA231 meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN1, 0.015, 0, 62.5e-6, 500, false },
    { "ina260", "INA260 meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN1, 0.005, 0.01, 0, 600, false },
    { "ina228", "INA228 meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN1, 0.0105, 0, 1e-6, 1000, false },
    { "ina237", "INA237 meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN1, 0.013, 0, 1e-6, 1000, false },
    { "ina238", "INA238 meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN1, 0.011, 0, 1e-6, 1000, false },
    { "ina780", "INA780 meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN1, 0.01, 0.0005, 0, 6000, false },
    { "sq52206", "SQ52206 meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN1, 0.011, 0, 1e-6, 1000, false },
    { "ina3221", "INA3221, three rails", EPROF_SCOPE_OTHER, EPROF__PAIR_RAILS, 0.015, 0, 200e-6, 300, false },
    { "powerz", "POWER-Z USB meter", EPROF_SCOPE_BOARD_DC, EPROF__PAIR_IN0, 0.005, 0.02, 0, 300, false },
    { "power_meter", "ACPI power meter", EPROF_SCOPE_BOARD_DC, EPROF__NO_PAIRS, 0.05, 0.1, 0, 20000, false },
    { "amd_energy", "AMD RAPL, through hwmon", EPROF_SCOPE_PACKAGE, EPROF__NO_PAIRS, 0.05, 0, 0, 1000, true },
};

/* Anything else that has a power file: one sensor of something. */
static const eprof__chip unknown = { "", "sensor", EPROF_SCOPE_OTHER, EPROF__NO_PAIRS, 0.05, 0, 0, 2000, false };

const eprof__chip *eprof__chip_named(const char *name)
{
    for (size_t i = 0; i < sizeof chips / sizeof chips[0]; i++)
        if (strcmp(chips[i].name, name) == 0) return &chips[i];
    return &unknown;
}

/* One folder while its source is made. */
typedef struct device {
    eprof__sources *all;
    eprof__source *s;
    const eprof__chip *chip;
    char folder[EPROF__MAX_PATH];
    char chip_name[32];
    eprof_scope scope;      /* of this device's channels, unless their labels say another */
    int64_t update_ns, period_ns;
    int32_t n_energies, n_values;
    int error;              /* of the last channel that could not be had; 0 */
    char culprit[40];       /* and its file */
} device;

/* ---------------------------------------------------------------------------------------------- one channel -- */

/* What a file says, under the folder. */
static bool read_number(const device *d, int64_t *out, const char *name)
{
    char path[EPROF__MAX_PATH];
    eprof__path(path, d->folder, "%s", name);
    return eprof__read_integer(d->all->io, path, out) == 0;
}

static void read_label(const device *d, const char *stem, char label[LABEL_BYTES])
{
    char path[EPROF__MAX_PATH];
    eprof__path(path, d->folder, "%s_label", stem);
    if (eprof__read_word(d->all->io, path, label, LABEL_BYTES) != 0) label[0] = '\0';
}

/* Labels of a whole module's supply: NVIDIA Jetson's names. */
static bool is_input_rail(const char *label)
{
    static const char *const names[] = { "VDD_IN", "POM_5V_IN", "VIN", "VIN_SYS" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(label, names[i]) == 0) return true;
    return false;
}

static double step_w(const device *d, int rail)
{
    int64_t shunt_uohm;
    char name[24];
    (void)snprintf(name, sizeof name, rail > 0 ? "shunt%d_resistor" : "shunt_resistor", rail);
    if (d->chip->lsb_w_ohm <= 0) return d->chip->lsb_w;
    if (!read_number(d, &shunt_uohm, name) || shunt_uohm <= 0) shunt_uohm = DEFAULT_SHUNT_UOHM;
    return d->chip->lsb_w_ohm / ((double)shunt_uohm * 1e-6);
}

/* What any channel of this device has; the name ends with its label, or with `stem` where there are several. */
static eprof__channel describe(const device *d, const char *stem, const char *label, int rail)
{
    eprof__channel c = { .kind = EPROF__POWER, .cls = EPROF_CLASS_SAMPLE, .scope = d->scope, .scale = 1e-6,
                         .period_ns = d->period_ns, .update_ns = d->update_ns, .most = d->chip->most_w,
                         .accuracy = d->chip->accuracy, .lsb = step_w(d, rail) };
    const bool is_alone = d->s->n_channels == 0 && !label[0];
    (void)snprintf(c.name, sizeof c.name, is_alone ? "%.23s" : "%.23s:%.23s", d->s->info.name, label[0] ? label : stem);
    if (d->scope == EPROF_SCOPE_OTHER && is_input_rail(label)) c.scope = EPROF_SCOPE_BOARD_DC;
    return c;
}

/* A chip that converts more slowly than it is read gives means of its own conversion time. */
static void set_window(eprof__channel *c, int64_t window_ns)
{
    c->cls = EPROF_CLASS_WINDOW;
    c->window_ns = window_ns;
}

/* Files that do not open, or give what cannot be, are no channel: the last of them is why a source is dead. */
static void add_channel(device *d, const eprof__channel *c, const char *first, const char *second, bool is_magnitude)
{
    double value;
    const int status = eprof__sensor_try(d->s, d->all->io, c, d->folder, first, second, is_magnitude, &value);
    if (status != 0) {
        d->error = status;
        (void)snprintf(d->culprit, sizeof d->culprit, "%s", first);
        return;
    }
    if (c->kind == EPROF__ENERGY) d->n_energies++;
    const bool is_headline = c->scope != EPROF_SCOPE_OTHER || d->s->n_channels == 1;
    if (c->kind == EPROF__POWER && (is_headline || isnan(d->s->info.power_w))) d->s->info.power_w = value;
}

/* ------------------------------------------------------------------------------------------ kinds of channels -- */

/* energyN_input: microjoules, cumulative. */
static void add_energy(device *d, int i)
{
    char file[24], stem[24], label[LABEL_BYTES];
    (void)snprintf(stem, sizeof stem, "energy%d", i);
    (void)snprintf(file, sizeof file, "energy%d_input", i);
    read_label(d, stem, label);
    /* amd_energy counts each core and each socket: a socket's joules hold its cores'. */
    if (strncmp(label, "Ecore", 5) == 0) return;
    eprof__channel c = describe(d, stem, label, 0);
    c.kind = EPROF__ENERGY;
    c.cls = EPROF_CLASS_COUNTER;
    c.lsb = c.lsb > 0 ? 16 * c.lsb : 1e-6; /* the INA228 family counts sixteen steps of power as one of energy */
    add_channel(d, &c, file, NULL, false);
}

/* powerN_input, or powerN_average with its interval: microwatts. */
static void add_power(device *d, int i, bool is_mean)
{
    char file[32], stem[24], label[LABEL_BYTES], name[40];
    int64_t ms;
    (void)snprintf(stem, sizeof stem, "power%d", i);
    (void)snprintf(file, sizeof file, is_mean ? "power%d_average" : "power%d_input", i);
    read_label(d, stem, label);
    if (strcmp(label, "NC") == 0) return;
    eprof__channel c = describe(d, stem, label, 0);
    if (is_mean) {
        (void)snprintf(name, sizeof name, "power%d_average_interval", i);
        set_window(&c, read_number(d, &ms, name) && ms > 0 && ms < 3600000 ? ms * 1000000 : MEAN_NS);
        c.update_ns = c.window_ns;
    } else if (d->update_ns > PERIOD_NS) {
        set_window(&c, d->update_ns);
    }
    if (d->n_energies > 0) c.scope = EPROF_SCOPE_OTHER;
    char path[EPROF__MAX_PATH], text[32];
    double percent;
    eprof__path(path, d->folder, "power%d_accuracy", i);
    if (eprof__read_word(d->all->io, path, text, sizeof text) == 0 && eprof__parse_double(text, &percent) &&
        percent > 0 && percent < 100)
        c.accuracy = percent > 50 ? 1 - percent / 100 : percent / 100; /* "99.0%" is how right it is */
    add_channel(d, &c, file, NULL, false);
}

/* Millivolts times milliamperes: microwatts. */
static void add_pair(device *d, int in, int curr, int rail, bool is_magnitude)
{
    char volts[24], amps[24], stem[24], label[LABEL_BYTES];
    (void)snprintf(stem, sizeof stem, "in%d", in);
    (void)snprintf(volts, sizeof volts, "in%d_input", in);
    (void)snprintf(amps, sizeof amps, "curr%d_input", curr);
    read_label(d, stem, label);
    if (strcmp(label, "NC") == 0) return;
    if (strcmp(label, "VBUS") == 0) label[0] = '\0'; /* the meter's one line */
    eprof__channel c = describe(d, stem, label, rail);
    if (!is_magnitude) c.least = -1; /* the current's zero error may be on either side */
    if (d->update_ns > PERIOD_NS) set_window(&c, d->update_ns);
    add_channel(d, &c, volts, amps, is_magnitude);
}

static void add_pairs(device *d)
{
    switch (d->chip->pairing) {
    case EPROF__PAIR_RAILS:
        for (int i = 1; i <= 3; i++) add_pair(d, i, i, i, false);
        break;
    case EPROF__PAIR_IN0: add_pair(d, 0, 1, 0, true); break; /* its sign is the way round it is plugged in */
    case EPROF__PAIR_IN1: add_pair(d, 1, 1, 0, true); break;
    case EPROF__NO_PAIRS: break;
    }
}

/* ------------------------------------------------------------------------------------------------ one device -- */

static bool has_name(const char *names, int64_t n, const char *wanted)
{
    for (const char *p = names; p < names + n; p += strlen(p) + 1)
        if (strcmp(p, wanted) == 0) return true;
    return false;
}

/* All values of the folder, energies first, since they decide what the powers are. */
static void add_values(device *d, const char *names, int64_t n)
{
    char input[32];
    for (const char *p = names; p < names + n; p += strlen(p) + 1) {
        const int i = eprof__numbered(p, "energy", "_input");
        if (i < 0) continue;
        d->n_values++;
        add_energy(d, i);
    }
    for (const char *p = names; p < names + n; p += strlen(p) + 1) {
        const int direct = eprof__numbered(p, "power", "_input"), mean = eprof__numbered(p, "power", "_average");
        const int i = direct >= 0 ? direct : mean;
        if (i < 0) continue;
        (void)snprintf(input, sizeof input, "power%d_input", i);
        if (direct < 0 && has_name(names, n, input)) continue;
        d->n_values++;
        add_power(d, i, direct < 0);
    }
    if (d->n_values > 0 || d->chip->pairing == EPROF__NO_PAIRS) return;
    d->n_values = 1;
    add_pairs(d);
}

static void explain_dead(device *d)
{
    char unlock[160] = "";
    if (d->error == -EACCES || d->error == -EPERM)
        (void)snprintf(unlock, sizeof unlock, "sudo chmod a+r %.90s/%s", d->folder, d->culprit);
    if (d->error == 0)
        eprof__source_dead(d->s, NULL, "every channel says that it is not connected");
    else if (d->error == -ERANGE)
        eprof__source_dead(d->s, NULL, "%s says what cannot be: less than nothing, or more than %.0f W", d->culprit,
                           d->chip->most_w);
    else if (d->error == -ENODATA)
        eprof__source_dead(d->s, NULL, "%s: no data; the channel is disabled", d->culprit);
    else if (d->error == -ENOTCONN)
        eprof__source_dead(d->s, NULL, "%s is 0: no current flows through the meter", d->culprit);
    else
        eprof__source_dead(d->s, unlock, "%s: %s", d->culprit, eprof__errno_text(d->error));
}

static void describe_source(device *d)
{
    eprof_source_info *info = &d->s->info;
    int64_t shunt_uohm;
    char shunt[64] = "";
    if (d->chip->lsb_w_ohm > 0 && read_number(d, &shunt_uohm, "shunt_resistor"))
        (void)snprintf(shunt, sizeof shunt, ", shunt %lld uohm%s", (long long)shunt_uohm,
                       shunt_uohm == DEFAULT_SHUNT_UOHM ? ": the driver's default" : "");
    if (d->chip == &unknown) (void)snprintf(info->what, sizeof info->what, "%s, a sensor of Linux hwmon", d->chip_name);
    else (void)snprintf(info->what, sizeof info->what, "%s (Linux hwmon)%s", d->chip->what, shunt);
    info->scope = (int32_t)d->scope;
    info->cls = EPROF_CLASS_SAMPLE;
    info->accuracy_pct = d->chip->accuracy * 100;
}

/* What the first channel that is not a single rail is, the source is. */
static void summarise(eprof__source *s)
{
    const eprof__channel *best = &s->channels[0];
    for (int32_t i = s->n_channels - 1; i >= 0; i--)
        if (s->channels[i].scope != EPROF_SCOPE_OTHER) best = &s->channels[i];
    s->info.scope = (int32_t)best->scope;
    s->info.cls = (int32_t)best->cls;
    s->info.accuracy_pct = best->accuracy * 100;
    s->info.period_s = (double)s->period_ns * 1e-9;
    s->info.live = 1;
}

static void choose_period(device *d)
{
    int64_t ms;
    const bool found = read_number(d, &ms, "update_interval") || read_number(d, &ms, "power1_average_interval");
    if (found && ms > 0 && ms < 3600000) d->update_ns = ms * 1000000;
    d->period_ns = d->update_ns > PERIOD_NS ? d->update_ns : PERIOD_NS;
    if (d->chip->is_quick && d->all->sample_hz > 0) d->period_ns = (int64_t)(1e9 / d->all->sample_hz);
    d->s->period_ns = d->period_ns;
    d->s->is_slow = !d->chip->is_quick;
    d->s->at_edges = d->chip->is_quick;
}

static void add_device(device *d, const char *names, int64_t n, int32_t number)
{
    char name[48];
    (void)snprintf(name, sizeof name, number > 1 ? "hwmon:%.20s#%d" : "hwmon:%.20s", d->chip_name, number);
    d->s = eprof__sources_add(d->all, name);
    if (!d->s) return;
    d->s->ops = &eprof__sensor_ops;
    choose_period(d);
    describe_source(d);
    add_values(d, names, n);
    if (d->s->n_channels > 0) summarise(d->s);
    else explain_dead(d);
}

/* ------------------------------------------------------------------------------------------------- the walk -- */

static bool has_values(const char *names, int64_t n, const eprof__chip *chip)
{
    for (const char *p = names; p < names + n; p += strlen(p) + 1)
        if (eprof__numbered(p, "energy", "_input") >= 0 || eprof__numbered(p, "power", "_input") >= 0 ||
            eprof__numbered(p, "power", "_average") >= 0)
            return true;
    return chip->pairing != EPROF__NO_PAIRS;
}

static bool is_battery(const eprof_io *io, const char *folder)
{
    char path[EPROF__MAX_PATH], type[16];
    eprof__path(path, folder, "device/type"); /* of the power supply that made it */
    return eprof__read_word(io, path, type, sizeof type) == 0;
}

/* A folder of the class; names..end are all of them. */
static void probe_folder(eprof__sources *all, const char *folder, const char *names, const char *end)
{
    static const char hwmon[] = "/sys/class/hwmon";
    device d = { .all = all };
    char path[EPROF__MAX_PATH], *files;
    eprof__path(d.folder, hwmon, "%s", folder);
    eprof__path(path, d.folder, "name");
    if (eprof__read_word(all->io, path, d.chip_name, sizeof d.chip_name) != 0) return;
    d.chip = eprof__chip_named(d.chip_name);
    const int64_t n = eprof__list_names(all->io, d.folder, &files);
    if (n > 0 && has_values(files, n, d.chip) && !is_battery(all->io, d.folder)) {
        /* One of several alike is a rail of the board; which of them were the input cannot be known. */
        const bool is_single = eprof__count_named(all->io, hwmon, names, end, d.chip_name) == 1;
        const bool is_inline = d.chip->scope == EPROF_SCOPE_BOARD_DC;
        d.scope = is_inline && !is_single ? EPROF_SCOPE_OTHER : d.chip->scope;
        add_device(&d, files, n, eprof__count_named(all->io, hwmon, names, folder, d.chip_name) + 1);
    }
    free(files);
}

void eprof__probe_hwmon(eprof__sources *all)
{
    char *names;
    const int64_t n = eprof__list_names(all->io, "/sys/class/hwmon", &names);
    for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) probe_folder(all, p, names, names + n);
    free(names);
}
