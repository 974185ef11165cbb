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
for slot in quantize_tile gemm_f32 mul_f32 quantize_f16 pack_f16 mul_f16 quantize_i16 pack_i16 mul_i16 rms_norm rope_neox \
    to_f16 attend_q8_0 'to_f32\[Q4_K\]' 'pack\[Q4_K\]' 'panel_mul\[32m\]' 'panel_mul\[128\]'; do
    check "$slot is measured" grep -q "\"slot\":\"$slot\"" "$out"
done
turn_down 2 'no such slot in that rung: nothing' --only nothing
turn_down 2 '--rung takes ref, avx2' --rung sse
turn_down 2 '--seconds takes seconds from 0.001 to 60, not: 0' --seconds 0

# --------------------------------------------------------------------------------------------------- bench-vlm --
bin=$folder/bench-vlm
eye=models/traffic-vl/mmproj-traffic-vl-F16.gguf
vl=models/traffic-vl/traffic-vl-Q8_0.gguf
expect 0 "help" --help
check "help names the options" grep -q -- '--clamps LIST' "$out"
expect 0 "a prompt" -m $vl --mmproj $eye --size 320x222 -n 3 -r 2 -t 1 --json
check "one object" one_object
check "schema" json_is schema edgeinfer-bench-vlm-1
check "size" test "$(json sizes.width)x$(json sizes.height) $(json sizes.n_patches) $(json sizes.n_image_tokens)" = \
    "308x224 352 88"
check "tokens" test "$(json n_decode)" = 3 -a "$(number n_prompt)" -gt 88
for phase in total prepare encode prefill decode; do check "$phase" measured figures.${phase}_s; done
check "samples of all runs" json_is figures.encode_s.samples.length 2
for key in encode_ms encode_gmac_s encode_mac_per_cycle_per_thread encode_share_of_peak sizes.encode_macs \
    sizes.encode_plan_bytes rss_peak_bytes figures.private_bytes.median; do check "$key" positive $key; done
check "without --cost there is no area" test -z "$(json figures.cpu_auc_pct_s.median)"
expect 0 "the encoder alone" --encode-only --mmproj $eye --size 112x84 --longest-edge 1024 -r 1
check "a line to pair with" grep -q '^image encoded in [0-9.]* ms: ' "$out"
check "its size" out_has '112x84, encoded as 112x84: 48 patches, 12 tokens'
expect 0 "the encoder alone, in JSON" --encode-only --mmproj $eye --size 504x336 --longest-edge 1024 -r 1 --json
check "encodes without resizing" test "$(json sizes.n_patches)" = 864
check "what is planned is taken" test "$(json figures.private_bytes.median)" = "$(json sizes.encode_plan_bytes)"
check "no prefill" test -z "$(json figures.prefill_s.median)"
scene=models/traffic-vl/heldout/scene-00.png
expect 0 "a file, its cost" --encode-only --mmproj $eye --image $scene -r 1 --cost --idle 0 --json
check "its size" test "$(json sizes.nominal_width)x$(json sizes.nominal_height)" = 1024x712
check "area of the CPU" positive figures.cpu_auc_pct_s.median
expect 0 "forecast" --ladder --dry --mmproj $eye -o "$tmp/dry.svg" --json
check "one object" one_object
check "schema" json_is schema edgeinfer-bench-vlm-ladder-1
check "twenty sizes under three clamps" json_is points.length 60
check "flat above the clamp" test "$(json points.0.n_image_tokens) $(json points.6.n_image_tokens)" = "962 962"
check "falling below" test "$(json points.7.n_image_tokens) $(json points.27.n_image_tokens)" = "816 682"
check "nothing was run" test -z "$(json points.0.total_s.median)$(json laws.length)"
check "a picture" grep -q '^</svg>$' "$tmp/dry.svg"
expect 0 "ladder" --ladder -m $vl --mmproj $eye --scale 0.2 --clamps 1024,714 -n 1 -r 1 --idle 0 --json \
    --widths 2048,1614,1128,1024,854,714,602,378 -o "$tmp/ladder.svg"
check "one object" one_object
check "points" json_is points.length 16
check "clamps are scaled" test "$(json points.0.clamp_px) $(json points.15.clamp_px)" = "205 143"
check "seconds" positive points.15.total_s.median
check "area of the CPU" positive points.0.cpu_auc_pct_s.median
check "the law under each clamp" test "$(json laws.0.clamp_px) $(json laws.0.of)" = "205 total_s"
check "says what it is" grep -qE '"law":"(hinge|step|line|constant)"' "$out"
for svg in dry ladder; do
    if command -v xmllint >/dev/null; then check "$svg.svg is XML" xmllint --noout "$tmp/$svg.svg"
    else skip "xmllint is not there"; fi
done
turn_down 2 'needs a vision encoder: --mmproj FILE' -m $vl
turn_down 2 'needs a model: -m FILE, or --encode-only' --mmproj $eye
turn_down 2 '--size takes WIDTHxHEIGHT, 1 to 16384, not: 0x5' --encode-only --mmproj $eye --size 0x5
turn_down 2 '--size takes WIDTHxHEIGHT, 1 to 16384, not: 10x10x' --encode-only --mmproj $eye --size 10x10x
turn_down 2 '--image and --size: one of them' --encode-only --mmproj $eye --size 9x9 --image x.png
turn_down 2 '-o and --dry are of --ladder' --encode-only --mmproj $eye --dry
turn_down 2 '--ladder takes --clamps' --ladder --mmproj $eye --longest-edge 100
turn_down 2 '--clamps takes at most six' --ladder --mmproj $eye --clamps 28,29,30,31,32,33,34
turn_down 2 '--scale takes a number from 0.01 to 8, not: 9' --ladder --mmproj $eye --scale 9
turn_down 1 'the picture is 1024 pixels wide, the ladder begins at 2048' --ladder --dry --mmproj $eye \
    --image $scene
turn_down 1 "$tmp/none/x.svg: No such file" --ladder --dry --mmproj $eye -o "$tmp/none/x.svg"
turn_down 3 'not a GGUF file' --encode-only --mmproj Makefile
turn_down 3 '' -m $model --mmproj $eye
turn_down 1 'no such file' --encode-only --mmproj "$tmp/none.gguf"

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
