/* SPDX-License-Identifier: MIT
 * http_get.h - as much of HTTP/1.1 as asks a plug on the local network for a small text.
 */
#ifndef EPROF_SOURCES_HTTP_GET_H
#define EPROF_SOURCES_HTTP_GET_H

#include "profiler/sources/meters.h"

enum { EPROF__HTTP_MOST_BYTES = 8192 };

typedef struct eprof__http_answer {
    int32_t code;                /* 200, 404, ... */
    bool keeps_open;
    size_t n_used;               /* of the bytes given */
    size_t n_body;
    char body[EPROF__HTTP_MOST_BYTES];
} eprof__http_answer;

/** An answer at the beginning of what was received. is_end: the server has closed. 0: it is whole; -EAGAIN: there is
 *  more to come; -EBADMSG: it is no answer. */
int eprof__http_parse(const char *bytes, size_t n_bytes, bool is_end, eprof__http_answer *out);

typedef struct eprof__http {
    eprof__port port;
    eprof__http_answer answer;
    char received[EPROF__HTTP_MOST_BYTES];
} eprof__http;

/** GET a target from the server of `port`, over the connection of last time where it is still open. 0: an answer of any
 *  code is in h->answer; -ETIMEDOUT; -EBADMSG; -errno. The server composed it between *begin_ns and *end_ns: from the
 *  request to the first byte. */
int eprof__http_get(eprof__http *h, const eprof_io *io, const char *target, int32_t timeout_ms, int64_t *begin_ns,
                    int64_t *end_ns);

#endif
