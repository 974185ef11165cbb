#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh COMMAND... - run tests, one on each CPU (TEST_JOBS); a line for each, the output of those that fail, a count at
# the end. A test prints "SKIP: reason" for each part that lacked its data; the count of skips is that of these lines.
# REQUIRE_DATA=1 makes them failures. EMULATOR: a command that runs the programs among the tests.
# LABEL: what each line begins with, for two runs at once.
label=${LABEL:+$LABEL: }

run_one() { # run_one COMMAND: its line, printed at once so that lines of others do not cut it, and its marks in $RESULTS
    test=$1
    log=$(mktemp "$RESULTS/log.XXXXXX")
    start=$(date +%s)
    case $test in
        *.sh | *.sh\ *) emulator='' ;; # scripts run here, what they test by itself
        *) emulator=${EMULATOR:-} ;;
    esac
    if sh -c "$emulator $test" >"$log" 2>&1; then verdict=ok; else verdict=FAIL; fi
    seconds=$(($(date +%s) - start))
    n=$(grep -c '^SKIP' "$log")
    [ "$n" -gt 0 ] && [ "${REQUIRE_DATA:-0}" = 1 ] && verdict=FAIL
    note=
    [ "$n" -gt 0 ] && note=" ($n skipped)"
    [ "$seconds" -gt 4 ] && note="$note ($seconds s)"
    {
        printf '%-5s %s\n' $verdict "${test#*/tests/}$note"
        [ $verdict = ok ] || grep -v -e '^\[ *\(RUN\|OK\) *\]' "$log" | tail -60
    } | sed "1s/^/$label/" >"$log.out"
    cat "$log.out"
    echo "$verdict $n" >"$log.mark"
}

if [ -n "${RESULTS:-}" ]; then # called by the xargs below
    run_one "$1"
    exit 0
fi
RESULTS=$(mktemp -d)
export RESULTS
trap 'rm -rf "$RESULTS"' EXIT
[ $# = 0 ] || printf '%s\0' "$@" | xargs -0 -n 1 -P "${TEST_JOBS:-$(nproc)}" "$0"
find "$RESULTS" -name '*.mark' -exec cat {} + | awk -v label="$label" -v n_tests=$# '
    { $1 == "ok" ? passed++ : failed++; skipped += $2 }
    END {
        failed += n_tests - passed - failed # those that ended without a mark
        printf "%stests: %d passed, %d failed, %d skipped\n", label, passed, failed, skipped
        exit failed > 0
    }'
