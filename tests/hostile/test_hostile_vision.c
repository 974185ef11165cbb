/* SPDX-License-Identifier: MIT
 * test_hostile_vision.c - damaged encoders (users.md 4.3, H-093 to H-099) through the public functions: cut off, with
 * bits turned over, with entries that say what cannot be; and paths that lead to no picture (H-007).
 */
#include "tests/hostile/hostile_vision.h"

#include <math.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/picture_build.h"
#include "tests/support/vision_build.h"

#define SHIPPED "models/traffic-vl/mmproj-traffic-vl-F16.gguf"

static const uint32_t SMALL[2] = { 28, 28 };

/* ----------------------------------------------------------------------------------------------- truncated -- */

static uint64_t get_u64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

/* Where the data of a file begin, which has the default alignment: the first tensor's bytes are found from the end. */
static size_t header_bytes_of(host *h, const uint8_t *file, size_t n_bytes)
{
    einf_model *m = NULL;
    einf_error err = test_error();
    einf_model_config c = EINF_INIT(einf_model_config);
    einf_tensor t = EINF_INIT(einf_tensor);
    uint64_t first = n_bytes;
    c.load = EINF_LOAD_HEADER;
    assert_ok(einf_model_open_memory(h->rt, file, n_bytes, &c, &m, &err), &err);
    for (uint64_t i = 0; einf_model_get_tensor(m, i, &t, NULL) == EINF_OK; i++)
        if (t.offset < first) first = t.offset;
    assert_int_equal(einf_model_close(&m, NULL), EINF_OK);
    assert_true(get_u64(file + 8) > 0 && first < n_bytes);
    return (size_t)first;
}

static void refuse_first_bytes(host *h, const uint8_t *file, size_t n)
{
    einf_error err;
    uint8_t *part = malloc(n ? n : 1); /* the sanitizer sees the first byte read behind it */
    assert_non_null(part);
    memcpy(part, file, n);
    if (survive_vision(h, part, n, SMALL, &err)) fail_msg("the first %zu bytes were taken for an encoder", n);
    assert_true(err.code == EINF_E_FORMAT || (n == 0 && err.code == EINF_E_ARG));
    free(part);
}

/* At every step-th byte of the header and at a hundred places of the data, its first and its last byte among them. */
static void truncate_everywhere(const uint8_t *file, size_t n_bytes, size_t step)
{
    host h;
    einf_error err;
    vision_host_open(&h);
    assert_true(survive_vision(&h, file, n_bytes, SMALL, &err));
    assert_int_equal(h.n_answered, 1);
    const size_t data_at = header_bytes_of(&h, file, n_bytes);
    for (size_t n = 0; n < data_at; n += step) refuse_first_bytes(&h, file, n);
    for (size_t i = 0; i < 100; i++) refuse_first_bytes(&h, file, data_at + i * (n_bytes - 1 - data_at) / 99);
    assert_int_equal(h.n_refused, (data_at + step - 1) / step + 100);
    host_close(&h);
}

static void test_truncated(void **state)
{
    size_t n_bytes;
    const vision_spec spec = vision_preset();
    (void)state;
    uint8_t *file = vision_file(&spec, &n_bytes);
    truncate_everywhere(file, n_bytes, 1);
    free(file);
    file = test_read_file(SHIPPED, &n_bytes);
    assert_non_null(file);
    truncate_everywhere(file, n_bytes, 7);
    free(file);
    file = test_read_data("golden/tiny-mmproj-F16.gguf", &n_bytes);
    if (file) truncate_everywhere(file, n_bytes, 11);
    free(file);
}

/* -------------------------------------------------------------------------------------------- bits turned over -- */

/* n times one to three bits of the first n_changed bytes, the same ones in every run. */
static void turn_bits(host *h, uint8_t *file, size_t n_bytes, size_t n_changed, int n, uint64_t seed)
{
    for (int i = 0; i < n; i++) {
        size_t at[3];
        uint8_t before[3];
        const size_t n_bits = 1 + model_random(&seed) % 3;
        for (size_t j = 0; j < n_bits; j++) {
            const uint64_t r = model_random(&seed);
            at[j] = (size_t)(r >> 8) % n_changed;
            before[j] = file[at[j]];
            file[at[j]] ^= (uint8_t)(1u << (r & 7));
        }
        einf_error err;
        (void)survive_vision(h, file, n_bytes, SMALL, &err);
        for (size_t j = n_bits; j-- > 0;) file[at[j]] = before[j];
    }
}

