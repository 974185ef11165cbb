/* SPDX-License-Identifier: MIT
 * jinja_tests.c - the tests of Jinja (value is name), and the global functions.
 */
#include <stdio.h>

#include "engine/text/jinja_private.h"

/* --------------------------------------------------------------------------------------------------- tests -- */

#define KIND_TEST(test, condition) \
    static einf_status test(einf__render *r, const einf__value *v, const einf__args *args, einf__value *out) \
    { \
        (void)r, (void)args; \
        *out = einf__flag(condition); \
        return EINF_OK; \
    }
KIND_TEST(is_defined, v->kind != EINF__V_UNDEFINED)
KIND_TEST(is_undefined, v->kind == EINF__V_UNDEFINED)
KIND_TEST(is_none, v->kind == EINF__V_NONE)
KIND_TEST(is_boolean, v->kind == EINF__V_BOOL)
KIND_TEST(is_true, v->kind == EINF__V_BOOL && v->flag)
KIND_TEST(is_false, v->kind == EINF__V_BOOL && !v->flag)
KIND_TEST(is_integer, v->kind == EINF__V_INT)
KIND_TEST(is_float, v->kind == EINF__V_FLOAT)
KIND_TEST(is_number, einf__is_number(v))
KIND_TEST(is_string, v->kind == EINF__V_STRING)
KIND_TEST(is_mapping, v->kind == EINF__V_MAP)
KIND_TEST(is_sequence, einf__is_sequence(v) || v->kind == EINF__V_STRING || v->kind == EINF__V_MAP ||
                       v->kind == EINF__V_UNDEFINED)
KIND_TEST(is_iterable, einf__is_sequence(v) || v->kind == EINF__V_STRING || v->kind == EINF__V_MAP ||
                       v->kind == EINF__V_UNDEFINED || v->kind == EINF__V_LOOP)
KIND_TEST(is_callable, v->kind == EINF__V_MACRO || v->kind == EINF__V_METHOD || v->kind == EINF__V_FUNCTION ||
                       v->kind == EINF__V_UNDEFINED) /* Jinja's can be called, to fail then */

/* The one argument of a test. */
static einf_status need_arg(einf__render *r, const einf__args *args, const einf__value **out)
{
    *out = einf__arg(args, 0, NULL);
    return *out ? EINF_OK : einf__tmpl_fail(r, "the test needs a value to compare with");
}

static einf_status is_equal(einf__render *r, const einf__value *v, const einf__args *args, einf__value *out)
{
    const einf__value *other;
    bool is;
    EINF_TRY(need_arg(r, args, &other));
    EINF_TRY(einf__values_equal(r, v, other, &is));
    *out = einf__flag(is);
    return EINF_OK;
}

static einf_status is_unequal(einf__render *r, const einf__value *v, const einf__args *args, einf__value *out)
{
    EINF_TRY(is_equal(r, v, args, out));
    *out = einf__flag(!out->flag);
    return EINF_OK;
}

static einf_status ordered(einf__render *r, const einf__value *v, const einf__args *args, int low, int high,
                           einf__value *out)
{
    const einf__value *other;
    int order;
    EINF_TRY(need_arg(r, args, &other));
    EINF_TRY(einf__values_order(r, v, other, &order));
    *out = einf__flag(order >= low && order <= high);
    return EINF_OK;
}

#define ORDER_TEST(test, low, high) \
    static einf_status test(einf__render *r, const einf__value *v, const einf__args *args, einf__value *out) \
    { \
        return ordered(r, v, args, low, high, out); \
    }
ORDER_TEST(is_less, -1, -1)
ORDER_TEST(is_less_or_equal, -1, 0)
ORDER_TEST(is_greater, 1, 1)
ORDER_TEST(is_greater_or_equal, 0, 1)

static einf_status is_in(einf__render *r, const einf__value *v, const einf__args *args, einf__value *out)
{
    const einf__value *other;
    bool is;
    EINF_TRY(need_arg(r, args, &other));
    EINF_TRY(einf__contains(r, v, other, &is));
    *out = einf__flag(is);
    return EINF_OK;
}

