/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: any bytes as a timeline. What the reader accepts keeps its promises: times go
 * forward, counts and amounts are in range.
 *
 * With libFuzzer: LLVMFuzzerTestOneInput. Without it: standalone.h, which changes a right timeline.
 * May use record. */
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
#include "standalone.h"

static struct pk_timeline_page *good;

static void make_seeds(void) {
    struct pk_timeline timeline;

    (void)pk_timeline_create("/nonexistent", 1, 1, &timeline); // in memory
    for (uint64_t i = 1; i <= 40; i++) {
        struct pk_timeline_point point = {
            .first_ns = i, .last_ns = i, .rss_bytes = i * 100, .samples = 1};
        struct pk_timeline_process process = {.first_ns = i, .last_ns = i, .pid = (uint32_t)i};
        pk_timeline_add(&timeline, &point);
        pk_timeline_see(&timeline, &process);
    }
    good = aligned_alloc(4096, sizeof(*good));
    if (good == NULL) {
        abort();
    }
    memcpy(good, timeline.page, sizeof(*good));
    pk_timeline_close(&timeline);
    struct pk_timeline_page *page = NULL;
    require(pk_timeline_read_memory(good, sizeof(*good), &page) == 0, "the seed is right");
    free(page);
}

/* A place that matters: the header, the used points, the used processes. */
static size_t draw_place(void) {
    switch (next_random() % 3) {
    case 0:
        return next_random() % sizeof(struct pk_timeline_header);
    case 1:
        return 4096 + next_random() % (40 * 64);
    default:
        return 69632 + next_random() % (40 * 64);
    }
}

static void run_round(void) {
    uint8_t *bytes = malloc(sizeof(*good));
    if (bytes == NULL) {
        return;
    }
    memcpy(bytes, good, sizeof(*good));
    for (uint32_t changes = 1 + next_random() % 4; changes > 0; changes--) {
        size_t place = draw_place();
        uint64_t value = next_random();
        value = next_random() % 2 == 0 ? value % 100 : value << 32 | next_random();
        size_t width = (size_t)1 << next_random() % 4;
        memcpy(bytes + place, &value, width);
    }
    size_t size = next_random() % 20 == 0 ? next_random() % sizeof(*good) : sizeof(*good);
    (void)LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}
#endif
