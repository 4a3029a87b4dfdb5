#!/usr/bin/python3
"""Glance 2024.2's new location API (v2.17) in front of a real, older Glance, on 127.0.0.1.

What it imitates, as read in glance's stable/2025.1 (glance/api/v2/images.py: add_location, get_locations;
glance/async_/flows/location_import.py; glance/policies/image.py):
  GET /versions, /                lists v2.17 as CURRENT
  POST /v2/images/ID/locations    202 with an empty body and a task of type location_import. 400: not the schema, or a hash
                                  of the wrong length; 403: the role service is neither in the token nor in X-Service-Token
                                  (only http locations go without), or the image is another project's; 404: not visible;
                                  409: not queued, or a task under way; 415: not JSON.
  the task                        whether the location is any good shows only here: the image stays queued, the task fails.
                                  With do_secure_hash and a hash: importing, all data is read, and with another hash the
                                  location is popped, which REMOVES THE RBD IMAGE; without a hash: active first, then read.
                                  Without do_secure_hash: the hash is kept unseen.
  GET /v2/images/ID/locations     200 for the roles service and admin in the token, else 403
  PATCH of /locations             403 as with show_multiple_locations = False, unless told otherwise
Everything else is the real Glance's: requests are handed on as they are. What the task does to the image's record, it does
there, as the admin, by PATCH (so that Glance has to have show_multiple_locations), and what it does to the data with the
`rbd` command, as Glance's own Ceph user. Who a token belongs to is asked of the real Keystone.

Usage: as tests/support/fakes.py has it, with the further options glance, ceph_conf, ceph_id, do_secure_hash, patch.
"""
import hashlib
import json
import re
import subprocess
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from fakes import admin_token, call, options, serve, whose

DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
LOCATIONS = re.compile(r"^/v2/images/([^/]+)/locations$")
IMAGE = re.compile(r"^/v2/images/([^/]+)$")
TASKS = re.compile(r"^/v2/images/([^/]+)/tasks$")
DELAY = 0.3  # seconds before a task begins and before it ends: what is asynchronous should look so

lock = threading.Lock()
tasks = {}  # image id -> its tasks of type location_import
overlay = {}  # image id -> members of its record that differ from the real one's