static einf_status divides(einf__render *r, const einf__value *v, const einf__value *by, int64_t rest, einf__value *out)
{
    const einf__value wanted = einf__integer(rest);
    einf__value found;
    bool is;
    EINF_TRY(einf__binary(r, EINF__OP_MOD, v, by, &found));
    EINF_TRY(einf__values_equal(r, &found, &wanted, &is));
    *out = einf__flag(is);
    return EINF_OK;
}

static einf_status is_divisible(einf__render *r, const einf__value *v, const einf__args *args, einf__value *out)
{
    const einf__value *by;
    EINF_TRY(need_arg(r, args, &by));
    return divides(r, v, by, 0, out);
}

static einf_status is_even(einf__render *r, const einf__value *v, const einf__args *args, einf__value *out)
{
    const einf__value two = einf__integer(2);
    (void)args;
    return divides(r, v, &two, 0, out);
}

static einf_status is_odd(einf__render *r, const einf__value *v, const einf__args *args, einf__value *out)
{
    const einf__value two = einf__integer(2);
    (void)args;
    return divides(r, v, &two, 1, out);
}

/* Is the text the same in lower or upper case? A text without letters is neither. */
static einf_status is_case(einf__render *r, const einf__value *v, const char *filter, const char *other,
                           einf__value *out)
{
    const einf__args none = { NULL, 0, NULL, 0 };
    einf__value text = { .kind = EINF__V_STRING }, same, changed;
    bool is, has_letters;
    EINF_TRY(einf__to_string(r, v, &text.string));
    v = &text;
    EINF_TRY(einf__filter_find((einf__bytes){ filter, strlen(filter) })->fn(r, v, &none, &same));
    EINF_TRY(einf__filter_find((einf__bytes){ other, strlen(other) })->fn(r, v, &none, &changed));
    EINF_TRY(einf__values_equal(r, v, &same, &is));
    EINF_TRY(einf__values_equal(r, v, &changed, &has_letters));
    *out = einf__flag(is && !has_letters);
    return EINF_OK;
}

static einf_status is_lower(einf__render *r, const einf__value *v, const einf__args *args, einf__value *out)
{
    (void)args;
    return is_case(r, v, "lower", "upper", out);
}

static einf_status is_upper(einf__render *r, const einf__value *v, const einf__args *args, einf__value *out)
{
    (void)args;
    return is_case(r, v, "upper", "lower", out);
}

