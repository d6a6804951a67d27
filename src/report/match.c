/* SPDX-License-Identifier: Apache-2.0
 * Files, then functions, then lines. All searches that compare everything with everything have a
 * limit, beyond which only what is clear by its name or text is matched. */
#include "report/match.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "report/pool.h"
#include "report/similar.h"

#define SIMILAR_PERCENT 60u    /* a renamed variable keeps 65 to 90, another statement some 40 */
#define FUNCTION_PERCENT 60u   /* of the text in the lines that are known of a function */
#define FUNCTION_LEAD 10u      /* so much better than the second best */
#define TELLING_CHARACTERS 10u /* shorter texts, such as `main()`, say little by themselves */
#define MAX_RENAMES 64u        /* each is looked for in each word of lines that are compared */
#define MAX_PAIRS 10000u       /* of files, functions or lines that are compared one by one */
#define MAX_CELLS (1u << 20)   /* of the table for the longest common sequence */

/* The lines of one function of one side, a range of `order`. */
struct unit {
    uint32_t first;
    uint32_t count;
    int32_t other;
};

/* The functions of one file, a range of `units`. */
struct file {
    uint32_t first;
    uint32_t count;
    int32_t other;
};

struct side {
    const struct pk_match_line *lines;
    uint32_t count;
    uint32_t *order; /* lines by file, function, number */
    struct unit *units;
    uint32_t unit_count;
    struct file *files;
    uint32_t file_count;
    int32_t *others; /* by line: its counterpart, or -1 */
};

struct matcher {
    struct pk_pool pool;
    struct side before, after;
    struct pk_match *matches;
    bool *is_anchor; /* by line before: it kept its order in the function */
    uint32_t *cells;
    struct pk_similar_rename *renames; /* of functions, so that their calls are alike */
    uint32_t rename_count;
};

static int compare_lines(const void *left, const void *right, void *context) {
    const struct pk_match_line *lines = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = strcmp(lines[a].path, lines[b].path);
    order = order != 0 ? order : strcmp(lines[a].function, lines[b].function);
    if (order == 0 && lines[a].line != lines[b].line) {
        order = lines[a].line < lines[b].line ? -1 : 1;
    }
    return order != 0 ? order : a < b ? -1 : a > b;
}

static void start_side(struct matcher *m, struct side *side, const struct pk_match_line *lines,
                       uint32_t count) {
    side->lines = lines;
    side->count = count;
    side->order = pk_pool_array(&m->pool, count, sizeof(*side->order));
    side->units = pk_pool_array(&m->pool, count, sizeof(*side->units));
    side->files = pk_pool_array(&m->pool, count, sizeof(*side->files));
    side->others = pk_pool_array(&m->pool, count, sizeof(*side->others));
    if (m->pool.failed) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        side->order[i] = i;
        side->others[i] = -1;
    }
    qsort_r(side->order, count, sizeof(*side->order), compare_lines, (void *)(uintptr_t)lines);
    for (uint32_t i = 0; i < count; i++) {
        const struct pk_match_line *line = &lines[side->order[i]];
        const struct pk_match_line *last = i == 0 ? NULL : &lines[side->order[i - 1]];
        bool is_new_file = last == NULL || strcmp(last->path, line->path) != 0;
        if (is_new_file || strcmp(last->function, line->function) != 0) {
            if (is_new_file) {
                side->files[side->file_count++] =
                    (struct file){.first = side->unit_count, .other = -1};
            }
            side->files[side->file_count - 1].count++;
            side->units[side->unit_count++] = (struct unit){.first = i, .other = -1};
        }
        side->units[side->unit_count - 1].count++;
    }
}

static const struct pk_match_line *line_of(const struct side *side, const struct unit *unit,
                                           uint32_t i) {
    return &side->lines[side->order[unit->first + i]];
}

static const char *unit_name(const struct side *side, const struct unit *unit) {
    return line_of(side, unit, 0)->function;
}

static const char *file_path(const struct side *side, const struct file *file) {
    return line_of(side, &side->units[file->first], 0)->path;
}

static void pair_up(struct matcher *m, uint32_t before, uint32_t after, enum pk_match_kind kind,
                    unsigned percent) {
    m->before.others[before] = (int32_t)after;
    m->after.others[after] = (int32_t)before;
    m->matches[before] = (struct pk_match){
        .other = (int32_t)after, .kind = (uint8_t)kind, .percent = (uint8_t)percent};
}

