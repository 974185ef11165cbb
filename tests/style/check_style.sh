#!/bin/sh
# SPDX-License-Identifier: MIT
# check_style.sh [ROOT] - the rules of the tree that a script can keep: who may include whom, names, form of the text,
# functions that the library does not call, and that docs/ARCHITECTURE.md names every source file.
# test_check_style.sh breaks each rule once to see that it holds.
cd "${1:-.}" || exit 1
failures=$(mktemp) # a file: report runs at the end of pipes, where a variable would be lost
trap 'rm -f "$failures"' EXIT
report() { # report RULE: prints the lines on stdin under the rule, if there are any
    lines=$(cat)
    [ -n "$lines" ] || return 0
    echo "FAIL  $1" | tee -a "$failures"
    printf '%s\n' "$lines" | head -40 | sed 's/^/      /'
}
sources=$(find include engine blas cli bench tests profiler vision quant -name '*.[ch]' 2>/dev/null | sort)
product=$(echo "$sources" | grep -v '^tests/')
engine=$(echo "$sources" | grep '^engine/')
texts="$sources $(find . \( -path ./build -o -path ./models -o -path ./.git \) -prune -o \
    \( -name '*.sh' -o -name '*.md' -o -name 'Makefile' -o -name '*.awk' -o -name '*.in' -o -name run \) -type f -print)"
self='tests/style/(test_)?check_style\.sh:'

# ------------------------------------------------------------------------------------------------ includes --
# Who may include whom (docs/ARCHITECTURE.md, "Layers"): FOLDER, then the folders whose headers it may name.
knows() {
    folder=$1; shift
    pattern=$(printf '|%s' "$@")
    echo "$sources" | grep "^$folder/" | xargs -r grep -Hn '^ *# *include "' | grep -vE "include \"(${pattern#|})/" |
        report "$folder may include only: $*"
}
knows engine/base engine/base
knows engine/gguf engine/base engine/gguf
knows engine/kernels engine/base engine/kernels
knows engine/text engine/base engine/gguf engine/text
knows engine/model engine/base engine/gguf engine/kernels engine/model
knows engine/decode engine/base engine/gguf engine/kernels engine/model engine/decode
knows engine/api engine vision
knows vision engine/base engine/gguf engine/kernels vision
knows quant engine/base engine/gguf engine/kernels quant
knows blas blas
knows profiler profiler
knows cli cli
knows bench bench engine/kernels
echo "$sources" | grep '^bench/' | xargs -r grep -Hn '^ *# *include "engine/' | grep -v '"engine/kernels/kernels\.h"' |
    report "bench may include only: bench, and of the engine kernels.h"
knows include edgeinfer
echo "$sources" | xargs grep -hoE '^ *# *include "[^"]*"' | sort -u | sed 's/.*"\(.*\)"/\1/' | while read -r path; do
    [ -f "$path" ] || echo "\"$path\""
done | report "include paths begin at the root of the tree"
echo "$sources" | xargs grep -HnE '^ *# *include <(engine|cli|blas|bench|tests|vision|quant)/' | report "our own headers are included with quotes"
echo "$sources" | grep '^include/' | xargs grep -Hn '^ *# *include <' | grep -vE '<(stdint|stddef|stdbool|math)\.h>|<(edgeinfer|edgeprof)/' |
    report "public headers include the C standard's and one another"
# Headers of others: PATTERN, then where they may be included.
only_in() {
    pattern=$1 where=$2
    echo "$product" | grep -vE "^($where)" | xargs -r grep -HnE "^ *# *include <($pattern)>" | report "<$pattern> belongs into $where"
}
only_in '[a-z0-9]*intrin\.h|arm_neon\.h' 'engine/kernels/(x86|arm)/'
only_in 'pcre2\.h' 'engine/text/'
only_in 'utf8proc\.h' 'engine/'
only_in 'jsmn\.h' 'engine/text/jinja_json\.c'
only_in 'xxhash\.h' 'engine/'
only_in 'setjmp\.h' 'vision/image_(jpeg|png)\.c'
only_in 'png\.h' 'vision/image_png\.c'
only_in 'jpeglib\.h|jerror\.h' 'vision/image_jpeg\.c'
only_in 'cblas\.h' 'blas/'
only_in 'cjson/cJSON\.h' 'cli/|bench/'
only_in 'histedit\.h|editline/.*' 'cli/line_input\.c'
only_in 'pthread\.h' 'engine/base/threads\.c|profiler/|blas/|cli/doctor_bandwidth\.c|bench/rounds\.c'
only_in 'cpuid\.h|sys/auxv\.h' 'engine/base/cpu\.c'
only_in 'edgeprof/.*' 'engine/api/bill\.h|include/|profiler/|cli/|bench/'
echo "$engine" | grep -vE '/(x86|arm)/|base/(cpu|threads)|kernels/kernels\.c' | xargs grep -HnE '__(x86_64|aarch64|AVX|ARM|SSE)' |
    report "architectures are known to cpu.c, threads.c (its pause), kernels.c and the folders of ISAs alone"
