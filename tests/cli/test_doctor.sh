#!/bin/sh
# SPDX-License-Identifier: MIT
# test_doctor.sh [PROGRAM] - what the doctor finds on machines that are folders: a Raspberry Pi 5 in trouble, an Intel
# laptop, a small container on a big host, and an empty one; and that it runs on the machine at hand.

bin=${1:-build/bin/edgeinfer}
here=$(dirname "$0")
model=models/small-world/small-world-Q4_K_M.gguf
. "$here/checks.sh"
sys=$tmp/machine

new_machine() { rm -rf "$sys"; mkdir -p "$sys/proc" "$sys/sys"; }
# put PATH TEXT: a file of the machine, with backslash escapes.
put() { mkdir -p "$sys$(dirname "$1")"; printf -- "$2" >"$sys$1"; }
# line LEVEL TOPIC TEXT: a finding, with the text somewhere in it.
line() { grep "^$1 *$2 " "$out" | grep -qF -e "$3"; }
hint() { grep -qF -e "-> $1" "$out"; }
doctor() { expect 0 "doctor on $1" doctor --sysroot "$sys"; }

# ------------------------------------------------------------------------------------------ Raspberry Pi 5 --
new_machine
put /proc/device-tree/model 'Raspberry Pi 5 Model B Rev 1.0\000'
for cpu in 0 1 2 3; do
    printf 'processor\t: %s\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd asimddp\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\n' $cpu
    put /sys/devices/system/cpu/cpu$cpu/topology/thread_siblings_list "$cpu\n"
    put /sys/devices/system/cpu/cpu$cpu/cpufreq/scaling_governor 'powersave\n'
    put /sys/devices/system/cpu/cpu$cpu/cpufreq/scaling_driver 'cpufreq-dt\n'
    put /sys/devices/system/cpu/cpu$cpu/cpufreq/scaling_cur_freq '1500000\n'
    put /sys/devices/system/cpu/cpu$cpu/cpufreq/scaling_max_freq '1800000\n'
    put /sys/devices/system/cpu/cpu$cpu/cpufreq/cpuinfo_max_freq '2400000\n'
done >"$tmp/cpuinfo"
put /proc/cpuinfo "$(cat "$tmp/cpuinfo")\n"
put /sys/devices/system/cpu/online '0-3\n'
put /proc/self/status 'Name:\tedgeinfer\nCpus_allowed_list:\t0-1\nCapEff:\t0000000000000000\n'
put /proc/self/cgroup '0::/user.slice/user-1000.slice/session-3.scope\n'
put /proc/meminfo 'MemTotal:        8255616 kB\nMemFree:          100000 kB\nMemAvailable:    1048576 kB\nSwapTotal:        204784 kB\nSwapFree:          10000 kB\n'
put /sys/kernel/mm/transparent_hugepage/enabled 'always [madvise] never\n'
put /sys/class/thermal/thermal_zone0/type 'cpu-thermal\n'
put /sys/class/thermal/thermal_zone0/temp '84500\n'
put /sys/devices/platform/soc/soc:firmware/get_throttled '50005\n'
put /sys/class/hwmon/hwmon0/name 'cpu_thermal\n'
put /sys/class/hwmon/hwmon1/name 'ina238\n'
put /sys/class/hwmon/hwmon1/power1_input '5120000\n'
put /dev/vcio ''
doctor "a Raspberry Pi 5"
check "Pi: stderr is empty" test ! -s "$err"
check "Pi: board" line ok board 'Raspberry Pi 5 Model B Rev 1.0'
check "Pi: processor" line ok processor '4 x Cortex-A76'
check "Pi: cores" line ok cores '4'
check "Pi: affinity" line note affinity 'may run on 2 of 4 CPUs (0-1)'
check "Pi: memory" line warning memory '1.00 GiB available of 7.87 GiB'
check "Pi: swap" line note swap '9.77 MiB free of 200 MiB'
check "Pi: huge pages" line ok 'huge pages' madvise
check "Pi: governor" line warning clock '1500 MHz now, 2400 at most, governor powersave: held at the lowest frequency'
check "Pi: what to do" hint 'echo schedutil | sudo tee'
check "Pi: limited" line warning clock 'limited to 1800 of 2400 MHz'
check "Pi: heat" line warning heat '84.5 C (cpu-thermal)'
check "Pi: voltage now" line warning throttling "the supply's voltage is too low (bit 0 of 0x50005)"
check "Pi: throttled now" line warning throttling 'it is throttled (bit 2 of 0x50005)'
check "Pi: what was and is, is told once" test "$(grep -c throttling "$out")" = 2
check "Pi: sensor" line ok energy 'sensor: ina238'
check "Pi: a sensor of heat is none of energy" sh -c "! grep -q 'energy.*cpu_thermal' '$out'"
check "Pi: PMIC" line ok energy 'Raspberry Pi 5 PMIC: /dev/vcio'
put /sys/devices/platform/soc/soc:firmware/get_throttled '80000\n'
doctor "a Pi that was hot"
check "was hot" line note throttling 'the soft limit of temperature was reached since it was started (bit 19 of 0x80000)'
put /sys/devices/platform/soc/soc:firmware/get_throttled '0\n'
doctor "a Pi that is well"
check "well" line ok throttling 'none since'
rm -r "$sys/sys/devices/platform"
doctor "a Pi that does not tell"
check "does not tell" line note throttling 'not told'
expect 0 "doctor on a Pi, --json" doctor --sysroot "$sys" --json
check "--json: one object" one_object
for pair in "facts.board Raspberry Pi 5 Model B Rev 1.0" "facts.n_cpus 4" "facts.n_cpus_allowed 2" \
    "facts.mem_available_bytes 1073741824" "facts.clock_limit_mhz 1800" "facts.hottest_c 84.5" "facts.governor powersave" \
    "facts.energy_sources.0.kind Raspberry Pi 5 PMIC" "facts.energy_sources.0.readable true" \
    "findings.0.level ok" "findings.0.topic board"; do
    check "--json: $pair" json_is "${pair%% *}" "${pair#* }"