/* Lines with the same text. */
static void pair_equal(struct matcher *m, uint32_t before, uint32_t after) {
    const struct pk_match_line *a = &m->before.lines[before], *b = &m->after.lines[after];
    bool is_there = a->line == b->line && strcmp(a->function, b->function) == 0 &&
                    strcmp(a->path, b->path) == 0;
    pair_up(m, before, after, is_there ? PK_MATCH_SAME : PK_MATCH_MOVED, 100);
}

/* ---- bodies ---------------------------------------------------------------------------------- */

/* How much of the text of one function is found in another, in per cent; the length of the text in
 * `ret_length`. */
static unsigned find_body(const struct side *a_side, const struct unit *a,
                          const struct side *b_side, const struct unit *b, uint32_t *ret_length) {
    uint64_t found = 0, length = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        const char *text = line_of(a_side, a, i)->source;
        uint32_t size = pk_similar_length(text);
        unsigned best = 0;
        for (uint32_t j = 0; j < b->count && size > 0 && best < 100; j++) {
            const char *other = line_of(b_side, b, j)->source;
            unsigned percent = pk_similar_percent(text, other);
            best = percent > best && percent >= SIMILAR_PERCENT ? percent : best;
        }
        found += (uint64_t)best * size;
        length += size;
    }
    *ret_length = length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
    return length == 0 ? 0 : (unsigned)(found / length);
}

/* A comprehension has never been a function or a lambda. */
static bool is_same_sort(const char *left, const char *right) {
    const char *a = strrchr(left, '.'), *b = strrchr(right, '.');
    a = a == NULL ? left : a + 1;
    b = b == NULL ? right : b + 1;
    return (a[0] != '<' && b[0] != '<') || strcmp(a, b) == 0;
}

/* How alike are two functions, both ways? 0 when they are too short to tell or too long to try. */
static unsigned compare_bodies(const struct matcher *m, const struct unit *a,
                               const struct unit *b) {
    uint32_t a_length, b_length;
    if ((uint64_t)a->count * b->count > MAX_PAIRS ||
        !is_same_sort(unit_name(&m->before, a), unit_name(&m->after, b))) {
        return 0;
    }
    unsigned forth = find_body(&m->before, a, &m->after, b, &a_length);
    unsigned back = find_body(&m->after, b, &m->before, a, &b_length);
    return a_length < TELLING_CHARACTERS || b_length < TELLING_CHARACTERS ? 0 : (forth + back) / 2;
}

/* ---- files ----------------------------------------------------------------------------------- */

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* The share of functions that both files have, with alike bodies. */
static unsigned compare_files(const struct matcher *m, const struct file *a, const struct file *b) {
    const struct side *before = &m->before, *after = &m->after;
    unsigned shared = 0;
    for (uint32_t i = 0, j = 0; i < a->count && j < b->count;) {
        const struct unit *left = &before->units[a->first + i],
                          *right = &after->units[b->first + j];
        int order = strcmp(unit_name(before, left), unit_name(after, right));
        if (order == 0 && compare_bodies(m, left, right) >= FUNCTION_PERCENT) {
            shared++;
        }
        i += order <= 0 ? 1u : 0u;
        j += order >= 0 ? 1u : 0u;
    }
    return 100u * shared / (a->count > b->count ? a->count : b->count);
}

static void match_files(struct matcher *m) {
    struct side *before = &m->before, *after = &m->after;
    uint32_t gone = before->file_count, come = after->file_count;

    for (uint32_t i = 0, j = 0; i < before->file_count && j < after->file_count;) {
        int order =
            strcmp(file_path(before, &before->files[i]), file_path(after, &after->files[j]));
        if (order == 0) {
            before->files[i].other = (int32_t)j;
            after->files[j].other = (int32_t)i;
            gone--;
            come--;
        }
        i += order <= 0 ? 1u : 0u;
        j += order >= 0 ? 1u : 0u;
    }
    bool is_small = (uint64_t)gone * come <= MAX_PAIRS;
    for (uint32_t i = 0; i < before->file_count && come > 0; i++) {
        struct file *a = &before->files[i];
        const char *path = file_path(before, a);
        int32_t best = -1;
        unsigned best_score = 49;
        for (uint32_t j = 0; a->other < 0 && path[0] != '\0' && j < after->file_count; j++) {
            struct file *b = &after->files[j];
            const char *other = file_path(after, b);
            bool has_name = strcmp(base_name(path), base_name(other)) == 0;
            if (b->other >= 0 || other[0] == '\0' || (!is_small && !has_name)) {
                continue;
            }
            unsigned score = compare_files(m, a, b);
            score += score > 0 && has_name ? 10u : 0u;
            if (score > best_score) {
                best_score = score;
                best = (int32_t)j;
            }
        }
        if (best >= 0) {
            a->other = best;
            after->files[best].other = (int32_t)i;
        }
    }
}

