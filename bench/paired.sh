#!/bin/sh
# SPDX-License-Identifier: MIT
# paired.sh [OPTION]... A [ARG]... -- B [ARG]... - run two commands in turn, A B B A A B ..., and print the median of the
# pairs' ratios A / B with its 95 % bootstrap interval. Works with any program: the number is one that it prints, or the
# seconds that it takes. docs/MEASURING.md says what to make of it.
#
#   -n PAIRS    how many (15)
#   -w PAIRS    to warm up, not counted (1)
#   -k PATTERN  the number is the first behind this extended regular expression in what the command prints; without it
#               the wall time in seconds, to a hundredth: let a command take a second or more
#   -a, -b PATTERN   the same, of A or of B alone
#   -x PERCENT  leave out pairs while which others took more than this share of the CPUs (100: none is left out)
#   -q          the result alone, without a line for each pair on stderr
# exit codes: 0 done, 1 a command failed or printed no such number, 2 usage
usage() {
    [ -z "${1:-}" ] || echo "paired.sh: $1" >&2
    sed -n '3,/^# exit codes/s/^# \{0,1\}//p' "$0" >&"${2:-2}"
    exit "${3:-2}"
}
n_pairs=15 n_warm=1 pattern_a='' pattern_b='' most_others=100 quiet=0
[ "${1:-}" != --help ] || usage '' 1 0
while getopts n:w:k:a:b:x:qh option; do
    case $option in
        n) n_pairs=$OPTARG ;;
        w) n_warm=$OPTARG ;;
        k) pattern_a=$OPTARG pattern_b=$OPTARG ;;
        a) pattern_a=$OPTARG ;;
        b) pattern_b=$OPTARG ;;
        x) most_others=$OPTARG ;;
        q) quiet=1 ;;
        h) usage '' 1 0 ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
for number in "$n_pairs" "$n_warm" "$most_others"; do
    case $number in '' | *[!0-9]*) usage "not a number: $number" ;; esac
done
[ "$n_pairs" -ge 1 ] || usage "-n wants at least one pair"

# Two commands out of one list of words, quoted so that eval finds the same words again.
quote() { printf '%s\n' "$1" | sed "s/'/'\\\\''/g; 1s/^/'/; \$s/\$/'/"; }
command_a='' command_b='' side=a
for word in "$@"; do
    if [ $side = a ] && [ "$word" = -- ]; then side=b
    elif [ $side = a ]; then command_a="$command_a $(quote "$word")"
    else command_b="$command_b $(quote "$word")"; fi
done
[ -n "$command_a" ] && [ -n "$command_b" ] || usage "two commands are needed, with -- between them"

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP

now_cs() { read -r up _ </proc/uptime && echo "${up%.*}${up#*.}"; } # hundredths of a second
# Hundredths of a CPU second that the machine was busy, all CPUs, what a host took away (steal) among them.
busy_cs() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 + $9; exit }' /proc/stat; }
# The same of this script's children so far; in the shell itself, since a subshell counts only its own.
own_cs() {
    times >"$tmp/times"
    awk 'NR == 2 { gsub(/[ms]/, " "); printf "%d\n", ($1 * 60 + $2 + $3 * 60 + $4) * 100 }' "$tmp/times"
}

measure() { # measure NAME COMMAND PATTERN: sets $value
    begin=$(now_cs)
    eval "$2" >"$tmp/out" 2>&1 </dev/null || {
        echo "paired.sh: $1 failed:$2" >&2
        tail -5 "$tmp/out" >&2
        exit 1
    }
    end=$(now_cs)
    if [ -z "$3" ]; then
        value=$(awk -v cs=$((end - begin)) 'BEGIN { printf "%.2f", cs / 100 }')
    else
        value=$(pattern=$3 awk '
            match($0, ENVIRON["pattern"]) {
                rest = substr($0, RSTART + RLENGTH)
                if (match(rest, /-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?/)) { print substr(rest, RSTART, RLENGTH); exit }
            }' "$tmp/out")
    fi
    awk -v v="$value" 'BEGIN { exit !(v + 0 > 0) }' || {
        echo "paired.sh: $1 gave no number above 0${3:+ behind \"$3\"}:$2" >&2
        tail -5 "$tmp/out" >&2
        exit 1
    }
}

n_cpus=$(grep -c '^cpu[0-9]' /proc/stat)
: >"$tmp/pairs"
i=-$n_warm
while [ "$i" -lt "$n_pairs" ]; do
    busy=$(busy_cs) pair_begin=$(now_cs)
    own_cs >"$tmp/own"; own=$(cat "$tmp/own")
    if [ $(((i + n_warm) % 2)) = 0 ]; then # A B, then B A: what drifts one way hits both alike
        measure A "$command_a" "$pattern_a"; a=$value
        measure B "$command_b" "$pattern_b"; b=$value
    else
        measure B "$command_b" "$pattern_b"; b=$value
        measure A "$command_a" "$pattern_a"; a=$value
    fi
    own_cs >"$tmp/own"
    others=$(awk -v busy=$(($(busy_cs) - busy)) -v own=$(($(cat "$tmp/own") - own)) \
        -v all=$((($(now_cs) - pair_begin) * n_cpus)) \
        'BEGIN { v = all > 0 ? 100 * (busy - own) / all : 0; if (v < 0) v = 0; if (v > 100) v = 100; printf "%.1f", v }')
    i=$((i + 1))
    [ "$i" -gt 0 ] || continue
    echo "$a $b $others" >>"$tmp/pairs"
    [ $quiet = 1 ] || awk -v i="$i" -v a="$a" -v b="$b" -v o="$others" -v most="$most_others" 'BEGIN {
        left_out = (o + 0 > most + 0) ? ": left out" : ""
        printf "pair %d: A %s, B %s, A / B %.4f, others %.1f %% of the CPUs%s\n", i, a, b, a / b, o, left_out }' >&2
done

awk -v most="$most_others" -v of="${pattern_a:-seconds}" '
    function median(v, n,    i, j, x) { # sorts v[1..n]
        for (i = 2; i <= n; i++) {
            x = v[i]
            for (j = i - 1; j >= 1 && v[j] > x; j--) v[j + 1] = v[j]
            v[j + 1] = x
        }
        return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
    }
    # The numbers of Park and Miller (1988): the same draws from any awk.
    function draw(n) { seed = seed * 16807 % 2147483647; return 1 + int(seed / 2147483647 * n) }
    $3 + 0 <= most + 0 { n++; a[n] = $1; b[n] = $2; ratio[n] = $1 / $2 }
    END {
        if (n == 0) { print "paired.sh: others were busy during every pair" > "/dev/stderr"; exit 1 }
        seed = 1
        for (i = 1; i <= 1000; i++) {
            for (j = 1; j <= n; j++) drawn[j] = ratio[draw(n)]
            medians[i] = median(drawn, n)
        }
        median(medians, 1000)
        low = medians[26]; high = medians[975]
        verdict = n < 5 ? "too few pairs to say" : low > 1 ? "A is more" : high < 1 ? "B is more" : "no difference seen"
        printf "A / B %.4f (95 %%: %.4f to %.4f), %d of %d pairs; medians A %.6g, B %.6g (%s); %s\n", median(ratio, n),
            low, high, n, NR, median(a, n), median(b, n), of, verdict
    }' "$tmp/pairs"
