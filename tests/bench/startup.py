#!/usr/bin/python3
"""How long commands take that only start and end: siphon's beside stock Lua's, one after the other, so that whatever
else the machine does meets all of them. Prints the medians.

    tests/bench/startup.py [ROUNDS]        SIPHON=build/siphon
"""
import os
import statistics
import sys
import time

SIPHON = os.environ.get("SIPHON", "build/siphon")
COMMANDS = [
    ["/usr/bin/lua5.4", "-v"],
    [SIPHON, "--version"],
    [SIPHON, "--help"],
    [SIPHON, "copy", "--help"],
    [SIPHON, "policies"],
]


def once(argv, null):
    start = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, os.environ,
                         file_actions=[(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)])
    _, status = os.waitpid(pid, 0)
    taken = time.perf_counter() - start
    if status:
        sys.exit(f"{' '.join(argv)} failed: {os.waitstatus_to_exitcode(status)}")
    return taken


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 51
    null = os.open(os.devnull, os.O_WRONLY)
    times = [[] for _ in COMMANDS]
    for argv in COMMANDS:
        once(argv, null)  # reads it from the disk
    for _ in range(rounds):
        for argv, list_of in zip(COMMANDS, times):
            list_of.append(once(argv, null))
    base = statistics.median(times[0])
    for argv, list_of in zip(COMMANDS, times):
        median = statistics.median(list_of)
        words = " ".join([os.path.basename(argv[0]), *argv[1:]])
        print(f"{words:<18} {1000 * median:6.1f} ms  +{1000 * (median - base):.1f}")


main()
