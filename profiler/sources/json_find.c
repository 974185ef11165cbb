/* SPDX-License-Identifier: MIT
 * json_find.c - a strict reader of JSON (RFC 8259) that builds nothing: it walks the text once and notes one number.
 *
 * Our own, because the profiler links the C library alone, and because searching the text for "apower" as such finds it
 * in a string, in another object, or in half of an answer that was cut. The whole text is checked before a number
 * counts. No allocation; recursion is bounded by MOST_DEPTH.
 */
#include "profiler/sources/json_find.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { MOST_DEPTH = 16, MOST_NUMBER = 63 };

typedef struct cursor {
    const char *p, *end;
    double *out;
    bool is_found;
} cursor;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static char peek(const cursor *c) { return c->p < c->end ? *c->p : '\0'; }

static void skip_blanks(cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r')) c->p++;
}

static bool take(cursor *c, char wanted)
{
    if (peek(c) != wanted || c->p == c->end) return false;
    c->p++;
    return true;
}

static bool take_word(cursor *c, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0) return false;
    c->p += n;
    return true;
}

static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/* Behind a backslash. */
static bool escape(cursor *c)
{
    const char kind = peek(c);
    if (!kind || !strchr("\"\\/bfnrtu", kind)) return false;
    c->p++;
    for (int i = 0; kind == 'u' && i < 4; i++, c->p++)
        if (!is_hex(peek(c))) return false;
    return true;
}

/* *text: what is between the quotes, as it is written. */
static bool string(cursor *c, const char **text, size_t *n)
{
    if (!take(c, '"')) return false;
    *text = c->p;
    while (c->p < c->end && *c->p != '"') {
        if ((unsigned char)*c->p < 0x20) return false;
        if (*c->p++ == '\\' && !escape(c)) return false;
    }
    *n = (size_t)(c->p - *text);
    return take(c, '"');
}

static bool digits(cursor *c)
{
    if (!is_digit(peek(c))) return false;
    while (is_digit(peek(c))) c->p++;
    return true;
}

static bool number(cursor *c, bool is_wanted)
{
    char text[MOST_NUMBER + 1];
    const char *begin = c->p;
    (void)take(c, '-');
    if (!take(c, '0') && !digits(c)) return false;
    if (take(c, '.') && !digits(c)) return false;
    if (peek(c) == 'e' || peek(c) == 'E') {
        c->p++;
        if (!take(c, '-')) (void)take(c, '+');
        if (!digits(c)) return false;
    }
    const size_t n = (size_t)(c->p - begin);
    if (n > MOST_NUMBER) return false;
    if (!is_wanted || c->is_found) return true;
    memcpy(text, begin, n);
    text[n] = '\0';
    c->is_found = eprof__parse_double(text, c->out) != NULL && isfinite(*c->out);
    return true;
}

/* What of `path` is left behind a key; NULL: the key is not on it. "" is left of the last. */
static const char *behind(const char *path, const char *key, size_t n)
{
    if (!path || strncmp(path, key, n) != 0 || strlen(path) < n) return NULL;
    return path[n] == '.' && n > 0 ? path + n + 1 : path[n] == '\0' && n > 0 ? path + n : NULL;
}

static bool value(cursor *c, const char *path, int depth);

static bool member(cursor *c, const char *path, int depth)
{
    const char *key;
    size_t n;
    skip_blanks(c);
    if (!string(c, &key, &n)) return false;
    skip_blanks(c);
    return take(c, ':') && value(c, behind(path, key, n), depth);
}

/* Members or elements up to the closing bracket. */
static bool container(cursor *c, const char *path, int depth, char closing)
{
    const bool is_object = closing == '}';
    skip_blanks(c);
    if (take(c, closing)) return true;
    do {
        if (is_object ? !member(c, path, depth) : !value(c, NULL, depth)) return false;
        skip_blanks(c);
    } while (take(c, ','));
    return take(c, closing);
}

static bool value(cursor *c, const char *path, int depth)
{
    const char *text;
    size_t n;
    if (depth == MOST_DEPTH) return false;
    skip_blanks(c);
    if (take(c, '{')) return container(c, path, depth + 1, '}');
    if (take(c, '[')) return container(c, NULL, depth + 1, ']');
    if (peek(c) == '"') return string(c, &text, &n);
    if (peek(c) == '-' || is_digit(peek(c))) return number(c, path && !*path);
    return take_word(c, "true") || take_word(c, "false") || take_word(c, "null");
}

int eprof__json_number(const char *text, size_t n_bytes, const char *path, double *out)
{
    double found = 0;
    cursor c = { text, text + n_bytes, &found, false };
    if (!value(&c, path, 0)) return -EBADMSG;
    skip_blanks(&c);
    if (c.p != c.end) return -EBADMSG;
    if (!c.is_found) return -ENOENT;
    *out = found;
    return 0;
}