static void turn_bits_of(uint8_t *file, size_t n_bytes, int n_header, int n_data)
{
    host h;
    vision_host_open(&h);
    turn_bits(&h, file, n_bytes, header_bytes_of(&h, file, n_bytes), n_header, 1);
    print_message("%d opened, %d of these looked, %d refused\n", h.n_opened, h.n_answered, h.n_refused);
    assert_true(h.n_refused > n_header / 2 && h.n_answered > n_header / 100);
    turn_bits(&h, file, n_bytes, n_bytes, n_data, 2);
    host_close(&h);
}

static void test_bits(void **state)
{
    size_t n_bytes;
    vision_spec spec = vision_preset();
    (void)state;
    uint8_t *file = vision_file(&spec, &n_bytes);
    turn_bits_of(file, n_bytes, 3000, 300);
    free(file);
    spec.n_embd = spec.row_width = spec.n_ff = 64;
    spec.type = MODEL_Q8_0;
    spec.patch_type = spec.vector_type = MODEL_F16;
    spec.fused_qkv = true;
    file = vision_file(&spec, &n_bytes);
    turn_bits_of(file, n_bytes, 1000, 500);
    free(file);
    file = test_read_file(SHIPPED, &n_bytes);
    assert_non_null(file);
    turn_bits_of(file, n_bytes, 1000, 20);
    free(file);
}

/* ------------------------------------------------------------------------------------------------- entries -- */

/* The tiny encoder after an edit: refused with the name of what is wrong, or (where NULL) it opens and looks. */
static void try_build(host *h, gguf_build *b, const char *where)
{
    einf_error err;
    size_t n_bytes;
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    const int n_answered = h->n_answered;
    const bool opened = survive_vision(h, file, n_bytes, SMALL, &err);
    if (opened && where) fail_msg("%s: opened", where);
    if (!opened && !where) fail_msg("refused: %s", err.message);
    if (where) assert_string_equal(err.where, where);
    else assert_int_equal(h->n_answered, n_answered + 1);
    free(file);
}

/* A number in the place of an entry. */
typedef struct odd_entry {
    const char *key;
    uint32_t type;
    uint64_t bits;
    bool is_fine;
} odd_entry;

static gguf_build *tiny(void)
{
    const vision_spec spec = vision_preset();
    return vision_build(&spec);
}

static void put_number(gguf_build *b, const odd_entry *e)
{
    const size_t n_bytes = e->type == GGUF_U64 || e->type == GGUF_I64 || e->type == GGUF_F64 ? 8 : 4;
    gguf_build_drop_kv(b, e->key);
    gguf_build_raw_kv(b, e->key, strlen(e->key), strlen(e->key), e->type, &e->bits, n_bytes);
}

static void test_numbers(void **state)
{
    static const odd_entry entries[] = {
        { "clip.vision.image_size", GGUF_U32, 0, false }, /* H-093 */
        { "clip.vision.image_size", GGUF_I32, UINT32_MAX, false },
        { "clip.vision.image_size", GGUF_U32, 65536, false },
        { "clip.vision.image_size", GGUF_U32, UINT32_C(1) << 31, false },
        { "clip.vision.image_size", GGUF_U64, 14, true },
        { "clip.vision.patch_size", GGUF_U32, 0, false }, /* H-094 */
        { "clip.vision.patch_size", GGUF_U32, 1, false },
        { "clip.vision.patch_size", GGUF_I32, UINT32_MAX, false },
        { "clip.vision.patch_size", GGUF_U32, 65536, false },
        { "clip.vision.patch_size", GGUF_I64, 14, true },
        { "clip.vision.spatial_merge_size", GGUF_U32, 0, false }, /* H-095 */
        { "clip.vision.spatial_merge_size", GGUF_U32, 65536, false },
        { "clip.vision.spatial_merge_size", GGUF_U32, 2, true },
        { "clip.vision.image_min_pixels", GGUF_U32, 0, false }, /* H-096 */
        { "clip.vision.image_min_pixels", GGUF_U32, UINT32_C(46340) * 46340, false },
        { "clip.vision.image_min_pixels", GGUF_U64, UINT64_C(1) << 63, false },
        { "clip.vision.image_min_pixels", GGUF_U32, 1, true },
        { "clip.vision.image_max_pixels", GGUF_U32, 0, false },
        { "clip.vision.image_max_pixels", GGUF_U32, 28 * 28 - 1, false }, /* less than a token */
        { "clip.vision.image_max_pixels", GGUF_U32, 28 * 28, true },
        { "clip.vision.image_max_pixels", GGUF_U32, UINT32_C(46340) * 46340, true }, /* of large pictures alone */
        { "clip.vision.image_max_pixels", GGUF_U64, UINT64_C(1) << 63, false },
        { "clip.vision.attention.head_count", GGUF_U32, 0, false }, /* H-098 */
        { "clip.vision.attention.head_count", GGUF_U32, 3, false },
        { "clip.vision.attention.head_count", GGUF_U32, 16, false },
        { "clip.vision.attention.head_count", GGUF_U32, 8, true },
        { "clip.vision.block_count", GGUF_U32, 0, false },
        { "clip.vision.block_count", GGUF_U32, UINT32_MAX, false },
        { "clip.vision.block_count", GGUF_U32, 1, true }, /* what is left over is said in the log */
        { "clip.vision.feed_forward_length", GGUF_U32, UINT32_MAX, false },
        { "clip.vision.attention.layer_norm_epsilon", GGUF_F32, 0, false },
        { "clip.vision.attention.layer_norm_epsilon", GGUF_F32, 0x7fc00000, false },
        { "clip.vision.attention.layer_norm_epsilon", GGUF_F32, 0xff800000, false },
        { "clip.vision.window_size", GGUF_U32, 0, false }, /* H-099 */
        { "clip.vision.n_wa_pattern", GGUF_U32, 8, false },
    };
    host h;
    (void)state;
    vision_host_open(&h);
    for (size_t i = 0; i < TEST_COUNT(entries); i++) {
        gguf_build *b = tiny();
        put_number(b, &entries[i]);
        try_build(&h, b, entries[i].is_fine ? NULL : entries[i].key);
    }
    host_close(&h);
}

