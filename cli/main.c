/* SPDX-License-Identifier: MIT
 * main.c - the edgeinfer command: which verb, and help for those who look for one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <edgeinfer/edgeinfer.h>

#include "cli/nearest.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/commands.h"

static const cli_verb verbs[] = {
    { "run", VERB_RUN, "answer a prompt", "MODEL [--mmproj FILE --image FILE] -p TEXT [options]",
      "Answers a prompt; without -p it comes from stdin. The answer alone goes to stdout, as it is made.",
      "  git diff | edgeinfer run model.gguf --system \"Describe this change in one line.\"\n"
      "  edgeinfer run model.gguf --mmproj mmproj.gguf --image street.jpg -p \"How many cars are there?\" --json",
      ", 3 bad or unsupported file, 4 does not fit, 5 cancelled, 6 budget", cli_run },
    { "chat", VERB_CHAT, "talk with a model", "MODEL [options]",
      "At a terminal: type messages, read answers; /help lists commands, Ctrl-C stops an answer, Ctrl-D ends.\n"
      "On a pipe: a JSON object a line, as {\"content\": \"Hello\"} or {\"messages\": [...]}; one object in return.\n"
      "With \"stream\": true, also {\"delta\": ...} lines before it. A bad line gets {\"error\": ...}. See the manual.",
      "  edgeinfer chat model.gguf -s \"Answer briefly.\"\n"
      "  printf '%s\\n' '{\"content\": \"Hello\"}' | edgeinfer chat model.gguf | jq -r .text",
      ", 3 bad or unsupported file, 4 does not fit, 5 cancelled", cli_chat },
    { "inspect", VERB_INSPECT, "what is in a file", "FILE [options]",
      "Prints what a GGUF file is, its metadata and its tensors. Works on any well-formed file, also on\n"
      "those that this release cannot run.",
      "  edgeinfer inspect model.gguf\n"
      "  edgeinfer inspect model.gguf --json | jq .tokenizer",
      ", 3 not a well-formed GGUF file", cli_inspect },
    { "validate", VERB_VALIDATE, "is a file sound, and can it run here", "FILE... [options]",
      "Checks the header, then vocabulary and weights where the file has them. One line for each file on\n"
      "stdout, with the place of the first fault.",
      "  edgeinfer validate model.gguf\n"
      "  edgeinfer validate --tensors models/*.gguf",
      ", 3 a file is bad or not supported, 5 cancelled", cli_validate },
    { "plan", VERB_PLAN, "the memory a model will take", "MODEL [-c CTX] [--mmproj FILE] [options]",
      "Says how many bytes a session takes and what for, before anything is allocated. With --mmproj, also\n"
      "its pictures: those of --image, or one of --image-size, or the largest that the options allow.",
      "  edgeinfer plan model.gguf -c 8192\n"
      "  edgeinfer plan model.gguf -c 32768 --kv f16 --ram-limit 3G",
      ", 3 bad or unsupported file,\n  4 over the limit (the longest context that fits is printed)", cli_plan },
    { "tokenize", VERB_TOKENIZE, "text to token ids", "MODEL [-f FILE] [options]",
      "Prints the token ids of a text, one to a line. The text is taken byte by byte, final newline\n"
      "included. Needs only the vocabulary: any architecture will do.",
      "  printf 'Hello' | edgeinfer tokenize model.gguf\n"
      "  edgeinfer tokenize model.gguf -f book.txt --bos --json | jq .n_tokens",
      ", 3 bad or unsupported file", cli_tokenize },
    { "logits", VERB_LOGITS, "the raw output of a model", "MODEL --tokens IDS -o OUT [options]",
      "Writes logits, little-endian f32, [rows, vocabulary]. The file appears when it is whole.",
      "  edgeinfer logits model.gguf --tokens 1,77,300 -o logits.f32\n"
      "  edgeinfer logits model.gguf --tokens @ids.txt --rows 0,10,-1 --exact -o exact.f32",
      ", 3 bad or unsupported file, 4 does not fit, 5 cancelled", cli_logits },
    { "perplexity", VERB_PERPLEXITY, "how well a model predicts a text", "MODEL [-f FILE] [options]",
      "Prints the perplexity of a text, measured as llama-perplexity does: chunks of -c tokens (512 unless\n"
      "said), of which the second half is scored. With --base, also how far the model's probabilities lie\n"
      "from those of the base model (Kullback-Leibler divergence).",
      "  edgeinfer perplexity model.gguf -f wiki.test.raw\n"
      "  edgeinfer perplexity model-Q4_K_M.gguf --base model-F16.gguf -f wiki.test.raw --chunks 20 --json",
      ", 3 bad or unsupported file, 4 does not fit, 5 cancelled", cli_perplexity },
    { "preprocess", VERB_PREPROCESS, "the size that a picture gets", "MMPROJ --image FILE [-o OUT] [options]",
      "Says what a picture is resized to, its patches and tokens. With -o, writes the normalised pixels,\n"
      "little-endian f32, [3, height, width].",
      "  edgeinfer preprocess mmproj.gguf --image street.jpg --longest-edge 714\n"
      "  edgeinfer preprocess mmproj.gguf --image street.jpg -o pixels.f32 --json",
      ", 3 bad or unsupported file, 4 does not fit, 5 cancelled", cli_preprocess },
    { "encode", VERB_ENCODE, "a picture to embedding rows", "MMPROJ --image FILE -o OUT [options]",
      "Writes the rows that a language model sees of a picture, little-endian f32, [tokens, row width].",
      "  edgeinfer encode mmproj.gguf --image street.jpg -o rows.f32\n"
      "  edgeinfer encode mmproj.gguf --image street.jpg -o rows.f32 --image-max-tokens 256 --cost --json",
      ", 3 bad or unsupported file, 4 does not fit, 5 cancelled", cli_encode },
    { "advise-image", VERB_ADVISE, "how large a picture should be", "MODEL --mmproj FILE --image FILE [options]",
      "Forecasts tokens, seconds, joules and memory of a picture over a ladder of sizes, after ten seconds of\n"
      "calibration, and names the smallest that loses nothing. With --compare or --expect: by the answers.",
      "  edgeinfer advise-image model.gguf --mmproj mmproj.gguf --image street.jpg\n"
      "  edgeinfer advise-image model.gguf --mmproj mmproj.gguf --compare --image street.jpg -p \"What is red?\"",
      ", 3 bad or unsupported file, 4 does not fit, 5 cancelled", cli_advise_image },
    { "doctor", VERB_DOCTOR, "what this machine can do, and what slows it down", "[MODEL] [options]",
      "Looks at processor, memory, clocks, heat and energy sources, and says what could be better and how.\n"
      "With a model: whether it fits, and how fast it can decode at most. Changes nothing, needs no root.",
      "  edgeinfer doctor\n"
      "  edgeinfer doctor -m model.gguf\n"
      "  edgeinfer doctor --json | jq '.findings[] | select(.level == \"warning\")'",
      ", 3 bad or unsupported file, 5 cancelled", cli_doctor },
};
enum { N_VERBS = sizeof verbs / sizeof verbs[0] };

static void print_summary(void)
{
    puts("edgeinfer " EINF_VERSION ": runs GGUF language models on the CPU.\n\nverbs:");
    for (int i = 0; i < N_VERBS; i++) printf("  %-12s %s\n", verbs[i].name, verbs[i].summary);
    puts("try:\n"
         "  edgeinfer run model.gguf -p \"Write a haiku about rain.\"\n"
         "  edgeinfer plan model.gguf -c 8192\n"
         "  edgeinfer help run");
}

static void print_help(void)
{
    print_summary();
    puts("\nEvery verb takes the model with -m or as its first operand, and --json for one JSON object with the\n"
         "units in its keys. stdout carries the answer alone. edgeinfer VERB --help says the rest.\n\n"
         "options:\n"
         "      --version                 the version, and that of the library's interface\n"
         "      --help                    this text\n\n"
         "environment: EINF_THREADS (threads where -t does not say), EINF_CPU_FORBID (mask of CPU features\n"
         "not to use, or all). exit codes: 0 done, 1 failed, 2 usage, 3 bad or unsupported file,\n"
         "4 does not fit, 5 cancelled, 6 budget reached.");
}

static const cli_verb *find_verb(const char *name)
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
    if (near) snprintf(hint, sizeof hint, "did you mean edgeinfer %s?", near);
    else snprintf(hint, sizeof hint, "edgeinfer help lists the verbs");
    return cli_fail(EXIT_USAGE, hint, "there is no verb \"%s\"", name);
}

static int help(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        print_help();
        return EXIT_DONE;
    }
    const cli_verb *verb = find_verb(argv[1]);
    if (!verb) return unknown_verb(argv[1]);
    cli_options_help(verb, false);
    return EXIT_DONE;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_summary();
        return EXIT_DONE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return help(argc - 1, argv + 1);
    if (strcmp(word, "--version") == 0) {
        printf("edgeinfer %s (interface %u)\n", einf_version(), (unsigned)einf_abi_version());
        return EXIT_DONE;
    }
    const cli_verb *verb = find_verb(word);
    if (!verb) return unknown_verb(word);
    cli_options options;
    const int code = cli_options_parse(verb, argc - 1, argv + 1, &options);
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
    if (einf_abi_version() != EINF_ABI_VERSION)
        return cli_fail(EXIT_FAILED, "install the command and the library of one release",
                        "the library's interface is %u, the command was built for %u", (unsigned)einf_abi_version(),
                        (unsigned)EINF_ABI_VERSION);
    return cli_finish_stdout(dispatch(argc, argv));
}
