#!/bin/sh
# SPDX-License-Identifier: MIT
# test_edgeprof.sh [PROGRAM] - the edgeprof command: streams, exit codes, signals, logs that replay to the same numbers,
# pages; that help, manual and completion agree.
#
# Energy is that of the model where nothing measures, so every check holds on any machine. The last line counts; the exit
# status is 1 when a check failed.

bin=${1:-build/bin/edgeprof}
program=edgeprof
here=$(dirname "$0")
. "$here/checks.sh"
root=$PWD
verbs="run sources watch replay report"

# ---------------------------------------------------------------------------------------------- help, usage --
expect 0 "no arguments"
check "no arguments: a dozen lines" at_most "$(wc -l <"$out")" 16
expect 0 "help" help
cp "$out" "$tmp/help"
expect 0 "--help" --help
check "help is --help" cmp -s "$out" "$tmp/help"
for verb in $verbs; do
    check "help lists $verb" grep -q "^  $verb " "$tmp/help"
    expect 0 "$verb --help" "$verb" --help
    check "$verb --help: 40 lines at most" at_most "$(wc -l <"$out")" 40
    check "$verb --help: 110 columns at most" test -z "$(awk 'length > 110' "$out")"
    check "$verb --help: examples" out_has "  edgeprof $verb"
    check "$verb --help: exit codes" out_has "exit codes: "
    cp "$out" "$tmp/verb"
    expect 0 "help $verb" help "$verb"
    check "help $verb is $verb --help" cmp -s "$out" "$tmp/verb"
    sed 's/\\-/-/g; s/\\fB//g; s/\\fR//g' docs/edgeprof.1 >"$tmp/man"
    check "the manual has $verb" grep -qx "\.B $verb" "$tmp/man"
    awk '/^options:/ { on = 1; next } /^$/ { on = 0 } on' "$tmp/verb" | cut -c1-31 | sed 's/^ *//; s/ *$//' >"$tmp/left"
    while read -r option; do
        check "the manual has \"$option\" of $verb" grep -qFx -e ".B $option" "$tmp/man"
    done <"$tmp/left"
    refuse 2 "has no option --frobnicate" "$verb" --frobnicate=1
    refuse 2 "has no option -Z" "$verb" -Z
done
if command -v groff >/dev/null 2>&1; then
    groff -man -ww -z docs/edgeprof.1 >"$out" 2>&1
    check "groff has no complaint" test ! -s "$out"
fi
expect 0 "--version" --version
check "--version" grep -q '^edgeprof [0-9]*\.[0-9]*\.[0-9]* (interface [0-9]*)$' "$out"
refuse 2 "did you mean edgeprof sources?" source
refuse 2 "edgeprof help lists the verbs" frobnicate
refuse 2 "did you mean --baseline?" run --basline 3 -- true
refuse 2 "run needs a command" run
refuse 2 "run needs a command" run --json --
refuse 2 "--hz is \"0\", expected a number from 1 to 100" run --hz 0 -- true
refuse 2 "--baseline is \"x\"" run --baseline x -- true
refuse 2 "--report needs a value" run --report
refuse 2 "replay needs a log" replay
refuse 2 "is one too many" replay a b
refuse 2 "exclude each other" replay a --json --csv
refuse 2 "report needs -o FILE" report a
refuse 2 "takes no operand" sources x

# -------------------------------------------------------------------------------------------------- run --
expect 0 "run" run -- echo "two words"
check "run: stdout passes through, alone" test "$(cat "$out")" = "two words"
check "run: says what it cost" err_has "elapsed"
expect 0 "run -q" run -q -- echo x
check "run -q: stderr is empty" test ! -s "$err"
printf 'through' | "$bin" run -q -- cat >"$out" 2>"$err"
check "run: stdin passes through" test "$(cat "$out")" = through
expect 7 "run: the exit status" run -q -- sh -c 'exit 7'
expect 137 "run: the signal" run -q -- sh -c 'kill -9 $$'
expect 127 "run: a command that is not there" run -- "$tmp/none"
check "run: names it" err_has "cannot run $tmp/none"
: >"$tmp/plain"
expect 126 "run: a file that cannot be run" run -- "$tmp/plain"
expect 125 "run: a log that cannot be written" run -o "$tmp/no/folder" -- touch "$tmp/touched"
check "run: the command did not run" test ! -e "$tmp/touched"
expect 125 "run: a source that is not there" run --sources frobnicate -- true
expect 2 "run: options behind the command are its own" run -q -- sh -c 'exit "$1"' sh 2 --json
expect 4 "run: without --" run -q sh -c 'exit 4'

expect 3 "run --json" run --json --sources none -- sh -c 'echo out; i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done; exit 3'
check "run --json: one object" one_object
check "run --json: the command's stdout on stderr" grep -qx out "$err"
for key in elapsed_s cpu_core_s ram_peak_mib exit_status cpu.own_core_s; do
    check "run --json: $key is a number" json_is_number $key
