/* SPDX-License-Identifier: MIT
 * advise_report.c - the advice and its grounds for a person.
 *
 * stdout carries tables and, as its last line, the advice. What was not measured is not printed.
 */
#include "cli/advise_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/numbers.h"

static bool has_joules(const advise_findings *f) { return eprof_has(f->forecasts[f->ladder.top].gross_j.value); }

static const advise_forecast *forecast_of(const advise_findings *f, const advise_setting *s)
{
    return &f->forecasts[s - f->ladder.items];
}

const advise_setting *advise_choice(const advise_findings *f)
{
    return f->n_agreements > 0 ? f->agreements[f->smallest].setting : &f->ladder.items[f->ladder.knee];
}

/* ------------------------------------------------------------------------------------------------ forecast -- */

static const char *limit_name(const advise_ladder *l)
{
    return l->limit_is_options ? "as asked for" : l->limit_is_files ? "as the file says" : "the default";
}

static void print_head(const advise_findings *f)
{
    const advise_ladder *l = &f->ladder;
    printf("%s: %ux%u pixels, %u tokens at its own size; limit %u tokens, %s\n", f->picture ? f->picture : "a picture",
           (unsigned)l->width, (unsigned)l->height, (unsigned)l->own_tokens, (unsigned)l->limit_tokens, limit_name(l));
    if (f->cases->n_pictures > 1)
        printf("the largest of %llu pictures\n", (unsigned long long)f->cases->n_pictures);
    printf("seconds and joules: encoding, prompt of image and %u tokens, answer of %u tokens\n\n",
           (unsigned)f->request.n_text, (unsigned)f->request.n_answer);
}

static const char *interval_text(advise_interval x, char *buf, size_t buf_bytes)
{
    snprintf(buf, buf_bytes, "%.3g (%.3g..%.3g)", x.value, x.low, x.high);
    return buf;
}

static void print_setting(const advise_findings *f, const advise_setting *s)
{
    const advise_forecast *forecast = forecast_of(f, s);
    char size[24], seconds[64], joules[64] = "", memory[32];
    if (s->is_refused) {
        printf("%-26s more than the encoder takes\n", s->option);
        return;
    }
    snprintf(size, sizeof size, "%ux%u", (unsigned)s->sizes.width, (unsigned)s->sizes.height);
    interval_text(forecast->total_s, seconds, sizeof seconds);
    if (has_joules(f)) interval_text(forecast->gross_j, joules, sizeof joules);
    printf("%-26s %9s %6u %7u  %-24s %-*s%9s", s->option, size, (unsigned)s->sizes.n_tokens,
           (unsigned)s->sizes.n_patches, seconds, has_joules(f) ? 25 : 0, joules,
           cli_size_text(s->sizes.encode_bytes, memory, sizeof memory));
    if (s == &f->ladder.items[f->ladder.knee]) printf("  knee");
    if (s->is_beyond) printf("  beyond the limit");
    if (!s->fits_context) printf("  needs more context than %u", (unsigned)f->n_ctx);
    putchar('\n');
}

static void print_forecasts(const advise_findings *f)
{
    printf("%-26s %9s %6s %7s  %-24s %-*s%9s\n", "setting", "size", "tokens", "patches", "seconds (95 %)",
           has_joules(f) ? 25 : 0, has_joules(f) ? "joules (95 %)" : "", "memory");
    for (int i = 0; i < f->ladder.n; i++) print_setting(f, &f->ladder.items[i]);
}

static void print_flat(const advise_findings *f)
{
    const advise_ladder *l = &f->ladder;
    const advise_setting *knee = &l->items[l->knee];
    const bool own = l->own_tokens <= knee->sizes.n_tokens;
    if (own)
        printf("flat: from %s up nothing changes: the picture's own size is reached\n", knee->option);
    else
        printf("flat: from %s to %u nothing changes; without the limit it would grow to %u tokens\n", knee->option,
               (unsigned)l->items[l->top].max_tokens, (unsigned)l->own_tokens);
}

static double rate_of(const advise_law *law)
{
    const advise_point *last = &law->points[law->n_points > 0 ? law->n_points - 1 : 0];
    return last->seconds > 0 ? last->n_tokens / last->seconds : 0;
}

static void print_calibration(const advise_findings *f)
{
    const advise_machine *m = &f->machine;
    printf("\ncalibrated in %.1f s: %.4g image tokens/s, prompt %.4g, answer %.4g tokens/s; off by %.0f %% in "
           "calibration, repeats by %.0f %%\n", m->elapsed_s, rate_of(&m->encode), rate_of(&m->prefill),
           rate_of(&m->decode), 100 * m->residual, 100 * m->noise);
    if (m->source[0])
        printf("energy: %s, %s%s, gross\n", m->source, eprof_scope_name(m->scope),
               m->cls == EPROF_CLASS_MODEL ? ", an estimate" : "");
    else if (f->engine->profiler)
        printf("energy: nothing measures it here; `edgeprof sources` says what could\n");
}

/* ----------------------------------------------------------------------------------------------- agreement -- */

static double percent(size_t n, size_t of) { return of ? 100.0 * (double)n / (double)of : 0; }

