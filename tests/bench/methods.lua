--- The ways from a volume's snapshot to an image: a command line each, and what it takes to be rid of the result. FROM is
-- the source with its snapshot, TO the target, WORK a directory.

local SIPHON = "siphon copy -q FROM TO"
local REMOVE = "rbd rm --no-progress TO"

return {
  { name = "siphon", title = "siphon", line = SIPHON, remove = REMOVE },
  { name = "unverified", title = "siphon --verify none", line = SIPHON .. " --verify none", remove = REMOVE },
  { name = "cp", title = "rbd cp", line = "rbd cp --no-progress FROM TO", remove = REMOVE },
  { name = "deep_cp", title = "rbd deep cp", line = "rbd deep cp --no-progress FROM TO",
    remove = "rbd snap unprotect TO@it; rbd snap purge --no-progress TO; " .. REMOVE },
  { name = "flatten", title = "rbd clone, rbd flatten", remove = REMOVE,
    line = "rbd clone FROM TO; rbd flatten --no-progress TO" },
  { name = "export", title = "rbd export, rbd import", remove = REMOVE,
    line = "rbd export --no-progress FROM - | rbd import --no-progress - TO" },
  { name = "upload", title = "rbd export to a file, Glance upload", line = [[
rbd export --no-progress FROM WORK/file
id=$(curl -sSf -X POST -H 'Content-Type: application/json' "$OS_ENDPOINT/v2/images" \
  -d '{"name": "bench", "disk_format": "raw", "container_format": "bare"}' | jq -r .id)
echo "$id" >WORK/id
curl -sSf -X PUT -H 'Content-Type: application/octet-stream' -T WORK/file "$OS_ENDPOINT/v2/images/$id/file"]],
    remove = [[curl -sSf -X DELETE "$OS_ENDPOINT/v2/images/$(cat WORK/id)"; rm WORK/file]] },
}
