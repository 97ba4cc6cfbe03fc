"""token_endpoint.py FILE SECONDS: an OIDC token endpoint over http.

Whoever asks as client "reader" with the secret "sesame/17+" is given a token
without a signature, for "alice" and so many seconds.  The port is written to
FILE, and to FILE.log what became of each request.
"""

import base64
import http.server
import json
import os
import sys
import time

path, lifetime = sys.argv[1], int(sys.argv[2])
WANTED = "Basic " + base64.b64encode(b"reader:sesame/17+").decode()


def part(claims):
    text = json.dumps(claims).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        good = self.headers.get("Authorization") == WANTED and \
            b"grant_type=client_credentials" in body
        now = int(time.time())
        answer = {"error": "invalid_client"}
        if good:
            answer = {"token_type": "Bearer", "expires_in": lifetime,
                      "access_token": "%s.%s." % (
                          part({"alg": "none", "typ": "JWT"}),
                          part({"sub": "alice", "iat": now,
                                "exp": now + lifetime}))}
        data = json.dumps(answer).encode()
        with open(path + ".log", "a") as log:
            log.write("%s\n" % ("given" if good else "refused"))
        self.send_response(200 if good else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(path + ".new", "w") as file:
    file.write(str(server.server_address[1]))
os.rename(path + ".new", path)
server.serve_forever()
