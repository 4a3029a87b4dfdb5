# shellcheck shell=bash
# Role: the bed's Keystone, from Debian's packages, under uwsgi on sqlite: who may use Glance, and under which roles.
# Sourced by ../testbed, after process.sh. Passwords are random, in bed.conf, and never on a command line.

# NAME PROJECT ROLE of everybody but admin, whom the bootstrap makes. `siphon` is what Glance calls a service;
# `other` is a member too, of another project.
readonly KEYSTONE_USERS="demo demo member
reader demo reader
other other member
siphon service service
glance service service
glance service admin"

keystone_port() { echo $(($(bed_get port) + 3)); }

keystone_url() { echo "http://$(bed_get address):$(keystone_port)/v3"; }

keystone_password() { bed_get "password_$1"; }

# keystone_authtoken USER: the section with which a service checks tokens.
keystone_authtoken() {
  cat <<END

[keystone_authtoken]
www_authenticate_uri = $(keystone_url)
auth_url = $(keystone_url)
auth_type = password
username = $1
password = $(keystone_password "$1")
project_name = service
user_domain_id = default
project_domain_id = default
region_name = RegionOne
service_token_roles = service
service_token_roles_required = true
END
}

keystone_write_conf() {
  local dir=$BED/keystone name
  rm -rf -- "$dir"
  mkdir -p "$dir"/{fernet,credential,conf.d,policy.d}
  cat >"$dir/keystone.conf" <<END
[DEFAULT]
log_file = $BED/log/keystone.log
use_stderr = false
public_endpoint = http://$(bed_get address):$(keystone_port)

[database]
connection = sqlite:///$dir/keystone.sqlite

[fernet_tokens]
key_repository = $dir/fernet

[fernet_receipts]
key_repository = $dir/fernet

[credential]
key_repository = $dir/credential

[identity]
# bcrypt at its cheapest: passwords here protect nothing, and a token would cost half a second of CPU.
password_hash_rounds = 4
max_password_length = 72

[oslo_policy]
policy_dirs = $dir/policy.d

[cache]
# In this one process's memory; without it a request makes 200 queries and takes half a second.
enabled = true
backend = dogpile.cache.memory
END
  for name in admin demo reader other siphon glance; do bed_set "password_$name" "$(random_secret)"; done
  # What `keystone-manage fernet_setup` and `credential_setup` would write, without their two Python starts.
  for name in fernet/0 fernet/1 credential/0 credential/1; do
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >"$dir/$name"
  done
}

# keystone_set [SECTION.]KEY=VALUE...: what Keystone reads after its own file; replaces what was set before.
keystone_set() { settings_print "$@" >"$BED/keystone/conf.d/set.conf"; }

# keystone_prepare: the database with admin in it, made in the background; keystone_start waits for it.
keystone_prepare() {
  keystone_write_conf
  # shellcheck disable=SC2016 # expands in the new shell
  OS_BOOTSTRAP_PASSWORD=$(keystone_password admin) spawn keystone.db bash -c '
    manage="keystone-manage --config-file $1/keystone.conf --config-dir $1/conf.d"
    $manage db_sync && sqlite3 "$1/keystone.sqlite" "PRAGMA journal_mode=WAL" &&
      exec $manage bootstrap --bootstrap-region-id RegionOne \
        --bootstrap-public-url "$2" --bootstrap-internal-url "$2" --bootstrap-admin-url "$2"
    ' keystone.db "$BED/keystone" "$(keystone_url)"
  KEYSTONE_DB=$!
}

# Without a uwsgi master: one process, which ends when it is told to.
keystone_start() {
  local dir=$BED/keystone
  if [[ ${KEYSTONE_DB-} ]]; then
    spawned_wait keystone.db "$KEYSTONE_DB"
    unset KEYSTONE_DB
  fi
  spawn_daemon keystone \
    uwsgi_python3 --http-socket "$(bed_get address):$(keystone_port)" --wsgi-file /usr/bin/keystone-wsgi-public \
    --processes 1 --enable-threads --need-app --die-on-term --buffer-size 65535 --disable-logging \
    --add-header 'Connection: close' --pyargv "--config-file $dir/keystone.conf --config-dir $dir/conf.d"
}

