/* SPDX-License-Identifier: Apache-2.0
 * A library that a real Python loads with ctypes, to hear what src/pyframe reads from its memory.
 * Driven by walk_points.py, built and run by test_walk_real.py for every interpreter at hand.
 * Uses src/pyframe and the C library; never Python.h: interpreter functions are found by name, as
 * the runtime does. Must stay true: nothing here calls the interpreter to learn about frames. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/attr.h"
#include "pyframe/codeinfo.h"
#include "pyframe/layout.h"
#include "pyframe/linetable.h"
#include "pyframe/walk.h"

struct walk_entry {
    char name[128];
    char qualname[256];
    char file[512];
    int32_t first_line;
    int32_t line;
};

struct seen_frame {
    const void *code;
    int32_t line;
};

/* One block allocated while recording: its address and who asked for it. */
struct seen_block {
    void *address;
    int depth;
    struct seen_frame frames[64];
};

#define SEEN_BLOCKS 8192u

struct allocator {
    void *context;
    void *(*malloc)(void *context, size_t size);
    void *(*calloc)(void *context, size_t count, size_t size);
    void *(*realloc)(void *context, void *block, size_t size);
    void (*free)(void *context, void *block);
};

static const struct pk_layout *layout;
static void *(*get_unchecked)(void);
static void *(*get_this_thread)(void);
static struct allocator inner[3];
static struct seen_block seen[SEEN_BLOCKS];
static bool recording;
static uint64_t walks;
static uint64_t frames_walked;
static uint64_t bad_offsets;

/* The calling thread's own state, whether it holds the GIL or not. */
static void *find_thread_state(void) {
    void *unchecked = get_unchecked();
    if (layout->minor >= 12) {
        return unchecked != NULL ? unchecked : get_this_thread();
    }
    void *own = get_this_thread();
    if (unchecked != NULL && unchecked != own &&
        pk_read_word(unchecked, layout->thread_id) == (uintptr_t)pthread_self()) {
        return unchecked; // a subinterpreter on this thread
    }
    return own;
}

/* 0, or -1 with the reason in `why`. */
PK_EXPORT int walkcheck_open(uint32_t py_hex, int free_threaded, char *why, size_t size);
PK_EXPORT int walkcheck_now(struct walk_entry *out, int max);
PK_EXPORT int walkcheck_lines(const void *code, int32_t *out, int units);
PK_EXPORT int walkcheck_locations(const void *code, struct pk_location *out, int units);
PK_EXPORT uint32_t walkcheck_hash(const void *code);
PK_EXPORT int walkcheck_same_stamp(const void *a, const void *b);
PK_EXPORT void walkcheck_wrap(void);
PK_EXPORT void walkcheck_record(int on);
PK_EXPORT int walkcheck_block(const char *object, struct walk_entry *out, int max);
PK_EXPORT uint64_t walkcheck_count(int what);
PK_EXPORT double walkcheck_cost(int rounds);

int walkcheck_open(uint32_t py_hex, int free_threaded, char *why, size_t size) {
    *(void **)&get_unchecked = dlsym(RTLD_DEFAULT, "PyThreadState_GetUnchecked");
    if (get_unchecked == NULL) {
        *(void **)&get_unchecked = dlsym(RTLD_DEFAULT, "_PyThreadState_UncheckedGet");
    }
    *(void **)&get_this_thread = dlsym(RTLD_DEFAULT, "PyGILState_GetThisThreadState");
    const void *runtime = dlsym(RTLD_DEFAULT, "_PyRuntime");
    layout = pk_layout_find(py_hex, free_threaded != 0);
    if (get_unchecked == NULL || get_this_thread == NULL || runtime == NULL || layout == NULL) {
        snprintf(why, size, "no layout or no symbols");
        return -1;
    }
    const char *what = "";
    if (pk_layout_check_debug_offsets(layout, runtime, py_hex, &what) < 0) {
        snprintf(why, size, "debug offsets disagree: %s", what);
        return -1;
    }
    return 0;
}

static int32_t find_line(const void *code, uint32_t offset) {
    struct pk_code_info info;
    pk_code_read(layout, code, &info);
    return pk_line_at(info.line_kind, info.linetable, info.linetable_length, info.first_line,
                      offset);
}

