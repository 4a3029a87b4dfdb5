#!/usr/bin/python3
"""An HTTP server that misbehaves on demand, on 127.0.0.1.

What it imitates, and where that was seen:
  /cut, /cut-chunked   glance-api killed while it answers: the length was announced, the bytes stop (also any proxy
                       whose backend goes away)
  /nothing, /reset     a worker that dies between reading the request and answering
  /reused-dead         a kept connection that the server closes when it is used again: eventlet's
                       client_socket_timeout, haproxy's timeout http-keep-alive
  /early/STATUS        an answer before the body was read: keystonemiddleware's 401, glance's 404 and 409 for
                       PUT /v2/images/ID/file, which eventlet.wsgi sends without "100 Continue"
  /no-continue         a server that ignores "Expect: 100-continue" (HTTP/1.0 proxies)
  /hold, /stall, /drip a store that hangs or is slow beneath a healthy glance-api
  /login               a portal or a proxy that answers 200 with a page of its own
  /bad-json, /not-http, /huge-header, /many-headers, /endless    what no server should do
  /redirect, /loop     load balancers that move clients from http to https, or in circles
  CONNECT              a proxy that lets nobody through
  scripted answers     glance's own bodies, copied from glance-api 25.1: webob writes errors as HTML, or, when asked
                       for JSON, as {"message", "code", "title"}

GET /-/log gives the requests so far as JSON and forgets them; PUT /-/script takes
{"METHOD /path": [{"status", "headers", "body", "read"}, ...]}: the answers to come, the last of which stays.

Usage: fault_server.py PORT_FILE OWNER_PID [CERT KEY [CLIENT_CA]]
It writes its port to PORT_FILE and ends when the process OWNER_PID does.
"""
import hashlib
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

