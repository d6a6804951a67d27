/* SPDX-License-Identifier: Apache-2.0
 * See domains.h. The structs below are public API since 3.4 and stable (Include/cpython/pymem.h,
 * objimpl.h). */
#include "runtime/domains.h"

#include <dlfcn.h>
#include <stdint.h>

#include "base/sys.h"
#include "runtime/runtime.h"
#include "runtime/small.h"

struct allocator { // PyMemAllocatorEx
    void *context;
    void *(*malloc)(void *context, size_t size);
    void *(*calloc)(void *context, size_t count, size_t size);
    void *(*realloc)(void *context, void *block, size_t size);
    void (*free)(void *context, void *block);
};

struct arena_allocator { // PyObjectArenaAllocator
    void *context;
    void *(*alloc)(void *context, size_t size);
    void (*free)(void *context, void *arena, size_t size);
};

enum domain {
    DOMAIN_RAW = 0,
    DOMAIN_MEM = 1,
    DOMAIN_OBJ = 2,
    DOMAINS = 3
}; // PyMemAllocatorDomain

struct wrapped {
    struct allocator inner;
    bool raw; // called without the GIL too; the others' small requests come in even size classes
};

static void (*get_allocator)(int domain, struct allocator *);
static void (*set_allocator)(int domain, struct allocator *);
static void (*get_arena_allocator)(struct arena_allocator *);
static void (*set_arena_allocator)(struct arena_allocator *);
static struct arena_allocator arena_inner;
static struct wrapped first[DOMAINS];  // installed by the constructor, or by the program itself
static struct wrapped second[DOMAINS]; // once more, when start-up threw the first away
static bool wrapped_again;

// ---- the wrappers -------------------------------------------------------------------------------

static bool comes_even(const struct wrapped *domain, size_t size) {
    return !domain->raw && size <= PK_BLOCK_EVEN_MAX;
}

static void *wrapped_new(struct pk_thread *self, const struct wrapped *domain, void *block,
                         size_t size) {
    if (PK_LIKELY(block != NULL)) {
        pk_track_alloc(self, (uintptr_t)block, size, PK_BLOCK_PYTHON, comes_even(domain, size));
    } else {
        pk_track_failed(self, size);
    }
    self->open = 1;
    return block;
}

PK_INLINE void *malloc_raw(const struct wrapped *domain, size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        return domain->inner.malloc(domain->inner.context, size);
    }
    self->open = 0;
    return wrapped_new(self, domain, domain->inner.malloc(domain->inner.context, size), size);
}

static void *wrapped_malloc_raw(void *context, size_t size) {
    return malloc_raw(context, size);
}

PK_INLINE void *malloc_in(enum pk_frame_family family, const struct wrapped *domain, size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        return domain->inner.malloc(domain->inner.context, size);
    }
    self->open = 0;
    void *block = domain->inner.malloc(domain->inner.context, size);
    if (PK_UNLIKELY(block == NULL || size - 1 >= PK_BLOCK_EVEN_MAX)) {
        return wrapped_new(self, domain, block, size);
    }
    pk_small_alloc(family, self, (uintptr_t)block, size);
    self->open = 1;
    return block;
}

static void *wrapped_malloc_object(void *context, size_t size) {
    return malloc_in(PK_FAMILY_OBJECT, context, size);
}

static void *wrapped_malloc_cframe(void *context, size_t size) {
    return malloc_in(PK_FAMILY_CFRAME, context, size);
}

static void *wrapped_malloc_direct(void *context, size_t size) {
    return malloc_in(PK_FAMILY_DIRECT, context, size);
}

static void *(*const wrapped_malloc[])(void *, size_t) = {
    [PK_FAMILY_OBJECT] = wrapped_malloc_object,
    [PK_FAMILY_CFRAME] = wrapped_malloc_cframe,
    [PK_FAMILY_DIRECT] = wrapped_malloc_direct,
};

PK_INLINE void *calloc_in(const struct wrapped *domain, size_t count, size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        return domain->inner.calloc(domain->inner.context, count, size);
    }
    self->open = 0;
    void *block = domain->inner.calloc(domain->inner.context, count, size);
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        bytes = SIZE_MAX; // the call failed
    }
    return wrapped_new(self, domain, block, bytes);
}

PK_INLINE void free_in(const struct wrapped *domain, void *block) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        domain->inner.free(domain->inner.context, block);
        return;
    }
    self->open = 0;
    pk_small_free(self, (uintptr_t)block);
    domain->inner.free(domain->inner.context, block);
    self->open = 1;
}

PK_INLINE void *realloc_in(const struct wrapped *domain, void *old, size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        return domain->inner.realloc(domain->inner.context, old, size);
    }
    self->open = 0;
    if (old == NULL) {
        return wrapped_new(self, domain, domain->inner.realloc(domain->inner.context, NULL, size),
                           size);
    }
    struct pk_block known = pk_track_resize_begin(self, (uintptr_t)old);
    self->moved_pages = false; // set by our realloc hook below
    void *block = domain->inner.realloc(domain->inner.context, old, size);
    if (PK_UNLIKELY(block == NULL)) {
        pk_track_resize_abort(self, known, (uintptr_t)old);
        pk_track_failed(self, size);
    } else {
        bool copied = block != old && !self->moved_pages;
        pk_track_resize_commit(self, known, (uintptr_t)block, size, PK_BLOCK_PYTHON,
                               comes_even(domain, size), copied);
    }
    self->open = 1;
    return block;
}

