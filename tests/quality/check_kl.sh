#!/bin/sh
# SPDX-License-Identifier: MIT
# check_kl.sh PROGRAM - how far the default arithmetic lies from the exact one (f32 throughout), for each weight type
# there is a file of, beside llama.cpp: the mean Kullback-Leibler divergence in nats a token.
#
# Trained models predict real text, as `perplexity --base-exact`: ours may be 1.05 times llama.cpp's at most, and fails
# where it is above that by more than its own 95 % interval. Models of random weights (tests/golden) predict the ids that
# their golden numbers are of; they are shown, and bound by their error alone (test_golden_logits.c). PATHS="auto rows
# panels-64 ..." shows forced paths as well, without a bound. EINF_TEST_DATA brings stories260K and further goldens,
# EINF_GEMMA (or the cache of fetch_gemma.sh) Gemma 3 270M.
set -u
bin=${1:-build/bin/edgeinfer}
here=$(dirname "$0")
data=${EINF_TEST_DATA:-}
gemma=${EINF_GEMMA:-${EINF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/edgeinfer}/gemma-3-270m-q4_k_m.gguf}
paths=${PATHS:-auto}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0
skip() { echo "SKIP: $1"; }
json() { awk -v want="$1" -f "$here/../cli/json.awk" "$tmp/json"; }

# row WHAT PATH OURS U95 LLAMA BOUND: a line of the table, and the verdict. BOUND: of the ratio, 0 is none.
row() {
    awk -v what="$1" -v path="$2" -v ours="$3" -v u95="$4" -v theirs="$5" -v bound="$6" 'BEGIN {
        over = path == "auto" && bound > 0 && ours - u95 > bound * theirs
        printf "%-44s %-10s %12.3e %9s %12.3e %8.3f%s\n", what, path, ours, (u95 > 0 ? sprintf("%.1e", u95) : ""), theirs, ours / theirs,
               over ? "  FAIL: more than " bound : ""
        exit over }' || failed=1
}

# trained NAME FILE TEXT CTX CHUNKS LLAMA
trained() {
    [ -f "$2" ] && [ -f "$3" ] || { skip "$1: needs $2 and $3"; return; }
    for path in $paths; do
        "$bin" perplexity "$2" --base-exact --path "$path" -f "$3" -c "$4" --chunks "$5" --json -q >"$tmp/json" ||
            { failed=1; continue; }
        row "$1" "$path" "$(json comparison.kld_nats.mean)" "$(json comparison.kld_nats.u95)" "$6" 1.05
    done
}

# logits FILE OUT OPTION...: the rows of $ids that $rows names, as text, a row of logits to a line.
logits() {
    file=$1 out=$2
    shift 2
    "$bin" logits "$file" --tokens "@$tmp/ids" --rows "$rows" -q -o "$tmp/f32" "$@" || return 1
    od -An -v -t f4 -w4096 "$tmp/f32" >"$out" # 1024 logits
}

# random NAME FILE LLAMA: rows and ids are set.
random() {
    [ -f "$2" ] || { skip "$1: needs $2"; return; }
    logits "$2" "$tmp/exact" --exact || { failed=1; return; }
    for path in $paths; do
        logits "$2" "$tmp/ours" --path "$path" || { failed=1; continue; }
        kl=$(paste -d ' ' "$tmp/exact" "$tmp/ours" | awk -f "$here/kl.awk")
        row "$1" "$path" "$kl" 0 "$3" 0
    done
}

# golden FILE: where the tree or the data has it.
golden() { if [ -f "$here/../golden/data/$1" ]; then echo "$here/../golden/data/$1"; else echo "${data:-EINF_TEST_DATA}/golden/$1"; fi; }

printf '%-44s %-10s %12s %9s %12s %8s\n' "model" path ours u95 llama.cpp ratio

# llama.cpp 3f545bec (2026-08-22) with its defaults, against the same weights de-quantised to F32 and run with
# -fa off -ctk f32 -ctv f32: llama-perplexity --kl-divergence, same text, -c and --chunks, AVX-512 VNNI, 2026-11-21.
world=models/small-world
trained "small-world F16, its questions" $world/small-world-F16.gguf $world/questions.tsv 512 12 2e-6
trained "small-world Q8_0" $world/small-world-Q8_0.gguf $world/questions.tsv 512 12 5.06e-4
trained "small-world Q4_K_M" $world/small-world-Q4_K_M.gguf $world/questions.tsv 512 12 3.179e-3
wiki=${data:-EINF_TEST_DATA}/text/wikitext-2/test.txt
trained "stories260K F32, WikiText-2" "${data:-EINF_TEST_DATA}/models/stories260K/tinyllm.gguf" "$wiki" 256 16 7e-6
trained "Gemma 3 270M Q4_K_M (Q5_0, Q8_0, Q6_K), same" "$gemma" "$wiki" 512 4 3.855e-3

# Of data/README.md: llama.cpp's default logits against its exact ones.
echo 1,77,300,5,900,12,13,14,400,401,402,1000,3,3,3,8,256,511,512,700,701,33,34,35,999,2,64,128,250,600,601,602 >"$tmp/ids"
rows=$(seq -s , 0 31)
while read -r model type theirs; do
    random "random tiny-$model $type, 32 ids" "$(golden "tiny-$model-$type.gguf")" "$theirs"
done <<EOF
llama F16 4.2e-7
llama Q8_0 1.38e-4
llama Q4_0 1.42e-4
llama Q4_K_M 3.00e-4
llama Q6_K 3.09e-4
qwen2 F32 1.3e-6
qwen2 F16 5.3e-7
qwen2 Q8_0 8.5e-4
qwen2 Q4_0 7.8e-4
qwen2 Q4_K_M 8.8e-4
qwen2 Q6_K 7.6e-4
EOF
awk 'BEGIN { for (i = 0; i < 200; i++) printf "%s%d", i ? "," : "", (7 * i * i + 13 * i + 5) % 1024; print "" }' >"$tmp/ids"
rows=$(seq -s , 0 20 180)
while read -r model type theirs; do
    random "random tiny-$model $type, 200 ids" "$(golden "tiny-$model-$type.gguf")" "$theirs"
done <<EOF
llama F16 1.9e-7
llama Q8_0 1.45e-4
llama Q4_K_M 3.29e-4
qwen2 Q4_K_M 1.0e-4
EOF
exit $failed
