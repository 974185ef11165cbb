/* SPDX-License-Identifier: MIT
 * gguf_sniff.c - naming what somebody took for a GGUF file.
 *
 * What people open by mistake is seldom noise: an error page saved under the model's name, a pointer to the file, an
 * older format. Only asked once the magic did not match; never accepts anything.
 */
#include "engine/gguf/gguf_private.h"

static const char unpack[] = "unpack it, and open the .gguf file inside";
static const char convert[] = "convert it with llama.cpp's convert_hf_to_gguf.py, or download a .gguf version";
static const char legacy[] = "formats before GGUF (August 2023) are not read: download or convert the model again";
static const char page[] = "download the file itself: on Hugging Face the link with /resolve/, not /blob/";
static const char mistaken[] = "give the path of a .gguf file";

typedef struct signature {
    uint8_t at, n;
    const char *bytes, *what, *hint;
} signature;

static const signature signatures[] = {
    { 0, 4, "FUGG", "a byte-swapped (big-endian) GGUF file", "only little-endian files are read: convert it again" },
    { 0, 4, "lmgg", "a file in the old GGML format", legacy },
    { 0, 4, "fmgg", "a file in the old GGMF format", legacy },
    { 0, 4, "tjgg", "a file in the old GGJT format", legacy },
    { 0, 4, "algg", "an adapter in the old GGLA format", legacy },
    { 0, 4, "PK\3\4", "a ZIP archive, perhaps a PyTorch checkpoint", convert },
    { 0, 2, "\x80\2", "a Python pickle, perhaps a PyTorch checkpoint", convert },
    { 0, 4, "\x89HDF", "an HDF5 file, perhaps of Keras", convert },
    { 0, 6, "\x93NUMPY", "a NumPy array", convert },
    { 4, 4, "TFL3", "a TensorFlow Lite model", convert },
    { 0, 2, "\x1f\x8b", "a gzip archive", unpack },
    { 0, 4, "\x28\xb5\x2f\xfd", "a zstd archive", unpack },
    { 0, 6, "\xfd" "7zXZ", "an xz archive", unpack },
    { 0, 3, "BZh", "a bzip2 archive", unpack },
    { 0, 6, "7z\xbc\xaf\x27\x1c", "a 7z archive", unpack },
    { 0, 4, "\x7f" "ELF", "a program or library (ELF)", mistaken },
    { 0, 6, "MZqFpD", "a llamafile", "extract the .gguf file from it" },
    { 0, 2, "MZ", "a Windows program", mistaken },
    { 0, 8, "\x89PNG\r\n\x1a\n", "a PNG picture", mistaken },
    { 0, 3, "\xff\xd8\xff", "a JPEG picture", mistaken },
    { 0, 5, "%PDF-", "a PDF document", mistaken },
};

static bool starts_with(const uint8_t *p, uint64_t n, const char *lower)
{
    const size_t len = strlen(lower);
    if (n < len) return false;
    for (size_t i = 0; i < len; i++) {
        const uint8_t c = p[i] >= 'A' && p[i] <= 'Z' ? (uint8_t)(p[i] + 32) : p[i];
        if (c != (uint8_t)lower[i]) return false;
    }
    return true;
}

/* Texts, behind white space and a byte order mark. Lower case; compared without regard to case. */
static const struct { const char *begin, *what, *hint; } texts[] = {
    { "<!doctype html", "an HTML page", page },
    { "<html", "an HTML page", page },
    { "<head", "an HTML page", page },
    { "<!--", "an HTML page", page },
    { "<?xml", "an XML document", page },
    { "version https://git-lfs", "a git-LFS pointer, not the file itself", "fetch the contents: git lfs pull" },
    { "{", "JSON text", page },
    { "[", "JSON text", page },
};

static const char *looks_like_text(const uint8_t *p, uint64_t n, const char **hint)
{
    uint64_t at = starts_with(p, n, "\xef\xbb\xbf") ? 3 : 0;
    while (at < n && (p[at] == ' ' || p[at] == '\t' || p[at] == '\r' || p[at] == '\n')) at++;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!starts_with(p + at, n - at, texts[i].begin)) continue;
        *hint = texts[i].hint;
        return texts[i].what;
    }
    return NULL;
}

/* A u64 length below 100 MB, and a JSON object of that length. */
static bool is_safetensors(const uint8_t *p, uint64_t n)
{
    uint64_t header_bytes;
    if (n < sizeof header_bytes + 2) return false;
    memcpy(&header_bytes, p, sizeof header_bytes);
    return header_bytes > 1 && header_bytes < (uint64_t)100 << 20 && p[sizeof header_bytes] == '{';
}

static bool is_zeros(const uint8_t *p, uint64_t n)
{
    for (uint64_t i = 0; i < n && i < 64; i++)
        if (p[i] != 0) return false;
    return true;
}

const char *einf__gguf_looks_like(const uint8_t *p, uint64_t n_bytes, const char **hint)
{
    for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
        const signature *s = &signatures[i];
        if (n_bytes < (uint64_t)s->at + s->n || memcmp(p + s->at, s->bytes, s->n) != 0) continue;
        *hint = s->hint;
        return s->what;
    }
    if (is_safetensors(p, n_bytes)) {
        *hint = convert;
        return "a safetensors file";
    }
    if (is_zeros(p, n_bytes)) {
        *hint = "the download did not finish: fetch it again";
        return "a file of zeros";
    }
    return looks_like_text(p, n_bytes, hint);
}
