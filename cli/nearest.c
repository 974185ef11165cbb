/* SPDX-License-Identifier: MIT
 * nearest.c - the distance of Damerau and Levenshtein, and how near is near enough to be offered.
 */
#include "cli/nearest.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { MAX_NAME = 24 };

static int min3(int a, int b, int c)
{
    const int ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Insertions, deletions, changes and swaps of neighbours that turn a into b; each of at most MAX_NAME characters. */
static int distance(const char *a, const char *b)
{
    int d[MAX_NAME + 1][MAX_NAME + 1]; /* [i][j]: of the first i characters of a and the first j of b */
    const int n_a = (int)strlen(a), n_b = (int)strlen(b);
    for (int i = 0; i <= n_a; i++) d[i][0] = i;
    for (int j = 0; j <= n_b; j++) d[0][j] = j;
    for (int i = 1; i <= n_a; i++) {
        for (int j = 1; j <= n_b; j++) {
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = min3(d[i][j], d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[n_a][n_b];
}

const char *cli_nearest(const char *typed, const char *const *names, int n)
{
    const size_t length = strlen(typed);
    const char *best = NULL;
    int best_distance = length < 4 ? 2 : 3; /* to be below */
    if (length > MAX_NAME) return NULL;
    for (int i = 0; i < n; i++) {
        if (strlen(names[i]) > MAX_NAME) continue;
        int d = distance(typed, names[i]);
        if (d > 0 && length >= 3 && strncmp(typed, names[i], length) == 0) d = 1; /* the beginning of a name */
        const bool shorter = best && d == best_distance && strlen(names[i]) < strlen(best); /* --tem is --temp */
        if (d < best_distance || shorter) best = names[i], best_distance = d;
    }
    return best;
}
