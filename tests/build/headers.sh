#!/bin/sh
# SPDX-License-Identifier: MIT
# headers.sh [CC] - each public header compiles alone as C11 and as C++17, without a warning, and EINF_INIT works in both.
# shellcheck disable=SC2086 # $flags is a list
set -eu
cc=${1:-gcc}
case $cc in *clang*) cxx=clang++ ;; *) cxx=g++ ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-Wall -Wextra -Wconversion -Wshadow -pedantic -Werror -Iinclude"
for header in include/edgeinfer/*.h; do
    echo "#include <edgeinfer/$(basename "$header")>" >"$work/t.c"
    cp "$work/t.c" "$work/t.cc"
    "$cc" -std=c11 $flags -fsyntax-only "$work/t.c"
    "$cxx" -std=c++17 $flags -fsyntax-only "$work/t.cc"
    echo "ok    $header"
done
cat >"$work/init.cc" <<'CODE'
#include <edgeinfer/lowlevel.h>
int main()
{
    einf_error e = EINF_INIT(einf_error);
    einf_session_config c = EINF_INIT(einf_session_config);
    return e.struct_size == sizeof e && c.struct_size == sizeof c && c.n_ctx == 0 && e.message[0] == 0 ? 0 : 1;
}
CODE
cp "$work/init.cc" "$work/init.c"
sed -i 's/main()/main(void)/' "$work/init.c"
"$cc" -std=c11 $flags -o "$work/init-c" "$work/init.c"
"$work/init-c"
"$cxx" -std=c++17 $flags -o "$work/init-cxx" "$work/init.cc"
"$work/init-cxx"
echo "ok    EINF_INIT in C and C++"