/* ---- functions ------------------------------------------------------------------------------- */

static void pair_units(struct matcher *m, uint32_t before, uint32_t after) {
    m->before.units[before].other = (int32_t)after;
    m->after.units[after].other = (int32_t)before;
}

/* The same names in two files that are one. */
static void match_named(struct matcher *m, const struct file *a, const struct file *b) {
    for (uint32_t i = 0, j = 0; i < a->count && j < b->count;) {
        int order = strcmp(unit_name(&m->before, &m->before.units[a->first + i]),
                           unit_name(&m->after, &m->after.units[b->first + j]));
        if (order == 0) {
            pair_units(m, a->first + i, b->first + j);
        }
        i += order <= 0 ? 1u : 0u;
        j += order >= 0 ? 1u : 0u;
    }
}

static uint32_t count_open(const struct side *side, const struct file *file) {
    uint32_t open = 0;
    for (uint32_t i = 0; i < file->count; i++) {
        open += side->units[file->first + i].other < 0 ? 1u : 0u;
    }
    return open;
}

/* The function of `b` that `a` has become, if it is clear. -1: none. */
static int32_t find_renamed(const struct matcher *m, uint32_t unit, const struct file *b) {
    unsigned best_score = 0, second = 0;
    int32_t best = -1;
    for (uint32_t j = 0; j < b->count; j++) {
        const struct unit *right = &m->after.units[b->first + j];
        unsigned score = right->other >= 0 ? 0 : compare_bodies(m, &m->before.units[unit], right);
        if (score > best_score) {
            second = best_score;
            best_score = score;
            best = (int32_t)(b->first + j);
        } else if (score > second) {
            second = score;
        }
    }
    return best_score >= FUNCTION_PERCENT && best_score >= second + FUNCTION_LEAD ? best : -1;
}

/* Two functions before that became one after: the better keeps it, and it must be better. */
static bool is_best_origin(const struct matcher *m, const struct file *a, uint32_t unit,
                           int32_t target) {
    const struct unit *right = &m->after.units[target];
    unsigned own = compare_bodies(m, &m->before.units[unit], right);
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t other = a->first + i;
        if (other != unit && m->before.units[other].other < 0 &&
            compare_bodies(m, &m->before.units[other], right) + FUNCTION_LEAD > own) {
            return false;
        }
    }
    return true;
}

static void match_renamed(struct matcher *m, const struct file *a, const struct file *b) {
    uint32_t gone = count_open(&m->before, a), come = count_open(&m->after, b);
    if (gone == 0 || come == 0 || (uint64_t)gone * come > MAX_PAIRS / 10) {
        return;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t unit = a->first + i;
        if (m->before.units[unit].other < 0) {
            int32_t target = find_renamed(m, unit, b);
            if (target >= 0 && is_best_origin(m, a, unit, target)) {
                pair_units(m, unit, (uint32_t)target);
            }
        }
    }
}

struct named {
    const char *name;
    uint32_t unit;
};

static int compare_names(const void *left, const void *right) {
    const struct named *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : a->unit < b->unit ? -1 : a->unit > b->unit;
}

static struct named *list_open(struct matcher *m, const struct side *side, uint32_t *ret_count) {
    struct named *list = pk_pool_array(&m->pool, side->unit_count, sizeof(*list));
    *ret_count = 0;
    for (uint32_t i = 0; list != NULL && i < side->unit_count; i++) {
        const char *name = unit_name(side, &side->units[i]);
        if (side->units[i].other < 0 && name[0] != '<' && name[0] != '[') {
            list[(*ret_count)++] = (struct named){.name = name, .unit = i};
        }
    }
    if (list != NULL) {
        qsort(list, *ret_count, sizeof(*list), compare_names);
    }
    return list;
}

