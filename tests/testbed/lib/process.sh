# shellcheck shell=bash
# Role: the bed's processes and their ports: start, find, wait for, stop. Sourced by ../testbed, after common.sh.
# A process is known by its name: its pid is in run/NAME.pid, what it says in log/NAME.out. None of them makes itself a
# daemon: the process that is started is the one to stop.

# Every bed owns PORTS consecutive ports from a range below the kernel's ephemeral one (32768-60999), where some
# client's connection could sit on a port that we have written into a configuration.
readonly PORTS=10 PORT_MIN=20000 PORT_MAX=32000

# --- ports --------------------------------------------------------------------------------------------------------

# State 0A is LISTEN; what lingers in others doesn't keep a server from its port.
ports_in_use() {
  local hex
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" { sub(/.*:/, "", $2); print $2 }' |
    while read -r hex; do printf '%d\n' "0x$hex"; done
}

# Prints the first of PORTS free ports. Call it with ports_lock held and keep that until the first of them is bound:
# from then on no bed takes any of the block, whether it is bound yet or not. The search begins at a place of the
# directory's own, so a bed gets the same ports again most of the time.
ports_pick() {
  local -A used=()
  local port slots slot tried i
  while read -r port; do used[$port]=1; done < <(ports_in_use)
  slots=$(((PORT_MAX - PORT_MIN) / PORTS))
  slot=$(printf '%s' "$BED" | cksum | awk -v n="$slots" '{ print $1 % n }')
  for ((tried = 0; tried < slots; tried++)); do
    port=$((PORT_MIN + (slot + tried) % slots * PORTS))
    for ((i = 0; i < PORTS; i++)); do
      if [[ ${used[$((port + i))]-} ]]; then continue 2; fi
    done
    echo "$port"
    return
  done
  unavailable "no $PORTS free ports in a row between $PORT_MIN and $PORT_MAX"
}

# address_is_local IP: one of this machine's own, as the kernel's routes have it; 127.0.0.0/8 is as a whole.
address_is_local() {
  [[ $1 =~ ^127(\.[0-9]{1,3}){3}$ ]] ||
    awk -v ip="$1" '/host LOCAL/ && last == ip { found = 1 } { last = $2 } END { exit !found }' /proc/net/fib_trie
}

# /tmp and not TMPDIR: beds with different TMPDIRs share the machine's ports all the same.
ports_lock() {
  exec 8</tmp
  flock -w 120 8 || unavailable "another bed has been picking its ports for two minutes"
}

ports_unlock() { exec 8<&-; }

# --- start and find -----------------------------------------------------------------------------------------------

# spawn NAME COMMAND...: starts COMMAND in a session of its own; $! is its pid. The pid is on disk before COMMAND runs:
# there is no moment at which a killed `testbed` leaves a process behind that the next one doesn't know. The locks'
# descriptors are closed, or the process would hold the locks for life.
spawn() {
  local name=$1 file=$BED/run/$1.pid
  shift
  rm -f -- "$file"
  # shellcheck disable=SC2016 # expands in the new shell
  setsid bash -c 'echo "$$" >"$1" && shift && exec "$@"' spawn "$file" "$@" \
    </dev/null >>"$BED/log/$name.out" 2>&1 8<&- 9<&- &
  until [[ -s $file ]] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
}

# Nobody waits for a daemon's end; disowned, or bash would report it on whatever stderr is at hand.
spawn_daemon() {
  spawn "$@"
  disown $!
}

# spawned_wait NAME PID: waits for a spawned process that is meant to end; ends the command if it failed.
spawned_wait() {
  wait "$2" || broken "$1 failed (exit code $?)$(last_words "$1") (see $BED/log/$1.out)"
  rm -f -- "$BED/run/$1.pid"
}

# pid_of NAME: prints the pid if that process still runs and is still ours. A recorded number may be a stranger's by
# now, but a stranger's command line doesn't speak of this bed's directory (and a zombie's is empty).
pid_of() {
  local file=$BED/run/$1.pid pid
  [[ -s $file ]] && pid=$(<"$file") && grep -aqsF -- "$BED/" "/proc/$pid/cmdline" && echo "$pid"
}

running() { pid_of "$1" >/dev/null; }

ended() { ! running "$1"; }

frozen() {
  local pid
  pid=$(pid_of "$1") && grep -qs '^State:[[:space:]]*T' "/proc/$pid/status"
}

# last_words NAME: ": " and the last line a process has said, or else the last error in its log, or the log's last line, for
# the end of a message; nothing if there is none.
last_words() {
  local words
  words=$(awk 'NF { last = $0 } END { print last }' "$BED/log/$1.out" 2>/dev/null) || true
  [[ $words ]] || words=$(grep -asE ' (ERROR|CRITICAL) ' "$BED/log/$1.log" | tail -n 1) || true
  [[ $words ]] || words=$(tail -n 1 "$BED/log/$1.log" 2>/dev/null) || true
  [[ ! $words ]] || printf ': %.400s' "$words"
}

# --- wait and stop ------------------------------------------------------------------------------------------------

# wait_for SECONDS NAME... -- COMMAND...: until COMMAND succeeds. Gives up when the time is over, and as soon as one of
# the named processes is gone.
wait_for() {
  local deadline=$((SECONDS + $1)) name names=()
  shift
  while [[ $1 != -- ]]; do
    names+=("$1")
    shift
  done
  shift
  until "$@"; do
    for name in "${names[@]}"; do
      # Amid its exec a process has no command line.
      running "$name" || { sleep 0.2 && running "$name"; } || broken "$name died$(last_words "$name") (see $BED/log)"
    done
    ((SECONDS < deadline)) || broken "${names[*]}: not ready in time$(last_words "${names[-1]}") (see $BED/log)"
    sleep 0.1
  done
}

port_open() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# Any answer of a server that is ready: 300 lists versions.
http_answers() {
  local code
  code=$(curl -q -s -o /dev/null -m 2 --noproxy '*' -w '%{http_code}' "$1") && [[ $code == [23]00 || $code == 401 ]]
}

# signal SIGNAL NAME: to the process and the children it may have, if it runs.
signal() {
  local pid
  if pid=$(pid_of "$2"); then kill -s "$1" -- "-$pid" 2>/dev/null || true; fi
}

# exists PID: it may hold sockets still. (A process that ends loses its command line first.)
exists() { grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"; }

# stop SIGNAL NAME...: sends SIGNAL to all of them and waits until they are gone; what is left after 10 s is killed.
stop() {
  local how=$1 name pid deadline=$((SECONDS + 10)) pids=()
  shift
  for name in "$@"; do
    if pid=$(pid_of "$name"); then pids+=("$pid"); fi
    signal "$how" "$name"
    # A frozen process takes no signal but KILL until it runs again.
    signal CONT "$name"
  done
  for name in "$@"; do
    while running "$name"; do
      if ((SECONDS >= deadline)); then signal KILL "$name"; fi
      sleep 0.05
    done
    rm -f -- "$BED/run/$name.pid"
  done
  for pid in "${pids[@]}"; do
    while exists "$pid" && ((SECONDS < deadline + 10)); do sleep 0.02; done
  done
}

stop_all() {
  local file names=()
  for file in "$BED"/run/*.pid; do
    if [[ -e $file ]]; then names+=("$(basename -- "$file" .pid)"); fi
  done
  stop "$1" "${names[@]}"
}
