/* SPDX-License-Identifier: MIT
 * test_api_generate.c - a prompt in, an answer out: why it stopped, what it says it did, whole characters however the
 * tokens cut them, and the prefix of the session that is not computed twice.
 */
#include <edgeinfer/lowlevel.h>

#include "tests/unit/api/api_fixture.h"

enum { MAX_IDS = 256 };

/* What on_text and progress were told. */
typedef struct listener {
    char text[4096];
    size_t n_text;
    int32_t ids[MAX_IDS];
    uint64_t piece_bytes[MAX_IDS];
    int n, stop_at;               /* stop_at: this call of on_text asks to stop, 0: none */
    int n_flushes;                /* calls with id -1 */
    int cancel_phase, cancel_at;  /* this call of progress of that phase asks to cancel */
    int n_progress[3];
    einf_cancel *set;             /* or sets this flag instead */
} listener;

/* The length of a valid UTF-8 character at p, 0 when there is none: RFC 3629. */
static size_t character(const uint8_t *p, size_t n)
{
    if (p[0] < 0x80) return 1;
    const size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
    if (p[0] == 0xed && p[1] > 0x9f) return 0;
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
    return length;
}

/* Bytes at p, where no character begins, that stand for one U+FFFD: the longest beginning of a character, or one byte
 * (Unicode 15, 3.9, "maximal subparts"). */
static size_t broken(const uint8_t *p, size_t n)
{
    static const uint8_t ends[][4] = { { 0x80, 0x80, 0x80 }, { 0x90, 0x80, 0x80 }, { 0xa0, 0x80 }, { 0xbf, 0xbf } };
    for (size_t length = n < 3 ? n : 3; length > 1; length--) {
        for (size_t i = 0; i < TEST_COUNT(ends); i++) { /* a beginning is what some ending makes whole */
            uint8_t whole[8] = { 0 };
            memcpy(whole, p, length);
            memcpy(whole + length, ends[i], 4);
            if (character(whole, 4) > length) return length;
        }
    }
    return 1;
}

static int32_t on_text(void *user, const char *utf8, uint64_t n_bytes, int32_t id)
{
    listener *l = user;
    for (size_t i = 0; i < n_bytes;) { /* whole characters alone */
        const size_t step = character((const uint8_t *)utf8 + i, (size_t)n_bytes - i);
        assert_true(step > 0);
        i += step;
    }
    assert_true(l->n_text + n_bytes < sizeof l->text && l->n < MAX_IDS);
    assert_int_equal(l->n_flushes, 0); /* nothing comes after the rest */
    memcpy(l->text + l->n_text, utf8, n_bytes);
    l->n_text += n_bytes;
    l->text[l->n_text] = '\0';
    if (id == -1) {
        assert_true(n_bytes > 0);
        l->n_flushes++;
        return 0;
    }
    l->piece_bytes[l->n] = n_bytes;
    l->ids[l->n++] = id;
    if (l->set && l->n == l->stop_at) einf_cancel_set(l->set);
    return !l->set && l->n == l->stop_at;
}

static int32_t on_progress(void *user, int32_t phase, uint64_t done, uint64_t total)
{
    listener *l = user;
    assert_in_range(phase, EINF_PHASE_PREFILL, EINF_PHASE_DECODE);
    if (phase == EINF_PHASE_PREFILL) assert_true(done <= total);
    l->n_progress[phase]++;
    return phase == l->cancel_phase && l->n_progress[phase] == l->cancel_at;
}

static einf_generate_config config_of(listener *l, uint32_t max_tokens)
{
    einf_generate_config c = EINF_INIT(einf_generate_config);
    c.max_tokens = max_tokens;
    c.ignore_eos = 1;
    c.on_text = on_text;
    c.progress = on_progress;
    c.on_text_user = c.progress_user = l;
    return c;
}

static einf_result generate(fixture *f, const char *prompt, const einf_generate_config *c)
{
    einf_result r = EINF_INIT(einf_result);
    f->err = test_error();
    assert_ok(einf_generate(f->s, prompt, strlen(prompt), c, &r, &f->err), &f->err);
    return r;
}