/* Shapes that the entries ask for, and the tensors have not: the tensor is named. */
static void test_shapes(void **state)
{
    static const struct { odd_entry entry; const char *where; } cases[] = {
        { { "clip.vision.projection_dim", GGUF_U32, 25, false }, "mm.2.weight" },
        { { "clip.vision.patch_size", GGUF_U32, 16, false }, "v.patch_embd.weight" },
        { { "clip.vision.spatial_merge_size", GGUF_U32, 3, false }, "mm.0.weight" },
        { { "clip.vision.embedding_length", GGUF_U32, 64, false }, "v.patch_embd.weight" },
        { { "clip.vision.feed_forward_length", GGUF_U32, 47, false }, "v.blk.0.ffn_up.weight" },
        { { "clip.vision.block_count", GGUF_U32, 3, false }, "v.blk.2.ln1.weight" },
    };
    host h;
    (void)state;
    vision_host_open(&h);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        gguf_build *b = tiny();
        put_number(b, &cases[i].entry);
        try_build(&h, b, cases[i].where);
    }
    host_close(&h);
}

/* H-096, H-097, H-099: entries of several numbers. */
static void test_arrays(void **state)
{
    static const struct { const char *key; size_t n; float v[4]; } cases[] = {
        { "clip.vision.image_mean", 2, { 0.5f, 0.5f } },
        { "clip.vision.image_mean", 4, { 0.5f, 0.5f, 0.5f, 0.5f } },
        { "clip.vision.image_mean", 0, { 0 } },
        { "clip.vision.image_mean", 3, { 0.5f, NAN, 0.5f } },
        { "clip.vision.image_std", 2, { 0.5f, 0.5f } },
        { "clip.vision.image_std", 3, { 0.5f, 0.5f, 0 } },
        { "clip.vision.image_std", 3, { INFINITY, 0.5f, 0.5f } },
        { "clip.vision.image_std", 3, { NAN, 0.5f, 0.5f } },
    };
    static const int32_t beyond[] = { 0, 99, -1 };
    host h;
    (void)state;
    vision_host_open(&h);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        gguf_build *b = tiny();
        gguf_build_drop_kv(b, cases[i].key);
        gguf_build_array(b, cases[i].key, GGUF_F32, cases[i].v, cases[i].n);
        try_build(&h, b, cases[i].key);
    }
    gguf_build *b = tiny();
    gguf_build_array(b, "clip.vision.fullatt_block_indexes", GGUF_I32, beyond, 3);
    try_build(&h, b, "clip.vision.fullatt_block_indexes");
    vision_spec crossed = vision_preset();
    crossed.min_pixels = 100001;
    crossed.max_pixels = 100000;
    try_build(&h, vision_build(&crossed), "clip.vision.image_min_pixels");
    host_close(&h);
}