done

# A user outside the group video, where this test may become another user.
if [ "$(id -u)" = 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
    chmod 755 "$tmp"; chmod 600 "$sys/dev/vcio"; cp "$bin" "$tmp/edgeinfer"
    setpriv --reuid=65534 --regid=65534 --clear-groups "$tmp/edgeinfer" doctor --sysroot "$sys" >"$out" 2>"$err"
    check "without the group: PMIC" line note energy 'Raspberry Pi 5 PMIC: /dev/vcio, but this user may not read it'
    check "without the group: throttling" line note throttling '/dev/vcio may not be opened'
    check "without the group: what to do" hint 'sudo usermod -aG video $USER, and log in again'
elif [ "$(id -u)" != 0 ]; then
    chmod 000 "$sys/dev/vcio"
    doctor "a Pi without rights"
    check "without rights: PMIC" line note energy 'Raspberry Pi 5 PMIC: /dev/vcio, but this user may not read it'
fi

# -------------------------------------------------------------------------------------------- Intel laptop --
new_machine
put /sys/class/dmi/id/sys_vendor 'LENOVO\n'
put /sys/class/dmi/id/product_name '21HD\n'
put /proc/cpuinfo 'processor\t: 0\nmodel name\t: 13th Gen Intel(R) Core(TM) i5-1340P\nflags\t\t: fpu avx2\n'
put /sys/devices/system/cpu/online '0-5\n'
put /sys/devices/cpu_core/cpus '0-3\n'
put /sys/devices/cpu_atom/cpus '4-5\n'
for cpu in 0 1 2 3; do put /sys/devices/system/cpu/cpu$cpu/topology/thread_siblings_list "$((cpu / 2 * 2))-$((cpu / 2 * 2 + 1))\n"; done
for cpu in 4 5; do put /sys/devices/system/cpu/cpu$cpu/topology/thread_siblings_list "$cpu\n"; done
put /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 'powersave\n'
put /sys/devices/system/cpu/cpu0/cpufreq/scaling_driver 'intel_pstate\n'
put /sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq '2100000\n'
put /sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq '4600000\n'
put /sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq '4600000\n'
put /sys/devices/system/cpu/intel_pstate/no_turbo '1\n'
put /sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count '17\n'
put /proc/self/status 'Cpus_allowed_list:\t0-5\nCapEff:\t0000000000000000\n'
put /proc/self/cgroup '0::/\n'
put /proc/meminfo 'MemTotal:       16000000 kB\nMemAvailable:   12000000 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n'
put /sys/class/thermal/thermal_zone0/type 'acpitz\n'
put /sys/class/thermal/thermal_zone0/temp '41000\n'
put /sys/class/thermal/thermal_zone1/type 'x86_pkg_temp\n'
put /sys/class/thermal/thermal_zone1/temp '62000\n'
put /proc/sys/kernel/perf_event_paranoid '4\n'
for event in energy-pkg energy-cores; do
    put /sys/bus/event_source/devices/power/events/$event 'event=0x02\n'
    put /sys/bus/event_source/devices/power/events/$event.unit 'Joules\n'
    put /sys/bus/event_source/devices/power/events/$event.scale '2.3283064365386962890625e-10\n'
done
put /sys/class/powercap/intel-rapl:0/name 'package-0\n'
put /sys/class/powercap/intel-rapl:0/energy_uj '123456\n'
mkdir -p "$sys/sys/class/powercap/intel-rapl"
put /sys/class/power_supply/BAT0/type 'Battery\n'
put /sys/class/power_supply/BAT0/status 'Charging\n'
put /sys/class/power_supply/BAT0/power_now '8000000\n'
put /sys/class/power_supply/AC/type 'Mains\n'
put /sys/class/power_supply/hidpp_battery_0/type 'Battery\n'
put /sys/class/power_supply/hidpp_battery_0/scope 'Device\n'
put /sys/class/power_supply/hidpp_battery_0/current_now '1\n'
doctor "a laptop"
check "laptop: board" line ok board 'LENOVO 21HD'
check "laptop: processor" line ok processor '13th Gen Intel(R) Core(TM) i5-1340P'
check "laptop: cores" line ok cores '4, with 6 hardware threads: 2 performance and 2 efficiency cores'
check "laptop: no finding on affinity" sh -c "! grep -q affinity '$out'"
check "laptop: powersave is no fault of intel_pstate" line ok clock '2100 MHz now, 4600 at most, governor powersave'
check "laptop: turbo" line note clock 'turbo is switched off'
check "laptop: the hottest zone" line ok heat '62.0 C (x86_pkg_temp)'
check "laptop: throttle count" line note heat '17 times'
check "laptop: swap" line ok swap none
check "laptop: perf is locked" line note energy 'perf events: energy-cores, energy-pkg, but this user may not read it'
check "laptop: what unlocks it" hint 'sudo sysctl kernel.perf_event_paranoid=0'
check "laptop: powercap" line ok energy 'powercap: package-0'
check "laptop: battery" line ok energy 'battery: BAT0'
check "laptop: battery is charging" line note energy 'BAT0 measures the machine only while it discharges; it is Charging'
check "laptop: the battery of a mouse is none" sh -c "! grep -q hidpp '$out'"
check "laptop: nothing of a Pi" sh -c "! grep -qi 'throttling\|PMIC' '$out'"
put /proc/self/status 'Cpus_allowed_list:\t0-5\nCapEff:\t0000004000000000\n' # CAP_PERFMON
doctor "a laptop with CAP_PERFMON"
check "CAP_PERFMON unlocks perf" sh -c "grep -q '^ok *energy *perf events: energy-cores, energy-pkg\$' '$out'"
put /proc/self/status 'Cpus_allowed_list:\t0-5\nCapEff:\t0000000000000000\n'
put /proc/sys/kernel/perf_event_paranoid '0\n'
doctor "a laptop that lets everybody count"
check "perf_event_paranoid 0 unlocks perf" line ok energy 'perf events: energy-cores, energy-pkg'

# ---------------------------------------------------------------------------------------------- container --
new_machine
put /.dockerenv ''
put /proc/cpuinfo 'processor\t: 0\nmodel name\t: AMD EPYC 7763\nflags\t\t: fpu avx2 hypervisor\n'
put /sys/devices/system/cpu/online '0-31\n'
put /proc/self/status 'Cpus_allowed_list:\t0-31\nCapEff:\t0\n'
put /proc/meminfo 'MemTotal:       264000000 kB\nMemAvailable:   200000000 kB\nSwapTotal:             0 kB\n'
put /proc/self/cgroup '0::/\n'
put /sys/fs/cgroup/cpu.max '150000 100000\n'
put /sys/fs/cgroup/memory.max '2147483648\n'
put /sys/fs/cgroup/memory.current '1610612736\n'
put /sys/fs/cgroup/memory.stat 'anon 1\nfile 2\ninactive_file 536870912\n'
put /sys/bus/event_source/devices/power/events/energy-psys 'event=0x05\n'
put /proc/sys/kernel/perf_event_paranoid '0\n'
doctor "a container"
check "container: is one" line note host 'a container'
check "container: on a virtual machine" line note host 'a virtual machine'
check "container: quota" line warning quota 'the time of 1.50 of 32 cores'
check "container: limit" line note limit 'grants 2.00 GiB of memory, of which 1.00 GiB are left'
check "container: psys" line note energy 'mostly stands at 0'
expect 0 "doctor on a container, --json" doctor --sysroot "$sys" --json
check "container: cpu_quota_cores" json_is facts.cpu_quota_cores 1.5
check "container: cgroup_memory_limit_bytes" json_is facts.cgroup_memory_limit_bytes 2147483648
check "container: memory_room_bytes" json_is facts.memory_room_bytes 1073741824
rm -r "$sys/sys/fs"
put /proc/self/cgroup '5:cpu,cpuacct:/docker/ab\n4:memory:/docker/ab\n0::/\n'
put /sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us '-1\n'
put /sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us '100000\n'
put /sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_quota_us '400000\n'
put /sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_period_us '100000\n'
put /sys/fs/cgroup/memory/memory.limit_in_bytes '9223372036854771712\n'
put /sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes '52428800\n'
put /sys/fs/cgroup/memory/docker/ab/memory.usage_in_bytes '33554432\n'
doctor "a container of cgroup v1"
check "v1: quota" line warning quota 'the time of 4.00 of 32 cores'
check "v1: limit" line note limit 'grants 50.0 MiB of memory, of which 18.0 MiB are left'

# ------------------------------------------------------------------------------------------- with a model --
expect 0 "doctor with a model" doctor -m "$model" --sysroot "$sys"
check "model: how far it fits" line ok fit ' of 2048 takes '
check "model: of what" line ok fit ' of 18.0 MiB'
check "model: no room for the measurement" line note speed 'not estimated'
put /sys/fs/cgroup/memory/docker/ab/memory.usage_in_bytes '52428800\n'
expect 0 "doctor with a model, no memory" doctor "$model" --sysroot "$sys"
check "model: does not fit" line warning fit ', and 0 bytes are left'
new_machine
put /proc/meminfo 'MemTotal:       8000000 kB\nMemAvailable:   6000000 kB\n'
put /sys/devices/system/cpu/cpu0/cache/index2/size '64K\n'
expect 0 "doctor with a model that no cache holds" doctor "$model" --sysroot "$sys" -t 1
check "model: bandwidth" line ok bandwidth 'GB/s by 1 thread'
check "model: bound" line ok speed 'of weights: at most about '
check "model: an estimate" line ok speed '(an estimate)'
expect 0 "doctor with a model, --json" doctor "$model" --sysroot "$sys" -t 1 --json
bandwidth=$(json facts.read_bandwidth.0.gb_per_s) weights=$(json facts.weight_bytes_per_token) bound=$(json facts.decode_bound_tok_per_s)
check "model: bandwidth above 0.1 GB/s" awk -v b="$bandwidth" 'BEGIN { exit !(b > 0.1 && b < 10000) }'
check "model: weights of a token" at_least "$weights" 1500000
check "model: the bound is their quotient" awk -v b="$bandwidth" -v w="$weights" -v t="$bound" \
    'BEGIN { q = b * 1e9 / w / t; exit !(q > 0.999 && q < 1.001) }'
check "model: contexts" json_is facts.contexts.2.n_ctx 2048
check "model: bytes of a context are those of plan" test "$(json facts.contexts.0.private_bytes)" = \
    "$("$bin" plan "$model" -c 512 -t 1 --json | awk -v want=private_bytes -f "$here/json.awk")"

# ------------------------------------------------------------------------------------- nothing, and this one --
new_machine
doctor "an empty machine"
check "empty: stderr is empty" test ! -s "$err"
check "empty: board" line ok board 'not told'
check "empty: energy" line note energy 'no source'
printf 'not a number\n' >"$tmp/odd"
for file in /proc/meminfo /proc/cpuinfo /proc/self/cgroup /proc/self/status /sys/devices/system/cpu/online \
    /sys/class/thermal/thermal_zone0/temp /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor; do
    put $file 'not a number\n\377\033[31m:::\n'
done
mkfifo "$sys/sys/class/thermal/thermal_zone0/type"
mkdir -p "$sys/proc/device-tree/model"
doctor "a machine of nonsense"
check "nonsense: no control characters on stdout" sh -c "! LC_ALL=C grep -q '[[:cntrl:]]' '$out'"
expect 0 "doctor" doctor
for topic in processor library SIMD kernels PCRE2; do check "this machine: $topic" grep -q "^[a-z]* *$topic " "$out"; done
check "this machine: every line is a finding or a hint" test -z "$(grep -v -e '^\(ok\|note\|warning\)  *[A-Za-z0-9]' -e '^ * -> ' "$out")"
expect 0 "doctor --json" doctor --json
check "this machine, --json: one object" one_object
check "this machine, --json: kernels" json_is_number facts.n_kernels_by_rung.ref
EINF_CPU_FORBID=all; export EINF_CPU_FORBID
expect 0 "doctor under a mask" doctor
check "under a mask: plain C" line warning kernels 'which is plain C'
unset EINF_CPU_FORBID
refuse 2 "which is no folder" doctor --sysroot "$tmp/none"
refuse 1 "none.gguf" doctor "$tmp/none.gguf"
refuse 3 "README.md" doctor README.md
finish
