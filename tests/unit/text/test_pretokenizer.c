/* SPDX-License-Identifier: MIT
 * test_pretokenizer.c - the words that each name of tokenizer.ggml.pre cuts a text into, and texts made to be slow.
 *
 * The expected words are those whose ids were found equal to llama.cpp's with a real vocabulary, name by name.
 */
#include "tests/unit/text/text_fixture.h"

#include "engine/text/pretokenizer.h"

static const char sample[] =
    "I'm don'T 12345 x+=3.5!!\n\n  \te\xcc\x81t\xc3\xa9 aBc \xe4\xb8\xad\xe3\x80\x81\xea\xb0\x80 \xd9\xa3$`(a)"
    "\xe2\x80\xa6/\r\n  ";

/* Names with the same patterns, separated by blanks; the words, separated by broken bars. */
static const struct { const char *names, *words; } cuts[] = {
    { "default",
      "I¦'¦m¦ don¦'¦T¦ ¦123¦45¦ x¦+=¦3¦.¦5¦!!¦\n\n  ¦"
      "\t¦e¦́¦té¦ aBc¦ 中¦、¦가¦ ¦٣¦$¦`¦(¦a¦)…/¦\r\n  " },
    { "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano dbrx smaug-bpe "
      "chatglm-bpe glm4 glm5",
      "I¦'m¦ don¦'T¦ ¦123¦45¦ x¦+=¦3¦.¦5¦!!\n\n¦"
      "  ¦\te¦́té¦ aBc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/\r\n¦  " },
    { "qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2",
      "I¦'m¦ don¦'T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!\n\n¦"
      "  ¦\te¦́té¦ aBc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/\r\n¦  " },
    { "qwen35",
      "I¦'m¦ don¦'T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!\n\n¦"
      "  ¦\tété¦ aBc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/\r\n¦  " },
    { "gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0 mellum modern-bert exaone4 mpt "
      "olmo jais trillion granite-docling jina-v1-en jina-v2-code roberta-bpe",
      "I¦'m¦ don¦'¦T¦ 12345¦ x¦+=¦3¦.¦5¦!!¦\n\n  ¦"
      "\t¦e¦́¦té¦ aBc¦ 中¦、¦가¦ ٣¦$`(¦a¦)…/¦\r\n  " },
    { "starcoder refact command-r smollm codeshell exaone minerva-7b mellum2",
      "I¦'m¦ don¦'¦T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!¦\n\n  ¦"
      "\t¦e¦́¦té¦ aBc¦ 中¦、¦가¦ ¦٣¦$`(¦a¦)…/¦\r\n  " },
    { "falcon",
      "I¦'¦m¦ don¦'¦T¦ ¦123¦45¦ x¦+=¦3¦.¦5¦!!¦\n\n  ¦"
      "\t¦e¦́¦té¦ aBc¦ 中¦、¦가¦ ٣¦$`(¦a¦)…/¦\r\n  " },
    { "jais-2",
      "I¦'m¦ don¦'T¦ ¦123¦45¦ x¦+=¦3¦.¦5¦!!\n\n¦"
      "  ¦\te¦́té¦ aBc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/\r\n¦  " },
    { "deepseek-llm",
      "I¦'¦m¦ don¦'¦T¦ ¦12345¦ x¦+=¦3¦.¦5¦!!¦\n¦\n¦  ¦"
      "\te¦́¦t¦é¦ aBc¦ ¦中¦、¦가¦ ¦٣¦$`(¦a¦)¦…¦/¦\r¦\n¦  " },
    { "deepseek-coder",
      "I¦'¦m¦ don¦'¦T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!¦\n¦\n¦"
      "  ¦\te¦́¦té¦ aBc¦ ¦中¦、¦가¦ ¦٣¦$`¦(¦a¦)¦…¦/¦\r¦\n¦  " },
    { "deepseek-v3 hunyuan-dense joyai-llm hy_v4",
      "I¦'m¦ don¦'T¦ ¦123¦45¦ x¦+=¦3¦.¦5¦!!\n\n¦"
      "  ¦\tété¦ aBc¦ ¦中¦、¦가¦ ¦٣¦$`(¦a¦)…/\r\n¦  " },
    { "spark2_5",
      "I¦'m¦ don¦'T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!¦\n¦\n¦"
      "  ¦\tété¦ aBc¦ ¦中¦、¦가¦ ¦٣¦$`(¦a¦)…/¦\r¦\n¦  " },
    { "youtu",
      "I'm¦ don'T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!\n\n¦"
      "  ¦\tété¦ aBc¦ ¦中¦、¦가¦ ¦٣¦$`(¦a¦)¦…¦/\r\n¦  " },
    { "bloom poro-chat gpt3-finnish",
      "I'm¦ don'T¦ 12345¦ x+=3¦.¦5¦!!\n\n  \t¦"
      "été¦ aBc¦ 中¦、¦가¦ ٣$`¦(¦a¦)…¦/¦\r\n  " },
    { "viking",
      "I'm¦ don'T¦ ¦1¦2¦3¦4¦5¦ x+=¦3¦.¦5¦!!\n\n  \t¦"
      "été¦ aBc¦ 中¦、¦가¦ ¦٣¦$`¦(¦a¦)…¦/¦\r\n  " },
    { "tekken",
      "I¦'m¦ don¦'T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!\n\n¦"
      "  ¦\te¦́té¦ a¦Bc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/\r\n¦  " },
    { "chameleon",
      "I¦'¦m¦ don¦'¦T¦ ¦1¦2¦3¦4¦5¦ x¦+¦=¦3¦.¦5¦!¦!¦\n¦\n¦"
      "  ¦\t¦e¦́¦té¦ aBc¦ 中¦、¦가¦ ¦٣¦$¦`¦(¦a¦)¦…¦/¦\r¦\n¦  " },
    { "gpt-4o llama4 kanana2 talkie minimax-m2",
      "I'm¦ don'T¦ ¦123¦45¦ x¦+=¦3¦.¦5¦!!\n\n¦  ¦"
      "\te¦́té¦ a¦Bc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/\r\n¦  " },
    { "granite-embed-multi-97m",
      "I'm¦ don'T¦ ¦123¦45¦ x¦+=¦3¦.¦5¦!!\n\n¦"
      "  ¦\tété¦ a¦Bc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/\r\n¦  " },
    { "bailingmoe bailingmoe2 llada-moe",
      "I¦'m¦ don¦'T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!\n\n¦"
      "  ¦\te¦́té¦ aBc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/\r\n¦  " },
    { "seed-coder",
      "I¦'m¦ don¦'T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!¦\n\n¦"
      "  ¦\te¦́té¦ aBc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/¦\r\n¦  " },
    { "ufakzeka",
      "I¦'m¦ don¦'T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!\n\n¦"
      "  ¦\te¦́té¦ aBc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/\r\n¦  " },
    { "laguna",
      "I¦'m¦ don¦'T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!¦\n\n¦"
      "  ¦\te¦́té¦ aBc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/\r¦\n¦  " },
    { "exaone-moe",
      "I¦'m¦ don¦'T¦ ¦1¦2¦3¦4¦5¦ x¦+=¦3¦.¦5¦!!\n¦"
      "\n¦  ¦\tété aBc 中¦、가¦ ¦٣¦$`(¦a¦)…/\r¦\n¦  " },
    { "minicpm5",
      "I¦'m¦ don¦'T¦ ¦123¦45¦ x¦+=¦3¦.¦5¦!!\n\n¦"
      "  ¦\te¦́té¦ aBc¦ 中¦、가¦ ¦٣¦$`(¦a¦)…/\r\n¦  " },
};

