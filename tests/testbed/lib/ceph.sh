# shellcheck shell=bash
# Role: the bed's Ceph: one monitor, one manager, N OSDs (bluestore on sparse files), cephx, pools `volumes` and
# `images` with two copies, and the users client.siphon, client.glance and client.cinder. Sourced by ../testbed, after process.sh.
# ceph/ is the cluster's own (the daemons' configuration, admin's key, the data); client/ is what its users see.

readonly CEPH_POOLS="volumes images" CEPH_PGS=16

# What ceph_create leaves to ceph_populate, and that to ceph_settle: the OSDs' uuids, and processes to wait for.
CEPH_UUIDS=()
CEPH_MKFS=()
declare -A CEPH_INITS=()

ceph_processes() {
  local i osds
  osds=$(bed_get osds)
  echo mon
  echo mgr
  for ((i = 0; i < osds; i++)); do echo "osd.$i"; done
}

# ceph_admin PROGRAM ARG...: a Ceph tool as client.admin. Never hangs for ever, whatever state the cluster is in, and
# does not outlive a killed `testbed`.
ceph_admin() {
  local program=$1
  shift
  setpriv --pdeathsig TERM timeout --foreground 60 \
    "$program" -c "$BED/ceph/admin.conf" --id admin "$@" 8<&- 9<&-
}

# --- configuration ------------------------------------------------------------------------------------------------

# Three files, so that clients get neither the daemons' log files and sockets (one `admin socket` for all makes
# every second command of a user print "File exists") nor admin's key.
ceph_write_conf() {
  local fsid=$1 osd_size=$2 address port mon
  address=$(bed_get address)
  port=$(bed_get port)
  mon="[v2:$address:$port,v1:$address:$((port + 1))]"
  cat >"$BED/ceph/ceph.conf" <<END
[global]
fsid = $fsid
mon host = $mon
mon initial members = a
public addr = $address
cluster addr = $address
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = $BED/ceph/\$name/keyring
run dir = $BED/run
crash dir = $BED/ceph/crash
log file = $BED/log/\$name.log

osd pool default size = 2
osd pool default min size = 1
osd pool default pg num = $CEPH_PGS
osd pool default pgp num = $CEPH_PGS
osd pool default pg autoscale mode = off
# All OSDs are one host: copies go to different OSDs, and a single OSD may report a dead neighbour.
osd crush chooseleaf type = 0
mon osd reporter subtree level = osd
mon osd min down reporters = 1

[mon]
mon data = $BED/ceph/\$name
mon cluster log file = $BED/log/cluster.log
mon allow pool delete = true
mon allow pool size one = true
mgr initial modules =
# A developer's disk is fuller than a monitor likes.
mon data avail warn = 2
mon data avail crit = 1
# How long a change of the maps (pools, snapshots) waits for company; the default of 1 s makes a bed slow to rise.
paxos propose interval = 0.2

[mgr]
mgr data = $BED/ceph/\$name
# How old the usage may be that quotas go by, and the state that health goes by; the defaults are 5 s and 2 s.
mgr stats period = 1
mgr tick period = 1

[osd]
osd data = $BED/ceph/\$name
osd objectstore = bluestore
bluestore block size = $osd_size
osd memory target = 939524096
bluestore cache autotune = false
bluestore cache size = 134217728
# An OSD reserves twice its queue of the 65536 that the kernel grants by default (fs.aio-max-nr): eleven beds are too
# many else.
bdev aio max queue depth = 128
# A file counts as a rotating disk, and an OSD then rests for 5 s after each object of a removed snapshot.
osd snap trim sleep hdd = 0
osd snap trim sleep hybrid = 0
osd class load list = *
osd class default list = *
END
  cat >"$BED/ceph/admin.conf" <<END
[global]
fsid = $fsid
mon host = $mon
keyring = $BED/ceph/admin.keyring
END
  cat >"$BED/client/ceph.conf" <<END
[global]
fsid = $fsid
mon host = $mon

[client]
keyring = $BED/client/ceph.\$name.keyring
END
}

