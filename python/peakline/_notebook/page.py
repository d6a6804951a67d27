# SPDX-License-Identifier: Apache-2.0
"""The report page of a cell: the page of the block, with cells named "Cell [n]" and stacks that start at the cell. Only
the data in the page changes (src/report/export_html.c writes it, src/report/web/page.js reads it)."""

import base64
import gzip
import html as html_module
import json
import linecache
import re
from typing import Any, Dict, List, Mapping, Tuple

_DATA = re.compile(
    r'(<script type="application/json" id="peakline-data" data-encoding=")([a-z0-9+]+)(">)(.*?)(</script>)',
    re.DOTALL,
)
_THREAD = 6  # functions.kind
_USER = 0  # files.kind
_MISSING = 1  # files.status
_UNREADABLE = "Source not readable, lines are not shown: "  # src/report/facts.c; cells are no files, and are shown
OUTSIDE = "[outside of the cell]"
MOST_BYTES = 1 << 20  # of the page; it is stored in the notebook


def read_data(page: str) -> Dict[str, Any]:
    found = _DATA.search(page)
    if found is None:
        raise ValueError("the page has no data")
    text = found.group(4)
    if found.group(2) == "gzip+base64":
        text = gzip.decompress(base64.b64decode(text)).decode("utf-8")
    data: Dict[str, Any] = json.loads(text)
    return data


def put_data(page: str, data: Dict[str, Any], title: str) -> str:
    packed = gzip.compress(json.dumps(data, separators=(",", ":")).encode("utf-8"), mtime=0)
    script = base64.b64encode(packed).decode("ascii")
    page = _DATA.sub(lambda found: f"{found[1]}gzip+base64{found[3]}{script}{found[5]}", page)
    return re.sub(
        "<title>.*?</title>", lambda _: f"<title>{html_module.escape(title)}</title>", page, count=1
    )


def name_cells(data: Dict[str, Any], cells: Mapping[str, int]) -> None:
    """Files that are cells get their names and their source."""
    files, functions, frames = data["files"], data["functions"], data["frames"]
    missing = [
        path
        for path, kind, status in zip(files["path"], files["kind"], files["status"])
        if kind == _USER and status == _MISSING and path not in cells
    ]
    others = [text for text in data["warnings"] if not text.startswith(_UNREADABLE)]
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    data["warnings"] = others + [f"{_UNREADABLE}{path}{more}." for path in missing[:1]]
    for at, path in enumerate(files["path"]):
        if path in cells:
            files["kind"][at], files["status"][at] = _USER, 0
    for at, (function, line) in enumerate(zip(frames["function"], frames["line"])):
        path = files["path"][functions["file"][function]]
        if path in cells:
            frames["source"][at] = linecache.getline(path, line).rstrip("\n")[:500]
    for at, function in enumerate(functions["file"]):
        is_cell = function >= 0 and files["path"][function] in cells
        if is_cell and functions["name"][at].startswith("<cell line:"):
            functions["name"][at] = "<module>"
    files["path"] = [f"Cell [{cells[path]}]" if path in cells else path for path in files["path"]]


class _Node:
    __slots__ = ("frame", "values", "total", "row", "children")

    def __init__(self, frame: int, columns: int) -> None:
        self.frame, self.values, self.total, self.row = frame, [0] * columns, 0, 0
        self.children: Dict[int, "_Node"] = {}

    def child(self, frame: int) -> "_Node":
        node = self.children.get(frame)
        if node is None:
            node = self.children[frame] = _Node(frame, len(self.values))
        return node

    def add(self, values: List[int]) -> None:
        self.values = [mine + more for mine, more in zip(self.values, values)]


