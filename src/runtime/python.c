/* SPDX-License-Identifier: Apache-2.0
 * See python.h. Symbols and their versions: the C API documentation and CPython's Include/cpython/pymem.h,
 * objimpl.h; struct layouts below are public API since 3.4 and stable. */
#include "runtime/python.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "pyframe/linetable.h"
#include "pyframe/walk.h"
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

enum domain { DOMAIN_RAW = 0, DOMAIN_MEM = 1, DOMAIN_OBJ = 2, DOMAINS = 3 }; // PyMemAllocatorDomain

struct wrapped {
    struct allocator inner;
    bool raw; // called without the GIL too; the others' small requests come in even size classes
};

static struct {
    void (*get_allocator)(int domain, struct allocator *);
    void (*set_allocator)(int domain, struct allocator *);
    void (*get_arena_allocator)(struct arena_allocator *);
    void (*set_arena_allocator)(struct arena_allocator *);
    int (*is_initialized)(void);
    int (*add_pending_call)(int (*)(void *), void *);
    const char *(*get_version)(void);
    void *(*current_frame)(void);       // PyEval_GetFrame: borrowed
    int (*frame_line)(void *);          // PyFrame_GetLineNumber
    void *(*frame_code)(void *);        // PyFrame_GetCode, 3.9+: new reference
    void *(*frame_back)(void *);        // PyFrame_GetBack, 3.9+: new reference or NULL
    void (*decref)(void *);             // Py_DecRef
    const uint64_t *runtime_words;      // _PyRuntime
    struct arena_allocator arena_inner;
    struct wrapped first[DOMAINS];      // installed by the constructor
    struct wrapped second[DOMAINS];     // once more, when start-up threw the first away
    bool again;
} python;

static void *no_thread_state(void) {
    return NULL;
}

// ---- the wrappers --------------------------------------------------------------------------------------------

static bool comes_even(const struct wrapped *domain, size_t size) {
    return !domain->raw && size <= PK_BLOCK_EVEN_MAX;
}

static void *wrapped_new(struct pk_thread *self, const struct wrapped *domain, void *block, size_t size) {
    if (PK_LIKELY(block != NULL)) {
        pk_track_alloc(self, (uintptr_t)block, size, PK_BLOCK_PYTHON, comes_even(domain, size));
    } else {
        pk_track_failed(self, size);
    }
    self->depth = 0;
    return block;
}

static void *wrapped_malloc_raw(void *context, size_t size) {
    const struct wrapped *domain = context;
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        return domain->inner.malloc(domain->inner.context, size);
    }
    self->depth = 1;
    return wrapped_new(self, domain, domain->inner.malloc(domain->inner.context, size), size);
}

PK_INLINE void *wrapped_malloc_in(enum pk_frame_family family, void *context, size_t size) {
    const struct wrapped *domain = context;
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        return domain->inner.malloc(domain->inner.context, size);
    }
    self->depth = 1;
    void *block = domain->inner.malloc(domain->inner.context, size);
    if (PK_UNLIKELY(block == NULL || size - 1 >= PK_BLOCK_EVEN_MAX)) {
        return wrapped_new(self, domain, block, size);
    }
    pk_small_alloc(family, self, (uintptr_t)block, size);
    self->depth = 0;
    return block;
}

static void *wrapped_malloc_object(void *context, size_t size) {
    return wrapped_malloc_in(PK_FAMILY_OBJECT, context, size);
}

static void *wrapped_malloc_cframe(void *context, size_t size) {
    return wrapped_malloc_in(PK_FAMILY_CFRAME, context, size);
}

static void *wrapped_malloc_direct(void *context, size_t size) {
    return wrapped_malloc_in(PK_FAMILY_DIRECT, context, size);
}

static void *(*const wrapped_malloc[])(void *, size_t) = {
    [PK_FAMILY_OBJECT] = wrapped_malloc_object,
    [PK_FAMILY_CFRAME] = wrapped_malloc_cframe,
    [PK_FAMILY_DIRECT] = wrapped_malloc_direct,
};

static void *wrapped_calloc(void *context, size_t count, size_t size) {
    const struct wrapped *domain = context;
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        return domain->inner.calloc(domain->inner.context, count, size);
    }
    self->depth = 1;
    void *block = domain->inner.calloc(domain->inner.context, count, size);
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        bytes = SIZE_MAX; // the call failed
    }
    return wrapped_new(self, domain, block, bytes);
}

static void wrapped_free(void *context, void *block) {
    const struct wrapped *domain = context;
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        domain->inner.free(domain->inner.context, block);
        return;
    }
    self->depth = 1;
    pk_small_free(self, (uintptr_t)block);
    domain->inner.free(domain->inner.context, block);
    self->depth = 0;
}

