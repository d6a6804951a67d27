/* SPDX-License-Identifier: Apache-2.0
 * See stack.h: the less common ways. */
#include "runtime/stack.h"

#include "pyframe/linetable.h"

#define SCAN_FIRST 64u /* kept levels searched for the running frame: many returns, no call */
#define SCAN_MORE 8u   /* ... and for each of its callers */

// The kept level of `frame` among the `depth` levels from `level` outwards, or 0.
static uint32_t find_kept(const struct pk_thread *self, uint32_t level, uintptr_t frame,
                          uint32_t depth) {
    uint32_t lowest = level > depth ? level - depth : 0;
    for (; level > lowest; level--) {
        if (self->spots[level].frame == frame) {
            return level;
        }
    }
    return 0;
}

// The number (from 1) of the highest anchor at or below `level`: from there outwards nothing can
// have moved. 0: none.
static uint32_t find_anchor(const struct pk_thread *self, uint32_t level) {
    const struct pk_anchors *anchors = &pk_runtime.anchors;
    if (!self->main) {
        return 0;
    }
    for (uint32_t i = anchors->count; i > 0; i--) {
        const struct pk_anchor *anchor = &anchors->list[i - 1];
        if (anchor->level <= level && self->spots[anchor->level].frame == anchor->frame) {
            return i;
        }
    }
    return 0;
}

// Events at `level` read down to `stop`.
PK_INLINE void note_reading(uint32_t level, uint32_t stop) {
    struct pk_anchors *anchors = &pk_runtime.anchors;
    if (level < anchors->lowest) {
        anchors->lowest = level;
    }
    if (level - stop > PK_ANCHOR_NEAR) {
        anchors->debt += level - stop;
        if (PK_UNLIKELY(anchors->debt > anchors->price)) {
            pk_anchors_ask(stop);
        }
    }
}

PK_INLINE uint32_t verify_deep_in(enum pk_frame_family family, struct pk_thread *self,
                                  uint32_t level) {
    const struct pk_layout *layout = pk_runtime.layout;
    uint32_t number = find_anchor(self, level);
    const struct pk_anchor *anchor = number == 0 ? NULL : &pk_runtime.anchors.list[number - 1];
    const struct pk_spot *stop = anchor == NULL ? self->spots : &self->spots[anchor->level];
    uint32_t from = PK_STACK_UNMOVED;
    struct pk_spot *spot = &self->spots[level];
    for (;;) {
        const void *frame = (const void *)spot->frame;
        uintptr_t instr = pk_frame_instr_in(family, layout, frame);
        if (PK_UNLIKELY(spot->instr != instr)) {
            spot->instr = instr;
            from = (uint32_t)(spot - self->spots);
        }
        if (PK_UNLIKELY(spot == stop)) {
            if (pk_anchor_holds(family, layout, anchor, frame)) {
                break; // this very call was there at the last event, so its callers have not moved
            }
            stop = self->spots;
        }
        const void *previous = pk_frame_previous(layout, frame);
        spot--;
        if (PK_UNLIKELY((uintptr_t)previous != spot->frame)) {
            if (previous == NULL && spot == self->spots) {
                break;
            }
            self->count = (uint32_t)(spot - self->spots);
            return 0;
        }
    }
    if (self->main) {
        note_reading(level, (uint32_t)(spot - self->spots));
    }
    return from;
}

PK_NOINLINE uint32_t pk_stack_verify_object(struct pk_thread *self, uint32_t level) {
    return verify_deep_in(PK_FAMILY_OBJECT, self, level);
}

PK_NOINLINE uint32_t pk_stack_verify_cframe(struct pk_thread *self, uint32_t level) {
    return verify_deep_in(PK_FAMILY_CFRAME, self, level);
}

PK_NOINLINE uint32_t pk_stack_verify_direct(struct pk_thread *self, uint32_t level) {
    return verify_deep_in(PK_FAMILY_DIRECT, self, level);
}

static bool make_room(struct pk_thread *self, uint32_t count) {
    if (PK_LIKELY(count < self->capacity)) {
        return true;
    }
    pk_runtime_lock(self);
    bool room = pk_thread_room(self, count);
    pk_runtime_unlock(self);
    return room;
}

PK_NOINLINE uint32_t pk_stack_walk(struct pk_thread *self, const void *frame) {
    const struct pk_layout *layout = pk_runtime.layout;
    enum pk_frame_family family = (enum pk_frame_family)layout->family;
    uint32_t kept = self->count;
    uint32_t fresh = 0;
    uint32_t level = 0;
    uint32_t from = PK_STACK_UNMOVED;
    uint32_t depth = SCAN_FIRST;
    for (const void *f = frame; f != NULL; f = pk_frame_previous(layout, f)) {
        level = find_kept(self, kept, (uintptr_t)f, depth);
        if (level != 0) {
            from = pk_stack_verify(family, layout, self, level);
            if (from != 0) {
                break;
            }
            kept = self->count; // another caller stands there: nothing kept above can serve
            from = PK_STACK_UNMOVED;
            level = 0;
        }
        depth = SCAN_MORE;
        fresh++;
    }
    if (!make_room(self, level + fresh)) {
        self->count = 0; // charged to the thread's base; tried again at the next event
        return PK_STACK_NOTHING;
    }
    uint32_t count = level + fresh;
    const void *f = frame;
    for (uint32_t i = count; i > level; i--) {
        self->spots[i].frame = (uintptr_t)f;
        self->spots[i].instr = pk_frame_instr_in(family, layout, f);
        self->nodes[i] = 0;
        f = pk_frame_previous(layout, f);
    }
    self->count = count;
    uint32_t above = fresh != 0 ? level + 1 : level;
    return from < above ? from : above;
}

