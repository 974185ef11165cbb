#!/bin/sh
# SPDX-License-Identifier: MIT
# address_space.sh REPLAY_GGUF - damaged models in a process that may have 256 MiB of address space: a file that asks for
# more is refused, and nobody is killed. REPLAY_GGUF runs its own files, then those of EINF_TEST_DATA.
set -eu
ulimit -v 262144
"$1"
if [ -n "${EINF_TEST_DATA:-}" ] && [ -d "$EINF_TEST_DATA/hostile-gguf" ]; then
    "$1" "$EINF_TEST_DATA/hostile-gguf"
else
    echo "SKIP: no hostile-gguf in EINF_TEST_DATA"
fi
