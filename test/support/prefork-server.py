"""
A server of two worker processes on the Unix socket LAUNCH_PROGRAM_SOCKET_PATH, one of which can be killed while the other
goes on. A worker answers each line by its process id, until a line is `upload`: behind that it reads a megabyte and no more,
and says on stderr that it has.
"""

import os
import signal
import socket
import sys


def serve(connection):
    lines = connection.makefile("rb")
    while line := lines.readline():
        if line == b"upload\n":
            lines.read(1_000_000)
            print(f"worker {os.getpid()} is uploaded to", file=sys.stderr, flush=True)
            signal.pause()
        connection.sendall(b"%d\n" % os.getpid())


listener = socket.socket(socket.AF_UNIX)
listener.bind(os.environ["LAUNCH_PROGRAM_SOCKET_PATH"])
listener.listen(64)
workers = set()
signal.signal(signal.SIGTERM, lambda *_: [os.kill(pid, signal.SIGKILL) for pid in workers] and sys.exit(0))
while True:
    while len(workers) < 2:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            while True:
                connection, _ = listener.accept()
                with connection:
                    serve(connection)
        workers.add(pid)
    workers.discard(os.wait()[0])
