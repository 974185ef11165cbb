/* SPDX-License-Identifier: MIT
 * pretokenizer.c - running the patterns: PCRE2 with JIT, compiled once, matched from any number of threads.
 *
 * PCRE2 gets its memory from einf__memory through the allocator below, which keeps each block's size in front of it.
 * Where the system forbids executable memory the interpreter takes over; it keeps its frames on the heap. A text
 * needs only a few words of stack in either, whatever it is: the patterns see to that.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/text/pretokenizer.h"

#include <pcre2.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

struct einf__pretokenizer {
    einf__memory *mem;
    _Atomic uint64_t used_bytes; /* through the allocator below */
    pcre2_general_context *general;
    pcre2_match_context *limits;
    atomic_bool refused;         /* the allocator once said no */
    uint32_t n_codes;
    bool jit;
    pcre2_code *codes[EINF__PRE_MAX_PATTERNS];
};

#define MATCH_LIMIT 100000000u  /* steps of the interpreter in one match */
#define HEAP_LIMIT_KIB (64u * 1024u)

/* ------------------------------------------------------------------------------------------------- memory -- */

enum { HEADER_BYTES = 64 }; /* keeps the alignment of einf__alloc */

static void *pcre_alloc(size_t size_bytes, void *user)
{
    einf__pretokenizer *p = user;
    const size_t total_bytes = size_bytes + HEADER_BYTES;
    char *block = total_bytes > size_bytes ? einf__alloc(p->mem, total_bytes) : NULL;
    if (!block) {
        atomic_store(&p->refused, true);
        return NULL;
    }
    memcpy(block, &total_bytes, sizeof total_bytes);
    atomic_fetch_add(&p->used_bytes, total_bytes);
    return block + HEADER_BYTES;
}

static void pcre_free(void *data, void *user)
{
    einf__pretokenizer *p = user;
    size_t total_bytes;
    if (!data) return;
    char *block = (char *)data - HEADER_BYTES;
    memcpy(&total_bytes, block, sizeof total_bytes);
    atomic_fetch_sub(&p->used_bytes, total_bytes);
    einf__free(p->mem, block, total_bytes);
}

/* PCRE2 does not tell how much it wanted. */
static einf_status fail_memory(einf_error *err)
{
    return einf__fail(err, EINF_E_NOMEM, EINF_NO_OFFSET, "tokenizer.ggml.pre", "free memory, or raise the limit",
                      "no memory for the patterns of the pre-tokenizer");
}

/* ------------------------------------------------------------------------------------------------ compile -- */

static einf_status compile(einf__pretokenizer *p, const char *pattern, pcre2_code **code, einf_error *err)
{
    int number = 0;
    size_t at = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(p->general);
    if (!context) return fail_memory(err);
    const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK | PCRE2_NO_AUTO_CAPTURE | PCRE2_DOLLAR_ENDONLY;
    *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &number, &at, context);
    pcre2_compile_context_free(context);
    if (!*code && number == PCRE2_ERROR_HEAP_FAILED) return fail_memory(err);
    if (!*code)
        return einf__fail(err, EINF_E_INTERNAL, EINF_NO_OFFSET, "tokenizer.ggml.pre", "PCRE2 needs Unicode support",
                          "PCRE2 refuses a pattern with error %d at %llu", number, (unsigned long long)at);
    /* Fails where PCRE2 has no JIT and where executable memory is forbidden: then the interpreter does the work. */
    if (pcre2_jit_compile(*code, PCRE2_JIT_COMPLETE) != 0) p->jit = false;
    return atomic_load(&p->refused) ? fail_memory(err) : EINF_OK;
}

static einf_status compile_all(einf__pretokenizer *p, const einf__pre_rule *rule, einf_error *err)
{
    uint32_t n;
    const char *const *patterns = einf__pre_rule_patterns(rule, &n);
    p->general = pcre2_general_context_create(pcre_alloc, pcre_free, p);
    p->limits = p->general ? pcre2_match_context_create(p->general) : NULL;
    if (!p->limits) return fail_memory(err);
    (void)pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    (void)pcre2_set_heap_limit(p->limits, HEAP_LIMIT_KIB);
    p->jit = true;
    for (uint32_t i = 0; i < n; i++) {
        p->n_codes = i + 1; /* destroy frees it when only its JIT failed */
        EINF_TRY(compile(p, patterns[i], &p->codes[i], err));
    }
    return EINF_OK;
}