/* Every entry in every type that is not its own (H-032): refused by name, or it means the same. */
static void test_types(void **state)
{
    static const char *const keys[] = {
        "general.architecture", "clip.has_vision_encoder", "clip.projector_type", "clip.use_gelu",
        "clip.vision.patch_size", "clip.vision.image_size", "clip.vision.projection_dim",
        "clip.vision.embedding_length", "clip.vision.feed_forward_length", "clip.vision.attention.head_count",
        "clip.vision.attention.layer_norm_epsilon", "clip.vision.block_count", "clip.vision.image_mean",
        "clip.vision.image_std", "clip.vision.spatial_merge_size", "clip.vision.image_min_pixels",
    };
    static const uint8_t value[32] = { 2 }; /* a scalar of any type; a string of two NULs; an empty array of i8 */
    host h;
    int n_refused = 0;
    (void)state;
    vision_host_open(&h);
    for (size_t i = 0; i < TEST_COUNT(keys); i++)
        for (uint32_t type = GGUF_U8; type <= GGUF_F64; type++) {
            static const uint8_t bytes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 10, 12, 8, 8, 8 };
            einf_error err;
            size_t n_bytes;
            gguf_build *b = tiny();
            gguf_build_drop_kv(b, keys[i]);
            gguf_build_raw_kv(b, keys[i], strlen(keys[i]), strlen(keys[i]), type, value, bytes[type]);
            uint8_t *file = gguf_build_finish(b, &n_bytes);
            gguf_build_free(&b);
            if (!survive_vision(&h, file, n_bytes, SMALL, &err)) {
                n_refused++;
                assert_true(strlen(err.where) > 0);
            }
            free(file);
        }
    print_message("%d of %d refused\n", n_refused, (int)TEST_COUNT(keys) * 13);
    assert_true(n_refused > (int)TEST_COUNT(keys) * 8);
    host_close(&h);
}

/* -------------------------------------------------------------------------------------------------- tensors -- */

/* Each one missing, and each with values that are no numbers: refused by name when values are checked, harmless when
 * not. */
static void test_tensors(void **state)
{
    const vision_spec spec = vision_preset();
    static vision_tensor list[VISION_MAX_TENSORS];
    const size_t n = vision_list(&spec, list);
    host h;
    (void)state;
    vision_host_open(&h);
    for (size_t i = 0; i < n; i++) {
        gguf_build *b = vision_build(&spec);
        assert_int_equal(gguf_build_drop_tensor(b, list[i].name), 1);
        try_build(&h, b, list[i].name);

        vision_tensor odd = list[i];
        odd.std = i % 3 == 0 ? INFINITY : i % 3 == 1 ? NAN : 3e38f;
        b = vision_build(&spec);
        vision_put_tensor(b, &spec, &odd);
        try_build(&h, b, NULL);
    }
    host_close(&h);
}

static void test_values(void **state)
{
    const vision_spec spec = vision_preset();
    static vision_tensor list[VISION_MAX_TENSORS];
    const size_t n = vision_list(&spec, list);
    host h;
    (void)state;
    vision_host_open(&h);
    for (size_t i = 0; i < n; i += 5) {
        einf_error err = test_error();
        einf_vision *v = NULL;
        einf_vision_config c = EINF_INIT(einf_vision_config);
        size_t n_bytes;
        vision_tensor odd = list[i];
        gguf_build *b = vision_build(&spec);
        odd.std = NAN;
        vision_put_tensor(b, &spec, &odd);
        uint8_t *file = gguf_build_finish(b, &n_bytes);
        gguf_build_free(&b);
        c.check_tensors = 1;
        assert_status(einf_vision_open_memory(h.rt, file, n_bytes, &c, &v, &err), &err, EINF_E_FORMAT);
        assert_string_equal(err.where, list[i].name);
        assert_null(v);
        free(file);
    }
    host_close(&h);
}

/* --------------------------------------------------------------------------------------------------- ceilings -- */

/* A file may ask that pictures have sixteen thousand tokens: the plan tells, and the ceiling refuses at once. */
static void test_dear_pictures(void **state)
{
    vision_spec spec = vision_preset();
    size_t n_bytes;
    host h;
    einf_vision *v;
    einf_error err = test_error();
    einf_image_sizes plan = EINF_INIT(einf_image_sizes);
    (void)state;
    spec.min_pixels = 12845056;
    spec.n_embd = 64;
    uint8_t *file = vision_file(&spec, &n_bytes);
    vision_host_open(&h);
    assert_ok(einf_vision_open_memory(h.rt, file, n_bytes, NULL, &v, &err), &err);
    assert_ok(einf_vision_plan(v, 28, 28, NULL, &plan, &err), &err);
    assert_int_equal(plan.n_tokens, 16384);
    assert_true(plan.encode_bytes > MOST_MEMORY);
    einf_image *image = vision_host_image(&h, 28, 28);
    float *rows = malloc((size_t)plan.n_tokens * spec.row_width * sizeof *rows);
    const uint64_t n_calls = h.heap.n_calls;
    const double start_s = seconds();
    assert_status(einf_vision_encode(v, image, NULL, rows, (uint64_t)plan.n_tokens * spec.row_width, NULL, &err), &err,
                  EINF_E_LIMIT);
    assert_string_equal(err.where, "ram_limit_bytes");
    assert_int_equal(h.heap.n_calls, n_calls);
    assert_true(seconds() - start_s < 1);
    free(rows);
    einf_image_close(&image);
    assert_ok(einf_vision_close(&v, &err), &err);
    host_close(&h);
    free(file);
}

