/* SPDX-License-Identifier: MIT
 * prof_terminal.c - termios, the alternate screen, signals. What is changed is remembered here and given back.
 */
#include "cli/edgeprof/prof_terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t came;
static struct termios found;
static bool has_keys, has_screen;

static void on_signal(int number)
{
    (void)number;
    came = 1;
}

bool prof_terminal_is_there(void)
{
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

bool prof_terminal_has_utf8(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return strstr(value, "UTF-8") || strstr(value, "utf8");
    }
    return false;
}

int prof_terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void prof_terminal_open(bool screen)
{
    struct sigaction a;
    memset(&a, 0, sizeof a);
    sigemptyset(&a.sa_mask);
    a.sa_handler = on_signal;
    (void)sigaction(SIGINT, &a, NULL);
    (void)sigaction(SIGTERM, &a, NULL);
    (void)sigaction(SIGHUP, &a, NULL);
    if (!screen) return;
    has_keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &found) == 0;
    if (has_keys) {
        struct termios keys = found;
        keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        keys.c_cc[VMIN] = 0;
        keys.c_cc[VTIME] = 0;
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &keys);
    }
    has_screen = true;
    fputs("\033[?1049h\033[?25l", stdout); /* the other screen, no cursor */
    (void)fflush(stdout);
}

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool prof_terminal_wait(double seconds)
{
    const double end_s = now_s() + seconds;
    for (double left = seconds; left > 0 && !came; left = end_s - now_s()) {
        struct pollfd keys = { .fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN };
        const int ready = poll(&keys, 1, (int)(left * 1000) + 1);
        char key;
        if (ready > 0 && read(STDIN_FILENO, &key, 1) == 1 && (key == 'q' || key == 'Q' || key == 4)) return true;
        if (ready > 0 && keys.revents & (POLLHUP | POLLERR | POLLNVAL)) has_keys = false;
    }
    return came != 0;
}

void prof_terminal_close(void)
{
    if (!has_screen) return;
    fputs("\033[?25h\033[?1049l", stdout);
    (void)fflush(stdout);
    if (has_keys) (void)tcsetattr(STDIN_FILENO, TCSANOW, &found);
    has_screen = has_keys = false;
}
