#!/bin/sh
# SPDX-License-Identifier: MIT
# test_advise.sh [PROGRAM] - the advice on picture sizes, with the traffic model: the ladder against what preprocess
# says, the knee, forecasts against what an answer takes, answers compared across sizes and with those that are known.

bin=${1:-build/bin/edgeinfer}
here=$(dirname "$0")
. "$here/checks.sh"
traffic=models/traffic-vl
if [ ! -f $traffic/mmproj-traffic-vl-F16.gguf ]; then
    skip "$traffic is not in the tree"
    finish
fi
model=$traffic/traffic-vl-Q8_0.gguf
eye=$traffic/mmproj-traffic-vl-F16.gguf
scene=$traffic/heldout/scene-00.png
# advise CODE NAME ARGS...: quickly calibrated.
advise() { code=$1 name=$2; shift 2; expect "$code" "$name" advise-image $model --mmproj $eye --seconds 1 -q "$@"; }
# calc EXPRESSION: it is true.
calc() { awk "BEGIN { exit !($1) }"; }

# -------------------------------------------------------------------------------------------------- a ladder --
advise 0 "a ladder" --image $scene -n 32 --json
check "JSON: one object" one_object
check "JSON: stderr is empty" test ! -s "$err"
check "JSON: the picture" json_is width 1024
check "JSON: the file's limit" json_is limit_of file
check "JSON: the limit in tokens" json_is limit_tokens 96
check "JSON: the picture's own tokens" json_is own_tokens 925
check "JSON: tokens of the answer" json_is n_answer_tokens 32
check "JSON: the whole picture is the first step" json_is settings.0.n_tokens 925
check "JSON: it is beyond the limit" json_is settings.0.is_beyond_limit true
check "JSON: then the limit" json_is settings.1.option "--image-max-tokens 96"
check "JSON: which is none beyond" json_is settings.1.is_beyond_limit false
check "JSON: the knee has the limit's tokens" json_is knee.n_tokens 88
check "JSON: and is smaller" calc "$(number knee.max_tokens) <= 96 && $(number knee.max_tokens) > 64"
check "JSON: the knee is the limit's, not the picture's" json_is knee.is_own_size false
check "JSON: without answers the advice is the knee" json_is advice.max_tokens "$(json knee.max_tokens)"
check "JSON: and says so" json_is advice.by forecast
n=$(number settings.length)
check "JSON: ten settings or more" at_least "$n" 10
cp "$out" "$tmp/ladder"
i=0 before=1000000
while [ $i -lt "$n" ]; do
    out=$tmp/ladder
    option=$(json settings.$i.option) tokens=$(json settings.$i.n_tokens) patches=$(json settings.$i.n_patches)
    macs=$(json settings.$i.n_macs) low=$(json settings.$i.total_s.low) high=$(json settings.$i.total_s.high)
    value=$(json settings.$i.total_s.value) mib=$(json settings.$i.encode_mib)
    check "$option: the forecast lies in its interval" calc "0 < $low && $low < $value && $value < $high"
    check "$option: memory" calc "$mib > 0"
    check "$option: phases add up" calc "($value - $(json settings.$i.preprocess_s.value) - \
        $(json settings.$i.encode_s.value) - $(json settings.$i.prefill_s.value) - $(json settings.$i.decode_s.value)) ^ 2 \
        < (0.001 * $value) ^ 2"
    case $option in
    --image*)
        check "$option: no more tokens than at the step before" at_most "$tokens" "$before"
        before=$tokens ;;
    esac
    out=$tmp/out
    # shellcheck disable=SC2086 # the option is two words
    expect 0 "preprocess $option" preprocess $eye --image $scene $option --json -q
    for key in n_tokens n_patches n_macs; do
        case $key in n_tokens) want=$tokens ;; n_patches) want=$patches ;; *) want=$macs ;; esac
        found=$(json $key || json images.0.$key)
        check "$option: $key is that of preprocess" test "$found" = "$want"
    done
    i=$((i + 1))
done
out=$tmp/out
advise 0 "below the limit, the picture's own size is the knee" --image-size 200x150 --json
check "own size: flat" json_is knee.is_own_size true
check "own size: tokens" json_is knee.n_tokens 35
advise 0 "limits of the options" --image-size 1024x712 --image-max-tokens 48 --json
check "options: limit" json_is limit_of options
check "options: in tokens" json_is limit_tokens 48
advise 0 "a ladder of one's own" --image-size 1024x712 --ladder 16,64,32 --json
check "own ladder: largest first" json_is settings.0.max_tokens 64
check "own ladder: smallest last" json_is settings.2.max_tokens 16
check "own ladder: then the clamps" json_is settings.3.longest_edge 1024

