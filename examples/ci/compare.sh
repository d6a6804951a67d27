#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Has the peak grown between two commits?   compare.sh BASE HEAD LIMIT PROGRAM [ARGUMENTS...]
# Runs the program RUNS times (3) in a checkout of each and compares the groups. Exit status: 0 it has not, 3 it has
# grown by more than LIMIT (5%, 20MiB) and more than the noise, another one when something did not run.
set -eu
if [ $# -lt 4 ]; then
    echo "usage: compare.sh BASE HEAD LIMIT PROGRAM [ARGUMENTS...]" >&2
    exit 2
fi
base=$1 head=$2 limit=$3
shift 3
peakline=${PEAKLINE:-peakline}
work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2>/dev/null || :
      git worktree remove --force "$work/head" 2>/dev/null || :
      rm -rf "$work"' EXIT

for side in base head; do
    [ $side = base ] && commit=$base || commit=$head
    git worktree add --quiet --detach "$work/$side" "$commit"
    run=1
    while [ $run -le "${RUNS:-3}" ]; do
        # the same seed everywhere: how texts are hashed is not what is compared
        (cd "$work/$side" && PYTHONHASHSEED=0 "$peakline" run -q --no-open -o "$work/$side-$run" "$@" >/dev/null)
        run=$((run + 1))
    done
done

if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    "$peakline" diff "$work"/base-* --after "$work"/head-* --format markdown >>"$GITHUB_STEP_SUMMARY"
fi
if [ "${GITHUB_ACTIONS:-}" = true ]; then # notes beside the lines that grew
    "$peakline" diff "$work"/base-* --after "$work"/head-* --format github
fi
status=0
"$peakline" diff "$work"/base-* --after "$work"/head-* --fail-on-increase "$limit" || status=$?
exit $status
