/* SPDX-License-Identifier: Apache-2.0
 * The pages of report and diff as tools/embed.py makes them from src/report/web/: NUL-terminated,
 * cut where the title and the data go. Uses nothing.
 *
 * The data inside a report (export_html.c writes it; whoever reads a report.html back relies on
 * this):
 *
 *     <script type="application/json" id="peakline-data" data-encoding="json">JSON</script>
 *     <script type="application/json" id="peakline-data"
 *             data-encoding="gzip+base64">BASE64</script>
 *
 * exactly once, with these attributes in this order, on no line of its own; neither JSON nor BASE64
 * holds a `<`, so the text ends at the next `</script>`. BASE64 is RFC 4648 with padding and
 * without line ends, of one gzip member. The JSON is the document of docs/json.md but for:
 *
 *   stacks.up      instead of stacks.parent: own row minus the parent's, 0 in row 0 (whose parent
 *                  is -1). The first column of the table.
 *   stacks.frame   can be -2 as well: a leaf with what was held by smaller stacks below its parent,
 *                  folded together so that the file stays small
 *   blame          an object of columns {frame, bytes, blocks, end_bytes, end_blocks, alloc_bytes,
 *                  alloc_blocks, heap_bytes, map_bytes, largest_bytes,
 *                  largest_least_bytes} instead of a list of objects: `frame` is an index into
 *                  frames, -1 for bytes without any stack ("[no stack]"), -2 for all smaller lines
 *                  in one ("[smaller lines]"); path, line, function, source, kind follow from the
 *                  frame
 *   folded         null, or {stacks, bytes}: how many stacks are folded, their bytes at the peak
 *   page           what only the page needs: {context: {file, line, text}}, source lines around
 *                  those of the frames, by file; `line` is the distance from the row before it
 *                  within one file
 *   maps           the first 1000 only
 *
 * (web/profile.js has the way back to the document: toDocument.) */
#pragma once

extern const unsigned char pk_page_head[];
extern const unsigned char pk_page_middle[];
extern const unsigned char pk_page_tail[];

extern const unsigned char pk_diff_page_head[];
extern const unsigned char pk_diff_page_middle[];
extern const unsigned char pk_diff_page_tail[];