lock = threading.Lock()
log = []
script = {}


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        self.requests = 0
        self.served = False  # by /reused-dead

    def fill(self):
        data = self.sock.recv(65536)
        self.buffer += data
        return bool(data)

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                return None
            if self.buffer[:1] == b"\x16":
                raise ValueError("a TLS handshake")
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        self.requests += 1
        return Request(self, method, target, headers)

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, status, body=b"", headers=(), length=None):
        head = ["HTTP/1.1 %d X" % status]
        fields = {"Content-Length": len(body) if length is None else length, **dict(headers)}
        head += ["%s: %s" % field for field in fields.items() if field[1] is not None]
        self.send("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Request:
    def __init__(self, connection, method, target, headers):
        self.connection, self.method, self.target, self.headers = connection, method, target, headers
        parts = urlsplit(target)
        self.path = parts.path
        self.query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.record = {"method": method, "target": target, "headers": headers, "body_bytes": 0,
                       "connection": id(connection), "nth": connection.requests, "time": time.monotonic()}
        if not self.path.startswith("/-/"):
            with lock:
                log.append(self.record)

    def number(self, name, default):
        return float(self.query.get(name, default))

    def body(self, limit=None, keep=False):
        """Reads the body (up to limit bytes): its hash, or all of it."""
        c = self.connection
        if self.headers.get("expect", "").lower() == "100-continue":
            c.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        left = int(self.headers.get("content-length", 0))
        if limit is not None:
            left = min(left, limit)
        digest, kept = hashlib.sha256(), []
        while left:
            if not c.buffer and not c.fill():
                break
            piece, c.buffer = c.buffer[:left], c.buffer[left:]
            left -= len(piece)
            self.record["body_bytes"] += len(piece)
            digest.update(piece)
            if keep:
                kept.append(piece)
        self.record["sha256"] = digest.hexdigest()
        return b"".join(kept)


def pattern(n):
    block = bytes(range(256)) * 256
    return (block * (n // len(block) + 1))[:n]


def echo(r):
    r.body()
    r.connection.answer(200, json.dumps(r.record).encode(), {"Content-Type": "application/json", "X-Twice": "one",
                                                             "x-twice": "two"})


def big(r):
    r.body()
    r.connection.answer(200, pattern(int(r.number("bytes", 1000))))


def zeros(r):
    r.connection.answer(200, length=int(r.number("bytes", 1000)))
    left = int(r.number("bytes", 1000))
    while left:
        n = min(left, 1 << 20)
        r.connection.send(bytes(n))
        left -= n


def status(r):
    r.body()
    code = int(r.path.rsplit("/", 1)[1])
    body = "<html>\n <head>\n  <title>%d Title</title>\n </head>\n <body>\n  <h1>%d Title</h1>\n" \
           "  It&#x27;s refused.<br /><br />\n\n </body>\n</html>" % (code, code)
    r.connection.answer(code, body.encode(), {"Content-Type": "text/html; charset=UTF-8",
                                              "X-Openstack-Request-Id": "req-%d" % code})


def early(r):
    r.connection.answer(int(r.path.rsplit("/", 1)[1]), b"no", {"Connection": "close"})
    return False


def no_continue(r):
    r.headers.pop("expect", None)
    echo(r)


def cut(r):
    r.body()
    r.connection.answer(200, pattern(int(r.number("after", 1000))), {"X-Openstack-Request-Id": "req-cut"},
                        length=1000000)
    return False


def cut_chunked(r):
    r.body()
    r.connection.send(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    return False


def nothing(r):
    r.body(int(r.number("after", 0)))
    return False


def reset(r):
    r.body(int(r.number("after", 0)))
    r.connection.reset()
    return False


def reused_dead(r):
    r.body()
    if r.connection.served:
        return False
    r.connection.served = True
    r.connection.answer(200, b"first")


def hold(r):
    time.sleep(r.number("seconds", 60))
    return False


def stall(r):
    r.body(int(r.number("read", 0)) if "read" in r.query else None)
    if "read" not in r.query:
        r.connection.answer(200, b"some", length=100)
    time.sleep(r.number("seconds", 60))
    return False


def drip(r):
    r.body()
    count = int(r.number("count", 20))
    r.connection.answer(200, length=count)
    for _ in range(count):
        r.connection.send(b"x")
        time.sleep(r.number("delay", 0.05))


def slow_reader(r):
    c, left = r.connection, int(r.headers.get("content-length", 0))
    if "expect" in r.headers:
        c.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    while left:
        if not c.buffer and not c.fill():
            return False
        left -= len(c.buffer)
        r.record["body_bytes"] += len(c.buffer)
        c.buffer = b""
        time.sleep(r.number("delay", 0.001))
    c.answer(200, b"done")


def redirect(r):
    if r.query.get("read") != "no":
        r.body(None if r.query.get("read") != "some" else 100000)
    r.connection.answer(int(r.number("status", 302)), b"elsewhere", {"Location": r.query["to"]})
    return r.query.get("read", "all") == "all"


def loop(r):
    r.body()
    r.connection.answer(302, b"", {"Location": r.path})


def login(r):
    r.body()
    r.connection.answer(200, b"<html><body><h1>Welcome</h1>Please log in</body></html>",
                        {"Content-Type": "text/html"})


def bad_json(r):
    r.body()
    r.connection.answer(200, b'{"id": "x", "status":', {"Content-Type": "application/json"})


def not_http(r):
    r.connection.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    return False


def huge_header(r):
    r.connection.answer(200, b"", {"X-Huge": "x" * int(r.number("bytes", 1 << 20))})
    return False


def many_headers(r):
    r.connection.answer(200, b"", {"X-Header-%d" % i: "x" * 1000 for i in range(int(r.number("count", 1000)))})
    return False


def endless(r):
    r.connection.send(b"HTTP/1.1 200 X\r\n\r\n")
    while True:
        r.connection.send(pattern(65536))


def show_log(r):
    with lock:
        r.connection.answer(200, json.dumps(log).encode(), {"Content-Type": "application/json"})
        log.clear()


def set_script(r):
    given = json.loads(r.body(keep=True))
    with lock:
        script.clear()
        script.update(given)
        log.clear()
    r.connection.answer(204)


def scripted(r):
    with lock:
        answers = script.get("%s %s" % (r.method, r.target)) or script.get("%s %s" % (r.method, r.path))
        one = answers and (answers.pop(0) if len(answers) > 1 else answers[0])
    if not one:
        r.body()
        r.connection.answer(404, b"no such path")
        return True
    if one.get("read", True):
        small = int(r.headers.get("content-length", 0)) < 65536
        body = r.body(keep=small)
        if small:
            r.record["body"] = body.decode("utf-8", "replace")
    time.sleep(one.get("delay", 0))
    if one.get("cut"):
        return False
    r.connection.answer(one.get("status", 200), one.get("body", "").encode(), one.get("headers", {}))
    return one.get("read", True)


PATHS = {"echo": echo, "big": big, "zeros": zeros, "status": status, "early": early, "no-continue": no_continue, "cut": cut,
         "cut-chunked": cut_chunked, "nothing": nothing, "reset": reset, "reused-dead": reused_dead, "hold": hold,
         "stall": stall, "drip": drip, "slow-reader": slow_reader, "redirect": redirect, "loop": loop, "login": login,
         "bad-json": bad_json, "not-http": not_http, "huge-header": huge_header, "many-headers": many_headers,
         "endless": endless}


def serve(sock, context):
    try:
        if context:
            sock = context.wrap_socket(sock, server_side=True)
        connection = Connection(sock)
        while True:
            request = connection.head()
            if not request:
                break
            if request.method == "CONNECT":
                connection.answer(403, b"no way through")
                break
            if request.path == "/-/log":
                handler = show_log
            elif request.path == "/-/script":
                handler = set_script
            else:
                handler = PATHS.get(request.path.split("/")[1], scripted)
            if handler(request) is False:
                break
    except (OSError, ValueError):
        pass  # the client went away, or spoke something else
    finally:
        sock.close()


def main():
    port_file, owner = sys.argv[1], int(sys.argv[2])
    context = None
    if len(sys.argv) > 4:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
        if len(sys.argv) > 5:
            context.load_verify_locations(sys.argv[5])
            context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    with open(port_file + ".new", "w") as f:
        f.write(str(listener.getsockname()[1]))
    os.rename(port_file + ".new", port_file)
    listener.settimeout(1)
    while os.path.exists("/proc/%d" % owner):
        try:
            sock, _ = listener.accept()
        except socket.timeout:
            continue
        sock.settimeout(None)
        threading.Thread(target=serve, args=(sock, context), daemon=True).start()


main()
