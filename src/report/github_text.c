/* SPDX-License-Identifier: Apache-2.0
 * See github_text.h. */
#include "report/github_text.h"

#include <string.h>

void pk_github_escape(FILE *out, const char *text, bool is_property) {
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < ' ' || byte == '%' || byte == 0x7f ||
            (is_property && (byte == ':' || byte == ','))) {
            fprintf(out, "%%%02X", byte);
        } else {
            putc(byte, out);
        }
    }
}

bool pk_github_is_file(const char *path) {
    return path[0] != '\0' && path[0] != '<';
}

const char *pk_github_shorten(const char *path, const char *root) {
    size_t length = root != NULL ? strlen(root) : 0;

    while (length > 0 && root[length - 1] == '/') {
        length--;
    }
    bool is_below = length > 0 && strncmp(path, root, length) == 0 && path[length] == '/';
    return is_below ? path + length + 1 : path;
}
