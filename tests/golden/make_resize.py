# SPDX-License-Identifier: MIT
"""Writes data/resize.tsv for test_resize.c: hashes of what Pillow makes of random pictures, and of what the legacy
filter makes of them, computed here with numpy in the float and double steps of llama.cpp's builds of 2025.

    pip install 'pillow<13' numpy && python make_resize.py >data/resize.tsv

Pillow 13 makes the vertical pass the first where it expects less work of that, which rounds otherwise; versions before
it, like this project, always begin with the horizontal pass.
"""
import random
import sys

import numpy as np
import PIL
from PIL import Image

FILTERS = {'bicubic': Image.BICUBIC, 'bilinear': Image.BILINEAR, 'lanczos': Image.LANCZOS, 'box': Image.BOX}
# width and height of source and result: enlarged, reduced, both, one side kept, one pixel, extreme, more than a band
SIZES = [(1, 1, 1, 2), (1, 1, 5, 7), (7, 5, 1, 1), (2, 3, 3, 2), (5, 9, 5, 4), (9, 5, 4, 5), (16, 16, 28, 28),
         (64, 48, 28, 56), (33, 65, 100, 7), (100, 7, 28, 28), (1, 500, 28, 84), (500, 1, 84, 28), (3000, 2, 28, 28),
         (2, 3000, 28, 28), (3000, 1, 7, 1), (1, 3000, 1, 7), (200, 150, 112, 84), (84, 112, 252, 308),
         (333, 222, 56, 28), (61, 367, 47, 133), (4, 4, 28, 700), (129, 131, 131, 129), (300, 200, 299, 201)]


def pixels_of(seed, width, height, is_extreme):
    """Bytes of splitmix64, little-endian; extreme: 0 or 255 by the highest bit."""
    n = width * height * 3
    with np.errstate(over='ignore'):
        z = np.uint64(seed) + np.arange(1, (n + 7) // 8 + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94d049bb133111eb)
        z = z ^ z >> np.uint64(31)
    x = z.astype('<u8').view(np.uint8)[:n]
    return ((x >> 7) * 255 if is_extreme else x).reshape(height, width, 3).astype(np.uint8)


def fnv1a(data):
    h = 0xcbf29ce484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


def cubic(p, at):
    """Coefficients in double, rounded to float; the rest in float. p: [4, ...] float, at: float."""
    d0, d2, d3 = ((p[i] - p[1]).astype(np.float64) for i in (0, 2, 3))
    a1 = (-1.0 / 3 * d0 + d2 - 1.0 / 6 * d3).astype(np.float32)
    a2 = (1.0 / 2 * d0 + 1.0 / 2 * d2).astype(np.float32)
    a3 = (-1.0 / 6 * d0 - 1.0 / 2 * d2 + 1.0 / 6 * d3).astype(np.float32)
    return p[1] + a1 * at + a2 * at * at + a3 * at * at * at


def taps(n_in, n_out):
    position = np.float32(n_in) / np.float32(n_out) * np.arange(n_out, dtype=np.float32)
    before = position.astype(np.int64)
    return [np.clip(before + k, 0, n_in - 1) for k in (-1, 0, 1, 2)], position - before.astype(np.float32)


def legacy(x, width, height):
    x = x.astype(np.float32)
    columns, at_x = taps(x.shape[1], width)
    rows, at_y = taps(x.shape[0], height)
    across = cubic(np.stack([x[:, c] for c in columns]), at_x[:, None])
    value = cubic(np.stack([across[r] for r in rows]), at_y[:, None, None])
    away = np.trunc(value.astype(np.float64) + np.copysign(0.5, value))  # halves away from zero
    return np.clip(away, 0, 255).astype(np.uint8)


def main():
    assert int(PIL.__version__.split('.')[0]) < 13, PIL.__version__
    random.seed(1)
    sizes = SIZES + [tuple(random.randint(1, 90) for _ in range(4)) for _ in range(12)]
    print('# filter, seed, extreme, width and height of source and result, FNV-1a of the result; Pillow', PIL.__version__)
    for i, (w, h, width, height) in enumerate(sizes):
        for name in [*FILTERS, 'legacy']:
            is_extreme = i % 3 == 0
            x = pixels_of(i + 1, w, h, is_extreme)
            if (w, h) == (width, height):
                sys.exit('a copy proves nothing')
            y = legacy(x, width, height) if name == 'legacy' else \
                np.asarray(Image.fromarray(x).resize((width, height), FILTERS[name]))
            print(name, i + 1, int(is_extreme), w, h, width, height, f'{fnv1a(y.tobytes()):016x}', sep='\t')


if __name__ == '__main__':
    main()