# ------------------------------------------------------------------------------------------------- for people --
advise 0 "a table" --image $scene
check "table: stderr is empty" test ! -s "$err"
check "table: head" out_has "scene-00.png: 1024x712 pixels, 925 tokens at its own size; limit 96 tokens, as the file says"
check "table: a clamp of the study" grep -q -e '^--longest-edge 714 *728x504 *468 *1872 ' "$out"
check "table: knee" sh -c "grep -q '308x224 *88 *352 .*knee\$' '$out'"
check "table: flat" out_has "nothing changes; without the limit it would grow to 925 tokens"
check "table: the last line is the advice" sh -c "tail -n 1 '$out' | grep -q '^use --image-max-tokens [0-9]*: '"
check "table: no blanks at ends" sh -c "! grep -q ' \$' '$out'"
expect 0 "a context that is too short" advise-image $model --mmproj $eye --image $scene --seconds 1 -q -c 128 -n 32
check "short context: told" sh -c "grep -q '^--image-max-tokens 96 .*needs more context than 128' '$out'"
check "short context: not of the small" sh -c "! grep -q '^--image-max-tokens 16 .*needs more' '$out'"

# ---------------------------------------------------------------------------- forecasts against what it takes --
# Loosely: others use the machine too. A second forecast may be had when the first is off.
for attempt in 1 2 3; do
    advise 0 "a forecast" --image $scene -p "Describe the scene." -n 40 --ladder 925,96 --seconds 3 --json
    forecast=$(number settings.0.total_s.value)
    expect 0 "what it takes" run $model --mmproj $eye --image $scene -p "Describe the scene." -n 40 --ignore-eos \
        --image-max-tokens 925 --json -q
    took=$(awk -v i="$(number elapsed_s.image)" -v p="$(number elapsed_s.prefill)" -v d="$(number elapsed_s.decode)" 'BEGIN { print i + p + d }')
    calc "$forecast > $took / 3 && $forecast < $took * 3" && break
done
check "the forecast of $forecast s is within a factor of 3 of $took s (attempt $attempt)" \
    calc "$forecast > $took / 3 && $forecast < $took * 3"

# ---------------------------------------------------------------------------------------------------- answers --
advise 0 "--compare" --image $scene --image $traffic/heldout/scene-01.png -p "Describe the scene." \
    -p "Is it day or night?" --compare --json
check "compare: one object" one_object
check "compare: pictures" json_is comparison.n_pictures 2
check "compare: answers" json_is comparison.n_answers 4
check "compare: with the limit's" json_is comparison.reference "--image-max-tokens 96"
check "compare: which agree with themselves" json_is comparison.settings.0.n_equal 4
check "compare: token by token" json_is comparison.settings.0.leading_tokens_share 1
check "compare: word by word" json_is comparison.settings.0.word_distance 0
check "compare: the knee answers as the limit" json_is comparison.settings.1.n_stable 4
last=$(($(number comparison.settings.length) - 1))
check "compare: six tokens are too few" calc "$(number comparison.settings.$last.n_stable) < 4"
check "compare: there words differ" calc "$(number comparison.settings.$last.word_distance) > 0"
check "compare: and tokens" calc "$(number comparison.settings.$last.leading_tokens_share) < 1"
check "compare: the advice is by agreement" json_is advice.by agreement
check "compare: and loses nothing" calc "$(number advice.max_tokens) > 8 && $(number advice.max_tokens) < 96"
advise 0 "--compare, all may differ" --image $scene -p "Describe the scene." --compare --tolerance 100 --ladder 96,8 --json
check "tolerance: the smallest is good enough" json_is advice.max_tokens 8
advise 0 "--compare, for people" --image $scene -p "Is it day or night?" --compare --ladder 96,64
check "compare: table" out_has "answers compared with those of --image-max-tokens 96: pictures 1, answers 1"
check "compare: what it rests on" out_has "rests on 1 picture"
expect 0 "--compare says what it will take" advise-image $model --mmproj $eye --seconds 1 --image $scene -p "Is it day or night?" \
    --compare --ladder 96,64
check "compare: on stderr" err_has "comparing at 2 settings: pictures 1, answers 1; "

