/* SPDX-License-Identifier: MIT
 * script_model.h - a model that says what a test wants: which token follows which is written down, and its layers add
 * nothing. After a token of which nothing is written the answer ends.
 *
 * Tokens of the vocabulary are bytes up to 255, then pairs of letters; <|im_end|> is the last.
 */
#ifndef TESTS_SCRIPT_MODEL_H
#define TESTS_SCRIPT_MODEL_H

#include "tests/unit/api/api_fixture.h"

enum { SCRIPT_END = 319 };

static inline void script_put_zeros(gguf_build *b, const model_spec *s, const char *name)
{
    model_tensor list[MODEL_MAX_TENSORS];
    const model_tensor *t = model_find(list, model_list(s, list), name);
    gguf_build_drop_tensor(b, name);
    gguf_build_tensor(b, name, MODEL_F32, 2, t->dims, NULL, (size_t)(t->dims[0] * t->dims[1]) * 4);
}

/* Token ids[i] has a direction of its own, and the output row of ids[i + 1] is that direction. */
static inline void script_put_steps(gguf_build *b, const int32_t *ids)
{
    enum { WIDTH = 64, N_VOCAB = 320, OTHERS = WIDTH - 1 };
    float *embed = calloc((size_t)WIDTH * N_VOCAB, 4), *output = calloc((size_t)WIDTH * N_VOCAB, 4);
    for (int i = 0; i < N_VOCAB; i++) embed[i * WIDTH + OTHERS] = 1;
    output[SCRIPT_END * WIDTH + OTHERS] = 1;
    for (int i = 0; ids[i + 1] >= 0; i++) {
        embed[ids[i] * WIDTH + OTHERS] = 0;
        embed[ids[i] * WIDTH + i] = 1;
        output[ids[i + 1] * WIDTH + i] = 1;
    }
    const uint64_t dims[2] = { WIDTH, N_VOCAB };
    gguf_build_drop_tensor(b, "token_embd.weight");
    gguf_build_drop_tensor(b, "output.weight");
    gguf_build_tensor(b, "token_embd.weight", MODEL_F32, 2, dims, embed, (size_t)WIDTH * N_VOCAB * 4);
    gguf_build_tensor(b, "output.weight", MODEL_F32, 2, dims, output, (size_t)WIDTH * N_VOCAB * 4);
    free(embed);
    free(output);
}

/* A session over a model with the script (each id follows the one before it, the first is the last of a prompt; none
 * but the last stands twice; -1 behind them) and ChatML, or another template. */
static inline void script_session(fixture *f, const int32_t *ids, const char *chat_template, uint32_t n_ctx)
{
    model_spec spec = model_preset(MODEL_QWEN2);
    spec.tied = false;
    spec.n_layer = 1;
    if (chat_template) spec.chat_template = chat_template;
    gguf_build *b = model_build(&spec);
    script_put_zeros(b, &spec, "blk.0.attn_output.weight");
    script_put_zeros(b, &spec, "blk.0.ffn_down.weight");
    script_put_steps(b, ids);
    memset(f, 0, sizeof *f);
    test_heap_init(&f->heap, 0);
    f->err = test_error();
    f->file = gguf_build_finish(b, &f->n_bytes);
    gguf_build_free(&b);
    fixture_runtime(f, NULL);
    assert_ok(einf_model_open_memory(f->rt, f->file, f->n_bytes, NULL, &f->m, &f->err), &f->err);
    einf_session_config c = EINF_INIT(einf_session_config);
    c.n_ctx = n_ctx;
    c.n_batch = 4; /* so that a prompt is several batches */
    assert_ok(einf_session_create(f->m, &c, &f->s, &f->err), &f->err);
}

/* The script of a text, said behind a line end, byte by byte: no byte twice, and none a line end. ids: [strlen + 3]. */
static inline const int32_t *script_of(const char *text, int32_t *ids)
{
    size_t n = 0;
    ids[n++] = '\n';
    for (; *text; text++) ids[n++] = (uint8_t)*text;
    ids[n++] = SCRIPT_END;
    ids[n] = -1;
    return ids;
}

/* What a generation was told, call by call: the text of each, '|' behind it, and '$' behind one with id -1. */
typedef struct hearing {
    char calls[1024], text[1024];
    int n_calls, stop_at; /* this call asks to stop; 0: none */
    int cancel_phase, cancel_at, n_progress[3];
    einf_cancel *set;     /* set at call stop_at instead */
} hearing;

static inline int32_t hear(void *user, const char *utf8, uint64_t n_bytes, int32_t id)
{
    hearing *h = user;
    (void)strncat(h->calls, utf8, (size_t)n_bytes);
    (void)strncat(h->text, utf8, (size_t)n_bytes);
    (void)strcat(h->calls, id < 0 ? "$" : "|");
    const bool now = ++h->n_calls == h->stop_at;
    if (now && h->set) einf_cancel_set(h->set);
    return now && !h->set;
}

static inline int32_t hear_progress(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    hearing *h = user;
    (void)done, (void)total;
    return ++h->n_progress[phase] == h->cancel_at && phase == h->cancel_phase;
}

static inline einf_generate_config hearing_config(hearing *h)
{
    einf_generate_config c = EINF_INIT(einf_generate_config);
    c.on_text = hear;
    c.progress = hear_progress;
    c.on_text_user = c.progress_user = h;
    return c;
}

#endif
