#!/bin/sh
# SPDX-License-Identifier: MIT
# test_state.sh [PROGRAM] - saved sessions and --deterministic as the command offers them.

bin=${1:-build/bin/edgeinfer}
here=$(dirname "$0")
models=models/small-world
model=$models/small-world-Q4_K_M.gguf
. "$here/checks.sh"

story='Jonas goes to the station. Iris walks to the market. Jonas picks up the book.'
ask() { expect 0 "$1" run "$model" -p "$story Where is $2?" --json "$3" "$4"; }

# ------------------------------------------------------------------------------------------------- sessions --
state=$tmp/story.state
ask "save" Jonas --save-state "$state"
check "save: nothing was there before" json_is n_cached 0
check "save: the file" at_least "$(wc -c <"$state")" 10000
check "save: for its owner alone" test "$(stat -c %a "$state")" = 600
check "save: nothing beside it" test "$(ls "$tmp" | grep -c part)" = 0
answer=$(json text) n_prompt=$(json n_prompt)

ask "load" Jonas --load-state "$state"
check "load: the same answer" json_is text "$answer"
check "load: the prompt is there" json_is n_cached $((n_prompt - 1))
ask "load, another question" Iris --load-state "$state"
text=$(json text) cached=$(json n_cached)
check "load, another question: the story is there" at_least "$cached" 20
expect 0 "without a state" run "$model" -p "$story Where is Iris?" --json
check "without a state: the same answer" json_is text "$text"
expect 0 "a smaller context" run "$model" -p "$story Where is Jonas?" -c 100 --load-state "$state" --json
check "a smaller context: the same answer" json_is text "$answer"
expect 0 "over an older one" run "$model" -p "Where is Tom?" -n 2 --save-state "$state" -q
refuse 4 "rows, the context 4" run "$model" --raw -p "A" -c 4 --load-state "$state"

cp "$state" "$tmp/kept"
refuse 1 "saved with KV type f16, this session has q8_0" run "$model" -p x --kv q8_0 --load-state "$state"
refuse 1 "saved with the default arithmetic" run "$model" -p x --deterministic --load-state "$state"
refuse 1 "saved with another model" run $models/small-world-Q8_0.gguf -p x --load-state "$state"
refuse 1 "no such file" run "$model" -p x --load-state "$tmp/none"
refuse 3 "not a state file" run "$model" -p x --load-state "$model"
head -c 5000 "$state" >"$tmp/cut"
refuse 3 "the file has 5000 bytes" run "$model" -p x --load-state "$tmp/cut"
expect 1 "no such folder" run "$model" -p "Where is Tom?" -n 2 --save-state "$tmp/none/x"
check "no such folder: the answer is there all the same" test -s "$out"
check "no such folder: says so" err_has "no such file or directory"
expect 1 "a device" run "$model" -p "Where is Tom?" -n 2 --save-state /dev/null
check "a device: it stays one" test -c /dev/null
check "what was refused changed nothing" cmp -s "$state" "$tmp/kept"

# --------------------------------------------------------------------------------------------- deterministic --
ids=$(seq -s , 1 2 199)
expect 0 "deterministic, 1 thread" logits "$model" --tokens "$ids" --deterministic -t 1 -o "$tmp/one" --json
check "deterministic: JSON says so" json_is deterministic true
expect 0 "deterministic, 3 threads" logits "$model" --tokens "$ids" --deterministic -t 3 -o "$tmp/three" -q
check "deterministic: any number of threads" cmp -s "$tmp/one" "$tmp/three"
# Rows are computed in other batches when only some are asked for; and row by row in the longer context.
expect 0 "deterministic, the last row" logits "$model" --tokens "$ids" --rows -1 --deterministic -o "$tmp/last" -q
tail -c 2048 "$tmp/one" >"$tmp/tail"
check "deterministic: any rows" cmp -s "$tmp/last" "$tmp/tail"
refuse 2 "exclude each other" logits "$model" --tokens 1 --deterministic --path panels -o "$tmp/x"
finish
