/* SPDX-License-Identifier: MIT
 * profile_loop.c - a program that profiles a loop of its own, and prints what it cost.
 *     cc profile_loop.c $(pkg-config --cflags --libs edgeprof)
 */
#include <edgeprof/edgeprof.h>
#include <stdio.h>

int main(void)
{
    eprof *p = NULL;
    eprof_error e = EPROF_INIT(eprof_error);
    eprof_result cost = EPROF_INIT(eprof_result);
    if (eprof_create(NULL, &p, &e) || eprof_start(p, &e)) return fprintf(stderr, "%s: %s\n", e.message, e.hint), 1;
    eprof_region r = eprof_begin(p, 0, "loop");
    double sum = 0;
    for (int i = 1; i < 100000000; i++) sum += 1.0 / i;
    if (eprof_end(p, r, &cost, &e)) return fprintf(stderr, "%s\n", e.message), 1;
    printf("sum %.3f in %.3f s: %.3f core seconds", sum, cost.elapsed_s, cost.cpu.own_core_s);
    for (int i = 0; i < cost.n_energies; i++)
        if (eprof_has(cost.energy[i].gross_j)) printf(", %s %.3f J", cost.energy[i].source, cost.energy[i].gross_j);
    printf("\n");
    eprof_destroy(&p);
}
