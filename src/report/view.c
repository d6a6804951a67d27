/* SPDX-License-Identifier: Apache-2.0
 * Snapshot to view. Stacks come with parents before children, so everything that flows down a stack
 * (its frame, its blame line) is one pass upwards through the indices, and totals are one pass
 * downwards. May use record/reader.h, blame.h, tree.h, paths.h, pool.h. */
#include "report/view.h"

#include <errno.h>
#include <string.h>

#include "report/blame.h"

#define NO_FRAME UINT32_MAX

static const char *const kind_names[PK_FUNCTION_KINDS] = {
    "<unknown>",         "[before Python]",   "[native thread]", "[unknown Python stack]",
    "[no Python stack]", "[stacks not kept]", "[thread]",        "[resident, sampled]",
};

/* Open addressing, at most half full; entries are an index + 1. */
struct table {
    uint32_t *slots;
    uint32_t mask;
};

/* What is needed while the view is built, and no longer. Nodes are the snapshot's, and one more at
 * the end for bytes in flight; functions likewise. */
struct builder {
    const struct pk_snapshot *snapshot;
    struct pk_path_rules rules;
    struct pk_view *view;
    struct pk_pool scratch;
    uint32_t node_count;
    uint32_t *parents; /* minus one: the root, node 1 of the snapshot, is node 0 here */
    int32_t *frames;
    uint64_t *bytes;
    uint64_t *blocks;
    uint32_t *user;    /* the innermost frame of the user's own code, of the node or around it */
    uint32_t *library; /* of a library */
    struct table files, by_function, by_line; /* by_function, by_line: of frames */
};

static uint32_t mix(uint64_t value) {
    value *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(value >> 32);
}

static uint32_t hash_text(const char *text) {
    uint64_t hash = 1469598103934665603u;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    }
    return mix(hash);
}

static bool start_table(struct builder *builder, uint32_t count, struct table *ret_table) {
    uint32_t size = 16;
    while (size < count * 2) {
        size *= 2;
    }
    ret_table->slots = pk_pool_array(&builder->scratch, size, sizeof(*ret_table->slots));
    ret_table->mask = size - 1;
    return ret_table->slots != NULL;
}

/* The index of the file with this path; a new one is classified. */
static uint32_t intern_file(struct builder *builder, const char *path) {
    struct pk_view *view = builder->view;
    struct table *table = &builder->files;
    uint32_t slot = hash_text(path) & table->mask;
    for (; table->slots[slot] != 0; slot = (slot + 1) & table->mask) {
        if (strcmp(view->files[table->slots[slot] - 1].path, path) == 0) {
            return table->slots[slot] - 1;
        }
    }
    view->files[view->file_count] = (struct pk_view_file){
        .path = path, .kind = pk_path_kind(&builder->rules, path), .status = PK_SOURCE_SAME};
    table->slots[slot] = ++view->file_count;
    return view->file_count - 1;
}

/* Files and functions. The function behind the last stands for bytes in flight. */
static int build_functions(struct builder *builder) {
    const struct pk_snapshot *snapshot = builder->snapshot;
    struct pk_view *view = builder->view;
    uint32_t count = snapshot->function_count + 1;

    view->functions = pk_pool_array(&view->pool, count, sizeof(*view->functions));
    view->files = pk_pool_array(&view->pool, (size_t)count + 1, sizeof(*view->files));
    const char **paths = pk_pool_array(&builder->scratch, count, sizeof(*paths));
    if (view->pool.failed || builder->scratch.failed ||
        !start_table(builder, count + 1, &builder->files)) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count - 1; i++) {
        const struct pk_function *function = &snapshot->functions[i];
        bool is_python = function->kind == PK_FUNCTION_PYTHON;
        const char *path = is_python ? pk_snapshot_string(snapshot, function->file) : "";
        paths[i] = pk_path_resolve(&view->pool, &builder->rules, path);
        if (paths[i] == NULL) {
            return -ENOMEM;
        }
        // (a package `encodings` of the user's own would be below the run's directory)
        bool is_candidate =
            builder->rules.stdlib == NULL && pk_path_short(&builder->rules, paths[i]) == paths[i];
        size_t stdlib = is_candidate ? pk_path_stdlib_length(paths[i]) : 0;
        if (stdlib > 0) {
            builder->rules.stdlib = pk_pool_text(&view->pool, paths[i], stdlib);
        }
    }
    for (uint32_t i = 0; i < count - 1; i++) {
        const struct pk_function *function = &snapshot->functions[i];
        const char *name = pk_snapshot_string(snapshot, function->qualname);
        if (name[0] == '\0') {
            name = pk_snapshot_string(snapshot, function->name);
        }
        view->functions[i] =
            (struct pk_view_function){.name = name[0] == '\0' ? kind_names[function->kind] : name,
                                      .file = intern_file(builder, paths[i]),
                                      .kind = function->kind};
    }
    view->functions[count - 1] = (struct pk_view_function){
        .name = "[in flight]", .file = intern_file(builder, ""), .kind = PK_FUNCTION_DROPPED};
    view->function_count = count;
    return 0;
}

