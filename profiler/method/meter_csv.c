/* SPDX-License-Identifier: MIT
 * meter_csv.c - the log of any meter, as its program or a spreadsheet writes it, into integer samples of watts.
 *
 * "time,power" or "time,voltage,current", in any order where a head line names them ("t,W", "Time (s);Power (mW)",
 * "timestamp\tvolts\tamps"). Units in the head are taken at their word. Without one, times are seconds, or milliseconds
 * from 1e11 on, which as seconds would be the year 5138; ISO 8601 without a zone is UTC. Numbers have a point. A line
 * that is none of this, or whose time does not rise, is passed over; more than one in ten, and it is another file than
 * we think.
 */
#include "profiler/method/align.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/run/profiler.h"

enum { MOST_COLUMNS = 64, MOST_FIELD = 63 };

#define MOST_LINES INT64_C(50000000)
#define MOST_WATTS 1e6
#define MILLISECONDS_FROM 1e11

typedef enum quantity { TIME, POWER, VOLTAGE, CURRENT, N_QUANTITIES } quantity;

/* Which column holds what, -1: none; and what its numbers are multiplied by. */
typedef struct layout {
    char separator;
    int column[N_QUANTITIES];
    double factor[N_QUANTITIES];
    bool time_has_unit;
} layout;

typedef struct text {
    const char *p, *end;
} text;

/* A sample as it is read. */
typedef struct point {
    int64_t t_ns, microwatts;
} point;

/* ------------------------------------------------------------------------------------------ lines, fields -- */

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\0'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static text trim(text t)
{
    while (t.p < t.end && is_space(*t.p)) t.p++;
    while (t.p < t.end && is_space(t.end[-1])) t.end--;
    if (t.end - t.p >= 2 && *t.p == '"' && t.end[-1] == '"') t = trim((text){ t.p + 1, t.end - 1 });
    return t;
}

static text cut(text *rest, char separator)
{
    const char *at = rest->p < rest->end ? memchr(rest->p, separator, (size_t)(rest->end - rest->p)) : NULL;
    const text part = { rest->p, at ? at : rest->end };
    rest->p = at ? at + 1 : rest->end;
    return part;
}

/* The next line that says something; false at the end. *n_lines counts all of them. */
static bool next_line(text *rest, text *line, int64_t *n_lines)
{
    while (rest->p < rest->end) {
        const text all = cut(rest, '\n');
        ++*n_lines;
        *line = trim(all);
        if (line->p < line->end && *line->p != '#') {
            *line = all; /* a tab at an end is an empty field */
            return true;
        }
    }
    return false;
}

static int split(text line, char separator, text fields[MOST_COLUMNS])
{
    int n = 0;
    if (line.p < line.end && line.end[-1] == '\r') line.end--;
    for (bool more = true; more && n < MOST_COLUMNS; n++) {
        more = memchr(line.p, separator, (size_t)(line.end - line.p)) != NULL;
        fields[n] = trim(cut(&line, separator));
    }
    return n;
}

static bool parse_number(text field, double *out)
{
    char copy[MOST_FIELD + 1];
    const size_t n = (size_t)(field.end - field.p);
    if (n > MOST_FIELD) return false;
    memcpy(copy, field.p, n);
    copy[n] = '\0';
    const char *end = eprof__parse_double(copy, out);
    return end && end == copy + n && isfinite(*out);
}

/* -------------------------------------------------------------------------------------------------- times -- */

/* n digits; -1: something else. */
static int64_t fixed(text *t, int n)
{
    int64_t value = 0;
    if (t->end - t->p < n) return -1;
    for (int i = 0; i < n; i++, t->p++) {
        if (!is_digit(*t->p)) return -1;
        value = value * 10 + (*t->p - '0');
    }
    return value;
}

static bool skip(text *t, char c)
{
    if (t->p == t->end || *t->p != c) return false;
    t->p++;
    return true;
}

/* Days from 1970-01-01: years begin in March, so that a leap day is the last of its year. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    const int64_t era = year / 400, of_era = year % 400;
    const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "Z", "+hh:mm", "+hhmm", "+hh" or nothing: seconds to subtract. */
