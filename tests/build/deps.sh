#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh [openblas] - install what building and testing need, by apt-get, and only what is missing. CC: the compiler.
# NO_INSTALL=1: only name it. Fails when something is still missing, but for OpenBLAS, abigail-tools and clang's
# run-time: without them one library is left out, the interface is not compared, clang neither sanitizes nor fuzzes.
cc=${CC:-gcc}
missing='' optional='' foreign=''
have() { command -v "$1" >/dev/null 2>&1; }
has_package() { have pkg-config && pkg-config --exists "$1"; }
# need PC_NAME PACKAGE: a library, of the architecture that is compiled for.
need() { has_package "$1" || missing="$missing $2$foreign"; }
# A compiler for aarch64 on another machine: Debian's multi-arch libraries, and QEMU, which runs what they make.
case $(uname -m):$cc in
    aarch64:*) ;;
    *:aarch64-linux-gnu-* | *--target=aarch64-linux-gnu*)
        foreign=:arm64
        export PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig
        have aarch64-linux-gnu-gcc || missing="$missing gcc-aarch64-linux-gnu"
        have qemu-aarch64 || missing="$missing qemu-user"
        [ -e /lib/ld-linux-aarch64.so.1 ] || missing="$missing libc6:arm64" ;;
esac

have ar && have make && have g++ || missing="$missing build-essential"
have pkg-config || missing="$missing pkg-config"
need libpcre2-8 libpcre2-dev
need libutf8proc libutf8proc-dev
need libxxhash libxxhash-dev
need libpng libpng-dev
need libjpeg libjpeg-dev
[ -e /usr/include/jsmn.h ] || missing="$missing libjsmn-dev" # one header, the same for all
need libcjson libcjson-dev
need libedit libedit-dev
need cmocka libcmocka-dev
[ "${1:-}" != openblas ] || [ -n "$foreign" ] || has_package openblas || optional=" libopenblas-dev"
[ -n "$foreign" ] || have abidiff || optional="$optional abigail-tools"
# shellcheck disable=SC2086 # a compiler may come with arguments
have ${cc%% *} || case $cc in
    clang*) missing="$missing clang" ;;
    gcc | cc) ;; # of build-essential
    aarch64-linux-gnu-gcc*) ;; # named above
    *) missing="$missing $cc" ;;
esac
# Sanitizers and libFuzzer of clang are a package of their own.
case $foreign$cc in
    clang*) ls "$(${cc%% *} --print-runtime-dir 2>/dev/null)"/libclang_rt.fuzzer* >/dev/null 2>&1 ||
        optional="$optional libclang-rt-dev" ;;
esac
[ -n "$missing$optional" ] || exit 0

if [ -n "${NO_INSTALL:-}" ]; then
    echo "deps: missing:$missing$optional; not installed, because NO_INSTALL is set" >&2
elif ! have apt-get; then
    echo "deps: missing:$missing$optional (as Debian calls them)" >&2
    echo "deps: this system has no apt-get: install them with its own package manager, then try again" >&2
else
    sudo=''
    [ "$(id -u)" = 0 ] || { have sudo && sudo=sudo; }
    echo "deps: installing by apt-get:$missing$optional (NO_INSTALL=1 prevents this)" >&2
    if [ -n "$foreign" ] && ! dpkg --print-foreign-architectures | grep -qx arm64; then
        echo "deps: adding the architecture arm64 to dpkg's" >&2
        $sudo dpkg --add-architecture arm64
    fi
    # shellcheck disable=SC2086 # lists of words
    if $sudo apt-get update -q >&2 && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
        --no-install-recommends $missing$optional >&2 </dev/null; then
        exit 0
    fi
    echo "deps: apt-get failed; these are still missing:$missing$optional" >&2
fi
[ -z "$missing" ]
