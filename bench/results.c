/* SPDX-License-Identifier: MIT
 * results.c - writes estimates, reads them back, and compares two runs.
 *
 * Numbers are written with as many digits as they need to be read back the same, which is cJSON's doing.
 */
#include "bench/results.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/arguments.h"

enum { MAX_FILE_BYTES = 64 << 20 };

/* ----------------------------------------------------------------------------------------------- writing -- */

cJSON *bench_result_json(bench_estimate e, const double *v, int n)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddNumberToObject(j, "median", e.median);
    cJSON_AddNumberToObject(j, "low95", e.low95);
    cJSON_AddNumberToObject(j, "high95", e.high95);
    if (v) cJSON_AddItemToObject(j, "samples", cJSON_CreateDoubleArray(v, n));
    return j;
}

bool bench_print_json(const char *program, cJSON *j)
{
    char *text = cJSON_PrintUnformatted(j);
    cJSON_Delete(j);
    const bool ok = text && puts(text) >= 0 && fflush(stdout) == 0;
    if (!ok) fprintf(stderr, "%s: %s\n", program, text ? strerror(errno) : "out of memory");
    cJSON_free(text);
    return ok;
}

/* ----------------------------------------------------------------------------------------------- reading -- */

int bench_result_samples(const cJSON *result, double v[BENCH_MAX_SAMPLES])
{
    const cJSON *samples = cJSON_GetObjectItemCaseSensitive(result, "samples"), *item;
    int n = 0;
    cJSON_ArrayForEach(item, samples) {
        if (!cJSON_IsNumber(item) || !(item->valuedouble > 0) || n == BENCH_MAX_SAMPLES) return 0;
        v[n++] = item->valuedouble;
    }
    return n;
}

/* A whole file with a NUL behind it; NULL with errno. */
static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    long size = -1;
    if (f && fseek(f, 0, SEEK_END) == 0) size = ftell(f);
    if (size > MAX_FILE_BYTES) errno = EFBIG;
    else if (size >= 0) text = calloc((size_t)size + 1, 1);
    if (text) {
        rewind(f);
        if (fread(text, 1, (size_t)size, f) != (size_t)size) {
            free(text);
            text = NULL;
            errno = EIO;
        }
    }
    if (f) fclose(f);
    return text;
}

cJSON *bench_results_load(const char *program, const char *path, const char *schema, int *exit_code)
{
    char *text = read_file(path);
    if (!text) {
        fprintf(stderr, "%s: %s: %s\n", program, path, strerror(errno));
        *exit_code = BENCH_EXIT_FAILED;
        return NULL;
    }
    cJSON *j = cJSON_Parse(text);
    free(text);
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(j, "schema"));
    if (found && strcmp(found, schema) == 0) return j;
    fprintf(stderr, "%s: %s: %s%s, expected \"%s\"\n  hint: give a file that %s --json wrote\n", program, path,
            !j ? "no JSON" : found ? "its schema is " : "it has no schema", found ? found : "", schema, program);
    cJSON_Delete(j);
    *exit_code = BENCH_EXIT_BAD_FILE;
    return NULL;
}

/* --------------------------------------------------------------------------------------------- comparing -- */

void bench_compare_line(bench_comparison *c, const char *name, const double *new_v, int n_new, const double *old_v,
                        int n_old, const char *unit)
{
    if (n_new < 1 || n_old < 1) {
        c->n_missing++;
        return;
    }
    const bench_estimate ratio = bench_ratio_of(new_v, n_new, old_v, n_old);
    const bool differs = bench_differs(ratio);
    if (!differs) c->n_same++;
    else if (ratio.median > 1) c->n_faster++;
    else c->n_slower++;
    printf("%-52s %9.3f -> %9.3f %-18s x %.3f (%.3f to %.3f)%s\n", name, bench_median(old_v, n_old),
           bench_median(new_v, n_new), unit, ratio.median, ratio.low95, ratio.high95,
           !differs ? "" : ratio.median > 1 ? "  FASTER" : "  SLOWER");
}

void bench_compare_end(const bench_comparison *c)
{
    printf("%d faster, %d slower, %d within the noise of these two runs, %d that the other has not\n", c->n_faster,
           c->n_slower, c->n_same, c->n_missing);
}