// The part of its line that the instruction whose entry was just read (`cursor`) is of.
static uint32_t read_span(const struct pk_code_info *info, uint32_t offset,
                          const struct pk_line_cursor *cursor) {
    uint32_t column, end_column;
    bool further;
    if (info->line_kind != PK_LINES_LOCATIONS || offset >= PK_OFFSET_START ||
        !pk_columns_at(info->linetable, info->linetable_length, offset, cursor, &column,
                       &end_column, &further)) {
        return PK_SPAN_NONE;
    }
    return pk_span(column, further ? PK_SPAN_LINE_END : end_column);
}

// The line of an instruction, and which part of it: remembered, or decoded from the code object's
// table.
static uint32_t line_at(uint32_t function, const void *code, uint32_t offset, uint32_t *ret_span) {
    // Instructions are on even offsets; the two that are no instruction (PK_OFFSET_NONE,
    // PK_OFFSET_START) must differ.
    uint64_t key = (uint64_t)function << 24 | ((offset >> 1 ^ (offset & 1)) & 0xffffffu);
    uint64_t slot = key * 0x9e3779b97f4a7c15u >> (64 - PK_LINE_BITS);
    uint64_t *known = &pk_runtime.lines[slot];
    if (PK_LIKELY(*known >> 20 == key)) {
        *ret_span = pk_runtime.spans[slot];
        return (uint32_t)(*known & 0xfffffu);
    }
    struct pk_line_mark *mark = &pk_runtime.marks[function & ((1u << PK_MARK_BITS) - 1)];
    if (mark->function != function) {
        *mark = (struct pk_line_mark){.function = function};
    }
    struct pk_code_info info;
    pk_code_read_lines(pk_runtime.layout, code, &info);
    int32_t line = pk_line_after(info.line_kind, info.linetable, info.linetable_length,
                                 info.first_line, offset, &mark->cursor);
    *ret_span = line > 0 ? read_span(&info, offset, &mark->cursor) : PK_SPAN_NONE;
    if (line > 0 && line < 1 << 20) {
        *known = key << 20 | (uint32_t)line;
        pk_runtime.spans[slot] = *ret_span;
    }
    return line < 0 ? 0 : (uint32_t)line;
}

// 0: the tables cannot grow.
static uint32_t find_child(uint32_t parent, const void *frame, uintptr_t instr) {
    const struct pk_layout *layout = pk_runtime.layout;
    const void *code = pk_frame_code(layout, frame);
    if (pk_frame_skippable(layout, frame, code, instr)) {
        return parent;
    }
    uint32_t function = pk_codes_function(&pk_runtime.codes, code);
    if (function == PK_CODES_NONE) {
        return 0;
    }
    if (layout->code_tlbc != PK_ABSENT) {
        // This thread's copy of the bytecode, a block of its own, dies before its code object when
        // threads end.
        const char *bytecode = pk_frame_bytecode(layout, frame, code);
        (void)pk_blocks_flag(&pk_runtime.ledger.blocks, (uintptr_t)bytecode, PK_BLOCK_CODE);
    }
    uint32_t offset = pk_frame_offset(layout, frame, code, instr);
    struct pk_stacks *stacks = &pk_runtime.ledger.stacks;
    uint32_t count = stacks->node_count;
    uint32_t span;
    uint32_t line = line_at(function, code, offset, &span);
    uint32_t node = pk_stacks_child(stacks, parent, function, line, span);
    if (stacks->node_count != count) {
        pk_writer_publish(&pk_runtime.writer);
    }
    return node;
}

static void count_merged(void) {
    pk_runtime.header->merged_stacks++;
    if (pk_runtime.ledger.stacks.is_crowded) {
        __atomic_fetch_or(&pk_runtime.header->flags, PK_FLAG_TABLE_FULL, __ATOMIC_RELAXED);
    }
}

PK_NOINLINE uint32_t pk_stack_step(struct pk_thread *self, uint32_t level, uint32_t parent) {
    uintptr_t instr = self->spots[level].instr;
    uint32_t node = find_child(parent, (const void *)self->spots[level].frame, instr);
    if (PK_UNLIKELY(node == 0)) {
        count_merged();
        node = parent == self->root ? pk_runtime.node_dropped : parent;
    }
    if (PK_UNLIKELY(!self->met_python) && node != self->root) {
        self->met_python = 1;
        if (self->main) {
            // what has no frame from now on is no longer "before Python"
            self->base = pk_runtime.node_none;
        }
    }
    *pk_stack_step_slot(instr, parent) =
        (struct pk_step){.instr = instr, .parent = parent, .node = node};
    return node;
}

PK_NOINLINE uint32_t pk_stack_base(struct pk_thread *self) {
    bool unknown = pk_runtime.header->python_status >= PK_PYTHON_UNKNOWN;
    return unknown ? pk_runtime.node_unknown : self->base;
}

PK_NOINLINE uint32_t pk_stack_kind(uint32_t parent, uint32_t function) {
    struct pk_stacks *stacks = &pk_runtime.ledger.stacks;
    uint32_t count = stacks->node_count;
    uint32_t node = function == 0 ? 0 : pk_stacks_child(stacks, parent, function, 0, PK_SPAN_NONE);
    if (stacks->node_count != count) {
        pk_writer_publish(&pk_runtime.writer);
    }
    if (PK_UNLIKELY(node == 0)) {
        count_merged();
        return parent;
    }
    return node;
}
