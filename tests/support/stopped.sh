#!/bin/bash
# stopped.sh POINT LOG COMMAND...: starts the command, waits until it stops itself at that point (core/engine/fault.h),
# and prints its pid. What it says goes to the file LOG.
set -euo pipefail
point=$1 log=$2
shift 2
SIPHON_FAULT="stop $point" "$@" >"$log" 2>&1 &
pid=$!
for ((i = 0; i < 1800; i++)); do
  state=$(grep '^State:' "/proc/$pid/status" 2>/dev/null) || break
  if [[ $state == *T* ]]; then
    echo "$pid"
    exit 0
  fi
  sleep 0.1
done
echo "stopped.sh: $point was not reached" >&2
cat -- "$log" >&2
exit 1
