/* SPDX-License-Identifier: MIT
 * pi_mailbox.c - the property channel of the VideoCore firmware by ioctl: one message, one tag, one answer.
 *
 * Every field of an answer is checked before its text is given on: kernels were seen that report success with a message
 * nobody answered (raspberrypi/linux issue 7230), and firmware that refuses a command inside a successful answer.
 * Facts: profiling.md 2.2; raspberrypi/linux drivers/char/broadcom/vcio.c, raspberrypi/utils vcgencmd.
 */
#include "profiler/sources/pi_mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Words of the message. */
enum { SIZE, STATUS, TAG, VALUE_BYTES, ANSWER_BYTES, ERROR, VALUE, N_VALUE = EPROF__MAILBOX_ROOM / 4,
       END = VALUE + N_VALUE, N_WORDS };

#define STATUS_OK UINT32_C(0x80000000)
#define ANSWERED UINT32_C(0x80000000)           /* of ANSWER_BYTES; the rest is a length */
#define GET_GENCMD_RESULT UINT32_C(0x00030080)
/* _IOWR(100, 0, char *), on any host: direction, size of the argument, type, number. */
#define MAILBOX_PROPERTY (0xc0000000ul | (unsigned long)sizeof(char *) << 16 | 100ul << 8)

int eprof__mailbox_open(const eprof_io *io)
{
    /* vcio_gencmd lets this one tag pass; older kernels have the whole mailbox alone. */
    const int fd = io->open(io->user, "/dev/vcio_gencmd", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) return fd;
    const int whole = io->open(io->user, "/dev/vcio", O_RDONLY | O_CLOEXEC);
    return whole == -ENOENT ? fd : whole;
}

/* What the words around the text say. */
static int check_answer(const uint32_t *words)
{
    if (words[STATUS] == 0) return -EIO;
    if (words[STATUS] != STATUS_OK) return -EPROTO;
    const bool has_length = (words[ANSWER_BYTES] & ANSWERED) != 0;
    if (has_length && (words[ANSWER_BYTES] & ~ANSWERED) > EPROF__MAILBOX_ROOM + 4u) return -EMSGSIZE;
    return 0;
}

int64_t eprof__mailbox_ask(const eprof_io *io, int fd, const char *command, char text[EPROF__MAILBOX_ROOM + 1])
{
    uint32_t words[N_WORDS] = { [SIZE] = 4 * N_WORDS, [TAG] = GET_GENCMD_RESULT, [VALUE_BYTES] = EPROF__MAILBOX_ROOM };
    const size_t n_command = strnlen(command, EPROF__MAILBOX_ROOM - 1);
    memcpy(&words[VALUE], command, n_command);
    text[0] = '\0';
    int status = io->ioctl(io->user, fd, MAILBOX_PROPERTY, words);
    if (status >= 0) status = check_answer(words);
    if (status < 0) return status;
    memcpy(text, &words[VALUE], EPROF__MAILBOX_ROOM);
    text[EPROF__MAILBOX_ROOM] = '\0';
    const size_t n = strlen(text);
    if (words[ERROR] != 0 || strncmp(text, "error=", 6) == 0) return -ENOTSUP;
    return n < EPROF__MAILBOX_ROOM ? (int64_t)n : -EMSGSIZE;
}
