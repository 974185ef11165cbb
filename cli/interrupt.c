/* SPDX-License-Identifier: MIT
 * interrupt.c - the signal handlers. They do nothing but two stores.
 */
#include "cli/interrupt.h"

#include <signal.h>
#include <string.h>

/* A handler has no other way to know. Written before the handlers are installed. */
static einf_cancel *the_cancel;
static volatile sig_atomic_t came;

static void on_signal(int signal_number)
{
    (void)signal_number;
    came = 1;
    einf_cancel_set(the_cancel);
}

einf_cancel *cli_interrupt_install(void)
{
    static const int stops[] = { SIGINT, SIGTERM, SIGHUP };
    if (einf_cancel_create(&the_cancel, NULL) != EINF_OK) return NULL;
    struct sigaction a;
    memset(&a, 0, sizeof a);
    sigemptyset(&a.sa_mask);
    a.sa_handler = on_signal;
    a.sa_flags = (int)SA_RESETHAND; /* the second one ends the process; reads are interrupted, not restarted */
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct sigaction old;
        /* nohup stays nohup; SIGINT, which shells switch off for background jobs, is there for who sends it */
        if (stops[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN) continue;
        sigaction(stops[i], &a, NULL);
    }
    a.sa_handler = SIG_IGN;
    a.sa_flags = 0;
    sigaction(SIGPIPE, &a, NULL);
    return the_cancel;
}

bool cli_interrupted(void) { return came != 0; }
