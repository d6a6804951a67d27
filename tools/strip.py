# SPDX-License-Identifier: Apache-2.0
"""Comments, indentation and needless spaces out of scripts, style sheets and pages of our own.

What is left means the same: strings, templates and regular expressions stay as they are, and so do line ends
between statements, on which a script may depend. Nothing is renamed. Uses the Python standard library only."""

import re
import unicodedata

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
    tokens = list(tokens)
    closing = find_closing(tokens)
    written, last, line = [], ("sign", ";"), False
    for i, token in enumerate(tokens):
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
        last, line = (kind, ";" if i in closing else own), False
    return "".join(written).lstrip("\n") + "\n"


def find_closing(tokens):
    """Where a `}` ends a statement whatever follows: that of a block, not of an object, method or arrow."""
    at = [i for i, (kind, _) in enumerate(tokens) if kind != "line"]
    words = [tokens[i] for i in at]
    _, partner = match_brackets(words)

    def is_block(start):
        before = words[start - 1][1]
        if before != ")":
            return before in ("else", "try")
        head = partner[start - 1] - 1
        if words[head][1] in ("if", "for", "while", "catch", "switch"):
            return words[head - 1][1] != "."
        first = head - 1 - (words[head - 2][1] == "async")
        return words[head - 1][1] == "function" and (first == 0 or words[first - 1][1] in (";", "{", "}"))

    return {at[i] for i, (kind, own) in enumerate(words) if (kind, own) == ("sign", "}") and is_block(partner[i])}


# Not ours to rename, even where a script has a name of its own like it.
RESERVED = set("""as async await break case catch class const continue debugger default delete do else enum export extends
    false finally for function get if import in instanceof let new null of return set static super switch this throw true
    try typeof undefined var void while with yield arguments eval document window location history navigator""".split())
# Names of the language and of the browser that are worth a short name where they are used often.
GOOD_TO_ALIAS = """Array Float64Array Int32Array Map Math Number Object Set String Uint8Array document window""".split()
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
        inside.append(open_at[-1] if open_at else -1)
        if kind == "sign" and own in "([{":
            open_at.append(i)
    return inside, partner


def classify(words):
    """What each word is: a "property" (also a key or a method), a "short" property that names its value too, or a
    "variable". And where they are declared."""
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
    return roles, find_declared(words, roles, inside, partner)


def find_declared(words, roles, inside, partner):
    """The index of each name in its declarations: (of those for all scripts, of those for a part of one statement)."""
    top, local, patterns = set(), set(), []
    for i, (_, own) in enumerate(words[:-1]):
        outermost = inside[i] < 0
        if own in ("const", "let") and roles[i] == "variable":
            for start in find_declarators(words, i, inside):
                if words[start][0] == "word":
                    (top if outermost else local).add(start)
                else:
                    patterns.append((start, top if outermost else local))
        elif own == "function" and roles[i] == "variable":
            if words[i + 1][0] == "word":
                (top if outermost else local).add(i + 1)
                i += 1
            patterns.append((i + 1, local))
        elif own == "=>" and words[i - 1][0] == "word":
            local.add(i - 1)
        elif own == "=>":
            patterns.append((partner[i - 1], local))
    for start, names in patterns:  # names in parameters and patterns, but not those of defaults
        for i in range(start + 1, partner[start]):
            if roles[i] == "short" or roles[i] == "variable" and words[i - 1][1] in "([{,:.":
                names.add(i)
    return top, local


def find_declarators(words, at, inside):
    """Where the names, or patterns of names, of the `const` or `let` at an index begin."""
    yield at + 1
    for i in range(at + 1, len(words)):
        if inside[i] == inside[at] and words[i][1] in (";", ")", "}", "of"):
            return
        if inside[i] == inside[at] and words[i][1] == ",":
            yield i + 1


def rename(tokens):
    """Names that the scripts declare themselves become short, each the same everywhere; properties keep theirs."""
    words = [token for token in tokens if token[0] != "line"]
    roles, (top, local) = classify(words)
    declared = {words[i][1] for i in top | local}
    uses = {}
    for (_, own), role in zip(words, roles):
        if role in ("short", "variable"):
            uses[own] = uses.get(own, 0) + 1
    aliased = {name for name in GOOD_TO_ALIAS if name not in declared and uses.get(name, 0) * (len(name) - 2) > len(name) + 4}
    new = choose_names(words, roles, top, local, aliased, uses)
    yield from start_with({name: new[name] for name in sorted(aliased)})
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


