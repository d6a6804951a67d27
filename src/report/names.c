/* SPDX-License-Identifier: Apache-2.0
 * Numbers for names. May use view.h, paths.h, pool.h. */
#include "report/names.h"

#include <stdlib.h>
#include <string.h>

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

/* The array with room for one more element behind the last; NULL when memory is out, then `array`
 * stays as it is. */
static void *grow_array(struct pk_names *names, void *array, uint32_t count, uint32_t *room,
                        size_t size) {
    if (names->failed || count < *room) {
        return names->failed ? NULL : array;
    }
    uint32_t wanted = *room == 0 ? 256 : *room * 2;
    void *grown = realloc(array, wanted * size);
    if (grown == NULL) {
        names->failed = true;
        return NULL;
    }
    *room = wanted;
    return grown;
}

static uint32_t hash_raw(const struct pk_names *names, uint32_t index) {
    return hash_text(names->raws[index].text);
}

static uint32_t hash_path(const struct pk_names *names, uint32_t index) {
    return hash_text(names->view->files[index].path);
}

static uint32_t mix_function(uint32_t name_hash, uint32_t file, uint32_t kind, uint32_t line) {
    return mix(((uint64_t)name_hash << 32 | file) ^ (uint64_t)line << 20 ^ kind);
}

static uint32_t hash_function(const struct pk_names *names, uint32_t index) {
    const struct pk_view_function *function = &names->view->functions[index];
    return mix_function(hash_text(function->name), function->file, function->kind,
                        function->first_line);
}

static uint32_t mix_frame(uint32_t function, uint32_t line, int32_t started_by) {
    uint32_t number = started_by < 0 ? line : (uint32_t)started_by;
    return mix((uint64_t)function << 32 | number);
}

static uint32_t hash_frame(const struct pk_names *names, uint32_t index) {
    const struct pk_view_frame *frame = &names->view->frames[index];
    return mix_frame(frame->function, frame->line, frame->started_by);
}

static uint32_t mix_line(uint32_t file, uint32_t line) {
    return mix((uint64_t)file << 32 | line);
}

static uint32_t hash_line(const struct pk_names *names, uint32_t index) {
    const struct pk_view_frame *frame = &names->view->frames[index];
    return mix_line(names->view->functions[frame->function].file, frame->line);
}

/* Makes room for one more entry. Entries are put in again by their own hash. */
static bool grow_table(struct pk_names *names, struct pk_name_table *table,
                       uint32_t (*hash)(const struct pk_names *, uint32_t)) {
    if (names->failed) {
        return false;
    }
    if (table->slots != NULL && table->used * 2 < table->mask) {
        return true;
    }
    uint32_t size = table->slots == NULL ? 512 : (table->mask + 1) * 2;
    uint32_t *slots = calloc(size, sizeof(*slots));
    if (slots == NULL) {
        names->failed = true;
        return false;
    }
    for (uint32_t i = 0; table->slots != NULL && i <= table->mask; i++) {
        if (table->slots[i] != 0) {
            uint32_t slot = hash(names, table->slots[i] - 1) & (size - 1);
            while (slots[slot] != 0) {
                slot = (slot + 1) & (size - 1);
            }
            slots[slot] = table->slots[i];
        }
    }
    free(table->slots);
    table->slots = slots;
    table->mask = size - 1;
    return true;
}

static void put(struct pk_name_table *table, uint32_t slot, uint32_t index) {
    table->slots[slot] = index + 1;
    table->used++;
}

void pk_names_start(struct pk_names *names, const struct pk_path_rules *rules,
                    struct pk_view *view) {
    *names = (struct pk_names){.view = view, .rules = *rules};
}

void pk_names_end(struct pk_names *names) {
    free(names->raws);
    free(names->by_raw.slots);
    free(names->by_path.slots);
    free(names->by_function.slots);
    free(names->by_frame.slots);
    free(names->by_line.slots);
}

/* The file of a resolved path, which the view's pool (or nobody) owns. */
static uint32_t intern_path(struct pk_names *names, const char *path) {
    struct pk_view *view = names->view;
    void *grown =
        grow_array(names, view->files, view->file_count, &names->file_room, sizeof(*view->files));
    if (grown == NULL) {
        return 0;
    }
    view->files = grown;
    if (!grow_table(names, &names->by_path, hash_path)) {
        return 0;
    }
    struct pk_name_table *table = &names->by_path;
    uint32_t slot = hash_text(path) & table->mask;
    for (; table->slots[slot] != 0; slot = (slot + 1) & table->mask) {
        if (strcmp(view->files[table->slots[slot] - 1].path, path) == 0) {
            return table->slots[slot] - 1;
        }
    }
    view->files[view->file_count] = (struct pk_view_file){
        .path = path, .kind = pk_path_kind(&names->rules, path), .status = PK_SOURCE_SAME};
    put(table, slot, view->file_count);
    return view->file_count++;
}

/* The standard library may be known by one of its files only: those seen before are sorted again.
 * (A package `encodings` of the user's own would be below the run's directory.) */
