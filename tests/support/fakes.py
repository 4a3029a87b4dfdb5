"""What the fakes of OpenStack services share: they ask the real Keystone who their callers are, and are served on 127.0.0.1.

A fake is started as SCRIPT PORT_FILE OWNER_PID OPTIONS, where OPTIONS is JSON with {keystone, admin: {name, password,
project}} and what the fake itself needs. It writes its port to PORT_FILE and ends when OWNER_PID does.
"""
import http.client
import json
import os
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from urllib.parse import urlsplit

options = {}


def call(base, method, path, body=None, headers=None):
    """Status, headers (names in small letters) and body of the answer."""
    url = urlsplit(base)
    connection = http.client.HTTPConnection(url.netloc, timeout=120)
    try:
        connection.request(method, url.path.rstrip("/") + path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()
    finally:
        connection.close()


def admin_token():
    admin, domain = options["admin"], {"id": "default"}
    body = {"auth": {
        "identity": {"methods": ["password"], "password": {
            "user": {"name": admin["name"], "domain": domain, "password": admin["password"]}}},
        "scope": {"project": {"name": admin["project"], "domain": domain}}}}
    status, headers, _ = call(options["keystone"], "POST", "/auth/tokens", json.dumps(body),
                              {"Content-Type": "application/json"})
    assert status == 201, status
    return headers["x-subject-token"]


def whose(token):
    """The roles and the project of a token; None when it is no good."""
    if not token:
        return None
    status, _, body = call(options["keystone"], "GET", "/auth/tokens?nocatalog", None,
                           {"X-Auth-Token": admin_token(), "X-Subject-Token": token})
    if status != 200:
        return None
    found = json.loads(body)["token"]
    return {role["name"] for role in found["roles"]}, found.get("project", {}).get("id")


def follow(owner):
    while os.path.exists("/proc/%d" % owner):
        time.sleep(0.5)
    os._exit(0)


def serve(handler, **defaults):
    port_file, owner = sys.argv[1], int(sys.argv[2])
    options.update(defaults, **json.loads(sys.argv[3]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    with open(port_file + ".new", "w", encoding="ascii") as file:
        file.write(str(server.server_address[1]))
    os.rename(port_file + ".new", port_file)
    threading.Thread(target=follow, args=(owner,), daemon=True).start()
    server.serve_forever()