static void *wrapped_realloc(void *context, void *old, size_t size) {
    const struct wrapped *domain = context;
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        return domain->inner.realloc(domain->inner.context, old, size);
    }
    self->depth = 1;
    if (old == NULL) {
        return wrapped_new(self, domain, domain->inner.realloc(domain->inner.context, NULL, size), size);
    }
    struct pk_block known = pk_track_resize_begin(self, (uintptr_t)old);
    self->moved_pages = false; // set by our realloc hook below
    void *block = domain->inner.realloc(domain->inner.context, old, size);
    if (PK_UNLIKELY(block == NULL)) {
        pk_track_resize_abort(self, known, (uintptr_t)old);
        pk_track_failed(self, size);
    } else {
        bool copied = block != old && !self->moved_pages;
        pk_track_resize_commit(self, known, (uintptr_t)block, size, PK_BLOCK_PYTHON, comes_even(domain, size), copied);
    }
    self->depth = 0;
    return block;
}

// ---- arenas --------------------------------------------------------------------------------------------------

#define SMALLEST_ARENA (256u * 1024u) // 3.8, 3.9; 1 MiB since 3.10. Smaller: the stack of Python frames (3.11+).

// Called from inside our own wrapper (pymalloc wants an arena) or directly (the interpreter wants frames).
static void *wrapped_arena_alloc(void *context, size_t size) {
    (void)context;
    (void)pk_thread_current(); // a thread met here for the first time must not count the map below as its own
    struct pk_thread *self = pk_self;
    bool outermost = self->depth == 0;
    if (outermost) {
        self->depth = 1;
    }
    void *arena = python.arena_inner.alloc(python.arena_inner.context, size);
    if (arena != NULL && self != &pk_thread_blank && !self->busy) {
        if (size >= SMALLEST_ARENA) {
            pk_track_arena(self, (int64_t)size);
        } else {
            pk_track_alloc(self, (uintptr_t)arena, size, PK_BLOCK_PYTHON, false);
        }
    }
    if (outermost) {
        self->depth = 0;
    }
    return arena;
}

static void wrapped_arena_free(void *context, void *arena, size_t size) {
    (void)context;
    (void)pk_thread_current();
    struct pk_thread *self = pk_self;
    bool outermost = self->depth == 0;
    if (outermost) {
        self->depth = 1;
    }
    if (self != &pk_thread_blank && !self->busy) {
        if (size >= SMALLEST_ARENA) {
            pk_track_arena(self, -(int64_t)size);
        } else {
            pk_track_free(self, (uintptr_t)arena);
        }
    }
    python.arena_inner.free(python.arena_inner.context, arena, size);
    if (outermost) {
        self->depth = 0;
    }
}

static void wrap_arenas(void) {
    if (python.get_arena_allocator == NULL || python.set_arena_allocator == NULL) {
        return;
    }
    python.get_arena_allocator(&python.arena_inner);
    struct arena_allocator ours = {.alloc = wrapped_arena_alloc, .free = wrapped_arena_free};
    python.set_arena_allocator(&ours);
}

static void wrap_domains(struct wrapped *domains) {
    uint32_t family = pk_runtime.layout == NULL ? PK_FAMILY_DIRECT : pk_runtime.layout->family;
    for (int domain = DOMAIN_RAW; domain < DOMAINS; domain++) {
        python.get_allocator(domain, &domains[domain].inner);
        domains[domain].raw = domain == DOMAIN_RAW;
        struct allocator ours = {&domains[domain], domain == DOMAIN_RAW ? wrapped_malloc_raw : wrapped_malloc[family],
                                 wrapped_calloc, wrapped_realloc, wrapped_free};
        python.set_allocator(domain, &ours);
    }
}

// ---- symbols and layout --------------------------------------------------------------------------------------

static void *symbol(const char *name) {
    return dlsym(RTLD_DEFAULT, name);
}

/* Bound by the loader if there is an interpreter. dlsym would make up the text of an error in every program that is
 * none, which took 40 us: a tenth of a short program's whole life. */
PK_EXPORT extern char present_allocator __asm__("PyMem_SetAllocator") __attribute__((weak));
PK_EXPORT extern char present_version __asm__("Py_GetVersion") __attribute__((weak));

bool pk_python_present(void) {
    return &present_allocator != NULL && &present_version != NULL;
}

