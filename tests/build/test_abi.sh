#!/bin/sh
# SPDX-License-Identifier: MIT
# test_abi.sh - abi.sh tells additions from what breaks programs: a small library, changed in each way once.
set -u
abi_sh=$PWD/tests/build/abi.sh
if ! command -v abidiff >/dev/null 2>&1 || [ "$(uname -m)" != x86_64 ]; then
    echo "SKIP: abidiff is not installed, or this is not x86-64"
    exit 0
fi
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
cd "$tree" || exit 1
mkdir -p include/edgeinfer docs
failed=0 cases=0
header=include/edgeinfer/edgeinfer.h
first() { # the library that is changed
    cat >$header <<'CODE'
#include <stdint.h>
#define EINF_ABI_VERSION 1
enum { EINF_A = 0, EINF_B = 1 };
typedef struct einf_inner { uint32_t struct_size; int32_t a; } einf_inner;
typedef struct einf_config { uint32_t struct_size; int32_t x; double y; } einf_config;
typedef struct einf_result { uint32_t struct_size; einf_inner inner; int32_t z; } einf_result;
typedef struct einf_message { uint32_t struct_size; uint32_t reserved; const char *text; } einf_message;
typedef struct einf_thing einf_thing;
int32_t einf_one(const einf_config *c, einf_result *r);
int32_t einf_two(einf_thing *t, int32_t n);
int32_t einf_all(const einf_message *messages, uint64_t n);
CODE
    cat >library.c <<'CODE'
#include <edgeinfer/edgeinfer.h>
struct einf_thing { int private_field; };
int32_t einf_one(const einf_config *c, einf_result *r) { return c->x + r->z; }
int32_t einf_two(einf_thing *t, int32_t n) { return t->private_field + n; }
int32_t einf_all(const einf_message *messages, uint64_t n) { return messages[n - 1].text != 0; }
CODE
}
build() {
    abi=$(sed -n 's/^.define EINF_ABI_VERSION //p' $header)
    gcc -g -O2 -shared -fPIC -Iinclude -Wl,-soname,libedgeinfer.so."$abi" -o library.so library.c || exit 1
}
# becomes CHECK RECORD NAME: what check says of the changed library, and whether it may be recorded; then begins anew.
becomes() {
    cases=$((cases + 1))
    build
    "$abi_sh" check library.so >check.out 2>&1; checked=$?
    "$abi_sh" record library.so >record.out 2>&1; taken=$?
    if ! grep -qF "$1" check.out || { [ "$2" = yes ] && [ $taken != 0 ]; } || { [ "$2" = no ] && [ $taken = 0 ]; } ||
        { [ "$1" = "ok    the interface" ] && [ $checked != 0 ]; } || { [ "$1" != "ok    the interface" ] && [ $checked = 0 ]; }; then
        failed=$((failed + 1))
        echo "FAIL  $3: expected \"$1\", recorded: $2"
        cat check.out record.out
    fi
    rm -rf docs/abi; cp -r first_abi docs/abi
    first
}
first; build
"$abi_sh" check library.so >check.out 2>&1 && { echo "FAIL  nothing is recorded, and check passes"; failed=1; }
"$abi_sh" record library.so >record.out || { cat record.out; exit 1; }
cp -r docs/abi first_abi
stale="is not the one recorded in docs/abi (additions)" breaks="this breaks programs: raise EINF_ABI_VERSION"

becomes "ok    the interface" yes "nothing changed"
sed -i 's/private_field/other_field/; s/struct einf_thing {/& long more;/' library.c; becomes "ok    the interface" yes "a private struct"
sed -i 's/double y;/double y; int32_t new_one;/' $header; becomes "$stale" yes "a field at the end"
sed -i 's/EINF_B = 1/EINF_B = 1, EINF_C = 2/' $header; becomes "$stale" yes "an enumerator"
echo 'int32_t einf_three(void);' >>$header; echo 'int32_t einf_three(void) { return 3; }' >>library.c
becomes "$stale" yes "a function"
sed -i 's/double y;/double y; int32_t new_one;/' $header; echo 'int32_t einf_three(void);' >>$header
echo 'int32_t einf_three(void) { return 3; }' >>library.c; becomes "$stale" yes "a function and a field"
sed -i 's/int32_t x;/int32_t new_one; int32_t x;/' $header; becomes "$breaks" no "a field in the middle"
sed -i 's/int32_t a;/int32_t a; int64_t b;/' $header; becomes "$breaks" no "a struct grows within another"
sed -i 's/const char \*text;/const char *text; int64_t more;/' $header; becomes "$breaks" no "a struct of arrays grows"
sed -i 's/double y;/double y; int32_t new_one;/; s/int32_t z;/int64_t z;/' $header; becomes "$breaks" no "one field more, another changed"
sed -i 's/int32_t x;/uint32_t x;/' $header; becomes "$breaks" no "another type of a field"
sed -i 's/int32_t x;/int32_t w;/; ' $header; sed -i 's/c->x/c->w/' library.c; becomes "$breaks" no "another name of a field"
sed -i 's/double y;//' $header; becomes "$breaks" no "a field goes"
sed -i 's/int32_t n)/int64_t n)/' $header library.c; becomes "$breaks" no "another parameter"
sed -i '/einf_two/d' $header library.c; becomes "$breaks" no "a function goes"
sed -i 's/EINF_B = 1/EINF_B = 2/' $header; becomes "$breaks" no "another value of an enumerator"
sed -i 's/, EINF_B = 1//' $header; becomes "$breaks" no "an enumerator goes"
sed -i '/einf_two/d' $header library.c; sed -i 's/EINF_ABI_VERSION 1/EINF_ABI_VERSION 2/' $header
becomes "recorded in docs/abi (incompatible)" yes "a function goes, with another number"
# While the number is 0 everything may be recorded, and must be.
sed -i 's/EINF_ABI_VERSION 1/EINF_ABI_VERSION 0/' $header; build; "$abi_sh" record library.so >/dev/null
rm -rf first_abi; cp -r docs/abi first_abi
sed -i 's/EINF_ABI_VERSION 1/EINF_ABI_VERSION 0/; /einf_two/d' $header; sed -i '/einf_two/d' library.c
becomes "recorded in docs/abi (incompatible)" yes "a function goes, at 0"
[ $failed = 0 ] && echo "ok    $cases changes of an interface, each judged rightly"
exit $failed
