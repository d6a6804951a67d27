/* SPDX-License-Identifier: Apache-2.0
 * See python.h. Symbols and their versions: the C API documentation. */
#include "runtime/python.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "pyframe/linetable.h"
#include "pyframe/walk.h"
#include "runtime/domains.h"
#include "runtime/runtime.h"
#include "runtime/small.h"

static struct {
    int (*is_initialized)(void);
    int (*add_pending_call)(int (*)(void *), void *);
    const char *(*get_version)(void);
    void *(*current_frame)(void);  // PyEval_GetFrame: borrowed
    int (*frame_line)(void *);     // PyFrame_GetLineNumber
    void *(*frame_code)(void *);   // PyFrame_GetCode, 3.9+: new reference
    void *(*frame_back)(void *);   // PyFrame_GetBack, 3.9+: new reference or NULL
    void (*decref)(void *);        // Py_DecRef
    void (*clear_error)(void);     // PyErr_Clear
    int (*stop_collector)(void);   // PyGC_Disable: was it on? NULL where none need be stopped
    int (*let_collect)(void);      // PyGC_Enable
    const uint64_t *runtime_words; // _PyRuntime
} python;

static void *no_thread_state(void) {
    return NULL;
}

// ---- symbols and layout -------------------------------------------------------------------------

static void *symbol(const char *name) {
    return dlsym(RTLD_DEFAULT, name);
}

/* Bound by the loader if there is an interpreter. dlsym would make up the text of an error in every
 * program that is none, which took 40 us: a tenth of a short program's whole life. */
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
    // Later ones collect garbage between two bytecodes only, earlier ones make no frame objects for
    // us.
    bool collects_at_once = header->python_hex >> 16 == 0x030bu;
    *(void **)&python.stop_collector = collects_at_once ? symbol("PyGC_Disable") : NULL;
    *(void **)&python.let_collect = collects_at_once ? symbol("PyGC_Enable") : NULL;
    const struct pk_layout *layout = pk_layout_find(header->python_hex, free_threaded);
    if (layout == NULL) {
        say_note(PK_PYTHON_UNKNOWN,
                 "this version of Python is not known to this version of Peakline", NULL);
        return;
    }
    const char *what = NULL;
    if (debug_offsets && pk_layout_check_debug_offsets(layout, python.runtime_words,
                                                       header->python_hex, &what) < 0) {
        say_note(PK_PYTHON_MISMATCH, "the interpreter's own table of offsets disagrees about ",
                 what);
        return;
    }
    if (pk_runtime.thread_state == NULL || pk_runtime.own_thread_state == NULL) {
        say_note(PK_PYTHON_UNKNOWN, "this Python does not export its thread state", NULL);
        return;
    }
    header->python_status = PK_PYTHON_ATTACHED;
    pk_runtime.layout = layout;
}

static void find_symbols(void) {
#define FIND(field, name) *(void **)&python.field = symbol(name)
    FIND(is_initialized, "Py_IsInitialized");
    FIND(add_pending_call, "Py_AddPendingCall");
    FIND(get_version, "Py_GetVersion");
    FIND(current_frame, "PyEval_GetFrame");
    FIND(frame_line, "PyFrame_GetLineNumber");
    FIND(frame_code, "PyFrame_GetCode");
    FIND(frame_back, "PyFrame_GetBack");
    FIND(decref, "Py_DecRef");
    FIND(clear_error, "PyErr_Clear");
    FIND(runtime_words, "_PyRuntime");
#undef FIND
    *(void **)&pk_runtime.own_thread_state = symbol("PyGILState_GetThisThreadState");
    void *finalizing = symbol("Py_IsFinalizing"); // 3.13+
    *(void **)&pk_runtime.is_finalizing =
        finalizing != NULL ? finalizing : symbol("_Py_IsFinalizing");
    void *unchecked = symbol("PyThreadState_GetUnchecked"); // 3.13+
    *(void **)&pk_runtime.thread_state =
        unchecked != NULL ? unchecked : symbol("_PyThreadState_UncheckedGet");
}

void pk_python_attach(void) {
    find_symbols();
    pk_runtime.attached_state = no_thread_state;
    choose_layout();
    pk_runtime.detached_is_null = pk_runtime.header->python_hex >= 0x030c0000u;
    pk_domains_wrap();
    pk_runtime.starting = python.is_initialized != NULL && python.add_pending_call != NULL;
}

