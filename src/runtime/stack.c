/* SPDX-License-Identifier: Apache-2.0
 * See stack.h. */
#include "runtime/stack.h"

#include "pyframe/linetable.h"
#include "pyframe/walk.h"
#include "runtime/runtime.h"

#define SCAN_DEPTH 64u /* kept levels searched for the running frame after several returns */

PK_INLINE const void *frame_at(const struct pk_level *level) {
    return (const void *)level->frame;
}

// Notes where a frame is now. True if that differs from what the level said.
PK_INLINE bool update_level(enum pk_frame_family family, const struct pk_layout *layout, struct pk_level *level,
                            const void *frame) {
    uintptr_t instr = pk_frame_instr_in(family, layout, frame);
    if (PK_LIKELY(level->instr == instr && level->frame == (uintptr_t)frame)) {
        return false;
    }
    const void *code = pk_frame_code(layout, frame);
    bool skip = pk_frame_skippable_in(family, layout, frame, code, instr);
    if (level->code != (uintptr_t)code || level->function == PK_LEVEL_SKIPPED) {
        level->function = PK_LEVEL_UNKNOWN;
    }
    if (skip) {
        level->function = PK_LEVEL_SKIPPED;
    }
    level->frame = (uintptr_t)frame;
    level->instr = instr;
    level->code = (uintptr_t)code;
    return true;
}

// Fills `count` levels from the running frame down to the outermost, keeping what is still true.
PK_NOINLINE static bool walk_all(struct pk_thread *self, const struct pk_layout *layout, const void *frame,
                                 struct pk_stack_change *ret_change, uint32_t *ret_need) {
    enum pk_frame_family family = (enum pk_frame_family)layout->family;
    uint32_t count = 0;
    for (const void *f = frame; f != NULL; f = pk_frame_previous(layout, f)) {
        count++;
    }
    if (count > self->capacity) {
        *ret_need = count;
        return false;
    }
    for (uint32_t i = self->count; i < count; i++) {
        self->levels[i] = (struct pk_level){.function = PK_LEVEL_UNKNOWN};
    }
    *ret_change = (struct pk_stack_change){.from = count, .to = 0};
    uint32_t i = count;
    for (const void *f = frame; f != NULL; f = pk_frame_previous(layout, f)) {
        i--;
        if (update_level(family, layout, &self->levels[i], f)) {
            ret_change->from = i;
            if (ret_change->to == 0) {
                ret_change->to = i + 1;
            }
        }
    }
    self->count = count;
    return true;
}

// The number of kept levels up to and including `frame`, or 0.
PK_INLINE uint32_t find_kept(const struct pk_level *levels, uint32_t count, uintptr_t frame, uint32_t depth) {
    uint32_t lowest = count > depth ? count - depth : 0;
    for (uint32_t i = count; i > lowest; i--) {
        if (levels[i - 1].frame == frame) {
            return i;
        }
    }
    return 0;
}

PK_INLINE bool verify_in(enum pk_frame_family family, struct pk_thread *self, const struct pk_layout *layout,
                         const void *frame, struct pk_stack_change *ret_change, uint32_t *ret_need) {
    struct pk_level *levels = self->levels;
    uint32_t kept = self->count;
    uint32_t match = 0;
    uint32_t fresh = 0; // frames called since
    if (PK_LIKELY(kept != 0 && levels[kept - 1].frame == (uintptr_t)frame)) {
        match = kept;
    } else {
        match = find_kept(levels, kept, (uintptr_t)frame, SCAN_DEPTH);
        for (const void *f = frame; match == 0;) {
            fresh++;
            f = pk_frame_previous(layout, f);
            if (f == NULL) {
                return walk_all(self, layout, frame, ret_change, ret_need);
            }
            match = find_kept(levels, kept, (uintptr_t)f, 3);
        }
        if (PK_UNLIKELY(match + fresh > self->capacity)) {
            *ret_need = match + fresh;
            return false;
        }
    }
    // Outwards from the kept frame that was met: is each level what its frame says, is its caller the next one?
    uint32_t from = match;
    uint32_t to = 0;
    for (uint32_t i = match; i-- > 0;) {
        const void *f = frame_at(&levels[i]);
        if (PK_UNLIKELY(levels[i].instr != pk_frame_instr_in(family, layout, f))) {
            (void)update_level(family, layout, &levels[i], f);
            from = i;
            if (to == 0) {
                to = i + 1;
            }
        }
        const void *previous = pk_frame_previous(layout, f);
        if (PK_UNLIKELY((uintptr_t)previous != (i == 0 ? 0 : levels[i - 1].frame))) {
            // Another call chain led to a frame at the same address. What update_level() changed stays right for
            // its frame, but its node does not: void the levels above.
            for (uint32_t j = i; j < kept; j++) {
                levels[j].instr = 0;
            }
            return walk_all(self, layout, frame, ret_change, ret_need);
        }
    }
    if (fresh != 0) {
        uint32_t i = match + fresh;
        to = i;
        for (const void *f = frame; i > match; f = pk_frame_previous(layout, f)) {
            i--;
            if (i >= kept) {
                levels[i] = (struct pk_level){.function = PK_LEVEL_UNKNOWN};
            }
            (void)update_level(family, layout, &levels[i], f);
        }
    }
    self->count = match + fresh;
    *ret_change = (struct pk_stack_change){.from = from, .to = to};
    return true;
}

