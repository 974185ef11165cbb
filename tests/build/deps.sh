#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh [openblas] - install what building and testing need, by apt-get, and only what is missing.
# NO_INSTALL=1: name it and fail. A package counts as there when what it brings is.
missing=
need() { # need PACKAGE COMMAND...: the command must succeed
    package=$1; shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
need build-essential sh -c 'command -v "${CC:-gcc}" && command -v ar'
if command -v pkg-config >/dev/null 2>&1; then
    need libpcre2-dev pkg-config --exists libpcre2-8
    need libutf8proc-dev pkg-config --exists libutf8proc
    need libcmocka-dev pkg-config --exists cmocka
    need libcjson-dev pkg-config --exists libcjson
    [ "${1:-}" != openblas ] || need libopenblas-dev pkg-config --exists openblas
else
    missing="$missing pkg-config libpcre2-dev libutf8proc-dev libcmocka-dev libcjson-dev"
    [ "${1:-}" != openblas ] || missing="$missing libopenblas-dev"
fi
[ -n "$missing" ] || exit 0

if [ -n "${NO_INSTALL:-}" ]; then
    echo "missing packages:$missing" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "missing:$missing (Debian's names); install them with the package manager of this system" >&2
    exit 1
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing$missing" >&2
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q $missing >&2 && exit 0
$sudo apt-get update -q >&2 && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q $missing >&2
