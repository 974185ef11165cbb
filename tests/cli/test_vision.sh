#!/bin/sh
# SPDX-License-Identifier: MIT
# test_vision.sh [PROGRAM] - pictures as the command takes them: run, chat, preprocess, encode, plan, inspect, validate,
# doctor, and what each says when something does not fit together.
#
# Runs from the root of the tree, on a model that ships. Golden numbers come from EINF_TEST_DATA. The last line counts;
# the exit status is 1 when a check failed.

bin=${1:-build/bin/edgeinfer}
here=$(dirname "$0")
folder=models/traffic-vl
model=$folder/traffic-vl-Q8_0.gguf
vision=$folder/mmproj-traffic-vl-F16.gguf
scene=$folder/heldout/scene-00.png
other=$folder/heldout/scene-01.png
. "$here/checks.sh"
trap 'exec 3>&-; rm -rf "$tmp"' EXIT
[ -f "$vision" ] || { echo "FAIL: there is no $vision; run from the root of the tree"; exit 1; }

tab=$(printf '\t')
# asked PICTURE QUESTION: the answer that is right.
asked() {
    awk -F "$tab" -v file="${1##*/}" -v q="$2" '$1 == file && $2 == q { print $3 }' $folder/heldout/questions.tsv
}
count="How many vehicles are there?"
seen="-m $model --mmproj $vision"
# ppm WIDTH HEIGHT: a black picture of this size.
ppm() { printf 'P6\n%d %d\n255\n' "$1" "$2"; head -c $(($1 * $2 * 3)) /dev/zero; }
ppm 300 200 >"$tmp/black.ppm"
# distance GOLDEN FILE LIMIT: relative error of little-endian floats; fails above the limit.
distance() {
    od -An -v -tf4 -w4 "$1" >"$tmp/golden"
    od -An -v -tf4 -w4 "$2" | paste "$tmp/golden" - |
        awk -v limit="$3" 'NF != 2 { bad = 1 } { d += ($1 - $2) ^ 2; n += $1 ^ 2 }
            END { e = sqrt(d / n); print "relative error " e; exit bad || !(e <= limit) }' >"$out"
}

# ------------------------------------------------------------------------------------------------------- run --
expect 0 "run" run $seen --image "$scene" -p "$count"
check "run: the answer alone on stdout" test "$(cat "$out")" = "$(asked "$scene" "$count")"
check "run: what became of the picture" err_has \
    "image: $scene 1024x712 -> 308x224, 88 tokens (pixels 6272..75264, bicubic)"
check "run: what it took" grep -q '^pictures: 1 (1 encoded now), 88 tokens, [0-9.]* s$' "$err"
expect 0 "run -q" run $seen --image "$scene" -p "$count" -q
check "run -q: stderr is empty" test ! -s "$err"
expect 0 "run --json" run $seen --image "$scene" -p "$count" --json
check "run --json: one object" one_object
for pair in "text $(asked "$scene" "$count")" "images.length 1" "images.0.file $scene" "images.0.format png" \
    "images.0.rule pixels" "images.0.filter bicubic" "images.0.min_pixels 6272" "images.0.max_pixels 75264" \
    "images.0.nominal_width 1024" "images.0.nominal_height 712" "images.0.width 308" "images.0.height 224" \
    "images.0.n_patches 352" "images.0.n_tokens 88" "n_images 1" "n_images_encoded 1" "n_image_tokens 88"; do
    check "run --json: $pair" json_is "${pair%% *}" "${pair#* }"
done
for key in elapsed_s.image images.0.read_s images.0.scale_x images.0.n_macs images.0.encode_bytes; do
    check "run --json: $key is a number" json_is_number $key
