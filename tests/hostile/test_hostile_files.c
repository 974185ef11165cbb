/* SPDX-License-Identifier: MIT
 * test_hostile_files.c - files that fuzzers of other parsers made (EINF_TEST_DATA/hostile-gguf), each through all load
 * levels, both modes, and with its values checked.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "tests/hostile/hostile_support.h"

static const uint32_t LOADS[] = { EINF_LOAD_HEADER, EINF_LOAD_VOCAB, EINF_LOAD_WEIGHTS, 0 };

/* The same verdict from a path, mapped and read, as from memory. */
static void open_path(host *h, const char *path, uint32_t load, einf_status expected)
{
    for (int32_t mode = EINF_MODE_MAP; mode <= EINF_MODE_READ; mode++) {
        einf_model *m = NULL;
        einf_error err = test_error();
        einf_model_config c = EINF_INIT(einf_model_config);
        c.load = load;
        c.mode = mode;
        c.check_tensors = 1;
        c.any_pretokenizer = 1;
        const einf_status status = einf_model_open(h->rt, path, &c, &m, &err);
        if (expected != EINF_OK) assert_int_not_equal(status, EINF_OK);
        if (status != EINF_OK) assert_good_refusal(status, &err);
        assert_int_equal(einf_model_close(&m, NULL), EINF_OK);
        assert_int_equal(h->heap.live_bytes, h->empty_bytes);
    }
}

static void try_file(host *h, const char *path)
{
    size_t n_bytes;
    uint8_t *file = test_read_file(path, &n_bytes);
    assert_non_null(file);
    uint8_t *exact = malloc(n_bytes ? n_bytes : 1); /* without the NUL that is behind it */
    assert_non_null(exact);
    memcpy(exact, file, n_bytes);
    bool opened_header = false;
    for (size_t i = 0; i < TEST_COUNT(LOADS); i++) {
        einf_error err;
        const bool opened = survive(h, exact, n_bytes, LOADS[i], &err);
        if (i == 0) opened_header = opened;
        if (opened) assert_true(opened_header); /* who loads more has loaded less */
        if (!opened && LOADS[i] != EINF_LOAD_WEIGHTS && LOADS[i] != 0) open_path(h, path, LOADS[i], err.code);
        else open_path(h, path, LOADS[i], EINF_OK);
    }
    free(exact);
    free(file);
}

/* Every regular file below a folder. */
static int try_folder(host *h, const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        char *path = test_path(dir, e->d_name);
        struct stat s;
        assert_int_equal(lstat(path, &s), 0);
        if (S_ISDIR(s.st_mode)) n += try_folder(h, path);
        else if (S_ISREG(s.st_mode)) n++, try_file(h, path);
        free(path);
    }
    closedir(d);
    return n;
}

static void test_folder(void **state)
{
    (void)state;
    char *dir = test_data_path("hostile-gguf");
    if (!dir) return;
    host h;
    host_open(&h);
    const int n = try_folder(&h, dir);
    print_message("%d files: %d loads opened, %d refused\n", n, h.n_opened, h.n_refused);
    assert_true(n > 200 && h.n_refused > n);
    host_close(&h);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests_name("hostile_files", tests, NULL, NULL);
}