const einf__function *einf__test_find(einf__bytes name)
{
    static const einf__function table[] = {
        { "defined", is_defined }, { "undefined", is_undefined }, { "none", is_none }, { "boolean", is_boolean },
        { "true", is_true }, { "false", is_false }, { "integer", is_integer }, { "float", is_float },
        { "number", is_number }, { "string", is_string }, { "mapping", is_mapping }, { "sequence", is_sequence },
        { "iterable", is_iterable }, { "callable", is_callable }, { "eq", is_equal }, { "equalto", is_equal },
        { "==", is_equal }, { "sameas", is_equal }, { "ne", is_unequal }, { "!=", is_unequal }, { "lt", is_less },
        { "lessthan", is_less }, { "<", is_less }, { "le", is_less_or_equal }, { "<=", is_less_or_equal },
        { "gt", is_greater }, { "greaterthan", is_greater }, { ">", is_greater }, { "ge", is_greater_or_equal },
        { ">=", is_greater_or_equal }, { "in", is_in }, { "divisibleby", is_divisible }, { "even", is_even },
        { "odd", is_odd }, { "lower", is_lower }, { "upper", is_upper },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (einf__bytes_are(name, table[i].name)) return &table[i];
    return NULL;
}

/* ----------------------------------------------------------------------------------------- global functions -- */

static einf_status global_raise(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__value *v = einf__arg(args, 0, "message");
    const einf__string *text = &(const einf__string){ "the template refuses these messages", NULL, 35, true };
    (void)self, (void)out;
    if (v) EINF_TRY(einf__to_string(r, v, &text));
    return einf__fail(r->err, EINF_E_TEMPLATE, r->at, "chat template", "change the messages as the template asks",
                      "%.*s", text->n < 200 ? (int)text->n : 200, text->p);
}

/* range(end), range(begin, end), range(begin, end, step) */
static einf_status global_range(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    int64_t begin = 0, end, step;
    (void)self;
    EINF_TRY(einf__args_most(r, args, 3, "range"));
    if (args->n == 0) return einf__tmpl_fail(r, "range needs to know where to end");
    EINF_TRY(einf__arg_int(r, args, 0, NULL, 0, &end));
    if (args->n > 1) {
        begin = end;
        EINF_TRY(einf__arg_int(r, args, 1, NULL, 0, &end));
    }
    EINF_TRY(einf__arg_int(r, args, 2, NULL, 1, &step));
    if (step == 0) return einf__tmpl_fail(r, "the step of a range is zero");
    EINF_TRY(einf__make_list(r, EINF__V_LIST, 0, out));
    for (int64_t i = begin; step > 0 ? i < end : i > end;) {
        EINF_TRY(einf__tmpl_charge(r, 1));
        EINF_TRY(einf__list_push(r, out->list, einf__integer(i)));
        if (__builtin_add_overflow(i, step, &i)) break;
    }
    return EINF_OK;
}

/* Named arguments, and the pairs of mappings given as plain ones. */
static einf_status make_of_args(einf__render *r, einf__value_kind kind, const einf__args *args, einf__value *out)
{
    EINF_TRY(einf__make_map(r, kind, out));
    for (uint32_t i = 0; i < args->n; i++) {
        if (args->items[i].kind != EINF__V_MAP)
            return einf__tmpl_fail(r, "expected a mapping, not %s", einf__type_name(&args->items[i]));
        for (uint32_t j = 0; j < args->items[i].map->n; j++)
            EINF_TRY(einf__map_set(r, out->map, args->items[i].map->pairs[j].key, args->items[i].map->pairs[j].value));
    }
    for (uint32_t i = 0; i < args->n_named; i++)
        EINF_TRY(einf__map_set(r, out->map, (einf__value){ .kind = EINF__V_STRING, .string = args->named[i].name },
                               args->named[i].value));
    return EINF_OK;
}

static einf_status global_namespace(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)self;
    return make_of_args(r, EINF__V_NAMESPACE, args, out);
}

static einf_status global_dict(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    (void)self;
    return make_of_args(r, EINF__V_MAP, args, out);
}

/* A calendar day and time of UTC. */
typedef struct moment {
    int64_t year;
    int month, day, hour, minute, second, weekday, yearday; /* month, weekday (Sunday), yearday from 0 */
} moment;

/* Days to a date of the Gregorian calendar: whole eras of 400 years, counted from 1 March. */
static moment moment_of(int64_t now_s)
{
    static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
    moment m;
    int64_t days = now_s / 86400, rest = now_s % 86400;
    if (rest < 0) rest += 86400, days--;
    m.hour = (int)(rest / 3600);
    m.minute = (int)(rest / 60 % 60);
    m.second = (int)(rest % 60);
    m.weekday = (int)(((days + 4) % 7 + 7) % 7);
    days += 719468; /* from 0000-03-01 */
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097, day_of_era = days - era * 146097;
    const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t shifted = (5 * day + 2) / 153; /* month from March */
    m.day = (int)(day - (153 * shifted + 2) / 5 + 1);
    m.month = (int)(shifted < 10 ? shifted + 2 : shifted - 10);
    m.year = year_of_era + era * 400 + (m.month < 2);
    const bool leap = (m.year % 4 == 0 && m.year % 100 != 0) || m.year % 400 == 0;
    m.yearday = before[m.month] + m.day - 1 + (leap && m.month > 1);
    return m;
}

