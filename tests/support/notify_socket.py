"""The service manager's end of NOTIFY_SOCKET: writes each datagram that comes as a line to standard output.

notify_socket.py PATH PID    (ends with the process PID)
"""
import os
import socket
import sys

server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind(sys.argv[1])
server.settimeout(1)
while os.path.exists(f"/proc/{sys.argv[2]}"):
    try:
        print(server.recv(4096).decode(), flush=True)
    except socket.timeout:
        pass
