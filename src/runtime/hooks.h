/* SPDX-License-Identifier: Apache-2.0
 * Prototypes of functions we define that some C libraries do not declare. */
#pragma once

#include <malloc.h>
#include <stddef.h>

void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);
