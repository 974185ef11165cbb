#!/bin/sh
# SPDX-License-Identifier: MIT
# check_real.sh BUILD - fetch Gemma 3 270M if need be, and hold the library and the command to its golden numbers.
set -eu
build=$1
EINF_GEMMA=$(tests/real/fetch_gemma.sh)
export EINF_GEMMA
tests/run.sh "$build"/tests/real/test_* "tests/real/check_tokens.sh $build/bin/edgeinfer $EINF_GEMMA"
echo "and it reads like this:"
"$build/bin/edgeinfer" run -m "$EINF_GEMMA" --raw -p "The Raspberry Pi is" -n 40
