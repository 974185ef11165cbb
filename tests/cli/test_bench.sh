#!/bin/sh
# SPDX-License-Identifier: MIT
# test_bench.sh [FOLDER] - the benches and paired.sh: what they print where, their keys and units, exit codes. No figure
# is held against another: a busy machine must not fail a test.

folder=${1:-build/bin}
bin=$folder/bench-llm
here=$(dirname "$0")
model=models/small-world/small-world-Q4_K_M.gguf
. "$here/checks.sh"

# turn_down CODE TEXT ARGS...: that code, nothing on stdout, and stderr begins with the program's name and says so.
turn_down() {
    want=$1 text=$2; shift 2
    expect "$want" "$*" "$@"
    check "$*: stdout is empty" test ! -s "$out"
    check "$*: stderr names the program" grep -q "^${bin##*/}: " "$err"
    check "$*: stderr says \"$text\"" err_has "$text"
}
# measured PATH: an estimate there, with positive numbers, the median within its interval.
measured() {
    awk -v m="$(number "$1.median")" -v l="$(number "$1.low95")" -v h="$(number "$1.high95")" \
        'BEGIN { exit !(l > 0 && l <= m && m <= h) }'
}
positive() { awk -v v="$(number "$1")" 'BEGIN { exit !(v > 0) }'; }

# --------------------------------------------------------------------------------------------------- bench-llm --
expect 0 "help" --help
check "help names the options" grep -q -- '--depth D' "$out"
expect 0 "json" -m $model -p 8,24 -n 4 -r 2 --depth 5 -t 1 --json
check "one object" one_object
check "schema" json_is schema edgeinfer-bench-llm-1
for key in prefill_tok_s prefill_tok_s_low95 prefill_tok_s_high95 prefill_mac_per_cycle_per_thread decode_tok_s \
    decode_tok_s_low95 decode_tok_s_high95 decode_mac_per_cycle_per_thread decode_weight_gb_s; do
    check "$key" positive $key
done
check "points" json_is points.length 3
check "its prompt lengths" test "$(json points.0.n_tokens) $(json points.1.n_tokens) $(json points.2.n_tokens)" = "8 24 4"
check "its phases" test "$(json points.1.phase) $(json points.2.phase)" = "prefill decode"
check "depth" json_is points.2.depth 5
check "samples of all runs, no warm-up" json_is points.0.tok_s.samples.length 2
check "median of a point" measured points.1.tok_s
check "the first prefill is the flat one" test "$(json prefill_tok_s)" = "$(json points.0.tok_s.median)"
check "bytes of weights" json_is weight_read_bytes 2004480
check "multiply-adds of the layers" json_is layer_macs 3145728
check "share of decode" positive points.2.share_of_peak
check "clock" measured peaks.measured.0.ghz
check "threads" json_is n_threads 1
cp "$out" "$tmp/llm.json"
expect 0 "compare" -m $model -p 8,16 -n 4 -r 2 --depth 5 -t 1 --compare "$tmp/llm.json"
check "a ratio" out_has 'prefill 8, depth 5'
check "what the other has not" out_has '1 that the other has not'
check "two samples are never a difference" out_has '0 faster, 0 slower, 2 within'
expect 0 "plain C" -m $model -p 4 -n 0 -r 1 --rung ref --json
check "no instruction set is used" json_is cpu_used 0
check "without decode there is no such key" test -z "$(json decode_tok_s)"
for path in rows panels panels-128 floats; do expect 0 "path $path" -m $model -p 4 -n 1 -r 1 --path $path; done
turn_down 2 'needs a model: -m FILE' --json
turn_down 2 'nothing to measure' -m $model -p 0 -n 0
turn_down 2 '--prefill takes whole numbers, as 16,128, from 0 to 1048576, not: 16,x' -m $model -p 16,x
turn_down 2 '--runs takes a whole number from 1 to 101, not: 0' -m $model -r 0
turn_down 2 '--mode takes map|read|huge, not: ssd' -m $model --mode ssd
turn_down 2 'unknown option: --jso' -m $model --jso
turn_down 2 'needs a value: --threads' -m $model -t
turn_down 2 'takes no operand: x' -m $model x
turn_down 2 '--rung takes ref, avx2' -m $model --rung mmx
turn_down 2 '--compare prints a table' -m $model --json --compare "$tmp/llm.json"
turn_down 3 'not a GGUF file' -m Makefile
turn_down 1 'no such file' -m "$tmp/none.gguf"
turn_down 1 'No such file' -m $model --compare "$tmp/none.json"
turn_down 3 'no JSON' -m $model --compare Makefile

