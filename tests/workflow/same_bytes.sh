#!/usr/bin/env bash
# Two runs from scratch in two folders, with 1 core and with 2, must give the same bytes.
# Usage: tests/workflow/same_bytes.sh [EXPERIMENT]   (default quickstart; logs, benchmarks, timings and Orbax apart)
set -euo pipefail
# The search is cut short, as are the seeds: how files are made is compared, not how well.
experiment=${1:-quickstart}
short=("search={rounds: 2, trials_per_round: 1, seeds: 1}" "final={seeds: 2}" "null_control={surrogates: 0}")
unset JAX_COMPILATION_CACHE_DIR # each run compiles what it runs
root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
python=$root/.venv/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() { # folder name, cores
  git clone --quiet "$root" "$work/$1"
  (
    cd "$work/$1"
    export PYTHONPATH=$PWD/workflow_scripts
    "$python" -m snakemake --cores "$2" --config experiment="$experiment" "${short[@]}" \
      >"$work/$1.log" 2>&1 || { tail -n 40 "$work/$1.log" >&2; exit 1; }
    find results -type f \( -name '*.parquet' -o -name '*.json' -o -name '*.onnx' -o -name '*.html' -o -name '*.tar.gz' \) \
      ! -name timings.html ! -path '*/orbax/*' ! -path '*/logs/*' ! -path '*/benchmarks/*' -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum >"$work/$1.sha256"
  )
}

run one_core 1
run two_cores 2
if ! diff "$work/one_core.sha256" "$work/two_cores.sha256"; then
  echo "The two runs of $experiment differ in the files above." >&2
  exit 1
fi
echo "Same bytes in all $(wc -l <"$work/one_core.sha256") files of $experiment, with 1 core and with 2."
