/* SPDX-License-Identifier: MIT
 * prof_child.c - fork, two pipes, signals, wait.
 */
#include "cli/edgeprof/prof_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A handler has no other way to know. */
static volatile sig_atomic_t the_pid;

/* The terminal's own signals (SI_KERNEL) went to the whole group, and the command with it. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    (void)context;
    const int saved = errno;
    if (info->si_code <= 0 && the_pid > 0) (void)kill((pid_t)the_pid, number);
    errno = saved;
}

/* While the command runs: before and after it, signals end us as they end any program. pid 0: no longer. */
static void pass_signals_on(pid_t pid)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
    struct sigaction a;
    memset(&a, 0, sizeof a);
    sigemptyset(&a.sa_mask);
    if (pid > 0) {
        a.sa_sigaction = pass_on;
        a.sa_flags = SA_SIGINFO | SA_RESTART;
    } else {
        a.sa_handler = SIG_DFL;
    }
    the_pid = (sig_atomic_t)pid;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction old;
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN && numbers[i] == SIGHUP)
            continue; /* nohup */
        (void)sigaction(numbers[i], &a, NULL);
    }
}

/* In the child. The signals' dispositions are those that we were started with: handlers come later. */
static void run_command(char **command, bool to_stderr, int go_fd, int failure_fd)
{
    char go;
    ssize_t n;
    do n = read(go_fd, &go, 1);
    while (n < 0 && errno == EINTR);
    if (n != 1) _exit(125);
    if (!to_stderr || dup2(STDERR_FILENO, STDOUT_FILENO) == STDOUT_FILENO) (void)execvp(command[0], command);
    const int why = errno;
    n = write(failure_fd, &why, sizeof why);
    _exit(n == (ssize_t)sizeof why ? 127 : 125);
}

bool prof_child_start(prof_child *c, char **command, bool to_stderr)
{
    int go[2], failure[2];
    if (pipe2(go, O_CLOEXEC) != 0) return false;
    if (pipe2(failure, O_CLOEXEC) != 0) {
        (void)close(go[0]);
        (void)close(go[1]);
        return false;
    }
    *c = (prof_child){ .go_fd = go[1], .failure_fd = failure[0] };
    c->pid = fork();
    if (c->pid == 0) {
        (void)close(go[1]);
        (void)close(failure[0]);
        run_command(command, to_stderr, go[0], failure[1]);
    }
    const int why = errno;
    (void)close(go[0]);
    (void)close(failure[1]);
    if (c->pid < 0) {
        (void)close(go[1]);
        (void)close(failure[0]);
        errno = why;
        return false;
    }
    return true;
}

void prof_child_go(prof_child *c)
{
    const char go = 1;
    ssize_t n;
    void (*const old)(int) = signal(SIGPIPE, SIG_IGN); /* a signal may have ended it while it waited */
    pass_signals_on(c->pid);
    do n = write(c->go_fd, &go, 1);
    while (n < 0 && errno == EINTR);
    (void)signal(SIGPIPE, old);
    (void)close(c->go_fd);
    c->go_fd = -1;
    do n = read(c->failure_fd, &c->exec_errno, sizeof c->exec_errno);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof c->exec_errno) c->exec_errno = 0;
    (void)close(c->failure_fd);
    c->failure_fd = -1;
}

void prof_child_await(const prof_child *c)
{
    siginfo_t info;
    while (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) continue;
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

prof_end prof_child_reap(prof_child *c)
{
    struct rusage use;
    int status = 0;
    memset(&use, 0, sizeof use);
    while (wait4(c->pid, &status, 0, &use) < 0 && errno == EINTR) continue;
    pass_signals_on(0);
#ifdef __APPLE__
    const double rss_bytes = (double)use.ru_maxrss;
#else
    const double rss_bytes = (double)use.ru_maxrss * 1024;
#endif
    return (prof_end){ .exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
                       .cpu_core_s = seconds(use.ru_utime) + seconds(use.ru_stime),
                       .rss_peak_mib = rss_bytes / (1024 * 1024) };
}

void prof_child_drop(prof_child *c)
{
    if (c->go_fd >= 0) (void)close(c->go_fd);
    if (c->failure_fd >= 0) (void)close(c->failure_fd);
    c->go_fd = c->failure_fd = -1;
    (void)prof_child_reap(c);
}