# ----------------------------------------------------------------------------------------------- bench-kernels --
bin=$folder/bench-kernels
expect 0 "help" --help
check "help names the options" grep -q -- '--rung NAME' "$out"
expect 0 "json" --only 'dot[Q8_0]' --rung ref --seconds 0.001 --threads 2 --json
check "one object" one_object
check "schema" json_is schema edgeinfer-bench-kernels-1
check "seven cases of a dot" json_is results.length 7
check "name" json_is results.0.name 'dot[Q8_0] ref 1 column, L2'
check "implementation" json_is results.0.implementation dot_q8_0_ref
check "from L2" measured results.0.mac_per_cycle
check "from memory" measured results.1.bytes_per_cycle
check "by two threads" json_is results.6.n_threads 2
check "all rounds" json_is results.0.mac_per_cycle.samples.length 15
check "clock" measured peaks.measured.0.ghz
check "bandwidth" positive results.6.share_of_peak
cp "$out" "$tmp/kernels.json"
sed 's/edgeinfer-bench-kernels-1/edgeinfer-bench-kernels-0/' "$tmp/kernels.json" >"$tmp/other.json"
turn_down 3 'its schema is edgeinfer-bench-kernels-0' --compare "$tmp/other.json"
expect 0 "compare" --only 'dot[Q8_0]' --rung ref --seconds 0.001 --threads 2 --compare "$tmp/kernels.json"
check "seven ratios" test "$(grep -c '^dot\[Q8_0\] ref .* x [0-9.]* ([0-9.]* to [0-9.]*)' "$out")" = 7
check "and their count" out_has '0 that the other has not'
expect 0 "every slot of plain C" --rung ref --seconds 0.001 --json
for slot in quantize_tile gemm_f32 mul_f32 quantize_f16 pack_f16 mul_f16 rms_norm rope_neox to_f16 attend_q8_0 'to_f32\[Q4_K\]' 'pack\[Q4_K\]' \
    'panel_mul\[32m\]' 'panel_mul\[128\]'; do
    check "$slot is measured" grep -q "\"slot\":\"$slot\"" "$out"
done
turn_down 2 'no such slot in that rung: nothing' --only nothing
turn_down 2 '--rung takes ref, avx2' --rung sse
turn_down 2 '--seconds takes seconds from 0.001 to 60, not: 0' --seconds 0

# --------------------------------------------------------------------------------------------------- paired.sh --
bin=bench/paired.sh
counter=$tmp/order
expect 0 "a ratio" -n 5 -w 1 -k 'speed[=:] *' sh -c "echo a >>'$counter'; echo 'x 3 speed: 30.5 tok/s'" -- \
    sh -c "echo b >>'$counter'; echo 'it'\''s speed=12.2'"
check "the ratio" out_has 'A / B 2.5000 (95 %: 2.5000 to 2.5000), 5 of 5 pairs; medians A 30.5, B 12.2'
check "the verdict" out_has 'A is more'
check "A B, B A, A B: warm-up first" test "$(tr -d '\n' <"$counter")" = abbaabbaabba
check "a line for each pair" test "$(grep -c '^pair [1-5]: A 30.5, B 12.2' "$err")" = 5
expect 0 "numbers of one's own" -q -n 5 -w 0 -a 'a=' -b '"b": ' echo a=1e2 -- echo '{"c": 7, "b": 200, "b": 3}'
check "patterns of A and B" out_has 'A / B 0.5000'
check "less" out_has 'B is more'
check "quiet" test ! -s "$err"
expect 0 "few" -q -n 2 -w 0 sleep 0.05 -- sleep 0.05
check "the time" out_has '(seconds); too few pairs to say'
expect 0 "noise" -q -n 9 -w 0 -k v= sh -c "echo x >>'$tmp/n'; echo v=\$((100 + \$(wc -l <'$tmp/n') % 3))" -- echo v=101
check "no difference" out_has 'no difference seen'
turn_down 1 'gave no number above 0 behind "z="' -k z= echo 1 -- echo 2
turn_down 1 'A failed: '"'false'" false -- true
turn_down 2 'two commands are needed' true
turn_down 2 'not a number: x' -n x true -- true
finish
