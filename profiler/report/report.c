/* SPDX-License-Identifier: MIT
 * report.c - eprof_write: which format, and what the formats share.
 */
#include "profiler/report/report.h"

#include <stdlib.h>

#include "profiler/run/profiler.h"

const eprof__record *eprof__record_of(const eprof *p) { return p->record; }

eprof_status eprof__results_of(const eprof *p, eprof_result **out, int32_t *n, eprof_error *err)
{
    const int64_t most = eprof__record_of(p)->n_regions + 1; /* and the run */
    *out = NULL;
    *n = 0;
    if (most > INT32_MAX) return eprof__fail(err, EPROF_E_LIMIT, "regions", "", "%lld are too many", (long long)most);
    eprof_result *results = calloc((size_t)most, sizeof *results);
    if (!results) return eprof__fail(err, EPROF_E_NOMEM, "report", "", "no memory for %lld results", (long long)most);
    eprof_status status = EPROF_OK;
    int32_t i = 0;
    for (; i < most && status == EPROF_OK; i++) {
        results[i].struct_size = (uint32_t)sizeof results[i];
        status = eprof_result_of(p, i, &results[i], err);
    }
    if (status != EPROF_OK) {
        free(results);
        return status;
    }
    *out = results;
    *n = i;
    return EPROF_OK;
}

int32_t eprof__depth_of(const eprof__record *r, const eprof_result *region)
{
    if (region->id == 0) return 0;
    int32_t depth = 1;
    eprof_region parent = region->parent;
    while (parent != 0 && depth < EPROF_MAX_REGIONS) { /* a log may tell of circles */
        const eprof__region_record *g = eprof__record_region(r, parent);
        parent = g ? g->parent : 0;
        depth++;
    }
    return depth;
}

eprof_status eprof_write(const eprof *p, int32_t format, eprof_write_fn write, void *user, eprof_error *err)
{
    EPROF__BEGIN(err);
    EPROF__NEED(p, err);
    EPROF__NEED(write, err);
    if (format < EPROF_JSON || format > EPROF_HTML)
        return eprof__fail(err, EPROF_E_ARG, "format", "EPROF_JSON, EPROF_CSV or EPROF_HTML", "there is no format %d",
                           (int)format);
    EPROF__TRY(eprof__need_state(p, 1u << EPROF__STOPPED | 1u << EPROF__REPLAYED, err));
    eprof__out o;
    eprof__out_init(&o, write, user);
    const eprof_status status = format == EPROF_JSON  ? eprof__write_json(p, &o, err)
                                : format == EPROF_CSV ? eprof__write_csv(p, &o, err)
                                                      : eprof__write_html(p, &o, err);
    return status == EPROF_OK ? eprof__out_finish(&o, err) : status;
}
