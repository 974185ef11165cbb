#!/bin/sh
# SPDX-License-Identifier: MIT
# test_completion.sh [PROGRAM] - bash reads completions/edgeinfer.bash and completes as a person who presses TAB would
# see it: verbs, each verb's options, values, files.

bin=${1:-build/bin/edgeinfer}
here=$(dirname "$0")
. "$here/checks.sh"
if ! command -v bash >/dev/null 2>&1; then
    skip "bash is not installed"
    finish
fi
root=$PWD
case $bin in /*) ;; *) bin=$root/$bin ;; esac
mkdir "$tmp/files" "$tmp/files/folder"
: >"$tmp/files/model.gguf"; : >"$tmp/files/model two.gguf"; : >"$tmp/files/notes.txt"
: >"$err"

# complete_line WORD...: what bash offers for the last word, one to a line, sorted; "=" is a word of its own, as in bash.
complete_line() {
    (cd "$tmp/files" && bash --norc --noprofile -c '
        source "$0/completions/edgeinfer.bash" || exit 1
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _edgeinfer
        ((${#COMPREPLY[@]})) && printf "%s\n" "${COMPREPLY[@]}"' "$root" "$bin" "$@") 2>>"$err" | LC_ALL=C sort -u >"$out"
}
# offers EXPECTED WORD...: exactly these, in order, with commas between.
offers() {
    want=$1; shift
    complete_line "$@"
    check "\"$*\" is completed to \"$want\"" test "$(paste -s -d , "$out")" = "$want"
}

offers run ru
offers perplexity per
offers tokenize t
offers --version --v
offers "" zzz
complete_line ""
"$bin" help | awk '/^verbs:/ { on = 1; next } /^try:/ { exit } on && /^  [a-z]/ { print $1 }' >"$tmp/verbs"
{ cat "$tmp/verbs"; printf '%s\n' help --help --version; } | LC_ALL=C sort >"$tmp/want"
check "every verb is offered" cmp -s "$out" "$tmp/want"
while read -r verb; do
    complete_line "$verb" --
    "$bin" "$verb" --help-all | awk '/^options:/ { on = 1; next } /^$/ { on = 0 } on' | grep -o -e '--[a-z-]*' | LC_ALL=C sort -u >"$tmp/want"
    check "every option of $verb is offered, and no other" cmp -s "$out" "$tmp/want"
    check "$verb has options" test -s "$out"
done <"$tmp/verbs"
offers plan help pl
offers --kv plan --k
offers auto,floats,panels,panels-128,panels-32,panels-64,rows logits --path ""
offers f32 plan --kv f3
offers f32 plan --kv = f3
offers auto,floats,panels,panels-128,panels-32,panels-64,rows logits --path =
offers huge,map,read run model.gguf --mode ""
offers "folder,model two.gguf,model.gguf" run ""
offers "model two.gguf,model.gguf" run mod
offers "model two.gguf,model.gguf" run -m mod
offers "model two.gguf,model.gguf" perplexity --base mod
offers notes.txt run model.gguf -f no
offers notes.txt run model.gguf --image no
offers "model two.gguf,model.gguf" encode --mmproj mod
offers bicubic,bilinear,box,lanczos,legacy-bicubic preprocess model.gguf --filter ""
offers @notes.txt logits model.gguf --tokens @no
offers folder doctor --sysroot f
offers "" run model.gguf -n ""
offers "model two.gguf,model.gguf" run --raw m
check "bash has no complaint" test ! -s "$err"
bash --norc --noprofile -c 'source completions/edgeinfer.bash; complete -p edgeinfer' >"$out" 2>"$err"
check "it is registered for edgeinfer" out_has "complete -F _edgeinfer edgeinfer"
finish
