/* SPDX-License-Identifier: MIT
 * nearest.h - what a mistyped word was meant to be.
 */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

/** The nearest of n names to what was typed, or NULL when none is near. */
const char *cli_nearest(const char *typed, const char *const *names, int n);

#endif
