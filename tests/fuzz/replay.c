/* SPDX-License-Identifier: MIT
 * replay.c - a fuzz target as a test, without libFuzzer.
 *
 *   replay-NAME                runs the seeds, N_MUTATED mutations of them, and tests/fuzz/regressions/NAME/
 *   replay-NAME --mutated K    runs the K-th mutation alone
 *   replay-NAME --seeds DIR    writes the seeds to a folder, for libFuzzer to begin with
 *   replay-NAME PATH...        runs files, and the files in folders
 *
 * Each input is named before it runs, so that the last line of a crashed run says which one it was.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

#include "tests/support/model_build.h"

enum { N_MUTATED = 1500, ROOM_BYTES = 1 << 18 };

typedef struct input { char name[80]; uint8_t *data; size_t n_bytes; } input;
typedef struct inputs { input list[512]; size_t n; } inputs;

static uint64_t mutate_state;

/* One to four changes: a bit, a byte, an interesting byte, a piece taken out, moved, or doubled. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t n_bytes, size_t max_bytes)
{
    static const uint8_t interesting[] = { 0, 1, 0x7f, 0x80, 0xff, '\n', ' ', '{', '}', '%', '"' };
    for (uint64_t i = 1 + model_random(&mutate_state) % 4; i > 0; i--) {
        const uint64_t r = model_random(&mutate_state), what = r % 6;
        if (n_bytes == 0) {
            if (max_bytes > 0) data[n_bytes++] = (uint8_t)(r >> 8);
            continue;
        }
        const size_t at = (size_t)(r >> 8) % n_bytes, left = n_bytes - at;
        size_t n = 1 + (size_t)(r >> 40) % 16;
        if (n > left) n = left;
        if (what == 0) data[at] ^= (uint8_t)(1u << (r >> 60 & 7));
        else if (what == 1) data[at] = (uint8_t)(r >> 56);
        else if (what == 2) data[at] = interesting[(r >> 56) % sizeof interesting];
        else if (what == 3) memmove(data + at, data + at + n, left - n), n_bytes -= n;
        else if (what == 4) memmove(data + at, data + (size_t)(r >> 32) % (n_bytes - n + 1), n);
        else if (n_bytes + n <= max_bytes) memmove(data + at + n, data + at, left), n_bytes += n;
    }
    return n_bytes;
}

static void keep(void *user, const char *name, const void *data, size_t n_bytes)
{
    inputs *all = user;
    if (all->n == TEST_COUNT(all->list)) return;
    input *in = &all->list[all->n++];
    (void)snprintf(in->name, sizeof in->name, "%s", name);
    in->data = malloc(n_bytes + 1);
    if (!in->data) exit(99);
    if (n_bytes) memcpy(in->data, data, n_bytes);
    in->n_bytes = n_bytes;
}

/* From a block of its own size, so that the sanitizer sees a read behind its end. */
static void run(const char *name, const uint8_t *data, size_t n_bytes)
{
    (void)printf("%s: %s (%zu bytes)\n", fuzz_name, name, n_bytes);
    (void)fflush(stdout);
    uint8_t *exact = malloc(n_bytes ? n_bytes : 1);
    if (!exact) exit(99);
    if (n_bytes) memcpy(exact, data, n_bytes);
    (void)LLVMFuzzerTestOneInput(exact, n_bytes);
    free(exact);
}

static void run_mutation(const inputs *all, uint64_t k)
{
    static uint8_t data[ROOM_BYTES];
    uint64_t r = k * 977 + 1;
    const input *in = &all->list[model_random(&r) % all->n];
    if (in->n_bytes > ROOM_BYTES) return;
    memcpy(data, in->data, in->n_bytes);
    mutate_state = model_random(&r);
    const size_t n = LLVMFuzzerCustomMutator(data, in->n_bytes, ROOM_BYTES, (unsigned int)model_random(&r));
    char name[128];
    (void)snprintf(name, sizeof name, "mutation %llu, of %s", (unsigned long long)k, in->name);
    run(name, data, n);
}

/* A file, or the files of a folder; how many. A folder that is not there has none. */
static size_t run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return 0;
    if (!S_ISDIR(st.st_mode)) {
        size_t n_bytes;
        uint8_t *data = test_read_file(path, &n_bytes);
        if (!data) exit(99);
        run(path, data, n_bytes);
        free(data);
        return 1;
    }
    size_t n = 0;
    DIR *d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char *inner = test_path(path, e->d_name);
        if (e->d_name[0] != '.') n += run_path(inner);
        free(inner);
    }
    if (d) closedir(d);
    return n;
}

static void write_seeds(const inputs *all, const char *dir)
{
    for (size_t i = 0; i < all->n; i++) {
        char *path = test_path(dir, all->list[i].name);
        test_write_file(path, all->list[i].data, all->list[i].n_bytes);
        free(path);
    }
}

static void run_all(const inputs *all)
{
    char regressions[128];
    for (size_t i = 0; i < all->n; i++) run(all->list[i].name, all->list[i].data, all->list[i].n_bytes);
    for (uint64_t k = 0; k < N_MUTATED; k++) run_mutation(all, k);
    (void)snprintf(regressions, sizeof regressions, "tests/fuzz/regressions/%s", fuzz_name);
    const size_t n = run_path(regressions);
    (void)printf("%s: %zu seeds, %d mutations, %zu regressions\n", fuzz_name, all->n, (int)N_MUTATED, n);
}

int main(int argc, char **argv)
{
    static inputs all;
    fuzz_seeds(keep, &all);
    if (argc == 1) run_all(&all);
    else if (argc == 3 && strcmp(argv[1], "--seeds") == 0) write_seeds(&all, argv[2]);
    else if (argc == 3 && strcmp(argv[1], "--mutated") == 0) run_mutation(&all, strtoull(argv[2], NULL, 10));
    else for (int i = 1; i < argc; i++)
        if (run_path(argv[i]) == 0) (void)printf("nothing at %s\n", argv[i]);
    for (size_t i = 0; i < all.n; i++) free(all.list[i].data);
    return 0;
}