done
check "run --json: exit_status" json_is exit_status 3
check "run --json: no source, no energy" json_is energy.length 0
check "run --json: CPU time below the time" awk "BEGIN { exit !($(number cpu_core_s) > 0 && $(number cpu_core_s) <= $(number elapsed_s) + 0.05) }"
check "run --json: the samples agree with the kernel" awk "BEGIN { d = $(number cpu_core_s) - $(number cpu.own_core_s); exit !(d < 0.06 && d > -0.06) }"
expect 0 "run --json: sleep" run --json --sources none -- sleep 0.5
check "run --json: half a second" awk "BEGIN { exit !($(number elapsed_s) >= 0.5 && $(number elapsed_s) < 3) }"
check "run --json: sleeping is no CPU time" awk "BEGIN { exit !($(number cpu_core_s) < 0.1) }"
expect 0 "run --json: memory" run --json --sources none -- sh -c 'x=$(head -c 40000000 /dev/zero | tr "\0" x); sleep 0.5'
check "run --json: 38 MiB at least" awk "BEGIN { exit !($(number ram_peak_mib) >= 38) }"
expect 0 "run --json: an estimate" run --json --sources model -- sleep 0.3
check "run --json: energy by the model" json_is energy.0.class model
check "run --json: gross energy" json_is_number energy.0.gross_j
json energy.0.net_j >/dev/null 2>&1
check "run --json: no net energy without idle time" test $? = 2

# Signals: sent to us they reach the command; our exit status is the command's.
"$bin" run -q --sources none -- sh -c 'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done' >"$out" 2>"$err" &
pid=$!
for _ in $(seq 100); do [ -s "$out" ] && break; sleep 0.1; done
kill -TERM $pid
wait $pid
check "SIGTERM reaches the command" test $? = 9

# ----------------------------------------------------------------------------------- log, replay, report --
expect 0 "run -o --report" run --sources model -o "$tmp/a.log" --report "$tmp/a.html" -- sh -c 'sleep 0.6; exit 0'
check "a log" grep -qx 'edgeprof-log 1' "$tmp/a.log"
check "the log ends" grep -q '^end ' "$tmp/a.log"
expect 0 "replay --json" replay "$tmp/a.log" --json
check "replay --json: one object" one_object
check "replay --json: the run and its region" json_is regions.length 2
check "replay --json: the region" json_is regions.1.name sh
cp "$out" "$tmp/first"
expect 0 "replay again" replay --json "$tmp/a.log"
check "replay: the same numbers again" cmp -s "$out" "$tmp/first"
expect 0 "replay --csv" replay "$tmp/a.log" --csv
check "replay --csv: a head and two lines" test "$(wc -l <"$out")" = 3
expect 0 "replay" replay "$tmp/a.log"
check "replay: for people" out_has "the whole run"
expect 0 "report" report "$tmp/a.log" -o "$tmp/b.html"
for page in "$tmp/a.html" "$tmp/b.html"; do
    check "a page" grep -q '^<!DOCTYPE html>' "$page"
    check "a page with a picture" grep -q '<svg ' "$page"
    check "a page without scripts and addresses" test -z "$(grep -e '<script' -e 'src=' -e 'href=' "$page")"
done
check "no page is left half" test -z "$(ls "$tmp" | grep part)"
sed '$d' "$tmp/a.log" >"$tmp/cut.log"
expect 0 "replay of a log that was cut" replay "$tmp/cut.log" --json
check "replay of a log that was cut: one object" one_object
refuse 1 "none.log" replay "$tmp/none.log"
refuse 3 "edgeprof-log 1" replay README.md
refuse 3 "edgeprof-log 1" report README.md -o "$tmp/never.html"
check "a failure writes no page" test ! -e "$tmp/never.html"

# -------------------------------------------------------------------------------------------- sources, watch --
expect 0 "sources" sources
check "sources: a table" grep -q '^LIVE ' "$out"
expect 0 "sources --json" sources --json
check "sources --json: one object" one_object
check "sources --json: a list" at_least "$(number sources.length)" 1
expect 0 "sources --sources none" sources --sources none --json
check "sources: none is none" json_is sources.length 0
mkdir -p "$tmp/empty/proc" "$tmp/empty/sys"
expect 0 "sources --sysroot" sources --sysroot "$tmp/empty"
expect 0 "watch" watch -n 2 -s 0.3 --sources model
check "watch: a line a look" test "$(wc -l <"$out")" = 2
check "watch: CPU, RAM, power" grep -q 'CPU .* RAM .* model ' "$out"

# ------------------------------------------------------------------------------------------------ completion --
if command -v bash >/dev/null 2>&1; then
    case $bin in /*) full=$bin ;; *) full=$root/$bin ;; esac
    offers() { # offers EXPECTED WORD...: exactly these, in order, with commas between
        want=$1; shift
        bash --norc --noprofile -c 'source completions/edgeprof.bash || exit 1
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
            _edgeprof
            ((${#COMPREPLY[@]})) && printf "%s\n" "${COMPREPLY[@]}"' bash "$full" "$@" 2>"$err" | LC_ALL=C sort -u >"$out"
        check "\"$*\" is completed to \"$want\"" test "$(paste -s -d , "$out")" = "$want"
    }
    offers replay,report,run r
    offers --baseline,--help,--hz,--json,--output,--quiet,--report,--sources run --
    offers --csv,--help,--json replay --
    offers "" run --hz ""
    offers LICENSE replay LICEN
    offers LICENSE report -o LICEN
    offers sources help so
    offers LICENSE run --json -- cat LICEN
else
    skip "bash is not installed"
fi
finish