einf_status einf__pretokenizer_create(einf__memory *mem, const einf__pre_rule *rule, einf__pretokenizer **out,
                                      einf_error *err)
{
    void *block;
    *out = NULL;
    EINF_TRY(einf__alloc_or_fail(mem, sizeof(einf__pretokenizer), "the pre-tokenizer", &block, err));
    einf__pretokenizer *p = block;
    memset(p, 0, sizeof *p);
    p->mem = mem;
    atomic_init(&p->used_bytes, sizeof *p);
    atomic_init(&p->refused, false);
    const einf_status status = compile_all(p, rule, err);
    if (status == EINF_OK) *out = p;
    else einf__pretokenizer_destroy(&p);
    return status;
}

void einf__pretokenizer_destroy(einf__pretokenizer **p)
{
    if (!p || !*p) return;
    for (uint32_t i = 0; i < (*p)->n_codes; i++) pcre2_code_free((*p)->codes[i]);
    pcre2_match_context_free((*p)->limits);
    pcre2_general_context_free((*p)->general);
    einf__free((*p)->mem, *p, sizeof **p);
    *p = NULL;
}

uint64_t einf__pretokenizer_bytes(const einf__pretokenizer *p) { return atomic_load(&p->used_bytes); }

/* -------------------------------------------------------------------------------------------------- match -- */

typedef struct run {
    const einf__pretokenizer *p;
    const char *text;
    pcre2_match_data *match;
    einf__word_fn fn;
    void *arg;
    einf_error *err;
} run;

static int match_once(const run *r, uint32_t i_code, uint32_t begin, uint32_t end, uint32_t at)
{
    const PCRE2_SPTR subject = (PCRE2_SPTR)(r->text + begin);
    const pcre2_code *code = r->p->codes[i_code];
    if (r->p->jit) {
        const int found = pcre2_jit_match(code, subject, end - begin, at - begin, 0, r->match, r->p->limits);
        if (found != PCRE2_ERROR_JIT_STACKLIMIT) return found;
    }
    return pcre2_match(code, subject, end - begin, at - begin, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, r->match,
                       r->p->limits);
}

/* Cut [begin, end) by pattern i_code, each piece by the next one, at most EINF__PRE_MAX_PATTERNS deep. What lies
 * between two matches is a piece, too. A piece is a subject of its own: patterns do not see beyond its ends. */
static einf_status cut(const run *r, uint32_t i_code, uint32_t begin, uint32_t end)
{
    if (i_code == r->p->n_codes) return r->fn(r->arg, begin, end) ? EINF_OK : EINF_E_NOMEM;
    for (uint32_t at = begin; at < end;) {
        const int found = match_once(r, i_code, begin, end, at);
        if (found == PCRE2_ERROR_NOMEMORY) return fail_memory(r->err);
        if (found < 0 && found != PCRE2_ERROR_NOMATCH)
            return einf__fail(r->err, EINF_E_INTERNAL, EINF_NO_OFFSET, "tokenizer.ggml.pre", NULL,
                              "PCRE2 fails with error %d at byte %u of a text", found, at);
        const size_t *span = pcre2_get_ovector_pointer(r->match);
        const uint32_t from = found < 0 ? end : begin + (uint32_t)span[0];
        const uint32_t to = found < 0 ? end : begin + (uint32_t)span[1];
        if (from > at) EINF_TRY(cut(r, i_code + 1, at, from));
        if (to > from) EINF_TRY(cut(r, i_code + 1, from, to));
        at = to;
    }
    return EINF_OK;
}

einf_status einf__pretokenize(const einf__pretokenizer *p, const char *text, uint32_t n_bytes, einf__word_fn fn,
                              void *arg, einf_error *err)
{
    run r = { p, text, pcre2_match_data_create(1, p->general), fn, arg, err };
    if (!r.match) return fail_memory(err);
    const einf_status status = cut(&r, 0, 0, n_bytes);
    pcre2_match_data_free(r.match);
    return status;
}
