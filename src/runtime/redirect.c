/* SPDX-License-Identifier: Apache-2.0
 * See redirect.h. Relocation entries: the System V ABI and its supplements for x86-64 and
 * aarch64. */
#include "runtime/redirect.h"

#undef _FILE_OFFSET_BITS // as in hooks_map.c: mmap and mmap64 are two names here
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "runtime/hooks.h"
#include "runtime/inprocess.h"
#include "runtime/real.h"
#include "runtime/runtime.h"

#if defined(__x86_64__)
#define RELOCATION_SLOT R_X86_64_JUMP_SLOT
#define RELOCATION_DATA R_X86_64_GLOB_DAT
#define RELOCATION_WORD R_X86_64_64
#elif defined(__aarch64__)
#define RELOCATION_SLOT R_AARCH64_JUMP_SLOT
#define RELOCATION_DATA R_AARCH64_GLOB_DAT
#define RELOCATION_WORD R_AARCH64_ABS64
#endif

struct hooked {
    const char *name;
    uintptr_t hook;
    uintptr_t real; // what a call reaches
    // what the name's address is in this program: the same, or a jump inside the program
    uintptr_t canonical;
    bool allocates; // malloc and its family: taken together or not at all
};

#define NAMES 17
static struct hooked names[NAMES];
static size_t name_count;
static bool foreign_allocators; // some object defines a malloc that is not the real one

// Objects that were looked through, by load address. In dl_iterate_phdr() only, which lets one
// thread in at a time.
#define SEEN 4096
static uintptr_t seen[SEEN];
static size_t seen_count;
static unsigned long long seen_unloads;

static void add_name(const char *name, const void *hook, const void *real, bool allocates) {
    if (real != NULL) {
        names[name_count++] = (struct hooked){name, (uintptr_t)hook, (uintptr_t)real,
                                              (uintptr_t)dlsym(RTLD_DEFAULT, name), allocates};
    }
}

static void fill_names(void) {
    // Our own functions, not what these names mean to the program: the library is linked with
    // -Bsymbolic-functions.
#define ADD(function, allocates) \
    add_name(#function, (const void *)function, *(void **)&pk_real.function, allocates)
    ADD(malloc, true);
    ADD(calloc, true);
    ADD(realloc, true);
    ADD(reallocarray, true);
    ADD(free, true);
    ADD(posix_memalign, true);
    ADD(aligned_alloc, true);
    ADD(memalign, true);
    ADD(valloc, true);
    ADD(pvalloc, true);
    ADD(mmap, false);
    ADD(munmap, false);
    ADD(mremap, false);
    ADD(mprotect, false);
    ADD(pthread_create, false);
#undef ADD
    add_name("mmap64", (const void *)mmap64, *(void **)&pk_real.mmap, false);
    add_name("dlopen", (const void *)pk_inprocess_dlopen, *(void **)&pk_real.dlopen, false);
}

// ---- one object ---------------------------------------------------------------------------------

struct object {
    uintptr_t base;
    uintptr_t protected_start, protected_end; // what the dynamic linker made read-only (RELRO)
    uintptr_t text_start, text_end;
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Rela) * slots, *relocations;
    size_t slot_count, relocation_count, relative_count;
    const uint32_t *hashes; // DT_GNU_HASH
};

static uintptr_t address_in(const struct dl_phdr_info *info, ElfW(Addr) value) {
    // glibc has added the base already, except in the objects it may not write to.
    return value < info->dlpi_addr ? value + info->dlpi_addr : value;
}

static void read_dynamic(const struct dl_phdr_info *info, const ElfW(Dyn) * entry,
                         struct object *ret_object) {
    size_t slot_bytes = 0, relocation_bytes = 0;
    for (; entry->d_tag != DT_NULL; entry++) {
        uintptr_t address = address_in(info, entry->d_un.d_ptr);
        switch (entry->d_tag) {
        case DT_SYMTAB:
            ret_object->symbols = (const ElfW(Sym) *)address;
            break;
        case DT_STRTAB:
            ret_object->strings = (const char *)address;
            break;
        case DT_JMPREL:
            ret_object->slots = (const ElfW(Rela) *)address;
            break;
        case DT_PLTRELSZ:
            slot_bytes = entry->d_un.d_val;
            break;
        case DT_RELA:
            ret_object->relocations = (const ElfW(Rela) *)address;
            break;
        case DT_RELASZ:
            relocation_bytes = entry->d_un.d_val;
            break;
        case DT_RELACOUNT:
            ret_object->relative_count = entry->d_un.d_val;
            break;
        case DT_GNU_HASH:
            ret_object->hashes = (const uint32_t *)address;
            break;
        default:
            break;
        }
    }
    ret_object->slot_count = ret_object->slots == NULL ? 0 : slot_bytes / sizeof(ElfW(Rela));
    ret_object->relocation_count =
        ret_object->relocations == NULL ? 0 : relocation_bytes / sizeof(ElfW(Rela));
}

