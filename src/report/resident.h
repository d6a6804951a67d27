/* SPDX-License-Identifier: Apache-2.0
 * Why the resident size that the operating system reports and the bytes that the program asked for
 * are not the same. May use model.h. Must stay true: what is said is derived from numbers of this
 * run; what they do not explain is called unknown. */
#pragma once

#include "report/model.h"

/* "8.1 MiB pages of files" and so on: what follows "Resident peak 25.7 MiB: ". "" when the two
 * differ by at most a fifth of the tracked peak (and 1 MiB), or one is not known. */
void pk_resident_explain(const struct pk_report *report, char *ret_text, size_t size);
