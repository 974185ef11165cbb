#!/bin/sh
# SPDX-License-Identifier: MIT
# test_check_style.sh - each rule of check_style.sh, broken once in a small tree of its own, is noticed.
check=$PWD/tests/style/check_style.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
broken=0 failed=0
cd "$tree" || exit 1
tab=$(printf '\t') cr=$(printf '\r')
todo=TO; todo=${todo}DO
wide=$(printf '%121s' '' | tr ' ' x)

begin() { # a tree that keeps the rules
    rm -rf "$tree"/*
    mkdir -p include/edgeinfer engine/base engine/gguf engine/text engine/kernels/x86 engine/model engine/decode engine/api \
        cli blas bench vision quant docs
    put include/edgeinfer/pub.h '#include <stdint.h>'
    put engine/base/low.h '#include <edgeinfer/pub.h>'
    put engine/base/low.c '#include "engine/base/low.h"' '#include <string.h>'
    put engine/gguf/file.h '#include "engine/base/low.h"'
    put engine/kernels/x86/fast_avx2.c '#include <immintrin.h>'
    put engine/text/words.c '#include "engine/gguf/file.h"' '#include <pcre2.h>'
    put cli/tool.c '#include <edgeinfer/pub.h>' '#include <cjson/cJSON.h>'
}
put() { # put FILE LINE...: a source file with the proper head, named in the map
    file=$1; shift
    name=$(basename "$file")
    { printf '/* SPDX-License-Identifier: MIT\n * %s - what it owns.\n */\n' "$name"; printf '%s\n' "$@"; } >"$file"
    echo "$name" >>docs/ARCHITECTURE.md
}
rule() { # rule TEXT: the tree as it is now must be refused, for that
    broken=$((broken + 1))
    if "$check" "$tree" >out 2>&1 || ! grep '^FAIL' out | grep -qF -e "$1"; then
        failed=$((failed + 1))
        echo "FAIL  nobody noticed: $1 ($file)"
        cat out
    fi
    rm -f out
    begin
}

begin
"$check" "$tree" >out 2>&1 || { echo "FAIL  the good tree is refused:"; cat out; exit 1; }
rm -f out

put engine/base/a.c '#include "engine/gguf/file.h"';         rule "engine/base may include only"
put engine/gguf/a.c '#include "engine/text/words.c"';        rule "engine/gguf may include only"
put engine/kernels/a.c '#include "engine/gguf/file.h"';      rule "engine/kernels may include only"
put engine/text/a.c '#include "engine/kernels/x86/fast_avx2.c"'; rule "engine/text may include only"
put engine/model/a.c '#include "engine/text/words.c"';       rule "engine/model may include only"
put engine/decode/a.c '#include "engine/text/words.c"';      rule "engine/decode may include only"
put engine/api/a.c '#include "cli/tool.c"';                  rule "engine/api may include only"
put vision/a.c '#include "engine/text/words.c"';             rule "vision may include only"
put quant/a.c '#include "engine/text/words.c"';              rule "quant may include only"
put blas/a.c '#include "engine/base/low.h"';                 rule "blas may include only"
put cli/a.c '#include "engine/base/low.h"';                  rule "cli may include only"
put bench/a.c '#include "engine/base/low.h"';                rule "bench may include only"
put bench/a.c '#include "engine/kernels/x86/fast_avx2.c"';    rule "and of the engine kernels.h"
put include/edgeinfer/a.h '#include "engine/base/low.h"';    rule "include may include only"
put engine/gguf/a.c '#include "file.h"';                     rule "include paths begin at the root"
put cli/a.c '#include <engine/base/low.h>';                  rule "our own headers are included with quotes"
put include/edgeinfer/a.h '#include <unistd.h>';             rule "public headers include the C standard's"
put engine/base/a.c '#include <immintrin.h>';                rule "belongs into engine/kernels/(x86|arm)/"
put engine/base/a.c '#include <arm_neon.h>';                 rule "belongs into engine/kernels/(x86|arm)/"
put engine/base/a.c '#include <pcre2.h>';                    rule "belongs into engine/text/"
put cli/a.c '#include <utf8proc.h>';                         rule "belongs into engine/"
put engine/base/a.c '#include <setjmp.h>';                   rule "belongs into vision/image_(jpeg|png)"
put vision/image.c '#include <png.h>';                       rule "belongs into vision/image_png"
put vision/image_png.c '#include <jpeglib.h>';               rule "belongs into vision/image_jpeg"
put engine/base/a.c '#include <cblas.h>';                    rule "belongs into blas/"
put engine/base/a.c '#include <cjson/cJSON.h>';              rule "belongs into cli/|bench/"
put engine/gguf/a.c '#include <pthread.h>';                  rule "belongs into engine/base/threads"
put engine/decode/a.c '#include <edgeprof/edgeprof.h>';      rule "belongs into engine/api/bill"
put engine/gguf/a.c '#include <cpuid.h>';                    rule "belongs into engine/base/cpu"
put engine/gguf/a.c '#ifdef __x86_64__' '#endif';            rule "architectures are known to"
put engine/gguf/a.c '#if defined(__AVX2__)' '#endif';        rule "architectures are known to"
put engine/base/low.c '#include <string.h>' '#include "engine/base/low.h"'; rule "its own header first"
put engine/base/a.c "int$tab a;";                            rule "no tabs"
put engine/base/a.c "int a; ";                               rule "no trailing blanks"
put engine/base/a.c "int a;$cr";                             rule "no trailing blanks"
put engine/base/a.c "$wide";                                 rule "at most 120 columns"
put engine/base/a.c 'int a;'; printf 'int b;' >>engine/base/a.c; rule "ends with a line end"
put engine/base/a.c 'int a;'; sed -i 1d engine/base/a.c;     rule "SPDX line first"
put engine/base/a.c 'int a;'; sed -i '2s/a\.c/b.c/' engine/base/a.c; rule "the second line says what the file is"
put engine/base/a.c 'int a;'; put engine/gguf/a.c 'int b;';  rule "file names are unique"
put engine/base/a.c "$(yes 'int a;' | head -900)";           rule "in at most 900 lines"
put engine/base/a.c "/* $todo: more */";                     rule "no TODO"
put engine/base/a.c '/* see /home/anna/x */';                rule "no paths of one machine"
put engine/base/a.c 'const char *p = "/tmp/x";';             rule "no paths of one machine"
put engine/base/a.c 'void f(void) { x = malloc (1); }';      rule "functions the library does not call"
put vision/image.c 'void f(void) { longjmp(to, 1); }';       rule "functions the library does not call"
put vision/image_png.c 'void f(void) { free(p); }';          rule "functions the library does not call"
for name in calloc realloc free strdup strcpy strcat sprintf atoi atof strtod printf fprintf puts getenv exit abort setjmp \
    longjmp signal rand strtok alloca; do
    put "engine/base/$name.c" "void f(void) { $name(1); }"
done
"$check" "$tree" >out 2>&1
[ "$(grep -c 'void f(void)' out)" = 22 ] || { echo "FAIL  of 22 forbidden functions some passed:"; cat out; failed=1; }
begin
put engine/base/a.c 'int a;'; sed -i '$d' docs/ARCHITECTURE.md; rule "names every source file"
file=docs; echo 'gone.c' >>docs/ARCHITECTURE.md;             rule "names only files that are there"
[ $failed = 0 ] && echo "ok    $broken broken rules, each noticed"
[ $failed = 0 ]