static bool parse_zone(text *t, int64_t *seconds)
{
    *seconds = 0;
    if (t->p == t->end || skip(t, 'Z')) return t->p == t->end;
    const bool negative = *t->p == '-';
    if (!negative && *t->p != '+') return false;
    t->p++;
    const int64_t hours = fixed(t, 2);
    (void)skip(t, ':');
    const int64_t minutes = t->p == t->end ? 0 : fixed(t, 2);
    if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59) return false;
    *seconds = (negative ? -1 : 1) * (hours * 3600 + minutes * 60);
    return t->p == t->end;
}

/* Behind the seconds: as many digits as there are, to the nanosecond. */
static bool parse_fraction(text *t, int64_t *ns)
{
    int64_t unit = 100000000;
    *ns = 0;
    if (!skip(t, '.') && !skip(t, ',')) return true;
    if (t->p == t->end || !is_digit(*t->p)) return false;
    for (; t->p < t->end && is_digit(*t->p); t->p++, unit /= 10) *ns += (*t->p - '0') * unit;
    return true;
}

/* 2025-11-21T17:16:05.25+01:00, with a blank for the T. */
static bool parse_iso(text t, int64_t *t_ns)
{
    int64_t zone_s, fraction_ns;
    const int64_t year = fixed(&t, 4);
    if (year < 1970 || year > 2200 || !skip(&t, '-')) return false;
    const int64_t month = fixed(&t, 2);
    if (month < 1 || month > 12 || !skip(&t, '-')) return false;
    const int64_t day = fixed(&t, 2);
    if (day < 1 || day > 31 || (!skip(&t, 'T') && !skip(&t, ' '))) return false;
    const int64_t hour = fixed(&t, 2);
    if (hour < 0 || hour > 23 || !skip(&t, ':')) return false;
    const int64_t minute = fixed(&t, 2);
    if (minute < 0 || minute > 59 || !skip(&t, ':')) return false;
    const int64_t second = fixed(&t, 2);
    if (second < 0 || second > 60 || !parse_fraction(&t, &fraction_ns) || !parse_zone(&t, &zone_s)) return false;
    const int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone_s;
    *t_ns = seconds * 1000000000 + fraction_ns;
    return true;
}

static bool parse_time(text field, const layout *l, int64_t *t_ns)
{
    double value;
    if (!parse_number(field, &value)) return parse_iso(field, t_ns);
    double factor = l->factor[TIME];
    if (!l->time_has_unit && fabs(value) >= MILLISECONDS_FROM) factor = 1e-3;
    if (!(fabs(value * factor) < 8e9)) return false; /* as ns it must fit 64 bits */
    *t_ns = (int64_t)llround(value * factor * 1e9);
    return true;
}

/* --------------------------------------------------------------------------------------------------- head -- */

typedef struct word {
    const char *text;
    quantity what;
    double factor;
} word;

static const word names[] = {
    { "t", TIME, 1 }, { "time", TIME, 1 }, { "timestamp", TIME, 1 }, { "elapsed", TIME, 1 }, { "seconds", TIME, 1 },
    { "s", TIME, 1 }, { "ms", TIME, 1e-3 }, { "date", TIME, 1 }, { "datetime", TIME, 1 },
    { "p", POWER, 1 }, { "power", POWER, 1 }, { "w", POWER, 1 }, { "watt", POWER, 1 }, { "watts", POWER, 1 },
    { "v", VOLTAGE, 1 }, { "volt", VOLTAGE, 1 }, { "volts", VOLTAGE, 1 }, { "voltage", VOLTAGE, 1 },
    { "u", VOLTAGE, 1 },
    { "a", CURRENT, 1 }, { "amp", CURRENT, 1 }, { "amps", CURRENT, 1 }, { "ampere", CURRENT, 1 },
    { "current", CURRENT, 1 }, { "i", CURRENT, 1 },
    { "mw", POWER, 1e-3 }, { "mv", VOLTAGE, 1e-3 }, { "ma", CURRENT, 1e-3 } };