/* A function that went to another file under its name: the only one of this name on both sides. */
static void match_carried(struct matcher *m) {
    uint32_t gone, come;
    struct named *a = list_open(m, &m->before, &gone), *b = list_open(m, &m->after, &come);
    if (a == NULL || b == NULL) {
        return;
    }
    for (uint32_t i = 0, j = 0; i < gone && j < come;) {
        int order = strcmp(a[i].name, b[j].name);
        bool is_single = (i == 0 || strcmp(a[i - 1].name, a[i].name) != 0) &&
                         (i + 1 == gone || strcmp(a[i + 1].name, a[i].name) != 0) &&
                         (j == 0 || strcmp(b[j - 1].name, b[j].name) != 0) &&
                         (j + 1 == come || strcmp(b[j + 1].name, b[j].name) != 0);
        if (order == 0 && is_single &&
            compare_bodies(m, &m->before.units[a[i].unit], &m->after.units[b[j].unit]) >=
                FUNCTION_PERCENT) {
            pair_units(m, a[i].unit, b[j].unit);
        }
        i += order <= 0 ? 1u : 0u;
        j += order >= 0 ? 1u : 0u;
    }
}

/* "load" of "Reader.load"; NULL of "<module>" and the like, which nobody calls by name. */
static const char *simple_name(const char *function) {
    const char *dot = strrchr(function, '.');
    const char *name = dot != NULL ? dot + 1 : function;
    return name[0] == '<' || name[0] == '[' ? NULL : name;
}

static void list_renames(struct matcher *m) {
    m->renames = pk_pool_array(&m->pool, MAX_RENAMES, sizeof(*m->renames));
    for (uint32_t i = 0;
         m->renames != NULL && i < m->before.unit_count && m->rename_count < MAX_RENAMES; i++) {
        const struct unit *unit = &m->before.units[i];
        if (unit->other < 0) {
            continue;
        }
        const char *left = simple_name(unit_name(&m->before, unit));
        const char *right = simple_name(unit_name(&m->after, &m->after.units[unit->other]));
        if (left != NULL && right != NULL && strcmp(left, right) != 0) {
            m->renames[m->rename_count++] = (struct pk_similar_rename){left, right};
        }
    }
}

/* ---- lines ----------------------------------------------------------------------------------- */

static bool is_equal(const struct pk_match_line *a, const struct pk_match_line *b) {
    if (a->source[0] == '\0' || b->source[0] == '\0') {
        return a->source[0] == b->source[0] && a->line == b->line;
    }
    return pk_similar_is_equal(a->source, b->source);
}

/* The longest common sequence of equal texts; of several, the one with more lines at their old
 * numbers. Row i, column j of the table: the best of the lines from i and from j on. */
static void match_sequence(struct matcher *m, const struct unit *a, const struct unit *b) {
    uint32_t width = b->count + 1;
    uint32_t *cells = m->cells;

    memset(cells + (size_t)a->count * width, 0, width * sizeof(*cells));
    for (uint32_t i = a->count; i-- > 0;) {
        uint32_t *row = cells + (size_t)i * width, *below = row + width;
        row[b->count] = 0;
        for (uint32_t j = b->count; j-- > 0;) {
            const struct pk_match_line *left = line_of(&m->before, a, i),
                                       *right = line_of(&m->after, b, j);
            uint32_t best = row[j + 1] > below[j] ? row[j + 1] : below[j];
            if (is_equal(left, right)) {
                uint32_t taken = below[j + 1] + 1024 + (left->line == right->line ? 1u : 0u);
                best = taken > best ? taken : best;
            }
            row[j] = best;
        }
    }
    for (uint32_t i = 0, j = 0; i < a->count && j < b->count;) {
        const uint32_t *row = cells + (size_t)i * width;
        const struct pk_match_line *left = line_of(&m->before, a, i),
                                   *right = line_of(&m->after, b, j);
        uint32_t taken = row[width + j + 1] + 1024 + (left->line == right->line ? 1u : 0u);
        if (row[j] == taken && is_equal(left, right)) {
            pair_equal(m, m->before.order[a->first + i], m->after.order[b->first + j]);
            m->is_anchor[m->before.order[a->first + i]] = true;
            i++;
            j++;
        } else if (row[j] == row[j + 1]) {
            j++;
        } else {
            i++;
        }
    }
}

