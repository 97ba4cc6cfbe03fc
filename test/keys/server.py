#!/usr/bin/env python3
"""A server of keys over https, for tests.

	server.py FOLDER

listens on a free port of loopback with server.pem and server.key of the
folder, writes the port to FOLDER/port, appends the path of each request to
FOLDER/requests, and answers with FOLDER/answer: the status in the first line,
headers up to an empty line, then the body.
"""

import os
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder = sys.argv[1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with open(os.path.join(folder, "requests"), "a") as requests:
            requests.write(self.path + "\n")
        with open(os.path.join(folder, "answer"), "rb") as answer:
            head, body = answer.read().split(b"\n\n", 1)
        status, *headers = head.decode().split("\n")
        self.send_response(int(status))
        for header in headers:
            self.send_header(*header.split(": ", 1))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(folder, "server.pem"),
                        os.path.join(folder, "server.key"))
server.socket = context.wrap_socket(server.socket, server_side=True,
                                    do_handshake_on_connect=False)
with open(os.path.join(folder, "port.new"), "w") as port:
    port.write(str(server.server_port))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
server.serve_forever()