static uint32_t intern_frame(struct builder *builder, uint32_t function, uint32_t line,
                             int32_t started_by) {
    struct pk_view *view = builder->view;
    struct table *table = &builder->by_function;
    uint32_t number = started_by < 0 ? line : (uint32_t)started_by;
    uint32_t slot = mix((uint64_t)function << 32 | number) & table->mask;
    for (; table->slots[slot] != 0; slot = (slot + 1) & table->mask) {
        const struct pk_view_frame *frame = &view->frames[table->slots[slot] - 1];
        if (frame->function == function && frame->line == line && frame->started_by == started_by) {
            return table->slots[slot] - 1;
        }
    }
    view->frames[view->frame_count] = (struct pk_view_frame){
        .function = function, .line = line, .started_by = started_by, .source = ""};
    table->slots[slot] = ++view->frame_count;
    return view->frame_count - 1;
}

static const struct pk_view_file *file_of(const struct pk_view *view, uint32_t frame) {
    return &view->files[view->functions[view->frames[frame].function].file];
}

/* The first frame of all that stand at the same line of the same file. */
static uint32_t intern_line(struct builder *builder, uint32_t frame) {
    const struct pk_view *view = builder->view;
    struct table *table = &builder->by_line;
    uint32_t file = view->functions[view->frames[frame].function].file;
    uint32_t line = view->frames[frame].line;
    uint32_t slot = mix((uint64_t)file << 32 | line) & table->mask;
    for (; table->slots[slot] != 0; slot = (slot + 1) & table->mask) {
        const struct pk_view_frame *other = &view->frames[table->slots[slot] - 1];
        if (view->functions[other->function].file == file && other->line == line) {
            return table->slots[slot] - 1;
        }
    }
    table->slots[slot] = frame + 1;
    return frame;
}

/* The frame blamed for what a node holds itself. */
static uint32_t blamed_frame(const struct builder *builder, uint32_t node) {
    return builder->user[node] != NO_FRAME      ? builder->user[node]
           : builder->library[node] != NO_FRAME ? builder->library[node]
           : node == 0                          ? NO_FRAME
                                                : (uint32_t)builder->frames[node];
}

/* "[thread]": one frame for all threads that one line started. */
static uint32_t intern_thread(struct builder *builder, uint32_t function, uint32_t starter) {
    uint32_t blamed = blamed_frame(builder, starter);
    bool is_line = blamed != NO_FRAME && file_of(builder->view, blamed)->kind != PK_FILE_NONE;
    int32_t started_by = is_line ? (int32_t)intern_line(builder, blamed) : PK_FRAME_ROOT;
    return intern_frame(builder, function, 0, started_by);
}

static bool allocate_nodes(struct builder *builder, uint32_t count) {
    struct pk_pool *scratch = &builder->scratch;
    builder->node_count = count;
    builder->parents = pk_pool_array(scratch, count, sizeof(*builder->parents));
    builder->frames = pk_pool_array(scratch, count, sizeof(*builder->frames));
    builder->bytes = pk_pool_array(scratch, count, sizeof(*builder->bytes));
    builder->blocks = pk_pool_array(scratch, count, sizeof(*builder->blocks));
    builder->user = pk_pool_array(scratch, count, sizeof(*builder->user));
    builder->library = pk_pool_array(scratch, count, sizeof(*builder->library));
    builder->view->frames =
        pk_pool_array(&builder->view->pool, count, sizeof(*builder->view->frames));
    return !builder->view->pool.failed && !scratch->failed &&
           start_table(builder, count, &builder->by_function) &&
           start_table(builder, count, &builder->by_line);
}

/* The snapshot's nodes from the root on, and the bytes in flight as a child of the root. Whose code
 * a node belongs to flows down from its caller; into a thread, from the stack that started it. */
static int build_nodes(struct builder *builder) {
    const struct pk_snapshot *snapshot = builder->snapshot;
    struct pk_view *view = builder->view;
    uint32_t count = snapshot->node_count; // one less for node 0, one more for what is in flight

    if (!allocate_nodes(builder, count)) {
        return -ENOMEM;
    }
    builder->frames[0] = PK_FRAME_ROOT;
    builder->user[0] = builder->library[0] = NO_FRAME;
    pk_snapshot_share(snapshot, PK_NODE_ROOT, &builder->bytes[0], &builder->blocks[0]);
    for (uint32_t i = 1; i < count; i++) {
        bool is_last = i == count - 1;
        const struct pk_node_ident in_flight = {.parent = PK_NODE_ROOT,
                                                .function = view->function_count - 1};
        const struct pk_node_ident *ident = is_last ? &in_flight : &snapshot->idents[i + 1];
        uint32_t above = ident->parent - 1, frame;
        builder->parents[i] = above;
        if (view->functions[ident->function].kind == PK_FUNCTION_THREAD) {
            above = ident->line != 0 ? ident->line - 1 : above;
            frame = intern_thread(builder, ident->function, above);
        } else {
            frame = intern_frame(builder, ident->function, ident->line, PK_FRAME_ROOT);
        }
        enum pk_file_kind kind = file_of(view, frame)->kind;
        builder->frames[i] = (int32_t)frame;
        builder->user[i] = kind == PK_FILE_USER ? frame : builder->user[above];
        builder->library[i] = kind == PK_FILE_LIBRARY ? frame : builder->library[above];
        if (is_last) {
            builder->bytes[i] = view->in_flight_bytes;
            builder->blocks[i] = view->in_flight_blocks;
        } else {
            pk_snapshot_share(snapshot, i + 1, &builder->bytes[i], &builder->blocks[i]);
        }
    }
    return 0;
}

