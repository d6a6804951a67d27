/* SPDX-License-Identifier: Apache-2.0
 * Code object (its address) -> function (its index in the ledger). An entry dies with its code
 * object: the object's block is flagged in the block index, and freeing it removes the entry. Code
 * objects whose block is not known (compiled into the interpreter, made before recording) are
 * checked by a stamp at every look-up instead. Guarded by the ledger's lock. */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "pyframe/codeinfo.h"

struct pk_code_entry {
    uintptr_t code;              /* 0: empty */
    struct pk_code_stamp *stamp; /* NULL: the block is watched */
    uint32_t function;
    uint32_t reserved;
};

struct pk_codes {
    struct pk_code_entry *entries; /* open addressing */
    uint32_t mask;
    uint32_t count;
};

/* The function of a live code object; PK_CODES_NONE when the tables cannot grow. */
uint32_t pk_codes_function(struct pk_codes *codes, const void *code);
/* In a forked child, whose functions are numbered anew: all is learnt again. */
void pk_codes_clear(struct pk_codes *codes);
/* The code object at this address is gone. */
void pk_codes_forget(struct pk_codes *codes, uintptr_t code);

#define PK_CODES_NONE 0xfffffffdu
