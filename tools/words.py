#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shell completion, manual page and reference from the program's own table of options.

words.py PEAKLINE KIND OUTPUT, where KIND is bash, zsh, fish, man or markdown. Standard library only.
"""

import json
import subprocess
import sys


def options_of(command):
    for option in command["options"]:
        yield option, (option["words"] or "").split()


def bash(table):
    cases, names = [], " ".join(command["name"] for command in table["commands"])
    for command in table["commands"]:
        cases.append("        %s)" % command["name"])
        cases.append("            case \"$before\" in")
        for option, words in options_of(command):
            if option["value"]:
                spelled = "--" + option["name"] + ("|-" + option["letter"] if option["letter"] else "")
                action = '-W "%s"' % " ".join(words) if words else "-d" if option["value"] == "DIR" else "-f"
                cases.append('                %s) COMPREPLY=($(compgen %s -- "$word")); return ;;' % (spelled, action))
        words = " ".join("--" + option["name"] for option, _ in options_of(command))
        cases += ["            esac", "            words='%s' ;;" % words]
    return BASH % (names, "\n".join(cases))


BASH = """\
# bash completion of peakline; made by tools/words.py
_peakline() {
    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words=''
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W '%s --help --version' -- "$word"))
        return
    fi
    case "${COMP_WORDS[1]}" in
%s
    esac
    case "$word" in
        -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
        *) COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
}
complete -o filenames -F _peakline peakline
"""


def quote(text):
    return text.replace("'", "'\\''")


def zsh(table):
    lines = ["#compdef peakline", "# zsh completion of peakline; made by tools/words.py", "local -a commands", "commands=("]
    lines += ["    '%s:%s'" % (command["name"], quote(command["summary"])) for command in table["commands"]]
    lines += [")", "if (( CURRENT == 2 )); then", "    _describe command commands", "    return", "fi",
              "local command=$words[2]", "shift words", "(( CURRENT-- ))", "case $command in"]
    for command in table["commands"]:
        lines.append("%s)" % command["name"])
        lines.append("    _arguments -s \\")
        for option, words in options_of(command):
            help_text = quote(option["help"]).replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
            what = ""
            if option["value"]:
                action = "(%s)" % " ".join(words) if words else "_files -/" if option["value"] == "DIR" else "_files"
                what = ":%s:%s" % (option["value"].lower(), action)
            lines.append("        '--%s%s[%s]%s' \\" % (option["name"], "=" if what else "", help_text, what))
        lines += ["        '*:file:_files'", "    ;;"]
    return "\n".join(lines + ["esac", ""])


def fish(table):
    lines = ["# fish completion of peakline; made by tools/words.py"]
    for command in table["commands"]:
        lines.append("complete -c peakline -f -n __fish_use_subcommand -a %s -d '%s'"
                     % (command["name"], quote(command["summary"])))
    for command in table["commands"]:
        for option, words in options_of(command):
            parts = ["complete -c peakline -n '__fish_seen_subcommand_from %s' -l %s" % (command["name"], option["name"])]
            if option["letter"]:
                parts.append("-s " + option["letter"])
            if option["value"]:
                parts.append("-x -a '%s'" % " ".join(words) if words else "-r")
            lines.append(" ".join(parts + ["-d '%s'" % quote(option["help"])]))
    return "\n".join(lines) + "\n"


def man(table):
    def plain(text):
        text = text.replace("\\", "\\\\").replace("-", "\\-")
        return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))

    lines = ['.TH PEAKLINE 1 "" "peakline %s"' % table["version"], ".SH NAME",
             "peakline \\- which lines of a Python program hold its memory when it is highest", ".SH SYNOPSIS"]
    for command in table["commands"]:
        lines += [".B peakline %s" % command["name"], plain(command["usage"]), ".br"]
    for command in table["commands"]:
        lines += [".SH PEAKLINE %s" % command["name"].upper(), plain(command["summary"]).capitalize() + "."]
        lines += [".PP", plain(command["details"] or "").rstrip("\n")] if command["details"] else []
        for option, words in options_of(command):
            letter = "\\-%s, " % option["letter"] if option["letter"] else ""
            value = " \\fI%s\\fR" % option["value"] if option["value"] else ""
            lines += [".TP", "\\fB%s\\-\\-%s\\fR%s" % (letter, plain(option["name"]), value), plain(option["help"]) + "."]
            if option["key"]:
                lines.append("Key %s, variable %s." % (plain(option["key"]), option["variable"]))
    lines += [".SH SETTINGS", plain(SETTINGS.replace("`", "")), ".SH EXIT STATUS", plain(EXIT.replace("`", "").strip())]
    return "\n".join(lines) + "\n"


SETTINGS = (
    "An option with a key can also stand in `[tool.peakline]` of the `pyproject.toml` in the working directory, or in "
    "the nearest folder above it that has one, and in an environment variable. The command line wins over the "
    "variable, the variable over the file. `peakline run --verbose` says what was read and from where."
)
EXIT = """\
That of the program. 3: the peak was over `--fail-over`, or grew by more than `--fail-on-increase`. \
1: a report could not be made. 2: the command line or a setting makes no sense. \
125, 126, 127: the program could not be started."""


def markdown(table):
    lines = ["# Options", "", SETTINGS, "",
             "    [tool.peakline]          # pyproject.toml", "    quiet = true", '    fail-over = "500MiB"',
             '    output = "build/memory"  # relative to the folder of this file', "",
             "A variable switches an option on with `1` and off with `0`; an empty one counts as not set. "
             "On the command line `--no-quiet` switches `quiet` off again, and `--open` switches `no-open` off.", "",
             "Sizes: `500MiB` and `500M` are powers of 1024, `1.5GB` is 1,500,000,000 bytes, a number alone is bytes.", ""]
    for command in table["commands"]:
        lines += ["## peakline %s" % command["name"], "", "    peakline %s %s" % (command["name"], command["usage"]), "",
                  command["summary"][0].upper() + command["summary"][1:].rstrip("?.") + ".", "",
                  "| Option | Meaning | Key | Variable |", "| --- | --- | --- | --- |"]
        for option, _ in options_of(command):
            letter = "`-%s`, " % option["letter"] if option["letter"] else ""
            name = "`--%s%s`" % (option["name"], " " + option["value"] if option["value"] else "")
            key, variable = ("`%s`" % option[what] if option[what] else "" for what in ("key", "variable"))
            help_text = option["help"].replace("|", "\\|").replace("<", "&lt;")
            lines.append("| %s%s | %s | %s | %s |" % (letter, name, help_text, key, variable))
        lines.append("")
    return "\n".join(lines + ["## Exit status", "", EXIT, ""])


def main(peakline, kind, output):
    done = subprocess.run([peakline, "--dump-options"], stdout=subprocess.PIPE, check=True)
    table = json.loads(done.stdout.decode())
    with open(output, "w", encoding="utf-8") as file:
        file.write({"bash": bash, "zsh": zsh, "fish": fish, "man": man, "markdown": markdown}[kind](table))


if __name__ == "__main__":
    main(*sys.argv[1:])
