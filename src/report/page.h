/* SPDX-License-Identifier: Apache-2.0
 * The report page as tools/embed.py makes it from src/report/web/: NUL-terminated, cut where the
 * title and the data go. Uses nothing. */
#pragma once

extern const unsigned char pk_page_head[];
extern const unsigned char pk_page_middle[];
extern const unsigned char pk_page_tail[];