static void look_for_stdlib(struct pk_names *names, const char *path) {
    struct pk_view *view = names->view;
    bool is_candidate = names->rules.stdlib == NULL && pk_path_short(&names->rules, path) == path;
    size_t length = is_candidate ? pk_path_stdlib_length(path) : 0;
    if (length == 0) {
        return;
    }
    names->rules.stdlib = pk_pool_text(&view->pool, path, length);
    for (uint32_t i = 0; i < view->file_count; i++) {
        view->files[i].kind = pk_path_kind(&names->rules, view->files[i].path);
    }
}

uint32_t pk_names_file(struct pk_names *names, const char *raw) {
    struct pk_view *view = names->view;
    void *grown =
        grow_array(names, names->raws, names->raw_count, &names->raw_room, sizeof(*names->raws));
    if (grown == NULL) {
        return 0;
    }
    names->raws = grown;
    if (!grow_table(names, &names->by_raw, hash_raw)) {
        return 0;
    }
    struct pk_name_table *table = &names->by_raw;
    uint32_t slot = hash_text(raw) & table->mask;
    for (; table->slots[slot] != 0; slot = (slot + 1) & table->mask) {
        const struct pk_name_raw *known = &names->raws[table->slots[slot] - 1];
        if (strcmp(known->text, raw) == 0) {
            return known->file;
        }
    }
    const char *kept = pk_pool_text(&view->pool, raw, strlen(raw));
    const char *path = kept == NULL ? NULL : pk_path_resolve(&view->pool, &names->rules, kept);
    if (path == NULL) {
        names->failed = true;
        return 0;
    }
    look_for_stdlib(names, path);
    uint32_t file = intern_path(names, path);
    names->raws[names->raw_count] = (struct pk_name_raw){.text = kept, .file = file};
    put(table, slot, names->raw_count++);
    return file;
}

uint32_t pk_names_function(struct pk_names *names, const char *name, uint32_t file, uint32_t kind,
                           uint32_t first_line) {
    struct pk_view *view = names->view;
    void *grown = grow_array(names, view->functions, view->function_count, &names->function_room,
                             sizeof(*view->functions));
    if (grown == NULL) {
        return 0;
    }
    view->functions = grown;
    if (!grow_table(names, &names->by_function, hash_function)) {
        return 0;
    }
    struct pk_name_table *table = &names->by_function;
    uint32_t slot = mix_function(hash_text(name), file, kind, first_line) & table->mask;
    for (; table->slots[slot] != 0; slot = (slot + 1) & table->mask) {
        const struct pk_view_function *known = &view->functions[table->slots[slot] - 1];
        if (known->file == file && known->kind == kind && known->first_line == first_line &&
            strcmp(known->name, name) == 0) {
            return table->slots[slot] - 1;
        }
    }
    const char *kept = pk_pool_text(&view->pool, name, strlen(name));
    if (kept == NULL) {
        names->failed = true;
        return 0;
    }
    view->functions[view->function_count] = (struct pk_view_function){
        .name = kept, .file = file, .kind = kind, .first_line = first_line};
    put(table, slot, view->function_count);
    return view->function_count++;
}

uint32_t pk_names_frame(struct pk_names *names, uint32_t function, uint32_t line,
                        int32_t started_by) {
    struct pk_view *view = names->view;
    void *grown = grow_array(names, view->frames, view->frame_count, &names->frame_room,
                             sizeof(*view->frames));
    if (grown == NULL) {
        return 0;
    }
    view->frames = grown;
    if (!grow_table(names, &names->by_frame, hash_frame)) {
        return 0;
    }
    struct pk_name_table *table = &names->by_frame;
    uint32_t slot = mix_frame(function, line, started_by) & table->mask;
    for (; table->slots[slot] != 0; slot = (slot + 1) & table->mask) {
        const struct pk_view_frame *known = &view->frames[table->slots[slot] - 1];
        if (known->function == function && known->line == line && known->started_by == started_by) {
            return table->slots[slot] - 1;
        }
    }
    view->frames[view->frame_count] = (struct pk_view_frame){
        .function = function, .line = line, .started_by = started_by, .source = ""};
    put(table, slot, view->frame_count);
    return view->frame_count++;
}

uint32_t pk_names_line(struct pk_names *names, uint32_t frame) {
    const struct pk_view *view = names->view;
    if (!grow_table(names, &names->by_line, hash_line)) {
        return 0;
    }
    struct pk_name_table *table = &names->by_line;
    uint32_t file = view->functions[view->frames[frame].function].file;
    uint32_t line = view->frames[frame].line;
    uint32_t slot = mix_line(file, line) & table->mask;
    for (; table->slots[slot] != 0; slot = (slot + 1) & table->mask) {
        const struct pk_view_frame *known = &view->frames[table->slots[slot] - 1];
        if (view->functions[known->function].file == file && known->line == line) {
            return table->slots[slot] - 1;
        }
    }
    put(table, slot, frame);
    return frame;
}
