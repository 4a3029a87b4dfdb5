#!/bin/bash
# forget.sh NAME: deletes the Glance images of that name.
set -euo pipefail
curl -sSf "$TESTBED_GLANCE_URL/v2/images?name=$1" | jq -r '.images[].id' | while read -r id; do
  curl -sSf -X DELETE "$TESTBED_GLANCE_URL/v2/images/$id"
done
