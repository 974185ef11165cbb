#!/bin/sh
# SPDX-License-Identifier: MIT
# fuzz.sh SEARCH... - run libFuzzer programs (.../search-NAME, each beside its replay-NAME) from their seeds, one on each
# CPU, for FUZZ_SECONDS (60) each, or HOURS in all. Seeds are made by replay-NAME and taken from EINF_TEST_DATA;
# what is found lies in FUZZ_DIR: corpus/NAME, which the next run begins with, and findings/NAME. Fails on a finding.
set -eu
dir=${FUZZ_DIR:?}
seconds=${FUZZ_SECONDS:-60}
data=${EINF_TEST_DATA:-}
n_cpus=$(nproc)
n_rounds=$((($# + n_cpus - 1) / n_cpus))
[ -z "${HOURS:-}" ] || seconds=$(awk "BEGIN { print int($HOURS * 3600 / $n_rounds) }")

seeds() { # seeds NAME REPLAY: folders to begin with
    mkdir -p "$dir/seeds/$1" "$dir/corpus/$1" "$dir/findings/$1"
    "$2" --seeds "$dir/seeds/$1"
    case $1 in
        gguf) [ -z "$data" ] || find "$data/hostile-gguf" -type f ! -name LICENSE ! -name '*.dict' -size -64k -exec cp {} "$dir/seeds/gguf" \; ;;
        tokenize) # lines of difficult texts, each behind the bytes that choose a vocabulary
            for text in "$data"/text/blns.txt "$data"/tokenizers/vocabs/qwen2.inp; do
                [ ! -f "$text" ] || awk -v out="$dir/seeds/tokenize/line-" 'length > 3 && NR % 4 == 0 {
                    printf "%c%c%s", 65 + NR % 16, 64 + NR % 4, $0 >(out NR); close(out NR) }' "$text"
            done ;;
    esac
}

search() { # search PROGRAM
    name=${1##*/search-}
    log=$dir/$name.log
    case $name in # long inputs find little that short ones do not, slowly; but a model has its size
        gguf | mmproj) room=196608 ;;
        state) room=16384 ;;
        *) room=4096 ;;
    esac
    set -- "$1" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=2048 -max_len=$room -print_final_stats=1 \
        -artifact_prefix="$dir/findings/$name/" "$dir/corpus/$name" "$dir/seeds/$name"
    [ -d "tests/fuzz/regressions/$name" ] && set -- "$@" "tests/fuzz/regressions/$name"
    if "$@" >"$log" 2>&1; then verdict=ok; else verdict=FAIL; fi
    awk -v verdict="$verdict" -v name="$name" '
        / cov: / { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "corp:") corp = $(i + 1) } }
        /executed_units/ { n = $2 } /average_exec_per_sec/ { rate = $2 } /peak_rss_mb/ { rss = $2 }
        END { printf "%-5s fuzz/%s: %d runs, %d a second, %d edges, corpus %s, %d MB\n", verdict, name, n, rate, cov, corp, rss }
    ' "$log"
    [ $verdict = ok ] && return
    grep -aE 'ERROR|SUMMARY|runtime error|\.[ch]:[0-9]+|returned EINF|message' "$log" | head -30 | sed 's/^/      /'
    for finding in "$dir/findings/$name"/*; do
        echo "      again: ${finding%/*} holds it;  ${1%/*}/replay-$name $finding"
    done
    return 1
}

failed=$(mktemp)
trap 'rm -f "$failed"' EXIT
echo "fuzzing $# targets, $seconds s each, $n_cpus at a time, in $dir"
running=0
for program in "$@"; do
    name=${program##*/search-}
    seeds "$name" "${program%/*}/replay-$name"
    { search "$program" || echo "$name" >>"$failed"; } &
    running=$((running + 1))
    if [ $running -ge "$n_cpus" ]; then wait; running=0; fi
done
wait
[ ! -s "$failed" ] || { echo "fuzz: findings in $(tr '\n' ' ' <"$failed")"; exit 1; }