done
check "run --json: the picture's tokens are the prompt's" at_least "$(number n_prompt)" 89
expect 0 "run without a picture" run "$model" -p "$count" -n 2 --json -q
check "without a picture: no word of one" test -z "$(json n_images)$(json elapsed_s.image)$(json images.length)"
"$bin" run $seen --image - -p "$count" -q <"$scene" >"$out" 2>"$err"
check "run: the picture from stdin" test "$(cat "$out")" = "$(asked "$scene" "$count")"
"$bin" run $seen --image "$scene" -q >"$out" 2>"$err" <<END
$count
END
check "run: the text from stdin" test "$(cat "$out")" = "$(asked "$scene" "$count")"
expect 0 "run --var" run $seen --image "$scene" -p "$count" --var x=1 -q
check "run --var: a layout of one's own sees as well" test "$(cat "$out")" = "$(asked "$scene" "$count")"
expect 0 "two pictures" run $seen --image "$scene" --image "$scene" --image "$other" -p "$count" -n 3 --json -q
check "two pictures, one of them twice" json_is n_images 3
check "two pictures: one is encoded once" json_is n_images_encoded 2
check "two pictures: tokens" json_is n_image_tokens 264
expect 0 "run at another size" run $seen --image "$scene" -p "$count" --longest-edge 224 --json -q
check "another size: rule" json_is images.0.rule longest-edge
check "another size: limit" json_is images.0.limit_width 224
check "another size: tokens" json_is n_image_tokens 48
check "another size: no limits in pixels" test -z "$(json images.0.max_pixels)"
expect 0 "run --save-state" run $seen --image "$scene" -p "$count" --save-state "$tmp/state" -q
expect 0 "run --load-state" run $seen --image "$scene" -p "Is it day or night?" --load-state "$tmp/state" --json -q
check "--load-state: the picture is there" json_is n_images_encoded 0
check "--load-state: its rows as well" at_least "$(number n_cached)" 88
check "--load-state: the answer" json_is text "$(asked "$scene" "Is it day or night?")"
printf 'GIF89a\001\000\001\000' >"$tmp/a.gif"
refuse 3 "this is a GIF" run $seen --image "$tmp/a.gif" -p x
expect 0 "run --cost" run $seen --image "$scene" -p "$count" --cost --json -q
check "run --cost" json_is_number cost.cpu_auc_pct_s

# ------------------------------------------------------------------------------------ what does not go together --
refuse 2 "--image needs a vision encoder" run "$model" --image "$scene" -p x
refuse 2 "--mmproj goes with --image" run $seen -p x
refuse 2 "stdin cannot be the picture and the text" run $seen --image -
refuse 2 "--image names it twice" run $seen --image - --image - -p x
refuse 2 "--reduce needs a picture's size first" run $seen --image - --reduce -p x
refuse 3 "not a vision encoder" run "$model" --mmproj "$model" --image "$scene" -p x
check "a model as the encoder: what to do" err_has "the model itself goes behind -m"
refuse 3 "this is a vision encoder, not a language model" run "$vision" --mmproj "$model" --image "$scene" -p x
check "swapped: what to do" err_has "give it with --mmproj"
refuse 3 "this is a vision encoder, not a language model" plan "$vision"
refuse 3 "llama" run models/small-world/small-world-Q4_K_M.gguf --mmproj "$vision" --image "$scene" -p x
refuse 1 "$tmp/none.png" run $seen --image "$tmp/none.png" -p x
refuse 1 "$tmp/none.gguf" run -m "$model" --mmproj "$tmp/none.gguf" --image "$scene" -p x
head -c 2000 "$scene" >"$tmp/cut.png"
refuse 3 "$tmp/cut.png" run $seen --image "$tmp/cut.png" -p x
refuse 3 "$tmp/cut.png" encode "$vision" --image "$tmp/cut.png" -o "$tmp/x"
refuse 3 "LICENSE" run $seen --image LICENSE -p x
refuse 3 "stdin: " run $seen --image - -p x
head -c 100000 "$vision" >"$tmp/cut.gguf"
refuse 3 "$tmp/cut.gguf" run "$model" --mmproj "$tmp/cut.gguf" --image "$scene" -p x
refuse 4 "the context 50" run $seen --image "$scene" -p x -c 50
check "a full context: what to do" err_has "--longest-edge"
refuse 4 "edgeinfer: " run $seen --image "$scene" -p x --ram-limit 18M
refuse 2 "--longest-edge and --box exclude each other" run $seen --image "$scene" -p x --longest-edge 99 --box 9x9
refuse 2 "--box and --no-resize exclude each other" encode "$vision" --image "$scene" -o "$tmp/x" --no-resize --box 9x9
refuse 2 "--no-resize and --image-max-tokens" preprocess "$vision" --image "$scene" --image-max-tokens 9 --no-resize
refuse 2 "--image-min-tokens and --image-min-pixels" chat $seen --image-min-tokens 9 --image-min-pixels 9999
refuse 2 "--image-max-tokens and --image-max-pixels" plan $seen --image-max-tokens 9 --image-max-pixels 9999
refuse 2 "contradict" preprocess "$vision" --image "$scene" --image-min-tokens 100 --image-max-tokens 50
refuse 2 "--box is \"9\", expected width and height as 1024x768" preprocess "$vision" --image "$scene" --box 9
refuse 2 "--box is \"9x\"" preprocess "$vision" --image "$scene" --box 9x
refuse 2 "--box is \"0x9\"" preprocess "$vision" --image "$scene" --box 0x9
refuse 2 "--filter is \"cubic\"" preprocess "$vision" --image "$scene" --filter cubic