/* ----------------------------------------------------------------------------------------------------- paths -- */

static void make_socket(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0 && strlen(path) < sizeof at.sun_path);
    memcpy(at.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    close(fd);
}

/* As a picture, its header alone, and as an encoder: the same answer, at once. */
static void refuse_path(host *h, const char *path, einf_status expected, const char *says)
{
    for (int how = 0; how < 4; how++) {
        einf_error err = test_error();
        einf_image *image = NULL;
        einf_vision *v = NULL;
        einf_image_info info = EINF_INIT(einf_image_info);
        einf_vision_config c = EINF_INIT(einf_vision_config);
        const double start_s = seconds();
        c.mode = how == 3 ? EINF_MODE_READ : EINF_MODE_MAP;
        const einf_status status = how == 0   ? einf_image_open(h->rt, path, NULL, &image, &err)
                                   : how == 1 ? einf_image_probe(h->rt, path, NULL, &info, &err)
                                              : einf_vision_open(h->rt, path, &c, &v, &err);
        assert_status(status, &err, expected);
        assert_error_says(&err, says);
        assert_good_refusal(status, &err);
        assert_null(strstr(err.hint, "gguf"));
        assert_true(image == NULL && v == NULL);
        assert_true(seconds() - start_s < 1);
        assert_int_equal(h->heap.live_bytes, h->empty_bytes);
    }
}

/* H-007: nothing is waited for, and nothing is read that has no end. */
static void test_paths(void **state)
{
    char *dir = test_temp_dir(), *fifo = test_path(dir, "fifo"), *sock = test_path(dir, "socket");
    char *empty = test_path(dir, "empty"), *link = test_path(dir, "link"), *missing = test_path(dir, "missing");
    host h;
    (void)state;
    vision_host_open(&h);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink(missing, link), 0);
    make_socket(sock);
    test_write_file(empty, "", 0);
    refuse_path(&h, dir, EINF_E_FORMAT, "a directory");
    refuse_path(&h, fifo, EINF_E_FORMAT, "a pipe");
    refuse_path(&h, sock, EINF_E_FORMAT, "a socket");
    refuse_path(&h, "/dev/zero", EINF_E_FORMAT, "a character device");
    refuse_path(&h, "/dev/random", EINF_E_FORMAT, "a character device");
    refuse_path(&h, link, EINF_E_IO, "leads nowhere");
    refuse_path(&h, missing, EINF_E_IO, "no such file");
    refuse_path(&h, empty, EINF_E_FORMAT, "the file is empty");
    host_close(&h);
    free(fifo);
    free(sock);
    free(empty);
    free(link);
    free(missing);
    test_temp_remove(&dir);
}

/* A picture's file of 1 GiB that is mostly a hole is refused by its size alone. */
static void test_sparse_file(void **state)
{
    char *dir = test_temp_dir(), *path = test_path(dir, "large.png");
    einf_error err = test_error();
    einf_image *image;
    picture png = { 0 };
    host h;
    (void)state;
    vision_host_open(&h);
    png_make(&png, 8, 8, 8, PNG_RGB, 0);
    test_write_file(path, png.data, png.n);
    assert_int_equal(truncate(path, (off_t)1 << 30), 0);
    assert_status(einf_image_open(h.rt, path, NULL, &image, &err), &err, EINF_E_LIMIT);
    assert_error_says(&err, "1073741824");
    assert_error_says(&err, "268435456");
    assert_string_equal(err.where, "max_file_bytes");
    picture_free(&png);
    host_close(&h);
    free(path);
    test_temp_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_bits),    cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_shapes),    cmocka_unit_test(test_arrays),  cmocka_unit_test(test_types),
        cmocka_unit_test(test_tensors),   cmocka_unit_test(test_values),  cmocka_unit_test(test_dear_pictures),
        cmocka_unit_test(test_paths),     cmocka_unit_test(test_sparse_file),
    };
    return cmocka_run_group_tests_name("hostile_vision", tests, NULL, NULL);
}