/* Reference kernels and forced rows, so that equal means equal, however a prompt is cut. */
static void plain_session(fixture *f, const model_spec *spec, uint32_t n_ctx, uint32_t n_batch)
{
    einf_runtime_config rc = EINF_INIT(einf_runtime_config);
    rc.n_threads = 2;
    rc.cpu_forbid = ~0u;
    fixture_open(f, spec, &rc);
    einf_session_config c = EINF_INIT(einf_session_config);
    c.n_ctx = n_ctx;
    c.n_batch = n_batch;
    c.force_path = 1;
    assert_ok(einf_session_create(f->m, &c, &f->s, &f->err), &f->err);
}

/* A model whose logits are all zero: greedy gives id 0, temperature anything. spec: untied. */
static void indifferent_session(fixture *f, model_vocab vocab, int32_t eos, uint32_t n_ctx)
{
    model_spec spec = model_preset(MODEL_LLAMA);
    spec.vocab = vocab;
    gguf_build *b = model_build(&spec);
    gguf_build_drop_tensor(b, "output.weight");
    gguf_build_tensor(b, "output.weight", 0, 2, (uint64_t[]){ 64, 320 }, NULL, 64 * 320 * 4);
    if (eos >= 0) {
        gguf_build_drop_kv(b, "tokenizer.ggml.eos_token_id");
        gguf_build_u32(b, "tokenizer.ggml.eos_token_id", (uint32_t)eos);
    }
    memset(f, 0, sizeof *f);
    test_heap_init(&f->heap, 0);
    f->err = test_error();
    f->file = gguf_build_finish(b, &f->n_bytes);
    gguf_build_free(&b);
    fixture_runtime(f, NULL);
    assert_ok(einf_model_open_memory(f->rt, f->file, f->n_bytes, NULL, &f->m, &f->err), &f->err);
    einf_session_config c = EINF_INIT(einf_session_config);
    c.n_ctx = n_ctx;
    assert_ok(einf_session_create(f->m, &c, &f->s, &f->err), &f->err);
}

/* ---------------------------------------------------------------------------------------------- the result -- */

static void test_result(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_N_FAMILIES; i++) {
        const model_spec spec = model_preset((model_family)i);
        fixture f;
        plain_session(&f, &spec, 0, 0);
        listener l = { .n = 0 };
        einf_generate_config c = config_of(&l, 7);
        c.raw = 1;
        uint64_t n_prompt;
        assert_int_equal(einf_tokenize(f.m, "the tea", 7, EINF_TOK_BOS | EINF_TOK_SPECIAL, NULL, 0, &n_prompt, NULL),
                         EINF_E_LIMIT);
        const einf_result r = generate(&f, "the tea", &c);
        assert_int_equal(r.struct_size, sizeof r);
        assert_int_equal(r.stop_reason, EINF_STOP_LENGTH);
        assert_int_equal(r.n_prompt, n_prompt);
        assert_int_equal(r.n_cached, 0);
        assert_int_equal(r.n_generated, 7);
        assert_int_equal(l.n, 7);
        assert_int_equal(einf_session_n_past(f.s), n_prompt + 6); /* the last was not appended */
        assert_int_equal(l.n_progress[EINF_PHASE_PREFILL], 1);
        assert_int_equal(l.n_progress[EINF_PHASE_DECODE], 6);
        assert_int_equal(r.session_bytes, einf_session_bytes(f.s));
        assert_true(r.prefill_s > 0 && r.decode_s > 0 && r.tokenize_s >= 0);
        assert_int_equal(r.has_cpu, 1);
        assert_true(r.cpu_core_s > 0);
        assert_int_equal(r.has_rss, 1);
        assert_true(r.rss_peak_bytes > r.session_bytes);
        assert_int_equal(r.has_energy, 0);

        /* the same ids by hand, token by token */
        assert_ok(einf_session_rewind(f.s, 0, &f.err), &f.err);
        assert_ok(einf_session_set_sampling(f.s, NULL, &f.err), &f.err);
        int32_t ids[32], id;
        assert_ok(einf_tokenize(f.m, "the tea", 7, EINF_TOK_BOS | EINF_TOK_SPECIAL, ids, 32, &n_prompt, &f.err),
                  &f.err);
        for (uint64_t j = 0; j < n_prompt; j++)
            assert_ok(einf_session_append_tokens(f.s, &ids[j], 1, &f.err), &f.err);
        for (int j = 0; j < 7; j++) {
            assert_ok(einf_session_sample(f.s, &id, &f.err), &f.err);
            assert_int_equal(id, l.ids[j]);
            assert_ok(einf_session_append_tokens(f.s, &id, 1, &f.err), &f.err);
        }
        fixture_close(&f);
    }
}