# ------------------------------------------------------------------------------------------------ preprocess --
# sizes NAME "KEY VALUE"... -- ARGS...: members of what preprocess says.
sizes() {
    what=$1 pairs=; shift
    while [ "$1" != -- ]; do pairs="$pairs$1
"; shift; done
    shift
    expect 0 "$what" preprocess "$vision" "$@" --json
    check "$what: one object" one_object
    echo "$pairs" >"$tmp/pairs"
    while read -r key value; do
        [ -z "$key" ] || check "$what: $key is $(json "$key"), expected $value" json_is "$key" "$value"
    done <"$tmp/pairs"
}
sizes "by the file's limits" "width 308" "height 224" "n_patches_x 22" "n_patches_y 16" "n_tokens_x 11" "n_tokens_y 8" \
    "orientation 1" "file $scene" -- --image "$scene"
sizes "by pixels" "rule pixels" "max_pixels 200704" "n_tokens_x 19" "n_tokens_y 13" -- --image "$scene" \
    --image-max-pixels 200704
sizes "by tokens" "rule pixels" "max_pixels 200704" "n_tokens_x 19" "n_tokens_y 13" -- --image "$scene" \
    --image-max-tokens 256
sizes "longest edge" "clamped_width 714" "clamped_height 496" "width 728" "height 504" "n_tokens 468" \
    "filter legacy-bicubic" -- --image "$scene" --longest-edge 714 --filter legacy-bicubic
sizes "box" "rule box" "limit_width 500" "limit_height 100" "clamped_height 100" "n_tokens_y 4" -- \
    --image "$scene" --box 500x100
sizes "none" "rule none" "width 1036" "height 728" "n_tokens 962" -- --image "$scene" --no-resize
expect 0 "preprocess as text" preprocess "$vision" --image "$scene"
check "preprocess as text: sizes" out_has "1024x712 -> 308x224, 88 tokens"
check "preprocess as text: scale" out_has "3.32468, 3.17857"
expect 0 "preprocess -o" preprocess --mmproj "$vision" --image "$scene" -o "$tmp/pixels.f32" --json
check "preprocess -o: every pixel" size_is "$tmp/pixels.f32" $((3 * 308 * 224 * 4))
check "preprocess -o: output_bytes" json_is output_bytes $((3 * 308 * 224 * 4))
expect 0 "preprocess -o -" preprocess "$vision" --image "$scene" -o - -q
check "preprocess -o -: the same bytes" cmp -s "$out" "$tmp/pixels.f32"
expect 0 "preprocess black" preprocess "$vision" --image "$tmp/black.ppm" -o "$tmp/black.f32"
check "preprocess -o: stdout is empty" test ! -s "$out"
# Black is (0 - mean) / deviation: three planes, each of one value.
od -An -v -tf4 -w4 "$tmp/black.f32" | awk '{ printf "%.5f\n", $1 }' | uniq | paste -s -d ' ' >"$out"
check "preprocess: normalised, channel by channel" test "$(cat "$out")" = "-1.79226 -1.75210 -1.48022"
refuse 2 "a picture is missing" preprocess "$vision"
refuse 2 "more than one --image" preprocess "$vision" --image "$scene" --image "$other"
refuse 2 "needs a vision encoder" preprocess --image "$scene"
refuse 2 "is one too many" preprocess "$vision" "$model" --image "$scene"
refuse 2 "is one too many" preprocess --mmproj "$vision" -m "$model" --image "$scene"
refuse 2 "both want stdout" preprocess "$vision" --image "$scene" -o - --json
refuse 3 "this is a language model ('qwen2vl')" preprocess "$model" --image "$scene"

