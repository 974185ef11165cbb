#!/bin/sh
# SPDX-License-Identifier: MIT
# test_perplexity.sh [PROGRAM] - perplexity and divergence against three sources: a second computation, by awk from the
# ids and logits that the command prints; numbers of llama-perplexity; and what must hold of any model.

bin=${1:-build/bin/edgeinfer}
here=$(dirname "$0")
models=models/small-world
f16=$models/small-world-F16.gguf q4=$models/small-world-Q4_K_M.gguf
corpus=$models/questions.tsv
. "$here/checks.sh"

# near A B TOLERANCE: |A - B| is at most TOLERANCE times |B|.
near() { awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { d = a - b; if (d < 0) d = -d; if (b < 0) b = -b; exit !(a != "" && d <= t * b) }'; }
# json_near PATH VALUE TOLERANCE
json_near() { near "$(json "$1")" "$2" "$3" || { echo "$1 is $(json "$1"), expected $2" >>"$err"; false; }; }

# ------------------------------------------------------------------------------------- a second computation --
# Three chunks of 64 ids, each beginning with BOS; rows 32 to 62 are scored by the id behind them.
head -c 2000 "$corpus" >"$tmp/text"
"$bin" tokenize "$f16" -f "$tmp/text" --bos -q >"$tmp/ids"
bos=$(head -n 1 "$tmp/ids")
rows=$(seq -s , 32 62)
for k in 0 1 2; do
    tail -n +$((k * 64 + 1)) "$tmp/ids" | head -n 64 | sed "1s/.*/$bos/" >"$tmp/chunk"
    head -n 63 "$tmp/chunk" >"$tmp/inputs"
    tail -n +34 "$tmp/chunk" >"$tmp/next"
    for m in "$q4" "$f16"; do
        "$bin" logits "$m" --tokens "@$tmp/inputs" --rows "$rows" --exact -q -o "$tmp/logits.f32"
        od -An -v -t f4 -w2048 "$tmp/logits.f32" >"$tmp/$(basename "$m").txt"
    done
    paste -d ' ' "$tmp/next" "$tmp/$(basename "$q4").txt" "$tmp/$(basename "$f16").txt"
done >"$tmp/rows" # the next id, 512 logits of the model, 512 of the base
awk '
function log_sum(from,    i, max, sum) {
    max = $from
    for (i = from; i < from + 512; i++) if ($i > max) max = $i
    for (i = from; i < from + 512; i++) sum += exp($i - max)
    return max + log(sum)
}
function best(from,    i, at) { at = from; for (i = from; i < from + 512; i++) if ($i > $at) at = i; return at - from }
{
    a = log_sum(2); b = log_sum(514)
    x = a - $(2 + $1); y = b - $(514 + $1)
    sum_x += x; sum_xx += x * x; sum_y += y; sum_yy += y * y; sum_xy += x * y
    kld = 0
    for (i = 0; i < 512; i++) { p = $(514 + i) - b; if (p > -16) kld += exp(p) * (p - $(2 + i) + a) }
    sum_kld += kld; if (kld > max_kld) max_kld = kld
    d = exp(-x) - exp(-y); sum_d += d; sum_dd += d * d
    same += best(2) == best(514)
}
END {
    x = sum_x / NR; y = sum_y / NR
    print "perplexity", exp(x)
    print "std_error", exp(x) * sqrt((sum_xx / NR - x * x) / (NR - 1))
    print "comparison.base_perplexity", exp(y)
    print "comparison.log_ratio", x - y
    var = sum_xx / NR - x * x + sum_yy / NR - y * y - 2 * (sum_xy / NR - x * y)
    print "comparison.log_ratio_u95", 1.959964 * sqrt(var / (NR - 1))
    print "comparison.kld_nats.mean", sum_kld / NR
    print "comparison.kld_nats.max", max_kld
    print "comparison.delta_p.mean", sum_d / NR
    print "comparison.delta_p.rms", sqrt(sum_dd / NR)
    print "comparison.same_best_share", same / NR
}' OFMT=%.10g "$tmp/rows" >"$tmp/expected"
check "there are 93 rows" test "$(wc -l <"$tmp/rows")" = 93
expect 0 "perplexity --base" perplexity "$q4" --base "$f16" -f "$tmp/text" -c 64 --chunks 3 --exact --json -q
check "one object" one_object
check "n_tokens" json_is n_tokens 93
check "chunks" json_is chunks 3
check "n_ctx" json_is n_ctx 64
check "a number for each chunk" json_is perplexity_by_chunk.length 3
check "the last of them is the result" json_near perplexity_by_chunk.2 "$(json perplexity)" 1e-12
check "n_text_tokens" json_is n_text_tokens "$(wc -l <"$tmp/ids")"
check "text_bytes" json_is text_bytes 2000
check "BOS" json_is chunks_begin_with_bos true
check "exact" json_is exact true
check "u95 is 1.96 standard errors" json_near u95 "$(awk -v e="$(json std_error)" 'BEGIN { print 1.959964 * e }')" 1e-5
while read -r key value; do check "$key" json_near "$key" "$value" 2e-4; done <"$tmp/expected"
check "awk computed ten numbers" test "$(wc -l <"$tmp/expected")" = 10

# ------------------------------------------------------------------------------------------ what must hold --
cp "$out" "$tmp/q4.json"
expect 0 "without a base" perplexity "$q4" -f "$tmp/text" -c 64 --chunks 3 --exact --json -q
check "without a base: the same perplexity" test "$(json perplexity)" = "$(awk -v want=perplexity -f "$here/json.awk" "$tmp/q4.json")"
check "without a base: no comparison" test -z "$(json comparison)"
expect 0 "a model and itself" perplexity "$q4" --base "$q4" -f "$tmp/text" -c 64 --chunks 2 --json -q
check "itself: KL divergence is 0" test "$(json comparison.kld_nats.max)" = 0 -a "$(json comparison.kld_nats.min)" = 0
check "itself: every best token is the same" json_is comparison.same_best_share 1
check "itself: no change of p" json_is comparison.delta_p.rms 0
check "itself: log of the ratio is 0" json_is comparison.log_ratio 0
expect 0 "Q4_K_M and F16" perplexity "$q4" --base "$f16" -f "$tmp/text" -c 64 --json -q
check "Q4_K_M and F16: mean KL divergence above 0.001" near "$(json comparison.kld_nats.mean)" 0.05 0.98
check "Q4_K_M and F16: below certainty" near "$(json comparison.same_best_share)" 0.95 0.05
check "percentiles ascend" awk -v a="$(json comparison.kld_nats.percentiles.p50)" -v b="$(json comparison.kld_nats.percentiles.p90)" \
    -v c="$(json comparison.kld_nats.percentiles.p99)" -v d="$(json comparison.kld_nats.max)" 'BEGIN { exit !(a < b && b < c && c <= d) }'
expect 0 "one token scored" perplexity "$q4" -f "$tmp/text" -c 4 --chunks 1 --json -q
check "one token: n_tokens" json_is n_tokens 1
check "one token has no error" test -z "$(json u95)"
# A chunk that is scored in several pieces, and one that is read in several batches.
expect 0 "one big chunk" perplexity "$q4" -f "$corpus" -c 1100 --chunks 2 --json -q
check "big chunk: n_tokens" json_is n_tokens $((2 * 549))

# ------------------------------------------------------------------------------------------- llama-perplexity --
# Of llama.cpp 3f545bec (2026-08-22), CPU: llama-perplexity -m M -f TEXT -c 256 -fa off -ctk f32 -ctv f32.
# F16 weights: it rounds activations to f16, we do not.
expect 0 "as llama-perplexity" perplexity "$f16" -f "$corpus" -c 256 --chunks 8 --exact --json -q
check "F16, chunk 1 of llama-perplexity" json_near perplexity_by_chunk.0 162.7757 5e-4
check "F16, chunk 8 of llama-perplexity" json_near perplexity 105.4422 5e-4
expect 0 "as llama-perplexity, decode's arithmetic" perplexity "$q4" -f "$corpus" -c 256 --chunks 8 --path rows --json -q
check "Q4_K_M, chunk 8 of llama-perplexity" json_near perplexity 106.4827 1e-2
if [ -n "${EINF_TEST_DATA:-}" ] && [ -f "$EINF_TEST_DATA/models/stories260K/tinyllm.gguf" ]; then
    expect 0 "stories260K" perplexity "$EINF_TEST_DATA/models/stories260K/tinyllm.gguf" -c 256 --chunks 16 --exact --json \
        -f "$EINF_TEST_DATA/text/wikitext-2/test.txt" -q
    check "F32, llama-perplexity" json_near perplexity 308.2388 2e-6
    check "F32, its error" json_near std_error 34.31411 2e-5
else
    skip "EINF_TEST_DATA is not set: stories260K over WikiText-2"
fi

# ------------------------------------------------------------------------------------------ streams, refusals --
expect 0 "text" perplexity "$q4" --base "$f16" -f "$tmp/text" -c 64 --chunks 3
for part in "perplexity  " " scored in 3 chunks of 64" "base model's" "KL divergence" "same best token" "change of p"; do
    check "text has \"$part\"" out_has "$part"
done
check "text: no progress off a terminal" sh -c "! grep -q 'chunk 1' '$err'"
expect 0 "-v" perplexity "$q4" -f "$tmp/text" -c 64 --chunks 3 -v
check "-v: a line for each chunk" test "$(grep -c '^chunk [0-9] of 3: perplexity [0-9.]*$' "$err")" = 3
"$bin" perplexity "$q4" -c 64 --chunks 3 --json -q <"$tmp/text" >"$out" 2>"$err"
check "the text from stdin" json_is n_tokens 93
head -c 100 "$tmp/text" >"$tmp/short"
n=$("$bin" tokenize "$q4" -f "$tmp/short" --bos -q | wc -l)
refuse 2 "the text has $n tokens, two chunks of 64 need 128" perplexity "$q4" -f "$tmp/short" -c 64
refuse 2 "two chunks of 512 need 1024" perplexity "$q4" -f "$tmp/short"
refuse 2 "expected at least 4" perplexity "$q4" -f "$tmp/text" -c 3
refuse 2 "--chunks is \"0\"" perplexity "$q4" -f "$tmp/text" --chunks 0
refuse 1 "cannot open" perplexity "$q4" -f "$tmp/none"
refuse 1 "none.gguf" perplexity "$q4" -f "$tmp/text" -c 64 --base "$tmp/none.gguf"
refuse 4 "edgeinfer: " perplexity "$q4" -f "$tmp/text" -c 64 --ram-limit 1M
other=${EINF_TEST_DATA:-}/models/stories260K/tinyllm.gguf
if [ -f "$other" ]; then
    refuse 2 "to the model and" perplexity "$q4" --base "$other" -f "$tmp/text" -c 64
fi
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do cat "$corpus"; done >"$tmp/long"
"$bin" perplexity "$q4" -f "$tmp/long" --exact >"$out" 2>"$err" &
pid=$!
sleep 1; kill -INT $pid; wait $pid
check "interrupted: exit code 5" test $? = 5
check "interrupted: stdout is empty" test ! -s "$out"
check "interrupted: says how far it was" grep -q '^edgeinfer: cancelled \(in the first\|after [0-9]*\) of [0-9]* chunks' "$err"
finish