/* Nobody has to configure or listen. */
static void test_defaults(void **state)
{
    (void)state;
    fixture f;
    fixture_session(&f, MODEL_QWEN2, 40);
    assert_ok(einf_generate(f.s, "the", 3, NULL, NULL, &f.err), &f.err);
    einf_result r = EINF_INIT(einf_result);
    assert_ok(einf_generate(f.s, "tea", 3, NULL, &r, &f.err), &f.err);
    assert_true(r.stop_reason == EINF_STOP_EOS || r.stop_reason == EINF_STOP_CONTEXT);
    fixture_close(&f);
}

/* ------------------------------------------------------------------------------------------ why it stopped -- */

static void test_stop_at_eos(void **state)
{
    (void)state;
    fixture f;
    indifferent_session(&f, MODEL_SPM, 0, 0); /* greedy takes id 0, which is the end */
    listener l = { .n = 0 };
    einf_generate_config c = config_of(&l, 10);
    c.ignore_eos = 0;
    einf_result r = generate(&f, "the", &c);
    assert_int_equal(r.stop_reason, EINF_STOP_EOS);
    assert_int_equal(r.n_generated, 1); /* the end is a token, too, */
    assert_int_equal(l.n, 1);
    assert_int_equal(l.ids[0], 0);
    assert_int_equal(l.n_text, 0); /* without text */
    assert_int_equal(einf_session_n_past(f.s), r.n_prompt);
    c.ignore_eos = 1;
    l = (listener){ .n = 0 };
    r = generate(&f, "the", &c);
    assert_int_equal(r.stop_reason, EINF_STOP_LENGTH);
    assert_int_equal(r.n_generated, 10);
    fixture_close(&f);
}

static void test_stop_at_context(void **state)
{
    (void)state;
    const model_spec spec = model_preset(MODEL_LLAMA);
    fixture f;
    plain_session(&f, &spec, 20, 0);
    listener l = { .n = 0 };
    einf_generate_config c = config_of(&l, 0);
    const einf_result r = generate(&f, "the", &c);
    assert_int_equal(r.stop_reason, EINF_STOP_CONTEXT);
    assert_int_equal(einf_session_n_past(f.s), 20);
    assert_int_equal(r.n_generated, 20 - r.n_prompt + 1); /* the last one needs no room */

    /* a prompt that fills the context exactly, and one that is too long by one */
    char prompt[64];
    uint64_t n = 0;
    size_t length = 0;
    while (n < 20) {
        prompt[length++] = 'q';
        prompt[length] = '\0';
        const einf_status status = einf_tokenize(f.m, prompt, length, EINF_TOK_BOS, NULL, 0, &n, NULL);
        assert_int_equal(status, EINF_E_LIMIT);
    }
    assert_int_equal(n, 20);
    l = (listener){ .n = 0 };
    einf_result full = generate(&f, prompt, &c);
    assert_int_equal(full.n_prompt, 20);
    assert_int_equal(full.n_generated, 1);
    assert_int_equal(full.stop_reason, EINF_STOP_CONTEXT);
    const uint32_t n_past = einf_session_n_past(f.s);
    (void)strcat(prompt, "q");
    l = (listener){ .n = 0 };
    f.err = test_error();
    assert_status(einf_generate(f.s, prompt, strlen(prompt), &c, &full, &f.err), &f.err, EINF_E_CTX_FULL);
    assert_string_equal(f.err.where, "n_ctx");
    assert_error_says(&f.err, "21 tokens");
    assert_error_says(&f.err, "20");
    assert_int_equal(full.n_prompt, 21);
    assert_int_equal(full.n_generated, 0);
    assert_int_equal(full.stop_reason, EINF_STOP_NONE);
    assert_int_equal(l.n, 0);
    assert_int_equal(einf_session_n_past(f.s), n_past); /* and nothing was cut or forgotten */
    fixture_close(&f);
}

