#!/bin/sh
# SPDX-License-Identifier: MIT
# abi.sh check|record LIBRARY, abi.sh compare OLD NEW - whether programs built before still run with this library.
#
# docs/abi/ holds the interface as it is: libedgeinfer.abi, written by abidw (functions and structs, from the debug
# information of gcc's release build on x86-64), and constants.txt, each enumerator with its value, which abidw does
# not see. `check` fails when they are not what LIBRARY is, so that every change of the interface stands in a diff.
# `make abi-record` writes them; it refuses to, while EINF_ABI_VERSION is above 0 and as it was, when the change is more
# than additions. Where git knows a release (a tag v*), `check` also compares with what was recorded there.
#
# Additions are: functions, enumerators, and fields at the end of a struct, behind its former size, where struct_size
# tells the library that they are missing. Everything else breaks programs, or might: then EINF_ABI_VERSION is raised.
# einf_message lies in arrays of the caller's: it does not grow.
set -u
here=$(cd "$(dirname "$0")" && pwd)
recorded=docs/abi
header=include/edgeinfer/edgeinfer.h
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL  $1"; shift; for line in "$@"; do echo "      $line"; done; exit 1; }

# describe LIBRARY FOLDER: both files, into a folder.
describe() {
    mkdir -p "$2"
    abidw --headers-dir include/edgeinfer --drop-private-types --exported-interfaces-only --no-corpus-path \
        --no-comp-dir-path --no-show-locs --no-elf-needed --type-id-style hash --out-file "$2/libedgeinfer.abi" "$1" ||
        fail "abidw cannot read $1"
    grep -q "<class-decl name='einf_" "$2/libedgeinfer.abi" || fail "$1 has no debug information"
    for h in include/edgeinfer/*.h; do echo "#include <edgeinfer/$(basename "$h")>"; done >"$work/all.h"
    {
        echo '#include <stdio.h>'
        cat "$work/all.h"
        echo 'int main(void) {'
        gcc -E -P -Iinclude "$work/all.h" | tr '\n' ' ' | grep -o 'enum [a-z_ ]*{[^}]*}' | grep -o 'EINF_[A-Z0-9_]*' |
            grep -v '_$' | sort -u | sed 's/.*/printf("& %lld\\n", (long long)&);/'
        echo 'return 0; }'
    } >"$work/constants.c"
    gcc -Iinclude -o "$work/constants" "$work/constants.c" && "$work/constants" >"$2/constants.txt" ||
        fail "the constants of include/edgeinfer cannot be listed"
    [ -s "$2/constants.txt" ] || fail "the headers have no constants"
}

# only_additions REPORT: every line of abidiff's report is known to be harmless. A new field is, when its offset is not
# below the size that its struct had: "type size changed from OLD to NEW (in bits)" stands before it.
only_additions() {
    awk '
    /^Functions changes summary: 0 Removed,/ || /^Variables changes summary: 0 Removed, 0 Changed/ || /^ *$/ { next }
    /^ *[0-9]+ (Added functions?|functions? with some indirect sub-type change):$/ { next }
    /^ *\[A\] .function / || /^ *\[C\] .function .* has some indirect sub-type changes:$/ { next }
    /^ *parameter [0-9]+ of type .* has sub-type changes:$/ { next }
    /^ *in (pointed to|unqualified underlying|referenced) type / { next }
    /^ *underlying type .struct einf_message. changed:$/ { bad = 1; exit }
    /^ *underlying type .struct einf_[a-z0-9_]*. changed:$/ { size = -1; next }
    /^ *type size changed from [0-9]+ to [0-9]+ \(in bits\)$/ { size = $5; inserts = 0; next }
    /^ *[0-9]+ data member insertions?:$/ { inserts = 1; next }
    /^ *.*, at offset [0-9]+ \(in bits\)/ && inserts && size >= 0 {
        match($0, /at offset [0-9]+/)
        if (substr($0, RSTART + 10, RLENGTH - 10) + 0 >= size) next
    }
    { bad = 1; exit }
    END { exit bad }' "$1"
}

