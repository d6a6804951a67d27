/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: any bytes as a timeline. What the reader accepts keeps its promises: times go
 * forward, counts and amounts are in range.
 *
 *     clang -fsanitize=fuzzer,address,undefined ...        libFuzzer
 *     gcc -DPK_FUZZ_STANDALONE -fsanitize=address,undefined ...
 *         fuzz_timeline FILE...                 run each file once
 *         fuzz_timeline --mutate N [--seed S]   run N mutations of a built-in timeline
 *
 * May use record. Must stay true: the same seed runs the same inputs. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/timeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct pk_timeline_page *page;
    uint64_t end = 0;

    if (pk_timeline_read_memory(bytes, size, &page) != 0) {
        return 0;
    }
    require(page->header.point_count <= PK_TIMELINE_POINTS, "points are in range");
    require(page->header.process_count <= PK_TIMELINE_PROCESSES, "processes are in range");
    require(page->header.rss_peak_bytes <= PK_TIMELINE_MAX_BYTES, "peaks are in range");
    for (uint32_t i = 0; i < page->header.point_count; i++) {
        const struct pk_timeline_point *point = &page->point[i];
        require(point->first_ns <= point->last_ns, "a point ends after it began");
        require(i == 0 || (point->first_ns >= end && point->last_ns > end), "points are in order");
        require(point->rss_bytes <= PK_TIMELINE_MAX_BYTES, "amounts are in range");
        end = point->last_ns;
    }
    for (uint32_t i = 0; i < page->header.process_count; i++) {
        require(page->process[i].pid != 0, "a process has a pid");
        require(page->process[i].rss_peak_bytes <= PK_TIMELINE_MAX_BYTES, "amounts are in range");
    }
    free(page);
    return 0;
}

#ifdef PK_FUZZ_STANDALONE

static uint64_t state = 1;

static uint64_t draw(uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static struct pk_timeline_page *make_page(void) {
    struct pk_timeline timeline;

    (void)pk_timeline_create("/nonexistent", 1, 1, &timeline); // in memory
    for (uint64_t i = 1; i <= 40; i++) {
        struct pk_timeline_point point = {
            .first_ns = i, .last_ns = i, .rss_bytes = i * 100, .samples = 1};
        struct pk_timeline_process process = {.first_ns = i, .last_ns = i, .pid = (uint32_t)i};
        pk_timeline_add(&timeline, &point);
        pk_timeline_see(&timeline, &process);
    }
    struct pk_timeline_page *page = aligned_alloc(4096, sizeof(*page));
    if (page == NULL) {
        abort();
    }
    memcpy(page, timeline.page, sizeof(*page));
    pk_timeline_close(&timeline);
    return page;
}

/* A place that matters: the header, the used points, the used processes. */
static size_t draw_place(void) {
    switch (draw(3)) {
    case 0:
        return draw(sizeof(struct pk_timeline_header));
    case 1:
        return 4096 + draw(40 * 64);
    default:
        return 69632 + draw(40 * 64);
    }
}

static void mutate(long count) {
    struct pk_timeline_page *good = make_page();
    uint8_t *bytes = malloc(sizeof(*good));

    for (long i = 0; i < count && bytes != NULL; i++) {
        memcpy(bytes, good, sizeof(*good));
        for (uint64_t changes = 1 + draw(4); changes > 0; changes--) {
            size_t place = draw_place();
            uint64_t value = draw(2) == 0 ? draw(100) : draw(UINT64_MAX);
            size_t width = (size_t)1 << draw(4);
            memcpy(bytes + place, &value, width);
        }
        size_t size = draw(20) == 0 ? draw(sizeof(*good)) : sizeof(*good);
        (void)LLVMFuzzerTestOneInput(bytes, size);
    }
    free(bytes);
    free(good);
}

static void run_file(const char *path) {
    static uint8_t bytes[sizeof(struct pk_timeline_page) + 64];
    FILE *file = fopen(path, "rb");

    if (file != NULL) {
        (void)LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof(bytes), file));
        fclose(file);
    }
}

int main(int argc, char **argv) {
    long count = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--mutate") == 0 && i + 1 < argc) {
            count = strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            state = strtoull(argv[++i], NULL, 10) | 1;
        } else {
            run_file(argv[i]);
        }
    }
    mutate(count);
    return 0;
}

#endif
