#!/bin/sh
# SPDX-License-Identifier: MIT
# check_style.sh [ROOT] - the rules of the tree that a script can keep: who may include whom, names, form of the text,
# functions that the library does not call, and that docs/ARCHITECTURE.md names every source file.
cd "${1:-.}" || exit 1
failures=$(mktemp) # a file: report runs at the end of pipes, where a variable would be lost
trap 'rm -f "$failures"' EXIT
report() { # report RULE: prints the lines on stdin under the rule, if there are any
    lines=$(cat)
    [ -n "$lines" ] || return 0
    echo "FAIL  $1" | tee -a "$failures"
    echo "$lines" | head -40 | sed 's/^/      /'
}
sources=$(find include engine blas cli bench tests profiler vision quant -name '*.[ch]' 2>/dev/null | sort)
product=$(echo "$sources" | grep -v '^tests/')
engine=$(echo "$sources" | grep '^engine/')
texts="$sources $(find . -path ./build -prune -o \( -name '*.sh' -o -name '*.md' -o -name 'Makefile' -o -name '*.awk' -o -name run \) -type f -print | grep -v '^./models')"

# Who may include whom (docs/ARCHITECTURE.md, "Layers"): FOLDER, then the folders whose headers it may name.
knows() {
    folder=$1; shift
    pattern=$(printf '|%s' "$@")
    echo "$sources" | grep "^$folder/" | xargs -r grep -Hn '^ *# *include "' | grep -vE "include \"(${pattern#|})/[a-z0-9_/]*\.h\"" |
        report "$folder may include only: $*"
}
knows engine/base engine/base
knows engine/gguf engine/base engine/gguf
knows engine/kernels engine/base engine/kernels
knows engine/text engine/base engine/gguf engine/text
knows engine/model engine/base engine/gguf engine/kernels engine/model
knows engine/decode engine/base engine/gguf engine/kernels engine/model engine/decode
knows engine/api engine
knows blas blas
knows cli cli
knows bench bench
knows include edgeinfer
echo "$sources" | grep '^include/' | xargs grep -Hn '^ *# *include <' | grep -vE '<(stdint|stddef|stdbool)\.h>|<edgeinfer/' |
    report "public headers include the C standard's and one another"
echo "$engine" | grep -vE '/(x86|arm)/' | xargs grep -HnE 'include <([a-z0-9]*intrin|arm_neon)\.h>' | report "intrinsics belong into x86/ and arm/"
echo "$engine" | grep -vE '/(x86|arm)/|base/(cpu|threads)|kernels/kernels\.c' | xargs grep -HnE '__(x86_64|aarch64|AVX|ARM|SSE)' |
    report "architectures are known to cpu.c, threads.c (its pause), kernels.c and the folders of ISAs alone"

# A .c file with a header of its stem includes that first.
for c in $(echo "$product" | grep '\.c$'); do
    [ -f "${c%.c}.h" ] || continue
    first=$(grep -m1 '^#include' "$c")
    [ "$first" = "#include \"${c%.c}_private.h\"" ] || [ "$first" = "#include \"${c%.c}.h\"" ] || echo "$c: $first"
done | report "a file includes its own header first"

echo "$texts" | xargs grep -HnP '\t' | grep -v Makefile | report "no tabs"
echo "$texts" | xargs grep -HnP '[ \t\r]+$' | report "no trailing blanks, no CR"
echo "$sources" | xargs awk 'length($0) > 120 { print FILENAME ":" FNR ": " length($0) " columns" }' | report "at most 120 columns"
for f in $sources; do [ -z "$(tail -c 1 "$f")" ] || echo "$f"; done | report "a file ends with a line end"
for f in $sources; do head -1 "$f" | grep -q '^/\* SPDX-License-Identifier: MIT' || echo "$f"; done | report "SPDX line first"
for f in $sources; do head -2 "$f" | tail -1 | grep -qF " * $(basename "$f") - " || echo "$f"; done |
    report "the second line says what the file is: ' * name.c - ...'"
echo "$sources" | sed 's|.*/||' | sort | uniq -d | report "file names are unique in the tree"
wc -l $sources | awk '$2 != "total" && $1 > 900 { print $2 ": " $1 " lines" }' | report "a file tells one story, in at most 900 lines"
echo "$texts" | xargs grep -HnwE '(TODO|FIXME|XXX)' | grep -v check_style | report "no TODO"
echo "$texts" | xargs grep -HnE '(/work/|/tmp/[a-z]|/root/|/home/[a-z])' | grep -v check_style | report "no paths of one machine"

banned='malloc|calloc|realloc|free|strdup|strcpy|strcat|sprintf|atoi|atof|atol|strtod|strtof|printf|fprintf|puts|getenv|exit|abort|setjmp|longjmp|signal|rand|strtok|alloca'
echo "$engine" | grep -v 'base/memory\.c' | xargs grep -HnE "(^|[^A-Za-z0-9_.>])($banned) *\(" | grep -vE '^[^:]*:[0-9]*: *(\*|/\*)' |
    report "functions the library does not call"

map=docs/ARCHITECTURE.md
[ -f "$map" ] || map=/dev/null
for f in $product; do grep -qF "$(basename "$f")" "$map" || echo "$f"; done | report "$map names every source file"
grep -oE '[a-z0-9_]+\.[ch]\b' "$map" | sort -u | while read -r name; do
    echo "$sources" | grep -q "/$name\$" || echo "$name"
done | report "$map names only files that are there"

[ -s "$failures" ] && exit 1
echo "ok    $(echo "$sources" | wc -l) source files keep the rules"
