# shellcheck shell=bash
# Role: the bed's Cinder, from Debian's packages: API, scheduler and volume service in one process (cinder_all.py), on
# sqlite; its one backend, `ceph`, keeps volumes in the pool of that name. Needs the bed's Keystone. Sourced by
# ../testbed, after keystone.sh and glance.sh.

# What the volume service had reported before it was started last; none when it runs since before.
CINDER_REPORTS=-1

cinder_port() { echo $(($(bed_get port) + 4)); }

cinder_url() { echo "http://$(bed_get address):$(cinder_port)"; }

cinder_write_conf() {
  local dir=$BED/cinder
  mkdir -p "$dir"/{conf.d,policy.d,state/coordination,lock,conversion}
  if [[ ! $(bed_get password_cinder) ]]; then bed_set password_cinder "$(random_secret)"; fi
  cat >"$dir/cinder.conf" <<END
[DEFAULT]
auth_strategy = keystone
transport_url = fake://
host = bed
my_ip = $(bed_get address)
osapi_volume_listen = $(bed_get address)
osapi_volume_listen_port = $(cinder_port)
osapi_volume_workers = 1
public_endpoint = $(cinder_url)
glance_api_servers = $(glance_url)
glance_num_retries = 0
enabled_backends = ceph
state_path = $dir/state
image_conversion_dir = $dir/conversion
api_paste_config = /etc/cinder/api-paste.ini
rootwrap_config = /etc/cinder/rootwrap.conf
use_stderr = false
log_file = $BED/log/cinder.log
# In-use volumes may be uploaded, with --force.
enable_force_upload = true

[database]
connection = sqlite:///$dir/cinder.sqlite

[oslo_concurrency]
lock_path = $dir/lock

[coordination]
backend_url = file://$dir/state/coordination

[oslo_policy]
policy_dirs = $dir/policy.d

[key_manager]
# One key for all encrypted volumes, without a Barbican.
backend = cinder.keymgr.conf_key_mgr.ConfKeyManager
fixed_key = $(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')

[cinder_sys_admin]
helper_command = privsep-helper --config-file $dir/cinder.conf

[privsep_osbrick]
helper_command = privsep-helper --config-file $dir/cinder.conf

[ceph]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
volume_backend_name = ceph
rbd_pool = volumes
rbd_user = cinder
rbd_ceph_conf = $BED/client/ceph.conf
# Else each round of statistics opens every image of the pool; and what hangs is to fail.
rbd_exclusive_cinder_pool = true
rados_connect_timeout = 30
END
  keystone_authtoken cinder >>"$dir/cinder.conf"
}

# cinder_set [SECTION.]KEY=VALUE...: what Cinder reads after its own file; replaces what was set before.
cinder_set() { settings_print "$@" >"$BED/cinder/conf.d/set.conf"; }

# cinder_prepare: configuration and database, made in the background; cinder_start waits for it.
cinder_prepare() {
  cinder_write_conf
  spawn cinder.db cinder-manage --config-file "$BED/cinder/cinder.conf" db sync
  CINDER_DB=$!
}

# The drivers of examples/cinder can be named as volume_driver. Cinder calls `rbd` and qemu-img by way of "sudo
# cinder-rootwrap" even as root, hence the `sudo` of ours in front of PATH. The bed's clouds are there for drivers that
# want one.
cinder_start() {
  local dir=$BED/cinder examples=$TESTBED_HOME/../../examples
  if [[ ${CINDER_DB-} ]]; then
    spawned_wait cinder.db "$CINDER_DB"
    sqlite3 "$dir/cinder.sqlite" 'PRAGMA journal_mode=WAL' >/dev/null
    unset CINDER_DB
  fi
  CINDER_REPORTS=$(cinder_reports)
  mkdir -p "$dir/bin"
  printf '#!/bin/sh\nexec "$@"\n' >"$dir/bin/sudo"
  chmod 755 "$dir/bin/sudo"
  PATH=$dir/bin:$PATH PYTHONPATH=$examples/cinder:$examples/python OS_CLIENT_CONFIG_FILE=$BED/clouds.yaml \
    spawn_daemon cinder \
    /usr/bin/python3 "$TESTBED_HOME/lib/cinder_all.py" --config-file "$dir/cinder.conf" --config-dir "$dir/conf.d"
}

# cinder_serves: the API answers, and the volume service has reported since it was started. (The scheduler does so without
# being counted.)
cinder_serves() {
  http_answers "$(cinder_url)/" && (($(cinder_reports) > CINDER_REPORTS))
}

cinder_reports() {
  sqlite3 "$BED/cinder/cinder.sqlite" \
    "SELECT coalesce(sum(report_count), 0) FROM services WHERE binary = 'cinder-volume'" 2>/dev/null || echo 0
}

cinder_settle() {
  wait_for 540 cinder -- cinder_serves
  if [[ ! -e $BED/cinder/registered ]]; then
    cinder_register
    : >"$BED/cinder/registered"
  fi
}

# cinder_register: its user, and where it is, in Keystone.
cinder_register() {
  local body id user project type
  keystone_login admin admin
  body=$(SECRET=$(keystone_password cinder) jq -n '{user: {name: "cinder", domain_id: "default", password: env.SECRET}}')
  user=$(keystone_call POST /users "$body" | jq -r .user.id)
  project=$(keystone_call GET '/projects?name=service' | jq -r '.projects[0].id')
  for id in $(keystone_call GET /roles | jq -r '.roles[] | select(.name == "service" or .name == "admin").id'); do
    keystone_call PUT "/projects/$project/users/$user/roles/$id"
  done
  for type in volumev3 block-storage; do
    keystone_catalog cinder "$type" "$(cinder_url)/v3/%(project_id)s"
  done
  rm -f -- "$BED"/keystone/{answer,header,headers}
}
