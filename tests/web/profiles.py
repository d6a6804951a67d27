# SPDX-License-Identifier: Apache-2.0
"""Profiles for the tests of the page: small, realistic, huge, deep, hostile.

They are built as the C program builds them: files, functions and frames once each, nodes in
preorder with the largest child first, blame lines by the rule of the report."""

import random

USER, LIBRARY, STDLIB, IMPORT, PSEUDO = range(5)
SITE = "/home/ada/venv/lib/python3.11/site-packages/"
LIB = "/usr/lib/python3.11/"
MIB = 1 << 20
COLUMNS = ("bytes", "blocks", "end_bytes", "end_blocks", "alloc_bytes", "alloc_blocks")
FUNCTION_KINDS = {"[thread]": 6, "[process": 32}


class Profile:
    """Collects stacks of frames, each frame (path, function, line, source), outermost first."""

    def __init__(self, command=("pipeline.py", "--year", "2024"), directory="/home/ada/sales"):
        self.command = list(command)
        self.directory = directory
        self.frames = {}
        self.children = [{}]
        self.frame_of = [-1]
        self.bytes = [0]
        self.blocks = [0]
        self.more = {}  # node: bytes and blocks live at the end, and of all allocated beyond those at the peak

    def add(self, stack, size, blocks=1, end=(0, 0), churn=(0, 0)):
        node = 0
        for frame in stack:
            index = self.frames.setdefault(frame, len(self.frames))
            child = self.children[node].get(index)
            if child is None:
                child = len(self.bytes)
                self.children[node][index] = child
                self.children.append({})
                self.frame_of.append(index)
                self.bytes.append(0)
                self.blocks.append(0)
            node = child
        self.bytes[node] += size
        self.blocks[node] += blocks
        self.more[node] = tuple(map(sum, zip(self.more.get(node, (0, 0, 0, 0)), end + churn)))

    @staticmethod
    def kind_of(path):
        if path.startswith("["):
            return PSEUDO
        if path.startswith("<frozen importlib"):
            return IMPORT
        if "site-packages" in path:
            return LIBRARY
        return STDLIB if path.startswith(LIB) else USER

    def data(self, **changes):
        files, functions, blame = {}, {}, {}
        columns = {"function": [], "line": [], "source": []}
        frame_kinds = []
        for path, name, line, source in self.frames:
            file = files.setdefault(path, len(files))
            columns["function"].append(functions.setdefault((name, file), len(functions)))
            columns["line"].append(line)
            columns["source"].append(source)
            frame_kinds.append(self.kind_of(path))
        total = list(self.bytes)
        for node in range(len(total) - 1, -1, -1):  # children are always made after their parent
            for child in self.children[node].values():
                total[node] += total[child]
        stacks = {"up": [], "frame": [], **{name: [] for name in COLUMNS}}
        todo = [(0, 0, -1, -1)]  # node, its parent's place, innermost user and library frames
        while todo:
            node, above, user, library = todo.pop()
            here = len(stacks["up"])
            frame = self.frame_of[node]
            if frame >= 0 and frame_kinds[frame] == USER:
                user = frame
            if frame >= 0 and frame_kinds[frame] == LIBRARY:
                library = frame
            stacks["up"].append(here - above)
            stacks["frame"].append(frame)
            size, blocks = self.bytes[node], self.blocks[node]
            end_size, end_blocks, churn, churn_blocks = self.more.get(node, (0, 0, 0, 0))
            row = (size, blocks, end_size, end_blocks, size + churn, blocks + churn_blocks)
            for name, value in zip(COLUMNS, row):
                stacks[name].append(value)
            if any(row):
                line = user if user >= 0 else library if library >= 0 else frame
                blame[line] = tuple(map(sum, zip(blame.get(line, (0,) * len(row)), row)))
            order = sorted(self.children[node].values(), key=lambda child: total[child])
            todo += [(child, here, user, library) for child in order]
        lines = sorted(blame.items(), key=lambda item: (-item[1][0], item[0]))
        data = {
            "format": 1,
            "tool": "peakline 0.1.0",
            "peak_bytes": sum(self.bytes),
            "run": {"command": self.command, "directory": self.directory,
                    "started": "2026-11-23T01:10:51Z", "duration_s": 31.0, "python": "3.11.7",
                    "pid": 4242,
                    "outcome": {"kind": "exit", "code": 0, "signal": 0, "signal_name": ""}},
            "peak": {"bytes": sum(self.bytes), "blocks": sum(self.blocks), "time_s": 12.4,
                     "rss_bytes": int(sum(self.bytes) * 1.21), "other_processes": 0},
            "warnings": [],
            "files": {"path": list(files), "kind": [self.kind_of(path) for path in files],
                      "status": [0] * len(files)},
            "functions": {"name": [name for name, _ in functions],
                          "file": [file for _, file in functions],
                          "kind": [FUNCTION_KINDS.get(name.split(" ")[0], 0) for name, _ in functions]},
            "frames": columns,
            "stacks": stacks,
            "blame": {"frame": [line for line, _ in lines],
                      **{name: [held[i] for _, held in lines] for i, name in enumerate(COLUMNS)}},
            "maps": [],
            "failed": None,
            "processes": [],
            "folded": None,
            "page": {"context": {"file": [], "line": [], "text": []}},
        }
        data.update(changes)
        return data


