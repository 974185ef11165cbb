#!/bin/sh
# SPDX-License-Identifier: MIT
# test_cli.sh [PROGRAM] - exit codes and streams of the verbs of the edgeinfer command.
#
# Runs from the root of the tree, on the models that ship. What needs more takes it from EINF_TEST_DATA, or prints
# "SKIP: reason". The last line counts; the exit status is 1 when a check failed.

bin=${1:-build/bin/edgeinfer}
models=models/small-world
model=$models/small-world-Q4_K_M.gguf
here=$(dirname "$0")
verbs="run chat inspect validate plan tokenize logits"
. "$here/checks.sh"
[ -f "$model" ] || { echo "FAIL: there is no $model; run from the root of the tree"; exit 1; }

# ------------------------------------------------------------------------------------------------- help --
expect 0 "no arguments"
check "no arguments: a line for each verb, and few more" at_most "$(wc -l <"$out")" 20
check "no arguments: three examples" at_least "$(grep -c '^  edgeinfer ' "$out")" 3
expect 0 "--help" --help
check "--help lists the exit codes" out_has "4 does not fit"
cp "$out" "$tmp/help"
expect 0 "help" help
check "help is --help" cmp -s "$out" "$tmp/help"
expect 0 "--version" --version
check "--version" grep -q '^edgeinfer [0-9]*\.[0-9]*\.[0-9]* (interface [0-9]*)$' "$out"

# ------------------------------------------------------------------------------------------------- usage --
refuse 2 "did you mean edgeinfer inspect?" inspct x
refuse 2 "edgeinfer help lists the verbs" frobnicate
refuse 2 "there is no verb" -m "$model"
refuse 2 "there is no verb" help frobnicate
for verb in $verbs; do
    refuse 2 "needs a model" "$verb"
    refuse 2 "did you mean --json?" "$verb" "$model" --jsn
    refuse 2 "has no option --frobnicate" "$verb" "$model" --frobnicate=1
    refuse 2 "has no option -Z" "$verb" "$model" -Z
    refuse 2 "--model needs a value" "$verb" --model
    refuse 2 "expected map|read" "$verb" "$model" --mode mmap
done
for verb in run chat inspect plan tokenize logits; do refuse 2 "takes one model" "$verb" "$model" "$model"; done
refuse 2 "did you mean --temp?" run "$model" -p x --tem 1
refuse 2 "did you mean --seed?" run "$model" -p x --sede 1
refuse 2 "later release" run "$model" -p x --lora=adapter.gguf
for value in 0 -1 1.5 4x "" 99999999999 " 1"; do
    refuse 2 "--max-tokens is \"$value\", expected a whole number from 1 to 2147483647" run "$model" -p x -n "$value"
done
refuse 2 "--threads is \"257\", expected a whole number from 1 to 256" plan "$model" -t 257
refuse 2 "--temp is \"nan\"" run "$model" -p x --temp nan
refuse 2 "--temp is \"-1\"" run "$model" -p x --temp -1
refuse 2 "--top-p is \"1.01\", expected a number from 0 to 1" run "$model" -p x --top-p 1.01
refuse 2 "--kv is \"q8\", expected f16|f32|q8_0" plan "$model" --kv q8
refuse 2 "--ram-limit is \"3X\", expected a size" plan "$model" --ram-limit 3X
refuse 2 "-p and -f exclude each other" run "$model" -p x -f y
refuse 2 "the message is empty" run "$model" -p ""
refuse 2 "the message is empty" run "$model"
EINF_THREADS=many; export EINF_THREADS
refuse 2 "EINF_THREADS is \"many\", expected a whole number from 1 to 256" plan "$model"
EINF_THREADS=1; EINF_CPU_FORBID=0x; export EINF_CPU_FORBID
refuse 2 "EINF_CPU_FORBID is \"0x\"" plan "$model"
EINF_CPU_FORBID=all
expect 0 "plan under a mask" plan "$model" -v
check "EINF_THREADS counts" err_has "threads 1,"
check "EINF_CPU_FORBID counts" err_has "CPU features 0x0 of"
unset EINF_THREADS EINF_CPU_FORBID

