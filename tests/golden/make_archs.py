# SPDX-License-Identifier: MIT
"""Writes the models and numbers of test_golden_archs.c: a tiny random model of each architecture, and what Hugging Face
transformers computes of it in f32.

    pip install torch transformers numpy && python make_archs.py data

Every model is made as transformers' own class, given random weights that F16 holds exactly, run, and only then written
as GGUF, by the conventions of llama.cpp's converter: names, q and k permuted where pairs are adjacent, norms of Gemma
plus 1. So oracle and reader share the weights and nothing else. NAME.logits.f32: the rows of RUNS, one run after the
other, little-endian f32 [47, 288].
"""
import struct
import sys

import numpy as np
import torch
import transformers

N_VOCAB = 288
# n ids each, id(i) = (7 i^2 + 13 i + 5) mod N_VOCAB, and the rows that are kept: below, at and above phi3's original
# context of 64, far beyond every window
RUNS = [(32, range(32)), (64, [0, 32, 63]), (65, [0, 32, 64]), (160, [0, 20, 40, 60, 80, 100, 120, 140, 159])]
BASE = dict(vocab_size=N_VOCAB, max_position_embeddings=256, num_attention_heads=4, num_key_value_heads=2,
            pad_token_id=0, bos_token_id=1, eos_token_id=2, attn_implementation='eager')


def rope(theta, **more):
    return dict(dict(rope_type='default', rope_theta=theta), **more)


# name: class, its configuration, entries of the file beyond those that all have
MODELS = {
    'qwen3': ('Qwen3', dict(hidden_size=32, intermediate_size=64, num_hidden_layers=3, head_dim=16, rms_norm_eps=1e-6,
                            rope_parameters=rope(1e6), tie_word_embeddings=True),
              {'attention.key_length': 16, 'attention.value_length': 16}),
    'gemma2': ('Gemma2', dict(hidden_size=32, intermediate_size=64, num_hidden_layers=4, head_dim=16,
                              query_pre_attn_scalar=16, rms_norm_eps=1e-6, sliding_window=12, tie_word_embeddings=True,
                              attn_logit_softcapping=2.0, final_logit_softcapping=3.0, rope_parameters=rope(1e4)),
               {'attention.key_length': 16, 'attention.value_length': 16, 'attention.sliding_window': 12,
                'attn_logit_softcapping': 2.0, 'final_logit_softcapping': 3.0}),
    # as Phi-3.5 and Phi-4-mini: long context, part of a head rotates
    'phi3': ('Phi3', dict(hidden_size=64, intermediate_size=64, num_hidden_layers=3, rms_norm_eps=1e-5,
                          original_max_position_embeddings=64, tie_word_embeddings=True,
                          rope_parameters=rope(1e4, rope_type='longrope', partial_rotary_factor=0.75,
                                               original_max_position_embeddings=64,
                                               short_factor=[1.0, 1.05, 1.1, 1.3, 1.6, 2.0],
                                               long_factor=[1.1, 1.5, 2.5, 4.0, 6.0, 9.0])),
             {'rope.scaling.original_context_length': 64, 'rope.scaling.attn_factor': (1 + 2 / 6) ** 0.5,
              'attention.sliding_window': 0}),  # ln(256 / 64) / ln(64) = 2 / 6
    # as Phi-3-mini-4k: a window in every layer, no factors
    'phi3-window': ('Phi3', dict(hidden_size=32, intermediate_size=64, num_hidden_layers=3, rms_norm_eps=1e-5,
                                 sliding_window=20, tie_word_embeddings=False, rope_parameters=rope(1e4)),
                    {'attention.sliding_window': 20}),
    'smollm3': ('SmolLM3', dict(hidden_size=32, intermediate_size=64, num_hidden_layers=5, rms_norm_eps=1e-6,
                                rope_parameters=rope(5e6), tie_word_embeddings=True), {}),
}
NAMES = {  # transformers' to the file's
    'model.embed_tokens': 'token_embd', 'model.norm': 'output_norm', 'lm_head': 'output',
    'input_layernorm': 'attn_norm', 'self_attn.q_proj': 'attn_q', 'self_attn.k_proj': 'attn_k',
    'self_attn.v_proj': 'attn_v', 'self_attn.qkv_proj': 'attn_qkv', 'self_attn.o_proj': 'attn_output',
    'self_attn.q_norm': 'attn_q_norm', 'self_attn.k_norm': 'attn_k_norm', 'post_attention_layernorm': 'ffn_norm',
    'mlp.gate_proj': 'ffn_gate', 'mlp.up_proj': 'ffn_up', 'mlp.gate_up_proj': 'ffn_up', 'mlp.down_proj': 'ffn_down',
}
GEMMA_NAMES = {'post_attention_layernorm': 'post_attention_norm', 'pre_feedforward_layernorm': 'ffn_norm',
               'post_feedforward_layernorm': 'post_ffw_norm'}


def make_model(kind, config, seed):
    """A model of random weights: matrices and the embedding are numbers of F16, norms lie about 1."""
    rng = np.random.default_rng(seed)
    model = getattr(transformers, kind + 'ForCausalLM')(getattr(transformers, kind + 'Config')(**BASE, **config))
    gemma = kind == 'Gemma2'
    with torch.no_grad():
        for name, p in model.named_parameters():
            x = rng.standard_normal(p.shape)
            if p.ndim == 1:  # gemma's modules add the 1
                x = (0 if gemma else 1) + 0.2 * x
            elif 'embed' in name:
                x *= config['hidden_size'] ** -0.5 if gemma else 1
            else:  # scores large enough for attention to choose, and for soft caps to matter
                x *= p.shape[1] ** -0.5 * (2 if 'q_proj' in name or 'qkv' in name else 1)
            p.copy_(torch.from_numpy(x.astype(np.float32 if p.ndim == 1 else np.float16).astype(np.float32)))
    return model.float().eval()


