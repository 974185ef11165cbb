/* SPDX-License-Identifier: MIT
 * http_get.c - a bounded HTTP/1.1 client (RFC 9112) for plugs: one GET at a time, kept alive, 8 KiB in all.
 *
 * Understands Content-Length, chunks, and a body that ends with the connection; passes over 1xx. Refuses whatever is
 * larger, slower or not well formed, and then closes: an answer that comes late must never be taken for the next one's.
 * No redirects, no TLS, no names and passwords.
 */
#include "profiler/sources/http_get.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000000)
#define NO_LENGTH INT64_C(-1)

enum { WRITE_MS = 1000, MOST_PROVISIONAL = 4 };

/* ------------------------------------------------------------------------------------------------- parsing -- */

/* A part of what was received. */
typedef struct piece {
    const char *p, *end;
} piece;

typedef struct head {
    int32_t code;
    bool is_chunked, closes;
    int64_t length;
} head;

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* Up to the next CR LF, which is passed; false: there is none yet. */
static bool take_line(piece *from, piece *line)
{
    for (const char *p = from->p; p + 1 < from->end; p++) {
        if (p[0] != '\r' || p[1] != '\n') continue;
        *line = (piece){ from->p, p };
        from->p = p + 2;
        return true;
    }
    return false;
}

static bool begins(const piece *line, const char *lower_text)
{
    const size_t n = strlen(lower_text);
    if ((size_t)(line->end - line->p) < n) return false;
    for (size_t i = 0; i < n; i++)
        if (lower(line->p[i]) != lower_text[i]) return false;
    return true;
}

static bool contains(const piece *line, const char *lower_text)
{
    for (piece rest = *line; rest.p < rest.end; rest.p++)
        if (begins(&rest, lower_text)) return true;
    return false;
}

/* Digits of a base up to `stop` or the end, at most 2^20. */
static bool parse_size(piece text, int base, char stop, int64_t *out)
{
    int64_t value = 0;
    const char *begin = text.p;
    for (; text.p < text.end && *text.p != stop; text.p++) {
        const char *all = "0123456789abcdef", *digit = *text.p ? strchr(all, lower(*text.p)) : NULL;
        if (!digit || digit - all >= base || value > 1 << 20) return false;
        value = value * base + (digit - all);
    }
    *out = value;
    return text.p > begin;
}

static piece trimmed(piece text)
{
    while (text.p < text.end && (*text.p == ' ' || *text.p == '\t')) text.p++;
    while (text.p < text.end && (text.end[-1] == ' ' || text.end[-1] == '\t')) text.end--;
    return text;
}

/* "HTTP/1.1 200 OK" */
static bool parse_status(const piece *line, head *h)
{
    int64_t code;
    if (line->end - line->p < 12 || !begins(line, "http/1.") || line->p[8] != ' ') return false;
    if (!parse_size((piece){ line->p + 9, line->p + 12 }, 10, ' ', &code) || code < 100 || code > 599) return false;
    *h = (head){ .code = (int32_t)code, .closes = line->p[7] == '0', .length = NO_LENGTH };
    return true;
}

static bool parse_field(const piece *line, head *h)
{
    const char *colon = memchr(line->p, ':', (size_t)(line->end - line->p));
    if (!colon) return false;
    const piece text = trimmed((piece){ colon + 1, line->end });
    if (begins(line, "content-length:")) {
        const int64_t before = h->length;
        return parse_size(text, 10, '\0', &h->length) && (before == NO_LENGTH || before == h->length);
    }
    if (begins(line, "transfer-encoding:")) h->is_chunked = contains(&text, "chunked");
    if (begins(line, "connection:"))
        h->closes = contains(&text, "close") || (h->closes && !contains(&text, "keep-alive"));
    return true;
}

/* Status line and fields up to the empty line. 0, -EAGAIN, -EBADMSG. */
static int parse_head(piece *rest, head *h)
{
    piece line;
    if (!take_line(rest, &line)) return -EAGAIN;
    if (!parse_status(&line, h)) return -EBADMSG;
    for (;;) {
        if (!take_line(rest, &line)) return -EAGAIN;
        if (line.p == line.end) return 0;
        if (!parse_field(&line, h)) return -EBADMSG;
    }
}

/* It cannot overflow: what is received has no more room than the body. */
static void append(eprof__http_answer *out, const char *p, size_t n)
{
    memcpy(out->body + out->n_body, p, n);
    out->n_body += n;
}

static int parse_chunks(piece *rest, eprof__http_answer *out)
{
    piece line;
    int64_t size = -1;
    while (size != 0) {
        if (!take_line(rest, &line)) return -EAGAIN;
        if (!parse_size((piece){ line.p, line.end }, 16, ';', &size)) return -EBADMSG;
        if (size == 0) break;
        if (rest->end - rest->p < size + 2) return size > EPROF__HTTP_MOST_BYTES ? -EBADMSG : -EAGAIN;
        append(out, rest->p, (size_t)size);
        rest->p += size;
        if (rest->p[0] != '\r' || rest->p[1] != '\n') return -EBADMSG;
        rest->p += 2;
    }
    do {
        if (!take_line(rest, &line)) return -EAGAIN;
    } while (line.p < line.end); /* trailing fields */
    return 0;
}