static void print_agreements(const advise_findings *f)
{
    const bool by_answers = f->agreements[0].n_expected > 0;
    printf("\nanswers compared with those of %s: pictures %llu, answers %llu\n", f->agreements[0].setting->option,
           (unsigned long long)f->agreements[0].n_pictures, (unsigned long long)f->agreements[0].n_cases);
    printf("%-26s %6s %7s %7s %9s %8s %8s%s\n", "setting", "tokens", "equal", "stable", "pictures", "leading",
           "words off", by_answers ? "    right" : "");
    for (int i = 0; i < f->n_agreements; i++) {
        const advise_agreement *a = &f->agreements[i];
        printf("%-26s %6.0f %5.1f %% %5.1f %% %9llu %6.1f %% %6.1f %%", a->setting->option, a->mean_image_tokens,
               percent(a->n_equal, a->n_cases), percent(a->n_stable, a->n_cases),
               (unsigned long long)a->n_stable_pictures, 100 * a->leading_share, 100 * a->word_distance);
        if (by_answers) printf("  %5.1f %%", percent(a->n_right, a->n_expected));
        printf("%s\n", i == f->smallest ? "  <-" : "");
    }
}

/* Upper end of Wilson's 95 % interval of a share. */
static double wilson_high(size_t n_hit, size_t n)
{
    const double z = 1.96, count = (double)n, p = count > 0 ? (double)n_hit / count : 1;
    if (n == 0) return 1;
    return (p + z * z / (2 * count) + z * sqrt(p * (1 - p) / count + z * z / (4 * count * count))) /
           (1 + z * z / count);
}

static void print_grounds(const advise_findings *f)
{
    const advise_agreement *a = &f->agreements[f->smallest];
    const size_t n_off = a->n_pictures - a->n_stable_pictures;
    printf("rests on %llu picture%s", (unsigned long long)a->n_pictures, a->n_pictures == 1 ? "" : "s");
    if (a->setting->sizes.n_tokens != f->agreements[0].setting->sizes.n_tokens) /* else nothing can differ */
        printf(": of others, up to %.0f %% may be answered otherwise than at larger settings (95 %%)",
               100 * wilson_high(n_off, a->n_pictures));
    putchar('\n');
}

/* -------------------------------------------------------------------------------------------------- advice -- */

static void print_cost(const advise_findings *f, const advise_setting *s)
{
    const advise_forecast *forecast = forecast_of(f, s);
    printf("%u tokens, %.3g s", (unsigned)s->sizes.n_tokens, forecast->total_s.value);
    if (has_joules(f)) printf(", %.3g J", forecast->gross_j.value);
}

static void print_other(const advise_agreement *a)
{
    printf("; with %s ", a->setting->option);
    if (a->n_expected > 0) printf("%.4g %%", percent(a->n_right, a->n_expected));
    else printf("%llu", (unsigned long long)a->n_stable);
}

static void print_compared_advice(const advise_findings *f)
{
    const advise_agreement *a = &f->agreements[f->smallest], *top = &f->agreements[0];
    if (top->n_expected > 0)
        printf("%.4g %% of %llu answers are right, %.4g %% with %s", percent(a->n_right, a->n_expected),
               (unsigned long long)a->n_expected, percent(top->n_right, top->n_expected), top->setting->option);
    else
        printf("%llu of %llu answers are those of all larger settings", (unsigned long long)a->n_stable,
               (unsigned long long)a->n_cases);
    printf(" (");
    print_cost(f, a->setting);
    if (a->setting->sizes.n_tokens != top->setting->sizes.n_tokens) {
        printf(" instead of ");
        print_cost(f, top->setting);
    }
    printf(")");
    int best = f->smallest; /* a smaller one may be better all the same, behind one that is worse */
    for (int i = f->smallest + 2; i < f->n_agreements; i++)
        if (top->n_expected > 0 && f->agreements[i].n_right >= f->agreements[best].n_right) best = i;
    if (f->smallest + 1 < f->n_agreements) print_other(a + 1);
    if (best > f->smallest) print_other(&f->agreements[best]);
}

static void print_forecast_advice(const advise_findings *f)
{
    const advise_ladder *l = &f->ladder;
    const bool own = l->own_tokens <= l->items[l->knee].sizes.n_tokens;
    printf("the least that shows %s (", own ? "the picture at its own size"
                                            : "as much of the picture as the limit allows");
    print_cost(f, &l->items[l->knee]);
    printf(")");
    if (l->knee + 1 < l->n_steps) {
        printf("; %s would take ", l->items[l->knee + 1].option);
        print_cost(f, &l->items[l->knee + 1]);
    }
    printf("; --compare says which smaller one answers alike");
}

void advise_print(const advise_findings *f)
{
    print_head(f);
    print_forecasts(f);
    print_calibration(f);
    print_flat(f);
    if (f->n_agreements > 0) {
        print_agreements(f);
        print_grounds(f);
    }
    printf("use %s: ", advise_choice(f)->option);
    if (f->n_agreements > 0) print_compared_advice(f);
    else print_forecast_advice(f);
    putchar('\n');
}
