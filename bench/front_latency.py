"""Latency of POST at 100 requests a second over a connection that is kept.

front_latency.py PORT SECONDS PREFIX

prints the milliseconds that each request took, a line each.
"""

import os
import socket
import sys
import time

RATE = 100
BODY = ('{"event_id":"%s-%d","job_id":"11111111-1111-4111-8111-111111111111",'
        '"event_type":"JobUpdatedEvent","status_type":"RUNNING",'
        '"source_app":"web","timestamp_event":1700000000000}')


def request(connection, body):
    connection.sendall(
        b"POST /topics/bench HTTP/1.1\r\nHost: bench\r\n"
        b"Content-Type: application/json\r\nAuthorization: Bearer %s\r\n"
        b"Content-Length: %d\r\n\r\n%s"
        % (os.environ["TOKEN"].encode(), len(body), body))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 202"), head
    length = int(head.lower().split(b"content-length:")[1].split()[0])
    while len(rest) < length:
        rest += connection.recv(65536)


def main(port, seconds, prefix):
    connection = socket.create_connection(("127.0.0.1", int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    start = time.monotonic()
    for i in range(int(seconds) * RATE):
        time.sleep(max(0, start + i / RATE - time.monotonic()))
        began = time.monotonic()
        request(connection, (BODY % (prefix, i)).encode())
        print((time.monotonic() - began) * 1000)


main(*sys.argv[1:])