static void test_stop_by_callback(void **state)
{
    (void)state;
    const model_spec spec = model_preset(MODEL_QWEN2);
    fixture f;
    plain_session(&f, &spec, 0, 0);
    for (int at = 1; at < 6; at++) {
        listener l = { .stop_at = at };
        einf_generate_config c = config_of(&l, 20);
        const einf_result r = generate(&f, "the", &c);
        assert_int_equal(r.stop_reason, EINF_STOP_CALLBACK);
        assert_int_equal(r.n_generated, at);
        assert_int_equal(l.n, at);
        assert_int_equal(l.n_flushes, 0); /* who asked to stop hears no more */
    }
    fixture_close(&f);
}

static void expect_cancelled(fixture *f, const einf_generate_config *c, uint32_t n_generated)
{
    einf_result r = EINF_INIT(einf_result);
    f->err = test_error();
    assert_status(einf_generate(f->s, "the tea is here", 15, c, &r, &f->err), &f->err, EINF_E_CANCELLED);
    assert_int_equal(r.stop_reason, EINF_STOP_CANCELLED);
    assert_int_equal(r.n_generated, n_generated);
    assert_true(r.n_prompt > 4 && r.has_cpu && r.session_bytes > 0); /* filled all the same */
}

static void test_cancel(void **state)
{
    (void)state;
    const model_spec spec = model_preset(MODEL_GEMMA3);
    fixture f;
    plain_session(&f, &spec, 0, 3); /* so that a prompt is several batches */
    einf_cancel *cancel = NULL;
    assert_ok(einf_cancel_create(&cancel, &f.err), &f.err);
    listener l = { .n = 0 };
    einf_generate_config c = config_of(&l, 12);
    (void)generate(&f, "the tea is here", &c);
    const listener want = l;

    for (int round = 0; round < 2; round++) { /* from an empty timeline, and from one that shares the prompt */
        if (round == 0) assert_ok(einf_session_rewind(f.s, 0, &f.err), &f.err);
        l = (listener){ .n = 0 };
        c.cancel = cancel;
        einf_cancel_set(cancel);
        expect_cancelled(&f, &c, 0);
        einf_cancel_clear(cancel);
        l = (listener){ .set = cancel, .stop_at = 4 }; /* the flag, while the fourth token is given away */
        expect_cancelled(&f, &c, 4);
        einf_cancel_clear(cancel);
        c.cancel = NULL;
        l = (listener){ .cancel_phase = EINF_PHASE_DECODE, .cancel_at = 3 };
        expect_cancelled(&f, &c, 3);
        assert_ok(einf_session_rewind(f.s, 0, &f.err), &f.err);
        l = (listener){ .cancel_phase = EINF_PHASE_PREFILL, .cancel_at = 1 };
        expect_cancelled(&f, &c, 0);
        assert_int_equal(einf_session_n_past(f.s), 0);
        l = (listener){ .n = 0 }; /* usable, and with the same answer */
        (void)generate(&f, "the tea is here", &c);
        assert_int_equal(l.n, want.n);
        assert_memory_equal(l.ids, want.ids, (size_t)want.n * sizeof *want.ids);
        assert_string_equal(l.text, want.text);
    }
    einf_cancel_destroy(&cancel);
    fixture_close(&f);
}

/* -------------------------------------------------------------------------------------------------- prefix -- */

static uint64_t ids_of(const fixture *f, const char *text, int32_t ids[MAX_IDS])
{
    uint64_t n;
    einf_error err = test_error();
    assert_ok(einf_tokenize(f->m, text, strlen(text), EINF_TOK_BOS | EINF_TOK_SPECIAL, ids, MAX_IDS, &n, &err), &err);
    return n;
}