keystone_settle() {
  wait_for 180 keystone -- http_answers "$(keystone_url)"
  if [[ ! -e $BED/keystone/populated ]]; then
    keystone_populate
    : >"$BED/keystone/populated"
  fi
}

# --- users, roles, catalog ----------------------------------------------------------------------------------------

# keystone_call METHOD PATH [JSON]: prints the answer's body. The token is in the file keystone/header.
keystone_call() {
  local method=$1 path=$2 file=$BED/keystone/answer code
  code=$(printf '%s' "${3-}" | curl -q -s -m 30 --noproxy '*' -o "$file" -w '%{http_code}' -X "$method" \
    -H "@$BED/keystone/header" -H 'Content-Type: application/json' --data-binary @- "$(keystone_url)$path") ||
    code="no answer"
  [[ $code == 2?? ]] || broken "Keystone: $method $path: $code: $(head -c 200 "$file" 2>/dev/null)"
  cat -- "$file"
}

# keystone_login USER PROJECT: the calls that follow are this user's.
keystone_login() {
  local code dir=$BED/keystone
  code=$(SECRET=$(keystone_password "$1") jq -n --arg user "$1" --arg project "$2" '{auth: {
      identity: {methods: ["password"], password: {user: {name: $user, domain: {id: "default"}, password: env.SECRET}}},
      scope: {project: {name: $project, domain: {id: "default"}}}}}' |
    curl -q -s -m 30 --noproxy '*' -o "$dir/answer" -D "$dir/headers" -w '%{http_code}' \
      -H 'Content-Type: application/json' --data-binary @- "$(keystone_url)/auth/tokens") || code="no answer"
  [[ $code == 201 ]] || broken "Keystone: no token for $1: $code: $(head -c 200 "$dir/answer" 2>/dev/null)"
  tr -d '\r' <"$dir/headers" | sed -n 's/^x-subject-token:/X-Auth-Token:/Ip' >"$dir/header"
}

# keystone_catalog NAME TYPE URL: a service, and where it is.
keystone_catalog() {
  local id interface body
  id=$(keystone_call POST /services "{\"service\": {\"name\": \"$1\", \"type\": \"$2\"}}" | jq -r .service.id)
  for interface in public internal admin; do
    body=$(jq -n --arg service "$id" --arg interface "$interface" --arg url "$3" \
      '{endpoint: {service_id: $service, interface: $interface, url: $url, region_id: "RegionOne"}}')
    keystone_call POST /endpoints "$body" >/dev/null
  done
}

keystone_populate() {
  local -A project=() role=() user=()
  local name id of as body
  keystone_login admin admin
  body=$(keystone_call GET /roles | jq -r '.roles[] | "\(.name) \(.id)"')
  while read -r name id; do role[$name]=$id; done <<<"$body"
  # Newer releases bootstrap this role as well.
  if [[ ! ${role[service]-} ]]; then
    role[service]=$(keystone_call POST /roles '{"role": {"name": "service"}}' | jq -r .role.id)
  fi
  while read -r name of as; do
    if [[ ! ${project[$of]-} ]]; then
      body=$(jq -n --arg name "$of" '{project: {name: $name, domain_id: "default"}}')
      project[$of]=$(keystone_call POST /projects "$body" | jq -r .project.id)
    fi
    if [[ ! ${user[$name]-} ]]; then
      body=$(SECRET=$(keystone_password "$name") jq -n --arg name "$name" \
        '{user: {name: $name, domain_id: "default", password: env.SECRET}}')
      user[$name]=$(keystone_call POST /users "$body" | jq -r .user.id)
    fi
    keystone_call PUT "/projects/${project[$of]}/users/${user[$name]}/roles/${role[$as]}"
  done <<<"$KEYSTONE_USERS"

  keystone_catalog glance image "$(glance_url)"

  keystone_login demo demo
  bed_set appcred_secret "$(random_secret)"
  body=$(SECRET=$(bed_get appcred_secret) jq -n \
    '{application_credential: {name: "siphon", secret: env.SECRET, roles: [{name: "member"}]}}')
  body=$(keystone_call POST "/users/${user[demo]}/application_credentials" "$body")
  bed_set appcred_id "$(jq -r .application_credential.id <<<"$body")"
  rm -f -- "$BED"/keystone/{answer,header,headers}
}
