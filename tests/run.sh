#!/bin/sh
# Run test programs one after another; print a line for each, the output of those that fail, and a count at the end.
# A program prints "SKIP: reason" for each test that lacked its data. REQUIRE_DATA=1 makes that a failure.
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for program in "$@"; do
    if "$program" >"$log" 2>&1; then ok=1; else ok=0; fi
    n=$(grep -c '^SKIP' "$log")
    skipped=$((skipped + n))
    [ "$n" -gt 0 ] && [ "${REQUIRE_DATA:-0}" = 1 ] && ok=0
    if [ $ok = 1 ]; then
        passed=$((passed + 1)); echo "ok    ${program#*/tests/}$([ "$n" -gt 0 ] && echo " ($n skipped)")"
    else
        failed=$((failed + 1)); echo "FAIL  $program"; grep -v -e '^\[ *\(RUN\|OK\) *\]' "$log" | tail -60
    fi
done
echo "tests: $passed programs passed, $failed failed, $skipped tests skipped for want of data"
[ $failed = 0 ]