/* Equal texts wherever they stand in the function, in order. */
static void match_reordered(struct matcher *m, const struct unit *a, const struct unit *b) {
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t before = m->before.order[a->first + i];
        for (uint32_t j = 0; j < b->count && m->before.others[before] < 0; j++) {
            uint32_t after = m->after.order[b->first + j];
            if (m->after.others[after] < 0 &&
                is_equal(&m->before.lines[before], &m->after.lines[after])) {
                pair_equal(m, before, after);
            }
        }
    }
}

/* Lines of which a text is not known: those at the same number; then, when as many are left on each
 * side, by their order. */
static void match_places(struct matcher *m, const uint32_t *before, uint32_t before_count,
                         const uint32_t *after, uint32_t after_count) {
    uint32_t open_before = 0, open_after = 0;
    for (uint32_t i = 0; i < before_count; i++) {
        const struct pk_match_line *left = &m->before.lines[before[i]];
        for (uint32_t j = 0; m->before.others[before[i]] < 0 && j < after_count; j++) {
            const struct pk_match_line *right = &m->after.lines[after[j]];
            if (m->after.others[after[j]] < 0 && left->line == right->line &&
                (left->source[0] == '\0' || right->source[0] == '\0')) {
                pair_up(m, before[i], after[j], PK_MATCH_PLACE, 0);
            }
        }
        open_before += m->before.others[before[i]] < 0 ? 1u : 0u;
    }
    for (uint32_t j = 0; j < after_count; j++) {
        open_after += m->after.others[after[j]] < 0 ? 1u : 0u;
    }
    for (uint32_t i = 0, j = 0; open_before == open_after && i < before_count && j < after_count;) {
        if (m->before.others[before[i]] >= 0) {
            i++;
        } else if (m->after.others[after[j]] >= 0) {
            j++;
        } else {
            bool is_open = m->before.lines[before[i]].source[0] == '\0' ||
                           m->after.lines[after[j]].source[0] == '\0';
            if (is_open) {
                pair_up(m, before[i], after[j], PK_MATCH_PLACE, 0);
            }
            i++;
            j++;
        }
    }
}

/* Between two lines that are matched, on both sides: the most similar ones; then those of which a
 * text is not known. */
static void match_gap(struct matcher *m, const uint32_t *before, uint32_t before_count,
                      const uint32_t *after, uint32_t after_count) {
    for (;;) {
        unsigned best = SIMILAR_PERCENT - 1;
        uint32_t best_before = 0, best_after = 0;
        for (uint32_t i = 0; i < before_count; i++) {
            const char *text = m->before.lines[before[i]].source;
            for (uint32_t j = 0; j < after_count && text[0] != '\0'; j++) {
                if (m->before.others[before[i]] < 0 && m->after.others[after[j]] < 0) {
                    unsigned percent = pk_similar_percent_renamed(
                        text, m->after.lines[after[j]].source, m->renames, m->rename_count);
                    if (percent > best) {
                        best = percent;
                        best_before = before[i];
                        best_after = after[j];
                    }
                }
            }
        }
        if (best < SIMILAR_PERCENT) {
            break;
        }
        pair_up(m, best_before, best_after, PK_MATCH_SIMILAR, best > 99 ? 99 : best);
    }
    match_places(m, before, before_count, after, after_count);
}

/* Walk both functions; each line that kept its order ends a gap. */
static int match_gaps(struct matcher *m, const struct unit *a, const struct unit *b) {
    uint32_t *before = malloc((a->count + b->count) * sizeof(*before));
    if (before == NULL) {
        return -ENOMEM;
    }
    uint32_t *after = before + a->count;
    uint32_t before_count = 0, after_count = 0, j = 0;
    for (uint32_t i = 0; i <= a->count; i++) {
        uint32_t line = i < a->count ? m->before.order[a->first + i] : 0;
        if (i < a->count && !m->is_anchor[line]) {
            if (m->before.others[line] < 0) {
                before[before_count++] = line;
            }
            continue;
        }
        for (; j < b->count; j++) {
            uint32_t other = m->after.order[b->first + j];
            if (i < a->count && m->before.others[line] == (int32_t)other) {
                j++;
                break;
            }
            if (m->after.others[other] < 0) {
                after[after_count++] = other;
            }
        }
        if ((uint64_t)before_count * after_count <= MAX_PAIRS / 4) {
            match_gap(m, before, before_count, after, after_count);
        }
        before_count = after_count = 0;
    }
    free(before);
    return 0;
}

