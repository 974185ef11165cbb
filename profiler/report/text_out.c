/* SPDX-License-Identifier: MIT
 * text_out.c - the buffer, and one walk over characters that all escapes share.
 */
#include "profiler/report/text_out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "profiler/report/number_text.h"
#include "profiler/run/profiler.h"

void eprof__out_init(eprof__out *o, eprof_write_fn write, void *user)
{
    o->write = write;
    o->user = user;
    o->failed = false;
    o->n = 0;
}

static void hand_over(eprof__out *o)
{
    if (o->n > 0 && !o->failed) o->failed = o->write(o->user, o->text, o->n) != 0;
    o->n = 0;
}

void eprof__out_bytes(eprof__out *o, const char *text, uint64_t n)
{
    while (n > 0 && !o->failed) {
        const uint64_t room = sizeof o->text - o->n, part = n < room ? n : room;
        memcpy(o->text + o->n, text, (size_t)part);
        o->n += part;
        text += part;
        n -= part;
        if (o->n == sizeof o->text) hand_over(o);
    }
}

void eprof__out_text(eprof__out *o, const char *text) { eprof__out_bytes(o, text, strlen(text)); }

void eprof__out_format(eprof__out *o, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0) eprof__out_bytes(o, text, (size_t)n < sizeof text ? (uint64_t)n : sizeof text - 1);
}

void eprof__out_double(eprof__out *o, double x)
{
    eprof__number number;
    eprof__out_text(o, eprof__format_double(&number, x, 12));
}

eprof_status eprof__out_finish(eprof__out *o, eprof_error *err)
{
    hand_over(o);
    if (!o->failed) return EPROF_OK;
    return eprof__fail(err, EPROF_E_IO, "write", "is there room, and is the reader still there?",
                       "the caller's function refused a piece of the text");
}

/* ----------------------------------------------------------------------------------------------- escapes -- */

/* Bytes of the UTF-8 character at text, 1..4; 0: it is none (Unicode 15, table 3-7). */
static int character_bytes(const unsigned char *text)
{
    if (text[0] < 0x80) return 1;
    const int n = text[0] >= 0xc2 && text[0] <= 0xdf ? 2 : (text[0] & 0xf0) == 0xe0 ? 3
                  : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((text[i] & 0xc0) != 0x80) return 0; /* the NUL at the end among them */
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f)) return 0;
    if ((text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f)) return 0;
    return n;
}

#define REPLACEMENT "\xef\xbf\xbd"

/* Writes text; `special` gives what stands for an ASCII character, NULL: itself. */
static void escape(eprof__out *o, const char *text, const char *(*special)(char c))
{
    while (*text) {
        const int n = character_bytes((const unsigned char *)text);
        const char *other = n == 1 ? special(*text) : n == 0 ? REPLACEMENT : NULL;
        if (other) eprof__out_text(o, other);
        else eprof__out_bytes(o, text, (uint64_t)n);
        text += n ? n : 1;
    }
}

static bool is_control(char c) { return (unsigned char)c < 0x20 || c == 0x7f; }

static const char *json_special(char c)
{
    switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\t': return "\\t";
    default: return is_control(c) ? REPLACEMENT : NULL;
    }
}

static const char *html_special(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return is_control(c) ? REPLACEMENT : NULL;
    }
}

static const char *csv_special(char c) { return c == '"' ? "\"\"" : is_control(c) ? REPLACEMENT : NULL; }

void eprof__out_json(eprof__out *o, const char *text)
{
    eprof__out_text(o, "\"");
    escape(o, text, json_special);
    eprof__out_text(o, "\"");
}

void eprof__out_html(eprof__out *o, const char *text) { escape(o, text, html_special); }

void eprof__out_csv(eprof__out *o, const char *text)
{
    const bool quotes = strpbrk(text, ",\";\n\r\t ") != NULL;
    if (quotes) eprof__out_text(o, "\"");
    escape(o, text, csv_special);
    if (quotes) eprof__out_text(o, "\"");
}