// "3.13.0rc2 (main, ..." -> PY_VERSION_HEX.
static uint32_t parse_version(const char *text) {
    uint32_t part[3] = {0, 0, 0};
    for (int i = 0; i < 3; i++) {
        while (*text >= '0' && *text <= '9') {
            part[i] = part[i] * 10 + (uint32_t)(*text++ - '0');
        }
        if (*text != '.') {
            break;
        }
        text++;
    }
    uint32_t level = *text == 'a' ? 0xa : *text == 'b' ? 0xb : *text == 'r' ? 0xc : 0xf;
    return part[0] << 24 | part[1] << 16 | part[2] << 8 | level << 4;
}

static void say_note(enum pk_python_status status, const char *text, const char *more) {
    struct pk_ledger_header *header = pk_runtime.header;
    header->python_status = status;
    size_t at = 0;
    for (const char *part = text; part != NULL; part = part == text ? more : NULL) {
        for (const char *c = part; *c != '\0' && at + 1 < sizeof header->python_note; c++) {
            header->python_note[at++] = *c;
        }
    }
    header->python_note[at] = '\0';
}

static void choose_layout(void) {
    struct pk_ledger_header *header = pk_runtime.header;
    const char *version = python.get_version();
    const unsigned long *hex = symbol("Py_Version"); // 3.11+
    header->python_hex = hex != NULL ? (uint32_t)*hex : parse_version(version);
    strncpy(header->python_version, version, sizeof header->python_version - 1);
    bool debug_offsets = header->python_hex >= 0x030d0000u && python.runtime_words != NULL;
    bool free_threaded = debug_offsets && python.runtime_words[2] != 0;
    if (free_threaded) {
        header->flags |= PK_FLAG_FREE_THREADED;
    }
    const struct pk_layout *layout = pk_layout_find(header->python_hex, free_threaded);
    if (layout == NULL) {
        say_note(PK_PYTHON_UNKNOWN, "this version of Python is not known to this version of Peakline", NULL);
        return;
    }
    const char *what = NULL;
    if (debug_offsets && pk_layout_check_debug_offsets(layout, python.runtime_words, header->python_hex, &what) < 0) {
        say_note(PK_PYTHON_MISMATCH, "the interpreter's own table of offsets disagrees about ", what);
        return;
    }
    if (pk_runtime.thread_state == NULL || pk_runtime.own_thread_state == NULL) {
        say_note(PK_PYTHON_UNKNOWN, "this Python does not export its thread state", NULL);
        return;
    }
    header->python_status = PK_PYTHON_ATTACHED;
    pk_runtime.layout = layout;
}

void pk_python_attach(void) {
#define FIND(field, name) *(void **)&python.field = symbol(name)
    FIND(get_allocator, "PyMem_GetAllocator");
    FIND(set_allocator, "PyMem_SetAllocator");
    FIND(get_arena_allocator, "PyObject_GetArenaAllocator");
    FIND(set_arena_allocator, "PyObject_SetArenaAllocator");
    FIND(is_initialized, "Py_IsInitialized");
    FIND(add_pending_call, "Py_AddPendingCall");
    FIND(get_version, "Py_GetVersion");
    FIND(current_frame, "PyEval_GetFrame");
    FIND(frame_line, "PyFrame_GetLineNumber");
    FIND(frame_code, "PyFrame_GetCode");
    FIND(frame_back, "PyFrame_GetBack");
    FIND(decref, "Py_DecRef");
    FIND(runtime_words, "_PyRuntime");
#undef FIND
    *(void **)&pk_runtime.own_thread_state = symbol("PyGILState_GetThisThreadState");
    void *finalizing = symbol("Py_IsFinalizing"); // 3.13+
    *(void **)&pk_runtime.is_finalizing = finalizing != NULL ? finalizing : symbol("_Py_IsFinalizing");
    void *unchecked = symbol("PyThreadState_GetUnchecked"); // 3.13+
    *(void **)&pk_runtime.thread_state = unchecked != NULL ? unchecked : symbol("_PyThreadState_UncheckedGet");
    pk_runtime.attached_state = no_thread_state;
    choose_layout();
    pk_runtime.detached_is_null = pk_runtime.header->python_hex >= 0x030c0000u;
    wrap_domains(python.first);
    wrap_arenas();
    pk_runtime.starting = python.is_initialized != NULL && python.add_pending_call != NULL;
}

// ---- frame objects, in pending calls -------------------------------------------------------------------------

struct pk_frame_object pk_python_frame(void) {
    return (struct pk_frame_object){.object = python.current_frame()};
}

struct pk_frame_object pk_python_caller(struct pk_frame_object frame) {
    struct pk_frame_object caller = {0};
    if (frame.object != NULL) {
        caller.object = python.frame_back(frame.object);
        caller.owned = true;
    }
    pk_python_let_go(frame);
    return caller;
}