def choose_names(words, roles, top, local, aliased, uses):
    """The shortest for the most used. Two names may become the same where no outermost statement has both: then one at
    least is only known inside the statements that have it."""
    statements, declared_in, depth = [set()], [set()], 0
    for i, ((kind, own), role) in enumerate(zip(words, roles)):
        if depth == 0 and role == "variable" and own in ("const", "let", "function", "async"):
            statements.append(set())
            declared_in.append(set())
        if role in ("short", "variable"):
            statements[-1].add(own)
        if i in top or i in local:
            declared_in[-1].add(own)
        depth += (kind == "sign" and own in "([{") - (kind == "sign" and own in ")]}")
    at_top = {words[i][1] for i in top} | aliased
    known = (at_top | {words[i][1] for i in local}) - (RESERVED - aliased)
    for used, declared in zip(statements, declared_in):
        strange = (used & known) - at_top - declared
        if strange:
            raise ValueError("used where they are not declared: " + " ".join(sorted(strange)))
    taken, taken_at_top, new = [set() for _ in statements], set(), {}
    kept = (set(uses) - known) | RESERVED
    for name in sorted(known, key=lambda name: (-uses[name] * len(name), name)):
        places = [i for i, used in enumerate(statements) if name in used]
        refused = kept.union(*(taken[i] for i in places), taken_at_top if name in at_top else ())
        new[name] = next(short_names(refused))
        for i in places:
            taken[i].add(new[name])
        if name in at_top:
            taken_at_top.add(new[name])
    return new


def start_with(aliases):
    yield from [("string", "'use strict'"), ("sign", ";")]
    if not aliases:
        return
    yield "word", "let"
    for i, (name, short) in enumerate(aliases.items()):
        yield from [("sign", ",")] * (i > 0) + [("word", short), ("sign", "="), ("word", name)]
    yield "sign", ";"


def shorten(tokens):
    """Literals: true and false, 0.5, and characters that were written as numbers (invisible ones still are)."""
    def show(found):
        character = chr(int(found[2], 16))
        is_seen = unicodedata.category(character)[0] in "LNPS" or character in "\u00a0\u2002"
        return found[1] + character if is_seen and ord(character) > 0x7f else found[0]

    last = ""
    for kind, own in tokens:
        if own in ("true", "false") and last != ".":
            kind, own = "number", "!0" if own == "true" else "!1"
        elif kind == "string":
            own = re.sub(r"(?<!\\)((?:\\\\)*)\\u([0-9a-f]{4})", show, own)
        elif kind == "number":
            own = re.sub(r"^0\.(?=\d)", ".", own)
        yield kind, own
        last = own


def merge_lets(tokens):
    """`let a = 1; let b = 2;` is one statement, where nothing but the semicolon is between them."""
    is_let, last, i = [False], "", 0
    while i < len(tokens):
        kind, own = tokens[i]
        after = i + 1
        while after < len(tokens) and tokens[after][0] == "line":
            after += 1
        if kind == "line":
            # may end a statement without a semicolon
            is_let[-1] = is_let[-1] and (last in GOES_ON_AFTER or after < len(tokens) and tokens[i + 1][1] in GOES_ON_BEFORE)
        elif kind == "sign" and own in "([{":
            is_let.append(False)
        elif kind == "sign" and own in ")]}":
            is_let.pop()
        elif (kind, own) == ("word", "let") and last != ".":
            is_let[-1] = True
        elif own == ";":
            if is_let[-1] and after < len(tokens) and tokens[after] == ("word", "let"):
                yield "sign", ","
                last, i = ",", after + 1
                continue
            is_let[-1] = False
        if kind != "line":
            last = own
        yield kind, own
        i += 1


def is_lone_parameter(tokens, at):
    return at >= 0 and [own for _, own in tokens[at : at + 4 : 1]][::2] == ["(", ")"] and (
        tokens[at + 1][0] == "word" and tokens[at + 3][1] == "=>")


def drop_needless(tokens):
    """The brackets of `(one) =>`, a semicolon or comma in front of a `}` (no script has an empty statement)."""
    for i, (kind, own) in enumerate(tokens):
        if own == "(" and is_lone_parameter(tokens, i) or own == ")" and is_lone_parameter(tokens, i - 2):
            continue
        if own in (";", ",") and kind == "sign" and next((token[1] for token in tokens[i + 1 : i + 3] if token[0] != "line"), "") == "}":
            continue
        yield kind, own


# What only Node needs: every script ends, and may begin, with one such block.
FOR_NODE = re.compile(r"^if \(typeof (?:require|module) [^\n]*\{\n(?: [^\n]*\n)*\}\n", re.MULTILINE)


def join_scripts(texts):
    """Scripts that run one behind the other in one page."""
    text = "'use strict';\n" + "\n".join(FOR_NODE.sub("", text.replace("'use strict';\n", "")) for text in texts)
    tokens = list(rename(list(script_tokens(text.replace("'use strict';\n", "")))))
    return write_tokens(merge_lets(list(drop_needless(list(shorten(tokens))))))


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
    return "".join(pieces).strip() + "\n"


def strip_page(text):
    """Comments but the slots, indentation, quotes that HTML does not need. A line end stays: it is a space to the reader."""
    text = re.sub(r"<!--(?![A-Z]+-->).*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<[a-z][^<>]*>", lambda tag: re.sub(r'(?<==)"([\w#-]+)"', r"\1", tag[0]), text)
    return re.sub(r"\n\s*", "\n", text)


def exported_names(text):
    """What a script offers to Node, from its `module.exports = { ... }`."""
    found = re.search(r"module\.exports = \{([^}]*)\}", text)
    return re.findall(r"\w+", found[1]) if found else []
