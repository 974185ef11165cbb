/* SPDX-License-Identifier: MIT
 * doctor_energy.c - which sources tell the energy that a run takes, and the command that unlocks those that do not.
 *
 * Only what is readable is judged here, not whether it counts: a source that is there may still stand at 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor.h"
#include "cli/doctor_files.h"

typedef struct energy {
    doctor *d;
    cJSON *list;              /* of sources, for --json */
    int n_found, n_readable;
} energy;

/* One source; unlock: the command that makes it readable, NULL when it is. */
static void found(energy *e, const char *kind, const char *name, const char *unlock)
{
    e->n_found++;
    e->n_readable += unlock == NULL;
    doctor_say(e->d, unlock ? DOCTOR_NOTE : DOCTOR_OK, "energy", unlock, "%s: %s%s", kind, name,
               unlock ? ", but this user may not read it" : "");
    if (!e->list) return;
    cJSON *source = cJSON_CreateObject();
    cJSON_AddStringToObject(source, "kind", kind);
    cJSON_AddStringToObject(source, "name", name);
    cJSON_AddBoolToObject(source, "readable", unlock == NULL);
    if (unlock) cJSON_AddStringToObject(source, "unlock", unlock);
    cJSON_AddItemToArray(e->list, source);
}

/* ", " and a name behind what is there; what does not fit is left out. */
static void append_name(char *list, size_t size, const char *name)
{
    const size_t used = strlen(list);
    if (used + strlen(name) + 3 < size) snprintf(list + used, size - used, "%s%s", used ? ", " : "", name);
}

/* ------------------------------------------------------------------------------------- processor counters -- */

/* Events of the whole machine need perf_event_paranoid at most 0, or one of two capabilities. */
static bool may_count_machine(const doctor *d)
{
    enum { CAP_SYS_ADMIN = 21, CAP_PERFMON = 38 };
    int64_t paranoid = 2;
    char status[8192], text[32];
    doctor_read_number(d, &paranoid, "/proc/sys/kernel/perf_event_paranoid");
    if (paranoid <= 0) return true;
    if (!doctor_read(d, status, sizeof status, "/proc/self/status") ||
        !doctor_find_line(status, "CapEff", text, sizeof text))
        return false;
    const unsigned long long caps = strtoull(text, NULL, 16);
    return (caps >> CAP_SYS_ADMIN & 1) != 0 || (caps >> CAP_PERFMON & 1) != 0;
}

static void look_at_perf(energy *e)
{
    doctor_names units, events;
    char folder[160], names[256];
    doctor_list(e->d, "/sys/bus/event_source/devices", "power", &units);
    for (int i = 0; i < units.n; i++) {
        names[0] = '\0';
        snprintf(folder, sizeof folder, "/sys/bus/event_source/devices/%s/events", units.names[i]);
        doctor_list(e->d, folder, "energy-", &events);
        for (int j = 0; j < events.n; j++)
            if (!strchr(events.names[j], '.')) /* not energy-pkg.unit */
                append_name(names, sizeof names, events.names[j]);
        if (!names[0]) continue;
        found(e, "perf events", names,
              may_count_machine(e->d) ? NULL : "sudo sysctl kernel.perf_event_paranoid=0 (until the next start)");
        if (e->d->is_virtual && strcmp(names, "energy-psys") == 0)
            doctor_say(e->d, DOCTOR_NOTE, "energy", NULL, "energy-psys alone on a virtual machine mostly stands at 0");
    }
}

static void look_at_powercap(energy *e)
{
    doctor_names zones;
    char readable[256] = "", locked[256] = "", name[64];
    doctor_list(e->d, "/sys/class/powercap", "", &zones);
    for (int i = 0; i < zones.n; i++) {
        if (!doctor_exists(e->d, "/sys/class/powercap/%s/energy_uj", zones.names[i])) continue;
        if (!doctor_read(e->d, name, sizeof name, "/sys/class/powercap/%s/name", zones.names[i]))
            snprintf(name, sizeof name, "%s", zones.names[i]);
        if (doctor_may_read(e->d, "/sys/class/powercap/%s/energy_uj", zones.names[i]))
            append_name(readable, sizeof readable, name);
        else append_name(locked, sizeof locked, name);
    }
    if (readable[0]) found(e, "powercap", readable, NULL);
    if (locked[0])
        found(e, "powercap", locked, "sudo chmod a+r /sys/class/powercap/*/energy_uj (until the next start)");
}

