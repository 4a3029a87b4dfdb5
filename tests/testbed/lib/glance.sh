# shellcheck shell=bash
# Role: the bed's Glance, from Debian's packages: RBD store `ceph` by default, file store `fs` second, sqlite; it asks
# nobody who he is unless the bed has a Keystone. Sourced by ../testbed, after process.sh and keystone.sh.

glance_port() { echo $(($(bed_get port) + 2)); }

glance_url() { echo "http://$(bed_get address):$(glance_port)"; }

# glance_write_conf KEYSTONE: KEYSTONE is empty for a Glance that asks nobody for tokens.
glance_write_conf() {
  local etc=$BED/glance/etc paste=/usr/share/glance-common/glance-api-paste.ini
  mkdir -p "$BED"/glance/{images,staging,tasks,lock} "$etc"/{conf.d,policy.d}
  # Debian ships the class that takes "user:project:role" for a token, but no pipeline with it.
  {
    cat -- "$paste"
    cat <<END

[pipeline:glance-api-fakeauth]
pipeline = cors healthcheck http_proxy_to_wsgi versionnegotiation osprofiler fakeauth context rootapp

[filter:fakeauth]
paste.filter_factory = glance.tests.utils:FakeAuthMiddleware.factory
END
  } >"$etc/paste.ini"
  [[ -e $etc/policy.yaml ]] || echo '{}' >"$etc/policy.yaml"
  cat >"$etc/glance-api.conf" <<END
[DEFAULT]
bind_host = $(bed_get address)
bind_port = $(glance_port)
public_endpoint = $(glance_url)
# One process without children.
workers = 0
log_file = $BED/log/glance.log
use_stderr = false
enabled_backends = ceph:rbd, fs:file
show_multiple_locations = true
show_image_direct_url = true

[database]
connection = sqlite:///$BED/glance/glance.sqlite

[paste_deploy]
config_file = $etc/paste.ini
flavor = ${1:+keystone}

[oslo_policy]
policy_file = $etc/policy.yaml
policy_dirs = $etc/policy.d

[oslo_concurrency]
lock_path = $BED/glance/lock

[glance_store]
default_backend = ceph

[ceph]
rbd_store_pool = images
rbd_store_user = glance
rbd_store_ceph_conf = $BED/client/ceph.conf
rbd_store_chunk_size = 8

[fs]
filesystem_store_datadir = $BED/glance/images

[os_glance_staging_store]
filesystem_store_datadir = $BED/glance/staging

[os_glance_tasks_store]
filesystem_store_datadir = $BED/glance/tasks
END
  if [[ $1 ]]; then keystone_authtoken glance >>"$etc/glance-api.conf"; fi
}

# glance_set [SECTION.]KEY=VALUE...: what Glance reads after its own file; replaces what was set before.
glance_set() { settings_print "$@" >"$BED/glance/etc/conf.d/set.conf"; }

# settings_print [SECTION.]KEY=VALUE...: as a file of oslo.config.
settings_print() {
  local setting key section
  for setting in "$@"; do
    key=${setting%%=*}
    section=DEFAULT
    if [[ $key == *.* ]]; then
      section=${key%.*}
      key=${key##*.}
    fi
    printf '[%s]\n%s = %s\n' "$section" "$key" "${setting#*=}"
  done
}

# glance_run SPAWN NAME PROGRAM [ARG...]: SPAWN is spawn or spawn_daemon. Without a --config-dir of ours, oslo.config
# would read /etc/glance/glance-api.conf.d.
glance_run() {
  local etc=$BED/glance/etc
  "$1" "$2" "$3" --config-file "$etc/glance-api.conf" --config-dir "$etc/conf.d" "${@:4}"
}

# glance_prepare KEYSTONE: configuration and database. The latter takes some seconds and nothing of Ceph, so it is made
# while others come up; glance_start waits for it.
glance_prepare() {
  glance_write_conf "$1"
  glance_run spawn glance.db glance-manage db_sync
  GLANCE_DB=$!
}

glance_start() {
  if [[ ${GLANCE_DB-} ]]; then
    spawned_wait glance.db "$GLANCE_DB"
    # Readers beside a writer; without it requests answer 500, "database is locked".
    sqlite3 "$BED/glance/glance.sqlite" 'PRAGMA journal_mode=WAL' >/dev/null
    unset GLANCE_DB
  fi
  glance_run spawn_daemon glance glance-api
}

glance_settle() { wait_for 180 glance -- http_answers "$(glance_url)/"; }
