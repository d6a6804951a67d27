/* SPDX-License-Identifier: Apache-2.0
 * Snapshots to one view. Every ledger's stacks are put, from the root outwards, into one tree: a
 * stack that is there already (another process stood at the same lines) only gets more. Whose code
 * a node belongs to flows down from its caller, into a thread from the stack that started it.
 *
 * May use record/reader.h, blame.h, names.h, tree.h. Must stay true: a caller's node number is
 * smaller than its callee's; memory grows with the stacks that differ, not with the ledgers. */
#include "report/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/blame.h"
#include "report/names.h"

#define NO_FRAME UINT32_MAX
#define MAX_HELD_BYTES (UINT64_C(1) << 53) /* of all ledgers: JavaScript counts exactly to there */
#define MAX_ALLOC_BYTES (UINT64_C(1) << 63)

static const char *const kind_names[PK_FUNCTION_KINDS] = {
    "<unknown>",         "[before Python]",
    "[native thread]",   "[unknown Python stack]",
    "[no Python stack]", "[stacks not kept]",
    "[thread]",          "[resident, sampled]",
    "[C heap]",          "[map]",
};

struct pk_view_builder {
    struct pk_view *view;
    struct pk_names names;

    /* The tree so far, node 0 the root. */
    uint32_t node_count, node_room;
    uint32_t *parents;
    int32_t *frames;
    uint32_t *user;    /* the innermost frame of the user's own code, of the node or around it */
    uint32_t *library; /* of a library */
    uint64_t *columns[PK_ALL_COLUMNS];
    uint64_t *largest[2]; /* single block of the node itself at the peak: at least, at most */
    uint32_t *slots;      /* (caller, frame) -> node + 1; open addressing */
    uint32_t slot_mask;

    uint64_t most_failed_bytes;
    uint32_t failed_node; /* 0: unknown */
    bool failed;
};

static uint32_t mix(uint64_t value) {
    value *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(value >> 32);
}

static uint32_t slot_of(const struct pk_view_builder *builder, uint32_t parent, int32_t frame) {
    return mix((uint64_t)parent << 32 | (uint32_t)frame) & builder->slot_mask;
}

