#!/bin/bash
# One job per session (per participant where there are no sessions), as a SLURM array. Submit with
#
#   sbatch --array=0-$(($(bash slurm-array.sh BIDS | wc -l) - 1)) slurm-array.sh BIDS OUT SCRATCH [options]
#
# Without OUT it lists the jobs, one per line. FETALT2PREP is the command: fetalt2prep, or a script that runs the container.
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=02:00:00
set -euo pipefail
bids=${1:?BIDS folder}
jobs=()
for participant in "$bids"/sub-*/; do
  sessions=("$participant"ses-*/)
  if [ -d "${sessions[0]}" ]; then jobs+=("${sessions[@]}"); else jobs+=("$participant"); fi
done
if [ $# -eq 1 ]; then printf '%s\n' "${jobs[@]}"; exit; fi
out=$2 scratch=$3
shift 3

job=${jobs[$SLURM_ARRAY_TASK_ID]#"$bids"/}
job=${job%/}
chosen=(--participant-label "${job%%/*}")
if [ "$job" != "${job%%/*}" ]; then chosen+=(--session-label "${job##*/}"); fi
# Cores and memory are read from the job's environment.
exec "${FETALT2PREP:-fetalt2prep}" "$bids" "$out" participant "${chosen[@]}" -w "$scratch" "$@"