static void describe_frame(const void *code, int32_t line, struct walk_entry *out) {
    struct pk_code_info info;
    pk_code_read(layout, code, &info);
    pk_text_to_utf8(info.name, out->name, sizeof(out->name));
    pk_text_to_utf8(info.qualname, out->qualname, sizeof(out->qualname));
    pk_text_to_utf8(info.filename, out->file, sizeof(out->file));
    out->first_line = info.first_line;
    out->line = line;
}

PK_INLINE int walk_frames_in(enum pk_frame_family family, struct seen_frame *out, int max) {
    const void *tstate = find_thread_state();
    int depth = 0;
    if (tstate == NULL) {
        return 0;
    }
    for (const void *frame = pk_frame_current_in(family, layout, tstate);
         frame != NULL && depth < max; frame = pk_frame_previous(layout, frame)) {
        const void *code = pk_frame_code(layout, frame);
        uintptr_t instr = pk_frame_instr_in(family, layout, frame);
        if (pk_frame_skippable_in(family, layout, frame, code, instr)) {
            continue;
        }
        uint32_t offset = pk_frame_offset_in(family, layout, frame, code, instr);
        bad_offsets += offset == PK_OFFSET_NONE ? 1 : 0;
        out[depth].code = code;
        out[depth].line = find_line(code, offset);
        depth++;
    }
    walks++;
    frames_walked += (uint64_t)depth;
    return depth;
}

static int walk_frames(struct seen_frame *out, int max) {
    switch ((enum pk_frame_family)layout->family) {
    case PK_FAMILY_OBJECT:
        return walk_frames_in(PK_FAMILY_OBJECT, out, max);
    case PK_FAMILY_CFRAME:
        return walk_frames_in(PK_FAMILY_CFRAME, out, max);
    case PK_FAMILY_DIRECT:
        return walk_frames_in(PK_FAMILY_DIRECT, out, max);
    }
    return 0;
}

/* The calling thread's frames, innermost first. Returns the depth. */
int walkcheck_now(struct walk_entry *out, int max) {
    struct seen_frame *frames = calloc((size_t)max, sizeof(*frames));
    if (frames == NULL) {
        return -1;
    }
    int depth = walk_frames(frames, max);
    for (int i = 0; i < depth; i++) {
        describe_frame(frames[i].code, frames[i].line, &out[i]);
    }
    free(frames);
    return depth;
}

/* The line of every code unit of a code object. */
int walkcheck_lines(const void *code, int32_t *out, int units) {
    for (int i = 0; i < units; i++) {
        out[i] = find_line(code, (uint32_t)i * 2);
    }
    return units;
}

int walkcheck_locations(const void *code, struct pk_location *out, int units) {
    struct pk_code_info info;
    pk_code_read(layout, code, &info);
    for (int i = 0; i < units; i++) {
        (void)pk_location_at(info.linetable, info.linetable_length, info.first_line,
                             (uint32_t)i * 2, &out[i]);
    }
    return units;
}

uint32_t walkcheck_hash(const void *code) {
    struct pk_code_info info;
    pk_code_read(layout, code, &info);
    return pk_code_hash(&info);
}

int walkcheck_same_stamp(const void *a, const void *b) {
    struct pk_code_stamp stamp_a, stamp_b;
    pk_code_stamp_read(layout, a, &stamp_a);
    pk_code_stamp_read(layout, b, &stamp_b);
    return pk_code_stamp_equal(&stamp_a, &stamp_b);
}

/* Allocator wrappers: a walk at every allocation; while recording, its result is kept. Recording is
 * for one thread at a time; the counters are only counters. */
static struct seen_block *find_slot(const void *address) {
    size_t start = ((uintptr_t)address >> 4) * 0x9e3779b97f4a7c15u >> 51; // 13 bits
    for (size_t i = 0; i < SEEN_BLOCKS; i++) {
        struct seen_block *slot = &seen[(start + i) % SEEN_BLOCKS];
        if (slot->address == address || slot->address == NULL) {
            return slot;
        }
    }
    return NULL;
}

