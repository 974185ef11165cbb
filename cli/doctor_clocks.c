/* SPDX-License-Identifier: MIT
 * doctor_clocks.c - what holds the clock down: governors, limits, heat, and a Raspberry Pi's power supply.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/doctor_files.h"

#define CPUFREQ "/sys/devices/system/cpu/cpu%d/cpufreq/"

/* ------------------------------------------------------------------------------------------------ clocks -- */

typedef struct clock_facts {
    int cpu;
    char governor[32], driver[32];
    int64_t now_khz, limit_khz, hardware_khz; /* 0: not told */
} clock_facts;

/* Of the first CPU that tells: clusters differ in speed, seldom in governor. */
static bool read_clock(const doctor *d, clock_facts *c)
{
    for (c->cpu = 0; c->cpu < (int)d->n_cpus; c->cpu++) {
        if (!doctor_read(d, c->governor, sizeof c->governor, CPUFREQ "scaling_governor", c->cpu)) continue;
        doctor_read(d, c->driver, sizeof c->driver, CPUFREQ "scaling_driver", c->cpu);
        doctor_read_number(d, &c->now_khz, CPUFREQ "scaling_cur_freq", c->cpu);
        doctor_read_number(d, &c->limit_khz, CPUFREQ "scaling_max_freq", c->cpu);
        doctor_read_number(d, &c->hardware_khz, CPUFREQ "cpuinfo_max_freq", c->cpu);
        return true;
    }
    return false;
}

/* The active drivers of Intel and AMD name their usual, full-speed policy "powersave". */
static bool is_slow_governor(const clock_facts *c)
{
    const bool sets_own_speed = strcmp(c->driver, "intel_pstate") == 0 || strcmp(c->driver, "amd-pstate-epp") == 0;
    return strcmp(c->governor, "powersave") == 0 && !sets_own_speed;
}

static void look_at_frequency(doctor *d)
{
    clock_facts c = { 0 };
    int64_t no_turbo = 0;
    if (!read_clock(d, &c)) {
        doctor_say(d, DOCTOR_OK, "clock", NULL, "not told by the machine");
        return;
    }
    const bool slow = is_slow_governor(&c);
    doctor_say(d, slow ? DOCTOR_WARNING : DOCTOR_OK, "clock",
               slow ? "echo schedutil | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor" : NULL,
               "%lld MHz now, %lld at most, governor %s%s", (long long)c.now_khz / 1000,
               (long long)c.hardware_khz / 1000, c.governor, slow ? ": held at the lowest frequency" : "");
    doctor_fact_text(d, "governor", c.governor);
    doctor_fact_number(d, "clock_now_mhz", (double)c.now_khz / 1000);
    doctor_fact_number(d, "clock_limit_mhz", (double)c.limit_khz / 1000);
    doctor_fact_number(d, "clock_max_mhz", (double)c.hardware_khz / 1000);
    if (c.limit_khz > 0 && c.limit_khz < c.hardware_khz)
        doctor_say(d, DOCTOR_WARNING, "clock", "raise scaling_max_freq, or choose another power profile",
                   "limited to %lld of %lld MHz by a setting", (long long)c.limit_khz / 1000,
                   (long long)c.hardware_khz / 1000);
    if (doctor_read_number(d, &no_turbo, "/sys/devices/system/cpu/intel_pstate/no_turbo") && no_turbo == 1)
        doctor_say(d, DOCTOR_NOTE, "clock", "echo 0 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo",
                   "turbo is switched off");
}

/* --------------------------------------------------------------------------------------------------- heat -- */

/* The lowest temperature at which the kernel slows a zone down; 0: not told. */
static int64_t passive_trip(const doctor *d, const char *zone)
{
    int64_t least = 0, at;
    char type[32];
    for (int i = 0; i < 16; i++) {
        if (!doctor_read(d, type, sizeof type, "/sys/class/thermal/%s/trip_point_%d_type", zone, i)) break;
        if (strcmp(type, "passive") != 0 && strcmp(type, "hot") != 0) continue;
        if (!doctor_read_number(d, &at, "/sys/class/thermal/%s/trip_point_%d_temp", zone, i) || at <= 0) continue;
        if (least == 0 || at < least) least = at;
    }
    return least;
}