# ceph_write_key FILE ENTITY [SERVICE CAPS]...: a keyring with a new key, added to those the monitor is born with.
ceph_write_key() {
  local file=$1 entity=$2 caps=()
  shift 2
  while (($#)); do
    caps+=(--cap "$1" "$2")
    shift 2
  done
  ceph-authtool --create-keyring "$file" --gen-key -n "$entity" "${caps[@]}" >/dev/null
  cat -- "$file" >>"$BED/ceph/birth.keyring"
}

# All keys are made here and given to the monitor at its birth: no `ceph auth` is needed later.
ceph_write_keys() {
  local i osds=$1 both='profile rbd pool=volumes, profile rbd pool=images'
  ceph-authtool --create-keyring "$BED/ceph/birth.keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
  ceph_write_key "$BED/ceph/mgr.x/keyring" mgr.x mon 'allow profile mgr' osd 'allow *'
  for ((i = 0; i < osds; i++)); do
    ceph_write_key "$BED/ceph/osd.$i/keyring" "osd.$i" mon 'allow profile osd' mgr 'allow profile osd' osd 'allow *'
  done
  ceph_write_key "$BED/ceph/admin.keyring" client.admin mon 'allow *' mgr 'allow *' osd 'allow *'
  ceph_write_key "$BED/client/ceph.client.siphon.keyring" client.siphon mon 'profile rbd' osd "$both" mgr "$both"
  ceph_write_key "$BED/client/ceph.client.glance.keyring" client.glance mon 'profile rbd' osd 'profile rbd pool=images'
  ceph_write_key "$BED/client/ceph.client.cinder.keyring" client.cinder mon 'profile rbd' osd "$both" mgr "$both"
}

# --- a new cluster ------------------------------------------------------------------------------------------------

# ceph_create OSD_SIZE: picks the bed's ports and makes a monitor that listens on the first two, with the OSDs' stores
# being made beside it. (-f: even with --mkfs these programs go into the background by themselves, away from their pid.)
ceph_create() {
  local fsid i osds address port
  fsid=$(</proc/sys/kernel/random/uuid)
  osds=$(bed_get osds)
  address=$(bed_get address)
  mkdir -p "$BED"/ceph/{crash,mon.a,mgr.x} "$BED/client"
  for ((i = 0; i < osds; i++)); do mkdir -p "$BED/ceph/osd.$i"; done
  ceph_write_keys "$osds"

  ports_lock
  port=$(ports_pick)
  bed_set port "$port"
  ceph_write_conf "$fsid" "$1"
  for ((i = 0; i < osds; i++)); do
    CEPH_UUIDS[i]=$(</proc/sys/kernel/random/uuid)
    spawn "mkfs.$i" ceph-osd -f -c "$BED/ceph/ceph.conf" -i "$i" --mkfs --osd-uuid "${CEPH_UUIDS[i]}" --no-mon-config
    CEPH_MKFS[i]=$!
  done
  monmaptool --create --fsid "$fsid" --addv a "[v2:$address:$port,v1:$address:$((port + 1))]" \
    "$BED/ceph/monmap" >/dev/null
  spawn mon.mkfs ceph-mon -f -c "$BED/ceph/ceph.conf" -i a --mkfs \
    --monmap "$BED/ceph/monmap" --keyring "$BED/ceph/birth.keyring"
  spawned_wait mon.mkfs $!
  ceph_start mon
  wait_for 90 mon -- port_open "$address" "$port"
  ports_unlock
  rm -f -- "$BED/ceph/birth.keyring" "$BED/ceph/monmap"
}

# ceph_populate: pools and the other daemons. One `ceph` is asked for everything, since each costs half a second of CPU
# before it does anything. Without the device-health pool and the balancer a cluster holds what was put there, and
# nothing moves.
ceph_populate() {
  local i pool
  {
    for i in "${!CEPH_UUIDS[@]}"; do echo "osd new ${CEPH_UUIDS[i]} $i"; done
    for pool in $CEPH_POOLS; do echo "osd pool create $pool $CEPH_PGS"; done
    # --force: no manager has declared its options yet.
    echo "config set mgr mgr/devicehealth/enable_monitoring false --force"
    echo "config set mgr mgr/balancer/active false --force"
  } >"$BED/ceph/populate"
  ceph_admin ceph <"$BED/ceph/populate" >"$BED/log/populate.out" 2>&1 ||
    broken "the monitor does not answer$(last_words populate) (see $BED/log)"
  # Fed by lines, `ceph` reports a failed one and goes on to exit with 0.
  if grep -q '^Error' "$BED/log/populate.out"; then
    broken "setting the cluster up failed: $(grep -m 1 '^Error' "$BED/log/populate.out") (see $BED/log)"
  fi
  rm -f -- "$BED/ceph/populate"
  ceph_start mgr
  for i in "${!CEPH_MKFS[@]}"; do
    spawned_wait "mkfs.$i" "${CEPH_MKFS[i]}"
    ceph_start "osd.$i"
  done
  # `rbd pool init` blocks until the pool serves: cheaper than asking for it over and over.
  for pool in $CEPH_POOLS; do
    spawn "init.$pool" timeout 300 rbd -c "$BED/ceph/admin.conf" --id admin pool init "$pool"
    CEPH_INITS["$pool"]=$!
  done
}

# --- starting and judging -----------------------------------------------------------------------------------------

ceph_start() {
  local daemon=$1 program id
  case $daemon in
    mon) program=ceph-mon id=a ;;
    mgr) program=ceph-mgr id=x ;;
    osd.*) program=ceph-osd id=${daemon#osd.} ;;
  esac
  spawn_daemon "$daemon" "$program" -f -c "$BED/ceph/ceph.conf" -i "$id"
}

