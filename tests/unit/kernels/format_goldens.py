# SPDX-License-Identifier: MIT
"""Writes format_goldens.h: what ggml makes of blocks of every coded type, for test_format_goldens.c.

    pip install gguf libgguf numpy && python format_goldens.py >format_goldens.h

The blocks are random bytes of a generator that the test repeats, and rows that ggml itself quantised. Two independent
implementations de-quantise them, the Python package `gguf` and ggml's own C code in `libgguf`, and must agree to the
last bit.
"""
import gguf
import libgguf
import numpy as np
from gguf import quants

N_BLOCKS = 1024  # 32 indices a block: each of the 2048 entries of the largest grid is met
# name: offsets of the halves of a block, whose highest exponent bit is cleared so that all values are finite
TYPES = {
    'Q4_0': [0], 'Q4_1': [0, 2], 'Q5_0': [0], 'Q5_1': [0, 2], 'Q8_0': [0], 'IQ4_NL': [0], 'Q2_K': [80, 82],
    'Q3_K': [108], 'Q4_K': [0, 2], 'Q5_K': [0, 2], 'Q6_K': [208], 'IQ4_XS': [0], 'IQ1_S': [0], 'IQ1_M': [54],
    'IQ2_XXS': [0], 'IQ2_XS': [0], 'IQ2_S': [0], 'IQ3_XXS': [0], 'IQ3_S': [0], 'TQ1_0': [52], 'TQ2_0': [64],
    'MXFP4': [],
}


def splitmix64(seed, n):
    with np.errstate(over='ignore'):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94d049bb133111eb)
        return z ^ z >> np.uint64(31)


def values_of(qtype, blocks):
    """The floats of blocks [n, bytes], without negative zeros."""
    n = len(blocks) * gguf.GGML_QUANT_SIZES[qtype][0]
    zero = np.float32(0)
    with np.errstate(over='ignore'):  # MXFP4: 6 * 2^127
        python = quants.dequantize(blocks, qtype).reshape(-1) + zero
    c = np.frombuffer(libgguf.dequantize_rows_raw(qtype, blocks.tobytes(), 1, n), dtype=np.float32) + zero
    assert np.array_equal(python.view(np.uint32), c.view(np.uint32)), qtype.name
    return c


def fnv_of(values):
    h = 0xcbf29ce484222325
    for word in values.view(np.uint32).tolist():
        h = (h ^ word) * 0x100000001b3 & 0xffffffffffffffff
    return h


def main():
    print('/* SPDX-License-Identifier: MIT')
    print(' * format_goldens.h - made by format_goldens.py with gguf %s and libgguf %s; do not edit.' % VERSIONS)
    print(' */')
    print('#ifndef TESTS_FORMAT_GOLDENS_H\n#define TESTS_FORMAT_GOLDENS_H\n')
    print('enum { GOLDEN_BLOCKS = %d, GOLDEN_ROW = 512 };\n' % N_BLOCKS)
    print('static const struct {')
    print('    uint32_t file_id;     /* the type */')
    print('    int n_halves, at[2];  /* byte offsets of its halves */')
    print('    uint64_t random_hash; /* of the values of random blocks */')
    print('    uint64_t row_hash;    /* of the values of the row */')
    print('    const char *row;      /* GOLDEN_ROW elements that ggml quantised, in hexadecimal */')
    print('} goldens[] = {')
    row = (splitmix64(4242, 512) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)
    for name, halves in TYPES.items():
        qtype = gguf.GGMLQuantizationType[name]
        n_bytes = gguf.GGML_QUANT_SIZES[qtype][1]
        raw = splitmix64(int(qtype), (N_BLOCKS * n_bytes + 7) // 8).view(np.uint8)[:N_BLOCKS * n_bytes]
        blocks = raw.reshape(N_BLOCKS, n_bytes).copy()
        for at in halves:
            blocks[:, at + 1] &= 0xbf
        values = values_of(qtype, blocks)
        made = np.asarray(libgguf.quantize_rows(row.reshape(1, -1), qtype)).reshape(-1, n_bytes)
        again = values_of(qtype, made)
        assert np.sqrt(np.mean((again - row) ** 2) / np.mean(row ** 2)) < 0.75, name
        pairs = ', '.join(str(h) for h in (halves + [0, 0])[:2])
        print('    {%d /* %s */, %d, {%s}, 0x%016x, 0x%016x,'
              % (int(qtype), name, len(halves), pairs, fnv_of(values), fnv_of(again)))
        text = made.tobytes().hex()
        for i in range(0, len(text), 104):
            print('     "%s"%s' % (text[i:i + 104], '' if i + 104 < len(text) else '},'))
    print('};\n\n#endif')


if __name__ == '__main__':
    from importlib.metadata import version
    VERSIONS = (version('gguf'), version('libgguf'))
    main()