def small():
    """Three lines of one program, figures small enough to add up in one's head."""
    profile = Profile(command=["app.py"], directory="/home/ada/app")
    app = "/home/ada/app/app.py"
    main = (app, "<module>", 20, "main()")
    load = (app, "main", 14, "    rows = load(path)")
    read = (app, "load", 6, "    return json.load(file)")
    json_load = (LIB + "json/__init__.py", "load", 293, "    return loads(fp.read(),")
    weights = (app, "main", 15, "    weights = np.zeros((1000, 1000))")
    profile.add([main, load, read, json_load], 600_000, 400)
    profile.add([main, load, read], 100_000, 10)
    profile.add([main, load], 50_000, 5)
    profile.add([main, weights], 200_000, 1)
    profile.add([main], 30_000, 3)
    profile.add([], 20_000, 7)
    return profile.data()


# The calls of a pandas program, as its tracebacks show them.
READ_CSV = [
    (SITE + "pandas/io/parsers/readers.py", "read_csv", 948,
     "    return _read(filepath_or_buffer, kwds)"),
    (SITE + "pandas/io/parsers/readers.py", "_read", 617, "        return parser.read(nrows)"),
    (SITE + "pandas/io/parsers/readers.py", "TextFileReader.read", 1748,
     "                ) = self._engine.read(  # type: ignore[attr-defined]"),
    (SITE + "pandas/io/parsers/c_parser_wrapper.py", "CParserWrapper.read", 234,
     "                chunks = self._reader.read_low_memory(nrows)"),
]
CONCAT_CHUNKS = READ_CSV[:3] + [
    (SITE + "pandas/io/parsers/c_parser_wrapper.py", "CParserWrapper.read", 236,
     "                data = _concatenate_chunks(chunks)"),
    (SITE + "pandas/io/parsers/c_parser_wrapper.py", "_concatenate_chunks", 378,
     "            result[name] = concat_compat(arrs)"),
    (SITE + "pandas/core/dtypes/concat.py", "concat_compat", 78,
     "        return np.concatenate(to_concat_arrs)"),
]
FRAME_INIT = READ_CSV[:2] + [
    (SITE + "pandas/io/parsers/readers.py", "TextFileReader.read", 1778,
     "            df = DataFrame(new_col_dict, columns=columns, index=index)"),
    (SITE + "pandas/core/frame.py", "DataFrame.__init__", 778,
     "            mgr = dict_to_mgr(data, index, columns, dtype=dtype, copy=copy, typ=manager)"),
    (SITE + "pandas/core/internals/construction.py", "dict_to_mgr", 503,
     "    return arrays_to_mgr(arrays, columns, index, dtype=dtype, typ=typ, consolidate=copy)"),
    (SITE + "pandas/core/internals/managers.py", "create_block_manager_from_column_arrays", 2144,
     "        mgr._consolidate_inplace()"),
    (SITE + "pandas/core/internals/managers.py", "_merge_blocks", 2255,
     "            new_values = np.vstack([b.values for b in blocks])"),
]
MERGE = [
    (SITE + "pandas/core/frame.py", "DataFrame.merge", 10839, "        return merge("),
    (SITE + "pandas/core/reshape/merge.py", "merge", 183,
     "        return op.get_result(copy=copy)"),
    (SITE + "pandas/core/reshape/merge.py", "_MergeOperation.get_result", 885,
     "        join_index, left_indexer, right_indexer = self._get_join_info()"),
    (SITE + "pandas/core/reshape/merge.py", "_MergeOperation._get_join_info", 1133,
     "            (left_indexer, right_indexer) = self._get_join_indexers()"),
    (SITE + "pandas/core/reshape/merge.py", "get_join_indexers", 1755,
     "    lkey, rkey, count = _factorize_keys(lkey, rkey, sort=sort, how=how)"),
]
MERGE_TAKE = MERGE[:2] + [
    (SITE + "pandas/core/reshape/merge.py", "_MergeOperation.get_result", 887,
     "        result = self._reindex_and_concat("),
    (SITE + "pandas/core/internals/managers.py", "BaseBlockManager.reindex_indexer", 690,
     "                blk.take_nd("),
    (SITE + "pandas/core/internals/blocks.py", "Block.take_nd", 1061,
     "        new_values = algos.take_nd("),
    (SITE + "pandas/core/array_algos/take.py", "_take_nd_ndarray", 157,
     "        out = np.empty(out_shape, dtype=dtype)"),
]
GROUPBY = [
    (SITE + "pandas/core/groupby/groupby.py", "GroupBy.agg", 3154,
     "        result = self._cython_agg_general("),
    (SITE + "pandas/core/groupby/ops.py", "WrappedCythonOp._call_cython_op", 510,
     "            result = maybe_fill(np.empty(out_shape, dtype=out_dtype))"),
]
TO_DATETIME = [
    (SITE + "pandas/core/tools/datetimes.py", "to_datetime", 1063,
     "            cache_array = _maybe_cache(arg, format, cache, convert_listlike)"),
    (SITE + "pandas/core/tools/datetimes.py", "_maybe_cache", 231,
     "        unique_dates = unique(arg)"),
    (SITE + "pandas/core/algorithms.py", "unique_with_mask", 428,
     "    uniques = table.unique(values)"),
]
ASTYPE = [
    (SITE + "pandas/core/generic.py", "NDFrame.astype", 6534,
     "            new_data = self._mgr.astype(dtype=dtype, copy=copy, errors=errors)"),
    (SITE + "pandas/core/internals/blocks.py", "Block.astype", 616,
     "        new_values = astype_array_safe(values, dtype, copy=copy, errors=errors)"),
    (SITE + "pandas/core/dtypes/astype.py", "_astype_nansafe", 133,
     "        return arr.astype(dtype, copy=True)"),
]
FIND_AND_LOAD = [
    ("<frozen importlib._bootstrap>", "_find_and_load", 1176, ""),
    ("<frozen importlib._bootstrap>", "_find_and_load_unlocked", 1147, ""),
    ("<frozen importlib._bootstrap>", "_load_unlocked", 690, ""),
    ("<frozen importlib._bootstrap_external>", "SourceLoader.exec_module", 940, ""),
    ("<frozen importlib._bootstrap>", "_call_with_frames_removed", 241, ""),
]
GET_CODE = [
    ("<frozen importlib._bootstrap_external>", "SourceLoader.get_code", 1073, ""),
    ("<frozen importlib._bootstrap_external>", "_compile_bytecode", 729, ""),
]
PACKAGES = ["core", "core.dtypes", "core.arrays", "core.indexes", "core.internals", "core.ops",
            "core.groupby", "core.reshape", "io", "io.formats", "io.parsers", "tseries", "plotting",
            "_libs", "compat", "util", "errors", "_config", "arrays", "api"]
