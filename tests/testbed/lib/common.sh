# shellcheck shell=bash
# Role: what every part of the testbed leans on: messages and exit codes, the bed's directory with its settings and
# its lock. Sourced by ../testbed; sets nothing going by itself.
# BED is the bed's absolute directory. File descriptor 9 holds its lock, 8 the one under which ports are picked.

STARTED=$EPOCHREALTIME

# The marker that says "this directory is a bed": a directory without it is never emptied or removed.
readonly MARKER=.siphon-testbed

warn() { printf 'testbed: %s\n' "$*" >&2; }

# The ways to end: one line, and a code of sysexits(3).
misused() {
  warn "$@"
  exit 64
}

unavailable() {
  warn "$@"
  exit 69
}

broken() {
  warn "$@"
  exit 70
}

# milestone WHAT DETAIL: one line of progress, with the seconds since the command began.
milestone() {
  printf '%-9s %-44s %5.1f s\n' "$1" "$2" "$(awk -v a="$STARTED" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')"
}

need_commands() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null ||
      unavailable "no '$command' on this machine; '$INVOKED install' (as root, Debian 12) gets what is missing"
  done
}

# random_secret: 32 characters that need no quoting anywhere.
random_secret() { head -c 24 /dev/urandom | base64 | tr '+/' 'Aa'; }

# --- the bed's directory ------------------------------------------------------------------------------------------

bed_exists() { [[ -f $BED/$MARKER && -O $BED/$MARKER ]]; }

bed_complete() { bed_exists && [[ -f $BED/complete ]]; }

bed_require() { bed_complete || unavailable "no bed is up in $BED; '$INVOKED up --dir $BED' makes one"; }

# The path ends up in the files of Ceph, oslo.config and uwsgi, each with comment and substitution characters of its
# own, and Unix sockets below it have to fit into 107 bytes. Beds are thrown away with all they hold, as root: the
# directory has to be one that a bed made, or one in which nothing is lost, and nobody else's.
bed_check_path() {
  [[ $BED == /* && $BED != / ]] || misused "not a usable directory: '$BED'"
  [[ $BED =~ ^[A-Za-z0-9/._@+=,-]+$ ]] ||
    misused "a bed's path may hold letters, digits and / . _ @ + = , - only: '$BED'"
  ((${#BED} <= 80)) || misused "a bed's path may be 80 characters long at most: '$BED'"
  [[ ! -e $BED || -d $BED ]] || misused "not a directory: $BED"
  [[ ! -e $BED || -O $BED ]] || misused "$BED belongs to another user"
  bed_exists || [[ ! -e $BED || -z $(ls -A -- "$BED") ]] || misused "$BED holds files and is not a testbed"
}

# One command at a time changes a bed. The lock is on the directory itself, so it leaves no file behind; `down` removes
# the directory under those who wait for it, hence the second look. False when there is no such directory.
bed_lock() {
  while [[ -d $BED ]]; do
    exec 9<"$BED"
    flock -w 300 9 || unavailable "another testbed command has been busy with $BED for five minutes"
    if [[ /proc/self/fd/9 -ef $BED ]]; then return; fi
  done
  return 1
}

bed_require_locked() {
  bed_lock || true
  bed_require
}

bed_make() {
  until bed_lock; do
    mkdir -p -- "$BED" 2>/dev/null || unavailable "cannot make $BED"
  done
}

# Forgets everything in the bed, processes included, and keeps the (locked) directory. The marker goes last: what a
# killed `down` left half done is still a bed, though not a complete one.
bed_empty() {
  rm -f -- "$BED/complete"
  stop_all KILL
  local tries=0
  until find "$BED" -mindepth 1 ! -path "$BED/$MARKER" -delete; do
    # Threads of a process that was killed may still end what they do, and make a file.
    ((++tries < 20)) || return 1
    sleep 0.1
  done
  rm -f -- "$BED/$MARKER"
}

# Bluestore writes with O_DIRECT, which a tmpfs knows only since Linux 6.6; the stores are sparse but do grow.
bed_check_disk() {
  local free
  free=$(($(stat -f -c '%a * %S' -- "$BED")))
  ((free >= 3 << 30)) || unavailable "less than 3 GiB free in $BED; choose another place with --dir"
  dd if=/dev/zero of="$BED/probe" bs=4096 count=1 oflag=direct status=none 2>/dev/null ||
    unavailable "the file system of $BED has no direct I/O, which OSDs need; choose another place with --dir"
  rm -f -- "$BED/probe"
}

# --- settings: KEY=VALUE lines in bed.conf ------------------------------------------------------------------------

bed_get() { sed -n "s/^$1=//p" "$BED/bed.conf" 2>/dev/null || true; }

bed_has() { [[ $(bed_get "$1") == yes ]]; }

bed_set() {
  { grep -v "^$1=" "$BED/bed.conf" 2>/dev/null || true; printf '%s=%s\n' "$1" "$2"; } >"$BED/bed.conf.new"
  mv -- "$BED/bed.conf.new" "$BED/bed.conf"
}
