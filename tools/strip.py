# SPDX-License-Identifier: Apache-2.0
"""Comments, indentation and needless spaces out of scripts, style sheets and pages of our own.

What is left means the same: strings, templates and regular expressions stay as they are, and so do line ends
between statements, on which a script may depend. Nothing is renamed. Uses the Python standard library only."""

import re

# What a script is made of. A slash begins a regular expression where no value stands before it.
TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f]+)
      | (?P<line>\n)
      | (?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      | (?P<number>\d[\w.]*)
      | (?P<word>[\w$#\u0080-\uffff]+)
      | (?P<template>`(?:\\.|[^`\\])*`)
      | (?P<sign>=>|\+\+|--|[^\w\s])""", re.VERBOSE | re.DOTALL)
PATTERN = re.compile(r"/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*")
BEFORE_PATTERN = {"return", "typeof", "case", "in", "of", "void", "delete", "throw", "else", "do"}
# A line that ends or begins so goes on: its line end means nothing. (A `}` before and a `(`, `[`, `+`, `-`, `/` or `` ` ``
# behind a line end are left alone.)
GOES_ON_AFTER = set("{([,;:?=<>&|*!.") | {"=>"}
GOES_ON_BEFORE = set("}),];:?.=&|*<>")


def script_tokens(text):
    """(kind, text) of each token but spaces and comments; line ends are tokens, many in a row are one."""
    at, last = 0, ("sign", ";")
    while at < len(text):
        is_value = last[0] in ("string", "template", "pattern", "number") or last[1] in (")", "]", "}", "++", "--") or (
            last[0] == "word" and last[1] not in BEFORE_PATTERN)
        if text[at] == "/" and text[at + 1 : at + 2] not in ("/", "*") and not is_value:
            found, kind = PATTERN.match(text, at), "pattern"
        else:
            found = TOKEN.match(text, at)
            kind = found and found.lastgroup
        if not found:
            raise ValueError("not a script from %r on" % text[at : at + 40])
        at = found.end()
        if kind == "line" or (kind == "comment" and "\n" in found[0]):
            if last[0] != "line":
                yield ("line", "\n")
        elif kind not in ("space", "comment"):
            last = (kind, found[0])
            yield last


def strip_script(text):
    return write_tokens(script_tokens(text))


def write_tokens(tokens):
    written, last, line = [], ("sign", ";"), False
    for token in tokens:
        kind, own = token
        if kind == "line":
            line = True
            continue
        are_words = last[0] in ("word", "pattern", "number") and kind in ("word", "number")
        is_double = last[1][-1] == own[0] and own[0] in "+-/"
        if line and last[1] not in GOES_ON_AFTER and own not in GOES_ON_BEFORE:
            written.append("\n")
        elif are_words or is_double or (last[0] == "number" and own == "."):
            written.append(" ")
        written.append(own)
        last, line = token, False
    return "".join(written).lstrip("\n") + "\n"


# Not ours to rename, even where a script has a name of its own like it.
RESERVED = set("""as async await break case catch class const continue debugger default delete do else enum export extends
    false finally for function get if import in instanceof let new null of return set static super switch this throw true
    try typeof undefined var void while with yield arguments eval document window location history navigator""".split())
BEFORE_OBJECT = {"(", ",", "=", ":", "[", "?", "&", "|", ".", "let", "const", "return", "throw", "!"}


def short_names(taken):
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$"
    for first in [""] + list(letters):
        for last in letters:
            if first + last not in taken:
                yield first + last


def match_brackets(words):
    """For each token the bracket it stands in, and for each bracket its partner, by index."""
    inside, partner, open_at = [], {}, []
    for i, (kind, own) in enumerate(words):
        if kind == "sign" and own in ")]}":
            start = open_at.pop()
            partner[start], partner[i] = i, start
        inside.append(open_at[-1] if open_at else 0)
        if kind == "sign" and own in "([{":
            open_at.append(i)
    return inside, partner


def classify(words):
    """What each word is: a "property" (also a key or a method), a "short" property that names its value too, or a
    "variable". And the names that are declared."""
    inside, partner = match_brackets(words)
    is_object = {i for i, (_, own) in enumerate(words) if own == "{" and words[i - 1][1] in BEFORE_OBJECT}
    roles = []
    for i, (kind, own) in enumerate(words):
        before, after = words[i - 1][1], words[i + 1][1] if i + 1 < len(words) else ";"
        in_object = inside[i] in is_object
        if kind != "word":
            roles.append(None)
        elif before == "." and words[i - 2][1] != ".":
            roles.append("property")
        elif in_object and before in ("{", ",") and after in (",", "}", "="):
            roles.append("short")
        elif in_object and (before in ("{", ",") and after in (":", "(") or before in ("get", "set")):
            roles.append("property")
        else:
            roles.append("variable")
    return roles, find_declared(words, roles, partner)


def find_declared(words, roles, partner):
    declared, patterns = set(), []
    for i, (_, own) in enumerate(words[:-1]):
        if own in ("const", "let", "function") and roles[i] == "variable":
            if words[i + 1][0] == "word":
                declared.add(words[i + 1][1])
                i += 1 if own == "function" else 0
            if words[i + 1][1] in "([{":
                patterns.append(i + 1)
        elif own == "=>" and words[i - 1][0] == "word":
            declared.add(words[i - 1][1])
        elif own == "=>":
            patterns.append(partner[i - 1])
    for start in patterns:  # names in parameters and patterns, but not those of defaults
        for i in range(start + 1, partner[start]):
            if roles[i] == "short" or roles[i] == "variable" and words[i - 1][1] in "([{,:.":
                declared.add(words[i][1])
    return declared


def rename(tokens):
    """Names that the scripts declare themselves become short, each the same everywhere; properties keep theirs."""
    words = [token for token in tokens if token[0] != "line"]
    roles, declared = classify(words)
    uses = {}
    for (_, own), role in zip(words, roles):
        if role in ("short", "variable"):
            uses[own] = uses.get(own, 0) + 1
    order = sorted(declared - RESERVED, key=lambda name: (-uses.get(name, 0) * len(name), name))
    new = dict(zip(order, short_names(set(uses) | RESERVED)))
    new["const"] = "let"
    roles = iter(roles)
    for kind, own in tokens:
        role = kind != "line" and next(roles)
        if kind == "template" and "${" in own:
            raise ValueError("names inside templates cannot be renamed: " + own)
        if role == "short" and own in new:
            yield kind, own + ":" + new[own]
        else:
            yield kind, new.get(own, own) if role == "variable" else own


def is_lone_parameter(tokens, at):
    return at >= 0 and [own for _, own in tokens[at : at + 4 : 1]][::2] == ["(", ")"] and (
        tokens[at + 1][0] == "word" and tokens[at + 3][1] == "=>")


def drop_needless(tokens):
    """The brackets of `(one) =>`, the semicolon in front of a `}` (no script has an empty statement)."""
    for i, (kind, own) in enumerate(tokens):
        if own == "(" and is_lone_parameter(tokens, i) or own == ")" and is_lone_parameter(tokens, i - 2):
            continue
        if own == ";" and next((token[1] for token in tokens[i + 1 : i + 3] if token[0] != "line"), "") == "}":
            continue
        yield kind, own


# What only Node needs: every script ends, and may begin, with one such block.
FOR_NODE = re.compile(r"^if \(typeof (?:require|module) [^\n]*\{\n(?: [^\n]*\n)*\}\n", re.MULTILINE)


def join_scripts(texts):
    """Scripts that run one behind the other in one page."""
    text = "'use strict';\n" + "\n".join(FOR_NODE.sub("", text.replace("'use strict';\n", "")) for text in texts)
    return write_tokens(drop_needless(list(rename(list(script_tokens(text))))))


def strip_style(text):
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    if "'" in text:
        raise ValueError("strings in a style sheet are written with double quotes")
    pieces = re.split(r'("[^"\n]*")', text)
    for i in range(0, len(pieces), 2):  # what is between strings
        piece = re.sub(r"\s+", " ", pieces[i])
        piece = re.sub(r" ?([{};,]) ?", r"\1", piece)
        piece = re.sub(r"(?<=[\w\-]): ", ":", piece)
        pieces[i] = piece.replace(";}", "}")
    return "".join(pieces).strip().replace("}", "}\n")


def strip_page(text):
    """Comments but the slots, and indentation. A line end stays: it is a space to the reader."""
    text = re.sub(r"<!--(?![A-Z]+-->).*?-->\s*", "", text, flags=re.DOTALL)
    return re.sub(r"\n\s*", "\n", text)
