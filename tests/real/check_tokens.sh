#!/bin/sh
# check_tokens.sh EDGEINFER MODEL: the ids of whole text files, by count and md5, against tests/golden (tokens.tsv).
set -eu
edgeinfer=$1 model=$2 failed=0
[ -n "${EINF_TEST_DATA:-}" ] || { echo "SKIP: EINF_TEST_DATA is not set, the texts are not here"; exit 0; }
while read -r text n md5; do
    file=$EINF_TEST_DATA/text/$text
    got_n=$("$edgeinfer" tokenize -m "$model" -f "$file" | wc -l)
    got=$("$edgeinfer" tokenize -m "$model" -f "$file" | md5sum | cut -d' ' -f1)
    if [ "$got" = "$md5" ]; then
        echo "ok    $text: $n ids"
    else
        echo "FAIL  $text: $got_n ids with md5 $got, expected $n with $md5"; failed=1
    fi
done <tests/golden/data/gemma-3-270m/tokens.tsv
exit $failed
