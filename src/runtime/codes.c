/* SPDX-License-Identifier: Apache-2.0
 * See codes.h. */
#include "runtime/codes.h"

#include "runtime/runtime.h"

#define FIRST_ENTRIES 2048u
#define TEXT_ROOM 4096u /* names and paths longer than this are cut: PATH_MAX */

static uint32_t home(const struct pk_codes *codes, uintptr_t code) {
    return (uint32_t)(((uint64_t)code >> 4) * 0x9e3779b97f4a7c15u >> 32) & codes->mask;
}

static bool make_room(struct pk_codes *codes) {
    if (codes->entries != NULL && codes->count * 2 <= codes->mask) {
        return true;
    }
    struct pk_arena *arena = &pk_runtime.ledger.arena;
    struct pk_codes old = *codes;
    uint32_t capacity = old.entries == NULL ? FIRST_ENTRIES : (old.mask + 1) * 2;
    struct pk_code_entry *entries = pk_arena_alloc(arena, capacity * sizeof *entries);
    if (entries == NULL) {
        return old.entries != NULL && old.count + 1 < old.mask;
    }
    codes->entries = entries;
    codes->mask = capacity - 1;
    for (uint32_t i = 0; old.entries != NULL && i <= old.mask; i++) {
        if (old.entries[i].code != 0) {
            uint32_t at = home(codes, old.entries[i].code);
            while (entries[at].code != 0) {
                at = (at + 1) & codes->mask;
            }
            entries[at] = old.entries[i];
        }
    }
    if (old.entries != NULL) {
        pk_arena_free(arena, old.entries, ((size_t)old.mask + 1) * sizeof *entries);
    }
    return true;
}

static uint32_t intern_function(const void *code) {
    // Static, because some threads have small stacks; the lock guards it.
    static char name[TEXT_ROOM], qualname[TEXT_ROOM], file[TEXT_ROOM];
    struct pk_code_info info;
    pk_code_read(pk_runtime.layout, code, &info);
    struct pk_function_key key = {
        .name = name,
        .name_bytes = (uint32_t)pk_text_to_utf8(info.name, name, sizeof name),
        .qualname = qualname,
        .qualname_bytes = (uint32_t)pk_text_to_utf8(info.qualname, qualname, sizeof qualname),
        .file = file,
        .file_bytes = (uint32_t)pk_text_to_utf8(info.filename, file, sizeof file),
        .first_line = (uint32_t)info.first_line,
        .hash = pk_code_hash(&info),
        .kind = PK_FUNCTION_PYTHON,
    };
    int64_t function = pk_stacks_function(&pk_runtime.ledger.stacks, &key);
    return function < 0 ? PK_CODES_NONE : (uint32_t)function;
}

PK_COLD static uint32_t learn(struct pk_codes *codes, const void *code) {
    uint32_t function = intern_function(code);
    if (function == PK_CODES_NONE || !make_room(codes)) {
        return function;
    }
    struct pk_code_stamp *stamp = NULL;
    if (!pk_blocks_flag(&pk_runtime.ledger.blocks, (uintptr_t)code, PK_BLOCK_CODE)) {
        stamp = pk_arena_alloc(&pk_runtime.ledger.arena, sizeof *stamp);
        if (stamp == NULL) {
            return function; // not remembered: looked up again each time
        }
        pk_code_stamp_read(pk_runtime.layout, code, stamp);
    }
    uint32_t at = home(codes, (uintptr_t)code);
    while (codes->entries[at].code != 0) {
        at = (at + 1) & codes->mask;
    }
    codes->entries[at] =
        (struct pk_code_entry){.code = (uintptr_t)code, .stamp = stamp, .function = function};
    codes->count++;
    return function;
}

static bool still_the_same(const struct pk_code_entry *entry) {
    if (PK_LIKELY(entry->stamp == NULL)) {
        return true;
    }
    struct pk_code_stamp now;
    pk_code_stamp_read(pk_runtime.layout, (const void *)entry->code, &now);
    return pk_code_stamp_equal(entry->stamp, &now);
}

uint32_t pk_codes_function(struct pk_codes *codes, const void *code) {
    if (PK_LIKELY(codes->entries != NULL)) {
        for (uint32_t at = home(codes, (uintptr_t)code);; at = (at + 1) & codes->mask) {
            if (PK_LIKELY(codes->entries[at].code == (uintptr_t)code)) {
                if (PK_LIKELY(still_the_same(&codes->entries[at]))) {
                    return codes->entries[at].function;
                }
                pk_codes_forget(codes, (uintptr_t)code);
                break;
            }
            if (codes->entries[at].code == 0) {
                break;
            }
        }
    }
    return learn(codes, code);
}

PK_COLD void pk_codes_forget(struct pk_codes *codes, uintptr_t code) {
    if (codes->entries == NULL) {
        return;
    }
    uint32_t hole = home(codes, code);
    while (codes->entries[hole].code != code) {
        if (codes->entries[hole].code == 0) {
            return;
        }
        hole = (hole + 1) & codes->mask;
    }
    if (codes->entries[hole].stamp != NULL) {
        pk_arena_free(&pk_runtime.ledger.arena, codes->entries[hole].stamp,
                      sizeof(struct pk_code_stamp));
    }
    for (uint32_t i = (hole + 1) & codes->mask; codes->entries[i].code != 0;
         i = (i + 1) & codes->mask) {
        if (((i - home(codes, codes->entries[i].code)) & codes->mask) >=
            ((i - hole) & codes->mask)) {
            codes->entries[hole] = codes->entries[i];
            hole = i;
        }
    }
    codes->entries[hole] = (struct pk_code_entry){0};
    codes->count--;
}

PK_COLD void pk_codes_clear(struct pk_codes *codes) {
    struct pk_arena *arena = &pk_runtime.ledger.arena;
    if (codes->entries != NULL) {
        for (uint32_t i = 0; i <= codes->mask; i++) {
            pk_arena_free(arena, codes->entries[i].stamp, sizeof(struct pk_code_stamp));
        }
        pk_arena_free(arena, codes->entries, ((size_t)codes->mask + 1) * sizeof *codes->entries);
    }
    *codes = (struct pk_codes){0};
}