static bool grow_slots(struct pk_view_builder *builder) {
    uint32_t size = (builder->slot_mask + 1) * 2;
    uint32_t *slots = calloc(size, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    free(builder->slots);
    builder->slots = slots;
    builder->slot_mask = size - 1;
    for (uint32_t node = 1; node < builder->node_count; node++) {
        uint32_t slot = slot_of(builder, builder->parents[node], builder->frames[node]);
        while (slots[slot] != 0) {
            slot = (slot + 1) & builder->slot_mask;
        }
        slots[slot] = node + 1;
    }
    return true;
}

/* `array` with room for `room` elements, or as it was (and builder->failed). */
static void *resize(struct pk_view_builder *builder, void *array, size_t room, size_t size) {
    void *grown = builder->failed ? NULL : realloc(array, room * size);
    builder->failed = builder->failed || grown == NULL;
    return grown == NULL ? array : grown;
}

/* Room for `more` nodes; columns are resized together, and rarely. */
static bool make_room(struct pk_view_builder *builder, uint32_t more) {
    if (builder->node_room - builder->node_count < more) {
        uint32_t room = builder->node_room + builder->node_room / 2 + more;
        builder->parents = resize(builder, builder->parents, room, sizeof(*builder->parents));
        builder->frames = resize(builder, builder->frames, room, sizeof(*builder->frames));
        builder->user = resize(builder, builder->user, room, sizeof(*builder->user));
        builder->library = resize(builder, builder->library, room, sizeof(*builder->library));
        for (unsigned i = 0; i < PK_ALL_COLUMNS; i++) {
            builder->columns[i] = resize(builder, builder->columns[i], room, sizeof(uint64_t));
        }
        for (unsigned i = 0; i < 2; i++) {
            builder->largest[i] = resize(builder, builder->largest[i], room, sizeof(uint64_t));
        }
        builder->node_room = builder->failed ? builder->node_room : room;
    }
    while (!builder->failed && builder->node_count + more > builder->slot_mask / 2) {
        builder->failed = !grow_slots(builder);
    }
    return !builder->failed;
}

static const struct pk_view_file *file_of(const struct pk_view *view, uint32_t frame) {
    return &view->files[view->functions[view->frames[frame].function].file];
}

/* The node below `parent` with this frame; there must be room for a new one. `around` is the node
 * whose code a new one continues: the caller, or the line that started a thread. */
static uint32_t find_node(struct pk_view_builder *builder, uint32_t parent, uint32_t frame,
                          uint32_t around) {
    uint32_t slot = slot_of(builder, parent, (int32_t)frame);
    for (; builder->slots[slot] != 0; slot = (slot + 1) & builder->slot_mask) {
        uint32_t node = builder->slots[slot] - 1;
        if (builder->parents[node] == parent && builder->frames[node] == (int32_t)frame) {
            return node;
        }
    }
    uint32_t node = builder->node_count++;
    enum pk_file_kind kind = file_of(builder->view, frame)->kind;
    builder->slots[slot] = node + 1;
    builder->parents[node] = parent;
    builder->frames[node] = (int32_t)frame;
    builder->user[node] = kind == PK_FILE_USER ? frame : builder->user[around];
    builder->library[node] = kind == PK_FILE_LIBRARY ? frame : builder->library[around];
    for (unsigned i = 0; i < PK_ALL_COLUMNS; i++) {
        builder->columns[i][node] = 0;
    }
    builder->largest[0][node] = builder->largest[1][node] = 0;
    return node;
}

/* The frame blamed for what a node holds itself; NO_FRAME: no stack. */
static uint32_t blamed_frame(const struct pk_view_builder *builder, uint32_t node) {
    if (builder->user[node] != NO_FRAME) {
        return builder->user[node];
    }
    if (builder->library[node] != NO_FRAME) {
        return builder->library[node];
    }
    if (node == 0) {
        return NO_FRAME;
    }
    uint32_t frame = (uint32_t)builder->frames[node];
    const struct pk_view *view = builder->view;
    bool is_process = view->functions[view->frames[frame].function].kind == PK_VIEW_PROCESS;
    return is_process ? NO_FRAME : frame;
}

/* "[thread]": one frame for all threads that one line started. */
static uint32_t thread_frame(struct pk_view_builder *builder, uint32_t function, uint32_t starter) {
    uint32_t blamed = blamed_frame(builder, starter);
    bool is_line = blamed != NO_FRAME && file_of(builder->view, blamed)->kind != PK_FILE_NONE;
    int32_t started_by = is_line ? (int32_t)pk_names_line(&builder->names, blamed) : PK_FRAME_ROOT;
    return pk_names_frame(&builder->names, function, 0, started_by);
}

static uint32_t pseudo_frame(struct pk_view_builder *builder, const char *name, uint32_t kind) {
    uint32_t file = pk_names_file(&builder->names, "");
    uint32_t function = pk_names_function(&builder->names, name, file, kind, 0);
    return pk_names_frame(&builder->names, function, 0, PK_FRAME_ROOT);
}

/* The view's number of each function of the ledger. */
static bool map_functions(struct pk_view_builder *builder, const struct pk_snapshot *snapshot,
                          uint32_t *ret_functions) {
    uint32_t raw = UINT32_MAX, file = 0; // functions of one file follow one another
    for (uint32_t i = 0; i < snapshot->function_count; i++) {
        const struct pk_function *function = &snapshot->functions[i];
        const char *name = pk_snapshot_string(snapshot, function->qualname);
        if (name[0] == '\0') {
            name = pk_snapshot_string(snapshot, function->name);
        }
        if (name[0] == '\0') {
            name = kind_names[function->kind];
        }
        uint32_t wanted = function->kind == PK_FUNCTION_PYTHON ? function->file : 0;
        if (wanted != raw) {
            file = pk_names_file(&builder->names, pk_snapshot_string(snapshot, wanted));
            raw = wanted;
        }
        ret_functions[i] =
            pk_names_function(&builder->names, name, file, function->kind, function->first_line);
    }
    return !builder->names.failed;
}

/* What one node of the ledger holds, by column. */
static void read_amounts(const struct pk_snapshot *snapshot, const struct pk_view_source *source,
                         uint32_t node, uint64_t ret_amounts[PK_COLUMNS]) {
    const struct pk_node_counters *counters = &snapshot->counters[node];
    ret_amounts[PK_PEAK_BYTES] = ret_amounts[PK_PEAK_BLOCKS] = 0;
    if (source->share == PK_SHARE_OWN) {
        pk_snapshot_share(snapshot, node, &ret_amounts[PK_PEAK_BYTES],
                          &ret_amounts[PK_PEAK_BLOCKS]);
    } else if (source->share == PK_SHARE_TREE) {
        pk_snapshot_tree_share(snapshot, node, source->tree_epoch, &ret_amounts[PK_PEAK_BYTES],
                               &ret_amounts[PK_PEAK_BLOCKS]);
    }
    pk_snapshot_live(snapshot, node, &ret_amounts[PK_END_BYTES], &ret_amounts[PK_END_BLOCKS]);
    ret_amounts[PK_ALLOC_BYTES] = counters->alloc_bytes;
    ret_amounts[PK_ALLOC_BLOCKS] = counters->alloc_blocks;
}

static void charge(struct pk_view_builder *builder, uint32_t node,
                   const uint64_t amounts[PK_ALL_COLUMNS], struct pk_view_added *added) {
    for (unsigned i = 0; i < PK_ALL_COLUMNS; i++) {
        builder->columns[i][node] += amounts[i];
        builder->view->totals[i] += amounts[i];
        added->columns[i] += amounts[i];
    }
}

/* The largest block of a ledger's node is one of the tree's node. */
static void note_largest(struct pk_view_builder *builder, const struct pk_snapshot *snapshot,
                         const struct pk_view_source *source, uint32_t node, uint32_t to,
                         const uint64_t amounts[PK_COLUMNS]) {
    uint64_t largest[2];
    pk_snapshot_largest(snapshot, node, source->share == PK_SHARE_TREE ? &source->tree_epoch : NULL,
                        amounts[PK_PEAK_BYTES], amounts[PK_PEAK_BLOCKS], &largest[0], &largest[1]);
    for (unsigned i = 0; i < 2; i++) {
        if (largest[i] > builder->largest[i][to]) {
            builder->largest[i][to] = largest[i];
        }
    }
}

/* As PK_MEMORY_KINDS: what came from Python's allocators, or is of no kind. */
static unsigned memory_kind(uint32_t function_kind) {
    switch (function_kind) {
    case PK_FUNCTION_HEAP:
        return PK_MEMORY_HEAP;
    case PK_FUNCTION_MAP:
    case PK_FUNCTION_SAMPLED:
        return PK_MEMORY_MAP;
    default:
        return PK_MEMORY_KINDS;
    }
}

/* The same amounts, as parts of the kind. */
static void charge_kind(struct pk_view_builder *builder, uint32_t node,
                        const uint64_t amounts[PK_COLUMNS], unsigned kind,
                        struct pk_view_added *added) {
    uint64_t parts[PK_ALL_COLUMNS] = {0};
    for (unsigned i = 0; i < PK_COLUMNS; i++) {
        parts[i] = amounts[i];
        if (kind < PK_MEMORY_KINDS) {
            parts[pk_kind_column(kind, i)] = amounts[i];
        }
    }
    charge(builder, node, parts, added);
}

/* In a run of a `-c` program its text is the source of `<string>`. So is called, too, what exec()
 * or a .pth file runs, and the text of another process: these must not show the program's lines. (A
 * function that exec() defines is not told apart.) */
static uint32_t tell_strings_apart(struct pk_view_builder *builder,
                                   const struct pk_view_source *source, uint32_t parent,
                                   uint32_t function) {
    const struct pk_view *view = builder->view;
    struct pk_view_function known = view->functions[function];
    if (!builder->names.rules.string_is_user || known.kind != PK_FUNCTION_PYTHON ||
        strcmp(view->files[known.file].path, "<string>") != 0) {
        return function;
    }
    int32_t caller = builder->frames[parent];
    bool is_called =
        caller >= 0 && view->functions[view->frames[caller].function].kind == PK_FUNCTION_PYTHON;
    if (source->is_program && !(is_called && strcmp(known.name, "<module>") == 0)) {
        return function;
    }
    uint32_t file = pk_names_file(&builder->names, "<other string>");
    return pk_names_function(&builder->names, known.name, file, known.kind, known.first_line);
}

/* The ledger's stacks below `base`. `nodes` gets the tree's number of each. */
static bool add_nodes(struct pk_view_builder *builder, const struct pk_snapshot *snapshot,
                      const struct pk_view_source *source, uint32_t base, const uint32_t *functions,
                      uint32_t *nodes, struct pk_view_added *added) {
    uint64_t amounts[PK_COLUMNS];
    nodes[PK_NODE_NONE] = nodes[PK_NODE_ROOT] = base;
    read_amounts(snapshot, source, PK_NODE_ROOT, amounts);
    charge_kind(builder, base, amounts, PK_MEMORY_KINDS, added);
    note_largest(builder, snapshot, source, PK_NODE_ROOT, base, amounts);
    for (uint32_t i = PK_NODE_ROOT + 1; i < snapshot->node_count; i++) {
        const struct pk_node_ident *ident = &snapshot->idents[i];
        uint32_t parent = nodes[ident->parent], around = parent, frame;
        uint32_t function = functions[ident->function];
        uint32_t function_kind = snapshot->functions[ident->function].kind;
        unsigned kind = memory_kind(function_kind);
        read_amounts(snapshot, source, i, amounts);
        if (kind < PK_MEMORY_KINDS && function_kind != PK_FUNCTION_SAMPLED) {
            nodes[i] = parent; // no frame: a part of what its line holds
            charge_kind(builder, parent, amounts, kind, added);
            note_largest(builder, snapshot, source, i, parent, amounts);
            continue;
        }
        if (function_kind == PK_FUNCTION_THREAD) {
            around = ident->line != 0 ? nodes[ident->line] : parent;
            frame = thread_frame(builder, function, around);
        } else {
            function = tell_strings_apart(builder, source, parent, function);
            frame = pk_names_frame(&builder->names, function, ident->line, PK_FRAME_ROOT);
        }
        if (builder->names.failed) {
            return false;
        }
        struct pk_view_frame *of = &builder->view->frames[frame];
        of->span = of->has_span ? pk_span_join(of->span, ident->span) : ident->span;
        of->has_span = true;
        nodes[i] = find_node(builder, parent, frame, around);
        charge_kind(builder, nodes[i], amounts, kind, added);
        note_largest(builder, snapshot, source, i, nodes[i], amounts);
    }
    return true;
}

/* Sums differ from the recorded peak only by events the process was in the middle of. Nothing is
 * scaled: what is missing becomes a frame of its own, what is too much is kept and said. Of the
 * tree's peak no other record exists. */
static bool settle_peak(struct pk_view_builder *builder, const struct pk_snapshot *snapshot,
                        uint32_t base, struct pk_view_added *added) {
    struct pk_view *view = builder->view;
    uint64_t recorded[2] = {snapshot->header.peak_bytes, snapshot->header.peak_blocks};
    uint64_t missing[PK_ALL_COLUMNS] = {0}, surplus[2] = {0};
    for (unsigned i = 0; i < 2; i++) {
        if (added->columns[i] < recorded[i]) {
            missing[i] = recorded[i] - added->columns[i];
        } else {
            surplus[i] = added->columns[i] - recorded[i];
        }
    }
    view->in_flight_bytes += missing[PK_PEAK_BYTES];
    view->in_flight_blocks += missing[PK_PEAK_BLOCKS];
    view->surplus_bytes += surplus[0];
    view->surplus_blocks += surplus[1];
    if (missing[PK_PEAK_BYTES] != 0 || missing[PK_PEAK_BLOCKS] != 0) {
        uint32_t frame = pseudo_frame(builder, "[in flight]", PK_FUNCTION_DROPPED);
        if (builder->names.failed) {
            return false;
        }
        charge(builder, find_node(builder, base, frame, base), missing, added);
    }
    return true;
}

/* The line of the ledger's largest failed allocation, and whether it is the largest of all. */
static void note_failure(struct pk_view_builder *builder, const struct pk_snapshot *snapshot,
                         const uint32_t *nodes, struct pk_view_added *added) {
    const struct pk_ledger_header *header = &snapshot->header;
    uint32_t node = header->largest_failed_node;
    if (header->failed_allocs == 0) {
        return;
    }
    if (node > PK_NODE_ROOT && node < snapshot->node_count) {
        added->failed_frame = (int32_t)blamed_frame(builder, nodes[node]);
    }
    if (header->largest_failed_bytes >= builder->most_failed_bytes) {
        builder->most_failed_bytes = header->largest_failed_bytes;
        builder->view->failed_frame = added->failed_frame;
        builder->failed_node = node < snapshot->node_count ? nodes[node] : 0;
    }
}

struct pk_view_builder *pk_view_begin(const struct pk_path_rules *rules, struct pk_view *ret_view) {
    struct pk_view_builder *builder = calloc(1, sizeof(*builder));
    memset(ret_view, 0, sizeof(*ret_view));
    ret_view->failed_frame = PK_FRAME_ROOT;
    if (builder == NULL) {
        return NULL;
    }
    builder->view = ret_view;
    pk_names_start(&builder->names, rules, ret_view);
    builder->slot_mask = 511;
    builder->slots = calloc(builder->slot_mask + 1, sizeof(*builder->slots));
    builder->failed = builder->slots == NULL;
    if (make_room(builder, 1)) {
        builder->node_count = 1;
        builder->parents[0] = 0;
        builder->frames[0] = PK_FRAME_ROOT;
        builder->user[0] = builder->library[0] = NO_FRAME;
        for (unsigned i = 0; i < PK_ALL_COLUMNS; i++) {
            builder->columns[i][0] = 0;
        }
        builder->largest[0][0] = builder->largest[1][0] = 0;
    }
    return builder;
}

int pk_view_add(struct pk_view_builder *builder, const struct pk_snapshot *snapshot,
                const struct pk_view_source *source, struct pk_view_added *ret_added) {
    struct pk_view *view = builder->view;
    struct pk_pool scratch = {0};

    *ret_added = (struct pk_view_added){.frame = PK_FRAME_ROOT, .failed_frame = PK_FRAME_ROOT};
    uint64_t most = 0; // of any column but the last two
    for (unsigned i = 0; i < PK_ALLOC_BYTES; i++) {
        most = view->totals[i] > most ? view->totals[i] : most;
    }
    if (most + snapshot->most_bytes > MAX_HELD_BYTES ||
        view->alloc_bytes + snapshot->alloc_bytes > MAX_ALLOC_BYTES ||
        view->alloc_blocks + snapshot->alloc_blocks > MAX_ALLOC_BYTES) {
        return -ERANGE;
    }
    uint32_t *functions = pk_pool_array(&scratch, snapshot->function_count, sizeof(*functions));
    uint32_t *nodes = pk_pool_array(&scratch, snapshot->node_count, sizeof(*nodes));
    // beyond the ledger's own stacks: the process, and what is in flight
    bool is_good = !scratch.failed && make_room(builder, snapshot->node_count + 2) &&
                   map_functions(builder, snapshot, functions);
    uint32_t base = 0;
    if (is_good && source->process != NULL) {
        ret_added->frame = (int32_t)pseudo_frame(builder, source->process, PK_VIEW_PROCESS);
        is_good = !builder->names.failed;
        base = is_good ? find_node(builder, 0, (uint32_t)ret_added->frame, 0) : 0;
    }
    is_good = is_good && add_nodes(builder, snapshot, source, base, functions, nodes, ret_added) &&
              (source->share != PK_SHARE_OWN || settle_peak(builder, snapshot, base, ret_added));
    if (is_good) {
        note_failure(builder, snapshot, nodes, ret_added);
        view->negative_nodes += snapshot->negative_nodes;
    }
    pk_pool_free(&scratch);
    builder->failed = builder->failed || !is_good;
    return is_good ? 0 : -ENOMEM;
}

/* Charge every node's own amounts to its blame line. */
static int charge_frames(struct pk_view_builder *builder) {
    struct pk_view *view = builder->view;
    struct pk_pool scratch = {0};
    uint64_t *by_frame[PK_ALL_COLUMNS];
    uint64_t without[PK_ALL_COLUMNS] = {0};
    uint64_t *largest[2], largest_without[2] = {0};
    for (unsigned i = 0; i < PK_ALL_COLUMNS; i++) {
        by_frame[i] = pk_pool_array(&scratch, view->frame_count, sizeof(uint64_t));
    }
    for (unsigned i = 0; i < 2; i++) {
        largest[i] = pk_pool_array(&scratch, view->frame_count, sizeof(uint64_t));
    }
    int r = scratch.failed ? -ENOMEM : 0;
    for (uint32_t node = 0; r >= 0 && node < builder->node_count; node++) {
        uint32_t frame = blamed_frame(builder, node);
        for (unsigned i = 0; i < PK_ALL_COLUMNS; i++) {
            uint64_t *to = frame == NO_FRAME ? &without[i] : &by_frame[i][frame];
            *to += builder->columns[i][node];
        }
        for (unsigned i = 0; i < 2; i++) {
            uint64_t *to = frame == NO_FRAME ? &largest_without[i] : &largest[i][frame];
            *to = builder->largest[i][node] > *to ? builder->largest[i][node] : *to;
        }
    }
    if (r >= 0) {
        r = pk_blame_build(view, by_frame, without, largest, largest_without);
    }
    pk_pool_free(&scratch);
    return r;
}

static int keep_failed_stack(struct pk_view_builder *builder) {
    struct pk_view *view = builder->view;
    uint32_t depth = 0;
    for (uint32_t node = builder->failed_node; node != 0; node = builder->parents[node]) {
        depth++;
    }
    view->failed_stack = pk_pool_array(&view->pool, depth, sizeof(*view->failed_stack));
    if (view->failed_stack == NULL) {
        return -ENOMEM;
    }
    view->failed_depth = depth;
    for (uint32_t node = builder->failed_node; node != 0; node = builder->parents[node]) {
        view->failed_stack[--depth] = builder->frames[node];
    }
    return 0;
}

static void free_builder(struct pk_view_builder *builder) {
    pk_names_end(&builder->names);
    free(builder->parents);
    free(builder->frames);
    free(builder->user);
    free(builder->library);
    for (unsigned i = 0; i < PK_ALL_COLUMNS; i++) {
        free(builder->columns[i]);
    }
    free(builder->largest[0]);
    free(builder->largest[1]);
    free(builder->slots);
    free(builder);
}

int pk_view_end(struct pk_view_builder *builder) {
    struct pk_view *view = builder->view;
    int r = builder->failed ? -ENOMEM : charge_frames(builder);
    if (r >= 0) {
        r = keep_failed_stack(builder);
    }
    if (r >= 0) {
        const struct pk_tree_input input = {.count = builder->node_count,
                                            .parents = builder->parents,
                                            .frames = builder->frames,
                                            .columns = builder->columns};
        r = pk_tree_order(&view->pool, &input, &view->tree);
    }
    free_builder(builder);
    if (r < 0) {
        pk_view_free(view);
    }
    return r;
}

int pk_view_build(const struct pk_snapshot *snapshot, const struct pk_path_rules *rules,
                  struct pk_view *ret_view) {
    const struct pk_view_source source = {.share = PK_SHARE_OWN, .is_program = true};
    struct pk_view_added added;
    struct pk_view_builder *builder = pk_view_begin(rules, ret_view);
    if (builder == NULL) {
        return -ENOMEM;
    }
    int r = pk_view_add(builder, snapshot, &source, &added);
    int end = pk_view_end(builder);
    if (r < 0 && end >= 0) {
        pk_view_free(ret_view);
    }
    return r < 0 ? r : end;
}

void pk_view_free(struct pk_view *view) {
    free(view->files);
    free(view->functions);
    free(view->frames);
    pk_pool_free(&view->pool);
    memset(view, 0, sizeof(*view));
}
