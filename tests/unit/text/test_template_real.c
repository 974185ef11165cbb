/* SPDX-License-Identifier: MIT
 * test_template_real.c - the templates of real models, over conversations of ours, against what jinja2 rendered.
 *
 * The templates are not in the tree: two come with the test data, the others are looked for in the folder that
 * EINF_TEST_TEMPLATES names. They are known by their hash; tests/golden/templates/real.tsv has length and hash of the
 * text that each conversation of conversations.json becomes.
 */
#include "tests/unit/text/template_fixture.h"

#include <cjson/cJSON.h>
#include <dirent.h>

typedef struct goldens {
    char *table;          /* real.tsv */
    cJSON *conversations; /* name: variables */
} goldens;

static uint64_t fnv(const char *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static goldens goldens_open(void)
{
    goldens g;
    char *text = (char *)test_read_file("tests/golden/templates/conversations.json", NULL);
    assert_non_null(text);
    g.conversations = cJSON_Parse(text);
    free(text);
    assert_non_null(g.conversations);
    g.table = (char *)test_read_file("tests/golden/templates/real.tsv", NULL);
    assert_non_null(g.table);
    return g;
}

static void goldens_close(goldens *g)
{
    cJSON_Delete(g->conversations);
    free(g->table);
}

/* Column i of the line at p into out; "" when there is none. */
static void column(const char *p, int i, char *out, size_t out_bytes)
{
    size_t n = 0;
    for (; i > 0 && *p && *p != '\n'; p++) i -= *p == '\t';
    for (; *p && *p != '\n' && *p != '\t' && n + 1 < out_bytes; p++) out[n++] = *p;
    out[n] = '\0';
}

/* A line of the table: "", conversation, bytes or "error", hash or "-", why ours differs. */
static bool check_line(const goldens *g, const char *name, einf__bytes source, const char *line)
{
    char conversation[64], bytes[32], hash[32], why[128], got[64];
    column(line, 1, conversation, sizeof conversation);
    column(line, 2, bytes, sizeof bytes);
    column(line, 3, hash, sizeof hash);
    column(line, 4, why, sizeof why);
    char *vars = cJSON_PrintUnformatted(cJSON_GetObjectItem(g->conversations, conversation));
    assert_non_null(vars);
    outcome o = render_bytes(source, bytes_of(vars));
    snprintf(got, sizeof got, "%zu %016llx", o.n_bytes, (unsigned long long)fnv(o.text, o.n_bytes));
    char expected[64];
    snprintf(expected, sizeof expected, "%s %s", bytes, hash);
    const bool same = o.status == EINF_OK ? strcmp(got, expected) == 0 : strcmp(bytes, "error") == 0;
    /* Python has a limit of its own, and calls it an error. */
    const bool known = o.status == EINF_OK || o.status == EINF_E_TEMPLATE || o.status == EINF_E_LIMIT;
    if (!known || same != (why[0] == '\0'))
        print_error("%s, %s: expected %s, got %s%s\n", name, conversation, expected,
                    o.status == EINF_OK ? got : o.err.message, why[0] ? "; the table expects a difference" : "");
    outcome_free(&o);
    cJSON_free(vars);
    return known && same == (why[0] == '\0');
}

/* Everything the table says of a template; 0 lines when it does not know it. */
static void check_template(const goldens *g, einf__bytes source, unsigned *n_lines, unsigned *n_wrong)
{
    char key[20], name[128];
    snprintf(key, sizeof key, "%016llx\t", (unsigned long long)fnv(source.p, source.n));
    const char *line = strstr(g->table, key);
    if (!line) return;
    column(line, 1, name, sizeof name);
    for (line = strchr(line, '\n'); line && line[1] == '\t'; line = strchr(line + 1, '\n')) {
        ++*n_lines;
        *n_wrong += !check_line(g, name, source, line + 1);
    }
}

/* The member chat_template of a tokenizer's configuration. */
static void check_config(const goldens *g, const char *name)
{
    unsigned n_lines = 0, n_wrong = 0;
    char *text = (char *)test_read_data(name, NULL);
    if (!text) return;
    cJSON *config = cJSON_Parse(text);
    free(text);
    const char *source = cJSON_GetStringValue(cJSON_GetObjectItem(config, "chat_template"));
    assert_non_null(source);
    check_template(g, bytes_of(source), &n_lines, &n_wrong);
    cJSON_Delete(config);
    assert_true(n_lines >= 25);
    assert_int_equal(n_wrong, 0);
}

static void test_configs(void **state)
{
    (void)state;
    goldens g = goldens_open();
    check_config(&g, "tokenizers/configs/qwen2.5-tokenizer_config.json");
    check_config(&g, "tokenizers/configs/qwen3-tokenizer_config.json");
    goldens_close(&g);
}

static void test_folder(void **state)
{
    (void)state;
    const char *folder = getenv("EINF_TEST_TEMPLATES");
    DIR *dir = folder ? opendir(folder) : NULL;
    if (!dir) {
        print_message("SKIP: EINF_TEST_TEMPLATES names no folder of *.jinja, such as llama.cpp's models/templates\n");
        return;
    }
    goldens g = goldens_open();
    unsigned n_templates = 0, n_unknown = 0, n_lines = 0, n_wrong = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        const size_t n = strlen(entry->d_name);
        if (n < 6 || strcmp(entry->d_name + n - 6, ".jinja") != 0) continue;
        char *path = test_path(folder, entry->d_name);
        size_t n_bytes;
        char *text = (char *)test_read_file(path, &n_bytes);
        const unsigned n_before = n_lines;
        assert_non_null(text);
        check_template(&g, (einf__bytes){ text, n_bytes }, &n_lines, &n_wrong);
        n_templates++;
        n_unknown += n_lines == n_before;
        free(text);
        free(path);
    }
    closedir(dir);
    goldens_close(&g);
    print_message("%u templates, %u unknown to the table; %u renders\n", n_templates, n_unknown, n_lines);
    assert_int_equal(n_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_configs), cmocka_unit_test(test_folder) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