# ---------------------------------------------------------------------------------------------------- encode --
expect 0 "encode" encode "$vision" --image "$scene" -o "$tmp/rows.f32" --json
check "encode: one object" one_object
check "encode: every row" size_is "$tmp/rows.f32" $((88 * 256 * 4))
for pair in "n_tokens 88" "row_width 256" "output_bytes $((88 * 256 * 4))" "output $tmp/rows.f32" "exact false"; do
    check "encode: $pair" json_is "${pair%% *}" "${pair#* }"
done
for key in elapsed_s.load elapsed_s.read elapsed_s.preprocess elapsed_s.encode; do
    check "encode: $key is a number" json_is_number $key
done
check "encode: no cost where none was asked for" test -z "$(json cost.cpu_core_s)"
expect 0 "encode -o -" encode -m "$vision" --image "$scene" -o - -q -t 1
check "encode -o -: the same bytes" cmp -s "$out" "$tmp/rows.f32"
expect 0 "encode --cost" encode "$vision" --image "$scene" -o "$tmp/x.f32" --cost --json -q
check "encode --cost: CPU" json_is_number cost.cpu_core_s
check "encode --cost: area" json_is_number cost.cpu_auc_pct_s
expect 0 "encode as text" encode "$vision" --image "$scene" -o "$tmp/x.f32"
check "encode as text: stdout is empty" test ! -s "$out"
check "encode as text: rows" err_has "88 rows of 256"
expect 0 "encode --exact" encode "$vision" --image "$scene" -o "$tmp/exact.f32" --exact --json
check "encode --exact says so" json_is exact true
check "encode --exact: within 3e-3" distance "$tmp/exact.f32" "$tmp/rows.f32" 3e-3
refuse 2 "encode needs -o" encode "$vision" --image "$scene"
refuse 4 "ram_limit_bytes" encode "$vision" --image "$scene" -o "$tmp/none" --ram-limit 4M
check "a refusal writes no file" test ! -e "$tmp/none" -a ! -e "$tmp/none.part"

# Ctrl-C while a large picture is encoded: 5 within a layer, and no file.
ppm 3400 3400 >"$tmp/large.ppm"
interrupt() { # ARGS...
    "$bin" "$@" --image "$tmp/large.ppm" --no-resize >"$out" 2>"$err" </dev/null &
    pid=$!
    sleep 1; kill -INT $pid; wait $pid
    got=$?
    check "$1 interrupted: exit code $got, expected 5" test $got = 5
    check "$1 interrupted: says so" grep -q '^edgeinfer: .*cancelled' "$err"
    check "$1 interrupted: progress is for terminals" sh -c "! grep -q '%' '$err'"
}
interrupt encode "$vision" -o "$tmp/none"
check "encode interrupted: no file" test ! -e "$tmp/none" -a ! -e "$tmp/none.part"
check "encode interrupted: stdout is empty" test ! -s "$out"
interrupt run $seen -p x -c 20000
check "run interrupted: stdout is empty" test ! -s "$out"

# ------------------------------------------------------------------------------------------------------ plan --
expect 0 "plan" plan $seen -c 512 --image "$scene" --json
check "plan: one object" one_object
check "plan: the picture" json_is vision.images.0.n_tokens 88
check "plan: rows" json_is vision.row_bytes $((88 * 256 * 4))
check "plan: pixels" json_is vision.pixel_bytes $((1024 * 712 * 3))
check "plan: the sum of the encoder" json_is vision.private_bytes $(($(number vision.encoder_bytes) + \
    $(number vision.pixel_bytes) + $(number vision.encode_bytes) + $(number vision.row_bytes)))
