/* SPDX-License-Identifier: MIT
 * iio_power.c - power of the industrial I/O subsystem: the ina2xx-adc driver and others that give in_powerN_raw.
 *
 * raw * scale is in milliwatts, millivolts, milliamperes. A power file is one conversion of the chip; voltage times
 * current is two, and is taken only where there is no power file. Which voltage belongs to which current is known of
 * the INA2xx (1 and 3); elsewhere equal numbers are.
 * Facts: profiling.md 2.3; kernel Documentation/ABI/testing/sysfs-bus-iio, drivers/iio/adc/ina2xx-adc.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/sources/hwmon_power.h"
#include "profiler/sources/sensor_files.h"

#define PERIOD_NS INT64_C(100000000)

enum { LABEL_BYTES = 24 };

typedef struct device {
    eprof__sources *all;
    eprof__source *s;
    const eprof__chip *chip;
    char folder[EPROF__MAX_PATH];
    char chip_name[32];
    eprof_scope scope;
    int64_t update_ns;
    int error;
    char culprit[40];
} device;

static bool read_decimal(const device *d, double *out, const char *name)
{
    char path[EPROF__MAX_PATH], text[48];
    eprof__path(path, d->folder, "%s", name);
    if (eprof__read_word(d->all->io, path, text, sizeof text) != 0) return false;
    const char *end = eprof__parse_double(text, out);
    return end && !*end;
}

/* Of a channel its own scale, or that of all channels of its kind: above 0. */
static bool read_scale(const device *d, const char *kind, int number, double *out)
{
    char name[40];
    (void)snprintf(name, sizeof name, "in_%s%d_scale", kind, number);
    bool found = read_decimal(d, out, name);
    (void)snprintf(name, sizeof name, "in_%s_scale", kind);
    if (!found) found = read_decimal(d, out, name);
    return found && *out > 0 && *out < 1e9;
}

static void fail(device *d, int error, const char *file)
{
    d->error = error;
    (void)snprintf(d->culprit, sizeof d->culprit, "%s", file);
}

/* ---------------------------------------------------------------------------------------------- one channel -- */

static eprof__channel describe(const device *d, const char *kind, int number, double scale)
{
    char path[EPROF__MAX_PATH], label[LABEL_BYTES];
    eprof__channel c = { .kind = EPROF__POWER, .cls = EPROF_CLASS_SAMPLE, .scope = d->scope, .scale = scale,
                         .period_ns = PERIOD_NS, .update_ns = d->update_ns, .least = -1, .most = d->chip->most_w,
                         .accuracy = d->chip->accuracy, .lsb = scale };
    eprof__path(path, d->folder, "in_%s%d_label", kind, number);
    if (eprof__read_word(d->all->io, path, label, sizeof label) != 0)
        (void)snprintf(label, sizeof label, "%.8s%d", kind, number);
    (void)snprintf(c.name, sizeof c.name, d->s->n_channels == 0 ? "%.23s" : "%.23s:%s", d->s->info.name, label);
    return c;
}

static void add_channel(device *d, const eprof__channel *c, const char *first, const char *second)
{
    double value;
    const int status = eprof__sensor_try(d->s, d->all->io, c, d->folder, first, second, false, &value);
    if (status != 0) fail(d, status, first);
    else if (d->s->n_channels == 1) d->s->info.power_w = value;
}

static void add_power(device *d, int number)
{
    char file[32];
    double scale;
    (void)snprintf(file, sizeof file, "in_power%d_raw", number);
    if (!read_scale(d, "power", number, &scale)) {
        fail(d, -EINVAL, "in_power_scale");
        return;
    }
    const eprof__channel c = describe(d, "power", number, scale * 1e-3);
    add_channel(d, &c, file, NULL);
}

static void add_product(device *d, int voltage, int current)
{
    char volts[32], amps[32];
    double mv, ma;
    (void)snprintf(volts, sizeof volts, "in_voltage%d_raw", voltage);
    (void)snprintf(amps, sizeof amps, "in_current%d_raw", current);
    if (!read_scale(d, "voltage", voltage, &mv) || !read_scale(d, "current", current, &ma)) {
        fail(d, -EINVAL, "in_voltage_scale or in_current_scale");
        return;
    }
    eprof__channel c = describe(d, "current", current, mv * ma * 1e-6);
    c.lsb = ma * 1e-3 * 5; /* a step of current at 5 V; one of voltage is less */
    add_channel(d, &c, volts, amps);
}

/* ------------------------------------------------------------------------------------------------ one device -- */

