#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh MAKE CC - install into an empty folder; then build and run a host program from the installed files alone,
# against the shared and the static library, and the example of the README.
set -eu
make=${1:-make} cc=${2:-gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
$make --no-print-directory install CC="$cc" PREFIX="$work/prefix" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
export LD_LIBRARY_PATH="$work/prefix/lib"
for f in include/edgeinfer/edgeinfer.h lib/libedgeinfer.a lib/libedgeinfer.so bin/edgeinfer share/man/man1/edgeinfer.1; do
    [ -e "$work/prefix/$f" ] || { echo "FAIL  $f was not installed"; exit 1; }
done
model=$PWD/models/small-world/small-world-Q8_0.gguf
question='Jonas goes to the station. Where is Jonas?' answer='Jonas is in the station.'
cp tests/host/host.c "$work"
cd "$work"

ask() { # ask NAME PROGRAM
    got=$("$2" "$model" "$question")
    [ "$got" = "$answer" ] && echo "ok    $1" || { echo "FAIL  $1 answered \"$got\", expected \"$answer\""; exit 1; }
}
flags="-std=c11 -Wall -Wextra -Werror"
"$cc" $flags host.c -o host-shared $(pkg-config --cflags --libs edgeinfer)
ask "host program, shared library" ./host-shared
rm prefix/lib/libedgeinfer.so*
"$cc" $flags host.c -o host-static -static $(pkg-config --static --cflags --libs edgeinfer)
LD_LIBRARY_PATH= ask "host program, all static" ./host-static