total=$(number total_private_bytes)
check "plan: the sum of both" test "$total" = $(($(number vision.private_bytes) + $(number private_bytes)))
check "plan: weights" json_is vision.weights_mapped_bytes "$(wc -c <"$vision")"
expect 0 "what was planned suffices" run $seen -c 512 --image "$scene" -p "$count" -q --ram-limit "$total"
check "what was planned suffices: the answer" test "$(cat "$out")" = "$(asked "$scene" "$count")"
expect 0 "plan of a size" plan $seen --image-size 1920x1080 --json
check "plan of a size" json_is vision.image.nominal_width 1920
expect 0 "plan of the largest" plan $seen --json
check "plan of the largest: tokens" json_is vision.n_image_tokens 96
expect 0 "plan of the largest of so many" plan $seen --image-max-tokens 131 --json
check "plan of a prime number of tokens" json_is vision.n_image_tokens 131
expect 0 "plan of the largest by its edge" plan $seen --longest-edge 280 --json
check "plan of the largest by its edge" json_is vision.n_image_tokens 100
expect 0 "plan as text" plan $seen --image "$scene"
check "plan as text: the picture" out_has "$scene 1024x712 -> 308x224, 88 tokens"
expect 0 "plan, too many tokens" plan $seen --image "$scene" -c 80
check "plan: pictures beyond the context" out_has "does not hold the 88 tokens"
expect 4 "plan over the limit" plan $seen --image "$scene" --ram-limit 24M --json
check "over the limit: fits" json_is fits false
fits=$(number n_ctx_fits)
expect 0 "plan with the context that fits" plan $seen --image "$scene" --ram-limit 24M -c "$fits" --json
check "the context that fits" json_is fits true
expect 4 "plan with one more" plan $seen --image "$scene" --ram-limit 24M -c $((fits + 1)) --json
refuse 2 "there is no largest picture" plan $seen --no-resize
refuse 2 "--image and --image-size exclude each other" plan $seen --image "$scene" --image-size 9x9
refuse 2 "--image-size needs a vision encoder" plan "$model" --image-size 9x9

# ---------------------------------------------------------------------------------- inspect, validate, doctor --
expect 0 "inspect" inspect "$vision"
for text in "as qwen2vl_merger: 4 layers, width 256, 4 heads, FFN 768, quick_gelu" "28 x 28 pixels" \
    "6272 to 75264 pixels a picture, as the file says" "mean 0.4815 0.4578 0.4082" "v.patch_embd.weight"; do
    check "inspect has \"$text\"" out_has "$text"
done
check "inspect: nothing stands in the way" sh -c "! grep -q 'cannot run' '$out'"
expect 0 "inspect --json" inspect "$vision" --json
for pair in "runs true" "architecture clip" "vision.projector qwen2vl_merger" "vision.n_layer 4" \
    "vision.patch_size 14" "vision.merge_size 2" "vision.row_width 256" "vision.max_pixels 75264" \
    "vision.file_has_limits true" "vision.mean.length 3"; do
    check "inspect --json: $pair" json_is "${pair%% *}" "${pair#* }"
done
expect 0 "validate" validate "$vision"
check "validate: verdict" test "$(cat "$out")" = "ok    $vision: header, vision encoder"
expect 0 "validate --tensors" validate --tensors "$vision" --json
check "validate --tensors: the encoder" json_is checked.1 "vision encoder"
check "validate --tensors: its values" json_is checked.2 values
expect 3 "validate a cut encoder" validate "$tmp/cut.gguf"
check "a cut encoder: the place" grep -q "^bad   $tmp/cut.gguf: .*byte [0-9]" "$out"
sed 's/qwen2vl_merger/qwen9vl_merger/g' "$vision" >"$tmp/other.gguf"
expect 3 "validate another projector" validate "$tmp/other.gguf"
check "another projector is named" out_has "qwen9vl_merger"
expect 0 "inspect another projector" inspect "$tmp/other.gguf" --json
check "another projector does not run" json_is runs false
check "another projector: why" test -n "$(json reason | grep qwen9vl_merger)"
expect 0 "doctor" doctor $seen --json
check "doctor: pictures" json_is facts.n_picture_tokens 96
refuse 2 "--mmproj goes with the model" doctor --mmproj "$vision"

