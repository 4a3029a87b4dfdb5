#!/usr/bin/python3
"""Cinder's GET /v3/PROJECT/volumes/ID, on 127.0.0.1, with the real Keystone to say whose a token is.

What it imitates, as read in cinder's stable/2024.1 (cinder/api/v3/views/volumes.py: detail; cinder/api/contrib/
volume_image_metadata.py; cinder/api/openstack/wsgi.py: Fault, Resource._process_stack; keystonemiddleware/auth_token):
  200   {"volume": {...}} with `encrypted`; `volume_image_metadata`, whose values are strings, only where there is some;
        `encryption_key_id` from microversion 3.64 on, and only of volumes that are encrypted
  400   {"badRequest": ...} when the project of the path is not the token's
  401   {"error": ...} without a token that Keystone knows
  404   {"itemNotFound": ...} when there is no such volume, or it is another project's
  406   {"computeFault": ...} for a microversion beyond `max_version`
Anything else is refused with 404 and recorded in /-/refused, so that a spec sees what should not have been asked.

Usage: as tests/support/fakes.py has it, with the further options max_version (a minor one) and volumes: {id: {project,
encrypted, encryption_key_id, volume_image_metadata}}.
"""
import json
import re
from http.server import BaseHTTPRequestHandler

from fakes import options, serve, whose

VOLUME = re.compile(r"^/v3/([0-9a-f]{32})/volumes/([0-9a-f-]{36})$")
refused = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Openstack-Request-Id", "req-cinder")
        self.end_headers()
        self.wfile.write(body)

    def fault(self, status, name, message):
        self.answer(status, {name: {"code": status, "message": message}})

    def minor_version(self):
        asked = re.fullmatch(r"volume 3\.(\d+)", self.headers.get("OpenStack-API-Version") or "volume 3.0")
        return int(asked.group(1)) if asked else None

    def do_GET(self):
        if self.path == "/-/refused":
            return self.answer(200, refused)
        path = VOLUME.match(self.path)
        if not path:
            refused.append(self.path)
            return self.fault(404, "itemNotFound", "The resource could not be found.")
        caller = whose(self.headers.get("X-Auth-Token"))
        if not caller:
            return self.fault(401, "error", "The request you have made requires authentication.")
        minor = self.minor_version()
        if minor is None or minor > options["max_version"]:
            return self.fault(406, "computeFault", "Version %s is not supported by the API. Minimum is 3.0 and maximum is "
                              "3.%d." % (self.headers["OpenStack-API-Version"], options["max_version"]))
        project = caller[1]
        if project != path.group(1):
            return self.fault(400, "badRequest", "Malformed request url")
        volume = options["volumes"].get(path.group(2))
        if not volume or volume["project"] != project:
            return self.fault(404, "itemNotFound", "Volume %s could not be found." % path.group(2))
        shown = {"id": path.group(2), "name": "vm1", "status": "available", "size": 1, "bootable": "true",
                 "encrypted": volume.get("encrypted", False), "metadata": {}, "multiattach": False, "attachments": [],
                 "snapshot_id": None, "source_volid": None, "os-vol-tenant-attr:tenant_id": project}
        if volume.get("volume_image_metadata"):
            shown["volume_image_metadata"] = volume["volume_image_metadata"]
        if minor >= 64 and shown["encrypted"]:
            shown["encryption_key_id"] = volume["encryption_key_id"]
        return self.answer(200, {"volume": shown})


serve(Handler)
