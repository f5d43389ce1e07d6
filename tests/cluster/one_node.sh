#!/bin/bash
# A SLURM of one node on this machine, in DIR: one_node.sh start DIR | stop DIR. Needs root, slurm-wlm and munge.
# It listens on the loopback address only, and ends only what it started.
set -euo pipefail
folder=$(realpath -m "${2:?folder}")
name=$(hostname -s)

start() {
  mkdir -p "$folder/state" "$folder/spool"
  /usr/sbin/mungekey --create --keyfile "$folder/munge.key" --bits 1024
  /usr/sbin/munged --force --num-threads 2 --key-file "$folder/munge.key" --socket "$folder/munge.sock" \
    --pid-file "$folder/munge.pid" --log-file "$folder/munge.log" --seed-file "$folder/munge.seed"
  cat >"$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$name(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.sock
SlurmctldPort=${SLURMCTLD_PORT:-26817}
SlurmdPort=${SLURMD_PORT:-26818}
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MpiDefault=none
ReturnToService=2
MinJobAge=30
NodeName=$name NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=$name Default=YES MaxTime=INFINITE State=UP
CONF
  /usr/sbin/slurmctld -f "$folder/slurm.conf" >"$folder/slurmctld.out" 2>&1
  /usr/sbin/slurmd -f "$folder/slurm.conf" >"$folder/slurmd.out" 2>&1
  for _ in $(seq 60); do
    if SLURM_CONF="$folder/slurm.conf" sinfo --noheader --format %t 2>/dev/null | grep -q idle; then return; fi
    sleep 0.5
  done
  echo "SLURM's node did not come up; see $folder/*.log" >&2
  exit 1
}

stop() {
  for process in slurmd slurmctld munge; do
    if [ -s "$folder/$process.pid" ]; then kill "$(cat "$folder/$process.pid")" 2>/dev/null || true; fi
  done
}

"$1"
