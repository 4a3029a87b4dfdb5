# shellcheck shell=bash
# Role: `testbed install`: gets the distribution's packages that a bed is made of and that are missing. No question is
# asked and no service started; in /etc nothing changes but what apt does. Sourced by ../testbed.

readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK="# of siphon's testbed, for the time of an installation"

# Without a policy-rc.d, Debian starts services as it installs them. One that is there is its owner's: left as it is.
# One of ours may have survived a killed installation.
policy_set() {
  if [[ -e $POLICY ]] && ! grep -qsxF "$POLICY_MARK" "$POLICY"; then return; fi
  trap 'rm -f -- "$POLICY"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  (umask 022 && printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY" && chmod 755 "$POLICY")
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Databases are ours to make: the packages' own setup of one is declined.
preseed() {
  local name=$1 question
  shift
  for question in "$@"; do echo "$name $name/$question boolean false"; done
}

# install_packages SERVICE...: what a bed with Ceph and these services needs.
install_packages() {
  local package missing=() packages=(ceph-mon ceph-mgr ceph-osd ceph-common curl jq)
  if [[ " $* " == *" glance "* ]]; then packages+=(glance-api python3-rados python3-rbd sqlite3); fi
  if [[ " $* " == *" keystone "* ]]; then packages+=(keystone uwsgi-plugin-python3); fi
  # The programs of cinder-api and its like are not used, only what they are made of; tempest is for the specs.
  if [[ " $* " == *" cinder "* ]]; then packages+=(cinder-common qemu-utils qemu-block-extra cryptsetup-bin tempest); fi
  for package in "${packages[@]}"; do
    if ! installed "$package"; then missing+=("$package"); fi
  done
  if ((${#missing[@]} == 0)); then return; fi
  ((EUID == 0)) || unavailable "only root can install what is missing: ${missing[*]}"
  need_commands apt-get debconf-set-selections
  echo "installing ${missing[*]}"
  policy_set
  export DEBIAN_FRONTEND=noninteractive
  if ! installed glance-api; then
    preseed glance configure_db configure_ksat configure_rabbit configure_api-endpoint |
      sed 's/^glance /glance-common /' | debconf-set-selections
  fi
  if ! installed keystone; then
    preseed keystone configure_db create-admin-tenant register-endpoint | debconf-set-selections
  fi
  if ! installed cinder-common; then
    preseed cinder configure_db configure_ksat configure_rabbit configure_api-endpoint |
      sed 's/^cinder /cinder-common /' | debconf-set-selections
  fi
  # The package lists may be missing or old, which shows in the failure of the first try.
  apt_install "${missing[@]}" ||
    { apt-get update -q && apt_install "${missing[@]}"; } ||
    unavailable "apt-get could not install ${missing[*]}"
}

apt_install() { apt-get install -y -q --no-install-recommends "$@"; }
