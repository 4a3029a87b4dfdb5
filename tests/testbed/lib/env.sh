# shellcheck shell=bash
# Role: what a bed says about itself: `env` (for a shell to eval), clouds.yaml (for --os-cloud) and `status`.
# Sourced by ../testbed, after all the others.

# Everything keystoneauth might take from the caller's own cloud.
readonly OS_VARIABLES="OS_AUTH_TYPE OS_AUTH_URL OS_ENDPOINT OS_TOKEN OS_CLOUD OS_CLIENT_CONFIG_FILE OS_USERNAME
OS_USER_ID OS_PASSWORD OS_PROJECT_NAME OS_PROJECT_ID OS_TENANT_NAME OS_TENANT_ID OS_DOMAIN_NAME OS_DOMAIN_ID
OS_USER_DOMAIN_NAME OS_USER_DOMAIN_ID OS_PROJECT_DOMAIN_NAME OS_PROJECT_DOMAIN_ID OS_SYSTEM_SCOPE OS_TRUST_ID
OS_REGION_NAME OS_INTERFACE OS_ENDPOINT_TYPE OS_IDENTITY_API_VERSION OS_APPLICATION_CREDENTIAL_ID
OS_APPLICATION_CREDENTIAL_NAME OS_APPLICATION_CREDENTIAL_SECRET OS_CACERT OS_CERT OS_KEY OS_INSECURE"

# In the quotes that every shell knows; no value has one in it.
export_line() { printf "export %s='%s'\n" "$1" "$2"; }

# env_user PREFIX USER PROJECT
env_user() {
  export_line "$1_USERNAME" "$2"
  export_line "$1_PASSWORD" "$(keystone_password "$2")"
  export_line "$1_PROJECT_NAME" "$3"
}

env_print() {
  local name
  # shellcheck disable=SC2086 # a list of words
  echo "unset" $OS_VARIABLES
  echo "unset CEPH_KEYRING http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY"
  export_line no_proxy "localhost,$(bed_get address)"
  export_line TESTBED_DIR "$BED"
  export_line TESTBED_ADMIN_CONF "$BED/ceph/admin.conf"
  export_line CEPH_CONF "$BED/client/ceph.conf"
  export_line CEPH_ARGS "--id siphon"
  if bed_has glance; then
    export_line TESTBED_GLANCE_URL "$(glance_url)"
    export_line OS_CLIENT_CONFIG_FILE "$BED/clouds.yaml"
  fi
  if bed_has keystone; then
    export_line TESTBED_KEYSTONE_URL "$(keystone_url)"
    export_line OS_AUTH_TYPE password
    export_line OS_AUTH_URL "$(keystone_url)"
    env_user OS demo demo
    export_line OS_USER_DOMAIN_NAME Default
    export_line OS_PROJECT_DOMAIN_NAME Default
    export_line OS_REGION_NAME RegionOne
    export_line OS_IDENTITY_API_VERSION 3
    export_line TESTBED_APPCRED_ID "$(bed_get appcred_id)"
    export_line TESTBED_APPCRED_SECRET "$(bed_get appcred_secret)"
    env_user TESTBED_ADMIN admin admin
    env_user TESTBED_SERVICE siphon service
    if bed_has cinder; then export_line TESTBED_CINDER_URL "$(cinder_url)"; fi
    for name in demo reader other; do
      env_user "TESTBED_${name^^}" "$name" "$(if [[ $name == other ]]; then echo other; else echo demo; fi)"
    done
  elif bed_has glance; then
    export_line OS_AUTH_TYPE none
    export_line OS_ENDPOINT "$(glance_url)"
  fi
}

# --- clouds.yaml --------------------------------------------------------------------------------------------------

clouds_password_entry() {
  cat <<END
  $1:
    auth_type: password
    auth:
      auth_url: $(keystone_url)
      username: $2
      password: $(keystone_password "$2")
      project_name: $3
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
END
}

clouds_write() {
  {
    echo "clouds:"
    if bed_has keystone; then
      clouds_password_entry demo demo demo
      clouds_password_entry reader reader demo
      clouds_password_entry other other other
      clouds_password_entry service siphon service
      clouds_password_entry admin admin admin
      cat <<END
  appcred:
    auth_type: v3applicationcredential
    auth:
      auth_url: $(keystone_url)
      application_credential_id: $(bed_get appcred_id)
      application_credential_secret: $(bed_get appcred_secret)
    region_name: RegionOne
END
    else
      cat <<END
  bed:
    auth_type: none
    auth:
      endpoint: $(glance_url)
END
    fi
  } >"$BED/clouds.yaml"
}

# --- status -------------------------------------------------------------------------------------------------------

# status_line NAME STATE [PID [WHERE]]
status_line() {
  local line
  printf -v line '%-9s %-8s %-8s %s' "$1" "$2" "${3-}" "${4-}"
  echo "${line%"${line##*[^ ]}"}"
}

# status_process NAME [WHERE]: false unless it runs.
status_process() {
  local pid state=running
  if ! pid=$(pid_of "$1"); then
    state=down
  elif frozen "$1"; then
    state=frozen
  fi
  status_line "$1" $state "$pid" "${2-}"
  [[ $state == running ]]
}

# status_health: false unless all is well with the cluster.
status_health() {
  local json health text
  if ! running mon || ! json=$(ceph_status); then
    status_line ceph unknown "" "the monitor does not answer"
    return 1
  fi
  health=$(jq -r '.health.status | ltrimstr("HEALTH_")' <<<"$json")
  text=$(jq -r '[
    ([.pgmap.pgs_by_state[]? | "\(.count) \(.state_name)"] | join(", ")),
    ([.pgmap.bytes_used, .pgmap.bytes_total] | map(. / 1048576 | floor) | "\(.[0]) of \(.[1]) MiB used"),
    .health.checks[].summary.message] | join("; ")' <<<"$json")
  status_line ceph "$health" "" "$text"
  ceph_is_well "$json"
}

status_print() {
  local name where address port bad=0
  address=$(bed_get address)
  port=$(bed_get port)
  for name in $(ceph_processes); do
    where=""
    if [[ $name == mon ]]; then where="$address:$port (v2), $address:$((port + 1)) (v1)"; fi
    status_process "$name" "$where" || bad=1
  done
  if bed_has keystone; then status_process keystone "$(keystone_url)" || bad=1; fi
  if bed_has glance; then status_process glance "$(glance_url)" || bad=1; fi
  if bed_has cinder; then status_process cinder "$(cinder_url)" || bad=1; fi
  status_health || bad=1
  return $bad
}
