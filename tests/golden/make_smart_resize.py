# SPDX-License-Identifier: MIT
"""Writes data/smart_resize.tsv for test_preprocess.c: sizes that the preprocessor of Qwen2-VL in Hugging Face
transformers (5.23) gives to pictures.

    pip download --no-deps transformers && unzip -q transformers-*.whl
    python make_smart_resize.py >data/smart_resize.tsv

Run where the wheel was unpacked: smart_resize is taken from its source, since importing its module asks for torch.
"""
import math
import pathlib
import random
import re


def smart_resize_of_transformers():
    source = pathlib.Path('transformers/models/qwen2_vl/image_processing_qwen2_vl.py').read_text()
    names = {'math': math}
    exec(re.search(r'def smart_resize\(.*?return h_bar, w_bar\n', source, re.S).group(0), names)
    return names['smart_resize']


def cases():
    """factor, min pixels, max pixels, width, height"""
    published = (28, 56 * 56, 14 * 14 * 4 * 1280), (28, 8 * 784, 4096 * 784), (32, 4 * 1024, 16384 * 1024)
    for factor, low, high in published:
        for size in [(1, 1), (1, 200), (200, 1), (13, 14), (14, 13), (14, 42), (42, 70), (27, 28), (28, 28), (29, 28),
                     (640, 480), (540, 360), (1300, 876), (1024, 768), (4032, 3024), (3024, 4032), (8000, 40),
                     (40, 8000), (20000, 15000)]:
            yield factor, low, high, *size
    random.seed(2)
    for _ in range(150):
        factor = random.choice([28, 28, 28, 32, 14, 24])
        low = int(2 ** random.uniform(0, 21))
        high = max(factor * factor, int(low * 2 ** random.uniform(0, 8)))
        width = int(2 ** random.uniform(0, 13))
        yield factor, min(low, high), high, width, min(65535, max(1, int(width * 2 ** random.uniform(-7.5, 7.5))))


def main():
    smart_resize = smart_resize_of_transformers()
    print('# factor, min pixels, max pixels, width, height: width, height after smart_resize, 0 where it refuses')
    for factor, low, high, width, height in cases():
        try:
            to_height, to_width = smart_resize(height, width, factor, low, high)
        except ValueError:
            to_height = to_width = 0
        print(factor, low, high, width, height, to_width, to_height, sep='\t')


if __name__ == '__main__':
    main()