// False: not one to touch (this library, the dynamic linker, the kernel's own).
static bool read_object(const struct dl_phdr_info *info, struct object *ret_object) {
    uintptr_t ours = (uintptr_t)&pk_runtime;
    const ElfW(Dyn) *dynamic = NULL;
    *ret_object = (struct object){.base = info->dlpi_addr};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && ours - start < segment->p_memsz) {
            return false;
        }
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0) {
            ret_object->text_start = start;
            ret_object->text_end = start + segment->p_memsz;
        } else if (segment->p_type == PT_DYNAMIC) {
            dynamic = (const ElfW(Dyn) *)start;
        } else if (segment->p_type == PT_GNU_RELRO) { // rounded as the dynamic linker does
            ret_object->protected_start = start & ~(uintptr_t)4095;
            ret_object->protected_end = (start + segment->p_memsz) & ~(uintptr_t)4095;
        }
    }
    if (dynamic == NULL || info->dlpi_addr == getauxval(AT_BASE) ||
        info->dlpi_addr == getauxval(AT_SYSINFO_EHDR)) {
        return false;
    }
    read_dynamic(info, dynamic, ret_object);
    return ret_object->symbols != NULL && ret_object->strings != NULL;
}

static uint32_t hash_name(const char *name) {
    uint32_t hash = 5381;
    for (; *name != '\0'; name++) {
        hash = hash * 33 + (unsigned char)*name;
    }
    return hash;
}

// The object's own definition of `name`, or 0.
static uintptr_t find_definition(const struct object *object, const char *name) {
    const uint32_t *table = object->hashes;
    if (table == NULL || table[0] == 0) {
        return 0;
    }
    uint32_t bucket_count = table[0], first = table[1], words = table[2];
    const uint32_t *buckets = table + 4 + words * (sizeof(ElfW(Addr)) / 4);
    const uint32_t *chain = buckets + bucket_count;
    uint32_t hash = hash_name(name);
    uint32_t at = buckets[hash % bucket_count];
    for (; at >= first; at++) {
        uint32_t theirs = chain[at - first];
        const ElfW(Sym) *symbol = &object->symbols[at];
        if ((theirs | 1u) == (hash | 1u) && strcmp(object->strings + symbol->st_name, name) == 0) {
            return object->base + symbol->st_value;
        }
        if ((theirs & 1u) != 0) {
            break;
        }
    }
    return 0;
}

static const struct hooked *find_hooked(const char *name) {
    for (size_t i = 0; i < name_count; i++) {
        if (names[i].name[0] == name[0] && strcmp(names[i].name, name) == 0) {
            return &names[i];
        }
    }
    return NULL;
}

// ---- its entries --------------------------------------------------------------------------------

typedef void (*entry_visitor)(void *context, const struct object *object,
                              const struct hooked *hooked, uintptr_t *slot, bool binds_lazily);

static void visit_entries(const struct object *object, const ElfW(Rela) * entries, size_t count,
                          entry_visitor visit, void *context) {
    for (size_t i = 0; i < count; i++) {
        uint32_t type = (uint32_t)ELF64_R_TYPE(entries[i].r_info);
        size_t symbol = ELF64_R_SYM(entries[i].r_info);
        if (symbol == 0 ||
            (type != RELOCATION_SLOT && type != RELOCATION_DATA && type != RELOCATION_WORD) ||
            (type == RELOCATION_WORD && entries[i].r_addend != 0)) {
            continue;
        }
        const struct hooked *hooked =
            find_hooked(object->strings + object->symbols[symbol].st_name);
        if (hooked != NULL) {
            visit(context, object, hooked, (uintptr_t *)(object->base + entries[i].r_offset),
                  type == RELOCATION_SLOT);
        }
    }
}

static void visit_all(const struct object *object, entry_visitor visit, void *context) {
    size_t relative =
        object->relative_count < object->relocation_count ? object->relative_count : 0;
    visit_entries(object, object->slots, object->slot_count, visit, context);
    visit_entries(object, object->relocations + relative, object->relocation_count - relative,
                  visit, context);
}

struct pass {
    bool undo;
    bool writable; // the object's protected pages, at the moment
    bool skip_allocations;
    uint32_t bound, foreign, unbound; // entries of the malloc family, as they are
    uint32_t changes;                 // entries to be changed
};

