/* SPDX-License-Identifier: MIT
 * pi_mailbox.h - a Raspberry Pi's firmware asked a question in words, as vcgencmd asks it, without a process.
 */
#ifndef EPROF_SOURCES_PI_MAILBOX_H
#define EPROF_SOURCES_PI_MAILBOX_H

#include "profiler/sources/source.h"

enum { EPROF__MAILBOX_ROOM = 4096 }; /* bytes of an answer, as vcgencmd asks for */

/** The mailbox device: a descriptor, or -errno; -ENOENT: this machine has none, -EACCES: it has one that is locked. */
int eprof__mailbox_open(const eprof_io *io);

/** Ask `command`, at most EPROF__MAILBOX_ROOM bytes of answer, with a NUL behind them. Its length, or:
 *  -EIO        the firmware did not answer (status 0)
 *  -EPROTO     it did not understand the message (status 0x80000001 or another)
 *  -ENOTSUP    it does not know the command, or refuses it; `text` is what it said
 *  -EMSGSIZE   the answer was cut off
 *  another     of the ioctl: -ETIMEDOUT after the kernel's second, -EPERM for a tag, ... */
int64_t eprof__mailbox_ask(const eprof_io *io, int fd, const char *command, char text[EPROF__MAILBOX_ROOM + 1]);

#endif