static const word units[] = {
    { "s", TIME, 1 }, { "sec", TIME, 1 }, { "seconds", TIME, 1 }, { "ms", TIME, 1e-3 }, { "us", TIME, 1e-6 },
    { "ns", TIME, 1e-9 }, { "w", POWER, 1 }, { "mw", POWER, 1e-3 }, { "uw", POWER, 1e-6 }, { "kw", POWER, 1e3 },
    { "v", VOLTAGE, 1 }, { "mv", VOLTAGE, 1e-3 }, { "uv", VOLTAGE, 1e-6 }, { "a", CURRENT, 1 }, { "ma", CURRENT, 1e-3 },
    { "ua", CURRENT, 1e-6 } };

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* The next run of letters in lower case; "" at the end. */
static void next_word(text *rest, char out[16])
{
    size_t n = 0;
    while (rest->p < rest->end && !is_letter(*rest->p)) rest->p++;
    for (; rest->p < rest->end && is_letter(*rest->p); rest->p++)
        if (n < 15) out[n++] = (char)(*rest->p | 0x20);
    out[n] = '\0';
}

static const word *look_up(const word *table, size_t n, const char *wanted)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].text, wanted) == 0) return &table[i];
    return NULL;
}

/* "Power (mW)": what it is by its first word, its unit by a later one. Of two columns of a kind the first counts. */
static void take_heading(layout *l, int column, text field)
{
    char first[16], other[16];
    next_word(&field, first);
    const word *name = look_up(names, sizeof names / sizeof names[0], first);
    if (!name || l->column[name->what] >= 0) return;
    l->column[name->what] = column;
    l->factor[name->what] = name->factor;
    if (name->what == TIME && name->factor < 1) l->time_has_unit = true;
    for (next_word(&field, other); other[0]; next_word(&field, other)) {
        const word *unit = look_up(units, sizeof units / sizeof units[0], other);
        if (!unit || unit->what != name->what) continue;
        l->factor[name->what] = unit->factor;
        if (unit->what == TIME) l->time_has_unit = true;
    }
}

static char find_separator(text line)
{
    for (const char *s = "\t;,"; *s; s++)
        if (memchr(line.p, *s, (size_t)(line.end - line.p))) return *s;
    return ',';
}

static bool is_usable(const layout *l)
{
    return l->column[TIME] >= 0 && (l->column[POWER] >= 0 || (l->column[VOLTAGE] >= 0 && l->column[CURRENT] >= 0));
}

/* By the first line: a head, or numbers of two or three columns. *is_head: it is no data. */
static bool find_layout(text line, layout *l, bool *is_head)
{
    text fields[MOST_COLUMNS];
    double number;
    int64_t t_ns;
    *l = (layout){ find_separator(line), { -1, -1, -1, -1 }, { 1, 1, 1, 1 }, false };
    const int n = split(line, l->separator, fields);
    *is_head = n < 2 || !parse_number(fields[1], &number) || !parse_time(fields[0], l, &t_ns);
    if (*is_head) {
        for (int i = 0; i < n; i++) take_heading(l, i, fields[i]);
    } else {
        l->column[TIME] = 0;
        if (n == 2) l->column[POWER] = 1;
        if (n == 3) l->column[VOLTAGE] = 1, l->column[CURRENT] = 2;
    }
    return is_usable(l);
}

/* ------------------------------------------------------------------------------------------------ samples -- */

static bool parse_column(const layout *l, quantity what, const text *fields, int n, double *out)
{
    const int column = l->column[what];
    if (column < 0 || column >= n || !parse_number(fields[column], out)) return false;
    *out *= l->factor[what];
    return true;
}

static bool parse_point(const layout *l, text line, point *out)
{
    text fields[MOST_COLUMNS];
    double watts, volts, amps;
    const int n = split(line, l->separator, fields), time = l->column[TIME];
    if (time >= n || !parse_time(fields[time], l, &out->t_ns)) return false;
    if (l->column[POWER] >= 0) {
        if (!parse_column(l, POWER, fields, n, &watts)) return false;
    } else {
        if (!parse_column(l, VOLTAGE, fields, n, &volts) || !parse_column(l, CURRENT, fields, n, &amps)) return false;
        watts = volts * amps;
    }
    if (!(fabs(watts) <= MOST_WATTS)) return false;
    out->microwatts = llround(watts * 1e6);
    return true;
}

