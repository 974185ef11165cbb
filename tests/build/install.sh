#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh [MAKE [CC]] - install into empty folders, then build and run programs from the installed files alone: the
# host program of tests/host against the shared and the static library, and the example of the README. What the README
# shows of the command is compared with what the command prints.
set -eu
make=${1:-make} cc=${2:-gcc}
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL  $*"; exit 1; }
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "$*"; }; }

quietly "$make" --no-print-directory install CC="$cc" PREFIX="$work/prefix"
quietly "$make" --no-print-directory install CC="$cc" DESTDIR="$work/dest" PREFIX=/opt/edge LIBDIR=/opt/edge/lib64
for f in include/edgeinfer/edgeinfer.h include/edgeinfer/vision.h include/edgeinfer/blas.h lib/libedgeinfer.a lib/libedgeinfer.so bin/edgeinfer \
    share/man/man1/edgeinfer.1 share/bash-completion/completions/edgeinfer lib/pkgconfig/edgeinfer.pc \
    include/edgeprof/edgeprof.h include/edgeprof/laws.h lib/libedgeprof.a lib/libedgeprof.so bin/edgeprof \
    share/man/man1/edgeprof.1 share/bash-completion/completions/edgeprof lib/pkgconfig/edgeprof.pc; do
    [ -e "$work/prefix/$f" ] || fail "$f was not installed"
done
[ -e "$work/dest/opt/edge/lib64/libedgeinfer.so" ] || fail "DESTDIR and LIBDIR were not heeded"
grep -q '^libdir=/opt/edge/lib64$' "$work/dest/opt/edge/lib64/pkgconfig/edgeinfer.pc" || fail "the .pc file names another libdir"
grep -q "$work" "$work/dest/opt/edge/lib64/pkgconfig/edgeinfer.pc" && fail "DESTDIR stands in the .pc file"
echo "ok    install with PREFIX, LIBDIR and DESTDIR"

export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
export LD_LIBRARY_PATH="$work/prefix/lib"
model=$root/models/small-world/small-world-Q8_0.gguf
question='Jonas goes to the station. Where is Jonas?' answer='Jonas is in the station.'
ask() { # ask NAME PROGRAM: the program answers the question
    got=$("$2" "$model" "$question") || fail "$1 failed"
    [ "$got" = "$answer" ] || fail "$1 answered \"$got\", expected \"$answer\""
    "$2" "$root/README.md" "$question" >"$work/log" 2>&1 && fail "$1 took README.md for a model"
    grep -q 'GGUF' "$work/log" || fail "$1 does not say what is wrong with README.md"
    echo "ok    $1"
}
profiles() { # profiles NAME PROGRAM: the program says what its loop cost
    got=$("$2") || fail "$1 failed"
    echo "$got" | grep -Eq '^sum 18\.998 in [0-9]+\.[0-9]{3} s: [0-9]+\.[0-9]{3} core seconds' || fail "$1 printed \"$got\""
    echo "ok    $1"
}
traffic=$root/models/traffic-vl
looks() { # looks NAME PROGRAM: the program answers a question about a picture
    got=$("$2" "$traffic/traffic-vl-Q8_0.gguf" "$traffic/mmproj-traffic-vl-F16.gguf" "$traffic/heldout/scene-00.png" \
        'How many vehicles are there?') || fail "$1 failed"
    [ "$got" = Three. ] || fail "$1 answered \"$got\", expected \"Three.\""
    echo "ok    $1"
}
cp tests/host/host.c tests/host/look.c tests/host/profile_loop.c "$work"
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md >"$work/readme.c"
awk '/^```console$/ { on = 1; next } /^```$/ { on = 0 } on' README.md >"$work/console"
cd "$work"
flags="-std=c11 -Wall -Wextra -Werror"
# shellcheck disable=SC2046,SC2086 # lists of flags
{
    "$cc" $flags host.c -o host-shared $(pkg-config --cflags --libs edgeinfer)
    "$cc" $flags look.c -o look-shared $(pkg-config --cflags --libs edgeinfer)
    "$cc" $flags readme.c -o readme $(pkg-config --cflags --libs edgeinfer)
    "$cc" $flags -O1 profile_loop.c -o loop-shared $(pkg-config --cflags --libs edgeprof)
    if pkg-config --exists edgeinfer-blas; then
        "$cc" $flags -include edgeinfer/blas.h host.c -o host-blas $(pkg-config --cflags --libs edgeinfer-blas edgeinfer)
    fi
    ask "host program, shared library" ./host-shared
    looks "a program that looks at a picture, shared library" ./look-shared
    ask "the README's example, $(wc -l <readme.c) lines" ./readme
    profiles "a program that profiles its own loop, shared library" ./loop-shared
    rm prefix/lib/libedgeinfer.so* prefix/lib/libedgeprof.so*
    "$cc" $flags host.c -o host-static -static $(pkg-config --static --cflags --libs edgeinfer)
    LD_LIBRARY_PATH='' ask "host program, all static" ./host-static
    "$cc" $flags look.c -o look-static -static $(pkg-config --static --cflags --libs edgeinfer)
    LD_LIBRARY_PATH='' looks "a program that looks at a picture, all static" ./look-static
    "$cc" $flags -O1 profile_loop.c -o loop-static $(pkg-config --static --cflags --libs edgeprof)
    LD_LIBRARY_PATH='' profiles "a program that profiles its own loop, static library" ./loop-static
}

cd "$root"
grep '^\$ ' "$work/console" | sed 's/^\$ //' >"$work/commands"
[ -s "$work/commands" ] || fail "the README shows no command"
while read -r command; do
    echo "\$ $command"
    PATH="$work/prefix/bin:$PATH" sh -c "$(echo "$command" | sed 's|^build/bin/||')" 2>/dev/null
done <"$work/commands" >"$work/printed"
diff "$work/console" "$work/printed" >"$work/log" || { cat "$work/log"; fail "the command prints something else than the README"; }
echo "ok    $(wc -l <"$work/commands") commands print what the README says"