MODULES = ["base", "common", "generic", "api", "cast", "missing", "inference", "algorithms",
           "construction", "frame", "series", "sorting", "nanops", "accessor", "strings",
           "categorical", "interval", "datetimes", "period", "range", "multi", "ops", "concat",
           "style", "format", "printing", "converter", "offsets", "frequencies", "numba_"]
LEAF_LINES = [("__new__", "    cls = super().__new__(mcs, name, bases, namespace)"),
              ("<module>", "_docs = {name: dedent(text) for name, text in _shared_docs.items()}"),
              ("wrapper", "        return func(*args, **kwargs)"),
              ("<module>", "@doc(NDFrame.pct_change, klass=_shared_doc_kwargs)"),
              ("<module>", "@dataclass(frozen=True)"),
              ("<module>", "T = TypeVar(\"T\", bound=\"Index\")"),
              ("_compile", "        p = _compiler.compile(pattern, flags)"),
              ("namedtuple", "    exec(code, namespace)"),
              ("<module>", "class ArrowDtype(StorageExtensionDtype):")]


def realistic(want=5000):
    """A pandas pipeline: a few large stages and the long tail that every program has."""
    rng = random.Random(11)
    profile = Profile()
    here = "/home/ada/sales/"

    def line(file, function, number, source):
        return (here + file, function, number, source)

    main = [line("pipeline.py", "<module>", 88, "    main(parse_arguments())"),
            line("pipeline.py", "main", 71, "    report = build_report(options)")]
    load = main + [line("pipeline.py", "build_report", 44,
                        "    orders = load_orders(options.orders)")]
    read = load + [line("sales/load.py", "load_orders", 23,
                        "    orders = pd.read_csv(path, dtype_backend=\"numpy_nullable\")")]
    join = main + [line("pipeline.py", "build_report", 47,
                        "    sales = add_customers(orders, customers)")]
    merged = join + [line("sales/join.py", "add_customers", 15,
                          "    return orders.merge(customers, on=\"customer_id\", how=\"left\")")]
    features = main + [line("pipeline.py", "build_report", 52,
                            "    features = make_features(sales)")]
    stages = [
        (read + READ_CSV, 318 * MIB, 1841), (read + CONCAT_CHUNKS, 154 * MIB, 22),
        (read + FRAME_INIT, 96 * MIB, 9), (read, 2 * MIB, 31),
        (load + [line("sales/load.py", "load_orders", 26,
                      '    orders["day"] = pd.to_datetime(orders["ordered_at"]).dt.floor("D")')]
         + TO_DATETIME, 61 * MIB, 14),
        (load + [line("sales/load.py", "load_orders", 29,
                      "    orders[\"note\"] = [clean(text) for text in orders[\"note\"]]"),
                 line("sales/load.py", "load_orders.<listcomp>", 29,
                      "    orders[\"note\"] = [clean(text) for text in orders[\"note\"]]"),
                 line("sales/text.py", "clean", 8,
                      "    return WHITESPACE.sub(\" \", text).strip().lower()")],
         88 * MIB, 812_345),
        (merged + MERGE_TAKE, 203 * MIB, 18), (merged + MERGE, 47 * MIB, 12),
        (features + [line("sales/features.py", "make_features", 31,
                          "    matrix = np.zeros((len(sales), len(COLUMNS)))")], 122 * MIB, 1),
        (features + [line("sales/features.py", "make_features", 34,
                          "    matrix[:, i] = sales[name].astype(\"float64\")")] + ASTYPE,
         31 * MIB, 4),
        (features + [line("sales/features.py", "make_features", 40,
                          '    daily = sales.groupby(["day", "region"]).agg(TOTALS)')] + GROUPBY,
         19 * MIB, 66),
        (main + [line("pipeline.py", "build_report", 45,
                      "    customers = pd.read_parquet(options.customers)"),
                 (SITE + "pandas/io/parquet.py", "read_parquet", 667, "    return impl.read("),
                 (SITE + "pandas/io/parquet.py", "PyArrowImpl.read", 274,
                  "            pa_table = self.api.parquet.read_table("),
                 (SITE + "pyarrow/parquet/core.py", "read_table", 1811,
                  "    return dataset.read(columns=columns, use_threads=use_threads,")],
         38 * MIB, 143),
        (main + [line("pipeline.py", "build_report", 58,
                      "    cache = {row.Index: row for row in daily.itertuples()}"),
                 line("pipeline.py", "build_report.<dictcomp>", 58,
                      "    cache = {row.Index: row for row in daily.itertuples()}")],
         9 * MIB, 90_112),
        ([("[before Python]", "[before Python]", 0, "")], 3 * MIB, 5512),
    ]
    for stack, size, blocks in stages:
        share = [rng.paretovariate(1.1) for _ in range(3)]
        profile.add(stack, size, blocks)
        for part in share:
            leaf = (SITE + "numpy/core/numeric.py", "full", 300 + int(part * 7) % 40,
                    "    multiarray.copyto(a, fill_value, casting='unsafe')")
            profile.add(stack + [leaf], int(size * 0.01 * part) + 100, 1)
    heads = [line("pipeline.py", "<module>", 5, "import pandas as pd"),
             line("sales/features.py", "<module>", 3, "import numpy as np"),
             line("sales/load.py", "<module>", 2, "import pyarrow.parquet")]
    packages = {"import pandas as pd": "pandas", "import numpy as np": "numpy",
                "import pyarrow.parquet": "pyarrow"}
    paths = [[head] for head in heads]
    while len(profile.bytes) < want:
        base = rng.choice(paths[:3]) if rng.random() < 0.25 else rng.choice(paths)
        if len(base) > 60:
            continue
        top = packages[base[0][3]]
        module = "%s/%s/%s.py" % (top, rng.choice(PACKAGES).replace(".", "/"), rng.choice(MODULES))
        number = rng.randrange(1, 90)
        target = rng.choice(PACKAGES)
        step = base + FIND_AND_LOAD + [
            (SITE + module, "<module>", number, "from %s.%s import (" % (top, target))]
        paths.append(step)
        size = int(2500 * rng.paretovariate(0.75))
        profile.add(step[:-1] + GET_CODE, min(size, 9 * MIB), 1 + size // 90)
        name, source = rng.choice(LEAF_LINES)
        size = int(900 * rng.paretovariate(0.8))
        profile.add(step + [(SITE + module, name, rng.randrange(90, 4000), source)],
                    min(size, 4 * MIB), 1 + size // 120)
    data = profile.data(
        warnings=["sales/text.py changed while the program ran: its source lines may not be the "
                  "ones that ran."],
        maps=[{"path": "/home/ada/sales/customers.parquet", "bytes": 212 * MIB,
               "note": "file, not counted"}])
    data["files"]["status"][data["files"]["path"].index(here + "sales/text.py")] = 2
    return data


def _random_tree(count, seed, depth):
    """Many nodes straight into columns: heavy-tailed, as deep as told."""
    rng = random.Random(seed)
    frames = 8000
    parents, level = [0], [0]
    for node in range(1, count):
        above = node - 1 if node <= depth else rng.randrange(max(0, node - 400), node)
        if level[above] >= depth:
            above = parents[above]
        parents.append(above)
        level.append(level[above] + 1)
    children = [[] for _ in range(count)]
    for node in range(1, count):
        children[parents[node]].append(node)
    own = [0] + [int(64 * rng.paretovariate(0.9)) for _ in range(count - 1)]
    own = [min(size, 1 << 28) for size in own]
    total = list(own)
    for node in range(count - 1, 0, -1):
        total[parents[node]] += total[node]
    stacks = {"up": [], "frame": [], **{name: [] for name in COLUMNS}}
    todo = [(0, 0)]
    while todo:
        node, above = todo.pop()
        here = len(stacks["up"])
        size, end = own[node], own[node] if node % 7 == 0 else 0
        stacks["up"].append(here - above)
        stacks["frame"].append(-1 if node == 0 else rng.randrange(frames))
        for name, value in zip(COLUMNS, (size, 1, end, 1 if end else 0, size * (1 + node % 5), 1 + node % 5)):
            stacks[name].append(value if size else 0)
        todo += [(child, here) for child in sorted(children[node], key=lambda c: total[c])]
    data = small()
    data["peak"].update(bytes=sum(own), blocks=sum(stacks["blocks"]))
    data["files"] = {"path": [SITE + "package/module_%d.py" % i for i in range(300)] +
                     ["/home/ada/app/part_%d.py" % i for i in range(100)],
                     "kind": [LIBRARY] * 300 + [USER] * 100, "status": [0] * 400}
    data["functions"] = {"name": ["function_%d" % i for i in range(2000)],
                         "file": [i % 400 for i in range(2000)], "kind": [0] * 2000}
    data["frames"] = {"function": [i % 2000 for i in range(frames)],
                      "line": [10 + i % 900 for i in range(frames)],
                      "source": ["    value_%d = load_data(source, %d)" % (i, i * 7)
                                 for i in range(frames)]}
    data["stacks"] = stacks
    data["blame"] = {"frame": []}  # the page adds up its own
    return data


def huge():
    return _random_tree(100_000, 5, 300)


def deep(depth=20_000):
    """One function that calls itself, 20,000 times, holding a little more each time."""
    profile = Profile(command=["recurse.py"], directory="/home/ada/app")
    app = "/home/ada/app/recurse.py"
    stack = [(app, "<module>", 9, "walk(20000)"), (app, "walk", 4, "    return [walk(n - 1), n]")]
    sizes = [0] + [64] * (depth - 1) + [5_000_000]
    profile.add(stack, sum(sizes), depth)
    data = profile.data()
    data["stacks"] = {"up": [0] + [1] * depth, "frame": [-1, 0] + [1] * (depth - 1), "bytes": sizes,
                      "blocks": [0] + [1] * depth}
    data["blame"] = {"frame": [1, 0], "bytes": [sum(sizes) - 64, 64], "blocks": [depth - 1, 1]}
    return data


HOSTILE = ["</script><script>window.stolen=1</script>", "<img src=x onerror=window.stolen=1>",
           "\u2028window.stolen=1\u2029", "\"';window.stolen=1;//", "\x1b[31mred\x00nul",
           "\u202eevil\u202c", "<!--<script>", "&lt;b&gt;&amp;", "]]>{{7*7}}${7*7}", "\ud800lone",
           "javascript:window.stolen=1", "x" * 10_000]


def hostile():
    """Names, paths, lines and arguments that try to be more than text."""
    profile = Profile(command=list(HOSTILE), directory="/home/ada/<b>app</b>")
    for number, text in enumerate(HOSTILE):
        stack = [("/home/ada/<b>app</b>/" + text + ".py", text, number + 1, "  " + text),
                 (SITE + text, "f" + text, 3, text)]
        profile.add(stack, 1000 * (number + 1), 2)
    data = profile.data(warnings=list(HOSTILE), tool=HOSTILE[0],
                        maps=[{"path": text, "bytes": 4096, "note": text} for text in HOSTILE],
                        failed={"bytes": 1 << 40, "count": 2, "frame": 0})
    data["run"].update(python=HOSTILE[1], started=HOSTILE[0],
                       outcome={"kind": "signal", "code": 0, "signal": 9,
                                "signal_name": HOSTILE[1]})
    return data


MAKERS = {"small": small, "realistic": realistic, "huge": huge, "deep": deep, "hostile": hostile}