typedef struct words {
    const char *text;
    char joined[1024];
    size_t n_joined;
    uint32_t n, end;
    bool gapless;
} words;

static bool join(void *arg, uint32_t begin, uint32_t end)
{
    words *w = arg;
    if (w->n > 0) {
        memcpy(w->joined + w->n_joined, "\xc2\xa6", 2);
        w->n_joined += 2;
    }
    memcpy(w->joined + w->n_joined, w->text + begin, end - begin);
    w->n_joined += end - begin;
    w->joined[w->n_joined] = '\0';
    w->n++;
    return true;
}

static einf__pretokenizer *open_rule(einf__memory *mem, const char *name, size_t n)
{
    einf__pretokenizer *p;
    einf_error err = test_error();
    const einf__pre_rule *rule = einf__pre_rule_find(name, n);
    if (!rule) print_error("no rule %.*s\n", (int)n, name);
    assert_non_null(rule);
    assert_ok(einf__pretokenizer_create(mem, rule, &p, &err), &err);
    return p;
}

static void test_words_of_every_name(void **state)
{
    (void)state;
    test_heap heap;
    einf__memory mem;
    uint32_t n_names = 0, n_rules = 0;
    test_heap_init(&heap, 0);
    einf__memory_init(&mem, &heap.allocator, 0);
    for (size_t i = 0; i < TEST_COUNT(cuts); i++) {
        for (const char *name = cuts[i].names; *name;) {
            const size_t n = strcspn(name, " ");
            einf_error err = test_error();
            words w = { .text = sample };
            einf__pretokenizer *p = open_rule(&mem, name, n);
            assert_ok(einf__pretokenize(p, sample, sizeof sample - 1, join, &w, &err), &err);
            if (strcmp(w.joined, cuts[i].words) != 0) print_error("%.*s:\n", (int)n, name);
            assert_string_equal(w.joined, cuts[i].words);
            assert_true(einf__pretokenizer_bytes(p) > 0);
            assert_int_equal(einf__pretokenizer_bytes(p), mem.used_bytes);
            einf__pretokenizer_destroy(&p);
            n_names++;
            name += n + (name[n] == ' ');
        }
    }
    while (einf__pre_rule_at(n_rules)) n_rules++;
    assert_int_equal(n_names, n_rules);
    assert_int_equal(heap.n_live, 0);
}