typedef struct points {
    eprof__sample *list;
    int64_t n, room;
} points;

static bool add_point(points *all, const point *p)
{
    if (all->n == all->room) {
        const int64_t room = all->room ? all->room * 2 : 1024;
        eprof__sample *list = realloc(all->list, (size_t)room * sizeof *list);
        if (!list) return false;
        all->list = list;
        all->room = room;
    }
    all->list[all->n++] = (eprof__sample){ .t_ns = p->t_ns, .raw = p->microwatts };
    return true;
}

/* Every line behind the head. *bad: how many were none, *bad_line the first of them. */
static eprof_status read_points(const layout *l, text rest, int64_t n_lines, points *all, int64_t *bad,
                                int64_t *bad_line)
{
    text line;
    point p;
    while (next_line(&rest, &line, &n_lines)) {
        if (all->n == MOST_LINES) return EPROF_E_LIMIT;
        if (!parse_point(l, line, &p) || (all->n > 0 && p.t_ns <= all->list[all->n - 1].t_ns)) {
            if ((*bad)++ == 0) *bad_line = n_lines;
        } else if (!add_point(all, &p)) {
            return EPROF_E_NOMEM;
        }
    }
    return EPROF_OK;
}

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The middle one of the first steps between samples; 1 s where there is none. */
static int64_t usual_step(const points *all)
{
    enum { MOST = 255 };
    int64_t steps[MOST], n = 0;
    for (int64_t i = 1; i < all->n && n < MOST; i++) steps[n++] = all->list[i].t_ns - all->list[i - 1].t_ns;
    if (n == 0) return 1000000000;
    qsort(steps, (size_t)n, sizeof *steps, by_value);
    return steps[n / 2];
}

static void describe(eprof__channel *c, int64_t period_ns)
{
    c->kind = EPROF__POWER;
    c->cls = EPROF_CLASS_SAMPLE;
    c->scale = 1e-6;
    c->period_ns = period_ns;
    c->least = -MOST_WATTS;
    c->most = MOST_WATTS;
    c->accuracy = 0.01; /* nothing is known of the meter */
    c->lsb = 1e-3;
    c->has_own_clock = true;
}

eprof_status eprof__read_meter_csv(const char *csv, uint64_t n_bytes, eprof__channel *c, eprof__sample **samples,
                                   int64_t *n, eprof_error *err)
{
    static const char where[] = "meter log";
    text rest = { csv, csv + n_bytes }, line;
    layout l;
    points all = { 0 };
    bool is_head;
    int64_t n_lines = 0, bad = 0, bad_line = 0;
    if (n_bytes >= 3 && memcmp(csv, "\xef\xbb\xbf", 3) == 0) rest.p += 3;
    const char *begin = rest.p;
    if (!next_line(&rest, &line, &n_lines))
        return eprof__fail(err, EPROF_E_FORMAT, where, NULL, "there are no lines in it");
    if (!find_layout(line, &l, &is_head))
        return eprof__fail(err, EPROF_E_FORMAT, where, "begin with a line such as time,power or time,voltage,current",
                           "line %lld does not say which columns are time and power", (long long)n_lines);
    if (!is_head) rest.p = begin, n_lines = 0;
    const eprof_status status = read_points(&l, rest, n_lines, &all, &bad, &bad_line);
    if (status == EPROF_OK && all.n > 0 && bad * 10 <= all.n + bad) {
        describe(c, usual_step(&all));
        *samples = all.list;
        *n = all.n;
        return EPROF_OK;
    }
    free(all.list);
    if (status == EPROF_E_NOMEM) return eprof__fail(err, status, where, NULL, "out of memory");
    if (status != EPROF_OK) return eprof__fail(err, status, where, NULL, "more than %lld lines", (long long)MOST_LINES);
    if (bad == 0) return eprof__fail(err, EPROF_E_FORMAT, where, NULL, "there are no readings in it");
    return eprof__fail(err, EPROF_E_FORMAT, where,
                       "numbers have a point, times rise, fields are separated by , ; or tab",
                       "%lld of %lld lines are no readings, the first is line %lld", (long long)bad,
                       (long long)(all.n + bad), (long long)bad_line);
}
