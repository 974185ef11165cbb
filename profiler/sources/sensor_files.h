/* SPDX-License-Identifier: MIT
 * sensor_files.h - sensors that are small files: one file, or the product of two, as an integer; and words of files.
 *
 * Files stay open and are read again from their beginning. The product of two integers is exact, so that a record holds
 * what the device said, and the channel's scale is the product of both units.
 */
#ifndef EPROF_SOURCES_SENSOR_FILES_H
#define EPROF_SOURCES_SENSOR_FILES_H

#include "profiler/sources/source.h"

enum { EPROF__MAX_PATH = 256 };

typedef struct eprof__sensor {
    int fd[2];              /* fd[1] is -1: one file alone */
    bool is_magnitude;      /* the sign says a direction, which does not matter */
} eprof__sensor;

/** Open one file, or two; second may be NULL. 0 or -errno, with nothing left open. */
int eprof__sensor_open(const eprof_io *io, const char *first, const char *second, eprof__sensor *out);
void eprof__sensor_close(const eprof_io *io, eprof__sensor *s);
/** Its value: 0 or -errno; -EBADMSG: no number, -ERANGE: one that does not fit. A read that fails with EIO is tried
 *  once more: a USB meter's transaction may time out. */
int eprof__sensor_read(const eprof_io *io, const eprof__sensor *s, int64_t *out);

/** Give a source one more channel, read from these files: 0, -ENOSPC where it has them all, -ENOMEM. The source is then
 *  read by eprof__sensor_ops, and its state is theirs. The sensor is the source's only on success. */
int eprof__sensor_add(eprof__source *s, const eprof__channel *c, const eprof__sensor *sensor);
extern const eprof__source_ops eprof__sensor_ops;
/** Open the files of a channel in a folder, read them once, and add them where that gives a value that can be: within
 *  the channel's bounds for a power, not negative for an energy. 0 and *value, or -errno with nothing added:
 *  -ERANGE: it cannot be; -ENOTCONN: an inline meter (BOARD_DC) reads 0, so it is in no line. */
int eprof__sensor_try(eprof__source *s, const eprof_io *io, const eprof__channel *c, const char *folder,
                      const char *first, const char *second, bool is_magnitude, double *value);

/** An integer of a file: 0 or -errno. */
int eprof__read_integer(const eprof_io *io, const char *path, int64_t *out);
/** The first line of a file without blanks at its end, and without what would be odd in a name ('"', '\\', control
 *  characters become '_'), cut to n_bytes: 0 or -errno. */
int eprof__read_word(const eprof_io *io, const char *path, char *out, uint64_t n_bytes);

/** "FOLDER/NAME", where NAME is made by a format; cut to EPROF__MAX_PATH, which then is a file that is not there. */
void eprof__path(char out[EPROF__MAX_PATH], const char *folder, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The number in "PREFIXnumberSUFFIX": 0..999, -1: the name is another. */
int eprof__numbered(const char *name, const char *prefix, const char *suffix);

/** How many of the entries from `names` up to `until`, as eprof_io's list gives them, are folders whose file `name` is
 *  `wanted`. */
int32_t eprof__count_named(const eprof_io *io, const char *folder, const char *names, const char *until,
                           const char *wanted);

#endif
