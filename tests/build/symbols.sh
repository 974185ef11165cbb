#!/bin/sh
# SPDX-License-Identifier: MIT
# symbols.sh LIBDIR - what the built libraries call and show: nothing that ends, writes to, or asks the host process;
# exported names begin with einf_ or eprof_; neither library has writable data; the SONAME carries the ABI number.
set -u
lib=$1 failed=0
fail() { echo "FAIL  $*"; failed=1; }

forbidden='abort|_?exit|_Exit|quick_exit|__assert_fail|__assert|v?f?printf|v?dprintf|__v?f?printf_chk|puts|fputs|putchar|putc|fputc|fwrite|perror|stdout|stderr|stdin|getenv|secure_getenv|setenv|putenv|signal|sigaction|fork|vfork|system|popen|atexit|setlocale|longjmp|_longjmp|siglongjmp|__longjmp_chk|srand|rand|strtok|strerror|localtime|gmtime|malloc_hook'
# Allocation goes through the host's allocator: posix_memalign and free are its default, in memory.c alone.
for file in "$lib"/libedgeinfer.so "$lib"/libedgeinfer.a "$lib"/libedgeprof.so "$lib"/libedgeprof.a \
    "$lib"/libedgeinfer-blas.so "$lib"/libedgeinfer-blas.a; do
    [ -e "$file" ] || { case $file in *blas*) continue ;; *) fail "$file is missing"; continue ;; esac; }
    case $file in *.so) nm="nm -D --undefined-only" ;; *) nm="nm --undefined-only" ;; esac
    names=$($nm "$file" | awk 'NF >= 2 { sub(/@.*/, "", $NF); print $NF }' | sort -u)
    [ "$(echo "$names" | wc -l)" -gt 3 ] || fail "$file: could not read its symbols"
    # The engine's two files around libjpeg and libpng jump; what else is in its archive does not (below).
    case $file in */libedgeinfer.*) allowed='longjmp|_longjmp|__longjmp_chk' ;; *) allowed=none ;; esac
    bad=$(echo "$names" | grep -vxE "$allowed" | grep -xE "$forbidden" | tr '\n' ' ')
    if [ -n "$bad" ]; then fail "$file calls: $bad"; else echo "ok    $file calls nothing forbidden"; fi
done
jump=$(nm --undefined-only "$lib/libedgeinfer.a" | awk '/^[a-z0-9_]+\.o:/ { object = $1 } / _*longjmp(_chk)?(@.*)?$/ { print object }' |
    grep -vxE 'image_(jpeg|png)\.o:' | tr '\n' ' ')
[ -z "$jump" ] && echo "ok    only image_jpeg.c and image_png.c jump" || fail "longjmp is called in: $jump"
heap=$(nm --undefined-only "$lib/libedgeinfer.a" | awk '/^memory\.o:/ { skip = 1 } /^[a-z0-9_]+\.o:/ && !/^memory/ { skip = 0 } !skip { print $NF }' |
    grep -xE 'malloc|calloc|realloc|free|posix_memalign|aligned_alloc|strdup|strndup' | sort -u | tr '\n' ' ')
[ -z "$heap" ] && echo "ok    the heap is reached through memory.c alone" || fail "the heap is reached outside memory.c: $heap"

for so in "$lib"/libedgeinfer.so "$lib"/libedgeinfer-blas.so "$lib"/libedgeprof.so; do
    [ -e "$so" ] || continue
    case $so in *prof*) prefix=eprof header=edgeprof/edgeprof.h ;; *) prefix=einf header=edgeinfer/edgeinfer.h ;; esac
    bad=$(nm -D --defined-only "$so" | awk '{ print $NF }' | grep -v "^${prefix}_[a-z]" | tr '\n' ' ')
    [ -z "$bad" ] && echo "ok    $so exports ${prefix}_ names alone" || fail "$so exports: $bad"
    soname=$(readelf -d "$so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
    abi=$(sed -n 's/^.define E[A-Z]*_ABI_VERSION \([0-9]*\).*/\1/p' "include/$header")
    [ "$soname" = "$(basename "$so").$abi" ] && echo "ok    SONAME $soname" || fail "$so has the SONAME $soname"
done
# Every public prototype is exported, and nothing else.
declares() { # declares LIBRARY MACRO PREFIX HEADER...: the library exports what the headers declare
    so=$1 macro=$2 prefix=$3; shift 3
    declared=$(sed -n "s/^$macro .*[ *]\\(${prefix}_[a-z0-9_]*\\)(.*/\\1/p" "$@" | sort -u)
    exported=$(nm -D --defined-only "$so" | awk '{ print $NF }' | sort -u)
    [ -n "$declared" ] && [ "$declared" = "$exported" ] && echo "ok    the headers declare what $so exports" ||
        fail "declared and exported differ: $(printf '%s\n%s\n' "$declared" "$exported" | sort | uniq -u | tr '\n' ' ')"
}
declares "$lib/libedgeinfer.so" EINF_API einf include/edgeinfer/edgeinfer.h include/edgeinfer/lowlevel.h include/edgeinfer/vision.h
declares "$lib/libedgeprof.so" EPROF_API eprof include/edgeprof/*.h

# Constants that hold pointers lie in .data.rel.ro, which is read-only once loaded.
for name in libedgeinfer libedgeprof; do
    data=$(objdump -t "$lib/$name.a" | awk '$0 ~ / O / && ($4 == ".data" || $4 == ".bss" || $4 == "*COM*" || $4 ~ /^\.t(data|bss)/) { print $NF }' | sort -u | tr '\n' ' ')
    [ -z "$data" ] && echo "ok    no writable data in $name" || fail "writable data in $name: $data"
done
exit $failed