# compare OLD NEW: two folders. Prints same, additions or incompatible; the reasons go to $work/why.
compare() {
    abidiff --harmless "$1/libedgeinfer.abi" "$2/libedgeinfer.abi" >"$work/report" 2>&1
    code=$?
    [ $((code & 3)) = 0 ] || { cat "$work/report" >&2; echo failed; return; }
    diff "$1/constants.txt" "$2/constants.txt" >"$work/constants.diff"
    grep '^[<>]' "$work/constants.diff" | cat "$work/report" - | grep -v '^ *$' >"$work/why"
    if [ $code = 0 ] && [ ! -s "$work/constants.diff" ]; then
        echo same
    elif grep -q '^<' "$work/constants.diff" || ! only_additions "$work/report"; then
        echo incompatible
    else
        echo additions
    fi
}
version_of() { sed -n "s/.*soname='libedgeinfer.so.\([0-9]*\)'.*/\1/p" "$1/libedgeinfer.abi"; }

case ${1:-} in
compare)
    compare "$2" "$3"
    exit ;;
check | record) [ $# = 2 ] || fail "usage: abi.sh $1 LIBRARY" ;;
*) fail "usage: abi.sh check|record LIBRARY, abi.sh compare OLD NEW" ;;
esac
if ! command -v abidiff >/dev/null 2>&1 || ! command -v abidw >/dev/null 2>&1; then
    [ "$1" = check ] || fail "abidw is not installed (Debian: abigail-tools)"
    echo "SKIP: abidiff is not installed (Debian: abigail-tools)"
    exit 0
fi
if [ "$(uname -m)" != x86_64 ]; then
    [ "$1" = check ] || fail "the interface is recorded on x86-64"
    echo "ok    nothing to compare: the interface is recorded on x86-64"
    exit 0
fi
abi=$(sed -n 's/^.define EINF_ABI_VERSION \([0-9]*\).*/\1/p' $header)
describe "$2" "$work/new"
change=first
if [ -e $recorded/libedgeinfer.abi ]; then
    change=$(compare $recorded "$work/new")
    cp "$work/why" "$work/why_recorded" 2>/dev/null
fi
stays=0
[ -e $recorded/libedgeinfer.abi ] && [ "$abi" -gt 0 ] && [ "$(version_of $recorded)" = "$abi" ] && stays=1

if [ "$1" = record ]; then
    [ "$change" = failed ] && exit 1
    if [ $stays = 1 ] && [ "$change" = incompatible ]; then
        head -40 "$work/why_recorded"
        fail "this breaks programs: raise EINF_ABI_VERSION, or undo it"
    fi
    mkdir -p $recorded
    cp "$work/new/libedgeinfer.abi" "$work/new/constants.txt" $recorded/
    echo "recorded in $recorded: interface $abi, $(grep -c '<elf-symbol' $recorded/libedgeinfer.abi) functions, $(wc -l <$recorded/constants.txt) constants ($change)"
    exit 0
fi

case $change in
same) echo "ok    the interface is the one recorded in $recorded" ;;
failed) exit 1 ;;
*)
    head -40 "$work/why_recorded" 2>/dev/null
    [ $stays = 1 ] && [ $change = incompatible ] && fail "this breaks programs: raise EINF_ABI_VERSION, or undo it"
    fail "the interface is not the one recorded in $recorded ($change)" "make abi-record, look at the diff, and commit it" ;;
esac
tag=$(git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null) || tag=
if [ -n "$tag" ] && git show "$tag:$recorded/libedgeinfer.abi" >"$work/tag.abi" 2>/dev/null; then
    mkdir "$work/old"
    mv "$work/tag.abi" "$work/old/libedgeinfer.abi"
    git show "$tag:$recorded/constants.txt" >"$work/old/constants.txt"
    change=$(compare "$work/old" "$work/new")
    if [ "$abi" -gt 0 ] && [ "$(version_of "$work/old")" = "$abi" ] && [ "$change" != same ] && [ "$change" != additions ]; then
        head -40 "$work/why"
        fail "programs built for $tag break: raise EINF_ABI_VERSION"
    fi
    echo "ok    since $tag: $change"
else
    echo "ok    no release to compare with (no tag v*, or none with $recorded)"
fi
