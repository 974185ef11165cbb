/* SPDX-License-Identifier: MIT
 * fuzz_mmproj.c - vision encoders: any bytes as a file; what opens tells about itself, plans, and looks at a picture.
 *
 * Promised is what hostile_vision.h holds the library to: a refusal that names a place within the file, 64 MiB at the
 * most, memory as planned, nothing left over; and that values which are looked at first refuse no more than that.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/gguf_mutate.h"
#include "tests/hostile/hostile_vision.h"
#include "tests/support/vision_build.h"

const char fuzz_name[] = "mmproj";

static host h;

/* With its values looked at: never opens what does not open without. */
static void open_checked(const uint8_t *data, size_t n_bytes, bool opens)
{
    einf_vision *v = NULL;
    einf_error err = test_error();
    einf_vision_config c = EINF_INIT(einf_vision_config);
    c.cache_bytes = EINF_CACHE_NONE;
    c.check_tensors = 1;
    c.exact = 1;
    const einf_status status = einf_vision_open_memory(h.rt, data, n_bytes, &c, &v, &err);
    if (status != EINF_OK) assert_good_refusal(status, &err);
    else assert_true(opens);
    if (v) look(&h, v, 28, 28);
    assert_int_equal(einf_vision_close(&v, NULL), EINF_OK);
    assert_int_equal(h.heap.live_bytes, h.empty_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const uint32_t sizes[][2] = { { 28, 28 }, { 112, 84 }, { 1, 1 }, { 200, 1 }, { 29, 57 } };
    einf_error err;
    if (!h.rt) vision_host_open(&h);
    if (n_bytes == 0) return 0;
    const bool opens = survive_vision(&h, data, n_bytes, sizes[n_bytes / 8 % TEST_COUNT(sizes)], &err);
    open_checked(data, n_bytes, opens);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t max_bytes, unsigned int seed)
{
    return gguf_mutate(data, n_bytes, max_bytes, seed);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes, uint8_t *out,
                                 size_t max_bytes, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes, uint8_t *out,
                                 size_t max_bytes, unsigned int seed)
{
    return gguf_cross(a, a_bytes, b, b_bytes, out, max_bytes, seed);
}

/* Small: libFuzzer's speed is that of copying its inputs. */
static vision_spec small_spec(uint32_t patch_size)
{
    vision_spec s = vision_preset();
    s.n_layer = 1;
    s.patch_size = patch_size;
    s.n_ff = 32;
    return s;
}

static void put_build(fuzz_put_fn put, void *user, const char *name, gguf_build *b)
{
    size_t n_bytes;
    uint8_t *file = gguf_build_finish(b, &n_bytes);
    gguf_build_free(&b);
    put(user, name, file, n_bytes);
    free(file);
}

static void put_spec(fuzz_put_fn put, void *user, const char *name, const vision_spec *s)
{
    put_build(put, user, name, vision_build(s));
}

/* Entries that are refused, for crossing over. */
static void put_refused(fuzz_put_fn put, void *user)
{
    static const int32_t layers[] = { 0, 7 };
    const vision_spec s = small_spec(4);
    gguf_build *b = vision_build(&s);
    gguf_build_u32(b, "clip.vision.window_size", 112);
    gguf_build_u32(b, "clip.vision.n_wa_pattern", 8);
    gguf_build_array(b, "clip.vision.fullatt_block_indexes", GGUF_I32, layers, 2);
    gguf_build_bool(b, "clip.has_audio_encoder", true);
    gguf_build_str(b, "clip.vision.projector_type", "qwen2.5vl_merger");
    put_build(put, user, "refused", b);
}

void fuzz_seeds(fuzz_put_fn put, void *user)
{
    vision_spec s = small_spec(4);
    put_spec(put, user, "f32", &s);
    s.act = VISION_GELU;
    s.fused_qkv = true;
    s.type = s.patch_type = s.vector_type = MODEL_F16;
    put_spec(put, user, "f16-fused", &s);
    s = small_spec(6);
    s.act = VISION_SILU;
    s.first_converter = true;
    s.n_ff = 48;
    s.type = s.patch_type = MODEL_BF16;
    put_spec(put, user, "bf16-first-converter", &s);
    s = small_spec(4);
    s.type = MODEL_Q8_0;
    s.min_pixels = 64;
    s.max_pixels = 4096;
    put_spec(put, user, "q8_0-limits", &s);
    s = small_spec(2);
    s.type = MODEL_Q4_0;
    s.merge_size = 3;
    s.n_layer = 2;
    put_spec(put, user, "q4_0-merge-3", &s);
    s = small_spec(8);
    s.merge_size = 1;
    s.n_head = 8;
    put_spec(put, user, "merge-1", &s);
    put_refused(put, user);
}