class Refusal(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


# --- the task ----------------------------------------------------------------------------------------------------


def rbd_command(*words):
    return ["rbd", "--conf", options["ceph_conf"], "--id", options["ceph_id"], *words]


def digests(spec, algorithms):
    sums = [hashlib.new(name) for name in algorithms]
    command = rbd_command("export", "--no-progress", spec, "-")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        for piece in iter(lambda: process.stdout.read(1 << 20), b""):
            for one in sums:
                one.update(piece)
    if process.returncode:
        raise Refusal(0, "Invalid location")
    return [one.hexdigest() for one in sums]


def spec_of(url):
    parts = url[len("rbd://"):].split("/") if url.startswith("rbd://") else []
    if len(parts) != 4 or not all(parts):
        raise Refusal(0, "The Store URI was malformed.")
    return "%s/%s@%s" % tuple(unquote(part) for part in parts[1:])


def register(image_id, url):
    patch = [{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}]
    status, _, body = call(options["glance"], "PATCH", "/v2/images/" + image_id, json.dumps(patch), {
        "X-Auth-Token": admin_token(), "Content-Type": "application/openstack-images-v2.1-json-patch",
        "Accept": "application/json"})
    if status != 200:
        raise Refusal(0, re.sub(r"<[^>]*>|\s+", " ", body.decode())[:200])


def pop(spec):
    """What location.pop() comes to in glance_store: the data is removed."""
    for words in ("snap", "unprotect", spec), ("snap", "rm", spec), ("rm", spec.split("@")[0]):
        subprocess.run(rbd_command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def work(image_id, url, expected):
    spec = spec_of(url)
    if expected and options["do_secure_hash"]:
        with lock:
            overlay.setdefault(image_id, {})["status"] = "importing"
        algorithm, value = expected["os_hash_algo"], expected["os_hash_value"]
        found, checksum = digests(spec, [algorithm, "md5"])
        if found != value:
            pop(spec)
            raise Refusal(0, "Hash mismatch: expected %s, found %s" % (value, found))
        register(image_id, url)
        return {"os_hash_algo": algorithm, "os_hash_value": value, "checksum": checksum}
    register(image_id, url)
    if expected:
        return dict(expected)
    if options["do_secure_hash"]:
        with lock:
            overlay.setdefault(image_id, {})["os_hash_algo"] = "sha512"
        value, checksum = digests(spec, ["sha512", "md5"])
        return {"os_hash_algo": "sha512", "os_hash_value": value, "checksum": checksum}
    return {}


def run(task, image_id, url, expected):
    time.sleep(DELAY)
    task["status"] = "processing"
    members, status, message = {}, "success", ""
    try:
        members = work(image_id, url, expected)
    except Refusal as refusal:
        status, message = "failure", str(refusal)
    time.sleep(DELAY)
    with lock:
        overlay[image_id] = members
        task["status"], task["message"] = status, message
        task["updated_at"] = now()


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


# --- the calls ---------------------------------------------------------------------------------------------------


def check_body(kind, body):
    if kind.split(";")[0].strip() != "application/json":
        raise Refusal(415, "Unsupported content type")
    try:
        asked = json.loads(body)
    except ValueError:
        raise Refusal(400, "Malformed JSON in request body.") from None
    schema = "Provided object does not match schema 'location'"
    if not isinstance(asked, dict) or not isinstance(asked.get("url"), str) or set(asked) - {"url", "validation_data"}:
        raise Refusal(400, schema)
    expected = asked.get("validation_data")
    if expected is not None:
        if not isinstance(expected, dict) or set(expected) != {"os_hash_algo", "os_hash_value"}:
            raise Refusal(400, schema)
        digits = DIGITS.get(expected["os_hash_algo"])
        if digits is None or not re.fullmatch("[0-9a-fA-F]{%d}" % digits, str(expected["os_hash_value"])):
            raise Refusal(400, "os_hash_value: not the correct size for the algorithm")
    return asked["url"], expected


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True

    def json(self, status, value, headers=()):
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **dict(headers)})

    def upstream(self, body):
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "expect", "content-length")}
        return call(options["glance"], self.command, self.path, body, headers)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None

    def add_location(self, image_id, body):
        caller = whose(self.headers.get("X-Auth-Token"))
        if not caller:
            raise Refusal(401, "The request you have made requires authentication.")
        url, expected = check_body(self.headers.get("Content-Type", ""), body or b"")
        service = whose(self.headers.get("X-Service-Token"))
        status, _, text = call(options["glance"], "GET", "/v2/images/" + image_id, None, {
            "X-Auth-Token": self.headers["X-Auth-Token"], "Accept": "application/json"})
        if status != 200:
            raise Refusal(status, "No image found with ID %s" % image_id)
        image = json.loads(text)
        roles = caller[0] | (service[0] if service else set())
        if image["owner"] != caller[1] and not roles & {"service", "admin"}:
            raise Refusal(403, "You are not authorized to complete add_image_location action.")
        if "service" not in roles and not url.startswith("http"):
            raise Refusal(403, "Forbidden to add location of this scheme")
        with lock:
            if any(task["status"] in ("pending", "processing") for task in tasks.get(image_id, ())):
                raise Refusal(409, "Image has active task")
            if image["status"] != "queued":
                raise Refusal(409, "It's not allowed to add locations if image status is %s." % image["status"])
            task = {"id": str(uuid.uuid4()), "type": "location_import", "status": "pending", "message": "",
                    "image_id": image_id, "request_id": "req-" + str(uuid.uuid4()), "created_at": now(), "owner": caller[1]}
            tasks.setdefault(image_id, []).append(task)
        threading.Thread(target=run, args=(task, image_id, url, expected), daemon=True).start()
        self.answer(202, b"", {"X-OpenStack-Request-ID": task["request_id"]})

    def list_locations(self, image_id):
        caller = whose(self.headers.get("X-Auth-Token"))
        if not caller or not caller[0] & {"service", "admin"}:
            raise Refusal(403, "You are not authorized to complete fetch_image_location action.")
        status, _, text = call(options["glance"], "GET", "/v2/images/" + image_id, None, {
            "X-Auth-Token": self.headers["X-Auth-Token"], "Accept": "application/json"})
        if status != 200:
            raise Refusal(status, "No image found with ID %s" % image_id)
        self.json(200, json.loads(text).get("locations", []))

    def hand_on(self, path, body):
        status, headers, text = self.upstream(body)
        kept = {k: v for k, v in headers.items() if k not in ("connection", "content-length", "transfer-encoding", "date")}
        if path in ("/", "/versions"):
            value = json.loads(text)
            for version in value["versions"]:
                version["status"] = "SUPPORTED"
            value["versions"].insert(0, {**value["versions"][0], "id": "v2.17", "status": "CURRENT"})
            text = json.dumps(value).encode()
        image, listed = IMAGE.match(path), TASKS.match(path)
        if image and status == 200 and self.command in ("GET", "PATCH"):
            with lock:
                text = json.dumps({**json.loads(text), **overlay.get(image.group(1), {})}).encode()
        if listed and status == 200:
            with lock:
                text = json.dumps({"tasks": json.loads(text)["tasks"] + tasks.get(listed.group(1), [])}).encode()
        self.answer(status, text, kept)

    def serve(self):
        path, body = urlsplit(self.path).path, self.body()
        locations = LOCATIONS.match(path)
        try:
            if locations and self.command == "POST":
                return self.add_location(locations.group(1), body)
            if locations and self.command == "GET":
                return self.list_locations(locations.group(1))
            if IMAGE.match(path) and self.command == "PATCH" and b"/locations" in (body or b"") and not options["patch"]:
                raise Refusal(403, "It's not allowed to add locations if locations are invisible.")
        except Refusal as refusal:
            return self.json(refusal.status, {"message": str(refusal), "code": refusal.status, "title": "Refused"})
        return self.hand_on(path, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve


serve(Handler, do_secure_hash=True, patch=False)
