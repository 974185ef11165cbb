#!/bin/sh
# SPDX-License-Identifier: MIT
# readme_example.sh PREFIX [CC] - take the C example out of README.md, build it from what is installed under PREFIX alone,
# and run it: on the model that ships it answers, on a file that is no model it says so and fails.
set -eu
prefix=${1:?usage: readme_example.sh PREFIX [CC]} cc=${2:-gcc}
root=$PWD
model=$root/models/small-world/small-world-Q4_K_M.gguf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL  $*"; [ ! -s "$work/log" ] || cat "$work/log"; exit 1; }

awk '/^```c$/ { on = 1; n++; next } /^```$/ { on = 0 } on; END { exit n != 1 }' README.md >"$work/readme.c" ||
    fail "README.md must have exactly one C example"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
export LD_LIBRARY_PATH="$prefix/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
cd "$work" # where no header of the source tree can be found
# shellcheck disable=SC2046 # lists of flags
"$cc" -std=c11 -Wall -Wextra -Werror readme.c -o readme $(pkg-config --cflags --libs edgeinfer) >log 2>&1 ||
    fail "the example does not compile"

answer=$(./readme "$model" 'Jonas goes to the station. Where is Jonas?' 2>log) || fail "the example failed"
[ "$answer" = 'Jonas is in the station.' ] || fail "it answered \"$answer\", expected \"Jonas is in the station.\""
if ./readme "$root/README.md" 'Where is Jonas?' >out 2>log; then fail "it took README.md for a model"; fi
[ ! -s out ] || fail "it answered without a model: $(cat out)"
grep -q 'malformed or truncated file: not a GGUF file' log || fail "it does not say what is wrong with README.md"
echo "ok    the README's example, $(wc -l <readme.c) lines"
