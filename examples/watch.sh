#!/bin/bash
# Copies, and turns the events into lines of its own with jq: one for each step, one for each tenth of the data, and what
# a monitoring system wants to know at the end. Ends with siphon's exit code.
#
#   examples/watch.sh [OPTION...] VOLUME TARGET          what `siphon copy` takes; SIPHON names the program
set -uo pipefail

"${SIPHON:-siphon}" copy --json "$@" | jq -r --unbuffered -n '
  def mib: . / 1048576 | floor;
  foreach inputs as $e ({tenth: -1};
    .line = null
    | if $e.event == "progress" and $e.total > 0 then
        (10 * $e.done / $e.total | floor) as $now
        | if $now > .tenth then
            .tenth = $now | .line = "\(10 * $now)% of \($e.total | mib) MiB, \($e.rate | mib) MiB/s"
          else . end
      elif $e.event == "step" and $e.state == "done" then .line = "\($e.step): \($e.seconds * 1000 | floor) ms"
      elif $e.event == "job.done" then .line = "OK \($e.image_id // $e.target) route=\($e.route) bytes=\($e.bytes.copied)"
      elif $e.event == "job.failed" then .line = "FAILED \($e.error.code): \($e.error.message)"
      else . end;
    .line // empty)'
exit "${PIPESTATUS[0]}"
