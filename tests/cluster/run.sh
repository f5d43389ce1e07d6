#!/bin/bash
# The app on a real SLURM: run.sh [PYTHON]. Installs slurm-wlm and munge when it is root and they are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! command -v slurmctld munged sbatch >/dev/null; then
  [ "$(id -u)" = 0 ] || { echo "slurm-wlm and munge are missing; install them first" >&2; exit 1; }
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends slurm-wlm munge
fi
exec "${1:-python}" -m pytest -q tests/cluster/check_slurm.py