static void note_block(void *address) {
    struct seen_frame frames[64];
    int depth = walk_frames(frames, 64);
    if (!recording || address == NULL) {
        return;
    }
    struct seen_block *slot = find_slot(address);
    if (slot != NULL) {
        slot->address = address;
        slot->depth = depth;
        memcpy(slot->frames, frames, sizeof(frames));
    }
}

static void *wrap_malloc(void *context, size_t size) {
    const struct allocator *to = context;
    void *block = to->malloc(to->context, size);
    note_block(block);
    return block;
}

static void *wrap_calloc(void *context, size_t count, size_t size) {
    const struct allocator *to = context;
    void *block = to->calloc(to->context, count, size);
    note_block(block);
    return block;
}

static void *wrap_realloc(void *context, void *block, size_t size) {
    const struct allocator *to = context;
    void *moved = to->realloc(to->context, block, size);
    note_block(moved);
    return moved;
}

static void wrap_free(void *context, void *block) {
    const struct allocator *to = context;
    to->free(to->context, block);
}

void walkcheck_wrap(void) {
    void (*get)(int, struct allocator *);
    void (*set)(int, struct allocator *);
    *(void **)&get = dlsym(RTLD_DEFAULT, "PyMem_GetAllocator");
    *(void **)&set = dlsym(RTLD_DEFAULT, "PyMem_SetAllocator");
    for (int domain = 1; domain < 3; domain++) { // mem and obj
        get(domain, &inner[domain]);
        struct allocator ours = {&inner[domain], wrap_malloc, wrap_calloc, wrap_realloc, wrap_free};
        set(domain, &ours);
    }
}

void walkcheck_record(int on) {
    recording = false;
    if (on) {
        memset(seen, 0, sizeof(seen));
        recording = true;
    }
}

/* Who allocated this object: its block starts at the object or up to two headers before it. -1:
 * unseen. */
int walkcheck_block(const char *object, struct walk_entry *out, int max) {
    for (int before = 0; before <= 32; before += 16) {
        const struct seen_block *slot = find_slot(object - before);
        if (slot == NULL || slot->address == NULL) {
            continue;
        }
        int depth = slot->depth < max ? slot->depth : max;
        for (int i = 0; i < depth; i++) {
            describe_frame(slot->frames[i].code, slot->frames[i].line, &out[i]);
        }
        return depth;
    }
    return -1;
}

uint64_t walkcheck_count(int what) {
    return what == 0 ? walks : what == 1 ? frames_walked : bad_offsets;
}

PK_INLINE uintptr_t sum_frames(enum pk_frame_family family, const void *tstate) {
    uintptr_t sum = 0;
    for (const void *frame = pk_frame_current_in(family, layout, tstate); frame != NULL;
         frame = pk_frame_previous(layout, frame)) {
        const void *code = pk_frame_code(layout, frame);
        uintptr_t instr = pk_frame_instr_in(family, layout, frame);
        if (!pk_frame_skippable_in(family, layout, frame, code, instr)) {
            sum += instr ^ (uintptr_t)code;
        }
    }
    return sum;
}

/* Nanoseconds of one walk at the present depth, without looking anything up. For measurements by
 * hand. */
double walkcheck_cost(int rounds) {
    struct timespec before, after;
    volatile uintptr_t sink = 0;
    const void *tstate = find_thread_state();
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (int i = 0; i < rounds; i++) {
        uintptr_t sum = 0;
        switch ((enum pk_frame_family)layout->family) {
        case PK_FAMILY_OBJECT:
            sum = sum_frames(PK_FAMILY_OBJECT, tstate);
            break;
        case PK_FAMILY_CFRAME:
            sum = sum_frames(PK_FAMILY_CFRAME, tstate);
            break;
        case PK_FAMILY_DIRECT:
            sum = sum_frames(PK_FAMILY_DIRECT, tstate);
            break;
        }
        sink += sum;
        __asm__ volatile("" ::: "memory");
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    double seconds = (double)(after.tv_sec - before.tv_sec);
    return (seconds * 1e9 + (double)(after.tv_nsec - before.tv_nsec)) / rounds;
}
