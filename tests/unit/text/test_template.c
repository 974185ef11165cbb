/* SPDX-License-Identifier: MIT
 * test_template.c - the language of templates, by the table tests/golden/templates/cases.tsv, which jinja2 has filled.
 *
 * With --render it is no test: each line of stdin, a template and its variables as in the table, becomes a line with
 * its text or "!" and the error. make_goldens.py compares that with jinja2 for random templates.
 */
#include "tests/unit/text/template_fixture.h"

static const char path[] = "tests/golden/templates/cases.tsv";

/* \n, \r, \t and \\ of a column, in place. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        if (*p == '\\' && p[1]) {
            p++;
            *to++ = (char)(*p == 'n' ? '\n' : *p == 'r' ? '\r' : *p == 't' ? '\t' : *p);
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
}

/* Cut the next column off a line; "" when there is none. The variables are JSON, which escapes by itself. */
static char *next_column(char **line, bool escaped)
{
    static char none[1];
    if (!*line) return none;
    char *column = *line, *tab = strchr(column, '\t');
    if (tab) *tab = '\0';
    *line = tab ? tab + 1 : NULL;
    if (escaped) unescape(column);
    return column;
}

static bool check_case(unsigned number, char *line)
{
    char *rest = line;
    const char *source = next_column(&rest, true), *vars = next_column(&rest, false);
    const char *expected = next_column(&rest, true);
    outcome o = render_text(source, *vars ? vars : "{}");
    const bool failed = o.status != EINF_OK, should_fail = strcmp(expected, "!") == 0;
    bool ok = failed == should_fail && (failed || strcmp(o.text, expected) == 0) && strlen(o.text) == o.n_bytes;
    if (failed && o.status != EINF_E_TEMPLATE) ok = false;
    if (!ok)
        print_error("%s:%u: %s\n  expected %s\n  got      %s\n", path, number, source, expected,
                    failed ? o.err.message : o.text);
    outcome_free(&o);
    return ok;
}

static void test_cases(void **state)
{
    (void)state;
    char *text = (char *)test_read_file(path, NULL);
    assert_non_null(text);
    unsigned number = 0, n_cases = 0, n_wrong = 0;
    for (char *line = text, *end; line && *line; line = end) {
        end = strchr(line, '\n');
        if (end) *end++ = '\0';
        number++;
        if (*line == '\0' || *line == '#') continue;
        n_cases++;
        n_wrong += !check_case(number, line);
    }
    free(text);
    print_message("%u cases\n", n_cases);
    assert_true(n_cases > 400);
    assert_int_equal(n_wrong, 0);
}

/* ------------------------------------------------------------------------------------------------- --render -- */

static void print_escaped(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *known = text[i] ? strchr("\\\\\nn\rr\tt", text[i]) : NULL;
        if (known && (known - "\\\\\nn\rr\tt") % 2 == 0) putchar('\\'), putchar(known[1]);
        else putchar(text[i]);
    }
}

static int render_lines(void)
{
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
        if (line[n - 1] == '\n') line[n - 1] = '\0';
        char *rest = line;
        const char *source = next_column(&rest, true), *vars = next_column(&rest, false);
        outcome o = render_text(source, *vars ? vars : "{}");
        if (o.status == EINF_OK) print_escaped(o.text, o.n_bytes);
        else putchar('!'), print_escaped(o.err.message, strlen(o.err.message));
        putchar('\n');
        outcome_free(&o);
    }
    free(line);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--render") == 0) return render_lines();
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