# Known answers; two that nobody would give.
head -n 40 $traffic/heldout/questions.tsv | sed "s|^|$PWD/$traffic/heldout/|" >"$tmp/known.tsv"
printf '%s\tIs it day or night?\tPerhaps.\n' "$PWD/$traffic/heldout/scene-05.png" >>"$tmp/known.tsv"
printf '%s\tWhat is on the left?\tA pink bicycle.\n' "$PWD/$traffic/heldout/scene-05.png" >>"$tmp/known.tsv"
advise 0 "--expect" --expect "$tmp/known.tsv" --ladder 96,8 --json
check "expect: pictures" json_is comparison.n_pictures 6
check "expect: answers" json_is comparison.settings.0.n_expected 42
check "expect: wrong ones are wrong" at_most "$(number comparison.settings.0.n_right)" 40
check "expect: most of the others are right" at_least "$(number comparison.settings.0.n_right)" 34
check "expect: lost is what is missing" calc "$(number comparison.settings.0.n_right) - $(number comparison.settings.1.n_right) == \
    $(number comparison.settings.1.n_lost) - $(number comparison.settings.1.n_won)"
check "expect: six tokens are too few" calc "$(number comparison.settings.1.n_right) < $(number comparison.settings.0.n_right)"
check "expect: the advice is by answers" json_is advice.by expected_answers
check "expect: the limit" json_is advice.max_tokens 96
expect 0 "--expect finds pictures beside its file" advise-image $model --mmproj $eye --seconds 1 -q --ladder 16 \
    --expect $traffic/heldout/questions.tsv --json
check "expect: all pictures" json_is comparison.n_pictures 24

# ----------------------------------------------------------------------------------------------------- energy --
advise 0 "--cost" --image $scene --cost --ladder 96,16 --json
check "cost: CPU seconds are forecast" calc "$(number settings.0.cpu_core_s.value) > 0"
if [ "$(number calibration.image_power.gross_w)" != 0 ]; then
    check "cost: joules" calc "$(number settings.0.gross_j.low) < $(number settings.0.gross_j.value)"
    check "cost: more for more tokens" calc "$(number settings.0.gross_j.value) > $(number settings.1.gross_j.value)"
    check "cost: of a source" test -n "$(json calibration.energy_source)"
fi
advise 0 "--power none" --image $scene --cost --power none --ladder 96 --json
check "no source: no joules" sh -c "! grep -q gross_j '$out'"
advise 0 "without --cost" --image $scene --ladder 96 --json
check "nobody asked: no joules" sh -c "! grep -q -e gross_j -e cpu_core_s '$out'"

# ----------------------------------------------------------------------------------------------------- errors --
refuse 2 "needs a model" advise-image
refuse 2 "needs a vision encoder" advise-image $model --image $scene
refuse 2 "needs a picture" advise-image $model --mmproj $eye
refuse 2 "--compare needs pictures" advise-image $model --mmproj $eye --compare --image-size 64x64 -p What
refuse 2 "--compare needs a question" advise-image $model --mmproj $eye --compare --image $scene
refuse 2 "--expect names pictures and questions itself" advise-image $model --mmproj $eye --expect "$tmp/known.tsv" -p What
refuse 2 "exclude each other" advise-image $model --mmproj $eye --image $scene --image-size 64x64
refuse 2 'the step "x"' advise-image $model --mmproj $eye --image $scene --ladder 96,x
refuse 2 'the step "0"' advise-image $model --mmproj $eye --image $scene --ladder 0
refuse 2 "--tolerance" advise-image $model --mmproj $eye --image $scene --tolerance 101
refuse 2 "stdin" advise-image $model --mmproj $eye --image -
printf 'a.png\tWhat?\n' >"$tmp/short.tsv"
refuse 2 "line 1 has no three parts" advise-image $model --mmproj $eye --expect "$tmp/short.tsv"
: >"$tmp/empty.tsv"
refuse 2 "holds no questions" advise-image $model --mmproj $eye --expect "$tmp/empty.tsv"
refuse 1 "nothing.png" advise-image $model --mmproj $eye --image "$tmp/nothing.png"
refuse 3 "$tmp/known.tsv" advise-image $model --mmproj $eye --image "$tmp/known.tsv"
refuse 3 "vision encoder" advise-image $eye --mmproj $eye --image $scene
refuse 3 "language model" advise-image $model --mmproj $model --image $scene
refuse 4 "no step leaves room" advise-image $model --mmproj $eye --image $scene -p "What is there?" --compare -c 16 --seconds 1 -q
finish