# A .c file with a header of its stem includes that first.
for c in $(echo "$product" | grep '\.c$'); do
    [ -f "${c%.c}.h" ] || continue
    first=$(grep -m1 '^#include' "$c")
    [ "$first" = "#include \"${c%.c}_private.h\"" ] || [ "$first" = "#include \"${c%.c}.h\"" ] || echo "$c: $first"
done | report "a file includes its own header first"

# ------------------------------------------------------------------------------------------- form of the text --
echo "$texts" | xargs grep -HnP '\t' | grep -v '^[^:]*Makefile:' | report "no tabs"
echo "$texts" | xargs grep -HnP '[ \t\r]+$' | report "no trailing blanks, no CR"
echo "$sources" | LC_ALL=C.UTF-8 xargs grep -HnE '^.{121}' | report "at most 120 columns"
echo "$texts" | xargs grep -LPz '\n\z' | report "a file ends with a line end"
echo "$sources" | xargs awk 'FNR == 1 && !/^\/\* SPDX-License-Identifier: MIT/ { print FILENAME }' | report "SPDX line first"
echo "$sources" | xargs awk 'FNR == 2 { name = FILENAME; sub(/.*\//, "", name); if (index($0, " * " name " - ") != 1) print FILENAME }' |
    report "the second line says what the file is: ' * name.c - ...'"
echo "$sources" | sed 's|.*/||' | sort | uniq -d | report "file names are unique in the tree"
echo "$sources" | xargs wc -l | awk '$2 != "total" && $1 > 900 { print $2 ": " $1 " lines" }' |
    report "a file tells one story, in at most 900 lines"
echo "$texts" | xargs grep -HnwE '(TODO|FIXME|XXX)' | grep -vE "$self" | report "no TODO"
echo "$texts" | xargs grep -HnE '(/work/|/tmp/[a-z]|/root/|/home/[a-z])' | grep -vE "$self" | report "no paths of one machine"

# ------------------------------------------------------------------------------------------------- functions --
banned='malloc|calloc|realloc|free|strdup|strcpy|strcat|sprintf|atoi|atof|atol|strtod|strtof|printf|fprintf|puts|getenv|exit|abort|setjmp|longjmp|signal|rand|strtok|alloca'
{ echo "$engine"; echo "$sources" | grep '^vision/'; } | grep -v 'base/memory\.c' | xargs grep -HnE "(^|[^A-Za-z0-9_.>])($banned) *\(" |
    grep -vE '^[^:]*:[0-9]*: *(\*|/\*)|^vision/image_(jpeg|png)\.c:[0-9]*:.*(setjmp|longjmp) *\(' |
    report "functions the library does not call"

# ------------------------------------------------------------------------------------------------------ map --
map=docs/ARCHITECTURE.md
[ -f "$map" ] || map=/dev/null
named=$(grep -oE '[a-z0-9_]+\.[ch]\b' "$map" | sort -u)
base_names() { echo "$1" | sed 's|.*/||' | sort -u; }
{ echo "$named"; echo "$named"; base_names "$product"; } | sort | uniq -u | report "docs/ARCHITECTURE.md names every source file"
{ echo "$named"; base_names "$sources"; base_names "$sources"; } | sort | uniq -u |
    report "docs/ARCHITECTURE.md names only files that are there"

[ -s "$failures" ] && exit 1
echo "ok    $(echo "$sources" | wc -l) source files keep the rules"