static bool is_unbound(const struct object *object, uintptr_t value) {
    return value - object->text_start < object->text_end - object->text_start;
}

static bool is_to_change(const struct pass *pass, const struct object *object,
                         const struct hooked *hooked, uintptr_t value, bool binds_lazily) {
    if (pass->undo) {
        return value == hooked->hook;
    }
    if (hooked->allocates && pass->skip_allocations) {
        return false;
    }
    return value == hooked->real || value == hooked->canonical ||
           (binds_lazily && is_unbound(object, value));
}

static void count_entry(void *context, const struct object *object, const struct hooked *hooked,
                        uintptr_t *slot, bool binds_lazily) {
    struct pass *pass = context;
    uintptr_t value = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (hooked->allocates && !pass->undo) {
        if (value == hooked->real || value == hooked->canonical || value == hooked->hook) {
            pass->bound++;
        } else if (binds_lazily && is_unbound(object, value)) {
            pass->unbound++;
        } else {
            pass->foreign++;
        }
    }
    pass->changes += is_to_change(pass, object, hooked, value, binds_lazily);
}

static void change_entry(void *context, const struct object *object, const struct hooked *hooked,
                         uintptr_t *slot, bool binds_lazily) {
    struct pass *pass = context;
    uintptr_t value = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (!is_to_change(pass, object, hooked, value, binds_lazily)) {
        return;
    }
    uintptr_t address = (uintptr_t)slot;
    if (!pass->writable &&
        address - object->protected_start < object->protected_end - object->protected_start) {
        long result = pk_sys6(SYS_mprotect, (long)object->protected_start,
                              (long)(object->protected_end - object->protected_start),
                              PROT_READ | PROT_WRITE, 0, 0, 0);
        if (result != 0) {
            return; // forbidden here: this reference stays as it is
        }
        pass->writable = true;
    }
    uintptr_t back = binds_lazily ? hooked->real : hooked->canonical;
    __atomic_store_n(slot, pass->undo ? back : hooked->hook, __ATOMIC_RELEASE);
}

static void change_object(const struct object *object, bool undo) {
    struct pass pass = {.undo = undo};
    visit_all(object, count_entry, &pass);
    // Which malloc an unbound entry will get is not known: where there are several, those of an
    // object that has one bound to the real function say it.
    pass.skip_allocations =
        pass.foreign > 0 || (foreign_allocators && pass.unbound > 0 && pass.bound == 0);
    if (pass.changes == 0) {
        return;
    }
    visit_all(object, change_entry, &pass);
    if (pass.writable) {
        (void)pk_sys6(SYS_mprotect, (long)object->protected_start,
                      (long)(object->protected_end - object->protected_start), PROT_READ, 0, 0, 0);
    }
}

// ---- all objects --------------------------------------------------------------------------------

static bool was_seen(uintptr_t base) {
    for (size_t i = seen_count; i > 0; i--) {
        if (seen[i - 1] == base) {
            return true;
        }
    }
    if (seen_count < SEEN) {
        seen[seen_count++] = base;
    }
    return false;
}

static int look_for_allocators(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    (void)context;
    struct object object;
    if (read_object(info, &object)) {
        uintptr_t definition = find_definition(&object, "malloc");
        // libc's stands behind an allocator that is linked in or preloaded; nobody is bound to it
        // then.
        foreign_allocators |= definition > object.base && definition != names[0].real &&
                              find_definition(&object, "__libc_start_main") == 0;
    }
    return 0;
}

static int redirect_object(struct dl_phdr_info *info, size_t size, void *context) {
    bool undo = *(const bool *)context;
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs &&
        info->dlpi_subs != seen_unloads) {
        seen_unloads = info->dlpi_subs; // an address may belong to another object now
        seen_count = 0;
    }
    struct object object;
    if ((undo || !was_seen(info->dlpi_addr)) && read_object(info, &object)) {
        change_object(&object, undo);
    }
    return 0;
}

void pk_redirect(void) {
    bool undo = false;
    if (name_count == 0) {
        fill_names();
    }
    foreign_allocators = false;
    (void)dl_iterate_phdr(look_for_allocators, NULL);
    (void)dl_iterate_phdr(redirect_object, &undo);
}

static int forget_seen(struct dl_phdr_info *info, size_t size, void *context) {
    (void)info;
    (void)size;
    (void)context;
    seen_count = 0;
    return 1;
}

void pk_redirect_undo(void) {
    bool undo = true;
    (void)dl_iterate_phdr(redirect_object, &undo);
    (void)dl_iterate_phdr(forget_seen, NULL);
}
