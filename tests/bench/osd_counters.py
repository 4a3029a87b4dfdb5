#!/usr/bin/python3
"""Sums up counters of OSDs, each asked at its admin socket: osd_counters.py SOCKET... prints "client replica allocated".

client: bytes of reads and writes that the OSDs served, to clients and to each other for copies; replica: bytes written
to second copies; allocated: bytes on disk now.
"""
import json
import socket
import sys


def ask(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(b'{"prefix": "perf dump"}\0')
        answer = b""
        while piece := s.recv(1 << 20):
            answer += piece
    return json.loads(answer[4:])


client = replica = allocated = 0
for dump in map(ask, sys.argv[1:]):
    client += dump["osd"]["op_in_bytes"] + dump["osd"]["op_out_bytes"]
    replica += dump["osd"]["subop_in_bytes"]
    allocated += dump["bluestore"]["bluestore_allocated"]
print(client, replica, allocated)
