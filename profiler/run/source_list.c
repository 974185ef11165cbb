/* SPDX-License-Identifier: MIT
 * source_list.c - `sources` of the config: which probes run, with which addresses, and which of their finds are left
 * out.
 *
 *   list   word[,word]...           "auto,shelly:192.168.1.7,-msr"
 *   word   auto | none | FAMILY | FAMILY:ADDRESS | NAME | -FAMILY | -NAME
 *
 * A name is one that eprof_source gave, "powercap:package-0": its family is probed and the rest of it is left out,
 * where another word does not ask for that. A minus takes away, wherever it stands. A word that means nothing is
 * refused.
 */
#include "profiler/run/profiler.h"

#include <stdio.h>
#include <string.h>

enum { MAX_WORDS = 32, MAX_WORD = 128 };

typedef void (*plain_probe)(eprof__sources *all);
typedef void (*address_probe)(eprof__sources *all, const char *address);

typedef struct family {
    const char *name;
    plain_probe probe;           /* or */
    address_probe probe_at;      /* takes an address; */
    bool needs_address;          /* and finds nothing without one, so that auto leaves it out */
} family;

static void probe_shelly(eprof__sources *all, const char *address) { eprof__probe_plug(all, "shelly", address); }
static void probe_tasmota(eprof__sources *all, const char *address) { eprof__probe_plug(all, "tasmota", address); }

/* In the order in which they are probed. A Bluetooth meter is not called unasked: that would open a connection. */
static const family families[] = {
    { "perf", eprof__probe_perf_energy, NULL, false }, { "powercap", eprof__probe_powercap, NULL, false },
    { "msr", eprof__probe_msr, NULL, false },          { "pmic", eprof__probe_pmic, NULL, false },
    { "hwmon", eprof__probe_hwmon, NULL, false },      { "iio", eprof__probe_iio, NULL, false },
    { "battery", eprof__probe_battery, NULL, false },  { "ioreport", eprof__probe_ioreport, NULL, false },
    { "fnirsi", NULL, eprof__probe_fnirsi, false },    { "km003c", NULL, eprof__probe_km003c, false },
    { "um25c", NULL, eprof__probe_um25c, true },       { "shelly", NULL, probe_shelly, true },
    { "tasmota", NULL, probe_tasmota, true },          { "scpi", NULL, eprof__probe_scpi, true },
    { "csv", NULL, eprof__probe_meter_csv, true },     { "model", eprof__probe_model, NULL, false },
};
enum { N_FAMILIES = sizeof families / sizeof families[0] };

typedef struct words {
    int n;
    char list[MAX_WORDS][MAX_WORD];
} words;

/* ------------------------------------------------------------------------------------------------ words -- */

static bool begins_family(const char *word, const char *name)
{
    const size_t n = strlen(name);
    return strncmp(word, name, n) == 0 && (word[n] == '\0' || word[n] == ':');
}

/* "powercap" means every "powercap:..."; a whole name means itself. */
static bool means(const char *word, const char *source)
{
    return strcmp(word, source) == 0 || (!strchr(word, ':') && begins_family(source, word));
}

static bool is_known(const char *word)
{
    if (strcmp(word, "auto") == 0 || strcmp(word, "none") == 0) return true;
    for (int i = 0; i < N_FAMILIES; i++)
        if (begins_family(word, families[i].name)) return true;
    return false;
}

static eprof_status split(const char *list, words *out, eprof_error *err)
{
    out->n = 0;
    for (const char *p = list; *p; p += *p == ',') {
        p += strspn(p, " ");
        size_t n = strcspn(p, ",");
        const size_t whole = n;
        while (n > 0 && p[n - 1] == ' ') n--;
        if (n >= MAX_WORD || out->n == MAX_WORDS)
            return eprof__fail(err, EPROF_E_LIMIT, "sources", "", "there are %d words of %d bytes at most", MAX_WORDS,
                               MAX_WORD - 1);
        if (n > 0) {
            char *word = out->list[out->n++];
            memcpy(word, p, n);
            word[n] = '\0';
            if (!is_known(word + (word[0] == '-')))
                return eprof__fail(err, EPROF_E_ARG, "sources", "run `edgeprof sources` for the names there are",
                                   "there is no source called \"%s\"", word);
        }
        p += whole;
    }
    return EPROF_OK;
}

/* ------------------------------------------------------------------------------------------------ probes -- */

static bool has_auto(const words *w)
{
    for (int i = 0; i < w->n; i++)
        if (strcmp(w->list[i], "auto") == 0) return true;
    return w->n == 0;
}

/* A source stays when a word asks for it and none takes it away. */
static bool is_wanted(const words *w, const family *f, const char *source)
{
    bool wanted = has_auto(w) && !f->needs_address;
    for (int i = 0; i < w->n; i++) {
        const char *word = w->list[i];
        if (word[0] == '-' && means(word + 1, source)) return false;
        if (means(word, source)) wanted = true;
        /* An address is not a name: what the probe found at it is what was asked for. */
        if (f->probe_at && begins_family(word, f->name) && strchr(word, ':')) wanted = true;
    }
    return wanted;
}

static void close_source(eprof__source *s, const eprof_io *io)
{
    if (s->ops && s->ops->close) s->ops->close(s, io);
}

/* Drop what was found from number `first` on and is not wanted. */
static void sift(eprof__sources *all, int32_t first, const words *w, const family *f)
{
    int32_t n = first;
    for (int32_t i = first; i < all->n; i++) {
        if (is_wanted(w, f, all->list[i].info.name)) {
            if (n != i) all->list[n] = all->list[i];
            n++;
        } else {
            close_source(&all->list[i], all->io);
        }
    }
    all->n = n;
}

static void probe_family(eprof__sources *all, const words *w, const family *f)
{
    const int32_t first = all->n;
    bool anywhere = has_auto(w) && !f->needs_address, once = false;
    for (int i = 0; i < w->n; i++) {
        const char *word = w->list[i], *colon = strchr(word, ':');
        if (!begins_family(word, f->name)) continue;
        if (f->probe_at && colon)
            f->probe_at(all, colon + 1), once = true;
        else
            anywhere = true;
    }
    if (anywhere && f->probe) f->probe(all);
    if (anywhere && f->probe_at && !once) f->probe_at(all, NULL);
    sift(all, first, w, f);
}

eprof_status eprof__probe_sources(eprof__sources *all, const char *list, eprof_error *err)
{
    words w;
    EPROF__TRY(split(list ? list : "auto", &w, err));
    eprof__probe_process(all);
    eprof__probe_machine(all);
    for (int i = 0; i < N_FAMILIES; i++) probe_family(all, &w, &families[i]);
    return EPROF_OK;
}