// ---- frame objects, in pending calls ------------------------------------------------------------

struct pk_frame_object pk_python_frame(void) {
    return (struct pk_frame_object){.object = python.current_frame()};
}

struct pk_frame_object pk_python_caller(struct pk_frame_object frame) {
    struct pk_frame_object caller = {0};
    if (frame.object != NULL) {
        caller.object = python.frame_back(frame.object);
        caller.owned = true;
        if (caller.object == NULL && python.clear_error != NULL) {
            // no memory for the object; or no caller, and then there is nothing to clear
            python.clear_error();
        }
    }
    pk_python_let_go(frame);
    return caller;
}

void pk_python_let_go(struct pk_frame_object frame) {
    if (frame.owned && frame.object != NULL) {
        python.decref(frame.object);
    }
}

bool pk_python_stop_collector(void) {
    return python.stop_collector != NULL && python.let_collect != NULL &&
           python.stop_collector() != 0;
}

void pk_python_let_collect(bool stopped) {
    if (stopped) {
        (void)python.let_collect();
    }
}

bool pk_python_pending(int (*call)(void *context)) {
    int saved = errno;
    bool asked = python.add_pending_call(call, NULL) == 0;
    errno = saved;
    return asked;
}

// ---- the self-test ------------------------------------------------------------------------------

// enough to meet callers; each makes the interpreter materialise a frame object
#define TEST_FRAMES 8

static const void *next_visible(const void *frame) {
    const struct pk_layout *layout = pk_runtime.layout;
    while (frame != NULL && pk_frame_skippable(layout, frame, pk_frame_code(layout, frame),
                                               pk_frame_instr(layout, frame))) {
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
    return pk_line_at(info.line_kind, info.linetable, info.linetable_length, info.first_line,
                      offset);
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

// The GIL held, not self->open: frame objects made here are ours.
static void test_layout(void) {
    bool stopped = pk_python_stop_collector();
    const char *wrong = compare_walks();
    pk_python_let_collect(stopped);
    if (wrong == NULL) {
        pk_runtime.header->python_status = PK_PYTHON_VERIFIED;
        pk_runtime.anchors.lowest = UINT32_MAX;
        pk_runtime.anchors.usable =
            pk_runtime.layout->family == PK_FAMILY_OBJECT || python.frame_back != NULL;
        pk_runtime.anchors.price = pk_runtime.anchors.usable ? PK_ANCHOR_PRICE : UINT32_MAX;
    } else {
        pk_runtime.attached_state = no_thread_state;
        // The layout stays, because other threads may be reading by it at this moment; nobody
        // begins to any more.
        pk_runtime.thread_state = no_thread_state;
        pk_runtime.own_thread_state = no_thread_state;
        say_note(PK_PYTHON_MISMATCH, "the self-test found a difference in ", wrong);
    }
}

// Runs in the main thread between two bytecodes, the GIL held: the one place where the Python API
// is called.
static int self_test(void *context) {
    (void)context;
    struct pk_thread *self = pk_thread_current();
    if (self == NULL || pk_runtime.layout == NULL || python.current_frame == NULL ||
        python.frame_line == NULL || python.decref == NULL) {
        return 0;
    }
    int saved = errno;
    self->open = 0; // the frame objects made by this test are ours, not the program's
    test_layout();
    self->open = 1;
    errno = saved;
    return 0;
}

PK_COLD void pk_python_starting(void) {
    if (!python.is_initialized()) {
        if (pk_domains_wrap_again()) {
            __atomic_fetch_or(&pk_runtime.header->flags, PK_FLAG_ALLOCATORS_LATE, __ATOMIC_RELAXED);
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

bool pk_python_attach_running(void) {
    find_symbols();
    if (python.current_frame == NULL || python.frame_line == NULL || python.decref == NULL ||
        python.get_version == NULL) {
        return false;
    }
    choose_layout();
    pk_runtime.detached_is_null = pk_runtime.header->python_hex >= 0x030c0000u;
    if (pk_runtime.header->python_status != PK_PYTHON_ATTACHED) {
        return false;
    }
    pk_runtime.attached_state = pk_runtime.thread_state;
    test_layout();
    return pk_runtime.header->python_status == PK_PYTHON_VERIFIED;
}