static void look_at_heat(doctor *d)
{
    enum { HOT = 80000, MARGIN = 5000 }; /* thousandths of a degree; where boards begin to slow down */
    doctor_names zones;
    int64_t hottest = INT64_MIN, t, trip = 0, throttled = 0;
    char type[48] = "";
    doctor_list(d, "/sys/class/thermal", "thermal_zone", &zones);
    for (int i = 0; i < zones.n; i++) {
        if (!doctor_read_number(d, &t, "/sys/class/thermal/%s/temp", zones.names[i]) || t <= hottest) continue;
        hottest = t;
        trip = passive_trip(d, zones.names[i]);
        doctor_read(d, type, sizeof type, "/sys/class/thermal/%s/type", zones.names[i]);
    }
    if (hottest != INT64_MIN) {
        const int64_t limit = trip > 0 && trip < HOT + MARGIN ? trip : HOT + MARGIN;
        const bool hot = hottest > limit - MARGIN;
        doctor_say(d, hot ? DOCTOR_WARNING : DOCTOR_OK, "heat",
                   hot ? "give it a heat sink, a fan, or air; a hot processor lowers its clock" : NULL, "%.1f C (%s)",
                   (double)hottest / 1000, type);
        doctor_fact_number(d, "hottest_c", (double)hottest / 1000);
    }
    if (doctor_read_number(d, &throttled, "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count") &&
        throttled > 0) {
        doctor_say(d, DOCTOR_NOTE, "heat", "better cooling, or a lower power limit", "slowed down by heat %lld times "
                   "since it was started", (long long)throttled);
        doctor_fact_number(d, "n_thermal_throttles", (double)throttled);
    }
}

/* ------------------------------------------------------------------------------------------- Raspberry Pi -- */

enum { THROTTLED_TAG = 0x00030046, VCIO_REQUEST = 0, VCIO_OK_BIT = 31 };

/* Ask the firmware by its mailbox, as vcgencmd get_throttled does. The value sent says which bits to forget: none.
 * The kernel waits for the answer for a second at most. */
static bool ask_firmware(uint32_t *bits)
{
    uint32_t words[7] = { sizeof words, VCIO_REQUEST, THROTTLED_TAG, sizeof words[0], 0, 0, 0 };
    struct stat st;
    const int fd = open("/dev/vcio", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return false;
    const bool ok = fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && ioctl(fd, _IOWR(100, 0, char *), words) == 0 &&
                    words[1] >> VCIO_OK_BIT == 1;
    close(fd);
    *bits = words[5];
    return ok;
}

static bool read_throttled(const doctor *d, uint32_t *bits)
{
    doctor_names devices, firmware;
    char folder[160], text[32];
    unsigned value;
    doctor_list(d, "/sys/devices/platform", "soc", &devices);
    for (int i = 0; i < devices.n; i++) {
        snprintf(folder, sizeof folder, "/sys/devices/platform/%s", devices.names[i]);
        doctor_list(d, folder, "soc", &firmware);
        for (int j = 0; j < firmware.n; j++) /* "soc:firmware", with an address in newer device trees */
            if (doctor_read(d, text, sizeof text, "%s/%s/get_throttled", folder, firmware.names[j]) &&
                sscanf(text, "%x", &value) == 1) {
                *bits = value;
                return true;
            }
    }
    return d->root[0] == '\0' && ask_firmware(bits);
}

static void say_throttled(doctor *d, uint32_t bits)
{
    static const struct { const char *now, *before, *hint; } causes[] = {
        { "the supply's voltage is too low", "the supply's voltage was too low",
          "take a stronger supply (Pi 5: 5 V, 5 A) and a short cable" },
        { "the clock is capped", "the clock was capped", "see voltage and heat" },
        { "it is throttled", "it was throttled", "see voltage and heat" },
        { "the soft limit of temperature is reached", "the soft limit of temperature was reached",
          "give it a heat sink or a fan" },
    };
    doctor_fact_number(d, "throttled_bits", bits);
    if (bits == 0) doctor_say(d, DOCTOR_OK, "throttling", NULL, "none since it was started");
    for (int i = 0; i < 4; i++) {
        if (bits >> i & 1)
            doctor_say(d, DOCTOR_WARNING, "throttling", causes[i].hint, "%s (bit %d of 0x%x)", causes[i].now, i,
                       (unsigned)bits);
        else if (bits >> (16 + i) & 1)
            doctor_say(d, DOCTOR_NOTE, "throttling", causes[i].hint, "%s since it was started (bit %d of 0x%x)",
                       causes[i].before, 16 + i, (unsigned)bits);
    }
}

static void look_at_raspberry(doctor *d)
{
    uint32_t bits;
    if (read_throttled(d, &bits)) say_throttled(d, bits);
    else if (doctor_exists(d, "/dev/vcio") && !doctor_may_read(d, "/dev/vcio"))
        doctor_say(d, DOCTOR_NOTE, "throttling", "sudo usermod -aG video $USER, and log in again",
                   "not told: /dev/vcio may not be opened");
    else doctor_say(d, DOCTOR_NOTE, "throttling", "vcgencmd get_throttled may say more",
                    "not told by the firmware");
}

void doctor_look_at_clocks(doctor *d)
{
    look_at_frequency(d);
    look_at_heat(d);
    if (d->is_raspberry) look_at_raspberry(d);
}