// The running thread's state, or NULL for a thread that has none (see reference for the rule by version).
PK_INLINE const void *thread_state(void) {
    const void *running = pk_runtime.thread_state();
    if (pk_runtime.detached_is_null) {
        return PK_LIKELY(running != NULL) ? running : pk_runtime.own_thread_state();
    }
    // Up to 3.11 "running" is whoever holds the GIL, perhaps another thread.
    const void *own = pk_runtime.own_thread_state();
    if (PK_LIKELY(running == own) || running == NULL) {
        return own;
    }
    uintptr_t id;
    memcpy(&id, (const char *)running + pk_runtime.layout->thread_id, sizeof id);
    return id == pk_thread_id() ? running : own; // a subinterpreter on this thread, or another thread's
}

bool pk_stack_verify(struct pk_thread *self, struct pk_stack_change *ret_change, uint32_t *ret_need) {
    *ret_change = (struct pk_stack_change){0, 0};
    const struct pk_layout *layout = pk_runtime.layout;
    if (PK_UNLIKELY(layout == NULL || pk_runtime.thread_state == NULL)) {
        self->count = 0;
        return true;
    }
    const void *tstate = thread_state();
    const void *frame = tstate == NULL ? NULL : pk_frame_current(layout, tstate);
    if (PK_UNLIKELY(frame == NULL)) {
        self->count = 0;
        return true;
    }
    uint32_t deaths = __atomic_load_n(&pk_runtime.deaths, __ATOMIC_ACQUIRE);
    if (PK_UNLIKELY(deaths != self->deaths)) {
        self->deaths = deaths;
        self->count = 0;
    }
    switch ((enum pk_frame_family)layout->family) {
    case PK_FAMILY_OBJECT:
        return verify_in(PK_FAMILY_OBJECT, self, layout, frame, ret_change, ret_need);
    case PK_FAMILY_CFRAME:
        return verify_in(PK_FAMILY_CFRAME, self, layout, frame, ret_change, ret_need);
    case PK_FAMILY_DIRECT:
        break;
    }
    return verify_in(PK_FAMILY_DIRECT, self, layout, frame, ret_change, ret_need);
}

// A first sight of this instruction below this parent: decode its line.
PK_NOINLINE static uint32_t learn_child(uint32_t parent, const struct pk_level *level, uint32_t offset, uint64_t key) {
    struct pk_code_info info;
    pk_code_read(pk_runtime.layout, (const void *)level->code, &info);
    int32_t line = pk_line_at(info.line_kind, info.linetable, info.linetable_length, info.first_line, offset);
    struct pk_stacks *stacks = &pk_runtime.ledger.stacks;
    uint32_t node = pk_stacks_child(stacks, parent, level->function, line < 0 ? 0 : (uint32_t)line, offset);
    if (node == 0) {
        pk_runtime.header->merged_stacks++;
        return parent;
    }
    pk_stacks_learn(stacks, key, node);
    pk_writer_publish(&pk_runtime.writer);
    return node;
}

PK_INLINE uint32_t child_of(uint32_t parent, struct pk_level *level) {
    if (level->function == PK_LEVEL_SKIPPED) {
        return parent;
    }
    const struct pk_layout *layout = pk_runtime.layout;
    const void *code = (const void *)level->code;
    if (PK_UNLIKELY(level->function >= PK_CODES_NONE)) {
        level->function = pk_codes_function(&pk_runtime.codes, code);
        if (level->function == PK_CODES_NONE) {
            pk_runtime.header->merged_stacks++;
            return parent;
        }
    }
    uint32_t offset = pk_frame_offset(layout, frame_at(level), code, level->instr);
    uint64_t key = pk_edge_key(parent, level->function, offset);
    uint32_t node = pk_stacks_follow(&pk_runtime.ledger.stacks, key);
    return PK_LIKELY(node != 0) ? node : learn_child(parent, level, offset, key);
}

void pk_stack_resolve(struct pk_thread *self, struct pk_stack_change change) {
    struct pk_level *levels = self->levels;
    uint32_t parent = change.from == 0 ? PK_NODE_ROOT : levels[change.from - 1].node;
    for (uint32_t i = change.from; i < self->count; i++) {
        uint32_t node = child_of(parent, &levels[i]);
        bool same = levels[i].node == node;
        levels[i].node = node;
        if (same && i + 1 >= change.to) {
            break; // only other instructions of the same lines: what lies above holds
        }
        parent = node;
    }
}

uint32_t pk_stack_node(struct pk_thread *self) {
    uint32_t node = self->count == 0 ? PK_NODE_ROOT : self->levels[self->count - 1].node;
    if (PK_LIKELY(node != PK_NODE_ROOT)) {
        if (PK_UNLIKELY(!self->met_python)) {
            self->met_python = 1;
            self->base = self->main ? pk_runtime.node_none : self->base;
        }
        return node;
    }
    if (pk_runtime.layout == NULL && pk_runtime.thread_state != NULL) {
        return pk_runtime.node_unknown;
    }
    return self->base;
}
