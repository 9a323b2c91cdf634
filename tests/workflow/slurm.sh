#!/usr/bin/env bash
# The shipped experiment on a real one-node SLURM by profiles/slurm, one of its jobs cancelled on the way, must give the
# same bytes as a run on this machine. Usage: tests/workflow/slurm.sh [EXPERIMENT]   (default quickstart)
set -euo pipefail
# The search is cut short, as are the seeds: how files are made is compared, not how well.
experiment=${1:-quickstart}
short=("search={rounds: 2, trials_per_round: 1, seeds: 1}" "final={seeds: 2}" "null_control={surrogates: 0}")
root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
[ -d "$root/.venv/slurm-plugin" ] || { echo "The SLURM plugin is not installed; run make .venv/slurm-plugin first." >&2; exit 1; }
python=$root/.venv/bin/python
. "$root/tests/workflow/slurm_node.sh"
work=$(mktemp -d)
run=
trap '[ -z "$run" ] || { kill $run && wait $run; } 2>/dev/null || true; stop_slurm; rm -rf "$work"' EXIT

copy() { # folder name: what Git tracks or would track, and an environment in which this copy's package is imported
  mkdir "$work/$1"
  (cd "$root" && git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work/$1")
}

hashes() { # folder name -> sha256 of each result that is promised to be the same
  cd "$work/$1"
  find results -type f \( -name '*.parquet' -o -name '*.json' -o -name '*.onnx' -o -name '*.html' -o -name '*.tar.gz' \) \
    ! -name timings.html ! -path '*/orbax/*' ! -path '*/shards/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
}

fail() { # sentence, folder name
  echo "$1" >&2
  tail -n 60 "$work/$2.log" >&2
  exit 1
}

copy local
copy cluster

echo "On this machine:"
cd "$work/local"
PYTHONPATH=$PWD/workflow_scripts "$python" -m snakemake --cores 2 --config experiment="$experiment" "${short[@]}" \
  >"$work/local.log" 2>&1 &
run=$!
wait $run || fail "The local run failed." local
hashes local >"$work/local.sha256"

echo "On SLURM:"
start_slurm "$work/slurm"
cd "$work/cluster"
PYTHONPATH=$PWD/workflow_scripts:$root/.venv/slurm-plugin timeout 1800 "$python" -m snakemake --profile profiles/slurm --set-scatter trials=4 \
  --slurm-status-command squeue --slurm-init-seconds-before-status-checks 3 \
  --config experiment="$experiment" "${short[@]}" >"$work/cluster.log" 2>&1 &
run=$!
log=results/$experiment/logs/run_trials.ppo.0.3-of-4.log
until [ -e "$log" ]; do
  kill -0 $run 2>/dev/null || fail "The run on SLURM ended before $log was there." cluster
  sleep 0.2
done
job=$(squeue --noheader --states RUNNING --format '%i %k' | awk '/rule_run_trials/ && /3-of-4/ {print $1; exit}')
[ -n "$job" ] || { squeue --format '%i %k %T' >&2; fail "No running job belongs to $log." cluster; }
scancel "$job"
wait $run || fail "The run on SLURM failed." cluster
run=
grep -q "Trying to restart job" "$work/cluster.log" || fail "Job $job was cancelled, but no job was submitted again." cluster
hashes cluster >"$work/cluster.sha256"
diff "$work/local.sha256" "$work/cluster.sha256" || fail "The files above differ between this machine and SLURM." cluster
echo "Same bytes in all $(wc -l <"$work/local.sha256") files of $experiment, on this machine and on SLURM, job $job cancelled on the way."
