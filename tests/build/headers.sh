#!/bin/sh
# SPDX-License-Identifier: MIT
# headers.sh [CC] - each public header compiles alone as C11 and as C++17, without a warning, EINF_INIT and
# EPROF_INIT work in both, and a program compiled with EPROF_DISABLE needs no library.
# shellcheck disable=SC2086 # $flags is a list
set -eu
cc=${1:-gcc}
case $cc in *clang*) cxx=clang++ ;; *) cxx=g++ ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-Wall -Wextra -Wconversion -Wshadow -pedantic -Werror -Iinclude"
for header in include/edgeinfer/*.h include/edgeprof/*.h; do
    echo "#include <${header#include/}>" >"$work/t.c"
    cp "$work/t.c" "$work/t.cc"
    "$cc" -std=c11 $flags -fsyntax-only "$work/t.c"
    "$cxx" -std=c++17 $flags -fsyntax-only "$work/t.cc"
    echo "ok    $header"
done
cat >"$work/init.cc" <<'CODE'
#include <edgeinfer/lowlevel.h>
int main()
{
    einf_error e = EINF_INIT(einf_error);
    einf_session_config c = EINF_INIT(einf_session_config);
    return e.struct_size == sizeof e && c.struct_size == sizeof c && c.n_ctx == 0 && e.message[0] == 0 ? 0 : 1;
}
CODE
cp "$work/init.cc" "$work/init.c"
sed -i 's/main()/main(void)/' "$work/init.c"
"$cc" -std=c11 $flags -o "$work/init-c" "$work/init.c"
"$work/init-c"
"$cxx" -std=c++17 $flags -o "$work/init-cxx" "$work/init.cc"
"$work/init-cxx"
echo "ok    EINF_INIT in C and C++"

# What EPROF_DISABLE leaves: begin gives nothing, results are absent, loops over sources and regions end at once.
cat >"$work/disabled.cc" <<'CODE'
#include <edgeprof/laws.h>
int main()
{
    eprof *p;
    eprof_error e = EPROF_INIT(eprof_error);
    eprof_config c = EPROF_INIT(eprof_config);
    eprof_result r = EPROF_INIT(eprof_result);
    eprof_source_info s = EPROF_INIT(eprof_source_info);
    eprof_overhead o = EPROF_INIT(eprof_overhead);
    eprof_audit a = EPROF_INIT(eprof_audit);
    double joules = 1;
    int failed = eprof_create(&c, &p, &e) || p || eprof_start(p, &e) || eprof_baseline(p, 1e9, &e);
    const eprof_region g = eprof_begin(p, 0, "g");
    eprof_annotate(p, g, "key", 1);
    failed |= g != 0 || eprof_peek(p, g, &r, &e) || eprof_joules(p, g, &joules, &e) || eprof_has(joules);
    r.elapsed_s = r.cpu.own_core_s = r.ram.pss_mib = r.energy[7].net_j = 1;
    failed |= eprof_end(p, g, &r, &e) || r.struct_size != sizeof r || r.n_energies || eprof_has(r.elapsed_s) ||
              eprof_has(r.cpu.own_core_s) || eprof_has(r.ram.pss_mib) || eprof_has(r.energy[7].net_j);
    failed |= eprof_stop(p, NULL) || eprof_source(p, 0, &s, &e) != EPROF_E_ARG || eprof_result_of(p, 0, &r, 0) == 0;
    failed |= eprof_audit_of(p, &a, &e) || eprof_has(a.total_j) || eprof_overhead_of(p, &o, &e) || eprof_has(o.core_s);
    failed |= eprof_replay("log", &p, &e) || eprof_write(p, EPROF_JSON, 0, 0, &e) || eprof_write_result(&r, 0, 0, &e);
    failed |= eprof_status_name(EPROF_E_ARG)[6] != 'E' || eprof_flag_name(0)[0] != 'g' || eprof_abi_version() != 0;
    eprof_destroy(&p);
    return failed;
}
CODE
sed 's/main()/main(void)/' "$work/disabled.cc" >"$work/disabled.c"
"$cc" -std=c11 $flags -DEPROF_DISABLE -o "$work/disabled-c" "$work/disabled.c"
"$work/disabled-c"
"$cxx" -std=c++17 $flags -DEPROF_DISABLE -o "$work/disabled-cxx" "$work/disabled.cc"
"$work/disabled-cxx"
echo "ok    EPROF_DISABLE in C and C++, without the library"
