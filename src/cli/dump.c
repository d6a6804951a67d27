/* SPDX-License-Identifier: Apache-2.0
 * The table of all commands and options as JSON, for the tools that write completion, manual and
 * reference from it. May use cmd.h. Must stay true: everything a row says is in it. */
#include "cli/cmd.h"

static void put_text(FILE *out, const char *name, const char *text) {
    (void)fprintf(out, "\"%s\": ", name);
    if (text == NULL) {
        (void)fputs("null", out);
        return;
    }
    (void)putc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            (void)fputs("\\n", out);
        } else {
            if (*text == '"' || *text == '\\') {
                (void)putc('\\', out);
            }
            (void)putc(*text, out);
        }
    }
    (void)putc('"', out);
}

static void put_option(FILE *out, const struct pk_option *row) {
    static const char *const kinds[] = {
        [PK_OPTION_TEXT] = "text", [PK_OPTION_PATH] = "path", [PK_OPTION_PROGRAM] = "program"};
    char letter[2] = {row->letter, '\0'}, variable[PK_OPTS_NAME_ROOM];
    const char *const texts[][2] = {
        {"name", row->name},         {"letter", row->letter != '\0' ? letter : NULL},
        {"value", row->value},       {"help", row->help},
        {"words", row->words},       {"kind", kinds[row->kind]},
        {"key", pk_option_key(row)}, {"variable", pk_option_variable(row, variable)},
    };

    (void)fputs("      {", out);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        (void)fputs(i > 0 ? ", " : "", out);
        put_text(out, texts[i][0], texts[i][1]);
    }
    (void)putc('}', out);
}

void pk_cmd_dump(const struct pk_cmd *const *commands, size_t count, FILE *out) {
    (void)fputs("{", out);
    put_text(out, "version", PK_VERSION);
    (void)fputs(", \"commands\": [", out);
    for (size_t i = 0; i < count; i++) {
        const struct pk_cmd *cmd = commands[i];
        (void)fputs(i > 0 ? ",\n  {" : "\n  {", out);
        put_text(out, "name", cmd->name);
        (void)fputs(",\n   ", out);
        put_text(out, "usage", cmd->usage);
        (void)fputs(",\n   ", out);
        put_text(out, "summary", cmd->summary);
        (void)fputs(",\n   ", out);
        put_text(out, "details", cmd->details);
        (void)fputs(",\n   \"options\": [\n", out);
        for (const struct pk_option *row = cmd->options; row->name != NULL; row++) {
            (void)fputs(row > cmd->options ? ",\n" : "", out);
            put_option(out, row);
        }
        (void)fputs("]}", out);
    }
    (void)fputs("\n]}\n", out);
}
