/* SPDX-License-Identifier: MIT
 * interrupt.c - the signal handlers. They do nothing but a few stores.
 */
#include "cli/interrupt.h"

#include <signal.h>
#include <string.h>

/* A handler has no other way to know. Written before the handlers are installed. */
static einf_cancel *the_cancel;
static volatile sig_atomic_t came, must_end;

static void on_signal(int signal_number)
{
    came = 1;
    if (signal_number != SIGINT) must_end = 1;
    einf_cancel_set(the_cancel);
}

static struct sigaction action(void (*handler)(int), int flags)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    sigemptyset(&a.sa_mask);
    a.sa_handler = handler;
    a.sa_flags = flags;
    return a;
}

einf_cancel *cli_interrupt_install(void)
{
    static const int stops[] = { SIGINT, SIGTERM, SIGHUP };
    if (einf_cancel_create(&the_cancel, NULL) != EINF_OK) return NULL;
    /* the second one ends the process; reads are interrupted, not restarted */
    struct sigaction a = action(on_signal, (int)SA_RESETHAND);
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct sigaction old;
        /* nohup stays nohup; SIGINT, which shells switch off for background jobs, is there for who sends it */
        if (stops[i] == SIGHUP && sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler == SIG_IGN) continue;
        sigaction(stops[i], &a, NULL);
    }
    a = action(SIG_IGN, 0);
    sigaction(SIGPIPE, &a, NULL);
    return the_cancel;
}

bool cli_interrupted(void) { return came != 0; }

void cli_interrupt_keep(void)
{
    const struct sigaction a = action(on_signal, 0);
    sigaction(SIGINT, &a, NULL);
}

void cli_interrupt_forget(void)
{
    if (must_end) return;
    came = 0;
    einf_cancel_clear(the_cancel);
}

bool cli_must_end(void) { return must_end != 0; }