/* Sums differ from the recorded peak only by events the process was in the middle of. Nothing is
 * scaled: what is missing becomes a frame of its own, what is too much is kept and said. */
static void settle_peak(const struct pk_snapshot *snapshot, struct pk_view *view) {
    uint64_t bytes = snapshot->share_bytes, blocks = snapshot->share_blocks;
    if (bytes < snapshot->header.peak_bytes) {
        view->in_flight_bytes = snapshot->header.peak_bytes - bytes;
    } else {
        view->surplus_bytes = bytes - snapshot->header.peak_bytes;
    }
    if (blocks < snapshot->header.peak_blocks) {
        view->in_flight_blocks = snapshot->header.peak_blocks - blocks;
    } else {
        view->surplus_blocks = blocks - snapshot->header.peak_blocks;
    }
    view->peak_bytes = bytes + view->in_flight_bytes;
    view->peak_blocks = blocks + view->in_flight_blocks;
}

/* Charge every node's own bytes to its blame line. */
static int charge_frames(struct builder *builder) {
    struct pk_view *view = builder->view;
    uint64_t *bytes = pk_pool_array(&builder->scratch, view->frame_count, sizeof(*bytes));
    uint64_t *blocks = pk_pool_array(&builder->scratch, view->frame_count, sizeof(*blocks));
    if (builder->scratch.failed) {
        return -ENOMEM;
    }
    for (uint32_t i = 1; i < builder->node_count; i++) {
        uint32_t frame = blamed_frame(builder, i);
        bytes[frame] += builder->bytes[i];
        blocks[frame] += builder->blocks[i];
    }
    uint32_t failed_node = builder->snapshot->header.largest_failed_node;
    view->failed_frame = failed_node > PK_NODE_ROOT && failed_node < builder->node_count
                             ? (int32_t)blamed_frame(builder, failed_node - 1)
                             : PK_FRAME_ROOT;
    return pk_blame_build(view, bytes, blocks, builder->bytes[0], builder->blocks[0]);
}

/* Threads that one line started have become one frame: what is the same below them becomes one
 * node, too. The node merged into another is left with nothing, and so left out of the tree. */
static int merge_nodes(struct builder *builder) {
    struct table table;
    uint32_t *kept = pk_pool_array(&builder->scratch, builder->node_count, sizeof(*kept));
    if (kept == NULL || !start_table(builder, builder->node_count, &table)) {
        return -ENOMEM;
    }
    for (uint32_t i = 1; i < builder->node_count; i++) {
        uint32_t parent = builder->parents[i] = kept[builder->parents[i]];
        int32_t frame = builder->frames[i];
        uint32_t slot = mix((uint64_t)parent << 32 | (uint32_t)frame) & table.mask;
        kept[i] = i;
        for (; table.slots[slot] != 0; slot = (slot + 1) & table.mask) {
            uint32_t other = table.slots[slot] - 1;
            if (builder->parents[other] == parent && builder->frames[other] == frame) {
                kept[i] = other;
                builder->bytes[other] += builder->bytes[i];
                builder->blocks[other] += builder->blocks[i];
                builder->bytes[i] = builder->blocks[i] = 0;
                break;
            }
        }
        if (kept[i] == i) {
            table.slots[slot] = i + 1;
        }
    }
    return 0;
}

int pk_view_build(const struct pk_snapshot *snapshot, const struct pk_path_rules *rules,
                  struct pk_view *ret_view) {
    struct builder builder = {.snapshot = snapshot, .rules = *rules, .view = ret_view};

    memset(ret_view, 0, sizeof(*ret_view));
    settle_peak(snapshot, ret_view);
    int r = build_functions(&builder);
    if (r >= 0) {
        r = build_nodes(&builder);
    }
    if (r >= 0) {
        r = charge_frames(&builder);
    }
    if (r >= 0) {
        r = merge_nodes(&builder);
    }
    if (r >= 0) {
        const struct pk_tree_input input = {.count = builder.node_count,
                                            .parents = builder.parents,
                                            .frames = builder.frames,
                                            .bytes = builder.bytes,
                                            .blocks = builder.blocks};
        r = pk_tree_order(&ret_view->pool, &input, &ret_view->tree);
    }
    pk_pool_free(&builder.scratch);
    if (r < 0) {
        pk_view_free(ret_view);
    }
    return r;
}

void pk_view_free(struct pk_view *view) {
    pk_pool_free(&view->pool);
    memset(view, 0, sizeof(*view));
}
