#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh [openblas] - install what building and testing need, by apt-get, and only what is missing. CC: the compiler.
# NO_INSTALL=1: only name it. Fails when something is still missing, OpenBLAS excepted: without it one library is left out.
cc=${CC:-gcc}
missing='' optional=''
have() { command -v "$1" >/dev/null 2>&1; }
has_package() { have pkg-config && pkg-config --exists "$1"; }

have ar && have make && have g++ || missing="$missing build-essential"
have pkg-config || missing="$missing pkg-config"
has_package libpcre2-8 || missing="$missing libpcre2-dev"
has_package libutf8proc || missing="$missing libutf8proc-dev"
has_package libcjson || missing="$missing libcjson-dev"
has_package cmocka || missing="$missing libcmocka-dev"
[ "${1:-}" != openblas ] || has_package openblas || optional=" libopenblas-dev"
# shellcheck disable=SC2086 # a compiler may come with arguments
have ${cc%% *} || case $cc in
    clang*) missing="$missing clang" ;;
    gcc | cc) ;; # of build-essential
    *) missing="$missing $cc" ;;
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
    # shellcheck disable=SC2086 # lists of words
    if $sudo apt-get update -q >&2 && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
        --no-install-recommends $missing$optional >&2 </dev/null; then
        exit 0
    fi
    echo "deps: apt-get failed; these are still missing:$missing$optional" >&2
fi
[ -z "$missing" ]