void pk_python_let_go(struct pk_frame_object frame) {
    if (frame.owned && frame.object != NULL) {
        python.decref(frame.object);
    }
}

bool pk_python_pending(int (*call)(void *context)) {
    int saved = errno;
    bool asked = python.add_pending_call(call, NULL) == 0;
    errno = saved;
    return asked;
}

// ---- the self-test -------------------------------------------------------------------------------------------

#define TEST_FRAMES 8 // enough to meet callers; each makes the interpreter materialise a frame object

static const void *next_visible(const void *frame) {
    const struct pk_layout *layout = pk_runtime.layout;
    while (frame != NULL && pk_frame_skippable(layout, frame, pk_frame_code(layout, frame), pk_frame_instr(layout, frame))) {
        frame = pk_frame_previous(layout, frame);
    }
    return frame;
}

static int32_t line_of(const void *frame) {
    const struct pk_layout *layout = pk_runtime.layout;
    const void *code = pk_frame_code(layout, frame);
    struct pk_code_info info;
    pk_code_read(layout, code, &info);
    uint32_t offset = pk_frame_offset(layout, frame, code, pk_frame_instr(layout, frame));
    return pk_line_at(info.line_kind, info.linetable, info.linetable_length, info.first_line, offset);
}

// One walk of ours against the interpreter's own. NULL: they agree.
static const char *compare_walks(void) {
    const struct pk_layout *layout = pk_runtime.layout;
    void *theirs = python.current_frame();
    const void *ours = next_visible(pk_frame_current(layout, pk_runtime.thread_state()));
    bool owned = false;
    const char *wrong = NULL;
    for (int i = 0; i < TEST_FRAMES && wrong == NULL; i++) {
        if (theirs == NULL || ours == NULL) {
            wrong = theirs != NULL || ours != NULL ? "the number of frames" : NULL;
            break;
        }
        if (python.frame_code != NULL) {
            void *code = python.frame_code(theirs);
            wrong = code != pk_frame_code(layout, ours) ? "a frame's code" : NULL;
            python.decref(code);
        }
        if (wrong == NULL && python.frame_line(theirs) != line_of(ours)) {
            wrong = "a frame's line";
        }
        if (python.frame_back == NULL) {
            break;
        }
        void *back = python.frame_back(theirs);
        if (owned) {
            python.decref(theirs);
        }
        theirs = back;
        owned = true;
        ours = next_visible(pk_frame_previous(layout, ours));
    }
    if (owned && theirs != NULL) {
        python.decref(theirs);
    }
    return wrong;
}

// Runs in the main thread between two bytecodes, the GIL held: the one place where the Python API is called.
static int self_test(void *context) {
    (void)context;
    struct pk_thread *self = pk_thread_current();
    if (self == NULL || pk_runtime.layout == NULL || python.current_frame == NULL || python.frame_line == NULL ||
        python.decref == NULL) {
        return 0;
    }
    int saved = errno;
    self->depth = 1; // the frame objects made by this test are ours, not the program's
    const char *wrong = compare_walks();
    if (wrong == NULL) {
        pk_runtime.header->python_status = PK_PYTHON_VERIFIED;
        pk_runtime.anchors.lowest = UINT32_MAX;
        pk_runtime.anchors.usable =
            pk_runtime.layout->frame_object != PK_ABSENT && !pk_runtime.layout->free_threaded && python.frame_back != NULL;
    } else {
        pk_runtime.attached_state = no_thread_state;
        // The layout stays, because other threads may be reading by it at this moment; nobody begins to any more.
        pk_runtime.thread_state = no_thread_state;
        pk_runtime.own_thread_state = no_thread_state;
        say_note(PK_PYTHON_MISMATCH, "the self-test found a difference in ", wrong);
    }
    self->depth = 0;
    errno = saved;
    return 0;
}

PK_COLD void pk_python_starting(void) {
    if (!python.is_initialized()) {
        struct allocator now;
        python.get_allocator(DOMAIN_OBJ, &now);
        if (now.free != wrapped_free && !python.again) {
            python.again = true;
            __atomic_fetch_or(&pk_runtime.header->flags, PK_FLAG_ALLOCATORS_LATE, __ATOMIC_RELAXED);
            wrap_domains(python.second);
        }
        return;
    }
    if (pk_runtime.own_thread_state != NULL && pk_runtime.own_thread_state() != NULL) {
        pk_runtime.starting = false;
        if (pk_runtime.layout != NULL) {
            pk_runtime.attached_state = pk_runtime.thread_state;
        }
        int saved = errno; // it takes a lock
        (void)python.add_pending_call(self_test, NULL);
        errno = saved;
    }
}