static int parse_body(piece *rest, const head *h, bool is_end, eprof__http_answer *out)
{
    const int64_t here = rest->end - rest->p;
    out->n_body = 0;
    if (h->code == 204 || h->code == 304) return 0;
    if (h->is_chunked) return parse_chunks(rest, out);
    if (h->length == NO_LENGTH && !is_end) return -EAGAIN;
    const int64_t n = h->length == NO_LENGTH ? here : h->length;
    if (n > EPROF__HTTP_MOST_BYTES) return -EBADMSG;
    if (here < n) return -EAGAIN;
    append(out, rest->p, (size_t)n);
    rest->p += n;
    return 0;
}

int eprof__http_parse(const char *bytes, size_t n_bytes, bool is_end, eprof__http_answer *out)
{
    piece rest = { bytes, bytes + n_bytes };
    head h = { 0 };
    if (n_bytes > EPROF__HTTP_MOST_BYTES) return -EBADMSG;
    int status = -EBADMSG;
    for (int i = 0; i < MOST_PROVISIONAL; i++) {
        status = parse_head(&rest, &h);
        if (status != 0 || h.code >= 200) break;
    }
    if (status == 0 && h.code < 200) status = -EBADMSG;
    if (status == 0) status = parse_body(&rest, &h, is_end, out);
    if (status == -EAGAIN && is_end) return -EBADMSG; /* it was cut short */
    if (status != 0) return status;
    out->code = h.code;
    out->keeps_open = !h.closes && !is_end && (h.is_chunked || h.length != NO_LENGTH);
    out->n_used = (size_t)(rest.p - bytes);
    return 0;
}

/* ------------------------------------------------------------------------------------------------- talking -- */

static int64_t monotonic(const eprof_io *io) { return io->now_ns(io->user, EPROF_CLOCK_MONOTONIC); }

static int send_request(eprof__http *h, const eprof_io *io, const char *target)
{
    char request[512];
    const bool is_v6 = strchr(h->port.address, ':') != NULL;
    const int n = snprintf(request, sizeof request,
                           "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nAccept: application/json\r\n"
                           "Connection: keep-alive\r\n\r\n",
                           target, is_v6 ? "[" : "", h->port.address, is_v6 ? "]" : "", h->port.tcp_port);
    if (n < 0 || n >= (int)sizeof request) return -EINVAL;
    return eprof__port_write(&h->port, io, request, (uint64_t)n, WRITE_MS);
}

/* Until the answer is whole. *got: bytes received so far, also when that fails. */
static int receive(eprof__http *h, const eprof_io *io, int64_t until_ns, size_t *got, int64_t *first_ns)
{
    for (*got = 0;;) {
        const int64_t left_ns = until_ns - monotonic(io);
        if (left_ns <= 0) return -ETIMEDOUT;
        if (*got == sizeof h->received) return -EBADMSG;
        const int64_t n = eprof__port_read(&h->port, io, h->received + *got, sizeof h->received - *got,
                                           (int32_t)(left_ns / MS) + 1);
        if (n == -ETIMEDOUT) continue;
        if (n < 0 && (n != -EPIPE || *got == 0)) return (int)n;
        if (*got == 0) *first_ns = monotonic(io);
        if (n > 0) *got += (size_t)n;
        const int status = eprof__http_parse(h->received, *got, n < 0, &h->answer);
        if (status != -EAGAIN) return status;
    }
}

static int try_get(eprof__http *h, const eprof_io *io, const char *target, int32_t timeout_ms, size_t *got,
                   int64_t *begin_ns, int64_t *end_ns)
{
    *got = 0;
    int status = eprof__port_open(&h->port, io);
    if (status != 0) return status;
    *begin_ns = monotonic(io);
    status = send_request(h, io, target);
    if (status == 0) status = receive(h, io, *begin_ns + timeout_ms * MS, got, end_ns);
    if (status != 0 || !h->answer.keeps_open || h->answer.n_used != *got) eprof__port_close(&h->port, io);
    return status;
}

int eprof__http_get(eprof__http *h, const eprof_io *io, const char *target, int32_t timeout_ms, int64_t *begin_ns,
                    int64_t *end_ns)
{
    size_t got;
    const bool was_open = h->port.is_open;
    int status = try_get(h, io, target, timeout_ms, &got, begin_ns, end_ns);
    /* A server may close a connection that idles, and we learn it by asking: that is no failure yet. */
    if (was_open && got == 0 && (status == -EPIPE || status == -ECONNRESET)) {
        h->port.retry_ns = 0;
        status = try_get(h, io, target, timeout_ms, &got, begin_ns, end_ns);
    }
    return status;
}