static void test_prefix_reuse(void **state)
{
    static const char *const prompts[] = { "the tea is here", "the tea is here", "the tea is there and here",
                                           "the tea", "a tea", "a tea and a t", "" };
    (void)state;
    for (int i = 0; i < 2; i++) {
        const model_spec spec = model_preset(i ? MODEL_LLAMA : MODEL_GEMMA3);
        fixture f;
        plain_session(&f, &spec, 0, 4);
        int32_t timeline[MAX_IDS];
        uint64_t n_timeline = 0;
        for (size_t j = 0; j < TEST_COUNT(prompts); j++) {
            int32_t ids[MAX_IDS];
            const uint64_t n = ids_of(&f, prompts[j], ids);
            uint64_t n_same = 0;
            while (n_same + 1 < n && n_same < n_timeline && ids[n_same] == timeline[n_same]) n_same++;
            listener l = { .n = 0 }, fresh = { .n = 0 };
            einf_generate_config c = config_of(&l, 8);
            c.raw = 1;
            const einf_result r = generate(&f, prompts[j], &c);
            assert_int_equal(r.n_prompt, n);
            assert_int_equal(r.n_cached, n_same);
            memcpy(timeline, ids, n * sizeof *ids);
            memcpy(timeline + n, l.ids, 7 * sizeof *ids); /* the eighth was not appended */
            n_timeline = n + 7;
            assert_int_equal(einf_session_n_past(f.s), n_timeline);

            fixture g; /* and a session that knew nothing says the same */
            plain_session(&g, &spec, 0, 0);
            c.on_text_user = c.progress_user = &fresh;
            assert_int_equal(generate(&g, prompts[j], &c).n_cached, 0);
            assert_memory_equal(fresh.ids, l.ids, 8 * sizeof *l.ids);
            assert_string_equal(fresh.text, l.text);
            fixture_close(&g);
        }
        fixture_close(&f);
    }
}

/* ---------------------------------------------------------------------------------------------- characters -- */

/* Random bytes, as byte tokens: on_text sees whole characters alone (it asserts so), none is lost, and what can belong
 * to no character comes as U+FFFD. */
static void test_whole_characters(void **state)
{
    static const model_vocab vocabs[] = { MODEL_SPM, MODEL_BPE };
    (void)state;
    int n_held = 0, n_flushed = 0, n_long = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        fixture f;
        indifferent_session(&f, vocabs[seed % 2], -1, 0);
        listener l = { .n = 0 };
        einf_generate_config c = config_of(&l, 100);
        c.sampling.temperature = 1;
        c.sampling.seed = seed;
        c.raw = 1;
        const einf_result r = generate(&f, "a", &c);
        assert_int_equal(r.n_generated, 100);
        assert_int_equal(l.n, 100);
        for (int i = 0; i < l.n; i++) {
            n_held += l.piece_bytes[i] == 0;
            n_long += l.piece_bytes[i] > 1;
        }
        n_flushed += l.n_flushes;

        /* the bytes of the ids, as they follow the prompt, repaired, are the text */
        int32_t ids[MAX_IDS];
        char raw[1024];
        uint64_t n_before, n_raw;
        assert_ok(einf_tokenize(f.m, "a", 1, 0, ids, 8, &n_before, &f.err), &f.err);
        memcpy(ids + n_before, l.ids, (size_t)l.n * sizeof *ids);
        assert_ok(einf_detokenize(f.m, ids, n_before + (uint64_t)l.n, 0, raw, sizeof raw, &n_raw, &f.err), &f.err);
        assert_int_equal(raw[0], 'a');
        const char *text = l.text;
        for (size_t i = 1; i < n_raw;) {
            const uint8_t *p = (const uint8_t *)raw + i;
            const size_t step = character(p, (size_t)n_raw - i);
            const size_t n_text = step ? step : 3;
            assert_memory_equal(text, step ? raw + i : "\xef\xbf\xbd", n_text);
            text += n_text;
            i += step ? step : broken(p, (size_t)n_raw - i);
        }
        assert_string_equal(text, "");
        fixture_close(&f);
    }
    assert_true(n_held > 50 && n_flushed > 5 && n_long > 5);
}

/* ------------------------------------------------------------------------------------------------ prompts -- */

