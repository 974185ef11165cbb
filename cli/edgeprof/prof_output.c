/* SPDX-License-Identifier: MIT
 * prof_output.c - messages, files, numbers for people. The command never calls setlocale: a point is a point.
 */
#include "cli/edgeprof/prof_output.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int prof_fail(int code, const char *hint, const char *format, ...)
{
    va_list args;
    fputs("edgeprof: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (hint && *hint) fprintf(stderr, "  hint: %s\n", hint);
    return code;
}

int prof_print_error(int code, const eprof_error *err)
{
    fprintf(stderr, "edgeprof: %s\n", err->message);
    if (*err->where) fprintf(stderr, "  where: %s\n", err->where);
    if (*err->hint) fprintf(stderr, "  hint: %s\n", err->hint);
    return code;
}

/* ------------------------------------------------------------------------------------------- texts, files -- */

int32_t prof_text_add(void *user, const char *text, uint64_t n_bytes)
{
    prof_text *t = user;
    if (n_bytes >= SIZE_MAX / 4 || t->n >= SIZE_MAX / 4) return 1;
    const size_t want = t->n + (size_t)n_bytes + 1;
    if (want > t->capacity) {
        char *bytes = realloc(t->bytes, 2 * want);
        if (!bytes) return 1;
        t->bytes = bytes;
        t->capacity = 2 * want;
    }
    memcpy(t->bytes + t->n, text, (size_t)n_bytes);
    t->n += (size_t)n_bytes;
    t->bytes[t->n] = '\0';
    return 0;
}

void prof_text_free(prof_text *t)
{
    free(t->bytes);
    *t = (prof_text){ NULL, 0, 0 };
}

int32_t prof_write_file(void *user, const char *text, uint64_t n_bytes)
{
    return fwrite(text, 1, (size_t)n_bytes, user) == n_bytes ? 0 : 1;
}

static int write_to(const eprof *p, int32_t format, FILE *f, int code)
{
    eprof_error err = EPROF_INIT(eprof_error);
    const eprof_status status = eprof_write(p, format, prof_write_file, f, &err);
    if (status == EPROF_E_IO && f == stdout) return PROF_DONE; /* prof_finish_stdout says so */
    return status == EPROF_OK ? PROF_DONE : prof_print_error(code, &err);
}

int prof_write_report(const eprof *p, int32_t format, const char *path, int code)
{
    char part[4096];
    if (strcmp(path, "-") == 0) return write_to(p, format, stdout, code);
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
        return prof_fail(code, NULL, "the path of the report has more than %zu bytes", sizeof part);
    FILE *f = fopen(part, "wbe");
    if (!f) return prof_fail(code, NULL, "cannot write %s: %s", part, strerror(errno));
    int result = write_to(p, format, f, code);
    if (fclose(f) != 0 && result == PROF_DONE)
        result = prof_fail(code, NULL, "cannot write %s: %s", part, strerror(errno));
    if (result == PROF_DONE && rename(part, path) != 0)
        result = prof_fail(code, NULL, "cannot rename %s to %s: %s", part, path, strerror(errno));
    if (result != PROF_DONE) (void)unlink(part);
    return result;
}

int prof_print_json(cJSON *object, int code)
{
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    if (!text) return prof_fail(code, NULL, "out of memory");
    puts(text);
    cJSON_free(text);
    return PROF_DONE;
}

/* Whether stdout is a pipe whose reader left: that is how `| head` ends a program. */
static bool reader_is_gone(void)
{
    struct pollfd p = { .fd = STDOUT_FILENO };
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

int prof_finish_stdout(int code)
{
    const bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (!lost || reader_is_gone()) return code;
    prof_fail(PROF_FAILED, NULL, "cannot write all of the output to stdout");
    return code == PROF_DONE ? PROF_FAILED : code;
}

/* ------------------------------------------------------------------------------------------------- numbers -- */

typedef struct prefix {
    const char *text;
    double factor;
} prefix;

static prefix prefix_for(double x)
{
    static const prefix all[] = { { "n", 1e-9 }, { "µ", 1e-6 }, { "m", 1e-3 }, { "", 1 }, { "k", 1e3 }, { "M", 1e6 } };
    int i = 3;
    while (i > 0 && fabs(x) < 0.9995 * all[i].factor) i--;
    while (i < 5 && fabs(x) >= 999.5 * all[i].factor) i++;
    return x == 0 ? all[3] : all[i];
}

static int decimals_for(double x) { return fabs(x) >= 99.95 ? 0 : fabs(x) >= 9.995 ? 1 : 2; }

const char *prof_si(double x, const char *unit, char buf[PROF_NUMBER])
{
    const prefix p = prefix_for(x);
    if (isnan(x)) snprintf(buf, PROF_NUMBER, "-");
    else snprintf(buf, PROF_NUMBER, "%.*f %s%s", decimals_for(x / p.factor), x / p.factor, p.text, unit);
    return buf;
}

const char *prof_plain(double x, const char *unit, char buf[PROF_NUMBER])
{
    const int decimals = fabs(x) < 0.995 ? 3 : decimals_for(x);
    if (isnan(x)) snprintf(buf, PROF_NUMBER, "-");
    else snprintf(buf, PROF_NUMBER, "%.*f %s", decimals, x, unit);
    return buf;
}

const char *prof_pm(double x, double u95, const char *unit, char buf[PROF_NUMBER])
{
    if (isnan(x) || !isfinite(u95) || u95 <= 0) return prof_si(x, unit, buf);
    const prefix p = prefix_for(fabs(x) > u95 ? x : u95);
    const double u = u95 / p.factor;
    const int digits = 1 - (int)floor(log10(u)), decimals = digits < 0 ? 0 : digits > 4 ? 4 : digits;
    snprintf(buf, PROF_NUMBER, "%.*f ± %.*f %s%s", decimals, x / p.factor, decimals, u, p.text, unit);
    return buf;
}

const char *prof_mib(double mib, char buf[PROF_NUMBER])
{
    const bool is_gib = fabs(mib) >= 1024;
    const double x = is_gib ? mib / 1024 : mib;
    if (isnan(mib)) snprintf(buf, PROF_NUMBER, "-");
    else snprintf(buf, PROF_NUMBER, "%.*f %s", decimals_for(x), x, is_gib ? "GiB" : "MiB");
    return buf;
}

/* ---------------------------------------------------------------------------------------------------- cost -- */

static void print_energy(FILE *f, const eprof_energy *e)
{
    char a[PROF_NUMBER], b[PROF_NUMBER], c[PROF_NUMBER];
    const char *estimate = e->cls == EPROF_CLASS_MODEL ? " est." : "";
    if (eprof_has(e->net_j)) {
        fprintf(f, "  energy    %s%s net (%s), %s gross: %s, %s, grade %c\n", prof_pm(e->net_j, 2 * e->u_net_j, "J", a),
                estimate, prof_pm(e->net_j / 3600, 2 * e->u_net_j / 3600, "Wh", b), prof_si(e->gross_j, "J", c),
                e->source, eprof_scope_name(e->scope), e->grade ? (char)e->grade : '-');
        return;
    }
    fprintf(f, "  energy    %s%s gross (%s): %s, %s\n", prof_pm(e->gross_j, 2 * e->u_gross_j, "J", a), estimate,
            prof_si(e->gross_j / 3600, "Wh", b), e->source, eprof_scope_name(e->scope));
}

void prof_print_cost(FILE *f, const eprof_result *r)
{
    char a[PROF_NUMBER], b[PROF_NUMBER];
    fprintf(f, "  elapsed   %s\n", prof_plain(r->elapsed_s, "s", a));
    if (eprof_has(r->cpu.own_core_s))
        fprintf(f, "  CPU       %s, AUC %s\n", prof_plain(r->cpu.own_core_s, "core·s", a),
                prof_plain(r->cpu.auc_exact_pct_s, "%·s", b));
    if (eprof_has(r->ram.anon_peak_mib))
        fprintf(f, "  memory    peak %s, and %s of mapped files\n", prof_mib(r->ram.anon_peak_mib, a),
                prof_mib(r->ram.file_peak_mib, b));
    for (int32_t i = 0; i < r->n_energies; i++) print_energy(f, &r->energy[i]);
    if (r->n_energies == 0) fprintf(f, "  energy    not measured: edgeprof sources says why\n");
}
