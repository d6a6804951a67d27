/* SPDX-License-Identifier: Apache-2.0
 * Snapshot to view. Stacks come with parents before children, so everything that flows down a stack
 * (its frame, its blame line) is one pass upwards through the indices, and totals are one pass
 * downwards. May use record/reader.h, tree.h, paths.h, pool.h. */
#include "report/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_FRAME UINT32_MAX

static const char *const kind_names[PK_FUNCTION_KINDS] = {
    "<unknown>",         "[before Python]",   "[native thread]", "[unknown Python stack]",
    "[no Python stack]", "[stacks not kept]",
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
    uint32_t *table; /* open addressing, entries are index + 1 */
    uint32_t table_mask;
    uint64_t *frame_bytes; /* charged to a frame as blame line */
    uint64_t *frame_blocks;
    uint64_t root_bytes;
    uint64_t root_blocks;
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

/* An empty table for `count` entries, at most half full. */
static bool start_table(struct builder *builder, uint32_t count) {
    uint32_t size = 16;
    while (size < count * 2) {
        size *= 2;
    }
    builder->table = pk_pool_array(&builder->scratch, size, sizeof(*builder->table));
    builder->table_mask = size - 1;
    return builder->table != NULL;
}

/* The index of the file with this path; a new one is classified. */
static uint32_t intern_file(struct builder *builder, const char *path) {
    struct pk_view *view = builder->view;
    uint32_t slot = hash_text(path) & builder->table_mask;
    for (; builder->table[slot] != 0; slot = (slot + 1) & builder->table_mask) {
        if (strcmp(view->files[builder->table[slot] - 1].path, path) == 0) {
            return builder->table[slot] - 1;
        }
    }
    view->files[view->file_count] = (struct pk_view_file){
        .path = path, .kind = pk_path_kind(&builder->rules, path), .status = PK_SOURCE_SAME};
    builder->table[slot] = ++view->file_count;
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
    if (view->pool.failed || builder->scratch.failed || !start_table(builder, count + 1)) {
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

static uint32_t intern_frame(struct builder *builder, uint32_t function, uint32_t line) {
    struct pk_view *view = builder->view;
    uint32_t slot = mix((uint64_t)function << 32 | line) & builder->table_mask;
    for (; builder->table[slot] != 0; slot = (slot + 1) & builder->table_mask) {
        const struct pk_view_frame *frame = &view->frames[builder->table[slot] - 1];
        if (frame->function == function && frame->line == line) {
            return builder->table[slot] - 1;
        }
    }
    view->frames[view->frame_count] =
        (struct pk_view_frame){.function = function, .line = line, .source = ""};
    builder->table[slot] = ++view->frame_count;
    return view->frame_count - 1;
}

/* The snapshot's nodes from the root on, and the bytes in flight as a child of the root. */
static int build_nodes(struct builder *builder) {
    const struct pk_snapshot *snapshot = builder->snapshot;
    struct pk_view *view = builder->view;
    uint32_t count = snapshot->node_count; // one less for node 0, one more for what is in flight

    builder->node_count = count;
    builder->parents = pk_pool_array(&builder->scratch, count, sizeof(*builder->parents));
    builder->frames = pk_pool_array(&builder->scratch, count, sizeof(*builder->frames));
    builder->bytes = pk_pool_array(&builder->scratch, count, sizeof(*builder->bytes));
    builder->blocks = pk_pool_array(&builder->scratch, count, sizeof(*builder->blocks));
    view->frames = pk_pool_array(&view->pool, count, sizeof(*view->frames));
    if (view->pool.failed || builder->scratch.failed || !start_table(builder, count)) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count - 1; i++) {
        const struct pk_node_ident *ident = &snapshot->idents[i + 1];
        pk_snapshot_share(snapshot, i + 1, &builder->bytes[i], &builder->blocks[i]);
        builder->parents[i] = i == 0 ? 0 : ident->parent - 1;
        builder->frames[i] =
            i == 0 ? PK_FRAME_ROOT : (int32_t)intern_frame(builder, ident->function, ident->line);
    }
    builder->frames[count - 1] = (int32_t)intern_frame(builder, view->function_count - 1, 0);
    builder->bytes[count - 1] = view->in_flight_bytes;
    builder->blocks[count - 1] = view->in_flight_blocks;
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

static enum pk_file_kind kind_of_frame(const struct pk_view *view, int32_t frame) {
    return view->files[view->functions[view->frames[frame].function].file].kind;
}

/* Charge every node's own bytes to its blame line: the innermost user frame; if there is none the
 * innermost library frame; if there is none the innermost frame. */
static int charge_frames(struct builder *builder) {
    struct pk_view *view = builder->view;
    uint32_t count = builder->node_count;
    uint32_t *user = pk_pool_array(&builder->scratch, count, sizeof(*user));
    uint32_t *library = pk_pool_array(&builder->scratch, count, sizeof(*library));
    builder->frame_bytes =
        pk_pool_array(&builder->scratch, view->frame_count, sizeof(*builder->frame_bytes));
    builder->frame_blocks =
        pk_pool_array(&builder->scratch, view->frame_count, sizeof(*builder->frame_blocks));
    if (builder->scratch.failed) {
        return -ENOMEM;
    }
    user[0] = library[0] = NO_FRAME;
    builder->root_bytes = builder->bytes[0];
    builder->root_blocks = builder->blocks[0];
    uint32_t failed_node = builder->snapshot->header.largest_failed_node;
    view->failed_frame = PK_FRAME_ROOT;
    for (uint32_t i = 1; i < count; i++) {
        uint32_t frame = (uint32_t)builder->frames[i];
        enum pk_file_kind kind = kind_of_frame(view, builder->frames[i]);
        user[i] = kind == PK_FILE_USER ? frame : user[builder->parents[i]];
        library[i] = kind == PK_FILE_LIBRARY ? frame : library[builder->parents[i]];
        uint32_t blamed = user[i] != NO_FRAME      ? user[i]
                          : library[i] != NO_FRAME ? library[i]
                                                   : frame;
        builder->frame_bytes[blamed] += builder->bytes[i];
        builder->frame_blocks[blamed] += builder->blocks[i];
        if (failed_node > PK_NODE_ROOT && i + 1 == failed_node && i < count - 1) {
            view->failed_frame = (int32_t)blamed;
        }
    }
    return 0;
}

/* One frame's charge, with what makes two frames the same line to a reader: file and line, whatever
 * the function (a comprehension and the function around it). Pseudo frames have no file: each is
 * its own line. */
struct charge {
    uint64_t place;
    uint64_t bytes;
    uint64_t blocks;
    int32_t frame;
};

static int compare_places(const void *left, const void *right) {
    const struct charge *a = left, *b = right;
    if (a->place != b->place) {
        return a->place < b->place ? -1 : 1;
    }
    if (a->bytes != b->bytes) {
        return a->bytes > b->bytes ? -1 : 1;
    }
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

static int compare_blame(const void *left, const void *right) {
    const struct pk_view_blame *a = left, *b = right;
    if (a->bytes != b->bytes) {
        return a->bytes > b->bytes ? -1 : 1;
    }
    if (a->blocks != b->blocks) {
        return a->blocks > b->blocks ? -1 : 1;
    }
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

static int build_blame(struct builder *builder) {
    struct pk_view *view = builder->view;
    struct charge *charges = pk_pool_array(&builder->scratch, view->frame_count, sizeof(*charges));
    view->blame = pk_pool_array(&view->pool, (size_t)view->frame_count + 1, sizeof(*view->blame));
    if (builder->scratch.failed || view->pool.failed) {
        return -ENOMEM;
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < view->frame_count; i++) {
        if (builder->frame_bytes[i] == 0 && builder->frame_blocks[i] == 0) {
            continue;
        }
        uint32_t file = view->functions[view->frames[i].function].file;
        bool is_pseudo = view->files[file].kind == PK_FILE_NONE;
        uint64_t place =
            is_pseudo ? UINT64_C(1) << 63 | i : (uint64_t)file << 32 | view->frames[i].line;
        charges[used++] = (struct charge){.place = place,
                                          .bytes = builder->frame_bytes[i],
                                          .blocks = builder->frame_blocks[i],
                                          .frame = (int32_t)i};
    }
    qsort(charges, used, sizeof(*charges), compare_places);
    for (uint32_t i = 0; i < used; i++) {
        if (i > 0 && charges[i].place == charges[i - 1].place) {
            view->blame[view->blame_count - 1].bytes += charges[i].bytes;
            view->blame[view->blame_count - 1].blocks += charges[i].blocks;
        } else {
            view->blame[view->blame_count++] = (struct pk_view_blame){
                .frame = charges[i].frame, .bytes = charges[i].bytes, .blocks = charges[i].blocks};
        }
    }
    if (builder->root_bytes != 0 || builder->root_blocks != 0) {
        view->blame[view->blame_count++] = (struct pk_view_blame){
            .frame = PK_FRAME_ROOT, .bytes = builder->root_bytes, .blocks = builder->root_blocks};
    }
    qsort(view->blame, view->blame_count, sizeof(*view->blame), compare_blame);
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
        r = build_blame(&builder);
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
