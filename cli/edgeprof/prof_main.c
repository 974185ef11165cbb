/* SPDX-License-Identifier: MIT
 * prof_main.c - the edgeprof command: which verb, and help for those who look for one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <edgeprof/edgeprof.h>

#include "cli/edgeprof/prof_options.h"
#include "cli/edgeprof/prof_output.h"
#include "cli/nearest.h"

static const prof_verb verbs[] = {
    { "run", PROF_RUN, "what a command costs", "[options] -- COMMAND [ARGUMENT]...",
      "Runs a command and says what it and its descendants cost: time, CPU, memory, energy. The command's\n"
      "stdout passes through; with --json it goes to stderr, and stdout is one object.",
      "  edgeprof run -- make -j4\n"
      "  edgeprof run --baseline 10 --report cost.html -o cost.log -- edgeinfer run model.gguf -p Hello\n"
      "  edgeprof run --json -- sleep 1 | jq '.energy[0].gross_j'",
      "the command's, 128 + N when signal N ended it, 2 usage, 125 our own failure,\n"
      "  126 the command cannot be run, 127 it is not there", prof_run },
    { "sources", PROF_SOURCES, "what can measure energy here, and why the rest cannot", "[options]",
      "Looks at every source of energy this release knows. One that is there and does not measure says why,\n"
      "and which one command would change that.",
      "  edgeprof sources\n"
      "  edgeprof sources --sources auto,shelly:192.168.1.7\n"
      "  edgeprof sources --json | jq '.sources[] | select(.live)'",
      "0 done, 1 failed, 2 usage", prof_sources },
    { "watch", PROF_WATCH, "CPU, memory and power as they are", "[options]",
      "At a terminal: a view that is drawn anew every second; q or Ctrl-C ends it. Elsewhere: a line a second.",
      "  edgeprof watch\n"
      "  edgeprof watch -s 5 -n 12 >power.txt",
      "0 done, 1 failed, 2 usage", prof_watch },
    { "replay", PROF_REPLAY, "the numbers of a log, worked out again", "LOG [options]",
      "Reads a log of run and works every number out again: the same bits on any machine.",
      "  edgeprof replay cost.log\n"
      "  edgeprof replay cost.log --csv >cost.csv\n"
      "  edgeprof replay cost.log --json | jq '.regions[1].energy[0]'",
      "0 done, 1 failed, 2 usage, 3 not a log", prof_replay },
    { "report", PROF_REPORT, "a page of a log: plots, tables, how each number came about", "LOG -o FILE",
      "Writes one HTML page that needs nothing else: power, CPU and memory over time, what each region cost,\n"
      "and how far that can be trusted.",
      "  edgeprof report cost.log -o cost.html",
      "0 done, 1 failed, 2 usage, 3 not a log", prof_report },
};
enum { N_VERBS = sizeof verbs / sizeof verbs[0] };

static void print_summary(void)
{
    puts("edgeprof " EPROF_VERSION ": what a program costs in CPU, memory and energy.\n\nverbs:");
    for (int i = 0; i < N_VERBS; i++) printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
    puts("try:\n"
         "  edgeprof sources\n"
         "  edgeprof run -- sleep 1\n"
         "  edgeprof help run");
}

static void print_help(void)
{
    print_summary();
    puts("\nstdout carries the answer alone; edgeprof VERB --help says the rest.\n\n"
         "options:\n"
         "      --version                 the version, and that of the library's interface\n"
         "      --help                    this text\n\n"
         "exit codes: 0 done, 1 failed, 2 usage, 3 not a log; run: the command's, or 125.");
}

static const prof_verb *find_verb(const char *name)
{
    for (int i = 0; i < N_VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    return NULL;
}

static int unknown_verb(const char *name)
{
    const char *names[N_VERBS + 1];
    char hint[96];
    for (int i = 0; i < N_VERBS; i++) names[i] = verbs[i].name;
    names[N_VERBS] = "help";
    const char *near = cli_nearest(name, names, N_VERBS + 1);
    if (near) snprintf(hint, sizeof hint, "did you mean edgeprof %s?", near);
    else snprintf(hint, sizeof hint, "edgeprof help lists the verbs");
    return prof_fail(PROF_USAGE, hint, "there is no verb \"%s\"", name);
}

static int help(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        print_help();
        return PROF_DONE;
    }
    const prof_verb *verb = find_verb(argv[1]);
    if (!verb) return unknown_verb(argv[1]);
    prof_options_help(verb);
    return PROF_DONE;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_summary();
        return PROF_DONE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return help(argc - 1, argv + 1);
    if (strcmp(word, "--version") == 0) {
        printf("edgeprof %s (interface %u)\n", eprof_version(), (unsigned)eprof_abi_version());
        return PROF_DONE;
    }
    const prof_verb *verb = find_verb(word);
    if (!verb) return unknown_verb(word);
    prof_options options;
    const int code = prof_options_parse(verb, argc - 1, argv + 1, &options);
    return code >= 0 ? code : verb->run(&options);
}

/* Started with stdin, stdout or stderr closed, the next file opened would take their place. Opened the wrong way
 * round, they fail as closed ones do. */
static void occupy_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            return;
}

int main(int argc, char **argv)
{
    occupy_standard_files();
    return prof_finish_stdout(dispatch(argc, argv));
}