def start_at_cells(data: Dict[str, Any]) -> None:
    """Cuts off the kernel's and IPython's frames, down to the first of the user's own. What never reaches one is
    gathered under OUTSIDE. The sum stays."""
    files, functions, frames, stacks = (
        data[name] for name in ("files", "functions", "frames", "stacks")
    )
    columns = [name for name in stacks if name not in ("up", "frame")]
    outside = len(frames["function"])
    functions["name"].append(OUTSIDE)
    functions["file"].append(_empty_file(files))
    functions["kind"].append(4)
    for name, value in (("function", len(functions["name"]) - 1), ("line", 0), ("started_by", -1)):
        frames[name].append(value)
    frames["source"].append("")

    def is_kernels(frame: int) -> bool:
        if frame < 0:
            return False  # folded
        function = frames["function"][frame]
        return (
            functions["kind"][function] != _THREAD
            and files["kind"][functions["file"][function]] != _USER
        )

    rows = list(zip(*(stacks[name] for name in columns)))
    root = _Node(-1, len(columns))
    root.add(list(rows[0]))
    made: List[_Node] = [root]
    cut = [True]
    for at in range(1, len(stacks["frame"])):
        above, frame = at - stacks["up"][at], stacks["frame"][at]
        cut.append(cut[above] and is_kernels(frame))
        if cut[at]:
            node = root.child(outside)
        else:
            node = (root if cut[above] else made[above]).child(frame)
        made.append(node)
        node.add(list(rows[at]))
    data["stacks"] = _write_stacks(root, columns)
    if "kinds" in data:
        data["kinds"] = _move_kinds(data["kinds"], made)


def _move_kinds(kinds: Dict[str, List[int]], made: List[_Node]) -> Dict[str, List[int]]:
    """Their rows name stacks by number: those have new ones, and several may have become one."""
    columns = [name for name in kinds if name not in ("stack", "kind")]
    sums: Dict[Tuple[int, int], List[int]] = {}
    for stack, kind, *values in zip(kinds["stack"], kinds["kind"], *(kinds[name] for name in columns)):
        key = (made[stack].row, kind)
        sums[key] = [mine + more for mine, more in zip(sums.get(key, [0] * len(columns)), values)]
    rows = sorted(sums.items())
    moved = {"stack": [stack for (stack, _), _ in rows], "kind": [kind for (_, kind), _ in rows]}
    moved.update({name: [values[at] for _, values in rows] for at, name in enumerate(columns)})
    return moved


def _empty_file(files: Dict[str, List[Any]]) -> int:
    if "" not in files["path"]:
        files["path"].append("")
        files["kind"].append(4)
        files["status"].append(0)
    return files["path"].index("")


def _write_stacks(root: _Node, columns: List[str]) -> Dict[str, List[int]]:
    """Preorder, children with the largest total first; iterative, as stacks may be deep."""
    order: List[_Node] = []
    pending = [root]
    while pending:
        node = pending.pop()
        order.append(node)
        pending.extend(node.children.values())
    size = columns.index("bytes")
    for node in reversed(order):
        node.total = node.values[size] + sum(child.total for child in node.children.values())
    stacks: Dict[str, List[int]] = {name: [] for name in ("up", "frame", *columns)}
    todo = [(root, 0)]
    while todo:
        node, parent = todo.pop()
        at = node.row = len(stacks["up"])
        stacks["up"].append(at - parent)
        stacks["frame"].append(node.frame)
        for name, value in zip(columns, node.values):
            stacks[name].append(value)
        todo.extend((child, at) for child in sorted(node.children.values(), key=lambda c: c.total))
    return stacks


def blame_lines(data: Dict[str, Any], most: int) -> List[Any]:
    """(bytes, place, source) of the largest lines."""
    files, functions, frames, blame = (
        data[name] for name in ("files", "functions", "frames", "blame")
    )
    rows = []
    for frame, size in zip(blame["frame"], blame["bytes"]):
        if frame < 0 or not size:
            continue
        function = frames["function"][frame]
        path = re.sub(r"^/.*/(?:site|dist)-packages/", "", files["path"][functions["file"][function]])
        place = f"{path}:{frames['line'][frame]}" if path else functions["name"][function]
        rows.append((size, place, frames["source"][frame].strip()))
    return sorted(rows, key=lambda row: -row[0])[:most]
