/* SPDX-License-Identifier: Apache-2.0
 * The conservation law of ledger.h, recomputed from the blocks and maps themselves. Slow: for the
 * tests and the checked build only. Scratch memory comes from the kernel and goes back, so that
 * checking changes nothing. */
#include <stddef.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "ledger/ledger.h"

struct holding {
    uint64_t bytes, blocks;
    uint64_t large_bytes, largest; /* of blocks above PK_LARGE_LEAST */
    uint32_t large_count, largest_count;
};

struct audit {
    uint32_t node_first; /* stacks before it are inherited */
    uint32_t node_count;
    struct holding *nodes; /* what each node really holds; NULL without scratch memory */
    struct holding all;
    struct holding inherited;
    uint64_t file_map_bytes, noreserve_bytes;
    bool is_stack_wrong;
};

static void add_holding(struct audit *audit, uint32_t stack, uint64_t bytes, uint64_t blocks) {
    bool inherited = stack < audit->node_first;
    struct holding *sum = inherited ? &audit->inherited : &audit->all;
    sum->bytes += bytes;
    sum->blocks += blocks;
    if (stack == PK_NODE_NONE || stack >= audit->node_count) {
        audit->is_stack_wrong = true;
    } else if (audit->nodes != NULL && !inherited) {
        audit->nodes[stack - audit->node_first].bytes += bytes;
        audit->nodes[stack - audit->node_first].blocks += blocks;
    }
}

static void add_block(void *context, uint64_t address, struct pk_block block) {
    struct audit *audit = context;
    (void)address;
    add_holding(audit, block.stack, block.size, 1);
    if (audit->nodes != NULL && block.size > PK_LARGE_LEAST && block.stack >= audit->node_first &&
        block.stack < audit->node_count) {
        struct holding *node = &audit->nodes[block.stack - audit->node_first];
        node->large_bytes += block.size;
        node->large_count++;
        node->largest_count =
            block.size > node->largest ? 1 : node->largest_count + (block.size == node->largest);
        node->largest = block.size > node->largest ? block.size : node->largest;
    }
}

static void add_map(void *context, const struct pk_map *map) {
    struct audit *audit = context;
    uint64_t bytes = map->end - map->start;
    if (map->kind == PK_MAP_FILE) {
        audit->file_map_bytes += bytes;
    } else if (map->kind == PK_MAP_NORESERVE) {
        audit->noreserve_bytes += bytes;
    } else if (pk_map_counts(map)) {
        add_holding(audit, map->stack, bytes, map->start_of_map);
    }
}

static const char *compare_nodes(const struct pk_ledger *ledger, const struct audit *audit) {
    const struct pk_account *account = ledger->account;
    struct holding live = {0};
    struct holding peak = {0};
    for (uint32_t i = 0; i < audit->node_count - audit->node_first; i++) {
        const struct pk_node_counters *node =
            pk_stacks_counters(&ledger->stacks, audit->node_first + i);
        live.bytes += pk_node_live_bytes(node);
        live.blocks += pk_node_live_blocks(node);
        peak.bytes += pk_node_peak_bytes(account, node);
        peak.blocks += pk_node_peak_blocks(account, node);
        if (node->epoch > account->epoch) {
            return "a node is stamped with an epoch that has not begun";
        }
        if (audit->nodes != NULL && ledger->resizing_blocks == 0 &&
            (audit->nodes[i].bytes != pk_node_live_bytes(node) ||
             audit->nodes[i].blocks != pk_node_live_blocks(node))) {
            return "a node's live bytes or blocks are not those of its blocks and maps";
        }
    }
    if (live.bytes != account->total_bytes || live.blocks != account->total_blocks) {
        return "the live bytes or blocks of all nodes do not add up to the total";
    }
    if (peak.bytes != account->peak_bytes || peak.blocks != account->peak_blocks) {
        return "the shares of the peak do not add up to the peak";
    }
    return NULL;
}

static const char *compare_larges(const struct pk_ledger *ledger, const struct audit *audit) {
    const struct pk_store *entries = ledger->larges.entries;
    uint64_t bytes = 0, count = 0;
    if (entries == NULL || ledger->larges.lost || audit->nodes == NULL ||
        ledger->resizing_blocks != 0) {
        return NULL;
    }
    for (uint64_t at = 0; at < entries->used; at += sizeof(struct pk_large)) {
        const struct pk_large *large = (const struct pk_large *)(const void *)(entries->base + at);
        const struct holding *node = &audit->nodes[large->node];
        if (large->count != node->large_count || large->bytes != node->large_bytes ||
            large->most < node->largest ||
            (large->most_count != 0 &&
             (large->most != node->largest || large->most_count != node->largest_count))) {
            return "a node's largest blocks are not those of its blocks";
        }
        bytes += large->bytes;
        count += large->count;
    }
    for (uint32_t i = 0; i < audit->node_count - audit->node_first; i++) {
        bytes -= audit->nodes[i].large_bytes;
        count -= audit->nodes[i].large_count;
    }
    return bytes == 0 && count == 0 ? NULL : "large blocks are in no entry";
}

static const char *compare_totals(const struct pk_ledger *ledger, const struct audit *audit) {
    const struct pk_account *account = ledger->account;
    if (audit->is_stack_wrong) {
        return "a block or map is charged to a stack that does not exist";
    }
    if (audit->all.bytes + ledger->resizing_bytes != account->total_bytes ||
        audit->all.blocks + ledger->resizing_blocks != account->total_blocks) {
        return "the blocks and maps do not add up to the total";
    }
    if (audit->inherited.bytes + ledger->inherited_lost_bytes !=
            ledger->inherited_bytes - ledger->inherited_freed_bytes ||
        audit->inherited.blocks + ledger->inherited_lost_blocks !=
            ledger->inherited_blocks - ledger->inherited_freed_blocks) {
        return "what was inherited and not freed does not add up";
    }
    if (account->peak_bytes < account->total_bytes) {
        return "the peak is below the total";
    }
    if (audit->file_map_bytes != ledger->file_map_bytes ||
        audit->noreserve_bytes != ledger->noreserve_bytes) {
        return "the uncounted maps do not add up";
    }
    const char *broken = compare_larges(ledger, audit);
    return broken != NULL ? broken : compare_nodes(ledger, audit);
}

const char *pk_ledger_is_valid(const struct pk_ledger *ledger) {
    if (!pk_blocks_is_valid(&ledger->blocks)) {
        return "the block index contradicts itself";
    }
    if (!pk_maps_is_valid(&ledger->maps)) {
        return "the tree of maps contradicts itself";
    }
    struct audit audit = {.node_first = ledger->stacks.first,
                          .node_count = ledger->stacks.node_count};
    size_t scratch = (audit.node_count - audit.node_first) * sizeof *audit.nodes;
    audit.nodes =
        pk_sys_mmap(NULL, scratch, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pk_blocks_each(&ledger->blocks, add_block, &audit);
    pk_maps_each(&ledger->maps, add_map, &audit);
    for (uint32_t i = 0; i < ledger->sampled_count; i++) {
        add_holding(&audit, ledger->sampled[i].node, ledger->sampled[i].bytes,
                    ledger->sampled[i].bytes != 0);
    }
    const char *broken = compare_totals(ledger, &audit);
    if (audit.nodes != NULL) {
        (void)pk_sys_munmap(audit.nodes, scratch);
    }
    return broken;
}