static bool flags_are(const char *name, uint8_t flags)
{
    const einf__pre_rule *rule = einf__pre_rule_find(name, strlen(name));
    return rule && rule->flags == flags;
}

static void test_flags(void **state)
{
    (void)state;
    assert_true(flags_are("llama-bpe", EINF__PRE_IGNORE_MERGES | EINF__PRE_ADD_BOS));
    assert_true(flags_are("falcon3", EINF__PRE_IGNORE_MERGES | EINF__PRE_ADD_BOS));
    assert_true(flags_are("tekken", EINF__PRE_IGNORE_MERGES | EINF__PRE_ADD_BOS));
    assert_true(flags_are("glm4", EINF__PRE_IGNORE_MERGES));
    assert_true(flags_are("chatglm-bpe", 0));
    assert_true(flags_are("chameleon", EINF__PRE_ADD_BOS));
    assert_true(flags_are("jina-v2-code", EINF__PRE_ADD_SEP));
    assert_true(flags_are("qwen2", 0));
    assert_null(einf__pre_rule_find("qwen", 4));
    assert_null(einf__pre_rule_find("", 0));
}

static bool follow(void *arg, uint32_t begin, uint32_t end)
{
    words *w = arg;
    w->gapless = w->gapless && begin == w->end && end > begin;
    w->end = end;
    w->n++;
    return true;
}

/* n_units times a unit, then a tail. */
static void check_run(const einf__pretokenizer *p, const char *name, const char *unit, size_t n_units, const char *tail)
{
    static char text[1 << 18];
    const size_t n_unit = strlen(unit), n = n_unit * n_units;
    assert_true(n + strlen(tail) <= sizeof text);
    for (size_t j = 0; j < n; j++) text[j] = unit[j % n_unit];
    memcpy(text + n, tail, strlen(tail));
    einf_error err = test_error();
    words w = { .gapless = true };
    const double begin = seconds();
    assert_ok(einf__pretokenize(p, text, (uint32_t)(n + strlen(tail)), follow, &w, &err), &err);
    const double took = seconds() - begin;
    if (took > test_patience_s()) print_error("%s: \"%s\", tail \"%s\": %.1f s\n", name, unit, tail, took);
    assert_true(took <= test_patience_s());
    assert_true(w.gapless);
    assert_int_equal(w.end, n + strlen(tail));
}

/* Every list of patterns, on texts that recursion or backtracking would die of. */
static void test_long_runs(void **state)
{
    (void)state;
    static const char *const units[] = {
        "A", "a", "aA", " ", "\n", "\xcc\x81", "1", "'", "\xc3\xa9", "\xe4\xb8\xad", "a ", "a\xcc\x81 ", "\n ", "!\n",
        "\xc2\xa0",
    };
    static const char *const tails[] = { "", "1", "a", "\n", "!", "\xc3\xa9" };
    test_heap heap;
    einf__memory mem;
    test_heap_init(&heap, 0);
    einf__memory_init(&mem, &heap.allocator, 0);
    for (size_t i = 0; i < TEST_COUNT(cuts); i++) {
        einf__pretokenizer *p = open_rule(&mem, cuts[i].names, strcspn(cuts[i].names, " "));
        for (size_t k = 0; k < TEST_COUNT(units); k++)
            for (size_t j = 0; j < TEST_COUNT(tails); j++)
                check_run(p, cuts[i].names, units[k], (j == 0 ? 260000 : 100000) / strlen(units[k]), tails[j]);
        einf__pretokenizer_destroy(&p);
    }
    assert_int_equal(heap.n_live, 0);
}

static bool stop_at_third(void *arg, uint32_t begin, uint32_t end)
{
    (void)begin;
    (void)end;
    return ++((words *)arg)->n < 3;
}

static void test_stopping(void **state)
{
    (void)state;
    einf__memory mem;
    einf_error err = test_error();
    words w = { .n = 0 };
    einf__memory_init(&mem, NULL, 0);
    einf__pretokenizer *p = open_rule(&mem, "qwen2", 5);
    assert_int_equal(einf__pretokenize(p, sample, sizeof sample - 1, stop_at_third, &w, &err), EINF_E_NOMEM);
    assert_int_equal(w.n, 3);
    einf__pretokenizer_destroy(&p);
    assert_int_equal(mem.used_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_of_every_name),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