/* ------------------------------------------------------------------------------------- sensors, batteries -- */

static bool has_file_like(const doctor *d, const char *folder, const char *prefix, const char *suffix)
{
    doctor_names files;
    doctor_list(d, folder, prefix, &files);
    for (int i = 0; i < files.n; i++)
        if (strstr(files.names[i], suffix)) return true;
    return false;
}

/* Chips on the board or in a meter that measure power or energy. */
static void look_at_sensors(energy *e)
{
    doctor_names chips;
    char folder[160], name[64];
    doctor_list(e->d, "/sys/class/hwmon", "hwmon", &chips);
    for (int i = 0; i < chips.n; i++) {
        snprintf(folder, sizeof folder, "/sys/class/hwmon/%s", chips.names[i]);
        if (!has_file_like(e->d, folder, "power", "_input") && !has_file_like(e->d, folder, "power", "_average") &&
            !has_file_like(e->d, folder, "energy", "_input"))
            continue;
        if (!doctor_read(e->d, name, sizeof name, "%s/name", folder)) snprintf(name, sizeof name, "%s", chips.names[i]);
        found(e, "sensor", name, NULL);
    }
    doctor_list(e->d, "/sys/bus/iio/devices", "iio:device", &chips);
    for (int i = 0; i < chips.n; i++) {
        snprintf(folder, sizeof folder, "/sys/bus/iio/devices/%s", chips.names[i]);
        if (!has_file_like(e->d, folder, "in_power", "_raw")) continue;
        if (!doctor_read(e->d, name, sizeof name, "%s/name", folder)) snprintf(name, sizeof name, "%s", chips.names[i]);
        found(e, "sensor", name, NULL);
    }
}

/* Those of the machine; mice and keyboards have batteries of their own. */
static void look_at_batteries(energy *e)
{
    doctor_names supplies;
    char type[32], scope[32], status[32];
    doctor_list(e->d, "/sys/class/power_supply", "", &supplies);
    for (int i = 0; i < supplies.n; i++) {
        const char *name = supplies.names[i];
        if (!doctor_read(e->d, type, sizeof type, "/sys/class/power_supply/%s/type", name)) continue;
        if (strcmp(type, "Battery") != 0) continue;
        if (doctor_read(e->d, scope, sizeof scope, "/sys/class/power_supply/%s/scope", name) &&
            strcmp(scope, "Device") == 0)
            continue;
        if (!doctor_exists(e->d, "/sys/class/power_supply/%s/power_now", name) &&
            !doctor_exists(e->d, "/sys/class/power_supply/%s/current_now", name))
            continue;
        found(e, "battery", name, NULL);
        if (doctor_read(e->d, status, sizeof status, "/sys/class/power_supply/%s/status", name) &&
            strcmp(status, "Discharging") != 0)
            doctor_say(e->d, DOCTOR_NOTE, "energy", "unplug the charger to measure by the battery",
                       "%s measures the machine only while it discharges; it is %s", name, status);
    }
}

/* The power chip of a Raspberry Pi 5 measures its rails; older boards measure nothing. */
static void look_at_pmic(energy *e)
{
    static const char *const devices[] = { "/dev/vcio_gencmd", "/dev/vcio" };
    for (int i = 0; i < 2 && e->d->is_raspberry5; i++) {
        if (!doctor_exists(e->d, "%s", devices[i])) continue;
        found(e, "Raspberry Pi 5 PMIC", devices[i],
              doctor_may_read(e->d, "%s", devices[i]) ? NULL : "sudo usermod -aG video $USER, and log in again");
        return;
    }
}

void doctor_look_at_energy(doctor *d)
{
    energy e = { .d = d, .list = d->facts ? cJSON_CreateArray() : NULL };
    look_at_perf(&e);
    look_at_powercap(&e);
    look_at_pmic(&e);
    look_at_sensors(&e);
    look_at_batteries(&e);
    if (e.n_found == 0)
        doctor_say(d, DOCTOR_NOTE, "energy", "an inline USB-C meter or a metering plug can measure from outside",
                   "the machine has no source that tells its energy");
    doctor_fact_item(d, "energy_sources", e.list);
}