# ----------------------------------------------------------------------------------------- files that are wrong --
printf 'GGUF\003\000\000\000 and then nothing of the kind' >"$tmp/bad.gguf"
head -c 100000 "$model" >"$tmp/cut.gguf"
: >"$tmp/empty.gguf"
for verb in run chat inspect plan tokenize logits; do
    case $verb in
    run | tokenize) more="-p x" ;;
    logits) more="--tokens 1 -o $tmp/never" ;;
    *) more= ;;
    esac
    refuse 1 "$tmp/none.gguf" "$verb" "$tmp/none.gguf" $more
    refuse 3 "$tmp/bad.gguf" "$verb" "$tmp/bad.gguf" $more
    refuse 3 "$tmp/cut.gguf" "$verb" -m "$tmp/cut.gguf" $more
    check "$verb on a cut file names the byte" grep -q '^  where: .*byte [0-9]' "$err"
    refuse 3 "$tmp/empty.gguf" "$verb" "$tmp/empty.gguf" $more --json
done
check "a failure writes no file" test ! -e "$tmp/never" -a ! -e "$tmp/never.part"

# -------------------------------------------------------------------------------------------------- run --
question="Jonas goes to the station. Iris walks to the market. Where is Jonas?"
answer="Jonas is in the station."
expect 0 "run" run "$model" -p "$question"
check "run: the answer alone on stdout" test "$(cat "$out")" = "$answer"
check "run: one newline behind the answer" size_is "$out" $((${#answer} + 1))
check "run: statistics on stderr" grep -q 'tokens at .* tok/s, prompt .* tokens .* peak memory .* MiB' "$err"
# What an answer cost, and budgets. A virtual machine has no counter of joules.
expect 0 "run --cost" run "$model" -p "$question" --cost --profile "$tmp/profile"
check "run --cost: CPU and memory" err_has "cost: CPU "
check "run --cost: energy" err_has "cost: energy"
check "run --profile" test "$(head -1 "$tmp/profile")" = "edgeprof-log 1"
check "run --profile: whole" test "$(tail -1 "$tmp/profile" | cut -c1-4)" = "end "
expect 0 "run --cost --json" run "$model" -p "$question" --cost --json -q
check "run --cost --json" test -n "$(awk -v want=cost.cpu_auc_pct_s -f "$here/json.awk" "$out")"
expect 6 "run --max-seconds" run "$model" -p "$question" --max-seconds 0.000001 --json -q
check "run --max-seconds: why" test "$(awk -v want=stop_reason -f "$here/json.awk" "$out")" = max_seconds
refuse 1 "edgeprof sources says what could count" run "$model" -p x --max-joules 1 --power none
refuse 2 "edgeprof sources" run "$model" -p x --power nothing-like-it
refuse 1 "cannot create the log" run "$model" -p x --profile "$tmp/no/such/folder"
expect 0 "run -q" run -q -m "$model" -p "$question"
check "run -q: stderr is empty" test ! -s "$err"
printf '%s\n' "$question" | "$bin" run "$model" -q >"$out" 2>"$err"
check "run: the prompt from stdin, without its newline" test "$(cat "$out")" = "$answer"
printf '%s\n' "$question" >"$tmp/question"
expect 0 "run -f" run -f "$tmp/question" "$model" -q
check "run -f" test "$(cat "$out")" = "$answer"
for mode in map read huge; do
    expect 0 "run --mode $mode" run "$model" -p "$question" --mode $mode -q
    check "run --mode $mode" test "$(cat "$out")" = "$answer"
done
expect 0 "run --json" run "$model" -p "$question" --json
check "run --json: one object" one_object
check "run --json: text" json_is text "$answer"
check "run --json: stop_reason" json_is stop_reason eos
check "run --json: an id for every token" json_is token_ids.length "$(json n_generated)"
for key in n_prompt elapsed_s.load elapsed_s.tokenize elapsed_s.prefill elapsed_s.decode elapsed_s.total \
    cost.cpu_core_s cost.rss_peak_mib cost.session_mib; do
    check "run --json: $key is a number" json_is_number $key
done
check "run --json: what was not measured is absent" test -z "$(json cost.energy_j)"
expect 0 "run -n" run "$model" -p "$question" -n 3 --json
check "run -n: three tokens" json_is n_generated 3
check "run -n: stop_reason" json_is stop_reason length
expect 0 "run to the end of the context" run "$model" --raw -p "" -c 40 --ignore-eos --json -q
check "context: stop_reason" json_is stop_reason context
expect 0 "run --temp" run "$model" -p "$question" --temp 2 --seed 5 --ignore-eos -n 20 -q
cp "$out" "$tmp/seed5"
expect 0 "run --temp again" run "$model" -p "$question" --temp 2 --seed 5 --ignore-eos -n 20 -q
check "a seed gives one answer" cmp -s "$out" "$tmp/seed5"
expect 0 "run --temp, another seed" run "$model" -p "$question" --temp 2 --seed 6 --ignore-eos -n 20 -q
check "another seed gives another" sh -c "! cmp -s '$out' '$tmp/seed5'"
refuse 4 "the prompt has" run "$model" -p "$question" -c 8
refuse 4 "edgeinfer: " run "$model" -p "$question" --ram-limit 1M
expect 0 "run -v" run "$model" -p "$question" -v
check "run -v: kernels on stderr" err_has "kernel "
check "run -v: stdout is the answer" test "$(cat "$out")" = "$answer"

# A full disk fails, a reader that goes away does not.
if [ -c /dev/full ]; then
    "$bin" run "$model" -p "$question" >/dev/full 2>"$err"; got=$?; : >"$out"
    check "run > /dev/full fails" test $got = 1
    check "run > /dev/full says so" err_has "cannot write"
    "$bin" inspect "$model" >/dev/full 2>"$err"
    check "inspect > /dev/full fails" test $? = 1
fi
"$bin" run "$model" -p "$question" >&- 2>"$err"
check "run with stdout closed fails" test $? = 1
{ "$bin" run "$model" --raw -p "" --ignore-eos -n 3000 2>"$err"; echo $? >"$tmp/code"; } | head -c 1 >/dev/null
check "a closed pipe ends the answer quietly" test "$(cat "$tmp/code")" = 0
check "a closed pipe is no error" sh -c "! grep -q '^edgeinfer:' '$err'"

# Ctrl-C: the answer so far, and 5.
interrupt() { # ARGS...: start, wait until something was written or a second has gone, interrupt
    "$bin" "$@" >"$out" 2>"$err" </dev/null &
    pid=$!
    for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; [ -s "$out" ] && break; done
    kill -INT $pid
    wait $pid
    got=$?
    check "$1 interrupted: exit code $got, expected 5" test $got = 5
    check "$1 interrupted: says so" grep -q '^edgeinfer: ' "$err"
}
interrupt run "$model" --raw -p "" --ignore-eos -c 100000
check "run interrupted: the answer so far" test -s "$out"
interrupt run "$model" --raw -p "" --ignore-eos -c 100000 --json
check "run interrupted, --json: one object" one_object
check "run interrupted, --json: stop_reason" json_is stop_reason cancelled
mkfifo "$tmp/fifo"
sleep 5 >"$tmp/fifo" &
writer=$!
"$bin" tokenize "$model" -f "$tmp/fifo" >"$out" 2>"$err" &
pid=$!
sleep 0.5; kill -INT $pid; wait $pid
check "interrupted while reading: 5" test $? = 5
kill $writer 2>/dev/null

# On a terminal nobody is asked for a prompt.
if timeout 20 script -qec true /dev/null </dev/null >/dev/null 2>&1; then # needs util-linux and a pseudo-terminal
    timeout 20 script -qec "$bin run $model; echo code \$?" /dev/null </dev/null >"$out" 2>&1; : >"$err"
    check "run on a terminal without -p: usage" out_has "code 2"
    check "run on a terminal without -p: says why" out_has "stdin is a terminal"
    timeout 60 script -qec "$bin run $model -p '$question' 2>/dev/null" /dev/null </dev/null >"$out" 2>&1
    check "run on a terminal: a newline behind the answer" grep -q "station\\.$(printf '\r')\$" "$out"
else
    skip "script(1) is not installed: nothing was tried on a terminal"
fi

# ---------------------------------------------------------------------------------------------- inspect --
expect 0 "inspect" inspect "$model"
for text in "architecture  llama" "mostly Q4_K" "512 tokens, bpe qwen2" "chat          a template" "4 layers, width 256" \
    "token_embd.weight" "tokenizer.ggml.tokens" "512: [" ", ...]"; do
    check "inspect has \"$text\"" out_has "$text"
done
check "inspect: stderr is empty" test ! -s "$err"
expect 0 "inspect --all" inspect "$model" --all
check "inspect --all: the last token" out_has "<|eot_id|>]"
expect 0 "inspect --json" inspect "$model" --json
check "inspect --json: one object" one_object
for pair in "architecture llama" "runs true" "n_vocab 512" "n_layer 4" "n_embd 256" "n_head 4" "n_head_kv 2" \
    "gguf_version 3" "has_chat_template true" "metadata.0.key general.architecture" "metadata.0.value llama" \
    "file_bytes $(wc -c <"$model")"; do
    check "inspect --json: $pair" json_is "${pair%% *}" "${pair#* }"
done
check "inspect --json: every tensor" json_is tensors.length "$(json n_tensors)"
check "inspect --json: every entry" json_is metadata.length "$(json n_kv)"
vision=models/traffic-vl/mmproj-traffic-vl-F16.gguf
if [ -f $vision ]; then
    expect 0 "inspect a vision encoder" inspect $vision --json
    check "a vision encoder: architecture" json_is architecture clip
    check "a vision encoder runs" json_is runs true
    expect 0 "validate a vision encoder" validate $vision
fi

# --------------------------------------------------------------------------------------------- validate --
expect 0 "validate" validate "$model"
check "validate: verdict" test "$(cat "$out")" = "ok    $model: header, vocabulary, weights"
expect 0 "validate --tensors" validate --tensors "$model" "$models/small-world-Q8_0.gguf"
check "validate: a line for each file" test "$(grep -c '^ok .*every value$' "$out")" = 2
expect 3 "validate a bad file among others" validate "$model" "$tmp/cut.gguf" "$tmp/bad.gguf"
check "validate: three lines" test "$(wc -l <"$out")" = 3
check "validate: the place" grep -q "^bad   $tmp/cut.gguf: .*byte [0-9]" "$out"
expect 3 "validate --json" validate "$tmp/cut.gguf" --json
check "validate --json: one object" one_object
check "validate --json: valid" json_is valid false
check "validate --json: status" json_is status EINF_E_FORMAT
check "validate --json: offset_bytes is a number" json_is_number offset_bytes
expect 0 "validate --json, sound" validate --json "$model"
check "validate --json: checked" json_is checked.2 weights
expect 3 "validate --json, several" validate --json "$model" "$tmp/bad.gguf"
check "validate --json: files" json_is files.length 2
check "validate --json: the first is valid" json_is files.0.valid true
refuse 1 "none.gguf" validate "$tmp/none.gguf"

# ------------------------------------------------------------------------------------------------- plan --
expect 0 "plan" plan "$model" -c 1000
for text in "context 1000, KV f16, float sums f32" "weights" "vocabulary" "kv" "scratch" "private"; do
    check "plan has \"$text\"" out_has "$text"
done
expect 0 "plan --json" plan "$model" -c 1000 --kv f32 --json
check "plan --json: one object" one_object
kv=$((1000 * 4 * 2 * 2 * 64 * 4)) # context, layers, K and V, heads, width, bytes; and a little for alignment
check "plan --json: kv_bytes" at_least "$(number kv_bytes)" $kv
check "plan --json: kv_bytes is not far more" at_most "$(number kv_bytes)" $((kv + 65536))
check "plan --json: the sum" json_is private_bytes $(($(number weights_private_bytes) + $(number model_bytes) + \
    $(number vocab_bytes) + $(number kv_bytes) + $(number scratch_bytes) + $(number stack_bytes)))
expect 0 "plan with KV in Q8_0" plan "$model" -c 1000 --kv q8_0 --json
check "plan --json: kv" json_is kv q8_0
kv=$((kv / 4 * 34 / 32)) # 34 bytes for 32 elements
check "plan --json: kv_bytes of Q8_0" at_least "$(number kv_bytes)" $kv
check "plan --json: kv_bytes of Q8_0 is not far more" at_most "$(number kv_bytes)" $((kv + 65536))
expect 0 "plan with float sums in f16" plan "$model" --float-sum f16 --json
if [ "$(uname -m)" = x86_64 ]; then check "plan --json: float_sum, as it will be" json_is float_sum f32; fi
expect 0 "plan with float sums in i16" plan "$model" --float-sum i16 --json
if [ "$(uname -m)" = aarch64 ]; then check "plan --json: float_sum, as it will be" json_is float_sum f32; fi
refuse 2 "expected f32|f16|i16" plan "$model" --float-sum f64
expect 4 "plan over the limit" plan "$model" -c 100000 --ram-limit 60M --json
check "over the limit: one object" one_object
check "over the limit: fits" json_is fits false
fits=$(number n_ctx_fits)
check "over the limit: a context that fits" at_least "$fits" 1
expect 0 "plan with the context that fits" plan "$model" -c "$fits" --ram-limit 60M
check "it fits" out_has "fits into 60.0 MiB"
expect 4 "plan with one more" plan "$model" -c $((fits + 1)) --ram-limit 60M
check "one more does not fit" out_has "does not fit into 60.0 MiB; -c $fits does"

# --------------------------------------------------------------------------------------------- tokenize --
expect 0 "tokenize -p" tokenize "$model" -p "Iris walks home."
cp "$out" "$tmp/ids"
check "tokenize: one decimal id a line" test -z "$(grep -v '^[0-9][0-9]*$' "$out")"
printf 'Iris walks home.' >"$tmp/text"
expect 0 "tokenize -f" tokenize "$model" -f "$tmp/text"
check "tokenize -f" cmp -s "$out" "$tmp/ids"
"$bin" tokenize -m "$model" <"$tmp/text" >"$out" 2>"$err"
check "tokenize from stdin" cmp -s "$out" "$tmp/ids"
expect 0 "tokenize --bos" tokenize "$model" -p "Iris walks home." --bos
check "tokenize --bos: BOS first" test "$(head -n 1 "$out")" = 507
check "tokenize --bos: the rest is the same" test "$(tail -n +2 "$out")" = "$(cat "$tmp/ids")"
expect 0 "tokenize --special" tokenize "$model" -p "<|eot_id|>" --special
check "tokenize --special: one id" test "$(cat "$out")" = 511
expect 0 "tokenize without --special" tokenize "$model" -p "<|eot_id|>"
check "without --special: text" at_least "$(wc -l <"$out")" 2
expect 0 "tokenize --json" tokenize "$model" -f "$tmp/text" --json
check "tokenize --json: one object" one_object
check "tokenize --json: n_bytes" json_is n_bytes 16
check "tokenize --json: ids" json_is ids.length "$(json n_tokens)"
check "tokenize --json: the first id" json_is ids.0 "$(head -n 1 "$tmp/ids")"
printf 'a\000b\377\n' >"$tmp/bytes"
expect 0 "tokenize any bytes" tokenize "$model" -f "$tmp/bytes" --json
check "any bytes: all of them" json_is n_bytes 5
expect 0 "tokenize nothing" tokenize "$model"
check "nothing gives nothing" test ! -s "$out" -a ! -s "$err"
refuse 1 "cannot open" tokenize "$model" -f "$tmp/none"
refuse 1 "cannot read" tokenize "$model" -f "$tmp"

# ----------------------------------------------------------------------------------------------- logits --
ids=507,1,2,3,4,5,6,7,8,9,10
expect 0 "logits" logits "$model" --tokens $ids -o "$tmp/all.f32"
check "logits: stdout is empty" test ! -s "$out"
check "logits: every row" size_is "$tmp/all.f32" $((11 * 512 * 4))
check "logits: no .part left" test ! -e "$tmp/all.f32.part"
expect 0 "logits -o -" logits "$model" --tokens $ids -o - -q
check "logits -o -: the same bytes" cmp -s "$out" "$tmp/all.f32"
# Which rows are asked for decides how they are computed, unless that is forced.
expect 0 "logits --path panels" logits "$model" --tokens $ids --path panels -o "$tmp/panels.f32"
expect 0 "logits --rows" logits "$model" --tokens $ids --path panels --rows 0,10,-1 -o "$tmp/rows.f32"
check "logits --rows: three rows" size_is "$tmp/rows.f32" $((3 * 512 * 4))
for pair in 0:0 1:10 2:10; do
    dd if="$tmp/rows.f32" of="$tmp/a" bs=2048 skip=${pair%:*} count=1 2>/dev/null
    dd if="$tmp/panels.f32" of="$tmp/b" bs=2048 skip=${pair#*:} count=1 2>/dev/null
    check "logits --rows: row ${pair%:*} is row ${pair#*:}" cmp -s "$tmp/a" "$tmp/b"
done
echo "$ids" | tr ',' '\n' >"$tmp/id_file"
expect 0 "logits @FILE" logits "$model" --tokens "@$tmp/id_file" -o "$tmp/file.f32" --json
check "logits @FILE: the same bytes" cmp -s "$tmp/file.f32" "$tmp/all.f32"
check "logits --json: one object" one_object
check "logits --json: n_rows" json_is n_rows 11
check "logits --json: n_vocab" json_is n_vocab 512
check "logits --json: output_bytes" json_is output_bytes $((11 * 512 * 4))
for path in rows panels; do
    expect 0 "logits --path $path" logits "$model" --tokens $ids --exact --path $path -o "$tmp/$path.f32" -q
    check "logits --path $path: every row" size_is "$tmp/$path.f32" $((11 * 512 * 4))
done
expect 0 "logits to a device" logits "$model" --tokens 1 -o /dev/null
check "a device stays a device" test -c /dev/null
refuse 1 "cannot write" logits "$model" --tokens 1 -o "$tmp/none/x"
refuse 2 "logits needs --tokens" logits "$model" -o "$tmp/x"
refuse 2 "logits needs -o" logits "$model" --tokens 1
refuse 2 "both want stdout" logits "$model" --tokens 1 -o - --json
refuse 2 "token id 1 is \"x\"" logits "$model" --tokens 1,x -o "$tmp/x"
refuse 2 "token id 0 is \"-1\"" logits "$model" --tokens=-1 -o "$tmp/x"
refuse 2 "512" logits "$model" --tokens 1,512 -o "$tmp/x"
refuse 2 "row \"3\" is none of 3: expected 0 to 2, or -3 to -1" logits "$model" --tokens 1,2,3 --rows 3 -o "$tmp/x"
refuse 2 "ascending" logits "$model" --tokens 1,2,3 --rows -1,0 -o "$tmp/x"
refuse 2 "list of rows is empty" logits "$model" --tokens 1,2,3 --rows , -o "$tmp/x"
refuse 4 "edgeinfer: " logits "$model" --tokens 1,2,3 -c 2 -o "$tmp/x"
check "refusals write no file" test ! -e "$tmp/x" -a ! -e "$tmp/x.part"

# ------------------------------------------------------------------------------------------ data from outside --
stories=${EINF_TEST_DATA:-}/models/stories260K
if [ -n "${EINF_TEST_DATA:-}" ] && [ -f "$stories/tinyllm.gguf" ]; then
    expect 0 "stories260K" run "$stories/tinyllm.gguf" --raw -p "" -n 200 -c 256 -q
    golden=$stories/golden_run_t0_n200.txt
    n=$(wc -c <"$golden")
    [ "$(tail -c 1 "$golden" | od -An -tx1 | tr -d ' ')" = 0a ] && n=$((n - 1))
    check "stories260K begins with the golden text" cmp -s -n "$n" "$out" "$golden"
    bert=$EINF_TEST_DATA/tokenizers/vocabs/bert-bge.gguf
    expect 0 "tokenize with a vocabulary alone" tokenize "$bert" -p "hello world"
    check "two words, two ids" test "$(wc -l <"$out")" = 2
    expect 0 "inspect a vocabulary" inspect "$bert" --json
    check "a vocabulary does not run" json_is runs false
    check "a vocabulary: tokenizer" json_is tokenizer wordpiece
    expect 0 "validate a vocabulary" validate "$bert"
    check "a vocabulary has no weights" test "$(cat "$out")" = "ok    $bert: header, vocabulary"
    refuse 3 "$bert" run "$bert" -p x
else
    skip "EINF_TEST_DATA is not set: stories260K, a vocabulary without tensors"
fi

finish
