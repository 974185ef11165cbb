/* SPDX-License-Identifier: MIT
 * log.h - a record as lines of text, and lines of text as a record.
 *
 * Each line is one thing, begun by its word; doubles are written as C99 hexadecimal floats, so that they come back as
 * they were; texts are in double quotes with \\, \" and \xHH. Order between channels does not matter, within one it
 * does: its times never fall.
 *
 *   edgeprof-log 1
 *   fact KEY VALUE                                   host, cpu, n_cpus, sample_hz, start_ns, ...
 *   channel N "NAME" KIND CLASS SCOPE SCALE PERIOD_NS UPDATE_NS WINDOW_NS WRAP LEAST MOST ACCURACY OFFSET_W LSB FLAGS
 *   meter "NAME" SCOPE N,N,...
 *   a N SIGMA_S QUALITY                              the clock of channel N was laid beside ours
 *   s N T_NS HALF_NS RAW FLAGS                       a sample
 *   b ID PARENT T_NS THREAD CPU_NS "NAME"            a region begins
 *   e ID T_NS THREAD CPU_NS                          and ends; CPU_NS -1: another thread ended it
 *   n ID VALUE "KEY"                                 a note
 *   end T_NS                                         the log is whole
 */
#ifndef EPROF_RECORD_LOG_H
#define EPROF_RECORD_LOG_H

#include "profiler/record/record.h"

/* Where a growing record has been written up to. */
typedef struct eprof__log eprof__log;

/** Create the file (0644; an existing one is replaced) and write what is known before sampling. */
eprof_status eprof__log_create(const char *path, eprof__record *r, eprof__log **out, eprof_error *err);
/** Write what has come since. Takes the record's lock only to copy. An error is kept, and given by close. */
void eprof__log_write(eprof__log *log, eprof__record *r);
/** Write the rest and the end line, sync, close, free. The record is at rest. */
eprof_status eprof__log_close(eprof__log **log, eprof__record *r, eprof_error *err);
/** Close and free, and write nothing: what a forked child does with its copy. */
void eprof__log_abandon(eprof__log **log);

/** Read a log: E_FORMAT names line, column and what was expected. A last line without its newline is left out; a log
 *  without its end line is whole but for stop_ns, which is its last time. Limits: lines of 4096 bytes,
 *  EPROF__MAX_CHANNELS channels, 2^31 samples, 2^24 regions. */
eprof_status eprof__log_read(const char *path, eprof__record **out, eprof_error *err);
/** The same from memory, for the fuzzer. */
eprof_status eprof__log_parse(const char *text, uint64_t n_bytes, eprof__record **out, eprof_error *err);

#endif
