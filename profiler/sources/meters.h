/* SPDX-License-Identifier: MIT
 * meters.h - external meters: what their bytes mean, as pure functions, and what their sources share.
 *
 * A decoder takes any bytes of any length and gives 0, or -EBADMSG: not a reading, or -ERANGE: a reading that no meter
 * of its kind can have taken. Nothing is written then.
 */
#ifndef EPROF_SOURCES_METERS_H
#define EPROF_SOURCES_METERS_H

#include "profiler/sources/source.h"

/* ----------------------------------------------------------------------------------------------- decoders -- */

enum { EPROF__FNIRSI_BYTES = 64, EPROF__UM25C_BYTES = 130, EPROF__HID_REPORT_BYTES = 64 };

/** CRC-8 of a frame's bytes 1..62: what byte 63 must be. */
uint8_t eprof__fnirsi_crc(const uint8_t frame[EPROF__FNIRSI_BYTES]);
/** A frame of data: the sum of its four samples' power, in 1e-10 W. -ENOMSG: a whole frame of another type. */
int eprof__decode_fnirsi(const uint8_t *frame, size_t n_bytes, int64_t *power_sum);

typedef struct eprof__um25c_reading {
    int64_t power_mw, energy_mwh; /* energy: of the group that is selected */
    int32_t group;                /* 0..9 */
    uint16_t volts_raw, amps_raw;
} eprof__um25c_reading;
int eprof__decode_um25c(const uint8_t *bytes, size_t n_bytes, eprof__um25c_reading *out);

/** The answer to an ADC request: picowatts, signed, of +-64 V times +-16 A at most, and current in uA. -ENOMSG: the
 *  answer to another request. */
int eprof__decode_km003c(const uint8_t *bytes, size_t n_bytes, uint8_t transaction, int64_t *power_pw,
                         int32_t *current_ua);

/** A number as bench meters write it: "+4.98E+00", "4.98 W", "12.5mW". -ERANGE: 9.9E37 and beyond, which says overload
 *  or nothing measured. */
int eprof__decode_scpi(const char *text, size_t n_bytes, double *value);

/* -------------------------------------------------------------------------------------------- bytes, HID -- */

static inline uint32_t eprof__le16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static inline uint32_t eprof__le32(const uint8_t *p) { return eprof__le16(p) | eprof__le16(p + 2) << 16; }
static inline uint32_t eprof__be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | (uint32_t)p[1]; }
static inline uint32_t eprof__be32(const uint8_t *p) { return eprof__be16(p) << 16 | eprof__be16(p + 2); }

typedef struct eprof__hid_id {
    uint16_t vendor, product;
    const char *name;
} eprof__hid_id;

/** Which of `known` the device at /dev/hidrawN is: its index; -ENODEV: another; -ENOENT: the system does not say. */
int eprof__hid_which(const eprof_io *io, const char *path, const eprof__hid_id *known, int n_known);
/** The nth hidraw device that is one of `known`, counted from 0: its path, and its index; -ENODEV: there are not so
 *  many. */
int eprof__hid_find(const eprof_io *io, const eprof__hid_id *known, int n_known, int nth, char path[64]);

/* -------------------------------------------------------------------------------------------------- ports -- */

/* A device node or a TCP server that may go away: what fails is closed, and opened again two seconds later. */
typedef struct eprof__port {
    char address[96];        /* a path, or a host */
    uint16_t tcp_port;       /* 0: a path */
    bool is_open;
    int fd;
    int64_t retry_ns;        /* not before */
} eprof__port;

/** "/dev/...", "host", "host:port", "[v6]:port". 0, or -EINVAL. */
int eprof__port_init(eprof__port *p, const char *address, uint16_t default_port);
/** Open what is closed. 0, -errno; -ENOTCONN: it is too early to try again. */
int eprof__port_open(eprof__port *p, const eprof_io *io);
void eprof__port_close(eprof__port *p, const eprof_io *io);
/** All bytes, or -errno. */
int eprof__port_write(eprof__port *p, const eprof_io *io, const void *bytes, uint64_t n_bytes, int32_t timeout_ms);
/** Some bytes; -ETIMEDOUT: none yet; -EPIPE: its end; -errno. All but -ETIMEDOUT have closed it. */
int64_t eprof__port_read(eprof__port *p, const eprof_io *io, void *buf, uint64_t n_bytes, int32_t timeout_ms);
/** Throw away what comes, until nothing has for quiet_ms, at most `most` reads. 0, or the -errno that has closed it. */
int eprof__port_drain(eprof__port *p, const eprof_io *io, int32_t quiet_ms, int most);

/* ------------------------------------------------------------------------------------------------ sources -- */

/* A meter shows a value until it has the next one. Whoever asks more often sees it again; that is no new reading. */
typedef struct eprof__fresh {
    bool is_known;
    int64_t value, since_ns;
} eprof__fresh;

/** Whether a value is a reading of its own: another than the last, or the same two refreshes later, when the load is
 *  steady and the meter has looked again. profiling.md 3.6. */
bool eprof__fresh_take(eprof__fresh *f, int64_t value, int64_t now_ns, int64_t refresh_ns);

/** Add "KIND:ADDRESS". NULL: the list is full. */
eprof__source *eprof__meter_add(eprof__sources *all, const char *kind, const char *address);
/** A further channel, named after the source and `part` (may be ""), with its accuracy the source's. */
eprof__channel *eprof__meter_channel(eprof__source *s, const char *part, eprof__kind kind, eprof_class cls,
                                     double scale);

/** Read until there is a reading of the first channel, at most `most` times: 0, with the source's power set, or why
 *  not; -ETIMEDOUT: nothing came. */
int eprof__meter_first(eprof__source *s, const eprof_io *io, int most);
/** How a probe ends: live with status 0; else closed, with the reason, what else there is to say, and the command
 *  that unlocks a device node. */
void eprof__meter_verdict(eprof__source *s, const eprof_io *io, const char *address, int status, const char *more);

/** JSON of an HTTP answer: plug.c. power in W and energy in the dialect's unit; NAN where there is none. */
int eprof__decode_plug(const char *json, size_t n_bytes, int32_t dialect, double *power_w, double *energy,
                       double *clock_s);
enum { EPROF__PLUG_DIALECTS = 4 };

#endif
