#!/bin/bash
# Lists all that a bed holds: pools with each of their objects, users, blocklist, Glance's images and files. Two lists
# are equal when nothing was left behind in between. Objects that librbd makes once in a pool, and keeps, are left out; of
# siphon's list of jobs so is the history, but not a job that is not done.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
admin() { "$here/../testbed/testbed" admin --dir "$TESTBED_DIR" "$@"; }

# Of the bed's admin, where there is a Keystone.
token() {
  [[ -z ${TESTBED_KEYSTONE_URL-} ]] || jq -n '{auth: {
      identity: {methods: ["password"], password: {user: {
        name: env.TESTBED_ADMIN_USERNAME, domain: {id: "default"}, password: env.TESTBED_ADMIN_PASSWORD}}},
      scope: {project: {name: env.TESTBED_ADMIN_PROJECT_NAME, domain: {id: "default"}}}}}' |
    curl -sSf -o /dev/null -D - -H 'Content-Type: application/json' --data-binary @- "$TESTBED_KEYSTONE_URL/auth/tokens" |
    tr -d '\r' | sed -n 's/^x-subject-token: *//Ip'
}

admin ceph osd pool ls | sort | sed 's/^/pool /'
objects=$("$here/objects.py")
grep -vE $'\t(rbd_directory|rbd_info|rbd_children|rbd_trash|rbd_task|rbd_namespace|rbd_mirroring|rbd_group_directory|siphon\.jobs)$' \
  <<<"$objects" || true
sed -n 's/\tsiphon\.jobs$//p' <<<"$objects" | while IFS= read -r place; do
  admin rados -p "${place%%$'\t'*}" --namespace "${place#*$'\t'}" listomapkeys siphon.jobs |
    sed -n "s/^job\./unfinished job /p"
done
admin ceph auth ls -f json | jq -r '.auth_dump[].entity | "user " + .' | sort
admin ceph osd blocklist ls 2>/dev/null | sed 's/ .*//; s/^/fenced /' | sort
if [[ -n ${TESTBED_GLANCE_URL-} ]]; then
  curl -sSf -H "X-Auth-Token: $(token)" "$TESTBED_GLANCE_URL/v2/images?limit=1000" | jq -r '.images[].id | "glance image " + .' | sort
  find "$TESTBED_DIR"/glance -path '*images*' -type f | sort
fi