static void *wrapped_calloc(void *context, size_t count, size_t size) {
    return calloc_in(context, count, size);
}

static void *wrapped_realloc(void *context, void *old, size_t size) {
    return realloc_in(context, old, size);
}

static void wrapped_free(void *context, void *block) {
    free_in(context, block);
}

// ---- arenas -------------------------------------------------------------------------------------

// 3.8, 3.9; 1 MiB since 3.10. Smaller: the stack of Python frames (3.11+).
#define SMALLEST_ARENA (256u * 1024u)

// Called from inside our own wrapper (pymalloc wants an arena) or directly (the interpreter wants
// frames).
static void *wrapped_arena_alloc(void *context, size_t size) {
    (void)context;
    // a thread met here for the first time must not count the map below as its own
    (void)pk_thread_current();
    struct pk_thread *self = pk_self;
    bool outermost = self->open;
    if (outermost) {
        self->open = 0;
    }
    void *arena = arena_inner.alloc(arena_inner.context, size);
    if (arena != NULL && self != &pk_thread_blank && !self->busy) {
        if (size >= SMALLEST_ARENA) {
            pk_track_arena(self, (int64_t)size);
        } else {
            pk_track_alloc(self, (uintptr_t)arena, size, PK_BLOCK_PYTHON, false);
        }
    }
    if (outermost) {
        self->open = 1;
    }
    return arena;
}

static void wrapped_arena_free(void *context, void *arena, size_t size) {
    (void)context;
    (void)pk_thread_current();
    struct pk_thread *self = pk_self;
    bool outermost = self->open;
    if (outermost) {
        self->open = 0;
    }
    if (self != &pk_thread_blank && !self->busy) {
        if (size >= SMALLEST_ARENA) {
            pk_track_arena(self, -(int64_t)size);
        } else {
            pk_track_free(self, (uintptr_t)arena);
        }
    }
    arena_inner.free(arena_inner.context, arena, size);
    if (outermost) {
        self->open = 1;
    }
}

static bool find_functions(void) {
    *(void **)&get_allocator = dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
    *(void **)&set_allocator = dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    *(void **)&get_arena_allocator = dlsym(RTLD_DEFAULT, "PyObject_GetArenaAllocator");
    *(void **)&set_arena_allocator = dlsym(RTLD_DEFAULT, "PyObject_SetArenaAllocator");
    return get_allocator != NULL && set_allocator != NULL;
}

static void wrap_arenas(void) {
    if (get_arena_allocator == NULL || set_arena_allocator == NULL) {
        return;
    }
    get_arena_allocator(&arena_inner);
    struct arena_allocator ours = {arena_inner.context, wrapped_arena_alloc, wrapped_arena_free};
    set_arena_allocator(&ours);
}

static enum pk_frame_family family(void) {
    return pk_runtime.layout == NULL ? PK_FAMILY_DIRECT
                                     : (enum pk_frame_family)pk_runtime.layout->family;
}

static void wrap_domains(struct wrapped *domains) {
    for (int domain = DOMAIN_RAW; domain < DOMAINS; domain++) {
        get_allocator(domain, &domains[domain].inner);
        domains[domain].raw = domain == DOMAIN_RAW;
        struct allocator ours = {
            &domains[domain], domain == DOMAIN_RAW ? wrapped_malloc_raw : wrapped_malloc[family()],
            wrapped_calloc, wrapped_realloc, wrapped_free};
        set_allocator(domain, &ours);
    }
}

void pk_domains_wrap(void) {
    if (find_functions()) {
        wrap_domains(first);
        wrap_arenas();
    }
}

bool pk_domains_wrap_again(void) {
    struct allocator now;
    get_allocator(DOMAIN_OBJ, &now);
    if (now.free == wrapped_free || wrapped_again) {
        return false;
    }
    wrapped_again = true;
    wrap_domains(second);
    return true;
}

// ---- in a running interpreter -------------------------------------------------------------------

// One set for each domain: which one is called says the domain, not the context.
static void *raw_malloc(void *context, size_t size) {
    (void)context;
    return malloc_raw(&first[DOMAIN_RAW], size);
}

static void *raw_calloc(void *context, size_t count, size_t size) {
    (void)context;
    return calloc_in(&first[DOMAIN_RAW], count, size);
}

static void *raw_realloc(void *context, void *old, size_t size) {
    (void)context;
    return realloc_in(&first[DOMAIN_RAW], old, size);
}

static void raw_free(void *context, void *block) {
    (void)context;
    free_in(&first[DOMAIN_RAW], block);
}

