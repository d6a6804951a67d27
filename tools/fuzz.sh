#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run each tests/fuzz/fuzz_*.c for $FUZZ_SECONDS (default 30): with clang under libFuzzer, else with the compiler at
# hand and the target's own random driver (-DPK_FUZZ_STANDALONE). Both under the address and undefined-behaviour
# sanitizers. What is found stays in build-fuzz/. Exit status 1 if any target failed.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${FUZZ_SECONDS:-30}
out=build-fuzz
flags=(-std=gnu11 -D_GNU_SOURCE -DPK_CHECKED=1 -O1 -g -fno-omit-frame-pointer -Isrc -Itests/fuzz -Itests/unit)

if [ "$(id -u)" = 0 ] && ! command -v clang >/dev/null && command -v apt-get >/dev/null; then
    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install clang >/dev/null
fi
mkdir -p "$out"
if command -v clang >/dev/null && echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return !d && n; }' \
    | clang -x c - -fsanitize=fuzzer,address,undefined -o "$out/probe" 2>/dev/null; then
    compiler=clang core_sanitize=fuzzer-no-link,address,undefined sanitize=fuzzer,address,undefined
else
    echo "fuzz: no clang with libFuzzer here; using the targets' own random drivers" >&2
    compiler=${CC:-cc} core_sanitize=address,undefined sanitize=address,undefined
    flags+=(-DPK_FUZZ_STANDALONE)
fi

# Everything that may be linked, as one archive: a target takes what it reaches. No target looks at the pages: one
# script is enough of them.
web=src/report/web
python3 tools/embed.py pk_page "$out/page.c" $web/{page.html,style.css,words.js} || exit 1
python3 tools/embed.py pk_diff_page "$out/diff_page.c" $web/{diff.html,style.css,words.js} || exit 1
rm -f "$out"/*.o "$out/core.a"
for source in src/{base,ledger,pyframe,record,report}/*.c "$out"/*page.c; do
    $compiler "${flags[@]}" -fsanitize=$core_sanitize -c "$source" -o "$out/$(echo "$source" | tr / -).o" || exit 1
done
ar rcs "$out/core.a" "$out"/*.o

failed=0
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    echo "== $name, $seconds s"
    $compiler "${flags[@]}" -fsanitize=$sanitize "$source" "$out/core.a" -lm -o "$out/$name" || exit 1
    if [ $compiler = clang ]; then
        mkdir -p "$out/corpus-$name"
        arguments=("-max_total_time=$seconds" -timeout=10 -rss_limit_mb=2048 "-artifact_prefix=$out/$name-" -print_final_stats=1)
        "$out/$name" "${arguments[@]}" "$out/corpus-$name" 2>"$out/$name.log" || failed=1
        grep -E 'ERROR|SUMMARY|violated|broken promise|stat::(number_of|peak)' "$out/$name.log"
    else
        end=$((SECONDS + seconds))
        seed=1
        while [ $SECONDS -lt $end ]; do
            "$out/$name" $seed 20000 >"$out/$name.log" 2>&1 || { failed=1; tail -5 "$out/$name.log"; echo "fuzz: $name failed with seed $seed" >&2; break; }
            seed=$((seed + 1))
        done
    fi
done
exit $failed
