/* SPDX-License-Identifier: Apache-2.0
 * `peakline --version`: which program this is. */
#pragma once

#include <stdio.h>

/* build_facts.c.in */
extern const char pk_build_commit[];

/* "peakline 0.1.0", then what it was built from and by, and for which machine and C library. */
void pk_version_print(FILE *out);