# `ceph status` as JSON, false when the monitor doesn't answer.
ceph_status() { ceph_admin ceph --connect-timeout 20 status -f json 2>/dev/null; }

# ceph_is_well STATUS: every OSD is up, every placement group active and clean (trimming snapshots or being scrubbed as it
# may be), and there is nothing to warn about.
ceph_is_well() {
  jq -e --argjson osds "$(bed_get osds)" '
    .health.status == "HEALTH_OK" and .mgrmap.available and .osdmap.num_up_osds == $osds and .pgmap.num_pgs > 0 and
    ([.pgmap.pgs_by_state[] | select(.state_name | startswith("active+clean")).count] | add) == .pgmap.num_pgs' <<<"$1" >/dev/null
}

ceph_healthy() {
  local status
  # The subshell lets go of the bed's lock, or it would keep that when `testbed` is killed.
  status=$(exec 8<&- 9<&- && ceph_status) && ceph_is_well "$status"
}

# ceph_serves NAME: an OSD calls itself active once the cluster has taken it in. The monitor's word is no good for this:
# it goes on counting one that was killed and is back before anybody missed it.
ceph_serves() {
  case $1 in
    mon) ceph_status >/dev/null ;;
    mgr) ceph_asks mgr.x mgr_status '.initialized' ;;
    osd.*) ceph_asks "$1" status '.state == "active"' ;;
  esac
}

# ceph_asks DAEMON COMMAND TEST: puts COMMAND to the daemon's own socket, and TEST to the answer.
ceph_asks() { ceph_admin ceph daemon "$BED/run/ceph-$1.asok" "$2" 2>/dev/null | jq -e "$3" >/dev/null; }

# ceph_return NAME...: until these, just started again, serve. Without a monitor none of them gets that far.
ceph_return() {
  local name
  if ! running mon; then return; fi
  for name in "$@"; do wait_for 180 "$name" -- ceph_serves "$name"; done
  # What the monitor knows of placement groups is the manager's last report of the OSDs' last reports, 1 s each.
  sleep 2.5
}

# ceph_settle: until the whole cluster is healthy.
ceph_settle() {
  local pool processes
  mapfile -t processes < <(ceph_processes)
  for pool in "${!CEPH_INITS[@]}"; do
    wait_for 360 "${processes[@]}" -- ended "init.$pool"
    spawned_wait "init.$pool" "${CEPH_INITS[$pool]}"
  done
  wait_for 360 "${processes[@]}" -- ceph_healthy
}
