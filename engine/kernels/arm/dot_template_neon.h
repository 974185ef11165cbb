/* SPDX-License-Identifier: MIT
 * dot_template_neon.h - private to the ARM dots: one function of the table from a template over rows and columns.
 *
 * FAMILY_rows(type, n_cols, y, y_stride, w, row_bytes, n_rows, n_in, x) must be INLINE; type and n_cols reach it as
 * constants, so that the columns of a call share the unpacking of its weights in registers. A column is summed in the
 * same order whatever n_cols is.
 */
#ifndef EINF_DOT_TEMPLATE_NEON_H
#define EINF_DOT_TEMPLATE_NEON_H

#define DOT(family, type, name, rung) \
    static void dot_##name##_##rung(float *y, int64_t y_stride, const void *w, size_t row_bytes, int64_t n_rows, \
                                    int64_t n_in, const einf__cols *x, int n_cols) \
    { \
        switch (n_cols) { \
        case 1: family##_rows(EINF__##type, 1, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        case 2: family##_rows(EINF__##type, 2, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        case 3: family##_rows(EINF__##type, 3, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        default: family##_rows(EINF__##type, 4, y, y_stride, w, row_bytes, n_rows, n_in, x); break; \
        } \
    }

#define INSTALL_DOT(family, type, name, rung) \
    EINF__INSTALL_TYPED(k, dot, EINF__##type, dot_##name##_##rung);

#endif