static int match_unit(struct matcher *m, const struct unit *a) {
    const struct unit *b = &m->after.units[a->other];
    if ((uint64_t)(a->count + 1) * (b->count + 1) <= MAX_CELLS) {
        match_sequence(m, a, b);
    }
    if ((uint64_t)a->count * b->count <= 16u * MAX_CELLS) {
        match_reordered(m, a, b);
    }
    return match_gaps(m, a, b);
}

struct text {
    uint64_t hash;
    uint32_t line;
};

static int compare_texts(const void *left, const void *right) {
    const struct text *a = left, *b = right;
    if (a->hash != b->hash) {
        return a->hash < b->hash ? -1 : 1;
    }
    return a->line < b->line ? -1 : a->line > b->line;
}

static struct text *list_texts(struct matcher *m, const struct side *side, uint32_t *ret_count) {
    struct text *list = pk_pool_array(&m->pool, side->count, sizeof(*list));
    *ret_count = 0;
    for (uint32_t i = 0; list != NULL && i < side->count; i++) {
        if (side->others[i] < 0 && pk_similar_length(side->lines[i].source) >= TELLING_CHARACTERS) {
            list[(*ret_count)++] =
                (struct text){.hash = pk_similar_hash(side->lines[i].source), .line = i};
        }
    }
    if (list != NULL) {
        qsort(list, *ret_count, sizeof(*list), compare_texts);
    }
    return list;
}

/* What is left: a text that only one line has on either side has gone from one function to
 * another. */
static void match_texts(struct matcher *m) {
    uint32_t gone, come;
    struct text *a = list_texts(m, &m->before, &gone), *b = list_texts(m, &m->after, &come);
    if (a == NULL || b == NULL) {
        return;
    }
    for (uint32_t i = 0, j = 0; i < gone && j < come;) {
        bool is_single = (i == 0 || a[i - 1].hash != a[i].hash) &&
                         (i + 1 == gone || a[i + 1].hash != a[i].hash) &&
                         (j == 0 || b[j - 1].hash != b[j].hash) &&
                         (j + 1 == come || b[j + 1].hash != b[j].hash);
        bool is_same = a[i].hash == b[j].hash;
        if (is_same && is_single &&
            is_equal(&m->before.lines[a[i].line], &m->after.lines[b[j].line])) {
            pair_equal(m, a[i].line, b[j].line);
        }
        bool step_before = a[i].hash <= b[j].hash, step_after = a[i].hash >= b[j].hash;
        i += step_before ? 1u : 0u;
        j += step_after ? 1u : 0u;
    }
}

int pk_match_lines(const struct pk_match_line *before, uint32_t before_count,
                   const struct pk_match_line *after, uint32_t after_count,
                   struct pk_match *ret_matches) {
    struct matcher m = {.matches = ret_matches};
    int r = 0;

    for (uint32_t i = 0; i < before_count; i++) {
        ret_matches[i] = (struct pk_match){.other = -1};
    }
    start_side(&m, &m.before, before, before_count);
    start_side(&m, &m.after, after, after_count);
    m.is_anchor = pk_pool_array(&m.pool, before_count, sizeof(*m.is_anchor));
    m.cells = pk_pool_array(&m.pool, MAX_CELLS, sizeof(*m.cells));
    if (!m.pool.failed) {
        match_files(&m);
        for (uint32_t i = 0; i < m.before.file_count; i++) {
            const struct file *a = &m.before.files[i];
            if (a->other >= 0) {
                match_named(&m, a, &m.after.files[a->other]);
                match_renamed(&m, a, &m.after.files[a->other]);
            }
        }
        match_carried(&m);
        list_renames(&m);
        for (uint32_t i = 0; i < m.before.unit_count && r == 0; i++) {
            if (m.before.units[i].other >= 0) {
                r = match_unit(&m, &m.before.units[i]);
            }
        }
        match_texts(&m);
    }
    r = m.pool.failed ? -ENOMEM : r;
    pk_pool_free(&m.pool);
    return r;
}