/* Calls for each number in "PREFIXnumber_raw" among the names; how many there are. add may be NULL. */
static int32_t each_numbered(device *d, const char *names, int64_t n, const char *prefix, void (*add)(device *, int))
{
    int32_t n_found = 0;
    for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) {
        const int number = eprof__numbered(p, prefix, "_raw");
        if (number < 0) continue;
        n_found++;
        if (add) add(d, number);
    }
    return n_found;
}

static bool is_ina2xx(const device *d) { return strncmp(d->chip_name, "ina2", 4) == 0; }

static void add_current(device *d, int current)
{
    add_product(d, is_ina2xx(d) && current == 3 ? 1 : current, current);
}

static void read_update(device *d)
{
    double hz;
    if (read_decimal(d, &hz, "in_sampling_frequency") && hz >= 0.01 && hz <= 1e6) d->update_ns = (int64_t)(1e9 / hz);
}

static void describe_source(device *d)
{
    eprof_source_info *info = &d->s->info;
    char path[EPROF__MAX_PATH], label[32] = "";
    double ohm;
    eprof__path(path, d->folder, "label");
    const bool has_label = eprof__read_word(d->all->io, path, label, sizeof label) == 0 && label[0];
    const bool has_shunt = read_decimal(d, &ohm, "in_shunt_resistor") && ohm > 0 && ohm < 1000;
    int n = snprintf(info->what, sizeof info->what, "%s%s%s (Linux iio)", d->chip_name, has_label ? " " : "", label);
    if (has_shunt && n > 0 && n < (int)sizeof info->what)
        (void)snprintf(info->what + n, sizeof info->what - (size_t)n, ", shunt %lld uohm",
                       (long long)(ohm * 1e6 + 0.5));
    info->scope = (int32_t)d->scope;
    info->cls = EPROF_CLASS_SAMPLE;
    info->accuracy_pct = d->chip->accuracy * 100;
    info->period_s = (double)PERIOD_NS * 1e-9;
}

static void add_device(device *d, const char *names, int64_t n, int32_t number)
{
    char name[48];
    (void)snprintf(name, sizeof name, number > 1 ? "iio:%.20s#%d" : "iio:%.20s", d->chip_name, number);
    d->s = eprof__sources_add(d->all, name);
    if (!d->s) return;
    d->s->ops = &eprof__sensor_ops;
    d->s->is_slow = true;
    d->s->period_ns = PERIOD_NS;
    read_update(d);
    describe_source(d);
    if (each_numbered(d, names, n, "in_power", add_power) == 0)
        (void)each_numbered(d, names, n, "in_current", add_current);
    d->s->info.live = d->s->n_channels > 0;
    if (d->s->info.live) return;
    if (d->error == -ENOTCONN)
        eprof__source_dead(d->s, NULL, "%s is 0: no current flows through the meter", d->culprit);
    else if (d->error == -ERANGE)
        eprof__source_dead(d->s, NULL, "%s says what cannot be: below -1 W, or more than %.0f W", d->culprit,
                           d->chip->most_w);
    else
        eprof__source_dead(d->s, NULL, "%s: %s", d->culprit, eprof__errno_text(d->error));
}

/* ------------------------------------------------------------------------------------------------- the walk -- */

/* A folder of the bus; names..end are all of them. */
static void probe_folder(eprof__sources *all, const char *folder, const char *names, const char *end)
{
    static const char devices[] = "/sys/bus/iio/devices";
    device d = { .all = all };
    char path[EPROF__MAX_PATH], *files;
    eprof__path(d.folder, devices, "%s", folder);
    eprof__path(path, d.folder, "name");
    if (eprof__read_word(all->io, path, d.chip_name, sizeof d.chip_name) != 0) return;
    d.chip = eprof__chip_named(d.chip_name);
    const int64_t n = eprof__list_names(all->io, d.folder, &files);
    const bool has_power = each_numbered(&d, files, n, "in_power", NULL) > 0;
    const bool has_both = each_numbered(&d, files, n, "in_current", NULL) > 0 &&
                          each_numbered(&d, files, n, "in_voltage", NULL) > 0;
    if (has_power || has_both) {
        const bool is_single = eprof__count_named(all->io, devices, names, end, d.chip_name) == 1;
        d.scope = is_single ? d.chip->scope : EPROF_SCOPE_OTHER;
        add_device(&d, files, n, eprof__count_named(all->io, devices, names, folder, d.chip_name) + 1);
    }
    free(files);
}

void eprof__probe_iio(eprof__sources *all)
{
    char *names;
    const int64_t n = eprof__list_names(all->io, "/sys/bus/iio/devices", &names);
    for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1) probe_folder(all, p, names, names + n);
    free(names);
}
