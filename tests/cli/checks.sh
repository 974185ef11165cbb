# SPDX-License-Identifier: MIT
# checks.sh - what the scripts of this folder share; read by them with ".", after they have set bin (the program), here
# (this folder) and, where it is not edgeinfer, program (what it calls itself). They run from the root of the tree.
unset EINF_THREADS EINF_CPU_FORBID
LC_ALL=C; export LC_ALL

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
out=$tmp/out err=$tmp/err
checks=0 failures=0 skips=0

note_failure() {
    failures=$((failures + 1))
    echo "FAIL: $1"
    echo "  stdout: $(head -c 300 "$out" | tr '\0\n' '?|')"
    echo "  stderr: $(head -c 600 "$err" | tr '\0\n' '?|')"
}
# check NAME COMMAND...: the command succeeds.
check() {
    name=$1; shift
    checks=$((checks + 1))
    "$@" || note_failure "$name"
}
# expect CODE NAME ARGS...: run the program with stdin at its end; its exit code. Nothing may wait.
expect() {
    want=$1 name=$2; shift 2
    checks=$((checks + 1))
    timeout 120 "$bin" "$@" >"$out" 2>"$err" </dev/null
    got=$?
    [ $got = "$want" ] || note_failure "$name: exit code $got, expected $want"
}
# refuse CODE TEXT ARGS...: that code, nothing on stdout, and stderr begins with our name and holds the text.
refuse() {
    want=$1 text=$2; shift 2
    expect "$want" "$*" "$@"
    check "$*: stdout is empty" test ! -s "$out"
    check "$*: stderr names the command" grep -q "^${program:-edgeinfer}: " "$err"
    check "$*: stderr says \"$text\"" grep -qF -e "$text" "$err"
}
out_has() { grep -qF -e "$1" "$out"; }
err_has() { grep -qF -e "$1" "$err"; }
# json PATH: the value in the object on stdout; fails when stdout is not exactly one JSON value.
json() { awk -v want="$1" -f "$here/json.awk" <"$out" 2>>"$err"; }
json_is() { [ "$(json "$1")" = "$2" ]; }
# number PATH: the same, 0 when it is not there.
number() { v=$(json "$1" 2>/dev/null); echo "${v:-0}"; }
json_is_number() { [ -z "$(json "$1" | grep -v '^[0-9][0-9.e-]*$')" ] && [ -n "$(json "$1")" ]; }
one_object() { [ "$(wc -l <"$out")" = 1 ] && [ "$(head -c 1 "$out")" = '{' ] && json '' >/dev/null; }
size_is() { [ "$(wc -c <"$1")" -eq "$2" ]; }
at_most() { [ "$1" -le "$2" ]; }
at_least() { [ "$1" -ge "$2" ]; }
skip() { skips=$((skips + 1)); echo "SKIP: $1"; }

[ -x "$bin" ] || { echo "FAIL: there is no program $bin"; exit 1; }
# finish: the last line counts; the exit status is 1 when a check failed.
finish() {
    echo "$(basename "$0"): $checks checks, $failures failed, $skips skipped"
    [ $failures = 0 ]
    exit
}