def logits_of(model):
    rows = []
    with torch.no_grad():
        for n, keep in RUNS:
            ids = torch.tensor([[(7 * i * i + 13 * i + 5) % N_VOCAB for i in range(n)]])
            rows.append(model(input_ids=ids, use_cache=False).logits[0, list(keep)].numpy())
    return np.concatenate(rows)


def file_name(name, gemma):
    """'model.layers.3.mlp.up_proj.weight' -> 'blk.3.ffn_up.weight'"""
    stem = name.removesuffix('.weight')
    if stem in NAMES:
        return NAMES[stem] + '.weight'
    _, _, layer, part = stem.split('.', 3)
    return f'blk.{layer}.{(dict(NAMES, **GEMMA_NAMES) if gemma else NAMES)[part]}.weight'


def permute(w, n_head):
    """Rows of each head from halves to adjacent pairs."""
    return w.reshape(n_head, 2, w.shape[0] // n_head // 2, -1).swapaxes(1, 2).reshape(w.shape)


def tensors_of(model, kind, config):
    tied = config['tie_word_embeddings']
    for name, p in model.named_parameters():
        if tied and name.startswith('lm_head'):
            continue
        x = p.detach().numpy()
        if kind == 'Gemma2' and p.ndim == 1:
            x = x + 1
        if kind == 'SmolLM3' and ('q_proj' in name or 'k_proj' in name):
            x = permute(x, BASE['num_attention_heads' if 'q_proj' in name else 'num_key_value_heads'])
        yield file_name(name, kind == 'Gemma2'), x
    for which in ('long', 'short'):
        if which + '_factor' in config['rope_parameters']:
            yield f'rope_factors_{which}.weight', np.array(config['rope_parameters'][which + '_factor'], np.float32)


def string(s):
    return struct.pack('<Q', len(s.encode())) + s.encode()


def entry(key, v):
    if isinstance(v, bool):
        return string(key) + struct.pack('<I?', 7, v)
    if isinstance(v, int):
        return string(key) + struct.pack('<II', 4, v)
    if isinstance(v, float):
        return string(key) + struct.pack('<If', 6, v)
    if isinstance(v, str):
        return string(key) + struct.pack('<I', 8) + string(v)
    item_type, items = (8, b''.join(map(string, v))) if isinstance(v[0], str) else (
        (5, struct.pack(f'<{len(v)}i', *v)) if isinstance(v[0], int) else (6, struct.pack(f'<{len(v)}f', *v)))
    return string(key) + struct.pack('<IIQ', 9, item_type, len(v)) + items


def vocabulary():
    """SentencePiece's kind: special tokens, of which llama.cpp asks phi3 for the last, the bytes, the space, letters."""
    tokens = ['<unk>', '<s>', '</s>'] + [f'<0x{b:02X}>' for b in range(256)] + ['\u2581']
    tokens += [chr(ord('a') + i) for i in range(26)]
    tokens += ['[PAD]', '<|endoftext|>']
    types = [2, 3, 3] + [6] * 256 + [1] * 27 + [5, 3]
    return {'model': 'llama', 'tokens': tokens, 'scores': [-float(i) for i in range(N_VOCAB)], 'token_type': types,
            'bos_token_id': 1, 'eos_token_id': 2, 'unknown_token_id': 0, 'add_bos_token': True}


def entries_of(name, config, more):
    arch = name.split('-')[0]
    n_head, dims = BASE['num_attention_heads'], config['rope_parameters'].get('partial_rotary_factor', 1.0)
    head_dim = config.get('head_dim', config['hidden_size'] // n_head)
    yield 'general.architecture', arch
    yield 'general.name', 'random ' + name
    for key, v in dict({
            'block_count': config['num_hidden_layers'], 'context_length': BASE['max_position_embeddings'],
            'embedding_length': config['hidden_size'], 'feed_forward_length': config['intermediate_size'],
            'attention.head_count': n_head, 'attention.head_count_kv': BASE['num_key_value_heads'],
            'attention.layer_norm_rms_epsilon': config['rms_norm_eps'], 'rope.dimension_count': int(dims * head_dim),
            'rope.freq_base': float(config['rope_parameters']['rope_theta'])}, **more).items():
        yield f'{arch}.{key}', v
    for key, v in vocabulary().items():
        yield f'tokenizer.ggml.{key}', v


def write_gguf(path, entries, tensors):
    head, data = b'', b''
    for name, x in tensors:
        is_vector = x.ndim == 1
        head += string(name) + struct.pack('<I', x.ndim) + struct.pack(f'<{x.ndim}Q', *reversed(x.shape))
        head += struct.pack('<IQ', 0 if is_vector else 1, len(data))
        data += x.astype('<f4' if is_vector else '<f2').tobytes()
        data += bytes(-len(data) % 32)
    head = b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(entries)) + b''.join(
        entry(k, v) for k, v in entries) + head
    with open(path, 'wb') as f:
        f.write(head + bytes(-len(head) % 32) + data)


def main(folder):
    for seed, (name, (kind, config, more)) in enumerate(MODELS.items()):
        model = make_model(kind, config, seed)
        logits = logits_of(model)
        write_gguf(f'{folder}/{name}-F16.gguf', list(entries_of(name, config, more)),
                   list(tensors_of(model, kind, config)))
        logits.astype('<f4').tofile(f'{folder}/{name}-F16.logits.f32')
        print(f'{name}: logits of deviation {logits.std():.3f}, largest {np.abs(logits).max():.3f}')


main(sys.argv[1])