static void *mem_malloc_object(void *context, size_t size) {
    (void)context;
    return malloc_in(PK_FAMILY_OBJECT, &first[DOMAIN_MEM], size);
}

static void *mem_malloc_cframe(void *context, size_t size) {
    (void)context;
    return malloc_in(PK_FAMILY_CFRAME, &first[DOMAIN_MEM], size);
}

static void *mem_malloc_direct(void *context, size_t size) {
    (void)context;
    return malloc_in(PK_FAMILY_DIRECT, &first[DOMAIN_MEM], size);
}

static void *mem_calloc(void *context, size_t count, size_t size) {
    (void)context;
    return calloc_in(&first[DOMAIN_MEM], count, size);
}

static void *mem_realloc(void *context, void *old, size_t size) {
    (void)context;
    return realloc_in(&first[DOMAIN_MEM], old, size);
}

static void mem_free(void *context, void *block) {
    (void)context;
    free_in(&first[DOMAIN_MEM], block);
}

static void *obj_malloc_object(void *context, size_t size) {
    (void)context;
    return malloc_in(PK_FAMILY_OBJECT, &first[DOMAIN_OBJ], size);
}

static void *obj_malloc_cframe(void *context, size_t size) {
    (void)context;
    return malloc_in(PK_FAMILY_CFRAME, &first[DOMAIN_OBJ], size);
}

static void *obj_malloc_direct(void *context, size_t size) {
    (void)context;
    return malloc_in(PK_FAMILY_DIRECT, &first[DOMAIN_OBJ], size);
}

static void *obj_calloc(void *context, size_t count, size_t size) {
    (void)context;
    return calloc_in(&first[DOMAIN_OBJ], count, size);
}

static void *obj_realloc(void *context, void *old, size_t size) {
    (void)context;
    return realloc_in(&first[DOMAIN_OBJ], old, size);
}

static void obj_free(void *context, void *block) {
    (void)context;
    free_in(&first[DOMAIN_OBJ], block);
}

static struct allocator running_wrapper(int domain) {
    static void *(*const mem_malloc[])(void *, size_t) = {mem_malloc_object, mem_malloc_cframe,
                                                          mem_malloc_direct};
    static void *(*const obj_malloc[])(void *, size_t) = {obj_malloc_object, obj_malloc_cframe,
                                                          obj_malloc_direct};
    switch (domain) {
    case DOMAIN_RAW:
        return (struct allocator){NULL, raw_malloc, raw_calloc, raw_realloc, raw_free};
    case DOMAIN_MEM:
        return (struct allocator){NULL, mem_malloc[family()], mem_calloc, mem_realloc, mem_free};
    default:
        return (struct allocator){NULL, obj_malloc[family()], obj_calloc, obj_realloc, obj_free};
    }
}

static void *(*probed)(void *context, size_t size);
static bool probe_reached;

static void *probe_malloc(void *context, size_t size) {
    probe_reached = true;
    return probed(context, size);
}

// Does an allocation in this domain come to our wrapper, perhaps through those of others above it?
static bool is_wrapped(int domain) {
    struct allocator now;
    get_allocator(domain, &now);
    if (now.free == running_wrapper(domain).free) {
        return true;
    }
    if (first[domain].inner.malloc == NULL) {
        return false; // it was never there
    }
    probe_reached = false;
    probed = first[domain].inner.malloc;
    first[domain].inner.malloc = probe_malloc;
    void *block = now.malloc(now.context, 1);
    first[domain].inner.malloc = probed;
    if (block != NULL) {
        now.free(now.context, block);
    }
    return probe_reached;
}

_Static_assert(PK_FAMILY_OBJECT == 0 && PK_FAMILY_CFRAME == 1 && PK_FAMILY_DIRECT == 2,
               "order of the tables above");

bool pk_domains_wrap_running(void) {
    if (!find_functions()) {
        return false;
    }
    for (int domain = DOMAIN_RAW; domain < DOMAINS; domain++) {
        if (is_wrapped(domain)) {
            continue;
        }
        struct allocator ours = running_wrapper(domain);
        get_allocator(domain, &first[domain].inner);
        first[domain].raw = domain == DOMAIN_RAW;
        ours.context = first[domain].inner.context;
        set_allocator(domain, &ours);
    }
    struct arena_allocator arenas = {0};
    if (get_arena_allocator != NULL) {
        get_arena_allocator(&arenas);
    }
    if (arenas.free != wrapped_arena_free) {
        wrap_arenas();
    }
    return true;
}

void pk_domains_unwrap_running(void) {
    for (int domain = DOMAIN_RAW; domain < DOMAINS; domain++) {
        struct allocator now;
        get_allocator(domain, &now);
        // else another tool stands above: ours stay, and forward
        if (now.free == running_wrapper(domain).free) {
            set_allocator(domain, &first[domain].inner);
        }
    }
    struct arena_allocator arenas = {0};
    if (get_arena_allocator != NULL && set_arena_allocator != NULL) {
        get_arena_allocator(&arenas);
        if (arenas.free == wrapped_arena_free) {
            set_arena_allocator(&arena_inner);
        }
    }
}
