/* SPDX-License-Identifier: Apache-2.0
 * The known word that was probably meant.
 * May use libc. Must stay true: a word nothing like any known one gets no suggestion. */
#pragma once

/* The entry of `known` (ended by NULL) nearest to `word` by edit distance (a swap of neighbours is
 * one edit), or NULL if all are further away than a third of its letters. A word that begins one of
 * them counts as near. */
const char *pk_nearest(const char *word, const char *const *known);
