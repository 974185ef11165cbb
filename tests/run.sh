#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh COMMAND... - run tests one after another; a line for each, the output of those that fail, a count at the end.
# A test prints "SKIP: reason" for each part that lacked its data; the count of skips is that of these lines.
# REQUIRE_DATA=1 makes them failures. EMULATOR: a command that runs the programs among the tests.
# LABEL: what each line begins with, for two runs at once.
passed=0 failed=0 skipped=0 label=${LABEL:+$LABEL: }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for test in "$@"; do
    start=$(date +%s)
    case $test in
        *.sh | *.sh\ *) emulator='' ;; # scripts run here, what they test by itself
        *) emulator=${EMULATOR:-} ;;
    esac
    if sh -c "$emulator $test" >"$log" 2>&1; then ok=1; else ok=0; fi
    seconds=$(($(date +%s) - start))
    n=$(grep -c '^SKIP' "$log")
    skipped=$((skipped + n))
    [ "$n" -gt 0 ] && [ "${REQUIRE_DATA:-0}" = 1 ] && ok=0
    name=${test#*/tests/} note=
    [ "$n" -gt 0 ] && note=" ($n skipped)"
    [ "$seconds" -gt 4 ] && note="$note ($seconds s)"
    if [ $ok = 1 ]; then
        passed=$((passed + 1)); echo "${label}ok    $name$note"
    else
        failed=$((failed + 1)); echo "${label}FAIL  $name$note"; grep -v -e '^\[ *\(RUN\|OK\) *\]' "$log" | tail -60
    fi
done
echo "${label}tests: $passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