static void test_prompts(void **state)
{
    (void)state;
    fixture f;
    listener l = { .n = 0 };
    einf_generate_config c = config_of(&l, 1);
    einf_result r = EINF_INIT(einf_result);
    fixture_session(&f, MODEL_QWEN2, 0);
    c.raw = 1; /* no BOS in this family: nothing to begin with */
    assert_status(einf_generate(f.s, NULL, 0, &c, &r, &f.err), &f.err, EINF_E_ARG);
    assert_string_equal(f.err.where, "prompt");
    assert_error_says(&f.err, "empty");
    c.raw = 0; /* as a message it has its layout around it */
    f.err = test_error();
    assert_ok(einf_generate(f.s, "", 0, &c, &r, &f.err), &f.err);
    assert_true(r.n_prompt > 4);
    const uint32_t n_alone = r.n_prompt;
    c.system = "be brief";
    assert_ok(einf_generate(f.s, "", 0, &c, &r, &f.err), &f.err);
    assert_true(r.n_prompt > n_alone + 4);
    c.system = NULL;
    assert_status(einf_generate(f.s, "a\0b", 3, &c, &r, &f.err), &f.err, EINF_E_ARG);
    assert_error_says(&f.err, "NUL");
    c.raw = 1;
    f.err = test_error();
    assert_ok(einf_generate(f.s, "a\0b", 3, &c, &r, &f.err), &f.err);
    assert_int_equal(r.n_prompt, 3);

    /* special tokens: read in raw prompts, never in a user's message */
    assert_ok(einf_generate(f.s, "<|im_end|>", 10, &c, &r, &f.err), &f.err);
    assert_int_equal(r.n_prompt, 1);
    c.raw = 0;
    assert_ok(einf_generate(f.s, "<|im_end|>", 10, &c, &r, &f.err), &f.err);
    assert_true(r.n_prompt > n_alone + 5);
    fixture_close(&f);

    fixture_session(&f, MODEL_LLAMA, 0);
    c.raw = 1; /* BOS alone */
    assert_ok(einf_generate(f.s, NULL, 0, &c, &r, &f.err), &f.err);
    assert_int_equal(r.n_prompt, 1);
    c.raw = 0; /* no template: plain text */
    assert_ok(einf_generate(f.s, "tea", 3, &c, &r, &f.err), &f.err);
    uint64_t n;
    assert_int_equal(einf_tokenize(f.m, "tea", 3, EINF_TOK_BOS, NULL, 0, &n, NULL), EINF_E_LIMIT);
    assert_int_equal(r.n_prompt, n);
    einf_message message = EINF_INIT(einf_message);
    message.role = "user";
    message.content = "tea";
    assert_status(einf_chat_tokenize(f.m, &message, 1, NULL, NULL, 0, &n, &f.err), &f.err, EINF_E_TEMPLATE);
    assert_error_says(&f.err, "no chat template");
    fixture_close(&f);
}

/* The file's own template lays a message out, whatever it is; one that refuses is told with its own words. */
static void test_own_template(void **state)
{
    (void)state;
    model_spec spec = model_preset(MODEL_QWEN2);
    spec.chat_template = "{% for m in messages %}<<{{ m.role }}>>{{ m.content }}{% endfor %}"
                         "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}";
    fixture f;
    plain_session(&f, &spec, 0, 0);
    listener l = { .n = 0 };
    einf_generate_config c = config_of(&l, 2);
    int32_t ids[MAX_IDS];
    assert_int_equal(generate(&f, "tea", &c).n_prompt, ids_of(&f, "<<user>>tea", ids));
    c.system = "be brief";
    einf_result r = EINF_INIT(einf_result);
    const uint32_t n_past = einf_session_n_past(f.s);
    assert_status(einf_generate(f.s, "tea", 3, &c, &r, &f.err), &f.err, EINF_E_TEMPLATE);
    assert_error_says(&f.err, "no system here");
    assert_int_equal(einf_session_n_past(f.s), n_past);
    fixture_close(&f);
}

static void test_seeds(void **state)
{
    (void)state;
    const model_spec spec = model_preset(MODEL_QWEN2);
    fixture f;
    plain_session(&f, &spec, 0, 0);
    listener l[3] = { { .n = 0 } };
    for (int i = 0; i < 3; i++) {
        einf_generate_config c = config_of(&l[i], 30);
        c.sampling.temperature = 1.5f;
        c.sampling.seed = i < 2 ? 11 : 12;
        (void)generate(&f, "tea", &c);
    }
    assert_memory_equal(l[0].ids, l[1].ids, 30 * sizeof *l[0].ids);
    assert_memory_not_equal(l[0].ids, l[2].ids, 30 * sizeof *l[0].ids);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_stop_at_eos),
        cmocka_unit_test(test_stop_at_context),
        cmocka_unit_test(test_stop_by_callback),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_prefix_reuse),
        cmocka_unit_test(test_whole_characters),
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_own_template),
        cmocka_unit_test(test_seeds),
    };
    return cmocka_run_group_tests_name("api_generate", tests, NULL, NULL);
}