/* What one letter of a format stands for; 0 bytes for a letter we do not know. */
static int moment_text(const moment *m, char letter, char *text, size_t size)
{
    static const char *const days[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };
    static const char *const months[] = { "January", "February", "March", "April", "May", "June", "July", "August",
                                          "September", "October", "November", "December" };
    const int hour12 = m->hour % 12 ? m->hour % 12 : 12;
    switch (letter) {
    case 'Y': return snprintf(text, size, "%04lld", (long long)m->year);
    case 'y': return snprintf(text, size, "%02d", (int)(m->year % 100));
    case 'm': return snprintf(text, size, "%02d", m->month + 1);
    case 'd': return snprintf(text, size, "%02d", m->day);
    case 'e': return snprintf(text, size, "%2d", m->day);
    case 'H': return snprintf(text, size, "%02d", m->hour);
    case 'I': return snprintf(text, size, "%02d", hour12);
    case 'M': return snprintf(text, size, "%02d", m->minute);
    case 'S': return snprintf(text, size, "%02d", m->second);
    case 'f': return snprintf(text, size, "000000");
    case 'p': return snprintf(text, size, "%s", m->hour < 12 ? "AM" : "PM");
    case 'A': return snprintf(text, size, "%s", days[m->weekday]);
    case 'a': return snprintf(text, size, "%.3s", days[m->weekday]);
    case 'B': return snprintf(text, size, "%s", months[m->month]);
    case 'b':
    case 'h': return snprintf(text, size, "%.3s", months[m->month]);
    case 'j': return snprintf(text, size, "%03d", m->yearday + 1);
    case 'w': return snprintf(text, size, "%d", m->weekday);
    case 'F': return snprintf(text, size, "%04lld-%02d-%02d", (long long)m->year, m->month + 1, m->day);
    case 'T': return snprintf(text, size, "%02d:%02d:%02d", m->hour, m->minute, m->second);
    case 'D': return snprintf(text, size, "%02d/%02d/%02d", m->month + 1, m->day, (int)(m->year % 100));
    case 'R': return snprintf(text, size, "%02d:%02d", m->hour, m->minute);
    case 'Z': return snprintf(text, size, "UTC");
    case 'z': return snprintf(text, size, "+0000");
    case 'n': return snprintf(text, size, "\n");
    case 't': return snprintf(text, size, "\t");
    case '%': return snprintf(text, size, "%%");
    default: return 0;
    }
}

static einf_status global_strftime(einf__render *r, const einf__value *self, const einf__args *args, einf__value *out)
{
    const einf__string *format;
    einf__text_out o = { NULL, NULL, 0, 0 };
    (void)self;
    EINF_TRY(einf__arg_string(r, args, 0, "format", &format));
    if (!format) return einf__tmpl_fail(r, "strftime_now needs a format");
    const moment m = moment_of(r->in->now_s);
    for (uint32_t i = 0; i < format->n; i++) {
        char text[32];
        const char c = format->p[i];
        const bool unpadded = c == '%' && i + 1 < format->n && format->p[i + 1] == '-'; /* %-d: glibc's */
        if (c != '%' || i + 1 + unpadded >= format->n) {
            EINF_TRY(einf__out_text(r, &o, &c, 1, true));
            continue;
        }
        i += 1u + unpadded;
        const int n = moment_text(&m, format->p[i], text, sizeof text);
        if (n == 0)
            return einf__tmpl_fail(r, "strftime_now does not know %%%c",
                                   format->p[i] >= ' ' && format->p[i] <= '~' ? format->p[i] : '?');
        const int skip = unpadded && n > 1 && (text[0] == '0' || text[0] == ' ');
        EINF_TRY(einf__out_text(r, &o, text + skip, (uint64_t)(n - skip), true));
    }
    return einf__out_take(r, &o, out);
}

/* Without the cycler, joiner and lipsum of Jinja, which serve pages and not prompts. */
const einf__function *einf__global_find(einf__bytes name)
{
    static const einf__function table[] = {
        { "raise_exception", global_raise }, { "strftime_now", global_strftime }, { "range", global_range },
        { "namespace", global_namespace }, { "dict", global_dict },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (einf__bytes_are(name, table[i].name)) return &table[i];
    return NULL;
}