# ------------------------------------------------------------------------------------------------ chat: a pipe --
# at LINE PATH: the value in that line of stdout.
at() { sed -n "$1p" "$out" | awk -v want="$2" -f "$here/json.awk" 2>>"$err"; }
is() { [ "$(at "$1" "$2")" = "$3" ]; }
picture() { printf '{"content": [{"type": "image", "path": "%s"}, {"type": "text", "text": "%s"}]}\n' "$1" "$2"; }
{
    picture "$scene" "$count"
    echo '{"content": "Is it day or night?"}'
    printf '{"messages": [{"role": "user", "content": [{"type": "text", "text": "%s"}, ' "$count"
    printf '{"type": "image_url", "image_url": {"url": "data:image/png;base64,%s"}}]}], "answer": false}\n' \
        "$(base64 <"$other" | tr -d '\n')"
    printf '{"content": [{"type": "image_url", "image_url": {"url": "file://%s"}}], "answer": false}\n' \
        "$(cd "$folder" && pwd)/heldout/scene%2d01.png"
    picture "$tmp/none.png" x
    picture "$tmp/cut.png" x
    echo '{"content": [{"type": "image"}]}'
    echo '{"content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}'
    echo '{"content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}]}'
    echo '{"content": [{"type": "image_url", "image_url": {"url": "data:image/png,abc"}}]}'
    echo '{"content": [{"type": "image_url", "image_url": {"url": "file:///a%00b"}}]}'
    printf '{"content": [{"type": "image", "path": "%s"}, {"type": "video"}]}\n' "$scene"
} >"$tmp/lines"
timeout 120 "$bin" chat $seen -q <"$tmp/lines" >"$out" 2>"$err"
check "chat: some lines failed" test $? = 1
check "chat: an object a line" test "$(wc -l <"$out")" = 12
check "chat: nothing else is said" test ! -s "$err"
check "chat: the answer" is 1 text "$(asked "$scene" "$count")"
check "chat: the picture" is 1 images.0.n_tokens 88
check "chat: it was encoded" is 1 n_images_encoded 1
check "chat: the second question" is 2 text "$(asked "$scene" "Is it day or night?")"
check "chat: the picture was there" is 2 n_images_encoded 0
check "chat: and computed" at_least "$(at 2 n_cached)" 88
check "chat: a data: URL" is 3 images.0.file "data:image/png"
check "chat: a file: URL" is 4 images.0.n_tokens 88
check "chat: a message more" is 4 n_messages 2
check "chat: no such file" is 5 error.status EINF_E_IO
check "chat: a damaged file" is 6 error.status EINF_E_FORMAT
check "chat: which" test -n "$(at 6 error.message | grep -F "$tmp/cut.png: ")"
check "chat: no path" is 7 error.status EINF_E_ARG
check "chat: nothing is fetched" test -n "$(at 8 error.message | grep 'nothing is fetched')"
for line in 9 10 11 12; do check "chat: line $line" is $line error.status EINF_E_ARG; done
check "chat: failures change nothing" is 12 n_messages 2
picture "$scene" x | timeout 120 "$bin" chat -m "$model" -q >"$out" 2>"$err"
check "chat without an encoder" test -n "$(at 1 error.hint | grep -e '--mmproj')"

# ------------------------------------------------------------------------------------------- chat: a terminal --
# As in test_chat.sh: what is written to 3 is typed, $out is the screen.
terminal() {
    mkfifo "$tmp/keys"
    : >"$out"; screen=0
    rm -f "$tmp/status"
    chat="trap : INT; $bin chat $*; echo \$? >$tmp/status"
    TERM=xterm timeout 120 script -qefc "$chat" "$out" <"$tmp/keys" >/dev/null 2>&1 &
    pid=$!
    exec 3>"$tmp/keys"
    rm "$tmp/keys"
}
within() {
    for i in $(seq 200); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}
screen_has() { case $(tail -c +$((screen + 1)) "$out" | tr -d '\r') in *"$1"*) ;; *) return 1 ;; esac }
shows() { within screen_has "$1"; }
prompted() { test "$(tail -c 2 "$out")" = "> "; }
type_in() { within prompted; screen=$(wc -c <"$out"); printf '%b' "$1" >&3; }
ends() { within test -s "$tmp/status"; exec 3>&-; wait $pid; test "$(cat "$tmp/status")" = "$1"; }
if timeout 20 script -qefc true /dev/null </dev/null >/dev/null 2>&1; then
    : >"$err"
    terminal $seen
    check "terminal: a prompt" shows "> "
    type_in "/image\n"
    check "terminal: no picture yet" shows "no picture waits"
    type_in "/image $tmp/none.png\n"
    check "terminal: no such file" shows "no such file"
    type_in "/image $scene \n"
    check "terminal: a picture" shows "/heldout/scene-00.png 1024x712 -> 308x224, 88 tokens"
    type_in "$count\n"
    check "terminal: an answer" shows "$(asked "$scene" "$count")"
    type_in "/save $tmp/kept\n"
    check "terminal: /save" shows "(saved: "
    type_in "/clear\n/load $tmp/kept\n"
    check "terminal: /load" shows "(loaded: 2 messages)"
    type_in "Is it day or night?\n"
    check "terminal: it goes on" shows "$(asked "$scene" "Is it day or night?")"
    type_in "/cost\n"
    check "terminal: the picture was not encoded again" shows "pictures: 1 (0 encoded now)"
    type_in "/undo\n/undo\n"
    check "terminal: /undo" shows "(took back: $count)"
    type_in "\004"
    check "terminal: the end" ends 0
    check "what was saved names the picture" grep -q '"type":"image","path":".*scene-00.png"' "$tmp/kept"
    "$bin" chat $seen -q <"$tmp/kept" >"$out" 2>"$err"
    check "what was saved is a line for the pipe" is 1 n_messages 2
    terminal -m "$model"
    check "without an encoder: a prompt" shows "> "
    type_in "/image $scene\n"
    check "without an encoder: what to do" shows "start with --mmproj FILE"
    type_in "/load $tmp/kept\n"
    check "without an encoder: /load" shows "a picture needs a vision encoder"
    type_in "\004"
    check "without an encoder: the end" ends 0
