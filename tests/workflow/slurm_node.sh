# A one-node SLURM of one's own, for the shell that sources this: start_slurm FOLDER, stop_slurm.
# Everything lives in FOLDER (keys, configuration, state, logs), on loopback and free ports, without systemd and without
# accounting; a link to the configuration stands in /etc/slurm meanwhile, because Snakemake takes SLURM_CONF out of the
# environment of its jobs. Needs root, slurm-wlm and munge (scripts/install_system_packages.sh).

SYSTEM_CONF=/etc/slurm/slurm.conf
slurm_daemons=()

free_ports() { # as many as asked for
  python3 - "$1" <<'PY'
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in held))
PY
}

start_slurm() {
  local folder=$1 host memory ports
  [ "$(id -u)" = 0 ] || { echo "A SLURM node of one's own needs root; run this as root." >&2; return 1; }
  [ ! -e "$SYSTEM_CONF" ] || { echo "$SYSTEM_CONF is there: this machine has a SLURM already; run this on another." >&2; return 1; }
  host=$(hostname -s)
  read -r -a ports <<<"$(free_ports 2)"
  memory=$(slurmd -C | sed -n 's/.*RealMemory=\([0-9]*\).*/\1/p')
  mkdir -p "$folder"/{state,spool} "$(dirname "$SYSTEM_CONF")"
  chmod 755 "$folder"
  export SLURM_CONF=$folder/slurm.conf
  (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
  # linuxproc, no cgroups and no task plugin: this works in a container. More CPUs than there are: jobs mostly wait.
  cat >"$SLURM_CONF" <<CONF
ClusterName=outsample
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=10
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MinJobAge=3600
KillWait=5
MpiDefault=none
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=$((memory - 1024)) State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=2:00:00 State=UP
CONF
  ln -sfn "$SLURM_CONF" "$SYSTEM_CONF"
  munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munged.seed" \
    >"$folder/munged.out" 2>&1 &
  slurm_daemons+=($!)
  wait_until "munged answers" 10 munge --socket="$folder/munge.socket" --no-input
  slurmctld -D >"$folder/slurmctld.out" 2>&1 &
  slurm_daemons+=($!)
  slurmd -D >"$folder/slurmd.out" 2>&1 &
  slurm_daemons+=($!)
  wait_until "the node is idle" 60 node_is_idle
}

node_is_idle() { [ "$(sinfo --noheader --format %t 2>/dev/null)" = idle ]; }

wait_until() { # what is waited for, seconds, command
  local what=$1 until=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || { echo "SLURM did not start: waited in vain until $what." >&2; return 1; }
    sleep 0.2
  done
}

stop_slurm() { # each daemon by its own process id
  local index
  [ "$(readlink "$SYSTEM_CONF")" != "${SLURM_CONF-}" ] || rm -f "$SYSTEM_CONF"
  for ((index = ${#slurm_daemons[@]} - 1; index >= 0; index--)); do
    kill "${slurm_daemons[index]}" 2>/dev/null && wait "${slurm_daemons[index]}" 2>/dev/null || true
  done
}
