/* SPDX-License-Identifier: MIT
 * check_panels.h - checks of the int8 GEMM's parts: packing, tiles, products; and of the f32 GEMM's inside.
 */
#ifndef TESTS_CHECK_PANELS_H
#define TESTS_CHECK_PANELS_H

#include "tests/checkkern/check_support.h"

static void check_pack(const check *c) { (void)c; }
static void check_panel_mul(const check *c) { (void)c; }
static void check_quantize_tile(const check *c) { (void)c; }
static void check_pack_f32(const check *c) { (void)c; }
static void check_mul_f32(const check *c) { (void)c; }

#endif