else
    skip "script(1) is not installed, or there is no pseudo-terminal: nothing was tried on one"
fi

# ------------------------------------------------------------------------------------------ data from outside --
golden=${EINF_TEST_DATA:-}/golden
if [ -n "${EINF_TEST_DATA:-}" ] && [ -f "$golden/tiny-mmproj-F16.gguf" ]; then
    eye=$golden/tiny-mmproj-F16.gguf
    expect 0 "golden: encode" encode "$eye" --image "$golden/scene-224x168.png" -o "$tmp/golden.f32" --json
    check "golden: no resize" json_is width 224
    check "golden: rows" json_is n_tokens 48
    check "golden: llama.cpp's rows within 3e-3" \
        distance "$golden/tiny-mmproj-F16.scene.embd.f32" "$tmp/golden.f32" 3e-3
    printf '<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>abc<|im_end|>\n' >"$tmp/raw"
    expect 0 "golden: run --raw" run "$golden/tiny-qwen2vl-F16.gguf" --mmproj "$eye" --raw \
        --image "$golden/scene-224x168.png" -f "$tmp/raw" -n 1 --ignore-eos --json -q
    # The likeliest id behind the prompt: the place of the largest of the golden logits.
    best=$(od -An -v -tf4 -w4 "$golden/tiny-qwen2vl-F16.scene.logits.f32" |
        awk 'NR == 1 || $1 > most { most = $1; at = NR - 1 } END { print at }')
    check "golden: the first token is the likeliest" json_is token_ids.0 "$best"
    check "golden: tokens of the picture" json_is n_image_tokens 48
    printf '<|im_start|>user\nabc<|im_end|>\n' >"$tmp/raw"
    refuse 3 "image_pad" run "$golden/tiny-qwen2vl-F16.gguf" --mmproj "$eye" --raw \
        --image "$golden/scene-224x168.png" -f "$tmp/raw"
    turned=$EINF_TEST_DATA/images/orientation/hopper_orientation_6.jpg
    expect 0 "a turned JPEG" preprocess "$vision" --image "$turned" --json
    check "a turned JPEG: orientation" json_is orientation 6
    photo=$(find "$EINF_TEST_DATA/images/photos-udacity" -name '*.jpg' | sort | head -1)
    expect 0 "--reduce" preprocess "$vision" --image "$photo" -o "$tmp/reduced.f32" --reduce --json
    check "--reduce: decoded smaller" at_least "$(number reduced_by)" 2
    width=$(number width) nominal=$(number nominal_width)
    expect 0 "without --reduce" preprocess "$vision" --image "$photo" -o "$tmp/whole.f32" --json
    check "--reduce: the same size" json_is width "$width"
    check "--reduce: of the same picture" json_is nominal_width "$nominal"
    check "without --reduce: whole" test -z "$(json reduced_by)"
    check "--reduce: other pixels" sh -c "! cmp -s '$tmp/reduced.f32' '$tmp/whole.f32'"
    check "--reduce: much the same picture" distance "$tmp/whole.f32" "$tmp/reduced.f32" 0.2
else
    skip "EINF_TEST_DATA is not set: golden rows, JPEG"
fi

finish
